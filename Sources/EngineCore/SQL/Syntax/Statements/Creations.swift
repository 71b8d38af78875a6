// CREATE: which kind, then the small ones; tables, indexes and functions have files of their own.

import Platform

extension Parser {
    mutating func createStatement() throws(SyntaxFailure) -> Statement {
        try expect(.create)
        let orReplace = try acceptOrReplace()
        switch token.keyword {
        case .temp, .temporary, .unlogged, .local, .global: return try createWithPersistence(orReplace)
        case .view, .recursive: return .createView(try createView(.permanent, orReplace))
        case .function, .procedure: return .createFunction(try createFunction(orReplace))
        case .aggregate: return try unsupported("CREATE AGGREGATE")
        case .trigger: return try unsupported("CREATE TRIGGER")
        case .constraint: return try unsupported("CREATE CONSTRAINT TRIGGER", after: .constraint, .trigger)
        case .rule: return try unsupported("CREATE RULE")
        case .language, .trusted, .procedural: return try unsupported("CREATE LANGUAGE")
        case .transform: return try unsupported("CREATE TRANSFORM")
        default: break
        }
        if orReplace { try failSyntax() }
        return try createPlain()
    }

    private mutating func acceptOrReplace() throws(SyntaxFailure) -> Bool {
        if try !accept(.or) { return false }
        try expect(.replace)
        return true
    }

    private mutating func createWithPersistence(_ orReplace: Bool) throws(SyntaxFailure) -> Statement {
        let persistence = try persistence()
        switch token.keyword {
        case .view, .recursive: return .createView(try createView(persistence, orReplace))
        case .sequence where !orReplace: return .createSequence(try createSequence(persistence))
        case .materialized where !orReplace: return try createMaterializedView(persistence)
        default:
            if orReplace { try failSyntax() }
            return try createTable(persistence)
        }
    }

    private mutating func createPlain() throws(SyntaxFailure) -> Statement {
        switch token.keyword {
        case .table: return try createTable(.permanent)
        case .unique, .index: return .createIndex(try createIndex())
        case .sequence: return .createSequence(try createSequence(.permanent))
        case .materialized: return try createMaterializedView(.permanent)
        case .schema: return .createSchema(try createSchema())
        case .database: return .createDatabase(try createDatabase())
        case .type: return .createType(try createType())
        case .domain: return .createDomain(try createDomain())
        case .extension: return .createExtension(try createExtension())
        case .role, .user, .group:
            if at(.user), try peek().keyword == .mapping { return try unsupported("CREATE USER MAPPING") }
            return .createRole(try createRole())
        case .foreign: return try createForeign()
        case .access: return try unsupported("CREATE ACCESS METHOD", after: .access, .method)
        case .cast: return try unsupported("CREATE CAST")
        case .collation: return try unsupported("CREATE COLLATION")
        case .default: return try unsupported("CREATE CONVERSION", after: .default, .conversion)
        case .conversion: return try unsupported("CREATE CONVERSION")
        case .event: return try unsupported("CREATE EVENT TRIGGER", after: .event, .trigger)
        case .operator:
            try advance()
            if at(.class) { return try unsupported("CREATE OPERATOR CLASS") }
            if at(.family) { return try unsupported("CREATE OPERATOR FAMILY") }
            return try unsupported("CREATE OPERATOR")
        case .policy: return try unsupported("CREATE POLICY")
        case .publication: return try unsupported("CREATE PUBLICATION")
        case .subscription: return try unsupported("CREATE SUBSCRIPTION")
        case .server: return try unsupported("CREATE SERVER")
        case .statistics: return try unsupported("CREATE STATISTICS")
        case .tablespace: return try unsupported("CREATE TABLESPACE")
        case .text: return try unsupported("CREATE TEXT SEARCH", after: .text, .search)
        case .assertion: try failUnsupported("CREATE ASSERTION")
        default: try failSyntax()
        }
    }

    private mutating func createForeign() throws(SyntaxFailure) -> Statement {
        try expect(.foreign)
        if try accept(.data) { return try unsupported("CREATE FOREIGN DATA WRAPPER") }
        try expect(.table)
        return try unsupported("CREATE FOREIGN TABLE")
    }

