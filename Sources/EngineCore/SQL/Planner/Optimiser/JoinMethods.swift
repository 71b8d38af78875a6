// Ways to join two parts, by cost: hash join on equalities, nested loop over a parameterised right side (index lookups,
// LATERAL), nested loop over a materialised one.

import Platform
import SQLTypes

struct JoinInput {
    var kind: JoinKind
    var left: Part
    var right: Logical
    /// Conditions on the right side alone, applied in `rightPart` already.
    var rightOwn: [BoundExpression]
    var rightPart: Part
    /// Conditions over both.
    var on: [BoundExpression]
    var isLateral: Bool
}

extension PhysicalPlanner {
    func bestJoin(_ input: JoinInput) throws(EngineError) -> Part? {
        var best: Part?
        func consider(_ part: Part?) {
            guard let part else { return }
            if best == nil || part.cost < best!.cost { best = part }
        }
        if input.isLateral {
            return try lateralJoin(input)
        }
        consider(try hashJoin(input))
        if input.kind != .full && input.kind != .right { consider(try parameterisedJoin(input)) }
        if input.kind != .full && input.kind != .right, best == nil || input.left.rows * input.rightPart.rows < 10_000 {
            consider(try plainLoop(input))
        }
        return best
    }

    private func joinedRows(_ input: JoinInput) -> Double {
        estimator.joinRows(input.kind, input.left.rows, input.rightPart.rows, estimator.selectivity(input.on))
    }

    private func columns(_ kind: JoinKind, _ left: [ColumnID], _ right: [ColumnID]) -> [ColumnID] {
        kind == .semi || kind == .anti ? left : left + right
    }

    // MARK: - Hash join

    private func hashJoin(_ input: JoinInput) throws(EngineError) -> Part? {
        let leftColumns = ColumnSet(input.left.columns)
        let rightColumns = ColumnSet(input.rightPart.columns)
        var keys: [HashJoinNode.Key] = []
        var residual: [BoundExpression] = []
        for condition in input.on {
            if let key = try hashKey(condition, input, leftColumns, rightColumns) {
                keys.append(key)
            } else {
                residual.append(condition)
            }
        }
        // Without a key all rows are candidates for each other; only a full join, which no loop does, has to take that.
        if keys.isEmpty, input.kind != .full { return nil }
        let both = input.left.columns + input.rightPart.columns
        let node = HashJoinNode(
            kind: input.kind, left: input.left.node, right: input.rightPart.node, keys: keys,
            residual: try predicate(residual, both),
            output: output(columns(input.kind, input.left.columns, input.rightPart.columns)))
        let rows = joinedRows(input)
        let build = input.rightPart.rows * (Cost.operation * Double(keys.count) + Cost.tuple)
        let probe = input.left.rows * Cost.operation * Double(keys.count) * 1.5
        let startup = input.rightPart.cost + build + input.left.startup
        let total =
            startup + (input.left.cost - input.left.startup) + probe
            + rows * (Cost.tuple + Cost.operation * Double(residual.count))
        let result = columns(input.kind, input.left.columns, input.rightPart.columns)
        set(node, startup: startup, total: total, rows: rows, columns: result)
        return Part(node: node, columns: result)
    }

    private func hashKey(
        _ condition: BoundExpression, _ input: JoinInput, _ leftColumns: ColumnSet, _ rightColumns: ColumnSet
    ) throws(EngineError) -> HashJoinNode.Key? {
        if condition.containsSubquery || condition.volatility == .volatile { return nil }
        var isNullSafe = false
        var call: BoundCall
        switch condition {
        case .distinctFrom(let inner, true):
            isNullSafe = true
            call = inner
        case .call(let inner): call = inner
        default: return nil
        }
        guard call.arguments.count == 2, let entry = context.operators.entry(function: call.function.oid),
            entry.strategy == 3, entry.canHash || entry.left == entry.right
        else { return nil }
        var first = call.arguments[0]
        var second = call.arguments[1]
        if first.columns.intersects(rightColumns) {
            guard let flipped = context.operators.commutation(of: call.function.oid) else { return nil }
            call.function = flipped
            (first, second) = (second, first)
        }
        let leftUse = first.columns
        let rightUse = second.columns
        guard leftUse.intersects(leftColumns), !leftUse.intersects(rightColumns), rightUse.intersects(rightColumns),
            !rightUse.intersects(leftColumns)
        else { return nil }
        return HashJoinNode.Key(
            left: try lower(first, input.left.columns), right: try lower(second, input.rightPart.columns),
            equals: call.function, isNullSafe: isNullSafe)
    }

