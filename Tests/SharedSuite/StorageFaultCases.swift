// Storage over a disk that fails: refused and short requests, device errors, power loss at any write.

import AsyncIO
import BufferPool
import DirectStorage
import Fibers
import IOScheduler
import LayoutManager
import Platform
import Synchronization

func storageFaultCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "asyncio: full queues and short transfers change nothing but the time it takes") {
            context throws(EngineError) in
            try roughTransferCase(context)
        },
        SuiteCase(bare: "asyncio: a device error is 58030 for those who asked, and only for them") {
            context throws(EngineError) in
            try deviceErrorCase(context)
        },
        SuiteCase(bare: "directstorage: power loss at any write of an update leaves the old superblock or the new one")
        {
            context throws(EngineError) in
            try superblockPowerCase(context)
        },
        SuiteCase(bare: "directstorage: what an opening mends, the power cannot take with what it was mended from") {
            context throws(EngineError) in
            for seed in 1...40 { try cachedSuperblockCase(context, seed: UInt64(seed)) }
        },
        SuiteCase(bare: "bufferpool: power loss at any write leaves every page whole, and no newer than redo repairs") {
            context throws(EngineError) in
            for seed in 1...30 { try poolPowerCase(context, seed: UInt64(seed)) }
        },
        SuiteCase(bare: "bufferpool: a failed write leaves pages dirty or stops the pool, and never moves the redo LSN")
        {
            context throws(EngineError) in
            try failedWriteCase(context)
        },
    ]
}

private func roughTransferCase(_ context: SuiteContext) throws(EngineError) {
    var options = FaultOptions()
    options.refusedPermille = 400
    options.shortPermille = 300
    options.maxTransferByteCount = 64 << 10
    let disk = FaultyDisk(over: context.platform, options)
    try context.run(on: disk) { scheduler throws(EngineError) in
        let io = BlockIO(scheduler: scheduler, deviceDepth: 8)
        let group = FiberGroup(count: 20)
        for index in 0..<20 {
            try scheduler.spawn(on: index % scheduler.workerCount, .interactive, "rough") {
                do throws(EngineError) { try roughFiber(context, io, index) } catch { context.fail(error.message) }
                group.done()
            }
        }
        group.wait()
    }
}

private func roughFiber(_ context: SuiteContext, _ io: BlockIO, _ index: Int) throws(EngineError) {
    let byteCount = 200 << 10
    let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: pageSize)
    defer { memory.deallocate() }
    let offset = UInt64(index << 20)
    for round in 0..<4 {
        for word in 0..<byteCount / 8 {
            memory.storeBytes(of: (index + round) << 32 | word, toByteOffset: word * 8, as: Int.self)
        }
        let ioClass = IOClass.allCases[round]
        try io.write(from: memory, offset: offset, byteCount: byteCount, class: ioClass, durable: round == 2)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        try io.read(into: memory, offset: offset, byteCount: byteCount, class: ioClass)
        for word in 0..<byteCount / 8
        where memory.load(fromByteOffset: word * 8, as: Int.self) != (index + round) << 32 | word {
            context.fail("fiber \(index) round \(round): word \(word) differs")
            return
        }
        try io.flush()
    }
}

private func deviceErrorCase(_ context: SuiteContext) throws(EngineError) {
    var options = FaultOptions()
    options.readErrorPermille = 300
    let disk = FaultyDisk(over: context.platform, options)
    try context.run(on: disk) { scheduler throws(EngineError) in
        let io = BlockIO(scheduler: scheduler)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
        defer { memory.deallocate() }
        var failed = 0
        for page in 0..<200 {
            memory.storeBytes(of: page, as: Int.self)
            try io.write(from: memory, offset: UInt64(page * pageSize), byteCount: pageSize, class: .writeback)
            do throws(EngineError) {
                try io.read(into: memory, offset: UInt64(page * pageSize), byteCount: pageSize, class: .read)
                context.expectEqual(memory.load(as: Int.self), page, "page")
            } catch {
                context.expect(error.state == .ioError, "wrong SQLSTATE: \(error.message)")
                failed += 1
            }
        }
        context.expect(failed > 20 && failed < 180, "\(failed) of 200 reads failed")
    }
}

