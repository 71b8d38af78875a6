// Moves conditions to where they apply first, and turns outer joins into inner ones where a condition above rejects the
// rows they would add (Galindo-Legaria and Rosenthal, TODS 1997).

import Platform
import SQLTypes

struct Pushdown {
    let context: StatementContext
    var simplifier: Simplifier { Simplifier(context: context) }

    /// `plan` with `conditions` applied at the lowest places, and its own filters pushed as well.
    func push(_ conditions: [BoundExpression], into plan: Logical) -> Logical {
        // Conditions are right wherever they stand.
        if context.isStackExhausted { return filtered(plan, conditions) }
        switch plan {
        case .filter(let input, let own): return push(conditions + split(own), into: input)
        case .project(let input, let items): return pushProject(conditions, input, items)
        case .projectSet(let input, let items):
            let passed = ColumnSet(items.filter { $0.expression.variableID == $0.column }.map { $0.column })
            let (below, above) = divide(conditions) { $0.columns.isSubset(of: passed) && !isVolatile($0) }
            return filtered(.projectSet(push(below, into: input), items), above)
        case .join(let join): return pushJoin(conditions, join)
        case .aggregate(var aggregate):
            let keys = ColumnSet(aggregate.keys.map { $0.column })
            let (below, above) = divide(conditions) {
                $0.columns.isSubset(of: keys) && !$0.containsSubquery && !isVolatile($0) && !aggregate.keys.isEmpty
            }
            let inner = below.map { substitute($0, aggregate.keys) }
            aggregate.input = push(inner, into: aggregate.input)
            return filtered(.aggregate(aggregate), above)
        case .distinct(let input, let on):
            if on.isEmpty { return .distinct(push(conditions, into: input), on: []) }
            return filtered(.distinct(push([], into: input), on: on), conditions)
        case .sort(let input, let keys): return .sort(push(conditions, into: input), keys)
        case .setOperation(var set):
            let (below, above) = divide(conditions) { !$0.containsSubquery && !isVolatile($0) }
            for index in set.inputs.indices {
                var items: [ProjectItem] = []
                for (place, column) in set.columns.enumerated() {
                    items.append(
                        ProjectItem(column: column, expression: context.variable(set.inputColumns[index][place])))
                }
                set.inputs[index] = push(below.map { substitute($0, items) }, into: set.inputs[index])
            }
            return filtered(.setOperation(set), above)
        case .empty, .single, .get, .system, .function, .values, .commonTable: return filtered(plan, conditions)
        case .limit, .window, .recursive, .lockRows:
            return filtered(plan.replacingInputs(plan.inputs.map { push([], into: $0) }), conditions)
        }
    }

    func split(_ conditions: [BoundExpression]) -> [BoundExpression] {
        var parts: [BoundExpression] = []
        for condition in conditions {
            if case .and(let items) = condition {
                parts.append(contentsOf: split(items))
            } else {
                parts.append(condition)
            }
        }
        return parts
    }

    func isVolatile(_ expression: BoundExpression) -> Bool { expression.volatility == .volatile }

    private func divide(_ list: [BoundExpression], _ test: (BoundExpression) -> Bool)
        -> ([BoundExpression], [BoundExpression])
    {
        var yes: [BoundExpression] = []
        var no: [BoundExpression] = []
        for item in list { if test(item) { yes.append(item) } else { no.append(item) } }
        return (yes, no)
    }

    func filtered(_ plan: Logical, _ conditions: [BoundExpression]) -> Logical {
        var kept: [BoundExpression] = []
        for condition in conditions where !condition.isTrue {
            if condition.isFalseOrNull { return .empty(plan.outputs) }
            if !kept.contains(where: { $0.isSame(as: condition) }) { kept.append(condition) }
        }
        return kept.isEmpty ? plan : .filter(plan, kept)
    }

    func substitute(_ expression: BoundExpression, _ items: [ProjectItem]) -> BoundExpression {
        let result = try? expression.replacing { (node) throws(EngineError) -> BoundExpression? in
            guard let id = node.variableID else { return nil }
            for item in items where item.column == id { return item.expression }
            return nil
        }
        return simplifier.simplify(result ?? expression)
    }

