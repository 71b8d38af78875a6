// Floating-point arithmetic with PostgreSQL's range errors, and conversions to and from integers and numeric.

import Platform

enum FloatErrors {
    static func overflow() -> EngineError { EngineError(.numericValueOutOfRange, "value out of range: overflow") }
    static func underflow() -> EngineError { EngineError(.numericValueOutOfRange, "value out of range: underflow") }
}

private typealias SQLFloat = BinaryFloatingPoint & BitwiseCopyable & Sendable

extension FunctionRegistry {
    func declareFloats() {
        floatArithmetic(
            Double.self, Double.self, Double.self, .float8, .float8, .float8, [218, 219, 216, 217],
            ["float8pl", "float8mi", "float8mul", "float8div"])
        floatArithmetic(
            Float.self, Float.self, Float.self, .float4, .float4, .float4, [204, 205, 202, 203],
            ["float4pl", "float4mi", "float4mul", "float4div"])
        floatArithmetic(
            Float.self, Double.self, Double.self, .float4, .float8, .float8, [281, 282, 279, 280],
            ["float48pl", "float48mi", "float48mul", "float48div"])
        floatArithmetic(
            Double.self, Float.self, Double.self, .float8, .float4, .float8, [285, 286, 283, 284],
            ["float84pl", "float84mi", "float84mul", "float84div"])
        floatUnary(
            Double.self, .float8, [220, 1914, 221, 1395, 223, 224],
            ["float8um", "float8up", "float8abs", "float8larger", "float8smaller"])
        floatUnary(
            Float.self, .float4, [206, 1913, 207, 1394, 209, 211],
            ["float4um", "float4up", "float4abs", "float4larger", "float4smaller"])
        declareFloatCasts()
    }

