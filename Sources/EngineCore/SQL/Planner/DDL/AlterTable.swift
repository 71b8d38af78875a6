// ALTER TABLE: each action changes the draft; trees are rebuilt once at the end if the rows' form changed.

import Platform
import SQLSyntax
import SQLTypes

/// What the actions of one ALTER TABLE add up to.
struct Alteration {
    var build: TableBuild
    let original: TableDescriptor
    /// Column numbers whose values change form, with the expression over the old row (nil: a plain cast).
    var conversions: [(number: Int16, using: Expression?)] = []
    /// Added columns whose default must be computed for existing rows.
    var filled: [Int16] = []
    /// Conditions every existing row must meet: description and check.
    var newChecks: [ConstraintDescriptor] = []
    var newNotNull: [Int16] = []
    var newIndexes: [IndexDescriptor] = []
    var droppedIndexes: [IndexDescriptor] = []
    var droppedSequences: [ObjectID] = []
    var needsRewrite: Bool { !conversions.isEmpty || !filled.isEmpty }
}

extension DefinitionExecutor {
    func alterTable(_ alter: AlterTable) throws(EngineError) -> [UInt8] {
        let tag: StaticString
        switch alter.kind {
        case .table: tag = "ALTER TABLE"
        case .index: tag = "ALTER INDEX"
        case .view: tag = "ALTER VIEW"
        case .sequence: tag = "ALTER SEQUENCE"
        case .materializedView, .foreignTable, .type: throw EngineError.notSupported("ALTER of this kind of object")
        }
        guard let relation = try session.open(alter.table, mode: .accessExclusive) else {
            if alter.ifExists {
                notice("relation \"\(alter.table.text)\" does not exist, skipping")
                return staticBytes(tag)
            }
            throw missingRelation(alter.table)
        }
        guard case .table(let table) = relation else {
            for action in alter.actions {
                switch action {
                case .owner, .setOptions, .resetOptions: continue
                default: throw EngineError.notSupported("this ALTER of \"\(alter.table.name.text)\"")
                }
            }
            return staticBytes(tag)
        }
        var change = Alteration(build: TableBuild(draft: TableDraft(table)), original: table)
        for action in alter.actions { try apply(action, &change) }
        try finish(&change)
        return staticBytes(tag)
    }

    private func apply(_ action: AlterTableAction, _ change: inout Alteration) throws(EngineError) {
        switch action {
        case .addColumn(let definition, let ifNotExists): try addColumn(definition, ifNotExists, &change)
        case .dropColumn(let name, let ifExists, let cascade): try dropColumn(name, ifExists, cascade, &change)
        case .alterType(let name, let type, _, let using): try alterType(name, type, using, &change)
        case .setDefault(let name, let expression):
            let index = try column(name, change)
            change.build.draft.columns[index].defaultText = try defaultText(
                expression, change.build.draft.columns[index])
        case .dropDefault(let name):
            let index = try column(name, change)
            if change.build.draft.columns[index].identity != .none {
                throw EngineError(
                    .syntaxError,
                    "column \"\(name.text)\" of relation \"\(text(change.build.draft.name))\" is an identity column")
            }
            change.build.draft.columns[index].defaultText = nil
        case .setNotNull(let name):
            let index = try column(name, change)
            if !change.build.draft.columns[index].isNotNull {
                change.build.draft.columns[index].isNotNull = true
                change.newNotNull.append(change.build.draft.columns[index].number)
            }
        case .dropNotNull(let name): try dropNotNull(name, &change)
        case .addConstraint(let constraint): try addConstraint(constraint, &change)
        case .dropConstraint(let name, let ifExists, let cascade):
            try dropConstraint(name, ifExists, cascade, &change)
        case .addIdentity(let name, let always, let options):
            let index = try column(name, change)
            let descriptor = change.build.draft.columns[index]
            if !descriptor.isNotNull {
                throw EngineError(
                    "55000",
                    "column \"\(name.text)\" of relation \"\(text(change.build.draft.name))\" must be declared NOT NULL before identity can be added"
                )
            }
            let sequence = try ownedSequence(descriptor, descriptor.type.oid, options, isIdentity: true, &change.build)
            change.build.draft.columns[index].identity = always ? .always : .byDefault
            change.build.draft.columns[index].ownedSequence = sequence.oid
        case .dropIdentity(let name, let ifExists):
            let index = try column(name, change)
            if change.build.draft.columns[index].identity == .none {
                if ifExists { return }
                throw EngineError(
                    "55000",
                    "column \"\(name.text)\" of relation \"\(text(change.build.draft.name))\" is not an identity column"
                )
            }
            change.droppedSequences.append(change.build.draft.columns[index].ownedSequence)
            change.build.draft.columns[index].identity = .none
            change.build.draft.columns[index].ownedSequence = 0
        case .alterIdentity(let name, let always, _):
            let index = try column(name, change)
            if let always { change.build.draft.columns[index].identity = always ? .always : .byDefault }
        case .setOptions(let options): change.build.draft.options = storageOptions(options)
        case .resetOptions: change.build.draft.options = []
        case .owner(let role): change.build.draft.owner = try roleOID(role)
        case .setStatistics, .setStorage, .setCompression, .setColumnOptions, .resetColumnOptions, .clusterOn,
            .setWithoutCluster, .replicaIdentity, .validateConstraint:
            // Hints to PostgreSQL's storage; accepted so that dumps load.
            break
        case .setPersistence(let persistence):
            change.build.draft.persistence = persistence == .unlogged ? .unlogged : .permanent
        default: throw EngineError.notSupported("this ALTER TABLE action")
        }
    }

