// TCP segment by segment: what the RFCs say a stack must answer, and what it must let pass.

import NetworkEngine
import Platform

/// MSS 1460, SACK permitted, no timestamps.
private let sackOptions: [UInt8] = [2, 4, 5, 0xb4, 4, 2, 1, 1]

func networkScriptCases() -> [SuiteCase] {
    openingCases() + dataCases() + lossCases() + attackCases()
}

private func openingCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "network: a handshake agrees on what both sides offer") { context throws(EngineError) in
            let peer = ScriptedPeer(context)
            _ = try peer.stack.listen(IPv4Endpoint(.any, 5432))
            var syn = Segment(Flag.syn, 7)
            syn.options = [2, 4, 5, 0xb4, 4, 2, 8, 10] + big32(77) + big32(0) + [1, 3, 3, 7]
            peer.send(syn)
            guard let answer = peer.expect(Flag.syn | Flag.ack, "answer") else { return }
            context.expectEqual(answer.maximumSegment, 1460, "MSS")
            context.expect(answer.permitsSACK, "SACK is not permitted")
            context.expectEqual(answer.echo, 77, "echoed timestamp")
            context.expect(answer.scale >= 0, "no window scale")
            // Without offers, none of it.
            peer.port += 1
            peer.send(Segment(Flag.syn, 7))
            guard let bare = peer.expect(Flag.syn | Flag.ack, "answer to a bare SYN") else { return }
            context.expect(!bare.permitsSACK && bare.scale < 0 && bare.timestamp == nil, "options nobody offered")
            context.expect(bare.sequence != answer.sequence, "the same initial sequence number twice")
        },
        SuiteCase(bare: "network: an answer to a SYN is repeated until acknowledged, then given up") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            _ = try peer.stack.listen(IPv4Endpoint(.any, 5432))
            peer.send(Segment(Flag.syn, 7))
            let first = peer.expect(Flag.syn | Flag.ack, "answer")
            peer.pass(.milliseconds(1100))
            let second = peer.expect(Flag.syn | Flag.ack, "second answer")
            context.expectEqual(first?.sequence ?? 0, second?.sequence ?? 1, "sequence of the second answer")
            peer.pass(.seconds(200))
            context.expectEqual(peer.stack.connectionCount, 0, "connections that nobody completed")
        },
        SuiteCase(bare: "network: an opening acknowledged before its repetition went out is not repeated") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            let (listener, _) = try peer.stack.listen(IPv4Endpoint(.any, 5432))
            peer.stack.queueAccept(0, listener, tag: 16)
            peer.send(Segment(Flag.syn, 1000))
            guard let answer = peer.expect(Flag.syn | Flag.ack, "answer to a SYN") else { return }
            (peer.sequence, peer.acknowledgement) = (1001, answer.sequence &+ 1)
            // The SYN again and the acknowledgement arrive together: the stack does not come to send in between.
            peer.receive(Segment(Flag.syn, 1000))
            peer.send(Segment(Flag.ack, peer.sequence, peer.acknowledgement))
            guard let handle = peer.host.take(16) else { return context.fail("no connection was accepted") }
            peer.stream = StreamHandle(rawValue: Int32(handle))
            peer.frames = []
            context.expectEqual(peer.write([7, 8, 9]), 3, "bytes taken")
            let data = peer.expect(Flag.ack, "data")
            context.expectEqual(data?.sequence ?? 0, peer.acknowledgement, "its number")
            context.expect(data?.payload == [7, 8, 9], "other bytes")
        },
        SuiteCase(bare: "network: a closed port refuses with a reset the peer can believe") { context in
            let peer = ScriptedPeer(context)
            peer.send(Segment(Flag.syn, 500), to: 81)
            let refusal = peer.expect(Flag.rst | Flag.ack, "refusal of a SYN")
            context.expectEqual(refusal?.acknowledgement ?? 0, 501, "acknowledgement of the refusal")
            peer.send(Segment(Flag.ack, 500, 900), to: 81)
            context.expectEqual(peer.expect(Flag.rst, "refusal of an ACK")?.sequence ?? 0, 900, "its sequence")
            peer.send(Segment(Flag.rst, 500), to: 81)
            peer.expectSilence("answer to a reset")
        },
        SuiteCase(bare: "network: a connection ends in order from either side") { context throws(EngineError) in
            let peer = ScriptedPeer(context)
            // The peer first.
            guard try peer.open() else { return }
            peer.send(Segment(Flag.fin | Flag.ack, peer.sequence, peer.acknowledgement))
            peer.expect(Flag.ack, "acknowledgement of a FIN")
            context.expectEqual(peer.read(10)?.count ?? -1, 0, "bytes at the end of the stream")
            peer.stack.close(peer.stream)
            peer.turn()
            peer.expect(Flag.fin | Flag.ack, "our FIN")
            peer.send(Segment(Flag.ack, peer.sequence &+ 1, peer.acknowledgement &+ 1))
            context.expectEqual(peer.stack.connectionCount, 0, "connections after LAST-ACK")
            // The stack first.
            peer.port += 1
            guard peer.reopen() else { return }
            peer.stack.close(peer.stream)
            peer.turn()
            peer.expect(Flag.fin | Flag.ack, "our FIN")
            peer.send(Segment(Flag.fin | Flag.ack, peer.sequence, peer.acknowledgement &+ 1))
            peer.expect(Flag.ack, "acknowledgement of the peer's FIN")
            context.expectEqual(peer.stack.connectionCount, 1, "connections in TIME-WAIT")
            peer.pass(.seconds(61))
            context.expectEqual(peer.stack.connectionCount, 0, "connections after TIME-WAIT")
            context.expectEqual(peer.stack.bufferByteCountInUse, 0, "buffers in use")
        },
        SuiteCase(bare: "network: what is read by nobody is answered with a reset") { context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open() else { return }
            peer.data([1, 2, 3])
            peer.stack.close(peer.stream)
            peer.turn()
            peer.expect(Flag.rst | Flag.ack, "close with unread data")
            context.expectEqual(peer.stack.connectionCount, 0, "connections after")
        },
        SuiteCase(bare: "network: a connect to nobody fails, refused or unanswered") { context throws(EngineError) in
            let peer = ScriptedPeer(context)
            let target = IPv4Endpoint(IPv4Address(10, 0, 0, 9), 99)
            peer.stack.queueConnect(0, to: target, tag: 64)
            peer.turn()
            guard let syn = peer.expect(Flag.syn, "SYN") else { return }
            var refusal = Segment(Flag.rst | Flag.ack, 0, syn.sequence &+ 1)
            peer.inject(ScriptedPeer.tcp(refusal, from: 99, to: syn.sourcePort))
            context.expectEqual(peer.host.take(64) ?? 0, -111, "result of a refused connect")
            peer.stack.queueConnect(0, to: target, tag: 64)
            peer.turn()
            guard let again = peer.expect(Flag.syn, "SYN") else { return }
            // A refusal that does not acknowledge our SYN is a forgery.
            refusal.acknowledgement = again.sequence
            peer.inject(ScriptedPeer.tcp(refusal, from: 99, to: again.sourcePort))
            context.expect(peer.host.take(64) == nil, "a forged refusal ended the connect")
            peer.pass(.seconds(300))
            context.expectEqual(peer.host.take(64) ?? 0, -110, "result of an unanswered connect")
            // A neighbour that is not there answers no ARP.
            peer.stack.queueConnect(0, to: IPv4Endpoint(IPv4Address(10, 0, 0, 77), 99), tag: 64)
            peer.pass(.seconds(300))
            context.expectEqual(peer.host.take(64) ?? 0, -113, "result of a connect to no host")
        },
    ]
}

