// Which conditions an index can decide: equality on a prefix of the keys (=, IN, = ANY, IS NULL), then bounds on the next.
// What an index decides exactly is dropped from the filter.

import Platform
import SQLTypes

/// What an index can do with the conditions.
struct IndexMatch {
    var prefix: [IndexKeyCondition] = []
    var lower: IndexBound?
    var upper: IndexBound?
    var excludesNulls = false
    /// Indices of the conditions it decides.
    var decided: [Int] = []
    /// The same with the key column on the left, for EXPLAIN.
    var shown: [BoundExpression] = []
    var selectivity = 1.0
    var lookups = 1.0
    var allEqual = true
}

/// A key of an index over one scan: a column or an expression.
struct IndexKey {
    let expression: BoundExpression
    let type: SQLType
    private let column: ColumnID?

    init(expression: BoundExpression, type: SQLType) {
        self.expression = expression
        self.type = type
        column = expression.variableID
    }

    func isKey(_ other: BoundExpression) -> Bool {
        if let column { return other.variableID == column }
        return expression.isSame(as: other)
    }
}

extension PhysicalPlanner {
    func matchIndex(
        _ index: IndexDescriptor, _ meaning: IndexMeaning, _ node: GetNode, _ conditions: [BoundExpression]
    ) -> IndexMatch {
        var match = IndexMatch()
        let own = ColumnSet(node.outputs)
        for (position, key) in index.keyColumns.enumerated() {
            guard let expression = meaning.keys[position] else { break }
            let column = IndexKey(expression: expression, type: key.type)
            if let (place, condition, weight) = equality(column, conditions, own) {
                match.prefix.append(condition)
                match.decided.append(place)
                match.shown.append(oriented(conditions[place], column))
                match.selectivity *= estimator.selectivity(conditions[place])
                match.lookups *= weight
                if case .equal = condition {} else { match.allEqual = false }
                continue
            }
            bounds(column, conditions, own, &match)
            match.allEqual = false
            break
        }
        // What the predicate says need not be tested again.
        var implied: [BoundExpression] = []
        for (place, condition) in conditions.enumerated() where !match.decided.contains(place) {
            if meaning.predicate.contains(where: { $0.isSame(as: condition) }) {
                match.decided.append(place)
                implied.append(condition)
            }
        }
        if !meaning.predicate.isEmpty {
            match.selectivity *= estimator.selectivity(implied.isEmpty ? meaning.predicate : implied)
        }
        return match
    }

    private func oriented(_ condition: BoundExpression, _ key: IndexKey) -> BoundExpression {
        guard let comparison = context.comparison(condition), !key.isKey(comparison.left),
            let flipped = context.commuted(comparison)
        else { return condition }
        return .call(flipped.call)
    }

    /// The other side if the condition is `column op value` with a value known before the scan starts.
    private func sargable(_ condition: BoundExpression, _ key: IndexKey, _ own: ColumnSet) -> BinaryComparison? {
        guard let comparison = context.comparison(condition) else { return nil }
        for side in [comparison, context.commuted(comparison) ?? comparison] {
            guard key.isKey(side.left), !side.right.columns.intersects(own),
                !side.right.containsSubquery, side.right.volatility != .volatile
            else { continue }
            if let value = keyValue(side.right, key.type) {
                var call = side.call
                call.arguments[1] = value
                return BinaryComparison(strategy: side.strategy, call: call)
            }
        }
        return nil
    }

    /// The value in the key column's type; nil if that is not exact (int8 against int4: out of range never matches, so a
    /// wider constant is narrowed only when it fits).
    private func keyValue(_ value: BoundExpression, _ type: SQLType) -> BoundExpression? {
        if value.type.oid == type.oid { return value }
        let sizes: [TypeOID: Int] = [.int2: 1, .int4: 2, .int8: 3]
        if let from = sizes[value.type.oid], let to = sizes[type.oid] {
            guard let path = context.registry.castPath(from: value.type, to: SQLType(type.oid), .assignment),
                case .function(let entry) = path
            else { return nil }
            if from < to {
                return .cast(
                    CastExpression(
                        operand: value, target: SQLType(type.oid), function: entry, isExplicit: false, position: 0))
            }
            guard case .constant(let datum, let source) = value, !datum.isNull else { return nil }
            let wide: Int64 = source.oid == .int8 ? datum.int64 : Int64(datum.int32)
            if type.oid == .int4, let small = Int32(exactly: wide) { return .constant(Datum(small), SQLType(.int4)) }
            if type.oid == .int2, let small = Int16(exactly: wide) { return .constant(Datum(small), SQLType(.int2)) }
            return nil
        }
        // Text kinds share their bytes; only bpchar compares differently.
        let isPlainText = { (oid: TypeOID) in oid == .text || oid == .varchar || oid == .name }
        if isPlainText(value.type.oid), isPlainText(type.oid) {
            return .cast(
                CastExpression(
                    operand: value, target: SQLType(type.oid), function: nil, isExplicit: false, position: 0))
        }
        return nil
    }

    private func equality(
        _ key: IndexKey, _ conditions: [BoundExpression], _ own: ColumnSet
    ) -> (Int, IndexKeyCondition, Double)? {
        var list: (Int, IndexKeyCondition, Double)?
        for (place, condition) in conditions.enumerated() {
            if let found = sargable(condition, key, own), found.strategy == 3 {
                return (place, .equal(found.right), 1)
            }
            switch condition {
            case .inList(let node):
                guard key.isKey(node.left), context.operators.strategy(of: node.equals.function.oid) == 3
                else { continue }
                var values: [BoundExpression] = []
                for item in node.items {
                    guard !item.columns.intersects(own), !item.containsSubquery, item.volatility != .volatile,
                        let value = keyValue(item, key.type)
                    else { break }
                    values.append(value)
                }
                if values.count == node.items.count { list = (place, .anyOf(values), Double(values.count)) }
            case .quantifiedArray(let node):
                guard node.isEquality, key.isKey(node.left), !node.array.columns.intersects(own),
                    !node.array.containsSubquery, node.array.volatility != .volatile,
                    node.array.type.oid.element == key.type.oid
                else { continue }
                list = (place, .anyElement(node.array), 10)
            case .isNull(let item, false):
                if key.isKey(item) { list = (place, .isNull, 1) }
            default: continue
            }
        }
        return list
    }

    private func bounds(
        _ key: IndexKey, _ conditions: [BoundExpression], _ own: ColumnSet, _ match: inout IndexMatch
    ) {
        var used: [BoundExpression] = []
        for (place, condition) in conditions.enumerated() {
            if case .isNull(let item, true) = condition, key.isKey(item) {
                match.excludesNulls = true
                match.decided.append(place)
                match.shown.append(condition)
                used.append(condition)
                continue
            }
            guard let found = sargable(condition, key, own), found.strategy != 3 else { continue }
            switch found.strategy {
            case 1, 2:
                if match.upper != nil { continue }
                match.upper = IndexBound(expression: found.right, isInclusive: found.strategy == 2)
            default:
                if match.lower != nil { continue }
                match.lower = IndexBound(expression: found.right, isInclusive: found.strategy == 4)
            }
            match.decided.append(place)
            match.shown.append(oriented(condition, key))
            used.append(condition)
        }
        if !used.isEmpty { match.selectivity *= estimator.selectivity(used) }
    }
}
