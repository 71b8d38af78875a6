// The owner's side of streams: requests come in, completions go out by tag. What each call means is written at Platform's calls
// of the same names. A stream takes one receive and one send at a time; a second completes with EALREADY.

import Platform
import Synchronization

/// A port that takes connections, and those that wait to be taken.
struct Listener: BitwiseCopyable {
    var local = IPv4Endpoint(.any, 0)
    var generation: UInt16 = 0
    var acceptTag: Tag = 0
    var acceptCore = 0
    /// Established connections that nobody has accepted, oldest first.
    var firstWaiting: Int32 = -1
    var lastWaiting: Int32 = -1
    var waitingCount = 0
    static let backlog = 256
    static let handleBit: Int32 = 0x8000
}

extension NetworkStack {
    // MARK: Handles

    /// Nil for a handle that is out of use.
    @inline(__always) func connection(_ handle: StreamHandle) -> ConnectionPointer? {
        let index = Int(handle.rawValue & 0xffff)
        guard handle.rawValue >= 0, index < configuration.connectionLimit else { return nil }
        let c = connections + index
        guard c.pointee.isOwned, Int32(c.pointee.generation & 0x7fff) == handle.rawValue >> 16 else { return nil }
        return c
    }

    private func listener(_ handle: StreamHandle) -> Int? {
        guard handle.rawValue >= 0, handle.rawValue & Listener.handleBit != 0 else { return nil }
        let index = Int(handle.rawValue & 0x7fff)
        guard index < Self.listenerLimit, activeListeners.load(ordering: .acquiring) & 1 << UInt32(index) != 0,
            Int32(listeners[index].generation & 0x7fff) == handle.rawValue >> 16
        else { return nil }
        return index
    }

    /// The listener for segments to `local`, or -1.
    func findListener(_ local: IPv4Endpoint) -> Int {
        var active = activeListeners.load(ordering: .acquiring)
        while active != 0 {
            let index = active.trailingZeroBitCount
            active &= active - 1
            let own = listeners[index].local
            if own.port == local.port && (own.address == .any || own.address == local.address) { return index }
        }
        return -1
    }

    // MARK: Listening

    /// Takes connections to `local`; port 0 picks one. Callable from any core. 58030 if the port is taken or the address is
    /// not ours, 53300 if there are too many listeners.
    package func listen(_ local: IPv4Endpoint) throws(EngineError) -> (StreamHandle, IPv4Endpoint) {
        while listenLock.exchange(true, ordering: .acquiring) {}
        defer { listenLock.store(false, ordering: .releasing) }
        if local.address != .any && !local.address.isLoopback && local.address != address {
            throw EngineError(
                .ioError, "could not listen on \(local.text): Cannot assign requested address", severity: .fatal)
        }
        let active = activeListeners.load(ordering: .acquiring)
        var chosen = local
        var tries = 0
        while chosen.port == 0 || isTaken(chosen, active) {
            if local.port != 0 || tries == 16384 {
                throw EngineError(
                    .ioError, "could not listen on \(local.text): Address already in use", severity: .fatal)
            }
            chosen.port = 32768 + UInt16(tries)
            tries += 1
        }
        let index = (~active).trailingZeroBitCount
        if index >= Self.listenerLimit {
            throw EngineError(.tooManyConnections, "too many listeners", severity: .fatal)
        }
        let generation = listeners[index].generation &+ 1
        listeners[index] = Listener()
        listeners[index].generation = generation
        listeners[index].local = chosen
        activeListeners.bitwiseOr(1 << UInt32(index), ordering: .releasing)
        let handle = Int32(generation & 0x7fff) << 16 | Listener.handleBit | Int32(index)
        return (StreamHandle(rawValue: handle), chosen)
    }

    private func isTaken(_ local: IPv4Endpoint, _ active: UInt32) -> Bool {
        for index in 0..<Self.listenerLimit where active & 1 << UInt32(index) != 0 {
            let own = listeners[index].local
            if own.port == local.port
                && (own.address == .any || local.address == .any || own.address == local.address)
            {
                return true
            }
        }
        return false
    }

