// Dates, times and timestamps as text, in the four date styles.

import Platform

enum DateTimeOutput {
    static func date(_ value: Int32, into buffer: inout ByteBuffer, _ context: EvaluationContext) {
        if !Calendar.isFinite(value) {
            buffer.append(value > 0 ? "infinity" : "-infinity")
            return
        }
        var fields = DateFields()
        (fields.year, fields.month, fields.day) = Calendar.civil(Int(value))
        appendDate(fields, context, separator: context.dateStyle == .postgres ? "-" : "/", into: &buffer)
        if fields.year <= 0 { buffer.append(" BC") }
    }

    static func time(_ value: Int64, into buffer: inout ByteBuffer) {
        appendClock(value, into: &buffer)
    }

    static func timestamp(_ value: Int64, into buffer: inout ByteBuffer, _ context: EvaluationContext) {
        append(value, offset: nil, [], into: &buffer, context)
    }
    static func timestamptz(_ value: Int64, into buffer: inout ByteBuffer, _ context: EvaluationContext) {
        guard Calendar.isFinite(value) else {
            append(value, offset: nil, [], into: &buffer, context)
            return
        }
        append(
            context.timeZone.local(value), offset: context.timeZone.offset(utc: value),
            context.timeZone.abbreviation(utc: value), into: &buffer, context)
    }

    private static func append(
        _ value: Int64, offset: Int32?, _ zone: [UInt8], into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) {
        if !Calendar.isFinite(value) {
            buffer.append(value > 0 ? "infinity" : "-infinity")
            return
        }
        let fields = DateFields(value)
        if context.dateStyle == .postgres {
            appendPostgres(fields, context, into: &buffer)
        } else {
            appendDate(fields, context, separator: "/", into: &buffer)
            buffer.append(0x20)
            appendClock(fields.time, into: &buffer)
        }
        if let offset {
            if context.dateStyle == .iso {
                appendOffset(offset, into: &buffer)
            } else if zone.isEmpty {
                if context.dateStyle == .postgres { buffer.append(0x20) }
                appendOffset(offset, into: &buffer)
            } else {
                buffer.append(0x20)
                buffer.append(zone)
            }
        }
        if fields.year <= 0 { buffer.append(" BC") }
    }

    /// `Wed Jan 02 03:04:05 2024`, day before month in DMY order.
    private static func appendPostgres(
        _ fields: DateFields, _ context: EvaluationContext, into buffer: inout ByteBuffer
    ) {
        buffer.append(name: DateNames.weekdays[Calendar.weekday(fields.dayNumber)].slice(0, 3))
        buffer.append(0x20)
        if context.dateOrder == .dmy {
            buffer.append(decimal: UInt64(fields.day), width: 2)
            buffer.append(0x20)
            buffer.append(name: DateNames.months[fields.month - 1].slice(0, 3))
        } else {
            buffer.append(name: DateNames.months[fields.month - 1].slice(0, 3))
            buffer.append(0x20)
            buffer.append(decimal: UInt64(fields.day), width: 2)
        }
        buffer.append(0x20)
        appendClock(fields.time, into: &buffer)
        buffer.append(0x20)
        appendYear(fields.year, into: &buffer)
    }

    private static func appendDate(
        _ fields: DateFields, _ context: EvaluationContext, separator: StaticString, into buffer: inout ByteBuffer
    ) {
        switch context.dateStyle {
        case .iso:
            appendYear(fields.year, into: &buffer)
            buffer.append(UInt8(ascii: "-"))
            buffer.append(decimal: UInt64(fields.month), width: 2)
            buffer.append(UInt8(ascii: "-"))
            buffer.append(decimal: UInt64(fields.day), width: 2)
            return
        case .german:
            buffer.append(decimal: UInt64(fields.day), width: 2)
            buffer.append(UInt8(ascii: "."))
            buffer.append(decimal: UInt64(fields.month), width: 2)
            buffer.append(UInt8(ascii: "."))
        case .sql, .postgres:
            let dayFirst = context.dateOrder == .dmy
            buffer.append(decimal: UInt64(dayFirst ? fields.day : fields.month), width: 2)
            buffer.append(separator)
            buffer.append(decimal: UInt64(dayFirst ? fields.month : fields.day), width: 2)
            buffer.append(separator)
        }
        appendYear(fields.year, into: &buffer)
    }
    private static func appendYear(_ year: Int, into buffer: inout ByteBuffer) {
        buffer.append(decimal: UInt64(year > 0 ? year : 1 - year), width: 4)
    }

    /// `hh:mm:ss` and as many decimals as there are.
    static func appendClock(_ time: Int64, into buffer: inout ByteBuffer) {
        buffer.append(decimal: UInt64(time / Calendar.microsecondsPerHour), width: 2)
        buffer.append(UInt8(ascii: ":"))
        buffer.append(decimal: UInt64(time / Calendar.microsecondsPerMinute % 60), width: 2)
        buffer.append(UInt8(ascii: ":"))
        buffer.append(decimal: UInt64(time / Calendar.microsecondsPerSecond % 60), width: 2)
        appendFraction(UInt64(time % Calendar.microsecondsPerSecond), into: &buffer)
    }
    /// `.ddd` without trailing zeros; nothing for 0.
    static func appendFraction(_ microseconds: UInt64, into buffer: inout ByteBuffer) {
        if microseconds == 0 { return }
        var rest = microseconds
        var width = 6
        while rest % 10 == 0 {
            rest /= 10
            width -= 1
        }
        buffer.append(UInt8(ascii: "."))
        buffer.append(decimal: rest, width: width)
    }
    /// `+hh[:mm[:ss]]`.
    static func appendOffset(_ offset: Int32, into buffer: inout ByteBuffer) {
        buffer.append(offset < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
        let magnitude = UInt64(offset.magnitude)
        buffer.append(decimal: magnitude / 3600, width: 2)
        if magnitude % 3600 != 0 {
            buffer.append(UInt8(ascii: ":"))
            buffer.append(decimal: magnitude / 60 % 60, width: 2)
            if magnitude % 60 != 0 {
                buffer.append(UInt8(ascii: ":"))
                buffer.append(decimal: magnitude % 60, width: 2)
            }
        }
    }
}

extension ByteBuffer {
    mutating func append(name text: StaticBytes) { append(text.bytes) }
}
extension StaticBytes {
    func slice(_ from: Int, _ to: Int) -> StaticBytes { StaticBytes(start: start + from, count: to - from) }
}

enum DateNames {
    static var months: [StaticBytes] {
        [
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November",
            "December",
        ]
    }
    static var weekdays: [StaticBytes] {
        ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    }
}
