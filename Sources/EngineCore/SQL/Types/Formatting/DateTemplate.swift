// Templates of to_char, to_date and to_timestamp taken apart. Source: PostgreSQL 15 manual, tables 9.27 and 9.28.

import Platform

/// One part of a template.
enum DatePart {
    case field(DateField, DateFieldStyle)
    /// Text in double quotes, and characters that mean nothing.
    case text([UInt8])
    /// A blank or punctuation outside quotes: input may have another one, or none.
    case separator(UInt8)
}

enum DateField: UInt8 {
    case hour12, hour24, minute, second, millisecond, microsecond, secondOfDay
    case fraction1, fraction2, fraction3, fraction4, fraction5, fraction6
    case meridiem, meridiemDots, era, eraDots
    case yearWithComma, year4, year3, year2, year1, isoYear4, isoYear3, isoYear2, isoYear1
    case month, monthShort, monthNumber, day, dayShort, dayOfYear, isoDayOfYear, dayOfMonth, dayOfWeek, isoDayOfWeek
    case weekOfMonth, weekOfYear, isoWeek, century, julian, quarter, roman, zone, zoneHours, zoneMinutes, zoneOffset
}

struct DateFieldStyle {
    enum Case: UInt8 { case upper, capitalised, lower }
    var letters = Case.upper
    /// FM: no padding.
    var isFill = false
    /// TH or th after a number.
    var ordinal: Case?
    /// As written, for messages.
    var name: [UInt8] = []
}

struct DateTemplate {
    private(set) var parts: [DatePart] = []
    /// FX: input must match exactly.
    private(set) var isExact = false

    /// Words in capitals, longer ones before their beginnings.
    private static let words: [(StaticString, DateField)] = [
        ("HH24", .hour24), ("HH12", .hour12), ("HH", .hour12), ("MI", .minute), ("SSSSS", .secondOfDay),
        ("SSSS", .secondOfDay), ("SS", .second), ("MS", .millisecond), ("US", .microsecond), ("FF1", .fraction1),
        ("FF2", .fraction2), ("FF3", .fraction3), ("FF4", .fraction4), ("FF5", .fraction5), ("FF6", .fraction6),
        ("A.M.", .meridiemDots), ("P.M.", .meridiemDots), ("AM", .meridiem), ("PM", .meridiem), ("B.C.", .eraDots),
        ("A.D.", .eraDots), ("BC", .era), ("AD", .era), ("Y,YYY", .yearWithComma), ("YYYY", .year4), ("YYY", .year3),
        ("YY", .year2), ("Y", .year1), ("IYYY", .isoYear4), ("IYY", .isoYear3), ("IY", .isoYear2),
        ("IDDD", .isoDayOfYear), ("ID", .isoDayOfWeek), ("IW", .isoWeek), ("I", .isoYear1), ("MONTH", .month),
        ("MON", .monthShort), ("MM", .monthNumber), ("DAY", .day), ("DY", .dayShort), ("DDD", .dayOfYear),
        ("DD", .dayOfMonth), ("D", .dayOfWeek), ("WW", .weekOfYear), ("W", .weekOfMonth), ("CC", .century),
        ("J", .julian), ("Q", .quarter), ("RM", .roman), ("TZH", .zoneHours), ("TZM", .zoneMinutes), ("TZ", .zone),
        ("OF", .zoneOffset),
    ]

    init(_ text: UnsafeRawBufferPointer) {
        var position = 0
        while position < text.count {
            let byte = text[position]
            if byte == UInt8(ascii: "\"") {
                position = quoted(text, position + 1)
                continue
            }
            if byte == UInt8(ascii: "\\"), position + 1 < text.count, text[position + 1] == UInt8(ascii: "\"") {
                parts.append(.text([UInt8(ascii: "\"")]))
                position += 2
                continue
            }
            if Self.matches(text, position, "FX") {
                isExact = true
                position += 2
                continue
            }
            var style = DateFieldStyle()
            var start = position
            while Self.matches(text, start, "FM") || Self.matches(text, start, "TM") {
                if text[start].lowered == UInt8(ascii: "f") { style.isFill = true }
                start += 2
            }
            if let (field, count) = Self.field(text, start, &style) {
                style.name = [UInt8](text.slice(start, start + count))
                position = start + count
                if Self.matches(text, position, "TH") {
                    style.ordinal = text[position] == UInt8(ascii: "T") ? .upper : .lower
                    position += 2
                }
                parts.append(.field(field, style))
                continue
            }
            if byte < 0x80, !byte.isLetter, !byte.isDigit {
                parts.append(.separator(byte))
                position += 1
            } else {
                let length = min(UTF8Text.length(lead: byte), text.count - position)
                parts.append(.text([UInt8](text.slice(position, position + length))))
                position += length
            }
        }
    }

    private mutating func quoted(_ text: UnsafeRawBufferPointer, _ start: Int) -> Int {
        var literal: [UInt8] = []
        var position = start
        while position < text.count, text[position] != UInt8(ascii: "\"") {
            if text[position] == UInt8(ascii: "\\"), position + 1 < text.count { position += 1 }
            literal.append(text[position])
            position += 1
        }
        parts.append(.text(literal))
        return position + 1
    }

    /// Both letters in capitals or both small.
    private static func matches(_ text: UnsafeRawBufferPointer, _ position: Int, _ word: StaticString) -> Bool {
        guard position + 2 <= text.count else { return false }
        let a = text[position]
        let b = text[position + 1]
        if a == word.utf8Start[0], b == word.utf8Start[1] { return true }
        return a == word.utf8Start[0] | 0x20 && b == word.utf8Start[1] | 0x20
    }

    private static func field(_ text: UnsafeRawBufferPointer, _ start: Int, _ style: inout DateFieldStyle) -> (
        DateField, Int
    )? {
        for (word, field) in words {
            let count = word.utf8CodeUnitCount
            guard start + count <= text.count else { continue }
            var isUpper = true
            var isLower = true
            var isCapitalised = true
            for index in 0..<count {
                let wanted = word.utf8Start[index]
                let byte = text[start + index]
                let small = wanted.isLetter ? wanted | 0x20 : wanted
                if byte != wanted { isUpper = false }
                if byte != small { isLower = false }
                if byte != (index == 0 ? wanted : small) { isCapitalised = false }
            }
            let hasNames = field == .month || field == .monthShort || field == .day || field == .dayShort
            if isUpper { style.letters = .upper } else if isLower { style.letters = .lower }
            if isUpper || isLower { return (field, count) }
            if hasNames, isCapitalised {
                style.letters = .capitalised
                return (field, count)
            }
        }
        return nil
    }
}

enum TemplateNames {
    static let months: [StaticString] = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    static let days: [StaticString] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    static let romans: [StaticString] = [
        "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
    ]

    static func bytes(_ name: StaticString, _ letters: DateFieldStyle.Case, limit: Int = 16) -> [UInt8] {
        var result: [UInt8] = []
        for index in 0..<min(name.utf8CodeUnitCount, limit) {
            let byte = name.utf8Start[index]
            let isUpper = letters == .upper || (letters == .capitalised && index == 0)
            result.append(byte.isLetter ? (isUpper ? byte & 0xDF : byte | 0x20) : byte)
        }
        return result
    }
}
