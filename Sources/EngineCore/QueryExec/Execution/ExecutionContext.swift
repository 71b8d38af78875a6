// What a running statement needs besides its plan: transaction, parameters, settings, limits.

import ArenaAlloc
import BTree
import Fibers
import MVCC
import Platform
import SQL
import SQLTypes

/// One per portal; its fields are set before `Execution.open` and stay until `close`.
package final class ExecutionContext {
    package let transaction: Transaction
    package let catalog: CatalogSession
    package let evaluation: EvaluationContext
    /// Memory that all queries share; what a query keeps (hash tables, sorts) is taken from it.
    package let budget: MemoryBudget
    /// Where operators put what they cannot keep.
    package let temporary: TemporarySpace
    /// Bytes that an operator keeps before it goes to the device: at most half of what there is for all.
    package private(set) var workMemory = 0
    /// Values of $1….
    package var parameters: [Datum] = []
    /// When the statement is cancelled; never if there is no timeout.
    package var deadline = Nanoseconds.never

    package init(
        transaction: Transaction, catalog: CatalogSession, evaluation: EvaluationContext, budget: MemoryBudget,
        temporary: TemporarySpace, workMemory: Int
    ) {
        self.transaction = transaction
        self.catalog = catalog
        self.evaluation = evaluation
        self.budget = budget
        self.temporary = temporary
        setWorkMemory(workMemory)
    }

    /// Takes the setting over.
    package func setWorkMemory(_ byteCount: Int) { workMemory = min(byteCount, budget.limit / 2) }

    /// True if an operator that holds `byteCount` bytes must go on without more: it has its share, or all together have
    /// nearly used up what there is.
    @inline(__always) func isFull(_ byteCount: Int) -> Bool {
        byteCount > workMemory || (byteCount > 1 << 18 && budget.used > budget.limit / 4 * 3)
    }

    /// At vector boundaries: lets other fibers run, and ends the statement if it was cancelled (57014).
    @inline(__always) package func checkpoint() throws(EngineError) {
        Fiber.yieldIfDue()
        if Fiber.isInterrupted { throw Self.canceled }
        if deadline != .never { try checkDeadline() }
    }

    private func checkDeadline() throws(EngineError) {
        if !(Fiber.now() < deadline) { throw Self.timedOut }
    }

    package static var canceled: EngineError {
        EngineError(.queryCanceled, "canceling statement due to user request")
    }
    package static var timedOut: EngineError {
        EngineError(.queryCanceled, "canceling statement due to statement timeout")
    }
}
