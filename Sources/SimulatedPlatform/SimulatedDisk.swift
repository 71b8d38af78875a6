// A disk in virtual time that loses its power as disks do.
//
// A request takes effect when it completes, after a time drawn at random, so requests overtake each other. The disk has a
// volatile cache: when the power goes, each write that no flush has covered, and each that was under way, is kept, dropped or
// torn at sectors, whatever becomes of the others. A flush covers the writes that were complete when it was queued; a
// durable write covers itself alone (FUA), which is the least that any device promises.
//
// Invariant: `cached` lists the writes since the last flush in the order in which they took effect, each with what it
// replaced, so that taking them back in reverse order yields what is surely on the medium.

import CLinux
import CPrimitives
import Platform

/// How a device behaves, drawn once for a seed.
package struct DiskProfile: Sendable {
    package var byteCount: UInt64 = 96 << 20
    package var sectorByteCount = 512
    /// Bytes that are written all or not at all.
    package var atomicWriteByteCount = 512
    package var maxTransferByteCount = 256 << 10
    package var queueDepth = 32
    /// Nanoseconds.
    package var latency: ClosedRange<Int> = 5_000...200_000
    /// Of a thousand requests: how many take a hundred times as long.
    package var slowPermille = 2
    /// Of a thousand requests: how many find the queue full.
    package var refusedPermille = 5
    /// Of a thousand reads or writes: how many transfer less than asked, at a sector.
    package var shortPermille = 5
    /// Of a thousand reads: how many fail, once.
    package var readErrorPermille = 0
    /// Says that it flushed, and did nothing: no engine can keep its promises on it, and the oracles must notice.
    package var liesAboutFlush = false
    package init() {}
}

