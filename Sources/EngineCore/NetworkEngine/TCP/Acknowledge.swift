// What acknowledgements tell: data that is through, data that is missing, round-trip times (RFC 5681, 6582, 6675, 6298).

import Platform

extension NetworkStack {
    func acknowledge(
        _ c: ConnectionPointer, _ segment: TCPSegment, _ acknowledged: StreamPosition, _ sequence: StreamPosition
    ) {
        let una = c.pointee.sendUnacknowledged
        let hadWindow = c.pointee.sendWindow
        if acknowledged >= una { updateWindow(c, segment, acknowledged, sequence) }
        let sackedBefore = c.pointee.scoreboard.byteCount
        let newlySacked = takeSACK(c, segment)
        if acknowledged > una {
            advance(c, acknowledged, segment)
            if c.pointee.state == .closed { return }
        } else if acknowledged == una && c.pointee.outstandingByteCount > 0 {
            // A peer that answers is there, however long it keeps its window closed.
            if c.pointee.sendWindow == 0 { c.pointee.retryCount = 0 }
            let isDuplicate =
                c.pointee.hasSACK
                ? newlySacked > 0
                : segment.length == 0 && hadWindow == c.pointee.sendWindow
            // Answers to probes of a closed window tell of no loss.
            if isDuplicate && c.pointee.sendWindow > 0 { arrivesDuplicate(c) }
        }
        if c.pointee.hasSACK && newlySacked > 0 { detectLostAgain(c) }
        if c.pointee.hasSACK && c.pointee.phase == .recovery {
            reduceRate(
                c, delivered: Int(c.pointee.sendUnacknowledged - una) + c.pointee.scoreboard.byteCount - sackedBefore)
        }
        // Room in the window, or for more in the network.
        if c.pointee.sendEnd > c.pointee.sendNext || c.pointee.finIsQueued || c.pointee.phase != .open
            || c.pointee.sendTag != 0
        {
            markDirty(c)
        }
        timers.update(c, connections)
    }

    private func updateWindow(
        _ c: ConnectionPointer, _ segment: TCPSegment, _ acknowledged: StreamPosition, _ sequence: StreamPosition
    ) {
        // Only newer segments tell (RFC 9293, section 3.10.7.4).
        if c.pointee.windowSequence < sequence
            || (c.pointee.windowSequence == sequence && c.pointee.windowAcknowledgement <= acknowledged)
        {
            let window = Int(segment.window) << Int(c.pointee.sendScale)
            if c.pointee.sendWindow == 0 && window > 0 {
                // The probing is over. The closed window let nothing in, so it all goes out again.
                c.pointee.retryCount = 0
                c.pointee.roundTrip.forgetBackoff()
                c.pointee.retransmitDeadline = .never
                c.pointee.sendNext = max(acknowledged, c.pointee.sendUnacknowledged)
                if c.pointee.outstandingByteCount > 0 { startRetransmitTimer(c) }
                markDirty(c)
            }
            c.pointee.sendWindow = window
            c.pointee.maxSendWindow = max(c.pointee.maxSendWindow, window)
            c.pointee.windowSequence = sequence
            c.pointee.windowAcknowledgement = acknowledged
        }
    }

    // MARK: The scoreboard

    /// Notes the segment's SACK blocks; how many bytes were not known before. Blocks that cannot be are passed over.
    private func takeSACK(_ c: ConnectionPointer, _ segment: TCPSegment) -> Int {
        if segment.sackCount == 0 || !c.pointee.hasSACK { return 0 }
        let before = c.pointee.scoreboard.byteCount
        let una = c.pointee.sendUnacknowledged
        for index in 0..<segment.sackCount {
            let block = segment.sack(index)
            let lower = position(block.lower, near: una)
            let upper = position(block.upper, near: una)
            // A block below is a duplicate's (RFC 2883).
            guard lower > una, lower < upper, upper <= c.pointee.sendMax else { continue }
            _ = c.pointee.scoreboard.insert(lower, upper)
        }
        let new = c.pointee.scoreboard.byteCount - before
        if new > 0 && c.pointee.probeEnd != 0 && c.pointee.scoreboard.upper >= c.pointee.probeEnd {
            // The probe arrived and the rest did not: it is lost, however little lies above it.
            c.pointee.allHolesAreLost = true
            c.pointee.probeEnd = 0
            if c.pointee.phase == .open { enterRecovery(c) }
        }
        return new
    }

