// Integer arithmetic of all width pairs, bit operations, and conversions between machine numbers.

import Platform

enum ArithmeticErrors {
    static func outOfRange(_ bits: Int) -> EngineError {
        EngineError(
            .numericValueOutOfRange,
            bits == 16 ? "smallint out of range" : (bits == 32 ? "integer out of range" : "bigint out of range"))
    }
}

private typealias SQLInteger = FixedWidthInteger & BitwiseCopyable & Sendable & SignedInteger

extension FunctionRegistry {
    func declareIntegers() {
        arithmetic(
            Int16.self, Int16.self, Int16.self, .int2, .int2, .int2, "int2pl", 176, "int2mi", 180, "int2mul", 152,
            "int2div", 153)
        arithmetic(
            Int32.self, Int32.self, Int32.self, .int4, .int4, .int4, "int4pl", 177, "int4mi", 181, "int4mul", 141,
            "int4div", 154)
        arithmetic(
            Int64.self, Int64.self, Int64.self, .int8, .int8, .int8, "int8pl", 463, "int8mi", 464, "int8mul", 465,
            "int8div", 466)
        arithmetic(
            Int16.self, Int32.self, Int32.self, .int2, .int4, .int4, "int24pl", 178, "int24mi", 182, "int24mul", 170,
            "int24div", 172)
        arithmetic(
            Int32.self, Int16.self, Int32.self, .int4, .int2, .int4, "int42pl", 179, "int42mi", 183, "int42mul", 171,
            "int42div", 173)
        arithmetic(
            Int16.self, Int64.self, Int64.self, .int2, .int8, .int8, "int28pl", 841, "int28mi", 942, "int28mul", 943,
            "int28div", 948)
        arithmetic(
            Int64.self, Int16.self, Int64.self, .int8, .int2, .int8, "int82pl", 837, "int82mi", 838, "int82mul", 839,
            "int82div", 840)
        arithmetic(
            Int32.self, Int64.self, Int64.self, .int4, .int8, .int8, "int48pl", 1278, "int48mi", 1279, "int48mul", 1280,
            "int48div", 1281)
        arithmetic(
            Int64.self, Int32.self, Int64.self, .int8, .int4, .int8, "int84pl", 1274, "int84mi", 1275, "int84mul", 1276,
            "int84div", 1277)
        singleWidth(
            Int16.self, .int2, [155, 213, 1911, 1253, 1892, 1893, 1894, 1895, 1896, 1897, 770, 771],
            [
                "int2mod", "int2um", "int2up", "int2abs", "int2and", "int2or", "int2xor", "int2not", "int2shl",
                "int2shr", "int2larger", "int2smaller",
            ])
        singleWidth(
            Int32.self, .int4, [156, 212, 1912, 1251, 1898, 1899, 1900, 1901, 1902, 1903, 768, 769],
            [
                "int4mod", "int4um", "int4up", "int4abs", "int4and", "int4or", "int4xor", "int4not", "int4shl",
                "int4shr", "int4larger", "int4smaller",
            ])
        singleWidth(
            Int64.self, .int8, [945, 462, 1910, 1230, 1904, 1905, 1906, 1907, 1908, 1909, 1236, 1237],
            [
                "int8mod", "int8um", "int8up", "int8abs", "int8and", "int8or", "int8xor", "int8not", "int8shl",
                "int8shr", "int8larger", "int8smaller",
            ])
        names(Int16.self, .int2, mod: 940, abs: 1398, gcd: 0, lcm: 0)
        names(Int32.self, .int4, mod: 941, abs: 1397, gcd: 5044, lcm: 5046)
        names(Int64.self, .int8, mod: 947, abs: 1396, gcd: 5045, lcm: 5047)
        declareIntegerCasts()
    }