    private func column(_ name: Name, _ change: Alteration) throws(EngineError) -> Int {
        if let index = change.build.draft.columnIndex(name.bytes) { return index }
        if isSystemColumn(name) {
            throw EngineError(.featureNotSupported, "cannot alter system column \"\(name.text)\"")
        }
        throw EngineError(
            .undefinedColumn,
            "column \"\(name.text)\" of relation \"\(text(change.build.draft.name))\" does not exist")
    }

    private func addColumn(_ definition: ColumnDefinition, _ ifNotExists: Bool, _ change: inout Alteration)
        throws(EngineError)
    {
        let name = definition.name
        if change.build.draft.columnIndex(name.bytes) != nil {
            let message = "column \"\(name.text)\" of relation \"\(text(change.build.draft.name))\" already exists"
            if ifNotExists {
                notice(message + ", skipping", .duplicateColumn)
                return
            }
            throw EngineError(.duplicateColumn, message)
        }
        var checks: [(name: [UInt8]?, expression: Expression, column: [UInt8]?)] = []
        try addColumn(definition, &change.build, &checks)
        let index = change.build.draft.columns.count - 1
        let column = change.build.draft.columns[index]
        try addConstraints(checks, &change)
        if column.isNotNull && column.identity == .none && !column.isGenerated && column.defaultText == nil {
            change.newNotNull.append(column.number)
        }
        if column.isGenerated || column.identity != .none || column.ownedSequence != 0 {
            change.filled.append(column.number)
        } else if column.defaultText != nil {
            // A constant default need not be written into every row: rows without the column read it.
            if let missing = try constantDefault(column) {
                change.build.draft.columns[index].missingValue = missing
            } else {
                change.filled.append(column.number)
            }
        }
    }

    /// Text form of a default that is a constant; nil if it is not one.
    private func constantDefault(_ column: ColumnDescriptor) throws(EngineError) -> [UInt8]? {
        let value = Simplifier(context: context).simplify(try binder.defaultValue(column))
        guard case .constant(let datum, let type) = value, !datum.isNull else { return nil }
        return try TypeIO.text(datum, type.oid, session.context)
    }

    private func addConstraints(
        _ checks: [(name: [UInt8]?, expression: Expression, column: [UInt8]?)], _ change: inout Alteration
    ) throws(EngineError) {
        for check in checks {
            try addCheck(check.name, check.expression, column: check.column, &change.build)
            if let added = change.build.draft.constraints.last { change.newChecks.append(added) }
        }
        let keys = change.build.keys
        change.build.keys = []
        for key in keys {
            if key.isPrimary {
                for number in key.columns where !change.original.hasNotNull(number) { change.newNotNull.append(number) }
            }
            change.newIndexes.append(try addKey(key, &change.build))
        }
    }

    private func addConstraint(_ constraint: TableConstraint, _ change: inout Alteration) throws(EngineError) {
        if let name = constraint.name, change.build.draft.constraints.contains(where: { $0.name == name.bytes }) {
            throw EngineError(
                .duplicateObject,
                "constraint \"\(name.text)\" for relation \"\(text(change.build.draft.name))\" already exists")
        }
        var checks: [(name: [UInt8]?, expression: Expression, column: [UInt8]?)] = []
        try addConstraint(constraint, &change.build, &checks)
        try addConstraints(checks, &change)
    }

    private func dropNotNull(_ name: Name, _ change: inout Alteration) throws(EngineError) {
        let index = try column(name, change)
        let number = change.build.draft.columns[index].number
        if change.build.draft.indexes.contains(where: { $0.isPrimary && $0.keyColumns.contains { $0.number == number } }
        ) {
            throw EngineError("42P16", "column \"\(name.text)\" is in a primary key")
        }
        if change.build.draft.columns[index].identity != .none {
            throw EngineError(
                .syntaxError,
                "column \"\(name.text)\" of relation \"\(text(change.build.draft.name))\" is an identity column")
        }
        change.build.draft.columns[index].isNotNull = false
        change.newNotNull.removeAll { $0 == number }
    }

