// LIMIT, OFFSET and FETCH FIRST … WITH TIES.

import Platform
import SQL
import SQLTypes

final class LimitOperator: Operator {
    private let child: Operator
    private let countExpression: Evaluator?
    private let offsetExpression: Evaluator?
    private let ties: [Evaluator]
    private let input = Chunk(selection: Selection(count: 1))
    private let output = Chunk()
    private var kept: SelectionBuffer
    private var toSkip: Int64 = 0
    private var remaining: Int64 = 0
    /// The keys of the last row within the limit, when ties are wanted.
    private var lastKey: [UInt8] = []
    private var key = ByteBuffer()

    init(_ child: Operator, count: Evaluator?, offset: Evaluator?, ties: [Evaluator], _ instance: Instance) {
        self.child = child
        countExpression = count
        offsetExpression = offset
        self.ties = ties
        kept = SelectionBuffer()
        super.init(instance)
    }

    override func open() throws(EngineError) {
        toSkip = 0
        remaining = Int64.max
        if let offsetExpression, let value = try bound(offsetExpression) {
            guard value >= 0 else { throw EngineError("2201X", "OFFSET must not be negative") }
            toSkip = value
        }
        if let countExpression, let value = try bound(countExpression) {
            guard value >= 0 else { throw EngineError("2201W", "LIMIT must not be negative") }
            remaining = value
        }
        lastKey = []
        (child as? SortOperator)?.rowLimit = rowLimit
        if remaining > 0 { try child.start() }
    }

    /// Rows that are needed of the child; nil if all may be.
    private var rowLimit: Int? {
        guard ties.isEmpty else { return nil }
        let (sum, overflow) = remaining.addingReportingOverflow(toSkip)
        return overflow || sum > 1 << 20 ? nil : Int(sum)
    }

    private func bound(_ expression: Evaluator) throws(EngineError) -> Int64? {
        let value = try expression.value(input)
        return value.isNull ? nil : value.int64
    }

    override func next() throws(EngineError) -> Chunk? {
        while remaining > 0 || !lastKey.isEmpty {
            guard let chunk = try child.pull() else {
                remaining = 0
                lastKey = []
                return nil
            }
            kept.count = 0
            for index in 0..<chunk.count {
                let row = chunk.selection[index]
                if toSkip > 0 {
                    toSkip -= 1
                } else if remaining > 0 {
                    kept.append(row)
                    remaining -= 1
                    if remaining == 0, !ties.isEmpty { lastKey = try keyBytes(chunk, row) }
                } else if !lastKey.isEmpty {
                    if try keyBytes(chunk, row) != lastKey {
                        lastKey = []
                        break
                    }
                    kept.append(row)
                } else {
                    break
                }
            }
            if kept.count == 0 { continue }
            output.columns = chunk.columns
            output.selection = kept.selection
            return output
        }
        return nil
    }

    private func keyBytes(_ chunk: Chunk, _ row: Int) throws(EngineError) -> [UInt8] {
        key.removeAll()
        for expression in ties {
            let vector = try expression.evaluate(chunk, chunk.selection)
            let place = vector.position(row)
            NormalizedKey.append(
                vector.isNull(place) ? nil : vector.cell(place), ValueClass.of(expression.type.oid), to: &key)
        }
        return key.array
    }

    override func close() { child.close() }
}
