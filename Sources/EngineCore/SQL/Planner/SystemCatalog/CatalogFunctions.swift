// Functions over the catalog and the session, added to the registry of SQLTypes under PostgreSQL's OIDs.
//
// They see the session through the evaluation context: its `catalog` is this session's CatalogSession. None is on a hot
// path, so they work on datums.

import Platform
import SQLTypes

/// One call: arguments and the session.
struct CatalogCall {
    let arguments: [Datum]
    let context: EvaluationContext
    let session: CatalogSession

    func isNull(_ index: Int) -> Bool { arguments[index].isNull }
    func oid(_ index: Int) -> UInt32 { arguments[index].uint32 }
    func int32(_ index: Int) -> Int32 { arguments[index].int32 }
    func int64(_ index: Int) -> Int64 { arguments[index].int64 }
    func bool(_ index: Int) -> Bool { arguments[index].bool }
    func bytes(_ index: Int) -> [UInt8] { arguments[index].byteArray }
    var services: any SessionServices {
        get throws(EngineError) {
            if let services = session.services { return services }
            throw EngineError(.internalError, "no session around this statement")
        }
    }
}

typealias CatalogBody = @Sendable (CatalogCall) throws(EngineError) -> Datum

extension EvaluationContext {
    /// The session whose statement is being evaluated.
    func requireSession() throws(EngineError) -> CatalogSession {
        guard let catalog else { throw EngineError(.internalError, "no catalog around this statement") }
        return unsafeDowncast(catalog as AnyObject, to: CatalogSession.self)
    }
}

struct CatalogFunctionSet {
    let registry: FunctionRegistry

    func add(
        _ oid: UInt32, _ name: StaticBytes, _ arguments: [TypeOID], _ result: TypeOID, _ documentation: StaticString,
        volatility: Volatility = .stable, strict: Bool = true, _ body: @escaping CatalogBody
    ) {
        let kernel: Kernel = { (frame: KernelFrame) throws(EngineError) in
            let session = try frame.context.requireSession()
            for index in 0..<frame.selection.count {
                let row = frame.selection[index]
                var values: [Datum] = []
                var hasNull = false
                for vector in frame.arguments {
                    let value = vector.datum(row)
                    if value.isNull { hasNull = true }
                    values.append(value)
                }
                if hasNull && strict {
                    frame.result.setNull(row)
                    continue
                }
                try frame.result.setDatum(
                    row, body(CatalogCall(arguments: values, context: frame.context, session: session)))
            }
        }
        registry.add(
            FunctionEntry(
                oid: oid, name: name, arguments: arguments, result: result, isStrict: strict, volatility: volatility,
                body: .kernel(kernel), documentation: documentation))
    }

    /// The same function for user given by name, by OID, or left out; the object by name or by OID.
    func privilege(_ name: StaticBytes, _ oids: [UInt32], object: TypeOID = .text) {
        let shapes: [[TypeOID]] = [
            [.name, .text, .text], [.name, .oid, .text], [.oid, .text, .text], [.oid, .oid, .text], [.text, .text],
            [.oid, .text],
        ]
        for (index, oid) in oids.enumerated() {
            add(oid, name, shapes[index], .bool, "Whether the user has the privilege") { _ in Datum(true) }
        }
    }
}

func declareCatalogFunctions(_ registry: FunctionRegistry) {
    let set = CatalogFunctionSet(registry: registry)
    declareSessionFunctions(set)
    declareServerFunctions(set)
    declareNameFunctions(set)
    declareDefinitionFunctions(set)
    declareSequenceFunctions(set)
    declareSizeFunctions(set)
    declarePrivilegeFunctions(set)
    declareEmptyFunctions(set)
    declareWindowFunctions(registry)
    registry.add(
        FunctionEntry(
            oid: 13_400, name: "_pg_expandarray", arguments: [.anyarray], result: .record, volatility: .immutable,
            body: .rows { (call: SetCall) throws(EngineError) in RowIterator(arrayElements(call.arguments[0])) },
            documentation: "Elements of an array with their positions"))
}

/// Rows (element, position from 1) of an array.
private func arrayElements(_ array: Datum) -> [[Datum]] {
    if array.isNull { return [] }
    return array.withBytes { bytes -> [[Datum]] in
        let value = ArrayValue(bytes)
        return (0..<value.count).map { [value.datum($0), Datum(Int32($0 + 1))] }
    }
}

