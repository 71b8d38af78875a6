// A virtio network device (Virtual I/O Device 1.2, section 5.1): one pair of queues, both core 0's. Received frames are parsed
// where the device has put them; sent ones are described where the stack has built them, with the device's header in the room
// that the stack leaves in front.

import CMetal
import NetworkEngine
import Platform

final class VirtioNet {
    private enum Feature {
        static let checksum: UInt64 = 1 << 0
        static let guestChecksum: UInt64 = 1 << 1
        static let mtu: UInt64 = 1 << 3
        static let mac: UInt64 = 1 << 5
    }
    private static let headerByteCount = 12
    private static let needsChecksum: UInt8 = 1
    private static let checksumIsGood: UInt8 = 2
    private static let bufferByteCount = 2048

    private let transport: VirtioTransport
    private var receiveQueue: VirtioQueue
    private var transmitQueue: VirtioQueue
    private let buffers: UInt
    let macAddress: MACAddress
    let byteCountOfPacket: Int
    let fillsChecksums: Bool

    /// Errors: 58030 with what the device lacks, 53200 without memory.
    init(_ function: PCIFunction, apicID: UInt32, frames: UnsafeMutablePointer<Frames>) throws(EngineError) {
        guard let transport = VirtioTransport(function) else { throw Self.refusal("it is no modern virtio device") }
        self.transport = transport
        guard transport.negotiate(Feature.checksum | Feature.guestChecksum | Feature.mtu | Feature.mac),
            transport.has(Feature.mac)
        else {
            transport.fail()
            throw Self.refusal("it does not agree to virtio 1.0 with a MAC address")
        }
        var mac: UInt64 = 0
        for byte in 0..<6 { mac = mac << 8 | UInt64(dbk_read8(transport.configuration + UInt(byte))) }
        macAddress = MACAddress(rawValue: mac)
        // Larger packets would need larger buffers.
        let mtu = transport.has(Feature.mtu) ? Int(dbk_read16(transport.configuration + 10)) : 1500
        byteCountOfPacket = min(max(mtu, 576), 1500)
        fillsChecksums = transport.has(Feature.checksum)
        guard
            let receiveQueue = transport.makeQueue(0, limit: 256, vector: 0, apicID: apicID, frames: frames),
            let transmitQueue = transport.makeQueue(1, limit: 512, vector: 1, apicID: apicID, frames: frames),
            let buffers = frames.pointee.allocateRun(receiveQueue.count * Self.bufferByteCount / pageSize)
        else { throw EngineError(.outOfMemory, "out of memory for the network device's queues", severity: .fatal) }
        self.buffers = buffers
        self.receiveQueue = receiveQueue
        self.transmitQueue = transmitQueue
        transport.start()
        for number in 0..<self.receiveQueue.count { give(number) }
        self.receiveQueue.publish()
    }

    private static func refusal(_ why: String) -> EngineError {
        EngineError(.ioError, "cannot use the network device: \(why)")
    }

    /// Buffer and descriptor go together: the number that was freed last is pushed next.
    private func give(_ number: Int) {
        precondition(receiveQueue.nextNumber == number || receiveQueue.inFlightCount < receiveQueue.count)
        let next = receiveQueue.nextNumber
        receiveQueue.push(
            buffers + UInt(next * Self.bufferByteCount), byteCount: Self.bufferByteCount, flags: VirtioQueue.write)
    }

    // MARK: Frames

    /// Gives the stack what has come in, `limit` frames at most.
    func receive(into stack: NetworkStack, limit: Int, now: Nanoseconds) {
        for _ in 0..<limit {
            guard let (number, byteCount) = receiveQueue.takeUsed() else { break }
            let base = buffers + UInt(number * Self.bufferByteCount)
            let memory = UnsafeRawPointer(bitPattern: base).unsafelyUnwrapped
            if byteCount > Self.headerByteCount && byteCount <= Self.bufferByteCount {
                let flags = memory.load(as: UInt8.self)
                stack.receive(
                    memory + Self.headerByteCount, byteCount - Self.headerByteCount,
                    checksumIsGood: flags & (Self.needsChecksum | Self.checksumIsGood) != 0, now: now)
            }
            give(number)
        }
        receiveQueue.publish()
    }

    /// Takes back what was sent, then sends what the stack has, with one notification.
    func transmit(from stack: NetworkStack) {
        var done = 0
        while transmitQueue.takeUsed() != nil { done += 1 }
        if done > 0 { stack.transmitDone(done) }
        while transmitQueue.freeCount > 0, let frame = stack.nextTransmit() {
            let header = frame.base - Self.headerByteCount
            header.initializeMemory(as: UInt8.self, repeating: 0, count: Self.headerByteCount)
            if frame.needsChecksum {
                header.storeBytes(of: Self.needsChecksum, as: UInt8.self)
                header.setLittle(6, UInt16(frame.checksumStart))
                header.setLittle(8, UInt16(frame.checksumOffset))
            }
            transmitQueue.push(
                UInt(bitPattern: header), byteCount: frame.byteCount + Self.headerByteCount, flags: 0)
        }
        transmitQueue.publish()
    }

    var hasFrames: Bool { receiveQueue.hasUsed }
    /// True if the stack waits for sent frames to come back and some have.
    func canGoOn(_ stack: NetworkStack) -> Bool { stack.pendingTransmitCount > 0 && transmitQueue.hasUsed }

    /// Before a halt: what comes in ends it, and what goes out if the stack waits for room.
    func arm(_ stack: NetworkStack) {
        receiveQueue.setInterrupts(true)
        if stack.pendingTransmitCount > 0 { transmitQueue.setInterrupts(true) }
    }
    func disarm() {
        receiveQueue.setInterrupts(false)
        transmitQueue.setInterrupts(false)
    }
    var canInterrupt: Bool { transport.canInterrupt(1) }
}
