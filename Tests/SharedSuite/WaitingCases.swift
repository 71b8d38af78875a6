// Mutexes, conditions, semaphores, the parking lot: nobody is lost, nobody overtakes, nobody is in there twice.

import Fibers
import Platform
import Synchronization

func waitingCases() -> [SuiteCase] {
    [
        SuiteCase("waiting: a mutex lets one fiber in at a time, over all workers") { context throws(EngineError) in
            let mutex = FiberMutex()
            let shared = UnsafeMutablePointer<Int>.allocate(capacity: 2)
            shared.initialize(repeating: 0, count: 2)
            try context.onEveryCore(8) { _, _ throws(EngineError) in
                for round in 0..<2_000 {
                    mutex.lock()
                    context.expectEqual(shared[1], 0, "others inside")
                    shared[1] = 1
                    shared[0] += 1
                    if round % 16 == 0 { Fiber.yield() }
                    shared[1] = 0
                    mutex.unlock()
                }
            }
            context.expectEqual(shared[0], 2_000 * 8 * context.coreCount, "entries")
            shared.deallocate()
        },
        SuiteCase("waiting: a mutex serves waiters in the order they came") { context throws(EngineError) in
            let mutex = FiberMutex()
            let order = UnsafeMutablePointer<Int>.allocate(capacity: 10)
            let next = Counter()
            mutex.lock()
            let group = FiberGroup(count: 10)
            let arrived = Counter()
            let tried = Counter()
            // All on one worker, which runs them in this order, each as far as the mutex.
            for index in 0..<10 {
                try context.scheduler.spawn(on: context.coreCount - 1, .interactive, "waiter") {
                    _ = arrived.increment()
                    mutex.lock()
                    // The first one in line stays until the mutex has been tried behind its back.
                    while tried.value == 0 { Fiber.sleep(.microseconds(100)) }
                    order[next.increment()] = index
                    mutex.unlock()
                    group.done()
                }
            }
            while arrived.value < 10 { Fiber.sleep(.microseconds(100)) }
            mutex.unlock()
            context.expect(!mutex.tryLock(), "the one who left the mutex took it again before those who wait")
            _ = tried.increment()
            group.wait()
            for index in 0..<10 { context.expectEqual(order[index], index, "place in line") }
            order.deallocate()
        },
        SuiteCase("waiting: a condition loses no signal between workers") { context throws(EngineError) in
            try boundedBuffer(context)
        },
        SuiteCase("waiting: a condition's wait ends at its deadline and leaves no trace") {
            context throws(EngineError) in
            let mutex = FiberMutex()
            let condition = FiberCondition()
            mutex.lock()
            let start = Fiber.now()
            let outcome = condition.wait(mutex, until: start + .milliseconds(5))
            context.expect(outcome == .timedOut, "outcome")
            context.expect(!(Fiber.now() < start + .milliseconds(5)), "too early")
            context.expect(!mutex.tryLock(), "the mutex was not taken again")
            mutex.unlock()
            condition.signal()
            condition.broadcast()
        },
        SuiteCase("waiting: deadlines and signals that meet wake each waiter exactly once") {
            context throws(EngineError) in
            let semaphore = FiberSemaphore(0)
            let got = Counter()
            let missed = Counter()
            let group = FiberGroup(count: context.coreCount * 32)
            for core in 0..<context.coreCount {
                for index in 0..<32 {
                    try context.scheduler.spawn(on: core, .interactive, "waiter") {
                        for round in 0..<50 {
                            let deadline = Fiber.now() + .microseconds(UInt64(50 + (index * 7 + round * 13) % 200))
                            switch semaphore.acquire(until: deadline) {
                            case .woken: _ = got.increment()
                            default: _ = missed.increment()
                            }
                        }
                        group.done()
                    }
                }
            }
            var released = 0
            for _ in 0..<500 {
                semaphore.release()
                released += 1
                if released % 8 == 0 { Fiber.sleep(.microseconds(20)) }
            }
            group.wait()
            var left = 0
            while semaphore.tryAcquire() { left += 1 }
            context.expectEqual(got.value + left, released, "permits")
            context.expectEqual(got.value + missed.value, context.coreCount * 32 * 50, "waits")
        },
        SuiteCase("waiting: a semaphore never hands out more than it has") { context throws(EngineError) in
            let semaphore = FiberSemaphore(3)
            let inside = Atomic3()
            try context.onEveryCore(8) { _, _ throws(EngineError) in
                for _ in 0..<200 {
                    semaphore.acquire()
                    context.expect(inside.enter() <= 3, "too many inside")
                    Fiber.yield()
                    inside.leave()
                    semaphore.release()
                }
            }
        },
        SuiteCase("waiting: the parking lot never misses a change of the word") { context throws(EngineError) in
            try parkingLotStress(context)
        },
        SuiteCase("waiting: the parking lot wakes only those of the address") { context throws(EngineError) in
            let lot = ParkingLot(bucketCount: 1)
            let one = Counter()
            let other = Counter()
            try context.scheduler.spawn(on: 0, .interactive, "one") {
                lot.park(address: 8) { true }
                _ = one.increment()
            }
            try context.scheduler.spawn(on: 0, .interactive, "other") {
                lot.park(address: 16) { true }
                _ = other.increment()
            }
            Fiber.sleep(.milliseconds(1))
            lot.wakeAll(address: 8)
            Fiber.sleep(.milliseconds(1))
            context.expectEqual(one.value, 1, "woken on the address")
            context.expectEqual(other.value, 0, "woken on another address")
            let outcome = lot.park(address: 8, until: Fiber.now() + .seconds(5)) { false }
            context.expect(outcome == .woken, "parked though there was nothing to wait for")
            lot.wakeOne(address: 16)
            Fiber.sleep(.milliseconds(1))
            context.expectEqual(other.value, 1, "woken later")
        },
        SuiteCase("waiting: an interrupt ends an interruptible wait and no other") { context throws(EngineError) in
            let semaphore = FiberSemaphore(0)
            let outcomes = Counter()
            let fiber = try context.scheduler.spawn(on: context.coreCount - 1, .interactive, "victim") {
                context.expect(semaphore.acquire(interruptible: true) == .interrupted, "not interrupted")
                _ = outcomes.increment()
                context.expect(semaphore.acquire() == .woken, "an uninterruptible wait ended early")
                _ = outcomes.increment()
            }
            Fiber.sleep(.milliseconds(2))
            Fiber.interrupt(fiber)
            Fiber.sleep(.milliseconds(10))
            context.expectEqual(outcomes.value, 1, "waits ended by the interrupt")
            Fiber.interrupt(fiber)
            Fiber.sleep(.milliseconds(10))
            context.expectEqual(outcomes.value, 1, "waits ended by the second interrupt")
            semaphore.release()
            Fiber.sleep(.milliseconds(10))
            context.expectEqual(outcomes.value, 2, "waits ended")
        },
    ]
}

