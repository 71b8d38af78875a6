// All chance in a simulated world comes from one generator per purpose, all of them from one seed.

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
package struct SimulationRandom: Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// From 0 to `bound` - 1.
    package mutating func next(below bound: Int) -> Int { Int(next() % UInt64(bound)) }

    package mutating func next(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + next(below: range.upperBound - range.lowerBound + 1)
    }

    /// True `permille` times of a thousand.
    package mutating func chance(permille: Int) -> Bool { permille > 0 && next(below: 1000) < permille }

    /// A generator of its own, which shares nothing with this one afterwards.
    package mutating func split() -> SimulationRandom { SimulationRandom(seed: next()) }
}

/// What happened, as one number: equal histories have equal digests (FNV-1a, 64 bits).
package struct HistoryDigest: Sendable {
    package private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325
    package init() {}

    package mutating func add(_ word: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            value = (value ^ (word >> UInt64(shift) & 0xFF)) &* 0x100_0000_01B3
        }
    }
}
