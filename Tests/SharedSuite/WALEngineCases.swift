// The log: what was appended comes back, what was acknowledged survives any crash, and damage is not mistaken for an end.

import AsyncIO
import CPrimitives
import Fibers
import IOScheduler
import Platform
import Synchronization
import WALEngine

func walEngineCases() -> [SuiteCase] {
    [
        SuiteCase("log: records of many fibers on every core come back whole and in order", recordsComeBackInOrder),
        SuiteCase("log: waitDurable returns only when the record is on the device", durableMeansOnTheDevice),
        SuiteCase("log: a crash at any block boundary loses nothing before it", everyBoundaryIsAnEnd),
        SuiteCase("log: a torn block ends the log and the record cut off by it", tornBlockEndsTheLog),
        SuiteCase("log: a block that later flushes prove durable is damage, not an end", damageIsNotAnEnd),
        SuiteCase("log: a block that the checkpoint proves durable is damage, not an end", checkpointProvesDurability),
        SuiteCase("log: a block that is not the one its successor followed is damage", brokenChainIsDamage),
        SuiteCase("log: blocks of an earlier boot behind a torn one are not read", earlierBootIsNotRead),
        SuiteCase("log: blocks of an earlier lap end the log, however often the zone wraps", earlierLapEndsTheLog),
        SuiteCase("log: a full ring delays appends and loses none", fullRingDelays),
        SuiteCase("log: a full zone stops user records, not the rest, until a checkpoint frees it", fullZoneStopsUsers),
        SuiteCase(bare: "log: a write error stops the log for good and tells everyone", writeErrorStopsTheLog),
        SuiteCase(
            bare: "log: an unreadable block is an error if the log goes that far, and nothing otherwise",
            unreadableBlocks),
        SuiteCase("log: a record that can never fit is refused with 54000", tooLongIsRefused),
        SuiteCase("log: the builder's record parses to what was built", builderRoundTrip),
        SuiteCase("log: a record with impossible lengths is refused, never read past", malformedRecordsAreRefused),
    ]
}

// MARK: A log on the case's disk

/// A log in a zone at 1 MiB of the disk, zeroed at the start.
final class LogRig {
    let context: SuiteContext
    let io: BlockIO
    let zone: LogZone
    private(set) var log: Log
    let ringByteCount: Int

    init(_ context: SuiteContext, zoneBlocks: Int = 1024, ringByteCount: Int = 1 << 20) throws(EngineError) {
        self.context = context
        self.ringByteCount = ringByteCount
        io = BlockIO(scheduler: context.scheduler)
        zone = LogZone(offset: 1 << 20, byteCount: UInt64(zoneBlocks * LogBlock.byteCount))
        log = try Log(scheduler: context.scheduler, io: io, zone: zone, ringByteCount: ringByteCount)
        try fill(from: 0, count: zoneBlocks, with: 0)
        try log.open(at: .empty, epoch: 1, oldestNeeded: LogZone.firstLSN)
    }

    /// Closes the log as after a crash and opens what a reader finds.
    func reopen(epoch: UInt32) throws(EngineError) {
        let tail = try readAll().tail
        log = try Log(scheduler: context.scheduler, io: io, zone: zone, ringByteCount: ringByteCount)
        try log.open(at: tail, epoch: epoch, oldestNeeded: LogZone.firstLSN)
    }

    /// Appends a note that says whose it is, which, and has `length` bytes that follow from both.
    @discardableResult
    func append(_ owner: UInt64, _ sequence: UInt64, length: Int) -> (start: LSN, end: LSN) {
        var record = log.makeRecord(.note, transactionID: owner, previousLSN: LSN(sequence))
        let bytes = record.appendUndo(byteCount: length)
        for index in 0..<length {
            bytes.storeBytes(of: pattern(owner, sequence, index), toByteOffset: index, as: UInt8.self)
        }
        return log.append(&record)
    }

    func checkNote(_ record: LogRecordView, line: UInt32 = #line) {
        let (owner, sequence) = (record.transactionID, record.previousLSN.rawValue)
        for (index, byte) in record.undo.enumerated() where byte != pattern(owner, sequence, index) {
            context.fail("record \(sequence) of \(owner) has a wrong byte at \(index)", line: line)
            return
        }
    }

