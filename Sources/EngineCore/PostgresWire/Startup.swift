// The first packet of a connection (PostgreSQL 15 manual, 55.2.1 "Start-up" and 55.7): it has no type byte.

import Platform

/// What the first packet asks for.
package enum StartupPacket {
    /// Parameter names and values as sent, in order; `user` is among them.
    case startup(minorVersion: Int32, parameters: [(name: [UInt8], value: [UInt8])])
    case cancel(processID: Int32, secret: Int32)
    /// For SSL or GSSAPI, by its code.
    case encryptionRequest(Int32)

    /// Largest start-up packet, as PostgreSQL's MAX_STARTUP_PACKET_LENGTH.
    package static let maxByteCount = 10_000

    /// 3.0, as the packets write it.
    package static let newestVersion: Int32 = 3 << 16
    private static let cancelCode: Int32 = 80_877_102
    private static let sslCode: Int32 = 80_877_103
    private static let gssCode: Int32 = 80_877_104

    /// `body` is the packet without its length word. Errors: 08P01, 0A000 for other protocol versions.
    package static func parse(_ body: UnsafeRawBufferPointer) throws(EngineError) -> StartupPacket {
        var body = MessageBody(body)
        let code = try body.int32()
        switch code {
        case cancelCode:
            return .cancel(processID: try body.int32(), secret: try body.int32())
        case sslCode, gssCode:
            return .encryptionRequest(code)
        default:
            break
        }
        guard code >> 16 == 3 else {
            throw unsupported(code)
        }
        var parameters: [(name: [UInt8], value: [UInt8])] = []
        while body.remaining > 0 {
            let name = [UInt8](try body.string())
            if name.isEmpty {
                guard body.remaining == 0 else { break }
                return .startup(minorVersion: code & 0xFFFF, parameters: parameters)
            }
            parameters.append((name, [UInt8](try body.string())))
        }
        throw EngineError(
            .protocolViolation, "invalid startup packet layout: expected terminator as last byte", severity: .fatal)
    }

    package static func unsupported(_ version: Int32) -> EngineError {
        EngineError(
            .featureNotSupported,
            "unsupported frontend protocol \(version >> 16).\(version & 0xFFFF): server supports 3.0 to 3.0",
            severity: .fatal)
    }

    /// Splits the `options` parameter into `name=value` pairs from `-c name=value` and `--name=value`; a backslash
    /// quotes the next byte. Errors: 42601 for any other option.
    package static func options(_ text: [UInt8]) throws(EngineError) -> [(name: [UInt8], value: [UInt8])] {
        var words: [[UInt8]] = []
        var word: [UInt8] = []
        var inWord = false
        var index = 0
        while index < text.count {
            let byte = text[index]
            if byte == 0x5C, index + 1 < text.count {  // backslash
                word.append(text[index + 1])
                inWord = true
                index += 1
            } else if byte == 0x20 || (0x09...0x0D).contains(byte) {
                if inWord { words.append(word) }
                word = []
                inWord = false
            } else {
                word.append(byte)
                inWord = true
            }
            index += 1
        }
        if inWord { words.append(word) }
        return try settings(words)
    }

    private static func settings(_ words: [[UInt8]]) throws(EngineError) -> [(name: [UInt8], value: [UInt8])] {
        var result: [(name: [UInt8], value: [UInt8])] = []
        var index = 0
        while index < words.count {
            var setting = words[index]
            if setting.count == 2, setting[0] == 0x2D, setting[1] == 0x63, index + 1 < words.count {  // -c
                index += 1
                setting = words[index]
            } else if setting.count > 2, setting[0] == 0x2D, setting[1] == 0x63 || setting[1] == 0x2D {
                setting.removeFirst(2)
            } else {
                throw EngineError(
                    .syntaxError,
                    "invalid command-line argument for server process: \(String(decoding: setting, as: UTF8.self))",
                    severity: .fatal)
            }
            guard let equals = setting.firstIndex(of: 0x3D) else {
                throw EngineError(
                    .syntaxError, "-c \(String(decoding: setting, as: UTF8.self)) requires a value", severity: .fatal)
            }
            let name = setting[..<equals].map { $0 == 0x2D ? 0x5F : $0 }  // '-' reads as '_'
            result.append((name, [UInt8](setting[(equals + 1)...])))
            index += 1
        }
        return result
    }
}
