// Physical planning of sorting, grouping, limits and sets.

import Platform
import SQLTypes

extension PhysicalPlanner {
    /// The sort keys as columns of the input; nil if some key is an expression.
    private func orderItems(_ keys: [SortKey]) -> [OrderItem] {
        var items: [OrderItem] = []
        for key in keys {
            guard let column = key.expression.variableID else { return [] }
            items.append(
                OrderItem(column: column, isDescending: key.isDescending, isNullsFirst: key.isNullsFirst))
        }
        return items
    }

    func planSort(_ input: Logical, _ keys: [SortKey], _ wish: Wish) throws(EngineError) -> Part {
        var effective: [SortKey] = []
        for key in keys where !key.expression.isConstant { effective.append(key) }
        if effective.isEmpty { return try plan(input, wish) }
        let wanted = orderItems(effective)
        let ordered = try plan(input, Wish(ordering: wanted, limit: wish.limit))
        if !wanted.isEmpty, satisfies(withoutFixed(ordered, wanted), wanted) { return ordered }
        let node = SortNode(child: ordered.node, keys: try lower(effective, ordered.columns))
        let work =
            wish.limit > 0 && wish.limit < ordered.rows
            ? Cost.topN(rows: ordered.rows, limit: wish.limit) : Cost.sort(rows: ordered.rows)
        let startup = ordered.cost + work
        set(
            node, startup: startup, total: startup + ordered.rows * Cost.operation, rows: ordered.rows,
            columns: ordered.columns)
        return Part(node: node, columns: ordered.columns, ordering: wanted)
    }

    /// The order with columns left out that an index fixed by equality: they are constant.
    private func withoutFixed(_ part: Part, _ wanted: [OrderItem]) -> [OrderItem] {
        var node = part.node
        while node is ProjectNode || node is FilterNode { node = node.children[0] }
        guard let scan = node as? IndexScan else { return part.ordering }
        var ordering: [OrderItem] = []
        for (index, item) in part.ordering.enumerated() {
            if index < scan.prefix.count, !wanted.contains(where: { $0.column == item.column }) { continue }
            ordering.append(item)
        }
        return ordering
    }

    func planLimit(
        _ input: Logical, _ count: BoundExpression?, _ offset: BoundExpression?, _ ties: [SortKey], _ wish: Wish
    ) throws(EngineError) -> Part {
        var limit = 0.0
        if case .constant(let datum, _)? = count, !datum.isNull { limit = max(Double(datum.int64), 1) }
        var skipped = 0.0
        if case .constant(let datum, _)? = offset, !datum.isNull { skipped = Double(datum.int64) }
        let wanted = limit > 0 ? limit + skipped : (count == nil ? 0 : 100)
        let child = try plan(input, Wish(ordering: wish.ordering, limit: wanted))
        let node = LimitNode(
            child: child.node, count: try count.map { (value) throws(EngineError) in try lower(value, []) },
            offset: try offset.map { (value) throws(EngineError) in try lower(value, []) },
            ties: try lower(ties, child.columns))
        let rows = limit > 0 ? min(limit, max(child.rows - skipped, 1)) : max(child.rows - skipped, 1)
        let fraction = min((rows + skipped) / max(child.rows, 1), 1)
        set(
            node, startup: child.startup + (child.cost - child.startup) * min(skipped / max(child.rows, 1), 1),
            total: child.startup + (child.cost - child.startup) * fraction, rows: rows, columns: child.columns)
        return Part(node: node, columns: child.columns, ordering: child.ordering)
    }

    func planDistinct(_ input: Logical, _ on: [BoundExpression], _ wish: Wish) throws(EngineError) -> Part {
        let child = try plan(input, on.isEmpty ? Wish.none : wish)
        let node = DistinctNode(child: child.node, sortedKeys: try lower(on, child.columns))
        let keys = on.isEmpty ? child.columns.map { context.variable($0) } : on
        let groups = estimator.groups(keys, rows: child.rows)
        let total = child.cost + child.rows * Cost.operation * Double(max(keys.count, 1))
        set(
            node, startup: on.isEmpty ? total : child.startup, total: total + groups * Cost.tuple, rows: groups,
            columns: child.columns)
        return Part(node: node, columns: child.columns, ordering: on.isEmpty ? [] : child.ordering)
    }

