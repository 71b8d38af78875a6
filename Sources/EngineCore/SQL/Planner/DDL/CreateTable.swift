// CREATE TABLE: columns, defaults, identity and serial columns, constraints.

import Platform
import SQLSyntax
import SQLTypes

/// A table being made or altered, and what must follow once it has its OID.
struct TableBuild {
    var draft: TableDraft
    /// Sequences of serial and identity columns.
    var sequences: [SequenceDescriptor] = []
    /// Unique and primary key constraints whose indexes are still to be made.
    var keys: [KeyConstraint] = []
    /// Names given to indexes and sequences in this statement.
    var takenNames: [[UInt8]] = []
}

struct KeyConstraint {
    var name: [UInt8]?
    var columns: [Int16]
    var included: [Int16] = []
    var isPrimary: Bool
    var nullsNotDistinct = false
    var isDeferrable = false
    var options: [[UInt8]] = []
}

extension DefinitionExecutor {
    func createTable(_ create: CreateTable) throws(EngineError) -> [UInt8] {
        try refuse(create)
        let schema = try creationSchema(create.name)
        let tag = staticBytes("CREATE TABLE")
        if try skipsExisting(schema, create.name.name, ifNotExists: create.ifNotExists) { return tag }
        var build = TableBuild(
            draft: TableDraft(
                oid: try session.storage.newObjectID(), schema: schema, name: create.name.name.bytes,
                owner: session.user))
        build.takenNames = [create.name.name.bytes]
        if create.persistence == .unlogged { build.draft.persistence = .unlogged }
        build.draft.options = storageOptions(create.options)
        var checks: [(name: [UInt8]?, expression: Expression, column: [UInt8]?)] = []
        for element in create.elements {
            switch element {
            case .column(let column): try addColumn(column, &build, &checks)
            case .constraint: break
            case .like(let name, let options): try copyLike(name, options, &build)
            }
        }
        for element in create.elements {
            if case .constraint(let constraint) = element { try addConstraint(constraint, &build, &checks) }
        }
        for check in checks { try addCheck(check.name, check.expression, column: check.column, &build) }
        let tree = try services.createTree(isTable: true)
        build.draft.treeID = tree.treeID
        build.draft.rootPage = tree.rootPage
        for key in build.keys { _ = try addKey(key, &build) }
        for sequence in build.sequences {
            try writer.create(sequence)
            try services.createSequence(sequence)
        }
        try writer.create(build.draft.descriptor)
        return tag
    }

    private func refuse(_ create: CreateTable) throws(EngineError) {
        if create.persistence == .temporary { throw EngineError.notSupported("temporary tables") }
        if !create.inherits.isEmpty { throw EngineError.notSupported("table inheritance") }
        if create.partitionBy != nil || create.partitionOf != nil {
            throw EngineError.notSupported("partitioned tables")
        }
        if create.ofType != nil { throw EngineError.notSupported("typed tables") }
        if create.foreignServer != nil { throw EngineError.notSupported("foreign tables") }
        if let method = create.accessMethod, !method.matches("heap") {
            throw EngineError(.undefinedObject, "access method \"\(method.text)\" does not exist")
        }
    }

    // MARK: - Columns

    func addColumn(
        _ definition: ColumnDefinition, _ build: inout TableBuild,
        _ checks: inout [(name: [UInt8]?, expression: Expression, column: [UInt8]?)]
    ) throws(EngineError) {
        let name = definition.name
        if build.draft.columnIndex(name.bytes) != nil {
            throw EngineError(.duplicateColumn, "column \"\(name.text)\" specified more than once")
        }
        if isSystemColumn(name) {
            throw EngineError(
                .duplicateColumn, "column name \"\(name.text)\" conflicts with a system column name")
        }
        if build.draft.columns.count >= 1600 {
            throw EngineError("54011", "tables can have at most 1600 columns")
        }
        guard let typeName = definition.type else { throw EngineError(.syntaxError, "column needs a type") }
        let serial = serialType(typeName)
        let type: SQLType
        if let serial { type = SQLType(serial) } else { type = try binder.types.bind(typeName) }
        if type.oid.isPseudo {
            throw EngineError(
                "42P16", "column \"\(name.text)\" has pseudo-type \(TypeNames.string(type.oid))")
        }
        var column = ColumnDescriptor(
            name: name.bytes, number: Int16(build.draft.columns.count + 1), type: type,
            dimensions: Int16(typeName.arrayBounds.count))
        if let serial {
            column.isNotNull = true
            try addSerial(&column, serial, &build)
        }
        build.draft.columns.append(column)
        let index = build.draft.columns.count - 1
        for constraint in definition.constraints { try apply(constraint, index, &build, &checks) }
    }

