// Functions in FROM: generate_series(1, 10) g, ROWS FROM (…), WITH ORDINALITY, column definition lists.

import Platform
import SQLSyntax
import SQLTypes

/// A named column of a function's record result.
struct RecordColumn {
    var name: [UInt8]
    var type: SQLType
}

extension Binder {
    @inline(never) func bindTableFunction(_ reference: FunctionReference, _ scope: Scope)
        throws(EngineError) -> BoundFrom
    {
        let clause = scope.clause
        scope.clause = .fromFunction
        defer { scope.clause = clause }
        var reference = reference
        reference.items = reference.items.flatMap { parallelUnnest($0) }
        var calls: [BoundExpression] = []
        for item in reference.items { calls.append(try bind(item.call, scope)) }
        let alias = reference.alias?.name ?? functionName(reference.items[0].call)
        var item = ScopeItem(alias: alias, columns: [])
        let plan: Logical
        if calls.count == 1, !isSetReturning(calls[0]) {
            plan = try singleRow(calls[0], reference, alias, &item)
        } else {
            plan = try functionNode(calls, reference, alias, &item)
        }
        if let names = reference.alias {
            try applyColumnAliases(names, &item)
        }
        return BoundFrom(plan: plan, items: [item])
    }

    /// unnest(a, b, …) in FROM is ROWS FROM (unnest(a), unnest(b), …).
    private func parallelUnnest(_ item: FunctionReference.Item) -> [FunctionReference.Item] {
        guard case .function(let call) = item.call.kind, call.name.name.matches("unnest"), call.arguments.count > 1,
            call.name.schema.map({ $0.matches("pg_catalog") }) ?? true
        else { return [item] }
        return call.arguments.map { argument in
            var single = item
            single.call = Expression(.function(FunctionCall(call.name, [argument])), at: item.call.position)
            return single
        }
    }

    private func isSetReturning(_ expression: BoundExpression) -> Bool {
        if case .call(let call) = expression { return call.function.returnsSet }
        return false
    }

    func functionName(_ expression: Expression) -> Name {
        if case .function(let call) = expression.kind { return call.name.name }
        return columnName(expression) ?? Name(staticBytes("?column?"))
    }

    /// A function that yields one row is a projection.
    private func singleRow(
        _ call: BoundExpression, _ reference: FunctionReference, _ alias: Name, _ item: inout ScopeItem
    ) throws(EngineError) -> Logical {
        var items: [ProjectItem] = []
        func add(_ name: [UInt8], _ value: BoundExpression) {
            let column = context.newColumn(ColumnInfo(name: name, type: value.type, qualifier: alias.bytes))
            items.append(ProjectItem(column: column, expression: value))
            item.columns.append(ScopeColumn(name: Name(name), expression: context.variable(column)))
        }
        if case .call(let function) = call, let names = recordColumns(of: function) {
            for (index, column) in names.enumerated() { add(column.name, .field(call, index, column.type)) }
        } else {
            if call.containsSetReturning {
                throw error(
                    .featureNotSupported, "set-returning functions must appear at top level of FROM",
                    at: reference.position)
            }
            add(alias.bytes, call)
            item.isScalarFunction = true
        }
        if reference.withOrdinality { add(staticBytes("ordinality"), .constant(Datum(Int64(1)), SQLType(.int8))) }
        return .project(.single, items)
    }

    private func functionNode(
        _ calls: [BoundExpression], _ reference: FunctionReference, _ alias: Name, _ item: inout ScopeItem
    ) throws(EngineError) -> Logical {
        var items: [FunctionScan.Item] = []
        var columns: [ColumnID] = []
        func add(_ name: [UInt8], _ type: SQLType) {
            let column = context.newColumn(ColumnInfo(name: name, type: type, qualifier: alias.bytes))
            columns.append(column)
            item.columns.append(ScopeColumn(name: Name(name), expression: context.variable(column)))
        }
        for (index, call) in calls.enumerated() {
            guard case .call(let function) = call, function.function.returnsSet else {
                throw EngineError.notSupported(
                    "a function without set result in ROWS FROM", position: context.position(reference.position))
            }
            let definitions =
                reference.items[index].columns.isEmpty ? reference.columns : reference.items[index].columns
            if !definitions.isEmpty {
                for definition in definitions { add(definition.name.bytes, try types.bind(definition.type)) }
                items.append(FunctionScan.Item(call: function, columnCount: definitions.count))
            } else if let names = recordColumns(of: function) {
                for column in names { add(column.name, column.type) }
                items.append(FunctionScan.Item(call: function, columnCount: names.count))
            } else if function.type.oid == .record {
                throw error(
                    .syntaxError, "a column definition list is required for functions returning \"record\"",
                    at: reference.position)
            } else {
                add(calls.count == 1 ? alias.bytes : functionName(reference.items[index].call).bytes, function.type)
                items.append(FunctionScan.Item(call: function, columnCount: 1))
                item.isScalarFunction = calls.count == 1 && !reference.withOrdinality
            }
        }
        if reference.withOrdinality { add(staticBytes("ordinality"), SQLType(.int8)) }
        return .function(
            FunctionNode(items: items, alias: alias.bytes, columns: columns, hasOrdinality: reference.withOrdinality))
    }

    /// Columns of a function that returns rows of several columns; nil for scalar ones. FunctionEntry has no room for
    /// OUT parameters' names, so they stand here.
    func recordColumns(of call: BoundCall) -> [RecordColumn]? {
        let name = call.function.name.array
        func make(_ list: [(StaticString, TypeOID)]) -> [RecordColumn] {
            list.map { RecordColumn(name: staticBytes($0.0), type: SQLType($0.1)) }
        }
        if bytesEqual(name, "_pg_expandarray") {
            let element = call.arguments.first?.type.oid.element ?? .int4
            return make([("x", element == .none ? .int4 : element), ("n", .int4)])
        }
        if bytesEqual(name, "pg_get_keywords") {
            return make([
                ("word", .text), ("catcode", .char), ("barelabel", .bool), ("catdesc", .text), ("baredesc", .text),
            ])
        }
        if bytesEqual(name, "pg_options_to_table") { return make([("option_name", .text), ("option_value", .text)]) }
        if bytesEqual(name, "json_each") || bytesEqual(name, "jsonb_each") {
            return make([("key", .text), ("value", call.arguments[0].type.oid)])
        }
        if bytesEqual(name, "json_each_text") || bytesEqual(name, "jsonb_each_text") {
            return make([("key", .text), ("value", .text)])
        }
        if bytesEqual(name, "aclexplode") {
            return make([
                ("grantor", .oid), ("grantee", .oid), ("privilege_type", .text), ("is_grantable", .bool),
            ])
        }
        if bytesEqual(name, "pg_partition_tree") {
            return make([("relid", .regclass), ("parentrelid", .regclass), ("isleaf", .bool), ("level", .int4)])
        }
        return nil
    }
}
