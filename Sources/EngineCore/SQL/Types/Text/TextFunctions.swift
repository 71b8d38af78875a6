// Functions of character strings and byte strings. Positions and lengths count characters from 1.

import Platform

extension FunctionRegistry {
    func declareText() {
        declareLengths()
        declareCase()
        declareSubstrings()
        declareTrims()
        declareSearches()
        declarePadding()
        declareConcatenation()
        declareTextCasts()
    }

    private func declareLengths() {
        for (oid, name) in [
            (1317 as UInt32, "length" as StaticBytes), (1381, "char_length"), (1369, "character_length"),
        ] {
            scalar(oid, name, [.text], .int4, "Number of characters") { (c: inout ScalarCall) in
                c.set(Int32(UTF8Text.characterCount(c.bytes(0))))
            }
        }
        for (oid, name) in [
            (1318 as UInt32, "length" as StaticBytes), (1372, "char_length"), (1367, "character_length"),
        ] {
            scalar(oid, name, [.bpchar], .int4, "Number of characters, trailing blanks not counted") {
                (c: inout ScalarCall) in
                c.set(Int32(UTF8Text.characterCount(Comparison.unpadded(c.bytes(0)))))
            }
        }
        for (oid, name, type) in [
            (2010 as UInt32, "length" as StaticBytes, TypeOID.bytea), (720, "octet_length", .bytea),
            (1374, "octet_length", .text),
            (1375, "octet_length", .bpchar),
        ] {
            scalar(oid, name, [type], .int4, "Number of bytes") { (c: inout ScalarCall) in
                c.set(Int32(c.bytes(0).count))
            }
        }
        for (oid, type) in [(1810 as UInt32, TypeOID.bytea), (1811, .text)] {
            scalar(oid, "bit_length", [type], .int4, "Number of bits") { (c: inout ScalarCall) in
                c.set(Int32(c.bytes(0).count * 8))
            }
        }
    }

    private func declareCase() {
        for (oid, name, isUpper) in [(870 as UInt32, "lower" as StaticBytes, false), (871, "upper", true)] {
            scalar(oid, name, [.text], .text, isUpper ? "In upper case" : "In lower case") {
                (c: inout ScalarCall) throws(EngineError) in
                c.frame.scratch.removeAll()
                CaseMapping.map(c.bytes(0), into: &c.frame.scratch) {
                    isUpper ? CaseMapping.upper($0) : CaseMapping.lower($0)
                }
                try c.storeScratch()
            }
        }
        scalar(872, "initcap", [.text], .text, "First letter of each word in upper case, others in lower") {
            (c: inout ScalarCall) throws(EngineError) in
            c.frame.scratch.removeAll()
            var inWord = false
            CaseMapping.map(c.bytes(0), into: &c.frame.scratch) { scalar in
                let mapped = inWord ? CaseMapping.lower(scalar) : CaseMapping.upper(scalar)
                inWord = CaseMapping.isLetter(scalar) || CaseMapping.isDigit(scalar)
                return mapped
            }
            try c.storeScratch()
        }
        scalar(1620, "ascii", [.text], .int4, "Code point of the first character, 0 if there is none") {
            (c: inout ScalarCall) in
            c.set(c.bytes(0).isEmpty ? 0 : Int32(UTF8Text.decode(c.bytes(0), 0).scalar))
        }
        scalar(1621, "chr", [.int4], .text, "Character of the code point") {
            (c: inout ScalarCall) throws(EngineError) in
            let code = c.int32(0)
            if code == 0 { throw EngineError(.programLimitExceeded, "null character not permitted") }
            if code < 0 { throw EngineError(.invalidParameterValue, "character number must be positive") }
            guard code <= 0x10FFFF else {
                throw EngineError(.programLimitExceeded, "requested character too large for encoding: \(code)")
            }
            guard !(0xD800...0xDFFF).contains(code) else {
                throw EngineError(.programLimitExceeded, "requested character not valid for encoding: \(code)")
            }
            c.frame.scratch.removeAll()
            UTF8Text.encode(UInt32(code), into: &c.frame.scratch)
            try c.storeScratch()
        }
        scalar(3062, "reverse", [.text], .text, "Characters in reverse order") {
            (c: inout ScalarCall) throws(EngineError) in
            let text = c.bytes(0)
            c.frame.scratch.removeAll()
            var end = text.count
            while end > 0 {
                var start = end - 1
                while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
                c.frame.scratch.append(text.slice(start, end))
                end = start
            }
            try c.storeScratch()
        }
    }

