// ALTER … RENAME, SET SCHEMA, OWNER TO, and COMMENT.

import Platform
import SQLSyntax
import SQLTypes

extension DefinitionExecutor {
    func rename(_ rename: Rename) throws(EngineError) -> [UInt8] {
        let tag = renameTag(rename.kind)
        switch rename.kind {
        case .table, .index, .view, .sequence:
            guard let relation = try session.open(rename.object.name, mode: .accessExclusive) else {
                if rename.ifExists {
                    notice("relation \"\(rename.object.name.text)\" does not exist, skipping")
                    return tag
                }
                throw missingRelation(rename.object.name)
            }
            switch rename.part {
            case .object: try renameRelation(relation, rename.newName)
            case .column(let name), .attribute(let name, _): try renameColumn(relation, name, rename.newName)
            case .constraint(let name): try renameConstraint(relation, name, rename.newName)
            }
        case .column:
            let name = rename.object.name
            guard let relation = try session.open(name, mode: .accessExclusive) else { throw missingRelation(name) }
            if case .column(let column) = rename.part { try renameColumn(relation, column, rename.newName) }
        case .schema: try renameSchema(rename.object.name.name, rename.newName)
        case .database: try renameDatabase(rename.object.name.name, rename.newName)
        case .role: try renameRole(rename.object.name.name, rename.newName)
        default: throw EngineError.notSupported("RENAME of this kind of object")
        }
        return tag
    }

    private func renameTag(_ kind: ObjectKind) -> [UInt8] {
        switch kind {
        case .index: staticBytes("ALTER INDEX")
        case .view: staticBytes("ALTER VIEW")
        case .sequence: staticBytes("ALTER SEQUENCE")
        case .schema: staticBytes("ALTER SCHEMA")
        case .database: staticBytes("ALTER DATABASE")
        case .role: staticBytes("ALTER ROLE")
        default: staticBytes("ALTER TABLE")
        }
    }

    private func renameRelation(_ relation: Relation, _ name: Name) throws(EngineError) {
        try writer.addName(schema: relation.schema, name.bytes, relation.oid)
        try writer.removeName(schema: relation.schema, relation.name)
        switch relation {
        case .table(let table):
            var draft = TableDraft(table)
            draft.name = name.bytes
            try writer.update(draft.descriptor)
        case .index(let table, let index):
            var draft = TableDraft(table)
            for place in draft.indexes.indices where draft.indexes[place].oid == index.oid {
                draft.indexes[place] = index.changed(name: name.bytes)
            }
            for place in draft.constraints.indices where draft.constraints[place].index == index.oid {
                draft.constraints[place].name = name.bytes
            }
            try writer.update(draft.descriptor)
        case .view(let view): try writer.update(changed(view, name: name.bytes))
        case .sequence(let sequence): try writer.update(changed(sequence, name: name.bytes))
        case .system: throw EngineError(.insufficientPrivilege, "permission denied: it is a system catalog")
        }
    }

    func changed(
        _ view: ViewDescriptor, name: [UInt8]? = nil, schema: ObjectID? = nil, columns: [ColumnDescriptor]? = nil,
        comment: [UInt8]?? = nil
    ) -> ViewDescriptor {
        ViewDescriptor(
            oid: view.oid, schema: schema ?? view.schema, name: name ?? view.name, owner: view.owner,
            columns: columns ?? view.columns, queryText: view.queryText, searchPath: view.searchPath,
            dependencies: view.dependencies, comment: comment ?? view.comment)
    }
    func changed(
        _ sequence: SequenceDescriptor, name: [UInt8]? = nil, schema: ObjectID? = nil, comment: [UInt8]?? = nil
    ) -> SequenceDescriptor {
        SequenceDescriptor(
            oid: sequence.oid, schema: schema ?? sequence.schema, name: name ?? sequence.name, owner: sequence.owner,
            type: sequence.type, start: sequence.start, increment: sequence.increment, minimum: sequence.minimum,
            maximum: sequence.maximum, cache: sequence.cache, isCycling: sequence.isCycling,
            ownerTable: sequence.ownerTable, ownerColumn: sequence.ownerColumn, isIdentity: sequence.isIdentity,
            comment: comment ?? sequence.comment)
    }

