// Which statement begins here. Each family has a file of its own; what the engine knows only by name is in Unsupported.swift.

import Platform

extension Parser {
    mutating func statement() throws(SyntaxFailure) -> Statement {
        switch token.keyword {
        case .select, .values, .with, .table, .insert, .update, .delete, .merge: return try preparableStatement()
        case .begin, .start, .commit, .end, .rollback, .abort, .savepoint, .release: return try transactionStatement()
        case .set, .reset, .show, .discard, .prepare, .execute, .deallocate, .declare, .fetch, .move, .close, .listen,
            .unlisten, .notify, .load:
            return try sessionStatement()
        case .explain, .vacuum, .analyze, .analyse, .reindex, .cluster, .checkpoint, .do, .call, .lock:
            return try toolStatement()
        case .create: return try createStatement()
        case .alter: return try alterStatement()
        case .drop: return try dropStatement()
        case .copy: return .copy(try copy())
        case .truncate: return .truncate(try truncate())
        case .comment: return .comment(try comment())
        case .grant: return try grantStatement(isGrant: true)
        case .revoke: return try grantStatement(isGrant: false)
        case .refresh: return .refreshMaterializedView(try refreshMaterializedView())
        case .reassign: return .reassignOwned(try reassignOwned())
        case .security: return try unsupported("SECURITY LABEL", after: .security, .label)
        case .import: return try unsupported("IMPORT FOREIGN SCHEMA", after: .import, .foreign)
        default:
            if token.kind == .leftParenthesis { return .query(try query()) }
            try failSyntax()
        }
    }

    /// What may be prepared, explained, copied from and put in WITH: queries and modifications.
    mutating func preparableStatement() throws(SyntaxFailure) -> Statement {
        switch token.keyword {
        case .insert: return .insert(try insert())
        case .update: return .update(try update())
        case .delete: return .delete(try delete())
        case .merge: return .merge(try merge())
        case .with: return try statementAfterWith()
        case .select, .values, .table: return .query(try query())
        default:
            if token.kind == .leftParenthesis { return .query(try query()) }
            try failSyntax()
        }
    }

    /// WITH … and the query or modification it belongs to.
    private mutating func statementAfterWith() throws(SyntaxFailure) -> Statement {
        let height = try enter(Nesting.queryWeight)
        let with = try withClause()
        let statement: Statement
        switch token.keyword {
        case .insert:
            let insert = try insert()
            insert.with = with
            statement = .insert(insert)
        case .update:
            let update = try update()
            update.with = with
            statement = .update(update)
        case .delete:
            let delete = try delete()
            delete.with = with
            statement = .delete(delete)
        case .merge:
            let merge = try merge()
            merge.with = with
            statement = .merge(merge)
        default:
            if at(.with) { try failSyntax() }
            let query = try query()
            if query.with != nil, let with { try fail("multiple WITH clauses not allowed", at: with.position) }
            query.with = with
            statement = .query(query)
        }
        leave(height, Nesting.queryWeight)
        return statement
    }

    /// A statement known by its first words alone; the rest, up to the semicolon, is read over.
    mutating func unsupported(
        _ name: StaticString, after first: Keyword, _ second: Keyword
    ) throws(SyntaxFailure) -> Statement {
        try expect(first)
        try expect(second)
        return try unsupported(name)
    }

    mutating func unsupported(_ name: StaticString) throws(SyntaxFailure) -> Statement {
        var depth = 0
        while token.kind != .endOfText && (token.kind != .semicolon || depth > 0) {
            if token.kind == .leftParenthesis { depth += 1 }
            if token.kind == .rightParenthesis { depth -= 1 }
            try advance()
        }
        return .unsupported(name)
    }
}
