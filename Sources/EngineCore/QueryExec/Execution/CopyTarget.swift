// COPY FROM's end: batches of the stream's columns become rows of the table.

import MultiEngine
import MVCC
import Platform
import SQL
import SQLTypes

package final class CopyTarget {
    private let context: ExecutionContext
    private let instance: Instance
    private let writer: TableWriter
    private let row: RowBuffer
    private let values: [Evaluator]
    private let generated: [(column: Int, expression: Evaluator)]
    private let checks: RowChecks
    private let filter: Evaluator?
    private let schema: [UInt8]
    private let input = Chunk()
    private let tuples = Chunk()
    private var kept = SelectionBuffer()
    private var count: Int64 = 0

    /// The context's transaction has begun its statement.
    package init(_ plan: CopyPlan, _ context: ExecutionContext, _ tables: TableAccess) throws(EngineError) {
        guard let descriptor = plan.table else {
            throw EngineError(.internalError, "COPY FROM was planned without a table")
        }
        self.context = context
        instance = Instance(tables, context.evaluation)
        try instance.begin(context)
        let compiler = Compiler(instance)
        let table = try tables.store(descriptor)
        writer = TableWriter(table)
        row = table.makeRow()
        schema = table.definition.schemaName
        values = try compiler.compile(plan.values)
        var generated: [(column: Int, expression: Evaluator)] = []
        for assignment in plan.generated {
            generated.append((Int(assignment.number) - 1, try compiler.compile(assignment.expression)))
        }
        self.generated = generated
        checks = try RowChecks(descriptor, plan.constraints, compiler)
        filter = try compiler.compile(optional: plan.filter)
    }

    /// Inserts rows 0..<count of the stream's columns. Errors: constraints', 23505, 53100.
    package func insert(_ columns: [Vector], count: Int) throws(EngineError) {
        input.columns = columns
        input.selection = Selection(count: count)
        tuples.columns.removeAll(keepingCapacity: true)
        for value in values { tuples.columns.append(try value.evaluate(input, input.selection)) }
        tuples.selection = input.selection
        for (column, expression) in generated {
            tuples.columns[column] = try expression.evaluate(tuples, tuples.selection)
        }
        if let filter {
            try select(filter, tuples, tuples.selection, into: &kept)
            tuples.selection = kept.selection
        }
        try checks.verify(tuples, schema)
        _ = try writer.insert(tuples.columns, tuples.selection, row, context.transaction)
        self.count += Int64(tuples.count)
    }

    /// Rows inserted.
    package func finish() -> Int64 {
        instance.end()
        return count
    }
}
