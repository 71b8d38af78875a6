// Arithmetic of intervals with each other, with numbers, and with points in time.

import Platform

enum IntervalMath {
    static func add(_ a: IntervalValue, _ b: IntervalValue) throws(EngineError) -> IntervalValue {
        let (months, overflow1) = a.months.addingReportingOverflow(b.months)
        let (days, overflow2) = a.days.addingReportingOverflow(b.days)
        let (time, overflow3) = a.microseconds.addingReportingOverflow(b.microseconds)
        if overflow1 || overflow2 || overflow3 { throw DateTimeErrors.intervalOutOfRange() }
        return IntervalValue(months: months, days: days, microseconds: time)
    }
    static func negate(_ a: IntervalValue) throws(EngineError) -> IntervalValue {
        if a.months == Int32.min || a.days == Int32.min || a.microseconds == Int64.min {
            throw DateTimeErrors.intervalOutOfRange()
        }
        return IntervalValue(months: -a.months, days: -a.days, microseconds: -a.microseconds)
    }
    static func subtract(_ a: IntervalValue, _ b: IntervalValue) throws(EngineError) -> IntervalValue {
        let (months, overflow1) = a.months.subtractingReportingOverflow(b.months)
        let (days, overflow2) = a.days.subtractingReportingOverflow(b.days)
        let (time, overflow3) = a.microseconds.subtractingReportingOverflow(b.microseconds)
        if overflow1 || overflow2 || overflow3 { throw DateTimeErrors.intervalOutOfRange() }
        return IntervalValue(months: months, days: days, microseconds: time)
    }

    /// Fractions of months become days (30 to a month), fractions of days become time.
    static func multiply(_ a: IntervalValue, _ factor: Double) throws(EngineError) -> IntervalValue {
        try scale(a, Double(a.months) * factor, Double(a.days) * factor, Double(a.microseconds) * factor)
    }
    static func divide(_ a: IntervalValue, _ divisor: Double) throws(EngineError) -> IntervalValue {
        if divisor == 0 { throw Decimal.divisionByZero() }
        return try scale(a, Double(a.months) / divisor, Double(a.days) / divisor, Double(a.microseconds) / divisor)
    }
    private static func scale(
        _ a: IntervalValue, _ months: Double, _ days: Double, _ time: Double
    ) throws(EngineError) -> IntervalValue {
        guard months.magnitude < 2_147_483_648, days.magnitude < 2_147_483_648 else {
            throw DateTimeErrors.intervalOutOfRange()
        }
        var result = IntervalValue(months: Int32(FloatMath.truncated(months)), days: Int32(FloatMath.truncated(days)))
        let monthDays = settled((months - Double(result.months)) * 30)
        let wholeMonthDays = FloatMath.truncated(monthDays)
        var seconds = settled((days - Double(result.days) + monthDays - wholeMonthDays) * 86_400)
        if seconds.magnitude >= 86_400 {
            let carry = FloatMath.truncated(seconds / 86_400)
            result.days += Int32(carry)
            seconds -= carry * 86_400
        }
        let (sum, overflow) = result.days.addingReportingOverflow(Int32(wholeMonthDays))
        let microseconds = FloatMath.nearest(time + seconds * 1_000_000)
        guard !overflow, microseconds.magnitude < 9_223_372_036_854_775_808 else {
            throw DateTimeErrors.intervalOutOfRange()
        }
        result.days = sum
        result.microseconds = Int64(microseconds)
        return result
    }
    /// Rounded to microseconds, to forget the dust of binary fractions.
    private static func settled(_ value: Double) -> Double { FloatMath.nearest(value * 1_000_000) / 1_000_000 }

    /// Whole days out of the time, signs alike as far as possible.
    static func justifyHours(_ a: IntervalValue) throws(EngineError) -> IntervalValue {
        var result = a
        let whole = a.microseconds / Calendar.microsecondsPerDay
        let (days, overflow) = a.days.addingReportingOverflow(Int32(whole))
        if overflow { throw DateTimeErrors.intervalOutOfRange() }
        result.days = days
        result.microseconds = a.microseconds % Calendar.microsecondsPerDay
        if result.days > 0, result.microseconds < 0 {
            result.microseconds += Calendar.microsecondsPerDay
            result.days -= 1
        } else if result.days < 0, result.microseconds > 0 {
            result.microseconds -= Calendar.microsecondsPerDay
            result.days += 1
        }
        return result
    }
    /// Whole months of 30 days out of the days.
    static func justifyDays(_ a: IntervalValue) throws(EngineError) -> IntervalValue {
        var result = a
        let (months, overflow) = a.months.addingReportingOverflow(a.days / 30)
        if overflow { throw DateTimeErrors.intervalOutOfRange() }
        result.months = months
        result.days = a.days % 30
        if result.months > 0, result.days < 0 {
            result.days += 30
            result.months -= 1
        } else if result.months < 0, result.days > 0 {
            result.days -= 30
            result.months += 1
        }
        return result
    }
    static func justify(_ a: IntervalValue) throws(EngineError) -> IntervalValue {
        var result = try justifyDays(try justifyHours(a))
        if result.months > 0, result.days < 0 || (result.days == 0 && result.microseconds < 0) {
            result.days += 30
            result.months -= 1
        } else if result.months < 0, result.days > 0 || (result.days == 0 && result.microseconds > 0) {
            result.days -= 30
            result.months += 1
        }
        if result.days > 0, result.microseconds < 0 {
            result.microseconds += Calendar.microsecondsPerDay
            result.days -= 1
        } else if result.days < 0, result.microseconds > 0 {
            result.microseconds -= Calendar.microsecondsPerDay
            result.days += 1
        }
        return result
    }

