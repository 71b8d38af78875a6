// The four operations, remainder and powers of decimals. Result scales as PostgreSQL 15 chooses them.

import Platform

extension Decimal {
    static func add(_ a: Decimal, _ b: Decimal) -> Decimal {
        if a.kind != .finite || b.kind != .finite {
            if a.kind == .nan || b.kind == .nan { return .nan }
            if a.kind == .finite { return Decimal(special: b.kind) }
            if b.kind == .finite || a.kind == b.kind { return Decimal(special: a.kind) }
            return .nan
        }
        var result: Decimal
        if a.isNegative == b.isNegative || a.digits.isEmpty || b.digits.isEmpty {
            result = addMagnitudes(a, b)
            result.isNegative = a.digits.isEmpty ? b.isNegative : a.isNegative
        } else {
            let order = compareMagnitude(a, b)
            if order == 0 {
                result = .zero
            } else if order > 0 {
                result = subtractMagnitudes(a, b)
                result.isNegative = a.isNegative
            } else {
                result = subtractMagnitudes(b, a)
                result.isNegative = b.isNegative
            }
        }
        result.scale = max(a.scale, b.scale)
        result.normalize()
        return result
    }
    static func subtract(_ a: Decimal, _ b: Decimal) -> Decimal { add(a, b.negated) }

    private static func addMagnitudes(_ a: Decimal, _ b: Decimal) -> Decimal {
        if a.digits.isEmpty { return b }
        if b.digits.isEmpty { return a }
        let high = max(a.weight, b.weight) + 1
        let low = min(a.lowWeight, b.lowWeight)
        var result = Decimal()
        result.weight = high
        result.digits = [UInt16](repeating: 0, count: high - low + 1)
        var carry: UInt16 = 0
        for power in low...high {
            var sum = a.digit(power) + b.digit(power) + carry
            carry = sum >= 10_000 ? 1 : 0
            if carry == 1 { sum -= 10_000 }
            result.digits[high - power] = sum
        }
        return result
    }
    /// Precondition: |a| > |b|.
    private static func subtractMagnitudes(_ a: Decimal, _ b: Decimal) -> Decimal {
        let low = min(a.lowWeight, b.lowWeight)
        var result = Decimal()
        result.weight = a.weight
        result.digits = [UInt16](repeating: 0, count: a.weight - low + 1)
        var borrow: Int32 = 0
        for power in low...a.weight {
            var difference = Int32(a.digit(power)) - Int32(b.digit(power)) - borrow
            borrow = difference < 0 ? 1 : 0
            if borrow == 1 { difference += 10_000 }
            result.digits[a.weight - power] = UInt16(difference)
        }
        return result
    }

    /// The exact product; its display scale is the sum, at most 16383 (rounded then).
    static func multiply(_ a: Decimal, _ b: Decimal) -> Decimal {
        if a.kind != .finite || b.kind != .finite {
            if a.kind == .nan || b.kind == .nan || a.isZero || b.isZero { return .nan }
            return Decimal(special: a.signum * b.signum > 0 ? .infinity : .negativeInfinity)
        }
        var result = Decimal()
        result.scale = a.scale + b.scale
        if !a.digits.isEmpty, !b.digits.isEmpty {
            result.digits = multiply(a.digits, b.digits)
            result.weight = a.weight + b.weight + 1
            result.isNegative = a.isNegative != b.isNegative
            result.normalize()
        }
        if result.scale > Numeric.maximumScale { result.round(to: Numeric.maximumScale) }
        return result
    }
    /// The product with `scale` digits after the point.
    static func multiply(_ a: Decimal, _ b: Decimal, scale: Int) -> Decimal {
        var result = multiply(a, b)
        result.round(to: scale)
        return result
    }
    /// a.count + b.count digits. Sums stay below 2^64: products are below 10^8.
    private static func multiply(_ a: [UInt16], _ b: [UInt16]) -> [UInt16] {
        var sums = [UInt64](repeating: 0, count: a.count + b.count)
        for i in a.indices where a[i] != 0 {
            let factor = UInt64(a[i])
            for j in b.indices { sums[i + j + 1] &+= factor &* UInt64(b[j]) }
        }
        var digits = [UInt16](repeating: 0, count: sums.count)
        var carry: UInt64 = 0
        for index in sums.indices.reversed() {
            let sum = sums[index] + carry
            digits[index] = UInt16(sum % 10_000)
            carry = sum / 10_000
        }
        return digits
    }

    /// Display scale of a / b: at least 16 significant digits and no fewer decimals than either operand.
    static func quotientScale(_ a: Decimal, _ b: Decimal) -> Int {
        var weight = (a.digits.isEmpty ? 0 : a.weight) - (b.digits.isEmpty ? 0 : b.weight)
        if (a.digits.first ?? 0) <= (b.digits.first ?? 0) { weight -= 1 }
        return min(max(16 - weight * 4, a.scale, b.scale, 0), 1000)
    }