    // MARK: Progress

    private func advance(_ c: ConnectionPointer, _ acknowledged: StreamPosition, _ segment: TCPSegment) {
        let una = c.pointee.sendUnacknowledged
        let byteCount = Int(acknowledged - una)
        // Whether the window kept us from sending more: else it must not grow (RFC 7661 in short).
        let wasLimited =
            pipe(c) + 2 * c.pointee.segmentByteCount >= c.pointee.congestion.window
            / (c.pointee.congestion.isInSlowStart ? 2 : 1)
        sampleRoundTrip(c, acknowledged, segment)
        c.pointee.sendUnacknowledged = acknowledged
        c.pointee.sendNext = max(c.pointee.sendNext, acknowledged)
        c.pointee.scoreboard.removeBelow(acknowledged)
        if acknowledged >= c.pointee.sendEnd {
            c.pointee.sendBuffer.releaseAll(una, min(acknowledged, c.pointee.sendEnd), &pool)
        } else {
            c.pointee.sendBuffer.release(una, acknowledged, &pool)
        }
        c.pointee.retryCount = 0
        c.pointee.roundTrip.forgetBackoff()
        if c.pointee.probeEnd != 0 && acknowledged >= c.pointee.probeEnd { c.pointee.probeEnd = 0 }
        switch c.pointee.phase {
        case .open:
            c.pointee.duplicateCount = 0
            if wasLimited {
                c.pointee.congestion.acknowledged(byteCount, now: clock, roundTrip: c.pointee.roundTrip.smoothed)
            }
        case .recovery: advanceInRecovery(c, acknowledged, byteCount)
        case .loss:
            if acknowledged >= c.pointee.recoveryPoint {
                c.pointee.phase = .open
                c.pointee.duplicateCount = 0
            }
            c.pointee.congestion.acknowledged(byteCount, now: clock, roundTrip: c.pointee.roundTrip.smoothed)
        }
        if c.pointee.outstandingByteCount == 0 {
            c.pointee.retransmitDeadline = .never
        } else {
            startRetransmitTimer(c)
        }
        if c.pointee.finIsQueued && acknowledged == c.pointee.sendEnd + 1 { finAcknowledged(c) }
    }

    private func sampleRoundTrip(_ c: ConnectionPointer, _ acknowledged: StreamPosition, _ segment: TCPSegment) {
        if c.pointee.hasTimestamps && segment.hasTimestamps && segment.timestampEcho != 0 {
            let echoed = segment.timestampEcho &- c.pointee.timestampOffset
            let milliseconds = timestampClock &- echoed
            // Nonsense is not believed.
            if milliseconds < 1 << 24 {
                let sample = UInt64(milliseconds) * 1_000_000
                c.pointee.congestion.roundTripSample(
                    sample, sent: c.pointee.sendMax, acknowledged: acknowledged)
                // Finer samples come from the clock, one a round trip, unless something was sent again.
                if c.pointee.timedEnd == 0 && c.pointee.phase != .open {
                    c.pointee.roundTrip.sample(Nanoseconds(sample))
                }
            }
        }
        if c.pointee.timedEnd != 0 && acknowledged >= c.pointee.timedEnd {
            c.pointee.roundTrip.sample(clock - c.pointee.timedSince)
            c.pointee.timedEnd = 0
        }
    }

    private func finAcknowledged(_ c: ConnectionPointer) {
        switch c.pointee.state {
        case .finWait1:
            c.pointee.state = .finWait2
            if !c.pointee.isOwned { startCloseTimer(c) }
        case .closing: enterTimeWait(c)
        case .lastAck: release(c, failure: 0)
        default: break
        }
    }

    // MARK: Loss

    private func arrivesDuplicate(_ c: ConnectionPointer) {
        c.pointee.duplicateCount += 1
        guard c.pointee.phase == .open else { return }
        let isLost: Bool
        if c.pointee.hasSACK {
            isLost =
                c.pointee.scoreboard.count >= 3 || c.pointee.scoreboard.byteCount > 2 * c.pointee.segmentByteCount
        } else {
            // Not for duplicates of what an earlier recovery sent (RFC 6582, section 4.1).
            isLost = c.pointee.duplicateCount >= 3 && c.pointee.sendUnacknowledged >= c.pointee.recoveryPoint
        }
        if isLost { enterRecovery(c) }
        // Two segments may go out on the first two duplicates (RFC 3042): the pipe is that much emptier.
        markDirty(c)
    }

