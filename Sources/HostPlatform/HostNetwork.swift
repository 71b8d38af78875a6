// The engine's own network stack on Linux, over a TAP device: Linux's stack is the peer at the other end. Core 0 owns the stack
// and does its work in poll and park; the others' requests reach it through StreamService.
//
// Invariant: while `isReadable` is false, the ring of core 0 watches the device, so no frame is waited for in vain.

import CLinux
import NetworkEngine
import Platform

/// `tap:NAME[,ip=ADDRESS/LENGTH][,gateway=ADDRESS]`; without `ip`, DHCP.
package struct TapOptions: Sendable {
    package var name = ""
    package var address = ""
    package var gateway = ""

    /// Nil if the text is nothing of the kind.
    package init?(_ text: String) {
        var parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard parts[0].hasPrefix("tap:") else { return nil }
        name = String(parts.removeFirst().dropFirst(4))
        for part in parts {
            if part.hasPrefix("ip=") {
                address = String(part.dropFirst(3))
            } else if part.hasPrefix("gateway=") {
                gateway = String(part.dropFirst(8))
            } else {
                return nil
            }
        }
        if name.isEmpty || (address.isEmpty && !gateway.isEmpty) { return nil }
    }
}

final class HostNetwork {
    static let owner: CoreIndex = 0

    let stack: NetworkStack
    let service: StreamService
    private let tap: Int32
    private let memory: UnsafeMutableRawPointer
    private let memoryByteCount: Int
    private let frame: UnsafeMutableRawPointer
    private let frameCapacity: Int
    /// Its address is the tag of the watch on the device.
    private let watch: UnsafeMutablePointer<UInt64>
    private var isWatched = false
    private var isReadable = false
    private var knownAddress = IPv4Address.any

    /// Frames taken from the device before others get their turn.
    private static let batch = 128

    /// 22023 for an address that is none, 58030 if the device cannot be had.
    init(_ options: TapOptions, coreCount: Int) throws(EngineError) {
        var mtu: Int32 = 0
        tap = dbk_tap_open(options.name, &mtu)
        if tap < 0 {
            throw EngineError(
                .ioError,
                "could not open TAP device \"\(options.name)\": \(String(cString: dbk_error_text(-tap)))",
                severity: .fatal, hint: "It takes /dev/net/tun and the right to configure networks (CAP_NET_ADMIN).")
        }
        var secret: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &secret) { dbk_entropy($0.baseAddress, $0.count) }
        // Locally administered, and the same at every start, so that neighbours need not learn anew.
        var mac: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in options.name.utf8 { mac = (mac ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var configuration = NetworkConfiguration(
            macAddress: MACAddress(rawValue: 0x0200_0000_0000 | mac & 0xff_ffff_ffff), secret: secret)
        configuration.byteCountOfPacket = min(max(Int(mtu), 576), 9000)
        configuration.coreCount = coreCount
        configuration.bufferByteCount = 64 << 20
        configuration.maxWindowByteCount = 4 << 20
        configuration.transmitFrameCount = 1024
        let text = options.gateway.isEmpty ? options.address : "\(options.address),\(options.gateway)"
        if !options.address.isEmpty && !configuration.setAddress([UInt8](text.utf8)) {
            dbk_close(tap)
            throw EngineError(
                .invalidParameterValue, "invalid network address \"\(text)\"",
                hint: "Write ip=A.B.C.D/LENGTH,gateway=A.B.C.D.")
        }
        memoryByteCount = NetworkStack.byteCount(configuration)
        guard let memory = dbk_map(memoryByteCount, 0, 0) else {
            dbk_close(tap)
            throw EngineError(.outOfMemory, "no memory for the network's buffers", severity: .fatal)
        }
        self.memory = memory
        stack = NetworkStack(configuration, memory: memory, now: Nanoseconds(dbk_monotonic()))
        service = StreamService(stack: stack, owner: Self.owner)
        frameCapacity = 14 + 9000 + 64
        frame = .allocate(byteCount: frameCapacity, alignment: 64)
        watch = .allocate(capacity: 1)
    }

    deinit {
        frame.deallocate()
        watch.deallocate()
        dbk_unmap(memory, memoryByteCount)
        dbk_close(tap)
    }

    var tag: UInt64 { UInt64(UInt(bitPattern: watch)) }

    /// The device has frames.
    func becameReadable() {
        isWatched = false
        isReadable = true
    }

    /// A worker begins: its ring watches nothing yet.
    func forgetWatch() {
        isWatched = false
        isReadable = true
    }

    /// Takes what has come in, does what is asked for and due, sends what there is. On the owner, with its ring.
    func drive(_ ring: OpaquePointer?, wake: (CoreIndex) -> Void, log: (String) -> Void) {
        let now = Nanoseconds(dbk_monotonic())
        if isReadable { takeFrames(now) }
        service.drive(now: now)
        sendFrames()
        while case let core = stack.takeCoreToWake(), core >= 0 {
            if core != Self.owner { wake(core) }
        }
        if !isReadable && !isWatched { isWatched = dbk_ring_poll_fd(ring, tap, tag) != 0 }
        if stack.address != knownAddress {
            knownAddress = stack.address
            log("network: \(stack.isConfigured ? "\(stack.address.text)/\(stack.prefixLength)" : "no address")")
        }
    }

    private func takeFrames(_ now: Nanoseconds) {
        for _ in 0..<Self.batch {
            let count = dbk_tap_read(tap, frame, frameCapacity)
            if count <= 0 {
                isReadable = false
                return
            }
            // What Linux has sent over a TAP device without offloads is complete.
            stack.receive(frame, count, checksumIsGood: false, now: now)
        }
    }

    private func sendFrames() {
        var count = 0
        while let frame = stack.nextTransmit() {
            count += 1
            // A device that is down or full loses frames, as devices do.
            _ = dbk_tap_write(tap, frame.base, frame.byteCount)
        }
        if count > 0 { stack.transmitDone(count) }
    }

    /// True if the owner must not sleep.
    var hasWork: Bool { isReadable || !isWatched || service.hasWork || stack.hasCompletions(Self.owner) }
}