    private func floatArithmetic<A: SQLFloat, B: SQLFloat, R: SQLFloat>(
        _ a: A.Type, _ b: B.Type, _ r: R.Type, _ left: TypeOID, _ right: TypeOID, _ result: TypeOID, _ oids: [UInt32],
        _ names: [StaticBytes]
    ) {
        kernel(oids[0], names[0], [left, right], result, "Sum") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(
                frame, A.self, B.self, R.self,
                { (a: A, b: B) in
                    let value = R(a) + R(b)
                    return (value, value.isInfinite && a.isFinite && b.isFinite)
                }, { _, _ in FloatErrors.overflow() })
        }
        kernel(oids[1], names[1], [left, right], result, "Difference") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(
                frame, A.self, B.self, R.self,
                { (a: A, b: B) in
                    let value = R(a) - R(b)
                    return (value, value.isInfinite && a.isFinite && b.isFinite)
                }, { _, _ in FloatErrors.overflow() })
        }
        kernel(oids[2], names[2], [left, right], result, "Product") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(
                frame, A.self, B.self, R.self,
                { (a: A, b: B) in
                    let value = R(a) * R(b)
                    let overflow = value.isInfinite && a.isFinite && b.isFinite
                    return (value, overflow || (value == 0 && a != 0 && b != 0))
                }, { a, b in R(a) * R(b) == 0 ? FloatErrors.underflow() : FloatErrors.overflow() })
        }
        kernel(oids[3], names[3], [left, right], result, "Quotient") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(
                frame, A.self, B.self, R.self,
                { (a: A, b: B) in
                    let value = R(a) / R(b)
                    let bad = value.isInfinite && a.isFinite && b.isFinite
                    return (value, (b == 0 && !a.isNaN) || bad || (value == 0 && a != 0 && b.isFinite))
                },
                { a, b in
                    b == 0
                        ? Decimal.divisionByZero()
                        : (R(a) / R(b) == 0 ? FloatErrors.underflow() : FloatErrors.overflow())
                })
        }
    }

    private func floatUnary<T: SQLFloat>(_ t: T.Type, _ type: TypeOID, _ oids: [UInt32], _ names: [StaticBytes]) {
        kernel(oids[0], names[0], [type], type, "Negation") { Loops.unary($0, T.self, T.self) { -$0 } }
        kernel(oids[1], names[1], [type], type, "The number itself") { Loops.unary($0, T.self, T.self) { $0 } }
        kernel(oids[2], names[2], [type], type, "Absolute value") { Loops.unary($0, T.self, T.self) { $0.magnitude } }
        kernel(oids[3], "abs", [type], type, "Absolute value") { Loops.unary($0, T.self, T.self) { $0.magnitude } }
        kernel(oids[4], names[3], [type, type], type, "The larger of two; NaN is largest") {
            Loops.binary($0, T.self, T.self, T.self) { Comparison.float(Double($0), Double($1)) > 0 ? $0 : $1 }
        }
        kernel(oids[5], names[4], [type, type], type, "The smaller of two; NaN is largest") {
            Loops.binary($0, T.self, T.self, T.self) { Comparison.float(Double($0), Double($1)) < 0 ? $0 : $1 }
        }
    }

    private func declareFloatCasts() {
        fromInteger(235, "float8", Int16.self, .int2, Double.self, .float8)
        fromInteger(316, "float8", Int32.self, .int4, Double.self, .float8)
        fromInteger(482, "float8", Int64.self, .int8, Double.self, .float8)
        fromInteger(236, "float4", Int16.self, .int2, Float.self, .float4)
        fromInteger(318, "float4", Int32.self, .int4, Float.self, .float4)
        fromInteger(652, "float4", Int64.self, .int8, Float.self, .float4)
        toInteger(237, "int2", Double.self, .float8, Int16.self, .int2)
        toInteger(317, "int4", Double.self, .float8, Int32.self, .int4)
        toInteger(483, "int8", Double.self, .float8, Int64.self, .int8)
        toInteger(238, "int2", Float.self, .float4, Int16.self, .int2)
        toInteger(319, "int4", Float.self, .float4, Int32.self, .int4)
        toInteger(653, "int8", Float.self, .float4, Int64.self, .int8)
        kernel(311, "float8", [.float4], .float8, "Conversion to double precision") {
            Loops.unary($0, Float.self, Double.self) { Double($0) }
        }
        kernel(312, "float4", [.float8], .float4, "Conversion to real") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedUnary(
                frame, Double.self, Float.self,
                { (value: Double) in
                    let narrow = Float(value)
                    return (narrow, (narrow.isInfinite && value.isFinite) || (narrow == 0 && value != 0))
                }, { Float($0) == 0 ? FloatErrors.underflow() : FloatErrors.overflow() })
        }
    }
    private func fromInteger<A: FixedWidthInteger & BitwiseCopyable & Sendable, R: SQLFloat>(
        _ oid: UInt32, _ name: StaticBytes, _ a: A.Type, _ from: TypeOID, _ r: R.Type, _ to: TypeOID
    ) {
        kernel(oid, name, [from], to, "Conversion from an integer") { Loops.unary($0, A.self, R.self) { R($0) } }
    }
    private func toInteger<A: SQLFloat, R: FixedWidthInteger & BitwiseCopyable & Sendable>(
        _ oid: UInt32, _ name: StaticBytes, _ a: A.Type, _ from: TypeOID, _ r: R.Type, _ to: TypeOID
    ) {
        // Rounded to nearest, ties to even; the limit 2^(width-1) is exact in floating point.
        kernel(oid, name, [from], to, "Conversion to an integer, rounded") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedUnary(
                frame, A.self, R.self,
                { (value: A) in
                    let rounded = FloatMath.nearest(Double(value))
                    let limit = -Double(R.min)
                    guard rounded >= -limit, rounded < limit else { return (0, true) }
                    return (R(truncatingIfNeeded: Int64(rounded)), false)
                }, { _ in ArithmeticErrors.outOfRange(R.bitWidth) })
        }
    }
}
