// Functions behind the operators on dates, times and intervals; conversions; constructors; the clock.

import Platform

extension FunctionRegistry {
    func declareDateTime() {
        declareDates()
        declareTimes()
        declareTimestamps()
        declareIntervals()
        declareDateTimeCasts()
        declareConstructors()
        declareClock()
        declareLargerSmaller()
    }

    private func declareDates() {
        scalar(1140, "date_mi", [.date, .date], .int4, "Days between dates") {
            (c: inout ScalarCall) throws(EngineError) in
            guard Calendar.isFinite(c.int32(0)), Calendar.isFinite(c.int32(1)) else {
                throw EngineError(.datetimeFieldOverflow, "cannot subtract infinite dates")
            }
            c.set(c.int32(0) - c.int32(1))
        }
        scalar(1141, "date_pli", [.date, .int4], .date, "Date some days later") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try moved(c.int32(0), Int64(c.int32(1))))
        }
        scalar(2550, "integer_pl_date", [.int4, .date], .date, "Date some days later") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try moved(c.int32(1), Int64(c.int32(0))))
        }
        scalar(1142, "date_mii", [.date, .int4], .date, "Date some days earlier") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try moved(c.int32(0), -Int64(c.int32(1))))
        }
        scalar(2071, "date_pl_interval", [.date, .interval], .timestamp, "Date plus interval") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalMath.move(try timestamp(c.int32(0)), c.interval(1)))
        }
        scalar(2546, "interval_pl_date", [.interval, .date], .timestamp, "Interval plus date") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalMath.move(try timestamp(c.int32(1)), c.interval(0)))
        }
        scalar(2072, "date_mi_interval", [.date, .interval], .timestamp, "Date minus interval") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalMath.move(try timestamp(c.int32(0)), try IntervalMath.negate(c.interval(1))))
        }
        scalar(1272, "datetime_pl", [.date, .time], .timestamp, "Timestamp of date and time") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try joined(c.int32(0), c.int64(1)))
        }
        scalar(1296, "timedate_pl", [.time, .date], .timestamp, "Timestamp of time and date") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try joined(c.int32(1), c.int64(0)))
        }
        scalar(2025, "timestamp", [.date, .time], .timestamp, "Timestamp of date and time") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try joined(c.int32(0), c.int64(1)))
        }
        scalar(1176, "timestamptz", [.date, .time], .timestamptz, "Moment of local date and time", volatility: .stable)
        {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try c.context.timeZone.utc(try joined(c.int32(0), c.int64(1))))
        }
    }

    private func declareTimes() {
        scalar(1747, "time_pl_interval", [.time, .interval], .time, "Time plus interval, within a day") {
            (c: inout ScalarCall) in c.set(wrapped(c.int64(0), c.interval(1).microseconds))
        }
        scalar(1848, "interval_pl_time", [.interval, .time], .time, "Interval plus time, within a day") {
            (c: inout ScalarCall) in c.set(wrapped(c.int64(1), c.interval(0).microseconds))
        }
        scalar(1748, "time_mi_interval", [.time, .interval], .time, "Time minus interval, within a day") {
            (c: inout ScalarCall) in
            c.set(wrapped(c.int64(0), -(c.interval(1).microseconds % Calendar.microsecondsPerDay)))
        }
        scalar(1690, "time_mi_time", [.time, .time], .interval, "Interval between times") { (c: inout ScalarCall) in
            c.set(IntervalValue(microseconds: c.int64(0) - c.int64(1)))
        }
    }

    private func declareTimestamps() {
        scalar(2031, "timestamp_mi", [.timestamp, .timestamp], .interval, "Interval between timestamps") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.difference(c.int64(0), c.int64(1)))
        }
        scalar(1188, "timestamptz_mi", [.timestamptz, .timestamptz], .interval, "Interval between moments") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.difference(c.int64(0), c.int64(1)))
        }
        scalar(2032, "timestamp_pl_interval", [.timestamp, .interval], .timestamp, "Timestamp plus interval") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.move(c.int64(0), c.interval(1)))
        }
        scalar(2548, "interval_pl_timestamp", [.interval, .timestamp], .timestamp, "Interval plus timestamp") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.move(c.int64(1), c.interval(0)))
        }
        scalar(2033, "timestamp_mi_interval", [.timestamp, .interval], .timestamp, "Timestamp minus interval") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalMath.move(c.int64(0), try IntervalMath.negate(c.interval(1))))
        }
        scalar(
            1189, "timestamptz_pl_interval", [.timestamptz, .interval], .timestamptz, "Moment plus interval",
            volatility: .stable
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalMath.moveZoned(c.int64(0), c.interval(1), c.context.timeZone))
        }
        scalar(
            2549, "interval_pl_timestamptz", [.interval, .timestamptz], .timestamptz, "Interval plus moment",
            volatility: .stable
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalMath.moveZoned(c.int64(1), c.interval(0), c.context.timeZone))
        }
        scalar(
            1190, "timestamptz_mi_interval", [.timestamptz, .interval], .timestamptz, "Moment minus interval",
            volatility: .stable
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalMath.moveZoned(c.int64(0), try IntervalMath.negate(c.interval(1)), c.context.timeZone))
        }
        scalar(2058, "age", [.timestamp, .timestamp], .interval, "Difference in years, months, days and time") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.age(c.int64(0), c.int64(1)))
        }
        scalar(2059, "age", [.timestamp], .interval, "Age at midnight of the current day", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            let today = Calendar.split(c.context.timeZone.local(c.context.transactionTimestamp)).day
            c.set(try IntervalMath.age(today * Calendar.microsecondsPerDay, c.int64(0)))
        }
        scalar(1199, "age", [.timestamptz, .timestamptz], .interval, "Difference in years, months, days and time") {
            (c: inout ScalarCall) throws(EngineError) in
            let zone = c.context.timeZone
            c.set(try IntervalMath.age(zone.local(c.int64(0)), zone.local(c.int64(1))))
        }
        scalar(1386, "age", [.timestamptz], .interval, "Age at midnight of the current day", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            let zone = c.context.timeZone
            let today = Calendar.split(zone.local(c.context.transactionTimestamp)).day
            c.set(try IntervalMath.age(today * Calendar.microsecondsPerDay, zone.local(c.int64(0))))
        }
        for (oid, type) in [
            (1373 as UInt32, TypeOID.date), (1389, .timestamptz), (2048, .timestamp), (1390, .interval),
        ] {
            scalar(oid, "isfinite", [type], .bool, "Not infinite") { (c: inout ScalarCall) in
                c.set(
                    type == .interval || (type == .date ? Calendar.isFinite(c.int32(0)) : Calendar.isFinite(c.int64(0)))
                )
            }
        }
        declareZones()
    }

    private func declareZones() {
        scalar(2069, "timezone", [.text, .timestamp], .timestamptz, "Moment of a local time in the zone") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try zone(c.bytes(0)).utc(c.int64(1)))
        }
        scalar(1159, "timezone", [.text, .timestamptz], .timestamp, "Local time in the zone") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try zone(c.bytes(0)).local(c.int64(1)))
        }
        scalar(2070, "timezone", [.interval, .timestamp], .timestamptz, "Moment of a local time at an offset") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try zone(c.interval(0)).utc(c.int64(1)))
        }
        scalar(1026, "timezone", [.interval, .timestamptz], .timestamp, "Local time at an offset") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try zone(c.interval(0)).local(c.int64(1)))
        }
    }

    private func declareIntervals() {
        scalar(1169, "interval_pl", [.interval, .interval], .interval, "Sum") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalMath.add(c.interval(0), c.interval(1)))
        }
        scalar(1170, "interval_mi", [.interval, .interval], .interval, "Difference") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.subtract(c.interval(0), c.interval(1)))
        }
        scalar(1168, "interval_um", [.interval], .interval, "Negation") { (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalMath.negate(c.interval(0)))
        }
        scalar(1618, "interval_mul", [.interval, .float8], .interval, "Product") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalMath.multiply(c.interval(0), c.float64(1)))
        }
        scalar(1624, "mul_d_interval", [.float8, .interval], .interval, "Product") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.multiply(c.interval(1), c.float64(0)))
        }
        scalar(1326, "interval_div", [.interval, .float8], .interval, "Quotient") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.divide(c.interval(0), c.float64(1)))
        }
        scalar(1175, "justify_hours", [.interval], .interval, "24 hours as a day") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.justifyHours(c.interval(0)))
        }
        scalar(1295, "justify_days", [.interval], .interval, "30 days as a month") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.justifyDays(c.interval(0)))
        }
        scalar(2711, "justify_interval", [.interval], .interval, "24 hours as a day and 30 days as a month") {
            (c: inout ScalarCall) throws(EngineError) in c.set(try IntervalMath.justify(c.interval(0)))
        }
    }

    private func declareDateTimeCasts() {
        scalar(2024, "timestamp", [.date], .timestamp, "Midnight of the date") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try timestamp(c.int32(0)))
        }
        scalar(1174, "timestamptz", [.date], .timestamptz, "Local midnight of the date", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in c.set(try c.context.timeZone.utc(try timestamp(c.int32(0))))
        }
        scalar(2029, "date", [.timestamp], .date, "Date of the timestamp") { (c: inout ScalarCall) in
            c.set(date(c.int64(0)))
        }
        scalar(1178, "date", [.timestamptz], .date, "Local date of the moment", volatility: .stable) {
            (c: inout ScalarCall) in
            c.set(date(c.context.timeZone.local(c.int64(0))))
        }
        scalar(2028, "timestamptz", [.timestamp], .timestamptz, "Moment of the local time", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(
                try DateTimeInput.checked(
                    timestamp: try c.context.timeZone.utc(c.int64(0)), typmod: c.resultType.typmod))
        }
        scalar(2027, "timestamp", [.timestamptz], .timestamp, "Local time of the moment", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(
                try DateTimeInput.checked(timestamp: c.context.timeZone.local(c.int64(0)), typmod: c.resultType.typmod))
        }
        scalar(1316, "time", [.timestamp], .time, "Time of day; NULL if infinite") {
            (c: inout ScalarCall) throws(EngineError) in
            guard Calendar.isFinite(c.int64(0)) else { return c.setNull() }
            c.set(try DateTimeInput.checked(time: Calendar.split(c.int64(0)).time, typmod: c.resultType.typmod))
        }
        scalar(2019, "time", [.timestamptz], .time, "Local time of day; NULL if infinite", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            guard Calendar.isFinite(c.int64(0)) else { return c.setNull() }
            let local = c.context.timeZone.local(c.int64(0))
            c.set(try DateTimeInput.checked(time: Calendar.split(local).time, typmod: c.resultType.typmod))
        }
        scalar(1419, "time", [.interval], .time, "Time of day after midnight") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try DateTimeInput.checked(time: wrapped(0, c.interval(0).microseconds), typmod: c.resultType.typmod))
        }
        scalar(1370, "interval", [.time], .interval, "Interval since midnight") { (c: inout ScalarCall) in
            c.set(IntervalValue(microseconds: c.int64(0)))
        }
        for (oid, name, type) in [
            (1961 as UInt32, "timestamp" as StaticBytes, TypeOID.timestamp), (1967, "timestamptz", .timestamptz),
        ] {
            scalar(oid, name, [type, .int4], type, "Rounded to some decimals of a second") {
                (c: inout ScalarCall) throws(EngineError) in
                c.set(try DateTimeInput.checked(timestamp: c.int64(0), typmod: c.int32(1)))
            }
        }
        scalar(1968, "time", [.time, .int4], .time, "Rounded to some decimals of a second") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try DateTimeInput.checked(time: c.int64(0), typmod: c.int32(1)))
        }
        scalar(1200, "interval", [.interval, .int4], .interval, "Restricted by a modifier") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IntervalInput.applyModifier(c.interval(0), typmod: c.int32(1)))
        }
    }

    private func declareConstructors() {
        scalar(3846, "make_date", [.int4, .int4, .int4], .date, "Date of year, month, day") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(Int32(try checkedDay(c.int32(0), c.int32(1), c.int32(2), "date")))
        }
        scalar(3847, "make_time", [.int4, .int4, .float8], .time, "Time of hour, minute, second") {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try checkedTime(c.int32(0), c.int32(1), c.float64(2)))
        }
        scalar(
            3461, "make_timestamp", [.int4, .int4, .int4, .int4, .int4, .float8], .timestamp, "Timestamp of its fields"
        ) {
            (c: inout ScalarCall) throws(EngineError) in c.set(try made(c))
        }
        scalar(
            3462, "make_timestamptz", [.int4, .int4, .int4, .int4, .int4, .float8], .timestamptz,
            "Moment of local fields", volatility: .stable
        ) {
            (c: inout ScalarCall) throws(EngineError) in c.set(try c.context.timeZone.utc(try made(c)))
        }
        scalar(
            3463, "make_timestamptz", [.int4, .int4, .int4, .int4, .int4, .float8, .text], .timestamptz,
            "Moment of fields in a zone", volatility: .stable
        ) {
            (c: inout ScalarCall) throws(EngineError) in c.set(try zone(c.bytes(6)).utc(try made(c)))
        }
        scalar(
            3464, "make_interval", [.int4, .int4, .int4, .int4, .int4, .int4, .float8], .interval,
            "Interval of its fields"
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            let months = Int64(c.int32(0)) * 12 + Int64(c.int32(1))
            let days = Int64(c.int32(2)) * 7 + Int64(c.int32(3))
            let seconds = FloatMath.nearest(c.float64(6) * 1e6)
            let time = Double(c.int32(4)) * 3.6e9 + Double(c.int32(5)) * 6e7 + seconds
            guard let month = Int32(exactly: months), let day = Int32(exactly: days), time.magnitude < 9.2e18 else {
                throw DateTimeErrors.intervalOutOfRange()
            }
            let clock = Int64(c.int32(4)) * 3_600_000_000 + Int64(c.int32(5)) * 60_000_000 + Int64(seconds)
            c.set(IntervalValue(months: month, days: day, microseconds: clock))
        }
        scalar(1158, "to_timestamp", [.float8], .timestamptz, "Moment so many seconds after 1970-01-01 00:00 UTC") {
            (c: inout ScalarCall) throws(EngineError) in
            let seconds = c.float64(0)
            if seconds.isInfinite { return c.set(seconds > 0 ? Calendar.infinity : Calendar.negativeInfinity) }
            if seconds != seconds { throw EngineError(.datetimeFieldOverflow, "timestamp cannot be NaN") }
            let moment = FloatMath.nearest((seconds - 946_684_800) * 1e6)
            guard moment >= Double(Calendar.firstTimestamp), moment < Double(Calendar.endTimestamp) else {
                var text = ByteBuffer(capacity: 32)
                FloatIO.output(seconds, extraDigits: 0, into: &text)
                throw EngineError(.datetimeFieldOverflow, "timestamp out of range: \"\(quoted(text.bytes))\"")
            }
            c.set(Int64(moment))
        }
    }

    private func declareClock() {
        for (oid, name) in [(1299 as UInt32, "now" as StaticBytes), (2647, "transaction_timestamp")] {
            scalar(oid, name, [], .timestamptz, "When the transaction began", volatility: .stable) {
                (c: inout ScalarCall) in
                c.set(c.context.transactionTimestamp)
            }
        }
        scalar(2648, "statement_timestamp", [], .timestamptz, "When the statement began", volatility: .stable) {
            (c: inout ScalarCall) in c.set(c.context.statementTimestamp)
        }
        scalar(2649, "clock_timestamp", [], .timestamptz, "The time now", volatility: .volatile) {
            (c: inout ScalarCall) in
            c.set(c.context.clock)
        }
    }

    private func declareLargerSmaller() {
        let pairs: [(TypeOID, UInt32, StaticBytes, UInt32, StaticBytes)] = [
            (.date, 1138, "date_larger", 1139, "date_smaller"), (.time, 1377, "time_larger", 1378, "time_smaller"),
            (.timestamp, 2036, "timestamp_larger", 2035, "timestamp_smaller"),
            (.timestamptz, 1195, "timestamptz_smaller", 1196, "timestamptz_larger"),
            (.interval, 1198, "interval_larger", 1197, "interval_smaller"),
            (.text, 458, "text_larger", 459, "text_smaller"),
            (.numeric, 1767, "numeric_larger", 1766, "numeric_smaller"), (.oid, 1965, "oidlarger", 1966, "oidsmaller"),
            (.bpchar, 1063, "bpchar_larger", 1064, "bpchar_smaller"),
        ]
        for (type, first, firstName, second, secondName) in pairs {
            let kind = ValueClass.of(type)
            let firstIsLarger = type != .timestamptz
            scalar(first, firstName, [type, type], type, firstIsLarger ? "The larger of two" : "The smaller of two") {
                (c: inout ScalarCall) in
                let order = Comparison.compare(c.cell(0), c.cell(1), kind)
                c.set(firstIsLarger == (order > 0) ? c.cell(0) : c.cell(1))
            }
            scalar(second, secondName, [type, type], type, firstIsLarger ? "The smaller of two" : "The larger of two") {
                (c: inout ScalarCall) in
                let order = Comparison.compare(c.cell(0), c.cell(1), kind)
                c.set(firstIsLarger == (order < 0) ? c.cell(0) : c.cell(1))
            }
        }
    }
}

