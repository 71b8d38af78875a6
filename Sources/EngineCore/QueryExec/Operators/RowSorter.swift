// Sorting rows by keys, in memory or on the device: ORDER BY, and aggregates with one.
//
// Rows are kept as they come, each with a normalised key; the keys are sorted and the rows gathered in order. A key entry
// holds the first eight bytes of the normalised key as a big-endian number, the row, and where the whole key lies. Most
// comparisons end at the number; equal ones look at the rest of the key. Normalised keys: see NormalizedKey. With a limit of
// k rows what is kept is cut back to the best k whenever it is a multiple of that.
//
// When the rows take more than work_mem they are written, sorted, as a run, and memory begins anew; at the end the runs are
// merged (SortMerge.swift). Runs lie in the order in which their rows came, and among equal keys the earlier run goes first:
// the sort is stable either way.

import Platform
import SQL
import SQLTypes

/// A compiled ORDER BY item.
struct CompiledSortKey {
    let expression: Evaluator
    let kind: ValueClass
    let isDescending: Bool
    let isNullsFirst: Bool

    init(expression: Evaluator, isDescending: Bool, isNullsFirst: Bool) {
        self.expression = expression
        kind = ValueClass.of(expression.type.oid)
        self.isDescending = isDescending
        self.isNullsFirst = isNullsFirst
    }
}

final class RowSorter {
    private let instance: Instance
    private let keys: [CompiledSortKey]
    private let types: [SQLType]
    private var store: RowStore
    private var entries: [Entry] = []
    /// All keys, one behind the other; an entry says where its own begins.
    private var keyBytes = ByteBuffer(capacity: 4096)
    private let output: Chunk
    private var position = 0
    private var runs: [SpillFile] = []
    private var merge: SortMerge?
    /// Only the first rows are wanted.
    var rowLimit: Int?
    /// For EXPLAIN ANALYZE: bytes written, and most bytes held.
    private(set) var spilledByteCount = 0
    private(set) var peakByteCount = 0

    private struct Entry: BitwiseCopyable {
        var prefix: UInt64
        var row: UInt32
        var offset: UInt32
        var byteCount: UInt32
    }

    init(_ keys: [CompiledSortKey], _ types: [SQLType], _ instance: Instance) {
        self.instance = instance
        self.keys = keys
        self.types = types
        store = RowStore(types)
        output = Chunk(columns: types.map { Vector($0) })
    }

    func begin() {
        clear()
        store.begin(instance.context.budget)
        spilledByteCount = 0
        peakByteCount = 0
    }

    func clear() {
        store.clear()
        entries.removeAll(keepingCapacity: entries.count < 1 << 16)
        keyBytes.shrink(to: 1 << 20)
        for run in runs { run.close() }
        runs.removeAll()
        merge?.close()
        merge = nil
        position = 0
    }

    private var byteCount: Int { store.byteCount + entries.count * MemoryLayout<Entry>.stride + keyBytes.count }

    // MARK: Input

    func add(_ chunk: Chunk) throws(EngineError) {
        try addKeys(chunk)
        try store.append(chunk)
        if let rowLimit, entries.count >= max(2 * rowLimit, 4 * vectorCapacity) { try cut(to: rowLimit) }
        if instance.context.isFull(byteCount) { try spill() }
    }

    /// All rows are there: `next` returns them in order.
    func finish() throws(EngineError) {
        peakByteCount = max(peakByteCount, byteCount)
        if runs.isEmpty {
            sort()
            if let rowLimit, entries.count > rowLimit { entries.removeSubrange(rowLimit...) }
            return
        }
        if !entries.isEmpty { try spill() }
        try mergeRunsToFit()
        let final = try SortMerge(runs, instance)
        runs.removeAll()
        merge = final
        try final.begin()
    }

    private func addKeys(_ chunk: Chunk) throws(EngineError) {
        var vectors: [Vector] = []
        for key in keys { vectors.append(try key.expression.evaluate(chunk, chunk.selection)) }
        for index in 0..<chunk.count {
            let row = chunk.selection[index]
            let start = keyBytes.count
            for (column, key) in keys.enumerated() {
                let vector = vectors[column]
                NormalizedKey.append(
                    vector.isNull(row) ? nil : vector.cell(row), key.kind, descending: key.isDescending,
                    nullsFirst: key.isNullsFirst, to: &keyBytes)
            }
            guard keyBytes.count < 1 << 31 else {
                throw EngineError(.outOfMemory, "out of memory", detail: "The keys of a sort take more than 2 GB.")
            }
            entries.append(
                Entry(
                    prefix: NormalizedKey.prefix(UnsafeRawBufferPointer(rebasing: keyBytes.bytes[start...])),
                    row: UInt32(store.count + index), offset: UInt32(start),
                    byteCount: UInt32(keyBytes.count - start)))
        }
    }

