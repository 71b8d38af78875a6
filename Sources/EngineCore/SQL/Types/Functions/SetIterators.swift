// Iterators over values that are known at once, and the number series.

import Platform

/// Gives out prepared values of one column.
package final class DatumIterator: SetIterator {
    private let values: [Datum]
    private var position = 0
    package init(_ values: [Datum]) { self.values = values }
    package override func next(into columns: [Vector], limit: Int) throws(EngineError) -> Int {
        let count = min(limit, values.count - position)
        for row in 0..<count { try columns[0].setDatum(row, values[position + row]) }
        position += count
        return count
    }
}

/// Gives out prepared rows of several columns.
package final class RowIterator: SetIterator {
    private let rows: [[Datum]]
    private var position = 0
    package init(_ rows: [[Datum]]) { self.rows = rows }
    package override func next(into columns: [Vector], limit: Int) throws(EngineError) -> Int {
        let count = min(limit, rows.count - position)
        for row in 0..<count {
            for column in columns.indices { try columns[column].setDatum(row, rows[position + row][column]) }
        }
        position += count
        return count
    }
}

/// start, start + step, … up to stop, of any integer width.
private final class IntegerSeries: SetIterator {
    private var current: Int64
    private let stop: Int64
    private let step: Int64
    private var isDone: Bool

    init(_ start: Int64, _ stop: Int64, _ step: Int64) {
        current = start
        self.stop = stop
        self.step = step
        isDone = step > 0 ? start > stop : start < stop
    }
    override func next(into columns: [Vector], limit: Int) throws(EngineError) -> Int {
        let column = columns[0]
        var count = 0
        while count < limit, !isDone {
            if column.physical == .int32 {
                column.values(Int32.self)[count] = Int32(truncatingIfNeeded: current)
            } else {
                column.values(Int64.self)[count] = current
            }
            count += 1
            let (next, overflow) = current.addingReportingOverflow(step)
            current = next
            isDone = overflow || (step > 0 ? next > stop : next < stop)
        }
        return count
    }
}

private final class NumericSeries: SetIterator {
    private var current: Decimal
    private let stop: Decimal
    private let step: Decimal
    init(_ start: Decimal, _ stop: Decimal, _ step: Decimal) {
        current = start
        self.stop = stop
        self.step = step
    }
    override func next(into columns: [Vector], limit: Int) throws(EngineError) -> Int {
        var count = 0
        while count < limit {
            let order = Decimal.compare(current, stop)
            if step.signum > 0 ? order > 0 : order < 0 { break }
            try current.store(columns[0], count)
            current = Decimal.add(current, step)
            count += 1
        }
        return count
    }
}

private final class TimestampSeries: SetIterator {
    private var current: Int64
    private let stop: Int64
    private let step: IntervalValue
    private let zone: TimeZone?
    private let isForward: Bool
    init(_ start: Int64, _ stop: Int64, _ step: IntervalValue, _ zone: TimeZone?) {
        current = start
        self.stop = stop
        self.step = step
        self.zone = zone
        isForward = step.span > 0
    }
    override func next(into columns: [Vector], limit: Int) throws(EngineError) -> Int {
        var count = 0
        while count < limit, isForward ? current <= stop : current >= stop {
            columns[0].setCell(count, Cell(current))
            if let zone {
                current = try IntervalMath.moveZoned(current, step, zone)
            } else {
                current = try IntervalMath.move(current, step)
            }
            count += 1
        }
        return count
    }
}

extension FunctionRegistry {
    func declareSetFunctions() {
        for (oid, type, hasStep) in [
            (1066 as UInt32, TypeOID.int4, true), (1067, .int4, false), (1068, .int8, true), (1069, .int8, false),
        ] {
            rows(
                oid, "generate_series", hasStep ? [type, type, type] : [type, type], type, "Numbers from start to stop"
            ) {
                (call: SetCall) throws(EngineError) in
                let wide = call.arguments.map { type == .int4 ? Int64($0.int32) : $0.int64 }
                let step = hasStep ? wide[2] : 1
                if step == 0 { throw zeroStep() }
                return IntegerSeries(wide[0], wide[1], step)
            }
        }
        for (oid, hasStep) in [(3259 as UInt32, true), (3260, false)] {
            rows(
                oid, "generate_series", hasStep ? [.numeric, .numeric, .numeric] : [.numeric, .numeric], .numeric,
                "Numbers from start to stop"
            ) {
                (call: SetCall) throws(EngineError) in
                let values = call.arguments.map { $0.withBytes { Decimal(bytes: $0) } }
                let names: [StaticString] = ["start", "stop", "step size"]
                for (index, value) in values.enumerated() where value.kind != .finite {
                    let name = StaticBytes(stringLiteral: names[index]).string
                    throw EngineError(
                        .invalidParameterValue, "\(name) value cannot be \(value.kind == .nan ? "NaN" : "infinity")")
                }
                let step = hasStep ? values[2] : Decimal(1)
                if step.isZero { throw zeroStep() }
                return NumericSeries(values[0], values[1], step)
            }
        }
        for (oid, type) in [(938 as UInt32, TypeOID.timestamp), (939, .timestamptz)] {
            rows(
                oid, "generate_series", [type, type, .interval], type, "Times from start to stop",
                volatility: type == .timestamptz ? .stable : .immutable
            ) { (call: SetCall) throws(EngineError) in
                let step = call.arguments[2].interval
                if step.span == 0 { throw zeroStep() }
                return TimestampSeries(
                    call.arguments[0].int64, call.arguments[1].int64, step,
                    type == .timestamptz ? call.context.timeZone : nil)
            }
        }
    }
}
private func zeroStep() -> EngineError { EngineError(.invalidParameterValue, "step size cannot equal zero") }
