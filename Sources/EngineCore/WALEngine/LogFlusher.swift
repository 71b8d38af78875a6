// Sealing blocks and writing them: greedy group commit without a knob. As soon as the device can take a flush, one
// starts with everything that has queued (arXiv 2606.18187); whoever commits meanwhile is in the next.
//
// Every worker has flusher fibers, so a commit is flushed by its own worker and no other need wake up. Sealing – choosing
// the blocks, chaining their checksums – is done by one at a time, writing by several: up to `maxFlights` flights. `durable` follows flights in order, so a flight that lands early waits for the ones before it.
//
// No flush is forgotten: whatever makes one possible is followed by an attempt. A request is raised before the requester
// looks whether a flush can start; sealing ends, and a flight lands, before that fiber looks for more. All of these are
// sequentially consistent, so of two that happen at once the later one sees the other.
//
// A write error ends the log (Log.fail). It is never retried: after a failed flush nothing is known about what the device
// holds.

import AsyncIO
import CPrimitives
import Fibers
import IOScheduler
import Platform
import Synchronization

/// One write on its way: blocks from the previous flight's end to `end`.
struct LogFlight: ~Copyable {
    /// LSN of a block boundary.
    var end: UInt64 = 0
    /// About how many fibers waited for it when it was sealed.
    var waiterCount = 0
    let isDone = Atomic<Bool>(false)
}

/// What a flusher has to write.
struct SealedRun {
    var flight: UInt64
    var firstNumber: UInt64
    var blockCount: Int
}

/// Counts since the log was opened; written by sealers, read by anyone.
package final class LogStatistics: Sendable {
    package let flushCount = Atomic<UInt64>(0)
    /// Of these, started while another was in the air.
    package let overlapCount = Atomic<UInt64>(0)
    package let blockCount = Atomic<UInt64>(0)
    /// Payload bytes left empty because a partly filled block was sealed.
    package let paddingByteCount = Atomic<UInt64>(0)
    /// Appends that found the ring full.
    package let stallCount = Atomic<UInt64>(0)
}

extension Log {
    /// Flushers of one worker, so that a worker alone can use all flights.
    static let flushersPerWorker = maxFlights
    /// Flights in the air at once. Measured on a virtual disk of 8 k durable writes/s at depth one: a second flight takes
    /// two committers from 4.7 k to 13.5 k commits/s and the median of 32 from 261 to 227 µs; further ones make flushes
    /// smaller, and a flush costs 40 µs of CPU however long it is. For the same reason the second waits until it is
    /// worth its cost: see `isOverlapWorthwhile`.
    static let maxFlights = 2
    /// The share of those who may commit soon that a second flight must serve.
    static let overlapShare = 4

    // MARK: Opening and closing

    /// Starts the log behind `tail`. `epoch` is the boot count, durably larger than at any earlier opening;
    /// `oldestNeeded` what the superblock says. On a worker. XX001 if the log is of a later boot.
    package func open(at tail: LogTail, epoch: UInt32, oldestNeeded: LSN) throws(EngineError) {
        precondition(state.load(ordering: .relaxed) == LogState.closed.rawValue, "the log is open already")
        if tail.epoch >= epoch {
            throw EngineError(
                .dataCorrupted, "the log was written by boot \(tail.epoch), but the superblock has counted \(epoch)",
                severity: .panic, detail: "The superblock is older than the log.")
        }
        let start = LogBlock.firstLSN(tail.nextNumber).rawValue
        previousChecksum = tail.checksum
        self.epoch = epoch
        positions.pointee.insert.store(start, ordering: .relaxed)
        positions.pointee.sealedEnd.store(start, ordering: .relaxed)
        positions.pointee.requested.store(start, ordering: .relaxed)
        positions.pointee.oldestNeeded.store(0, ordering: .relaxed)
        positions.pointee.durable.store(start, ordering: .sequentiallyConsistent)
        oldestNeededLSN = oldestNeeded
        state.store(LogState.open.rawValue, ordering: .sequentiallyConsistent)
        for core in 0..<scheduler.workerCount {
            worker(core).pointee.waker = try scheduler.spawn(on: core, .commit, "log waker") { self.wakerLoop() }
            for _ in 0..<Self.flushersPerWorker {
                try scheduler.spawn(on: core, .interactive, "log flusher") { self.flusherLoop() }
            }
        }
    }

    /// Makes everything appended durable and ends the log's fibers. Nobody may append any more.
    package func close() throws(EngineError) {
        var failure: EngineError?
        do throws(EngineError) { try waitDurable(insertLSN) } catch { failure = error }
        _ = state.compareExchange(
            expected: LogState.open.rawValue, desired: LogState.closing.rawValue, ordering: .sequentiallyConsistent)
        for core in 0..<scheduler.workerCount {
            let worker = worker(core)
            scheduler.wake(worker.pointee.waker)
        }
        if let failure { throw failure }
    }

    private var isOpen: Bool { state.load(ordering: .sequentiallyConsistent) == LogState.open.rawValue }

