// The passes over a logical tree before physical planning, and which columns are really read.

import Platform
import SQLTypes

struct LogicalPasses {
    let context: StatementContext
    let estimator: Estimator

    /// All rewriting, in order.
    func run(_ plan: Logical) throws(EngineError) -> Logical {
        var tree = try simplified(plan)
        tree = try inlined(tree)
        tree = try Unnest(context: context, estimator: estimator).rewrite(tree)
        return try pushed(tree)
    }

    /// Simplifies every expression, in subqueries too.
    private func simplified(_ plan: Logical) throws(EngineError) -> Logical {
        let simplifier = Simplifier(context: context)
        return try everywhere(plan) { (node) throws(EngineError) in
            try node.mapExpressions { (expression) throws(EngineError) in simplifier.simplify(expression) }
        }
    }

    private func pushed(_ plan: Logical) throws(EngineError) -> Logical {
        let pushdown = Pushdown(context: context)
        let inside = try plan.mapSubqueries { (inner) throws(EngineError) in try pushed(inner) }
        return pushdown.push([], into: inside)
    }

    /// Applies `body` to every node, leaves first, subqueries' trees included.
    func everywhere(_ plan: Logical, _ body: (Logical) throws(EngineError) -> Logical) throws(EngineError) -> Logical {
        try context.checkStack()
        var inputs: [Logical] = []
        for input in plan.inputs { inputs.append(try everywhere(input, body)) }
        let node = try plan.replacingInputs(inputs).mapExpressions { (expression) throws(EngineError) in
            try expression.mapSubqueries { (inner) throws(EngineError) in try everywhere(inner, body) }
        }
        return try body(node)
    }

    // MARK: - WITH queries

    /// Replaces references to WITH queries used once by the queries themselves.
    func inlined(_ plan: Logical) throws(EngineError) -> Logical {
        if context.commonTables.isEmpty { return plan }
        var counts = [Int](repeating: 0, count: context.commonTables.count)
        count(plan, &counts)
        for table in context.commonTables { if let input = table.input { count(input, &counts) } }
        // Later ones may refer to earlier ones only, so going backwards every definition is complete when it moves.
        var tree = plan
        for index in context.commonTables.indices.reversed() {
            let table = context.commonTables[index]
            guard let input = table.input, counts[index] == 1, !table.isForced, !isVolatile(input) else { continue }
            var isRecursive = false
            if case .recursive = input { isRecursive = true }
            if isRecursive { continue }
            tree = try substitute(index, input, table.columns, in: tree)
            for later in context.commonTables.indices where later != index {
                if let other = context.commonTables[later].input {
                    context.commonTables[later].input = try substitute(index, input, table.columns, in: other)
                }
            }
            context.commonTables[index].input = nil
        }
        return tree
    }

    private func count(_ plan: Logical, _ counts: inout [Int]) {
        if case .commonTable(let reference) = plan, !reference.isWorkTable { counts[reference.index] += 1 }
        for input in plan.inputs { count(input, &counts) }
        for expression in plan.ownExpressions {
            var subqueries: [Logical] = []
            expression.forEach { if case .subquery(let query) = $0 { subqueries.append(query.input) } }
            for subquery in subqueries { count(subquery, &counts) }
        }
    }

    private func isVolatile(_ plan: Logical) -> Bool {
        for expression in plan.ownExpressions where expression.volatility == .volatile { return true }
        for input in plan.inputs where isVolatile(input) { return true }
        return false
    }

    private func substitute(_ index: Int, _ input: Logical, _ columns: [ColumnID], in plan: Logical)
        throws(EngineError) -> Logical
    {
        try everywhere(plan) { (node) throws(EngineError) in
            guard case .commonTable(let reference) = node, reference.index == index, !reference.isWorkTable else {
                return node
            }
            var items: [ProjectItem] = []
            for (place, column) in reference.columns.enumerated() {
                items.append(ProjectItem(column: column, expression: context.variable(columns[place])))
                let source = context.info(columns[place])
                context.columns[column.rawValue].table = source.table
                context.columns[column.rawValue].number = source.number
                context.columns[column.rawValue].originTable = source.originTable
            }
            return .project(input, items)
        }
    }

