// Table, row and advisory locks; deadlocks; giving up.

import Fibers
import MVCC
import Platform

func lockCases() -> [SuiteCase] {
    [
        SuiteCase("locks: table modes exclude each other as PostgreSQL's table says") { context throws(EngineError) in
            try withRig(context, tableModes)
        },
        SuiteCase("locks: a strong lock waits for weak ones taken on the fast path, and later weak ones wait behind it")
        {
            context throws(EngineError) in try withRig(context, strongAndWeak)
        },
        SuiteCase("locks: row lock modes exclude each other and writers as PostgreSQL's table says") {
            context throws(EngineError) in try withRig(context, rowModes)
        },
        SuiteCase("locks: the transaction that closes a cycle gets 40P01, the others go on") {
            context throws(EngineError) in
            try withRig(context, deadlockOfRows)
            try withRig(context, deadlockOfMixedLocks)
        },
        SuiteCase("locks: a wait ends with NOWAIT, SKIP LOCKED, lock_timeout, statement_timeout and cancel") {
            context throws(EngineError) in
            try withRig(context, givingUp)
        },
        SuiteCase("locks: rollback to a savepoint releases row locks taken since") { context throws(EngineError) in
            try withRig(context, savepointReleases)
        },
        SuiteCase("locks: advisory locks count, outlive the transaction if they are the session's") {
            context throws(EngineError) in try withRig(context, advisory)
        },
        SuiteCase("locks: sessions that lock at random on all cores never hang, and leave nothing behind") {
            context throws(EngineError) in try withRig(context, randomLocks)
        },
    ]
}

private func expectWaits(
    _ context: SuiteContext, _ actor: Actor, _ waits: Bool, _ what: String, line: UInt32 = #line,
    _ step: @escaping (Session) throws(EngineError) -> Void
) {
    actor.start(step)
    context.expect(actor.isWaiting == waits, "\(what): \(waits ? "does not wait" : "waits")", line: line)
}

private func tableModes(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    // PostgreSQL 15, table 13.2: rows requested, columns held, modes from ACCESS SHARE to ACCESS EXCLUSIVE.
    let conflicts = [
        "00000001", "00000011", "00001111", "00011111", "00110111", "00111111", "01111111", "11111111",
    ]
    let a = try rig.session()
    let b = try rig.session()
    let locks = rig.manager.locks!
    for held in 1...8 as ClosedRange<UInt8> {
        for wanted in 1...8 as ClosedRange<UInt8> {
            a.begin()
            b.begin()
            try locks.lockTable(a.transaction, 42, TableLock(rawValue: held)!)
            let granted = try locks.lockTable(b.transaction, 42, TableLock(rawValue: wanted)!, .noWait)
            let row = Array(conflicts[Int(wanted) - 1].utf8)
            context.expect(granted == (row[Int(held) - 1] == 0x30), "mode \(wanted) beside \(held): \(granted)")
            try a.commit()
            try b.commit()
        }
    }
    context.expectEqual(locks.lockCount, 0, "locks left")
    a.close()
    b.close()
}

private func strongAndWeak(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let locks = rig.manager.locks!
    let a = try Actor(rig)
    let b = try Actor(rig)
    let c = try Actor(rig)
    for actor in [a, b, c] { actor.run { (s) throws(EngineError) in s.begin() } }
    expectWaits(context, a, false, "a weak lock") { (s) throws(EngineError) in
        try locks.lockTable(s.transaction, 9, .rowExclusive)
    }
    expectWaits(context, b, true, "a strong lock behind a weak one") { (s) throws(EngineError) in
        try locks.lockTable(s.transaction, 9, .accessExclusive)
    }
    expectWaits(context, c, true, "a weak lock behind a waiting strong one") { (s) throws(EngineError) in
        try locks.lockTable(s.transaction, 9, .accessShare)
    }
    expectWaits(context, a, false, "its own weaker lock again") { (s) throws(EngineError) in
        try locks.lockTable(s.transaction, 9, .accessShare)
    }
    a.run { (s) throws(EngineError) in try s.commit() }
    context.expect(b.finish() == nil, "the strong lock is granted")
    context.expect(c.isWaiting, "the weak one waits for the strong one")
    b.run { (s) throws(EngineError) in try s.commit() }
    context.expect(c.finish() == nil, "then it is granted")
    for actor in [a, b, c] { actor.end() }
    context.expectEqual(locks.lockCount, 0, "locks left")
}

