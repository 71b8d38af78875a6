// Deliberate bugs, which prove that the simulation would notice such a bug: `scripts/mutants` switches on one after the other.
//
// They exist only in builds with the condition MUTATIONS, which nothing but that script makes. In all others `isActive` is the
// constant false, and what hangs on it is not compiled into anything.

/// One deliberate bug. docs/reliability.md lists what catches each.
package enum Mutation: UInt8, Sendable {
    // The log.
    case commitAcknowledgedEarly, logWrittenWithoutFlush, flightsLandInAnyOrder, logBlockUnchecked, staleLogAccepted
    case logWakeupLost
    // Pages and the superblock.
    case pageWrittenBeforeLog, pageFlushSkipped, doubleWriteSkipped, tornPagesNotRestored, pageChecksumUnchecked
    case pageLSNTooLow, pageLSNTooHigh, superblockNotDurable
    // Checkpoints and recovery.
    case checkpointRedoTooLate, checkpointUndoTooLate, zoneReusedEarly, redoSkipsNeighbour, redoIgnoresPageLSN
    case redoLeavesPagesClean, losersForgotten, compensationUnmarked, suspectsForgotten
    // Transactions.
    case rollbackUndoesNothing, savepointKeepsChanges, runUndoneInPart, firstCommitterIgnored, dirtyWrites, dirtyReads
    case staleSnapshot, snapshotNotFixed, horizonIgnored, writeSkewAllowed, lockWakeupLost, deadlockUndetected
    // Trees.
    case parentUnchecked, versionUnchecked, upgradeUnchecked, longRowFreedEarly, longRowUnmarked
    // Tables.
    case entryNotInserted, entryNotRemoved, uniqueUnchecked, rowIDsStartOver, droppedTableFreedEarly
    // The network.
    case overlapTakenFromStart, timeoutResendsNothing

    #if MUTATIONS
        /// Set before the engine starts.
        nonisolated(unsafe) package static var active: Mutation?
        package static func isActive(_ mutation: Mutation) -> Bool { active == mutation }
    #else
        @inlinable @inline(__always) package static func isActive(_ mutation: Mutation) -> Bool { false }
    #endif
}

#if MUTATIONS
    extension Mutation: CaseIterable {}
#endif
