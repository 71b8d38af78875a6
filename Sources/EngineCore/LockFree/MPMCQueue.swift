// Bounded queue for many producers and many consumers (D. Vyukov's array queue, 2010). Each cell carries the ticket that may
// use it next, so a producer and a consumer meet on one cache line and nobody waits for anybody in between.

import Platform
import Synchronization

package final class MPMCQueue<Element: BitwiseCopyable>: @unchecked Sendable {
    private let cells: UnsafeMutablePointer<Cell>
    private let mask: UInt64
    /// Tail and head on cache lines of their own.
    private let ends: UnsafeMutablePointer<Ends>

    private struct Cell: ~Copyable {
        let ticket: Atomic<UInt64>
        var element: Element?
        init(ticket: UInt64) { self.ticket = Atomic(ticket) }
    }

    /// `capacity` is a power of two, at least 2.
    package init(capacity: Int) {
        precondition(capacity >= 2 && capacity & (capacity - 1) == 0)
        mask = UInt64(capacity - 1)
        cells = .allocate(capacity: capacity)
        for index in 0..<capacity { (cells + index).initialize(to: Cell(ticket: UInt64(index))) }
        ends = .allocate(capacity: 1)
        ends.initialize(to: Ends())
    }

    deinit {
        cells.deinitialize(count: Int(mask) + 1)
        cells.deallocate()
        ends.deinitialize(count: 1)
        ends.deallocate()
    }

    /// False if the queue is full.
    package func enqueue(_ element: Element) -> Bool {
        var position = ends.pointee.tail.load(ordering: .relaxed)
        while true {
            let cell = cells + Int(position & mask)
            let lag = Int64(bitPattern: cell.pointee.ticket.load(ordering: .acquiring) &- position)
            if lag < 0 { return false }
            if lag > 0 {
                position = ends.pointee.tail.load(ordering: .relaxed)
                continue
            }
            let (done, now) = ends.pointee.tail.weakCompareExchange(
                expected: position, desired: position &+ 1, ordering: .relaxed)
            if done {
                cell.pointee.element = element
                cell.pointee.ticket.store(position &+ 1, ordering: .releasing)
                return true
            }
            position = now
        }
    }

    /// Nil if the queue is empty.
    package func dequeue() -> Element? {
        var position = ends.pointee.head.load(ordering: .relaxed)
        while true {
            let cell = cells + Int(position & mask)
            let lag = Int64(bitPattern: cell.pointee.ticket.load(ordering: .acquiring) &- (position &+ 1))
            if lag < 0 { return nil }
            if lag > 0 {
                position = ends.pointee.head.load(ordering: .relaxed)
                continue
            }
            let (done, now) = ends.pointee.head.weakCompareExchange(
                expected: position, desired: position &+ 1, ordering: .relaxed)
            if done {
                let element = cell.pointee.element
                cell.pointee.ticket.store(position &+ mask &+ 1, ordering: .releasing)
                return element
            }
            position = now
        }
    }

    /// A guess while others are at work.
    package var count: Int {
        let head = ends.pointee.head.load(ordering: .relaxed)
        return max(0, Int(truncatingIfNeeded: ends.pointee.tail.load(ordering: .relaxed) &- head))
    }
}

private struct Ends: ~Copyable {
    let tail = Atomic<UInt64>(0)
    private let padding = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    private let padding2 = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    let head = Atomic<UInt64>(0)
    private let padding3 = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
}
