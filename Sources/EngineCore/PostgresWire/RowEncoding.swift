// Rows out: RowDescription and DataRow. A DataRow is composed straight from the chunk's vectors into the output buffer.

import Platform
import QueryExec
import Runtime
import SQL
import SQLTypes

extension Connection: ClientPort {
    package var outputByteCount: Int { transport.output.count }

    /// `formats` nil: text for all (what Describe of a statement says).
    package func rowDescription(_ columns: [OutputColumn], _ formats: [Bool]?) {
        let start = transport.output.beginMessage(.rowDescription)
        transport.output.appendBig(Int16(truncatingIfNeeded: columns.count))
        for (index, column) in columns.enumerated() {
            transport.output.appendString(column.name)
            transport.output.appendBig(column.originTable)
            transport.output.appendBig(column.originColumn)
            transport.output.appendBig(column.type.oid.rawValue)
            transport.output.appendBig(TypeTable.builtin.info(column.type.oid)?.length ?? -1)
            transport.output.appendBig(column.type.typmod)
            transport.output.appendBig(Int16(formats?[index] ?? false ? 1 : 0))
        }
        transport.output.endMessage(start)
    }

    package func rows(
        _ chunk: Chunk, _ range: Range<Int>, _ columns: [OutputColumn], _ formats: [Bool], _ context: EvaluationContext
    ) throws(EngineError) {
        for index in range {
            let message = transport.output.count
            do throws(EngineError) {
                try RowEncoder.row(chunk, index, columns, formats, context, &transport.output)
                if transport.output.isOverflowing { try transport.output.check() }
            } catch {
                transport.output.truncate(to: message)
                throw error
            }
            try transport.flushIfLong()
        }
    }

    package func textRow(_ values: [[UInt8]?]) throws(EngineError) {
        let start = transport.output.beginMessage(.dataRow)
        transport.output.appendBig(Int16(truncatingIfNeeded: values.count))
        for value in values {
            guard let value else {
                transport.output.appendBig(Int32(-1))
                continue
            }
            transport.output.appendBig(Int32(truncatingIfNeeded: value.count))
            transport.output.append(value)
        }
        transport.output.endMessage(start)
        try transport.flushIfLong()
    }

    package func commandComplete(_ tag: CommandTag) {
        let start = transport.output.beginMessage(.commandComplete)
        if let composed = tag.composed { transport.output.append(composed) } else { transport.output.append(tag.words) }
        if let count = tag.count {
            transport.output.append(UInt8(ascii: " "))
            transport.output.append(decimal: count)
        }
        transport.output.append(UInt8(0))
        transport.output.endMessage(start)
    }

    package func emptyQuery() { transport.output.appendMessage(.emptyQueryResponse) }
    package func portalSuspended() { transport.output.appendMessage(.portalSuspended) }

    package func notice(_ notice: EngineError, _ severity: StaticString) {
        transport.output.appendNotice(notice, severity)
    }

    package func parameterChanged(_ name: [UInt8], _ value: [UInt8]) {
        let start = transport.output.beginMessage(.parameterStatus)
        transport.output.appendString(name)
        transport.output.appendString(value)
        transport.output.endMessage(start)
    }

    // MARK: COPY

    package func beginCopy(isFrom: Bool, columnCount: Int, isBinary: Bool) throws(EngineError) {
        let start = transport.output.beginMessage(isFrom ? .copyInResponse : .copyOutResponse)
        transport.output.append(UInt8(isBinary ? 1 : 0))
        transport.output.appendBig(Int16(truncatingIfNeeded: columnCount))
        for _ in 0..<columnCount { transport.output.appendBig(Int16(isBinary ? 1 : 0)) }
        transport.output.endMessage(start)
        if isFrom { try transport.flush() }
    }

    package func receiveCopyData() throws(EngineError) -> UnsafeRawBufferPointer? {
        while true {
            guard let (type, body) = try transport.nextMessage() else {
                throw EngineError(
                    "08006", "unexpected EOF on client connection with an open transaction", severity: .fatal)
            }
            switch type {
            case .copyData: return body
            case .copyDone: return nil
            case .copyFail:
                var message = MessageBody(body)
                let reason = String(decoding: try message.string(), as: UTF8.self)
                throw EngineError(.queryCanceled, "COPY from stdin failed: \(reason)")
            case .flush, .sync: continue
            default:
                // The client believes to be past the copy: whose reply is whose cannot be known any more.
                throw EngineError(
                    .protocolViolation,
                    "unexpected message type 0x\(String(type.rawValue, radix: 16)) during COPY from stdin",
                    severity: .fatal)
            }
        }
    }

    package func copyData(_ bytes: UnsafeRawBufferPointer) throws(EngineError) {
        let start = transport.output.beginMessage(.copyData)
        transport.output.append(bytes)
        transport.output.endMessage(start)
        try transport.flushIfLong()
    }

    package func endCopyOut() { transport.output.appendMessage(.copyDone) }
}

/// Encodes values by type: the common ones inline, the rest through TypeIO.
enum RowEncoder {
    @inline(__always)
    static func row(
        _ chunk: Chunk, _ index: Int, _ columns: [OutputColumn], _ formats: [Bool], _ context: EvaluationContext,
        _ buffer: inout ByteBuffer
    ) throws(EngineError) {
        let start = buffer.beginMessage(.dataRow)
        buffer.appendBig(Int16(truncatingIfNeeded: columns.count))
        let row = chunk.selection[index]
        for column in 0..<columns.count {
            let vector = chunk.columns[column]
            if vector.isNull(row) {
                buffer.appendBig(Int32(-1))
                continue
            }
            let lengthOffset = buffer.count
            buffer.appendBig(Int32(0))
            try value(vector, row, columns[column].type.oid, formats[column], context, &buffer)
            buffer.setBig(lengthOffset, Int32(truncatingIfNeeded: buffer.count - lengthOffset - 4))
        }
        buffer.endMessage(start)
    }

    @inline(__always)
    private static func value(
        _ vector: Vector, _ row: Int, _ type: TypeOID, _ isBinary: Bool, _ context: EvaluationContext,
        _ buffer: inout ByteBuffer
    ) throws(EngineError) {
        switch (type.rawValue, isBinary) {
        case (23, false): buffer.append(decimal: Int64(vector.cell(row).int32))
        case (20, false): buffer.append(decimal: vector.cell(row).int64)
        case (25, _), (1043, _), (1042, _): buffer.append(vector.bytes(row))
        case (23, true): buffer.appendBig(vector.cell(row).int32)
        case (20, true): buffer.appendBig(vector.cell(row).int64)
        case (_, false): try TypeIO.output(vector.cell(row), type, into: &buffer, context)
        case (_, true): try TypeIO.send(vector.cell(row), type, into: &buffer, context)
        }
    }
}
