// Subqueries become joins (Neumann and Kemper, BTW 2015, for the cases that pay; PostgreSQL's pull-up for the rest).
//
// EXISTS and IN at the top of a WHERE become semi-joins, NOT EXISTS an anti-join; correlated conditions move from the
// subquery into the join. A scalar subquery that aggregates over an equality correlation becomes a left join with a
// grouped aggregate. What does not fit stays a subplan, which is always right.

import Platform
import SQLTypes

struct Unnest {
    let context: StatementContext
    let estimator: Estimator

    func rewrite(_ plan: Logical) throws(EngineError) -> Logical {
        try context.checkStack()
        var inputs: [Logical] = []
        for input in plan.inputs { inputs.append(try rewrite(input)) }
        let node = try plan.replacingInputs(inputs).mapExpressions { (expression) throws(EngineError) in
            try rewriteInside(expression)
        }
        switch node {
        case .filter(let input, let conditions): return try unnestFilter(input, conditions)
        case .project(let input, let items):
            var current = input
            var new: [ProjectItem] = []
            for item in items {
                new.append(
                    ProjectItem(column: item.column, expression: try scalarToJoin(item.expression, &current)))
            }
            return .project(current, new)
        default: return node
        }
    }

    /// Subqueries' own trees.
    private func rewriteInside(_ expression: BoundExpression) throws(EngineError) -> BoundExpression {
        try expression.rewritten { (node) throws(EngineError) in
            guard case .subquery(let query) = node else { return node }
            return .subquery(
                SubqueryExpression(
                    kind: query.kind, input: try rewrite(query.input), columns: query.columns, left: query.left,
                    test: query.test, type: query.type))
        }
    }

    private func unnestFilter(_ input: Logical, _ conditions: [BoundExpression]) throws(EngineError) -> Logical {
        var plan = input
        var rest: [BoundExpression] = []
        for condition in Pushdown(context: context).split(conditions) {
            if let joined = toJoin(condition, plan) {
                plan = joined
            } else {
                rest.append(try scalarToJoin(condition, &plan))
            }
        }
        return rest.isEmpty ? plan : .filter(plan, rest)
    }

    private func toJoin(_ condition: BoundExpression, _ plan: Logical) -> Logical? {
        switch condition {
        case .subquery(let query) where query.kind == .exists:
            return existential(query, [], plan, kind: .semi)
        case .not(.subquery(let query)) where query.kind == .exists:
            return existential(query, [], plan, kind: .anti)
        case .subquery(let query) where query.kind == .any:
            for left in query.left where left.containsSubquery { return nil }
            var tests: [BoundExpression] = []
            for (index, test) in query.test.enumerated() {
                tests.append(
                    .call(
                        BoundCall(
                            test.function, [query.left[index], context.variable(query.columns[index])],
                            type: test.type, position: test.position)))
            }
            return existential(query, tests, plan, kind: .semi)
        default: return nil
        }
    }

    private func existential(
        _ query: SubqueryExpression, _ tests: [BoundExpression], _ plan: Logical, kind: JoinKind
    ) -> Logical? {
        let outer = ColumnSet(plan.outputs)
        var conditions = tests
        guard let right = pullUp(query.input, outer, &conditions, isExistential: true) else { return nil }
        // Still correlated: a subplan does the same with less ado.
        if right.freeSet().intersects(outer) { return nil }
        // Conditions with subqueries of their own stay in a subplan.
        for condition in conditions where condition.containsSubquery { return nil }
        return .join(JoinRelation(kind: kind, left: plan, right: right, conditions: conditions))
    }

