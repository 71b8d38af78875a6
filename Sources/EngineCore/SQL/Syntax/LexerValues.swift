// The values of tokens: names folded and cut, strings freed of quotes and escapes, numbers.

import Platform

extension Lexer {
    // MARK: Names

    /// The name of a word (any keyword may serve as one) or quoted name.
    mutating func name(_ token: Token) throws(SyntaxFailure) -> Name {
        let start = Int(token.start)
        let end = Int(token.end)
        switch token.kind {
        case .quotedName:
            return truncated(undoubled(start + 1, end - 1, quote: UInt8(ascii: "\""), isSpliced: token.isSpliced))
        case .unicodeName: return truncated(try unicodeEscaped(token))
        default:
            let source = slice(start, end)
            let bytes = [UInt8](unsafeUninitializedCapacity: source.count) { buffer, count in
                for index in 0..<source.count { buffer[index] = lowercased(source[index]) }
                count = source.count
            }
            return truncated(bytes)
        }
    }

    /// Cut to the longest name, between characters.
    private func truncated(_ bytes: [UInt8]) -> Name {
        if bytes.count <= Name.maximumByteCount { return Name(bytes) }
        var end = Name.maximumByteCount
        while end > 0 && bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return Name([UInt8](bytes[..<end]))
    }

    private func undoubled(_ start: Int, _ end: Int, quote: UInt8, isSpliced: Bool) -> [UInt8] {
        if !isSpliced { return [UInt8](slice(start, end)) }
        var bytes: [UInt8] = []
        var index = start
        while index < end {
            bytes.append(base[index])
            index += base[index] == quote ? 2 : 1
        }
        return bytes
    }

    // MARK: Strings

    /// The value of a string token of any kind.
    mutating func string(_ token: Token) throws(SyntaxFailure) -> [UInt8] {
        let start = Int(token.start)
        let end = Int(token.end)
        switch token.kind {
        case .string: return spliced(start + 1, end - 1, isSpliced: token.isSpliced)
        case .bitString, .hexString, .nationalString: return spliced(start + 2, end - 1, isSpliced: token.isSpliced)
        case .unicodeString: return try unicodeEscaped(token)
        case .dollarString:
            var tag = start + 1
            while base[tag] != UInt8(ascii: "$") { tag += 1 }
            return [UInt8](slice(tag + 1, end - (tag + 1 - start)))
        default: return try unescaped(start + 2, end - 1)
        }
    }

    /// Doubled quotes made single, parts joined.
    private func spliced(_ start: Int, _ end: Int, isSpliced: Bool) -> [UInt8] {
        if !isSpliced { return [UInt8](slice(start, end)) }
        var bytes: [UInt8] = []
        var index = start
        while index < end {
            if base[index] == UInt8(ascii: "'") {
                if base[index + 1] == UInt8(ascii: "'") {
                    bytes.append(UInt8(ascii: "'"))
                    index += 2
                } else {
                    index = continuation(after: index + 1)
                }
            } else {
                bytes.append(base[index])
                index += 1
            }
        }
        return bytes
    }

    /// E'…': the escapes of C, and \u and \U.
    private mutating func unescaped(_ start: Int, _ end: Int) throws(SyntaxFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        var index = start
        var mayBeInvalid = false
        while index < end {
            let byte = base[index]
            if byte == UInt8(ascii: "'") {
                if base[index + 1] == byte {
                    bytes.append(byte)
                    index += 2
                } else {
                    index = continuation(after: index + 1)
                }
                continue
            }
            if byte != UInt8(ascii: "\\") {
                bytes.append(byte)
                index += 1
                continue
            }
            let escape = base[index + 1]
            index += 2
            switch escape {
            case UInt8(ascii: "b"): bytes.append(8)
            case UInt8(ascii: "f"): bytes.append(12)
            case UInt8(ascii: "n"): bytes.append(10)
            case UInt8(ascii: "r"): bytes.append(13)
            case UInt8(ascii: "t"): bytes.append(9)
            case UInt8(ascii: "0")...UInt8(ascii: "7"):
                index -= 1
                bytes.append(numericEscape(&index, limit: index + 3, base: 8))
                mayBeInvalid = true
            case UInt8(ascii: "x") where hexadecimalValue(self.byte(index)) != nil:
                bytes.append(numericEscape(&index, limit: index + 2, base: 16))
                mayBeInvalid = true
            case UInt8(ascii: "u"), UInt8(ascii: "U"):
                try appendUnicode(&bytes, &index, isLong: escape == UInt8(ascii: "U"))
            default: bytes.append(escape)
            }
        }
        if mayBeInvalid { try checkUTF8(bytes, start) }
        return bytes
    }