    private func pattern(_ owner: UInt64, _ sequence: UInt64, _ index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: owner &* 31 &+ sequence &* 7 &+ UInt64(index))
    }

    /// Reads everything from the log's beginning (or `from`), checks every note, and returns the records' ends.
    @discardableResult
    func readAll(
        from start: LSN = LogZone.firstLSN, mustReach: LSN = .zero
    ) throws(EngineError) -> (tail: LogTail, ends: [UInt64], owners: [UInt64], sequences: [UInt64]) {
        let reader = try LogReader(io: io, zone: zone, from: start, mustReach: mustReach)
        var (ends, owners, sequences): ([UInt64], [UInt64], [UInt64]) = ([], [], [])
        while let record = try reader.next() {
            checkNote(record)
            ends.append(record.endLSN.rawValue)
            owners.append(record.transactionID)
            sequences.append(record.previousLSN.rawValue)
        }
        guard let tail = reader.tail else { throw EngineError(.internalError, "no tail at the end") }
        return (tail, ends, owners, sequences)
    }

    // MARK: Vandalism

    /// Overwrites whole zone slots.
    func fill(from slot: Int, count: Int, with byte: UInt8) throws(EngineError) {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: count * LogBlock.byteCount, alignment: 4096)
        defer { bytes.deallocate() }
        bytes.initializeMemory(as: UInt8.self, repeating: byte, count: count * LogBlock.byteCount)
        try io.write(
            from: bytes, offset: zone.offset + UInt64(slot * LogBlock.byteCount), byteCount: count * LogBlock.byteCount,
            class: .log, durable: true)
    }

    /// Passes the block in a slot through `change`.
    func alter(_ slot: Int, _ change: (UnsafeMutableRawPointer) -> Void) throws(EngineError) {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: LogBlock.byteCount, alignment: 4096)
        defer { bytes.deallocate() }
        let offset = zone.offset + UInt64(slot * LogBlock.byteCount)
        try io.read(into: bytes, offset: offset, byteCount: LogBlock.byteCount, class: .read)
        change(bytes)
        try io.write(from: bytes, offset: offset, byteCount: LogBlock.byteCount, class: .log, durable: true)
    }
}

// MARK: Cases

private func recordsComeBackInOrder(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 16384)
    let fibers = 12
    let perFiber: UInt64 = 200
    try context.onEveryCore(fibers) { (core, index) throws(EngineError) in
        let owner = UInt64(core * fibers + index + 1)
        var random = SuiteRandom(seed: owner)
        var last = LSN.zero
        for sequence in 0..<perFiber {
            let length = random.next(below: 20) == 0 ? random.next(below: 9000) : random.next(below: 200)
            try rig.log.ensureRoom(LogRecordLayout.byteCount(undo: length, operationCount: 0, operationByteCount: 0))
            let place = rig.append(owner, sequence, length: length)
            context.expect(last < place.end && last <= place.start, "a fiber's records ascend")
            last = place.end
            if random.next(below: 10) == 0 { try rig.log.waitDurable(last) }
            if random.next(below: 10) == 0 { Fiber.yield() }
        }
        try rig.log.waitDurable(last)
    }
    try rig.log.close()
    let (tail, ends, owners, sequences) = try rig.readAll()
    context.expectEqual(ends.count, context.coreCount * fibers * Int(perFiber), "records read")
    var next = [UInt64](repeating: 0, count: context.coreCount * fibers + 1)
    for index in 0..<ends.count {
        context.expectEqual(sequences[index], next[Int(owners[index])], "sequence of a fiber")
        next[Int(owners[index])] += 1
        if index > 0 { context.expect(ends[index - 1] < ends[index], "LSNs ascend") }
    }
    context.expectEqual(LogBlock.firstLSN(tail.nextNumber).rawValue, rig.log.durableLSN.rawValue, "end of the log")
}

private func durableMeansOnTheDevice(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 8192)
    try context.onEveryCore(4) { (core, index) throws(EngineError) in
        let owner = UInt64(core * 4 + index + 1)
        var random = SuiteRandom(seed: owner &+ 100)
        for sequence in 0..<UInt64(40) {
            let place = rig.append(owner, sequence, length: random.next(below: 6000))
            try rig.log.waitDurable(place.end)
            context.expect(place.end <= rig.log.durableLSN, "durableLSN covers it")
            // A fresh reader has nothing cached.
            let fetcher = try LogFetcher(io: rig.io, zone: rig.zone, platform: context.platform)
            let record = try fetcher.record(at: place.start)
            context.expectEqual(record.transactionID, owner, "owner")
            context.expectEqual(record.previousLSN.rawValue, sequence, "sequence")
            rig.checkNote(record)
        }
    }
    try rig.log.close()
}

