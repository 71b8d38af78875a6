// What a segment does to a connection (RFC 9293, section 3.10.7), hardened as RFC 5961 asks: a blind attacker who does not know
// the exact next sequence number gets a challenge and nothing else.

import Platform

extension NetworkStack {
    func receiveTCP(_ base: UnsafeRawPointer, _ byteCount: Int, _ packet: IPv4Packet, checksumIsGood: Bool) {
        guard let segment = TCPSegment(base, byteCount, packet, checksumIsGood: checksumIsGood) else {
            statistics.badChecksums &+= 1
            return
        }
        statistics.segmentsIn &+= 1
        let local = IPv4Endpoint(packet.destination, segment.destinationPort)
        let remote = IPv4Endpoint(packet.source, segment.sourcePort)
        if let c = find(local, remote) {
            switch c.pointee.state {
            case .synSent: arrivesInSynSent(c, segment, packet)
            case .timeWait where segment.flags.contains(.syn) && startsAnew(c, segment):
                release(c, failure: 0)
                arrivesAtListener(local, remote, segment, packet)
            default: arrives(c, segment, packet)
            }
        } else {
            arrivesAtListener(local, remote, segment, packet)
        }
    }

    /// A SYN that may take over a connection in TIME-WAIT (RFC 6191; RFC 9293, section 3.6.1).
    private func startsAnew(_ c: ConnectionPointer, _ segment: TCPSegment) -> Bool {
        if segment.flags.contains(.ack) || segment.flags.contains(.rst) { return false }
        if c.pointee.hasTimestamps && segment.hasTimestamps
            && Int32(bitPattern: segment.timestamp &- c.pointee.timestampRecent) > 0
        {
            return true
        }
        return position(segment.sequence, near: c.pointee.receiveNext) > c.pointee.receiveNext
    }

    // MARK: SYN-SENT

    private func arrivesInSynSent(_ c: ConnectionPointer, _ segment: TCPSegment, _ packet: IPv4Packet) {
        let acknowledged = position(segment.acknowledgement, near: c.pointee.sendUnacknowledged)
        if segment.flags.contains(.ack) && acknowledged != c.pointee.initialSend + 1 {
            refuse(segment, packet)
            return
        }
        if segment.flags.contains(.rst) {
            if segment.flags.contains(.ack) {
                statistics.resetsIn &+= 1
                release(c, failure: -NetworkErrno.refused)
            }
            return
        }
        if !segment.flags.contains(.syn) { return }
        takeOptions(c, segment)
        c.pointee.sendWindow = Int(segment.window)
        c.pointee.maxSendWindow = c.pointee.sendWindow
        if segment.flags.contains(.ack) {
            c.pointee.sendUnacknowledged = acknowledged
            if c.pointee.timedEnd != 0 { c.pointee.roundTrip.sample(clock - c.pointee.timedSince) }
            c.pointee.timedEnd = 0
            established(c)
            c.pointee.acknowledgeNow = true
            let tag = c.pointee.connectTag
            c.pointee.connectTag = 0
            complete(c.pointee.connectCore, tag, Int(c.pointee.handle.rawValue))
            // What came along with the SYN comes again; nobody sends data there unasked.
        } else {
            // Both open at once (RFC 9293, figure 8).
            c.pointee.state = .synReceived
            halfOpenCount += 1
            c.pointee.sendNext = c.pointee.initialSend
        }
        markDirty(c)
    }

