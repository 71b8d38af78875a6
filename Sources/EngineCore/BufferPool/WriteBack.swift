// When dirty pages are written: by each worker's background writer, so that misses find free frames, and for checkpoints,
// oldest recLSN first.

import AsyncIO
import DirectStorage
import Fibers
import Platform
import Synchronization
import Telemetry

extension BufferPool {
    /// Starts the background writers and read-ahead fibers, one set per worker. In a fiber or before the workers run.
    package func start() throws(EngineError) {
        isStopping.store(false, ordering: .releasing)
        for core in 0..<scheduler.workerCount {
            let lane = lanes[core]
            running.add(1, ordering: .relaxed)
            let writer = try scheduler.spawn(on: core, .writeback, "page writer") {
                self.runWriter(lane)
                self.running.subtract(1, ordering: .releasing)
            }
            lane.writer.store(writer.rawValue, ordering: .releasing)
            let prefetcher = prefetchers[core]
            for _ in 0..<Prefetcher.fiberCount {
                running.add(1, ordering: .relaxed)
                let fiber = try scheduler.spawn(on: core, .interactive, "read-ahead") {
                    self.runPrefetcher(prefetcher)
                    self.running.subtract(1, ordering: .releasing)
                }
                prefetcher.fibers.append(fiber)
            }
        }
        running.add(1, ordering: .relaxed)
        largePages.fiber = try scheduler.spawn(on: scheduler.workerCount - 1, .background, "large pages") {
            self.runLargePages()
            self.running.subtract(1, ordering: .releasing)
        }
        running.add(1, ordering: .relaxed)
        largePages.populator = try scheduler.spawn(on: scheduler.workerCount - 1, .interactive, "populate ahead") {
            self.runPopulator()
            self.running.subtract(1, ordering: .releasing)
        }
    }

    /// Ends them and parks until they are gone. Dirty pages stay dirty: `flushAll` first for an orderly end.
    package func stop() {
        isStopping.store(true, ordering: .releasing)
        while running.load(ordering: .acquiring) > 0 {
            for lane in lanes { scheduler.wake(FiberRef(rawValue: lane.writer.load(ordering: .acquiring))) }
            for prefetcher in prefetchers { prefetcher.wakeAll(scheduler) }
            scheduler.wake(largePages.fiber)
            scheduler.wake(largePages.populator)
            Fiber.sleep(.microseconds(200))
        }
    }

    /// Called when frames run low. Cheap if the writer is at work.
    func wakeWriter() {
        let lane = lanes[Fiber.core]
        if lane.isIdle.load(ordering: .relaxed) && lane.isIdle.exchange(false, ordering: .acquiringAndReleasing) {
            scheduler.wake(FiberRef(rawValue: lane.writer.load(ordering: .acquiring)))
        }
    }

    /// Body of a background writer: keeps frames free, evicting what is clean and cleaning what is dirty.
    private func runWriter(_ lane: WriteBackLane) {
        while !isStopping.load(ordering: .acquiring) {
            if frames.freeCount >= 2 * reserveTarget {
                lane.isIdle.store(true, ordering: .sequentiallyConsistent)
                if frames.freeCount >= reserveTarget && !isStopping.load(ordering: .acquiring) {
                    // A wake may be missed only if frames went and came since: look again now and then.
                    _ = Fiber.park(until: Fiber.now() + .milliseconds(100))
                }
                lane.isIdle.store(false, ordering: .relaxed)
                continue
            }
            refill(lane)
            Fiber.yieldIfDue()
        }
    }

    /// One pass of the clock at most, or until enough is free or a batch of dirty pages is found, which is then written.
    private func refill(_ lane: WriteBackLane) {
        var batch = PageBatch()
        var scanned = 0
        var freed = 0
        while scanned < frameCount && !batch.isFull && frames.freeCount < 2 * reserveTarget {
            freed += withUnsafeMutablePointer(to: &batch) { evict(dirtyPages: $0) }
            scanned += Self.clockStep
            Fiber.yieldIfDue()
        }
        if batch.count == 0 {
            // All pages are latched or on their way: others must run first.
            if freed == 0 { Fiber.sleep(.microseconds(100)) }
            return
        }
        batch.sort()
        do throws(EngineError) {
            try write(batch, on: lane)
            _ = evictClean(batch)
        } catch {
            // The pages are dirty again, and the failure is counted. The next try may go better; do not spin on it. If none
            // can, those who wait for a frame have to hear of it (`writeFailure`).
            waiting.wakeAll(address: frames.address)
            Fiber.sleep(.milliseconds(100))
        }
    }

