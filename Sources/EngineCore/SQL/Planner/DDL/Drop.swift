// DROP and TRUNCATE, with their dependents.

import Platform
import SQLSyntax
import SQLTypes

extension DefinitionExecutor {
    func dropObjects(_ drop: Drop) throws(EngineError) -> [UInt8] {
        switch drop.kind {
        case .table:
            try forEachRelation(drop, "table") { (relation) throws(EngineError) in
                guard case .table(let table) = relation else { return false }
                try dropTable(table, cascade: drop.cascade)
                return true
            }
            return staticBytes("DROP TABLE")
        case .index:
            try forEachRelation(drop, "index") { (relation) throws(EngineError) in
                guard case .index(let table, let index) = relation else { return false }
                try dropIndex(index, table)
                return true
            }
            return staticBytes("DROP INDEX")
        case .sequence:
            try forEachRelation(drop, "sequence") { (relation) throws(EngineError) in
                guard case .sequence(let sequence) = relation else { return false }
                try dropSequence(sequence, cascade: drop.cascade)
                return true
            }
            return staticBytes("DROP SEQUENCE")
        case .view:
            try forEachRelation(drop, "view") { (relation) throws(EngineError) in
                guard case .view(let view) = relation else { return false }
                try dropDependentViews(on: view.oid, view.name, "view", cascade: drop.cascade)
                try writer.drop(view)
                return true
            }
            return staticBytes("DROP VIEW")
        case .schema: return try dropSchemas(drop)
        case .extension:
            for object in drop.objects {
                if !drop.ifExists {
                    throw EngineError(
                        .undefinedObject, "extension \"\(object.name.name.text)\" does not exist")
                }
                notice("extension \"\(object.name.name.text)\" does not exist, skipping")
            }
            return staticBytes("DROP EXTENSION")
        case .function, .procedure, .routine, .type, .domain, .trigger, .materializedView, .foreignTable, .publication,
            .subscription, .policy, .rule, .aggregate:
            if drop.ifExists {
                for object in drop.objects {
                    notice("\"\(object.name.text)\" does not exist, skipping")
                }
                return staticBytes(dropTag(drop.kind))
            }
            if let object = drop.objects.first {
                throw EngineError(.undefinedObject, "\"\(object.name.text)\" does not exist")
            }
            return staticBytes(dropTag(drop.kind))
        default: throw EngineError.notSupported("DROP of this kind of object")
        }
    }

    private func dropTag(_ kind: ObjectKind) -> StaticString {
        switch kind {
        case .function: "DROP FUNCTION"
        case .procedure: "DROP PROCEDURE"
        case .routine: "DROP ROUTINE"
        case .type: "DROP TYPE"
        case .domain: "DROP DOMAIN"
        case .trigger: "DROP TRIGGER"
        case .materializedView: "DROP MATERIALIZED VIEW"
        case .foreignTable: "DROP FOREIGN TABLE"
        case .publication: "DROP PUBLICATION"
        case .subscription: "DROP SUBSCRIPTION"
        case .policy: "DROP POLICY"
        case .rule: "DROP RULE"
        default: "DROP AGGREGATE"
        }
    }

    /// Opens each object; `body` says whether it was of the right kind.
    private func forEachRelation(
        _ drop: Drop, _ kind: StaticString, _ body: (Relation) throws(EngineError) -> Bool
    ) throws(EngineError) {
        for object in drop.objects {
            guard let relation = try session.open(object.name, mode: .accessExclusive) else {
                let message = "\(kind) \"\(object.name.text)\" does not exist"
                let state: SQLState = drop.kind == .index ? .undefinedObject : .undefinedTable
                if !drop.ifExists { throw EngineError(state, message) }
                notice(message + ", skipping")
                continue
            }
            if case .system = relation {
                throw EngineError(
                    .insufficientPrivilege, "permission denied: \"\(object.name.name.text)\" is a system catalog")
            }
            if try !body(relation) {
                throw EngineError(
                    .wrongObjectType,
                    "\"\(object.name.name.text)\" is not \(bytesEqual(staticBytes(kind), "index") ? "an" : "a") \(kind)",
                    hint: wrongKindHint(relation))
            }
        }
    }
    private func wrongKindHint(_ relation: Relation) -> String {
        switch relation {
        case .table: "Use DROP TABLE to remove a table."
        case .view: "Use DROP VIEW to remove a view."
        case .sequence: "Use DROP SEQUENCE to remove a sequence."
        case .index: "Use DROP INDEX to remove an index."
        case .system: ""
        }
    }

