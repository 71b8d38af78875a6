// CREATE TABLE with its columns and constraints, CREATE TABLE AS, CREATE INDEX, TRUNCATE.

import Platform

extension Parser {
    mutating func createTable(_ persistence: Persistence) throws(SyntaxFailure) -> Statement {
        try expect(.table)
        let ifNotExists = try acceptIfNotExists()
        let table = CreateTable(name: try qualifiedName())
        table.persistence = persistence
        table.ifNotExists = ifNotExists
        switch token.keyword {
        case .partition:
            try advance()
            try expect(.of)
            table.partitionOf = try qualifiedName()
            if token.kind == .leftParenthesis { table.elements = try tableElements(isTyped: true) }
            table.partitionBound = try partitionBound()
        case .of:
            try advance()
            table.ofType = try qualifiedName()
            if token.kind == .leftParenthesis { table.elements = try tableElements(isTyped: true) }
        default:
            if token.kind != .leftParenthesis { return try createTableAs(table, columns: []) }
            if let columns = try columnsOfTableAs() { return try createTableAs(table, columns: columns) }
            table.elements = try tableElements(isTyped: false)
        }
        if try accept(.inherits) {
            try expect(.leftParenthesis)
            table.inherits = try qualifiedNames()
            try expect(.rightParenthesis)
        }
        if at(.partition) { table.partitionBy = try partitionBy() }
        try tableProperties(table)
        return .createTable(table)
    }

    /// USING, WITH, ON COMMIT, TABLESPACE.
    private mutating func tableProperties(_ table: CreateTable) throws(SyntaxFailure) {
        if try accept(.using) { table.accessMethod = try columnName() }
        if at(.with) {
            // WITH [NO] DATA is left to CREATE TABLE AS; anything else must be a list.
            table.options = try withOptions()
            if at(.with) {
                let next = try peek()
                if next.keyword != .data && next.keyword != .no {
                    try lexer.fail("syntax error", Int(next.start), Int(next.end))
                }
            }
        } else {
            try withoutOids()
        }
        table.onCommit = try onCommit()
        if try accept(.tablespace) { table.tablespace = try columnName() }
    }

    private mutating func withoutOids() throws(SyntaxFailure) {
        if try accept(.without) { try expect(.oids) }
    }

    private mutating func onCommit() throws(SyntaxFailure) -> OnCommit {
        if try !accept(.on) { return .unspecified }
        try expect(.commit)
        if try accept(.drop) { return .drop }
        if try accept(.delete) {
            try expect(.rows)
            return .deleteRows
        }
        try expect(.preserve)
        try expect(.rows)
        return .preserveRows
    }

    /// At `(`: the bare names of `CREATE TABLE t (a, b) AS`, or nil if these are definitions.
    private mutating func columnsOfTableAs() throws(SyntaxFailure) -> [Name]? {
        let place = mark()
        try advance()
        if atColumnName {
            try advance()
            if token.kind == .comma || token.kind == .rightParenthesis {
                rewind(place)
                return try parenthesisedColumnNames()
            }
        }
        rewind(place)
        return nil
    }

    private mutating func createTableAs(_ table: CreateTable, columns: [Name]) throws(SyntaxFailure) -> Statement {
        try tableProperties(table)
        try expect(.as)
        let source: Statement = at(.execute) ? .execute(try execute()) : .query(try query())
        let statement = CreateTableAs(name: table.name, source: source)
        statement.columns = columns
        statement.persistence = table.persistence
        statement.ifNotExists = table.ifNotExists
        statement.accessMethod = table.accessMethod
        statement.options = table.options
        statement.onCommit = table.onCommit
        statement.tablespace = table.tablespace
        statement.withData = try withData()
        return .createTableAs(statement)
    }

    // MARK: Elements

    /// `isTyped`: columns have their types from elsewhere, as in partitions and tables OF a type.
    private mutating func tableElements(isTyped: Bool) throws(SyntaxFailure) -> [TableElement] {
        try expect(.leftParenthesis)
        var elements: [TableElement] = []
        if token.kind != .rightParenthesis || isTyped {
            repeat { elements.append(try tableElement(isTyped: isTyped)) } while try accept(.comma)
        }
        try expect(.rightParenthesis)
        return elements
    }

    private mutating func tableElement(isTyped: Bool) throws(SyntaxFailure) -> TableElement {
        switch token.keyword {
        case .constraint, .check, .unique, .primary, .foreign, .exclude:
            // EXCLUDE is no reserved word: a column may have that name.
            if at(.exclude) {
                let next = try peek()
                if next.kind != .leftParenthesis && next.keyword != .using { break }
            }
            return .constraint(try tableConstraint())
        case .like where !isTyped:
            try advance()
            let table = try qualifiedName()
            return .like(table, try likeOptions())
        default: break
        }
        return .column(isTyped ? try typedColumn() : try columnDefinition())
    }

    private mutating func likeOptions() throws(SyntaxFailure) -> LikeOptions {
        var options: LikeOptions = []
        while at(.including) || at(.excluding) {
            let including = at(.including)
            try advance()
            let option: LikeOptions
            switch token.keyword {
            case .comments: option = .comments
            case .compression: option = .compression
            case .constraints: option = .constraints
            case .defaults: option = .defaults
            case .generated: option = .generated
            case .identity: option = .identity
            case .indexes: option = .indexes
            case .statistics: option = .statistics
            case .storage: option = .storage
            case .all: option = .all
            default: try failSyntax()
            }
            try advance()
            if including { options.formUnion(option) } else { options.subtract(option) }
        }
        return options
    }

