// Where undo segments lie: one range of addresses, so that an undo address means the same whether its segment is in memory or
// has been moved out to temporary space, and one entry per segment that says which. A moved segment's addresses stay its own
// until its transaction retires; they only have no memory behind them.
//
// Undo addresses carry two marks in their low bits, which spare most readers everything else:
//   `first`    the change was an insert: there is no version before it, so nobody has to look at the record for one
//   `movable`  the record lies in a segment of one transaction's own, which may be moved out; without it the record stays
//              where it is until retirement, and is read in place
//
// Reading a movable record, on any worker, with the owner moving it at the same time:
//
//     owner (UndoMoving.swift)                 reader
//     1. writes the segment to the device      a. entry says "in memory"
//     2. entry ← "moved"                       b. copies the record
//     3. discards the memory, which is zeros   c. entry still says so: the copy is good; else it reads the moved one
//
// Segments that are moved are full: nobody writes to them any more, so what is on the device is what every reader wants. If c
// sees "in memory", b came before 3. A segment goes back only at its transaction's retirement, which every snapshot that
// could follow an address into it holds up (see ReadView.swift); readers without a snapshot are the transaction itself
// and the purging of a retired one, which gives back when it is done.

import BTree
import Platform
import Synchronization

/// Marks of an undo address.
package enum UndoAddress {
    @inlinable package static var first: UInt64 { 1 }
    @inlinable package static var movable: UInt64 { 2 }
    @inlinable package static var mask: UInt64 { ~7 }
}

/// Names a segment; 0 is none.
typealias SegmentIndex = UInt32

/// What is known of a segment besides its bytes.
struct UndoSegment: ~Copyable {
    /// 0 while its bytes are in memory; 1: they are in `block`.
    let isMoved: Atomic<UInt64>
    var block: TemporaryBlock
    /// The transaction's next one, or the next free one.
    var next: SegmentIndex
    /// Transactions with records here; 1 for one transaction's own.
    var users: UInt32
    /// Counts its lives: tells readers' copies of former ones.
    var life: UInt32
    /// Of a moved one: commands of its records lie between these.
    var firstCommand: UInt32
    var lastCommand: UInt32

    static let byteCount = TemporarySpace.blockByteCount
    /// Left free in front of the records for the block's header.
    static let headerByteCount = TemporarySpace.headerByteCount
}

package final class UndoArea: @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    private let segments: UnsafeMutablePointer<UndoSegment>
    private let capacity: Int
    let platform: any Platform
    let budget: UndoBudget
    /// Where segments are moved to; without it none is. Set before the first transaction.
    package var temporary: TemporarySpace?
    /// One per worker.
    let readers: UnsafeMutablePointer<MovedUndoReader>
    /// Segments that are moved out.
    let movedCount = Atomic<Int>(0)

    private let lock = SpinLock()
    /// Under the lock: segments without memory.
    private var firstFree: SegmentIndex = 0
    /// The first segment that has never been taken. Grows under the lock.
    private let fresh = Atomic<SegmentIndex>(1)

    /// Address space for as many segments as memory and device can hold. `byteLimit`: of undo in memory, readers included.
    /// 53200.
    init(platform: any Platform, workerCount: Int, byteLimit: Int) throws(EngineError) {
        self.platform = platform
        let size = UndoSegment.byteCount
        let lines = max(2, min(32, byteLimit / 8 / workerCount / size))
        budget = UndoBudget(limit: max(2 * size, byteLimit - (lines + 1) * workerCount * size))
        let bound = UInt64(byteLimit) + platform.blockGeometry.byteCount + UInt64(8 * workerCount * size)
        capacity = Int(min(bound / UInt64(size), 1 << 31)) + 2
        guard let memory = platform.reserve(byteCount: capacity * size),
            let table = platform.reserve(byteCount: roundUp(capacity * MemoryLayout<UndoSegment>.stride, pageSize))
        else { throw EngineError(.outOfMemory, "no address space for undo") }
        base = memory
        segments = table.bindMemory(to: UndoSegment.self, capacity: capacity)
        readers = .allocate(capacity: workerCount)
        for core in 0..<workerCount { (readers + core).initialize(to: MovedUndoReader(lineCount: lines)) }
    }

    /// Segments that are moved out.
    package var movedSegmentCount: Int { movedCount.load(ordering: .relaxed) }

    @inline(__always) func memory(_ index: SegmentIndex) -> UnsafeMutableRawPointer {
        base + Int(index) * UndoSegment.byteCount
    }
    @inline(__always) subscript(_ index: SegmentIndex) -> UnsafeMutablePointer<UndoSegment> { segments + Int(index) }

    @inline(__always) func index(of undo: UInt64) -> SegmentIndex {
        SegmentIndex(truncatingIfNeeded: (undo &- UInt64(UInt(bitPattern: base))) / UInt64(UndoSegment.byteCount))
    }
    @inline(__always) func offset(of undo: UInt64) -> Int {
        Int((undo & UndoAddress.mask) &- UInt64(UInt(bitPattern: base))) % UndoSegment.byteCount
    }

    /// Whether a record can lie at `undo`. Rows name undo, and a row of a page that was damaged before its checksum was made may
    /// name anything. Whoever comes by an address has come after the taking of its segment.
    @inline(__always) func canHold(_ undo: UInt64) -> Bool {
        let distance = (undo & UndoAddress.mask) &- UInt64(UInt(bitPattern: base))
        let size = UInt64(UndoSegment.byteCount)
        let offset = distance % size
        return distance / size &- 1 < UInt64(fresh.load(ordering: .relaxed)) &- 1
            && offset >= UInt64(UndoSegment.headerByteCount) && offset <= size - UInt64(UndoRecord.headerByteCount)
    }

    /// A segment nobody has, its bytes zeros. The caller has taken the memory from the budget.
    func take() -> SegmentIndex {
        lock.lock()
        var index = firstFree
        if index != 0 {
            firstFree = self[index].pointee.next
        } else {
            index = fresh.wrappingAdd(1, ordering: .relaxed).oldValue
        }
        lock.unlock()
        precondition(Int(index) < capacity, "segments are bounded by memory and device")
        let segment = self[index]
        assert(segment.pointee.isMoved.load(ordering: .relaxed) == 0, "a free segment is not moved")
        segment.pointee.next = 0
        segment.pointee.life &+= 1
        platform.restore(memory(index), pageCount: UndoSegment.byteCount / pageSize)
        return index
    }

    /// The segment's life is over, and its memory given up.
    func give(_ index: SegmentIndex) {
        lock.lock()
        self[index].pointee.next = firstFree
        firstFree = index
        lock.unlock()
    }

    /// Gives the memory up; the addresses stay taken.
    func discard(_ index: SegmentIndex) {
        platform.discard(memory(index), pageCount: UndoSegment.byteCount / pageSize)
    }
}