    /// One completion per connection until the listener is closed.
    package func queueAccept(_ core: CoreIndex, _ handle: StreamHandle, tag: Tag) {
        guard let index = listener(handle) else { return complete(core, tag, -NetworkErrno.badHandle) }
        if listeners[index].acceptTag != 0 { return complete(core, tag, -NetworkErrno.alreadyUnderWay) }
        listeners[index].acceptTag = tag
        listeners[index].acceptCore = core
        deliverAccepted(index)
    }

    /// Hands out the connections that wait at a listener, as long as completions have room.
    func deliverAccepted(_ index: Int) {
        let listener = listeners + index
        guard listener.pointee.acceptTag != 0 else { return }
        let core = listener.pointee.acceptCore
        while listener.pointee.firstWaiting >= 0 {
            // Room for the completions of all other requests stays.
            if completions[core].room <= 3 * configuration.connectionLimit { return }
            let c = connections + Int(listener.pointee.firstWaiting)
            listener.pointee.firstWaiting = c.pointee.queueNext
            if listener.pointee.firstWaiting < 0 { listener.pointee.lastWaiting = -1 }
            listener.pointee.waitingCount -= 1
            c.pointee.queueNext = -1
            c.pointee.listener = -1
            c.pointee.isOwned = true
            complete(core, listener.pointee.acceptTag, Int(c.pointee.handle.rawValue))
        }
    }

    /// A handshake is done: the connection waits to be accepted.
    func enqueueAccepted(_ c: ConnectionPointer) {
        let listener = listeners + Int(c.pointee.listener)
        c.pointee.queueNext = -1
        if listener.pointee.lastWaiting >= 0 {
            connections[Int(listener.pointee.lastWaiting)].queueNext = c.pointee.index
        } else {
            listener.pointee.firstWaiting = c.pointee.index
        }
        listener.pointee.lastWaiting = c.pointee.index
        listener.pointee.waitingCount += 1
        deliverAccepted(Int(c.pointee.listener))
    }

    /// A connection that waits to be accepted has ended.
    func dequeueAccepted(_ c: ConnectionPointer) {
        let listener = listeners + Int(c.pointee.listener)
        var previous: Int32 = -1
        var at = listener.pointee.firstWaiting
        while at >= 0 && at != c.pointee.index {
            previous = at
            at = connections[Int(at)].queueNext
        }
        if at < 0 { return }
        if previous < 0 {
            listener.pointee.firstWaiting = c.pointee.queueNext
        } else {
            connections[Int(previous)].queueNext = c.pointee.queueNext
        }
        if listener.pointee.lastWaiting == at { listener.pointee.lastWaiting = previous }
        listener.pointee.waitingCount -= 1
        c.pointee.queueNext = -1
    }

    private func closeListener(_ index: Int) {
        let tag = listeners[index].acceptTag
        let core = listeners[index].acceptCore
        for slot in 0..<configuration.connectionLimit where connections[slot].listener == Int32(index) {
            let c = connections + slot
            if c.pointee.state == .closed { continue }
            sendReset(c)
            release(c, failure: -PlatformErrno.connectionReset)
        }
        listeners[index].acceptTag = 0
        activeListeners.bitwiseAnd(~(1 << UInt32(index)), ordering: .releasing)
        if tag != 0 { complete(core, tag, -PlatformErrno.canceled) }
    }

    // MARK: Connecting

    package func queueConnect(_ core: CoreIndex, to remote: IPv4Endpoint, tag: Tag) {
        let isLoopback = remote.address.isLoopback
        if remote.port == 0 || remote.address.isNoHost || (address == .any && !isLoopback) {
            return complete(core, tag, -NetworkErrno.hostUnreachable)
        }
        guard let c = allocateConnection() else { return complete(core, tag, -NetworkErrno.noBuffers) }
        var local = IPv4Endpoint(isLoopback ? remote.address : address, 0)
        for _ in 0..<16384 {
            local.port = nextEphemeralPort
            nextEphemeralPort = nextEphemeralPort == UInt16.max ? 49152 : nextEphemeralPort + 1
            if find(local, remote) == nil && findListener(local) < 0 { break }
            local.port = 0
        }
        if local.port == 0 || !pool.promise(2) {
            returnSlot(c)
            return complete(core, tag, -NetworkErrno.noBuffers)
        }
        c.pointee.isOwned = true
        c.pointee.connectTag = tag
        c.pointee.connectCore = core
        begin(c, local, remote)
        c.pointee.state = .synSent
        startRetransmitTimer(c)
        markDirty(c)
    }

