// Upper and lower case of single code points: ASCII, Latin-1, Latin Extended-A, Greek and Cyrillic, where the mapping is
// one to one and regular. Other letters stay as they are.

enum CaseMapping {
    static func lower(_ scalar: UInt32) -> UInt32 {
        if scalar < 0x80 { return scalar >= 0x41 && scalar <= 0x5A ? scalar + 32 : scalar }
        switch scalar {
        case 0xC0...0xD6, 0xD8...0xDE: return scalar + 32
        case 0x100...0x12F, 0x132...0x137, 0x14A...0x177: return scalar | 1
        case 0x139...0x148, 0x179...0x17E: return scalar & 1 == 1 ? scalar + 1 : scalar
        case 0x178: return 0xFF
        case 0x386: return 0x3AC
        case 0x388...0x38A: return scalar + 37
        case 0x38C: return 0x3CC
        case 0x38E, 0x38F: return scalar + 63
        case 0x391...0x3A1, 0x3A3...0x3AB: return scalar + 32
        case 0x400...0x40F: return scalar + 80
        case 0x410...0x42F: return scalar + 32
        case 0x460...0x481, 0x48A...0x4BF, 0x4D0...0x52F, 0x1E00...0x1E95, 0x1EA0...0x1EFF: return scalar | 1
        default: return scalar
        }
    }
    static func upper(_ scalar: UInt32) -> UInt32 {
        if scalar < 0x80 { return scalar >= 0x61 && scalar <= 0x7A ? scalar - 32 : scalar }
        switch scalar {
        case 0xB5: return 0x39C
        case 0xE0...0xF6, 0xF8...0xFE: return scalar - 32
        case 0x131, 0x130: return scalar == 0x131 ? 0x49 : scalar
        case 0x100...0x12F, 0x132...0x137, 0x14A...0x177: return scalar & ~1
        case 0x139...0x148, 0x179...0x17E: return scalar & 1 == 0 ? scalar - 1 : scalar
        case 0xFF: return 0x178
        case 0x3AC: return 0x386
        case 0x3AD...0x3AF: return scalar - 37
        case 0x3CC: return 0x38C
        case 0x3CD, 0x3CE: return scalar - 63
        case 0x3C2: return 0x3A3
        case 0x3B1...0x3C1, 0x3C3...0x3CB: return scalar - 32
        case 0x450...0x45F: return scalar - 80
        case 0x430...0x44F: return scalar - 32
        case 0x460...0x481, 0x48A...0x4BF, 0x4D0...0x52F, 0x1E00...0x1E95, 0x1EA0...0x1EFF: return scalar & ~1
        default: return scalar
        }
    }
    static func isLetter(_ scalar: UInt32) -> Bool {
        if scalar < 0x80 { return (scalar | 32) >= 0x61 && (scalar | 32) <= 0x7A }
        return scalar == 0xAA || scalar == 0xB5 || scalar == 0xBA
            || (scalar >= 0xC0 && scalar != 0xD7 && scalar != 0xF7)
    }
    static func isDigit(_ scalar: UInt32) -> Bool { scalar >= 0x30 && scalar <= 0x39 }

    /// The text with each code point mapped.
    static func map(_ text: UnsafeRawBufferPointer, into buffer: inout ByteBuffer, _ mapping: (UInt32) -> UInt32) {
        buffer.reserve(text.count)
        var position = 0
        while position < text.count {
            let (scalar, size) = UTF8Text.decode(text, position)
            UTF8Text.encode(mapping(scalar), into: &buffer)
            position += size
        }
    }
}
