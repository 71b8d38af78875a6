// A virtio console (Virtual I/O Device 1.2, section 5.3): its first port, a stream of bytes both ways.

import CMetal
import CPrimitives
import Platform

final class VirtioConsole {
    private static let receiveByteCount = 256
    private static let transmitByteCount = 512

    private let transport: VirtioTransport
    private var receiveQueue: VirtioQueue
    private var transmitQueue: VirtioQueue
    private let receiveBuffers: UInt
    private let transmitBuffers: UInt
    /// Bytes in the transmit buffer that is sent next.
    private var fill = 0
    /// Nobody has taken what was sent last: what comes then is not waited for, and lost.
    private var isStuck = false

    /// Input ends halts of the core with this APIC number. Errors: 58030 with what the device lacks, 53200 without memory.
    init(_ function: PCIFunction, apicID: UInt32, frames: UnsafeMutablePointer<Frames>) throws(EngineError) {
        guard let transport = VirtioTransport(function), transport.negotiate(0) else {
            throw EngineError(.ioError, "cannot use the virtio console: it is no modern virtio device")
        }
        self.transport = transport
        guard
            let receiveQueue = transport.makeQueue(0, limit: 16, vector: 0, apicID: apicID, frames: frames),
            let transmitQueue = transport.makeQueue(1, limit: 16, vector: .max, apicID: apicID, frames: frames),
            let receiveBuffers = frames.pointee.allocateRun(1), let transmitBuffers = frames.pointee.allocateRun(2)
        else { throw EngineError(.outOfMemory, "out of memory for the virtio console") }
        self.receiveQueue = receiveQueue
        self.transmitQueue = transmitQueue
        self.receiveBuffers = receiveBuffers
        self.transmitBuffers = transmitBuffers
        transport.start()
        while self.receiveQueue.freeCount > 0 { giveBuffer() }
        self.receiveQueue.setInterrupts(true)
        self.receiveQueue.publish()
    }

    // MARK: Out

    /// The byte is sent by `flush`, or once there are many. Waits a while for whoever takes them, then drops it.
    func put(_ byte: UInt8) {
        if fill == 0 && !hasBuffer() { return }
        dbk_write8(buffer(transmitQueue.nextNumber) + UInt(fill), byte)
        fill += 1
        if fill == Self.transmitByteCount { flush() }
    }

    func flush() {
        if fill == 0 { return }
        transmitQueue.push(buffer(transmitQueue.nextNumber), byteCount: fill, flags: 0)
        transmitQueue.publish()
        fill = 0
    }

    private func buffer(_ number: Int) -> UInt { transmitBuffers + UInt(number * Self.transmitByteCount) }

    /// Takes back what was sent. Not while a buffer is being filled: it goes with the number that is free next.
    private func hasBuffer() -> Bool {
        var patience = isStuck ? 0 : 10_000_000
        while true {
            while transmitQueue.takeUsed() != nil { isStuck = false }
            if transmitQueue.freeCount > 0 { return true }
            if patience == 0 { break }
            patience -= 1
            dbk_pause()
        }
        isStuck = true
        return false
    }

    // MARK: In

    var hasInput: Bool { receiveQueue.hasUsed }

    /// Gives what was typed to `take`, byte by byte. On one core.
    func read(_ take: (UInt8) -> Void) {
        while let (number, byteCount) = receiveQueue.takeUsed() {
            let base = receiveBuffers + UInt(number * Self.receiveByteCount)
            for index in 0..<min(byteCount, Self.receiveByteCount) { take(dbk_read8(base + UInt(index))) }
            giveBuffer()
        }
        receiveQueue.publish()
    }

    /// Buffer and descriptor go together: the number that was freed last is pushed next.
    private func giveBuffer() {
        receiveQueue.push(
            receiveBuffers + UInt(receiveQueue.nextNumber * Self.receiveByteCount), byteCount: Self.receiveByteCount,
            flags: VirtioQueue.write)
    }
}
