// FROM: relations, subqueries, functions, joins.

import Platform
import SQLSyntax
import SQLTypes

/// A FROM entry: its rows and what names it brings.
struct BoundFrom {
    var plan: Logical
    var items: [ScopeItem]
}

extension Binder {
    /// Binds the list and leaves its names in `scope.items`.
    func bindFrom(_ list: [FromItem], _ scope: Scope) throws(EngineError) -> Logical {
        var plan: Logical?
        for entry in list {
            let bound = try bindFromItem(entry, scope)
            try checkAliases(scope.items, bound.items)
            scope.items.append(contentsOf: bound.items)
            if let left = plan {
                plan = .join(JoinRelation(kind: .inner, left: left, right: bound.plan, conditions: []))
            } else {
                plan = bound.plan
            }
        }
        return plan ?? .single
    }

    private func checkAliases(_ left: [ScopeItem], _ right: [ScopeItem]) throws(EngineError) {
        for a in right where a.isQualifierVisible && !a.alias.isEmpty {
            for b in left where b.isQualifierVisible && a.alias == b.alias {
                if a.schema != b.schema && a.schema != 0 && b.schema != 0 { continue }
                throw EngineError("42712", "table name \"\(a.alias.text)\" specified more than once")
            }
        }
    }

    func bindFromItem(_ entry: FromItem, _ scope: Scope) throws(EngineError) -> BoundFrom {
        try context.checkStack()
        switch entry {
        case .table(let reference): return try bindTable(reference, scope)
        case .subquery(let reference): return try bindDerived(reference, scope)
        case .function(let reference): return try bindTableFunction(reference, scope)
        case .join(let join): return try bindJoin(join, scope)
        }
    }

    /// Sees the enclosing levels and WITH queries, but nothing of this FROM.
    func isolated(_ scope: Scope) -> Scope {
        let outer = Scope(parent: scope.parent)
        outer.commonTables = scope.commonTables
        return outer
    }

    // MARK: - Relations

    @inline(never) private func bindTable(_ reference: TableReference, _ scope: Scope) throws(EngineError) -> BoundFrom
    {
        if reference.sample != nil {
            throw EngineError.notSupported("TABLESAMPLE", position: context.position(reference.name.position))
        }
        if reference.name.parts.count == 1, let found = commonTable(reference.name.name, scope) {
            return try bindCommonTable(found, reference)
        }
        guard let relation = try context.session.open(reference.name, mode: .accessShare) else {
            throw noRelation(reference.name)
        }
        return try bindRelation(relation, reference)
    }

    func noRelation(_ name: QualifiedName) -> EngineError {
        error(.undefinedTable, "relation \"\(name.text)\" does not exist", at: name.position)
    }

    private func bindRelation(_ relation: Relation, _ reference: TableReference) throws(EngineError) -> BoundFrom {
        let alias = reference.alias?.name ?? reference.name.name
        let schema = reference.alias == nil ? relation.schema : 0
        switch relation {
        case .table(let table):
            context.addLock(table.oid, .accessShare)
            let node = makeGet(table, alias)
            var item = tableItem(node, alias, schema)
            try applyColumnAliases(reference.alias, &item)
            return BoundFrom(plan: .get(node), items: [item])
        case .system(let system):
            let node = makeSystem(system, alias)
            var item = ScopeItem(alias: alias, schema: schema, columns: [])
            item.system = node
            for column in node.columns {
                item.columns.append(
                    ScopeColumn(name: Name(context.info(column).name), expression: context.variable(column)))
            }
            try applyColumnAliases(reference.alias, &item)
            return BoundFrom(plan: .system(node), items: [item])
        case .view(let view):
            context.addLock(view.oid, .accessShare)
            return try bindView(view, alias, schema, reference)
        case .sequence(let sequence): return try bindSequence(sequence, alias, schema, reference)
        case .index(_, let index):
            throw error(
                .wrongObjectType, "\"\(text(index.name))\" is an index", at: reference.name.position)
        }
    }

    func makeGet(_ table: TableDescriptor, _ alias: Name) -> GetNode {
        var columns: [ColumnID?] = []
        for column in table.columns {
            if column.isDropped {
                columns.append(nil)
                continue
            }
            columns.append(
                context.newColumn(
                    ColumnInfo(
                        name: column.name, type: column.type, table: table, number: column.number,
                        originTable: table.oid, qualifier: alias.bytes, isNotNull: column.isNotNull)))
        }
        return GetNode(table: table, alias: alias.bytes, columns: columns)
    }

    func tableItem(_ node: GetNode, _ alias: Name, _ schema: ObjectID) -> ScopeItem {
        var item = ScopeItem(alias: alias, schema: schema, columns: [])
        item.node = node
        for column in node.columns {
            guard let column else { continue }
            item.columns.append(
                ScopeColumn(name: Name(context.info(column).name), expression: context.variable(column)))
        }
        return item
    }