package final class SimulatedDisk {
    private struct Request {
        let operation: BlockOperation
        let vectors: [IOVector]
        let offset: Int
        let tag: Tag
        let core: CoreIndex
        let due: UInt64
        let number: UInt64
        /// Flush: the writes that it covers took effect before this number.
        let covers: UInt64
        /// Of what is to be written, when it was queued: it must not change until it is.
        let checksum: UInt32
    }

    private struct CachedWrite {
        let offset: Int
        let byteCount: Int
        let before: UnsafeMutableRawPointer
        let after: UnsafeMutableRawPointer
        let isDurable: Bool
        let number: UInt64

        func deallocate() {
            before.deallocate()
            after.deallocate()
        }
    }

    package var profile: DiskProfile
    private var random: SimulationRandom
    private let visible: UnsafeMutableRawPointer
    private var underWay: [Request] = []
    private var cached: [CachedWrite] = []
    /// Counts effects and requests.
    private var clock: UInt64 = 0
    package private(set) var digest = HistoryDigest()
    package private(set) var writeCount = 0
    package private(set) var tornCount = 0
    package private(set) var droppedCount = 0

    package init(_ profile: DiskProfile, _ random: SimulationRandom) {
        self.profile = profile
        self.random = random
        guard let memory = dbk_reserve(Int(profile.byteCount)) else { preconditionFailure("no memory for a disk") }
        visible = memory
    }

    // MARK: Requests

    /// False if the queue is full.
    package func queue(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>, offset: UInt64,
        tag: Tag, now: UInt64
    ) -> Bool {
        if underWay.count >= profile.queueDepth || random.chance(permille: profile.refusedPermille) { return false }
        var latency = random.next(in: profile.latency)
        if random.chance(permille: profile.slowPermille) { latency *= 100 }
        clock += 1
        underWay.append(
            Request(
                operation: operation, vectors: Array(vectors), offset: Int(offset), tag: tag, core: core,
                due: now + UInt64(latency), number: clock, covers: clock,
                checksum: operation == .write || operation == .durableWrite ? Self.checksum(vectors) : 0))
        return true
    }

    private static func checksum(_ vectors: some Sequence<IOVector>) -> UInt32 {
        var sum: UInt32 = 0
        for vector in vectors { sum = dbk_crc32c(sum, vector.base, vector.byteCount) }
        return sum
    }

    /// When the next request completes.
    package var nextDue: UInt64? { underWay.min { ($0.due, $0.number) < ($1.due, $1.number) }?.due }

    /// Carries out what is due by `now`, and reports each completion.
    package func advance(to now: UInt64, _ completed: (CoreIndex, CompletionEvent) -> Void) {
        while let index = underWay.indices.min(by: {
            (underWay[$0].due, underWay[$0].number) < (underWay[$1].due, underWay[$1].number)
        }), underWay[index].due <= now {
            let request = underWay.remove(at: index)
            completed(request.core, CompletionEvent(tag: request.tag, result: carryOut(request)))
        }
    }

    private func carryOut(_ request: Request) -> Int {
        digest.add(UInt64(request.operation.rawValue) << 56 | UInt64(request.offset) << 8)
        digest.add(UInt64(request.checksum))
        if request.operation == .flush {
            if !profile.liesAboutFlush { forget { $0.number < request.covers } }
            return 0
        }
        var total = 0
        for vector in request.vectors { total += vector.byteCount }
        if request.operation == .read && random.chance(permille: profile.readErrorPermille) { return -PlatformErrno.io }
        let sector = profile.sectorByteCount
        if total > sector && random.chance(permille: profile.shortPermille) {
            total = sector * (1 + random.next(below: total / sector - 1))
        }
        if request.operation == .read {
            read(request, total)
        } else {
            precondition(
                Self.checksum(request.vectors) == request.checksum, "a buffer has changed while it was being written")
            writeCount += 1
            write(request, total, isDurable: request.operation == .durableWrite && !profile.liesAboutFlush)
        }
        return total
    }

    private func read(_ request: Request, _ total: Int) {
        var done = 0
        for vector in request.vectors where done < total {
            let count = min(vector.byteCount, total - done)
            vector.base.copyMemory(from: visible + request.offset + done, byteCount: count)
            done += count
        }
    }

    private func write(_ request: Request, _ total: Int, isDurable: Bool) {
        var done = 0
        for vector in request.vectors where done < total {
            let count = min(vector.byteCount, total - done)
            let place = visible + request.offset + done
            clock += 1
            let write = CachedWrite(
                offset: request.offset + done, byteCount: count, before: .allocate(byteCount: count, alignment: 16),
                after: .allocate(byteCount: count, alignment: 16), isDurable: isDurable, number: clock)
            write.before.copyMemory(from: place, byteCount: count)
            write.after.copyMemory(from: vector.base, byteCount: count)
            cached.append(write)
            place.copyMemory(from: vector.base, byteCount: count)
            done += count
        }
    }

    private func forget(_ isCovered: (CachedWrite) -> Bool) {
        for write in cached where isCovered(write) { write.deallocate() }
        cached.removeAll(where: isCovered)
    }

    // MARK: Power

    /// The power goes and comes back: requests are forgotten, and of what was not durable chance decides.
    package func losePower() {
        for request in underWay where request.operation == .write || request.operation == .durableWrite {
            // As much of it as got through, of a request that nobody heard of again.
            if random.next(below: 2) == 0 {
                write(request, request.vectors.reduce(0) { $0 + $1.byteCount }, isDurable: false)
            }
        }
        underWay.removeAll()
        for write in cached.reversed() {
            (visible + write.offset).copyMemory(from: write.before, byteCount: write.byteCount)
        }
        for write in cached {
            // 0 keeps, 1 drops, 2 tears.
            let fate = write.isDurable ? 0 : random.next(below: 3)
            if fate == 1 { droppedCount += 1 }
            if fate == 2 { tornCount += 1 }
            let unit = profile.atomicWriteByteCount
            for start in stride(from: 0, to: write.byteCount, by: unit) {
                if fate == 1 || (fate == 2 && random.next(below: 2) == 0) { continue }
                (visible + write.offset + start).copyMemory(
                    from: write.after + start, byteCount: min(unit, write.byteCount - start))
            }
        }
        forget { _ in true }
    }
}