    /// `name [WITH OPTIONS] …`.
    private mutating func typedColumn() throws(SyntaxFailure) -> ColumnDefinition {
        let position = token.start
        let column = ColumnDefinition(name: try columnName(), type: nil, position: position)
        if try accept(.with) { try expect(.options) }
        try columnQualifiers(column)
        return column
    }

    /// `name type …`.
    mutating func columnDefinition() throws(SyntaxFailure) -> ColumnDefinition {
        let position = token.start
        let name = try columnName()
        let column = ColumnDefinition(name: name, type: try typeName(), position: position)
        if at(.compression) {
            try advance()
            column.compression = try accept(.default) ? "default" : try columnName()
        }
        if at(.options), try peek().kind == .leftParenthesis { try failUnsupported("OPTIONS of a column") }
        try columnQualifiers(column)
        return column
    }

    // MARK: Partitions

    private mutating func partitionBy() throws(SyntaxFailure) -> PartitionBy {
        try expect(.partition)
        try expect(.by)
        let strategy = try columnName()
        try expect(.leftParenthesis)
        let elements = try indexElements()
        try expect(.rightParenthesis)
        return PartitionBy(strategy: strategy, elements: elements)
    }

    /// FOR VALUES …, or DEFAULT.
    mutating func partitionBound() throws(SyntaxFailure) -> PartitionBound {
        if try accept(.default) { return .default }
        try expect(.for)
        try expect(.values)
        if try accept(.in) { return .list(try boundValues()) }
        if try accept(.from) {
            let from = try boundValues()
            try expect(.to)
            return .range(from: from, to: try boundValues())
        }
        try expect(.with)
        try expect(.leftParenthesis)
        var modulus: Int64 = -1
        var remainder: Int64 = -1
        repeat {
            let start = token
            let name = try nonReservedWord()
            let value = try unsignedInteger()
            if name.matches("modulus") {
                modulus = value
            } else if name.matches("remainder") {
                remainder = value
            } else {
                try fail("unrecognized hash partition bound specification \"" + name.text + "\"", at: start.start)
            }
        } while try accept(.comma)
        try expect(.rightParenthesis)
        if modulus < 0 { try fail("modulus for hash partition must be specified") }
        if remainder < 0 { try fail("remainder for hash partition must be specified") }
        return .hash(modulus: modulus, remainder: remainder)
    }

    private mutating func boundValues() throws(SyntaxFailure) -> [Expression] {
        try expect(.leftParenthesis)
        let values = try expressions()
        try expect(.rightParenthesis)
        return values
    }

    // MARK: Indexes

    mutating func createIndex() throws(SyntaxFailure) -> CreateIndex {
        let unique = try accept(.unique)
        try expect(.index)
        let concurrently = try accept(.concurrently)
        let ifNotExists = try acceptIfNotExists()
        let name = at(.on) ? nil : try columnName()
        if ifNotExists && name == nil { try failSyntax() }
        try expect(.on)
        let relation = try relation()
        let index = CreateIndex(table: relation.name)
        index.name = name
        index.only = relation.only
        index.unique = unique
        index.concurrently = concurrently
        index.ifNotExists = ifNotExists
        if try accept(.using) { index.method = try columnName() }
        try expect(.leftParenthesis)
        index.elements = try indexElements()
        try expect(.rightParenthesis)
        if try accept(.include) {
            try expect(.leftParenthesis)
            index.include = try indexElements()
            try expect(.rightParenthesis)
        }
        index.nullsNotDistinct = try nullsNotDistinct()
        index.options = try withOptions()
        if try accept(.tablespace) { index.tablespace = try columnName() }
        index.filter = try whereClause()
        return index
    }

    /// NULLS [NOT] DISTINCT.
    mutating func nullsNotDistinct() throws(SyntaxFailure) -> Bool {
        if try accept(.nulls, .distinct) { return false }
        if try !accept(.nulls, .not) { return false }
        try expect(.distinct)
        return true
    }

    mutating func indexElements() throws(SyntaxFailure) -> [IndexElement] {
        var elements = [try indexElement()]
        while try accept(.comma) { elements.append(try indexElement()) }
        return elements
    }

    /// A column, a call, or an expression in parentheses, with collation, operator class and order.
    mutating func indexElement() throws(SyntaxFailure) -> IndexElement {
        let position = token.start
        let expression: Expression
        if token.kind == .leftParenthesis {
            try advance()
            expression = try self.expression()
            try expect(.rightParenthesis)
        } else if try atPlainColumn() {
            expression = Expression(.column([try columnName()]), at: position)
        } else {
            expression = try primary()
            switch expression.kind {
            case .function, .coalesce, .greatest, .least, .nullIf, .sqlValue, .cast: break
            default: try failSyntax()
            }
        }
        var element = IndexElement(expression: expression)
        if try accept(.collate) { element.collation = try qualifiedName() }
        if atColumnName && !at(.nulls) {
            element.operatorClass = try qualifiedName()
            if token.kind == .leftParenthesis { element.operatorClassOptions = try storageOptions() }
        }
        element.direction = try direction()
        element.nulls = try nullsOrder()
        return element
    }

    private mutating func atPlainColumn() throws(SyntaxFailure) -> Bool {
        if !atColumnName { return false }
        let next = try peek().kind
        return next != .leftParenthesis && next != .dot
    }

    mutating func truncate() throws(SyntaxFailure) -> Truncate {
        try expect(.truncate)
        _ = try accept(.table)
        var tables = [try relation()]
        while try accept(.comma) { tables.append(try relation()) }
        let restart = try accept(.restart, .identity)
        if !restart { _ = try accept(.continue, .identity) }
        return Truncate(tables: tables, restartIdentity: restart, cascade: try acceptCascade())
    }
}