    // MARK: Data

    package func queueReceive(_ core: CoreIndex, _ handle: StreamHandle, into buffer: IOVector, tag: Tag) {
        guard let c = connection(handle) else { return complete(core, tag, -NetworkErrno.badHandle) }
        if c.pointee.receiveTag != 0 { return complete(core, tag, -NetworkErrno.alreadyUnderWay) }
        c.pointee.receiveTag = tag
        c.pointee.receiveCore = core
        c.pointee.receiveInto = buffer
        deliverReceived(c)
    }

    /// Completes the receive under way if there is something to say.
    func deliverReceived(_ c: ConnectionPointer) {
        if c.pointee.receiveTag == 0 { return }
        let readable = c.pointee.isShutDown ? 0 : c.pointee.readableByteCount
        if readable > 0 {
            let count = min(readable, c.pointee.receiveInto.byteCount)
            c.pointee.receiveBuffer.read(c.pointee.receiveInto.base, count, at: c.pointee.readPosition, pool)
            taken(c, count)
            finishReceive(c, count)
        } else if c.pointee.failure != 0 {
            finishReceive(c, c.pointee.failure)
        } else if c.pointee.isShutDown || c.pointee.finIsReceived || c.pointee.state == .closed {
            finishReceive(c, 0)
        }
    }

    func finishReceive(_ c: ConnectionPointer, _ result: Int) {
        let tag = c.pointee.receiveTag
        c.pointee.receiveTag = 0
        complete(c.pointee.receiveCore, tag, result)
    }

    /// The owner has taken `count` bytes: their memory is free, and the window may open.
    func taken(_ c: ConnectionPointer, _ count: Int) {
        let before = c.pointee.readPosition
        c.pointee.readPosition = before + UInt64(count)
        if c.pointee.readableByteCount == 0 && c.pointee.outOfOrder.isEmpty {
            c.pointee.receiveBuffer.releaseAll(before, c.pointee.readPosition, &pool)
        } else {
            c.pointee.receiveBuffer.release(before, c.pointee.readPosition, &pool)
        }
        growReceiveLimit(c, count)
        if c.pointee.state.receives
            && windowGrowth(c) >= min(2 * c.pointee.segmentByteCount, c.pointee.receiveLimit / 2)
        {
            c.pointee.acknowledgeNow = true
            markDirty(c)
        }
    }

    /// The window grows to four times what the owner takes in a round trip: a sender that doubles its rate each time finds room
    /// when it does, and while what is lost is sent again. Without window scaling it stays what it is.
    private func growReceiveLimit(_ c: ConnectionPointer, _ count: Int) {
        if c.pointee.receiveScale == 0 { return }
        c.pointee.takenByteCount += count
        let trip = max(c.pointee.roundTrip.smoothed, 1_000_000)
        if (clock - c.pointee.takenSince).rawValue < trip { return }
        if pool.spareCount > pool.count / 4 {
            let wanted = min(4 * c.pointee.takenByteCount, configuration.maxWindowByteCount)
            c.pointee.receiveLimit = max(c.pointee.receiveLimit, wanted)
        }
        c.pointee.takenByteCount = 0
        c.pointee.takenSince = clock
    }

    package func queueSend(_ core: CoreIndex, _ handle: StreamHandle, _ buffer: IOVector, tag: Tag) {
        guard let c = connection(handle) else { return complete(core, tag, -NetworkErrno.badHandle) }
        if c.pointee.sendTag != 0 { return complete(core, tag, -NetworkErrno.alreadyUnderWay) }
        c.pointee.sendTag = tag
        c.pointee.sendCore = core
        c.pointee.sendFrom = buffer
        takeFromOwner(c)
    }

