// A virtio disk (Virtual I/O Device 1.2, section 5.2): one queue for each core, one indirect table per request.
//
// The device has no forced unit access: a durable write is a write and, once it is done, a flush.
//
// There is no way to abort a request. One that takes too long has the device reset and everything in flight sent again; what still
// takes too long then fails, and a device that does not come back fails everything. Sending again does no harm: nobody overwrites
// or reuses what a request in flight covers.

import CMetal
import Platform

final class VirtioBlock: BlockDriver {
    private enum Feature {
        static let maxSegments: UInt64 = 1 << 2
        static let blockSize: UInt64 = 1 << 6
        static let flush: UInt64 = 1 << 9
        static let multiqueue: UInt64 = 1 << 12
    }
    private enum Operation {
        static let read: UInt32 = 0
        static let write: UInt32 = 1
        static let flush: UInt32 = 4
    }
    private static let maxRequestByteCount = 1 << 20
    private static let queueEntries = 128

    /// Requests are sent again this often, then they fail.
    private static let maxRepeats = 2

    /// A core's queue and what its requests need: of each, a table of descriptors, the device's header and its status byte,
    /// on a page of its own.
    struct CoreQueue: ~Copyable {
        /// Held by the core, and by the one that resets the device.
        let guardLock = SpinLock()
        var nextLook = Nanoseconds(0)
        var queue: VirtioQueue
        let pages: UInt
        let commands: UnsafeMutablePointer<Command>
        var immediate: [CompletionEvent] = []
        /// Requests of several commands; by number.
        let requests: UnsafeMutablePointer<Request>
        var freeRequest = 0

        init(
            queue: consuming VirtioQueue, pages: UInt, commands: UnsafeMutablePointer<Command>,
            requests: UnsafeMutablePointer<Request>
        ) {
            self.queue = queue
            self.pages = pages
            self.commands = commands
            self.requests = requests
        }
    }

    struct Command: BitwiseCopyable {
        static let free = -1
        /// `free` if it is not in flight.
        var request = free
    }

    struct Request: BitwiseCopyable {
        var tag: Tag = 0
        var commandsLeft = 0
        var byteCount = 0
        var hasFailed = false
        var needsFlush = false
        var deadline = Nanoseconds.never
        /// How often its commands have been sent again.
        var repeats = 0
        var nextFree = 0
    }

    let geometry: BlockGeometry
    let summary: String
    private let transport: VirtioTransport
    private let queues: UnsafeMutablePointer<CoreQueue>
    private let segmentLimit: Int
    private let canFlush: Bool
    private let coreCount: Int
    private let timeLimit: Nanoseconds
    private let clock: Clock
    private let log: (String) -> Void
    /// The device is off for good. Changes with every queue's lock held.
    private var isDead = false
    /// One core at a time deals with trouble; it comes before the queues' locks.
    private let troubleLock = SpinLock()

    /// Header and status lie at the end of a command's page.
    private static let headerOffset: UInt = 4096 - 32
    private static let statusOffset: UInt = 4096 - 8

