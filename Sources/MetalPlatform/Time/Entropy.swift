// Random bytes: RDRAND where the processor has it (SDM volume 1, 7.3.17). Without it they come from the time-stamp counter
// and are no secret; the console says so at the start.

import CMetal
import Platform

enum Entropy {
    static var isGood: Bool { dbk_cpuid(1, 0).c & 1 << 30 != 0 }

    /// Counts calls, so that two words never repeat without RDRAND.
    nonisolated(unsafe) private static var count: UInt64 = 0

    static func fill(_ bytes: UnsafeMutableRawBufferPointer) {
        let hasInstruction = isGood
        var at = 0
        while at < bytes.count {
            var word = hasInstruction ? next() : nil
            if word == nil {
                count &+= 0x9e37_79b9_7f4a_7c15
                var mixed = dbk_processor_tsc() ^ count
                mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
                mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
                word = mixed ^ (mixed >> 31)
            }
            var left = word ?? 0
            for _ in 0..<min(8, bytes.count - at) {
                bytes[at] = UInt8(truncatingIfNeeded: left)
                left >>= 8
                at += 1
            }
        }
    }

    /// The manual's ten tries.
    private static func next() -> UInt64? {
        var value: UInt64 = 0
        for _ in 0..<10 where dbk_rdrand(&value) != 0 { return value }
        return nil
    }
}
