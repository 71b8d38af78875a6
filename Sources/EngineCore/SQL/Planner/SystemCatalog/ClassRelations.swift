// pg_class and what hangs on it: attributes, defaults, indexes, constraints, sequences, namespaces, descriptions.

import Platform
import SQLTypes

/// Every relation once, whatever its kind.
private func forEachRelation(
    _ session: CatalogSession, _ key: Datum?, _ body: (Relation) throws(EngineError) -> Void
) throws(EngineError) {
    if let key {
        if key.isNull { return }
        if let relation = try session.relation(key.uint32) { try body(relation) }
        return
    }
    for relation in session.catalog.systemRelations.all { try body(.system(relation)) }
    for table in try session.allTables() {
        try body(.table(table))
        for index in table.indexes { try body(.index(table, index)) }
    }
    for view in try session.allViews() { try body(.view(view)) }
    for sequence in try session.allSequences() { try body(.sequence(sequence)) }
}

private func classRow(_ relation: Relation, _ session: CatalogSession) throws(EngineError) -> [Datum] {
    var kind = RelationKind.table
    var owner = WellKnownOID.bootstrapRole
    var method: UInt32 = 0
    var pages: Int32 = 0
    var rows: Float = -1
    var attributes = 0
    var checks = 0
    var hasIndex = false
    var persistence = RelationPersistence.permanent
    var options: [[UInt8]] = []
    var filenode = relation.oid
    switch relation {
    case .table(let table):
        owner = table.owner
        method = WellKnownOID.heapAccessMethod
        attributes = table.columns.count
        hasIndex = !table.indexes.isEmpty
        persistence = table.persistence
        options = table.options
        for constraint in table.constraints where constraint.kind == .check { checks += 1 }
        if let count = session.services?.estimatedRowCount(table) ?? table.statistics?.rowCount {
            rows = table.statistics == nil ? -1 : Float(count)
        }
        if let services = session.services {
            pages = Int32(clamping: try services.pageCount(treeID: table.treeID, rootPage: table.rootPage))
        }
    case .index(let table, let index):
        kind = .index
        owner = table.owner
        method = WellKnownOID.btreeAccessMethod
        attributes = index.keyColumns.count + index.includedColumns.count
        options = index.options
        rows = Float(table.statistics?.rowCount ?? 0)
    case .view(let view):
        kind = .view
        owner = view.owner
        attributes = view.columns.count
        filenode = 0
        rows = 0
    case .sequence(let sequence):
        kind = .sequence
        owner = sequence.owner
        attributes = 3
        pages = 1
        rows = 1
    case .system(let system):
        kind = system.kind
        attributes = system.columns.count
        method = kind == .table ? WellKnownOID.heapAccessMethod : 0
        if kind == .view { filenode = 0 }
    }
    return [
        Datum(relation.oid), Datum(bytes: relation.name), Datum(relation.schema), .zeroOID, .zeroOID, Datum(owner),
        Datum(method), Datum(filenode), .zeroOID, Datum(pages), Datum(rows), Datum(Int32(0)), .zeroOID,
        Datum(hasIndex), .no, Datum(char: persistence.rawValue), Datum(char: kind.rawValue),
        Datum(Int16(attributes)), Datum(Int16(checks)), Datum(kind == .view), .no, .no, .no, .no, .yes,
        char(kind == .table && relation.oid >= WellKnownOID.firstUserObject ? "d" : "n"), .no, .zeroOID, .zeroOID,
        .zeroOID, .null, options.isEmpty ? .null : textArray(options), .null,
    ]
}

/// A row of pg_attribute.
private struct AttributeRow {
    var relation: UInt32
    var name: [UInt8]
    var type: SQLType
    var number: Int16
    var isNotNull = false
    var hasDefault = false
    var isDropped = false
    var identity: UInt8 = 0
    var isGenerated = false
    var dimensions: Int16 = 0

    var datums: [Datum] {
        let info = TypeTable.builtin.info(type.oid)
        return [
            Datum(relation), Datum(bytes: name), Datum(isDropped ? 0 : type.oid.rawValue), Datum(Int32(-1)),
            Datum(info?.length ?? -1), Datum(number), Datum(Int32(dimensions)), Datum(Int32(-1)), Datum(type.typmod),
            Datum(info?.isByValue ?? false), Datum(char: info?.alignment ?? UInt8(ascii: "i")),
            Datum(char: info?.storage ?? UInt8(ascii: "x")), Datum(char: 0), Datum(isNotNull), Datum(hasDefault), .no,
            Datum(char: identity), Datum(char: isGenerated ? UInt8(ascii: "s") : 0), Datum(isDropped), .yes,
            Datum(Int32(0)), Datum(info?.collation ?? 0), .null, .null, .null, .null,
        ]
    }
}

