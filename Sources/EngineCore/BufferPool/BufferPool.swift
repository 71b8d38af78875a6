// The only cache there is: every page of the device has its own address in one reserved range, and a word of state in an
// array beside it (vmcache; Leis, Alhomssi, Ziegler, Loeck, Dietrich: Virtual-Memory Assisted Buffer Management, SIGMOD
// 2023). A hit needs no table. Memory is bounded by `FrameTable`; who leaves is chosen by a second-chance clock.
//
// Invariants:
// - A page's bytes may be relied on only while its word says resident, and only as its latch or a validated token allows.
// - A page whose checksum or number is wrong never becomes resident.
// - A page is evicted only if it is clean and no copy of it is on its way to the device: what the device holds then is
//   its newest version.
// - No page reaches the device before the log that describes it (see `WriteBackLane`).
//
// Latches are short. Fibers that find one taken spin for a moment, then yield, then park; over I/O they park at once.

import AsyncIO
import DirectStorage
import Fibers
import IOScheduler
import LayoutManager
import Platform
import Synchronization
import Telemetry
import WALEngine

/// What the pool needs of the log: `Log`, or a double in tests.
package protocol DurableLog: AnyObject {
    /// Everything before it is on stable storage.
    var durableLSN: LSN { get }
    /// Parks until everything before `lsn` is on stable storage.
    func waitDurable(_ lsn: LSN) throws(EngineError)
    /// Why nothing more becomes durable, if so.
    var currentFailure: EngineError? { get }
    /// Stops the engine: nothing more is written, and everyone who waits for the log gets `error`.
    func halt(_ error: EngineError)
}

extension Log: DurableLog {}

