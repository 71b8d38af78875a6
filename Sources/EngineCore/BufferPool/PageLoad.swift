// Bringing pages into memory: a miss, and read-ahead.
//
// The one who turns a page's word from "evicted" to "exclusive, loading" reads it; others park. What the device returns is
// verified before the page becomes resident. If it cannot be read or is corrupted the page stays evicted and the reader
// gets the error; each of those who waited then tries for itself and gets its own.

import AsyncIO
import CPrimitives
import DirectStorage
import Fibers
import IOBatching
import IOScheduler
import Platform
import Synchronization
import Telemetry

@inline(__always) func spinHint() {
    Interleaving.spin()
    dbk_pause()
}

extension BufferPool {
    /// Loads an evicted page. False if another fiber was first. With `keepLatched`, true means that the caller holds the
    /// exclusive latch.
    func load(_ page: PageID, isScan: Bool, keepLatched: Bool) throws(EngineError) -> Bool {
        let frame = try acquireFrame()
        guard beginLoading(page) else {
            releaseFrame(frame)
            return false
        }
        enter(page)
        note(.pageMisses)
        if !isScan && frames.freeCount > frameCount / 4 { readAround(page) }
        do throws(EngineError) {
            try io.read(
                into: pointer(page), offset: page.rawValue * UInt64(pageSize), byteCount: pageSize,
                class: isScan ? .scan : .read)
            if let defect = defect(of: page) {
                note(.pageCorruptions)
                throw defect.error(page)
            }
        } catch {
            abandonLoading(page, frame)
            throw error
        }
        finishLoading(page, frame, isCold: isScan, keepLatched: keepLatched)
        return true
    }

    /// Evicted → exclusive and loading.
    func beginLoading(_ page: PageID) -> Bool {
        let word = word(page)
        var old = word.pointee.load(ordering: .relaxed)
        while !PageState.isResident(old) && !PageState.isLatched(old) {
            let (done, now) = word.pointee.weakCompareExchange(
                expected: old, desired: (old | PageState.loading) &+ PageState.exclusive,
                successOrdering: .acquiring, failureOrdering: .relaxed)
            if done { return true }
            old = now
        }
        return false
    }

    /// Loading → resident; unlatched, or still exclusive with `keepLatched`. A cold page enters marked: it goes at the
    /// clock's next pass unless it is used.
    func finishLoading(_ page: PageID, _ frame: Int, isCold: Bool, keepLatched: Bool) {
        frames.setPage(frame, page)
        let word = word(page)
        var old = word.pointee.load(ordering: .relaxed)
        while true {
            assert(PageState.isExclusive(old) && old & PageState.loading != 0)
            var new = old & ~(PageState.loading | PageState.waiters) | PageState.resident
            if isCold { new |= PageState.marked }
            // Those who wait to read park again if the latch is kept; they are few.
            if !keepLatched { new = new &+ PageState.exclusive }
            let (done, now) = word.pointee.weakCompareExchange(
                expected: old, desired: new, successOrdering: .releasing, failureOrdering: .relaxed)
            if done { break }
            old = now
        }
        if old & PageState.waiters != 0 { waiting.wakeAll(address: UInt(bitPattern: word)) }
    }

    /// Loading → evicted: what was read is not served.
    func abandonLoading(_ page: PageID, _ frame: Int) {
        leave(page)
        scheduler.platform.discard(pointer(page), pageCount: 1)
        endLoading(page)
        releaseFrame(frame)
    }

    /// Exclusive and loading → evicted.
    func endLoading(_ page: PageID) {
        let word = word(page)
        let old = word.pointee.load(ordering: .relaxed)
        assert(PageState.isExclusive(old) && !PageState.isResident(old))
        word.pointee.bitwiseAnd(~PageState.loading, ordering: .relaxed)
        word.pointee.add(PageState.exclusive, ordering: .releasing)
        wakeWaiters(page)
    }

    // MARK: Read-ahead

    /// Pages that lie together, of which one is read when another is missed and there is room. A device takes hardly longer
    /// for them than for one, and after a start a cache fills that much faster. They enter cold, so guesses that were wrong go
    /// first; a cache that is filled makes none.
    private static let neighborhoodPageCount: UInt64 = 16

