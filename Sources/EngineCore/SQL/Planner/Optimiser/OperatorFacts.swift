// What the optimiser knows of operators, found by their functions: expressions keep functions, not operators.

import Platform
import SQLTypes

/// Per function OID: the operator it implements. Built once per engine.
final class OperatorFacts: @unchecked Sendable {
    private let registry: FunctionRegistry
    /// Operators in order of function OID; the first of a function stands for all.
    private let byFunction: [OperatorEntry]

    init(_ registry: FunctionRegistry) {
        self.registry = registry
        byFunction = registry.operators.sorted {
            $0.function != $1.function ? $0.function < $1.function : $0.oid < $1.oid
        }
    }

    func entry(function oid: UInt32) -> OperatorEntry? {
        var low = 0
        var high = byFunction.count
        while low < high {
            let middle = (low + high) / 2
            if byFunction[middle].function < oid { low = middle + 1 } else { high = middle }
        }
        return low < byFunction.count && byFunction[low].function == oid ? byFunction[low] : nil
    }

    /// 1 <, 2 <=, 3 =, 4 >=, 5 >; 0 for anything else.
    func strategy(of function: UInt32) -> UInt8 { entry(function: function)?.strategy ?? 0 }

    func negation(of function: UInt32) -> FunctionEntry? {
        guard let entry = entry(function: function), entry.negator != 0,
            let other = registry.operatorEntry(oid: entry.negator)
        else { return nil }
        return registry.function(oid: other.function)
    }
    func commutation(of function: UInt32) -> FunctionEntry? {
        guard let entry = entry(function: function), entry.commutator != 0,
            let other = registry.operatorEntry(oid: entry.commutator)
        else { return nil }
        return registry.function(oid: other.function)
    }
}

extension StatementContext {
    var operators: OperatorFacts { session.catalog.operators }
}

/// A condition of the form `left op right` with a btree operator.
struct BinaryComparison {
    var strategy: UInt8
    var call: BoundCall
    var left: BoundExpression { call.arguments[0] }
    var right: BoundExpression { call.arguments[1] }
}

extension StatementContext {
    func comparison(_ expression: BoundExpression) -> BinaryComparison? {
        guard case .call(let call) = expression, call.arguments.count == 2 else { return nil }
        let strategy = operators.strategy(of: call.function.oid)
        return strategy == 0 ? nil : BinaryComparison(strategy: strategy, call: call)
    }
    /// The same with sides exchanged.
    func commuted(_ comparison: BinaryComparison) -> BinaryComparison? {
        guard let function = operators.commutation(of: comparison.call.function.oid) else { return nil }
        let flipped: UInt8 = comparison.strategy == 3 ? 3 : 6 - comparison.strategy
        return BinaryComparison(
            strategy: flipped,
            call: BoundCall(
                function, [comparison.right, comparison.left], type: comparison.call.type,
                position: comparison.call.position))
    }
    func isEquality(_ expression: BoundExpression) -> Bool { comparison(expression)?.strategy == 3 }
}
