// Transactions longer than the log zone: they end as any other, whatever happens on the way, and hinder nobody.

import AsyncIO
import BTree
import BufferPool
import DirectStorage
import Fibers
import IOScheduler
import MVCC
import Platform
import Synchronization
import WALEngine

func logOverflowCases() -> [SuiteCase] {
    [
        SuiteCase("log overflow: a transaction several times longer than the zone commits", longTransactionCommits),
        SuiteCase(
            "log overflow: a transaction several times longer than the zone rolls back", longTransactionRollsBack),
        SuiteCase("log overflow: so does one to a savepoint, and goes on", longTransactionGoesBackToSavepoint),
        SuiteCase("log overflow: an idle old transaction stops nobody", idleTransactionStopsNobody),
        SuiteCase("log overflow: a crash undoes a long transaction from the overflow", crashUndoesFromOverflow),
        SuiteCase("log overflow: a crash in that undo, again and again, changes nothing", crashesInLongUndo),
        SuiteCase(bare: "log overflow: power loss at any write leaves all of a long transaction or nothing") {
            context throws(EngineError) in
            for seed in 1...12 { try powerLossCase(context, seed: UInt64(seed)) }
        },
        SuiteCase("log overflow: a crash in a rollback that has filled the zone", crashWithZoneFull),
        SuiteCase(
            "log overflow: a checkpoint of recovery's does not count what a crash has cut off", cutOffCompensation),
        SuiteCase(bare: "log overflow: a long transaction is not forgotten before its end is durable") {
            context throws(EngineError) in
            try context.onFailingDevice { device throws(EngineError) in try endOnItsWay(context, device) }
        },
        SuiteCase("log overflow: a block read in part is kept for those who write to the rest of it", partlyReadBlock),
        SuiteCase("log overflow: a flipped bit in a moved block is found when the block is needed", flippedBitIsFound),
        SuiteCase("log overflow: on a full disk the long transaction is refused and undone, others go on", fullDisk),
        SuiteCase("log overflow: without room for any overflow, what fits the zone can be undone", noOverflowAtAll),
    ]
}

private let zoneByteCount: UInt64 = 1 << 20
private let rowCount: UInt64 = 2000

/// Rows that every case starts with, committed.
private func fill(_ rig: CrashRig) throws(EngineError) {
    let session = try rig.session()
    for start in stride(from: UInt64(0), to: rowCount, by: 100) {
        session.begin()
        for key in start..<start + 100 { _ = try session.insert(rig.table, key, key + 1, length: 100) }
        try session.commit()
    }
    session.close()
}

/// Changes in the open transaction until `zones` times the zone's bytes have gone through the log since `start`.
private func write(_ session: Session, _ rig: CrashRig, zones: UInt64, value: UInt64 = 9) throws(EngineError) {
    let end = rig.log.insertLSN.rawValue + zones * rig.log.capacityByteCount
    var turn: UInt64 = 0
    while rig.log.insertLSN.rawValue < end {
        for key in 0..<rowCount where key % 5 < 3 {
            _ = try session.update(rig.table, key, value, length: 80 + Int((key + turn) % 40))
            if rig.log.insertLSN.rawValue >= end { break }
        }
        for key in 0..<UInt64(200) { _ = try session.insert(rig.table, 100_000 + turn * 200 + key, value, length: 60) }
        turn += 1
    }
    for key in rowCount - 100..<rowCount { _ = try session.delete(rig.table, key) }
}

/// The table is as `fill` left it.
private func expectUntouched(_ rig: CrashRig, line: UInt32 = #line) throws(EngineError) {
    let session = try rig.session()
    session.begin()
    let (sum, count) = try session.sum(rig.table)
    try session.commit()
    session.close()
    rig.context.expectEqual(count, Int(rowCount), "rows", line: line)
    rig.context.expectEqual(sum, rowCount * (rowCount + 1) / 2, "sum of the rows", line: line)
}

/// After everybody has ended, a checkpoint gives every extent back.
private func expectAllGivenBack(_ rig: CrashRig, line: UInt32 = #line) throws(EngineError) {
    for _ in 0..<3 { try rig.checkpointer.checkpoint(keeping: 0) }
    rig.context.expectEqual(rig.allocator.logExtentCount, 0, "extents of the log", line: line)
    rig.context.expect(rig.checkpointer.logOverflow.allRuns.isEmpty, "no block is outside the zone", line: line)
    let checkpoint = rig.superblock.current.checkpoint
    rig.context.expect(checkpoint.tableLSN == .zero, "the superblock names no table", line: line)
}