    func dropTable(_ table: TableDescriptor, cascade: Bool) throws(EngineError) {
        try dropDependentViews(on: table.oid, table.name, "table", cascade: cascade)
        for sequence in try session.allSequences() where sequence.ownerTable == table.oid {
            try dropOwnedSequence(sequence)
        }
        for column in table.columns where column.ownedSequence != 0 {
            if case .sequence(let sequence) = try session.relation(column.ownedSequence) {
                try dropOwnedSequence(sequence)
            }
        }
        for index in table.indexes {
            try services.dropTree(treeID: index.treeID, rootPage: index.rootPage, isTable: false)
        }
        try services.dropTree(treeID: table.treeID, rootPage: table.rootPage, isTable: true)
        try writer.drop(table)
    }
    private func dropOwnedSequence(_ sequence: SequenceDescriptor) throws(EngineError) {
        guard try session.relation(sequence.oid) != nil else { return }
        try writer.drop(sequence)
        try services.dropSequence(sequence)
    }

    private func dropDependentViews(on oid: ObjectID, _ name: [UInt8], _ kind: StaticString, cascade: Bool)
        throws(EngineError)
    {
        for view in try session.allViews() where view.dependencies.contains(oid) {
            if !cascade {
                throw EngineError(
                    "2BP01", "cannot drop \(kind) \(text(name)) because other objects depend on it",
                    detail: "view \(text(view.name)) depends on \(kind) \(text(name))",
                    hint: "Use DROP ... CASCADE to drop the dependent objects too.")
            }
            try dropDependentViews(on: view.oid, view.name, "view", cascade: true)
            notice("drop cascades to view \(text(view.name))")
            try writer.drop(view)
        }
    }

    private func dropIndex(_ index: IndexDescriptor, _ table: TableDescriptor) throws(EngineError) {
        if let constraint = table.constraints.first(where: { $0.index == index.oid }) {
            throw EngineError(
                "2BP01",
                "cannot drop index \(text(index.name)) because constraint \(text(constraint.name)) on table \(text(table.name)) requires it",
                hint: "You can drop constraint \(text(constraint.name)) on table \(text(table.name)) instead.")
        }
        var draft = TableDraft(table)
        draft.indexes.removeAll { $0.oid == index.oid }
        try writer.removeIndexEntries(index, schema: table.schema)
        try writer.update(draft.descriptor)
        try services.dropTree(treeID: index.treeID, rootPage: index.rootPage, isTable: false)
    }

    private func dropSequence(_ sequence: SequenceDescriptor, cascade: Bool) throws(EngineError) {
        if sequence.isIdentity, case .table(let table) = try session.relation(sequence.ownerTable) {
            throw EngineError(
                "2BP01",
                "cannot drop sequence \(text(sequence.name)) because column \(text(table.columns[Int(sequence.ownerColumn) - 1].name)) of table \(text(table.name)) requires it",
                hint: "You can drop column instead.")
        }
        for table in try session.allTables() {
            for column in table.columns where column.ownedSequence == sequence.oid && !column.isDropped {
                if !cascade {
                    throw EngineError(
                        "2BP01", "cannot drop sequence \(text(sequence.name)) because other objects depend on it",
                        detail:
                            "default value for column \(text(column.name)) of table \(text(table.name)) depends on sequence \(text(sequence.name))",
                        hint: "Use DROP ... CASCADE to drop the dependent objects too.")
                }
                var draft = TableDraft(table)
                draft.columns[Int(column.number) - 1].defaultText = nil
                draft.columns[Int(column.number) - 1].ownedSequence = 0
                try writer.update(draft.descriptor)
            }
        }
        try writer.drop(sequence)
        try services.dropSequence(sequence)
    }

