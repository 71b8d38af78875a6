// Packets that are broken, forged, or not for us; neighbours, leases and links that do what they do in practice.

import NetworkEngine
import Platform

func networkFaultCases() -> [SuiteCase] {
    neighbourCases() + hostileCases() + linkCases() + networkCoreCases()
}

private func neighbourCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "network: nobody's link address is changed by claims that were not asked for") { context in
            let peer = ScriptedPeer(context)
            let thief: [UInt8] = [2, 0, 0, 0, 0, 0x66]
            for operation in [1, 2] {
                for target in [ScriptedPeer.hostAddress, ScriptedPeer.address, [10, 0, 0, 77]] {
                    peer.inject(
                        ScriptedPeer.arp(
                            operation: operation, senderMAC: thief, sender: ScriptedPeer.address, target: target))
                }
            }
            // Our own address, and one of another network.
            peer.inject(
                ScriptedPeer.arp(
                    operation: 2, senderMAC: thief, sender: ScriptedPeer.hostAddress, target: [10, 0, 0, 9]))
            peer.inject(
                ScriptedPeer.arp(
                    operation: 1, senderMAC: thief, sender: [8, 8, 8, 8], target: ScriptedPeer.hostAddress))
            peer.frames = []
            peer.inject(ScriptedPeer.ipv4(1, echo(Array("who is there".utf8))))
            context.expect(
                peer.frames.count == 1 && Array(peer.frames[0][0..<6]) == ScriptedPeer.mac, "the reply went elsewhere")
            context.expect(peer.stack.statistics.refusedARP >= 5, "claims refused")
        },
        SuiteCase(bare: "network: a link address that was not known is asked for, and what waited goes out") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            _ = try peer.stack.listen(IPv4Endpoint(.any, 5432))
            let other: [UInt8] = [10, 0, 0, 55]
            peer.inject(ScriptedPeer.tcp(Segment(Flag.syn, 1), from: 999, to: 5432, source: other))
            peer.expectSilence("an answer to an unknown link address")
            peer.inject(
                ScriptedPeer.arp(
                    operation: 2, senderMAC: ScriptedPeer.mac, sender: other, target: ScriptedPeer.hostAddress))
            peer.expect(Flag.syn | Flag.ack, "the answer")
        },
        SuiteCase(bare: "network: echo requests are answered, fragments and wrong checksums are not") { context in
            let peer = ScriptedPeer(context)
            let payload = [UInt8](repeating: 0x5a, count: 1400)
            peer.inject(ScriptedPeer.ipv4(1, echo(payload)))
            guard peer.frames.count == 1 else { return context.fail("no reply") }
            let reply = Array(peer.frames[0][34...])
            context.expectEqual(reply[0], 0, "type of the reply")
            context.expectEqual(referenceChecksum(reply), 0, "checksum of the reply")
            context.expect(Array(reply[8...]) == payload, "payload of the reply")
            peer.frames = []
            peer.inject(ScriptedPeer.ipv4(1, echo(payload), fragment: 0x2000))
            peer.inject(ScriptedPeer.ipv4(1, echo(payload), fragment: 10))
            var broken = echo(payload)
            broken[20] ^= 1
            peer.inject(ScriptedPeer.ipv4(1, broken))
            peer.inject(ScriptedPeer.ipv4(1, echo(payload), destination: [10, 0, 0, 3]))
            peer.inject(ScriptedPeer.ipv4(1, echo(payload), source: [127, 0, 0, 1]))
            peer.inject(ScriptedPeer.ipv4(1, echo(payload), source: [10, 0, 0, 255]))
            context.expectEqual(peer.frames.count, 0, "replies to what is not to be answered")
            context.expectEqual(peer.stack.statistics.droppedFragments, 2, "fragments")
        },
        SuiteCase(bare: "network: only an error that quotes what is under way narrows the path") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open() else { return }
            _ = peer.write([UInt8](repeating: 1, count: 1460))
            while peer.next() != nil {}
            func narrow(_ sequence: UInt32, _ byteCount: Int) {
                var message: [UInt8] = [3, 4, 0, 0, 0, 0] + big16(byteCount)
                message += [0x45, 0] + big16(1500) + [0, 0, 0x40, 0, 64, 6, 0, 0] + ScriptedPeer.hostAddress
                message += ScriptedPeer.address + big16(5432) + big16(Int(peer.port)) + big32(sequence)
                let sum = referenceChecksum(message)
                message[2] = UInt8(sum >> 8)
                message[3] = UInt8(sum & 255)
                peer.inject(ScriptedPeer.ipv4(1, message))
            }
            narrow(peer.acknowledgement &+ 5000, 600)
            peer.expectSilence("answer to a forged error")
            narrow(peer.acknowledgement, 600)
            context.expectEqual(peer.expect(Flag.ack, "a shorter segment")?.payload.count ?? 0, 560, "its bytes")
            // However small the number, segments stay useful.
            narrow(peer.acknowledgement, 68)
            while let sent = peer.next() {
                context.expect(sent.payload.count >= 244, "a segment of \(sent.payload.count)")
            }
        },
        SuiteCase(bare: "network: an address is leased, renewed, and given up when the lease ends") { context in
            leaseLife(context)
        },
    ]
}

