// An engine from the device up to transactions, with one table, that can crash and start again.

import AsyncIO
import BTree
import BufferPool
import DirectStorage
import Fibers
import IOScheduler
import LayoutManager
import MVCC
import Platform
import WALEngine

/// Everything from the device up to transactions, on the case's disk, with one table.
final class CrashRig {
    let context: SuiteContext
    private let platform: any Platform
    private let scheduler: Scheduler
    let io: BlockIO
    private(set) var superblock: SuperblockStore
    private(set) var log: Log! = nil
    private(set) var pool: BufferPool! = nil
    private(set) var manager: TransactionManager! = nil
    private(set) var checkpointer: Checkpointer! = nil
    private(set) var table: VersionedTree! = nil
    private(set) var allocator: PageAllocator! = nil
    private(set) var report = RecoveryReport()
    let frameCount: Int
    /// If set, and used up, undo moves to temporary space.
    private let undoByteLimit: Int?
    private(set) var root = PageID.none

    /// Formats the disk of the calling fiber's platform.
    init(
        _ context: SuiteContext, walByteCount: UInt64, frameCount: Int = 2048, undoByteLimit: Int? = nil
    ) throws(EngineError) {
        self.context = context
        self.undoByteLimit = undoByteLimit
        self.frameCount = frameCount
        scheduler = Fiber.scheduler
        platform = scheduler.platform
        io = BlockIO(scheduler: scheduler)
        let options = LayoutOptions(walByteCount: walByteCount)
        superblock = try Formatter.format(io: io, platform: platform, options: options, overwrite: true)
        try formatMap()
        try open()
        root = try BTree.create(pool: pool, log: log, allocator: allocator, treeID: TreeID(1))
        try log.waitDurable(log.insertLSN)
        makeTable()
    }

    /// What another rig has left on the disk; opens it.
    init(_ context: SuiteContext, root: PageID, frameCount: Int = 2048) throws(EngineError) {
        self.context = context
        undoByteLimit = nil
        self.frameCount = frameCount
        self.root = root
        scheduler = Fiber.scheduler
        platform = scheduler.platform
        io = BlockIO(scheduler: scheduler)
        superblock = try SuperblockStore.open(io: io, platform: platform)
        try open()
    }

    private var geometry: ExtentGeometry {
        let layout = superblock.current.layout
        return ExtentGeometry(firstDataPage: PageID(layout.dataFirstPage), dataPageCount: layout.dataPageCount)
    }

    private func formatMap() throws(EngineError) {
        let page = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
        defer { page.deallocate() }
        for index in 0..<geometry.mapPageCount {
            page.initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
            PageAllocator.formatMapPage(index, geometry, into: page)
            superblock.current.pageChecksum.set(page)
            try io.write(
                from: page, offset: (geometry.firstMapPage.rawValue + UInt64(index)) * UInt64(pageSize),
                byteCount: pageSize, class: .writeback)
        }
    }

    /// Starts the engine on what the device holds.
    func open() throws(EngineError) {
        superblock = try SuperblockStore.open(io: io, platform: platform)
        let current = superblock.current
        _ = try DoubleWrite.recover(io: io, superblock: current, platform: platform)
        log = try Log(
            scheduler: scheduler, io: io,
            zone: LogZone(offset: current.layout.walOffset, byteCount: current.layout.walByteCount),
            ringByteCount: 256 << 10)
        pool = try BufferPool(
            scheduler: scheduler, io: io, log: log, layout: current.layout, checksum: current.pageChecksum,
            frameCount: frameCount, isSound: TreePage.isSound)
        try pool.start()
        var recovery = Recovery(superblock: superblock, pool: pool, log: log)
        do throws(EngineError) {
            (report, allocator) = try recovery.run()
        } catch {
            pool.stop()
            throw error
        }
        var options = TransactionManager.Options()
        if let undoByteLimit { options.undoByteLimit = undoByteLimit }
        manager = try TransactionManager(
            scheduler: scheduler, log: log, bootCount: superblock.current.bootCount, options: options)
        if undoByteLimit != nil { manager.undoArea.temporary = TemporarySpace(allocator, reserve: 0) }
        try manager.start()
        checkpointer = Checkpointer(
            log: log, pool: pool, superblock: superblock, transactions: manager, allocator: allocator)
        try checkpointer.start()
        if root != .none { makeTable() }
    }

