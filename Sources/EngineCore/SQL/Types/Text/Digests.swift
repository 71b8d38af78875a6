// MD5 (RFC 1321) and SHA-2 of 256 and 224 bits (FIPS 180-4).

package enum Digests {
    package static func md5(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        let shifts: [UInt32] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
        var state: (UInt32, UInt32, UInt32, UInt32) = (0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476)
        let constants = sineConstants
        eachBlock(bytes, bigEndianLength: false) { block in
            var (a, b, c, d) = state
            for i in 0..<64 {
                var f: UInt32
                let g: Int
                switch i / 16 {
                case 0: (f, g) = (b & c | ~b & d, i)
                case 1: (f, g) = (d & b | ~d & c, (5 * i + 1) % 16)
                case 2: (f, g) = (b ^ c ^ d, (3 * i + 5) % 16)
                default: (f, g) = (c ^ (b | ~d), 7 * i % 16)
                }
                f =
                    f &+ a &+ constants[i]
                    &+ UInt32(littleEndian: block.loadUnaligned(fromByteOffset: 4 * g, as: UInt32.self))
                let shift = shifts[i / 16 * 4 + i % 4]
                (a, d, c, b) = (d, c, b, b &+ (f << shift | f >> (32 - shift)))
            }
            state = (state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d)
        }
        var result: [UInt8] = []
        for word in [state.0, state.1, state.2, state.3] {
            for index in 0..<4 { result.append(UInt8(truncatingIfNeeded: word >> UInt32(8 * index))) }
        }
        return result
    }
    /// ⌊2³² |sin(i + 1)|⌋.
    private static let sineConstants: [UInt32] = (1...64).map {
        UInt32(truncatingIfNeeded: Int64(FloatMath.sineCosine(Double($0)).sine.magnitude * 4_294_967_296))
    }

    package static func sha256(_ bytes: UnsafeRawBufferPointer, short: Bool = false) -> [UInt8] {
        var state: [UInt32] =
            short
            ? [0xc105_9ed8, 0x367c_d507, 0x3070_dd17, 0xf70e_5939, 0xffc0_0b31, 0x6858_1511, 0x64f9_8fa7, 0xbefa_4fa4]
            : [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19]
        eachBlock(bytes, bigEndianLength: true) { block in
            var w: InlineArray<64, UInt32> = .init(repeating: 0)
            for i in 0..<16 { w[i] = UInt32(bigEndian: block.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)) }
            for i in 16..<64 {
                let s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3
                let s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10
                w[i] = w[i - 16] &+ s0 &+ w[i - 7] &+ s1
            }
            var (a, b, c, d) = (state[0], state[1], state[2], state[3])
            var (e, f, g, h) = (state[4], state[5], state[6], state[7])
            for i in 0..<64 {
                let s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
                let choice = e & f ^ ~e & g
                let t1 = h &+ s1 &+ choice &+ sha256Constants[i] &+ w[i]
                let s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
                let majority = a & b ^ a & c ^ b & c
                (h, g, f, e) = (g, f, e, d &+ t1)
                (d, c, b, a) = (c, b, a, t1 &+ s0 &+ majority)
            }
            for (i, word) in [a, b, c, d, e, f, g, h].enumerated() { state[i] = state[i] &+ word }
        }
        var result: [UInt8] = []
        for word in state.prefix(short ? 7 : 8) {
            for index in (0..<4).reversed() { result.append(UInt8(truncatingIfNeeded: word >> UInt32(8 * index))) }
        }
        return result
    }
    private static func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 { value >> count | value << (32 - count) }
    private static let sha256Constants: [UInt32] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
        0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
        0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
        0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
    ]

    /// The message in 64-byte blocks, padded with 0x80, zeros and its length in bits.
    private static func eachBlock(
        _ bytes: UnsafeRawBufferPointer, bigEndianLength: Bool, _ body: (UnsafeRawPointer) -> Void
    ) {
        var position = 0
        if let base = bytes.baseAddress {
            while position + 64 <= bytes.count {
                body(base + position)
                position += 64
            }
        }
        var tail = [UInt8](bytes.slice(from: position))
        tail.append(0x80)
        while tail.count % 64 != 56 { tail.append(0) }
        let bits = UInt64(bytes.count) * 8
        for index in 0..<8 {
            let shift = UInt64(8 * (bigEndianLength ? 7 - index : index))
            tail.append(UInt8(truncatingIfNeeded: bits >> shift))
        }
        tail.withRaw { raw in
            var offset = 0
            while offset < raw.count {
                body(raw.baseAddress.unsafelyUnwrapped + offset)
                offset += 64
            }
        }
    }
}
