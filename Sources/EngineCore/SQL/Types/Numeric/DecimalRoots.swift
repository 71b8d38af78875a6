// Square roots, exponentials, logarithms and powers of decimals to any number of places, and the number of places that
// PostgreSQL 15 gives their results.

import Platform

extension Decimal {
    /// Rounded to `scale` decimals. Precondition: finite, not negative.
    func squareRoot(scale: Int) -> Decimal {
        if digits.isEmpty { return Decimal.zero.withScale(max(scale, 0)) }
        // Newton's iteration from a double's 15 digits; every step doubles them.
        let half = weight >= 0 ? weight / 2 : -((1 - weight) / 2)
        let working = max(scale, 0) + 8
        var scaled = self
        scaled.weight -= 2 * half
        scaled.scale = max(-scaled.lowWeight * 4, 0)
        var root = Decimal((scaled.float(single: false) ?? 1).squareRoot(), significant: 15)
        root.weight += half
        let wanted = working + max(0, (half + 2) * 4)
        var correct = 14
        while correct < 2 * wanted {
            let quotient = Decimal.divide(self, root, scale: working, rounding: true)
            root = Decimal.multiply(Decimal.add(root, quotient), Decimal(unscaled: 5, scale: 1), scale: working)
            correct *= 2
            if root.isZero { break }
        }
        root.round(to: scale)
        return root
    }

    private static var half: Decimal { Decimal(unscaled: 5, scale: 1) }
    private static func overflow() -> EngineError {
        EngineError(.numericValueOutOfRange, "value overflows numeric format")
    }

    /// Decimal weight of the value's logarithm, roughly: what fixes how many places a logarithm gets.
    private var logarithmWeight: Int {
        guard signum > 0 else { return 0 }
        let nine = Decimal(unscaled: 9, scale: 1)
        let eleven = Decimal(unscaled: 11, scale: 1)
        if Decimal.compare(self, nine) >= 0, Decimal.compare(self, eleven) <= 0 {
            let distance = Decimal.subtract(self, Decimal(1))
            guard let first = distance.digits.first else { return 0 }
            return distance.weight * 4 + Int(FloatMath.log10(Double(first)))
        }
        var leading = Double(digits[0])
        var places = weight * 4
        if digits.count > 1 {
            leading = leading * 10_000 + Double(digits[1])
            places -= 4
        }
        let logarithm = FloatMath.ln(leading) + Double(places) * 2.302585092994046
        return Int(FloatMath.log10(logarithm.magnitude))
    }

    /// e^self. Throws 22003.
    func exponential() throws(EngineError) -> Decimal {
        switch kind {
        case .nan, .infinity: return self
        case .negativeInfinity: return .zero
        case .finite: break
        }
        let approximate = min(max((float(single: false) ?? (isNegative ? -1e9 : 1e9)) * 0.434294481903252, -2000), 2000)
        let places = min(max(16 - Int(approximate), scale, 0), 1000)
        return try exponential(places: places)
    }
    private func exponential(places: Int) throws(EngineError) -> Decimal {
        let value = float(single: false) ?? (isNegative ? -1e9 : 1e9)
        if value >= 131_072 * 2.302585092994046 { throw Decimal.overflow() }
        if value <= -Double(places + 2) * 2.302585092994046 - 10 { return Decimal.zero.withScale(places) }
        // e^x = (e^(x/2^k))^(2^k), the inner one by its series.
        var halvings = 0
        var size = value.magnitude
        while size > 0.01 {
            size /= 2
            halvings += 1
        }
        let integerDigits = max(0, Int(value * 0.434294481903252) + 1)
        let working = places + integerDigits + halvings + 12
        var divisor = Decimal(1)
        for _ in 0..<halvings { divisor = Decimal.add(divisor, divisor) }
        let x = Decimal.divide(self, divisor, scale: working, rounding: true)
        var sum = Decimal.add(Decimal(1), x)
        var term = x
        var number: Int64 = 2
        while !term.isZero {
            term = Decimal.divide(
                Decimal.multiply(term, x, scale: working), Decimal(number), scale: working, rounding: true)
            sum = Decimal.add(sum, term)
            number += 1
        }
        for _ in 0..<halvings { sum = Decimal.multiply(sum, sum, scale: working) }
        sum.round(to: places)
        return sum
    }