    private func renameColumn(_ relation: Relation, _ old: Name, _ new: Name) throws(EngineError) {
        switch relation {
        case .table(let table):
            var draft = TableDraft(table)
            guard let index = draft.columnIndex(old.bytes) else {
                throw EngineError(.undefinedColumn, "column \"\(old.text)\" does not exist")
            }
            if draft.columnIndex(new.bytes) != nil {
                throw EngineError(
                    .duplicateColumn, "column \"\(new.text)\" of relation \"\(text(table.name))\" already exists")
            }
            // Stored texts name columns; those that mention this one are written anew.
            let number = draft.columns[index].number
            for place in draft.constraints.indices
            where draft.constraints[place].kind == .check && draft.constraints[place].columns.contains(number) {
                draft.constraints[place].expressionText = try renamed(
                    draft.constraints[place].expressionText, old, new)
            }
            for place in draft.columns.indices where draft.columns[place].isGenerated {
                draft.columns[place].defaultText = try renamed(draft.columns[place].defaultText, old, new)
            }
            for place in draft.indexes.indices where !draft.indexes[place].isPlain {
                var keys = draft.indexes[place].keyColumns
                for key in keys.indices { keys[key].expressionText = try renamed(keys[key].expressionText, old, new) }
                draft.indexes[place] = draft.indexes[place].changed(
                    keyColumns: keys, predicateText: .some(try renamed(draft.indexes[place].predicateText, old, new)))
            }
            for view in try session.allViews() where view.dependencies.contains(table.oid) {
                throw EngineError.notSupported("renaming a column of a table that a view reads (\(text(view.name)))")
            }
            draft.columns[index].name = new.bytes
            try writer.update(draft.descriptor)
        case .view(let view):
            var columns = view.columns
            guard let index = columns.firstIndex(where: { $0.name == old.bytes }) else {
                throw EngineError(.undefinedColumn, "column \"\(old.text)\" does not exist")
            }
            columns[index].name = new.bytes
            try writer.update(changed(view, columns: columns))
        default:
            throw EngineError(.wrongObjectType, "\"\(text(relation.name))\" is not a table or view")
        }
    }

    /// The expression with references to one column under its new name.
    private func renamed(_ sql: [UInt8]?, _ old: Name, _ new: Name) throws(EngineError) -> [UInt8]? {
        guard let sql else { return nil }
        return try ColumnRenaming(old: old, new: new).apply(try binder.parseExpression(sql)).sql()
    }

    /// Whether a key expression or the predicate of the index reads the column.
    func reads(_ index: IndexDescriptor, _ column: [UInt8]) throws(EngineError) -> Bool {
        let old = Name(column)
        let other = Name(column + [0x3F])
        for sql in index.keyColumns.map({ $0.expressionText }) + [index.predicateText] {
            guard let sql else { continue }
            let plain = try binder.parseExpression(sql).sql()
            if try renamed(sql, old, other) != plain { return true }
        }
        return false
    }

    private func renameConstraint(_ relation: Relation, _ old: Name, _ new: Name) throws(EngineError) {
        guard case .table(let table) = relation else {
            throw EngineError(.wrongObjectType, "\"\(text(relation.name))\" is not a table")
        }
        guard let constraint = table.constraints.first(where: { $0.name == old.bytes }) else {
            throw EngineError(
                .undefinedObject, "constraint \"\(old.text)\" for table \"\(text(table.name))\" does not exist")
        }
        if constraint.index != 0, let index = table.index(constraint.index) {
            try renameRelation(.index(table, index), new)
            return
        }
        var draft = TableDraft(table)
        if draft.constraints.contains(where: { $0.name == new.bytes }) {
            throw EngineError(
                .duplicateObject,
                "constraint \"\(new.text)\" for relation \"\(text(table.name))\" already exists")
        }
        for place in draft.constraints.indices where draft.constraints[place].name == old.bytes {
            draft.constraints[place].name = new.bytes
        }
        try writer.update(draft.descriptor)
    }