private func dataCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "network: the second full segment is acknowledged at once, a lone one within 40 ms") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open() else { return }
            let full = [UInt8](repeating: 1, count: 1460)
            peer.data(full)
            peer.expectSilence("acknowledgement of a lone segment")
            peer.data(full, at: 1460)
            let both = peer.expect(Flag.ack, "acknowledgement of two")
            context.expectEqual(both?.acknowledgement ?? 0, peer.sequence &+ 2920, "its number")
            peer.data([1], at: 2920)
            peer.pass(.milliseconds(41))
            let late = peer.expect(Flag.ack, "late acknowledgement")
            context.expectEqual(late?.acknowledgement ?? 0, peer.sequence &+ 2921, "its number")
        },
        SuiteCase(bare: "network: data out of order is kept, reported and delivered in order") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open(options: sackOptions) else { return }
            peer.data([3, 4], at: 2)
            let first = peer.expect(Flag.ack, "duplicate acknowledgement")
            context.expectEqual(first?.acknowledgement ?? 0, peer.sequence, "its number")
            context.expectEqual(first?.sack.count ?? 0, 1, "SACK blocks")
            context.expectEqual(first?.sack.first?.0 ?? 0, peer.sequence &+ 2, "begin of the block")
            peer.data([7], at: 6)
            let second = peer.expect(Flag.ack, "duplicate acknowledgement")
            context.expectEqual(second?.sack.count ?? 0, 2, "SACK blocks")
            // The newest first.
            context.expectEqual(second?.sack.first?.0 ?? 0, peer.sequence &+ 6, "begin of the first block")
            peer.data([1, 2])
            context.expectEqual(
                peer.expect(Flag.ack, "acknowledgement")?.acknowledgement ?? 0, peer.sequence &+ 4, "its number")
            context.expect(peer.read(100) ?? [] == [1, 2, 3, 4], "the bytes in order")
            peer.data([5, 6], at: 4)
            context.expect(peer.read(100) ?? [] == [5, 6, 7], "the rest")
        },
        SuiteCase(bare: "network: overlaps deliver every byte once, as it came first") { context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open(options: sackOptions) else { return }
            peer.data([3, 4, 5], at: 2)
            // Over both ends of what is held, and different inside.
            peer.data([2, 99, 99, 99, 6, 7], at: 1)
            peer.data([1, 98, 98])
            context.expect(peer.read(100) ?? [] == [1, 2, 3, 4, 5, 6, 7], "the bytes")
            // All of it old, and then old with a new tail.
            peer.data([97, 97, 97])
            peer.data([97, 97, 97, 8], at: 4)
            context.expect(peer.read(100) ?? [] == [8], "the new byte")
            peer.stack.close(peer.stream)
            peer.turn()
            context.expectEqual(peer.stack.bufferByteCountInUse, 0, "buffers in use")
        },
        SuiteCase(bare: "network: a window that nobody reads closes, takes nothing, and opens again") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open() else { return }
            var offset = 0
            var window = 65535
            while window > 0 && offset < 1 << 20 {
                peer.data([UInt8](repeating: 5, count: min(1460, window)), at: offset)
                offset += min(1460, window)
                peer.pass(.milliseconds(50))
                while let sent = peer.next() { window = sent.window }
            }
            context.expectEqual(window, 0, "window of a full buffer")
            peer.data([6], at: offset)
            let refused = peer.expect(Flag.ack, "answer to a probe")
            context.expectEqual(refused?.acknowledgement ?? 0, peer.sequence &+ UInt32(offset), "its number")
            context.expectEqual(peer.read(1 << 20)?.count ?? 0, offset, "bytes that were in the window")
            context.expect(peer.expect(Flag.ack, "window update")?.window ?? 0 > 30000, "the window did not open")
        },
        SuiteCase(bare: "network: a closed window is probed for ever, and data flows when it opens") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open(window: 0) else { return }
            context.expectEqual(peer.write([1, 2, 3]), 3, "bytes taken")
            peer.expectSilence("data into a closed window")
            for _ in 0..<40 {
                peer.pass(.seconds(61))
                var probes = 0
                while peer.next() != nil { probes += 1 }
                context.expect(probes > 0, "no probe")
                peer.acknowledge(0, window: 0)
                while peer.next() != nil {}
            }
            peer.acknowledge(0, window: 1000)
            context.expect(peer.expect(Flag.ack, "data")?.payload ?? [] == [1, 2, 3], "the data")
        },
        SuiteCase(bare: "network: a silent peer is probed and then given up") { context throws(EngineError) in
            let peer = ScriptedPeer(context) {
                $0.keepaliveIdle = .seconds(60)
                $0.keepaliveInterval = .seconds(10)
                $0.keepaliveLimit = 3
            }
            guard try peer.open() else { return }
            peer.pass(.seconds(61))
            let probe = peer.expect(Flag.ack, "probe")
            context.expectEqual(probe?.sequence ?? 0, peer.acknowledgement &- 1, "its number")
            peer.acknowledge(0)
            peer.pass(.seconds(59))
            peer.expectSilence("a probe although the peer answered")
            peer.pass(.seconds(100))
            while peer.next() != nil {}
            context.expectEqual(peer.stack.connectionCount, 0, "connections to a dead peer")
            _ = peer.read(1)
            context.expectEqual(peer.lastResult, -110, "result of a receive")
        },
    ]
}

