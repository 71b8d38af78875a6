// Length limits of varchar and char, bytea's two text forms, UUIDs.

import Platform

enum StringIO {
    /// varchar(n): at most `typmod - 4` characters. Too long: blanks beyond the limit are dropped, other characters are an
    /// error (22001) unless the cast is explicit.
    static func limit(
        _ text: UnsafeRawBufferPointer, _ typmod: Int32, isExplicit: Bool
    ) throws(EngineError) -> UnsafeRawBufferPointer {
        guard typmod >= 4, text.count > Int(typmod - 4) else { return text }
        let end = UTF8Text.offset(text, character: Int(typmod - 4))
        if !isExplicit {
            for byte in text.slice(from: end) where byte != 0x20 {
                throw EngineError(
                    .stringDataRightTruncation, "value too long for type character varying(\(typmod - 4))")
            }
        }
        return text.slice(0, end)
    }

    /// char(n): exactly `typmod - 4` characters, padded with blanks.
    static func pad(_ text: UnsafeRawBufferPointer, _ typmod: Int32, isExplicit: Bool) throws(EngineError) -> Datum {
        let (kept, blanks) = try padding(text, typmod, isExplicit: isExplicit)
        if blanks == 0 { return Datum(bytes: kept) }
        var buffer = ByteBuffer(capacity: kept.count + blanks)
        buffer.append(kept)
        for _ in 0..<blanks { buffer.append(0x20) }
        return Datum(bytes: buffer.bytes)
    }

    /// The same, as an assignment, straight into a vector.
    static func pad(
        _ text: UnsafeRawBufferPointer, _ typmod: Int32, into vector: Vector, row: Int
    ) throws(EngineError) {
        let (kept, blanks) = try padding(text, typmod, isExplicit: false)
        let count = kept.count + blanks
        if blanks == 0 || count <= ByteView.inlineCapacity {
            return try vector.setDatum(row, try pad(text, typmod, isExplicit: false))
        }
        let target = try vector.heap.allocate(count)
        if let base = kept.baseAddress { target.copyMemory(from: base, byteCount: kept.count) }
        (target + kept.count).initializeMemory(as: UInt8.self, repeating: 0x20, count: blanks)
        vector.setCell(row, Cell(ByteView(referencing: UnsafeRawBufferPointer(start: target, count: count))))
    }

    /// What of the text is kept for char(n), and how many blanks follow it.
    private static func padding(
        _ text: UnsafeRawBufferPointer, _ typmod: Int32, isExplicit: Bool
    ) throws(EngineError) -> (kept: UnsafeRawBufferPointer, blanks: Int) {
        guard typmod >= 4 else { return (text, 0) }
        let limit = Int(typmod - 4)
        let characters = UTF8Text.characterCount(text)
        if characters <= limit { return (text, limit - characters) }
        let end = UTF8Text.offset(text, character: limit)
        if !isExplicit {
            for byte in text.slice(from: end) where byte != 0x20 {
                throw EngineError(.stringDataRightTruncation, "value too long for type character(\(limit))")
            }
        }
        return (text.slice(0, end), 0)
    }
}

enum ByteaIO {
    /// `\x` and hexadecimal digits, or the escape form. Throws 22P02, 22023.
    static func parse(_ text: UnsafeRawBufferPointer) throws(EngineError) -> [UInt8] {
        if text.count >= 2, text[0] == UInt8(ascii: "\\"), text[1] == UInt8(ascii: "x") {
            return try hex(text.slice(from: 2))
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var position = 0
        while position < text.count {
            let byte = text[position]
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                position += 1
                continue
            }
            if position + 1 < text.count, text[position + 1] == byte {
                bytes.append(byte)
                position += 2
            } else if position + 3 < text.count, (0x30...0x33).contains(text[position + 1]),
                (0x30...0x37).contains(text[position + 2]), (0x30...0x37).contains(text[position + 3])
            {
                bytes.append(
                    (text[position + 1] - 0x30) << 6 | (text[position + 2] - 0x30) << 3 | (text[position + 3] - 0x30))
                position += 4
            } else {
                throw EngineError(.invalidTextRepresentation, "invalid input syntax for type bytea")
            }
        }
        return bytes
    }

