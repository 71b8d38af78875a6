// Bounded queue between two cores: one puts in, one takes out, neither waits (L. Lamport, 1977). The ends lie on cache lines
// of their own; each side keeps a copy of the other's, so that an element costs a miss only when the copy is used up.

import Synchronization

struct CrossCoreRing<Element: BitwiseCopyable> {
    private let ends: UnsafeMutablePointer<RingEnds>
    private let cells: UnsafeMutablePointer<Element>
    private let mask: Int

    /// `capacity` is a power of two.
    init(_ carver: inout MemoryCarver, capacity: Int, isCounting: Bool) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0)
        mask = capacity - 1
        ends = carver.take(RingEnds.self, 1)
        cells = carver.take(Element.self, capacity)
        if !isCounting { ends.initialize(to: RingEnds()) }
    }

    /// False if the ring is full. By the one producer.
    @inline(__always) func push(_ element: Element) -> Bool {
        let tail = ends.pointee.tail.load(ordering: .relaxed)
        if tail &- ends.pointee.seenHead > mask {
            ends.pointee.seenHead = ends.pointee.head.load(ordering: .acquiring)
            if tail &- ends.pointee.seenHead > mask { return false }
        }
        cells[tail & mask] = element
        ends.pointee.tail.store(tail &+ 1, ordering: .releasing)
        return true
    }

    /// Nil if the ring is empty. By the one consumer.
    @inline(__always) func pop() -> Element? {
        let head = ends.pointee.head.load(ordering: .relaxed)
        if head == ends.pointee.seenTail {
            ends.pointee.seenTail = ends.pointee.tail.load(ordering: .acquiring)
            if head == ends.pointee.seenTail { return nil }
        }
        let element = cells[head & mask]
        ends.pointee.head.store(head &+ 1, ordering: .releasing)
        return element
    }

    /// For the producer: how many can be pushed at least.
    @inline(__always) var room: Int {
        mask &+ 1 &- (ends.pointee.tail.load(ordering: .relaxed) &- ends.pointee.head.load(ordering: .acquiring))
    }

    /// For the consumer.
    @inline(__always) var isEmpty: Bool {
        ends.pointee.head.load(ordering: .relaxed) == ends.pointee.tail.load(ordering: .acquiring)
    }
}

struct RingEnds: ~Copyable {
    // The producer's line.
    let tail = Atomic<Int>(0)
    var seenHead = 0
    private let padding = (0, 0, 0, 0, 0, 0)
    // The consumer's line.
    let head = Atomic<Int>(0)
    var seenTail = 0
    private let padding2 = (0, 0, 0, 0, 0, 0)
}
