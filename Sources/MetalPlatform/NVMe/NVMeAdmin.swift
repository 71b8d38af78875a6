// The controller itself (NVM Express 1.4, 7.6.1 and 7.3.2): off, the admin queue, on, and the commands that set it up. A reset
// is the same once more, over the same memory.

import CMetal
import Platform

struct NVMeAdmin: ~Copyable {
    let registers: UInt
    let capabilities: NVMeCapabilities
    private let clock: Clock
    private var queue: NVMeQueue
    /// An admin command that is not answered for so long never will be.
    private static let patience = Nanoseconds.seconds(5)

    /// Errors: 53200 without memory.
    init(
        registers: UInt, capabilities: NVMeCapabilities, clock: Clock, frames: UnsafeMutablePointer<Frames>
    ) throws(EngineError) {
        self.registers = registers
        self.capabilities = capabilities
        self.clock = clock
        guard
            let queue = NVMeQueue(
                number: 0, namespace: nil, entryCount: min(32, capabilities.maxQueueEntries), registers: registers,
                doorbellStride: capabilities.doorbellStride, frames: frames)
        else { throw Self.noMemory }
        self.queue = queue
    }

    static func refusal(_ why: String) -> EngineError {
        EngineError(.ioError, "cannot use the NVMe disk: \(why)", severity: .fatal)
    }
    static var noMemory: EngineError {
        EngineError(.outOfMemory, "out of memory for the NVMe disk's queues", severity: .fatal)
    }

    // MARK: On and off

    /// Off, it forgets its queues and touches no memory any more. Errors: 58030 if it does not obey.
    func stop() throws(EngineError) { try setEnabled(false, 0) }

    /// From off to on with an empty admin queue. Errors: 58030.
    mutating func start() throws(EngineError) {
        queue.abandon { _ in }
        queue.clearRings()
        let entries = UInt32(queue.entryCount - 1)
        dbk_write32(registers + NVMeRegister.adminAttributes, entries << 16 | entries)
        dbk_write64(registers + NVMeRegister.adminSubmission, UInt64(queue.submissionAddress))
        dbk_write64(registers + NVMeRegister.adminCompletion, UInt64(queue.completionAddress))
        // Entries of 2^6 and 2^4 bytes, 4 KiB pages, NVM commands, enabled.
        try setEnabled(true, 6 << 16 | 4 << 20)
    }

    private func setEnabled(_ isEnabled: Bool, _ settings: UInt32) throws(EngineError) {
        dbk_write32(registers + NVMeRegister.configuration, settings | (isEnabled ? 1 : 0))
        let limit = clock.now + Nanoseconds(capabilities.timeout)
        while true {
            let status = dbk_read32(registers + NVMeRegister.status)
            // All ones: it is not there any more.
            if status == .max { throw Self.refusal("it does not answer") }
            if status & 2 != 0 && isEnabled { throw Self.refusal("it reports a fatal status") }
            if status & 1 == (isEnabled ? 1 : 0) { return }
            if limit < clock.now { throw Self.refusal("it does not become \(isEnabled ? "ready" : "idle")") }
        }
    }

    // MARK: Commands

    /// One command, waited for; the completion's first word.
    private mutating func run(_ command: NVMeCommand, _ what: String) throws(EngineError) -> UInt32 {
        let request = queue.open(tag: 1, commandCount: 1, byteCount: 0, deadline: .never)
        queue.push(command, request: request)
        queue.ring()
        let limit = clock.now + Self.patience
        var answer: (status: UInt32, result: UInt32)?
        while answer == nil {
            queue.take(1) { answer = ($0.status, $1) }
            if limit < clock.now { throw Self.refusal("it does not answer to \(what)") }
        }
        queue.ring()
        guard let (status, result) = answer, status == 0 else {
            throw Self.refusal("it refuses \(what) with status \(answer?.status ?? 0)")
        }
        return result
    }

    mutating func identify(_ structure: UInt32, namespace: UInt32, into page: UInt) throws(EngineError) {
        var command = NVMeCommand(NVMeAdminOpcode.identify, namespace: namespace)
        command.prp1 = UInt64(page)
        command.dword10 = structure
        _ = try run(command, "Identify")
    }

    /// The controller's health, into a page. Errors: 58030.
    mutating func readHealth(into page: UInt) throws(EngineError) {
        var command = NVMeCommand(NVMeAdminOpcode.getLogPage, namespace: .max)
        command.prp1 = UInt64(page)
        command.dword10 = UInt32(NVMeHealth.byteCount / 4 - 1) << 16 | 2
        _ = try run(command, "Get Log Page")
    }

    /// Asks for `count` pairs of queues. Errors: 58030 if there are fewer.
    mutating func requestQueues(_ count: Int) throws(EngineError) {
        var command = NVMeCommand(NVMeAdminOpcode.setFeatures)
        command.dword10 = 7
        command.dword11 = UInt32(count - 1) << 16 | UInt32(count - 1)
        let granted = try run(command, "a queue for each core")
        let pairs = Int(min(granted & 0xffff, granted >> 16)) + 1
        if pairs < count { throw Self.refusal("it has \(pairs) queues for \(count) cores") }
    }

    /// `vector`: the interrupt of completions; nil for none.
    mutating func create(_ pair: borrowing NVMeQueue, vector: Int?) throws(EngineError) {
        let number = UInt32(pair.number)
        let size = UInt32(pair.entryCount - 1) << 16
        var completion = NVMeCommand(NVMeAdminOpcode.createCompletionQueue)
        completion.prp1 = UInt64(pair.completionAddress)
        completion.dword10 = size | number
        completion.dword11 = (vector.map { UInt32($0) << 16 | 2 } ?? 0) | 1
        _ = try run(completion, "a completion queue")
        var submission = NVMeCommand(NVMeAdminOpcode.createSubmissionQueue)
        submission.prp1 = UInt64(pair.submissionAddress)
        submission.dword10 = size | number
        submission.dword11 = number << 16 | 1
        _ = try run(submission, "a submission queue")
    }

    /// True if the device has given the command up: its completion comes, or has come.
    mutating func abort(_ identifier: UInt16, of queueNumber: Int) -> Bool {
        var command = NVMeCommand(NVMeAdminOpcode.abort)
        command.dword10 = UInt32(identifier) << 16 | UInt32(queueNumber)
        do throws(EngineError) {
            return try run(command, "Abort") & 1 == 0
        } catch {
            return false
        }
    }
}