/// A process ends in the middle of a superblock's first writing: two copies are in the device's cache and two are not there. The
/// next one mends those, and the power goes meanwhile.
private func cachedSuperblockCase(_ context: SuiteContext, seed: UInt64) throws(EngineError) {
    var options = FaultOptions()
    options.seed = seed
    let disk = FaultyDisk(over: context.platform, options)
    try context.run(on: disk) { scheduler throws(EngineError) in
        let io = BlockIO(scheduler: scheduler)
        let superblock = try Formatter.format(io: io, platform: disk).current
        let blocks = UnsafeMutableRawPointer.allocate(byteCount: 4 * pageSize, alignment: pageSize)
        defer { blocks.deallocate() }
        blocks.initializeMemory(as: UInt8.self, repeating: 0, count: 4 * pageSize)
        try io.write(from: blocks, offset: 0, byteCount: 4 * pageSize, class: .log)
        try io.flush()
        for copy in 0..<2 { superblock.encode(into: blocks + copy * pageSize, copy: copy) }
        try io.write(from: blocks, offset: 0, byteCount: 2 * pageSize, class: .log)
        disk.options.powerLossAtWrite = disk.writesSoFar + 1 + Int(seed % 2)
        _ = try SuperblockStore.open(io: io, platform: disk)
    }
    context.expect(!disk.isPowered, "the power did not go")
    disk.powerOn()
    try context.run(on: disk) { scheduler throws(EngineError) in
        _ = try SuperblockStore.open(io: BlockIO(scheduler: scheduler), platform: disk)
    }
}

private func superblockPowerCase(_ context: SuiteContext) throws(EngineError) {
    for round in 1...40 {
        var options = FaultOptions()
        options.seed = UInt64(round)
        // Finer than any device tears: a superblock's contents are within one 512-byte sector.
        options.sectorByteCount = 64
        let disk = FaultyDisk(over: context.platform, options)
        let acknowledged = SharedWord<UInt64>(0)
        let attempted = SharedWord<UInt64>(0)
        try context.run(on: disk) { scheduler throws(EngineError) in
            let io = BlockIO(scheduler: scheduler)
            let store = try Formatter.format(io: io, platform: disk)
            // Two writes for each update: the power goes in the first, the second, …
            disk.options.powerLossAtWrite = disk.writesSoFar + 1 + round % 9
            for value in 1...20 as ClosedRange<UInt64> {
                attempted.word.store(value, ordering: .releasing)
                try store.update { $0.roots[0] = value }
                acknowledged.word.store(value, ordering: .releasing)
            }
        }
        context.expect(!disk.isPowered, "the power did not go")
        disk.powerOn()
        try context.run(on: disk) { scheduler throws(EngineError) in
            let store = try SuperblockStore.open(io: BlockIO(scheduler: scheduler), platform: disk)
            let found = store.current.roots[0]
            context.expect(found >= acknowledged.word.load(ordering: .acquiring), "round \(round): an update was lost")
            context.expect(
                found <= attempted.word.load(ordering: .acquiring), "round \(round): an update out of nothing")
            try store.update { $0.roots[0] = 77 }
            let again = try SuperblockStore.open(io: BlockIO(scheduler: scheduler), platform: disk)
            context.expectEqual(again.current.roots[0], 77, "after the next update")
        }
    }
}

/// What the engine above would know at the crash.
private final class PowerHistory: @unchecked Sendable {
    static let pageCount = 300
    /// Per page: page LSN of its newest change.
    var newest = [UInt64](repeating: 0, count: pageCount)
}

private func poolPowerCase(_ context: SuiteContext, seed: UInt64) throws(EngineError) {
    var options = FaultOptions()
    options.seed = seed
    let disk = FaultyDisk(over: context.platform, options)
    let history = PowerHistory()
    try context.run(on: disk) { scheduler throws(EngineError) in
        let io = BlockIO(scheduler: scheduler)
        let store = try Formatter.format(io: io, platform: disk, options: LayoutOptions(walByteCount: 4 << 20))
        let log = CountingLog()
        let pool = try BufferPool(
            scheduler: scheduler, io: io, log: log, layout: store.current.layout,
            checksum: store.current.pageChecksum,
            frameCount: BufferPool.minimumFrameCount(workerCount: scheduler.workerCount))
        try pool.start()
        disk.options.powerLossAtWrite = disk.writesSoFar + 20 + Int(seed * 37 % 900)
        var random = SuiteRandom(seed: seed)
        // Checkpoints without a pause: one falls into every phase of a write-back.
        try scheduler.spawn(on: scheduler.workerCount - 1, .interactive, "checkpoints") {
            do throws(EngineError) {
                while disk.isPowered {
                    let redo = try pool.checkpointBound(insertLSN: log.insertLSN)
                    try store.update { $0.checkpoint = Superblock.Checkpoint(checkpointLSN: redo, redoLSN: redo) }
                    Fiber.yield()
                }
            } catch {
                context.fail(error.message)
            }
        }
        while disk.isPowered {
            try changePage(pool, log, store.current.layout, random.next(below: PowerHistory.pageCount), history)
        }
    }
    disk.powerOn()
    try context.run(on: disk) { scheduler throws(EngineError) in
        let io = BlockIO(scheduler: scheduler)
        let superblock = try SuperblockStore.open(io: io, platform: disk).current
        _ = try DoubleWrite.recover(io: io, superblock: superblock, platform: disk)
        for index in 0..<PowerHistory.pageCount {
            try judgePage(context, disk, superblock, index, history, seed)
        }
    }
}

