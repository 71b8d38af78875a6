// A pair of submission and completion queue, for one core (NVM Express 1.4, section 4): entries are written to the ring as
// requests come and shown to the device by one doorbell per batch; completions are found by their phase bit, read with
// acquire semantics before the rest of the entry.
//
// A command is kept until it is complete, so that it can be sent again: after a transient status, or after a reset, which
// forgets every queue. Reads and writes may be repeated, since nobody overwrites or reuses what a request in flight covers.

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
        /// How often its commands have been sent again.
        var repeats: UInt16 = 0
        var isAborted = false
        /// A flush follows once its commands are done.
        var needsFlush = false
        var nextFree: UInt16 = 0
    }

    /// A command is sent again this often, then its request fails.
    private static let maxRepeats: UInt16 = 2
    private static let free = UInt16.max

    /// Held by the core that uses the queue, and by the one that resets the controller.
    let guardLock = SpinLock()
    let number: Int
    let entryCount: Int
    private let submission: UnsafeMutablePointer<NVMeCommand>
    private let completion: UInt
    private let submissionBell: UInt
    private let completionBell: UInt
    private var tail = 0
    private var rungTail = 0
    private var head = 0
    private var rungHead = 0
    private var phase: UInt16 = 1
    /// Command identifiers not in use, as a stack.
    private let freeCommands: UnsafeMutablePointer<UInt16>
    private(set) var freeCount: Int
    /// Request of each command in flight, `free` for the others.
    private let requestOfCommand: UnsafeMutablePointer<UInt16>
    /// What was sent, by identifier.
    private let commands: UnsafeMutablePointer<NVMeCommand>
    let requests: UnsafeMutablePointer<Request>
    private var firstFreeRequest: UInt16 = 0
    /// One page of addresses for each command.
    private let lists: UInt
    private let flush: NVMeCommand
    private var nextLook = Nanoseconds(0)
    /// Requests that ended without the device.
    var immediate: [CompletionEvent] = []

    var submissionAddress: PhysicalAddress { UInt(bitPattern: submission) }
    var completionAddress: PhysicalAddress { completion }
    /// Commands that may be in flight: a full ring would look empty.
    var capacity: Int { entryCount - 1 }
    var isWaiting: Bool { freeCount < capacity || !immediate.isEmpty }

    /// For a `namespace`, or the admin queue. Nil if there is no memory.
    init?(
        number: Int, namespace: UInt32?, entryCount: Int, registers: UInt, doorbellStride: UInt,
        frames: UnsafeMutablePointer<Frames>
    ) {
        let submissionBytes = roundUp(entryCount * 64, pageSize)
        let completionBytes = roundUp(entryCount * 16, pageSize)
        let listBytes = namespace != nil ? entryCount * pageSize : 0
        let total = submissionBytes + completionBytes + listBytes
        guard let base = frames.pointee.allocateRun(total / pageSize) else { return nil }
        clear(base, byteCount: submissionBytes + completionBytes)
        self.number = number
        flush = NVMeCommand(NVMeOpcode.flush, namespace: namespace ?? 0)
        self.entryCount = entryCount
        submission = UnsafeMutablePointer(bitPattern: base).unsafelyUnwrapped
        completion = base + UInt(submissionBytes)
        lists = completion + UInt(completionBytes)
        submissionBell = registers + NVMeRegister.doorbells + UInt(2 * number) * doorbellStride
        completionBell = submissionBell + doorbellStride
        freeCommands = .allocate(capacity: entryCount)
        requestOfCommand = .allocate(capacity: entryCount)
        commands = .allocate(capacity: entryCount)
        requests = .allocate(capacity: entryCount)
        freeCount = entryCount - 1
        for index in 0..<entryCount {
            freeCommands[index] = UInt16(index)
            requestOfCommand[index] = Self.free
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
        commands[Int(identifier)] = command
        commands[Int(identifier)].head |= UInt32(identifier) << 16
        send(identifier)
    }

    /// There is room: no more commands are in flight than the ring has entries.
    private mutating func send(_ identifier: UInt16) {
        submission[tail] = commands[Int(identifier)]
        tail = tail + 1 == entryCount ? 0 : tail + 1
    }

    /// Shows the device what was pushed and what was taken.
    mutating func ring() {
        if tail != rungTail {
            rungTail = tail
            dbk_full_fence()
            dbk_write32(submissionBell, UInt32(tail))
        }
        if head != rungHead {
            rungHead = head
            dbk_write32(completionBell, UInt32(head))
        }
    }

    // MARK: Completion

    var hasCompletion: Bool {
        dbk_read16_acquire(completion + UInt(head * 16 + 14)) & 1 == phase || !immediate.isEmpty
    }

    /// Takes completions until `capacity` requests have ended; `body` is given each of them and the last completion's first
    /// word. What ended for a transient reason is sent again and has time until `deadline`. `ring` comes after.
    mutating func take(_ capacity: Int, deadline: Nanoseconds = .never, _ body: (Request, UInt32) -> Void) {
        var ended = 0
        while ended < capacity {
            let at = completion + UInt(head * 16)
            let mark = dbk_read16_acquire(at + 14)
            if mark & 1 != phase { break }
            let result = dbk_read32(at)
            let identifier = dbk_read16(at + 12)
            head += 1
            if head == entryCount {
                head = 0
                phase ^= 1
            }
            precondition(Int(identifier) < entryCount, "the device completes a command that was never sent")
            let number = requestOfCommand[Int(identifier)]
            precondition(number != Self.free, "the device completes a command twice")
            let status = NVMeStatus(rawValue: UInt32(mark >> 1))
            let request = requests + Int(number)
            if status.isTransient && request.pointee.repeats < Self.maxRepeats {
                request.pointee.repeats += 1
                request.pointee.isAborted = false
                request.pointee.deadline = deadline
                send(identifier)
                continue
            }
            if end(identifier, status: status.rawValue) {
                ended += 1
                body(requests[Int(number)], result)
            }
        }
    }

    /// The command is over; true if its request is.
    private mutating func end(_ identifier: UInt16, status: UInt32) -> Bool {
        let number = requestOfCommand[Int(identifier)]
        requestOfCommand[Int(identifier)] = Self.free
        freeCommands[freeCount] = identifier
        freeCount += 1
        let request = requests + Int(number)
        if status != 0 && request.pointee.status == 0 { request.pointee.status = status }
        request.pointee.commandsLeft -= 1
        if request.pointee.commandsLeft > 0 { return false }
        if request.pointee.needsFlush && request.pointee.status == 0 {
            // The identifier that has just become free is there for it.
            request.pointee.needsFlush = false
            request.pointee.commandsLeft = 1
            push(flush, request: number)
            return false
        }
        close(number)
        return true
    }

    private mutating func close(_ number: UInt16) {
        requests[Int(number)].nextFree = firstFreeRequest
        firstFreeRequest = number
    }

    // MARK: Trouble

    /// True if `late` may find something. Looks once in a second.
    mutating func isLookDue(_ now: Nanoseconds) -> Bool {
        if now < nextLook || freeCount == capacity { return false }
        nextLook = now + .seconds(1)
        return true
    }

    /// A command in flight whose request is past its deadline.
    func late(_ now: Nanoseconds) -> UInt16? {
        for identifier in 0..<entryCount where requestOfCommand[identifier] != Self.free {
            if requests[Int(requestOfCommand[identifier])].deadline < now { return UInt16(identifier) }
        }
        return nil
    }

    func request(of identifier: UInt16) -> UnsafeMutablePointer<Request> {
        requests + Int(requestOfCommand[Int(identifier)])
    }

    /// For a controller that is off, after the last `take`: empty rings, as it expects them when it comes back.
    mutating func clearRings() {
        clear(completion, byteCount: roundUp(entryCount * 16, pageSize))
        (tail, rungTail, head, rungHead, phase) = (0, 0, 0, 0, 1)
    }

    /// Sends everything in flight again, with a new deadline, but for requests that have been sent too often: `body` is
    /// given those. How many commands were sent; `ring` comes after.
    mutating func sendAgain(deadline: Nanoseconds, _ body: (Request) -> Void) -> Int {
        var count = 0
        for identifier in 0..<entryCount where requestOfCommand[identifier] != Self.free {
            let number = Int(requestOfCommand[identifier])
            // All commands of a request count as one time: the deadline tells that it was its turn already.
            if requests[number].deadline != deadline {
                requests[number].deadline = deadline
                requests[number].repeats += 1
                requests[number].isAborted = false
            }
            if requests[number].repeats <= Self.maxRepeats {
                send(UInt16(identifier))
                count += 1
            } else if end(UInt16(identifier), status: NVMeStatus.abortRequested.rawValue) {
                body(requests[number])
            }
        }
        return count
    }

    /// Ends every request in flight with an error, for a device that is off for good.
    mutating func abandon(_ body: (Request) -> Void) {
        for identifier in 0..<entryCount where requestOfCommand[identifier] != Self.free {
            let number = Int(requestOfCommand[identifier])
            if end(UInt16(identifier), status: NVMeStatus.abortRequested.rawValue) { body(requests[number]) }
        }
    }
}
