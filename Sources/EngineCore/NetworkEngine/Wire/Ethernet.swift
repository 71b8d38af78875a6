// Ethernet II (IEEE 802.3, clause 3) and ARP for IPv4 over it (RFC 826).
//
//   Ethernet: destination 6 | source 6 | type 2 | payload
//   ARP: hardware type 2 | protocol type 2 | lengths 1 1 | operation 2 | sender MAC 6, IP 4 | target MAC 6, IP 4

import Platform

enum EtherType {
    static let ipv4: UInt16 = 0x0800
    static let arp: UInt16 = 0x0806
}

enum Ethernet {
    static let headerByteCount = 14

    @inline(__always) static func store(
        _ base: UnsafeMutableRawPointer, destination: MACAddress, source: MACAddress, type: UInt16
    ) {
        destination.store(base)
        source.store(base + 6)
        base.setBig(12, type)
    }
}

/// A checked view: 28 bytes that are ARP for IPv4 over Ethernet.
struct ARPPacket {
    static let byteCount = 28
    static let request: UInt16 = 1
    static let reply: UInt16 = 2

    let operation: UInt16
    let senderMAC: MACAddress
    let sender: IPv4Address
    let target: IPv4Address

    init?(_ base: UnsafeRawPointer, _ byteCount: Int) {
        guard byteCount >= Self.byteCount, base.big(0, as: UInt32.self) == 0x0001_0800,
            base.big(4, as: UInt16.self) == 0x0604
        else { return nil }
        operation = base.big(6, as: UInt16.self)
        senderMAC = MACAddress.load(base + 8)
        sender = IPv4Address(rawValue: base.big(14, as: UInt32.self))
        target = IPv4Address(rawValue: base.big(24, as: UInt32.self))
    }

    static func store(
        _ base: UnsafeMutableRawPointer, operation: UInt16, senderMAC: MACAddress, sender: IPv4Address,
        targetMAC: MACAddress, target: IPv4Address
    ) {
        base.setBig(0, UInt32(0x0001_0800))
        base.setBig(4, UInt16(0x0604))
        base.setBig(6, operation)
        senderMAC.store(base + 8)
        base.setBig(14, sender.rawValue)
        targetMAC.store(base + 18)
        base.setBig(24, target.rawValue)
    }
}
