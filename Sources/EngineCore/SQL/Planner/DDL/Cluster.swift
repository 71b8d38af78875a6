// Schemas, databases, roles: what lies above relations. And the first contents of an empty catalog.

import Platform
import SQLSyntax
import SQLTypes

extension DefinitionExecutor {
    func createSchema(_ create: CreateSchema) throws(EngineError) -> [UInt8] {
        let owner = try create.authorization.map { (role) throws(EngineError) in try roleOID(role) } ?? session.user
        let name = create.name ?? Name(session.userName)
        if name.bytes.starts(with: staticBytes("pg_")) {
            throw EngineError(
                "42939", "unacceptable schema name \"\(name.text)\"",
                detail: "The prefix \"pg_\" is reserved for system schemas.")
        }
        let schema = SchemaDescriptor(
            oid: try session.storage.newObjectID(), name: name.bytes, owner: owner, comment: nil)
        let key = CatalogKey.name(session.database, .schemaName, name.bytes)
        var isNew = try session.schema(named: name.bytes) == nil
        if isNew { isNew = try session.storage.insert(key, RelationNameEntry(oid: schema.oid).encoded()) }
        if !isNew {
            let message = "schema \"\(name.text)\" already exists"
            if !create.ifNotExists { throw EngineError("42P06", message) }
            notice(message + ", skipping", "42P06")
            return staticBytes("CREATE SCHEMA")
        }
        _ = try session.storage.insert(
            CatalogKey.object(session.database, .schema, schema.oid), schema.encoded())
        session.noteChange()
        if !create.elements.isEmpty { throw EngineError.notSupported("elements in CREATE SCHEMA") }
        return staticBytes("CREATE SCHEMA")
    }

    func renameSchema(_ old: Name, _ new: Name) throws(EngineError) {
        var schema = try session.requireSchema(old)
        if try session.schema(named: new.bytes) != nil {
            throw EngineError("42P06", "schema \"\(new.text)\" already exists")
        }
        guard schema.oid >= WellKnownOID.publicSchema, schema.oid != WellKnownOID.informationSchema else {
            throw EngineError(.insufficientPrivilege, "permission denied for schema \(old.text)")
        }
        schema.name = new.bytes
        try session.storage.delete(CatalogKey.name(session.database, .schemaName, old.bytes))
        _ = try session.storage.insert(
            CatalogKey.name(session.database, .schemaName, new.bytes), RelationNameEntry(oid: schema.oid).encoded())
        try session.storage.update(CatalogKey.object(session.database, .schema, schema.oid), schema.encoded())
        session.noteChange()
    }

    // MARK: - Databases

    private func requireNoTransactionBlock(_ what: String) throws(EngineError) {
        if session.services?.isInTransactionBlock == true {
            throw EngineError(.activeSQLTransaction, "\(what) cannot run inside a transaction block")
        }
    }

    func createDatabase(_ create: CreateDatabase) throws(EngineError) -> [UInt8] {
        try requireNoTransactionBlock("CREATE DATABASE")
        var database = DatabaseDescriptor(
            oid: try session.storage.newObjectID(), name: create.name.bytes, owner: session.user)
        for option in create.options {
            if option.name.matches("owner"), case .word(let role) = option.value {
                database.owner = try roleOID(.named(role))
            } else if option.name.matches("connection_limit"), case .integer(let limit) = option.value {
                database.connectionLimit = Int32(truncatingIfNeeded: limit)
            } else if option.name.matches("encoding") {
                try checkEncoding(option)
            } else if option.name.matches("template"), case .word(let template) = option.value,
                try session.database(named: template.bytes) == nil
            {
                throw EngineError(
                    .invalidCatalogName, "template database \"\(template.text)\" does not exist")
            }
        }
        guard
            try session.storage.insert(
                CatalogKey.name(0, .databaseName, create.name.bytes), RelationNameEntry(oid: database.oid).encoded())
        else { throw EngineError(.duplicateDatabase, "database \"\(create.name.text)\" already exists") }
        try CatalogBootstrap.addDatabase(database, named: false, session.storage)
        session.noteChange()
        try services.databaseCreated(database)
        return staticBytes("CREATE DATABASE")
    }

