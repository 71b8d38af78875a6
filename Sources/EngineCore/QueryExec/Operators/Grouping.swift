// Finds the group of each row: a hash table over key columns, groups numbered in the order in which they were first seen.
// GROUP BY, DISTINCT and set operations share it. NULLs are equal to each other here.

import ArenaAlloc
import Platform
import SQLTypes

final class GroupTable {
    /// One row per group: its keys.
    let keys: RowStore
    private let kinds: [ValueClass]
    private var table = RowHashTable()
    private let hashes: UnsafeMutablePointer<UInt64>
    private let newRows = Chunk()
    private let one: UnsafeMutablePointer<UInt16>
    private unowned(unsafe) var budget: MemoryBudget?
    private var taken = 0

    init(_ types: [SQLType]) {
        keys = RowStore(types)
        kinds = types.map { ValueClass.of($0.oid) }
        hashes = .allocate(capacity: vectorCapacity)
        hashes.initialize(repeating: 0, count: vectorCapacity)
        one = .allocate(capacity: 1)
    }

    deinit {
        release()
        hashes.deallocate()
        one.deallocate()
    }

    var count: Int { keys.count }
    /// Bytes held, for who must keep within work_mem.
    var byteCount: Int { keys.byteCount + table.usedByteCount }
    /// Hash of the row in the last `find` or `lookUp`.
    @inline(__always) func hash(ofRow row: Int) -> UInt64 { hashes[row] }

    func begin(_ budget: MemoryBudget) {
        clear()
        self.budget = budget
        keys.begin(budget)
    }

    func clear() {
        table.removeAll()
        keys.clear()
        release()
    }

    private func release() {
        if let budget, taken > 0 { budget.release(taken) }
        taken = 0
    }

    /// Writes the group of each selected row to `groups[row]`, making new groups as needed; returns how many are new.
    func find(
        _ vectors: [Vector], _ selection: Selection, into groups: UnsafeMutablePointer<Int32>
    ) throws(EngineError) -> Int {
        for (index, vector) in vectors.enumerated() {
            Hashing.hash(vector, selection, into: hashes, combining: index > 0)
        }
        let before = keys.count
        newRows.columns = vectors
        for index in 0..<selection.count {
            let row = selection[index]
            let hash = hashes[row]
            var group = table.first(hash)
            while group >= 0, !isEqual(vectors, row, group) { group = table.next(after: group) }
            if group < 0 {
                group = keys.count
                one[0] = UInt16(truncatingIfNeeded: row)
                newRows.selection = Selection(count: 1, rows: UnsafePointer(one))
                try keys.append(newRows)
                table.insert(hash)
            }
            groups[row] = Int32(truncatingIfNeeded: group)
        }
        let bytes = table.byteCount
        if bytes > taken, let budget {
            try budget.charge(bytes - taken)
            taken = bytes
        }
        return keys.count - before
    }

    /// Groups of rows that are there already; -1 for others.
    func lookUp(_ vectors: [Vector], _ selection: Selection, into groups: UnsafeMutablePointer<Int32>) {
        for (index, vector) in vectors.enumerated() {
            Hashing.hash(vector, selection, into: hashes, combining: index > 0)
        }
        for index in 0..<selection.count {
            let row = selection[index]
            var group = table.first(hashes[row])
            while group >= 0, !isEqual(vectors, row, group) { group = table.next(after: group) }
            groups[row] = Int32(truncatingIfNeeded: group)
        }
    }

    @inline(__always) private func isEqual(_ vectors: [Vector], _ row: Int, _ group: Int) -> Bool {
        let batch = keys.batch(group)
        let place = group & (vectorCapacity - 1)
        for column in 0..<kinds.count {
            let a = vectors[column]
            let b = batch[column]
            let isNull = a.isNull(row)
            if isNull != b.isNull(place) { return false }
            if !isNull, !Comparison.areEqual(a.cell(row), b.cell(place), kinds[column]) { return false }
        }
        return true
    }
}

/// SELECT DISTINCT: the first row of each group, as it comes; those postponed for want of memory at the end.
final class DistinctOperator: Operator {
    private let child: Operator
    private let rows: DistinctRows
    private var isInputDone = false
    private let output = Chunk()

    init(_ child: Operator, _ types: [SQLType], _ instance: Instance) {
        self.child = child
        rows = DistinctRows(types, instance)
        super.init(instance)
    }

    override func open() throws(EngineError) {
        rows.begin()
        isInputDone = false
        try child.start()
    }

    override func next() throws(EngineError) -> Chunk? {
        while !isInputDone {
            guard let chunk = try child.pull() else {
                isInputDone = true
                child.close()
                break
            }
            let fresh = try rows.fresh(chunk.columns, chunk.selection)
            try instance.context.checkpoint()
            if fresh.count == 0 { continue }
            output.columns = chunk.columns
            output.selection = fresh
            return output
        }
        let chunk = try rows.nextPostponed()
        if chunk == nil { counters.map { rows.note($0) } }
        return chunk
    }

    override func close() {
        child.close()
        rows.clear()
        isInputDone = true
    }
}

/// DISTINCT ON: the child comes sorted by the keys; the first row of each run.
final class DistinctOnOperator: Operator {
    private let child: Operator
    private let keys: [Evaluator]
    private var kept = SelectionBuffer()
    private let output = Chunk()
    private var last: [UInt8]?
    private var key = ByteBuffer()

    init(_ child: Operator, _ keys: [Evaluator], _ instance: Instance) {
        self.child = child
        self.keys = keys
        super.init(instance)
    }

    override func open() throws(EngineError) {
        last = nil
        try child.start()
    }

    override func next() throws(EngineError) -> Chunk? {
        while let chunk = try child.pull() {
            var vectors: [Vector] = []
            for expression in keys { vectors.append(try expression.evaluate(chunk, chunk.selection)) }
            kept.count = 0
            for index in 0..<chunk.count {
                let row = chunk.selection[index]
                key.removeAll()
                for vector in vectors {
                    NormalizedKey.append(
                        vector.isNull(row) ? nil : vector.cell(row), ValueClass.of(vector.type.oid), to: &key)
                }
                let bytes = key.array
                if let last, last == bytes { continue }
                last = bytes
                kept.append(row)
            }
            try instance.context.checkpoint()
            if kept.count == 0 { continue }
            output.columns = chunk.columns
            output.selection = kept.selection
            return output
        }
        return nil
    }

    override func close() { child.close() }
}
