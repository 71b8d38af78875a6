// UPDATE and DELETE. The child yields the rows to change with their rowids; a row that has changed meanwhile is looked at
// again in its newest version (READ COMMITTED), as the plan's Recheck says.

import MultiEngine
import MVCC
import Platform
import SQL
import SQLTypes

/// The child's row at hand as vectors of one row, in which the target's columns can be replaced by newer ones.
final class RecheckRow {
    private let columns: [(column: Int, slot: Int)]
    private let predicate: Evaluator?
    let chunk: Chunk

    init(_ recheck: Recheck, _ childTypes: [SQLType], _ compiler: Compiler) throws(EngineError) {
        columns = recheck.columns.map { (Int($0.number) - 1, $0.slot) }
        predicate = try compiler.compile(optional: recheck.predicate)
        chunk = Chunk(columns: childTypes.map { Vector($0, capacity: 1) }, selection: Selection(count: 1))
    }

    /// Copies the row, with the target's columns as they are in `newest`. True if it still qualifies.
    func load(_ source: Chunk, _ row: Int, newest: RowBuffer) throws(EngineError) -> Bool {
        for (slot, vector) in chunk.columns.enumerated() {
            vector.reset()
            try vector.copyRow(0, from: source.columns[slot], source.columns[slot].position(row))
        }
        for (column, slot) in columns {
            let vector = chunk.columns[slot]
            vector.reset()
            if newest.isNull(column) { vector.setNull(0) } else { try vector.setCopy(0, newest.cells[column]) }
        }
        guard let predicate else { return true }
        let verdict = try predicate.evaluate(chunk, chunk.selection)
        return !verdict.isNull(0) && verdict.cell(0).bool
    }
}

/// Rowids that a statement has handled already: a join may yield a target row twice.
struct HandledRows {
    private let isNeeded: Bool
    private var seen: Set<UInt64> = []
    init(isNeeded: Bool) { self.isNeeded = isNeeded }
    mutating func removeAll() { seen.removeAll(keepingCapacity: true) }
    /// True the first time.
    mutating func insert(_ rowID: UInt64) -> Bool { isNeeded ? seen.insert(rowID).inserted : true }
}

final class UpdateOperator: Operator {
    private let node: UpdateNode
    private let child: Operator
    private let table: TableStore
    private let writer: TableWriter
    private let assignments: [(column: Int, expression: Evaluator)]
    private let assigned: ColumnSet
    private let generated: [(column: Int, expression: Evaluator)]
    private let checks: RowChecks
    private let recheck: RecheckRow
    private let returning: ReturningRows?
    /// The row as it is, then as it will be.
    private let row: RowBuffer
    private let tuple: TupleVectors
    private let needsTuple: Bool
    private var copy = RowCopy()
    private var handled: HandledRows
    private var assignedVectors: [Vector] = []
    private var pending: Chunk?
    private var position = 0

    init(_ node: UpdateNode, _ child: Operator, _ compiler: Compiler, isSingleRow: Bool) throws(EngineError) {
        self.node = node
        self.child = child
        table = try compiler.instance.tables.store(node.table)
        writer = TableWriter(table)
        row = table.makeRow()
        tuple = TupleVectors(node.table, row)
        var compiled: [(column: Int, expression: Evaluator)] = []
        for assignment in node.assignments {
            compiled.append((Int(assignment.number) - 1, try compiler.compile(assignment.expression)))
        }
        assignments = compiled
        var generated: [(column: Int, expression: Evaluator)] = []
        for assignment in node.generated {
            generated.append((Int(assignment.number) - 1, try compiler.compile(assignment.expression)))
        }
        self.generated = generated
        assigned = ColumnSet(compiled.map { $0.column } + generated.map { $0.column })
        checks = try RowChecks(node.table, node.constraints, compiler)
        recheck = try RecheckRow(node.recheck, node.children[0].output.map { $0.type }, compiler)
        returning = if let wanted = node.returning { try ReturningRows(wanted, compiler) } else { nil }
        needsTuple = !generated.isEmpty || !checks.isEmpty || returning != nil
        handled = HandledRows(isNeeded: !isSingleRow)
        super.init(compiler.instance)
    }

    override func open() throws(EngineError) {
        handled.removeAll()
        pending = nil
        try child.start()
    }

