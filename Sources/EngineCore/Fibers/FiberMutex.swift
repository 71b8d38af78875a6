// A mutex for fibers of all workers. Whoever waits is parked, served first come first served, and given the mutex by the one
// who leaves it: nobody can overtake.
//
// One word: 0 is free, 1 is held with nobody waiting since the holder last looked, anything else is held and the address of
// the newest waiter in a stack of them. The holder alone takes the stack off and reverses it into its private queue, so
// there is no other latch (the scheme of MCS-like handoff mutexes for coroutines, as in cppcoro's async_mutex).

import Platform
import Synchronization

package final class FiberMutex: @unchecked Sendable {
    @usableFromInline let word = Atomic<UInt>(0)
    /// Oldest first. Only the holder touches it.
    private var queue: UnsafeMutablePointer<MutexNode>?

    package init() {}

    /// True if the mutex was free and is now the caller's.
    @inlinable @inline(__always) package func tryLock() -> Bool {
        word.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
    }

    /// Parks until the mutex is the caller's.
    @inlinable @inline(__always) package func lock() {
        if !tryLock() { lockSlowly() }
    }

    @usableFromInline @inline(never) func lockSlowly() {
        var node = MutexNode()
        withUnsafeMutablePointer(to: &node) { node in
            var old = word.load(ordering: .relaxed)
            while true {
                let new: UInt
                if old == 0 {
                    new = 1
                } else {
                    node.pointee.next = old == 1 ? nil : UnsafeMutablePointer(bitPattern: old)
                    new = UInt(bitPattern: node)
                }
                let (done, now) = word.weakCompareExchange(
                    expected: old, desired: new, successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed)
                if done { break }
                old = now
            }
            if old == 0 { return }
            while !node.pointee.granted.load(ordering: .acquiring) { Fiber.park() }
        }
    }

    /// By the holder.
    package func unlock() {
        if queue == nil {
            if word.compareExchange(expected: 1, desired: 0, ordering: .releasing).exchanged { return }
            // Someone waits. The exchange keeps the mutex held.
            var newest = UnsafeMutablePointer<MutexNode>(bitPattern: word.exchange(1, ordering: .acquiring))
            while let node = newest {
                newest = node.pointee.next
                node.pointee.next = queue
                queue = node
            }
        }
        guard let next = queue else { preconditionFailure("unlock of a mutex that is not held") }
        queue = next.pointee.next
        let fiber = next.pointee.fiber
        next.pointee.granted.store(true, ordering: .releasing)
        Fiber.wake(fiber)
    }

    /// Runs `body` with the mutex held.
    @inlinable @inline(__always) package func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        lock()
        defer { unlock() }
        return try body()
    }
}

private struct MutexNode: ~Copyable {
    var next: UnsafeMutablePointer<MutexNode>?
    let granted = Atomic<Bool>(false)
    let fiber = Fiber.current
}