    func isSystemColumn(_ name: Name) -> Bool {
        name.matches("ctid") || name.matches("xmin") || name.matches("xmax") || name.matches("cmin")
            || name.matches("cmax") || name.matches("tableoid")
    }

    private func serialType(_ type: TypeName) -> TypeOID? {
        guard type.name.parts.count == 1, type.arrayBounds.isEmpty else { return nil }
        let name = type.name.name
        if name.matches("serial") || name.matches("serial4") { return .int4 }
        if name.matches("bigserial") || name.matches("serial8") { return .int8 }
        if name.matches("smallserial") || name.matches("serial2") { return .int2 }
        return nil
    }

    /// A sequence `table_column_seq` owned by the column.
    func ownedSequence(
        _ column: ColumnDescriptor, _ type: TypeOID, _ options: [SequenceOption], isIdentity: Bool,
        _ build: inout TableBuild
    ) throws(EngineError) -> SequenceDescriptor {
        var name: [UInt8]?
        for option in options { if case .sequenceName(let given) = option { name = given.name.bytes } }
        let actual: [UInt8]
        if let name {
            actual = name
        } else {
            actual = try freeName(
                [build.draft.name, column.name], "seq", schema: build.draft.schema, taken: build.takenNames)
        }
        build.takenNames.append(actual)
        let settings = try SequenceSettings(type: type).applying(options, isAlter: false)
        let sequence = settings.descriptor(
            oid: try session.storage.newObjectID(), schema: build.draft.schema, name: actual, owner: session.user,
            ownerTable: build.draft.oid, ownerColumn: column.number, isIdentity: isIdentity)
        build.sequences.append(sequence)
        return sequence
    }

    private func addSerial(_ column: inout ColumnDescriptor, _ type: TypeOID, _ build: inout TableBuild)
        throws(EngineError)
    {
        let sequence = try ownedSequence(column, type, [], isIdentity: false, &build)
        column.ownedSequence = sequence.oid
        guard let schema = try session.schema(build.draft.schema) else { return }
        let qualified = QuotedNames.qualified(schema.name, sequence.name)
        column.defaultText = staticBytes("nextval(") + QuotedNames.literal(qualified) + staticBytes("::regclass)")
    }

