// An NVMe disk: one pair of queues for each core.
//
// The first namespace is the disk. Requests become commands of at most MDTS bytes; a command's pages are named by PRPs
// (4.3), whose rule that only the first may begin and only the last may end inside a page cuts a request where its vectors
// break it.
//
// A command that takes too long is aborted; if the device does not give it up, the controller is reset and everything in
// flight sent again. What still takes too long then fails, and a controller that does not come back fails everything.

import CMetal
import Platform

final class NVMeController: BlockDriver {
    let geometry: BlockGeometry
    let summary: String
    private var admin: NVMeAdmin
    private let queues: UnsafeMutablePointer<NVMeQueue>
    private let queueCount: Int
    private let blockShift: Int
    private let namespace: UInt32 = 1
    private let interrupts: MessageInterrupts?
    private let hasVolatileCache: Bool
    /// A durable write needs a flush after it.
    private let mustFlush: Bool
    /// The controller is off for good. Changes with every queue's lock held.
    private var isDead = false
    /// One core at a time deals with trouble; it comes before the queues' locks.
    private let troubleLock = SpinLock()
    private let timeLimit: Nanoseconds
    private let frames: UnsafeMutablePointer<Frames>
    private let clock: Clock
    private let log: (String) -> Void

    private static let queueEntries = 256
    /// Bytes in one request, which becomes as many commands as the device's own limit makes of it.
    private static let maxRequestByteCount = 1 << 20
    private let commandByteCount: Int

    /// `timeLimit` is how long a command may take. Errors: 58030 with what the device refuses or lacks, 53200 without memory.
    init(
        _ function: PCIFunction, cores: [UInt32], timeLimit: Nanoseconds, frames: UnsafeMutablePointer<Frames>,
        clock: Clock, log: @escaping (String) -> Void
    ) throws(EngineError) {
        self.timeLimit = timeLimit
        self.frames = frames
        self.clock = clock
        self.log = log
        function.enable()
        let registers = function.map(bar: 0, offset: 0, byteCount: 8192)
        if registers == 0 { throw NVMeAdmin.refusal("its registers cannot be mapped") }
        let capabilities = NVMeCapabilities(rawValue: dbk_read64(registers))
        guard capabilities.supportsNVMCommands else { throw NVMeAdmin.refusal("it has no NVM command set") }
        guard capabilities.minPageShift <= 12 else {
            throw NVMeAdmin.refusal("it wants memory pages larger than 4 KiB")
        }
        let doorbells = NVMeRegister.doorbells + UInt(2 * (cores.count + 1)) * capabilities.doorbellStride
        if function.map(bar: 0, offset: 0, byteCount: Int(doorbells)) == 0 {
            throw NVMeAdmin.refusal("its doorbells cannot be mapped")
        }
        interrupts = MessageInterrupts(function)
        var admin = try NVMeAdmin(
            registers: registers, capabilities: capabilities, clock: clock, frames: frames)
        try admin.stop()
        try admin.start()
        let identity = try Self.identify(&admin, namespace, frames)
        blockShift = identity.blockShift
        hasVolatileCache = identity.hasVolatileCache
        mustFlush = hasVolatileCache && Self.ignoresForcedAccess(function)

        queueCount = cores.count
        queues = .allocate(capacity: cores.count)
        let entries = min(Self.queueEntries, capabilities.maxQueueEntries)
        for core in 0..<cores.count {
            guard
                let queue = NVMeQueue(
                    number: core + 1, namespace: namespace, entryCount: entries, registers: registers,
                    doorbellStride: capabilities.doorbellStride, frames: frames)
            else { throw NVMeAdmin.noMemory }
            (queues + core).initialize(to: queue)
            if let interrupts, core + 1 < interrupts.count { interrupts.route(core + 1, to: cores[core]) }
        }
        let deviceLimit = identity.maxTransferByteCount == 0 ? Int.max : identity.maxTransferByteCount
        commandByteCount = min(deviceLimit, Self.maxRequestByteCount)
        geometry = BlockGeometry(
            byteCount: (identity.blockCount << UInt64(blockShift)) / UInt64(pageSize) * UInt64(pageSize),
            logicalBlockSize: 1 << blockShift, atomicWriteByteCount: identity.atomicBlockCount << blockShift,
            hasVolatileCache: identity.hasVolatileCache,
            maxTransferByteCount: Self.maxRequestByteCount, queueDepth: queues[0].capacity)
        summary =
            "\(String(decoding: identity.model, as: UTF8.self)), \(geometry.byteCount >> 20) MiB in blocks of "
            + "\(geometry.logicalBlockSize), \(cores.count) queues of \(queues[0].capacity) commands of up to "
            + "\(commandByteCount >> 10) KiB, "
            + (identity.hasVolatileCache ? "volatile cache" : "no volatile cache")
        self.admin = admin
        try createQueues()
    }

