// Recovery: whatever the moment of the crash, acknowledged transactions are there, unfinished ones are not, and recovering
// again – also after a crash inside recovery – ends the same.

import AsyncIO
import BTree
import BufferPool
import DirectStorage
import Fibers
import IOScheduler
import LayoutManager
import MVCC
import Platform
import Synchronization
import WALEngine

func recoveryCases() -> [SuiteCase] {
    [
        SuiteCase("recovery: an orderly stop leaves nothing to redo", orderlyStopLeavesNothing),
        SuiteCase("recovery: acknowledged transactions survive crashes, unfinished ones vanish", crashesKeepCommits),
        SuiteCase("recovery: a crash anywhere inside recovery changes nothing", crashInsideRecovery),
        SuiteCase("recovery: what a savepoint took back is not taken back twice", savepointIsNotUndoneTwice),
        SuiteCase("recovery: checkpoints bound the log that is read, and free a small zone", checkpointsBoundRedo),
        SuiteCase("recovery: a damaged page that redo needs is reported, not served", damagedPageIsReported),
    ]
}

/// One session's history, all of it following from its number: transaction `n` writes a few of its own keys.
private struct History {
    static let keysPerSession: UInt64 = 60
    let number: UInt64
    var state: [UInt64: UInt64] = [:]
    var next: UInt64 = 0
    var random: SuiteRandom

    init(_ number: UInt64) {
        self.number = number
        random = SuiteRandom(seed: number &+ 1000)
    }

    /// What the next transaction does: new values, 0 to delete.
    mutating func draw() -> [(key: UInt64, value: UInt64)] {
        next += 1
        return (0..<1 + random.next(below: 5)).map { _ in
            let key = number * 1000 + UInt64(random.next(below: Int(Self.keysPerSession)))
            return (key, random.next(below: 4) == 0 ? 0 : next << 8 | UInt64(random.next(below: 256)))
        }
    }

    mutating func apply(_ writes: [(key: UInt64, value: UInt64)]) {
        for (key, value) in writes { state[key] = value == 0 ? nil : value }
    }

    var keys: Range<UInt64> { number * 1000..<number * 1000 + Self.keysPerSession }
}

/// What one session's keys may hold after a crash.
private struct Outcome {
    var history: History
    /// The transaction whose commit had begun and was not acknowledged.
    var pending: [(key: UInt64, value: UInt64)]?
}

private func write(
    _ session: Session, _ table: VersionedTree, _ writes: [(key: UInt64, value: UInt64)], _ state: [UInt64: UInt64]
) throws(EngineError) {
    var state = state
    for (key, value) in writes {
        let length = 8 + Int(value % 5) * 60
        if value == 0 {
            if state[key] != nil { _ = try session.delete(table, key) }
            state[key] = nil
        } else if state[key] != nil {
            _ = try session.update(table, key, value, length: length)
            state[key] = value
        } else {
            _ = try session.insert(table, key, value, length: length)
            state[key] = value
        }
    }
}

/// Row of the transaction that is open when the log stops.
private func unfinishedKey(_ crash: Int) -> UInt64 { 1 << 40 + UInt64(crash) }

/// Runs sessions on every core until each has ended `count` transactions, or the log has stopped. A few roll back.
private func runSessions(
    _ rig: CrashRig, _ outcomes: UnsafeMutablePointer<Outcome>, perCore: Int, count: Int, crashAt: Int
) throws(EngineError) {
    let table = rig.table!
    let acknowledged = SharedWord<Int>(0)
    try rig.context.onEveryCore(perCore) { (core, index) throws(EngineError) in
        let outcome = outcomes + core * perCore + index
        let session = try rig.session()
        var random = SuiteRandom(seed: outcome.pointee.history.number &+ UInt64(crashAt))
        do throws(EngineError) {
            for _ in 0..<count {
                session.begin()
                if random.next(below: 6) == 0 {
                    var other = outcome.pointee.history
                    try write(session, table, other.draw(), outcome.pointee.history.state)
                    try session.rollback()
                    continue
                }
                let writes = outcome.pointee.history.draw()
                try write(session, table, writes, outcome.pointee.history.state)
                if random.next(below: 3) == 0 { Fiber.sleep(.microseconds(200)) }
                outcome.pointee.pending = writes
                try session.commit()
                outcome.pointee.pending = nil
                outcome.pointee.history.apply(writes)
                if acknowledged.word.add(1, ordering: .relaxed).newValue == crashAt {
                    // Whatever the others are at, one is open.
                    let unfinished = try rig.session()
                    abandon(unfinished)
                    unfinished.begin()
                    _ = try unfinished.insert(table, unfinishedKey(crashAt), 1)
                    try rig.log.waitDurable(rig.log.insertLSN)
                    rig.log.halt(EngineError(.adminShutdown, "power failure"))
                }
            }
        } catch {
            rig.context.expect(error.state == .adminShutdown, "session: \(error.message)")
            abandon(session)
        }
    }
}