    private func readAround(_ page: PageID) {
        let first = page.rawValue & ~(Self.neighborhoodPageCount - 1)
        var pages = InlineArray<16, PageID>(repeating: .none)
        var count = 0
        for number in first..<first + Self.neighborhoodPageCount where number != page.rawValue {
            pages[count] = PageID(number)
            count += 1
        }
        pages.span.withUnsafeBufferPointer { prefetch(UnsafeBufferPointer(rebasing: $0[..<count])) }
    }

    /// Asks for pages that a scan will come to. Does not park and promises nothing: pages for which there is no free frame
    /// are forgotten. They enter cold.
    package func prefetch(_ pages: UnsafeBufferPointer<PageID>) {
        let prefetcher = prefetchers[Fiber.core]
        var added = false
        for page in pages where layout.contains(page) {
            let old = word(page).pointee.load(ordering: .relaxed)
            if PageState.isResident(old) || PageState.isExclusive(old) { continue }
            if prefetcher.queue.push(page) { added = true }
        }
        if added { prefetcher.wakeOne(scheduler) }
    }

    /// Body of a read-ahead fiber.
    func runPrefetcher(_ prefetcher: Prefetcher) {
        let capacity = Prefetcher.batchPageCount
        let requests = UnsafeMutablePointer<BlockRequest>.allocate(capacity: capacity)
        let slots = UnsafeMutablePointer<Int>.allocate(capacity: capacity)
        defer {
            requests.deallocate()
            slots.deallocate()
        }
        while !isStopping.load(ordering: .acquiring) {
            var count = 0
            while count < capacity, let page = prefetcher.queue.pop() {
                // The last frames are for those who wait for their page.
                guard frames.freeCount > reserveTarget / 4, let frame = frames.pop() else { continue }
                guard beginLoading(page) else {
                    releaseFrame(frame)
                    continue
                }
                enter(page)
                (requests + count).initialize(
                    to: BlockRequest(
                        .read, base: pointer(page), byteCount: pageSize, offset: page.rawValue * UInt64(pageSize)))
                slots[count] = frame
                count += 1
            }
            if frames.freeCount < reserveTarget { wakeWriter() }
            if count == 0 {
                prefetcher.park(Fiber.current)
                continue
            }
            finishPrefetch(UnsafeMutableBufferPointer(start: requests, count: count), slots)
        }
    }

    private func finishPrefetch(
        _ requests: UnsafeMutableBufferPointer<BlockRequest>, _ slots: UnsafeMutablePointer<Int>
    ) {
        // Whoever needs a page that failed reads it again and reports it.
        do throws(EngineError) { try io.perform(requests, class: .scan) } catch {}
        for index in 0..<requests.count {
            let page = PageID(requests[index].offset / UInt64(pageSize))
            note(.pageReadAheads)
            if requests[index].errno == 0 && defect(of: page) == nil {
                finishLoading(page, slots[index], isCold: true, keepLatched: false)
            } else {
                abandonLoading(page, slots[index])
            }
        }
    }
}

/// One worker's read-ahead: a bounded queue and the fibers that serve it. Only that worker touches it.
final class Prefetcher: @unchecked Sendable {
    static let batchPageCount = 32
    static let fiberCount = 2
    let core: CoreIndex
    var queue = PageRing()
    private var parked: [FiberRef] = []
    /// Set at start.
    var fibers: [FiberRef] = []

    init(core: CoreIndex) {
        self.core = core
        parked.reserveCapacity(Self.fiberCount)
    }

    func park(_ fiber: FiberRef) {
        parked.append(fiber)
        Fiber.park()
        parked.removeAll { $0 == fiber }
    }

    func wakeOne(_ scheduler: Scheduler) {
        if let fiber = parked.popLast() { scheduler.wake(fiber) }
    }

    /// From any worker.
    func wakeAll(_ scheduler: Scheduler) { for fiber in fibers { scheduler.wake(fiber) } }
}

/// Up to 255 pages, first in first out.
struct PageRing {
    private var pages: InlineArray<256, UInt64> = .init(repeating: 0)
    private var head: UInt8 = 0
    private var tail: UInt8 = 0

    /// False if it is full.
    mutating func push(_ page: PageID) -> Bool {
        if tail &+ 1 == head { return false }
        pages[Int(tail)] = page.rawValue
        tail &+= 1
        return true
    }

    mutating func pop() -> PageID? {
        if head == tail { return nil }
        defer { head &+= 1 }
        return PageID(pages[Int(head)])
    }
}
