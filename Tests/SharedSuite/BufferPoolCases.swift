// The buffer pool under pressure, under concurrency, and over a device that lies.

import AsyncIO
import BufferPool
import DirectStorage
import Fibers
import IOScheduler
import LayoutManager
import Platform
import Synchronization
import Telemetry

func bufferPoolCases() -> [SuiteCase] {
    [
        SuiteCase("bufferpool: pages survive eviction, whoever changes them and wherever") {
            context throws(EngineError) in
            try PoolWorld.run(context) { world throws(EngineError) in try evictionCase(world) }
        },
        SuiteCase("bufferpool: a validated optimistic read never shows half a change") { context throws(EngineError) in
            try PoolWorld.run(context) { world throws(EngineError) in try optimisticCase(world) }
        },
        SuiteCase("bufferpool: a corrupted page is reported by number to every reader, and never served") {
            context throws(EngineError) in
            try PoolWorld.run(context) { world throws(EngineError) in try corruptionCase(world) }
        },
        SuiteCase("bufferpool: a page that was written to the wrong place is found out") {
            context throws(EngineError) in
            try PoolWorld.run(context) { world throws(EngineError) in try misdirectionCase(world) }
        },
        SuiteCase("bufferpool: no page is written before its log") { context throws(EngineError) in
            try PoolWorld.run(context) { world throws(EngineError) in try writeAheadCase(world) }
        },
        SuiteCase("bufferpool: a page changed while its copy is written stays dirty from the new change on") {
            context throws(EngineError) in
            try PoolWorld.run(context) { world throws(EngineError) in try redirtyCase(world) }
        },
        SuiteCase("bufferpool: write-back goes up to a recLSN, oldest first, and moves the redo LSN") {
            context throws(EngineError) in
            try PoolWorld.run(context) { world throws(EngineError) in try checkpointCase(world) }
        },
        SuiteCase("bufferpool: a scan does not push out the hot set") { context throws(EngineError) in
            try PoolWorld.run(context, frameCount: 512) { world throws(EngineError) in try scanCase(world) }
        },
        SuiteCase("bufferpool: read-ahead brings pages in without anyone waiting") { context throws(EngineError) in
            try PoolWorld.run(context, frameCount: 512) { world throws(EngineError) in try prefetchCase(world) }
        },
        SuiteCase("bufferpool: a miss brings its neighbourhood while there is room, and only then") {
            context throws(EngineError) in
            // Every worker's writer may free a step of the clock at the same moment; that is no room.
            try PoolWorld.run(context, frameCount: 512 * context.coreCount) { world throws(EngineError) in
                try neighborhoodCase(world)
            }
        },
        SuiteCase("bufferpool: what a batch left in the double-write zone restores a page torn after it") {
            context throws(EngineError) in
            try PoolWorld.run(context) { world throws(EngineError) in try tornCase(world) }
        },
        SuiteCase(bare: "bufferpool: a failed flush of the background writer reaches all who wait for frames") {
            context throws(EngineError) in
            try context.onFailingDevice { failing throws(EngineError) in try failedFlushCase(context, failing) }
        },
        SuiteCase("bufferpool: too small a budget and impossible page numbers are errors") {
            context throws(EngineError) in
            try PoolWorld.run(context) { world throws(EngineError) in try refusalCase(world) }
        },
    ]
}

/// A log that only counts.
final class CountingLog: DurableLog, @unchecked Sendable {
    private let insert = Atomic<UInt64>(1000)
    private let durable = Atomic<UInt64>(1000)
    /// While true, waiting for durability parks.
    let isHeld = Atomic<Bool>(false)
    let waiterCount = Atomic<Int>(0)

    func append() -> (start: LSN, end: LSN) {
        let start = insert.add(64, ordering: .acquiringAndReleasing).oldValue
        return (LSN(start), LSN(start + 64))
    }
    var insertLSN: LSN { LSN(insert.load(ordering: .acquiring)) }
    var durableLSN: LSN { LSN(durable.load(ordering: .acquiring)) }
    private(set) var currentFailure: EngineError?
    func halt(_ error: EngineError) { currentFailure = error }
    func waitDurable(_ lsn: LSN) throws(EngineError) {
        waiterCount.add(1, ordering: .relaxed)
        while isHeld.load(ordering: .acquiring) { Fiber.sleep(.microseconds(100)) }
        while true {
            let now = durable.load(ordering: .relaxed)
            if now >= lsn.rawValue { break }
            if durable.compareExchange(expected: now, desired: lsn.rawValue, ordering: .releasing).exchanged { break }
        }
        waiterCount.subtract(1, ordering: .relaxed)
    }
}

