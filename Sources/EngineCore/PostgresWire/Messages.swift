// The messages of protocol 3.0, composed in place (PostgreSQL 15 manual, 55.7 "Message Formats"): a type byte, then a
// big-endian Int32 length that counts itself but not the type byte.

import Platform
import SQLTypes

/// First bytes of the messages that a server sends.
package enum BackendMessage: UInt8 {
    case authentication = 0x52  // R
    case backendKeyData = 0x4B  // K
    case bindComplete = 0x32  // 2
    case closeComplete = 0x33  // 3
    case commandComplete = 0x43  // C
    case copyData = 0x64  // d
    case copyDone = 0x63  // c
    case copyInResponse = 0x47  // G
    case copyOutResponse = 0x48  // H
    case dataRow = 0x44  // D
    case emptyQueryResponse = 0x49  // I
    case errorResponse = 0x45  // E
    case negotiateProtocolVersion = 0x76  // v
    case noData = 0x6E  // n
    case noticeResponse = 0x4E  // N
    case parameterDescription = 0x74  // t
    case parameterStatus = 0x53  // S
    case parseComplete = 0x31  // 1
    case portalSuspended = 0x73  // s
    case readyForQuery = 0x5A  // Z
    case rowDescription = 0x54  // T
}

/// First bytes of the messages that a client sends after start-up.
package enum FrontendMessage: UInt8 {
    case bind = 0x42  // B
    case close = 0x43  // C
    case copyData = 0x64  // d
    case copyDone = 0x63  // c
    case copyFail = 0x66  // f
    case describe = 0x44  // D
    case execute = 0x45  // E
    case flush = 0x48  // H
    case functionCall = 0x46  // F
    case parse = 0x50  // P
    case password = 0x70  // p
    case query = 0x51  // Q
    case sync = 0x53  // S
    case terminate = 0x58  // X

    /// Messages of these kinds can be long; the others are refused above `shortByteCount`.
    package var mayBeLong: Bool {
        switch self {
        case .bind, .copyData, .parse, .query, .functionCall: true
        case .close, .copyDone, .copyFail, .describe, .execute, .flush, .password, .sync, .terminate: false
        }
    }

    /// As PostgreSQL's PQ_SMALL_MESSAGE_LIMIT.
    package static let shortByteCount = 10_000
    /// Longest message of any kind.
    package static let maxByteCount = 1 << 28
}

extension ByteBuffer {
    /// Writes the type byte and leaves room for the length. Returns where the length goes: pass it to `endMessage`.
    @inline(__always) package mutating func beginMessage(_ type: BackendMessage) -> Int {
        append(type.rawValue)
        let start = count
        appendBig(Int32(0))
        return start
    }

    @inline(__always) package mutating func endMessage(_ start: Int) {
        setBig(start, Int32(truncatingIfNeeded: count - start))
    }

    package mutating func appendMessage(_ type: BackendMessage) {
        append(type.rawValue)
        appendBig(Int32(4))
    }

    package mutating func append(_ text: String) {
        var copy = text
        copy.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// A zero-terminated string. What follows a zero byte is left out: the format cannot say it.
    package mutating func appendString(_ bytes: [UInt8]) {
        for byte in bytes {
            if byte == 0 { break }
            append(byte)
        }
        append(UInt8(0))
    }

    package mutating func appendString(_ text: String) {
        append(text)
        append(UInt8(0))
    }

    // MARK: Errors (55.8 "Error and Notice Message Fields")

    package mutating func appendError(_ error: EngineError) {
        let severity: StaticString =
            switch error.severity {
            case .error: "ERROR"
            case .fatal: "FATAL"
            case .panic: "PANIC"
            }
        appendReport(.errorResponse, error, severity)
    }

    package mutating func appendNotice(_ notice: EngineError, _ severity: StaticString) {
        appendReport(.noticeResponse, notice, severity)
    }

    private mutating func appendReport(_ type: BackendMessage, _ error: EngineError, _ severity: StaticString) {
        let start = beginMessage(type)
        for code in [UInt8(ascii: "S"), UInt8(ascii: "V")] {
            append(code)
            append(severity)
            append(UInt8(0))
        }
        append(UInt8(ascii: "C"))
        append(error.state.bytes)
        append(UInt8(0))
        appendField(UInt8(ascii: "M"), error.message)
        if let detail = error.detail { appendField(UInt8(ascii: "D"), detail) }
        if let hint = error.hint { appendField(UInt8(ascii: "H"), hint) }
        if let context = error.context { appendField(UInt8(ascii: "W"), context) }
        if error.position > 0 { appendField(UInt8(ascii: "P"), "\(error.position)") }
        if let schema = error.schemaName { appendField(UInt8(ascii: "s"), schema) }
        if let table = error.tableName { appendField(UInt8(ascii: "t"), table) }
        if let column = error.columnName { appendField(UInt8(ascii: "c"), column) }
        if let constraint = error.constraintName { appendField(UInt8(ascii: "n"), constraint) }
        append(UInt8(0))
        endMessage(start)
    }

    private mutating func appendField(_ code: UInt8, _ text: String) {
        append(code)
        appendString(text)
    }
}
