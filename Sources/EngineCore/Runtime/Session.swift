// A client's session: its transaction, settings, prepared statements and portals. It is one fiber's, on one worker.
//
// Transaction status follows PostgreSQL's (src/backend/access/transam/xact.c tells the states): a statement outside a
// block runs in a transaction of its own, which ends with the query string (simple protocol) or at Sync (extended).

import Fibers
import MVCC
import MultiEngine
import Platform
import QueryExec
import SQL
import SQLSyntax
import SQLTypes
import Synchronization
import Telemetry

package final class Session {
    package let engine: Engine
    package let processID: Int32
    package let user: [UInt8]
    package let parameters: Settings
    package let evaluation: EvaluationContext
    unowned(unsafe) let port: any ClientPort

    let transaction: Transaction
    let catalog: CatalogSession
    let planner: Planner
    let tables: TableAccess
    /// Sequences to remove when the transaction commits.
    var droppedSequences: [ObjectID] = []
    /// The query string at hand holds one statement only: what may not run in a transaction block may run.
    var isAlone = false

    /// Where the session is between BEGIN and COMMIT.
    enum Block: UInt8 {
        /// No block: each query string is its own transaction.
        case none
        /// After BEGIN.
        case open
        /// After an error in a block: only ROLLBACK (or COMMIT, which rolls back) is heard.
        case failed
    }
    var block = Block.none
    var savepoints: [NamedSavepoint] = []

    /// By name; the unnamed one has an empty name.
    var statements: [PreparedStatement] = []
    var portals: [Portal] = []
    /// A portal without a name that is not in use, kept so that binding it again allocates nothing.
    var sparePortal: Portal?
    var sequences = SequenceValues()
    /// Set by pg_terminate_backend.
    let isTerminating = Atomic<Bool>(false)
    /// A statement is under way. Others look.
    private let isRunning = Atomic<Bool>(false)

    /// When statement_timeout ends the statement at hand.
    var statementDeadline = Nanoseconds.never

    struct NamedSavepoint {
        var name: Name
        var savepoint: Savepoint
        var settingsMark: Int
    }

    /// Errors: 28000 for an unknown user, 3D000 for an unknown database, 53300.
    init(
        engine: Engine, user: [UInt8], database: [UInt8], processID: Int32, port: any ClientPort
    ) throws(EngineError) {
        self.engine = engine
        self.processID = processID
        self.user = user
        self.port = port
        evaluation = EvaluationContext()
        evaluation.platform = engine.scheduler.platform
        parameters = Settings(evaluation: evaluation)
        parameters.assignWorkMemory(engine.defaultWorkMemory)
        transaction = try engine.transactions.makeTransaction()
        let storage = CatalogTree(engine.catalogTree.versions, transaction, engine)
        do throws(EngineError) {
            transaction.begin()
            let (role, descriptor) = try Self.identify(user, database, engine, storage, evaluation)
            try transaction.commit()
            catalog = CatalogSession(
                catalog: engine.catalog, storage: storage, context: evaluation, database: descriptor.oid,
                databaseName: descriptor.name, user: role.oid, userName: role.name)
        } catch {
            do throws(EngineError) { try transaction.rollback() } catch { engine.panic(error) }
            engine.transactions.close(transaction)
            throw error
        }
        planner = Planner(catalog)
        tables = TableAccess(engine.storage, planner)
        catalog.services = self
        evaluation.catalog = catalog
        parameters.assignUser(user)
    }

    private static func identify(
        _ user: [UInt8], _ database: [UInt8], _ engine: Engine, _ storage: CatalogTree, _ evaluation: EvaluationContext
    ) throws(EngineError) -> (RoleDescriptor, DatabaseDescriptor) {
        let shared = CatalogSession(
            catalog: engine.catalog, storage: storage, context: evaluation, database: 0, databaseName: [], user: 0,
            userName: [])
        guard let role = try shared.role(named: user), role.canLogin else {
            throw EngineError(
                "28000", "role \"\(String(decoding: user, as: UTF8.self))\" does not exist", severity: .fatal)
        }
        guard let descriptor = try shared.database(named: database), descriptor.allowsConnections else {
            throw EngineError(
                .invalidCatalogName, "database \"\(String(decoding: database, as: UTF8.self))\" does not exist",
                severity: .fatal)
        }
        return (role, descriptor)
    }

    /// Somebody has asked for the session's end (pg_terminate_backend).
    package var isTerminated: Bool { isTerminating.load(ordering: .acquiring) }
    package static var terminated: EngineError {
        EngineError(.adminShutdown, "terminating connection due to administrator command", severity: .fatal)
    }

    /// The client has the answer and is waited for.
    package func becomeIdle() { isRunning.store(false, ordering: .relaxed) }

    /// What ReadyForQuery says: idle, in a block, in a failed block.
    package var transactionStatus: UInt8 {
        switch block {
        case .none: UInt8(ascii: "I")
        case .open: UInt8(ascii: "T")
        case .failed: UInt8(ascii: "E")
        }
    }

    /// The client is gone or has said goodbye.
    package func end() {
        closeAllPortals()
        abort()
        block = .none
        catalog.services = nil
        evaluation.catalog = nil
        engine.sessionEnded(self)
    }

    // MARK: Statements and transactions

    /// Before each statement: starts the implicit transaction if there is none, and gives the statement its clock and
    /// interrupt state.
    func beginStatement(allowedInFailedBlock: Bool = false) throws(EngineError) {
        if block == .failed, !allowedInFailedBlock {
            throw EngineError(
                .inFailedSQLTransaction,
                "current transaction is aborted, commands ignored until end of transaction block")
        }
        Fiber.clearInterrupt()
        // Set before the interrupt that may just have been cleared.
        if isTerminated { throw Self.terminated }
        isRunning.store(true, ordering: .relaxed)
        engine.scheduler.counters.add(Fiber.core, .statements)
        let now = engine.scheduler.platform.wallClock() - Self.postgresEpoch
        evaluation.statementTimestamp = now
        if !transaction.isActive { start(TransactionModes(), now) }
        let timeout = parameters.statementTimeout
        statementDeadline = timeout == 0 ? .never : Fiber.now() + .milliseconds(timeout)
        transaction.statementDeadline = statementDeadline
        transaction.lockTimeout = .milliseconds(parameters.lockTimeout)
    }

    /// 2000-01-01 in microseconds since 1970.
    static let postgresEpoch: Int64 = 946_684_800_000_000

    private func start(_ modes: TransactionModes, _ now: Int64) {
        let isolation = modes.isolation ?? parameters.defaultIsolation
        let isReadOnly = modes.readOnly ?? parameters.defaultIsReadOnly
        evaluation.transactionTimestamp = now
        transaction.begin(Self.level(isolation), readOnly: isReadOnly)
        parameters.showModes(isolation, isReadOnly: isReadOnly)
    }

    /// BEGIN: a block, with modes.
    func begin(_ modes: TransactionModes) {
        if block != .none {
            port.notice(
                EngineError(.activeSQLTransaction, "there is already a transaction in progress"), "WARNING")
            return
        }
        block = .open
        setModes(modes)
    }

    /// Changes the running transaction's modes, before its first snapshot.
    func setModes(_ modes: TransactionModes) {
        guard modes.isolation != nil || modes.readOnly != nil else { return }
        let isolation = modes.isolation ?? parameters.transactionIsolation
        let isReadOnly = modes.readOnly ?? parameters.transactionIsReadOnly
        transaction.setCharacteristics(Self.level(isolation), readOnly: isReadOnly)
        parameters.showModes(isolation, isReadOnly: isReadOnly)
    }

    static func level(_ isolation: SQLSyntax.IsolationLevel) -> MVCC.IsolationLevel {
        switch isolation {
        case .readUncommitted, .readCommitted: .readCommitted
        case .repeatableRead: .repeatableRead
        case .serializable: .serializable
        }
    }

    /// Ends the transaction well; durable when it returns. On an error the transaction is rolled back.
    func commit() throws(EngineError) {
        guard transaction.isActive else {
            block = .none
            return
        }
        closePortalsAtEnd()
        do throws(EngineError) {
            try transaction.commit { [unowned(unsafe) self] in catalog.didCommit() }
        } catch {
            abort()
            block = .none
            throw error
        }
        for sequence in droppedSequences { try engine.sequences.remove(sequence) }
        droppedSequences.removeAll()
        parameters.endTransaction(committed: true)
        savepoints.removeAll(keepingCapacity: true)
        block = .none
    }

    /// Ends the transaction by undoing it.
    func abort() {
        guard transaction.isActive else { return }
        closeAllPortals()
        do throws(EngineError) {
            try transaction.rollback()
        } catch {
            engine.panic(error)
        }
        catalog.didRollback()
        droppedSequences.removeAll()
        parameters.endTransaction(committed: false)
        savepoints.removeAll(keepingCapacity: true)
    }

    /// After an error: the transaction is undone, and a block waits for its end in failed state.
    package func failTransaction() {
        // With savepoints the transaction must live: ROLLBACK TO goes on with it.
        if block == .open, !savepoints.isEmpty {
            closeAllPortals()
            block = .failed
            return
        }
        abort()
        if block == .open { block = .failed }
    }

    /// End of a query string or Sync: an implicit transaction commits.
    func endImplicit() throws(EngineError) {
        if block == .none, transaction.isActive { try commit() }
    }

    package func sync() throws(EngineError) { try endImplicit() }

    /// As pg_stat_activity shows the session.
    var activity: SessionActivity {
        var activity = SessionActivity()
        activity.processID = processID
        activity.database = catalog.database
        activity.databaseName = catalog.databaseName
        activity.user = catalog.user
        activity.userName = user
        activity.applicationName = parameters.values[SettingIndex.applicationName]
        let state: String =
            switch block {
            case _ where isRunning.load(ordering: .relaxed): "active"
            case .none: "idle"
            case .open: "idle in transaction"
            case .failed: "idle in transaction (aborted)"
            }
        activity.state = Array(state.utf8)
        return activity
    }
}
