// Elementary functions of double precision, with PostgreSQL's domain errors, and random numbers.

import Platform

extension FunctionRegistry {
    func declareMath() {
        float([1342, 228], ["round", "dround"], "Nearest integer, halves to even") { FloatMath.nearest($0) }
        float([1343, 229], ["trunc", "dtrunc"], "Integer part") { FloatMath.truncated($0) }
        float([2308, 2320], ["ceil", "ceiling"], "Least integer not below") { FloatMath.ceiling($0) }
        float([2309], ["floor"], "Greatest integer not above") { FloatMath.floor($0) }
        float([2310], ["sign"], "-1, 0 or 1") { $0 > 0 ? 1 : ($0 < 0 ? -1 : 0) }
        float([1345, 231], ["cbrt", "dcbrt"], "Cube root") { FloatMath.cubeRoot($0) }
        float([1608], ["degrees"], "Radians as degrees") { $0 * 57.29577951308232 }
        float([1609], ["radians"], "Degrees as radians") { $0 * 0.017453292519943295 }
        float([1602], ["atan"], "Arc tangent") { FloatMath.arctangent($0) }
        for (oid, name) in [(1344 as UInt32, "sqrt" as StaticBytes), (230, "dsqrt")] {
            scalar(oid, name, [.float8], .float8, "Square root") { (c: inout ScalarCall) throws(EngineError) in
                if c.float64(0) < 0 {
                    throw EngineError("2201F", "cannot take square root of a negative number")
                }
                c.set(c.float64(0).squareRoot())
            }
        }
        for (oid, name) in [(1347 as UInt32, "exp" as StaticBytes), (233, "dexp")] {
            scalar(oid, name, [.float8], .float8, "e to a power") { (c: inout ScalarCall) throws(EngineError) in
                let value = FloatMath.exp(c.float64(0))
                if value.isInfinite, c.float64(0).isFinite { throw FloatErrors.overflow() }
                if value == 0, c.float64(0).isFinite { throw FloatErrors.underflow() }
                c.set(value)
            }
        }
        logarithm([1341, 234], ["ln", "dlog1"], "Natural logarithm") { FloatMath.ln($0) }
        logarithm([1340, 1194, 1339], ["log", "log10", "dlog10"], "Logarithm to base 10") { FloatMath.log10($0) }
        for (oid, name) in [(1368 as UInt32, "power" as StaticBytes), (1346, "pow"), (232, "dpow")] {
            scalar(oid, name, [.float8, .float8], .float8, "A number to a power") {
                (c: inout ScalarCall) throws(EngineError) in
                c.set(try power(c.float64(0), c.float64(1)))
            }
        }
        declareAngles()
        declareRandom()
        scalar(1610, "pi", [], .float8, "π") { (c: inout ScalarCall) in c.set(3.141592653589793) }
        scalar(
            320, "width_bucket", [.float8, .float8, .float8, .int4], .int4, "Number of the bucket that the value is in"
        ) {
            (c: inout ScalarCall) throws(EngineError) in c.set(try bucket(c))
        }
    }

    private func float(
        _ oids: [UInt32], _ names: [StaticBytes], _ documentation: StaticString,
        _ body: @escaping @Sendable (Double) -> Double
    ) {
        for (oid, name) in zip(oids, names) {
            scalar(oid, name, [.float8], .float8, documentation) { (c: inout ScalarCall) in c.set(body(c.float64(0))) }
        }
    }
    private func logarithm(
        _ oids: [UInt32], _ names: [StaticBytes], _ documentation: StaticString,
        _ body: @escaping @Sendable (Double) -> Double
    ) {
        for (oid, name) in zip(oids, names) {
            scalar(oid, name, [.float8], .float8, documentation) { (c: inout ScalarCall) throws(EngineError) in
                if c.float64(0) == 0 { throw EngineError("2201E", "cannot take logarithm of zero") }
                if c.float64(0) < 0 { throw EngineError("2201E", "cannot take logarithm of a negative number") }
                c.set(body(c.float64(0)))
            }
        }
    }

    private func declareAngles() {
        angle(1604, "sin", "Sine") { FloatMath.sineCosine($0).sine }
        angle(1605, "cos", "Cosine") { FloatMath.sineCosine($0).cosine }
        angle(1606, "tan", "Tangent") { FloatMath.tangent($0) }
        angle(1607, "cot", "Cotangent") { FloatMath.cotangent($0) }
        for (oid, name, isSine) in [(1600 as UInt32, "asin" as StaticBytes, true), (1601, "acos", false)] {
            scalar(oid, name, [.float8], .float8, isSine ? "Arc sine" : "Arc cosine") {
                (c: inout ScalarCall) throws(EngineError) in
                let value = c.float64(0)
                if value != value { return c.set(value) }
                guard value >= -1, value <= 1 else { throw outOfRange() }
                c.set(isSine ? FloatMath.arcsine(value) : FloatMath.arccosine(value))
            }
        }
        scalar(1603, "atan2", [.float8, .float8], .float8, "Angle of a point, y first") { (c: inout ScalarCall) in
            let (y, x) = (c.float64(0), c.float64(1))
            c.set(y != y || x != x ? .nan : FloatMath.arctangent(y, x))
        }
        let hyperbolic: [(UInt32, StaticBytes, @Sendable (Double) -> Double)] = [
            (
                2462, "sinh",
                { ($0.magnitude < 0.01 ? $0 + $0 * $0 * $0 / 6 : (FloatMath.exp($0) - FloatMath.exp(-$0)) / 2) }
            ),
            (2463, "cosh", { (FloatMath.exp($0) + FloatMath.exp(-$0)) / 2 }),
            (
                2464, "tanh",
                {
                    if $0.magnitude > 22 { return $0 > 0 ? 1 : -1 }
                    let square = FloatMath.exp(2 * $0)
                    return (square - 1) / (square + 1)
                }
            ),
        ]
        for (oid, name, body) in hyperbolic {
            scalar(oid, name, [.float8], .float8, "Hyperbolic function") { (c: inout ScalarCall) in
                c.set(c.float64(0) != c.float64(0) ? c.float64(0) : body(c.float64(0)))
            }
        }
    }
    private func angle(
        _ oid: UInt32, _ name: StaticBytes, _ documentation: StaticString,
        _ body: @escaping @Sendable (Double) -> Double
    ) {
        scalar(oid, name, [.float8], .float8, documentation) { (c: inout ScalarCall) throws(EngineError) in
            let value = c.float64(0)
            if value != value { return c.set(value) }
            if value.isInfinite { throw outOfRange() }
            c.set(body(value))
        }
    }

