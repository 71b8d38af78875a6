// The local APIC, by its memory registers (SDM volume 3, chapter 11): interprocessor interrupts, a one-shot timer, and the
// acknowledgement that traps.S writes.

import CMetal
import Platform

struct LocalAPIC {
    let base: UInt

    private enum Register {
        static let id: UInt = 0x20
        static let endOfInterrupt: UInt = 0xb0
        static let spurious: UInt = 0xf0
        static let commandLow: UInt = 0x300
        static let commandHigh: UInt = 0x310
        static let timer: UInt = 0x320
        static let lint0: UInt = 0x350
        static let initialCount: UInt = 0x380
        static let currentCount: UInt = 0x390
        static let divide: UInt = 0x3e0
    }

    /// What ends a halt: a device's message, another core, the timer. All do the same, which is nothing.
    static let wakeVector: UInt32 = 0x40
    /// The same, but noted: for what is not looked at in every turn.
    static let noticeVector: UInt32 = 0x41

    /// The registers must be mapped.
    init(base: UInt) { self.base = base }

    /// On each core: enabled, legacy lines masked.
    func enable() {
        dbk_wrmsr(0x1b, UInt64(base) | dbk_rdmsr(0x1b) & 0x100 | 0x800)
        dbk_write32(base + Register.spurious, 0x1ff)
        dbk_write32(base + Register.lint0, 0x10000)
        dbk_write32(base + Register.timer, 0x10000)
        dbk_write32(base + Register.divide, 3)  // by 16
    }

    var id: UInt32 { dbk_read32(base + Register.id) >> 24 }

    // MARK: Timer

    var timerCount: UInt32 { dbk_read32(base + Register.currentCount) }

    /// One shot; 0 stops it.
    func startTimer(count: UInt32, vector: UInt32, isMasked: Bool = false) {
        dbk_write32(base + Register.timer, vector | (isMasked ? 0x10000 : 0))
        dbk_write32(base + Register.initialCount, count)
    }

    // MARK: Other cores

    private func command(_ target: UInt32, _ value: UInt32) {
        while dbk_read32(base + Register.commandLow) & 0x1000 != 0 {}
        dbk_write32(base + Register.commandHigh, target << 24)
        dbk_write32(base + Register.commandLow, value)
    }

    func interrupt(_ target: UInt32) { command(target, 0x4000 | Self.wakeVector) }
    func sendInit(_ target: UInt32) { command(target, 0x4500) }
    /// The core starts in real mode at `page` × 4096.
    func sendStartup(_ target: UInt32, page: UInt32) { command(target, 0x4600 | page) }
}
