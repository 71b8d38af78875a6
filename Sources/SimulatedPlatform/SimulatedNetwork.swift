// The wires between instances: a switch that delays, loses, doubles and reorders frames, and parts the instances from each other
// for a while; all of it decided by one seed, in virtual time.
//
// A machine attaches its network device when it starts, and what is under way to it when it loses its power is lost. Frames go
// to the device that their destination names, or to all others. The switch goes on when machines come and go.

import NetworkEngine
import Platform

package struct NetworkProfile: Sendable {
    /// The sessions come over the network.
    package var isThere = false
    /// Nanoseconds that a frame takes.
    package var delay: ClosedRange<Int> = 20_000...100_000
    /// Of a thousand frames: how many are lost, come twice, or come late by up to a hundred delays.
    package var lostPermille = 0
    package var doubledPermille = 0
    package var latePermille = 0
    /// Nanoseconds between two partitions, and how long one lasts; nil: there are none.
    package var partitionPause: ClosedRange<Int>?
    package var partitionTime: ClosedRange<Int> = 1_000_000...300_000_000
    package init() {}
}

package final class SimulatedNetwork {
    /// A place in the switch.
    package struct Port: Equatable, Sendable { fileprivate let number: Int }

    private struct Device {
        let macAddress: MACAddress
        /// What takes a frame; nil if nobody is attached any more.
        var receive: ((UnsafeRawBufferPointer, UInt64) -> Void)?
        /// Which part of the network it belongs to while that is parted.
        var side = 0
    }

    private struct Frame {
        let due: UInt64
        /// Of two that are due at once the first sent comes first.
        let number: UInt64
        let to: Int
        let bytes: [UInt8]
    }

    private let profile: NetworkProfile
    private var random: SimulationRandom
    private var devices: [Device] = []
    /// By the time they are due.
    private var frames: [Frame] = []
    private var frameNumber: UInt64 = 0
    private var isParted = false
    /// When the network is parted or whole again.
    private var nextChange: UInt64 = 0
    /// No frame is lost, late or doubled any more, and nobody is parted.
    package var isCalm = false
    package private(set) var sentCount = 0
    package private(set) var lostCount = 0
    package private(set) var doubledCount = 0
    package private(set) var lateCount = 0

    package init(_ profile: NetworkProfile, _ random: SimulationRandom) {
        self.profile = profile
        self.random = random
    }

    // MARK: Devices

    /// A device begins to hear. `receive` is called with a frame, valid during the call, and the time.
    package func attach(
        _ macAddress: MACAddress, _ receive: @escaping (UnsafeRawBufferPointer, UInt64) -> Void
    ) -> Port {
        let device = Device(macAddress: macAddress, receive: receive)
        if let known = devices.firstIndex(where: { $0.macAddress == macAddress }) {
            precondition(devices[known].receive == nil, "two devices have the same address")
            devices[known].receive = receive
            return Port(number: known)
        }
        devices.append(device)
        return Port(number: devices.count - 1)
    }

    /// It hears nothing any more; frames under way to it are lost.
    package func detach(_ port: Port) {
        devices[port.number].receive = nil
        frames.removeAll { $0.to == port.number }
    }

    // MARK: Frames

    /// Ethernet's: two addresses and a type.
    private static let headerByteCount = 14

    package func send(_ frame: UnsafeRawBufferPointer, from port: Port, now: UInt64) {
        guard let base = frame.baseAddress, frame.count >= Self.headerByteCount else { return }
        sentCount += 1
        changeParts(now)
        let destination = MACAddress.load(base)
        for index in devices.indices where index != port.number {
            if !destination.isGroup && destination != devices[index].macAddress { continue }
            if isParted && devices[index].side != devices[port.number].side || happens(profile.lostPermille) {
                lostCount += 1
                continue
            }
            launch(Array(frame), to: index, now)
            if happens(profile.doubledPermille) {
                doubledCount += 1
                launch(Array(frame), to: index, now)
            }
        }
    }

    private func happens(_ permille: Int) -> Bool { !isCalm && random.chance(permille: permille) }

    private func launch(_ bytes: [UInt8], to index: Int, _ now: UInt64) {
        var delay = random.next(in: profile.delay)
        if happens(profile.latePermille) {
            lateCount += 1
            delay *= 1 + random.next(below: 100)
        }
        frameNumber += 1
        let frame = Frame(due: now + UInt64(delay), number: frameNumber, to: index, bytes: bytes)
        var place = frames.count
        while place > 0 && frame.due < frames[place - 1].due { place -= 1 }
        frames.insert(frame, at: place)
    }

    /// Parts the network, or makes it whole, if it is time.
    private func changeParts(_ now: UInt64) {
        guard let pause = profile.partitionPause, !isCalm else { return isParted = false }
        if nextChange == 0 { nextChange = now + UInt64(random.next(in: pause)) }
        while now >= nextChange {
            isParted.toggle()
            nextChange += UInt64(random.next(in: isParted ? profile.partitionTime : pause))
            for index in devices.indices { devices[index].side = random.next(below: 2) }
        }
    }

    /// When the next frame arrives.
    package var nextDue: UInt64? { frames.first?.due }

    /// Hands over what has arrived by then.
    package func advance(to now: UInt64) {
        while let frame = frames.first, frame.due <= now {
            frames.removeFirst()
            frame.bytes.withUnsafeBytes { devices[frame.to].receive?($0, now) }
        }
    }
}
