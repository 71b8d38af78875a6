// Quoting, format, and byte strings as text and back.

import Platform

extension FunctionRegistry {
    func declareEncodings() {
        scalar(1282, "quote_ident", [.text], .text, "As an SQL identifier") {
            (c: inout ScalarCall) throws(EngineError) in
            c.frame.scratch.removeAll()
            Quoting.identifier(c.bytes(0), into: &c.frame.scratch)
            try c.storeScratch()
        }
        scalar(1283, "quote_literal", [.text], .text, "As an SQL literal") {
            (c: inout ScalarCall) throws(EngineError) in
            c.frame.scratch.removeAll()
            Quoting.literal(c.bytes(0), into: &c.frame.scratch)
            try c.storeScratch()
        }
        scalar(1285, "quote_literal", [.anyelement], .text, "Text form as an SQL literal", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in try quoteValue(&c)
        }
        scalar(1289, "quote_nullable", [.text], .text, "As an SQL literal, or NULL", strict: false) {
            (c: inout ScalarCall) throws(EngineError) in
            if c.isNull(0) { return c.setReference(StaticBytes(stringLiteral: "NULL").bytes) }
            c.frame.scratch.removeAll()
            Quoting.literal(c.bytes(0), into: &c.frame.scratch)
            try c.storeScratch()
        }
        scalar(
            1290, "quote_nullable", [.anyelement], .text, "Text form as an SQL literal, or NULL", volatility: .stable,
            strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            if c.isNull(0) { return c.setReference(StaticBytes(stringLiteral: "NULL").bytes) }
            try quoteValue(&c)
        }
        scalar(
            3539, "format", [.text, .any], .text, "Text with %s, %I and %L replaced by arguments", volatility: .stable,
            variadic: true, strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in try format(&c)
        }
        scalar(3540, "format", [.text], .text, "Text with %% replaced by %", volatility: .stable, strict: false) {
            (c: inout ScalarCall) throws(EngineError) in try format(&c)
        }
        for (oid, type) in [(2311 as UInt32, TypeOID.text), (2321, .bytea)] {
            scalar(oid, "md5", [type], .text, "MD5 digest in hexadecimal") {
                (c: inout ScalarCall) throws(EngineError) in
                c.frame.scratch.removeAll()
                Digests.md5(c.bytes(0)).withRaw { ByteaIO.appendHex($0, into: &c.frame.scratch) }
                try c.storeScratch()
            }
        }
        scalar(3420, "sha256", [.bytea], .bytea, "SHA-256 digest") { (c: inout ScalarCall) throws(EngineError) in
            try c.set(Digests.sha256(c.bytes(0)))
        }
        scalar(3419, "sha224", [.bytea], .bytea, "SHA-224 digest") { (c: inout ScalarCall) throws(EngineError) in
            try c.set(Digests.sha256(c.bytes(0), short: true))
        }
        scalar(1946, "encode", [.bytea, .text], .text, "Bytes as hex, base64 or escape text") {
            (c: inout ScalarCall) throws(EngineError) in
            c.frame.scratch.removeAll()
            let format = c.bytes(1)
            if format.equalsIgnoringCase("hex") {
                ByteaIO.appendHex(c.bytes(0), into: &c.frame.scratch)
            } else if format.equalsIgnoringCase("base64") {
                Base64.encode(c.bytes(0), into: &c.frame.scratch)
            } else if format.equalsIgnoringCase("escape") {
                for byte in c.bytes(0) {
                    if byte == 0 || byte >= 0x80 {
                        c.frame.scratch.append(UInt8(ascii: "\\"))
                        for shift in [6, 3, 0] as [UInt8] { c.frame.scratch.append(0x30 + byte >> shift & 7) }
                    } else {
                        if byte == UInt8(ascii: "\\") { c.frame.scratch.append(byte) }
                        c.frame.scratch.append(byte)
                    }
                }
            } else {
                throw EngineError(.invalidParameterValue, "unrecognized encoding: \"\(quoted(format))\"")
            }
            try c.storeScratch()
        }
        scalar(1947, "decode", [.text, .text], .bytea, "Bytes of hex, base64 or escape text") {
            (c: inout ScalarCall) throws(EngineError) in
            let format = c.bytes(1)
            if format.equalsIgnoringCase("hex") {
                try c.set(try ByteaIO.hex(c.bytes(0)))
            } else if format.equalsIgnoringCase("base64") {
                try c.set(try Base64.decode(c.bytes(0)))
            } else if format.equalsIgnoringCase("escape") {
                try c.set(try ByteaIO.parse(c.bytes(0)))
            } else {
                throw EngineError(.invalidParameterValue, "unrecognized encoding: \"\(quoted(format))\"")
            }
        }
        scalar(721, "get_byte", [.bytea, .int4], .int4, "Byte at an index from 0") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(Int32(c.bytes(0)[try byteIndex(c)]))
        }
        scalar(722, "set_byte", [.bytea, .int4, .int4], .bytea, "With the byte at an index from 0 replaced") {
            (c: inout ScalarCall) throws(EngineError) in
            var copy = [UInt8](c.bytes(0))
            copy[try byteIndex(c)] = UInt8(truncatingIfNeeded: c.int32(2))
            try c.set(copy)
        }
    }
}