    private func apply(
        _ constraint: ColumnConstraint, _ index: Int, _ build: inout TableBuild,
        _ checks: inout [(name: [UInt8]?, expression: Expression, column: [UInt8]?)]
    ) throws(EngineError) {
        let column = build.draft.columns[index]
        switch constraint.kind {
        case .null:
            if column.isNotNull {
                throw EngineError(
                    .syntaxError,
                    "conflicting NULL/NOT NULL declarations for column \"\(text(column.name))\" of table \"\(text(build.draft.name))\"",
                    position: context.position(constraint.position))
            }
        case .notNull: build.draft.columns[index].isNotNull = true
        case .defaultValue(let expression):
            if column.defaultText != nil {
                throw EngineError(
                    .syntaxError,
                    "multiple default values specified for column \"\(text(column.name))\" of table \"\(text(build.draft.name))\"",
                    position: context.position(constraint.position))
            }
            build.draft.columns[index].defaultText = try defaultText(expression, column)
        case .check(let expression, _): checks.append((constraint.name?.bytes, expression, column.name))
        case .unique(let nullsNotDistinct, let parameters):
            build.keys.append(
                KeyConstraint(
                    name: constraint.name?.bytes, columns: [column.number], isPrimary: false,
                    nullsNotDistinct: nullsNotDistinct, isDeferrable: constraint.timing.deferrable ?? false,
                    options: storageOptions(parameters.options)))
        case .primaryKey(let parameters):
            try requireSinglePrimaryKey(build)
            build.draft.columns[index].isNotNull = true
            build.keys.append(
                KeyConstraint(
                    name: constraint.name?.bytes, columns: [column.number], isPrimary: true,
                    options: storageOptions(parameters.options)))
        case .references:
            throw EngineError.notSupported("foreign keys", position: context.position(constraint.position))
        case .identity(let always, let options):
            let type = column.type.oid
            if type != .int2 && type != .int4 && type != .int8 {
                throw EngineError(
                    .invalidParameterValue, "identity column type must be smallint, integer, or bigint")
            }
            let sequence = try ownedSequence(column, type, options, isIdentity: true, &build)
            build.draft.columns[index].identity = always ? .always : .byDefault
            build.draft.columns[index].ownedSequence = sequence.oid
            build.draft.columns[index].isNotNull = true
        case .generated(let expression):
            build.draft.columns[index].isGenerated = true
            build.draft.columns[index].defaultText = try expression.sql()
        }
        if constraint.timing.deferrable == true { throw EngineError.notSupported("deferrable constraints") }
    }

    func requireSinglePrimaryKey(_ build: TableBuild) throws(EngineError) {
        var count = build.keys.contains { $0.isPrimary }
        if build.draft.indexes.contains(where: { $0.isPrimary }) { count = true }
        if count {
            throw EngineError(
                "42P16", "multiple primary keys for table \"\(text(build.draft.name))\" are not allowed")
        }
    }

    /// Checks that the default fits its column; yields the text to keep. Errors as PostgreSQL's: 42804, 0A000.
    func defaultText(_ expression: Expression, _ column: ColumnDescriptor) throws(EngineError) -> [UInt8]? {
        let scope = Scope(parent: nil)
        scope.clause = .defaultValue
        if case .literal(.null) = expression.kind { return nil }
        let bound: BoundExpression
        do throws(EngineError) {
            bound = try binder.bind(expression, scope)
        } catch {
            if error.state == .undefinedColumn, case .column = expression.kind {
                throw EngineError(
                    .featureNotSupported, "cannot use column reference in DEFAULT expression",
                    position: context.position(expression.position))
            }
            throw error
        }
        if bound.containsSubquery {
            throw EngineError(
                .featureNotSupported, "cannot use subquery in DEFAULT expression",
                position: context.position(expression.position))
        }
        guard try binder.tryCoerce(bound, to: column.type, .assignment, at: expression.position) != nil else {
            throw EngineError(
                .datatypeMismatch,
                "column \"\(text(column.name))\" is of type \(TypeNames.string(column.type.oid)) but default expression is of type \(TypeNames.string(bound.type.oid))",
                hint: "You will need to rewrite or cast the expression.")
        }
        // As PostgreSQL shows it: an untyped literal has the column's type.
        if case .literal(.string) = expression.kind {
            let type = TypeNames.format(column.type.oid) ?? []
            return try expression.sql() + staticBytes("::") + type
        }
        return try expression.sql()
    }

    // MARK: - Constraints