    private func pushProject(_ conditions: [BoundExpression], _ input: Logical, _ items: [ProjectItem]) -> Logical {
        var computed = ColumnSet()
        for item in items where item.expression.variableID != item.column {
            if isVolatile(item.expression) || item.expression.containsSubquery { computed.insert(item.column) }
        }
        let made = ColumnSet(items.filter { $0.expression.variableID != $0.column }.map { $0.column })
        let (below, above) = divide(conditions) {
            // A condition with subqueries refers to columns inside them, where substitution does not reach.
            !$0.columns.intersects(computed) && (!$0.containsSubquery || !$0.columns.intersects(made))
        }
        return filtered(.project(push(below.map { substitute($0, items) }, into: input), items), above)
    }

    // MARK: - Joins

    private func pushJoin(_ conditions: [BoundExpression], _ original: JoinRelation) -> Logical {
        var join = original
        if join.kind == .right {
            join = JoinRelation(kind: .left, left: join.right, right: join.left, conditions: join.conditions)
        }
        let leftColumns = ColumnSet(join.left.outputs)
        let rightColumns = ColumnSet(join.right.outputs)
        if join.kind == .left, conditions.contains(where: { rejectsNulls($0, of: rightColumns) }) { join.kind = .inner }
        if join.kind == .full {
            let needsLeft = conditions.contains { rejectsNulls($0, of: leftColumns) }
            let needsRight = conditions.contains { rejectsNulls($0, of: rightColumns) }
            if needsLeft && needsRight {
                join.kind = .inner
            } else if needsLeft {
                join.kind = .left
            } else if needsRight {
                return pushJoin(
                    conditions,
                    JoinRelation(kind: .left, left: join.right, right: join.left, conditions: join.conditions))
            }
        }
        let own = split(join.conditions)
        switch join.kind {
        case .inner:
            let all = conditions + own
            let equal = impliedEqualities(all)
            var left: [BoundExpression] = []
            var right: [BoundExpression] = []
            var both: [BoundExpression] = []
            for condition in all + equal { place(condition, leftColumns, rightColumns, &left, &right, &both) }
            both = both.filter { !isImplied($0, by: left + right) }
            return .join(
                JoinRelation(
                    kind: .inner, left: push(left, into: join.left), right: push(right, into: join.right),
                    conditions: both))
        case .left, .semi, .anti:
            let (toLeft, above) = divide(conditions) { !$0.columns.intersects(rightColumns) && !isVolatile($0) }
            let (toRight, on) = divide(own) {
                !$0.columns.intersects(leftColumns) && $0.columns.intersects(rightColumns) && !isVolatile($0)
            }
            var left = toLeft
            var remaining = on
            if join.kind == .semi {
                let (only, rest) = divide(on) { !$0.columns.intersects(rightColumns) && !isVolatile($0) }
                left += only
                remaining = rest
            }
            let implied = join.kind == .anti ? [] : constantsAcross(left, remaining, rightColumns)
            return filtered(
                .join(
                    JoinRelation(
                        kind: join.kind, left: push(left, into: join.left),
                        right: push(toRight + implied, into: join.right), conditions: remaining)), above)
        default:
            return filtered(
                .join(
                    JoinRelation(
                        kind: join.kind, left: push([], into: join.left), right: push([], into: join.right),
                        conditions: own)), conditions)
        }
    }

    private func place(
        _ condition: BoundExpression, _ leftColumns: ColumnSet, _ rightColumns: ColumnSet,
        _ left: inout [BoundExpression], _ right: inout [BoundExpression], _ both: inout [BoundExpression]
    ) {
        let used = condition.columns
        let usesLeft = used.intersects(leftColumns)
        let usesRight = used.intersects(rightColumns)
        if isVolatile(condition) {
            both.append(condition)
        } else if !usesRight {
            left.append(condition)
        } else if !usesLeft {
            right.append(condition)
        } else {
            both.append(condition)
        }
    }

