// ALTER: which kind, and the actions on tables; the statements alike for all kinds (RENAME, SET SCHEMA, OWNER TO) first.

import Platform

extension Parser {
    mutating func alterStatement() throws(SyntaxFailure) -> Statement {
        try expect(.alter)
        switch token.keyword {
        case .table: return try alterRelation(.table, .table)
        case .index: return try alterRelation(.index, .index)
        case .view: return try alterRelation(.view, .view)
        case .sequence: return try alterSequence()
        case .materialized:
            try advance()
            return try alterRelation(.materializedView, .materializedView)
        case .foreign:
            try advance()
            if at(.table) { return try alterRelation(.foreignTable, .foreignTable) }
            return try unsupported("ALTER FOREIGN DATA WRAPPER")
        case .database: return try alterDatabase()
        case .role, .group: return try alterRole()
        case .user:
            if try peek().keyword == .mapping { return try unsupported("ALTER USER MAPPING") }
            return try alterRole()
        case .schema: return try alterNamed(.schema, "ALTER SCHEMA")
        case .type: return try alterType()
        case .domain: return try alterNamed(.domain, "ALTER DOMAIN")
        case .extension: return try alterNamed(.extension, "ALTER EXTENSION")
        case .tablespace: return try alterNamed(.tablespace, "ALTER TABLESPACE")
        case .function: return try alterRoutine(.function)
        case .procedure: return try alterRoutine(.procedure)
        case .routine: return try alterRoutine(.routine)
        case .aggregate: return try alterRoutine(.aggregate)
        case .system:
            try advance()
            let position = token.start
            if try accept(.reset) { return .alterSystem(try reset(position)) }
            try expect(.set)
            return .alterSystem(try setVariable(position))
        case .default:
            try advance()
            return try alterDefaultPrivileges()
        default: return try alterUnsupported()
        }
    }

    private mutating func alterUnsupported() throws(SyntaxFailure) -> Statement {
        switch token.keyword {
        case .collation: return try unsupported("ALTER COLLATION")
        case .conversion: return try unsupported("ALTER CONVERSION")
        case .event: return try unsupported("ALTER EVENT TRIGGER")
        case .language, .procedural: return try unsupported("ALTER LANGUAGE")
        case .large: return try unsupported("ALTER LARGE OBJECT")
        case .operator: return try unsupported("ALTER OPERATOR")
        case .policy: return try unsupported("ALTER POLICY")
        case .publication: return try unsupported("ALTER PUBLICATION")
        case .rule: return try unsupported("ALTER RULE")
        case .server: return try unsupported("ALTER SERVER")
        case .statistics: return try unsupported("ALTER STATISTICS")
        case .subscription: return try unsupported("ALTER SUBSCRIPTION")
        case .text: return try unsupported("ALTER TEXT SEARCH", after: .text, .search)
        case .trigger: return try unsupported("ALTER TRIGGER")
        default: try failSyntax()
        }
    }

    // MARK: Tables and their kin

    private mutating func alterRelation(
        _ kind: ObjectKind, _ alterKind: AlterTable.ObjectKind
    ) throws(SyntaxFailure) -> Statement {
        try advance()
        if at(.all) { return try unsupported("ALTER … ALL IN TABLESPACE") }
        let ifExists = try acceptIfExists()
        let relation = try relation()
        return try alterRelation(kind, alterKind, relation, ifExists: ifExists)
    }

    private mutating func alterRelation(
        _ kind: ObjectKind, _ alterKind: AlterTable.ObjectKind, _ relation: TableReference, ifExists: Bool
    ) throws(SyntaxFailure) -> Statement {
        let object = ObjectReference(name: relation.name)
        if at(.rename) { return .rename(try rename(kind, object, ifExists: ifExists)) }
        if try accept(.set, .schema) {
            return .setSchema(SetSchema(kind: kind, object: object, schema: try columnName(), ifExists: ifExists))
        }
        var actions = [try alterTableAction(alterKind)]
        while try accept(.comma) { actions.append(try alterTableAction(alterKind)) }
        return .alterTable(
            AlterTable(
                kind: alterKind, table: relation.name, only: relation.only, ifExists: ifExists, actions: actions))
    }

    private mutating func alterSequence() throws(SyntaxFailure) -> Statement {
        try expect(.sequence)
        let ifExists = try acceptIfExists()
        let relation = try relation()
        let options = try sequenceOptions()
        if !options.isEmpty {
            return .alterSequence(AlterSequence(name: relation.name, ifExists: ifExists, options: options))
        }
        return try alterRelation(.sequence, .sequence, relation, ifExists: ifExists)
    }

