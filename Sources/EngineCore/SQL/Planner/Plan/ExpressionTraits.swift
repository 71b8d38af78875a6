// What can be asked of any expression, and walking over its parts.

import Platform
import SQLTypes

extension BoundExpression {
    /// Type of the value.
    package var type: SQLType {
        switch self {
        case .constant(_, let type), .slot(_, let type), .variable(_, let type), .parameter(_, let type),
            .correlation(_, let type), .searchedCase(_, _, let type), .coalesce(_, let type), .nullIf(_, let type),
            .extremum(_, _, let type), .field(_, _, let type):
            return type
        case .call(let call): return call.type
        case .and, .or, .not, .isNull, .truth, .distinctFrom, .quantifiedArray, .inList, .rowComparison:
            return SQLType(.bool)
        case .cast(let cast): return cast.target
        case .array(let array): return array.type
        case .element(let subscript_): return subscript_.type
        case .row: return SQLType(.record)
        case .subplan(let plan): return plan.type
        case .aggregate(let call): return call.type
        case .window(let call): return call.type
        case .subquery(let query): return query.type
        }
    }

    static func boolean(_ value: Bool) -> BoundExpression { .constant(Datum(value), SQLType(.bool)) }

    var isConstant: Bool { if case .constant = self { true } else { false } }
    var isNullConstant: Bool { if case .constant(let datum, _) = self { datum.isNull } else { false } }
    /// A constant TRUE.
    var isTrue: Bool {
        if case .constant(let datum, let type) = self { return type.oid == .bool && !datum.isNull && datum.bool }
        return false
    }
    /// A constant FALSE or NULL: rejects as a condition.
    var isFalseOrNull: Bool {
        if case .constant(let datum, let type) = self { return datum.isNull || (type.oid == .bool && !datum.bool) }
        return false
    }
    var variableID: ColumnID? { if case .variable(let id, _) = self { id } else { nil } }

    /// The direct operands, in order; a subquery's insides are not operands, its left sides are.
    package var operands: [BoundExpression] {
        switch self {
        case .constant, .slot, .variable, .parameter, .correlation: return []
        case .call(let call): return call.arguments
        case .and(let items), .or(let items), .row(let items), .coalesce(let items, _), .extremum(_, let items, _):
            return items
        case .not(let item), .isNull(let item, _), .truth(let item, _, _), .field(let item, _, _): return [item]
        case .searchedCase(let branches, let otherwise, _):
            var all: [BoundExpression] = []
            for branch in branches {
                all.append(branch.condition)
                all.append(branch.result)
            }
            if let otherwise { all.append(otherwise) }
            return all
        case .nullIf(let call, _), .distinctFrom(let call, _): return call.arguments
        case .cast(let cast): return [cast.operand]
        case .quantifiedArray(let node): return [node.left, node.array]
        case .inList(let node): return [node.left] + node.items
        case .array(let node): return node.elements
        case .element(let node):
            var all = [node.base]
            for bound in node.bounds {
                if let lower = bound.lower { all.append(lower) }
                if let upper = bound.upper { all.append(upper) }
            }
            return all
        case .rowComparison(let node): return node.left + node.right
        case .subplan(let plan): return plan.left + plan.bindings.map { $0.source }
        case .subquery(let query): return query.left
        case .aggregate(let call):
            return call.arguments + call.orderBy.map { $0.expression } + (call.filter.map { [$0] } ?? [])
        case .window(let call): return call.arguments + (call.filter.map { [$0] } ?? [])
        }
    }

    /// The same node over other operands, which come in the order of `operands`.
    func replacingOperands(_ new: [BoundExpression]) -> BoundExpression {
        switch self {
        case .constant, .slot, .variable, .parameter, .correlation: return self
        case .call(var call):
            call.arguments = new
            return .call(call)
        case .and: return .and(new)
        case .or: return .or(new)
        case .row: return .row(new)
        case .coalesce(_, let type): return .coalesce(new, type)
        case .extremum(let greatest, _, let type): return .extremum(greatest: greatest, new, type)
        case .not: return .not(new[0])
        case .isNull(_, let negated): return .isNull(new[0], negated: negated)
        case .truth(_, let test, let negated): return .truth(new[0], test, negated: negated)
        case .field(_, let index, let type): return .field(new[0], index, type)
        case .searchedCase(let branches, let otherwise, let type):
            var replaced: [CaseBranch] = []
            for index in branches.indices {
                replaced.append(CaseBranch(condition: new[2 * index], result: new[2 * index + 1]))
            }
            return .searchedCase(replaced, otherwise: otherwise == nil ? nil : new[new.count - 1], type)
        case .nullIf(var call, let type):
            call.arguments = new
            return .nullIf(call, type)
        case .distinctFrom(var call, let negated):
            call.arguments = new
            return .distinctFrom(call, negated: negated)
        case .cast(var cast):
            cast.operand = new[0]
            return .cast(cast)
        case .quantifiedArray(var node):
            node.left = new[0]
            node.array = new[1]
            return .quantifiedArray(node)
        case .inList(var node):
            node.left = new[0]
            node.items = Array(new.dropFirst())
            return .inList(node)
        case .array(var node):
            node.elements = new
            return .array(node)
        case .element(let node): return .element(node.replacing(new))
        case .rowComparison(var node):
            node.left = Array(new.prefix(node.left.count))
            node.right = Array(new.suffix(node.right.count))
            return .rowComparison(node)
        case .subplan(let plan): return .subplan(plan.replacing(new))
        case .subquery(let query):
            return .subquery(
                SubqueryExpression(
                    kind: query.kind, input: query.input, columns: query.columns, left: new, test: query.test,
                    type: query.type))
        case .aggregate(let call): return .aggregate(call.replacing(new))
        case .window(var call):
            let count = call.arguments.count
            call.arguments = Array(new.prefix(count))
            if call.filter != nil { call.filter = new[count] }
            return .window(call)
        }
    }

