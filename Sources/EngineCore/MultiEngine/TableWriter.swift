// Inserting, updating and deleting rows of one table with all its indexes. One per operator of a plan; keeps scratch memory,
// so that changing a row allocates nothing once warm.

import MVCC
import Platform
import SQLTypes
import Synchronization

package enum InsertOutcome {
    case inserted(rowID: UInt64)
    /// A row with this rowid has the same key of the unique index at this position; nothing was changed.
    case conflict(rowID: UInt64, index: Int)
}

package final class TableWriter: @unchecked Sendable {
    package let table: TableStore
    private var payload = PayloadBytes()
    private var key = ByteBuffer()
    private var otherKey = ByteBuffer()
    private let oldRow: RowBuffer
    private var copy = RowCopy()
    private let run = RowRun()
    /// One for each column.
    private let batch: UnsafeMutablePointer<BatchColumn>

    package init(_ table: TableStore) {
        self.table = table
        batch = .allocate(capacity: max(table.codec.count, 1))
        oldRow = table.makeRow()
    }

    deinit { batch.deallocate() }

    // MARK: Insert

    /// Inserts a row and its index entries. 23505 if a unique index has its key.
    package func insert(_ row: RowBuffer, _ transaction: Transaction) throws(EngineError) -> UInt64 {
        switch try insert(row, transaction, arbiters: .none) {
        case .inserted(let rowID): return rowID
        case .conflict(_, let index): throw table.definition.indexes[index].violation(table.definition, row)
        }
    }

    /// Which unique indexes make a conflict instead of an error.
    package enum Arbiters {
        case none
        case all
        /// Positions of indexes.
        case some([Int])

        func contains(_ index: Int) -> Bool {
            switch self {
            case .none: false
            case .all: true
            case .some(let positions): positions.contains(index)
            }
        }
    }

    /// As `insert`, for ON CONFLICT: arbiters are asked first, so that a row that conflicts with one and violates another
    /// index is a conflict; it is answered, and what was inserted before it undone. The
    /// conflicting row may be newer than the statement's snapshot, or be the transaction's own.
    package func insert(
        _ row: RowBuffer, _ transaction: Transaction, arbiters: Arbiters
    ) throws(EngineError) -> InsertOutcome {
        try table.evaluator?.compute(row)
        let rowID = try table.newRowID()
        let start = transaction.setSavepoint()
        for index in 0..<table.indexes.count where arbiters.contains(index) {
            if let holder = try insertEntry(index, row, rowID, transaction) {
                try transaction.rollback(to: start)
                return .conflict(rowID: holder, index: index)
            }
        }
        for index in 0..<table.indexes.count where !arbiters.contains(index) {
            if try insertEntry(index, row, rowID, transaction) != nil {
                throw table.definition.indexes[index].violation(table.definition, row)
            }
        }
        try insertRow(row, rowID, transaction)
        return .inserted(rowID: rowID)
    }

    /// Inserts the selected rows of `tuples`, one vector per column, in their order, many at a time; `row` is scratch memory.
    /// Returns the first one's rowid; those of the others follow it. 23505.
    package func insert(
        _ tuples: [Vector], _ selection: Selection, _ row: RowBuffer, _ transaction: Transaction
    ) throws(EngineError) -> UInt64 {
        let firstRowID = try table.newRowIDs(selection.count)
        precondition(tuples.count == table.codec.count, "a vector per column")
        for (index, vector) in tuples.enumerated() { (batch + index).initialize(to: BatchColumn(vector)) }
        run.removeAll()
        for index in 0..<selection.count {
            let place = selection[index]
            let byteCount = table.codec.encodedByteCount(batch, place)
            if !RowRun.takes(byteCount) {
                try insertRun(before: firstRowID + UInt64(index), transaction)
                row.borrow(tuples, row: place)
                try insertRow(row, firstRowID + UInt64(index), transaction)
                continue
            }
            if let target = run.append(byteCount) {
                table.codec.encode(batch, place, to: target)
            } else {
                try insertRun(before: firstRowID + UInt64(index), transaction)
                table.codec.encode(batch, place, to: run.append(byteCount).unsafelyUnwrapped)
            }
        }
        try insertRun(before: firstRowID + UInt64(selection.count), transaction)
        withExtendedLifetime(tuples) {}
        if !table.indexes.isEmpty { try insertEntries(tuples, selection, firstRowID, row, transaction) }
        return firstRowID
    }

    /// Inserts the rows collected, whose rowids end before `rowID`.
    private func insertRun(before rowID: UInt64, _ transaction: Transaction) throws(EngineError) {
        if run.count == 0 { return }
        let count = run.count
        try table.rows.versions.insert(run, firstRowID: rowID - UInt64(count), transaction)
        table.rows.changeBalance.wrappingAdd(count, ordering: .relaxed)
        run.removeAll()
    }

    /// The rows are there, unseen by others; a violation fails the statement, which takes them back.
    private func insertEntries(
        _ tuples: [Vector], _ selection: Selection, _ firstRowID: UInt64, _ row: RowBuffer, _ transaction: Transaction
    ) throws(EngineError) {
        for place in 0..<selection.count {
            row.borrow(tuples, row: selection[place])
            try table.evaluator?.compute(row)
            for index in 0..<table.indexes.count
            where try insertEntry(index, row, firstRowID + UInt64(place), transaction) != nil {
                throw table.definition.indexes[index].violation(table.definition, row)
            }
        }
    }

    private func insertRow(_ row: RowBuffer, _ rowID: UInt64, _ transaction: Transaction) throws(EngineError) {
        encode(row)
        var rowKey = rowID.bigEndian
        let result = try withUnsafeBytes(of: &rowKey) { (rowKey) throws(EngineError) in
            try table.rows.versions.insert(rowKey, payload.bytes, transaction)
        }
        guard result == .inserted else {
            throw EngineError(.internalError, "rowid \(rowID) was given out twice")
        }
        table.rows.changeBalance.wrappingAdd(1, ordering: .relaxed)
    }

    private func encode(_ row: RowBuffer) {
        payload.resize(RowHeader.byteCount + table.codec.encodedByteCount(row))
        table.codec.encode(row, to: payload.base + RowHeader.byteCount)
    }

    /// Inserts the entry of one index, if the row has one; the rowid of the row in the way, if there is one.
    private func insertEntry(_ index: Int, _ row: RowBuffer, _ rowID: UInt64, _ transaction: Transaction)
        throws(EngineError) -> UInt64?
    {
        let definition = table.definition.indexes[index]
        if !Self.isIndexed(row, definition) { return nil }
        key.removeAll()
        let isInKey = KeyCodec.append(definition, row, rowID: rowID, to: &key)
        return try insertEntry(index, rowID, isInKey: isInKey, transaction)
    }

    private func insertEntry(_ index: Int, _ rowID: UInt64, isInKey: Bool, _ transaction: Transaction)
        throws(EngineError) -> UInt64?
    {
        payload.resize(RowHeader.byteCount + (isInKey ? 0 : KeyCodec.rowIDByteCount))
        if !isInKey { payload.base.setBig(RowHeader.byteCount, rowID) }
        if Mutation.isActive(.entryNotInserted) && isInKey { return nil }
        let tree = table.indexes[index].versions
        if try tree.insert(key.bytes, payload.bytes, transaction) == .inserted { return nil }
        if Mutation.isActive(.uniqueUnchecked) { return nil }
        if isInKey { throw EngineError(.indexCorrupted, "index has an entry for a rowid that is new") }
        return transaction.found.seen.row.baseAddress.unsafelyUnwrapped.big(0, as: UInt64.self)
    }

    /// False if a partial index leaves the row out.
    static func isIndexed(_ row: RowBuffer, _ index: StoredIndex) -> Bool {
        guard let position = index.predicatePosition else { return true }
        return !row.nulls[position] && row.cells[position].bool
    }

    // MARK: Update

    /// Replaces a row. `assigned` lists the columns that may differ (nil: any); indexes over others are left alone.
    /// After `.changed`, `readFound` gives the newest version.
    package func update(
        _ rowID: UInt64, _ row: RowBuffer, _ transaction: Transaction, assigned: ColumnSet? = nil,
        expected: RowVersion = .none, policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> WriteResult {
        try table.evaluator?.compute(row)
        let changesKey = changesKey(assigned)
        encode(row)
        var rowKey = rowID.bigEndian
        let result = try withUnsafeBytes(of: &rowKey) { (rowKey) throws(EngineError) in
            try table.rows.versions.update(
                rowKey, payload.bytes, transaction, changesKey: changesKey, expected: expected, policy)
        }
        if result != .done || table.indexes.isEmpty { return try checked(result, policy) }
        var isDecoded = false
        for index in 0..<table.indexes.count where isTouched(index, assigned) {
            if !isDecoded {
                try table.codec.borrow(before(transaction), into: oldRow)
                try table.evaluator?.compute(oldRow)
                isDecoded = true
            }
            try moveEntry(index, from: oldRow, to: row, rowID, transaction)
        }
        return .done
    }

    /// True if the assigned columns are among those of a unique index: such an update excludes FOR KEY SHARE.
    private func changesKey(_ assigned: ColumnSet?) -> Bool {
        for (position, index) in table.definition.indexes.enumerated() where index.isUnique {
            if isTouched(position, assigned) { return true }
        }
        return false
    }

    private func isTouched(_ index: Int, _ assigned: ColumnSet?) -> Bool {
        guard let assigned else { return true }
        let definition = table.definition.indexes[index]
        if definition.predicatePosition != nil { return true }
        let columnCount = table.definition.columns.count
        for column in definition.columns where column.position >= columnCount || assigned.contains(column.position) {
            return true
        }
        return false
    }

    private func moveEntry(
        _ index: Int, from old: RowBuffer, to new: RowBuffer, _ rowID: UInt64, _ transaction: Transaction
    ) throws(EngineError) {
        let definition = table.definition.indexes[index]
        let wasIndexed = Self.isIndexed(old, definition)
        let isIndexed = Self.isIndexed(new, definition)
        key.removeAll()
        otherKey.removeAll()
        if wasIndexed { _ = KeyCodec.append(definition, old, rowID: rowID, to: &otherKey) }
        var isInKey = false
        if isIndexed { isInKey = KeyCodec.append(definition, new, rowID: rowID, to: &key) }
        if wasIndexed && isIndexed && Comparison.bytes(key.bytes, otherKey.bytes) == 0 { return }
        if wasIndexed && !Mutation.isActive(.entryNotRemoved) { try deleteEntry(index, otherKey.bytes, transaction) }
        if isIndexed, try insertEntry(index, rowID, isInKey: isInKey, transaction) != nil {
            throw definition.violation(table.definition, new)
        }
    }

    private func deleteEntry(_ index: Int, _ key: UnsafeRawBufferPointer, _ transaction: Transaction)
        throws(EngineError)
    {
        // Who has changed the row owns its entries: whichever version is there is the one to delete.
        let result = try table.indexes[index].versions.delete(key, transaction, expected: .any)
        guard result == .done else {
            let name = String(decoding: table.definition.indexes[index].name, as: UTF8.self)
            throw EngineError(
                .indexCorrupted, "index \"\(name)\" has no entry for a row of its table",
                hint: "Rebuild the index with REINDEX.")
        }
    }

    /// The row as it was before the change just made.
    private func before(_ transaction: Transaction) throws(EngineError) -> UnsafeRawBufferPointer {
        let old = transaction.oldRow
        return old.isSpilled ? try table.rows.versions.readSpilled(old, into: &copy) : old.row
    }

    // MARK: Delete and lock

    package func delete(
        _ rowID: UInt64, _ transaction: Transaction, expected: RowVersion = .none, policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> WriteResult {
        var rowKey = rowID.bigEndian
        let result = try withUnsafeBytes(of: &rowKey) { (rowKey) throws(EngineError) in
            try table.rows.versions.delete(
                rowKey, transaction, keepsRow: !table.indexes.isEmpty, expected: expected, policy)
        }
        if result != .done { return try checked(result, policy) }
        table.rows.changeBalance.wrappingSubtract(1, ordering: .relaxed)
        if table.indexes.isEmpty { return .done }
        try table.codec.borrow(before(transaction), into: oldRow)
        try table.evaluator?.compute(oldRow)
        for index in 0..<table.indexes.count {
            let definition = table.definition.indexes[index]
            if !Self.isIndexed(oldRow, definition) { continue }
            key.removeAll()
            _ = KeyCodec.append(definition, oldRow, rowID: rowID, to: &key)
            try deleteEntry(index, key.bytes, transaction)
        }
        return .done
    }

    /// FOR UPDATE and kin. 55P03 with `.noWait`.
    package func lock(
        _ rowID: UInt64, _ mode: RowLockMode, _ transaction: Transaction, expected: RowVersion = .none,
        policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> WriteResult {
        var rowKey = rowID.bigEndian
        let result = try withUnsafeBytes(of: &rowKey) { (rowKey) throws(EngineError) in
            try table.rows.versions.lockRow(rowKey, transaction, mode, expected: expected, policy)
        }
        return try checked(result, policy)
    }

    private func checked(_ result: WriteResult, _ policy: LockWaitPolicy) throws(EngineError) -> WriteResult {
        if result == .wouldWait && policy == .noWait {
            let name = String(decoding: table.definition.name, as: UTF8.self)
            throw EngineError(.lockNotAvailable, "could not obtain lock on row in relation \"\(name)\"")
        }
        return result
    }

    /// After `.changed`: the newest version, borrowed until the next write, and its name for `expected`.
    package func readFound(_ transaction: Transaction, into row: RowBuffer) throws(EngineError) -> RowVersion {
        let found = transaction.found.seen
        let bytes = found.isSpilled ? try table.rows.versions.readSpilled(found, into: &copy) : found.row
        try table.codec.borrow(bytes, into: row)
        return transaction.found.version
    }
}

/// Column positions.
package struct ColumnSet: Sendable {
    private var words: [UInt64]
    package init(_ columns: [Int]) {
        words = []
        for column in columns {
            while words.count <= column / 64 { words.append(0) }
            words[column / 64] |= 1 << UInt64(column % 64)
        }
    }
    @inline(__always) package func contains(_ column: Int) -> Bool {
        column / 64 < words.count && words[column / 64] >> UInt64(column % 64) & 1 != 0
    }
}

/// Reused memory in which a payload is composed.
struct PayloadBytes: ~Copyable {
    private(set) var base: UnsafeMutableRawPointer
    private var count = 0
    private var capacity: Int
    init() {
        capacity = 512
        base = .allocate(byteCount: capacity, alignment: 16)
    }
    deinit { base.deallocate() }
    var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base, count: count) }
    /// Contents are lost when it grows.
    mutating func resize(_ byteCount: Int) {
        if byteCount > capacity {
            base.deallocate()
            capacity = max(byteCount, capacity * 2)
            base = .allocate(byteCount: capacity, alignment: 16)
        }
        count = byteCount
    }
}
