// `dbkernel-sim measure`: what the ground costs on this machine. Numbers for people, not a test.

import ArgumentParser
import Fibers
import Glibc
import HostPlatform
import Platform
import Synchronization

struct Measure: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure", abstract: "Measures fiber switches, wakes, socket round trips and disk requests.")

    @Option(help: "Directory for the scratch disk.")
    var directory: String = "/tmp"

    @Flag(help: "Use threads and epoll instead of io_uring.")
    var fallback = false

    func run() throws {
        let path = "\(directory)/dbkernel-measure-\(getpid()).disk"
        defer { unlink(path) }
        let platform = try HostPlatform(
            options: .init(
                diskPath: path, diskByteCount: 256 << 20, createIfMissing: true, cores: 2, forceFallback: fallback))
        let scheduler = Scheduler(platform: platform)
        try scheduler.run {
            do throws(EngineError) {
                try switches()
                try wakes(from: 0, to: 0, "a wake on the same core")
                try wakes(from: 0, to: scheduler.workerCount - 1, "a wake across cores")
                for clients in [1, 8, 32] { try echo(clients: clients) }
                try disk(.write, depth: 32, "writes of 4 KiB, depth 32")
                try disk(.read, depth: 1, "reads of 4 KiB, depth 1")
                try disk(.read, depth: 64, "reads of 4 KiB, depth 64")
                try disk(.durableWrite, depth: 1, "durable writes of 4 KiB, depth 1")
            } catch {
                print("failed: \(error.message)")
            }
            scheduler.stop()
        }
    }
}

/// Times a measurement. The workers' CPU time tells more than the clock on a machine that does other things, too.
private struct Stopwatch {
    private let start: Nanoseconds
    private let startCPU: UInt64

    init() throws(EngineError) {
        startCPU = try Self.workersCPU()
        start = Fiber.now()
    }

    func report(_ what: String, _ count: Int) throws(EngineError) {
        let elapsed = (Fiber.now() - start).rawValue
        let used = try Self.workersCPU() - startCPU
        let perSecond = UInt64(count) * 1_000_000_000 / max(1, elapsed)
        print("\(elapsed / UInt64(count)) ns (\(used / UInt64(count)) ns CPU), \(perSecond)/s: \(what)")
    }

    /// Nanoseconds of CPU that all workers have used so far.
    private static func workersCPU() throws(EngineError) -> UInt64 {
        let scheduler = Fiber.scheduler
        let main = Fiber.current
        let total = Turn()
        let ended = Turn()
        for core in 0..<scheduler.workerCount {
            try scheduler.spawn(on: core, .interactive, "clock") {
                var time = timespec()
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
                total.value.add(time.tv_sec * 1_000_000_000 + time.tv_nsec, ordering: .relaxed)
                ended.value.add(1, ordering: .releasing)
                scheduler.wake(main)
            }
        }
        while ended.value.load(ordering: .acquiring) < scheduler.workerCount { Fiber.park() }
        return UInt64(total.value.load(ordering: .relaxed))
    }
}

private func switches() throws(EngineError) {
    let count = 2_000_000
    for _ in 0..<9 {
        try Fiber.scheduler.spawn(on: 0, .interactive, "yielder") {
            for _ in 0..<(count / 10) { Fiber.yield() }
        }
    }
    let watch = try Stopwatch()
    for _ in 0..<(count / 10) { Fiber.yield() }
    try watch.report("yields among ten fibers", count)
    Fiber.sleep(.milliseconds(10))
}

/// Two fibers that wake each other in turn.
private func wakes(from: CoreIndex, to: CoreIndex, _ what: String) throws(EngineError) {
    let count = 200_000
    let turn = Turn()
    let scheduler = Fiber.scheduler
    let main = Fiber.current
    let other = try scheduler.spawn(on: to, .interactive, "other") {
        for step in 0..<count {
            while turn.value.load(ordering: .acquiring) != 2 * step + 1 { Fiber.park() }
            turn.value.store(2 * step + 2, ordering: .releasing)
            scheduler.wake(main)
        }
    }
    let watch = try Stopwatch()
    for step in 0..<count {
        turn.value.store(2 * step + 1, ordering: .releasing)
        scheduler.wake(other)
        while turn.value.load(ordering: .acquiring) != 2 * step + 2 { Fiber.park() }
    }
    try watch.report(what, 2 * count)
}

private final class Turn: Sendable { let value = Atomic<Int>(0) }

// MARK: Echo