    private func arithmetic<A: SQLInteger, B: SQLInteger, R: SQLInteger>(
        _ a: A.Type, _ b: B.Type, _ r: R.Type, _ left: TypeOID, _ right: TypeOID, _ result: TypeOID,
        _ plus: StaticBytes, _ plusOID: UInt32, _ minus: StaticBytes, _ minusOID: UInt32, _ times: StaticBytes,
        _ timesOID: UInt32, _ over: StaticBytes, _ overOID: UInt32
    ) {
        kernel(plusOID, plus, [left, right], result, "Sum") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(
                frame, A.self, B.self, R.self,
                {
                    let (value, overflow) = R(truncatingIfNeeded: $0).addingReportingOverflow(R(truncatingIfNeeded: $1))
                    return (value, overflow)
                }, { _, _ in ArithmeticErrors.outOfRange(R.bitWidth) })
        }
        kernel(minusOID, minus, [left, right], result, "Difference") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(
                frame, A.self, B.self, R.self,
                {
                    let (value, overflow) = R(truncatingIfNeeded: $0).subtractingReportingOverflow(
                        R(truncatingIfNeeded: $1))
                    return (value, overflow)
                }, { _, _ in ArithmeticErrors.outOfRange(R.bitWidth) })
        }
        kernel(timesOID, times, [left, right], result, "Product") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(
                frame, A.self, B.self, R.self,
                {
                    let (value, overflow) = R(truncatingIfNeeded: $0).multipliedReportingOverflow(
                        by: R(truncatingIfNeeded: $1))
                    return (value, overflow)
                }, { _, _ in ArithmeticErrors.outOfRange(R.bitWidth) })
        }
        kernel(overOID, over, [left, right], result, "Quotient, truncated towards zero") {
            (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(
                frame, A.self, B.self, R.self,
                {
                    let (value, overflow) = R(truncatingIfNeeded: $0).dividedReportingOverflow(
                        by: R(truncatingIfNeeded: $1))
                    return (value, overflow)
                }, { _, divisor in divisor == 0 ? Decimal.divisionByZero() : ArithmeticErrors.outOfRange(R.bitWidth) })
        }
    }

    private func singleWidth<T: SQLInteger>(_ t: T.Type, _ type: TypeOID, _ oids: [UInt32], _ names: [StaticBytes]) {
        let modulo: Kernel = { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(frame, T.self, T.self, T.self, remainder, { _, _ in Decimal.divisionByZero() })
        }
        kernel(oids[0], names[0], [type, type], type, "Remainder, with the dividend's sign", modulo)
        kernel(oids[1], names[1], [type], type, "Negation") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedUnary(
                frame, T.self, T.self, { (0 &- $0, $0 == T.min) }, { _ in ArithmeticErrors.outOfRange(T.bitWidth) })
        }
        kernel(oids[2], names[2], [type], type, "The number itself") { Loops.unary($0, T.self, T.self) { $0 } }
        kernel(oids[3], names[3], [type], type, "Absolute value", absolute(t))
        kernel(oids[4], names[4], [type, type], type, "Bitwise and") {
            Loops.binary($0, T.self, T.self, T.self) { $0 & $1 }
        }
        kernel(oids[5], names[5], [type, type], type, "Bitwise or") {
            Loops.binary($0, T.self, T.self, T.self) { $0 | $1 }
        }
        kernel(oids[6], names[6], [type, type], type, "Bitwise exclusive or") {
            Loops.binary($0, T.self, T.self, T.self) { $0 ^ $1 }
        }
        kernel(oids[7], names[7], [type], type, "Bitwise not") { Loops.unary($0, T.self, T.self) { ~$0 } }
        // The shift distance is taken modulo the width of at least 32 bits, as processors do.
        kernel(oids[8], names[8], [type, .int4], type, "Bitwise shift left") {
            Loops.binary($0, T.self, Int32.self, T.self) { shiftLeft($0, $1) }
        }
        kernel(oids[9], names[9], [type, .int4], type, "Bitwise shift right") {
            Loops.binary($0, T.self, Int32.self, T.self) { shiftRight($0, $1) }
        }
        kernel(oids[10], names[10], [type, type], type, "The larger of two") {
            Loops.binary($0, T.self, T.self, T.self) { $0 > $1 ? $0 : $1 }
        }
        kernel(oids[11], names[11], [type, type], type, "The smaller of two") {
            Loops.binary($0, T.self, T.self, T.self) { $0 < $1 ? $0 : $1 }
        }
    }

    private func absolute<T: SQLInteger>(_ t: T.Type) -> Kernel {
        return { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedUnary(
                frame, T.self, T.self, { ($0 < 0 ? 0 &- $0 : $0, $0 == T.min) },
                { _ in ArithmeticErrors.outOfRange(T.bitWidth) })
        }
    }

    private func names<T: SQLInteger>(_ t: T.Type, _ type: TypeOID, mod: UInt32, abs: UInt32, gcd: UInt32, lcm: UInt32)
    {
        kernel(mod, "mod", [type, type], type, "Remainder, with the dividend's sign") {
            (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(frame, T.self, T.self, T.self, remainder, { _, _ in Decimal.divisionByZero() })
        }
        kernel(abs, "abs", [type], type, "Absolute value", absolute(t))
        if gcd == 0 { return }
        kernel(gcd, "gcd", [type, type], type, "Greatest common divisor") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(
                frame, T.self, T.self, T.self,
                { (a: T, b: T) in
                    let value = greatestCommonDivisor(a, b)
                    return (T(truncatingIfNeeded: value), value > UInt64(T.max))
                }, { _, _ in ArithmeticErrors.outOfRange(T.bitWidth) })
        }
        kernel(lcm, "lcm", [type, type], type, "Least common multiple") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedBinary(
                frame, T.self, T.self, T.self,
                { (a: T, b: T) in
                    if a == 0 || b == 0 { return (0, false) }
                    let (value, overflow) = (UInt64(a.magnitude) / greatestCommonDivisor(a, b))
                        .multipliedReportingOverflow(by: UInt64(b.magnitude))
                    return (T(truncatingIfNeeded: value), overflow || value > UInt64(T.max))
                }, { _, _ in ArithmeticErrors.outOfRange(T.bitWidth) })
        }
    }

    private func declareIntegerCasts() {
        widen(754, "int8", Int16.self, .int2, Int64.self, .int8)
        widen(481, "int8", Int32.self, .int4, Int64.self, .int8)
        widen(313, "int4", Int16.self, .int2, Int32.self, .int4)
        narrow(480, "int4", Int64.self, .int8, Int32.self, .int4)
        narrow(714, "int2", Int64.self, .int8, Int16.self, .int2)
        narrow(314, "int2", Int32.self, .int4, Int16.self, .int2)
        kernel(1288, "int8", [.oid], .int8, "Conversion to bigint") {
            Loops.unary($0, UInt32.self, Int64.self) { Int64($0) }
        }
        kernel(1287, "oid", [.int8], .oid, "Conversion to oid") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedUnary(
                frame, Int64.self, UInt32.self, { (UInt32(truncatingIfNeeded: $0), $0 < 0 || $0 > Int64(UInt32.max)) },
                { _ in EngineError(.numericValueOutOfRange, "OID out of range") })
        }
        kernel(2557, "bool", [.int4], .bool, "True unless zero") { Loops.unary($0, Int32.self, Bool.self) { $0 != 0 } }
        kernel(2558, "int4", [.bool], .int4, "1 for true, 0 for false") {
            Loops.unary($0, UInt8.self, Int32.self) { Int32($0) }
        }
        kernel(77, "int4", [.char], .int4, "Code of the character") {
            Loops.unary($0, Int8.self, Int32.self) { Int32($0) }
        }
        kernel(78, "char", [.int4], .char, "Character of the code") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedUnary(
                frame, Int32.self, Int8.self, { (Int8(truncatingIfNeeded: $0), $0 < -128 || $0 > 127) },
                { _ in EngineError(.numericValueOutOfRange, "\"char\" out of range") })
        }
        kernel(5071, "xid", [.xid8], .xid, "Low half") {
            Loops.unary($0, UInt64.self, UInt32.self) { UInt32(truncatingIfNeeded: $0) }
        }
        scalar(2089, "to_hex", [.int4], .text, "Hexadecimal digits") { (call: inout ScalarCall) throws(EngineError) in
            try call.set(hexadecimal(UInt64(call.uint32(0))))
        }
        scalar(2090, "to_hex", [.int8], .text, "Hexadecimal digits") { (call: inout ScalarCall) throws(EngineError) in
            try call.set(hexadecimal(UInt64(bitPattern: call.int64(0))))
        }
    }
    private func widen<A: SQLInteger, R: SQLInteger>(
        _ oid: UInt32, _ name: StaticBytes, _ a: A.Type, _ from: TypeOID, _ r: R.Type, _ to: TypeOID
    ) {
        kernel(oid, name, [from], to, "Conversion to a wider integer") {
            Loops.unary($0, A.self, R.self) { R(truncatingIfNeeded: $0) }
        }
    }
    private func narrow<A: SQLInteger, R: SQLInteger>(
        _ oid: UInt32, _ name: StaticBytes, _ a: A.Type, _ from: TypeOID, _ r: R.Type, _ to: TypeOID
    ) {
        kernel(oid, name, [from], to, "Conversion to a narrower integer") { (frame: KernelFrame) throws(EngineError) in
            try Loops.checkedUnary(
                frame, A.self, R.self, { (R(truncatingIfNeeded: $0), A(R(truncatingIfNeeded: $0)) != $0) },
                { _ in ArithmeticErrors.outOfRange(R.bitWidth) })
        }
    }
}