    private func dropColumn(_ name: Name, _ ifExists: Bool, _ cascade: Bool, _ change: inout Alteration)
        throws(EngineError)
    {
        guard let index = change.build.draft.columnIndex(name.bytes) else {
            let message = "column \"\(name.text)\" of relation \"\(text(change.build.draft.name))\" does not exist"
            if ifExists {
                notice(message + ", skipping")
                return
            }
            throw EngineError(.undefinedColumn, message)
        }
        try requireNoDependentViews(change.original, dropping: name.bytes)
        let column = change.build.draft.columns[index]
        // Constraints and indexes on the column go with it.
        let gone = change.build.draft.constraints.filter { $0.columns.contains(column.number) }
        change.build.draft.constraints.removeAll { $0.columns.contains(column.number) }
        for constraint in gone where constraint.index != 0 { removeIndex(constraint.index, &change) }
        for item in change.build.draft.indexes {
            var isGone = item.keyColumns.contains { $0.number == column.number }
            if item.includedColumns.contains(column.number) { isGone = true }
            if try reads(item, column.name) { isGone = true }
            if isGone { removeIndex(item.oid, &change) }
        }
        if column.ownedSequence != 0 { change.droppedSequences.append(column.ownedSequence) }
        change.build.draft.columns[index] = ColumnDescriptor(
            name: staticBytes("........pg.dropped.") + decimal(Int(column.number)) + staticBytes("........"),
            number: column.number, type: column.type, isDropped: true)
    }

    private func removeIndex(_ oid: ObjectID, _ change: inout Alteration) {
        guard let index = change.build.draft.indexes.first(where: { $0.oid == oid }) else { return }
        change.build.draft.indexes.removeAll { $0.oid == oid }
        change.droppedIndexes.append(index)
    }

    private func dropConstraint(_ name: Name, _ ifExists: Bool, _ cascade: Bool, _ change: inout Alteration)
        throws(EngineError)
    {
        guard let constraint = change.build.draft.constraints.first(where: { $0.name == name.bytes }) else {
            let message = "constraint \"\(name.text)\" of relation \"\(text(change.build.draft.name))\" does not exist"
            if ifExists {
                notice(message + ", skipping")
                return
            }
            throw EngineError(.undefinedObject, message)
        }
        change.build.draft.constraints.removeAll { $0.name == name.bytes }
        if constraint.index != 0 { removeIndex(constraint.index, &change) }
    }

    private func alterType(_ name: Name, _ typeName: TypeName, _ using: Expression?, _ change: inout Alteration)
        throws(EngineError)
    {
        let index = try column(name, change)
        let old = change.build.draft.columns[index]
        let type = try binder.types.bind(typeName)
        try requireNoDependentViews(change.original, retyping: name.bytes)
        if using == nil, old.type.oid != type.oid,
            !context.registry.canCast(from: old.type.oid, to: type.oid, .assignment)
        {
            throw EngineError(
                .datatypeMismatch,
                "column \"\(name.text)\" cannot be cast automatically to type \(TypeNames.string(type.oid))",
                hint:
                    "You might need to specify \"USING \(name.text)::\(TypeNames.string(type.oid))\".")
        }
        for item in change.build.draft.indexes where try reads(item, name.bytes) {
            throw EngineError.notSupported("changing the type of a column in index expressions (\(text(item.name)))")
        }
        change.build.draft.columns[index].type = type
        change.build.draft.columns[index].missingValue = nil
        for place in change.build.draft.indexes.indices {
            let item = change.build.draft.indexes[place]
            if item.keyColumns.contains(where: { $0.number == old.number }) {
                change.build.draft.indexes[place] = item.changed(
                    keyColumns: item.keyColumns.map { key in
                        var copy = key
                        if key.number == old.number { copy.type = type }
                        return copy
                    })
            }
        }
        change.conversions.append((old.number, using))
    }

    // MARK: - Carrying out

