// A platform whose block device fails, or keeps what it has done to itself, when told to; everything else is the platform
// beneath.

import Fibers
import Platform
import Synchronization

final class FailingPlatform: Platform, @unchecked Sendable {
    private let base: any Platform
    /// Block requests of these kinds fail with an I/O error from now on.
    let failsWrites = Atomic<Bool>(false)
    let failsFlushes = Atomic<Bool>(false)
    /// The device says that it has a volatile cache, whatever the one beneath has.
    let needsFlushes = Atomic<Bool>(false)
    let failureCount = Atomic<Int>(0)
    /// Reads that touch this byte of the device fail; -1: none.
    let unreadableByte = Atomic<Int>(-1)
    /// Durable writes, and reads, of `heldBytes` are done but do not complete while these are set.
    let holdsWrites = Atomic<Bool>(false)
    let holdsReads = Atomic<Bool>(false)
    /// Set while nothing is held.
    var heldBytes: Range<UInt64> = 0..<UInt64.max
    /// Completions held now.
    let heldCount = Atomic<Int>(0)
    /// Requests whose completions are to be held, with the flag that holds them, and completions that are. Each core touches
    /// its own.
    private let holding: UnsafeMutablePointer<[Tag: Hold]>
    private let held: UnsafeMutablePointer<[(event: CompletionEvent, hold: Hold)]>
    /// Failed requests whose completion has not been polled. Each core touches its own.
    private let failed: UnsafeMutablePointer<[Tag]>

    private enum Hold { case reads, writes }

    init(_ base: any Platform) {
        self.base = base
        failed = .allocate(capacity: base.topology.coreCount)
        failed.initialize(repeating: [], count: base.topology.coreCount)
        holding = .allocate(capacity: base.topology.coreCount)
        holding.initialize(repeating: [:], count: base.topology.coreCount)
        held = .allocate(capacity: base.topology.coreCount)
        held.initialize(repeating: [], count: base.topology.coreCount)
    }

    deinit {
        failed.deinitialize(count: base.topology.coreCount)
        failed.deallocate()
        holding.deinitialize(count: base.topology.coreCount)
        holding.deallocate()
        held.deinitialize(count: base.topology.coreCount)
        held.deallocate()
    }

    private func fails(_ operation: BlockOperation) -> Bool {
        switch operation {
        case .read: false
        case .write, .durableWrite: failsWrites.load(ordering: .acquiring)
        case .flush: failsFlushes.load(ordering: .acquiring)
        }
    }

    private func isSet(_ hold: Hold) -> Bool {
        switch hold {
        case .reads: holdsReads.load(ordering: .acquiring)
        case .writes: holdsWrites.load(ordering: .acquiring)
        }
    }

    private func meetsUnreadable(_ vectors: UnsafeMutableBufferPointer<IOVector>, _ offset: Int) -> Bool {
        let byte = unreadableByte.load(ordering: .acquiring)
        return byte >= offset && byte < vectors.reduce(offset) { $0 + $1.byteCount }
    }

    func queueBlock(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>, offset: UInt64,
        tag: Tag
    ) -> Bool {
        if !fails(operation) && !(operation == .read && meetsUnreadable(vectors, Int(offset))) {
            let isQueued = base.queueBlock(core, operation, vectors, offset: offset, tag: tag)
            let hold: Hold? =
                switch operation {
                case .read: .reads
                case .durableWrite: .writes
                case .write, .flush: nil
                }
            if isQueued, let hold, isSet(hold), heldBytes.contains(offset) { holding[core][tag] = hold }
            return isQueued
        }
        failed[core].append(tag)
        failureCount.add(1, ordering: .relaxed)
        return true
    }