/// One logged change of data page `index`.
private func changePage(
    _ pool: BufferPool, _ log: CountingLog, _ layout: DiskLayout, _ index: Int, _ history: PowerHistory
) throws(EngineError) {
    let id = PageID(layout.dataFirstPage + UInt64(index))
    if history.newest[index] == 0 {
        try pool.latchNew(id)
        PageHeader.initialize(pool.pointer(id), id: id, type: .treeLeaf, treeID: 1)
    } else {
        try pool.latchExclusive(id)
    }
    let record = log.append()
    let body = pool.pointer(id)
    for sector in 0..<8 { body.storeBytes(of: record.end.rawValue, toByteOffset: sector * 512 + 104, as: UInt64.self) }
    PageHeader.setPageLSN(body, record.end)
    pool.markDirty(id, recLSN: record.start)
    history.newest[index] = record.end.rawValue
    pool.unlatchExclusive(id)
}

/// After recovery of torn pages, redo from the checkpoint must be able to bring back everything: each page is whole, or was
/// never written and all its changes are at or after the redo LSN; and it lacks no change from before the redo LSN.
private func judgePage(
    _ context: SuiteContext, _ disk: FaultyDisk, _ superblock: Superblock, _ index: Int, _ history: PowerHistory,
    _ seed: UInt64
) throws(EngineError) {
    let id = PageID(superblock.layout.dataFirstPage + UInt64(index))
    let page = disk.peek(id.rawValue * UInt64(pageSize))
    let redo = superblock.checkpoint.redoLSN.rawValue
    let newest = history.newest[index]
    switch superblock.pageChecksum.defect(of: page, expected: id) {
    case nil:
        let lsn = PageHeader.pageLSN(page).rawValue
        context.expect(lsn <= newest, "seed \(seed): page \(index) is newer than its newest change")
        for sector in 0..<8 {
            context.expectEqual(
                page.load(fromByteOffset: sector * 512 + 104, as: UInt64.self), lsn, "a whole page is of one piece")
        }
        // The newest change from before the redo LSN must be in it.
        if newest <= redo { context.expectEqual(lsn, newest, "a page without changes to redo") }
    case .neverWritten:
        context.expect(newest == 0 || newest > redo, "seed \(seed): page \(index) is lost")
    case .some(let defect):
        context.fail("seed \(seed): page \(index), newest change \(newest), redo \(redo): \(defect.error(id).message)")
    }
}

private func failedWriteCase(_ context: SuiteContext) throws(EngineError) {
    var options = FaultOptions()
    options.seed = 5
    let disk = FaultyDisk(over: context.platform, options)
    try context.run(on: disk) { scheduler throws(EngineError) in
        let io = BlockIO(scheduler: scheduler)
        let superblock = try Formatter.format(io: io, platform: disk).current
        let log = CountingLog()
        let pool = try BufferPool(
            scheduler: scheduler, io: io, log: log, layout: superblock.layout, checksum: superblock.pageChecksum,
            frameCount: 512)
        try pool.start()
        let history = PowerHistory()
        let before = log.insertLSN
        for index in 0..<50 { try changePage(pool, log, superblock.layout, index, history) }
        disk.options.writeErrorPermille = 1000
        context.expectError(.ioError) { () throws(EngineError) in try pool.flushAll() }
        // The zone could not be written, so nothing in place was touched: all is as before.
        context.expectEqual(pool.dirtyPageCount, 50, "dirty pages after the failure")
        context.expect(pool.oldestDirtyLSN() == before, "the redo LSN moved")
        disk.options.writeErrorPermille = 0
        try pool.flushAll()
        context.expectEqual(pool.dirtyPageCount, 0, "dirty pages after the retry")
        for index in 0..<50 { try judgePage(context, disk, superblock, index, history, 0) }
        pool.stop()
    }
}
