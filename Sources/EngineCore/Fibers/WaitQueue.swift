// First-in first-out queues of parked fibers. A waiter's node lies on its own stack; the queue is a list of such nodes under
// a latch that is held for a few instructions and never across a switch.
//
// A node is in exactly one of three states: linked; unlinked by a waker, who will set `woken` and then must not touch it
// again; or unlinked by its own fiber, which gave up. The waiter may leave only in the last two, the second only once it
// has seen `woken`: so nobody ever holds a pointer into a stack frame that is gone.

import CPrimitives
import Platform
import Synchronization

package enum WaitOutcome: Sendable {
    case woken
    case timedOut
    case interrupted
}

/// Test-and-set latch for sections of a few instructions without a switch inside. A worker that finds it taken, which
/// means that another core is in there this moment, lets other fibers run after a short spin.
package struct SpinLatch: ~Copyable {
    @usableFromInline let taken = Atomic<Bool>(false)
    package init() {}

    @inlinable @inline(__always) package borrowing func lock() {
        if taken.exchange(true, ordering: .acquiring) { lockSlowly() }
    }
    @inlinable @inline(__always) package borrowing func unlock() { taken.store(false, ordering: .releasing) }

    @usableFromInline @inline(never) borrowing func lockSlowly() {
        var spins = 0
        repeat {
            while taken.load(ordering: .relaxed) {
                spins += 1
                Interleaving.spin()
                if spins & 63 == 0 && Fiber.isRunning { Fiber.yield() } else { dbk_pause() }
            }
        } while taken.exchange(true, ordering: .acquiring)
    }
}

struct WaitNode: ~Copyable {
    var next: UnsafeMutablePointer<WaitNode>?
    var previous: UnsafeMutablePointer<WaitNode>?
    var isLinked = false
    let key: UInt
    let fiber: FiberRef
    let woken = Atomic<Bool>(false)

    init(key: UInt = 0) {
        self.key = key
        fiber = Fiber.current
    }
}

struct WaitQueue: ~Copyable {
    let latch = SpinLatch()
    private(set) var head: UnsafeMutablePointer<WaitNode>?
    private var tail: UnsafeMutablePointer<WaitNode>?

    var isEmpty: Bool { head == nil }

    /// Latch held.
    mutating func append(_ node: UnsafeMutablePointer<WaitNode>) {
        node.pointee.previous = tail
        node.pointee.next = nil
        node.pointee.isLinked = true
        if let tail { tail.pointee.next = node } else { head = node }
        tail = node
    }

    /// Latch held.
    mutating func remove(_ node: UnsafeMutablePointer<WaitNode>) {
        if let previous = node.pointee.previous {
            previous.pointee.next = node.pointee.next
        } else {
            head = node.pointee.next
        }
        if let next = node.pointee.next {
            next.pointee.previous = node.pointee.previous
        } else {
            tail = node.pointee.previous
        }
        node.pointee.isLinked = false
    }

    /// Empties the queue; the nodes remain chained by `next`, oldest first. Latch held.
    mutating func takeAll() -> UnsafeMutablePointer<WaitNode>? {
        let first = head
        var next = first
        while let node = next {
            node.pointee.isLinked = false
            next = node.pointee.next
        }
        head = nil
        tail = nil
        return first
    }
}

extension UnsafeMutablePointer<WaitNode> {
    /// Ends the wait of a node that the caller has unlinked. The node may be gone when this returns.
    func wake() {
        let fiber = pointee.fiber
        pointee.woken.store(true, ordering: .releasing)
        Fiber.wake(fiber)
    }

    /// Parks until woken, or gives up at the deadline or, if allowed, when interrupted. The latch is not held.
    func wait(
        in queue: UnsafeMutablePointer<WaitQueue>, until deadline: Nanoseconds, interruptible: Bool
    ) -> WaitOutcome {
        while !pointee.woken.load(ordering: .acquiring) {
            let inTime = Fiber.park(until: deadline)
            let interrupted = interruptible && Fiber.isInterrupted
            if inTime && !interrupted { continue }
            queue.pointee.latch.lock()
            let wasLinked = pointee.isLinked
            if wasLinked { queue.pointee.remove(self) }
            queue.pointee.latch.unlock()
            if wasLinked { return interrupted ? .interrupted : .timedOut }
            // A waker has it: its `woken` is a few instructions away.
            while !pointee.woken.load(ordering: .acquiring) { Fiber.park() }
        }
        return .woken
    }
}
