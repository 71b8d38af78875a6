// min, max, and the logical and bitwise folds.

import Platform

extension FunctionRegistry {
    func declareExtremes() {
        let types: [(TypeOID, UInt32, UInt32)] = [
            (.int8, 2115, 2131), (.int4, 2116, 2132), (.int2, 2117, 2133), (.oid, 2118, 2134), (.float4, 2119, 2135),
            (.float8, 2120, 2136), (.date, 2122, 2138), (.time, 2123, 2139), (.timestamp, 2126, 2142),
            (.timestamptz, 2127, 2143), (.interval, 2128, 2144), (.text, 2129, 2145), (.numeric, 2130, 2146),
            (.bpchar, 2244, 2245), (.tid, 2797, 2798), (.anyarray, 2050, 2051), (.pgLSN, 4189, 4190),
            (.xid8, 5099, 5100),
        ]
        for (type, maximum, minimum) in types {
            aggregate(maximum, "max", [type], type, "Largest value", extreme(type, wanted: 1))
            aggregate(minimum, "min", [type], type, "Smallest value", extreme(type, wanted: -1))
        }
        aggregate(2517, "bool_and", [.bool], .bool, "True if all values are", fold(UInt8.self) { $0 & $1 })
        aggregate(2519, "every", [.bool], .bool, "True if all values are", fold(UInt8.self) { $0 & $1 })
        aggregate(2518, "bool_or", [.bool], .bool, "True if any value is", fold(UInt8.self) { $0 | $1 })
        bits(Int16.self, .int2, 2236, 2237, 6164)
        bits(Int32.self, .int4, 2238, 2239, 6165)
        bits(Int64.self, .int8, 2240, 2241, 6166)
    }
    private func bits<T: FixedWidthInteger & BitwiseCopyable & Sendable>(
        _ t: T.Type, _ type: TypeOID, _ and: UInt32, _ or: UInt32, _ xor: UInt32
    ) {
        aggregate(and, "bit_and", [type], type, "Bitwise and of all values", fold(t) { $0 & $1 })
        aggregate(or, "bit_or", [type], type, "Bitwise or of all values", fold(t) { $0 | $1 })
        aggregate(xor, "bit_xor", [type], type, "Bitwise exclusive or of all values", fold(t) { $0 ^ $1 })
    }
}

/// {T value, at 8: UInt8 present}.
private func fold<T: FixedWidthInteger & BitwiseCopyable & Sendable>(
    _ type: T.Type, _ operation: @escaping @Sendable (T, T) -> T
) -> Aggregate {
    Aggregate(
        stateByteCount: 16,
        update: { (input: AggregateInput) throws(EngineError) in
            try input.each(T.self) { (state, value) throws(EngineError) in
                let present = state.field(8, UInt8.self)
                let total = state.field(0, T.self)
                total.pointee = present.pointee == 0 ? value : operation(total.pointee, value)
                present.pointee = 1
            }
        },
        combine: { (into, from, _, _) throws(EngineError) in
            if from.field(8, UInt8.self).pointee == 0 { return }
            let total = into.field(0, T.self)
            let value = from.field(0, T.self).pointee
            total.pointee = into.field(8, UInt8.self).pointee == 0 ? value : operation(total.pointee, value)
            into.field(8, UInt8.self).pointee = 1
        },
        finalize: { (state, _, result, row) throws(EngineError) in
            if state.field(8, UInt8.self).pointee == 0 {
                result.setNull(row)
            } else {
                result.values(T.self)[row] = state.field(0, T.self).pointee
                result.setValid(row)
            }
        })
}

/// {Cell value, UInt32 present, UInt32 capacity of the memory the value's long string is in}.
private enum ExtremeState {
    @inline(__always) static func offer(
        _ state: UnsafeMutableRawPointer, _ cell: Cell, _ kind: ValueClass, _ wanted: Int, _ heap: ByteHeap
    ) throws(EngineError) {
        let current = state.field(0, Cell.self)
        let present = state.field(16, UInt32.self)
        if present.pointee != 0 {
            let order = Comparison.compare(cell, current.pointee, kind)
            if wanted > 0 ? order <= 0 : order >= 0 { return }
        }
        present.pointee = 1
        if kind.isBytes, !cell.bytes.isInline {
            let count = cell.bytes.count
            let capacity = state.field(20, UInt32.self)
            var target: UnsafeMutableRawPointer
            if Int(capacity.pointee) >= count, !current.pointee.bytes.isInline {
                target = UnsafeMutableRawPointer(mutating: current.pointee.bytes.pointer)
            } else {
                target = try heap.allocate(count)
                capacity.pointee = UInt32(count)
            }
            target.copyMemory(from: cell.bytes.pointer, byteCount: count)
            current.pointee = Cell(ByteView(referencing: UnsafeRawBufferPointer(start: target, count: count)))
        } else {
            current.pointee = cell
            state.field(20, UInt32.self).pointee = 0
        }
    }
}

extension ValueClass {
    var isBytes: Bool {
        switch self {
        case .bytes, .paddedText, .numeric, .array, .record: true
        default: false
        }
    }
}

private func extreme(_ type: TypeOID, wanted: Int) -> Aggregate {
    switch type {
    case .int4, .date: return extremeWord(Int32.self, wanted)
    case .int2: return extremeWord(Int16.self, wanted)
    case .int8, .timestamp, .timestamptz, .time: return extremeWord(Int64.self, wanted)
    default: break
    }
    let kind = ValueClass.of(type)
    return Aggregate(
        stateByteCount: 24,
        update: { (input: AggregateInput) throws(EngineError) in
            try input.eachCell { (state, cell) throws(EngineError) in
                try ExtremeState.offer(state, cell, kind, wanted, input.heap)
            }
        },
        combine: { (into, from, _, heap) throws(EngineError) in
            if from.field(16, UInt32.self).pointee == 0 { return }
            try ExtremeState.offer(into, from.field(0, Cell.self).pointee, kind, wanted, heap)
        },
        finalize: { (state, _, result, row) throws(EngineError) in
            if state.field(16, UInt32.self).pointee == 0 {
                result.setNull(row)
            } else {
                try result.setCopy(row, state.field(0, Cell.self).pointee)
            }
        })
}
private func extremeWord<T: FixedWidthInteger & BitwiseCopyable & Sendable>(_ type: T.Type, _ wanted: Int) -> Aggregate
{
    wanted > 0 ? fold(type) { $0 > $1 ? $0 : $1 } : fold(type) { $0 < $1 ? $0 : $1 }
}
