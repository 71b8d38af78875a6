// Intervals as text, in the four interval styles.

import Platform

enum IntervalOutput {
    static func output(_ value: IntervalValue, into buffer: inout ByteBuffer, _ context: EvaluationContext) {
        switch context.intervalStyle {
        case .postgres: postgres(value, into: &buffer)
        case .postgresVerbose: verbose(value, into: &buffer)
        case .sqlStandard: standard(value, into: &buffer)
        case .iso8601: iso(value, into: &buffer)
        }
    }

    /// Hours, minutes, seconds and microseconds of a time span's magnitude.
    private static func clock(_ microseconds: Int64) -> (
        hours: UInt64, minutes: UInt64, seconds: UInt64, fraction: UInt64
    ) {
        let total = microseconds.magnitude
        return (total / 3_600_000_000, total / 60_000_000 % 60, total / 1_000_000 % 60, total % 1_000_000)
    }

    /// `1 year 2 mons 3 days 04:05:06.7`; after a negative field a positive one is marked with `+`.
    private static func postgres(_ value: IntervalValue, into buffer: inout ByteBuffer) {
        var isFirst = true
        var previousNegative = false
        func append(_ number: Int64, _ unit: StaticString, into buffer: inout ByteBuffer) {
            if number == 0 { return }
            if !isFirst { buffer.append(0x20) }
            if previousNegative, number > 0 { buffer.append(UInt8(ascii: "+")) }
            buffer.append(decimal: number)
            buffer.append(unit)
            if number != 1 { buffer.append(UInt8(ascii: "s")) }
            previousNegative = number < 0
            isFirst = false
        }
        append(Int64(value.months / 12), " year", into: &buffer)
        append(Int64(value.months % 12), " mon", into: &buffer)
        append(Int64(value.days), " day", into: &buffer)
        guard isFirst || value.microseconds != 0 else { return }
        let (hours, minutes, seconds, fraction) = clock(value.microseconds)
        if !isFirst { buffer.append(0x20) }
        if value.microseconds < 0 {
            buffer.append(UInt8(ascii: "-"))
        } else if previousNegative {
            buffer.append(UInt8(ascii: "+"))
        }
        appendClock(hours, minutes, seconds, fraction, 2, into: &buffer)
    }

    private static func appendClock(
        _ hours: UInt64, _ minutes: UInt64, _ seconds: UInt64, _ fraction: UInt64, _ width: Int,
        into buffer: inout ByteBuffer
    ) {
        buffer.append(decimal: hours, width: width)
        buffer.append(UInt8(ascii: ":"))
        buffer.append(decimal: minutes, width: 2)
        buffer.append(UInt8(ascii: ":"))
        buffer.append(decimal: seconds, width: 2)
        DateTimeOutput.appendFraction(fraction, into: &buffer)
    }

    /// `@ 1 year 2 mons 3 days 4 hours 5 mins 6.7 secs ago`: signs are relative to the first field's.
    private static func verbose(_ value: IntervalValue, into buffer: inout ByteBuffer) {
        buffer.append(UInt8(ascii: "@"))
        var isZero = true
        var isBefore = false
        func append(_ number: Int64, _ unit: StaticString, into buffer: inout ByteBuffer) {
            if number == 0 { return }
            var shown = number
            if isZero {
                isBefore = number < 0
                shown = Int64(number.magnitude)
            } else if isBefore {
                shown = -number
            }
            buffer.append(0x20)
            buffer.append(decimal: shown)
            buffer.append(unit)
            if shown != 1 { buffer.append(UInt8(ascii: "s")) }
            isZero = false
        }
        append(Int64(value.months / 12), " year", into: &buffer)
        append(Int64(value.months % 12), " mon", into: &buffer)
        append(Int64(value.days), " day", into: &buffer)
        append(value.microseconds / Calendar.microsecondsPerHour, " hour", into: &buffer)
        append(value.microseconds / Calendar.microsecondsPerMinute % 60, " min", into: &buffer)
        let seconds = value.microseconds % Calendar.microsecondsPerMinute
        if seconds != 0 {
            buffer.append(0x20)
            if isZero {
                isBefore = seconds < 0
            } else if (seconds < 0) != isBefore {
                buffer.append(UInt8(ascii: "-"))
            }
            buffer.append(decimal: seconds.magnitude / 1_000_000, width: 1)
            DateTimeOutput.appendFraction(seconds.magnitude % 1_000_000, into: &buffer)
            buffer.append(seconds.magnitude == 1_000_000 ? " sec" : " secs")
            isZero = false
        }
        if isZero { buffer.append(" 0") }
        if isBefore { buffer.append(" ago") }
    }