    override func next() throws(EngineError) -> Chunk? {
        while true {
            if pending == nil {
                guard let chunk = try child.pull() else { return nil }
                pending = chunk
                position = 0
                try evaluateAssignments(chunk, chunk.selection)
            }
            guard let chunk = pending else { continue }
            while position < chunk.count {
                let place = chunk.selection[position]
                position += 1
                if try update(chunk, place), let returning {
                    return try returning.evaluate(tuple.vectors, resultSource.columns, Selection(count: 1))
                }
            }
            pending = nil
            try instance.context.checkpoint()
        }
    }

    /// The child's row that the last update was made from, at row 0.
    private var resultSource: Chunk { recheck.chunk }

    private func evaluateAssignments(_ chunk: Chunk, _ selection: Selection) throws(EngineError) {
        assignedVectors.removeAll(keepingCapacity: true)
        for (_, expression) in assignments { assignedVectors.append(try expression.evaluate(chunk, selection)) }
    }

    private func update(_ chunk: Chunk, _ place: Int) throws(EngineError) -> Bool {
        let slot = chunk.columns[node.rowIDSlot]
        if slot.isNull(place) { return false }
        let rowID = UInt64(bitPattern: slot.cell(place).int64)
        guard handled.insert(rowID) else { return false }
        let transaction = instance.context.transaction
        guard try table.read(rowID, instance.view, into: &copy) else { return false }
        try table.codec.borrow(copy.row, into: row)
        if returning != nil { _ = try recheck.load(chunk, place, newest: row) }
        try assign(place)
        var result = try writer.update(rowID, row, transaction, assigned: assigned)
        while result == .changed {
            let version = try writer.readFound(transaction, into: row)
            guard try recheck.load(chunk, place, newest: row) else { return false }
            try evaluateAssignments(recheck.chunk, recheck.chunk.selection)
            try assign(0)
            // The batch's own values are computed again for the rows behind this one.
            result = try writer.update(rowID, row, transaction, assigned: assigned, expected: version)
            if position < chunk.count { try restoreAssignments(chunk) }
        }
        guard result == .done else { return false }
        instance.affectedRows += 1
        returning?.rowIDs.setCell(0, Cell(Int64(bitPattern: rowID)))
        return true
    }

    private func restoreAssignments(_ chunk: Chunk) throws(EngineError) {
        try evaluateAssignments(chunk, chunk.selection)
    }

    /// Puts the assigned values at `place` into the row, and checks what it has become.
    private func assign(_ place: Int) throws(EngineError) {
        for (index, (column, _)) in assignments.enumerated() {
            let vector = assignedVectors[index]
            if vector.isNull(place) { row.setNull(column) } else { row.borrow(column, vector.cell(place)) }
        }
        guard needsTuple else { return }
        tuple.load()
        try tuple.generate(generated)
        try checks.verify(tuple.chunk, table.definition.schemaName)
    }

    override func close() {
        child.close()
        pending = nil
    }
}

final class DeleteOperator: Operator {
    private let node: DeleteNode
    private let child: Operator
    private let table: TableStore
    private let writer: TableWriter
    private let recheck: RecheckRow
    private let returning: ReturningRows?
    private let row: RowBuffer
    private let tuple: TupleVectors
    private var copy = RowCopy()
    private var handled: HandledRows
    private var pending: Chunk?
    private var position = 0

    init(_ node: DeleteNode, _ child: Operator, _ compiler: Compiler, isSingleRow: Bool) throws(EngineError) {
        self.node = node
        self.child = child
        table = try compiler.instance.tables.store(node.table)
        writer = TableWriter(table)
        row = table.makeRow()
        tuple = TupleVectors(node.table, row)
        recheck = try RecheckRow(node.recheck, node.children[0].output.map { $0.type }, compiler)
        returning = if let wanted = node.returning { try ReturningRows(wanted, compiler) } else { nil }
        handled = HandledRows(isNeeded: !isSingleRow)
        super.init(compiler.instance)
    }

    override func open() throws(EngineError) {
        handled.removeAll()
        pending = nil
        try child.start()
    }

    override func next() throws(EngineError) -> Chunk? {
        while true {
            if pending == nil {
                guard let chunk = try child.pull() else { return nil }
                pending = chunk
                position = 0
            }
            guard let chunk = pending else { continue }
            while position < chunk.count {
                let place = chunk.selection[position]
                position += 1
                if try delete(chunk, place), let returning {
                    return try returning.evaluate(tuple.vectors, recheck.chunk.columns, Selection(count: 1))
                }
            }
            pending = nil
            try instance.context.checkpoint()
        }
    }

