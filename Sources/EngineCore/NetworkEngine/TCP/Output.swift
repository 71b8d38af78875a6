// What a connection sends: new data as windows allow, lost data again, acknowledgements, probes (RFC 9293, section 3.8; RFC
// 6675, section 4).

import Platform

extension NetworkStack {
    /// Sends what is due. If frames run out, or the next hop is not known yet, goes on later.
    func output(_ c: ConnectionPointer) {
        switch c.pointee.state {
        case .closed: return
        case .synSent: if c.pointee.sendNext == c.pointee.initialSend { sendSYN(c, .syn) }
        case .synReceived: if c.pointee.sendNext == c.pointee.initialSend { sendSYN(c, .syn | .ack) }
        default:
            sendData(c)
            // At the highest number sent: after a timeout `sendNext` may lie where the peer takes nothing any more.
            if c.pointee.acknowledgeNow { _ = send(c, at: c.pointee.sendMax, 0, .ack) }
            if c.pointee.sendTag != 0 { takeFromOwner(c) }
        }
        timers.update(c, connections)
    }

    // MARK: Data

    private func sendData(_ c: ConnectionPointer) {
        if c.pointee.state == .timeWait { return }
        if c.pointee.phase == .open && c.pointee.outstandingByteCount == 0
            && (clock - c.pointee.lastSend).rawValue > c.pointee.roundTrip.timeout.rawValue
        {
            c.pointee.congestion.restart()
        }
        var pipe = self.pipe(c)
        let segment = c.pointee.segmentByteCount
        while true {
            let window = c.pointee.congestion.window
            // A first segment may go although it is longer than what the window leaves.
            if pipe > 0 && pipe + min(segment, window) > window { return }
            if c.pointee.phase == .recovery, let (at, count) = nextLost(c) {
                if !send(c, at: at, count, .ack) { return }
                retransmitted(c, at, count)
                c.pointee.recoverySent += count
                pipe += count
                continue
            }
            let count = nextNew(c)
            let carriesFIN = c.pointee.finIsQueued && c.pointee.sendNext + UInt64(count) == c.pointee.sendEnd
            if count == 0 && !carriesFIN { return }
            let at = c.pointee.sendNext
            let isAgain = at < c.pointee.sendMax
            let isLast = at + UInt64(count) == c.pointee.sendEnd
            var flags = isLast && count > 0 ? TCPFlags.psh | .ack : .ack
            if carriesFIN { flags = flags | .fin }
            if !send(c, at: at, count, flags) { return }
            c.pointee.sendNext = at + UInt64(count) + (carriesFIN ? 1 : 0)
            if isAgain {
                statistics.retransmittedSegments &+= 1
                c.pointee.timedEnd = 0
            } else if c.pointee.timedEnd == 0 {
                c.pointee.timedEnd = c.pointee.sendNext
                c.pointee.timedSince = clock
            }
            c.pointee.sendMax = max(c.pointee.sendMax, c.pointee.sendNext)
            c.pointee.recoverySent += count
            pipe += count
            // A probe is due some time after the last segment, a timeout after the first.
            if c.pointee.retransmitDeadline == .never || mayProbeTail(c) { startRetransmitTimer(c) }
            if carriesFIN { return }
        }
    }

    /// Bytes to send at `sendNext`, which skips what the peer is known to have.
    private func nextNew(_ c: ConnectionPointer) -> Int {
        var limit = c.pointee.sendEnd
        if c.pointee.sendNext < c.pointee.sendMax && !c.pointee.scoreboard.isEmpty {
            while true {
                let index = c.pointee.scoreboard.first(endingAbove: c.pointee.sendNext)
                if index < 0 { break }
                let range = c.pointee.scoreboard[index]
                if range.lower > c.pointee.sendNext {
                    limit = min(limit, range.lower)
                    break
                }
                c.pointee.sendNext = range.upper
            }
        }
        if c.pointee.sendNext >= limit { return 0 }
        let windowEnd = c.pointee.sendUnacknowledged + UInt64(c.pointee.sendWindow)
        if c.pointee.sendNext >= windowEnd {
            // Nothing is on its way that could open the window: ask (RFC 9293, section 3.8.6.1).
            if c.pointee.outstandingByteCount == 0 && c.pointee.retransmitDeadline == .never { startRetransmitTimer(c) }
            return 0
        }
        return Int(min(min(limit, windowEnd) - c.pointee.sendNext, UInt64(c.pointee.segmentByteCount)))
    }