    /// Moves correlated filters to `conditions`; with `isExistential` also removes what does not matter to whether there
    /// is a row: order and duplicates.
    private func pullUp(
        _ plan: Logical, _ outer: ColumnSet, _ conditions: inout [BoundExpression], isExistential: Bool
    ) -> Logical? {
        switch plan {
        case .filter(let input, let own):
            guard let inner = pullUp(input, outer, &conditions, isExistential: isExistential) else { return nil }
            var stay: [BoundExpression] = []
            for condition in Pushdown(context: context).split(own) {
                if condition.columns.intersects(outer) { conditions.append(condition) } else { stay.append(condition) }
            }
            return stay.isEmpty ? inner : .filter(inner, stay)
        case .project(let input, let items):
            for item in items where item.expression.containsSubquery || item.expression.volatility == .volatile {
                return plan
            }
            let pushdown = Pushdown(context: context)
            conditions = conditions.map { pushdown.substitute($0, items) }
            return pullUp(input, outer, &conditions, isExistential: isExistential)
        case .sort(let input, _) where isExistential:
            return pullUp(input, outer, &conditions, isExistential: isExistential)
        case .distinct(let input, let on) where on.isEmpty && isExistential:
            return pullUp(input, outer, &conditions, isExistential: isExistential)
        case .limit(let input, .constant(let datum, _)?, nil, _):
            // EXISTS (… LIMIT 1): any row is as good as the first.
            if isExistential, !datum.isNull, datum.int64 > 0 {
                return pullUp(input, outer, &conditions, isExistential: isExistential)
            }
            return plan
        case .join(var join) where join.kind == .inner:
            guard let left = pullUp(join.left, outer, &conditions, isExistential: isExistential),
                let right = pullUp(join.right, outer, &conditions, isExistential: isExistential)
            else { return nil }
            var stay: [BoundExpression] = []
            for condition in join.conditions {
                if condition.columns.intersects(outer) { conditions.append(condition) } else { stay.append(condition) }
            }
            join = JoinRelation(kind: .inner, left: left, right: right, conditions: stay)
            return .join(join)
        default: return plan
        }
    }

    // MARK: - Scalar aggregates

    /// Replaces correlated scalar aggregates in `expression` by columns of a left join below.
    private func scalarToJoin(_ expression: BoundExpression, _ plan: inout Logical) throws(EngineError)
        -> BoundExpression
    {
        if !expression.containsSubquery { return expression }
        var current = plan
        let result = try expression.replacing { (node) throws(EngineError) -> BoundExpression? in
            guard case .subquery(let query) = node, query.kind == .scalar else { return nil }
            return joinAggregate(query, &current)
        }
        plan = current
        return result
    }

    private func joinAggregate(_ query: SubqueryExpression, _ plan: inout Logical) -> BoundExpression? {
        let outer = ColumnSet(plan.outputs)
        guard query.input.freeSet().intersects(outer) else { return nil }
        var value = context.variable(query.columns[0])
        var node = query.input
        let pushdown = Pushdown(context: context)
        while case .project(let input, let items) = node {
            for item in items where item.expression.containsSubquery { return nil }
            value = pushdown.substitute(value, items)
            node = input
        }
        guard case .aggregate(let aggregate) = node, aggregate.keys.isEmpty, !aggregate.aggregates.isEmpty else {
            return nil
        }
        var conditions: [BoundExpression] = []
        guard let input = pullUp(aggregate.input, outer, &conditions, isExistential: false),
            !input.freeSet().intersects(outer), !conditions.isEmpty
        else { return nil }
        for item in aggregate.aggregates where BoundExpression.aggregate(item.call).columns.intersects(outer) {
            return nil
        }
        var keys: [ProjectItem] = []
        var on: [BoundExpression] = []
        let inner = ColumnSet(input.outputs)
        for condition in conditions {
            guard let comparison = context.comparison(condition), comparison.strategy == 3 else { return nil }
            var oriented = comparison
            if oriented.left.columns.intersects(outer) {
                guard let flipped = context.commuted(comparison) else { return nil }
                oriented = flipped
            }
            guard oriented.left.columns.isSubset(of: inner), !oriented.right.columns.intersects(inner),
                oriented.left.volatility != .volatile
            else { return nil }
            let key: ColumnID
            if let id = oriented.left.variableID { key = id } else { key = context.newColumn([], oriented.left.type) }
            if !keys.contains(where: { $0.column == key }) {
                keys.append(ProjectItem(column: key, expression: oriented.left))
            }
            var call = oriented.call
            call.arguments[0] = context.variable(key)
            on.append(.call(call))
        }
        if !estimator.prefersGrouping(outer: plan, inner: input, keys: keys) { return nil }
        let grouped = Logical.aggregate(
            AggregateRelation(input: input, keys: keys, aggregates: aggregate.aggregates))
        plan = .join(JoinRelation(kind: .left, left: plan, right: grouped, conditions: on))
        // A group that does not exist counts zero rows.
        var replacements: [ProjectItem] = []
        for item in aggregate.aggregates where bytesEqual(item.call.function.name.array, "count") {
            replacements.append(
                ProjectItem(
                    column: item.column,
                    expression: .coalesce(
                        [context.variable(item.column), .constant(Datum(Int64(0)), SQLType(.int8))], SQLType(.int8))))
        }
        return replacements.isEmpty ? value : pushdown.substitute(value, replacements)
    }
}
