// Giving the log zone back although a transaction still open began before it: what that transaction has to undo is moved to
// the overflow (WALEngine/LogOverflow.swift), everything else is left behind.
//
// Recovery needs the log for two things. Redo, from the redo LSN on: that moves as pages are written, whoever is open.
// Analysis and undo, from the undo LSN on: the oldest open transaction's first record. Normally the zone holds the log from
// the lesser of both. When the second alone holds the zone and it is filling, the retention becomes active: it reads the
// zone from the oldest needed LSN towards the redo LSN once, as recovery's analysis would, keeps the table of transactions
// running at the place it has come to, and copies the blocks with updates of those that have not ended. The checkpoint then
// names the place (the analysis LSN) and a log record with that table and the map of the copied blocks. Compensation records
// are not copied: the next record of a transaction that went back to a savepoint leads past what was undone, so undo never
// visits them. Thus a rollback of any length, and recovery's undo of it, need no room in the overflow.
//
// **Crash points.** Until the superblock is durable, the one before it is valid: its place and map, and the zone from there
// on, are untouched, because
//   - pages are written only to extents that this superblock does not name, and that no tree has;
//   - the zone is given back only afterwards, and so are extents that are no longer needed.
// In particular:
//   1. while blocks are copied                      the extents are free in every map
//   2. copied, the table not (wholly) in the log    as 1; analysis passes over the table's records
//   3. table durable, superblock not                as 2
//   4. superblock durable, zone not given back      the overflow is used; the same blocks in the zone are not looked at
//   5. zone reused                                  as 4
//   6. extents given back, one reused by a tree     the superblock that named them is gone since before
// Extents are lent by the allocator in memory only, so a crash leaks none.
//
// **Extents before their life in the log.** A page of such an extent may be dirty in the pool, and redo may still have to
// repeat changes of it. Both would overwrite the copied block. So an extent is written to only when the superblock's redo
// LSN has reached the log position at which it was taken: then every change of its pages is on the device.
//
// **Room.** While active, extents are set aside for one and a half times what users may fill of the zone, and users may fill
// no more than those hold; so the zone can always be freed up to the redo LSN (see "A full zone" in Log.swift). When they
// cannot be replaced, the disk is full: transactions that began long before the zone does may not write any more
// (`Log.refusedLSN`); what they still have in the zone leaves enough of the extents for the others to go on.

import AsyncIO
import BTree
import BufferPool
import DirectStorage
import Fibers
import IOScheduler
import Platform
import WALEngine

/// What a checkpoint asks about transactions.
package struct RunningTransactions {
    /// No transaction that recovery would have to undo began before this LSN.
    let oldestFirstLSN: () -> LSN
    /// True if the transaction has appended its end.
    let isOver: (UInt64) -> Bool
}

final class LogRetention {
    let log: Log
    let pool: BufferPool
    private let allocator: PageAllocator
    let overflow: LogOverflow
    /// The zone begins where `table` says who was running, not where the oldest transaction began.
    private(set) var isActive = false
    /// The place up to which the log has been read, the start of a record or the log's end so far.
    var position = LSN.zero
    var table = CheckpointTable()
    /// Last block in the overflow.
    var lastCopied: UInt64 = 0
    /// Blocks were copied since the device's cache was flushed.
    var needsFlush = false
    /// Extents written to, the last one being filled, and those set aside.
    private var filled: [Extent] = []
    private var spare: [Extent] = []
    private var durableRedo = LSN.zero
    /// First page of the extent that pages were taken from last.
    private(set) var extentStart: UInt64 = 0
    /// No longer needed once the superblock says so.
    private var leaving: [Extent] = []
    /// The zone could not be freed, or cannot be much longer, for want of extents or because it cannot be read.
    private(set) var isStuck = false

    struct Extent {
        let index: Int
        var pages: Range<UInt64>
        /// Insert position when it was taken.
        let takenAt: LSN
        /// Transactions with updates in it.
        var owners: Set<UInt64> = []
    }

    init(log: Log, pool: BufferPool, allocator: PageAllocator) {
        self.log = log
        self.pool = pool
        self.allocator = allocator
        overflow = LogOverflow(checksum: pool.checksum)
    }

    /// Recovery: goes on with what the superblock names. Before anything is allocated.
    func restore(_ table: CheckpointTable, at position: LSN) throws(EngineError) {
        isActive = true
        self.position = position
        self.table = table
        overflow.install(table.runs, zoneStart: LogBlock.number(of: position))
        var extents: Set<Int> = []
        for run in table.runs {
            lastCopied = run.endNumber - 1
            for page in [run.firstPage, run.page(of: run.endNumber - 1)] {
                let known = filled.contains {
                    $0.pages.upperBound > page.rawValue && $0.pages.lowerBound <= page.rawValue
                }
                if known { continue }
                let index = try allocator.adoptLogExtent(of: page)
                if extents.insert(index).inserted {
                    // Whose they are is not known: they stay until all losers are undone.
                    filled.append(
                        Extent(
                            index: index, pages: allocator.logExtentPages(index), takenAt: .zero, owners: [UInt64.max]))
                }
            }
        }
        reserve()
    }

