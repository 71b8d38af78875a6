// Plans and bindings that a session makes besides those of whole statements: EXECUTE's arguments, ANALYZE's scan, the
// types of PREPARE, and what ANALYZE stores.

import Platform
import SQLSyntax
import SQLTypes

extension Planner {
    /// Errors: 42704 for an unknown type.
    package func resolve(_ type: TypeName, text: [UInt8]) throws(EngineError) -> SQLType {
        try Binder(StatementContext(session: session, text: text)).types.bind(type)
    }

    /// A plan of one row: constant expressions converted as an assignment to the given types. Errors: 42804 and those of
    /// binding.
    package func planArguments(
        _ arguments: [Expression], types: [SQLType], text: [UInt8]
    ) throws(EngineError) -> PlannedQuery {
        let context = StatementContext(session: session, text: text)
        let binder = Binder(context)
        var values: [BoundExpression] = []
        for (index, argument) in arguments.enumerated() {
            let bound = try binder.bind(argument, Scope(parent: nil))
            values.append(
                try binder.coerceAssignment(
                    bound, to: types[index], column: Array("\(index + 1)".utf8), at: argument.position))
        }
        let output = types.map { OutputColumn([], $0) }
        let root = ResultNode(expressions: values, condition: nil, child: nil, output: output)
        return PlannedQuery(
            kind: .select, root: root, correlationColumns: [], commonTables: [], parameterTypes: [],
            resultColumns: output,
            returnsRows: true, isReadOnly: true, catalogVersion: context.catalogVersion, locks: [])
    }

    /// Reads all live columns of a table, in order.
    package func planScan(of table: TableDescriptor) -> PlannedQuery {
        let live = table.columns.filter { !$0.isDropped }
        let output = live.map { OutputColumn($0.name, $0.type, originTable: table.oid, originColumn: $0.number) }
        let scan = TableScan(
            table: table, alias: table.name, columns: live.map { ScanColumn(number: $0.number, type: $0.type) },
            filter: nil, output: output)
        return PlannedQuery(
            kind: .select, root: scan, correlationColumns: [], commonTables: [], parameterTypes: [],
            resultColumns: output,
            returnsRows: true, isReadOnly: true, catalogVersion: session.version, locks: [])
    }
}

extension CatalogSession {
    /// Replaces what the last ANALYZE of the table has stored.
    package func store(_ statistics: TableStatistics, of table: TableDescriptor) throws(EngineError) {
        let key = CatalogKey.object(database, .statistics, table.oid)
        if try storage.read(key) == nil {
            _ = try storage.insert(key, statistics.encoded())
        } else {
            try storage.update(key, statistics.encoded())
        }
        noteChange()
    }
}

extension ColumnStatistics {
    package init(number: Int16, nullFraction: Double, averageWidth: Int) {
        self.init(number: number, nullFraction: nullFraction, averageWidth: averageWidth, distinctCount: 0)
    }
}
