// The static catalogs: types, functions, operators, casts, access methods, operator classes, collations, languages.

import Platform
import SQLTypes

struct OperatorClassRow: Sendable {
    var oid: UInt32
    var name: StaticString
    var family: UInt32
    var type: TypeOID
    var isDefault: Bool
}

/// The btree operator classes, with PostgreSQL's numbers.
let operatorClasses: [OperatorClassRow] = [
    .init(oid: 10000, name: "array_ops", family: 397, type: .anyarray, isDefault: true),
    .init(oid: 10003, name: "bool_ops", family: 424, type: .bool, isDefault: true),
    .init(oid: 10004, name: "bpchar_ops", family: 426, type: .bpchar, isDefault: true),
    .init(oid: 10006, name: "bytea_ops", family: 428, type: .bytea, isDefault: true),
    .init(oid: 10007, name: "char_ops", family: 429, type: .char, isDefault: true),
    .init(oid: 3122, name: "date_ops", family: 434, type: .date, isDefault: true),
    .init(oid: 10012, name: "float4_ops", family: 1970, type: .float4, isDefault: true),
    .init(oid: 3123, name: "float8_ops", family: 1970, type: .float8, isDefault: true),
    .init(oid: 1979, name: "int2_ops", family: 1976, type: .int2, isDefault: true),
    .init(oid: 1978, name: "int4_ops", family: 1976, type: .int4, isDefault: true),
    .init(oid: 3124, name: "int8_ops", family: 1976, type: .int8, isDefault: true),
    .init(oid: 10022, name: "interval_ops", family: 1982, type: .interval, isDefault: true),
    .init(oid: 10028, name: "name_ops", family: 1994, type: .name, isDefault: true),
    .init(oid: 3125, name: "numeric_ops", family: 1988, type: .numeric, isDefault: true),
    .init(oid: 1981, name: "oid_ops", family: 1989, type: .oid, isDefault: true),
    .init(oid: 10032, name: "oidvector_ops", family: 1991, type: .oidvector, isDefault: true),
    .init(oid: 10034, name: "record_ops", family: 2994, type: .record, isDefault: true),
    .init(oid: 3126, name: "text_ops", family: 1994, type: .text, isDefault: true),
    .init(oid: 10038, name: "time_ops", family: 1996, type: .time, isDefault: true),
    .init(oid: 3127, name: "timestamptz_ops", family: 434, type: .timestamptz, isDefault: true),
    .init(oid: 10044, name: "varchar_ops", family: 1994, type: .text, isDefault: false),
    .init(oid: 3128, name: "timestamp_ops", family: 434, type: .timestamp, isDefault: true),
    .init(oid: 4217, name: "text_pattern_ops", family: 2095, type: .text, isDefault: false),
    .init(oid: 4218, name: "varchar_pattern_ops", family: 2095, type: .text, isDefault: false),
    .init(oid: 10050, name: "tid_ops", family: 2789, type: .tid, isDefault: true),
    .init(oid: 10053, name: "xid8_ops", family: 5067, type: TypeOID(5069), isDefault: true),
    .init(oid: 10065, name: "uuid_ops", family: 2968, type: .uuid, isDefault: true),
    .init(oid: 10067, name: "pg_lsn_ops", family: 3253, type: TypeOID(3220), isDefault: true),
]

