// Link addresses of neighbours (RFC 826, 1122 section 2.3.2). A small table that only learns what it asked for, or what a
// neighbour tells when it asks for us; an entry that is in use is not overwritten by claims nobody asked for.

import Platform

struct ARPEntry: BitwiseCopyable {
    var address = IPv4Address.any
    var mac = MACAddress.none
    var state = ARPState.free
    /// Requests sent without an answer.
    var tries: UInt8 = 0
    /// When to ask again, or when what is known is too old to be believed without asking.
    var deadline = Nanoseconds.never
    var lastUse = Nanoseconds(0)
}

enum ARPState: UInt8, BitwiseCopyable {
    case free
    /// Asked for, not known.
    case asking
    case known
    /// Known, and asked for again since it is old; still used.
    case refreshing
}

struct ARPTable {
    static let capacity = 128
    static let lifetime = Nanoseconds.seconds(60)
    static let tryLimit: UInt8 = 3

    let entries: UnsafeMutablePointer<ARPEntry>
    /// The earliest entry's, or earlier.
    var deadline = Nanoseconds.never
    /// Where the last look-up ended: most go to the same neighbour.
    var recent = 0

    init(_ entries: UnsafeMutablePointer<ARPEntry>, isCounting: Bool) {
        self.entries = entries
        if !isCounting { entries.initialize(repeating: ARPEntry(), count: Self.capacity) }
    }

    @inline(__always) mutating func find(_ address: IPv4Address) -> Int {
        if entries[recent].address == address && entries[recent].state != .free { return recent }
        for index in 0..<Self.capacity where entries[index].address == address && entries[index].state != .free {
            recent = index
            return index
        }
        return -1
    }

    /// A place for a new entry: a free one, or that of the one not used for longest.
    func place() -> Int {
        var oldest = 0
        for index in 0..<Self.capacity {
            if entries[index].state == .free { return index }
            if entries[index].lastUse < entries[oldest].lastUse { oldest = index }
        }
        return oldest
    }
}

extension NetworkStack {
    /// Nil if it is not known; then it is asked for.
    func linkAddress(of neighbour: IPv4Address) -> MACAddress? {
        let index = arp.find(neighbour)
        if index >= 0 {
            let entry = arp.entries + index
            entry.pointee.lastUse = clock
            switch entry.pointee.state {
            case .asking, .free: return nil
            case .refreshing: return entry.pointee.mac
            case .known:
                if !(clock < entry.pointee.deadline) {
                    entry.pointee.state = .refreshing
                    ask(entry)
                }
                return entry.pointee.mac
            }
        }
        let place = arp.entries + arp.place()
        place.pointee = ARPEntry()
        place.pointee.address = neighbour
        place.pointee.state = .asking
        place.pointee.lastUse = clock
        ask(place)
        return nil
    }

    private func ask(_ entry: UnsafeMutablePointer<ARPEntry>) {
        entry.pointee.tries += 1
        entry.pointee.deadline = clock + .seconds(1)
        if entry.pointee.deadline < arp.deadline { arp.deadline = entry.pointee.deadline }
        // A neighbour that was known is asked itself (RFC 1122, section 2.3.2.1).
        let target = entry.pointee.state == .refreshing ? entry.pointee.mac : .broadcast
        sendARP(ARPPacket.request, to: target, targetMAC: .none, target: entry.pointee.address)
    }

    private func sendARP(_ operation: UInt16, to destination: MACAddress, targetMAC: MACAddress, target: IPv4Address) {
        guard let frame = transmit.next else { return }
        Ethernet.store(frame, destination: destination, source: configuration.macAddress, type: EtherType.arp)
        ARPPacket.store(
            frame + Ethernet.headerByteCount, operation: operation, senderMAC: configuration.macAddress,
            sender: address,
            targetMAC: targetMAC, target: target)
        // Ethernet's least frame, which not every device pads to.
        let byteCount = Ethernet.headerByteCount + ARPPacket.byteCount
        (frame + byteCount).initializeMemory(as: UInt8.self, repeating: 0, count: 60 - byteCount)
        transmit.commit(byteCount: 60, needsChecksum: false)
    }

    func receiveARP(_ base: UnsafeRawPointer, _ byteCount: Int) {
        guard let packet = ARPPacket(base, byteCount), address != .any else {
            statistics.droppedFrames &+= 1
            return
        }
        guard !packet.senderMAC.isGroup, packet.senderMAC != .none, packet.sender != address,
            (packet.sender.rawValue ^ address.rawValue) & networkMask == 0
        else {
            // Someone claims our address, or one that is not of this network.
            statistics.refusedARP &+= 1
            return
        }
        let index = arp.find(packet.sender)
        if index >= 0 {
            learn(arp.entries + index, packet)
        } else if packet.operation == ARPPacket.request && packet.target == address {
            // Who asks for us is about to speak to us.
            let place = arp.entries + arp.place()
            place.pointee = ARPEntry()
            place.pointee.address = packet.sender
            place.pointee.lastUse = clock
            place.pointee.state = .asking
            learn(place, packet)
        } else if packet.operation == ARPPacket.reply {
            statistics.refusedARP &+= 1
        }
        if packet.operation == ARPPacket.request && packet.target == address {
            sendARP(ARPPacket.reply, to: packet.senderMAC, targetMAC: packet.senderMAC, target: packet.sender)
        }
    }

    private func learn(_ entry: UnsafeMutablePointer<ARPEntry>, _ packet: ARPPacket) {
        switch entry.pointee.state {
        case .asking, .refreshing: break
        case .known:
            if entry.pointee.mac != packet.senderMAC {
                // Nobody asked: it may be a forgery. The entry is asked for again when it is old.
                statistics.refusedARP &+= 1
                return
            }
        case .free: return
        }
        let wasUnknown = entry.pointee.state == .asking
        entry.pointee.mac = packet.senderMAC
        entry.pointee.state = .known
        entry.pointee.tries = 0
        entry.pointee.deadline = clock + ARPTable.lifetime
        if wasUnknown { wakeWaiting() }
    }

    /// Connections that waited for a link address try again.
    private func wakeWaiting() {
        for index in 0..<configuration.connectionLimit where connections[index].waitsForARP {
            connections[index].waitsForARP = false
            markDirty(connections + index)
        }
    }

    func expireARP() {
        var next = Nanoseconds.never
        for index in 0..<ARPTable.capacity {
            let entry = arp.entries + index
            guard entry.pointee.state == .asking || entry.pointee.state == .refreshing else { continue }
            if !(clock < entry.pointee.deadline) {
                if entry.pointee.tries >= ARPTable.tryLimit {
                    // Not there (any more). Whoever sends to it asks anew.
                    entry.pointee.state = .free
                    continue
                }
                ask(entry)
            }
            if entry.pointee.deadline < next { next = entry.pointee.deadline }
        }
        arp.deadline = next
    }
}
