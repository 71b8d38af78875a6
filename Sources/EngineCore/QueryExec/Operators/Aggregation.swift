// GROUP BY and aggregates. Groups are found by hashing and come out in the order in which they were first seen, so that
// rows which come sorted by the keys yield sorted groups.
//
// When groups and states take more than work_mem the table stays as it is: rows of its groups are folded in, rows of others
// are put aside in files by bits of their keys' hash. When the input is through, the groups go out, and each file is a smaller
// input of the same kind. One is done with at least the groups that the table takes, so this ends, however the keys are.
//
// The states of a group's aggregates lie in one block of `stateByteCount` bytes at a fixed address until the end.

import ArenaAlloc
import Platform
import SQL
import SQLTypes

final class CompiledAggregate {
    let call: AggregateCall
    let aggregate: Aggregate
    let arguments: [Evaluator]
    let filter: Evaluator?
    let orderBy: [CompiledSortKey]
    var offset = 0
    /// DISTINCT: values seen, by group.
    fileprivate let distinct: DistinctRows?
    /// ORDER BY: rows put aside until the end: group, keys, arguments.
    fileprivate let pending: RowSorter?
    var argumentType: SQLType { arguments.first?.type ?? SQLType(.any) }

    init(
        _ call: AggregateCall, _ arguments: [Evaluator], _ filter: Evaluator?, _ orderBy: [CompiledSortKey],
        _ instance: Instance
    ) throws(EngineError) {
        guard case .aggregate(let aggregate) = call.function.body else {
            throw EngineError.notSupported("aggregate \(call.function.name.string)")
        }
        self.call = call
        self.aggregate = aggregate
        self.arguments = arguments
        self.filter = filter
        self.orderBy = orderBy
        let group = SQLType(.int8)
        // Keys of ORDER BY are among the DISTINCT arguments: beside them they tell no rows apart.
        let valueTypes = arguments.map { $0.type } + orderBy.map { $0.expression.type }
        distinct = call.isDistinct ? DistinctRows([group] + valueTypes, instance) : nil
        if orderBy.isEmpty {
            pending = nil
            return
        }
        let keyTypes = [group] + orderBy.map { $0.expression.type }
        var sortKeys = [
            CompiledSortKey(expression: SlotEvaluator(0, group), isDescending: false, isNullsFirst: false)
        ]
        for (index, key) in orderBy.enumerated() {
            sortKeys.append(
                CompiledSortKey(
                    expression: SlotEvaluator(1 + index, key.expression.type), isDescending: key.isDescending,
                    isNullsFirst: key.isNullsFirst))
        }
        pending = RowSorter(sortKeys, keyTypes + arguments.map { $0.type }, instance)
    }
}

final class AggregateOperator: Operator {
    private let child: Operator
    private let keys: [Evaluator]
    private let aggregates: [CompiledAggregate]
    private let having: Evaluator?
    private let isPlain: Bool
    private let groups: GroupTable
    private let stateByteCount: Int
    private var blocks: [UnsafeMutableRawPointer] = []
    private var heap = ByteHeap()

    private let groupOfRow: UnsafeMutablePointer<Int32>
    private let states: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private var filtered = SelectionBuffer()
    private var known = SelectionBuffer()
    private let knownRows = Chunk()
    private let groupColumn: Vector
    private let output: Chunk
    private var kept = SelectionBuffer()
    private var position = 0
    private var takenBytes = 0

    /// Where rows of unknown groups go once memory is full.
    private var partitions: SpillPartitions?
    private var level = 0
    /// Files still to be done, and their levels.
    private var postponed: [(file: SpillFile, level: Int)] = []
    private var buffer: SpillBuffer?
    private var spilledByteCount = 0
    private var heldByteCount = 0
    private var batchCount = 1

    private static let groupsPerBlock = 1024

    init(
        _ child: Operator, keys: [Evaluator], aggregates: [CompiledAggregate], having: Evaluator?, isPlain: Bool,
        _ types: [SQLType], _ instance: Instance
    ) {
        self.child = child
        self.keys = keys
        self.aggregates = aggregates
        self.having = having
        self.isPlain = isPlain
        groups = GroupTable(keys.map { $0.type })
        var offset = 0
        for aggregate in aggregates {
            aggregate.offset = offset
            offset += aggregate.aggregate.stateByteCount
        }
        stateByteCount = max(offset, 8)
        groupOfRow = .allocate(capacity: vectorCapacity)
        groupOfRow.initialize(repeating: 0, count: vectorCapacity)
        states = .allocate(capacity: vectorCapacity)
        groupColumn = Vector(SQLType(.int8))
        output = Chunk(columns: types.map { Vector($0, capacity: isPlain ? 1 : vectorCapacity) })
        super.init(instance)
    }

