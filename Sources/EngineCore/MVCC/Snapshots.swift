// Registered snapshots, and the horizon: the LSN that every snapshot, present and future, has reached.
//
// Each worker keeps its registered snapshots in a list. New ones are taken with no fiber switch between reading
// durableLSN and linking, so they arrive in nondecreasing order and the head is the worker's oldest, which it publishes
// in one atomic. Somebody else's horizon computation runs concurrently, and must not miss a snapshot that has been read
// from durableLSN but not yet published (Dekker's problem):
//
//     taker                                   horizon
//     1. S ← durableLSN                       a. F ← durableLSN; floor ← max(floor, F)
//     2. oldest ← S      (seq. consistent)       (seq. consistent)
//     3. if floor > S start over              b. H ← min(F, every worker's oldest)
//
// If b misses 2, then a came before 3, and the taker starts over with an S ≥ F ≥ H. If b sees 2, H ≤ S. When the list is
// not empty, 2 and 3 are unnecessary: the published head is ≤ S, and held any horizon down all the time.

import Platform
import Synchronization

/// A registered snapshot: a node of its worker's list, in memory of whoever registered it.
struct SnapshotNode {
    var snapshot: UInt64 = 0
    var previous: UnsafeMutablePointer<SnapshotNode>?
    var next: UnsafeMutablePointer<SnapshotNode>?
    var isRegistered = false
}

typealias SnapshotPointer = UnsafeMutablePointer<SnapshotNode>

struct SnapshotList: ~Copyable {
    /// The head's snapshot, `UInt64.max` if there is none.
    let oldest = Atomic<UInt64>(UInt64.max)
    private var head: SnapshotPointer?
    private var tail: SnapshotPointer?

    var isEmpty: Bool { head == nil }

    /// Takes a snapshot. `floor` is the manager's horizon floor; `durable` reads the log's durable LSN.
    @inline(__always)
    mutating func take(_ node: SnapshotPointer, floor: borrowing Atomic<UInt64>, durable: () -> UInt64) {
        assert(!node.pointee.isRegistered, "a node holds one snapshot")
        var snapshot = durable()
        if tail == nil {
            while true {
                oldest.store(snapshot, ordering: .sequentiallyConsistent)
                if floor.load(ordering: .sequentiallyConsistent) <= snapshot { break }
                snapshot = durable()
            }
        }
        append(node, snapshot)
    }

    @inline(__always) private mutating func append(_ node: SnapshotPointer, _ snapshot: UInt64) {
        assert(tail == nil || tail!.pointee.snapshot <= snapshot, "snapshots on one worker are taken in order")
        node.pointee = SnapshotNode(snapshot: snapshot, previous: tail, next: nil, isRegistered: true)
        if let last = tail { last.pointee.next = node } else { head = node }
        tail = node
    }

    /// Registers an older snapshot a second time, while `original` keeps it safe.
    mutating func hold(_ node: SnapshotPointer, sameAs original: SnapshotPointer) {
        assert(original.pointee.isRegistered, "only a registered snapshot can be held")
        node.pointee = SnapshotNode(
            snapshot: original.pointee.snapshot, previous: original, next: original.pointee.next, isRegistered: true)
        if let after = original.pointee.next { after.pointee.previous = node } else { tail = node }
        original.pointee.next = node
    }

    @inline(__always) mutating func release(_ node: SnapshotPointer) {
        guard node.pointee.isRegistered else { return }
        node.pointee.isRegistered = false
        let after = node.pointee.next
        if let after { after.pointee.previous = node.pointee.previous } else { tail = node.pointee.previous }
        if let before = node.pointee.previous {
            before.pointee.next = after
        } else {
            head = after
            // Releasing: everything that was read under this snapshot was read before.
            oldest.store(after?.pointee.snapshot ?? UInt64.max, ordering: .releasing)
        }
    }
}

/// A snapshot kept for a cursor that outlives its statement (a portal, an exported snapshot). Release it on the worker that
/// took it.
package final class SnapshotHold {
    let node: SnapshotPointer
    let worker: WorkerPointer
    /// Sees what the statement that took it saw.
    package let view: ReadView

    package init(of transaction: Transaction) {
        node = .allocate(capacity: 1)
        node.initialize(to: SnapshotNode())
        worker = transaction.worker
        view = transaction.view
        worker.pointee.snapshots.hold(node, sameAs: transaction.snapshotNode)
    }

    deinit {
        worker.pointee.snapshots.release(node)
        node.deallocate()
    }
}
