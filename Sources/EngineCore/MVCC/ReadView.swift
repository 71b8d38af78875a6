// Which version of a row a statement sees.
//
// A snapshot is the log's durable LSN at the time it was taken, and a commit timestamp is the end LSN of the commit
// record. So a commit is visible exactly when it is durable: a snapshot S taken after the flusher stored
// durableLSN ≥ C has acquired everything stored before that, and `Log.append(publish:)` had stored C into the slot
// before the record counted as complete.
//
// Why following undo is safe. Undo records of transaction W are followed only from a version of W that the view does
// not see: W is in doubt or committed after S, so W's end LSN is (or will be) greater than S. Its undo memory and its
// slot are reused only when the oldest registered snapshot has reached that end LSN, and S is registered while the
// view is in use. The same holds for a cursor's private copy of a leaf: it was copied under S, so any writer it
// shows unseen by S ended after S. Undo records never change once they are linked.

import Platform
import Synchronization

/// Everything that visibility depends on; a few words, copied into cursors and parallel workers. Valid while the
/// snapshot it was made from stays registered (statement, transaction or `SnapshotHold`).
package struct ReadView: BitwiseCopyable, @unchecked Sendable {
    /// Commits up to this LSN are visible.
    package var snapshot: UInt64
    /// Own transaction's id when the view was made; 0 if it had not written yet – then everything that it writes later
    /// belongs to this command or a later one, and is rightly unseen.
    package var owner: UInt64
    /// Own changes by earlier commands are visible; by this one not (the Halloween problem).
    package var command: UInt32
    package var slots: TransactionSlots
    @usableFromInline let area: Unmanaged<UndoArea>

    @inline(__always)
    package init(snapshot: UInt64, owner: UInt64, command: UInt32, of manager: TransactionManager) {
        self.snapshot = snapshot
        self.owner = owner
        self.command = command
        slots = manager.slots
        area = Unmanaged.passUnretained(manager.undoArea)
    }

    /// True if the version with this header is the one this view sees (which may be a tombstone); false: go to `undo`. Parks if
    /// undo must be read from the device: hold no latch. 58030, XX001.
    @inline(__always) package func sees(writer: UInt64, undo: UInt64) throws(EngineError) -> Bool {
        if !RowHeader.isInDoubt(writer) { return writer & RowHeader.writerMask <= snapshot }
        return try seesInDoubt(writer & RowHeader.writerMask, undo)
    }

    @inlinable package func seesInDoubt(_ id: UInt64, _ undo: UInt64) throws(EngineError) -> Bool {
        if id == owner {
            if undo == 0 { return true }
            return try area.takeUnretainedValue().isBefore(undo, command)
        }
        let slot = slots.slot(of: id)
        if slot.pointee.id.load(ordering: .acquiring) != id { return true }
        let commit = slot.pointee.commitLSN.load(ordering: .acquiring)
        // A slot is emptied id first: if the id is still there, `commit` was this transaction's.
        if slot.pointee.id.load(ordering: .acquiring) != id { return true }
        if Mutation.isActive(.dirtyReads) { return true }
        return commit != 0 && (commit <= snapshot || Mutation.isActive(.snapshotNotFixed))
    }

    /// The version this view sees, given the newest one's payload; nil if it sees no row. Its bytes lie in `payload`, in
    /// undo memory, or in `older`, where they are until its next use. Parks if undo must be read from the device: hold no
    /// latch. 58030, XX001.
    @inline(__always)
    package func version(
        _ payload: UnsafeRawBufferPointer, isSpilled: Bool, _ older: inout UndoCopy
    ) throws(EngineError) -> SeenVersion? {
        if payload.count < RowHeader.byteCount { throw RowHeader.missing() }
        let base = payload.baseAddress.unsafelyUnwrapped
        let writer = RowHeader.writer(base)
        if try sees(writer: writer, undo: RowHeader.undo(base)) {
            if RowHeader.isTombstone(writer) { return nil }
            return SeenVersion(
                row: UnsafeRawBufferPointer(rebasing: payload[RowHeader.byteCount...]), isSpilled: isSpilled)
        }
        return try olderVersion(payload, isSpilled: isSpilled, &older)
    }

    /// As `version`, when the newest one is known to be unseen.
    @inlinable package func olderVersion(
        _ payload: UnsafeRawBufferPointer, isSpilled: Bool, _ older: inout UndoCopy
    ) throws(EngineError) -> SeenVersion? {
        if payload.count < RowHeader.byteCount { throw RowHeader.missing() }
        var found = SeenVersion(
            row: UnsafeRawBufferPointer(rebasing: payload[RowHeader.byteCount...]), isSpilled: isSpilled)
        var undo = RowHeader.undo(payload.baseAddress.unsafelyUnwrapped)
        while undo != 0 {
            if undo & UndoAddress.first != 0 { return nil }
            let record = try area.takeUnretainedValue().record(undo, &older)
            switch record.action {
            case .insert, .insertRun: return nil
            case .delete: break  // a delete left the bytes where they were
            case .replace:
                found = SeenVersion(row: record.oldRow, isSpilled: record.oldIsSpilled)
                older.keep()
            }
            let writer = record.oldWriter
            undo = record.oldUndo
            if try sees(writer: writer, undo: undo) { return RowHeader.isTombstone(writer) ? nil : found }
        }
        return nil
    }
}

/// A version that a view sees.
package struct SeenVersion: BitwiseCopyable {
    /// The row without its header; if spilled, the stub that leads to it.
    package var row: UnsafeRawBufferPointer
    package var isSpilled: Bool
    @inline(__always) package init(row: UnsafeRawBufferPointer, isSpilled: Bool) {
        self.row = row
        self.isSpilled = isSpilled
    }
    @inline(__always) static var none: SeenVersion {
        SeenVersion(row: UnsafeRawBufferPointer(start: nil, count: 0), isSpilled: false)
    }
}
