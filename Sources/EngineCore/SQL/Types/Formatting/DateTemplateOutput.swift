// to_char of moments, timestamps and intervals.

import Platform

/// What a template shows, taken apart.
struct FormattedMoment {
    var year = 0
    var month = 0
    var day = 0
    /// Nil for an interval, which lies on no calendar.
    var dayNumber: Int?
    /// An interval's hours may exceed a day, and all may be negative.
    var hour = 0
    var minute = 0
    var second = 0
    var microsecond = 0
    /// Seconds east of Greenwich, and what the zone is called.
    var offset: Int?
    var zone: [UInt8] = []

    init(timestamp: Int64) {
        let fields = DateFields(timestamp)
        (year, month, day) = (fields.year, fields.month, fields.day)
        dayNumber = fields.dayNumber
        (hour, minute, second) = (fields.hour, fields.minute, fields.second)
        microsecond = Int(fields.time % 1_000_000)
    }

    init(interval: IntervalValue) {
        year = Int(interval.months) / 12
        month = Int(interval.months) % 12
        day = Int(interval.days)
        let seconds = interval.microseconds / 1_000_000
        hour = Int(seconds / 3600)
        minute = Int(seconds / 60 % 60)
        second = Int(seconds % 60)
        microsecond = Int(interval.microseconds % 1_000_000)
    }

    func text(_ template: DateTemplate) throws(EngineError) -> [UInt8] {
        var out: [UInt8] = []
        for part in template.parts {
            switch part {
            case .text(let bytes): out += bytes
            case .separator(let byte): out.append(byte)
            case .field(let field, let style): out += try value(field, style)
            }
        }
        return out
    }

    private func number(_ value: Int, _ width: Int, _ style: DateFieldStyle) -> [UInt8] {
        var digits: [UInt8] = []
        var rest = value.magnitude
        repeat {
            digits.append(UInt8(0x30 + rest % 10))
            rest /= 10
        } while rest > 0
        if !style.isFill { while digits.count < width { digits.append(0x30) } }
        if value < 0 { digits.append(UInt8(ascii: "-")) }
        var result = [UInt8](digits.reversed())
        if let ordinal = style.ordinal { result += Self.ordinal(Int(value.magnitude), ordinal) }
        return result
    }

    static func ordinal(_ value: Int, _ letters: DateFieldStyle.Case) -> [UInt8] {
        let word: StaticString =
            switch (value % 10, value % 100) {
            case (_, 11...13): "TH"
            case (1, _): "ST"
            case (2, _): "ND"
            case (3, _): "RD"
            default: "TH"
            }
        return TemplateNames.bytes(word, letters)
    }

    private func padded(_ text: [UInt8], _ width: Int, _ style: DateFieldStyle) -> [UInt8] {
        if style.isFill || text.count >= width { return text }
        return text + [UInt8](repeating: 0x20, count: width - text.count)
    }

    private func calendarDay() throws(EngineError) -> Int {
        if let dayNumber { return dayNumber }
        throw EngineError(
            "22007", "invalid format specification for an interval value",
            hint: "Intervals are not tied to specific calendar dates.")
    }
    /// Years BC count from 1.
    private func shown(_ year: Int) -> Int { dayNumber == nil || year > 0 ? year : 1 - year }

    private func value(_ field: DateField, _ style: DateFieldStyle) throws(EngineError) -> [UInt8] {
        switch field {
        case .hour12, .hour24, .minute, .second, .secondOfDay, .millisecond, .microsecond, .fraction1, .fraction2,
            .fraction3, .fraction4, .fraction5, .fraction6, .meridiem, .meridiemDots:
            return clock(field, style)
        case .zone, .zoneHours, .zoneMinutes, .zoneOffset: return try zoneText(field, style)
        case .month, .monthShort, .day, .dayShort, .roman, .era, .eraDots: return try name(field, style)
        default: return try date(field, style)
        }
    }

    private func clock(_ field: DateField, _ style: DateFieldStyle) -> [UInt8] {
        switch field {
        case .hour12: return number(hour % 12 == 0 ? 12 : hour % 12, 2, style)
        case .hour24: return number(hour, 2, style)
        case .minute: return number(minute, 2, style)
        case .second: return number(second, 2, style)
        case .secondOfDay: return number((hour * 60 + minute) * 60 + second, 0, style)
        case .millisecond, .fraction3: return number(microsecond / 1000, 3, style)
        case .microsecond, .fraction6: return number(microsecond, 6, style)
        case .fraction1: return number(microsecond / 100_000, 1, style)
        case .fraction2: return number(microsecond / 10_000, 2, style)
        case .fraction4: return number(microsecond / 100, 4, style)
        case .fraction5: return number(microsecond / 10, 5, style)
        default:
            let isAfternoon = (hour % 24 + 24) % 24 >= 12
            if field == .meridiem { return TemplateNames.bytes(isAfternoon ? "PM" : "AM", style.letters) }
            return TemplateNames.bytes(isAfternoon ? "P.M." : "A.M.", style.letters)
        }
    }

