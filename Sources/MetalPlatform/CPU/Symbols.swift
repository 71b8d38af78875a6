// Names for a panic's addresses. `make kernel` passes the image's symbols as a PVH module (QEMU's -initrd): lines of
// "hexadecimal address, space, name", sorted by address, as `llvm-nm --numeric-sort` prints them. Without the module a
// backtrace has addresses alone.

import CMetal
import Platform

enum Symbols {
    /// The text, in memory that the loader filled and nobody reuses.
    nonisolated(unsafe) static var base: UInt = 0
    nonisolated(unsafe) static var byteCount = 0

    /// Prints " name+offset" of the last symbol at or below `address`.
    static func describe(_ address: UInt, _ out: PlainText) {
        guard byteCount > 0, let text = UnsafePointer<UInt8>(bitPattern: base) else { return }
        // Binary search for the last line whose address is not above.
        var low = 0
        var high = byteCount
        while low < high {
            let middle = lineStart((low + high) / 2, text, low)
            if value(text, middle) <= address {
                let next = lineEnd(middle, text)
                if next >= high || value(text, next) > address {
                    low = middle
                    break
                }
                low = next
            } else {
                high = middle
            }
        }
        if low >= byteCount { return }
        var at = low
        while at < byteCount && text[at] != 0x20 { at += 1 }
        out.text(" ")
        at += 1
        while at < byteCount && text[at] != 0x0a {
            out.byte(text[at])
            at += 1
        }
        out.text(" + ")
        out.decimal(UInt64(address &- value(text, low)))
    }

    private static func lineStart(_ at: Int, _ text: UnsafePointer<UInt8>, _ lowest: Int) -> Int {
        var at = at
        while at > lowest && text[at - 1] != 0x0a { at -= 1 }
        return at
    }

    private static func lineEnd(_ at: Int, _ text: UnsafePointer<UInt8>) -> Int {
        var at = at
        while at < byteCount && text[at] != 0x0a { at += 1 }
        return at + 1
    }

    private static func value(_ text: UnsafePointer<UInt8>, _ at: Int) -> UInt {
        var result: UInt = 0
        var at = at
        while at < byteCount {
            let c = text[at]
            switch c {
            case 0x30...0x39: result = result << 4 | UInt(c - 0x30)
            case 0x61...0x66: result = result << 4 | UInt(c - 0x61 + 10)
            default: return result
            }
            at += 1
        }
        return result
    }
}
