package enum ArrayValue {
    static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int { 0 }
    static func hash(_ a: UnsafeRawBufferPointer) -> UInt64 { 0 }
    static func appendKey(_ a: UnsafeRawBufferPointer, to buffer: inout ByteBuffer) {}
}
package enum RecordValue {
    static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int { 0 }
    static func hash(_ a: UnsafeRawBufferPointer) -> UInt64 { 0 }
    static func appendKey(_ a: UnsafeRawBufferPointer, to buffer: inout ByteBuffer) {}
}
