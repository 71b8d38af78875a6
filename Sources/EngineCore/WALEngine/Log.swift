// The write-ahead log: one byte stream, into which every worker copies its records without a lock, and whose blocks go
// from the ring in memory straight to the device.
//
// Positions, each only growing, each at most the next:
//
//      oldestNeeded   recovery would read from here; before it the zone may be overwritten
//      durable        everything before is on stable storage (a block boundary)
//      sealedEnd      blocks before it have been handed to the device (a block boundary)
//      insert         end of the last reservation
//
// **Reservation.** A record's place is taken by one atomic addition to `insert`. Which records are completely copied is
// known without further shared writes, from one word per worker:
//
//      worker:   insertingFrom := lower bound of the place it will get      (release)
//                start := insert.add(length)                                (acquire + release)
//                copy the bytes
//                insertingFrom := .max                                      (release)
//      sealer:   end := insert                                              (acquire)
//                for each worker: end := min(end, insertingFrom)            (acquire)
//
// Every change of `insert` is a read-modify-write, so the value the sealer read belongs to the release sequence of every
// addition that it includes: that worker's first store happened before, and by coherence the sealer reads that store or a
// later one of the same worker. If it reads the lower bound, it stops before the record. If it reads a later value, that
// was stored after the bytes were copied, with release, so the sealer sees the bytes. A bound that is too low only makes
// the sealer stop early.
//
// **A full ring.** An append whose place is not free yet must wait for flushes with its pages latched. It cannot deadlock:
// the flusher touches no page, and of all unfinished records the one that starts first has its place free as soon as
// everything before it is durable, because no record is longer than a quarter of the ring. `ensureRoom` keeps a quarter
// of the ring free so that this is rare.
//
// **A full zone** is different: it is freed by checkpoints, which write pages, which need their latches. So `ensureRoom`
// waits for the zone before anything is latched. User records stop when 7/16 of the zone are in use. What must still be
// written then is bounded. As long as nothing has been moved to the overflow (LogOverflow.swift), the compensation of an
// update is no longer than the update, and all updates that may need one lie in those 7/16; then one commit or abort record
// and one page split per rollback, and what fibers append that had passed `ensureRoom` when the limit was reached. That is
// what the remaining 1/8 is for. With an overflow there is more to compensate than the zone holds, so a rollback waits at
// 7/8 for the next checkpoint, which needs no compensation record to be kept and so can always free the zone up to there:
// the updates in the user's share fit the pages set aside for the overflow, for `userAllowance` is no more than those hold.
// So recovery's undo, checkpoints and whoever holds a latch never wait for the zone.

import AsyncIO
import CPrimitives
import Fibers
import Platform
import Synchronization

/// Positions that several workers write, each on cache lines of its own.
struct LogPositions: ~Copyable {
    let insert = Atomic<UInt64>(0)
    private let padding0: InlineArray<15, UInt64> = .init(repeating: 0)
    let durable = Atomic<UInt64>(0)
    let userLimit = Atomic<UInt64>(0)
    let zoneLimit = Atomic<UInt64>(0)
    let oldestNeeded = Atomic<UInt64>(0)
    let rollbackLimit = Atomic<UInt64>(0)
    let refused = Atomic<UInt64>(0)
    private let padding1: InlineArray<10, UInt64> = .init(repeating: 0)
    let requested = Atomic<UInt64>(0)
    let sealedEnd = Atomic<UInt64>(0)
    /// Flush number of the oldest flight that is not yet part of `durable`; of the next flight.
    let flightHead = Atomic<UInt64>(0)
    let flightTail = Atomic<UInt64>(0)
    /// Waiters whose flights are in the air; a hint.
    let flyingCount = Atomic<Int>(0)
    let isSealing = Atomic<Bool>(false)
}

/// Whom the zone's reserve is for.
package enum LogRoom: Sendable {
    case user
    /// Rollback, between two steps and with nothing latched: may use the reserve, but leaves the last of it to the others.
    case rollback
    /// Commit and abort records, checkpoints, recovery, whoever has latched a page: may use the reserve and never waits for
    /// the zone.
    case system
}

