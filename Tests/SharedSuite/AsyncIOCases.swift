// Block I/O: order by class, joining of neighbours, many fibers at once.

import AsyncIO
import Fibers
import IOBatching
import IOScheduler
import Platform
import Telemetry

func asyncIOCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "asyncio: adjacent requests of one kind are joined up to the largest transfer") { context in
            coalescerCase(context)
        },
        SuiteCase(bare: "asyncio: the log goes first, then reads, then write-back, then scans") { context in
            priorityCase(context)
        },
        SuiteCase(bare: "asyncio: a request past its deadline goes before more urgent classes") { context in
            deadlineCase(context)
        },
        SuiteCase(bare: "asyncio: write-back in flight never exceeds its share of the queue") { context in
            capCase(context)
        },
        SuiteCase("asyncio: many fibers read back what they wrote, in every class") { context throws(EngineError) in
            try manyFibersCase(context)
        },
        SuiteCase("asyncio: a transfer larger than the device takes is done in pieces") { context throws(EngineError) in
            try largeTransferCase(context)
        },
        SuiteCase("asyncio: a batch of neighbours reaches the device as one request") { context throws(EngineError) in
            try batchCase(context)
        },
    ]
}

/// Requests in memory that stays where it is.
private final class Requests {
    let memory: UnsafeMutablePointer<BlockRequest>
    private let page = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
    private let capacity: Int

    init(_ pages: [UInt64], _ operation: BlockOperation = .read) {
        capacity = pages.count
        memory = .allocate(capacity: capacity)
        for index in 0..<capacity {
            (memory + index).initialize(
                to: BlockRequest(operation, base: page, byteCount: pageSize, offset: pages[index] * UInt64(pageSize)))
        }
    }
    deinit {
        memory.deallocate()
        page.deallocate()
    }
    subscript(index: Int) -> UnsafeMutablePointer<BlockRequest> { memory + index }
}

private func coalescerCase(_ context: SuiteContext) {
    let requests = Requests([7, 8, 9, 10, 12, 13])
    requests[5].pointee.operation = .write
    let vectors = UnsafeMutablePointer<IOVector>.allocate(capacity: 8)
    defer { vectors.deallocate() }
    let coalescer = Coalescer(maxByteCount: 3 * pageSize, maxVectorCount: 8)
    var list = RequestList()
    for index in 0..<6 { list.append(requests[index]) }
    var runs: [(UInt64, Int)] = []
    while let run = coalescer.takeRun(from: &list, vectors: vectors) {
        runs.append((run.offset / UInt64(pageSize), run.vectorCount))
        context.expectEqual(run.byteCount, run.vectorCount * pageSize, "bytes of the run")
    }
    context.expectEqual(runs.count, 4, "runs")
    if runs.count != 4 { return }
    // 7, 8, 9 fill a transfer; 10 stands alone; 12 and 13 adjoin, but one reads and one writes.
    for (run, expected) in zip(runs, [(7, 3), (10, 1), (12, 1), (13, 1)] as [(UInt64, Int)]) {
        context.expectEqual(run.0, expected.0, "first page")
        context.expectEqual(run.1, expected.1, "pieces")
    }
    let pair = Requests([3, 4, 5])
    for index in 0..<3 { list.append(pair[index]) }
    let narrow = Coalescer(maxByteCount: 64 * pageSize, maxVectorCount: 2)
    context.expectEqual(
        narrow.takeRun(from: &list, vectors: vectors)?.vectorCount ?? 0, 2, "pieces when two are allowed")
}

private func nextClass(_ queues: inout ClassQueues, at time: Nanoseconds, _ vectors: UnsafeMutablePointer<IOVector>)
    -> IOClass?
{
    let coalescer = Coalescer(maxByteCount: pageSize, maxVectorCount: 1)
    return queues.next(now: time, coalescer: coalescer, vectors: vectors)?.ioClass
}

private func priorityCase(_ context: SuiteContext) {
    let requests = Requests([1, 20, 40, 60])
    let vectors = UnsafeMutablePointer<IOVector>.allocate(capacity: 1)
    defer { vectors.deallocate() }
    var queues = ClassQueues(policy: IOPolicy(depth: 16))
    let start = Nanoseconds.seconds(1)
    for (index, ioClass) in ([.scan, .writeback, .read, .log] as [IOClass]).enumerated() {
        queues.enqueue(requests[index], ioClass, now: start)
    }
    for expected in [.log, .read, .writeback, .scan] as [IOClass] {
        context.expect(nextClass(&queues, at: start, vectors) == expected, "class \(expected.rawValue) out of turn")
    }
    context.expect(nextClass(&queues, at: start, vectors) == nil, "a request out of nothing")
}

private func deadlineCase(_ context: SuiteContext) {
    let requests = Requests([1, 20, 40, 60])
    let vectors = UnsafeMutablePointer<IOVector>.allocate(capacity: 1)
    defer { vectors.deallocate() }
    var queues = ClassQueues(policy: IOPolicy(depth: 16))
    let start = Nanoseconds.seconds(1)
    queues.enqueue(requests[0], .writeback, now: start)
    queues.enqueue(requests[1], .read, now: start + .milliseconds(49))
    context.expect(nextClass(&queues, at: start + .milliseconds(49), vectors) == .read, "write-back is not due")
    queues.enqueue(requests[2], .read, now: start + .milliseconds(51))
    queues.enqueue(requests[3], .log, now: start + .milliseconds(51))
    let due = start + .milliseconds(51)
    context.expect(nextClass(&queues, at: due, vectors) == .log, "the log goes first even so")
    context.expect(nextClass(&queues, at: due, vectors) == .writeback, "write-back is due")
    context.expect(nextClass(&queues, at: due, vectors) == .read, "then the read")
}

