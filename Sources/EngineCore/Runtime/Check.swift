// The offline check: superblock, log, every page, every tree, and every index against its table.
//
// A device that was not stopped cleanly is recovered first, as a start would: before that its trees may rightly be in the
// middle of a change. Everything checked after that is read from the device, not from the cache.

import AsyncIO
import BTree
import BufferPool
import DirectStorage
import Fibers
import IOScheduler
import MVCC
import MultiEngine
import Platform
import QueryExec
import SQL
import SQLTypes
import WALEngine

package struct DatabaseCheck {
    private let say: (String) -> Void
    private var problemCount = 0

    /// Checks the platform's device and tells what it does and finds; returns the number of problems. By a fiber. Errors:
    /// what makes checking on impossible.
    package static func run(_ options: EngineOptions, say: @escaping (String) -> Void) throws(EngineError) -> Int {
        var check = DatabaseCheck(say: say)
        return try check.run(options)
    }

    private init(say: @escaping (String) -> Void) { self.say = say }

    private mutating func run(_ options: EngineOptions) throws(EngineError) -> Int {
        let scheduler = Fiber.scheduler
        let platform = scheduler.platform
        let io = BlockIO(scheduler: scheduler)
        let superblock = try checkSuperblock(io, platform)
        try readLog(io, superblock)
        say(superblock.isCleanShutdown ? "stopped cleanly: no recovery" : "not stopped cleanly: recovering")
        let engine = try Engine.open(options)
        try engine.pool.flushAll()
        try engine.checkpoint()
        try checkPages(io, engine.superblocks.current, engine.allocator, platform)
        try checkTrees(io, engine)
        try checkTables(engine)
        try engine.close()
        say(problemCount == 0 ? "no problems" : "\(problemCount) problems")
        return problemCount
    }

    private mutating func problem(_ text: String) {
        problemCount += 1
        say("PROBLEM: \(text)")
    }

    // MARK: Superblock and log

    private mutating func checkSuperblock(_ io: BlockIO, _ platform: any Platform) throws(EngineError) -> Superblock {
        let (superblock, report) = try DeviceCheck.superblock(io: io, platform: platform)
        var sound = 0
        for (index, copy) in report.copies.enumerated() {
            if case .valid = copy { sound += 1 } else { problem("superblock copy \(index) is damaged") }
        }
        guard let superblock else {
            // Opening says precisely what is wrong.
            _ = try SuperblockStore.open(io: io, platform: platform)
            throw EngineError(.dataCorrupted, "no superblock can be believed")
        }
        say("superblock: \(sound) of \(report.copies.count) copies are sound")
        return superblock
    }

    private mutating func readLog(_ io: BlockIO, _ superblock: Superblock) throws(EngineError) {
        let layout = superblock.layout
        let checkpoint = superblock.checkpoint
        let zone = LogZone(offset: layout.walOffset, byteCount: layout.walByteCount)
        if checkpoint.tableLSN != .zero {
            let damaged = try Checkpointer.checkOverflow(of: superblock, io: io, zone: zone, say: say)
            for page in damaged { problem("page \(page.rawValue), moved out of the log, is damaged") }
        }
        let start = max(LogZone.firstLSN, checkpoint.startLSN)
        let reader = try LogReader(io: io, zone: zone, from: start, mustReach: checkpoint.checkpointLSN)
        var count = 0
        while try reader.next() != nil {
            count += 1
            if count & 0xFFFF == 0 { Fiber.yieldIfDue() }
        }
        say("log: \(count) records in \(reader.position.rawValue - start.rawValue) bytes from the last checkpoint")
    }

    // MARK: Pages and trees

    private mutating func checkPages(
        _ io: BlockIO, _ superblock: Superblock, _ allocator: PageAllocator, _ platform: any Platform
    ) throws(EngineError) {
        let geometry = allocator.geometry
        var report = DeviceCheck.Report()
        let layout = superblock.layout
        try DeviceCheck.pages(
            layout.dataFirstPage..<layout.endPage, of: superblock, io: io, platform: platform, into: &report,
            isInUse: { !geometry.contains($0) || allocator.isInUse($0) })
        for defect in report.defects {
            problem("\(defect.defect.error(defect.page).message)")
        }
        if report.defectivePageCount > UInt64(report.defects.count) {
            problem("\(report.defectivePageCount - UInt64(report.defects.count)) more pages are damaged")
        }
        say("pages: \(report.soundPageCount) are sound, \(report.unwrittenPageCount) were never written")
    }

    private mutating func checkTrees(_ io: BlockIO, _ engine: Engine) throws(EngineError) {
        let layout = engine.superblocks.current.layout
        let checksum = engine.superblocks.current.pageChecksum
        let geometry = ExtentGeometry(
            firstDataPage: PageID(layout.dataFirstPage), dataPageCount: layout.dataPageCount)
        let bounce = try PageReader(io, engine.scheduler.platform, checksum)
        var trees = try TreeCheck(geometry) { (page, target) throws(EngineError) in try bounce.read(page, into: target)
        }
        for (id, root) in try engine.namedTrees() {
            do throws(EngineError) {
                try trees.check(tree: TreeID(id), root: PageID(root))
            } catch {
                problem("tree \(id): \(error.message)")
            }
            Fiber.yieldIfDue()
        }
        try trees.finish()
        for text in trees.report.problems { problem(text) }
        // Opening has decided about each, and nothing has marked others since.
        if trees.report.markedChainCount > 0 {
            problem(
                "\(trees.report.markedChainCount) chains of overflow pages are marked, and recovery has not freed them")
        }
        if trees.report.problemCount > trees.report.problems.count {
            problem("\(trees.report.problemCount - trees.report.problems.count) more problems in trees")
        }
        say(
            "trees: \(trees.report.treeCount) with \(trees.report.pageCount) pages and \(trees.report.entryCount) entries, "
                + "\(trees.report.overflowPageCount) overflow pages")
    }

    // MARK: Tables

    private mutating func checkTables(_ engine: Engine) throws(EngineError) {
        var tableCount = 0
        var problems: [String] = []
        try engine.forEachDatabase { (session, transaction) throws(EngineError) in
            let access = TableAccess(engine.storage, Planner(session))
            for table in try session.allTables() {
                tableCount += 1
                let name = String(decoding: table.name, as: UTF8.self)
                do throws(EngineError) {
                    transaction.beginStatement()
                    _ = try access.store(table).check(transaction.view) { problems.append("table \(name): \($0)") }
                } catch {
                    problems.append("table \(name): \(error.message)")
                }
            }
        }
        for text in problems { problem(text) }
        say("tables: \(tableCount) agree with their indexes")
    }
}

/// Reads single pages from the device, verified.
private final class PageReader {
    private let io: BlockIO
    private let platform: any Platform
    private let checksum: PageChecksum
    private let page: UnsafeMutableRawPointer

    init(_ io: BlockIO, _ platform: any Platform, _ checksum: PageChecksum) throws(EngineError) {
        self.io = io
        self.platform = platform
        self.checksum = checksum
        guard let page = platform.allocate(byteCount: pageSize, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "there is no memory to check the device")
        }
        self.page = page
    }

    deinit { platform.deallocate(page, byteCount: pageSize) }

    func read(_ id: PageID, into target: UnsafeMutableRawPointer) throws(EngineError) {
        try io.read(into: page, offset: id.rawValue * UInt64(pageSize), byteCount: pageSize, class: .scan)
        if let defect = checksum.defect(of: page, expected: id) { throw defect.error(id) }
        target.copyMemory(from: page, byteCount: pageSize)
    }
}
