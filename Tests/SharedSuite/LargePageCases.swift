// Large pages under the cache: they are taken where they can be, and nothing but speed tells them from small ones.

import BufferPool
import Fibers
import Platform

func largePageCases() -> [SuiteCase] {
    [
        SuiteCase(
            "large pages: memory keeps its contents through enlarging, splitting and partial discard", contentsStay),
        SuiteCase("large pages: regions that are whole are enlarged, and pages survive their eviction") {
            context throws(EngineError) in
            try PoolWorld.run(context, frameCount: 4096) { world throws(EngineError) in try evictionSplits(world) }
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
    for page in 0..<pages { base.storeBytes(of: UInt64(page + 1), toByteOffset: page * pageSize, as: UInt64.self) }
    func check(discarded: Range<Int>) {
        for page in 0..<pages {
            let expected = discarded.contains(page) ? 0 : UInt64(page + 1)
            context.expectEqual(base.load(fromByteOffset: page * pageSize, as: UInt64.self), expected, "a page")
        }
    }
    // Where there are none, or none is free, nothing happens.
    _ = context.platform.enlargePages(base, byteCount: pages * pageSize)
    check(discarded: 0..<0)
    context.platform.splitPages(base, byteCount: largePageByteCount)
    check(discarded: 0..<0)
    context.platform.discard(base + 3 * pageSize, pageCount: 5)
    check(discarded: 3..<8)
}

private func evictionSplits(_ world: PoolWorld) throws(EngineError) {
    let context = world.context
    try world.pool.startLargePages()
    let (first, all) = (3000, 9000)
    for index in 0..<first { try world.create(index, UInt64(index) + 1) }
    // What the platform can do it does within a second or so; that it cannot is no failure.
    for _ in 0..<100 where world.pool.largePageCount < 3 { Fiber.sleep(.milliseconds(10)) }
    for index in 0..<first { context.expectEqual(try world.value(index), UInt64(index) + 1, "a page on a large one") }
    for index in first..<all { try world.create(index, UInt64(index) + 1) }
    context.expect(world.pool.count(.pageEvictions) > 0, "pages were evicted")
    for index in 0..<all { context.expectEqual(try world.value(index), UInt64(index) + 1, "a page after evictions") }
    try world.pool.flushAll()
    try world.reopen()
    for index in 0..<all { context.expectEqual(try world.value(index), UInt64(index) + 1, "a page on the device") }
}
