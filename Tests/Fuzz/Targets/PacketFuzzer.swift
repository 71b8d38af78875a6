// Target `packets`: frames for a network stack that listens, accepts, receives and sends, in virtual time.
//
// An input is a list of pieces: how many 10 ms go by (a byte), the length (two bytes, big-endian), the frame. The device vouches for
// checksums, so that the fuzzer need not compute them; our own address is written over the destination's, so that frames arrive; an
// acknowledgement number counts from what the stack has sent last, which the fuzzer cannot guess.

import NetworkEngine
import Platform

final class PacketFuzzer: Fuzzer {
    func take(_ bytes: UnsafeRawBufferPointer) -> String? {
        let world = World()
        var at = 0
        while at + 3 <= bytes.count {
            world.pass(Int(bytes[at]))
            let count = min(Int(bytes[at + 1]) << 8 | Int(bytes[at + 2]), bytes.count - at - 3, 1514)
            world.deliver(Array(bytes[at + 3..<at + 3 + count]))
            at += 3 + count
        }
        return world.end()
    }

    private final class World {
        private static let macAddress = MACAddress(rawValue: 0x0200_0000_0001)
        private let memory: UnsafeMutableRawPointer
        private let stack: NetworkStack
        private let buffer = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 16)
        private var now = Nanoseconds.seconds(1)
        private static let acceptTag = Tag(1)
        private var listener = StreamHandle(rawValue: -1)
        private var openStreams: Set<Int32> = []
        /// The sequence number after the last segment of the stack.
        private var nextSequence: UInt32 = 0

        init() {
            var configuration = NetworkConfiguration(macAddress: Self.macAddress, secret: (1, 2))
            configuration.address = IPv4Address(10, 0, 0, 1)
            configuration.connectionLimit = 8
            configuration.halfOpenLimit = 4
            configuration.bufferByteCount = 1 << 20
            configuration.transmitFrameCount = 64
            let byteCount = NetworkStack.byteCount(configuration)
            memory = .allocate(byteCount: byteCount, alignment: 4096)
            memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
            stack = NetworkStack(configuration, memory: memory, now: now)
            do throws(EngineError) {
                (listener, _) = try stack.listen(IPv4Endpoint(IPv4Address(10, 0, 0, 1), 5432))
                stack.queueAccept(0, listener, tag: Self.acceptTag)
            } catch {
                preconditionFailure("\(error)")
            }
        }

        deinit {
            memory.deallocate()
            buffer.deallocate()
        }

        /// Closes what is open and lets the peer be silent; tells what is left after ten minutes.
        func end() -> String? {
            for stream in openStreams { close(StreamHandle(rawValue: stream)) }
            for _ in 0..<600 where stack.connectionCount > 0 || stack.bufferByteCountInUse > 0 { pass(100) }
            if stack.connectionCount == 0, stack.bufferByteCountInUse == 0 { return nil }
            return "\(stack.connectionCount) connections and \(stack.bufferByteCountInUse) bytes of buffers are left"
        }

        func pass(_ steps: Int) {
            now = now + .milliseconds(UInt64(10 * steps))
            settle()
        }

        func deliver(_ frame: [UInt8]) {
            var frame = frame
            if frame.count >= 14 { for index in 0..<6 { frame[index] = index == 0 ? 2 : index == 5 ? 1 : 0 } }
            frame.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                if let segment = Self.segment(UnsafeRawPointer(base), bytes.count) {
                    let number = segment - UnsafeRawPointer(base) + 8
                    base.setBig(number, base.big(number, as: UInt32.self) &+ nextSequence)
                }
                stack.receive(base, bytes.count, checksumIsGood: true, now: now)
            }
            settle()
        }

        private func settle() {
            stack.poll(now: now)
            withUnsafeTemporaryAllocation(of: CompletionEvent.self, capacity: 16) { events in
                for _ in 0..<4 {
                    let count = stack.takeCompletions(0, into: events)
                    for index in 0..<count { answer(events[index]) }
                    if count == 0 { break }
                    stack.poll(now: now)
                }
            }
            var count = 0
            while let frame = stack.nextTransmit() {
                note(frame)
                count += 1
            }
            stack.transmitDone(count)
        }

        /// Where a frame's TCP header begins, behind an IP header without options.
        private static func segment(_ frame: UnsafeRawPointer, _ byteCount: Int) -> UnsafeRawPointer? {
            guard byteCount >= 54, frame.big(12, as: UInt16.self) == 0x0800, frame.big(22, as: UInt16.self) & 0xFF == 6
            else { return nil }
            return frame + 34
        }

        private func note(_ frame: TransmitFrame) {
            let base = UnsafeRawPointer(frame.base)
            guard let segment = Self.segment(base, frame.byteCount) else { return }
            let word = segment.big(12, as: UInt16.self)
            let payload = Int(base.big(16, as: UInt16.self)) - 20 - Int(word >> 12) * 4
            // SYN and FIN count as a byte each.
            nextSequence =
                segment.big(4, as: UInt32.self) &+ UInt32(payload) &+ UInt32(word >> 1 & 1) &+ UInt32(word & 1)
        }

        private func close(_ stream: StreamHandle) {
            if openStreams.remove(stream.rawValue) != nil { stack.close(stream) }
        }

        /// Tags: 1 an accept; 2 + 2 n the receive on stream n, 3 + 2 n the send. What comes in is sent back.
        private func answer(_ event: CompletionEvent) {
            let number = Int(event.tag)
            if number == 1 {
                if event.result < 0 { return }
                openStreams.insert(Int32(event.result))
                receive(StreamHandle(rawValue: Int32(event.result)))
                stack.queueAccept(0, listener, tag: Self.acceptTag)
                return
            }
            let stream = StreamHandle(rawValue: Int32((number - 2) / 2))
            if event.result <= 0 { return close(stream) }
            if !openStreams.contains(stream.rawValue) { return }
            if number % 2 == 0 {
                let tag = Tag(number + 1)
                stack.queueSend(0, stream, IOVector(base: buffer, byteCount: event.result), tag: tag)
            } else {
                receive(stream)
            }
        }

        private func receive(_ stream: StreamHandle) {
            let tag = Tag(2 + 2 * Int(stream.rawValue))
            stack.queueReceive(0, stream, into: IOVector(base: buffer, byteCount: 4096), tag: tag)
        }
    }
}
