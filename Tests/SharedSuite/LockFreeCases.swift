// Structures without locks, from all workers at once.

import Fibers
import LockFree
import Platform
import Synchronization

func lockFreeCases() -> [SuiteCase] {
    [
        SuiteCase("queue: nothing is lost, doubled or reordered per producer") { context throws(EngineError) in
            try queueStress(context)
        },
        SuiteCase(bare: "queue: a full queue refuses and an empty one gives nothing") { context throws(EngineError) in
            let queue = MPMCQueue<UInt64>(capacity: 4)
            for lap in 0..<10 as Range<UInt64> {
                for index in 0..<4 as Range<UInt64> { context.expect(queue.enqueue(lap * 4 + index), "refused") }
                context.expect(!queue.enqueue(99), "a full queue took one more")
                for index in 0..<4 as Range<UInt64> {
                    context.expectEqual(queue.dequeue() ?? 98, lap * 4 + index, "order")
                }
                context.expect(queue.dequeue() == nil, "an empty queue gave something")
            }
        },
        SuiteCase("epoch: nothing is freed while a worker may hold it") { context throws(EngineError) in
            try epochStress(context)
        },
        SuiteCase(bare: "epoch: a section holds back what was retired in it, its end lets it go") {
            context throws(EngineError) in
            let epoch = Epoch(workerCount: 2)
            let flag = UnsafeMutablePointer<Int>.allocate(capacity: 1)
            flag.initialize(to: 0)
            epoch.enter(1)
            epoch.retire(0, UnsafeMutableRawPointer(flag)) { $0.storeBytes(of: 1, as: Int.self) }
            for _ in 0..<10 { epoch.collect(0) }
            context.expectEqual(flag.pointee, 0, "freed under a reader")
            epoch.exit(1)
            for _ in 0..<3 { epoch.collect(0) }
            context.expectEqual(flag.pointee, 1, "freed")
            flag.deallocate()
        },
        SuiteCase("skip list: agrees with a sorted array through inserts and removals") { context throws(EngineError) in
            try skipListModel(context)
        },
        SuiteCase("skip list: every key has one inserter and one remover, on all cores at once") {
            context throws(EngineError) in
            try skipListStress(context)
        },
        SuiteCase(bare: "latch: a write voids every version read before it") { context throws(EngineError) in
            let latch = OptimisticLatch()
            guard let version = latch.read() else {
                context.fail("a fresh latch is locked")
                return
            }
            context.expect(latch.validate(version), "nobody wrote")
            context.expect(latch.tryUpgrade(version), "nobody wrote, and there is no writer")
            context.expect(latch.read() == nil, "a version while there is a writer")
            context.expect(!latch.validate(version), "valid while there is a writer")
            context.expect(!latch.tryLock(), "two writers")
            latch.unlock()
            context.expect(!latch.validate(version), "valid after a write")
            context.expect(!latch.tryUpgrade(version), "upgraded after a write")
            context.expect(latch.tryLock(), "free again")
        },
        SuiteCase("latch: a validated read is never torn") { context throws(EngineError) in
            let latch = UnsafeMutablePointer<OptimisticLatch>.allocate(capacity: 1)
            latch.initialize(to: OptimisticLatch())
            let cells = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: 8)
            for index in 0..<8 { (cells + index).initialize(to: Atomic(0)) }
            let validated = Counter()
            try context.onEveryCore(2) { _, index throws(EngineError) in
                for step in 0..<20_000 {
                    if index == 0 {
                        if latch.pointee.tryLock() {
                            for cell in 0..<8 {
                                let old = cells[cell].load(ordering: .relaxed)
                                cells[cell].store(old + 1, ordering: .relaxed)
                            }
                            latch.pointee.unlock()
                        }
                    } else if let version = latch.pointee.read() {
                        let first = cells[0].load(ordering: .relaxed)
                        var same = true
                        for cell in 1..<8 where cells[cell].load(ordering: .relaxed) != first { same = false }
                        if latch.pointee.validate(version) {
                            _ = validated.increment()
                            if !same { context.fail("torn read validated") }
                        }
                    }
                    if step % 64 == 0 { Fiber.yield() }
                }
            }
            context.expect(validated.value > 0, "no read was validated")
            latch.deallocate()
            cells.deallocate()
        },
    ]
}

private func queueStress(_ context: SuiteContext) throws(EngineError) {
    let queue = MPMCQueue<UInt64>(capacity: 64)
    let producers = 3 * context.coreCount
    let perProducer = 5_000
    let sum = Atomic64()
    let taken = Counter()
    let nextProducer = Counter()
    try context.onEveryCore(6) { _, index throws(EngineError) in
        if index % 2 == 0 {
            let producer = nextProducer.increment()
            for step in 0..<perProducer {
                while !queue.enqueue(UInt64(producer) << 32 | UInt64(step)) { Fiber.yield() }
            }
        } else {
            // What one consumer sees of one producer is in order.
            var last = [Int](repeating: -1, count: producers)
            while taken.value < producers * perProducer {
                guard let element = queue.dequeue() else {
                    Fiber.yield()
                    continue
                }
                _ = taken.increment()
                let producer = Int(element >> 32)
                let step = Int(element & 0xffff_ffff)
                if step <= last[producer] { context.fail("producer \(producer): \(step) after \(last[producer])") }
                last[producer] = step
                sum.add(UInt64(step) + 1)
            }
        }
    }
    context.expectEqual(taken.value, producers * perProducer, "elements")
    context.expectEqual(sum.value, UInt64(producers * perProducer * (perProducer + 1) / 2), "sum")
}

