// Names and visibility of objects; the reg types' input and output.

import Platform
import SQLSyntax
import SQLTypes

extension CatalogSession: CatalogNames {
    package func object(named name: [UInt8], kind: TypeOID) throws(EngineError) -> UInt32? {
        switch kind {
        case .regclass: return try lookup(QualifiedName(try QualifiedNameText.parse(name)))?.oid
        case .regnamespace: return try schema(named: QualifiedNameText.single(name))?.oid
        case .regrole: return try role(named: QualifiedNameText.single(name))?.oid
        case .regproc, .regprocedure:
            let parts = try QualifiedNameText.parse(
                name.split(separator: UInt8(ascii: "("), maxSplits: 1).first.map { Array($0) } ?? name)
            guard let last = parts.last else { return nil }
            let found = catalog.functions.functions(named: last.bytes)
            if kind == .regproc, found.count > 1 {
                throw EngineError(.ambiguousFunction, "more than one function named \"\(text(name))\"")
            }
            return found.first?.oid
        case .regcollation:
            return bytesEqual(QualifiedNameText.single(name), "default")
                ? 100 : bytesEqual(QualifiedNameText.single(name), "C") ? 950 : nil
        default: return nil
        }
    }

    package func name(of object: UInt32, kind: TypeOID) throws(EngineError) -> [UInt8]? {
        switch kind {
        case .regclass:
            guard let relation = try relation(object) else { return nil }
            if try isVisible(relation) { return QuotedNames.identifier(relation.name) }
            guard let schema = try schema(relation.schema) else { return nil }
            return QuotedNames.qualified(schema.name, relation.name)
        case .regnamespace: return try schema(object).map { QuotedNames.identifier($0.name) }
        case .regrole: return try role(object).map { QuotedNames.identifier($0.name) }
        case .regproc: return catalog.functions.function(oid: object).map { $0.name.array }
        case .regprocedure:
            return catalog.functions.function(oid: object).map { entry in
                var out = entry.name.array + [UInt8(ascii: "(")]
                for (index, type) in entry.arguments.enumerated() {
                    if index > 0 { out.append(UInt8(ascii: ",")) }
                    out += TypeNames.format(type) ?? []
                }
                return out + [UInt8(ascii: ")")]
            }
        case .regoper, .regoperator: return catalog.functions.operatorEntry(oid: object).map { $0.name }
        case .regcollation:
            return object == 100 ? staticBytes("\"default\"") : object == 950 ? staticBytes("\"C\"") : nil
        default: return nil
        }
    }
}

/// Possibly qualified and quoted names in the text of reg values.
enum QualifiedNameText {
    /// Error 42602 for text that is no name.
    static func parse(_ source: [UInt8]) throws(EngineError) -> [Name] {
        var parts: [Name] = []
        var current: [UInt8] = []
        var index = 0
        var hasPart = false
        while index < source.count {
            let byte = source[index]
            if byte == UInt8(ascii: "\"") {
                index += 1
                while index < source.count {
                    if source[index] == UInt8(ascii: "\"") {
                        if index + 1 < source.count, source[index + 1] == UInt8(ascii: "\"") {
                            index += 1
                        } else {
                            break
                        }
                    }
                    current.append(source[index])
                    index += 1
                }
                if index >= source.count { throw EngineError("42602", "invalid name syntax") }
                hasPart = true
            } else if byte == UInt8(ascii: ".") {
                if !hasPart { throw EngineError("42602", "invalid name syntax") }
                parts.append(Name(current))
                current = []
                hasPart = false
            } else if byte != 0x20 {
                current.append(byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte)
                hasPart = true
            }
            index += 1
        }
        if !hasPart { throw EngineError("42602", "invalid name syntax") }
        parts.append(Name(current))
        return parts
    }
    static func single(_ source: [UInt8]) -> [UInt8] {
        let parts = (try? parse(source)) ?? []
        return parts.count == 1 ? parts[0].bytes : source
    }
}

