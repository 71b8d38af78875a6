// NetworkEngine over the machine's network device. Core 0 owns stack and device and does their work in poll and park; the
// others' requests reach it through StreamService. Without a device there is still the way to ourselves (127.0.0.1).

import CMetal
import NetworkEngine
import Platform

final class MetalNetwork {
    static let owner: CoreIndex = 0

    let stack: NetworkStack
    let service: StreamService
    private let device: VirtioNet?
    private let clock: Clock
    private var knownAddress = IPv4Address.any
    /// Frames taken from the device before others get their turn.
    private static let batch = 128

    /// `address` is the command line's `ip=`, nil for DHCP. 22023 for an address that is none, 53200 without memory.
    init(
        device: VirtioNet?, address: [UInt8]?, coreCount: Int, clock: Clock, frames: UnsafeMutablePointer<Frames>
    ) throws(EngineError) {
        self.device = device
        self.clock = clock
        var secret: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &secret) { Entropy.fill($0) }
        var configuration = NetworkConfiguration(
            macAddress: device?.macAddress ?? MACAddress(rawValue: 0x0200_0000_0001), secret: secret)
        configuration.coreCount = coreCount
        if let device {
            configuration.byteCountOfPacket = device.byteCountOfPacket
            configuration.deviceFillsChecksums = device.fillsChecksums
        }
        // A sixteenth of memory, from 2 to 64 MiB.
        let memory = frames.pointee.totalFrameCount * pageSize
        configuration.bufferByteCount = min(max(memory / 16, 2 << 20), 64 << 20)
        configuration.maxWindowByteCount = min(2 << 20, configuration.bufferByteCount / 8)
        configuration.connectionLimit = min(1024, configuration.bufferByteCount / (32 << 10))
        let text = device == nil ? [UInt8]("127.0.0.1/8".utf8) : address
        if let text, !configuration.setAddress(text) {
            throw EngineError(
                .invalidParameterValue, "invalid network address \"\(String(decoding: text, as: UTF8.self))\"",
                severity: .fatal, hint: "Write ip=A.B.C.D/LENGTH,GATEWAY.")
        }
        let byteCount = NetworkStack.byteCount(configuration)
        guard let base = frames.pointee.allocateRun((byteCount + pageSize - 1) / pageSize) else {
            throw EngineError(.outOfMemory, "out of memory for the network's buffers", severity: .fatal)
        }
        stack = NetworkStack(
            configuration, memory: UnsafeMutableRawPointer(bitPattern: base).unsafelyUnwrapped, now: clock.now)
        service = StreamService(stack: stack, owner: Self.owner)
    }

    /// Takes what has come in, does what is asked for and due, sends what there is. On the owner.
    func drive(wake: (CoreIndex) -> Void, log: (String) -> Void) {
        let now = clock.now
        device?.receive(into: stack, limit: Self.batch, now: now)
        service.drive(now: now)
        if let device {
            device.transmit(from: stack)
        } else {
            // Nobody is there to take them.
            var count = 0
            while stack.nextTransmit() != nil { count += 1 }
            stack.transmitDone(count)
        }
        while case let core = stack.takeCoreToWake(), core >= 0 {
            if core != Self.owner { wake(core) }
        }
        if stack.address != knownAddress {
            knownAddress = stack.address
            if device != nil {
                log("network: \(stack.isConfigured ? "\(stack.address.text)/\(stack.prefixLength)" : "no address")")
            }
        }
    }

    /// True if the owner must not sleep.
    var hasWork: Bool {
        if service.hasWork || stack.hasCompletions(Self.owner) { return true }
        return device.map { $0.hasFrames || $0.canGoOn(stack) } ?? false
    }

    /// Until when the owner may sleep.
    var deadline: Nanoseconds {
        let own = stack.nextDeadline
        guard let device, !device.canInterrupt else { return own }
        return min(own, clock.now + .milliseconds(1))
    }

    /// For the shell.
    func describe() -> [String] {
        let counts = stack.statistics
        var lines = [
            stack.isConfigured
                ? "address \(stack.address.text)/\(stack.prefixLength), gateway \(stack.gateway.text)"
                : "no address yet",
            "frames \(counts.receivedFrames) in, \(counts.sentFrames) out, \(counts.droppedFrames) dropped",
            "TCP \(counts.bytesIn) bytes in, \(counts.bytesOut) out; \(counts.retransmittedSegments) segments sent again, "
                + "\(counts.timeouts) timeouts, \(counts.resetsIn) resets in, \(counts.resetsOut) out",
            "buffers \(stack.bufferByteCountInUse >> 10) of \(stack.bufferByteCount >> 10) KiB in use",
        ]
        for connection in stack.connectionInfo().prefix(32) {
            lines.append(
                "\(connection.local.text) - \(connection.remote.text) \(connection.state), round trip "
                    + "\(connection.roundTrip / 1000) us, \(connection.unsent) unsent, \(connection.unread) unread")
        }
        return lines
    }

    func arm() { device?.arm(stack) }
    func disarm() { device?.disarm() }
}
