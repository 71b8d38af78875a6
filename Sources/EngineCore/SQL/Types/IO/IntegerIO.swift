// Integers and booleans as text.

import Platform

enum IntegerIO {
    /// A decimal number with optional sign and surrounding white space, of `bits` bits. Throws 22P02 and 22003.
    static func parse(_ text: UnsafeRawBufferPointer, bits: Int, _ typeName: StaticString) throws(EngineError) -> Int64
    {
        var position = 0
        let count = text.count
        while position < count, text[position].isSpace { position += 1 }
        var negative = false
        if position < count, text[position] == 0x2D || text[position] == 0x2B {
            negative = text[position] == 0x2D
            position += 1
        }
        let first = position
        var magnitude: UInt64 = 0
        var overflow = false
        while position < count, text[position].isDigit {
            let (product, tooLarge) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(text[position] - 0x30))
            overflow = overflow || tooLarge || carry
            magnitude = sum
            position += 1
        }
        let digits = position - first
        while position < count, text[position].isSpace { position += 1 }
        if digits == 0 || position != count { throw invalid(text, typeName) }
        let limit = (1 as UInt64) << UInt64(bits - 1)
        if overflow || magnitude > (negative ? limit : limit - 1) { throw outOfRange(text, typeName) }
        return negative ? Int64(truncatingIfNeeded: 0 &- magnitude) : Int64(magnitude)
    }

    /// A plain decimal of up to nine digits; nil for anything else, which `parse` judges.
    @inline(__always) static func short(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard let base = text.baseAddress else { return nil }
        let isNegative = text.count > 1 && base.load(as: UInt8.self) == 0x2D
        var index = isNegative ? 1 : 0
        guard text.count > index, text.count - index <= 9 else { return nil }
        var value: Int64 = 0
        while index < text.count {
            let digit = base.load(fromByteOffset: index, as: UInt8.self) &- 0x30
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ Int64(digit)
            index &+= 1
        }
        return isNegative ? -value : value
    }

    /// An unsigned 32-bit number; a negative one wraps, as PostgreSQL's does. Throws 22P02 and 22003.
    static func parseOID(_ text: UnsafeRawBufferPointer, _ typeName: StaticString) throws(EngineError) -> UInt32 {
        let value: Int64
        do throws(EngineError) {
            value = try parse(text, bits: 64, typeName)
        } catch { throw error }
        guard value <= Int64(UInt32.max), value >= Int64(Int32.min) else { throw outOfRange(text, typeName) }
        return UInt32(truncatingIfNeeded: value)
    }

    /// Leading digits, anything after them ignored: xid and cid.
    static func parseLoosely(_ text: UnsafeRawBufferPointer) -> UInt32 {
        UInt32(truncatingIfNeeded: parseLooselyWide(text))
    }
    static func parseLooselyWide(_ text: UnsafeRawBufferPointer) -> UInt64 {
        var value: UInt64 = 0
        for byte in text.trimmed {
            guard byte.isDigit else { break }
            value = value &* 10 &+ UInt64(byte - 0x30)
        }
        return value
    }

    static func invalid(_ text: UnsafeRawBufferPointer, _ typeName: StaticString) -> EngineError {
        EngineError(
            .invalidTextRepresentation,
            "invalid input syntax for type \(StaticBytes(stringLiteral: typeName).string): \"\(quoted(text))\"")
    }
    static func outOfRange(_ text: UnsafeRawBufferPointer, _ typeName: StaticString) -> EngineError {
        EngineError(
            .numericValueOutOfRange,
            "value \"\(quoted(text))\" is out of range for type \(StaticBytes(stringLiteral: typeName).string)")
    }
}

enum BooleanIO {
    /// Any unambiguous prefix of true, false, yes, no, on, off; or 1, 0.
    static func parse(_ text: UnsafeRawBufferPointer) throws(EngineError) -> Bool {
        let word = text.trimmed
        if word.count > 0 {
            if word.isPrefixIgnoringCase(of: "true") || word.isPrefixIgnoringCase(of: "yes") { return true }
            if word.isPrefixIgnoringCase(of: "false") || word.isPrefixIgnoringCase(of: "no") { return false }
            if word.equalsIgnoringCase("on") || word.equals("1") { return true }
            if word.count >= 2, word.isPrefixIgnoringCase(of: "off") { return false }
            if word.equals("0") { return false }
        }
        throw IntegerIO.invalid(text, "boolean")
    }
}
