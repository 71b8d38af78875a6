// Type OIDs are PostgreSQL's: clients know them by number (RowDescription, Parse), and the catalog shows them.

/// OID of a type, as in pg_type.
package struct TypeOID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package var rawValue: UInt32
    @inline(__always) package init(rawValue: UInt32) { self.rawValue = rawValue }
    @inline(__always) package init(_ value: UInt32) { rawValue = value }
    @inline(__always) package static func == (a: TypeOID, b: TypeOID) -> Bool { a.rawValue == b.rawValue }
}

extension TypeOID {
    /// No type: `opaque` argument of a unary operator, "not determined yet" in the binder.
    package static var none: TypeOID { TypeOID(0) }
    package static var bool: TypeOID { TypeOID(16) }
    package static var bytea: TypeOID { TypeOID(17) }
    /// The one-byte type spelled `"char"`.
    package static var char: TypeOID { TypeOID(18) }
    package static var name: TypeOID { TypeOID(19) }
    package static var int8: TypeOID { TypeOID(20) }
    package static var int2: TypeOID { TypeOID(21) }
    package static var int2vector: TypeOID { TypeOID(22) }
    package static var int4: TypeOID { TypeOID(23) }
    package static var regproc: TypeOID { TypeOID(24) }
    package static var text: TypeOID { TypeOID(25) }
    package static var oid: TypeOID { TypeOID(26) }
    package static var tid: TypeOID { TypeOID(27) }
    package static var xid: TypeOID { TypeOID(28) }
    package static var cid: TypeOID { TypeOID(29) }
    package static var oidvector: TypeOID { TypeOID(30) }
    package static var json: TypeOID { TypeOID(114) }
    package static var pgNodeTree: TypeOID { TypeOID(194) }
    package static var float4: TypeOID { TypeOID(700) }
    package static var float8: TypeOID { TypeOID(701) }
    package static var unknown: TypeOID { TypeOID(705) }
    package static var aclitem: TypeOID { TypeOID(1033) }
    package static var bpchar: TypeOID { TypeOID(1042) }
    package static var varchar: TypeOID { TypeOID(1043) }
    package static var date: TypeOID { TypeOID(1082) }
    package static var time: TypeOID { TypeOID(1083) }
    package static var timestamp: TypeOID { TypeOID(1114) }
    package static var timestamptz: TypeOID { TypeOID(1184) }
    package static var interval: TypeOID { TypeOID(1186) }
    package static var numeric: TypeOID { TypeOID(1700) }
    package static var refcursor: TypeOID { TypeOID(1790) }
    package static var regprocedure: TypeOID { TypeOID(2202) }
    package static var regoper: TypeOID { TypeOID(2203) }
    package static var regoperator: TypeOID { TypeOID(2204) }
    package static var regclass: TypeOID { TypeOID(2205) }
    package static var regtype: TypeOID { TypeOID(2206) }
    package static var record: TypeOID { TypeOID(2249) }
    package static var cstring: TypeOID { TypeOID(2275) }
    package static var any: TypeOID { TypeOID(2276) }
    package static var anyarray: TypeOID { TypeOID(2277) }
    package static var void: TypeOID { TypeOID(2278) }
    package static var trigger: TypeOID { TypeOID(2279) }
    package static var `internal`: TypeOID { TypeOID(2281) }
    package static var anyelement: TypeOID { TypeOID(2283) }
    package static var anynonarray: TypeOID { TypeOID(2776) }
    package static var uuid: TypeOID { TypeOID(2950) }
    package static var pgLSN: TypeOID { TypeOID(3220) }
    package static var anyenum: TypeOID { TypeOID(3500) }
    package static var regnamespace: TypeOID { TypeOID(4089) }
    package static var regrole: TypeOID { TypeOID(4096) }
    package static var regcollation: TypeOID { TypeOID(4191) }
    package static var xid8: TypeOID { TypeOID(5069) }
    package static var anycompatible: TypeOID { TypeOID(5077) }
    package static var anycompatiblearray: TypeOID { TypeOID(5078) }
    package static var anycompatiblenonarray: TypeOID { TypeOID(5079) }

