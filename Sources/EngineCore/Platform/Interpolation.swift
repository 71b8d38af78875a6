// Strings with values in them are put together by calls. The standard library's own pieces are inlined at each place, some
// 200 bytes of machine code apiece, which made a tenth of the Ring-0 image. Declarations of the same names outside of the
// standard library hide its own, so "\(count) pages" finds these.

extension DefaultStringInterpolation {
    @inline(never) package mutating func appendLiteral(_ literal: String) { write(literal) }
    @inline(never) package mutating func appendInterpolation(_ value: String) { write(value) }
    @inline(never) package mutating func appendInterpolation(_ value: StaticString) { write(value.description) }
    @inline(never) package mutating func appendInterpolation(_ value: Int) { write(String(value)) }
    @inline(never) package mutating func appendInterpolation(_ value: Int32) { write(String(value)) }
    @inline(never) package mutating func appendInterpolation(_ value: UInt64) { write(String(value)) }
    @inline(never) package mutating func appendInterpolation(_ value: UInt32) { write(String(value)) }
    @inline(never) package mutating func appendInterpolation(_ value: UInt16) { write(String(value)) }
}

extension String {
    /// The text that the bytes are in UTF-8, with U+FFFD in place of what is none.
    @inline(never) package init(decoding bytes: [UInt8], as encoding: UTF8.Type) {
        self = bytes.withUnsafeBufferPointer { String(decoding: $0, as: encoding) }
    }
}
