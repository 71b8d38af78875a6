// An NVMe disk: controller set-up by the book (NVM Express 1.4, 7.6.1), then one queue pair for each core.
//
// The first namespace is the disk. Requests become commands of at most MDTS bytes; a command's pages are named by PRPs
// (4.3), whose rule that only the first may begin and only the last may end inside a page cuts a request where its vectors
// break it. A command that takes too long switches the controller off, so that it writes to no memory any more; from then
// on every request fails.

import CMetal
import Platform

final class NVMeController: BlockDriver {
    let geometry: BlockGeometry
    let summary: String
    private let registers: UInt
    private let capabilities: NVMeCapabilities
    private let queues: UnsafeMutablePointer<NVMeQueue>
    private let blockShift: Int
    private let namespace: UInt32 = 1
    private let interrupts: MessageInterrupts?
    private let hasVolatileCache: Bool
    /// A command took too long and the controller is off.
    private var isDead = false
    private let clock: Clock
    private let log: (String) -> Void

    private static let queueEntries = 256
    /// Bytes in one request, which becomes as many commands as the device's own limit makes of it.
    private static let maxRequestByteCount = 1 << 20
    private let commandByteCount: Int
    static let timeLimit = Nanoseconds.seconds(20)

    /// Errors: 58030 with what the device refuses or lacks, 53200 without memory.
    init(
        _ function: PCIFunction, cores: [UInt32], frames: UnsafeMutablePointer<Frames>, clock: Clock,
        log: @escaping (String) -> Void
    ) throws(EngineError) {
        self.clock = clock
        self.log = log
        function.enable()
        let registers = function.map(bar: 0, offset: 0, byteCount: 8192)
        if registers == 0 { throw Self.refusal("its registers cannot be mapped") }
        let capabilities = NVMeCapabilities(rawValue: dbk_read64(registers))
        guard capabilities.supportsNVMCommands else { throw Self.refusal("it has no NVM command set") }
        guard capabilities.minPageShift <= 12 else { throw Self.refusal("it wants memory pages larger than 4 KiB") }
        let doorbells = NVMeRegister.doorbells + UInt(2 * (cores.count + 1)) * capabilities.doorbellStride
        if function.map(bar: 0, offset: 0, byteCount: Int(doorbells)) == 0 {
            throw Self.refusal("its doorbells cannot be mapped")
        }
        self.registers = registers
        self.capabilities = capabilities
        interrupts = MessageInterrupts(function)

        // Off, admin queue, on.
        try Self.setEnabled(false, 0, registers, capabilities, clock)
        let adminEntries = min(32, capabilities.maxQueueEntries)
        guard
            var admin = NVMeQueue(
                number: 0, entryCount: adminEntries, registers: registers, doorbellStride: capabilities.doorbellStride,
                hasLists: false, frames: frames),
            let page = frames.pointee.allocate(order: 0)
        else { throw Self.noMemory }
        defer { frames.pointee.free(page, order: 0) }
        dbk_write32(registers + NVMeRegister.adminAttributes, UInt32(adminEntries - 1) << 16 | UInt32(adminEntries - 1))
        dbk_write64(registers + NVMeRegister.adminSubmission, UInt64(admin.submissionAddress))
        dbk_write64(registers + NVMeRegister.adminCompletion, UInt64(admin.completionAddress))
        // Entries of 2^6 and 2^4 bytes, 4 KiB pages, NVM commands, enabled.
        try Self.setEnabled(true, 6 << 16 | 4 << 20, registers, capabilities, clock)

        var identity = NVMeIdentity()
        let memory = UnsafeRawPointer(bitPattern: page).unsafelyUnwrapped
        _ = try Self.identify(1, namespace: 0, into: page, &admin, clock)
        identity.readController(memory, minPageShift: capabilities.minPageShift)
        _ = try Self.identify(0, namespace: namespace, into: page, &admin, clock)
        identity.readNamespace(memory)
        guard identity.blockCount > 0 else { throw Self.refusal("its first namespace is empty") }
        guard identity.blockShift == 9 || identity.blockShift == 12, identity.metadataByteCount == 0 else {
            throw Self.refusal("its first namespace has blocks of neither 512 nor 4096 plain bytes")
        }
        blockShift = identity.blockShift
        hasVolatileCache = identity.hasVolatileCache

        queues = try Self.makeQueues(
            cores, registers, capabilities, interrupts, &admin, frames: frames, clock: clock)
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
    }