/// A formatted disk with a pool over it.
final class PoolWorld: @unchecked Sendable {
    let context: SuiteContext
    let io: BlockIO
    let superblock: Superblock
    let log = CountingLog()
    private(set) var pool: BufferPool
    private let frameCount: Int

    private init(_ context: SuiteContext, frameCount: Int?) throws(EngineError) {
        self.context = context
        io = BlockIO(scheduler: context.scheduler)
        superblock = try Formatter.format(io: io, platform: context.platform, overwrite: true).current
        self.frameCount = frameCount ?? BufferPool.minimumFrameCount(workerCount: context.coreCount)
        pool = try Self.makePool(context, io, log, superblock, self.frameCount)
    }

    private static func makePool(
        _ context: SuiteContext, _ io: BlockIO, _ log: CountingLog, _ superblock: Superblock, _ frameCount: Int
    ) throws(EngineError) -> BufferPool {
        let pool = try BufferPool(
            scheduler: context.scheduler, io: io, log: log, layout: superblock.layout,
            checksum: superblock.pageChecksum, frameCount: frameCount)
        try pool.start()
        return pool
    }

    static func run(
        _ context: SuiteContext, frameCount: Int? = nil, _ body: (PoolWorld) throws(EngineError) -> Void
    ) throws(EngineError) {
        let world = try PoolWorld(context, frameCount: frameCount)
        defer { world.pool.stop() }
        try body(world)
    }

    /// A new pool over the same disk, with nothing in memory.
    func reopen() throws(EngineError) {
        pool.stop()
        pool = try Self.makePool(context, io, log, superblock, frameCount)
    }

    func page(_ index: Int) -> PageID { PageID(superblock.layout.dataFirstPage + UInt64(index)) }

    /// Formats data page `index` with `value` in its body.
    func create(_ index: Int, _ value: UInt64) throws(EngineError) {
        let id = page(index)
        try pool.latchNew(id)
        PageHeader.initialize(pool.pointer(id), id: id, type: .treeLeaf, treeID: 1)
        change(id, value)
        pool.unlatchExclusive(id)
    }

    /// Sets the body of a latched page by a log record.
    func change(_ id: PageID, _ value: UInt64) {
        let body = pool.pointer(id)
        for offset in [64, 1024, 2048, 4088] { body.storeBytes(of: value, toByteOffset: offset, as: UInt64.self) }
        let record = log.append()
        PageHeader.setPageLSN(body, record.end)
        pool.markDirty(id, recLSN: record.start)
    }

    /// The body, read optimistically.
    func value(_ index: Int, isScan: Bool = false) throws(EngineError) -> UInt64 {
        let id = page(index)
        while true {
            let token = isScan ? try pool.view.optimisticScan(id) : try pool.optimisticRead(id)
            let first = pool.pointer(id).load(fromByteOffset: 64, as: UInt64.self)
            let last = pool.pointer(id).load(fromByteOffset: 4088, as: UInt64.self)
            if pool.validate(id, token) {
                context.expectEqual(first, last, "ends of a page")
                return first
            }
        }
    }

    /// Changes the bytes of a page on the device, behind the pool's back.
    func tamper(_ index: Int, _ body: (UnsafeMutableRawPointer) -> Void) throws(EngineError) {
        guard let memory = context.platform.allocate(byteCount: pageSize, node: 0, huge: false) else { return }
        defer { context.platform.deallocate(memory, byteCount: pageSize) }
        let offset = page(index).rawValue * UInt64(pageSize)
        try io.read(into: memory, offset: offset, byteCount: pageSize, class: .read)
        body(memory)
        try io.write(from: memory, offset: offset, byteCount: pageSize, class: .read)
    }
}

