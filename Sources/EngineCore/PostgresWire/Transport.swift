// The byte stream under a connection: one input buffer in which messages are framed and parsed in place, and two output
// buffers, one being composed while the other is on its way.
//
// A reply is queued and the next message waited for without waiting for the reply's completion, so a round trip is one
// submission to the platform. Invariant: at most one send is under way; its buffer is not touched until it is done.

import Fibers
import Platform
import Runtime
import SQLTypes

/// Belongs to one fiber.
package final class Transport {
    private let platform: any Platform
    private let core: CoreIndex
    package let stream: StreamHandle
    private let stopFlag: StopFlag
    /// Whose end also ends the waiting; set once the client has logged in.
    package unowned(unsafe) var session: Session?
    /// The client has been told that the server stops or that its session was terminated.
    package private(set) var hasSaidGoodbye = false

    private var input: UnsafeMutableRawPointer
    private var inputCapacity: Int
    /// Bytes `start..<end` of `input` have been received and not yet consumed.
    private var start = 0
    private var end = 0

    /// What is being composed.
    package var output = ByteBuffer(capacity: Transport.initialByteCount, limit: ValueMemory.longestValue)
    private var sending = ByteBuffer(capacity: Transport.initialByteCount, limit: ValueMemory.longestValue)
    private var sent = 0
    private var isSending = false
    private let sendCell: UnsafeMutablePointer<Completion>
    private let receiveCell: UnsafeMutablePointer<Completion>

    private static let initialByteCount = 8 << 10
    /// Composed bytes are sent without waiting for the end of the reply from here on.
    package static let highWater = 64 << 10

    /// By the fiber that will use it.
    package init(_ stream: StreamHandle, stopFlag: StopFlag) {
        self.stream = stream
        self.stopFlag = stopFlag
        platform = Fiber.scheduler.platform
        core = Fiber.core
        inputCapacity = Self.initialByteCount
        input = .allocate(byteCount: inputCapacity, alignment: 16)
        sendCell = .allocate(capacity: 1)
        sendCell.initialize(to: Completion())
        receiveCell = .allocate(capacity: 1)
        receiveCell.initialize(to: Completion())
    }

    deinit {
        precondition(!isSending, "a transport must be closed before it is freed")
        input.deallocate()
        sendCell.deallocate()
        receiveCell.deallocate()
    }

    private static var lost: EngineError {
        EngineError("08006", "connection to client lost", severity: .fatal)
    }

    // MARK: Sending

    /// Queues what was composed; waits only if the send before is still under way. Throws 08006.
    package func flush() throws(EngineError) {
        if output.count == 0 { return }
        try finishSend()
        swap(&output, &sending)
        // A long row must not occupy its memory for the rest of the session.
        if output.capacity > 8 * Self.highWater { output.shrink(to: Self.initialByteCount) } else { output.removeAll() }
        sent = 0
        isSending = true
        queueRest()
    }

    private func queueRest() {
        sendCell.pointee.prepare()
        let vector = IOVector(base: sending.base + sent, byteCount: sending.count - sent)
        while !platform.queueSend(core, stream, vector, tag: sendCell.tag) { Fiber.yield() }
    }

    /// Takes note of a send that is done, and queues the rest of a short one. Returns true if nothing is under way.
    private func pollSend() throws(EngineError) -> Bool {
        guard isSending else { return true }
        guard sendCell.pointee.isDone else { return false }
        let result = sendCell.pointee.result
        guard result > 0 else {
            isSending = false
            throw Self.lost
        }
        sent += result
        if sent < sending.count {
            queueRest()
            return false
        }
        isSending = false
        return true
    }

    /// Waits until everything flushed is with the platform.
    package func finishSend() throws(EngineError) {
        while try !pollSend() { Fiber.park() }
    }

    /// Flushes a long reply early, so that its buffer stays bounded.
    @inline(__always) package func flushIfLong() throws(EngineError) {
        if output.count >= Self.highWater { try flush() }
    }

    // MARK: Receiving

    /// Bytes that can be consumed now.
    package var available: Int { end - start }
    package var pending: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: input + start, count: end - start) }

    package func consume(_ byteCount: Int) {
        assert(byteCount <= available)
        start += byteCount
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Waits until at least `byteCount` bytes are pending; flushes composed output first. False if the peer has ended the
    /// stream before that. Throws 08006. The buffer grows with what really arrives, not with what a length word claims.
    package func require(_ byteCount: Int) throws(EngineError) -> Bool {
        while available < byteCount {
            try flush()
            makeRoom(for: byteCount)
            receiveCell.pointee.prepare()
            let vector = IOVector(base: input + end, byteCount: inputCapacity - end)
            while !platform.queueReceive(core, stream, into: vector, tag: receiveCell.tag) { Fiber.yield() }
            let result = try waitForReceive()
            if result == 0 { return false }
            if result < 0 { throw Self.lost }
            end += result
        }
        return true
    }

    /// Waits for the receive under way, sending the rest of a short send meanwhile: the client may need it before it says
    /// more. Also ends when the session must, after telling the client.
    private func waitForReceive() throws(EngineError) -> Int {
        while !receiveCell.pointee.isDone {
            if isSending || mustEnd { try attendWhileReceiving() }
            if !receiveCell.pointee.isDone { Fiber.park() }
        }
        return receiveCell.pointee.result
    }

    /// What may come up during a receive. On an error the receive has been brought to its end.
    private func attendWhileReceiving() throws(EngineError) {
        do throws(EngineError) {
            _ = try pollSend()
            if mustEnd { throw Session.terminated }
        } catch {
            endReceive(error)
            while !receiveCell.pointee.isDone { Fiber.park() }
            throw error
        }
    }

    /// The server stops, or the session was terminated.
    package var mustEnd: Bool { stopFlag.isSet || session?.isTerminated ?? false }

    /// Makes the receive under way complete, so that its buffer is free again. A session that must end says why first.
    private func endReceive(_ error: EngineError) {
        if mustEnd {
            hasSaidGoodbye = true
            output.appendError(error)
            do throws(EngineError) {
                try flush()
                try finishSend()
            } catch {
                // The peer is gone.
            }
        }
        platform.shutdown(stream)
    }

    /// Room for at least one more byte behind `end`, and for more if the message is known to be longer.
    private func makeRoom(for byteCount: Int) {
        if start > 0, start + byteCount > inputCapacity {
            input.copyMemory(from: input + start, byteCount: available)
            end -= start
            start = 0
        }
        guard end == inputCapacity else { return }
        let larger = UnsafeMutableRawPointer.allocate(byteCount: inputCapacity * 2, alignment: 16)
        larger.copyMemory(from: input + start, byteCount: available)
        input.deallocate()
        input = larger
        inputCapacity *= 2
        end -= start
        start = 0
    }

    // MARK: Framing

    /// One whole message; nil at the end of the stream. Its body stays valid until the next call that receives. Throws
    /// 08P01 (fatal) for a type that is none or a length that cannot be.
    package func nextMessage() throws(EngineError) -> (type: FrontendMessage, body: UnsafeRawBufferPointer)? {
        guard try require(5) else { return nil }
        let typeByte = pending[0]
        guard let type = FrontendMessage(rawValue: typeByte) else {
            throw EngineError(.protocolViolation, "invalid frontend message type \(typeByte)", severity: .fatal)
        }
        let length = Int((input + start).big(1, as: Int32.self))
        let limit = type.mayBeLong ? FrontendMessage.maxByteCount : FrontendMessage.shortByteCount
        guard length >= 4, length <= limit else {
            throw EngineError(.protocolViolation, "invalid message length", severity: .fatal)
        }
        guard try require(1 + length) else { return nil }
        let body = UnsafeRawBufferPointer(start: input + start + 5, count: length - 4)
        consume(1 + length)
        return (type, body)
    }

    /// The first packet, without its length word; nil at the end of the stream.
    package func startupPacket() throws(EngineError) -> UnsafeRawBufferPointer? {
        guard try require(4) else { return nil }
        let length = Int((input + start).big(0, as: Int32.self))
        guard length >= 8, length <= StartupPacket.maxByteCount else {
            throw EngineError(.protocolViolation, "invalid length of startup packet", severity: .fatal)
        }
        guard try require(length) else { return nil }
        let body = UnsafeRawBufferPointer(start: input + start + 4, count: length - 4)
        consume(length)
        return body
    }

    // MARK: The end

    /// Sends what can still be sent, then closes the stream. The transport is not used after.
    package func close() {
        do throws(EngineError) {
            try flush()
            try finishSend()
        } catch {
            // The peer is gone; there is nobody to tell.
        }
        // After a failed or abandoned send, wait for its completion: the platform still reads the buffer.
        if isSending {
            platform.shutdown(stream)
            while !sendCell.pointee.isDone { Fiber.park() }
            isSending = false
        }
        platform.close(stream)
    }
}
