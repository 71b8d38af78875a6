// Arrays, rows, lists: IN, ANY and ALL over arrays, ARRAY[…], subscripts, ROW(…) and comparisons of rows.

import Platform
import SQL
import SQLTypes

/// `left op ANY/ALL (array)`: the array may differ from row to row, so the operator is applied element by element.
final class QuantifiedArrayEvaluator: Evaluator {
    private let left: Evaluator
    private let array: Evaluator
    private let isAll: Bool
    private let leftValue: Vector
    private let elements: Vector
    private let test: CallEvaluator
    private let result: Vector
    private let input = Chunk()

    init(
        _ left: Evaluator, _ array: Evaluator, elementType: SQLType, all: Bool, capacity: Int,
        makeTest: (Evaluator, Evaluator) -> CallEvaluator
    ) {
        self.left = left
        self.array = array
        isAll = all
        leftValue = Vector(left.type, capacity: 1)
        elements = Vector(elementType)
        test = makeTest(FixedEvaluator(leftValue), FixedEvaluator(elements))
        result = Vector(SQLType(.bool), capacity: capacity)
        super.init(SQLType(.bool))
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        let lefts = try left.evaluate(chunk, selection)
        let arrays = try array.evaluate(chunk, selection)
        for index in 0..<selection.count {
            let row = selection[index]
            if arrays.isNull(row) {
                result.setNull(row)
                continue
            }
            leftValue.reset()
            leftValue.isConstant = true
            if lefts.isNull(row) { leftValue.setNull(0) } else { leftValue.setCell(0, lefts.cell(row)) }
            switch try verdict(ArrayValue(arrays.bytes(row))) {
            case .some(let value): result.setCell(row, Cell(value))
            case .none: result.setNull(row)
            }
        }
        return result
    }

    /// Nil is unknown.
    private func verdict(_ array: ArrayValue) throws(EngineError) -> Bool? {
        var sawNull = false
        var start = 0
        while start < array.count {
            let count = min(array.count - start, vectorCapacity)
            elements.reset()
            for index in 0..<count {
                if array.isNull(start + index) {
                    elements.setNull(index)
                } else {
                    elements.setCell(index, array.cell(start + index))
                }
            }
            let outcome = try test.evaluate(input, Selection(count: count))
            for index in 0..<count {
                if outcome.isNull(index) { sawNull = true } else if outcome.cell(index).bool != isAll { return !isAll }
            }
            start += count
        }
        return sawNull ? nil : isAll
    }
}

/// `left IN (items)`: constants go into a hash table, other items are compared one after another.
final class InListEvaluator: Evaluator {
    private let left: Evaluator
    private let tests: [CallEvaluator]
    private let result: Vector
    private var open: SelectionBuffer
    private let constants: ConstantSet?

