// Exact conversion between decimal digits and binary floating point, by big integers.

/// The number `digits` × 10^exponent.
struct DecimalDigits {
    /// Most significant first, leading zeros dropped; beyond 800 digits only whether any is nonzero is kept.
    private(set) var digits: [UInt8] = []
    var exponent = 0
    private var isTruncated = false

    init() {}
    var isZero: Bool { digits.isEmpty }

    mutating func append(_ digit: UInt8, afterPoint: Bool) {
        if digits.isEmpty && digit == 0 {
            if afterPoint { exponent -= 1 }
        } else if digits.count >= 800 {
            if digit != 0 { isTruncated = true }
            if !afterPoint { exponent += 1 }
        } else {
            digits.append(digit)
            if afterPoint { exponent -= 1 }
        }
    }

    /// All digits of a positive finite binary number.
    init(exactly value: Double) {
        var number = BigNatural(value.significandBitPattern | (value.isNormal ? 1 << 52 : 0))
        let power = (value.isNormal ? Int(value.exponentBitPattern) : 1) - 1075
        if power >= 0 {
            number.shiftLeft(power)
        } else {
            // m × 2^-k = m × 5^k × 10^-k
            for _ in 0..<(-power) { number.multiply(by: 5) }
            exponent = power
        }
        digits = number.decimalDigits()
    }

    /// Nearest binary number with `precision` significant bits and last bit at least 2^minimumExponent, ties to even.
    /// Nil if it would exceed the range.
    func binary(precision: Int, minimumExponent: Int, maximumExponent: Int) -> Double? {
        if digits.isEmpty { return 0 }
        if digits.count <= 19, precision == 53, !isTruncated {
            var mantissa: UInt64 = 0
            for digit in digits { mantissa = mantissa &* 10 &+ UInt64(digit) }
            if mantissa <= 1 << 53 {
                if exponent == 0 { return Double(mantissa) }
                if exponent > 0, exponent <= 22 { return Double(mantissa) * DecimalDigits.power(exponent) }
                if exponent < 0, exponent >= -22 { return Double(mantissa) / DecimalDigits.power(-exponent) }
            }
        }
        let magnitude = digits.count + exponent
        if magnitude > 310 { return nil }
        if magnitude < -400 { return 0 }
        // numerator / denominator is the value; find its leading 64 bits.
        var numerator = BigNatural(0)
        for digit in digits { numerator.multiply(by: 10, adding: UInt32(digit)) }
        var denominator = BigNatural(1)
        if exponent >= 0 {
            for _ in 0..<exponent { numerator.multiply(by: 10) }
        } else {
            for _ in 0..<(-exponent) { denominator.multiply(by: 10) }
        }
        // Scale so that the quotient has 64 or 65 bits.
        let shift = 64 - (numerator.bitCount - denominator.bitCount)
        if shift > 0 { numerator.shiftLeft(shift) } else { denominator.shiftLeft(-shift) }
        let (quotient, hasRemainder) = numerator.dividedBits(by: denominator)
        return DecimalDigits.round(
            quotient.value, quotient.overflowBit, sticky: hasRemainder || isTruncated, scale: -shift, precision,
            minimumExponent, maximumExponent)
    }

    /// Rounds (overflowBit · 2^64 + quotient) × 2^scale.
    private static func round(
        _ quotient: UInt64, _ overflowBit: Bool, sticky: Bool, scale: Int, _ precision: Int, _ minimumExponent: Int,
        _ maximumExponent: Int
    ) -> Double? {
        var mantissa = quotient
        var scale = scale
        var sticky = sticky
        if overflowBit {
            sticky = sticky || mantissa & 1 != 0
            mantissa = mantissa >> 1 | 1 << 63
            scale += 1
        }
        let lead = mantissa.leadingZeroBitCount
        // Lowest kept bit has weight 2^last.
        let last = max(scale + 64 - lead - precision, minimumExponent)
        let drop = last - scale
        if drop > 64 { return 0 }
        var kept = drop == 64 ? 0 : mantissa >> UInt64(drop)
        let half: Bool
        let rest: Bool
        if drop == 0 {
            half = false
            rest = false
        } else {
            half = mantissa >> UInt64(drop - 1) & 1 != 0
            rest = sticky || (drop > 1 && mantissa & ((1 << UInt64(drop - 1)) - 1) != 0)
        }
        if half && (rest || kept & 1 != 0) { kept += 1 }
        if kept == 0 { return 0 }
        if last + (63 - kept.leadingZeroBitCount) > maximumExponent { return nil }
        return scaled(Double(kept), last)
    }
    /// `value` × 2^exponent, exact when representable; in two steps so that subnormals are reached once.
    private static func scaled(_ value: Double, _ exponent: Int) -> Double {
        if exponent >= -1022, exponent <= 1023 {
            return value * Double(sign: .plus, exponent: exponent, significand: 1)
        }
        if exponent < -1022 {
            return value * Double(bitPattern: 1) * Double(sign: .plus, exponent: exponent + 1074, significand: 1)
        }
        return value * Double(sign: .plus, exponent: 1023, significand: 1)
            * Double(sign: .plus, exponent: exponent - 1023, significand: 1)
    }
    /// 10^exponent, exact. Precondition: 0...22.
    static func power(_ exponent: Int) -> Double {
        var value = 1.0
        for _ in 0..<exponent { value *= 10 }
        return value
    }
}

