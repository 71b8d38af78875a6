// A decimal taken apart for arithmetic that does not fit machine words: sign, weight, display scale, base-10000 digits.
// Algorithms: schoolbook addition and multiplication; Knuth, The Art of Computer Programming vol. 2, 4.3.1, algorithm D.
// Scale rules of the operations: PostgreSQL 15, numeric.c's documentation of its result scales.

import Platform

struct Decimal {
    enum Kind: UInt8 { case finite, nan, infinity, negativeInfinity }

    var kind = Kind.finite
    var isNegative = false
    /// Power of 10000 of the first digit; 0 for zero.
    var weight = 0
    /// Digits shown after the point.
    var scale = 0
    /// Base 10000, most significant first, neither first nor last is zero; empty for zero.
    var digits: [UInt16] = []

    static var zero: Decimal { Decimal() }
    static var nan: Decimal { Decimal(special: .nan) }

    init() {}
    init(special: Kind) { kind = special }
    init(_ value: Int64) { self.init(unscaled: value, scale: 0) }

    init(unscaled: Int64, scale: Int) {
        self.scale = scale
        isNegative = unscaled < 0
        var rest = unscaled.magnitude
        if rest == 0 { return }
        // Digits from the least significant end, aligned so that the point falls between two of them.
        let partial = scale % 4
        var reversed: [UInt16] = []
        if partial != 0 {
            let unit = UInt64(Numeric.power(partial))
            reversed.append(UInt16(rest % unit * UInt64(Numeric.power(4 - partial))))
            rest /= unit
        }
        while rest != 0 {
            reversed.append(UInt16(rest % 10_000))
            rest /= 10_000
        }
        weight = reversed.count - 1 - (scale + 3) / 4
        digits = reversed.reversed()
        normalize()
    }

    init(_ view: ByteView) {
        if Numeric.isSmall(view) {
            self.init(unscaled: Numeric.unscaled(view), scale: Numeric.scale(view))
        } else {
            self = view.withBytes { Decimal(bytes: $0) }
        }
    }

    /// Precondition: a stored numeric.
    init(bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else {
            self.init()
            return
        }
        switch bytes[0] {
        case Numeric.Tag.nan: self.init(special: .nan)
        case Numeric.Tag.infinity: self.init(special: .infinity)
        case Numeric.Tag.negativeInfinity: self.init(special: .negativeInfinity)
        case Numeric.Tag.positive, Numeric.Tag.negative:
            self.init()
            isNegative = bytes[0] == Numeric.Tag.negative
            weight = Int(base.little(1, as: Int16.self))
            scale = Int(base.little(3, as: UInt16.self))
            let count = (bytes.count - 5) / 2
            digits.reserveCapacity(count)
            for index in 0..<count { digits.append(base.little(5 + 2 * index, as: UInt16.self)) }
        default:
            precondition(bytes.count == 9, "a small numeric has nine bytes")
            self.init(unscaled: base.little(1, as: Int64.self), scale: Int(bytes[0]))
        }
    }

    /// Drops leading and trailing zero digits.
    mutating func normalize() {
        var leading = 0
        while leading < digits.count, digits[leading] == 0 { leading += 1 }
        if leading > 0 {
            digits.removeFirst(leading)
            weight -= leading
        }
        while let last = digits.last, last == 0 { digits.removeLast() }
        if digits.isEmpty {
            weight = 0
            isNegative = false
        }
    }

    var isZero: Bool { kind == .finite && digits.isEmpty }
    /// -1, 0 or 1; infinities have a sign, NaN counts as positive.
    var signum: Int {
        switch kind {
        case .finite: digits.isEmpty ? 0 : (isNegative ? -1 : 1)
        case .negativeInfinity: -1
        case .infinity, .nan: 1
        }
    }
    var negated: Decimal {
        var result = self
        switch kind {
        case .finite: result.isNegative = !isNegative && !digits.isEmpty
        case .infinity: result.kind = .negativeInfinity
        case .negativeInfinity: result.kind = .infinity
        case .nan: break
        }
        return result
    }
    var magnitude: Decimal { signum < 0 ? negated : self }
    /// Digit with power 10000^weight.
    @inline(__always) func digit(_ power: Int) -> UInt16 {
        let index = weight - power
        return index >= 0 && index < digits.count ? digits[index] : 0
    }
    /// Power of the last digit.
    var lowWeight: Int { weight - digits.count + 1 }

    /// NaN is equal to NaN and above everything; infinities are at the ends.
    static func compare(_ a: Decimal, _ b: Decimal) -> Int {
        if a.kind != .finite || b.kind != .finite {
            let rank: (Decimal) -> Int = {
                switch $0.kind {
                case .negativeInfinity: 0
                case .finite: 1
                case .infinity: 2
                case .nan: 3
                }
            }
            return rank(a) - rank(b)
        }
        if a.signum != b.signum { return a.signum - b.signum }
        return a.isNegative ? compareMagnitude(b, a) : compareMagnitude(a, b)
    }
    static func compareMagnitude(_ a: Decimal, _ b: Decimal) -> Int {
        if a.digits.isEmpty || b.digits.isEmpty { return (a.digits.isEmpty ? 0 : 1) - (b.digits.isEmpty ? 0 : 1) }
        if a.weight != b.weight { return a.weight < b.weight ? -1 : 1 }
        for index in 0..<min(a.digits.count, b.digits.count) where a.digits[index] != b.digits[index] {
            return a.digits[index] < b.digits[index] ? -1 : 1
        }
        return a.digits.count - b.digits.count
    }