private func longTransactionCommits(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try fill(rig)
    let session = try rig.session()
    session.begin()
    try write(session, rig, zones: 3)
    context.expect(!rig.checkpointer.logOverflow.allRuns.isEmpty, "blocks were moved")
    let (sum, count) = try session.sum(rig.table)
    try session.commit()
    session.begin()
    let after = try session.sum(rig.table)
    context.expect(after.sum == sum && after.count == count, "what it saw is what is there")
    try session.commit()
    session.close()
    try expectAllGivenBack(rig)
    rig.crash()
    try rig.open()
    let again = try rig.session()
    again.begin()
    let found = try again.sum(rig.table)
    context.expect(found.sum == sum && found.count == count, "and after a crash")
    try again.commit()
    again.close()
    try rig.shutDown()
}

private func longTransactionRollsBack(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try fill(rig)
    let session = try rig.session()
    session.begin()
    try write(session, rig, zones: 3)
    let before = rig.log.insertLSN.rawValue
    let moved = movedBlockCount(rig)
    try session.rollback()
    let undone = rig.log.insertLSN.rawValue - before
    context.expect(undone > rig.log.capacityByteCount, "compensation is more than the zone: \(undone)")
    let share = Int(rig.log.userCapacityByteCount) / LogBlock.payloadByteCount
    context.expect(movedBlockCount(rig) <= moved + share * 5 / 4, "compensation is not moved")
    session.close()
    try expectUntouched(rig)
    try expectAllGivenBack(rig)
    try rig.shutDown()
    try rig.open()
    context.expect(rig.report.wasCleanShutdown, "clean shutdown")
    try expectUntouched(rig)
    rig.crash()
}

private func movedBlockCount(_ rig: CrashRig) -> Int {
    rig.checkpointer.logOverflow.allRuns.reduce(0) { $0 + Int($1.blockCount) }
}

private func longTransactionGoesBackToSavepoint(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try fill(rig)
    let session = try rig.session()
    session.begin()
    try write(session, rig, zones: 2, value: 3)
    let (sum, count) = try session.sum(rig.table)
    for round in 0..<3 as Range<UInt64> {
        let savepoint = session.transaction.setSavepoint()
        for key in 0..<rowCount - 100 where key % 2 == round % 2 {
            _ = try session.update(rig.table, key, 7, length: 150)
        }
        for key in 0..<UInt64(3000) { _ = try session.insert(rig.table, 1_000_000 + key, 1, length: 150) }
        try session.transaction.rollback(to: savepoint)
        let now = try session.sum(rig.table)
        context.expect(now.sum == sum && now.count == count, "round \(round): as at the savepoint")
        _ = try session.update(rig.table, round, 3, length: 90)
    }
    // What a crash finds is undone once, past everything that the savepoints took back.
    _ = try session.update(rig.table, 0, 5)
    abandon(session)
    try rig.log.waitDurable(rig.log.insertLSN)
    rig.crash()
    try rig.open()
    context.expectEqual(rig.report.loserCount, 1, "losers")
    try expectUntouched(rig)
    try expectAllGivenBack(rig)
    rig.crash()
}

private func idleTransactionStopsNobody(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try fill(rig)
    let idle = try rig.session()
    idle.begin()
    _ = try idle.insert(rig.table, 50_000_000, 1)
    let end = rig.log.insertLSN.rawValue + 8 * rig.log.capacityByteCount
    try context.onEveryCore(3) { (core, index) throws(EngineError) in
        let session = try rig.session()
        let first = UInt64(core * 3 + index + 1) * 1_000_000
        var turn: UInt64 = 0
        while rig.log.insertLSN.rawValue < end {
            session.begin()
            for key in 0..<UInt64(4) {
                _ = try session.insert(rig.table, first + turn % 50 * 4 + key, turn, length: 400)
            }
            try session.commit()
            session.begin()
            for key in 0..<UInt64(4) { _ = try session.delete(rig.table, first + turn % 50 * 4 + key) }
            try session.commit()
            turn += 1
        }
        session.close()
    }
    // Only what the idle transaction wrote is kept, not what went by, but for transactions that were open for a moment.
    let moved = movedBlockCount(rig)
    context.expect(moved > 0 && moved < 200, "\(moved) blocks were moved")
    try rig.log.waitDurable(rig.log.insertLSN)
    rig.crash()
    abandon(idle)
    try rig.open()
    context.expectEqual(rig.report.loserCount, 1, "losers")
    context.expectEqual(rig.report.undoneCount, 1, "changes undone")
    context.expect(rig.report.logByteCount <= rig.log.capacityByteCount, "recovery reads no more than the zone")
    try expectUntouched(rig)
    try expectAllGivenBack(rig)
    rig.crash()
}