    // MARK: - Aggregation

    func planAggregate(_ aggregate: AggregateRelation, _ having: [BoundExpression], _ wish: Wish)
        throws(EngineError) -> Part
    {
        if aggregate.keys.isEmpty, having.isEmpty, let extremes = try extremesByIndex(aggregate) { return extremes }
        let keyColumns = aggregate.keys.compactMap { $0.expression.variableID }
        // Sorted input pays only when it comes for free.
        var wished = Wish.none
        if !aggregate.keys.isEmpty, keyColumns.count == aggregate.keys.count {
            wished.ordering = wish.ordering.filter { item in keyColumns.contains(item.column) }
        }
        let child = try plan(aggregate.input, wished)
        var isSorted = !aggregate.keys.isEmpty && keyColumns.count == aggregate.keys.count
        if isSorted {
            let leading = child.ordering.prefix(keyColumns.count).map { $0.column }
            isSorted = leading.count == keyColumns.count && keyColumns.allSatisfy { leading.contains($0) }
        }
        var calls: [AggregateCall] = []
        for item in aggregate.aggregates {
            guard case .aggregate(let call) = try lower(.aggregate(item.call), child.columns) else { continue }
            calls.append(call)
        }
        let columns = aggregate.keys.map { $0.column } + aggregate.aggregates.map { $0.column }
        let strategy: AggregateNode.Strategy =
            aggregate.keys.isEmpty ? .plain : isSorted ? .sorted : .hashed
        let node = AggregateNode(
            strategy: strategy, child: child.node, keys: try lower(aggregate.keys.map { $0.expression }, child.columns),
            aggregates: calls, having: try predicate(having, columns), output: output(columns))
        let groups =
            aggregate.keys.isEmpty
            ? 1 : estimator.groups(aggregate.keys.map { $0.expression }, rows: child.rows)
        let work = child.rows * Cost.operation * Double(calls.count + aggregate.keys.count)
        let total = child.cost + work
        set(
            node, startup: strategy == .sorted ? child.startup : total, total: total + groups * Cost.tuple,
            rows: groups * estimator.selectivity(having), columns: columns)
        var ordering: [OrderItem] = []
        if isSorted {
            for item in child.ordering.prefix(keyColumns.count) {
                guard let key = aggregate.keys.first(where: { $0.expression.variableID == item.column }) else { break }
                ordering.append(
                    OrderItem(
                        column: key.column, isDescending: item.isDescending, isNullsFirst: item.isNullsFirst))
            }
        }
        return Part(node: node, columns: columns, ordering: ordering)
    }

    /// min(x) and max(x) alone over one table: the first row of an index on x.
    private func extremesByIndex(_ aggregate: AggregateRelation) throws(EngineError) -> Part? {
        var items: [ProjectItem] = []
        if aggregate.aggregates.isEmpty { return nil }
        for item in aggregate.aggregates {
            let call = item.call
            let name = call.function.name.array
            let isMax = bytesEqual(name, "max")
            guard isMax || bytesEqual(name, "min"), call.arguments.count == 1, call.filter == nil,
                let column = call.arguments[0].variableID, context.info(column).table != nil,
                isTableOnly(aggregate.input), hasIndex(on: column)
            else { return nil }
            let input = Logical.filter(aggregate.input, [.isNull(context.variable(column), negated: true)])
            let one = Logical.limit(
                .sort(
                    Pushdown(context: context).push([], into: input),
                    [SortKey(context.variable(column), isDescending: isMax, isNullsFirst: isMax)]),
                count: .constant(Datum(Int64(1)), SQLType(.int8)), offset: nil, ties: [])
            let query = SubqueryExpression(
                kind: .scalar,
                input: .project(one, [ProjectItem(column: column, expression: context.variable(column))]),
                columns: [column], type: call.type)
            items.append(ProjectItem(column: item.column, expression: .subquery(query)))
        }
        return try plan(.project(.single, items), Wish.none)
    }
    private func isTableOnly(_ plan: Logical) -> Bool {
        switch plan {
        case .get: return true
        case .filter(let input, _): return isTableOnly(input)
        default: return false
        }
    }
    private func hasIndex(on column: ColumnID) -> Bool {
        let info = context.info(column)
        guard let table = info.table else { return false }
        for index in table.indexes where index.predicateText == nil && index.keyColumns[0].number == info.number {
            return true
        }
        return false
    }

