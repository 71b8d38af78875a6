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

    private let planner: Planner

    /// `planner` says what expressions of indexes mean.
    package init(_ storage: StorageEngine, _ planner: Planner) {
        self.storage = storage
        self.planner = planner
    }

    /// The table as the descriptor says it is. Errors: those of reading the text of a column's missing value.
    package func store(_ descriptor: TableDescriptor) throws(EngineError) -> TableStore {
        if let known = stores[descriptor.oid], known.descriptor === descriptor { return known.store }
        let values = try planner.indexValues(of: descriptor)
        let evaluator = values.isEmpty ? nil : try IndexValues(values, descriptor, self, planner.session.context)
        let made = TableStore(storage, try Self.definition(descriptor), evaluator: evaluator)
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
        // Computed values follow the columns, in the order of `Planner.indexValues`.
        var next = columns.count
        for index in table.indexes { indexes.append(definition(index, table, &next)) }
        return TableDefinition(
            id: table.oid, schemaName: Array("public".utf8), name: table.name, columns: columns,
            treeID: TreeID(table.treeID), root: PageID(table.rootPage), indexes: indexes)
    }

    private static func definition(_ index: IndexDescriptor, _ table: TableDescriptor, _ next: inout Int) -> StoredIndex
    {
        var columns: [StoredIndexColumn] = []
        var names: [[UInt8]] = []
        for key in index.keyColumns {
            var position = Int(key.number) - 1
            if let text = key.expressionText {
                position = next
                next += 1
                names.append(text)
            } else {
                names.append(table.columns[position].name)
            }
            columns.append(
                StoredIndexColumn(
                    position: position, type: key.type, isDescending: key.isDescending, isNullsFirst: key.isNullsFirst))
        }
        var predicate: Int?
        if index.predicateText != nil {
            predicate = next
            next += 1
        }
        return StoredIndex(
            id: index.oid, name: index.name, treeID: TreeID(index.treeID), root: PageID(index.rootPage),
            columns: columns, isUnique: index.isUnique, nullsNotDistinct: index.nullsNotDistinct,
            predicatePosition: predicate, columnNames: names)
    }
}

/// The values that expression and partial indexes need of a row, computed with the executor's expressions.
final class IndexValues: IndexEvaluator {
    let count: Int
    private let columnCount: Int
    private let expressions: [Evaluator]
    private let input: Chunk
    /// Columns that some expression reads.
    private let read: [Int]

    init(
        _ values: [BoundExpression], _ table: TableDescriptor, _ tables: TableAccess, _ evaluation: EvaluationContext
    ) throws(EngineError) {
        count = values.count
        columnCount = table.columns.count
        expressions = try Compiler(Instance(tables, evaluation, capacity: 1)).compile(values)
        input = Chunk(
            columns: table.columns.map { Vector($0.type, capacity: 1) }, selection: Selection(count: 1))
        var read: [Int] = []
        func note(_ expression: BoundExpression) {
            if case .slot(let slot, _) = expression, !read.contains(slot) { read.append(slot) }
            for operand in expression.operands { note(operand) }
        }
        for value in values { note(value) }
        self.read = read
    }

    func compute(_ row: RowBuffer) throws(EngineError) {
        for column in read {
            let vector = input.columns[column]
            vector.reset()
            if row.isNull(column) { vector.setNull(0) } else { vector.setCell(0, row.cells[column]) }
        }
        row.beginComputed()
        for (index, expression) in expressions.enumerated() {
            let value = try expression.evaluate(input, input.selection)
            if value.isNull(0) {
                row.setNull(columnCount + index)
            } else {
                try row.setComputed(columnCount + index, value.cell(0), value.physical)
            }
        }
    }
}
