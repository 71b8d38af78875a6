// Small things about bytes that are text.

import Platform

/// Decodes bytes for a message.
@inline(never) func quoted(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
@inline(never) func quoted(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

extension UInt8 {
    /// As C's isspace in the "C" locale.
    @inline(__always) var isSpace: Bool { self == 0x20 || (self >= 0x09 && self <= 0x0D) }
    @inline(__always) var isDigit: Bool { self >= 0x30 && self <= 0x39 }
    @inline(__always) var isLetter: Bool { (self | 0x20) >= 0x61 && (self | 0x20) <= 0x7A }
    /// ASCII letters to lower case.
    @inline(__always) var lowered: UInt8 { self >= 0x41 && self <= 0x5A ? self | 0x20 : self }
    @inline(__always) var uppered: UInt8 { self >= 0x61 && self <= 0x7A ? self & 0xDF : self }
    /// Value of a hexadecimal digit, nil for anything else.
    @inline(__always) var hexValue: UInt8? {
        if isDigit { return self - 0x30 }
        let letter = self | 0x20
        return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : nil
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always) package func slice(_ from: Int, _ to: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[from..<to])
    }
    @inline(__always) func slice(from: Int) -> UnsafeRawBufferPointer { slice(from, count) }
    /// Without leading and trailing white space.
    var trimmed: UnsafeRawBufferPointer {
        var low = 0
        var high = count
        while low < high, self[low].isSpace { low += 1 }
        while high > low, self[high - 1].isSpace { high -= 1 }
        return slice(low, high)
    }
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where self[index] != text.utf8Start[index] { return false }
        return true
    }
    /// Equality with lower-case `text`, ASCII letters in any case.
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where self[index].lowered != text.utf8Start[index] { return false }
        return true
    }
    /// True if lower-case `text` begins with these bytes, in any case.
    func isPrefixIgnoringCase(of text: StaticString) -> Bool {
        guard count <= text.utf8CodeUnitCount else { return false }
        for index in 0..<count where self[index].lowered != text.utf8Start[index] { return false }
        return true
    }
}

/// UTF-8, the only server encoding.
package enum UTF8Text {
    /// Bytes of the character that starts with `lead`; 1 for a byte that starts none.
    @inline(__always) package static func length(lead: UInt8) -> Int {
        lead < 0xC0 ? 1 : (lead < 0xE0 ? 2 : (lead < 0xF0 ? 3 : 4))
    }
    /// Characters in valid UTF-8.
    package static func characterCount(_ bytes: UnsafeRawBufferPointer) -> Int {
        var count = 0
        for byte in bytes where byte & 0xC0 != 0x80 { count += 1 }
        return count
    }
    /// Byte position of character number `index` (0-based); the end if there are fewer.
    package static func offset(_ bytes: UnsafeRawBufferPointer, character index: Int) -> Int {
        var position = 0
        var seen = 0
        while position < bytes.count, seen < index {
            position += length(lead: bytes[position])
            seen += 1
        }
        return Swift.min(position, bytes.count)
    }
    /// The longest prefix of at most `limit` bytes that ends between characters.
    package static func clip(_ bytes: UnsafeRawBufferPointer, _ limit: Int) -> UnsafeRawBufferPointer {
        if bytes.count <= limit { return bytes }
        var end = limit
        while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return bytes.slice(0, end)
    }
    /// The code point at `position` and its length. Precondition: valid UTF-8.
    package static func decode(_ bytes: UnsafeRawBufferPointer, _ position: Int) -> (scalar: UInt32, length: Int) {
        let lead = UInt32(bytes[position])
        if lead < 0x80 { return (lead, 1) }
        let size = length(lead: bytes[position])
        guard position + size <= bytes.count else { return (lead, 1) }
        var scalar = size == 2 ? lead & 0x1F : (size == 3 ? lead & 0x0F : lead & 0x07)
        for index in 1..<Swift.max(size, 2) where size > 1 {
            scalar = scalar << 6 | UInt32(bytes[position + index] & 0x3F)
        }
        return (scalar, size)
    }
    package static func encode(_ scalar: UInt32, into buffer: inout ByteBuffer) {
        if scalar < 0x80 {
            buffer.append(UInt8(scalar))
        } else if scalar < 0x800 {
            buffer.append(UInt8(0xC0 | scalar >> 6))
            buffer.append(UInt8(0x80 | scalar & 0x3F))
        } else if scalar < 0x10000 {
            buffer.append(UInt8(0xE0 | scalar >> 12))
            buffer.append(UInt8(0x80 | scalar >> 6 & 0x3F))
            buffer.append(UInt8(0x80 | scalar & 0x3F))
        } else {
            buffer.append(UInt8(0xF0 | scalar >> 18))
            buffer.append(UInt8(0x80 | scalar >> 12 & 0x3F))
            buffer.append(UInt8(0x80 | scalar >> 6 & 0x3F))
            buffer.append(UInt8(0x80 | scalar & 0x3F))
        }
    }
    /// Throws 22021 unless `bytes` are well-formed UTF-8 without NUL. Everything that enters as text passes here once.
    package static func validate(_ bytes: UnsafeRawBufferPointer) throws(EngineError) {
        var position = 0
        let count = bytes.count
        while position < count {
            let lead = bytes[position]
            if lead < 0x80, lead != 0 {
                position += 1
                continue
            }
            let size = lead == 0 ? 0 : validLength(bytes, position)
            if size == 0 { throw invalid(bytes, position) }
            position += size
        }
    }
    /// Length of the well-formed character at `position` (RFC 3629 section 4), 0 if it is malformed.
    private static func validLength(_ bytes: UnsafeRawBufferPointer, _ position: Int) -> Int {
        let lead = bytes[position]
        let size =
            lead >= 0xC2 && lead < 0xE0 ? 2 : (lead >= 0xE0 && lead < 0xF0 ? 3 : (lead >= 0xF0 && lead < 0xF5 ? 4 : 0))
        guard size > 0, position + size <= bytes.count else { return 0 }
        for index in 1..<size where bytes[position + index] & 0xC0 != 0x80 { return 0 }
        let second = bytes[position + 1]
        switch lead {
        case 0xE0 where second < 0xA0, 0xED where second > 0x9F, 0xF0 where second < 0x90, 0xF4 where second > 0x8F:
            return 0
        default: return size
        }
    }
    private static func invalid(_ bytes: UnsafeRawBufferPointer, _ position: Int) -> EngineError {
        var text = "invalid byte sequence for encoding \"UTF8\":"
        let hex: [UInt8] = Array("0123456789abcdef".utf8)
        let shown = Swift.min(length(lead: bytes[position]), bytes.count - position)
        for index in position..<(position + shown) {
            let byte = bytes[index]
            text += " 0x" + String(decoding: [hex[Int(byte >> 4)], hex[Int(byte & 15)]], as: UTF8.self)
        }
        return EngineError(.characterNotInRepertoire, text)
    }
}

extension [UInt8] {
    /// The bytes, valid during `body`.
    package func withRaw<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try withUnsafeBufferPointer { (buffer) throws(E) -> R in try body(UnsafeRawBufferPointer(buffer)) }
    }
}
