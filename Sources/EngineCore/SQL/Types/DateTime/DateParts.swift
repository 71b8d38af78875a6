// extract, date_part and date_trunc.

import Platform

/// A field name of extract and date_trunc.
enum DateUnit: UInt8, Sendable {
    case microseconds, milliseconds, second, minute, hour, day, week, month, quarter, year, decade, century, millennium
    case dow, isodow, doy, isoyear, julian, epoch, timezone, timezoneHour, timezoneMinute

    static func named(_ text: UnsafeRawBufferPointer) -> DateUnit? {
        let table: [(DateUnit, [StaticString])] = [
            (
                .microseconds,
                ["microseconds", "microsecond", "us", "usec", "usecs", "useconds", "usecond", "microsecon"]
            ),
            (
                .milliseconds,
                ["milliseconds", "millisecond", "ms", "msec", "msecs", "mseconds", "msecond", "millisecon"]
            ),
            (.second, ["second", "seconds", "s", "sec", "secs"]), (.minute, ["minute", "minutes", "m", "min", "mins"]),
            (.hour, ["hour", "hours", "h", "hr", "hrs"]), (.day, ["day", "days", "d"]),
            (.week, ["week", "weeks", "w"]),
            (.month, ["month", "months", "mon", "mons"]), (.quarter, ["quarter", "qtr"]),
            (.year, ["year", "years", "y", "yr", "yrs"]), (.decade, ["decade", "decades", "dec", "decs"]),
            (.century, ["century", "centuries", "c", "cent"]),
            (.millennium, ["millennium", "millennia", "mil", "mils"]), (.dow, ["dow"]), (.isodow, ["isodow"]),
            (.doy, ["doy"]),
            (.isoyear, ["isoyear"]), (.julian, ["julian", "j", "jd"]), (.epoch, ["epoch"]), (.timezone, ["timezone"]),
            (.timezoneHour, ["timezone_hour", "timezone_h"]), (.timezoneMinute, ["timezone_minute", "timezone_m"]),
        ]
        for (unit, names) in table { for name in names where text.equalsIgnoringCase(name) { return unit } }
        return nil
    }
}

/// What a field is: an integer, a decimal number, infinite, or nothing (of an infinite value).
private enum PartValue {
    case number(Int64, scale: Int)
    case fraction(Decimal)
    case infinite(Bool)
    case absent

    func store(_ call: inout ScalarCall, asFloat: Bool) throws(EngineError) {
        switch self {
        case .absent: call.setNull()
        case .infinite(let negative):
            if asFloat {
                call.set(negative ? -Double.infinity : Double.infinity)
            } else {
                try call.setNumeric(Decimal(special: negative ? .negativeInfinity : .infinity))
            }
        case .number(let value, let scale):
            if asFloat {
                call.set(Double(value) / Double(Numeric.power(scale)))
            } else {
                try call.setNumeric(Decimal(unscaled: value, scale: scale))
            }
        case .fraction(let value):
            if asFloat { call.set(value.float(single: false) ?? 0) } else { try call.setNumeric(value) }
        }
    }
}