    private static func refusal(_ why: String) -> EngineError {
        EngineError(.ioError, "cannot use the NVMe disk: \(why)", severity: .fatal)
    }
    private static var noMemory: EngineError {
        EngineError(.outOfMemory, "out of memory for the NVMe disk's queues", severity: .fatal)
    }

    // MARK: Set-up

    private static func setEnabled(
        _ isEnabled: Bool, _ settings: UInt32, _ registers: UInt, _ capabilities: NVMeCapabilities, _ clock: Clock
    ) throws(EngineError) {
        dbk_write32(registers + NVMeRegister.configuration, settings | (isEnabled ? 1 : 0))
        let limit = clock.now + Nanoseconds(capabilities.timeout)
        while true {
            let status = dbk_read32(registers + NVMeRegister.status)
            if status & 2 != 0 && isEnabled { throw refusal("it reports a fatal status") }
            if status & 1 == (isEnabled ? 1 : 0) { return }
            if limit < clock.now { throw refusal("it does not become \(isEnabled ? "ready" : "idle")") }
        }
    }

    /// One admin command, waited for; the completion's first word.
    private static func run(
        _ command: NVMeCommand, _ queue: inout NVMeQueue, _ clock: Clock, _ what: String
    ) throws(EngineError) -> UInt32 {
        let request = queue.open(tag: 1, commandCount: 1, byteCount: 0, deadline: .never)
        queue.push(command, request: request)
        queue.ring()
        let limit = clock.now + timeLimit
        var answer: (status: UInt32, result: UInt32)?
        while answer == nil {
            queue.take(1) { answer = ($0.status, $1) }
            if limit < clock.now { throw refusal("it does not answer to \(what)") }
        }
        guard let (status, result) = answer, status == 0 else {
            throw refusal("it refuses \(what) with status \(answer?.status ?? 0)")
        }
        return result
    }

    private static func identify(
        _ structure: UInt32, namespace: UInt32, into page: UInt, _ queue: inout NVMeQueue, _ clock: Clock
    ) throws(EngineError) -> UInt32 {
        var command = NVMeCommand(NVMeAdmin.identify, namespace: namespace)
        command.prp1 = UInt64(page)
        command.dword10 = structure
        return try run(command, &queue, clock, "Identify")
    }

    private static func makeQueues(
        _ cores: [UInt32], _ registers: UInt, _ capabilities: NVMeCapabilities, _ interrupts: MessageInterrupts?,
        _ admin: inout NVMeQueue, frames: UnsafeMutablePointer<Frames>, clock: Clock
    ) throws(EngineError) -> UnsafeMutablePointer<NVMeQueue> {
        var count = NVMeCommand(NVMeAdmin.setFeatures)
        count.dword10 = 7
        count.dword11 = UInt32(cores.count - 1) << 16 | UInt32(cores.count - 1)
        let granted = try run(count, &admin, clock, "a queue for each core")
        if Int(min(granted & 0xffff, granted >> 16)) + 1 < cores.count {
            throw refusal("it has \(min(granted & 0xffff, granted >> 16) + 1) queues for \(cores.count) cores")
        }
        let queues = UnsafeMutablePointer<NVMeQueue>.allocate(capacity: cores.count)
        let entries = min(queueEntries, capabilities.maxQueueEntries)
        for core in 0..<cores.count {
            guard
                let queue = NVMeQueue(
                    number: core + 1, entryCount: entries, registers: registers,
                    doorbellStride: capabilities.doorbellStride, hasLists: true, frames: frames)
            else { throw noMemory }
            let hasVector = interrupts.map { core + 1 < $0.count } ?? false
            if hasVector { interrupts?.route(core + 1, to: cores[core]) }
            var completion = NVMeCommand(NVMeAdmin.createCompletionQueue)
            completion.prp1 = UInt64(queue.completionAddress)
            completion.dword10 = UInt32(entries - 1) << 16 | UInt32(core + 1)
            completion.dword11 = (hasVector ? UInt32(core + 1) << 16 | 2 : 0) | 1
            _ = try run(completion, &admin, clock, "a completion queue")
            var submission = NVMeCommand(NVMeAdmin.createSubmissionQueue)
            submission.prp1 = UInt64(queue.submissionAddress)
            submission.dword10 = UInt32(entries - 1) << 16 | UInt32(core + 1)
            submission.dword11 = UInt32(core + 1) << 16 | 1
            _ = try run(submission, &admin, clock, "a submission queue")
            (queues + core).initialize(to: queue)
        }
        return queues
    }

