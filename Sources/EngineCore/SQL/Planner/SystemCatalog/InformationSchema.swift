// Rows of the information_schema views that clients read.

import Platform
import SQLTypes

private let yes = Datum(text: staticBytes("YES"))
private let no = Datum(text: staticBytes("NO"))

private struct Names {
    let session: CatalogSession
    var catalog: Datum { Datum(bytes: session.databaseName) }
    func schema(_ oid: ObjectID) throws(EngineError) -> Datum { datum(try session.schema(oid)?.name) }
}

/// What `columns` says of a type beyond its name.
private struct TypeFacts {
    var length: Int32?
    var octets: Int32?
    var precision: Int32?
    var radix: Int32?
    var scale: Int32?
    var timePrecision: Int32?

    init(_ type: SQLType) {
        switch type.oid {
        case .varchar, .bpchar:
            length = type.typmod > 4 ? type.typmod - 4 : nil
            octets = length.map { min($0, 268_435_456) * 4 } ?? 1_073_741_824
        case .text: octets = 1_073_741_824
        case .int2: (precision, radix, scale) = (16, 2, 0)
        case .int4: (precision, radix, scale) = (32, 2, 0)
        case .int8: (precision, radix, scale) = (64, 2, 0)
        case .float4: (precision, radix) = (24, 2)
        case .float8: (precision, radix) = (53, 2)
        case .numeric:
            radix = 10
            if type.typmod >= 4 {
                precision = (type.typmod - 4) >> 16 & 0xFFFF
                scale = (((type.typmod - 4) & 0x7FF) ^ 1024) - 1024
            }
        case .date: timePrecision = 0
        case .time, .timestamp, .timestamptz: timePrecision = type.typmod >= 0 ? type.typmod : 6
        case .interval: timePrecision = 6
        default: break
        }
    }
}

private func number(_ value: Int32?) -> Datum { value.map { Datum($0) } ?? .null }

private func columnRow(
    _ names: Names, _ schema: ObjectID, _ table: [UInt8], _ column: ColumnDescriptor, isUpdatable: Bool
) throws(EngineError) -> [Datum] {
    let facts = TypeFacts(column.type)
    let info = TypeTable.builtin.info(column.type.oid)
    let isArray = info?.isArray ?? false
    let dataType = isArray ? staticBytes("ARRAY") : TypeNames.format(column.type.oid) ?? []
    let isIdentity = column.identity != .none
    return [
        names.catalog, try names.schema(schema), Datum(bytes: table), Datum(bytes: column.name),
        Datum(Int32(column.number)), column.isGenerated || isIdentity ? .null : datum(column.defaultText),
        column.isNotNull ? no : yes,
        Datum(bytes: column.type.oid == .bpchar ? staticBytes("character") : dataType), number(facts.length),
        number(facts.octets), number(facts.precision), number(facts.radix), number(facts.scale),
        number(facts.timePrecision), .null, .null, .null, .null, .null, .null, .null, .null, .null, .null, .null,
        names.catalog, Datum(text: staticBytes("pg_catalog")), datum(info?.name), .null, .null, .null, .null,
        Datum(bytes: decimal(Int(column.number))), no, isIdentity ? yes : no,
        isIdentity ? Datum(text: staticBytes(column.identity == .always ? "ALWAYS" : "BY DEFAULT")) : .null,
        isIdentity ? Datum(text: staticBytes("1")) : .null, isIdentity ? Datum(text: staticBytes("1")) : .null, .null,
        .null, isIdentity ? no : .null,
        column.isGenerated ? Datum(text: staticBytes("ALWAYS")) : Datum(text: staticBytes("NEVER")),
        column.isGenerated ? datum(column.defaultText) : .null, isUpdatable ? yes : no,
    ]
}

private func constraintType(_ kind: ConstraintDescriptor.Kind) -> StaticString {
    switch kind {
    case .check: "CHECK"
    case .primaryKey: "PRIMARY KEY"
    case .unique: "UNIQUE"
    }
}

