// Memory for undo records. Each worker has a heap of segments; only its own fibers allocate from it and free to it, so
// nothing here is shared but the budget and the range of addresses (UndoArea.swift).
//
// Small transactions write one behind the other into the worker's shared segment, which counts the transactions that
// have records in it and is reused when the last of them retires. A transaction that outgrows `sharedLimit` goes on in
// segments of its own, so that a long one does not hold small ones' memory, and can be moved out (UndoMoving.swift).
// Nothing is freed record by record.

import Platform
import Synchronization

/// Bytes that undo may use over all workers; the writing statement that finds it empty fails with 53200.
package final class UndoBudget: Sendable {
    private let used = Atomic<Int>(0)
    package let limit: Int
    package init(limit: Int) { self.limit = limit }
    package var usedByteCount: Int { used.load(ordering: .relaxed) }

    /// Half is used: long transactions move theirs out, the other half is for short ones.
    var isTight: Bool { usedByteCount > limit / 2 }

    func take(_ byteCount: Int) throws(EngineError) {
        let now = used.wrappingAdd(byteCount, ordering: .relaxed).newValue
        if now > limit || MemoryFaults.refusesNow {
            used.wrappingSubtract(byteCount, ordering: .relaxed)
            throw EngineError(
                .outOfMemory, "out of memory for undo",
                detail: "All \(limit) bytes hold row versions that some snapshot may still need.",
                hint: "End long-running transactions, or raise the undo memory limit.")
        }
    }
    func give(_ byteCount: Int) { used.wrappingSubtract(byteCount, ordering: .relaxed) }
}

/// One transaction's claim on one shared segment; lives in that segment.
struct SegmentClaim {
    var next: UnsafeMutablePointer<SegmentClaim>?
    var segment: SegmentIndex
}

/// What a transaction holds of a heap. Its parts live in the heap, so it dies with the transaction's retirement.
struct UndoHolding: BitwiseCopyable {
    var claims: UnsafeMutablePointer<SegmentClaim>?
    var cursor: UnsafeMutableRawPointer?
    var end: UnsafeMutableRawPointer?
    var byteCount = 0
    /// Segments of its own, oldest first. Those before `firstInMemory` are moved out; 0: all are.
    var first: SegmentIndex = 0
    var firstInMemory: SegmentIndex = 0
    var last: SegmentIndex = 0
    /// Once one is moved, until the transaction's end: memory for one, which rollback reads moved ones into.
    var buffer: SegmentIndex = 0

    var hasMoved: Bool { first != firstInMemory }

    /// The transaction writes to segments of its own, and its next record may not fit this one.
    @inline(__always) var needsSegment: Bool {
        guard let cursor else { return false }
        return end.unsafelyUnwrapped - cursor < UndoRecord.maxByteCount
    }

    /// Makes the next allocation open a segment of its own.
    mutating func closeLast() {
        let nowhere = UnsafeMutableRawPointer(bitPattern: 8)
        cursor = nowhere
        end = nowhere
    }

    /// Marks of a record just allocated: it lies in a segment of its own or, up to the one that passed `sharedLimit`, not.
    @inline(__always) func marks(_ record: UnsafeMutableRawPointer) -> UInt64 {
        let left = UInt(bitPattern: end) &- UInt(bitPattern: record)
        return left <= UInt(UndoSegment.byteCount) ? UndoAddress.movable : 0
    }
}

struct UndoHeap {
    private let area: Unmanaged<UndoArea>
    private var shared: SegmentIndex = 0
    private var cursor: UnsafeMutableRawPointer?
    private var end: UnsafeMutableRawPointer?
    /// Empty segments kept for reuse, still counted as used.
    private var free: SegmentIndex = 0
    private var freeCount = 0
    private let freeLimit: Int

    /// Bytes after which a transaction leaves the shared segment.
    static let sharedLimit = 16 << 10