    private static func identify(
        _ admin: inout NVMeAdmin, _ namespace: UInt32, _ frames: UnsafeMutablePointer<Frames>
    ) throws(EngineError) -> NVMeIdentity {
        guard let page = frames.pointee.allocate(order: 0) else { throw NVMeAdmin.noMemory }
        defer { frames.pointee.free(page, order: 0) }
        var identity = NVMeIdentity()
        let memory = UnsafeRawPointer(bitPattern: page).unsafelyUnwrapped
        try admin.identify(1, namespace: 0, into: page)
        identity.readController(memory, minPageShift: admin.capabilities.minPageShift)
        try admin.identify(0, namespace: namespace, into: page)
        identity.readNamespace(memory)
        guard identity.blockCount > 0 else { throw NVMeAdmin.refusal("its first namespace is empty") }
        guard identity.blockShift == 9 || identity.blockShift == 12, identity.metadataByteCount == 0 else {
            throw NVMeAdmin.refusal("its first namespace has blocks of neither 512 nor 4096 plain bytes")
        }
        return identity
    }

    /// QEMU's controller takes writes with forced unit access for ordinary ones: seen with 7.2, whose block layer is asked for
    /// no flush. It has Red Hat's number, or Intel's.
    private static func ignoresForcedAccess(_ function: PCIFunction) -> Bool {
        (function.vendor == 0x1b36 && function.device == 0x0010)
            || (function.vendor == 0x8086 && function.device == 0x5845)
    }

    /// After each start of the controller.
    private func createQueues() throws(EngineError) {
        try admin.requestQueues(queueCount)
        for core in 0..<queueCount { try admin.create(queues[core], vector: canInterrupt(core) ? core + 1 : nil) }
    }

    // MARK: Requests

    func queue(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>, offset: UInt64,
        tag: Tag
    ) -> Bool {
        let queue = queues + core
        var byteCount = 0
        for vector in vectors { byteCount += vector.byteCount }
        queue.pointee.guardLock.lock()
        defer { queue.pointee.guardLock.unlock() }
        if isDead || offset + UInt64(byteCount) > geometry.byteCount {
            queue.pointee.immediate.append(CompletionEvent(tag: tag, result: -PlatformErrno.io))
            return true
        }
        let deadline = clock.now + timeLimit
        if operation == .flush || byteCount == 0 {
            if operation == .flush && hasVolatileCache {
                if queue.pointee.freeCount == 0 { return false }
                let request = queue.pointee.open(tag: tag, commandCount: 1, byteCount: 0, deadline: deadline)
                queue.pointee.push(NVMeCommand(NVMeOpcode.flush, namespace: namespace), request: request)
            } else {
                queue.pointee.immediate.append(CompletionEvent(tag: tag, result: 0))
            }
            return true
        }
        let count = pieces(vectors) { _ in }
        if queue.pointee.freeCount < count { return false }
        // Memory first: a request half queued could not be taken back.
        for vector in vectors where !isBacked(vector) {
            queue.pointee.immediate.append(CompletionEvent(tag: tag, result: -PlatformErrno.io))
            return true
        }
        let request = queue.pointee.open(tag: tag, commandCount: count, byteCount: byteCount, deadline: deadline)
        queue.pointee.requests[Int(request)].needsFlush = operation == .durableWrite && mustFlush
        var position = offset
        _ = pieces(vectors) { piece in
            var command = NVMeCommand(operation == .read ? NVMeOpcode.read : NVMeOpcode.write, namespace: namespace)
            address(&command, vectors, piece, queue)
            let block = position >> UInt64(blockShift)
            command.dword10 = UInt32(truncatingIfNeeded: block)
            command.dword11 = UInt32(truncatingIfNeeded: block >> 32)
            command.dword12 =
                UInt32(piece.byteCount >> blockShift - 1)
                | (operation == .durableWrite && hasVolatileCache ? 1 << 30 : 0)
            queue.pointee.push(command, request: request)
            position += UInt64(piece.byteCount)
        }
        return true
    }

