// count, sum, avg and the variance family.

import Platform

extension FunctionRegistry {
    func declareSums() {
        declareCounts()
        aggregate(2109, "sum", [.int2], .int8, "Sum", integerSum(Int16.self))
        aggregate(2108, "sum", [.int4], .int8, "Sum", integerSum(Int32.self))
        aggregate(2107, "sum", [.int8], .numeric, "Sum", wideSum(Int64.self, average: false))
        aggregate(2102, "avg", [.int2], .numeric, "Mean", wideSum(Int16.self, average: true))
        aggregate(2101, "avg", [.int4], .numeric, "Mean", wideSum(Int32.self, average: true))
        aggregate(2100, "avg", [.int8], .numeric, "Mean", wideSum(Int64.self, average: true))
        aggregate(2114, "sum", [.numeric], .numeric, "Sum", numericSum(average: false))
        aggregate(2103, "avg", [.numeric], .numeric, "Mean", numericSum(average: true))
        aggregate(2110, "sum", [.float4], .float4, "Sum", floatSum(Float.self))
        aggregate(2111, "sum", [.float8], .float8, "Sum", floatSum(Double.self))
        aggregate(2113, "sum", [.interval], .interval, "Sum", intervalSum(average: false))
        aggregate(2106, "avg", [.interval], .interval, "Mean", intervalSum(average: true))
        aggregate(2104, "avg", [.float4], .float8, "Mean", floatMoments(Float.self, .mean))
        aggregate(2105, "avg", [.float8], .float8, "Mean", floatMoments(Double.self, .mean))
        spread("var_pop", .populationVariance, [2720, 2719, 2718, 2723, 2721, 2722])
        spread("var_samp", .sampleVariance, [2643, 2642, 2641, 2646, 2644, 2645])
        spread("variance", .sampleVariance, [2150, 2149, 2148, 2153, 2151, 2152])
        spread("stddev_pop", .populationDeviation, [2726, 2725, 2724, 2729, 2727, 2728])
        spread("stddev_samp", .sampleDeviation, [2714, 2713, 2712, 2717, 2715, 2716])
        spread("stddev", .sampleDeviation, [2156, 2155, 2154, 2159, 2157, 2158])
    }

    private func spread(_ name: StaticBytes, _ moment: Moment, _ oids: [UInt32]) {
        aggregate(oids[0], name, [.int2], .numeric, moment.documentation, integerSpread(Int16.self, moment))
        aggregate(oids[1], name, [.int4], .numeric, moment.documentation, integerSpread(Int32.self, moment))
        aggregate(oids[2], name, [.int8], .numeric, moment.documentation, integerSpread(Int64.self, moment))
        aggregate(oids[3], name, [.numeric], .numeric, moment.documentation, numericSpread(moment))
        aggregate(oids[4], name, [.float4], .float8, moment.documentation, floatMoments(Float.self, moment))
        aggregate(oids[5], name, [.float8], .float8, moment.documentation, floatMoments(Double.self, moment))
    }

    private func declareCounts() {
        let combine:
            @Sendable (UnsafeMutableRawPointer, UnsafeMutableRawPointer, SQLType, ByteHeap) throws(EngineError) -> Void =
                {
                    (into, from, _, _) throws(EngineError) in
                    into.field(0, Int64.self).pointee += from.field(0, Int64.self).pointee
                }
        let finalize: @Sendable (UnsafeMutableRawPointer, SQLType, Vector, Int) throws(EngineError) -> Void = {
            (state, _, result, row) throws(EngineError) in
            result.setCell(row, Cell(state.field(0, Int64.self).pointee))
        }
        aggregate(
            2803, "count", [], .int8, "Number of rows",
            Aggregate(
                stateByteCount: 8,
                update: { (input: AggregateInput) throws(EngineError) in
                    if let single = input.single {
                        single.field(0, Int64.self).pointee += Int64(input.selection.count)
                        return
                    }
                    for index in 0..<input.selection.count {
                        input.state(input.selection[index]).field(0, Int64.self).pointee += 1
                    }
                }, combine: combine, finalize: finalize))
        aggregate(
            2147, "count", [.any], .int8, "Number of rows whose argument is not NULL",
            Aggregate(
                stateByteCount: 8,
                update: { (input: AggregateInput) throws(EngineError) in
                    let vector = input.arguments[0]
                    for index in 0..<input.selection.count {
                        let row = input.selection[index]
                        if !vector.isNull(row) { input.state(row).field(0, Int64.self).pointee += 1 }
                    }
                }, combine: combine, finalize: finalize))
    }
}