    // MARK: Checkpoints

    /// Writes every page whose recLSN is at most `bound`, oldest first, and returns when all are durable. Pages that are
    /// changed meanwhile count by their new recLSN. 58030 if the device fails.
    package func writeBack(upTo bound: LSN) throws(EngineError) {
        let lane = lanes[Fiber.core]
        while let oldest = oldestDirtyLSN(), oldest <= bound {
            var batch = PageBatch()
            dirty.collectOldest(upTo: bound, limit: lane.capacity, into: &batch)
            batch.sort()
            let written = try write(batch, on: lane)
            // Latched, or in another lane's batch: they will be through in a moment.
            if written == 0 { Fiber.sleep(.microseconds(100)) }
        }
    }

    /// Writes every page that is dirty now. 58030 if the device fails.
    package func flushAll() throws(EngineError) {
        guard let newest = dirty.newest() else {
            try writeBack(upTo: LSN(UInt64.max >> 9))
            return
        }
        try writeBack(upTo: newest)
    }

    /// Start LSN of the oldest record whose change may be missing on the device; nil if none is. See `checkpointBound` for
    /// what a checkpoint may use.
    package func oldestDirtyLSN() -> LSN? {
        while true {
            let failures = failedWrites.load(ordering: .sequentiallyConsistent)
            // The lists before the lanes: a page moves from list to lane, and appears in the lane first.
            var least = dirty.oldest()?.rawValue ?? .max
            for lane in lanes { least = min(least, lane.inFlight.load(ordering: .sequentiallyConsistent)) }
            // A failed write moves pages the other way: then look again.
            if failures == failedWrites.load(ordering: .sequentiallyConsistent) {
                return least == .max ? nil : LSN(least)
            }
        }
    }

    /// The redo LSN for a checkpoint: every record before it is on the device's pages. `insertLSN` is the log's insert
    /// position, read just before the call.
    ///
    /// Between a record's append and the marking of its pages lies a moment in which a page with an older record than
    /// `insertLSN` is not in the lists. No fiber switches in that moment, so a fiber that runs on each worker once proves
    /// that those moments are over.
    package func checkpointBound(insertLSN: LSN) throws(EngineError) -> LSN {
        let barrier = WorkerBarrier(workerCount: scheduler.workerCount)
        for core in 0..<scheduler.workerCount {
            try scheduler.spawn(on: core, .commit, "checkpoint barrier") { barrier.pass() }
        }
        barrier.wait()
        if Mutation.isActive(.checkpointRedoTooLate) { return insertLSN }
        return min(insertLSN, oldestDirtyLSN() ?? insertLSN)
    }

    /// What the pool did so far, over all workers.
    package func count(_ metric: Metric) -> Int { Int(io.counters.total(metric)) }
    package var dirtyPageCount: Int { dirty.count }
    /// Pages that some fiber has latched. Looks at every page.
    package var latchedPageCount: Int {
        var count = 0
        for number in layout.dataFirstPage..<layout.endPage
        where PageState.isLatched(word(PageID(number)).pointee.load(ordering: .relaxed)) { count += 1 }
        return count
    }
    package var freeFrameCount: Int { frames.freeCount }
}

/// Waits until every worker has run a fiber.
private final class WorkerBarrier: @unchecked Sendable {
    private let remaining: Atomic<Int>
    private let waiter = Fiber.current
    private let scheduler = Fiber.scheduler

    init(workerCount: Int) { remaining = Atomic(workerCount) }

    func pass() {
        if remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { scheduler.wake(waiter) }
    }

    func wait() {
        while remaining.load(ordering: .acquiring) > 0 { Fiber.park() }
    }
}
