// Rows as text, `(1,"a b",)`, and on the wire.

import Platform

enum RecordIO {
    static func output(
        _ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {
        let row = RecordValue(bytes)
        buffer.append(UInt8(ascii: "("))
        for index in 0..<row.count {
            if index > 0 { buffer.append(UInt8(ascii: ",")) }
            if row.isNull(index) { continue }
            let start = buffer.count
            try TypeIO.output(row.cell(index), row.type(index), into: &buffer, context)
            quoteIfNeeded(&buffer, start)
        }
        buffer.append(UInt8(ascii: ")"))
    }

    /// Quotes and backslashes are doubled, not escaped.
    private static func quoteIfNeeded(_ buffer: inout ByteBuffer, _ start: Int) {
        let text = UnsafeRawBufferPointer(start: buffer.base + start, count: buffer.count - start)
        var needed = text.isEmpty
        for byte in text {
            switch byte {
            case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "\\"):
                needed = true
            default: if byte.isSpace { needed = true }
            }
        }
        guard needed else { return }
        let copy = [UInt8](text)
        buffer.truncate(to: start)
        buffer.append(UInt8(ascii: "\""))
        for byte in copy {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { buffer.append(byte) }
            buffer.append(byte)
        }
        buffer.append(UInt8(ascii: "\""))
    }

    /// Int32 field count; per field its type, length (-1: NULL) and bytes.
    static func send(
        _ bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer, _ context: EvaluationContext
    ) throws(EngineError) {
        let row = RecordValue(bytes)
        buffer.appendBig(Int32(row.count))
        for index in 0..<row.count {
            buffer.appendBig(row.type(index).rawValue)
            if row.isNull(index) {
                buffer.appendBig(-1 as Int32)
                continue
            }
            let start = buffer.count
            buffer.appendBig(0 as Int32)
            try TypeIO.send(row.cell(index), row.type(index), into: &buffer, context)
            buffer.setBig(start, Int32(buffer.count - start - 4))
        }
    }
}
