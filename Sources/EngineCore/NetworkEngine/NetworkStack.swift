// Ethernet to TCP as a pure core: frames and the time go in, frames come out. No platform, no device, no thread inside, so the
// same code is driven by virtio-net in Ring 0, by TAP on Linux, and by tests in virtual time.
//
// HOW TO DRIVE IT (one stack per device; every call below by one core, the owner):
//
//     let size = NetworkStack.byteCount(configuration)
//     let stack = NetworkStack(configuration, memory: <size bytes, 4 KiB-aligned, DMA-able>, now: now)
//     // whenever the device, a timer or a request has something for it:
//     stack.receive(frame, byteCount, checksumIsGood: …, now: now)      // per received frame; parsed in place, nothing is kept
//     stack.poll(now: now)                                              // once per batch: timers, acknowledgements, sends
//     while let frame = stack.nextTransmit() { … put it on the device's queue … }
//     stack.transmitDone(count)                                         // the device is done with the oldest `count` frames
//     // sleep until the device has something, a request comes, or stack.nextDeadline
//
// After `transmitDone`, poll again: what waited for a free frame goes on. A frame from `nextTransmit` stays untouched until its
// `transmitDone`; frames are freed in the order they were handed out, so a device that completes out of order counts. In
// front of `base` lie `NetworkStack.headroomByteCount` (64) bytes that are the driver's, for its own header (virtio_net_hdr).
//
// Streams: `listen`, `queueAccept`, `queueConnect`, `queueReceive`, `queueSend`, `shutdown`, `close` mean what Platform's calls
// of those names mean; completions are taken per core with `takeCompletions`. These, too, are the owner's: other cores go
// through `StreamService`, which is what a Platform holds.
//
// Invariants: no memory is allocated after init; a connection's buffers come from one pool and are bounded; every received byte
// is parsed behind a length check, and no packet can trap.

import Platform
import Synchronization

/// A frame to be sent.
package struct TransmitFrame {
    /// Of the Ethernet header.
    package var base: UnsafeMutableRawPointer
    package var byteCount: Int
    /// The TCP checksum field holds the pseudo-header's sum; the device is to sum from `checksumStart` (an offset from `base`)
    /// to the end and store the complement `checksumOffset` bytes behind it, as virtio's VIRTIO_NET_HDR_F_NEEDS_CSUM has it.
    package var needsChecksum: Bool
    package var checksumStart: Int { Ethernet.headerByteCount + IPv4Packet.headerByteCount }
    package var checksumOffset: Int { 16 }
}

