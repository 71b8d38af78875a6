// Scans through an index: key conditions become bounds once per opening; an IN list becomes one range after another.

import Fibers
import MultiEngine
import MVCC
import Platform
import SQL
import SQLTypes

/// A key column's condition, compiled.
enum CompiledKeyCondition {
    case equal(Evaluator)
    case anyOf([Evaluator])
    case anyElement(Evaluator)
    case isNull
}

final class IndexScanOperator: ScanOperator {
    private let cursor: IndexCursor
    private let stored: StoredIndex
    private let prefix: [CompiledKeyCondition]
    private let lower: (expression: Evaluator, isInclusive: Bool)?
    private let upper: (expression: Evaluator, isInclusive: Bool)?
    private let excludesNulls: Bool
    private let direction: CursorDirection
    private var bounds = IndexBounds()
    private let input = Chunk(selection: Selection(count: 1))
    private let isSimple: Bool

    /// With lists: for each prefix column the values to take, in index order; `choice` counts through the combinations.
    private var lists: [[Datum]] = []
    private var choice: [Int] = []
    private var isExhausted = true

    init(
        _ node: IndexScan, prefix: [CompiledKeyCondition], lower: (expression: Evaluator, isInclusive: Bool)?,
        upper: (expression: Evaluator, isInclusive: Bool)?, filter: Evaluator?, capacity: Int, _ instance: Instance
    ) throws(EngineError) {
        let table = try instance.tables.store(node.table)
        guard let position = table.position(ofIndex: node.index.oid) else {
            throw EngineError(.internalError, "a plan names an index that its table does not have")
        }
        cursor = IndexCursor(table, index: position)
        stored = table.definition.indexes[position]
        self.prefix = prefix
        self.lower = lower
        self.upper = upper
        excludesNulls = node.excludesNulls
        direction = node.direction == .forward ? .forward : .backward
        isSimple = prefix.allSatisfy {
            switch $0 {
            case .equal, .isNull: true
            case .anyOf, .anyElement: false
            }
        }
        try super.init(node.table, node.columns, filter: filter, capacity: capacity, instance)
        cursor.bind(positions, fetched, indexOnly: node.isIndexOnly && IndexCursor.covers(stored, positions))
    }

    override func open() throws(EngineError) {
        isExhausted = false
        if isSimple {
            try openRange()
            return
        }
        lists.removeAll(keepingCapacity: true)
        choice = [Int](repeating: 0, count: prefix.count)
        for (column, condition) in prefix.enumerated() {
            let values = try values(condition, stored.columns[column])
            if values.isEmpty {
                if case .isNull = condition {
                } else {
                    isExhausted = true
                }
            }
            lists.append(values)
        }
        if !isExhausted { try openRange() }
    }

    /// Distinct values of a list condition in index order, along the scan's direction; empty for IS NULL.
    private func values(_ condition: CompiledKeyCondition, _ column: StoredIndexColumn) throws(EngineError) -> [Datum] {
        var found: [Datum] = []
        switch condition {
        case .isNull: return []
        case .equal(let expression): found = [try expression.value(input)]
        case .anyOf(let expressions): for expression in expressions { found.append(try expression.value(input)) }
        case .anyElement(let expression):
            let array = try expression.value(input)
            if !array.isNull {
                array.withBytes { bytes in
                    let elements = ArrayValue(bytes)
                    for index in 0..<elements.count { found.append(elements.datum(index)) }
                }
            }
        }
        found.removeAll { $0.isNull }
        let kind = ValueClass.of(column.type.oid)
        let isReversed = column.isDescending != (direction == .backward)
        found.sort { a, b in
            let order = Comparison.compare(a.unownedCell, b.unownedCell, kind)
            return isReversed ? order > 0 : order < 0
        }
        var unique: [Datum] = []
        for value in found {
            if let last = unique.last, Comparison.areEqual(last.unownedCell, value.unownedCell, kind) { continue }
            unique.append(value)
        }
        return unique
    }

    /// Makes the bounds from the conditions (and the current choice of list values) and starts the cursor.
    private func openRange() throws(EngineError) {
        bounds.reset()
        for (column, condition) in prefix.enumerated() {
            switch condition {
            case .isNull: bounds.isNull(stored.columns[column])
            case .equal(let expression) where isSimple:
                let vector = try expression.evaluate(input, Selection(count: 1))
                bounds.equal(vector.isNull(0) ? nil : vector.cell(0), stored.columns[column])
            default:
                lists[column][choice[column]].withCell { bounds.equal($0, stored.columns[column]) }
            }
        }
        if lower != nil || upper != nil || excludesNulls {
            try finishRange()
        } else {
            bounds.finish()
        }
        let transaction = instance.context.transaction
        transaction.noteRead(
            table.indexes[cursor.index].versions, from: bounds.lower.bytes, to: bounds.upper.bytes)
        cursor.reader = transaction.isolation == .serializable ? transaction : nil
        try cursor.open(instance.view, bounds, direction: direction)
    }

    private func finishRange() throws(EngineError) {
        let column = stored.columns[prefix.count]
        let low = try lower?.expression.evaluate(input, Selection(count: 1))
        let high = try upper?.expression.evaluate(input, Selection(count: 1))
        if let low, low.isNull(0) { return bounds.equal(nil, column) }
        if let high, high.isNull(0) { return bounds.equal(nil, column) }
        bounds.finish(
            lower: low?.cell(0), isLowInclusive: lower?.isInclusive ?? false, upper: high?.cell(0),
            isHighInclusive: upper?.isInclusive ?? false, column)
    }

    override func fill() throws(EngineError) -> Int {
        while !isExhausted {
            let count = try cursor.next(limit: capacity)
            if count > 0 { return count }
            guard !isSimple, advance() else {
                isExhausted = true
                return 0
            }
            try openRange()
        }
        return 0
    }

    /// Moves to the next combination of list values, the last column fastest.
    private func advance() -> Bool {
        var column = prefix.count - 1
        while column >= 0 {
            if choice[column] + 1 < lists[column].count {
                choice[column] += 1
                return true
            }
            choice[column] = 0
            column -= 1
        }
        return false
    }

    override func close() {
        cursor.close()
        isExhausted = true
    }
}
