// Loops over numeric vectors: machine words while both sides are small, decimals otherwise.

import Platform

enum NumericKernels {
    static func add(_ frame: KernelFrame) throws(EngineError) {
        try binary(frame, fast: { addSmall($0, $1, negate: false) }) { (a, b) in Decimal.add(a, b) }
    }
    static func subtract(_ frame: KernelFrame) throws(EngineError) {
        try binary(frame, fast: { addSmall($0, $1, negate: true) }) { (a, b) in Decimal.subtract(a, b) }
    }
    static func multiply(_ frame: KernelFrame) throws(EngineError) {
        try binary(frame, fast: { multiplySmall($0, $1) }) { (a, b) in Decimal.multiply(a, b) }
    }
    static func divide(_ frame: KernelFrame) throws(EngineError) {
        try binary(frame, fast: { divideSmall($0, $1) }) { (a, b) throws(EngineError) in try Decimal.divide(a, b) }
    }
    static func remainder(_ frame: KernelFrame) throws(EngineError) {
        try binary(frame, fast: { remainderSmall($0, $1) }) { (a, b) throws(EngineError) in try Decimal.remainder(a, b)
        }
    }

    @inline(__always) private static func binary(
        _ frame: KernelFrame, fast: (ByteView, ByteView) -> ByteView?,
        _ slow: (Decimal, Decimal) throws(EngineError) -> Decimal
    ) throws(EngineError) {
        Loops.propagateNulls(frame)
        let a = frame.operands[0]
        let b = frame.operands[1]
        let result = frame.result
        let target = result.values(ByteView.self)
        for index in 0..<frame.selection.count {
            let row = frame.selection[index]
            if result.isNull(row) { continue }
            let left = a.load(row, as: ByteView.self)
            let right = b.load(row, as: ByteView.self)
            if Numeric.isSmall(left), Numeric.isSmall(right), let value = fast(left, right) {
                target[row] = value
            } else {
                try slow(Decimal(left), Decimal(right)).store(result, row)
            }
        }
    }

    @inline(__always) static func fits(_ value: Int64) -> Bool {
        value > -Numeric.smallLimit && value < Numeric.smallLimit
    }
    /// Both at the larger scale, or nil if one overflows.
    @inline(__always) static func align(_ a: ByteView, _ b: ByteView) -> (Int64, Int64, scale: Int)? {
        let scaleA = Numeric.scale(a)
        let scaleB = Numeric.scale(b)
        let valueA = Numeric.unscaled(a)
        let valueB = Numeric.unscaled(b)
        if scaleA == scaleB { return (valueA, valueB, scaleA) }
        if scaleA < scaleB {
            let (scaled, overflow) = valueA.multipliedReportingOverflow(by: Numeric.power(scaleB - scaleA))
            return overflow ? nil : (scaled, valueB, scaleB)
        }
        let (scaled, overflow) = valueB.multipliedReportingOverflow(by: Numeric.power(scaleA - scaleB))
        return overflow ? nil : (valueA, scaled, scaleA)
    }
    @inline(__always) static func addSmall(_ a: ByteView, _ b: ByteView, negate: Bool) -> ByteView? {
        guard let (x, y, scale) = align(a, b) else { return nil }
        let (sum, overflow) = negate ? x.subtractingReportingOverflow(y) : x.addingReportingOverflow(y)
        return overflow || !fits(sum) ? nil : Numeric.small(sum, scale: scale)
    }
    @inline(__always) static func multiplySmall(_ a: ByteView, _ b: ByteView) -> ByteView? {
        let scale = Numeric.scale(a) + Numeric.scale(b)
        let (product, overflow) = Numeric.unscaled(a).multipliedReportingOverflow(by: Numeric.unscaled(b))
        return overflow || scale > 18 || !fits(product) ? nil : Numeric.small(product, scale: scale)
    }
    @inline(__always) static func remainderSmall(_ a: ByteView, _ b: ByteView) -> ByteView? {
        guard let (x, y, scale) = align(a, b), y != 0, fits(x) else { return nil }
        return Numeric.small(x % y, scale: scale)
    }
    /// Nil also for division by zero, which the slow path reports.
    static func divideSmall(_ a: ByteView, _ b: ByteView) -> ByteView? {
        let x = Numeric.unscaled(a)
        let y = Numeric.unscaled(b)
        if y == 0 { return nil }
        let scaleA = Numeric.scale(a)
        let scaleB = Numeric.scale(b)
        let scale = quotientScale(x.magnitude, scaleA, y.magnitude, scaleB)
        guard scale <= 18 else { return nil }
        // x / 10^scaleA ÷ (y / 10^scaleB) = x · 10^(scale − scaleA + scaleB) / y at the result's scale.
        let exponent = scale - scaleA + scaleB
        guard exponent >= 0, exponent <= 18 else { return nil }
        let product = x.magnitude.multipliedFullWidth(by: UInt64(Numeric.power(exponent)))
        let divisor = y.magnitude
        guard product.high < divisor else { return nil }
        var (quotient, remainder) = divisor.dividingFullWidth(product)
        if remainder >= divisor - remainder { quotient += 1 }
        guard quotient < UInt64(Numeric.smallLimit) else { return nil }
        return Numeric.small((x < 0) != (y < 0) ? -Int64(quotient) : Int64(quotient), scale: scale)
    }
    /// As `Decimal.quotientScale`.
    private static func quotientScale(_ x: UInt64, _ scaleX: Int, _ y: UInt64, _ scaleY: Int) -> Int {
        let (weightX, digitX) = leading(x, scaleX)
        let (weightY, digitY) = leading(y, scaleY)
        let weight = weightX - weightY - (digitX <= digitY ? 1 : 0)
        return min(max(16 - weight * 4, scaleX, scaleY, 0), 1000)
    }
    /// Weight and value of the first base-10000 digit.
    private static func leading(_ value: UInt64, _ scale: Int) -> (weight: Int, digit: UInt64) {
        if value == 0 { return (0, 0) }
        var decimals = 1
        var bound: UInt64 = 10
        while decimals < 19, value >= bound {
            decimals += 1
            bound *= 10
        }
        // Position of the first decimal digit relative to the point: decimals − scale − 1.
        let position = decimals - scale - 1
        let weight = position >= 0 ? position / 4 : -((3 - position) / 4)
        // The first base-10000 digit takes the decimal digits from `position` down to 4 · weight.
        let shown = position - weight * 4 + 1
        if decimals >= shown { return (weight, value / UInt64(Numeric.power(decimals - shown))) }
        return (weight, value * UInt64(Numeric.power(shown - decimals)))
    }
}