/// A log of single-commit flushes and large flushes; its records' ends.
private func writeHistory(_ rig: LogRig, records: UInt64, firstSequence: UInt64 = 0) throws(EngineError) -> [UInt64] {
    var random = SuiteRandom(seed: records)
    var ends: [UInt64] = []
    for sequence in firstSequence..<(firstSequence + records) {
        let place = rig.append(1, sequence, length: random.next(below: 5000))
        ends.append(place.end.rawValue)
        if random.next(below: 3) > 0 { try rig.log.waitDurable(place.end) }
    }
    try rig.log.waitDurable(LSN(ends[ends.count - 1]))
    return ends
}

private func everyBoundaryIsAnEnd(_ context: SuiteContext) throws(EngineError) {
    for byte in [UInt8(0), 0xa5] {
        let rig = try LogRig(context, zoneBlocks: 256)
        let ends = try writeHistory(rig, records: 24)
        try rig.log.close()
        let next = Int(LogBlock.number(of: rig.log.durableLSN))
        for boundary in stride(from: next, to: 0, by: -1) {
            try rig.fill(from: boundary, count: 1, with: byte)
            let found = try rig.readAll()
            let limit = LogBlock.firstLSN(UInt64(boundary)).rawValue
            var expected = 0
            while expected < ends.count && ends[expected] <= limit { expected += 1 }
            context.expectEqual(found.ends.count, expected, "records before the boundary")
            context.expectEqual(Int(found.tail.nextNumber), boundary, "end of the log")
        }
    }
}

private func tornBlockEndsTheLog(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 256)
    // One flush of several blocks; the torn one is in its middle, so what follows in the same flush proves nothing.
    var ends: [UInt64] = []
    for sequence in 0..<UInt64(10) { ends.append(rig.append(1, sequence, length: 3000).end.rawValue) }
    try rig.log.close()
    context.expectEqual(rig.log.statistics.flushCount.load(ordering: .relaxed), 1, "flushes")
    try rig.alter(4) { block in
        (block + 512).initializeMemory(as: UInt8.self, repeating: 0, count: LogBlock.byteCount - 512)
    }
    let found = try rig.readAll()
    context.expectEqual(found.tail.nextNumber, 4, "end of the log")
    // Three blocks hold 12,192 bytes, a record takes 3,040.
    context.expectEqual(found.ends.count, 4, "complete records")
    // The next boot goes on there; the record that was cut off stays out.
    try rig.reopen(epoch: 2)
    let place = rig.append(2, 0, length: 100)
    try rig.log.waitDurable(place.end)
    try rig.log.close()
    let again = try rig.readAll()
    context.expectEqual(again.ends.count, 5, "records after the restart")
    context.expectEqual(again.owners.last ?? 0, 2, "owner of the last record")
}

private func damageIsNotAnEnd(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 256)
    _ = try writeHistory(rig, records: 24)
    try rig.log.close()
    let next = Int(LogBlock.number(of: rig.log.durableLSN))
    var last: UInt64 = 0
    try rig.alter(next - 1) { last = UnsafeRawPointer($0).little(LogBlock.durableNumber, as: UInt64.self) }
    let rot = { (block: UnsafeMutableRawPointer) in
        block.storeBytes(of: block.load(fromByteOffset: 99, as: UInt8.self) ^ 1, toByteOffset: 99, as: UInt8.self)
    }
    for slot in 1..<Int(last) {
        try rig.alter(slot, rot)
        context.expectError(.dataCorrupted) { () throws(EngineError) in try rig.readAll() }
        try rig.alter(slot, rot)
    }
    try rig.readAll()
}

private func checkpointProvesDurability(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 256)
    for sequence in 0..<UInt64(10) { rig.append(1, sequence, length: 3000) }
    try rig.log.close()
    let durable = rig.log.durableLSN
    try rig.fill(from: 4, count: 1, with: 0)
    try rig.readAll(mustReach: LogBlock.firstLSN(4))
    context.expectError(.dataCorrupted) { () throws(EngineError) in
        try rig.readAll(mustReach: LSN(LogBlock.firstLSN(4).rawValue + 1))
    }
    context.expectError(.dataCorrupted) { () throws(EngineError) in try rig.readAll(mustReach: durable) }
}