    /// Stable: rows with equal keys stay in the order in which they came.
    private func sort() {
        let bytes = keyBytes.bytes
        entries.sort { a, b in
            if a.prefix != b.prefix { return a.prefix < b.prefix }
            var index = 8
            let end = Int(min(a.byteCount, b.byteCount))
            while index < end {
                let left = bytes[Int(a.offset) + index]
                let right = bytes[Int(b.offset) + index]
                if left != right { return left < right }
                index += 1
            }
            return a.row < b.row
        }
    }

    /// Keeps the best rows only.
    private func cut(to limit: Int) throws(EngineError) {
        sort()
        entries.removeSubrange(limit...)
        let old = store
        let oldKeys = entries
        store = RowStore(types)
        store.begin(instance.context.budget)
        let bytes = keyBytes.array
        keyBytes.removeAll()
        entries.removeAll(keepingCapacity: true)
        var done = 0
        while done < oldKeys.count {
            let count = min(oldKeys.count - done, vectorCapacity)
            gather(old, oldKeys, done, count)
            for index in 0..<count {
                let entry = oldKeys[done + index]
                let start = keyBytes.count
                bytes.withUnsafeBytes { raw in
                    let range = Int(entry.offset)..<Int(entry.offset) + Int(entry.byteCount)
                    keyBytes.append(UnsafeRawBufferPointer(rebasing: raw[range]))
                }
                entries.append(
                    Entry(
                        prefix: entry.prefix, row: UInt32(store.count + index), offset: UInt32(start),
                        byteCount: entry.byteCount))
            }
            try store.append(output)
            done += count
        }
    }

    /// Fills the output with `count` rows in the order of the entries from `start`.
    private func gather(_ store: RowStore, _ entries: [Entry], _ start: Int, _ count: Int) {
        for (column, vector) in output.columns.enumerated() {
            vector.reset()
            for index in 0..<count { store.load(Int(entries[start + index].row), column, into: vector, at: index) }
        }
        output.selection = Selection(count: count)
    }

    // MARK: Runs

    /// Writes what is in memory as a run: of each row the length of its key (u32), the key, the row.
    private func spill() throws(EngineError) {
        peakByteCount = max(peakByteCount, byteCount)
        sort()
        let wanted = min(entries.count, rowLimit ?? entries.count)
        let run = SpillFile(instance.context)
        runs.append(run)
        let width = types.count
        let sources = UnsafeMutableBufferPointer<SpillSource>.allocate(capacity: max(1, store.batchCount * width))
        defer { sources.deallocate() }
        for batch in 0..<store.batchCount {
            for (column, vector) in store.vectors(ofBatch: batch).enumerated() {
                sources.initializeElement(at: batch * width + column, to: SpillSource(vector))
            }
        }
        var row = ByteBuffer(capacity: 256)
        for index in 0..<wanted {
            let entry = entries[index]
            row.removeAll()
            withUnsafeBytes(of: entry.byteCount) { row.append($0) }
            row.append(UnsafeRawBufferPointer(start: keyBytes.base + Int(entry.offset), count: Int(entry.byteCount)))
            let first = Int(entry.row >> 10) * width
            SpilledRow.append(
                UnsafeBufferPointer(rebasing: sources[first..<first + width]),
                Int(entry.row) & (vectorCapacity - 1), to: &row)
            try row.check()
            try run.append(row.bytes)
            if index & 1023 == 1023 { try instance.context.checkpoint() }
        }
        try run.finish()
        spilledByteCount += run.byteCount
        store.clear()
        entries.removeAll(keepingCapacity: true)
        keyBytes.shrink(to: 1 << 20)
    }

    /// Runs that can be merged at a time: each takes a block of memory.
    private var mergeOrder: Int { SortMerge.order(instance.context) }

    /// Merges neighbouring runs until the rest can be merged at a time.
    private func mergeRunsToFit() throws(EngineError) {
        while runs.count > mergeOrder {
            let before = runs
            runs = []
            var next = 0
            // Whatever happens, every file is closed by `clear` or by its merge.
            while next < before.count {
                let group = Array(before[next..<min(next + mergeOrder, before.count)])
                next += group.count
                if group.count == 1 {
                    runs.append(group[0])
                    continue
                }
                let part = try SortMerge(group, instance)
                defer { part.close() }
                try part.begin()
                let run = SpillFile(instance.context)
                runs.append(run)
                var count = 0
                while let bytes = part.record, count < rowLimit ?? Int.max {
                    try run.append(bytes)
                    try part.advance()
                    count += 1
                    if count & 1023 == 0 { try instance.context.checkpoint() }
                }
                try run.finish()
            }
        }
    }

    // MARK: Output

    func next() throws(EngineError) -> Chunk? {
        if let merge { return try nextMerged(merge) }
        if position == entries.count { return nil }
        let count = min(entries.count - position, vectorCapacity)
        gather(store, entries, position, count)
        position += count
        return output
    }

    private func nextMerged(_ merge: SortMerge) throws(EngineError) -> Chunk? {
        for vector in output.columns { vector.reset() }
        let count = try merge.fill(output.columns, count: min(vectorCapacity, (rowLimit ?? Int.max) - position))
        if count == 0 { return nil }
        position += count
        output.selection = Selection(count: count)
        return output
    }
}
