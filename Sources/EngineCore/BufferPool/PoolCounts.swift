// What the pool did, counted per worker.

import Fibers
import Platform
import Synchronization

package enum PoolEvent: Int, CaseIterable, Sendable {
    case miss, prefetch, eviction, pageWrite, failedWrite, frameWait, corruption
    static let count = 7
}

struct PoolCounts: @unchecked Sendable {
    /// Sixteen words per worker: two cache lines of its own.
    private let words: UnsafeMutablePointer<Atomic<Int>>
    private let workerCount: Int

    init(workerCount: Int) {
        self.workerCount = workerCount
        words = .allocate(capacity: workerCount * 16)
        for index in 0..<workerCount * 16 { (words + index).initialize(to: Atomic(0)) }
    }

    func deallocate() { words.deallocate() }

    @inline(__always) func add(_ event: PoolEvent, _ amount: Int = 1) {
        words[Fiber.core * 16 + event.rawValue].add(amount, ordering: .relaxed)
    }

    func total(_ event: PoolEvent) -> Int {
        var sum = 0
        for worker in 0..<workerCount { sum += words[worker * 16 + event.rawValue].load(ordering: .relaxed) }
        return sum
    }
}

extension BufferPool {
    /// Sum over all workers since the pool was made.
    package func count(_ event: PoolEvent) -> Int { counts.total(event) }
}
