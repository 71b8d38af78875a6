// Functions of numeric, and its conversions.

import Platform

extension FunctionRegistry {
    func declareNumerics() {
        kernel(1724, "numeric_add", [.numeric, .numeric], .numeric, "Sum", NumericKernels.add)
        kernel(1725, "numeric_sub", [.numeric, .numeric], .numeric, "Difference", NumericKernels.subtract)
        kernel(1726, "numeric_mul", [.numeric, .numeric], .numeric, "Product", NumericKernels.multiply)
        kernel(1727, "numeric_div", [.numeric, .numeric], .numeric, "Quotient", NumericKernels.divide)
        kernel(1729, "numeric_mod", [.numeric, .numeric], .numeric, "Remainder", NumericKernels.remainder)
        kernel(1728, "mod", [.numeric, .numeric], .numeric, "Remainder", NumericKernels.remainder)
        for (oid, name) in [(1973 as UInt32, "div" as StaticBytes), (1980, "numeric_div_trunc")] {
            scalar(oid, name, [.numeric, .numeric], .numeric, "Integer quotient, truncated") {
                (c: inout ScalarCall) throws(EngineError) in
                try c.setNumeric(try Decimal.divideTruncated(c.numeric(0), c.numeric(1)))
            }
        }
        unary(1771, "numeric_uminus", "Negation") { $0.negated }
        unary(1915, "numeric_uplus", "The number itself") { $0 }
        unary(1704, "numeric_abs", "Absolute value") { $0.magnitude }
        unary(1705, "abs", "Absolute value") { $0.magnitude }
        unary(1764, "numeric_inc", "One more") { Decimal.add($0, Decimal(1)) }
        unary(1706, "sign", "-1, 0 or 1") { $0.kind == .nan ? .nan : Decimal(Int64($0.signum)) }
        unary(1708, "round", "Nearest integer, halves away from zero") { $0.rounded(0) }
        unary(1710, "trunc", "Integer part") { $0.truncated(0) }
        unary(1711, "ceil", "Least integer not below") { $0.ceiling }
        unary(2167, "ceiling", "Least integer not below") { $0.ceiling }
        unary(1712, "floor", "Greatest integer not above") { $0.floor }
        unary(5043, "trim_scale", "Without trailing zeros") { $0.withScale($0.minimumScale) }
        for (oid, name, rounding) in [(1707 as UInt32, "round" as StaticBytes, true), (1709, "trunc", false)] {
            scalar(oid, name, [.numeric, .int4], .numeric, "To a number of decimals") {
                (c: inout ScalarCall) throws(EngineError) in
                let places = min(max(Int(c.int32(1)), -2000), 2000)
                try c.setNumeric(rounding ? c.numeric(0).rounded(places) : c.numeric(0).truncated(places))
            }
        }
        scalar(1703, "numeric", [.numeric, .int4], .numeric, "Coerced to a precision and scale") {
            (c: inout ScalarCall) throws(EngineError) in
            var value = c.numeric(0)
            try NumericIO.applyModifier(&value, c.int32(1))
            try c.setNumeric(value)
        }
        for (oid, name, isMinimum) in [(3281 as UInt32, "scale" as StaticBytes, false), (5042, "min_scale", true)] {
            scalar(oid, name, [.numeric], .int4, "Decimals, or those needed") { (c: inout ScalarCall) in
                let value = c.numeric(0)
                guard value.kind == .finite else { return c.setNull() }
                c.set(Int32(isMinimum ? value.minimumScale : value.scale))
            }
        }
        declareNumericIntegers()
        declareNumericCasts()
        declareTranscendental()
    }

    private func unary(
        _ oid: UInt32, _ name: StaticBytes, _ documentation: StaticString,
        _ body: @escaping @Sendable (Decimal) -> Decimal
    ) {
        scalar(oid, name, [.numeric], .numeric, documentation) { (c: inout ScalarCall) throws(EngineError) in
            try c.setNumeric(body(c.numeric(0)))
        }
    }

