// Reading intervals: quantities with units, SQL's `1-2 3 4:05:06`, ISO 8601 durations, `ago`.

import Platform

enum IntervalInput {
    static func parse(_ text: UnsafeRawBufferPointer, typmod: Int32) throws(EngineError) -> IntervalValue {
        var parser = IntervalParser(text: text)
        return try applyModifier(try parser.run(typmod), typmod: typmod)
    }

    /// Field restriction (high half of the modifier) and precision (low half).
    static func applyModifier(_ value: IntervalValue, typmod: Int32) throws(EngineError) -> IntervalValue {
        guard typmod >= 0 else { return value }
        var value = value
        let mask = typmod >> 16 & 0x7FFF
        let precision = typmod & 0xFFFF
        if mask != 0x7FFF {
            let year = mask & 1 << 2 != 0
            let month = mask & 1 << 1 != 0
            let day = mask & 1 << 3 != 0
            let hour = mask & 1 << 10 != 0
            let minute = mask & 1 << 11 != 0
            let second = mask & 1 << 12 != 0
            if year, !month {
                value = IntervalValue(months: value.months / 12 * 12)
            } else if month {
                value = IntervalValue(months: value.months)
            } else if day, !hour {
                value = IntervalValue(months: value.months, days: value.days)
            } else if hour, !minute {
                value.microseconds = value.microseconds / Calendar.microsecondsPerHour * Calendar.microsecondsPerHour
            } else if minute, !second {
                value.microseconds =
                    value.microseconds / Calendar.microsecondsPerMinute * Calendar.microsecondsPerMinute
            }
        }
        if precision != 0xFFFF { value.microseconds = DateTimeInput.rounded(value.microseconds, precision) }
        return value
    }
}

private struct IntervalParser {
    let text: UnsafeRawBufferPointer
    var position = 0
    var months: Int64 = 0
    var days: Int64 = 0
    var microseconds: Int128 = 0
    /// Parts of a second less than a microsecond are rounded at the end.
    var fields = 0

    init(text: UnsafeRawBufferPointer) { self.text = text }

    private func invalid() -> EngineError { DateTimeInput.invalid(text, "interval") }
    private func overflow() -> EngineError {
        EngineError("22015", "interval field value out of range: \"\(quoted(text))\"")
    }
    private func peek(_ offset: Int = 0) -> UInt8 { position + offset < text.count ? text[position + offset] : 0 }
    private mutating func skipSpace() { while peek().isSpace { position += 1 } }

