// Random bytes: a stream whose secret is mixed from RDRAND where the processor has it (SDM volume 1, 7.3.17), from a virtio
// entropy device where the machine has one, and from the time-stamp counter, which alone is no secret; the console says so at
// the start.

import CMetal
import Platform

enum Entropy {
    nonisolated(unsafe) private static var stream = RandomStream()
    nonisolated(unsafe) private static var device: VirtioEntropy?
    private static let lock = SpinLock()
    private static var hasInstruction: Bool { dbk_cpuid(1, 0).c & 1 << 30 != 0 }
    /// Calls since something other than the time was mixed in.
    nonisolated(unsafe) private static var age = UInt32.max
    private static let ageLimit: UInt32 = 1024

    /// At the start, by the only core. What the bytes come from, for the console; nil if from nothing secret.
    static func setUp(_ found: VirtioEntropy?, clock: Clock) -> String? {
        device = found
        let end = clock.now + .milliseconds(100)
        var hasAnswer = false
        while found != nil && !hasAnswer && clock.now < end { hasAnswer = takeFromDevice() }
        let hasWord = hasInstruction && takeFromInstruction()
        stream.mix(dbk_processor_tsc())
        age = 0
        if hasAnswer { return hasWord ? "RDRAND and a virtio device" : "a virtio device" }
        return hasWord ? "RDRAND" : nil
    }

    static func fill(_ bytes: UnsafeMutableRawBufferPointer) {
        lock.lock()
        defer { lock.unlock() }
        stream.mix(dbk_processor_tsc())
        age &+= 1
        if age > ageLimit {
            _ = takeFromDevice()
            if hasInstruction { _ = takeFromInstruction() }
            age = 0
        }
        stream.fill(bytes)
    }

    private static func takeFromDevice() -> Bool { device?.take { stream.mix($0) } ?? false }

    /// 256 bits, with the manual's ten tries for each word. False if the processor gives none.
    private static func takeFromInstruction() -> Bool {
        for _ in 0..<4 {
            var value: UInt64 = 0
            var tries = 0
            while dbk_rdrand(&value) == 0 {
                tries += 1
                if tries == 10 { return false }
            }
            stream.mix(value)
        }
        return true
    }
}
