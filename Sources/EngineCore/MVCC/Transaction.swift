// One session's transaction. The object is made once per session and reused: begin, statements, commit or rollback,
// begin again. It stays on the worker where it was made. Reading costs it a snapshot registration; only the first write
// gives it an id, a slot and undo memory, so a read-only transaction leaves no trace anywhere.

import BTree
import Fibers
import Platform
import Synchronization
import WALEngine

package enum IsolationLevel: UInt8, Sendable {
    /// Each statement sees what was committed when it began. READ UNCOMMITTED is this, too.
    case readCommitted
    /// The transaction sees what was committed at its first statement (snapshot isolation).
    case repeatableRead
    /// As if the transactions that committed had run one after the other.
    case serializable
}

/// A place in a transaction that it can go back to. Valid until the transaction ends or goes back to an earlier one.
package struct Savepoint: BitwiseCopyable, Sendable {
    let newestUndo: UInt64
    let locks: Int
    let treeActions: Int
}

/// What becomes of a tree at the end of the transaction.
struct TreeAction {
    enum When: UInt8 { case atCommit, atAbort, usableAtCommit }
    var tree: VersionedTree
    var when: When
}

package final class Transaction: @unchecked Sendable {
    package enum State: UInt8 {
        case idle, active
        /// Between the commit record and its durability, or rolling back.
        case ending
    }

    package unowned(unsafe) let manager: TransactionManager
    package let worker: WorkerPointer
    /// Index in the manager's registry: the node in the waits-for graph.
    let index: Int

    package private(set) var state = State.idle
    package private(set) var isolation = IsolationLevel.readCommitted
    package private(set) var isReadOnly = false
    /// What the current statement sees. `view.owner` is updated at each statement.
    package internal(set) var view: ReadView
    let snapshotNode: SnapshotPointer
    /// Of the first snapshot; what serializable validation goes back to.
    var firstSnapshot: UInt64 = 0

    /// 0 until the first write.
    package internal(set) var id = TransactionID.none
    var slot: SlotPointer?
    var ending: EndingPointer?
    var active: ActiveNode
    var holding = UndoHolding()
    /// Newest undo record not undone.
    var newestUndo: UInt64 = 0
    /// Start LSN of the newest log record.
    var lastLSN = LSN.zero
    /// It has left tombstones or replaced spilled rows: there is work to do when it retires.
    var needsPurge = false
    /// Undo records written so far: the number of row changes.
    package internal(set) var changeCount = 0

    /// Row locks, advisory locks and strong table locks held, newest last.
    var locks: UnsafeMutablePointer<LockHold>?
    var lockCount = 0
    /// Advisory locks of the session.
    var sessionLocks: UnsafeMutablePointer<LockHold>?
    var fastPath: FastPathLocks
    var wait: WaitState
    var predicates = ReadPredicates()
    var treeActions: [TreeAction] = []

    /// The row that made a write answer `.changed` or `.duplicate`.
    package var found = RowCopy()
    /// The row as it was before the last `.done` update or delete; valid until the next change of a row.
    package internal(set) var oldRow = SeenVersion.none
    /// What was found out about an undo record that is not in memory, for a decision under a latch; 0: nothing. Not kept beyond
    /// the statement, whose snapshot keeps the record.
    var answered: (undo: UInt64, answer: UInt32) = (0, 0)

    /// How long one lock wait may last; zero: for ever. 55P03 after that.
    package var lockTimeout = Nanoseconds(0)
    /// When the statement at hand must have ended, also if it waits. 57014 after that.
    package var statementDeadline = Nanoseconds.never

    init(manager: TransactionManager, worker: WorkerPointer, index: Int) {
        self.manager = manager
        self.worker = worker
        self.index = index
        view = ReadView(snapshot: 0, owner: 0, command: 0, of: manager)
        snapshotNode = .allocate(capacity: 1)
        snapshotNode.initialize(to: SnapshotNode())
        active = .allocate(capacity: 1)
        active.initialize(to: ActiveTransaction())
        fastPath = FastPathLocks()
        wait = WaitState.make()
    }

    deinit {
        precondition(state == .idle, "a transaction is ended before its session")
        snapshotNode.deallocate()
        active.deallocate()
        fastPath.deallocate()
        wait.deallocate()
    }

    // MARK: Life

    /// Starts a transaction; takes no snapshot yet.
    package func begin(_ isolation: IsolationLevel = .readCommitted, readOnly: Bool = false) {
        precondition(state == .idle, "a transaction is begun once")
        state = .active
        self.isolation = isolation
        isReadOnly = readOnly
        view.command = 0
        view.owner = 0
    }

    /// Before the first snapshot only: what SET TRANSACTION may change.
    package func setCharacteristics(_ isolation: IsolationLevel, readOnly: Bool) {
        if !hasSnapshot { self.isolation = isolation }
        isReadOnly = readOnly
    }

    package var isActive: Bool { state == .active }
    package var hasSnapshot: Bool { snapshotNode.pointee.isRegistered }
    /// True once something was written: the transaction has an id.
    package var hasWritten: Bool { slot != nil }

    /// Before a change, where no latch is held. 53100 if the transaction has begun so long ago, and written so much, that the
    /// disk has no room for what more it would have to undo; it can still end. 53200, 53100 and 58030 of `makeUndoRoom`.
    @inline(__always)
    func requireUndoRoom() throws(EngineError) {
        if manager.log.refusedLSN.rawValue > active.pointee.firstLSN && slot != nil { throw Log.noRoomForUndo }
        if holding.needsSegment { try manager.makeUndoRoom(self) }
    }

    /// Begins a statement: own changes so far become visible to it, and at READ COMMITTED it gets a new snapshot. The
    /// view of the statement before is invalid from here on, unless a `SnapshotHold` keeps it.
    @inline(__always)
    package func beginStatement() {
        assert(state == .active, "statements run in an active transaction")
        view.command &+= 1
        view.owner = id.rawValue
        answered.undo = 0
        if isolation == .readCommitted {
            worker.pointee.snapshots.release(snapshotNode)
            takeSnapshot()
        } else if !snapshotNode.pointee.isRegistered {
            takeSnapshot()
            firstSnapshot = view.snapshot
        }
    }

    @inline(__always) private func takeSnapshot() {
        let log = manager.log
        worker.pointee.snapshots.take(snapshotNode, floor: manager.horizonFloor) { log.durableLSN.rawValue }
        view.snapshot = snapshotNode.pointee.snapshot
        if Mutation.isActive(.staleSnapshot) { view.snapshot -= min(view.snapshot, 40_000) }
    }

    /// Own changes become visible without a new snapshot: between the parts of one statement (a trigger, a function's
    /// statements at REPEATABLE READ).
    package func advanceCommand() {
        view.command &+= 1
        view.owner = id.rawValue
    }

    /// Makes the changes durable and then visible. Returns when they are. 40001 if serializable validation fails – the
    /// transaction is then still active, and the caller rolls it back.
    /// `whenVisible` is called once they are, before any lock is released: what others cache of the catalog is invalidated
    /// there.
    package func commit(whenVisible: (() -> Void)? = nil) throws(EngineError) {
        assert(state == .active)
        if slot != nil {
            if holding.firstInMemory != 0 { manager.moveRest(self) }
            try manager.commit(self)
        } else {
            runTreeActions(.atCommit, end: manager.log.durableLSN.rawValue)
        }
        whenVisible?()
        finish()
    }

    /// Undoes everything. Cannot fail but for the end of the engine (a log or device failure).
    package func rollback() throws(EngineError) {
        if state == .idle { return }
        if slot != nil { try manager.rollback(self) }
        runTreeActions(.atAbort, end: manager.log.insertLSN.rawValue)
        finish()
    }

    func markEnding() { state = .ending }

    /// What was found out about the record, once.
    @inline(__always)
    func takeAnswer(about undo: UInt64) -> UInt32? {
        if answered.undo != undo { return nil }
        answered.undo = 0
        return answered.answer
    }

    private func finish() {
        manager.locks.releaseAll(self)
        if isolation == .serializable { manager.serializable.forget(self) }
        worker.pointee.snapshots.release(snapshotNode)
        treeActions.removeAll(keepingCapacity: true)
        predicates.reset()
        id = .none
        slot = nil
        ending = nil
        holding = UndoHolding()
        oldRow = .none
        newestUndo = 0
        lastLSN = .zero
        needsPurge = false
        changeCount = 0
        state = .idle
    }

    /// Sees what is committed now and everything of its own. A snapshot must be registered.
    package var newestView: ReadView {
        ReadView(
            snapshot: manager.log.durableLSN.rawValue, owner: id.rawValue, command: UInt32.max, of: manager)
    }

    // MARK: Savepoints

    package func setSavepoint() -> Savepoint {
        Savepoint(newestUndo: newestUndo, locks: lockCount, treeActions: treeActions.count)
    }

    /// Undoes, newest first, everything after the savepoint and releases row and advisory locks taken since. Table locks
    /// stay until the end of the transaction.
    package func rollback(to savepoint: Savepoint) throws(EngineError) {
        if !Mutation.isActive(.savepointKeepsChanges) { try manager.undo(self, downTo: savepoint.newestUndo) }
        manager.locks.release(self, downTo: savepoint.locks)
        while treeActions.count > savepoint.treeActions {
            let action = treeActions.removeLast()
            if action.when == .atAbort {
                manager.retire(tree: action.tree, at: manager.log.insertLSN.rawValue, worker: worker)
            }
        }
    }

    // MARK: Trees

    /// The tree was made by this transaction: an abort drops it.
    package func created(_ tree: VersionedTree) { treeActions.append(TreeAction(tree: tree, when: .atAbort)) }
    /// Commit drops the tree, once no older snapshot is left.
    package func dropping(_ tree: VersionedTree) {
        if Mutation.isActive(.droppedTableFreedEarly) { return manager.retire(tree: tree, at: 0, worker: worker) }
        treeActions.append(TreeAction(tree: tree, when: .atCommit))
    }

    /// The tree of an index was filled from rows that exist: only from this commit on are all versions that a snapshot can
    /// see in it. Until then only the transaction itself uses it. 53200.
    package func built(_ tree: VersionedTree) throws(EngineError) {
        if slot == nil { try manager.start(self) }
        tree.builtAt.store(manager.log.durableLSN.rawValue, ordering: .relaxed)
        tree.builder.store(id.rawValue, ordering: .relaxed)
        tree.usableFrom.store(UInt64.max, ordering: .releasing)
        treeActions.append(TreeAction(tree: tree, when: .usableAtCommit))
    }

    /// Before the commit can be seen: from when the trees it built can be used.
    func publishBuiltTrees(_ end: UInt64) {
        for action in treeActions where action.when == .usableAtCommit {
            action.tree.usableFrom.store(end, ordering: .releasing)
        }
    }

    func runTreeActions(_ when: TreeAction.When, end: UInt64) {
        for action in treeActions where action.when == when {
            manager.retire(tree: action.tree, at: end, worker: worker)
        }
    }

    // MARK: Serializable reads

    /// Notes that the result depends on everything in this key range of the tree, present or absent. No-op below
    /// SERIALIZABLE. Empty `upper` is no bound; bounds are inclusive below, exclusive above.
    @inline(__always)
    package func noteRead(_ tree: VersionedTree, from lower: UnsafeRawBufferPointer, to upper: UnsafeRawBufferPointer) {
        if isolation == .serializable && !isReadOnly { predicates.add(tree, lower, upper) }
    }
    @inline(__always)
    package func noteRead(_ tree: VersionedTree, key: UnsafeRawBufferPointer) {
        if isolation == .serializable && !isReadOnly { predicates.add(tree, point: key) }
    }
}
