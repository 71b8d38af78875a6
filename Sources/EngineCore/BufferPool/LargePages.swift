// Large pages under the cache. A random read of a cache of gigabytes spends a good part of its time on translating the address:
// with pages of 4 KiB, no translation buffer holds them all. Memory of the cache comes and goes by 4 KiB, so it begins small; a
// region of 2 MiB whose pages are all in memory is put on one large page by a background fiber, which moves the bytes and
// takes no memory. Before a page of it is evicted the region is split again, so the budget is kept exactly.
//
// Only while the cache is not full: a region of one that evicts would not stay whole.

import DirectStorage
import Fibers
import Platform
import Synchronization

final class LargePages: @unchecked Sendable {
    /// Per region: how many of its pages are in memory, and `large`.
    private let regions: UnsafeMutablePointer<Atomic<UInt32>>
    private let count: Int
    private let base: UnsafeMutableRawPointer
    private let platform: any Platform
    /// Some region has become whole since the last look.
    private let hasWhole = Atomic<Bool>(false)
    /// Set at start.
    var fiber = FiberRef.none

    static let regionPageCount = 512
    private static let large: UInt32 = 1 << 31
    private static var regionByteCount: Int { regionPageCount * pageSize }

    init(base: UnsafeMutableRawPointer, pageCount: Int, platform: any Platform) {
        self.base = base
        self.platform = platform
        count = pageCount / Self.regionPageCount
        // One more for the pages behind the last whole region, which is never large.
        regions = .allocate(capacity: count + 1)
        for region in 0...count { (regions + region).initialize(to: Atomic(0)) }
    }

    deinit {
        regions.deinitialize(count: count + 1)
        regions.deallocate()
    }

    private func region(_ page: PageID) -> Int { min(Int(page.rawValue) / Self.regionPageCount, count) }

    /// The page has come to be in memory.
    func entered(_ page: PageID) {
        let now = regions[region(page)].add(1, ordering: .relaxed).newValue
        if now & ~Self.large == UInt32(Self.regionPageCount) { hasWhole.store(true, ordering: .releasing) }
    }

    /// The page, latched, is about to be given up: its memory is not discarded before this.
    func leaving(_ page: PageID) {
        let index = region(page)
        let old = regions[index].subtract(1, ordering: .acquiringAndReleasing).oldValue
        if old & Self.large != 0 { split(index) }
    }

    /// Whoever clears the mark splits.
    private func split(_ index: Int) {
        let old = regions[index].bitwiseAnd(~Self.large, ordering: .acquiringAndReleasing).oldValue
        if old & Self.large != 0 { platform.splitPages(address(index), byteCount: Self.regionByteCount) }
    }

    private func address(_ index: Int) -> UnsafeMutableRawPointer { base + index * Self.regionByteCount }

    /// Regions on a large page.
    var largeCount: Int {
        var total = 0
        for index in 0..<count where regions[index].load(ordering: .relaxed) & Self.large != 0 { total += 1 }
        return total
    }

    // MARK: The fiber

    /// Body of the background fiber, which is woken to stop. It takes a tenth of a core's time at most.
    func run(isRoomy: () -> Bool, isStopping: () -> Bool) {
        var hasLargePages = true
        while !isStopping() {
            if hasLargePages && isRoomy() && hasWhole.exchange(false, ordering: .acquiringAndReleasing) {
                hasLargePages = enlargeAll(isRoomy, isStopping)
            }
            _ = Fiber.park(until: Fiber.now() + .milliseconds(hasLargePages ? 100 : 10_000))
        }
    }

    /// False if the platform has no large pages.
    private func enlargeAll(_ isRoomy: () -> Bool, _ isStopping: () -> Bool) -> Bool {
        for index in 0..<count where regions[index].load(ordering: .relaxed) == UInt32(Self.regionPageCount) {
            if isStopping() || !isRoomy() { break }
            let start = platform.now()
            switch platform.enlargePages(address(index), byteCount: Self.regionByteCount) {
            case .done: mark(index)
            case .notNow: hasWhole.store(true, ordering: .releasing)
            case .never: return false
            }
            let spent = platform.now() - start
            Fiber.sleep(Nanoseconds(max(spent.rawValue * 9, 200_000)))
        }
        return true
    }

    private func mark(_ index: Int) {
        let whole = UInt32(Self.regionPageCount)
        let result = regions[index].compareExchange(
            expected: whole, desired: whole | Self.large, ordering: .acquiringAndReleasing)
        // A page left meanwhile, and nobody has split the region for it.
        if !result.exchanged { platform.splitPages(address(index), byteCount: Self.regionByteCount) }
    }
}
