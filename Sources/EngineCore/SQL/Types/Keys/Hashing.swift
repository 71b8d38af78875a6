// Hashes for joins, grouping and hash aggregation: equal values (in the type's btree sense) hash equally. 64-bit
// multiply-fold mixing (after wyhash). Not stable across versions: never written to disk.

package enum Hashing {
    /// Hash of a NULL key.
    package static let null: UInt64 = 0x9E37_79B9_7F4A_7C15

    @inline(__always) package static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
    @inline(__always) package static func word(_ value: UInt64) -> UInt64 {
        mix(value ^ 0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB)
    }
    /// The hash of two keys together, order mattering.
    @inline(__always) package static func combine(_ a: UInt64, _ b: UInt64) -> UInt64 {
        mix(a ^ 0x8EBC_6AF0_9C88_C6E3, b ^ 0x5899_65CC_7537_4CC3)
    }

    package static func bytes(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash = UInt64(bytes.count) ^ 0x2D35_8DCC_AA6C_78A5
        guard let base = bytes.baseAddress else { return word(hash) }
        var index = 0
        while index + 8 <= bytes.count {
            hash = mix(hash ^ (base + index).loadUnaligned(as: UInt64.self), 0x8BB8_4B93_962E_ACC9)
            index += 8
        }
        var rest: UInt64 = 0
        var shift: UInt64 = 0
        while index < bytes.count {
            rest |= UInt64(bytes[index]) << shift
            shift += 8
            index += 1
        }
        return mix(hash ^ rest, 0x4B33_A62E_D433_D4A3)
    }

    /// Hash of one non-null value.
    package static func hash(_ cell: Cell, _ kind: ValueClass) -> UInt64 {
        switch kind {
        case .bool: return word(cell.low & 1)
        case .char: return word(cell.low & 0xFF)
        case .int16: return word(UInt64(bitPattern: Int64(cell.int16)))
        case .int32: return word(UInt64(bitPattern: Int64(cell.int32)))
        case .unsigned32: return word(UInt64(cell.uint32))
        case .int64, .unsigned64: return word(cell.low)
        case .float32: return float(Double(cell.float32))
        case .float64: return float(cell.float64)
        case .uuid: return combine(word(cell.low), cell.high)
        case .interval:
            let span = cell.interval.span
            return combine(UInt64(truncatingIfNeeded: span), UInt64(truncatingIfNeeded: span >> 64))
        case .bytes: return cell.bytes.withBytes { bytes($0) }
        case .paddedText: return cell.bytes.withBytes { bytes(Comparison.unpadded($0)) }
        case .numeric: return cell.bytes.withBytes { Numeric.hash($0) }
        case .array: return cell.bytes.withBytes { ArrayValue.hash($0) }
        case .record: return cell.bytes.withBytes { RecordValue.hash($0) }
        }
    }

    @inline(__always) static func float(_ value: Double) -> UInt64 {
        if value == 0 { return word(0) }
        return word(value != value ? 0x7FF8_0000_0000_0000 : value.bitPattern)
    }

    /// Hashes the selected rows of a key column into `hashes[row]`; `combining` folds into what earlier columns left there.
    package static func hash(
        _ vector: Vector, _ selection: Selection, into hashes: UnsafeMutablePointer<UInt64>, combining: Bool
    ) {
        let kind = ValueClass.of(vector.type.oid)
        switch kind {
        case .int32: rows(vector, selection, hashes, combining) { word(UInt64(bitPattern: Int64($0.int32))) }
        case .int64, .unsigned64: rows(vector, selection, hashes, combining) { word($0.low) }
        case .bytes: rows(vector, selection, hashes, combining) { $0.bytes.withBytes { bytes($0) } }
        default: rows(vector, selection, hashes, combining) { hash($0, kind) }
        }
    }

    @inline(__always) private static func rows(
        _ vector: Vector, _ selection: Selection, _ hashes: UnsafeMutablePointer<UInt64>, _ combining: Bool,
        _ body: (Cell) -> UInt64
    ) {
        let operand = Operand(vector)
        let physical = vector.physical
        let width = physical.width
        for index in 0..<selection.count {
            let row = selection[index]
            let value =
                operand.isNull(row)
                ? null : body(Cell(loading: operand.data + (row & operand.rowMask) * width, physical))
            hashes[row] = combining ? combine(hashes[row], value) : value
        }
    }
}
