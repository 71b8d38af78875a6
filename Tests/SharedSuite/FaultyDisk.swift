// A disk in memory that fails as disks do, under the cores, clock and memory of the platform that runs the suite.
//
// Everything is drawn from one seed. Requests are carried out when they are queued and complete in a random order; so a
// write takes effect before its completion is seen, as a real one may. The disk has a volatile cache: at power loss each
// write that no flush has covered is kept, dropped or torn, sector by sector, whatever became of the others.

import Fibers
import Platform
import Synchronization

package struct FaultOptions: Sendable {
    package var seed: UInt64 = 1
    package var byteCount: UInt64 = 64 << 20
    /// Smallest unit that is written whole.
    package var sectorByteCount = 512
    package var maxTransferByteCount = 1 << 20
    package var queueDepth = 32
    /// Of a thousand requests: how many are refused because the queue is full.
    package var refusedPermille = 0
    /// Of a thousand reads or writes: how many are cut short, at a sector.
    package var shortPermille = 0
    /// Of a thousand reads, writes: how many fail without having done anything.
    package var readErrorPermille = 0
    package var writeErrorPermille = 0
    /// The power goes with this write (see `writesSoFar`); 0 is never. Nothing completes after.
    package var powerLossAtWrite = 0
}

package final class FaultyDisk: Platform, @unchecked Sendable {
    private let base: any Platform
    private let lock = Atomic<Bool>(false)
    // All below: under the lock.
    package var options: FaultOptions
    private var random: SuiteRandom
    private let visible: UnsafeMutableRawPointer
    /// Writes since the last flush, oldest first.
    private var unflushed: [CachedWrite] = []
    private var ready: [[CompletionEvent]]
    private var writeCount = 0
    private(set) package var isPowered = true

    /// A write that no flush has covered, with what it replaced.
    private struct CachedWrite {
        let offset: Int
        let byteCount: Int
        let before: UnsafeMutableRawPointer
        let after: UnsafeMutableRawPointer
        /// Durable when it completed: survives.
        let isDurable: Bool
    }

    package init(over base: any Platform, _ options: FaultOptions) {
        self.base = base
        self.options = options
        random = SuiteRandom(seed: options.seed)
        // Reserved: a world that lost its power is never taken down, and should hold on to no more than it wrote.
        visible = base.reserve(byteCount: Int(options.byteCount))!
        ready = base.topology.nodeOfCore.map { _ in [] }
    }

    deinit {
        forgetCached()
        base.deallocate(visible, byteCount: Int(options.byteCount))
    }

    private func locked<R>(_ body: () -> R) -> R {
        while lock.exchange(true, ordering: .acquiring) {}
        defer { lock.store(false, ordering: .releasing) }
        return body()
    }

    // MARK: The block device

    package var blockGeometry: BlockGeometry {
        BlockGeometry(
            byteCount: options.byteCount, logicalBlockSize: 512, atomicWriteByteCount: options.sectorByteCount,
            hasVolatileCache: true, maxTransferByteCount: options.maxTransferByteCount, queueDepth: options.queueDepth)
    }

    package func queueBlock(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>,
        offset: UInt64, tag: Tag
    ) -> Bool {
        locked {
            if !isPowered { return true }
            if draw(options.refusedPermille) { return false }
            guard let result = carryOut(operation, vectors, Int(offset)) else { return true }
            ready[core].append(CompletionEvent(tag: tag, result: result))
            return true
        }
    }

    /// Nil if the power went.
    private func carryOut(
        _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>, _ offset: Int
    ) -> Int? {
        if operation == .flush {
            forgetCached()
            return 0
        }
        if draw(operation == .read ? options.readErrorPermille : options.writeErrorPermille) {
            return -PlatformErrno.io
        }
        var total = 0
        for vector in vectors { total += vector.byteCount }
        if draw(options.shortPermille) && total > 512 { total = 512 * (1 + random.next(below: total / 512 - 1)) }
        if operation != .read { writeCount += 1 }
        let dies = operation != .read && writeCount == options.powerLossAtWrite
        transfer(operation, vectors, offset, total, isDurable: operation == .durableWrite && !dies)
        if !dies { return total }
        isPowered = false
        return nil
    }

    private func transfer(
        _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>, _ offset: Int, _ total: Int,
        isDurable: Bool
    ) {
        var done = 0
        for vector in vectors where done < total {
            let count = min(vector.byteCount, total - done)
            let place = visible + offset + done
            if operation == .read {
                vector.base.copyMemory(from: place, byteCount: count)
            } else {
                let write = CachedWrite(
                    offset: offset + done, byteCount: count, before: .allocate(byteCount: count, alignment: 16),
                    after: .allocate(byteCount: count, alignment: 16), isDurable: isDurable)
                write.before.copyMemory(from: place, byteCount: count)
                write.after.copyMemory(from: vector.base, byteCount: count)
                unflushed.append(write)
                place.copyMemory(from: vector.base, byteCount: count)
            }
            done += count
        }
    }

    private func draw(_ permille: Int) -> Bool { permille > 0 && random.next(below: 1000) < permille }

    private func forgetCached() {
        for write in unflushed {
            write.before.deallocate()
            write.after.deallocate()
        }
        unflushed.removeAll()
    }

    /// What is left on the disk after the power loss, and the power back on. Requests from before are forgotten.
    package func powerOn() {
        locked {
            for write in unflushed.reversed() {
                (visible + write.offset).copyMemory(from: write.before, byteCount: write.byteCount)
            }
            for write in unflushed {
                let fate = write.isDurable ? 0 : random.next(below: 3)
                for sector in stride(from: 0, to: write.byteCount, by: options.sectorByteCount) {
                    // 0 keeps, 1 drops, 2 tears.
                    if fate == 1 || (fate == 2 && random.next(below: 2) == 0) { continue }
                    (visible + write.offset + sector).copyMemory(
                        from: write.after + sector, byteCount: min(options.sectorByteCount, write.byteCount - sector))
                }
            }
            forgetCached()
            for core in 0..<ready.count { ready[core].removeAll() }
            writeCount = 0
            options.powerLossAtWrite = 0
            isPowered = true
        }
    }

    /// Writes since the disk was made or the power came back.
    package var writesSoFar: Int { locked { writeCount } }

    /// What the disk holds now.
    package func peek(_ offset: UInt64) -> UnsafeMutableRawPointer { visible + Int(offset) }

    // MARK: Completions

    package func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>) -> Int {
        let count = locked {
            var count = 0
            while count < events.count && isPowered && !ready[core].isEmpty {
                events[count] = ready[core].remove(at: random.next(below: ready[core].count))
                count += 1
            }
            return count
        }
        return count > 0 ? count : base.poll(core, into: events)
    }

    package func park(_ core: CoreIndex, until deadline: Nanoseconds) {
        let hasWork = locked { isPowered && !ready[core].isEmpty }
        if hasWork { base.submit(core) } else { base.park(core, until: deadline) }
    }

    // MARK: The rest is the platform's

    package var topology: Topology { base.topology }
    package func runWorkers(_ body: @escaping @Sendable (CoreIndex) -> Void) { base.runWorkers(body) }
    package func wake(_ core: CoreIndex) { base.wake(core) }
    package func submit(_ core: CoreIndex) { base.submit(core) }
    package func now() -> Nanoseconds { base.now() }
    package func wallClock() -> Int64 { base.wallClock() }
    package func allocate(byteCount: Int, node: Int, huge: Bool) -> UnsafeMutableRawPointer? {
        base.allocate(byteCount: byteCount, node: node, huge: huge)
    }
    package func deallocate(_ memory: UnsafeMutableRawPointer, byteCount: Int) {
        base.deallocate(memory, byteCount: byteCount)
    }
    package func reserve(byteCount: Int) -> UnsafeMutableRawPointer? { base.reserve(byteCount: byteCount) }
    package func discard(_ memory: UnsafeMutableRawPointer, pageCount: Int) {
        base.discard(memory, pageCount: pageCount)
    }
    package func restore(_ memory: UnsafeMutableRawPointer, pageCount: Int) {
        base.restore(memory, pageCount: pageCount)
    }
    package func protect(_ memory: UnsafeMutableRawPointer, pageCount: Int) {
        base.protect(memory, pageCount: pageCount)
    }
    package func listen(address: String) throws(EngineError) -> (StreamHandle, boundAddress: String) {
        try base.listen(address: address)
    }
    package func queueAccept(_ core: CoreIndex, _ listener: StreamHandle, tag: Tag) -> Bool {
        base.queueAccept(core, listener, tag: tag)
    }
    package func queueReceive(_ core: CoreIndex, _ stream: StreamHandle, into buffer: IOVector, tag: Tag) -> Bool {
        base.queueReceive(core, stream, into: buffer, tag: tag)
    }
    package func queueSend(_ core: CoreIndex, _ stream: StreamHandle, _ buffer: IOVector, tag: Tag) -> Bool {
        base.queueSend(core, stream, buffer, tag: tag)
    }
    package func shutdown(_ stream: StreamHandle) { base.shutdown(stream) }
    package func close(_ stream: StreamHandle) { base.close(stream) }
    package func consoleWrite(_ bytes: UnsafeRawBufferPointer) { base.consoleWrite(bytes) }
    package func entropy(_ bytes: UnsafeMutableRawBufferPointer) { base.entropy(bytes) }
    package func exit(status: Int32) -> Never { base.exit(status: status) }
}

extension SuiteContext {
    /// Runs `body` as a fiber over the disk until it returns or the power goes. An error fails the case, but for one after
    /// the power has gone if the case allows that.
    func run(
        on disk: FaultyDisk, mayThrowAfterPowerLoss: Bool = false,
        _ body: @escaping (Scheduler) throws(EngineError) -> Void
    ) throws(EngineError) {
        let scheduler = Scheduler(platform: disk, stackByteCount: 512 << 10, maxFibersPerWorker: 256)
        try scheduler.run { [self] in
            do throws(EngineError) {
                try scheduler.spawn(on: 0, .background, "power") {
                    while disk.isPowered { Fiber.sleep(.microseconds(200)) }
                    scheduler.stop()
                }
                try body(scheduler)
            } catch {
                if disk.isPowered || !mayThrowAfterPowerLoss { fail("threw \(error.message)") }
            }
            scheduler.stop()
        }
    }
}
