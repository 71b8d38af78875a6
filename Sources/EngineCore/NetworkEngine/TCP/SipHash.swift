// SipHash-2-4 (Aumasson and Bernstein, 2012) over three words: the keyed hash behind initial sequence numbers, SYN cookies and
// the connection table, none of which an outsider may predict.

struct SipKey: BitwiseCopyable, Sendable {
    var k0: UInt64
    var k1: UInt64

    func hash(_ a: UInt64, _ b: UInt64, _ c: UInt64 = 0) -> UInt64 {
        var state = State(self)
        state.absorb(a)
        state.absorb(b)
        state.absorb(c)
        // The length, 24 bytes, in the top byte of the last word.
        state.absorb(24 << 56)
        return state.finish()
    }

    private struct State {
        var v0, v1, v2, v3: UInt64

        @inline(__always) init(_ key: SipKey) {
            v0 = key.k0 ^ 0x736f_6d65_7073_6575
            v1 = key.k1 ^ 0x646f_7261_6e64_6f6d
            v2 = key.k0 ^ 0x6c79_6765_6e65_7261
            v3 = key.k1 ^ 0x7465_6462_7974_6573
        }

        @inline(__always) private static func rotate(_ x: UInt64, _ bits: UInt64) -> UInt64 {
            x << bits | x >> (64 - bits)
        }

        @inline(__always) mutating func round() {
            v0 = v0 &+ v1
            v1 = Self.rotate(v1, 13) ^ v0
            v0 = Self.rotate(v0, 32)
            v2 = v2 &+ v3
            v3 = Self.rotate(v3, 16) ^ v2
            v0 = v0 &+ v3
            v3 = Self.rotate(v3, 21) ^ v0
            v2 = v2 &+ v1
            v1 = Self.rotate(v1, 17) ^ v2
            v2 = Self.rotate(v2, 32)
        }

        @inline(__always) mutating func absorb(_ word: UInt64) {
            v3 ^= word
            round()
            round()
            v0 ^= word
        }

        @inline(__always) mutating func finish() -> UInt64 {
            v2 ^= 0xff
            round()
            round()
            round()
            round()
            return v0 ^ v1 ^ v2 ^ v3
        }
    }
}