/// A non-negative integer of any size: 32-bit limbs, least significant first.
struct BigNatural {
    private var limbs: [UInt32]

    init(_ value: UInt64) {
        limbs = value == 0 ? [] : [UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32)]
        trim()
    }
    private mutating func trim() { while let last = limbs.last, last == 0 { limbs.removeLast() } }

    var bitCount: Int {
        guard let last = limbs.last else { return 0 }
        return limbs.count * 32 - last.leadingZeroBitCount
    }
    mutating func multiply(by factor: UInt32, adding addend: UInt32 = 0) {
        var carry = UInt64(addend)
        for index in limbs.indices {
            let product = UInt64(limbs[index]) * UInt64(factor) + carry
            limbs[index] = UInt32(truncatingIfNeeded: product)
            carry = product >> 32
        }
        if carry != 0 { limbs.append(UInt32(carry)) }
    }
    mutating func shiftLeft(_ count: Int) {
        guard count > 0, !limbs.isEmpty else { return }
        let words = count / 32
        let bits = UInt32(count % 32)
        if bits != 0 {
            var carry: UInt32 = 0
            for index in limbs.indices {
                let limb = limbs[index]
                limbs[index] = limb << bits | carry
                carry = limb >> (32 - bits)
            }
            if carry != 0 { limbs.append(carry) }
        }
        if words > 0 { limbs.insert(contentsOf: [UInt32](repeating: 0, count: words), at: 0) }
    }
    /// The quotient by `divisor`, which has at most 65 bits, bit by bit; and whether a remainder is left.
    func dividedBits(by divisor: BigNatural) -> (quotient: (value: UInt64, overflowBit: Bool), hasRemainder: Bool) {
        var remainder = self
        var shifted = divisor
        shifted.shiftLeft(64)
        var quotient: UInt64 = 0
        var overflowBit = false
        for bit in (0...64).reversed() {
            if !remainder.isLess(than: shifted) {
                remainder.subtract(shifted)
                if bit == 64 { overflowBit = true } else { quotient |= 1 << UInt64(bit) }
            }
            shifted.shiftRightOne()
        }
        return ((quotient, overflowBit), !remainder.limbs.isEmpty)
    }
    private func isLess(than other: BigNatural) -> Bool {
        if limbs.count != other.limbs.count { return limbs.count < other.limbs.count }
        for index in limbs.indices.reversed() where limbs[index] != other.limbs[index] {
            return limbs[index] < other.limbs[index]
        }
        return false
    }
    private mutating func subtract(_ other: BigNatural) {
        var borrow: Int64 = 0
        for index in limbs.indices {
            let difference = Int64(limbs[index]) - (index < other.limbs.count ? Int64(other.limbs[index]) : 0) + borrow
            limbs[index] = UInt32(truncatingIfNeeded: difference)
            borrow = difference >> 32
        }
        trim()
    }
    private mutating func shiftRightOne() {
        var carry: UInt32 = 0
        for index in limbs.indices.reversed() {
            let limb = limbs[index]
            limbs[index] = limb >> 1 | carry
            carry = limb << 31
        }
        trim()
    }
    /// Decimal digits, most significant first; empty for zero.
    func decimalDigits() -> [UInt8] {
        var rest = self
        var reversed: [UInt8] = []
        while !rest.limbs.isEmpty {
            var remainder: UInt64 = 0
            for index in rest.limbs.indices.reversed() {
                let value = remainder << 32 | UInt64(rest.limbs[index])
                rest.limbs[index] = UInt32(value / 1_000_000_000)
                remainder = value % 1_000_000_000
            }
            rest.trim()
            for _ in 0..<9 {
                reversed.append(UInt8(remainder % 10))
                remainder /= 10
            }
        }
        while let last = reversed.last, last == 0 { reversed.removeLast() }
        return reversed.reversed()
    }
}
