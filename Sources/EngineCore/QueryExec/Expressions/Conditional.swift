// CASE, COALESCE, NULLIF, GREATEST, LEAST, IS DISTINCT FROM: results put together row by row from several operands, each
// evaluated only for the rows that ask for it.

import Platform
import SQLTypes

/// Copies the selected rows of `source` to `result`. Long strings are copied: the operand may be evaluated again.
func copyRows(_ source: Vector, _ selection: Selection, to result: Vector) throws(EngineError) {
    for index in 0..<selection.count {
        let row = selection[index]
        if source.isNull(row) { result.setNull(row) } else { try result.setCopy(row, source.cell(row)) }
    }
}

/// CASE WHEN … THEN … ELSE … END.
final class CaseEvaluator: Evaluator {
    private let branches: [(condition: Evaluator, result: Evaluator)]
    private let otherwise: Evaluator?
    private let result: Vector
    private var taken: SelectionBuffer
    private var rest: SelectionBuffer

    init(
        _ branches: [(condition: Evaluator, result: Evaluator)], otherwise: Evaluator?, type: SQLType, capacity: Int
    ) {
        self.branches = branches
        self.otherwise = otherwise
        result = Vector(type, capacity: capacity)
        taken = SelectionBuffer(capacity: capacity)
        rest = SelectionBuffer(capacity: capacity)
        super.init(type)
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        var remaining = selection
        for branch in branches {
            if remaining.count == 0 { return result }
            let condition = try branch.condition.evaluate(chunk, remaining)
            taken.count = 0
            var kept = 0
            for index in 0..<remaining.count {
                let row = remaining[index]
                if !condition.isNull(row), condition.cell(row).bool {
                    taken.append(row)
                } else {
                    rest.rows[kept] = UInt16(truncatingIfNeeded: row)
                    kept += 1
                }
            }
            rest.count = kept
            if taken.count > 0 {
                try copyRows(try branch.result.evaluate(chunk, taken.selection), taken.selection, to: result)
            }
            remaining = rest.selection
        }
        if remaining.count == 0 { return result }
        if let otherwise {
            try copyRows(try otherwise.evaluate(chunk, remaining), remaining, to: result)
        } else {
            for index in 0..<remaining.count { result.setNull(remaining[index]) }
        }
        return result
    }
}

/// COALESCE: the first operand that is not NULL.
final class CoalesceEvaluator: Evaluator {
    private let operands: [Evaluator]
    private let result: Vector
    private var rest: SelectionBuffer

    init(_ operands: [Evaluator], type: SQLType, capacity: Int) {
        self.operands = operands
        result = Vector(type, capacity: capacity)
        rest = SelectionBuffer(capacity: capacity)
        super.init(type)
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        var remaining = selection
        for operand in operands {
            if remaining.count == 0 { break }
            let vector = try operand.evaluate(chunk, remaining)
            var kept = 0
            for index in 0..<remaining.count {
                let row = remaining[index]
                if vector.isNull(row) {
                    rest.rows[kept] = UInt16(truncatingIfNeeded: row)
                    kept += 1
                } else {
                    try result.setCopy(row, vector.cell(row))
                }
            }
            rest.count = kept
            remaining = rest.selection
        }
        for index in 0..<remaining.count { result.setNull(remaining[index]) }
        return result
    }
}

/// NULLIF(a, b): NULL where `equals` is true, else a.
final class NullIfEvaluator: Evaluator {
    private let first: Evaluator
    private let equals: Evaluator
    private let result: Vector

    init(_ first: Evaluator, equals: Evaluator, type: SQLType, capacity: Int) {
        self.first = first
        self.equals = equals
        result = Vector(type, capacity: capacity)
        super.init(type)
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        try copyRows(try first.evaluate(chunk, selection), selection, to: result)
        let equal = try equals.evaluate(chunk, selection)
        for index in 0..<selection.count {
            let row = selection[index]
            if !equal.isNull(row), equal.cell(row).bool { result.setNull(row) }
        }
        return result
    }
}

/// GREATEST or LEAST; NULLs are ignored.
final class ExtremumEvaluator: Evaluator {
    private let operands: [Evaluator]
    private let isGreatest: Bool
    private let kind: ValueClass
    private let result: Vector

    init(_ operands: [Evaluator], greatest: Bool, type: SQLType, capacity: Int) {
        self.operands = operands
        isGreatest = greatest
        kind = ValueClass.of(type.oid)
        result = Vector(type, capacity: capacity)
        super.init(type)
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        for index in 0..<selection.count { result.setNull(selection[index]) }
        for operand in operands {
            let vector = try operand.evaluate(chunk, selection)
            for index in 0..<selection.count {
                let row = selection[index]
                if vector.isNull(row) { continue }
                let cell = vector.cell(row)
                if !result.isNull(row) {
                    let order = Comparison.compare(cell, result.cell(row), kind)
                    if isGreatest ? order <= 0 : order >= 0 { continue }
                }
                try result.setCopy(row, cell)
            }
        }
        return result
    }
}

/// IS [NOT] DISTINCT FROM: equality that takes NULL for a value.
final class DistinctFromEvaluator: Evaluator {
    private let left: Evaluator
    private let right: Evaluator
    private let equals: CallEvaluator
    private let negated: Bool
    private let result: Vector
    private var both: SelectionBuffer

    init(_ left: Evaluator, _ right: Evaluator, equals: CallEvaluator, negated: Bool, capacity: Int) {
        self.left = left
        self.right = right
        self.equals = equals
        self.negated = negated
        result = Vector(SQLType(.bool), capacity: capacity)
        both = SelectionBuffer(capacity: capacity)
        super.init(SQLType(.bool))
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        let values = result.values(Bool.self)
        let a = try left.evaluate(chunk, selection)
        let b = try right.evaluate(chunk, selection)
        both.count = 0
        for index in 0..<selection.count {
            let row = selection[index]
            if a.isNull(row) || b.isNull(row) {
                values[row] = (a.isNull(row) != b.isNull(row)) != negated
            } else {
                both.append(row)
            }
        }
        if both.count == 0 { return result }
        let equal = try equals.evaluate(chunk, both.selection)
        for index in 0..<both.count {
            let row = Int(both.rows[index])
            values[row] = !(!equal.isNull(row) && equal.cell(row).bool) != negated
        }
        return result
    }
}