private func attributes(_ relation: Relation, _ sink: any SystemRowSink) throws(EngineError) {
    func add(_ columns: [ColumnDescriptor], _ oid: UInt32) throws(EngineError) {
        for column in columns {
            try sink.add(
                AttributeRow(
                    relation: oid, name: column.name, type: column.type, number: column.number,
                    isNotNull: column.isNotNull, hasDefault: column.defaultText != nil, isDropped: column.isDropped,
                    identity: column.identity.rawValue, isGenerated: column.isGenerated, dimensions: column.dimensions
                ).datums)
        }
    }
    switch relation {
    case .table(let table):
        try add(table.columns, table.oid)
        let system: [(StaticString, TypeOID, Int16)] = [
            ("ctid", .tid, -1), ("xmin", .xid, -2), ("cmin", .cid, -3), ("xmax", .xid, -4), ("cmax", .cid, -5),
            ("tableoid", .oid, -6),
        ]
        for (name, type, number) in system {
            try sink.add(
                AttributeRow(
                    relation: table.oid, name: staticBytes(name), type: SQLType(type), number: number, isNotNull: true
                ).datums)
        }
    case .view(let view): try add(view.columns, view.oid)
    case .index(let table, let index):
        for (place, column) in index.keyColumns.enumerated() {
            let name = column.number > 0 ? table.columns[Int(column.number) - 1].name : staticBytes("expr")
            try sink.add(
                AttributeRow(
                    relation: index.oid, name: name, type: column.type, number: Int16(place + 1)
                ).datums)
        }
    case .sequence(let sequence):
        let columns: [(StaticString, TypeOID)] = [("last_value", .int8), ("log_cnt", .int8), ("is_called", .bool)]
        for (place, column) in columns.enumerated() {
            try sink.add(
                AttributeRow(
                    relation: sequence.oid, name: staticBytes(column.0), type: SQLType(column.1),
                    number: Int16(place + 1), isNotNull: true
                ).datums)
        }
    case .system(let system):
        for (place, column) in system.columns.enumerated() {
            try sink.add(
                AttributeRow(
                    relation: system.oid, name: column.name.array, type: SQLType(column.type), number: Int16(place + 1),
                    isNotNull: column.isNotNull
                ).datums)
        }
    }
}

/// OID of the default btree operator class of a type.
func operatorClass(of type: TypeOID) -> UInt32 {
    for entry in operatorClasses where entry.type == type && entry.isDefault { return entry.oid }
    if type == .varchar { return 3126 }
    return type.isArrayLike ? 10000 : 0
}

private func indexRow(_ table: TableDescriptor, _ index: IndexDescriptor) -> [Datum] {
    let numbers = index.keyColumns.map { $0.number } + index.includedColumns
    var expressions: [UInt8] = []
    for column in index.keyColumns {
        if let sql = column.expressionText { expressions += (expressions.isEmpty ? [] : staticBytes(", ")) + sql }
    }
    return [
        Datum(index.oid), Datum(table.oid), Datum(Int16(numbers.count)), Datum(Int16(index.keyColumns.count)),
        Datum(index.isUnique), Datum(index.nullsNotDistinct), Datum(index.isPrimary), .no, .yes, .no, .yes, .no, .yes,
        .yes, .no, smallintArray(numbers, isVector: true),
        oidVector(index.keyColumns.map { TypeTable.builtin.info($0.type.oid)?.collation ?? 0 }),
        oidVector(index.keyColumns.map { $0.operatorClass != 0 ? $0.operatorClass : operatorClass(of: $0.type.oid) }),
        smallintArray(
            index.keyColumns.map { ($0.isDescending ? 1 : 0) | ($0.isNullsFirst ? 2 : 0) }, isVector: true),
        expressions.isEmpty ? .null : Datum(bytes: expressions), datum(index.predicateText),
    ]
}

private func constraintRow(_ table: TableDescriptor, _ constraint: ConstraintDescriptor) -> [Datum] {
    let blank = char(" ")
    return [
        Datum(constraint.oid), Datum(bytes: constraint.name), Datum(table.schema),
        Datum(char: constraint.kind.rawValue),
        Datum(constraint.isDeferrable), Datum(constraint.isInitiallyDeferred), .yes, Datum(table.oid), .zeroOID,
        Datum(constraint.index), .zeroOID, .zeroOID, blank, blank, blank, .yes, Datum(Int32(0)),
        Datum(constraint.kind != .check), smallintArray(constraint.columns, isVector: false), .null, .null, .null,
        .null,
        .null, .null, datum(constraint.expressionText),
    ]
}

