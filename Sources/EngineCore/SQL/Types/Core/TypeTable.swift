// The rows of pg_type for the types this engine knows. Array types follow from their element's row, so they are not
// written out. Source: PostgreSQL 15's pg_type (OIDs and properties are part of its interface to clients).

import Platform

/// One row of pg_type.
package struct TypeInfo: Sendable {
    package let oid: TypeOID
    /// Without the `_` prefix for arrays: see `isArray`.
    package let baseName: [UInt8]
    /// typlen: bytes, -1 variable, -2 C string.
    package let length: Int16
    package let isByValue: Bool
    /// typalign: c s i d.
    package let alignment: UInt8
    /// typcategory, as PostgreSQL's Table 53.65.
    package let category: UInt8
    package let isPreferred: Bool
    /// typtype: b base, p pseudo.
    package let kind: UInt8
    /// What subscripting yields; `.none` if it cannot be subscripted.
    package let element: TypeOID
    package let array: TypeOID
    package let storage: UInt8
    package let collation: UInt32
    package let input: [UInt8]
    package let output: [UInt8]
    package let receive: [UInt8]
    package let send: [UInt8]
    /// "-" if there is none, as the next two.
    package let modifierInput: [UInt8]
    package let modifierOutput: [UInt8]
    package let subscriptHandler: [UInt8]
    /// A true array type (`int4[]`), not a vector type or a fixed-length one.
    package let isArray: Bool

    /// typname: `_int4` for an array of int4.
    package var name: [UInt8] { isArray ? [UInt8(ascii: "_")] + baseName : baseName }
    func isNamed(_ name: [UInt8]) -> Bool {
        isArray ? name.first == UInt8(ascii: "_") && name.dropFirst().elementsEqual(baseName) : name == baseName
    }
}

/// All built-in types, by OID and by name.
package final class TypeTable: Sendable {
    package static let builtin = TypeTable()

    /// In order of OID.
    package let types: [TypeInfo]

    init() {
        var all: [TypeInfo] = []
        for line in TextTable(typeRows) {
            let base = TypeTable.parse(line)
            all.append(base)
            if base.array != .none { all.append(TypeTable.arrayType(of: base)) }
        }
        all.sort { $0.oid.rawValue < $1.oid.rawValue }
        types = all
    }

    /// Cost: a binary search.
    package func info(_ oid: TypeOID) -> TypeInfo? {
        var low = 0
        var high = types.count
        while low < high {
            let middle = (low + high) / 2
            if types[middle].oid.rawValue < oid.rawValue { low = middle + 1 } else { high = middle }
        }
        return low < types.count && types[low].oid == oid ? types[low] : nil
    }

    /// By typname (`int4`, `_text`), not by SQL spelling (`integer`). Cost: a linear search.
    package func named(_ name: [UInt8]) -> TypeInfo? {
        for type in types where type.isNamed(name) { return type }
        return nil
    }

    private static func parse(_ line: [StaticBytes]) -> TypeInfo {
        TypeInfo(
            oid: line[0].type, baseName: line[1].array, length: Int16(line[2].signed), isByValue: line[3].isOne,
            alignment: line[4].start[0], category: line[5].start[0], isPreferred: line[6].isOne, kind: line[7].start[0],
            element: line[8].type, array: line[9].type, storage: line[10].start[0], collation: line[11].unsigned,
            input: line[12].array, output: line[13].array, receive: line[14].array, send: line[15].array,
            modifierInput: line[16].array, modifierOutput: line[17].array, subscriptHandler: line[18].array,
            isArray: false)
    }

    /// The array type over `base`; record[] is a pseudo-type as record is.
    private static func arrayType(of base: TypeInfo) -> TypeInfo {
        TypeInfo(
            oid: base.array, baseName: base.baseName, length: -1, isByValue: false,
            alignment: base.alignment == UInt8(ascii: "d") ? UInt8(ascii: "d") : UInt8(ascii: "i"),
            category: base.oid == .record ? UInt8(ascii: "P") : UInt8(ascii: "A"), isPreferred: false,
            kind: base.oid == .record ? UInt8(ascii: "p") : UInt8(ascii: "b"), element: base.oid, array: .none,
            storage: UInt8(ascii: "x"), collation: base.collation,
            input: Array("array_in".utf8), output: Array("array_out".utf8), receive: Array("array_recv".utf8),
            send: Array("array_send".utf8), modifierInput: base.modifierInput, modifierOutput: base.modifierOutput,
            subscriptHandler: Array("array_subscript_handler".utf8), isArray: true)
    }
}

