// Whether conditions that all hold imply another one: when they imply a partial index's predicate, the index has every row
// that is wanted. Sound, not complete. Source: PostgreSQL's predtest, by its rules for btree comparisons.

import Platform
import SQLTypes

struct Implication {
    let context: StatementContext

    /// True only if every row for which all `conditions` are true makes all of `wanted` true.
    func implies(_ conditions: [BoundExpression], _ wanted: [BoundExpression]) -> Bool {
        for item in wanted where !implies(conditions, item) { return false }
        return true
    }

    func implies(_ conditions: [BoundExpression], _ wanted: BoundExpression) -> Bool {
        if wanted.isTrue { return true }
        if case .and(let items) = wanted { return implies(conditions, items) }
        for condition in conditions where implies(condition, wanted) { return true }
        if case .or(let branches) = wanted {
            for branch in branches where implies(conditions, branch) { return true }
        }
        return false
    }

    private func implies(_ condition: BoundExpression, _ wanted: BoundExpression) -> Bool {
        if condition.isSame(as: wanted) { return true }
        switch condition {
        case .and(let items): return implies(items, wanted)
        case .or(let branches):
            for branch in branches where !implies([branch], wanted) { return false }
            return true
        case .inList(let list): return impliesByItems(list, wanted)
        default: break
        }
        switch wanted {
        case .isNull(let item, negated: true): return rejectsNull(condition, item)
        case .truth(let item, .isTrue, negated: false): return implies([condition], item)
        default: return impliesByOrder(condition, wanted)
        }
    }

    /// `x IN (a, b)` implies what each of `x = a`, `x = b` implies.
    private func impliesByItems(_ list: InList, _ wanted: BoundExpression) -> Bool {
        if case .isNull(let item, negated: true) = wanted, item.isSame(as: list.left) { return true }
        for item in list.items {
            var equality = list.equals
            equality.arguments = [list.left, item]
            if !implies(.call(equality), wanted) { return false }
        }
        return true
    }

    /// The condition is not true where `item` is NULL.
    private func rejectsNull(_ condition: BoundExpression, _ item: BoundExpression) -> Bool {
        if condition.isSame(as: item) { return true }
        switch condition {
        case .call(let call):
            guard call.function.isStrict, !call.function.returnsSet else { return false }
            for argument in call.arguments where rejectsNull(argument, item) { return true }
            return false
        case .cast(let cast):
            return (cast.function?.isStrict ?? true) && rejectsNull(cast.operand, item)
        case .not(let inner): return rejectsNull(inner, item)
        case .quantifiedArray(let node):
            return !node.isAll && node.operation.function.isStrict && rejectsNull(node.left, item)
        default: return false
        }
    }

    /// Both compare the same expression with constants of one type: `x > 5` implies `x > 3`, `x = 4` implies `x < 10`.
    private func impliesByOrder(_ condition: BoundExpression, _ wanted: BoundExpression) -> Bool {
        guard let have = oriented(condition), let want = oriented(wanted), have.left.isSame(as: want.left),
            case .constant(let a, let typeA) = have.right, case .constant(let b, let typeB) = want.right,
            typeA.oid == typeB.oid, !a.isNull, !b.isNull
        else { return false }
        let order = a.withCell { x in b.withCell { y in Comparison.compare(x, y, ValueClass.of(typeA.oid)) } }
        // 1 <, 2 <=, 3 =, 4 >=, 5 >.
        switch (have.strategy, want.strategy) {
        case (1, 1), (2, 2), (1, 2): return order <= 0
        case (2, 1): return order < 0
        case (5, 5), (4, 4), (5, 4): return order >= 0
        case (4, 5): return order > 0
        case (3, 1): return order < 0
        case (3, 2): return order <= 0
        case (3, 3): return order == 0
        case (3, 4): return order >= 0
        case (3, 5): return order > 0
        default: return false
        }
    }

    /// The comparison with its constant on the right.
    private func oriented(_ expression: BoundExpression) -> BinaryComparison? {
        guard let comparison = context.comparison(expression) else { return nil }
        return comparison.left.isConstant ? context.commuted(comparison) : comparison
    }
}
