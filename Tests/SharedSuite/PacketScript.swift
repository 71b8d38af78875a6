// One network stack and a peer made of test code, which sends exactly what a test says and sees every frame the stack sends. Its
// checksums and parsers are its own, so that a mistake of the stack's is not shared.

import NetworkEngine
import Platform

enum Flag {
    static let fin: UInt8 = 1
    static let syn: UInt8 = 2
    static let rst: UInt8 = 4
    static let psh: UInt8 = 8
    static let ack: UInt8 = 16
}

/// A TCP segment that the stack has sent.
struct SentSegment {
    var flags: UInt8
    var sourcePort: UInt16
    var destinationPort: UInt16
    var sequence: UInt32
    var acknowledgement: UInt32
    var window: Int
    var payload: [UInt8]
    var sack: [(UInt32, UInt32)] = []
    var maximumSegment = 0
    var scale = -1
    var permitsSACK = false
    var timestamp: UInt32?
    var echo: UInt32 = 0
}

/// What a test's segment says.
struct Segment {
    var flags: UInt8
    var sequence: UInt32
    var acknowledgement: UInt32 = 0
    var window: UInt16 = 65535
    var payload: [UInt8] = []
    var options: [UInt8] = []

    init(_ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32 = 0) {
        self.flags = flags
        self.sequence = sequence
        self.acknowledgement = acknowledgement
    }
}

