// Query expressions: SELECT, VALUES, TABLE, set operations, GROUP BY, WINDOW. What surrounds them is in QueryClauses.swift.

import Platform

extension Parser {
    /// At the beginning of a query without parentheses.
    mutating func atQuery() throws(SyntaxFailure) -> Bool {
        switch token.keyword {
        case .select, .with, .table: return true
        case .values: return try peek().kind == .leftParenthesis
        default: return false
        }
    }

    /// At what makes a longer query of a parenthesised one before it.
    var atQueryContinuation: Bool {
        switch token.keyword {
        case .union, .intersect, .except, .order, .limit, .offset, .fetch, .for: true
        default: false
        }
    }

    /// A query, perhaps in parentheses.
    mutating func query() throws(SyntaxFailure) -> Query {
        let height = try enter(Nesting.queryWeight)
        let position = token.start
        let with = try withClause()
        let query = try query(body: try setOperations(), position)
        if let with { try attach(with, to: query) }
        leave(height, Nesting.queryWeight)
        return query
    }

    /// `(query)`, in any number of parentheses.
    mutating func parenthesisedQuery() throws(SyntaxFailure) -> Query {
        let height = try enter()
        try expect(.leftParenthesis)
        var query: Query
        if token.kind == .leftParenthesis {
            query = try parenthesisedQuery()
            if atQueryContinuation { query = try continuedQuery(query) }
        } else {
            query = try self.query()
        }
        try expect(.rightParenthesis)
        leave(height)
        return query
    }

    /// What goes on after a parenthesised query: `(q) UNION …`, `(q) LIMIT 1`.
    mutating func continuedQuery(_ first: Query) throws(SyntaxFailure) -> Query {
        try query(body: try setOperations(first: body(of: first)), first.position)
    }

    /// A parenthesised query as an operand: the parentheses matter only around clauses of its own.
    private func body(of query: Query) -> QueryBody {
        let isPlain =
            query.with == nil && query.orderBy.isEmpty && query.limit == nil && query.offset == nil
            && query.locking.isEmpty
        return isPlain ? query.body : .nested(query)
    }

    /// A query of `body` with the clauses that follow. Clauses after `(query …)` are that query's, if it has none such.
    private mutating func query(body: QueryBody, _ position: Int32) throws(SyntaxFailure) -> Query {
        let query: Query
        if case .nested(let inner) = body {
            query = inner
        } else {
            query = Query(body, position: position)
        }
        if at(.order) {
            let earlier = query.orderBy
            query.orderBy = try orderBy()
            if !earlier.isEmpty {
                try fail("multiple ORDER BY clauses not allowed", at: query.orderBy[0].expression.position)
            }
        }
        try limits(query)
        return query
    }

    private mutating func attach(_ with: WithClause, to query: Query) throws(SyntaxFailure) {
        if query.with != nil { try fail("multiple WITH clauses not allowed", at: with.position) }
        query.with = with
    }

    // MARK: Set operations

    // The frames of the recursion through plain queries are kept small: set operations are put together elsewhere.

    private mutating func setOperations() throws(SyntaxFailure) -> QueryBody {
        try setOperations(first: try queryOperand())
    }

    private mutating func setOperations(first: QueryBody) throws(SyntaxFailure) -> QueryBody {
        switch token.keyword {
        case .union, .intersect, .except: return try unions(first: try intersections(first: first))
        default: return first
        }
    }

    private mutating func intersections(first: QueryBody) throws(SyntaxFailure) -> QueryBody {
        if !at(.intersect) { return first }
        var links: [SetLink] = []
        while at(.intersect) { try appendLink(&links) }
        try grow()
        return .setOperation(first, links)
    }

    private mutating func unions(first: QueryBody) throws(SyntaxFailure) -> QueryBody {
        if !at(.union) && !at(.except) { return first }
        var links: [SetLink] = []
        while at(.union) || at(.except) { try appendLink(&links) }
        try grow()
        return .setOperation(first, links)
    }

    /// An operator and its right operand. INTERSECT binds tighter than the others.
    private mutating func appendLink(_ links: inout [SetLink]) throws(SyntaxFailure) {
        let position = token.start
        let operation: SetLink.Operation = at(.union) ? .union : at(.intersect) ? .intersect : .except
        try advance()
        let all = try allOrDistinct()
        var operand = try queryOperand()
        if operation != .intersect { operand = try intersections(first: operand) }
        links.append(SetLink(operation: operation, all: all, operand: operand, position: position))
    }

    private mutating func allOrDistinct() throws(SyntaxFailure) -> Bool {
        if try accept(.all) { return true }
        _ = try accept(.distinct)
        return false
    }

    /// SELECT, VALUES, TABLE or a query in parentheses.
    private mutating func queryOperand() throws(SyntaxFailure) -> QueryBody {
        switch token.keyword {
        case .select: return .select(try selectCore())
        case .values: return .values(try valueRows())
        case .table: return .select(try tableCommand())
        default:
            if token.kind != .leftParenthesis { try failSyntax() }
            return body(of: try parenthesisedQuery())
        }
    }

    private mutating func valueRows() throws(SyntaxFailure) -> [[Expression]] {
        try expect(.values)
        var rows: [[Expression]] = []
        repeat {
            try expect(.leftParenthesis)
            rows.append(try expressions())
            try expect(.rightParenthesis)
        } while try accept(.comma)
        return rows
    }