    // MARK: A checkpoint's part

    /// Where the log begins for the checkpoint to come, and its table. `old` is durable; `redo` and `undo` are its
    /// successor's. Parks for I/O.
    func plan(
        redo: LSN, undo: LSN, after old: Superblock.Checkpoint, _ running: RunningTransactions
    ) throws(EngineError) -> (analysis: LSN, table: LSN) {
        isStuck = false
        if !isActive { activate(redo: redo, undo: undo, from: old.startLSN) }
        if !isActive { return (max(old.analysisLSN, min(redo, undo)), .zero) }
        // Every transaction that runs began behind the place.
        if undo > position || undo >= redo { return deactivate(redo: redo, undo: undo) }
        let used = log.insertLSN.rawValue - position.rawValue
        if !log.isShortOfRoom && used <= log.userCapacityByteCount / 4 * 3 { return (position, old.tableLSN) }
        let isReserved = reserve()
        let before = position
        do throws(EngineError) {
            try advance(to: redo, durableRedo: old.redoLSN, running.isOver)
        } catch {
            isStuck = true
            // Whoever rolls back is not made to wait for what will not come.
            log.rollbackAllowance = log.capacityByteCount
            log.oldestNeededLSN = log.oldestNeededLSN
            throw error
        }
        isStuck = !isReserved && (position < redo || spareByteCount < log.userCapacityByteCount / 4)
        if position == before { return (position, old.tableLSN) }
        dropEnded(running.isOver)
        if table.transactions.running.isEmpty {
            // They have appended their ends since the checkpoint began. If such an end were lost with the power, recovery would
            // have to undo what nothing leads to any more. (A table waits for its own record, which is behind the ends.)
            try log.waitDurable(log.insertLSN)
            return deactivate(redo: redo, undo: undo)
        }
        return (position, try table.write(to: log))
    }

    /// The checkpoint that was planned is durable: the zone can be given back, and extents that nobody needs.
    func didPublish(_ checkpoint: Superblock.Checkpoint) {
        let start = checkpoint.startLSN
        durableRedo = checkpoint.redoLSN
        allocator.didCheckpoint(redoLSN: checkpoint.redoLSN)
        overflow.install(table.runs, zoneStart: LogBlock.number(of: start))
        for extent in leaving { allocator.giveBackLogExtent(extent.index) }
        leaving.removeAll()
        let isReserved = !isActive || reserve()
        log.userAllowance = isActive ? min(log.userCapacityByteCount, spareByteCount) : log.userCapacityByteCount
        log.rollbackAllowance = isActive ? log.capacityByteCount / 8 * 7 : log.capacityByteCount
        // The zone may begin where the log ends: one that is open for a moment is not a long one.
        let isLong = start.rawValue - min(start.rawValue, log.userCapacityByteCount / 2)
        log.refusedLSN = LSN(isReserved ? 0 : isLong)
        log.oldestNeededLSN = start
    }

    /// The zone is filling, and only because of what would have to be undone.
    private func activate(redo: LSN, undo: LSN, from start: LSN) {
        let used = log.insertLSN.rawValue - start.rawValue
        if undo >= redo || used <= log.userCapacityByteCount / 2 { return }
        if !reserve() {
            giveBackSpare()
            isStuck = true
            return
        }
        isActive = true
        // Nobody who runs has a record before it.
        position = max(start, undo)
        table = CheckpointTable()
        lastCopied = 0
    }

    private func deactivate(redo: LSN, undo: LSN) -> (analysis: LSN, table: LSN) {
        isActive = false
        leaving += filled + spare
        filled.removeAll()
        spare.removeAll()
        table = CheckpointTable()
        return (max(position, min(redo, undo)), .zero)
    }

    /// Drops what only transactions need that have ended. Their ends are in the log before the table that forgets them.
    private func dropEnded(_ isOver: (UInt64) -> Bool) {
        table.transactions.drop(where: isOver)
        var kept: [Extent] = []
        for extent in filled {
            if extent.owners.contains(where: { $0 == UInt64.max || !isOver($0) }) {
                kept.append(extent)
            } else {
                table.runs.removeAll { extent.pages.contains($0.firstPage.rawValue) }
                leaving.append(extent)
            }
        }
        filled = kept
    }

    // MARK: Extents

    /// There is nothing to copy to until redo has come further.
    var wantsRedo: Bool { isActive && !spare.isEmpty && !spare.contains { $0.takenAt <= durableRedo } }

