// Large pages under the cache. A random read of a cache of gigabytes spends a good part of its time on translating the address:
// with pages of 4 KiB, no translation buffer holds them all.
//
// While the cache has room, the first page of a region of 2 MiB to come into memory brings a large page for the whole
// region. What is not used of it, the slack, counts against the budget. Once the pages in use and the slack come near the
// budget, this ends for good: new pages get memory of their own, and a background fiber gives the slack back. A region all of
// whose pages are in use stays large until one of them is evicted.
//
// Giving memory to a large page means clearing it: a bulk load would spend half its time on that. So when growth comes to a
// new region, a fiber has the next ones populated meanwhile, beside the workers (`Platform.queuePopulate`), one at a time.
//
// Invariant: slack is the sum over large regions of their pages that are neither in memory nor on their way in. A page's
// memory is touched only between `entering` and `leaving`, under the page's latch.

import DirectStorage
import Fibers
import Platform
import Synchronization

final class LargePages: @unchecked Sendable {
    /// Per region: how many of its pages are in memory or on their way in, and `large`.
    private let regions: UnsafeMutablePointer<Atomic<UInt32>>
    let count: Int
    private let isGenerous: Atomic<Bool>
    private let slack = Atomic<Int>(0)
    /// Pages in use and slack that end generosity.
    let limit: Int
    /// The region that is being given memory ahead of its use; -1 if none.
    private let coming = Atomic<Int>(-1)
    /// The last region that growth has come to.
    private let frontier = Atomic<Int>(-1)
    /// Set at start.
    var fiber = FiberRef.none
    var populator = FiberRef.none

    static let regionPageCount = largePageByteCount / pageSize
    private static let large: UInt32 = 1 << 31
    /// How far populating keeps ahead of growth.
    private static let aheadCount = 4
    /// Regions that a cache must have room for, for large pages to be worth their slack.
    private static let leastRegionCount = 8

    init(pageCount: Int, frameCount: Int, isAvailable: Bool) {
        count = pageCount / Self.regionPageCount
        limit = frameCount - frameCount / 8
        isGenerous = Atomic(isAvailable && frameCount >= Self.leastRegionCount * Self.regionPageCount)
        // One more for the pages behind the last whole region, which is never large.
        regions = .allocate(capacity: count + 1)
        for region in 0...count { (regions + region).initialize(to: Atomic(0)) }
    }

    deinit {
        regions.deinitialize(count: count + 1)
        regions.deallocate()
    }

    @inline(__always) private func region(_ page: PageID) -> Int {
        min(Int(page.rawValue) / Self.regionPageCount, count)
    }

    /// The page, latched, is about to come into memory, where `inUse` pages are. False if that was one too many to go on with
    /// large pages.
    @inline(__always) func entering(_ page: PageID, inUse: @autoclosure () -> Int) -> Bool {
        let index = region(page)
        var old = regions[index].load(ordering: .relaxed)
        while true {
            let takesLarge = old == 0 && index < count && isGenerous.load(ordering: .relaxed)
            let (done, now) = regions[index].weakCompareExchange(
                expected: old, desired: takesLarge ? Self.large + 1 : old + 1, ordering: .relaxed)
            guard done else {
                old = now
                continue
            }
            if takesLarge {
                let all = slack.add(Self.regionPageCount - 1, ordering: .relaxed).newValue + inUse()
                return all <= limit || !isGenerous.exchange(false, ordering: .relaxed)
            }
            if old & Self.large != 0 { slack.subtract(1, ordering: .relaxed) }
            return true
        }
    }

    /// The page, latched, is about to be given up: its memory is not discarded before this. The region if it was large and
    /// no longer is: the caller then splits it.
    @inline(__always) func leaving(_ page: PageID) -> Int? {
        let index = region(page)
        let old = regions[index].subtract(1, ordering: .acquiringAndReleasing).oldValue
        if old & Self.large == 0 { return nil }
        slack.add(1, ordering: .relaxed)
        return unmark(index) ? index : nil
    }

    /// True for the one who made the region one of small pages.
    func unmark(_ index: Int) -> Bool {
        let old = regions[index].bitwiseAnd(~Self.large, ordering: .acquiringAndReleasing).oldValue
        if old & Self.large == 0 { return false }
        slack.subtract(Self.regionPageCount - Int(old & ~Self.large), ordering: .relaxed)
        return true
    }

    func isPartlyUsed(_ index: Int) -> Bool {
        let now = regions[index].load(ordering: .relaxed)
        return now & Self.large != 0 && now != Self.large + UInt32(Self.regionPageCount)
    }

    // MARK: Ahead of growth

    /// A new page is about to enter a region. True if it is the first there and its predecessor is well used: then the
    /// regions that follow are worth populating.
    @inline(__always) func isGrowth(_ page: PageID) -> Bool {
        let index = region(page)
        if regions[index].load(ordering: .relaxed) & ~Self.large != 0 || index == 0 || index >= count { return false }
        if regions[index - 1].load(ordering: .relaxed) & ~Self.large < Self.regionPageCount / 2 { return false }
        frontier.store(index, ordering: .relaxed)
        return isGenerous.load(ordering: .relaxed)
    }