    func addConstraint(
        _ constraint: TableConstraint, _ build: inout TableBuild,
        _ checks: inout [(name: [UInt8]?, expression: Expression, column: [UInt8]?)]
    ) throws(EngineError) {
        if constraint.timing.deferrable == true { throw EngineError.notSupported("deferrable constraints") }
        switch constraint.kind {
        case .check(let expression, _): checks.append((constraint.name?.bytes, expression, nil))
        case .unique(let names, let nullsNotDistinct, let parameters):
            build.keys.append(
                KeyConstraint(
                    name: constraint.name?.bytes, columns: try keyColumns(names, build.draft),
                    included: try keyColumns(parameters.include, build.draft), isPrimary: false,
                    nullsNotDistinct: nullsNotDistinct, options: storageOptions(parameters.options)))
        case .primaryKey(let names, let parameters):
            try requireSinglePrimaryKey(build)
            let columns = try keyColumns(names, build.draft)
            for number in columns { build.draft.columns[Int(number) - 1].isNotNull = true }
            build.keys.append(
                KeyConstraint(
                    name: constraint.name?.bytes, columns: columns,
                    included: try keyColumns(parameters.include, build.draft), isPrimary: true,
                    options: storageOptions(parameters.options)))
        case .usingIndex: throw EngineError.notSupported("constraints using an existing index")
        case .foreignKey:
            throw EngineError.notSupported("foreign keys", position: context.position(constraint.position))
        case .exclude: throw EngineError.notSupported("exclusion constraints")
        }
    }

    func keyColumns(_ names: [Name], _ draft: TableDraft) throws(EngineError) -> [Int16] {
        var numbers: [Int16] = []
        for name in names {
            guard let index = draft.columnIndex(name.bytes) else {
                throw EngineError(.undefinedColumn, "column \"\(name.text)\" named in key does not exist")
            }
            let number = draft.columns[index].number
            if numbers.contains(number) {
                throw EngineError(
                    .duplicateColumn, "column \"\(name.text)\" appears twice in unique constraint")
            }
            numbers.append(number)
        }
        return numbers
    }

    /// Binds the check over the table's columns and adds it. Errors: 42P10, 0A000 for subqueries, 42710 for the name.
    func addCheck(_ name: [UInt8]?, _ expression: Expression, column: [UInt8]?, _ build: inout TableBuild)
        throws(EngineError)
    {
        let table = build.draft.descriptor
        let image = binder.makeRowImage(table, Name(table.name))
        let scope = Scope(parent: nil)
        scope.items = [binder.imageItem(image, table, Name(table.name))]
        scope.clause = .check
        let bound = try binder.coerceBoolean(binder.bind(expression, scope), "CHECK", at: expression.position)
        if bound.containsSubquery {
            throw EngineError(
                .featureNotSupported, "cannot use subquery in check constraint",
                position: context.position(expression.position))
        }
        var numbers: [Int16] = []
        bound.forEach { node in
            guard let id = node.variableID, let place = image.columns.firstIndex(where: { $0 == id }) else { return }
            let number = Int16(place + 1)
            if !numbers.contains(number) { numbers.append(number) }
        }
        let existing = build.draft.constraints.map { $0.name }
        let actual: [UInt8]
        if let name {
            if existing.contains(name) {
                throw EngineError(
                    .duplicateObject,
                    "constraint \"\(text(name))\" for relation \"\(text(build.draft.name))\" already exists")
            }
            actual = name
        } else {
            var parts = [build.draft.name]
            if numbers.count == 1 { parts.append(build.draft.column(numbers[0]).name) }
            actual = freeConstraintName(parts, "check", existing)
        }
        build.draft.constraints.append(
            ConstraintDescriptor(
                oid: try session.storage.newObjectID(), name: actual, kind: .check, columns: numbers,
                expressionText: try expression.sql()))
    }

    func freeConstraintName(_ parts: [[UInt8]], _ suffix: StaticString, _ existing: [[UInt8]]) -> [UInt8] {
        var attempt = 0
        while true {
            let name = DefinitionExecutor.objectName(
                parts, staticBytes(suffix) + (attempt == 0 ? [] : decimal(attempt)))
            if !existing.contains(name) { return name }
            attempt += 1
        }
    }