    static func divide(_ a: Decimal, _ b: Decimal) throws(EngineError) -> Decimal {
        if let special = try specialQuotient(a, b) { return special }
        return divide(a, b, scale: quotientScale(a, b), rounding: true)
    }
    /// What a / b is if it needs no division. Throws 22012.
    private static func specialQuotient(_ a: Decimal, _ b: Decimal) throws(EngineError) -> Decimal? {
        if a.kind == .nan || b.kind == .nan { return .nan }
        if b.isZero { throw divisionByZero() }
        if a.kind != .finite {
            if b.kind != .finite { return .nan }
            return Decimal(special: a.signum * b.signum > 0 ? .infinity : .negativeInfinity)
        }
        return b.kind != .finite ? .zero : nil
    }
    static func divisionByZero() -> EngineError { EngineError(.divisionByZero, "division by zero") }

    /// Integer part of the quotient, as div(numeric, numeric). Throws 22012.
    static func divideTruncated(_ a: Decimal, _ b: Decimal) throws(EngineError) -> Decimal {
        if let special = try specialQuotient(a, b) { return special }
        return divide(a, b, scale: 0, rounding: false)
    }
    /// a − b · trunc(a / b), with the sign of a. Throws 22012.
    static func remainder(_ a: Decimal, _ b: Decimal) throws(EngineError) -> Decimal {
        if a.kind == .nan || b.kind == .nan { return .nan }
        if b.isZero { throw divisionByZero() }
        if a.kind != .finite { return .nan }
        if b.kind != .finite { return a }
        let quotient = divide(a, b, scale: 0, rounding: false)
        var result = subtract(a, multiply(quotient, b))
        result.scale = max(a.scale, b.scale)
        return result
    }

    /// a / b with `scale` decimals. Precondition: finite, b nonzero.
    static func divide(_ a: Decimal, _ b: Decimal, scale: Int, rounding: Bool) -> Decimal {
        var result = Decimal()
        result.scale = max(scale, 0)
        if a.digits.isEmpty { return result }
        // One digit more than the scale asks for, so that the remainder cannot change the rounding.
        let lastPower = -((max(scale, 0) + 3) / 4) - 1
        let powerOfFirst = a.weight - b.weight
        let count = powerOfFirst - lastPower + 1
        if count <= 0 { return result }
        // Dividend extended so that integer division yields exactly `count` quotient digits after the leading place.
        var dividend = a.digits
        let needed = b.digits.count + count - 1
        if dividend.count > needed {
            dividend.removeLast(dividend.count - needed)
        } else {
            dividend += [UInt16](repeating: 0, count: needed - dividend.count)
        }
        result.digits = divideDigits(dividend, b.digits)
        result.weight = powerOfFirst
        result.isNegative = a.isNegative != b.isNegative
        result.normalize()
        if rounding { result.round(to: scale) } else { result.truncate(to: scale) }
        return result
    }

    /// Knuth's algorithm D in base 10000: quotient of `dividend.count - divisor.count + 1` digits.
    /// Precondition: dividend is at least as long as divisor, whose first digit is nonzero.
    private static func divideDigits(_ dividend: [UInt16], _ divisor: [UInt16]) -> [UInt16] {
        let n = divisor.count
        let m = dividend.count - n
        var quotient = [UInt16](repeating: 0, count: m + 1)
        if n == 1 {
            var rest: UInt32 = 0
            for index in dividend.indices {
                let value = rest * 10_000 + UInt32(dividend[index])
                quotient[index] = UInt16(value / UInt32(divisor[0]))
                rest = value % UInt32(divisor[0])
            }
            return quotient
        }
        let factor = 10_000 / (Int32(divisor[0]) + 1)
        var u = [Int32](repeating: 0, count: dividend.count + 1)
        var carry: Int32 = 0
        for index in dividend.indices.reversed() {
            let value = Int32(dividend[index]) * factor + carry
            u[index + 1] = value % 10_000
            carry = value / 10_000
        }
        u[0] = carry
        var v = [Int32](repeating: 0, count: n)
        carry = 0
        for index in divisor.indices.reversed() {
            let value = Int32(divisor[index]) * factor + carry
            v[index] = value % 10_000
            carry = value / 10_000
        }
        for j in 0...m {
            let top = u[j] * 10_000 + u[j + 1]
            var guess = top / v[0]
            var rest = top % v[0]
            while guess >= 10_000 || guess * v[1] > rest * 10_000 + u[j + 2] {
                guess -= 1
                rest += v[0]
                if rest >= 10_000 { break }
            }
            var borrow: Int32 = 0
            var product: Int32 = 0
            for i in (0..<n).reversed() {
                product = guess * v[i] + product
                var difference = u[i + j + 1] - product % 10_000 - borrow
                borrow = difference < 0 ? 1 : 0
                if borrow == 1 { difference += 10_000 }
                u[i + j + 1] = difference
                product /= 10_000
            }
            let difference = u[j] - product - borrow
            u[j] = difference
            if difference < 0 {
                guess -= 1
                var carry: Int32 = 0
                for i in (0..<n).reversed() {
                    let sum = u[i + j + 1] + v[i] + carry
                    carry = sum >= 10_000 ? 1 : 0
                    u[i + j + 1] = sum >= 10_000 ? sum - 10_000 : sum
                }
                u[j] += carry
            }
            quotient[j] = UInt16(guess)
        }
        return quotient
    }
}
