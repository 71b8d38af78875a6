// Reading dates, times and timestamps: ISO 8601 and the other spellings that PostgreSQL takes (manual, appendix B.1).

import Platform

enum DateTimeInput {
    static func date(_ text: UnsafeRawBufferPointer, _ context: EvaluationContext) throws(EngineError) -> Int32 {
        let parsed = try DateTimeParser.parse(text, "date", context)
        switch parsed.special {
        case .infinity: return Calendar.dateInfinity
        case .negativeInfinity: return Calendar.dateNegativeInfinity
        case .epoch: return -10_957
        case .now:
            let (day, _) = Calendar.split(context.timeZone.local(context.transactionTimestamp))
            return Int32(day)
        case .none: break
        }
        let fields = try parsed.dateFields(text, "date", context)
        let day = Int64(fields.dayNumber)
        guard day >= Calendar.firstDay, day < Calendar.endDay else {
            throw EngineError(.datetimeFieldOverflow, "date out of range: \"\(quoted(text))\"")
        }
        return Int32(day)
    }

    static func time(
        _ text: UnsafeRawBufferPointer, typmod: Int32, _ context: EvaluationContext
    ) throws(EngineError) -> Int64 {
        let parsed = try DateTimeParser.parse(text, "time", context)
        if parsed.special == .now {
            return try checked(
                time: Calendar.split(context.timeZone.local(context.transactionTimestamp)).time, typmod: typmod)
        }
        guard parsed.special == .none, let time = parsed.time else { throw invalid(text, "time") }
        return try checked(time: time, typmod: typmod)
    }

    static func timestamp(
        _ text: UnsafeRawBufferPointer, typmod: Int32, zoned: Bool, _ context: EvaluationContext
    ) throws(EngineError) -> Int64 {
        let name: StaticString = zoned ? "timestamp with time zone" : "timestamp"
        let parsed = try DateTimeParser.parse(text, name, context)
        switch parsed.special {
        case .infinity: return Calendar.infinity
        case .negativeInfinity: return Calendar.negativeInfinity
        case .epoch: return -946_684_800_000_000
        case .now:
            let now = zoned ? context.transactionTimestamp : context.timeZone.local(context.transactionTimestamp)
            return try checked(timestamp: now, typmod: typmod)
        case .none: break
        }
        var fields = try parsed.dateFields(text, name, context)
        fields.time = parsed.time ?? 0
        let outOfRange = EngineError(.datetimeFieldOverflow, "timestamp out of range: \"\(quoted(text))\"")
        // 24:00 and second 60 carry into the next day here.
        guard let local = fields.timestamp else { throw outOfRange }
        guard zoned else { return try checked(timestamp: local, typmod: typmod) }
        let offset = parsed.offset ?? context.timeZone.offset(local: local)
        let moment = local - Int64(offset) * 1_000_000
        guard Calendar.isValid(moment) else { throw outOfRange }
        return try checked(timestamp: moment, typmod: typmod)
    }

    static func checked(date: Int32) throws(EngineError) -> Int32 {
        if Calendar.isFinite(date), Int64(date) < Calendar.firstDay || Int64(date) >= Calendar.endDay {
            throw DateTimeErrors.dateOutOfRange()
        }
        return date
    }
    /// Rounds to the modifier's decimals.
    static func checked(time: Int64, typmod: Int32) throws(EngineError) -> Int64 {
        guard time >= 0, time <= Calendar.microsecondsPerDay else {
            throw EngineError(.datetimeFieldOverflow, "time out of range")
        }
        return rounded(time, typmod)
    }
    static func checked(timestamp: Int64, typmod: Int32) throws(EngineError) -> Int64 {
        guard Calendar.isFinite(timestamp) else { return timestamp }
        let value = rounded(timestamp, typmod)
        guard Calendar.isValid(value) else { throw DateTimeErrors.timestampOutOfRange() }
        return value
    }
    /// Microseconds rounded to `typmod` decimals of a second, half away from zero.
    static func rounded(_ value: Int64, _ typmod: Int32) -> Int64 {
        guard typmod >= 0, typmod < 6 else { return value }
        let unit = Numeric.power(6 - Int(typmod))
        return value >= 0 ? (value + unit / 2) / unit * unit : -((-value + unit / 2) / unit * unit)
    }

    static func invalid(_ text: UnsafeRawBufferPointer, _ name: StaticString) -> EngineError {
        EngineError(
            .invalidDatetimeFormat,
            "invalid input syntax for type \(StaticBytes(stringLiteral: name).string): \"\(quoted(text))\"")
    }
    static func fieldOverflow(_ text: UnsafeRawBufferPointer, hint: Bool = false) -> EngineError {
        EngineError(
            .datetimeFieldOverflow, "date/time field value out of range: \"\(quoted(text))\"",
            hint: hint ? "Perhaps you need a different \"datestyle\" setting." : nil)
    }
}

/// What a date/time string says.
struct ParsedDateTime {
    enum Special { case none, now, epoch, infinity, negativeInfinity }
    var special = Special.none
    var year: Int?
    /// Digits the year was written with: two mean this century or the last.
    var yearDigits = 0
    var month: Int?
    var day: Int?
    /// today, tomorrow, yesterday: days from today.
    var relativeDay: Int?
    var dayOfYear: Int?
    var julianDay: Int?
    var time: Int64?
    var offset: Int32?
    var isBC = false
    var isPM: Bool?

    func dateFields(
        _ text: UnsafeRawBufferPointer, _ name: StaticString, _ context: EvaluationContext
    ) throws(EngineError) -> DateFields {
        var fields = DateFields()
        if let relativeDay {
            let today = Calendar.split(context.timeZone.local(context.transactionTimestamp)).day
            (fields.year, fields.month, fields.day) = Calendar.civil(Int(today) + relativeDay)
            return fields
        }
        if let julianDay {
            (fields.year, fields.month, fields.day) = Calendar.civil(julianDay - 2_451_545)
            return fields
        }
        guard var year else { throw DateTimeInput.invalid(text, name) }
        if isBC {
            guard year > 0 else { throw DateTimeInput.fieldOverflow(text) }
            year = 1 - year
        } else if yearDigits <= 2 {
            year += year < 70 ? 2000 : 1900
        } else if year == 0 {
            throw DateTimeInput.fieldOverflow(text)
        }
        fields.year = year
        if let dayOfYear {
            guard dayOfYear >= 1, dayOfYear <= (Calendar.isLeap(year) ? 366 : 365) else {
                throw DateTimeInput.fieldOverflow(text)
            }
            (fields.year, fields.month, fields.day) = Calendar.civil(Calendar.day(year, 1, 1) + dayOfYear - 1)
            return fields
        }
        guard let month, let day else { throw DateTimeInput.invalid(text, name) }
        guard (1...12).contains(month), (1...31).contains(day) else {
            throw DateTimeInput.fieldOverflow(text, hint: true)
        }
        guard day <= Calendar.dayCount(year, month) else { throw DateTimeInput.fieldOverflow(text) }
        guard year <= 5_874_897, year >= -4713 else {
            throw EngineError(
                .datetimeFieldOverflow,
                "\(name.utf8CodeUnitCount == 4 ? "date" : "timestamp") out of range: \"\(quoted(text))\""
            )
        }
        fields.month = month
        fields.day = day
        return fields
    }
}
