// Continuous fuzzy checkpoints. A background fiber writes back the pages that have been dirty for longest, a little for
// every stretch of log, so there is no spike, and moves the point from which recovery would start. What recovery has to
// read is bounded by the window below, and that by the size of the log zone.
//
// **What the superblock says.** `undoLSN`: no transaction whose end is not in the durable log began before it. `redoLSN`:
// every change logged before it is on the device. Both are found while everybody goes on working:
//
//      complete := log.completeLSN      all records that start before it are in the log's memory
//      undoLSN  := the oldest running transaction's first LSN, or the insert position if none runs
//      wait until the log is durable up to the insert position of now
//      redoLSN  := min(complete, oldest recLSN of the dirty pages), after every worker has switched fibers once
//
// A page whose change starts before `complete` either is marked dirty when the pages are looked at, or its writer was, on
// reading `complete`, between append and marking; no fiber switches there, so by the time every worker has switched it is
// marked. A writer stalled inside append (ring full) has its record after `complete`. A transaction that left the list of
// running ones did so after its end was appended, so that end is durable when the superblock says that nobody needs its
// beginning; one that entered the list later appends its first record later.
//
// Only when the superblock is durable is the log zone before both given back. If the undo LSN alone holds the zone, it is
// given back up to the redo LSN nevertheless, see LogRetention.swift.

import BTree
import BufferPool
import DirectStorage
import Fibers
import Platform
import Synchronization
import WALEngine

