// Where the memory of large values is counted: strings in vectors and what functions compose. Small pieces are not counted
// one by one; what holds them is.

import ArenaAlloc
import Platform

package enum ValueMemory {
    /// Charged for pieces of `threshold` bytes and more; nil counts nothing. Set before values are made, and not again: who
    /// has charged it gives back to it.
    nonisolated(unsafe) package static var budget: MemoryBudget?
    static let threshold = 64 << 10
    /// Longest value, as in PostgreSQL.
    package static let longestValue = (1 << 30) - 1

    static func charge(_ byteCount: Int, to budget: MemoryBudget?) throws(EngineError) {
        if let budget, byteCount >= threshold { try budget.charge(byteCount) }
    }
    static func release(_ byteCount: Int, to budget: MemoryBudget?) {
        if let budget, byteCount >= threshold { budget.release(byteCount) }
    }
}
