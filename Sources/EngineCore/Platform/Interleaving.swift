// Where the simulated machine may let other cores run in the middle of what a core does, between two instructions of an optimistic
// protocol. Elsewhere its cores change places only where they poll or park.
//
// As with deliberate bugs (Mutation.swift): only builds with the condition MUTATIONS have it; in all others a point is nothing at all. No
// point lies where a spin lock is held, but who waits for one gives way all the same, since its holder may have been stopped.

package enum Interleaving {
    #if MUTATIONS
        /// Lets others run, if chance will have it so; set while a simulated machine runs.
        nonisolated(unsafe) package static var hook: ((_ isSpinning: Bool) -> Void)?
        package static func point() { hook?(false) }
        package static func spin() { hook?(true) }
    #else
        @inlinable @inline(__always) package static func point() {}
        @inlinable @inline(__always) package static func spin() {}
    #endif
}
