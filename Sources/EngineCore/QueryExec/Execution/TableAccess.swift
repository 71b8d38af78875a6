// From catalog descriptors to tables in storage: one TableStore per version of a table's descriptor.

import BTree
import MultiEngine
import Platform
import SQL
import SQLTypes

/// One per session, as descriptors are; what sessions share is in the trees below.
package final class TableAccess: @unchecked Sendable {
    package let storage: StorageEngine
    /// By the table's OID: the descriptor last asked for and its store.
    private var stores: [ObjectID: (descriptor: TableDescriptor, store: TableStore)] = [:]

    package init(_ storage: StorageEngine) { self.storage = storage }

    /// The table as the descriptor says it is. Errors: those of reading the text of a column's missing value.
    package func store(_ descriptor: TableDescriptor) throws(EngineError) -> TableStore {
        if let known = stores[descriptor.oid], known.descriptor === descriptor { return known.store }
        let made = TableStore(storage, try Self.definition(descriptor))
        stores[descriptor.oid] = (descriptor, made)
        return made
    }

    private static func definition(_ table: TableDescriptor) throws(EngineError) -> TableDefinition {
        let context = EvaluationContext()
        var columns: [StoredColumn] = []
        for column in table.columns {
            var missing = Datum.null
            if let text = column.missingValue {
                missing = try text.withBytes { (raw) throws(EngineError) -> Datum in
                    try TypeIO.input(raw, column.type, context)
                }
            }
            columns.append(
                StoredColumn(name: column.name, type: column.type, isDropped: column.isDropped, missing: missing))
        }
        var indexes: [StoredIndex] = []
        for index in table.indexes { indexes.append(try definition(index, table)) }
        return TableDefinition(
            id: table.oid, schemaName: Array("public".utf8), name: table.name, columns: columns,
            treeID: TreeID(table.treeID), root: PageID(table.rootPage), indexes: indexes)
    }

    private static func definition(_ index: IndexDescriptor, _ table: TableDescriptor) throws(EngineError)
        -> StoredIndex
    {
        guard index.isPlain else { throw .notSupported("an index on an expression or with a predicate") }
        return StoredIndex(
            id: index.oid, name: index.name, treeID: TreeID(index.treeID), root: PageID(index.rootPage),
            columns: index.keyColumns.map {
                StoredIndexColumn(
                    position: Int($0.number) - 1, type: $0.type, isDescending: $0.isDescending,
                    isNullsFirst: $0.isNullsFirst)
            }, isUnique: index.isUnique, nullsNotDistinct: index.nullsNotDistinct,
            columnNames: index.keyColumns.map { table.columns[Int($0.number) - 1].name })
    }
}
