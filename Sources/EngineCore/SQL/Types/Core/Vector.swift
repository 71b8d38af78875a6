// A batch of values of one type: what kernels read and write. A typed buffer, a validity bitmap (bit set: not NULL), and
// a heap for long strings. A constant vector holds one value, in row 0, that stands for every row.
//
// Invariants: bits of `validity` at and past the rows in use are unspecified, but `hasNulls == false` means that every bit
// is set. A `bytes` vector's views point into its own heap, into static memory, or into memory of the batch that it was
// computed from (an argument's heap, a page copy): whoever keeps a value beyond the batch copies it.

import Platform

/// Rows in a vector.
package let vectorCapacity = 1024

/// Which rows of a batch an operation is about: rows `0..<count`, or those listed.
package struct Selection: BitwiseCopyable {
    package var count: Int
    /// Ascending row numbers, `count` of them; nil means all of `0..<count`.
    package var rows: UnsafePointer<UInt16>?
    @inline(__always) package init(count: Int, rows: UnsafePointer<UInt16>? = nil) {
        self.count = count
        self.rows = rows
    }
    @inline(__always) package subscript(_ index: Int) -> Int {
        if let rows { return Int(rows[index]) }
        return index
    }
}

package final class Vector: @unchecked Sendable {
    package let type: SQLType
    package let physical: Physical
    package let capacity: Int
    /// Every row has the value of row 0.
    package var isConstant = false
    /// False only if every bit of the bitmap is set.
    package var hasNulls = false
    package let data: UnsafeMutableRawPointer
    package let validity: UnsafeMutablePointer<UInt64>
    package let heap: ByteHeap

    /// Allocates about `capacity * (width + 1/8)` bytes at once, string memory when first needed.
    package init(_ type: SQLType, capacity: Int = vectorCapacity) {
        self.type = type
        self.capacity = capacity
        physical = type.physical
        data = UnsafeMutableRawPointer.allocate(byteCount: capacity * physical.width, alignment: 64)
        data.initializeMemory(as: UInt8.self, repeating: 0, count: capacity * physical.width)
        let words = (capacity + 63) / 64
        validity = UnsafeMutablePointer<UInt64>.allocate(capacity: words)
        validity.initialize(repeating: UInt64.max, count: words)
        heap = ByteHeap()
    }
    deinit {
        data.deallocate()
        validity.deallocate()
    }

    /// Forgets values, nulls and strings; the vector is flat again and every row valid.
    package func reset() {
        isConstant = false
        if hasNulls {
            validity.update(repeating: UInt64.max, count: (capacity + 63) / 64)
            hasNulls = false
        }
        heap.reset()
    }

    // Rows are physical positions; for a constant vector every row means row 0.

    @inline(__always) package func position(_ row: Int) -> Int { isConstant ? 0 : row }
    @inline(__always) package func isNull(_ row: Int) -> Bool {
        if !hasNulls { return false }
        let row = position(row)
        return validity[row >> 6] & (1 << UInt64(row & 63)) == 0
    }
    @inline(__always) package func setNull(_ row: Int) {
        validity[row >> 6] &= ~(1 << UInt64(row & 63))
        hasNulls = true
    }
    @inline(__always) package func setValid(_ row: Int) {
        validity[row >> 6] |= 1 << UInt64(row & 63)
    }
    /// The buffer as values of `T`, which must be of the vector's physical form.
    @inline(__always) package func values<T: BitwiseCopyable>(_ type: T.Type) -> UnsafeMutablePointer<T> {
        assert(MemoryLayout<T>.stride == physical.width)
        return data.assumingMemoryBound(to: T.self)
    }

    /// The value at `row`, which is not null. Points into the vector.
    @inlinable package func cell(_ row: Int) -> Cell {
        Cell(loading: data + position(row) * physical.width, physical)
    }
    /// The bytes at `row` of a `bytes` vector: valid until the vector is reset or the row written.
    @inlinable package func bytes(_ row: Int) -> UnsafeRawBufferPointer {
        assert(physical == .bytes)
        let slot = data + position(row) * 16
        let count = Int(slot.load(as: UInt32.self))
        if count <= 12 { return UnsafeRawBufferPointer(start: slot + 4, count: count) }
        return UnsafeRawBufferPointer(start: slot.load(fromByteOffset: 8, as: UnsafeRawPointer.self), count: count)
    }

    /// Stores a fixed-width value, or a view whose bytes outlive the batch, without copying bytes.
    @inlinable package func setCell(_ row: Int, _ cell: Cell) {
        cell.store(to: data + row * physical.width, physical)
        if hasNulls { setValid(row) }
    }
    /// Stores a value; long strings are copied to the vector's heap. Throws 53200.
    @inlinable package func setCopy(_ row: Int, _ cell: Cell) throws(EngineError) {
        if physical == .bytes, !cell.bytes.isInline {
            setCell(
                row, Cell(try heap.copy(UnsafeRawBufferPointer(start: cell.bytes.pointer, count: cell.bytes.count))))
        } else {
            setCell(row, cell)
        }
    }
    /// Stores a byte string, copied. Throws 53200.
    @inlinable package func setBytes(_ row: Int, _ bytes: UnsafeRawBufferPointer) throws(EngineError) {
        setCell(row, Cell(try heap.copy(bytes)))
    }
    package func setBytes(_ row: Int, _ bytes: [UInt8]) throws(EngineError) {
        try bytes.withRaw { (raw) throws(EngineError) in try setBytes(row, raw) }
    }
    package func setDatum(_ row: Int, _ datum: Datum) throws(EngineError) {
        if datum.isNull {
            setNull(row)
        } else {
            try datum.withCell { (cell) throws(EngineError) in try setCopy(row, cell) }
        }
    }
    package func datum(_ row: Int) -> Datum {
        isNull(row) ? .null : Datum(copying: cell(row), physical)
    }
    /// Makes this a constant vector of one value.
    package func setConstant(_ datum: Datum) throws(EngineError) {
        reset()
        isConstant = true
        try setDatum(0, datum)
    }
    /// Writes the constant to rows `0..<count` and makes the vector flat; a flat vector is left as it is.
    package func flatten(_ count: Int) {
        guard isConstant else { return }
        let null = isNull(0)
        let first = cell(0)
        isConstant = false
        for row in 0..<count {
            if null { setNull(row) } else { first.store(to: data + row * physical.width, physical) }
        }
    }
    /// Copies a row of a vector of the same physical form, with its bytes. Throws 53200.
    @inlinable package func copyRow(_ row: Int, from source: Vector, _ sourceRow: Int) throws(EngineError) {
        if source.isNull(sourceRow) { setNull(row) } else { try setCopy(row, source.cell(sourceRow)) }
    }
}
