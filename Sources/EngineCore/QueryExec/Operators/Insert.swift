// INSERT, with ON CONFLICT and RETURNING. Rows of a batch are computed and checked together, then inserted one by one.

import MultiEngine
import MVCC
import Platform
import SQL
import SQLTypes

final class InsertOperator: Operator {
    private let node: InsertNode
    private let child: Operator
    private let writer: TableWriter
    private let values: [Evaluator]
    private let generated: [(column: Int, expression: Evaluator)]
    private let checks: RowChecks
    private let returning: ReturningRows?
    private let conflict: ConflictUpdate?
    private let arbiters: TableWriter.Arbiters
    private let conflictIsError: Bool
    private let tuples = Chunk()
    private let row: RowBuffer
    private var kept: SelectionBuffer
    private let schema: [UInt8]

    init(_ node: InsertNode, _ child: Operator, _ compiler: Compiler) throws(EngineError) {
        self.node = node
        self.child = child
        let table = try compiler.instance.tables.store(node.table)
        writer = TableWriter(table)
        row = table.makeRow()
        values = try compiler.compile(node.values)
        var generated: [(column: Int, expression: Evaluator)] = []
        for assignment in node.generated {
            generated.append((Int(assignment.number) - 1, try compiler.compile(assignment.expression)))
        }
        self.generated = generated
        checks = try RowChecks(node.table, node.constraints, compiler)
        returning = if let wanted = node.returning { try ReturningRows(wanted, compiler) } else { nil }
        kept = SelectionBuffer(capacity: compiler.capacity)
        schema = table.definition.schemaName
        if case .none = node.conflict { conflictIsError = true } else { conflictIsError = false }
        switch node.conflict {
        case .none:
            arbiters = .none
            conflict = nil
        case .skip:
            arbiters = Self.arbiters(node, table)
            conflict = nil
        case .update(let assignments, let predicate):
            arbiters = Self.arbiters(node, table)
            conflict = try ConflictUpdate(node, assignments, predicate, table, writer, compiler)
        }
        super.init(compiler.instance)
    }

    private static func arbiters(_ node: InsertNode, _ table: TableStore) -> TableWriter.Arbiters {
        node.arbiters.isEmpty ? .all : .some(node.arbiters.compactMap { table.position(ofIndex: $0.oid) })
    }

    override func open() throws(EngineError) {
        conflict?.begin()
        try child.start()
    }

    override func next() throws(EngineError) -> Chunk? {
        while let chunk = try child.pull() {
            try compute(chunk)
            try checks.verify(tuples, schema)
            kept.count = 0
            if conflictIsError && chunk.count > 1 {
                try insertAll()
            } else {
                for index in 0..<chunk.count { try insert(chunk, chunk.selection[index]) }
            }
            try instance.context.checkpoint()
            if let returning, kept.count > 0 {
                return try returning.evaluate(tuples.columns, chunk.columns, kept.selection)
            }
        }
        return nil
    }

    /// The new tuples' columns, over the child's rows.
    private func compute(_ chunk: Chunk) throws(EngineError) {
        tuples.columns.removeAll(keepingCapacity: true)
        for value in values { tuples.columns.append(try value.evaluate(chunk, chunk.selection)) }
        tuples.selection = chunk.selection
        for (column, expression) in generated {
            tuples.columns[column] = try expression.evaluate(tuples, chunk.selection)
        }
    }

    /// Without ON CONFLICT: the whole batch at once.
    private func insertAll() throws(EngineError) {
        let first = try writer.insert(tuples.columns, tuples.selection, row, instance.context.transaction)
        instance.affectedRows += Int64(tuples.count)
        if returning == nil { return }
        for index in 0..<tuples.count { keep(tuples.selection[index], first + UInt64(index)) }
    }

    private func insert(_ chunk: Chunk, _ place: Int) throws(EngineError) {
        for column in 0..<tuples.columns.count {
            let vector = tuples.columns[column]
            if vector.isNull(place) { row.setNull(column) } else { row.borrow(column, vector.cell(place)) }
        }
        let transaction = instance.context.transaction
        while true {
            switch try writer.insert(row, transaction, arbiters: arbiters) {
            case .inserted(let rowID):
                instance.affectedRows += 1
                keep(place, rowID)
                conflict?.note(rowID)
                return
            case .conflict(let rowID, _):
                guard let conflict else { return }
                guard let outcome = try conflict.update(rowID, proposed: row, instance) else { continue }
                if outcome {
                    instance.affectedRows += 1
                    if returning != nil {
                        try conflict.overwrite(&tuples.columns, place)
                        keep(place, rowID)
                    }
                }
                return
            }
        }
    }

