// BEGIN, COMMIT, ROLLBACK, savepoints and two-phase commit.

import Platform

extension Parser {
    mutating func transactionStatement() throws(SyntaxFailure) -> Statement {
        let keyword = token.keyword
        try advance()
        switch keyword {
        case .begin:
            try optionalWork()
            return .transaction(.begin(try transactionModes(), isStart: false))
        case .start:
            try expect(.transaction)
            return .transaction(.begin(try transactionModes(), isStart: true))
        case .savepoint: return .transaction(.savepoint(try columnName()))
        case .release: return .transaction(.release(try savepointName()))
        case .commit, .end:
            if keyword == .commit, try accept(.prepared) { return .transaction(.commitPrepared(try stringValue())) }
            try optionalWork()
            return .transaction(.commit(chain: try chain()))
        default: return .transaction(try rollback(isAbort: keyword == .abort))
        }
    }

    private mutating func rollback(isAbort: Bool) throws(SyntaxFailure) -> TransactionCommand {
        if !isAbort, try accept(.prepared) { return .rollbackPrepared(try stringValue()) }
        try optionalWork()
        if !isAbort, try accept(.to) {
            return .rollbackTo(try savepointName())
        }
        return .rollback(chain: try chain())
    }

    /// [SAVEPOINT] name; SAVEPOINT may be the name.
    private mutating func savepointName() throws(SyntaxFailure) -> Name {
        if at(.savepoint) {
            let next = try peek().kind
            if next != .endOfText && next != .semicolon { try advance() }
        }
        return try columnName()
    }

    private mutating func optionalWork() throws(SyntaxFailure) {
        if try !accept(.work) { _ = try accept(.transaction) }
    }

    /// AND [NO] CHAIN.
    private mutating func chain() throws(SyntaxFailure) -> Bool {
        if try !accept(.and) { return false }
        let no = try accept(.no)
        try expect(.chain)
        return !no
    }

    /// Modes separated by commas or nothing; perhaps none.
    mutating func transactionModes() throws(SyntaxFailure) -> TransactionModes {
        var modes = TransactionModes()
        var isFirst = true
        while true {
            if !isFirst, try accept(.comma) {
                if !atTransactionMode { try failSyntax() }
            }
            if !atTransactionMode { return modes }
            try transactionMode(&modes)
            isFirst = false
        }
    }

    private var atTransactionMode: Bool { at(.isolation) || at(.read) || at(.deferrable) || at(.not) }

    private mutating func transactionMode(_ modes: inout TransactionModes) throws(SyntaxFailure) {
        if try accept(.isolation) {
            try expect(.level)
            modes.isolation = try isolationLevel()
        } else if try accept(.read) {
            modes.readOnly = at(.only)
            if try !accept(.only) { try expect(.write) }
        } else {
            modes.deferrable = try !accept(.not)
            try expect(.deferrable)
        }
    }

    private mutating func isolationLevel() throws(SyntaxFailure) -> IsolationLevel {
        if try accept(.serializable) { return .serializable }
        if try accept(.repeatable) {
            try expect(.read)
            return .repeatableRead
        }
        try expect(.read)
        if try accept(.committed) { return .readCommitted }
        try expect(.uncommitted)
        return .readUncommitted
    }
}
