// The memory budget: as many slots as there are frames, each free or naming the page that is in memory for it. A page has
// no fixed frame (its bytes lie at its own address), so a slot is a right to be in memory, and the table is what the
// clock walks over.
//
// Invariant: free slots + slots of pages in memory or on their way in = frameCount, so the budget is kept exactly.

import Platform
import Synchronization

struct FrameTable: @unchecked Sendable {
    let count: Int
    /// Page in the slot; 0 while it is free or its page is on its way in.
    private let pages: UnsafeMutablePointer<Atomic<UInt64>>
    private let nextFree: UnsafeMutablePointer<Atomic<UInt32>>
    private let shared: UnsafeMutablePointer<Shared>

    private struct Shared: ~Copyable {
        /// tag:32 | slot + 1: the tag keeps a pop from being fooled by a slot that left and came back (ABA).
        let head = Atomic<UInt64>(0)
        let freeCount = Atomic<Int>(0)
        /// Slots that the clock has passed.
        let hand = Atomic<UInt64>(0)
    }

    static let byteCountPerFrame = 12

    init(count: Int) {
        precondition(count > 0 && count < Int(UInt32.max))
        self.count = count
        pages = .allocate(capacity: count)
        nextFree = .allocate(capacity: count)
        shared = .allocate(capacity: 1)
        shared.initialize(to: Shared())
        for slot in 0..<count {
            (pages + slot).initialize(to: Atomic(0))
            (nextFree + slot).initialize(to: Atomic(0))
        }
        for slot in (0..<count).reversed() { push(slot) }
    }

    func deallocate() {
        pages.deinitialize(count: count)
        pages.deallocate()
        nextFree.deinitialize(count: count)
        nextFree.deallocate()
        shared.deinitialize(count: 1)
        shared.deallocate()
    }

    var freeCount: Int { shared.pointee.freeCount.load(ordering: .relaxed) }
    /// What waiters for a frame park on.
    var address: UInt { UInt(bitPattern: shared) }

    func push(_ slot: Int) {
        pages[slot].store(0, ordering: .relaxed)
        // Counted first: the count is never less than what can be popped.
        shared.pointee.freeCount.add(1, ordering: .relaxed)
        var head = shared.pointee.head.load(ordering: .relaxed)
        while true {
            nextFree[slot].store(UInt32(truncatingIfNeeded: head), ordering: .relaxed)
            let (done, now) = shared.pointee.head.weakCompareExchange(
                expected: head, desired: Self.tagged(head, UInt32(slot + 1)),
                successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed)
            if done { return }
            head = now
        }
    }

    func pop() -> Int? {
        var head = shared.pointee.head.load(ordering: .acquiring)
        while true {
            let first = UInt32(truncatingIfNeeded: head)
            if first == 0 { return nil }
            let next = nextFree[Int(first - 1)].load(ordering: .relaxed)
            let (done, now) = shared.pointee.head.weakCompareExchange(
                expected: head, desired: Self.tagged(head, next), successOrdering: .acquiringAndReleasing,
                failureOrdering: .acquiring)
            if done {
                shared.pointee.freeCount.subtract(1, ordering: .relaxed)
                return Int(first - 1)
            }
            head = now
        }
    }

    private static func tagged(_ head: UInt64, _ value: UInt32) -> UInt64 {
        ((head >> 32) &+ 1) << 32 | UInt64(value)
    }

    func setPage(_ slot: Int, _ page: PageID) { pages[slot].store(page.rawValue, ordering: .releasing) }
    func page(_ slot: Int) -> PageID { PageID(pages[slot].load(ordering: .acquiring)) }

    /// The next `length` slots for the clock, as positions to take modulo `count`.
    func advanceHand(_ length: Int) -> UInt64 {
        shared.pointee.hand.add(UInt64(length), ordering: .relaxed).oldValue
    }
}