package final class NetworkStack {
    package let configuration: NetworkConfiguration
    package internal(set) var statistics = NetworkStatistics()

    /// Our address, network and way out; `any` until DHCP has answered.
    package internal(set) var address: IPv4Address
    package internal(set) var prefixLength: Int
    package internal(set) var gateway: IPv4Address

    /// The time of the call under way.
    var clock: Nanoseconds
    var transmit: FrameRing
    /// Frames to ourselves: 127.0.0.0/8 and our own address.
    var loopback: FrameRing
    var pool: ChunkPool
    let connections: UnsafeMutablePointer<Connection>
    let buckets: UnsafeMutablePointer<Int32>
    let bucketMask: Int
    var freeConnection: Int32 = -1
    var halfOpenCount = 0
    let listeners: UnsafeMutablePointer<Listener>
    static let listenerLimit = 16
    var timers: ConnectionTimers
    var firstDirty: Int32 = -1
    var lastDirty: Int32 = -1
    var arp: ARPTable
    var dhcp = DHCPClient()
    var nextDatagram: UInt16
    let hashKey: SipKey
    let sequenceKey: SipKey
    let cookieKey: SipKey
    var nextEphemeralPort: UInt16
    /// Rate limit of ICMP errors and of challenges, per second (RFC 1812, section 4.3.2.8).
    var errorBudget = RateLimit(perSecond: 100)
    /// Bit i: `listeners[i]` is in use. Set by whoever listens, cleared by the owner.
    let activeListeners = Atomic<UInt32>(0)
    let listenLock = Atomic<Bool>(false)
    let completions: UnsafeMutablePointer<CrossCoreRing<CompletionEvent>>
    /// Cores that got completions since `takeCoreToWake`.
    var coresToWake: UInt64 = 0

    /// Bytes in front of every frame that are the driver's.
    package static var headroomByteCount: Int { FrameRing.headroomByteCount }

    /// Bytes of memory that `init` wants.
    package static func byteCount(_ configuration: NetworkConfiguration) -> Int {
        var carver = MemoryCarver(nil)
        _ = Layout(&carver, configuration, isCounting: true)
        return carver.byteCount
    }

    /// `memory`: `byteCount(configuration)` bytes with whatever in them, aligned to 4 KiB, that outlive the stack.
    package init(_ configuration: NetworkConfiguration, memory: UnsafeMutableRawPointer, now: Nanoseconds) {
        precondition(configuration.connectionLimit > 0 && configuration.connectionLimit <= 32768)
        precondition(configuration.byteCountOfPacket >= 576 && configuration.byteCountOfPacket <= 9000)
        precondition(configuration.coreCount > 0 && configuration.coreCount <= 64)
        var carver = MemoryCarver(memory)
        let layout = Layout(&carver, configuration, isCounting: false)
        self.configuration = configuration
        address = configuration.address
        prefixLength = configuration.prefixLength
        gateway = configuration.gateway
        clock = now
        transmit = layout.transmit
        loopback = layout.loopback
        pool = layout.pool
        connections = layout.connections
        buckets = layout.buckets
        bucketMask = layout.bucketCount - 1
        listeners = layout.listeners
        timers = layout.timers
        arp = layout.arp
        completions = layout.completions
        let (s0, s1) = configuration.secret
        let root = SipKey(k0: s0, k1: s1)
        hashKey = SipKey(k0: root.hash(1, 0), k1: root.hash(1, 1))
        sequenceKey = SipKey(k0: root.hash(2, 0), k1: root.hash(2, 1))
        cookieKey = SipKey(k0: root.hash(3, 0), k1: root.hash(3, 1))
        nextDatagram = UInt16(truncatingIfNeeded: root.hash(4, 0))
        nextEphemeralPort = 49152 + UInt16(truncatingIfNeeded: root.hash(4, 1) % 16384)
        for index in (0..<configuration.connectionLimit).reversed() {
            connections[index].queueNext = freeConnection
            freeConnection = Int32(index)
        }
        if configuration.address == .any { startDHCP() }
    }

    // MARK: The device's side

    /// A frame has come in. `checksumIsGood`: the device has verified, or need not verify, IP and TCP checksums.
    package func receive(_ frame: UnsafeRawPointer, _ byteCount: Int, checksumIsGood: Bool, now: Nanoseconds) {
        clock = now
        statistics.receivedFrames &+= 1
        guard byteCount >= Ethernet.headerByteCount else {
            statistics.droppedFrames &+= 1
            return
        }
        let destination = MACAddress.load(frame)
        guard destination == configuration.macAddress || destination.isGroup else {
            statistics.droppedFrames &+= 1
            return
        }
        let payload = frame + Ethernet.headerByteCount
        let payloadByteCount = byteCount - Ethernet.headerByteCount
        switch frame.big(12, as: UInt16.self) {
        case EtherType.ipv4:
            receiveIPv4(
                payload, payloadByteCount, isGroup: destination.isGroup, isLoopback: false,
                checksumIsGood: checksumIsGood)
        case EtherType.arp: receiveARP(payload, payloadByteCount)
        default: statistics.droppedFrames &+= 1
        }
    }

    /// Does what is due: timers, segments that wait to be sent, frames to ourselves. Call it after a batch of `receive`, of
    /// requests or of `transmitDone`, and when `nextDeadline` has come. Bounded: what is left makes `nextDeadline` now.
    package func poll(now: Nanoseconds) {
        clock = now
        expireTimers()
        if !(now < dhcp.deadline) { expireDHCP() }
        if !(now < arp.deadline) { expireARP() }
        flushDirty()
        var budget = 64
        while budget > 0, let frame = loopback.hand() {
            receiveIPv4(
                frame.base + Ethernet.headerByteCount, frame.byteCount - Ethernet.headerByteCount, isGroup: false,
                isLoopback: true, checksumIsGood: true)
            loopback.free(1)
            if loopback.pendingCount == 0 { flushDirty() }
            budget -= 1
        }
        if loopback.pendingCount == 0 { flushDirty() }
    }

    /// When to poll at the latest, if neither the device nor a request does before.
    package var nextDeadline: Nanoseconds {
        if loopback.pendingCount > 0 || (firstDirty >= 0 && transmit.room > 0) { return clock }
        var nearest = timers.nearest(connections)
        if dhcp.deadline < nearest { nearest = dhcp.deadline }
        if arp.deadline < nearest { nearest = arp.deadline }
        return nearest
    }

    /// The next frame for the device; nil if there is none.
    @inline(__always) package func nextTransmit() -> TransmitFrame? {
        guard let frame = transmit.hand() else { return nil }
        statistics.sentFrames &+= 1
        return TransmitFrame(base: frame.base, byteCount: frame.byteCount, needsChecksum: frame.needsChecksum)
    }

    /// The device is done with the `count` oldest frames that `nextTransmit` gave.
    @inline(__always) package func transmitDone(_ count: Int) { transmit.free(count) }

    /// Frames for the device that wait.
    @inline(__always) package var pendingTransmitCount: Int { transmit.pendingCount }

    /// Bytes of the connections' buffers that hold something; what they may hold at most.
    package var bufferByteCountInUse: Int { (pool.count - pool.freeCount) * ChunkPool.chunkByteCount }
    package var bufferByteCount: Int { pool.count * ChunkPool.chunkByteCount }
    /// Connections in any state, TIME-WAIT included.
    package var connectionCount: Int {
        var count = 0
        for index in 0..<configuration.connectionLimit where connections[index].state != .closed { count += 1 }
        return count
    }

    // MARK: Completions

    @inline(__always) func complete(_ core: Int, _ tag: Tag, _ result: Int) {
        // The ring has room for every request that can be under way.
        let isPushed = completions[core].push(CompletionEvent(tag: tag, result: result))
        precondition(isPushed, "more completions than requests")
        coresToWake |= 1 << UInt64(core)
    }

    /// Moves up to `events.count` completions of `core`'s requests into `events`; returns how many. By that core.
    package func takeCompletions(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>) -> Int {
        var count = 0
        while count < events.count, let event = completions[core].pop() {
            events[count] = event
            count += 1
        }
        return count
    }

    /// True if `core` has completions to take. By that core.
    package func hasCompletions(_ core: CoreIndex) -> Bool { !completions[core].isEmpty }

    /// A core that got completions since it was last named here, or -1. The owner wakes each that is not itself.
    package func takeCoreToWake() -> CoreIndex {
        if coresToWake == 0 { return -1 }
        let core = coresToWake.trailingZeroBitCount
        coresToWake &= ~(1 << UInt64(core))
        return core
    }
}