extension FunctionRegistry {
    func declareDateParts() {
        let types: [(TypeOID, UInt32, UInt32)] = [
            (.timestamp, 6202, 2021), (.timestamptz, 6203, 1171), (.date, 6199, 1384), (.time, 6200, 1385),
            (.interval, 6204, 1172),
        ]
        for (type, exact, float) in types {
            let volatility: Volatility = type == .timestamptz ? .stable : .immutable
            scalar(exact, "extract", [.text, type], .numeric, "A field of a date or time", volatility: volatility) {
                (c: inout ScalarCall) throws(EngineError) in try DateParts.part(c, type).store(&c, asFloat: false)
            }
            scalar(float, "date_part", [.text, type], .float8, "A field of a date or time", volatility: volatility) {
                (c: inout ScalarCall) throws(EngineError) in  // date_part sees a date as its midnight.
                try DateParts.part(c, type, dateAsTimestamp: true).store(&c, asFloat: true)
            }
        }
        scalar(2020, "date_trunc", [.text, .timestamp], .timestamp, "Start of the unit that the timestamp is in") {
            (c: inout ScalarCall) throws(EngineError) in
            let unit = try DateParts.unit(c.bytes(0), .timestamp)
            c.set(try DateParts.truncate(c.int64(1), unit, c.bytes(0), .timestamp))
        }
        scalar(1217, "date_trunc", [.text, .timestamptz], .timestamptz, "Start of the local unit", volatility: .stable)
        {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try DateParts.truncateZoned(c.int64(1), c.bytes(0), c.context.timeZone))
        }
        scalar(
            1284, "date_trunc", [.text, .timestamptz, .text], .timestamptz, "Start of the unit in a zone",
            volatility: .stable
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try DateParts.truncateZoned(c.int64(1), c.bytes(0), try zone(c.bytes(2))))
        }
        scalar(1218, "date_trunc", [.text, .interval], .interval, "Whole units of the interval") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try DateParts.truncate(c.interval(1), try DateParts.unit(c.bytes(0), .interval), c.bytes(0)))
        }
        for (oid, type) in [(6177 as UInt32, TypeOID.timestamp), (6178, .timestamptz)] {
            scalar(
                oid, "date_bin", [.interval, type, type], type, "Start of the interval-wide bin, counted from an origin"
            ) {
                (c: inout ScalarCall) throws(EngineError) in
                guard c.interval(0).months == 0 else {
                    throw EngineError(
                        .featureNotSupported, "timestamps cannot be binned into intervals containing months or years")
                }
                let width = Int64(c.interval(0).days) * Calendar.microsecondsPerDay + c.interval(0).microseconds
                guard width > 0 else { throw EngineError(.datetimeFieldOverflow, "stride must be greater than zero") }
                guard Calendar.isFinite(c.int64(1)) else { return c.set(c.int64(1)) }
                c.set(c.int64(2) + floorDivide(c.int64(1) - c.int64(2), width) * width)
            }
        }
    }
}

private enum DateParts {
    static func unit(_ name: UnsafeRawBufferPointer, _ type: TypeOID) throws(EngineError) -> DateUnit {
        if let unit = DateUnit.named(name) { return unit }
        throw unknown(name, type)
    }
    private static func unknown(_ name: UnsafeRawBufferPointer, _ type: TypeOID) -> EngineError {
        EngineError(
            .invalidParameterValue, "unit \"\(lowered(name))\" not recognized for type \(TypeNames.string(type))")
    }
    private static func lowered(_ name: UnsafeRawBufferPointer) -> String { quoted(name.map { $0.lowered }) }
    private static func unsupported(_ name: UnsafeRawBufferPointer, _ type: TypeOID) -> EngineError {
        EngineError(.featureNotSupported, "unit \"\(lowered(name))\" not supported for type \(TypeNames.string(type))")
    }

    static func part(
        _ c: ScalarCall, _ type: TypeOID, dateAsTimestamp: Bool = false
    ) throws(EngineError) -> PartValue {
        let name = c.bytes(0)
        if dateAsTimestamp, type == .date {
            return try part(try timestamp(c.int32(1)), try unit(name, .timestamp), name, .timestamp, c.context.timeZone)
        }
        let unit = try unit(name, type)
        switch type {
        case .interval: return try interval(c.interval(1), unit, name)
        case .time:
            switch unit {
            case .microseconds, .milliseconds, .second, .minute, .hour, .epoch:
                return clock(c.int64(1), unit) ?? .number(c.int64(1), scale: 6)
            default: throw unsupported(name, type)
            }
        case .date:
            switch unit {
            case .microseconds, .milliseconds, .second, .minute, .hour, .timezone, .timezoneHour, .timezoneMinute:
                throw unsupported(name, type)
            default: break
            }
            let date = c.int32(1)
            if !Calendar.isFinite(date) { return infinite(unit, negative: date < 0) }
            if unit == .epoch { return .number((Int64(date) + 10_957) * 86_400, scale: 0) }
            if unit == .julian { return .number(Int64(date) + 2_451_545, scale: 0) }
            return calendar(Int(date), unit)
        default: return try part(c.int64(1), unit, name, type, c.context.timeZone)
        }
    }

