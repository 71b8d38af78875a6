// Pattern matching: the operators ~ ~* ~~ ~~* and the regexp functions.

import Platform

/// The last pattern a call site compiled.
final class RegexCache {
    let program: RegexProgram
    var matcher: RegexMatcher
    init(_ program: RegexProgram) {
        self.program = program
        matcher = RegexMatcher(program)
    }

    /// The compiled pattern, from the frame if it is the one used last. Throws 2201B, 22023, 0A000.
    static func get(
        _ call: ScalarCall, _ pattern: UnsafeRawBufferPointer, _ flags: UnsafeRawBufferPointer,
        ignoringCase: Bool = false
    ) throws(EngineError) -> RegexCache {
        if let cached = call.frame.cache as? RegexCache, isSame(cached.program.pattern, pattern),
            isSame(cached.program.flags, flags)
        {
            return cached
        }
        var options = try RegexOptions(flags: flags)
        if ignoringCase { options.ignoresCase = true }
        let fresh = RegexCache(try RegexParser.compile(pattern, options, flags: [UInt8](flags)))
        call.frame.cache = fresh
        return fresh
    }
    private static func isSame(_ a: [UInt8], _ b: UnsafeRawBufferPointer) -> Bool {
        a.count == b.count && a.withUnsafeBytes { Comparison.bytes($0, b) == 0 }
    }
}

private var noFlags: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