    /// The options and numbers of the peer's SYN.
    func takeOptions(_ c: ConnectionPointer, _ segment: TCPSegment) {
        let initial = UInt64(segment.sequence) + 1 << 32
        c.pointee.receiveNext = initial + 1
        c.pointee.readPosition = initial + 1
        c.pointee.lastAcknowledged = initial + 1
        c.pointee.receiveEdge = initial + 1 + UInt64(min(c.pointee.receiveLimit, 65535))
        c.pointee.windowSequence = initial
        c.pointee.windowAcknowledgement = c.pointee.sendUnacknowledged
        c.pointee.hasSACK = segment.permitsSACK
        c.pointee.hasTimestamps = segment.hasTimestamps
        c.pointee.timestampRecent = segment.timestamp
        c.pointee.timestampRecentTime = clock
        if segment.windowScale >= 0 {
            c.pointee.sendScale = UInt8(segment.windowScale)
        } else {
            c.pointee.sendScale = 0
            c.pointee.receiveScale = 0
            c.pointee.receiveLimit = min(c.pointee.receiveLimit, 65535)
        }
        negotiated(c, peerMaximumSegment: Int(segment.maximumSegment))
    }

    // MARK: All other states

    private func arrives(_ c: ConnectionPointer, _ segment: TCPSegment, _ packet: IPv4Packet) {
        let sequence = position(segment.sequence, near: c.pointee.receiveNext)
        if c.pointee.state == .synReceived && segment.flags.contains(.syn) && !segment.flags.contains(.rst)
            && sequence + 1 == c.pointee.receiveNext
        {
            // Our answer was lost, or the peer's opening crossed ours.
            if segment.flags.contains(.ack) { return finishCrossedOpening(c, segment) }
            c.pointee.sendNext = c.pointee.initialSend
            markDirty(c)
            return
        }
        if !isFresh(c, segment) || !isInWindow(c, segment, sequence) { return }
        if segment.flags.contains(.rst) { return arrivesReset(c, sequence) }
        if segment.flags.contains(.syn) { return challenge(c) }
        if !segment.flags.contains(.ack) { return }
        let acknowledged = position(segment.acknowledgement, near: c.pointee.sendUnacknowledged)
        if c.pointee.state == .synReceived {
            guard acknowledged == c.pointee.initialSend + 1 else { return refuse(segment, packet) }
            finishHandshake(c, segment, acknowledged, sequence)
            if c.pointee.state == .closed { return }
        }
        // RFC 5961, section 5.2
        if acknowledged > c.pointee.sendMax
            || acknowledged + UInt64(c.pointee.maxSendWindow) < c.pointee.sendUnacknowledged
        {
            return challenge(c)
        }
        c.pointee.lastReceive = clock
        c.pointee.keepaliveCount = 0
        if c.pointee.hasTimestamps && segment.hasTimestamps && sequence <= c.pointee.lastAcknowledged {
            c.pointee.timestampRecent = segment.timestamp
            c.pointee.timestampRecentTime = clock
        }
        acknowledge(c, segment, acknowledged, sequence)
        if c.pointee.state == .closed { return }
        if segment.payloadByteCount > 0 { arrivesData(c, segment, sequence) }
        if c.pointee.state != .closed && segment.flags.contains(.fin) {
            arrivesFIN(c, sequence + UInt64(segment.payloadByteCount))
        }
        if c.pointee.acknowledgeNow || c.pointee.acknowledgeDeadline != .never { timers.update(c, connections) }
        if c.pointee.acknowledgeNow { markDirty(c) }
    }

    /// PAWS (RFC 7323, section 5.3): false for a segment of an earlier turn of the sequence numbers.
    private func isFresh(_ c: ConnectionPointer, _ segment: TCPSegment) -> Bool {
        if !c.pointee.hasTimestamps || segment.flags.contains(.rst) { return true }
        // Every segment must have them once they were agreed upon.
        if !segment.hasTimestamps { return false }
        if Int32(bitPattern: segment.timestamp &- c.pointee.timestampRecent) >= 0 { return true }
        // The value is worthless after 24 days of silence.
        if clock - c.pointee.timestampRecentTime > .seconds(24 * 86400) { return true }
        statistics.outOfWindowSegments &+= 1
        answerOutOfWindow(c, segment)
        return false
    }

