// ORDER BY: rows are kept as they come, each with a normalised key; the keys are sorted and the rows gathered in order.
//
// A key entry holds the first eight bytes of the normalised key as a big-endian number, the row, and where the whole key
// lies. Most comparisons end at the number; equal ones look at the rest of the key. Normalised keys: see NormalizedKey.
// With a limit of k rows the store is cut back to the best k whenever it holds a multiple of that.

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

final class SortOperator: Operator {
    private let child: Operator
    private let keys: [CompiledSortKey]
    private let types: [SQLType]
    private var store: RowStore
    private var entries: [Entry] = []
    /// All keys, one behind the other; an entry says where its own begins.
    private var keyBytes = ByteBuffer(capacity: 4096)
    private let output: Chunk
    private var position = 0
    /// Set by a Limit right above: only the first rows are wanted.
    var rowLimit: Int?

    private struct Entry: BitwiseCopyable {
        var prefix: UInt64
        var row: UInt32
        var offset: UInt32
        var byteCount: UInt32
    }

    init(_ child: Operator, _ keys: [CompiledSortKey], _ types: [SQLType], _ instance: Instance) {
        self.child = child
        self.keys = keys
        self.types = types
        store = RowStore(types)
        output = Chunk(columns: types.map { Vector($0) })
        super.init(instance)
    }

    override func open() throws(EngineError) {
        store.begin(instance.context.budget)
        entries.removeAll(keepingCapacity: true)
        keyBytes.removeAll()
        position = 0
        try child.start()
        while let chunk = try child.pull() {
            try addKeys(chunk)
            try store.append(chunk)
            if let rowLimit, entries.count >= max(2 * rowLimit, 4 * vectorCapacity) { try cut(to: rowLimit) }
            try instance.context.checkpoint()
        }
        child.close()
        sort()
        if let rowLimit, entries.count > rowLimit { entries.removeSubrange(rowLimit...) }
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
                    prefix: Self.prefix(keyBytes.bytes, start), row: UInt32(store.count + index), offset: UInt32(start),
                    byteCount: UInt32(keyBytes.count - start)))
        }
    }

    private static func prefix(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<8 {
            value = value << 8 | (start + index < bytes.count ? UInt64(bytes[start + index]) : 0)
        }
        return value
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

    override func next() throws(EngineError) -> Chunk? {
        if position == entries.count { return nil }
        let count = min(entries.count - position, vectorCapacity)
        gather(store, entries, position, count)
        position += count
        try instance.context.checkpoint()
        return output
    }

    override func close() {
        child.close()
        store.clear()
        entries.removeAll()
        keyBytes.removeAll()
        position = 0
    }
}
