// One instantiated plan: the operator tree with its vectors, made once and executed any number of times.
//
// A prepared statement keeps an execution; opening it again sets parameters and starts the operators over. One execution
// at a time uses it. Decision 0005 says why rows are pulled.

import Platform
import SQL
import SQLTypes

package final class Execution {
    package let plan: PlannedQuery
    let instance: Instance
    private let root: Operator
    private var isOpen = false

    /// Builds the operators. Cost: a few microseconds and some kilobytes per operator; a point plan's vectors hold one row.
    package init(
        _ plan: PlannedQuery, _ tables: TableAccess, _ evaluation: EvaluationContext, counting: Bool = false
    ) throws(EngineError) {
        self.plan = plan
        instance = Instance(
            plan, CorrelationTypes.collect(plan), capacity: PlanBuilder.capacity(plan), tables, evaluation,
            counting: counting)
        root = try PlanBuilder(instance).build(plan.root)
    }

    /// Common tables hold operators, and those the instance.
    deinit { instance.commonTables.removeAll() }

    /// By plan node, when counting.
    package var counters: [(node: PlanNode, counters: OperatorCounters)] { instance.counters }

    /// Starts an execution. The context's transaction has begun its statement.
    package func open(_ context: ExecutionContext) throws(EngineError) {
        precondition(!isOpen, "an execution is opened once at a time")
        try instance.begin(context)
        isOpen = true
        do throws(EngineError) {
            try root.start()
        } catch {
            close()
            throw error
        }
    }

    /// The next rows, nil at the end. A chunk is valid until the next call.
    package func next() throws(EngineError) -> Chunk? { try root.pull() }

    /// Ends the execution, wherever it is.
    package func close() {
        guard isOpen else { return }
        root.close()
        for table in instance.commonTables.values { table.clear() }
        instance.end()
        isOpen = false
    }

    /// Rows inserted, updated or deleted so far.
    package var affectedRows: Int64 { instance.affectedRows }
}
