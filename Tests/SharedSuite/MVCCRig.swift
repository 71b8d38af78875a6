// A database of versioned trees on the case's disk, and small words to write interleavings with.

import BTree
import Fibers
import MVCC
import Platform
import Synchronization
import WALEngine

final class VersionRig {
    let trees: TreeRig
    let manager: TransactionManager
    let context: SuiteContext

    /// `temporaryExtents`: how many may hold undo that is moved out of memory; nil: none is moved.
    init(
        _ context: SuiteContext, undoByteLimit: Int = 64 << 20, temporaryExtents: Int? = nil
    ) throws(EngineError) {
        self.context = context
        trees = try TreeRig(context)
        var options = TransactionManager.Options()
        options.undoByteLimit = undoByteLimit
        manager = try TransactionManager(scheduler: context.scheduler, log: trees.log, bootCount: 7, options: options)
        if let temporaryExtents {
            trees.allocator.didCheckpoint(redoLSN: trees.log.insertLSN)
            manager.undoArea.temporary = TemporarySpace(
                trees.allocator, reserve: max(0, trees.allocator.freeExtentCount - temporaryExtents))
        }
        try manager.start()
    }

    func makeTree(_ id: UInt32 = 1, isTable: Bool = true) throws(EngineError) -> VersionedTree {
        VersionedTree(try trees.makeTree(id), manager, isTable: isTable)
    }

    func session() throws(EngineError) -> Session { Session(try manager.makeTransaction()) }

    func close() throws(EngineError) {
        manager.stop()
        try trees.close()
    }
}

/// A session that works with numbers: keys and rows are eight bytes, more if asked for.
final class Session {
    let transaction: Transaction
    private var copy = RowCopy()
    private let payload = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)

    init(_ transaction: Transaction) { self.transaction = transaction }
    deinit { payload.deallocate() }
    func close() { transaction.manager.close(transaction) }

    func begin(_ isolation: IsolationLevel = .readCommitted, readOnly: Bool = false) {
        transaction.begin(isolation, readOnly: readOnly)
    }
    func commit() throws(EngineError) { try transaction.commit() }
    func rollback() throws(EngineError) { try transaction.rollback() }

    private func row(_ value: UInt64, _ length: Int) -> UnsafeMutableRawBufferPointer {
        let row = UnsafeMutableRawBufferPointer(rebasing: payload[0..<RowHeader.byteCount + length])
        for index in 8..<max(length, 8) {
            row[RowHeader.byteCount + index] = UInt8(truncatingIfNeeded: value &+ UInt64(index))
        }
        row.baseAddress!.setBig(RowHeader.byteCount, value)
        return row
    }

    func withKey<R>(_ key: UInt64, _ body: (UnsafeRawBufferPointer) throws(EngineError) -> R) throws(EngineError) -> R {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
        defer { bytes.deallocate() }
        bytes.setBig(0, key)
        return try body(UnsafeRawBufferPointer(start: bytes, count: 8))
    }

    /// One statement each.

    func get(_ tree: VersionedTree, _ key: UInt64) throws(EngineError) -> UInt64? {
        transaction.beginStatement()
        return try read(tree, key)
    }
    /// Within the statement.
    func read(_ tree: VersionedTree, _ key: UInt64) throws(EngineError) -> UInt64? {
        try withKey(key) { (key) throws(EngineError) in
            transaction.noteRead(tree, key: key)
            guard try tree.read(key, transaction.view, into: &copy) else { return nil }
            return copy.row.baseAddress!.big(0, as: UInt64.self)
        }
    }
    var rowByteCount: Int { copy.row.count }
    func rowByte(_ index: Int) -> UInt8 { copy.row[index] }

    func insert(_ tree: VersionedTree, _ key: UInt64, _ value: UInt64, length: Int = 8) throws(EngineError)
        -> InsertResult
    {
        transaction.beginStatement()
        return try withKey(key) { (key) throws(EngineError) in
            try tree.insert(key, row(value, length), transaction)
        }
    }

    /// `count` rows at once under `key` and those after it; row `i` has the value `value + i`, and `length` bytes.
    func insertRun(
        _ tree: VersionedTree, _ key: UInt64, count: Int, _ value: UInt64, length: Int = 8
    ) throws(EngineError) {
        transaction.beginStatement()
        let run = RowRun()
        var first = key
        for index in 0..<UInt64(count) {
            let bytes = row(value + index, length)
            if let target = run.append(length) {
                target.copyMemory(from: bytes.baseAddress! + RowHeader.byteCount, byteCount: length)
                continue
            }
            try tree.insert(run, firstRowID: first, transaction)
            first += UInt64(run.count)
            run.removeAll()
            run.append(length)!.copyMemory(from: bytes.baseAddress! + RowHeader.byteCount, byteCount: length)
        }
        try tree.insert(run, firstRowID: first, transaction)
    }

    func update(
        _ tree: VersionedTree, _ key: UInt64, _ value: UInt64, length: Int = 8, changesKey: Bool = false,
        policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> WriteResult {
        transaction.beginStatement()
        return try write(tree, key, value, length: length, changesKey: changesKey, policy: policy)
    }
    func write(
        _ tree: VersionedTree, _ key: UInt64, _ value: UInt64, length: Int = 8, changesKey: Bool = false,
        expected: RowVersion = .none, policy: LockWaitPolicy = .wait
    ) throws(EngineError) -> WriteResult {
        try withKey(key) { (key) throws(EngineError) in
            try tree.update(key, row(value, length), transaction, changesKey: changesKey, expected: expected, policy)
        }
    }
    /// As UPDATE … SET v = v + delta does, with READ COMMITTED's re-evaluation.
    func add(_ tree: VersionedTree, _ key: UInt64, _ delta: Int64) throws(EngineError) -> Bool {
        transaction.beginStatement()
        guard var value = try read(tree, key) else { return false }
        var expected = RowVersion.none
        while true {
            switch try write(tree, key, UInt64(bitPattern: Int64(bitPattern: value) + delta), expected: expected) {
            case .done: return true
            case .changed:
                value = transaction.found.row.baseAddress!.big(0, as: UInt64.self)
                expected = transaction.found.version
            default: return false
            }
        }
    }

    func delete(_ tree: VersionedTree, _ key: UInt64, policy: LockWaitPolicy = .wait) throws(EngineError) -> WriteResult
    {
        transaction.beginStatement()
        return try withKey(key) { (key) throws(EngineError) in
            try tree.delete(key, transaction, expected: .none, policy)
        }
    }

    func lock(_ tree: VersionedTree, _ key: UInt64, _ mode: RowLockMode, policy: LockWaitPolicy = .wait)
        throws(EngineError) -> WriteResult
    {
        transaction.beginStatement()
        return try withKey(key) { (key) throws(EngineError) in
            try tree.lockRow(key, transaction, mode, expected: .none, policy)
        }
    }

    /// Sum and count of all rows.
    func sum(_ tree: VersionedTree, from: UInt64 = 0, to: UInt64 = UInt64.max) throws(EngineError) -> (
        sum: UInt64, count: Int
    ) {
        transaction.beginStatement()
        return try sumInStatement(tree, from: from, to: to)
    }
    func sumInStatement(_ tree: VersionedTree, from: UInt64 = 0, to: UInt64 = UInt64.max) throws(EngineError) -> (
        sum: UInt64, count: Int
    ) {
        try withKey(from) { (low) throws(EngineError) in
            try withKey(to) { (high) throws(EngineError) in
                transaction.noteRead(tree, from: low, to: high)
                var cursor = Cursor(tree.tree)
                cursor.setUpperBound(TreeKey(high), inclusive: false)
                try cursor.seek(TreeKey(low))
                var sum: UInt64 = 0
                var count = 0
                while try cursor.next() {
                    guard
                        let found = try transaction.view.version(
                            cursor.payload, isSpilled: cursor.isSpilled, &copy.older)
                    else {
                        continue
                    }
                    let row = found.isSpilled ? try tree.readSpilled(found, into: &copy) : found.row
                    sum &+= row.baseAddress!.big(0, as: UInt64.self)
                    count += 1
                }
                return (sum, count)
            }
        }
    }
}

