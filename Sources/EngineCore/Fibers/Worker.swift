// One worker: a core's run queues, timers, inbox of remote wakes, and the loop that ties them to the platform.
//
// Everything but `inbox` and `freeSlots` belongs to the worker's own thread. State is reached through pointers, never
// through `inout self`: a fiber switch is a call during which every field may change.

import CPrimitives
import Platform
import Synchronization
import Telemetry

struct WorkerState: ~Copyable {
    // Shared with other workers; allocated on a cache line of its own.
    /// Treiber stack of fibers that others have made runnable (last in first out, reversed when drained).
    let inbox = Atomic<UInt>(0)
    /// tag:32 | slot + 1:32. The tag counts changes, so a stale head never matches.
    let freeSlots = Atomic<UInt64>(0)
    private let padding = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))

    // The worker's own.
    /// Unmanaged: a reference count that all cores share must not be touched at every wake.
    let scheduler: Unmanaged<Scheduler>
    /// Every worker's state, `stride` apart.
    let workers: UnsafeMutableRawPointer
    let core: Int
    let fibers: UnsafeMutablePointer<FiberControl>
    let events: UnsafeMutableBufferPointer<CompletionEvent>
    /// One first-in first-out list of runnable fibers per class.
    let queues: UnsafeMutablePointer<RunList>
    var runnableCount = 0
    var timers: TimerHeap
    var current: FiberPointer?
    /// The loop's stack pointer while a fiber runs.
    var loopStackPointer: UnsafeMutableRawPointer?
    /// TSC at which the running fiber's slice ends, and the slice in TSC ticks (0: every call to yieldIfDue counts).
    var sliceEnd: UInt64 = 0
    var sliceTicks: UInt64 = 0
    var sliceCalls = 0
    var switchCount: UInt64 = 0

    init(
        scheduler: Scheduler, workers: UnsafeMutableRawPointer, core: Int, fibers: UnsafeMutablePointer<FiberControl>,
        capacity: Int
    ) {
        self.scheduler = Unmanaged.passUnretained(scheduler)
        self.workers = workers
        self.core = core
        self.fibers = fibers
        events = .allocate(capacity: 256)
        queues = .allocate(capacity: FiberClass.count)
        queues.initialize(repeating: RunList(), count: FiberClass.count)
        timers = TimerHeap(capacity: capacity)
    }

    deinit {
        events.deallocate()
        queues.deallocate()
        timers.deallocate()
    }
}

/// Runnable fibers, linked through their control blocks.
struct RunList {
    var head: FiberPointer?
    var tail: FiberPointer?
    /// Rounds in which higher classes went first though this one had work.
    var skippedRounds = 0
}

/// A worker, by the address of its state.
struct Worker {
    let state: UnsafeMutablePointer<WorkerState>

    @inline(__always) init(_ state: UnsafeMutablePointer<WorkerState>) { self.state = state }

    /// The worker that the calling thread runs.
    @inline(__always) static var current: Worker {
        guard let word = dbk_core_word_get() else { preconditionFailure("not on a worker") }
        return Worker(word.assumingMemoryBound(to: WorkerState.self))
    }

    @inline(__always) static func isCurrent(_ state: UnsafeMutablePointer<WorkerState>) -> Bool {
        dbk_core_word_get() == UnsafeMutableRawPointer(state)
    }

    /// Distance between workers' states: no two share a cache line.
    static let stride = 512

    /// The fiber that runs on this worker.
    @inline(__always) var fiber: FiberPointer {
        guard let fiber = state.pointee.current else { preconditionFailure("not in a fiber") }
        return fiber
    }

    // MARK: Becoming runnable

    /// Appends to the worker's own run queue. Only on the worker's thread.
    func makeRunnable(_ fiber: FiberPointer) {
        let list = state.pointee.queues + Int(fiber.pointee.fiberClass.rawValue)
        fiber.pointee.next = nil
        if let tail = list.pointee.tail { tail.pointee.next = fiber } else { list.pointee.head = fiber }
        list.pointee.tail = fiber
        state.pointee.runnableCount += 1
    }