private func rowModes(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    // Table 13.3: FOR KEY SHARE, FOR SHARE, FOR NO KEY UPDATE, FOR UPDATE.
    let conflicts = ["0001", "0011", "0111", "1111"]
    let a = try rig.session()
    let b = try rig.session()
    a.begin()
    _ = try a.insert(tree, 1, 1)
    try a.commit()
    for held in 0...3 as ClosedRange<UInt8> {
        for wanted in 0...3 as ClosedRange<UInt8> {
            a.begin()
            b.begin()
            context.expect(try a.lock(tree, 1, RowLockMode(rawValue: 9 + held)!) == .done, "lock")
            let result = try b.lock(tree, 1, RowLockMode(rawValue: 9 + wanted)!, policy: .skip)
            let free = Array(conflicts[Int(wanted)].utf8)[Int(held)] == 0x30
            context.expect(result == (free ? .done : .wouldWait), "mode \(wanted) beside \(held)")
            try b.rollback()
            b.begin()
            // An update of no key excludes what NO KEY UPDATE excludes; a delete what UPDATE excludes.
            let update = try b.update(tree, 1, 2, policy: .skip)
            context.expect(
                update == (Array(conflicts[2].utf8)[Int(held)] == 0x30 ? .done : .wouldWait), "update beside \(held)")
            try b.rollback()
            b.begin()
            context.expect(try b.delete(tree, 1, policy: .skip) == .wouldWait, "delete beside \(held)")
            try a.commit()
            try b.commit()
            // And the other way round: a writer in doubt excludes lockers.
            a.begin()
            b.begin()
            context.expect(try a.update(tree, 1, 1) == .done, "update")
            let beside = try b.lock(tree, 1, RowLockMode(rawValue: 9 + wanted)!, policy: .skip)
            context.expect(beside == (wanted == 0 ? .done : .wouldWait), "mode \(wanted) beside an update")
            try a.rollback()
            try b.commit()
        }
    }
    context.expectEqual(rig.manager.locks!.lockCount, 0, "locks left")
    a.close()
    b.close()
}

private func deadlockOfRows(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let setup = try rig.session()
    setup.begin()
    for key in 0..<4 as Range<UInt64> { _ = try setup.insert(tree, key, 0) }
    try setup.commit()
    setup.close()
    var actors: [Actor] = []
    for _ in 0..<4 { actors.append(try Actor(rig)) }
    for (index, actor) in actors.enumerated() {
        actor.run { (s) throws(EngineError) in
            s.begin()
            _ = try s.update(tree, UInt64(index), 1)
        }
    }
    for index in 0..<3 {
        expectWaits(context, actors[index], true, "actor \(index)") { (s) throws(EngineError) in
            _ = try s.update(tree, UInt64(index + 1), 2)
        }
    }
    let error = actors[3].run { (s) throws(EngineError) in _ = try s.update(tree, 0, 2) }
    context.expect(error?.state == .deadlockDetected, "the last one closes the cycle")
    context.expect(actors[2].isWaiting, "nobody else is aborted")
    actors[3].run { (s) throws(EngineError) in try s.rollback() }
    for index in [2, 1, 0] {
        context.expect(actors[index].finish() == nil, "actor \(index) goes on")
        actors[index].run { (s) throws(EngineError) in try s.commit() }
    }
    for actor in actors { actor.end() }
}

