// Transactional locks: tables in PostgreSQL's eight modes, explicit row locks in four, advisory locks, and waiting for
// another transaction to end. One spin lock guards the table and the waits-for graph, so a deadlock is seen at the moment
// the wait that closes it begins, by the one that closes it (DeadlockDetector.swift). Nothing parks under the spin lock.
//
// Queues are first come, first served: a request waits also behind earlier waiting requests that it conflicts with, unless
// its transaction already holds a lock on the same thing (it would wait for itself).

import Fibers
import Platform
import Synchronization

package final class LockManager: @unchecked Sendable {
    let spin = SpinLock()
    private var nodes: LockNodes
    private let buckets: UnsafeMutablePointer<EntryPointer?>
    private static let bucketCount = 4096
    /// Strong table locks held or asked for, by hash of the table.
    private let strong: UnsafeMutablePointer<Atomic<UInt32>>
    private static let strongCount = 1024
    /// Explicit row locks held or waited for: while zero, whoever changes a row need not look.
    private let rowLockCount = Atomic<Int>(0)
    var search: UInt64 = 0
    let manager: Unmanaged<TransactionManager>
    let sessions: UnsafeMutablePointer<Unmanaged<Transaction>?>
    let sessionCapacity: Int
    private var freeSession = 0
    /// Transactions that wait for another to end.
    var transactionWaiters: WaitPointer?

    init(manager: TransactionManager, sessionCapacity: Int, lockLimit: Int) {
        self.manager = Unmanaged.passUnretained(manager)
        self.sessionCapacity = sessionCapacity
        nodes = LockNodes(limit: lockLimit)
        buckets = .allocate(capacity: Self.bucketCount)
        buckets.initialize(repeating: nil, count: Self.bucketCount)
        strong = .allocate(capacity: Self.strongCount)
        for index in 0..<Self.strongCount { (strong + index).initialize(to: Atomic<UInt32>(0)) }
        sessions = .allocate(capacity: sessionCapacity)
        sessions.initialize(repeating: nil, count: sessionCapacity)
    }

    deinit {
        buckets.deallocate()
        strong.deallocate()
        sessions.deallocate()
    }

    // MARK: Sessions

    /// A free index in the registry. 53300 if all are taken.
    func takeSession() throws(EngineError) -> Int {
        spin.lock()
        defer { spin.unlock() }
        for _ in 0..<sessionCapacity {
            freeSession = (freeSession + 1) % sessionCapacity
            if sessions[freeSession] == nil { return freeSession }
        }
        throw EngineError(.tooManyConnections, "sorry, too many clients already")
    }
    func register(_ transaction: Transaction) {
        spin.lock()
        sessions[transaction.index] = Unmanaged.passUnretained(transaction)
        transaction.wait.record.pointee.owner = Unmanaged.passUnretained(transaction)
        spin.unlock()
    }
    func unregister(_ transaction: Transaction) {
        releaseSession(transaction)
        spin.lock()
        sessions[transaction.index] = nil
        spin.unlock()
    }

    // MARK: Tables

    /// Locks a table until the end of the transaction. False only if the policy is not to wait.
    /// 40P01, 55P03 (lock_timeout), 57014.
    @discardableResult
    package func lockTable(
        _ transaction: Transaction, _ table: UInt32, _ mode: TableLock, _ policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> Bool {
        let counter = counter(table)
        if mode.isWeak {
            let fast = transaction.fastPath
            fast.lock()
            if let index = fast.find(table) {
                fast[index] |= UInt64(mode.lockMode.bit)
                fast.unlock()
                return true
            }
            if counter.pointee.load(ordering: .relaxed) == 0 && fast.count < FastPathLocks.capacity {
                fast[fast.count] = UInt64(table) << 16 | UInt64(mode.lockMode.bit)
                fast.count += 1
                fast.unlock()
                return true
            }
            fast.unlock()
            return try lock(transaction, .table(table), mode.lockMode, policy)
        }
        counter.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)
        let granted: Bool
        do throws(EngineError) {
            try moveFastPathLocks(table)
            granted = try lock(transaction, .table(table), mode.lockMode, policy, countsStrong: true)
        } catch {
            counter.pointee.wrappingSubtract(1, ordering: .releasing)
            throw error
        }
        if !granted { counter.pointee.wrappingSubtract(1, ordering: .releasing) }
        return granted
    }

    /// Moves all sessions' fast-path locks on a table to the lock table, where they are seen to conflict.
    private func moveFastPathLocks(_ table: UInt32) throws(EngineError) {
        spin.lock()
        defer { spin.unlock() }
        for index in 0..<sessionCapacity {
            guard let session = sessions[index] else { continue }
            let transaction = session.takeUnretainedValue()
            let fast = transaction.fastPath
            fast.lock()
            defer { fast.unlock() }
            guard let found = fast.find(table) else { continue }
            let modes = UInt16(truncatingIfNeeded: fast[found])
            for mode in UInt8(1)...3 where modes & (1 << UInt16(mode)) != 0 {
                let entry = try findOrMake(.table(table))
                try addHold(entry, transaction, LockMode(rawValue: mode), isSession: false)
            }
            fast.remove(found)
        }
    }

    // MARK: Rows

    /// True if somebody holds or wants an explicit lock on some row.
    @inline(__always) var hasRowLocks: Bool { rowLockCount.load(ordering: .acquiring) != 0 }

    /// Takes an explicit row lock if that needs no waiting. Called under the row's leaf latch.
    func tryLockRow(_ transaction: Transaction, _ tree: UInt32, _ row: UInt64, _ mode: RowLockMode)
        throws(EngineError) -> Bool
    {
        try lock(transaction, .row(tree, row), mode.lockMode, .noWait)
    }

    /// Takes an explicit row lock, waiting for those who hold conflicting ones. Not under a latch.
    func lockRow(
        _ transaction: Transaction, _ tree: UInt32, _ row: UInt64, _ mode: RowLockMode, _ policy: LockWaitPolicy
    )
        throws(EngineError) -> Bool
    {
        try lock(transaction, .row(tree, row), mode.lockMode, policy)
    }

    /// True if another transaction holds an explicit lock that excludes `mode`. Called under the row's leaf latch.
    func isRowLocked(_ transaction: Transaction, _ tree: UInt32, _ row: UInt64, against mode: RowLockMode) -> Bool {
        spin.lock()
        defer { spin.unlock() }
        guard let entry = find(.row(tree, row)) else { return false }
        return conflictsWithHolds(entry, transaction, mode.lockMode)
    }

    /// Locked things and holds in the shared table; zero when nothing is locked.
    package var lockCount: Int {
        spin.lock()
        defer { spin.unlock() }
        return nodes.inUse
    }

    // MARK: Release

    /// Releases everything that the transaction holds, but session advisory locks.
    func releaseAll(_ transaction: Transaction) {
        let fast = transaction.fastPath
        fast.lock()
        fast.count = 0
        fast.unlock()
        if transaction.locks != nil { release(transaction, downTo: 0) }
    }

    /// Releases the newest locks until `count` are left; table locks among them stay, as the oldest.
    func release(_ transaction: Transaction, downTo count: Int) {
        if transaction.lockCount <= count { return }
        spin.lock()
        defer { spin.unlock() }
        var kept: HoldPointer?
        while transaction.lockCount > count, let hold = transaction.locks {
            transaction.locks = hold.pointee.older
            transaction.lockCount -= 1
            if count > 0 && hold.pointee.entry.pointee.tag.kind == .table {
                hold.pointee.older = kept
                kept = hold
            } else {
                removeHold(hold)
            }
        }
        while let hold = kept {
            kept = hold.pointee.older
            hold.pointee.older = transaction.locks
            transaction.locks = hold
            transaction.lockCount += 1
        }
    }

    // MARK: Machinery

    func find(_ tag: LockTag) -> EntryPointer? {
        var entry = buckets[Int(tag.hash & UInt64(Self.bucketCount - 1))]
        while let current = entry {
            if current.pointee.tag.isSame(tag) { return current }
            entry = current.pointee.hashNext
        }
        return nil
    }

    private func findOrMake(_ tag: LockTag) throws(EngineError) -> EntryPointer {
        if let entry = find(tag) { return entry }
        let entry = try nodes.makeEntry(tag)
        let bucket = Int(tag.hash & UInt64(Self.bucketCount - 1))
        entry.pointee.hashNext = buckets[bucket]
        buckets[bucket] = entry
        if tag.kind == .row { rowLockCount.wrappingAdd(1, ordering: .acquiringAndReleasing) }
        return entry
    }

    private func removeIfUnused(_ entry: EntryPointer) {
        if entry.pointee.holds != nil || entry.pointee.firstWaiter != nil { return }
        let bucket = Int(entry.pointee.tag.hash & UInt64(Self.bucketCount - 1))
        if buckets[bucket] == entry {
            buckets[bucket] = entry.pointee.hashNext
        } else {
            var at = buckets[bucket].unsafelyUnwrapped
            while at.pointee.hashNext != entry { at = at.pointee.hashNext.unsafelyUnwrapped }
            at.pointee.hashNext = entry.pointee.hashNext
        }
        if entry.pointee.tag.kind == .row { rowLockCount.wrappingSubtract(1, ordering: .acquiringAndReleasing) }
        nodes.free(entry)
    }

    /// Adds a hold, or counts an equal one up.
    private func addHold(_ entry: EntryPointer, _ transaction: Transaction, _ mode: LockMode, isSession: Bool)
        throws(EngineError)
    {
        if let hold = ownHold(entry, transaction, mode, isSession: isSession) {
            hold.pointee.count += 1
            return
        }
        let hold = try nodes.makeHold(entry, transaction, mode, isSession: isSession)
        hold.pointee.nextInEntry = entry.pointee.holds
        entry.pointee.holds = hold
        if isSession {
            hold.pointee.older = transaction.sessionLocks
            transaction.sessionLocks = hold
        } else {
            hold.pointee.older = transaction.locks
            transaction.locks = hold
            transaction.lockCount += 1
        }
    }

    private func ownHold(_ entry: EntryPointer, _ transaction: Transaction, _ mode: LockMode, isSession: Bool)
        -> HoldPointer?
    {
        var hold = entry.pointee.holds
        while let current = hold {
            if current.pointee.owner.toOpaque() == Unmanaged.passUnretained(transaction).toOpaque(),
                current.pointee.mode.rawValue == mode.rawValue, current.pointee.isSession == isSession
            {
                return current
            }
            hold = current.pointee.nextInEntry
        }
        return nil
    }

    /// Takes a hold out of its entry and grants what that lets through.
    func removeHold(_ hold: HoldPointer) {
        let entry = hold.pointee.entry
        if entry.pointee.holds == hold {
            entry.pointee.holds = hold.pointee.nextInEntry
        } else {
            var at = entry.pointee.holds.unsafelyUnwrapped
            while at.pointee.nextInEntry != hold { at = at.pointee.nextInEntry.unsafelyUnwrapped }
            at.pointee.nextInEntry = hold.pointee.nextInEntry
        }
        if entry.pointee.tag.kind == .table && hold.pointee.mode.rawValue > 3 {
            counter(entry.pointee.tag.space).pointee.wrappingSubtract(1, ordering: .releasing)
        }
        nodes.free(hold)
        grantWaiters(entry)
        removeIfUnused(entry)
    }

    func conflictsWithHolds(_ entry: EntryPointer, _ transaction: Transaction, _ mode: LockMode) -> Bool {
        var hold = entry.pointee.holds
        let conflicts = mode.conflicts
        while let current = hold {
            if current.pointee.mode.bit & conflicts != 0,
                current.pointee.owner.toOpaque() != Unmanaged.passUnretained(transaction).toOpaque()
            {
                return true
            }
            hold = current.pointee.nextInEntry
        }
        return false
    }

    /// Waiting requests before `end` that `mode` conflicts with.
    private func conflictsWithWaiters(_ entry: EntryPointer, before end: WaitPointer?, _ mode: LockMode) -> Bool {
        var waiter = entry.pointee.firstWaiter
        while let current = waiter, current != end {
            if current.pointee.mode.bit & mode.conflicts != 0 { return true }
            waiter = current.pointee.next
        }
        return false
    }

    private func holdsAny(_ entry: EntryPointer, _ transaction: Transaction) -> Bool {
        var hold = entry.pointee.holds
        while let current = hold {
            if current.pointee.owner.toOpaque() == Unmanaged.passUnretained(transaction).toOpaque() { return true }
            hold = current.pointee.nextInEntry
        }
        return false
    }

    private func grantWaiters(_ entry: EntryPointer) {
        var waiter = entry.pointee.firstWaiter
        while let current = waiter {
            waiter = current.pointee.next
            let transaction = current.pointee.owner.unsafelyUnwrapped.takeUnretainedValue()
            let mode = current.pointee.mode
            if conflictsWithHolds(entry, transaction, mode) { continue }
            if !holdsAny(entry, transaction) && conflictsWithWaiters(entry, before: current, mode) { continue }
            do throws(EngineError) {
                try addHold(entry, transaction, mode, isSession: current.pointee.isSession)
            } catch {
                continue  // no memory for the hold: whoever releases next tries again
            }
            dequeue(entry, current)
            current.pointee.granted = true
            current.pointee.isWaiting = false
            manager.takeUnretainedValue().scheduler.wake(current.pointee.fiber)
        }
    }

    private func dequeue(_ entry: EntryPointer, _ waiter: WaitPointer) {
        var before: WaitPointer?
        var at = entry.pointee.firstWaiter
        while let current = at, current != waiter {
            before = current
            at = current.pointee.next
        }
        if let before {
            before.pointee.next = waiter.pointee.next
        } else {
            entry.pointee.firstWaiter = waiter.pointee.next
        }
        if entry.pointee.lastWaiter == waiter { entry.pointee.lastWaiter = before }
        waiter.pointee.next = nil
        waiter.pointee.entry = nil
    }

    /// Grants or waits. `countsStrong`: the caller has raised the table's strong count for the hold to come; if an equal
    /// hold exists already, it is lowered again.
    func lock(
        _ transaction: Transaction, _ tag: LockTag, _ mode: LockMode, _ policy: LockWaitPolicy, isSession: Bool = false,
        countsStrong: Bool = false
    ) throws(EngineError) -> Bool {
        spin.lock()
        let wait = transaction.wait.record
        do throws(EngineError) {
            let entry = try findOrMake(tag)
            if let own = ownHold(entry, transaction, mode, isSession: isSession) {
                own.pointee.count += 1
                if countsStrong { counter(tag.space).pointee.wrappingSubtract(1, ordering: .releasing) }
                spin.unlock()
                return true
            }
            if !conflictsWithHolds(entry, transaction, mode)
                && (holdsAny(entry, transaction) || !conflictsWithWaiters(entry, before: nil, mode))
            {
                do throws(EngineError) {
                    try addHold(entry, transaction, mode, isSession: isSession)
                } catch {
                    removeIfUnused(entry)
                    throw error
                }
                spin.unlock()
                return true
            }
            if policy != .wait {
                spin.unlock()
                return false
            }
            wait.pointee.entry = entry
            wait.pointee.mode = mode
            wait.pointee.isSession = isSession
            wait.pointee.target = 0
            beginWait(wait)
            if let last = entry.pointee.lastWaiter {
                last.pointee.next = wait
            } else {
                entry.pointee.firstWaiter = wait
            }
            entry.pointee.lastWaiter = wait
            if isDeadlocked(transaction) {
                dequeue(entry, wait)
                wait.pointee.isWaiting = false
                grantWaiters(entry)
                removeIfUnused(entry)
                throw Self.deadlock
            }
        } catch {
            spin.unlock()
            throw error
        }
        spin.unlock()
        if let error = park(transaction) {
            spin.lock()
            defer { spin.unlock() }
            if wait.pointee.granted { return true }
            let entry = wait.pointee.entry.unsafelyUnwrapped
            dequeue(entry, wait)
            wait.pointee.isWaiting = false
            grantWaiters(entry)
            removeIfUnused(entry)
            throw error
        }
        return true
    }

    /// Count of strong lockers of tables with this table's hash.
    @inline(__always) private func counter(_ table: UInt32) -> UnsafeMutablePointer<Atomic<UInt32>> {
        strong + Int(table.multipliedReportingOverflow(by: 0x9E37_79B9).partialValue >> 22)
    }

    static var deadlock: EngineError {
        EngineError(.deadlockDetected, "deadlock detected", hint: "See server log for query details.")
    }
}
