// INTERSECT and EXCEPT: rows of the left side by how often the right side has them.
//
// Counted in a hash table of the right side's rows, to which left rows are added as they come. When it takes more than
// work_mem it stays as it is: rows that it has are decided, others are put aside in files by bits of their hash, one file for
// each side. At the end each pair of files is a smaller operation of the same kind. A right row is in the table or in a file,
// never in both, and with it all rows equal to it: the table is closed to new rows before the first one is put aside.

import Platform
import SQL
import SQLTypes

final class SetOperationOperator: Operator {
    private let kind: SetOperationKind
    private let isAll: Bool
    private let left: Operator
    private let right: Operator
    private let groups: GroupTable
    private var rightCounts: [Int64] = []
    private var emitted: [Bool] = []
    private let found: UnsafeMutablePointer<Int32>
    private var kept = SelectionBuffer()
    private let output = Chunk()

    private let buffer: SpillBuffer
    /// Where rows go that the full table does not have.
    private var rightFiles: SpillPartitions?
    private var leftFiles: SpillPartitions?
    private var level = 0
    private var postponed: [Task] = []
    private var current: Task?
    private var isInputDone = false
    private var spilledByteCount = 0
    private var heldByteCount = 0
    private var batchCount = 1

    enum SetOperationKind { case intersect, except }

    private struct Task {
        let left: SpillFile
        let right: SpillFile
        let level: Int
    }

    init(
        _ kind: SetOperationKind, all: Bool, left: Operator, right: Operator, _ types: [SQLType], _ instance: Instance
    ) {
        self.kind = kind
        isAll = all
        self.left = left
        self.right = right
        groups = GroupTable(types)
        buffer = SpillBuffer(types)
        found = .allocate(capacity: vectorCapacity)
        super.init(instance)
    }

    deinit { found.deallocate() }

    override func open() throws(EngineError) {
        dropFiles()
        spilledByteCount = 0
        heldByteCount = 0
        batchCount = 1
        isInputDone = false
        begin(level: 0)
        try right.start()
        while let chunk = try right.pull() { try addRight(chunk) }
        right.close()
        try left.start()
    }

    private func begin(level: Int) {
        groups.begin(instance.context.budget)
        rightCounts.removeAll()
        emitted.removeAll()
        self.level = level
    }

    private func addRight(_ chunk: Chunk) throws(EngineError) {
        try group(chunk, putAsideTo: rightFiles)
        for index in 0..<chunk.count {
            let group = Int(found[chunk.selection[index]])
            if group >= 0 { rightCounts[group] += 1 }
        }
        try instance.context.checkpoint()
    }

    /// The rows' groups in `found`; -1 for those that were put aside.
    private func group(_ chunk: Chunk, putAsideTo files: SpillPartitions?) throws(EngineError) {
        if let files {
            groups.lookUp(chunk.columns, chunk.selection, into: found)
            buffer.setSource(chunk.columns)
            for index in 0..<chunk.count {
                let row = chunk.selection[index]
                if found[row] < 0 { try buffer.write(row, to: files.file(groups.hash(ofRow: row))) }
            }
            return
        }
        let added = try groups.find(chunk.columns, chunk.selection, into: found)
        for _ in 0..<added {
            rightCounts.append(0)
            emitted.append(false)
        }
        let held = groups.byteCount + groups.count * 9
        if instance.context.isFull(held) {
            heldByteCount = max(heldByteCount, held)
            rightFiles = SpillPartitions(level: level, instance.context)
            leftFiles = SpillPartitions(level: level, instance.context)
        }
    }

    override func next() throws(EngineError) -> Chunk? {
        while true {
            guard let chunk = try nextLeft() else {
                guard try nextTask() else { return nil }
                continue
            }
            // A chunk that comes from a file is in the buffer's own vectors, which rows are written from like any others.
            try group(chunk, putAsideTo: leftFiles)
            kept.count = 0
            for index in 0..<chunk.count {
                let row = chunk.selection[index]
                if found[row] >= 0, isWanted(Int(found[row])) { kept.append(row) }
            }
            try instance.context.checkpoint()
            if kept.count == 0 { continue }
            output.columns = chunk.columns
            output.selection = kept.selection
            return output
        }
    }

    private func nextLeft() throws(EngineError) -> Chunk? {
        if let current { return try buffer.read(current.left) }
        if isInputDone { return nil }
        if let chunk = try left.pull() { return chunk }
        isInputDone = true
        left.close()
        return nil
    }

    /// Takes up rows that were put aside; false if there are none.
    private func nextTask() throws(EngineError) -> Bool {
        endTask()
        heldByteCount = max(heldByteCount, groups.byteCount)
        if let leftFiles, let rightFiles {
            try leftFiles.finish()
            try rightFiles.finish()
            // Nothing comes of a file without left rows.
            for (left, right) in zip(leftFiles.files, rightFiles.files) {
                spilledByteCount += left.byteCount + right.byteCount
                if left.rowCount > 0 {
                    postponed.append(Task(left: left, right: right, level: level + 1))
                } else {
                    right.close()
                }
            }
        }
        leftFiles = nil
        rightFiles = nil
        guard let task = postponed.popLast() else {
            counters?.note(.hashAggregate, held: heldByteCount, spilled: spilledByteCount, batches: batchCount)
            return false
        }
        current = task
        batchCount += 1
        begin(level: task.level)
        task.right.rewind()
        while let chunk = try buffer.read(task.right) { try addRight(chunk) }
        task.left.rewind()
        return true
    }

    private func endTask() {
        current?.left.close()
        current?.right.close()
        current = nil
    }

    private func dropFiles() {
        endTask()
        for task in postponed {
            task.left.close()
            task.right.close()
        }
        postponed.removeAll()
        leftFiles?.close()
        rightFiles?.close()
        leftFiles = nil
        rightFiles = nil
    }

    /// Whether this occurrence of the group's row is in the result.
    private func isWanted(_ group: Int) -> Bool {
        if isAll {
            let isPaired = rightCounts[group] > 0
            if isPaired { rightCounts[group] -= 1 }
            return isPaired == (kind == .intersect)
        }
        if emitted[group] || (rightCounts[group] > 0) != (kind == .intersect) { return false }
        emitted[group] = true
        return true
    }

    override func close() {
        left.close()
        right.close()
        groups.clear()
        dropFiles()
        isInputDone = true
    }
}