    private func makeTable() {
        table = VersionedTree(
            BTree(pool: pool, log: log, allocator: allocator, treeID: TreeID(1), root: root), manager, isTable: true)
    }

    /// The engine is gone from one moment to the next: nothing more reaches the device but what is on its way.
    func crash() {
        log.halt(EngineError(.adminShutdown, "power failure"))
        checkpointer.stop()
        manager.stop()
        pool.stop()
    }

    func shutDown() throws(EngineError) {
        manager.stop()
        try checkpointer.shutDown()
        pool.stop()
    }

    func session() throws(EngineError) -> Session { Session(try manager.makeTransaction()) }

    /// Every key and value that a new transaction sees.
    func contents(_ keys: Range<UInt64>) throws(EngineError) -> [UInt64: UInt64] {
        let session = try self.session()
        session.begin()
        var found: [UInt64: UInt64] = [:]
        for key in keys { found[key] = try session.get(table, key) }
        try session.commit()
        session.close()
        return found
    }
}

/// A session that a crash cut off is never ended.
func abandon(_ session: Session) { _ = Unmanaged.passRetained(session) }

/// The device's superblocks, log and first data pages at one moment.
final class DeviceImage {
    private let dataByteCount: Int
    let logEnd: UInt64
    private let layout: DiskLayout
    private let front: UnsafeMutableRawPointer
    private let data: UnsafeMutableRawPointer
    private let recoveredLog: UnsafeMutableRawPointer

    init(_ rig: CrashRig) throws(EngineError) {
        layout = rig.superblock.current.layout
        logEnd = LogBlock.number(of: rig.log.durableLSN)
        // The double-write zone and the pages behind it.
        dataByteCount = Int(layout.dataFirstPage - layout.doubleWriteFirstPage) * pageSize + (8 << 20)
        front = .allocate(byteCount: Int(layout.walOffset), alignment: 4096)
        data = .allocate(byteCount: dataByteCount, alignment: 4096)
        recoveredLog = .allocate(byteCount: Int(layout.walByteCount), alignment: 4096)
        try rig.io.read(into: front, offset: 0, byteCount: Int(layout.walOffset), class: .read)
        try rig.io.read(into: data, offset: dataOffset, byteCount: dataByteCount, class: .read)
    }

    deinit {
        front.deallocate()
        data.deallocate()
        recoveredLog.deallocate()
    }

    private var dataOffset: UInt64 { layout.doubleWriteFirstPage * UInt64(pageSize) }
    private var hasLog = false

    /// Recovers from the image with the log as recovery wrote it, up to `logEnd`, cut before each of its blocks in turn.
    func recoverFromEveryCut(
        _ rig: CrashRig, logEnd end: UInt64, _ check: () throws(EngineError) -> Void
    ) throws(EngineError) {
        for cut in logEnd...end {
            try restore(rig, keepingLogUpTo: cut)
            try rig.open()
            try check()
            rig.crash()
            try restoreLog(rig)
        }
    }

    /// Pages and superblock of the image, with the boot that crashed counted; the log as it is, up to block `cut`.
    private func restore(_ rig: CrashRig, keepingLogUpTo cut: UInt64) throws(EngineError) {
        if !hasLog {
            hasLog = true
            try rig.io.read(
                into: recoveredLog, offset: layout.walOffset, byteCount: Int(layout.walByteCount), class: .read)
        }
        try rig.io.write(from: front, offset: 0, byteCount: Int(layout.walOffset), class: .log)
        try rig.io.write(from: data, offset: dataOffset, byteCount: dataByteCount, class: .log)
        let zone = rig.log.zone
        let zeros = UnsafeMutableRawPointer.allocate(byteCount: LogBlock.byteCount, alignment: 4096)
        defer { zeros.deallocate() }
        zeros.initializeMemory(as: UInt8.self, repeating: 0, count: LogBlock.byteCount)
        for number in cut..<cut + 64 {
            try rig.io.write(
                from: zeros, offset: zone.byteOffset(number), byteCount: LogBlock.byteCount, class: .log)
        }
        let store = try SuperblockStore.open(io: rig.io, platform: rig.context.platform)
        try store.update { $0.bootCount += 1 }
    }

    private func restoreLog(_ rig: CrashRig) throws(EngineError) {
        try rig.io.write(
            from: recoveredLog, offset: layout.walOffset, byteCount: Int(layout.walByteCount), class: .log)
    }
}