package final class Checkpointer: @unchecked Sendable {
    private let log: Log
    private let pool: BufferPool
    private let superblock: SuperblockStore
    private let running: RunningTransactions
    let retention: LogRetention
    private let mutex = FiberMutex()
    private let isStopping = Atomic<Bool>(false)
    private let hasEnded = Atomic<Bool>(true)
    private var fiber = FiberRef.none
    private var ender = FiberRef.none
    /// Superblock updates so far.
    package let count = Atomic<UInt64>(0)

    /// An idle engine writes its last dirty pages after this.
    private static let idleTime = Nanoseconds.seconds(30)

    package convenience init(
        log: Log, pool: BufferPool, superblock: SuperblockStore, transactions: TransactionManager,
        allocator: PageAllocator
    ) {
        self.init(
            superblock, LogRetention(log: log, pool: pool, allocator: allocator),
            RunningTransactions(
                oldestFirstLSN: { [unowned(unsafe) transactions] in transactions.oldestActiveFirstLSN() },
                isOver: { [unowned(unsafe) transactions] in transactions.isOver($0) }))
    }

    init(_ superblock: SuperblockStore, _ retention: LogRetention, _ running: RunningTransactions) {
        log = retention.log
        pool = retention.pool
        self.superblock = superblock
        self.retention = retention
        self.running = running
    }

    /// Log bytes between two steps: 1/32 of what user records may fill.
    private var step: UInt64 { log.userCapacityByteCount / 32 }
    /// Log that recovery may have to redo in normal operation: half of what user records may fill.
    private var window: UInt64 { log.userCapacityByteCount / 2 }

    package func start(on core: CoreIndex = 0) throws(EngineError) {
        isStopping.store(false, ordering: .relaxed)
        hasEnded.store(false, ordering: .relaxed)
        fiber = try pool.scheduler.spawn(on: core, .writeback, "checkpointer") { self.run() }
    }

    /// Ends the fiber and parks until it is gone.
    package func stop() {
        ender = Fiber.current
        isStopping.store(true, ordering: .sequentiallyConsistent)
        pool.scheduler.wake(fiber)
        while !hasEnded.load(ordering: .acquiring) { Fiber.park() }
    }

    /// The orderly end: nobody writes any more. Stops the fiber, writes every dirty page, leaves a checkpoint from which
    /// the next start has nothing to redo, and closes the log. If transactions are still open, or something fails, the
    /// next start recovers as after a crash.
    package func shutDown() throws(EngineError) {
        stop()
        try log.waitDurable(log.insertLSN)
        try pool.flushAll()
        try checkpoint(keeping: 0)
        try log.close()
        let checkpoint = superblock.current.checkpoint
        let isClean = checkpoint.startLSN >= log.durableLSN
        if isClean { try superblock.update { superblock in superblock.isCleanShutdown = true } }
    }

    // MARK: The fiber

    private func run() {
        while !isStopping.load(ordering: .sequentiallyConsistent) && log.currentFailure == nil {
            if !log.refusesUserRoom { waitForGrowth() }
            if isStopping.load(ordering: .sequentiallyConsistent) { break }
            do throws(EngineError) {
                try checkpoint(keeping: log.isShortOfRoom || retention.wantsRedo ? 0 : window)
                judgeRoom()
                // Nothing can be freed until a transaction ends.
                if log.refusesUserRoom { Fiber.sleep(.milliseconds(20)) }
            } catch {
                judgeRoom(after: error)
                if error.severity == .panic {
                    // The superblock's state on the device is unknown, or the log has stopped.
                    log.halt(error)
                    break
                }
                pool.scheduler.platform.log("checkpoint failed: \(error.message)")
                Fiber.sleep(.milliseconds(200))
            }
        }
        hasEnded.store(true, ordering: .releasing)
        pool.scheduler.wake(ender)
    }

    /// Parks until the log has grown by a step, somebody is short of room, or the engine has been idle with dirty pages.
    private func waitForGrowth() {
        let mark = LSN(log.durableLSN.rawValue + step)
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            log.notify(Fiber.current, at: mark)
            if log.durableLSN >= mark || log.isShortOfRoom || retention.wantsRedo || log.currentFailure != nil {
                return
            }
            let before = log.insertLSN
            if !Fiber.park(until: Fiber.now() + Self.idleTime), pool.dirtyPageCount > 0, log.insertLSN == before {
                do throws(EngineError) { try checkpoint(keeping: 0) } catch { return }
            }
        }
    }

    /// Whether the zone is full although everything was written back: open transactions pin it, and there is no room to move
    /// what they have to undo, or moving has failed. Those who wait for room then get an error instead.
    private func judgeRoom(after failure: EngineError? = nil) {
        let isFull = log.isShortOfRoom || log.usedByteCount > log.userCapacityByteCount / 4 * 3
        let isPinned = retention.isStuck && isFull
        if isPinned { log.explainRefusal(failure?.state == .diskFull ? nil : failure) }
        if isPinned != log.refusesUserRoom { log.refusesUserRoom = isPinned }
    }

    // MARK: A checkpoint

    /// Writes back pages that recovery would have to redo from farther back than `byteCount`, and moves the superblock's
    /// checkpoint as far as that allows. Parks for I/O; one at a time.
    package func checkpoint(keeping byteCount: UInt64) throws(EngineError) {
        mutex.lock()
        defer { mutex.unlock() }
        let insert = log.insertLSN.rawValue
        if insert > byteCount {
            let bound = LSN(insert - byteCount)
            if let oldest = pool.oldestDirtyLSN(), oldest <= bound { try pool.writeBack(upTo: bound) }
        }
        let complete = log.completeLSN
        let oldestActive = Mutation.isActive(.checkpointUndoTooLate) ? complete : running.oldestFirstLSN()
        try log.waitDurable(log.insertLSN)
        let redoLSN = try pool.checkpointBound(insertLSN: complete)
        let old = superblock.current.checkpoint
        var next = Superblock.Checkpoint(
            redoLSN: max(old.redoLSN, redoLSN),
            // A running transaction may have been listed with a bound from before its first record.
            undoLSN: max(old.undoLSN, min(oldestActive, complete)))
        (next.analysisLSN, next.tableLSN) = try retention.plan(
            redo: next.redoLSN, undo: next.undoLSN, after: old, running)
        next.checkpointLSN = log.durableLSN
        assert(next.redoLSN <= next.checkpointLSN && next.undoLSN <= next.checkpointLSN)
        try superblock.update { superblock in superblock.checkpoint = next }
        count.add(1, ordering: .relaxed)
        retention.didPublish(next)
    }
}
