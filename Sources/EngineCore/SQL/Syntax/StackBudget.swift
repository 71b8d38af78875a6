// Bounds recursion by the stack it really takes, which differs between builds and grows with every frame's locals: levels
// say little. PostgreSQL does the same (max_stack_depth).

import CPrimitives
import Platform

/// How far down the stack of the current fiber a recursion may go, counted from where the budget was made. The maker sees to
/// it that so much stack is left. Valid on the fiber that made it only.
package struct StackBudget: Sendable {
    /// What walks over trees of the parser may take, unless told otherwise. Fibers that run statements have more.
    package static let standard = 96 << 10

    private let floor: UInt

    @inline(__always) package init(byteCount: Int = StackBudget.standard) {
        floor = UInt(dbk_stack_pointer()) &- UInt(byteCount)
    }

    /// Whether the caller's frame lies beyond the budget.
    @inline(__always) package var isExhausted: Bool { UInt(dbk_stack_pointer()) < floor }

    /// Errors: 54001 if the budget is used up. Costs a comparison.
    @inline(__always) package func check() throws(EngineError) {
        if isExhausted { throw StackBudget.exhausted() }
    }

    @inline(never) package static func exhausted() -> EngineError {
        EngineError(
            .statementTooComplex, "stack depth limit exceeded",
            hint: "The statement nests expressions or queries too deeply; write it flatter.")
    }
}