private func capCase(_ context: SuiteContext) {
    let requests = Requests((0..<40).map { UInt64($0) * 10 })
    let vectors = UnsafeMutablePointer<IOVector>.allocate(capacity: 1)
    defer { vectors.deallocate() }
    let policy = IOPolicy(depth: 32)
    var queues = ClassQueues(policy: policy)
    let start = Nanoseconds.seconds(1)
    for index in 0..<36 { queues.enqueue(requests[index], .writeback, now: start) }
    var sent = 0
    // Long past every deadline: the cap holds all the same.
    while nextClass(&queues, at: start + .seconds(9), vectors) == .writeback { sent += 1 }
    context.expectEqual(sent, 8, "write-backs in flight")
    queues.enqueue(requests[36], .read, now: start)
    context.expect(nextClass(&queues, at: start, vectors) == .read, "a read does not wait behind write-back")
    queues.finished(.writeback)
    context.expect(nextClass(&queues, at: start, vectors) == .writeback, "a place came free")
    for _ in 0..<8 { queues.finished(.writeback) }
    queues.finished(.read)
    context.expectEqual(queues.inFlightTotal, 0, "in flight at the end")
}

private func manyFibersCase(_ context: SuiteContext) throws(EngineError) {
    // Sixteen in flight per worker and 48 fibers: requests must queue.
    let io = BlockIO(scheduler: context.scheduler, deviceDepth: 16)
    try context.onEveryCore(48) { core, index throws(EngineError) in
        let ioClass = IOClass.allCases[index % IOClass.count]
        guard let page = context.platform.allocate(byteCount: 4 * pageSize, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "no memory")
        }
        defer { context.platform.deallocate(page, byteCount: 4 * pageSize) }
        var random = SuiteRandom(seed: UInt64(core * 1000 + index))
        for round in 0..<6 {
            let offset = UInt64((core * 48 + index) * 8 * pageSize)
            let stamp = random.next()
            for word in 0..<4 * pageSize / 8 {
                page.storeBytes(of: stamp &+ UInt64(word), toByteOffset: word * 8, as: UInt64.self)
            }
            try io.write(from: page, offset: offset, byteCount: 4 * pageSize, class: ioClass, durable: round == 5)
            page.initializeMemory(as: UInt8.self, repeating: 0, count: 4 * pageSize)
            try io.read(into: page, offset: offset, byteCount: 4 * pageSize, class: ioClass)
            for word in 0..<4 * pageSize / 8
            where page.load(fromByteOffset: word * 8, as: UInt64.self) != stamp &+ UInt64(word) {
                context.fail("core \(core) fiber \(index) round \(round): word \(word) differs")
                return
            }
        }
        try io.flush()
    }
    for ioClass in IOClass.allCases {
        context.expectEqual(io.latency(ioClass).count, UInt64(context.coreCount * 12 * 12), "requests in the histogram")
    }
}

private func largeTransferCase(_ context: SuiteContext) throws(EngineError) {
    let io = BlockIO(scheduler: context.scheduler)
    let byteCount = io.geometry.maxTransferByteCount * 11 + 3 * pageSize
    guard let memory = context.platform.allocate(byteCount: byteCount, node: 0, huge: false) else {
        throw EngineError(.outOfMemory, "no memory")
    }
    defer { context.platform.deallocate(memory, byteCount: byteCount) }
    for page in 0..<byteCount / pageSize {
        memory.storeBytes(of: page + 1, toByteOffset: page * pageSize, as: Int.self)
    }
    try io.write(from: memory, offset: UInt64(pageSize), byteCount: byteCount, class: .scan)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    try io.read(into: memory, offset: UInt64(pageSize), byteCount: byteCount, class: .scan)
    for page in 0..<byteCount / pageSize {
        context.expectEqual(memory.load(fromByteOffset: page * pageSize, as: Int.self), page + 1, "page")
    }
}

private func batchCase(_ context: SuiteContext) throws(EngineError) {
    let io = BlockIO(scheduler: context.scheduler)
    let count = 32
    guard let memory = context.platform.allocate(byteCount: count * pageSize, node: 0, huge: false) else {
        throw EngineError(.outOfMemory, "no memory")
    }
    let requests = UnsafeMutableBufferPointer<BlockRequest>.allocate(capacity: count)
    defer {
        requests.deallocate()
        context.platform.deallocate(memory, byteCount: count * pageSize)
    }
    // Handed over in a shuffled order.
    for index in 0..<count {
        let page = index * 7 % count
        memory.storeBytes(of: page + 1, toByteOffset: page * pageSize, as: Int.self)
        requests.initializeElement(
            at: index,
            to: BlockRequest(
                .write, base: memory + page * pageSize, byteCount: pageSize, offset: UInt64((page + 100) * pageSize)))
    }
    try io.perform(requests, class: .writeback)
    context.expectEqual(io.counters.total(.blockWrites), 1, "requests at the device")
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: count * pageSize)
    try io.read(into: memory, offset: UInt64(100 * pageSize), byteCount: count * pageSize, class: .read)
    for page in 0..<count {
        context.expectEqual(memory.load(fromByteOffset: page * pageSize, as: Int.self), page + 1, "page")
    }
}