/// Clients are threads with blocking sockets, as pgbench's are; each sends 64 bytes and waits for 256.
private func echo(clients: Int) throws(EngineError) {
    let platform = Fiber.scheduler.platform
    let (listener, address) = try platform.listen(address: "127.0.0.1:0")
    let port = UInt16(address.split(separator: ":").last ?? "")!
    let rounds = 100_000 / clients
    let state = EchoState(port: port, rounds: rounds)
    let scheduler = Fiber.scheduler
    let watch = try Stopwatch()
    var threads: [pthread_t] = []
    for _ in 0..<clients {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            {
                Unmanaged<EchoState>.fromOpaque($0!).takeUnretainedValue().runClient()
                return nil
            }, Unmanaged.passUnretained(state).toOpaque())
        threads.append(thread)
    }
    let queue = AcceptQueue(listener)
    let main = Fiber.current
    for index in 0..<clients {
        guard let stream = queue.next() else { break }
        try scheduler.spawn(on: index % scheduler.workerCount, .interactive, "echo") {
            serve(stream)
            if state.ended.add(1, ordering: .acquiringAndReleasing).newValue == clients { scheduler.wake(main) }
        }
    }
    while state.ended.load(ordering: .acquiring) < clients { Fiber.park() }
    try watch.report("request and response, \(clients) clients", clients * rounds)
    platform.shutdown(listener)
    platform.close(listener)
    for thread in threads { pthread_join(thread, nil) }
}

private func serve(_ stream: StreamHandle) {
    let platform = Fiber.scheduler.platform
    let core = Fiber.core
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 64)
    buffer.initializeMemory(as: UInt8.self, repeating: 7, count: 512)
    var received = Completion()
    var sent = Completion()
    withUnsafeMutablePointer(to: &received) { received in
        withUnsafeMutablePointer(to: &sent) { sent in
            _ = platform.queueReceive(core, stream, into: IOVector(base: buffer, byteCount: 64), tag: received.tag)
            while received.wait() > 0 {
                received.pointee.prepare()
                sent.pointee.prepare()
                // The response and the next request go down together: one system call a round trip.
                _ = platform.queueSend(core, stream, IOVector(base: buffer + 128, byteCount: 256), tag: sent.tag)
                _ = platform.queueReceive(core, stream, into: IOVector(base: buffer, byteCount: 64), tag: received.tag)
                _ = sent.wait()
            }
        }
    }
    platform.close(stream)
    buffer.deallocate()
}

private final class EchoState: Sendable {
    let port: UInt16
    let rounds: Int
    let ended = Atomic<Int>(0)
    init(port: UInt16, rounds: Int) {
        self.port = port
        self.rounds = rounds
    }

    func runClient() {
        let stream = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(stream, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(connected == 0, "connect")
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 16)
        buffer.initializeMemory(as: UInt8.self, repeating: 1, count: 256)
        for _ in 0..<rounds {
            precondition(send(stream, buffer, 64, 0) == 64, "send")
            var count = 0
            while count < 256 {
                let more = recv(stream, buffer, 256 - count, 0)
                precondition(more > 0, "receive")
                count += more
            }
        }
        close(stream)
        buffer.deallocate()
    }
}

// MARK: Disk

private func disk(_ operation: BlockOperation, depth: Int, _ what: String) throws(EngineError) {
    let platform = Fiber.scheduler.platform
    let rounds = (operation == .durableWrite ? 4_000 : 64_000) / max(1, depth)
    let memory = platform.allocate(byteCount: depth * pageSize, node: 0, huge: false)!
    let main = Fiber.current
    let scheduler = Fiber.scheduler
    let ended = Turn()
    let pages = platform.blockGeometry.byteCount / UInt64(pageSize)
    let watch = try Stopwatch()
    for index in 0..<depth {
        try scheduler.spawn(on: index % scheduler.workerCount, .interactive, "disk") {
            let core = Fiber.core
            var random = UInt64(index + 1) &* 0x9e37_79b9_7f4a_7c15
            let vector = UnsafeMutableBufferPointer<IOVector>.allocate(capacity: 1)
            vector.initialize(repeating: IOVector(base: memory + index * pageSize, byteCount: pageSize))
            for _ in 0..<rounds {
                random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let offset = (random >> 33) % pages * UInt64(pageSize)
                let result = Completion.wait { platform.queueBlock(core, operation, vector, offset: offset, tag: $0) }
                precondition(result == pageSize, "block request failed: \(result)")
            }
            vector.deallocate()
            if ended.value.add(1, ordering: .acquiringAndReleasing).newValue == depth { scheduler.wake(main) }
        }
    }
    while ended.value.load(ordering: .acquiring) < depth { Fiber.park() }
    try watch.report(what, depth * rounds)
    platform.deallocate(memory, byteCount: depth * pageSize)
}