    private func declareNumericIntegers() {
        for (oid, isMultiple) in [(5048 as UInt32, false), (5049, true)] {
            scalar(
                oid, isMultiple ? "lcm" : "gcd", [.numeric, .numeric], .numeric,
                isMultiple ? "Least common multiple" : "Greatest common divisor"
            ) {
                (c: inout ScalarCall) throws(EngineError) in
                var (a, b) = (c.numeric(0).magnitude, c.numeric(1).magnitude)
                guard a.kind == .finite, b.kind == .finite else { return try c.setNumeric(.nan) }
                let scale = max(a.scale, b.scale)
                let product = Decimal.multiply(a, b)
                while !b.isZero { (a, b) = (b, try Decimal.remainder(a, b)) }
                if isMultiple {
                    let value = product.isZero ? .zero : Decimal.divide(product, a, scale: scale, rounding: true)
                    try c.setNumeric(value.withScale(scale))
                } else {
                    try c.setNumeric(a.withScale(scale))
                }
            }
        }
        scalar(1376, "factorial", [.int8], .numeric, "Product of 1 to n") { (c: inout ScalarCall) throws(EngineError) in
            guard c.int64(0) >= 0 else {
                throw EngineError(.numericValueOutOfRange, "factorial of a negative number is undefined")
            }
            guard c.int64(0) <= 32177 else {
                throw EngineError(.numericValueOutOfRange, "value overflows numeric format")
            }
            var product = Decimal(1)
            var factor: Int64 = 2
            while factor <= c.int64(0) {
                product = Decimal.multiply(product, Decimal(factor))
                factor += 1
            }
            try c.setNumeric(product)
        }
        scalar(
            2170, "width_bucket", [.numeric, .numeric, .numeric, .int4], .int4,
            "Number of the bucket that the value is in"
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            let (value, low, high) = (c.numeric(0), c.numeric(1), c.numeric(2))
            let count = c.int32(3)
            guard count > 0 else { throw EngineError("2201G", "count must be greater than zero") }
            if value.kind == .nan || low.kind == .nan || high.kind == .nan {
                throw EngineError("2201G", "operand, lower bound, and upper bound cannot be NaN")
            }
            guard low.kind == .finite, high.kind == .finite else {
                throw EngineError("2201G", "lower and upper bounds must be finite")
            }
            let order = Decimal.compare(low, high)
            if order == 0 { throw EngineError("2201G", "lower bound cannot equal upper bound") }
            let below = Decimal.compare(value, low) * (order < 0 ? 1 : -1) < 0
            let above = Decimal.compare(value, high) * (order < 0 ? 1 : -1) >= 0
            if below { return c.set(0 as Int32) }
            if above {
                if count == Int32.max { throw ArithmeticErrors.outOfRange(32) }
                return c.set(count + 1)
            }
            let numerator = Decimal.multiply(Decimal.subtract(value, low), Decimal(Int64(count)))
            let bucket = try Decimal.divideTruncated(numerator, Decimal.subtract(high, low))
            c.set(Int32(bucket.int64 ?? 0) + 1)
        }
    }

    private func declareNumericCasts() {
        scalar(1740, "numeric", [.int4], .numeric, "Conversion to numeric") {
            (c: inout ScalarCall) throws(EngineError) in
            if c.resultType.typmod < 4 {
                c.set(Cell(Numeric.small(Int64(c.int32(0)), scale: 0)))
            } else {
                try c.setNumeric(Decimal(Int64(c.int32(0))))
            }
        }
        scalar(1782, "numeric", [.int2], .numeric, "Conversion to numeric") {
            (c: inout ScalarCall) throws(EngineError) in
            try c.setNumeric(Decimal(Int64(c.int16(0))))
        }
        scalar(1781, "numeric", [.int8], .numeric, "Conversion to numeric") {
            (c: inout ScalarCall) throws(EngineError) in
            if c.resultType.typmod < 4, let view = Numeric.small(c.int64(0)) {
                c.set(Cell(view))
            } else {
                try c.setNumeric(Decimal(c.int64(0)))
            }
        }
        scalar(1742, "numeric", [.float4], .numeric, "Conversion to numeric, 6 digits") {
            (c: inout ScalarCall) throws(EngineError) in
            try c.setNumeric(Decimal(Double(c.float32(0)), significant: 6))
        }
        scalar(1743, "numeric", [.float8], .numeric, "Conversion to numeric, 15 digits") {
            (c: inout ScalarCall) throws(EngineError) in try c.setNumeric(Decimal(c.float64(0), significant: 15))
        }
        for (oid, name, type, bits) in [
            (1744 as UInt32, "int4" as StaticBytes, TypeOID.int4, 32), (1779, "int8", .int8, 64),
            (1783, "int2", .int2, 16),
        ] {
            scalar(oid, name, [.numeric], type, "Conversion to an integer, rounded") {
                (c: inout ScalarCall) throws(EngineError) in
                let value = c.numeric(0)
                let typeName = TypeNames.string(type)
                guard value.kind != .nan else {
                    throw EngineError(.featureNotSupported, "cannot convert NaN to \(typeName)")
                }
                guard value.kind == .finite else {
                    throw EngineError(.featureNotSupported, "cannot convert infinity to \(typeName)")
                }
                guard let integer = value.int64, bits == 64 || integer.magnitude <= 1 << UInt64(bits - 1),
                    bits == 64 || integer != 1 << Int64(bits - 1)
                else { throw ArithmeticErrors.outOfRange(bits) }
                c.set(Cell(integer))
            }
        }
        scalar(1746, "float8", [.numeric], .float8, "Conversion to double precision") {
            (c: inout ScalarCall) throws(EngineError) in
            guard let value = c.numeric(0).float(single: false) else { throw beyond(c.numeric(0), "double precision") }
            c.set(value)
        }
        scalar(1745, "float4", [.numeric], .float4, "Conversion to real") { (c: inout ScalarCall) throws(EngineError) in
            guard let value = c.numeric(0).float(single: true) else { throw beyond(c.numeric(0), "real") }
            c.set(Float(value))
        }
    }

