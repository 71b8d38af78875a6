// SQL quoting: identifiers and literals as the parser reads them back.

import Platform

package enum Quoting {
    /// The identifier, in double quotes if it is not a plain lower-case name or is a key word that needs them.
    package static func identifier(_ name: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        var isPlain = !name.isEmpty && (name[0] == UInt8(ascii: "_") || (name[0] >= 0x61 && name[0] <= 0x7A))
        for byte in name where !(byte == UInt8(ascii: "_") || byte.isDigit || (byte >= 0x61 && byte <= 0x7A)) {
            isPlain = false
        }
        if isPlain, !isReserved(name) {
            buffer.append(name)
            return
        }
        buffer.append(UInt8(ascii: "\""))
        for byte in name {
            if byte == UInt8(ascii: "\"") { buffer.append(byte) }
            buffer.append(byte)
        }
        buffer.append(UInt8(ascii: "\""))
    }

    /// The literal in single quotes, with an E before them if it holds backslashes.
    package static func literal(_ text: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        if text.contains(UInt8(ascii: "\\")) { buffer.append(UInt8(ascii: "E")) }
        buffer.append(UInt8(ascii: "'"))
        for byte in text {
            if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\\") { buffer.append(byte) }
            buffer.append(byte)
        }
        buffer.append(UInt8(ascii: "'"))
    }

    /// Every key word that is not unreserved (PostgreSQL 15, appendix C).
    private static func isReserved(_ name: UnsafeRawBufferPointer) -> Bool {
        for line in TextTable(reservedWords) {
            for word in line where word.count == name.count && Comparison.bytes(word.bytes, name) == 0 { return true }
        }
        return false
    }
}

private let reservedWords: StaticString = """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both
    case cast char character check coalesce collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect
    interval into is isnull join lateral leading least left like limit localtime localtimestamp national
    natural nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps
    overlay placing position precision primary real references returning right row select session_user setof
    similar smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true
    union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat
    xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
    """