/// Evaluated by the Window operator, which knows them by OID.
private func declareWindowFunctions(_ registry: FunctionRegistry) {
    let rows: [(UInt32, StaticBytes, [TypeOID], TypeOID)] = [
        (3100, "row_number", [], .int8), (3101, "rank", [], .int8), (3102, "dense_rank", [], .int8),
        (3103, "percent_rank", [], .float8), (3104, "cume_dist", [], .float8), (3105, "ntile", [.int4], .int4),
        (3106, "lag", [.anyelement], .anyelement), (3107, "lag", [.anyelement, .int4], .anyelement),
        (3108, "lag", [.anycompatible, .int4, .anycompatible], .anycompatible),
        (3109, "lead", [.anyelement], .anyelement), (3110, "lead", [.anyelement, .int4], .anyelement),
        (3111, "lead", [.anycompatible, .int4, .anycompatible], .anycompatible),
        (3112, "first_value", [.anyelement], .anyelement), (3113, "last_value", [.anyelement], .anyelement),
        (3114, "nth_value", [.anyelement, .int4], .anyelement),
    ]
    for (oid, name, arguments, result) in rows where registry.functions.allSatisfy({ $0.oid != oid }) {
        registry.add(
            FunctionEntry(
                oid: oid, name: name, arguments: arguments, result: result, isStrict: false,
                body: .external(.window), documentation: "Window function"))
    }
}

func datum(_ bytes: [UInt8]?) -> Datum { bytes.map { Datum(bytes: $0) } ?? .null }

/// text[] or name[] of the values.
func textArray(_ values: [[UInt8]], element: TypeOID = .text) -> Datum {
    var builder = ArrayBuilder(element: element)
    for value in values { builder.append(Datum(bytes: value)) }
    return Datum(bytes: builder.finish())
}
func oidArray(_ values: [UInt32], element: TypeOID = .oid) -> Datum {
    var builder = ArrayBuilder(element: element)
    for value in values { builder.append(Datum(value)) }
    return Datum(bytes: builder.finish())
}
/// int2[] (or an int2vector, whose form is the same but counted from 0).
func smallintArray(_ values: [Int16], isVector: Bool) -> Datum {
    var builder = ArrayBuilder(element: .int2)
    for value in values { builder.append(Datum(value)) }
    return Datum(bytes: builder.finish(lower: isVector ? 0 : 1))
}
func oidVector(_ values: [UInt32]) -> Datum {
    var builder = ArrayBuilder(element: .oid)
    for value in values { builder.append(Datum(value)) }
    return Datum(bytes: builder.finish(lower: 0))
}

// MARK: - The session

private func declareSessionFunctions(_ set: CatalogFunctionSet) {
    set.add(89, "version", [], .text, "Version of the server") { _ in
        Datum(text: "PostgreSQL 15.8 (DBKernel) on x86_64, compiled by Swift, 64-bit")
    }
    set.add(861, "current_database", [], .name, "Name of the database") { (call) throws(EngineError) in
        Datum(bytes: call.session.databaseName)
    }
    set.add(745, "current_user", [], .name, "Name of the current user") { (call) throws(EngineError) in
        Datum(bytes: call.session.services?.userName ?? call.session.userName)
    }
    set.add(746, "session_user", [], .name, "Name of the session's user") { (call) throws(EngineError) in
        Datum(bytes: call.session.services?.sessionUserName ?? call.session.userName)
    }
    set.add(1402, "current_schema", [], .name, "First schema of the search path") { (call) throws(EngineError) in
        for oid in try call.session.currentSchemas(includeImplicit: false) {
            return datum(try call.session.schema(oid)?.name)
        }
        return .null
    }
    set.add(1403, "current_schemas", [.bool], .nameArray, "Schemas of the search path") {
        (call) throws(EngineError) in
        var names: [[UInt8]] = []
        for oid in try call.session.currentSchemas(includeImplicit: call.bool(0)) {
            if let schema = try call.session.schema(oid) { names.append(schema.name) }
        }
        return textArray(names, element: .name)
    }
    let setting: CatalogBody = { (call) throws(EngineError) in
        let name = call.bytes(0)
        if let value = try call.services.setting(name) { return Datum(bytes: value) }
        if call.arguments.count == 2, call.bool(1) { return .null }
        throw EngineError(.undefinedObject, "unrecognized configuration parameter \"\(text(name))\"")
    }
    set.add(2077, "current_setting", [.text], .text, "Value of a setting", setting)
    set.add(3294, "current_setting", [.text, .bool], .text, "Value of a setting, NULL if there is none", setting)
    set.add(
        2078, "set_config", [.text, .text, .bool], .text, "Changes a setting", volatility: .volatile, strict: false
    ) { (call) throws(EngineError) in
        if call.isNull(0) {
            throw EngineError("22004", "SET requires parameter name")
        }
        let value = call.isNull(1) ? [] : call.bytes(1)
        try call.services.setSetting(call.bytes(0), to: value, isLocal: !call.isNull(2) && call.bool(2))
        return datum(try call.services.setting(call.bytes(0)))
    }
}

// MARK: - The server and its sessions