    private func checkEncoding(_ option: Option) throws(EngineError) {
        var name: [UInt8] = []
        if case .string(let bytes) = option.value { name = bytes }
        if case .word(let word) = option.value { name = word.bytes }
        let folded = name.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        let isKnown =
            folded.isEmpty || bytesEqual(folded, "utf8") || bytesEqual(folded, "utf-8") || bytesEqual(folded, "unicode")
            || bytesEqual(folded, "default")
        if !isKnown { throw EngineError.notSupported("encoding \"\(text(name))\"") }
    }

    func alterDatabase(_ alter: AlterDatabase) throws(EngineError) -> [UInt8] {
        guard var database = try session.database(named: alter.name.bytes) else {
            throw EngineError(.invalidCatalogName, "database \"\(alter.name.text)\" does not exist")
        }
        switch alter.action {
        case .options(let options):
            for option in options {
                switch option.value {
                case .integer(let value) where option.name.matches("connection_limit"):
                    database.connectionLimit = Int32(truncatingIfNeeded: value)
                case .boolean(let value) where option.name.matches("allow_connections"):
                    database.allowsConnections = value
                case .boolean(let value) where option.name.matches("is_template"): database.isTemplate = value
                default: throw EngineError.notSupported("this database option")
                }
            }
        case .set: throw EngineError.notSupported("ALTER DATABASE SET")
        case .refreshCollation: break
        }
        try session.storage.update(CatalogKey.object(0, .database, database.oid), database.encoded())
        return staticBytes("ALTER DATABASE")
    }

    func dropDatabase(_ drop: DropDatabase) throws(EngineError) -> [UInt8] {
        let tag = staticBytes("DROP DATABASE")
        try requireNoTransactionBlock("DROP DATABASE")
        guard let database = try session.database(named: drop.name.bytes) else {
            let message = "database \"\(drop.name.text)\" does not exist"
            if !drop.ifExists { throw EngineError(.invalidCatalogName, message) }
            notice(message + ", skipping")
            return tag
        }
        if database.oid == session.database {
            throw EngineError(.objectInUse, "cannot drop the currently open database")
        }
        if database.isTemplate { throw EngineError(.wrongObjectType, "cannot drop a template database") }
        try waitUntilUnused(database, drop)
        let inside = CatalogSession(
            catalog: session.catalog, storage: session.storage, context: session.context, database: database.oid,
            databaseName: database.name, user: session.user, userName: session.userName)
        for table in try inside.allTables() {
            for index in table.indexes {
                try services.dropTree(treeID: index.treeID, rootPage: index.rootPage, isTable: false)
            }
            try services.dropTree(treeID: table.treeID, rootPage: table.rootPage, isTable: true)
        }
        for sequence in try inside.allSequences() { try services.dropSequence(sequence) }
        var keys: [[UInt8]] = []
        var prefix: [UInt8] = []
        CatalogKey.append(database.oid, to: &prefix)
        try session.storage.scan(prefix) { (key, _) throws(EngineError) in keys.append(key) }
        for key in keys { try session.storage.delete(key) }
        try session.storage.delete(CatalogKey.object(0, .database, database.oid))
        try session.storage.delete(CatalogKey.name(0, .databaseName, database.name))
        session.noteChange()
        try services.databaseDropped(database)
        return tag
    }

    /// Parks until nobody is connected to the database. A client may have left without the server's having heard of it, and whoever
    /// is told to go needs a moment: five seconds, as in PostgreSQL. 55006 after that.
    private func waitUntilUnused(_ database: DatabaseDescriptor, _ drop: DropDatabase) throws(EngineError) {
        guard let services = session.services else { return }
        for pause in 0... {
            let others = services.activities().filter { $0.database == database.oid }
            if others.isEmpty { return }
            if pause == 500 {
                let count = others.count == 1 ? "is 1 other session" : "are \(others.count) other sessions"
                throw EngineError(
                    .objectInUse, "database \"\(drop.name.text)\" is being accessed by other users",
                    detail: "There \(count) using the database.")
            }
            if drop.force {
                for other in others { _ = services.signal(processID: other.processID, terminate: true) }
            }
            try services.sleep(microseconds: 10_000)
        }
    }