    /// Hexadecimal digits in pairs, white space between pairs. Throws 22023.
    static func hex(_ text: UnsafeRawBufferPointer) throws(EngineError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 2)
        var position = 0
        while position < text.count {
            if text[position].isSpace {
                position += 1
                continue
            }
            let high = try digit(text, position)
            guard position + 1 < text.count else {
                throw EngineError(.invalidParameterValue, "invalid hexadecimal data: odd number of digits")
            }
            bytes.append(high << 4 | (try digit(text, position + 1)))
            position += 2
        }
        return bytes
    }
    private static func digit(_ text: UnsafeRawBufferPointer, _ position: Int) throws(EngineError) -> UInt8 {
        if let value = text[position].hexValue { return value }
        let size = min(UTF8Text.length(lead: text[position]), text.count - position)
        throw EngineError(
            .invalidParameterValue, "invalid hexadecimal digit: \"\(quoted(text.slice(position, position + size)))\"")
    }

    static func output(_ bytes: UnsafeRawBufferPointer, hex: Bool, into buffer: inout ByteBuffer) {
        if hex {
            buffer.append("\\x")
            appendHex(bytes, into: &buffer)
            return
        }
        for byte in bytes {
            if byte == UInt8(ascii: "\\") {
                buffer.append("\\\\")
            } else if byte < 0x20 || byte > 0x7E {
                buffer.append(UInt8(ascii: "\\"))
                buffer.append(0x30 + byte >> 6)
                buffer.append(0x30 + byte >> 3 & 7)
                buffer.append(0x30 + byte & 7)
            } else {
                buffer.append(byte)
            }
        }
    }
    static func appendHex(_ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        buffer.reserve(bytes.count * 2)
        for byte in bytes {
            buffer.append(hexDigit(byte >> 4))
            buffer.append(hexDigit(byte & 15))
        }
    }
    @inline(__always) static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}

enum UUIDIO {
    /// 32 hexadecimal digits, a hyphen allowed after each group of four, braces around. Throws 22P02.
    static func parse(_ text: UnsafeRawBufferPointer) throws(EngineError) -> Cell {
        var position = 0
        let braces = text.first == UInt8(ascii: "{")
        if braces { position = 1 }
        var words: (UInt64, UInt64) = (0, 0)
        for index in 0..<32 {
            guard position < text.count, let digit = text[position].hexValue else {
                throw IntegerIO.invalid(text, "uuid")
            }
            if index < 16 { words.0 = words.0 << 4 | UInt64(digit) } else { words.1 = words.1 << 4 | UInt64(digit) }
            position += 1
            if index % 4 == 3, index < 31, position < text.count, text[position] == UInt8(ascii: "-") { position += 1 }
        }
        if braces {
            guard position < text.count, text[position] == UInt8(ascii: "}") else {
                throw IntegerIO.invalid(text, "uuid")
            }
            position += 1
        }
        guard position == text.count else { throw IntegerIO.invalid(text, "uuid") }
        return Cell(low: words.0.byteSwapped, high: words.1.byteSwapped)
    }

    static func output(_ cell: Cell, into buffer: inout ByteBuffer) {
        for index in 0..<16 {
            let byte = UInt8(truncatingIfNeeded: (index < 8 ? cell.low : cell.high) >> UInt64(8 * (index & 7)))
            if index == 4 || index == 6 || index == 8 || index == 10 { buffer.append(UInt8(ascii: "-")) }
            buffer.append(ByteaIO.hexDigit(byte >> 4))
            buffer.append(ByteaIO.hexDigit(byte & 15))
        }
    }
}
