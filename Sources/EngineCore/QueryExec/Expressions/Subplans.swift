// Subqueries as expressions. One without correlations runs once per execution and its answer is kept; one with
// correlations runs for each row.

import Platform
import SQL
import SQLTypes

/// What subplan evaluators share: the operator tree, the correlations to set, and the row loop.
class SubplanEvaluator: Evaluator {
    let instance: Instance
    let plan: Operator
    let bindings: [CompiledBinding]
    let result: Vector
    /// Execution for which the kept answer holds.
    private var answered: UInt64 = 0

    init(_ plan: Operator, _ bindings: [CompiledBinding], type: SQLType, capacity: Int, _ instance: Instance) {
        self.instance = instance
        self.plan = plan
        self.bindings = bindings
        result = Vector(type, capacity: capacity)
        super.init(type)
    }

    final override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        if bindings.isEmpty, isAnswerConstant {
            if answered == instance.executionNumber { return result }
            result.reset()
            result.isConstant = true
            try answer(chunk, 0, into: 0)
            answered = instance.executionNumber
            return result
        }
        result.reset()
        try prepare(chunk, selection)
        for index in 0..<selection.count {
            let row = selection[index]
            try instance.bind(bindings, chunk, row: row)
            try answer(chunk, row, into: row)
        }
        return result
    }

    /// The answer depends on nothing but the subplan: ANY and ALL also depend on their left side.
    var isAnswerConstant: Bool { true }

    /// Evaluates what the answers need of the selected rows, once for all of them: the chunk's own selection says nothing
    /// about them.
    func prepare(_ chunk: Chunk, _ selection: Selection) throws(EngineError) {}

    /// Computes the answer for `row` of the chunk into `place` of the result.
    func answer(_ chunk: Chunk, _ row: Int, into place: Int) throws(EngineError) {
        preconditionFailure("a subplan evaluator implements answer")
    }
}

/// A value: NULL without rows, an error with more than one.
final class ScalarSubplan: SubplanEvaluator {
    override func answer(_ chunk: Chunk, _ row: Int, into place: Int) throws(EngineError) {
        try plan.start()
        defer { plan.close() }
        guard let first = try plan.pull() else { return result.setNull(place) }
        let source = first.columns[0]
        try result.copyRow(place, from: source, source.position(first.selection[0]))
        if first.count == 1 {
            guard try plan.pull() != nil else { return }
        }
        throw EngineError("21000", "more than one row returned by a subquery used as an expression")
    }
}

/// EXISTS.
final class ExistsSubplan: SubplanEvaluator {
    override func answer(_ chunk: Chunk, _ row: Int, into place: Int) throws(EngineError) {
        try plan.start()
        defer { plan.close() }
        result.setCell(place, Cell(try plan.pull() != nil))
    }
}

/// ARRAY(SELECT …).
final class ArraySubplan: SubplanEvaluator {
    private let builder: ArrayCollector

    init(
        _ plan: Operator, _ bindings: [CompiledBinding], type: SQLType, element: SQLType, capacity: Int,
        _ instance: Instance
    ) {
        builder = ArrayCollector(element)
        super.init(plan, bindings, type: type, capacity: capacity, instance)
    }

    override func answer(_ chunk: Chunk, _ row: Int, into place: Int) throws(EngineError) {
        try plan.start()
        defer { plan.close() }
        builder.removeAll()
        while let rows = try plan.pull() {
            let source = rows.columns[0]
            for index in 0..<rows.count { builder.append(source, source.position(rows.selection[index])) }
        }
        try builder.store(into: result, place)
    }
}

/// `left op ANY (subquery)` and `left op ALL (subquery)`, also for rows of several columns.
final class QuantifiedSubplan: SubplanEvaluator {
    private let left: [Evaluator]
    private let isAll: Bool
    /// One call per column, over the left value (a constant vector) and the subquery's column.
    private let tests: [CallEvaluator]
    private let leftValues: [Vector]
    /// The left side for the rows under way.
    private var compared: [Vector] = []
    /// The subquery's rows, kept when they do not depend on the row.
    private let kept: MaterializeOperator?
    private var filled: UInt64 = 0

    init(
        _ plan: Operator, _ bindings: [CompiledBinding], left: [Evaluator], leftValues: [Vector],
        tests: [CallEvaluator], all: Bool, columnTypes: [SQLType], capacity: Int, _ instance: Instance
    ) {
        self.left = left
        self.leftValues = leftValues
        self.tests = tests
        isAll = all
        kept = bindings.isEmpty ? MaterializeOperator(plan, columnTypes, instance) : nil
        super.init(plan, bindings, type: SQLType(.bool), capacity: capacity, instance)
    }

    override var isAnswerConstant: Bool { false }