    private func isInWindow(_ c: ConnectionPointer, _ segment: TCPSegment, _ sequence: StreamPosition) -> Bool {
        let next = c.pointee.receiveNext
        let edge = max(c.pointee.receiveEdge, next)
        let end = sequence + UInt64(segment.length)
        // An acknowledgement right at the edge is taken: a peer that fills the window sends it from there.
        let isAcceptable = segment.length == 0 ? sequence >= next && sequence <= edge : sequence < edge && end > next
        if isAcceptable { return true }
        // A full window takes no data, but what came with it counts (RFC 9293, section 3.10.7.4).
        if segment.length > 0 && sequence == next && edge == next && !segment.flags.contains(.syn) {
            c.pointee.acknowledgeNow = true
            return true
        }
        if segment.flags.contains(.rst) { return false }
        statistics.outOfWindowSegments &+= 1
        // The last FIN again: our acknowledgement was lost, so TIME-WAIT begins again.
        if c.pointee.state == .timeWait { c.pointee.closeDeadline = clock + .seconds(60) }
        answerOutOfWindow(c, segment)
        return false
    }

    /// Data gets an acknowledgement, which the sender may lack; bare acknowledgements only seldom, lest two stacks that
    /// disagree keep each other busy.
    private func answerOutOfWindow(_ c: ConnectionPointer, _ segment: TCPSegment) {
        if segment.length == 0 { return challenge(c) }
        c.pointee.acknowledgeNow = true
        markDirty(c)
    }

    /// An acknowledgement that tells a real peer where we are (RFC 5961), twice a second at most. The limit is the connection's
    /// own: one for all would tell an attacker of others' connections.
    private func challenge(_ c: ConnectionPointer) {
        if c.pointee.challengeTime.rawValue != 0 && clock - c.pointee.challengeTime < .milliseconds(500) { return }
        c.pointee.challengeTime = clock
        statistics.challenges &+= 1
        c.pointee.acknowledgeNow = true
        markDirty(c)
    }

    private func arrivesReset(_ c: ConnectionPointer, _ sequence: StreamPosition) {
        guard sequence == c.pointee.receiveNext else { return challenge(c) }
        statistics.resetsIn &+= 1
        switch c.pointee.state {
        case .lastAck, .closing, .timeWait: release(c, failure: 0)
        default: release(c, failure: -PlatformErrno.connectionReset)
        }
    }

    private func finishCrossedOpening(_ c: ConnectionPointer, _ segment: TCPSegment) {
        let acknowledged = position(segment.acknowledgement, near: c.pointee.sendUnacknowledged)
        guard acknowledged == c.pointee.initialSend + 1 else { return }
        finishHandshake(c, segment, acknowledged, c.pointee.receiveNext)
        c.pointee.acknowledgeNow = true
        markDirty(c)
    }

    private func finishHandshake(
        _ c: ConnectionPointer, _ segment: TCPSegment, _ acknowledged: StreamPosition, _ sequence: StreamPosition
    ) {
        halfOpenCount -= 1
        c.pointee.sendUnacknowledged = acknowledged
        c.pointee.sendWindow = Int(segment.window) << Int(c.pointee.sendScale)
        c.pointee.maxSendWindow = c.pointee.sendWindow
        c.pointee.windowSequence = sequence
        c.pointee.windowAcknowledgement = acknowledged
        if c.pointee.timedEnd != 0 { c.pointee.roundTrip.sample(clock - c.pointee.timedSince) }
        c.pointee.timedEnd = 0
        established(c)
        if c.pointee.connectTag != 0 {
            let tag = c.pointee.connectTag
            c.pointee.connectTag = 0
            complete(c.pointee.connectCore, tag, Int(c.pointee.handle.rawValue))
        } else if c.pointee.listener >= 0 {
            enqueueAccepted(c)
        }
    }

    // MARK: Data

