// GROUP BY and aggregates. Groups are found by hashing and come out in the order in which they were first seen, so that
// rows which come sorted by the keys yield sorted groups.
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
    let distinct: GroupTable?
    /// ORDER BY: rows put aside until the end: group, keys, arguments.
    let pending: RowStore?
    var argumentType: SQLType { arguments.first?.type ?? SQLType(.any) }

    init(_ call: AggregateCall, _ arguments: [Evaluator], _ filter: Evaluator?, _ orderBy: [CompiledSortKey])
        throws(EngineError)
    {
        guard case .aggregate(let aggregate) = call.function.body else {
            throw EngineError.notSupported("aggregate \(call.function.name.string)")
        }
        self.call = call
        self.aggregate = aggregate
        self.arguments = arguments
        self.filter = filter
        self.orderBy = orderBy
        let group = SQLType(.int8)
        distinct = call.isDistinct ? GroupTable([group] + arguments.map { $0.type }) : nil
        pending =
            orderBy.isEmpty
            ? nil : RowStore([group] + orderBy.map { $0.expression.type } + arguments.map { $0.type })
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
    private var fresh = SelectionBuffer()
    private let groupColumn: Vector
    private let output: Chunk
    private var kept = SelectionBuffer()
    private var position = 0
    private var takenBytes = 0

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
        freeStates()
        heap = ByteHeap()
        position = 0
        groups.begin(instance.context.budget)
        for aggregate in aggregates {
            aggregate.distinct?.begin(instance.context.budget)
            aggregate.pending?.begin(instance.context.budget)
        }
        if isPlain { try addBlock() }
        try child.start()
        while let chunk = try child.pull() {
            try add(chunk)
            try instance.context.checkpoint()
        }
        child.close()
        for aggregate in aggregates where aggregate.pending != nil { try finishOrdered(aggregate) }
    }

    private func add(_ chunk: Chunk) throws(EngineError) {
        if !isPlain {
            var vectors: [Vector] = []
            for key in keys { vectors.append(try key.evaluate(chunk, chunk.selection)) }
            _ = try groups.find(vectors, chunk.selection, into: groupOfRow)
            while blocks.count * Self.groupsPerBlock < groups.count { try addBlock() }
        }
        for aggregate in aggregates { try add(chunk, to: aggregate) }
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
        if let distinct = aggregate.distinct {
            selection = try dropRepeated(arguments, selection, distinct)
            if selection.count == 0 { return }
        }
        if let pending = aggregate.pending {
            setGroupColumn(selection)
            let row = Chunk(columns: [groupColumn], selection: selection)
            for key in aggregate.orderBy { row.columns.append(try key.expression.evaluate(chunk, selection)) }
            row.columns.append(contentsOf: arguments)
            try pending.append(row)
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

    /// Rows whose arguments are new to their group.
    private func dropRepeated(
        _ arguments: [Vector], _ selection: Selection, _ seen: GroupTable
    ) throws(EngineError) -> Selection {
        setGroupColumn(selection)
        var next = seen.count
        let found = UnsafeMutablePointer<Int32>.allocate(capacity: vectorCapacity)
        defer { found.deallocate() }
        _ = try seen.find([groupColumn] + arguments, selection, into: found)
        fresh.count = 0
        for index in 0..<selection.count {
            let row = selection[index]
            if Int(found[row]) == next {
                fresh.append(row)
                next += 1
            }
        }
        return fresh.selection
    }

    /// Sorts the rows put aside by group and keys, and folds them in.
    private func finishOrdered(_ aggregate: CompiledAggregate) throws(EngineError) {
        guard let pending = aggregate.pending else { return }
        let types =
            [SQLType(.int8)] + aggregate.orderBy.map { $0.expression.type } + aggregate.arguments.map { $0.type }
        let group = SlotEvaluator(0, SQLType(.int8))
        var sortKeys = [CompiledSortKey(expression: group, isDescending: false, isNullsFirst: false)]
        for (index, key) in aggregate.orderBy.enumerated() {
            sortKeys.append(
                CompiledSortKey(
                    expression: SlotEvaluator(1 + index, key.expression.type), isDescending: key.isDescending,
                    isNullsFirst: key.isNullsFirst))
        }
        let sort = SortOperator(StoreScan(pending, instance), sortKeys, types, instance)
        try sort.open()
        defer { sort.close() }
        while let chunk = try sort.next() {
            let rowGroups = chunk.columns[0].values(Int64.self)
            for index in 0..<chunk.count { groupOfRow[index] = Int32(truncatingIfNeeded: rowGroups[index]) }
            try update(aggregate, Array(chunk.columns[(1 + aggregate.orderBy.count)...]), chunk.selection)
        }
    }

    // MARK: Output

    override func next() throws(EngineError) -> Chunk? {
        let total = isPlain ? 1 : groups.count
        while position < total {
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
        return nil
    }

    override func close() {
        child.close()
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

/// Rows of a store, from the first.
final class StoreScan: Operator {
    private let store: RowStore
    private let output = Chunk()
    private var batch = 0

    init(_ store: RowStore, _ instance: Instance) {
        self.store = store
        super.init(instance)
    }

    override func open() throws(EngineError) { batch = 0 }

    override func next() throws(EngineError) -> Chunk? {
        if batch >= store.batchCount { return nil }
        output.columns = store.vectors(ofBatch: batch)
        output.selection = Selection(count: store.rows(inBatch: batch))
        batch += 1
        return output
    }
}
