// CREATE VIEW and CREATE TABLE AS.

import Platform
import SQLSyntax
import SQLTypes

extension DefinitionExecutor {
    func createView(_ create: CreateView) throws(EngineError) -> [UInt8] {
        let tag = staticBytes("CREATE VIEW")
        if create.recursive { throw EngineError.notSupported("recursive views") }
        if create.persistence == .temporary { throw EngineError.notSupported("temporary views") }
        if create.checkOption != .none { throw EngineError.notSupported("WITH CHECK OPTION") }
        let schema = try creationSchema(create.name)
        let existing = try session.relation(in: schema, named: create.name.name)
        var old: ViewDescriptor?
        if let existing {
            guard create.orReplace else {
                throw EngineError(.duplicateTable, "relation \"\(create.name.name.text)\" already exists")
            }
            guard case .view(let view) = existing else {
                throw EngineError(.wrongObjectType, "\"\(create.name.name.text)\" is not a view")
            }
            old = view
        }
        let bound = try binder.bindQuery(create.query, parent: nil, commonTables: [], resolvesUnknown: true)
        if !context.parameterTypes.isEmpty {
            throw EngineError(.featureNotSupported, "views must not contain parameters")
        }
        if create.columns.count > bound.columns.count {
            throw EngineError(.syntaxError, "CREATE VIEW specifies more column names than columns")
        }
        var columns: [ColumnDescriptor] = []
        for (index, column) in bound.columns.enumerated() {
            let name = index < create.columns.count ? create.columns[index] : bound.names[index]
            if columns.contains(where: { $0.name == name.bytes }) {
                throw EngineError(.duplicateColumn, "column \"\(name.text)\" specified more than once")
            }
            columns.append(
                ColumnDescriptor(name: name.bytes, number: Int16(index + 1), type: context.info(column).type))
        }
        if let old { try checkReplacement(old, columns) }
        let oid: ObjectID
        if let old { oid = old.oid } else { oid = try session.storage.newObjectID() }
        let view = ViewDescriptor(
            oid: oid, schema: schema, name: create.name.name.bytes,
            owner: old?.owner ?? session.user, columns: columns, queryText: try create.query.sql(),
            searchPath: try session.searchPath(), dependencies: context.locks.map { $0.relation },
            comment: old?.comment)
        if old == nil { try writer.create(view) } else { try writer.update(view) }
        return tag
    }

    private func checkReplacement(_ old: ViewDescriptor, _ columns: [ColumnDescriptor]) throws(EngineError) {
        if columns.count < old.columns.count { throw EngineError("42P16", "cannot drop columns from view") }
        for (index, column) in old.columns.enumerated() {
            if column.name != columns[index].name {
                throw EngineError(
                    "42P16",
                    "cannot change name of view column \"\(text(column.name))\" to \"\(text(columns[index].name))\"",
                    hint:
                        "Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.")
            }
            if column.type.oid != columns[index].type.oid {
                throw EngineError(
                    "42P16",
                    "cannot change data type of view column \"\(text(column.name))\" from \(TypeNames.string(column.type.oid)) to \(TypeNames.string(columns[index].type.oid))"
                )
            }
        }
    }

    /// Views that read the relation stop its columns from going. Error 2BP01.
    func requireNoDependentViews(_ table: TableDescriptor, dropping column: [UInt8]) throws(EngineError) {
        for view in try session.allViews() where view.dependencies.contains(table.oid) {
            throw EngineError(
                "2BP01",
                "cannot drop column \(text(column)) of table \(text(table.name)) because other objects depend on it",
                detail: "view \(text(view.name)) depends on column \(text(column)) of table \(text(table.name))",
                hint: "Use DROP ... CASCADE to drop the dependent objects too.")
        }
    }

    /// … and from changing their types. Error 0A000.
    func requireNoDependentViews(_ table: TableDescriptor, retyping column: [UInt8]) throws(EngineError) {
        for view in try session.allViews() where view.dependencies.contains(table.oid) {
            throw EngineError(
                .featureNotSupported, "cannot alter type of a column used by a view or rule",
                detail: "rule _RETURN on view \(text(view.name)) depends on column \"\(text(column))\"")
        }
    }

    // MARK: - CREATE TABLE AS

    func createTableAs(_ create: CreateTableAs) throws(EngineError) -> [UInt8] {
        if create.isMaterializedView { throw EngineError.notSupported("materialized views") }
        if create.persistence == .temporary { throw EngineError.notSupported("temporary tables") }
        guard case .query(let query) = create.source else {
            throw EngineError.notSupported("CREATE TABLE AS EXECUTE")
        }
        let schema = try creationSchema(create.name)
        if try skipsExisting(schema, create.name.name, ifNotExists: create.ifNotExists) {
            return staticBytes("CREATE TABLE AS")
        }
        let bound = try binder.bindQuery(query, parent: nil, commonTables: [], resolvesUnknown: true)
        if create.columns.count > bound.columns.count {
            throw EngineError(.syntaxError, "too many column names were specified")
        }
        var draft = TableDraft(
            oid: try session.storage.newObjectID(), schema: schema, name: create.name.name.bytes, owner: session.user)
        for (index, column) in bound.columns.enumerated() {
            let name = index < create.columns.count ? create.columns[index] : bound.names[index]
            if draft.columnIndex(name.bytes) != nil {
                throw EngineError(.duplicateColumn, "column \"\(name.text)\" specified more than once")
            }
            draft.columns.append(
                ColumnDescriptor(name: name.bytes, number: Int16(index + 1), type: context.info(column).type))
        }
        let tree = try services.createTree(isTable: true)
        draft.treeID = tree.treeID
        draft.rootPage = tree.rootPage
        draft.options = storageOptions(create.options)
        let table = draft.descriptor
        try writer.create(table)
        if !create.withData { return staticBytes("CREATE TABLE AS") }
        let modification = BoundModification(
            kind: .insert, table: table, source: bound.plan, row: binder.makeRowImage(table, Name(table.name)))
        modification.values = bound.columns.map { context.variable($0) }
        let count = try services.run(try ModificationPlanner(context).plan(modification))
        return staticBytes("SELECT ") + decimal(count)
    }
}