private func evictionCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    let pageCount = world.pool.frameCount * 4
    for index in 0..<pageCount { try world.create(index, UInt64(index) << 32) }
    context.expect(world.pool.count(.pageEvictions) > pageCount / 2, "nothing was evicted")
    // Every fiber adds one to random pages; what each page must hold is counted on the side.
    let expected = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: pageCount)
    for index in 0..<pageCount { (expected + index).initialize(to: Atomic(UInt64(index) << 32)) }
    defer { expected.deallocate() }
    try context.onEveryCore(12) { core, index throws(EngineError) in
        var random = SuiteRandom(seed: UInt64(core * 100 + index))
        for _ in 0..<300 {
            let target = random.next(below: pageCount)
            let id = world.page(target)
            try world.pool.latchExclusive(id)
            let old = world.pool.pointer(id).load(fromByteOffset: 64, as: UInt64.self)
            world.change(id, old + 1)
            world.pool.unlatchExclusive(id)
            expected[target].add(1, ordering: .relaxed)
            let other = random.next(below: pageCount)
            let before = expected[other].load(ordering: .relaxed)
            let seen = try world.value(other)
            context.expectEqual(seen >> 32, UInt64(other), "page identity")
            // A writer counts after it has changed: what was counted before the read must be there.
            context.expect(seen >= before, "a change was lost while running: page \(other)")
        }
    }
    try world.pool.flushAll()
    context.expectEqual(world.pool.dirtyPageCount, 0, "dirty pages after the flush")
    try world.reopen()
    for index in 0..<pageCount {
        context.expectEqual(try world.value(index), expected[index].load(ordering: .relaxed), "page on the device")
    }
}

/// Only the background writer writes here, and its error reaches nobody but through the log and those who need a frame.
private func failedFlushCase(_ context: SuiteContext, _ failing: FailingPlatform) throws(EngineError) {
    // A device without a cache and with atomic pages is never flushed.
    failing.needsFlushes.store(true, ordering: .releasing)
    try PoolWorld.run(context) { world throws(EngineError) in
        failing.failsFlushes.store(true, ordering: .releasing)
        let start = context.platform.now()
        try context.onEveryCore(4) { core, index throws(EngineError) in
            let pageCount = world.pool.frameCount * 2
            let first = (core * 4 + index) * pageCount
            do throws(EngineError) {
                for number in 0..<pageCount { try world.create(first + number, UInt64(number)) }
                context.fail("all pages found frames")
            } catch {
                context.expect(error.state == .ioError && error.severity == .panic, "not \(error.message)")
            }
        }
        context.expect(context.platform.now() - start < .seconds(5), "nobody waits for what cannot come")
        context.expect(world.log.currentFailure?.state == .ioError, "the log is halted")
    }
}

private func optimisticCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    let pageCount = 8
    for index in 0..<pageCount { try world.create(index, 0) }
    let done = Counter()
    let validReads = Counter()
    try context.onEveryCore(4) { core, index throws(EngineError) in
        var random = SuiteRandom(seed: UInt64(core * 10 + index))
        if index < 2 {
            for round in 0..<4000 {
                let id = world.page(random.next(below: pageCount))
                try world.pool.latchExclusive(id)
                let old = world.pool.pointer(id).load(fromByteOffset: 64, as: UInt64.self)
                world.change(id, old + 1)
                world.pool.unlatchExclusive(id)
                if round % 64 == 0 { Fiber.yield() }
            }
            _ = done.increment()
        } else {
            while done.value < 2 * context.coreCount {
                for _ in 0..<100 {
                    _ = try world.value(random.next(below: pageCount))
                    _ = validReads.increment()
                }
                Fiber.yield()
            }
        }
    }
    var sum: UInt64 = 0
    for index in 0..<pageCount {
        let id = world.page(index)
        try world.pool.latchShared(id)
        sum += world.pool.pointer(id).load(fromByteOffset: 2048, as: UInt64.self)
        world.pool.unlatchShared(id)
    }
    context.expectEqual(sum, UInt64(context.coreCount * 2 * 4000), "increments under exclusive latches")
    context.expect(validReads.value > 0, "no read was validated")
    // A token does not survive a change, and a stale one does not upgrade.
    let id = world.page(0)
    let token = try world.pool.optimisticRead(id)
    context.expect(world.pool.tryUpgrade(id, token), "an upgrade of a fresh token failed")
    context.expect(!world.pool.validate(id, token), "a token is valid while the page is latched")
    world.pool.unlatchExclusive(id)
    context.expect(!world.pool.validate(id, token), "a token survived an exclusive latch")
    context.expect(!world.pool.tryUpgrade(id, token), "a stale token was upgraded")
}

