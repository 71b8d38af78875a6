// Lifts aggregates, window calls and set-returning calls out of a select's expressions into nodes of their own.

import Platform
import SQLSyntax
import SQLTypes

/// Everything in a select that is evaluated above FROM and WHERE.
struct SelectExpressions {
    var targets: [BoundExpression]
    var having: BoundExpression?
    var sortKeys: [SortKey]
    var distinctOn: [BoundExpression]

    mutating func rewrite(
        _ body: (BoundExpression) throws(EngineError) -> BoundExpression
    ) throws(EngineError) {
        for index in targets.indices { targets[index] = try body(targets[index]) }
        if let condition = having { having = try body(condition) }
        for index in sortKeys.indices { sortKeys[index].expression = try body(sortKeys[index].expression) }
        for index in distinctOn.indices { distinctOn[index] = try body(distinctOn[index]) }
    }
    func contains(_ test: (BoundExpression) -> Bool) -> Bool {
        for target in targets where target.contains(test) { return true }
        if let having, having.contains(test) { return true }
        for key in sortKeys where key.expression.contains(test) { return true }
        for key in distinctOn where key.contains(test) { return true }
        return false
    }
}

extension Binder {
    /// Puts an Aggregate (and HAVING's filter) above `plan` if the select groups or aggregates.
    func aggregate(
        _ plan: Logical, _ groups: [BoundExpression], _ all: inout SelectExpressions, _ scope: Scope, hasGroupBy: Bool
    ) throws(EngineError) -> Logical {
        var windowsAggregate = false
        for window in scope.windows {
            for part in window.partitionBy where part.containsAggregate { windowsAggregate = true }
            for key in window.orderBy where key.expression.containsAggregate { windowsAggregate = true }
        }
        let hasAggregates = all.contains { if case .aggregate = $0 { true } else { false } } || windowsAggregate
        if !hasAggregates && !hasGroupBy && all.having == nil { return plan }

        var keys: [ProjectItem] = []
        for group in groups {
            let column = group.variableID ?? context.newColumn([], group.type)
            keys.append(ProjectItem(column: column, expression: group))
        }
        try addDependentKeys(&keys, all, scope)
        var aggregates: [AggregateItem] = []
        let levels = Set(localColumns(scope))
        func lift(_ expression: BoundExpression) throws(EngineError) -> BoundExpression {
            try expression.replacing { (node) throws(EngineError) -> BoundExpression? in
                for key in keys where key.expression.isSame(as: node) { return context.variable(key.column) }
                if case .aggregate(let call) = node {
                    for item in aggregates where BoundExpression.aggregate(item.call).isSame(as: node) {
                        return context.variable(item.column)
                    }
                    let column = context.newColumn(call.function.name.array, call.type)
                    aggregates.append(AggregateItem(column: column, call: call))
                    return context.variable(column)
                }
                if case .variable(let id, _) = node, levels.contains(id.rawValue) { throw ungrouped(id) }
                if case .subquery(let query) = node {
                    try checkSubquery(query, keys, levels)
                    return nil
                }
                return nil
            }
        }
        try all.rewrite { (expression) throws(EngineError) in try lift(expression) }
        for index in scope.windows.indices {
            for part in scope.windows[index].partitionBy.indices {
                scope.windows[index].partitionBy[part] = try lift(scope.windows[index].partitionBy[part])
            }
            for key in scope.windows[index].orderBy.indices {
                scope.windows[index].orderBy[key].expression = try lift(scope.windows[index].orderBy[key].expression)
            }
        }
        var result = Logical.aggregate(AggregateRelation(input: plan, keys: keys, aggregates: aggregates))
        if let having = all.having { result = .filter(result, [having]) }
        all.having = nil
        return result
    }

    func localColumns(_ scope: Scope) -> [Int] {
        var columns: [Int] = []
        for item in scope.items {
            for column in item.columns {
                column.expression.forEach { if let id = $0.variableID { columns.append(id.rawValue) } }
            }
            if let ctid = item.node?.ctid { columns.append(ctid.rawValue) }
            if let oid = item.node?.tableOID { columns.append(oid.rawValue) }
        }
        return columns
    }

