// Moving undo out to temporary space, so that a transaction's size is bounded by the device and not by memory.
//
// Who moves: only the fiber of the transaction itself, at the beginning of a change, where it holds no latch and nobody relies
// on its undo memory but readers, who copy (UndoArea.swift). When more than half of the budget is used and its segment is full,
// it moves its oldest segments and goes on in the memory of what it has moved. If memory is short when it ends, it moves the rest,
// which older snapshots may need for long. What it leaves in memory stays there until it retires.
//
// What could go wrong in between, and why it does not:
//   no room, or the write fails    the segment is still in memory and the block is given back: an error of the statement, which
//                                  is then undone. With memory left, a full disk is no error yet
//   canceled while it writes       the write ends first; whoever asks next finds the cancellation
//   rollback                       goes back through the moved segments, reading them one by one into memory that was set aside
//                                  from the first one moved: it needs none that it has not. A device that cannot be read ends
//                                  the engine, as when a page cannot: recovery undoes from the log
//   purging                        has memory of its own on each worker
//   the end moves the last segment nobody adds to it after that; if validation then refuses the commit, rollback finds it moved
//   a crash                        temporary space is forgotten, and so is what it held: recovery undoes from the log
//   readers under a latch          leave it, read, and look again (`UndoQuestion` in VersionedTreeWrites.swift)
//   `Transaction.oldRow`           points into a segment that is not moved before the next change of a row

import BTree
import Fibers
import Platform
import Synchronization

extension TransactionManager {
    /// Segments moved at a time: a little more than are opened, so that use falls back to a half.
    private static var moveCount: Int { 4 }

    /// The transaction's next undo record begins a segment of its own; older ones are moved out if memory is short. Parks; no
    /// latch is held. 53200; 53100 if the disk is full, too; 58030.
    @inline(never)
    func makeUndoRoom(_ transaction: Transaction) throws(EngineError) {
        var failure: EngineError?
        if undoArea.budget.isTight && undoArea.temporary != nil {
            do throws(EngineError) {
                try moveOut(transaction)
            } catch {
                if error.state != .diskFull { throw error }
                failure = error
            }
        }
        do throws(EngineError) {
            try transaction.worker.pointee.undo.open(for: &transaction.holding)
        } catch {
            throw failure ?? error
        }
    }

    /// At the end of a transaction: moves what memory is too short for. What cannot be moved stays.
    func moveRest(_ transaction: Transaction) {
        if transaction.holding.firstInMemory == 0 || undoArea.temporary == nil || !undoArea.budget.isTight { return }
        transaction.holding.closeLast()
        do throws(EngineError) {
            while undoArea.budget.isTight && transaction.holding.firstInMemory != 0 {
                try moveOut(transaction.holding.firstInMemory, transaction)
            }
        } catch {
            // It is in memory, where it was.
        }
    }

    private func moveOut(_ transaction: Transaction) throws(EngineError) {
        for _ in 0..<Self.moveCount where undoArea.budget.isTight {
            let index = transaction.holding.firstInMemory
            // The last one is the one that records may still be added to.
            if index == transaction.holding.last { return }
            let row = UInt64(UInt(bitPattern: transaction.oldRow.row.baseAddress))
            if row != 0 && undoArea.index(of: row) == index { return }
            try moveOut(index, transaction)
        }
    }

    private func moveOut(_ index: SegmentIndex, _ transaction: Transaction) throws(EngineError) {
        let area = undoArea
        guard let temporary = area.temporary else { return }
        var block = try temporary.take()
        do throws(EngineError) {
            // Nobody writes to it any more, so this is what it holds, however long it takes.
            try temporary.write(&block, from: area.memory(index), byteCount: TemporarySpace.payloadByteCount)
        } catch {
            temporary.giveBack(block)
            throw error
        }
        let segment = area[index]
        let next = segment.pointee.next
        precondition(transaction.holding.firstInMemory == index, "segments are moved in order")
        segment.pointee.block = block
        // Commands only grow, and the next segment's first record is there if the last one has any.
        segment.pointee.firstCommand = UndoRecord(at: area.memory(index) + UndoSegment.headerByteCount).command
        segment.pointee.lastCommand =
            next == transaction.holding.last || next == 0
            ? transaction.view.command
            : UndoRecord(at: area.memory(next) + UndoSegment.headerByteCount).command
        segment.pointee.isMoved.store(1, ordering: .sequentiallyConsistent)
        area.discard(index)
        area.movedCount.wrappingAdd(1, ordering: .relaxed)
        transaction.holding.firstInMemory = next
        if transaction.holding.buffer == 0 {
            // Keeps its share of the budget: rollback must not have to ask for any.
            transaction.holding.buffer = area.take()
        } else {
            area.budget.give(UndoSegment.byteCount)
        }
    }

    /// The record at `undo` for whoever walks back through a transaction's own records: in place, or in its buffer until the
    /// walk comes to another segment. Parks if it has to be read. 58030, XX001.
    func ownRecord(_ undo: UInt64, buffer: SegmentIndex, buffered: inout SegmentIndex) throws(EngineError) -> UndoRecord
    {
        if undo & UndoAddress.movable == 0 { return UndoRecord(undo) }
        let index = undoArea.index(of: undo)
        if undoArea[index].pointee.isMoved.load(ordering: .acquiring) == 0 { return UndoRecord(undo) }
        precondition(buffer != 0, "who has moved a segment has a buffer")
        if buffered != index {
            buffered = 0
            try undoArea.read(index, into: buffer)
            buffered = index
        }
        return UndoRecord(at: undoArea.memory(buffer) + undoArea.offset(of: undo))
    }

    /// Gives back the room of what a retired transaction has moved. Nobody can follow an address into it any more. Parks.
    func giveBackMoved(_ holding: UndoHolding) {
        guard let temporary = undoArea.temporary else { return }
        var index = holding.first
        while index != holding.firstInMemory {
            temporary.giveBack(undoArea[index].pointee.block)
            undoArea.movedCount.wrappingSubtract(1, ordering: .relaxed)
            index = undoArea[index].pointee.next
            Fiber.yieldIfDue()
        }
    }
}
