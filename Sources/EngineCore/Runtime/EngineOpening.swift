// From a device to a running engine: find or make the superblock, repair torn pages, recover the log, open the trees.
//
// Order matters. Torn pages are restored before recovery reads them. Recovery makes the boot count durable before anything
// bears it, needs the pool, and yields the page map, which only redo has completed.

import ArenaAlloc
import AsyncIO
import BTree
import BufferPool
import DirectStorage
import Fibers
import IOScheduler
import LayoutManager
import MVCC
import MultiEngine
import Platform
import SQL
import Synchronization
import WALEngine

/// What `Engine` is made of.
struct EngineParts {
    let scheduler: Scheduler
    let superblocks: SuperblockStore
    let log: Log
    let pool: BufferPool
    let allocator: PageAllocator
    let transactions: TransactionManager
    let storage: StorageEngine
    let checkpointer: Checkpointer
    let catalogTree: OpenTree
    let sequenceTree: OpenTree
    let catalog: Catalog
}

/// The catalog without what the device holds of it: SQL's functions, operators and system relations. A fiber of its own makes it
/// while the device is being read.
private final class CatalogInMaking: @unchecked Sendable {
    private var catalog: Catalog?
    private let isMade = Atomic<Bool>(false)

    /// Starts it, on the last core: the caller's is busy with the device.
    init() {
        let scheduler = Fiber.scheduler
        let owner = Fiber.current
        do throws(EngineError) {
            try scheduler.spawn(on: scheduler.workerCount - 1, .interactive, "catalog") {
                self.make()
                scheduler.wake(owner)
            }
        } catch {
            // No memory for another stack.
            make()
        }
    }

    private func make() {
        catalog = Catalog()
        isMade.store(true, ordering: .releasing)
    }

    /// By the fiber that started it: parks until it is there.
    func take() -> Catalog {
        while !isMade.load(ordering: .acquiring) { Fiber.park() }
        return catalog!
    }
}

/// What has fibers of its own before the engine is open. A start that fails is the end of the process; until then these fibers may
/// run, so nothing that they use may go.
private final class StartedParts {
    var log: Log?
    var pool: BufferPool?
    var transactions: TransactionManager?
    var storage: StorageEngine?
    var checkpointer: Checkpointer?
    var engine: Engine?

    func outlive() { _ = Unmanaged.passRetained(self) }
}

extension Engine {
    /// Superblock roots.
    enum Root {
        // A tree's id; its root page is in the next one.
        static let catalogTree = 0
        static let objectIDs = 2
        static let sequenceTree = 3
        /// 1 once the catalog has its first entries.
        static let isBootstrapped = 5
    }

    /// Opens the device, formatting it if it is all zeros. By a fiber. Errors: what is wrong with the device (XX001,
    /// 55006, 53100), the memory (53200) or the log.
    package static func open(_ options: EngineOptions) throws(EngineError) -> Engine {
        let started = StartedParts()
        do throws(EngineError) {
            return try open(options, started)
        } catch {
            started.outlive()
            throw error
        }
    }

    private static func open(_ options: EngineOptions, _ started: StartedParts) throws(EngineError) -> Engine {
        let scheduler = Fiber.scheduler
        let platform = scheduler.platform
        let memory = try MemoryPlan(options.memoryByteCount)
        let catalog = CatalogInMaking()
        let io = BlockIO(scheduler: scheduler)
        let superblocks = try openSuperblock(io, platform, options)
        let found = superblocks.current
        let isNew = found.bootCount == 0
        // Whatever this device promises: the image may have crashed on one that tears pages.
        let restored = try DoubleWrite.recover(io: io, superblock: found, platform: platform).restored
        if !restored.isEmpty { platform.log("restored \(restored.count) torn pages") }
        let layout = found.layout
        let log = try Log(
            scheduler: scheduler, io: io, zone: LogZone(offset: layout.walOffset, byteCount: layout.walByteCount),
            ringByteCount: memory.logRing)
        started.log = log
        let pool = try BufferPool(
            scheduler: scheduler, io: io, log: log, layout: layout, checksum: found.pageChecksum,
            frameCount: min(memory.pool / pageSize, options.cachePageLimit ?? .max), isSound: TreePage.isSound)
        started.pool = pool
        try pool.start()
        if isNew {
            try formatMap(
                io, platform, found.pageChecksum,
                ExtentGeometry(firstDataPage: PageID(layout.dataFirstPage), dataPageCount: layout.dataPageCount))
        }
        var recovery = Recovery(superblock: superblocks, pool: pool, log: log)
        let (report, allocator) = try recovery.run()
        if !report.wasCleanShutdown && !isNew { platform.log(describe(report, cores: scheduler.workerCount)) }
        var transactionOptions = TransactionManager.Options()
        transactionOptions.undoByteLimit = memory.undo
        transactionOptions.sessionLimit = options.sessionLimit + 8
        let transactions = try TransactionManager(
            scheduler: scheduler, log: log, bootCount: superblocks.current.bootCount, options: transactionOptions)
        let storage = StorageEngine(
            pool: pool, log: log, allocator: allocator, transactions: transactions,
            nextTreeID: UInt64(allocator.owners.map { $0.rawValue }.max() ?? 0) + 1)
        started.transactions = transactions
        started.storage = storage
        try transactions.start()
        let checkpointer = Checkpointer(
            log: log, pool: pool, superblock: superblocks, transactions: transactions, allocator: allocator)
        started.checkpointer = checkpointer
        try checkpointer.start()
        transactions.undoArea.temporary = storage.temporary
        storage.temporary.advanceRedo = { [unowned(unsafe) checkpointer] () throws(EngineError) in
            try checkpointer.checkpoint(keeping: 0)
        }
        let catalogTree = try openTree(storage, superblocks, Root.catalogTree)
        let sequenceTree = try openTree(storage, superblocks, Root.sequenceTree)
        let parts = EngineParts(
            scheduler: scheduler, superblocks: superblocks, log: log, pool: pool, allocator: allocator,
            transactions: transactions, storage: storage, checkpointer: checkpointer, catalogTree: catalogTree,
            sequenceTree: sequenceTree, catalog: catalog.take())
        let engine = try Engine(parts, options)
        started.engine = engine
        if superblocks.current.roots[Root.isBootstrapped] == 0 {
            // A crash between the two leaves the entries, and adding them again changes nothing.
            try engine.bootstrap()
            try superblocks.update { $0.roots[Root.isBootstrapped] = 1 }
        }
        try engine.freeUnnamedTrees()
        return engine
    }

