// DHCP client (RFC 2131, 2132): finds address, network and gateway, and keeps the lease.
//
//   op 1 | htype 1 | hlen 1 | hops 1 | xid 4 | secs 2 | flags 2 | ciaddr 4 | yiaddr 4 | siaddr 4 | giaddr 4 | chaddr 16
//   sname 64 | file 128 | cookie 4 | options

import Platform

enum DHCPState: UInt8, BitwiseCopyable {
    /// A static address was given.
    case off
    case selecting
    case requesting
    case bound
    case renewing
    case rebinding
}

struct DHCPClient: BitwiseCopyable {
    static let clientPort: UInt16 = 68
    static let serverPort: UInt16 = 67
    static let fixedByteCount = 240
    static let cookie: UInt32 = 0x6382_5363

    static let discover: UInt8 = 1
    static let offer: UInt8 = 2
    static let request: UInt8 = 3
    static let acknowledge: UInt8 = 5
    static let refuse: UInt8 = 6

    var state = DHCPState.off
    var transaction: UInt32 = 0
    var deadline = Nanoseconds.never
    var tries = 0
    var offered = IPv4Address.any
    var server = IPv4Address.any
    var renewAt = Nanoseconds.never
    var rebindAt = Nanoseconds.never
    var expiresAt = Nanoseconds.never
}

/// The options of a server's answer that we use; zero if absent.
private struct DHCPOptions {
    var message: UInt8 = 0
    var mask: UInt32 = 0
    var router = IPv4Address.any
    var server = IPv4Address.any
    var lease: UInt32 = 0

    init(_ base: UnsafeRawPointer, _ byteCount: Int) {
        var offset = DHCPClient.fixedByteCount
        while offset < byteCount {
            let kind = base.load(fromByteOffset: offset, as: UInt8.self)
            if kind == 255 { return }
            if kind == 0 {
                offset += 1
                continue
            }
            if offset + 1 >= byteCount { return }
            let length = Int(base.load(fromByteOffset: offset + 1, as: UInt8.self))
            if offset + 2 + length > byteCount { return }
            let value = base + offset + 2
            switch kind {
            case 53 where length == 1: message = value.load(as: UInt8.self)
            case 1 where length == 4: mask = value.big(0, as: UInt32.self)
            case 3 where length >= 4: router = IPv4Address(rawValue: value.big(0, as: UInt32.self))
            case 54 where length == 4: server = IPv4Address(rawValue: value.big(0, as: UInt32.self))
            case 51 where length == 4: lease = value.big(0, as: UInt32.self)
            default: break
            }
            offset += 2 + length
        }
    }
}

extension NetworkStack {
    /// True once there is an address, given or leased.
    package var isConfigured: Bool { address != .any }

    func startDHCP() {
        dhcp.state = .selecting
        dhcp.tries = 0
        dhcp.transaction = UInt32(truncatingIfNeeded: sequenceKey.hash(5, clock.rawValue))
        dhcp.deadline = clock
    }

    func expireDHCP() {
        dhcp.deadline = .never
        switch dhcp.state {
        case .off: return
        case .selecting: sendDHCP(DHCPClient.discover)
        case .requesting:
            if dhcp.tries >= 4 { return startDHCP() }
            sendDHCP(DHCPClient.request)
        case .bound, .renewing, .rebinding:
            if !(clock < dhcp.expiresAt) {
                // The lease is over: the address is not ours any more.
                loseAddress()
                return startDHCP()
            }
            let next = clock < dhcp.rebindAt ? DHCPState.renewing : .rebinding
            if next != dhcp.state { dhcp.tries = 0 }
            dhcp.state = next
            sendDHCP(DHCPClient.request)
        }
        dhcp.tries += 1
        let now = clock
        switch dhcp.state {
        case .renewing: dhcp.deadline = halfWay(now, dhcp.rebindAt)
        case .rebinding: dhcp.deadline = halfWay(now, dhcp.expiresAt)
        // 1, 2, 4 … 64 s, where RFC 2131 section 4.1 begins with 4: a machine that boots in milliseconds shall not wait.
        default: dhcp.deadline = now + .seconds(1 << UInt64(min(dhcp.tries - 1, 6)))
        }
    }

    /// Half of what is left, at least a minute, at most all (RFC 2131, section 4.4.5).
    private func halfWay(_ now: Nanoseconds, _ end: Nanoseconds) -> Nanoseconds {
        let left = (end - now).rawValue
        return now + Nanoseconds(min(max(left / 2, 60_000_000_000), max(left, 1)))
    }

    private func loseAddress() {
        for index in 0..<configuration.connectionLimit
        where connections[index].state != .closed && connections[index].local.address == address {
            release(connections + index, failure: -NetworkErrno.hostUnreachable)
        }
        address = .any
        gateway = .any
    }

