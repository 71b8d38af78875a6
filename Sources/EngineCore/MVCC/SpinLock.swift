// A lock for critical sections of a few dozen instructions that no fiber switch can interrupt. Holder and waiter are
// therefore always on different cores, and the wait is bounded by the section's length.

import CPrimitives
import Platform
import Synchronization

struct SpinLock: ~Copyable {
    private let word = Atomic<UInt32>(0)

    @inline(__always) borrowing func lock() {
        while word.exchange(1, ordering: .acquiring) != 0 {
            while word.load(ordering: .relaxed) != 0 { spinPause() }
        }
    }
    @inline(__always) borrowing func unlock() { word.store(0, ordering: .releasing) }
}

/// Tells the processor that this is a spinning wait.
@inline(__always) func spinPause() {
    Interleaving.spin()
    dbk_pause()
}
