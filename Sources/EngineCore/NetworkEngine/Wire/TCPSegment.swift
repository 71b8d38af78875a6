// TCP headers (RFC 9293, section 3.1) and options: MSS, window scale and timestamps (RFC 7323), SACK (RFC 2018).
//
//   source port 2 | destination port 2 | sequence 4 | acknowledgement 4 | data offset, flags 2 | window 2 | checksum 2
//   | urgent pointer 2 | options

import Platform

struct TCPFlags: BitwiseCopyable {
    var rawValue: UInt8
    @inline(__always) init(_ rawValue: UInt8) { self.rawValue = rawValue }
    static let fin = TCPFlags(1)
    static let syn = TCPFlags(2)
    static let rst = TCPFlags(4)
    static let psh = TCPFlags(8)
    static let ack = TCPFlags(16)
    @inline(__always) func contains(_ other: TCPFlags) -> Bool { rawValue & other.rawValue != 0 }
    @inline(__always) static func | (a: TCPFlags, b: TCPFlags) -> TCPFlags { TCPFlags(a.rawValue | b.rawValue) }
}

/// Sequence numbers of one SACK block.
struct SACKBlock: BitwiseCopyable {
    var lower: UInt32
    var upper: UInt32
}

/// A checked view of one received segment; `payload` points into the frame.
struct TCPSegment {
    static let headerByteCount = 20
    static let maxOptionByteCount = 40

    let sourcePort: UInt16
    let destinationPort: UInt16
    let sequence: UInt32
    let acknowledgement: UInt32
    let flags: TCPFlags
    /// As on the wire, not scaled.
    let window: UInt16
    let payload: UnsafeRawPointer
    let payloadByteCount: Int

    /// 0 if the option is absent.
    private(set) var maximumSegment: UInt16 = 0
    /// -1 if the option is absent.
    private(set) var windowScale: Int8 = -1
    private(set) var permitsSACK = false
    private(set) var hasTimestamps = false
    private(set) var timestamp: UInt32 = 0
    private(set) var timestampEcho: UInt32 = 0
    private(set) var sackCount = 0
    private var sack0 = SACKBlock(lower: 0, upper: 0)
    private var sack1 = SACKBlock(lower: 0, upper: 0)
    private var sack2 = SACKBlock(lower: 0, upper: 0)
    private var sack3 = SACKBlock(lower: 0, upper: 0)

    /// Sequence space that the segment takes.
    @inline(__always) var length: Int {
        payloadByteCount + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0)
    }

    /// Nil for what is cut off or has a wrong checksum. Options that do not parse end the options, as RFC 9293 3.1 has it.
    init?(_ base: UnsafeRawPointer, _ byteCount: Int, _ packet: IPv4Packet, checksumIsGood: Bool) {
        guard byteCount >= Self.headerByteCount else { return nil }
        let header = Int(base.load(fromByteOffset: 12, as: UInt8.self) >> 4) * 4
        guard header >= Self.headerByteCount, header <= byteCount else { return nil }
        if !checksumIsGood {
            let pseudo = Checksum.pseudoHeader(packet.source, packet.destination, IPProtocol.tcp, byteCount)
            if !Checksum.isGood(base, byteCount, pseudo) { return nil }
        }
        sourcePort = base.big(0, as: UInt16.self)
        destinationPort = base.big(2, as: UInt16.self)
        sequence = base.big(4, as: UInt32.self)
        acknowledgement = base.big(8, as: UInt32.self)
        flags = TCPFlags(base.load(fromByteOffset: 13, as: UInt8.self))
        window = base.big(14, as: UInt16.self)
        payload = base + header
        payloadByteCount = byteCount - header
        if header == 32 && base.big(20, as: UInt32.self) == 0x0101_080a {
            // What nearly every segment has: two no-operations and timestamps.
            hasTimestamps = true
            timestamp = base.big(24, as: UInt32.self)
            timestampEcho = base.big(28, as: UInt32.self)
        } else if header > Self.headerByteCount {
            parseOptions(base, header)
        }
    }

    private mutating func parseOptions(_ base: UnsafeRawPointer, _ end: Int) {
        var offset = Self.headerByteCount
        while offset < end {
            let kind = base.load(fromByteOffset: offset, as: UInt8.self)
            if kind == 0 { return }
            if kind == 1 {
                offset += 1
                continue
            }
            if offset + 1 >= end { return }
            let length = Int(base.load(fromByteOffset: offset + 1, as: UInt8.self))
            if length < 2 || offset + length > end { return }
            parseOption(base + offset, kind, length)
            offset += length
        }
    }

    private mutating func parseOption(_ option: UnsafeRawPointer, _ kind: UInt8, _ length: Int) {
        switch (kind, length) {
        case (2, 4): if flags.contains(.syn) { maximumSegment = option.big(2, as: UInt16.self) }
        case (3, 3):
            if flags.contains(.syn) { windowScale = Int8(min(option.load(fromByteOffset: 2, as: UInt8.self), 14)) }
        case (4, 2): if flags.contains(.syn) { permitsSACK = true }
        case (8, 10):
            hasTimestamps = true
            timestamp = option.big(2, as: UInt32.self)
            timestampEcho = option.big(6, as: UInt32.self)
        case (5, 10), (5, 18), (5, 26), (5, 34):
            sackCount = (length - 2) / 8
            for index in 0..<sackCount {
                let block = SACKBlock(
                    lower: option.big(2 + index * 8, as: UInt32.self), upper: option.big(6 + index * 8, as: UInt32.self)
                )
                switch index {
                case 0: sack0 = block
                case 1: sack1 = block
                case 2: sack2 = block
                default: sack3 = block
                }
            }
        default: break
        }
    }

    @inline(__always) func sack(_ index: Int) -> SACKBlock {
        switch index {
        case 0: sack0
        case 1: sack1
        case 2: sack2
        default: sack3
        }
    }
}
