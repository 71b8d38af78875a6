// What surrounds the body of a query: ORDER BY, LIMIT, OFFSET, FETCH, FOR UPDATE and its kin, WITH.

import Platform

extension Parser {
    // MARK: ORDER BY, LIMIT, locking

    /// At ORDER.
    mutating func orderBy() throws(SyntaxFailure) -> [SortItem] {
        try expect(.order)
        try expect(.by)
        var list = [try sortItem()]
        while try accept(.comma) { list.append(try sortItem()) }
        return list
    }

    private mutating func sortItem() throws(SyntaxFailure) -> SortItem {
        var item = SortItem(expression: try expression())
        if try accept(.using) {
            item.direction = .using
            item.using = try operatorReference()
        } else {
            item.direction = try direction()
        }
        item.nulls = try nullsOrder()
        return item
    }

    mutating func direction() throws(SyntaxFailure) -> SortItem.Direction {
        if try accept(.asc) { return .ascending }
        return try accept(.desc) ? .descending : .unspecified
    }

    mutating func nullsOrder() throws(SyntaxFailure) -> SortItem.Nulls {
        if try accept(.nulls, .first) { return .first }
        return try accept(.nulls, .last) ? .last : .unspecified
    }

    /// LIMIT or FETCH and OFFSET, in either order, before or after all the FOR clauses.
    mutating func limits(_ query: Query) throws(SyntaxFailure) {
        let hasLocking = at(.for)
        if hasLocking { try lockingClauses(query) }
        try limitAndOffset(query)
        if !hasLocking && at(.for) { try lockingClauses(query) }
        if query.withTies { try checkTies(query) }
    }

    private mutating func lockingClauses(_ query: Query) throws(SyntaxFailure) {
        if try accept(.for, .read) {
            try expect(.only)
            return
        }
        while at(.for) { query.locking.append(try lockingClause()) }
    }

    private mutating func limitAndOffset(_ query: Query) throws(SyntaxFailure) {
        var hasLimit = false
        var hasOffset = false
        while true {
            switch token.keyword {
            case .limit, .fetch:
                if hasLimit { return }
                hasLimit = true
                let earlier = query.limit
                if at(.limit) { try limit(query) } else { try fetchFirst(query) }
                if earlier != nil, let later = query.limit {
                    try fail("multiple LIMIT clauses not allowed", at: later.position)
                }
            case .offset:
                if hasOffset { return }
                hasOffset = true
                try advance()
                let offset = try expression()
                if query.offset != nil { try fail("multiple OFFSET clauses not allowed", at: offset.position) }
                query.offset = offset
                if try !accept(.row) { _ = try accept(.rows) }
            default: return
            }
        }
    }

    private mutating func checkTies(_ query: Query) throws(SyntaxFailure) {
        if query.orderBy.isEmpty { try fail("WITH TIES cannot be specified without ORDER BY clause", at: -1) }
        for clause in query.locking where clause.wait == .skipLocked {
            try fail("SKIP LOCKED and WITH TIES options cannot be used together", at: -1)
        }
    }

    private mutating func limit(_ query: Query) throws(SyntaxFailure) {
        let position = token.start
        try expect(.limit)
        if try accept(.all) {
            query.limit = nil
        } else {
            query.limit = try expression()
        }
        if token.kind == .comma {
            try fail(
                "LIMIT #,# syntax is not supported", at: position, hint: "Use separate LIMIT and OFFSET clauses.")
        }
    }

    /// FETCH {FIRST | NEXT} [n] {ROW | ROWS} {ONLY | WITH TIES}.
    private mutating func fetchFirst(_ query: Query) throws(SyntaxFailure) {
        try expect(.fetch)
        if try !accept(.first) { try expect(.next) }
        if at(.row) || at(.rows) {
            query.limit = Expression(.literal(.integer(1)))
        } else {
            // PostgreSQL takes a c_expr or a signed number.
            query.limit = try expression(.sign, restricted: true)
        }
        if try !accept(.row) { try expect(.rows) }
        if try accept(.with) {
            try expect(.ties)
            query.withTies = true
        } else {
            try expect(.only)
        }
    }

    /// At FOR.
    private mutating func lockingClause() throws(SyntaxFailure) -> LockingClause {
        try expect(.for)
        let strength: LockingClause.Strength
        switch token.keyword {
        case .update: strength = .update
        case .share: strength = .share
        case .no:
            try advance()
            try expect(.key)
            strength = .noKeyUpdate
            if !at(.update) { try failSyntax() }
        case .key:
            try advance()
            strength = .keyShare
            if !at(.share) { try failSyntax() }
        default: try failSyntax()
        }
        try advance()
        var clause = LockingClause(strength: strength, tables: [], wait: .block)
        if try accept(.of) { clause.tables = try qualifiedNames() }
        if try accept(.nowait) {
            clause.wait = .noWait
        } else if try accept(.skip) {
            try expect(.locked)
            clause.wait = .skipLocked
        }
        return clause
    }

    // MARK: WITH

    /// WITH …, or nil.
    mutating func withClause() throws(SyntaxFailure) -> WithClause? {
        if !at(.with) { return nil }
        let position = token.start
        try advance()
        let recursive = try accept(.recursive)
        var tables = [try commonTable()]
        while try accept(.comma) { tables.append(try commonTable()) }
        return WithClause(recursive: recursive, tables: tables, position: position)
    }

    private mutating func commonTable() throws(SyntaxFailure) -> CommonTable {
        let position = token.start
        let name = try columnName()
        let columns = try optionalColumnNames()
        try expect(.as)
        var materialization = CommonTable.Materialization.unspecified
        if try accept(.materialized) {
            materialization = .always
        } else if try accept(.not) {
            try expect(.materialized)
            materialization = .never
        }
        try expect(.leftParenthesis)
        let statement = try preparableStatement()
        try expect(.rightParenthesis)
        let table = CommonTable(
            name: name, columns: columns, materialization: materialization, statement: statement, position: position)
        if try accept(.search) {
            let order: CommonTable.SearchOrder = try accept(.depth) ? .depthFirst : .breadthFirst
            if order == .breadthFirst { try expect(.breadth) }
            try expect(.first)
            try expect(.by)
            let columns = try columnNames()
            try expect(.set)
            table.search = (order, columns, try columnName())
        }
        if try accept(.cycle) { table.cycle = try cycleClause() }
        return table
    }

    private mutating func cycleClause() throws(SyntaxFailure) -> CycleClause {
        let columns = try columnNames()
        try expect(.set)
        let mark = try columnName()
        var value: Expression?
        var otherwise: Expression?
        if try accept(.to) {
            value = try expression(.typecast, restricted: true)
            try expect(.default)
            otherwise = try expression(.typecast, restricted: true)
        }
        try expect(.using)
        return CycleClause(columns: columns, mark: mark, value: value, otherwise: otherwise, path: try columnName())
    }
}
