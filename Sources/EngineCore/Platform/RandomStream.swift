// Random bytes from a secret of 32 bytes, for platforms that get only a few of them from their hardware: ChaCha20's key stream
// (RFC 8439, section 2.3) with fast key erasure (Bernstein, "Fast-key-erasure random-number generators", 2017): every call first
// replaces the secret, so who learns it learns nothing of what was given out before.

package struct RandomStream: ~Copyable {
    private var key: [8 of UInt32] = .init(repeating: 0)

    /// Of no use before something secret was mixed in.
    package init() {}

    /// Adds what somebody else may or may not know. It replaces nothing: knowing it does not help.
    package mutating func mix(_ word: UInt64) {
        key[0] ^= UInt32(truncatingIfNeeded: word)
        key[1] ^= UInt32(truncatingIfNeeded: word >> 32)
        // So that the next word falls on all of it.
        turn()
    }

    /// Fills `bytes`; some 300 cycles and as many again for every 64 bytes.
    package mutating func fill(_ bytes: UnsafeMutableRawBufferPointer) {
        let secret = key
        turn()
        var at = 0
        var number: UInt32 = 1
        while at < bytes.count {
            let block = Self.block(secret, counter: number, nonce: (0, 0, 0))
            number &+= 1
            for index in 0..<min(64, bytes.count - at) {
                bytes[at + index] = UInt8(truncatingIfNeeded: block[index / 4] >> UInt32(index % 4 * 8))
            }
            at += 64
        }
    }

    /// Block 0 becomes the new secret; the others of the old one are what is given out.
    private mutating func turn() {
        let block = Self.block(key, counter: 0, nonce: (0, 0, 0))
        for index in 0..<8 { key[index] = block[index] }
    }

    /// The block function of RFC 8439, section 2.3.
    package static func block(
        _ key: [8 of UInt32], counter: UInt32, nonce: (UInt32, UInt32, UInt32)
    ) -> [16 of UInt32] {
        var start: [16 of UInt32] = .init(repeating: 0)
        start[0] = 0x6170_7865
        start[1] = 0x3320_646e
        start[2] = 0x7962_2d32
        start[3] = 0x6b20_6574
        for index in 0..<8 { start[4 + index] = key[index] }
        start[12] = counter
        start[13] = nonce.0
        start[14] = nonce.1
        start[15] = nonce.2
        var state = start
        for _ in 0..<10 {
            for column in 0..<4 { quarterRound(&state, column, column + 4, column + 8, column + 12) }
            for column in 0..<4 {
                quarterRound(&state, column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
            }
        }
        for index in 0..<16 { state[index] &+= start[index] }
        return state
    }

    @inline(__always)
    private static func quarterRound(_ state: inout [16 of UInt32], _ a: Int, _ b: Int, _ c: Int, _ d: Int) {
        func step(_ x: Int, _ y: Int, _ z: Int, _ count: UInt32) {
            state[x] &+= state[y]
            let mixed = state[z] ^ state[x]
            state[z] = mixed << count | mixed >> (32 - count)
        }
        step(a, b, d, 16)
        step(c, d, b, 12)
        step(a, b, d, 8)
        step(c, d, b, 7)
    }
}