    private func ungrouped(_ id: ColumnID) -> EngineError {
        let info = context.info(id)
        let name = info.qualifier.isEmpty ? text(info.name) : "\(text(info.qualifier)).\(text(info.name))"
        return error(
            .groupingError,
            "column \"\(name)\" must appear in the GROUP BY clause or be used in an aggregate function",
            at: context.mentions[id.rawValue] ?? -1)
    }

    /// A subquery above the grouping may use group keys of this level only.
    private func checkSubquery(_ query: SubqueryExpression, _ keys: [ProjectItem], _ levels: Set<Int>)
        throws(EngineError)
    {
        for free in query.input.freeVariables() where levels.contains(free.rawValue) {
            if keys.contains(where: { $0.column == free }) { continue }
            let info = context.info(free)
            throw error(
                .groupingError,
                "subquery uses ungrouped column \"\(text(info.qualifier)).\(text(info.name))\" from outer query",
                at: context.mentions[free.rawValue] ?? -1)
        }
    }

    /// Columns of a table whose primary key is grouped by depend on the group: they become keys too.
    private func addDependentKeys(_ keys: inout [ProjectItem], _ all: SelectExpressions, _ scope: Scope)
        throws(EngineError)
    {
        for item in scope.items {
            guard let node = item.node, let primary = node.table.primaryKey else { continue }
            var isDetermined = true
            for column in primary.keyColumns {
                guard column.number > 0, let id = node.columns[Int(column.number) - 1],
                    keys.contains(where: { $0.expression.variableID == id })
                else {
                    isDetermined = false
                    break
                }
            }
            if !isDetermined { continue }
            for column in node.columns {
                guard let column, !keys.contains(where: { $0.expression.variableID == column }) else { continue }
                let isUsed = all.contains { node in
                    if case .subquery(let query) = node { return query.input.freeVariables().contains(column) }
                    return node.variableID == column
                }
                if isUsed { keys.append(ProjectItem(column: column, expression: context.variable(column))) }
            }
        }
    }

    // MARK: - Windows

    /// The index of the window that OVER means, in scope.windows.
    func bindWindow(_ over: WindowReference, _ scope: Scope, at position: Int32) throws(EngineError) -> Int {
        switch over {
        case .named(let name):
            for (index, window) in scope.windows.enumerated() where window.name == name { return index }
            throw error(.undefinedObject, "window \"\(name.text)\" does not exist", at: position)
        case .definition(let definition): return try defineWindow(definition, scope)
        }
    }

    func defineWindow(_ definition: WindowDefinition, _ scope: Scope) throws(EngineError) -> Int {
        var window = WindowBinding(
            name: definition.name, partitionBy: [], orderBy: [], frame: BoundFrame(), hasFrame: false)
        let clause = scope.clause
        scope.clause = .windowArgument
        defer { scope.clause = clause }
        if let base = definition.base {
            guard let found = scope.windows.first(where: { $0.name == base }) else {
                throw error(.undefinedObject, "window \"\(base.text)\" does not exist", at: definition.position)
            }
            if !definition.partitionBy.isEmpty {
                throw error(
                    "42P20", "cannot override PARTITION BY clause of window \"\(base.text)\"", at: definition.position)
            }
            if !definition.orderBy.isEmpty, !found.orderBy.isEmpty {
                throw error(
                    "42P20", "cannot override ORDER BY clause of window \"\(base.text)\"", at: definition.position)
            }
            window.partitionBy = found.partitionBy
            window.orderBy = found.orderBy
        }
        for item in definition.partitionBy {
            window.partitionBy.append(try resolveUnknown(bind(item, scope), at: item.position))
        }
        if !definition.orderBy.isEmpty { window.orderBy = try bindSortItems(definition.orderBy, scope) }
        if let frame = definition.frame {
            window.hasFrame = true
            window.frame = try bindFrame(frame, window, scope, at: definition.position)
        }
        scope.windows.append(window)
        return scope.windows.count - 1
    }

