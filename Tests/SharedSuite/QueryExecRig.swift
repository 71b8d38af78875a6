// A whole engine on the case's disk with one session, spoken to in SQL; rows come back as lines of text. And what the
// oracles of the executor's cases are made of: generated rows with NULLs and duplicates, and comparisons by definition.

import AsyncIO
import BTree
import DirectStorage
import Fibers
import LayoutManager
import MultiEngine
import Platform
import QueryExec
import Runtime
import SQL
import SQLTypes

/// Columns joined by `|`, NULL as `~`.
package typealias Line = [UInt8]

final class ExecRig {
    let context: SuiteContext
    private let engine: Engine
    private let session: Runtime.Session
    private let port = LinePort()
    private var second: Runtime.Session?

    init(_ context: SuiteContext) throws(EngineError) {
        self.context = context
        let io = BlockIO(scheduler: context.scheduler)
        _ = try Formatter.format(
            io: io, platform: context.platform, options: LayoutOptions(walByteCount: nil), overwrite: true)
        var options = EngineOptions()
        options.memoryByteCount = 48 << 20
        options.sessionLimit = 10
        engine = try Engine.open(options)
        session = try engine.openSession(
            user: Array("postgres".utf8), database: Array("postgres".utf8), processID: 1, port: port, settings: [])
    }

    /// Runs the statements; the rows of all of them, in order.
    @discardableResult
    func run(_ sql: String) throws(EngineError) -> [Line] {
        port.lines.removeAll()
        let text = Array(sql.utf8)
        do throws(EngineError) {
            try text.withBytes { (bytes) throws(EngineError) in try session.simpleQuery(bytes) }
        } catch {
            session.failTransaction()
            throw EngineError(error.state, "\(error.message) in: \(sql)")
        }
        return port.lines
    }

    /// The query's rows must be these, in this order if `ordered`.
    func expect(_ sql: String, _ wanted: [Line], ordered: Bool = false, line: UInt32 = #line) throws(EngineError) {
        let got = try run(sql)
        let a = ordered ? got : sorted(got)
        let b = ordered ? wanted : sorted(wanted)
        if a == b { return }
        var place = 0
        while place < a.count, place < b.count, a[place] == b[place] { place += 1 }
        func show(_ list: [Line]) -> String {
            place < list.count ? "'\(String(decoding: list[place], as: UTF8.self))'" : "the end"
        }
        context.fail("\(sql): \(a.count) rows, not \(b.count); row \(place) is \(show(a)), not \(show(b))", line: line)
    }

    /// The plan must have a line with these words.
    func expectPlan(_ sql: String, _ words: String, line: UInt32 = #line) throws(EngineError) {
        let wanted = Array(words.utf8)
        for text in try run("EXPLAIN (COSTS OFF) " + sql) where contains(text, wanted) { return }
        let plan = port.lines.map { String(decoding: $0, as: UTF8.self) }
        var all = ""
        for text in plan { all += text + "; " }
        context.fail("no '\(words)' in the plan of \(sql): \(all)", line: line)
    }

    /// Runs the statements as a second session, which stays until `close`.
    @discardableResult
    func runSecond(_ sql: String) throws(EngineError) -> [Line] {
        let session: Runtime.Session
        if let second {
            session = second
        } else {
            session = try engine.openSession(
                user: Array("postgres".utf8), database: Array("postgres".utf8), processID: 2, port: port, settings: [])
            second = session
        }
        port.lines.removeAll()
        let text = Array(sql.utf8)
        do throws(EngineError) {
            try text.withBytes { (bytes) throws(EngineError) in try session.simpleQuery(bytes) }
        } catch {
            session.failTransaction()
            throw error
        }
        return port.lines
    }

    /// Extents that statements have put rows into.
    var temporaryExtentCount: Int { engine.storage.temporary.extentCount }
    var temporarySpace: TemporarySpace { engine.storage.temporary }

    func close() throws(EngineError) {
        second?.end()
        session.end()
        try engine.close()
    }
}

func withExec(_ context: SuiteContext, _ body: (ExecRig) throws(EngineError) -> Void) throws(EngineError) {
    let rig = try ExecRig(context)
    try body(rig)
    try rig.close()
}

private func contains(_ text: [UInt8], _ words: [UInt8]) -> Bool {
    if words.count > text.count { return false }
    for start in 0...(text.count - words.count) {
        var index = 0
        while index < words.count, text[start + index] == words[index] { index += 1 }
        if index == words.count { return true }
    }
    return false
}