/// Compares with what the sessions know; takes over what the crash decided.
private func check(_ rig: CrashRig, _ outcomes: UnsafeMutablePointer<Outcome>, _ count: Int) throws(EngineError) {
    for index in 0..<count {
        let found = try rig.contents(outcomes[index].history.keys)
        if found == outcomes[index].history.state {
            outcomes[index].pending = nil
            continue
        }
        if let pending = outcomes[index].pending {
            outcomes[index].history.apply(pending)
            outcomes[index].pending = nil
        }
        rig.context.expect(
            found == outcomes[index].history.state,
            "session \(index): \(found.count) rows found, \(outcomes[index].history.state.count) expected")
    }
}

// MARK: Cases

private func orderlyStopLeavesNothing(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: 4 << 20)
    let session = try rig.session()
    session.begin()
    for key in 0..<UInt64(500) { _ = try session.insert(rig.table, key, key + 1) }
    try session.commit()
    session.close()
    try rig.shutDown()
    try rig.open()
    context.expect(rig.report.wasCleanShutdown, "clean shutdown")
    context.expectEqual(rig.report.recordCount, 0, "records read")
    context.expectEqual(try rig.contents(0..<500).count, 500, "rows")
    rig.crash()
}

private func crashesKeepCommits(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: 2 << 20, frameCount: 256)
    let perCore = 6
    let count = perCore * context.coreCount
    let outcomes = UnsafeMutablePointer<Outcome>.allocate(capacity: count)
    for index in 0..<count { (outcomes + index).initialize(to: Outcome(history: History(UInt64(index + 1)))) }
    defer {
        outcomes.deinitialize(count: count)
        outcomes.deallocate()
    }
    for round in 0..<6 {
        try runSessions(rig, outcomes, perCore: perCore, count: 1000, crashAt: 40 + round * 97)
        rig.crash()
        try rig.open()
        context.expect(rig.report.loserCount > 0, "transactions that were open at the crash")
        let key = unfinishedKey(40 + round * 97)
        context.expectEqual(try rig.contents(key..<key + 1).count, 0, "rows of one that was")
        try check(rig, outcomes, count)
    }
    rig.crash()
}

private func crashInsideRecovery(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: 4 << 20)
    let session = try rig.session()
    session.begin()
    for key in 0..<UInt64(200) { _ = try session.insert(rig.table, key, key + 1, length: 100) }
    try session.commit()
    // Losers: changes, new rows and deletions, left open.
    var open: [Session] = []
    for number in 0..<UInt64(4) {
        let loser = try rig.session()
        loser.begin()
        for key in stride(from: number, to: 200, by: 4) {
            if key % 3 == 0 {
                _ = try loser.delete(rig.table, key)
            } else {
                _ = try loser.update(rig.table, key, 7777, length: 20 + Int(key))
            }
            _ = try loser.insert(rig.table, 1000 + key, key, length: 200)
        }
        open.append(loser)
        abandon(loser)
    }
    try rig.log.waitDurable(rig.log.insertLSN)
    rig.crash()
    let image = try DeviceImage(rig)
    try rig.open()
    let undone = rig.report.undoneCount
    context.expectEqual(rig.report.loserCount, 4, "losers")
    context.expect(undone >= 400, "\(undone) changes undone")
    try checkLoserFree(rig)
    let logEnd = LogBlock.number(of: rig.log.durableLSN)
    rig.crash()
    // The log as recovery wrote it, cut anywhere; pages and checkpoint as before recovery.
    try image.recoverFromEveryCut(rig, logEnd: logEnd) { () throws(EngineError) in
        context.expect(rig.report.undoneCount <= undone, "\(rig.report.undoneCount) changes undone after a cut")
        try checkLoserFree(rig)
    }
}