/// {Int64 sum, Int64 count}; the count says whether the sum is NULL.
private func integerSum<T: FixedWidthInteger & BitwiseCopyable & Sendable>(_ type: T.Type) -> Aggregate {
    Aggregate(
        stateByteCount: 16,
        update: { (input: AggregateInput) throws(EngineError) in
            try input.each(T.self) { (state, value) throws(EngineError) in
                let (sum, overflow) = state.field(0, Int64.self).pointee.addingReportingOverflow(Int64(value))
                if overflow { throw ArithmeticErrors.outOfRange(64) }
                state.field(0, Int64.self).pointee = sum
                state.field(8, Int64.self).pointee += 1
            }
        },
        combine: { (into, from, _, _) throws(EngineError) in
            let (sum, overflow) = into.field(0, Int64.self).pointee.addingReportingOverflow(
                from.field(0, Int64.self).pointee)
            if overflow { throw ArithmeticErrors.outOfRange(64) }
            into.field(0, Int64.self).pointee = sum
            into.field(8, Int64.self).pointee += from.field(8, Int64.self).pointee
        },
        finalize: { (state, _, result, row) throws(EngineError) in
            if state.field(8, Int64.self).pointee == 0 {
                result.setNull(row)
            } else {
                result.setCell(row, Cell(state.field(0, Int64.self).pointee))
            }
        })
}

private func mergeAccumulators(
    _ into: UnsafeMutableRawPointer, _ from: UnsafeMutableRawPointer, _ type: SQLType, _ heap: ByteHeap
) throws(EngineError) {
    try into.field(0, NumericAccumulator.self).pointee.merge(from.field(0, NumericAccumulator.self).pointee, heap)
}
private func finalizeAccumulator(
    _ state: UnsafeMutableRawPointer, _ average: Bool, _ result: Vector, _ row: Int
) throws(EngineError) {
    let sum = state.field(0, NumericAccumulator.self).pointee
    if sum.count == 0 {
        result.setNull(row)
    } else if average {
        try Decimal.divide(sum.total, Decimal(sum.count)).store(result, row)
    } else {
        try sum.total.store(result, row)
    }
}

private func wideSum<T: FixedWidthInteger & BitwiseCopyable & Sendable>(_ type: T.Type, average: Bool) -> Aggregate {
    Aggregate(
        stateByteCount: NumericAccumulator.byteCount,
        update: { (input: AggregateInput) throws(EngineError) in
            try input.each(T.self) { (state, value) throws(EngineError) in
                state.field(0, NumericAccumulator.self).pointee.add(Int64(value))
            }
        }, combine: mergeAccumulators,
        finalize: { (state, _, result, row) throws(EngineError) in
            try finalizeAccumulator(state, average, result, row)
        })
}

private func numericSum(average: Bool) -> Aggregate {
    Aggregate(
        stateByteCount: NumericAccumulator.byteCount,
        update: { (input: AggregateInput) throws(EngineError) in
            try input.each(ByteView.self) { (state, value) throws(EngineError) in
                try state.field(0, NumericAccumulator.self).pointee.add(value, input.heap)
            }
        }, combine: mergeAccumulators,
        finalize: { (state, _, result, row) throws(EngineError) in
            try finalizeAccumulator(state, average, result, row)
        })
}

