// The readable views of pg_catalog: pg_tables, pg_views, pg_indexes, pg_sequences, pg_stat_user_tables.

import Platform
import SQLTypes

private func schemaName(_ oid: ObjectID, _ session: CatalogSession) throws(EngineError) -> Datum {
    datum(try session.schema(oid)?.name)
}
private func roleName(_ oid: ObjectID, _ session: CatalogSession) throws(EngineError) -> Datum {
    datum(try session.role(oid)?.name)
}

private let tableStatistics: SystemRows = { (session, _, sink) throws(EngineError) in
    for table in try session.allTables() {
        var row = [Datum(table.oid), try schemaName(table.schema, session), Datum(bytes: table.name)]
        // seq_scan … n_tup_hot_upd
        for _ in 0..<8 { row.append(Datum(Int64(0))) }
        let live = Int64(session.services?.estimatedRowCount(table) ?? table.statistics?.rowCount ?? 0)
        row.append(Datum(live))
        for _ in 0..<3 { row.append(Datum(Int64(0))) }
        for _ in 0..<4 { row.append(.null) }
        for _ in 0..<4 { row.append(Datum(Int64(0))) }
        try sink.add(row)
    }
}

private let indexStatistics: SystemRows = { (session, _, sink) throws(EngineError) in
    for table in try session.allTables() {
        for index in table.indexes {
            try sink.add([
                Datum(table.oid), Datum(index.oid), try schemaName(table.schema, session), Datum(bytes: table.name),
                Datum(bytes: index.name), Datum(Int64(0)), Datum(Int64(0)), Datum(Int64(0)),
            ])
        }
    }
}

var viewProducers: [SystemProducer.Entry] {
    [
        .init(name: "pg_tables") { (session, _, sink) throws(EngineError) in
            for table in try session.allTables() {
                try sink.add([
                    try schemaName(table.schema, session), Datum(bytes: table.name), try roleName(table.owner, session),
                    .null, Datum(!table.indexes.isEmpty), .no, .no, .no,
                ])
            }
            for relation in session.catalog.systemRelations.all where relation.kind == .table {
                try sink.add([
                    try schemaName(relation.schema, session), Datum(bytes: relation.name.array),
                    try roleName(WellKnownOID.bootstrapRole, session), .null, .no, .no, .no, .no,
                ])
            }
        },
        .init(name: "pg_views") { (session, _, sink) throws(EngineError) in
            for view in try session.allViews() {
                try sink.add([
                    try schemaName(view.schema, session), Datum(bytes: view.name), try roleName(view.owner, session),
                    Datum(bytes: view.queryText),
                ])
            }
        },
        .init(name: "pg_indexes") { (session, _, sink) throws(EngineError) in
            for table in try session.allTables() {
                for index in table.indexes {
                    try sink.add([
                        try schemaName(table.schema, session), Datum(bytes: table.name), Datum(bytes: index.name),
                        .null,
                        Datum(bytes: try DefinitionText(session: session).index(index, table)),
                    ])
                }
            }
        },
        .init(name: "pg_sequences") { (session, _, sink) throws(EngineError) in
            for item in try session.allSequences() {
                let state = try session.services?.sequenceState(item)
                try sink.add([
                    try schemaName(item.schema, session), Datum(bytes: item.name), try roleName(item.owner, session),
                    Datum(item.type.rawValue), Datum(item.start), Datum(item.minimum), Datum(item.maximum),
                    Datum(item.increment), Datum(item.isCycling), Datum(item.cache),
                    state.map { $0.isCalled ? Datum($0.last) : .null } ?? .null,
                ])
            }
        },
        .init(name: "pg_stat_user_tables", rows: tableStatistics),
        .init(name: "pg_stat_all_tables", rows: tableStatistics),
        .init(name: "pg_stat_user_indexes", rows: indexStatistics),
        .init(name: "pg_stat_all_indexes", rows: indexStatistics),
    ]
}