    private func declareSubstrings() {
        for (oid, name) in [(883 as UInt32, "substr" as StaticBytes), (937, "substring")] {
            scalar(oid, name, [.text, .int4], .text, "Characters from a position on") {
                (c: inout ScalarCall) throws(EngineError) in
                c.setReference(try substring(c.bytes(0), c.int32(1), nil))
            }
        }
        for (oid, name) in [(877 as UInt32, "substr" as StaticBytes), (936, "substring")] {
            scalar(oid, name, [.text, .int4, .int4], .text, "Some characters from a position on") {
                (c: inout ScalarCall) throws(EngineError) in
                c.setReference(try substring(c.bytes(0), c.int32(1), c.int32(2)))
            }
        }
        for (oid, name) in [(2086 as UInt32, "substr" as StaticBytes), (2013, "substring")] {
            scalar(oid, name, [.bytea, .int4], .bytea, "Bytes from a position on") {
                (c: inout ScalarCall) throws(EngineError) in
                c.setReference(try byteSubstring(c.bytes(0), c.int32(1), nil))
            }
        }
        for (oid, name) in [(2085 as UInt32, "substr" as StaticBytes), (2012, "substring")] {
            scalar(oid, name, [.bytea, .int4, .int4], .bytea, "Some bytes from a position on") {
                (c: inout ScalarCall) throws(EngineError) in
                c.setReference(try byteSubstring(c.bytes(0), c.int32(1), c.int32(2)))
            }
        }
        scalar(3060, "left", [.text, .int4], .text, "First characters; all but the last ones if negative") {
            (c: inout ScalarCall) in
            let text = c.bytes(0)
            let count = Int(c.int32(1))
            let wanted = count >= 0 ? count : max(UTF8Text.characterCount(text) + count, 0)
            c.setReference(text.slice(0, UTF8Text.offset(text, character: wanted)))
        }
        scalar(3061, "right", [.text, .int4], .text, "Last characters; all but the first ones if negative") {
            (c: inout ScalarCall) in
            let text = c.bytes(0)
            let count = Int(c.int32(1))
            let skipped = count < 0 ? -count : max(UTF8Text.characterCount(text) - count, 0)
            c.setReference(text.slice(from: UTF8Text.offset(text, character: skipped)))
        }
        for (oid, hasCount) in [(1404 as UInt32, true), (1405, false)] {
            scalar(
                oid, "overlay", hasCount ? [.text, .text, .int4, .int4] : [.text, .text, .int4], .text,
                "Part replaced by another text"
            ) {
                (c: inout ScalarCall) throws(EngineError) in
                let start = c.int32(2)
                if start <= 0 { throw negativeLength() }
                let count = hasCount ? c.int32(3) : Int32(UTF8Text.characterCount(c.bytes(1)))
                let (end, overflow) = start.addingReportingOverflow(count)
                if overflow { throw ArithmeticErrors.outOfRange(32) }
                c.frame.scratch.removeAll()
                c.frame.scratch.append(try substring(c.bytes(0), 1, start - 1))
                c.frame.scratch.append(c.bytes(1))
                c.frame.scratch.append(try substring(c.bytes(0), end, nil))
                try c.storeScratch()
            }
        }
        scalar(2088, "split_part", [.text, .text, .int4], .text, "Field between delimiters; from the end if negative") {
            (c: inout ScalarCall) throws(EngineError) in try splitPart(&c)
        }
    }

