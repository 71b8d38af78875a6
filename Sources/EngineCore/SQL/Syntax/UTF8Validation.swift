// Checks that text is UTF-8 before anything reads it: shortest forms only, no surrogates, nothing above U+10FFFF, and no
// zero byte, which no text value of SQL can hold (RFC 3629; Unicode table 3-7).

import Platform

package enum UTF8Validation {
    /// Offset of the first byte that does not begin a well-formed character, nil if there is none. Linear; eight bytes at a
    /// time where text is ASCII.
    package static func firstInvalid(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        let count = bytes.count
        var index = 0
        while index < count {
            while index + 8 <= count {
                let word = base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                // High bit set in some byte, or some byte zero.
                if word & 0x8080_8080_8080_8080 != 0 { break }
                if (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 != 0 { break }
                index += 8
            }
            if index >= count { break }
            let length = characterLength(base + index, available: count - index)
            if length == 0 { return index }
            index += length
        }
        return nil
    }

    /// Bytes of the well-formed character at `start`, 0 if there is none.
    private static func characterLength(_ start: UnsafeRawPointer, available: Int) -> Int {
        func byte(_ offset: Int) -> UInt8 {
            offset < available ? start.load(fromByteOffset: offset, as: UInt8.self) : 0
        }
        func isContinuation(_ offset: Int) -> Bool { byte(offset) & 0xC0 == 0x80 }
        let first = byte(0)
        switch first {
        case 0x01...0x7F: return 1
        case 0xC2...0xDF: return isContinuation(1) ? 2 : 0
        case 0xE0...0xEF:
            let second = byte(1)
            if first == 0xE0 && second < 0xA0 || first == 0xED && second > 0x9F { return 0 }
            return isContinuation(1) && isContinuation(2) ? 3 : 0
        case 0xF0...0xF4:
            let second = byte(1)
            if first == 0xF0 && second < 0x90 || first == 0xF4 && second > 0x8F { return 0 }
            return isContinuation(1) && isContinuation(2) && isContinuation(3) ? 4 : 0
        default: return 0
        }
    }

    /// Errors: 22021, naming the bytes, if `bytes` are not valid.
    package static func check(_ bytes: UnsafeRawBufferPointer) throws(EngineError) {
        guard let index = firstInvalid(in: bytes) else { return }
        throw invalid(UnsafeRawBufferPointer(rebasing: bytes[index...]))
    }

    /// The error for text whose first bytes are not a character.
    package static func invalid(_ bytes: UnsafeRawBufferPointer) -> EngineError {
        let first = bytes.isEmpty ? 0 : bytes[0]
        let length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 1
        var text = "invalid byte sequence for encoding \"UTF8\":"
        for byte in bytes.prefix(length) { text += " 0x" + hexadecimal(byte) }
        return EngineError(.characterNotInRepertoire, text)
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        String(decoding: [digit(byte >> 4), digit(byte & 15)], as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

/// The 1-based character position of a byte offset: what an error message's position counts.
package func characterPosition(ofByte offset: Int, in source: UnsafeRawBufferPointer) -> Int {
    var position = 1
    for index in 0..<min(offset, source.count) where source[index] & 0xC0 != 0x80 { position += 1 }
    return position
}