    private func declareRandom() {
        scalar(1598, "random", [], .float8, "A number in [0, 1)", volatility: .volatile) { (c: inout ScalarCall) in
            c.set(Double(c.context.nextRandom() >> 11) / 9_007_199_254_740_992)
        }
        scalar(1599, "setseed", [.float8], .void, "Starts random() afresh", volatility: .volatile) {
            (c: inout ScalarCall) throws(EngineError) in
            let seed = c.float64(0)
            guard seed >= -1, seed <= 1 else {
                var text = ByteBuffer(capacity: 32)
                FloatIO.output(seed, extraDigits: 0, into: &text)
                throw EngineError(
                    .invalidParameterValue, "setseed parameter \(quoted(text.bytes)) is out of allowed range [-1,1]")
            }
            c.context.randomState = (Hashing.word(seed.bitPattern), Hashing.word(seed.bitPattern ^ 1) | 1)
            c.set(0 as Int32)
        }
        scalar(3432, "gen_random_uuid", [], .uuid, "A random UUID of version 4", volatility: .volatile) {
            (c: inout ScalarCall) in
            var words: (UInt64, UInt64) = (0, 0)
            if let platform = c.context.platform {
                withUnsafeMutableBytes(of: &words) { platform.entropy($0) }
            } else {
                words = (c.context.nextRandom(), c.context.nextRandom())
            }
            // Byte 6 has the version in its high half, byte 8 the variant in its top two bits.
            words.0 = words.0 & ~(0xF0 << 48) | 0x40 << 48
            words.1 = words.1 & ~0xC0 | 0x80
            c.set(Cell(low: words.0, high: words.1))
        }
    }
}

extension EvaluationContext {
    /// xoroshiro128+ (Blackman and Vigna 2018), seeded from the platform at first use.
    func nextRandom() -> UInt64 {
        if randomState.0 == 0, randomState.1 == 0 {
            var seed: (UInt64, UInt64) = (0x9E37_79B9, 0x7F4A_7C15)
            if let platform { withUnsafeMutableBytes(of: &seed) { platform.entropy($0) } }
            randomState = (seed.0, seed.1 | 1)
        }
        var (a, b) = randomState
        let result = a &+ b
        b ^= a
        a = (a << 24 | a >> 40) ^ b ^ b << 16
        b = b << 37 | b >> 27
        randomState = (a, b)
        return result
    }
}

private func outOfRange() -> EngineError { EngineError(.numericValueOutOfRange, "input is out of range") }

private func power(_ x: Double, _ y: Double) throws(EngineError) -> Double {
    if x == 1 || y == 0 { return 1 }
    if x != x || y != y { return .nan }
    if x == 0, y < 0 { throw EngineError("2201F", "zero raised to a negative power is undefined") }
    let isInteger = FloatMath.floor(y) == y
    if x < 0, x.isFinite || y.isFinite, !isInteger {
        throw EngineError("2201F", "a negative number raised to a non-integer power yields a complex result")
    }
    if y.isInfinite {
        if x.magnitude == 1 { return 1 }
        return (x.magnitude > 1) == (y > 0) ? .infinity : 0
    }
    let isOdd = isInteger && y.magnitude < 9_007_199_254_740_992 && Int64(y) & 1 == 1
    if x.isInfinite {
        let size: Double = y > 0 ? .infinity : 0
        return x < 0 && isOdd ? -size : size
    }
    if x == 0 { return isOdd ? x : 0 }
    let size = FloatMath.power(x.magnitude, y)
    if size.isInfinite { throw FloatErrors.overflow() }
    if size == 0 { throw FloatErrors.underflow() }
    return x < 0 && isOdd ? -size : size
}

private func bucket(_ c: ScalarCall) throws(EngineError) -> Int32 {
    let (value, low, high) = (c.float64(0), c.float64(1), c.float64(2))
    let count = c.int32(3)
    guard count > 0 else { throw EngineError("2201G", "count must be greater than zero") }
    if value != value || low != low || high != high {
        throw EngineError("2201G", "operand, lower bound, and upper bound cannot be NaN")
    }
    guard low.isFinite, high.isFinite else { throw EngineError("2201G", "lower and upper bounds must be finite") }
    if low == high { throw EngineError("2201G", "lower bound cannot equal upper bound") }
    let isRising = low < high
    if isRising ? value < low : value > low { return 0 }
    if isRising ? value >= high : value <= high {
        if count == Int32.max { throw ArithmeticErrors.outOfRange(32) }
        return count + 1
    }
    let place = isRising ? (value - low) / (high - low) : (low - value) / (low - high)
    return min(Int32(Double(count) * place), count - 1) + 1
}
