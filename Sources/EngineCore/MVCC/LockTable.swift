// The lock table's parts: entries by tag, holds by entry and owner, the queue of waiting transactions, and the per-session
// fast path for weak table locks. All of it is guarded by the LockManager's spin lock, but for the fast path, which has
// its own. Nodes are raw memory from a free list, so that locking neither counts references nor, once warm, allocates.

import Fibers
import Platform
import Synchronization

typealias EntryPointer = UnsafeMutablePointer<LockEntry>
typealias HoldPointer = UnsafeMutablePointer<LockHold>

/// One locked thing.
struct LockEntry {
    var tag: LockTag
    var hashNext: EntryPointer?
    var holds: HoldPointer?
    /// Transactions waiting, in order of arrival.
    var firstWaiter: WaitPointer?
    var lastWaiter: WaitPointer?
}

/// One mode held by one owner.
struct LockHold {
    var entry: EntryPointer
    var owner: Unmanaged<Transaction>
    var mode: LockMode
    /// Advisory locks of the session outlive the transaction and count.
    var isSession: Bool
    var count: Int
    var nextInEntry: HoldPointer?
    /// The owner's hold before this one.
    var older: HoldPointer?
}

typealias WaitPointer = UnsafeMutablePointer<WaitRecord>

/// What a transaction waits for. One per transaction, since a session waits for one thing at a time.
struct WaitRecord {
    var owner: Unmanaged<Transaction>?
    var fiber = FiberRef.none
    /// Waiting in this entry's queue for `mode`, or, if nil, for the transaction `target`.
    var entry: EntryPointer?
    var mode = LockMode(rawValue: 0)
    var isSession = false
    var target: UInt64 = 0
    var isWaiting = false
    var granted = false
    var next: WaitPointer?
    /// Deadlock search that visited this node last.
    var visited: UInt64 = 0
}

struct WaitState {
    let record: WaitPointer
    static func make() -> WaitState {
        let record = WaitPointer.allocate(capacity: 1)
        record.initialize(to: WaitRecord())
        return WaitState(record: record)
    }
    func deallocate() { record.deallocate() }
}

/// Weak table locks of one session, kept out of the shared table while nobody wants a strong lock on the same table.
/// After PostgreSQL's fast path (lock.c): the session adds under its own lock after looking at the table's count of
/// strong lockers; a strong locker raises the count, then takes every session's lock and moves what it finds.
struct FastPathLocks {
    static let capacity = 16
    private let base: UnsafeMutableRawPointer

    init() {
        base = .allocate(byteCount: 64 + Self.capacity * 8, alignment: 64)
        base.initializeMemory(as: UInt8.self, repeating: 0, count: 64 + Self.capacity * 8)
    }
    func deallocate() { base.deallocate() }

    @inline(__always) private var word: UnsafeMutablePointer<Atomic<UInt32>> {
        base.assumingMemoryBound(to: Atomic<UInt32>.self)
    }
    @inline(__always) func lock() {
        while word.pointee.exchange(1, ordering: .acquiring) != 0 { spinPause() }
    }
    @inline(__always) func unlock() { word.pointee.store(0, ordering: .releasing) }

    @inline(__always) var count: Int {
        get { base.load(fromByteOffset: 8, as: Int.self) }
        nonmutating set { base.storeBytes(of: newValue, toByteOffset: 8, as: Int.self) }
    }
    /// table << 16 | modes
    @inline(__always) subscript(_ index: Int) -> UInt64 {
        get { base.load(fromByteOffset: 64 + index * 8, as: UInt64.self) }
        nonmutating set { base.storeBytes(of: newValue, toByteOffset: 64 + index * 8, as: UInt64.self) }
    }
    @inline(__always) func find(_ table: UInt32) -> Int? {
        for index in 0..<count where self[index] >> 16 == UInt64(table) { return index }
        return nil
    }
    @inline(__always) func remove(_ index: Int) {
        count -= 1
        self[index] = self[count]
    }
}

/// Free lists of entries and holds, bounded: 53200 beyond.
struct LockNodes {
    private var freeEntries: EntryPointer?
    private var freeHolds: HoldPointer?
    private(set) var inUse = 0
    let limit: Int

    init(limit: Int) { self.limit = limit }

    private func exhausted() -> EngineError {
        EngineError(
            .outOfMemory, "out of shared memory", hint: "You might need to increase max_locks_per_transaction.")
    }

    mutating func makeEntry(_ tag: LockTag) throws(EngineError) -> EntryPointer {
        if inUse >= limit { throw exhausted() }
        inUse += 1
        let entry = freeEntries ?? .allocate(capacity: 1)
        if freeEntries != nil { freeEntries = entry.pointee.hashNext }
        entry.initialize(to: LockEntry(tag: tag))
        return entry
    }
    mutating func free(_ entry: EntryPointer) {
        inUse -= 1
        entry.pointee.hashNext = freeEntries
        freeEntries = entry
    }
    mutating func makeHold(_ entry: EntryPointer, _ owner: Transaction, _ mode: LockMode, isSession: Bool)
        throws(EngineError) -> HoldPointer
    {
        if inUse >= limit { throw exhausted() }
        inUse += 1
        let hold = freeHolds ?? .allocate(capacity: 1)
        if freeHolds != nil { freeHolds = hold.pointee.older }
        hold.initialize(
            to: LockHold(
                entry: entry, owner: Unmanaged.passUnretained(owner), mode: mode, isSession: isSession, count: 1))
        return hold
    }
    mutating func free(_ hold: HoldPointer) {
        inUse -= 1
        hold.pointee.older = freeHolds
        freeHolds = hold
    }
}
