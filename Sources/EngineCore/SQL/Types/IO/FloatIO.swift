// Floating-point numbers as text: input rounded correctly, output shortest that reads back the same.
//
// Input: decimal digits up to 2^53 with a power of ten up to 10^22 need one exact operation (Clinger 1990); anything
// else is divided out in big integers, which is slow and exact. Output: the standard library's shortest digits (after
// Ryu and Errol), laid out as PostgreSQL lays them out.

import Platform

package enum FloatIO {
    static func parse64(_ text: UnsafeRawBufferPointer) throws(EngineError) -> Double {
        switch scan(text) {
        case .invalid: throw IntegerIO.invalid(text, "double precision")
        case .special(let value): return value
        case .number(let negative, let decimal):
            let value = decimal.binary(precision: 53, minimumExponent: -1074, maximumExponent: 1023)
            guard let value, value != 0 || decimal.isZero else { throw outOfRange(text, "double precision") }
            return negative ? -value : value
        }
    }
    static func parse32(_ text: UnsafeRawBufferPointer) throws(EngineError) -> Float {
        switch scan(text) {
        case .invalid: throw IntegerIO.invalid(text, "real")
        case .special(let value): return Float(value)
        case .number(let negative, let decimal):
            let value = decimal.binary(precision: 24, minimumExponent: -149, maximumExponent: 127)
            guard let value, value != 0 || decimal.isZero else { throw outOfRange(text, "real") }
            return Float(negative ? -value : value)
        }
    }
    /// For conversions from numeric text that is known to be well-formed: nil when out of range.
    static func exact(_ text: UnsafeRawBufferPointer, single: Bool) -> Double? {
        guard case .number(let negative, let decimal) = scan(text) else { return nil }
        let value =
            single
            ? decimal.binary(precision: 24, minimumExponent: -149, maximumExponent: 127)
            : decimal.binary(precision: 53, minimumExponent: -1074, maximumExponent: 1023)
        guard let value else { return nil }
        return negative ? -value : value
    }

    private static func outOfRange(_ text: UnsafeRawBufferPointer, _ typeName: StaticString) -> EngineError {
        EngineError(
            .numericValueOutOfRange,
            "\"\(quoted(text.trimmed))\" is out of range for type \(StaticBytes(stringLiteral: typeName).string)")
    }

    private enum Scan {
        case invalid
        case special(Double)
        case number(negative: Bool, DecimalDigits)
    }

    private static func scan(_ text: UnsafeRawBufferPointer) -> Scan {
        let body = text.trimmed
        var position = 0
        var negative = false
        if position < body.count, body[position] == 0x2D || body[position] == 0x2B {
            negative = body[position] == 0x2D
            position += 1
        }
        let word = body.slice(from: position)
        if word.equalsIgnoringCase("nan") { return .special(.nan) }
        if word.equalsIgnoringCase("infinity") || word.equalsIgnoringCase("inf") {
            return .special(negative ? -Double.infinity : Double.infinity)
        }
        var decimal = DecimalDigits()
        var digits = 0
        var afterPoint = false
        while position < body.count {
            let byte = body[position]
            if byte.isDigit {
                digits += 1
                decimal.append(byte - 0x30, afterPoint: afterPoint)
            } else if byte == UInt8(ascii: "."), !afterPoint {
                afterPoint = true
            } else {
                break
            }
            position += 1
        }
        if digits == 0 { return .invalid }
        if position < body.count, body[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            var exponentNegative = false
            if position < body.count, body[position] == 0x2D || body[position] == 0x2B {
                exponentNegative = body[position] == 0x2D
                position += 1
            }
            guard position < body.count, body[position].isDigit else { return .invalid }
            var exponent = 0
            while position < body.count, body[position].isDigit {
                if exponent < 100_000 { exponent = exponent * 10 + Int(body[position] - 0x30) }
                position += 1
            }
            decimal.exponent += exponentNegative ? -exponent : exponent
        }
        return position == body.count ? .number(negative: negative, decimal) : .invalid
    }

    /// Appends a double. `extraDigits` above 0: shortest; otherwise `15 + extraDigits` significant digits.
    package static func output(_ value: Double, extraDigits: Int, into buffer: inout ByteBuffer) {
        if appendSpecial(value, into: &buffer) { return }
        var digits: ShortestDigits
        if extraDigits > 0 {
            digits = ShortestDigits(describing: value.magnitude.description)
            digits.avoidMidpoint(value.magnitude, significandBits: 53)
            digits.append(negative: value.sign == .minus, exponentialAt: 15, into: &buffer)
        } else {
            digits = ShortestDigits(value.magnitude, significant: max(15 + extraDigits, 1))
            digits.append(negative: value.sign == .minus, exponentialAt: max(15 + extraDigits, 1), into: &buffer)
        }
    }
    package static func output(_ value: Float, extraDigits: Int, into buffer: inout ByteBuffer) {
        if appendSpecial(Double(value), into: &buffer) { return }
        var digits: ShortestDigits
        if extraDigits > 0 {
            digits = ShortestDigits(describing: value.magnitude.description)
            digits.avoidMidpoint(Double(value.magnitude), significandBits: 24)
            digits.append(negative: value.sign == .minus, exponentialAt: 6, into: &buffer)
        } else {
            digits = ShortestDigits(Double(value.magnitude), significant: max(6 + extraDigits, 1))
            digits.append(negative: value.sign == .minus, exponentialAt: max(6 + extraDigits, 1), into: &buffer)
        }
    }
    private static func appendSpecial(_ value: Double, into buffer: inout ByteBuffer) -> Bool {
        if value != value {
            buffer.append("NaN")
        } else if value == .infinity {
            buffer.append("Infinity")
        } else if value == -.infinity {
            buffer.append("-Infinity")
        } else if value == 0 {
            buffer.append(value.sign == .minus ? "-0" : "0")
        } else {
            return false
        }
        return true
    }
}