    private func zoneText(_ field: DateField, _ style: DateFieldStyle) throws(EngineError) -> [UInt8] {
        _ = try calendarDay()
        let seconds = offset ?? 0
        let minutes = Int(seconds.magnitude) / 60
        var plain = DateFieldStyle()
        plain.isFill = false
        let sign: [UInt8] = [seconds < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+")]
        switch field {
        case .zoneHours: return sign + number(minutes / 60, 2, plain)
        case .zoneMinutes: return number(minutes % 60, 2, plain)
        case .zoneOffset:
            let rest = minutes % 60 == 0 ? [] : [UInt8(ascii: ":")] + number(minutes % 60, 2, plain)
            return sign + number(minutes / 60, 2, style) + rest
        default:
            return zone.map { style.letters == .lower ? $0.lowered : $0 }
        }
    }

    private func name(_ field: DateField, _ style: DateFieldStyle) throws(EngineError) -> [UInt8] {
        switch field {
        case .month, .monthShort:
            _ = try calendarDay()
            let isShort = field == .monthShort
            return padded(
                TemplateNames.bytes(TemplateNames.months[month - 1], style.letters, limit: isShort ? 3 : 16),
                isShort ? 3 : 9,
                style)
        case .day, .dayShort:
            let isShort = field == .dayShort
            let weekday = Calendar.weekday(try calendarDay())
            return padded(
                TemplateNames.bytes(TemplateNames.days[weekday], style.letters, limit: isShort ? 3 : 16),
                isShort ? 3 : 9, style)
        case .roman:
            // An interval's month 0 is the twelfth of the year before.
            let index = month > 0 ? month - 1 : month + 11
            if dayNumber == nil, month == 0, year == 0 { return [] }
            return padded(TemplateNames.bytes(TemplateNames.romans[index], style.letters), 4, style)
        default:
            _ = try calendarDay()
            if field == .era { return TemplateNames.bytes(year > 0 ? "AD" : "BC", style.letters) }
            return TemplateNames.bytes(year > 0 ? "A.D." : "B.C.", style.letters)
        }
    }

    private func date(_ field: DateField, _ style: DateFieldStyle) throws(EngineError) -> [UInt8] {
        switch field {
        case .yearWithComma:
            var plain = DateFieldStyle()
            plain.isFill = true
            let year = shown(year)
            let rest = number(year % 1000, 3, DateFieldStyle())
            let text = number(year / 1000, 1, plain) + [UInt8(ascii: ",")] + rest
            return text + (style.ordinal.map { Self.ordinal(year, $0) } ?? [])
        case .year4: return number(shown(year), 4, style)
        case .year3: return number(shown(year) % 1000, 3, style)
        case .year2: return number(shown(year) % 100, 2, style)
        case .year1: return number(shown(year) % 10, 1, style)
        case .isoYear4: return number(shown(Calendar.isoWeek(try calendarDay()).year), 4, style)
        case .isoYear3: return number(shown(Calendar.isoWeek(try calendarDay()).year) % 1000, 3, style)
        case .isoYear2: return number(shown(Calendar.isoWeek(try calendarDay()).year) % 100, 2, style)
        case .isoYear1: return number(shown(Calendar.isoWeek(try calendarDay()).year) % 10, 1, style)
        case .monthNumber: return number(month, 2, style)
        case .dayOfMonth: return number(day, 2, style)
        case .dayOfYear:
            guard dayNumber != nil else { return number((year * 12 + month) * 30 + day, 3, style) }
            return number(Calendar.dayOfYear(year, month, day), 3, style)
        case .isoDayOfYear:
            let number = try calendarDay()
            return self.number(number - Calendar.isoWeekStart(Calendar.isoWeek(number).year, 1) + 1, 3, style)
        case .dayOfWeek: return number(Calendar.weekday(try calendarDay()) + 1, 1, style)
        case .isoDayOfWeek:
            let weekday = Calendar.weekday(try calendarDay())
            return number(weekday == 0 ? 7 : weekday, 1, style)
        case .weekOfMonth: return number((day - 1) / 7 + 1, 1, style)
        case .weekOfYear: return number((Calendar.dayOfYear(year, month, day) - 1) / 7 + 1, 2, style)
        case .isoWeek: return number(Calendar.isoWeek(try calendarDay()).week, 2, style)
        case .century:
            let century = dayNumber == nil ? year / 100 : (year > 0 ? (year - 1) / 100 + 1 : year / 100 - 1)
            return number(century, 2, style)
        case .julian: return number(try calendarDay() + 2_451_545, 1, style)
        default:
            if month == 0 { return [] }
            return number((month - 1) / 3 + 1, 1, style)
        }
    }
}