    /// Moves what fits of the send under way into the send buffer, and completes it.
    func takeFromOwner(_ c: ConnectionPointer) {
        if c.pointee.sendTag == 0 { return }
        if c.pointee.failure != 0 { return finishSend(c, c.pointee.failure) }
        guard !c.pointee.finIsQueued, c.pointee.state == .established || c.pointee.state == .closeWait else {
            if c.pointee.state == .synSent || c.pointee.state == .synReceived { return }
            return finishSend(c, -NetworkErrno.brokenPipe)
        }
        let limit = min(max(64 << 10, 2 * c.pointee.congestion.window), configuration.maxWindowByteCount)
        let room = limit - c.pointee.sendHeldByteCount
        let wanted = c.pointee.sendFrom.byteCount
        // Not for a few bytes at a time, unless nothing else is on its way.
        if room < min(wanted, limit / 4) && c.pointee.sendHeldByteCount > 0 { return }
        let end = c.pointee.sendEnd
        let count = c.pointee.sendBuffer.write(c.pointee.sendFrom.base, min(wanted, max(room, 0)), at: end, &pool)
        if count == 0 && wanted > 0 { return }
        c.pointee.sendEnd = end + UInt64(count)
        markDirty(c)
        finishSend(c, count)
    }

    func finishSend(_ c: ConnectionPointer, _ result: Int) {
        let tag = c.pointee.sendTag
        c.pointee.sendTag = 0
        complete(c.pointee.sendCore, tag, result)
    }

    // MARK: The end

    /// Ends both directions: what was taken for sending still goes out, then a FIN.
    package func shutdown(_ handle: StreamHandle) {
        if let index = listener(handle) { return closeListener(index) }
        guard let c = connection(handle), !c.pointee.isShutDown else { return }
        c.pointee.isShutDown = true
        if c.pointee.receiveTag != 0 { finishReceive(c, c.pointee.failure) }
        if c.pointee.sendTag != 0 { finishSend(c, -NetworkErrno.brokenPipe) }
        if c.pointee.state != .closed { dropReadable(c) }
        sendFIN(c)
    }

    /// `shutdown`, and the handle is out of use. Data that nobody will read is answered with a reset (RFC 1122, 4.2.2.13).
    package func close(_ handle: StreamHandle) {
        if let index = listener(handle) { return closeListener(index) }
        guard let c = connection(handle) else { return }
        let hadUnread = !c.pointee.isShutDown && c.pointee.readableByteCount > 0
        shutdown(handle)
        c.pointee.isOwned = false
        switch c.pointee.state {
        case .closed: returnSlot(c)
        case .timeWait: break
        default:
            if hadUnread {
                sendReset(c)
                release(c, failure: 0)
            } else if c.pointee.state == .finWait2 {
                startCloseTimer(c)
            } else {
                // A peer that keeps its window closed must not keep us for ever.
                c.pointee.closeDeadline = clock + .seconds(600)
                timers.update(c, connections)
            }
        }
    }

    private func sendFIN(_ c: ConnectionPointer) {
        switch c.pointee.state {
        case .synSent: release(c, failure: -PlatformErrno.connectionReset)
        case .synReceived, .established:
            c.pointee.state = .finWait1
            c.pointee.finIsQueued = true
            markDirty(c)
        case .closeWait:
            c.pointee.state = .lastAck
            c.pointee.finIsQueued = true
            markDirty(c)
        default: break
        }
    }

    /// Every connection there is.
    package func connectionInfo() -> [ConnectionInfo] {
        var list: [ConnectionInfo] = []
        for index in 0..<configuration.connectionLimit where connections[index].state != .closed {
            let c = connections + index
            list.append(
                ConnectionInfo(
                    local: c.pointee.local, remote: c.pointee.remote, state: c.pointee.state.name,
                    congestionWindow: c.pointee.congestion.window, peerWindow: c.pointee.sendWindow,
                    outstanding: c.pointee.outstandingByteCount,
                    unsent: c.pointee.sendEnd > c.pointee.sendNext ? Int(c.pointee.sendEnd - c.pointee.sendNext) : 0,
                    unread: c.pointee.readableByteCount, roundTrip: c.pointee.roundTrip.smoothed))
        }
        return list
    }
}

extension TCPState {
    var name: StaticString {
        switch self {
        case .closed: "CLOSED"
        case .synSent: "SYN-SENT"
        case .synReceived: "SYN-RECEIVED"
        case .established: "ESTABLISHED"
        case .finWait1: "FIN-WAIT-1"
        case .finWait2: "FIN-WAIT-2"
        case .closeWait: "CLOSE-WAIT"
        case .closing: "CLOSING"
        case .lastAck: "LAST-ACK"
        case .timeWait: "TIME-WAIT"
        }
    }
}