    // MARK: Requests

    func queue(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>, offset: UInt64,
        tag: Tag
    ) -> Bool {
        let queue = queues + core
        var byteCount = 0
        for vector in vectors { byteCount += vector.byteCount }
        if isDead || offset + UInt64(byteCount) > geometry.byteCount {
            queue.pointee.immediate.append(CompletionEvent(tag: tag, result: -PlatformErrno.io))
            return true
        }
        let deadline = clock.now + Self.timeLimit
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
        var position = offset
        _ = pieces(vectors) { piece in
            var command = NVMeCommand(operation == .read ? NVMeOpcode.read : NVMeOpcode.write, namespace: namespace)
            address(&command, vectors, piece, queue)
            let block = position >> UInt64(blockShift)
            command.dword10 = UInt32(truncatingIfNeeded: block)
            command.dword11 = UInt32(truncatingIfNeeded: block >> 32)
            command.dword12 =
                UInt32(piece.byteCount >> blockShift - 1) | (operation == .durableWrite ? 1 << 30 : 0)
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

    func submit(_ core: CoreIndex) { queues[core].ring() }

    func hasCompletions(_ core: CoreIndex) -> Bool { queues[core].hasCompletion || isDead }
    func isWaiting(_ core: CoreIndex) -> Bool { queues[core].isWaiting }
    func canInterrupt(_ core: CoreIndex) -> Bool { interrupts.map { core + 1 < $0.count } ?? false }

    func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>, now: Nanoseconds) -> Int {
        let queue = queues + core
        var count = 0
        while count < events.count, let event = queue.pointee.immediate.popLast() {
            events[count] = event
            count += 1
        }
        if isDead {
            queue.pointee.abandon {
                queue.pointee.immediate.append(CompletionEvent(tag: $0.tag, result: -PlatformErrno.io))
            }
            return count
        }
        queue.pointee.take(events.count - count) { request, _ in
            events[count] = CompletionEvent(
                tag: request.tag, result: request.status == 0 ? request.byteCount : -PlatformErrno.io)
            count += 1
            if request.status != 0 { complain(request.status) }
        }
        if count == 0 && queue.pointee.freeCount < queue.pointee.capacity && queue.pointee.isOverdue(now) {
            switchOff()
        }
        return count
    }

    private func complain(_ status: UInt32) {
        log("NVMe: a command failed with status type \(status >> 8 & 7), code \(status & 0xff)")
    }

    /// The device owes an answer for too long. Off, it touches no memory any more; what it was asked has failed.
    private func switchOff() {
        log(
            "NVMe: a command has taken longer than \(Self.timeLimit.rawValue / 1_000_000_000) s: switching the controller off"
        )
        dbk_write32(registers + NVMeRegister.configuration, 0)
        let limit = clock.now + Nanoseconds(capabilities.timeout)
        while dbk_read32(registers + NVMeRegister.status) & 1 != 0 && clock.now < limit {}
        isDead = true
    }
}