/// {T sum, Int64 count}.
private func floatSum<T: BinaryFloatingPoint & BitwiseCopyable & Sendable>(_ type: T.Type) -> Aggregate {
    Aggregate(
        stateByteCount: 16,
        update: { (input: AggregateInput) throws(EngineError) in
            try input.each(T.self) { (state, value) throws(EngineError) in
                let before = state.field(0, T.self).pointee
                let sum = before + value
                if sum.isInfinite, before.isFinite, value.isFinite { throw FloatErrors.overflow() }
                state.field(0, T.self).pointee = sum
                state.field(8, Int64.self).pointee += 1
            }
        },
        combine: { (into, from, _, _) throws(EngineError) in
            let (a, b) = (into.field(0, T.self).pointee, from.field(0, T.self).pointee)
            if (a + b).isInfinite, a.isFinite, b.isFinite { throw FloatErrors.overflow() }
            into.field(0, T.self).pointee = a + b
            into.field(8, Int64.self).pointee += from.field(8, Int64.self).pointee
        },
        finalize: { (state, _, result, row) throws(EngineError) in
            if state.field(8, Int64.self).pointee == 0 {
                result.setNull(row)
            } else if result.physical == .float32 {
                result.setCell(row, Cell(Float(state.field(0, T.self).pointee)))
            } else {
                result.setCell(row, Cell(Double(state.field(0, T.self).pointee)))
            }
        })
}

/// {interval sum, Int64 count}.
private func intervalSum(average: Bool) -> Aggregate {
    Aggregate(
        stateByteCount: 24,
        update: { (input: AggregateInput) throws(EngineError) in
            try input.eachCell { (state, cell) throws(EngineError) in
                let sum = state.field(0, IntervalValue.self)
                sum.pointee = try IntervalMath.add(sum.pointee, cell.interval)
                state.field(16, Int64.self).pointee += 1
            }
        },
        combine: { (into, from, _, _) throws(EngineError) in
            let sum = into.field(0, IntervalValue.self)
            sum.pointee = try IntervalMath.add(sum.pointee, from.field(0, IntervalValue.self).pointee)
            into.field(16, Int64.self).pointee += from.field(16, Int64.self).pointee
        },
        finalize: { (state, _, result, row) throws(EngineError) in
            let count = state.field(16, Int64.self).pointee
            let sum = state.field(0, IntervalValue.self).pointee
            if count == 0 {
                result.setNull(row)
            } else {
                result.setCell(row, Cell(average ? try IntervalMath.divide(sum, Double(count)) : sum))
            }
        })
}

/// Which figure of a distribution.
private enum Moment: Sendable {
    case mean, populationVariance, sampleVariance, populationDeviation, sampleDeviation
    var isSample: Bool { self == .sampleVariance || self == .sampleDeviation }
    var isDeviation: Bool { self == .populationDeviation || self == .sampleDeviation }
    var documentation: StaticString {
        switch self {
        case .mean: "Mean"
        case .populationVariance: "Population variance"
        case .sampleVariance: "Sample variance"
        case .populationDeviation: "Population standard deviation"
        case .sampleDeviation: "Sample standard deviation"
        }
    }
}

