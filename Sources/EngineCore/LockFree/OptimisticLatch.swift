// A version word for optimistic reading (Leis et al., DaMoN 2016). Readers write nothing: they note the version, read, and
// check that it has not changed. What was read in between may be torn and is used only after `validate`.
//
// version:63 | locked:1. The version grows with every unlock.

import Platform
import Synchronization

package struct OptimisticLatch: ~Copyable {
    @usableFromInline let word = Atomic<UInt64>(0)
    package init() {}

    /// The version to validate against; nil while a writer is in there.
    @inlinable @inline(__always) package borrowing func read() -> UInt64? {
        let version = word.load(ordering: .acquiring)
        return version & 1 == 0 ? version : nil
    }

    /// True if nobody has written since `version` was read.
    @inlinable @inline(__always) package borrowing func validate(_ version: UInt64) -> Bool {
        // Everything read before stays before the second look at the word.
        atomicMemoryFence(ordering: .acquiring)
        return word.load(ordering: .relaxed) == version
    }

    /// Becomes the writer if nobody has written since `version` was read.
    @inlinable @inline(__always) package borrowing func tryUpgrade(_ version: UInt64) -> Bool {
        word.compareExchange(expected: version, desired: version | 1, ordering: .acquiring).exchanged
    }

    /// Becomes the writer if there is none.
    @inlinable @inline(__always) package borrowing func tryLock() -> Bool {
        guard let version = read() else { return false }
        return tryUpgrade(version)
    }

    /// The writer leaves; versions read before are void.
    @inlinable @inline(__always) package borrowing func unlock() {
        let old = word.load(ordering: .relaxed)
        precondition(old & 1 == 1, "unlock of a latch that is not held")
        word.store(old &+ 1, ordering: .releasing)
    }
}