    /// A stretch of the vectors that one command can move.
    private struct Piece {
        var vector: Int
        var offset: Int
        var byteCount: Int
    }

    /// Cuts the vectors; how many pieces there are.
    private func pieces(_ vectors: UnsafeMutableBufferPointer<IOVector>, _ body: (Piece) -> Void) -> Int {
        let limit = commandByteCount
        var count = 0
        var piece = Piece(vector: 0, offset: 0, byteCount: 0)
        for index in 0..<vectors.count {
            var offset = 0
            while offset < vectors[index].byteCount {
                let address = UInt(bitPattern: vectors[index].base) + UInt(offset)
                let isFull = piece.byteCount == limit
                // Joining wants the page boundary on both sides.
                let isBroken =
                    piece.byteCount > 0 && offset == 0 && (address % 4096 != 0 || !endsOnPage(vectors, index))
                if isFull || isBroken {
                    body(piece)
                    count += 1
                    piece = Piece(vector: index, offset: offset, byteCount: 0)
                }
                if piece.byteCount == 0 { piece = Piece(vector: index, offset: offset, byteCount: 0) }
                let part = min(vectors[index].byteCount - offset, limit - piece.byteCount)
                piece.byteCount += part
                offset += part
            }
        }
        if piece.byteCount > 0 {
            body(piece)
            count += 1
        }
        return count
    }

    /// True if the vector before `index` ends on a page boundary.
    private func endsOnPage(_ vectors: UnsafeMutableBufferPointer<IOVector>, _ index: Int) -> Bool {
        var before = index - 1
        while before >= 0 && vectors[before].byteCount == 0 { before -= 1 }
        if before < 0 { return true }
        return (UInt(bitPattern: vectors[before].base) + UInt(vectors[before].byteCount)) % 4096 == 0
    }

    /// Writes the piece's pages into the command's PRPs, with a list page for more than two.
    private func address(
        _ command: inout NVMeCommand, _ vectors: UnsafeMutableBufferPointer<IOVector>, _ piece: Piece,
        _ queue: UnsafeMutablePointer<NVMeQueue>
    ) {
        let list = queue.pointee.nextList
        var pages = 0
        var left = piece.byteCount
        var vector = piece.vector
        var offset = piece.offset
        while left > 0 {
            if offset == vectors[vector].byteCount {
                vector += 1
                offset = 0
                continue
            }
            let pointer = vectors[vector].base + offset
            guard let physical = physicalAddress(pointer) else {
                preconditionFailure("memory went from under a request")
            }
            let part = min(left, vectors[vector].byteCount - offset, 4096 - Int(UInt(bitPattern: pointer) & 4095))
            if pages == 0 { command.prp1 = UInt64(physical) } else { list[pages - 1] = UInt64(physical) }
            pages += 1
            left -= part
            offset += part
        }
        if pages == 2 { command.prp2 = list[0] }
        if pages > 2 { command.prp2 = UInt64(UInt(bitPattern: list)) }
    }

    func submit(_ core: CoreIndex) {
        let queue = queues + core
        queue.pointee.guardLock.lock()
        if !isDead { queue.pointee.ring() }
        queue.pointee.guardLock.unlock()
    }

    func hasCompletions(_ core: CoreIndex) -> Bool {
        queues[core].guardLock.lock()
        defer { queues[core].guardLock.unlock() }
        return queues[core].hasCompletion
    }

    func isWaiting(_ core: CoreIndex) -> Bool {
        queues[core].guardLock.lock()
        defer { queues[core].guardLock.unlock() }
        return queues[core].isWaiting
    }