private func corruptionCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    for index in 0..<4 { try world.create(index, 7) }
    try world.pool.flushAll()
    try world.reopen()
    try world.tamper(1) { $0.storeBytes(of: 0x77, toByteOffset: 3000, as: UInt8.self) }
    let failures = Counter()
    try context.onEveryCore(4) { _, _ throws(EngineError) in
        do throws(EngineError) {
            let value = try world.value(1)
            context.fail("a corrupted page was served: \(value)")
        } catch {
            context.expect(error.state == .dataCorrupted, "wrong SQLSTATE")
            context.expect(contains(error.message, "checksum"), "said: \(error.message)")
            var number: [UInt8] = []
            number += "page \(world.page(1).rawValue) ".utf8
            context.expect(Array(error.message.utf8.prefix(number.count)) == number, "said: \(error.message)")
            _ = failures.increment()
        }
        context.expectEqual(try world.value(2), 7, "its neighbour")
    }
    context.expectEqual(failures.value, 4 * context.coreCount, "readers that were told")
    context.expectError(.dataCorrupted) { () throws(EngineError) in try world.pool.latchExclusive(world.page(1)) }
    context.expectError(.dataCorrupted) { () throws(EngineError) in try world.pool.latchShared(world.page(1)) }
    // Never written at all.
    context.expectError(.dataCorrupted) { () throws(EngineError) in _ = try world.value(900) }
    // Mended on the device, it can be read again: nothing of the failure stays behind.
    try world.tamper(1) { $0.storeBytes(of: 0, toByteOffset: 3000, as: UInt8.self) }
    context.expectEqual(try world.value(1), 7, "the mended page")
}

private func misdirectionCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    for index in 0..<4 { try world.create(index, UInt64(index)) }
    try world.pool.flushAll()
    try world.reopen()
    // Page 2's bytes, whole and with a right checksum, where page 3 belongs.
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
    defer { bytes.deallocate() }
    try world.tamper(2) { bytes.copyMemory(from: $0, byteCount: pageSize) }
    try world.tamper(3) { $0.copyMemory(from: bytes, byteCount: pageSize) }
    do throws(EngineError) {
        _ = try world.value(3)
        context.fail("a misdirected page was served")
    } catch {
        context.expect(error.state == .dataCorrupted, "wrong SQLSTATE")
        context.expect(contains(error.message, "was found in its place"), "said: \(error.message)")
    }
    context.expectEqual(try world.value(2), 2, "the page itself")
    try world.reopen()
    // A page of another database on the same device has another checksum seed.
    try world.tamper(1) { page in PageChecksum(seed: world.superblock.pageChecksum.seed ^ 1).set(page) }
    context.expectError(.dataCorrupted) { () throws(EngineError) in _ = try world.value(1) }
}

/// What the device holds for data page `index`: the value in its body, 0 if it was never written.
private func deviceValue(_ world: PoolWorld, _ index: Int) throws(EngineError) -> UInt64 {
    var value: UInt64 = 0
    try world.tamper(index) { value = $0.load(fromByteOffset: 2048, as: UInt64.self) }
    return value
}

private func writeAheadCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    try world.create(0, 1)
    try world.pool.flushAll()
    let id = world.page(0)
    world.log.isHeld.store(true, ordering: .releasing)
    try world.pool.latchExclusive(id)
    world.change(id, 2)
    world.pool.unlatchExclusive(id)
    let finished = Counter()
    try context.scheduler.spawn(on: context.coreCount - 1, .writeback, "flush") {
        do throws(EngineError) { try world.pool.flushAll() } catch { context.fail("\(error.message)") }
        _ = finished.increment()
    }
    Fiber.sleep(.milliseconds(20))
    context.expectEqual(finished.value, 0, "flushes before the log is durable")
    context.expectEqual(world.log.waiterCount.load(ordering: .relaxed), 1, "write-backs that wait for the log")
    context.expectEqual(try deviceValue(world, 0), 1, "on the device before the log is durable")
    world.log.isHeld.store(false, ordering: .releasing)
    while finished.value == 0 { Fiber.sleep(.milliseconds(1)) }
    context.expectEqual(try deviceValue(world, 0), 2, "on the device after")
    context.expect(world.log.durableLSN >= PageHeader.pageLSN(world.pool.pointer(id)), "the log is not durable")
}