    // MARK: Views

    private mutating func createView(_ persistence: Persistence, _ orReplace: Bool) throws(SyntaxFailure) -> CreateView
    {
        let recursive = try accept(.recursive)
        try expect(.view)
        let name = try qualifiedName()
        let columns = recursive ? try parenthesisedColumnNames() : try optionalColumnNames()
        let options = try withOptions()
        try expect(.as)
        let start = Int(token.start)
        let view = CreateView(name: name, query: try query())
        view.queryStart = start
        view.queryEnd = consumedEnd
        view.columns = columns
        view.orReplace = orReplace
        view.recursive = recursive
        view.persistence = persistence
        view.options = options
        if try accept(.with) {
            view.checkOption = .cascaded
            if try accept(.local) { view.checkOption = .local } else { _ = try accept(.cascaded) }
            try expect(.check)
            try expect(.option)
        }
        return view
    }

    private mutating func createMaterializedView(_ persistence: Persistence) throws(SyntaxFailure) -> Statement {
        try expect(.materialized)
        try expect(.view)
        let ifNotExists = try acceptIfNotExists()
        let name = try qualifiedName()
        let columns = try optionalColumnNames()
        let method = try accept(.using) ? try columnName() : nil
        let options = try withOptions()
        let tablespace = try accept(.tablespace) ? try columnName() : nil
        try expect(.as)
        let view = CreateTableAs(name: name, source: .query(try query()))
        view.isMaterializedView = true
        view.columns = columns
        view.persistence = persistence
        view.ifNotExists = ifNotExists
        view.accessMethod = method
        view.options = options
        view.tablespace = tablespace
        view.withData = try withData()
        return .createTableAs(view)
    }

    /// WITH [NO] DATA; true when left out.
    mutating func withData() throws(SyntaxFailure) -> Bool {
        if try accept(.with, .data) { return true }
        if try !accept(.with, .no) { return true }
        try expect(.data)
        return false
    }

    mutating func refreshMaterializedView() throws(SyntaxFailure) -> RefreshMaterializedView {
        try expect(.refresh)
        try expect(.materialized)
        try expect(.view)
        let concurrently = try accept(.concurrently)
        let name = try qualifiedName()
        return RefreshMaterializedView(name: name, concurrently: concurrently, withData: try withData())
    }

    // MARK: Sequences

    private mutating func createSequence(_ persistence: Persistence) throws(SyntaxFailure) -> CreateSequence {
        try expect(.sequence)
        let ifNotExists = try acceptIfNotExists()
        let name = try qualifiedName()
        return CreateSequence(
            name: name, persistence: persistence, ifNotExists: ifNotExists, options: try sequenceOptions())
    }

    mutating func sequenceOptions() throws(SyntaxFailure) -> [SequenceOption] {
        var options: [SequenceOption] = []
        while let option = try sequenceOption() { options.append(option) }
        return options
    }

    /// One option of a sequence, nil if there is none.
    mutating func sequenceOption() throws(SyntaxFailure) -> SequenceOption? {
        switch token.keyword {
        case .as:
            try advance()
            return .type(try simpleTypeName())
        case .cache:
            try advance()
            return .cache(try signedInteger())
        case .cycle:
            try advance()
            return .cycle(true)
        case .increment:
            try advance()
            _ = try accept(.by)
            return .increment(try signedInteger())
        case .maxvalue:
            try advance()
            return .maximum(try signedInteger())
        case .minvalue:
            try advance()
            return .minimum(try signedInteger())
        case .no:
            try advance()
            if try accept(.maxvalue) { return .maximum(nil) }
            if try accept(.minvalue) { return .minimum(nil) }
            try expect(.cycle)
            return .cycle(false)
        case .owned:
            try advance()
            try expect(.by)
            if at(.none), try peek().kind != .dot {
                try advance()
                return .ownedBy(nil)
            }
            return .ownedBy(try qualifiedName())
        case .sequence:
            try advance()
            try expect(.name)
            return .sequenceName(try qualifiedName())
        case .start:
            try advance()
            _ = try accept(.with)
            return .start(try signedInteger())
        case .restart:
            try advance()
            if try accept(.with) { return .restart(try signedInteger()) }
            switch token.kind {
            case .integer, .minus, .plus: return .restart(try signedInteger())
            default: return .restart(nil)
            }
        default: return nil
        }
    }