private func lossCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "network: an unanswered segment goes again after a timeout that doubles, and is given up") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open() else { return }
            _ = peer.write([1, 2, 3])
            peer.expect(Flag.ack, "data")
            var times: [UInt64] = []
            for _ in 0..<5 {
                let before = peer.now
                var sent: SentSegment?
                while sent == nil && peer.now - before < .seconds(100) {
                    peer.pass(.milliseconds(10))
                    sent = peer.next()
                }
                context.expect(sent?.payload ?? [] == [1, 2, 3], "what goes again")
                times.append((peer.now - before).rawValue / 1_000_000)
            }
            context.expect(times[0] >= 200 && times[0] <= 1100, "first timeout: \(times[0]) ms")
            for index in 1..<5 {
                context.expect(
                    times[index] >= times[index - 1] * 18 / 10 && times[index] <= times[index - 1] * 22 / 10,
                    "timeouts \(times[index - 1]) and \(times[index]) ms")
            }
            peer.pass(.seconds(3600))
            context.expectEqual(peer.stack.connectionCount, 0, "connections to a dead peer")
        },
        SuiteCase(bare: "network: three duplicates send the missing segment again at once, without SACK") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open() else { return }
            _ = peer.write([UInt8](repeating: 1, count: 1460 * 10))
            var count = 0
            while peer.next() != nil { count += 1 }
            context.expectEqual(count, 10, "segments of the initial window")
            for _ in 0..<2 { peer.acknowledge(0) }
            peer.expectSilence("after two duplicates")
            peer.acknowledge(0)
            let again = peer.expect(Flag.ack, "segment sent again")
            context.expectEqual(again?.sequence ?? 0, peer.acknowledgement, "its number")
            // A partial acknowledgement sends the next hole.
            peer.acknowledge(1460 * 4)
            context.expectEqual(
                peer.expect(Flag.ack, "next hole")?.sequence ?? 0, peer.acknowledgement &+ 1460 * 4, "its number")
        },
        SuiteCase(bare: "network: SACK blocks send again what is missing and nothing else") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open(options: sackOptions) else { return }
            _ = peer.write([UInt8](repeating: 1, count: 1460 * 10))
            while peer.next() != nil {}
            func block(_ from: Int, _ to: Int) -> [UInt8] {
                [1, 1, 5, 10] + big32(peer.acknowledgement &+ UInt32(1460 * from))
                    + big32(peer.acknowledgement &+ UInt32(1460 * to))
            }
            // 0 and 4 are lost.
            peer.acknowledge(0, options: block(1, 2))
            peer.acknowledge(0, options: block(1, 4))
            peer.acknowledge(0, options: block(5, 10))
            var again: [UInt32] = []
            while let sent = peer.next() { again.append((sent.sequence &- peer.acknowledgement) / 1460) }
            context.expect(again == [0, 4], "segments sent again: \(again)")
            peer.acknowledge(14600)
            peer.pass(.seconds(5))
            peer.expectSilence("after everything was acknowledged")
        },
        SuiteCase(bare: "network: SACK blocks that cannot be are passed over") { context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open(options: sackOptions) else { return }
            _ = peer.write([UInt8](repeating: 1, count: 1460 * 3))
            while peer.next() != nil {}
            for (lower, upper) in [(2920, 1460), (-100, 200), (1460, 1 << 30), (-5000, -4000), (0, 0)] {
                var option: [UInt8] = [1, 1, 5, 10]
                option += big32(peer.acknowledgement &+ UInt32(truncatingIfNeeded: lower))
                option += big32(peer.acknowledgement &+ UInt32(truncatingIfNeeded: upper))
                peer.acknowledge(0, options: option)
            }
            peer.expectSilence("answer to nonsense")
            peer.acknowledge(4380)
            peer.pass(.seconds(3))
            peer.expectSilence("after everything was acknowledged")
        },
        SuiteCase(bare: "network: a lost tail is probed for before the timeout") { context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open(options: sackOptions) else { return }
            // A round trip of 10 ms is known.
            _ = peer.write([1])
            peer.now = peer.now + .milliseconds(10)
            peer.acknowledge(1)
            while peer.next() != nil {}
            _ = peer.write([UInt8](repeating: 1, count: 1460 * 2))
            while peer.next() != nil {}
            peer.pass(.milliseconds(60))
            let probe = peer.expect(Flag.ack, "probe")
            context.expectEqual(probe?.sequence ?? 0, peer.acknowledgement &+ 1461, "its number: the last segment's")
            // It arrived, the one before did not.
            peer.acknowledge(
                1, options: [1, 1, 5, 10] + big32(peer.acknowledgement &+ 1461) + big32(peer.acknowledgement &+ 2921))
            context.expectEqual(
                peer.expect(Flag.ack, "the missing one")?.sequence ?? 0, peer.acknowledgement &+ 1, "its number")
        },
    ]
}

