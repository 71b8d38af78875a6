// Aggregates as state machines over fixed-size states, so that a hash table can keep them inline in its group rows.
//
// A state is `stateByteCount` bytes at an 8-byte boundary; all-zero bytes are the initial state. What does not fit (long
// strings, array elements, big decimals) lives in the aggregate's heap, which is freed whole with the operator: no state
// is ever destroyed by itself. States may be moved bytewise. `combine` makes two-phase aggregation; both heaps must
// stay alive.

import Platform

/// One batch to be folded into states.
package struct AggregateInput {
    package let arguments: [Vector]
    package let selection: Selection
    /// State of each row, indexed by row position; nil: every row belongs to `single`.
    package let states: UnsafePointer<UnsafeMutableRawPointer>?
    package let single: UnsafeMutableRawPointer?
    package let heap: ByteHeap
    package let context: EvaluationContext

    /// Rows of many groups.
    package init(
        arguments: [Vector], selection: Selection, states: UnsafePointer<UnsafeMutableRawPointer>, heap: ByteHeap,
        context: EvaluationContext
    ) {
        self.arguments = arguments
        self.selection = selection
        self.states = states
        single = nil
        self.heap = heap
        self.context = context
    }
    /// Rows of one group.
    package init(
        arguments: [Vector], selection: Selection, state: UnsafeMutableRawPointer, heap: ByteHeap,
        context: EvaluationContext
    ) {
        self.arguments = arguments
        self.selection = selection
        states = nil
        single = state
        self.heap = heap
        self.context = context
    }

    @inline(__always) package func state(_ row: Int) -> UnsafeMutableRawPointer {
        if let states { return states[row] }
        return single.unsafelyUnwrapped
    }
}

package struct Aggregate: Sendable {
    /// A multiple of 8.
    package let stateByteCount: Int
    package let update: @Sendable (AggregateInput) throws(EngineError) -> Void
    /// Folds the second state into the first; anything kept is copied to the heap. `type` is the first argument's.
    package let combine:
        @Sendable (_ into: UnsafeMutableRawPointer, _ from: UnsafeMutableRawPointer, SQLType, ByteHeap)
            throws(EngineError)
            -> Void
    /// Writes the state's value (NULL for an empty group unless the aggregate says otherwise) to a row of the result. The
    /// state stays usable (window frames read it repeatedly). `type` is the first argument's.
    package let finalize: @Sendable (_ state: UnsafeMutableRawPointer, SQLType, Vector, Int) throws(EngineError) -> Void
    /// False if the order of rows matters to it (array_agg, string_agg).
    package let isOrderInsensitive: Bool

    package init(
        stateByteCount: Int, isOrderInsensitive: Bool = true,
        update: @escaping @Sendable (AggregateInput) throws(EngineError) -> Void,
        combine:
            @escaping @Sendable (UnsafeMutableRawPointer, UnsafeMutableRawPointer, SQLType, ByteHeap)
            throws(EngineError) -> Void,
        finalize: @escaping @Sendable (UnsafeMutableRawPointer, SQLType, Vector, Int) throws(EngineError) -> Void
    ) {
        assert(stateByteCount % 8 == 0)
        self.stateByteCount = stateByteCount
        self.isOrderInsensitive = isOrderInsensitive
        self.update = update
        self.combine = combine
        self.finalize = finalize
    }
}
