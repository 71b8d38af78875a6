// The catalog as one session sees it: name resolution along search_path, and a cache of descriptors.
//
// The cache is valid while `version` stands still: it changes when any transaction with DDL commits and whenever this
// session changes a definition, rolls one back, or sets its search_path. All lookups check it first, so a stale entry is
// never served; whoever must rely on a descriptor for the rest of the transaction takes the relation's lock and looks
// again (`open`).

import Platform
import SQLSyntax
import SQLTypes
import Synchronization

/// What a relation name may stand for.
package enum Relation {
    case table(TableDescriptor)
    case view(ViewDescriptor)
    case sequence(SequenceDescriptor)
    case index(TableDescriptor, IndexDescriptor)
    case system(SystemRelation)

    package var oid: ObjectID {
        switch self {
        case .table(let table): table.oid
        case .view(let view): view.oid
        case .sequence(let sequence): sequence.oid
        case .index(_, let index): index.oid
        case .system(let relation): relation.oid
        }
    }
    package var schema: ObjectID {
        switch self {
        case .table(let table): table.schema
        case .view(let view): view.schema
        case .sequence(let sequence): sequence.schema
        case .index(let table, _): table.schema
        case .system(let relation): relation.schema
        }
    }
    package var name: [UInt8] {
        switch self {
        case .table(let table): table.name
        case .view(let view): view.name
        case .sequence(let sequence): sequence.name
        case .index(_, let index): index.name
        case .system(let relation): relation.name.array
        }
    }
}

/// The bytes of a literal.
func staticBytes(_ text: StaticString) -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}
/// Bytes for messages.
func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

