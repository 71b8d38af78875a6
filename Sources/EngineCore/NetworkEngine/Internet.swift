// IPv4 in and out: who a packet is for, which link address it goes to, ICMP, UDP.

import Platform

extension NetworkStack {
    // MARK: In

    func receiveIPv4(
        _ base: UnsafeRawPointer, _ byteCount: Int, isGroup: Bool, isLoopback: Bool, checksumIsGood: Bool
    ) {
        guard let packet = IPv4Packet(base, byteCount, checksumIsGood: checksumIsGood) else {
            statistics.droppedFrames &+= 1
            return
        }
        let payload = base + packet.headerByteCount
        let payloadByteCount = packet.totalByteCount - packet.headerByteCount
        // Loopback addresses never come from a link, nor does our own (RFC 1122, section 3.2.1.3).
        if !isLoopback && (packet.source.isLoopback || packet.destination.isLoopback || isOwn(packet.source)) {
            statistics.droppedFrames &+= 1
            return
        }
        if packet.isFragment {
            statistics.droppedFragments &+= 1
            return
        }
        let isForUs = isOwn(packet.destination)
        if packet.protocolNumber == IPProtocol.udp {
            return receiveUDP(payload, payloadByteCount, packet, isForUs: isForUs, checksumIsGood: checksumIsGood)
        }
        guard isForUs, !isGroup, !packet.source.isNoHost, !isBroadcast(packet.source) else {
            statistics.droppedFrames &+= 1
            return
        }
        switch packet.protocolNumber {
        case IPProtocol.tcp: receiveTCP(payload, payloadByteCount, packet, checksumIsGood: checksumIsGood)
        case IPProtocol.icmp: receiveICMP(payload, payloadByteCount, packet)
        default: statistics.droppedFrames &+= 1
        }
    }

    @inline(__always) func isOwn(_ candidate: IPv4Address) -> Bool {
        candidate.isLoopback || (candidate == address && address != .any)
    }

    var networkMask: UInt32 { prefixLength == 0 ? 0 : UInt32.max << UInt32(32 - prefixLength) }

    private func isBroadcast(_ candidate: IPv4Address) -> Bool {
        candidate == .broadcast
            || (address != .any && prefixLength < 31 && candidate.rawValue == address.rawValue | ~networkMask)
    }

    // MARK: Out

    /// The neighbour that takes packets for `destination`; nil if there is no way.
    private func nextHop(_ destination: IPv4Address) -> IPv4Address? {
        if address == .any { return nil }
        if (destination.rawValue ^ address.rawValue) & networkMask == 0 { return destination }
        return gateway == .any ? nil : gateway
    }

    /// A frame with its Ethernet header; nil if there is none free, no way, or no link address yet (which is then asked for).
    @inline(__always) func beginFrame(to destination: IPv4Address, from source: IPv4Address) -> UnsafeMutableRawPointer?
    {
        if isOwn(destination) { return loopback.next }
        guard let hop = nextHop(destination), let mac = linkAddress(of: hop), let frame = transmit.next else {
            return nil
        }
        Ethernet.store(frame, destination: mac, source: configuration.macAddress, type: EtherType.ipv4)
        return frame
    }

    /// The payload is in place: the IP header, and off it goes.
    @inline(__always) func finishIPv4(
        _ frame: UnsafeMutableRawPointer, _ protocolNumber: UInt8, _ source: IPv4Address, _ destination: IPv4Address,
        _ payloadByteCount: Int, needsChecksum: Bool
    ) {
        nextDatagram &+= 1
        IPv4Packet.store(
            frame + Ethernet.headerByteCount, protocolNumber: protocolNumber, source: source, destination: destination,
            payloadByteCount: payloadByteCount, identification: nextDatagram)
        let byteCount = Ethernet.headerByteCount + IPv4Packet.headerByteCount + payloadByteCount
        if isOwn(destination) {
            loopback.commit(byteCount: byteCount, needsChecksum: false)
        } else {
            transmit.commit(byteCount: byteCount, needsChecksum: needsChecksum)
        }
    }

    // MARK: ICMP (RFC 792, 1122 section 3.2.2)

    private func receiveICMP(_ base: UnsafeRawPointer, _ byteCount: Int, _ packet: IPv4Packet) {
        guard byteCount >= ICMP.headerByteCount, Checksum.isGood(base, byteCount) else {
            statistics.badChecksums &+= 1
            return
        }
        switch base.load(as: UInt8.self) {
        case ICMP.echoRequest: answerEcho(base, byteCount, packet)
        case ICMP.unreachable: receiveUnreachable(base, byteCount)
        default: break
        }
    }

