// One row outside of vectors: what is written, looked up, re-evaluated. Made once and reused; setting fixed-width or short
// values allocates nothing.

import Platform
import SQLTypes

package final class RowBuffer: @unchecked Sendable {
    package let count: Int
    /// Cells of long strings point into `heap` or, after `borrow`, into memory of the one who filled them.
    package let cells: UnsafeMutablePointer<Cell>
    package let nulls: UnsafeMutablePointer<Bool>
    package let heap = ByteHeap()
    /// Long strings among the values that the table's `IndexEvaluator` computes.
    private let computed = ByteHeap()

    /// All NULL.
    package init(count: Int) {
        self.count = count
        cells = .allocate(capacity: max(count, 1))
        cells.initialize(repeating: Cell(low: 0), count: max(count, 1))
        nulls = .allocate(capacity: max(count, 1))
        nulls.initialize(repeating: true, count: max(count, 1))
    }
    deinit {
        cells.deallocate()
        nulls.deallocate()
    }

    /// All NULL again; strings are freed.
    package func reset() {
        nulls.update(repeating: true, count: count)
        heap.reset()
    }
    @inline(__always) package func isNull(_ column: Int) -> Bool { nulls[column] }
    @inline(__always) package func setNull(_ column: Int) { nulls[column] = true }
    /// Without copying what the cell points to.
    @inline(__always) package func borrow(_ column: Int, _ cell: Cell) {
        cells[column] = cell
        nulls[column] = false
    }
    /// Copies long strings. 53200.
    package func set(_ column: Int, _ cell: Cell, _ physical: Physical) throws(EngineError) {
        try set(column, cell, physical, in: heap)
    }
    /// Values computed before are forgotten.
    package func beginComputed() { computed.reset() }
    /// As `set`, valid until the next `beginComputed`. 53200.
    package func setComputed(_ column: Int, _ cell: Cell, _ physical: Physical) throws(EngineError) {
        try set(column, cell, physical, in: computed)
    }
    @inline(__always)
    private func set(_ column: Int, _ cell: Cell, _ physical: Physical, in heap: ByteHeap) throws(EngineError) {
        if physical == .bytes && !cell.bytes.isInline {
            let view = cell.bytes
            cells[column] = Cell(try heap.copy(UnsafeRawBufferPointer(start: view.pointer, count: view.count)))
        } else {
            cells[column] = cell
        }
        nulls[column] = false
    }
    package func set(_ column: Int, _ datum: Datum, _ physical: Physical) throws(EngineError) {
        if datum.isNull { return setNull(column) }
        try datum.withCell { (cell) throws(EngineError) in try set(column, cell, physical) }
    }
    package func datum(_ column: Int, _ physical: Physical) -> Datum {
        nulls[column] ? .null : Datum(copying: cells[column], physical)
    }
    /// Takes over a row of vectors, one per column from `first` on, without copying strings.
    package func borrow(_ vectors: [Vector], row: Int, first: Int = 0) {
        for (index, vector) in vectors.enumerated() {
            if vector.isNull(row) { setNull(first + index) } else { borrow(first + index, vector.cell(row)) }
        }
    }
}