    /// At RENAME.
    private mutating func rename(
        _ kind: ObjectKind, _ object: ObjectReference, ifExists: Bool
    ) throws(SyntaxFailure) -> Rename {
        try expect(.rename)
        var part = Rename.Part.object
        if try accept(.constraint) {
            part = .constraint(try columnName())
        } else if try accept(.attribute) {
            part = .attribute(try columnName(), cascade: false)
        } else if !at(.to) {
            _ = try accept(.column)
            part = .column(try columnName())
        }
        try expect(.to)
        let newName = try columnName()
        if case .attribute(let name, _) = part { part = .attribute(name, cascade: try acceptCascade()) }
        return Rename(kind: kind, object: object, part: part, newName: newName, ifExists: ifExists)
    }

    // MARK: Kinds with only the common actions

    /// RENAME TO, OWNER TO, SET SCHEMA; anything else is known by name only.
    private mutating func commonAction(
        _ kind: ObjectKind, _ object: ObjectReference
    ) throws(SyntaxFailure) -> Statement? {
        if at(.rename) { return .rename(try rename(kind, object, ifExists: false)) }
        if try accept(.owner, .to) {
            return .setOwner(SetOwner(kind: kind, object: object, owner: try roleSpecification()))
        }
        if try accept(.set, .schema) {
            return .setSchema(SetSchema(kind: kind, object: object, schema: try columnName(), ifExists: false))
        }
        return nil
    }

    private mutating func alterNamed(_ kind: ObjectKind, _ name: StaticString) throws(SyntaxFailure) -> Statement {
        try advance()
        let object = ObjectReference(name: try qualifiedName())
        if let statement = try commonAction(kind, object) { return statement }
        return try unsupported(name)
    }

    private mutating func alterRoutine(_ kind: ObjectKind) throws(SyntaxFailure) -> Statement {
        try advance()
        let object = try routineReference()
        if let statement = try commonAction(kind, object) { return statement }
        return try unsupported("ALTER FUNCTION")
    }

    private mutating func alterType() throws(SyntaxFailure) -> Statement {
        try expect(.type)
        let name = try qualifiedName()
        if try accept(.add, .value) {
            let ifNotExists = try acceptIfNotExists()
            let value = try stringValue()
            var neighbour: [UInt8]?
            var after = false
            if at(.before) || at(.after) {
                after = at(.after)
                try advance()
                neighbour = try stringValue()
            }
            return .alterType(
                AlterType(
                    name: name,
                    action: .addValue(value, ifNotExists: ifNotExists, neighbour: neighbour, after: after)))
        }
        if try accept(.rename, .value) {
            let old = try stringValue()
            try expect(.to)
            return .alterType(AlterType(name: name, action: .renameValue(old, to: try stringValue())))
        }
        if let statement = try commonAction(.type, ObjectReference(name: name)) { return statement }
        return try unsupported("ALTER TYPE of a composite type")
    }

    private mutating func alterDatabase() throws(SyntaxFailure) -> Statement {
        try expect(.database)
        let name = try columnName()
        let position = token.start
        if at(.rename) || at(.owner) {
            let object = ObjectReference(name: QualifiedName(name))
            guard let statement = try commonAction(.database, object) else { try failSyntax() }
            return statement
        }
        if try accept(.refresh) {
            try expect(.collation)
            try expect(.version)
            return .alterDatabase(AlterDatabase(name: name, action: .refreshCollation))
        }
        if try accept(.reset) {
            return .alterDatabase(AlterDatabase(name: name, action: .set(try reset(position))))
        }
        if try accept(.set) {
            if at(.tablespace) { return try unsupported("ALTER DATABASE SET TABLESPACE") }
            return .alterDatabase(AlterDatabase(name: name, action: .set(try setVariable(position))))
        }
        _ = try accept(.with)
        return .alterDatabase(AlterDatabase(name: name, action: .options(try alteredDatabaseOptions())))
    }

    /// As those of CREATE DATABASE, and ALLOW_CONNECTIONS, CONNECTION LIMIT, IS_TEMPLATE.
    private mutating func alteredDatabaseOptions() throws(SyntaxFailure) -> [Option] {
        let options = try databaseOptions()
        if options.isEmpty { try failSyntax() }
        return options
    }
}
