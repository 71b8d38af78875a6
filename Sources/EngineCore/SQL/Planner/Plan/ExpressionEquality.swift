// Structural equality of expressions: for GROUP BY matching, DISTINCT checks and common predicates.

import Platform
import SQLTypes

extension BoundExpression {
    /// Same value for every row, judged by shape alone. Volatile calls equal nothing.
    func isSame(as other: BoundExpression) -> Bool {
        switch (self, other) {
        case (.constant(let a, let typeA), .constant(let b, let typeB)):
            return typeA == typeB && sameDatum(a, b, typeA)
        case (.slot(let a, _), .slot(let b, _)), (.parameter(let a, _), .parameter(let b, _)),
            (.correlation(let a, _), .correlation(let b, _)):
            return a == b
        case (.variable(let a, _), .variable(let b, _)): return a == b
        case (.call(let a), .call(let b)):
            if a.function.oid != b.function.oid || a.function.volatility == .volatile { return false }
        case (.and, .and), (.or, .or), (.not, .not), (.row, .row), (.coalesce, .coalesce), (.nullIf, .nullIf),
            (.array, .array):
            break
        case (.isNull(_, let a), .isNull(_, let b)), (.distinctFrom(_, let a), .distinctFrom(_, let b)),
            (.extremum(let a, _, _), .extremum(let b, _, _)):
            if a != b { return false }
        case (.truth(_, let a, let negatedA), .truth(_, let b, let negatedB)):
            if a != b || negatedA != negatedB { return false }
        case (.searchedCase(let a, let otherA, _), .searchedCase(let b, let otherB, _)):
            if a.count != b.count || (otherA == nil) != (otherB == nil) { return false }
        case (.cast(let a), .cast(let b)):
            if a.target != b.target || a.function?.oid != b.function?.oid { return false }
        case (.quantifiedArray(let a), .quantifiedArray(let b)):
            if a.isAll != b.isAll || a.operation.function.oid != b.operation.function.oid { return false }
        case (.inList(let a), .inList(let b)):
            if a.equals.function.oid != b.equals.function.oid { return false }
        case (.element(let a), .element(let b)):
            if a.bounds.count != b.bounds.count || a.isSlice != b.isSlice { return false }
        case (.rowComparison(let a), .rowComparison(let b)):
            if a.kind != b.kind || a.left.count != b.left.count { return false }
        case (.field(_, let a, _), .field(_, let b, _)):
            if a != b { return false }
        case (.aggregate(let a), .aggregate(let b)):
            if a.function.oid != b.function.oid || a.isDistinct != b.isDistinct || a.isStar != b.isStar
                || a.arguments.count != b.arguments.count || a.orderBy.count != b.orderBy.count
                || (a.filter == nil) != (b.filter == nil)
            {
                return false
            }
            for index in a.orderBy.indices
            where a.orderBy[index].isDescending != b.orderBy[index].isDescending
                || a.orderBy[index].isNullsFirst != b.orderBy[index].isNullsFirst
            {
                return false
            }
        default: return false
        }
        let left = operands
        let right = other.operands
        if left.count != right.count { return false }
        for index in left.indices where !left[index].isSame(as: right[index]) { return false }
        return true
    }
}

private func sameDatum(_ a: Datum, _ b: Datum, _ type: SQLType) -> Bool {
    if a.isNull || b.isNull { return a.isNull && b.isNull }
    if type.physical == .bytes { return a.byteArray == b.byteArray }
    let first = a.unownedCell
    let second = b.unownedCell
    if first.low != second.low { return false }
    return type.physical.width < 16 || first.high == second.high
}