    /// Hands a fiber to its worker from another thread, and ends the worker's sleep if it may be asleep.
    func post(_ fiber: FiberPointer) {
        let bits = UInt(bitPattern: fiber)
        var head = state.pointee.inbox.load(ordering: .relaxed)
        while true {
            fiber.pointee.next = FiberPointer(bitPattern: head)
            let (done, now) = state.pointee.inbox.weakCompareExchange(
                expected: head, desired: bits, successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed)
            if done { break }
            head = now
        }
        // Whoever found the inbox empty wakes the worker; the others' fibers ride along, since the worker drains the
        // inbox after every park.
        if head == 0 {
            state.pointee.scheduler._withUnsafeGuaranteedRef { $0.platform.wake(state.pointee.core) }
        }
    }

    /// Leaves a permit for a fiber of any worker, or makes it runnable if it is parked; sets `extra` in its state.
    func notify(_ ref: FiberRef, extra: UInt64) {
        Self.notify(ref, extra: extra, in: state.pointee.workers, from: state)
    }

    /// The same from a thread that may be no worker; `own` is its worker if it is one.
    static func notify(
        _ ref: FiberRef, extra: UInt64, in workers: UnsafeMutableRawPointer,
        from own: UnsafeMutablePointer<WorkerState>?
    ) {
        if ref.isNone { return }
        let target = (workers + ref.core * stride).assumingMemoryBound(to: WorkerState.self)
        let fiber = target.pointee.fibers + ref.slot
        guard fiber.notify(generation: ref.generation, extra: extra) else { return }
        if own == target { Worker(target).makeRunnable(fiber) } else { Worker(target).post(fiber) }
    }

    private func drainInbox() {
        if state.pointee.inbox.load(ordering: .relaxed) == 0 { return }
        var next = FiberPointer(bitPattern: state.pointee.inbox.exchange(0, ordering: .acquiring))
        var reversed: FiberPointer?
        while let fiber = next {
            next = fiber.pointee.next
            fiber.pointee.next = reversed
            reversed = fiber
        }
        while let fiber = reversed {
            reversed = fiber.pointee.next
            makeRunnable(fiber)
        }
    }

    // MARK: Free slots

    func pushFree(_ fiber: FiberPointer) {
        var head = state.pointee.freeSlots.load(ordering: .relaxed)
        while true {
            fiber.pointee.nextFree.store(UInt32(truncatingIfNeeded: head), ordering: .relaxed)
            let new = (head >> 32 &+ 1) << 32 | UInt64(fiber.pointee.slot + 1)
            let (done, now) = state.pointee.freeSlots.weakCompareExchange(
                expected: head, desired: new, successOrdering: .releasing, failureOrdering: .relaxed)
            if done { return }
            head = now
        }
    }

    func popFree() -> FiberPointer? {
        var head = state.pointee.freeSlots.load(ordering: .acquiring)
        while true {
            let slot = UInt32(truncatingIfNeeded: head)
            if slot == 0 { return nil }
            let fiber = state.pointee.fibers + Int(slot - 1)
            let next = fiber.pointee.nextFree.load(ordering: .relaxed)
            let (done, now) = state.pointee.freeSlots.weakCompareExchange(
                expected: head, desired: (head >> 32 &+ 1) << 32 | UInt64(next), successOrdering: .acquiring,
                failureOrdering: .acquiring)
            if done { return fiber }
            head = now
        }
    }

    // MARK: Leaving the CPU

    /// Switches from the running fiber to the loop. The caller has arranged for the fiber to come back, or ended it.
    @inline(__always) func leave(_ fiber: FiberPointer) {
        dbk_switch(&fiber.pointee.stackPointer, state.pointee.loopStackPointer)
    }

    /// Runs `fiber` until it leaves; `now` is the TSC.
    private func run(_ fiber: FiberPointer, now: UInt64) {
        state.pointee.current = fiber
        state.pointee.switchCount &+= 1
        state.pointee.sliceEnd = now &+ state.pointee.sliceTicks
        state.pointee.sliceCalls = 0
        dbk_switch(&state.pointee.loopStackPointer, fiber.pointee.stackPointer)
        state.pointee.current = nil
        if fiber.pointee.hasEnded { pushFree(fiber) }
    }

    // MARK: The loop

    func loop(_ platform: any Platform, _ scheduler: Scheduler) {
        while !scheduler.isStopping {
            pollPlatform(platform)
            drainInbox()
            expireTimers(platform)
            runRound(platform)
            scheduler.counters.add(state.pointee.core, .fiberSwitches, state.pointee.switchCount)
            state.pointee.switchCount = 0
            if state.pointee.runnableCount > 0 {
                platform.submit(state.pointee.core)
            } else {
                scheduler.counters.add(state.pointee.core, .parks)
                platform.park(state.pointee.core, until: state.pointee.timers.nearest)
            }
        }
    }

