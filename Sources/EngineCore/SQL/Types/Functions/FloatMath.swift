// Elementary functions of double precision without a C library. Computed in double-double arithmetic (Dekker 1971;
// Hida, Li and Bailey 2001), about 100 bits, then rounded once: results are within half an ulp and a hair.

enum FloatMath {
    /// Rounded to an integral value, ties to even.
    static func nearest(_ value: Double) -> Double {
        // At and above 2^52 every double is an integer.
        if !(value.magnitude < 4_503_599_627_370_496) { return value }
        let shifted = value.magnitude + 4_503_599_627_370_496
        let rounded = shifted - 4_503_599_627_370_496
        return value.sign == .minus ? -rounded : rounded
    }
    static func truncated(_ value: Double) -> Double {
        if !(value.magnitude < 4_503_599_627_370_496) { return value }
        let integer = Double(Int64(value))
        return value.sign == .minus ? -integer.magnitude : integer
    }
    static func floor(_ value: Double) -> Double {
        let integer = truncated(value)
        return integer > value ? integer - 1 : integer
    }
    static func ceiling(_ value: Double) -> Double {
        let integer = truncated(value)
        return integer < value ? (integer + 1 == 0 ? -0.0 : integer + 1) : integer
    }

    static func exp(_ value: Double) -> Double {
        if value != value || value == .infinity { return value }
        if value > 710 { return .infinity }
        if value < -746 { return 0 }
        return exp(DoubleDouble(value))
    }
    private static func exp(_ value: DoubleDouble) -> Double {
        let power = nearest(value.high / DoubleDouble.ln2.high)
        var rest = value - DoubleDouble.ln2 * power
        // e^r = (e^(r/256))^256; the series below needs 9 terms for |r/256| < 0.0014.
        rest = rest * (1.0 / 256)
        var sum = DoubleDouble(1)
        for term in (1...10).reversed() { sum = DoubleDouble(1) + rest * sum / DoubleDouble(Double(term)) }
        for _ in 0..<8 { sum = sum * sum }
        return scale(sum.high + sum.low, Int(power))
    }
    private static func scale(_ value: Double, _ power: Int) -> Double {
        if power > 1000 { return value * bits(1000) * bits(power - 1000) }
        if power < -1000 { return value * bits(-1000) * bits(max(power + 1000, -1022)) }
        return value * bits(power)
    }
    /// 2^power. Precondition: a normal number.
    private static func bits(_ power: Int) -> Double { Double(bitPattern: UInt64(power + 1023) << 52) }

    /// Natural logarithm. Precondition: finite and positive.
    static func logarithm(_ value: Double) -> DoubleDouble {
        var mantissa = value
        var power = 0
        if mantissa < 2.2250738585072014e-308 {
            mantissa *= 18_014_398_509_481_984
            power = -54
        }
        power += Int(mantissa.bitPattern >> 52) - 1023
        mantissa = Double(bitPattern: mantissa.bitPattern & 0x000F_FFFF_FFFF_FFFF | 0x3FF0_0000_0000_0000)
        if mantissa > 1.4142135623730951 {
            mantissa /= 2
            power += 1
        }
        // ln m = 2 (s + s³/3 + s⁵/5 + …) with s = (m − 1) / (m + 1), |s| < 0.172.
        let s = DoubleDouble(mantissa - 1) / (DoubleDouble(mantissa) + DoubleDouble(1))
        let square = s * s
        var sum = DoubleDouble(0)
        for term in (0...22).reversed() { sum = sum * square + DoubleDouble(1) / DoubleDouble(Double(2 * term + 1)) }
        return s * sum * 2 + DoubleDouble.ln2 * Double(power)
    }
    static func ln(_ value: Double) -> Double {
        if value == .infinity || value != value { return value }
        return logarithm(value).rounded
    }
    static func log10(_ value: Double) -> Double {
        if value == .infinity || value != value { return value }
        return (logarithm(value) / logarithm(10)).rounded
    }

    /// x^y for finite x > 0 and finite y; other cases are the caller's.
    static func power(_ x: Double, _ y: Double) -> Double {
        let exponent = logarithm(x) * y
        if exponent.high > 710 { return .infinity }
        if exponent.high < -746 { return 0 }
        return exp(exponent)
    }

    static func cubeRoot(_ value: Double) -> Double {
        if value == 0 || !value.isFinite { return value }
        let guess = exp(logarithm(value.magnitude) / DoubleDouble(3))
        // One Newton step in double-double settles the last bit.
        let excess = DoubleDouble(guess) * guess * guess - DoubleDouble(value.magnitude)
        let root = (DoubleDouble(guess) - DoubleDouble(excess.rounded / (3 * guess * guess))).rounded
        return value < 0 ? -root : root
    }

    // MARK: Angles

    /// Sine and cosine of a finite angle in radians.
    static func sineCosine(_ value: Double) -> (sine: Double, cosine: Double) {
        let (sine, cosine) = wideSineCosine(value)
        return (sine.rounded, cosine.rounded)
    }
    static func tangent(_ value: Double) -> Double {
        let (sine, cosine) = wideSineCosine(value)
        return (sine / cosine).rounded
    }
    static func cotangent(_ value: Double) -> Double {
        let (sine, cosine) = wideSineCosine(value)
        return sine.high == 0 ? 1 / sine.high : (cosine / sine).rounded
    }
    private static func wideSineCosine(_ value: Double) -> (sine: DoubleDouble, cosine: DoubleDouble) {
        let turns = nearest(value / DoubleDouble.halfPi.high)
        // Three parts of π/2 keep the reduced angle exact to about 100 bits for angles up to 10^6 or so.
        let reduced =
            (DoubleDouble(value) - DoubleDouble.halfPi * turns) - DoubleDouble(DoubleDouble.halfPiTail * turns)
        let square = reduced * reduced
        var sine = DoubleDouble(0)
        var cosine = DoubleDouble(0)
        for term in (0...13).reversed() {
            let n = Double(2 * term)
            sine = DoubleDouble(1) - square / DoubleDouble((n + 2) * (n + 3)) * sine
            cosine = DoubleDouble(1) - square / DoubleDouble((n + 1) * (n + 2)) * cosine
        }
        sine = reduced * sine
        let quadrant = Int64(turns) & 3
        let zero = DoubleDouble(0)
        switch quadrant {
        case 0: return (sine, cosine)
        case 1: return (cosine, zero - sine)
        case 2: return (zero - sine, zero - cosine)
        default: return (zero - cosine, sine)
        }
    }

