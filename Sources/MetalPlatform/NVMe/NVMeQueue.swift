// A pair of submission and completion queue, for one core (NVM Express 1.4, section 4): entries are written to the ring as
// requests come and shown to the device by one doorbell per batch; completions are found by their phase bit, read with
// acquire semantics before the rest of the entry.

import CMetal
import Platform

struct NVMeQueue: ~Copyable {
    /// Requests of several commands end with the last one; the first error counts.
    struct Request: BitwiseCopyable {
        var tag: Tag = 0
        var commandsLeft: UInt32 = 0
        /// NVMe status field, 0 is success.
        var status: UInt32 = 0
        var byteCount = 0
        var deadline = Nanoseconds.never
        var nextFree: UInt16 = 0
    }

    let entryCount: Int
    private let submission: UnsafeMutablePointer<NVMeCommand>
    private let completion: UInt
    private let submissionBell: UInt
    private let completionBell: UInt
    private var tail = 0
    private var rungTail = 0
    private var head = 0
    private var phase: UInt16 = 1
    /// Command identifiers not in use, as a stack.
    private let freeCommands: UnsafeMutablePointer<UInt16>
    private(set) var freeCount: Int
    /// Request of each command in flight.
    private let requestOfCommand: UnsafeMutablePointer<UInt16>
    let requests: UnsafeMutablePointer<Request>
    private var firstFreeRequest: UInt16 = 0
    /// One page of addresses for each command.
    private let lists: UInt
    private var nextLook = Nanoseconds(0)
    /// Requests that ended without the device.
    var immediate: [CompletionEvent] = []

    var submissionAddress: PhysicalAddress { UInt(bitPattern: submission) }
    var completionAddress: PhysicalAddress { completion }
    /// Commands that may be in flight: a full ring would look empty.
    var capacity: Int { entryCount - 1 }
    var isWaiting: Bool { freeCount < capacity || !immediate.isEmpty }

    /// Nil if there is no memory.
    init?(
        number: Int, entryCount: Int, registers: UInt, doorbellStride: UInt, hasLists: Bool,
        frames: UnsafeMutablePointer<Frames>
    ) {
        let submissionBytes = roundUp(entryCount * 64, pageSize)
        let completionBytes = roundUp(entryCount * 16, pageSize)
        let listBytes = hasLists ? entryCount * pageSize : 0
        let total = submissionBytes + completionBytes + listBytes
        guard let base = frames.pointee.allocateRun(total / pageSize) else { return nil }
        clear(base, byteCount: submissionBytes + completionBytes)
        self.entryCount = entryCount
        submission = UnsafeMutablePointer(bitPattern: base).unsafelyUnwrapped
        completion = base + UInt(submissionBytes)
        lists = completion + UInt(completionBytes)
        submissionBell = registers + NVMeRegister.doorbells + UInt(2 * number) * doorbellStride
        completionBell = submissionBell + doorbellStride
        freeCommands = .allocate(capacity: entryCount)
        requestOfCommand = .allocate(capacity: entryCount)
        requests = .allocate(capacity: entryCount)
        freeCount = entryCount - 1
        for index in 0..<entryCount {
            freeCommands[index] = UInt16(index)
            requestOfCommand[index] = 0
            requests[index] = Request(nextFree: UInt16(index + 1))
        }
        immediate.reserveCapacity(16)
    }

    // MARK: Submission

    /// A request of `commandCount` commands; there must be as many free.
    mutating func open(tag: Tag, commandCount: Int, byteCount: Int, deadline: Nanoseconds) -> UInt16 {
        let number = firstFreeRequest
        firstFreeRequest = requests[Int(number)].nextFree
        requests[Int(number)] = Request(
            tag: tag, commandsLeft: UInt32(commandCount), byteCount: byteCount, deadline: deadline)
        return number
    }

    /// The page for the addresses of the command that is pushed next.
    var nextList: UnsafeMutablePointer<UInt64> {
        let command = freeCommands[freeCount - 1]
        return UnsafeMutablePointer(bitPattern: lists + UInt(command) * UInt(pageSize)).unsafelyUnwrapped
    }

    mutating func push(_ command: NVMeCommand, request: UInt16) {
        freeCount -= 1
        let identifier = freeCommands[freeCount]
        requestOfCommand[Int(identifier)] = request
        submission[tail] = command
        submission[tail].head |= UInt32(identifier) << 16
        tail = tail + 1 == entryCount ? 0 : tail + 1
    }

    mutating func ring() {
        if tail == rungTail { return }
        rungTail = tail
        dbk_full_fence()
        dbk_write32(submissionBell, UInt32(tail))
    }

    // MARK: Completion

    var hasCompletion: Bool {
        dbk_read16_acquire(completion + UInt(head * 16 + 14)) & 1 == phase || !immediate.isEmpty
    }

    /// Takes completions until `capacity` requests have ended; `body` is given each of them. Rings once.
    mutating func take(_ capacity: Int, _ body: (Request, UInt32) -> Void) {
        var ended = 0
        var taken = 0
        while ended < capacity {
            let at = completion + UInt(head * 16)
            let mark = dbk_read16_acquire(at + 14)
            if mark & 1 != phase { break }
            let result = dbk_read32(at)
            let identifier = dbk_read16(at + 12)
            head += 1
            taken += 1
            if head == entryCount {
                head = 0
                phase ^= 1
            }
            precondition(Int(identifier) < entryCount, "the device completes a command that was never sent")
            let number = requestOfCommand[Int(identifier)]
            freeCommands[freeCount] = identifier
            freeCount += 1
            let request = requests + Int(number)
            precondition(request.pointee.commandsLeft > 0, "the device completes a command twice")
            let status = UInt32(mark >> 1) & 0x7ff
            if status != 0 && request.pointee.status == 0 { request.pointee.status = status }
            request.pointee.commandsLeft -= 1
            if request.pointee.commandsLeft == 0 {
                let done = request.pointee
                close(number)
                ended += 1
                body(done, result)
            }
        }
        if taken > 0 { dbk_write32(completionBell, UInt32(head)) }
    }

    private mutating func close(_ number: UInt16) {
        requests[Int(number)].commandsLeft = 0
        requests[Int(number)].nextFree = firstFreeRequest
        firstFreeRequest = number
    }

    /// True if a request in flight is past its deadline. Looks once in a second.
    mutating func isOverdue(_ now: Nanoseconds) -> Bool {
        if now < nextLook { return false }
        nextLook = now + .seconds(1)
        for index in 0..<entryCount
        where requests[index].commandsLeft > 0 && requests[index].deadline < now { return true }
        return false
    }

    /// Ends every request in flight with an error, for a device that is switched off.
    mutating func abandon(_ body: (Request) -> Void) {
        for index in 0..<entryCount where requests[index].commandsLeft > 0 {
            let request = requests[index]
            close(UInt16(index))
            body(request)
        }
        for index in 0..<entryCount { freeCommands[index] = UInt16(index) }
        freeCount = capacity
    }
}
