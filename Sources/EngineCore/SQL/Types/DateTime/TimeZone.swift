// Session time zones: UTC and its names, fixed offsets, and POSIX specifications with explicit daylight-saving rules
// (IEEE 1003.1, section 8.3, "TZ"). IANA zone names need a database of history that the engine does not carry; they are
// not recognised.

import Platform

package struct TimeZone: Sendable {
    /// As SHOW TimeZone prints it.
    package let name: [UInt8]
    /// Abbreviation shown by non-ISO date styles; empty for a plain offset.
    private let abbreviation: [UInt8]
    /// Seconds east of Greenwich.
    private let offset: Int32
    private let summer: SummerTime?

    private struct SummerTime: Sendable {
        var abbreviation: [UInt8]
        var offset: Int32
        var start: Rule
        var end: Rule
    }
    /// `Mm.w.d/time`: weekday d of week w (5: the last) of month m.
    private struct Rule: Sendable {
        var month = 0
        var week = 0
        var weekday = 0
        var second: Int64 = 7200

        /// The moment in `year`, in local seconds since 2000.
        func moment(_ year: Int) -> Int64 {
            let first = Calendar.day(year, month, 1)
            var day = first + (weekday - Calendar.weekday(first) + 7) % 7 + 7 * (week - 1)
            while day >= first + Calendar.dayCount(year, month) { day -= 7 }
            return Int64(day) * 86_400 + second
        }
    }

    package static var utc: TimeZone {
        TimeZone(name: Array("UTC".utf8), abbreviation: Array("UTC".utf8), offset: 0, summer: nil)
    }
    package static func fixed(_ offset: Int32) -> TimeZone {
        var name = ByteBuffer(capacity: 16)
        // PostgreSQL names a numeric zone in POSIX form, west positive, after the ISO name in brackets.
        name.append(UInt8(ascii: "<"))
        DateTimeOutput.appendOffset(offset, into: &name)
        name.append(UInt8(ascii: ">"))
        DateTimeOutput.appendOffset(-offset, into: &name)
        return TimeZone(name: name.array, abbreviation: [], offset: offset, summer: nil)
    }

    /// What the TimeZone parameter may be set to: hours east (`+02`, `-3.5`), or anything that `named` knows.
    package static func setting(_ text: UnsafeRawBufferPointer) -> TimeZone? {
        var position = 0
        let isNegative = text.first == UInt8(ascii: "-")
        if isNegative || text.first == UInt8(ascii: "+") { position = 1 }
        var hours = 0.0
        var scale = 0.0
        var digits = 0
        while position < text.count {
            if text[position] == UInt8(ascii: "."), scale == 0 {
                scale = 1
            } else if text[position].isDigit {
                hours = hours * 10 + Double(text[position] - 0x30)
                scale *= 10
                digits += 1
            } else {
                return named(text)
            }
            position += 1
        }
        if scale > 0 { hours /= scale }
        guard digits > 0, digits < 9, hours < 16 else { return named(text) }
        let seconds = Int32(hours * 3600)
        return fixed(isNegative ? -seconds : seconds)
    }

    /// The zone that a name or a POSIX specification (`EST5EDT,M3.2.0,M11.1.0`, `+03`: west positive) means; nil if it is
    /// not known.
    package static func named(_ text: UnsafeRawBufferPointer) -> TimeZone? {
        let names: [StaticString] = [
            "utc", "gmt", "z", "zulu", "uct", "universal", "greenwich", "etc/utc", "etc/gmt", "etc/uct", "etc/zulu",
            "etc/universal", "etc/greenwich", "gmt0", "etc/gmt0",
        ]
        for name in names where text.equalsIgnoringCase(name) {
            let shown =
                text.equalsIgnoringCase("z") || text.equalsIgnoringCase("zulu") ? Array("UTC".utf8) : [UInt8](text)
            let isGMT = text.count >= 3 && text[text.count - 3].lowered == UInt8(ascii: "g")
            return TimeZone(
                name: shown, abbreviation: isGMT ? Array("GMT".utf8) : Array("UTC".utf8), offset: 0, summer: nil)
        }
        return posix(text)
    }

    private static func posix(_ text: UnsafeRawBufferPointer) -> TimeZone? {
        var position = 0
        var abbreviation: [UInt8] = []
        if text.first != UInt8(ascii: "+"), text.first != UInt8(ascii: "-") {
            guard let name = readName(text, &position) else { return nil }
            abbreviation = name
        }
        guard let west = readTime(text, &position) else { return nil }
        let offset = Int32(-west)
        guard offset.magnitude <= 15 * 3600 + 59 * 60 + 59 else { return nil }
        if position == text.count {
            return TimeZone(name: [UInt8](text), abbreviation: abbreviation, offset: offset, summer: nil)
        }
        guard let summerName = readName(text, &position) else { return nil }
        var summerOffset = offset + 3600
        if position < text.count, text[position] != UInt8(ascii: ",") {
            guard let west = readTime(text, &position) else { return nil }
            summerOffset = Int32(-west)
        }
        guard let start = readRule(text, &position), let end = readRule(text, &position), position == text.count else {
            return nil
        }
        return TimeZone(
            name: [UInt8](text), abbreviation: abbreviation, offset: offset,
            summer: SummerTime(abbreviation: summerName, offset: summerOffset, start: start, end: end))
    }
    private static func readName(_ text: UnsafeRawBufferPointer, _ position: inout Int) -> [UInt8]? {
        let start = position
        if position < text.count, text[position] == UInt8(ascii: "<") {
            while position < text.count, text[position] != UInt8(ascii: ">") { position += 1 }
            guard position < text.count else { return nil }
            position += 1
            return [UInt8](text.slice(start + 1, position - 1))
        }
        while position < text.count, text[position].isLetter { position += 1 }
        return position - start >= 3 ? [UInt8](text.slice(start, position)) : nil
    }
    /// Seconds of `[+-]hh[:mm[:ss]]`.
    private static func readTime(_ text: UnsafeRawBufferPointer, _ position: inout Int) -> Int64? {
        var negative = false
        if position < text.count, text[position] == UInt8(ascii: "+") || text[position] == UInt8(ascii: "-") {
            negative = text[position] == UInt8(ascii: "-")
            position += 1
        }
        var parts: [Int64] = []
        while parts.count < 3 {
            let start = position
            var value: Int64 = 0
            while position < text.count, text[position].isDigit, position - start < 3 {
                value = value * 10 + Int64(text[position] - 0x30)
                position += 1
            }
            if position == start { return nil }
            parts.append(value)
            guard position < text.count, text[position] == UInt8(ascii: ":") else { break }
            position += 1
        }
        let seconds = parts[0] * 3600 + (parts.count > 1 ? parts[1] * 60 : 0) + (parts.count > 2 ? parts[2] : 0)
        return negative ? -seconds : seconds
    }
    private static func readRule(_ text: UnsafeRawBufferPointer, _ position: inout Int) -> Rule? {
        guard position + 1 < text.count, text[position] == UInt8(ascii: ","), text[position + 1] == UInt8(ascii: "M")
        else {
            return nil
        }
        position += 2
        var numbers: [Int] = []
        while numbers.count < 3 {
            var value = 0
            let start = position
            while position < text.count, text[position].isDigit, position - start < 2 {
                value = value * 10 + Int(text[position] - 0x30)
                position += 1
            }
            if position == start { return nil }
            numbers.append(value)
            if numbers.count < 3 {
                guard position < text.count, text[position] == UInt8(ascii: ".") else { return nil }
                position += 1
            }
        }
        guard (1...12).contains(numbers[0]), (1...5).contains(numbers[1]), (0...6).contains(numbers[2]) else {
            return nil
        }
        var rule = Rule(month: numbers[0], week: numbers[1], weekday: numbers[2])
        if position < text.count, text[position] == UInt8(ascii: "/") {
            position += 1
            guard let second = readTime(text, &position) else { return nil }
            rule.second = second
        }
        return rule
    }

    /// Seconds east of Greenwich at a moment given in UTC.
    func offset(utc timestamp: Int64) -> Int32 { isSummer(utc: timestamp) ? summer?.offset ?? offset : offset }

    private func isSummer(utc timestamp: Int64) -> Bool {
        guard let summer else { return false }
        let seconds = Int64(floorDivide(timestamp, 1_000_000))
        let year = DateFields(timestamp + Int64(offset) * 1_000_000).year
        let start = summer.start.moment(year) - Int64(offset)
        let end = summer.end.moment(year) - Int64(summer.offset)
        return start < end ? seconds >= start && seconds < end : seconds >= start || seconds < end
    }
    /// Seconds east for a local time: in a gap the offset before it, in an overlap the standard time.
    func offset(local timestamp: Int64) -> Int32 {
        guard let summer else { return offset }
        let standard = offset(utc: timestamp - Int64(offset) * 1_000_000)
        let daylight = offset(utc: timestamp - Int64(summer.offset) * 1_000_000)
        if standard == daylight { return standard }
        return offset
    }
    func abbreviation(utc timestamp: Int64) -> [UInt8] {
        isSummer(utc: timestamp) ? summer?.abbreviation ?? abbreviation : abbreviation
    }

    /// Local time of a moment; infinities stay.
    func local(_ timestamp: Int64) -> Int64 {
        Calendar.isFinite(timestamp) ? timestamp &+ Int64(offset(utc: timestamp)) * 1_000_000 : timestamp
    }
    /// Moment of a local time. Throws 22008.
    func utc(_ local: Int64) throws(EngineError) -> Int64 {
        guard Calendar.isFinite(local) else { return local }
        let (result, overflow) = local.subtractingReportingOverflow(Int64(offset(local: local)) * 1_000_000)
        guard !overflow, Calendar.isValid(result) else { throw DateTimeErrors.timestampOutOfRange() }
        return result
    }

    /// Seconds east of a zone abbreviation in date input; nil if unknown.
    static func abbreviationOffset(_ text: UnsafeRawBufferPointer) -> Int32? {
        let table: [(StaticString, Int32)] = [
            ("utc", 0), ("gmt", 0), ("z", 0), ("zulu", 0), ("ut", 0), ("est", -18000), ("edt", -14400), ("cst", -21600),
            ("cdt", -18000), ("mst", -25200), ("mdt", -21600), ("pst", -28800), ("pdt", -25200), ("cet", 3600),
            ("cest", 7200), ("met", 3600), ("mest", 7200), ("eet", 7200), ("eest", 10800), ("wet", 0), ("west", 3600),
            ("bst", 3600), ("msk", 10800), ("jst", 32400), ("kst", 32400), ("hst", -36000), ("akst", -32400),
            ("akdt", -28800), ("ist", 7200), ("nzst", 43200), ("nzdt", 46800), ("aest", 36000), ("sgt", 28800),
        ]
        for (name, offset) in table where text.equalsIgnoringCase(name) { return offset }
        return nil
    }
}

@inline(__always) func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
    let quotient = a / b
    return a % b < 0 ? quotient - 1 : quotient
}