    /// `recovery: 1024 MiB of log (5000000 records) replayed in 1.50 s on 2 cores, 341 MiB/s per core; …`
    private static func describe(_ report: RecoveryReport, cores: Int) -> String {
        func seconds(_ time: Nanoseconds) -> String {
            let hundredths = time.rawValue / 10_000_000
            return "\(hundredths / 100).\(hundredths / 10 % 10)\(hundredths % 10) s"
        }
        return "recovery: \(report.logByteCount >> 20) MiB of log (\(report.recordCount) records) replayed in "
            + "\(seconds(report.redoTime)) on \(cores) cores, \(report.redoRate(coreCount: cores) >> 20) MiB/s per core; "
            + "\(report.loserCount) transactions undone in \(seconds(report.undoTime)); pages written in "
            + seconds(report.checkpointTime)
    }

    private static func openSuperblock(
        _ io: BlockIO, _ platform: any Platform, _ options: EngineOptions
    ) throws(EngineError) -> SuperblockStore {
        let copies = try SuperblockStore.readCopies(io: io, platform: platform)
        // One block that is or was a superblock of ours, or could not be read, and nothing is formatted.
        let isCutOff = SuperblockQuorum.isCutOffFormat(copies)
        if options.formatsEmptyDevice && (isCutOff || copies.allSatisfy({ $0 == .zero }))
            || options.formatsForeignDevice && copies.allSatisfy({ $0 == .zero || $0 == .foreign })
        {
            platform.log("formatting the device")
            return try Formatter.format(
                io: io, platform: platform,
                options: LayoutOptions(
                    walByteCount: options.logByteCount, doubleWriteByteCount: options.doubleWriteByteCount),
                overwrite: isCutOff || options.formatsForeignDevice)
        }
        return try SuperblockStore.open(io: io, platform: platform)
    }

    /// Writes the pages of an empty map, which no log record describes.
    private static func formatMap(
        _ io: BlockIO, _ platform: any Platform, _ checksum: PageChecksum, _ geometry: ExtentGeometry
    ) throws(EngineError) {
        guard let page = platform.allocate(byteCount: pageSize, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "there is no memory to format the device")
        }
        defer { platform.deallocate(page, byteCount: pageSize) }
        for index in 0..<geometry.mapPageCount {
            page.initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
            PageAllocator.formatMapPage(index, geometry, into: page)
            checksum.set(page)
            let offset = (geometry.firstMapPage.rawValue + UInt64(index)) * UInt64(pageSize)
            try io.write(from: UnsafeRawPointer(page), offset: offset, byteCount: pageSize, class: .writeback)
        }
        try io.flush()
    }

    /// The tree that a superblock root names, made at the first start.
    private static func openTree(
        _ storage: StorageEngine, _ superblocks: SuperblockStore, _ root: Int
    ) throws(EngineError) -> OpenTree {
        let roots = superblocks.current.roots
        if roots[root] != 0 {
            let page = PageID(roots[root + 1])
            guard let id = UInt32(exactly: roots[root]), storage.allocator.geometry.contains(page) else {
                throw EngineError(
                    .dataCorrupted, "the superblock names a tree that cannot be", severity: .fatal,
                    hint: "Restore the database from a backup.")
            }
            return storage.tree(TreeID(id), root: page, isTable: false)
        }
        let tree = try storage.transactions.perform { (transaction) throws(EngineError) in
            try storage.createTree(transaction, isTable: false)
        }
        // Durable before the superblock names it.
        try storage.log.waitDurable(storage.log.insertLSN)
        try superblocks.update {
            $0.roots[root] = UInt64(tree.versions.id.rawValue)
            $0.roots[root + 1] = tree.versions.tree.root.rawValue
        }
        return tree
    }
}