    private func arrivesData(_ c: ConnectionPointer, _ segment: TCPSegment, _ sequence: StreamPosition) {
        guard c.pointee.state.receives else { return }
        if !c.pointee.isOwned && c.pointee.listener < 0 {
            // Nobody will ever read it (RFC 1122, section 4.2.2.13).
            if sequence + UInt64(segment.payloadByteCount) > c.pointee.receiveNext {
                sendReset(c)
                release(c, failure: 0)
            }
            return
        }
        var end = sequence + UInt64(segment.payloadByteCount)
        if sequence < c.pointee.receiveNext {
            // Sent again: our acknowledgement was lost.
            c.pointee.acknowledgeNow = true
        }
        end = min(end, c.pointee.receiveEdge)
        if sequence > c.pointee.receiveNext {
            if end > sequence {
                arrivesOutOfOrder(c, segment.payload, Int(end - sequence), sequence)
            }
            return
        }
        // In order: up to what is held already, which is not overwritten, and on behind it.
        while end > c.pointee.receiveNext {
            let next = c.pointee.receiveNext
            var limit = end
            if !c.pointee.outOfOrder.isEmpty { limit = min(limit, c.pointee.outOfOrder[0].lower) }
            let known = Mutation.isActive(.overlapTakenFromStart) ? 0 : Int(next - sequence)
            arrivesInOrder(c, segment.payload + known, Int(limit - next))
            // Memory was short.
            if c.pointee.receiveNext < limit { break }
        }
        c.pointee.unacknowledgedByteCount += segment.payloadByteCount
        if c.pointee.unacknowledgedByteCount >= 2 * c.pointee.segmentByteCount || !c.pointee.outOfOrder.isEmpty {
            c.pointee.acknowledgeNow = true
        } else if c.pointee.acknowledgeDeadline == .never {
            c.pointee.acknowledgeDeadline = clock + .milliseconds(40)
        }
        deliverReceived(c)
    }

    private func arrivesInOrder(_ c: ConnectionPointer, _ base: UnsafeRawPointer, _ count: Int) {
        statistics.bytesIn &+= UInt64(count)
        var base = base
        var left = count
        if c.pointee.receiveTag != 0 && c.pointee.readableByteCount == 0 && !c.pointee.isShutDown {
            // Right into the owner's buffer.
            let direct = min(left, c.pointee.receiveInto.byteCount)
            c.pointee.receiveInto.base.copyMemory(from: base, byteCount: direct)
            c.pointee.receiveNext += UInt64(direct)
            taken(c, direct)
            base += direct
            left -= direct
            finishReceive(c, direct)
        }
        if c.pointee.isShutDown {
            // Acknowledged and dropped: the owner has ended this direction.
            c.pointee.receiveNext += UInt64(left)
        } else if left > 0 {
            store(c, base, left)
        }
        joinOutOfOrder(c)
        if c.pointee.isShutDown { dropReadable(c) }
    }

    /// Puts bytes at `receiveNext` into the buffer. If memory is short, what lies further ahead gives way: it comes again.
    private func store(_ c: ConnectionPointer, _ base: UnsafeRawPointer, _ count: Int) {
        var done = c.pointee.receiveBuffer.write(base, count, at: c.pointee.receiveNext, &pool)
        if done < count && !c.pointee.outOfOrder.isEmpty {
            let ahead = c.pointee.outOfOrder
            let kept = roundUp(c.pointee.receiveNext + UInt64(done), UInt64(ChunkPool.chunkByteCount))
            if ahead.upper > kept { c.pointee.receiveBuffer.releaseAll(kept, ahead.upper, &pool) }
            c.pointee.outOfOrder.removeAll()
            done += c.pointee.receiveBuffer.write(
                base + done, count - done, at: c.pointee.receiveNext + UInt64(done), &pool)
        }
        if done < count {
            statistics.overflows &+= 1
            c.pointee.acknowledgeNow = true
        }
        c.pointee.receiveNext += UInt64(done)
    }

    /// What arrived earlier out of order and now continues the stream.
    private func joinOutOfOrder(_ c: ConnectionPointer) {
        while !c.pointee.outOfOrder.isEmpty && c.pointee.outOfOrder[0].lower <= c.pointee.receiveNext {
            let next = max(c.pointee.receiveNext, c.pointee.outOfOrder[0].upper)
            statistics.bytesIn &+= next - c.pointee.receiveNext
            c.pointee.receiveNext = next
            c.pointee.outOfOrder.removeBelow(next)
            c.pointee.acknowledgeNow = true
        }
    }

