// The last events of each core, for a panic's last words and for looking at a live system. A worker writes its own ring; a
// reader of another core may see the oldest entries change under it and drops those.

import CPrimitives
import Platform
import Synchronization

package struct TraceEvent: BitwiseCopyable, Sendable {
    /// TSC when it was recorded.
    package var time: UInt64
    package var kind: TraceKind
    package var core: UInt16
    package var first: UInt64
    package var second: UInt64
}

package enum TraceKind: UInt16, BitwiseCopyable, Sendable {
    case note, spawn, end, blockSubmit, blockDone, logFlush, checkpoint, pageFault, split, commit, rollback, deadlock
    case connect, disconnect, statement, error

    package var name: StaticString {
        switch self {
        case .note: "note"
        case .spawn: "spawn"
        case .end: "end"
        case .blockSubmit: "block submit"
        case .blockDone: "block done"
        case .logFlush: "log flush"
        case .checkpoint: "checkpoint"
        case .pageFault: "page fault"
        case .split: "split"
        case .commit: "commit"
        case .rollback: "rollback"
        case .deadlock: "deadlock"
        case .connect: "connect"
        case .disconnect: "disconnect"
        case .statement: "statement"
        case .error: "error"
        }
    }
}

package final class TraceRing: @unchecked Sendable {
    private let core: CoreIndex
    private let mask: UInt64
    private let events: UnsafeMutablePointer<TraceEvent>
    /// Events ever recorded.
    private let written = Atomic<UInt64>(0)

    /// `capacity` is a power of two.
    package init(core: CoreIndex, capacity: Int = 4096) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0)
        self.core = core
        mask = UInt64(capacity - 1)
        events = .allocate(capacity: capacity)
        events.initialize(repeating: TraceEvent(time: 0, kind: .note, core: 0, first: 0, second: 0), count: capacity)
    }

    deinit { events.deallocate() }

    /// On the ring's own core. About ten nanoseconds, most of it the TSC.
    @inline(__always) package func record(_ kind: TraceKind, _ first: UInt64 = 0, _ second: UInt64 = 0) {
        let position = written.load(ordering: .relaxed)
        events[Int(position & mask)] = TraceEvent(
            time: dbk_tsc(), kind: kind, core: UInt16(truncatingIfNeeded: core), first: first, second: second)
        written.store(position &+ 1, ordering: .releasing)
    }

    /// The last events, oldest first, at most `limit`; from anywhere.
    package func snapshot(limit: Int) -> [TraceEvent] {
        let end = written.load(ordering: .acquiring)
        let count = min(end, mask + 1, UInt64(max(0, limit)))
        var copy: [TraceEvent] = []
        copy.reserveCapacity(Int(count))
        for position in (end - count)..<end { copy.append(events[Int(position & mask)]) }
        // What the writer has overtaken meanwhile, and the one it may be writing now, is not to be believed.
        atomicMemoryFence(ordering: .acquiring)
        let now = written.load(ordering: .relaxed)
        let firstValid = now >= mask ? now - mask : 0
        let stale = firstValid > end - count ? min(firstValid - (end - count), count) : 0
        return Array(copy.dropFirst(Int(stale)))
    }
}