/// Crashes with a transaction of that many zones open.
private func crashWithLoser(_ rig: CrashRig, zones: UInt64) throws(EngineError) {
    try fill(rig)
    let session = try rig.session()
    session.begin()
    try write(session, rig, zones: zones)
    abandon(session)
    try rig.log.waitDurable(rig.log.insertLSN)
    rig.crash()
}

private func crashUndoesFromOverflow(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try crashWithLoser(rig, zones: 3)
    try rig.open()
    context.expectEqual(rig.report.loserCount, 1, "losers")
    context.expect(rig.report.logByteCount <= rig.log.capacityByteCount, "recovery reads no more than the zone")
    try expectUntouched(rig)
    context.expectEqual(rig.allocator.logExtentCount, 0, "extents of the log")
    try expectAllGivenBack(rig)
    try rig.shutDown()
}

private func crashesInLongUndo(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try crashWithLoser(rig, zones: 2)
    var tries = 0
    while true {
        // The log stops at some moment of the undo, each time later.
        let stop = SharedWord<Bool>(false)
        let delay = Nanoseconds.milliseconds(UInt64(20 + 25 * tries))
        try context.scheduler.spawn(on: 0, .interactive, "crash") {
            Fiber.sleep(delay)
            if !stop.word.load(ordering: .acquiring) && tries < 12 {
                rig.log.halt(EngineError(.adminShutdown, "power failure"))
            }
            stop.word.store(true, ordering: .releasing)
        }
        var opened = false
        do throws(EngineError) {
            try rig.open()
            opened = true
        } catch {
            context.expect(error.state == .adminShutdown, "recovery: \(error.message)")
        }
        let crashed = stop.word.load(ordering: .acquiring)
        stop.word.store(true, ordering: .releasing)
        if opened && !crashed { break }
        Fiber.sleep(.milliseconds(30))
        if opened { rig.crash() }
        tries += 1
    }
    context.expect(tries > 0, "recovery was cut off at least once")
    try expectUntouched(rig)
    try expectAllGivenBack(rig)
    rig.crash()
}

private let wide: UInt64 = 7000

/// Rows from 3,000,000 on that are long before a change and short after it: the change's compensation is as long as its log.
private func fillWide(_ rig: CrashRig, _ session: Session) throws(EngineError) {
    for first in stride(from: 3_000_000, to: 3_000_000 + wide, by: 100) {
        session.begin()
        for key in first..<first + 100 { _ = try session.insert(rig.table, key, 1, length: 900) }
        try session.commit()
    }
}

/// Rolls back until there is no room left in the zone; no checkpoint gives any.
private func rollbackUntilFull(_ rig: CrashRig, _ session: Session) throws(EngineError) {
    let context = rig.context
    let hasEnded = SharedWord<Bool>(false)
    try context.scheduler.spawn(on: 0, .interactive, "rollback") {
        do throws(EngineError) {
            try session.rollback()
            context.fail("nobody has freed the zone, and the rollback has come to its end")
        } catch {}
        hasEnded.word.store(true, ordering: .releasing)
    }
    while !rig.log.isShortOfRoom && !hasEnded.word.load(ordering: .acquiring) { Fiber.sleep(.milliseconds(1)) }
}