    /// A local timestamp moved by months (the day clipped to the month's end), then days, then time. Throws 22008.
    static func move(_ timestamp: Int64, _ by: IntervalValue) throws(EngineError) -> Int64 {
        guard Calendar.isFinite(timestamp) else { return timestamp }
        var result = try moveDays(timestamp, by)
        let (sum, overflow) = result.addingReportingOverflow(by.microseconds)
        result = sum
        guard !overflow, Calendar.isValid(result) else { throw DateTimeErrors.timestampOutOfRange() }
        return result
    }
    private static func moveDays(_ timestamp: Int64, _ by: IntervalValue) throws(EngineError) -> Int64 {
        if by.months == 0, by.days == 0 { return timestamp }
        var fields = DateFields(timestamp)
        if by.months != 0 {
            let total = fields.year * 12 + fields.month - 1 + Int(by.months)
            fields.year = Int(floorDivide(Int64(total), 12))
            fields.month = total - fields.year * 12 + 1
            fields.day = min(fields.day, Calendar.dayCount(fields.year, fields.month))
        }
        let day = Int64(fields.dayNumber) + Int64(by.days)
        guard day >= Calendar.firstDay, day < 109_203_528 else { throw DateTimeErrors.timestampOutOfRange() }
        let (product, overflow) = day.multipliedReportingOverflow(by: Calendar.microsecondsPerDay)
        let (sum, carry) = product.addingReportingOverflow(fields.time)
        if overflow || carry { throw DateTimeErrors.timestampOutOfRange() }
        return sum
    }
    /// A moment moved: months and days by the zone's local calendar, time by the clock.
    static func moveZoned(
        _ timestamp: Int64, _ by: IntervalValue, _ zone: TimeZone
    ) throws(EngineError) -> Int64 {
        guard Calendar.isFinite(timestamp) else { return timestamp }
        var result = timestamp
        if by.months != 0 || by.days != 0 {
            result = try zone.utc(try moveDays(zone.local(timestamp), by))
        }
        let (sum, overflow) = result.addingReportingOverflow(by.microseconds)
        guard !overflow, Calendar.isValid(sum) else { throw DateTimeErrors.timestampOutOfRange() }
        return sum
    }

    /// Difference of two timestamps in days and time. Throws 22008 for infinities.
    static func difference(_ a: Int64, _ b: Int64) throws(EngineError) -> IntervalValue {
        guard Calendar.isFinite(a), Calendar.isFinite(b) else {
            throw EngineError(.datetimeFieldOverflow, "cannot subtract infinite timestamps")
        }
        let (time, overflow) = a.subtractingReportingOverflow(b)
        if overflow { throw DateTimeErrors.intervalOutOfRange() }
        return try justifyHours(IntervalValue(microseconds: time))
    }

    /// Difference in years, months, days and time, as people say ages. Both are local times.
    static func age(_ a: Int64, _ b: Int64) throws(EngineError) -> IntervalValue {
        guard Calendar.isFinite(a), Calendar.isFinite(b) else {
            throw EngineError(.datetimeFieldOverflow, "timestamp out of range")
        }
        let negative = a < b
        let late = DateFields(negative ? b : a)
        let early = DateFields(negative ? a : b)
        var months = (late.year - early.year) * 12 + late.month - early.month
        var days = late.day - early.day
        var time = late.time - early.time
        if time < 0 {
            time += Calendar.microsecondsPerDay
            days -= 1
        }
        if days < 0 {
            // Days of the month that the earlier time is in.
            months -= 1
            days += Calendar.dayCount(early.year, early.month)
        }
        let result = IntervalValue(months: Int32(months), days: Int32(days), microseconds: time)
        return negative ? try negate(result) : result
    }
}