    /// The heaps of all workers keep no more than an eighth of the budget for reuse.
    init(area: UndoArea, workerCount: Int) {
        self.area = Unmanaged.passUnretained(area)
        freeLimit = min(128, area.budget.limit / UndoSegment.byteCount / workerCount / 8)
    }

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
            if holding.byteCount > Self.sharedLimit { holding.closeLast() }
            return at
        }
        return try allocateSlowly(byteCount, for: &holding)
    }

    @inline(never)
    private mutating func allocateSlowly(_ byteCount: Int, for holding: inout UndoHolding) throws(EngineError)
        -> UnsafeMutableRawPointer
    {
        precondition(byteCount <= UndoSegment.byteCount - UndoSegment.headerByteCount, "a record fits a segment")
        if holding.cursor != nil || byteCount > Self.sharedLimit {
            try open(for: &holding)
            let at = holding.cursor.unsafelyUnwrapped
            holding.cursor = at + byteCount
            return at
        }
        let area = area.takeUnretainedValue()
        let claimByteCount = 16
        if cursor == nil || byteCount + claimByteCount > end.unsafelyUnwrapped - cursor.unsafelyUnwrapped {
            let fresh = try takeSegment()
            area[fresh].pointee.users = 0
            leaveShared()
            shared = fresh
            cursor = area.memory(fresh) + UndoSegment.headerByteCount
            end = area.memory(fresh) + UndoSegment.byteCount
        }
        if holding.claims == nil || holding.claims.unsafelyUnwrapped.pointee.segment != shared {
            let claim = cursor.unsafelyUnwrapped.bindMemory(to: SegmentClaim.self, capacity: 1)
            claim.initialize(to: SegmentClaim(next: holding.claims, segment: shared))
            cursor = cursor.unsafelyUnwrapped + claimByteCount
            area[shared].pointee.users += 1
            holding.claims = claim
        }
        let at = cursor.unsafelyUnwrapped
        cursor = at + byteCount
        holding.byteCount += byteCount
        return at
    }

    /// The transaction's next record begins a segment of its own. 53200.
    mutating func open(for holding: inout UndoHolding) throws(EngineError) {
        let area = area.takeUnretainedValue()
        let segment = try takeSegment()
        area[segment].pointee.users = 1
        if holding.last == 0 { holding.first = segment } else { area[holding.last].pointee.next = segment }
        // They are moved in order, and this one is not.
        if holding.firstInMemory == 0 { holding.firstInMemory = segment }
        holding.last = segment
        holding.cursor = area.memory(segment) + UndoSegment.headerByteCount
        holding.end = area.memory(segment) + UndoSegment.byteCount
    }

    /// Frees the shared segment if nobody uses it, else leaves it to its last user.
    private mutating func leaveShared() {
        let old = shared
        shared = 0
        if old != 0 && area.takeUnretainedValue()[old].pointee.users == 0 { giveSegment(old) }
    }

    /// Gives back all that a retired transaction held. The blocks of moved segments have been.
    mutating func giveBack(_ holding: UndoHolding) {
        let area = area.takeUnretainedValue()
        var claim = holding.claims
        while let current = claim {
            claim = current.pointee.next
            let segment = current.pointee.segment
            area[segment].pointee.users -= 1
            if area[segment].pointee.users == 0 {
                if segment == shared {
                    cursor = area.memory(segment) + UndoSegment.headerByteCount
                } else {
                    giveSegment(segment)
                }
            }
        }
        var segment = holding.first
        while segment != 0 {
            let next = area[segment].pointee.next
            if area[segment].pointee.isMoved.exchange(0, ordering: .relaxed) != 0 {
                area.give(segment)
            } else {
                giveSegment(segment)
            }
            segment = next
        }
        precondition(holding.buffer == 0, "given back at the transaction's end")
    }

    /// Rollback will not need it any more.
    mutating func giveBackBuffer(_ holding: inout UndoHolding) {
        if holding.buffer == 0 { return }
        giveSegment(holding.buffer)
        holding.buffer = 0
    }

    private mutating func takeSegment() throws(EngineError) -> SegmentIndex {
        let area = area.takeUnretainedValue()
        if free != 0 {
            let first = free
            free = area[first].pointee.next
            freeCount -= 1
            area[first].pointee.next = 0
            return first
        }
        try area.budget.take(UndoSegment.byteCount)
        return area.take()
    }

    private mutating func giveSegment(_ segment: SegmentIndex) {
        let area = area.takeUnretainedValue()
        if freeCount < freeLimit {
            area[segment].pointee.next = free
            free = segment
            freeCount += 1
            return
        }
        area.discard(segment)
        area.give(segment)
        area.budget.give(UndoSegment.byteCount)
    }

    /// Bytes that belong to no retired transaction: what a leak test compares.
    var idleByteCount: Int {
        let isIdle = shared != 0 && area.takeUnretainedValue()[shared].pointee.users == 0
        return (freeCount + (isIdle ? 1 : 0)) * UndoSegment.byteCount
    }
}