    init(_ left: Evaluator, tests: [CallEvaluator], constants: ConstantSet?, capacity: Int) {
        self.left = left
        self.tests = tests
        self.constants = constants
        result = Vector(SQLType(.bool), capacity: capacity)
        open = SelectionBuffer(capacity: capacity)
        super.init(SQLType(.bool))
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        if let constants {
            let values = try left.evaluate(chunk, selection)
            for index in 0..<selection.count {
                let row = selection[index]
                if values.isNull(row) {
                    result.setNull(row)
                } else if constants.contains(values.cell(row)) {
                    result.setCell(row, Cell(true))
                } else if constants.hasNull {
                    result.setNull(row)
                } else {
                    result.setCell(row, Cell(false))
                }
            }
            return result
        }
        for index in 0..<selection.count { result.setCell(selection[index], Cell(false)) }
        var remaining = selection
        for test in tests {
            if remaining.count == 0 { break }
            let outcome = try test.evaluate(chunk, remaining)
            var kept = 0
            for index in 0..<remaining.count {
                let row = remaining[index]
                if outcome.isNull(row) {
                    result.setNull(row)
                } else if outcome.cell(row).bool {
                    result.setCell(row, Cell(true))
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

/// A set of constants of one type.
final class ConstantSet {
    private let kind: ValueClass
    private var buckets: [UInt64: [Datum]] = [:]
    private(set) var hasNull = false

    init(_ values: [Datum], _ type: SQLType) {
        kind = ValueClass.of(type.oid)
        for value in values {
            if value.isNull {
                hasNull = true
            } else {
                buckets[Hashing.hash(value.unownedCell, kind), default: []].append(value)
            }
        }
    }

    func contains(_ cell: Cell) -> Bool {
        guard let bucket = buckets[Hashing.hash(cell, kind)] else { return false }
        for value in bucket where Comparison.areEqual(value.unownedCell, cell, kind) { return true }
        return false
    }
}

/// ARRAY[…].
final class ArrayEvaluator: Evaluator {
    private let elements: [Evaluator]
    private let elementType: SQLType
    private let isMultidimensional: Bool
    private let result: Vector

    init(_ elements: [Evaluator], elementType: SQLType, type: SQLType, multidimensional: Bool, capacity: Int) {
        self.elements = elements
        self.elementType = elementType
        isMultidimensional = multidimensional
        result = Vector(type, capacity: capacity)
        super.init(type)
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        var vectors: [Vector] = []
        for element in elements { vectors.append(try element.evaluate(chunk, selection)) }
        for index in 0..<selection.count {
            let row = selection[index]
            try result.setBytes(row, isMultidimensional ? try nested(vectors, row) : flat(vectors, row))
        }
        return result
    }

    private func flat(_ vectors: [Vector], _ row: Int) -> [UInt8] {
        var builder = ArrayBuilder(element: elementType.oid)
        for vector in vectors { builder.append(vector.isNull(row) ? nil : vector.cell(row)) }
        return builder.finish()
    }

    /// One more dimension around arrays of equal shape.
    private func nested(_ vectors: [Vector], _ row: Int) throws(EngineError) -> [UInt8] {
        var builder = ArrayBuilder(element: elementType.oid)
        var inner: [ArrayDimension]?
        for vector in vectors {
            let array = vector.isNull(row) ? nil : ArrayValue(vector.bytes(row))
            let dimensions = array?.dimensions ?? []
            if let inner, inner != dimensions {
                throw EngineError(
                    "2202E", "multidimensional arrays must have array expressions with matching dimensions")
            }
            inner = dimensions
            guard let array else { continue }
            for index in 0..<array.count { builder.append(array.isNull(index) ? nil : array.cell(index)) }
        }
        guard let inner, !inner.isEmpty else { return builder.finish() }
        return try builder.finish(dimensions: [ArrayDimension(length: vectors.count)] + inner)
    }
}

/// `array[i]`, `array[i][j]`: NULL outside the bounds.
final class ElementEvaluator: Evaluator {
    private let base: Evaluator
    private let indices: [Evaluator]
    private let result: Vector

    init(_ base: Evaluator, _ indices: [Evaluator], type: SQLType, capacity: Int) {
        self.base = base
        self.indices = indices
        result = Vector(type, capacity: capacity)
        super.init(type)
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        let arrays = try base.evaluate(chunk, selection)
        var positions: [Vector] = []
        for index in indices { positions.append(try index.evaluate(chunk, selection)) }
        for index in 0..<selection.count {
            let row = selection[index]
            if arrays.isNull(row) || positions.contains(where: { $0.isNull(row) }) {
                result.setNull(row)
                continue
            }
            let array = ArrayValue(arrays.bytes(row))
            let place = array.index(positions.map { Int($0.cell(row).int32) })
            if let place, !array.isNull(place) {
                try result.setCopy(row, array.cell(place))
            } else {
                result.setNull(row)
            }
        }
        return result
    }
}

/// `(a, b) op (c, d)`. Equality needs all columns; the orders are decided by the first columns that differ.
final class RowComparisonEvaluator: Evaluator {
    private let kind: ComparisonKind
    private let operations: [CallEvaluator]
    private let equalities: [CallEvaluator]
    private let result: Vector

    init(_ kind: ComparisonKind, operations: [CallEvaluator], equalities: [CallEvaluator], capacity: Int) {
        self.kind = kind
        self.operations = operations
        self.equalities = equalities
        result = Vector(SQLType(.bool), capacity: capacity)
        super.init(SQLType(.bool))
    }

    override func evaluate(_ chunk: Chunk, _ selection: Selection) throws(EngineError) -> Vector {
        result.reset()
        var verdicts: [Vector] = []
        for operation in operations { verdicts.append(try operation.evaluate(chunk, selection)) }
        var equal: [Vector] = []
        if kind != .equal, kind != .notEqual {
            for equality in equalities { equal.append(try equality.evaluate(chunk, selection)) }
        }
        for index in 0..<selection.count {
            let row = selection[index]
            let verdict =
                kind == .equal || kind == .notEqual ? equality(verdicts, row) : order(verdicts, equal, row)
            if let verdict { result.setCell(row, Cell(verdict)) } else { result.setNull(row) }
        }
        return result
    }

    private func equality(_ verdicts: [Vector], _ row: Int) -> Bool? {
        var isUnknown = false
        for verdict in verdicts {
            if verdict.isNull(row) {
                isUnknown = true
            } else if !verdict.cell(row).bool {
                return kind == .notEqual
            }
        }
        return isUnknown ? nil : kind == .equal
    }

    private func order(_ verdicts: [Vector], _ equal: [Vector], _ row: Int) -> Bool? {
        for column in verdicts.indices {
            if equal[column].isNull(row) { return nil }
            if !equal[column].cell(row).bool {
                return verdicts[column].isNull(row) ? nil : verdicts[column].cell(row).bool
            }
        }
        return kind == .lessOrEqual || kind == .greaterOrEqual
    }
}