/// OID of an I/O function by name; clients compare them with `'array_in'::regproc`.
func inputOutputFunction(_ name: [UInt8]) -> UInt32 {
    for (known, oid) in arrayFunctions where bytesEqual(name, known) { return oid }
    return 0
}
let arrayFunctions: [(StaticString, UInt32)] = [
    ("array_in", 750), ("array_out", 751), ("array_recv", 2400), ("array_send", 2401), ("boolin", 1242),
    ("boolout", 1243), ("byteain", 1244), ("byteaout", 31), ("charin", 1245), ("charout", 33), ("namein", 34),
    ("nameout", 35), ("int2in", 38), ("int2out", 39), ("int4in", 42), ("int4out", 43), ("textin", 46), ("textout", 47),
    ("oidin", 1798), ("oidout", 1799), ("int8in", 460), ("int8out", 461), ("float4in", 200), ("float4out", 201),
    ("float8in", 214), ("float8out", 215), ("varcharin", 1046), ("varcharout", 1047), ("bpcharin", 1044),
    ("bpcharout", 1045), ("date_in", 1084), ("date_out", 1085), ("time_in", 1143), ("time_out", 1144),
    ("timestamp_in", 1312), ("timestamp_out", 1313), ("timestamptz_in", 1150), ("timestamptz_out", 1151),
    ("interval_in", 1160), ("interval_out", 1161), ("numeric_in", 1701), ("numeric_out", 1702), ("uuid_in", 2952),
    ("uuid_out", 2953), ("record_in", 2290), ("record_out", 2291), ("record_recv", 2402), ("record_send", 2403),
    ("json_in", 321), ("json_out", 322), ("boolrecv", 2436), ("boolsend", 2437), ("int4recv", 2406),
    ("int4send", 2407), ("int8recv", 2408), ("int8send", 2409), ("textrecv", 2414), ("textsend", 2415),
]

private func typeRow(_ info: TypeInfo) -> [Datum] {
    func function(_ name: [UInt8]) -> Datum { Datum(inputOutputFunction(name)) }
    return [
        Datum(info.oid.rawValue), Datum(bytes: info.name), Datum(WellKnownOID.pgCatalogSchema),
        Datum(WellKnownOID.bootstrapRole), Datum(info.length), Datum(info.isByValue), Datum(char: info.kind),
        Datum(char: info.category), Datum(info.isPreferred), .yes, char(","), .zeroOID,
        function(info.subscriptHandler), Datum(info.element.rawValue), Datum(info.array.rawValue), function(info.input),
        function(info.output), function(info.receive), function(info.send), function(info.modifierInput),
        function(info.modifierOutput), .zeroOID, Datum(char: info.alignment), Datum(char: info.storage), .no, .zeroOID,
        Datum(Int32(-1)), Datum(Int32(0)), Datum(info.collation), .null, .null, .null,
    ]
}

private func functionRow(_ entry: FunctionEntry) -> [Datum] {
    let kind: Unicode.Scalar = entry.isAggregate ? "a" : entry.isWindow ? "w" : "f"
    let volatility: Unicode.Scalar =
        switch entry.volatility {
        case .immutable: "i"
        case .stable: "s"
        case .volatile: "v"
        }
    let variadic: UInt32 = entry.isVariadic ? (entry.arguments.last?.element.rawValue ?? 0) : 0
    return [
        Datum(entry.oid), Datum(bytes: entry.name.array), Datum(WellKnownOID.pgCatalogSchema),
        Datum(WellKnownOID.bootstrapRole), Datum(UInt32(12)), Datum(Float(1)),
        Datum(Float(entry.returnsSet ? 1000 : 0)),
        Datum(variadic), .zeroOID, char(kind), .no, .no, Datum(entry.isStrict), Datum(entry.returnsSet),
        char(volatility), char("s"), Datum(Int16(entry.arguments.count)), Datum(Int16(0)), Datum(entry.result.rawValue),
        oidVector(entry.arguments.map { $0.rawValue }), .null, .null, .null, .null, .null,
        Datum(bytes: entry.name.array), .null, .null, .null, .null,
    ]
}

private func operatorRow(_ entry: OperatorEntry) -> [Datum] {
    [
        Datum(entry.oid), Datum(bytes: entry.name), Datum(WellKnownOID.pgCatalogSchema),
        Datum(WellKnownOID.bootstrapRole), char(entry.left == .none ? "l" : "b"), Datum(entry.canMerge),
        Datum(entry.canHash), Datum(entry.left.rawValue), Datum(entry.right.rawValue), Datum(entry.result.rawValue),
        Datum(entry.commutator), Datum(entry.negator), Datum(entry.function), .zeroOID, .zeroOID,
    ]
}