package final class Log: @unchecked Sendable {
    let scheduler: Scheduler
    let io: BlockIO
    package let zone: LogZone
    /// Raw blocks; block `n` is in slot `n & ringMask`.
    let ring: UnsafeMutableRawPointer
    let ringBlockCount: Int
    let ringMask: UInt64
    /// Payload bytes of the ring.
    let ringCapacity: UInt64
    let positions: UnsafeMutablePointer<LogPositions>
    let workers: UnsafeMutableRawPointer
    /// One per worker, for record builders.
    let scratches: UnsafeMutablePointer<LogScratch>
    let flights: UnsafeMutablePointer<LogFlight>
    /// Longest record that ever fits ring and zone.
    package let maxRecordByteCount: Int
    /// Unflushed bytes from which on a flush starts although nobody waits.
    let streamByteCount: UInt64
    let state = Atomic<UInt8>(LogState.closed.rawValue)
    // Written once before `state` becomes failed.
    private(set) var failure: EngineError?
    /// Fibers that wait until a checkpoint frees the zone; the address is that of `positions`.
    private let roomLot = ParkingLot(bucketCount: 1)
    private let roomWaiterCount = Atomic<Int>(0)
    private let refusesRoom = Atomic<Bool>(false)
    private let refusalMutex = FiberMutex()
    private var refusal: EngineError?
    // By the checkpointer, before it moves `oldestNeededLSN`.
    /// Bytes from the oldest needed LSN on that user records may fill, at most `userCapacityByteCount`.
    package var userAllowance: UInt64 = 0
    /// Bytes from there on that rollbacks may fill: the zone, or less if it can be freed while they wait.
    package var rollbackAllowance: UInt64 = 0
    package let statistics = LogStatistics()

    // By whoever seals, under `isSealing`.
    var previousChecksum: UInt32 = 0
    var epoch: UInt32 = 0
    /// Woken when the log has grown past a mark, see `notify(at:)`.
    let growthMark = Atomic<UInt64>(.max)
    let growthFiber = Atomic<UInt64>(0)

    /// A closed log: LSNs found on the device all count as durable, and nothing can be appended until `open`.
    /// `ringByteCount` is rounded down to a power of two. 53200 without memory for the ring.
    package init(
        scheduler: Scheduler, io: BlockIO, zone: LogZone, ringByteCount: Int = 16 << 20
    ) throws(EngineError) {
        self.scheduler = scheduler
        self.io = io
        self.zone = zone
        var blocks = 16
        while blocks * 2 * LogBlock.byteCount <= ringByteCount && UInt64(blocks * 4) <= zone.slotCount { blocks *= 2 }
        ringBlockCount = blocks
        ringMask = UInt64(blocks - 1)
        ringCapacity = UInt64(blocks * LogBlock.payloadByteCount)
        streamByteCount = min(UInt64(blocks / 8 * LogBlock.payloadByteCount), 512 << 10)
        maxRecordByteCount = min(
            LogRecordLayout.maxByteCount, blocks / 4 * LogBlock.payloadByteCount,
            Int(min(zone.slotCount / 16, 1 << 20)) * LogBlock.payloadByteCount)
        guard let ring = scheduler.platform.allocate(byteCount: blocks * LogBlock.byteCount, node: 0, huge: true) else {
            throw EngineError(.outOfMemory, "out of memory", detail: "There is no memory for the log's ring.")
        }
        self.ring = ring
        positions = .allocate(capacity: 1)
        positions.initialize(to: LogPositions())
        precondition(MemoryLayout<LogWorker>.size <= LogWorker.stride)
        workers = .allocate(byteCount: scheduler.workerCount * LogWorker.stride, alignment: 128)
        scratches = .allocate(capacity: scheduler.workerCount)
        for core in 0..<scheduler.workerCount { (scratches + core).initialize(to: LogScratch()) }
        flights = .allocate(capacity: LogBlock.maxFlushesInFlight)
        for index in 0..<LogBlock.maxFlushesInFlight { (flights + index).initialize(to: LogFlight()) }
        for core in 0..<scheduler.workerCount { worker(core).initialize(to: LogWorker()) }
        positions.pointee.durable.store(UInt64.max >> 1, ordering: .relaxed)
        positions.pointee.zoneLimit.store(UInt64.max >> 1, ordering: .relaxed)
        positions.pointee.userLimit.store(UInt64.max >> 1, ordering: .relaxed)
        positions.pointee.rollbackLimit.store(UInt64.max >> 1, ordering: .relaxed)
        userAllowance = userCapacityByteCount
        rollbackAllowance = capacityByteCount
    }

    deinit {
        precondition(state.load(ordering: .relaxed) != LogState.open.rawValue, "an open log is closed first")
        scheduler.platform.deallocate(ring, byteCount: ringBlockCount * LogBlock.byteCount)
        for core in 0..<scheduler.workerCount {
            scratches[core].deallocate()
            worker(core).deinitialize(count: 1)
        }
        scratches.deallocate()
        workers.deallocate()
        flights.deinitialize(count: LogBlock.maxFlushesInFlight)
        flights.deallocate()
        positions.deinitialize(count: 1)
        positions.deallocate()
    }

    @inline(__always) func worker(_ core: CoreIndex) -> UnsafeMutablePointer<LogWorker> {
        (workers + core * LogWorker.stride).assumingMemoryBound(to: LogWorker.self)
    }

    // MARK: Positions

    /// End of the last reservation: LSNs of records appended from now on are at least this.
    @inline(__always) package var insertLSN: LSN { LSN(positions.pointee.insert.load(ordering: .acquiring)) }
    /// Every record that starts before it has been copied into the log.
    package var completeLSN: LSN { LSN(completePrefix(positions.pointee.insert.load(ordering: .acquiring))) }
    /// Everything before it is on stable storage.
    @inline(__always) package var durableLSN: LSN { LSN(positions.pointee.durable.load(ordering: .acquiring)) }
    /// Bytes of the zone that recovery could still need.
    package var usedByteCount: UInt64 {
        insertLSN.rawValue &- positions.pointee.oldestNeeded.load(ordering: .acquiring)
    }
    /// Bytes the zone can hold, and how many of them user records may use.
    package var capacityByteCount: UInt64 { (zone.slotCount - 4) * UInt64(LogBlock.payloadByteCount) }
    package var userCapacityByteCount: UInt64 { capacityByteCount / 16 * 7 }

    /// The oldest LSN that recovery would read. Set by the checkpointer once the superblock that says so is durable; frees
    /// the zone before it and lets those go on who wait for room.
    package var oldestNeededLSN: LSN {
        get { LSN(positions.pointee.oldestNeeded.load(ordering: .acquiring)) }
        set {
            let old = positions.pointee.oldestNeeded.load(ordering: .relaxed)
            precondition(newValue.rawValue >= old, "the log's oldest needed LSN only grows")
            positions.pointee.oldestNeeded.store(newValue.rawValue, ordering: .releasing)
            let slack = Mutation.isActive(.zoneReusedEarly) ? capacityByteCount : 0
            let firstLSN = LogBlock.firstLSN(LogBlock.number(of: newValue)).rawValue + slack
            positions.pointee.zoneLimit.store(firstLSN + capacityByteCount, ordering: .releasing)
            positions.pointee.userLimit.store(firstLSN + userAllowance, ordering: .releasing)
            positions.pointee.rollbackLimit.store(firstLSN + rollbackAllowance, ordering: .releasing)
            wakeRoomWaiters()
        }
    }

    /// Transactions that began before it are not to change anything any more: what they would have to undo lies outside the
    /// zone, and the device has no room for more of it. Zero: none.
    package var refusedLSN: LSN {
        @inline(__always) get { LSN(positions.pointee.refused.load(ordering: .relaxed)) }
        set { positions.pointee.refused.store(newValue.rawValue, ordering: .relaxed) }
    }

    // MARK: Room

    /// Parks until `byteCount` fits both ring and zone. Call before latching anything. 54000 if it can never fit; 53100 if
    /// an open transaction pins the log (see `refusesUserRoom`); the log's failure.
    @inline(__always)
    package func ensureRoom(_ byteCount: Int, for room: LogRoom = .user) throws(EngineError) {
        let end = positions.pointee.insert.load(ordering: .relaxed) + UInt64(byteCount)
        let limit = limit(room)
        let ringEnd = positions.pointee.durable.load(ordering: .relaxed) &+ ringCapacity &- ringCapacity / 4
        if end <= limit && end <= ringEnd && byteCount <= maxRecordByteCount
            && end &- positions.pointee.sealedEnd.load(ordering: .relaxed) < streamByteCount
        {
            return
        }
        try waitForRoom(byteCount, room)
    }

    @inline(__always) private func limit(_ room: LogRoom) -> UInt64 {
        switch room {
        case .user: positions.pointee.userLimit.load(ordering: .acquiring)
        case .rollback: positions.pointee.rollbackLimit.load(ordering: .acquiring)
        case .system: positions.pointee.zoneLimit.load(ordering: .acquiring)
        }
    }

    /// True while user records are refused instead of made to wait: a checkpoint cannot free the zone because the oldest
    /// open transaction began too long ago, and the device has no room for an overflow. Set by the checkpointer.
    package var refusesUserRoom: Bool {
        get { refusesRoom.load(ordering: .acquiring) }
        set {
            refusesRoom.store(newValue, ordering: .releasing)
            if newValue { wakeRoomWaiters() }
        }
    }

    /// Why room is refused, if not for want of extents: the error that kept the checkpointer from freeing the zone. To be told
    /// before `refusesUserRoom` is set.
    package func explainRefusal(_ error: EngineError?) {
        refusalMutex.lock()
        refusal = error
        refusalMutex.unlock()
    }

    private var refusalError: EngineError {
        refusalMutex.lock()
        defer { refusalMutex.unlock() }
        guard let refusal else { return Self.noRoomForUndo }
        return EngineError(
            refusal.state, "could not keep the log of a long transaction: \(refusal.message)", detail: refusal.detail,
            hint: "End long transactions.")
    }

    /// A writing transaction has ended. It may be the one that began too long ago: those who need room wait for the
    /// checkpointer's next look instead of being refused.
    @inline(__always) package func noteTransactionEnd() {
        if refusesRoom.load(ordering: .relaxed) { refusesRoom.store(false, ordering: .releasing) }
    }

    @inline(never) private func waitForRoom(_ byteCount: Int, _ room: LogRoom) throws(EngineError) {
        if byteCount > maxRecordByteCount {
            throw EngineError(
                .programLimitExceeded, "a change of \(byteCount) bytes is too long for the log",
                detail: "The longest log record is \(maxRecordByteCount) bytes.")
        }
        while true {
            if let failure = currentFailure { throw failure }
            startFlusher()
            let end = positions.pointee.insert.load(ordering: .relaxed) + UInt64(byteCount)
            if end > limit(room) {
                if room != .system {
                    try waitForZone(end, room)
                    continue
                }
                let error = zoneOverflow()
                fail(error)
                throw error
            }
            let neededDurable = Int64(bitPattern: end) + Int64(ringCapacity / 4) - Int64(ringCapacity)
            if Int64(bitPattern: positions.pointee.durable.load(ordering: .acquiring)) >= neededDurable { return }
            wait(until: UInt64(neededDurable))
        }
    }

    /// Parks until the zone has been freed up to `end` or something else has changed.
    private func waitForZone(_ end: UInt64, _ room: LogRoom) throws(EngineError) {
        if room == .user && refusesUserRoom { throw refusalError }
        roomWaiterCount.add(1, ordering: .sequentiallyConsistent)
        wakeGrowthFiber()
        roomLot.park(address: UInt(bitPattern: positions)) {
            end > limit(room) && !(room == .user && refusesUserRoom) && currentFailure == nil
        }
        roomWaiterCount.subtract(1, ordering: .acquiringAndReleasing)
    }

    /// 53100 for a change that could not be undone.
    package static var noRoomForUndo: EngineError {
        EngineError(
            .diskFull, "could not keep the log of a long transaction: the disk is full",
            detail:
                "What open transactions would have to undo fills the log zone, and no extent is free to move it to.",
            hint: "End long transactions, drop or truncate tables, or move the database to a larger device.")
    }

    /// True while somebody waits for the zone: a checkpoint is urgent.
    package var isShortOfRoom: Bool { roomWaiterCount.load(ordering: .sequentiallyConsistent) > 0 }

    func wakeRoomWaiters() { roomLot.wakeAll(address: UInt(bitPattern: positions)) }

    func zoneOverflow() -> EngineError {
        EngineError(
            .diskFull, "the log zone is full", severity: .panic,
            detail: "\(usedByteCount) bytes of \(capacityByteCount) are in use.",
            hint: "Give the device a larger log zone.")
    }

    // MARK: Failure

    /// The error that stopped the log, if one did.
    package var currentFailure: EngineError? {
        // Failing lasts as long as it takes to store the error.
        while state.load(ordering: .acquiring) == LogState.failing.rawValue {
            Interleaving.spin()
            dbk_pause()
        }
        return state.load(ordering: .acquiring) == LogState.failed.rawValue ? failure : nil
    }

    /// Stops the log where it is, because the engine cannot go on: nothing more is written, and everyone who waits gets
    /// `error`. What is not durable now may or may not be there after the next start.
    package func halt(_ error: EngineError) { fail(error) }

    /// Stops the log for good and tells everyone who waits. Only the first failure counts.
    func fail(_ error: EngineError) {
        let (won, _) = state.compareExchange(
            expected: LogState.open.rawValue, desired: LogState.failing.rawValue, ordering: .acquiringAndReleasing)
        if !won { return }
        var fatal = error
        fatal.severity = .panic
        failure = fatal
        state.store(LogState.failed.rawValue, ordering: .sequentiallyConsistent)
        for core in 0..<scheduler.workerCount { scheduler.wake(worker(core).pointee.waker) }
        wakeRoomWaiters()
        wakeGrowthFiber()
    }

    // MARK: Growth

    /// Wakes `fiber` once when the durable log reaches `lsn`, at a failure, or when somebody waits for room.
    package func notify(_ fiber: FiberRef, at lsn: LSN) {
        growthFiber.store(fiber.rawValue, ordering: .relaxed)
        growthMark.store(lsn.rawValue, ordering: .sequentiallyConsistent)
        if durableLSN >= lsn || currentFailure != nil || isShortOfRoom {
            wakeGrowthFiber()
        }
    }

    func wakeGrowthFiber() {
        if growthMark.exchange(.max, ordering: .acquiringAndReleasing) != .max {
            scheduler.wake(FiberRef(rawValue: growthFiber.load(ordering: .relaxed)))
        }
    }
}

enum LogState: UInt8 {
    case closed, open, closing, failing, failed
}