    /// Rebuilds from the leaves up: `body` sees each node after its operands have been rewritten.
    func rewritten(
        _ body: (BoundExpression) throws(EngineError) -> BoundExpression
    ) throws(EngineError) -> BoundExpression {
        let parts = operands
        if parts.isEmpty { return try body(self) }
        var new: [BoundExpression] = []
        new.reserveCapacity(parts.count)
        for part in parts { new.append(try part.rewritten(body)) }
        return try body(replacingOperands(new))
    }
    /// Top down: where `body` gives a replacement the walk stops there.
    func replacing(
        _ body: (BoundExpression) throws(EngineError) -> BoundExpression?
    ) throws(EngineError) -> BoundExpression {
        if let replacement = try body(self) { return replacement }
        let parts = operands
        if parts.isEmpty { return self }
        var new: [BoundExpression] = []
        new.reserveCapacity(parts.count)
        for part in parts { new.append(try part.replacing(body)) }
        return replacingOperands(new)
    }
    /// Whether `test` holds of this node or any below it.
    func contains(_ test: (BoundExpression) -> Bool) -> Bool {
        if test(self) { return true }
        for part in operands where part.contains(test) { return true }
        return false
    }
    func forEach(_ body: (BoundExpression) -> Void) {
        body(self)
        for part in operands { part.forEach(body) }
    }

    var containsAggregate: Bool { contains { if case .aggregate = $0 { true } else { false } } }
    var containsWindow: Bool { contains { if case .window = $0 { true } else { false } } }
    var containsSubquery: Bool {
        contains {
            switch $0 {
            case .subquery, .subplan: true
            default: false
            }
        }
    }
    var containsSetReturning: Bool {
        contains { if case .call(let call) = $0 { call.function.returnsSet } else { false } }
    }
    /// The least stable function in it; subqueries count as stable.
    var volatility: Volatility {
        var worst = Volatility.immutable
        forEach { node in
            var own = Volatility.immutable
            switch node {
            case .call(let call), .nullIf(let call, _), .distinctFrom(let call, _): own = call.function.volatility
            case .cast(let cast): own = cast.volatility
            case .subquery, .subplan: own = .stable
            default: break
            }
            if own.rawValue > worst.rawValue { worst = own }
        }
        return worst
    }
}

extension CastExpression {
    /// Conversions through text are declared stable, since some types' text depends on settings; most types' does not.
    var volatility: Volatility {
        guard let function, function.volatility != .immutable else { return .immutable }
        return dependsOnSettings(operand.type.oid) || dependsOnSettings(target.oid) ? function.volatility : .immutable
    }
    private func dependsOnSettings(_ type: TypeOID) -> Bool {
        let scalar = type.isArrayLike ? type.element : type
        switch scalar {
        case .bool, .int2, .int4, .int8, .numeric, .text, .varchar, .bpchar, .name, .char, .uuid, .oid, .json:
            return false
        default: return true
        }
    }
}

extension Subscript {
    func replacing(_ new: [BoundExpression]) -> Subscript {
        var copy = self
        copy.base = new[0]
        var next = 1
        for index in bounds.indices {
            if bounds[index].lower != nil {
                copy.bounds[index].lower = new[next]
                next += 1
            }
            if bounds[index].upper != nil {
                copy.bounds[index].upper = new[next]
                next += 1
            }
        }
        return copy
    }
}

extension SubPlan {
    func replacing(_ new: [BoundExpression]) -> SubPlan {
        var rebound: [CorrelationBinding] = []
        for index in bindings.indices {
            rebound.append(CorrelationBinding(index: bindings[index].index, source: new[left.count + index]))
        }
        return SubPlan(
            kind: kind, plan: plan, type: type, number: number, bindings: rebound, left: Array(new.prefix(left.count)),
            test: test, isHashed: isHashed)
    }
}

extension AggregateCall {
    func replacing(_ new: [BoundExpression]) -> AggregateCall {
        var copy = self
        copy.arguments = Array(new.prefix(arguments.count))
        for index in orderBy.indices { copy.orderBy[index].expression = new[arguments.count + index] }
        if filter != nil { copy.filter = new[new.count - 1] }
        return copy
    }
}
