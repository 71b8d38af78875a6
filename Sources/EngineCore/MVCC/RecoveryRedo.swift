// Redo: repeating what the log says and the pages lack, on all workers at once.
//
// One fiber reads the log and deals the operations out by page number; each worker applies its share. Within a page the
// order is the log's; between pages there is none to keep, because every operation touches one page. A page whose LSN is
// at or past the record's end has the change already, so repeating redo after another crash does no harm.
//
// Pages that a batch needs are asked for when the batch arrives, while earlier batches are being applied: once for the batches
// at hand, and not if one of these begins the page anew, for then the device may hold anything.

import BTree
import BufferPool
import DirectStorage
import Fibers
import Platform
import Synchronization
import WALEngine

/// What redo did, over all workers.
final class RedoCounts: Sendable {
    let applied = Atomic<UInt64>(0)
    let skipped = Atomic<UInt64>(0)
}

final class Redo: @unchecked Sendable {
    private let pool: BufferPool
    private let lanes: [RedoLane]
    private let workerCount: UInt64
    private let running: Atomic<Int>
    private let owner = Fiber.current
    private let scheduler = Fiber.scheduler
    let counts = RedoCounts()
    private let hasFailed = Atomic<Bool>(false)
    // Written before `hasFailed`, by the first that fails.
    private var failure: EngineError?
    private let failureLock = FiberMutex()

    /// Starts a redo fiber on every worker. By the fiber that reads the log.
    init(pool: BufferPool) throws(EngineError) {
        self.pool = pool
        workerCount = UInt64(Fiber.scheduler.workerCount)
        lanes = (0..<Fiber.scheduler.workerCount).map { _ in RedoLane() }
        running = Atomic(lanes.count)
        for core in 0..<lanes.count {
            let lane = lanes[core]
            try scheduler.spawn(on: core, .interactive, "redo") { self.apply(lane) }
        }
    }

    // MARK: The reader's side

    /// Hands out the record's page operations. Parks while the workers are behind. Throws what a worker has met.
    func dispatch(_ record: LogRecordView) throws(EngineError) {
        var operations = record.pageOperations
        var index = 0
        while let operation = operations.next() {
            index += 1
            // Operations on a page seen earlier in this record went with the first.
            if index > 1 && isRepeated(operation.page, in: record, before: index - 1) { continue }
            let lane = lanes[Int(Self.spread(operation.page) % workerCount)]
            let batch = lane.current()
            batch.pointee.append(record, operation.page, first: operation, rest: operations)
            if batch.pointee.byteCount >= RedoBatch.fullByteCount { lane.send() }
        }
        if hasFailed.load(ordering: .relaxed) { try finish() }
    }

    private func isRepeated(_ page: PageID, in record: LogRecordView, before count: Int) -> Bool {
        var operations = record.pageOperations
        for _ in 0..<count {
            if let operation = operations.next(), operation.page == page { return true }
        }
        return false
    }

    /// Neighbouring pages to different workers (Fibonacci hashing).
    @inline(__always) private static func spread(_ page: PageID) -> UInt64 {
        (page.rawValue &* 0x9e37_79b9_7f4a_7c15) >> 40
    }

    /// Sends what is left and parks until every worker is done.
    func finish() throws(EngineError) {
        for lane in lanes {
            if !hasFailed.load(ordering: .acquiring) && lane.current().pointee.byteCount > 0 { lane.send() }
            lane.close()
        }
        while running.load(ordering: .acquiring) > 0 { Fiber.park() }
        if hasFailed.load(ordering: .acquiring), let failure { throw failure }
    }

    // MARK: A worker's side

    private func apply(_ lane: RedoLane) {
        lane.attach()
        let recent = RecentPages()
        var next = 0
        var prefetched = 0
        while lane.wait(for: next) {
            let sent = lane.sentCount
            while prefetched < sent {
                prefetch(lane.batch(prefetched), number: prefetched, recent)
                prefetched += 1
            }
            if !hasFailed.load(ordering: .relaxed) {
                do throws(EngineError) {
                    try apply(lane.batch(next))
                } catch {
                    fail(error)
                }
            }
            lane.free(next)
            next += 1
        }
        if running.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { scheduler.wake(owner) }
    }

