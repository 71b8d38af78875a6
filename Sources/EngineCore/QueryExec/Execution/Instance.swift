// The state that one instantiated plan's operators and evaluators share: where parameters and correlations lie, the
// context of the execution under way, common tables.

import MVCC
import Platform
import SQL
import SQLTypes

/// Parameters and correlations are constant vectors that evaluators refer to directly: setting one is seen at once by
/// every expression that reads it.
package final class Instance {
    let evaluation: EvaluationContext
    let tables: TableAccess
    let parameters: [Vector]
    let correlations: [Vector]
    /// Rows that vectors of expressions are made for: 1 for point plans.
    let capacity: Int
    var affectedRows: Int64 = 0
    /// WITH queries, and what they are built from.
    var commonTables: [Int: CommonTable] = [:]
    let commonTablePlans: [PlanNode?]
    /// For EXPLAIN ANALYZE, in the order of building.
    let isCounting: Bool
    var counters: [(node: PlanNode, counters: OperatorCounters)] = []
    /// Grows with every execution: what is kept for one is worthless in the next.
    private(set) var executionNumber: UInt64 = 0
    /// Set from open to close.
    private(set) var running: ExecutionContext?

    init(
        _ plan: PlannedQuery, _ types: [Int: SQLType], capacity: Int, _ tables: TableAccess,
        _ evaluation: EvaluationContext,
        counting: Bool
    ) {
        self.evaluation = evaluation
        self.tables = tables
        self.capacity = capacity
        commonTablePlans = plan.commonTables
        isCounting = counting
        parameters = plan.parameterTypes.map { Vector($0, capacity: 1) }
        correlations = (0..<plan.correlationCount).map { Vector(types[$0] ?? SQLType(.text), capacity: 1) }
    }

    /// Without a plan: expressions over columns only.
    init(_ tables: TableAccess, _ evaluation: EvaluationContext, capacity: Int = vectorCapacity) {
        self.evaluation = evaluation
        self.tables = tables
        self.capacity = capacity
        commonTablePlans = []
        isCounting = false
        parameters = []
        correlations = []
    }

    /// The context of the execution. Precondition: open.
    var context: ExecutionContext { running.unsafelyUnwrapped }
    /// What the statement sees: a cursor's portal keeps it when the transaction has gone on.
    private(set) var currentView: ReadView?
    var view: ReadView { currentView.unsafelyUnwrapped }

    func begin(_ context: ExecutionContext) throws(EngineError) {
        running = context
        currentView = context.transaction.view
        executionNumber += 1
        affectedRows = 0
        precondition(context.parameters.count == parameters.count, "a plan is executed with all of its parameters")
        for index in parameters.indices { try parameters[index].setConstant(context.parameters[index]) }
    }

    func end() { running = nil }

    /// Sets correlations from a row of an outer chunk.
    func bind(_ bindings: [CompiledBinding], _ chunk: Chunk, row: Int) throws(EngineError) {
        for binding in bindings {
            let source = try binding.source.evaluate(chunk, binding.only(row))
            let target = correlations[binding.index]
            target.reset()
            target.isConstant = true
            let position = source.position(row)
            if source.isNull(position) { target.setNull(0) } else { try target.setCopy(0, source.cell(position)) }
        }
    }
}

/// A correlation and where its value comes from.
final class CompiledBinding {
    let index: Int
    let source: Evaluator
    private let rows: UnsafeMutablePointer<UInt16>

    init(index: Int, source: Evaluator) {
        self.index = index
        self.source = source
        rows = .allocate(capacity: 1)
    }
    deinit { rows.deallocate() }

    /// A selection of one row.
    func only(_ row: Int) -> Selection {
        rows[0] = UInt16(truncatingIfNeeded: row)
        return Selection(count: 1, rows: UnsafePointer(rows))
    }
}