private func attackCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "network: only the exact number resets a connection") { context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open() else { return }
            peer.send(Segment(Flag.rst, peer.sequence &- 1))
            peer.send(Segment(Flag.rst, peer.sequence &+ 70000))
            peer.expectSilence("answer to a reset outside the window")
            peer.send(Segment(Flag.rst, peer.sequence &+ 10))
            let challenge = peer.expect(Flag.ack, "challenge")
            context.expectEqual(challenge?.acknowledgement ?? 0, peer.sequence, "its number")
            for offset in 11..<60 as Range<UInt32> { peer.send(Segment(Flag.rst, peer.sequence &+ offset)) }
            peer.expectSilence("a storm of challenges")
            context.expectEqual(peer.stack.connectionCount, 1, "connections")
            peer.send(Segment(Flag.rst, peer.sequence))
            context.expectEqual(peer.stack.connectionCount, 0, "connections after a reset")
            _ = peer.read(1)
            context.expectEqual(peer.lastResult, -PlatformErrno.connectionReset, "result of a receive")
        },
        SuiteCase(bare: "network: a SYN, or an acknowledgement of what was never sent, changes nothing") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open() else { return }
            peer.send(Segment(Flag.syn, peer.sequence &+ 5))
            peer.expect(Flag.ack, "challenge")
            peer.now = peer.now + .seconds(1)
            var forged = Segment(Flag.ack, peer.sequence, peer.acknowledgement &+ 100_000)
            forged.payload = [66]
            peer.send(forged)
            forged.acknowledgement = peer.acknowledgement &- 1_000_000
            peer.send(forged)
            peer.data([1])
            context.expect(peer.read(10) ?? [] == [1], "the bytes")
        },
        SuiteCase(bare: "network: old timestamps are not taken for new data") { context throws(EngineError) in
            let peer = ScriptedPeer(context)
            guard try peer.open(options: [2, 4, 5, 0xb4] + ScriptedPeer.timestamps(1000, 0)) else { return }
            func data(_ byte: UInt8, _ timestamp: UInt32?) {
                var segment = Segment(Flag.ack, peer.sequence, peer.acknowledgement)
                segment.payload = [byte]
                if let timestamp { segment.options = ScriptedPeer.timestamps(timestamp, 1) }
                peer.send(segment)
            }
            data(9, 999)
            data(9, nil)
            data(7, 1001)
            context.expect(peer.read(10) ?? [] == [7], "the bytes")
        },
        SuiteCase(bare: "network: a flood of SYNs is answered by cookies and keeps nobody out") {
            context throws(EngineError) in
            let peer = ScriptedPeer(context)
            let (listener, _) = try peer.stack.listen(IPv4Endpoint(.any, 5432))
            peer.stack.queueAccept(0, listener, tag: 16)
            for index in 0..<5000 {
                peer.inject(
                    ScriptedPeer.tcp(
                        Segment(Flag.syn, UInt32(index)), from: UInt16(1024 + index), to: 5432))
            }
            peer.frames = []
            context.expect(peer.stack.statistics.cookiesSent > 4000, "no cookies")
            context.expect(peer.stack.connectionCount <= 16, "half-open connections: \(peer.stack.connectionCount)")
            peer.port = 60000
            let options = [2, 4, 5, 0xb4, 4, 2] + ScriptedPeer.timestamps(1, 0) + [3, 3, 7, 1]
            guard peer.reopen(options: options) else { return }
            context.expectEqual(peer.stack.statistics.cookiesAccepted, 1, "cookies accepted")
            var segment = Segment(Flag.ack, peer.sequence, peer.acknowledgement)
            segment.options = ScriptedPeer.timestamps(3, 0)
            segment.payload = [1, 2]
            peer.send(segment)
            context.expect(peer.read(10) ?? [] == [1, 2], "the bytes")
            // Options survived: a block is reported out of order.
            segment.sequence = peer.sequence &+ 10
            peer.send(segment)
            context.expectEqual(peer.expect(Flag.ack, "duplicate")?.sack.count ?? 0, 1, "SACK blocks")
            // A guess is none.
            peer.port = 60001
            peer.send(Segment(Flag.ack, 1, 12345))
            peer.expect(Flag.rst, "refusal of a forged cookie")
            peer.pass(.seconds(200))
            context.expectEqual(peer.stack.connectionCount, 1, "connections after the flood")
        },
        SuiteCase(bare: "network: an old cookie is worth nothing") { context throws(EngineError) in
            let peer = ScriptedPeer(context) { $0.halfOpenLimit = 0 }
            _ = try peer.stack.listen(IPv4Endpoint(.any, 5432))
            peer.send(Segment(Flag.syn, 7))
            guard let answer = peer.expect(Flag.syn | Flag.ack, "cookie") else { return }
            peer.pass(.seconds(200))
            peer.send(Segment(Flag.ack, 8, answer.sequence &+ 1))
            peer.expect(Flag.rst, "refusal")
        },
    ]
}