    /// Throws 2201E.
    func naturalLogarithm() throws(EngineError) -> Decimal {
        if kind == .nan { return self }
        if isZero { throw EngineError("2201E", "cannot take logarithm of zero") }
        if signum < 0 { throw EngineError("2201E", "cannot take logarithm of a negative number") }
        if kind == .infinity { return self }
        return logarithm(places: min(max(16 - logarithmWeight, scale, 0), 1000))
    }

    /// ln with `places` decimals. Precondition: finite and positive.
    private func logarithm(places: Int) -> Decimal {
        // Square roots bring the argument to (0.9, 1.1); ln x = 2^k ln x^(1/2^k); then the series in (x − 1) / (x + 1).
        let working = max(places, 0) + 14 + max(weight.magnitude > 10 ? 6 : 2, 2)
        var x = self
        var doublings = 0
        let low = Decimal(unscaled: 9, scale: 1)
        let high = Decimal(unscaled: 11, scale: 1)
        var scale = working + 20
        if weight < 0 { scale += -weight * 4 }
        while Decimal.compare(x, low) <= 0 || Decimal.compare(x, high) >= 0 {
            x = x.squareRoot(scale: scale)
            doublings += 1
        }
        let z = Decimal.divide(
            Decimal.subtract(x, Decimal(1)), Decimal.add(x, Decimal(1)), scale: working, rounding: true)
        let square = Decimal.multiply(z, z, scale: working)
        var sum = z
        var power = z
        var number: Int64 = 3
        while !power.isZero {
            power = Decimal.multiply(power, square, scale: working)
            sum = Decimal.add(sum, Decimal.divide(power, Decimal(number), scale: working, rounding: true))
            number += 2
        }
        for _ in 0...doublings { sum = Decimal.add(sum, sum) }
        sum.round(to: places)
        return sum
    }

    /// log of `value` to `base`. Throws 2201E, 22012.
    static func logarithm(base: Decimal, _ value: Decimal) throws(EngineError) -> Decimal {
        for operand in [base, value] where operand.kind != .nan {
            if operand.isZero { throw EngineError("2201E", "cannot take logarithm of zero") }
            if operand.signum < 0 { throw EngineError("2201E", "cannot take logarithm of a negative number") }
        }
        if base.kind == .nan || value.kind == .nan { return .nan }
        if base.kind == .infinity { return value.kind == .infinity ? .nan : .zero }
        if value.kind == .infinity { return value }
        let weight = value.logarithmWeight - base.logarithmWeight
        let places = min(max(16 - weight, base.scale, value.scale, 0), 1000)
        let working = places + 10 + max(0, base.logarithmWeight.magnitude > 0 ? 12 : 2)
        let lnBase = base.logarithm(places: working + abs(base.logarithmWeight))
        if lnBase.isZero { throw divisionByZero() }
        return divide(
            value.logarithm(places: working + abs(value.logarithmWeight)), lnBase, scale: places, rounding: true)
    }
    private static func abs(_ value: Int) -> Int { value < 0 ? -value : value }