    /// Bytes taken to be in the network (RFC 6675, SetPipe).
    func pipe(_ c: ConnectionPointer) -> Int {
        let una = c.pointee.sendUnacknowledged
        let next = c.pointee.sendNext
        if next <= una { return 0 }
        let flight = Int(next - una)
        if !c.pointee.hasSACK {
            // Every duplicate tells of a segment that has left the network.
            return max(flight - c.pointee.duplicateCount * c.pointee.segmentByteCount, 0)
        }
        if c.pointee.scoreboard.isEmpty { return flight }
        if c.pointee.phase != .recovery { return c.pointee.scoreboard.missing(una, next) }
        var result = 0
        var at = una
        for index in 0..<c.pointee.scoreboard.count {
            let range = c.pointee.scoreboard[index]
            if range.lower > at {
                if !isLost(c, holeBefore: index) { result += Int(range.lower - at) }
                if c.pointee.highRetransmit > at { result += Int(min(c.pointee.highRetransmit, range.lower) - at) }
            }
            at = max(at, range.upper)
        }
        return result + (next > at ? Int(next - at) : 0)
    }

    /// Whether enough lies above the hole in front of range `index` to take it for lost (RFC 6675, IsLost).
    private func isLost(_ c: ConnectionPointer, holeBefore index: Int) -> Bool {
        if c.pointee.allHolesAreLost || c.pointee.scoreboard.count - index >= 3 { return true }
        var above = 0
        for later in index..<c.pointee.scoreboard.count {
            above += Int(c.pointee.scoreboard[later].upper - c.pointee.scoreboard[later].lower)
        }
        return above > 2 * c.pointee.segmentByteCount
    }

    /// What is to be sent again next; nil if nothing is known to be lost that was not sent again already.
    private func nextLost(_ c: ConnectionPointer) -> (StreamPosition, Int)? {
        let una = c.pointee.sendUnacknowledged
        var at = max(una, c.pointee.highRetransmit)
        if !c.pointee.hasSACK || c.pointee.scoreboard.isEmpty {
            // NewReno: the first segment missing, once.
            if at > una || una >= c.pointee.sendMax { return nil }
            return (una, dataLength(c, una, c.pointee.sendMax))
        }
        var begin = una
        for index in 0..<c.pointee.scoreboard.count {
            let range = c.pointee.scoreboard[index]
            at = max(at, begin)
            if at < range.lower {
                // Ranges above have less above them: nothing further is lost either.
                if !isLost(c, holeBefore: index) && at > una { return nil }
                return (at, dataLength(c, at, range.lower))
            }
            begin = range.upper
        }
        return nil
    }

    /// Bytes from `at`, at most a segment, not beyond `limit` nor the stream's end (the FIN is sent apart).
    private func dataLength(_ c: ConnectionPointer, _ at: StreamPosition, _ limit: StreamPosition) -> Int {
        let end = min(limit, c.pointee.sendEnd)
        return at >= end ? 0 : min(Int(end - at), c.pointee.segmentByteCount)
    }

    private func retransmitted(_ c: ConnectionPointer, _ at: StreamPosition, _ count: Int) {
        statistics.retransmittedSegments &+= 1
        // A FIN alone counts one.
        c.pointee.highRetransmit = at + UInt64(max(count, 1))
        c.pointee.timedEnd = 0
        if at == c.pointee.sendUnacknowledged { sentFirstHole(c) }
    }