var informationSchemaProducers: [SystemProducer.Entry] {
    [
        .init(name: "information_schema_catalog_name") { (session, _, sink) throws(EngineError) in
            try sink.add([Datum(bytes: session.databaseName)])
        },
        .init(name: "schemata") { (session, _, sink) throws(EngineError) in
            for schema in try session.schemas() {
                try sink.add([
                    Datum(bytes: session.databaseName), Datum(bytes: schema.name),
                    datum(try session.role(schema.owner)?.name), .null, .null, .null, .null,
                ])
            }
        },
        .init(name: "tables") { (session, _, sink) throws(EngineError) in
            let names = Names(session: session)
            func add(_ schema: ObjectID, _ name: [UInt8], _ kind: StaticString, _ isWritable: Bool) throws(EngineError)
            {
                try sink.add([
                    names.catalog, try names.schema(schema), Datum(bytes: name), Datum(bytes: staticBytes(kind)), .null,
                    .null, .null, .null, .null, isWritable ? yes : no, no, .null,
                ])
            }
            for table in try session.allTables() { try add(table.schema, table.name, "BASE TABLE", true) }
            for view in try session.allViews() { try add(view.schema, view.name, "VIEW", false) }
            for system in session.catalog.systemRelations.all {
                try add(system.schema, system.name.array, system.kind == .table ? "BASE TABLE" : "VIEW", false)
            }
        },
        .init(name: "columns") { (session, _, sink) throws(EngineError) in
            let names = Names(session: session)
            for table in try session.allTables() {
                for column in table.columns where !column.isDropped {
                    try sink.add(columnRow(names, table.schema, table.name, column, isUpdatable: true))
                }
            }
            for view in try session.allViews() {
                for column in view.columns {
                    try sink.add(columnRow(names, view.schema, view.name, column, isUpdatable: false))
                }
            }
            for system in session.catalog.systemRelations.all {
                for (index, column) in system.columns.enumerated() {
                    let descriptor = ColumnDescriptor(
                        name: column.name.array, number: Int16(index + 1), type: SQLType(column.type),
                        isNotNull: column.isNotNull)
                    try sink.add(
                        columnRow(names, system.schema, system.name.array, descriptor, isUpdatable: false))
                }
            }
        },
        .init(name: "views") { (session, _, sink) throws(EngineError) in
            let names = Names(session: session)
            for view in try session.allViews() {
                try sink.add([
                    names.catalog, try names.schema(view.schema), Datum(bytes: view.name), Datum(bytes: view.queryText),
                    Datum(text: staticBytes("NONE")), no, no, no, no, no,
                ])
            }
        },
        .init(name: "table_constraints") { (session, _, sink) throws(EngineError) in
            let names = Names(session: session)
            for table in try session.allTables() {
                let schema = try names.schema(table.schema)
                for constraint in table.constraints {
                    try sink.add([
                        names.catalog, schema, Datum(bytes: constraint.name), names.catalog, schema,
                        Datum(bytes: table.name), Datum(bytes: staticBytes(constraintType(constraint.kind))), no, no,
                        yes,
                        constraint.kind == .unique ? yes : .null,
                    ])
                }
                for column in table.columns where column.isNotNull && !column.isDropped {
                    let name =
                        decimal(Int(table.schema)) + staticBytes("_") + decimal(Int(table.oid)) + staticBytes("_")
                        + decimal(Int(column.number)) + staticBytes("_not_null")
                    try sink.add([
                        names.catalog, schema, Datum(bytes: name), names.catalog, schema, Datum(bytes: table.name),
                        Datum(text: staticBytes("CHECK")), no, no, yes, .null,
                    ])
                }
            }
        },
        .init(name: "key_column_usage") { (session, _, sink) throws(EngineError) in
            let names = Names(session: session)
            for table in try session.allTables() {
                let schema = try names.schema(table.schema)
                for constraint in table.constraints where constraint.kind != .check {
                    for (place, number) in constraint.columns.enumerated() {
                        try sink.add([
                            names.catalog, schema, Datum(bytes: constraint.name), names.catalog, schema,
                            Datum(bytes: table.name), Datum(bytes: table.columns[Int(number) - 1].name),
                            Datum(Int32(place + 1)), .null,
                        ])
                    }
                }
            }
        },
        .init(name: "constraint_column_usage") { (session, _, sink) throws(EngineError) in
            let names = Names(session: session)
            for table in try session.allTables() {
                let schema = try names.schema(table.schema)
                for constraint in table.constraints {
                    for number in constraint.columns {
                        try sink.add([
                            names.catalog, schema, Datum(bytes: table.name),
                            Datum(bytes: table.columns[Int(number) - 1].name), names.catalog, schema,
                            Datum(bytes: constraint.name),
                        ])
                    }
                }
            }
        },
        .init(name: "sequences") { (session, _, sink) throws(EngineError) in
            let names = Names(session: session)
            for item in try session.allSequences() where !item.isIdentity {
                let facts = TypeFacts(SQLType(item.type))
                func text(_ value: Int64) -> Datum { Datum(bytes: decimal(Int(value))) }
                try sink.add([
                    names.catalog, try names.schema(item.schema), Datum(bytes: item.name),
                    datum(TypeNames.format(item.type)), number(facts.precision), number(facts.radix),
                    number(facts.scale), text(item.start), text(item.minimum), text(item.maximum), text(item.increment),
                    item.isCycling ? yes : no,
                ])
            }
        },
    ]
}
