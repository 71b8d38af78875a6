// What time does to a connection: retransmission (RFC 6298), zero-window probes (RFC 9293, section 3.8.6.1), tail loss probes
// (RFC 8985, section 7), delayed acknowledgements, keepalive (RFC 1122, section 4.2.3.6), TIME-WAIT.

import Platform

extension NetworkStack {
    /// Timeouts of the same data before the connection is given up: about a quarter of an hour; a minute for a SYN.
    static let retryLimit = 15
    static let handshakeRetryLimit = 6

    /// From now on; a tail loss probe comes first where one is allowed.
    func startRetransmitTimer(_ c: ConnectionPointer) {
        var wait = c.pointee.roundTrip.timeout
        if mayProbeTail(c) {
            let trip = Nanoseconds(2 * c.pointee.roundTrip.smoothed)
            // A lone segment's acknowledgement may be delayed.
            let patience =
                c.pointee.outstandingByteCount <= c.pointee.segmentByteCount
                ? Nanoseconds.milliseconds(60) : .milliseconds(5)
            wait = min(wait, trip + patience)
        }
        if mayResendHole(c) {
            let trip = Nanoseconds(2 * c.pointee.roundTrip.smoothed << UInt64(c.pointee.holeTries))
            wait = min(wait, trip + .milliseconds(5))
        }
        c.pointee.retransmitDeadline = clock + wait
        timers.update(c, connections)
    }

    private func min(_ a: Nanoseconds, _ b: Nanoseconds) -> Nanoseconds { a < b ? a : b }

    func mayProbeTail(_ c: ConnectionPointer) -> Bool {
        c.pointee.state.isSynchronized && c.pointee.phase == .open && c.pointee.probeEnd == 0 && c.pointee.hasSACK
            && c.pointee.retryCount == 0 && c.pointee.scoreboard.isEmpty && c.pointee.outstandingByteCount > 0
            && c.pointee.roundTrip.smoothed > 0 && c.pointee.sendWindow > 0
    }

    /// In fast recovery the first hole is sent again twice, sooner than a timeout would be: all else is there or on its way.
    private func mayResendHole(_ c: ConnectionPointer) -> Bool {
        c.pointee.phase == .recovery && c.pointee.hasSACK && c.pointee.holeTries < 2 && c.pointee.sendWindow > 0
    }

    func restartKeepalive(_ c: ConnectionPointer) {
        c.pointee.keepaliveDeadline = clock + configuration.keepaliveIdle
        timers.update(c, connections)
    }

    func expireTimers() {
        var budget = configuration.connectionLimit
        while budget > 0, timers.first >= 0 {
            let c = connections + Int(timers.first)
            if clock < c.pointee.heapDeadline { return }
            budget -= 1
            expire(c)
            if c.pointee.heapIndex >= 0 { timers.replace(c, connections) }
        }
    }

    private func expire(_ c: ConnectionPointer) {
        if !(clock < c.pointee.closeDeadline) { return release(c, failure: 0) }
        if !(clock < c.pointee.acknowledgeDeadline) {
            c.pointee.acknowledgeDeadline = .never
            c.pointee.acknowledgeNow = true
            markDirty(c)
        }
        if !(clock < c.pointee.retransmitDeadline) {
            c.pointee.retransmitDeadline = .never
            expireRetransmit(c)
            if c.pointee.state == .closed { return }
        }
        if !(clock < c.pointee.keepaliveDeadline) { expireKeepalive(c) }
    }

    private func expireRetransmit(_ c: ConnectionPointer) {
        switch c.pointee.state {
        case .synSent, .synReceived:
            c.pointee.retryCount += 1
            if c.pointee.retryCount > Self.handshakeRetryLimit {
                return release(
                    c, failure: c.pointee.waitsForARP ? -NetworkErrno.hostUnreachable : -NetworkErrno.timedOut)
            }
            c.pointee.roundTrip.backOff()
            c.pointee.sendNext = c.pointee.initialSend
            startRetransmitTimer(c)
            markDirty(c)
        case .closed, .timeWait: break
        default:
            if Mutation.isActive(.timeoutResendsNothing) { return startRetransmitTimer(c) }
            if c.pointee.outstandingByteCount == 0 {
                probeWindow(c)
            } else if mayProbeTail(c) {
                probeTail(c)
            } else if mayResendHole(c) {
                c.pointee.holeTries += 1
                sendAgain(c, at: c.pointee.sendUnacknowledged)
                sentFirstHole(c)
            } else {
                timedOut(c)
            }
        }
    }