    private static func part(
        _ value: Int64, _ unit: DateUnit, _ name: UnsafeRawBufferPointer, _ type: TypeOID, _ zone: TimeZone
    ) throws(EngineError) -> PartValue {
        if !Calendar.isFinite(value) { return infinite(unit, negative: value < 0) }
        if unit == .epoch { return .number(value + 946_684_800_000_000, scale: 6) }
        switch unit {
        case .timezone, .timezoneHour, .timezoneMinute:
            guard type == .timestamptz else { throw unsupported(name, type) }
            let offset = Int64(zone.offset(utc: value))
            let part = unit == .timezone ? offset : (unit == .timezoneHour ? offset / 3600 : offset / 60 % 60)
            return .number(part, scale: 0)
        default: break
        }
        let (day, time) = Calendar.split(type == .timestamptz ? zone.local(value) : value)
        if unit == .julian {
            let fraction = try Decimal.divide(Decimal(time), Decimal(Calendar.microsecondsPerDay))
            return .fraction(Decimal.add(Decimal(day + 2_451_545), fraction))
        }
        return clock(time, unit) ?? calendar(Int(day), unit)
    }

    private static func infinite(_ unit: DateUnit, negative: Bool) -> PartValue {
        switch unit {
        case .year, .decade, .century, .millennium, .julian, .isoyear, .epoch: .infinite(negative)
        default: .absent
        }
    }
    /// Fields of a time of day; nil for other units.
    private static func clock(_ time: Int64, _ unit: DateUnit) -> PartValue? {
        switch unit {
        case .microseconds: .number(time % Calendar.microsecondsPerMinute, scale: 0)
        case .milliseconds: .number(time % Calendar.microsecondsPerMinute, scale: 3)
        case .second: .number(time % Calendar.microsecondsPerMinute, scale: 6)
        case .minute: .number(time / Calendar.microsecondsPerMinute % 60, scale: 0)
        case .hour: .number(time / Calendar.microsecondsPerHour, scale: 0)
        default: nil
        }
    }
    private static func calendar(_ day: Int, _ unit: DateUnit) -> PartValue {
        let (year, month, dayOfMonth) = Calendar.civil(day)
        let value: Int
        switch unit {
        case .day: value = dayOfMonth
        case .month: value = month
        case .quarter: value = (month - 1) / 3 + 1
        case .week: value = Calendar.isoWeek(day).week
        case .isoyear: value = historical(Calendar.isoWeek(day).year)
        case .year: value = historical(year)
        case .decade: value = Int(floorDivide(Int64(year), 10))
        case .century: value = year > 0 ? (year + 99) / 100 : -((99 - (year - 1)) / 100)
        case .millennium: value = year > 0 ? (year + 999) / 1000 : -((999 - (year - 1)) / 1000)
        case .dow: value = Calendar.weekday(day)
        case .isodow: value = Calendar.weekday(day) == 0 ? 7 : Calendar.weekday(day)
        default: value = Calendar.dayOfYear(year, month, dayOfMonth)
        }
        return .number(Int64(value), scale: 0)
    }
    /// There is no year 0.
    private static func historical(_ year: Int) -> Int { year > 0 ? year : year - 1 }

    private static func interval(
        _ value: IntervalValue, _ unit: DateUnit, _ name: UnsafeRawBufferPointer
    ) throws(EngineError) -> PartValue {
        let months = Int64(value.months)
        switch unit {
        case .microseconds, .milliseconds, .second, .minute, .hour:
            return clock(value.microseconds, unit) ?? .absent
        case .day: return .number(Int64(value.days), scale: 0)
        case .month: return .number(months % 12, scale: 0)
        case .quarter: return .number(months % 12 / 3 + 1, scale: 0)
        case .year: return .number(months / 12, scale: 0)
        case .decade: return .number(months / 120, scale: 0)
        case .century: return .number(months / 1200, scale: 0)
        case .millennium: return .number(months / 12000, scale: 0)
        case .epoch:
            // A year counts 365.25 days, a month 30.
            let seconds = months / 12 * 31_557_600 + months % 12 * 2_592_000 + Int64(value.days) * 86_400
            return .fraction(
                Decimal.add(Decimal(unscaled: value.microseconds, scale: 6), Decimal(seconds)))
        default: throw unsupported(name, .interval)
        }
    }