    private func enterRecovery(_ c: ConnectionPointer) {
        statistics.fastRecoveries &+= 1
        c.pointee.phase = .recovery
        c.pointee.recoveryPoint = c.pointee.sendMax
        c.pointee.highRetransmit = c.pointee.sendUnacknowledged
        c.pointee.holeTries = 0
        c.pointee.recoveryFlight = c.pointee.outstandingByteCount
        c.pointee.recoveryDelivered = 0
        c.pointee.congestion.reduce(outstanding: c.pointee.outstandingByteCount)
        // The first segment goes whatever the window says (RFC 6675, section 5, step 4.3).
        let una = c.pointee.sendUnacknowledged
        sendAgain(c, at: una)
        c.pointee.recoverySent = c.pointee.segmentByteCount
        c.pointee.highRetransmit =
            una + UInt64(min(c.pointee.segmentByteCount, max(Int(c.pointee.sendEnd) - Int(una), 1)))
        sentFirstHole(c)
        markDirty(c)
    }

    private func advanceInRecovery(_ c: ConnectionPointer, _ acknowledged: StreamPosition, _ byteCount: Int) {
        if acknowledged >= c.pointee.recoveryPoint {
            c.pointee.phase = .open
            c.pointee.duplicateCount = 0
            c.pointee.allHolesAreLost = false
            c.pointee.congestion.recovered(outstanding: pipe(c))
            return
        }
        c.pointee.holeTries = 0
        if c.pointee.highRetransmit > acknowledged {
            // Sent again already, some time within the last round trip.
            c.pointee.holeSince = clock - Nanoseconds(c.pointee.roundTrip.smoothed / 2)
            c.pointee.holeMark = c.pointee.sendMax
        }
        c.pointee.highRetransmit = max(c.pointee.highRetransmit, acknowledged)
        if !c.pointee.hasSACK {
            // A partial acknowledgement: the next segment is missing, too (RFC 6582, section 3.2, step 3).
            let left = c.pointee.duplicateCount - byteCount / c.pointee.segmentByteCount + 1
            c.pointee.duplicateCount = max(left, 0)
            c.pointee.highRetransmit = acknowledged
        }
    }

    /// Proportional rate reduction (RFC 6937, section 3.1): during recovery as much goes out as comes through, scaled down to
    /// the new threshold, so that the end of recovery lets no burst loose.
    private func reduceRate(_ c: ConnectionPointer, delivered: Int) {
        c.pointee.recoveryDelivered += max(delivered, 0)
        let pipe = self.pipe(c)
        let threshold = c.pointee.congestion.threshold
        let quota: Int
        if pipe > threshold {
            quota =
                (c.pointee.recoveryDelivered * threshold + c.pointee.recoveryFlight - 1)
                / max(c.pointee.recoveryFlight, 1)
                - c.pointee.recoverySent
        } else {
            let limit =
                max(c.pointee.recoveryDelivered - c.pointee.recoverySent, delivered) + c.pointee.segmentByteCount
            quota = min(threshold - pipe, limit)
        }
        c.pointee.congestion.setRecoveryWindow(pipe + max(quota, 0))
    }

    /// The first hole was sent again, yet what was sent after it arrives, or a round trip and a quarter has passed while the
    /// peer answers: it was lost once more (after RFC 8985, section 7.2, for the one segment that holds everything up).
    private func detectLostAgain(_ c: ConnectionPointer) {
        guard c.pointee.phase == .recovery, !c.pointee.scoreboard.isEmpty,
            c.pointee.highRetransmit > c.pointee.sendUnacknowledged
        else { return }
        let trip = c.pointee.roundTrip.smoothed
        let isOverdue = (clock - c.pointee.holeSince).rawValue > trip + max(trip / 4, 1_000_000)
        let isOvertaken = c.pointee.scoreboard.upper > c.pointee.holeMark + UInt64(3 * c.pointee.segmentByteCount)
        if !isOverdue && !isOvertaken { return }
        sendAgain(c, at: c.pointee.sendUnacknowledged)
        sentFirstHole(c)
    }
}