    // MARK: Waiting

    /// Parks until everything before `lsn` is durable. Throws the log's failure, then and ever after.
    @inline(__always)
    package func waitDurable(_ lsn: LSN) throws(EngineError) {
        if positions.pointee.durable.load(ordering: .acquiring) >= lsn.rawValue { return }
        wait(until: lsn.rawValue)
        if positions.pointee.durable.load(ordering: .acquiring) < lsn.rawValue {
            throw currentFailure
                ?? EngineError(.adminShutdown, "the log was closed while a transaction waited for it", severity: .fatal)
        }
    }

    /// Asks for everything before `lsn` to become durable soon. Does not park.
    package func requestFlush(to lsn: LSN) {
        if positions.pointee.durable.load(ordering: .acquiring) >= lsn.rawValue { return }
        request(lsn.rawValue)
    }

    private func request(_ lsn: UInt64) {
        assert(lsn <= positions.pointee.insert.load(ordering: .relaxed), "nobody can wait for what is not appended")
        if positions.pointee.requested.load(ordering: .sequentiallyConsistent) < lsn {
            positions.pointee.requested.max(lsn, ordering: .sequentiallyConsistent)
        }
        startFlusher()
    }

    /// Parks until the log is durable up to `lsn` or has stopped.
    ///
    /// The waiter publishes `firstWaiting` and then looks at `durable`; who completes a flight changes `durable` and then
    /// looks at `firstWaiting`: sequentially consistent, so one of them sees the other.
    @inline(never) func wait(until lsn: UInt64) {
        let worker = self.worker(Fiber.core)
        var waiter = LogWaiter(lsn: lsn, fiber: Fiber.current)
        withUnsafeMutablePointer(to: &waiter) { node in
            worker.pointee.waiters.insert(node)
            worker.pointee.count(worker.pointee.waitingCount, 1)
            worker.pointee.publishWaiting()
            request(lsn)
            while positions.pointee.durable.load(ordering: .sequentiallyConsistent) < lsn, isOpen { Fiber.park() }
            if node.pointee.isQueued {
                worker.pointee.waiters.remove(node)
                worker.pointee.publishWaiting()
            }
            worker.pointee.count(worker.pointee.waitingCount, -1)
        }
    }

    /// Wakes the fibers of this worker whose LSN is durable; all of them once the log has stopped.
    private func wakeWaiters() {
        let worker = self.worker(Fiber.core)
        let durable = isOpen ? positions.pointee.durable.load(ordering: .sequentiallyConsistent) : .max
        if worker.pointee.waiters.lowest > durable { return }
        while let node = worker.pointee.waiters.first, node.pointee.lsn <= durable {
            worker.pointee.waiters.remove(node)
            scheduler.wake(node.pointee.fiber)
        }
        worker.pointee.publishWaiting()
    }

    private func wakerLoop() {
        while isOpen {
            wakeWaiters()
            Fiber.park()
        }
        wakeWaiters()
        let worker = self.worker(Fiber.core)
        while worker.pointee.idleFlusherCount > 0 { wakeIdleFlusher(worker) }
    }

    /// After a flight: this worker's waiters at once, one wake for each other worker that has any.
    private func wakeAfterFlight() {
        wakeWaiters()
        if Mutation.isActive(.logWakeupLost) { return }
        let here = Fiber.core
        let durable = positions.pointee.durable.load(ordering: .sequentiallyConsistent)
        for core in 0..<scheduler.workerCount where core != here {
            if worker(core).pointee.firstWaiting.load(ordering: .sequentiallyConsistent) <= durable {
                scheduler.wake(worker(core).pointee.waker)
            }
        }
        if durable >= growthMark.load(ordering: .relaxed) { wakeGrowthFiber() }
    }

    // MARK: Flushing

    /// True if a flush could start now. A hint: sealing decides.
    private var canStart: Bool {
        let sealed = positions.pointee.sealedEnd.load(ordering: .sequentiallyConsistent)
        let isWanted =
            positions.pointee.requested.load(ordering: .sequentiallyConsistent) > sealed
            || positions.pointee.insert.load(ordering: .relaxed) &- sealed >= streamByteCount
        if !isWanted || positions.pointee.isSealing.load(ordering: .sequentiallyConsistent) { return false }
        return hasFreeFlight
    }

    /// True if nothing is in the air, or another flight may join what is. False is safe at any time but when nothing is in
    /// the air: a fiber that has landed a flight looks again.
    var hasFreeFlight: Bool {
        switch flightsInFlight {
        case 0: true
        case ..<UInt64(Self.maxFlights): isOverlapWorthwhile
        default: false
        }
    }

