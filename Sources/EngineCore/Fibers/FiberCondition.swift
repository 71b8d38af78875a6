// Conditions and semaphores for fibers of all workers, first in first out.

import Platform
import Synchronization

/// Where fibers wait for something that a `FiberMutex` guards to change.
package final class FiberCondition: @unchecked Sendable {
    private let queue: UnsafeMutablePointer<WaitQueue>

    package init() {
        queue = .allocate(capacity: 1)
        queue.initialize(to: WaitQueue())
    }

    deinit {
        precondition(queue.pointee.isEmpty, "a fiber waits on a condition that is gone")
        queue.deinitialize(count: 1)
        queue.deallocate()
    }

    /// Leaves `mutex`, waits for a signal, and takes `mutex` again, whatever the outcome. A signal between the leaving and
    /// the wait is not lost.
    @discardableResult
    package func wait(_ mutex: FiberMutex, until deadline: Nanoseconds = .never, interruptible: Bool = false)
        -> WaitOutcome
    {
        var node = WaitNode()
        let outcome = withUnsafeMutablePointer(to: &node) { node in
            queue.pointee.latch.lock()
            queue.pointee.append(node)
            queue.pointee.latch.unlock()
            mutex.unlock()
            return node.wait(in: queue, until: deadline, interruptible: interruptible)
        }
        mutex.lock()
        return outcome
    }

    /// Wakes the fiber that has waited longest.
    package func signal() {
        queue.pointee.latch.lock()
        let node = queue.pointee.head
        if let node { queue.pointee.remove(node) }
        queue.pointee.latch.unlock()
        if let node { node.wake() }
    }

    /// Wakes every fiber that waits now.
    package func broadcast() {
        queue.pointee.latch.lock()
        // The nodes stay linked to one another, but the queue forgets them.
        var next = queue.pointee.takeAll()
        queue.pointee.latch.unlock()
        while let node = next {
            next = node.pointee.next
            node.wake()
        }
    }
}

/// A count of permits.
package final class FiberSemaphore: @unchecked Sendable {
    private let queue: UnsafeMutablePointer<WaitQueue>
    /// Under the queue's latch. Not negative; positive only while nobody waits.
    private var permits: Int

    package init(_ permits: Int) {
        precondition(permits >= 0)
        self.permits = permits
        queue = .allocate(capacity: 1)
        queue.initialize(to: WaitQueue())
    }

    deinit {
        precondition(queue.pointee.isEmpty, "a fiber waits on a semaphore that is gone")
        queue.deinitialize(count: 1)
        queue.deallocate()
    }

    /// Takes a permit if there is one.
    package func tryAcquire() -> Bool {
        queue.pointee.latch.lock()
        let taken = permits > 0
        if taken { permits -= 1 }
        queue.pointee.latch.unlock()
        return taken
    }

    /// Takes a permit, waiting for it in turn.
    @discardableResult
    package func acquire(until deadline: Nanoseconds = .never, interruptible: Bool = false) -> WaitOutcome {
        if tryAcquire() { return .woken }
        var node = WaitNode()
        return withUnsafeMutablePointer(to: &node) { node in
            queue.pointee.latch.lock()
            if permits > 0 {
                permits -= 1
                queue.pointee.latch.unlock()
                return .woken
            }
            queue.pointee.append(node)
            queue.pointee.latch.unlock()
            return node.wait(in: queue, until: deadline, interruptible: interruptible)
        }
    }

    /// Gives back a permit: to the fiber that has waited longest, if any waits.
    package func release() {
        queue.pointee.latch.lock()
        let node = queue.pointee.head
        if let node { queue.pointee.remove(node) } else { permits += 1 }
        queue.pointee.latch.unlock()
        if let node { node.wake() }
    }
}
