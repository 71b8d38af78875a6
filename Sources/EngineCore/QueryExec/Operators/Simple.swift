// Operators of a few lines: Filter, Project, Values, Result, Limit, Append, Materialize.

import Platform
import SQL
import SQLTypes

/// Rows for which the condition is true.
final class FilterOperator: Operator {
    private let child: Operator
    private let condition: Evaluator
    private var kept: SelectionBuffer
    private let output = Chunk()

    init(_ child: Operator, _ condition: Evaluator, _ instance: Instance) {
        self.child = child
        self.condition = condition
        kept = SelectionBuffer(capacity: vectorCapacity)
        super.init(instance)
    }

    override func open() throws(EngineError) { try child.start() }

    override func next() throws(EngineError) -> Chunk? {
        while let chunk = try child.pull() {
            try select(condition, chunk, chunk.selection, into: &kept)
            if kept.count == 0 {
                try instance.context.checkpoint()
                continue
            }
            output.columns = chunk.columns
            output.selection = kept.selection
            return output
        }
        return nil
    }

    override func close() { child.close() }
}

/// Computed columns.
final class ProjectOperator: Operator {
    private let child: Operator
    private let expressions: [Evaluator]
    private let output = Chunk()

    init(_ child: Operator, _ expressions: [Evaluator], _ instance: Instance) {
        self.child = child
        self.expressions = expressions
        super.init(instance)
    }

    override func open() throws(EngineError) { try child.start() }

    override func next() throws(EngineError) -> Chunk? {
        guard let chunk = try child.pull() else { return nil }
        output.columns.removeAll(keepingCapacity: true)
        for expression in expressions { output.columns.append(try expression.evaluate(chunk, chunk.selection)) }
        output.selection = chunk.selection
        return output
    }

    override func close() { child.close() }
}

/// Literal rows.
final class ValuesOperator: Operator {
    private let rows: [[Evaluator]]
    private let output: Chunk
    private let input = Chunk()
    private var position = 0

    init(_ rows: [[Evaluator]], _ types: [SQLType], _ instance: Instance) {
        self.rows = rows
        output = Chunk(columns: types.map { Vector($0, capacity: min(max(rows.count, 1), vectorCapacity)) })
        super.init(instance)
    }

    override func open() throws(EngineError) { position = 0 }

    override func next() throws(EngineError) -> Chunk? {
        if position == rows.count { return nil }
        for vector in output.columns { vector.reset() }
        let count = min(rows.count - position, vectorCapacity)
        for row in 0..<count {
            for (column, expression) in rows[position + row].enumerated() {
                let value = try expression.evaluate(input, Selection(count: 1))
                try output.columns[column].copyRow(row, from: value, 0)
            }
        }
        position += count
        output.selection = Selection(count: count)
        return output
    }
}

/// One computed row, or the child's rows; nothing if the condition is not true.
final class ResultOperator: Operator {
    private let child: Operator?
    private let expressions: [Evaluator]
    private let condition: Evaluator?
    private let input = Chunk(selection: Selection(count: 1))
    private let output = Chunk()
    private var isDone = false

    init(_ child: Operator?, _ expressions: [Evaluator], _ condition: Evaluator?, _ instance: Instance) {
        self.child = child
        self.expressions = expressions
        self.condition = condition
        super.init(instance)
    }

    override func open() throws(EngineError) {
        isDone = false
        if let condition {
            let value = try condition.evaluate(input, Selection(count: 1))
            isDone = value.isNull(0) || !value.cell(0).bool
        }
        if !isDone, let child { try child.start() }
    }

    override func next() throws(EngineError) -> Chunk? {
        if isDone { return nil }
        if let child {
            guard let chunk = try child.pull() else {
                isDone = true
                return nil
            }
            if expressions.isEmpty { return chunk }
            return try compute(chunk)
        }
        isDone = true
        return try compute(input)
    }

    private func compute(_ chunk: Chunk) throws(EngineError) -> Chunk {
        output.columns.removeAll(keepingCapacity: true)
        for expression in expressions { output.columns.append(try expression.evaluate(chunk, chunk.selection)) }
        output.selection = chunk.selection
        return output
    }

    override func close() { child?.close() }
}

/// The children's rows one after another.
final class AppendOperator: Operator {
    private let children: [Operator]
    private var current = 0

    init(_ children: [Operator], _ instance: Instance) {
        self.children = children
        super.init(instance)
    }

    override func open() throws(EngineError) {
        current = 0
        try children.first?.start()
    }

    override func next() throws(EngineError) -> Chunk? {
        while current < children.count {
            if let chunk = try children[current].pull() { return chunk }
            children[current].close()
            current += 1
            if current < children.count { try children[current].start() }
        }
        return nil
    }

    override func close() { for child in children { child.close() } }
}

/// Keeps the child's rows, to read them again without running it.
final class MaterializeOperator: Operator {
    private let child: Operator
    private let tape: RowTape
    private let reader = RowTapeReader()

    init(_ child: Operator, _ types: [SQLType], _ instance: Instance) {
        self.child = child
        tape = RowTape(types, instance)
        super.init(instance)
    }

    override func open() throws(EngineError) {
        reader.rewind()
        tape.begin()
        try child.start()
        while let chunk = try child.pull() {
            try tape.append(chunk)
            try instance.context.checkpoint()
        }
        try tape.finish()
    }

    /// Starts over with the same rows.
    func rewind() { reader.rewind() }

    override func next() throws(EngineError) -> Chunk? { try reader.next(tape) }

    override func close() {
        child.close()
        reader.rewind()
        tape.clear()
    }
}