    private func sendDHCP(_ message: UInt8) {
        // Renewing goes to the server itself, if its link address is known; everything else to all.
        var destination = IPv4Address.broadcast
        var mac = MACAddress.broadcast
        if dhcp.state == .renewing, let known = linkAddress(of: isNear(dhcp.server) ? dhcp.server : gateway) {
            destination = dhcp.server
            mac = known
        }
        guard let frame = transmit.next else { return }
        Ethernet.store(frame, destination: mac, source: configuration.macAddress, type: EtherType.ipv4)
        let udp = frame + Ethernet.headerByteCount + IPv4Packet.headerByteCount
        let payload = udp + UDPDatagram.headerByteCount
        let byteCount = storeDHCP(payload, message)
        let source = hasLease ? address : IPv4Address.any
        UDPDatagram.store(
            udp, source: IPv4Endpoint(source, DHCPClient.clientPort),
            destination: IPv4Endpoint(destination, DHCPClient.serverPort), payloadByteCount: byteCount)
        finishIPv4(
            frame, IPProtocol.udp, source, destination, UDPDatagram.headerByteCount + byteCount, needsChecksum: false)
    }

    private var hasLease: Bool { dhcp.state == .bound || dhcp.state == .renewing || dhcp.state == .rebinding }

    private func isNear(_ candidate: IPv4Address) -> Bool {
        (candidate.rawValue ^ address.rawValue) & networkMask == 0
    }

    private func storeDHCP(_ base: UnsafeMutableRawPointer, _ message: UInt8) -> Int {
        base.initializeMemory(as: UInt8.self, repeating: 0, count: 300)
        base.setBig(0, UInt32(0x0101_0600))
        base.setBig(4, dhcp.transaction)
        if hasLease {
            base.setBig(12, address.rawValue)
        } else {
            // We cannot take unicast before we have an address.
            base.setBig(10, UInt16(0x8000))
        }
        configuration.macAddress.store(base + 28)
        base.setBig(236, DHCPClient.cookie)
        var offset = DHCPClient.fixedByteCount
        func option(_ kind: UInt8, _ value: UInt32) {
            base.storeBytes(of: kind, toByteOffset: offset, as: UInt8.self)
            base.storeBytes(of: 4, toByteOffset: offset + 1, as: UInt8.self)
            base.setBig(offset + 2, value)
            offset += 6
        }
        base.setBig(offset, UInt16(0x3501))
        base.storeBytes(of: message, toByteOffset: offset + 2, as: UInt8.self)
        offset += 3
        if message == DHCPClient.request && dhcp.state == .requesting {
            option(50, dhcp.offered.rawValue)
            option(54, dhcp.server.rawValue)
        }
        // We want mask, router and lease time.
        base.setBig(offset, UInt32(0x3703_0103))
        base.storeBytes(of: 51, toByteOffset: offset + 4, as: UInt8.self)
        base.storeBytes(of: 255, toByteOffset: offset + 5, as: UInt8.self)
        return 300
    }

    func receiveDHCP(_ base: UnsafeRawPointer, _ byteCount: Int) {
        guard byteCount >= DHCPClient.fixedByteCount, dhcp.state != .off, base.load(as: UInt8.self) == 2,
            base.big(4, as: UInt32.self) == dhcp.transaction, MACAddress.load(base + 28) == configuration.macAddress,
            base.big(236, as: UInt32.self) == DHCPClient.cookie
        else { return }
        let options = DHCPOptions(base, byteCount)
        let yours = IPv4Address(rawValue: base.big(16, as: UInt32.self))
        switch (dhcp.state, options.message) {
        case (.selecting, DHCPClient.offer):
            guard !yours.isNoHost, !yours.isLoopback, options.server != .any else { return }
            dhcp.offered = yours
            dhcp.server = options.server
            dhcp.state = .requesting
            dhcp.tries = 0
            dhcp.deadline = clock
        case (.requesting, DHCPClient.acknowledge), (.renewing, DHCPClient.acknowledge),
            (.rebinding, DHCPClient.acknowledge):
            bind(yours, options)
        case (.requesting, DHCPClient.refuse), (.renewing, DHCPClient.refuse), (.rebinding, DHCPClient.refuse):
            if hasLease { loseAddress() }
            startDHCP()
        default: break
        }
    }

    private func bind(_ yours: IPv4Address, _ options: DHCPOptions) {
        // A mask that is none, or an address that is none, is no answer.
        let inverted = ~options.mask
        guard !yours.isNoHost, !yours.isLoopback, options.lease > 0, inverted & (inverted &+ 1) == 0 else { return }
        if hasLease && yours != address { loseAddress() }
        address = yours
        prefixLength = options.mask == 0 ? 24 : options.mask.nonzeroBitCount
        gateway = options.router
        let lease = UInt64(max(options.lease, 60)) * 1_000_000_000
        dhcp.state = .bound
        dhcp.tries = 0
        dhcp.renewAt = clock + Nanoseconds(lease / 2)
        dhcp.rebindAt = clock + Nanoseconds(lease / 8 * 7)
        // All ones: for ever.
        dhcp.expiresAt = options.lease == UInt32.max ? .never : clock + Nanoseconds(lease)
        dhcp.deadline = options.lease == UInt32.max ? .never : dhcp.renewAt
    }
}