extension FunctionRegistry {
    func declarePatterns() {
        declareLike()
        let operators: [(TypeOID, [UInt32], [StaticBytes])] = [
            (.text, [1254, 1256, 1238, 1239], ["textregexeq", "textregexne", "texticregexeq", "texticregexne"]),
            (.name, [79, 1252, 1240, 1241], ["nameregexeq", "nameregexne", "nameicregexeq", "nameicregexne"]),
            (
                .bpchar, [1658, 1659, 1656, 1657],
                ["bpcharregexeq", "bpcharregexne", "bpcharicregexeq", "bpcharicregexne"]
            ),
        ]
        for (type, oids, names) in operators {
            for index in 0..<4 {
                let negated = index & 1 == 1
                let ignoringCase = index >= 2
                scalar(oids[index], names[index], [type, .text], .bool, "Whether the regular expression matches") {
                    (c: inout ScalarCall) throws(EngineError) in
                    let regex = try RegexCache.get(c, c.bytes(1), noFlags, ignoringCase: ignoringCase)
                    c.set(regex.matcher.matches(c.bytes(0)) != negated)
                }
            }
        }
        scalar(6263, "regexp_like", [.text, .text], .bool, "Whether the regular expression matches") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try RegexCache.get(c, c.bytes(1), noFlags).matcher.matches(c.bytes(0)))
        }
        scalar(6264, "regexp_like", [.text, .text, .text], .bool, "Whether the regular expression matches") {
            (c: inout ScalarCall) throws(EngineError) in
            try refuseGlobal(c.bytes(2), "regexp_like()")
            c.set(try RegexCache.get(c, c.bytes(1), c.bytes(2)).matcher.matches(c.bytes(0)))
        }
        declareMatches()
        declareReplacements()
        declareSplits()
    }

    private func declareLike() {
        let rows: [(TypeOID, UInt32, StaticBytes, UInt32, StaticBytes, UInt32, UInt32)] = [
            (.text, 850, "textlike", 851, "textnlike", 1569, 1570),
            (.name, 858, "namelike", 859, "namenlike", 1571, 1572),
            (.bpchar, 1631, "bpcharlike", 1632, "bpcharnlike", 0, 0),
            (.bytea, 2005, "bytealike", 2006, "byteanlike", 2007, 2008),
        ]
        for (type, like, likeName, notLike, notLikeName, plain, notPlain) in rows {
            let right: TypeOID = type == .bytea ? .bytea : .text
            for (oid, name, negated) in [
                (like, likeName, false), (notLike, notLikeName, true), (plain, "like" as StaticBytes, false),
                (notPlain, "notlike", true),
            ] where oid != 0 {
                scalar(oid, name, [type, right], .bool, "Whether the LIKE pattern matches") {
                    (c: inout ScalarCall) throws(EngineError) in
                    c.set(try LikePattern.matches(c.bytes(0), c.bytes(1), isBinary: type == .bytea) != negated)
                }
            }
        }
        let folded: [(TypeOID, UInt32, StaticBytes, UInt32, StaticBytes)] = [
            (.text, 1633, "texticlike", 1634, "texticnlike"), (.name, 1635, "nameiclike", 1636, "nameicnlike"),
            (.bpchar, 1660, "bpchariclike", 1661, "bpcharicnlike"),
        ]
        for (type, like, likeName, notLike, notLikeName) in folded {
            for (oid, name, negated) in [(like, likeName, false), (notLike, notLikeName, true)] {
                scalar(oid, name, [type, .text], .bool, "Whether the LIKE pattern matches, in any case") {
                    (c: inout ScalarCall) throws(EngineError) in
                    c.set(try LikePattern.matches(c.bytes(0), c.bytes(1), ignoringCase: true) != negated)
                }
            }
        }
        scalar(1637, "like_escape", [.text, .text], .text, "The pattern with backslash as its escape character") {
            (c: inout ScalarCall) throws(EngineError) in
            c.frame.scratch.removeAll()
            try LikePattern.escaped(c.bytes(0), c.bytes(1), into: &c.frame.scratch)
            try c.frame.result.setBytes(c.row, c.frame.scratch.bytes)
        }
        let patternRows: [(TypeOID, UInt32, [StaticBytes])] = [
            (.text, 2160, ["text_pattern_lt", "text_pattern_le", "text_pattern_ge", "text_pattern_gt"]),
            (.bpchar, 2174, ["bpchar_pattern_lt", "bpchar_pattern_le", "bpchar_pattern_ge", "bpchar_pattern_gt"]),
        ]
        for (type, first, names) in patternRows {
            let kind = ValueClass.of(type)
            for (index, operation) in [ComparisonOperator.lt, .le, .ge, .gt].enumerated() {
                // The numbers 2162 and 2176 were once "equal".
                let oid = first + UInt32(index) + (index >= 2 ? 1 : 0)
                scalar(oid, names[index], [type, type], .bool, "Bytewise comparison") { (c: inout ScalarCall) in
                    c.set(operation.holds(Comparison.compare(c.cell(0), c.cell(1), kind)))
                }
            }
        }
    }

    private func declareMatches() {
        for (oid, hasFlags) in [(3396 as UInt32, false), (3397, true)] {
            scalar(
                oid, "regexp_match", hasFlags ? [.text, .text, .text] : [.text, .text], .textArray,
                "Groups of the first match, or the match; NULL if there is none"
            ) { (c: inout ScalarCall) throws(EngineError) in
                if hasFlags {
                    try refuseGlobal(c.bytes(2), "regexp_match()", "Use the regexp_matches function instead.")
                }
                let regex = try RegexCache.get(c, c.bytes(1), hasFlags ? c.bytes(2) : noFlags)
                guard let match = regex.matcher.firstMatch(c.bytes(0), from: 0) else { return c.setNull() }
                try c.set(groups(c.bytes(0), match))
            }
        }
        for (oid, hasFlags) in [(2763 as UInt32, false), (2764, true)] {
            rows(
                oid, "regexp_matches", hasFlags ? [.text, .text, .text] : [.text, .text], .textArray,
                "Groups of the first match, or of every match with flag g"
            ) { (call: SetCall) throws(EngineError) in
                var values: [Datum] = []
                let flags = hasFlags ? call.arguments[2].byteArray : []
                try eachMatch(call, flags, all: flags.contains(UInt8(ascii: "g"))) { text, match in
                    values.append(Datum(bytes: groups(text, match)))
                }
                return DatumIterator(values)
            }
        }
        for (oid, count) in [(6254 as UInt32, 2), (6255, 3), (6256, 4)] {
            scalar(
                oid, "regexp_count", Array([TypeOID.text, .text, .int4, .text].prefix(count)), .int4,
                "Number of matches"
            ) {
                (c: inout ScalarCall) throws(EngineError) in
                let start = try startOffset(c, count > 2 ? c.int32(2) : 1)
                let regex = try RegexCache.get(c, c.bytes(1), count > 3 ? c.bytes(3) : noFlags)
                var matches: Int32 = 0
                forEachMatch(&regex.matcher, c.bytes(0), from: start) { _ in
                    matches += 1
                    return true
                }
                c.set(matches)
            }
        }
        for (oid, count) in [(2073 as UInt32, 2), (6265, 2), (6266, 3), (6267, 4), (6268, 5), (6269, 6)] {
            let isSubstring = oid == 2073
            scalar(
                oid, isSubstring ? "substring" : "regexp_substr",
                Array([TypeOID.text, .text, .int4, .int4, .text, .int4].prefix(count)), .text, "The part that matches"
            ) { (c: inout ScalarCall) throws(EngineError) in
                let text = c.bytes(0)
                let start = try startOffset(c, count > 2 ? c.int32(2) : 1)
                let regex = try RegexCache.get(c, c.bytes(1), count > 4 ? c.bytes(4) : noFlags)
                var wanted = count > 3 ? c.int32(3) : 1
                guard wanted > 0 else { throw parameter("n", wanted) }
                var found: [Int]?
                forEachMatch(&regex.matcher, text, from: start) { match in
                    wanted -= 1
                    if wanted == 0 { found = match }
                    return wanted > 0
                }
                // substring gives the first group if there is one.
                var group = count > 5 ? Int(c.int32(5)) : 0
                guard group >= 0 else { throw parameter("subexpr", Int32(group)) }
                if isSubstring, regex.program.groupCount > 0 { group = 1 }
                guard let found, 2 * group < found.count, found[2 * group] >= 0 else { return c.setNull() }
                c.setReference(text.slice(found[2 * group], found[2 * group + 1]))
            }
        }
        for (oid, count) in [(6258 as UInt32, 3), (6257, 2), (6259, 4), (6260, 5), (6261, 6), (6262, 7)] {
            scalar(
                oid, "regexp_instr", Array([TypeOID.text, .text, .int4, .int4, .int4, .text, .int4].prefix(count)),
                .int4,
                "Position of the match, 0 if there is none"
            ) { (c: inout ScalarCall) throws(EngineError) in
                let text = c.bytes(0)
                let start = try startOffset(c, count > 2 ? c.int32(2) : 1)
                var wanted = count > 3 ? c.int32(3) : 1
                let end = count > 4 ? c.int32(4) : 0
                let group = count > 6 ? Int(c.int32(6)) : 0
                guard wanted > 0 else { throw parameter("n", wanted) }
                guard end == 0 || end == 1 else { throw parameter("endoption", end) }
                guard group >= 0 else { throw parameter("subexpr", Int32(group)) }
                let regex = try RegexCache.get(c, c.bytes(1), count > 5 ? c.bytes(5) : noFlags)
                var found: [Int]?
                forEachMatch(&regex.matcher, text, from: start) { match in
                    wanted -= 1
                    if wanted == 0 { found = match }
                    return wanted > 0
                }
                guard let found, 2 * group < found.count, found[2 * group] >= 0 else { return c.set(0 as Int32) }
                c.set(Int32(UTF8Text.characterCount(text.slice(0, found[2 * group + Int(end)])) + 1))
            }
        }
    }

    private func declareReplacements() {
        for (oid, types) in [
            (2284 as UInt32, [TypeOID.text, .text, .text]), (2285, [.text, .text, .text, .text]),
            (6253, [.text, .text, .text, .int4]), (6252, [.text, .text, .text, .int4, .int4]),
            (6251, [.text, .text, .text, .int4, .int4, .text]),
        ] {
            scalar(
                oid, "regexp_replace", types, .text,
                "The text with matches replaced; \\1 stands for a group, \\& for the match"
            ) {
                (c: inout ScalarCall) throws(EngineError) in
                var flags = noFlags
                var start = 0
                var number: Int32 = 1
                if oid == 2285 { flags = c.bytes(3) }
                if types.count > 3, types[3] == .int4 { start = try startOffset(c, c.int32(3)) }
                if types.count > 4 { number = c.int32(4) }
                if types.count > 5 { flags = c.bytes(5) }
                if oid == 2285, let first = flags.first, first.isDigit {
                    throw EngineError(
                        .invalidParameterValue, "invalid regular expression option: \"\(quoted(flags.slice(0, 1)))\"",
                        hint:
                            "If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly."
                    )
                }
                guard number >= 0 else { throw parameter("n", number) }
                if types.count < 5, flags.contains(UInt8(ascii: "g")) { number = 0 }
                try replace(&c, flags, start, number)
            }
        }
    }

    private func declareSplits() {
        for (oid, hasFlags) in [(2767 as UInt32, false), (2768, true)] {
            scalar(
                oid, "regexp_split_to_array", hasFlags ? [.text, .text, .text] : [.text, .text], .textArray,
                "Parts between matches"
            ) {
                (c: inout ScalarCall) throws(EngineError) in
                if hasFlags { try refuseGlobal(c.bytes(2), "regexp_split_to_array()") }
                let regex = try RegexCache.get(c, c.bytes(1), hasFlags ? c.bytes(2) : noFlags)
                var builder = ArrayBuilder(element: .text)
                for part in parts(&regex.matcher, c.bytes(0)) { builder.append(Cell(ByteView(referencing: part))) }
                try c.set(builder.finish())
            }
        }
        for (oid, hasFlags) in [(2765 as UInt32, false), (2766, true)] {
            rows(
                oid, "regexp_split_to_table", hasFlags ? [.text, .text, .text] : [.text, .text], .text,
                "Parts between matches"
            ) {
                (call: SetCall) throws(EngineError) in
                let flags = hasFlags ? call.arguments[2].byteArray : []
                try flags.withRaw { (raw) throws(EngineError) in
                    try refuseGlobal(raw, "regexp_split_to_table()")
                }
                var values: [Datum] = []
                let pattern = call.arguments[1].byteArray
                let options = try flags.withRaw { (raw) throws(EngineError) in try RegexOptions(flags: raw) }
                let program = try pattern.withRaw { (raw) throws(EngineError) in
                    try RegexParser.compile(raw, options, flags: flags)
                }
                var matcher = RegexMatcher(program)
                call.arguments[0].withBytes { text in
                    for part in parts(&matcher, text) { values.append(Datum(bytes: part)) }
                }
                return DatumIterator(values)
            }
        }
    }
}

