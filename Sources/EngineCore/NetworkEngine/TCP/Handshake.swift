// Connections that come to a listener. While few are half open each has a slot; beyond that, SYN cookies (RFC 4987, section 3.6)
// answer without keeping anything: the sequence number proves the handshake and carries the MSS, the timestamp the rest.
//
//   cookie = hash(endpoints, peer's sequence, minute) with its low 3 bits the index into `cookieSegments`
//   timestamp's low 6 bits: bits 0–3 the peer's window scale (15: none), bit 4 SACK

import Platform

extension NetworkStack {
    private static let cookieBits: UInt32 = 7
    /// How long a cookie holds: in the minute it was made and in the next.
    private static let cookiePeriod: UInt64 = 64_000_000_000

    private func cookieSegment(_ index: Int) -> Int {
        switch index {
        case 0: 536
        case 1: 1024
        case 2: 1220
        case 3: 1360
        case 4: 1400
        case 5: 1440
        case 6: 1460
        default: 8960
        }
    }

    func arrivesAtListener(_ local: IPv4Endpoint, _ remote: IPv4Endpoint, _ segment: TCPSegment, _ packet: IPv4Packet) {
        let index = findListener(local)
        if index < 0 || segment.flags.contains(.rst) { return refuse(segment, packet) }
        if segment.flags.contains(.ack) {
            if !segment.flags.contains(.syn) && acceptCookie(index, local, remote, segment) { return }
            return refuse(segment, packet)
        }
        // A SYN with a FIN is nobody's but a scanner's.
        guard segment.flags.contains(.syn), !segment.flags.contains(.fin), remote.port != 0 else { return }
        if listeners[index].waitingCount >= Listener.backlog {
            statistics.overflows &+= 1
            return
        }
        if halfOpenCount >= configuration.halfOpenLimit { return sendCookie(local, remote, segment, packet) }
        guard let c = allocateConnection() else { return }
        guard pool.promise(2) else {
            statistics.overflows &+= 1
            return returnSlot(c)
        }
        begin(c, local, remote)
        c.pointee.listener = Int32(index)
        c.pointee.state = .synReceived
        halfOpenCount += 1
        takeOptions(c, segment)
        startRetransmitTimer(c)
        markDirty(c)
    }

    // MARK: Cookies

    private func cookie(_ local: IPv4Endpoint, _ remote: IPv4Endpoint, _ sequence: UInt32, _ period: UInt64) -> UInt32 {
        let mixed = cookieKey.hash(pair(local), pair(remote), UInt64(sequence) << 32 | (period & 0xffff_ffff))
        return UInt32(truncatingIfNeeded: mixed) & ~Self.cookieBits
    }

    private func sendCookie(
        _ local: IPv4Endpoint, _ remote: IPv4Endpoint, _ segment: TCPSegment, _ packet: IPv4Packet
    ) {
        let offered = segment.maximumSegment == 0 ? 536 : Int(segment.maximumSegment)
        var index = 7
        while index > 0 && cookieSegment(index) > offered { index -= 1 }
        let sequence =
            cookie(local, remote, segment.sequence, clock.rawValue / Self.cookiePeriod)
            | UInt32(truncatingIfNeeded: index)
        // Not later than the clock, or the connection's first timestamps would go back.
        let options =
            UInt32(segment.windowScale >= 0 ? Int(segment.windowScale) : 15) | (segment.permitsSACK ? 16 : 0)
        var timestamp = timestampClock &+ timestampOffset(local, remote)
        let rounded = timestamp & ~63 | options
        timestamp = Int32(bitPattern: rounded &- timestamp) > 0 ? rounded &- 64 : rounded
        guard let frame = beginFrame(to: remote.address, from: local.address) else { return }
        let header = frame + Ethernet.headerByteCount + IPv4Packet.headerByteCount
        // Without timestamps there is no place for window scale and SACK, so they are not agreed upon.
        let hasPlace = segment.hasTimestamps
        let length =
            TCPSegment.headerByteCount
            + storeSYNOptions(
                header + TCPSegment.headerByteCount, sack: hasPlace && segment.permitsSACK,
                scale: hasPlace && segment.windowScale >= 0 ? Int(receiveScale) : -1, timestamps: hasPlace,
                timestamp: timestamp, echo: segment.timestamp)
        storeHeader(
            header, local.port, remote.port, sequence, segment.sequence &+ 1, .syn | .ack, length,
            UInt16(min(65535, configuration.maxWindowByteCount)))
        statistics.cookiesSent &+= 1
        statistics.segmentsOut &+= 1
        let pseudo = Checksum.pseudoHeader(local.address, remote.address, IPProtocol.tcp, length)
        Checksum.store(header, length, at: 16, pseudo)
        finishIPv4(frame, IPProtocol.tcp, local.address, remote.address, length, needsChecksum: false)
    }

    /// True if the acknowledgement completes a handshake that only the cookie remembers.
    private func acceptCookie(
        _ index: Int, _ local: IPv4Endpoint, _ remote: IPv4Endpoint, _ segment: TCPSegment
    ) -> Bool {
        let sequence = segment.acknowledgement &- 1
        let peer = segment.sequence &- 1
        let period = clock.rawValue / Self.cookiePeriod
        let bare = sequence & ~Self.cookieBits
        // Only while cookies may be out: otherwise every stray acknowledgement would be a try.
        guard statistics.cookiesSent > 0,
            cookie(local, remote, peer, period) == bare
                || (period > 0 && cookie(local, remote, peer, period - 1) == bare)
        else { return false }
        if listeners[index].waitingCount >= Listener.backlog { return true }
        guard let c = allocateConnection() else { return true }
        guard pool.promise(2) else {
            returnSlot(c)
            return true
        }
        statistics.cookiesAccepted &+= 1
        begin(c, local, remote, initialSequence: sequence)
        c.pointee.sendUnacknowledged = c.pointee.initialSend + 1
        c.pointee.sendNext = c.pointee.initialSend + 1
        c.pointee.sendMax = c.pointee.sendNext
        restoreOptions(c, segment, peer: peer, maximumSegment: cookieSegment(Int(sequence & Self.cookieBits)))
        c.pointee.listener = Int32(index)
        established(c)
        enqueueAccepted(c)
        receiveAgain(c, segment)
        return true
    }

    private func restoreOptions(_ c: ConnectionPointer, _ segment: TCPSegment, peer: UInt32, maximumSegment: Int) {
        let initial = UInt64(peer) + 1 << 32
        c.pointee.receiveNext = initial + 1
        c.pointee.readPosition = initial + 1
        c.pointee.lastAcknowledged = initial + 1
        c.pointee.receiveEdge = initial + 1 + UInt64(min(65535, configuration.maxWindowByteCount))
        c.pointee.hasTimestamps = segment.hasTimestamps
        c.pointee.timestampRecent = segment.timestamp
        c.pointee.timestampRecentTime = clock
        let options = segment.hasTimestamps ? segment.timestampEcho & 63 : 15
        let scale = options & 15
        c.pointee.hasSACK = options & 16 != 0
        if scale == 15 {
            c.pointee.receiveScale = 0
            c.pointee.receiveLimit = min(c.pointee.receiveLimit, 65535)
        } else {
            c.pointee.sendScale = UInt8(min(scale, 14))
        }
        c.pointee.sendWindow = Int(segment.window) << Int(c.pointee.sendScale)
        c.pointee.maxSendWindow = c.pointee.sendWindow
        c.pointee.windowSequence = initial
        c.pointee.windowAcknowledgement = c.pointee.sendUnacknowledged
        negotiated(c, peerMaximumSegment: maximumSegment)
    }
}
