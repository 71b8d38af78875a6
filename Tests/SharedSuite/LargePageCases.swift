// Large pages under the cache: they are taken where they can be, and nothing but speed tells them from small ones.

import BufferPool
import Fibers
import Platform
import Telemetry

func largePageCases() -> [SuiteCase] {
    [
        SuiteCase("large pages: memory keeps its contents through splitting and partial discard", contentsStay),
        SuiteCase("large pages: populating beforehand changes no contents", populatingChangesNothing),
        SuiteCase("large pages: what growth comes to next is populated, as far as there is room") {
            context throws(EngineError) in
            try PoolWorld.run(context, frameCount: 4096) { world throws(EngineError) in try growthIsAnticipated(world) }
        },
        SuiteCase("large pages: a cache with room takes them, and a full one gives back what it does not use") {
            context throws(EngineError) in
            try PoolWorld.run(context, frameCount: 4096) { world throws(EngineError) in try slackIsGivenBack(world) }
        },
        SuiteCase("large pages: pages survive the eviction of their neighbours") { context throws(EngineError) in
            try PoolWorld.run(context, frameCount: 4096) { world throws(EngineError) in try evictionSplits(world) }
        },
        SuiteCase("large pages: a small cache takes none") { context throws(EngineError) in
            try PoolWorld.run(context, frameCount: 1024) { world throws(EngineError) in
                for index in 0..<600 { try world.create(index, 1) }
                context.expectEqual(world.pool.largePageCount, 0, "large pages")
            }
        },
    ]
}

private func contentsStay(_ context: SuiteContext) throws(EngineError) {
    let pages = 2 * largePageByteCount / pageSize
    guard let base = context.platform.reserve(byteCount: pages * pageSize) else {
        return context.fail("no address space")
    }
    defer { context.platform.deallocate(base, byteCount: pages * pageSize) }
    context.expectEqual(Int(bitPattern: base) % largePageByteCount, 0, "alignment of a large reservation")
    // Where there are none, or none is free, nothing happens.
    context.platform.preferLargePages(base, byteCount: pages * pageSize, true)
    for page in 0..<pages { base.storeBytes(of: UInt64(page + 1), toByteOffset: page * pageSize, as: UInt64.self) }
    func check(discarded: Range<Int>) {
        for page in 0..<pages {
            let expected = discarded.contains(page) ? 0 : UInt64(page + 1)
            context.expectEqual(base.load(fromByteOffset: page * pageSize, as: UInt64.self), expected, "a page")
        }
    }
    context.platform.preferLargePages(base, byteCount: pages * pageSize, false)
    check(discarded: 0..<0)
    context.platform.splitPages(base, byteCount: largePageByteCount)
    check(discarded: 0..<0)
    context.platform.discard(base + 3 * pageSize, pageCount: 5)
    check(discarded: 3..<8)
}

private func populatingChangesNothing(_ context: SuiteContext) throws(EngineError) {
    let platform = context.platform
    let pages = 2 * largePageByteCount / pageSize
    guard let base = platform.reserve(byteCount: pages * pageSize) else { return context.fail("no address space") }
    defer { platform.deallocate(base, byteCount: pages * pageSize) }
    for isPreferred in [false, true] {
        platform.preferLargePages(base, byteCount: pages * pageSize, isPreferred)
        for page in stride(from: 0, to: pages, by: 7) {
            base.storeBytes(of: UInt64(page + 1), toByteOffset: page * pageSize, as: UInt64.self)
        }
        var completion = Completion()
        withUnsafeMutablePointer(to: &completion) { cell in
            // A platform may have nothing of the kind.
            guard platform.queuePopulate(Fiber.core, base, byteCount: pages * pageSize, tag: cell.tag) else { return }
            context.expectEqual(cell.wait(), 0, "what populating reports")
        }
        for page in 0..<pages {
            let expected = page % 7 == 0 ? UInt64(page + 1) : 0
            context.expectEqual(base.load(fromByteOffset: page * pageSize, as: UInt64.self), expected, "a page")
        }
        platform.discard(base, pageCount: pages)
    }
}

/// Pages one after the other run ahead of themselves in memory; they hold what they should, also where they had to wait for
/// it, and the slack of it all is counted.
private func growthIsAnticipated(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    let size = largePageByteCount / pageSize
    try world.create(0, 1)
    guard world.pool.largePageCount == 1 else { return }
    for index in 1..<3 * size { try world.create(index, UInt64(index) + 1) }
    // The world's pages do not begin at a region's first one: these lie in four regions, and there is room for seven.
    for _ in 0..<200 where world.pool.largePageCount < 6 { Fiber.sleep(.milliseconds(10)) }
    Fiber.sleep(.milliseconds(50))
    let large = world.pool.largePageCount
    context.expect((6...7).contains(large), "\(large) regions have memory")
    context.expectEqual(world.pool.slackPageCount, (large - 3) * size, "slack")
    for index in 3 * size..<9000 { try world.create(index, UInt64(index) + 1) }
    for index in 0..<9000 { context.expectEqual(try world.value(index), UInt64(index) + 1, "a page") }
    for _ in 0..<200 where world.pool.slackPageCount > 0 { Fiber.sleep(.milliseconds(10)) }
    context.expectEqual(world.pool.slackPageCount, 0, "slack of a full cache")
}

/// One page here and there makes large pages, mostly slack; many of them are more than there is room for.
private func slackIsGivenBack(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    let size = largePageByteCount / pageSize
    // The world's pages do not begin at a region's first one: whole regions are those from the second to the last but one.
    try world.create(0, 1)
    guard world.pool.largePageCount == 1 else { return }
    context.expect(world.pool.slackPageCount < size, "slack of a region")
    for region in 1..<5 { try world.create(region * size, UInt64(region) + 1) }
    context.expectEqual(world.pool.largePageCount, 5, "regions on large pages")
    context.expectEqual(world.pool.slackPageCount, 5 * (size - 1), "slack of five regions with a page each")
    for index in size + 1..<2 * size { try world.create(index, UInt64(index)) }
    context.expectEqual(world.pool.slackPageCount, 4 * (size - 1), "slack beside a region in use as a whole")
    for region in 5..<12 { try world.create(region * size, UInt64(region) + 1) }
    for _ in 0..<200 where world.pool.slackPageCount > 0 { Fiber.sleep(.milliseconds(10)) }
    context.expectEqual(world.pool.slackPageCount, 0, "slack of a cache that had no more room for it")
    context.expect(world.pool.largePageCount <= 2, "only what is in use as a whole stays large")
    for region in 0..<12 where region != 1 {
        context.expectEqual(try world.value(region * size), UInt64(region) + 1, "a page of a split region")
    }
    for index in size + 1..<2 * size {
        context.expectEqual(try world.value(index), UInt64(index), "a page on a large one")
    }
    context.expectEqual(try world.value(size), 2, "a page on a large one")
}

private func evictionSplits(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    let (first, all) = (3000, 9000)
    for index in 0..<first { try world.create(index, UInt64(index) + 1) }
    for index in 0..<first { context.expectEqual(try world.value(index), UInt64(index) + 1, "a page on a large one") }
    for index in first..<all { try world.create(index, UInt64(index) + 1) }
    context.expect(world.pool.count(.pageEvictions) > 0, "pages were evicted")
    for index in 0..<all { context.expectEqual(try world.value(index), UInt64(index) + 1, "a page after evictions") }
    try world.pool.flushAll()
    try world.reopen()
    for index in 0..<all { context.expectEqual(try world.value(index), UInt64(index) + 1, "a page on the device") }
}