    package static var boolArray: TypeOID { TypeOID(1000) }
    package static var byteaArray: TypeOID { TypeOID(1001) }
    package static var charArray: TypeOID { TypeOID(1002) }
    package static var nameArray: TypeOID { TypeOID(1003) }
    package static var int2Array: TypeOID { TypeOID(1005) }
    package static var int2vectorArray: TypeOID { TypeOID(1006) }
    package static var int4Array: TypeOID { TypeOID(1007) }
    package static var textArray: TypeOID { TypeOID(1009) }
    package static var bpcharArray: TypeOID { TypeOID(1014) }
    package static var varcharArray: TypeOID { TypeOID(1015) }
    package static var int8Array: TypeOID { TypeOID(1016) }
    package static var float4Array: TypeOID { TypeOID(1021) }
    package static var float8Array: TypeOID { TypeOID(1022) }
    package static var oidArray: TypeOID { TypeOID(1028) }
    package static var aclitemArray: TypeOID { TypeOID(1034) }
    package static var timestampArray: TypeOID { TypeOID(1115) }
    package static var dateArray: TypeOID { TypeOID(1182) }
    package static var timestamptzArray: TypeOID { TypeOID(1185) }
    package static var intervalArray: TypeOID { TypeOID(1187) }
    package static var numericArray: TypeOID { TypeOID(1231) }
    package static var cstringArray: TypeOID { TypeOID(1263) }
    package static var uuidArray: TypeOID { TypeOID(2951) }
    package static var recordArray: TypeOID { TypeOID(2287) }
    package static var regtypeArray: TypeOID { TypeOID(2211) }
    package static var regclassArray: TypeOID { TypeOID(2210) }
}

extension TypeOID {
    /// Stands for whatever type the call supplies.
    package var isPolymorphic: Bool {
        switch rawValue {
        case 2276, 2277, 2283, 2776, 3500, 5077, 5078, 5079: true
        default: false
        }
    }
    /// A pseudo-type: no column can have it.
    package var isPseudo: Bool {
        switch rawValue {
        case 705, 2249, 2275, 2276, 2277, 2278, 2279, 2281, 2283, 2287, 2776, 3500, 5077, 5078, 5079: true
        default: false
        }
    }
    /// An object identifier shown by name: 4 bytes, unsigned.
    package var isObjectReference: Bool {
        switch rawValue {
        case 24, 2202, 2203, 2204, 2205, 2206, 4089, 4096, 4191: true
        default: false
        }
    }
    /// Compared as an unsigned 32-bit number.
    package var isUnsigned32: Bool { rawValue == 26 || rawValue == 28 || rawValue == 29 || isObjectReference }
    /// Text, varchar, bpchar, name and what is stored as text.
    package var isTextual: Bool {
        switch rawValue {
        case 19, 25, 114, 194, 705, 1033, 1042, 1043, 1790, 2275: true
        default: false
        }
    }
}

/// A type with its modifier (`varchar(10)`, `numeric(12,2)`): what a column or an expression has.
package struct SQLType: Hashable, Sendable, BitwiseCopyable {
    package var oid: TypeOID
    /// PostgreSQL's atttypmod: -1 if there is none; length + 4 for varchar and bpchar; (precision << 16 | scale) + 4 for
    /// numeric; fractional digits for timestamps; packed field mask and digits for interval.
    package var typmod: Int32
    @inline(__always) package init(_ oid: TypeOID, typmod: Int32 = -1) {
        self.oid = oid
        self.typmod = typmod
    }
    @inline(__always) package static func == (a: SQLType, b: SQLType) -> Bool {
        a.oid.rawValue == b.oid.rawValue && a.typmod == b.typmod
    }
    @inline(__always) package var physical: Physical { Physical.of(oid) }
}

/// How a value lies in a vector.
package enum Physical: UInt8, Sendable, BitwiseCopyable {
    case bool  // 1 byte, 0 or 1
    case int8  // 1 byte: "char"
    case int16
    case int32  // int4, date (days), oid and its kin (unsigned)
    case int64  // int8, timestamp and time (microseconds), tid, xid8, pg_lsn
    case float32
    case float64
    case uuid  // 16 bytes in network order
    case interval  // 16 bytes: microseconds Int64, days Int32, months Int32
    case bytes  // a ByteView: text, bytea, numeric, arrays, rows

    /// Bytes of one value in a vector.
    @inlinable package var width: Int {
        switch self {
        case .bool, .int8: 1
        case .int16: 2
        case .int32, .float32: 4
        case .int64, .float64: 8
        case .uuid, .interval, .bytes: 16
        }
    }

    /// Types unknown here are `bytes`.
    @inlinable package static func of(_ oid: TypeOID) -> Physical {
        switch oid.rawValue {
        case 16: .bool
        case 18: .int8
        case 21: .int16
        case 23, 24, 26, 28, 29, 1082, 2202, 2203, 2204, 2205, 2206, 2278, 4089, 4096, 4191: .int32
        case 20, 27, 1083, 1114, 1184, 3220, 5069: .int64
        case 700: .float32
        case 701: .float64
        case 1186: .interval
        case 2950: .uuid
        default: .bytes
        }
    }
}