func declareNameFunctions(_ set: CatalogFunctionSet) {
    set.add(1642, "pg_get_userbyid", [.oid], .name, "Name of a role") { (call) throws(EngineError) in
        if let role = try call.session.role(call.oid(0)) { return Datum(bytes: role.name) }
        return Datum(bytes: staticBytes("unknown (OID=") + decimal(Int(call.oid(0))) + staticBytes(")"))
    }
    set.add(2079, "pg_table_is_visible", [.oid], .bool, "Whether an unqualified name finds it") {
        (call) throws(EngineError) in
        guard let relation = try call.session.relation(call.oid(0)) else { return .null }
        return Datum(try call.session.isVisible(relation))
    }
    let always: [(UInt32, StaticBytes)] = [
        (2080, "pg_type_is_visible"), (2081, "pg_function_is_visible"), (2082, "pg_operator_is_visible"),
        (2083, "pg_opclass_is_visible"), (3829, "pg_opfamily_is_visible"), (3815, "pg_collation_is_visible"),
        (2093, "pg_conversion_is_visible"), (3403, "pg_statistics_obj_is_visible"),
        (3756, "pg_ts_parser_is_visible"), (3757, "pg_ts_dict_is_visible"), (3768, "pg_ts_template_is_visible"),
        (3758, "pg_ts_config_is_visible"),
    ]
    for (oid, name) in always {
        set.add(oid, name, [.oid], .bool, "Whether an unqualified name finds it") { _ in Datum(true) }
    }
    let lookups: [(UInt32, StaticBytes, TypeOID)] = [
        (3495, "to_regclass", .regclass), (3493, "to_regtype", .regtype), (4086, "to_regnamespace", .regnamespace),
        (4093, "to_regrole", .regrole), (3494, "to_regproc", .regproc), (3479, "to_regprocedure", .regprocedure),
    ]
    for (oid, name, type) in lookups {
        set.add(oid, name, [.text], type, "The object of that name, NULL if there is none") {
            (call) throws(EngineError) in
            let bytes = call.bytes(0)
            do throws(EngineError) {
                return try bytes.withUnsafeBytes { raw -> Result<Datum, EngineError> in
                    do throws(EngineError) { return .success(try TypeIO.input(raw, SQLType(type), call.context)) } catch
                    {
                        return .failure(error)
                    }
                }.get()
            } catch {
                return .null
            }
        }
    }
    set.add(1079, "regclass", [.text], .regclass, "The relation of that name") { (call) throws(EngineError) in
        let name = call.bytes(0)
        guard let oid = try call.session.object(named: name, kind: .regclass) else {
            throw EngineError(.undefinedTable, "relation \"\(text(name))\" does not exist")
        }
        return Datum(oid)
    }
    declareDescriptions(set)
}

private func declareDescriptions(_ set: CatalogFunctionSet) {
    let object: CatalogBody = { (call) throws(EngineError) in
        switch try call.session.relation(call.oid(0)) {
        case .table(let table)?: return datum(table.comment)
        case .view(let view)?: return datum(view.comment)
        case .sequence(let sequence)?: return datum(sequence.comment)
        case .index(_, let index)?: return datum(index.comment)
        default: break
        }
        if let schema = try call.session.schema(call.oid(0)) { return datum(schema.comment) }
        for table in try call.session.allTables() {
            for constraint in table.constraints where constraint.oid == call.oid(0) { return datum(constraint.comment) }
        }
        if call.arguments.count == 2, bytesEqual(call.bytes(1), "pg_proc"),
            let entry = call.session.catalog.functions.function(oid: call.oid(0))
        {
            return Datum(text: entry.documentation)
        }
        return .null
    }
    set.add(1215, "obj_description", [.oid, .name], .text, "Comment on an object", object)
    set.add(1348, "obj_description", [.oid], .text, "Comment on an object", object)
    set.add(1216, "col_description", [.oid, .int4], .text, "Comment on a column") { (call) throws(EngineError) in
        guard case .table(let table)? = try call.session.relation(call.oid(0)) else { return .null }
        let index = Int(call.int32(1)) - 1
        return table.columns.indices.contains(index) ? datum(table.columns[index].comment) : .null
    }
    set.add(1993, "shobj_description", [.oid, .name], .text, "Comment on a shared object") {
        (call) throws(EngineError) in
        for database in try call.session.databases() where database.oid == call.oid(0) {
            return datum(database.comment)
        }
        return .null
    }
}