    // MARK: - Schema and owner

    func setSchema(_ change: SetSchema) throws(EngineError) -> [UInt8] {
        let tag = renameTag(change.kind)
        guard let relation = try session.open(change.object.name, mode: .accessExclusive) else {
            if change.ifExists { return tag }
            throw missingRelation(change.object.name)
        }
        let schema = try session.requireSchema(change.schema).oid
        try writer.addName(schema: schema, relation.name, relation.oid)
        try writer.removeName(schema: relation.schema, relation.name)
        switch relation {
        case .table(let table):
            var draft = TableDraft(table)
            draft.schema = schema
            for index in table.indexes {
                try writer.addName(schema: schema, index.name, index.oid)
                try writer.removeName(schema: table.schema, index.name)
            }
            try writer.update(draft.descriptor)
        case .view(let view): try writer.update(changed(view, schema: schema))
        case .sequence(let sequence): try writer.update(changed(sequence, schema: schema))
        default: throw EngineError(.wrongObjectType, "\"\(text(relation.name))\" cannot change its schema alone")
        }
        return tag
    }

    func setOwner(_ change: SetOwner) throws(EngineError) -> [UInt8] {
        let owner = try roleOID(change.owner)
        switch change.kind {
        case .schema:
            var schema = try session.requireSchema(change.object.name.name)
            schema.owner = owner
            if schema.oid >= WellKnownOID.publicSchema, schema.oid != WellKnownOID.informationSchema {
                try session.storage.update(
                    CatalogKey.object(session.database, .schema, schema.oid), schema.encoded())
                session.noteChange()
            }
        case .database:
            guard var database = try session.database(named: change.object.name.name.bytes) else {
                throw EngineError(
                    .invalidCatalogName, "database \"\(change.object.name.name.text)\" does not exist")
            }
            database.owner = owner
            try session.storage.update(CatalogKey.object(0, .database, database.oid), database.encoded())
        default: break
        }
        return renameTag(change.kind)
    }

    // MARK: - COMMENT

    func comment(_ comment: Comment) throws(EngineError) -> [UInt8] {
        let tag = staticBytes("COMMENT")
        let value = comment.text.flatMap { $0.isEmpty ? nil : $0 }
        let name = comment.object.name
        switch comment.kind {
        case .table, .view, .index, .sequence:
            guard let relation = try session.lookup(name) else { throw missingRelation(name) }
            try setComment(relation, value)
        case .column:
            guard name.parts.count >= 2,
                case .table(let table)? = try session.lookup(
                    QualifiedName(Array(name.parts.dropLast()), position: name.position))
            else { throw EngineError.notSupported("COMMENT on this column") }
            var draft = TableDraft(table)
            guard let index = draft.columnIndex(name.name.bytes) else {
                throw EngineError(
                    .undefinedColumn,
                    "column \"\(name.name.text)\" of relation \"\(text(table.name))\" does not exist")
            }
            draft.columns[index].comment = value
            try writer.update(draft.descriptor)
        case .constraint:
            guard let on = comment.object.table, case .table(let table)? = try session.lookup(on) else { return tag }
            var draft = TableDraft(table)
            for place in draft.constraints.indices where draft.constraints[place].name == name.name.bytes {
                draft.constraints[place].comment = value
            }
            try writer.update(draft.descriptor)
        case .schema:
            var schema = try session.requireSchema(name.name)
            schema.comment = value
            if schema.oid >= WellKnownOID.publicSchema, schema.oid != WellKnownOID.informationSchema {
                try session.storage.update(
                    CatalogKey.object(session.database, .schema, schema.oid), schema.encoded())
                session.noteChange()
            }
        case .database:
            guard var database = try session.database(named: name.name.bytes) else {
                throw EngineError(.invalidCatalogName, "database \"\(name.name.text)\" does not exist")
            }
            database.comment = value
            try session.storage.update(CatalogKey.object(0, .database, database.oid), database.encoded())
        case .extension, .role, .function, .type: break
        default: throw EngineError.notSupported("COMMENT on this kind of object")
        }
        return tag
    }