    // MARK: Schemas, databases, extensions

    private mutating func createSchema() throws(SyntaxFailure) -> CreateSchema {
        try expect(.schema)
        let ifNotExists = try acceptIfNotExists()
        let name = atColumnName ? try columnName() : nil
        let authorization = try accept(.authorization) ? try roleSpecification() : nil
        if name == nil && authorization == nil { try failSyntax() }
        var elements: [Statement] = []
        if ifNotExists && (at(.create) || at(.grant)) {
            try fail("CREATE SCHEMA IF NOT EXISTS cannot include schema elements", state: .featureNotSupported)
        }
        while at(.create) || at(.grant) {
            if at(.create), try peek().keyword == .schema {
                try lexer.fail("syntax error", Int(ahead.start), Int(ahead.end))
            }
            elements.append(try statement())
        }
        return CreateSchema(name: name, authorization: authorization, ifNotExists: ifNotExists, elements: elements)
    }

    private mutating func createDatabase() throws(SyntaxFailure) -> CreateDatabase {
        try expect(.database)
        let name = try columnName()
        _ = try accept(.with)
        return CreateDatabase(name: name, options: try databaseOptions())
    }

    mutating func databaseOptions() throws(SyntaxFailure) -> [Option] {
        var options: [Option] = []
        while token.kind != .semicolon && token.kind != .endOfText {
            let position = token.start
            var name: Name
            switch token.keyword {
            case .connection:
                try advance()
                try expect(.limit)
                name = "connection_limit"
            case .encoding, .location, .owner, .tablespace, .template, .identifier: name = try takeName()
            default: try failSyntax()
            }
            if name.matches("location") { name = "location" }
            _ = try accept(.equals)
            let value: Option.Value = try accept(.default) ? .none : try plainValue()
            options.append(Option(namespace: nil, name: name, value: value, position: position))
        }
        return options
    }

    private mutating func createExtension() throws(SyntaxFailure) -> CreateExtension {
        try expect(.extension)
        let ifNotExists = try acceptIfNotExists()
        let name = try columnName()
        _ = try accept(.with)
        var options: [Option] = []
        while at(.schema) || at(.version) || at(.cascade) {
            let position = token.start
            let isCascade = at(.cascade)
            let option = try takeName()
            let value: Option.Value =
                isCascade ? .boolean(true) : atString ? .string(try stringValue()) : .word(try nonReservedWord())
            options.append(Option(namespace: nil, name: option, value: value, position: position))
        }
        return CreateExtension(name: name, ifNotExists: ifNotExists, options: options)
    }

    // MARK: Types and domains

    private mutating func createType() throws(SyntaxFailure) -> CreateType {
        try expect(.type)
        let name = try qualifiedName()
        if token.kind == .leftParenthesis {
            return CreateType(name: name, definition: .base(try storageOptions()))
        }
        if try !accept(.as) { return CreateType(name: name, definition: .base([])) }
        if try accept(.enum) {
            try expect(.leftParenthesis)
            var labels: [[UInt8]] = []
            if token.kind != .rightParenthesis {
                repeat { labels.append(try stringValue()) } while try accept(.comma)
            }
            try expect(.rightParenthesis)
            return CreateType(name: name, definition: .enumeration(labels))
        }
        if try accept(.range) { return CreateType(name: name, definition: .range(try storageOptions())) }
        if token.kind == .leftParenthesis, try peek().kind == .rightParenthesis {
            try advance()
            try advance()
            return CreateType(name: name, definition: .composite([]))
        }
        return CreateType(name: name, definition: .composite(try columnDefinitionList()))
    }

    private mutating func createDomain() throws(SyntaxFailure) -> CreateDomain {
        try expect(.domain)
        let name = try qualifiedName()
        _ = try accept(.as)
        let type = try typeName()
        var domain = CreateDomain(name: name, type: type, collation: nil, constraints: [])
        let column = ColumnDefinition(name: name.name, type: type, position: type.position)
        try columnQualifiers(column)
        domain.collation = column.collation
        domain.constraints = column.constraints
        return domain
    }
}
