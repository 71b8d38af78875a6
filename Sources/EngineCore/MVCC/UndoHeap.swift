// Memory for undo records. Each worker has a heap of segments; only its own fibers allocate from it and free to it, so
// nothing here is shared but the budget.
//
// Small transactions write one behind the other into the worker's shared segment, which counts the transactions that
// have records in it and is reused when the last of them retires. A transaction that outgrows `sharedLimit` goes on in
// segments of its own, so that a long one does not hold small ones' memory. Nothing is freed record by record.

import Platform
import Synchronization

/// Bytes that undo may use over all workers; the writing statement that finds it empty fails with 53200.
package final class UndoBudget: Sendable {
    private let used = Atomic<Int>(0)
    package let limit: Int
    package init(limit: Int) { self.limit = limit }
    package var usedByteCount: Int { used.load(ordering: .relaxed) }

    func take(_ byteCount: Int) throws(EngineError) {
        let now = used.wrappingAdd(byteCount, ordering: .relaxed).newValue
        if now > limit {
            used.wrappingSubtract(byteCount, ordering: .relaxed)
            throw EngineError(
                .outOfMemory, "out of memory for undo",
                detail: "All \(limit) bytes hold row versions that some snapshot may still need.",
                hint: "End long-running transactions, or raise the undo memory limit.")
        }
    }
    func give(_ byteCount: Int) { used.wrappingSubtract(byteCount, ordering: .relaxed) }
}

/// Header at the start of each segment.
struct UndoSegment {
    var next: UnsafeMutablePointer<UndoSegment>?
    var byteCount: Int
    /// Transactions with records here; 1 for a private segment.
    var users: Int

    static let standardByteCount = 64 << 10
    static let headerByteCount = 32
}

typealias SegmentPointer = UnsafeMutablePointer<UndoSegment>

/// One transaction's claim on one shared segment; lives in that segment.
struct SegmentClaim {
    var next: UnsafeMutablePointer<SegmentClaim>?
    var segment: SegmentPointer
}

/// What a transaction holds of a heap. Its parts live in the heap, so it dies with the transaction's retirement.
struct UndoHolding: BitwiseCopyable {
    var claims: UnsafeMutablePointer<SegmentClaim>?
    var privateSegments: SegmentPointer?
    var cursor: UnsafeMutableRawPointer?
    var end: UnsafeMutableRawPointer?
    var byteCount = 0
}

struct UndoHeap {
    private let budget: Unmanaged<UndoBudget>
    private var shared: SegmentPointer?
    private var cursor: UnsafeMutableRawPointer?
    private var end: UnsafeMutableRawPointer?
    /// Empty standard segments kept for reuse, still counted as used.
    private var free: SegmentPointer?
    private var freeCount = 0

    /// Bytes after which a transaction leaves the shared segment.
    static let sharedLimit = 16 << 10
    static let freeLimit = 128

    init(budget: UndoBudget) { self.budget = Unmanaged.passRetained(budget) }

    /// `byteCount` bytes, 8-aligned, for as long as `holding` is not given back. Never parks. 53200.
    @inline(__always)
    mutating func allocate(_ byteCount: Int, for holding: inout UndoHolding) throws(EngineError)
        -> UnsafeMutableRawPointer
    {
        if let at = holding.cursor {
            if byteCount <= holding.end.unsafelyUnwrapped - at {
                holding.cursor = at + byteCount
                return at
            }
        } else if let at = cursor, let claim = holding.claims, claim.pointee.segment == shared,
            byteCount <= end.unsafelyUnwrapped - at
        {
            cursor = at + byteCount
            holding.byteCount += byteCount
            if holding.byteCount > Self.sharedLimit { goPrivate(&holding) }
            return at
        }
        return try allocateSlowly(byteCount, for: &holding)
    }

    /// Makes the next allocation open a private segment.
    private mutating func goPrivate(_ holding: inout UndoHolding) {
        let nowhere = UnsafeMutableRawPointer(bitPattern: 8)
        holding.cursor = nowhere
        holding.end = nowhere
    }

