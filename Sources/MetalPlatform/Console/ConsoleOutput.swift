// The console: the serial line and, where they are, the screen and a virtio console, or those of them that the command line names.
// What is written goes to all before the call returns.

import CMetal
import Platform

struct ConsoleOutput: ~Copyable {
    let serial = SerialPort()
    private var screen: TextScreen
    /// Comes once the bus has been looked at.
    private(set) var device: VirtioConsole?
    private var usesSerial = true
    private var usesScreen = true
    private let guardLock = SpinLock()

    /// `cells`: what the screen wants.
    init(cells: UnsafeMutablePointer<UInt16>) { screen = TextScreen(cells) }

    var hasScreen: Bool { screen.isPresent && usesScreen }
    var hasSerial: Bool { serial.isPresent && usesSerial }

    /// From now on.
    mutating func use(serial: Bool, screen: Bool, device: VirtioConsole?) {
        usesSerial = serial
        usesScreen = screen
        self.device = device
    }

    /// `isPanic`: without the lock, whose holder may be the one that panics.
    mutating func write(_ bytes: UnsafeRawBufferPointer, isPanic: Bool = false) {
        if !isPanic { guardLock.lock() }
        for byte in bytes {
            if byte == 0x0a { transfer(0x0d, isPanic) }
            transfer(byte, isPanic)
        }
        screen.show()
        device?.flush()
        if !isPanic { guardLock.unlock() }
    }

    /// Of a panic, without the lock.
    mutating func put(_ byte: UInt8) {
        transfer(byte, true)
        screen.show()
        device?.flush()
    }

    /// A panic is told everywhere.
    private mutating func transfer(_ byte: UInt8, _ isPanic: Bool) {
        if usesSerial || isPanic { serial.put(byte) }
        if usesScreen || isPanic { screen.put(byte) }
        device?.put(byte)
    }
}

/// Writes without allocating: for panics and for the time before there is a heap.
struct PlainText {
    private let console: UnsafeMutablePointer<ConsoleOutput>
    init(_ console: UnsafeMutablePointer<ConsoleOutput>) { self.console = console }

    func text(_ string: StaticString) {
        console.pointee.write(
            UnsafeRawBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount), isPanic: true)
    }

    func byte(_ byte: UInt8) { console.pointee.put(byte) }

    func hex(_ value: UInt64, digits: Int = 16) {
        for digit in (0..<digits).reversed() {
            let nibble = UInt8(value >> UInt64(digit * 4) & 15)
            console.pointee.put(nibble < 10 ? 0x30 + nibble : 0x61 + nibble - 10)
        }
    }

    func decimal(_ value: UInt64) {
        var divisor: UInt64 = 1
        while value / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            console.pointee.put(0x30 + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }
}