/// A rollback waits for the zone when the power goes. What was moved has filled its extents to the last page, and recovery's own can be
/// written to only after a checkpoint that cannot yet free anything: it has little room until the next.
private func crashWithZoneFull(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try fill(rig)
    let session = try rig.session()
    try fillWide(rig, session)
    session.begin()
    var changed: UInt64 = 0
    func shorten() throws(EngineError) {
        _ = try session.update(rig.table, 3_000_000 + changed, 9)
        changed += 1
    }
    let extent = rig.allocator.logExtentPages(1).count
    func write(_ count: UInt64, _ session: Session, from key: UInt64) throws(EngineError) {
        for key in key..<key + count { _ = try session.insert(rig.table, key, 9, length: 200) }
    }
    while movedBlockCount(rig) < extent / 8 * 3 { try shorten() }
    // Another one fills the extent, goes on in the next and ends: that is dropped when the zone is given back once more.
    let other = try rig.session()
    other.begin()
    var next: UInt64 = 4_000_000
    while movedBlockCount(rig) < extent + 64 {
        try write(100, other, from: next)
        next += 100
    }
    rig.checkpointer.stop()
    try other.commit()
    while movedBlockCount(rig) > extent {
        while rig.log.usedByteCount < rig.log.userCapacityByteCount / 8 * 7 {
            other.begin()
            try write(50, other, from: next)
            next += 50
            try other.commit()
        }
        try rig.checkpointer.checkpoint(keeping: 0)
    }
    let (sum, count) = try sumAndCount(of: 4_000_000..<next, other, rig)
    other.close()
    let end = rig.checkpointer.logOverflow.allRuns.last.map { $0.firstPage.rawValue + $0.blockCount }
    context.expect(
        (0..<rig.allocator.geometry.extentCount).contains { rig.allocator.logExtentPages($0).upperBound == end },
        "the extent is full")
    while rig.log.usedByteCount < rig.log.userCapacityByteCount / 8 * 7 && changed < wide { try shorten() }
    try rollbackUntilFull(rig, session)
    context.expect(rig.log.usedByteCount > rig.log.capacityByteCount / 4 * 3, "the zone is full")
    try rig.log.waitDurable(rig.log.insertLSN)
    rig.crash()
    abandon(session)
    try rig.open()
    context.expectEqual(rig.report.loserCount, 1, "losers")
    let again = try rig.session()
    let found = try sumAndCount(of: 4_000_000..<next, again, rig)
    context.expect(found.sum == sum && found.count == count, "what was committed")
    let rest = try sumAndCount(of: 0..<4_000_000, again, rig)
    context.expect(
        rest.sum == rowCount * (rowCount + 1) / 2 + wide && rest.count == Int(rowCount + wide), "what was rolled back")
    again.close()
    try expectAllGivenBack(rig)
    rig.crash()
}

/// The last block of a rollback that is durable ends within a record. Recovery begins with a checkpoint, since there is little
/// room, and crashes before what it then appends is durable: the next one knows of the transaction what that checkpoint has read.
private func cutOffCompensation(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try fill(rig)
    let session = try rig.session()
    try fillWide(rig, session)
    session.begin()
    var changed: UInt64 = 0
    func shorten() throws(EngineError) {
        _ = try session.update(rig.table, 3_000_000 + changed, 9)
        changed += 1
    }
    while movedBlockCount(rig) == 0 && changed < wide { try shorten() }
    rig.checkpointer.stop()
    // Nobody gives room any more: what is written must fit.
    while rig.log.usedByteCount < rig.log.userAllowance / 8 * 7 && changed < wide { try shorten() }
    context.expect(changed < wide, "there are rows left")
    try rollbackUntilFull(rig, session)
    context.expect(LogBlock.offset(of: rig.log.durableLSN) == 0, "no block is durable in part")
    rig.crash()
    abandon(session)
    let before = rig.superblock.current.checkpoint.checkpointLSN
    let group = FiberGroup(count: 1)
    let isOver = SharedWord<Bool>(false)
    try context.scheduler.spawn(on: 0, .interactive, "crash") {
        while rig.superblock.current.checkpoint.checkpointLSN == before && !isOver.word.load(ordering: .acquiring) {
            Fiber.sleep(.microseconds(50))
        }
        rig.log.halt(EngineError(.adminShutdown, "power failure"))
        group.done()
    }
    context.expectError(.adminShutdown) { () throws(EngineError) in try rig.open() }
    isOver.word.store(true, ordering: .releasing)
    group.wait()
    try rig.open()
    context.expectEqual(rig.report.loserCount, 1, "losers")
    let again = try rig.session()
    let rows = try sumAndCount(of: 3_000_000..<4_000_000, again, rig)
    context.expect(rows.sum == wide && rows.count == Int(wide), "every row is as it was")
    again.close()
    try expectAllGivenBack(rig)
    rig.crash()
}

private func sumAndCount(
    of keys: Range<UInt64>, _ session: Session, _ rig: CrashRig
) throws(EngineError) -> (sum: UInt64, count: Int) {
    session.begin()
    let found = try session.sum(rig.table, from: keys.lowerBound, to: keys.upperBound)
    try session.commit()
    return found
}