    private func finish(_ change: inout Alteration) throws(EngineError) {
        for index in change.droppedIndexes {
            try writer.removeIndexEntries(index, schema: change.build.draft.schema)
            try services.dropTree(treeID: index.treeID, rootPage: index.rootPage, isTable: false)
        }
        for sequence in change.build.sequences {
            try writer.create(sequence)
            try services.createSequence(sequence)
        }
        for oid in change.droppedSequences {
            if case .sequence(let sequence) = try session.relation(oid) {
                try writer.drop(sequence)
                try services.dropSequence(sequence)
            }
        }
        for index in change.newIndexes { try writer.addIndexEntries(index, schema: change.build.draft.schema) }
        if change.needsRewrite {
            try rewrite(&change)
        } else {
            try writer.update(change.build.draft.descriptor)
            try validate(change)
            for index in change.newIndexes { try services.buildIndex(index, of: change.build.draft.descriptor) }
        }
    }

    /// Existing rows against new NOT NULL and CHECK constraints.
    private func validate(_ change: Alteration) throws(EngineError) {
        let table = change.build.draft.descriptor
        guard let schema = try session.schema(table.schema) else { return }
        let source = QuotedNames.qualified(schema.name, table.name)
        for number in change.newNotNull {
            let column = table.columns[Int(number) - 1]
            if column.isDropped { continue }
            let name = quoteIdentifier(column.name)
            if try hasRows(source, name + staticBytes(" IS NULL")) {
                throw EngineError(
                    .notNullViolation,
                    "column \"\(text(column.name))\" of relation \"\(text(table.name))\" contains null values",
                    schema: text(schema.name), table: text(table.name), column: text(column.name))
            }
        }
        for check in change.newChecks {
            guard let sql = check.expressionText else { continue }
            if try hasRows(source, staticBytes("NOT (") + sql + staticBytes(")")) {
                throw EngineError(
                    .checkViolation,
                    "check constraint \"\(text(check.name))\" of relation \"\(text(table.name))\" is violated by some row",
                    schema: text(schema.name), table: text(table.name), constraint: text(check.name))
            }
        }
    }

    private func hasRows(_ source: [UInt8], _ condition: [UInt8]) throws(EngineError) -> Bool {
        try run(staticBytes("SELECT 1 FROM ") + source + staticBytes(" WHERE ") + condition + staticBytes(" LIMIT 1"))
            > 0
    }

    /// Plans and runs one statement of SQL.
    func run(_ sql: [UInt8]) throws(EngineError) -> Int {
        let statements = try binder.parseStatements(sql)
        let inner = StatementContext(session: session, text: sql)
        return try services.run(try Planner(session).planQuery(statements[0].statement, inner))
    }

    /// New trees, filled from the old ones through the new definition's casts, defaults and constraints.
    private func rewrite(_ change: inout Alteration) throws(EngineError) {
        let old = change.original
        let tree = try services.createTree(isTable: true)
        change.build.draft.treeID = tree.treeID
        change.build.draft.rootPage = tree.rootPage
        for place in change.build.draft.columns.indices { change.build.draft.columns[place].missingValue = nil }
        for place in change.build.draft.indexes.indices {
            let index = change.build.draft.indexes[place]
            if change.newIndexes.contains(where: { $0.oid == index.oid }) { continue }
            let fresh = try services.createTree(isTable: false)
            change.build.draft.indexes[place] = index.changed(treeID: fresh.treeID, rootPage: fresh.rootPage)
        }
        let new = change.build.draft.descriptor
        let node = binder.makeGet(old, Name(old.name))
        let scope = Scope(parent: nil)
        scope.items = [binder.tableItem(node, Name(old.name), 0)]
        let modification = BoundModification(
            kind: .insert, table: new, source: .get(node), row: binder.makeRowImage(new, Name(new.name)))
        for column in new.columns {
            let place = Int(column.number) - 1
            if column.isDropped {
                modification.values.append(.constant(.null, column.type))
            } else if place >= old.columns.count || change.filled.contains(column.number) {
                modification.values.append(try binder.defaultValue(column))
            } else if let source = node.columns[place] {
                var value = context.variable(source)
                if let conversion = change.conversions.first(where: { $0.number == column.number }) {
                    if let using = conversion.using { value = try binder.bind(using, scope) }
                    value = try binder.coerceAssignment(value, to: column.type, column: column.name, at: -1)
                }
                modification.values.append(value)
            } else {
                modification.values.append(.constant(.null, column.type))
            }
        }
        try binder.bindConstraints(modification)
        let plan = try ModificationPlanner(context).plan(modification)
        _ = try services.run(plan)
        try writer.update(new)
        try services.dropTree(treeID: old.treeID, rootPage: old.rootPage, isTable: true)
        for index in old.indexes where !change.droppedIndexes.contains(where: { $0.oid == index.oid }) {
            try services.dropTree(treeID: index.treeID, rootPage: index.rootPage, isTable: false)
        }
    }
}

extension TableDescriptor {
    func hasNotNull(_ number: Int16) -> Bool { Int(number) <= columns.count && columns[Int(number) - 1].isNotNull }
}
