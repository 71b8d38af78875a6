// A hash join that does not fit in memory (Grace; Kitsuregawa, Tanaka, Moto-oka 1983): the rows of both sides are put into
// files by bits of their keys' hash, and the files with equal bits are joined, one pair after the other, as if they were all.
//
// A right file that is still too large is spread again by other bits. If that does not make it smaller (most rows have one
// key), its rows are taken in memory piece by piece, and the left file is read once for each piece; which left rows have had a
// match is remembered from piece to piece in a bitmap, and a left row without one, or one of a semi-join, goes out with the last.
//
// Rows with a NULL in a key have no match: they are dropped, or kept in whatever file where the kind of join wants them.

import Platform
import SQL
import SQLTypes

final class HashJoinParts {
    private let leftBuffer: SpillBuffer
    fileprivate let rightBuffer: SpillBuffer
    /// The files being written.
    fileprivate var rightFiles: SpillPartitions
    fileprivate var leftFiles: SpillPartitions?
    fileprivate var tasks: [Task] = []
    /// The pair being joined, and the right rows of it that have been in memory.
    fileprivate var current: Task?
    fileprivate var rightRowsDone = 0
    private var leftRowsDone = 0
    /// By left row of the pair; empty if the right rows are all in memory.
    private var matches: [UInt64] = []
    fileprivate var spilledByteCount = 0
    fileprivate var heldByteCount = 0
    fileprivate var batchCount = 0

    /// Two files with the same bits.
    struct Task {
        let left: SpillFile
        let right: SpillFile
        let level: Int
        /// Spreading does not make it smaller.
        let isStuck: Bool
    }

    fileprivate init(_ leftTypes: [SQLType], _ rightTypes: [SQLType], _ context: ExecutionContext) {
        leftBuffer = SpillBuffer(leftTypes)
        rightBuffer = SpillBuffer(rightTypes)
        rightFiles = SpillPartitions(level: 0, context)
    }

    func close() {
        rightFiles.close()
        leftFiles?.close()
        for task in tasks {
            task.left.close()
            task.right.close()
        }
        tasks.removeAll()
        endTask()
    }

    fileprivate func endTask() {
        current?.left.close()
        current?.right.close()
        current = nil
        matches.removeAll()
    }

    // MARK: Spreading

    /// Writes right rows, which have their keys behind them.
    func addRight(_ keyed: Chunk, _ join: HashJoinOperator) throws(EngineError) {
        join.hashKeys(Array(keyed.columns[join.rightWidth...]), keyed.selection)
        rightBuffer.setSource(keyed.columns)
        for index in 0..<keyed.count {
            let row = keyed.selection[index]
            if !join.keepsRight, join.hasNullKey(keyed.columns, join.rightWidth, row) { continue }
            try rightBuffer.write(row, to: rightFiles.file(join.hashes[row]))
        }
    }

    /// Writes the rows in memory, which have been hashed.
    fileprivate func addStored(_ join: HashJoinOperator) throws(EngineError) {
        for batch in 0..<join.store.batchCount {
            let columns = join.store.vectors(ofBatch: batch)
            rightBuffer.setSource(columns)
            for row in 0..<join.store.rows(inBatch: batch) {
                if !join.keepsRight, join.hasNullKey(columns, join.rightWidth, row) { continue }
                try rightBuffer.write(row, to: rightFiles.file(join.table.hash(of: batch << 10 | row)))
            }
            try join.instance.context.checkpoint()
        }
    }

    /// Writes left rows; those that nothing can come of are dropped.
    fileprivate func addLeft(_ chunk: Chunk, _ join: HashJoinOperator, _ files: SpillPartitions) throws(EngineError) {
        var keys: [Vector] = []
        for key in join.keys { keys.append(try key.left.evaluate(chunk, chunk.selection)) }
        join.hashKeys(keys, chunk.selection)
        leftBuffer.setSource(chunk.columns)
        let needsMatch = !join.keepsLeft && join.kind != .anti
        for index in 0..<chunk.count {
            let row = chunk.selection[index]
            if needsMatch, join.hasNullKey(keys, 0, row) { continue }
            if needsMatch, rightFiles.file(join.hashes[row]).rowCount == 0 { continue }
            try leftBuffer.write(row, to: files.file(join.hashes[row]))
        }
    }

    /// All rows are in files: the pairs from which something can come are tasks.
    fileprivate func makeTasks(_ join: HashJoinOperator, parent: Task?) throws(EngineError) {
        guard let leftFiles else { return }
        try leftFiles.finish()
        for (left, right) in zip(leftFiles.files, rightFiles.files) {
            spilledByteCount += left.byteCount + right.byteCount
            let isUseful =
                left.rowCount > 0 && right.rowCount > 0 || join.keepsRight && right.rowCount > 0
                || (join.keepsLeft || join.kind == .anti) && left.rowCount > 0
            if !isUseful {
                left.close()
                right.close()
                continue
            }
            let isStuck = parent.map { right.rowCount > $0.right.rowCount / 8 * 7 } ?? false
            tasks.append(Task(left: left, right: right, level: rightFiles.level, isStuck: isStuck))
        }
        self.leftFiles = nil
    }

