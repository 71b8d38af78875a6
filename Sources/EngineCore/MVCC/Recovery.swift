// Recovery after any stop, orderly or not (ARIES: Mohan et al., TODS 1992): analysis and redo in one pass over the log,
// then undo of the transactions that had not ended.
//
//   1. The boot is counted in the superblock, durably: its number marks every log block of this boot.
//   2. The device's cache is flushed: what is read from the log below must not vanish after pages were written for it.
//   3. One pass over the log from where the checkpoint says: the transaction table, which the checkpoint's own begins;
//      from its redo LSN on, redo.
//   4. The log is opened behind its end; allocation is read; losers are undone, with checkpoints if there is much to undo.
//   5. A checkpoint, so that the next start need not do it again.
//
// A crash at any point leaves a device from which the same steps lead to the same state: redo is repeatable by page LSNs,
// undo leaves compensation records, and the superblock changes only in steps 1 and 5 and by the checkpoints of step 4, which
// are those of normal operation.

import AsyncIO
import BTree
import BufferPool
import DirectStorage
import Fibers
import Platform
import Synchronization
import WALEngine

/// What recovery did. Times in nanoseconds.
package struct RecoveryReport: Sendable {
    package var wasCleanShutdown = false
    package var startLSN = LSN.zero
    package var endLSN = LSN.zero
    package var logByteCount: UInt64 = 0
    package var recordCount: UInt64 = 0
    package var appliedCount: UInt64 = 0
    package var skippedCount: UInt64 = 0
    package var committedCount: UInt64 = 0
    package var loserCount = 0
    package var undoneCount: UInt64 = 0
    package var redoTime = Nanoseconds(0)
    package var undoTime = Nanoseconds(0)
    package var checkpointTime = Nanoseconds(0)

    package init() {}

    /// Bytes of log per second and core.
    package func redoRate(coreCount: Int) -> UInt64 {
        redoTime.rawValue == 0 ? 0 : logByteCount * 1_000_000_000 / redoTime.rawValue / UInt64(coreCount)
    }
}

