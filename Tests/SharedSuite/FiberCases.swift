// Fibers: parking, waking, timers, classes.

import Fibers
import Platform
import Synchronization

func fiberCases() -> [SuiteCase] {
    [
        SuiteCase("fibers: a wake before the park is not lost") { context throws(EngineError) in
            context.scheduler.wake(Fiber.current)
            let start = Fiber.now()
            context.expect(Fiber.park(until: start + .seconds(5)), "the park timed out")
            context.expect(Fiber.now() - start < .seconds(4), "the park waited")
        },
        SuiteCase("fibers: every core runs its fibers on itself") { context throws(EngineError) in
            try context.onEveryCore(8) { core, _ throws(EngineError) in
                for _ in 0..<10 {
                    context.expectEqual(Fiber.core, core, "core")
                    Fiber.yield()
                }
            }
        },
        SuiteCase("fibers: wakes across workers are never lost") { context throws(EngineError) in
            // Pairs pass a token back and forth; a lost wake hangs, which the deadline turns into a failure.
            let rounds = 20_000
            let cells = UnsafeMutablePointer<PingPong>.allocate(capacity: 4)
            for index in 0..<4 { (cells + index).initialize(to: PingPong()) }
            let scheduler = context.scheduler
            let cores = context.coreCount
            let group = FiberGroup(count: 8)
            for index in 0..<8 {
                let cell = cells + index / 2
                let side = index % 2
                try scheduler.spawn(on: index % cores, .interactive, "ping") {
                    cell.pointee.play(side: side, rounds: rounds, context)
                    group.done()
                }
            }
            group.wait()
            for index in 0..<4 { context.expectEqual(cells[index].turn.load(ordering: .relaxed), 2 * rounds, "turns") }
            cells.deinitialize(count: 4)
            cells.deallocate()
        },
        SuiteCase("fibers: a timed park ends at its deadline, in order of deadlines") { context throws(EngineError) in
            let order = UnsafeMutablePointer<Int>.allocate(capacity: 8)
            order.initialize(repeating: -1, count: 8)
            let next = Counter()
            let start = Fiber.now()
            let group = FiberGroup(count: 8)
            for index in 0..<8 {
                try context.scheduler.spawn(on: 0, .interactive, "timer") {
                    let deadline = start + .milliseconds(UInt64(10 + 3 * ((index * 5) % 8)))
                    context.expect(!Fiber.park(until: deadline), "woken by nobody")
                    context.expect(!(Fiber.now() < deadline), "woken early")
                    order[next.increment()] = (index * 5) % 8
                    group.done()
                }
            }
            group.wait()
            for index in 0..<8 { context.expectEqual(order[index], index, "rank of the timer that fired") }
            order.deallocate()
        },
        SuiteCase("fibers: a reference to an ended fiber wakes nobody") { context throws(EngineError) in
            let first = try context.scheduler.spawn(on: 0, .interactive, "short") {}
            Fiber.yield()
            let flag = Counter()
            let second = try context.scheduler.spawn(on: 0, .interactive, "reuses the slot") {
                context.expect(!Fiber.park(until: Fiber.now() + .milliseconds(20)), "woken through a stale reference")
                _ = flag.increment()
            }
            context.expectEqual(first.core, second.core, "core")
            Fiber.yield()
            context.scheduler.wake(first)
            Fiber.sleep(.milliseconds(40))
            context.expectEqual(flag.value, 1, "second fiber ended")
        },
        SuiteCase("fibers: slots run out with 53200 and come back") { context throws(EngineError) in
            let release = Counter()
            let ended = Counter()
            var fibers: [FiberRef] = []
            var error: EngineError?
            while error == nil {
                do throws(EngineError) {
                    fibers.append(
                        try context.scheduler.spawn(on: 0, .background, "filler") {
                            while release.value == 0 { Fiber.park() }
                            _ = ended.increment()
                        })
                } catch let thrown {
                    error = thrown
                }
            }
            context.expect(error!.state == .outOfMemory, "wrong SQLSTATE")
            _ = release.increment()
            for fiber in fibers { context.scheduler.wake(fiber) }
            while ended.value < fibers.count { Fiber.sleep(.milliseconds(1)) }
            Fiber.yield()
            let fiber = try context.scheduler.spawn(on: 0, .background, "again") {}
            context.expect(!fiber.isNone, "no slot came back")
        },
        SuiteCase("fibers: a busy high class does not starve a low one") { context throws(EngineError) in
            let done = Counter()
            let low = Counter()
            try context.scheduler.spawn(on: 0, .background, "low") { _ = low.increment() }
            for _ in 0..<4 {
                try context.scheduler.spawn(on: 0, .commit, "high") {
                    for _ in 0..<10_000 where low.value == 0 { Fiber.yield() }
                    context.expectEqual(low.value, 1, "low class ran")
                    _ = done.increment()
                }
            }
            while done.value < 4 { Fiber.sleep(.milliseconds(1)) }
        },
        SuiteCase("fibers: a higher class goes first when both have work") { context throws(EngineError) in
            let order = UnsafeMutablePointer<Int>.allocate(capacity: 4)
            let next = Counter()
            let group = FiberGroup(count: 4)
            let scheduler = context.scheduler
            // From a fiber of the highest class: the round has all lower ones before it.
            try scheduler.spawn(on: 0, .commit, "spawner") {
                for fiberClass in [FiberClass.background, .writeback, .interactive, .commit] {
                    let fiber = try? scheduler.spawn(on: 0, fiberClass, "ranked") {
                        order[next.increment()] = Int(fiberClass.rawValue)
                        group.done()
                    }
                    context.expect(fiber != nil, "no fiber")
                }
            }
            group.wait()
            for index in 0..<4 { context.expectEqual(order[index], index, "class that ran") }
            order.deallocate()
        },
        SuiteCase("fibers: an interrupt ends a park and stays until cleared") { context throws(EngineError) in
            let woken = Counter()
            let fiber = try context.scheduler.spawn(on: context.coreCount - 1, .interactive, "victim") {
                while !Fiber.isInterrupted { Fiber.park() }
                Fiber.yield()
                context.expect(Fiber.isInterrupted, "the interrupt vanished")
                Fiber.clearInterrupt()
                context.expect(!Fiber.isInterrupted, "the interrupt stayed")
                _ = woken.increment()
            }
            Fiber.sleep(.milliseconds(2))
            Fiber.interrupt(fiber)
            let limit = Fiber.now() + .seconds(10)
            while woken.value == 0 && Fiber.now() < limit { Fiber.sleep(.milliseconds(1)) }
            context.expectEqual(woken.value, 1, "interrupted fibers")
        },
    ]
}