    /// Spreads a pair by other bits.
    fileprivate func spread(_ task: Task, _ join: HashJoinOperator) throws(EngineError) {
        let context = join.instance.context
        rightFiles = SpillPartitions(level: task.level + 1, context)
        task.right.rewind()
        while let chunk = try rightBuffer.read(task.right) {
            try addRight(chunk, join)
            try context.checkpoint()
        }
        try rightFiles.finish()
        let files = SpillPartitions(level: task.level + 1, context)
        leftFiles = files
        task.left.rewind()
        while let chunk = try leftBuffer.read(task.left) {
            try addLeft(chunk, join, files)
            try context.checkpoint()
        }
        try makeTasks(join, parent: task)
        task.left.close()
        task.right.close()
    }

    // MARK: The left side of a pair

    fileprivate func beginLeft(_ task: Task, isLastPiece: Bool) {
        if !isLastPiece, matches.isEmpty {
            matches = [UInt64](repeating: 0, count: (task.left.rowCount + 63) / 64)
        }
        task.left.isReadOnce = isLastPiece
        task.left.rewind()
        leftRowsDone = 0
    }

    /// The pair's next left rows, without gaps.
    func readLeft() throws(EngineError) -> Chunk? {
        guard let current, let chunk = try leftBuffer.read(current.left) else { return nil }
        leftRowsDone += chunk.count
        return chunk
    }

    private var isLastPiece: Bool { current.map { rightRowsDone == $0.right.rowCount } ?? true }

    /// Sets what is known of the rows just read from earlier pieces.
    func recallMatches(_ isMatched: UnsafeMutablePointer<Bool>, _ count: Int) {
        if matches.isEmpty { return }
        for row in 0..<count {
            let number = leftRowsDone - count + row
            isMatched[row] = matches[number >> 6] & (1 << UInt64(number & 63)) != 0
        }
    }

    /// Remembers what has become of the rows read last, if more right rows are to come.
    func keepsMatches(_ isMatched: UnsafeMutablePointer<Bool>, _ count: Int) -> Bool {
        if isLastPiece { return false }
        for row in 0..<count where isMatched[row] {
            let number = leftRowsDone - count + row
            matches[number >> 6] |= 1 << UInt64(number & 63)
        }
        return true
    }
}

extension HashJoinOperator {
    /// The right side does not fit: what is there goes to files, and so will the rest.
    func beginParts() throws(EngineError) {
        let made = HashJoinParts(leftTypes, storeTypes, instance.context)
        parts = made
        made.heldByteCount = heldByteCount
        try made.addStored(self)
        releaseTable()
        store.clear()
    }

    /// The right side is in files: the left side, too.
    func spreadLeft(_ parts: HashJoinParts) throws(EngineError) {
        let context = instance.context
        try parts.rightFiles.finish()
        let files = SpillPartitions(level: 0, context)
        parts.leftFiles = files
        try left.start()
        while let chunk = try left.pull() {
            try parts.addLeft(chunk, self, files)
            try context.checkpoint()
        }
        left.close()
        try parts.makeTasks(self, parent: nil)
        isLeftDone = true
    }

    /// Takes the next right rows into memory and begins with the left rows of their file; false if all is done.
    func nextPart(_ parts: HashJoinParts) throws(EngineError) -> Bool {
        let context = instance.context
        releaseTable()
        store.clear()
        nextUnmatched = 0
        if let task = parts.current, parts.rightRowsDone == task.right.rowCount { parts.endTask() }
        while parts.current == nil {
            guard let task = parts.tasks.popLast() else {
                isRightMatched = []
                counters?.note(
                    .hashJoin, held: parts.heldByteCount, spilled: parts.spilledByteCount, batches: parts.batchCount)
                return false
            }
            parts.current = task
            if task.right.byteCount > context.workMemory, !task.isStuck {
                try parts.spread(task, self)
                parts.current = nil
                continue
            }
            parts.rightRowsDone = 0
            task.right.rewind()
        }
        guard let task = parts.current else { return false }
        // At least one chunk, so that there is an end.
        while let chunk = try parts.rightBuffer.read(task.right) {
            try add(chunk)
            parts.rightRowsDone += chunk.count
            try context.checkpoint()
            if context.isFull(heldByteCount) { break }
        }
        parts.heldByteCount = max(parts.heldByteCount, heldByteCount)
        parts.batchCount += 1
        isRightMatched = keepsRight ? [Bool](repeating: false, count: store.count) : []
        parts.beginLeft(task, isLastPiece: parts.rightRowsDone == task.right.rowCount)
        isLeftDone = false
        return true
    }
}