package final class BufferPool: @unchecked Sendable {
    package let scheduler: Scheduler
    package let io: BlockIO
    package let log: any DurableLog
    package let layout: DiskLayout
    package let checksum: PageChecksum
    private let isSound: @Sendable (UnsafeMutableRawPointer) -> Bool
    package let frameCount: Int

    @usableFromInline let states: UnsafeMutablePointer<Atomic<UInt64>>
    @usableFromInline let base: UnsafeMutableRawPointer
    @usableFromInline let dirty: DirtyPages
    let frames: FrameTable
    let largePages: LargePages
    let waiting = ParkingLot()
    let lanes: [WriteBackLane]
    let prefetchers: [Prefetcher]
    /// One more whenever a failed write has put pages back among the dirty ones.
    let failedWrites = Atomic<UInt64>(0)
    let isStopping = Atomic<Bool>(false)
    /// Background fibers that have not ended.
    let running = Atomic<Int>(0)
    /// Why nothing is written any more.
    let failure = FatalFailure()

    private let dirtyMemory: UnsafeMutableRawPointer

    /// Fewest frames with which nothing deadlocks: fibers hold a few latches each while they wait for one more frame.
    package static func minimumFrameCount(workerCount: Int) -> Int { 64 + 32 * workerCount }

    /// Reserves address space for the whole device. 53200 if `frameCount` is too small or there is no memory. Call
    /// `start` before use. `isSound` is asked of each page that comes from the device under a right checksum, and may
    /// look at nothing else: what is false there is not served.
    package init(
        scheduler: Scheduler, io: BlockIO, log: any DurableLog, layout: DiskLayout, checksum: PageChecksum,
        frameCount: Int, isSound: @escaping @Sendable (UnsafeMutableRawPointer) -> Bool = { _ in true }
    ) throws(EngineError) {
        let least = Self.minimumFrameCount(workerCount: scheduler.workerCount)
        if frameCount < least {
            throw EngineError(
                .outOfMemory,
                "the buffer pool needs at least \(least * pageSize) bytes, and has \(frameCount * pageSize)",
                hint: "Give the engine more memory.")
        }
        let pageCount = Int(layout.endPage)
        let stateByteCount = roundUp(pageCount * 8, pageSize)
        let dirtyByteCount = roundUp(pageCount * DirtyPages.byteCountPerPage, pageSize)
        let platform = scheduler.platform
        guard let base = platform.reserve(byteCount: pageCount * pageSize),
            let states = platform.reserve(byteCount: stateByteCount),
            let dirtyMemory = platform.reserve(byteCount: dirtyByteCount)
        else {
            throw EngineError(
                .outOfMemory, "there is no address space for a buffer pool over \(pageCount * pageSize) bytes")
        }
        self.scheduler = scheduler
        self.io = io
        self.log = log
        self.layout = layout
        self.checksum = checksum
        self.isSound = isSound
        self.frameCount = frameCount
        self.base = base
        self.states = states.bindMemory(to: Atomic<UInt64>.self, capacity: pageCount)
        self.dirtyMemory = dirtyMemory
        dirty = DirtyPages(memory: dirtyMemory, pageCount: pageCount, listCount: scheduler.workerCount)
        frames = FrameTable(count: frameCount)
        let hasLargePages = platform.preferLargePages(base, byteCount: pageCount * pageSize, true)
        largePages = LargePages(pageCount: pageCount, frameCount: frameCount, isAvailable: hasLargePages)
        var lanes: [WriteBackLane] = []
        var prefetchers: [Prefetcher] = []
        let zone = DoubleWriteZone(layout: layout, laneCount: scheduler.workerCount)
        for core in 0..<scheduler.workerCount {
            let slice = zone.slice(core)
            let mutex = slice < core ? lanes[slice].mutex : FiberMutex()
            guard
                let lane = WriteBackLane(
                    core: core, platform: platform, zone: zone, io: io, frameCount: frameCount, mutex: mutex)
            else { throw EngineError(.outOfMemory, "there is no memory for write-back") }
            lanes.append(lane)
            prefetchers.append(Prefetcher(core: core))
        }
        self.lanes = lanes
        self.prefetchers = prefetchers
    }

    /// What is wrong with a page that has just been read; nil if it may be served.
    func defect(of page: PageID) -> PageDefect? {
        checksum.defect(of: pointer(page), expected: page) ?? (isSound(pointer(page)) ? nil : .malformed)
    }

    deinit {
        let platform = scheduler.platform
        platform.deallocate(base, byteCount: Int(layout.endPage) * pageSize)
        platform.deallocate(
            UnsafeMutableRawPointer(states), byteCount: roundUp(Int(layout.endPage) * 8, pageSize))
        platform.deallocate(
            dirtyMemory, byteCount: roundUp(Int(layout.endPage) * DirtyPages.byteCountPerPage, pageSize))
        dirty.deallocate()
        frames.deallocate()
    }

    /// Regions of 2 MiB that are on one large page.
    package var largePageCount: Int { largePages.largeCount }
    /// Pages that those regions hold memory for and nobody uses.
    package var slackPageCount: Int { largePages.slackPageCount }

    /// True if pages go through the double-write zone, because the device may tear them.
    package var usesDoubleWrite: Bool { DoubleWrite.isNeeded(io.geometry) }

    /// What trees keep for their hot paths.
    package var view: PoolView { PoolView(base: base, states: states, endPage: layout.endPage, pool: self) }

    @inlinable @inline(__always)
    package func pointer(_ page: PageID) -> UnsafeMutableRawPointer {
        base + Int(truncatingIfNeeded: page.rawValue &* 4096)
    }

    @inline(__always) func word(_ page: PageID) -> UnsafeMutablePointer<Atomic<UInt64>> {
        states + Int(truncatingIfNeeded: page.rawValue)
    }

    // MARK: The same calls as PoolView's, for those who hold the pool

    package func optimisticRead(_ page: PageID) throws(EngineError) -> UInt64 { try view.optimisticRead(page) }
    package func validate(_ page: PageID, _ token: UInt64) -> Bool { view.validate(page, token) }
    package func tryUpgrade(_ page: PageID, _ token: UInt64) -> Bool { view.tryUpgrade(page, token) }
    package func latchExclusive(_ page: PageID) throws(EngineError) { try view.latchExclusive(page) }
    package func unlatchExclusive(_ page: PageID) { view.unlatchExclusive(page) }
    package func latchShared(_ page: PageID) throws(EngineError) { try latchSharedSlowly(page) }
    package func unlatchShared(_ page: PageID) { view.unlatchShared(page) }
    package func markDirty(_ page: PageID, recLSN: LSN) { view.markDirty(page, recLSN: recLSN) }

    /// Latches exclusively a page that is about to be formatted: zeroed, and not read from the device. 53200 if no frame
    /// comes free. Whoever unlatches it must have formatted and marked it, or must never ask for it again.
    package func latchNew(_ page: PageID) throws(EngineError) {
        try check(page)
        var patience = Patience()
        while true {
            let old = word(page).pointee.load(ordering: .acquiring)
            if PageState.isLatched(old) {
                waitForLatch(page, old, &patience)
                continue
            }
            let isResident = PageState.isResident(old)
            if !isResident { prepareGrowth(page) }
            let frame = isResident ? -1 : try acquireFrame()
            let desired = ((old & ~PageState.marked) | PageState.resident) &+ PageState.exclusive
            let taken = word(page).pointee.compareExchange(
                expected: old, desired: desired, successOrdering: .acquiring, failureOrdering: .relaxed)
            if taken.exchanged {
                if !isResident {
                    frames.setPage(frame, page)
                    enter(page)
                }
                pointer(page).initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
                return
            }
            if !isResident { releaseFrame(frame) }
        }
    }

    // MARK: Slow paths

    @usableFromInline @inline(never)
    func optimisticReadSlowly(_ page: PageID, isScan: Bool) throws(EngineError) -> UInt64 {
        try check(page)
        var patience = Patience()
        while true {
            let old = word(page).pointee.load(ordering: .acquiring)
            if PageState.isExclusive(old) {
                waitForLatch(page, old, &patience)
            } else if !PageState.isResident(old) {
                _ = try load(page, isScan: isScan, keepLatched: false)
            } else if isScan || !PageState.isMarked(old) {
                return old
            } else {
                let used = old & ~PageState.marked
                let result = word(page).pointee.compareExchange(
                    expected: old, desired: used, successOrdering: .acquiring, failureOrdering: .relaxed)
                if result.exchanged { return used }
            }
        }
    }

    @usableFromInline @inline(never)
    func latchExclusiveSlowly(_ page: PageID) throws(EngineError) {
        try check(page)
        var patience = Patience()
        while true {
            let old = word(page).pointee.load(ordering: .acquiring)
            if PageState.isLatched(old) {
                waitForLatch(page, old, &patience)
            } else if !PageState.isResident(old) {
                if try load(page, isScan: false, keepLatched: true) { return }
            } else {
                let result = word(page).pointee.compareExchange(
                    expected: old, desired: (old & ~PageState.marked) &+ PageState.exclusive,
                    successOrdering: .acquiring, failureOrdering: .relaxed)
                if result.exchanged { return }
            }
        }
    }

    func latchSharedSlowly(_ page: PageID) throws(EngineError) {
        try check(page)
        var patience = Patience()
        while true {
            let old = word(page).pointee.load(ordering: .acquiring)
            if PageState.isExclusive(old) || old & PageState.sharedMask == PageState.sharedMask {
                waitForLatch(page, old, &patience)
            } else if !PageState.isResident(old) {
                _ = try load(page, isScan: false, keepLatched: false)
            } else {
                let result = word(page).pointee.compareExchange(
                    expected: old, desired: (old & ~PageState.marked) &+ PageState.sharedOne,
                    successOrdering: .acquiring, failureOrdering: .relaxed)
                if result.exchanged { return }
            }
        }
    }

    /// Spins, then yields, then parks until the latch that `old` shows may be free.
    func waitForLatch(_ page: PageID, _ old: UInt64, _ patience: inout Patience) {
        if old & PageState.loading == 0 && patience.spends() { return }
        let word = word(page)
        if old & PageState.waiters == 0 {
            let result = word.pointee.compareExchange(
                expected: old, desired: old | PageState.waiters, ordering: .acquiringAndReleasing)
            if !result.exchanged { return }
        }
        // Who unlatches first frees the latch, then clears the bit, then wakes: if the bit is set and the latch taken, the
        // wake is still to come.
        waiting.park(address: UInt(bitPattern: word)) {
            let now = word.pointee.load(ordering: .sequentiallyConsistent)
            return now & PageState.waiters != 0 && PageState.isLatched(now)
        }
    }

    @usableFromInline @inline(never)
    func wakeWaiters(_ page: PageID) {
        let word = word(page)
        word.pointee.bitwiseAnd(~PageState.waiters, ordering: .sequentiallyConsistent)
        waiting.wakeAll(address: UInt(bitPattern: word))
    }

    @usableFromInline @inline(never)
    func markDirtySlowly(_ page: PageID, _ recLSN: LSN) { dirty.insert(page, recLSN, worker: Fiber.core) }

    /// Into the counters that came with `io`.
    func note(_ metric: Metric, _ amount: Int = 1) { io.counters.add(Fiber.core, metric, UInt64(amount)) }

    /// Latencies of the device's requests of a class, in nanoseconds.
    package func latency(_ ioClass: IOClass) -> Histogram { io.latency(ioClass) }

    /// XX001 for a number that is no data page: a damaged reference.
    func check(_ page: PageID) throws(EngineError) {
        if !layout.contains(page) {
            throw EngineError(.dataCorrupted, "page \(page.rawValue) is referred to, but is no data page")
        }
    }
}

/// The first fatal error, for every worker to see.
final class FatalFailure: @unchecked Sendable {
    private let state = Atomic<UInt8>(0)
    private var stored: EngineError?

    func record(_ error: EngineError) {
        guard state.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged else { return }
        stored = error
        state.store(2, ordering: .releasing)
    }

    var error: EngineError? { state.load(ordering: .acquiring) == 2 ? stored : nil }
}

/// How long a fiber that finds a latch taken goes on without parking.
struct Patience {
    private var spent = 0

    /// Spins or yields once; false when it is time to park.
    mutating func spends() -> Bool {
        spent += 1
        if spent <= 16 {
            // The holder runs on another worker, for less than a microsecond most often.
            for _ in 0..<2 { spinHint() }
            return true
        }
        if spent <= 18 {
            Fiber.yield()
            return true
        }
        return false
    }
}
