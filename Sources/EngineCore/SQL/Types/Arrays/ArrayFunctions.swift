// Functions and operators of arrays.

import Platform

extension FunctionRegistry {
    func declareArrays() {
        declareShape()
        declareSearching()
        declareBuilding()
        declareArraysAndText()
        rows(2331, "unnest", [.anyarray], .anyelement, "Elements of the array as rows") {
            (call: SetCall) throws(EngineError) in
            call.arguments[0].withBytes { bytes in
                let array = ArrayValue(bytes)
                return DatumIterator((0..<array.count).map { array.datum($0) })
            }
        }
        for (oid, hasReverse) in [(1191 as UInt32, true), (1192, false)] {
            rows(
                oid, "generate_subscripts", hasReverse ? [.anyarray, .int4, .bool] : [.anyarray, .int4], .int4,
                "Subscripts of a dimension"
            ) {
                (call: SetCall) throws(EngineError) in
                let dimension = Int(call.arguments[1].int32) - 1
                let values: [Datum] = call.arguments[0].withBytes { bytes in
                    let array = ArrayValue(bytes)
                    guard dimension >= 0, dimension < array.dimensionCount else { return [] }
                    let shape = array.dimension(dimension)
                    return (0..<shape.length).map { Datum(Int32(shape.lower + $0)) }
                }
                return DatumIterator(hasReverse && call.arguments[2].bool ? values.reversed() : values)
            }
        }
    }

    private func declareShape() {
        scalar(748, "array_ndims", [.anyarray], .int4, "Number of dimensions; NULL if empty") { (c: inout ScalarCall) in
            let array = ArrayValue(c.bytes(0))
            if array.dimensionCount == 0 { c.setNull() } else { c.set(Int32(array.dimensionCount)) }
        }
        scalar(3179, "cardinality", [.anyarray], .int4, "Number of elements") { (c: inout ScalarCall) in
            c.set(Int32(ArrayValue(c.bytes(0)).count))
        }
        let bounds: [(UInt32, StaticBytes, @Sendable (ArrayDimension) -> Int)] = [
            (2176, "array_length", { $0.length }), (2091, "array_lower", { $0.lower }),
            (2092, "array_upper", { $0.lower + $0.length - 1 }),
        ]
        for (oid, name, value) in bounds {
            scalar(oid, name, [.anyarray, .int4], .int4, "Extent of a dimension; NULL if there is none") {
                (c: inout ScalarCall) in
                let array = ArrayValue(c.bytes(0))
                let index = Int(c.int32(1)) - 1
                guard index >= 0, index < array.dimensionCount else { return c.setNull() }
                c.set(Int32(value(array.dimension(index))))
            }
        }
        scalar(747, "array_dims", [.anyarray], .text, "Bounds of all dimensions as text") {
            (c: inout ScalarCall) throws(EngineError) in
            let array = ArrayValue(c.bytes(0))
            if array.dimensionCount == 0 { return c.setNull() }
            c.frame.scratch.removeAll()
            for dimension in array.dimensions {
                c.frame.scratch.append(UInt8(ascii: "["))
                c.frame.scratch.append(decimal: Int64(dimension.lower))
                c.frame.scratch.append(UInt8(ascii: ":"))
                c.frame.scratch.append(decimal: Int64(dimension.lower + dimension.length - 1))
                c.frame.scratch.append(UInt8(ascii: "]"))
            }
            try c.storeScratch()
        }
        for (oid, name, sign) in [(515 as UInt32, "array_larger" as StaticBytes, 1), (516, "array_smaller", -1)] {
            scalar(oid, name, [.anyarray, .anyarray], .anyarray, "The larger or smaller of two") {
                (c: inout ScalarCall) in
                let order = ArrayValue.compare(c.bytes(0), c.bytes(1)) * sign
                c.setReference(order > 0 ? c.bytes(0) : c.bytes(1))
            }
        }
    }