    /// `timeLimit` is how long a request may take. Errors: 58030 with what the device lacks, 53200 without memory.
    init(
        _ function: PCIFunction, cores: [UInt32], timeLimit: Nanoseconds, frames: UnsafeMutablePointer<Frames>,
        clock: Clock, log: @escaping (String) -> Void
    ) throws(EngineError) {
        self.timeLimit = timeLimit
        self.clock = clock
        self.log = log
        coreCount = cores.count
        guard let transport = VirtioTransport(function) else { throw Self.refusal("it is no modern virtio device") }
        self.transport = transport
        let wanted =
            Feature.maxSegments | Feature.blockSize | Feature.flush | Feature.multiqueue
            | VirtioFeature.indirectDescriptors
        guard transport.negotiate(wanted), transport.has(VirtioFeature.indirectDescriptors) else {
            transport.fail()
            throw Self.refusal("it does not agree to virtio 1.0 with indirect descriptors")
        }
        let registers = transport.configuration
        let queueCount = transport.has(Feature.multiqueue) ? Int(dbk_read16(registers + 34)) : 1
        guard queueCount >= cores.count else {
            transport.fail()
            throw Self.refusal("it has \(queueCount) queues for \(cores.count) cores (QEMU: num-queues=)")
        }
        let segments = transport.has(Feature.maxSegments) ? Int(dbk_read32(registers + 12)) : 1
        // The page holds that many descriptors before the header, two of which are header and status.
        segmentLimit = max(1, min(segments, Int(Self.headerOffset) / 16 - 2))
        canFlush = transport.has(Feature.flush)
        let blockSize = transport.has(Feature.blockSize) ? Int(dbk_read32(registers + 20)) : 512
        let sectors = dbk_read64(registers)
        guard blockSize == 512 || blockSize == 4096 else {
            transport.fail()
            throw Self.refusal("it has blocks of \(blockSize) bytes")
        }
        queues = .allocate(capacity: cores.count)
        for core in 0..<cores.count {
            guard
                let queue = transport.makeQueue(
                    core, limit: Self.queueEntries, vector: core, apicID: cores[core], frames: frames),
                let pages = frames.pointee.allocateRun(queue.count)
            else { throw EngineError(.outOfMemory, "out of memory for the virtio disk's queues", severity: .fatal) }
            let commands = UnsafeMutablePointer<Command>.allocate(capacity: queue.count)
            commands.initialize(repeating: Command(), count: queue.count)
            let requests = UnsafeMutablePointer<Request>.allocate(capacity: queue.count)
            for index in 0..<queue.count { (requests + index).initialize(to: Request(nextFree: index + 1)) }
            (queues + core).initialize(
                to: CoreQueue(queue: queue, pages: pages, commands: commands, requests: requests))
        }
        transport.start()
        geometry = BlockGeometry(
            byteCount: sectors * 512 / UInt64(pageSize) * UInt64(pageSize), logicalBlockSize: blockSize,
            atomicWriteByteCount: blockSize, hasVolatileCache: canFlush,
            maxTransferByteCount: Self.maxRequestByteCount, queueDepth: queues[0].queue.count / 2)
        summary =
            "virtio, \(geometry.byteCount >> 20) MiB in blocks of \(blockSize), \(cores.count) queues of "
            + "\(queues[0].queue.count) requests of up to \(segmentLimit) segments, "
            + (canFlush ? "volatile cache" : "no volatile cache")
    }

    func health() -> [String] { ["a virtio disk says nothing of its health"] }

    private static func refusal(_ why: String) -> EngineError {
        EngineError(.ioError, "cannot use the virtio disk: \(why)", severity: .fatal)
    }

    // MARK: Requests

    func queue(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>, offset: UInt64,
        tag: Tag
    ) -> Bool {
        let state = queues + core
        var byteCount = 0
        for vector in vectors { byteCount += vector.byteCount }
        state.pointee.guardLock.lock()
        defer { state.pointee.guardLock.unlock() }
        if isDead || offset + UInt64(byteCount) > geometry.byteCount {
            state.pointee.immediate.append(CompletionEvent(tag: tag, result: -PlatformErrno.io))
            return true
        }
        if byteCount == 0 && (operation != .flush || !canFlush) {
            state.pointee.immediate.append(CompletionEvent(tag: tag, result: 0))
            return true
        }
        // No vector is in more pages than it has bytes for, so this many commands are enough.
        var pages = 0
        for vector in vectors { pages += vector.byteCount / 4096 + 2 }
        let most = max(1, (pages + segmentLimit - 1) / segmentLimit)
        if state.pointee.queue.freeCount < most { return false }
        if operation == .flush {
            let request = open(state, tag, byteCount: 0)
            push(state, request, Operation.flush, sector: 0, segments: 0)
            return true
        }
        for vector in vectors where !isBacked(vector) {
            state.pointee.immediate.append(CompletionEvent(tag: tag, result: -PlatformErrno.io))
            return true
        }
        let request = open(state, tag, byteCount: byteCount)
        state.pointee.requests[request].needsFlush = operation == .durableWrite && canFlush
        let isRead = operation == .read
        var writer = SegmentWriter(table: table(state))
        var sector = offset / 512
        var end = sector
        for vector in vectors {
            var done = 0
            while done < vector.byteCount {
                let pointer = vector.base + done
                guard let physical = physicalAddress(pointer) else {
                    preconditionFailure("memory went from under a request")
                }
                let part = min(vector.byteCount - done, 4096 - Int(UInt(bitPattern: pointer) & 4095))
                if !writer.extends(physical) && writer.count == segmentLimit
                    && end % UInt64(geometry.logicalBlockSize / 512) == 0
                {
                    push(
                        state, request, isRead ? Operation.read : Operation.write, sector: sector,
                        segments: writer.count)
                    writer = SegmentWriter(table: table(state))
                    sector = end
                }
                writer.add(physical, part, isRead)
                end += UInt64(part / 512)
                done += part
            }
        }
        push(state, request, isRead ? Operation.read : Operation.write, sector: sector, segments: writer.count)
        return true
    }

