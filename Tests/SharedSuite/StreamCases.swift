// Streams: a server and clients of the same engine, over the platform's own network.

import Fibers
import Platform
import Synchronization

/// A stream with calls that park.
private struct Connection {
    let stream: StreamHandle

    /// -1 on an error.
    func receive(_ buffer: UnsafeMutableRawPointer, _ byteCount: Int) -> Int {
        Completion.wait {
            Fiber.scheduler.platform.queueReceive(
                Fiber.core, stream, into: IOVector(base: buffer, byteCount: byteCount), tag: $0)
        }
    }

    /// Sends all; false on an error.
    func send(_ buffer: UnsafeMutableRawPointer, _ byteCount: Int) -> Bool {
        var sent = 0
        while sent < byteCount {
            let count = Completion.wait {
                Fiber.scheduler.platform.queueSend(
                    Fiber.core, stream, IOVector(base: buffer + sent, byteCount: byteCount - sent), tag: $0)
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    static func open(_ address: String) throws(EngineError) -> Connection {
        var completion = Completion()
        var failure: EngineError?
        let result = withUnsafeMutablePointer(to: &completion) { cell in
            do throws(EngineError) {
                while !(try Fiber.scheduler.platform.queueConnect(Fiber.core, to: address, tag: cell.tag)) {
                    Fiber.yield()
                }
                return cell.wait()
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        if result < 0 { throw EngineError(.ioError, "connect: error \(-result)") }
        return Connection(stream: StreamHandle(rawValue: Int32(result)))
    }
}

/// Several clients per core talk to servers on other cores, in messages of many sizes; every byte must come back.
func echoStorm(_ context: SuiteContext) throws(EngineError) {
    if !canConnect(context) { return }
    let platform = context.platform
    let scheduler = context.scheduler
    let (listener, address) = try platform.listen(address: "127.0.0.1:0")
    let perCore = 8
    let clients = perCore * context.coreCount
    let servers = FiberGroup(count: clients + 1)
    try scheduler.spawn(on: 0, .interactive, "acceptor") {
        let queue = AcceptQueue(listener)
        for index in 0..<clients {
            guard let stream = queue.next() else {
                context.fail("the listener ended")
                break
            }
            do throws(EngineError) {
                try scheduler.spawn(on: index % context.coreCount, .interactive, "echo") {
                    let connection = Connection(stream: stream)
                    let buffer = UnsafeMutableRawPointer.allocate(byteCount: 8192, alignment: 16)
                    while true {
                        let count = connection.receive(buffer, 8192)
                        if count <= 0 || !connection.send(buffer, count) { break }
                    }
                    platform.close(stream)
                    buffer.deallocate()
                    servers.done()
                }
            } catch { context.fail(error.message) }
        }
        context.expect(queue.next() == nil, "a connection out of nowhere")
        servers.done()
    }
    try context.onEveryCore(perCore) { core, index throws(EngineError) in
        let connection = try Connection.open(address)
        let size = 70_000
        let out = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        let back = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        var random = SuiteRandom(seed: UInt64(core * 100 + index))
        for round in 0..<50 {
            let length = round % 10 == 9 ? size : 1 + random.next(below: 300)
            for offset in 0..<length {
                out.storeBytes(of: UInt8(truncatingIfNeeded: random.next()), toByteOffset: offset, as: UInt8.self)
            }
            // Larger messages than the sockets' buffers take need a receiver at the same time.
            let group = FiberGroup(count: 1)
            try scheduler.spawn(on: core, .interactive, "sender") {
                context.expect(connection.send(out, length), "send")
                group.done()
            }
            var count = 0
            while count < length {
                let more = connection.receive(back + count, length - count)
                if more <= 0 { break }
                count += more
            }
            group.wait()
            context.expectEqual(count, length, "bytes that came back")
            for offset in 0..<count
            where out.load(fromByteOffset: offset, as: UInt8.self) != back.load(fromByteOffset: offset, as: UInt8.self)
            {
                context.fail("byte \(offset) of \(length) differs")
                break
            }
        }
        platform.shutdown(connection.stream)
        platform.close(connection.stream)
        out.deallocate()
        back.deallocate()
    }
    platform.close(listener)
    servers.wait()
}

func shutdownEnds(_ context: SuiteContext) throws(EngineError) {
    if !canConnect(context) { return }
    let platform = context.platform
    let (listener, address) = try platform.listen(address: "127.0.0.1:0")
    let queue = AcceptQueue(listener)
    let client = try Connection.open(address)
    guard let stream = queue.next() else {
        context.fail("no connection")
        return
    }
    let server = Connection(stream: stream)
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 16)
    buffer.initializeMemory(as: UInt8.self, repeating: 1, count: 64)
    // A receive that waits already when this side shuts down.
    let waiting = FiberGroup(count: 1)
    try context.scheduler.spawn(on: 0, .interactive, "receiver") {
        context.expectEqual(server.receive(buffer, 32), 0, "receive of the side that shuts down")
        waiting.done()
    }
    Fiber.sleep(.milliseconds(5))
    platform.shutdown(server.stream)
    waiting.wait()
    context.expectEqual(client.receive(buffer + 32, 32), 0, "receive of the peer")
    platform.close(server.stream)
    platform.close(client.stream)
    platform.shutdown(listener)
    platform.close(listener)
    context.expect(queue.next() == nil, "an accept after the end")
    buffer.deallocate()
    context.expectError(.ioError) { () throws(EngineError) in _ = try Connection.open(address) }
}

/// False, with the reason noted, on a platform that only accepts connections.
private func canConnect(_ context: SuiteContext) -> Bool {
    do throws(EngineError) {
        let connection = try Connection.open("127.0.0.1:1")
        context.platform.close(connection.stream)
    } catch {
        if error.state == .featureNotSupported {
            context.cannotRun("there are no outgoing connections")
            return false
        }
    }
    return true
}
