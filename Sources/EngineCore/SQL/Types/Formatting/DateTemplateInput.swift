// to_date and to_timestamp: a text read by a template. Blanks before fields are skipped, and separators need not be those
// of the template, unless it says FX.

import Platform

struct DateTemplateReader {
    private let template: DateTemplate
    private let text: UnsafeRawBufferPointer
    private var position = 0
    /// Blanks skipped beyond what the template has.
    private var extra = 0
    private var values: [DateField: Int] = [:]
    private var isBC = false
    private var isAfternoon: Bool?
    private var microseconds = 0
    private var zoneSign = 1

    init(_ template: DateTemplate, _ text: UnsafeRawBufferPointer) {
        self.template = template
        self.text = text
    }

    /// Local timestamp, and the offset if the text has one. Errors: 22007, 22008.
    mutating func read() throws(EngineError) -> (timestamp: Int64, offset: Int?) {
        for (index, part) in template.parts.enumerated() {
            if position >= text.count { break }
            if case .field = part { skipBlanks() } else if index == 0 { skipBlanks() }
            switch part {
            case .separator:
                if template.isExact {
                    position += UTF8Text.length(lead: text[position])
                    continue
                }
                extra -= 1
                if position < text.count, text[position].isSpace || isPunctuation(text[position]) {
                    position += 1
                    extra += 1
                }
            case .text(let literal):
                for _ in literal where position < text.count {
                    if extra > 0, !template.isExact { extra -= 1 } else { position += 1 }
                }
            case .field(let field, let style):
                try read(field, style, isLimited: isNumberNext(index))
                extra = 0
                skipBlanks()
            }
        }
        return try combined()
    }

    private mutating func skipBlanks() {
        if template.isExact { return }
        while position < text.count, text[position].isSpace {
            position += 1
            extra += 1
        }
    }
    private func isPunctuation(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F && !byte.isLetter && !byte.isDigit }

    /// A number follows at once, so that this one has no more digits than its field.
    private func isNumberNext(_ index: Int) -> Bool {
        if case .field(_, let style) = template.parts[index], style.ordinal != nil { return false }
        guard index + 1 < template.parts.count else { return false }
        switch template.parts[index + 1] {
        case .field(let next, _):
            switch next {
            case .month, .monthShort, .day, .dayShort, .roman, .meridiem, .meridiemDots, .era, .eraDots, .zone,
                .zoneOffset:
                return false
            default: return true
            }
        case .text(let literal): return literal.first?.isDigit ?? false
        case .separator: return false
        }
    }

    private func invalid(_ value: [UInt8], _ style: DateFieldStyle, _ detail: String) -> EngineError {
        EngineError(
            "22007",
            "invalid value \"\(String(decoding: value, as: UTF8.self))\" for \"\(String(decoding: style.name, as: UTF8.self))\"",
            detail: detail)
    }

    /// Digits with an optional sign; how many there were.
    private mutating func integer(_ width: Int, _ style: DateFieldStyle, isLimited: Bool) throws(EngineError) -> (
        value: Int, count: Int
    ) {
        let start = position
        let limit = isLimited && !style.isFill ? min(position + width, text.count) : text.count
        var isNegative = false
        if position < limit, text[position] == UInt8(ascii: "-") || text[position] == UInt8(ascii: "+") {
            isNegative = text[position] == UInt8(ascii: "-")
            position += 1
        }
        var value = 0
        var count = 0
        while position < limit, text[position].isDigit, count < 12 {
            value = value * 10 + Int(text[position] - 0x30)
            position += 1
            count += 1
        }
        if count == 0 {
            let end = min(start + width, text.count)
            throw invalid([UInt8](text.slice(start, end)), style, "Value must be an integer.")
        }
        if style.ordinal != nil { position = min(position + 2, text.count) }
        return (isNegative ? -value : value, count)
    }

    private mutating func choice(_ names: [StaticString], limit: Int, _ style: DateFieldStyle) throws(EngineError)
        -> Int
    {
        for (index, name) in names.enumerated() {
            let wanted = TemplateNames.bytes(name, .lower, limit: limit)
            guard position + wanted.count <= text.count else { continue }
            var isSame = true
            for offset in wanted.indices where text[position + offset].lowered != wanted[offset] { isSame = false }
            if isSame {
                position += wanted.count
                return index
            }
        }
        var end = position
        while end < text.count, text[end].isLetter || text[end] >= 0x80 { end += 1 }
        throw invalid(
            [UInt8](text.slice(position, end)), style,
            "The given value did not match any of the allowed values for this field.")
    }