private func brokenChainIsDamage(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 256)
    // One flush, so that no later block is a witness: the chain alone tells.
    for sequence in 0..<UInt64(10) { rig.append(1, sequence, length: 3000) }
    try rig.log.close()
    try rig.alter(4) { block in
        // Whole, in its place, of this boot, and not what was there when block 5 was made.
        block.setLittle(LogBlock.durableNumber, UInt64(0))
        block.setLittle(
            LogBlock.checksum,
            dbk_crc32c(0, block + LogBlock.previousChecksum, LogBlock.byteCount - LogBlock.previousChecksum))
    }
    context.expectError(.dataCorrupted) { () throws(EngineError) in try rig.readAll() }
}

private func earlierBootIsNotRead(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 256)
    // Boot 1: one flush of eight blocks; its third is lost, the rest arrived.
    for sequence in 0..<UInt64(10) { rig.append(1, sequence, length: 3000) }
    try rig.log.close()
    let end = Int(LogBlock.number(of: rig.log.durableLSN))
    try rig.fill(from: 3, count: 1, with: 0)
    // Boots 2, 3, …: each writes one block where the log ended and crashes. Every stale block must be passed over.
    for epoch in 2..<UInt32(end) {
        try rig.reopen(epoch: epoch)
        let place = rig.append(UInt64(epoch), 0, length: 200)
        try rig.log.waitDurable(place.end)
        try rig.log.close()
        let found = try rig.readAll()
        context.expectEqual(found.owners.last ?? 0, UInt64(epoch), "last record is of the last boot")
        context.expectEqual(found.tail.nextNumber, UInt64(epoch) + 2, "end of the log")
        context.expectEqual(found.tail.epoch, epoch, "boot of the last block")
        context.expectEqual(found.ends.count, 2 + Int(epoch) - 1, "records")
    }
}

private func earlierLapEndsTheLog(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 64, ringByteCount: 16 * 4096)
    let lock = FiberMutex()
    var firstKept = LogZone.firstLSN
    try context.onEveryCore(3) { (core, index) throws(EngineError) in
        let owner = UInt64(core * 3 + index + 1)
        var random = SuiteRandom(seed: owner)
        for sequence in 0..<UInt64(1000) {
            let length = random.next(below: 1500)
            try rig.log.ensureRoom(LogRecordLayout.byteCount(undo: length, operationCount: 0, operationByteCount: 0))
            let place = rig.append(owner, sequence, length: length)
            if random.next(below: 3) == 0 { try rig.log.waitDurable(place.end) }
            // A checkpoint that needs nothing before the last record.
            if rig.log.usedByteCount > rig.log.userCapacityByteCount / 2 {
                lock.lock()
                if rig.log.oldestNeededLSN < place.start && place.end <= rig.log.durableLSN {
                    rig.log.oldestNeededLSN = place.start
                    firstKept = place.start
                }
                lock.unlock()
                try rig.log.waitDurable(place.end)
            }
        }
    }
    try rig.log.close()
    let laps = LogBlock.number(of: rig.log.durableLSN) / rig.zone.slotCount
    context.expect(laps >= 10, "the zone wrapped \(laps) times")
    let found = try rig.readAll(from: firstKept, mustReach: rig.log.durableLSN)
    context.expectEqual(
        LogBlock.firstLSN(found.tail.nextNumber).rawValue, rig.log.durableLSN.rawValue, "end of the log")
    context.expect(found.tail.cause == .earlierLap, "ended by a block of the lap before")
}

private func fullRingDelays(_ context: SuiteContext) throws(EngineError) {
    // No ensureRoom: every fiber runs into the full ring with its place already reserved.
    let rig = try LogRig(context, zoneBlocks: 4096, ringByteCount: 16 * 4096)
    try context.onEveryCore(16) { (core, index) throws(EngineError) in
        for sequence in 0..<UInt64(20) { rig.append(UInt64(core * 16 + index + 1), sequence, length: 9000) }
    }
    try rig.log.close()
    let found = try rig.readAll()
    context.expectEqual(found.ends.count, 16 * 20 * context.coreCount, "records read")
    context.expect(rig.log.statistics.stallCount.load(ordering: .relaxed) > 0, "the ring was full at times")
}

