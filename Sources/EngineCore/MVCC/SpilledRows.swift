// Rows too long for a leaf. Their bytes are a chain of overflow pages that never changes (BTree/Overflow.swift); the entry,
// and the undo record of whoever replaced it, hold a stub. Who drops the last reference frees the chain:
//
//   replaced, and the transaction commits     at its retirement, by the undo record (no snapshot sees the old row any more)
//   replaced, and undone                      the new row's chain at once: nobody but the transaction has seen it
//   deleted                                   with the tombstone
//
// A chain is marked suspect before the record that takes the reference away, and unmarked after one that (re)makes it. A
// mark that stays on a chain in use is harmless: recovery looks at the entry before it frees anything.

import BTree
import Platform

/// A new row's chain until it is known whether an entry refers to it.
struct Chain: ~Copyable {
    private let tree: BTree
    private let spilled: SpilledPayload
    /// The payload for the leaf; its header is filled in by the write.
    let stub: UnsafeMutableRawBufferPointer

    init(_ tree: BTree, _ key: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer) throws(EngineError) {
        self.tree = tree
        spilled = try tree.spill(TreeKey(key), payload)
        stub = .allocate(byteCount: SpilledPayload.byteCount, alignment: 8)
        spilled.withBytes { stub.copyMemory(from: $0) }
    }

    deinit { stub.deallocate() }

    func settle(_ isUsed: Bool) throws(EngineError) {
        if isUsed { try tree.settle(spilled, attached: true) } else { try tree.freeChain(spilled) }
    }
}

extension VersionedTree {
    /// The stub of an old row as the tree wants it.
    func spilled(_ row: UnsafeRawBufferPointer) -> SpilledPayload? {
        withUnsafeTemporaryAllocation(byteCount: SpilledPayload.byteCount, alignment: 8) { buffer in
            guard row.count == SpilledPayload.byteCount - RowHeader.byteCount else { return nil }
            let base = buffer.baseAddress.unsafelyUnwrapped
            RowHeader.store(base, writer: 0, undo: 0)
            (base + RowHeader.byteCount).copyMemory(from: row.baseAddress.unsafelyUnwrapped, byteCount: row.count)
            return SpilledPayload(UnsafeRawBufferPointer(buffer))
        }
    }

    /// Frees the chain of a row that a retired transaction replaced.
    func freeReplaced(_ record: UndoRecord) throws(EngineError) {
        if isDropped { return }
        if let chain = spilled(record.oldRow) { try tree.freeChain(chain) }
    }
}
