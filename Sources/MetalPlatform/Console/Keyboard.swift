// A keyboard at the PS/2 controller, which translates to scan codes of set 1 (IBM PS/2 Hardware Interface Technical Reference,
// keyboard and auxiliary device controller). Keys become the bytes that a terminal would send, by the layout of the United States.

import CMetal
import Platform

struct Keyboard {
    /// Its interrupt on the ISA bus.
    static let interrupt: UInt16 = 1

    let isPresent: Bool
    private var isShifted = false
    private var isControlled = false
    private var isLocked = false
    /// The next code is of the second page.
    private var isExtended = false

    private static let data: UInt16 = 0x60
    private static let status: UInt16 = 0x64

    /// Switches interrupts and translation on.
    init() {
        // A bus without a device floats.
        guard dbk_in8(Self.status) != 0xff else {
            isPresent = false
            return
        }
        Self.drain()
        Self.command(0x20)
        guard let configuration = Self.wait() else {
            isPresent = false
            return
        }
        Self.command(0x60)
        Self.send(configuration & ~0x10 | 0x41)
        Self.command(0xae)
        // The keyboard itself begins to scan; it acknowledges.
        Self.send(0xf4)
        _ = Self.wait()
        Self.drain()
        isPresent = true
    }

    private static func drain() {
        var patience = 64
        while dbk_in8(status) & 1 != 0 && patience > 0 {
            _ = dbk_in8(data)
            patience -= 1
        }
    }

    private static func command(_ byte: UInt8) {
        waitForRoom()
        dbk_out8(status, byte)
    }
    private static func send(_ byte: UInt8) {
        waitForRoom()
        dbk_out8(data, byte)
    }
    private static func waitForRoom() {
        var patience = 100_000
        while dbk_in8(status) & 2 != 0 && patience > 0 { patience -= 1 }
    }
    private static func wait() -> UInt8? {
        var patience = 100_000
        while dbk_in8(status) & 1 == 0 {
            patience -= 1
            if patience == 0 { return nil }
        }
        return dbk_in8(data)
    }

    /// Gives what was typed to `take`, byte by byte.
    mutating func read(_ take: (UInt8) -> Void) {
        // What the controller's second port has belongs to a mouse.
        while case let state = dbk_in8(Self.status), state & 1 != 0 {
            let code = dbk_in8(Self.data)
            if state & 0x20 == 0 { hear(code, take) }
        }
    }

    private mutating func hear(_ code: UInt8, _ take: (UInt8) -> Void) {
        if code == 0xe0 {
            isExtended = true
            return
        }
        defer { isExtended = false }
        let isPressed = code & 0x80 == 0
        let key = code & 0x7f
        switch key {
        case 0x2a, 0x36:
            // With the second page it goes around an arrow key, and is no shift.
            if !isExtended { isShifted = isPressed }
            return
        case 0x1d:
            isControlled = isPressed
            return
        default: break
        }
        if !isPressed { return }
        if isExtended { return hearExtended(key, take) }
        if key == 0x3a {
            isLocked.toggle()
            return
        }
        let table: StaticString = isShifted ? Self.shifted : Self.plain
        guard Int(key) < table.utf8CodeUnitCount else { return }
        var byte = table.utf8Start[Int(key)]
        if byte == 0 { return }
        let isLetter = byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
        if isLetter && isLocked { byte ^= 0x20 }
        if isControlled { byte &= 0x1f }
        take(byte)
    }

    private func hearExtended(_ key: UInt8, _ take: (UInt8) -> Void) {
        let ending: StaticString
        switch key {
        case 0x48: ending = "A"
        case 0x50: ending = "B"
        case 0x4d: ending = "C"
        case 0x4b: ending = "D"
        case 0x47: ending = "H"
        case 0x4f: ending = "F"
        case 0x53: ending = "3~"
        case 0x1c: return take(0x0d)
        case 0x35: return take(UInt8(ascii: "/"))
        default: return
        }
        take(0x1b)
        take(UInt8(ascii: "["))
        for index in 0..<ending.utf8CodeUnitCount { take(ending.utf8Start[index]) }
    }

    // By scan code; zero where a key sends nothing.
    private static let plain: StaticString =
        "\0\u{1b}1234567890-=\u{7f}\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 "
    private static let shifted: StaticString =
        "\0\u{1b}!@#$%^&*()_+\u{7f}\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 "
}
