// Names of fibers, and the classes that order them.

/// What a blocked fiber is known by to others. Holds the core, the slot and the slot's generation, so a reference to a
/// fiber that has ended matches nothing: waking it does nothing.
package struct FiberRef: BitwiseCopyable, Hashable, Sendable {
    /// generation:32 | core:12 | slot:20. Generations start at 1.
    package let rawValue: UInt64

    @inline(__always) package init(rawValue: UInt64) { self.rawValue = rawValue }
    @inline(__always) init(generation: UInt32, core: CoreIndexBits, slot: UInt32) {
        rawValue = UInt64(generation) << 32 | UInt64(core) << 20 | UInt64(slot)
    }

    package static let none = FiberRef(rawValue: 0)
    @inline(__always) package var isNone: Bool { rawValue == 0 }

    @inline(__always) package static func == (a: FiberRef, b: FiberRef) -> Bool { a.rawValue == b.rawValue }
    package func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }

    @inline(__always) package var core: Int { Int(truncatingIfNeeded: rawValue >> 20) & 0xfff }
    @inline(__always) var slot: Int { Int(truncatingIfNeeded: rawValue) & 0xf_ffff }
    @inline(__always) var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }

    typealias CoreIndexBits = UInt32
    static let maxCores = 1 << 12
    static let maxSlots = 1 << 20
}

/// Order in a worker's run queue. A higher class goes first, but one that has work is passed over at most eight rounds in a
/// row.
package enum FiberClass: UInt8, Sendable {
    /// The log flusher and whatever a commit waits for.
    case commit
    /// Sessions.
    case interactive
    /// Page write-back, checkpoints.
    case writeback
    /// Analytics, index builds, maintenance.
    case background

    static let count = 4
    /// Fibers of the class that run in one round of the worker's loop, at most.
    @inline(__always) var burst: Int {
        switch self {
        case .commit: 64
        case .interactive: 32
        case .writeback: 8
        case .background: 4
        }
    }
}
