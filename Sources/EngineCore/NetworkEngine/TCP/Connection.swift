// The state of one connection: what RFC 9293 section 3.3.1 calls the transmission control block.
//
// Positions (StreamPosition) count as sequence numbers do but never wrap; the low 32 bits go on the wire.
// Invariant: sendUnacknowledged <= sendNext <= sendMax <= sendEnd + 1 (the FIN), readPosition <= receiveNext <= receiveEdge.

import Platform

enum TCPState: UInt8, BitwiseCopyable {
    case closed, synSent, synReceived, established, finWait1, finWait2, closeWait, closing, lastAck, timeWait

    /// Data may still arrive.
    @inline(__always) var receives: Bool { self == .established || self == .finWait1 || self == .finWait2 }
    @inline(__always) var isSynchronized: Bool { rawValue >= TCPState.established.rawValue }
}

/// How losses are being dealt with.
enum LossPhase: UInt8, BitwiseCopyable {
    case open
    /// Fast recovery (RFC 6675, 6582) until `recoveryPoint` is acknowledged.
    case recovery
    /// After a timeout: what was sent goes out again from the first byte missing.
    case loss
}

typealias ConnectionPointer = UnsafeMutablePointer<Connection>

struct Connection {
    // Who
    var local = IPv4Endpoint(.any, 0)
    var remote = IPv4Endpoint(.any, 0)
    var state = TCPState.closed
    /// Of the handle; counts the slot's uses.
    var generation: UInt16 = 1
    let index: Int32
    /// The handle is out; without, the connection ends by itself.
    var isOwned = false
    /// Neither direction goes on for the owner.
    var isShutDown = false
    /// Listener that it came by, while it is not accepted; -1 after.
    var listener: Int32 = -1
    /// Chains of the hash table, of the free list or an accept queue, and of the connections that have something to send.
    var hashNext: Int32 = -1
    var queueNext: Int32 = -1
    var dirtyNext: Int32 = -1
    var isDirty = false
    /// The next hop's link address is being asked for.
    var waitsForARP = false

    // Timers; `heapDeadline` is never later than the earliest of them.
    var heapIndex: Int32 = -1
    var heapDeadline = Nanoseconds.never
    var retransmitDeadline = Nanoseconds.never
    var acknowledgeDeadline = Nanoseconds.never
    var keepaliveDeadline = Nanoseconds.never
    /// End of TIME-WAIT, or of the patience with a peer that does not end its side.
    var closeDeadline = Nanoseconds.never

    // Sending
    var sendUnacknowledged: StreamPosition = 0
    var sendNext: StreamPosition = 0
    var sendMax: StreamPosition = 0
    /// End of what the owner has given us.
    var sendEnd: StreamPosition = 0
    var initialSend: StreamPosition = 0
    var sendBuffer: StreamBuffer
    var finIsQueued = false
    var sendWindow = 0
    var maxSendWindow = 0
    var windowSequence: StreamPosition = 0
    var windowAcknowledgement: StreamPosition = 0
    var sendScale: UInt8 = 0
    /// Payload bytes per segment, options already taken off.
    var segmentByteCount = 536
    var hasTimestamps = false
    var hasSACK = false
    /// The device shall have it sent: an acknowledgement that must not wait.
    var acknowledgeNow = false

    // Loss and congestion
    var phase = LossPhase.open
    var duplicateCount = 0
    var recoveryPoint: StreamPosition = 0
    /// Highest position sent again in this recovery.
    var highRetransmit: StreamPosition = 0
    /// Highest position sent when the first hole was last sent again: a SACK far above tells that this was lost, too.
    var holeMark: StreamPosition = 0
    /// When the first hole was last sent again, and how often the timer has done it.
    var holeSince = Nanoseconds(0)
    var holeTries = 0
    /// Proportional rate reduction (RFC 6937): bytes that left the network since recovery began, bytes sent since, and bytes
    /// that were outstanding then.
    var recoveryDelivered = 0
    var recoverySent = 0
    var recoveryFlight = 0
    /// All holes are taken for lost, however little lies above them: a probe has shown them.
    var allHolesAreLost = false
    /// End of the tail loss probe (RFC 8985, section 7) that is out; 0 for none.
    var probeEnd: StreamPosition = 0
    var scoreboard: RangeSet
    var congestion = CongestionControl()
    var roundTrip = RoundTripTimer()
    /// Time of a segment that ends at `timedEnd`, for a round-trip sample; 0 for none.
    var timedEnd: StreamPosition = 0
    var timedSince = Nanoseconds(0)
    /// Retransmissions of the same data, or probes of a closed window, in a row.
    var retryCount = 0
    var keepaliveCount = 0
    var lastSend = Nanoseconds(0)
    var lastReceive = Nanoseconds(0)

