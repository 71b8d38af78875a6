// The slab of connections, the hash table over them, and how a connection begins and ends.

import Platform

extension NetworkStack {
    // MARK: The hash table

    @inline(__always) private func bucket(_ local: IPv4Endpoint, _ remote: IPv4Endpoint) -> Int {
        let a = UInt64(local.address.rawValue) << 32 | UInt64(remote.address.rawValue)
        let b = UInt64(local.port) << 16 | UInt64(remote.port)
        return Int(truncatingIfNeeded: hashKey.hash(a, b)) & bucketMask
    }

    @inline(__always) func find(_ local: IPv4Endpoint, _ remote: IPv4Endpoint) -> ConnectionPointer? {
        var index = buckets[bucket(local, remote)]
        while index >= 0 {
            let c = connections + Int(index)
            if c.pointee.remote.port == remote.port && c.pointee.remote.address == remote.address
                && c.pointee.local.port == local.port && c.pointee.local.address == local.address
            {
                return c
            }
            index = c.pointee.hashNext
        }
        return nil
    }

    private func unlink(_ c: ConnectionPointer) {
        let place = bucket(c.pointee.local, c.pointee.remote)
        var previous: Int32 = -1
        var at = buckets[place]
        while at != c.pointee.index {
            precondition(at >= 0, "a connection is not in the table")
            previous = at
            at = connections[Int(at)].hashNext
        }
        if previous < 0 {
            buckets[place] = c.pointee.hashNext
        } else {
            connections[Int(previous)].hashNext = c.pointee.hashNext
        }
        c.pointee.hashNext = -1
    }

    // MARK: Beginning

    /// A free slot; if there is none, that of the connection which has been in TIME-WAIT longest. Nil if all are in use.
    func allocateConnection() -> ConnectionPointer? {
        if freeConnection < 0 {
            var oldest = -1
            for index in 0..<configuration.connectionLimit
            where connections[index].state == .timeWait && !connections[index].isOwned {
                if oldest < 0 || connections[index].closeDeadline < connections[oldest].closeDeadline { oldest = index }
            }
            if oldest < 0 {
                statistics.overflows &+= 1
                return nil
            }
            release(connections + oldest, failure: 0)
        }
        let c = connections + Int(freeConnection)
        freeConnection = c.pointee.queueNext
        c.pointee.reset()
        return c
    }

    /// A slot that is in no table goes to the free list; its handle is void.
    func returnSlot(_ c: ConnectionPointer) {
        assert(c.pointee.state == .closed && c.pointee.heapIndex < 0)
        c.pointee.isOwned = false
        c.pointee.generation &+= 1
        c.pointee.queueNext = freeConnection
        freeConnection = c.pointee.index
    }

    /// Names the connection, puts it into the table, and chooses its sequence numbers. Its buffers were promised.
    func begin(_ c: ConnectionPointer, _ local: IPv4Endpoint, _ remote: IPv4Endpoint, initialSequence: UInt32? = nil) {
        c.pointee.local = local
        c.pointee.remote = remote
        let place = bucket(local, remote)
        c.pointee.hashNext = buckets[place]
        buckets[place] = c.pointee.index
        // One turn ahead, so that positions just below it do not wrap.
        let initial = UInt64(initialSequence ?? sequenceNumber(local, remote)) + 1 << 32
        c.pointee.initialSend = initial
        c.pointee.sendUnacknowledged = initial
        c.pointee.sendNext = initial
        c.pointee.sendMax = initial
        c.pointee.sendEnd = initial + 1
        c.pointee.timestampOffset = timestampOffset(local, remote)
        c.pointee.receiveScale = receiveScale
        c.pointee.receiveLimit = min(64 << 10, configuration.maxWindowByteCount)
        c.pointee.segmentByteCount = 536
        c.pointee.lastReceive = clock
        c.pointee.lastSend = clock
        c.pointee.takenSince = clock
        statistics.connectionsOpened &+= 1
    }

    /// RFC 6528: a clock of 4 µs plus a secret function of the connection's name.
    private func sequenceNumber(_ local: IPv4Endpoint, _ remote: IPv4Endpoint) -> UInt32 {
        UInt32(truncatingIfNeeded: sequenceKey.hash(pair(local), pair(remote)) &+ clock.rawValue / 4000)
    }

    @inline(__always) func pair(_ endpoint: IPv4Endpoint) -> UInt64 {
        UInt64(endpoint.address.rawValue) << 16 | UInt64(endpoint.port)
    }

    /// Each pair of endpoints sees timestamps that begin elsewhere (RFC 7323, section 5.4).
    func timestampOffset(_ local: IPv4Endpoint, _ remote: IPv4Endpoint) -> UInt32 {
        UInt32(truncatingIfNeeded: sequenceKey.hash(pair(local), pair(remote), 1))
    }

    /// Milliseconds.
    @inline(__always) var timestampClock: UInt32 { UInt32(truncatingIfNeeded: clock.rawValue / 1_000_000) }

    /// Bits by which our windows are shifted: enough for the largest.
    var receiveScale: UInt8 {
        var scale: UInt8 = 0
        while configuration.maxWindowByteCount >> Int(scale) > 65535 { scale += 1 }
        return scale
    }