    func canInterrupt(_ core: CoreIndex) -> Bool { interrupts.map { core + 1 < $0.count } ?? false }

    func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>, now: Nanoseconds) -> Int {
        let queue = queues + core
        var count = 0
        queue.pointee.guardLock.lock()
        while count < events.count, let event = queue.pointee.immediate.popLast() {
            events[count] = event
            count += 1
        }
        var isLookDue = false
        if !isDead {
            queue.pointee.take(events.count - count, deadline: now + timeLimit) { request, _ in
                events[count] = event(request)
                count += 1
            }
            queue.pointee.ring()
            isLookDue = queue.pointee.isLookDue(now)
        }
        queue.pointee.guardLock.unlock()
        if isLookDue { lookForLate(core) }
        return count
    }

    private func event(_ request: NVMeQueue.Request) -> CompletionEvent {
        if request.status == 0 { return CompletionEvent(tag: request.tag, result: request.byteCount) }
        let status = NVMeStatus(rawValue: request.status)
        log("NVMe: a command failed with status type \(status.code >> 8), code \(status.code & 0xff)")
        return CompletionEvent(tag: request.tag, result: -PlatformErrno.io)
    }

    /// The SMART log. Milliseconds.
    func health() -> [String] {
        troubleLock.lock()
        defer { troubleLock.unlock() }
        if isDead { return ["the controller is off: it did not come back from a reset"] }
        guard let page = frames.pointee.allocate(order: 0) else { return ["there is no memory to ask for its health"] }
        do throws(EngineError) {
            try admin.readHealth(into: page)
        } catch {
            // The device may still write there.
            return [error.message]
        }
        defer { frames.pointee.free(page, order: 0) }
        return NVMeHealth(UnsafeRawPointer(bitPattern: page).unsafelyUnwrapped).lines
    }

    // MARK: Trouble

    /// If a command of this core's takes too long: aborts it, or resets the controller if it was aborted before or the device
    /// does not give it up.
    private func lookForLate(_ core: CoreIndex) {
        troubleLock.lock()
        defer { troubleLock.unlock() }
        let queue = queues + core
        queue.pointee.guardLock.lock()
        // Whoever had the lock before may have reset the controller.
        var late = isDead ? nil : queue.pointee.late(clock.now)
        if let identifier = late {
            let request = queue.pointee.request(of: identifier)
            if !request.pointee.isAborted {
                log("NVMe: a command takes longer than \(timeLimit.rawValue / 1_000_000_000) s: aborting it")
                request.pointee.isAborted = true
                request.pointee.deadline = clock.now + .seconds(1)
                if admin.abort(identifier, of: core + 1) { late = nil }
            }
        }
        queue.pointee.guardLock.unlock()
        if late != nil { reset() }
    }

    /// Off, so that the device writes to no memory of requests that it may have forgotten; what has completed until then is
    /// taken; on, and the rest is sent again. Milliseconds, or as long as the device says (CAP.TO); cores that want the disk
    /// wait for it. Flushed or not, what was written stays written: a reset takes no power away (NVM Express 1.4, 7.3.2).
    private func reset() {
        for core in 0..<queueCount { queues[core].guardLock.lock() }
        defer { for core in 0..<queueCount { queues[core].guardLock.unlock() } }
        log("NVMe: resetting the controller")
        do throws(EngineError) {
            try admin.stop()
            for core in 0..<queueCount {
                var ended: [CompletionEvent] = []
                queues[core].take(.max) { request, _ in ended.append(event(request)) }
                queues[core].immediate += ended
                queues[core].clearRings()
            }
            try admin.start()
            try createQueues()
        } catch {
            log("NVMe: the controller does not come back: \(error.message)")
            isDead = true
        }
        var count = 0
        let deadline = clock.now + timeLimit
        for core in 0..<queueCount {
            var ended: [CompletionEvent] = []
            if isDead {
                queues[core].abandon { ended.append(event($0)) }
            } else {
                count += queues[core].sendAgain(deadline: deadline) { ended.append(event($0)) }
                queues[core].ring()
            }
            queues[core].immediate += ended
        }
        if !isDead { log("NVMe: the controller is back, \(count) commands are sent again") }
    }
}