    private func declareTrims() {
        let both: [(UInt32, StaticBytes, Bool, Bool)] = [
            (884, "btrim", true, true), (875, "ltrim", true, false), (876, "rtrim", false, true),
        ]
        for (oid, name, left, right) in both {
            scalar(oid, name, [.text, .text], .text, "Without the given characters at the ends") {
                (c: inout ScalarCall) in
                c.setReference(trim(c.bytes(0), c.bytes(1), left, right))
            }
        }
        for (oid, name, left, right) in [
            (885 as UInt32, "btrim" as StaticBytes, true, true), (881, "ltrim", true, false),
            (882, "rtrim", false, true),
        ] {
            scalar(oid, name, [.text], .text, "Without blanks at the ends") { (c: inout ScalarCall) in
                c.setReference(trim(c.bytes(0), StaticBytes(stringLiteral: " ").bytes, left, right))
            }
        }
        for (oid, name, left, right) in [
            (2015 as UInt32, "btrim" as StaticBytes, true, true), (6195, "ltrim", true, false),
            (6196, "rtrim", false, true),
        ] {
            scalar(oid, name, [.bytea, .bytea], .bytea, "Without the given bytes at the ends") {
                (c: inout ScalarCall) in
                let text = c.bytes(0)
                let set = c.bytes(1)
                var (low, high) = (0, text.count)
                while left, low < high, set.contains(text[low]) { low += 1 }
                while right, high > low, set.contains(text[high - 1]) { high -= 1 }
                c.setReference(text.slice(low, high))
            }
        }
    }

    private func declareSearches() {
        for (oid, name) in [(868 as UInt32, "strpos" as StaticBytes), (849, "position")] {
            scalar(oid, name, [.text, .text], .int4, "Position of a text, 0 if it does not occur") {
                (c: inout ScalarCall) in
                guard let at = find(c.bytes(1), in: c.bytes(0), from: 0) else { return c.set(0 as Int32) }
                c.set(Int32(UTF8Text.characterCount(c.bytes(0).slice(0, at)) + 1))
            }
        }
        scalar(2014, "position", [.bytea, .bytea], .int4, "Position of some bytes, 0 if they do not occur") {
            (c: inout ScalarCall) in
            c.set(Int32((find(c.bytes(1), in: c.bytes(0), from: 0) ?? -1) + 1))
        }
        for (oid, name) in [(3696 as UInt32, "starts_with" as StaticBytes)] {
            scalar(oid, name, [.text, .text], .bool, "Whether the text begins with another") { (c: inout ScalarCall) in
                let (text, prefix) = (c.bytes(0), c.bytes(1))
                c.set(text.count >= prefix.count && Comparison.bytes(text.slice(0, prefix.count), prefix) == 0)
            }
        }
        scalar(2087, "replace", [.text, .text, .text], .text, "Every occurrence of a text replaced") {
            (c: inout ScalarCall) throws(EngineError) in
            let text = c.bytes(0)
            let from = c.bytes(1)
            if from.isEmpty { return c.setReference(text) }
            c.frame.scratch.removeAll()
            var position = 0
            while let at = find(from, in: text, from: position) {
                c.frame.scratch.append(text.slice(position, at))
                c.frame.scratch.append(c.bytes(2))
                position = at + from.count
            }
            c.frame.scratch.append(text.slice(from: position))
            try c.storeScratch()
        }
        scalar(
            878, "translate", [.text, .text, .text], .text,
            "Characters replaced one by one; dropped if they have no counterpart"
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            let text = c.bytes(0)
            let from = scalars(c.bytes(1))
            let to = scalars(c.bytes(2))
            c.frame.scratch.removeAll()
            var position = 0
            while position < text.count {
                let (scalar, size) = UTF8Text.decode(text, position)
                if let index = from.firstIndex(of: scalar) {
                    if index < to.count { UTF8Text.encode(to[index], into: &c.frame.scratch) }
                } else {
                    c.frame.scratch.append(text.slice(position, position + size))
                }
                position += size
            }
            try c.storeScratch()
        }
    }

