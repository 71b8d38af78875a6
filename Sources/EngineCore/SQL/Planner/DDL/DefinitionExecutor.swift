// Carries out definition statements: checks as PostgreSQL makes them, then changes to descriptors and trees. All within
// the caller's transaction; a failure half-way is undone by its rollback.

import Platform
import SQLSyntax
import SQLTypes

package struct DefinitionExecutor {
    let session: CatalogSession
    let services: any DefinitionServices
    let context: StatementContext
    var writer: CatalogWriter { CatalogWriter(session: session) }
    var binder: Binder { Binder(context) }

    /// `text` is the whole query text that the statement's positions refer to.
    package init(_ session: CatalogSession, _ services: any DefinitionServices, text: [UInt8]) {
        self.session = session
        self.services = services
        context = StatementContext(session: session, text: text)
    }

    /// Yields the command tag.
    package func execute(_ statement: Statement) throws(EngineError) -> [UInt8] {
        switch statement {
        case .createTable(let create): return try createTable(create)
        case .createTableAs(let create): return try createTableAs(create)
        case .query(let query):
            guard let into = query.into else { throw EngineError.notSupported("this statement") }
            let create = CreateTableAs(name: into.name, source: statement)
            create.persistence = into.persistence
            if case .select(let core) = query.body { context.selectInto = core }
            return try createTableAs(create)
        case .alterTable(let alter): return try alterTable(alter)
        case .createIndex(let create): return try createIndex(create)
        case .createSequence(let create): return try createSequence(create)
        case .alterSequence(let alter): return try alterSequence(alter)
        case .createView(let create): return try createView(create)
        case .createSchema(let create): return try createSchema(create)
        case .createDatabase(let create): return try createDatabase(create)
        case .alterDatabase(let alter): return try alterDatabase(alter)
        case .dropDatabase(let drop): return try dropDatabase(drop)
        case .drop(let drop): return try dropObjects(drop)
        case .rename(let rename): return try self.rename(rename)
        case .setSchema(let change): return try setSchema(change)
        case .setOwner(let change): return try setOwner(change)
        case .truncate(let truncate): return try self.truncate(truncate)
        case .comment(let comment): return try self.comment(comment)
        case .createRole(let create): return try createRole(create)
        case .alterRole(let alter): return try alterRole(alter)
        case .dropRole(let drop): return try dropRole(drop)
        case .grant(let grant): return staticBytes(grant.isGrant ? "GRANT" : "REVOKE")
        case .grantRole(let grant): return try grantRole(grant)
        case .reindex: return staticBytes("REINDEX")
        case .createExtension(let create): return try createExtension(create)
        case .createType: throw EngineError.notSupported("CREATE TYPE")
        case .alterType: throw EngineError.notSupported("ALTER TYPE")
        case .createDomain: throw EngineError.notSupported("CREATE DOMAIN")
        case .createFunction: throw EngineError.notSupported("CREATE FUNCTION")
        case .refreshMaterializedView: throw EngineError.notSupported("materialized views")
        case .cluster: throw EngineError.notSupported("CLUSTER")
        case .alterRoleSetting: throw EngineError.notSupported("ALTER ROLE SET")
        case .reassignOwned: throw EngineError.notSupported("REASSIGN OWNED")
        default: throw EngineError.notSupported("this statement")
        }
    }

    func notice(_ message: String, _ state: SQLState = "00000") {
        services.notice(EngineError(state, message), isWarning: false)
    }

    // MARK: - Names

    /// Where `name` is to be created. Errors: 3F000, 42501 for system schemas.
    func creationSchema(_ name: QualifiedName) throws(EngineError) -> ObjectID {
        if name.parts.count > 3 {
            throw EngineError(
                .syntaxError, "improper qualified name (too many dotted names): \(name.text)",
                position: context.position(name.position))
        }
        if let database = name.catalog, database.bytes != session.databaseName {
            throw EngineError(
                .featureNotSupported, "cross-database references are not implemented: \"\(name.text)\"",
                position: context.position(name.position))
        }
        var schema: ObjectID
        if let schemaName = name.schema {
            schema = try session.requireSchema(schemaName, position: context.position(name.position)).oid
        } else {
            schema = try session.creationSchema()
        }
        if schema == WellKnownOID.pgCatalogSchema || schema == WellKnownOID.informationSchema {
            throw EngineError(
                .insufficientPrivilege,
                "permission denied to create \"\(name.text)\"",
                detail: "System catalog modifications are currently disallowed.")
        }
        if schema == 0 { schema = WellKnownOID.publicSchema }
        return schema
    }

    /// Whether a relation of the name is there; a notice if the statement says IF NOT EXISTS, 42P07 otherwise.
    func skipsExisting(_ schema: ObjectID, _ name: Name, ifNotExists: Bool) throws(EngineError) -> Bool {
        guard try session.relation(in: schema, named: name) != nil else { return false }
        if ifNotExists {
            notice("relation \"\(name.text)\" already exists, skipping", .duplicateTable)
            return true
        }
        throw EngineError(.duplicateTable, "relation \"\(name.text)\" already exists")
    }

    /// A free name in the schema: `base_suffix`, cut to 63 bytes, numbered if taken.
    func freeName(_ parts: [[UInt8]], _ suffix: StaticString, schema: ObjectID, taken: [[UInt8]] = [])
        throws(EngineError) -> [UInt8]
    {
        var attempt = 0
        while true {
            let label = staticBytes(suffix) + (attempt == 0 ? [] : decimal(attempt))
            let name = DefinitionExecutor.objectName(parts, label)
            var isFree = !taken.contains(name)
            if isFree, try session.relation(in: schema, named: Name(name)) != nil { isFree = false }
            if isFree { return name }
            attempt += 1
        }
    }

    /// PostgreSQL's makeObjectName: parts joined by `_`, the longest shortened until all fits.
    static func objectName(_ parts: [[UInt8]], _ label: [UInt8]) -> [UInt8] {
        var pieces = parts
        let overhead = parts.count - 1 + (label.isEmpty ? 0 : label.count + 1)
        while true {
            var total = overhead
            var longest = 0
            for (index, piece) in pieces.enumerated() {
                total += piece.count
                if piece.count > pieces[longest].count { longest = index }
            }
            if total <= Name.maximumByteCount || pieces[longest].isEmpty { break }
            pieces[longest].removeLast()
            // Not in the middle of a character.
            while let last = pieces[longest].last, last & 0xC0 == 0x80 { pieces[longest].removeLast() }
        }
        var name: [UInt8] = []
        for (index, piece) in pieces.enumerated() {
            if index > 0 { name.append(UInt8(ascii: "_")) }
            name += piece
        }
        if !label.isEmpty { name += [UInt8(ascii: "_")] + label }
        return name
    }

    /// Opens a table for a change. Errors: 42P01, 42809.
    /// 42P01, without a position: definition statements name none.
    func missingRelation(_ name: QualifiedName) -> EngineError {
        EngineError(.undefinedTable, "relation \"\(name.text)\" does not exist")
    }

    func openTable(_ name: QualifiedName, _ mode: TableLockMode) throws(EngineError) -> TableDescriptor {
        guard let relation = try session.open(name, mode: mode) else { throw missingRelation(name) }
        switch relation {
        case .table(let table): return table
        case .system:
            throw EngineError(
                .insufficientPrivilege, "permission denied: \"\(name.name.text)\" is a system catalog")
        default: throw EngineError(.wrongObjectType, "\"\(name.name.text)\" is not a table")
        }
    }

    func storageOptions(_ options: [Option]) -> [[UInt8]] {
        options.map { option in
            var value: [UInt8]
            switch option.value {
            case .integer(let number): value = decimal(Int(number))
            case .numeric(let digits), .string(let digits): value = digits
            case .word(let word): value = word.bytes
            case .boolean(let flag): value = staticBytes(flag ? "true" : "false")
            default: value = staticBytes("true")
            }
            return option.name.bytes + [UInt8(ascii: "=")] + value
        }
    }
}
