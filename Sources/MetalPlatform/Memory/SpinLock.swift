// A lock for the few short sections that cores share below the scheduler: allocators and the console. Never held across a
// wait; interrupts are closed whenever Swift runs, so a holder is never interrupted.

import CMetal
import CPrimitives
import Synchronization

struct SpinLock: ~Copyable {
    private let word = Atomic<UInt32>(0)

    init() {}

    /// Touches the stack that the locked section will use: it may be a fiber's, whose pages come by faults, and the fault's
    /// handler takes these locks too.
    @inline(__always) func lock() {
        dbk_probe_stack()
        while word.exchange(1, ordering: .acquiring) != 0 {
            while word.load(ordering: .relaxed) != 0 { dbk_pause() }
        }
    }

    @inline(__always) func unlock() { word.store(0, ordering: .releasing) }
}