    func renameDatabase(_ old: Name, _ new: Name) throws(EngineError) {
        guard var database = try session.database(named: old.bytes) else {
            throw EngineError(.invalidCatalogName, "database \"\(old.text)\" does not exist")
        }
        if database.oid == session.database {
            throw EngineError(.featureNotSupported, "current database cannot be renamed")
        }
        guard
            try session.storage.insert(
                CatalogKey.name(0, .databaseName, new.bytes), RelationNameEntry(oid: database.oid).encoded())
        else { throw EngineError(.duplicateDatabase, "database \"\(new.text)\" already exists") }
        try session.storage.delete(CatalogKey.name(0, .databaseName, old.bytes))
        database.name = new.bytes
        try session.storage.update(CatalogKey.object(0, .database, database.oid), database.encoded())
    }

    // MARK: - Roles

    func roleOID(_ role: RoleSpecification) throws(EngineError) -> ObjectID {
        switch role {
        case .currentRole, .currentUser, .sessionUser: return session.user
        case .public: return 0
        case .named(let name):
            guard let found = try session.role(named: name.bytes) else {
                throw EngineError(.undefinedObject, "role \"\(name.text)\" does not exist")
            }
            return found.oid
        }
    }

    private func apply(_ options: [RoleOption], to role: inout RoleDescriptor) throws(EngineError) {
        for option in options {
            switch option {
            case .password(let password): role.password = password
            case .superuser(let value): role.isSuperuser = value
            case .createDB(let value): role.canCreateDatabase = value
            case .createRole(let value): role.canCreateRole = value
            case .inherit(let value): role.inherits = value
            case .login(let value): role.canLogin = value
            case .replication(let value): role.canReplicate = value
            case .bypassRLS(let value): role.bypassesRowSecurity = value
            case .connectionLimit(let value): role.connectionLimit = Int32(truncatingIfNeeded: value)
            case .validUntil(let value):
                let time = try Datum(bytes: value).withBytes { (raw) throws(EngineError) in
                    try TypeIO.input(raw, SQLType(.timestamptz), session.context)
                }
                role.validUntil = time.int64
            case .inRole(let roles):
                for other in roles { role.memberOf.append(try roleOID(other)) }
            case .role, .admin: throw EngineError.notSupported("members in CREATE ROLE")
            case .sysid: break
            }
        }
    }

    func createRole(_ create: CreateRole) throws(EngineError) -> [UInt8] {
        var role = RoleDescriptor(oid: try session.storage.newObjectID(), name: create.name.bytes)
        role.canLogin = create.kind == .user
        if create.name.bytes.starts(with: staticBytes("pg_")) {
            throw EngineError(
                "42939", "role name \"\(create.name.text)\" is reserved",
                detail: "Role names starting with \"pg_\" are reserved.")
        }
        try apply(create.options, to: &role)
        guard
            try session.storage.insert(
                CatalogKey.name(0, .roleName, role.name), RelationNameEntry(oid: role.oid).encoded())
        else { throw EngineError(.duplicateObject, "role \"\(create.name.text)\" already exists") }
        _ = try session.storage.insert(CatalogKey.object(0, .role, role.oid), role.encoded())
        return staticBytes("CREATE ROLE")
    }

    func alterRole(_ alter: AlterRole) throws(EngineError) -> [UInt8] {
        guard var role = try session.role(try roleOID(alter.role)) else {
            throw EngineError(.undefinedObject, "role does not exist")
        }
        try apply(alter.options, to: &role)
        try session.storage.update(CatalogKey.object(0, .role, role.oid), role.encoded())
        return staticBytes("ALTER ROLE")
    }

    func dropRole(_ drop: DropRole) throws(EngineError) -> [UInt8] {
        for specification in drop.roles {
            if case .named(let name) = specification, try session.role(named: name.bytes) == nil {
                let message = "role \"\(name.text)\" does not exist"
                if !drop.ifExists { throw EngineError(.undefinedObject, message) }
                notice(message + ", skipping")
                continue
            }
            guard let role = try session.role(try roleOID(specification)) else { continue }
            if role.oid == session.user { throw EngineError(.objectInUse, "current user cannot be dropped") }
            for table in try session.allTables() where table.owner == role.oid {
                throw EngineError(
                    "2BP01", "role \"\(text(role.name))\" cannot be dropped because some objects depend on it",
                    detail: "owner of table \(text(table.name))")
            }
            try session.storage.delete(CatalogKey.object(0, .role, role.oid))
            try session.storage.delete(CatalogKey.name(0, .roleName, role.name))
        }
        return staticBytes("DROP ROLE")
    }

