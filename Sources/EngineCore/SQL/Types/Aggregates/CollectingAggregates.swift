// string_agg and array_agg: what a group says, in the order it was said.

import Platform

extension FunctionRegistry {
    func declareCollecting() {
        aggregate(3538, "string_agg", [.text, .text], .text, "Values joined by the delimiter", joined())
        aggregate(3545, "string_agg", [.bytea, .bytea], .bytea, "Values joined by the delimiter", joined())
        aggregate(2335, "array_agg", [.anynonarray], .anyarray, "Array of the values, NULLs too", collected())
        aggregate(4053, "array_agg", [.anyarray], .anyarray, "Array of the arrays, one dimension more", collected())
    }
}

/// A growing run of memory in the heap: {pointer, UInt64 count, UInt64 capacity}, in bytes.
private struct Run: BitwiseCopyable {
    var base: UnsafeMutableRawPointer?
    var count: Int
    var capacity: Int

    mutating func append(_ bytes: UnsafeRawBufferPointer, _ heap: ByteHeap) throws(EngineError) {
        if count + bytes.count > capacity {
            let size = max(64, (count + bytes.count) * 2)
            guard size < 1 << 30 else {
                throw EngineError(.programLimitExceeded, "an aggregate's value is too long")
            }
            let larger = try heap.allocate(size)
            if let base { larger.copyMemory(from: base, byteCount: count) }
            base = larger
            capacity = size
        }
        if let source = bytes.baseAddress, bytes.count > 0 {
            (base.unsafelyUnwrapped + count).copyMemory(from: source, byteCount: bytes.count)
        }
        count += bytes.count
    }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }
}

/// {Run, UInt32 present, UInt32 length of the first delimiter, which the run begins with and the result drops}.
private func joined() -> Aggregate {
    Aggregate(
        stateByteCount: 32, isOrderInsensitive: false,
        update: { (input: AggregateInput) throws(EngineError) in
            let value = input.arguments[0]
            let delimiter = input.arguments[1]
            for index in 0..<input.selection.count {
                let row = input.selection[index]
                if value.isNull(row) { continue }
                let state = input.state(row)
                let run = state.field(0, Run.self)
                let between =
                    delimiter.isNull(row) ? UnsafeRawBufferPointer(start: nil, count: 0) : delimiter.bytes(row)
                if state.field(24, UInt32.self).pointee == 0 {
                    state.field(24, UInt32.self).pointee = 1
                    state.field(28, UInt32.self).pointee = UInt32(between.count)
                }
                try run.pointee.append(between, input.heap)
                try run.pointee.append(value.bytes(row), input.heap)
            }
        },
        combine: { (into, from, _, heap) throws(EngineError) in
            if from.field(24, UInt32.self).pointee == 0 { return }
            if into.field(24, UInt32.self).pointee == 0 {
                into.field(24, UInt32.self).pointee = 1
                into.field(28, UInt32.self).pointee = from.field(28, UInt32.self).pointee
            }
            try into.field(0, Run.self).pointee.append(from.field(0, Run.self).pointee.bytes, heap)
        },
        finalize: { (state, _, result, row) throws(EngineError) in
            if state.field(24, UInt32.self).pointee == 0 {
                result.setNull(row)
            } else {
                let bytes = state.field(0, Run.self).pointee.bytes
                try result.setBytes(row, bytes.slice(from: Int(state.field(28, UInt32.self).pointee)))
            }
        })
}

/// A Run of {UInt64 isNull, Cell}; long strings are copied to the heap.
private func collected() -> Aggregate {
    Aggregate(
        stateByteCount: 24, isOrderInsensitive: false,
        update: { (input: AggregateInput) throws(EngineError) in
            let vector = input.arguments[0]
            for index in 0..<input.selection.count {
                let row = input.selection[index]
                var entry: (UInt64, Cell) = (1, Cell(low: 0))
                if !vector.isNull(row) {
                    var cell = vector.cell(row)
                    if vector.physical == .bytes, !cell.bytes.isInline {
                        cell = Cell(
                            try input.heap.copy(
                                UnsafeRawBufferPointer(start: cell.bytes.pointer, count: cell.bytes.count)))
                    }
                    entry = (0, cell)
                }
                try append(entry, input.state(row), input.heap)
            }
        },
        combine: { (into, from, _, heap) throws(EngineError) in
            try into.field(0, Run.self).pointee.append(from.field(0, Run.self).pointee.bytes, heap)
        },
        finalize: { (state, type, result, row) throws(EngineError) in
            let run = state.field(0, Run.self).pointee
            guard let base = run.base else {
                result.setNull(row)
                return
            }
            let entries = UnsafeBufferPointer(
                start: base.assumingMemoryBound(to: (UInt64, Cell).self), count: run.count / 24)
            if type.oid.isArrayLike {
                try stack(entries, type.oid, result, row)
                return
            }
            var builder = ArrayBuilder(element: type.oid)
            for (isNull, cell) in entries { builder.append(isNull == 0 ? cell : nil) }
            try result.setBytes(row, builder.finish())
        })
}
private func append(
    _ entry: (UInt64, Cell), _ state: UnsafeMutableRawPointer, _ heap: ByteHeap
) throws(EngineError) {
    try withUnsafeBytes(of: entry) { (raw) throws(EngineError) in
        try state.field(0, Run.self).pointee.append(raw, heap)
    }
}

/// Arrays of equal dimensions as the elements of an array with one dimension more.
private func stack(
    _ entries: UnsafeBufferPointer<(UInt64, Cell)>, _ type: TypeOID, _ result: Vector, _ row: Int
) throws(EngineError) {
    var builder = ArrayBuilder(element: type.element)
    var inner: [ArrayDimension]?
    for (isNull, cell) in entries {
        if isNull != 0 { throw EngineError("22004", "cannot accumulate null arrays") }
        try cell.bytes.withBytes { (bytes) throws(EngineError) in
            let array = ArrayValue(bytes)
            if let inner, inner != array.dimensions {
                throw EngineError("2202E", "cannot accumulate arrays of different dimensionality")
            }
            if array.count == 0 { throw EngineError("2202E", "cannot accumulate empty arrays") }
            inner = array.dimensions
            for index in 0..<array.count { builder.append(array.isNull(index) ? nil : array.cell(index)) }
        }
    }
    try result.setBytes(
        row, builder.finish(dimensions: [ArrayDimension(length: entries.count)] + (inner ?? [])))
}