    func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>) -> Int {
        if failed[core].isEmpty {
            let count = base.poll(core, into: events)
            return holding[core].isEmpty && held[core].isEmpty ? count : hold(core, events, count)
        }
        var count = 0
        while count < events.count, let tag = failed[core].popLast() {
            events[count] = CompletionEvent(tag: tag, result: -PlatformErrno.io)
            count += 1
        }
        return count
    }

    /// Takes out what is to be held, or adds what need not be held any more; the number of events that are left.
    private func hold(_ core: CoreIndex, _ events: UnsafeMutableBufferPointer<CompletionEvent>, _ count: Int) -> Int {
        var left = 0
        for index in 0..<count {
            let event = events[index]
            if let hold = holding[core].removeValue(forKey: event.tag) {
                held[core].append((event, hold))
                heldCount.add(1, ordering: .relaxed)
            } else {
                events[left] = event
                left += 1
            }
        }
        while left < events.count, let index = held[core].lastIndex(where: { !isSet($0.hold) }) {
            events[left] = held[core].remove(at: index).event
            heldCount.subtract(1, ordering: .relaxed)
            left += 1
        }
        return left
    }

    /// The device goes on. A core that sleeps over what was held would not hear of it by itself.
    func releaseWrites() { release(holdsWrites) }
    func releaseReads() { release(holdsReads) }

    private func release(_ flag: borrowing Atomic<Bool>) {
        flag.store(false, ordering: .releasing)
        for core in 0..<topology.coreCount { wake(core) }
    }

    func park(_ core: CoreIndex, until deadline: Nanoseconds) {
        let hasSome = !failed[core].isEmpty || held[core].contains { !isSet($0.hold) }
        if hasSome { base.submit(core) } else { base.park(core, until: deadline) }
    }

    var topology: Topology { base.topology }
    func runWorkers(_ body: @escaping @Sendable (CoreIndex) -> Void) { base.runWorkers(body) }
    func wake(_ core: CoreIndex) { base.wake(core) }
    func submit(_ core: CoreIndex) { base.submit(core) }
    func now() -> Nanoseconds { base.now() }
    func wallClock() -> Int64 { base.wallClock() }
    func allocate(byteCount: Int, node: Int, huge: Bool) -> UnsafeMutableRawPointer? {
        base.allocate(byteCount: byteCount, node: node, huge: huge)
    }
    func deallocate(_ memory: UnsafeMutableRawPointer, byteCount: Int) { base.deallocate(memory, byteCount: byteCount) }
    func reserve(byteCount: Int) -> UnsafeMutableRawPointer? { base.reserve(byteCount: byteCount) }
    func discard(_ memory: UnsafeMutableRawPointer, pageCount: Int) { base.discard(memory, pageCount: pageCount) }
    func restore(_ memory: UnsafeMutableRawPointer, pageCount: Int) {
        base.restore(memory, pageCount: pageCount)
    }
    func protect(_ memory: UnsafeMutableRawPointer, pageCount: Int) { base.protect(memory, pageCount: pageCount) }
    var blockGeometry: BlockGeometry {
        var geometry = base.blockGeometry
        if needsFlushes.load(ordering: .acquiring) { geometry.hasVolatileCache = true }
        return geometry
    }
    func listen(address: String) throws(EngineError) -> (StreamHandle, boundAddress: String) {
        try base.listen(address: address)
    }
    func queueAccept(_ core: CoreIndex, _ listener: StreamHandle, tag: Tag) -> Bool {
        base.queueAccept(core, listener, tag: tag)
    }
    func queueReceive(_ core: CoreIndex, _ stream: StreamHandle, into buffer: IOVector, tag: Tag) -> Bool {
        base.queueReceive(core, stream, into: buffer, tag: tag)
    }
    func queueSend(_ core: CoreIndex, _ stream: StreamHandle, _ buffer: IOVector, tag: Tag) -> Bool {
        base.queueSend(core, stream, buffer, tag: tag)
    }
    func shutdown(_ stream: StreamHandle) { base.shutdown(stream) }
    func close(_ stream: StreamHandle) { base.close(stream) }
    func consoleWrite(_ bytes: UnsafeRawBufferPointer) { base.consoleWrite(bytes) }
    func entropy(_ bytes: UnsafeMutableRawBufferPointer) { base.entropy(bytes) }
    func exit(status: Int32) -> Never { base.exit(status: status) }
}

extension SuiteContext {
    /// Runs `body` as a fiber over a device that can be made to fail. For bare cases.
    func onFailingDevice(
        _ body: @escaping (FailingPlatform) throws(EngineError) -> Void
    ) throws(EngineError) {
        let failing = FailingPlatform(platform)
        let scheduler = Scheduler(platform: failing, stackByteCount: 512 << 10, maxFibersPerWorker: 1024)
        currentScheduler = scheduler
        try scheduler.run {
            do throws(EngineError) {
                try body(failing)
            } catch {
                self.fail("threw: \(error.message)")
            }
            scheduler.stop()
        }
    }
}
