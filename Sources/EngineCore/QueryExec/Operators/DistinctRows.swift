// The first of equal rows, however many there are: SELECT DISTINCT and aggregates over DISTINCT arguments.
//
// Rows are looked up in a hash table of those seen. When it takes more than work_mem it stays as it is: rows that it has are
// dropped, others are put aside in files by bits of their hash. Equal rows go to the same file, so at the end each file is a
// smaller problem of the same kind. Every file is done: those rows of it that the table took before it was full are through
// for good, so it is shorter when it is put aside again.

import Platform
import SQLTypes

final class DistinctRows {
    private let instance: Instance
    private let types: [SQLType]
    private let groups: GroupTable
    private let found: UnsafeMutablePointer<Int32>
    private var kept = SelectionBuffer()
    /// Where unknown rows go once the table is full.
    private var partitions: SpillPartitions?
    private var level = 0
    /// Files still to be done, and their levels.
    private var postponed: [(file: SpillFile, level: Int)] = []
    private var current: SpillFile?
    private var buffer: SpillBuffer?
    private let output = Chunk()
    private var spilledByteCount = 0
    private var heldByteCount = 0
    private var batchCount = 1

    init(_ types: [SQLType], _ instance: Instance) {
        self.instance = instance
        self.types = types
        groups = GroupTable(types)
        found = .allocate(capacity: vectorCapacity)
    }

    deinit { found.deallocate() }

    func begin() {
        clear()
        groups.begin(instance.context.budget)
        level = 0
        spilledByteCount = 0
        heldByteCount = 0
        batchCount = 1
    }

    func clear() {
        groups.clear()
        partitions?.close()
        partitions = nil
        for (file, _) in postponed { file.close() }
        postponed.removeAll()
        current?.close()
        current = nil
    }

    func note(_ counters: OperatorCounters) {
        counters.note(.hashAggregate, held: heldByteCount, spilled: spilledByteCount, batches: batchCount)
    }

    /// Rows that are the first of their kind, valid until the next call. Others of the kind may be put aside.
    func fresh(_ vectors: [Vector], _ selection: Selection) throws(EngineError) -> Selection {
        kept.count = 0
        if let partitions {
            groups.lookUp(vectors, selection, into: found)
            try putAside(vectors, selection, partitions)
            return kept.selection
        }
        var next = groups.count
        _ = try groups.find(vectors, selection, into: found)
        for index in 0..<selection.count {
            let row = selection[index]
            // New groups are numbered in the order of their first rows.
            if Int(found[row]) == next {
                kept.append(row)
                next += 1
            }
        }
        if instance.context.isFull(groups.byteCount) {
            heldByteCount = max(heldByteCount, groups.byteCount)
            partitions = SpillPartitions(level: level, instance.context)
        }
        return kept.selection
    }

    private func putAside(
        _ vectors: [Vector], _ selection: Selection, _ partitions: SpillPartitions
    ) throws(EngineError) {
        let buffer = self.buffer ?? SpillBuffer(types)
        self.buffer = buffer
        buffer.setSource(vectors)
        for index in 0..<selection.count {
            let row = selection[index]
            if found[row] < 0 { try buffer.write(row, to: partitions.file(groups.hash(ofRow: row))) }
        }
    }

    /// After the input: more rows that are the first of their kind, valid until the next call; nil when there are none.
    func nextPostponed() throws(EngineError) -> Chunk? {
        while true {
            if let current, let buffer, let chunk = try buffer.read(current) {
                let fresh = try fresh(chunk.columns, chunk.selection)
                try instance.context.checkpoint()
                if fresh.count == 0 { continue }
                output.columns = chunk.columns
                output.selection = fresh
                return output
            }
            heldByteCount = max(heldByteCount, groups.byteCount)
            current?.close()
            current = nil
            if let partitions {
                spilledByteCount += try partitions.postpone(to: &postponed)
                self.partitions = nil
            }
            guard let next = postponed.popLast() else { return nil }
            batchCount += 1
            groups.begin(instance.context.budget)
            level = next.level
            current = next.file
            next.file.rewind()
        }
    }
}
