// Two network stacks back to back over a link that delays, loses, duplicates and reorders frames, in virtual time: what a
// seed has done once it does again.

import NetworkEngine
import Platform

/// What the link does to frames, in each direction.
struct LinkOptions {
    var delay = Nanoseconds.milliseconds(1)
    /// Of ten thousand frames, so many are lost, come twice, or come late by up to four delays.
    var lostOf10000 = 0
    var doubledOf10000 = 0
    var lateOf10000 = 0
    /// Bytes a second; 0: as many as come.
    var rate = 0
    /// Bytes that may wait for the wire; more are dropped.
    var queueByteCount = 256 << 10
    var seed: UInt64 = 1
}

/// A stack with its memory, its transmit side, and what it has completed.
final class NetworkHost {
    let stack: NetworkStack
    private let memory: UnsafeMutableRawPointer
    /// Completions nobody has looked at, by tag.
    private(set) var events: [(tag: Tag, result: Int)] = []

    init(_ configuration: NetworkConfiguration, now: Nanoseconds = .seconds(1)) {
        let byteCount = NetworkStack.byteCount(configuration)
        memory = .allocate(byteCount: byteCount, alignment: 4096)
        // Nothing in the stack may count on zeros.
        memory.initializeMemory(as: UInt8.self, repeating: 0xa5, count: byteCount)
        stack = NetworkStack(configuration, memory: memory, now: now)
    }

    deinit { memory.deallocate() }

    /// `10.0.0.<number>`, on a network of 24 bits.
    static func configuration(_ number: UInt8) -> NetworkConfiguration {
        var configuration = NetworkConfiguration(
            macAddress: MACAddress(rawValue: 0x0200_0000_0000 + UInt64(number)),
            secret: (0x1234_5678 + UInt64(number), 0x9abc_def0))
        configuration.address = IPv4Address(10, 0, 0, number)
        configuration.connectionLimit = 64
        configuration.halfOpenLimit = 16
        configuration.bufferByteCount = 16 << 20
        configuration.transmitFrameCount = 256
        return configuration
    }

    func collect() {
        withUnsafeTemporaryAllocation(of: CompletionEvent.self, capacity: 64) { buffer in
            var count = 64
            while count == 64 {
                count = stack.takeCompletions(0, into: buffer)
                for index in 0..<count { events.append((buffer[index].tag, buffer[index].result)) }
            }
        }
    }

    /// The result of the request with `tag`, once.
    func take(_ tag: Tag) -> Int? {
        for index in 0..<events.count where events[index].tag == tag {
            return events.remove(at: index).result
        }
        return nil
    }
}

/// A frame on its way.
private struct FlyingFrame {
    var arrival: Nanoseconds
    /// Of two with the same arrival the first sent comes first.
    var number: Int
    var bytes: [UInt8]
}

/// The frames of one direction, by arrival.
private struct Wire {
    var frames: [FlyingFrame] = []
    /// When the last frame has left.
    var free = Nanoseconds(0)

    mutating func add(_ frame: FlyingFrame) {
        var index = frames.count
        while index > 0 && frame.arrival < frames[index - 1].arrival { index -= 1 }
        frames.insert(frame, at: index)
    }
}

final class NetworkWorld {
    var now = Nanoseconds.seconds(1)
    let hosts: [NetworkHost]
    var options: LinkOptions
    private var random: SuiteRandom
    private var wires = [Wire(), Wire()]
    private var frameCount = 0
    /// Looks at every frame before it enters the link, by the index of its sender, and may change it; false loses it.
    var filter: ((Int, inout [UInt8]) -> Bool)?

    init(_ a: NetworkConfiguration, _ b: NetworkConfiguration, _ options: LinkOptions = LinkOptions()) {
        self.options = options
        random = SuiteRandom(seed: options.seed)
        hosts = [NetworkHost(a), NetworkHost(b)]
    }

    convenience init(_ options: LinkOptions = LinkOptions()) {
        self.init(NetworkHost.configuration(1), NetworkHost.configuration(2), options)
    }

    private func happens(_ of10000: Int) -> Bool { of10000 > 0 && random.next(below: 10000) < of10000 }

    private func transmit(from sender: Int) {
        var count = 0
        while let frame = hosts[sender].stack.nextTransmit() {
            count += 1
            var bytes = Array(UnsafeRawBufferPointer(start: frame.base, count: frame.byteCount))
            if let filter, !filter(sender, &bytes) { continue }
            if happens(options.lostOf10000) { continue }
            launch(bytes, from: sender)
            if happens(options.doubledOf10000) { launch(bytes, from: sender) }
        }
        hosts[sender].stack.transmitDone(count)
    }

    private func launch(_ bytes: [UInt8], from sender: Int) {
        var leaves = now
        if options.rate > 0 {
            let begin = wires[sender].free < now ? now : wires[sender].free
            let waiting = Int((begin - now).rawValue) / 1000 * options.rate / 1_000_000
            if waiting > options.queueByteCount { return }
            leaves = begin + Nanoseconds(UInt64(bytes.count) * 1_000_000_000 / UInt64(options.rate))
            wires[sender].free = leaves
        }
        var arrival = leaves + options.delay
        if happens(options.lateOf10000) {
            arrival = arrival + Nanoseconds(random.next() % (4 * options.delay.rawValue + 1))
        }
        frameCount += 1
        wires[sender].add(FlyingFrame(arrival: arrival, number: frameCount, bytes: bytes))
    }

    /// Gives a frame to a host as if it had come over the link.
    func inject(_ bytes: [UInt8], to receiver: Int) {
        bytes.withBytes { hosts[receiver].stack.receive($0.baseAddress!, $0.count, checksumIsGood: false, now: now) }
    }

