// Expression simplification: constants folded, AND and OR flattened, NOT pushed inwards, casts of constants done once.
// Folding must not raise errors that execution might not reach: an evaluation that throws leaves the expression as it is.

import Platform
import SQLTypes

struct Simplifier {
    let context: StatementContext

    func simplify(_ expression: BoundExpression) -> BoundExpression {
        let result = try? expression.rewritten { (node) throws(EngineError) in step(node) }
        return result ?? expression
    }

    private func step(_ node: BoundExpression) -> BoundExpression {
        switch node {
        case .and(let items): return conjunction(items)
        case .or(let items): return disjunction(items)
        case .not(let item): return negated(item)
        case .call(let call): return fold(call) ?? node
        case .cast(let cast): return fold(cast) ?? node
        case .isNull(let item, let negated):
            if case .constant(let datum, _) = item { return .boolean(datum.isNull != negated) }
            return node
        case .searchedCase(let branches, let otherwise, let type):
            var kept: [CaseBranch] = []
            for branch in branches {
                if branch.condition.isFalseOrNull { continue }
                if branch.condition.isTrue {
                    if kept.isEmpty { return branch.result }
                    return .searchedCase(kept, otherwise: branch.result, type)
                }
                kept.append(branch)
            }
            if kept.isEmpty { return otherwise ?? .constant(.null, type) }
            return .searchedCase(kept, otherwise: otherwise, type)
        case .coalesce(let items, let type):
            var kept: [BoundExpression] = []
            for item in items {
                if item.isNullConstant { continue }
                kept.append(item)
                if item.isConstant { break }
            }
            if kept.isEmpty { return .constant(.null, type) }
            return kept.count == 1 ? kept[0] : .coalesce(kept, type)
        default: return node
        }
    }

    func conjunction(_ items: [BoundExpression]) -> BoundExpression {
        var parts: [BoundExpression] = []
        for item in items {
            if case .and(let inner) = item { parts.append(contentsOf: inner) } else { parts.append(item) }
        }
        var kept: [BoundExpression] = []
        for part in parts {
            if part.isTrue { continue }
            if case .constant(let datum, _) = part, !datum.isNull { return .boolean(false) }
            if !kept.contains(where: { $0.isSame(as: part) }) { kept.append(part) }
        }
        if kept.isEmpty { return .boolean(true) }
        return kept.count == 1 ? kept[0] : .and(kept)
    }

    private func disjunction(_ items: [BoundExpression]) -> BoundExpression {
        var parts: [BoundExpression] = []
        for item in items {
            if case .or(let inner) = item { parts.append(contentsOf: inner) } else { parts.append(item) }
        }
        var kept: [BoundExpression] = []
        for part in parts {
            if part.isTrue { return .boolean(true) }
            if case .constant(let datum, _) = part, !datum.isNull { continue }
            if !kept.contains(where: { $0.isSame(as: part) }) { kept.append(part) }
        }
        if kept.isEmpty { return .boolean(false) }
        return kept.count == 1 ? kept[0] : .or(kept)
    }

    private func negated(_ item: BoundExpression) -> BoundExpression {
        switch item {
        case .constant(let datum, let type):
            return datum.isNull ? .constant(.null, type) : .boolean(!datum.bool)
        case .not(let inner): return inner
        case .and(let items): return disjunction(items.map { negated($0) })
        case .or(let items): return conjunction(items.map { negated($0) })
        case .isNull(let inner, let negated): return .isNull(inner, negated: !negated)
        case .truth(let inner, let test, let negated): return .truth(inner, test, negated: !negated)
        case .distinctFrom(let call, let negated): return .distinctFrom(call, negated: !negated)
        case .call(let call):
            // NOT (a < b) is a >= b where the operator has a negator.
            if let opposite = context.operators.negation(of: call.function.oid) {
                return .call(BoundCall(opposite, call.arguments, type: call.type, position: call.position))
            }
            return .not(item)
        default: return .not(item)
        }
    }

    // MARK: - Folding

    private func fold(_ call: BoundCall) -> BoundExpression? {
        guard call.function.volatility == .immutable, case .kernel = call.function.body else { return nil }
        for argument in call.arguments where !argument.isConstant { return nil }
        return evaluate(call.function, call.arguments, call.type)
    }
    private func fold(_ cast: CastExpression) -> BoundExpression? {
        guard case .constant(let datum, _) = cast.operand else { return nil }
        guard let function = cast.function else { return .constant(datum, cast.target) }
        guard cast.volatility == .immutable, case .kernel = function.body else { return nil }
        return evaluate(function, [cast.operand], cast.target)
    }

    private func evaluate(_ function: FunctionEntry, _ arguments: [BoundExpression], _ type: SQLType)
        -> BoundExpression?
    {
        if type.oid == .record || type.oid == .unknown { return nil }
        do throws(EngineError) {
            return .constant(
                try ConstantEvaluator.call(function, arguments, type, context.session.context), type)
        } catch { return nil }
    }
}

/// Evaluates calls on constants with the same kernels that execution uses.
enum ConstantEvaluator {
    static func call(
        _ function: FunctionEntry, _ arguments: [BoundExpression], _ type: SQLType, _ context: EvaluationContext
    ) throws(EngineError) -> Datum {
        var vectors: [Vector] = []
        for argument in arguments {
            guard case .constant(let datum, let argumentType) = argument else {
                preconditionFailure("only constants are folded")
            }
            let vector = Vector(argumentType, capacity: 1)
            try vector.setConstant(datum)
            vectors.append(vector)
        }
        let result = Vector(type, capacity: 1)
        let frame = KernelFrame(arguments: vectors, result: result, context: context)
        frame.selection = Selection(count: 1)
        try function.evaluate(frame)
        return result.datum(0)
    }
}