private func byteIndex(_ c: ScalarCall) throws(EngineError) -> Int {
    let index = Int(c.int32(1))
    guard index >= 0, index < c.bytes(0).count else {
        throw EngineError("2202E", "index \(index) out of valid range, 0..\(c.bytes(0).count - 1)")
    }
    return index
}

private func quoteValue(_ c: inout ScalarCall) throws(EngineError) {
    c.frame.scratch.removeAll()
    try TypeIO.output(c.cell(0), c.type(0).oid, into: &c.frame.scratch, c.context)
    let text = c.frame.scratch.array
    c.frame.scratch.removeAll()
    text.withRaw { Quoting.literal($0, into: &c.frame.scratch) }
    try c.storeScratch()
}

/// %[position$][-][width]type, type being s, I, L or %.
private func format(_ c: inout ScalarCall) throws(EngineError) {
    if c.isNull(0) { return c.setNull() }
    let text = c.bytes(0)
    var position = 0
    var nextArgument = 1
    c.frame.scratch.removeAll()
    func number() -> Int? {
        let start = position
        var value = 0
        while position < text.count, text[position].isDigit, value < 1 << 40 {
            value = value * 10 + Int(text[position] - 0x30)
            position += 1
        }
        return position == start ? nil : value
    }
    func tooFew() -> EngineError { EngineError(.invalidParameterValue, "too few arguments for format()") }
    func argument(_ given: Int?) throws(EngineError) -> Int {
        let index = given ?? nextArgument
        if index == 0 {
            throw EngineError(.invalidParameterValue, "format specifies argument 0, but arguments are numbered from 1")
        }
        guard index < c.argumentCount else { throw tooFew() }
        nextArgument = index + 1
        return index
    }
    while position < text.count {
        if text[position] != UInt8(ascii: "%") {
            c.frame.scratch.append(text[position])
            position += 1
            continue
        }
        position += 1
        guard position < text.count else { throw unterminated() }
        if text[position] == UInt8(ascii: "%") {
            c.frame.scratch.append(UInt8(ascii: "%"))
            position += 1
            continue
        }
        var given: Int?
        var width = 0
        var leftAligned = false
        let start = position
        if let value = number() {
            if position < text.count, text[position] == UInt8(ascii: "$") {
                position += 1
                given = value
            } else {
                position = start
            }
        }
        while position < text.count, text[position] == UInt8(ascii: "-") {
            leftAligned = true
            position += 1
        }
        if position < text.count, text[position] == UInt8(ascii: "*") {
            position += 1
            let save = position
            var widthArgument: Int?
            if let value = number(), position < text.count, text[position] == UInt8(ascii: "$") {
                position += 1
                widthArgument = value
            } else {
                position = save
            }
            let index = try argument(widthArgument)
            if !c.isNull(index) { width = Int(c.type(index).oid == .int8 ? c.int64(index) : Int64(c.int32(index))) }
            if width < 0 {
                leftAligned = true
                width = -width
            }
        } else if let value = number() {
            width = value
        }
        guard position < text.count else { throw unterminated() }
        let kind = text[position]
        guard kind == UInt8(ascii: "s") || kind == UInt8(ascii: "I") || kind == UInt8(ascii: "L") else {
            let size = min(UTF8Text.length(lead: kind), text.count - position)
            throw EngineError(
                .invalidParameterValue,
                "unrecognized format() type specifier \"\(quoted(text.slice(position, position + size)))\"",
                hint: "For a single \"%\" use \"%%\".")
        }
        position += 1
        var piece = ByteBuffer(capacity: 64)
        try formatted(c, try argument(given), kind, into: &piece)
        let padding = max(width - UTF8Text.characterCount(piece.bytes), 0)
        guard padding < 1 << 28 else { throw ArithmeticErrors.outOfRange(32) }
        if !leftAligned { for _ in 0..<padding { c.frame.scratch.append(0x20) } }
        c.frame.scratch.append(piece.bytes)
        if leftAligned { for _ in 0..<padding { c.frame.scratch.append(0x20) } }
    }
    try c.storeScratch()
}
private func unterminated() -> EngineError {
    EngineError(
        .invalidParameterValue, "unterminated format() type specifier", hint: "For a single \"%\" use \"%%\".")
}
private func formatted(
    _ c: ScalarCall, _ argument: Int, _ kind: UInt8, into piece: inout ByteBuffer
) throws(EngineError) {
    if c.isNull(argument) {
        if kind == UInt8(ascii: "I") {
            throw EngineError("22004", "null values cannot be formatted as an SQL identifier")
        }
        if kind == UInt8(ascii: "L") { piece.append("NULL") }
        return
    }
    if kind == UInt8(ascii: "s") {
        try TypeIO.output(c.cell(argument), c.type(argument).oid, into: &piece, c.context)
        return
    }
    var plain = ByteBuffer(capacity: 64)
    try TypeIO.output(c.cell(argument), c.type(argument).oid, into: &plain, c.context)
    if kind == UInt8(ascii: "I") {
        Quoting.identifier(plain.bytes, into: &piece)
    } else {
        Quoting.literal(plain.bytes, into: &piece)
    }
}

