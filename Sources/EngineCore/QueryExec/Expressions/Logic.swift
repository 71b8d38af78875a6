// Three-valued logic. AND and OR evaluate an operand only for the rows that the operands before it left open, so an
// error in `b` is not raised where `a` decides `a AND b`.

import Platform
import SQLTypes

/// AND (`absorbing` false) or OR (`absorbing` true): a row is decided once an operand has the absorbing value; it is NULL
/// if none has and one is NULL.
final class ConnectiveEvaluator: Evaluator {
    private let operands: [Evaluator]
    private let absorbing: Bool
    private let result: Vector
    private var open: SelectionBuffer

    init(_ operands: [Evaluator], absorbing: Bool, capacity: Int) {
        self.operands = operands
        self.absorbing = absorbing
        result = Vector(SQLType(.bool), capacity: capacity)
        open = SelectionBuffer(capacity: capacity)
        super.init(SQLType(.bool))
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        let values = result.values(Bool.self)
        for index in 0..<selection.count { values[selection[index]] = !absorbing }
        var remaining = selection
        for operand in operands {
            if remaining.count == 0 { break }
            let vector = try operand.evaluate(chunk, remaining)
            // `open` is rewritten in place: it is read at or ahead of where it is written.
            var kept = 0
            for index in 0..<remaining.count {
                let row = remaining[index]
                if vector.isNull(row) {
                    result.setNull(row)
                } else if vector.cell(row).bool == absorbing {
                    values[row] = absorbing
                    if result.hasNulls { result.setValid(row) }
                    continue
                }
                open.rows[kept] = UInt16(truncatingIfNeeded: row)
                kept += 1
            }
            open.count = kept
            remaining = open.selection
        }
        return result
    }
}

/// One operand to a boolean, row by row.
final class TestEvaluator: Evaluator {
    enum Test {
        case not
        case isNull(negated: Bool)
        /// IS [NOT] TRUE, FALSE.
        case isValue(Bool, negated: Bool)
    }
    private let operand: Evaluator
    private let test: Test
    private let result: Vector

    init(_ operand: Evaluator, _ test: Test, capacity: Int) {
        self.operand = operand
        self.test = test
        result = Vector(SQLType(.bool), capacity: capacity)
        super.init(SQLType(.bool))
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        let vector = try operand.evaluate(chunk, selection)
        result.reset()
        let values = result.values(Bool.self)
        for index in 0..<selection.count {
            let row = selection[index]
            let isNull = vector.isNull(row)
            switch test {
            case .not:
                if isNull { result.setNull(row) } else { values[row] = !vector.cell(row).bool }
            case .isNull(let negated):
                values[row] = isNull != negated
            case .isValue(let value, let negated):
                values[row] = (!isNull && vector.cell(row).bool == value) != negated
            }
        }
        return result
    }
}

/// Rows of the selection for which a condition is true, into `kept`.
package func select(
    _ condition: Evaluator, _ chunk: Chunk, _ selection: Selection, into kept: inout SelectionBuffer
) throws(EngineError) {
    let vector = try condition.evaluate(chunk, selection)
    kept.count = 0
    if vector.isConstant {
        if vector.isNull(0) || !vector.cell(0).bool { return }
        for index in 0..<selection.count { kept.append(selection[index]) }
        return
    }
    let values = vector.values(Bool.self)
    if vector.hasNulls {
        for index in 0..<selection.count {
            let row = selection[index]
            if values[row], !vector.isNull(row) { kept.append(row) }
        }
    } else {
        for index in 0..<selection.count {
            let row = selection[index]
            if values[row] { kept.append(row) }
        }
    }
}