final class Atomic64: Sendable {
    private let word = Atomic<UInt64>(0)
    var value: UInt64 { word.load(ordering: .relaxed) }
    func add(_ amount: UInt64) { word.wrappingAdd(amount, ordering: .relaxed) }
}

/// Writers replace a shared object and retire the old one, whose freeing scribbles over it; readers look for scribbles.
private func epochStress(_ context: SuiteContext) throws(EngineError) {
    let epoch = Epoch(workerCount: context.coreCount)
    let shared = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: 1)
    shared.initialize(to: Atomic(UInt(bitPattern: makeObject())))
    let sane: UInt64 = 0x5afe
    try context.onEveryCore(2) { core, index throws(EngineError) in
        for step in 0..<20_000 {
            if index == 0 {
                let fresh = UInt(bitPattern: makeObject())
                let old = UnsafeMutableRawPointer(
                    bitPattern: shared.pointee.exchange(fresh, ordering: .acquiringAndReleasing))
                epoch.retire(core, old!) {
                    $0.storeBytes(of: 0xdead, as: UInt64.self)
                    $0.deallocate()
                }
            } else {
                epoch.enter(core)
                let object = UnsafeMutableRawPointer(bitPattern: shared.pointee.load(ordering: .acquiring))!
                for _ in 0..<20 where object.load(as: UInt64.self) != sane { context.fail("read a freed object") }
                epoch.exit(core)
            }
            if step % 32 == 0 { Fiber.yield() }
        }
    }
    for core in 0..<context.coreCount { for _ in 0..<4 { epoch.collect(core) } }
    for core in 0..<context.coreCount { context.expectEqual(epoch.collect(core), 0, "retired objects left") }
    UnsafeMutableRawPointer(bitPattern: shared.pointee.load(ordering: .relaxed))?.deallocate()
    shared.deallocate()
}

private func makeObject() -> UnsafeMutableRawPointer {
    let object = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 16)
    object.storeBytes(of: 0x5afe, as: UInt64.self)
    return object
}

/// Calls `body` with the big-endian bytes of `number` and, for odd numbers, a longer key.
private func withKey<R>(_ number: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    var key: (UInt64, UInt64) = (UInt64(number).bigEndian, 0x0102_0304_0506_0708)
    return withUnsafeBytes(of: &key) { body(UnsafeRawBufferPointer(rebasing: $0[0..<(number % 2 == 0 ? 8 : 11)])) }
}

private func skipListModel(_ context: SuiteContext) throws(EngineError) {
    let epoch = Epoch(workerCount: context.coreCount)
    let list = SkipList(epoch: epoch)
    var model = [UInt64?](repeating: nil, count: 500)
    var random = SuiteRandom(seed: 11)
    for step in 0..<20_000 as Range<UInt64> {
        let number = random.next(below: 500)
        switch random.next(below: 3) {
        case 0:
            let inserted = withKey(number) { list.insert(0, $0, step) }
            context.expect(inserted == (model[number] == nil), "insert \(number)")
            if inserted { model[number] = step }
        case 1:
            let removed = withKey(number) { list.remove(0, $0) }
            context.expect(removed == model[number], "remove \(number)")
            model[number] = nil
        default:
            let found = withKey(number) { list.lookup(0, $0) }
            context.expect(found == model[number], "lookup \(number)")
        }
    }
    var number = 250
    withKey(250) { start in
        list.scan(0, from: start) { key, value in
            while number < 500 && model[number] == nil { number += 1 }
            context.expect(number < 500, "more keys than the model has")
            let read = UnsafeRawPointer(key.baseAddress!).big(0, as: UInt64.self)
            context.expectEqual(read, UInt64(number), "key in order")
            context.expect(model[number] == value, "value of \(number)")
            number += 1
            return true
        }
    }
    while number < 500 && model[number] == nil { number += 1 }
    context.expectEqual(number, 500, "end of the scan")
}

private func skipListStress(_ context: SuiteContext) throws(EngineError) {
    let epoch = Epoch(workerCount: context.coreCount)
    let list = SkipList(epoch: epoch)
    let keys = 64
    let inserts = (0..<keys).map { _ in Counter() }
    let removals = (0..<keys).map { _ in Counter() }
    try context.onEveryCore(4) { core, index throws(EngineError) in
        var random = SuiteRandom(seed: UInt64(core * 4 + index))
        for step in 0..<20_000 {
            let number = random.next(below: keys)
            if random.next(below: 2) == 0 {
                if withKey(number, { list.insert(core, $0, UInt64(number)) }) { _ = inserts[number].increment() }
            } else if let value = withKey(number, { list.remove(core, $0) }) {
                context.expectEqual(value, UInt64(number), "value removed")
                _ = removals[number].increment()
            }
            if step % 64 == 0 { Fiber.yield() }
        }
    }
    for number in 0..<keys {
        let present = withKey(number) { list.lookup(0, $0) } != nil
        context.expectEqual(inserts[number].value, removals[number].value + (present ? 1 : 0), "inserts and removals")
    }
    var last = -1
    withKey(0) { start in
        list.scan(0, from: start) { _, value in
            context.expect(Int(value) > last, "out of order")
            last = Int(value)
            return true
        }
    }
}
