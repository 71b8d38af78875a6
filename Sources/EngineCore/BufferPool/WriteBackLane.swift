// Writing dirty pages, a batch at a time. Each worker has one lane; a batch holds the lane's mutex to its end.
//
//   1. copy    each page is latched shared for the time of a copy into the staging buffer. In that latch its recLSN moves
//              to the lane (`inFlight`) and the page becomes clean, so a change during the write marks it dirty again with
//              the new change's LSN: the copy on its way holds everything before. `writing` keeps the page from being
//              evicted (the device's version is old) or copied by another lane (writes could overtake each other).
//   2. log     parks until the log is durable up to the newest page LSN in the batch: write-ahead logging.
//   3. zone    the copies go to the double-write zone, durably, unless the device writes pages atomically.
//   4. place   the copies go where they belong, joined where they adjoin.
//   5. flush   only now may `inFlight` be forgotten, which lets the checkpoint's redo LSN pass, and the zone be reused.
//
// If anything fails the pages are put back among the dirty ones with their old recLSN. Once the copies are in the zone, a
// device error leaves pages that may be torn, and the zone must not be reused: that is fatal (Severity.panic), it halts
// the log, and the recovery that follows restores them. A device without room has torn nothing.

import AsyncIO
import DirectStorage
import Fibers
import IOBatching
import IOScheduler
import Platform
import Synchronization
import Telemetry

final class WriteBackLane: @unchecked Sendable {
    let core: CoreIndex
    /// Held for a batch. Lanes that share a slice of the double-write zone have the same mutex.
    let mutex: FiberMutex
    /// Least recLSN of the batch in flight, `UInt64.max` if there is none.
    let inFlight = Atomic<UInt64>(.max)
    /// The background writer of the worker, and whether it is parked for want of work.
    let writer = Atomic<UInt64>(0)
    let isIdle = Atomic<Bool>(false)
    let capacity: Int

    fileprivate let zoneOffset: UInt64?
    fileprivate let staging: UnsafeMutableRawPointer
    fileprivate let requests: UnsafeMutablePointer<BlockRequest>
    fileprivate let pages: UnsafeMutablePointer<UInt64>
    fileprivate let recLSNs: UnsafeMutablePointer<LSN>
    private let platform: any Platform

    init?(
        core: CoreIndex, platform: any Platform, zone: DoubleWriteZone, io: BlockIO, frameCount: Int, mutex: FiberMutex
    ) {
        self.core = core
        self.mutex = mutex
        self.platform = platform
        capacity = max(8, min(PageBatch.capacity, min(zone.slicePageCount, frameCount / 8)))
        zoneOffset = DoubleWrite.isNeeded(io.geometry) ? zone.offset(zone.slice(core)) : nil
        guard let staging = platform.allocate(byteCount: capacity * pageSize, node: 0, huge: false) else { return nil }
        self.staging = staging
        requests = .allocate(capacity: capacity)
        pages = .allocate(capacity: capacity)
        recLSNs = .allocate(capacity: capacity)
    }

    deinit {
        platform.deallocate(staging, byteCount: capacity * pageSize)
        requests.deallocate()
        pages.deallocate()
        recLSNs.deallocate()
    }
}

extension BufferPool {
    /// Writes those of `batch` that are dirty and not on their way already; returns how many. When it returns they are
    /// durable. Waits for the lane of the calling worker, and for the log.
    @discardableResult
    func write(_ batch: borrowing PageBatch, on lane: WriteBackLane) throws(EngineError) -> Int {
        lane.mutex.lock()
        defer { lane.mutex.unlock() }
        if let fatal = failure.error { throw fatal }
        var count = 0
        var newest = LSN.zero
        for index in 0..<batch.count where count < lane.capacity {
            let page = batch.page(index)
            guard let pageLSN = copyForWrite(page, lane, at: count) else { continue }
            newest = max(newest, pageLSN)
            count += 1
        }
        if count == 0 { return 0 }
        do throws(EngineError) {
            try writeCopies(lane, count, newest)
        } catch {
            note(.pageWriteFailures)
            for index in 0..<count { markDirtyAgain(PageID(lane.pages[index]), lane.recLSNs[index]) }
            failedWrites.add(1, ordering: .sequentiallyConsistent)
            finishWriting(lane, count)
            throw error
        }
        note(.pageWriteBacks, count)
        finishWriting(lane, count)
        return count
    }

