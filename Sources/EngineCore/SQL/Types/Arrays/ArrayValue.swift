// Arrays as they are stored, in `bytes` vectors. int2vector and oidvector have the same form, with lower bound 0.
//
//   0  UInt32 element type    4  UInt8 dimensions (0 for an empty array)    5  UInt8 flags: 1 = has a null bitmap
//   6  UInt16 zero            8  per dimension: Int32 length, Int32 lower bound
//   then the null bitmap if any (one bit per element, set: NULL), then the elements in row-major order: fixed-width values
//   packed; others as UInt32 end offsets, one per element, followed by the bytes. Little-endian, unaligned.

import Platform

package struct ArrayDimension: Equatable, Sendable {
    package var length: Int
    package var lower: Int
    package init(length: Int, lower: Int = 1) {
        self.length = length
        self.lower = lower
    }
    package static func == (a: ArrayDimension, b: ArrayDimension) -> Bool { a.length == b.length && a.lower == b.lower }
}

/// A view of an array's bytes, which must outlive it.
package struct ArrayValue {
    package let bytes: UnsafeRawBufferPointer
    package let element: TypeOID
    package let dimensionCount: Int
    package let count: Int
    package let hasNulls: Bool
    let physical: Physical
    private let elementsStart: Int

    /// Precondition: `bytes` is an array in the form above.
    package init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count >= 8, "an array has a header")
        let base = bytes.baseAddress.unsafelyUnwrapped
        self.bytes = bytes
        element = TypeOID(base.little(0, as: UInt32.self))
        dimensionCount = Int(bytes[4])
        hasNulls = bytes[5] & 1 != 0
        physical = Physical.of(element)
        var product = dimensionCount == 0 ? 0 : 1
        for dimension in 0..<dimensionCount { product *= Int(base.little(8 + 8 * dimension, as: Int32.self)) }
        count = product
        elementsStart = 8 + 8 * dimensionCount + (hasNulls ? (product + 7) / 8 : 0)
    }

    private var base: UnsafeRawPointer { bytes.baseAddress.unsafelyUnwrapped }

    package func dimension(_ index: Int) -> ArrayDimension {
        ArrayDimension(
            length: Int(base.little(8 + 8 * index, as: Int32.self)),
            lower: Int(base.little(12 + 8 * index, as: Int32.self)))
    }
    package var dimensions: [ArrayDimension] { (0..<dimensionCount).map { dimension($0) } }

    /// Elements are numbered from 0 in row-major order.
    package func isNull(_ index: Int) -> Bool {
        hasNulls && bytes[8 + 8 * dimensionCount + index / 8] & (1 << UInt8(index % 8)) != 0
    }
    /// An element that is not null; long strings point into the array.
    package func cell(_ index: Int) -> Cell {
        if physical != .bytes { return Cell(loading: base + elementsStart + index * physical.width, physical) }
        let start = index == 0 ? 0 : Int(base.little(elementsStart + 4 * (index - 1), as: UInt32.self))
        let end = Int(base.little(elementsStart + 4 * index, as: UInt32.self))
        let data = elementsStart + 4 * count
        return Cell(ByteView(referencing: bytes.slice(data + start, data + end)))
    }
    package func datum(_ index: Int) -> Datum { isNull(index) ? .null : Datum(copying: cell(index), physical) }

    /// Writes all elements to rows 0..<count, referring to the array's memory.
    func load(into vector: Vector) throws(EngineError) {
        for index in 0..<count {
            if isNull(index) { vector.setNull(index) } else { vector.setCell(index, cell(index)) }
        }
    }

    /// The same array with another element type of the same form.
    func relabelled(_ type: TypeOID) -> [UInt8] {
        var copy = [UInt8](bytes)
        for index in 0..<4 { copy[index] = UInt8(truncatingIfNeeded: type.rawValue >> UInt32(8 * index)) }
        return copy
    }

    /// Number of the element that subscripts `indices` (one per dimension) select; nil if outside.
    package func index(_ indices: [Int]) -> Int? {
        guard indices.count == dimensionCount, dimensionCount > 0 else { return nil }
        var position = 0
        for (number, subscript_) in indices.enumerated() {
            let dimension = dimension(number)
            let offset = subscript_ - dimension.lower
            guard offset >= 0, offset < dimension.length else { return nil }
            position = position * dimension.length + offset
        }
        return position
    }

    // Comparison: element by element (NULL above everything), then by count, dimensions and bounds.

    package static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let x = ArrayValue(a)
        let y = ArrayValue(b)
        let kind = ValueClass.of(x.element)
        for index in 0..<min(x.count, y.count) {
            let nullX = x.isNull(index)
            let nullY = y.isNull(index)
            if nullX || nullY {
                if nullX && nullY { continue }
                return nullX ? 1 : -1
            }
            let order = Comparison.compare(x.cell(index), y.cell(index), kind)
            if order != 0 { return order }
        }
        if x.count != y.count { return x.count - y.count }
        if x.dimensionCount != y.dimensionCount { return x.dimensionCount - y.dimensionCount }
        for index in 0..<x.dimensionCount where x.dimension(index).length != y.dimension(index).length {
            return x.dimension(index).length - y.dimension(index).length
        }
        for index in 0..<x.dimensionCount where x.dimension(index).lower != y.dimension(index).lower {
            return x.dimension(index).lower - y.dimension(index).lower
        }
        return 0
    }

    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let array = ArrayValue(bytes)
        let kind = ValueClass.of(array.element)
        var hash = Hashing.word(UInt64(array.count))
        for index in 0..<array.count {
            hash = Hashing.combine(hash, array.isNull(index) ? Hashing.null : Hashing.hash(array.cell(index), kind))
        }
        return hash
    }

    static func appendKey(_ bytes: UnsafeRawBufferPointer, to buffer: inout ByteBuffer) {
        let array = ArrayValue(bytes)
        let kind = ValueClass.of(array.element)
        for index in 0..<array.count {
            buffer.append(array.isNull(index) ? 0x02 : 0x01)
            if !array.isNull(index) { NormalizedKey.appendValue(array.cell(index), kind, to: &buffer) }
        }
        buffer.append(0x00)
        buffer.append(UInt8(array.dimensionCount))
        for dimension in array.dimensions { buffer.appendBig(UInt32(dimension.length)) }
        for dimension in array.dimensions { buffer.appendBig(UInt32(bitPattern: Int32(dimension.lower)) ^ 0x8000_0000) }
    }
}