    /// Up to `limit`, digits of base 8 or 16, modulo 256.
    private func numericEscape(_ index: inout Int, limit: Int, base radix: UInt8) -> UInt8 {
        var value: UInt8 = 0
        while index < limit, let digit = hexadecimalValue(byte(index)), digit < radix {
            value = value &* radix &+ digit
            index += 1
        }
        return value
    }

    private mutating func checkUTF8(_ bytes: [UInt8], _ start: Int) throws(SyntaxFailure) {
        let error = bytes.withUnsafeBytes { bytes -> EngineError? in
            UTF8Validation.firstInvalid(in: bytes).map {
                UTF8Validation.invalid(UnsafeRawBufferPointer(rebasing: bytes[$0...]))
            }
        }
        if let error {
            failure = error
            throw SyntaxFailure()
        }
    }

    /// After `\u` or `\U` in E'…'; the second half of a surrogate pair must follow the first.
    private mutating func appendUnicode(_ bytes: inout [UInt8], _ index: inout Int, isLong: Bool) throws(SyntaxFailure)
    {
        let start = index - 2
        let hint = "Unicode escapes must be \\uXXXX or \\UXXXXXXXX."
        guard var value = hexadecimal(index, isLong ? 8 : 4) else {
            try failPlainly("invalid Unicode escape", start, state: "22025", hint: hint)
        }
        index += isLong ? 8 : 4
        if value >> 10 == 0x36 {
            let isNextLong = byte(index + 1) == UInt8(ascii: "U")
            guard byte(index) == UInt8(ascii: "\\"), isNextLong || byte(index + 1) == UInt8(ascii: "u"),
                let low = hexadecimal(index + 2, isNextLong ? 8 : 4), low >> 10 == 0x37
            else { try failSurrogate(index) }
            index += isNextLong ? 10 : 6
            value = 0x10000 + (value & 0x3FF) << 10 + (low & 0x3FF)
        } else if value >> 10 == 0x37 {
            try fail("invalid Unicode surrogate pair", start, index)
        }
        if value == 0 || value > 0x10FFFF { try fail("invalid Unicode escape value", start, index) }
        appendUTF8(&bytes, value)
    }

    /// At what follows the first half of a surrogate pair instead of the second.
    private mutating func failSurrogate(_ start: Int) throws(SyntaxFailure) -> Never {
        var end = start + 1
        if byte(start) == UInt8(ascii: "\\") {
            if byte(end) == UInt8(ascii: "u") {
                end = start + 6
            } else if byte(end) == UInt8(ascii: "U") {
                end = start + 10
            }
        }
        try fail("invalid Unicode surrogate pair", start, min(end, count))
    }

