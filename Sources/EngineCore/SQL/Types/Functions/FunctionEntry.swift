// One SQL function as it is declared: signature, properties, kernel, documentation. The same entries resolve calls,
// run them, and fill pg_proc.

import Platform

package enum Volatility: UInt8, Sendable { case immutable, stable, volatile }

package struct FunctionEntry: Sendable {
    /// pg_proc.oid, PostgreSQL's own for functions that PostgreSQL has.
    package let oid: UInt32
    package let name: StaticBytes
    package let arguments: [TypeOID]
    package let result: TypeOID
    /// The last argument is an array (or "any") that a call may also spell as separate arguments.
    package let isVariadic: Bool
    /// NULL if any argument is NULL.
    package let isStrict: Bool
    package let volatility: Volatility
    package let body: Body
    package let documentation: StaticString

    package enum Body: Sendable {
        case kernel(Kernel)
        /// A set-returning function: makes an iterator for one set of arguments.
        case rows(@Sendable (SetCall) throws(EngineError) -> SetIterator)
        case aggregate(Aggregate)
        /// Known to the catalog, evaluated elsewhere (window functions, session functions): the executor knows it by OID.
        case external(Kind)
    }
    package enum Kind: UInt8, Sendable { case function, window }

    package init(
        oid: UInt32, name: StaticBytes, arguments: [TypeOID], result: TypeOID, isVariadic: Bool = false,
        isStrict: Bool = true, volatility: Volatility = .immutable, body: Body, documentation: StaticString
    ) {
        self.oid = oid
        self.name = name
        self.arguments = arguments
        self.result = result
        self.isVariadic = isVariadic
        self.isStrict = isStrict
        self.volatility = volatility
        self.body = body
        self.documentation = documentation
    }

    package var isAggregate: Bool { if case .aggregate = body { true } else { false } }
    package var isWindow: Bool { if case .external(.window) = body { true } else { false } }
    package var returnsSet: Bool { if case .rows = body { true } else { false } }

    /// Computes `frame.result` for `frame.selection`; resets the result first. A call whose arguments are all constant
    /// gives a constant (unless volatile), and a strict call with a constant NULL argument gives a constant NULL.
    /// Throws what the function throws; 0A000 if it has no kernel.
    package func evaluate(_ frame: KernelFrame) throws(EngineError) {
        guard case .kernel(let kernel) = body else {
            throw EngineError.notSupported("function \(name.string) in this place")
        }
        let result = frame.result
        result.reset()
        if frame.selection.count == 0 { return }
        frame.loadOperands()
        var allConstant = volatility != .volatile
        for vector in frame.arguments {
            if !vector.isConstant {
                allConstant = false
            } else if isStrict, vector.isNull(0) {
                result.isConstant = true
                result.setNull(0)
                return
            }
        }
        if allConstant {
            let selection = frame.selection
            frame.selection = Selection(count: 1)
            defer { frame.selection = selection }
            try kernel(frame)
            result.isConstant = true
        } else {
            try kernel(frame)
        }
        if frame.scratch.isOverflowing || frame.scratch.capacity > KernelFrame.usualScratch {
            try frame.finishLargeScratch()
        }
    }
}

/// The arguments of one call of a set-returning function.
package struct SetCall {
    package let arguments: [Datum]
    package let types: [SQLType]
    package let context: EvaluationContext
    package init(arguments: [Datum], types: [SQLType], context: EvaluationContext) {
        self.arguments = arguments
        self.types = types
        self.context = context
    }
}

/// Produces a set-returning function's rows, a batch at a time.
package class SetIterator {
    package init() {}
    /// Fills the first rows of `columns` (one vector per result column, already reset), up to `limit`; returns how many,
    /// 0 at the end.
    package func next(into columns: [Vector], limit: Int) throws(EngineError) -> Int {
        preconditionFailure("a set iterator implements next")
    }
}