func sorted(_ lines: [Line]) -> [Line] { lines.sorted { $0.lexicographicallyPrecedes($1) } }

/// Keeps rows as text.
package final class LinePort: ClientPort {
    package var lines: [Line] = []
    package init() {}

    package func rows(
        _ chunk: Chunk, _ range: Range<Int>, _ columns: [OutputColumn], _ formats: [Bool], _ context: EvaluationContext
    ) throws(EngineError) {
        for index in range {
            let row = chunk.selection[index]
            var line = ByteBuffer()
            for (column, vector) in chunk.columns.enumerated() {
                if column > 0 { line.append(UInt8(ascii: "|")) }
                if vector.isNull(row) {
                    line.append(UInt8(ascii: "~"))
                } else {
                    try TypeIO.output(vector.cell(row), columns[column].type.oid, into: &line, context)
                }
            }
            lines.append(line.array)
        }
    }
    package func textRow(_ values: [[UInt8]?]) { lines.append(values.first.flatMap { $0 } ?? []) }
    package func rowDescription(_ columns: [OutputColumn], _ formats: [Bool]?) {}
    package func commandComplete(_ tag: CommandTag) {}
    package func emptyQuery() {}
    package func portalSuspended() {}
    package func notice(_ notice: EngineError, _ severity: StaticString) {}
    package func parameterChanged(_ name: [UInt8], _ value: [UInt8]) {}
    package func beginCopy(isFrom: Bool, columnCount: Int, isBinary: Bool) {}
    /// What COPY FROM is to receive, piece by piece; others may run between two pieces.
    package var copyPieces: [[UInt8]] = []
    private var copyPiece: UnsafeMutableRawBufferPointer?
    deinit { copyPiece?.deallocate() }
    package func receiveCopyData() -> UnsafeRawBufferPointer? {
        copyPiece?.deallocate()
        copyPiece = nil
        if copyPieces.isEmpty { return nil }
        Fiber.yield()
        let piece = copyPieces.removeFirst()
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count, alignment: 16)
        memory.copyBytes(from: piece)
        copyPiece = memory
        return UnsafeRawBufferPointer(memory)
    }
    /// Rows of COPY TO come as lines, without their ends.
    package func copyData(_ bytes: UnsafeRawBufferPointer) {
        lines += bytes.split(separator: UInt8(ascii: "\n")).map { Array($0) }
    }
    package func endCopyOut() {}
}

// MARK: - Generated rows

/// A row of the generated tables: (id int, a int, b int), a and b with NULLs and few values.
struct Sample {
    var id: Int
    var a: Int?
    var b: Int?

    static func list(_ count: Int, values: Int, _ random: inout SuiteRandom) -> [Sample] {
        func value() -> Int? { random.next(below: 8) == 0 ? nil : random.next(below: values) }
        return (0..<count).map { Sample(id: $0, a: value(), b: value()) }
    }
}

extension ExecRig {
    /// Creates table `name` with the rows, in chunks of one INSERT each.
    func fill(_ name: String, _ samples: [Sample]) throws(EngineError) {
        try run("CREATE TABLE \(name) (id int, a int, b int)")
        var start = 0
        while start < samples.count {
            var sql = "INSERT INTO \(name) VALUES "
            for sample in samples[start..<min(start + 500, samples.count)] {
                sql +=
                    "\(sample.id == start ? "" : ",")(\(sample.id),\(text(sample.a, "NULL")),\(text(sample.b, "NULL")))"
            }
            try run(sql)
            start += 500
        }
    }
}

func text(_ value: Int?, _ null: String = "~") -> String { value.map { "\($0)" } ?? null }
func line(_ values: Int?...) -> Line {
    var result = ""
    for (index, value) in values.enumerated() { result += (index > 0 ? "|" : "") + text(value) }
    return Array(result.utf8)
}

/// SQL's comparisons: nil is unknown.
func less(_ a: Int?, _ b: Int?) -> Bool? {
    guard let a, let b else { return nil }
    return a < b
}
func equal(_ a: Int?, _ b: Int?) -> Bool? {
    guard let a, let b else { return nil }
    return a == b
}
/// The order of ORDER BY: negative if a comes first.
func order(_ a: Int?, _ b: Int?, descending: Bool = false, nullsFirst: Bool = false) -> Int {
    guard let a, let b else {
        if a == nil, b == nil { return 0 }
        return (a == nil) == nullsFirst ? -1 : 1
    }
    return descending ? b - a : a - b
}
