// Begins, ends and retires transactions.
//
// The life of a writing transaction:
//   1. first write: slot, id, undo memory; listed as active with a lower bound of its first LSN
//   2. commit record appended; its end LSN is published in the slot: snapshots taken from when it is durable see it
//   3. durable: announced to waiters, locks released, no longer active
//   4. retired, when the oldest snapshot has reached its end LSN: slot and undo memory reused, tombstones purged
// An aborting transaction undoes its changes newest first with compensation records, appends an abort record, and goes on
// with 3 and 4 the same way.

import BTree
import BufferPool
import Fibers
import Platform
import Synchronization
import Telemetry
import WALEngine

package final class TransactionManager: @unchecked Sendable {
    package struct Options {
        /// Bytes of undo memory over all workers. Long transactions move theirs to temporary space when half of it is used.
        package var undoByteLimit = 256 << 20
        package var sessionLimit = 1024
        /// Entries and holds of the lock table.
        package var lockLimit = 1 << 20
        package init() {}
    }

    package let scheduler: Scheduler
    package let log: Log
    package let slots: TransactionSlots
    package let undoArea: UndoArea
    let bootCount: UInt64
    let workers: WorkerPointer
    let workerCount: Int
    package private(set) var locks: LockManager! = nil
    let serializable = SerializableValidation()
    /// See Snapshots.swift.
    let horizonFloor = Atomic<UInt64>(0)
    private let freshSlots = Atomic<Int>(0)
    let stopping = Atomic<Bool>(false)
    let runningPurgers = Atomic<Int>(0)
    var purgers: [FiberRef] = []

    /// Starts of one device that transaction ids can tell apart.
    static let bootCountLimit: UInt64 = 1 << 22

    /// `bootCount` must be greater than at any earlier open of the same device (Superblock). 53200.
    package init(scheduler: Scheduler, log: Log, bootCount: UInt64, options: Options = Options()) throws(EngineError) {
        precondition(bootCount < Self.bootCountLimit, "boot count fits a transaction id")
        self.scheduler = scheduler
        self.log = log
        self.bootCount = bootCount
        slots = try TransactionSlots(platform: scheduler.platform)
        workerCount = scheduler.workerCount
        undoArea = try UndoArea(
            platform: scheduler.platform, workerCount: workerCount, byteLimit: options.undoByteLimit)
        workers = .allocate(capacity: workerCount)
        for core in 0..<workerCount {
            (workers + core).initialize(to: TransactionWorker(core: core, area: undoArea, workerCount: workerCount))
        }
        locks = LockManager(manager: self, sessionCapacity: options.sessionLimit, lockLimit: options.lockLimit)
    }

    package var undoBudget: UndoBudget { undoArea.budget }

    /// A session's transaction object, on the calling fiber's worker. `close` it at the session's end. 53300.
    package func makeTransaction() throws(EngineError) -> Transaction {
        let index = try locks.takeSession()
        let transaction = Transaction(manager: self, worker: workers + Fiber.core, index: index)
        locks.register(transaction)
        return transaction
    }

    package func close(_ transaction: Transaction) {
        locks.unregister(transaction)
        transaction.predicates.deallocate()
    }

    /// Runs `body` in a transaction of the engine's own, which commits if it returns and is rolled back if it throws. On the
    /// calling fiber's worker. Errors: those of `body` and of the commit.
    package func perform<Result>(
        _ body: (Transaction) throws(EngineError) -> Result
    ) throws(EngineError) -> Result {
        let transaction = try makeTransaction()
        defer { close(transaction) }
        transaction.begin()
        do throws(EngineError) {
            let result = try body(transaction)
            try transaction.commit()
            return result
        } catch {
            var hasEnded = transaction.isActive
            do throws(EngineError) { if hasEnded { try transaction.rollback() } } catch { hasEnded = false }
            // The log has stopped. Recovery will undo it; until then it stays as it is.
            if !hasEnded { _ = Unmanaged.passRetained(transaction) }
            throw error
        }
    }

    // MARK: Horizons

    /// An LSN that every registered snapshot, and every one taken from now on, has reached. Any worker.
    package func horizon() -> UInt64 {
        let durable = log.durableLSN.rawValue
        horizonFloor.max(durable, ordering: .sequentiallyConsistent)
        var oldest = durable
        if Mutation.isActive(.horizonIgnored) { return durable }
        for core in 0..<workerCount {
            oldest = min(oldest, workers[core].snapshots.oldest.load(ordering: .sequentiallyConsistent))
        }
        return oldest
    }

    /// No transaction that recovery would have to undo began before this LSN. To be used for a checkpoint only after the
    /// log is durable up to the `insertLSN` read before the call: a transaction leaves the list when its end is appended.
    package func oldestActiveFirstLSN() -> LSN {
        // Read before the lists: a transaction listed after its list was looked at appends its first record later still.
        var oldest = log.insertLSN.rawValue
        for core in 0..<workerCount {
            oldest = min(oldest, workers[core].oldestFirstLSN.load(ordering: .sequentiallyConsistent))
        }
        return LSN(oldest)
    }

    /// True if the transaction has appended its end, or never was one of this boot: its end is durable as soon as the log is
    /// up to the insert position of now.
    func isOver(_ id: UInt64) -> Bool {
        let slot = slots.slot(of: id)
        if slot.pointee.id.load(ordering: .acquiring) != id { return true }
        // The end LSN of a commit is stored before the record is complete; who sees it waits for the log all the same.
        if slot.pointee.commitLSN.load(ordering: .acquiring) != 0 { return true }
        return slot.pointee.state.load(ordering: .acquiring) & TransactionSlot.ended != 0
            || slot.pointee.id.load(ordering: .acquiring) != id
    }

    /// Transactions that got an id since start.
    package var startedCount: UInt64 { (0..<workerCount).reduce(0) { $0 + workers[$1].startedCount } }

    // MARK: First write

    /// Gives the transaction an id, a slot and undo memory. 25006, 53200.
    @inline(never)
    func start(_ transaction: Transaction) throws(EngineError) {
        if transaction.isReadOnly {
            throw EngineError(.readOnlySQLTransaction, "cannot execute this statement in a read-only transaction")
        }
        let worker = transaction.worker
        var holding = UndoHolding()
        let memory = try worker.pointee.undo.allocate(MemoryLayout<EndingTransaction>.stride, for: &holding)
        let index: UInt32
        do throws(EngineError) {
            index = try takeSlot(worker)
        } catch {
            worker.pointee.undo.giveBack(holding)
            throw error
        }
        transaction.holding = holding
        let slot = slots.base + Int(index)
        slot.pointee.generation += 1
        let id = bootCount << 40 | slot.pointee.generation << TransactionSlots.bits | UInt64(index)
        slot.pointee.commitLSN.store(0, ordering: .relaxed)
        slot.pointee.state.store(UInt64(transaction.index) << 8, ordering: .relaxed)
        slot.pointee.id.store(id, ordering: .releasing)
        worker.pointee.list(transaction.active, firstLSN: log.insertLSN.rawValue, id: id)
        worker.pointee.startedCount += 1
        log.writerBegan()
        transaction.id = TransactionID(id)
        transaction.slot = slot
        let ending = memory.bindMemory(to: EndingTransaction.self, capacity: 1)
        ending.initialize(to: EndingTransaction(slotIndex: index))
        transaction.ending = ending
    }

    private func takeSlot(_ worker: WorkerPointer) throws(EngineError) -> UInt32 {
        while true {
            while let index = worker.pointee.slots.pop() {
                // A slot whose generations are used up is left aside for ever.
                if slots.base[Int(index)].generation + 1 < TransactionSlots.generationLimit { return index }
            }
            let first = freshSlots.wrappingAdd(TransactionSlots.blockCount, ordering: .relaxed).oldValue
            if first + TransactionSlots.blockCount > TransactionSlots.capacity {
                freshSlots.wrappingSubtract(TransactionSlots.blockCount, ordering: .relaxed)
                if retireEnded(worker) { continue }
                throw EngineError(
                    .outOfMemory, "too many transactions have ended since the oldest snapshot was taken",
                    hint: "End long-running transactions.")
            }
            for index in first..<first + TransactionSlots.blockCount { worker.pointee.slots.push(UInt32(index)) }
        }
    }

    // MARK: Ends

    func commit(_ transaction: Transaction) throws(EngineError) {
        try log.ensureRoom(LogRecordLayout.byteCount(undo: 0, operationCount: 0, operationByteCount: 0), for: .system)
        let slot = transaction.slot.unsafelyUnwrapped
        let end: UInt64
        if transaction.isolation == .serializable {
            end = try serializable.commit(transaction) { appendCommit(transaction, slot) }
        } else {
            end = appendCommit(transaction, slot)
        }
        transaction.markEnding()
        transaction.publishBuiltTrees(end)
        let ending = leave(transaction, end: end)
        // What it read no longer matters, so it does not hold the horizon while it waits for the device.
        transaction.worker.pointee.snapshots.release(transaction.snapshotNode)
        if !Mutation.isActive(.commitAcknowledgedEarly) { try log.waitDurable(LSN(end)) }
        transaction.runTreeActions(.atCommit, end: end)
        announce(transaction, ending)
        scheduler.counters.add(Fiber.core, .commits)
    }

    private func appendCommit(_ transaction: Transaction, _ slot: SlotPointer) -> UInt64 {
        var builder = log.makeRecord(
            .commit, transactionID: transaction.id.rawValue, previousLSN: transaction.lastLSN)
        return log.append(&builder, publish: slot.commitCell).end.rawValue
    }

    func rollback(_ transaction: Transaction) throws(EngineError) {
        transaction.markEnding()
        try undo(transaction, downTo: 0)
        moveRest(transaction)
        try log.ensureRoom(LogRecordLayout.byteCount(undo: 0, operationCount: 0, operationByteCount: 0), for: .system)
        var builder = log.makeRecord(.abort, transactionID: transaction.id.rawValue, previousLSN: transaction.lastLSN)
        let end = log.append(&builder).end.rawValue
        let ending = leave(transaction, end: end)
        announce(transaction, ending)
        scheduler.counters.add(Fiber.core, .rollbacks)
    }

    /// Applies undo, newest first, until `oldest` is the newest record left. The transaction's next record leads past what
    /// was undone, so that nobody who follows its records ever meets a compensation record.
    func undo(_ transaction: Transaction, downTo oldest: UInt64) throws(EngineError) {
        var buffered: SegmentIndex = 0
        while transaction.newestUndo != oldest {
            let record = try ownRecord(
                transaction.newestUndo, buffer: transaction.holding.buffer, buffered: &buffered)
            try log.ensureRoom(0, for: .rollback)
            if !Mutation.isActive(.rollbackUndoesNothing) { _ = try record.versionedTree.undo(record, transaction) }
            transaction.lastLSN = LSN(record.logPrevious)
            transaction.newestUndo = record.previous
            Fiber.yieldIfDue()
        }
    }

    /// Queues the transaction for retirement at its end LSN.
    private func leave(_ transaction: Transaction, end: UInt64) -> EndingPointer {
        let ending = transaction.ending.unsafelyUnwrapped
        transaction.worker.pointee.undo.giveBackBuffer(&transaction.holding)
        ending.pointee.endLSN = end
        ending.pointee.needsPurge = transaction.needsPurge
        ending.pointee.newestUndo = transaction.newestUndo
        ending.pointee.holding = transaction.holding
        transaction.worker.pointee.enqueueEnded(ending)
        return ending
    }

    private func announce(_ transaction: Transaction, _ ending: EndingPointer) {
        let worker = transaction.worker
        worker.pointee.unlist(transaction.active)
        log.writerEnded()
        log.noteTransactionEnd()
        locks.announceEnd(transaction.slot.unsafelyUnwrapped, id: transaction.id.rawValue)
        ending.pointee.isAnnounced = true
        worker.pointee.snapshots.release(transaction.snapshotNode)
        if worker.pointee.endedCount >= 8 { retireEnded(worker) }
    }
}
