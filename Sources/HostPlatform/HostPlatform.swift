// The engine's world on Linux: a thread per core, one io_uring per worker, sockets, a file or block device as the disk.
//
// A worker sleeps in io_uring_enter and nowhere else; parking submits what is queued and waits in that one call. Another
// thread ends the sleep through the core's eventfd, and only writes it if the core is asleep or about to be.

import CLinux
import CPrimitives
import NetworkEngine
import Platform
import Synchronization

package final class HostPlatform: Platform, @unchecked Sendable {
    package struct Options {
        /// File or block device.
        package var diskPath: String
        /// Size to create a file with; 0 takes the file as it is. A file with content keeps its size.
        package var diskByteCount: UInt64
        package var createIfMissing: Bool
        /// Workers; 0 is one for each CPU this process may use.
        package var cores: Int
        /// Threads and epoll instead of io_uring.
        package var forceFallback: Bool
        /// SIGINT, SIGTERM and SIGHUP become completions of `queueStopRequest` instead of ending the process.
        package var takesSignals: Bool
        /// The terminal on standard input is the engine's console, if there is one.
        package var takesConsole: Bool
        /// The engine's own network stack over a TAP device instead of Linux's sockets.
        package var tap: TapOptions?
        package init(
            diskPath: String, diskByteCount: UInt64 = 0, createIfMissing: Bool = false, cores: Int = 0,
            forceFallback: Bool = false, takesSignals: Bool = false, takesConsole: Bool = false
        ) {
            self.diskPath = diskPath
            self.diskByteCount = diskByteCount
            self.createIfMissing = createIfMissing
            self.cores = cores
            self.forceFallback = forceFallback
            self.takesSignals = takesSignals
            self.takesConsole = takesConsole
        }
    }

    package let topology: Topology
    package let blockGeometry: BlockGeometry
    private let disk: dbk_disk
    private let cpus: [Int32]
    /// Nanoseconds for which a worker that has nothing to do looks out before it sleeps. Measured with one client on a
    /// virtual machine of two cores: 40 µs take 11 k round trips/s to 17 k. None where workers share CPUs.
    private let spinLimit: UInt64
    /// True if this platform does without io_uring.
    package let usesFallback: Bool
    /// Readable while a signal waits to be taken; -1 without `takesSignals`.
    private let signals: Int32
    package let hasConsoleInput: Bool
    private let hasArmedSignals = Atomic<Bool>(false)
    /// One per core, at a stride that gives each its own cache lines.
    private let cores: UnsafeMutablePointer<CoreState>

    /// Unix-domain sockets, to be removed at the end. Filled before clients come.
    private var socketPaths: [String] = []
    /// Nil: Linux's sockets.
    private var network: HostNetwork?

    private static let maxCores = 256

    /// 22023 for a number of cores or a network address that cannot be, 58030 if the TAP device or the disk cannot be opened, 53100 if there is no space to create
    /// it, 55006 if another process has it.
    package init(options: Options) throws(EngineError) {
        guard (0...Self.maxCores).contains(options.cores) else {
            throw EngineError(
                .invalidParameterValue, "invalid number of cores: \(options.cores)", severity: .fatal,
                hint: "Give from 1 to \(Self.maxCores) cores, or 0 for all.")
        }
        disk = try Self.openDisk(options)
        blockGeometry = BlockGeometry(
            byteCount: disk.byte_count / UInt64(pageSize) * UInt64(pageSize),
            logicalBlockSize: Int(disk.logical_block_size), atomicWriteByteCount: Int(disk.atomic_write_byte_count),
            hasVolatileCache: disk.has_volatile_cache != 0, maxTransferByteCount: 1 << 20, queueDepth: 128)
        var allowed = [Int32](repeating: 0, count: 1024)
        let allowedCount = max(1, Int(dbk_allowed_cpus(&allowed, 1024)))
        let count = options.cores > 0 ? options.cores : allowedCount
        cpus = (0..<count).map { allowed[$0 % allowedCount] }
        spinLimit = count <= allowedCount ? 40_000 : 0
        let nodes = cpus.map { Int(dbk_numa_node($0)) }
        let nodeCount = (nodes.max() ?? 0) + 1
        topology = Topology(
            nodeOfCore: nodes,
            distance: (0..<nodeCount).map { from in
                (0..<nodeCount).map { Int(dbk_numa_distance(Int32(from), Int32($0))) }
            })
        cores = .allocate(capacity: count)
        for core in 0..<count { (cores + core).initialize(to: CoreState(wakeEvent: dbk_event_create())) }
        // Before any worker starts: they inherit the blocked signals.
        signals = options.takesSignals ? dbk_signal_descriptor() : -1
        hasConsoleInput = options.takesConsole && dbk_console_open() != 0
        let refusal = dbk_uring_probe()
        usesFallback = options.forceFallback || refusal != 0
        if options.forceFallback {
            log("io_uring is switched off: using epoll and disk threads instead")
        } else if refusal != 0 {
            log(
                "io_uring cannot be used here (\(String(cString: dbk_error_text(-refusal)))): using epoll and disk threads "
                    + "instead, which is slower; see sysctl kernel.io_uring_disabled and the container's seccomp profile"
            )
        }
        if let tap = options.tap { network = try HostNetwork(tap, coreCount: count) }
        if disk.is_direct == 0 {
            log("the disk does not allow direct I/O: the page cache of Linux holds a second copy of its pages")
        }
    }

    deinit {
        for path in socketPaths { dbk_unlink(path) }
        for core in 0..<topology.coreCount { dbk_close(cores[core].wakeEvent) }
        cores.deinitialize(count: topology.coreCount)
        cores.deallocate()
        if signals >= 0 { dbk_close(signals) }
        dbk_close(disk.fd)
    }

    private static func openDisk(_ options: Options) throws(EngineError) -> dbk_disk {
        var disk = dbk_disk()
        let error = dbk_disk_open(
            options.diskPath, options.diskByteCount, options.createIfMissing ? 1 : 0, &disk)
        if error == 0 && disk.byte_count < UInt64(pageSize) {
            dbk_close(disk.fd)
            throw EngineError(
                .invalidParameterValue,
                "disk \"\(options.diskPath)\" is empty or too small: it has \(disk.byte_count) bytes", severity: .fatal,
                hint: "Give it a size.")
        }
        if error == 0 { return disk }
        let path = options.diskPath
        switch -error {
        case 11:
            throw EngineError(
                .objectInUse, "disk \"\(path)\" is in use by another process", severity: .fatal,
                hint: "Stop the other server, or give this one another disk.")
        case 28:
            throw EngineError(
                .diskFull,
                "could not create disk \"\(path)\" of \(options.diskByteCount) bytes: No space left on device",
                severity: .fatal)
        default:
            throw EngineError(
                .ioError, "could not open disk \"\(path)\": \(String(cString: dbk_error_text(-error)))",
                severity: .fatal)
        }
    }

    // MARK: Cores

    package func runWorkers(_ body: @escaping @Sendable (CoreIndex) -> Void) {
        let context = WorkerContext(platform: self, body: body)
        let error = dbk_run_threads(
            Int32(topology.coreCount), cpus,
            { context, index in
                Unmanaged<WorkerContext>.fromOpaque(context!).takeUnretainedValue().run(Int(index))
            }, Unmanaged.passUnretained(context).toOpaque())
        withExtendedLifetime(context) {}
        precondition(error == 0, "could not start a worker thread")
    }

    fileprivate func work(_ core: CoreIndex, _ body: (CoreIndex) -> Void) {
        var ring: OpaquePointer?
        var error = dbk_ring_create(&ring, usesFallback ? 1 : 0, 512, disk.fd, cores[core].wakeEvent, spinLimit)
        // The trial at the start has passed, but memory or descriptors may have run out since.
        if error != 0 && !usesFallback { error = dbk_ring_create(&ring, 1, 512, disk.fd, cores[core].wakeEvent, 0) }
        if error != 0 {
            log("worker \(core) cannot start: \(String(cString: dbk_error_text(-error)))")
            exit(status: 71)
        }
        cores[core].ring = ring
        if core == HostNetwork.owner { network?.forgetWatch() }
        body(core)
        cores[core].ring = nil
        dbk_ring_destroy(ring)
    }

    package func park(_ core: CoreIndex, until deadline: Nanoseconds) {
        guard let network else { return parkInRing(core, until: deadline) }
        if core == HostNetwork.owner {
            driveNetwork(network, core)
            let own = network.stack.nextDeadline
            parkInRing(core, until: network.hasWork ? Nanoseconds(0) : own < deadline ? own : deadline)
        } else {
            if network.service.hasRequests(from: core) { wake(HostNetwork.owner) }
            parkInRing(core, until: network.stack.hasCompletions(core) ? Nanoseconds(0) : deadline)
        }
    }

    private func driveNetwork(_ network: HostNetwork, _ core: CoreIndex) {
        network.drive(cores[core].ring, wake: { wake($0) }, log: { log($0) })
    }

    private func parkInRing(_ core: CoreIndex, until deadline: Nanoseconds) {
        let (wasFirst, _) = cores[core].sleep.compareExchange(
            expected: Sleep.awake, desired: Sleep.asleep, ordering: .acquiringAndReleasing)
        if wasFirst {
            var timeout: Int64 = -1
            if deadline != .never { timeout = Int64(min((deadline - now()).rawValue, UInt64(Int64.max))) }
            if timeout == 0 { submit(core) } else { dbk_ring_park(cores[core].ring, timeout) }
        } else {
            submit(core)
        }
        cores[core].sleep.store(Sleep.awake, ordering: .releasing)
    }

    package func wake(_ core: CoreIndex) {
        // Only the one who turns asleep into notified pays for the system call.
        if cores[core].sleep.exchange(Sleep.notified, ordering: .acquiringAndReleasing) == Sleep.asleep {
            dbk_event_signal(cores[core].wakeEvent)
        }
    }

    package func submit(_ core: CoreIndex) {
        if let network, core != HostNetwork.owner, network.service.hasRequests(from: core) { wake(HostNetwork.owner) }
        dbk_ring_submit(cores[core].ring)
    }

    package func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>) -> Int {
        guard let network else { return pollRing(core, into: events) }
        if core == HostNetwork.owner { driveNetwork(network, core) }
        let count = network.stack.takeCompletions(core, into: events)
        if count == events.count { return count }
        let rest = UnsafeMutableBufferPointer(rebasing: events[count...])
        var ringCount = pollRing(core, into: rest)
        if core == HostNetwork.owner {
            for index in 0..<ringCount where rest[index].tag == Tag(network.tag) {
                network.becameReadable()
                ringCount -= 1
                rest[index] = rest[ringCount]
                break
            }
        }
        return count + ringCount
    }

    private func pollRing(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>) -> Int {
        let base = UnsafeMutableRawPointer(events.baseAddress!).assumingMemoryBound(to: dbk_event.self)
        return Int(dbk_ring_poll(cores[core].ring, base, UInt32(events.count)))
    }

    // MARK: Time

    package func now() -> Nanoseconds { Nanoseconds(dbk_monotonic()) }
    package func wallClock() -> Int64 { dbk_wall_clock() }

    // MARK: Memory

    package func allocate(byteCount: Int, node: Int, huge: Bool) -> UnsafeMutableRawPointer? {
        dbk_map(byteCount, Int32(node), huge ? 1 : 0)
    }
    package func deallocate(_ base: UnsafeMutableRawPointer, byteCount: Int) { dbk_unmap(base, byteCount) }
    package func reserve(byteCount: Int) -> UnsafeMutableRawPointer? { dbk_reserve(byteCount) }
    package func discard(_ base: UnsafeMutableRawPointer, pageCount: Int) { dbk_discard(base, pageCount * pageSize) }
    package func preferLargePages(_ base: UnsafeMutableRawPointer, byteCount: Int, _ isPreferred: Bool) -> Bool {
        dbk_prefer_large_pages(base, byteCount, isPreferred ? 1 : 0) == 0
    }
    package func splitPages(_ base: UnsafeMutableRawPointer, byteCount: Int) { dbk_split_pages(base, byteCount) }
    package func queuePopulate(_ core: CoreIndex, _ base: UnsafeMutableRawPointer, byteCount: Int, tag: Tag) -> Bool {
        dbk_ring_populate(cores[core].ring, base, byteCount, UInt64(tag)) != 0
    }
    package func protect(_ base: UnsafeMutableRawPointer, pageCount: Int) { dbk_protect(base, pageCount * pageSize) }

    // MARK: Block device

    package func queueBlock(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>,
        offset: UInt64, tag: Tag
    ) -> Bool {
        let base = UnsafeMutableRawPointer(vectors.baseAddress)?.assumingMemoryBound(to: dbk_vector.self)
        return dbk_ring_block(
            cores[core].ring, Int32(operation.rawValue), base, UInt32(vectors.count), offset, UInt64(tag)) != 0
    }

    // MARK: Streams

    package func listen(address: String) throws(EngineError) -> (StreamHandle, boundAddress: String) {
        if let network { return try network.service.listen(address: address) }
        if address.hasPrefix("/") { return try listen(path: address) }
        guard let (host, givenPort) = Self.split(address) else {
            throw EngineError(
                .invalidParameterValue, "invalid listen address \"\(address)\"", hint: "Write A.B.C.D:PORT.")
        }
        var port = givenPort
        let fd = dbk_listen(host, &port, 1024)
        if fd == -22 { throw Self.invalidAddress(address) }
        if fd < 0 {
            throw EngineError(
                .ioError, "could not listen on \(address): \(String(cString: dbk_error_text(-fd)))", severity: .fatal)
        }
        return (StreamHandle(rawValue: fd), "\(host):\(port)")
    }

    private func listen(path: String) throws(EngineError) -> (StreamHandle, boundAddress: String) {
        let fd = dbk_listen_unix(path, 1024)
        if fd == -98 {
            throw EngineError(
                .objectInUse, "socket \"\(path)\" is in use", severity: .fatal,
                hint: "Stop the other server, or listen on another port.")
        }
        if fd < 0 {
            throw EngineError(
                .ioError, "could not listen on \"\(path)\": \(String(cString: dbk_error_text(-fd)))", severity: .fatal)
        }
        socketPaths.append(path)
        return (StreamHandle(rawValue: fd), path)
    }

    private static func invalidAddress(_ address: String) -> EngineError {
        EngineError(.invalidParameterValue, "invalid address \"\(address)\"", hint: "Write A.B.C.D:PORT.")
    }

    private static func split(_ address: String) -> (host: String, port: UInt16)? {
        guard let colon = address.lastIndex(of: ":"), let port = UInt16(address[address.index(after: colon)...]) else {
            return nil
        }
        return (String(address[..<colon]), port)
    }

    package func queueAccept(_ core: CoreIndex, _ listener: StreamHandle, tag: Tag) -> Bool {
        if let network { return network.service.queueAccept(core, listener, tag: tag) }
        return dbk_ring_accept(cores[core].ring, listener.rawValue, UInt64(tag)) != 0
    }
    package func queueReceive(_ core: CoreIndex, _ stream: StreamHandle, into buffer: IOVector, tag: Tag) -> Bool {
        if let network { return network.service.queueReceive(core, stream, into: buffer, tag: tag) }
        return dbk_ring_receive(cores[core].ring, stream.rawValue, buffer.base, buffer.byteCount, UInt64(tag)) != 0
    }
    package func queueSend(_ core: CoreIndex, _ stream: StreamHandle, _ buffer: IOVector, tag: Tag) -> Bool {
        if let network { return network.service.queueSend(core, stream, buffer, tag: tag) }
        return dbk_ring_send(cores[core].ring, stream.rawValue, buffer.base, buffer.byteCount, UInt64(tag)) != 0
    }
    package func queueConnect(_ core: CoreIndex, to address: String, tag: Tag) throws(EngineError) -> Bool {
        if let network { return try network.service.queueConnect(core, to: address, tag: tag) }
        guard let (host, port) = Self.split(address) else { throw Self.invalidAddress(address) }
        let queued = dbk_ring_connect(cores[core].ring, host, port, UInt64(tag))
        if queued == -22 { throw Self.invalidAddress(address) }
        if queued < 0 {
            throw EngineError(.ioError, "could not connect to \(address): \(String(cString: dbk_error_text(-queued)))")
        }
        return queued != 0
    }
    package func shutdown(_ stream: StreamHandle) {
        guard let network else { return dbk_shutdown(stream.rawValue) }
        network.service.shutdown(stream)
        wake(HostNetwork.owner)
    }
    package func close(_ stream: StreamHandle) {
        guard let network else { return dbk_close_stream(stream.rawValue) }
        network.service.close(stream)
        wake(HostNetwork.owner)
    }

    // MARK: The rest

    package func consoleWrite(_ bytes: UnsafeRawBufferPointer) { dbk_console_write(bytes.baseAddress, bytes.count) }
    package func queueConsoleInput(_ core: CoreIndex, tag: Tag) -> Bool {
        dbk_ring_poll_fd(cores[core].ring, 0, UInt64(tag)) != 0
    }
    package func readConsole(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        Int(dbk_console_read(bytes.baseAddress, bytes.count))
    }
    package func entropy(_ bytes: UnsafeMutableRawBufferPointer) { dbk_entropy(bytes.baseAddress, bytes.count) }
    package func exit(status: Int32) -> Never { dbk_exit(status) }

    package func queueStopRequest(_ core: CoreIndex, tag: Tag) -> Bool {
        if signals < 0 { return true }
        // The signal that the request before reported is taken only now: until then the descriptor stays readable.
        if hasArmedSignals.exchange(true, ordering: .acquiringAndReleasing) { _ = dbk_signal_take(signals) }
        return dbk_ring_poll_fd(cores[core].ring, signals, UInt64(tag)) != 0
    }
}

/// Whether a wake must ring the core's bell.
enum Sleep {
    static let awake: UInt32 = 0
    static let asleep: UInt32 = 1
    /// A wake came since the last park.
    static let notified: UInt32 = 2
}

struct CoreState: ~Copyable {
    let sleep = Atomic<UInt32>(Sleep.awake)
    let wakeEvent: Int32
    var ring: OpaquePointer?
    private let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    init(wakeEvent: Int32) { self.wakeEvent = wakeEvent }
}

private final class WorkerContext: Sendable {
    let platform: HostPlatform
    let body: @Sendable (CoreIndex) -> Void
    init(platform: HostPlatform, body: @escaping @Sendable (CoreIndex) -> Void) {
        self.platform = platform
        self.body = body
    }
    func run(_ core: CoreIndex) { platform.work(core, body) }
}
