// Which function, operator or cast a call means: PostgreSQL's rules (manual, chapter 10).

import Platform

/// How to turn a value of one type into another.
package enum CastPath: Sendable {
    /// The bytes are the same; only the type changes (and no modifier has to be applied).
    case relabel
    /// Evaluate this entry: one argument of the source type, result vector of the target type with its modifier.
    case function(FunctionEntry)
}

/// The function that a call means.
package struct ResolvedCall: Sendable {
    package let entry: FunctionEntry
    /// Types the arguments must be cast to, one per argument as written; polymorphic ones made actual.
    package let argumentTypes: [TypeOID]
    package let result: TypeOID
    /// If above 0, that many last arguments are collected into an array of type `variadicArray`.
    package let variadicCount: Int
    package let variadicArray: TypeOID
}

package struct ResolvedOperator: Sendable {
    package let entry: OperatorEntry
    package let call: ResolvedCall
}

extension FunctionRegistry {
    /// How `source` becomes `target` (with the target's modifier applied) in a context that allows `context`; nil if it
    /// may not. `unknown` literals are the caller's: it gives their text to `TypeIO.input`.
    package func castPath(from source: SQLType, to target: SQLType, _ context: CastContext) -> CastPath? {
        nil
    }
    /// Whether a cast exists in that context, modifiers aside.
    package func canCast(from source: TypeOID, to target: TypeOID, _ context: CastContext) -> Bool {
        false
    }
    /// The overload that `name(arguments…)` means; `.unknown` for untyped literals. nil if none matches (42883 is the
    /// caller's); throws 42725 if several match equally well.
    package func resolve(
        function name: [UInt8], _ arguments: [TypeOID], isVariadicCall: Bool = false
    ) throws(EngineError) -> ResolvedCall? {
        nil
    }
    /// The operator; `left` nil for a prefix operator. As `resolve(function:)`.
    package func resolve(
        operator name: [UInt8], _ left: TypeOID?, _ right: TypeOID
    ) throws(EngineError) -> ResolvedOperator? {
        nil
    }
    /// The type of UNION, CASE, VALUES, ARRAY[], COALESCE, GREATEST and such; nil if the types do not match.
    package func commonType(_ types: [TypeOID]) -> TypeOID? {
        nil
    }
}
