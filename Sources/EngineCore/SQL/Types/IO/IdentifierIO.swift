// Identifiers of things: row positions, log positions, and object references shown by name (regclass and kin).

import Platform

enum IdentifierIO {
    /// `(block,offset)`; kept as one number, block << 16 | offset.
    static func parseTID(_ text: UnsafeRawBufferPointer) throws(EngineError) -> Cell {
        let body = text.trimmed
        guard body.count >= 5, body.first == UInt8(ascii: "("), body.last == UInt8(ascii: ")"),
            let comma = body.firstIndex(of: UInt8(ascii: ","))
        else { throw IntegerIO.invalid(text, "tid") }
        var block: UInt64 = 0
        var offset: UInt64 = 0
        for index in 1..<comma {
            guard body[index].isDigit, block < 1 << 44 else { throw IntegerIO.invalid(text, "tid") }
            block = block * 10 + UInt64(body[index] - 0x30)
        }
        for index in (comma + 1)..<(body.count - 1) {
            guard body[index].isDigit, offset < 65536 else { throw IntegerIO.invalid(text, "tid") }
            offset = offset * 10 + UInt64(body[index] - 0x30)
        }
        guard block < 1 << 47, offset < 65536, comma > 1, comma + 1 < body.count - 1 else {
            throw IntegerIO.invalid(text, "tid")
        }
        return Cell(low: block << 16 | offset)
    }
    static func outputTID(_ cell: Cell, into buffer: inout ByteBuffer) {
        buffer.append(UInt8(ascii: "("))
        buffer.append(decimal: cell.low >> 16, width: 1)
        buffer.append(UInt8(ascii: ","))
        buffer.append(decimal: cell.low & 0xFFFF, width: 1)
        buffer.append(UInt8(ascii: ")"))
    }

    /// Two hexadecimal numbers: `16/B374D848`.
    static func parseLSN(_ text: UnsafeRawBufferPointer) throws(EngineError) -> Cell {
        guard let slash = text.firstIndex(of: UInt8(ascii: "/")), slash >= 1, slash <= 8, text.count - slash - 1 >= 1,
            text.count - slash - 1 <= 8
        else { throw IntegerIO.invalid(text, "pg_lsn") }
        var halves: (UInt64, UInt64) = (0, 0)
        for index in 0..<text.count where index != slash {
            guard let digit = text[index].hexValue else { throw IntegerIO.invalid(text, "pg_lsn") }
            if index < slash {
                halves.0 = halves.0 << 4 | UInt64(digit)
            } else {
                halves.1 = halves.1 << 4 | UInt64(digit)
            }
        }
        return Cell(low: halves.0 << 32 | halves.1)
    }
    static func outputLSN(_ cell: Cell, into buffer: inout ByteBuffer) {
        appendHex(cell.low >> 32, into: &buffer)
        buffer.append(UInt8(ascii: "/"))
        appendHex(cell.low & 0xFFFF_FFFF, into: &buffer)
    }
    private static func appendHex(_ value: UInt64, into buffer: inout ByteBuffer) {
        var shift: UInt64 = 60
        while shift > 0, value >> shift == 0 { shift -= 4 }
        while true {
            buffer.append(ByteaIO.hexDigit(UInt8(value >> shift & 15)).uppered)
            if shift == 0 { break }
            shift -= 4
        }
    }

    /// A number, `-`, or a name that the catalog knows. Throws 42P01, 42704, 42883, 3F000 as PostgreSQL does.
    static func parseReference(
        _ text: UnsafeRawBufferPointer, _ type: TypeOID, _ context: EvaluationContext
    ) throws(EngineError) -> UInt32 {
        if text.equals("-") { return 0 }
        if let first = text.first, first.isDigit {
            var isNumber = true
            for byte in text where !byte.isDigit { isNumber = false }
            if isNumber { return try IntegerIO.parseOID(text, "oid") }
        }
        if type == .regtype, let builtin = TypeNames.lookup(text) { return builtin.rawValue }
        if let catalog = context.catalog, let found = try catalog.object(named: [UInt8](text), kind: type) {
            return found
        }
        let name = quoted(text)
        switch type {
        case .regclass: throw EngineError(.undefinedTable, "relation \"\(name)\" does not exist")
        case .regtype: throw EngineError(.undefinedObject, "type \"\(name)\" does not exist")
        case .regnamespace: throw EngineError(.invalidSchemaName, "schema \"\(name)\" does not exist")
        case .regrole: throw EngineError(.undefinedObject, "role \"\(name)\" does not exist")
        case .regcollation: throw EngineError(.undefinedObject, "collation \"\(name)\" does not exist")
        case .regoper, .regoperator: throw EngineError(.undefinedFunction, "operator does not exist: \(name)")
        default: throw EngineError(.undefinedFunction, "function \"\(name)\" does not exist")
        }
    }

    static func outputReference(
        _ value: UInt32, _ type: TypeOID, into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {
        if value == 0 {
            buffer.append(type == .regoper || type == .regoperator ? "0" : "-")
        } else if type == .regtype, let name = TypeNames.format(TypeOID(value)) {
            buffer.append(name)
        } else if let catalog = context.catalog, let name = try catalog.name(of: value, kind: type) {
            buffer.append(name)
        } else {
            buffer.append(decimal: UInt64(value), width: 1)
        }
    }
}