    private func hexadecimal(_ start: Int, _ digits: Int) -> UInt32? {
        var value: UInt32 = 0
        for index in start..<start + digits {
            guard let digit = hexadecimalValue(byte(index)) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    // MARK: U&'…' and U&"…"

    /// Resolves `\XXXX` and `\+XXXXXX`.
    private mutating func unicodeEscaped(_ token: Token) throws(SyntaxFailure) -> [UInt8] {
        let saved = offset
        let start = Int(token.start)
        let quoted = try unicode(start)
        let escape = try escapeCharacter()
        offset = saved
        let source =
            quoted.kind == .unicodeString
            ? spliced(start + 3, Int(quoted.end) - 1, isSpliced: quoted.isSpliced)
            : undoubled(start + 3, Int(quoted.end) - 1, quote: UInt8(ascii: "\""), isSpliced: quoted.isSpliced)
        var bytes: [UInt8] = []
        var high: UInt32 = 0
        var index = 0
        while index < source.count {
            let byte = source[index]
            if byte != escape || index + 1 < source.count && source[index + 1] == escape {
                if high != 0 { try failPlainly("invalid Unicode surrogate pair", start + 3 + index) }
                bytes.append(byte)
                index += byte == escape ? 2 : 1
                continue
            }
            let isLong = index + 1 < source.count && source[index + 1] == UInt8(ascii: "+")
            let first = index + (isLong ? 2 : 1)
            let end = first + (isLong ? 6 : 4)
            var value: UInt32 = 0
            for place in first..<end {
                guard place < source.count, let digit = hexadecimalValue(source[place]) else {
                    try failPlainly(
                        "invalid Unicode escape", start + 3 + index,
                        hint: "Unicode escapes must be \\XXXX or \\+XXXXXX.")
                }
                value = value << 4 | UInt32(digit)
            }
            let position = start + 3 + index
            index = end
            if high != 0 {
                if value >> 10 != 0x37 { try failPlainly("invalid Unicode surrogate pair", position) }
                value = 0x10000 + (high & 0x3FF) << 10 + (value & 0x3FF)
                high = 0
            } else if value >> 10 == 0x36 {
                high = value
                continue
            } else if value >> 10 == 0x37 {
                try failPlainly("invalid Unicode surrogate pair", position)
            }
            if value == 0 || value > 0x10FFFF { try failPlainly("invalid Unicode escape value", position) }
            appendUTF8(&bytes, value)
        }
        if high != 0 { try failPlainly("invalid Unicode surrogate pair", start + 3 + index) }
        return bytes
    }

    /// Reads `UESCAPE 'c'` if it follows; the backslash otherwise.
    mutating func escapeCharacter() throws(SyntaxFailure) -> UInt8 {
        let saved = offset
        let token = try next()
        guard token.keyword == .uescape else {
            offset = saved
            return UInt8(ascii: "\\")
        }
        let value = try next()
        guard value.kind == .string else {
            try fail("UESCAPE must be followed by a simple string literal", Int(value.start), Int(value.end))
        }
        let bytes = try string(value)
        let isAllowed =
            bytes.count == 1 && hexadecimalValue(bytes[0]) == nil && !isSpace(bytes[0]) && bytes[0] != UInt8(ascii: "+")
            && bytes[0] != UInt8(ascii: "'") && bytes[0] != UInt8(ascii: "\"")
        if !isAllowed { try fail("invalid Unicode escape character", Int(value.start), Int(value.end)) }
        return bytes[0]
    }

    // MARK: Numbers

    /// Decimal digits as an integer, nil if they overflow.
    func integer(_ token: Token) -> Int64? {
        var value: Int64 = 0
        for index in Int(token.start)..<Int(token.end) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int64(base[index] - UInt8(ascii: "0")))
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }

    func text(_ token: Token) -> [UInt8] { [UInt8](slice(Int(token.start), Int(token.end))) }
}

func hexadecimalValue(_ byte: UInt8) -> UInt8? {
    if isDigit(byte) { return byte - UInt8(ascii: "0") }
    let letter = (byte | 0x20) &- UInt8(ascii: "a")
    return letter < 6 ? letter + 10 : nil
}

/// `value` is a Unicode scalar.
private func appendUTF8(_ bytes: inout [UInt8], _ value: UInt32) {
    func tail(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(truncatingIfNeeded: value >> shift) & 0x3F }
    switch value {
    case 0..<0x80: bytes.append(UInt8(value))
    case 0x80..<0x800:
        bytes.append(0xC0 | UInt8(value >> 6))
        bytes.append(tail(0))
    case 0x800..<0x10000:
        bytes.append(0xE0 | UInt8(value >> 12))
        bytes.append(tail(6))
        bytes.append(tail(0))
    default:
        bytes.append(0xF0 | UInt8(value >> 18))
        bytes.append(tail(12))
        bytes.append(tail(6))
        bytes.append(tail(0))
    }
}