    private func declarePadding() {
        for (oid, name, isLeft, hasFill) in [
            (873 as UInt32, "lpad" as StaticBytes, true, true), (879, "lpad", true, false), (874, "rpad", false, true),
            (880, "rpad", false, false),
        ] {
            scalar(oid, name, hasFill ? [.text, .int4, .text] : [.text, .int4], .text, "Filled or cut to a length") {
                (c: inout ScalarCall) throws(EngineError) in
                try pad(&c, isLeft, hasFill ? c.bytes(2) : StaticBytes(stringLiteral: " ").bytes)
            }
        }
        scalar(1622, "repeat", [.text, .int4], .text, "The text so many times") {
            (c: inout ScalarCall) throws(EngineError) in
            let count = max(Int(c.int32(1)), 0)
            guard c.bytes(0).count * count < 1 << 30 - 4 else {
                throw EngineError(.programLimitExceeded, "requested length too large")
            }
            c.frame.scratch.removeAll()
            for _ in 0..<count { c.frame.scratch.append(c.bytes(0)) }
            try c.storeScratch()
        }
    }

    private func declareConcatenation() {
        for (oid, name, type) in [(1258 as UInt32, "textcat" as StaticBytes, TypeOID.text), (2011, "byteacat", .bytea)]
        {
            scalar(oid, name, [type, type], type, "One after the other") { (c: inout ScalarCall) throws(EngineError) in
                try c.concatenate(c.bytes(0), c.bytes(1))
            }
        }
        scalar(
            2003, "textanycat", [.text, .anynonarray], .text, "Text and the text form of a value", volatility: .stable
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            c.frame.scratch.removeAll()
            c.frame.scratch.append(c.bytes(0))
            try TypeIO.output(c.cell(1), c.type(1).oid, into: &c.frame.scratch, c.context)
            try c.storeScratch()
        }
        scalar(
            2004, "anytextcat", [.anynonarray, .text], .text, "The text form of a value and text", volatility: .stable
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            c.frame.scratch.removeAll()
            try TypeIO.output(c.cell(0), c.type(0).oid, into: &c.frame.scratch, c.context)
            c.frame.scratch.append(c.bytes(1))
            try c.storeScratch()
        }
        scalar(
            3058, "concat", [.any], .text, "Text forms of all arguments; NULLs are skipped", volatility: .stable,
            variadic: true, strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            c.frame.scratch.removeAll()
            try c.joinArguments(from: 0, separator: nil)
            try c.storeScratch()
        }
        scalar(
            3059, "concat_ws", [.text, .any], .text, "Text forms of the arguments with a separator; NULLs are skipped",
            volatility: .stable, variadic: true, strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            if c.isNull(0) { return c.setNull() }
            c.frame.scratch.removeAll()
            try c.joinArguments(from: 1, separator: c.bytes(0))
            try c.storeScratch()
        }
    }
}

extension ScalarCall {
    /// The result is what is in the frame's scratch buffer.
    func storeScratch() throws(EngineError) { try frame.result.setBytes(row, frame.scratch.bytes) }

    func concatenate(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) throws(EngineError) {
        frame.scratch.removeAll()
        frame.scratch.append(a)
        frame.scratch.append(b)
        try storeScratch()
    }
    /// Stores text after applying the result type's length, as an explicit cast does.
    func setText(_ text: UnsafeRawBufferPointer) throws(EngineError) {
        switch resultType.oid {
        case .varchar: try set(try StringIO.limit(text, resultType.typmod, isExplicit: true))
        case .bpchar: try frame.result.setDatum(row, try StringIO.pad(text, resultType.typmod, isExplicit: true))
        default: try set(text)
        }
    }
    /// Appends the text forms of arguments that are not NULL to the scratch buffer.
    func joinArguments(from first: Int, separator: UnsafeRawBufferPointer?) throws(EngineError) {
        var isFirst = true
        for argument in first..<argumentCount where !isNull(argument) {
            if !isFirst, let separator { frame.scratch.append(separator) }
            isFirst = false
            try TypeIO.output(cell(argument), type(argument).oid, into: &frame.scratch, context)
        }
    }
}

private func negativeLength() -> EngineError { EngineError("22011", "negative substring length not allowed") }