@inline(__always) private func remainder<T: SQLInteger>(_ a: T, _ b: T) -> (T, Bool) {
    if b == 0 { return (0, true) }
    // min % -1 would trap in hardware.
    return b == -1 ? (0, false) : (a % b, false)
}
@inline(__always) private func shiftLeft<T: SQLInteger>(_ value: T, _ distance: Int32) -> T {
    T(truncatingIfNeeded: Int64(value) << Int64(distance & (T.bitWidth == 64 ? 63 : 31)))
}
@inline(__always) private func shiftRight<T: SQLInteger>(_ value: T, _ distance: Int32) -> T {
    T(truncatingIfNeeded: Int64(value) >> Int64(distance & (T.bitWidth == 64 ? 63 : 31)))
}
private func greatestCommonDivisor<T: SQLInteger>(_ a: T, _ b: T) -> UInt64 {
    var x = UInt64(a.magnitude)
    var y = UInt64(b.magnitude)
    while y != 0 { (x, y) = (y, x % y) }
    return x
}
private func hexadecimal(_ value: UInt64) -> [UInt8] {
    var digits: [UInt8] = []
    var shift: UInt64 = 60
    while shift > 0, value >> shift == 0 { shift -= 4 }
    while true {
        digits.append(ByteaIO.hexDigit(UInt8(value >> shift & 15)))
        if shift == 0 { return digits }
        shift -= 4
    }
}
