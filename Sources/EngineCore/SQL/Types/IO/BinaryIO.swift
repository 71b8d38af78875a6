// Binary forms: fixed-width values in network byte order, times in microseconds, the rest as each type's own file says.

import Platform

extension TypeIO {
    /// Parses a value from its binary form and applies the modifier. Throws 08P01, 22P03, 22021, 0A000 as PostgreSQL does.
    package static func receive(
        _ bytes: UnsafeRawBufferPointer, _ type: SQLType, _ context: EvaluationContext
    ) throws(EngineError) -> Datum {
        switch type.oid {
        case .bool: return Datum(try word(bytes, UInt8.self) != 0)
        case .char: return Datum(fixed: Cell(low: UInt64(try word(bytes, UInt8.self))))
        case .int2: return Datum(try word(bytes, Int16.self))
        case .int4: return Datum(try word(bytes, Int32.self))
        case .int8: return Datum(try word(bytes, Int64.self))
        case .oid, .xid, .cid: return Datum(try word(bytes, UInt32.self))
        case .xid8, .pgLSN: return Datum(fixed: Cell(low: try word(bytes, UInt64.self)))
        case .float4: return Datum(Float(bitPattern: try word(bytes, UInt32.self)))
        case .float8: return Datum(Double(bitPattern: try word(bytes, UInt64.self)))
        case .name, .text, .unknown, .cstring, .refcursor, .varchar, .bpchar, .json:
            try UTF8Text.validate(bytes)
            return try input(bytes, type, context)
        case .bytea: return Datum(bytes: bytes)
        case .uuid:
            let base = try exactly(16, bytes)
            return Datum(fixed: Cell(loading: base, .uuid))
        case .tid:
            let base = try exactly(6, bytes)
            return Datum(
                fixed: Cell(low: UInt64(base.big(0, as: UInt32.self)) << 16 | UInt64(base.big(4, as: UInt16.self))))
        case .numeric: return try NumericIO.receive(bytes, typmod: type.typmod)
        case .date: return Datum(try DateTimeInput.checked(date: try word(bytes, Int32.self)))
        case .time: return Datum(try DateTimeInput.checked(time: try word(bytes, Int64.self), typmod: type.typmod))
        case .timestamp, .timestamptz:
            return Datum(try DateTimeInput.checked(timestamp: try word(bytes, Int64.self), typmod: type.typmod))
        case .interval:
            let base = try exactly(16, bytes)
            let value = IntervalValue(
                months: base.big(12, as: Int32.self), days: base.big(8, as: Int32.self),
                microseconds: base.big(0, as: Int64.self))
            return Datum(try IntervalInput.applyModifier(value, typmod: type.typmod))
        case .void: return Datum(Int32(0))
        default: break
        }
        if type.oid.isObjectReference { return Datum(try word(bytes, UInt32.self)) }
        if type.oid.isArrayLike { return try ArrayIO.receive(bytes, type, context) }
        throw EngineError("42883", "no binary input function available for type \(TypeNames.string(type.oid))")
    }

    /// Appends a non-null value's binary form, without its length.
    package static func send(
        _ cell: Cell, _ type: TypeOID, into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {
        switch type {
        case .numeric: cell.bytes.withBytes { NumericIO.send($0, into: &buffer) }
        case .interval:
            buffer.appendBig(cell.interval.microseconds)
            buffer.appendBig(cell.interval.days)
            buffer.appendBig(cell.interval.months)
        case .tid:
            buffer.appendBig(UInt32(truncatingIfNeeded: cell.low >> 16))
            buffer.appendBig(UInt16(truncatingIfNeeded: cell.low))
        case .aclitem: throw EngineError("42883", "no binary output function available for type aclitem")
        case .record:
            try cell.bytes.withBytes { (bytes) throws(EngineError) in try RecordIO.send(bytes, into: &buffer, context) }
        case .void: break
        default:
            if type.isArrayLike || type == .anyarray {
                try cell.bytes.withBytes { (bytes) throws(EngineError) in
                    try ArrayIO.send(bytes, into: &buffer, context)
                }
                return
            }
            switch Physical.of(type) {
            case .bool, .int8: buffer.append(UInt8(truncatingIfNeeded: cell.low))
            case .int16: buffer.appendBig(UInt16(truncatingIfNeeded: cell.low))
            case .int32, .float32: buffer.appendBig(cell.uint32)
            case .int64, .float64: buffer.appendBig(cell.low)
            case .uuid, .interval:
                buffer.appendLittle(cell.low)
                buffer.appendLittle(cell.high)
            case .bytes: cell.bytes.withBytes { buffer.append($0) }
            }
        }
    }

    static func word<T: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: UnsafeRawBufferPointer, _ type: T.Type
    ) throws(EngineError) -> T {
        guard bytes.count >= MemoryLayout<T>.size, let base = bytes.baseAddress else { throw tooShort() }
        guard bytes.count == MemoryLayout<T>.size else { throw malformed() }
        return base.big(0, as: type)
    }
    private static func exactly(
        _ count: Int, _ bytes: UnsafeRawBufferPointer
    ) throws(EngineError) -> UnsafeRawPointer {
        guard bytes.count >= count, let base = bytes.baseAddress else { throw tooShort() }
        guard bytes.count == count else { throw malformed() }
        return base
    }
    static func tooShort() -> EngineError {
        EngineError(.protocolViolation, "insufficient data left in message")
    }
    /// Bytes are left over, or what is there says nothing.
    static func malformed() -> EngineError {
        EngineError(.invalidBinaryRepresentation, "incorrect binary data format")
    }
}
