// Query expressions: WITH, set operations, VALUES, and the tail of ORDER BY and LIMIT over them.

import Platform
import SQLSyntax
import SQLTypes

extension Binder {
    func parseStatements(_ sql: [UInt8]) throws(EngineError) -> [ParsedStatement] {
        let result = sql.withUnsafeBytes { bytes -> Result<[ParsedStatement], EngineError> in
            var parser = Parser(utf8: bytes)
            do throws(EngineError) { return .success(try parser.statements()) } catch { return .failure(error) }
        }
        return try result.get()
    }
    func parseExpression(_ sql: [UInt8]) throws(EngineError) -> Expression {
        let result = sql.withUnsafeBytes { bytes -> Result<Expression, EngineError> in
            var parser = Parser(utf8: bytes)
            do throws(EngineError) { return .success(try parser.wholeExpression()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// `parent` is the level whose columns the query may use (correlation); nil for a statement's own query.
    func bindQuery(
        _ query: Query, parent: Scope?, commonTables: [CommonTableBinding], resolvesUnknown: Bool
    ) throws(EngineError) -> BoundQuery {
        try context.checkStack()
        let outer = Scope(parent: parent)
        outer.commonTables = commonTables
        if let with = query.with { try bindWith(with, outer) }
        let tail = QueryTail(
            orderBy: query.orderBy, limit: query.limit, withTies: query.withTies, offset: query.offset,
            locking: query.locking)
        return try bindBody(query.body, tail, outer, resolvesUnknown: resolvesUnknown)
    }

    private func bindBody(_ body: QueryBody, _ tail: QueryTail, _ scope: Scope, resolvesUnknown: Bool)
        throws(EngineError) -> BoundQuery
    {
        switch body {
        case .select(let core):
            let level = Scope(parent: scope.parent)
            level.commonTables = scope.commonTables
            return try bindSelect(core, tail, level, resolvesUnknown: resolvesUnknown)
        case .values(let rows):
            let query = try bindValues(rows, scope, resolvesUnknown: resolvesUnknown)
            return try bindOutputTail(query, tail, scope, "VALUES")
        case .nested(let inner):
            let query = try bindQuery(
                inner, parent: scope.parent, commonTables: scope.commonTables, resolvesUnknown: resolvesUnknown)
            return try bindOutputTail(query, tail, scope, "a parenthesized query")
        case .setOperation(let first, let links):
            let query = try bindSetOperation(first, links, scope)
            return try bindOutputTail(query, tail, scope, "UNION/INTERSECT/EXCEPT", isSetOperation: true)
        }
    }

    /// ORDER BY over output columns only, and LIMIT.
    private func bindOutputTail(
        _ query: BoundQuery, _ tail: QueryTail, _ scope: Scope, _ what: String, isSetOperation: Bool = false
    ) throws(EngineError) -> BoundQuery {
        if !tail.locking.isEmpty {
            throw EngineError(.featureNotSupported, "FOR UPDATE is not allowed with \(what)")
        }
        var result = query
        var keys: [SortKey] = []
        for item in tail.orderBy {
            let position = item.expression.position
            var column: ColumnID?
            if case .literal(.integer(let ordinal)) = item.expression.kind {
                guard ordinal >= 1, ordinal <= Int64(query.columns.count) else {
                    throw error("42P10", "ORDER BY position \(ordinal) is not in select list", at: position)
                }
                column = query.columns[Int(ordinal) - 1]
            } else if case .column(let parts) = item.expression.kind, parts.count == 1 {
                for (index, name) in query.names.enumerated() where name == parts[0] {
                    column = query.columns[index]
                    break
                }
                if column == nil {
                    throw error(.undefinedColumn, "column \"\(parts[0].text)\" does not exist", at: position)
                }
            }
            if let column {
                keys.append(try sortKey(context.variable(column), item))
                continue
            }
            // VALUES and nested queries: any expression over the output names.
            let level = Scope(parent: scope.parent)
            var names = ScopeItem(alias: Name([]), columns: [])
            for (index, column) in query.columns.enumerated() {
                names.columns.append(ScopeColumn(name: query.names[index], expression: context.variable(column)))
            }
            level.items = [names]
            guard !isSetOperation else {
                throw EngineError(
                    .featureNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
                    detail: "Only result column names can be used, not expressions or functions.",
                    hint:
                        "Add the expression/function to every SELECT, or move the UNION into a FROM clause.",
                    position: context.position(item.expression.start))
            }
            keys.append(try sortKey(bind(item.expression, level), item))
        }
        if !keys.isEmpty { result.plan = .sort(result.plan, keys) }
        result.plan = try bindLimit(tail, result.plan, keys, scope)
        return result
    }

    // MARK: - VALUES

    func bindValues(_ rows: [[Expression]], _ scope: Scope, resolvesUnknown: Bool) throws(EngineError) -> BoundQuery {
        let width = rows[0].count
        let level = Scope(parent: scope.parent)
        level.commonTables = scope.commonTables
        level.clause = .values
        var bound: [[BoundExpression]] = []
        bound.reserveCapacity(rows.count)
        for row in rows {
            if row.count != width {
                throw error(.syntaxError, "VALUES lists must all be the same length", at: row.first?.position ?? -1)
            }
            var values: [BoundExpression] = []
            for item in row { values.append(try bind(item, level)) }
            bound.append(values)
        }
        var columns: [ColumnID] = []
        var names: [Name] = []
        for column in 0..<width {
            let unified = try unify(
                bound.map { $0[column] }, "VALUES", positions: rows.map { $0[column].position })
            var type = unified.type
            for row in bound.indices {
                bound[row][column] = unified.values[row]
                if resolvesUnknown, type.oid == .unknown {
                    bound[row][column] = try resolveUnknown(unified.values[row], at: rows[row][column].position)
                }
            }
            if resolvesUnknown, type.oid == .unknown { type = SQLType(.text) }
            let name = Name(staticBytes("column") + decimal(column + 1))
            names.append(name)
            columns.append(
                context.newColumn(ColumnInfo(name: name.bytes, type: type, qualifier: staticBytes("*VALUES*"))))
        }
        return BoundQuery(
            plan: .values(ValuesRelation(columns: columns, rows: bound)), columns: columns, names: names)
    }

    // MARK: - Set operations

    private func bindSetOperation(_ first: QueryBody, _ links: [SetLink], _ scope: Scope)
        throws(EngineError) -> BoundQuery
    {
        var left = try bindBody(first, QueryTail(), scope, resolvesUnknown: false)
        // A chain of unions is one node with many inputs, however long.
        var union: SetRelation?
        for (index, link) in links.enumerated() {
            let right = try bindBody(link.operand, QueryTail(), scope, resolvesUnknown: false)
            let name = operationName(link)
            let types = try resultTypes(left, link, right)
            let rightInput = try converted(right, types, name, at: firstTarget(link.operand))
            let goesOn = union != nil && isSame(types, left.columns)
            if goesOn {
                union?.inputs.append(rightInput.plan)
                union?.inputColumns.append(rightInput.columns)
            } else {
                if let whole = union { left.plan = plan(whole) }
                let leftInput = try converted(left, types, name, at: link.position)
                left.columns = types.indices.map { context.newColumn(left.names[$0].bytes, types[$0]) }
                union = SetRelation(
                    kind: link.operation.kind, isAll: link.all, columns: left.columns,
                    inputs: [leftInput.plan, rightInput.plan], inputColumns: [leftInput.columns, rightInput.columns])
            }
            let next = index + 1 < links.count ? links[index + 1] : nil
            if let whole = union, link.operation != .union || next?.operation != .union || next?.all != link.all {
                left.plan = plan(whole)
                union = nil
            }
        }
        return left
    }

    private func isSame(_ types: [SQLType], _ columns: [ColumnID]) -> Bool {
        for index in types.indices {
            let known = context.info(columns[index]).type
            if known.oid != types[index].oid || known.typmod != types[index].typmod { return false }
        }
        return true
    }

    /// A UNION that is not ALL is one with what is double removed.
    private func plan(_ relation: SetRelation) -> Logical {
        relation.kind == .unionAll && !relation.isAll
            ? .distinct(.setOperation(relation), on: []) : .setOperation(relation)
    }

    private func operationName(_ link: SetLink) -> String {
        switch link.operation {
        case .union: "UNION"
        case .intersect: "INTERSECT"
        case .except: "EXCEPT"
        }
    }

    private func firstTarget(_ body: QueryBody) -> Int32 {
        switch body {
        case .select(let core): core.targets.first?.expression.position ?? core.position
        case .values(let rows): rows.first?.first?.position ?? -1
        case .setOperation(let first, _): firstTarget(first)
        case .nested(let query): firstTarget(query.body)
        }
    }

    /// Where output column `index` of an operand is written.
    func targetPosition(_ body: QueryBody, _ index: Int) -> Int32 {
        switch body {
        case .select(let core):
            index < core.targets.count ? core.targets[index].expression.position : core.position
        case .nested(let query): targetPosition(query.body, index)
        default: firstTarget(body)
        }
    }

    /// Types of the columns of `left link right`. Errors: 42601, 42804.
    private func resultTypes(_ left: BoundQuery, _ link: SetLink, _ right: BoundQuery) throws(EngineError) -> [SQLType]
    {
        let name = operationName(link)
        if left.columns.count != right.columns.count {
            throw error(
                .syntaxError, "each \(name) query must have the same number of columns", at: firstTarget(link.operand))
        }
        var types: [SQLType] = []
        for index in left.columns.indices {
            let a = context.info(left.columns[index]).type
            let b = context.info(right.columns[index]).type
            let position = targetPosition(link.operand, index)
            var type = try commonType([a, b], name, positions: [position, position])
            if type.oid == .unknown { type = SQLType(.text) }
            types.append(type)
        }
        return types
    }

    /// `query` with its columns cast to `types`.
    func converted(_ query: BoundQuery, _ types: [SQLType], _ construct: String, at position: Int32)
        throws(EngineError) -> (plan: Logical, columns: [ColumnID])
    {
        var items: [ProjectItem] = []
        var columns: [ColumnID] = []
        var isSame = true
        for (index, column) in query.columns.enumerated() {
            let source = context.info(column).type
            if source.oid == types[index].oid {
                items.append(ProjectItem(column: column, expression: context.variable(column)))
                columns.append(column)
                continue
            }
            isSame = false
            let value = columnSource(column, query.plan)
            guard let cast = try tryCoerce(value, to: types[index], .implicit, at: position) else {
                throw error(
                    "42846",
                    "\(construct) could not convert type \(TypeNames.string(source.oid)) to \(TypeNames.string(types[index].oid))",
                    at: position)
            }
            let new = context.newColumn(query.names[index].bytes, types[index])
            items.append(ProjectItem(column: new, expression: cast))
            columns.append(new)
        }
        return isSame ? (query.plan, query.columns) : (.project(query.plan, items), columns)
    }

    /// For an untyped column: the literal behind it, so that it can be given a type.
    func columnSource(_ column: ColumnID, _ plan: Logical) -> BoundExpression {
        guard context.info(column).type.oid == .unknown else { return context.variable(column) }
        switch plan {
        case .project(let input, let items):
            for item in items where item.column == column {
                if let id = item.expression.variableID, id != column { return columnSource(id, input) }
                if item.expression.variableID == nil { return item.expression }
            }
            return columnSource(column, input)
        case .filter(let input, _), .sort(let input, _), .distinct(let input, _): return columnSource(column, input)
        case .limit(let input, _, _, _): return columnSource(column, input)
        case .values(let values):
            if let place = values.columns.firstIndex(of: column), values.rows.count == 1 {
                return values.rows[0][place]
            }
            return context.variable(column)
        default: return context.variable(column)
        }
    }

    // MARK: - WITH

    func bindWith(_ with: WithClause, _ scope: Scope) throws(EngineError) {
        var seen: [Name] = []
        for table in with.tables {
            if seen.contains(table.name) {
                throw error(
                    "42712", "WITH query name \"\(table.name.text)\" specified more than once", at: table.position)
            }
            seen.append(table.name)
            if table.search != nil {
                throw EngineError.notSupported("SEARCH in WITH", position: context.position(table.position))
            }
            if table.cycle != nil {
                throw EngineError.notSupported("CYCLE in WITH", position: context.position(table.position))
            }
            guard case .query(let query) = table.statement else {
                throw EngineError.notSupported(
                    "data-modifying statements in WITH", position: context.position(table.position))
            }
            if with.recursive, refersTo(table.name, query) {
                scope.commonTables.append(try bindRecursive(table, query, scope))
                continue
            }
            let bound = try context.nested { () throws(EngineError) in
                try bindQuery(query, parent: scope.parent, commonTables: scope.commonTables, resolvesUnknown: true)
            }
            scope.commonTables.append(try register(table, bound))
        }
    }

    private func register(_ table: CommonTable, _ bound: BoundQuery) throws(EngineError) -> CommonTableBinding {
        let names = try commonTableNames(table, bound.names)
        context.commonTables.append(
            StatementContext.CommonTablePlan(
                name: table.name.bytes, input: bound.plan, columns: bound.columns,
                isForced: table.materialization == .always))
        var columns: [(name: Name, type: SQLType)] = []
        for (index, column) in bound.columns.enumerated() { columns.append((names[index], context.info(column).type)) }
        return CommonTableBinding(
            name: table.name, columns: columns, index: context.commonTables.count - 1, isWorkTable: false)
    }

    private func commonTableNames(_ table: CommonTable, _ names: [Name]) throws(EngineError) -> [Name] {
        if table.columns.count > names.count {
            throw error(
                "42P10",
                "WITH query \"\(table.name.text)\" has \(names.count) columns available but \(table.columns.count) columns specified",
                at: table.position)
        }
        return table.columns + names.dropFirst(table.columns.count)
    }

    /// `start UNION [ALL] step`, where step reads the name.
    private func bindRecursive(_ table: CommonTable, _ query: Query, _ scope: Scope)
        throws(EngineError) -> CommonTableBinding
    {
        guard case .setOperation(let first, let links) = query.body, let link = links.last, link.operation == .union,
            query.orderBy.isEmpty, query.limit == nil, query.offset == nil
        else {
            throw error(
                "42P19",
                "recursive query \"\(table.name.text)\" does not have the form non-recursive-term UNION [ALL] recursive-term",
                at: table.position)
        }
        let inner = Scope(parent: scope.parent)
        inner.commonTables = scope.commonTables
        if let with = query.with { try bindWith(with, inner) }
        let startBody = links.count == 1 ? first : .setOperation(first, Array(links.dropLast()))
        var start = try bindBody(startBody, QueryTail(), inner, resolvesUnknown: true)
        start.names = try commonTableNames(table, start.names)
        let index = context.commonTables.count
        context.commonTables.append(
            StatementContext.CommonTablePlan(name: table.name.bytes, input: nil, columns: [], isForced: false))
        var columns: [(name: Name, type: SQLType)] = []
        var ids: [ColumnID] = []
        var typesOfStart: [SQLType] = []
        for (place, column) in start.columns.enumerated() {
            let type = context.info(column).type
            columns.append((start.names[place], type))
            typesOfStart.append(type)
            ids.append(context.newColumn(start.names[place].bytes, type))
        }
        inner.commonTables.append(
            CommonTableBinding(name: table.name, columns: columns, index: index, isWorkTable: true))
        let step = try bindBody(link.operand, QueryTail(), inner, resolvesUnknown: false)
        if step.columns.count != start.columns.count {
            throw error(.syntaxError, "each UNION query must have the same number of columns", at: link.position)
        }
        for (place, column) in step.columns.enumerated() {
            let type = context.info(column).type
            if type.oid != .unknown, type.oid != typesOfStart[place].oid,
                registry.commonType([typesOfStart[place].oid, type.oid]) != typesOfStart[place].oid
            {
                throw error(
                    .datatypeMismatch,
                    "recursive query \"\(table.name.text)\" column \(place + 1) has type \(TypeNames.string(typesOfStart[place].oid)) in non-recursive term but type \(TypeNames.string(type.oid)) overall",
                    hint: "Cast the output of the non-recursive term to the correct type.", at: table.position)
            }
        }
        let stepInput = try converted(step, typesOfStart, "UNION", at: link.position)
        context.commonTables[index].columns = ids
        context.commonTables[index].input = .recursive(
            RecursiveRelation(
                index: index, isAll: link.all, columns: ids, start: start.plan, startColumns: start.columns,
                step: stepInput.plan, stepColumns: stepInput.columns))
        return CommonTableBinding(name: table.name, columns: columns, index: index, isWorkTable: false)
    }

    /// Whether the query's FROM clauses mention `name` unqualified, anywhere but where another WITH hides it.
    private func refersTo(_ name: Name, _ query: Query) -> Bool { TableMentions(name: name).inQuery(query) }
}

extension SetLink.Operation {
    fileprivate var kind: SetRelation.Kind {
        switch self {
        case .union: .unionAll
        case .intersect: .intersect
        case .except: .except
        }
    }
}