private func redirtyCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    let id = world.page(0)
    world.log.isHeld.store(true, ordering: .releasing)
    let before = world.log.insertLSN
    try world.create(0, 1)
    context.expect(world.pool.oldestDirtyLSN() == before, "the first change bounds redo")
    let finished = Counter()
    try context.scheduler.spawn(on: 0, .writeback, "flush") {
        do throws(EngineError) { try world.pool.flushAll() } catch { context.fail("\(error.message)") }
        _ = finished.increment()
    }
    while world.log.waiterCount.load(ordering: .relaxed) == 0 { Fiber.sleep(.microseconds(100)) }
    // Its copy is on its way: the page counts as clean, but the redo LSN does not move.
    context.expectEqual(world.pool.dirtyPageCount, 0, "dirty pages while the copy is written")
    context.expect(world.pool.oldestDirtyLSN() == before, "the redo LSN moved before the page was durable")
    let second = world.log.insertLSN
    try world.pool.latchExclusive(id)
    world.change(id, 2)
    world.pool.unlatchExclusive(id)
    world.log.isHeld.store(false, ordering: .releasing)
    while finished.value == 0 { Fiber.sleep(.milliseconds(1)) }
    context.expectEqual(world.pool.dirtyPageCount, 1, "dirty pages after")
    context.expect(world.pool.oldestDirtyLSN() == second, "the second change bounds redo now")
    context.expectEqual(try deviceValue(world, 0), 1, "on the device")
    try world.pool.flushAll()
    context.expect(world.pool.oldestDirtyLSN() == nil, "something is dirty after the flush")
    context.expectEqual(try deviceValue(world, 0), 2, "on the device at the end")
}

private func checkpointCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    var starts: [LSN] = []
    for index in 0..<40 {
        starts.append(world.log.insertLSN)
        // From both workers, so that several lists are involved.
        let group = FiberGroup(count: 1)
        try context.scheduler.spawn(on: index % context.coreCount, .interactive, "create") {
            do throws(EngineError) { try world.create(index, UInt64(index) + 1) } catch { context.fail(error.message) }
            group.done()
        }
        group.wait()
    }
    // A later change does not make a page younger.
    try world.pool.latchExclusive(world.page(3))
    world.change(world.page(3), 99)
    world.pool.unlatchExclusive(world.page(3))
    context.expect(world.pool.oldestDirtyLSN() == starts[0], "oldest dirty LSN")
    try world.pool.writeBack(upTo: starts[19])
    context.expect(world.pool.oldestDirtyLSN() == starts[20], "oldest dirty LSN after half")
    context.expectEqual(world.pool.dirtyPageCount, 20, "dirty pages after half")
    context.expectEqual(try deviceValue(world, 3), 99, "page 3 on the device")
    context.expectEqual(try deviceValue(world, 19), 20, "page 19 on the device")
    context.expect(try deviceValue(world, 20) != 21, "page 20 was written too early")
    let bound = try world.pool.checkpointBound(insertLSN: world.log.insertLSN)
    context.expect(bound == starts[20], "redo LSN")
    try world.pool.flushAll()
    let end = world.log.insertLSN
    context.expect(try world.pool.checkpointBound(insertLSN: end) == end, "redo LSN when all is clean")
}

private func scanCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    let frames = world.pool.frameCount
    let hot = frames / 4
    let total = frames * 4
    for index in 0..<total { try world.create(index, UInt64(index)) }
    try world.pool.flushAll()
    try world.reopen()
    for _ in 0..<3 { for index in 0..<hot { _ = try world.value(index) } }
    var misses = world.pool.count(.pageMisses)
    for index in hot..<total {
        _ = try world.value(index, isScan: true)
        // The hot set is in use meanwhile, at half the scan's rate.
        if index % 2 == 0 { _ = try world.value(index / 2 % hot) }
    }
    misses = world.pool.count(.pageMisses)
    for index in 0..<hot { _ = try world.value(index) }
    let lost = world.pool.count(.pageMisses) - misses
    context.expect(lost <= hot / 4, "the scan pushed out \(lost) of \(hot) hot pages")
    // Read without the hint, the same pages do push it out: the test can fail.
    for index in hot..<total { _ = try world.value(index) }
    misses = world.pool.count(.pageMisses)
    for index in 0..<hot { _ = try world.value(index) }
    context.expect(world.pool.count(.pageMisses) - misses > hot / 2, "the hot set is never pushed out")
}