    private func deliver(to receiver: Int) {
        let sender = 1 - receiver
        var count = 0
        while count < wires[sender].frames.count, !(now < wires[sender].frames[count].arrival) {
            inject(wires[sender].frames[count].bytes, to: receiver)
            count += 1
        }
        wires[sender].frames.removeFirst(count)
    }

    /// Everything that happens now; then the time moves to the next event, at most to `limit`.
    func step(_ limit: Nanoseconds) {
        var next = limit
        for index in 0..<2 { deliver(to: index) }
        for index in 0..<2 {
            hosts[index].stack.poll(now: now)
            transmit(from: index)
            hosts[index].collect()
        }
        for index in 0..<2 {
            let deadline = hosts[index].stack.nextDeadline
            if deadline < next { next = deadline }
            if let first = wires[index].frames.first, first.arrival < next { next = first.arrival }
            if hosts[index].stack.pendingTransmitCount > 0 { next = now }
        }
        if now < next { now = next }
    }

    /// Steps until `isDone`; false if that takes longer than `limit`.
    func run(_ limit: Nanoseconds, until isDone: () -> Bool) -> Bool {
        let end = now + limit
        while !isDone() {
            if !(now < end) { return false }
            step(end)
        }
        return true
    }

    func run(for duration: Nanoseconds) {
        _ = run(duration) { false }
    }

    /// The result of a request, waiting for it.
    func wait(_ host: Int, _ tag: Tag, _ limit: Nanoseconds = .seconds(600)) -> Int? {
        var result: Int?
        _ = run(limit) {
            result = hosts[host].take(tag)
            return result != nil
        }
        return result
    }

    // MARK: Streams

    /// Connects host 0 to a listener on host 1; the handles of both ends.
    func connect(_ context: SuiteContext, port: UInt16 = 5432) throws(EngineError) -> (StreamHandle, StreamHandle)? {
        let (listener, bound) = try hosts[1].stack.listen(IPv4Endpoint(.any, port))
        hosts[1].stack.queueAccept(0, listener, tag: 1)
        hosts[0].stack.queueConnect(0, to: IPv4Endpoint(hosts[1].stack.address, bound.port), tag: 2)
        let client = wait(0, 2)
        let server = wait(1, 1)
        guard let client, let server, client >= 0, server >= 0 else {
            context.fail("no connection: \(client ?? 0), \(server ?? 0)")
            return nil
        }
        return (StreamHandle(rawValue: Int32(client)), StreamHandle(rawValue: Int32(server)))
    }
}

/// Bytes that tell their place, sent by one end and checked by the other.
final class StreamFlow {
    private let world: NetworkWorld
    private let from: Int
    private let sender: StreamHandle
    private let receiver: StreamHandle
    private let tag: Tag
    let total: Int
    private(set) var sent = 0
    private(set) var received = 0
    private(set) var isWrong = false
    private(set) var failure = 0
    private let out: UnsafeMutableRawPointer
    private let into: UnsafeMutableRawPointer
    private static let bufferByteCount = 128 << 10
    private let salt: Int
    /// Receives stay unasked for while this is set.
    var receiverPauses = false
    private var isReceiving = false

    init(_ world: NetworkWorld, from: Int, _ sender: StreamHandle, _ receiver: StreamHandle, total: Int, tag: Tag = 100)
    {
        self.world = world
        self.from = from
        self.sender = sender
        self.receiver = receiver
        self.tag = tag
        self.total = total
        salt = Int(tag)
        out = .allocate(byteCount: Self.bufferByteCount, alignment: 16)
        into = .allocate(byteCount: Self.bufferByteCount, alignment: 16)
        queueSend()
        queueReceive()
    }

    deinit {
        out.deallocate()
        into.deallocate()
    }

    private func byte(_ at: Int) -> UInt8 { UInt8(truncatingIfNeeded: (at &* 0x9e37_79b1 >> 11) ^ at ^ salt) }

    private func queueSend() {
        let count = min(total - sent, Self.bufferByteCount)
        for index in 0..<count { out.storeBytes(of: byte(sent + index), toByteOffset: index, as: UInt8.self) }
        if count > 0 {
            world.hosts[from].stack.queueSend(0, sender, IOVector(base: out, byteCount: count), tag: tag)
        }
    }

    private func queueReceive() {
        if isReceiving || receiverPauses || received >= total { return }
        isReceiving = true
        world.hosts[1 - from].stack.queueReceive(
            0, receiver, into: IOVector(base: into, byteCount: Self.bufferByteCount), tag: tag + 1)
    }

    /// Sees what has completed; true once everything has arrived or something is wrong.
    func advance() -> Bool {
        if let result = world.hosts[from].take(tag) {
            if result <= 0 { failure = result } else { sent += result }
            if failure == 0 { queueSend() }
        }
        if let result = world.hosts[1 - from].take(tag + 1) {
            isReceiving = false
            if result <= 0 {
                failure = result == 0 ? -1 : result
            } else {
                for index in 0..<result
                where into.load(fromByteOffset: index, as: UInt8.self) != byte(received + index) { isWrong = true }
                received += result
            }
        }
        if failure == 0 { queueReceive() }
        return isWrong || failure != 0 || received >= total
    }

    /// Runs the world until all has arrived.
    func finish(_ context: SuiteContext, _ limit: Nanoseconds = .seconds(3600), line: UInt32 = #line) -> Bool {
        _ = world.run(limit) { advance() }
        context.expect(!isWrong, "bytes differ", line: line)
        context.expectEqual(failure, 0, "failure", line: line)
        context.expectEqual(received, total, "bytes received", line: line)
        return received == total && !isWrong && failure == 0
    }
}