/// Collects elements into an array.
package struct ArrayBuilder: ~Copyable {
    private let element: TypeOID
    private let physical: Physical
    private var nulls: [Bool] = []
    private var hasNulls = false
    private var ends: [UInt32] = []
    private var data = ByteBuffer()

    package init(element: TypeOID) {
        self.element = element
        physical = Physical.of(element)
    }
    package var count: Int { nulls.count }

    /// Appends a value, nil for NULL; its bytes are copied.
    package mutating func append(_ cell: Cell?) {
        nulls.append(cell == nil)
        if cell == nil { hasNulls = true }
        if physical == .bytes {
            if let cell { cell.bytes.withBytes { data.append($0) } }
            ends.append(UInt32(data.count))
        } else {
            let width = physical.width
            data.reserve(width)
            data.appendRaw(cell ?? Cell(low: 0), physical)
        }
    }
    package mutating func append(_ datum: Datum) {
        if datum.isNull { append(nil as Cell?) } else { datum.withCell { append($0) } }
    }

    /// The array with the given dimensions, whose product is the count. Empty: no dimensions. Error 54000 for more than six
    /// of them and for subscripts beyond an int4.
    package consuming func finish(dimensions: [ArrayDimension]) throws(EngineError) -> [UInt8] {
        guard dimensions.count <= ArrayIO.maximumDimensions else { throw ArrayIO.tooManyDimensions(dimensions.count) }
        for dimension in dimensions where dimension.lower + dimension.length > Int(Int32.max) {
            throw EngineError(.programLimitExceeded, "array lower bound is too large: \(dimension.lower)")
        }
        var product = 1
        for dimension in dimensions { product *= dimension.length }
        precondition(nulls.isEmpty || product == nulls.count, "an array has as many elements as its dimensions say")
        return finish(shape: dimensions)
    }

    /// A one-dimensional array; `lower` is 0 or 1.
    package consuming func finish(lower: Int = 1) -> [UInt8] {
        let count = nulls.count
        return finish(shape: [ArrayDimension(length: count, lower: lower)])
    }

    private consuming func finish(shape: [ArrayDimension]) -> [UInt8] {
        let shape = nulls.isEmpty ? [] : shape
        var result = ByteBuffer(capacity: 16 + data.count + 5 * nulls.count)
        result.appendLittle(element.rawValue)
        result.append(UInt8(shape.count))
        result.append(hasNulls ? 1 : 0)
        result.appendLittle(0 as UInt16)
        for dimension in shape {
            result.appendLittle(Int32(dimension.length))
            result.appendLittle(Int32(dimension.lower))
        }
        if hasNulls {
            var byte: UInt8 = 0
            for index in nulls.indices {
                if nulls[index] { byte |= 1 << UInt8(index % 8) }
                if index % 8 == 7 || index == nulls.count - 1 {
                    result.append(byte)
                    byte = 0
                }
            }
        }
        for end in ends { result.appendLittle(end) }
        result.append(data.bytes)
        return result.array
    }
}

extension ByteBuffer {
    mutating func appendRaw(_ cell: Cell, _ physical: Physical) {
        switch physical {
        case .bool, .int8: append(UInt8(truncatingIfNeeded: cell.low))
        case .int16: appendLittle(UInt16(truncatingIfNeeded: cell.low))
        case .int32, .float32: appendLittle(cell.uint32)
        case .int64, .float64: appendLittle(cell.low)
        case .uuid, .interval, .bytes:
            appendLittle(cell.low)
            appendLittle(cell.high)
        }
    }
}
