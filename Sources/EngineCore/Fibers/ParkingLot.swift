// Waiting on any word of memory without storing a queue in it (WebKit's ParkingLot, Pizlo 2016; futexes before it). The
// address hashes to a bucket; the bucket's latch makes "validate, then sleep" atomic against "change, then wake".

import Platform
import Synchronization

package final class ParkingLot: @unchecked Sendable {
    private let buckets: UnsafeMutablePointer<Bucket>
    private let mask: UInt

    private struct Bucket: ~Copyable {
        /// Nodes in the queue or about to be. Lets a waker skip an empty bucket without its latch.
        let waiterCount = Atomic<Int>(0)
        var queue = WaitQueue()
        private let padding = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    }

    /// `bucketCount` is a power of two.
    package init(bucketCount: Int = 256) {
        precondition(bucketCount > 0 && bucketCount & (bucketCount - 1) == 0)
        mask = UInt(bucketCount - 1)
        buckets = .allocate(capacity: bucketCount)
        for index in 0..<bucketCount { (buckets + index).initialize(to: Bucket()) }
    }

    deinit {
        buckets.deinitialize(count: Int(mask) + 1)
        buckets.deallocate()
    }

    private func bucket(_ address: UInt) -> UnsafeMutablePointer<Bucket> {
        buckets + Int((address &* 0x9e37_79b9_7f4a_7c15) >> 32 & mask)
    }

    /// Parks until `wakeAll(address)`, unless `validate` says that there is nothing to wait for. `validate` runs with the
    /// bucket latched: it reads a word and does nothing else. Returns at once with `.woken` if it is false.
    @discardableResult
    package func park(
        address: UInt, until deadline: Nanoseconds = .never, interruptible: Bool = false, validate: () -> Bool
    ) -> WaitOutcome {
        let bucket = bucket(address)
        var node = WaitNode(key: address)
        return withUnsafeMutablePointer(to: &node) { node in
            // Counted before validate reads the word; a waker changes the word before it reads the count. Both are
            // sequentially consistent, so at least one of them sees the other.
            bucket.pointee.waiterCount.add(1, ordering: .sequentiallyConsistent)
            bucket.pointee.queue.latch.lock()
            let mustWait = validate()
            if mustWait { bucket.pointee.queue.append(node) }
            bucket.pointee.queue.latch.unlock()
            var outcome = WaitOutcome.woken
            if mustWait {
                outcome = withUnsafeMutablePointer(to: &bucket.pointee.queue) {
                    node.wait(in: $0, until: deadline, interruptible: interruptible)
                }
            }
            bucket.pointee.waiterCount.subtract(1, ordering: .relaxed)
            return outcome
        }
    }

    /// Wakes every fiber parked on `address`. Call it after the change that `validate` reads.
    package func wakeAll(address: UInt) { wake(address, limit: .max) }

    /// Wakes the fiber that has been parked longest on `address`.
    package func wakeOne(address: UInt) { wake(address, limit: 1) }

    private func wake(_ address: UInt, limit: Int) {
        let bucket = bucket(address)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        if bucket.pointee.waiterCount.load(ordering: .relaxed) == 0 { return }
        var woken: UnsafeMutablePointer<WaitNode>?
        var newest: UnsafeMutablePointer<WaitNode>?
        var count = 0
        bucket.pointee.queue.latch.lock()
        var next = bucket.pointee.queue.head
        while let node = next, count < limit {
            next = node.pointee.next
            if node.pointee.key != address { continue }
            bucket.pointee.queue.remove(node)
            node.pointee.next = nil
            if let newest { newest.pointee.next = node } else { woken = node }
            newest = node
            count += 1
        }
        bucket.pointee.queue.latch.unlock()
        while let node = woken {
            woken = node.pointee.next
            node.wake()
        }
    }
}