    override func prepare(_ chunk: Chunk, _ selection: Selection) throws(EngineError) {
        compared.removeAll(keepingCapacity: true)
        for expression in left { compared.append(try expression.evaluate(chunk, selection)) }
    }

    override func answer(_ chunk: Chunk, _ row: Int, into place: Int) throws(EngineError) {
        for (index, source) in compared.enumerated() {
            let target = leftValues[index]
            target.reset()
            target.isConstant = true
            try target.copyRow(0, from: source, source.position(row))
        }
        let rows = try openRows()
        defer { if kept == nil { plan.close() } }
        var sawNull = false
        while let batch = try rows.pull() {
            for verdict in try verdicts(batch) {
                if verdict == nil { sawNull = true }
                if let verdict, verdict != isAll {
                    result.setCell(place, Cell(!isAll))
                    return
                }
            }
        }
        if sawNull { result.setNull(place) } else { result.setCell(place, Cell(isAll)) }
    }

    private func openRows() throws(EngineError) -> Operator {
        guard let kept else {
            try plan.start()
            return plan
        }
        if filled == instance.executionNumber {
            kept.rewind()
        } else {
            try kept.start()
            filled = instance.executionNumber
        }
        return kept
    }

    /// For each row whether all columns' tests hold; nil is unknown.
    private func verdicts(_ batch: Chunk) throws(EngineError) -> [Bool?] {
        var verdicts = [Bool?](repeating: true, count: batch.count)
        for test in tests {
            let outcome = try test.evaluate(batch, batch.selection)
            for index in 0..<batch.count {
                let row = batch.selection[index]
                if outcome.isNull(row) {
                    if verdicts[index] == true { verdicts[index] = nil as Bool? }
                } else if !outcome.cell(row).bool {
                    verdicts[index] = false
                }
            }
        }
        return verdicts
    }
}

/// `left = ANY (subquery)` without correlations: the rows go into a hash table once per execution.
final class HashedAnySubplan: SubplanEvaluator {
    private let left: [Evaluator]
    private let groups: GroupTable
    private let found: UnsafeMutablePointer<Int32>
    private var filled: UInt64 = 0
    private var hasNull = false
    /// The left side for the rows under way.
    private var compared: [Vector] = []

    init(
        _ plan: Operator, left: [Evaluator], columnTypes: [SQLType], capacity: Int, _ instance: Instance
    ) {
        self.left = left
        groups = GroupTable(columnTypes)
        found = .allocate(capacity: vectorCapacity)
        super.init(plan, [], type: SQLType(.bool), capacity: capacity, instance)
    }

    deinit { found.deallocate() }

    override var isAnswerConstant: Bool { false }

    override func prepare(_ chunk: Chunk, _ selection: Selection) throws(EngineError) {
        compared.removeAll(keepingCapacity: true)
        for expression in left { compared.append(try expression.evaluate(chunk, selection)) }
    }

    private func fill() throws(EngineError) {
        if filled == instance.executionNumber { return }
        groups.begin(instance.context.budget)
        hasNull = false
        try plan.start()
        defer { plan.close() }
        while let chunk = try plan.pull() {
            _ = try groups.find(chunk.columns, chunk.selection, into: found)
            for column in chunk.columns where column.hasNulls {
                for index in 0..<chunk.count where column.isNull(chunk.selection[index]) { hasNull = true }
            }
            try instance.context.checkpoint()
        }
        filled = instance.executionNumber
    }

    override func answer(_ chunk: Chunk, _ row: Int, into place: Int) throws(EngineError) {
        try fill()
        var rowNumber = UInt16(truncatingIfNeeded: row)
        let vectors = compared
        var leftHasNull = false
        for vector in vectors where vector.isNull(row) { leftHasNull = true }
        if groups.count == 0 { return result.setCell(place, Cell(false)) }
        if !leftHasNull {
            withUnsafePointer(to: &rowNumber) { rows in
                groups.lookUp(vectors, Selection(count: 1, rows: rows), into: found)
            }
            if found[row] >= 0 { return result.setCell(place, Cell(true)) }
        }
        if leftHasNull || hasNull, isUnknown(vectors, row) {
            result.setNull(place)
        } else {
            result.setCell(place, Cell(false))
        }
    }

    /// Some row of the subquery differs in no column for certain. One column needs no look: a NULL on either side does.
    private func isUnknown(_ vectors: [Vector], _ row: Int) -> Bool {
        if vectors.count == 1 { return true }
        for group in 0..<groups.count {
            let place = group & (vectorCapacity - 1)
            var differs = false
            for (column, vector) in vectors.enumerated() {
                let other = groups.keys.vector(group, column)
                if vector.isNull(row) || other.isNull(place) { continue }
                if !Comparison.areEqual(vector.cell(row), other.cell(place), ValueClass.of(vector.type.oid)) {
                    differs = true
                    break
                }
            }
            if !differs { return true }
        }
        return false
    }
}
