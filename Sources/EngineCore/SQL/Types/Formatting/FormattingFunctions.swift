// to_char, to_date, to_timestamp, to_number.

import Platform

extension FunctionRegistry {
    func declareFormatting() {
        declareDateFormatting()
        declareNumberFormatting()
    }

    private func declareDateFormatting() {
        scalar(2049, "to_char", [.timestamp, .text], .text, "Timestamp by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            guard Calendar.isFinite(c.int64(0)), c.bytes(1).count > 0 else { return c.setNull() }
            try c.set(FormattedMoment(timestamp: c.int64(0)).text(DateTemplate(c.bytes(1))))
        }
        scalar(1770, "to_char", [.timestamptz, .text], .text, "Moment by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            let moment = c.int64(0)
            guard Calendar.isFinite(moment), c.bytes(1).count > 0 else { return c.setNull() }
            var fields = FormattedMoment(timestamp: c.context.timeZone.local(moment))
            fields.offset = Int(c.context.timeZone.offset(utc: moment))
            fields.zone = c.context.timeZone.abbreviation(utc: moment)
            try c.set(fields.text(DateTemplate(c.bytes(1))))
        }
        scalar(1768, "to_char", [.interval, .text], .text, "Interval by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            if c.bytes(1).count == 0 { return c.setNull() }
            try c.set(FormattedMoment(interval: c.interval(0)).text(DateTemplate(c.bytes(1))))
        }
        scalar(1778, "to_timestamp", [.text, .text], .timestamptz, "Moment read by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            var reader = DateTemplateReader(DateTemplate(c.bytes(1)), c.bytes(0))
            let (local, offset) = try reader.read()
            if let offset {
                c.set(local - Int64(offset) * 1_000_000)
            } else {
                c.set(try c.context.timeZone.utc(local))
            }
        }
        scalar(1780, "to_date", [.text, .text], .date, "Date read by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            var reader = DateTemplateReader(DateTemplate(c.bytes(1)), c.bytes(0))
            c.set(Int32(truncatingIfNeeded: Calendar.split(try reader.read().timestamp).day))
        }
    }

    private func declareNumberFormatting() {
        scalar(1772, "to_char", [.numeric, .text], .text, "Number by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            try c.set(NumberTemplate(c.bytes(1)).text(Decimal(bytes: c.bytes(0))))
        }
        scalar(1773, "to_char", [.int4, .text], .text, "Number by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            try c.set(NumberTemplate(c.bytes(1)).text(Decimal(Int64(c.int32(0)))))
        }
        scalar(1774, "to_char", [.int8, .text], .text, "Number by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            try c.set(NumberTemplate(c.bytes(1)).text(Decimal(c.int64(0))))
        }
        scalar(1775, "to_char", [.float4, .text], .text, "Number by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            try c.set(NumberTemplate(c.bytes(1)).text(decimal(c.float32(0))))
        }
        scalar(1776, "to_char", [.float8, .text], .text, "Number by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            try c.set(NumberTemplate(c.bytes(1)).text(decimal(c.float64(0))))
        }
        scalar(1777, "to_number", [.text, .text], .numeric, "Number read by a template", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            let value = try NumberTemplate(c.bytes(1)).parse(c.bytes(0))
            try value.withCell { (cell) throws(EngineError) in try c.frame.result.setCopy(c.row, cell) }
        }
    }
}

/// As many digits of a float as are sure.
private func decimal(_ value: Double) throws(EngineError) -> Decimal {
    var text = ByteBuffer(capacity: 32)
    FloatIO.output(value, extraDigits: 0, into: &text)
    return try NumericIO.decimal(text.bytes)
}
private func decimal(_ value: Float) throws(EngineError) -> Decimal {
    var text = ByteBuffer(capacity: 32)
    FloatIO.output(value, extraDigits: 0, into: &text)
    return try NumericIO.decimal(text.bytes)
}
