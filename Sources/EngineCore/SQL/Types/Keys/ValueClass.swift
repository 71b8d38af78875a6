// How values of a type are ordered, compared for equality, and hashed. Many types share a class; a loop switches on the
// class once, outside. Order is each type's default btree order in PostgreSQL with collation "C".

package enum ValueClass: UInt8, Sendable, BitwiseCopyable {
    case bool, char, int16, int32, unsigned32, int64, unsigned64, float32, float64, uuid, interval
    /// Bytewise: text, varchar, name, bytea.
    case bytes
    /// Bytewise after trailing blanks are dropped.
    case paddedText
    case numeric, array, record

    package static func of(_ oid: TypeOID) -> ValueClass {
        switch oid.rawValue {
        case 16: return .bool
        case 18: return .char
        case 21: return .int16
        case 23, 1082, 2278: return .int32
        case 20, 1083, 1114, 1184: return .int64
        case 27, 3220, 5069: return .unsigned64
        case 700: return .float32
        case 701: return .float64
        case 1186: return .interval
        case 1700: return .numeric
        case 1042: return .paddedText
        case 2249: return .record
        case 2950: return .uuid
        default: break
        }
        if oid.isUnsigned32 { return .unsigned32 }
        return oid.isArrayLike || oid == .anyarray ? .array : .bytes
    }
}
