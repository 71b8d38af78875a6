// What INSERT, UPDATE and COPY have in common: the constraints a new row must pass, and what RETURNING sees of it.

import MultiEngine
import MVCC
import Platform
import SQL
import SQLTypes

/// NOT NULL and CHECK over tuples laid out by column number. Messages and details are PostgreSQL's.
final class RowChecks {
    private let table: TableDescriptor
    private let notNull: [Int]
    private let checks: [(name: [UInt8], condition: Evaluator)]
    private let evaluation: EvaluationContext

    init(_ table: TableDescriptor, _ constraints: RowConstraints, _ compiler: Compiler) throws(EngineError) {
        self.table = table
        notNull = constraints.notNull.map { Int($0) - 1 }
        var compiled: [(name: [UInt8], condition: Evaluator)] = []
        for check in constraints.checks { compiled.append((check.name, try compiler.compile(check.expression))) }
        checks = compiled
        evaluation = compiler.instance.evaluation
    }

    var isEmpty: Bool { notNull.isEmpty && checks.isEmpty }

    /// Errors: 23502, 23514, and those of evaluating a condition.
    func verify(_ tuples: Chunk, _ schema: [UInt8]) throws(EngineError) {
        for column in notNull where tuples.columns[column].hasNulls {
            for index in 0..<tuples.count where tuples.columns[column].isNull(tuples.selection[index]) {
                let name = text(table.columns[column].name)
                throw EngineError(
                    .notNullViolation,
                    "null value in column \"\(name)\" of relation \"\(text(table.name))\" violates not-null constraint",
                    detail: describe(tuples, tuples.selection[index]), schema: text(schema), table: text(table.name),
                    column: name)
            }
        }
        for check in checks {
            let verdict = try check.condition.evaluate(tuples, tuples.selection)
            for index in 0..<tuples.count {
                let row = tuples.selection[index]
                if verdict.isNull(row) || verdict.cell(row).bool { continue }
                throw EngineError(
                    .checkViolation,
                    "new row for relation \"\(text(table.name))\" violates check constraint \"\(text(check.name))\"",
                    detail: describe(tuples, row), schema: text(schema), table: text(table.name),
                    constraint: text(check.name))
            }
        }
    }

    /// `Failing row contains (1, null, abc).`, long values cut at 64 bytes.
    private func describe(_ tuples: Chunk, _ row: Int) -> String {
        var line = ByteBuffer()
        line.append("Failing row contains (")
        var isFirst = true
        for (index, column) in table.columns.enumerated() where !column.isDropped {
            if !isFirst { line.append(", ") }
            isFirst = false
            let vector = tuples.columns[index]
            if vector.isNull(row) {
                line.append("null")
                continue
            }
            let start = line.count
            do throws(EngineError) {
                try TypeIO.output(vector.cell(row), column.type.oid, into: &line, evaluation)
            } catch {
                line.append("?")
            }
            if line.count - start > 64 {
                line.truncate(to: start + 64)
                line.append("...")
            }
        }
        line.append(").")
        return String(decoding: line.bytes, as: UTF8.self)
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

/// RETURNING: expressions over a result row: the tuple, its ctid, the child's columns.
final class ReturningRows {
    private let expressions: [Evaluator]
    private let input = Chunk()
    private let output = Chunk()
    let rowIDs: Vector

    init(_ returning: Returning, _ compiler: Compiler) throws(EngineError) {
        expressions = try compiler.compile(returning.expressions)
        rowIDs = Vector(SQLType(.tid), capacity: compiler.capacity)
    }

    /// Rows `selection` of the tuples, with `rowIDs` filled at the same places.
    func evaluate(_ tuples: [Vector], _ child: [Vector], _ selection: Selection) throws(EngineError) -> Chunk {
        input.columns = tuples
        input.columns.append(rowIDs)
        input.columns.append(contentsOf: child)
        input.selection = selection
        output.columns.removeAll(keepingCapacity: true)
        for expression in expressions { output.columns.append(try expression.evaluate(input, selection)) }
        output.selection = selection
        return output
    }
}

/// A tuple under construction, as vectors of one row each: constraints, generated columns and RETURNING of one row.
final class TupleVectors {
    let vectors: [Vector]
    let chunk: Chunk
    private let row: RowBuffer

    init(_ table: TableDescriptor, _ row: RowBuffer) {
        vectors = table.columns.map { Vector($0.type, capacity: 1) }
        chunk = Chunk(columns: vectors, selection: Selection(count: 1))
        self.row = row
    }

    /// Takes the row buffer's values over, without copying strings.
    func load() {
        for (column, vector) in vectors.enumerated() {
            vector.reset()
            if row.isNull(column) { vector.setNull(0) } else { vector.setCell(0, row.cells[column]) }
        }
    }

    /// Computes generated columns into vectors and row.
    func generate(_ generated: [(column: Int, expression: Evaluator)]) throws(EngineError) {
        for (column, expression) in generated {
            let value = try expression.evaluate(chunk, Selection(count: 1))
            vectors[column].reset()
            if value.isNull(0) {
                vectors[column].setNull(0)
                row.setNull(column)
            } else {
                try row.set(column, value.cell(0), vectors[column].physical)
                vectors[column].setCell(0, row.cells[column])
            }
        }
    }
}