    /// Frees what nobody will read.
    func dropReadable(_ c: ConnectionPointer) {
        let before = c.pointee.readPosition
        c.pointee.readPosition = c.pointee.receivedEnd
        if c.pointee.outOfOrder.isEmpty {
            c.pointee.receiveBuffer.releaseAll(before, c.pointee.readPosition, &pool)
        } else {
            c.pointee.receiveBuffer.release(before, c.pointee.readPosition, &pool)
        }
    }

    private func arrivesOutOfOrder(_ c: ConnectionPointer, _ base: UnsafeRawPointer, _ count: Int, _ at: StreamPosition)
    {
        statistics.outOfOrderSegments &+= 1
        c.pointee.acknowledgeNow = true
        if c.pointee.outOfOrder.count == RangeSet.capacity {
            // No place to note it: it must come again.
            statistics.overflows &+= 1
            return
        }
        // A second copy is not stored over the first: overlaps that differ get what came first.
        if c.pointee.outOfOrder.missing(at, at + UInt64(count)) < count {
            return storeMissing(c, base, count, at)
        }
        let done = c.pointee.receiveBuffer.write(base, count, at: at, &pool)
        noteOutOfOrder(c, at, done)
    }

    private func noteOutOfOrder(_ c: ConnectionPointer, _ at: StreamPosition, _ done: Int) {
        if done == 0 { return }
        guard let range = c.pointee.outOfOrder.insert(at, at + UInt64(done)) else {
            preconditionFailure("a range found no place")
        }
        c.pointee.lastRange = range.lower
    }

    private func storeMissing(_ c: ConnectionPointer, _ base: UnsafeRawPointer, _ count: Int, _ start: StreamPosition) {
        var at = start
        let end = start + UInt64(count)
        while at < end && c.pointee.outOfOrder.count < RangeSet.capacity {
            let index = c.pointee.outOfOrder.first(endingAbove: at)
            var limit = end
            if index >= 0 {
                let range = c.pointee.outOfOrder[index]
                if range.lower <= at {
                    at = range.upper
                    continue
                }
                limit = min(end, range.lower)
            }
            let done = c.pointee.receiveBuffer.write(base + Int(at - start), Int(limit - at), at: at, &pool)
            if done == 0 { return }
            noteOutOfOrder(c, at, done)
            at += UInt64(done)
        }
    }

    /// The segment that completed a handshake by cookie, for what else it carries.
    func receiveAgain(_ c: ConnectionPointer, _ segment: TCPSegment) {
        let sequence = position(segment.sequence, near: c.pointee.receiveNext)
        if segment.payloadByteCount > 0 { arrivesData(c, segment, sequence) }
        if c.pointee.state != .closed && segment.flags.contains(.fin) {
            arrivesFIN(c, sequence + UInt64(segment.payloadByteCount))
        }
        timers.update(c, connections)
        if c.pointee.acknowledgeNow { markDirty(c) }
    }

    // MARK: FIN

    private func arrivesFIN(_ c: ConnectionPointer, _ at: StreamPosition) {
        // Only in order; before its turn it comes again.
        guard at == c.pointee.receiveNext, !c.pointee.finIsReceived else { return }
        switch c.pointee.state {
        case .established: c.pointee.state = .closeWait
        case .finWait1: c.pointee.state = .closing
        case .finWait2: break
        default: return
        }
        c.pointee.finIsReceived = true
        c.pointee.receiveNext += 1
        if c.pointee.isShutDown { c.pointee.readPosition = c.pointee.receivedEnd }
        c.pointee.acknowledgeNow = true
        if c.pointee.state == .finWait2 { enterTimeWait(c) }
        deliverReceived(c)
    }
}
