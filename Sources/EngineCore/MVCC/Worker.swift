// What the transaction manager keeps per worker. Only that worker's fibers touch it, except for the two published atomics,
// which lie in the first and the second cache line.

import Fibers
import Platform
import Synchronization

package typealias WorkerPointer = UnsafeMutablePointer<TransactionWorker>
typealias ActiveNode = UnsafeMutablePointer<ActiveTransaction>
typealias EndingPointer = UnsafeMutablePointer<EndingTransaction>

/// A writing transaction that recovery would have to undo, in the worker's list in order of `firstLSN`.
struct ActiveTransaction {
    var firstLSN: UInt64 = 0
    var id: UInt64 = 0
    var previous: ActiveNode?
    var next: ActiveNode?
    var isListed = false
}

/// What is left of a transaction between its end and its retirement. Lies in its own undo memory, so that ending a
/// transaction allocates nothing.
struct EndingTransaction {
    var next: EndingPointer?
    var endLSN: UInt64 = 0
    let slotIndex: UInt32
    var needsPurge = false
    /// The transaction's own fiber is done with the slot. Set after durability, which the horizon may notice earlier.
    var isAnnounced = false
    var newestUndo: UInt64 = 0
    var holding = UndoHolding()

    init(slotIndex: UInt32) { self.slotIndex = slotIndex }
}

package struct TransactionWorker: ~Copyable {
    var snapshots = SnapshotList()
    private let padding = (0, 0, 0, 0, 0)
    /// Lower bound of the first LSN of every writing transaction here; `UInt64.max` if there is none.
    let oldestFirstLSN = Atomic<UInt64>(UInt64.max)
    private var activeHead: ActiveNode?
    private var activeTail: ActiveNode?

    var slots = SlotQueue()
    var undo: UndoHeap
    /// Ended transactions in order of their end LSN.
    var endedHead: EndingPointer?
    var endedTail: EndingPointer?
    var endedCount = 0
    /// Retired transactions whose tombstones are to be purged.
    var purgeHead: EndingPointer?
    var purgeTail: EndingPointer?
    var purgeCount = 0
    /// Dropped trees waiting for older snapshots to end, in order of LSN.
    var droppedTrees: [(tree: VersionedTree, lsn: UInt64)] = []
    /// Transactions that got an id here.
    var startedCount: UInt64 = 0
    /// The purging fiber while there is nothing for it to do; nobody otherwise.
    var idlePurger = FiberRef.none
    let core: CoreIndex

    init(core: CoreIndex, area: UndoArea, workerCount: Int) {
        self.core = core
        undo = UndoHeap(area: area, workerCount: workerCount)
    }

    // The list of writing transactions. `firstLSN` is the insert LSN read before the id is given out, with no fiber
    // switch before it is listed: nondecreasing, so the head is the minimum.

    mutating func list(_ node: ActiveNode, firstLSN: UInt64, id: UInt64) {
        assert(activeTail == nil || activeTail!.pointee.firstLSN <= firstLSN)
        node.pointee = ActiveTransaction(
            firstLSN: firstLSN, id: id, previous: activeTail, next: nil, isListed: true)
        if let last = activeTail {
            last.pointee.next = node
        } else {
            activeHead = node
            oldestFirstLSN.store(firstLSN, ordering: .sequentiallyConsistent)
        }
        activeTail = node
    }

    mutating func unlist(_ node: ActiveNode) {
        assert(node.pointee.isListed)
        node.pointee.isListed = false
        let after = node.pointee.next
        if let after { after.pointee.previous = node.pointee.previous } else { activeTail = node.pointee.previous }
        if let before = node.pointee.previous {
            before.pointee.next = after
        } else {
            activeHead = after
            oldestFirstLSN.store(after?.pointee.firstLSN ?? UInt64.max, ordering: .sequentiallyConsistent)
        }
    }

    mutating func enqueueEnded(_ ending: EndingPointer) {
        ending.pointee.next = nil
        if let last = endedTail { last.pointee.next = ending } else { endedHead = ending }
        endedTail = ending
        endedCount += 1
        wakePurger()
    }

    /// True if no transaction waits for its retirement or purge, and no tree to be freed.
    var hasNothingToPurge: Bool { endedHead == nil && purgeHead == nil && droppedTrees.isEmpty }

    @inline(__always) mutating func wakePurger() {
        if idlePurger.isNone { return }
        Fiber.wake(idlePurger)
        idlePurger = .none
    }

    mutating func dequeueEnded() -> EndingPointer {
        let first = endedHead.unsafelyUnwrapped
        endedHead = first.pointee.next
        if endedHead == nil { endedTail = nil }
        endedCount -= 1
        return first
    }

    mutating func enqueuePurge(_ ending: EndingPointer) {
        ending.pointee.next = nil
        if let last = purgeTail { last.pointee.next = ending } else { purgeHead = ending }
        purgeTail = ending
        purgeCount += 1
    }

    mutating func dequeuePurge() -> EndingPointer? {
        guard let first = purgeHead else { return nil }
        purgeHead = first.pointee.next
        if purgeHead == nil { purgeTail = nil }
        purgeCount -= 1
        return first
    }
}
