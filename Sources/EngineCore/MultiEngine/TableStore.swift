// A table with its indexes. Immutable after it was made and shared by all sessions; what a statement needs of scratch memory
// is in the TableWriter, TableCursor or IndexCursor that it keeps with its plan.
//
// Locking and MVCC: the row's entry in the table's tree decides. Who changes a row changes that entry first and then the
// index entries, which nobody else can want to change meanwhile. Inserts go the other way round, so that a unique violation
// is found before the row exists. All entries carry versions, so an index alone answers what it covers.

import BTree
import MVCC
import Platform
import SQLTypes
import Synchronization

package final class TableStore: @unchecked Sendable {
    package let engine: StorageEngine
    package let definition: TableDefinition
    package let codec: RowCodec
    package let rows: OpenTree
    package let indexes: [OpenTree]
    /// Nil if there are no expression or partial indexes.
    package let evaluator: (any IndexEvaluator)?

    package init(_ engine: StorageEngine, _ definition: TableDefinition, evaluator: (any IndexEvaluator)? = nil) {
        self.engine = engine
        self.definition = definition
        self.evaluator = evaluator
        codec = RowCodec(definition.columns)
        rows = engine.tree(definition.treeID, root: definition.root, isTable: true)
        indexes = definition.indexes.map { engine.tree($0.treeID, root: $0.root, isTable: false) }
    }

    /// Cells in a row buffer for this table: the columns and what the evaluator computes.
    package var rowCount: Int { definition.columns.count + (evaluator?.count ?? 0) }
    package func makeRow() -> RowBuffer { RowBuffer(count: rowCount) }

    /// Position of an index by its OID.
    package func position(ofIndex id: UInt32) -> Int? { definition.indexes.firstIndex { $0.id == id } }

    /// A rowid that no row of the table has or had.
    func newRowID() throws(EngineError) -> UInt64 {
        if rows.nextRowID.load(ordering: .relaxed) == 0 { try findNextRowID() }
        return rows.nextRowID.wrappingAdd(1, ordering: .relaxed).oldValue
    }

    /// As `newRowID`: the first of `count` that follow each other.
    func newRowIDs(_ count: Int) throws(EngineError) -> UInt64 {
        if rows.nextRowID.load(ordering: .relaxed) == 0 { try findNextRowID() }
        return rows.nextRowID.wrappingAdd(UInt64(count), ordering: .relaxed).oldValue
    }

    /// The greatest key tells: rowids are given out in order. A row that was deleted and purged at the very end leaves its
    /// rowid to be used again after a restart, when nobody remembers it.
    func findNextRowID() throws(EngineError) {
        var cursor = Cursor(rows.versions.tree)
        try cursor.seekLast()
        var next: UInt64 = 1
        if try cursor.previous(), !Mutation.isActive(.rowIDsStartOver) {
            next = cursor.key.baseAddress.unsafelyUnwrapped.big(0, as: UInt64.self) + 1
        }
        _ = rows.nextRowID.compareExchange(expected: 0, desired: next, ordering: .relaxed)
    }

    // MARK: Reading one row

    /// The row with this rowid that `view` sees, not decoded; false if there is none. `copy.row` is for `codec`.
    @inline(__always)
    package func read(_ rowID: UInt64, _ view: ReadView, into copy: inout RowCopy) throws(EngineError) -> Bool {
        var key = rowID.bigEndian
        return try withUnsafeBytes(of: &key) { (key) throws(EngineError) in
            try rows.versions.read(key, view, into: &copy)
        }
    }

    /// The rowid behind one key of a unique index (`IndexBounds.isPoint`), as `view` sees it.
    @inline(__always)
    package func lookup(
        _ index: Int, _ key: UnsafeRawBufferPointer, _ view: ReadView, into copy: inout RowCopy
    ) throws(EngineError) -> UInt64? {
        try checkUsable(index, view)
        guard try indexes[index].versions.read(key, view, into: &copy) else { return nil }
        return copy.row.baseAddress.unsafelyUnwrapped.big(0, as: UInt64.self)
    }

    /// 40001 if the index was built after the view's snapshot was taken.
    @inline(__always)
    func checkUsable(_ index: Int, _ view: ReadView) throws(EngineError) {
        if indexes[index].versions.isUsable(view) { return }
        throw EngineError(
            .serializationFailure, "could not serialize access due to concurrent index creation",
            hint: "The transaction might succeed if retried.")
    }

    // MARK: Locks and serializable reads

    /// Notes for SERIALIZABLE that the result depends on this row, on this key, or on this range.
    package func noteRead(_ transaction: Transaction, rowID: UInt64) {
        if transaction.isolation != .serializable { return }
        var key = rowID.bigEndian
        withUnsafeBytes(of: &key) { transaction.noteRead(rows.versions, key: $0) }
    }

    // MARK: Numbers for the planner

    /// Pages that the table's tree has.
    package var pageCount: Int { engine.allocator.pageCount(of: rows.versions.id) }
}

extension StoredIndex {
    /// 23505 for a row that has this index's key of `row`.
    func violation(_ table: TableDefinition, _ row: RowBuffer) -> EngineError {
        var text = ByteBuffer()
        text.append("Key (")
        for (position, name) in columnNames.enumerated() {
            if position > 0 { text.append(", ") }
            text.append(name)
        }
        text.append(")=(")
        let context = EvaluationContext()
        for (position, column) in columns.enumerated() {
            if position > 0 { text.append(", ") }
            if row.nulls[column.position] {
                text.append("null")
            } else {
                do throws(EngineError) {
                    try TypeIO.output(row.cells[column.position], column.type.oid, into: &text, context)
                } catch {
                    text.append("?")
                }
            }
        }
        text.append(") already exists.")
        return EngineError(
            .uniqueViolation,
            "duplicate key value violates unique constraint \"\(String(decoding: name, as: UTF8.self))\"",
            detail: String(decoding: text.bytes, as: UTF8.self),
            schema: String(decoding: table.schemaName, as: UTF8.self),
            table: String(decoding: table.name, as: UTF8.self), constraint: String(decoding: name, as: UTF8.self))
    }
}