    private mutating func set(_ field: DateField, _ value: Int, _ style: DateFieldStyle) throws(EngineError) {
        if let known = values[field], known != value {
            throw EngineError(
                "22007",
                "conflicting values for \"\(String(decoding: style.name, as: UTF8.self))\" field in formatting string",
                detail: "This value contradicts a previous setting for the same field type.")
        }
        values[field] = value
    }

    private mutating func read(_ field: DateField, _ style: DateFieldStyle, isLimited: Bool) throws(EngineError) {
        switch field {
        case .month: try set(.monthNumber, choice(TemplateNames.months, limit: 16, style) + 1, style)
        case .monthShort: try set(.monthNumber, choice(TemplateNames.months, limit: 3, style) + 1, style)
        case .roman:
            // Longer numerals before their beginnings: VIII, VII, VI, V.
            let order = [7, 2, 6, 11, 1, 3, 5, 8, 10, 0, 4, 9]
            let found = try choice(order.map { TemplateNames.romans[$0] }, limit: 4, style)
            try set(.monthNumber, order[found] + 1, style)
        case .day: _ = try choice(TemplateNames.days, limit: 16, style)
        case .dayShort: _ = try choice(TemplateNames.days, limit: 3, style)
        case .meridiem: isAfternoon = try choice(["AM", "PM"], limit: 2, style) == 1
        case .meridiemDots: isAfternoon = try choice(["A.M.", "P.M."], limit: 4, style) == 1
        case .era: isBC = try choice(["AD", "BC"], limit: 2, style) == 1
        case .eraDots: isBC = try choice(["A.D.", "B.C."], limit: 4, style) == 1
        case .zone, .zoneOffset:
            throw EngineError(
                .featureNotSupported,
                "formatting field \"\(String(decoding: style.name, as: UTF8.self))\" is only supported in to_char")
        case .zoneHours:
            zoneSign = position < text.count && text[position] == UInt8(ascii: "-") ? -1 : 1
            try set(field, abs(integer(2, style, isLimited: isLimited).value), style)
        default: try readNumber(field, style, isLimited: isLimited)
        }
    }

    private mutating func readNumber(_ field: DateField, _ style: DateFieldStyle, isLimited: Bool) throws(EngineError) {
        switch field {
        case .millisecond, .fraction3:
            let (value, count) = try integer(3, style, isLimited: isLimited)
            microseconds += value * (count == 1 ? 100 : count == 2 ? 10 : 1) * 1000
        case .microsecond, .fraction1, .fraction2, .fraction4, .fraction5, .fraction6:
            let width = field == .microsecond ? 6 : Int(field.rawValue - DateField.fraction1.rawValue) + 1
            let (value, count) = try integer(width, style, isLimited: isLimited)
            var scaled = value
            for _ in min(count, 6)..<6 { scaled *= 10 }
            microseconds += scaled
        case .yearWithComma:
            let thousands = try integer(3, style, isLimited: false).value
            guard position < text.count, text[position] == UInt8(ascii: ",") else {
                throw EngineError("22007", "invalid input string for \"Y,YYY\"")
            }
            position += 1
            try set(.year4, thousands * 1000 + integer(3, style, isLimited: isLimited).value, style)
        case .year4: try set(.year4, integer(4, style, isLimited: isLimited).value, style)
        case .year3, .year2, .year1, .isoYear3, .isoYear2, .isoYear1:
            let width = field == .year3 || field == .isoYear3 ? 3 : field == .year2 || field == .isoYear2 ? 2 : 1
            var (year, count) = try integer(width, style, isLimited: isLimited)
            // The year nearest to 2020 that ends so.
            if count < 4 { year += year < 70 ? 2000 : year < 100 ? 1900 : year < 520 ? 2000 : year < 1000 ? 1000 : 0 }
            let isISO = field.rawValue >= DateField.isoYear4.rawValue && field.rawValue <= DateField.isoYear1.rawValue
            try set(isISO ? .isoYear4 : .year4, year, style)
        case .isoYear4: try set(field, integer(4, style, isLimited: isLimited).value, style)
        case .secondOfDay: try set(field, integer(5, style, isLimited: isLimited).value, style)
        case .dayOfYear, .isoDayOfYear: try set(field, integer(3, style, isLimited: isLimited).value, style)
        case .dayOfWeek, .isoDayOfWeek, .weekOfMonth, .quarter:
            let value = try integer(1, style, isLimited: isLimited).value
            if field != .quarter { try set(field, value, style) }
        case .julian: try set(field, integer(10, style, isLimited: false).value, style)
        default: try set(field, integer(2, style, isLimited: isLimited).value, style)
        }
    }