    /// Whether the condition is false or NULL whenever all `columns` are NULL.
    func rejectsNulls(_ condition: BoundExpression, of columns: ColumnSet) -> Bool {
        switch condition {
        case .and(let items): return items.contains { rejectsNulls($0, of: columns) }
        case .or(let items): return items.allSatisfy { rejectsNulls($0, of: columns) }
        case .isNull(let item, let negated): return negated && isNullWhenNull(item, columns)
        case .truth(let item, let test, let negated):
            return test != .isUnknown && !negated && isNullWhenNull(item, columns)
        case .not(let item): return isNullWhenNull(item, columns)
        default: return isNullWhenNull(condition, columns)
        }
    }
    /// Strict in some column of the set.
    private func isNullWhenNull(_ expression: BoundExpression, _ columns: ColumnSet) -> Bool {
        switch expression {
        case .variable(let id, _): return columns.contains(id)
        case .call(let call):
            return call.function.isStrict && call.arguments.contains { isNullWhenNull($0, columns) }
        case .cast(let cast): return (cast.function?.isStrict ?? true) && isNullWhenNull(cast.operand, columns)
        case .inList(let node): return isNullWhenNull(node.left, columns)
        case .quantifiedArray(let node): return isNullWhenNull(node.left, columns)
        case .not(let item): return isNullWhenNull(item, columns)
        default: return false
        }
    }

    // MARK: - Equivalence classes

    /// From a = b and a = 5 (or b = c): b = 5 (or a = c).
    private func impliedEqualities(_ conditions: [BoundExpression]) -> [BoundExpression] {
        var implied: [BoundExpression] = []
        var equalities: [(ColumnID, ColumnID, BoundCall)] = []
        for condition in conditions {
            guard let comparison = context.comparison(condition), comparison.strategy == 3,
                let a = comparison.left.variableID, let b = comparison.right.variableID
            else { continue }
            equalities.append((a, b, comparison.call))
        }
        if equalities.isEmpty { return [] }
        for condition in conditions {
            guard let comparison = context.comparison(condition), comparison.strategy == 3 else { continue }
            let flipped = context.commuted(comparison)
            for side in [comparison, flipped ?? comparison] {
                guard let column = side.left.variableID, isRunTimeConstant(side.right) else { continue }
                for (a, b, _) in equalities {
                    let other: ColumnID
                    if a == column { other = b } else if b == column { other = a } else { continue }
                    // Only where the types agree is the same operator right for the other column.
                    guard context.info(other).type.oid == side.left.type.oid else { continue }
                    var call = side.call
                    call.arguments[0] = context.variable(other)
                    let new = BoundExpression.call(call)
                    if !conditions.contains(where: { $0.isSame(as: new) }),
                        !implied.contains(where: { $0.isSame(as: new) })
                    {
                        implied.append(new)
                    }
                }
            }
        }
        return implied
    }

    /// a = b where both are known to equal the same value.
    private func isImplied(_ condition: BoundExpression, by others: [BoundExpression]) -> Bool {
        guard let comparison = context.comparison(condition), comparison.strategy == 3,
            let a = comparison.left.variableID, let b = comparison.right.variableID,
            let first = fixedValue(a, others), let second = fixedValue(b, others)
        else { return false }
        return first.isSame(as: second) && first.volatility == .immutable
    }
    private func fixedValue(_ column: ColumnID, _ conditions: [BoundExpression]) -> BoundExpression? {
        for condition in conditions {
            guard let comparison = context.comparison(condition), comparison.strategy == 3 else { continue }
            for side in [comparison, context.commuted(comparison) ?? comparison]
            where side.left.variableID == column && isRunTimeConstant(side.right) {
                return side.right
            }
        }
        return nil
    }

    private func isRunTimeConstant(_ expression: BoundExpression) -> Bool {
        expression.columns.isEmpty && !isVolatile(expression) && !expression.containsSubquery
    }

    /// Left join: left.a = 5 above and left.a = right.b in ON restricts right.b too.
    private func constantsAcross(_ left: [BoundExpression], _ on: [BoundExpression], _ right: ColumnSet)
        -> [BoundExpression]
    {
        impliedEqualities(left + on).filter { $0.columns.isSubset(of: right) }
    }
}