    /// The window is closed and nothing is on its way: one byte asks whether it still is.
    private func probeWindow(_ c: ConnectionPointer) {
        guard c.pointee.sendEnd > c.pointee.sendNext, c.pointee.sendWindow == 0 else {
            markDirty(c)
            return
        }
        // A peer that answers may keep the window closed for ever; one that does not is given up.
        c.pointee.retryCount += 1
        if c.pointee.retryCount > Self.retryLimit { return release(c, failure: -NetworkErrno.timedOut) }
        let at = c.pointee.sendNext
        if send(c, at: at, 1, .ack) {
            c.pointee.sendMax = Swift.max(c.pointee.sendMax, at + 1)
            c.pointee.sendNext = at + 1
        }
        c.pointee.roundTrip.backOff()
        startRetransmitTimer(c)
    }

    /// New data if there is any, else the last segment again: its acknowledgement shows what is missing before it.
    private func probeTail(_ c: ConnectionPointer) {
        statistics.tailProbes &+= 1
        let end = Swift.min(c.pointee.sendMax, c.pointee.sendEnd)
        let una = c.pointee.sendUnacknowledged
        c.pointee.probeEnd = c.pointee.sendMax
        if end > una {
            let count = Swift.min(Int(end - una), c.pointee.segmentByteCount)
            c.pointee.timedEnd = 0
            _ = send(c, at: end - UInt64(count), count, .ack)
            statistics.retransmittedSegments &+= 1
        } else {
            sendAgain(c, at: una)
        }
        startRetransmitTimer(c)
    }

    private func timedOut(_ c: ConnectionPointer) {
        statistics.timeouts &+= 1
        let isProbe = c.pointee.sendWindow == 0
        c.pointee.retryCount += 1
        if c.pointee.retryCount > Self.retryLimit { return release(c, failure: -NetworkErrno.timedOut) }
        c.pointee.roundTrip.backOff()
        c.pointee.timedEnd = 0
        c.pointee.probeEnd = 0
        if !c.pointee.scoreboard.isEmpty && c.pointee.scoreboard[0].lower <= c.pointee.sendUnacknowledged {
            // The peer has thrown away what it had acknowledged selectively (RFC 2018, section 8).
            c.pointee.scoreboard.removeAll()
        }
        if !isProbe {
            c.pointee.congestion.timedOut(
                outstanding: c.pointee.outstandingByteCount, isFirst: c.pointee.retryCount == 1)
            c.pointee.phase = .loss
            c.pointee.allHolesAreLost = false
            c.pointee.duplicateCount = 0
            c.pointee.recoveryPoint = c.pointee.sendMax
            c.pointee.sendNext = c.pointee.sendUnacknowledged
            if c.pointee.retryCount > 2 { c.pointee.scoreboard.removeAll() }
            startRetransmitTimer(c)
            markDirty(c)
        } else {
            // The window was closed behind what is on its way: one segment asks.
            sendAgain(c, at: c.pointee.sendUnacknowledged)
            startRetransmitTimer(c)
        }
    }

    private func expireKeepalive(_ c: ConnectionPointer) {
        c.pointee.keepaliveDeadline = .never
        guard c.pointee.state.isSynchronized, c.pointee.state != .timeWait else { return }
        let due = c.pointee.lastReceive + configuration.keepaliveIdle
        if clock < due {
            c.pointee.keepaliveDeadline = due
            return
        }
        if c.pointee.keepaliveCount >= configuration.keepaliveLimit {
            sendReset(c)
            return release(c, failure: -NetworkErrno.timedOut)
        }
        c.pointee.keepaliveCount += 1
        // One below what the peer expects: it must answer.
        _ = send(c, at: c.pointee.sendUnacknowledged - 1, 0, .ack)
        c.pointee.keepaliveDeadline = clock + configuration.keepaliveInterval
    }
}