/// {Double count, Double sum, Double sum of squared deviations}: Youngs and Cramer 1971, as PostgreSQL.
private func floatMoments<T: BinaryFloatingPoint & BitwiseCopyable & Sendable>(_ type: T.Type, _ moment: Moment)
    -> Aggregate
{
    Aggregate(
        stateByteCount: 24,
        update: { (input: AggregateInput) throws(EngineError) in
            try input.each(T.self) { (state, narrow) throws(EngineError) in
                let value = Double(narrow)
                let fields = state.field(0, Double.self)
                let count = fields[0] + 1
                let before = fields[1]
                let sum = before + value
                if fields[0] > 0 {
                    let deviation = value * count - sum
                    fields[2] += deviation * deviation / (count * fields[0])
                    if sum.isInfinite || fields[2].isInfinite {
                        if before.isFinite, value.isFinite { throw FloatErrors.overflow() }
                        fields[2] = .nan
                    }
                } else if !value.isFinite {
                    fields[2] = .nan
                }
                fields[0] = count
                fields[1] = sum
            }
        },
        combine: { (into, from, _, _) throws(EngineError) in
            let a = into.field(0, Double.self)
            let b = from.field(0, Double.self)
            if b[0] == 0 { return }
            if a[0] == 0 {
                for index in 0..<3 { a[index] = b[index] }
                return
            }
            let difference = a[1] / a[0] - b[1] / b[0]
            a[2] = a[2] + b[2] + a[0] * b[0] * difference * difference / (a[0] + b[0])
            a[0] += b[0]
            a[1] += b[1]
        },
        finalize: { (state, _, result, row) throws(EngineError) in
            let fields = state.field(0, Double.self)
            let count = fields[0]
            if count == 0 || (moment.isSample && count <= 1) {
                result.setNull(row)
            } else if moment == .mean {
                result.setCell(row, Cell(fields[1] / count))
            } else {
                let variance = fields[2] / (moment.isSample ? count - 1 : count)
                result.setCell(row, Cell(moment.isDeviation ? variance.squareRoot() : variance))
            }
        })
}

/// {sum, sum of squares}.
private func integerSpread<T: FixedWidthInteger & BitwiseCopyable & Sendable>(_ type: T.Type, _ moment: Moment)
    -> Aggregate
{
    Aggregate(
        stateByteCount: 2 * NumericAccumulator.byteCount,
        update: { (input: AggregateInput) throws(EngineError) in
            try input.each(T.self) { (state, value) throws(EngineError) in
                let sums = state.field(0, NumericAccumulator.self)
                sums[0].add(Int64(value))
                try sums[1].addSquare(Int64(value), input.heap)
            }
        }, combine: mergeSpread,
        finalize: { (state, _, result, row) throws(EngineError) in try finalizeSpread(state, moment, result, row) })
}
private func numericSpread(_ moment: Moment) -> Aggregate {
    Aggregate(
        stateByteCount: 2 * NumericAccumulator.byteCount,
        update: { (input: AggregateInput) throws(EngineError) in
            try input.each(ByteView.self) { (state, value) throws(EngineError) in
                let sums = state.field(0, NumericAccumulator.self)
                try sums[0].add(value, input.heap)
                let decimal = Decimal(value)
                try sums[1].addSlowly(Decimal.multiply(decimal, decimal), input.heap)
            }
        }, combine: mergeSpread,
        finalize: { (state, _, result, row) throws(EngineError) in try finalizeSpread(state, moment, result, row) })
}
private func mergeSpread(
    _ into: UnsafeMutableRawPointer, _ from: UnsafeMutableRawPointer, _ type: SQLType, _ heap: ByteHeap
) throws(EngineError) {
    try mergeAccumulators(into, from, type, heap)
    try mergeAccumulators(into + NumericAccumulator.byteCount, from + NumericAccumulator.byteCount, type, heap)
}
private func finalizeSpread(
    _ state: UnsafeMutableRawPointer, _ moment: Moment, _ result: Vector, _ row: Int
) throws(EngineError) {
    let sums = state.field(0, NumericAccumulator.self)
    let count = sums[0].count
    if count == 0 || (moment.isSample && count == 1) {
        result.setNull(row)
        return
    }
    let sum = sums[0].total
    guard sum.kind == .finite else {
        try Decimal.nan.store(result, row)
        return
    }
    let number = Decimal(count)
    // (n Σx² − (Σx)²) / (n (n − 1)) or / n².
    let numerator = Decimal.subtract(Decimal.multiply(number, sums[1].total), Decimal.multiply(sum, sum))
    if numerator.signum <= 0 {
        try Decimal.zero.store(result, row)
        return
    }
    let denominator = Decimal.multiply(number, Decimal(moment.isSample ? count - 1 : count))
    let scale = Decimal.quotientScale(numerator, denominator)
    let variance = Decimal.divide(numerator, denominator, scale: scale, rounding: true)
    try (moment.isDeviation ? variance.squareRoot(scale: scale) : variance).store(result, row)
}
