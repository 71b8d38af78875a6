// Exact decimals as they are stored: a compact byte string, in `bytes` vectors.
//
//   small   1 byte display scale (0...18), 8 bytes unscaled value, little-endian: 9 bytes, inline in a ByteView
//   large   1 byte 0x40 (0x41 if negative), weight Int16, display scale UInt16, then base-10000 digits UInt16, all
//           little-endian, no leading or trailing zero digits. Value = ± Σ digit[i] · 10000^(weight − i)
//   special 1 byte: 0x50 NaN, 0x51 Infinity, 0x52 -Infinity
//
// Invariant: a finite number whose display scale is at most 18 and whose unscaled value is below 10^18 is small, so
// most arithmetic is on machine words. Order and equality ignore the display scale: 1.0 = 1.00.

package enum Numeric {
    static let smallLimit: Int64 = 1_000_000_000_000_000_000
    static let maximumSmallScale = 18
    /// Largest display scale there is.
    static let maximumScale = 16383

    enum Tag {
        static var positive: UInt8 { 0x40 }
        static var negative: UInt8 { 0x41 }
        static var nan: UInt8 { 0x50 }
        static var infinity: UInt8 { 0x51 }
        static var negativeInfinity: UInt8 { 0x52 }
    }

    /// 10^exponent. Precondition: 0...18.
    @inline(__always) static func power(_ exponent: Int) -> Int64 { powers[exponent] }
    private static let powers: [Int64] = [
        1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000,
        100_000_000_000, 1_000_000_000_000, 10_000_000_000_000, 100_000_000_000_000, 1_000_000_000_000_000,
        10_000_000_000_000_000, 100_000_000_000_000_000, 1_000_000_000_000_000_000,
    ]

    /// The view of a small number. Precondition: |unscaled| < 10^18 and scale in 0...18.
    @inline(__always) static func small(_ unscaled: Int64, scale: Int) -> ByteView {
        let bits = UInt64(bitPattern: unscaled)
        return ByteView(head: 9 | UInt64(scale) << 32 | bits << 40, tail: bits >> 24)
    }
    /// True if the view is a small number: nothing else has nine bytes (large ones have an odd count above 9 or 5 or 7).
    @inline(__always) static func isSmall(_ view: ByteView) -> Bool {
        view.head & 0xFFFF_FFFF == 9 && view.head >> 32 & 0xFF <= 18
    }
    @inline(__always) static func unscaled(_ view: ByteView) -> Int64 {
        Int64(bitPattern: view.head >> 40 | view.tail << 24)
    }
    @inline(__always) static func scale(_ view: ByteView) -> Int { Int(view.head >> 32 & 0xFF) }

    /// The view of an integer, if it is small.
    @inline(__always) static func small(_ value: Int64) -> ByteView? {
        value > -smallLimit && value < smallLimit ? small(value, scale: 0) : nil
    }

    static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        compare(ByteView(referencing: a), ByteView(referencing: b))
    }

    @inline(__always) static func compare(_ a: ByteView, _ b: ByteView) -> Int {
        if isSmall(a), isSmall(b) {
            let scaleA = scale(a)
            let scaleB = scale(b)
            let valueA = unscaled(a)
            let valueB = unscaled(b)
            if scaleA == scaleB { return valueA < valueB ? -1 : (valueA == valueB ? 0 : 1) }
            return compareScaled(valueA, scaleA, valueB, scaleB)
        }
        return compareSlowly(a, b)
    }
    @inline(never) private static func compareScaled(_ a: Int64, _ scaleA: Int, _ b: Int64, _ scaleB: Int) -> Int {
        if scaleA < scaleB {
            let product = a.multipliedFullWidth(by: power(scaleB - scaleA))
            let high = b >> 63
            if product.high != high { return product.high < high ? -1 : 1 }
            let low = UInt64(bitPattern: b)
            return product.low < low ? -1 : (product.low == low ? 0 : 1)
        }
        return -compareScaled(b, scaleB, a, scaleA)
    }
    @inline(never) private static func compareSlowly(_ a: ByteView, _ b: ByteView) -> Int {
        Decimal.compare(Decimal(a), Decimal(b))
    }

    /// Same for equal values of different display scale.
    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let view = ByteView(referencing: bytes)
        if isSmall(view) {
            // Without trailing zeros the pair (value, scale) is unique; scale -1 counts dropped integer zeros.
            var value = unscaled(view)
            var scale = scale(view)
            if value == 0 { return Hashing.word(0) }
            while value % 10 == 0 {
                value /= 10
                scale -= 1
            }
            return Hashing.combine(Hashing.word(UInt64(bitPattern: value)), UInt64(bitPattern: Int64(scale)))
        }
        let value = Decimal(view)
        guard value.kind == .finite, !value.digits.isEmpty else { return Hashing.word(UInt64(value.kind.rawValue)) }
        // A large form may equal a small one (1.00…0 with many zeros): use the same pair when it fits.
        var magnitude: UInt64 = 0
        var scale = 4 * (value.digits.count - 1 - value.weight)
        var fits = value.digits.count <= 5
        if fits {
            for digit in value.digits {
                let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10_000)
                fits = fits && !overflow && product <= UInt64.max - 10_000
                magnitude = product &+ UInt64(digit)
            }
        }
        if fits {
            while magnitude % 10 == 0 {
                magnitude /= 10
                scale -= 1
            }
            if magnitude < 1 << 62 {
                let signed = value.isNegative ? -Int64(magnitude) : Int64(magnitude)
                return Hashing.combine(Hashing.word(UInt64(bitPattern: signed)), UInt64(bitPattern: Int64(scale)))
            }
        }
        var hash = Hashing.word(UInt64(bitPattern: Int64(value.weight)) ^ (value.isNegative ? 1 << 40 : 0))
        for digit in value.digits { hash = Hashing.combine(hash, UInt64(digit)) }
        return hash
    }

    /// Class byte (1 -Infinity, 2 negative, 3 zero, 4 positive, 5 Infinity, 6 NaN), then for nonzero numbers the biased
    /// weight and digits + 1 in big-endian pairs, ended by a zero pair; all inverted if negative.
    static func appendKey(_ bytes: UnsafeRawBufferPointer, to buffer: inout ByteBuffer) {
        let value = Decimal(ByteView(referencing: bytes))
        switch value.kind {
        case .negativeInfinity: buffer.append(1)
        case .infinity: buffer.append(5)
        case .nan: buffer.append(6)
        case .finite:
            if value.digits.isEmpty {
                buffer.append(3)
                return
            }
            buffer.append(value.isNegative ? 2 : 4)
            let flip: UInt16 = value.isNegative ? 0xFFFF : 0
            buffer.appendBig(UInt16(value.weight + 32768) ^ flip)
            for digit in value.digits { buffer.appendBig((digit + 1) ^ flip) }
            buffer.appendBig(0 ^ flip)
        }
    }
}
