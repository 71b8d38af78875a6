// Encoding rows straight from the vectors of a batch. Vectors are objects: their parts are taken out once per batch, so that
// encoding a row touches no reference count.

import Platform
import SQLTypes

/// One column of a batch; valid as long as its vector is neither changed nor freed.
struct BatchColumn: BitwiseCopyable {
    private let data: UnsafeRawPointer
    private let validity: UnsafePointer<UInt64>
    private let stride: Int
    private let hasNulls: Bool

    init(_ vector: Vector) {
        data = UnsafeRawPointer(vector.data)
        validity = UnsafePointer(vector.validity)
        // Every row of a constant is row 0.
        stride = vector.isConstant ? 0 : vector.physical.width
        hasNulls = vector.hasNulls
        isConstant = vector.isConstant
    }
    private let isConstant: Bool

    @inline(__always) func isNull(_ row: Int) -> Bool {
        if !hasNulls { return false }
        let row = isConstant ? 0 : row
        return validity[row >> 6] & (1 << UInt64(row & 63)) == 0
    }
    @inline(__always) func slot(_ row: Int) -> UnsafeRawPointer { data + row * stride }

    /// Of a `bytes` column.
    @inline(__always) func bytes(_ row: Int) -> UnsafeRawBufferPointer {
        let slot = slot(row)
        let count = Int(slot.load(as: UInt32.self))
        if count <= ByteView.inlineCapacity { return UnsafeRawBufferPointer(start: slot + 4, count: count) }
        return UnsafeRawBufferPointer(start: slot.load(fromByteOffset: 8, as: UnsafeRawPointer.self), count: count)
    }
}

extension RowCodec {
    /// As `encodedByteCount` of the row with these values; one column each.
    func encodedByteCount(_ batch: UnsafePointer<BatchColumn>, _ row: Int) -> Int {
        var total = fixedStart(count) + fixedByteCount
        for index in 0..<count where columns[index].physical == .bytes && !columns[index].isDropped {
            if !batch[index].isNull(row) { total += batch[index].bytes(row).count }
        }
        return total
    }

    /// As `encode` of the row with these values.
    func encode(_ batch: UnsafePointer<BatchColumn>, _ row: Int, to target: UnsafeMutableRawPointer) {
        target.setLittle(0, UInt16(count))
        let bitmap = target + Self.headerByteCount
        let fixed = target + fixedStart(count)
        bitmap.initializeMemory(as: UInt8.self, repeating: 0, count: (count + 7) >> 3)
        let bytes = fixed + fixedByteCount
        var end = 0
        for index in 0..<count {
            let column = columns + index
            let at = fixed + Int(column.pointee.offset)
            let physical = column.pointee.physical
            let isNull = column.pointee.isDropped || batch[index].isNull(row)
            if isNull {
                let mask = bitmap.load(fromByteOffset: index >> 3, as: UInt8.self) | 1 << UInt8(index & 7)
                bitmap.storeBytes(of: mask, toByteOffset: index >> 3, as: UInt8.self)
            }
            if physical == .bytes {
                if !isNull {
                    let source = batch[index].bytes(row)
                    if source.count > 0 {
                        (bytes + end).copyMemory(
                            from: source.baseAddress.unsafelyUnwrapped, byteCount: source.count)
                    }
                    end += source.count
                }
                at.setLittle(0, UInt32(end))
            } else if isNull {
                at.initializeMemory(as: UInt8.self, repeating: 0, count: physical.width)
            } else {
                let source = batch[index].slot(row)
                switch physical.width {
                case 4: at.storeBytes(of: source.loadUnaligned(as: UInt32.self), as: UInt32.self)
                case 8: at.storeBytes(of: source.loadUnaligned(as: UInt64.self), as: UInt64.self)
                default: at.copyMemory(from: source, byteCount: physical.width)
                }
            }
        }
    }
}
