// Checks and normalises the text of a parameter, and carries it over to what depends on it.

import Platform
import SQLTypes

extension Settings {
    /// The form in which the value is kept. Errors: 22023, and 0A000 for what is known and not supported.
    func normalise(_ text: [UInt8], _ index: Int) throws(EngineError) -> [UInt8] {
        let definition = SettingDefinition.all[index]
        switch definition.kind {
        case .bool:
            guard let value = Self.boolean(text) else {
                throw EngineError(.invalidParameterValue, "parameter \"\(definition.name)\" requires a Boolean value")
            }
            if index == SettingIndex.standardConformingStrings, !value {
                throw .notSupported("standard_conforming_strings = off")
            }
            return [UInt8]((value ? "on" : "off").utf8)
        case .integer(let min, let max, let unit):
            return try integer(text, definition, min, max, unit)
        case .real:
            guard Self.isNumber(text) else { throw Self.invalid(definition, text) }
            return text
        case .oneOf(let words):
            return try word(text, definition, words)
        case .string:
            return try string(text, index)
        }
    }

    package static func boolean(_ text: [UInt8]) -> Bool? {
        let lower = text.map(asciiLower)
        for (word, minimum, value) in [
            ("true", 1, true), ("false", 1, false), ("yes", 1, true), ("no", 1, false), ("on", 2, true),
            ("off", 2, false), ("1", 1, true), ("0", 1, false),
        ] where lower.count >= minimum && Array(word.utf8).starts(with: lower) { return value }
        return nil
    }

    private static func isNumber(_ text: [UInt8]) -> Bool {
        var digits = 0
        for byte in text {
            if byte >= 0x30, byte <= 0x39 { digits += 1 } else if byte != 0x2E, byte != 0x2D { return false }
        }
        return digits > 0
    }

    private static func invalid(_ definition: SettingDefinition, _ text: [UInt8], hint: String? = nil) -> EngineError {
        EngineError(
            .invalidParameterValue,
            "invalid value for parameter \"\(definition.name)\": \"\(String(decoding: text, as: UTF8.self))\"",
            hint: hint)
    }

    private func integer(
        _ text: [UInt8], _ definition: SettingDefinition, _ min: Int64, _ max: Int64, _ unit: SettingUnit
    ) throws(EngineError) -> [UInt8] {
        let trimmed = text.filter { $0 != 0x20 }
        let digits = trimmed.prefix { ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2D }
        let suffix = trimmed.dropFirst(digits.count).map(asciiLower)
        guard var value = parseInteger(Array(digits)) else { throw Self.invalid(definition, text) }
        if !suffix.isEmpty {
            guard let factor = Self.factor(suffix, unit) else {
                throw Self.invalid(definition, text, hint: "The value has a unit that the parameter does not take.")
            }
            let (product, overflow) = value.multipliedReportingOverflow(by: factor)
            value = overflow ? Int64.max : product
        }
        guard value >= min, value <= max else {
            throw EngineError(
                .invalidParameterValue,
                "\(value) is outside the valid range for parameter \"\(definition.name)\" (\(min) .. \(max))")
        }
        return [UInt8]("\(value)".utf8)
    }

