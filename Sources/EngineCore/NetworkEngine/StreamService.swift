// Streams for all cores over one stack: what a Platform forwards its calls of the same names to.
//
// The stack belongs to one core, the owner. Requests of the owner's go straight into the stack; another core's go through a ring
// that it alone fills and the owner alone empties. Completions come back through a ring per core. Ends of streams cannot
// fail for want of room: they are bits in a word per handle, gathered by the owner.
//
// HOW A PLATFORM USES IT:
//
//     queueReceive(core, …) = service.queueReceive(core, …)       and so on; false means "full, poll and try again"
//     submit(core), park(core): if service.hasRequests(from: core) { wake(owner) }           unless core is the owner
//     poll(core, into:): if core is the owner { drive the device; service.drive(now); send frames; wake others }
//                        return service.stack.takeCompletions(core, into: events) + what disks completed
//     park(owner): until min(deadline, service.stack.nextDeadline); do not sleep if `hasWork` says there is something
//
//     drive the device = stack.receive(…) for what came in, stack.transmitDone(…) for what went out
//     send frames      = while let frame = stack.nextTransmit() { … }
//     wake others      = while case let core = stack.takeCoreToWake(), core >= 0 { if core != owner { wake(core) } }
//
// Lost wake-ups: a core pushes its request and then wakes the owner; the owner drains after every park. The platform's `wake`
// must end the next park if the owner is not parked, as Platform asks. For completions the same holds the other way round.

import Platform
import Synchronization

