// Rules that the stored values of a type keep, and that its functions rely on. Input functions and the checks of the type establish
// them; bytes that were damaged before their page got its checksum may break them, so rows are looked at when they are read.

import Platform

package enum StoredForm: UInt8, BitwiseCopyable {
    /// Any bytes of the right length are a value.
    case free
    case bool, date, time, timestamp, numeric, array

    package static func of(_ type: TypeOID) -> StoredForm {
        switch type {
        case .bool: .bool
        case .date: .date
        case .time: .time
        case .timestamp, .timestamptz: .timestamp
        case .numeric: .numeric
        default: type.isArrayLike ? .array : .free
        }
    }

    /// Whether the cell is a value of `type`, whose form this is. A few instructions; of an array, those of all its elements.
    @inline(never)
    package func admits(_ cell: Cell, _ type: TypeOID) -> Bool {
        switch self {
        case .free: return true
        case .bool: return cell.low <= 1
        case .date:
            let day = Int32(truncatingIfNeeded: cell.int64)
            return !Calendar.isFinite(day) || Int64(day) >= Calendar.firstDay && Int64(day) < Calendar.endDay
        case .time: return cell.int64 >= 0 && cell.int64 <= Calendar.microsecondsPerDay
        case .timestamp: return !Calendar.isFinite(cell.int64) || Calendar.isValid(cell.int64)
        case .numeric: return Numeric.isStored(cell.bytes)
        case .array: return cell.bytes.withBytes { ArrayValue.isStored($0, of: type.element) }
        }
    }
}

extension Numeric {
    /// Whether the bytes have one of the three forms.
    static func isStored(_ view: ByteView) -> Bool {
        if isSmall(view) { return unscaled(view) < smallLimit && unscaled(view) > -smallLimit }
        return view.withBytes { bytes in
            guard let base = bytes.baseAddress, bytes.count > 0 else { return false }
            switch bytes[0] {
            case Tag.nan, Tag.infinity, Tag.negativeInfinity: return bytes.count == 1
            case Tag.positive, Tag.negative:
                guard bytes.count >= 5, bytes.count % 2 == 1, Int(base.little(3, as: UInt16.self)) <= maximumScale
                else { return false }
                for at in stride(from: 5, to: bytes.count, by: 2) where base.little(at, as: UInt16.self) >= 10_000 {
                    return false
                }
                return true
            default: return false
            }
        }
    }
}

extension ArrayValue {
    /// Whether the bytes are an array of elements that lie as those of `element` do, all within it, and each of their form.
    static func isStored(_ bytes: UnsafeRawBufferPointer, of element: TypeOID) -> Bool {
        guard let base = bytes.baseAddress, bytes.count >= 8 else { return false }
        let found = TypeOID(base.little(0, as: UInt32.self))
        let physical = Physical.of(element)
        let form = StoredForm.of(element)
        let dimensionCount = Int(bytes[4])
        guard Physical.of(found) == physical, StoredForm.of(found) == form, dimensionCount <= ArrayIO.maximumDimensions,
            bytes.count >= 8 + 8 * dimensionCount
        else { return false }
        // Not even a bit for each element: there are fewer.
        let limit = bytes.count * 8
        var count = dimensionCount == 0 ? 0 : 1
        for dimension in 0..<dimensionCount {
            let length = Int(base.little(8 + 8 * dimension, as: Int32.self))
            if length < 0 || length > limit { return false }
            count *= length
            if count > limit { return false }
        }
        let start = 8 + 8 * dimensionCount + (bytes[5] & 1 != 0 ? (count + 7) / 8 : 0)
        let room = bytes.count - start - count * (physical == .bytes ? 4 : physical.width)
        if room < 0 { return false }
        if physical == .bytes {
            var last = 0
            for index in 0..<count {
                let end = Int(base.little(start + 4 * index, as: UInt32.self))
                guard end >= last, end <= room else { return false }
                last = end
            }
        }
        if form == .free { return true }
        let array = ArrayValue(bytes)
        for index in 0..<count where !array.isNull(index) && !form.admits(array.cell(index), element) { return false }
        return true
    }
}
