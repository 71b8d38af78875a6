// Rows as bytes, behind the version header (see MVCC/RowHeader.swift). Little-endian, unaligned:
//
//     u16 column count n      columns that existed when the row was written
//     null bitmap             (n + 7) / 8 bytes, bit set: NULL
//     fixed part              per column its value, or for byte strings a u32: where its bytes end
//     bytes                   of the byte strings, one behind the other
//
// A column's place in the fixed part depends only on the columns before it, so rows with fewer columns (written before
// ALTER TABLE ADD COLUMN) read by the same table: a column past n has its `missing` value. Columns are never removed;
// dropping one writes NULL from then on. NULLs take their place in the fixed part: any column is read without the others.

import Platform
import SQLTypes

package struct RowCodec: @unchecked Sendable {
    @usableFromInline struct Column: BitwiseCopyable {
        /// From the start of the fixed part.
        var offset: Int32
        /// Offset of the byte string before, whose end is this one's start; -1: this is the first.
        var previousBytes: Int32
        var physical: Physical
        var form: StoredForm
        var type: TypeOID
        var isDropped: Bool
        var hasMissing: Bool
        var missing: Cell
    }
    /// `count` of them.
    let columns: UnsafeMutablePointer<Column>
    package let count: Int
    let fixedByteCount: Int
    private let owner: Owner

    /// Keeps the column table and the missing values alive.
    private final class Owner: @unchecked Sendable {
        let columns: UnsafeMutablePointer<Column>
        let missing: [Datum]
        init(_ columns: UnsafeMutablePointer<Column>, _ missing: [Datum]) {
            self.columns = columns
            self.missing = missing
        }
        deinit { columns.deallocate() }
    }

    static let maxColumnCount = 1600
    static let headerByteCount = 2

    package init(_ stored: [StoredColumn]) {
        precondition(stored.count <= Self.maxColumnCount)
        count = stored.count
        columns = .allocate(capacity: max(count, 1))
        let missing = stored.map { $0.missing }
        owner = Owner(columns, missing)
        var offset = 0
        var previousBytes = -1
        for (index, column) in stored.enumerated() {
            let physical = column.type.physical
            (columns + index).initialize(
                to: Column(
                    offset: Int32(offset), previousBytes: Int32(previousBytes), physical: physical,
                    form: StoredForm.of(column.type.oid), type: column.type.oid, isDropped: column.isDropped,
                    hasMissing: !missing[index].isNull,
                    missing: missing[index].isNull ? Cell(low: 0) : missing[index].unownedCell))
            if physical == .bytes { previousBytes = offset }
            offset += Self.width(physical)
        }
        fixedByteCount = offset
    }

    /// Bytes in the fixed part.
    @inline(__always) static func width(_ physical: Physical) -> Int { physical == .bytes ? 4 : physical.width }

    @inline(__always) func fixedStart(_ count: Int) -> Int { Self.headerByteCount + (count + 7) >> 3 }

    // MARK: Encoding

    /// Bytes that `encode` will write.
    package func encodedByteCount(_ row: RowBuffer) -> Int {
        var total = fixedStart(count) + fixedByteCount
        for index in 0..<count where columns[index].physical == .bytes && !row.nulls[index] && !columns[index].isDropped
        {
            total += row.cells[index].bytes.count
        }
        return total
    }

    /// Writes the row's first `count` values to `target`, which has room for `encodedByteCount` bytes.
    package func encode(_ row: RowBuffer, to target: UnsafeMutableRawPointer) {
        target.setLittle(0, UInt16(count))
        let bitmap = target + Self.headerByteCount
        let fixed = target + fixedStart(count)
        (bitmap).initializeMemory(as: UInt8.self, repeating: 0, count: (count + 7) >> 3)
        let bytes = fixed + fixedByteCount
        var end = 0
        for index in 0..<count {
            let column = columns[index]
            let isNull = row.nulls[index] || column.isDropped
            if isNull {
                let mask = bitmap.load(fromByteOffset: index >> 3, as: UInt8.self) | 1 << UInt8(index & 7)
                bitmap.storeBytes(of: mask, toByteOffset: index >> 3, as: UInt8.self)
            }
            let at = fixed + Int(column.offset)
            if column.physical == .bytes {
                if !isNull {
                    let view = row.cells[index].bytes
                    let target = bytes + end
                    end += view.count
                    view.withBytes { source in
                        if source.count > 0 {
                            target.copyMemory(from: source.baseAddress.unsafelyUnwrapped, byteCount: source.count)
                        }
                    }
                }
                at.setLittle(0, UInt32(end))
            } else if isNull {
                at.initializeMemory(as: UInt8.self, repeating: 0, count: column.physical.width)
            } else {
                row.cells[index].store(to: at, column.physical)
            }
        }
    }

    // MARK: Decoding

    /// Errors: XX001 if the bytes cannot be a row of this table: a page was damaged in a way its checksum missed, or the catalog
    /// does not belong to the tree. Where strings lie is checked when they are read.
    @inline(__always) func check(_ row: UnsafeRawBufferPointer) throws(EngineError) {
        if !isPlausible(row) { throw Self.malformed() }
    }

    @inline(never) private static func malformed() -> EngineError {
        EngineError(.dataCorrupted, "a row is corrupted: its bytes do not have the form of its table")
    }

    @inline(__always) private func isPlausible(_ row: UnsafeRawBufferPointer) -> Bool {
        guard let base = row.baseAddress, row.count >= Self.headerByteCount else { return false }
        let stored = Int(base.little(0, as: UInt16.self))
        guard stored <= count else { return false }
        return row.count >= fixedStart(stored) + storedFixedByteCount(stored)
    }

    @inline(__always) private func storedFixedByteCount(_ stored: Int) -> Int {
        stored == count ? fixedByteCount : Int(columns[stored].offset)
    }

    /// The value of a column of a row that `check` has passed; nil for NULL. Points into `row` or the codec. Errors: XX001.
    @inline(__always)
    package func cell(_ index: Int, of row: UnsafeRawBufferPointer) throws(EngineError) -> Cell? {
        let base = row.baseAddress.unsafelyUnwrapped
        let stored = Int(base.little(0, as: UInt16.self))
        let column = columns[index]
        if index >= stored { return column.hasMissing ? column.missing : nil }
        if base.load(fromByteOffset: Self.headerByteCount + index >> 3, as: UInt8.self) >> UInt8(index & 7) & 1 != 0 {
            return nil
        }
        let fixed = base + fixedStart(stored)
        if column.physical != .bytes {
            return try admitted(Cell(loading: fixed + Int(column.offset), column.physical), column)
        }
        let start = column.previousBytes < 0 ? 0 : Int(fixed.little(Int(column.previousBytes), as: UInt32.self))
        let end = Int(fixed.little(Int(column.offset), as: UInt32.self))
        let bytes = fixed + storedFixedByteCount(stored)
        guard start <= end, bytes + end <= base + row.count else { throw Self.malformed() }
        return try admitted(
            Cell(ByteView(referencing: UnsafeRawBufferPointer(start: bytes + start, count: end - start))), column)
    }

    @inline(__always) private func admitted(_ cell: Cell, _ column: Column) throws(EngineError) -> Cell {
        if column.form != .free && !column.form.admits(cell, column.type) { throw Self.malformed() }
        return cell
    }

    /// Fills all columns of `buffer` without copying: valid as long as `row`. Errors: XX001.
    package func borrow(_ row: UnsafeRawBufferPointer, into buffer: RowBuffer) throws(EngineError) {
        try check(row)
        for index in 0..<count {
            if !columns[index].isDropped, let cell = try cell(index, of: row) {
                buffer.borrow(index, cell)
            } else {
                buffer.setNull(index)
            }
        }
    }
}