    private func answerEcho(_ base: UnsafeRawPointer, _ byteCount: Int, _ packet: IPv4Packet) {
        // What does not fit into one packet came in fragments, which we do not take.
        guard byteCount <= configuration.byteCountOfPacket - IPv4Packet.headerByteCount,
            let frame = beginFrame(to: packet.source, from: packet.destination)
        else { return }
        let reply = frame + Ethernet.headerByteCount + IPv4Packet.headerByteCount
        reply.copyMemory(from: base, byteCount: byteCount)
        reply.storeBytes(of: ICMP.echoReply, as: UInt8.self)
        reply.setBig(2, UInt16(0))
        Checksum.store(reply, byteCount, at: 2)
        finishIPv4(frame, IPProtocol.icmp, packet.destination, packet.source, byteCount, needsChecksum: false)
    }

    /// An error about a segment of ours. Believed only if it quotes a sequence number that is under way, and then it ends
    /// no established connection (RFC 5927, sections 4.1 and 5.2).
    private func receiveUnreachable(_ base: UnsafeRawPointer, _ byteCount: Int) {
        let quoted = base + ICMP.headerByteCount
        let quotedByteCount = byteCount - ICMP.headerByteCount
        guard quotedByteCount >= IPv4Packet.headerByteCount + 8, quoted.load(as: UInt8.self) == 0x45,
            quoted.load(fromByteOffset: 9, as: UInt8.self) == IPProtocol.tcp
        else { return }
        let tcp = quoted + IPv4Packet.headerByteCount
        let local = IPv4Endpoint(IPv4Address(rawValue: quoted.big(12, as: UInt32.self)), tcp.big(0, as: UInt16.self))
        let remote = IPv4Endpoint(IPv4Address(rawValue: quoted.big(16, as: UInt32.self)), tcp.big(2, as: UInt16.self))
        guard let c = find(local, remote) else { return }
        let sequence = position(tcp.big(4, as: UInt32.self), near: c.pointee.sendUnacknowledged)
        guard sequence >= c.pointee.sendUnacknowledged, sequence < c.pointee.sendMax else { return }
        let code = base.load(fromByteOffset: 1, as: UInt8.self)
        if code == ICMP.fragmentationNeeded {
            narrowPath(c, Int(base.big(6, as: UInt16.self)))
        } else if c.pointee.state == .synSent && code <= ICMP.portUnreachable {
            release(c, failure: code == ICMP.portUnreachable ? -NetworkErrno.refused : -NetworkErrno.hostUnreachable)
        }
    }

    /// The path carries packets of `byteCount` bytes (RFC 1191); 0 from a router that does not say. Never below 576.
    private func narrowPath(_ c: ConnectionPointer, _ byteCount: Int) {
        let packet = max(byteCount, 576)
        let segment =
            packet - IPv4Packet.headerByteCount - TCPSegment.headerByteCount - (c.pointee.hasTimestamps ? 12 : 0)
        if segment >= c.pointee.segmentByteCount { return }
        c.pointee.segmentByteCount = segment
        c.pointee.congestion.setSegment(segment)
        // What was too long goes out again in pieces that fit.
        c.pointee.sendNext = c.pointee.sendUnacknowledged
        c.pointee.timedEnd = 0
        markDirty(c)
    }

    // MARK: UDP

    private func receiveUDP(
        _ base: UnsafeRawPointer, _ byteCount: Int, _ packet: IPv4Packet, isForUs: Bool, checksumIsGood: Bool
    ) {
        guard let datagram = UDPDatagram(base, byteCount, packet, checksumIsGood: checksumIsGood) else {
            statistics.badChecksums &+= 1
            return
        }
        if datagram.destination == DHCPClient.clientPort && datagram.source == DHCPClient.serverPort {
            return receiveDHCP(datagram.payload, datagram.payloadByteCount)
        }
        guard isForUs, !packet.source.isNoHost, !isBroadcast(packet.source) else {
            statistics.droppedFrames &+= 1
            return
        }
        refuseDatagram(base, packet)
    }

    /// Nobody listens there: port unreachable, with the packet's begin (RFC 1122, section 4.1.3.1).
    private func refuseDatagram(_ payload: UnsafeRawPointer, _ packet: IPv4Packet) {
        guard errorBudget.take(clock), let frame = beginFrame(to: packet.source, from: packet.destination) else {
            return
        }
        let message = frame + Ethernet.headerByteCount + IPv4Packet.headerByteCount
        message.setBig(0, UInt16(ICMP.unreachable) << 8 | UInt16(ICMP.portUnreachable))
        message.setBig(2, UInt16(0))
        message.setBig(4, UInt32(0))
        let quoted = packet.headerByteCount + 8
        (message + ICMP.headerByteCount).copyMemory(from: payload - packet.headerByteCount, byteCount: quoted)
        Checksum.store(message, ICMP.headerByteCount + quoted, at: 2)
        finishIPv4(
            frame, IPProtocol.icmp, packet.destination, packet.source, ICMP.headerByteCount + quoted,
            needsChecksum: false)
    }
}
