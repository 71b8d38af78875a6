// Where a world of faults refuses memory that the engine takes from its own budgets.
//
// Nearly all memory is taken from the platform at start and handed out by budgets later, so a platform that refuses memory
// reaches only the start. Each budget asks here, too. Invariant: nil outside of a simulated world; set before the engine
// starts and by nobody else.

package enum MemoryFaults {
    /// True refuses what is being asked for.
    package nonisolated(unsafe) static var refuses: (() -> Bool)?

    @inlinable @inline(__always)
    package static var refusesNow: Bool {
        guard let refuses else { return false }
        return refuses()
    }
}
