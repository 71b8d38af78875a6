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
    private var damage: DiskDamage
    /// Reads that met damage, or were damaged on their way.
    package private(set) var metCount = 0
    /// Requests that failed without damage.
    package private(set) var failedCount = 0
    /// The last requests, newest last.
    package private(set) var events: [DiskEvent] = []
    /// Set to lose the power at a certain request.
    package var trap: DiskTrap?
    package var hasSprung = false
    /// A page whose every write, copy and loss is noted in `watched`.
    package var watchedPage: Int?
    package private(set) var watched: [String] = []
    /// No faults but the loss of power from now on.
    package var isCalm = false

    package init(_ profile: DiskProfile, _ random: SimulationRandom) {
        self.profile = profile
        self.random = random
        guard let memory = dbk_reserve(Int(profile.byteCount)) else { preconditionFailure("no memory for a disk") }
        visible = memory
        damage = DiskDamage(pageCount: Int(profile.byteCount) / pageSize)
    }

    package func disarm() {
        trap = nil
        hasSprung = false
    }

    // MARK: Requests

    /// False if the queue is full.
    package func queue(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>, offset: UInt64,
        tag: Tag, now: UInt64
    ) -> Bool {
        if underWay.count >= profile.queueDepth || isStruck(profile.refusedPermille) { return false }
        var latency = random.next(in: profile.latency)
        if isStruck(profile.slowPermille) { latency *= 100 }
        clock += 1
        if operation == .write || operation == .durableWrite, trap?.isSprung(by: Int(offset) / pageSize) ?? false {
            trap = nil
            hasSprung = true
        }
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
            let (result, fault) = carryOut(request)
            var total = 0
            for vector in request.vectors { total += vector.byteCount }
            if events.count == 64 { events.removeFirst(32) }
            events.append(
                DiskEvent(
                    time: request.due, operation: request.operation, offset: request.offset, byteCount: total,
                    result: result, fault: fault))
            if watchedPage != nil { watch(request, result) }
            age()
            completed(request.core, CompletionEvent(tag: request.tag, result: result))
        }
    }

    /// Notes a request that touches the watched page, or writes what bears its number.
    private func watch(_ request: Request, _ result: Int) {
        guard let page = watchedPage else { return }
        if request.operation == .flush { return watched.append("\(request.due / 1000) us: flush: \(result)") }
        var place = request.offset
        for vector in request.vectors {
            for start in stride(from: 0, to: vector.byteCount, by: pageSize) {
                let isCopy =
                    request.operation != .read && start + 16 <= vector.byteCount
                    && vector.base.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self) == UInt64(page)
                if place / pageSize == page || isCopy {
                    let lsn = vector.base.loadUnaligned(fromByteOffset: start + 16, as: UInt64.self)
                    watched.append(
                        "\(request.due / 1000) us: \(request.operation) at page \(place / pageSize), LSN \(lsn): \(result)"
                    )
                }
                place += min(pageSize, vector.byteCount - start)
            }
        }
    }

    private func isStruck(_ permille: Int) -> Bool { !isCalm && random.chance(permille: permille) }

    /// Does it; the result for whoever asked, and what went wrong.
    private func carryOut(_ request: Request) -> (Int, fault: StaticString) {
        digest.add(UInt64(request.operation.rawValue) << 56 | UInt64(request.offset) << 8)
        digest.add(UInt64(request.checksum))
        if request.operation == .flush {
            if isStruck(profile.flushErrorPermille) { return fail("failed") }
            if !profile.liesAboutFlush { forget { $0.number < request.covers } }
            return (0, "")
        }
        var total = 0
        for vector in request.vectors { total += vector.byteCount }
        let sector = profile.sectorByteCount
        if total > sector && isStruck(profile.shortPermille) {
            total = sector * (1 + random.next(below: total / sector - 1))
        }
        if request.operation == .read { return carryOutRead(request, total) }
        precondition(
            Self.checksum(request.vectors) == request.checksum, "a buffer has changed while it was being written")
        if isStruck(profile.writeErrorPermille) { return fail("failed") }
        if !hasRoom(request.offset, total) {
            failedCount += 1
            return (-PlatformErrno.noSpace, "no room")
        }
        writeCount += 1
        write(request, total, isDurable: request.operation == .durableWrite && !profile.liesAboutFlush)
        if isStruck(profile.misdirectedWritePermille), misdirect(request, total) {
            return (total, "hit another place, too")
        }
        return (total, "")
    }

    private func fail(_ fault: StaticString) -> (Int, StaticString) {
        failedCount += 1
        return (-PlatformErrno.io, fault)
    }

    private func carryOutRead(_ request: Request, _ total: Int) -> (Int, fault: StaticString) {
        if isStruck(profile.readErrorPermille) { return fail("failed") }
        let met = damage.meets(request.offset, total)
        if met.count > 0 { metCount += 1 }
        if met.isUnreadable { return (-PlatformErrno.io, "unreadable") }
        // The log's last flush, read from elsewhere, would look as if it had never been.
        if isStruck(profile.misdirectedReadPermille), !damage.logPages.contains(request.offset / pageSize),
            let page = anyPage(for: total), page * pageSize != request.offset
        {
            metCount += 1
            read(request, total, from: page * pageSize)
            return (total, "from another place")
        }
        read(request, total, from: request.offset)
        return (total, met.count > 0 ? "met damage" : "")
    }

    private func read(_ request: Request, _ total: Int, from place: Int) {
        var done = 0
        for vector in request.vectors where done < total {
            let count = min(vector.byteCount, total - done)
            vector.base.copyMemory(from: visible + place + done, byteCount: count)
            done += count
        }
    }

    private func write(_ request: Request, _ total: Int, isDurable: Bool) {
        var done = 0
        for vector in request.vectors where done < total {
            let count = min(vector.byteCount, total - done)
            let place = visible + request.offset + done
            clock += 1
            // What a loss of power may bring back is what was there before the damage.
            mend(request.offset + done, count)
            let write = CachedWrite(
                offset: request.offset + done, byteCount: count, before: .allocate(byteCount: count, alignment: 16),
                after: .allocate(byteCount: count, alignment: 16), isDurable: isDurable, number: clock)
            write.before.copyMemory(from: place, byteCount: count)
            write.after.copyMemory(from: vector.base, byteCount: count)
            cached.append(write)
            place.copyMemory(from: vector.base, byteCount: count)
            damage.noteWrite(write.offset, count, number: clock)
            done += count
        }
    }

    private func forget(_ isCovered: (CachedWrite) -> Bool) {
        for write in cached where isCovered(write) { write.deallocate() }
        cached.removeAll(where: isCovered)
    }

    // MARK: Damage

    /// Where the log and the superblock's copies lie, which damage must leave enough of.
    package func protect(log: Range<Int>, quorum: Range<Int>) {
        damage.logPages = log
        damage.quorumPages = quorum
    }

    /// Pages with a sector that is damaged now.
    package var damagedPages: [Int] {
        var pages: [Int] = []
        for sector in damage.sectors {
            let page = sector.number * profile.sectorByteCount / pageSize
            if !pages.contains(page) { pages.append(page) }
        }
        return pages
    }

    /// Every sector is again what was last written to it.
    package func mend() { mend(0, Int(profile.byteCount)) }

    private func mend(_ offset: Int, _ byteCount: Int) {
        for sector in damage.take(offset, byteCount) {
            sector.contents.withUnsafeBytes {
                (visible + sector.number * profile.sectorByteCount).copyMemory(
                    from: $0.baseAddress.unsafelyUnwrapped, byteCount: $0.count)
            }
        }
    }

    /// Some page that was written and lies still: no write to it is cached or under way.
    private func anyPage(for byteCount: Int = pageSize) -> Int? {
        if damage.writtenPages.isEmpty { return nil }
        let page = damage.writtenPages[random.next(below: damage.writtenPages.count)]
        let start = page * pageSize
        let end = start + byteCount
        if end > Int(profile.byteCount) { return nil }
        for write in cached where write.offset < end && write.offset + write.byteCount > start { return nil }
        for request in underWay where request.operation != .read {
            let count = request.vectors.reduce(0) { $0 + $1.byteCount }
            if request.offset < end && request.offset + count > start { return nil }
        }
        return page
    }

    /// What happens to data that nobody touches.
    private func age() {
        if isStruck(profile.latentPermille) { _ = harm(.unreadable) }
        if isStruck(profile.rotPermille) { _ = harm(.rotten) }
    }

    /// Damages a sector of some page; false if the page that chance picked is not to be hit.
    package func harm(_ kind: DamageKind) -> Bool {
        guard let page = anyPage(), damage.mayHit(page) else { return false }
        let sectorsPerPage = pageSize / profile.sectorByteCount
        let sector = page * sectorsPerPage + random.next(below: sectorsPerPage)
        let place = visible + sector * profile.sectorByteCount
        damage.add(sector, kind, [UInt8](UnsafeRawBufferPointer(start: place, count: profile.sectorByteCount)))
        if kind == .unreadable { return true }
        let first = random.next(below: profile.sectorByteCount)
        for step in 0...random.next(below: 3) {
            let byte = (first + step) % profile.sectorByteCount
            let old = place.load(fromByteOffset: byte, as: UInt8.self)
            place.storeBytes(of: old ^ UInt8(1 << random.next(below: 8)), toByteOffset: byte, as: UInt8.self)
        }
        return true
    }

    /// The first page of what was written goes to another place as well.
    private func misdirect(_ request: Request, _ total: Int) -> Bool {
        guard total >= pageSize, request.offset % pageSize == 0, let page = anyPage(), damage.mayHit(page),
            page * pageSize < request.offset || page * pageSize >= request.offset + total
        else { return false }
        let sector = profile.sectorByteCount
        let place = visible + page * pageSize
        for start in stride(from: 0, to: pageSize, by: sector) {
            damage.add(
                page * (pageSize / sector) + start / sector, .overwritten,
                [UInt8](UnsafeRawBufferPointer(start: place + start, count: sector)))
        }
        place.copyMemory(from: visible + request.offset, byteCount: pageSize)
        return true
    }

    private func hasRoom(_ offset: Int, _ byteCount: Int) -> Bool {
        guard let storable = profile.storableByteCount, !isCalm else { return true }
        var missing = 0
        for page in offset / pageSize...(offset + byteCount - 1) / pageSize where !damage.isWritten(page) {
            missing += 1
        }
        return missing == 0 || (damage.writtenPages.count + missing) * pageSize <= Int(storable)
    }

    // MARK: Power

    /// What is under way never happens: whoever asked is gone, and so may be the memory.
    package func forgetRequests() { underWay.removeAll() }

    /// The process ends, the machine does not: what is under way gets through or not, and the cache is kept.
    package func loseProcess() {
        for request in underWay where request.operation == .write || request.operation == .durableWrite {
            if random.next(below: 2) == 0 {
                write(request, request.vectors.reduce(0) { $0 + $1.byteCount }, isDurable: false)
            }
        }
        underWay.removeAll()
    }

    /// The power goes and comes back: requests are forgotten, and of what was not durable chance decides.
    package func losePower() {
        if watchedPage != nil { watched.append("the power goes") }
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
            // 0 keeps, 1 drops, 2 tears at sectors, 3 tears at pages: of many pages written at once some are whole.
            let fate = write.isDurable ? 0 : random.next(below: 4)
            if fate == 1 { droppedCount += 1 }
            if fate >= 2 { tornCount += 1 }
            if let page = watchedPage, write.offset < (page + 1) * pageSize,
                write.offset + write.byteCount > page * pageSize
            {
                watched.append(
                    "power lost: the write of \(write.byteCount) bytes at \(write.offset / pageSize): \(fate)")
            }
            let unit = fate == 3 ? max(pageSize, profile.atomicWriteByteCount) : profile.atomicWriteByteCount
            for start in stride(from: 0, to: write.byteCount, by: unit) {
                if fate == 1 || (fate >= 2 && random.next(below: 2) == 0) { continue }
                (visible + write.offset + start).copyMemory(
                    from: write.after + start, byteCount: min(unit, write.byteCount - start))
            }
        }
        forget { _ in true }
    }
}
