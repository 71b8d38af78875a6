// A table's descriptor while it is being changed, and the writing of descriptors to the catalog's tree.

import Platform
import SQLSyntax
import SQLTypes

struct TableDraft {
    var oid: ObjectID
    var schema: ObjectID
    var name: [UInt8]
    var owner: ObjectID
    var persistence = RelationPersistence.permanent
    var columns: [ColumnDescriptor] = []
    var constraints: [ConstraintDescriptor] = []
    var indexes: [IndexDescriptor] = []
    var treeID: UInt32 = 0
    var rootPage: UInt64 = 0
    var options: [[UInt8]] = []
    var comment: [UInt8]?
    var statistics: TableStatistics?

    init(oid: ObjectID, schema: ObjectID, name: [UInt8], owner: ObjectID) {
        self.oid = oid
        self.schema = schema
        self.name = name
        self.owner = owner
    }
    init(_ table: TableDescriptor) {
        oid = table.oid
        schema = table.schema
        name = table.name
        owner = table.owner
        persistence = table.persistence
        columns = table.columns
        constraints = table.constraints
        indexes = table.indexes
        treeID = table.treeID
        rootPage = table.rootPage
        options = table.options
        comment = table.comment
        statistics = table.statistics
    }
    var descriptor: TableDescriptor {
        TableDescriptor(
            oid: oid, schema: schema, name: name, owner: owner, persistence: persistence, columns: columns,
            constraints: constraints, indexes: indexes, treeID: treeID, rootPage: rootPage, options: options,
            comment: comment, statistics: statistics)
    }
    func columnIndex(_ name: [UInt8]) -> Int? { columns.firstIndex { !$0.isDropped && $0.name == name } }
    func column(_ number: Int16) -> ColumnDescriptor { columns[Int(number) - 1] }
}

extension IndexDescriptor {
    /// A copy with some fields changed.
    func changed(
        name: [UInt8]? = nil, treeID: UInt32? = nil, rootPage: UInt64? = nil, keyColumns: [IndexColumn]? = nil,
        predicateText: [UInt8]?? = nil, comment: [UInt8]?? = nil
    ) -> IndexDescriptor {
        IndexDescriptor(
            oid: oid, table: table, name: name ?? self.name, treeID: treeID ?? self.treeID,
            rootPage: rootPage ?? self.rootPage, keyColumns: keyColumns ?? self.keyColumns,
            includedColumns: includedColumns, isUnique: isUnique, isPrimary: isPrimary,
            nullsNotDistinct: nullsNotDistinct, predicateText: predicateText ?? self.predicateText,
            comment: comment ?? self.comment,
            options: options)
    }
}

/// Writes descriptors; every change invalidates this session's cache at once, others' at commit.
struct CatalogWriter {
    let session: CatalogSession
    var storage: any CatalogStorage { session.storage }
    var database: ObjectID { session.database }

    /// Error 42P07 if the name is taken.
    func addName(schema: ObjectID, _ name: [UInt8], _ oid: ObjectID) throws(EngineError) {
        let key = CatalogKey.relationName(database, schema: schema, name)
        guard try storage.insert(key, RelationNameEntry(oid: oid).encoded()) else {
            throw EngineError(.duplicateTable, "relation \"\(text(name))\" already exists")
        }
        session.noteChange()
    }
    func removeName(schema: ObjectID, _ name: [UInt8]) throws(EngineError) {
        try storage.delete(CatalogKey.relationName(database, schema: schema, name))
        session.noteChange()
    }

    func create(_ table: TableDescriptor) throws(EngineError) {
        try addName(schema: table.schema, table.name, table.oid)
        _ = try storage.insert(CatalogKey.object(database, .table, table.oid), table.encoded())
        for index in table.indexes { try addIndexEntries(index, schema: table.schema) }
        session.noteChange()
    }
    func update(_ table: TableDescriptor) throws(EngineError) {
        try storage.update(CatalogKey.object(database, .table, table.oid), table.encoded())
        session.noteChange()
    }
    func addIndexEntries(_ index: IndexDescriptor, schema: ObjectID) throws(EngineError) {
        try addName(schema: schema, index.name, index.oid)
        var out = DescriptorWriter()
        out.put(index.table)
        _ = try storage.insert(CatalogKey.object(database, .indexTable, index.oid), out.bytes)
    }
    func removeIndexEntries(_ index: IndexDescriptor, schema: ObjectID) throws(EngineError) {
        try removeName(schema: schema, index.name)
        try storage.delete(CatalogKey.object(database, .indexTable, index.oid))
    }
    /// The table's entries; its trees are the caller's.
    func drop(_ table: TableDescriptor) throws(EngineError) {
        for index in table.indexes { try removeIndexEntries(index, schema: table.schema) }
        try removeName(schema: table.schema, table.name)
        try storage.delete(CatalogKey.object(database, .table, table.oid))
        if try storage.read(CatalogKey.object(database, .statistics, table.oid)) != nil {
            try storage.delete(CatalogKey.object(database, .statistics, table.oid))
        }
        session.noteChange()
    }

    func create(_ sequence: SequenceDescriptor) throws(EngineError) {
        try addName(schema: sequence.schema, sequence.name, sequence.oid)
        _ = try storage.insert(CatalogKey.object(database, .sequence, sequence.oid), sequence.encoded())
        session.noteChange()
    }
    func update(_ sequence: SequenceDescriptor) throws(EngineError) {
        try storage.update(CatalogKey.object(database, .sequence, sequence.oid), sequence.encoded())
        session.noteChange()
    }
    func drop(_ sequence: SequenceDescriptor) throws(EngineError) {
        try removeName(schema: sequence.schema, sequence.name)
        try storage.delete(CatalogKey.object(database, .sequence, sequence.oid))
    }

    func create(_ view: ViewDescriptor) throws(EngineError) {
        try addName(schema: view.schema, view.name, view.oid)
        _ = try storage.insert(CatalogKey.object(database, .view, view.oid), view.encoded())
        session.noteChange()
    }
    func update(_ view: ViewDescriptor) throws(EngineError) {
        try storage.update(CatalogKey.object(database, .view, view.oid), view.encoded())
        session.noteChange()
    }
    func drop(_ view: ViewDescriptor) throws(EngineError) {
        try removeName(schema: view.schema, view.name)
        try storage.delete(CatalogKey.object(database, .view, view.oid))
    }

    /// Statistics of a table, from ANALYZE.
    func setStatistics(_ statistics: TableStatistics, of table: ObjectID) throws(EngineError) {
        let key = CatalogKey.object(database, .statistics, table)
        if try storage.read(key) == nil {
            _ = try storage.insert(key, statistics.encoded())
        } else {
            try storage.update(key, statistics.encoded())
        }
        session.noteChange()
    }
}

extension CatalogSession {
    /// Stores what ANALYZE learnt; plans made without it are discarded.
    package func setStatistics(_ statistics: TableStatistics, of table: TableDescriptor) throws(EngineError) {
        try CatalogWriter(session: self).setStatistics(statistics, of: table.oid)
    }
}
