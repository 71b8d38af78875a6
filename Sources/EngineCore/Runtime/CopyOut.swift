// COPY … TO STDOUT: a query's rows in text, CSV or binary format, one CopyData message per row.

import Platform
import QueryExec
import SQL
import SQLTypes

extension Session {
    func copyOut(_ plan: CopyPlan) throws(EngineError) -> Int64 {
        guard let query = plan.query else { throw EngineError(.internalError, "COPY TO has no query") }
        let execution = try Execution(query, tables, evaluation)
        let context = makeExecutionContext()
        prepareContext(context, [])
        try execution.open(context)
        defer { execution.close() }
        try port.beginCopy(isFrom: false, columnCount: plan.columns.count, isBinary: plan.options.format == .binary)
        var writer = CopyWriter(plan, evaluation)
        var count: Int64 = 0
        try writer.begin(port)
        while let chunk = try execution.next() {
            for index in 0..<chunk.count { try writer.row(chunk, chunk.selection[index], port) }
            count += Int64(chunk.count)
        }
        try writer.end(port)
        port.endCopyOut()
        return count
    }
}

/// Formats rows; `buffer` holds one at a time.
struct CopyWriter: ~Copyable {
    private let plan: CopyPlan
    private let evaluation: EvaluationContext
    private var buffer = ByteBuffer(capacity: 1024)
    private var value = ByteBuffer(capacity: 256)

    init(_ plan: CopyPlan, _ evaluation: EvaluationContext) {
        self.plan = plan
        self.evaluation = evaluation
    }

    mutating func begin(_ port: any ClientPort) throws(EngineError) {
        buffer.removeAll()
        if plan.options.format == .binary {
            buffer.append(CopyBinary.signature)
            buffer.appendBig(UInt32(0))
            buffer.appendBig(UInt32(0))
            try port.copyData(buffer.bytes)
        } else if plan.options.hasHeader {
            for (index, column) in plan.columns.enumerated() {
                if index > 0 { buffer.append(plan.options.delimiter) }
                column.name.withUnsafeBytes { appendField($0, forcesQuotes: false) }
            }
            buffer.append(UInt8(0x0A))
            try port.copyData(buffer.bytes)
        }
    }

    mutating func row(_ chunk: Chunk, _ row: Int, _ port: any ClientPort) throws(EngineError) {
        buffer.removeAll()
        if plan.options.format == .binary {
            try binaryRow(chunk, row)
        } else {
            for index in plan.columns.indices {
                if index > 0 { buffer.append(plan.options.delimiter) }
                let vector = chunk.columns[index]
                if vector.isNull(row) {
                    buffer.append(plan.options.null)
                    continue
                }
                value.removeAll()
                try TypeIO.output(vector.cell(row), plan.columns[index].type.oid, into: &value, evaluation)
                let forces = plan.options.forcesAllQuotes || plan.options.forceQuote.contains(index)
                appendField(value.bytes, forcesQuotes: forces)
            }
            buffer.append(UInt8(0x0A))
        }
        try port.copyData(buffer.bytes)
    }

    private mutating func binaryRow(_ chunk: Chunk, _ row: Int) throws(EngineError) {
        buffer.appendBig(Int16(truncatingIfNeeded: plan.columns.count))
        for index in plan.columns.indices {
            let vector = chunk.columns[index]
            if vector.isNull(row) {
                buffer.appendBig(Int32(-1))
                continue
            }
            let start = buffer.count
            buffer.appendBig(Int32(0))
            try TypeIO.send(vector.cell(row), plan.columns[index].type.oid, into: &buffer, evaluation)
            buffer.setBig(start, Int32(truncatingIfNeeded: buffer.count - start - 4))
        }
    }

    mutating func end(_ port: any ClientPort) throws(EngineError) {
        guard plan.options.format == .binary else { return }
        buffer.removeAll()
        buffer.appendBig(Int16(-1))
        try port.copyData(buffer.bytes)
    }

    private mutating func appendField(_ bytes: UnsafeRawBufferPointer, forcesQuotes: Bool) {
        if plan.options.format == .csv {
            appendCSV(bytes, forcesQuotes: forcesQuotes)
        } else {
            for byte in bytes { appendText(byte) }
        }
    }

    @inline(__always) private mutating func appendText(_ byte: UInt8) {
        let letter: UInt8
        switch byte {
        case 8: letter = UInt8(ascii: "b")
        case 9: letter = UInt8(ascii: "t")
        case 10: letter = UInt8(ascii: "n")
        case 11: letter = UInt8(ascii: "v")
        case 12: letter = UInt8(ascii: "f")
        case 13: letter = UInt8(ascii: "r")
        case 0x5C: letter = 0x5C
        default:
            if byte == plan.options.delimiter { buffer.append(UInt8(0x5C)) }
            buffer.append(byte)
            return
        }
        // A tab is escaped as \t whether or not it is the delimiter.
        buffer.append(UInt8(0x5C))
        buffer.append(letter)
    }

    /// Quotes what would be read back as something else: delimiters, quotes, line ends, the NULL marker, `\.`.
    private mutating func appendCSV(_ bytes: UnsafeRawBufferPointer, forcesQuotes: Bool) {
        var needsQuotes = forcesQuotes || equal(plan.options.null, bytes)
        if bytes.count == 2, bytes[0] == 0x5C, bytes[1] == 0x2E, plan.columns.count == 1 { needsQuotes = true }
        for byte in bytes
        where byte == plan.options.delimiter || byte == plan.options.quote || byte == 0x0A || byte == 0x0D {
            needsQuotes = true
        }
        guard needsQuotes else {
            buffer.append(bytes)
            return
        }
        buffer.append(plan.options.quote)
        for byte in bytes {
            if byte == plan.options.quote || byte == plan.options.escape { buffer.append(plan.options.escape) }
            buffer.append(byte)
        }
        buffer.append(plan.options.quote)
    }
}
