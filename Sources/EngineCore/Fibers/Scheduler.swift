// Stackful fibers on workers, one per core. A fiber never leaves its worker, so state per worker needs no
// lock between its fibers; a switch happens only in a call that says it blocks.

import CPrimitives
import Platform
import Synchronization
import Telemetry

package final class Scheduler: @unchecked Sendable {
    package let platform: any Platform
    package let workerCount: Int
    /// What the engine counts, per core.
    package let counters: Counters
    /// Usable bytes of each fiber's stack.
    package let stackByteCount: Int
    private let capacity: Int
    /// The workers' states, `Worker.stride` apart.
    private let workers: UnsafeMutableRawPointer
    private let stopping = Atomic<Bool>(false)

    /// Reserves address space for `maxFibersPerWorker` stacks per core; memory is taken as stacks are touched and kept for
    /// reuse. `sliceMicroseconds` 0 makes `Fiber.yieldIfDue` count calls instead of reading the clock, for a world whose
    /// time is not the processor's.
    package init(
        platform: any Platform, stackByteCount: Int = 128 << 10, maxFibersPerWorker: Int = 4096,
        sliceMicroseconds: UInt64 = 100
    ) {
        precondition(maxFibersPerWorker > 0 && maxFibersPerWorker < FiberRef.maxSlots)
        self.platform = platform
        self.stackByteCount = roundUp(stackByteCount, pageSize)
        workerCount = platform.topology.coreCount
        counters = Counters(coreCount: workerCount)
        precondition(workerCount > 0 && workerCount < FiberRef.maxCores)
        capacity = maxFibersPerWorker
        precondition(MemoryLayout<WorkerState>.size <= Worker.stride)
        workers = .allocate(byteCount: workerCount * Worker.stride, alignment: 128)
        let ticks = sliceMicroseconds == 0 ? 0 : Self.ticks(microseconds: sliceMicroseconds, platform)
        for core in 0..<workerCount {
            let fibers = UnsafeMutablePointer<FiberControl>.allocate(capacity: capacity)
            let state = statePointer(core)
            state.initialize(
                to: WorkerState(scheduler: self, workers: workers, core: core, fibers: fibers, capacity: capacity))
            state.pointee.sliceTicks = ticks
            for slot in (0..<capacity).reversed() {
                (fibers + slot).initialize(to: FiberControl(slot: UInt32(slot)))
                Worker(state).pushFree(fibers + slot)
            }
        }
    }

    deinit {
        for core in 0..<workerCount {
            let state = statePointer(core)
            let fibers = state.pointee.fibers
            for slot in 0..<capacity {
                if let base = fibers[slot].stackBase { platform.deallocate(base, byteCount: stackByteCount + pageSize) }
            }
            fibers.deinitialize(count: capacity)
            fibers.deallocate()
            state.deinitialize(count: 1)
        }
        workers.deallocate()
    }

    @inline(__always) private func statePointer(_ core: Int) -> UnsafeMutablePointer<WorkerState> {
        (workers + core * Worker.stride).assumingMemoryBound(to: WorkerState.self)
    }

    // MARK: Running

    /// Runs `main` as a fiber on worker 0, and every worker's loop; returns when `stop` was called. Fibers that have not
    /// ended by then never run again.
    package func run(_ main: @escaping () -> Void) throws(EngineError) {
        stopping.store(false, ordering: .relaxed)
        _ = try spawn(on: 0, .interactive, "main", main)
        platform.runWorkers { core in
            let state = self.statePointer(core)
            dbk_core_word_set(UnsafeMutableRawPointer(state))
            Worker(state).loop(self.platform, self)
            dbk_core_word_set(nil)
        }
    }

    /// Makes `run` return once every worker has left the fiber it is running. From any thread.
    package func stop() {
        stopping.store(true, ordering: .releasing)
        for core in 0..<workerCount { platform.wake(core) }
    }

    @inline(__always) var isStopping: Bool { stopping.load(ordering: .acquiring) }

    // MARK: Fibers

    /// Starts a fiber on `core`; from any thread. 53200 if every slot is taken or there is no memory for a stack.
    @discardableResult
    package func spawn(
        on core: CoreIndex, _ fiberClass: FiberClass, _ name: StaticString, _ body: @escaping () -> Void
    ) throws(EngineError) -> FiberRef {
        precondition(core >= 0 && core < workerCount, "no such core")
        let worker = Worker(statePointer(core))
        guard let fiber = worker.popFree() else {
            throw EngineError(
                .outOfMemory, "out of fibers", detail: "All \(capacity) fibers of core \(core) are in use.")
        }
        if fiber.pointee.stackBase == nil {
            // Memory is taken page by page as the stack grows, the lowest page never.
            guard let base = platform.reserve(byteCount: stackByteCount + pageSize) else {
                worker.pushFree(fiber)
                throw EngineError(.outOfMemory, "out of memory", detail: "There is no memory for a fiber's stack.")
            }
            platform.protect(base, pageCount: 1)
            fiber.pointee.stackBase = base
        }
        fiber.pointee.fiberClass = fiberClass
        fiber.pointee.name = name
        fiber.pointee.body = body
        fiber.pointee.hasEnded = false
        fiber.pointee.local = nil
        fiber.pointee.stackPointer = dbk_stack_prepare(
            fiber.pointee.stackBase! + pageSize + stackByteCount, { fiberMain($0) }, UnsafeMutableRawPointer(fiber))
        let generation = UInt32(truncatingIfNeeded: fiber.pointee.state.load(ordering: .relaxed) >> 32)
        let ref = FiberRef(generation: generation, core: UInt32(core), slot: fiber.pointee.slot)
        if Worker.isCurrent(worker.state) { worker.makeRunnable(fiber) } else { worker.post(fiber) }
        return ref
    }

    /// Names of the fibers that have not ended. For diagnosis, while none is started or ends.
    package func livingFibers() -> [StaticString] {
        var names: [StaticString] = []
        for core in 0..<workerCount {
            let fibers = statePointer(core).pointee.fibers
            for slot in 0..<capacity where fibers[slot].stackBase != nil && !fibers[slot].hasEnded {
                names.append(fibers[slot].name)
            }
        }
        return names
    }

    /// Ends that fiber's park, or its next one: a permit. From any thread; nothing happens if the fiber has ended.
    package func wake(_ fiber: FiberRef) { notify(fiber, extra: 0) }

    func interrupt(_ fiber: FiberRef) { notify(fiber, extra: FiberState.interrupted) }

    private func notify(_ fiber: FiberRef, extra: UInt64) {
        let own = dbk_core_word_get()?.assumingMemoryBound(to: WorkerState.self)
        Worker.notify(fiber, extra: extra, in: workers, from: own)
    }

    /// TSC ticks in `microseconds`, measured against the platform's clock over a fifth of a millisecond.
    private static func ticks(microseconds: UInt64, _ platform: any Platform) -> UInt64 {
        let start = platform.now()
        let startTicks = dbk_tsc()
        var elapsed = UInt64(0)
        while elapsed < 200_000 { elapsed = (platform.now() - start).rawValue }
        return (dbk_tsc() &- startTicks) &* microseconds &* 1000 / elapsed
    }
}

/// First frame of every fiber.
private func fiberMain(_ argument: UnsafeMutableRawPointer?) {
    let fiber = argument.unsafelyUnwrapped.assumingMemoryBound(to: FiberControl.self)
    runBody(fiber)
    endFiber(fiber)
}

/// A function of its own, so that what the body captured is released when it returns: `endFiber` never does.
@inline(never) private func runBody(_ fiber: FiberPointer) {
    let body = fiber.pointee.body.take()
    body?()
}

private func endFiber(_ fiber: FiberPointer) {
    // A new generation: from here on no reference to this fiber matches. Permits and interrupts are dropped with it.
    let old = fiber.pointee.state.load(ordering: .relaxed)
    let generation = UInt32(truncatingIfNeeded: old >> 32)
    fiber.pointee.state.store(UInt64(generation == .max ? 1 : generation + 1) << 32, ordering: .releasing)
    fiber.pointee.hasEnded = true
    Worker.current.leave(fiber)
}