    /// Throws 2201F for a negative base with a fractional power, or zero with a negative one; 22003.
    static func power(_ base: Decimal, _ exponent: Decimal) throws(EngineError) -> Decimal {
        if let special = try specialPower(base, exponent) { return special }
        if let integer = integerExponent(exponent) {
            return try integerPower(base, integer, places: min(max(16, base.scale), 1000))
        }
        if base.isZero { return zero.withScale(16) }
        if base.isNegative {
            throw EngineError("2201F", "a negative number raised to a non-integer power yields a complex result")
        }
        let rough = base.logarithm(places: max(8 - base.logarithmWeight, 0))
        let estimate = (multiply(rough, exponent).float(single: false) ?? 1e9) * 0.434294481903252
        if estimate > 131_072 { throw overflow() }
        let bounded = min(max(estimate, -2000), 2000)
        let places = min(max(16 - Int(bounded), base.scale, exponent.scale, 0), 1000)
        let digits = places + Int(max(bounded, 0)) + 12 + max(0, exponent.weight + 1) * 4
        let product = multiply(base.logarithm(places: digits), exponent)
        return try product.exponential(places: places)
    }

    private static func integerExponent(_ exponent: Decimal) -> Int? {
        guard exponent.digits.count <= exponent.weight + 1 || exponent.digits.isEmpty, let value = exponent.int64,
            value.magnitude <= UInt64(Int32.max)
        else { return nil }
        return Int(value)
    }
    private static func specialPower(_ base: Decimal, _ exponent: Decimal) throws(EngineError) -> Decimal? {
        let one = Decimal(1)
        if base.kind == .nan { return exponent.isZero ? one : .nan }
        if exponent.kind == .nan { return compare(base, one) == 0 ? one : .nan }
        if base.isZero, exponent.signum < 0 {
            throw EngineError("2201F", "zero raised to a negative power is undefined")
        }
        guard base.kind != .finite || exponent.kind != .finite else { return nil }
        if exponent.kind != .finite {
            let size = compare(base.magnitude, one)
            if size == 0 { return one }
            return (size > 0) == (exponent.kind == .infinity) ? Decimal(special: .infinity) : .zero
        }
        if exponent.isZero { return one }
        if exponent.signum < 0 { return .zero }
        if base.kind == .infinity { return base }
        guard let integer = integerExponent(exponent) else {
            throw EngineError("2201F", "a negative number raised to a non-integer power yields a complex result")
        }
        return Decimal(special: integer & 1 == 1 ? .negativeInfinity : .infinity)
    }

    /// Square and multiply, keeping as many digits as the result needs.
    private static func integerPower(_ base: Decimal, _ exponent: Int, places: Int) throws(EngineError) -> Decimal {
        switch exponent {
        case 0: return Decimal(1).withScale(places)
        case 1: return base.rounded(places)
        case -1: return divide(Decimal(1), base, scale: places, rounding: true)
        case 2: return multiply(base, base, scale: places)
        default: break
        }
        if base.isZero { return zero.withScale(places) }
        // Decimal weight of the result.
        let leading = Double(base.digits[0]) + (base.digits.count > 1 ? Double(base.digits[1]) / 10_000 : 0)
        let estimate = Double(exponent) * (FloatMath.log10(leading) + 4 * Double(base.weight))
        if estimate > 4 * 32768 { throw overflow() }
        if estimate + 1 < -Double(places) { return zero.withScale(places) }
        let significant = max(places + Int(estimate), 0) + 16 + Int(FloatMath.log10(Double(exponent.magnitude))) * 2
        var result = Decimal(1)
        var square = base
        var rest = exponent.magnitude
        while true {
            if rest & 1 == 1 { result = limited(multiply(result, square), significant) }
            rest >>= 1
            if rest == 0 { break }
            square = limited(multiply(square, square), significant)
            if square.weight > 40_000 || square.weight < -80_000 { break }
        }
        if rest != 0 { if exponent > 0 { throw overflow() } else { return zero.withScale(places) } }
        if exponent < 0 { return divide(Decimal(1), result, scale: places, rounding: true) }
        return result.rounded(places)
    }
    /// Rounded to about so many significant decimal digits.
    private static func limited(_ value: Decimal, _ significant: Int) -> Decimal {
        guard value.digits.count * 4 > significant + 8 else { return value }
        return value.rounded(significant - value.weight * 4)
    }
}