    /// True if a copy of the block is kept already; it is one for `owners` too from now on. Not all who have updates in it may have
    /// been known when it was copied: a record that began there told whose it is only in the next block, or reading had stopped
    /// in it. It has to be copied again if the extent was dropped since, because those who were known have ended.
    @discardableResult
    func keepsCopy(of number: UInt64, for owners: Set<UInt64>) -> Bool {
        guard let run = table.runs.run(holding: number) else { return false }
        let page = run.page(of: number).rawValue
        guard let index = filled.firstIndex(where: { $0.pages.contains(page) }) else {
            preconditionFailure("a run lies in an extent that is kept")
        }
        filled[index].owners.formUnion(owners)
        return true
    }

    /// Sets extents aside for a copy of the users' share of the zone, and half of it again for those who go on when a long
    /// transaction is refused. False if the disk is too full for that.
    @discardableResult
    private func reserve() -> Bool {
        while spareByteCount < log.userCapacityByteCount / 2 * 3 {
            guard let index = allocator.takeLogExtent() else { return false }
            spare.append(
                Extent(index: index, pages: allocator.logExtentPages(index), takenAt: log.insertLSN))
        }
        return true
    }

    /// The superblock needs none any more.
    func giveBackAll() {
        for extent in filled + spare + leaving { allocator.giveBackLogExtent(extent.index) }
        filled.removeAll()
        spare.removeAll()
        leaving.removeAll()
        isActive = false
        log.userAllowance = log.userCapacityByteCount
        log.rollbackAllowance = log.capacityByteCount
        log.refusedLSN = .zero
        log.oldestNeededLSN = log.oldestNeededLSN
    }

    private func giveBackSpare() {
        for extent in spare { allocator.giveBackLogExtent(extent.index) }
        spare.removeAll()
    }

    /// Log bytes that the extents set aside can take; a little is left for gaps and for blocks of which only a part counts.
    private var spareByteCount: UInt64 {
        var pages = filled.last.map { $0.free(after: table.runs).count } ?? 0
        for extent in spare { pages += extent.pages.count }
        return UInt64(max(0, pages - 64) * LogBlock.payloadByteCount)
    }

    /// Blocks that can be copied now.
    func availablePageCount(_ durableRedo: LSN) -> Int {
        // The table is part of the log, too.
        let entries = table.runs.count + table.transactions.running.count
        if CheckpointTable.byteCount(entryCount: entries) > log.capacityByteCount / 32 { return 0 }
        var count = filled.last.map { $0.free(after: table.runs).count } ?? 0
        for extent in spare where extent.takenAt <= durableRedo { count += extent.pages.count }
        return count
    }

    /// The next free pages, at most `limit`; there are some.
    func takePages(_ limit: Int, _ durableRedo: LSN, for owners: Set<UInt64>) -> Range<UInt64> {
        var free = filled.last.map { $0.free(after: table.runs) } ?? 0..<0
        if free.isEmpty {
            guard let at = spare.firstIndex(where: { $0.takenAt <= durableRedo }) else {
                preconditionFailure("there are pages to copy to")
            }
            filled.append(spare.remove(at: at))
            free = filled[filled.count - 1].pages
        }
        filled[filled.count - 1].owners.formUnion(owners)
        extentStart = filled[filled.count - 1].pages.lowerBound
        return free.prefix(limit)
    }
}

extension LogRetention.Extent {
    /// Pages behind those of the last run, if that is in this extent.
    fileprivate func free(after runs: [LogOverflowRun]) -> Range<UInt64> {
        guard let last = runs.last, pages.contains(last.firstPage.rawValue) else { return 0..<0 }
        return last.firstPage.rawValue + last.blockCount..<pages.upperBound
    }
}

extension Checkpointer {
    /// What lies outside the log zone now.
    package var logOverflow: LogOverflow { retention.overflow }

    /// For a check of a device that was not stopped cleanly: reads every page that the log has moved to, and returns those
    /// that are not sound.
    package static func checkOverflow(
        of superblock: Superblock, io: BlockIO, zone: LogZone, say: (String) -> Void
    ) throws(EngineError) -> [PageID] {
        let fetcher = try LogFetcher(io: io, zone: zone, platform: Fiber.scheduler.platform)
        let table = try CheckpointTable(at: superblock.checkpoint.tableLSN, fetcher)
        let overflow = LogOverflow(checksum: superblock.pageChecksum)
        let page = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
        defer { page.deallocate() }
        var damaged: [PageID] = []
        var count = 0
        for run in table.runs {
            for number in run.firstNumber..<run.endNumber {
                let id = run.page(of: number)
                try io.read(into: page, offset: id.rawValue * UInt64(pageSize), byteCount: pageSize, class: .scan)
                count += 1
                if overflow.payloadUsed(page, number, at: id) == nil { damaged.append(id) }
            }
        }
        say("log overflow: \(count) blocks for \(table.transactions.running.count) transactions")
        return damaged
    }
}