/// Decimal digits d₁d₂d₃… of a number d₁.d₂d₃… × 10^exponent.
struct ShortestDigits {
    private var digits: [UInt8] = []
    private var exponent = 0

    /// From the standard library's description of a finite positive number: `123.45`, `1e-05`, `1.5e+20`.
    init(describing text: String) {
        var point: Int?
        var power = 0
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            if byte.isDigit {
                digits.append(byte - 0x30)
            } else if byte == UInt8(ascii: ".") {
                point = digits.count
            } else if byte == UInt8(ascii: "e") {
                var negative = false
                while let digit = iterator.next() {
                    if digit == UInt8(ascii: "-") { negative = true }
                    if digit.isDigit { power = power * 10 + Int(digit - 0x30) }
                }
                if negative { power = -power }
            }
        }
        exponent = (point ?? digits.count) - 1 + power
        trim()
    }

    /// The `significant` leading decimal digits of a positive number, correctly rounded (from the exact binary value).
    init(_ value: Double, significant: Int) {
        let exact = DecimalDigits(exactly: value)
        digits = exact.digits
        exponent = exact.digits.count - 1 + exact.exponent
        if digits.count > significant {
            var up = digits[significant] > 5
            if digits[significant] == 5 {
                for digit in digits[(significant + 1)...] where digit != 0 { up = true }
                if !up { up = digits[significant - 1] & 1 == 1 }
            }
            digits.removeLast(digits.count - significant)
            if up { increment() }
        }
        trim()
    }

    /// Digits exactly halfway between two binary numbers read back right only by rounding to even; PostgreSQL does not count
    /// on that and writes more digits.
    mutating func avoidMidpoint(_ value: Double, significandBits: Int) {
        guard isMidpoint(significandBits) else { return }
        var count = digits.count
        while count <= 17 {
            let longer = ShortestDigits(value, significant: count)
            if !longer.isMidpoint(significandBits), longer.reads(as: value, significandBits) {
                self = longer
                return
            }
            count += 1
        }
    }
    private func isMidpoint(_ significandBits: Int) -> Bool {
        var product: UInt64 = 0
        for digit in digits { product = product &* 10 &+ UInt64(digit) }
        // The odd part of digits × 10^power must have one bit more than a significand.
        var power = exponent - digits.count + 1
        while power > 0 {
            let (next, overflow) = product.multipliedReportingOverflow(by: 5)
            if overflow { return false }
            product = next
            power -= 1
        }
        while power < 0 {
            if product % 5 != 0 { return false }
            product /= 5
            power += 1
        }
        product >>= UInt64(product.trailingZeroBitCount)
        return 64 - product.leadingZeroBitCount == significandBits + 1
    }
    private func reads(as value: Double, _ significandBits: Int) -> Bool {
        var decimal = DecimalDigits()
        for digit in digits { decimal.append(digit, afterPoint: false) }
        decimal.exponent = exponent - digits.count + 1
        return significandBits == 53
            ? decimal.binary(precision: 53, minimumExponent: -1074, maximumExponent: 1023) == value
            : decimal.binary(precision: 24, minimumExponent: -149, maximumExponent: 127) == value
    }

    private mutating func increment() {
        var index = digits.count - 1
        while index >= 0 {
            if digits[index] < 9 {
                digits[index] += 1
                return
            }
            digits[index] = 0
            index -= 1
        }
        digits.insert(1, at: 0)
        digits.removeLast()
        exponent += 1
    }
    private mutating func trim() {
        var leading = 0
        while leading < digits.count - 1, digits[leading] == 0 { leading += 1 }
        if leading > 0 {
            digits.removeFirst(leading)
            exponent -= leading
        }
        while digits.count > 1, digits[digits.count - 1] == 0 { digits.removeLast() }
    }

    /// As C's %g would with precision `exponentialAt`: exponent form below 1e-4 and from 10^exponentialAt.
    func append(negative: Bool, exponentialAt limit: Int, into buffer: inout ByteBuffer) {
        if negative { buffer.append(UInt8(ascii: "-")) }
        if exponent < -4 || exponent >= limit {
            buffer.append(0x30 + digits[0])
            if digits.count > 1 {
                buffer.append(UInt8(ascii: "."))
                for digit in digits[1...] { buffer.append(0x30 + digit) }
            }
            buffer.append(UInt8(ascii: "e"))
            buffer.append(exponent < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
            buffer.append(decimal: UInt64(exponent.magnitude), width: 2)
            return
        }
        if exponent < 0 {
            buffer.append("0.")
            for _ in 0..<(-exponent - 1) { buffer.append(0x30) }
        }
        for index in 0..<digits.count {
            if index == exponent + 1, exponent >= 0 { buffer.append(UInt8(ascii: ".")) }
            buffer.append(0x30 + digits[index])
        }
        if digits.count < exponent + 1 { for _ in digits.count..<(exponent + 1) { buffer.append(0x30) } }
    }
}