/// A cycle over a table lock, a row lock and a transaction.
private func deadlockOfMixedLocks(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError)
{
    let locks = rig.manager.locks!
    let a = try Actor(rig)
    let b = try Actor(rig)
    let c = try Actor(rig)
    a.run { (s) throws(EngineError) in
        s.begin()
        _ = try s.insert(tree, 1, 1)
        _ = try s.insert(tree, 2, 1)
        try s.commit()
        s.begin()
        try locks.lockTable(s.transaction, 5, .share)
    }
    b.run { (s) throws(EngineError) in
        s.begin()
        _ = try s.lock(tree, 1, .update)
    }
    c.run { (s) throws(EngineError) in
        s.begin()
        _ = try s.update(tree, 2, 2)
    }
    expectWaits(context, a, true, "for a row lock") { (s) throws(EngineError) in _ = try s.update(tree, 1, 3) }
    expectWaits(context, b, true, "for a transaction") { (s) throws(EngineError) in _ = try s.update(tree, 2, 3) }
    let error = c.run { (s) throws(EngineError) in try locks.lockTable(s.transaction, 5, .rowExclusive) }
    context.expect(error?.state == .deadlockDetected, "a cycle over three kinds of locks is found")
    c.run { (s) throws(EngineError) in try s.rollback() }
    context.expect(b.finish() == nil, "b goes on")
    b.run { (s) throws(EngineError) in try s.commit() }
    context.expect(a.finish() == nil, "a goes on")
    for actor in [a, b, c] { actor.end() }
}

private func givingUp(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    let b = try Actor(rig)
    a.begin()
    _ = try a.insert(tree, 1, 1)
    try a.commit()
    a.begin()
    _ = try a.update(tree, 1, 2)
    b.run { (s) throws(EngineError) in
        s.begin()
        context.expect(try s.update(tree, 1, 3, policy: .noWait) == .wouldWait, "NOWAIT")
        context.expect(try s.lock(tree, 1, .update, policy: .skip) == .wouldWait, "SKIP LOCKED")
    }
    let timeout = b.run { (s) throws(EngineError) in
        s.transaction.lockTimeout = .milliseconds(20)
        defer { s.transaction.lockTimeout = Nanoseconds(0) }
        _ = try s.update(tree, 1, 3)
    }
    context.expect(timeout?.state == .lockNotAvailable, "lock_timeout")
    let late = b.run { (s) throws(EngineError) in
        s.transaction.lockTimeout = .seconds(20)
        s.transaction.statementDeadline = Fiber.now() + .milliseconds(20)
        defer {
            s.transaction.lockTimeout = Nanoseconds(0)
            s.transaction.statementDeadline = .never
        }
        _ = try s.update(tree, 1, 3)
    }
    context.expect(late?.state == .queryCanceled, "statement_timeout, if it comes first")
    b.start { (s) throws(EngineError) in
        defer { Fiber.clearInterrupt() }
        _ = try s.update(tree, 1, 3)
    }
    context.expect(b.isWaiting, "waits")
    b.cancel()
    context.expect(b.finish()?.state == .queryCanceled, "cancel")
    b.start { (s) throws(EngineError) in
        context.expect(try s.add(tree, 1, 5), "after giving up, waiting works again")
    }
    context.expect(b.isWaiting, "waits again")
    try a.commit()
    context.expect(b.finish() == nil, "and is woken")
    b.run { (s) throws(EngineError) in try s.commit() }
    b.end()
    context.expectEqual(rig.manager.locks!.lockCount, 0, "locks left")
    a.close()
}

