// Block I/O that parks the calling fiber.
//
// A call queues its requests on the calling worker, by class; `ClassQueues` decides what goes to the device next and
// `Coalescer` joins neighbours. A completion is handled in the worker's loop: it settles the requests of its run, wakes
// the fibers whose last request that was, and sends what waits. So a worker's device queue stays full without any fiber
// having to run in between.

import Fibers
import IOBatching
import IOScheduler
import Platform
import Telemetry

package final class BlockIO: @unchecked Sendable {
    // Shared by workers, but each touches only the queue of its own core.
    package let geometry: BlockGeometry
    /// Requests and bytes, and for the floors above whatever they count.
    package let counters: Counters
    private let scheduler: Scheduler
    private let queues: UnsafeMutablePointer<WorkerQueue>

    /// Takes the memory for every worker's requests in flight: about 2 KiB for each.
    package init(scheduler: Scheduler, counters: Counters? = nil, deviceDepth: Int? = nil) {
        self.scheduler = scheduler
        let counters = counters ?? Counters(coreCount: scheduler.workerCount)
        self.counters = counters
        geometry = scheduler.platform.blockGeometry
        let depth = max(8, min(deviceDepth ?? geometry.queueDepth, 256))
        queues = .allocate(capacity: scheduler.workerCount)
        for core in 0..<scheduler.workerCount {
            (queues + core).initialize(
                to: WorkerQueue(scheduler: scheduler, core: core, depth: depth, counters: counters))
            (queues + core).pointee.adoptSlots(queues + core)
        }
    }

    deinit {
        for core in 0..<scheduler.workerCount { (queues + core).pointee.releaseSlots() }
        queues.deinitialize(count: scheduler.workerCount)
        queues.deallocate()
    }

    /// Reads `byteCount` bytes at `offset`. 58030 if the device fails.
    package func read(
        into base: UnsafeMutableRawPointer, offset: UInt64, byteCount: Int, class ioClass: IOClass
    ) throws(EngineError) {
        try transfer(.read, base, offset, byteCount, ioClass)
    }

    /// Writes `byteCount` bytes at `offset`. With `durable` they are on stable storage when the call returns; otherwise
    /// after the next `flush`. 58030 if the device fails, 53100 if it has no room.
    package func write(
        from base: UnsafeRawPointer, offset: UInt64, byteCount: Int, class ioClass: IOClass, durable: Bool = false
    ) throws(EngineError) {
        try transfer(
            durable ? .durableWrite : .write, UnsafeMutableRawPointer(mutating: base), offset, byteCount, ioClass)
    }

    /// Makes every write that returned before the call durable. After a failure nothing is known about those writes: who
    /// depends on them must stop, not retry.
    package func flush() throws(EngineError) {
        let platform = scheduler.platform
        let core = Fiber.core
        let result = Completion.wait { tag in
            platform.queueBlock(core, .flush, UnsafeMutableBufferPointer(start: nil, count: 0), offset: 0, tag: tag)
        }
        counters.add(core, .blockFlushes)
        if result < 0 { throw Self.error(.flush, errno: -result, offset: 0) }
    }

    /// Does all requests, in any order and joined where they adjoin, and returns when all are done. Each must fit in one
    /// transfer. Throws for the first that failed; every request's `errno` says how it went.
    package func perform(
        _ requests: UnsafeMutableBufferPointer<BlockRequest>, class ioClass: IOClass
    ) throws(EngineError) {
        if requests.isEmpty { return }
        Coalescer.sort(requests)
        run(requests, ioClass)
        for request in requests where request.errno != 0 {
            throw Self.error(request.operation, errno: request.errno, offset: request.offset)
        }
    }

    /// Nanoseconds from queueing to completion of requests of a class, over all workers.
    package func latency(_ ioClass: IOClass) -> Histogram {
        let sum = Histogram()
        for core in 0..<scheduler.workerCount { sum.merge(queues[core].latencies[ioClass.index]) }
        return sum
    }

    // MARK: Inside

    private func run(_ requests: UnsafeMutableBufferPointer<BlockRequest>, _ ioClass: IOClass) {
        let queue = queues + Fiber.core
        var batch = RequestBatch(pendingCount: requests.count, fiber: Fiber.current)
        withUnsafeMutablePointer(to: &batch) { batch in
            let now = scheduler.platform.now()
            for index in 0..<requests.count {
                let request = requests.baseAddress.unsafelyUnwrapped + index
                check(request)
                request.pointee.errno = 0
                request.pointee.owner = UnsafeMutableRawPointer(batch)
                queue.pointee.enqueue(request, ioClass, now: now)
            }
            queue.pointee.dispatch()
            // The worker's loop counts down while this fiber is parked.
            while batch.pointee.pendingCount > 0 {
                if queue.pointee.isStalled {
                    Fiber.yield()
                    queue.pointee.dispatch()
                } else {
                    Fiber.park()
                }
            }
        }
    }

    private func check(_ request: UnsafeMutablePointer<BlockRequest>) {
        let mask = UInt64(geometry.logicalBlockSize - 1)
        precondition(request.pointee.operation != .flush)
        precondition(request.pointee.byteCount > 0 && request.pointee.byteCount <= geometry.maxTransferByteCount)
        precondition(request.pointee.offset & mask == 0 && UInt64(request.pointee.byteCount) & mask == 0)
        precondition(UInt64(UInt(bitPattern: request.pointee.base)) & mask == 0)
        precondition(request.pointee.end <= geometry.byteCount, "block I/O past the end of the device")
    }

    /// One contiguous run of any length.
    private func transfer(
        _ operation: BlockOperation, _ base: UnsafeMutableRawPointer, _ offset: UInt64, _ byteCount: Int,
        _ ioClass: IOClass
    ) throws(EngineError) {
        if byteCount > geometry.maxTransferByteCount {
            try transferPieces(
                operation, base, offset, UInt64(byteCount), ioClass, stride: geometry.maxTransferByteCount)
            return
        }
        var request = BlockRequest(operation, base: base, byteCount: byteCount, offset: offset)
        withUnsafeMutablePointer(to: &request) { run(UnsafeMutableBufferPointer(start: $0, count: 1), ioClass) }
        if request.errno != 0 { throw Self.error(operation, errno: request.errno, offset: offset) }
    }

    /// Fills `byteCount` bytes at `offset` with repetitions of a pattern of at most one transfer.
    package func fill(
        with pattern: UnsafeRawPointer, patternByteCount: Int, offset: UInt64, byteCount: UInt64
    ) throws(EngineError) {
        precondition(patternByteCount <= geometry.maxTransferByteCount)
        try transferPieces(
            .write, UnsafeMutableRawPointer(mutating: pattern), offset, byteCount, .scan, stride: 0,
            pieceByteCount: patternByteCount)
    }

    /// A few transfers at a time; each piece of memory lies `stride` after the one before.
    private func transferPieces(
        _ operation: BlockOperation, _ base: UnsafeMutableRawPointer, _ offset: UInt64, _ byteCount: UInt64,
        _ ioClass: IOClass, stride: Int, pieceByteCount: Int? = nil
    ) throws(EngineError) {
        let largest = pieceByteCount ?? stride
        let window = 8
        let requests = UnsafeMutablePointer<BlockRequest>.allocate(capacity: window)
        defer { requests.deallocate() }
        var done: UInt64 = 0
        var memory = base
        while done < byteCount {
            var count = 0
            while count < window && done < byteCount {
                let piece = Int(min(UInt64(largest), byteCount - done))
                (requests + count).initialize(
                    to: BlockRequest(operation, base: memory, byteCount: piece, offset: offset + done))
                done += UInt64(piece)
                memory += stride
                count += 1
            }
            try perform(UnsafeMutableBufferPointer(start: requests, count: count), class: ioClass)
        }
    }

    static func error(_ operation: BlockOperation, errno: Int, offset: UInt64) -> EngineError {
        if errno == PlatformErrno.noSpace {
            return EngineError(
                .diskFull, "could not write to the device: no space left",
                hint: "Give the file system that holds the device file more room.")
        }
        switch operation {
        case .read: return EngineError(.ioError, "could not read from the device at byte \(offset): error \(errno)")
        case .write, .durableWrite:
            return EngineError(.ioError, "could not write to the device at byte \(offset): error \(errno)")
        case .flush: return EngineError(.ioError, "could not flush the device's cache: error \(errno)")
        }
    }
}

/// What one call waits for.
struct RequestBatch {
    var pendingCount: Int
    let fiber: FiberRef
}