    static func truncate(
        _ value: Int64, _ unit: DateUnit, _ name: UnsafeRawBufferPointer, _ type: TypeOID
    ) throws(EngineError) -> Int64 {
        guard Calendar.isFinite(value) else { return value }
        var fields = DateFields(value)
        switch unit {
        case .microseconds: return value
        case .milliseconds: fields.time -= fields.time % 1000
        case .second: fields.time -= fields.time % Calendar.microsecondsPerSecond
        case .minute: fields.time -= fields.time % Calendar.microsecondsPerMinute
        case .hour: fields.time -= fields.time % Calendar.microsecondsPerHour
        case .day: fields.time = 0
        case .week:
            let (year, week) = Calendar.isoWeek(fields.dayNumber)
            (fields.year, fields.month, fields.day) = Calendar.civil(Calendar.isoWeekStart(year, week))
            fields.time = 0
        default:
            fields.time = 0
            fields.day = 1
            let year = Int64(fields.year)
            switch unit {
            case .month: break
            case .quarter: fields.month = (fields.month - 1) / 3 * 3 + 1
            case .year: fields.month = 1
            case .decade: (fields.year, fields.month) = (Int(floorDivide(year, 10) * 10), 1)
            case .century: (fields.year, fields.month) = (Int(floorDivide(year - 1, 100) * 100 + 1), 1)
            case .millennium: (fields.year, fields.month) = (Int(floorDivide(year - 1, 1000) * 1000 + 1), 1)
            case .timezone, .timezoneHour, .timezoneMinute: throw unsupported(name, type)
            default: throw unknown(name, type)
            }
        }
        guard let result = fields.timestamp else { throw DateTimeErrors.timestampOutOfRange() }
        return result
    }
    static func truncateZoned(
        _ value: Int64, _ name: UnsafeRawBufferPointer, _ zone: TimeZone
    ) throws(EngineError) -> Int64 {
        let unit = try unit(name, .timestamptz)
        guard Calendar.isFinite(value) else { return value }
        return try zone.utc(try truncate(zone.local(value), unit, name, .timestamptz))
    }
    static func truncate(
        _ value: IntervalValue, _ unit: DateUnit, _ name: UnsafeRawBufferPointer
    ) throws(EngineError) -> IntervalValue {
        let (months, days, time) = (value.months, value.days, value.microseconds)
        func clock(_ unit: Int64) -> IntervalValue {
            IntervalValue(months: months, days: days, microseconds: time - time % unit)
        }
        switch unit {
        case .microseconds: return value
        case .milliseconds: return clock(1000)
        case .second: return clock(Calendar.microsecondsPerSecond)
        case .minute: return clock(Calendar.microsecondsPerMinute)
        case .hour: return clock(Calendar.microsecondsPerHour)
        case .day: return IntervalValue(months: months, days: days)
        case .month: return IntervalValue(months: months)
        case .quarter: return IntervalValue(months: months - months % 3)
        case .year: return IntervalValue(months: months - months % 12)
        case .decade: return IntervalValue(months: months - months % 120)
        case .century: return IntervalValue(months: months - months % 1200)
        case .millennium: return IntervalValue(months: months - months % 12000)
        case .week:
            throw EngineError(
                .featureNotSupported, "unit \"\(lowered(name))\" not supported for type interval",
                detail: "Months usually have fractional weeks.")
        case .timezone, .timezoneHour, .timezoneMinute: throw unsupported(name, .interval)
        default: throw unknown(name, .interval)
        }
    }
}