    /// The first segment missing is on its way again.
    func sentFirstHole(_ c: ConnectionPointer) {
        c.pointee.holeMark = c.pointee.sendMax
        c.pointee.holeSince = clock
        startRetransmitTimer(c)
    }

    /// Sends one segment again at once, whatever the windows say: after a timeout, or as a probe.
    func sendAgain(_ c: ConnectionPointer, at: StreamPosition) {
        let count = dataLength(c, at, c.pointee.sendEnd)
        statistics.retransmittedSegments &+= 1
        c.pointee.timedEnd = 0
        _ = send(c, at: at, count, .ack)
    }

    // MARK: Segments

    /// Sends one segment with `count` bytes from `at`. A FIN goes along if `at + count` is the stream's end and it is due.
    /// False if there was no frame or no link address: the connection goes on when there is.
    func send(_ c: ConnectionPointer, at: StreamPosition, _ count: Int, _ flags: TCPFlags) -> Bool {
        var flags = flags
        if count == 0 && c.pointee.finIsQueued && at == c.pointee.sendEnd && at < c.pointee.sendMax {
            flags = flags | .fin
        }
        guard let frame = beginFrame(c) else { return false }
        let header = frame + Ethernet.headerByteCount + IPv4Packet.headerByteCount
        var length = TCPSegment.headerByteCount
        if c.pointee.hasTimestamps {
            header.setBig(length, UInt32(0x0101_080a))
            header.setBig(length + 4, timestampClock &+ c.pointee.timestampOffset)
            header.setBig(length + 8, c.pointee.timestampRecent)
            length += 12
        }
        if !c.pointee.outOfOrder.isEmpty && c.pointee.hasSACK && count + length + 12 <= ownMaximumSegment + 20 {
            length += storeSACK(c, header + length, count)
        }
        let window = announceWindow(c)
        storeHeader(
            header, c.pointee.local.port, c.pointee.remote.port, UInt32(truncatingIfNeeded: at),
            UInt32(truncatingIfNeeded: c.pointee.receiveNext), flags, length, window)
        if count > 0 { c.pointee.sendBuffer.read(header + length, count, at: at, pool) }
        c.pointee.lastAcknowledged = c.pointee.receiveNext
        c.pointee.acknowledgeNow = false
        c.pointee.acknowledgeDeadline = .never
        c.pointee.unacknowledgedByteCount = 0
        if count > 0 { c.pointee.lastSend = clock }
        statistics.bytesOut &+= UInt64(count)
        finishFrame(frame, c.pointee.local.address, c.pointee.remote.address, length + count)
        return true
    }

    /// Blocks that the peer's scoreboard shall know: first where the newest segment went (RFC 2018, section 4).
    private func storeSACK(_ c: ConnectionPointer, _ option: UnsafeMutableRawPointer, _ payload: Int) -> Int {
        let space = ownMaximumSegment - payload - (c.pointee.hasTimestamps ? 12 : 0) - 4
        let most = min(c.pointee.hasTimestamps ? 3 : 4, space / 8, c.pointee.outOfOrder.count)
        if most <= 0 { return 0 }
        var first = c.pointee.outOfOrder.first(endingAbove: c.pointee.lastRange)
        if first < 0 { first = 0 }
        option.setBig(0, UInt16(0x0101))
        option.setBig(2, UInt16(0x0500) | UInt16(2 + 8 * most))
        var stored = 0
        var index = first
        while stored < most {
            let range = c.pointee.outOfOrder[index]
            option.setBig(4 + 8 * stored, UInt32(truncatingIfNeeded: range.lower))
            option.setBig(8 + 8 * stored, UInt32(truncatingIfNeeded: range.upper))
            stored += 1
            index = index + 1 < c.pointee.outOfOrder.count ? index + 1 : 0
        }
        return 4 + 8 * most
    }