    /// Data descriptors of one command, from entry 1 of its table; what touches is joined.
    private struct SegmentWriter {
        let table: UInt
        var count = 0
        private var last: UInt = 0
        private var lastByteCount = 0
        init(table: UInt) { self.table = table }

        func extends(_ address: UInt) -> Bool { count > 0 && last + UInt(lastByteCount) == address }

        mutating func add(_ address: UInt, _ byteCount: Int, _ isRead: Bool) {
            if extends(address) {
                lastByteCount += byteCount
            } else {
                count += 1
                last = address
                lastByteCount = byteCount
            }
            VirtioQueue.write(
                table + UInt(count * 16), last, lastByteCount, VirtioQueue.next | (isRead ? VirtioQueue.write : 0),
                next: UInt16(count + 1))
        }
    }

    /// The page of the command that is pushed next.
    private func table(_ state: UnsafeMutablePointer<CoreQueue>) -> UInt {
        state.pointee.pages + UInt(state.pointee.queue.nextNumber * pageSize)
    }

    private func open(_ state: UnsafeMutablePointer<CoreQueue>, _ tag: Tag, byteCount: Int) -> Int {
        let number = state.pointee.freeRequest
        state.pointee.freeRequest = state.pointee.requests[number].nextFree
        state.pointee.requests[number] = Request(tag: tag, byteCount: byteCount, deadline: clock.now + timeLimit)
        return number
    }

    private func push(
        _ state: UnsafeMutablePointer<CoreQueue>, _ request: Int, _ operation: UInt32, sector: UInt64, segments: Int
    ) {
        let page = table(state)
        dbk_write32(page + Self.headerOffset, operation)
        dbk_write32(page + Self.headerOffset + 4, 0)
        dbk_write64(page + Self.headerOffset + 8, sector)
        dbk_write8(page + Self.statusOffset, 0xff)
        VirtioQueue.write(page, page + Self.headerOffset, 16, VirtioQueue.next, next: 1)
        VirtioQueue.write(
            page + UInt((segments + 1) * 16), page + Self.statusOffset, 1, VirtioQueue.write, next: 0)
        state.pointee.requests[request].commandsLeft += 1
        let number = state.pointee.queue.push(page, byteCount: (segments + 2) * 16, flags: VirtioQueue.indirect)
        state.pointee.commands[number].request = request
    }

    func submit(_ core: CoreIndex) {
        queues[core].guardLock.lock()
        if !isDead { queues[core].queue.publish() }
        queues[core].guardLock.unlock()
    }

