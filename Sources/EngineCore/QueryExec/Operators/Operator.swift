// The operators' common form. An operator tree is made once for a plan and opened for each execution, and again for each
// row of an outer one.
//
// Life: init … (open, next…, close)*. `open` after `open` without `close` starts over. Between `open` and the end of the
// rows, `next` returns chunks with at least one row; nil is the end, and stays the end.

import Platform
import SQL
import SQLTypes

package class Operator {
    let instance: Instance
    init(_ instance: Instance) { self.instance = instance }

    /// Starts, or starts over, with the parameters and correlations as they are now.
    func open() throws(EngineError) {}
    func next() throws(EngineError) -> Chunk? { preconditionFailure("an operator implements next") }
    /// Releases what the execution holds; keeps what the next one can use.
    func close() {}

    /// Rows, loops and time for EXPLAIN ANALYZE; nil unless asked for.
    final var counters: OperatorCounters?
}

/// What EXPLAIN ANALYZE shows of one operator.
package final class OperatorCounters {
    package var rows: Int64 = 0
    package var loops: Int64 = 0
    package var nanoseconds: UInt64 = 0
    /// Until the first row of the first loop.
    package var startupNanoseconds: UInt64 = 0
    /// What it held in memory at most, and wrote to the device.
    package private(set) var memory: MemoryUse?
    package init() {}

    package struct MemoryUse {
        package enum Kind { case sort, hashAggregate, hashJoin }
        package let kind: Kind
        package var heldByteCount: Int
        package var spilledByteCount: Int
        /// Parts that were worked on one after the other.
        package var batchCount: Int
    }

    /// The most of all loops is kept.
    func note(_ kind: MemoryUse.Kind, held: Int, spilled: Int, batches: Int = 1) {
        memory = MemoryUse(
            kind: kind, heldByteCount: max(held, memory?.heldByteCount ?? 0),
            spilledByteCount: max(spilled, memory?.spilledByteCount ?? 0),
            batchCount: max(batches, memory?.batchCount ?? 0))
    }
}

extension Operator {
    /// `open` with counting, if asked for.
    @inline(__always) final func start() throws(EngineError) {
        guard let counters else { return try open() }
        let begin = instance.evaluation.platform?.now() ?? Nanoseconds(0)
        counters.loops += 1
        try open()
        counters.nanoseconds += ((instance.evaluation.platform?.now() ?? begin) - begin).rawValue
    }

    /// `next` with counting, if asked for.
    @inline(__always) final func pull() throws(EngineError) -> Chunk? {
        guard let counters else { return try next() }
        let begin = instance.evaluation.platform?.now() ?? Nanoseconds(0)
        let chunk = try next()
        counters.nanoseconds += ((instance.evaluation.platform?.now() ?? begin) - begin).rawValue
        if counters.rows == 0 { counters.startupNanoseconds = counters.nanoseconds }
        counters.rows += Int64(chunk?.count ?? 0)
        return chunk
    }
}