/// Range of units `start ..< start + count` (1-based, may begin before the text), clipped.
private func window(_ start: Int32, _ count: Int32?) throws(EngineError) -> (low: Int, high: Int?) {
    let low = max(Int(start), 1)
    guard let count else { return (low - 1, nil) }
    if count < 0 { throw negativeLength() }
    return (low - 1, max(Int(start) + Int(count), low) - 1)
}
private func substring(
    _ text: UnsafeRawBufferPointer, _ start: Int32, _ count: Int32?
) throws(EngineError) -> UnsafeRawBufferPointer {
    let (low, high) = try window(start, count)
    let rest = text.slice(from: UTF8Text.offset(text, character: low))
    return high.map { rest.slice(0, UTF8Text.offset(rest, character: $0 - low)) } ?? rest
}
private func byteSubstring(
    _ bytes: UnsafeRawBufferPointer, _ start: Int32, _ count: Int32?
) throws(EngineError) -> UnsafeRawBufferPointer {
    let (low, high) = try window(start, count)
    return bytes.slice(min(low, bytes.count), min(high ?? bytes.count, bytes.count))
}
private func scalars(_ text: UnsafeRawBufferPointer) -> [UInt32] {
    var result: [UInt32] = []
    var position = 0
    while position < text.count {
        let (scalar, size) = UTF8Text.decode(text, position)
        result.append(scalar)
        position += size
    }
    return result
}
private func trim(
    _ text: UnsafeRawBufferPointer, _ set: UnsafeRawBufferPointer, _ left: Bool, _ right: Bool
) -> UnsafeRawBufferPointer {
    let members = scalars(set)
    var (low, high) = (0, text.count)
    while left, low < high {
        let (scalar, size) = UTF8Text.decode(text, low)
        guard members.contains(scalar) else { break }
        low += size
    }
    while right, high > low {
        var start = high - 1
        while start > low, text[start] & 0xC0 == 0x80 { start -= 1 }
        guard members.contains(UTF8Text.decode(text, start).scalar) else { break }
        high = start
    }
    return text.slice(low, high)
}
/// First position of `needle` at or after `from`.
func find(_ needle: UnsafeRawBufferPointer, in text: UnsafeRawBufferPointer, from: Int) -> Int? {
    if needle.isEmpty { return from }
    if needle.count > text.count { return nil }
    var position = from
    let first = needle[0]
    while position + needle.count <= text.count {
        if text[position] == first {
            var index = 1
            while index < needle.count, text[position + index] == needle[index] { index += 1 }
            if index == needle.count { return position }
        }
        position += 1
    }
    return nil
}
private func splitPart(_ c: inout ScalarCall) throws(EngineError) {
    let text = c.bytes(0)
    let delimiter = c.bytes(1)
    var wanted = Int(c.int32(2))
    if wanted == 0 { throw EngineError(.invalidParameterValue, "field position must not be zero") }
    if delimiter.isEmpty { return c.setReference(wanted == 1 || wanted == -1 ? text : text.slice(0, 0)) }
    if wanted < 0 {
        var fields = 1
        var position = 0
        while let at = find(delimiter, in: text, from: position) {
            fields += 1
            position = at + delimiter.count
        }
        wanted += fields + 1
        if wanted <= 0 { return c.setReference(text.slice(0, 0)) }
    }
    var position = 0
    while true {
        let at = find(delimiter, in: text, from: position)
        wanted -= 1
        if wanted == 0 { return c.setReference(text.slice(position, at ?? text.count)) }
        guard let at else { return c.setReference(text.slice(0, 0)) }
        position = at + delimiter.count
    }
}
private func pad(_ c: inout ScalarCall, _ isLeft: Bool, _ fill: UnsafeRawBufferPointer) throws(EngineError) {
    let text = c.bytes(0)
    let length = max(Int(c.int32(1)), 0)
    let count = UTF8Text.characterCount(text)
    if count >= length || fill.isEmpty {
        return c.setReference(text.slice(0, UTF8Text.offset(text, character: length)))
    }
    guard length < 1 << 28 else { throw EngineError(.programLimitExceeded, "requested length too large") }
    c.frame.scratch.removeAll()
    if !isLeft { c.frame.scratch.append(text) }
    var position = 0
    for _ in count..<length {
        let size = UTF8Text.length(lead: fill[position])
        c.frame.scratch.append(fill.slice(position, position + size))
        position += size
        if position >= fill.count { position = 0 }
    }
    if isLeft { c.frame.scratch.append(text) }
    try c.storeScratch()
}