private func fullZoneStopsUsers(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 64, ringByteCount: 16 * 4096)
    let written = SharedWord<Int>(0)
    let group = FiberGroup(count: 1)
    try context.scheduler.spawn(on: 0, .interactive, "writer") {
        do throws(EngineError) {
            for sequence in 0..<UInt64(60) {
                try rig.log.ensureRoom(3100)
                let place = rig.append(1, sequence, length: 3000)
                try rig.log.waitDurable(place.end)
                written.word.add(1, ordering: .relaxed)
            }
        } catch {
            context.expect(error.state == .diskFull, "writer: \(error.message)")
        }
        group.done()
    }
    while !rig.log.isShortOfRoom { Fiber.sleep(.milliseconds(1)) }
    let stopped = written.word.load(ordering: .relaxed)
    context.expect(rig.log.usedByteCount <= rig.log.userCapacityByteCount, "users stop at their share")
    context.expect(stopped > 0 && stopped < 60, "stopped after \(stopped) records")
    // Rollback goes on into the reserve.
    for sequence in 0..<UInt64(8) {
        try rig.log.ensureRoom(3100, for: .system)
        rig.append(2, sequence, length: 3000)
    }
    // An open transaction that pins the log: users get an error.
    rig.log.refusesUserRoom = true
    context.expectError(.diskFull) { () throws(EngineError) in try rig.log.ensureRoom(3100) }
    group.wait()
    context.expectEqual(written.word.load(ordering: .relaxed), stopped, "records written while refused")
    // The log could not be moved for another reason than want of extents: they hear of that one.
    rig.log.explainRefusal(EngineError(.ioError, "block 7 of the log cannot be read"))
    context.expectError(.ioError) { () throws(EngineError) in try rig.log.ensureRoom(3100) }
    rig.log.explainRefusal(nil)
    rig.log.refusesUserRoom = false
    rig.log.oldestNeededLSN = rig.log.durableLSN
    try rig.log.ensureRoom(3100)
    try rig.log.close()
}

private func writeErrorStopsTheLog(_ context: SuiteContext) throws(EngineError) {
    try context.onFailingDevice { (device) throws(EngineError) in
        let rig = try LogRig(context, zoneBlocks: 1024, ringByteCount: 16 * 4096)
        let told = SharedWord<Int>(0)
        try context.onEveryCore(8) { (core, index) throws(EngineError) in
            let owner = UInt64(core * 8 + index + 1)
            for sequence in 0..<UInt64(1000) {
                let place = rig.append(owner, sequence, length: 300)
                if sequence == 30 && owner == 1 { device.failsWrites.store(true, ordering: .releasing) }
                do throws(EngineError) {
                    try rig.log.waitDurable(place.end)
                } catch {
                    context.expect(error.severity == .panic && error.state == .ioError, "\(error.message)")
                    // A write that was in the air before the failing one may still land, so nothing is said of `durableLSN`.
                    told.word.add(1, ordering: .relaxed)
                    return
                }
            }
        }
        context.expectEqual(told.word.load(ordering: .relaxed), 8 * context.coreCount, "fibers that were told")
        // The device works again, the log does not: nothing is retried, and nobody hangs on a ring that never empties.
        // A write that was in the air before the failing one may still land.
        Fiber.sleep(.milliseconds(300))
        let failures = device.failureCount.load(ordering: .relaxed)
        device.failsWrites.store(false, ordering: .releasing)
        let durable = rig.log.durableLSN
        for sequence in 0..<UInt64(100) { rig.append(1, sequence, length: 3000) }
        context.expectError(.ioError) { () throws(EngineError) in try rig.log.waitDurable(rig.log.insertLSN) }
        context.expectError(.ioError) { () throws(EngineError) in try rig.log.ensureRoom(3000) }
        context.expectError(.ioError) { () throws(EngineError) in try rig.log.close() }
        context.expect(rig.log.durableLSN == durable, "durableLSN stands still")
        context.expect(failures <= 2, "\(failures) writes failed: at most those in the air")
        let found = try rig.readAll(mustReach: durable)
        context.expect(LogBlock.firstLSN(found.tail.nextNumber) >= durable, "what was durable is there")
    }
}

/// A reader reads ahead, beyond what there is; what it meets there is no business of the log's.
private func unreadableBlocks(_ context: SuiteContext) throws(EngineError) {
    try context.onFailingDevice { (device) throws(EngineError) in
        let rig = try LogRig(context, zoneBlocks: 4096, ringByteCount: 64 * 4096)
        for sequence in 0..<UInt64(40) {
            try rig.log.waitDurable(rig.append(1, sequence, length: 3000).end)
        }
        try rig.log.close()
        let ends = try rig.readAll().ends
        context.expectEqual(ends.count, 40, "records")
        func fail(atBlock number: UInt64) {
            device.unreadableByte.store(Int(rig.zone.byteOffset(number)) + 700, ordering: .releasing)
        }
        for number: UInt64 in [2000, 3000, 4000] {
            fail(atBlock: number)
            context.expectEqual(try rig.readAll().ends.count, 40, "records before an unreadable block")
        }
        for number: UInt64 in [2, 20, 40] {
            fail(atBlock: number)
            context.expectError(.ioError) { () throws(EngineError) in try rig.readAll() }
        }
        device.unreadableByte.store(-1, ordering: .releasing)
    }
}

