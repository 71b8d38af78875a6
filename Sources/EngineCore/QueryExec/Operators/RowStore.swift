// Rows that an operator keeps: batches of vectors, addressed by row number. The build side of joins, sorts, materialised
// subqueries and cursors.
//
// Columns stay vectors rather than rows: a batch is appended and read back by copying cells, keys are evaluated over whole
// batches, and the strings of a batch are freed with it.

import ArenaAlloc
import Platform
import SQLTypes

package final class RowStore {
    private let types: [SQLType]
    private var batches: [[Vector]] = []
    private var spare: [[Vector]] = []
    package private(set) var count = 0
    /// Bytes taken from the budget.
    private var taken = 0
    /// Bytes of strings that do not fit their cells.
    private var stringByteCount = 0
    /// Bytes that the rows take, for who must keep within work_mem.
    var byteCount: Int { taken + stringByteCount }
    private unowned(unsafe) var budget: MemoryBudget?

    package init(_ types: [SQLType]) { self.types = types }

    deinit { release() }

    /// Where the memory of what follows is counted.
    func begin(_ budget: MemoryBudget) {
        clear()
        self.budget = budget
    }

    /// Forgets the rows; keeps one batch for reuse.
    func clear() {
        if spare.isEmpty, let first = batches.first {
            for vector in first { vector.reset() }
            spare.append(first)
        }
        batches.removeAll(keepingCapacity: true)
        count = 0
        release()
    }

    private func release() {
        if let budget, taken > 0 { budget.release(taken) }
        taken = 0
        stringByteCount = 0
    }

    private func take(_ byteCount: Int) throws(EngineError) {
        guard let budget else { return }
        try budget.charge(byteCount)
        taken += byteCount
    }

    @inline(__always) package func batch(_ row: Int) -> [Vector] { batches[row >> 10] }
    @inline(__always) package func vector(_ row: Int, _ column: Int) -> Vector { batches[row >> 10][column] }
    package var batchCount: Int { batches.count }
    /// Rows of batch `index`.
    package func rows(inBatch index: Int) -> Int { min(count - index << 10, vectorCapacity) }
    package func vectors(ofBatch index: Int) -> [Vector] { batches[index] }

    /// Appends the chunk's selected rows. Throws 53200 when memory is out.
    package func append(_ chunk: Chunk) throws(EngineError) {
        var done = 0
        while done < chunk.count {
            let offset = count & (vectorCapacity - 1)
            if offset == 0 { try addBatch() }
            let target = batches[batches.count - 1]
            let rows = min(chunk.count - done, vectorCapacity - offset)
            for column in types.indices {
                stringByteCount += try Self.copy(
                    chunk.columns[column], chunk.selection, done, rows, to: target[column], at: offset)
            }
            count += rows
            done += rows
        }
    }

    private func addBatch() throws(EngineError) {
        // Long strings are counted by the vectors' heaps.
        var byteCount = 0
        for type in types { byteCount += vectorCapacity * type.physical.width }
        try take(byteCount)
        if let ready = spare.popLast() {
            batches.append(ready)
        } else {
            batches.append(types.map { Vector($0) })
        }
    }

    /// Returns the bytes of long strings.
    private static func copy(
        _ source: Vector, _ selection: Selection, _ from: Int, _ count: Int, to target: Vector, at offset: Int
    ) throws(EngineError) -> Int {
        if target.physical == .bytes {
            var long = 0
            for index in 0..<count {
                let row = selection[from + index]
                if source.isNull(row) {
                    target.setNull(offset + index)
                } else {
                    let cell = source.cell(row)
                    if !cell.bytes.isInline { long += cell.bytes.count }
                    try target.setCopy(offset + index, cell)
                }
            }
            return long
        }
        for index in 0..<count {
            let row = selection[from + index]
            if source.isNull(row) {
                target.setNull(offset + index)
            } else {
                target.setCell(offset + index, source.cell(row))
            }
        }
        return 0
    }

    /// Copies row `row`'s column to `target`. Strings are referred to: the store outlives the chunk.
    @inline(__always) package func load(_ row: Int, _ column: Int, into target: Vector, at position: Int) {
        let source = batches[row >> 10][column]
        let place = row & (vectorCapacity - 1)
        if source.isNull(place) { target.setNull(position) } else { target.setCell(position, source.cell(place)) }
    }
}