/// An atomic count that closures can share.
package final class Counter: Sendable {
    private let count: Atomic<Int>
    package init(_ value: Int = 0) { count = Atomic(value) }
    package var value: Int { count.load(ordering: .acquiring) }
    /// The value before.
    package func increment() -> Int { count.add(1, ordering: .acquiringAndReleasing).oldValue }
}

/// Two fibers that take turns; each wakes the other.
struct PingPong: ~Copyable {
    let turn = Atomic<Int>(0)
    let first = Atomic<UInt64>(0)
    let second = Atomic<UInt64>(0)

    borrowing func play(side: Int, rounds: Int, _ context: SuiteContext) {
        let limit = Fiber.now() + .seconds(60)
        let scheduler = Fiber.scheduler
        if side == 0 {
            first.store(Fiber.current.rawValue, ordering: .sequentiallyConsistent)
        } else {
            second.store(Fiber.current.rawValue, ordering: .sequentiallyConsistent)
        }
        for round in 0..<rounds {
            while turn.load(ordering: .sequentiallyConsistent) != 2 * round + side {
                if !Fiber.park(until: limit) {
                    context.fail("side \(side) waits for ever in round \(round)")
                    return
                }
            }
            turn.store(2 * round + side + 1, ordering: .sequentiallyConsistent)
            let other =
                side == 0
                ? second.load(ordering: .sequentiallyConsistent) : first.load(ordering: .sequentiallyConsistent)
            scheduler.wake(FiberRef(rawValue: other))
        }
    }
}