    /// The next region to populate, now large, without a page, and slack as a whole; nil if there is none or no room.
    func takeNext(inUse: Int) -> Int? {
        let first = frontier.load(ordering: .relaxed) + 1
        guard first > 0, isGenerous.load(ordering: .relaxed) else { return nil }
        for index in first..<min(first + Self.aheadCount, count) {
            if slackPageCount + inUse + 2 * Self.regionPageCount > limit { return nil }
            if regions[index].compareExchange(expected: 0, desired: Self.large, ordering: .relaxed).exchanged {
                slack.add(Self.regionPageCount, ordering: .relaxed)
                coming.store(index, ordering: .releasing)
                return index
            }
        }
        return nil
    }

    @inline(__always) func isComing(_ page: PageID) -> Bool { coming.load(ordering: .relaxed) == region(page) }

    func didCome() { coming.store(-1, ordering: .sequentiallyConsistent) }

    func isLarge(_ index: Int) -> Bool { regions[index].load(ordering: .relaxed) & Self.large != 0 }

    /// What those who wait for populating park on.
    var comingAddress: UInt { UInt(bitPattern: regions) }

    var isEnded: Bool { !isGenerous.load(ordering: .relaxed) }
    var slackPageCount: Int { slack.load(ordering: .relaxed) }

    /// Regions on a large page.
    var largeCount: Int {
        var total = 0
        for index in 0..<count where regions[index].load(ordering: .relaxed) & Self.large != 0 { total += 1 }
        return total
    }
}

extension BufferPool {
    /// Before the memory of a latched page is touched that was not in memory.
    @inline(__always) func enter(_ page: PageID) {
        scheduler.platform.restore(pointer(page), pageCount: 1)
        if !largePages.entering(page, inUse: frameCount - frames.freeCount) { endLargePages() }
    }

    @inline(never)
    private func endLargePages() {
        scheduler.platform.preferLargePages(base, byteCount: Int(layout.endPage) * pageSize, false)
        scheduler.wake(largePages.fiber)
    }

    /// Before the memory of a latched page is given back.
    @inline(__always) func leave(_ page: PageID) {
        if let region = largePages.leaving(page) { split(region) }
    }

    /// Puts a region, just unmarked, on small pages, and gives back those that nobody uses. Pages that are latched, on their way
    /// in or out, are their holders' to give back.
    @inline(never)
    private func split(_ region: Int) {
        let size = LargePages.regionPageCount
        let first = PageID(UInt64(region * size))
        scheduler.platform.splitPages(pointer(first), byteCount: largePageByteCount)
        var index = 0
        while index < size {
            var length = 0
            while index + length < size, beginLoading(PageID(first.rawValue + UInt64(index + length))) { length += 1 }
            if length > 0 {
                scheduler.platform.discard(pointer(PageID(first.rawValue + UInt64(index))), pageCount: length)
                for offset in 0..<length { endLoading(PageID(first.rawValue + UInt64(index + offset))) }
            }
            index += length + 1
        }
    }

    /// Before a page is latched that is to be formatted and is not in memory: has what follows it populated, and waits if its
    /// own region is just being. Without the wait, Linux would clear memory for both and throw one away.
    @inline(__always) func prepareGrowth(_ page: PageID) {
        if largePages.isGrowth(page) { scheduler.wake(largePages.populator) }
        if largePages.isComing(page) { awaitPopulated(page) }
    }

    @inline(never)
    private func awaitPopulated(_ page: PageID) {
        while largePages.isComing(page) {
            waiting.park(address: largePages.comingAddress) { largePages.isComing(page) }
        }
    }

    /// Body of the fiber that populates ahead of growth.
    func runPopulator() {
        while !isStopping.load(ordering: .acquiring), !largePages.isEnded {
            guard let region = largePages.takeNext(inUse: frameCount - frames.freeCount) else {
                _ = Fiber.park(until: Fiber.now() + .seconds(10))
                continue
            }
            let base = pointer(PageID(UInt64(region * LargePages.regionPageCount)))
            var completion = Completion()
            withUnsafeMutablePointer(to: &completion) { cell in
                // A full queue is no reason to wait: memory then comes by its first touch.
                if scheduler.platform.queuePopulate(Fiber.core, base, byteCount: largePageByteCount, tag: cell.tag) {
                    _ = cell.wait()
                }
            }
            largePages.didCome()
            waiting.wakeAll(address: largePages.comingAddress)
            // A page came and went meanwhile, and the region was split: what came after that belongs to nobody.
            if !largePages.isLarge(region) { split(region) }
        }
    }

    /// Body of the background fiber: waits until large pages end, and gives back the slack.
    func runLargePages() {
        while !largePages.isEnded {
            if isStopping.load(ordering: .acquiring) { return }
            _ = Fiber.park(until: Fiber.now() + .seconds(10))
        }
        // A region that another worker makes large at this very moment may be missed, one per worker at most: it is split when
        // one of its pages leaves.
        for region in 0..<largePages.count where largePages.isPartlyUsed(region) {
            if isStopping.load(ordering: .acquiring) { return }
            if largePages.unmark(region) { split(region) }
            Fiber.yield()
        }
    }
}