    func renameRole(_ old: Name, _ new: Name) throws(EngineError) {
        guard var role = try session.role(named: old.bytes) else {
            throw EngineError(.undefinedObject, "role \"\(old.text)\" does not exist")
        }
        guard
            try session.storage.insert(
                CatalogKey.name(0, .roleName, new.bytes), RelationNameEntry(oid: role.oid).encoded())
        else { throw EngineError(.duplicateObject, "role \"\(new.text)\" already exists") }
        try session.storage.delete(CatalogKey.name(0, .roleName, old.bytes))
        role.name = new.bytes
        try session.storage.update(CatalogKey.object(0, .role, role.oid), role.encoded())
    }

    func grantRole(_ grant: GrantRole) throws(EngineError) -> [UInt8] {
        for grantee in grant.grantees {
            guard var member = try session.role(try roleOID(grantee)) else { continue }
            for name in grant.roles {
                let oid = try roleOID(.named(name))
                member.memberOf.removeAll { $0 == oid }
                if grant.isGrant { member.memberOf.append(oid) }
            }
            try session.storage.update(CatalogKey.object(0, .role, member.oid), member.encoded())
        }
        return staticBytes(grant.isGrant ? "GRANT ROLE" : "REVOKE ROLE")
    }

    func createExtension(_ create: CreateExtension) throws(EngineError) -> [UInt8] {
        if create.name.matches("plpgsql"), create.ifNotExists {
            notice("extension \"plpgsql\" already exists, skipping", .duplicateObject)
            return staticBytes("CREATE EXTENSION")
        }
        throw EngineError(
            .featureNotSupported, "extension \"\(create.name.text)\" is not available",
            hint: "The extension must first be installed on the system where PostgreSQL is running.")
    }
}

/// What an empty catalog gets when an instance is made.
package enum CatalogBootstrap {
    /// Databases postgres, template0, template1, each with a schema public, and the superuser `userName`.
    package static func install(userName: [UInt8], _ storage: any CatalogStorage) throws(EngineError) {
        var user = RoleDescriptor(oid: WellKnownOID.bootstrapRole, name: userName)
        user.isSuperuser = true
        user.canLogin = true
        user.canCreateRole = true
        user.canCreateDatabase = true
        user.canReplicate = true
        user.bypassesRowSecurity = true
        let owner = RoleDescriptor(
            oid: WellKnownOID.databaseOwnerRole, name: staticBytes("pg_database_owner"))
        for role in [user, owner] {
            _ = try storage.insert(
                CatalogKey.name(0, .roleName, role.name), RelationNameEntry(oid: role.oid).encoded())
            _ = try storage.insert(CatalogKey.object(0, .role, role.oid), role.encoded())
        }
        var template1 = DatabaseDescriptor(oid: 1, name: staticBytes("template1"), owner: WellKnownOID.bootstrapRole)
        template1.isTemplate = true
        template1.comment = staticBytes("default template for new databases")
        var template0 = DatabaseDescriptor(oid: 4, name: staticBytes("template0"), owner: WellKnownOID.bootstrapRole)
        template0.isTemplate = true
        template0.allowsConnections = false
        template0.comment = staticBytes("unmodifiable empty database")
        var postgres = DatabaseDescriptor(
            oid: WellKnownOID.postgresDatabase, name: staticBytes("postgres"), owner: WellKnownOID.bootstrapRole)
        postgres.comment = staticBytes("default administrative connection database")
        for database in [template1, template0, postgres] { try addDatabase(database, named: true, storage) }
    }

    static func addDatabase(_ database: DatabaseDescriptor, named: Bool, _ storage: any CatalogStorage)
        throws(EngineError)
    {
        if named {
            _ = try storage.insert(
                CatalogKey.name(0, .databaseName, database.name), RelationNameEntry(oid: database.oid).encoded())
        }
        _ = try storage.insert(CatalogKey.object(0, .database, database.oid), database.encoded())
        let schema = SchemaDescriptor(
            oid: WellKnownOID.publicSchema, name: staticBytes("public"), owner: WellKnownOID.databaseOwnerRole,
            comment: staticBytes("standard public schema"))
        _ = try storage.insert(
            CatalogKey.name(database.oid, .schemaName, schema.name), RelationNameEntry(oid: schema.oid).encoded())
        _ = try storage.insert(CatalogKey.object(database.oid, .schema, schema.oid), schema.encoded())
    }
}