    /// TABLE name, which is SELECT * FROM name.
    private mutating func tableCommand() throws(SyntaxFailure) -> SelectCore {
        let core = SelectCore(position: token.start)
        try expect(.table)
        core.targets = [Target(expression: Expression(.star([]), at: core.position), alias: nil)]
        core.from = [.table(try relation())]
        return core
    }

    // MARK: SELECT

    private mutating func selectCore() throws(SyntaxFailure) -> SelectCore {
        let core = SelectCore(position: token.start)
        try expect(.select)
        try distinctClause(core)
        if atTarget { try targetClause(core) }
        if at(.into) { core.into = try intoClause() }
        if try accept(.from) { try fromClause(core) }
        if try accept(.where) { try filterClause(core) }
        if at(.group) { try groupBy(core) }
        if try accept(.having) { core.having = try expression() }
        if try accept(.window) { core.windows = try windowDefinitions() }
        return core
    }

    private mutating func targetClause(_ core: SelectCore) throws(SyntaxFailure) { core.targets = try targets() }

    private mutating func fromClause(_ core: SelectCore) throws(SyntaxFailure) { core.from = try fromItems() }

    private mutating func filterClause(_ core: SelectCore) throws(SyntaxFailure) { core.filter = try expression() }

    private mutating func distinctClause(_ core: SelectCore) throws(SyntaxFailure) {
        if try accept(.all) { return }
        if try !accept(.distinct) { return }
        if try accept(.on) {
            try expect(.leftParenthesis)
            core.distinct = .on(try expressions())
            try expect(.rightParenthesis)
        } else {
            core.distinct = .distinct
        }
        if !atTarget { try failSyntax() }
    }

    /// A select list may be empty: whether one begins here, rather than what may follow it.
    private var atTarget: Bool {
        switch token.kind {
        case .endOfText, .semicolon, .rightParenthesis: false
        case .word:
            switch token.keyword {
            case .into, .from, .where, .group, .having, .window, .union, .intersect, .except, .order, .limit, .offset,
                .fetch, .for:
                false
            default: true
            }
        default: true
        }
    }

    /// A select list, or that of RETURNING.
    mutating func targets() throws(SyntaxFailure) -> [Target] {
        var list = [try target()]
        while try accept(.comma) { list.append(try target()) }
        return list
    }

    private mutating func target() throws(SyntaxFailure) -> Target {
        if token.kind == .star {
            let position = token.start
            try advance()
            return Target(expression: Expression(.star([]), at: position), alias: nil)
        }
        let expression = try expression()
        if try accept(.as) { return Target(expression: expression, alias: try label()) }
        if token.kind == .word ? token.keyword.isBareLabel : atQuotedName {
            return Target(expression: expression, alias: try takeName())
        }
        return Target(expression: expression, alias: nil)
    }

    mutating func returning() throws(SyntaxFailure) -> [Target] {
        try accept(.returning) ? try targets() : []
    }

    /// INTO [TEMP | UNLOGGED] [TABLE] name.
    private mutating func intoClause() throws(SyntaxFailure) -> IntoClause {
        try expect(.into)
        let persistence = try persistence()
        _ = try accept(.table)
        return IntoClause(name: try qualifiedName(), persistence: persistence)
    }

    /// [LOCAL | GLOBAL] TEMP | TEMPORARY, UNLOGGED, or nothing.
    mutating func persistence() throws(SyntaxFailure) -> Persistence {
        if at(.local) || at(.global) {
            let next = try peek().keyword
            if next != .temp && next != .temporary { return .permanent }
            try advance()
        }
        if try accept(.temp) { return .temporary }
        if try accept(.temporary) { return .temporary }
        return try accept(.unlogged) ? .unlogged : .permanent
    }

    // MARK: GROUP BY, WINDOW

    private mutating func groupBy(_ core: SelectCore) throws(SyntaxFailure) {
        try expect(.group)
        try expect(.by)
        if try accept(.distinct) {
            core.groupByDistinct = true
        } else {
            _ = try accept(.all)
        }
        core.groupBy = try groupingElements()
    }

    private mutating func groupingElements() throws(SyntaxFailure) -> [GroupingElement] {
        var list = [try groupingElement()]
        while try accept(.comma) { list.append(try groupingElement()) }
        return list
    }

    private mutating func groupingElement() throws(SyntaxFailure) -> GroupingElement {
        switch token.keyword {
        case .rollup:
            if try peek().kind == .leftParenthesis { return .rollup(try groupingList()) }
        case .cube:
            if try peek().kind == .leftParenthesis { return .cube(try groupingList()) }
        case .grouping:
            if try peek().keyword == .sets {
                try advance()
                try advance()
                let height = try enter()
                try expect(.leftParenthesis)
                let list = try groupingElements()
                try expect(.rightParenthesis)
                leave(height)
                return .sets(list)
            }
        default:
            if token.kind == .leftParenthesis, try peek().kind == .rightParenthesis {
                try advance()
                try advance()
                return .empty
            }
        }
        return .expression(try expression())
    }

    private mutating func groupingList() throws(SyntaxFailure) -> [Expression] {
        try advance()
        try expect(.leftParenthesis)
        let list = try expressions()
        try expect(.rightParenthesis)
        return list
    }

    private mutating func windowDefinitions() throws(SyntaxFailure) -> [WindowDefinition] {
        var list: [WindowDefinition] = []
        repeat {
            let name = try columnName()
            try expect(.as)
            let window = try windowSpecification()
            window.name = name
            list.append(window)
        } while try accept(.comma)
        return list
    }
}