    /// Arc tangent, by halving the angle three times and a series.
    static func arctangent(_ value: Double) -> Double {
        if value != value { return value }
        if value.isInfinite { return value > 0 ? DoubleDouble.halfPi.high : -DoubleDouble.halfPi.high }
        return arctangent(DoubleDouble(value)).rounded
    }
    static func arctangent(_ value: DoubleDouble) -> DoubleDouble {
        if value.high < 0 { return DoubleDouble(0) - arctangent(DoubleDouble(0) - value) }
        if value.high > 1 { return DoubleDouble.halfPi - arctangent(DoubleDouble(1) / value) }
        var x = value
        for _ in 0..<3 { x = x / (DoubleDouble(1) + (DoubleDouble(1) + x * x).squareRoot) }
        let square = x * x
        var sum = DoubleDouble(0)
        for term in (0...18).reversed() { sum = DoubleDouble(1) / DoubleDouble(Double(2 * term + 1)) - square * sum }
        return x * sum * 8
    }
    /// Angle of the point (x, y).
    static func arctangent(_ y: Double, _ x: Double) -> Double {
        let pi = DoubleDouble.halfPi * 2
        if y == 0, x.sign == .plus { return y }
        if x == 0 { return y == 0 ? (y.sign == .minus ? -pi.high : pi.high) : (y > 0 ? pi.high / 2 : -pi.high / 2) }
        if x.isInfinite || y.isInfinite {
            let base = y.isInfinite ? (x.isInfinite ? pi.high / 4 : pi.high / 2) : 0
            let angle = x < 0 ? pi.high - base : base
            return y.sign == .minus ? -angle : angle
        }
        let angle = arctangent(DoubleDouble(y) / DoubleDouble(x))
        if x > 0 { return angle.rounded }
        return (y.sign == .minus ? angle - pi : angle + pi).rounded
    }
    /// Precondition: |value| ≤ 1.
    static func arcsine(_ value: Double) -> Double {
        let root = (DoubleDouble(1) - DoubleDouble(value) * value).squareRoot
        if root.high == 0 { return value > 0 ? DoubleDouble.halfPi.high : -DoubleDouble.halfPi.high }
        return arctangent(DoubleDouble(value) / root).rounded
    }
    static func arccosine(_ value: Double) -> Double {
        let root = (DoubleDouble(1) - DoubleDouble(value) * value).squareRoot
        if value == 0 { return DoubleDouble.halfPi.high }
        let angle = arctangent(root / DoubleDouble(value))
        return (value < 0 ? angle + DoubleDouble.halfPi * 2 : angle).rounded
    }
}

/// An unevaluated sum of two doubles, the low one below half an ulp of the high one.
struct DoubleDouble {
    var high: Double
    var low: Double

    init(_ value: Double) {
        high = value
        low = 0
    }
    init(high: Double, low: Double) {
        self.high = high
        self.low = low
    }
    static var ln2: DoubleDouble { DoubleDouble(high: 0.6931471805599453, low: 2.3190468138462996e-17) }
    static var halfPi: DoubleDouble { DoubleDouble(high: 1.5707963267948966, low: 6.123233995736766e-17) }
    static var halfPiTail: Double { -1.4973849048591833e-33 }
    var rounded: Double { high + low }

    static func sum(_ a: Double, _ b: Double) -> DoubleDouble {
        let s = a + b
        let v = s - a
        return DoubleDouble(high: s, low: (a - (s - v)) + (b - v))
    }
    private static func split(_ a: Double) -> (Double, Double) {
        let c = 134_217_729 * a
        let high = c - (c - a)
        return (high, a - high)
    }
    static func product(_ a: Double, _ b: Double) -> DoubleDouble {
        let p = a * b
        let (a1, a2) = split(a)
        let (b1, b2) = split(b)
        return DoubleDouble(high: p, low: ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2)
    }
    static func + (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble {
        let s = sum(a.high, b.high)
        let t = sum(a.low, b.low)
        let u = sum(s.high, s.low + t.high)
        return sum(u.high, u.low + t.low)
    }
    static func - (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble { a + DoubleDouble(high: -b.high, low: -b.low) }
    static func * (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble {
        let p = product(a.high, b.high)
        return sum(p.high, p.low + (a.high * b.low + a.low * b.high))
    }
    static func * (a: DoubleDouble, b: Double) -> DoubleDouble {
        let p = product(a.high, b)
        return sum(p.high, p.low + a.low * b)
    }
    static func / (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble {
        let q1 = a.high / b.high
        var rest = a - b * q1
        let q2 = rest.high / b.high
        rest = rest - b * q2
        let q3 = rest.high / b.high
        return sum(q1, q2) + DoubleDouble(q3)
    }
    /// Precondition: not negative.
    var squareRoot: DoubleDouble {
        if high <= 0 { return DoubleDouble(0) }
        let root = high.squareRoot()
        let rest = self - DoubleDouble.product(root, root)
        return DoubleDouble.sum(root, rest.high / (2 * root))
    }
}
