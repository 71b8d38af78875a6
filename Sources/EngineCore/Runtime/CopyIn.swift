// COPY … FROM STDIN: records into vectors, vectors into the table, 1,024 rows at a time.

import Fibers
import MVCC
import Platform
import QueryExec
import SQL
import SQLSyntax
import SQLTypes

extension Session {
    func copy(_ statement: PreparedStatement) throws(EngineError) -> CommandTag {
        _ = try lockAndValidate(statement)
        guard case .copy(let plan) = statement.planned else {
            throw EngineError(.internalError, "a COPY was planned as something else")
        }
        transaction.beginStatement()
        let count = plan.isFrom ? try copyIn(plan) : try copyOut(plan)
        return CommandTag("COPY", count)
    }

    private func copyIn(_ plan: CopyPlan) throws(EngineError) -> Int64 {
        if transaction.isReadOnly {
            throw EngineError(.readOnlySQLTransaction, "cannot execute COPY FROM in a read-only transaction")
        }
        let context = makeExecutionContext()
        prepareContext(context, [])
        let target = try CopyTarget(plan, context, tables)
        try port.beginCopy(isFrom: true, columnCount: plan.columns.count, isBinary: plan.options.format == .binary)
        if plan.options.format == .binary {
            let reader = CopyBinaryReader(plan, target, evaluation)
            while let piece = try port.receiveCopyData() { try reader.feed(piece) }
            try reader.finish()
        } else {
            let reader = CopyTextReader(plan, target, evaluation)
            while let piece = try port.receiveCopyData() { try reader.feed(piece) }
            try reader.finish()
        }
        return target.finish()
    }
}

/// Collects rows in vectors, one per column of the stream, and hands them on when they are full.
final class CopyBatch {
    let vectors: [Vector]
    private(set) var rowCount = 0
    private let target: CopyTarget
    /// `vectors` once more, to be reached without counting references.
    private let columns: UnsafeMutablePointer<Unmanaged<Vector>>

    init(_ plan: CopyPlan, _ target: CopyTarget) {
        vectors = plan.columns.map { Vector($0.type) }
        self.target = target
        columns = .allocate(capacity: vectors.count)
        for (column, vector) in vectors.enumerated() { (columns + column).initialize(to: .passUnretained(vector)) }
    }

    deinit { columns.deallocate() }

    /// Sets a field of the row underway.
    @inline(__always) func set(
        _ index: Int, _ text: UnsafeRawBufferPointer?, _ evaluation: EvaluationContext
    ) throws(EngineError) {
        let failure = columns[index]._withUnsafeGuaranteedRef { vector -> EngineError? in
            do throws(EngineError) {
                if let text {
                    try TypeIO.inputRow(text, into: vector, row: rowCount, evaluation)
                } else {
                    vector.setNull(rowCount)
                }
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    @inline(__always) var row: Int { rowCount }

    @inline(__always) func endRow() throws(EngineError) {
        rowCount += 1
        if rowCount == vectorCapacity { try flush() }
    }

    func flush() throws(EngineError) {
        if rowCount == 0 { return }
        try target.insert(vectors, count: rowCount)
        for vector in vectors { vector.reset() }
        rowCount = 0
        Fiber.yieldIfDue()
        if Fiber.isInterrupted { throw EngineError(.queryCanceled, "canceling statement due to user request") }
    }
}

/// Text and CSV.
final class CopyTextReader {
    private let plan: CopyPlan
    private let batch: CopyBatch
    private let evaluation: EvaluationContext
    private let columnCount: Int
    private var lines: CopyLines
    private var isHeaderNext: Bool
    /// The column whose field is being converted.
    private var columnUnderway: Int?

    init(_ plan: CopyPlan, _ target: CopyTarget, _ evaluation: EvaluationContext) {
        self.plan = plan
        self.evaluation = evaluation
        batch = CopyBatch(plan, target)
        columnCount = plan.columns.count
        lines = CopyLines(plan.options)
        isHeaderNext = plan.options.hasHeader
    }

    func feed(_ piece: UnsafeRawBufferPointer) throws(EngineError) {
        try lines.feed(piece) { (lines, record) throws(EngineError) in try self.addLocated(&lines, record) }
    }

    func finish() throws(EngineError) {
        try lines.finish { (lines, record) throws(EngineError) in try self.addLocated(&lines, record) }
        try batch.flush()
    }

    /// Adds the record; errors of its form and its fields say where they are.
    private func addLocated(_ lines: inout CopyLines, _ record: UnsafeRawBufferPointer) throws(EngineError) {
        let before = batch.rowCount
        columnUnderway = nil
        do throws(EngineError) {
            try add(&lines, record)
        } catch {
            // Errors of inserting a full batch are not this record's.
            if batch.rowCount != before || before == vectorCapacity { throw error }
            var located = error
            var place = "COPY \(text(plan.table?.name ?? [])), line \(lines.lineNumber)"
            if let column = columnUnderway {
                place += ", column \(text(plan.columns[column].name)): \"\(shortened(lines, record, column))\""
            } else {
                place += ": \"\(text([UInt8](record)))\""
            }
            located.context = place
            throw located
        }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// A field for a message, of at most 100 bytes.
    private func shortened(_ lines: borrowing CopyLines, _ record: UnsafeRawBufferPointer, _ column: Int) -> String {
        let bytes = lines.bytes(lines.fields[column], of: record)
        return text([UInt8](bytes.prefix(100))) + (bytes.count > 100 ? "..." : "")
    }

    private func add(_ lines: inout CopyLines, _ record: UnsafeRawBufferPointer) throws(EngineError) {
        try UTF8Validation.check(record)
        try lines.split(record)
        if isHeaderNext {
            isHeaderNext = false
            if plan.options.matchesHeader { try matchHeader(lines, record) }
            return
        }
        guard lines.fields.count == columnCount else {
            if lines.fields.count > columnCount {
                throw EngineError(.badCopyFileFormat, "extra data after last expected column")
            }
            let name = String(decoding: plan.columns[lines.fields.count].name, as: UTF8.self)
            throw EngineError(.badCopyFileFormat, "missing data for column \"\(name)\"")
        }
        for column in 0..<columnCount {
            columnUnderway = column
            let field = lines.fields[column]
            try batch.set(column, field.isNull ? nil : lines.bytes(field, of: record), evaluation)
        }
        try batch.endRow()
    }

    private func matchHeader(_ lines: borrowing CopyLines, _ record: UnsafeRawBufferPointer) throws(EngineError) {
        guard lines.fields.count == plan.columns.count else {
            throw EngineError(
                .badCopyFileFormat,
                "wrong number of fields in header line: got \(lines.fields.count), expected \(plan.columns.count)")
        }
        for index in 0..<lines.fields.count {
            let bytes = [UInt8](lines.bytes(lines.fields[index], of: record))
            guard bytes == plan.columns[index].name else {
                throw EngineError(
                    .badCopyFileFormat,
                    "column name mismatch in header line field \(index + 1): got \"\(String(decoding: bytes, as: UTF8.self))\", expected \"\(String(decoding: plan.columns[index].name, as: UTF8.self))\""
                )
            }
        }
    }
}