    @inline(__always) private func keep(_ place: Int, _ rowID: UInt64) {
        guard let returning else { return }
        kept.append(place)
        returning.rowIDs.setCell(place, Cell(Int64(bitPattern: rowID)))
    }

    override func close() { child.close() }
}

/// ON CONFLICT DO UPDATE: the existing row, its ctid and the proposed row make the input of assignments and predicate.
final class ConflictUpdate {
    private let table: TableStore
    private let descriptor: TableDescriptor
    private let writer: TableWriter
    private let assignments: [(column: Int, expression: Evaluator)]
    private let predicate: Evaluator?
    private let checks: RowChecks
    private let assigned: ColumnSet
    private let current: RowBuffer
    private let tuple: TupleVectors
    private let input: Chunk
    private let rowID: Vector
    private let proposed: [Vector]
    private var copy = RowCopy()
    /// Rows that this statement has inserted or updated: touching one again is an error.
    private var touched: Set<UInt64> = []

    init(
        _ node: InsertNode, _ assignments: [ColumnAssignment], _ predicate: BoundExpression?, _ table: TableStore,
        _ writer: TableWriter, _ compiler: Compiler
    ) throws(EngineError) {
        self.table = table
        self.writer = writer
        descriptor = node.table
        var compiled: [(column: Int, expression: Evaluator)] = []
        for assignment in assignments {
            compiled.append((Int(assignment.number) - 1, try compiler.compile(assignment.expression)))
        }
        self.assignments = compiled
        self.predicate = try compiler.compile(optional: predicate)
        checks = try RowChecks(node.table, node.constraints, compiler)
        assigned = ColumnSet(compiled.map { $0.column })
        current = table.makeRow()
        tuple = TupleVectors(node.table, current)
        rowID = Vector(SQLType(.tid), capacity: 1)
        proposed = node.table.columns.map { Vector($0.type, capacity: 1) }
        input = Chunk(columns: tuple.vectors + [rowID] + proposed, selection: Selection(count: 1))
    }

    func begin() { touched.removeAll(keepingCapacity: true) }
    func note(_ rowID: UInt64) { touched.insert(rowID) }

    /// Updates the row; false if the predicate rejects it, nil if it is gone and the insertion is to be tried again.
    func update(_ id: UInt64, proposed new: RowBuffer, _ instance: Instance) throws(EngineError) -> Bool? {
        if touched.contains(id) {
            throw EngineError(
                "21000", "ON CONFLICT DO UPDATE command cannot affect row a second time",
                hint:
                    "Ensure that no rows proposed for insertion within the same command have duplicate constrained values."
            )
        }
        let transaction = instance.context.transaction
        if try writer.lock(id, .update, transaction, expected: .any) == .gone { return nil }
        var key = id.bigEndian
        let isThere = try withUnsafeBytes(of: &key) { (key) throws(EngineError) in
            try table.rows.versions.readNewest(key, transaction, into: &copy)
        }
        guard isThere else { return nil }
        try table.codec.borrow(copy.row, into: current)
        tuple.load()
        rowID.setCell(0, Cell(Int64(bitPattern: id)))
        for (column, vector) in proposed.enumerated() {
            vector.reset()
            if new.isNull(column) { vector.setNull(0) } else { vector.setCell(0, new.cells[column]) }
        }
        if let predicate {
            let verdict = try predicate.evaluate(input, input.selection)
            if verdict.isNull(0) || !verdict.cell(0).bool { return false }
        }
        for (column, expression) in assignments {
            let value = try expression.evaluate(input, input.selection)
            if value.isNull(0) {
                current.setNull(column)
            } else {
                try current.set(column, value.cell(0), tuple.vectors[column].physical)
            }
        }
        tuple.load()
        try checks.verify(tuple.chunk, table.definition.schemaName)
        guard try writer.update(id, current, transaction, assigned: assigned, expected: .any) == .done else {
            return nil
        }
        touched.insert(id)
        return true
    }

    /// Puts the updated row in place of the proposed one, for RETURNING.
    func overwrite(_ columns: inout [Vector], _ place: Int) throws(EngineError) {
        for column in columns.indices {
            if columns[column].isConstant {
                // A constant stands for all rows of the batch: this row needs a vector with room for another value.
                let own = Vector(columns[column].type)
                try own.setConstant(columns[column].datum(0))
                own.flatten(vectorCapacity)
                columns[column] = own
            }
            if current.isNull(column) {
                columns[column].setNull(place)
            } else {
                try columns[column].setCopy(place, current.cells[column])
            }
        }
    }
}