    private func declareSearching() {
        for (oid, hasStart) in [(3277 as UInt32, false), (3278, true)] {
            scalar(
                oid, "array_position",
                hasStart ? [.anycompatiblearray, .anycompatible, .int4] : [.anycompatiblearray, .anycompatible],
                .int4, "Subscript of the first equal element; NULL if there is none", strict: false
            ) { (c: inout ScalarCall) throws(EngineError) in
                if c.isNull(0) { return c.setNull() }
                if hasStart, c.isNull(2) { throw EngineError("22004", "initial position must not be null") }
                let array = ArrayValue(c.bytes(0))
                try requireOneDimension(array)
                if array.count == 0 { return c.setNull() }
                let lower = array.dimension(0).lower
                let first = hasStart ? max(Int(c.int32(2)) - lower, 0) : 0
                for index in min(first, array.count)..<array.count where holds(c, array, index, argument: 1) {
                    return c.set(Int32(lower + index))
                }
                c.setNull()
            }
        }
        scalar(
            3279, "array_positions", [.anycompatiblearray, .anycompatible], .int4Array,
            "Subscripts of all equal elements", strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            if c.isNull(0) { return c.setNull() }
            let array = ArrayValue(c.bytes(0))
            try requireOneDimension(array)
            var builder = ArrayBuilder(element: .int4)
            for index in 0..<array.count where holds(c, array, index, argument: 1) {
                builder.append(Cell(Int32(array.dimension(0).lower + index)))
            }
            try c.set(builder.finish())
        }
        scalar(2747, "arrayoverlap", [.anyarray, .anyarray], .bool, "Whether an element is in both") {
            (c: inout ScalarCall) throws(EngineError) in
            let (a, b) = (ArrayValue(c.bytes(0)), ArrayValue(c.bytes(1)))
            for index in 0..<b.count where !b.isNull(index) && contains(a, b.cell(index)) { return c.set(true) }
            c.set(false)
        }
        for (oid, name, outer) in [(2748 as UInt32, "arraycontains" as StaticBytes, 0), (2749, "arraycontained", 1)] {
            scalar(oid, name, [.anyarray, .anyarray], .bool, "Whether every element of one is in the other") {
                (c: inout ScalarCall) throws(EngineError) in
                let (large, small) = (ArrayValue(c.bytes(outer)), ArrayValue(c.bytes(1 - outer)))
                for index in 0..<small.count where small.isNull(index) || !contains(large, small.cell(index)) {
                    return c.set(false)
                }
                c.set(true)
            }
        }
    }

    private func declareBuilding() {
        scalar(
            378, "array_append", [.anycompatiblearray, .anycompatible], .anycompatiblearray,
            "With an element more at the end", strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in try extend(&c, array: 0, element: 1)
        }
        scalar(
            379, "array_prepend", [.anycompatible, .anycompatiblearray], .anycompatiblearray,
            "With an element more at the front", strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in try extend(&c, array: 1, element: 0)
        }
        scalar(
            383, "array_cat", [.anycompatiblearray, .anycompatiblearray], .anycompatiblearray, "One after the other",
            strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in try concatenate(&c)
        }
        scalar(
            3167, "array_remove", [.anycompatiblearray, .anycompatible], .anycompatiblearray, "Without equal elements",
            strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            if c.isNull(0) { return c.setNull() }
            let array = ArrayValue(c.bytes(0))
            if array.dimensionCount > 1 {
                throw EngineError(
                    .featureNotSupported, "removing elements from multidimensional arrays is not supported")
            }
            var builder = ArrayBuilder(element: array.element)
            for index in 0..<array.count where !holds(c, array, index, argument: 1) {
                builder.append(array.isNull(index) ? nil : array.cell(index))
            }
            if builder.count == array.count { return c.setReference(c.bytes(0)) }
            let count = builder.count
            let lower = array.dimensionCount > 0 ? array.dimension(0).lower : 1
            try c.set(builder.finish(dimensions: [ArrayDimension(length: count, lower: lower)]))
        }
        scalar(
            3168, "array_replace", [.anycompatiblearray, .anycompatible, .anycompatible], .anycompatiblearray,
            "With equal elements replaced", strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            if c.isNull(0) { return c.setNull() }
            let array = ArrayValue(c.bytes(0))
            var builder = ArrayBuilder(element: array.element)
            for index in 0..<array.count {
                if holds(c, array, index, argument: 1) {
                    builder.append(c.isNull(2) ? nil : c.cell(2))
                } else {
                    builder.append(array.isNull(index) ? nil : array.cell(index))
                }
            }
            try c.set(builder.finish(dimensions: array.dimensions))
        }
        scalar(6172, "trim_array", [.anyarray, .int4], .anyarray, "Without the last elements") {
            (c: inout ScalarCall) throws(EngineError) in
            let array = ArrayValue(c.bytes(0))
            let length = array.dimensionCount > 0 ? array.dimension(0).length : 0
            let dropped = Int(c.int32(1))
            guard dropped >= 0, dropped <= length else {
                throw EngineError("2202E", "number of elements to trim must be between 0 and \(length)")
            }
            let inner = length == 0 ? 0 : array.count / length
            var builder = ArrayBuilder(element: array.element)
            for index in 0..<((length - dropped) * inner) {
                builder.append(array.isNull(index) ? nil : array.cell(index))
            }
            var shape = array.dimensions
            if !shape.isEmpty { shape[0] = ArrayDimension(length: length - dropped) }
            try c.set(builder.finish(dimensions: shape))
        }
        for (oid, hasLower) in [(1193 as UInt32, false), (1286, true)] {
            scalar(
                oid, "array_fill", hasLower ? [.anyelement, .int4Array, .int4Array] : [.anyelement, .int4Array],
                .anyarray,
                "An array of one value", strict: false
            ) { (c: inout ScalarCall) throws(EngineError) in
                if c.isNull(1) || (hasLower && c.isNull(2)) {
                    throw EngineError("22004", "dimension array or low bound array cannot be null")
                }
                let lengths = ArrayValue(c.bytes(1))
                var shape: [ArrayDimension] = []
                var count = lengths.count == 0 ? 0 : 1
                for index in 0..<lengths.count {
                    let lower = hasLower ? Int(ArrayValue(c.bytes(2)).cell(index).int32) : 1
                    let length = Int(lengths.cell(index).int32)
                    guard index < ArrayIO.maximumDimensions else { throw ArrayIO.tooManyDimensions(lengths.count) }
                    guard length >= 0, count * length < ArrayIO.maximumCount else { throw ArrayIO.tooLarge() }
                    shape.append(ArrayDimension(length: length, lower: lower))
                    count *= length
                }
                var builder = ArrayBuilder(element: c.type(0).oid)
                for _ in 0..<count { builder.append(c.isNull(0) ? nil : c.cell(0)) }
                try c.set(builder.finish(dimensions: shape))
            }
        }
    }

