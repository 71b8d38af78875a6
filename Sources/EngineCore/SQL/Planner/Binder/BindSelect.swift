// SELECT … FROM … WHERE … GROUP BY … HAVING … WINDOW … DISTINCT … ORDER BY, as a chain of logical nodes.
//
// Clauses are bound in PostgreSQL's order; aggregates and windows are bound as nodes inside expressions and then lifted
// out: each lifted call becomes a column of an Aggregate or Window node, and what remains above must consist of those
// columns and group keys only (42803).

import Platform
import SQLSyntax
import SQLTypes

/// A bound query: `columns` are what it shows, in order (a column may come twice), under `names`.
struct BoundQuery {
    var plan: Logical
    var columns: [ColumnID]
    var names: [Name]
}

/// What surrounds a select core.
struct QueryTail {
    var orderBy: [SortItem] = []
    var limit: Expression?
    var withTies = false
    var offset: Expression?
    var locking: [LockingClause] = []
}

struct BoundTarget {
    var expression: BoundExpression
    var name: Name
    var position: Int32
}

extension Binder {
    func bindSelect(
        _ core: SelectCore, _ tail: QueryTail, _ scope: Scope, resolvesUnknown: Bool
    ) throws(EngineError) -> BoundQuery {
        if core.into != nil, context.selectInto !== core {
            throw EngineError(
                .syntaxError, "SELECT ... INTO is not allowed here", position: context.position(core.position))
        }
        var plan = try bindFrom(core.from, scope)
        for definition in core.windows { _ = try defineWindow(definition, scope) }
        scope.clause = .select
        var targets = try bindTargets(core.targets, scope)
        if let filter = core.filter {
            scope.clause = .where
            plan = .filter(plan, [try coerceBoolean(bind(filter, scope), "WHERE", at: filter.position)])
        }
        var having: BoundExpression?
        if let condition = core.having {
            scope.clause = .having
            having = try coerceBoolean(bind(condition, scope), "HAVING", at: condition.position)
        }
        if resolvesUnknown {
            for index in targets.indices {
                targets[index].expression = try resolveUnknown(targets[index].expression, at: targets[index].position)
            }
        }
        scope.clause = .orderBy
        var sortKeys = try bindOrderBy(tail.orderBy, targets, scope)
        scope.clause = .groupBy
        let groups = try bindGroupBy(core, targets, scope)
        scope.clause = .select
        var distinctOn: [BoundExpression] = []
        if case .on(let items) = core.distinct {
            for item in items { distinctOn.append(try matchTarget(item, targets, scope, prefersTargets: true)) }
        }

        var all = SelectExpressions(
            targets: targets.map { $0.expression }, having: having, sortKeys: sortKeys, distinctOn: distinctOn)
        plan = try aggregate(plan, groups, &all, scope, hasGroupBy: !core.groupBy.isEmpty)
        plan = try windows(plan, &all, scope)
        plan = try projectSets(plan, &all)
        sortKeys = all.sortKeys
        for index in targets.indices { targets[index].expression = all.targets[index] }
        return try finishSelect(plan, core, tail, targets, sortKeys, all.distinctOn, scope)
    }