    // MARK: - Pruning

    /// Drops projected columns that nothing above reads.
    func pruned(_ plan: Logical, _ required: ColumnSet) throws(EngineError) -> Logical {
        try context.checkStack()
        var needed = required
        var node = plan
        switch plan {
        case .project(let input, let items):
            var kept = items.filter { required.contains($0.column) }
            if kept.isEmpty, let first = items.first { kept = [first] }
            node = .project(input, kept)
            needed = ColumnSet()
        case .aggregate(var aggregate):
            aggregate.aggregates = aggregate.aggregates.filter { required.contains($0.column) }
            node = .aggregate(aggregate)
            needed = ColumnSet()
        case .setOperation(let set):
            var inputs: [Logical] = []
            for (index, input) in set.inputs.enumerated() {
                inputs.append(try pruned(input, ColumnSet(set.inputColumns[index])))
            }
            return plan.replacingInputs(inputs)
        case .recursive(let recursive):
            return plan.replacingInputs([
                try pruned(recursive.start, ColumnSet(recursive.startColumns)),
                try pruned(recursive.step, ColumnSet(recursive.stepColumns)),
            ])
        case .join(let join):
            // A lateral right side reads columns of the left one that nobody above may want.
            needed = needed.union(join.right.freeSet())
        case .distinct(let input, let on):
            if on.isEmpty { needed = ColumnSet(input.outputs) }
        case .lockRows(let input, _):
            // Rechecking conditions wants their columns.
            needed = ColumnSet(input.outputs)
        default: break
        }
        for expression in node.ownExpressions { expression.collect(&needed) }
        let pruned = try node.mapExpressions { (expression) throws(EngineError) in
            try expression.mapSubqueries(withColumns: { (inner, columns) throws(EngineError) in
                try self.pruned(inner, ColumnSet(columns))
            })
        }
        var inputs: [Logical] = []
        for input in pruned.inputs { inputs.append(try self.pruned(input, needed)) }
        return pruned.replacingInputs(inputs)
    }

    /// Every column that some expression in the tree reads.
    func used(_ plan: Logical, _ set: inout ColumnSet) {
        for expression in plan.ownExpressions {
            expression.collect(&set)
            var subqueries: [SubqueryExpression] = []
            expression.forEach { if case .subquery(let query) = $0 { subqueries.append(query) } }
            for query in subqueries {
                for column in query.columns { set.insert(column) }
                used(query.input, &set)
            }
        }
        switch plan {
        case .setOperation(let relation):
            for columns in relation.inputColumns { for column in columns { set.insert(column) } }
        case .recursive(let recursive):
            for column in recursive.startColumns + recursive.stepColumns { set.insert(column) }
        case .distinct(let input, _): for column in input.outputs { set.insert(column) }
        case .lockRows(_, let targets):
            for target in targets { for case let column? in target.node.columns { set.insert(column) } }
        default: break
        }
        for input in plan.inputs { used(input, &set) }
    }
}

extension BoundExpression {
    /// Rewrites the trees of the subqueries in it.
    func mapSubqueries(_ body: (Logical) throws(EngineError) -> Logical) throws(EngineError) -> BoundExpression {
        try mapSubqueries(withColumns: { (inner, _) throws(EngineError) in try body(inner) })
    }
    func mapSubqueries(withColumns body: (Logical, [ColumnID]) throws(EngineError) -> Logical)
        throws(EngineError) -> BoundExpression
    {
        if !containsSubquery { return self }
        return try rewritten { (node) throws(EngineError) in
            guard case .subquery(let query) = node else { return node }
            return .subquery(
                SubqueryExpression(
                    kind: query.kind, input: try body(query.input, query.columns), columns: query.columns,
                    left: query.left, test: query.test, type: query.type))
        }
    }
}

extension Logical {
    /// Rewrites the subqueries in all expressions of the tree.
    func mapSubqueries(_ body: (Logical) throws(EngineError) -> Logical) throws(EngineError) -> Logical {
        var new: [Logical] = []
        for input in inputs { new.append(try input.mapSubqueries(body)) }
        return try replacingInputs(new).mapExpressions { (expression) throws(EngineError) in
            try expression.mapSubqueries(body)
        }
    }
}