    /// True if a flight that starts now, beside one in the air, would serve at least one in `overlapShare` of the
    /// transactions that have written and not ended: with few, nobody waits for somebody else's flush; with many, who
    /// waits for the landing shares a flush with more of the others. PostgreSQL's commit_siblings is a cousin.
    private var isOverlapWorthwhile: Bool {
        let unsealed =
            positions.pointee.insert.load(ordering: .relaxed)
            &- positions.pointee.sealedEnd.load(ordering: .relaxed)
        if unsealed >= streamByteCount { return true }
        var writers = 0
        for core in 0..<scheduler.workerCount { writers += worker(core).pointee.writerCount.load(ordering: .relaxed) }
        return groundedCount * Self.overlapShare >= writers
    }

    /// About how many fibers wait for what is not yet in the air.
    var groundedCount: Int {
        var waiting = -positions.pointee.flyingCount.load(ordering: .relaxed)
        for core in 0..<scheduler.workerCount { waiting += worker(core).pointee.waitingCount.load(ordering: .relaxed) }
        return max(waiting, 0)
    }

    /// A transaction of this worker has written for the first time, and will wait for the log if it commits.
    @inline(__always) package func writerBegan() {
        let worker = self.worker(Fiber.core)
        worker.pointee.count(worker.pointee.writerCount, 1)
    }
    /// It has ended, on the same worker.
    @inline(__always) package func writerEnded() {
        let worker = self.worker(Fiber.core)
        worker.pointee.count(worker.pointee.writerCount, -1)
    }

    var flightsInFlight: UInt64 {
        positions.pointee.flightTail.load(ordering: .sequentiallyConsistent)
            &- positions.pointee.flightHead.load(ordering: .sequentiallyConsistent)
    }

    /// Sets an idle flusher of this worker going, if there is something to flush. If all are busy they will look
    /// themselves when their flights have landed.
    func startFlusher() {
        let worker = self.worker(Fiber.core)
        if worker.pointee.idleFlusherCount > 0 && canStart { wakeIdleFlusher(worker) }
    }

    private func wakeIdleFlusher(_ worker: UnsafeMutablePointer<LogWorker>) {
        worker.pointee.idleFlusherCount -= 1
        scheduler.wake(worker.pointee.idleFlushers[worker.pointee.idleFlusherCount])
    }

    private func flusherLoop() {
        let worker = self.worker(Fiber.core)
        while isOpen {
            if canStart, let run = seal() {
                startFlusher()
                do throws(EngineError) {
                    try write(run)
                } catch {
                    fail(error)
                    break
                }
                land(run.flight)
                wakeAfterFlight()
                continue
            }
            // Idle first, then a last look: whoever makes a flush possible after it finds this fiber idle.
            let me = Fiber.current
            worker.pointee.idleFlushers[worker.pointee.idleFlusherCount] = me
            worker.pointee.idleFlusherCount += 1
            if canStart {
                // Another worker holds up the first record; or it was sealing and is done.
                worker.pointee.idleFlusherCount -= 1
                Fiber.yield()
                continue
            }
            while isIdle(me, worker) { Fiber.park() }
        }
    }

    private func isIdle(_ fiber: FiberRef, _ worker: UnsafeMutablePointer<LogWorker>) -> Bool {
        for index in 0..<worker.pointee.idleFlusherCount where worker.pointee.idleFlushers[index] == fiber {
            return true
        }
        return false
    }

    private func write(_ run: SealedRun) throws(EngineError) {
        try io.write(
            from: ringBlock(run.firstNumber), offset: zone.byteOffset(run.firstNumber),
            byteCount: run.blockCount * LogBlock.byteCount, class: .log,
            durable: !Mutation.isActive(.logWrittenWithoutFlush))
    }

    /// The flight's blocks are durable. Moves `durable` over every flight that has landed and has none before it in the
    /// air. Several workers may do this at once: each step is taken by whoever moves `flightHead` over that flight, and
    /// `durable` only grows.
    private func land(_ flight: UInt64) {
        flightSlot(flight).pointee.isDone.store(true, ordering: .sequentiallyConsistent)
        while true {
            let head = positions.pointee.flightHead.load(ordering: .sequentiallyConsistent)
            if head == positions.pointee.flightTail.load(ordering: .sequentiallyConsistent) { return }
            let oldest = flightSlot(head)
            let hasLanded = oldest.pointee.isDone.load(ordering: .sequentiallyConsistent)
            if !hasLanded && !Mutation.isActive(.flightsLandInAnyOrder) { return }
            // Read before the exchange, after which the slot may be reused, and meant only if the exchange succeeds: until
            // then it may belong to a later flight.
            let end = oldest.pointee.end
            let waiterCount = oldest.pointee.waiterCount
            let (moved, _) = positions.pointee.flightHead.compareExchange(
                expected: head, desired: head + 1, ordering: .sequentiallyConsistent)
            if moved {
                positions.pointee.durable.max(end, ordering: .sequentiallyConsistent)
                positions.pointee.flyingCount.subtract(waiterCount, ordering: .relaxed)
            }
        }
    }

    @inline(__always) func flightSlot(_ flight: UInt64) -> UnsafeMutablePointer<LogFlight> {
        flights + Int(flight % UInt64(LogBlock.maxFlushesInFlight))
    }
}
