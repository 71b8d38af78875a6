// What a part of the engine may take: every arena and slab charges one before it takes memory, so exhaustion is an error of
// the statement that asked, never a trap.

import Platform
import Synchronization

package final class MemoryBudget: Sendable {
    private let limitBytes: Atomic<Int>
    private let usedBytes = Atomic<Int>(0)
    private let peakBytes = Atomic<Int>(0)
    /// Charged too, and asked first.
    private let parent: MemoryBudget?

    package init(limit: Int, parent: MemoryBudget? = nil) {
        limitBytes = Atomic(limit)
        self.parent = parent
    }

    package var limit: Int {
        get { limitBytes.load(ordering: .relaxed) }
        set { limitBytes.store(newValue, ordering: .relaxed) }
    }
    package var used: Int { usedBytes.load(ordering: .relaxed) }
    /// Most that was ever in use.
    package var peak: Int { peakBytes.load(ordering: .relaxed) }

    /// Takes `byteCount` from this budget and those above, or from none. 53200 if one of them has not enough left.
    package func charge(_ byteCount: Int) throws(EngineError) {
        if let parent { try parent.charge(byteCount) }
        let total = usedBytes.add(byteCount, ordering: .relaxed).newValue
        if total > limit || MemoryFaults.refusesNow {
            usedBytes.subtract(byteCount, ordering: .relaxed)
            parent?.release(byteCount)
            throw EngineError(.outOfMemory, "out of memory", detail: "Failed on request of size \(byteCount).")
        }
        if total > peak { peakBytes.max(total, ordering: .relaxed) }
    }

    /// Gives back what `charge` took.
    package func release(_ byteCount: Int) {
        let left = usedBytes.subtract(byteCount, ordering: .relaxed).newValue
        precondition(left >= 0, "more memory given back than taken")
        parent?.release(byteCount)
    }
}
