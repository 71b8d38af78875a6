// What a stack is told when it is made.

import Platform

package struct NetworkConfiguration: Sendable {
    /// Of the device.
    package var macAddress: MACAddress
    /// Bytes of an IP packet that the link carries, 576 to 9000.
    package var byteCountOfPacket = 1500
    /// `any`: ask DHCP.
    package var address = IPv4Address.any
    package var prefixLength = 24
    /// `any`: there is none.
    package var gateway = IPv4Address.any
    /// The device completes TCP checksums of frames that say so (`TransmitFrame.needsChecksum`).
    package var deviceFillsChecksums = false
    /// Connections at a time, half-open and closing ones included; at most 32768.
    package var connectionLimit = 1024
    /// Connections that have not completed their handshake; beyond, SYN cookies answer.
    package var halfOpenLimit = 256
    /// Memory for all connections' buffers.
    package var bufferByteCount = 16 << 20
    /// Most bytes that one direction of one connection holds.
    package var maxWindowByteCount = 2 << 20
    /// Frames that may be on their way to the device; a power of two.
    package var transmitFrameCount = 512
    /// Cores that make requests.
    package var coreCount = 1
    package var congestion = CongestionAlgorithm.cubic
    /// Idleness after which a connection is probed, the pause between probes, and how many may stay unanswered.
    package var keepaliveIdle = Nanoseconds.seconds(7200)
    package var keepaliveInterval = Nanoseconds.seconds(75)
    package var keepaliveLimit = 9
    /// Random: behind sequence numbers, cookies and the connection table.
    package var secret: (UInt64, UInt64)

    package init(macAddress: MACAddress, secret: (UInt64, UInt64)) {
        self.macAddress = macAddress
        self.secret = secret
    }

    /// Sets address, prefix and gateway from `ADDRESS/LENGTH[,GATEWAY]`; false if the text is nothing of the kind.
    package mutating func setAddress(_ text: [UInt8]) -> Bool {
        guard let slash = text.firstIndex(of: UInt8(ascii: "/")) else { return false }
        let comma = text.firstIndex(of: UInt8(ascii: ",")) ?? text.endIndex
        guard slash < comma, let address = IPv4Address(text[..<slash]), !address.isNoHost else { return false }
        let digits = text[(slash + 1)..<comma]
        if digits.isEmpty || digits.count > 2 { return false }
        var length = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return false }
            length = length * 10 + Int(digit - UInt8(ascii: "0"))
        }
        if length < 1 || length > 32 { return false }
        var gateway = IPv4Address.any
        if comma < text.endIndex {
            guard let given = IPv4Address(text[(comma + 1)...]) else { return false }
            gateway = given
        }
        self.address = address
        prefixLength = length
        self.gateway = gateway
        return true
    }
}

/// What has happened since the start; for `Telemetry`, the shell and tests.
package struct NetworkStatistics: BitwiseCopyable, Sendable {
    package var receivedFrames: UInt64 = 0
    package var sentFrames: UInt64 = 0
    /// Frames that were no valid packet for us: cut off, wrong checksum, fragments, protocols we do not speak.
    package var droppedFrames: UInt64 = 0
    package var droppedFragments: UInt64 = 0
    package var badChecksums: UInt64 = 0
    /// ARP packets that claimed our address or another's without being asked.
    package var refusedARP: UInt64 = 0
    package var segmentsIn: UInt64 = 0
    package var segmentsOut: UInt64 = 0
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    package var retransmittedSegments: UInt64 = 0
    package var timeouts: UInt64 = 0
    package var tailProbes: UInt64 = 0
    package var fastRecoveries: UInt64 = 0
    package var outOfOrderSegments: UInt64 = 0
    package var outOfWindowSegments: UInt64 = 0
    package var challenges: UInt64 = 0
    package var resetsIn: UInt64 = 0
    package var resetsOut: UInt64 = 0
    package var cookiesSent: UInt64 = 0
    package var cookiesAccepted: UInt64 = 0
    package var connectionsOpened: UInt64 = 0
    package var connectionsFailed: UInt64 = 0
    /// SYNs and segments that found no room.
    package var overflows: UInt64 = 0
}

/// One connection, for people.
package struct ConnectionInfo: Sendable {
    package var local: IPv4Endpoint
    package var remote: IPv4Endpoint
    /// RFC 9293's name.
    package var state: StaticString
    package var congestionWindow: Int
    package var peerWindow: Int
    package var outstanding: Int
    package var unsent: Int
    package var unread: Int
    /// Nanoseconds; 0 before the first sample.
    package var roundTrip: UInt64
}

/// Why requests fail: Linux's errno, negated in completions.
enum NetworkErrno {
    static let brokenPipe = 32
    static let notConnected = 107
    static let timedOut = 110
    static let refused = 111
    static let hostUnreachable = 113
    static let alreadyUnderWay = 114
    static let addressInUse = 98
    static let noBuffers = 105
    static let badHandle = 9
}