package final class StreamService: @unchecked Sendable {
    package let stack: NetworkStack
    /// The core that drives the stack.
    package let owner: CoreIndex
    private let coreCount: Int
    /// One per core: requests that wait for the owner.
    private let requests: UnsafeMutablePointer<CrossCoreRing<StreamRequest>>
    private let memory: UnsafeMutableRawPointer
    /// Handles to shut down or close, as (handle << 1 | closes) + 1 in their slot; 0: none. One per connection and listener.
    private let endings: UnsafeMutablePointer<EndingCell>
    private let endingCount: Int
    private let hasEndings = Atomic<Bool>(false)
    /// Cores that have pushed since they last asked `hasRequests`; each touches its own.
    private let unsubmitted: UnsafeMutablePointer<Bool>

    private static let requestCapacity = 1024

    package init(stack: NetworkStack, owner: CoreIndex) {
        self.stack = stack
        self.owner = owner
        coreCount = stack.configuration.coreCount
        var counter = MemoryCarver(nil)
        for _ in 0..<coreCount {
            _ = CrossCoreRing<StreamRequest>(&counter, capacity: Self.requestCapacity, isCounting: true)
        }
        memory = .allocate(byteCount: counter.byteCount + 64, alignment: 64)
        var carver = MemoryCarver(memory)
        requests = .allocate(capacity: coreCount)
        for core in 0..<coreCount {
            (requests + core).initialize(
                to: CrossCoreRing<StreamRequest>(&carver, capacity: Self.requestCapacity, isCounting: false))
        }
        endingCount = stack.configuration.connectionLimit + NetworkStack.listenerLimit
        endings = .allocate(capacity: endingCount)
        for index in 0..<endingCount { (endings + index).initialize(to: EndingCell()) }
        unsubmitted = .allocate(capacity: coreCount)
        unsubmitted.initialize(repeating: false, count: coreCount)
    }

    deinit {
        requests.deallocate()
        memory.deallocate()
        endings.deinitialize(count: endingCount)
        endings.deallocate()
        unsubmitted.deallocate()
    }

    // MARK: Platform's calls

    /// `address` as text, `A.B.C.D:PORT`. Any core. 22023 for a text that is no address, 58030 if it cannot be had.
    package func listen(address: String) throws(EngineError) -> (StreamHandle, boundAddress: String) {
        let endpoint = try Self.endpoint(address)
        let (handle, bound) = try stack.listen(endpoint)
        return (handle, bound.text)
    }

    package func queueAccept(_ core: CoreIndex, _ listener: StreamHandle, tag: Tag) -> Bool {
        enqueue(core, StreamRequest(.accept, listener.rawValue, tag))
    }

    package func queueConnect(_ core: CoreIndex, to address: String, tag: Tag) throws(EngineError) -> Bool {
        let endpoint = try Self.endpoint(address)
        var request = StreamRequest(.connect, 0, tag)
        request.base = UInt(endpoint.address.rawValue)
        request.byteCount = Int(endpoint.port)
        return enqueue(core, request)
    }

    package func queueReceive(_ core: CoreIndex, _ stream: StreamHandle, into buffer: IOVector, tag: Tag) -> Bool {
        enqueue(core, StreamRequest(.receive, stream.rawValue, tag, buffer))
    }

    package func queueSend(_ core: CoreIndex, _ stream: StreamHandle, _ buffer: IOVector, tag: Tag) -> Bool {
        enqueue(core, StreamRequest(.send, stream.rawValue, tag, buffer))
    }

    /// From any core; the owner is to be woken if it is another.
    package func shutdown(_ stream: StreamHandle) { end(stream, closes: false) }
    package func close(_ stream: StreamHandle) { end(stream, closes: true) }

    private static func endpoint(_ text: String) throws(EngineError) -> IPv4Endpoint {
        guard let endpoint = IPv4Endpoint([UInt8](text.utf8)) else {
            throw EngineError(.invalidParameterValue, "invalid address \"\(text)\"", hint: "Write A.B.C.D:PORT.")
        }
        return endpoint
    }

    private func enqueue(_ core: CoreIndex, _ request: StreamRequest) -> Bool {
        if !requests[core].push(request) { return false }
        unsubmitted[core] = true
        return true
    }

    private func end(_ stream: StreamHandle, closes: Bool) {
        let index = Int(stream.rawValue & 0x7fff) + (stream.rawValue & Listener.handleBit != 0 ? endingCount - 16 : 0)
        guard stream.rawValue >= 0, index < endingCount else { return }
        // A close outweighs a shutdown; a handle that is closed is ended by nobody else.
        let wish = UInt64(UInt32(bitPattern: stream.rawValue)) << 1 | (closes ? 1 : 0)
        endings[index].wish.max(wish + 1, ordering: .releasing)
        hasEndings.store(true, ordering: .releasing)
    }

    // MARK: The owner's side

    /// True if `core` has queued something since it last asked: then the owner must be woken. By that core, in `submit`.
    package func hasRequests(from core: CoreIndex) -> Bool {
        let result = unsubmitted[core]
        unsubmitted[core] = false
        return result
    }

    /// True if a request or an end of a stream waits for the owner.
    package var hasWork: Bool {
        if hasEndings.load(ordering: .acquiring) { return true }
        for core in 0..<coreCount where !requests[core].isEmpty { return true }
        return false
    }

    /// Passes on what all cores have asked for, then polls the stack. By the owner.
    package func drive(now: Nanoseconds) {
        stack.clock = now
        for core in 0..<coreCount {
            while let request = requests[core].pop() { pass(core, request) }
        }
        if hasEndings.load(ordering: .relaxed) && hasEndings.exchange(false, ordering: .acquiring) {
            for index in 0..<endingCount where endings[index].wish.load(ordering: .relaxed) != 0 {
                let wish = endings[index].wish.exchange(0, ordering: .acquiring) &- 1
                let handle = StreamHandle(rawValue: Int32(truncatingIfNeeded: wish >> 1))
                if wish & 1 != 0 { stack.close(handle) } else { stack.shutdown(handle) }
            }
        }
        stack.poll(now: now)
    }

    private func pass(_ core: CoreIndex, _ request: StreamRequest) {
        let handle = StreamHandle(rawValue: request.handle)
        switch request.kind {
        case .accept: stack.queueAccept(core, handle, tag: request.tag)
        case .connect:
            let address = IPv4Address(rawValue: UInt32(truncatingIfNeeded: request.base))
            stack.queueConnect(
                core, to: IPv4Endpoint(address, UInt16(truncatingIfNeeded: request.byteCount)), tag: request.tag)
        case .receive: stack.queueReceive(core, handle, into: request.vector, tag: request.tag)
        case .send: stack.queueSend(core, handle, request.vector, tag: request.tag)
        }
    }
}

private enum RequestKind: UInt8, BitwiseCopyable {
    case accept, connect, receive, send
}

private struct StreamRequest: BitwiseCopyable {
    var tag: Tag
    /// Buffer of a receive or send; address of a connect.
    var base: UInt
    /// Of the buffer; port of a connect.
    var byteCount: Int
    var handle: Int32
    var kind: RequestKind

    init(_ kind: RequestKind, _ handle: Int32, _ tag: Tag) {
        self.kind = kind
        self.handle = handle
        self.tag = tag
        base = 0
        byteCount = 0
    }

    init(_ kind: RequestKind, _ handle: Int32, _ tag: Tag, _ buffer: IOVector) {
        self.init(kind, handle, tag)
        base = UInt(bitPattern: buffer.base)
        byteCount = buffer.byteCount
    }

    var vector: IOVector {
        guard let pointer = UnsafeMutableRawPointer(bitPattern: base) else {
            preconditionFailure("a buffer has an address")
        }
        return IOVector(base: pointer, byteCount: byteCount)
    }
}

private struct EndingCell: ~Copyable {
    let wish = Atomic<UInt64>(0)
}