extension TypeOID {
    /// Element type if this is a true array or vector type of one; `.none` for anything else.
    package var element: TypeOID {
        if rawValue == 19 { return .none }
        return TypeTable.builtin.info(self)?.element ?? .none
    }
    /// The array type over this one, `.none` if there is none.
    package var arrayType: TypeOID { TypeTable.builtin.info(self)?.array ?? .none }
    /// typcategory; `U` for types not built in.
    package var category: UInt8 { TypeTable.builtin.info(self)?.category ?? UInt8(ascii: "U") }
    package var isPreferred: Bool { TypeTable.builtin.info(self)?.isPreferred ?? false }
    /// A type whose values are arrays in this engine's array form, int2vector and oidvector among them.
    package var isArrayLike: Bool {
        rawValue == 22 || rawValue == 30 || (TypeTable.builtin.info(self)?.isArray ?? false)
    }
}

// oid name length byValue alignment category preferred kind element array storage collation input output receive send
// modifierInput modifierOutput subscript
private let typeRows: StaticString = """
    16 bool 1 1 c B 1 b 0 1000 p 0 boolin boolout boolrecv boolsend - - -
    17 bytea -1 0 i U 0 b 0 1001 x 0 byteain byteaout bytearecv byteasend - - -
    18 char 1 1 c Z 0 b 0 1002 p 0 charin charout charrecv charsend - - -
    19 name 64 0 c S 0 b 18 1003 p 950 namein nameout namerecv namesend - - raw_array_subscript_handler
    20 int8 8 1 d N 0 b 0 1016 p 0 int8in int8out int8recv int8send - - -
    21 int2 2 1 s N 0 b 0 1005 p 0 int2in int2out int2recv int2send - - -
    22 int2vector -1 0 i A 0 b 21 1006 p 0 int2vectorin int2vectorout int2vectorrecv int2vectorsend - - array_subscript_handler
    23 int4 4 1 i N 0 b 0 1007 p 0 int4in int4out int4recv int4send - - -
    24 regproc 4 1 i N 0 b 0 1008 p 0 regprocin regprocout regprocrecv regprocsend - - -
    25 text -1 0 i S 1 b 0 1009 x 100 textin textout textrecv textsend - - -
    26 oid 4 1 i N 1 b 0 1028 p 0 oidin oidout oidrecv oidsend - - -
    27 tid 6 0 s U 0 b 0 1010 p 0 tidin tidout tidrecv tidsend - - -
    28 xid 4 1 i U 0 b 0 1011 p 0 xidin xidout xidrecv xidsend - - -
    29 cid 4 1 i U 0 b 0 1012 p 0 cidin cidout cidrecv cidsend - - -
    30 oidvector -1 0 i A 0 b 26 1013 p 0 oidvectorin oidvectorout oidvectorrecv oidvectorsend - - array_subscript_handler
    114 json -1 0 i U 0 b 0 199 x 0 json_in json_out json_recv json_send - - -
    194 pg_node_tree -1 0 i Z 0 b 0 0 x 100 pg_node_tree_in pg_node_tree_out pg_node_tree_recv pg_node_tree_send - - -
    700 float4 4 1 i N 0 b 0 1021 p 0 float4in float4out float4recv float4send - - -
    701 float8 8 1 d N 1 b 0 1022 p 0 float8in float8out float8recv float8send - - -
    705 unknown -2 0 c X 0 p 0 0 p 0 unknownin unknownout unknownrecv unknownsend - - -
    1033 aclitem 12 0 i U 0 b 0 1034 p 0 aclitemin aclitemout - - - - -
    1042 bpchar -1 0 i S 0 b 0 1014 x 100 bpcharin bpcharout bpcharrecv bpcharsend bpchartypmodin bpchartypmodout -
    1043 varchar -1 0 i S 0 b 0 1015 x 100 varcharin varcharout varcharrecv varcharsend varchartypmodin varchartypmodout -
    1082 date 4 1 i D 0 b 0 1182 p 0 date_in date_out date_recv date_send - - -
    1083 time 8 1 d D 0 b 0 1183 p 0 time_in time_out time_recv time_send timetypmodin timetypmodout -
    1114 timestamp 8 1 d D 0 b 0 1115 p 0 timestamp_in timestamp_out timestamp_recv timestamp_send timestamptypmodin timestamptypmodout -
    1184 timestamptz 8 1 d D 1 b 0 1185 p 0 timestamptz_in timestamptz_out timestamptz_recv timestamptz_send timestamptztypmodin timestamptztypmodout -
    1186 interval 16 0 d T 1 b 0 1187 p 0 interval_in interval_out interval_recv interval_send intervaltypmodin intervaltypmodout -
    1700 numeric -1 0 i N 0 b 0 1231 m 0 numeric_in numeric_out numeric_recv numeric_send numerictypmodin numerictypmodout -
    1790 refcursor -1 0 i U 0 b 0 2201 x 0 textin textout textrecv textsend - - -
    2202 regprocedure 4 1 i N 0 b 0 2207 p 0 regprocedurein regprocedureout regprocedurerecv regproceduresend - - -
    2203 regoper 4 1 i N 0 b 0 2208 p 0 regoperin regoperout regoperrecv regopersend - - -
    2204 regoperator 4 1 i N 0 b 0 2209 p 0 regoperatorin regoperatorout regoperatorrecv regoperatorsend - - -
    2205 regclass 4 1 i N 0 b 0 2210 p 0 regclassin regclassout regclassrecv regclasssend - - -
    2206 regtype 4 1 i N 0 b 0 2211 p 0 regtypein regtypeout regtyperecv regtypesend - - -
    2249 record -1 0 d P 0 p 0 2287 x 0 record_in record_out record_recv record_send - - -
    2275 cstring -2 0 c P 0 p 0 1263 p 0 cstring_in cstring_out cstring_recv cstring_send - - -
    2276 any 4 1 i P 0 p 0 0 p 0 any_in any_out - - - - -
    2277 anyarray -1 0 d P 0 p 0 0 x 0 anyarray_in anyarray_out anyarray_recv anyarray_send - - -
    2278 void 4 1 i P 0 p 0 0 p 0 void_in void_out void_recv void_send - - -
    2279 trigger 4 1 i P 0 p 0 0 p 0 trigger_in trigger_out - - - - -
    2281 internal 8 1 d P 0 p 0 0 p 0 internal_in internal_out - - - - -
    2283 anyelement 4 1 i P 0 p 0 0 p 0 anyelement_in anyelement_out - - - - -
    2776 anynonarray 4 1 i P 0 p 0 0 p 0 anynonarray_in anynonarray_out - - - - -
    2950 uuid 16 0 c U 0 b 0 2951 p 0 uuid_in uuid_out uuid_recv uuid_send - - -
    3220 pg_lsn 8 1 d U 0 b 0 3221 p 0 pg_lsn_in pg_lsn_out pg_lsn_recv pg_lsn_send - - -
    3500 anyenum 4 1 i P 0 p 0 0 p 0 anyenum_in anyenum_out - - - - -
    4089 regnamespace 4 1 i N 0 b 0 4090 p 0 regnamespacein regnamespaceout regnamespacerecv regnamespacesend - - -
    4096 regrole 4 1 i N 0 b 0 4097 p 0 regrolein regroleout regrolerecv regrolesend - - -
    4191 regcollation 4 1 i N 0 b 0 4192 p 0 regcollationin regcollationout regcollationrecv regcollationsend - - -
    5069 xid8 8 1 d U 0 b 0 271 p 0 xid8in xid8out xid8recv xid8send - - -
    5077 anycompatible 4 1 i P 0 p 0 0 p 0 anycompatible_in anycompatible_out - - - - -
    5078 anycompatiblearray -1 0 d P 0 p 0 0 x 0 anycompatiblearray_in anycompatiblearray_out anycompatiblearray_recv anycompatiblearray_send - - -
    5079 anycompatiblenonarray 4 1 i P 0 p 0 0 p 0 anycompatiblenonarray_in anycompatiblenonarray_out - - - - -
    """
