// The calling fiber. Everything here must run on a worker, in a fiber.

import CPrimitives
import Platform
import Synchronization

package enum Fiber {
    /// Who others wake.
    package static var current: FiberRef {
        let worker = Worker.current
        let fiber = worker.fiber
        return FiberRef(
            generation: UInt32(truncatingIfNeeded: fiber.pointee.state.load(ordering: .relaxed) >> 32),
            core: UInt32(worker.state.pointee.core), slot: fiber.pointee.slot)
    }

    package static var core: CoreIndex { Worker.current.state.pointee.core }
    /// The scheduler of the calling worker. Keep it rather than asking in a loop: it is reference counted.
    package static var scheduler: Scheduler { Worker.current.state.pointee.scheduler.takeUnretainedValue() }
    package static func now() -> Nanoseconds {
        Worker.current.state.pointee.scheduler._withUnsafeGuaranteedRef { $0.platform.now() }
    }
    /// `Scheduler.wake` by a worker, from a fiber or a completion's handler.
    package static func wake(_ fiber: FiberRef) { Worker.current.notify(fiber, extra: 0) }

    /// True on a worker's thread while a fiber runs there: where the calls that block are allowed.
    package static var isRunning: Bool {
        guard let word = dbk_core_word_get() else { return false }
        return word.assumingMemoryBound(to: WorkerState.self).pointee.current != nil
    }

    /// One word that belongs to the fiber, nil at its start.
    package static var local: UnsafeMutableRawPointer? {
        get { Worker.current.fiber.pointee.local }
        set { Worker.current.fiber.pointee.local = newValue }
    }

    // MARK: Blocking

    /// Leaves the CPU until `Scheduler.wake`; at once if a wake came since the last park. May return for no reason:
    /// callers loop over what they wait for.
    package static func park() {
        let worker = Worker.current
        let fiber = worker.fiber
        if fiber.consumePermitOrPark() { worker.leave(fiber) }
    }

    /// `park` with a deadline. False if the deadline has passed without a wake.
    package static func park(until deadline: Nanoseconds) -> Bool {
        if deadline == .never {
            park()
            return true
        }
        let worker = Worker.current
        let fiber = worker.fiber
        fiber.pointee.timedOut = false
        // The timer first: once parked is set, a remote wake may take the fiber any moment, but it only runs again after
        // this thread has left it.
        worker.state.pointee.timers.insert(fiber, deadline)
        if fiber.consumePermitOrPark() { worker.leave(fiber) }
        if fiber.pointee.timerIndex >= 0 { worker.state.pointee.timers.remove(fiber) }
        return !fiber.pointee.timedOut
    }

    package static func sleep(_ duration: Nanoseconds) {
        let deadline = now() + duration
        while park(until: deadline) {}
    }

    /// Lets every other runnable fiber of the class go first.
    package static func yield() {
        let worker = Worker.current
        let fiber = worker.fiber
        worker.makeRunnable(fiber)
        worker.leave(fiber)
    }

    /// Yields if the fiber has had the CPU for a slice (100 µs). A TSC read otherwise: call it at vector boundaries.
    @inline(__always) package static func yieldIfDue() {
        let worker = Worker.current
        if worker.state.pointee.sliceTicks == 0 {
            worker.state.pointee.sliceCalls += 1
            if worker.state.pointee.sliceCalls >= 16 { yield() }
        } else if dbk_tsc() > worker.state.pointee.sliceEnd {
            yield()
        }
    }

    // MARK: Interruption

    /// Asks a fiber to give up what it is doing (query cancel, shutdown) and wakes it. From any thread.
    package static func interrupt(_ fiber: FiberRef, in scheduler: Scheduler) { scheduler.interrupt(fiber) }
    /// The same from a fiber.
    package static func interrupt(_ fiber: FiberRef) { Worker.current.notify(fiber, extra: FiberState.interrupted) }

    /// True from `interrupt` until `clearInterrupt`. Waits that can be given up check it after every park.
    package static var isInterrupted: Bool {
        Worker.current.fiber.pointee.state.load(ordering: .relaxed) & FiberState.interrupted != 0
    }

    package static func clearInterrupt() {
        Worker.current.fiber.pointee.state.bitwiseAnd(~FiberState.interrupted, ordering: .acquiringAndReleasing)
    }
}