package struct Recovery {
    private let scheduler: Scheduler
    private let superblock: SuperblockStore
    private let pool: BufferPool
    private let log: Log
    private var report = RecoveryReport()
    private var lastProgress = Nanoseconds(0)

    /// `log` is closed, `pool` started and empty, torn pages are restored (`DoubleWrite.recover`).
    package init(superblock: SuperblockStore, pool: BufferPool, log: Log) {
        scheduler = pool.scheduler
        self.superblock = superblock
        self.pool = pool
        self.log = log
    }

    /// Brings the device to the state that the log's end describes and opens the log. Prints its progress every second. XX001 if log or
    /// pages are damaged: the device is then as far as the log could be applied, and a restored page can be recovered
    /// again. 54000 after some four million starts.
    package mutating func run() throws(EngineError) -> (report: RecoveryReport, allocator: PageAllocator) {
        let before = superblock.current
        report.wasCleanShutdown = before.isCleanShutdown
        if before.bootCount >= TransactionManager.bootCountLimit - 1 {
            throw EngineError(
                .programLimitExceeded,
                "the database has been started \(before.bootCount) times; transaction ids have no room for more",
                hint: "Load a dump of it into a new one.")
        }
        try superblock.update { superblock in
            superblock.bootCount += 1
            superblock.isCleanShutdown = false
        }
        try pool.io.flush()

        let checkpoint = before.checkpoint
        let redoLSN = max(checkpoint.redoLSN, LogZone.firstLSN)
        let startLSN = max(checkpoint.startLSN, LogZone.firstLSN)
        let start = scheduler.platform.now()
        var retained = CheckpointTable()
        if checkpoint.tableLSN != .zero {
            retained = try CheckpointTable(
                at: checkpoint.tableLSN, LogFetcher(io: pool.io, zone: log.zone, platform: scheduler.platform))
        }
        let (tail, table) = try scan(
            from: startLSN, with: retained.transactions, redoFrom: redoLSN, before, start)
        report.redoTime = scheduler.platform.now() - start
        try log.open(at: tail, epoch: UInt32(truncatingIfNeeded: before.bootCount + 1), oldestNeeded: startLSN)

        let allocator = try PageAllocator(
            pool: pool, log: log,
            geometry: ExtentGeometry(
                firstDataPage: PageID(pool.layout.dataFirstPage), dataPageCount: pool.layout.dataPageCount))
        let retention = LogRetention(log: log, pool: pool, allocator: allocator)
        if checkpoint.tableLSN != .zero { try retention.restore(retained, at: startLSN) }
        try undo(table, allocator, retention)
        try checkpointAtEnd()
        allocator.didCheckpoint(redoLSN: superblock.current.checkpoint.redoLSN)
        retention.giveBackAll()
        return (report, allocator)
    }

    // MARK: Analysis and redo

    private mutating func scan(
        from startLSN: LSN, with retained: TransactionTable, redoFrom redoLSN: LSN, _ before: Superblock,
        _ start: Nanoseconds
    ) throws(EngineError) -> (LogTail, TransactionTable) {
        let durable = before.checkpoint.checkpointLSN
        let reader = try LogReader(
            io: pool.io, zone: log.zone, from: startLSN, mustReach: durable,
            cleanEnd: before.isCleanShutdown ? durable : nil)
        let redo = try Redo(pool: pool)
        var table = retained
        report.startLSN = startLSN
        do throws(EngineError) {
            while let record = try reader.next() {
                table.note(record)
                report.recordCount += 1
                if record.startLSN >= redoLSN && record.pageOperationCount > 0 { try redo.dispatch(record) }
                if report.recordCount % 4096 == 0 { progress(reader.position, start) }
            }
        } catch {
            // The workers' fibers end before the error is reported.
            do throws(EngineError) { try redo.finish() } catch {}
            throw error
        }
        try redo.finish()
        guard let tail = reader.tail else { preconditionFailure("the log was read to its end") }
        report.endLSN = reader.position
        report.logByteCount = reader.position.rawValue - startLSN.rawValue
        report.appliedCount = redo.counts.applied.load(ordering: .relaxed)
        report.skippedCount = redo.counts.skipped.load(ordering: .relaxed)
        report.committedCount = table.committedCount
        return (tail, table)
    }

    /// A line every second.
    private mutating func progress(_ position: LSN, _ start: Nanoseconds) {
        let now = scheduler.platform.now()
        if now - max(lastProgress, start) < .seconds(1) { return }
        lastProgress = now
        let megabytes = (position.rawValue - report.startLSN.rawValue) >> 20
        scheduler.platform.log("recovery: redo at LSN \(position.rawValue), \(megabytes) MiB read")
    }

    // MARK: Undo

    private mutating func undo(
        _ table: TransactionTable, _ allocator: PageAllocator, _ retention: LogRetention
    ) throws(EngineError) {
        let start = scheduler.platform.now()
        report.loserCount = table.running.count
        if !table.running.isEmpty {
            scheduler.platform.log("recovery: undoing \(table.running.count) transactions")
            let running = LosersLeft(table.running)
            let oldest = superblock.current.checkpoint.undoLSN
            let checkpointer = Checkpointer(
                superblock, retention,
                RunningTransactions(oldestFirstLSN: { oldest }, isOver: { !running.ids.contains($0) }))
            var undo = try Undo(pool: pool, log: log, allocator: allocator, overflow: retention.overflow)
            try undo.run(table.running, running, checkpointer)
            report.undoneCount = undo.undoneCount
        }
        // Chains of long rows whose entry never came to be, or is gone.
        for page in allocator.suspects where !Mutation.isActive(.suspectsForgotten) {
            try BTree.resolve(suspect: page, pool: pool, log: log, allocator: allocator)
        }
        report.undoTime = scheduler.platform.now() - start
    }

    // MARK: The end

    private mutating func checkpointAtEnd() throws(EngineError) {
        let start = scheduler.platform.now()
        try log.waitDurable(log.insertLSN)
        try pool.flushAll()
        let end = log.durableLSN
        try superblock.update { superblock in
            superblock.checkpoint = Superblock.Checkpoint(
                checkpointLSN: end, redoLSN: end, undoLSN: end, analysisLSN: end)
        }
        log.oldestNeededLSN = end
        report.checkpointTime = scheduler.platform.now() - start
    }
}
