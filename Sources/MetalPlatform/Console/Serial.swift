// A 16550 UART at COM1, 115200 8N1 (National PC16550D data sheet). Every byte goes out before the call returns, so what a panic
// says is not lost.

import CMetal
import Platform

struct SerialPort: ~Copyable {
    private let base: UInt16
    /// False if nothing answers at the port; then bytes go nowhere.
    let isPresent: Bool

    init(base: UInt16 = 0x3f8) {
        self.base = base
        dbk_out8(base + 1, 0)  // no interrupts
        dbk_out8(base + 3, 0x80)  // divisor latch
        dbk_out8(base, 1)
        dbk_out8(base + 1, 0)
        dbk_out8(base + 3, 0x03)  // 8 bits, no parity, one stop bit
        dbk_out8(base + 2, 0xc7)  // FIFOs on and cleared
        dbk_out8(base + 4, 0x0b)  // DTR, RTS, OUT2
        dbk_out8(base + 7, 0x5a)  // scratch register
        isPresent = dbk_in8(base + 7) == 0x5a
    }

    /// A byte that has come, if one has. On one core.
    func read() -> UInt8? { dbk_in8(base + 5) & 1 != 0 ? dbk_in8(base) : nil }

    /// From now on a byte that comes raises the port's interrupt at once.
    func interruptOnInput() {
        dbk_out8(base + 2, 0x01)  // FIFOs stay on; one byte is enough
        dbk_out8(base + 1, 0x01)
    }

    func put(_ byte: UInt8) {
        if !isPresent { return }
        var patience = 1_000_000
        while dbk_in8(base + 5) & 0x20 == 0 && patience > 0 { patience -= 1 }
        dbk_out8(base, byte)
    }
}