    private func makeSystem(_ relation: SystemRelation, _ alias: Name) -> SystemNode {
        var columns: [ColumnID] = []
        for (index, column) in relation.columns.enumerated() {
            columns.append(
                context.newColumn(
                    ColumnInfo(
                        name: column.name.array, type: SQLType(column.type), number: Int16(index + 1),
                        originTable: relation.oid, qualifier: alias.bytes, isNotNull: column.isNotNull)))
        }
        return SystemNode(relation: relation, alias: alias.bytes, columns: columns)
    }

    /// A view is its query, bound under the search path of its definition.
    private func bindView(_ view: ViewDescriptor, _ alias: Name, _ schema: ObjectID, _ reference: TableReference)
        throws(EngineError) -> BoundFrom
    {
        let query = try bindStored(view.queryText, path: view.searchPath)
        var item = ScopeItem(alias: alias, schema: schema, columns: [])
        for (index, column) in query.columns.enumerated() where index < view.columns.count {
            context.columns[column.rawValue].qualifier = alias.bytes
            item.columns.append(
                ScopeColumn(name: Name(view.columns[index].name), expression: context.variable(column)))
        }
        try applyColumnAliases(reference.alias, &item)
        return BoundFrom(plan: query.plan, items: [item])
    }

    func bindStored(_ queryText: [UInt8], path: [ObjectID]) throws(EngineError) -> BoundQuery {
        let statements = try parseStatements(queryText)
        guard statements.count == 1, case .query(let query) = statements[0].statement else {
            throw EngineError(.dataCorrupted, "stored query is not a query")
        }
        let outerText = context.text
        let outerPath = context.session.pathOverride
        context.text = []
        context.session.pathOverride = path
        defer {
            context.text = outerText
            context.session.pathOverride = outerPath
        }
        return try context.nested { () throws(EngineError) in
            try bindQuery(query, parent: nil, commonTables: [], resolvesUnknown: true)
        }
    }

    /// SELECT last_value, log_cnt, is_called FROM sequence.
    private func bindSequence(
        _ sequence: SequenceDescriptor, _ alias: Name, _ schema: ObjectID, _ reference: TableReference
    ) throws(EngineError) -> BoundFrom {
        let oid = BoundExpression.constant(Datum(sequence.oid), SQLType(.regclass))
        let names: [(StaticString, StaticString)] = [
            ("last_value", "dbk_sequence_last_value"), ("log_cnt", "dbk_sequence_log_count"),
            ("is_called", "dbk_sequence_is_called"),
        ]
        var items: [ProjectItem] = []
        var item = ScopeItem(alias: alias, schema: schema, columns: [])
        for (name, function) in names {
            let value = try callBuiltin(function, [oid], at: reference.name.position)
            let column = context.newColumn(staticBytes(name), value.type)
            items.append(ProjectItem(column: column, expression: value))
            item.columns.append(ScopeColumn(name: Name(staticBytes(name)), expression: context.variable(column)))
        }
        try applyColumnAliases(reference.alias, &item)
        return BoundFrom(plan: .project(.single, items), items: [item])
    }

    func applyColumnAliases(_ alias: Alias?, _ item: inout ScopeItem) throws(EngineError) {
        guard let alias else { return }
        if alias.columns.count > item.columns.count {
            throw EngineError(
                "42P10",
                "table \"\(alias.name.text)\" has \(item.columns.count) columns available but \(alias.columns.count) columns specified"
            )
        }
        for (index, name) in alias.columns.enumerated() { item.columns[index].name = name }
    }

    // MARK: - WITH queries

    func commonTable(_ name: Name, _ scope: Scope) -> CommonTableBinding? {
        var level: Scope? = scope
        while let current = level {
            for table in current.commonTables.reversed() where table.name == name { return table }
            level = current.parent
        }
        return nil
    }

    private func bindCommonTable(_ table: CommonTableBinding, _ reference: TableReference)
        throws(EngineError) -> BoundFrom
    {
        let alias = reference.alias?.name ?? reference.name.name
        var columns: [ColumnID] = []
        var item = ScopeItem(alias: alias, columns: [])
        for column in table.columns {
            let id = context.newColumn(ColumnInfo(name: column.name.bytes, type: column.type, qualifier: alias.bytes))
            columns.append(id)
            item.columns.append(ScopeColumn(name: column.name, expression: context.variable(id)))
        }
        try applyColumnAliases(reference.alias, &item)
        let plan = Logical.commonTable(
            CommonTableReference(
                index: table.index, alias: alias.bytes, columns: columns, isWorkTable: table.isWorkTable))
        return BoundFrom(plan: plan, items: [item])
    }

    // MARK: - Subqueries

