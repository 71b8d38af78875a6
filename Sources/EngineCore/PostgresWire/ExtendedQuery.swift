// The extended query protocol: Parse, Bind, Describe, Execute, Close (PostgreSQL 15 manual, 55.2.3).

import Platform
import Runtime
import SQL
import SQLTypes

extension Connection {
    func parse(_ body: inout MessageBody, _ session: Session) throws(EngineError) {
        let name = try body.string()
        let text = try body.string()
        var types: [TypeOID] = []
        let count = try body.count16()
        types.reserveCapacity(count)
        for _ in 0..<count { types.append(TypeOID(UInt32(bitPattern: try body.int32()))) }
        try body.end()
        try session.parse(name: name, text: text, parameterTypes: types)
        transport.output.appendMessage(.parseComplete)
    }

    func bind(_ body: inout MessageBody, _ session: Session) throws(EngineError) {
        let portalName = try body.string()
        let statementName = try body.string()
        let portal = try session.beginBind(portal: portalName, statement: statementName)
        let formatCount = try body.count16()
        let formats = try body.take(formatCount * 2)
        let valueCount = try body.count16()
        guard formatCount <= 1 || formatCount == valueCount else {
            throw EngineError(
                .protocolViolation, "bind message has \(formatCount) parameter formats but \(valueCount) parameters")
        }
        guard valueCount == portal.parameterCount else {
            throw EngineError(
                .protocolViolation,
                "bind message supplies \(valueCount) parameters, but prepared statement \"\(String(decoding: statementName, as: UTF8.self))\" requires \(portal.parameterCount)"
            )
        }
        for index in 0..<valueCount {
            let length = try body.int32()
            let isBinary = try Self.format(formats, formatCount, index)
            guard length >= -1 else { throw EngineError(.protocolViolation, "invalid message format") }
            let value = length == -1 ? nil : try body.take(Int(length))
            try session.bindParameter(portal, index, value, isBinary: isBinary)
        }
        let resultFormatCount = try body.count16()
        let resultFormats = try body.take(resultFormatCount * 2)
        try body.end()
        let columnCount = portal.columnCount
        guard resultFormatCount <= 1 || resultFormatCount == columnCount else {
            throw EngineError(
                .protocolViolation,
                "bind message has \(resultFormatCount) result formats but query has \(columnCount) columns")
        }
        for index in 0..<columnCount {
            portal.setFormat(index, isBinary: try Self.format(resultFormats, resultFormatCount, index))
        }
        try session.endBind(portal)
        transport.output.appendMessage(.bindComplete)
    }

    /// Format of field `index`: none given means text, one stands for all.
    private static func format(
        _ formats: UnsafeRawBufferPointer, _ count: Int, _ index: Int
    ) throws(EngineError) -> Bool {
        guard count > 0, let base = formats.baseAddress else { return false }
        let code = base.big(count == 1 ? 0 : index * 2, as: Int16.self)
        guard code == 0 || code == 1 else {
            throw EngineError(.invalidParameterValue, "unsupported format code: \(code)")
        }
        return code == 1
    }

    func describe(_ body: inout MessageBody, _ session: Session) throws(EngineError) {
        let kind = try body.byte()
        let name = try body.string()
        try body.end()
        switch kind {
        case UInt8(ascii: "S"):
            let statement = try session.describeStatement(name)
            let start = transport.output.beginMessage(.parameterDescription)
            transport.output.appendBig(Int16(truncatingIfNeeded: statement.parameterTypes.count))
            for type in statement.parameterTypes { transport.output.appendBig(type.oid.rawValue) }
            transport.output.endMessage(start)
            if statement.returnsRows {
                rowDescription(statement.columns, nil)
            } else {
                transport.output.appendMessage(.noData)
            }
        case UInt8(ascii: "P"):
            let portal = try session.portal(name)
            if portal.returnsRows {
                rowDescription(portal.columns, portal.formats)
            } else {
                transport.output.appendMessage(.noData)
            }
        default:
            throw EngineError(.protocolViolation, "invalid DESCRIBE message subtype \(kind)")
        }
    }

    func execute(_ body: inout MessageBody, _ session: Session) throws(EngineError) {
        let name = try body.string()
        let limit = try body.int32()
        try body.end()
        try session.execute(portal: name, rowLimit: limit > 0 ? Int(limit) : Int.max)
    }

    func close(_ body: inout MessageBody, _ session: Session) throws(EngineError) {
        let kind = try body.byte()
        let name = try body.string()
        try body.end()
        switch kind {
        case UInt8(ascii: "S"): session.closeStatement(name)
        case UInt8(ascii: "P"): session.closePortal(name)
        default: throw EngineError(.protocolViolation, "invalid CLOSE message subtype \(kind)")
        }
        transport.output.appendMessage(.closeComplete)
    }
}
