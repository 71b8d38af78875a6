// Rows that are read from the first to the last any number of times: materialised subqueries, WITH queries, working tables. What
// fits work_mem stays in memory, the rest goes to the device behind it.

import Platform
import SQLTypes

final class RowTape {
    private let instance: Instance
    fileprivate let types: [SQLType]
    fileprivate let head: RowStore
    fileprivate private(set) var tail: SpillFile?
    private var buffer: SpillBuffer?

    init(_ types: [SQLType], _ instance: Instance) {
        self.instance = instance
        self.types = types
        head = RowStore(types)
    }

    var count: Int { head.count + (tail?.rowCount ?? 0) }

    /// Forgets the rows; an execution is under way.
    func begin() {
        clear()
        head.begin(instance.context.budget)
    }

    /// Forgets the rows and gives everything back. No reader goes on after.
    func clear() {
        head.clear()
        tail?.close()
        tail = nil
    }

    /// Appends the chunk's selected rows. 53100, 53200, 58030.
    func append(_ chunk: Chunk) throws(EngineError) {
        guard let tail else {
            try head.append(chunk)
            if instance.context.isFull(head.byteCount) {
                let file = SpillFile(instance.context)
                file.isReadOnce = false
                tail = file
            }
            return
        }
        let buffer = self.buffer ?? SpillBuffer(types)
        self.buffer = buffer
        buffer.setSource(chunk.columns)
        for index in 0..<chunk.count { try buffer.write(chunk.selection[index], to: tail) }
    }

    /// The last row has been appended: it can be read.
    func finish() throws(EngineError) { try tail?.finish() }
}

/// A place in a tape. Several may read a tape at a time.
final class RowTapeReader {
    private var batch = 0
    private var file: SpillFile?
    private var buffer: SpillBuffer?
    private let output = Chunk()

    /// Goes to the first row.
    func rewind() {
        batch = 0
        file?.close()
        file = nil
    }

    /// The next rows, valid until the next call; nil at the end.
    func next(_ tape: RowTape) throws(EngineError) -> Chunk? {
        if batch < tape.head.batchCount {
            output.columns = tape.head.vectors(ofBatch: batch)
            output.selection = Selection(count: tape.head.rows(inBatch: batch))
            batch += 1
            return output
        }
        guard let tail = tape.tail else { return nil }
        let file = self.file ?? SpillFile(reading: tail)
        self.file = file
        let buffer = self.buffer ?? SpillBuffer(tape.types)
        self.buffer = buffer
        return try buffer.read(file)
    }
}
