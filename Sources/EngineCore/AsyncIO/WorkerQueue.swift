// One worker's requests on their way to the device and back. Only that worker touches it: its fibers when they ask, its
// loop when completions come, never both at once.
//
// Invariant: each slot is free, or holds one run that the platform has or that its full queue refused (`stalled`), and is
// settled exactly once.

import Fibers
import IOBatching
import IOScheduler
import Platform
import Telemetry

struct WorkerQueue: ~Copyable {
    private let scheduler: Scheduler
    private let core: CoreIndex
    private let coalescer: Coalescer
    private var classes: ClassQueues
    private let depth: Int
    private let slots: UnsafeMutablePointer<Slot>
    private let vectors: UnsafeMutablePointer<IOVector>
    private var freeSlots: UnsafeMutablePointer<Slot>?
    /// Slots whose runs the platform's full queue refused, linked like free ones.
    private var stalled: UnsafeMutablePointer<Slot>?

    private let counters: Counters
    /// Per class: nanoseconds from queueing to completion.
    let latencies: [Histogram]

    static let maxVectorCount = 128

    init(scheduler: Scheduler, core: CoreIndex, depth: Int, counters: Counters) {
        self.counters = counters
        latencies = IOClass.allCases.map { _ in Histogram() }
        self.scheduler = scheduler
        self.core = core
        self.depth = depth
        coalescer = Coalescer(
            maxByteCount: scheduler.platform.blockGeometry.maxTransferByteCount, maxVectorCount: Self.maxVectorCount)
        classes = ClassQueues(policy: IOPolicy(depth: depth))
        slots = .allocate(capacity: depth)
        vectors = .allocate(capacity: depth * Self.maxVectorCount)
    }

    /// Second step of making one, once it lies where it stays: completions find it through their slot.
    mutating func adoptSlots(_ queue: UnsafeMutablePointer<WorkerQueue>) {
        for index in (0..<depth).reversed() {
            let slot = slots + index
            slot.initialize(to: Slot(queue: queue, vectors: vectors + index * Self.maxVectorCount))
            slot.pointee.nextFree = freeSlots
            freeSlots = slot
        }
    }

    mutating func releaseSlots() {
        slots.deinitialize(count: depth)
        slots.deallocate()
        vectors.deallocate()
    }

    /// True while a run waits for room in the platform's queue.
    var isStalled: Bool { stalled != nil }

    mutating func enqueue(_ request: UnsafeMutablePointer<BlockRequest>, _ ioClass: IOClass, now: Nanoseconds) {
        classes.enqueue(request, ioClass, now: now)
    }

    /// Hands the platform as much as it and the classes' caps take.
    mutating func dispatch() {
        while let slot = stalled {
            guard send(slot) else { return }
            stalled = slot.pointee.nextFree
        }
        if classes.queuedTotal == 0 { return }
        let now = scheduler.platform.now()
        while let slot = freeSlots {
            guard let (run, ioClass) = classes.next(now: now, coalescer: coalescer, vectors: slot.pointee.vectors)
            else { return }
            freeSlots = slot.pointee.nextFree
            slot.pointee.run = run
            slot.pointee.ioClass = ioClass
            slot.pointee.vectorIndex = 0
            slot.pointee.doneByteCount = 0
            if !send(slot) {
                stall(slot)
                return
            }
        }
    }

    /// False if the platform has no room even after it was told to submit.
    private func send(_ slot: UnsafeMutablePointer<Slot>) -> Bool {
        let platform = scheduler.platform
        let pieces = UnsafeMutableBufferPointer(
            start: slot.pointee.vectors + slot.pointee.vectorIndex,
            count: slot.pointee.run.vectorCount - slot.pointee.vectorIndex)
        let offset = slot.pointee.run.offset + UInt64(slot.pointee.doneByteCount)
        slot.pointee.completion.prepare()
        if platform.queueBlock(core, slot.pointee.run.operation, pieces, offset: offset, tag: slot.tag) {
            return true
        }
        platform.submit(core)
        return platform.queueBlock(core, slot.pointee.run.operation, pieces, offset: offset, tag: slot.tag)
    }

    /// Keeps the slot for a later try, and wakes one of those who wait for it: that fiber tries again until there is room,
    /// since no completion of ours may be under way to do so.
    private mutating func stall(_ slot: UnsafeMutablePointer<Slot>) {
        slot.pointee.nextFree = stalled
        stalled = slot
        guard let request = slot.pointee.run.requests.first else { return }
        let batch = request.pointee.owner.unsafelyUnwrapped.assumingMemoryBound(to: RequestBatch.self)
        scheduler.wake(batch.pointee.fiber)
    }

    /// In the worker's loop: the device has answered.
    fileprivate mutating func completed(_ slot: UnsafeMutablePointer<Slot>) {
        let result = slot.pointee.completion.result
        let remaining = slot.pointee.run.byteCount - slot.pointee.doneByteCount
        if result > 0 && result < remaining {
            // A short transfer: the rest is asked for again.
            slot.pointee.advance(result)
            if !send(slot) { stall(slot) }
            return
        }
        settle(slot, result == remaining ? 0 : result < 0 ? -result : PlatformErrno.io)
        dispatch()
    }

    private mutating func settle(_ slot: UnsafeMutablePointer<Slot>, _ errno: Int) {
        let now = scheduler.platform.now()
        let isRead = slot.pointee.run.operation == .read
        counters.add(core, isRead ? .blockReads : .blockWrites)
        counters.add(core, isRead ? .blockReadBytes : .blockWriteBytes, UInt64(slot.pointee.run.byteCount))
        while let request = slot.pointee.run.requests.removeFirst() {
            request.pointee.errno = errno
            latencies[slot.pointee.ioClass.index].record((now - request.pointee.queuedAt).rawValue)
            let batch = request.pointee.owner.unsafelyUnwrapped.assumingMemoryBound(to: RequestBatch.self)
            batch.pointee.pendingCount -= 1
            if batch.pointee.pendingCount == 0 { scheduler.wake(batch.pointee.fiber) }
        }
        classes.finished(slot.pointee.ioClass)
        slot.pointee.nextFree = freeSlots
        freeSlots = slot
    }
}

/// One run in flight. The completion comes first, so that its address, which is the tag, is the slot's.
struct Slot {
    var completion: Completion
    let queue: UnsafeMutablePointer<WorkerQueue>
    let vectors: UnsafeMutablePointer<IOVector>
    var run = CoalescedRun(operation: .read, offset: 0, byteCount: 0, vectorCount: 0)
    var ioClass = IOClass.read
    /// First piece that is not wholly done, after a short transfer.
    var vectorIndex = 0
    var doneByteCount = 0
    var nextFree: UnsafeMutablePointer<Slot>?

    init(queue: UnsafeMutablePointer<WorkerQueue>, vectors: UnsafeMutablePointer<IOVector>) {
        self.queue = queue
        self.vectors = vectors
        completion = Completion(
            handler: { address in
                let slot = address.assumingMemoryBound(to: Slot.self)
                slot.pointee.queue.pointee.completed(slot)
            }, context: nil)
    }

    /// Counts `byteCount` more bytes as done.
    mutating func advance(_ byteCount: Int) {
        doneByteCount += byteCount
        var rest = byteCount
        while rest >= vectors[vectorIndex].byteCount {
            rest -= vectors[vectorIndex].byteCount
            vectorIndex += 1
        }
        vectors[vectorIndex].base += rest
        vectors[vectorIndex].byteCount -= rest
    }
}

extension UnsafeMutablePointer where Pointee == Slot {
    var tag: Tag { Tag(bitPattern: self) }
}
