// A session's answers on the console, as psql words and draws them.

import Platform
import QueryExec
import Runtime
import SQL
import SQLTypes

final class ShellPort: ClientPort {
    private let console: Console
    private let readLine: () -> [UInt8]?
    private var table: ResultTable?
    /// The line of COPY data that was handed out last.
    private var copyMemory: UnsafeMutableRawBufferPointer?

    /// `readLine` asks for a line of COPY data; nil when the typist gives up.
    init(_ console: Console, readLine: @escaping () -> [UInt8]?) {
        self.console = console
        self.readLine = readLine
    }

    deinit { copyMemory?.deallocate() }

    // MARK: Rows

    func rowDescription(_ columns: [OutputColumn], _ formats: [Bool]?) {
        table = ResultTable(columns.map { ResultTable.Column($0.name, isRight: Self.isNumber($0.type.oid)) })
    }

    private static func isNumber(_ type: TypeOID) -> Bool {
        type == .int2 || type == .int4 || type == .int8 || type == .float4 || type == .float8 || type == .numeric
            || type == .oid
    }

    func rows(
        _ chunk: Chunk, _ range: Range<Int>, _ columns: [OutputColumn], _ formats: [Bool], _ context: EvaluationContext
    ) throws(EngineError) {
        for index in range {
            let row = chunk.selection[index]
            var values: [[UInt8]] = []
            for column in 0..<columns.count {
                let vector = chunk.columns[column]
                if vector.isNull(row) {
                    values.append([])
                    continue
                }
                var buffer = ByteBuffer()
                try TypeIO.output(vector.cell(row), columns[column].type.oid, into: &buffer, context)
                try buffer.check()
                values.append(Array(UnsafeRawBufferPointer(start: buffer.base, count: buffer.count)))
            }
            show(values)
        }
    }

    func textRow(_ values: [[UInt8]?]) { show(values.map { $0 ?? [] }) }

    private func show(_ values: [[UInt8]]) {
        var output: [UInt8] = []
        table?.add(values, &output)
        if !output.isEmpty { console.write(output) }
    }

    func commandComplete(_ tag: CommandTag) {
        var output: [UInt8] = []
        if table != nil {
            table?.end(&output)
            table = nil
        } else {
            output = tag.text + [0x0a]
        }
        console.write(output)
    }

    func emptyQuery() {}
    func portalSuspended() {}
    func parameterChanged(_ name: [UInt8], _ value: [UInt8]) {}

    func notice(_ notice: EngineError, _ severity: StaticString) {
        report(notice, severity)
    }

    /// As psql reports errors and notices.
    func report(_ error: EngineError, _ severity: StaticString) {
        // What was on its way when it failed does not come any more.
        table = nil
        var text = "\(severity):  \(error.message)\n"
        if let detail = error.detail { text += "DETAIL:  \(detail)\n" }
        if let hint = error.hint { text += "HINT:  \(hint)\n" }
        if let context = error.context { text += "CONTEXT:  \(context)\n" }
        console.write(text)
    }

    // MARK: COPY

    func beginCopy(isFrom: Bool, columnCount: Int, isBinary: Bool) throws(EngineError) {
        if isBinary { throw .notSupported("COPY in binary format on the console") }
        if isFrom {
            console.write(
                "Enter data to be copied followed by a newline.\nEnd with a backslash and a period on a line by itself.\n"
            )
        }
    }

    func receiveCopyData() throws(EngineError) -> UnsafeRawBufferPointer? {
        guard let line = readLine() else {
            throw EngineError(.queryCanceled, "COPY from stdin failed: canceled by user")
        }
        if line.count == 2 && line[0] == 0x5c && line[1] == 0x2e { return nil }
        copyMemory?.deallocate()
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: line.count + 1, alignment: 1)
        for index in 0..<line.count { memory[index] = line[index] }
        memory[line.count] = 0x0a
        copyMemory = memory
        return UnsafeRawBufferPointer(memory)
    }

    func copyData(_ bytes: UnsafeRawBufferPointer) { console.write(Array(bytes)) }
    func endCopyOut() {}
}
