// How many pages a second the device gives from random places, through the engine's own block I/O: what the buffer pool can
// get at most. It only reads, so the device should hold data; one that gives zeros for what was never written is too fast.

import AsyncIO
import Fibers
import IOScheduler
import Platform
import Synchronization

package enum ReadBench {
    /// Keeps `depth` reads of one page each in flight (1 to 1,000), shared by all cores, for `duration`; reads per second.
    /// Each read has a fiber, which asks again when it has been answered. Errors: 58030 if the device fails; 53200 without
    /// memory or fibers.
    package static func run(on platform: any Platform, depth: Int, duration: Nanoseconds) throws(EngineError) -> UInt64
    {
        let scheduler = Scheduler(platform: platform, stackByteCount: 64 << 10, maxFibersPerWorker: 1024)
        let cores = min(depth, scheduler.workerCount)
        // A class gets all of a worker's queue but four places (`IOPolicy`).
        let io = BlockIO(scheduler: scheduler, deviceDepth: (depth + cores - 1) / cores + 4)
        guard let pages = platform.allocate(byteCount: depth * pageSize, node: 0, huge: false) else {
            throw EngineError(.outOfMemory, "no memory for \(depth) pages")
        }
        defer { platform.deallocate(pages, byteCount: depth * pageSize) }
        let shared = Shared()
        var failure: EngineError?
        var elapsed = Nanoseconds(1)
        try scheduler.run {
            let start = Fiber.now()
            let group = FiberGroup(count: depth)
            for index in 0..<depth {
                do throws(EngineError) {
                    try scheduler.spawn(on: index % cores, .interactive, "read") {
                        shared.read(io, into: pages + index * pageSize, seed: UInt64(index), until: start + duration)
                        group.done()
                    }
                } catch {
                    failure = error
                    group.done()
                }
            }
            group.wait()
            elapsed = Fiber.now() - start
            scheduler.stop()
        }
        if let failure { throw failure }
        if shared.failureCount.load(ordering: .relaxed) > 0 { throw EngineError(.ioError, "the device cannot be read") }
        return shared.readCount.load(ordering: .relaxed) * 1_000_000_000 / elapsed.rawValue
    }

    private final class Shared: Sendable {
        let readCount = Atomic<UInt64>(0)
        let failureCount = Atomic<Int>(0)

        func read(_ io: BlockIO, into page: UnsafeMutableRawPointer, seed: UInt64, until end: Nanoseconds) {
            let pageCount = Int(io.geometry.byteCount / UInt64(pageSize))
            var random = SuiteRandom(seed: seed << 32)
            var count: UInt64 = 0
            while Fiber.now() < end {
                do throws(EngineError) {
                    let offset = UInt64(random.next(below: pageCount)) * UInt64(pageSize)
                    try io.read(into: page, offset: offset, byteCount: pageSize, class: .read)
                    count += 1
                } catch {
                    failureCount.add(1, ordering: .relaxed)
                    break
                }
            }
            readCount.add(count, ordering: .relaxed)
        }
    }
}
