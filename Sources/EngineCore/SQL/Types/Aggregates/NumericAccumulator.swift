// Sums of decimals: a 128-bit integer at the largest scale seen, spilled into a decimal when it may overflow.

import Platform

/// Lies in an aggregate's state. All-zero is the empty sum.
struct NumericAccumulator: BitwiseCopyable {
    /// Σ values × 10^scale, as low and high words of a two's-complement number.
    private var low: UInt64
    private var high: Int64
    var count: Int64
    private var scale: Int32
    private var nanCount: UInt32
    private var infinityCount: UInt32
    private var negativeInfinityCount: UInt32
    /// Block of {UInt32 capacity, UInt32 length, encoded decimal} with what left the integer; nil if nothing did.
    private var spill: UnsafeMutableRawPointer?

    static var byteCount: Int { 48 }

    private var sum: Int128 {
        get { Int128(truncatingIfNeeded: high) << 64 | Int128(truncatingIfNeeded: low) }
        set {
            low = UInt64(truncatingIfNeeded: newValue)
            high = Int64(truncatingIfNeeded: newValue >> 64)
        }
    }
    /// A word added to a sum below this bound cannot overflow it.
    private static var bound: Int128 { (1 as Int128) << 124 }

    @inline(__always) mutating func add(_ value: Int64) {
        count += 1
        sum += Int128(value)
    }
    mutating func addSquare(_ value: Int64, _ heap: ByteHeap) throws(EngineError) {
        count += 1
        let square = Int128(value) * Int128(value)
        if sum > NumericAccumulator.bound { try flush(heap) }
        sum += square
    }

    @inline(__always) mutating func add(_ view: ByteView, _ heap: ByteHeap) throws(EngineError) {
        if Numeric.isSmall(view), Numeric.scale(view) == Int(scale), sum.magnitude < NumericAccumulator.bound.magnitude
        {
            add(Numeric.unscaled(view))
        } else {
            try addSlowly(Decimal(view), heap)
        }
    }
    @inline(never) mutating func addSlowly(_ value: Decimal, _ heap: ByteHeap) throws(EngineError) {
        count += 1
        switch value.kind {
        case .nan: nanCount += 1
        case .infinity: infinityCount += 1
        case .negativeInfinity: negativeInfinityCount += 1
        case .finite:
            if let unscaled = value.smallValue {
                if value.scale > Int(scale), sum.magnitude < 1 << 60, value.scale <= 18 {
                    // 2^60 × 10^18 is below 2^124.
                    sum *= Int128(Numeric.power(value.scale - Int(scale)))
                    scale = Int32(value.scale)
                }
                if value.scale <= Int(scale), Int(scale) - value.scale <= 18 {
                    if sum.magnitude >= NumericAccumulator.bound.magnitude { try flush(heap) }
                    sum += Int128(unscaled) * Int128(Numeric.power(Int(scale) - value.scale))
                    return
                }
            }
            try store(Decimal.add(spilled, value), heap)
        }
    }

    private var spilled: Decimal {
        guard let spill else { return .zero }
        let length = Int(spill.load(fromByteOffset: 4, as: UInt32.self))
        return Decimal(bytes: UnsafeRawBufferPointer(start: spill + 8, count: length))
    }
    private mutating func store(_ value: Decimal, _ heap: ByteHeap) throws(EngineError) {
        var encoded = ByteBuffer(capacity: 64)
        try value.encode(into: &encoded)
        var block = spill
        if block.map({ Int($0.load(as: UInt32.self)) < encoded.count }) ?? true {
            let capacity = max(64, encoded.count * 2)
            let fresh = try heap.allocate(8 + capacity)
            fresh.storeBytes(of: UInt32(capacity), as: UInt32.self)
            block = fresh
        }
        let target = block.unsafelyUnwrapped
        target.storeBytes(of: UInt32(encoded.count), toByteOffset: 4, as: UInt32.self)
        (target + 8).copyMemory(from: encoded.bytes.baseAddress.unsafelyUnwrapped, byteCount: encoded.count)
        spill = target
    }
    private mutating func flush(_ heap: ByteHeap) throws(EngineError) {
        try store(Decimal.add(spilled, integerPart), heap)
        sum = 0
    }
    private var integerPart: Decimal { Decimal(wide: sum, scale: Int(scale)) }

    /// The other's values too.
    mutating func merge(_ other: NumericAccumulator, _ heap: ByteHeap) throws(EngineError) {
        let finite = Decimal.add(other.spilled, other.integerPart)
        let before = count
        try addSlowly(finite, heap)
        count = before + other.count
        nanCount += other.nanCount
        infinityCount += other.infinityCount
        negativeInfinityCount += other.negativeInfinityCount
    }

    var total: Decimal {
        if nanCount > 0 || (infinityCount > 0 && negativeInfinityCount > 0) { return .nan }
        if infinityCount > 0 { return Decimal(special: .infinity) }
        if negativeInfinityCount > 0 { return Decimal(special: .negativeInfinity) }
        return Decimal.add(spilled, integerPart)
    }
}

extension Decimal {
    /// From a 128-bit unscaled value.
    init(wide: Int128, scale: Int) {
        if let narrow = Int64(exactly: wide) {
            self.init(unscaled: narrow, scale: scale)
            return
        }
        // Split by 10^18 with word divisions: |wide| < 2^127 gives three parts below 10^18.
        var parts: [UInt64] = []
        var high = UInt64(truncatingIfNeeded: wide.magnitude >> 64)
        var low = UInt64(truncatingIfNeeded: wide.magnitude)
        let unit = UInt64(Numeric.smallLimit)
        while high != 0 || low != 0 {
            let upper = high / unit
            let (quotient, remainder) = unit.dividingFullWidth((high % unit, low))
            parts.append(remainder)
            high = upper
            low = quotient
        }
        var digits: [UInt8] = []
        for part in parts.reversed() {
            for place in (0..<18).reversed() { digits.append(UInt8(part / UInt64(Numeric.power(place)) % 10)) }
        }
        self.init(decimalDigits: digits, point: digits.count - scale, negative: wide < 0, scale: scale)
    }
}