    private func declareArraysAndText() {
        for (oid, hasNull) in [(395 as UInt32, false), (384, true)] {
            scalar(
                oid, "array_to_string", hasNull ? [.anyarray, .text, .text] : [.anyarray, .text], .text,
                "Text forms of the elements with a delimiter", volatility: .stable, strict: false
            ) { (c: inout ScalarCall) throws(EngineError) in
                if c.isNull(0) || c.isNull(1) { return c.setNull() }
                let array = ArrayValue(c.bytes(0))
                c.frame.scratch.removeAll()
                var isFirst = true
                for index in 0..<array.count {
                    let isNull = array.isNull(index)
                    if isNull, !hasNull || c.isNull(2) { continue }
                    if !isFirst { c.frame.scratch.append(c.bytes(1)) }
                    isFirst = false
                    if isNull {
                        c.frame.scratch.append(c.bytes(2))
                    } else {
                        try TypeIO.output(array.cell(index), array.element, into: &c.frame.scratch, c.context)
                    }
                }
                try c.storeScratch()
            }
        }
        for (oid, hasNull) in [(394 as UInt32, false), (376, true)] {
            scalar(
                oid, "string_to_array", hasNull ? [.text, .text, .text] : [.text, .text], .textArray,
                "Fields between delimiters", strict: false
            ) {
                (c: inout ScalarCall) throws(EngineError) in
                if c.isNull(0) { return c.setNull() }
                let null = hasNull && !c.isNull(2) ? c.bytes(2) : nil
                var builder = ArrayBuilder(element: .text)
                for field in fields(c.bytes(0), c.isNull(1) ? nil : c.bytes(1)) {
                    let isNull = null.map { $0.count == field.count && Comparison.bytes($0, field) == 0 } ?? false
                    builder.append(isNull ? nil : Cell(ByteView(referencing: field)))
                }
                try c.set(builder.finish())
            }
        }
        for (oid, hasNull) in [(6160 as UInt32, false), (6161, true)] {
            add(
                FunctionEntry(
                    oid: oid, name: "string_to_table", arguments: hasNull ? [.text, .text, .text] : [.text, .text],
                    result: .text,
                    isStrict: false,
                    body: .rows { (call: SetCall) throws(EngineError) in
                        if call.arguments[0].isNull { return DatumIterator([]) }
                        let delimiter = call.arguments[1].isNull ? nil : call.arguments[1].byteArray
                        let null = hasNull && !call.arguments[2].isNull ? call.arguments[2].byteArray : nil
                        var values: [Datum] = []
                        call.arguments[0].withBytes { text in
                            let parts = delimiter.map { $0.withRaw { fields(text, $0) } } ?? fields(text, nil)
                            for part in parts { values.append([UInt8](part) == null ? .null : Datum(bytes: part)) }
                        }
                        return DatumIterator(values)
                    }, documentation: "Fields between delimiters"))
        }
    }
}