private func prefetchCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    let count = 100
    for index in 0..<count { try world.create(index, UInt64(index) + 5) }
    try world.pool.flushAll()
    try world.reopen()
    // So that the read-ahead fibers sleep, and must be woken.
    Fiber.sleep(.milliseconds(5))
    let reads = world.io.counters.total(.blockReads)
    let pages = (0..<count).map { world.page($0) }
    pages.withUnsafeBufferPointer { world.pool.prefetch($0) }
    let limit = Fiber.now() + .seconds(20)
    while world.pool.count(.pageReadAheads) < count && Fiber.now() < limit { Fiber.sleep(.milliseconds(1)) }
    context.expectEqual(world.pool.count(.pageReadAheads), count, "pages read ahead")
    let misses = world.pool.count(.pageMisses)
    for index in 0..<count { context.expectEqual(try world.value(index), UInt64(index) + 5, "page") }
    context.expectEqual(world.pool.count(.pageMisses), misses, "misses after read-ahead")
    context.expect(world.io.counters.total(.blockReads) - reads <= 8, "neighbours were read one by one")
}

private func neighborhoodCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    let frames = world.pool.frameCount
    for index in 0..<frames * 3 { try world.create(index, UInt64(index) + 5) }
    try world.pool.flushAll()
    try world.reopen()
    let count = frames / 2
    for index in 0..<count {
        context.expectEqual(try world.value(index), UInt64(index) + 5, "page")
        Fiber.sleep(.microseconds(300))
    }
    // Sixteen pages lie together; a neighbour that was asked for before its read began is a miss, too.
    let misses = world.pool.count(.pageMisses)
    context.expect(misses < count / 4, "\(misses) misses for \(count) pages that lie together")
    // No longer room: pages that nobody asked for would push out others.
    for index in count..<frames * 2 { _ = try world.value(index) }
    Fiber.sleep(.milliseconds(20))
    let readAheads = world.pool.count(.pageReadAheads)
    for index in frames * 2..<frames * 3 { _ = try world.value(index) }
    Fiber.sleep(.milliseconds(20))
    context.expectEqual(world.pool.count(.pageReadAheads), readAheads, "pages read ahead by a full cache")
}

private func tornCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    if !DoubleWrite.isNeeded(world.io.geometry) { return }
    for index in 0..<4 { try world.create(index, UInt64(index) + 1) }
    try world.pool.flushAll()
    // As if the power had failed while page 2 was written in place: the zone was durable before.
    try world.tamper(2) { ($0 + 1024).initializeMemory(as: UInt8.self, repeating: 0, count: 3072) }
    try world.reopen()
    context.expectError(.dataCorrupted) { () throws(EngineError) in _ = try world.value(2) }
    let report = try DoubleWrite.recover(
        io: world.io, superblock: world.superblock, platform: context.platform)
    context.expect(report.restored == [world.page(2)], "restored \(report.restored.count) pages")
    for index in 0..<4 { context.expectEqual(try world.value(index), UInt64(index) + 1, "page") }
}

private func refusalCase(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    let least = BufferPool.minimumFrameCount(workerCount: context.coreCount)
    do throws(EngineError) {
        _ = try BufferPool(
            scheduler: context.scheduler, io: world.io, log: world.log, layout: world.superblock.layout,
            checksum: world.superblock.pageChecksum, frameCount: least - 1)
        context.fail("a pool of \(least - 1) frames was made")
    } catch {
        context.expect(error.state == .outOfMemory, "wrong SQLSTATE")
        context.expect(contains(error.message, "needs at least"), "said: \(error.message)")
    }
    for number in [0, world.superblock.layout.dataFirstPage - 1, world.superblock.layout.endPage, UInt64.max / 2] {
        context.expectError(.dataCorrupted) { () throws(EngineError) in
            _ = try world.pool.optimisticRead(PageID(number))
        }
        context.expectError(.dataCorrupted) { () throws(EngineError) in try world.pool.latchNew(PageID(number)) }
    }
}