    /// SYN, or SYN with acknowledgement, with every option we speak or the peer has offered.
    private func sendSYN(_ c: ConnectionPointer, _ flags: TCPFlags) {
        guard let frame = beginFrame(c) else { return }
        let isReply = flags.contains(.ack)
        let header = frame + Ethernet.headerByteCount + IPv4Packet.headerByteCount
        let length =
            TCPSegment.headerByteCount
            + storeSYNOptions(
                header + TCPSegment.headerByteCount, sack: !isReply || c.pointee.hasSACK,
                scale: !isReply || c.pointee.receiveScale > 0 ? Int(c.pointee.receiveScale) : -1,
                timestamps: !isReply || c.pointee.hasTimestamps,
                timestamp: timestampClock &+ c.pointee.timestampOffset, echo: c.pointee.timestampRecent)
        let window = min(c.pointee.receiveLimit, 65535)
        storeHeader(
            header, c.pointee.local.port, c.pointee.remote.port, UInt32(truncatingIfNeeded: c.pointee.initialSend),
            isReply ? UInt32(truncatingIfNeeded: c.pointee.receiveNext) : 0, flags, length, UInt16(window))
        if isReply {
            c.pointee.receiveEdge = max(c.pointee.receiveEdge, c.pointee.receiveNext + UInt64(window))
            c.pointee.lastAcknowledged = c.pointee.receiveNext
        }
        c.pointee.sendNext = c.pointee.initialSend + 1
        c.pointee.sendMax = max(c.pointee.sendMax, c.pointee.sendNext)
        if c.pointee.retryCount == 0 {
            c.pointee.timedEnd = c.pointee.sendNext
            c.pointee.timedSince = clock
        } else {
            c.pointee.timedEnd = 0
        }
        finishFrame(frame, c.pointee.local.address, c.pointee.remote.address, length)
    }

    /// Stores the options of a SYN; how many bytes. `scale` below 0: none.
    func storeSYNOptions(
        _ option: UnsafeMutableRawPointer, sack: Bool, scale: Int, timestamps: Bool, timestamp: UInt32, echo: UInt32
    ) -> Int {
        option.setBig(0, UInt16(0x0204))
        option.setBig(2, UInt16(truncatingIfNeeded: ownMaximumSegment))
        var length = 4
        if timestamps {
            option.setBig(length, sack ? UInt32(0x0402_080a) : UInt32(0x0101_080a))
            option.setBig(length + 4, timestamp)
            option.setBig(length + 8, echo)
            length += 12
        } else if sack {
            option.setBig(length, UInt32(0x0101_0402))
            length += 4
        }
        if scale >= 0 {
            option.setBig(length, UInt32(0x0103_0300) | UInt32(scale))
            length += 4
        }
        return length
    }

    @inline(__always) func storeHeader(
        _ header: UnsafeMutableRawPointer, _ source: UInt16, _ destination: UInt16, _ sequence: UInt32,
        _ acknowledgement: UInt32, _ flags: TCPFlags, _ byteCount: Int, _ window: UInt16
    ) {
        header.setBig(0, source)
        header.setBig(2, destination)
        header.setBig(4, sequence)
        header.setBig(8, acknowledgement)
        header.setBig(12, UInt16(byteCount / 4) << 12 | UInt16(flags.rawValue))
        header.setBig(14, window)
        header.setBig(16, UInt32(0))
    }

    // MARK: The window we announce

    /// Bytes by which the window could be opened beyond what was announced.
    func windowGrowth(_ c: ConnectionPointer) -> Int {
        let edge = c.pointee.receiveNext + UInt64(receiveRoom(c))
        return edge > c.pointee.receiveEdge ? Int(edge - c.pointee.receiveEdge) : 0
    }

    private func receiveRoom(_ c: ConnectionPointer) -> Int {
        var limit = c.pointee.receiveLimit
        // Under pressure nobody is promised more than a part of what is left.
        if pool.spareCount < pool.count / 4 {
            limit = min(limit, max(pool.spareCount / 4 + 1, 2) * ChunkPool.chunkByteCount)
        }
        return max(limit - c.pointee.readableByteCount, 0)
    }