/// A transaction appends its end while a checkpoint reads the zone, after the checkpoint has waited for the log. Were it
/// forgotten at once, and the power lost before the end is durable, recovery would have to undo what nothing leads to.
private func endOnItsWay(_ context: SuiteContext, _ device: FailingPlatform) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try fill(rig)
    let session = try rig.session()
    session.begin()
    try write(session, rig, zones: 2)
    context.expect(!rig.checkpointer.logOverflow.allRuns.isEmpty, "blocks were moved")
    rig.checkpointer.stop()
    // Enough for the next checkpoint to give back.
    var key: UInt64 = 1_000_000
    while rig.log.usedByteCount <= rig.log.userCapacityByteCount / 8 * 7 {
        _ = try session.insert(rig.table, key, 9)
        key += 1
    }
    try rig.log.waitDurable(rig.log.insertLSN)
    let layout = rig.superblock.current.layout
    device.heldBytes = layout.walOffset..<layout.walOffset + layout.walByteCount
    device.holdsReads.store(true, ordering: .releasing)
    let hasCheckpointed = SharedWord<Bool>(false)
    let group = FiberGroup(count: 2)
    try context.scheduler.spawn(on: 0, .writeback, "checkpoint") {
        do throws(EngineError) { try rig.checkpointer.checkpoint(keeping: 0) } catch { context.fail(error.message) }
        hasCheckpointed.word.store(true, ordering: .releasing)
        group.done()
    }
    while device.heldCount.load(ordering: .relaxed) == 0 { Fiber.sleep(.milliseconds(1)) }
    device.holdsWrites.store(true, ordering: .releasing)
    let before = rig.log.insertLSN
    try context.scheduler.spawn(on: 0, .interactive, "commit") {
        do throws(EngineError) { try session.commit() } catch { context.fail(error.message) }
        group.done()
    }
    while rig.log.insertLSN == before { Fiber.sleep(.milliseconds(1)) }
    let end = rig.log.insertLSN
    device.releaseReads()
    Fiber.sleep(.milliseconds(50))
    context.expect(rig.log.durableLSN < end, "the end is on its way")
    context.expect(!hasCheckpointed.word.load(ordering: .acquiring), "the checkpoint waits for it")
    device.releaseWrites()
    group.wait()
    session.close()
    try expectAllGivenBack(rig)
    try rig.shutDown()
}

/// Reading stops in the middle of a block, which is copied for the one who is known to have written to it. Another writes to
/// the rest of it, and outlives him.
private func partlyReadBlock(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try fill(rig)
    let long = try rig.session()
    long.begin()
    try write(long, rig, zones: 2, value: 4)
    rig.checkpointer.stop()
    var key: UInt64 = 1_000_000
    while rig.log.usedByteCount <= rig.log.userCapacityByteCount / 8 * 7 {
        _ = try long.insert(rig.table, key, 9)
        key += 1
    }
    // Of two pages that are changed in one block, the one changed first is written: redo begins behind that change.
    try rig.pool.flushAll()
    let later = try rig.session()
    later.begin()
    let start = rig.log.insertLSN
    _ = try long.update(rig.table, 4, 9, length: 100)
    let place = rig.log.insertLSN
    _ = try later.update(rig.table, 1504, 9, length: 100)
    abandon(later)
    try rig.checkpointer.checkpoint(keeping: rig.log.insertLSN.rawValue - start.rawValue)
    let checkpoint = rig.superblock.current.checkpoint
    context.expect(checkpoint.analysisLSN == place && LogBlock.offset(of: place) > 0, "reading stopped in a block")
    try long.commit()
    long.begin()
    let (sum, rows) = try long.sum(rig.table)
    try long.commit()
    long.close()
    // Nobody else has anything to undo whenever the zone is given back.
    let others = try rig.session()
    let end = rig.log.insertLSN.rawValue + 3 * rig.log.capacityByteCount
    while rig.log.insertLSN.rawValue < end {
        while rig.log.usedByteCount <= rig.log.userCapacityByteCount / 8 * 7 {
            others.begin()
            for key in 0..<UInt64(8) { _ = try others.insert(rig.table, 90_000_000 + key, 1, length: 400) }
            try others.commit()
            others.begin()
            for key in 0..<UInt64(8) { _ = try others.delete(rig.table, 90_000_000 + key) }
            try others.commit()
        }
        try rig.checkpointer.checkpoint(keeping: 0)
    }
    others.close()
    try rig.log.waitDurable(rig.log.insertLSN)
    rig.crash()
    try rig.open()
    context.expectEqual(rig.report.loserCount, 1, "losers")
    context.expectEqual(rig.report.undoneCount, 1, "changes undone")
    let again = try rig.session()
    again.begin()
    let found = try again.sum(rig.table)
    context.expect(found.sum == sum && found.count == rows, "what was committed is there, and nothing else")
    try again.commit()
    again.close()
    try expectAllGivenBack(rig)
    rig.crash()
}