package final class CatalogSession: @unchecked Sendable {
    package let catalog: Catalog
    package let storage: any CatalogStorage
    /// Owned by the session, as this is: the context refers back to it.
    package unowned(unsafe) let context: EvaluationContext
    /// Set by the session before the first statement.
    package unowned(unsafe) var services: (any SessionServices)?
    package let database: ObjectID
    package let databaseName: [UInt8]
    package var user: ObjectID
    package var userName: [UInt8]

    /// Schema names of the search_path setting; `$user` stands for the user's name.
    package private(set) var searchPathNames: [[UInt8]] = [staticBytes("$user"), staticBytes("public")]
    /// Changes of this session, committed or not: part of `version`.
    private var ownChanges: UInt64 = 0
    /// The running transaction has changed definitions.
    package private(set) var hasUncommittedChanges = false

    private var cachedVersion: UInt64 = 0
    private var objects: [ObjectID: Relation] = [:]
    private var missing: [RelationKey: Bool] = [:]
    private var names: [RelationKey: ObjectID] = [:]
    private var schemaList: [SchemaDescriptor]?
    private var path: [ObjectID]?

    private struct RelationKey: Hashable {
        var schema: ObjectID
        var name: Name
        static func == (a: RelationKey, b: RelationKey) -> Bool { a.schema == b.schema && a.name == b.name }
        func hash(into hasher: inout Hasher) {
            hasher.combine(schema)
            hasher.combine(name)
        }
    }

    package init(
        catalog: Catalog, storage: any CatalogStorage, context: EvaluationContext, database: ObjectID,
        databaseName: [UInt8], user: ObjectID, userName: [UInt8]
    ) {
        self.catalog = catalog
        self.storage = storage
        self.context = context
        self.database = database
        self.databaseName = databaseName
        self.user = user
        self.userName = userName
    }

    // MARK: - Validity

    /// Value under which plans and descriptors of this session are valid. One atomic load.
    package var version: UInt64 { catalog.version.load(ordering: .acquiring) &+ ownChanges << 40 }

    package func setSearchPath(_ names: [[UInt8]]) {
        searchPathNames = names
        ownChanges += 1
    }
    /// Called by every change of a definition in this session's transaction.
    package func noteChange() {
        ownChanges += 1
        hasUncommittedChanges = true
    }
    /// After the transaction's commit is visible and before its locks are released.
    package func didCommit() {
        if hasUncommittedChanges { catalog.bumpVersion() }
        hasUncommittedChanges = false
    }
    /// After a rollback, also to a savepoint (`isWhole` false then).
    package func didRollback(isWhole: Bool = true) {
        if hasUncommittedChanges { ownChanges += 1 }
        if isWhole { hasUncommittedChanges = false }
    }

    private func validate() {
        let now = version
        if now == cachedVersion { return }
        objects.removeAll(keepingCapacity: true)
        names.removeAll(keepingCapacity: true)
        missing.removeAll(keepingCapacity: true)
        schemaList = nil
        path = nil
        cachedVersion = now
    }

    // MARK: - Schemas

    package func schemas() throws(EngineError) -> [SchemaDescriptor] {
        validate()
        if let schemaList { return schemaList }
        var list: [SchemaDescriptor] = [
            SchemaDescriptor(
                oid: WellKnownOID.pgCatalogSchema, name: staticBytes("pg_catalog"), owner: WellKnownOID.bootstrapRole,
                comment: staticBytes("system catalog schema")),
            SchemaDescriptor(
                oid: WellKnownOID.pgToastSchema, name: staticBytes("pg_toast"), owner: WellKnownOID.bootstrapRole,
                comment: staticBytes("reserved schema for TOAST tables")),
            SchemaDescriptor(
                oid: WellKnownOID.informationSchema, name: staticBytes("information_schema"),
                owner: WellKnownOID.bootstrapRole, comment: nil),
        ]
        try storage.scan(CatalogKey.prefix(database, .schema)) { (_, value) throws(EngineError) in
            list.append(try SchemaDescriptor(decoding: value))
        }
        schemaList = list
        return list
    }
    package func schema(_ oid: ObjectID) throws(EngineError) -> SchemaDescriptor? {
        for schema in try schemas() where schema.oid == oid { return schema }
        return nil
    }
    package func schema(named name: [UInt8]) throws(EngineError) -> SchemaDescriptor? {
        for schema in try schemas() where schema.name == name { return schema }
        return nil
    }
    /// Error 3F000 if there is none.
    package func requireSchema(_ name: Name, position: Int = 0) throws(EngineError) -> SchemaDescriptor {
        if let schema = try schema(named: name.bytes) { return schema }
        throw EngineError(.invalidSchemaName, "schema \"\(name.text)\" does not exist", position: position)
    }

    /// While a view's stored query is bound: the path of its definition.
    var pathOverride: [ObjectID]?

    /// Schemas that unqualified names are looked up in, in order, pg_catalog first unless it is listed.
    package func searchPath() throws(EngineError) -> [ObjectID] {
        if let pathOverride { return pathOverride }
        validate()
        if let path { return path }
        var found: [ObjectID] = []
        for name in searchPathNames {
            let actual = name == staticBytes("$user") ? userName : name
            if let schema = try schema(named: actual), !found.contains(schema.oid) { found.append(schema.oid) }
        }
        if !found.contains(WellKnownOID.pgCatalogSchema) { found.insert(WellKnownOID.pgCatalogSchema, at: 0) }
        path = found
        return found
    }
    /// current_schemas: as `searchPath`, with or without what is searched implicitly.
    package func currentSchemas(includeImplicit: Bool) throws(EngineError) -> [ObjectID] {
        let all = try searchPath()
        var isListed = includeImplicit
        for name in searchPathNames where name == staticBytes("pg_catalog") { isListed = true }
        return isListed ? all : all.filter { $0 != WellKnownOID.pgCatalogSchema }
    }
    /// Where CREATE without a schema goes. Error 3F000 if search_path names none that exists.
    package func creationSchema() throws(EngineError) -> ObjectID {
        for oid in try currentSchemas(includeImplicit: false) { return oid }
        throw EngineError(.invalidSchemaName, "no schema has been selected to create in")
    }

    // MARK: - Relations

    /// The relation `name` in `schema`.
    package func relation(in schema: ObjectID, named name: Name) throws(EngineError) -> Relation? {
        if schema == WellKnownOID.pgCatalogSchema || schema == WellKnownOID.informationSchema {
            return catalog.systemRelations.relation(in: schema, named: name.bytes).map { .system($0) }
        }
        validate()
        let key = RelationKey(schema: schema, name: name)
        if let oid = names[key] { return try relation(oid) }
        if missing[key] != nil { return nil }
        guard let value = try storage.read(CatalogKey.relationName(database, schema: schema, name.bytes)) else {
            missing[key] = true
            return nil
        }
        let oid = try RelationNameEntry(decoding: value).oid
        names[key] = oid
        return try relation(oid)
    }

    /// By OID; nil if there is no such relation in this database.
    package func relation(_ oid: ObjectID) throws(EngineError) -> Relation? {
        if oid < WellKnownOID.firstUserObject { return catalog.systemRelations.relation(oid).map { .system($0) } }
        validate()
        if let known = objects[oid] { return known }
        let found = try load(oid)
        if let found { objects[oid] = found }
        return found
    }
    private func load(_ oid: ObjectID) throws(EngineError) -> Relation? {
        if let value = try storage.read(CatalogKey.object(database, .table, oid)) {
            return .table(try decodeTable(value, oid))
        }
        if let value = try storage.read(CatalogKey.object(database, .indexTable, oid)) {
            var from = try DescriptorReader(value)
            guard case .table(let table) = try relation(try from.get(UInt32.self)), let index = table.index(oid) else {
                return nil
            }
            return .index(table, index)
        }
        if let value = try storage.read(CatalogKey.object(database, .view, oid)) {
            return .view(try ViewDescriptor.decode(value))
        }
        if let value = try storage.read(CatalogKey.object(database, .sequence, oid)) {
            return .sequence(try SequenceDescriptor.decode(value))
        }
        return nil
    }
    private func decodeTable(_ value: [UInt8], _ oid: ObjectID) throws(EngineError) -> TableDescriptor {
        var statistics: TableStatistics?
        if let record = try storage.read(CatalogKey.object(database, .statistics, oid)) {
            statistics = try TableStatistics.decode(record)
        }
        return try TableDescriptor.decode(value, statistics: statistics)
    }

    /// Resolves a possibly qualified name; nil if there is no such relation. Errors: 3F000 for an unknown schema when
    /// `isStrict`, 0A000 for another database.
    package func lookup(_ name: QualifiedName, isStrict: Bool = true) throws(EngineError) -> Relation? {
        if name.parts.count > 3 {
            throw EngineError(
                .syntaxError, "improper qualified name (too many dotted names): \(name.text)",
                position: Int(name.position) + 1)
        }
        if let database = name.catalog, database.bytes != databaseName {
            throw EngineError(
                .featureNotSupported, "cross-database references are not implemented: \"\(name.text)\"",
                position: Int(name.position) + 1)
        }
        if let schemaName = name.schema {
            guard let schema = try schema(named: schemaName.bytes) else { return nil }
            return try relation(in: schema.oid, named: name.name)
        }
        for schema in try searchPath() {
            if let found = try relation(in: schema, named: name.name) { return found }
        }
        return nil
    }
    /// As `lookup`; error 42P01 if there is none.
    package func require(_ name: QualifiedName) throws(EngineError) -> Relation {
        if let found = try lookup(name) { return found }
        throw EngineError(.undefinedTable, "relation \"\(name.text)\" does not exist")
    }

    /// Resolves, locks, and resolves again until both agree: the descriptor holds until the lock is released. System
    /// relations are not locked. nil if there is no such relation.
    package func open(
        _ name: QualifiedName, mode: TableLockMode, noWait: Bool = false
    ) throws(EngineError) -> Relation? {
        while true {
            guard let found = try lookup(name) else { return nil }
            if case .system = found { return found }
            if case .sequence = found { return found }
            let lockable: ObjectID
            if case .index(let table, _) = found { lockable = table.oid } else { lockable = found.oid }
            let before = version
            try storage.lock(database: database, relation: lockable, mode: mode, noWait: noWait)
            if version == before { return found }
            if let again = try lookup(name), again.oid == found.oid { return again }
        }
    }

    /// Locks a table found by enumeration and reads what it is now. Nil: it has been dropped meanwhile.
    package func openTable(_ oid: ObjectID, mode: TableLockMode) throws(EngineError) -> TableDescriptor? {
        try storage.lock(database: database, relation: oid, mode: mode, noWait: false)
        guard case .table(let table) = try relation(oid) else { return nil }
        return table
    }

    // MARK: - Enumeration (pg_class and kin)

    package func allTables() throws(EngineError) -> [TableDescriptor] {
        var oids: [ObjectID] = []
        try storage.scan(CatalogKey.prefix(database, .table)) { (key, _) throws(EngineError) in
            oids.append(CatalogKey.uint32(key, at: 5))
        }
        var tables: [TableDescriptor] = []
        for oid in oids { if case .table(let table) = try relation(oid) { tables.append(table) } }
        return tables
    }
    package func allViews() throws(EngineError) -> [ViewDescriptor] {
        var views: [ViewDescriptor] = []
        try storage.scan(CatalogKey.prefix(database, .view)) { (_, value) throws(EngineError) in
            views.append(try ViewDescriptor.decode(value))
        }
        return views
    }
    package func allSequences() throws(EngineError) -> [SequenceDescriptor] {
        var sequences: [SequenceDescriptor] = []
        try storage.scan(CatalogKey.prefix(database, .sequence)) { (_, value) throws(EngineError) in
            sequences.append(try SequenceDescriptor.decode(value))
        }
        return sequences
    }
    package func databases() throws(EngineError) -> [DatabaseDescriptor] {
        var list: [DatabaseDescriptor] = []
        try storage.scan(CatalogKey.prefix(0, .database)) { (_, value) throws(EngineError) in
            list.append(try DatabaseDescriptor(decoding: value))
        }
        return list
    }
    package func roles() throws(EngineError) -> [RoleDescriptor] {
        var list: [RoleDescriptor] = []
        try storage.scan(CatalogKey.prefix(0, .role)) { (_, value) throws(EngineError) in
            list.append(try RoleDescriptor(decoding: value))
        }
        return list
    }
    package func role(_ oid: ObjectID) throws(EngineError) -> RoleDescriptor? {
        guard let value = try storage.read(CatalogKey.object(0, .role, oid)) else { return nil }
        return try RoleDescriptor(decoding: value)
    }
    package func role(named name: [UInt8]) throws(EngineError) -> RoleDescriptor? {
        guard let value = try storage.read(CatalogKey.name(0, .roleName, name)) else { return nil }
        return try role(RelationNameEntry(decoding: value).oid)
    }
    package func database(named name: [UInt8]) throws(EngineError) -> DatabaseDescriptor? {
        guard let value = try storage.read(CatalogKey.name(0, .databaseName, name)) else { return nil }
        let oid = try RelationNameEntry(decoding: value).oid
        guard let record = try storage.read(CatalogKey.object(0, .database, oid)) else { return nil }
        return try DatabaseDescriptor(decoding: record)
    }

    /// Whether an unqualified use of its name finds this relation.
    package func isVisible(_ relation: Relation) throws(EngineError) -> Bool {
        let name = Name(relation.name)
        for schema in try searchPath() {
            if let found = try self.relation(in: schema, named: name) { return found.oid == relation.oid }
        }
        return false
    }
}

/// The value stored under a name key.
struct RelationNameEntry {
    var oid: ObjectID
    init(oid: ObjectID) { self.oid = oid }
    init(decoding bytes: [UInt8]) throws(EngineError) {
        var from = try DescriptorReader(bytes)
        oid = try from.get(UInt32.self)
    }
    func encoded() -> [UInt8] {
        var out = DescriptorWriter()
        out.put(oid)
        return out.bytes
    }
}