    /// The window field. Never takes back what was announced, and opens in worthwhile steps (RFC 9293, section 3.8.6.2.2).
    private func announceWindow(_ c: ConnectionPointer) -> UInt16 {
        let next = c.pointee.receiveNext
        if windowGrowth(c) >= min(c.pointee.receiveLimit / 2, c.pointee.segmentByteCount) {
            c.pointee.receiveEdge = next + UInt64(receiveRoom(c))
        }
        let window = c.pointee.receiveEdge > next ? Int(c.pointee.receiveEdge - next) : 0
        let scale = Int(c.pointee.receiveScale)
        // Rounded up: rounding down would move the edge back.
        let field = min((window + (1 << scale) - 1) >> scale, 65535)
        c.pointee.receiveEdge = max(c.pointee.receiveEdge, next + UInt64(field << scale))
        return UInt16(field)
    }

    // MARK: Segments without data

    func sendReset(_ c: ConnectionPointer) {
        if c.pointee.state == .synSent || c.pointee.state == .timeWait { return }
        statistics.resetsOut &+= 1
        _ = send(c, at: c.pointee.sendMax, 0, .rst | .ack)
    }

    /// Answers a segment that belongs to no connection (RFC 9293, section 3.10.7.1).
    func refuse(_ segment: TCPSegment, _ packet: IPv4Packet) {
        if segment.flags.contains(.rst) || !errorBudget.take(clock) { return }
        statistics.resetsOut &+= 1
        if segment.flags.contains(.ack) {
            sendBare(packet, segment, sequence: segment.acknowledgement, acknowledgement: 0, .rst)
        } else {
            sendBare(
                packet, segment, sequence: 0,
                acknowledgement: segment.sequence &+ UInt32(truncatingIfNeeded: segment.length), .rst | .ack)
        }
    }

    func sendBare(
        _ packet: IPv4Packet, _ segment: TCPSegment, sequence: UInt32, acknowledgement: UInt32, _ flags: TCPFlags
    ) {
        guard let frame = beginFrame(to: packet.source, from: packet.destination) else { return }
        storeHeader(
            frame + Ethernet.headerByteCount + IPv4Packet.headerByteCount, segment.destinationPort, segment.sourcePort,
            sequence, acknowledgement, flags, TCPSegment.headerByteCount, 0)
        finishFrame(frame, packet.destination, packet.source, TCPSegment.headerByteCount)
    }

    // MARK: Frames

    /// A frame for the connection with its Ethernet header; nil if there is no frame or no link address yet. Then the
    /// connection is marked, and goes on when there is.
    @inline(__always) private func beginFrame(_ c: ConnectionPointer) -> UnsafeMutableRawPointer? {
        if transmit.room == 0 || loopback.room == 0 {
            markDirty(c)
            return nil
        }
        guard let frame = beginFrame(to: c.pointee.remote.address, from: c.pointee.local.address) else {
            c.pointee.waitsForARP = true
            return nil
        }
        return frame
    }

    /// The header is complete but for the checksum.
    private func finishFrame(
        _ frame: UnsafeMutableRawPointer, _ source: IPv4Address, _ destination: IPv4Address, _ byteCount: Int
    ) {
        statistics.segmentsOut &+= 1
        let header = frame + Ethernet.headerByteCount + IPv4Packet.headerByteCount
        let pseudo = Checksum.pseudoHeader(source, destination, IPProtocol.tcp, byteCount)
        let isToSelf = isOwn(destination)
        if configuration.deviceFillsChecksums && !isToSelf {
            header.storeBytes(of: Checksum.fold(pseudo), toByteOffset: 16, as: UInt16.self)
        } else if !isToSelf {
            Checksum.store(header, byteCount, at: 16, pseudo)
        }
        finishIPv4(
            frame, IPProtocol.tcp, source, destination, byteCount,
            needsChecksum: configuration.deviceFillsChecksums && !isToSelf)
    }
}
