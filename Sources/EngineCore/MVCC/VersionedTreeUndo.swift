// Undoing changes, for rollback and for recovery, and removing tombstones.
//
// Undo goes through the tree by key, since the entry may have moved since. Each undone change leaves a compensation record
// whose `undoNextLSN` leads to the change before it, so that a crash in the middle of a rollback goes on where it was and
// undoes nothing twice.

import BTree
import Platform
import Synchronization
import WALEngine

/// One change to be undone, from undo memory or from the log.
package struct UndoChange {
    var action: UndoAction
    var key: UnsafeRawBufferPointer
    var oldWriter: UInt64
    var oldUndo: UInt64
    var oldRow: UnsafeRawBufferPointer
    var oldIsSpilled: Bool
    /// The old version is a tombstone that nobody needs: undo removes the entry instead of restoring it.
    var oldIsGarbage: Bool
}

/// What the compensation record says.
package struct UndoChain {
    package var transactionID: UInt64
    /// Start LSN of the transaction's last record.
    package var previousLSN: LSN
    /// Start LSN of the next record to be undone; zero if none is left.
    package var undoNextLSN: LSN
    package init(transactionID: UInt64, previousLSN: LSN, undoNextLSN: LSN) {
        self.transactionID = transactionID
        self.previousLSN = previousLSN
        self.undoNextLSN = undoNextLSN
    }
}

extension VersionedTree {
    /// Undoes one change of the running transaction; returns the compensation record's start LSN.
    func undo(_ record: UndoRecord, _ transaction: Transaction) throws(EngineError) -> LSN {
        if record.action == .insertRun {
            let run = UndoneRun(
                firstRowID: record.firstRowID, count: record.runCount, logStart: LSN(record.logStart),
                mayHaveBegun: false)
            return try Self.undoRun(
                run, in: tree,
                UndoChain(
                    transactionID: transaction.id.rawValue, previousLSN: transaction.lastLSN,
                    undoNextLSN: LSN(record.logPrevious)))
        }
        var garbage = false
        if RowHeader.isTombstone(record.oldWriter) && !RowHeader.isInDoubt(record.oldWriter) {
            // Its deleter's purge may have come by while the entry was ours, and will not come again.
            garbage = record.oldWriter & RowHeader.writerMask <= manager.horizon()
        }
        let change = UndoChange(
            action: record.action, key: record.key, oldWriter: record.oldWriter, oldUndo: record.oldUndo,
            oldRow: record.oldRow, oldIsSpilled: record.oldIsSpilled, oldIsGarbage: garbage)
        let chain = UndoChain(
            transactionID: transaction.id.rawValue, previousLSN: transaction.lastLSN,
            undoNextLSN: LSN(record.logPrevious))
        let dropped = try Self.newestChain(record.action, record.key, in: tree)
        if let dropped { try tree.settle(dropped, attached: false) }
        let lsn = try Self.apply(change, to: tree, chain)
        if let dropped { try tree.freeChain(dropped) }
        if record.oldIsSpilled, let old = spilled(record.oldRow) {
            if garbage { try tree.freeChain(old) } else { try tree.settle(old, attached: true) }
        }
        return lsn
    }

    /// The chain of the row that undoing this change takes away. The entry is this transaction's, so it stays as it is.
    private static func newestChain(
        _ action: UndoAction, _ key: UnsafeRawBufferPointer, in tree: BTree
    ) throws(EngineError) -> SpilledPayload? {
        if action == .delete { return nil }
        let found = try tree.lookup(TreeKey(key)) { payload, isSpilled in
            isSpilled ? SpilledPayload(payload) : nil
        }
        return found ?? nil
    }

    /// Recovery: undoes one change of a loser; returns the compensation record's start LSN. The tree is opened on
    /// `undo.tree` and `undo.root`; redo is complete.
    /// `start` is the start LSN of the change's record.
    package static func undo(
        _ undo: LogUndo, at start: LSN, in tree: BTree, _ chain: UndoChain
    ) throws(EngineError) -> LSN {
        if undo.action == .insertRun { return try undoRun(try undo.run(at: start), in: tree, chain) }
        // No snapshot has survived, so every tombstone of a finished transaction is garbage, and undo addresses are void.
        let own = undo.oldWriter & ~RowHeader.tombstone == RowHeader.inDoubt | chain.transactionID
        let change = UndoChange(
            action: undo.action, key: undo.key, oldWriter: undo.oldWriter, oldUndo: 0, oldRow: undo.oldRow,
            oldIsSpilled: undo.isSpilled, oldIsGarbage: RowHeader.isTombstone(undo.oldWriter) && !own)
        // What is replaced by it has been marked suspect before, and recovery decides about that at its end.
        let dropped = try newestChain(undo.action, undo.key, in: tree)
        if let dropped { try tree.settle(dropped, attached: false) }
        let lsn = try apply(change, to: tree, chain)
        if let dropped { try tree.freeChain(dropped) }
        return lsn
    }