extension EvaluationContext {
    /// Microseconds since 2000-01-01 UTC by the wall clock; the statement's start if there is no platform.
    package var clock: Int64 {
        guard let platform else { return statementTimestamp }
        return platform.wallClock() - 946_684_800_000_000
    }
}

private func moved(_ date: Int32, _ days: Int64) throws(EngineError) -> Int32 {
    guard Calendar.isFinite(date) else { return date }
    let day = Int64(date) + days
    guard day >= Calendar.firstDay, day < Calendar.endDay else { throw DateTimeErrors.dateOutOfRange() }
    return Int32(day)
}
/// Midnight of a date. Throws 22008.
func timestamp(_ date: Int32) throws(EngineError) -> Int64 {
    if date == Calendar.dateInfinity { return Calendar.infinity }
    if date == Calendar.dateNegativeInfinity { return Calendar.negativeInfinity }
    guard date < 106_751_983 else {
        throw EngineError(.datetimeFieldOverflow, "date out of range for timestamp")
    }
    return Int64(date) * Calendar.microsecondsPerDay
}
private func date(_ timestamp: Int64) -> Int32 {
    if timestamp == Calendar.infinity { return Calendar.dateInfinity }
    if timestamp == Calendar.negativeInfinity { return Calendar.dateNegativeInfinity }
    return Int32(Calendar.split(timestamp).day)
}
private func joined(_ date: Int32, _ time: Int64) throws(EngineError) -> Int64 {
    let midnight = try timestamp(date)
    guard Calendar.isFinite(midnight) else { return midnight }
    guard Calendar.isValid(midnight + time) else { throw DateTimeErrors.timestampOutOfRange() }
    return midnight + time
}
/// A time of day moved around the clock.
private func wrapped(_ time: Int64, _ by: Int64) -> Int64 {
    let sum = (time + by % Calendar.microsecondsPerDay) % Calendar.microsecondsPerDay
    return sum < 0 ? sum + Calendar.microsecondsPerDay : sum
}
/// The zone a name means. Throws 22023.
func zone(_ name: UnsafeRawBufferPointer) throws(EngineError) -> TimeZone {
    if let zone = TimeZone.named(name) { return zone }
    if let offset = TimeZone.abbreviationOffset(name) { return .fixed(offset) }
    throw EngineError(.invalidParameterValue, "time zone \"\(quoted(name))\" not recognized")
}
private func zone(_ interval: IntervalValue) throws(EngineError) -> TimeZone {
    if interval.months != 0 || interval.days != 0 {
        throw EngineError(.invalidParameterValue, "interval time zone must not include months or days")
    }
    return .fixed(Int32(truncatingIfNeeded: interval.microseconds / 1_000_000))
}
private func checkedDay(_ year: Int32, _ month: Int32, _ day: Int32, _ name: StaticString) throws(EngineError) -> Int {
    let astronomical = year < 0 ? Int(year) + 1 : Int(year)
    guard year != 0, (1...12).contains(month), day >= 1, astronomical > -5000, astronomical < 5_874_898,
        Int(day) <= Calendar.dayCount(astronomical, Int(month))
    else {
        throw EngineError(
            .datetimeFieldOverflow, "date field value out of range: \(year)-\(padded(month))-\(padded(day))")
    }
    return Calendar.day(astronomical, Int(month), Int(day))
}
private func padded(_ value: Int32) -> String { value >= 0 && value < 10 ? "0\(value)" : "\(value)" }
private func checkedTime(_ hour: Int32, _ minute: Int32, _ second: Double) throws(EngineError) -> Int64 {
    let microseconds = FloatMath.nearest(second * 1e6)
    guard (0...24).contains(hour), (0...59).contains(minute), second >= 0, microseconds <= 60_000_000,
        hour < 24 || (minute == 0 && microseconds == 0)
    else {
        var text = ByteBuffer(capacity: 32)
        FloatIO.output(second, extraDigits: 0, into: &text)
        let shown = second >= 0 && second < 10 ? "0" + quoted(text.bytes) : quoted(text.bytes)
        throw EngineError(.datetimeFieldOverflow, "time field value out of range: \(hour):\(padded(minute)):\(shown)")
    }
    return Int64(hour) * 3_600_000_000 + Int64(minute) * 60_000_000 + Int64(microseconds)
}
private func made(_ c: ScalarCall) throws(EngineError) -> Int64 {
    let day = try checkedDay(c.int32(0), c.int32(1), c.int32(2), "timestamp")
    let time = try checkedTime(c.int32(3), c.int32(4), c.float64(5))
    guard day < 106_751_983, Calendar.isValid(Int64(day) * Calendar.microsecondsPerDay + time) else {
        throw DateTimeErrors.timestampOutOfRange()
    }
    return Int64(day) * Calendar.microsecondsPerDay + time
}