    // MARK: - Schemas

    private func dropSchemas(_ drop: Drop) throws(EngineError) -> [UInt8] {
        for object in drop.objects {
            let name = object.name.name
            guard let schema = try session.schema(named: name.bytes) else {
                if !drop.ifExists {
                    throw EngineError(.invalidSchemaName, "schema \"\(name.text)\" does not exist")
                }
                notice("schema \"\(name.text)\" does not exist, skipping")
                continue
            }
            if schema.oid < WellKnownOID.publicSchema || schema.oid == WellKnownOID.informationSchema {
                throw EngineError(
                    "2BP01",
                    "cannot drop schema \(name.text) because it is required by the database system")
            }
            let tables = try session.allTables().filter { $0.schema == schema.oid }
            let views = try session.allViews().filter { $0.schema == schema.oid }
            let sequences = try session.allSequences().filter { $0.schema == schema.oid }
            if !drop.cascade, let first = tables.first?.name ?? views.first?.name ?? sequences.first?.name {
                let kind = tables.isEmpty ? (views.isEmpty ? "sequence" : "view") : "table"
                throw EngineError(
                    "2BP01", "cannot drop schema \(name.text) because other objects depend on it",
                    detail: "\(kind) \(name.text).\(text(first)) depends on schema \(name.text)",
                    hint: "Use DROP ... CASCADE to drop the dependent objects too.")
            }
            for view in views where try session.relation(view.oid) != nil { try writer.drop(view) }
            for table in tables {
                guard let table = try session.openTable(table.oid, mode: .accessExclusive) else { continue }
                notice("drop cascades to table \(name.text).\(text(table.name))")
                try dropTable(table, cascade: true)
            }
            for sequence in sequences { try dropOwnedSequence(sequence) }
            try session.storage.delete(CatalogKey.object(session.database, .schema, schema.oid))
            try session.storage.delete(CatalogKey.name(session.database, .schemaName, schema.name))
            session.noteChange()
        }
        return staticBytes("DROP SCHEMA")
    }

    // MARK: - TRUNCATE

    func truncate(_ truncate: Truncate) throws(EngineError) -> [UInt8] {
        var tables: [TableDescriptor] = []
        for reference in truncate.tables {
            let table = try openTable(reference.name, .accessExclusive)
            if !tables.contains(where: { $0.oid == table.oid }) { tables.append(table) }
        }
        for table in tables {
            var draft = TableDraft(table)
            let tree = try services.createTree(isTable: true)
            draft.treeID = tree.treeID
            draft.rootPage = tree.rootPage
            for place in draft.indexes.indices {
                let old = draft.indexes[place]
                let fresh = try services.createTree(isTable: false)
                draft.indexes[place] = old.changed(treeID: fresh.treeID, rootPage: fresh.rootPage)
                try services.dropTree(treeID: old.treeID, rootPage: old.rootPage, isTable: false)
            }
            try services.dropTree(treeID: table.treeID, rootPage: table.rootPage, isTable: true)
            try writer.update(draft.descriptor)
            if truncate.restartIdentity, let around = session.services {
                for column in table.columns where column.ownedSequence != 0 {
                    if case .sequence(let sequence) = try session.relation(column.ownedSequence) {
                        try around.setValue(of: sequence, to: sequence.start, isCalled: false)
                    }
                }
            }
        }
        return staticBytes("TRUNCATE TABLE")
    }
}