    deinit {
        freeStates()
        groupOfRow.deallocate()
        states.deallocate()
    }

    private func freeStates() {
        for block in blocks { block.deallocate() }
        blocks.removeAll()
        if takenBytes > 0 { instance.running?.budget.release(takenBytes) }
        takenBytes = 0
    }

    private func addBlock() throws(EngineError) {
        let byteCount = stateByteCount * (isPlain ? 1 : Self.groupsPerBlock)
        try instance.context.budget.charge(byteCount)
        takenBytes += byteCount
        let block = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16)
        block.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        blocks.append(block)
    }

    @inline(__always) private func block(of group: Int) -> UnsafeMutableRawPointer {
        blocks[group / Self.groupsPerBlock] + group % Self.groupsPerBlock * stateByteCount
    }

    // MARK: Input

    override func open() throws(EngineError) {
        dropFiles()
        level = 0
        spilledByteCount = 0
        heldByteCount = 0
        batchCount = 1
        try beginPass()
        try child.start()
        while let chunk = try child.pull() {
            try add(chunk)
            try instance.context.checkpoint()
        }
        child.close()
        try finishPass()
    }

    /// Starts with no groups.
    private func beginPass() throws(EngineError) {
        freeStates()
        heap = ByteHeap()
        position = 0
        groups.begin(instance.context.budget)
        for aggregate in aggregates {
            aggregate.distinct?.begin()
            aggregate.pending?.begin()
        }
        if isPlain { try addBlock() }
    }

    /// The groups of this pass have all their rows.
    private func finishPass() throws(EngineError) {
        heldByteCount = max(heldByteCount, groups.byteCount + takenBytes)
        if let partitions {
            spilledByteCount += try partitions.postpone(to: &postponed)
            self.partitions = nil
        }
        for aggregate in aggregates {
            if aggregate.distinct != nil { try finishDistinct(aggregate) }
            if aggregate.pending != nil { try finishOrdered(aggregate) }
        }
        if !isPlain {
            counters?.note(.hashAggregate, held: heldByteCount, spilled: spilledByteCount, batches: batchCount)
        }
    }

    /// Takes up rows that were put aside; false if there are none.
    private func nextPass() throws(EngineError) -> Bool {
        guard let next = postponed.popLast(), let buffer else { return false }
        defer { next.file.close() }
        level = next.level
        batchCount += 1
        try beginPass()
        next.file.rewind()
        while let chunk = try buffer.read(next.file) {
            try add(chunk)
            try instance.context.checkpoint()
        }
        try finishPass()
        return true
    }

    private func dropFiles() {
        partitions?.close()
        partitions = nil
        for (file, _) in postponed { file.close() }
        postponed.removeAll()
    }

    private func add(_ chunk: Chunk) throws(EngineError) {
        var rows = chunk
        if !isPlain {
            var vectors: [Vector] = []
            for key in keys { vectors.append(try key.evaluate(chunk, chunk.selection)) }
            if let partitions {
                groups.lookUp(vectors, chunk.selection, into: groupOfRow)
                try putAside(chunk, partitions)
                if known.count == 0 { return }
                knownRows.columns = chunk.columns
                knownRows.selection = known.selection
                rows = knownRows
            } else {
                _ = try groups.find(vectors, chunk.selection, into: groupOfRow)
                while blocks.count * Self.groupsPerBlock < groups.count { try addBlock() }
                if instance.context.isFull(groups.byteCount + takenBytes) {
                    partitions = SpillPartitions(level: level, instance.context)
                }
            }
        }
        for aggregate in aggregates { try add(rows, to: aggregate) }
    }

    /// Writes rows of unknown groups, and lists the others in `known`.
    private func putAside(_ chunk: Chunk, _ partitions: SpillPartitions) throws(EngineError) {
        let buffer = self.buffer ?? SpillBuffer(chunk.columns.map { $0.type })
        self.buffer = buffer
        buffer.setSource(chunk.columns)
        known.count = 0
        for index in 0..<chunk.count {
            let row = chunk.selection[index]
            if groupOfRow[row] < 0 {
                try buffer.write(row, to: partitions.file(groups.hash(ofRow: row)))
            } else {
                known.append(row)
            }
        }
    }

    private func add(_ chunk: Chunk, to aggregate: CompiledAggregate) throws(EngineError) {
        var selection = chunk.selection
        if let filter = aggregate.filter {
            try select(filter, chunk, selection, into: &filtered)
            if filtered.count == 0 { return }
            selection = filtered.selection
        }
        var arguments: [Vector] = []
        for argument in aggregate.arguments { arguments.append(try argument.evaluate(chunk, selection)) }
        var sortKeys: [Vector] = []
        for key in aggregate.orderBy { sortKeys.append(try key.expression.evaluate(chunk, selection)) }
        if let distinct = aggregate.distinct {
            setGroupColumn(selection)
            selection = try distinct.fresh([groupColumn] + arguments + sortKeys, selection)
            if selection.count == 0 { return }
        }
        if let pending = aggregate.pending {
            setGroupColumn(selection)
            try pending.add(Chunk(columns: [groupColumn] + sortKeys + arguments, selection: selection))
            return
        }
        try update(aggregate, arguments, selection)
    }

    private func update(
        _ aggregate: CompiledAggregate, _ arguments: [Vector], _ selection: Selection
    ) throws(EngineError) {
        if isPlain {
            try aggregate.aggregate.update(
                AggregateInput(
                    arguments: arguments, selection: selection, state: blocks[0] + aggregate.offset, heap: heap,
                    context: instance.evaluation))
            return
        }
        for index in 0..<selection.count {
            let row = selection[index]
            states[row] = block(of: Int(groupOfRow[row])) + aggregate.offset
        }
        try aggregate.aggregate.update(
            AggregateInput(
                arguments: arguments, selection: selection, states: UnsafePointer(states), heap: heap,
                context: instance.evaluation))
    }

    private func setGroupColumn(_ selection: Selection) {
        groupColumn.reset()
        let values = groupColumn.values(Int64.self)
        for index in 0..<selection.count {
            let row = selection[index]
            values[row] = isPlain ? 0 : Int64(groupOfRow[row])
        }
    }

    /// Folds in what was put aside of DISTINCT arguments.
    private func finishDistinct(_ aggregate: CompiledAggregate) throws(EngineError) {
        guard let distinct = aggregate.distinct else { return }
        while let chunk = try distinct.nextPostponed() {
            let arguments = Array(chunk.columns[1...aggregate.arguments.count])
            if let pending = aggregate.pending {
                let sortKeys = Array(chunk.columns[(1 + aggregate.arguments.count)...])
                try pending.add(Chunk(columns: [chunk.columns[0]] + sortKeys + arguments, selection: chunk.selection))
                continue
            }
            setGroups(chunk)
            try update(aggregate, arguments, chunk.selection)
        }
        distinct.clear()
    }

    /// Takes each row's group from the first column.
    private func setGroups(_ chunk: Chunk) {
        let rowGroups = chunk.columns[0].values(Int64.self)
        for index in 0..<chunk.count {
            let row = chunk.selection[index]
            groupOfRow[row] = Int32(truncatingIfNeeded: rowGroups[row])
        }
    }

    /// Sorts the rows put aside by group and keys, and folds them in.
    private func finishOrdered(_ aggregate: CompiledAggregate) throws(EngineError) {
        guard let pending = aggregate.pending else { return }
        try pending.finish()
        defer { pending.clear() }
        while let chunk = try pending.next() {
            setGroups(chunk)
            try update(aggregate, Array(chunk.columns[(1 + aggregate.orderBy.count)...]), chunk.selection)
            try instance.context.checkpoint()
        }
    }

    // MARK: Output

    override func next() throws(EngineError) -> Chunk? {
        while true {
            let total = isPlain ? 1 : groups.count
            if position >= total {
                if position == Int.max || isPlain { return nil }
                if try !nextPass() { return nil }
                continue
            }
            let count = min(total - position, vectorCapacity)
            for vector in output.columns { vector.reset() }
            for column in keys.indices {
                for index in 0..<count {
                    groups.keys.load(position + index, column, into: output.columns[column], at: index)
                }
            }
            for (index, aggregate) in aggregates.enumerated() {
                let target = output.columns[keys.count + index]
                for row in 0..<count {
                    let base = isPlain ? blocks[0] : block(of: position + row)
                    try aggregate.aggregate.finalize(base + aggregate.offset, aggregate.argumentType, target, row)
                }
            }
            position += count
            output.selection = Selection(count: count)
            try instance.context.checkpoint()
            guard let having else { return output }
            try select(having, output, output.selection, into: &kept)
            if kept.count == 0 { continue }
            output.selection = kept.selection
            return output
        }
    }

    override func close() {
        child.close()
        dropFiles()
        for aggregate in aggregates {
            aggregate.distinct?.clear()
            aggregate.pending?.clear()
        }
        groups.clear()
        freeStates()
        heap = ByteHeap()
        position = Int.max
    }
}
