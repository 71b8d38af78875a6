// One engine: a device, its log, cache, trees and catalog, and the sessions over them.

import ArenaAlloc
import AsyncIO
import BTree
import BufferPool
import DirectStorage
import Fibers
import LayoutManager
import MVCC
import MultiEngine
import Platform
import QueryExec
import SQL
import SQLTypes
import Synchronization
import WALEngine

package struct EngineOptions: Sendable {
    /// Bytes for everything: cache, log ring, undo, queries. At least `minimumMemory`.
    package var memoryByteCount = 1 << 30
    /// Bytes of the log zone when the device is formatted; nil chooses by its size.
    package var logByteCount: UInt64?
    /// The same for the zone of double writes.
    package var doubleWriteByteCount: UInt64?
    package var sessionLimit = 1000
    /// Pages that the cache holds at most, however much memory there is; nil for no such bound.
    package var cachePageLimit: Int?
    /// A device of zeros becomes a database; otherwise it is refused.
    package var formatsEmptyDevice = true
    /// A device with something else than a database becomes one and loses what it holds.
    package var formatsForeignDevice = false
    package init() {}

    package static let minimumMemory = 32 << 20
}

/// How the memory budget is divided.
struct MemoryPlan {
    let pool: Int
    let logRing: Int
    let undo: Int
    let query: Int

    /// Errors: 53200 if there is too little.
    init(_ total: Int) throws(EngineError) {
        guard total >= EngineOptions.minimumMemory else {
            throw EngineError(
                .outOfMemory,
                "\(total) bytes of memory are too few: the engine needs at least \(EngineOptions.minimumMemory)",
                hint: "Give it more with --memory.")
        }
        logRing = min(max(total / 32, 1 << 20), 16 << 20)
        undo = total / 8
        query = total / 6
        pool = total - logRing - undo - query
    }
}

