// Window functions. The child's rows come sorted by partition and order keys; one partition at a time is kept, its rows
// widened by what frames and calls need of each row (edges of RANGE frames, arguments, filters), and put out with the
// calls' values. Source: SQL:2016 7.15; PostgreSQL's nodeWindowAgg for the order of checks and the error messages.
//
// Invariant: while rows of a partition are put out, its store does not change, so values may refer to its strings.

import ArenaAlloc
import Platform
import SQL
import SQLTypes

final class WindowOperator: Operator {
    private let child: Operator
    private let partitionBy: [Evaluator]
    private let orderBy: [CompiledSortKey]
    private let frame: CompiledFrame
    private let calls: [CompiledWindowCall]
    /// What is computed of each input row: the frame's columns, then the calls'.
    private let extra: [Evaluator]
    private let inputWidth: Int
    private let partition: WindowPartition

    /// The input chunk under way, widened, and how far it has been consumed.
    private let wide = Chunk()
    private var place = 0
    private var keys: [Vector] = []
    private var slice = SelectionBuffer()
    private var key = ByteBuffer()
    private var lastKey = ByteBuffer()
    /// Where in a key the order columns begin.
    private var partitionLength = 0
    private var lastPartitionLength = 0

    private let output: Chunk
    private let results: [Vector]
    private var emitted = 0

    init(
        _ child: Operator, _ childTypes: [SQLType], partitionBy: [Evaluator], orderBy: [CompiledSortKey],
        frame: CompiledFrame, calls: [CompiledWindowCall], _ instance: Instance
    ) {
        self.child = child
        self.partitionBy = partitionBy
        self.orderBy = orderBy
        self.frame = frame
        self.calls = calls
        inputWidth = childTypes.count
        var extra: [Evaluator] = []
        frame.place(&extra, after: childTypes.count)
        for call in calls { call.place(&extra, after: childTypes.count) }
        self.extra = extra
        partition = WindowPartition(childTypes + extra.map { $0.type })
        results = calls.map { Vector($0.type) }
        output = Chunk()
        super.init(instance)
    }

    override func open() throws(EngineError) {
        place = 0
        wide.selection = Selection(count: 0)
        emitted = 0
        partition.begin(instance.context.budget)
        try frame.open()
        try child.start()
    }

    override func next() throws(EngineError) -> Chunk? {
        if emitted == partition.count {
            emitted = 0
            guard try fill() else { return nil }
            partition.finish(frame.orderColumn)
            frame.begin()
            for call in calls { call.begin() }
        }
        // Batches of the store and of the output are the same.
        let batch = emitted / vectorCapacity
        let count = min(partition.count - emitted, vectorCapacity)
        for vector in results { vector.reset() }
        for row in emitted..<emitted + count {
            let group = partition.advance(to: row)
            let bounds = try frame.bounds(row, group, partition)
            for (index, call) in calls.enumerated() {
                try call.evaluate(row, group, bounds, partition, instance.evaluation, results[index], row - emitted)
            }
            if row & 63 == 63 { try instance.context.checkpoint() }
        }
        output.columns = Array(partition.rows.vectors(ofBatch: batch)[..<inputWidth]) + results
        output.selection = Selection(count: count)
        emitted += count
        try instance.context.checkpoint()
        return output
    }

    /// Reads the next partition; false if there is none.
    private func fill() throws(EngineError) -> Bool {
        partition.begin(instance.context.budget)
        while true {
            if place == wide.count {
                guard let chunk = try child.pull() else { break }
                try widen(chunk)
            }
            if try !takeRows() { break }
            try instance.context.checkpoint()
        }
        return partition.count > 0
    }

    private func widen(_ chunk: Chunk) throws(EngineError) {
        wide.columns = chunk.columns
        wide.selection = chunk.selection
        for expression in extra { wide.columns.append(try expression.evaluate(chunk, chunk.selection)) }
        keys.removeAll(keepingCapacity: true)
        for expression in partitionBy { keys.append(try expression.evaluate(chunk, chunk.selection)) }
        for item in orderBy { keys.append(try item.expression.evaluate(chunk, chunk.selection)) }
        place = 0
    }