private func tablesFor(_ session: CatalogSession, _ key: Datum?) throws(EngineError) -> [TableDescriptor] {
    guard let key else { return try session.allTables() }
    if key.isNull { return [] }
    if case .table(let table)? = try session.relation(key.uint32) { return [table] }
    return []
}

var classProducers: [SystemProducer.Entry] {
    [
        .init(name: "pg_class", key: 0) { (session, key, sink) throws(EngineError) in
            try forEachRelation(session, key) { (relation) throws(EngineError) in
                try sink.add(classRow(relation, session))
            }
        },
        .init(name: "pg_attribute", key: 0) { (session, key, sink) throws(EngineError) in
            try forEachRelation(session, key) { (relation) throws(EngineError) in try attributes(relation, sink) }
        },
        .init(name: "pg_attrdef", key: 1) { (session, key, sink) throws(EngineError) in
            for table in try tablesFor(session, key) {
                for column in table.columns {
                    guard !column.isDropped, let text = try DefinitionText(session: session).defaultValue(column) else {
                        continue
                    }
                    try sink.add([
                        Datum(table.oid &* 1000 &+ UInt32(column.number)), Datum(table.oid), Datum(column.number),
                        Datum(bytes: text),
                    ])
                }
            }
        },
        .init(name: "pg_index", key: -1) { (session, _, sink) throws(EngineError) in
            for table in try session.allTables() { for index in table.indexes { try sink.add(indexRow(table, index)) } }
        },
        .init(name: "pg_constraint", key: 7) { (session, key, sink) throws(EngineError) in
            for table in try tablesFor(session, key) {
                for constraint in table.constraints { try sink.add(constraintRow(table, constraint)) }
            }
        },
        .init(name: "pg_sequence") { (session, _, sink) throws(EngineError) in
            for item in try session.allSequences() {
                try sink.add([
                    Datum(item.oid), Datum(item.type.rawValue), Datum(item.start), Datum(item.increment),
                    Datum(item.maximum), Datum(item.minimum), Datum(item.cache), Datum(item.isCycling),
                ])
            }
        },
        .init(name: "pg_namespace") { (session, _, sink) throws(EngineError) in
            for schema in try session.schemas() {
                try sink.add([Datum(schema.oid), Datum(bytes: schema.name), Datum(schema.owner), .null])
            }
        },
        .init(name: "pg_description") { (session, _, sink) throws(EngineError) in
            func add(_ oid: UInt32, _ kind: UInt32, _ part: Int32, _ comment: [UInt8]?) throws(EngineError) {
                guard let comment else { return }
                try sink.add([Datum(oid), Datum(kind), Datum(part), Datum(bytes: comment)])
            }
            for table in try session.allTables() {
                try add(table.oid, 1259, 0, table.comment)
                for column in table.columns { try add(table.oid, 1259, Int32(column.number), column.comment) }
                for index in table.indexes { try add(index.oid, 1259, 0, index.comment) }
                for constraint in table.constraints { try add(constraint.oid, 2606, 0, constraint.comment) }
            }
            for view in try session.allViews() { try add(view.oid, 1259, 0, view.comment) }
            for sequence in try session.allSequences() { try add(sequence.oid, 1259, 0, sequence.comment) }
            for schema in try session.schemas() { try add(schema.oid, 2615, 0, schema.comment) }
        },
        .init(name: "pg_depend") { (session, _, sink) throws(EngineError) in
            // Sequences on the columns that own them: what clients ask pg_depend for.
            for item in try session.allSequences() where item.ownerTable != 0 {
                try sink.add([
                    Datum(UInt32(1259)), Datum(item.oid), Datum(Int32(0)), Datum(UInt32(1259)), Datum(item.ownerTable),
                    Datum(Int32(item.ownerColumn)), char(item.isIdentity ? "i" : "a"),
                ])
            }
        },
        .init(name: "pg_rewrite") { (session, _, sink) throws(EngineError) in
            for view in try session.allViews() {
                try sink.add([
                    Datum(view.oid &+ 1_000_000_000), Datum(text: staticBytes("_RETURN")), Datum(view.oid), char("1"),
                    char("O"), .yes, Datum(text: staticBytes("<>")), Datum(bytes: view.queryText),
                ])
            }
        },
    ]
}
