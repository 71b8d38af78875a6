// The table that answers "what became of transaction T" for as long as anybody can ask.
//
// A slot is given to a transaction at its first write and taken back when the oldest snapshot has reached the end LSN
// of its commit or abort (see Retirement.swift). From then on every version it left is visible to every snapshot, so
// the rule "the slot holds another id → visible to all" is right, and rows need never be stamped with commit LSNs.
// Why an aborted transaction's slot is kept as long: a cursor's private copy of a leaf may still show its id. Such a
// copy was taken by a snapshot older than the end of the abort, and that snapshot delays the reuse.
//
// Slots are taken from a per-worker queue, which grows by fresh blocks only when it runs dry: the working set stays a
// few cache lines while snapshots are short, and a long snapshot costs one slot per transaction that ends under it.

import Platform
import Synchronization

/// State of one transaction. 32 bytes.
package struct TransactionSlot: ~Copyable {
    /// TransactionID; 0 while the slot is free.
    package let id: Atomic<UInt64>
    /// End LSN of the commit record, stored by `Log.append(publish:)`; 0 before, and for ever after an abort.
    package let commitLSN: Atomic<UInt64>
    /// `ended` and `waited` bits.
    let state: Atomic<UInt64>
    /// Generation of the last id made from this slot; worker-private.
    var generation: UInt64

    /// The transaction is over, and durable if it committed: nobody has to wait for it.
    static let ended: UInt64 = 1
    /// Somebody is parked until it is over.
    static let waited: UInt64 = 2
}

package typealias SlotPointer = UnsafeMutablePointer<TransactionSlot>

extension UnsafeMutablePointer where Pointee == TransactionSlot {
    /// Where `Log.append` publishes the commit LSN.
    @inline(__always) package var commitCell: UnsafeMutablePointer<Atomic<UInt64>> {
        (UnsafeMutableRawPointer(self) + 8).assumingMemoryBound(to: Atomic<UInt64>.self)
    }
}

/// Owned by the TransactionManager for the life of the engine.
package struct TransactionSlots: BitwiseCopyable {
    static let bits: UInt64 = 20
    static let capacity = 1 << 20
    static let generationLimit: UInt64 = 1 << 20
    static let blockCount = 64

    package let base: SlotPointer

    /// Reserves address space for all slots; memory comes as blocks are first used. 53200 if there is none.
    init(platform: any Platform) throws(EngineError) {
        precondition(MemoryLayout<TransactionSlot>.stride == 32, "a slot is 32 bytes")
        guard let memory = platform.reserve(byteCount: Self.capacity * 32) else {
            throw EngineError(.outOfMemory, "no address space for the transaction table")
        }
        base = memory.bindMemory(to: TransactionSlot.self, capacity: Self.capacity)
    }

    /// True if the version with this header, not a tombstone, is visible to every snapshot because its writer's slot is
    /// another's by now.
    @inline(__always) package func isForgotten(_ writer: UInt64) -> Bool {
        let id = writer & RowHeader.writerMask
        return writer == id | RowHeader.inDoubt && slot(of: id).pointee.id.load(ordering: .acquiring) != id
    }

    @inline(__always) package func slot(of id: UInt64) -> SlotPointer {
        base + Int(truncatingIfNeeded: id & (UInt64(Self.capacity) - 1))
    }
}

/// Free slots of one worker: a ring of indices. Only that worker touches it.
struct SlotQueue {
    private var ring: UnsafeMutablePointer<UInt32>
    private var capacity: Int
    private var head = 0
    private(set) var count = 0

    init() {
        capacity = 256
        ring = .allocate(capacity: 256)
    }

    mutating func push(_ index: UInt32) {
        if count == capacity { grow() }
        ring[(head + count) & (capacity - 1)] = index
        count += 1
    }

    mutating func pop() -> UInt32? {
        if count == 0 { return nil }
        let index = ring[head]
        head = (head + 1) & (capacity - 1)
        count -= 1
        return index
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity * 2)
        for index in 0..<count { larger[index] = ring[(head + index) & (capacity - 1)] }
        ring.deallocate()
        ring = larger
        capacity *= 2
        head = 0
    }
}