    func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>, now: Nanoseconds) -> Int {
        let state = queues + core
        var count = 0
        state.pointee.guardLock.lock()
        while count < events.count, let event = state.pointee.immediate.popLast() {
            events[count] = event
            count += 1
        }
        var isLookDue = false
        if !isDead {
            take(state, events.count - count) { event in
                events[count] = event
                count += 1
            }
            state.pointee.queue.publish()
            // Once in a second.
            isLookDue = state.pointee.queue.inFlightCount > 0 && !(now < state.pointee.nextLook)
            if isLookDue { state.pointee.nextLook = now + .seconds(1) }
        }
        state.pointee.guardLock.unlock()
        if isLookDue { lookForLate(core) }
        return count
    }

    /// Takes completions until `capacity` requests have ended.
    private func take(
        _ state: UnsafeMutablePointer<CoreQueue>, _ capacity: Int, _ body: (CompletionEvent) -> Void
    ) {
        var ended = 0
        while ended < capacity, let (number, _) = state.pointee.queue.takeUsed() {
            let status = dbk_read8(state.pointee.pages + UInt(number * pageSize) + Self.statusOffset)
            if let event = end(state, number, hasFailed: status != 0) {
                body(event)
                ended += 1
            }
        }
    }

    /// The command is over, and its descriptor free; what its request ends with, if that is over, too.
    private func end(_ state: UnsafeMutablePointer<CoreQueue>, _ number: Int, hasFailed: Bool) -> CompletionEvent? {
        let request = state.pointee.commands[number].request
        precondition(request != Command.free, "the device completes a request twice")
        state.pointee.commands[number].request = Command.free
        if hasFailed { state.pointee.requests[request].hasFailed = true }
        state.pointee.requests[request].commandsLeft -= 1
        if state.pointee.requests[request].commandsLeft > 0 { return nil }
        let done = state.pointee.requests[request]
        if done.needsFlush && !done.hasFailed {
            // The descriptor that has just become free is there for it.
            state.pointee.requests[request].needsFlush = false
            push(state, request, Operation.flush, sector: 0, segments: 0)
            return nil
        }
        state.pointee.requests[request].nextFree = state.pointee.freeRequest
        state.pointee.freeRequest = request
        return CompletionEvent(tag: done.tag, result: done.hasFailed ? -PlatformErrno.io : done.byteCount)
    }

    func hasCompletions(_ core: CoreIndex) -> Bool {
        let state = queues + core
        state.pointee.guardLock.lock()
        defer { state.pointee.guardLock.unlock() }
        state.pointee.queue.setInterrupts(true)
        if !state.pointee.queue.hasUsed && state.pointee.immediate.isEmpty { return false }
        state.pointee.queue.setInterrupts(false)
        return true
    }

    func isWaiting(_ core: CoreIndex) -> Bool {
        queues[core].guardLock.lock()
        defer { queues[core].guardLock.unlock() }
        return queues[core].queue.inFlightCount > 0
    }

    func canInterrupt(_ core: CoreIndex) -> Bool { transport.canInterrupt(core) }

    // MARK: Trouble

    /// Resets the device if a command of this core's takes too long.
    private func lookForLate(_ core: CoreIndex) {
        troubleLock.lock()
        defer { troubleLock.unlock() }
        let state = queues + core
        let now = clock.now
        var isLate = false
        state.pointee.guardLock.lock()
        // Whoever had the lock before may have reset the device.
        for number in 0..<state.pointee.queue.count where !isDead {
            let request = state.pointee.commands[number].request
            if request != Command.free && state.pointee.requests[request].deadline < now { isLate = true }
        }
        state.pointee.guardLock.unlock()
        if isLate { reset() }
    }

    /// Off, so that the device touches no memory of requests that it may have forgotten; what has completed until then is taken; on,
    /// and the rest is sent again. As long as the device takes; cores that want the disk wait for it. Flushed or not, what was written
    /// stays written.
    private func reset() {
        for core in 0..<coreCount { queues[core].guardLock.lock() }
        defer { for core in 0..<coreCount { queues[core].guardLock.unlock() } }
        log("virtio disk: a request takes longer than \(timeLimit.rawValue / 1_000_000_000) s: resetting the device")
        isDead = !transport.reset()
        let features = transport.features
        if !isDead {
            for core in 0..<coreCount {
                var ended: [CompletionEvent] = []
                take(queues + core, .max) { ended.append($0) }
                queues[core].immediate += ended
            }
            isDead = !transport.negotiate(features) || transport.features != features
        }
        if isDead {
            log("virtio disk: the device does not come back")
            transport.fail()
        } else {
            for core in 0..<coreCount {
                queues[core].queue.clearRings()
                transport.attach(queues[core].queue, core, vector: core)
            }
            transport.start()
        }
        var count = 0
        let deadline = clock.now + timeLimit
        for core in 0..<coreCount { count += settle(queues + core, deadline) }
        if !isDead { log("virtio disk: the device is back, \(count) requests are sent again") }
    }

    /// After a reset: sends every command in flight again, but for requests that have been sent too often, or that no device will
    /// ever answer. How many were sent.
    private func settle(_ state: UnsafeMutablePointer<CoreQueue>, _ deadline: Nanoseconds) -> Int {
        var count = 0
        for number in 0..<state.pointee.queue.count {
            let request = state.pointee.commands[number].request
            // A flush that `take` has pushed is in flight like any other.
            if request == Command.free { continue }
            // All commands of a request count as one time: the deadline tells that it was its turn already.
            if state.pointee.requests[request].deadline != deadline {
                state.pointee.requests[request].deadline = deadline
                state.pointee.requests[request].repeats += 1
            }
            if !isDead && state.pointee.requests[request].repeats <= Self.maxRepeats {
                state.pointee.queue.pushAgain(number)
                count += 1
            } else {
                state.pointee.queue.free(number)
                if let event = end(state, number, hasFailed: true) { state.pointee.immediate.append(event) }
            }
        }
        if !isDead { state.pointee.queue.publish() }
        return count
    }
}
