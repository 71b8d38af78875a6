// Memory-comparable keys: concatenated column encodings whose bytewise order is the columns' order. Used by indexes and
// sorts alike. After Graefe, "Implementing Sorting in Database Systems" (2006), 2.1.
//
// A column is one marker byte (NULL first 0x00, value 0x01, NULL last 0x02), then the value, its bytes inverted for
// descending order. No encoding is a proper prefix of another, so columns concatenate.
//   integers          big-endian, sign bit flipped
//   floats            big-endian bits, inverted if negative, else sign flipped; -0 as 0, one NaN, last
//   byte strings      0x00 written as 0x00 0xFF; end 0x00 0x00
//   numeric           class byte, exponent, base-10000 digits + 1, end (see Numeric.appendKey)
//   arrays, rows      per element a marker and its value; end; then dimensions

import Platform

package enum NormalizedKey {
    /// The first eight bytes as a number, zeros behind the key's end. Of two keys whose prefixes differ, the lesser key has the
    /// lesser one.
    @inline(__always) package static func prefix(_ key: UnsafeRawBufferPointer) -> UInt64 {
        if key.count >= 8 { return UInt64(bigEndian: key.loadUnaligned(as: UInt64.self)) }
        var value: UInt64 = 0
        for index in 0..<8 { value = value << 8 | (index < key.count ? UInt64(key[index]) : 0) }
        return value
    }

    /// Appends one column; `cell` nil is NULL.
    package static func append(
        _ cell: Cell?, _ kind: ValueClass, descending: Bool = false, nullsFirst: Bool = false,
        to buffer: inout ByteBuffer
    ) {
        guard let cell else {
            buffer.append(nullsFirst ? 0x00 : 0x02)
            return
        }
        buffer.append(0x01)
        let start = buffer.count
        appendValue(cell, kind, to: &buffer)
        if descending { invert(buffer.base + start, buffer.count - start) }
    }

    /// Appends one column by type: `append` with the class looked up.
    package static func append(
        _ cell: Cell?, type: TypeOID, descending: Bool, nullsFirst: Bool, to buffer: inout ByteBuffer
    ) {
        append(cell, ValueClass.of(type), descending: descending, nullsFirst: nullsFirst, to: &buffer)
    }

    /// True if `decode` gives back the very value: not for float (-0), numeric (display scale), interval (units), padded
    /// text, arrays and rows, which compare equal in several spellings.
    package static func isLossless(_ kind: ValueClass) -> Bool {
        switch kind {
        case .bool, .char, .int16, .int32, .unsigned32, .int64, .unsigned64, .uuid, .bytes: true
        default: false
        }
    }

    /// Bytes the first column of `key` takes. Precondition: `key` was made by `append` with this class. Nil if malformed.
    package static func columnLength(_ key: UnsafeRawBufferPointer, _ kind: ValueClass, descending: Bool) -> Int? {
        guard let marker = key.first else { return nil }
        if marker != 0x01 { return 1 }
        let flip: UInt8 = descending ? 0xFF : 0
        switch kind {
        case .bool, .char: return 2
        case .int16: return 3
        case .int32, .unsigned32, .float32: return 5
        case .int64, .unsigned64, .float64: return 9
        case .uuid, .interval: return 17
        case .bytes, .paddedText:
            var index = 1
            while index + 1 < key.count {
                if key[index] ^ flip == 0 {
                    if key[index + 1] ^ flip == 0 { return index + 2 }
                    index += 2
                } else {
                    index += 1
                }
            }
            return nil
        case .numeric, .array, .record: return nil
        }
    }

    /// Reads the first column of `key` into `row` of `vector` and returns its length; nil if malformed or not lossless.
    /// Throws 53200.
    package static func decode(
        _ key: UnsafeRawBufferPointer, _ kind: ValueClass, descending: Bool, into vector: Vector, row: Int
    ) throws(EngineError) -> Int? {
        guard isLossless(kind), let length = columnLength(key, kind, descending: descending), length <= key.count else {
            return nil
        }
        if key[0] != 0x01 {
            vector.setNull(row)
            return length
        }
        let flip: UInt8 = descending ? 0xFF : 0
        if kind == .bytes {
            var plain = ByteBuffer(capacity: length)
            var index = 1
            while index < length - 2 {
                let byte = key[index] ^ flip
                plain.append(byte)
                index += byte == 0 ? 2 : 1
            }
            try vector.setBytes(row, plain.bytes)
            return length
        }
        var low: UInt64 = 0
        for index in 1..<min(length, 9) { low = low << 8 | UInt64(key[index] ^ flip) }
        switch kind {
        case .int16: vector.setCell(row, Cell(low: low ^ 0x8000))
        case .int32: vector.setCell(row, Cell(low: low ^ 0x8000_0000))
        case .int64: vector.setCell(row, Cell(low: low ^ 0x8000_0000_0000_0000))
        case .uuid:
            var high: UInt64 = 0
            for index in 9..<17 { high = high << 8 | UInt64(key[index] ^ flip) }
            vector.setCell(row, Cell(low: low.byteSwapped, high: high.byteSwapped))
        default: vector.setCell(row, Cell(low: low))
        }
        return length
    }

    static func appendValue(_ cell: Cell, _ kind: ValueClass, to buffer: inout ByteBuffer) {
        switch kind {
        case .bool: buffer.append(UInt8(cell.low & 1))
        case .char: buffer.append(UInt8(truncatingIfNeeded: cell.low))
        case .int16: buffer.appendBig(UInt16(truncatingIfNeeded: cell.low) ^ 0x8000)
        case .int32: buffer.appendBig(cell.uint32 ^ 0x8000_0000)
        case .unsigned32: buffer.appendBig(cell.uint32)
        case .int64: buffer.appendBig(cell.low ^ 0x8000_0000_0000_0000)
        case .unsigned64: buffer.appendBig(cell.low)
        case .float32:
            let value = cell.float32
            let bits = value == 0 ? 0 : (value != value ? 0x7FC0_0000 : value.bitPattern)
            buffer.appendBig(bits >> 31 == 1 ? ~bits : bits ^ 0x8000_0000)
        case .float64:
            let value = cell.float64
            let bits = value == 0 ? 0 : (value != value ? 0x7FF8_0000_0000_0000 : value.bitPattern)
            buffer.appendBig(bits >> 63 == 1 ? ~bits : bits ^ 0x8000_0000_0000_0000)
        case .uuid:
            buffer.appendBig(cell.low.byteSwapped)
            buffer.appendBig(cell.high.byteSwapped)
        case .interval:
            let span = cell.interval.span
            buffer.appendBig(UInt64(truncatingIfNeeded: span >> 64) ^ 0x8000_0000_0000_0000)
            buffer.appendBig(UInt64(truncatingIfNeeded: span))
        case .bytes: cell.bytes.withBytes { appendEscaped($0, to: &buffer) }
        case .paddedText: cell.bytes.withBytes { appendEscaped(Comparison.unpadded($0), to: &buffer) }
        case .numeric: cell.bytes.withBytes { Numeric.appendKey($0, to: &buffer) }
        case .array: cell.bytes.withBytes { ArrayValue.appendKey($0, to: &buffer) }
        case .record: cell.bytes.withBytes { RecordValue.appendKey($0, to: &buffer) }
        }
    }

    private static func appendEscaped(_ bytes: UnsafeRawBufferPointer, to buffer: inout ByteBuffer) {
        buffer.reserve(bytes.count + 2)
        var hasZero = false
        for byte in bytes where byte == 0 { hasZero = true }
        if hasZero {
            for byte in bytes {
                buffer.append(byte)
                if byte == 0 { buffer.append(0xFF) }
            }
        } else {
            buffer.append(bytes)
        }
        buffer.append(0x00)
        buffer.append(0x00)
    }

    private static func invert(_ base: UnsafeMutableRawPointer, _ count: Int) {
        for index in 0..<count {
            base.storeBytes(of: ~base.load(fromByteOffset: index, as: UInt8.self), toByteOffset: index, as: UInt8.self)
        }
    }
}