private func tooLongIsRefused(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context, zoneBlocks: 64, ringByteCount: 16 * 4096)
    context.expectError(.programLimitExceeded) { () throws(EngineError) in
        try rig.log.ensureRoom(rig.log.maxRecordByteCount + 8)
    }
    try rig.log.ensureRoom(rig.log.maxRecordByteCount)
    rig.append(1, 0, length: rig.log.maxRecordByteCount - LogRecordLayout.headerByteCount)
    try rig.log.close()
    context.expectEqual(try rig.readAll().ends.count, 1, "records")
}

private func builderRoundTrip(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context)
    var random = SuiteRandom(seed: 7)
    for _ in 0..<200 {
        let undoLength = random.next(below: 300)
        let operationCount = random.next(below: 5)
        let lengths = (0..<operationCount).map { _ in random.next(below: 200) }
        var record = rig.log.makeRecord(
            .compensation, transactionID: 42, previousLSN: LSN(8), undoNextLSN: LSN(16), flags: 3)
        record.appendUndo(byteCount: undoLength).initializeMemory(as: UInt8.self, repeating: 1, count: undoLength)
        for (index, length) in lengths.enumerated() {
            record.appendPageOperation(page: PageID(UInt64(index + 1)), opcode: UInt16(index), byteCount: length)
                .initializeMemory(as: UInt8.self, repeating: UInt8(index), count: length)
        }
        let bytes = record.finish()
        context.expectEqual(
            bytes.count,
            LogRecordLayout.byteCount(
                undo: undoLength, operationCount: operationCount, operationByteCount: lengths.reduce(0, +)), "length")
        let view = try LogRecordView(bytes, startLSN: LSN(4096))
        context.expect(view.kind == .compensation && view.flags == 3, "kind and flags")
        context.expectEqual(view.transactionID, 42, "transaction")
        context.expect(view.previousLSN == LSN(8) && view.undoNextLSN == LSN(16), "links")
        context.expectEqual(view.undo.count, undoLength, "undo length")
        context.expectEqual(view.endLSN.rawValue, 4096 + UInt64(bytes.count), "end")
        var index = 0
        for operation in view.pageOperations {
            context.expectEqual(operation.page.rawValue, UInt64(index + 1), "page")
            context.expectEqual(Int(operation.opcode), index, "opcode")
            context.expectEqual(operation.bytes.count, lengths[index], "operation length")
            context.expect(operation.bytes.allSatisfy { $0 == UInt8(index) }, "operation bytes")
            index += 1
        }
        context.expectEqual(index, operationCount, "operations")
    }
    try rig.log.close()
}

private func malformedRecordsAreRefused(_ context: SuiteContext) throws(EngineError) {
    let rig = try LogRig(context)
    var random = SuiteRandom(seed: 11)
    var refused = 0
    for _ in 0..<20_000 {
        var record = rig.log.makeRecord(.update, transactionID: 1)
        record.appendUndo(byteCount: 24).initializeMemory(as: UInt8.self, repeating: 0, count: 24)
        _ = record.appendPageOperation(page: PageID(9), opcode: 1, byteCount: 16)
        _ = record.appendPageOperation(page: PageID(9), opcode: 1, byteCount: 0)
        let bytes = UnsafeMutableRawBufferPointer(mutating: record.finish())
        bytes[random.next(below: bytes.count)] = UInt8(truncatingIfNeeded: random.next())
        do throws(EngineError) {
            let view = try LogRecordView(UnsafeRawBufferPointer(bytes))
            for operation in view.pageOperations {
                let start = operation.bytes.baseAddress.unsafelyUnwrapped - UnsafeRawPointer(bytes.baseAddress!)
                context.expect(start >= 0 && start + operation.bytes.count <= bytes.count, "inside the record")
            }
        } catch {
            refused += 1
        }
    }
    context.expect(refused > 100, "\(refused) records refused")
    try rig.log.close()
}