/// An echo request.
private func echo(_ payload: [UInt8]) -> [UInt8] {
    var message: [UInt8] = [8, 0, 0, 0, 0, 1, 0, 1] + payload
    let sum = referenceChecksum(message)
    message[2] = UInt8(sum >> 8)
    message[3] = UInt8(sum & 255)
    return message
}

private func leaseLife(_ context: SuiteContext) {
    let peer = ScriptedPeer(context) { $0.address = .any }
    /// The next message of the client's: its type and transaction.
    func message(_ line: UInt32 = #line) -> (type: UInt8, transaction: [UInt8])? {
        peer.turn()
        while !peer.frames.isEmpty {
            let frame = peer.frames.removeFirst()
            if frame.count > 290, frame[23] == 17, frame[37] == 67 { return (frame[42 + 242], Array(frame[46..<50])) }
        }
        context.fail("the client says nothing", line: line)
        return nil
    }
    func answer(_ type: UInt8, _ transaction: [UInt8], _ address: [UInt8], lease: UInt32) {
        var bytes: [UInt8] = [2, 1, 6, 0] + transaction + [UInt8](repeating: 0, count: 8) + address
        bytes += [UInt8](repeating: 0, count: 8) + ScriptedPeer.hostMAC + [UInt8](repeating: 0, count: 10 + 192)
        bytes += [0x63, 0x82, 0x53, 0x63, 53, 1, type, 1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 0, 1, 54, 4, 10, 0, 0, 9]
        bytes += [51, 4] + big32(lease) + [255]
        let udp = big16(67) + big16(68) + big16(8 + bytes.count) + [0, 0] + bytes
        peer.inject(ScriptedPeer.ipv4(17, udp, destination: [255, 255, 255, 255]))
    }
    peer.pass(.seconds(2))
    guard let discover = message() else { return }
    context.expectEqual(discover.type, 1, "discover")
    // Somebody else's offer.
    answer(2, [1, 2, 3, 4], [10, 0, 0, 66], lease: 600)
    answer(2, discover.transaction, [10, 0, 0, 2], lease: 600)
    guard let request = message() else { return }
    context.expectEqual(request.type, 3, "request")
    context.expect(!peer.stack.isConfigured, "configured by an offer")
    answer(5, request.transaction, [10, 0, 0, 2], lease: 600)
    context.expect(peer.stack.address == IPv4Address(10, 0, 0, 2), "the leased address")
    context.expect(peer.stack.gateway == IPv4Address(10, 0, 0, 1), "the gateway")
    context.expectEqual(peer.stack.prefixLength, 24, "prefix")
    peer.pass(.seconds(301))
    guard let renewal = message() else { return }
    context.expectEqual(renewal.type, 3, "renewal")
    answer(5, renewal.transaction, [10, 0, 0, 2], lease: 600)
    peer.frames = []
    peer.pass(.seconds(601))
    context.expect(!peer.stack.isConfigured, "an address after the lease")
    context.expectEqual(message()?.type ?? 0, 3, "what was asked last within the lease")
}

