// Decimals as text and on the wire, their modifier numeric(p, s), and conversions to and from machine numbers.

import Platform

package enum NumericIO {
    /// Throws 22P02 for bad syntax, 22003 beyond the format's or the modifier's range.
    static func parse(_ text: UnsafeRawBufferPointer, typmod: Int32) throws(EngineError) -> Datum {
        if let small = parseSmall(text), typmod < 4 { return Datum(fixed: Cell(small)) }
        var value = try decimal(text)
        try applyModifier(&value, typmod)
        return try value.datum()
    }

    /// Plain digits with a point, at most 18 of them.
    private static func parseSmall(_ text: UnsafeRawBufferPointer) -> ByteView? {
        guard text.count > 0, text.count <= 19 else { return nil }
        var position = 0
        let negative = text[0] == 0x2D
        if negative { position = 1 }
        var value: Int64 = 0
        var digits = 0
        var point = -1
        while position < text.count {
            let byte = text[position]
            if byte.isDigit {
                value = value &* 10 &+ Int64(byte - 0x30)
                digits += 1
            } else if byte == UInt8(ascii: "."), point < 0 {
                point = digits
            } else {
                return nil
            }
            position += 1
        }
        guard digits > 0, digits <= 18 else { return nil }
        return Numeric.small(negative ? -value : value, scale: point < 0 ? 0 : digits - point)
    }

    static func decimal(_ text: UnsafeRawBufferPointer) throws(EngineError) -> Decimal {
        let body = text.trimmed
        var position = 0
        var negative = false
        if position < body.count, body[position] == 0x2D || body[position] == 0x2B {
            negative = body[position] == 0x2D
            position += 1
        }
        let word = body.slice(from: position)
        if word.equalsIgnoringCase("nan"), position == 0 { return .nan }
        if word.equalsIgnoringCase("infinity") || word.equalsIgnoringCase("inf") {
            return Decimal(special: negative ? .negativeInfinity : .infinity)
        }
        var digits: [UInt8] = []
        var integerDigits = 0
        var afterPoint = false
        while position < body.count {
            let byte = body[position]
            if byte.isDigit {
                digits.append(byte - 0x30)
                if !afterPoint { integerDigits += 1 }
            } else if byte == UInt8(ascii: "."), !afterPoint {
                afterPoint = true
            } else {
                break
            }
            position += 1
        }
        if digits.isEmpty { throw IntegerIO.invalid(text, "numeric") }
        var exponent = 0
        if position < body.count, body[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            var exponentNegative = false
            if position < body.count, body[position] == 0x2D || body[position] == 0x2B {
                exponentNegative = body[position] == 0x2D
                position += 1
            }
            guard position < body.count, body[position].isDigit else { throw IntegerIO.invalid(text, "numeric") }
            while position < body.count, body[position].isDigit {
                exponent = min(exponent * 10 + Int(body[position] - 0x30), 1 << 30)
                position += 1
            }
            if exponentNegative { exponent = -exponent }
        }
        if position != body.count { throw IntegerIO.invalid(text, "numeric") }
        let scale = max(digits.count - integerDigits - exponent, 0)
        guard exponent.magnitude < 1 << 29, scale <= Numeric.maximumScale else {
            throw EngineError(.numericValueOutOfRange, "value overflows numeric format")
        }
        return Decimal(decimalDigits: digits, point: integerDigits + exponent, negative: negative, scale: scale)
    }

    /// numeric(p, s): rounds to s decimals and checks that at most p − s digits are before the point. Throws 22003.
    static func applyModifier(_ value: inout Decimal, _ typmod: Int32) throws(EngineError) {
        guard typmod >= 4, value.kind != .nan else { return }
        let precision = Int((typmod - 4) >> 16 & 0xFFFF)
        let scale = Int((((typmod - 4) & 0x7FF) ^ 1024) - 1024)
        if value.kind != .finite {
            throw EngineError(
                .numericValueOutOfRange, "numeric field overflow",
                detail: "A field with precision \(precision), scale \(scale) cannot hold an infinite value.")
        }
        value.round(to: scale)
        guard let first = value.digits.first else { return }
        let leading = first >= 1000 ? 4 : (first >= 100 ? 3 : (first >= 10 ? 2 : 1))
        if value.weight * 4 + leading > precision - scale {
            let limit = precision - scale
            throw EngineError(
                .numericValueOutOfRange, "numeric field overflow",
                detail: "A field with precision \(precision), scale \(scale) must round to an absolute value less than "
                    + (limit == 0 ? "1." : "10^\(limit)."))
        }
    }

    static func output(_ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        let view = ByteView(referencing: bytes)
        if Numeric.isSmall(view) {
            let value = Numeric.unscaled(view)
            let scale = Numeric.scale(view)
            if value < 0 { buffer.append(UInt8(ascii: "-")) }
            if scale == 0 {
                buffer.append(decimal: value.magnitude, width: 1)
                return
            }
            let unit = UInt64(Numeric.power(scale))
            buffer.append(decimal: value.magnitude / unit, width: 1)
            buffer.append(UInt8(ascii: "."))
            buffer.append(decimal: value.magnitude % unit, width: scale)
            return
        }
        output(Decimal(bytes: bytes), into: &buffer)
    }
    static func output(_ value: Decimal, into buffer: inout ByteBuffer) {
        switch value.kind {
        case .nan: buffer.append("NaN")
        case .infinity: buffer.append("Infinity")
        case .negativeInfinity: buffer.append("-Infinity")
        case .finite:
            if value.isNegative { buffer.append(UInt8(ascii: "-")) }
            if value.weight < 0 || value.digits.isEmpty {
                buffer.append(0x30)
            } else {
                for power in (0...value.weight).reversed() {
                    buffer.append(decimal: UInt64(value.digit(power)), width: power == value.weight ? 1 : 4)
                }
            }
            guard value.scale > 0 else { return }
            buffer.append(UInt8(ascii: "."))
            let end = buffer.count + value.scale
            var power = -1
            while buffer.count < end {
                buffer.append(decimal: UInt64(value.digit(power)), width: 4)
                power -= 1
            }
            buffer.truncate(to: end)
        }
    }

    /// Int16 digit count, weight, sign word, display scale, then base-10000 digits.
    static func send(_ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        let value = Decimal(bytes: bytes)
        buffer.appendBig(UInt16(value.digits.count))
        buffer.appendBig(Int16(value.weight))
        switch value.kind {
        case .finite: buffer.appendBig(value.isNegative ? 0x4000 : 0 as UInt16)
        case .nan: buffer.appendBig(0xC000 as UInt16)
        case .infinity: buffer.appendBig(0xD000 as UInt16)
        case .negativeInfinity: buffer.appendBig(0xF000 as UInt16)
        }
        // PostgreSQL leaves this bit in the scale of infinities.
        let isInfinite = value.kind == .infinity || value.kind == .negativeInfinity
        buffer.appendBig(UInt16(value.kind == .finite ? value.scale : (isInfinite ? 0x20 : 0)))
        for digit in value.digits { buffer.appendBig(digit) }
    }
    /// Throws 22P03 for malformed bytes.
    static func receive(_ bytes: UnsafeRawBufferPointer, typmod: Int32) throws(EngineError) -> Datum {
        guard bytes.count >= 8, let base = bytes.baseAddress else { throw TypeIO.tooShort() }
        let count = Int(base.big(0, as: UInt16.self))
        guard bytes.count >= 8 + 2 * count else { throw TypeIO.tooShort() }
        guard bytes.count == 8 + 2 * count else { throw TypeIO.malformed() }
        var value = Decimal()
        value.weight = Int(base.big(2, as: Int16.self))
        value.scale = Int(base.big(6, as: UInt16.self))
        switch base.big(4, as: UInt16.self) {
        case 0: break
        case 0x4000: value.isNegative = true
        case 0xC000: value = .nan
        case 0xD000: value = Decimal(special: .infinity)
        case 0xF000: value = Decimal(special: .negativeInfinity)
        default: throw EngineError(.invalidBinaryRepresentation, "invalid sign in external \"numeric\" value")
        }
        guard value.scale <= Numeric.maximumScale else {
            throw EngineError(.invalidBinaryRepresentation, "invalid scale in external \"numeric\" value")
        }
        if value.kind == .finite {
            for index in 0..<count {
                let digit = base.big(8 + 2 * index, as: UInt16.self)
                guard digit < 10_000 else {
                    throw EngineError(.invalidBinaryRepresentation, "invalid digit in external \"numeric\" value")
                }
                value.digits.append(digit)
            }
            value.normalize()
            // Digits hidden by the scale are dropped.
            value.truncate(to: value.scale)
        }
        try applyModifier(&value, typmod)
        return try value.datum()
    }
}