    private func declareTranscendental() {
        for (oid, name) in [(1730 as UInt32, "sqrt" as StaticBytes), (1731, "numeric_sqrt")] {
            root(oid, name)
        }
        for (oid, name) in [(1732 as UInt32, "exp" as StaticBytes), (1733, "numeric_exp")] {
            scalar(oid, name, [.numeric], .numeric, "e to a power") { (c: inout ScalarCall) throws(EngineError) in
                try c.setNumeric(try c.numeric(0).exponential())
            }
        }
        for (oid, name) in [(1734 as UInt32, "ln" as StaticBytes), (1735, "numeric_ln")] {
            scalar(oid, name, [.numeric], .numeric, "Natural logarithm") { (c: inout ScalarCall) throws(EngineError) in
                try c.setNumeric(try c.numeric(0).naturalLogarithm())
            }
        }
        for (oid, name) in [(1741 as UInt32, "log" as StaticBytes), (1481, "log10")] {
            scalar(oid, name, [.numeric], .numeric, "Logarithm to base 10") {
                (c: inout ScalarCall) throws(EngineError) in
                try c.setNumeric(try Decimal.logarithm(base: Decimal(10), c.numeric(0)))
            }
        }
        for (oid, name) in [(1736 as UInt32, "log" as StaticBytes), (1737, "numeric_log")] {
            scalar(oid, name, [.numeric, .numeric], .numeric, "Logarithm to a base") {
                (c: inout ScalarCall) throws(EngineError) in
                try c.setNumeric(try Decimal.logarithm(base: c.numeric(0), c.numeric(1)))
            }
        }
        for (oid, name) in [(1738 as UInt32, "pow" as StaticBytes), (1739, "numeric_power"), (2169, "power")] {
            scalar(oid, name, [.numeric, .numeric], .numeric, "A number to a power") {
                (c: inout ScalarCall) throws(EngineError) in
                try c.setNumeric(try Decimal.power(c.numeric(0), c.numeric(1)))
            }
        }
    }
    private func root(_ oid: UInt32, _ name: StaticBytes) {
        scalar(oid, name, [.numeric], .numeric, "Square root") { (c: inout ScalarCall) throws(EngineError) in
            let value = c.numeric(0)
            if value.kind == .nan || value.kind == .infinity { return try c.setNumeric(value) }
            guard value.signum >= 0 else {
                throw EngineError("2201F", "cannot take square root of a negative number")
            }
            let weight = value.digits.isEmpty ? 0 : value.weight
            let half = weight >= 0 ? weight * 2 + 1 : 1 + weight * 2
            let scale = min(max(16 - half, value.scale, 0), 1000)
            try c.setNumeric(value.squareRoot(scale: scale))
        }
    }
}

private func beyond(_ value: Decimal, _ typeName: StaticString) -> EngineError {
    var text = ByteBuffer(capacity: 64)
    NumericIO.output(value, into: &text)
    return EngineError(
        .numericValueOutOfRange,
        "\"\(quoted(text.bytes))\" is out of range for type \(StaticBytes(stringLiteral: typeName).string)")
}

extension Decimal {
    func rounded(_ places: Int) -> Decimal {
        var copy = self
        copy.round(to: places)
        return copy
    }
    func truncated(_ places: Int) -> Decimal {
        var copy = self
        copy.truncate(to: places)
        return copy
    }
    func withScale(_ scale: Int) -> Decimal {
        var copy = self
        if kind == .finite { copy.scale = scale }
        return copy
    }
    var floor: Decimal {
        let integer = truncated(0)
        return kind == .finite && isNegative && Decimal.compare(integer, self) != 0
            ? Decimal.subtract(integer, Decimal(1)) : integer
    }
    var ceiling: Decimal {
        let integer = truncated(0)
        return kind == .finite && !isNegative && Decimal.compare(integer, self) != 0
            ? Decimal.add(integer, Decimal(1)) : integer
    }
    /// Decimals needed to show the value exactly.
    var minimumScale: Int {
        guard let last = digits.last else { return 0 }
        var scale = -lowWeight * 4
        if scale <= 0 { return 0 }
        var digit = last
        while digit % 10 == 0 {
            digit /= 10
            scale -= 1
        }
        return max(scale, 0)
    }
}
