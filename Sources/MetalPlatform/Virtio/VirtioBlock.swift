// A virtio disk (Virtual I/O Device 1.2, section 5.2): one queue for each core, one indirect table per request.
//
// The device has no forced unit access: a durable write is a write and, once it is done, a flush.

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

    /// A core's queue and what its requests need: of each, a table of descriptors, the device's header and its status byte,
    /// on a page of its own.
    struct CoreQueue: ~Copyable {
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
        var request = 0
    }

    struct Request: BitwiseCopyable {
        var tag: Tag = 0
        var commandsLeft = 0
        var byteCount = 0
        var hasFailed = false
        var needsFlush = false
        var nextFree = 0
    }

    let geometry: BlockGeometry
    let summary: String
    private let transport: VirtioTransport
    private let queues: UnsafeMutablePointer<CoreQueue>
    private let segmentLimit: Int
    private let canFlush: Bool

    /// Header and status lie at the end of a command's page.
    private static let headerOffset: UInt = 4096 - 32
    private static let statusOffset: UInt = 4096 - 8

    /// Errors: 58030 with what the device lacks, 53200 without memory.
    init(_ function: PCIFunction, cores: [UInt32], frames: UnsafeMutablePointer<Frames>) throws(EngineError) {
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
        if offset + UInt64(byteCount) > geometry.byteCount {
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
        state.pointee.requests[number] = Request(tag: tag, byteCount: byteCount)
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

    func submit(_ core: CoreIndex) { queues[core].queue.publish() }

    func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>, now: Nanoseconds) -> Int {
        let state = queues + core
        var count = 0
        while count < events.count, let event = state.pointee.immediate.popLast() {
            events[count] = event
            count += 1
        }
        while count < events.count, let (number, _) = state.pointee.queue.takeUsed() {
            let status = dbk_read8(state.pointee.pages + UInt(number * pageSize) + Self.statusOffset)
            let request = state.pointee.commands[number].request
            if status != 0 { state.pointee.requests[request].hasFailed = true }
            state.pointee.requests[request].commandsLeft -= 1
            if state.pointee.requests[request].commandsLeft > 0 { continue }
            let done = state.pointee.requests[request]
            if done.needsFlush && !done.hasFailed {
                // The descriptor that has just become free is there for it.
                state.pointee.requests[request].needsFlush = false
                push(state, request, Operation.flush, sector: 0, segments: 0)
                continue
            }
            state.pointee.requests[request].nextFree = state.pointee.freeRequest
            state.pointee.freeRequest = request
            events[count] = CompletionEvent(tag: done.tag, result: done.hasFailed ? -PlatformErrno.io : done.byteCount)
            count += 1
        }
        state.pointee.queue.publish()
        return count
    }

    func hasCompletions(_ core: CoreIndex) -> Bool {
        let state = queues + core
        state.pointee.queue.setInterrupts(true)
        if !state.pointee.queue.hasUsed && state.pointee.immediate.isEmpty { return false }
        state.pointee.queue.setInterrupts(false)
        return true
    }
    func isWaiting(_ core: CoreIndex) -> Bool { queues[core].queue.inFlightCount > 0 }
    func canInterrupt(_ core: CoreIndex) -> Bool { transport.canInterrupt(core) }
}
