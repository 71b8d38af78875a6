// Definitions shown as SQL: pg_get_indexdef, pg_get_constraintdef, pg_get_expr and kin.

import Platform
import SQLSyntax
import SQLTypes

/// Writes definitions from descriptors.
struct DefinitionText {
    let session: CatalogSession

    func tableName(_ table: TableDescriptor) throws(EngineError) -> [UInt8] {
        let schema = try session.schema(table.schema)?.name ?? []
        return QuotedNames.qualified(schema, table.name)
    }

    /// One key column: name or expression, with what is not the default of its order.
    func key(_ column: IndexColumn, _ table: TableDescriptor, withOrder: Bool) -> [UInt8] {
        var out: [UInt8]
        if column.number > 0 {
            out = QuotedNames.identifier(table.columns[Int(column.number) - 1].name)
        } else {
            let sql = column.expressionText ?? []
            // A call stands alone, anything else in parentheses.
            out =
                sql.last == UInt8(ascii: ")") && sql.first != UInt8(ascii: "(") && isCall(sql)
                ? sql : [UInt8(ascii: "(")] + sql + [UInt8(ascii: ")")]
        }
        if withOrder {
            if column.isDescending { out += staticBytes(" DESC") }
            if column.isNullsFirst != column.isDescending {
                out += staticBytes(column.isNullsFirst ? " NULLS FIRST" : " NULLS LAST")
            }
        }
        return out
    }
    private func isCall(_ sql: [UInt8]) -> Bool {
        for byte in sql {
            if byte == UInt8(ascii: "(") { return true }
            let isName =
                (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7A || byte == 0x5F || byte == UInt8(ascii: ".")
                || byte >= 0x30 && byte <= 0x39
            if !isName { return false }
        }
        return false
    }

    /// A column's default; the sequence of a serial column by the name it has now.
    func defaultValue(_ column: ColumnDescriptor) throws(EngineError) -> [UInt8]? {
        guard let sql = column.defaultText else { return nil }
        if column.ownedSequence != 0, sql.starts(with: staticBytes("nextval(")),
            let name = try session.name(of: column.ownedSequence, kind: .regclass)
        {
            return staticBytes("nextval(") + QuotedNames.literal(name) + staticBytes("::regclass)")
        }
        return sql
    }

    /// `isPretty`: without the parentheses that only a parser needs.
    func index(_ index: IndexDescriptor, _ table: TableDescriptor, isPretty: Bool = false) throws(EngineError)
        -> [UInt8]
    {
        var out = staticBytes(index.isUnique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ")
        out += QuotedNames.identifier(index.name) + staticBytes(" ON ") + (try tableName(table))
        out += staticBytes(" USING btree (")
        for (place, column) in index.keyColumns.enumerated() {
            if place > 0 { out += staticBytes(", ") }
            out += key(column, table, withOrder: true)
        }
        out.append(UInt8(ascii: ")"))
        out += included(index, table)
        if index.nullsNotDistinct { out += staticBytes(" NULLS NOT DISTINCT") }
        if !index.options.isEmpty { out += staticBytes(" WITH (") + options(index.options) + staticBytes(")") }
        if let predicate = index.predicateText {
            out += staticBytes(" WHERE ") + (isPretty ? predicate : parenthesised(predicate))
        }
        return out
    }
    private func parenthesised(_ sql: [UInt8]) -> [UInt8] {
        [UInt8(ascii: "(")] + sql + [UInt8(ascii: ")")]
    }
    private func options(_ list: [[UInt8]]) -> [UInt8] {
        var out: [UInt8] = []
        for (place, option) in list.enumerated() {
            if place > 0 { out += staticBytes(", ") }
            let parts = option.split(separator: UInt8(ascii: "="), maxSplits: 1)
            out += parts[0] + staticBytes("='") + (parts.count > 1 ? Array(parts[1]) : []) + staticBytes("'")
        }
        return out
    }
    private func included(_ index: IndexDescriptor, _ table: TableDescriptor) -> [UInt8] {
        if index.includedColumns.isEmpty { return [] }
        var out = staticBytes(" INCLUDE (")
        for (place, number) in index.includedColumns.enumerated() {
            if place > 0 { out += staticBytes(", ") }
            out += QuotedNames.identifier(table.columns[Int(number) - 1].name)
        }
        return out + staticBytes(")")
    }

    /// `isPretty`: without the parentheses that only a parser needs.
    func constraint(_ constraint: ConstraintDescriptor, _ table: TableDescriptor, isPretty: Bool) -> [UInt8] {
        switch constraint.kind {
        case .check:
            let sql = constraint.expressionText ?? []
            return staticBytes("CHECK (") + (isPretty ? sql : parenthesised(sql)) + staticBytes(")")
        case .primaryKey, .unique:
            let index = table.index(constraint.index)
            var out = staticBytes(constraint.kind == .primaryKey ? "PRIMARY KEY (" : "UNIQUE (")
            if index?.nullsNotDistinct == true { out = staticBytes("UNIQUE NULLS NOT DISTINCT (") }
            for (place, number) in constraint.columns.enumerated() {
                if place > 0 { out += staticBytes(", ") }
                out += QuotedNames.identifier(table.columns[Int(number) - 1].name)
            }
            out += staticBytes(")")
            if let index { out += included(index, table) }
            return out
        }
    }
}

func declareDefinitionFunctions(_ set: CatalogFunctionSet) {
    let expression: CatalogBody = { (call) throws(EngineError) in call.arguments[0] }
    set.add(1716, "pg_get_expr", [.pgNodeTree, .oid], .text, "A stored expression as SQL", expression)
    set.add(2509, "pg_get_expr", [.pgNodeTree, .oid, .bool], .text, "A stored expression as SQL", expression)
    let index: CatalogBody = { (call) throws(EngineError) in
        guard case .index(let table, let index)? = try call.session.relation(call.oid(0)) else { return .null }
        let writer = DefinitionText(session: call.session)
        if call.arguments.count == 3, call.int32(1) > 0 {
            let place = Int(call.int32(1)) - 1
            if place < index.keyColumns.count {
                return Datum(bytes: writer.key(index.keyColumns[place], table, withOrder: false))
            }
            let rest = place - index.keyColumns.count
            if rest < index.includedColumns.count {
                return Datum(
                    bytes: QuotedNames.identifier(table.columns[Int(index.includedColumns[rest]) - 1].name))
            }
            return Datum(bytes: [])
        }
        let isPretty = call.arguments.count == 3 && call.bool(2)
        return Datum(bytes: try writer.index(index, table, isPretty: isPretty))
    }
    set.add(1643, "pg_get_indexdef", [.oid], .text, "CREATE INDEX statement of an index", index)
    set.add(2507, "pg_get_indexdef", [.oid, .int4, .bool], .text, "Definition of an index or its column", index)
    let constraint: CatalogBody = { (call) throws(EngineError) in
        for table in try call.session.allTables() {
            for constraint in table.constraints where constraint.oid == call.oid(0) {
                let isPretty = call.arguments.count > 1 && call.bool(1)
                return Datum(
                    bytes: DefinitionText(session: call.session).constraint(constraint, table, isPretty: isPretty))
            }
        }
        return .null
    }
    set.add(1387, "pg_get_constraintdef", [.oid], .text, "Definition of a constraint", constraint)
    set.add(2508, "pg_get_constraintdef", [.oid, .bool], .text, "Definition of a constraint", constraint)
    let view: CatalogBody = { (call) throws(EngineError) in
        guard case .view(let view)? = try call.session.relation(call.oid(0)) else { return .null }
        return Datum(bytes: [0x20] + view.queryText + staticBytes(";"))
    }
    set.add(1641, "pg_get_viewdef", [.oid], .text, "Query of a view", view)
    set.add(2506, "pg_get_viewdef", [.oid, .bool], .text, "Query of a view", view)
    set.add(3159, "pg_get_viewdef", [.oid, .int4], .text, "Query of a view", view)
    set.add(2162, "pg_get_function_arguments", [.oid], .text, "Arguments of a function") { (call) throws(EngineError) in
        arguments(call)
    }
    set.add(2232, "pg_get_function_identity_arguments", [.oid], .text, "Arguments of a function") {
        (call) throws(EngineError) in arguments(call)
    }
    set.add(2165, "pg_get_function_result", [.oid], .text, "Result of a function") { (call) throws(EngineError) in
        guard let entry = call.session.catalog.functions.function(oid: call.oid(0)) else { return .null }
        let name = TypeNames.format(entry.result) ?? []
        return Datum(bytes: entry.returnsSet ? staticBytes("SETOF ") + name : name)
    }
    set.add(1665, "pg_get_serial_sequence", [.text, .text], .text, "Sequence that a column owns") {
        (call) throws(EngineError) in
        guard
            case .table(let table)? = try call.session.lookup(QualifiedName(try QualifiedNameText.parse(call.bytes(0))))
        else { throw EngineError(.undefinedTable, "relation \"\(text(call.bytes(0)))\" does not exist") }
        guard let column = table.column(named: call.bytes(1)) else {
            throw EngineError(
                .undefinedColumn,
                "column \"\(text(call.bytes(1)))\" of relation \"\(text(table.name))\" does not exist")
        }
        guard column.ownedSequence != 0,
            case .sequence(let sequence)? = try call.session.relation(column.ownedSequence),
            let schema = try call.session.schema(sequence.schema)
        else { return .null }
        return Datum(bytes: QuotedNames.qualified(schema.name, sequence.name))
    }
    set.add(6120, "pg_get_replica_identity_index", [.regclass], .regclass, "Index of the replica identity") {
        (call) throws(EngineError) in
        guard case .table(let table)? = try call.session.relation(call.oid(0)), let key = table.primaryKey else {
            return .null
        }
        return Datum(key.oid)
    }
}

private func arguments(_ call: CatalogCall) -> Datum {
    guard let entry = call.session.catalog.functions.function(oid: call.oid(0)) else { return .null }
    var out: [UInt8] = []
    for (index, type) in entry.arguments.enumerated() {
        if index > 0 { out += staticBytes(", ") }
        if entry.isVariadic, index == entry.arguments.count - 1 { out += staticBytes("VARIADIC ") }
        out += TypeNames.format(type) ?? []
    }
    return Datum(bytes: out)
}

// MARK: - Sequences

func declareSequenceFunctions(_ set: CatalogFunctionSet) {
    @Sendable func sequence(_ call: CatalogCall) throws(EngineError) -> SequenceDescriptor {
        guard let relation = try call.session.relation(call.oid(0)) else {
            throw EngineError(.undefinedTable, "could not open relation with OID \(call.oid(0))")
        }
        guard case .sequence(let sequence) = relation else {
            throw EngineError(.wrongObjectType, "\"\(text(relation.name))\" is not a sequence")
        }
        return sequence
    }
    set.add(1574, "nextval", [.regclass], .int8, "Advances a sequence", volatility: .volatile) {
        (call) throws(EngineError) in Datum(try call.services.nextValue(of: sequence(call)))
    }
    set.add(1575, "currval", [.regclass], .int8, "Last value this session got", volatility: .volatile) {
        (call) throws(EngineError) in
        let target = try sequence(call)
        if let value = try call.services.currentValue(of: target) { return Datum(value) }
        throw EngineError("55000", "currval of sequence \"\(text(target.name))\" is not yet defined in this session")
    }
    set.add(2559, "lastval", [], .int8, "Value of the session's last nextval", volatility: .volatile) {
        (call) throws(EngineError) in
        if let last = try call.services.lastValue() { return Datum(last.value) }
        throw EngineError("55000", "lastval is not yet defined in this session")
    }
    let assign: CatalogBody = { (call) throws(EngineError) in
        let target = try sequence(call)
        let value = call.int64(1)
        if value < target.minimum || value > target.maximum {
            throw EngineError(
                .numericValueOutOfRange,
                "setval: value \(value) is out of bounds for sequence \"\(text(target.name))\" (\(target.minimum)..\(target.maximum))"
            )
        }
        try call.services.setValue(of: target, to: value, isCalled: call.arguments.count < 3 || call.bool(2))
        return Datum(value)
    }
    set.add(1576, "setval", [.regclass, .int8], .int8, "Sets a sequence", volatility: .volatile, assign)
    set.add(1765, "setval", [.regclass, .int8, .bool], .int8, "Sets a sequence", volatility: .volatile, assign)
    set.add(4032, "pg_sequence_last_value", [.regclass], .int8, "Last value given out", volatility: .volatile) {
        (call) throws(EngineError) in
        let state = try call.services.sequenceState(sequence(call))
        return state.isCalled ? Datum(state.last) : .null
    }
    set.add(
        90_001, "dbk_sequence_last_value", [.regclass], .int8, "last_value of a sequence read as a table",
        volatility: .volatile
    ) { (call) throws(EngineError) in Datum(try call.services.sequenceState(sequence(call)).last) }
    set.add(
        90_002, "dbk_sequence_log_count", [.regclass], .int8, "log_cnt of a sequence read as a table",
        volatility: .volatile
    ) { _ in Datum(Int64(0)) }
    set.add(
        90_003, "dbk_sequence_is_called", [.regclass], .bool, "is_called of a sequence read as a table",
        volatility: .volatile
    ) { (call) throws(EngineError) in Datum(try call.services.sequenceState(sequence(call)).isCalled) }
}

// MARK: - Sizes

func declareSizeFunctions(_ set: CatalogFunctionSet) {
    @Sendable func size(_ call: CatalogCall, table includesTable: Bool, indexes: Bool) throws(EngineError) -> Datum {
        guard let relation = try call.session.relation(call.oid(0)) else { return .null }
        var pages: Int64 = 0
        switch relation {
        case .table(let table):
            if includesTable { pages += try call.services.pageCount(treeID: table.treeID, rootPage: table.rootPage) }
            if indexes {
                for index in table.indexes {
                    pages += try call.services.pageCount(treeID: index.treeID, rootPage: index.rootPage)
                }
            }
        case .index(_, let index):
            pages += try call.services.pageCount(treeID: index.treeID, rootPage: index.rootPage)
        default: break
        }
        return Datum(pages * Int64(pageSize))
    }
    set.add(2325, "pg_relation_size", [.regclass], .int8, "Bytes of a relation", volatility: .volatile) {
        (call) throws(EngineError) in try size(call, table: true, indexes: false)
    }
    set.add(2332, "pg_relation_size", [.regclass, .text], .int8, "Bytes of a relation", volatility: .volatile) {
        (call) throws(EngineError) in
        bytesEqual(call.bytes(1), "main") ? try size(call, table: true, indexes: false) : Datum(Int64(0))
    }
    set.add(2997, "pg_table_size", [.regclass], .int8, "Bytes of a table", volatility: .volatile) {
        (call) throws(EngineError) in try size(call, table: true, indexes: false)
    }
    set.add(2998, "pg_indexes_size", [.regclass], .int8, "Bytes of a table's indexes", volatility: .volatile) {
        (call) throws(EngineError) in try size(call, table: false, indexes: true)
    }
    set.add(2286, "pg_total_relation_size", [.regclass], .int8, "Bytes with indexes", volatility: .volatile) {
        (call) throws(EngineError) in try size(call, table: true, indexes: true)
    }
    let database: CatalogBody = { (call) throws(EngineError) in
        var pages: Int64 = 0
        for table in try call.session.allTables() {
            pages += try call.services.pageCount(treeID: table.treeID, rootPage: table.rootPage)
            for index in table.indexes {
                pages += try call.services.pageCount(treeID: index.treeID, rootPage: index.rootPage)
            }
        }
        return Datum(pages * Int64(pageSize))
    }
    set.add(2324, "pg_database_size", [.oid], .int8, "Bytes of a database", volatility: .volatile, database)
    set.add(2168, "pg_database_size", [.name], .int8, "Bytes of a database", volatility: .volatile, database)
    set.add(2322, "pg_tablespace_size", [.oid], .int8, "Bytes of a tablespace", volatility: .volatile, database)
    set.add(2288, "pg_size_pretty", [.int8], .text, "Bytes in words", volatility: .immutable) {
        (call) throws(EngineError) in
        let units: [StaticString] = [" bytes", " kB", " MB", " GB", " TB", " PB"]
        var value = call.int64(0)
        var unit = 0
        // Rounds to the nearest at each step, keeping one extra bit, as PostgreSQL does.
        while value.magnitude >= 10 * 1024 && unit < 5 {
            value = (value / 512 + (value < 0 ? -1 : 1)) / 2
            unit += 1
        }
        return Datum(bytes: decimal(Int(value)) + staticBytes(units[unit]))
    }
}

// MARK: - Kinds of objects that there are none of

func declareEmptyFunctions(_ set: CatalogFunctionSet) {
    let nothing: [(UInt32, StaticBytes, [TypeOID])] = [
        (6197, "pg_get_function_sqlbody", [.oid]), (2098, "pg_get_functiondef", [.oid]),
        (1662, "pg_get_triggerdef", [.oid]), (2730, "pg_get_triggerdef", [.oid, .bool]),
        (3352, "pg_get_partkeydef", [.oid]), (3408, "pg_get_partition_constraintdef", [.oid]),
        (1573, "pg_get_ruledef", [.oid]), (2504, "pg_get_ruledef", [.oid, .bool]),
        (6174, "pg_get_statisticsobjdef_columns", [.oid]), (3415, "pg_get_statisticsobjdef", [.oid]),
        (3778, "pg_tablespace_location", [.oid]),
    ]
    for (oid, name, arguments) in nothing {
        set.add(oid, name, arguments, .text, "Definition of an object") { _ in .null }
    }
    set.add(6121, "pg_relation_is_publishable", [.regclass], .bool, "Whether changes can be published") {
        (call) throws(EngineError) in
        if case .table? = try call.session.relation(call.oid(0)) { return Datum(true) }
        return Datum(false)
    }
    set.add(3842, "pg_relation_is_updatable", [.regclass, .bool], .int4, "Events that a relation supports") {
        (call) throws(EngineError) in
        if case .table? = try call.session.relation(call.oid(0)) { return Datum(Int32(28)) }
        return Datum(Int32(0))
    }
    set.add(3943, "acldefault", [.char, .oid], .aclitemArray, "Default privileges") { _ in .null }
    set.add(1928, "pg_stat_get_numscans", [.oid], .int8, "Scans of a relation") { _ in Datum(Int64(0)) }
    set.add(3034, "pg_relation_filepath", [.regclass], .text, "Where a relation lies") { _ in .null }
    set.add(2999, "pg_relation_filenode", [.regclass], .oid, "Storage number") { (call) throws(EngineError) in
        call.arguments[0]
    }
}