    mutating func run(_ typmod: Int32) throws(EngineError) -> IntervalValue {
        skipSpace()
        var ago = false
        if peek() == UInt8(ascii: "P") {
            try iso()
        } else {
            if peek() == UInt8(ascii: "@") { position += 1 }
            while true {
                skipSpace()
                guard position < text.count else { break }
                let byte = peek()
                if byte.isDigit || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") {
                    try quantity(typmod)
                } else if byte.isLetter {
                    let word = readWord()
                    guard word.equalsIgnoringCase("ago"), fields > 0 else { throw invalid() }
                    skipSpace()
                    guard position == text.count else { throw invalid() }
                    ago = true
                } else {
                    throw invalid()
                }
            }
        }
        guard fields > 0 else { throw invalid() }
        if ago { (months, days, microseconds) = (-months, -days, -microseconds) }
        guard let month = Int32(exactly: months) else {
            throw EngineError(.datetimeFieldOverflow, "interval out of range")
        }
        guard let day = Int32(exactly: days),
            let time = Int64(exactly: microseconds)
        else { throw overflow() }
        return IntervalValue(months: month, days: day, microseconds: time)
    }

    private mutating func readWord() -> UnsafeRawBufferPointer {
        let start = position
        while peek().isLetter { position += 1 }
        return text.slice(start, position)
    }

    /// A signed decimal: integer part and billionths.
    private mutating func decimal() throws(EngineError) -> (negative: Bool, whole: Int64, billionths: Int64) {
        var negative = false
        if peek() == UInt8(ascii: "-") || peek() == UInt8(ascii: "+") {
            negative = peek() == UInt8(ascii: "-")
            position += 1
        }
        var whole: Int64 = 0
        var digits = 0
        while peek().isDigit {
            guard whole < 900_000_000_000_000_000 else { throw overflow() }
            whole = whole * 10 + Int64(peek() - 0x30)
            position += 1
            digits += 1
        }
        var billionths: Int64 = 0
        if peek() == UInt8(ascii: ".") {
            position += 1
            var unit: Int64 = 100_000_000
            while peek().isDigit {
                billionths += Int64(peek() - 0x30) * unit
                unit /= 10
                position += 1
                digits += 1
            }
        }
        if digits == 0 { throw invalid() }
        return (negative, whole, billionths)
    }

    private mutating func quantity(_ typmod: Int32) throws(EngineError) {
        let start = position
        let number = try decimal()
        if peek() == UInt8(ascii: ":") {
            position = start
            try clock(typmod)
            return
        }
        if peek() == UInt8(ascii: "-"), peek(1).isDigit, number.billionths == 0 {
            // SQL's year-month.
            position += 1
            let month = try decimal()
            guard month.whole < 12 else { throw overflow() }
            let total = number.whole * 12 + month.whole
            months += number.negative ? -total : total
            fields += 1
            return
        }
        skipSpace()
        let save = position
        let word = readWord()
        if word.isEmpty || word.equalsIgnoringCase("ago") {
            position = save
            // A bare number: days before a clock time, otherwise what the modifier or seconds say.
            let unit: StaticString = nextIsClock() ? "day" : defaultUnit(typmod)
            guard try add(number, bytes(unit)) else { throw invalid() }
        } else {
            guard try add(number, word) else { throw invalid() }
        }
        fields += 1
    }
    private func bytes(_ text: StaticString) -> UnsafeRawBufferPointer { StaticBytes(stringLiteral: text).bytes }

    private func nextIsClock() -> Bool {
        var index = position
        while index < text.count, text[index].isSpace { index += 1 }
        if index < text.count, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") { index += 1 }
        let start = index
        while index < text.count, text[index].isDigit { index += 1 }
        return index > start && index < text.count && text[index] == UInt8(ascii: ":")
    }
    /// The smallest field of the modifier; seconds without one.
    private func defaultUnit(_ typmod: Int32) -> StaticString {
        guard typmod >= 0 else { return "second" }
        let mask = typmod >> 16 & 0x7FFF
        if mask == 0x7FFF || mask & 1 << 12 != 0 { return "second" }
        if mask & 1 << 11 != 0 { return "minute" }
        if mask & 1 << 10 != 0 { return "hour" }
        if mask & 1 << 3 != 0 { return "day" }
        return mask & 1 << 1 != 0 ? "month" : "year"
    }

    /// `[-]hh:mm[:ss[.fff]]`, or `mm:ss.fff`.
    private mutating func clock(_ typmod: Int32) throws(EngineError) {
        let first = try decimal()
        var parts: [Int64] = [first.whole]
        var fraction: Int64 = 0
        while peek() == UInt8(ascii: ":"), parts.count < 3 {
            position += 1
            let start = position
            var value: Int64 = 0
            while peek().isDigit, position - start < 10 {
                value = value * 10 + Int64(peek() - 0x30)
                position += 1
            }
            if position == start { throw invalid() }
            guard value < 60 else { throw overflow() }
            parts.append(value)
        }
        if peek() == UInt8(ascii: ".") {
            position += 1
            let start = position
            while peek().isDigit { position += 1 }
            fraction = DateTimeParser.microseconds(text, start, position - start)
            if parts.count == 2 { parts = [0] + parts }
        } else if parts.count == 2, typmod >= 0, typmod >> 16 & 0x7FFF == 1 << 11 | 1 << 12 {
            parts = [0] + parts
        }
        if parts.count == 2 { parts.append(0) }
        let total =
            Int128(parts[0]) * 3_600_000_000 + Int128(parts[1]) * 60_000_000 + Int128(parts[2]) * 1_000_000
            + Int128(fraction)
        microseconds += first.negative ? -total : total
        fields += 1
    }

    /// Adds a quantity of a unit, spreading its fraction over smaller fields; false if the unit is unknown.
    private mutating func add(
        _ number: (negative: Bool, whole: Int64, billionths: Int64), _ unit: UnsafeRawBufferPointer
    ) throws(EngineError) -> Bool {
        let sign: Int64 = number.negative ? -1 : 1
        let whole = number.whole * sign
        let fraction = number.billionths * sign
        if let size = IntervalParser.clockUnit(unit) {
            microseconds += Int128(whole) * Int128(size) + Int128(IntervalParser.scaled(fraction, size))
            return true
        }
        switch IntervalParser.calendarUnit(unit) {
        case .days(let count):
            guard whole.magnitude < 1 << 40 else { throw overflow() }
            days += whole * count
            // A week's fraction is days and then time.
            let part = fraction * count
            days += part / 1_000_000_000
            microseconds += Int128(IntervalParser.scaled(part % 1_000_000_000, Calendar.microsecondsPerDay))
        case .months(let count):
            guard whole.magnitude < 1 << 40 else { throw overflow() }
            months += whole * count
            if count == 1 {
                let part = fraction * 30
                days += part / 1_000_000_000
                microseconds += Int128(IntervalParser.scaled(part % 1_000_000_000, Calendar.microsecondsPerDay))
            } else {
                months += Int64(FloatMath.nearest(Double(fraction) / 1e9 * Double(count)))
            }
        case nil: return false
        }
        return true
    }
    /// billionths × size, rounded to whole microseconds.
    private static func scaled(_ billionths: Int64, _ size: Int64) -> Int64 {
        let product = billionths.magnitude.multipliedFullWidth(by: size.magnitude)
        let (quotient, remainder) = (1_000_000_000 as UInt64).dividingFullWidth(product)
        let rounded = Int64(quotient) + (remainder >= 500_000_000 ? 1 : 0)
        return billionths < 0 ? -rounded : rounded
    }

    private enum CalendarUnit {
        case days(Int64)
        case months(Int64)
    }
    private static func clockUnit(_ unit: UnsafeRawBufferPointer) -> Int64? {
        let table: [(Int64, [StaticString])] = [
            (1, ["us", "usec", "usecs", "usecond", "useconds", "microsecond", "microseconds", "microsecon"]),
            (1000, ["ms", "msec", "msecs", "msecond", "mseconds", "millisecond", "milliseconds", "millisecon"]),
            (1_000_000, ["s", "sec", "secs", "second", "seconds"]),
            (60_000_000, ["m", "min", "mins", "minute", "minutes"]),
            (3_600_000_000, ["h", "hr", "hrs", "hour", "hours"]),
        ]
        for (size, names) in table { for name in names where unit.equalsIgnoringCase(name) { return size } }
        return nil
    }
    private static func calendarUnit(_ unit: UnsafeRawBufferPointer) -> CalendarUnit? {
        let table: [(CalendarUnit, [StaticString])] = [
            (.days(1), ["d", "day", "days"]), (.days(7), ["w", "week", "weeks"]),
            (.months(1), ["mon", "mons", "month", "months"]), (.months(12), ["y", "yr", "yrs", "year", "years"]),
            (.months(120), ["dec", "decs", "decade", "decades"]),
            (.months(1200), ["c", "cent", "century", "centuries"]),
            (.months(12000), ["mil", "mils", "millennium", "millennia"]),
        ]
        for (size, names) in table { for name in names where unit.equalsIgnoringCase(name) { return size } }
        return nil
    }

    /// `P[n]Y[n]M[n]W[n]DT[n]H[n]M[n]S`.
    private mutating func iso() throws(EngineError) {
        position += 1
        var inTime = false
        while position < text.count {
            if peek() == UInt8(ascii: "T") {
                inTime = true
                position += 1
                continue
            }
            let number = try decimal()
            let unit: StaticString
            switch peek() {
            case UInt8(ascii: "Y"): unit = "year"
            case UInt8(ascii: "M"): unit = inTime ? "minute" : "month"
            case UInt8(ascii: "W"): unit = "week"
            case UInt8(ascii: "D"): unit = "day"
            case UInt8(ascii: "H"): unit = "hour"
            case UInt8(ascii: "S"): unit = "second"
            default: throw invalid()
            }
            position += 1
            guard try add(number, bytes(unit)) else { throw invalid() }
            fields += 1
        }
    }
}
