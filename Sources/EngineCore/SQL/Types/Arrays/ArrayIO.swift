import Platform
enum ArrayIO {
    static func parse(_ text: UnsafeRawBufferPointer, _ type: SQLType, _ context: EvaluationContext) throws(EngineError)
        -> Datum
    { throw .notSupported("array input") }
    static func output(
        _ bytes: UnsafeRawBufferPointer, isVector: Bool, into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {}
    static func receive(_ bytes: UnsafeRawBufferPointer, _ type: SQLType, _ context: EvaluationContext)
        throws(EngineError) -> Datum
    { throw .notSupported("array input") }
    static func send(_ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer, _ context: EvaluationContext)
        throws(EngineError)
    {}
}
enum RecordIO {
    static func output(_ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer, _ context: EvaluationContext)
        throws(EngineError)
    {}
    static func send(_ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer, _ context: EvaluationContext)
        throws(EngineError)
    {}
}