    @inline(never)
    private mutating func allocateSlowly(_ byteCount: Int, for holding: inout UndoHolding) throws(EngineError)
        -> UnsafeMutableRawPointer
    {
        let claimByteCount = 16
        if holding.cursor == nil && byteCount <= Self.sharedLimit {
            if cursor == nil || byteCount + claimByteCount > end.unsafelyUnwrapped - cursor.unsafelyUnwrapped {
                let fresh = try takeSegment(UndoSegment.standardByteCount)
                leaveShared()
                shared = fresh
                cursor = UnsafeMutableRawPointer(fresh) + UndoSegment.headerByteCount
                end = UnsafeMutableRawPointer(fresh) + UndoSegment.standardByteCount
            }
            let segment = shared.unsafelyUnwrapped
            if holding.claims == nil || holding.claims.unsafelyUnwrapped.pointee.segment != segment {
                let claim = cursor.unsafelyUnwrapped.bindMemory(to: SegmentClaim.self, capacity: 1)
                claim.initialize(to: SegmentClaim(next: holding.claims, segment: segment))
                cursor = cursor.unsafelyUnwrapped + claimByteCount
                segment.pointee.users += 1
                holding.claims = claim
            }
            let at = cursor.unsafelyUnwrapped
            cursor = at + byteCount
            holding.byteCount += byteCount
            return at
        }
        let wanted = max(UndoSegment.standardByteCount, UndoSegment.headerByteCount + byteCount)
        let segment = try takeSegment(wanted)
        segment.pointee.users = 1
        segment.pointee.next = holding.privateSegments
        holding.privateSegments = segment
        let at = UnsafeMutableRawPointer(segment) + UndoSegment.headerByteCount
        holding.cursor = at + byteCount
        holding.end = UnsafeMutableRawPointer(segment) + wanted
        holding.byteCount += byteCount
        return at
    }

    /// Frees the shared segment if nobody uses it, else leaves it to its last user.
    private mutating func leaveShared() {
        guard let old = shared else { return }
        shared = nil
        if old.pointee.users == 0 { giveSegment(old) }
    }

    /// Gives back all that a retired transaction held.
    mutating func giveBack(_ holding: UndoHolding) {
        var claim = holding.claims
        while let current = claim {
            claim = current.pointee.next
            let segment = current.pointee.segment
            segment.pointee.users -= 1
            if segment.pointee.users == 0 {
                if segment == shared {
                    cursor = UnsafeMutableRawPointer(segment) + UndoSegment.headerByteCount
                } else {
                    giveSegment(segment)
                }
            }
        }
        var owned = holding.privateSegments
        while let current = owned {
            owned = current.pointee.next
            giveSegment(current)
        }
    }

    private mutating func takeSegment(_ byteCount: Int) throws(EngineError) -> SegmentPointer {
        if byteCount == UndoSegment.standardByteCount, let first = free {
            free = first.pointee.next
            freeCount -= 1
            first.pointee.next = nil
            first.pointee.users = 0
            return first
        }
        try budget.takeUnretainedValue().take(byteCount)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
        let segment = memory.bindMemory(to: UndoSegment.self, capacity: 1)
        segment.initialize(to: UndoSegment(next: nil, byteCount: byteCount, users: 0))
        return segment
    }

    private mutating func giveSegment(_ segment: SegmentPointer) {
        if segment.pointee.byteCount == UndoSegment.standardByteCount && freeCount < Self.freeLimit {
            segment.pointee.next = free
            free = segment
            freeCount += 1
            return
        }
        budget.takeUnretainedValue().give(segment.pointee.byteCount)
        UnsafeMutableRawPointer(segment).deallocate()
    }

    /// Bytes that belong to no retired transaction: what a leak test compares.
    var idleByteCount: Int {
        freeCount * UndoSegment.standardByteCount
            + (shared.map { $0.pointee.users == 0 ? $0.pointee.byteCount : 0 } ?? 0)
    }
}
