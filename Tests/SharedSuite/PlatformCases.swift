// The platform's promises: block device, streams, memory, time.

import Fibers
import Platform
import Synchronization

func platformCases() -> [SuiteCase] {
    [
        SuiteCase("platform: blocks read back as written, from every core") { context throws(EngineError) in
            try context.onEveryCore(4) { core, index throws(EngineError) in
                try blockRoundTrip(context, slot: core * 4 + index)
            }
        },
        SuiteCase("platform: completions are seen while fibers keep the core busy") { context throws(EngineError) in
            let done = Counter()
            try context.scheduler.spawn(on: 0, .interactive, "reader") {
                let memory = context.platform.allocate(byteCount: pageSize, node: 0, huge: false)!
                for _ in 0..<20 {
                    // Written before it is read: a hole would be answered without the device.
                    context.expectEqual(
                        block(context.platform, .write, [IOVector(base: memory, byteCount: pageSize)], 0), pageSize,
                        "write")
                    context.expectEqual(
                        block(context.platform, .read, [IOVector(base: memory, byteCount: pageSize)], 0), pageSize,
                        "read")
                }
                context.platform.deallocate(memory, byteCount: pageSize)
                _ = done.increment()
            }
            let limit = Fiber.now() + .seconds(10)
            while done.value == 0 && Fiber.now() < limit { Fiber.yield() }
            context.expectEqual(done.value, 1, "readers that ended beside a fiber that never sleeps")
        },
        SuiteCase("platform: every connection is accepted and echoes, on every core") { context throws(EngineError) in
            try echoStorm(context)
        },
        SuiteCase("platform: a receive ends with 0 when the peer or this side shuts down") {
            context throws(EngineError) in
            try shutdownEnds(context)
        },
        SuiteCase("platform: an accept ends when its listener is closed") { context throws(EngineError) in
            let (listener, _) = try context.platform.listen(address: "127.0.0.1:0")
            let queue = AcceptQueue(listener)
            let platform = context.platform
            try context.scheduler.spawn(on: 0, .interactive, "closer") {
                Fiber.sleep(.milliseconds(5))
                platform.close(listener)
            }
            context.expect(queue.next() == nil, "a connection out of nowhere")
        },
        SuiteCase("platform: an address that cannot be had is an error") { context throws(EngineError) in
            context.expectError(.invalidParameterValue) { () throws(EngineError) in
                _ = try context.platform.listen(address: "nonsense")
            }
            let (listener, address) = try context.platform.listen(address: "127.0.0.1:0")
            context.expectError(.ioError) { () throws(EngineError) in
                _ = try context.platform.listen(address: address)
            }
            context.platform.close(listener)
        },
        SuiteCase("platform: the clock never goes back") { context throws(EngineError) in
            var last = context.platform.now()
            for _ in 0..<100_000 {
                let now = context.platform.now()
                if now < last { context.fail("went back") }
                last = now
            }
            context.expect(context.platform.wallClock() > 1_600_000_000_000_000, "wall clock is before 2020")
        },
        SuiteCase(bare: "platform: reserved pages read as zeros, before and after discard") {
            context throws(EngineError) in
            guard let base = context.platform.reserve(byteCount: 64 * pageSize) else {
                context.fail("no address space")
                return
            }
            for page in 0..<64 {
                context.expectEqual(base.load(fromByteOffset: page * pageSize, as: UInt64.self), 0, "fresh")
                base.storeBytes(of: 7, toByteOffset: page * pageSize, as: UInt64.self)
            }
            context.platform.discard(base + 16 * pageSize, pageCount: 32)
            for page in 0..<64 {
                let expected: UInt64 = page >= 16 && page < 48 ? 0 : 7
                context.expectEqual(
                    base.load(fromByteOffset: page * pageSize, as: UInt64.self), expected, "after discard")
            }
            context.platform.deallocate(base, byteCount: 64 * pageSize)
        },
    ]
}

/// Writes 16 pages at `slot`'s place with each kind of write, flushes, reads them back in one vectored request.
private func blockRoundTrip(_ context: SuiteContext, slot: Int) throws(EngineError) {
    let platform = context.platform
    let byteCount = 16 * pageSize
    guard let buffer = platform.allocate(byteCount: 2 * byteCount, node: 0, huge: false) else {
        throw EngineError(.outOfMemory, "no memory")
    }
    let read = buffer + byteCount
    var random = SuiteRandom(seed: UInt64(slot))
    for word in 0..<(byteCount / 8) { buffer.storeBytes(of: random.next(), toByteOffset: word * 8, as: UInt64.self) }
    let offset = UInt64(slot * byteCount)
    let half = byteCount / 2
    let first = block(platform, .write, [IOVector(base: buffer, byteCount: half)], offset)
    context.expectEqual(first, half, "bytes written")
    let second = block(
        platform, .durableWrite,
        [
            IOVector(base: buffer + half, byteCount: pageSize),
            IOVector(base: buffer + half + pageSize, byteCount: half - pageSize),
        ],
        offset + UInt64(half))
    context.expectEqual(second, half, "bytes written durably")
    context.expectEqual(block(platform, .flush, [], 0), 0, "flush")
    let vectors = (0..<16).map { IOVector(base: read + (15 - $0) * pageSize, byteCount: pageSize) }
    context.expectEqual(block(platform, .read, vectors, offset), byteCount, "bytes read")
    for page in 0..<16 {
        for word in stride(from: 0, to: pageSize, by: 8) {
            let wrote = buffer.load(fromByteOffset: page * pageSize + word, as: UInt64.self)
            let got = read.load(fromByteOffset: (15 - page) * pageSize + word, as: UInt64.self)
            if wrote != got {
                context.fail("page \(page) differs at \(word)")
                break
            }
        }
    }
    platform.deallocate(buffer, byteCount: 2 * byteCount)
}

/// One block request, waited for.
private func block(_ platform: any Platform, _ operation: BlockOperation, _ vectors: [IOVector], _ offset: UInt64)
    -> Int
{
    let list = UnsafeMutableBufferPointer<IOVector>.allocate(capacity: max(1, vectors.count))
    for index in 0..<vectors.count { list.initializeElement(at: index, to: vectors[index]) }
    let used = UnsafeMutableBufferPointer(rebasing: list[0..<vectors.count])
    let result = Completion.wait { platform.queueBlock(Fiber.core, operation, used, offset: offset, tag: $0) }
    list.deallocate()
    return result
}
