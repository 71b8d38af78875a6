// IPv4 (RFC 791), ICMP (RFC 792) and UDP (RFC 768) headers.
//
//   IPv4: version|IHL 1 | DSCP|ECN 1 | total length 2 | identification 2 | flags|fragment offset 2
//         TTL 1 | protocol 1 | checksum 2 | source 4 | destination 4 | options
//
// What we send has no options, is never fragmented and says so (DF). What we receive may have options, which are skipped
// (source routes are refused); fragments are refused: no peer that honours our MSS sends any.

import Platform

enum IPProtocol {
    static let icmp: UInt8 = 1
    static let tcp: UInt8 = 6
    static let udp: UInt8 = 17
}

struct IPv4Packet {
    static let headerByteCount = 20
    static let timeToLive: UInt8 = 64

    let protocolNumber: UInt8
    let source: IPv4Address
    let destination: IPv4Address
    /// Header and options.
    let headerByteCount: Int
    /// Header and payload; what Ethernet padded is not counted.
    let totalByteCount: Int
    let isFragment: Bool

    /// Nil for what is not IPv4, is cut off, carries a source route, or has a wrong checksum.
    @inline(__always) init?(_ base: UnsafeRawPointer, _ byteCount: Int, checksumIsGood: Bool) {
        guard byteCount >= Self.headerByteCount else { return nil }
        let first = base.load(as: UInt8.self)
        let header = Int(first & 15) * 4
        let total = Int(base.big(2, as: UInt16.self))
        guard first >> 4 == 4, header >= Self.headerByteCount, total >= header, total <= byteCount else { return nil }
        if !checksumIsGood && !Checksum.isGood(base, header) { return nil }
        if header > Self.headerByteCount && Self.hasSourceRoute(base, header) { return nil }
        protocolNumber = base.load(fromByteOffset: 9, as: UInt8.self)
        source = IPv4Address(rawValue: base.big(12, as: UInt32.self))
        destination = IPv4Address(rawValue: base.big(16, as: UInt32.self))
        headerByteCount = header
        totalByteCount = total
        isFragment = base.big(6, as: UInt16.self) & 0x3fff != 0
    }

    /// Loose or strict source route (RFC 7126, section 4.3); also true for options that do not parse.
    private static func hasSourceRoute(_ base: UnsafeRawPointer, _ end: Int) -> Bool {
        var offset = headerByteCount
        while offset < end {
            let kind = base.load(fromByteOffset: offset, as: UInt8.self)
            if kind == 0 { return false }
            if kind == 1 {
                offset += 1
                continue
            }
            if kind == 131 || kind == 137 || offset + 1 >= end { return true }
            let length = Int(base.load(fromByteOffset: offset + 1, as: UInt8.self))
            if length < 2 || offset + length > end { return true }
            offset += length
        }
        return false
    }

    @inline(__always) static func store(
        _ base: UnsafeMutableRawPointer, protocolNumber: UInt8, source: IPv4Address, destination: IPv4Address,
        payloadByteCount: Int, identification: UInt16
    ) {
        base.setBig(0, UInt16(0x4500))
        base.setBig(2, UInt16(truncatingIfNeeded: headerByteCount + payloadByteCount))
        base.setBig(4, identification)
        base.setBig(6, UInt16(0x4000))
        base.setBig(8, UInt16(timeToLive) << 8 | UInt16(protocolNumber))
        base.setBig(10, UInt16(0))
        base.setBig(12, source.rawValue)
        base.setBig(16, destination.rawValue)
        Checksum.store(base, headerByteCount, at: 10)
    }
}

enum ICMP {
    static let headerByteCount = 8
    static let echoReply: UInt8 = 0
    static let unreachable: UInt8 = 3
    static let echoRequest: UInt8 = 8

    static let portUnreachable: UInt8 = 3
    static let fragmentationNeeded: UInt8 = 4
}

struct UDPDatagram {
    static let headerByteCount = 8

    let source: UInt16
    let destination: UInt16
    let payload: UnsafeRawPointer
    let payloadByteCount: Int

    /// Nil for what is cut off or has a wrong checksum; no checksum is allowed.
    init?(_ base: UnsafeRawPointer, _ byteCount: Int, _ packet: IPv4Packet, checksumIsGood: Bool) {
        guard byteCount >= Self.headerByteCount else { return nil }
        let length = Int(base.big(4, as: UInt16.self))
        guard length >= Self.headerByteCount, length <= byteCount else { return nil }
        if !checksumIsGood && base.big(6, as: UInt16.self) != 0 {
            let pseudo = Checksum.pseudoHeader(packet.source, packet.destination, IPProtocol.udp, length)
            if !Checksum.isGood(base, length, pseudo) { return nil }
        }
        source = base.big(0, as: UInt16.self)
        destination = base.big(2, as: UInt16.self)
        payload = base + Self.headerByteCount
        payloadByteCount = length - Self.headerByteCount
    }

    /// The payload is in place behind `base + 8`.
    static func store(
        _ base: UnsafeMutableRawPointer, source: IPv4Endpoint, destination: IPv4Endpoint, payloadByteCount: Int
    ) {
        let length = headerByteCount + payloadByteCount
        base.setBig(0, source.port)
        base.setBig(2, destination.port)
        base.setBig(4, UInt16(truncatingIfNeeded: length))
        base.setBig(6, UInt16(0))
        let pseudo = Checksum.pseudoHeader(source.address, destination.address, IPProtocol.udp, length)
        let sum = ~Checksum.fold(Checksum.sum(base, length, pseudo))
        base.storeBytes(of: sum == 0 ? 0xffff : sum, toByteOffset: 6, as: UInt16.self)
    }
}