    // Receiving
    var receiveNext: StreamPosition = 0
    /// First position beyond the window that was announced.
    var receiveEdge: StreamPosition = 0
    /// First byte that the owner has not taken.
    var readPosition: StreamPosition = 0
    var receiveBuffer: StreamBuffer
    var outOfOrder: RangeSet
    /// Begin of the range that the last segment out of order went to: reported first (RFC 2018, section 4).
    var lastRange: StreamPosition = 0
    var finIsReceived = false
    var receiveScale: UInt8 = 0
    /// Bytes that the window may span; grows with what the owner takes in a round trip.
    var receiveLimit = 0
    var takenSince = Nanoseconds(0)
    var takenByteCount = 0
    var unacknowledgedByteCount = 0
    var timestampRecent: UInt32 = 0
    var timestampRecentTime = Nanoseconds(0)
    var timestampOffset: UInt32 = 0
    /// `receiveNext` as last acknowledged.
    var lastAcknowledged: StreamPosition = 0
    var challengeTime = Nanoseconds(0)

    // The owner's requests; tag 0 for none.
    var receiveTag: Tag = 0
    var receiveCore = 0
    var receiveInto = IOVector(base: UnsafeMutableRawPointer(bitPattern: 1).unsafelyUnwrapped, byteCount: 0)
    var sendTag: Tag = 0
    var sendCore = 0
    var sendFrom = IOVector(base: UnsafeMutableRawPointer(bitPattern: 1).unsafelyUnwrapped, byteCount: 0)
    var connectTag: Tag = 0
    var connectCore = 0
    /// Why the connection ended, as a negative errno; 0 while it lives or if it ended well.
    var failure = 0

    init(index: Int32, sendTable: StreamBuffer, receiveTable: StreamBuffer, scoreboard: RangeSet, outOfOrder: RangeSet)
    {
        self.index = index
        sendBuffer = sendTable
        receiveBuffer = receiveTable
        self.scoreboard = scoreboard
        self.outOfOrder = outOfOrder
    }

    /// Ready for another use of the slot; buffers are empty, generation and links stay.
    mutating func reset() {
        var fresh = Connection(
            index: index, sendTable: sendBuffer, receiveTable: receiveBuffer, scoreboard: scoreboard,
            outOfOrder: outOfOrder)
        fresh.scoreboard.removeAll()
        fresh.outOfOrder.removeAll()
        fresh.generation = generation
        // The list of those that have something to send may still name the slot.
        fresh.isDirty = isDirty
        fresh.dirtyNext = dirtyNext
        self = fresh
    }

    @inline(__always) var handle: StreamHandle {
        StreamHandle(rawValue: Int32(generation & 0x7fff) << 16 | index)
    }

    /// End of the stream's bytes, without the FIN.
    @inline(__always) var receivedEnd: StreamPosition { finIsReceived ? receiveNext - 1 : receiveNext }
    @inline(__always) var readableByteCount: Int { Int(receivedEnd - readPosition) }
    @inline(__always) var outstandingByteCount: Int { Int(sendMax - sendUnacknowledged) }
    /// Bytes in the send buffer, sent or not.
    @inline(__always) var sendHeldByteCount: Int {
        sendEnd > sendUnacknowledged ? Int(sendEnd - sendUnacknowledged) : 0
    }
    @inline(__always) var nearestDeadline: Nanoseconds {
        var nearest = retransmitDeadline
        if acknowledgeDeadline < nearest { nearest = acknowledgeDeadline }
        if keepaliveDeadline < nearest { nearest = keepaliveDeadline }
        if closeDeadline < nearest { nearest = closeDeadline }
        return nearest
    }
}