private func refuseGlobal(
    _ flags: UnsafeRawBufferPointer, _ function: StaticString, _ hint: String? = nil
) throws(EngineError) {
    if flags.contains(UInt8(ascii: "g")) {
        throw EngineError(
            .invalidParameterValue,
            "\(StaticBytes(stringLiteral: function).string) does not support the \"global\" option",
            hint: hint)
    }
}
private func parameter(_ name: StaticString, _ value: Int32) -> EngineError {
    EngineError(
        .invalidParameterValue, "invalid value for parameter \"\(StaticBytes(stringLiteral: name).string)\": \(value)")
}
private func startOffset(_ c: ScalarCall, _ start: Int32) throws(EngineError) -> Int {
    guard start > 0 else { throw parameter("start", start) }
    return UTF8Text.offset(c.bytes(0), character: Int(start) - 1)
}

/// Groups of a match as text[], or the whole match if the pattern has none.
private func groups(_ text: UnsafeRawBufferPointer, _ match: [Int]) -> [UInt8] {
    var builder = ArrayBuilder(element: .text)
    for group in (match.count > 2 ? 1 : 0)..<(match.count / 2) {
        if match[2 * group] < 0 {
            builder.append(nil as Cell?)
        } else {
            builder.append(Cell(ByteView(referencing: text.slice(match[2 * group], match[2 * group + 1]))))
        }
    }
    return builder.finish()
}