    /// Payload of a segment without options that our link carries.
    @inline(__always) var ownMaximumSegment: Int {
        configuration.byteCountOfPacket - IPv4Packet.headerByteCount - TCPSegment.headerByteCount
    }

    /// Both sides' options are known: how much goes into a segment (RFC 6691: options are taken off).
    func negotiated(_ c: ConnectionPointer, peerMaximumSegment: Int) {
        let peer = max(peerMaximumSegment == 0 ? 536 : peerMaximumSegment, 64)
        c.pointee.segmentByteCount = min(peer, ownMaximumSegment) - (c.pointee.hasTimestamps ? 12 : 0)
        c.pointee.congestion.start(segment: c.pointee.segmentByteCount, algorithm: configuration.congestion)
    }

    /// The handshake is done.
    func established(_ c: ConnectionPointer) {
        c.pointee.state = .established
        // The opening was to go out once more, and has been acknowledged before it could.
        c.pointee.sendNext = max(c.pointee.sendNext, c.pointee.sendUnacknowledged)
        c.pointee.retryCount = 0
        c.pointee.roundTrip.forgetBackoff()
        c.pointee.retransmitDeadline = .never
        c.pointee.takenSince = clock
        restartKeepalive(c)
    }

    // MARK: Ending

    /// The connection is over: its memory is given back, what its owner waits for completes with `failure` (0: with the end of
    /// the stream). The slot is kept until the owner closes the handle.
    func release(_ c: ConnectionPointer, failure: Int) {
        if c.pointee.state == .closed { return }
        if c.pointee.state == .synReceived { halfOpenCount -= 1 }
        if c.pointee.listener >= 0 && c.pointee.state != .synReceived { dequeueAccepted(c) }
        if failure != 0 { statistics.connectionsFailed &+= 1 }
        c.pointee.listener = -1
        unlink(c)
        timers.remove(c, connections)
        giveBackBuffers(c)
        c.pointee.state = .closed
        c.pointee.failure = failure
        c.pointee.waitsForARP = false
        c.pointee.retransmitDeadline = .never
        c.pointee.acknowledgeDeadline = .never
        c.pointee.keepaliveDeadline = .never
        c.pointee.closeDeadline = .never
        if c.pointee.connectTag != 0 {
            // Nobody has the handle yet.
            let tag = c.pointee.connectTag
            c.pointee.connectTag = 0
            complete(c.pointee.connectCore, tag, failure != 0 ? failure : -PlatformErrno.connectionReset)
            c.pointee.isOwned = false
        }
        if c.pointee.receiveTag != 0 { finishReceive(c, failure) }
        if c.pointee.sendTag != 0 { finishSend(c, failure != 0 ? failure : -NetworkErrno.brokenPipe) }
        if !c.pointee.isOwned { returnSlot(c) }
    }

    private func giveBackBuffers(_ c: ConnectionPointer) {
        c.pointee.sendBuffer.releaseAll(c.pointee.sendUnacknowledged, c.pointee.sendEnd, &pool)
        let end = c.pointee.outOfOrder.isEmpty ? c.pointee.receiveNext : c.pointee.outOfOrder.upper
        c.pointee.receiveBuffer.releaseAll(c.pointee.readPosition, max(end, c.pointee.receiveNext), &pool)
        precondition(
            c.pointee.sendBuffer.heldCount == 0 && c.pointee.receiveBuffer.heldCount == 0, "a buffer was not given back"
        )
        pool.takeBack(2)
        c.pointee.outOfOrder.removeAll()
        c.pointee.scoreboard.removeAll()
        c.pointee.readPosition = c.pointee.receivedEnd
    }

    /// Both sides have ended, or ours has and the peer's never may: wait for what is still on its way.
    func enterTimeWait(_ c: ConnectionPointer) {
        c.pointee.state = .timeWait
        c.pointee.retransmitDeadline = .never
        c.pointee.keepaliveDeadline = .never
        // Twice the longest life of a segment, taken for 30 s as Linux does.
        c.pointee.closeDeadline = clock + .seconds(60)
        timers.update(c, connections)
    }

    /// Our side has ended and nobody is left to read: the peer gets a minute to end, too.
    func startCloseTimer(_ c: ConnectionPointer) {
        c.pointee.closeDeadline = clock + .seconds(60)
        timers.update(c, connections)
    }

    // MARK: Connections with something to send

    @inline(__always) func markDirty(_ c: ConnectionPointer) {
        if c.pointee.isDirty { return }
        c.pointee.isDirty = true
        c.pointee.dirtyNext = -1
        if lastDirty >= 0 {
            connections[Int(lastDirty)].dirtyNext = c.pointee.index
        } else {
            firstDirty = c.pointee.index
        }
        lastDirty = c.pointee.index
    }

    /// Lets every marked connection send, as long as there are frames.
    func flushDirty() {
        var budget = configuration.connectionLimit
        while firstDirty >= 0 && transmit.room > 0 && loopback.room > 0 && budget > 0 {
            let c = connections + Int(firstDirty)
            firstDirty = c.pointee.dirtyNext
            if firstDirty < 0 { lastDirty = -1 }
            c.pointee.isDirty = false
            if c.pointee.state != .closed { output(c) }
            budget -= 1
        }
    }
}