extension Decimal {
    /// Decimal digits with the point after `point` of them (which may lie outside).
    init(decimalDigits: [UInt8], point: Int, negative: Bool, scale: Int) {
        self.init()
        self.scale = scale
        isNegative = negative
        // Pad in front so that the point falls on a base-10000 boundary.
        let whole = point >= 0 ? (point + 3) / 4 : -((-point) / 4)
        let pad = whole * 4 - point
        weight = whole - 1
        var current: UInt16 = 0
        var filled = pad
        for digit in decimalDigits {
            current = current * 10 + UInt16(digit)
            filled += 1
            if filled == 4 {
                digits.append(current)
                current = 0
                filled = 0
            }
        }
        if filled > 0 {
            for _ in filled..<4 { current *= 10 }
            digits.append(current)
        }
        normalize()
    }

    /// Rounded half away from zero; nil if it does not fit.
    var int64: Int64? {
        var rounded = self
        rounded.round(to: 0)
        guard rounded.kind == .finite else { return nil }
        if rounded.digits.isEmpty { return 0 }
        guard rounded.weight <= 4 else { return nil }
        var value: UInt64 = 0
        for power in (0...rounded.weight).reversed() {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10_000)
            let (sum, carry) = product.addingReportingOverflow(UInt64(rounded.digit(power)))
            if overflow || carry { return nil }
            value = sum
        }
        if rounded.isNegative { return value <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- value) : nil }
        return value < 1 << 63 ? Int64(value) : nil
    }

    /// Nearest double; nil if the number is beyond its range.
    func float(single: Bool) -> Double? {
        switch kind {
        case .nan: return .nan
        case .infinity: return .infinity
        case .negativeInfinity: return -.infinity
        case .finite:
            var text = ByteBuffer(capacity: 64)
            NumericIO.output(self, into: &text)
            return FloatIO.exact(text.bytes, single: single)
        }
    }

    /// A double's value in `significant` decimal digits (15 for float8, 6 for float4), as casts give.
    init(_ value: Double, significant: Int) {
        if value != value {
            self.init(special: .nan)
        } else if value.isInfinite {
            self.init(special: value > 0 ? .infinity : .negativeInfinity)
        } else if value == 0 {
            self.init()
        } else {
            var text = ByteBuffer(capacity: 64)
            ShortestDigits(value.magnitude, significant: significant).append(
                negative: value < 0, exponentialAt: significant, into: &text)
            do throws(EngineError) {
                self = try NumericIO.decimal(text.bytes)
            } catch {
                preconditionFailure("digits of a double are a number")
            }
        }
    }
}
