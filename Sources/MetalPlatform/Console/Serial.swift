// The console: a 16550 UART at COM1, 115200 8N1 (National PC16550D data sheet). Every byte goes out before the call
// returns, so what a panic says is not lost.

import CMetal
import Platform

struct SerialPort: ~Copyable {
    private let base: UInt16
    private let guardLock = SpinLock()
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

    /// `isPanic`: without the lock, whose holder may be the one that panics.
    func write(_ bytes: UnsafeRawBufferPointer, isPanic: Bool = false) {
        if !isPresent { return }
        if !isPanic { guardLock.lock() }
        for byte in bytes {
            if byte == 0x0a { put(0x0d) }
            put(byte)
        }
        if !isPanic { guardLock.unlock() }
    }

    /// A byte that has come, if one has. On one core.
    func read() -> UInt8? { dbk_in8(base + 5) & 1 != 0 ? dbk_in8(base) : nil }

    /// From now on a byte that comes raises the port's interrupt at once.
    func interruptOnInput() {
        dbk_out8(base + 2, 0x01)  // FIFOs stay on; one byte is enough
        dbk_out8(base + 1, 0x01)
    }

    func put(_ byte: UInt8) {
        var patience = 1_000_000
        while dbk_in8(base + 5) & 0x20 == 0 && patience > 0 { patience -= 1 }
        dbk_out8(base, byte)
    }
}

/// Writes without allocating: for panics and for the time before there is a heap.
struct PlainText {
    private let serial: UnsafeMutablePointer<SerialPort>
    init(_ serial: UnsafeMutablePointer<SerialPort>) { self.serial = serial }

    func text(_ string: StaticString) {
        serial.pointee.write(
            UnsafeRawBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount), isPanic: true)
    }

    func byte(_ byte: UInt8) { serial.pointee.put(byte) }

    func hex(_ value: UInt64, digits: Int = 16) {
        for digit in (0..<digits).reversed() {
            let nibble = UInt8(value >> UInt64(digit * 4) & 15)
            serial.pointee.put(nibble < 10 ? 0x30 + nibble : 0x61 + nibble - 10)
        }
    }

    func decimal(_ value: UInt64) {
        var divisor: UInt64 = 1
        while value / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            serial.pointee.put(0x30 + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }
}