    private func setComment(_ relation: Relation, _ value: [UInt8]?) throws(EngineError) {
        switch relation {
        case .table(let table):
            var draft = TableDraft(table)
            draft.comment = value
            try writer.update(draft.descriptor)
        case .index(let table, let index):
            var draft = TableDraft(table)
            for place in draft.indexes.indices where draft.indexes[place].oid == index.oid {
                draft.indexes[place] = index.changed(comment: .some(value))
            }
            try writer.update(draft.descriptor)
        case .view(let view): try writer.update(changed(view, comment: .some(value)))
        case .sequence(let sequence): try writer.update(changed(sequence, comment: .some(value)))
        case .system: throw EngineError(.insufficientPrivilege, "permission denied: it is a system catalog")
        }
    }
}

/// Renames a column in a stored expression of its table: plain references, at any depth of operators and calls.
struct ColumnRenaming {
    let old: Name
    let new: Name

    func apply(_ expression: Expression) -> Expression {
        var copy = expression
        copy.kind = apply(expression.kind)
        return copy
    }
    private func apply(_ kind: Expression.Kind) -> Expression.Kind {
        switch kind {
        case .column(let parts):
            if parts.last == old { return .column(parts.dropLast() + [new]) }
            return kind
        case .prefix(let op, let operand): return .prefix(op, apply(operand))
        case .infix(let op, let left, let right): return .infix(op, apply(left), apply(right))
        case .chain(let first, let links):
            return .chain(
                apply(first),
                links.map { link in
                    var copy = link
                    copy.operand = apply(link.operand)
                    return copy
                })
        case .and(let items): return .and(items.map { apply($0) })
        case .or(let items): return .or(items.map { apply($0) })
        case .not(let item): return .not(apply(item))
        case .between(var between):
            between.value = apply(between.value)
            between.low = apply(between.low)
            between.high = apply(between.high)
            return .between(between)
        case .like(var like):
            like.value = apply(like.value)
            like.pattern = apply(like.pattern)
            return .like(like)
        case .inList(let left, let items, let negated):
            return .inList(apply(left), items.map { apply($0) }, negated: negated)
        case .isTest(let operand, let test, let negated): return .isTest(apply(operand), test, negated: negated)
        case .isDistinct(let left, let right, let negated):
            return .isDistinct(apply(left), apply(right), negated: negated)
        case .cast(let operand, let type): return .cast(apply(operand), type)
        case .coalesce(let items): return .coalesce(items.map { apply($0) })
        case .nullIf(let left, let right): return .nullIf(apply(left), apply(right))
        case .function(let call):
            let copy = SQLSyntax.FunctionCall(
                call.name,
                call.arguments.map { argument in
                    var changed = argument
                    changed.value = apply(argument.value)
                    return changed
                })
            copy.syntax = call.syntax
            copy.variadic = call.variadic
            return .function(copy)
        case .caseWhen(var node):
            node.operand = node.operand.map { apply($0) }
            node.otherwise = node.otherwise.map { apply($0) }
            node.whens = node.whens.map { when in
                var copy = when
                copy.condition = apply(when.condition)
                copy.result = apply(when.result)
                return copy
            }
            return .caseWhen(node)
        default: return kind
        }
    }
}