    // MARK: Rounding

    /// Keeps `places` digits after the point (negative: before it), rounding half away from zero; the display scale becomes
    /// `max(places, 0)`.
    mutating func round(to places: Int) { cut(to: places, rounding: true) }
    /// As `round`, towards zero.
    mutating func truncate(to places: Int) { cut(to: places, rounding: false) }

    private mutating func cut(to places: Int, rounding: Bool) {
        guard kind == .finite else { return }
        scale = max(places, 0)
        if digits.isEmpty { return }
        // Decimal digits kept, counted from the first digit's first decimal place.
        let kept = (weight + 1) * 4 + places
        if kept < 0 || (kept == 0 && !rounding) {
            self = Decimal()
            scale = max(places, 0)
            return
        }
        let whole = kept / 4
        let partial = kept % 4
        if whole >= digits.count { return }
        var carry = false
        if partial == 0 {
            carry = rounding && digits[whole] >= 5_000
            digits.removeLast(digits.count - whole)
        } else {
            let unit = UInt16(Numeric.power(4 - partial))
            let rest = digits[whole] % unit
            digits[whole] -= rest
            digits.removeLast(digits.count - whole - 1)
            if rounding, rest >= unit / 2 {
                digits[whole] += unit
                if digits[whole] >= 10_000 {
                    digits[whole] -= 10_000
                    carry = true
                }
            }
        }
        if carry {
            var index = partial == 0 ? whole - 1 : whole - 1
            while carry, index >= 0 {
                digits[index] += 1
                carry = digits[index] == 10_000
                if carry { digits[index] = 0 }
                index -= 1
            }
            if carry {
                digits.insert(1, at: 0)
                weight += 1
            }
        }
        normalize()
    }

    // MARK: Storing

    /// The stored form: appended to `buffer`. Throws 22003 if the number is too large to store.
    func encode(into buffer: inout ByteBuffer) throws(EngineError) {
        switch kind {
        case .nan: buffer.append(Numeric.Tag.nan)
        case .infinity: buffer.append(Numeric.Tag.infinity)
        case .negativeInfinity: buffer.append(Numeric.Tag.negativeInfinity)
        case .finite:
            if let unscaled = smallValue {
                buffer.append(UInt8(scale))
                buffer.appendLittle(unscaled)
                return
            }
            guard weight <= Int(Int16.max), weight >= Int(Int16.min), scale <= Numeric.maximumScale else {
                throw EngineError(.numericValueOutOfRange, "value overflows numeric format")
            }
            buffer.append(isNegative ? Numeric.Tag.negative : Numeric.Tag.positive)
            buffer.appendLittle(Int16(weight))
            buffer.appendLittle(UInt16(scale))
            for digit in digits { buffer.appendLittle(digit) }
        }
    }
    /// The unscaled value if the number is small.
    var smallValue: Int64? {
        guard kind == .finite, scale <= Numeric.maximumSmallScale, digits.count <= 6 else { return nil }
        if digits.isEmpty { return 0 }
        // 10^18 has 19 digits: |value| < 10^(18 - scale).
        if weight * 4 > 18 - scale { return nil }
        var value: UInt64 = 0
        for index in 0..<digits.count {
            let power = weight - index
            // value × 10^scale, digit by digit: digit × 10^(4·power + scale).
            let exponent = 4 * power + scale
            let digit = UInt64(digits[index])
            if exponent >= 0 {
                if exponent > 18 { return nil }
                let (product, overflow) = digit.multipliedReportingOverflow(by: UInt64(Numeric.power(exponent)))
                let (sum, carry) = value.addingReportingOverflow(product)
                if overflow || carry { return nil }
                value = sum
            } else {
                // Digits beyond the display scale are never kept, so the division is exact.
                if exponent < -3 { continue }
                value += digit / UInt64(Numeric.power(-exponent))
            }
        }
        guard value < UInt64(Numeric.smallLimit) else { return nil }
        return isNegative ? -Int64(value) : Int64(value)
    }
    func datum() throws(EngineError) -> Datum {
        if let unscaled = smallValue { return Datum(fixed: Cell(Numeric.small(unscaled, scale: scale))) }
        var buffer = ByteBuffer(capacity: 16 + 2 * digits.count)
        try encode(into: &buffer)
        return Datum(bytes: buffer.bytes)
    }
    /// Stored to a row of a vector. Throws 22003, 53200.
    func store(_ vector: Vector, _ row: Int) throws(EngineError) {
        if let unscaled = smallValue {
            vector.setCell(row, Cell(Numeric.small(unscaled, scale: scale)))
        } else {
            var buffer = ByteBuffer(capacity: 16 + 2 * digits.count)
            try encode(into: &buffer)
            try vector.setBytes(row, buffer.bytes)
        }
    }
}
