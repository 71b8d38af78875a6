// A virtio entropy device (Virtual I/O Device 1.2, section 5.4): one queue, whose buffers the device fills with random bytes. One
// request is always on its way; its bytes are taken when they are wanted and have come.

import CMetal
import Platform

final class VirtioEntropy {
    private static let byteCount = 64

    private let transport: VirtioTransport
    private var queue: VirtioQueue
    private let buffer: UInt

    /// Errors: 58030 with what the device lacks, 53200 without memory.
    init(_ function: PCIFunction, frames: UnsafeMutablePointer<Frames>) throws(EngineError) {
        guard let transport = VirtioTransport(function), transport.negotiate(0) else {
            throw EngineError(.ioError, "cannot use the entropy device: it is no modern virtio device")
        }
        self.transport = transport
        // Nobody waits for it with interrupts.
        guard let queue = transport.makeQueue(0, limit: 1, vector: .max, apicID: 0, frames: frames),
            let buffer = frames.pointee.allocateRun(1)
        else { throw EngineError(.outOfMemory, "out of memory for the entropy device") }
        self.queue = queue
        self.buffer = buffer
        transport.start()
        ask()
    }

    private func ask() {
        queue.push(buffer, byteCount: Self.byteCount, flags: VirtioQueue.write)
        queue.publish()
    }

    /// Calls `body` with what has come since the last time, word by word, and asks for more. False if nothing has.
    func take(_ body: (UInt64) -> Void) -> Bool {
        guard let (_, byteCount) = queue.takeUsed() else { return false }
        for word in 0..<min(byteCount, Self.byteCount) / 8 { body(dbk_read64(buffer + UInt(word * 8))) }
        ask()
        return byteCount >= 8
    }
}