    private static func factor(_ suffix: [UInt8], _ unit: SettingUnit) -> Int64? {
        let known: [(String, Int64)] =
            switch unit {
            case .none: []
            case .milliseconds: [("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
            case .seconds: [("s", 1), ("min", 60), ("h", 3600), ("d", 86_400)]
            case .kilobytes: [("kb", 1), ("mb", 1024), ("gb", 1 << 20), ("tb", 1 << 30)]
            }
        for (name, factor) in known where Array(name.utf8) == suffix { return factor }
        return nil
    }

    private func word(
        _ text: [UInt8], _ definition: SettingDefinition, _ words: [StaticString]
    ) throws(EngineError) -> [UInt8] {
        var list = ""
        for word in words {
            let bytes = [UInt8](UnsafeRawBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
            if equalIgnoringCase(bytes, text) { return bytes }
            list += list.isEmpty ? "\(word)" : ", \(word)"
        }
        // PostgreSQL reads any Boolean spelling for its on/off enumerations.
        if let value = Self.boolean(text) {
            let spelled = [UInt8]((value ? "on" : "off").utf8)
            for word in words
            where [UInt8](UnsafeRawBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)) == spelled {
                return spelled
            }
        }
        throw Self.invalid(definition, text, hint: "Available values: \(list).")
    }

    private func string(_ text: [UInt8], _ index: Int) throws(EngineError) -> [UInt8] {
        let definition = SettingDefinition.all[index]
        switch index {
        case SettingIndex.applicationName:
            // As PostgreSQL: printable ASCII, at most 63 bytes.
            return text.prefix(63).map { $0 < 0x20 || $0 > 0x7E ? UInt8(ascii: "?") : $0 }
        case SettingIndex.clientEncoding:
            let name = text.map(asciiLower).filter { $0 != 0x2D && $0 != 0x5F }
            for known in ["utf8", "unicode", "sqlascii"] where Array(known.utf8) == name { return [UInt8]("UTF8".utf8) }
            throw Self.invalid(definition, text, hint: "UTF8 is the only encoding.")
        case SettingIndex.dateStyle:
            guard let style = parseDateStyle(text) else { throw Self.invalid(definition, text) }
            return style
        case SettingIndex.timeZone:
            guard let zone = text.withBytes({ TimeZone.setting($0) }) else { throw Self.invalid(definition, text) }
            return zone.name
        default:
            return text
        }
    }

    /// `style, order` in any order, either left out: what is not said stays as it is. Nil for other words.
    private func parseDateStyle(_ text: [UInt8]) -> [UInt8]? {
        var style = evaluation.dateStyle
        var order = evaluation.dateOrder
        for part in text.split(separator: UInt8(ascii: ",")) {
            let word = String(decoding: part.filter { $0 != 0x20 }.map(asciiLower), as: UTF8.self)
            switch Array(word.utf8) {
            case Array("iso".utf8): style = .iso
            case Array("postgres".utf8), Array("postgresql".utf8): style = .postgres
            case Array("sql".utf8): style = .sql
            case Array("german".utf8):
                style = .german
                order = .dmy
            case Array("mdy".utf8), Array("us".utf8), Array("noneuropean".utf8): order = .mdy
            case Array("dmy".utf8), Array("euro".utf8), Array("european".utf8): order = .dmy
            case Array("ymd".utf8): order = .ymd
            case Array("default".utf8):
                style = .iso
                order = .mdy
            default: return nil
            }
        }
        let first: String =
            switch style {
            case .iso: "ISO"
            case .postgres: "Postgres"
            case .sql: "SQL"
            case .german: "German"
            }
        let second: String =
            switch order {
            case .mdy: "MDY"
            case .dmy: "DMY"
            case .ymd: "YMD"
            }
        return [UInt8]("\(first), \(second)".utf8)
    }

    /// Carries a value over to the evaluation context.
    func apply(_ index: Int) {
        let value = values[index]
        switch index {
        case SettingIndex.dateStyle:
            let has = { (word: String) in value.starts(with: Array(word.utf8)) }
            evaluation.dateStyle = has("ISO") ? .iso : has("Postgres") ? .postgres : has("SQL") ? .sql : .german
            let order = value.suffix(3)
            evaluation.dateOrder =
                order.first == UInt8(ascii: "M") ? .mdy : order.first == UInt8(ascii: "D") ? .dmy : .ymd
        case SettingIndex.intervalStyle:
            let words: [(String, IntervalStyle)] = [
                ("postgres", .postgres), ("postgres_verbose", .postgresVerbose), ("sql_standard", .sqlStandard),
                ("iso_8601", .iso8601),
            ]
            for (word, style) in words where Array(word.utf8) == value { evaluation.intervalStyle = style }
        case SettingIndex.timeZone:
            if let zone = value.withBytes({ TimeZone.named($0) }) { evaluation.timeZone = zone }
        case SettingIndex.extraFloatDigits:
            evaluation.extraFloatDigits = Int(integer(index))
        case SettingIndex.byteaOutput:
            evaluation.byteaHex = value == [UInt8]("hex".utf8)
        case SettingIndex.lockTimeout:
            lockTimeout = UInt64(max(integer(index), 0))
        case SettingIndex.statementTimeout:
            statementTimeout = UInt64(max(integer(index), 0))
        case SettingIndex.workMemory:
            workMemory = Int(integer(index)) << 10
        case SettingIndex.defaultIsolation:
            defaultIsolation = Self.isolation(value)
        case SettingIndex.defaultReadOnly:
            defaultIsReadOnly = bool(index)
        case SettingIndex.transactionIsolation:
            transactionIsolation = Self.isolation(value)
        case SettingIndex.transactionReadOnly:
            transactionIsReadOnly = bool(index)
        default:
            break
        }
    }
}
