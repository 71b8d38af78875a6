import Platform

enum DateTimeInput {
    static func date(_ text: UnsafeRawBufferPointer, _ context: EvaluationContext) throws(EngineError) -> Int32 {
        throw .notSupported("date input")
    }
    static func time(_ text: UnsafeRawBufferPointer, typmod: Int32, _ context: EvaluationContext) throws(EngineError)
        -> Int64
    { throw .notSupported("time input") }
    static func timestamp(_ text: UnsafeRawBufferPointer, typmod: Int32, zoned: Bool, _ context: EvaluationContext)
        throws(EngineError) -> Int64
    { throw .notSupported("timestamp input") }
    static func checked(date: Int32) throws(EngineError) -> Int32 { date }
    static func checked(time: Int64, typmod: Int32) throws(EngineError) -> Int64 { time }
    static func checked(timestamp: Int64, typmod: Int32) throws(EngineError) -> Int64 { timestamp }
}
enum IntervalInput {
    static func parse(_ text: UnsafeRawBufferPointer, typmod: Int32) throws(EngineError) -> IntervalValue {
        throw .notSupported("interval input")
    }
    static func applyModifier(_ value: IntervalValue, typmod: Int32) throws(EngineError) -> IntervalValue { value }
}
enum DateTimeOutput {
    static func date(_ value: Int32, into buffer: inout ByteBuffer, _ context: EvaluationContext) {}
    static func time(_ value: Int64, into buffer: inout ByteBuffer) {}
    static func timestamp(_ value: Int64, into buffer: inout ByteBuffer, _ context: EvaluationContext) {}
    static func timestamptz(_ value: Int64, into buffer: inout ByteBuffer, _ context: EvaluationContext) {}
}
enum IntervalOutput {
    static func output(_ value: IntervalValue, into buffer: inout ByteBuffer, _ context: EvaluationContext) {}
}