    // MARK: - Nested loops

    /// The right side planned with the join conditions as if the left row were constant: pays when an index serves them.
    private func parameterisedJoin(_ input: JoinInput) throws(EngineError) -> Part? {
        guard isIndexable(input.right) else { return nil }
        for condition in input.on where condition.containsSubquery || condition.volatility == .volatile { return nil }
        let inner = try planWith(input.right, input.rightOwn + input.on, Wish.none)
        var node = inner.node
        while node is ProjectNode || node is FilterNode { node = node.children[0] }
        guard node is IndexScan || node is RowIDScan || node is SystemScan else { return nil }
        if let system = node as? SystemScan, system.objectKey == nil { return nil }
        return try loop(input, inner, condition: [], rows: joinedRows(input), free: free(input.on))
    }
    private func isIndexable(_ plan: Logical) -> Bool {
        switch plan {
        case .get, .system: return true
        case .filter(let input, _), .project(let input, _): return isIndexable(input)
        default: return false
        }
    }

    private func free(_ conditions: [BoundExpression]) -> ColumnSet {
        var set = ColumnSet()
        for condition in conditions { condition.collect(&set) }
        return set
    }

    private func lateralJoin(_ input: JoinInput) throws(EngineError) -> Part? {
        if input.kind == .right || input.kind == .full { return nil }
        let inner: Part
        if input.kind == .inner, input.on.allSatisfy({ !$0.containsSubquery && $0.volatility != .volatile }) {
            inner = try planWith(input.right, input.rightOwn + input.on, Wish.none)
            return try loop(
                input, inner, condition: [], rows: input.left.rows * inner.rows,
                free: input.right.freeSet().union(free(input.on)))
        }
        inner = input.rightPart
        return try loop(
            input, inner, condition: input.on, rows: joinedRows(input), free: input.right.freeSet())
    }

    private func plainLoop(_ input: JoinInput) throws(EngineError) -> Part? {
        var inner = input.rightPart
        if !(inner.node is ValuesNode), !(inner.node is ResultNode), inner.rows > 1 || inner.cost > 1 {
            let kept = MaterializeNode(child: inner.node)
            kept.estimate = inner.node.estimate
            inner.node = kept
        }
        let both = input.left.columns + inner.columns
        let result = columns(input.kind, input.left.columns, inner.columns)
        let node = NestedLoopNode(
            kind: input.kind, left: input.left.node, right: inner.node, condition: try predicate(input.on, both),
            bindings: [], output: output(result))
        let rows = joinedRows(input)
        let pairs = input.left.rows * inner.rows
        let total =
            input.left.cost + inner.cost + pairs * (Cost.operation * Double(max(input.on.count, 1)) + Cost.operation)
            + rows * Cost.tuple
        set(node, startup: input.left.startup + inner.startup, total: total, rows: rows, columns: result)
        return Part(node: node, columns: result, ordering: input.left.ordering)
    }

    private func loop(
        _ input: JoinInput, _ inner: Part, condition: [BoundExpression], rows: Double, free: ColumnSet
    ) throws(EngineError) -> Part {
        let both = input.left.columns + inner.columns
        let result = columns(input.kind, input.left.columns, inner.columns)
        let node = NestedLoopNode(
            kind: input.kind, left: input.left.node, right: inner.node, condition: try predicate(condition, both),
            bindings: bindings(free, input.left.columns), output: output(result))
        let total = input.left.cost + input.left.rows * (inner.cost + Cost.operation) + rows * Cost.tuple
        set(node, startup: input.left.startup + inner.startup, total: total, rows: rows, columns: result)
        return Part(node: node, columns: result, ordering: input.left.ordering)
    }
}