private func savepointReleases(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    let b = try rig.session()
    a.begin()
    for key in 1...3 as ClosedRange<UInt64> { _ = try a.insert(tree, key, 1) }
    try a.commit()
    a.begin()
    _ = try a.lock(tree, 1, .update)
    let savepoint = a.transaction.setSavepoint()
    _ = try a.lock(tree, 2, .update)
    _ = try a.update(tree, 3, 5)
    try a.transaction.rollback(to: savepoint)
    b.begin()
    context.expect(try b.update(tree, 1, 2, policy: .noWait) == .wouldWait, "locked before the savepoint")
    context.expect(try b.update(tree, 2, 2, policy: .noWait) == .done, "locked after it: free")
    context.expect(try b.update(tree, 3, 2, policy: .noWait) == .done, "changed after it: free")
    try a.commit()
    context.expect(try b.update(tree, 1, 2, policy: .noWait) == .done, "free after the end")
    try b.commit()
    a.close()
    b.close()
}

private func advisory(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let locks = rig.manager.locks!
    let a = try rig.session()
    let b = try rig.session()
    func take(_ s: Session, exclusive: Bool, isSession: Bool) throws(EngineError) -> Bool {
        try locks.lockAdvisory(
            s.transaction, space: 1, key: 7, exclusive: exclusive, isSession: isSession, .noWait)
    }
    a.begin()
    b.begin()
    context.expect(try take(a, exclusive: true, isSession: true), "first")
    context.expect(try take(a, exclusive: true, isSession: true), "again, counted")
    try a.commit()
    a.begin()
    context.expect(!(try take(b, exclusive: false, isSession: false)), "a session lock outlives the transaction")
    context.expect(locks.unlockAdvisory(a.transaction, space: 1, key: 7, exclusive: true), "unlock once")
    context.expect(!(try take(b, exclusive: false, isSession: false)), "still held")
    context.expect(locks.unlockAdvisory(a.transaction, space: 1, key: 7, exclusive: true), "unlock twice")
    context.expect(!locks.unlockAdvisory(a.transaction, space: 1, key: 7, exclusive: true), "not held any more")
    context.expect(try take(b, exclusive: false, isSession: false), "free")
    context.expect(try take(a, exclusive: false, isSession: false), "shared")
    try b.commit()
    context.expect(try take(a, exclusive: true, isSession: false), "a transaction lock ends with it")
    try a.commit()
    context.expect(try take(a, exclusive: true, isSession: true), "once more")
    a.close()
    b.begin()
    context.expect(try take(b, exclusive: true, isSession: false), "the end of a session releases its locks")
    try b.commit()
    b.close()
    context.expectEqual(locks.lockCount, 0, "locks left")
}

private func randomLocks(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let locks = rig.manager.locks!
    let setup = try rig.session()
    setup.begin()
    for key in 0..<6 as Range<UInt64> { _ = try setup.insert(tree, key, 0) }
    try setup.commit()
    setup.close()
    let done = Counter()
    try context.onEveryCore(4) { core, index throws(EngineError) in
        let session = try rig.session()
        var random = SuiteRandom(seed: UInt64(core * 17 + index))
        for _ in 0..<150 {
            session.begin()
            do throws(EngineError) {
                for _ in 0..<3 {
                    switch random.next(below: 5) {
                    case 0:
                        let mode = TableLock(rawValue: UInt8(1 + random.next(below: 8)))!
                        try locks.lockTable(session.transaction, UInt32(random.next(below: 3)), mode)
                    case 1:
                        let mode = RowLockMode(rawValue: UInt8(9 + random.next(below: 4)))!
                        _ = try session.lock(tree, UInt64(random.next(below: 6)), mode)
                    case 2:
                        _ = try locks.lockAdvisory(
                            session.transaction, space: 0, key: UInt64(random.next(below: 3)),
                            exclusive: random.next(below: 2) == 0, isSession: false)
                    default: _ = try session.add(tree, UInt64(random.next(below: 6)), 1)
                    }
                    if random.next(below: 3) == 0 { Fiber.yield() }
                }
                if random.next(below: 5) == 0 { try session.rollback() } else { try session.commit() }
                _ = done.increment()
            } catch {
                if error.state != .deadlockDetected { throw error }
                try session.rollback()
            }
        }
        session.close()
    }
    context.expect(done.value > 100, "most transactions end well")
    context.expectEqual(locks.lockCount, 0, "locks left")
}