private func hostileCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "network: no packet, cut off or garbled anywhere, hurts a connection") {
            context throws(EngineError) in
            for seed in 1...3 as ClosedRange<UInt64> {
                if try !garble(context, seed) { context.fail("with seed \(seed)") }
            }
        },
        SuiteCase(bare: "network: connections that come and go in any way leave no memory behind") {
            context throws(EngineError) in
            try comeAndGo(context)
        },
        SuiteCase(bare: "network: many connections with full buffers go on, within the memory there is") {
            context throws(EngineError) in
            try crowd(context)
        },
    ]
}

/// Mutated copies of real frames, and noise, between the frames of a transfer.
private func garble(_ context: SuiteContext, _ seed: UInt64) throws(EngineError) -> Bool {
    var options = LinkOptions()
    options.seed = seed
    options.lostOf10000 = 100
    options.lateOf10000 = 500
    let world = NetworkWorld(options)
    guard let (client, server) = try world.connect(context) else { return false }
    var random = SuiteRandom(seed: seed)
    var injected: [(Int, [UInt8])] = []
    world.filter = { sender, bytes in
        for _ in 0..<3 {
            var copy = bytes
            switch random.next(below: 4) {
            case 0: copy.removeLast(random.next(below: copy.count))
            case 1:
                for _ in 0...random.next(below: 4) {
                    copy[14 + random.next(below: copy.count - 14)] = UInt8(truncatingIfNeeded: random.next())
                }
            case 2:
                // Garbled behind the checksums: they are made good.
                copy = repaired(copy, &random)
            default: copy = (0..<random.next(below: 200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            }
            injected.append((1 - sender, copy))
        }
        return true
    }
    let flow = StreamFlow(world, from: 0, client, server, total: 300_000)
    let back = StreamFlow(world, from: 1, server, client, total: 100_000, tag: 300)
    _ = world.run(.seconds(3600)) {
        for (receiver, bytes) in injected { world.inject(bytes, to: receiver) }
        injected.removeAll(keepingCapacity: true)
        let isDone = flow.advance()
        return back.advance() && isDone
    }
    // A forgery that hits the numbers exactly may end or spoil a connection; never the stack.
    world.filter = nil
    for host in world.hosts {
        host.stack.close(client)
        host.stack.close(server)
    }
    world.run(for: .seconds(1200))
    for host in world.hosts { context.expectEqual(host.stack.bufferByteCountInUse, 0, "buffers in use after") }
    return true
}

/// A TCP frame with something changed and its checksums right.
private func repaired(_ frame: [UInt8], _ random: inout SuiteRandom) -> [UInt8] {
    var copy = frame
    guard copy.count >= 54, copy[12] == 8, copy[13] == 0, copy[23] == 6 else { return copy }
    switch random.next(below: 5) {
    case 0: copy[47] = UInt8(truncatingIfNeeded: random.next())
    case 1: for at in 38..<46 { copy[at] = UInt8(truncatingIfNeeded: random.next()) }
    case 2: copy[46] = UInt8(truncatingIfNeeded: random.next())
    case 3:
        if copy.count > 54 {
            for at in 54..<min(copy.count, 66) { copy[at] = UInt8(truncatingIfNeeded: random.next()) }
        }
    default:
        // A little off: the numbers are nearly right.
        let at = random.next(below: 2) == 0 ? 41 : 45
        copy[at] = copy[at] &+ UInt8(truncatingIfNeeded: random.next(below: 7))
        copy[47] ^= UInt8(1 << random.next(below: 5))
    }
    return withTCPChecksum(copy)
}

private func withTCPChecksum(_ frame: [UInt8]) -> [UInt8] {
    var copy = frame
    copy[50] = 0
    copy[51] = 0
    let tcp = Array(copy[34...])
    let sum = referenceChecksum(Array(copy[26..<34]) + [0, 6] + big16(tcp.count) + tcp)
    copy[50] = UInt8(sum >> 8)
    copy[51] = UInt8(sum & 255)
    return copy
}

private func comeAndGo(_ context: SuiteContext) throws(EngineError) {
    var options = LinkOptions()
    options.lostOf10000 = 300
    options.lateOf10000 = 300
    let world = NetworkWorld(options)
    let a = world.hosts[0].stack
    let b = world.hosts[1].stack
    let (listener, bound) = try b.listen(IPv4Endpoint(.any, 0))
    b.queueAccept(0, listener, tag: 1)
    var random = SuiteRandom(seed: 9)
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: 64 << 10, alignment: 16)
    defer { buffer.deallocate() }
    buffer.initializeMemory(as: UInt8.self, repeating: 1, count: 64 << 10)
    var opened = 0
    for round in 0..<300 {
        a.queueConnect(0, to: IPv4Endpoint(b.address, bound.port), tag: 2)
        guard let client = world.wait(0, 2), client >= 0 else { continue }
        opened += 1
        let handle = StreamHandle(rawValue: Int32(client))
        let server = world.wait(1, 1).map { StreamHandle(rawValue: Int32($0)) }
        let count = random.next(below: 64 << 10)
        if count > 0 { a.queueSend(0, handle, IOVector(base: buffer, byteCount: count), tag: 3) }
        if let server, round % 3 == 0 {
            b.queueReceive(0, server, into: IOVector(base: buffer, byteCount: 9000), tag: 4)
        }
        world.run(for: .milliseconds(UInt64(random.next(below: 30))))
        switch random.next(below: 4) {
        case 0: a.shutdown(handle)
        case 1: if let server { b.shutdown(server) }
        default: break
        }
        world.run(for: .milliseconds(UInt64(random.next(below: 30))))
        if round % 2 == 0 { a.close(handle) }
        if let server { b.close(server) }
        if round % 2 == 1 { a.close(handle) }
        _ = world.hosts[0].take(3)
        _ = world.hosts[1].take(4)
        // A handle that is out of use does nothing.
        a.close(handle)
        a.queueSend(0, handle, IOVector(base: buffer, byteCount: 1), tag: 5)
        context.expectEqual(world.wait(0, 5) ?? 0, -9, "result of a send on a closed handle")
    }
    context.expect(opened > 290, "connections opened: \(opened)")
    b.close(listener)
    context.expectEqual(world.wait(1, 1) ?? 0, -PlatformErrno.canceled, "result of an accept whose listener closed")
    world.run(for: .seconds(1200))
    for host in world.hosts {
        context.expectEqual(host.stack.connectionCount, 0, "connections in the end")
        context.expectEqual(host.stack.bufferByteCountInUse, 0, "buffers in use in the end")
    }
}

/// More data than memory: thirty connections into a receiver with a megabyte, most of which read late.
private func crowd(_ context: SuiteContext) throws(EngineError) {
    var small = NetworkHost.configuration(2)
    small.bufferByteCount = 1 << 20
    var options = LinkOptions()
    options.lostOf10000 = 100
    options.lateOf10000 = 300
    let world = NetworkWorld(NetworkHost.configuration(1), small, options)
    let (listener, bound) = try world.hosts[1].stack.listen(IPv4Endpoint(.any, 0))
    world.hosts[1].stack.queueAccept(0, listener, tag: 1)
    var flows: [StreamFlow] = []
    var streams: [(StreamHandle, StreamHandle)] = []
    for index in 0..<30 {
        world.hosts[0].stack.queueConnect(0, to: IPv4Endpoint(world.hosts[1].stack.address, bound.port), tag: 2)
        guard let client = world.wait(0, 2), let server = world.wait(1, 1), client >= 0, server >= 0 else {
            return context.fail("connection \(index) failed")
        }
        streams.append((StreamHandle(rawValue: Int32(client)), StreamHandle(rawValue: Int32(server))))
    }
    for (index, (client, server)) in streams.enumerated() {
        let flow = StreamFlow(world, from: 0, client, server, total: 200_000, tag: Tag(1000 + 16 * index))
        flow.receiverPauses = index % 3 != 0
        flows.append(flow)
    }
    let deadline = world.now + .seconds(20)
    let isWhole = world.run(.seconds(3600)) {
        if !(world.now < deadline) { for flow in flows { flow.receiverPauses = false } }
        var isDone = true
        for flow in flows where !flow.advance() { isDone = false }
        return isDone
    }
    context.expect(isWhole, "not all arrived")
    for flow in flows {
        context.expect(
            !flow.isWrong && flow.failure == 0 && flow.received == flow.total, "a stream of \(flow.received)")
    }
}

private func linkCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "network: throughput holds up under loss and delay") { context throws(EngineError) in
            // Loss in ten-thousandths, delay one way in ms, kilobytes a second that must be reached on 12.5 MB/s.
            let grid: [(Int, UInt64, Int)] = [
                (0, 1, 10_000), (0, 20, 8_000), (0, 100, 2_000), (10, 1, 8_000), (10, 20, 1_800), (100, 1, 4_000),
                (100, 20, 330), (300, 20, 130), (100, 100, 60),
            ]
            for (loss, delay, least) in grid {
                var options = LinkOptions()
                options.delay = .milliseconds(delay)
                options.lostOf10000 = loss
                options.rate = 12_500_000
                let world = NetworkWorld(options)
                guard let (client, server) = try world.connect(context) else { return }
                let begin = world.now
                let flow = StreamFlow(world, from: 0, client, server, total: loss == 0 ? 16 << 20 : 4 << 20)
                _ = flow.finish(context)
                let milliseconds = Int((world.now - begin).rawValue / 1_000_000)
                let rate = flow.total / max(milliseconds, 1)
                let statistics = world.hosts[0].stack.statistics
                if rate < least {
                    context.fail(
                        "loss \(loss)/10000, \(delay) ms: \(rate) kB/s is less than \(least); \(statistics.timeouts) timeouts, "
                            + "\(statistics.fastRecoveries) recoveries, \(statistics.retransmittedSegments) sent again")
                }
            }
        },
        SuiteCase(bare: "network: NewReno and a peer without SACK get through as well") { context throws(EngineError) in
            var a = NetworkHost.configuration(1)
            a.congestion = .newReno
            var options = LinkOptions()
            options.lostOf10000 = 200
            let world = NetworkWorld(a, NetworkHost.configuration(2), options)
            // SACK-permitted becomes two no-operations on the way.
            var changed = 0
            world.filter = { _, bytes in
                guard bytes.count >= 62, bytes[23] == 6, bytes[47] & Flag.syn != 0 else { return true }
                // Behind the MSS.
                if bytes[58] == 4 && bytes[59] == 2 {
                    bytes[58] = 1
                    bytes[59] = 1
                    changed += 1
                    bytes = withTCPChecksum(bytes)
                }
                return true
            }
            guard let (client, server) = try world.connect(context) else { return }
            context.expect(changed > 0, "SACK was not taken off")
            _ = StreamFlow(world, from: 0, client, server, total: 2 << 20).finish(context)
            context.expect(world.hosts[0].stack.statistics.fastRecoveries > 0, "no fast recovery")
        },
        SuiteCase(bare: "network: a stack speaks to itself") { context throws(EngineError) in
            let world = NetworkWorld()
            let stack = world.hosts[0].stack
            for address in [IPv4Address(127, 0, 0, 1), stack.address] {
                let (listener, bound) = try stack.listen(IPv4Endpoint(address, 0))
                stack.queueAccept(0, listener, tag: 1)
                stack.queueConnect(0, to: bound, tag: 2)
                guard let client = world.wait(0, 2), let server = world.wait(0, 1), client >= 0, server >= 0 else {
                    return context.fail("no connection to \(address.text)")
                }
                let buffer = UnsafeMutableRawPointer.allocate(byteCount: 300_000, alignment: 16)
                defer { buffer.deallocate() }
                buffer.initializeMemory(as: UInt8.self, repeating: 3, count: 300_000)
                let out = StreamHandle(rawValue: Int32(client))
                let into = StreamHandle(rawValue: Int32(server))
                var sent = 0
                var received = 0
                while received < 200_000 {
                    if sent < 200_000 {
                        stack.queueSend(0, out, IOVector(base: buffer, byteCount: 200_000 - sent), tag: 3)
                        sent += world.wait(0, 3, .seconds(10)) ?? 0
                    }
                    stack.queueReceive(0, into, into: IOVector(base: buffer + 200_000, byteCount: 100_000), tag: 4)
                    guard let count = world.wait(0, 4, .seconds(10)), count > 0 else {
                        return context.fail("nothing came after \(received) bytes")
                    }
                    received += count
                }
                context.expectEqual(received, 200_000, "bytes received")
                context.expectEqual(stack.statistics.sentFrames, 0, "frames that left for ourselves")
                stack.close(out)
                stack.close(into)
                stack.close(listener)
                context.expectEqual(world.wait(0, 1) ?? 0, -PlatformErrno.canceled, "result of the accept")
            }
        },
    ]
}
