// Many rows at once, under consecutive rowids that were given out for them: one descent, one latch, one undo record and one log
// record per leaf, instead of per row.
//
// The rows of a leaf share one undo record, of action `insertRun`: to whoever reads, it says what `insert` says, "there was
// no row". Undoing it removes its rows from the last to the first, wherever they have moved to; each compensation record
// but the last leads back to the run, so a crash in between looks at it again, and finds the rows behind that point gone.
//
// Compensation stays in proportion to what it undoes, as the division of the log zone wants (see Log.swift): rows that lie in one
// leaf are removed by one record.

import BTree
import Platform
import WALEngine

/// Rows waiting to be inserted, one behind the other: u16 length (little-endian), bytes. Made once and reused; takes memory
/// when it is first used.
package final class RowRun: @unchecked Sendable {
    private var memory: UnsafeMutableRawPointer?
    package private(set) var byteCount = 0
    package private(set) var count = 0

    static let capacity = 64 << 10

    package init() {}
    deinit { memory?.deallocate() }

    private var base: UnsafeMutableRawPointer {
        if let memory { return memory }
        let made = UnsafeMutableRawPointer.allocate(byteCount: Self.capacity, alignment: 64)
        memory = made
        return made
    }

    /// True if a row of so many bytes can be part of a run at all: longer ones spill.
    @inline(__always)
    package static func takes(_ byteCount: Int) -> Bool {
        !BTree.mustSpill(keyByteCount: 8, payloadByteCount: RowHeader.byteCount + byteCount)
    }

    /// Where one more row of `byteCount` bytes is to be written; nil if the run is full.
    @inline(__always)
    package func append(_ byteCount: Int) -> UnsafeMutableRawPointer? {
        assert(Self.takes(byteCount), "long rows are inserted one by one")
        if self.byteCount + 2 + byteCount > Self.capacity { return nil }
        let at = base + self.byteCount
        at.setLittle(0, UInt16(byteCount))
        self.byteCount += 2 + byteCount
        count += 1
        return at + 2
    }

    package func removeAll() {
        byteCount = 0
        count = 0
    }

    func bytes(from offset: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + offset, count: byteCount - offset)
    }
}

extension VersionedTree {
    /// Inserts the rows of the run under `firstRowID` and those after it, which were given out for them, so no entry lies
    /// between and nobody else writes there. 53200, 53100, 25006; some rows may then be inserted.
    package func insert(_ run: RowRun, firstRowID: UInt64, _ transaction: Transaction) throws(EngineError) {
        precondition(isTable, "runs are for rowids")
        if transaction.slot == nil { try manager.start(transaction) }
        transaction.oldRow = .none
        var done = 0
        var offset = 0
        while done < run.count {
            try transaction.requireUndoRoom()
            let (count, byteCount) = try insertPart(run.bytes(from: offset), firstRowID + UInt64(done), transaction)
            done += count
            offset += byteCount
        }
    }

    /// As many rows as the leaf takes.
    private func insertPart(
        _ rows: UnsafeRawBufferPointer, _ firstRowID: UInt64, _ transaction: Transaction
    ) throws(EngineError) -> (count: Int, byteCount: Int) {
        let firstByteCount = Int(rows.baseAddress.unsafelyUnwrapped.little(0, as: UInt16.self))
        let logging = LogRecordLayout.byteCount(
            undo: LogUndo.byteCount(keyLength: 8, oldLength: 4), operationCount: 1, operationByteCount: 2 * pageSize)
        var memory = firstRowID.bigEndian
        return try withUnsafeBytes(of: &memory) { (bytes) throws(EngineError) in
            let key = TreeKey(bytes)
            let leaf = try tree.withLeaf(
                for: key, reserving: RowHeader.byteCount + firstByteCount, logging: logging)
            let (slot, found) = leaf.find(key)
            if found { throw EngineError(.internalError, "rowid \(firstRowID) was given out twice") }
            let fit = leaf.fit(slot, firstKey: firstRowID, rows)
            precondition(fit.count > 0, "there is room for the first row")
            try writeRun(
                leaf, slot, bytes, UnsafeRawBufferPointer(rebasing: rows[..<fit.byteCount]), fit.count, firstRowID,
                transaction)
            return fit
        }
    }

    /// Undo first: it can fail, with nothing changed. 53200.
    private func writeRun(
        _ leaf: consuming LeafGuard, _ slot: Int, _ key: UnsafeRawBufferPointer, _ rows: UnsafeRawBufferPointer,
        _ count: Int, _ firstRowID: UInt64, _ transaction: Transaction
    ) throws(EngineError) {
        var runLength = UInt32(count).littleEndian
        let undo = try withUnsafeBytes(of: &runLength) { (length) throws(EngineError) in
            try keepRun(key, length, transaction)
        }
        transaction.changeCount += count
        let log = manager.log
        var record = log.makeRecord(
            .update, transactionID: transaction.id.rawValue, previousLSN: transaction.lastLSN)
        withUnsafeBytes(of: &runLength) { length in
            LogUndo.append(
                to: &record, tree, .insertRun, oldWriter: 0, key: key, oldRow: length, isSpilled: false)
        }
        leaf.insertRun(
            into: &record, at: slot, firstKey: firstRowID, count: count,
            shared: (
                (RowHeader.inDoubt | transaction.id.rawValue).littleEndian, transaction.newestUndo.littleEndian
            ), rows)
        let (start, end) = log.append(&record)
        undo.setLog(start: start.rawValue)
        transaction.lastLSN = start
        leaf.finish(start: start, end: end)
    }