// MARK: Power loss

/// What is known of the long transaction when the power goes.
private final class LongHistory: @unchecked Sendable {
    let root = Atomic<UInt64>(0)
    let isCommitting = Atomic<Bool>(false)
    let hasCommitted = Atomic<Bool>(false)
    let sum = Atomic<UInt64>(0)
}

private func powerLossCase(_ context: SuiteContext, seed: UInt64) throws(EngineError) {
    var options = FaultOptions()
    options.seed = seed
    let disk = FaultyDisk(over: context.platform, options)
    let history = LongHistory()
    try context.run(on: disk, mayThrowAfterPowerLoss: true) { scheduler throws(EngineError) in
        let rig = try CrashRig(context, walByteCount: zoneByteCount, frameCount: 512)
        history.root.store(rig.root.rawValue, ordering: .releasing)
        try fill(rig)
        disk.options.powerLossAtWrite = disk.writesSoFar + 20 + Int(seed * 97 % 900)
        while true {
            let session = try rig.session()
            session.begin()
            try write(session, rig, zones: 2, value: 9)
            // Every third one goes back.
            if seed % 3 == 0 {
                try session.rollback()
            } else {
                let sum = try session.sum(rig.table).sum
                history.sum.store(sum, ordering: .releasing)
                history.isCommitting.store(true, ordering: .releasing)
                try session.commit()
                history.hasCommitted.store(true, ordering: .releasing)
                while disk.isPowered { try rig.checkpointer.checkpoint(keeping: 0) }
            }
            session.close()
        }
    }
    context.expect(!disk.isPowered, "seed \(seed): the power did not go")
    // Recovery loses power, too, until at last it does not.
    var attempt = 0
    while true {
        disk.powerOn()
        if attempt < 3 { disk.options.powerLossAtWrite = 3 + Int(seed * 31 + UInt64(attempt) * 53) % 200 }
        try context.run(on: disk, mayThrowAfterPowerLoss: true) { scheduler throws(EngineError) in
            let rig = try CrashRig(
                context, root: PageID(history.root.load(ordering: .acquiring)), frameCount: 512)
            if attempt < 3 {
                while disk.isPowered {
                    try rig.log.ensureRoom(100)
                    try rig.checkpointer.checkpoint(keeping: 0)
                }
            }
            disk.options.powerLossAtWrite = 0
            try judge(rig, history, seed)
            try rig.shutDown()
        }
        if disk.isPowered { break }
        attempt += 1
    }
    context.expect(attempt == 3, "seed \(seed): recovery lost power \(attempt) times")
}

private func judge(_ rig: CrashRig, _ history: LongHistory, _ seed: UInt64) throws(EngineError) {
    let session = try rig.session()
    session.begin()
    let sum = try session.sum(rig.table).sum
    try session.commit()
    session.close()
    let untouched = rowCount * (rowCount + 1) / 2
    let committed = history.sum.load(ordering: .acquiring)
    if history.hasCommitted.load(ordering: .acquiring) {
        rig.context.expectEqual(sum, committed, "a committed transaction is there")
    } else if history.isCommitting.load(ordering: .acquiring) {
        rig.context.expect(sum == committed || sum == untouched, "seed \(seed): \(sum) is neither all nor nothing")
    } else {
        rig.context.expectEqual(sum, untouched, "an open transaction is gone")
    }
    try expectAllGivenBack(rig)
}

// MARK: Damage and full disks