private func declareServerFunctions(_ set: CatalogFunctionSet) {
    set.add(2026, "pg_backend_pid", [], .int4, "Process id of the session") { (call) throws(EngineError) in
        Datum(try call.services.processID)
    }
    set.add(2171, "pg_cancel_backend", [.int4], .bool, "Cancels a session's query", volatility: .volatile) {
        (call) throws(EngineError) in Datum(try call.services.signal(processID: call.int32(0), terminate: false))
    }
    set.add(2096, "pg_terminate_backend", [.int4], .bool, "Ends a session", volatility: .volatile) {
        (call) throws(EngineError) in Datum(try call.services.signal(processID: call.int32(0), terminate: true))
    }
    set.add(2626, "pg_sleep", [.float8], .void, "Waits so many seconds", volatility: .volatile) {
        (call) throws(EngineError) in
        let seconds = call.arguments[0].float64
        // A century is for ever.
        if seconds > 0 { try call.services.sleep(microseconds: Int64(min(seconds, 3.2e9) * 1e6)) }
        return Datum(bytes: [])
    }
    set.add(2560, "pg_postmaster_start_time", [], .timestamptz, "When the server started") {
        (call) throws(EngineError) in Datum(try call.services.serverStartTime)
    }
    set.add(2034, "pg_conf_load_time", [], .timestamptz, "When the settings were read") {
        (call) throws(EngineError) in Datum(try call.services.serverStartTime)
    }
    set.add(3810, "pg_is_in_recovery", [], .bool, "Whether the server is a standby", volatility: .volatile) { _ in
        Datum(false)
    }
    set.add(1597, "pg_encoding_to_char", [.int4], .name, "Name of an encoding") { (call) throws(EngineError) in
        Datum(bytes: call.int32(0) == 6 ? staticBytes("UTF8") : call.int32(0) == 0 ? staticBytes("SQL_ASCII") : [])
    }
    set.add(1264, "pg_char_to_encoding", [.name], .int4, "Number of an encoding") { (call) throws(EngineError) in
        let name = call.bytes(0).map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        return Datum(bytesEqual(name, "utf8") || bytesEqual(name, "unicode") ? Int32(6) : -1)
    }
    set.add(1039, "getdatabaseencoding", [], .name, "Encoding of the database") { _ in Datum(text: "UTF8") }
    set.add(3378, "pg_isolation_test_session_is_blocked", [.int4, .int4Array], .bool, "For isolation tests") { _ in
        Datum(false)
    }
    set.add(
        2561, "pg_blocking_pids", [.int4], .int4Array, "Sessions that block a session", volatility: .volatile
    ) { _ in Datum(bytes: ArrayBuilder(element: .int4).finish()) }
    set.add(2854, "pg_my_temp_schema", [], .oid, "Schema of temporary tables") { _ in Datum(UInt32(0)) }
    set.add(2855, "pg_is_other_temp_schema", [.oid], .bool, "Whether another session's") { _ in Datum(false) }
    set.add(315, "pg_jit_available", [], .bool, "Whether plans are compiled", volatility: .volatile) { _ in
        Datum(false)
    }
}

// MARK: - Privileges: every role that may log in may do everything

private func declarePrivilegeFunctions(_ set: CatalogFunctionSet) {
    set.privilege("has_table_privilege", [1922, 1923, 1924, 1925, 1926, 1927])
    set.privilege("has_schema_privilege", [2268, 2269, 2270, 2271, 2272, 2273])
    set.privilege("has_database_privilege", [2250, 2251, 2252, 2253, 2254, 2255])
    set.privilege("has_sequence_privilege", [2181, 2182, 2183, 2184, 2185, 2186])
    set.privilege("has_function_privilege", [2256, 2257, 2258, 2259, 2260, 2261])
    set.privilege("has_language_privilege", [2262, 2263, 2264, 2265, 2266, 2267])
    set.privilege("has_tablespace_privilege", [2390, 2391, 2392, 2393, 2394, 2395])
    set.privilege("has_type_privilege", [3138, 3139, 3140, 3141, 3142, 3143])
    set.privilege("has_server_privilege", [3006, 3007, 3008, 3009, 3010, 3011])
    set.privilege("has_foreign_data_wrapper_privilege", [3000, 3001, 3002, 3003, 3004, 3005])
    set.privilege("has_any_column_privilege", [3024, 3025, 3026, 3027, 3028, 3029])
    let columnShapes: [(UInt32, [TypeOID])] = [
        (3012, [.name, .text, .text, .text]), (3013, [.name, .text, .int2, .text]),
        (3014, [.name, .oid, .text, .text]), (3015, [.name, .oid, .int2, .text]), (3020, [.text, .text, .text]),
        (3021, [.text, .int2, .text]), (3022, [.oid, .text, .text]), (3023, [.oid, .int2, .text]),
    ]
    for (oid, shape) in columnShapes {
        set.add(oid, "has_column_privilege", shape, .bool, "Whether the user has the privilege") { _ in Datum(true) }
    }
    let roleShapes: [(UInt32, [TypeOID])] = [
        (2705, [.name, .name, .text]), (2706, [.name, .oid, .text]), (2707, [.oid, .name, .text]),
        (2708, [.oid, .oid, .text]), (2709, [.name, .text]), (2710, [.oid, .text]),
    ]
    for (oid, shape) in roleShapes {
        set.add(oid, "pg_has_role", shape, .bool, "Whether the user is a member of the role") { _ in Datum(true) }
    }
}