/// Matches from left to right, not overlapping; after an empty one the search goes on a character later. Stops when `body`
/// returns false.
private func forEachMatch(
    _ matcher: inout RegexMatcher, _ text: UnsafeRawBufferPointer, from start: Int, _ body: ([Int]) -> Bool
) {
    var position = start
    while position <= text.count, let match = matcher.firstMatch(text, from: position) {
        if !body(match) { return }
        position = match[1]
        if match[1] == match[0] {
            if position >= text.count { return }
            position += UTF8Text.length(lead: text[position])
        }
    }
}
private func eachMatch(
    _ call: SetCall, _ flags: [UInt8], all: Bool, _ body: (UnsafeRawBufferPointer, [Int]) -> Void
) throws(EngineError) {
    let options = try flags.withRaw { (raw) throws(EngineError) in try RegexOptions(flags: raw) }
    let pattern = call.arguments[1].byteArray
    let program = try pattern.withRaw { (raw) throws(EngineError) in
        try RegexParser.compile(raw, options, flags: flags)
    }
    var matcher = RegexMatcher(program)
    call.arguments[0].withBytes { text in
        forEachMatch(&matcher, text, from: 0) { match in
            body(text, match)
            return all
        }
    }
}
/// An empty match at the ends or right after another match splits nothing.
private func parts(_ matcher: inout RegexMatcher, _ text: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
    var result: [UnsafeRawBufferPointer] = []
    var last = 0
    forEachMatch(&matcher, text, from: 0) { match in
        if match[0] == match[1], match[0] == last || match[0] == text.count { return true }
        result.append(text.slice(last, match[0]))
        last = match[1]
        return true
    }
    result.append(text.slice(from: last))
    return result
}

