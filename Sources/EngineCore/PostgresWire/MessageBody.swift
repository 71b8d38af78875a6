// A checked view over one message's body: every read is bounds-checked, and what is missing or left over is 08P01.

import Platform

/// Reads the fields of one message in order. The bytes stay in the connection's input buffer.
package struct MessageBody {
    package let bytes: UnsafeRawBufferPointer
    package private(set) var position = 0

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    package var remaining: Int { bytes.count - position }

    private static var tooShort: EngineError { EngineError(.protocolViolation, "insufficient data left in message") }

    package mutating func byte() throws(EngineError) -> UInt8 {
        guard remaining >= 1 else { throw Self.tooShort }
        position += 1
        return bytes[position - 1]
    }

    package mutating func int16() throws(EngineError) -> Int {
        guard remaining >= 2, let base = bytes.baseAddress else { throw Self.tooShort }
        position += 2
        return Int(base.big(position - 2, as: Int16.self))
    }

    /// A count that the format says is an Int16; negative is a violation.
    package mutating func count16() throws(EngineError) -> Int {
        let value = try int16()
        // Counts up to 65,535 are sent as the same two bytes by libpq.
        return value & 0xFFFF
    }

    package mutating func int32() throws(EngineError) -> Int32 {
        guard remaining >= 4, let base = bytes.baseAddress else { throw Self.tooShort }
        position += 4
        return base.big(position - 4, as: Int32.self)
    }

    /// The bytes of a zero-terminated string, without the zero.
    package mutating func string() throws(EngineError) -> UnsafeRawBufferPointer {
        var end = position
        while end < bytes.count, bytes[end] != 0 { end += 1 }
        guard end < bytes.count else { throw EngineError(.protocolViolation, "invalid string in message") }
        let result = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
        position = end + 1
        return result
    }

    package mutating func take(_ byteCount: Int) throws(EngineError) -> UnsafeRawBufferPointer {
        guard byteCount >= 0, remaining >= byteCount else { throw Self.tooShort }
        position += byteCount
        return UnsafeRawBufferPointer(rebasing: bytes[(position - byteCount)..<position])
    }

    package mutating func rest() -> UnsafeRawBufferPointer {
        let result = UnsafeRawBufferPointer(rebasing: bytes[position...])
        position = bytes.count
        return result
    }

    package func end() throws(EngineError) {
        guard remaining == 0 else { throw EngineError(.protocolViolation, "invalid message format") }
    }
}