func big16(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
func big32(_ value: UInt32) -> [UInt8] { big16(Int(value >> 16)) + big16(Int(value & 0xffff)) }

/// RFC 1071, byte by byte.
func referenceChecksum(_ bytes: [UInt8]) -> UInt16 {
    var sum = 0
    for index in 0..<bytes.count { sum += Int(bytes[index]) << (index % 2 == 0 ? 8 : 0) }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return UInt16(sum ^ 0xffff)
}

final class ScriptedPeer {
    let host: NetworkHost
    let context: SuiteContext
    var now = Nanoseconds.seconds(1)
    var port: UInt16 = 40000
    /// Our side of the wire: 10.0.0.9.
    static let address: [UInt8] = [10, 0, 0, 9]
    static let mac: [UInt8] = [2, 0, 0, 0, 0, 9]
    static let hostAddress: [UInt8] = [10, 0, 0, 2]
    static let hostMAC: [UInt8] = [2, 0, 0, 0, 0, 2]
    /// Frames the stack has sent that nobody has looked at.
    var frames: [[UInt8]] = []

    init(_ context: SuiteContext, _ change: (inout NetworkConfiguration) -> Void = { _ in }) {
        self.context = context
        var configuration = NetworkHost.configuration(2)
        change(&configuration)
        host = NetworkHost(configuration)
        // The stack learns our link address as it would from anyone who asks for it.
        inject(Self.arp(operation: 1, senderMAC: Self.mac, sender: Self.address, target: Self.hostAddress))
        frames = []
    }

    var stack: NetworkStack { host.stack }

    // MARK: In

    func inject(_ frame: [UInt8]) {
        receive(frame)
        turn()
    }

    /// The stack gets the frame and does not come to answer it yet.
    private func receive(_ frame: [UInt8]) {
        frame.withBytes { stack.receive($0.baseAddress!, $0.count, checksumIsGood: false, now: now) }
    }
    func receive(_ segment: Segment, to: UInt16 = 5432) { receive(Self.tcp(segment, from: port, to: to)) }

    func turn() {
        stack.poll(now: now)
        var count = 0
        while let frame = stack.nextTransmit() {
            frames.append(Array(UnsafeRawBufferPointer(start: frame.base, count: frame.byteCount)))
            count += 1
        }
        stack.transmitDone(count)
        host.collect()
        answerARP()
    }

    private func answerARP() {
        guard let last = frames.last, last[12] == 8, last[13] == 6, last[21] == 1, Array(last[38..<42]) == Self.address
        else {
            return
        }
        frames.removeLast()
        inject(Self.arp(operation: 2, senderMAC: Self.mac, sender: Self.address, target: Self.hostAddress))
    }

    /// Lets time pass, with every timer on its way.
    func pass(_ duration: Nanoseconds) {
        let end = now + duration
        while now < end {
            let next = stack.nextDeadline
            now = next < end ? (now < next ? next : now + .microseconds(1)) : end
            turn()
        }
    }

    static func arp(operation: Int, senderMAC: [UInt8], sender: [UInt8], target: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = operation == 1 ? [255, 255, 255, 255, 255, 255] : hostMAC
        frame += senderMAC + [8, 6, 0, 1, 8, 0, 6, 4] + big16(operation) + senderMAC + sender
        frame += [0, 0, 0, 0, 0, 0] + target
        return frame
    }

    static func ipv4(
        _ protocolNumber: UInt8, _ payload: [UInt8], source: [UInt8] = ScriptedPeer.address,
        destination: [UInt8] = ScriptedPeer.hostAddress, fragment: Int = 0x4000
    ) -> [UInt8] {
        var header: [UInt8] = [0x45, 0] + big16(20 + payload.count) + [0, 1] + big16(fragment)
        header += [64, protocolNumber, 0, 0] + source + destination
        let sum = referenceChecksum(header)
        header[10] = UInt8(sum >> 8)
        header[11] = UInt8(sum & 255)
        return hostMAC + mac + [8, 0] + header + payload
    }

    static func tcp(
        _ segment: Segment, from port: UInt16, to: UInt16, source: [UInt8] = ScriptedPeer.address
    ) -> [UInt8] {
        var options = segment.options
        while options.count % 4 != 0 { options.append(1) }
        var bytes = big16(Int(port)) + big16(Int(to)) + big32(segment.sequence) + big32(segment.acknowledgement)
        bytes += [UInt8((20 + options.count) / 4) << 4, segment.flags] + big16(Int(segment.window)) + [0, 0, 0, 0]
        bytes += options + segment.payload
        let sum = referenceChecksum(source + hostAddress + [0, 6] + big16(bytes.count) + bytes)
        bytes[16] = UInt8(sum >> 8)
        bytes[17] = UInt8(sum & 255)
        return ipv4(6, bytes, source: source)
    }

    func send(_ segment: Segment, to: UInt16 = 5432) { inject(Self.tcp(segment, from: port, to: to)) }

    // MARK: Out

    /// The next TCP segment the stack has sent; nil if there is none. Checks both checksums.
    func next(line: UInt32 = #line) -> SentSegment? {
        while !frames.isEmpty {
            let frame = frames.removeFirst()
            if frame[12] != 8 || frame[13] != 0 || frame[23] != 6 { continue }
            let ip = Array(frame[14..<34])
            context.expectEqual(referenceChecksum(ip), 0, "IP checksum", line: line)
            let total = Int(ip[2]) << 8 | Int(ip[3])
            context.expectEqual(frame.count, 14 + total, "bytes of a frame", line: line)
            let tcp = Array(frame[34...])
            let sum = referenceChecksum(Array(ip[12..<20]) + [0, 6] + big16(tcp.count) + tcp)
            context.expectEqual(sum, 0, "TCP checksum", line: line)
            return Self.parse(tcp)
        }
        return nil
    }

    private static func parse(_ tcp: [UInt8]) -> SentSegment {
        func word(_ at: Int) -> UInt32 {
            UInt32(tcp[at]) << 24 | UInt32(tcp[at + 1]) << 16 | UInt32(tcp[at + 2]) << 8 | UInt32(tcp[at + 3])
        }
        let header = Int(tcp[12] >> 4) * 4
        var sent = SentSegment(
            flags: tcp[13], sourcePort: UInt16(word(0) >> 16), destinationPort: UInt16(word(0) & 0xffff),
            sequence: word(4), acknowledgement: word(8), window: Int(tcp[14]) << 8 | Int(tcp[15]),
            payload: Array(tcp[header...]))
        var at = 20
        while at < header && tcp[at] != 0 {
            if tcp[at] == 1 {
                at += 1
                continue
            }
            switch tcp[at] {
            case 2: sent.maximumSegment = Int(tcp[at + 2]) << 8 | Int(tcp[at + 3])
            case 3: sent.scale = Int(tcp[at + 2])
            case 4: sent.permitsSACK = true
            case 5:
                for block in 0..<(Int(tcp[at + 1]) - 2) / 8 {
                    sent.sack.append((word(at + 2 + 8 * block), word(at + 6 + 8 * block)))
                }
            case 8:
                sent.timestamp = word(at + 2)
                sent.echo = word(at + 6)
            default: break
            }
            at += Int(tcp[at + 1])
        }
        return sent
    }

    /// The stack must have sent a segment with these flags; returns it.
    @discardableResult
    func expect(_ flags: UInt8, _ what: StaticString, line: UInt32 = #line) -> SentSegment? {
        guard let sent = next(line: line) else {
            context.fail("\(what): nothing was sent", line: line)
            return nil
        }
        context.expectEqual(sent.flags & ~Flag.psh, flags, what, line: line)
        return sent
    }

    func expectSilence(_ what: StaticString, line: UInt32 = #line) {
        if let sent = next(line: line) {
            context.fail("\(what): sent flags \(sent.flags), \(sent.payload.count) bytes", line: line)
        }
    }

    // MARK: A connection

    /// Next numbers of either side, after `open`.
    var sequence: UInt32 = 0
    var acknowledgement: UInt32 = 0
    var stream = StreamHandle(rawValue: -1)

    /// Listens on 5432, accepts, and opens a connection from `port`.
    func open(options: [UInt8] = [2, 4, 5, 0xb4], at initial: UInt32 = 1000, window: UInt16 = 65535) throws(EngineError)
        -> Bool
    {
        let (listener, _) = try stack.listen(IPv4Endpoint(.any, 5432))
        stack.queueAccept(0, listener, tag: 16)
        return reopen(options: options, at: initial, window: window)
    }

    /// The same from another port, with the listener there is.
    func reopen(options: [UInt8] = [2, 4, 5, 0xb4], at initial: UInt32 = 1000, window: UInt16 = 65535) -> Bool {
        var syn = Segment(Flag.syn, initial)
        syn.options = options
        syn.window = window
        send(syn)
        guard let answer = expect(Flag.syn | Flag.ack, "answer to a SYN") else { return false }
        context.expectEqual(answer.acknowledgement, initial &+ 1, "acknowledgement of a SYN")
        sequence = initial &+ 1
        acknowledgement = answer.sequence &+ 1
        var last = Segment(Flag.ack, sequence, acknowledgement)
        last.window = window
        if let timestamp = answer.timestamp { last.options = Self.timestamps(answer.echo &+ 1, timestamp) }
        send(last)
        guard let handle = host.take(16), handle >= 0 else {
            context.fail("no connection was accepted")
            return false
        }
        stream = StreamHandle(rawValue: Int32(handle))
        return true
    }

    static func timestamps(_ value: UInt32, _ echo: UInt32) -> [UInt8] { [1, 1, 8, 10] + big32(value) + big32(echo) }

    /// Data from the peer at an offset of its stream, with or without moving on.
    func data(_ bytes: [UInt8], at offset: Int = 0) {
        var segment = Segment(Flag.ack, sequence &+ UInt32(truncatingIfNeeded: offset), acknowledgement)
        segment.payload = bytes
        send(segment)
    }

    /// What the stack's owner can read now, at most `count` bytes; nil if nothing is there.
    func read(_ count: Int) -> [UInt8]? {
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
        defer { buffer.deallocate() }
        stack.queueReceive(0, stream, into: IOVector(base: buffer, byteCount: count), tag: 32)
        turn()
        guard let result = host.take(32) else {
            // The stack would write to the buffer later.
            stack.shutdown(stream)
            turn()
            _ = host.take(32)
            return nil
        }
        lastResult = result
        return result < 0 ? nil : Array(UnsafeRawBufferPointer(start: buffer, count: result))
    }
    var lastResult = 0

    /// Gives the stack bytes to send; how many it took.
    func write(_ bytes: [UInt8]) -> Int {
        let result = bytes.withUnsafeBufferPointer { buffer in
            stack.queueSend(
                0, stream,
                IOVector(
                    base: UnsafeMutableRawPointer(mutating: UnsafeRawPointer(buffer.baseAddress!)),
                    byteCount: buffer.count),
                tag: 48)
            turn()
            return host.take(48)
        }
        return result ?? 0
    }

    /// Acknowledges everything up to `offset` of what the stack has sent.
    func acknowledge(_ offset: Int, window: UInt16 = 65535, options: [UInt8] = []) {
        var segment = Segment(Flag.ack, sequence, acknowledgement &+ UInt32(truncatingIfNeeded: offset))
        segment.window = window
        segment.options = options
        send(segment)
    }
}