    // MARK: Putting together

    private var outOfRange: EngineError {
        EngineError(
            .datetimeFieldOverflow,
            "date/time field value out of range: \"\(String(decoding: [UInt8](text), as: UTF8.self))\"")
    }

    private func combined() throws(EngineError) -> (timestamp: Int64, offset: Int?) {
        let day = try dayNumber()
        var hour = values[.hour24] ?? 0
        if var half = values[.hour12] {
            if isAfternoon != nil || values[.hour24] == nil {
                guard half >= 1, half <= 12 else {
                    throw EngineError(
                        "22007", "hour \"\(half)\" is invalid for the 12-hour clock",
                        hint: "Use the 24-hour clock, or give an hour between 1 and 12.")
                }
                if isAfternoon == true, half < 12 { half += 12 }
                if isAfternoon == false, half == 12 { half = 0 }
                hour = half
            }
        }
        let minute = values[.minute] ?? 0
        let second = values[.second] ?? 0
        guard hour >= 0, hour < 24, minute >= 0, minute < 60, second >= 0, second < 60, microseconds < 1_000_000 else {
            throw outOfRange
        }
        var seconds = (hour * 60 + minute) * 60 + second
        if let all = values[.secondOfDay] {
            guard all >= 0, all < 86_400 else { throw outOfRange }
            seconds = all
        }
        let timestamp = Int64(day) * Calendar.microsecondsPerDay + Int64(seconds) * 1_000_000 + Int64(microseconds)
        guard Calendar.isValid(timestamp) else { throw outOfRange }
        var offset: Int?
        if values[.zoneHours] != nil || values[.zoneMinutes] != nil {
            let hours = values[.zoneHours] ?? 0
            let minutes = values[.zoneMinutes] ?? 0
            guard hours < 16, minutes < 60 else { throw outOfRange }
            offset = zoneSign * (hours * 3600 + minutes * 60)
        }
        return (timestamp, offset)
    }

    private func dayNumber() throws(EngineError) -> Int {
        if let julian = values[.julian] { return julian - 2_451_545 }
        if let year = values[.isoYear4] {
            if let all = values[.isoDayOfYear] { return Calendar.isoWeekStart(year, 1) + all - 1 }
            let weekday = values[.isoDayOfWeek] ?? values[.dayOfWeek].map { $0 == 1 ? 7 : $0 - 1 } ?? 1
            guard (1...53).contains(values[.isoWeek] ?? 1), (1...7).contains(weekday) else { throw outOfRange }
            return Calendar.isoWeekStart(year, values[.isoWeek] ?? 1) + weekday - 1
        }
        var year = values[.year4] ?? 0
        if let century = values[.century] {
            year = values[.year4].map { century * 100 - 100 + $0 % 100 } ?? (century - 1) * 100 + 1
        }
        if isBC, year > 0 { year = 1 - year } else if year < 0 { year += 1 }
        var month = values[.monthNumber] ?? 1
        var day = values[.dayOfMonth] ?? 1
        if values[.dayOfMonth] == nil, let week = values[.weekOfMonth] {
            guard (1...5).contains(week) else { throw outOfRange }
            day = (week - 1) * 7 + 1
        }
        if values[.monthNumber] == nil, values[.dayOfMonth] == nil {
            if let ordinal = values[.dayOfYear] ?? values[.weekOfYear].map({ ($0 - 1) * 7 + 1 }) {
                guard ordinal >= 1, ordinal <= (Calendar.isLeap(year) ? 366 : 365) else { throw outOfRange }
                (year, month, day) = Calendar.civil(Calendar.day(year, 1, 1) + ordinal - 1)
            }
        }
        guard (1...12).contains(month), day >= 1, day <= Calendar.dayCount(year, month), year > -4714, year < 5_874_898
        else { throw outOfRange }
        return Calendar.day(year, month, day)
    }
}