    /// Projection, DISTINCT, ORDER BY, locking, LIMIT.
    private func finishSelect(
        _ input: Logical, _ core: SelectCore, _ tail: QueryTail, _ targets: [BoundTarget], _ sortKeys: [SortKey],
        _ distinctOn: [BoundExpression], _ scope: Scope
    ) throws(EngineError) -> BoundQuery {
        var items: [ProjectItem] = []
        var columns: [ColumnID] = []
        for target in targets {
            let column = projected(target.expression, target.name, &items)
            columns.append(column)
        }
        let visibleCount = items.count
        var keys: [SortKey] = []
        for key in sortKeys {
            var copy = key
            copy.expression = context.variable(projected(key.expression, Name([]), &items))
            keys.append(copy)
        }
        var distinctKeys: [BoundExpression] = []
        for key in distinctOn { distinctKeys.append(context.variable(projected(key, Name([]), &items))) }
        var isDistinct = false
        if case .distinct = core.distinct { isDistinct = true }
        if isDistinct, items.count > visibleCount {
            throw EngineError(
                "42P10", "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                position: tail.orderBy.first.map { context.position($0.expression.position) } ?? 0)
        }
        var lockTargets: [LockTarget] = []
        if !tail.locking.isEmpty {
            lockTargets = try bindLocking(tail.locking, core, scope, isAggregated: input.isAggregated)
            for target in lockTargets {
                let ctid = target.node.ctidColumn(context)
                if !items.contains(where: { $0.column == ctid }) {
                    items.append(ProjectItem(column: ctid, expression: context.variable(ctid)))
                }
            }
        }
        var plan = Logical.project(input, items)
        if isDistinct { plan = .distinct(plan, on: []) }
        if !distinctKeys.isEmpty {
            keys = try distinctOnOrder(distinctKeys, keys, tail)
            plan = .distinct(.sort(plan, keys), on: distinctKeys)
        } else if !keys.isEmpty {
            plan = .sort(plan, keys)
        }
        if !lockTargets.isEmpty { plan = .lockRows(plan, lockTargets) }
        plan = try bindLimit(tail, plan, keys, scope)
        if items.count > visibleCount {
            plan = .project(
                plan,
                items.prefix(visibleCount).map {
                    ProjectItem(column: $0.column, expression: context.variable($0.column))
                })
        }
        return BoundQuery(plan: plan, columns: columns, names: targets.map { $0.name })
    }

    /// The column that carries `expression` in `items`, added if it is new. Columns of the input pass as they are.
    private func projected(_ expression: BoundExpression, _ name: Name, _ items: inout [ProjectItem]) -> ColumnID {
        for item in items where item.expression.isSame(as: expression) && expression.volatility != .volatile {
            return item.column
        }
        if let id = expression.variableID {
            items.append(ProjectItem(column: id, expression: expression))
            return id
        }
        let column = context.newColumn(name.bytes, expression.type)
        items.append(ProjectItem(column: column, expression: expression))
        return column
    }

    private func distinctOnOrder(_ on: [BoundExpression], _ keys: [SortKey], _ tail: QueryTail)
        throws(EngineError) -> [SortKey]
    {
        var rest = on
        for key in keys {
            if rest.isEmpty { break }
            guard let place = rest.firstIndex(where: { $0.isSame(as: key.expression) }) else {
                if on.contains(where: { $0.isSame(as: key.expression) }) { continue }
                throw EngineError(
                    "42P10", "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                    position: tail.orderBy.first.map { context.position($0.expression.position) } ?? 0)
            }
            rest.remove(at: place)
        }
        return keys + rest.map { SortKey($0) }
    }

    func bindLimit(_ tail: QueryTail, _ plan: Logical, _ keys: [SortKey], _ scope: Scope)
        throws(EngineError) -> Logical
    {
        if tail.limit == nil && tail.offset == nil { return plan }
        let limitScope = isolated(scope)
        limitScope.clause = .limit
        func value(_ expression: Expression?, _ name: String) throws(EngineError) -> BoundExpression? {
            guard let expression else { return nil }
            let bound: BoundExpression
            do throws(EngineError) {
                bound = try bind(expression, limitScope)
            } catch {
                if error.state == .undefinedColumn || error.state == .undefinedTable {
                    if case .column = expression.kind, (try? bind(expression, scope)) != nil {
                        throw EngineError(
                            "42P10", "argument of \(name) must not contain variables",
                            position: context.position(expression.position))
                    }
                }
                throw error
            }
            return try coerceBigint(bound, name, at: expression.position)
        }
        return .limit(
            plan, count: try value(tail.limit, "LIMIT"), offset: try value(tail.offset, "OFFSET"),
            ties: tail.withTies ? keys : [])
    }

    // MARK: - Select list

    func bindTargets(_ list: [Target], _ scope: Scope) throws(EngineError) -> [BoundTarget] {
        var targets: [BoundTarget] = []
        for target in list {
            let position = target.expression.position
            if case .star(let qualifier) = target.expression.kind {
                for column in try expandStar(qualifier, scope, at: position) {
                    scope.note(column.expression, context, position)
                    targets.append(BoundTarget(expression: column.expression, name: column.name, position: position))
                }
                continue
            }
            if case .indirection(let base, let steps) = target.expression.kind, case .star? = steps.last {
                targets.append(contentsOf: try expandRow(base, Array(steps.dropLast()), scope, at: position))
                continue
            }
            let bound = try bind(target.expression, scope)
            let name = target.alias ?? columnName(target.expression) ?? Name(staticBytes("?column?"))
            targets.append(BoundTarget(expression: bound, name: name, position: position))
        }
        guard targets.count <= 1664 else {
            throw EngineError("54011", "target lists can have at most 1664 entries")
        }
        return targets
    }

    func expandStar(_ qualifier: [Name], _ scope: Scope, at position: Int32) throws(EngineError) -> [ScopeColumn] {
        if qualifier.isEmpty {
            var columns: [ScopeColumn] = []
            for item in scope.items where item.areColumnsVisible && !item.isLateralOnly {
                for column in item.columns where !column.isHidden { columns.append(column) }
            }
            if scope.items.isEmpty {
                throw error(.syntaxError, "SELECT * with no tables specified is not valid", at: position)
            }
            return columns
        }
        var schema: ObjectID?
        if qualifier.count >= 2 {
            schema = try context.session.requireSchema(
                qualifier[qualifier.count - 2], position: context.position(position)
            ).oid
        }
        guard let item = try scope.item(qualifier[qualifier.count - 1], schema: schema, context, at: position) else {
            throw missingFrom(QualifiedName(qualifier), position, scope)
        }
        return item.columns
    }

    /// `(composite).*`.
    private func expandRow(_ base: Expression, _ steps: [Indirection], _ scope: Scope, at position: Int32)
        throws(EngineError) -> [BoundTarget]
    {
        let value =
            steps.isEmpty ? try bind(base, scope) : try bindIndirection(base, steps, scope, at: position)
        if case .row(let items) = value {
            return items.enumerated().map { index, item in
                let name =
                    item.variableID.map { Name(context.info($0).name) } ?? Name(staticBytes("f") + decimal(index + 1))
                return BoundTarget(expression: item, name: name, position: position)
            }
        }
        if case .call(let call) = value, let names = recordColumns(of: call) {
            return names.enumerated().map { index, column in
                BoundTarget(
                    expression: .field(value, index, column.type), name: Name(column.name), position: position)
            }
        }
        throw error(
            .wrongObjectType, "type \(TypeNames.string(value.type.oid)) is not composite", at: position)
    }

    /// The name PostgreSQL gives to an unnamed select item; nil: `?column?`.
    func columnName(_ expression: Expression) -> Name? {
        switch expression.kind {
        case .column(let parts): return parts.last
        case .function(let call):
            return call.syntax == .trimBoth ? "btrim" : call.name.name
        case .cast(let operand, let type):
            // A cast's own name is weaker than that of what it casts, stronger than that of a cast below it.
            return hasStrongName(operand) ? columnName(operand) : type.name.name
        case .collate(let operand, _): return columnName(operand)
        case .indirection(let base, let steps):
            for step in steps.reversed() { if case .field(let name) = step { return name } }
            return columnName(base)
        case .caseWhen(let node): return node.otherwise.flatMap { columnName($0) } ?? "case"
        case .coalesce: return "coalesce"
        case .nullIf: return "nullif"
        case .greatest: return "greatest"
        case .least: return "least"
        case .array, .arraySubquery: return "array"
        case .row(_, let explicit): return explicit ? "row" : "row"
        case .exists: return "exists"
        case .grouping: return "grouping"
        case .scalarSubquery(let query):
            if case .select(let core) = firstCore(query.body), let first = core.targets.first {
                return first.alias ?? columnName(first.expression)
            }
            return nil
        case .literal(.boolean): return "bool"
        case .sqlValue(let function, _): return sqlValueName(function)
        default: return nil
        }
    }
    private func hasStrongName(_ expression: Expression) -> Bool {
        switch expression.kind {
        case .cast, .literal: false
        case .collate(let operand, _): hasStrongName(operand)
        case .caseWhen(let node): node.otherwise.map { hasStrongName($0) } ?? false
        default: columnName(expression) != nil
        }
    }
    private func firstCore(_ body: QueryBody) -> QueryBody {
        switch body {
        case .setOperation(let first, _): return firstCore(first)
        case .nested(let query): return firstCore(query.body)
        default: return body
        }
    }
    private func sqlValueName(_ function: SQLValueFunction) -> Name {
        switch function {
        case .currentDate: "current_date"
        case .currentTime: "current_time"
        case .currentTimestamp: "current_timestamp"
        case .localTime: "localtime"
        case .localTimestamp: "localtimestamp"
        case .currentRole: "current_role"
        case .currentUser: "current_user"
        case .user: "user"
        case .sessionUser: "session_user"
        case .currentCatalog: "current_catalog"
        case .currentSchema: "current_schema"
        }
    }
}

extension Logical {
    /// Grouped, so that rows are not a table's rows any more.
    var isAggregated: Bool {
        switch self {
        case .aggregate, .window, .projectSet: true
        case .filter(let input, _): input.isAggregated
        default: false
        }
    }
}

extension Expression {
    /// Where the expression's text begins: operators and casts stand behind their first operand.
    var start: Int32 {
        switch kind {
        case .cast(let operand, _): operand.start >= 0 ? min(operand.start, position) : position
        case .infix(_, let left, _): left.start
        case .chain(let first, _): first.start
        case .indirection(let base, _), .collate(let base, _): base.start
        default: position
        }
    }
}