package final class Engine: @unchecked Sendable {
    package let scheduler: Scheduler
    let superblocks: SuperblockStore
    let log: Log
    let pool: BufferPool
    let allocator: PageAllocator
    package let transactions: TransactionManager
    package let storage: StorageEngine
    let catalog: Catalog
    let catalogTree: OpenTree
    let sequenceTree: OpenTree
    let sequences: SequenceStore
    let queryMemory: MemoryBudget
    let checkpointer: Checkpointer
    /// Microseconds since 2000-01-01.
    let startTime: Int64
    package let sessionLimit: Int

    private let objectIDs: ObjectIDs
    private let sessionsMutex = FiberMutex()
    private var sessions: [Int32: SessionEntry] = [:]

    struct SessionEntry {
        unowned(unsafe) var session: Session
        var fiber: FiberRef
    }

    init(_ parts: EngineParts, _ options: EngineOptions) throws(EngineError) {
        scheduler = parts.scheduler
        superblocks = parts.superblocks
        log = parts.log
        pool = parts.pool
        allocator = parts.allocator
        transactions = parts.transactions
        storage = parts.storage
        checkpointer = parts.checkpointer
        catalogTree = parts.catalogTree
        sequenceTree = parts.sequenceTree
        queryMemory = MemoryBudget(limit: try MemoryPlan(options.memoryByteCount).query)
        ValueMemory.budget = queryMemory
        catalog = parts.catalog
        sequences = SequenceStore(parts.sequenceTree.versions.tree, parts.log)
        objectIDs = ObjectIDs(parts.superblocks)
        sessionLimit = options.sessionLimit
        startTime = parts.scheduler.platform.wallClock() - Session.postgresEpoch
    }

    // MARK: Sessions

    /// Errors: 3D000 for an unknown database, 28000 for an unknown user, 53300.
    package func openSession(
        user: [UInt8], database: [UInt8], processID: Int32, port: any ClientPort,
        settings: [(name: [UInt8], value: [UInt8])]
    ) throws(EngineError) -> Session {
        let session = try Session(engine: self, user: user, database: database, processID: processID, port: port)
        for (name, value) in settings {
            do throws(EngineError) {
                try session.parameters.set(name, to: value, isLocal: false, isSessionStart: true)
            } catch {
                session.end()
                throw error
            }
        }
        session.applySearchPath()
        sessionsMutex.lock()
        sessions[processID] = SessionEntry(session: session, fiber: Fiber.current)
        sessionsMutex.unlock()
        return session
    }

    func sessionEnded(_ session: Session) {
        sessionsMutex.lock()
        sessions[session.processID] = nil
        sessionsMutex.unlock()
        transactions.close(session.transaction)
    }

    /// Sessions that are connected to the database, but for one.
    func isInUse(_ database: ObjectID, except processID: Int32) -> Bool {
        sessionsMutex.lock()
        defer { sessionsMutex.unlock() }
        return sessions.values.contains { $0.session.processID != processID && $0.session.catalog.database == database }
    }

    package func activities() -> [SessionActivity] {
        sessionsMutex.lock()
        defer { sessionsMutex.unlock() }
        return sessions.values.map { $0.session.activity }
    }

    func lockActivities() -> [LockActivity] { [] }

    /// pg_cancel_backend.
    func signal(processID: Int32, terminate: Bool) -> Bool {
        sessionsMutex.lock()
        defer { sessionsMutex.unlock() }
        guard let entry = sessions[processID] else { return false }
        if terminate { entry.session.isTerminating.store(true, ordering: .releasing) }
        Fiber.interrupt(entry.fiber)
        return true
    }

    // MARK: Services

    /// An eighth of what queries have, so that some operators can be at work at a time without going to the device.
    var defaultWorkMemory: Int { max(64 << 10, min(queryMemory.limit / 8, 256 << 20)) }

    func newObjectID() throws(EngineError) -> ObjectID { try objectIDs.next() }

    func checkpoint() throws(EngineError) { try checkpointer.checkpoint(keeping: 0) }

    func pageCount(treeID: UInt32, rootPage: UInt64) throws(EngineError) -> Int64 {
        Int64(allocator.pageCount(of: TreeID(treeID)))
    }

    func estimatedRowCount(_ table: TableDescriptor) -> Double? { table.statistics?.rowCount }

    // MARK: The end

    /// Stops everything cleanly: no sessions are left. What is dirty is written, and the next start needs no recovery.
    package func close() throws(EngineError) {
        try sequences.save()
        transactions.stop()
        try checkpointer.shutDown()
        pool.stop()
    }

    /// Something that recovery must mend has happened: the engine stops where it stands.
    package func panic(_ error: EngineError) {
        scheduler.platform.log("PANIC: \(error.message)")
        if let detail = error.detail { scheduler.platform.log("DETAIL: \(detail)") }
        scheduler.platform.exit(status: 3)
    }
}

/// Object ids from one counter, handed out in order. The superblock holds a bound that none has reached, moved ahead
/// before ids beyond it are given out: so none is given out twice, also after a crash.
final class ObjectIDs: @unchecked Sendable {
    private let superblocks: SuperblockStore
    private let mutex = FiberMutex()
    private var nextID: ObjectID
    private var bound: ObjectID

    private static let batch: ObjectID = 4096

    init(_ superblocks: SuperblockStore) {
        self.superblocks = superblocks
        let stored = ObjectID(truncatingIfNeeded: superblocks.current.roots[Engine.Root.objectIDs])
        nextID = max(stored, WellKnownOID.firstUserObject)
        bound = nextID
    }

    /// Errors: 58030; 54000 when four billion have been given out.
    func next() throws(EngineError) -> ObjectID {
        mutex.lock()
        defer { mutex.unlock() }
        if nextID == bound {
            guard bound < ObjectID.max - Self.batch else {
                throw EngineError(.programLimitExceeded, "all object identifiers have been used")
            }
            let newBound = bound + Self.batch
            try superblocks.update { $0.roots[Engine.Root.objectIDs] = UInt64(newBound) }
            bound = newBound
        }
        nextID += 1
        return nextID - 1
    }
}
