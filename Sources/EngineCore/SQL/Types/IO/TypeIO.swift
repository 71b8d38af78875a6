// Text and binary forms of values, by type: what clients send and see. Each type's own file has the details.

import Platform

package enum TypeIO {
    /// Parses a value from its text form and applies the type modifier as an assignment would. Throws 22P02, 22003, 22007,
    /// 22008, 22001 with PostgreSQL's messages; 0A000 for a type without input.
    package static func input(
        _ text: UnsafeRawBufferPointer, _ type: SQLType, _ context: EvaluationContext
    ) throws(EngineError) -> Datum {
        throw EngineError.notSupported("input of type \(type.oid.rawValue)")
    }
    /// Appends a non-null value's text form.
    package static func output(
        _ cell: Cell, _ type: TypeOID, into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {
        throw EngineError.notSupported("output of type \(type.rawValue)")
    }
    /// Parses a value from its binary form. Throws 22P03, 08P01 as PostgreSQL does.
    package static func receive(
        _ bytes: UnsafeRawBufferPointer, _ type: SQLType, _ context: EvaluationContext
    ) throws(EngineError) -> Datum {
        throw EngineError.notSupported("binary input of type \(type.oid.rawValue)")
    }
    /// Appends a non-null value's binary form, without its length.
    package static func send(
        _ cell: Cell, _ type: TypeOID, into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {
        throw EngineError.notSupported("binary output of type \(type.rawValue)")
    }
}