/// RFC 4648 section 4, in lines of 76 characters as RFC 2045 has them.
enum Base64 {
    static func encode(_ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        let alphabet = StaticBytes(stringLiteral: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var position = 0
        var column = 0
        while position < bytes.count {
            let left = bytes.count - position
            var word = UInt32(bytes[position]) << 16
            if left > 1 { word |= UInt32(bytes[position + 1]) << 8 }
            if left > 2 { word |= UInt32(bytes[position + 2]) }
            if column == 76 {
                buffer.append(0x0A)
                column = 0
            }
            buffer.append(alphabet.start[Int(word >> 18 & 63)])
            buffer.append(alphabet.start[Int(word >> 12 & 63)])
            buffer.append(left > 1 ? alphabet.start[Int(word >> 6 & 63)] : UInt8(ascii: "="))
            buffer.append(left > 2 ? alphabet.start[Int(word & 63)] : UInt8(ascii: "="))
            position += 3
            column += 4
        }
    }
    /// White space is skipped. Throws 22023.
    static func decode(_ text: UnsafeRawBufferPointer) throws(EngineError) -> [UInt8] {
        var result: [UInt8] = []
        var word: UInt32 = 0
        var count = 0
        var padding = 0
        for byte in text where !byte.isSpace {
            let value: UInt32
            switch byte {
            case 0x41...0x5A: value = UInt32(byte - 0x41)
            case 0x61...0x7A: value = UInt32(byte - 0x61 + 26)
            case 0x30...0x39: value = UInt32(byte - 0x30 + 52)
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "="):
                guard count + padding >= 2 else {
                    throw EngineError(.invalidParameterValue, "unexpected \"=\" while decoding base64 sequence")
                }
                padding += 1
                value = 0
            default:
                throw EngineError(
                    .invalidParameterValue, "invalid symbol \"\(quoted([byte]))\" found while decoding base64 sequence")
            }
            word = word << 6 | value
            count += 1
            if count == 4 {
                result.append(UInt8(truncatingIfNeeded: word >> 16))
                if padding < 2 { result.append(UInt8(truncatingIfNeeded: word >> 8)) }
                if padding < 1 { result.append(UInt8(truncatingIfNeeded: word)) }
                (word, count) = (0, 0)
            }
        }
        guard count == 0 else {
            throw EngineError(
                .invalidParameterValue, "invalid base64 end sequence",
                hint: "Input data is missing padding, is truncated, or is otherwise corrupted.")
        }
        return result
    }
}