    private func bindFrame(
        _ frame: SQLSyntax.WindowFrame, _ window: WindowBinding, _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundFrame {
        var bound = BoundFrame()
        switch frame.mode {
        case .rows: bound.unit = .rows
        case .range: bound.unit = .range
        case .groups: bound.unit = .groups
        }
        switch frame.exclusion {
        case .noOthers: bound.exclusion = .none
        case .currentRow: bound.exclusion = .currentRow
        case .group: bound.exclusion = .group
        case .ties: bound.exclusion = .ties
        }
        if frame.mode == .groups, window.orderBy.isEmpty {
            throw error("42P20", "GROUPS mode requires an ORDER BY clause", at: position)
        }
        func offset(_ expression: Expression) throws(EngineError) -> BoundExpression {
            let value = try self.bind(expression, isolated(scope))
            if frame.mode == .range {
                if window.orderBy.count != 1 {
                    throw error(
                        "42P20",
                        "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column", at: position)
                }
                let key = window.orderBy[0].expression.type
                let isTime = key.oid == .timestamp || key.oid == .timestamptz || key.oid == .date || key.oid == .time
                return try tryCoerce(value, to: SQLType(isTime ? .interval : key.oid), .implicit, at: position) ?? value
            }
            return try coerceBigint(value, frame.mode == .rows ? "ROWS" : "GROUPS", at: expression.position)
        }
        func bind(bound side: SQLSyntax.WindowFrame.Bound) throws(EngineError) -> BoundFrame.Bound {
            switch side {
            case .unboundedPreceding: return .unboundedPreceding
            case .unboundedFollowing: return .unboundedFollowing
            case .currentRow: return .currentRow
            case .preceding(let expression): return .preceding(try offset(expression))
            case .following(let expression): return .following(try offset(expression))
            }
        }
        bound.start = try bind(bound: frame.start)
        if let end = frame.end { bound.end = try bind(bound: end) }
        return bound
    }

    /// One Window node per window that is used.
    func windows(_ plan: Logical, _ all: inout SelectExpressions, _ scope: Scope) throws(EngineError) -> Logical {
        if !all.contains({ if case .window = $0 { true } else { false } }) { return plan }
        var lifted: [(column: ColumnID, call: WindowCall)] = []
        try all.rewrite { (expression) throws(EngineError) in
            try expression.replacing { (node) throws(EngineError) -> BoundExpression? in
                guard case .window(let call) = node else { return nil }
                let column = context.newColumn(call.function.name.array, call.type)
                lifted.append((column, call))
                return context.variable(column)
            }
        }
        var result = plan
        for (index, window) in scope.windows.enumerated() {
            let calls = lifted.filter { $0.call.window == index }
            if calls.isEmpty { continue }
            result = .window(
                WindowRelation(
                    input: result, partitionBy: window.partitionBy, orderBy: window.orderBy,
                    frame: try withRangeKeys(window), calls: calls))
        }
        return result
    }

    /// RANGE with offsets: the order key and the frame's edges, in a type in which edges beyond the key's own type exist.
    private func withRangeKeys(_ window: WindowBinding) throws(EngineError) -> BoundFrame {
        var frame = window.frame
        guard frame.unit == .range, !frame.expressions.isEmpty, let item = window.orderBy.first else { return frame }
        let wide: TypeOID =
            switch item.expression.type.oid {
            case .int2, .int4, .int8, .numeric: .numeric
            case .float4, .float8: .float8
            case .date, .timestamp: .timestamp
            case .timestamptz: .timestamptz
            case .time, .interval: .interval
            default: .none
            }
        let name = TypeNames.string(item.expression.type.oid)
        if wide == .none {
            throw EngineError(
                .featureNotSupported,
                "RANGE with offset PRECEDING/FOLLOWING is not supported for column type \(name)")
        }
        let key = try explicitCast(item.expression, to: SQLType(wide), at: -1)
        func edge(_ offset: BoundExpression, forward: Bool) throws(EngineError) -> BoundExpression {
            let symbol = forward != item.isDescending ? staticBytes("+") : staticBytes("-")
            let isTime = wide == .timestamp || wide == .timestamptz
            guard let length = try tryCoerce(offset, to: SQLType(isTime ? .interval : wide), .implicit, at: -1) else {
                throw EngineError(
                    .featureNotSupported,
                    "RANGE with offset PRECEDING/FOLLOWING is not supported for column type \(name) and offset type \(TypeNames.string(offset.type.oid))",
                    hint: "Cast the offset value to an appropriate type.")
            }
            return .call(try operatorCall(symbol, key, length, at: -1))
        }
        func edge(_ bound: BoundFrame.Bound) throws(EngineError) -> BoundExpression? {
            switch bound {
            case .preceding(let offset): return try edge(offset, forward: false)
            case .following(let offset): return try edge(offset, forward: true)
            default: return nil
            }
        }
        frame.range = BoundFrame.RangeKeys(key: key, start: try edge(frame.start), end: try edge(frame.end))
        return frame
    }

    // MARK: - Set-returning functions in the select list

    func projectSets(_ plan: Logical, _ all: inout SelectExpressions) throws(EngineError) -> Logical {
        if !all.contains({ if case .call(let call) = $0 { call.function.returnsSet } else { false } }) { return plan }
        if all.contains({ if case .call(let call) = $0 { recordColumns(of: call) != nil } else { false } }) {
            return try joinRecordSets(plan, &all)
        }
        var items: [ProjectItem] = []
        var replacements: [(expression: BoundExpression, column: ColumnID)] = []
        try all.rewrite { (expression) throws(EngineError) in
            try expression.rewritten { (node) throws(EngineError) in
                guard case .call(let call) = node, call.function.returnsSet else { return node }
                for known in replacements where known.expression.isSame(as: node) {
                    return context.variable(known.column)
                }
                for argument in call.arguments
                where argument.contains({ inner in
                    replacements.contains { $0.column == inner.variableID }
                }) {
                    throw EngineError.notSupported("nesting set-returning functions", position: call.position)
                }
                let column = context.newColumn(call.function.name.array, call.type)
                items.append(ProjectItem(column: column, expression: node))
                replacements.append((node, column))
                return context.variable(column)
            }
        }
        let passed = plan.outputs.map { ProjectItem(column: $0, expression: context.variable($0)) }
        return .projectSet(plan, passed + items)
    }

    /// Set-returning functions with several columns, of which fields are selected: a lateral join with ROWS FROM, which
    /// is the same thing.
    private func joinRecordSets(_ plan: Logical, _ all: inout SelectExpressions) throws(EngineError) -> Logical {
        var items: [FunctionScan.Item] = []
        var columns: [ColumnID] = []
        var known: [(call: BoundExpression, columns: [ColumnID])] = []
        func outputs(of node: BoundExpression, _ call: BoundCall) -> [ColumnID] {
            for entry in known where entry.call.isSame(as: node) { return entry.columns }
            let list = recordColumns(of: call) ?? [RecordColumn(name: call.function.name.array, type: call.type)]
            let made = list.map { context.newColumn($0.name, $0.type) }
            items.append(FunctionScan.Item(call: call, columnCount: made.count))
            columns.append(contentsOf: made)
            known.append((node, made))
            return made
        }
        try all.rewrite { (expression) throws(EngineError) in
            try expression.replacing { (node) throws(EngineError) -> BoundExpression? in
                if case .field(let inner, let index, _) = node, case .call(let call) = inner, call.function.returnsSet {
                    return context.variable(outputs(of: inner, call)[index])
                }
                guard case .call(let call) = node, call.function.returnsSet else { return nil }
                let made = outputs(of: node, call).map { context.variable($0) }
                return made.count == 1 ? made[0] : .row(made)
            }
        }
        let function = Logical.function(
            FunctionNode(items: items, alias: [], columns: columns, hasOrdinality: false))
        return .join(JoinRelation(kind: .inner, left: plan, right: function, conditions: []))
    }
}