    private func keepRun(
        _ key: UnsafeRawBufferPointer, _ length: UnsafeRawBufferPointer, _ transaction: Transaction
    ) throws(EngineError) -> UndoRecord {
        let memory = try transaction.worker.pointee.undo.allocate(
            UndoRecord.byteCount(keyLength: key.count, oldLength: length.count), for: &transaction.holding)
        let record = UndoRecord(at: memory)
        record.fill(
            oldWriter: 0, oldUndo: 0, previous: transaction.newestUndo, logPrevious: transaction.lastLSN.rawValue,
            tree: UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()), command: transaction.view.command,
            action: .insertRun, flags: 0, key: key, oldRow: length)
        transaction.newestUndo =
            UInt64(UInt(bitPattern: memory)) | transaction.holding.marks(memory) | UndoAddress.first
        return record
    }

    // MARK: Undo

    /// A run to be undone, from undo memory or from the log.
    struct UndoneRun {
        var firstRowID: UInt64
        var count: Int
        /// Start LSN of the run's record.
        var logStart: LSN
        /// True during recovery: rows at the end may be gone, because a rollback had begun.
        var mayHaveBegun: Bool
    }

    /// Removes the rows of a run, last first. `chain.undoNextLSN` is where undo goes on after the whole of it. Returns the last
    /// compensation record's start LSN.
    static func undoRun(_ run: UndoneRun, in tree: BTree, _ chain: UndoChain) throws(EngineError) -> LSN {
        let writer = RowHeader.inDoubt | chain.transactionID
        let logging = LogRecordLayout.byteCount(undo: 0, operationCount: 1, operationByteCount: 64)
        var last = chain.previousLSN
        var left = run.count
        var hasMet = !run.mayHaveBegun
        while left > (Mutation.isActive(.runUndoneInPart) ? 1 : 0) {
            var memory = (run.firstRowID + UInt64(left - 1)).bigEndian
            let removed = try withUnsafeBytes(of: &memory) { (bytes) throws(EngineError) -> Int in
                let key = TreeKey(bytes)
                var leaf = try tree.withLeaf(for: key, reserving: nil, logging: logging, room: .system)
                let (slot, found) = leaf.find(key)
                guard found && leaf.writer(slot) == writer else {
                    if !hasMet && left > 1 { return 0 }
                    throw EngineError(
                        .dataCorrupted, "tree \(tree.treeID.rawValue) has lost an entry that is to be undone",
                        severity: .panic)
                }
                let count = leaf.countOfRun(endingAt: slot, limit: left, writer: writer)
                var record = tree.log.makeRecord(
                    .compensation, transactionID: chain.transactionID, previousLSN: last,
                    undoNextLSN: left == count ? chain.undoNextLSN : run.logStart)
                leaf.removeRun(into: &record, at: slot - count + 1, count: count)
                let (start, end) = tree.log.append(&record)
                last = start
                if leaf.finish(start: start, end: end) { try tree.merge(around: key) }
                return count
            }
            if removed > 0 { hasMet = true }
            left -= max(removed, 1)
        }
        return last
    }
}

extension LeafGuard {
    @inline(__always) func writer(_ slot: Int) -> UInt64 {
        RowHeader.writer(UnsafeRawPointer(payload(slot).baseAddress.unsafelyUnwrapped))
    }

    /// How many of the slots that end at `slot`, which does, hold rows of the writer, at most `limit`. Rowids of a run are
    /// consecutive and all its rows are there, so the slots before its last row's are those of the rows before.
    func countOfRun(endingAt slot: Int, limit: Int, writer: UInt64) -> Int {
        var count = 1
        while count < min(limit, slot + 1) && self.writer(slot - count) == writer { count += 1 }
        return count
    }
}

extension UndoRecord {
    /// Of an `insertRun`: how many rows.
    var runCount: Int { Int(UnsafeRawPointer(oldRow.baseAddress.unsafelyUnwrapped).little(0, as: UInt32.self)) }
    /// Of an `insertRun`: the rowid of the first row.
    var firstRowID: UInt64 { UnsafeRawPointer(key.baseAddress.unsafelyUnwrapped).big(0, as: UInt64.self) }
}

extension LogUndo {
    /// Of an `insertRun`: the run, whose record starts at `start`. XX001 if the bytes are malformed: its rows were in one leaf.
    func run(at start: LSN) throws(EngineError) -> VersionedTree.UndoneRun {
        if key.count == 8, oldRow.count == 4, let key = key.baseAddress, let length = oldRow.baseAddress {
            let first = key.big(0, as: UInt64.self)
            let count = Int(length.little(0, as: UInt32.self))
            if count > 0 && count <= TreePage.maxSlotCount && first <= UInt64.max - UInt64(count) {
                return VersionedTree.UndoneRun(
                    firstRowID: first, count: count, logStart: start, mayHaveBegun: true)
            }
        }
        throw EngineError(.dataCorrupted, "malformed undo information in the log", severity: .panic)
    }
}