/// A session whose steps are given to a fiber of its own, so that one that waits does not stop the script.
final class Actor: @unchecked Sendable {
    private var step: ((Session) throws(EngineError) -> Void)?
    private var isBusy = false
    private var hasEnded = false
    private(set) var error: EngineError?
    private var fiber = FiberRef.none
    private let scheduler: Scheduler
    private let manager: TransactionManager

    init(_ rig: VersionRig) throws(EngineError) {
        scheduler = rig.context.scheduler
        manager = rig.manager
        fiber = try scheduler.spawn(on: Fiber.core, .interactive, "actor") { [self] in run() }
    }

    private func run() {
        do throws(EngineError) {
            let session = Session(try manager.makeTransaction())
            while true {
                while !isBusy { Fiber.park() }
                guard let step else { break }
                error = nil
                do throws(EngineError) { try step(session) } catch { self.error = error }
                isBusy = false
            }
            try session.rollback()
            session.close()
        } catch {
            self.error = error
        }
        hasEnded = true
    }

    /// Starts a step. All fibers of the script run on one core, so it goes on until it ends or waits.
    func start(_ step: @escaping (Session) throws(EngineError) -> Void) {
        self.step = step
        isBusy = true
        scheduler.wake(fiber)
        settle()
    }
    /// Lets it run until nothing changes any more.
    private func settle() {
        let end = Fiber.now() + .milliseconds(20)
        while isBusy && Fiber.now() < end { Fiber.sleep(.microseconds(200)) }
    }
    var isWaiting: Bool {
        settle()
        return isBusy
    }
    /// Waits for the step to end; its error.
    func finish() -> EngineError? {
        let end = Fiber.now() + .seconds(10)
        while isBusy && Fiber.now() < end { Fiber.sleep(.microseconds(100)) }
        return isBusy ? EngineError(.internalError, "the step does not end") : error
    }
    /// `start` and `finish`.
    @discardableResult
    func run(_ step: @escaping (Session) throws(EngineError) -> Void) -> EngineError? {
        start(step)
        return finish()
    }
    func cancel() { Fiber.interrupt(fiber, in: scheduler) }
    func end() {
        step = nil
        isBusy = true
        scheduler.wake(fiber)
        while !hasEnded { Fiber.sleep(.microseconds(100)) }
    }
}