    private func delete(_ chunk: Chunk, _ place: Int) throws(EngineError) -> Bool {
        let slot = chunk.columns[node.rowIDSlot]
        if slot.isNull(place) { return false }
        let rowID = UInt64(bitPattern: slot.cell(place).int64)
        guard handled.insert(rowID) else { return false }
        let transaction = instance.context.transaction
        if let returning {
            guard try table.read(rowID, instance.view, into: &copy) else { return false }
            try table.codec.borrow(copy.row, into: row)
            _ = try recheck.load(chunk, place, newest: row)
            returning.rowIDs.setCell(0, Cell(Int64(bitPattern: rowID)))
        }
        var result = try writer.delete(rowID, transaction)
        while result == .changed {
            let version = try writer.readFound(transaction, into: row)
            guard try recheck.load(chunk, place, newest: row) else { return false }
            if returning != nil { tuple.load() }
            result = try writer.delete(rowID, transaction, expected: version)
        }
        guard result == .done else { return false }
        if returning != nil { tuple.load() }
        instance.affectedRows += 1
        return true
    }

    override func close() {
        child.close()
        pending = nil
    }
}

/// SELECT … FOR UPDATE and kin.
final class LockRowsOperator: Operator {
    private let child: Operator
    private let targets: [Target]
    private let output: Chunk

    private struct Target {
        let writer: TableWriter
        let row: RowBuffer
        let slot: Int
        let mode: RowLockMode
        let policy: LockWaitPolicy
        let recheck: RecheckRow
    }

    init(_ node: LockRowsNode, _ child: Operator, _ compiler: Compiler) throws(EngineError) {
        self.child = child
        let types = node.children[0].output.map { $0.type }
        var targets: [Target] = []
        for target in node.targets {
            let table = try compiler.instance.tables.store(target.table)
            let mode: RowLockMode =
                switch target.strength {
                case .keyShare: .keyShare
                case .share: .share
                case .noKeyUpdate: .noKeyUpdate
                case .update: .update
                }
            let policy: LockWaitPolicy =
                switch target.wait {
                case .block: .wait
                case .skipLocked: .skip
                case .noWait: .noWait
                }
            targets.append(
                Target(
                    writer: TableWriter(table), row: table.makeRow(), slot: target.rowIDSlot, mode: mode,
                    policy: policy,
                    recheck: try RecheckRow(target.recheck, types, compiler)))
        }
        self.targets = targets
        output = Chunk(columns: types.map { Vector($0, capacity: compiler.capacity) })
        super.init(compiler.instance)
    }

    override func open() throws(EngineError) { try child.start() }

    override func next() throws(EngineError) -> Chunk? {
        while let chunk = try child.pull() {
            for vector in output.columns { vector.reset() }
            var count = 0
            for index in 0..<chunk.count {
                if try lock(chunk, chunk.selection[index], at: count) { count += 1 }
            }
            try instance.context.checkpoint()
            if count == 0 { continue }
            output.selection = Selection(count: count)
            return output
        }
        return nil
    }

    /// Locks the row in every target and copies it, as it is now, to `place` of the output.
    private func lock(_ chunk: Chunk, _ row: Int, at place: Int) throws(EngineError) -> Bool {
        var source = chunk
        var sourceRow = row
        let transaction = instance.context.transaction
        for target in targets {
            let slot = chunk.columns[target.slot]
            if slot.isNull(row) { continue }
            let rowID = UInt64(bitPattern: slot.cell(row).int64)
            var result = try target.writer.lock(rowID, target.mode, transaction, policy: target.policy)
            while result == .changed {
                let version = try target.writer.readFound(transaction, into: target.row)
                guard try target.recheck.load(source, sourceRow, newest: target.row) else { return false }
                source = target.recheck.chunk
                sourceRow = 0
                result = try target.writer.lock(
                    rowID, target.mode, transaction, expected: version, policy: target.policy)
            }
            if result != .done { return false }
        }
        for (column, vector) in output.columns.enumerated() {
            let from = source.columns[column]
            try vector.copyRow(place, from: from, from.position(sourceRow))
        }
        return true
    }

    override func close() { child.close() }
}