    private func fail(_ error: EngineError) {
        failureLock.lock()
        if failure == nil { failure = error }
        failureLock.unlock()
        hasFailed.store(true, ordering: .releasing)
    }

    /// Asks for the batch's pages that are not in memory and no batch at hand has named.
    private func prefetch(_ batch: RedoBatch, number: Int, _ recent: RecentPages) {
        let view = pool.view
        withUnsafeTemporaryAllocation(of: PageID.self, capacity: 128) { pages in
            var count = 0
            var at = 0
            while at < batch.byteCount && count < pages.count {
                let group = RedoGroup(base: batch.base + at)
                let page = group.page
                if pool.layout.contains(page) && recent.insert(page, batch: number)
                    && !BTreeRedo.initializes(group.firstOpcode)
                    && !PageState.isResident(view.states[Int(page.rawValue)].load(ordering: .relaxed))
                {
                    pages[count] = page
                    count += 1
                }
                at += group.byteCount
            }
            pool.prefetch(UnsafeBufferPointer(start: pages.baseAddress, count: count))
        }
    }

    private func apply(_ batch: RedoBatch) throws(EngineError) {
        let view = pool.view
        var applied: UInt64 = 0
        var skipped: UInt64 = 0
        var at = 0
        while at < batch.byteCount {
            let group = RedoGroup(base: batch.base + at)
            if try apply(group, view) { applied += 1 } else { skipped += 1 }
            at += group.byteCount
            Fiber.yieldIfDue()
        }
        counts.applied.add(applied, ordering: .relaxed)
        counts.skipped.add(skipped, ordering: .relaxed)
    }

    /// All of a record's operations on one page; false if the page has them already.
    private func apply(_ group: RedoGroup, _ view: PoolView) throws(EngineError) -> Bool {
        let page = group.page
        guard pool.layout.contains(page) else {
            throw EngineError(
                .dataCorrupted, "the log names page \(page.rawValue), which does not exist", severity: .panic)
        }
        if BTreeRedo.initializes(group.firstOpcode) {
            // The device may hold anything, or a newer state: then the records behind this one bring it back.
            try pool.latchNew(page)
        } else {
            try view.latchExclusive(page)
            let pageLSN = PageHeader.pageLSN(view.pointer(page))
            let bound = Mutation.isActive(.redoSkipsNeighbour) ? group.startLSN : group.endLSN
            if pageLSN >= bound && !Mutation.isActive(.redoIgnoresPageLSN) {
                view.unlatchExclusive(page)
                return false
            }
        }
        let base = view.pointer(page)
        do throws(EngineError) {
            try group.forEach { (opcode, bytes) throws(EngineError) in
                try BTreeRedo.apply(base, page, opcode: opcode, bytes)
            }
        } catch {
            view.unlatchExclusive(page)
            throw error
        }
        PageHeader.setPageLSN(base, group.endLSN)
        if !Mutation.isActive(.redoLeavesPagesClean) { view.markDirty(page, recLSN: group.startLSN) }
        view.unlatchExclusive(page)
        return true
    }
}

/// Pages that the batches of a lane name, as far as a table without collisions remembers: what it forgets is asked for twice.
private final class RecentPages {
    private struct Entry: BitwiseCopyable {
        var page: UInt64
        var batch: Int
    }
    private let entries: UnsafeMutablePointer<Entry>
    private static let bits = 13

    init() {
        entries = .allocate(capacity: 1 << Self.bits)
        entries.initialize(repeating: Entry(page: 0, batch: -RedoLane.depth), count: 1 << Self.bits)
    }

    deinit { entries.deallocate() }

    /// False if the page was named by this batch or by one that may still be at hand.
    func insert(_ page: PageID, batch: Int) -> Bool {
        let entry = entries + Int((page.rawValue &* 0x9e37_79b9_7f4a_7c15) >> UInt64(64 - Self.bits))
        let isKnown = entry.pointee.page == page.rawValue && entry.pointee.batch > batch - RedoLane.depth
        entry.pointee = Entry(page: page.rawValue, batch: batch)
        return !isKnown
    }
}