    @inline(never) private func bindDerived(_ reference: SubqueryReference, _ scope: Scope)
        throws(EngineError) -> BoundFrom
    {
        let parent = reference.lateral ? scope : isolated(scope)
        let query = try context.nested { () throws(EngineError) in
            try bindQuery(reference.query, parent: parent, commonTables: [], resolvesUnknown: true)
        }
        let alias = reference.alias?.name ?? Name([])
        var item = ScopeItem(alias: alias, columns: [])
        for (index, column) in query.columns.enumerated() {
            item.columns.append(ScopeColumn(name: query.names[index], expression: context.variable(column)))
        }
        if reference.alias == nil {
            throw EngineError(
                .syntaxError, "subquery in FROM must have an alias", hint: "For example, FROM (SELECT ...) [AS] foo.",
                position: context.position(reference.position))
        }
        try applyColumnAliases(reference.alias, &item)
        return BoundFrom(plan: query.plan, items: [item])
    }

    // MARK: - Joins

    @inline(never) private func bindJoin(_ join: Join, _ scope: Scope) throws(EngineError) -> BoundFrom {
        let left = try bindFromItem(join.left, scope)
        let depth = scope.items.count
        for var item in left.items {
            item.isLateralOnly = true
            item.isLateralAllowed = join.kind != .right && join.kind != .full
            scope.items.append(item)
        }
        let right = try bindFromItem(join.right, scope)
        scope.items.removeLast(scope.items.count - depth)
        try checkAliases(left.items, right.items)

        var items = left.items + right.items
        var conditions: [BoundExpression] = []
        let kind: JoinKind =
            switch join.kind {
            case .cross, .inner: .inner
            case .left: .left
            case .right: .right
            case .full: .full
            }
        switch join.condition {
        case .none: break
        case .on(let condition):
            let onScope = Scope(parent: scope.parent)
            onScope.commonTables = scope.commonTables
            onScope.items = items
            onScope.clause = .joinOn
            conditions = [try coerceBoolean(bind(condition, onScope), "JOIN/ON", at: condition.position)]
        case .natural:
            let names = naturalColumns(left.items, right.items)
            try mergeColumns(names, kind, left.items.count, &items, &conditions, alias: nil, at: join.position)
        case .using(let names, let alias):
            try mergeColumns(names, kind, left.items.count, &items, &conditions, alias: alias, at: join.position)
        }
        if let alias = join.alias {
            var all = ScopeItem(alias: alias.name, columns: [])
            for item in items where item.areColumnsVisible {
                for column in item.columns where !column.isHidden { all.columns.append(column) }
            }
            try applyColumnAliases(alias, &all)
            items = [all]
        }
        return BoundFrom(
            plan: .join(JoinRelation(kind: kind, left: left.plan, right: right.plan, conditions: conditions)),
            items: items)
    }

    private func naturalColumns(_ left: [ScopeItem], _ right: [ScopeItem]) -> [Name] {
        var names: [Name] = []
        for item in left where item.areColumnsVisible {
            for column in item.columns where !column.isHidden {
                for other in right where other.areColumnsVisible {
                    for candidate in other.columns where !candidate.isHidden && candidate.name == column.name {
                        if !names.contains(column.name) { names.append(column.name) }
                    }
                }
            }
        }
        return names
    }

    /// JOIN USING: equality on each name, and one merged column that hides the two.
    private func mergeColumns(
        _ names: [Name], _ kind: JoinKind, _ leftCount: Int, _ items: inout [ScopeItem],
        _ conditions: inout [BoundExpression], alias: Name?, at position: Int32
    ) throws(EngineError) {
        var merged = ScopeItem(alias: alias ?? Name([]), columns: [])
        merged.isQualifierVisible = alias != nil
        for name in names {
            let left = try usingColumn(name, 0..<leftCount, &items, "left", at: position)
            let right = try usingColumn(name, leftCount..<items.count, &items, "right", at: position)
            let call = try operatorCall(staticBytes("="), left, right, at: position)
            conditions.append(.call(call))
            var value: BoundExpression
            switch kind {
            case .right: value = right
            case .full:
                let unified = try unify([left, right], "JOIN/USING", positions: [position, position])
                value = .coalesce(unified.values, unified.type)
            default: value = left
            }
            let common = try commonType([left.type, right.type], "JOIN/USING", positions: [position, position])
            if value.type.oid != common.oid {
                value = try tryCoerce(value, to: common, .implicit, at: position) ?? value
            }
            merged.columns.append(ScopeColumn(name: name, expression: value))
        }
        items.insert(merged, at: 0)
    }

    private func usingColumn(
        _ name: Name, _ range: Range<Int>, _ items: inout [ScopeItem], _ side: String, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        var found: BoundExpression?
        for index in range where items[index].areColumnsVisible {
            for column in items[index].columns.indices {
                let candidate = items[index].columns[column]
                guard !candidate.isHidden, candidate.name == name else { continue }
                if found != nil {
                    throw error(
                        .ambiguousColumn, "common column name \"\(name.text)\" appears more than once in \(side) table",
                        at: position)
                }
                found = candidate.expression
                items[index].columns[column].isHidden = true
            }
        }
        guard let found else {
            throw error(
                .undefinedColumn, "column \"\(name.text)\" specified in USING clause does not exist in \(side) table",
                at: position)
        }
        return found
    }
}