    /// Step 1 for one page: nil if it is clean, evicted, being changed or being written.
    private func copyForWrite(_ page: PageID, _ lane: WriteBackLane, at index: Int) -> LSN? {
        let word = word(page)
        var old = word.pointee.load(ordering: .relaxed)
        while true {
            if !PageState.isResident(old) || PageState.isExclusive(old) || PageState.isWriting(old) { return nil }
            if old & PageState.sharedMask == PageState.sharedMask { return nil }
            let (done, now) = word.pointee.weakCompareExchange(
                expected: old, desired: (old | PageState.writing) + PageState.sharedOne, successOrdering: .acquiring,
                failureOrdering: .relaxed)
            if done { break }
            old = now
        }
        guard let recLSN = dirty.recLSN(page) else {
            word.pointee.bitwiseAnd(~PageState.writing, ordering: .relaxed)
            view.unlatchShared(page)
            return nil
        }
        let copy = lane.staging + index * pageSize
        copy.copyMemory(from: pointer(page), byteCount: pageSize)
        lane.pages[index] = page.rawValue
        lane.recLSNs[index] = recLSN
        // In flight before it leaves the list: `oldestDirtyLSN` looks at the lists first, so it sees one or the other.
        if recLSN.rawValue < lane.inFlight.load(ordering: .relaxed) {
            lane.inFlight.store(recLSN.rawValue, ordering: .sequentiallyConsistent)
        }
        dirty.remove(page)
        view.unlatchShared(page)
        let pageLSN = PageHeader.pageLSN(copy)
        precondition(pageLSN > recLSN, "a dirty page must carry the end LSN of the record that changed it")
        precondition(PageHeader.pageID(copy) == page, "a dirty page must carry its own number")
        return pageLSN
    }

    /// Steps 2 to 5.
    private func writeCopies(_ lane: WriteBackLane, _ count: Int, _ newest: LSN) throws(EngineError) {
        let isTooSoon = Mutation.isActive(.pageWrittenBeforeLog)
        if !isTooSoon { try log.waitDurable(newest) }
        precondition(
            isTooSoon || log.durableLSN >= newest,
            "write-ahead logging: the log must be durable before the page is written")
        for index in 0..<count {
            let copy = lane.staging + index * pageSize
            checksum.set(copy)
            (lane.requests + index).initialize(
                to: BlockRequest(
                    .write, base: copy, byteCount: pageSize, offset: lane.pages[index] * UInt64(pageSize)))
        }
        if let zoneOffset = lane.zoneOffset, !Mutation.isActive(.doubleWriteSkipped) {
            try io.write(
                from: lane.staging, offset: zoneOffset, byteCount: count * pageSize, class: .writeback, durable: true)
        }
        try writeInPlace(lane, count)
    }

    /// Steps 4 and 5. Where the device had no room the pages there are as they were, and those beside them are made durable:
    /// the next batch takes the copies away from all of them. After any other failure nobody knows what is there.
    private func writeInPlace(_ lane: WriteBackLane, _ count: Int) throws(EngineError) {
        var lacksRoom: EngineError?
        do throws(EngineError) {
            do throws(EngineError) {
                try io.perform(UnsafeMutableBufferPointer(start: lane.requests, count: count), class: .writeback)
            } catch {
                for index in 0..<count
                where lane.requests[index].errno != 0 && lane.requests[index].errno != PlatformErrno.noSpace {
                    throw error
                }
                lacksRoom = error
            }
            let mustFlush = io.geometry.hasVolatileCache || lane.zoneOffset != nil
            if mustFlush && !Mutation.isActive(.pageFlushSkipped) { try io.flush() }
        } catch {
            var fatal = error
            fatal.severity = .panic
            failure.record(fatal)
            log.halt(fatal)
            throw fatal
        }
        if let lacksRoom { throw lacksRoom }
    }

    private func finishWriting(_ lane: WriteBackLane, _ count: Int) {
        for index in 0..<count {
            word(PageID(lane.pages[index])).pointee.bitwiseAnd(~PageState.writing, ordering: .releasing)
        }
        lane.inFlight.store(.max, ordering: .sequentiallyConsistent)
    }

    /// The write failed: the page is as dirty as before, whatever happened to it meanwhile.
    private func markDirtyAgain(_ page: PageID, _ recLSN: LSN) {
        let word = word(page)
        // A shared latch keeps markers out; the page is resident, since `writing` keeps it from being evicted.
        while true {
            let old = word.pointee.load(ordering: .relaxed)
            assert(PageState.isResident(old) && PageState.isWriting(old))
            if PageState.isExclusive(old) || old & PageState.sharedMask == PageState.sharedMask {
                Fiber.yield()
                continue
            }
            let result = word.pointee.compareExchange(
                expected: old, desired: old + PageState.sharedOne, successOrdering: .acquiring,
                failureOrdering: .relaxed)
            if result.exchanged { break }
        }
        if dirty.isDirty(page) { dirty.remove(page) }
        dirty.insert(page, recLSN, worker: Fiber.core)
        view.unlatchShared(page)
    }
}