private func requireOneDimension(_ array: ArrayValue) throws(EngineError) {
    if array.dimensionCount > 1 {
        throw EngineError(.featureNotSupported, "searching for elements in multidimensional arrays is not supported")
    }
}
/// Whether the element equals the argument, NULL being equal to NULL.
private func holds(_ c: ScalarCall, _ array: ArrayValue, _ index: Int, argument: Int) -> Bool {
    if array.isNull(index) || c.isNull(argument) { return array.isNull(index) && c.isNull(argument) }
    return Comparison.areEqual(array.cell(index), c.cell(argument), ValueClass.of(array.element))
}
private func contains(_ array: ArrayValue, _ cell: Cell) -> Bool {
    let kind = ValueClass.of(array.element)
    for index in 0..<array.count where !array.isNull(index) {
        if Comparison.areEqual(array.cell(index), cell, kind) { return true }
    }
    return false
}
private func extend(_ c: inout ScalarCall, array: Int, element: Int) throws(EngineError) {
    let isAppend = array < element
    var builder = ArrayBuilder(element: c.type(element).oid)
    var lower = 1
    if !isAppend { builder.append(c.isNull(element) ? nil : c.cell(element)) }
    if !c.isNull(array) {
        let source = ArrayValue(c.bytes(array))
        if source.dimensionCount > 1 { throw EngineError("22000", "argument must be empty or one-dimensional array") }
        if source.dimensionCount == 1 { lower = source.dimension(0).lower }
        for index in 0..<source.count { builder.append(source.isNull(index) ? nil : source.cell(index)) }
    }
    if isAppend { builder.append(c.isNull(element) ? nil : c.cell(element)) }
    let count = builder.count
    try c.set(builder.finish(dimensions: [ArrayDimension(length: count, lower: lower)]))
}
private func concatenate(_ c: inout ScalarCall) throws(EngineError) {
    if c.isNull(0) || c.isNull(1) {
        if c.isNull(0), c.isNull(1) { return c.setNull() }
        return c.setReference(c.bytes(c.isNull(0) ? 1 : 0))
    }
    let (a, b) = (ArrayValue(c.bytes(0)), ArrayValue(c.bytes(1)))
    if a.count == 0 { return c.setReference(c.bytes(1)) }
    if b.count == 0 { return c.setReference(c.bytes(0)) }
    var shape: [ArrayDimension]
    let (da, db) = (a.dimensions, b.dimensions)
    if da.count == db.count {
        shape = da
        shape[0].length += db[0].length
        for index in 1..<max(da.count, 1) where index < da.count && da[index] != db[index] { throw incompatible() }
    } else if da.count == db.count + 1 {
        shape = da
        shape[0].length += 1
        for index in db.indices where da[index + 1] != db[index] { throw incompatible() }
    } else if db.count == da.count + 1 {
        shape = db
        shape[0].length += 1
        for index in da.indices where db[index + 1] != da[index] { throw incompatible() }
    } else {
        throw incompatible()
    }
    var builder = ArrayBuilder(element: a.element)
    for index in 0..<a.count { builder.append(a.isNull(index) ? nil : a.cell(index)) }
    for index in 0..<b.count { builder.append(b.isNull(index) ? nil : b.cell(index)) }
    try c.set(builder.finish(dimensions: shape))
}
private func incompatible() -> EngineError {
    EngineError(
        "2202E", "cannot concatenate incompatible arrays",
        detail: "Arrays with differing element dimensions are not compatible for concatenation.")
}
/// Parts between delimiters; every character by itself if the delimiter is nil, the whole if it is empty.
private func fields(
    _ text: UnsafeRawBufferPointer, _ delimiter: UnsafeRawBufferPointer?
) -> [UnsafeRawBufferPointer] {
    if text.isEmpty { return [] }
    var result: [UnsafeRawBufferPointer] = []
    var position = 0
    guard let delimiter else {
        while position < text.count {
            let size = min(UTF8Text.length(lead: text[position]), text.count - position)
            result.append(text.slice(position, position + size))
            position += size
        }
        return result
    }
    if delimiter.isEmpty { return [text] }
    while let at = find(delimiter, in: text, from: position) {
        result.append(text.slice(position, at))
        position = at + delimiter.count
    }
    result.append(text.slice(from: position))
    return result
}