private func castRow(_ index: Int, _ entry: CastEntry) -> [Datum] {
    var function: UInt32 = 0
    var method: Unicode.Scalar = "b"
    switch entry.method {
    case .relabel: break
    case .inputOutput: method = "i"
    case .function(let oid):
        function = oid
        method = "f"
    }
    let context: Unicode.Scalar =
        switch entry.context {
        case .implicit: "i"
        case .assignment: "a"
        case .explicit: "e"
        }
    return [
        Datum(UInt32(11_000 + index)), Datum(entry.source.rawValue), Datum(entry.target.rawValue), Datum(function),
        char(context), char(method),
    ]
}

var typeProducers: [SystemProducer.Entry] {
    [
        .init(name: "pg_type", key: 0) { (_, key, sink) throws(EngineError) in
            if let key {
                if !key.isNull, let info = TypeTable.builtin.info(TypeOID(key.uint32)) { try sink.add(typeRow(info)) }
                return
            }
            for info in TypeTable.builtin.types { try sink.add(typeRow(info)) }
        },
        .init(name: "pg_proc", key: 0) { (session, key, sink) throws(EngineError) in
            if let key {
                if !key.isNull, let entry = session.catalog.functions.function(oid: key.uint32) {
                    try sink.add(functionRow(entry))
                }
                return
            }
            for entry in session.catalog.functions.functions { try sink.add(functionRow(entry)) }
        },
        .init(name: "pg_operator") { (session, _, sink) throws(EngineError) in
            for entry in session.catalog.functions.operators { try sink.add(operatorRow(entry)) }
        },
        .init(name: "pg_cast") { (session, _, sink) throws(EngineError) in
            for (index, entry) in session.catalog.functions.casts.enumerated() { try sink.add(castRow(index, entry)) }
        },
        .init(name: "pg_aggregate") { (session, _, sink) throws(EngineError) in
            for entry in session.catalog.functions.functions where entry.isAggregate {
                try sink.add(
                    [Datum(entry.oid), char("n"), Datum(Int16(0))]
                        + [Datum](repeating: .zeroOID, count: 8) + [.no, .no, char("r"), char("r"), .zeroOID]
                        + [Datum(UInt32(17)), Datum(Int32(0)), .zeroOID, Datum(Int32(0)), .null, .null])
            }
        },
        .init(name: "pg_am") { (_, _, sink) throws(EngineError) in
            let rows: [(UInt32, StaticString, UInt32, Unicode.Scalar)] = [
                (2, "heap", 3, "t"), (403, "btree", 330, "i"),
            ]
            for row in rows {
                try sink.add([Datum(row.0), Datum(bytes: staticBytes(row.1)), Datum(row.2), char(row.3)])
            }
        },
        .init(name: "pg_opclass") { (_, _, sink) throws(EngineError) in
            for row in operatorClasses {
                try sink.add([
                    Datum(row.oid), Datum(UInt32(403)), Datum(bytes: staticBytes(row.name)),
                    Datum(WellKnownOID.pgCatalogSchema), Datum(WellKnownOID.bootstrapRole), Datum(row.family),
                    Datum(row.type.rawValue), Datum(row.isDefault), .zeroOID,
                ])
            }
        },
        .init(name: "pg_collation") { (_, _, sink) throws(EngineError) in
            let rows: [(UInt32, StaticString, Unicode.Scalar, [UInt8]?)] = [
                (100, "default", "d", nil), (950, "C", "c", staticBytes("C")),
                (951, "POSIX", "c", staticBytes("POSIX")),
            ]
            for row in rows {
                try sink.add([
                    Datum(row.0), Datum(bytes: staticBytes(row.1)), Datum(WellKnownOID.pgCatalogSchema),
                    Datum(WellKnownOID.bootstrapRole), char(row.2), .yes, Datum(Int32(-1)), datum(row.3), datum(row.3),
                    .null, .null,
                ])
            }
        },
        .init(name: "pg_language") { (_, _, sink) throws(EngineError) in
            let rows: [(UInt32, StaticString)] = [(12, "internal"), (13, "c"), (14, "sql")]
            for row in rows {
                try sink.add([
                    Datum(row.0), Datum(bytes: staticBytes(row.1)), Datum(WellKnownOID.bootstrapRole), .no,
                    Datum(row.0 == 14), .zeroOID, .zeroOID, .zeroOID, .null,
                ])
            }
        },
    ]
}
