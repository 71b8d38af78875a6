// WITH queries that are materialised, and WITH RECURSIVE.

import Platform
import SQL
import SQLTypes

/// A WITH query's rows, computed when first read in an execution; or a recursion's working table.
final class CommonTable {
    /// Nil for a working table.
    let plan: Operator?
    let types: [SQLType]
    private(set) var tape: RowTape
    private var filled: UInt64 = 0

    init(_ plan: Operator?, _ types: [SQLType], _ instance: Instance) {
        self.plan = plan
        self.types = types
        tape = RowTape(types, instance)
    }

    func fill(_ instance: Instance) throws(EngineError) {
        guard let plan, filled != instance.executionNumber else { return }
        tape.begin()
        try plan.start()
        defer { plan.close() }
        while let chunk = try plan.pull() {
            try tape.append(chunk)
            try instance.context.checkpoint()
        }
        try tape.finish()
        filled = instance.executionNumber
    }

    /// The end of an execution: the rows' memory is given back.
    func clear() {
        tape.clear()
        filled = 0
    }

    /// The working table's rows of the next round.
    func replace(with rows: RowTape) { tape = rows }
}

final class CommonTableScanOperator: Operator {
    private let table: CommonTable
    private let columns: [Int]
    private let filter: Evaluator?
    private let output = Chunk()
    private var kept = SelectionBuffer()
    private let reader = RowTapeReader()

    init(_ table: CommonTable, _ columns: [Int], filter: Evaluator?, _ instance: Instance) {
        self.table = table
        self.columns = columns
        self.filter = filter
        super.init(instance)
    }

    override func open() throws(EngineError) {
        reader.rewind()
        try table.fill(instance)
    }

    override func next() throws(EngineError) -> Chunk? {
        while let chunk = try reader.next(table.tape) {
            output.columns.removeAll(keepingCapacity: true)
            for column in columns { output.columns.append(chunk.columns[column]) }
            output.selection = chunk.selection
            try instance.context.checkpoint()
            guard let filter else { return output }
            try select(filter, output, output.selection, into: &kept)
            if kept.count == 0 { continue }
            output.selection = kept.selection
            return output
        }
        return nil
    }

    override func close() { reader.rewind() }
}

/// The start's rows, then the step's, over the round before, until a round yields nothing.
final class RecursiveUnionOperator: Operator {
    private let start: Operator
    private let step: Operator
    private let table: CommonTable
    private let isAll: Bool
    private let groups: GroupTable
    private let found: UnsafeMutablePointer<Int32>
    private var round: RowTape
    private var isStepping = false
    private var kept = SelectionBuffer()
    private let output = Chunk()

    init(_ start: Operator, _ step: Operator, _ table: CommonTable, all: Bool, _ instance: Instance) {
        self.start = start
        self.step = step
        self.table = table
        isAll = all
        groups = GroupTable(table.types)
        found = .allocate(capacity: vectorCapacity)
        round = RowTape(table.types, instance)
        super.init(instance)
    }

    deinit { found.deallocate() }

    override func open() throws(EngineError) {
        groups.begin(instance.context.budget)
        isStepping = false
        round = RowTape(table.types, instance)
        round.begin()
        try start.start()
    }

    override func next() throws(EngineError) -> Chunk? {
        while true {
            guard let chunk = try isStepping ? step.pull() : start.pull() else {
                guard try nextRound() else { return nil }
                continue
            }
            try instance.context.checkpoint()
            guard let fresh = try withoutKnown(chunk) else { continue }
            try round.append(fresh)
            return fresh
        }
    }

    /// Makes the rows of the round just ended the working table, and starts the step over them.
    private func nextRound() throws(EngineError) -> Bool {
        if isStepping { step.close() } else { start.close() }
        if round.count == 0 { return false }
        try round.finish()
        table.replace(with: round)
        round = RowTape(table.types, instance)
        round.begin()
        isStepping = true
        try step.start()
        return true
    }

    /// Without ALL: rows not seen in any round.
    private func withoutKnown(_ chunk: Chunk) throws(EngineError) -> Chunk? {
        if isAll { return chunk }
        var next = groups.count
        _ = try groups.find(chunk.columns, chunk.selection, into: found)
        kept.count = 0
        for index in 0..<chunk.count {
            let row = chunk.selection[index]
            if Int(found[row]) == next {
                kept.append(row)
                next += 1
            }
        }
        if kept.count == 0 { return nil }
        output.columns = chunk.columns
        output.selection = kept.selection
        return output
    }

    override func close() {
        start.close()
        step.close()
        groups.clear()
        round.clear()
    }
}