private func savepointIsNotUndoneTwice(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: 4 << 20)
    let session = try rig.session()
    session.begin()
    for key in 0..<UInt64(200) { _ = try session.insert(rig.table, key, key + 1, length: 100) }
    try session.commit()
    session.begin()
    for key in 0..<UInt64(50) { _ = try session.update(rig.table, key, 5, length: 30) }
    let savepoint = session.transaction.setSavepoint()
    for key in 25..<UInt64(75) { _ = try session.update(rig.table, key, 6, length: 300) }
    for key in 300..<UInt64(310) { _ = try session.insert(rig.table, key, 7) }
    try session.transaction.rollback(to: savepoint)
    for key in 60..<UInt64(90) { _ = try session.delete(rig.table, key) }
    abandon(session)
    try rig.log.waitDurable(rig.log.insertLSN)
    rig.crash()
    try rig.open()
    context.expectEqual(rig.report.undoneCount, 80, "changes undone: those that no savepoint took back")
    try checkLoserFree(rig)
    rig.crash()
}

private func checkLoserFree(_ rig: CrashRig) throws(EngineError) {
    let found = try rig.contents(0..<1200)
    rig.context.expectEqual(found.count, 200, "rows")
    for key in 0..<UInt64(200) where found[key] != key + 1 { rig.context.fail("row \(key) is \(found[key] ?? 0)") }
}

private func checkpointsBoundRedo(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: 1 << 20)
    let capacity = rig.log.capacityByteCount
    try context.onEveryCore(4) { (core, index) throws(EngineError) in
        let session = try rig.session()
        for turn in 0..<UInt64(1500) {
            session.begin()
            let key = UInt64(core * 4 + index) * 1000 + turn % 50
            if turn < 50 {
                _ = try session.insert(rig.table, key, turn, length: 800)
            } else {
                _ = try session.update(rig.table, key, turn, length: 700 + Int(turn % 7) * 20)
            }
            try session.commit()
        }
        session.close()
    }
    let written = rig.log.insertLSN.rawValue
    context.expect(written > 2 * capacity, "the log has wrapped: \(written) of \(capacity)")
    context.expect(rig.checkpointer.count.load(ordering: .relaxed) > 8, "checkpoints were taken")
    rig.crash()
    try rig.open()
    context.expect(rig.report.logByteCount <= rig.log.capacityByteCount, "\(rig.report.logByteCount) bytes of log read")
    for number in 0..<UInt64(4 * context.coreCount) {
        let found = try rig.contents(number * 1000..<number * 1000 + 50)
        for turn in UInt64(1450)..<1500 { context.expectEqual(found[number * 1000 + turn % 50] ?? 0, turn, "row") }
    }
    rig.crash()
}

private func damagedPageIsReported(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: 4 << 20)
    try rig.checkpointer.checkpoint(keeping: 0)
    let session = try rig.session()
    session.begin()
    for key in 0..<UInt64(20) { _ = try session.insert(rig.table, key, key) }
    try session.commit()
    rig.crash()
    let page = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
    defer { page.deallocate() }
    let offset = rig.table.tree.root.rawValue * UInt64(pageSize)
    try rig.io.read(into: page, offset: offset, byteCount: pageSize, class: .read)
    (page + 2000).storeBytes(of: ~(page + 2000).load(as: UInt8.self), as: UInt8.self)
    try rig.io.write(from: page, offset: offset, byteCount: pageSize, class: .log)
    context.expectError(.dataCorrupted) { () throws(EngineError) in try rig.open() }
}
