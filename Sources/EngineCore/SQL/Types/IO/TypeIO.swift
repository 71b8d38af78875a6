// Text and binary forms of values, by type: what clients send and see. Each family of types has its own file; here is
// the dispatch. Formats: PostgreSQL 15's typinput, typoutput, typreceive and typsend functions.

import Platform

package enum TypeIO {
    /// Parses a value from its text form and applies the type modifier as an assignment would. Throws 22P02, 22003, 22007,
    /// 22008, 22001 with PostgreSQL's messages; 0A000 for a type without input. `text` is valid UTF-8.
    package static func input(
        _ text: UnsafeRawBufferPointer, _ type: SQLType, _ context: EvaluationContext
    ) throws(EngineError) -> Datum {
        switch type.oid {
        case .bool: return Datum(try BooleanIO.parse(text))
        case .int2: return Datum(Int16(truncatingIfNeeded: try IntegerIO.parse(text, bits: 16, "smallint")))
        case .int4: return Datum(Int32(truncatingIfNeeded: try IntegerIO.parse(text, bits: 32, "integer")))
        case .int8: return Datum(try IntegerIO.parse(text, bits: 64, "bigint"))
        case .oid: return Datum(try IntegerIO.parseOID(text, "oid"))
        case .xid, .cid: return Datum(IntegerIO.parseLoosely(text))
        case .xid8: return Datum(fixed: Cell(low: IntegerIO.parseLooselyWide(text)))
        case .float4: return Datum(try FloatIO.parse32(text))
        case .float8: return Datum(try FloatIO.parse64(text))
        case .char: return Datum(fixed: Cell(low: UInt64(text.first ?? 0)))
        case .name: return Datum(bytes: UTF8Text.clip(text, 63))
        case .text, .unknown, .cstring, .refcursor, .pgNodeTree, .aclitem: return Datum(bytes: text)
        case .varchar: return Datum(bytes: try StringIO.limit(text, type.typmod, isExplicit: false))
        case .bpchar: return try StringIO.pad(text, type.typmod, isExplicit: false)
        case .json:
            try JSONText.validate(text)
            return Datum(bytes: text)
        case .bytea: return Datum(bytes: try ByteaIO.parse(text))
        case .uuid: return Datum(fixed: try UUIDIO.parse(text))
        case .tid: return Datum(fixed: try IdentifierIO.parseTID(text))
        case .pgLSN: return Datum(fixed: try IdentifierIO.parseLSN(text))
        case .numeric: return try NumericIO.parse(text, typmod: type.typmod)
        case .date: return Datum(try DateTimeInput.date(text, context))
        case .time: return Datum(try DateTimeInput.time(text, typmod: type.typmod, context))
        case .timestamp: return Datum(try DateTimeInput.timestamp(text, typmod: type.typmod, zoned: false, context))
        case .timestamptz: return Datum(try DateTimeInput.timestamp(text, typmod: type.typmod, zoned: true, context))
        case .interval: return Datum(try IntervalInput.parse(text, typmod: type.typmod))
        case .void: return Datum(Int32(0))
        default: break
        }
        if type.oid.isObjectReference { return Datum(try IdentifierIO.parseReference(text, type.oid, context)) }
        if type.oid.isArrayLike { return try ArrayIO.parse(text, type, context) }
        if type.oid.isPseudo {
            throw EngineError(.featureNotSupported, "cannot accept a value of type \(TypeNames.string(type.oid))")
        }
        throw EngineError.notSupported("input of type \(TypeNames.string(type.oid))")
    }

    /// A non-null value's text form as an array, for other modules where speed does not matter: a buffer that frees its
    /// memory cannot cross modules on bare metal.
    package static func text(
        _ datum: Datum, _ type: TypeOID, _ context: EvaluationContext
    ) throws(EngineError) -> [UInt8] {
        var buffer = ByteBuffer(capacity: 32)
        try datum.withCell { (cell) throws(EngineError) in try output(cell, type, into: &buffer, context) }
        return buffer.array
    }
    /// Appends a non-null value's text form.
    package static func output(
        _ cell: Cell, _ type: TypeOID, into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {
        switch type {
        case .bool: buffer.append(cell.bool ? UInt8(ascii: "t") : UInt8(ascii: "f"))
        case .int2: buffer.append(decimal: Int64(cell.int16))
        case .int4: buffer.append(decimal: Int64(cell.int32))
        case .int8: buffer.append(decimal: cell.int64)
        case .oid, .xid, .cid: buffer.append(decimal: UInt64(cell.uint32), width: 1)
        case .xid8: buffer.append(decimal: cell.low, width: 1)
        case .float4: FloatIO.output(cell.float32, extraDigits: context.extraFloatDigits, into: &buffer)
        case .float8: FloatIO.output(cell.float64, extraDigits: context.extraFloatDigits, into: &buffer)
        case .char: if cell.low & 0xFF != 0 { buffer.append(UInt8(truncatingIfNeeded: cell.low)) }
        case .name, .text, .unknown, .cstring, .refcursor, .pgNodeTree, .aclitem, .varchar, .bpchar, .json:
            cell.bytes.withBytes { buffer.append($0) }
        case .bytea: cell.bytes.withBytes { ByteaIO.output($0, hex: context.byteaHex, into: &buffer) }
        case .uuid: UUIDIO.output(cell, into: &buffer)
        case .tid: IdentifierIO.outputTID(cell, into: &buffer)
        case .pgLSN: IdentifierIO.outputLSN(cell, into: &buffer)
        case .numeric: cell.bytes.withBytes { NumericIO.output($0, into: &buffer) }
        case .date: DateTimeOutput.date(cell.int32, into: &buffer, context)
        case .time: DateTimeOutput.time(cell.int64, into: &buffer)
        case .timestamp: DateTimeOutput.timestamp(cell.int64, into: &buffer, context)
        case .timestamptz: DateTimeOutput.timestamptz(cell.int64, into: &buffer, context)
        case .interval: IntervalOutput.output(cell.interval, into: &buffer, context)
        case .record:
            try cell.bytes.withBytes { (bytes) throws(EngineError) in try RecordIO.output(bytes, into: &buffer, context)
            }
        case .void: break
        default:
            if type.isObjectReference {
                try IdentifierIO.outputReference(cell.uint32, type, into: &buffer, context)
            } else if type.isArrayLike || type == .anyarray {
                try cell.bytes.withBytes { (bytes) throws(EngineError) in
                    try ArrayIO.output(
                        bytes, isVector: type == .int2vector || type == .oidvector, into: &buffer, context)
                }
            } else {
                throw EngineError.notSupported("output of type \(TypeNames.string(type))")
            }
        }
    }

    /// `input` straight into a row of a vector. Throws as `input`.
    package static func inputRow(
        _ text: UnsafeRawBufferPointer, into vector: Vector, row: Int, _ context: EvaluationContext
    ) throws(EngineError) {
        switch vector.type.oid {
        case .int2, .int4, .int8:
            if let value = IntegerIO.short(text),
                vector.type.oid != .int2 || Int64(Int16(truncatingIfNeeded: value)) == value
            {
                return vector.setCell(row, Cell(value))
            }
            try vector.setDatum(row, try input(text, vector.type, context))
        case .text: try vector.setBytes(row, text)
        case .varchar: try vector.setBytes(row, try StringIO.limit(text, vector.type.typmod, isExplicit: false))
        case .bpchar: try StringIO.pad(text, vector.type.typmod, into: vector, row: row)
        default: try vector.setDatum(row, try input(text, vector.type, context))
        }
    }
}
