// Statements about transactions, settings, cursors and prepared statements.

package enum IsolationLevel: UInt8, Sendable { case readUncommitted, readCommitted, repeatableRead, serializable }

/// The modes of BEGIN and SET TRANSACTION; nil where not written.
package struct TransactionModes: Sendable {
    package var isolation: IsolationLevel?
    package var readOnly: Bool?
    package var deferrable: Bool?
    package init() {}
}

package enum TransactionCommand: Sendable {
    /// `isStart`: written START TRANSACTION, which only changes the command tag.
    case begin(TransactionModes, isStart: Bool)
    case commit(chain: Bool)
    case rollback(chain: Bool)
    case savepoint(Name)
    case release(Name)
    case rollbackTo(Name)
    case prepare([UInt8])
    case commitPrepared([UInt8])
    case rollbackPrepared([UInt8])
}

/// SET, RESET and what is written like them.
package struct SetVariable: Sendable {
    package enum Scope: UInt8, Sendable { case session, local }
    package enum Action: Sendable {
        /// SET name = value, …
        case values([SettingValue])
        /// SET name TO DEFAULT, RESET name.
        case reset(isReset: Bool)
        /// SET name FROM CURRENT.
        case fromCurrent
        /// RESET ALL.
        case resetAll
        /// SET TRANSACTION modes; SET SESSION CHARACTERISTICS AS TRANSACTION modes when `session`.
        case transaction(TransactionModes, session: Bool)
        /// SET TRANSACTION SNAPSHOT 'id'.
        case snapshot([UInt8])
    }
    package var scope: Scope = .session
    /// Dotted names are joined; SET TIME ZONE is `timezone`, SET NAMES `client_encoding`, SET ROLE `role`,
    /// SET SESSION AUTHORIZATION `session_authorization`, SET SCHEMA `search_path`, SET XML OPTION `xmloption`.
    package var name: Name
    package var action: Action
    package var position: Int32
}

package enum SettingValue: Sendable {
    case string([UInt8])
    /// A bare word, folded: `on`, `public`.
    case word(Name)
    case integer(Int64)
    case numeric([UInt8])
    /// SET TIME ZONE INTERVAL '…' …
    case interval(Expression)
}

package enum ShowVariable: Sendable {
    case all
    /// Named as in SetVariable; SHOW TRANSACTION ISOLATION LEVEL is `transaction_isolation`.
    case named(Name)
}

package enum DiscardTarget: UInt8, Sendable { case all, plans, sequences, temporary }

package struct Prepare: Sendable {
    package var name: Name
    package var types: [TypeName]
    package var statement: Statement
    /// Bytes of the query text that the inner statement spans.
    package var start: Int
    package var end: Int
}

package struct Execute: Sendable {
    package var name: Name
    package var arguments: [Expression]
}

package struct DeclareCursor: Sendable {
    package enum Scroll: UInt8, Sendable { case unspecified, scroll, noScroll }
    package enum Sensitivity: UInt8, Sendable { case unspecified, asensitive, insensitive }
    package var name: Name
    package var binary = false
    package var sensitivity: Sensitivity = .unspecified
    package var scroll: Scroll = .unspecified
    package var hold = false
    package var query: Query
}

/// FETCH, or MOVE.
package struct Fetch: Sendable {
    package enum Direction: Sendable {
        /// FORWARD n; `Int64.max` is ALL. Negative goes backward. NEXT is 1, and so is nothing at all.
        case forward(Int64)
        /// BACKWARD n, PRIOR.
        case backward(Int64)
        /// FIRST is ABSOLUTE 1, LAST is ABSOLUTE -1.
        case absolute(Int64)
        case relative(Int64)
    }
    package var direction: Direction
    package var cursor: Name
    package var isMove: Bool
}

package struct LockTable: Sendable {
    /// PostgreSQL's eight table lock modes, weakest first.
    package enum Mode: UInt8, Sendable {
        case accessShare = 1
        case rowShare, rowExclusive, shareUpdateExclusive, share, shareRowExclusive, exclusive, accessExclusive
    }
    package var tables: [TableReference]
    package var mode: Mode
    package var noWait: Bool
}

package struct SetConstraints: Sendable {
    /// Empty: ALL.
    package var constraints: [QualifiedName]
    package var deferred: Bool
}

package struct Explain: Sendable {
    /// `analyze`, `verbose`, `costs`, … as written; the old keywords come as options without value.
    package var options: [Option]
    package var statement: Statement
}

package struct Vacuum: Sendable {
    package struct Relation: Sendable {
        package var name: QualifiedName
        package var columns: [Name]
    }
    /// ANALYZE alone.
    package var isAnalyzeOnly: Bool
    /// `full`, `freeze`, `verbose`, `analyze`, …
    package var options: [Option]
    package var relations: [Relation]
}

package struct Reindex: Sendable {
    package enum Target: Sendable {
        case index(QualifiedName), table(QualifiedName), schema(Name), database(Name), system(Name)
    }
    package var target: Target
    package var concurrently: Bool
    package var options: [Option]
}

package struct Cluster: Sendable {
    package var table: QualifiedName?
    package var index: Name?
    package var options: [Option]
}

package struct DoBlock: Sendable {
    package var language: Name?
    package var body: [UInt8]
}