    private func pollPlatform(_ platform: any Platform) {
        let events = state.pointee.events
        var count = events.count
        while count == events.count {
            count = platform.poll(state.pointee.core, into: events)
            for index in 0..<count {
                guard let completion = UnsafeMutablePointer<Completion>(bitPattern: events[index].tag) else {
                    preconditionFailure("completion without a tag")
                }
                completion.finish(events[index].result)
            }
        }
    }

    private func expireTimers(_ platform: any Platform) {
        if state.pointee.timers.count == 0 { return }
        let now = platform.now()
        while !(now < state.pointee.timers.nearest) {
            let fiber = state.pointee.timers.first
            state.pointee.timers.remove(fiber)
            if fiber.unpark() {
                fiber.pointee.timedOut = true
                makeRunnable(fiber)
            }
            if state.pointee.timers.count == 0 { break }
        }
    }

    /// Runs each class's burst once, highest first, and hands over what each burst has queued before the next begins: the
    /// log's write does not wait for sessions, nor their reads for analytics. Ends when a slice's time is used up, so that
    /// completions are seen every slice or two.
    private func runRound(_ platform: any Platform) {
        var now = dbk_tsc()
        let roundEnd = now &+ state.pointee.sliceTicks
        for index in 0..<FiberClass.count {
            let list = state.pointee.queues + index
            if list.pointee.head == nil || mustWait(index) { continue }
            list.pointee.skippedRounds = 0
            var budget = FiberClass(rawValue: UInt8(index)).unsafelyUnwrapped.burst
            while budget > 0, let fiber = list.pointee.head {
                list.pointee.head = fiber.pointee.next
                if fiber.pointee.next == nil { list.pointee.tail = nil }
                state.pointee.runnableCount -= 1
                run(fiber, now: now)
                budget -= 1
                now = dbk_tsc()
                if state.pointee.sliceTicks > 0 && now > roundEnd { break }
            }
            if state.pointee.runnableCount > 0 { platform.submit(state.pointee.core) }
        }
    }

    /// True if a higher class has work and this one has not been passed over too often already.
    private func mustWait(_ index: Int) -> Bool {
        for higher in 0..<index where state.pointee.queues[higher].head != nil {
            state.pointee.queues[index].skippedRounds += 1
            return state.pointee.queues[index].skippedRounds <= 8
        }
        return false
    }
}

extension FiberPointer {
    /// Clears `parked`; true if this caller did it and so must make the fiber runnable.
    func unpark() -> Bool {
        var old = pointee.state.load(ordering: .relaxed)
        while old & FiberState.parked != 0 {
            let (done, now) = pointee.state.weakCompareExchange(
                expected: old, desired: old & ~FiberState.parked, successOrdering: .acquiringAndReleasing,
                failureOrdering: .relaxed)
            if done { return true }
            old = now
        }
        return false
    }

    /// Leaves a permit or clears `parked`, setting `extra` bits, unless the slot has another generation by now. True if
    /// the caller must make the fiber runnable. Always a read-modify-write, so that what the caller wrote before is
    /// visible to the fiber even when another permit was there already.
    func notify(generation: UInt32, extra: UInt64) -> Bool {
        var old = pointee.state.load(ordering: .relaxed)
        while UInt32(truncatingIfNeeded: old >> 32) == generation {
            let isParked = old & FiberState.parked != 0
            let new = (isParked ? old & ~FiberState.parked : old | FiberState.permit) | extra
            let (done, now) = pointee.state.weakCompareExchange(
                expected: old, desired: new, successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed)
            if done { return isParked }
            old = now
        }
        return false
    }

    /// Takes a permit or sets `parked`. True if parked: the caller must leave the CPU now.
    @inline(__always) func consumePermitOrPark() -> Bool {
        var old = pointee.state.load(ordering: .relaxed)
        while true {
            let hasPermit = old & FiberState.permit != 0
            let new = hasPermit ? old & ~FiberState.permit : old | FiberState.parked
            let (done, now) = pointee.state.weakCompareExchange(
                expected: old, desired: new, successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed)
            if done { return !hasPermit }
            old = now
        }
    }
}
