// The scanner behind date/time input: words, numbers with separators, clock times and zones, in any sensible order.

import Platform

struct DateTimeParser {
    private let text: UnsafeRawBufferPointer
    private let typeName: StaticString
    private let context: EvaluationContext
    private var position = 0
    private var result = ParsedDateTime()
    /// Numbers that stood alone beside a month's name.
    private var loose: [(value: Int, count: Int)] = []
    private var hasTextMonth = false

    static func parse(
        _ text: UnsafeRawBufferPointer, _ typeName: StaticString, _ context: EvaluationContext
    ) throws(EngineError) -> ParsedDateTime {
        var parser = DateTimeParser(text: text, typeName: typeName, context: context)
        try parser.run()
        return parser.result
    }
    private init(text: UnsafeRawBufferPointer, typeName: StaticString, context: EvaluationContext) {
        self.text = text
        self.typeName = typeName
        self.context = context
    }

    private func invalid() -> EngineError { DateTimeInput.invalid(text, typeName) }
    private func peek(_ offset: Int = 0) -> UInt8 { position + offset < text.count ? text[position + offset] : 0 }

    private mutating func run() throws(EngineError) {
        var any = false
        while true {
            while position < text.count, text[position].isSpace || text[position] == UInt8(ascii: ",") { position += 1 }
            guard position < text.count else { break }
            any = true
            let byte = text[position]
            if byte.isDigit {
                try number()
            } else if byte.isLetter {
                try word()
            } else if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") {
                if peek(1).isLetter { try word() } else { try zoneOffset() }
            } else {
                throw invalid()
            }
        }
        guard any else { throw invalid() }
        try settleLooseNumbers()
        if let pm = result.isPM, let time = result.time {
            let hour = time / Calendar.microsecondsPerHour
            guard hour >= 1, hour <= 12 else { throw DateTimeInput.fieldOverflow(text) }
            result.time = time + (pm ? (hour == 12 ? 0 : 12) : (hour == 12 ? -12 : 0)) * Calendar.microsecondsPerHour
        }
    }

    private mutating func digits() -> (value: Int, count: Int) {
        let start = position
        var value = 0
        while position < text.count, text[position].isDigit {
            if position - start < 15 { value = value * 10 + Int(text[position] - 0x30) }
            position += 1
        }
        return (value, position - start)
    }

    private mutating func number() throws(EngineError) {
        let start = position
        let first = digits()
        switch peek() {
        case UInt8(ascii: ":"):
            position = start
            try clock()
        case UInt8(ascii: "-"), UInt8(ascii: "/"): try separatedDate(first)
        case UInt8(ascii: "."):
            if peek(1).isDigit { try dotted(first, start) } else { throw invalid() }
        default: try bareNumber(first, start)
        }
    }

    /// `a-b-c`, `a/b/c`, `d-Mon-y`, `y-ddd`.
    private mutating func separatedDate(_ first: (value: Int, count: Int)) throws(EngineError) {
        let separator = text[position]
        if hasTextMonth, result.day == nil, result.year == nil {
            // Jan-08-1999: the month's name came first.
            position += 1
            guard peek().isDigit else { throw invalid() }
            loose = [(first.value, first.count), digits()]
            return
        }
        if result.year != nil || result.month != nil { throw invalid() }
        position += 1
        if peek().isLetter {
            let month = try monthName()
            guard peek() == separator else { throw invalid() }
            position += 1
            guard peek().isDigit else { throw invalid() }
            let third = digits()
            result.month = month
            if first.count >= 3 {
                (result.year, result.yearDigits, result.day) = (first.value, first.count, third.value)
            } else {
                (result.day, result.year, result.yearDigits) = (first.value, third.value, third.count)
            }
            return
        }
        guard peek().isDigit else { throw invalid() }
        let second = digits()
        guard peek() == separator else {
            if first.count >= 4, second.count == 3 {
                (result.year, result.yearDigits, result.dayOfYear) = (first.value, first.count, second.value)
                return
            }
            throw invalid()
        }
        position += 1
        guard peek().isDigit else { throw invalid() }
        let third = digits()
        try assign(first, second, third)
    }

    private mutating func assign(
        _ a: (value: Int, count: Int), _ b: (value: Int, count: Int), _ c: (value: Int, count: Int)
    ) throws(EngineError) {
        if a.count >= 3 || context.dateOrder == .ymd {
            (result.year, result.yearDigits, result.month, result.day) = (a.value, a.count, b.value, c.value)
        } else if context.dateOrder == .dmy {
            (result.day, result.month, result.year, result.yearDigits) = (a.value, b.value, c.value, c.count)
        } else {
            (result.month, result.day, result.year, result.yearDigits) = (a.value, b.value, c.value, c.count)
        }
    }

    /// `d.m.y`, `y.ddd`, or `hhmmss.fff` after a date.
    private mutating func dotted(_ first: (value: Int, count: Int), _ start: Int) throws(EngineError) {
        if result.year != nil, first.count == 6 || first.count == 4 || first.count == 2 {
            position = start
            try compactTime(first)
            return
        }
        position += 1
        let second = digits()
        if peek() == UInt8(ascii: "."), peek(1).isDigit {
            position += 1
            let third = digits()
            if first.count >= 3 {
                try assign(first, second, third)
            } else {
                let order = context.dateOrder
                (result.year, result.yearDigits) = (third.value, third.count)
                (result.day, result.month) = order == .mdy ? (second.value, first.value) : (first.value, second.value)
            }
        } else if first.count >= 4, second.count == 3 {
            (result.year, result.yearDigits, result.dayOfYear) = (first.value, first.count, second.value)
        } else {
            throw invalid()
        }
    }

    /// `yyyymmdd`, `yymmdd`, `hhmmss`, or part of a date with a month's name.
    private mutating func bareNumber(_ number: (value: Int, count: Int), _ start: Int) throws(EngineError) {
        let hasDate = result.year != nil || result.relativeDay != nil || result.julianDay != nil
        let isTime = hasDate || afterTimeMarker(start) || StaticBytes(stringLiteral: typeName).bytes.equals("time")
        if isTime, number.count == 6 || number.count == 4, result.time == nil {
            position = start
            try compactTime(number)
            return
        }
        if !hasTextMonth, number.count == 8, !hasDate {
            (result.year, result.yearDigits) = (number.value / 10_000, 4)
            (result.month, result.day) = (number.value / 100 % 100, number.value % 100)
        } else if !hasTextMonth, number.count == 6, !hasDate {
            (result.year, result.yearDigits) = (number.value / 10_000, 2)
            (result.month, result.day) = (number.value / 100 % 100, number.value % 100)
        } else if number.count <= 6, !hasDate {
            loose.append((number.value, number.count))
        } else {
            throw invalid()
        }
    }
    private func afterTimeMarker(_ start: Int) -> Bool { start > 0 && text[start - 1].lowered == UInt8(ascii: "t") }

    private mutating func compactTime(_ number: (value: Int, count: Int)) throws(EngineError) {
        position += number.count
        var (hour, minute, second) = (number.value, 0, 0)
        if number.count == 6 {
            (hour, minute, second) = (number.value / 10_000, number.value / 100 % 100, number.value % 100)
        }
        if number.count == 4 { (hour, minute) = (number.value / 100, number.value % 100) }
        try setTime(hour, minute, second, try fraction())
    }

    /// `hh:mm[:ss[.ffffff]]`.
    private mutating func clock() throws(EngineError) {
        let hour = digits().value
        position += 1
        guard peek().isDigit else { throw invalid() }
        let minute = digits().value
        var second = 0
        if peek() == UInt8(ascii: ":") {
            position += 1
            guard peek().isDigit else { throw invalid() }
            second = digits().value
        }
        try setTime(hour, minute, second, try fraction())
    }
    private mutating func setTime(_ hour: Int, _ minute: Int, _ second: Int, _ fraction: Int64) throws(EngineError) {
        guard result.time == nil else { throw invalid() }
        guard hour <= 24, minute <= 59, second <= 60, hour < 24 || (minute == 0 && second == 0 && fraction == 0) else {
            throw DateTimeInput.fieldOverflow(text)
        }
        result.time = Int64(hour * 3600 + minute * 60 + second) * 1_000_000 + fraction
    }
    /// Microseconds of `.ddd`, rounded; 0 if there is none.
    private mutating func fraction() throws(EngineError) -> Int64 {
        guard peek() == UInt8(ascii: ".") else { return 0 }
        position += 1
        let start = position
        let value = digits()
        return DateTimeParser.microseconds(text, start, value.count)
    }
    /// The decimals `text[start ..< start + count]` of a second in microseconds, rounded.
    static func microseconds(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Int64 {
        var result: Int64 = 0
        for index in 0..<6 { result = result * 10 + (index < count ? Int64(text[start + index] - 0x30) : 0) }
        if count > 6, text[start + 6] >= 0x35 { result += 1 }
        return result
    }

    /// `+hh`, `+hhmm`, `+hh:mm[:ss]`.
    private mutating func zoneOffset() throws(EngineError) {
        let negative = text[position] == UInt8(ascii: "-")
        position += 1
        guard peek().isDigit, result.offset == nil else { throw invalid() }
        let first = digits()
        var (hour, minute, second) = (first.value, 0, 0)
        if peek() == UInt8(ascii: ":") {
            position += 1
            minute = digits().value
            if peek() == UInt8(ascii: ":") {
                position += 1
                second = digits().value
            }
        } else if first.count > 2 {
            (hour, minute) = (first.value / 100, first.value % 100)
        }
        guard hour <= 15, minute < 60, second < 60 else {
            throw EngineError("22009", "time zone displacement out of range: \"\(quoted(text))\"")
        }
        let seconds = Int32(hour * 3600 + minute * 60 + second)
        result.offset = negative ? -seconds : seconds
    }

    private mutating func monthName() throws(EngineError) -> Int {
        let start = position
        while peek().isLetter { position += 1 }
        guard let month = DateTimeParser.month(text.slice(start, position)) else { throw invalid() }
        return month
    }
    static func month(_ word: UnsafeRawBufferPointer) -> Int? {
        for (index, name) in DateNames.months.enumerated() {
            if matches(word, name, 3) || (index == 8 && word.equalsIgnoringCase("sept")) { return index + 1 }
        }
        return nil
    }
    /// The whole name or its first `short` letters, in any case.
    private static func matches(_ word: UnsafeRawBufferPointer, _ name: StaticBytes, _ short: Int) -> Bool {
        guard word.count == short || word.count == name.count else { return false }
        for index in 0..<word.count where word[index].lowered != name.start[index].lowered { return false }
        return true
    }

    private mutating func word() throws(EngineError) {
        let start = position
        if !peek().isLetter { position += 1 }
        while peek().isLetter { position += 1 }
        var word = text.slice(start, position)
        // "t" before a time, "j" before a Julian day.
        if word.count == 1, peek().isDigit {
            if word[0].lowered == UInt8(ascii: "t"), result.time == nil { return }
            if word[0].lowered == UInt8(ascii: "j") {
                result.julianDay = digits().value
                return
            }
        }
        if let month = DateTimeParser.month(word) {
            guard result.month == nil else { throw invalid() }
            result.month = month
            hasTextMonth = true
            if peek() == UInt8(ascii: "-") || peek() == UInt8(ascii: "/") { position += 1 }
            return
        }
        for name in DateNames.weekdays where DateTimeParser.matches(word, name, 3) {
            if peek() == UInt8(ascii: ".") { position += 1 }
            return
        }
        if keyword(word) { return }
        if let offset = TimeZone.abbreviationOffset(word), peek() != UInt8(ascii: "/") {
            guard result.offset == nil else { throw invalid() }
            result.offset = offset
            return
        }
        // A zone's full name or POSIX specification.
        while position < text.count, !text[position].isSpace { position += 1 }
        word = text.slice(start, position)
        guard result.year != nil || result.time != nil else { throw invalid() }
        guard let zone = TimeZone.named(word) else {
            if word.contains(UInt8(ascii: "/")) {
                throw EngineError(
                    .invalidParameterValue, "time zone \"\(quoted(word.map { $0.lowered }))\" not recognized")
            }
            throw invalid()
        }
        var fields = DateFields()
        (fields.year, fields.month, fields.day) = (result.year ?? 2000, result.month ?? 1, result.day ?? 1)
        fields.time = result.time ?? 0
        result.offset = zone.offset(local: fields.timestamp ?? 0)
    }

    private mutating func keyword(_ word: UnsafeRawBufferPointer) -> Bool {
        if word.equalsIgnoringCase("am") {
            result.isPM = false
        } else if word.equalsIgnoringCase("pm") {
            result.isPM = true
        } else if word.equalsIgnoringCase("bc") {
            result.isBC = true
        } else if word.equalsIgnoringCase("ad") || word.equalsIgnoringCase("at") || word.equalsIgnoringCase("on") {
            return true
        } else if word.equalsIgnoringCase("now") {
            result.special = .now
        } else if word.equalsIgnoringCase("today") {
            result.relativeDay = 0
        } else if word.equalsIgnoringCase("tomorrow") {
            result.relativeDay = 1
        } else if word.equalsIgnoringCase("yesterday") {
            result.relativeDay = -1
        } else if word.equalsIgnoringCase("epoch") {
            result.special = .epoch
        } else if word.equalsIgnoringCase("infinity") || word.equalsIgnoringCase("+infinity") {
            result.special = .infinity
        } else if word.equalsIgnoringCase("-infinity") {
            result.special = .negativeInfinity
        } else if word.equalsIgnoringCase("allballs") {
            result.time = 0
            result.offset = 0
        } else {
            return false
        }
        return true
    }

    /// Numbers around a month's name: the longer one, or the second, is the year.
    private mutating func settleLooseNumbers() throws(EngineError) {
        if loose.isEmpty { return }
        guard hasTextMonth, loose.count <= 2 else { throw invalid() }
        if loose.count == 1 {
            guard result.year == nil else { throw invalid() }
            throw invalid()
        }
        let (a, b) = (loose[0], loose[1])
        if a.count > 2 {
            (result.year, result.yearDigits, result.day) = (a.value, a.count, b.value)
        } else {
            (result.day, result.year, result.yearDigits) = (a.value, b.value, b.count)
        }
    }
}