/// At most so many events a second, in bursts of as many.
struct RateLimit {
    private let perSecond: UInt64
    private var tokens: UInt64
    private var last = Nanoseconds(0)
    init(perSecond: UInt64) {
        self.perSecond = perSecond
        tokens = perSecond
    }
    mutating func take(_ now: Nanoseconds) -> Bool {
        let earned = (now - last).rawValue / (1_000_000_000 / perSecond)
        if earned > 0 {
            tokens = min(perSecond, tokens + earned)
            last = now
        }
        if tokens == 0 { return false }
        tokens -= 1
        return true
    }
}

/// Where everything lies in the stack's memory.
private struct Layout {
    let transmit: FrameRing
    let loopback: FrameRing
    let pool: ChunkPool
    let connections: UnsafeMutablePointer<Connection>
    let buckets: UnsafeMutablePointer<Int32>
    let bucketCount: Int
    let listeners: UnsafeMutablePointer<Listener>
    let timers: ConnectionTimers
    let arp: ARPTable
    let completions: UnsafeMutablePointer<CrossCoreRing<CompletionEvent>>

    init(_ carver: inout MemoryCarver, _ configuration: NetworkConfiguration, isCounting: Bool) {
        let limit = configuration.connectionLimit
        let frame = Ethernet.headerByteCount + configuration.byteCountOfPacket
        transmit = FrameRing(&carver, capacity: configuration.transmitFrameCount, frameByteCount: frame)
        loopback = FrameRing(&carver, capacity: 256, frameByteCount: frame)
        let chunkCount = max(configuration.bufferByteCount / ChunkPool.chunkByteCount, 4)
        pool = ChunkPool(&carver, count: chunkCount, isCounting: isCounting)
        connections = carver.take(Connection.self, limit)
        let tableCapacity = Self.tableCapacity(configuration)
        let tables = carver.take(UInt32.self, 2 * tableCapacity * limit)
        let ranges = carver.take(PositionRange.self, 2 * RangeSet.capacity * limit)
        bucketCount = powerOfTwo(atLeast: limit)
        buckets = carver.take(Int32.self, bucketCount)
        listeners = carver.take(Listener.self, NetworkStack.listenerLimit)
        timers = ConnectionTimers(carver.take(Int32.self, limit))
        arp = ARPTable(carver.take(ARPEntry.self, ARPTable.capacity), isCounting: isCounting)
        completions = carver.take(CrossCoreRing<CompletionEvent>.self, configuration.coreCount)
        // Every connection may have a receive and a send or a connect under way, and every listener a backlog.
        let completionCount = powerOfTwo(atLeast: 4 * limit + 64)
        for core in 0..<configuration.coreCount {
            let ring = CrossCoreRing<CompletionEvent>(&carver, capacity: completionCount, isCounting: isCounting)
            if !isCounting { (completions + core).initialize(to: ring) }
        }
        if isCounting { return }
        tables.initialize(repeating: ChunkPool.none, count: 2 * tableCapacity * limit)
        buckets.initialize(repeating: -1, count: bucketCount)
        listeners.initialize(repeating: Listener(), count: NetworkStack.listenerLimit)
        for index in 0..<limit {
            (connections + index).initialize(
                to: Connection(
                    index: Int32(index),
                    sendTable: StreamBuffer(table: tables + 2 * index * tableCapacity, capacity: tableCapacity),
                    receiveTable: StreamBuffer(
                        table: tables + (2 * index + 1) * tableCapacity, capacity: tableCapacity),
                    scoreboard: RangeSet(ranges + 2 * index * RangeSet.capacity),
                    outOfOrder: RangeSet(ranges + (2 * index + 1) * RangeSet.capacity)))
        }
    }

    /// Table entries for the largest window, wherever it begins in its first chunk, with one to spare.
    static func tableCapacity(_ configuration: NetworkConfiguration) -> Int {
        powerOfTwo(atLeast: configuration.maxWindowByteCount / ChunkPool.chunkByteCount + 2)
    }
}

func powerOfTwo(atLeast value: Int) -> Int {
    var result = 1
    while result < value { result *= 2 }
    return result
}