    /// Appends the rows from `place` on that belong to the partition; false if one did not.
    private func takeRows() throws(EngineError) -> Bool {
        slice.count = 0
        var isWhole = true
        while place < wide.count {
            let row = wide.selection[place]
            composeKey(row)
            let number = partition.count + slice.count
            if number == 0 {
                partition.startGroup(at: 0)
            } else if !isSamePrefix(partitionLength, lastPartitionLength) {
                isWhole = false
                break
            } else if Comparison.bytes(key.bytes, lastKey.bytes) != 0 {
                partition.startGroup(at: number)
            }
            swap(&key, &lastKey)
            lastPartitionLength = partitionLength
            slice.append(row)
            place += 1
        }
        let rows = Chunk(columns: wide.columns, selection: slice.selection)
        if slice.count > 0 { try partition.append(rows) }
        return isWhole
    }

    private func composeKey(_ row: Int) {
        key.removeAll()
        for index in partitionBy.indices {
            let vector = keys[index]
            NormalizedKey.append(
                vector.isNull(row) ? nil : vector.cell(row), ValueClass.of(vector.type.oid), to: &key)
        }
        partitionLength = key.count
        for index in orderBy.indices {
            let vector = keys[partitionBy.count + index]
            NormalizedKey.append(vector.isNull(row) ? nil : vector.cell(row), orderBy[index].kind, to: &key)
        }
    }

    private func isSamePrefix(_ length: Int, _ lastLength: Int) -> Bool {
        if length != lastLength { return false }
        for index in 0..<length where key.bytes[index] != lastKey.bytes[index] { return false }
        return true
    }

    override func close() {
        child.close()
        partition.clear()
        emitted = 0
        place = 0
        wide.selection = Selection(count: 0)
    }
}

/// The rows of one partition and their peer groups (rows with equal order keys).
final class WindowPartition {
    let rows: RowStore
    var count: Int { rows.count }
    /// First row of each peer group.
    private(set) var groupStarts: [Int] = []
    /// Rows whose order key is not NULL, for RANGE frames with offsets: they are adjacent.
    private(set) var valued = 0..<0
    private var current = 0

    init(_ types: [SQLType]) { rows = RowStore(types) }

    func begin(_ budget: MemoryBudget) {
        rows.begin(budget)
        groupStarts.removeAll(keepingCapacity: true)
        current = 0
    }
    func clear() {
        rows.clear()
        groupStarts.removeAll()
    }
    func startGroup(at row: Int) { groupStarts.append(row) }
    func append(_ chunk: Chunk) throws(EngineError) { try rows.append(chunk) }

    /// All rows are there. `column` holds the order keys of a RANGE frame with offsets.
    func finish(_ column: Int?) {
        current = 0
        guard let column else { return }
        var first = 0
        while first < count, isNull(first, column) { first += 1 }
        var end = count
        while end > first, isNull(end - 1, column) { end -= 1 }
        valued = first..<end
    }

    /// The group of `row`; rows are asked for in ascending order.
    @inline(__always) func advance(to row: Int) -> Int {
        while current + 1 < groupStarts.count, groupStarts[current + 1] <= row { current += 1 }
        return current
    }
    @inline(__always) func groupEnd(_ group: Int) -> Int {
        group + 1 < groupStarts.count ? groupStarts[group + 1] : count
    }
    @inline(__always) func isNull(_ row: Int, _ column: Int) -> Bool {
        rows.vector(row, column).isNull(row & (vectorCapacity - 1))
    }
    @inline(__always) func cell(_ row: Int, _ column: Int) -> Cell {
        rows.vector(row, column).cell(row & (vectorCapacity - 1))
    }
}