    /// SQL's year-month and day-time literals, or all fields with signs when both are present.
    private static func standard(_ value: IntervalValue, into buffer: inout ByteBuffer) {
        let hasNegative = value.months < 0 || value.days < 0 || value.microseconds < 0
        let hasPositive = value.months > 0 || value.days > 0 || value.microseconds > 0
        let hasYearMonth = value.months != 0
        let hasDay = value.days != 0
        let hasTime = value.microseconds != 0
        let years = UInt64((value.months / 12).magnitude)
        let months = UInt64((value.months % 12).magnitude)
        let (hours, minutes, seconds, fraction) = clock(value.microseconds)
        if !hasNegative, !hasPositive {
            buffer.append(0x30)
        } else if (hasNegative && hasPositive) || (hasYearMonth && (hasDay || hasTime)) {
            buffer.append(value.months < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
            buffer.append(decimal: years, width: 1)
            buffer.append(UInt8(ascii: "-"))
            buffer.append(decimal: months, width: 1)
            buffer.append(value.days < 0 ? " -" : " +")
            buffer.append(decimal: UInt64(value.days.magnitude), width: 1)
            buffer.append(value.microseconds < 0 ? " -" : " +")
            appendClock(hours, minutes, seconds, fraction, 1, into: &buffer)
        } else {
            if hasNegative { buffer.append(UInt8(ascii: "-")) }
            if hasYearMonth {
                buffer.append(decimal: years, width: 1)
                buffer.append(UInt8(ascii: "-"))
                buffer.append(decimal: months, width: 1)
            } else {
                if hasDay {
                    buffer.append(decimal: UInt64(value.days.magnitude), width: 1)
                    buffer.append(0x20)
                }
                appendClock(hours, minutes, seconds, fraction, 1, into: &buffer)
            }
        }
    }

    /// `P1Y2M3DT4H5M6.7S`.
    private static func iso(_ value: IntervalValue, into buffer: inout ByteBuffer) {
        if value.months == 0, value.days == 0, value.microseconds == 0 {
            buffer.append("PT0S")
            return
        }
        func append(_ number: Int64, _ unit: UInt8, into buffer: inout ByteBuffer) {
            if number == 0 { return }
            buffer.append(decimal: number)
            buffer.append(unit)
        }
        buffer.append(UInt8(ascii: "P"))
        append(Int64(value.months / 12), UInt8(ascii: "Y"), into: &buffer)
        append(Int64(value.months % 12), UInt8(ascii: "M"), into: &buffer)
        append(Int64(value.days), UInt8(ascii: "D"), into: &buffer)
        guard value.microseconds != 0 else { return }
        buffer.append(UInt8(ascii: "T"))
        append(value.microseconds / Calendar.microsecondsPerHour, UInt8(ascii: "H"), into: &buffer)
        append(value.microseconds / Calendar.microsecondsPerMinute % 60, UInt8(ascii: "M"), into: &buffer)
        let seconds = value.microseconds % Calendar.microsecondsPerMinute
        if seconds != 0 {
            if seconds < 0 { buffer.append(UInt8(ascii: "-")) }
            buffer.append(decimal: seconds.magnitude / 1_000_000, width: 1)
            DateTimeOutput.appendFraction(seconds.magnitude % 1_000_000, into: &buffer)
            buffer.append(UInt8(ascii: "S"))
        }
    }
}