    /// Adds a unique or primary key constraint with its index (an empty tree). Yields the index.
    func addKey(_ key: KeyConstraint, _ build: inout TableBuild) throws(EngineError) -> IndexDescriptor {
        let name: [UInt8]
        if let given = key.name {
            if try session.relation(in: build.draft.schema, named: Name(given)) != nil
                || build.takenNames.contains(given)
            {
                throw EngineError(.duplicateTable, "relation \"\(text(given))\" already exists")
            }
            name = given
        } else if key.isPrimary {
            name = try freeName([build.draft.name], "pkey", schema: build.draft.schema, taken: build.takenNames)
        } else {
            name = try freeName(
                [build.draft.name] + [joined(key.columns.map { build.draft.column($0).name })], "key",
                schema: build.draft.schema, taken: build.takenNames)
        }
        build.takenNames.append(name)
        let tree = try services.createTree(isTable: false)
        let index = IndexDescriptor(
            oid: try session.storage.newObjectID(), table: build.draft.oid, name: name, treeID: tree.treeID,
            rootPage: tree.rootPage,
            keyColumns: key.columns.map {
                IndexColumn(
                    number: $0, expressionText: nil, type: build.draft.column($0).type, isDescending: false,
                    isNullsFirst: false, operatorClass: 0)
            }, includedColumns: key.included, isUnique: true, isPrimary: key.isPrimary,
            nullsNotDistinct: key.nullsNotDistinct, options: key.options)
        build.draft.indexes.append(index)
        build.draft.constraints.append(
            ConstraintDescriptor(
                oid: try session.storage.newObjectID(), name: name, kind: key.isPrimary ? .primaryKey : .unique,
                columns: key.columns, index: index.oid))
        return index
    }

    private func joined(_ names: [[UInt8]]) -> [UInt8] {
        var all: [UInt8] = []
        for (index, name) in names.enumerated() { all += (index > 0 ? [UInt8(ascii: "_")] : []) + name }
        return all
    }

    // MARK: - LIKE

    private func copyLike(_ name: QualifiedName, _ options: LikeOptions, _ build: inout TableBuild) throws(EngineError)
    {
        guard let relation = try session.open(name, mode: .accessShare) else { throw missingRelation(name) }
        guard case .table(let source) = relation else {
            throw EngineError(.wrongObjectType, "\"\(name.name.text)\" is not a table")
        }
        for column in source.columns where !column.isDropped {
            if build.draft.columnIndex(column.name) != nil {
                throw EngineError(.duplicateColumn, "column \"\(text(column.name))\" specified more than once")
            }
            var copy = ColumnDescriptor(
                name: column.name, number: Int16(build.draft.columns.count + 1), type: column.type,
                isNotNull: column.isNotNull)
            if column.isGenerated ? options.contains(.generated) : options.contains(.defaults) {
                copy.defaultText = column.defaultText
                copy.isGenerated = column.isGenerated
            }
            if options.contains(.comments) { copy.comment = column.comment }
            build.draft.columns.append(copy)
        }
        if options.contains(.constraints) {
            for constraint in source.constraints where constraint.kind == .check {
                guard let sql = constraint.expressionText else { continue }
                try addCheck(constraint.name, binder.parseExpression(sql), column: nil, &build)
            }
        }
        if options.contains(.indexes) {
            for index in source.indexes where index.isPlain && index.isUnique {
                var numbers: [Int16] = []
                for key in index.keyColumns {
                    if let place = build.draft.columnIndex(source.columns[Int(key.number) - 1].name) {
                        numbers.append(build.draft.columns[place].number)
                    }
                }
                build.keys.append(KeyConstraint(name: nil, columns: numbers, isPrimary: index.isPrimary))
            }
        }
    }
}

/// Names and strings as SQL text.
enum QuotedNames {
    /// In double quotes where SQL needs them.
    static func identifier(_ name: [UInt8]) -> [UInt8] {
        Deparser.isPlain(Name(name)) ? name : quoteIdentifier(name)
    }
    static func qualified(_ schema: [UInt8], _ name: [UInt8]) -> [UInt8] {
        identifier(schema) + [UInt8(ascii: ".")] + identifier(name)
    }
    static func literal(_ value: [UInt8]) -> [UInt8] {
        var quoted: [UInt8] = [UInt8(ascii: "'")]
        for byte in value {
            if byte == UInt8(ascii: "'") { quoted.append(byte) }
            quoted.append(byte)
        }
        quoted.append(UInt8(ascii: "'"))
        return quoted
    }
}
