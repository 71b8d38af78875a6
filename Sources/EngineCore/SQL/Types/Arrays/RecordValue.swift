// Row values (type record), in `bytes` vectors.
//
//   0  UInt32 field count; per field: UInt32 type, UInt32 end offset (bit 31 set: NULL); then the fields' bytes, fixed-width
//   values in their physical form. Little-endian, unaligned.

import Platform

/// A view of a row's bytes, which must outlive it.
package struct RecordValue {
    private let bytes: UnsafeRawBufferPointer
    package let count: Int

    package init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count >= 4, "a row has a header")
        self.bytes = bytes
        count = Int(bytes.baseAddress.unsafelyUnwrapped.little(0, as: UInt32.self))
    }
    private var base: UnsafeRawPointer { bytes.baseAddress.unsafelyUnwrapped }

    package func type(_ index: Int) -> TypeOID { TypeOID(base.little(4 + 8 * index, as: UInt32.self)) }
    package func isNull(_ index: Int) -> Bool { base.little(8 + 8 * index, as: UInt32.self) >> 31 == 1 }
    package func cell(_ index: Int) -> Cell {
        let data = 4 + 8 * count
        let start = index == 0 ? 0 : Int(base.little(8 * index, as: UInt32.self) & 0x7FFF_FFFF)
        let end = Int(base.little(8 + 8 * index, as: UInt32.self) & 0x7FFF_FFFF)
        let physical = Physical.of(type(index))
        if physical == .bytes { return Cell(ByteView(referencing: bytes.slice(data + start, data + end))) }
        return Cell(loading: base + data + start, physical)
    }

    /// A row from field types and cells (nil: NULL).
    package static func make(_ types: [TypeOID], _ cells: [Cell?]) -> [UInt8] {
        var header = ByteBuffer(capacity: 4 + 8 * types.count)
        var data = ByteBuffer()
        header.appendLittle(UInt32(types.count))
        for index in types.indices {
            if let cell = cells[index] {
                let physical = Physical.of(types[index])
                if physical == .bytes {
                    cell.bytes.withBytes { data.append($0) }
                } else {
                    data.appendRaw(cell, physical)
                }
            }
            header.appendLittle(types[index].rawValue)
            header.appendLittle(UInt32(data.count) | (cells[index] == nil ? 1 << 31 : 0))
        }
        header.append(data.bytes)
        return header.array
    }

    /// Field by field, NULL above everything. Rows of different length order by their common fields, then by length.
    package static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let x = RecordValue(a)
        let y = RecordValue(b)
        for index in 0..<min(x.count, y.count) {
            let nullX = x.isNull(index)
            let nullY = y.isNull(index)
            if nullX || nullY {
                if nullX && nullY { continue }
                return nullX ? 1 : -1
            }
            let order = Comparison.compare(x.cell(index), y.cell(index), ValueClass.of(x.type(index)))
            if order != 0 { return order }
        }
        return x.count - y.count
    }
    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let row = RecordValue(bytes)
        var hash = Hashing.word(UInt64(row.count))
        for index in 0..<row.count {
            hash = Hashing.combine(
                hash, row.isNull(index) ? Hashing.null : Hashing.hash(row.cell(index), ValueClass.of(row.type(index))))
        }
        return hash
    }
    static func appendKey(_ bytes: UnsafeRawBufferPointer, to buffer: inout ByteBuffer) {
        let row = RecordValue(bytes)
        for index in 0..<row.count {
            buffer.append(row.isNull(index) ? 0x02 : 0x01)
            if !row.isNull(index) {
                NormalizedKey.appendValue(row.cell(index), ValueClass.of(row.type(index)), to: &buffer)
            }
        }
        buffer.append(0x00)
    }
}
