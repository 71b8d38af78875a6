// Order and equality of two values: bool, sign of a difference, and nothing about NULL, which callers treat first.

/// Comparison of non-null values of one type.
package enum Comparison {
    /// Negative, zero or positive, as `a` sorts before, with or after `b` ascending.
    package static func compare(_ a: Cell, _ b: Cell, _ kind: ValueClass) -> Int {
        switch kind {
        case .bool: return three(a.low & 1, b.low & 1)
        case .char: return three(UInt8(truncatingIfNeeded: a.low), UInt8(truncatingIfNeeded: b.low))
        case .int16: return three(a.int16, b.int16)
        case .int32: return three(a.int32, b.int32)
        case .unsigned32: return three(a.uint32, b.uint32)
        case .int64: return three(a.int64, b.int64)
        case .unsigned64: return three(a.low, b.low)
        case .float32: return float(Double(a.float32), Double(b.float32))
        case .float64: return float(a.float64, b.float64)
        case .uuid:
            let first = three(a.low.byteSwapped, b.low.byteSwapped)
            return first != 0 ? first : three(a.high.byteSwapped, b.high.byteSwapped)
        case .interval: return three(a.interval.span, b.interval.span)
        case .bytes: return bytes(a.bytes, b.bytes)
        case .paddedText:
            return a.bytes.withBytes { a in b.bytes.withBytes { b in bytes(unpadded(a), unpadded(b)) } }
        case .numeric: return a.bytes.withBytes { a in b.bytes.withBytes { b in Numeric.compare(a, b) } }
        case .array: return a.bytes.withBytes { a in b.bytes.withBytes { b in ArrayValue.compare(a, b) } }
        case .record: return a.bytes.withBytes { a in b.bytes.withBytes { b in RecordValue.compare(a, b) } }
        }
    }

    package static func areEqual(_ a: Cell, _ b: Cell, _ kind: ValueClass) -> Bool {
        switch kind {
        case .bytes:
            if a.low != b.low { return false }
            if a.bytes.isInline { return a.high == b.high }
            return bytes(a.bytes, b.bytes) == 0
        default: return compare(a, b, kind) == 0
        }
    }

    @inline(__always) static func three<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : (a == b ? 0 : 1) }

    /// NaN equals NaN and is greater than everything else; -0 equals 0.
    @inline(__always) static func float(_ a: Double, _ b: Double) -> Int {
        if a < b { return -1 }
        if a > b { return 1 }
        if a == b { return 0 }
        if a != a { return b != b ? 0 : 1 }
        return -1
    }

    @inlinable package static func bytes(_ a: ByteView, _ b: ByteView) -> Int {
        let headA = UInt32(truncatingIfNeeded: a.head >> 32).byteSwapped
        let headB = UInt32(truncatingIfNeeded: b.head >> 32).byteSwapped
        // Unused prefix bytes are zero, so differing prefixes decide also when one string is shorter, unless it is equal
        // up to zero bytes, which the lengths then decide.
        if headA != headB { return headA < headB ? -1 : 1 }
        return a.withBytes { a in b.withBytes { b in bytes(a, b) } }
    }

    package static func bytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let common = min(a.count, b.count)
        var index = 0
        if common >= 8, let baseA = a.baseAddress, let baseB = b.baseAddress {
            while index + 8 <= common {
                let wordA = UInt64(bigEndian: (baseA + index).loadUnaligned(as: UInt64.self))
                let wordB = UInt64(bigEndian: (baseB + index).loadUnaligned(as: UInt64.self))
                if wordA != wordB { return wordA < wordB ? -1 : 1 }
                index += 8
            }
        }
        while index < common {
            if a[index] != b[index] { return a[index] < b[index] ? -1 : 1 }
            index += 1
        }
        return three(a.count, b.count)
    }

    /// Without trailing blanks.
    package static func unpadded(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var count = bytes.count
        while count > 0, bytes[count - 1] == 0x20 { count -= 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[0..<count])
    }
}

extension IntervalValue {
    /// Length in microseconds with months of 30 days and days of 24 hours: what intervals are compared by.
    package var span: Int128 {
        Int128(microseconds) + (Int128(days) + Int128(months) * 30) * 86_400_000_000
    }
}