/// Replaces match number `number` (0: all).
private func replace(
    _ c: inout ScalarCall, _ flags: UnsafeRawBufferPointer, _ start: Int, _ number: Int32
) throws(EngineError) {
    let text = c.bytes(0)
    let replacement = c.bytes(2)
    let regex = try RegexCache.get(c, c.bytes(1), flags)
    let frame = c.frame
    frame.scratch.removeAll()
    var copied = 0
    var seen: Int32 = 0
    forEachMatch(&regex.matcher, text, from: start) { match in
        seen += 1
        if number > 0, seen < number { return true }
        frame.scratch.append(text.slice(copied, match[0]))
        var index = 0
        while index < replacement.count {
            let byte = replacement[index]
            guard byte == UInt8(ascii: "\\"), index + 1 < replacement.count else {
                frame.scratch.append(byte)
                index += 1
                continue
            }
            let next = replacement[index + 1]
            index += 2
            if next == UInt8(ascii: "&") || (next >= 0x31 && next <= 0x39) {
                let group = next == UInt8(ascii: "&") ? 0 : Int(next - 0x30)
                if 2 * group < match.count, match[2 * group] >= 0 {
                    frame.scratch.append(text.slice(match[2 * group], match[2 * group + 1]))
                }
            } else if next == UInt8(ascii: "\\") {
                frame.scratch.append(next)
            } else {
                frame.scratch.append(byte)
                frame.scratch.append(next)
            }
        }
        copied = match[1]
        return number == 0
    }
    frame.scratch.append(text.slice(from: copied))
    try frame.result.setBytes(c.row, frame.scratch.bytes)
}