    private static func apply(_ change: UndoChange, to tree: BTree, _ chain: UndoChain) throws(EngineError) -> LSN {
        let key = TreeKey(change.key)
        let payloadByteCount = RowHeader.byteCount + change.oldRow.count
        let logging = LogRecordLayout.byteCount(
            undo: 0, operationCount: 1, operationByteCount: key.count + payloadByteCount + 64)
        var reserve = 0
        while true {
            var leaf = try tree.withLeaf(for: key, reserving: reserve, logging: logging, room: .system)
            let (slot, found) = leaf.find(key)
            guard found else {
                throw EngineError(
                    .dataCorrupted, "tree \(tree.treeID.rawValue) has lost an entry that is to be undone",
                    severity: .panic)
            }
            let old = UnsafeRawBufferPointer(leaf.payload(slot))
            var record = tree.log.makeRecord(
                Mutation.isActive(.compensationUnmarked) ? .system : .compensation, transactionID: chain.transactionID,
                previousLSN: chain.previousLSN,
                undoNextLSN: chain.undoNextLSN)
            if change.action == .insert || change.action == .replace && change.oldIsGarbage {
                leaf.remove(into: &record, at: slot)
            } else if change.action == .delete {
                leaf.patch(into: &record, at: slot, (change.oldWriter, change.oldUndo))
            } else {
                let growth = payloadByteCount - old.count
                if growth > leaf.node.freeByteCount {
                    leaf.release()
                    reserve = growth
                    continue
                }
                replace(&leaf, &record, slot, change)
            }
            let (start, end) = tree.log.append(&record)
            if leaf.finish(start: start, end: end) { try tree.merge(around: key) }
            return start
        }
    }

    private static func replace(
        _ leaf: inout LeafGuard, _ record: inout LogRecordBuilder, _ slot: Int, _ change: UndoChange
    ) {
        withUnsafeTemporaryAllocation(byteCount: RowHeader.byteCount + change.oldRow.count, alignment: 8) { buffer in
            let base = buffer.baseAddress.unsafelyUnwrapped
            RowHeader.store(base, writer: change.oldWriter, undo: change.oldUndo)
            if change.oldRow.count > 0 {
                (base + RowHeader.byteCount).copyMemory(
                    from: change.oldRow.baseAddress.unsafelyUnwrapped, byteCount: change.oldRow.count)
            }
            leaf.replace(into: &record, at: slot, UnsafeRawBufferPointer(buffer), spilled: change.oldIsSpilled)
        }
    }

    // MARK: Purging

    /// Removes the tombstone that this undo record's change left, if it is still the newest version. Every snapshot is past
    /// the change, and the record is not yet freed, so its address names the version.
    func purge(_ record: UndoRecord, at address: UInt64) throws(EngineError) {
        if isDropped { return }
        try removeTombstone(record.key) { _, undo in undo == address }
    }

    /// Removes the tombstone at `key` if every snapshot sees it: those that a crash or a rollback left behind. True if it did.
    func purgeLeftover(_ key: UnsafeRawBufferPointer) throws(EngineError) -> Bool {
        let horizon = manager.horizon()
        return try removeTombstone(key) { writer, _ in isVisibleToAll(writer, horizon) }
    }

    @inline(__always) func isVisibleToAll(_ writer: UInt64, _ horizon: UInt64) -> Bool {
        if !RowHeader.isInDoubt(writer) { return writer & RowHeader.writerMask <= horizon }
        let id = writer & RowHeader.writerMask
        return manager.slots.slot(of: id).pointee.id.load(ordering: .acquiring) != id
    }

    @discardableResult
    private func removeTombstone(_ key: UnsafeRawBufferPointer, _ isGarbage: (UInt64, UInt64) -> Bool)
        throws(EngineError) -> Bool
    {
        var marked: SpilledPayload?
        while true {
            var leaf = try tree.withLeaf(for: TreeKey(key), reserving: 0, logging: 128)
            let (slot, found) = leaf.find(TreeKey(key))
            if !found { return false }
            let payload = UnsafeRawBufferPointer(leaf.payload(slot))
            let base = payload.baseAddress.unsafelyUnwrapped
            let writer = RowHeader.writer(base)
            if !RowHeader.isTombstone(writer) || !isGarbage(writer, RowHeader.undo(base)) { return false }
            if leaf.isSpilled(slot), let chain = SpilledPayload(payload), marked?.firstPage != chain.firstPage {
                leaf.release()
                marked = chain
                try tree.settle(chain, attached: false)
                continue
            }
            var record = manager.log.makeRecord(.system)
            leaf.remove(into: &record, at: slot)
            let (start, end) = manager.log.append(&record)
            if leaf.finish(start: start, end: end) { try tree.merge(around: TreeKey(key)) }
            if let marked { try tree.freeChain(marked) }
            return true
        }
    }
}
