// SQL spellings of types: what format_type and regtype print, what error messages say, and back.

import Platform

package enum TypeNames {
    /// `integer`, `character varying(10)`, `numeric(10,2)[]`…; nil for types not built in.
    /// `isModified` false: no modifier was asked about, so `character` may stand for char of any length.
    package static func format(_ type: TypeOID, typmod: Int32 = -1, isModified: Bool = false) -> [UInt8]? {
        guard let info = TypeTable.builtin.info(type) else { return nil }
        if info.isArray {
            return format(info.element, typmod: typmod, isModified: isModified).map { $0 + Array("[]".utf8) }
        }
        var text = ByteBuffer(capacity: 32)
        switch type {
        case .bool: text.append("boolean")
        case .int2: text.append("smallint")
        case .int4: text.append("integer")
        case .int8: text.append("bigint")
        case .float4: text.append("real")
        case .float8: text.append("double precision")
        case .char: text.append("\"char\"")
        case .any: text.append("\"any\"")
        case .bpchar:
            // `character` alone would be read back as `character(1)`.
            text.append(isModified && typmod < 0 ? "bpchar" : "character")
            appendLength(typmod, to: &text)
        case .varchar:
            text.append("character varying")
            appendLength(typmod, to: &text)
        case .numeric:
            text.append("numeric")
            if typmod >= 4 {
                let packed = typmod - 4
                text.append(UInt8(ascii: "("))
                text.append(decimal: Int64(packed >> 16 & 0xFFFF))
                text.append(UInt8(ascii: ","))
                text.append(decimal: Int64(((packed & 0x7FF) ^ 1024) - 1024))
                text.append(UInt8(ascii: ")"))
            }
        case .time: appendTime("time", " without time zone", typmod, to: &text)
        case .timestamp: appendTime("timestamp", " without time zone", typmod, to: &text)
        case .timestamptz: appendTime("timestamp", " with time zone", typmod, to: &text)
        case .interval:
            text.append("interval")
            if typmod >= 0 {
                text.append(intervalFields(typmod >> 16 & 0x7FFF))
                let digits = typmod & 0xFFFF
                if digits != 0xFFFF { appendParenthesised(Int64(digits), to: &text) }
            }
        default: text.append(info.baseName)
        }
        return text.array
    }

    /// For error messages; a number for types not built in.
    package static func string(_ type: TypeOID) -> String {
        if let name = format(type) { return String(decoding: name, as: UTF8.self) }
        return "type \(type.rawValue)"
    }

    private static func appendLength(_ typmod: Int32, to text: inout ByteBuffer) {
        if typmod >= 4 { appendParenthesised(Int64(typmod - 4), to: &text) }
    }
    private static func appendParenthesised(_ value: Int64, to text: inout ByteBuffer) {
        text.append(UInt8(ascii: "("))
        text.append(decimal: value)
        text.append(UInt8(ascii: ")"))
    }
    private static func appendTime(
        _ name: StaticString, _ suffix: StaticString, _ typmod: Int32, to text: inout ByteBuffer
    ) {
        text.append(name)
        if typmod >= 0 { appendParenthesised(Int64(typmod), to: &text) }
        text.append(suffix)
    }
    /// Of the field mask in an interval's modifier (bit numbers as in PostgreSQL's datetime.h).
    private static func intervalFields(_ mask: Int32) -> StaticString {
        switch mask {
        case 1 << 2: " year"
        case 1 << 1: " month"
        case 1 << 3: " day"
        case 1 << 10: " hour"
        case 1 << 11: " minute"
        case 1 << 12: " second"
        case 1 << 2 | 1 << 1: " year to month"
        case 1 << 3 | 1 << 10: " day to hour"
        case 1 << 3 | 1 << 10 | 1 << 11: " day to minute"
        case 1 << 3 | 1 << 10 | 1 << 11 | 1 << 12: " day to second"
        case 1 << 10 | 1 << 11: " hour to minute"
        case 1 << 10 | 1 << 11 | 1 << 12: " hour to second"
        case 1 << 11 | 1 << 12: " minute to second"
        default: ""
        }
    }

    /// The built-in type a SQL spelling means (`integer`, `int4`, `double precision`, `text[]`, `pg_catalog.int4`), modifiers
    /// ignored; nil if there is none. `name` is lower case except for quoted parts.
    package static func lookup(_ name: UnsafeRawBufferPointer) -> TypeOID? {
        var name = name.trimmed
        if name.count > 2, name[name.count - 1] == UInt8(ascii: "]") {
            var open = name.count - 2
            while open > 0, name[open].isDigit { open -= 1 }
            guard name[open] == UInt8(ascii: "["), let element = lookup(name.slice(0, open)) else { return nil }
            if TypeTable.builtin.info(element)?.isArray ?? false { return element }
            let array = element.arrayType
            return array == .none ? nil : array
        }
        if name.count > 11, name.slice(0, 11).equals("pg_catalog.") { name = name.slice(from: 11) }
        if let open = name.firstIndex(of: UInt8(ascii: "(")) {
            let close = name.firstIndex(of: UInt8(ascii: ")")) ?? name.count - 1
            let plain = [UInt8](name.slice(0, open).trimmed) + [UInt8](name.slice(from: close + 1))
            return plain.withUnsafeBytes { lookup($0) }
        }
        for (spelling, type) in spellings where name.equals(spelling) { return type }
        if name.equals("\"char\"") { return .char }
        if name.equals("char") { return .bpchar }
        if let first = name.first, first == UInt8(ascii: "\""), name.count > 2 { name = name.slice(1, name.count - 1) }
        return TypeTable.builtin.named([UInt8](name))?.oid
    }

    private static var spellings: [(StaticString, TypeOID)] {
        [
            ("integer", .int4), ("int", .int4), ("smallint", .int2), ("bigint", .int8), ("boolean", .bool),
            ("real", .float4), ("float", .float8), ("double precision", .float8), ("decimal", .numeric),
            ("dec", .numeric),
            ("character varying", .varchar), ("char varying", .varchar), ("character", .bpchar),
            ("timestamp without time zone", .timestamp), ("timestamp with time zone", .timestamptz),
            ("time without time zone", .time),
        ]
    }
}