    func planWindow(_ window: WindowRelation, _ wish: Wish) throws(EngineError) -> Part {
        let keys = window.partitionBy.map { SortKey($0) } + window.orderBy
        let child = try planSort(window.input, keys, Wish.none)
        var calls: [WindowCall] = []
        for item in window.calls {
            guard case .window(let call) = try lower(.window(item.call), child.columns) else { continue }
            calls.append(call)
        }
        var frame = window.frame
        func lowered(_ bound: BoundFrame.Bound) throws(EngineError) -> BoundFrame.Bound {
            switch bound {
            case .preceding(let offset): return .preceding(try lower(offset, []))
            case .following(let offset): return .following(try lower(offset, []))
            default: return bound
            }
        }
        frame.start = try lowered(frame.start)
        frame.end = try lowered(frame.end)
        if var keys = frame.range {
            keys.key = try lower(keys.key, child.columns)
            if let edge = keys.start { keys.start = try lower(edge, child.columns) }
            if let edge = keys.end { keys.end = try lower(edge, child.columns) }
            frame.range = keys
        }
        let columns = child.columns + window.calls.map { $0.column }
        let node = WindowNode(
            child: child.node, partitionBy: try lower(window.partitionBy, child.columns),
            orderBy: try lower(window.orderBy, child.columns), frame: frame, calls: calls, output: output(columns))
        set(
            node, startup: child.startup,
            total: child.cost + child.rows * Cost.operation * Double(calls.count + keys.count) + child.rows
                * Cost.tuple,
            rows: child.rows, columns: columns)
        return Part(node: node, columns: columns, ordering: child.ordering)
    }

    // MARK: - Sets

    func planSet(_ relation: SetRelation, _ wish: Wish) throws(EngineError) -> Part {
        var children: [PlanNode] = []
        var rows = 0.0
        var cost = 0.0
        for (index, input) in relation.inputs.enumerated() {
            let part = try exact(plan(input, Wish.none), relation.inputColumns[index])
            // UNION ALL chains flatten into one Append.
            if relation.kind == .unionAll, let inner = part.node as? AppendNode {
                children.append(contentsOf: inner.children)
            } else {
                children.append(part.node)
            }
            rows += part.rows
            cost += part.cost
        }
        let columns = relation.columns
        let node: PlanNode
        switch relation.kind {
        case .unionAll: node = AppendNode(children: children, output: output(columns))
        case .intersect, .except:
            node = SetOperationNode(
                kind: relation.kind == .intersect ? .intersect : .except, isAll: relation.isAll, left: children[0],
                right: children[1], output: output(columns))
            rows = max(rows / 4, 1)
            cost += rows * Cost.tuple
        }
        set(node, startup: 0, total: cost + rows * Cost.tuple / 2, rows: rows, columns: columns)
        return Part(node: node, columns: columns)
    }

    func planRecursive(_ recursive: RecursiveRelation) throws(EngineError) -> Part {
        let start = try exact(plan(recursive.start, Wish.none), recursive.startColumns)
        while commonTableRows.count <= recursive.index { commonTableRows.append(100) }
        commonTableRows[recursive.index] = start.rows * 10
        let step = try exact(plan(recursive.step, Wish.none), recursive.stepColumns)
        let node = RecursiveUnionNode(
            index: recursive.index, isAll: recursive.isAll, start: start.node, step: step.node,
            output: output(recursive.columns))
        set(
            node, startup: 0, total: start.cost + step.cost * 10, rows: start.rows + step.rows * 10,
            columns: recursive.columns)
        return Part(node: node, columns: recursive.columns)
    }
}
