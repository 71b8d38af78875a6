// Streams of all cores over one stack: requests cross to the owner and completions back while every worker runs.

import NetworkEngine
import Platform
import Synchronization

func networkCoreCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "network: every core's streams work through the one that owns the stack") {
            context throws(EngineError) in
            try echoAcrossCores(context)
        }
    ]
}

/// One client per core, an echo server on the owner's core, all over loopback; workers of the platform run the loops.
private func echoAcrossCores(_ context: SuiteContext) throws(EngineError) {
    let cores = context.coreCount
    var configuration = NetworkHost.configuration(1)
    configuration.coreCount = cores
    let host = NetworkHost(configuration, now: context.platform.now())
    let service = StreamService(stack: host.stack, owner: 0)
    let (listener, address) = try service.listen(address: "127.0.0.1:0")
    let done = SharedWord<Int>(0)
    let limit = context.platform.now() + .seconds(60)
    context.platform.runWorkers { core in
        let platform = context.platform
        let client = EchoClient(service, core)
        let server = core == 0 ? EchoServer(service, listener) : nil
        client.begin(address)
        var hasFinished = false
        while done.word.load(ordering: .acquiring) < cores && platform.now() < limit {
            if core == 0 { service.drive(now: platform.now()) }
            withUnsafeTemporaryAllocation(of: CompletionEvent.self, capacity: 64) { events in
                let count = service.stack.takeCompletions(core, into: events)
                for index in 0..<count {
                    if events[index].tag >= 1 << 20 {
                        server?.handle(events[index])
                    } else if client.handle(events[index]) && !hasFinished {
                        hasFinished = true
                        done.word.add(1, ordering: .releasing)
                    }
                }
            }
        }
        if client.isWrong { context.fail("core \(core): bytes differ") }
        client.deallocate()
        server?.deallocate()
    }
    context.expectEqual(done.word.load(ordering: .acquiring), cores, "clients that finished")
}

private final class EchoClient {
    private let service: StreamService
    private let core: CoreIndex
    private let buffer: UnsafeMutableRawPointer
    private var stream = StreamHandle(rawValue: -1)
    private var round = 0
    private var received = 0
    private var sent = 0
    private(set) var isWrong = false
    private static let byteCount = 5000
    private static let rounds = 200

    init(_ service: StreamService, _ core: CoreIndex) {
        self.service = service
        self.core = core
        buffer = .allocate(byteCount: 2 * Self.byteCount, alignment: 16)
    }
    func deallocate() { buffer.deallocate() }

    func begin(_ address: String) {
        do throws(EngineError) {
            if try !service.queueConnect(core, to: address, tag: 16) { isWrong = true }
        } catch { isWrong = true }
    }

    private func queueSend() {
        _ = service.queueSend(
            core, stream, IOVector(base: buffer + sent, byteCount: Self.byteCount - sent), tag: 32)
    }
    private func queueReceive() {
        _ = service.queueReceive(
            core, stream,
            into: IOVector(base: buffer + Self.byteCount + received, byteCount: Self.byteCount - received),
            tag: 48)
    }

    /// True when all rounds are done.
    func handle(_ event: CompletionEvent) -> Bool {
        if event.result <= 0 {
            isWrong = true
            return true
        }
        switch event.tag {
        case 16:
            stream = StreamHandle(rawValue: Int32(event.result))
            beginRound()
        case 32:
            sent += event.result
            if sent < Self.byteCount { queueSend() }
        default:
            received += event.result
            if received < Self.byteCount {
                queueReceive()
                return false
            }
            for index in 0..<Self.byteCount
            where (buffer + Self.byteCount).load(fromByteOffset: index, as: UInt8.self)
                != UInt8(truncatingIfNeeded: index &+ round &* 7 &+ core)
            { isWrong = true }
            round += 1
            if round == Self.rounds {
                service.close(stream)
                return true
            }
            beginRound()
        }
        return false
    }

    private func beginRound() {
        for index in 0..<Self.byteCount {
            buffer.storeBytes(
                of: UInt8(truncatingIfNeeded: index &+ round &* 7 &+ core), toByteOffset: index, as: UInt8.self)
        }
        sent = 0
        received = 0
        queueSend()
        queueReceive()
    }
}

/// Tags from 2^20 on: (connection + 1) << 24 | kind.
private final class EchoServer {
    private let service: StreamService
    private var streams: [(StreamHandle, UnsafeMutableRawPointer, Int)] = []

    init(_ service: StreamService, _ listener: StreamHandle) {
        self.service = service
        _ = service.queueAccept(0, listener, tag: 1 << 20)
    }
    func deallocate() { for stream in streams { stream.1.deallocate() } }

    func handle(_ event: CompletionEvent) {
        if event.tag == 1 << 20 {
            if event.result < 0 { return }
            streams.append((StreamHandle(rawValue: Int32(event.result)), .allocate(byteCount: 4096, alignment: 16), 0))
            return receive(streams.count - 1)
        }
        let index = Int(event.tag >> 24) - 1
        if event.result <= 0 { return }
        if event.tag & 1 == 0 {
            streams[index].2 = event.result
            send(index, 0)
        } else if event.result < streams[index].2 {
            streams[index].1.copyMemory(
                from: streams[index].1 + event.result, byteCount: streams[index].2 - event.result)
            streams[index].2 -= event.result
            send(index, 0)
        } else {
            receive(index)
        }
    }

    private func receive(_ index: Int) {
        _ = service.queueReceive(
            0, streams[index].0, into: IOVector(base: streams[index].1, byteCount: 4096), tag: Tag(index + 1) << 24)
    }
    private func send(_ index: Int, _ from: Int) {
        _ = service.queueSend(
            0, streams[index].0, IOVector(base: streams[index].1, byteCount: streams[index].2),
            tag: Tag(index + 1) << 24 | 1)
    }
}