private final class Atomic3: Sendable {
    private let count = Atomic<Int>(0)
    func enter() -> Int { count.add(1, ordering: .acquiringAndReleasing).newValue }
    func leave() { count.subtract(1, ordering: .acquiringAndReleasing) }
}

/// Producers and consumers over a buffer of four places, with one condition for each side.
private func boundedBuffer(_ context: SuiteContext) throws(EngineError) {
    let mutex = FiberMutex()
    let notEmpty = FiberCondition()
    let notFull = FiberCondition()
    let state = UnsafeMutablePointer<Int>.allocate(capacity: 2)
    state.initialize(repeating: 0, count: 2)
    let perFiber = 1_000
    try context.onEveryCore(6) { _, index throws(EngineError) in
        let limit = Fiber.now() + .seconds(60)
        for _ in 0..<perFiber {
            mutex.lock()
            if index % 2 == 0 {
                while state[0] == 4 {
                    if notFull.wait(mutex, until: limit) == .timedOut { context.fail("producer waits for ever") }
                }
                state[0] += 1
                state[1] += 1
                notEmpty.signal()
            } else {
                while state[0] == 0 {
                    if notEmpty.wait(mutex, until: limit) == .timedOut { context.fail("consumer waits for ever") }
                }
                state[0] -= 1
                notFull.signal()
            }
            mutex.unlock()
        }
    }
    context.expectEqual(state[0], 0, "items left")
    context.expectEqual(state[1], perFiber * 3 * context.coreCount, "items produced")
    state.deallocate()
}

/// A latch built on a word and the parking lot, as the buffer pool does it: 1 is held, 2 says that someone waits.
private func parkingLotStress(_ context: SuiteContext) throws(EngineError) {
    let lot = ParkingLot(bucketCount: 4)
    let words = UnsafeMutablePointer<Atomic<UInt64>>.allocate(capacity: 3)
    for index in 0..<3 { (words + index).initialize(to: Atomic(0)) }
    let counts = UnsafeMutablePointer<Int>.allocate(capacity: 3)
    counts.initialize(repeating: 0, count: 3)
    try context.onEveryCore(9) { _, index throws(EngineError) in
        let limit = Fiber.now() + .seconds(60)
        let word = words + index % 3
        let address = UInt(bitPattern: word)
        for _ in 0..<1_000 {
            while !word.pointee.compareExchange(expected: 0, desired: 1, ordering: .sequentiallyConsistent).exchanged {
                let (_, old) = word.pointee.compareExchange(expected: 1, desired: 3, ordering: .sequentiallyConsistent)
                if old == 0 { continue }
                // The holder may leave between the mark and the sleep.
                if index % 2 == 0 { Fiber.yield() }
                let outcome = lot.park(address: address, until: limit) {
                    word.pointee.load(ordering: .sequentiallyConsistent) == 3
                }
                if outcome == .timedOut {
                    context.fail("waits for ever")
                    return
                }
            }
            counts[index % 3] += 1
            Fiber.yield()
            if word.pointee.exchange(0, ordering: .sequentiallyConsistent) == 3 { lot.wakeAll(address: address) }
        }
    }
    for index in 0..<3 { context.expectEqual(counts[index], 3_000 * context.coreCount, "entries") }
    words.deallocate()
    counts.deallocate()
}
