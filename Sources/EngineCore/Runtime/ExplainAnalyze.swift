// EXPLAIN: the plan as text; with ANALYZE the plan is run first, its rows dropped, and each node's measure shown.

import Fibers
import MVCC
import Platform
import QueryExec
import SQL
import SQLTypes

extension Session {
    /// Fills the portal's text rows.
    func explain(_ portal: Portal, _ statement: PreparedStatement) throws(EngineError) {
        _ = try lockAndValidate(statement)
        guard case .explain(let options, let query) = statement.planned else {
            throw EngineError(.internalError, "an EXPLAIN was planned as something else")
        }
        portal.textTag = CommandTag("EXPLAIN")
        guard options.isAnalyze else {
            portal.textRows = ExplainText.lines(query, options, catalog).map { [$0] }
            return
        }
        transaction.beginStatement()
        let execution = try Execution(query, tables, evaluation, counting: true)
        let context = makeExecutionContext()
        prepareContext(context, portal.parameters)
        let start = Fiber.now()
        try execution.open(context)
        do throws(EngineError) {
            while try execution.next() != nil {}
        } catch {
            execution.close()
            throw error
        }
        execution.close()
        let elapsed = Double((Fiber.now() - start).rawValue) / 1_000_000
        var measures: [ObjectIdentifier: NodeMeasure] = [:]
        for (node, counters) in execution.counters where counters.loops > 0 {
            measures[ObjectIdentifier(node)] = NodeMeasure(
                startupMilliseconds: Double(counters.startupNanoseconds) / 1_000_000,
                totalMilliseconds: Double(counters.nanoseconds) / 1_000_000, rows: Double(counters.rows),
                loops: Double(counters.loops), memory: counters.memory.map { Self.describe($0) })
        }
        portal.textRows = ExplainText.lines(query, options, catalog) { measures[ObjectIdentifier($0)] }.map { [$0] }
        if options.showsSummary {
            portal.textRows.append([Array("Execution Time: ".utf8) + fixed(elapsed, 3) + Array(" ms".utf8)])
        }
    }

    /// As PostgreSQL words it.
    private static func describe(_ use: OperatorCounters.MemoryUse) -> [UInt8] {
        let held = (use.heldByteCount + 1023) / 1024
        let spilled = (use.spilledByteCount + 1023) / 1024
        switch use.kind {
        case .sort:
            return Array(
                (spilled == 0
                    ? "Sort Method: quicksort  Memory: \(held)kB" : "Sort Method: external merge  Disk: \(spilled)kB")
                    .utf8)
        case .hashAggregate, .hashJoin:
            let disk = spilled == 0 ? "" : "  Disk Usage: \(spilled)kB"
            return Array("Batches: \(use.batchCount)  Memory Usage: \(held)kB\(disk)".utf8)
        }
    }
}