private func flippedBitIsFound(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try crashWithLoser(rig, zones: 2)
    let runs = rig.checkpointer.logOverflow.allRuns
    guard let run = runs.first else { return context.fail("nothing was moved") }
    let page = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
    defer { page.deallocate() }
    let offset = run.page(of: run.firstNumber + run.blockCount / 2).rawValue * UInt64(pageSize)
    let flip = { () throws(EngineError) in
        try rig.io.read(into: page, offset: offset, byteCount: pageSize, class: .read)
        (page + 3000).storeBytes(of: (page + 3000).load(as: UInt8.self) ^ 4, as: UInt8.self)
        try rig.io.write(from: page, offset: offset, byteCount: pageSize, class: .log, durable: true)
    }
    try flip()
    context.expectError(.dataCorrupted) { () throws(EngineError) in try rig.open() }
    // Whole again, recovery goes on where it was.
    try flip()
    try rig.open()
    try expectUntouched(rig)
    rig.crash()
}

/// Takes all free extents but some.
private func takeExtents(_ rig: CrashRig, leaving count: Int) -> [Int] {
    var taken: [Int] = []
    while let extent = rig.allocator.takeLogExtent() { taken.append(extent) }
    for extent in taken.suffix(count) { rig.allocator.giveBackLogExtent(extent) }
    return Array(taken.dropLast(count))
}

/// Updates rows of those that `fill` made until refused; what was thrown.
private func updateUntilRefused(_ session: Session, _ rig: CrashRig, zones: UInt64) -> EngineError? {
    do throws(EngineError) {
        let end = rig.log.insertLSN.rawValue + zones * rig.log.capacityByteCount
        while rig.log.insertLSN.rawValue < end {
            for key in 0..<rowCount / 2 { _ = try session.update(rig.table, key, 5, length: 100) }
        }
        return nil
    } catch {
        return error
    }
}

private func fullDisk(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try fill(rig)
    let taken = takeExtents(rig, leaving: 3)
    let long = try rig.session()
    long.begin()
    let refusal = updateUntilRefused(long, rig, zones: 20)
    context.expect(refusal?.state == .diskFull, "refused with 53100, got \(refusal?.message ?? "nothing")")
    context.expect(!rig.checkpointer.logOverflow.allRuns.isEmpty, "blocks were moved")
    // While it is open, and may not write, short ones may.
    context.expectError(.diskFull) { () throws(EngineError) in _ = try long.insert(rig.table, 9_999_999, 1) }
    do throws(EngineError) {
        try writeShort(rig)
    } catch {
        context.fail("a short transaction is refused: \(error.message)")
    }
    try long.rollback()
    long.close()
    try expectUntouched(rig)
    for extent in taken { rig.allocator.giveBackLogExtent(extent) }
    try expectAllGivenBack(rig)
    rig.crash()
}

/// Fills the zone several times in short transactions.
private func writeShort(_ rig: CrashRig) throws(EngineError) {
    let short = try rig.session()
    let end = rig.log.insertLSN.rawValue + 3 * rig.log.capacityByteCount
    do throws(EngineError) {
        var turn: UInt64 = 0
        while rig.log.insertLSN.rawValue < end {
            short.begin()
            for key in 0..<UInt64(20) {
                _ = try short.update(rig.table, rowCount / 2 + (turn + key) % 500, turn, length: 100)
            }
            try short.rollback()
            turn += 1
        }
        short.begin()
        _ = try short.update(rig.table, rowCount - 1, rowCount, length: 100)
        try short.commit()
    } catch {
        try short.rollback()
        short.close()
        throw error
    }
    short.close()
}

private func noOverflowAtAll(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: zoneByteCount)
    try fill(rig)
    let taken = takeExtents(rig, leaving: 0)
    let long = try rig.session()
    long.begin()
    let refusal = updateUntilRefused(long, rig, zones: 3)
    context.expect(refusal?.state == .diskFull, "refused with 53100, got \(refusal?.message ?? "nothing")")
    context.expect(rig.checkpointer.logOverflow.allRuns.isEmpty, "no block was moved")
    try long.rollback()
    long.close()
    try expectUntouched(rig)
    // Then there is room again.
    let next = try rig.session()
    var tries = 0
    while true {
        do throws(EngineError) {
            next.begin()
            _ = try next.update(rig.table, 0, 1, length: 100)
            try next.commit()
            break
        } catch {
            try next.rollback()
            tries += 1
            if tries > 200 { throw error }
            Fiber.sleep(.milliseconds(10))
        }
    }
    next.close()
    for extent in taken { rig.allocator.giveBackLogExtent(extent) }
    try expectAllGivenBack(rig)
    rig.crash()
}
