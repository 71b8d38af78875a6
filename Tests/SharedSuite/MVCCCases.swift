// Transactions over versioned trees: visibility, conflicts, undo, purge.

import BTree
import BufferPool
import Fibers
import MVCC
import Platform
import Synchronization
import WALEngine

func mvccCases() -> [SuiteCase] {
    [
        SuiteCase("mvcc: a commit is visible to snapshots taken after it and to none before") {
            context throws(EngineError) in
            try withRig(context, commitIsVisibleAfter)
        },
        SuiteCase("mvcc: a statement does not see its own changes, the next one does") { context throws(EngineError) in
            try withRig(context, ownChanges)
        },
        SuiteCase("mvcc: rollback leaves no trace") { context throws(EngineError) in
            try withRig(context, rollbackLeavesNoTrace)
        },
        SuiteCase("mvcc: rollback to a savepoint undoes what came after and nothing else") {
            context throws(EngineError) in
            try withRig(context, savepoints)
        },
        SuiteCase("mvcc: a long reader sees the same rows while writers change them all") {
            context throws(EngineError) in
            try withRig(context, longReader)
        },
        SuiteCase("mvcc: transfers on all cores keep the sum in every snapshot") { context throws(EngineError) in
            try withRig(context, transfers)
        },
        SuiteCase("mvcc: inserts meet every kind of entry in their way") { context throws(EngineError) in
            try withRig(context, insertCases)
        },
        SuiteCase("mvcc: undo memory, slots and tombstones are all given back") { context throws(EngineError) in
            try withRig(context, nothingLeaks)
        },
        SuiteCase("mvcc: what a rollback leaves is given back though nobody commits after it") {
            context throws(EngineError) in
            try withRig(context, rolledBackAlone)
        },
        SuiteCase("mvcc: a statement that runs out of undo memory fails with 53200 and can be rolled back") {
            context throws(EngineError) in try outOfUndo(context)
        },
        SuiteCase("mvcc: rows too long for a page have versions like any other") { context throws(EngineError) in
            try withRig(context, longRows)
        },
        SuiteCase("mvcc: a row that names an older version where none is, is an error") { context throws(EngineError) in
            try withRig(context, strayUndo)
        },
        SuiteCase("mvcc: random transactions agree with a model") { context throws(EngineError) in
            try withRig(context, randomAgainstModel)
        },
    ]
}

func withRig(
    _ context: SuiteContext, _ body: (SuiteContext, VersionRig, VersionedTree) throws(EngineError) -> Void
) throws(EngineError) {
    let rig = try VersionRig(context)
    try body(context, rig, try rig.makeTree())
    try rig.close()
}

private func commitIsVisibleAfter(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError)
{
    let a = try rig.session()
    let b = try rig.session()
    b.begin(.repeatableRead)
    context.expect(try b.get(tree, 1) == nil, "nothing is there yet")
    a.begin()
    context.expect(try a.insert(tree, 1, 10) == .inserted, "insert")
    context.expect(try b.get(tree, 1) == nil, "an uncommitted row is invisible")
    try a.commit()
    context.expect(try b.get(tree, 1) == nil, "a row committed after the snapshot is invisible")
    try b.commit()
    b.begin()
    context.expect(try b.get(tree, 1) == 10, "a new snapshot sees it")
    a.begin()
    context.expect(try a.update(tree, 1, 11) == .done, "update")
    context.expect(try b.get(tree, 1) == 10, "the version before is seen while the writer is in doubt")
    try a.commit()
    context.expect(try b.get(tree, 1) == 11, "the next statement at READ COMMITTED sees the commit")
    a.begin()
    context.expect(try a.delete(tree, 1) == .done, "delete")
    context.expect(try b.get(tree, 1) == 11, "an uncommitted delete hides nothing")
    try a.commit()
    context.expect(try b.get(tree, 1) == nil, "a committed one does")
    try b.commit()
    a.close()
    b.close()
}

private func ownChanges(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    a.begin()
    _ = try a.insert(tree, 1, 1)
    context.expect(try a.read(tree, 1) == nil, "the statement that inserted does not see it")
    context.expect(try a.get(tree, 1) == 1, "the next one does")
    context.expect(try a.update(tree, 1, 2) == .done, "update own row")
    context.expect(try a.read(tree, 1) == 1, "the updating statement sees the version before")
    context.expect(try a.write(tree, 1, 3) == .changedByCommand, "one statement updates a row once")
    context.expect(try a.get(tree, 1) == 2, "the next statement sees the update")
    context.expect(try a.delete(tree, 1) == .done, "delete own row")
    context.expect(try a.read(tree, 1) == 2, "the deleting statement still sees it")
    context.expect(try a.get(tree, 1) == nil, "the next does not")
    context.expect(try a.insert(tree, 1, 4) == .inserted, "insert over the own tombstone")
    context.expect(try a.get(tree, 1) == 4, "it is seen")
    try a.commit()
    a.begin()
    context.expect(try a.get(tree, 1) == 4, "after the commit, too")
    try a.rollback()
    a.close()
}

private func rollbackLeavesNoTrace(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree)
    throws(EngineError)
{
    let a = try rig.session()
    a.begin()
    for key in 0..<500 as Range<UInt64> { _ = try a.insert(tree, key * 2, key) }
    try a.commit()
    a.begin()
    for key in 0..<500 as Range<UInt64> {
        _ = try a.insert(tree, key * 2 + 1, 77, length: 100)
        if key % 3 == 0 { _ = try a.delete(tree, key * 2) }
        if key % 3 == 1 { _ = try a.update(tree, key * 2, 99, length: 300) }
        if key % 3 == 0 { _ = try a.insert(tree, key * 2, 98, length: 50) }
    }
    try a.rollback()
    a.begin()
    for key in 0..<500 as Range<UInt64> {
        context.expect(try a.get(tree, key * 2) == key, "the row is as before")
        context.expect(try a.get(tree, key * 2 + 1) == nil, "the new row is gone")
    }
    context.expectEqual(try a.sum(tree).count, 500, "rows")
    try a.commit()
    // No entry, not even a tombstone, is left of the inserts.
    var cursor = Cursor(tree.tree)
    try cursor.seekFirst()
    var entries = 0
    while try cursor.next() { entries += 1 }
    context.expectEqual(entries, 500, "entries")
    a.close()
}

private func savepoints(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    a.begin()
    _ = try a.insert(tree, 1, 1)
    let one = a.transaction.setSavepoint()
    _ = try a.update(tree, 1, 2)
    _ = try a.insert(tree, 2, 2)
    let two = a.transaction.setSavepoint()
    _ = try a.delete(tree, 1)
    _ = try a.insert(tree, 3, 3)
    try a.transaction.rollback(to: two)
    context.expect(try a.get(tree, 1) == 2, "the delete is undone, the update is not")
    context.expect(try a.get(tree, 3) == nil, "the insert after the second savepoint is undone")
    _ = try a.insert(tree, 4, 4)
    try a.transaction.rollback(to: one)
    context.expect(try a.get(tree, 1) == 1, "the update is undone")
    context.expect(try a.get(tree, 2) == nil, "an insert is undone")
    context.expect(try a.get(tree, 4) == nil, "an insert after the second savepoint is undone")
    _ = try a.insert(tree, 5, 5)
    try a.commit()
    a.begin()
    context.expectEqual(try a.sum(tree).sum, 6, "rows 1 and 5 are left")
    try a.commit()
    a.close()
}

private func longReader(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let rows: UInt64 = 2000
    let writer = try rig.session()
    let reader = try rig.session()
    writer.begin()
    for key in 0..<rows { _ = try writer.insert(tree, key, 1) }
    try writer.commit()
    reader.begin(.repeatableRead)
    context.expectEqual(try reader.sum(tree).sum, rows, "sum at first")
    var random = SuiteRandom(seed: 5)
    for round in 0..<30 as Range<UInt64> {
        writer.begin()
        for _ in 0..<200 {
            let key = random.next(below: Int(rows) + 50)
            switch random.next(below: 4) {
            case 0: _ = try writer.delete(tree, UInt64(key))
            case 1: _ = try writer.insert(tree, UInt64(key), 1000, length: 8 + random.next(below: 300))
            default: _ = try writer.update(tree, UInt64(key), 500 + round, length: 8 + random.next(below: 200))
            }
        }
        if round % 5 == 4 { try writer.rollback() } else { try writer.commit() }
        let (sum, count) = try reader.sum(tree)
        context.expect(sum == rows && count == Int(rows), "the reader's rows have changed in round \(round): \(sum)")
    }
    for key in 0..<rows { context.expect(try reader.get(tree, key) == 1, "a point read has changed") }
    try reader.commit()
    writer.close()
    reader.close()
}

private func transfers(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let accounts = 50
    let setup = try rig.session()
    setup.begin()
    for key in 0..<accounts { _ = try setup.insert(tree, UInt64(key), 1000) }
    try setup.commit()
    setup.close()
    let total = UInt64(accounts * 1000)
    try context.onEveryCore(5) { core, index throws(EngineError) in
        let session = try rig.session()
        var random = SuiteRandom(seed: UInt64(core * 100 + index))
        if index == 4 {
            for round in 0..<200 {
                session.begin(round % 2 == 0 ? .repeatableRead : .readCommitted, readOnly: true)
                let (sum, count) = try session.sum(tree)
                context.expect(sum == total && count == accounts, "a snapshot's sum is \(sum)")
                try session.commit()
                Fiber.yield()
            }
        } else {
            for _ in 0..<200 {
                let from = random.next(below: accounts)
                let to = (from + 1 + random.next(below: accounts - 1)) % accounts
                session.begin()
                do throws(EngineError) {
                    let amount = Int64(random.next(below: 50))
                    context.expect(try session.add(tree, UInt64(from), -amount), "an account is lost")
                    context.expect(try session.add(tree, UInt64(to), amount), "an account is lost")
                    if random.next(below: 10) == 0 { try session.rollback() } else { try session.commit() }
                } catch {
                    if error.state != .deadlockDetected { throw error }
                    try session.rollback()
                }
            }
        }
        session.close()
    }
    let check = try rig.session()
    check.begin()
    context.expectEqual(try check.sum(tree).sum, total, "sum in the end")
    try check.commit()
    check.close()
}

/// The letters are those of VersionedTreeWrites.swift.
private func insertCases(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    let old = try rig.session()
    let b = try Actor(rig)
    // D: a committed row
    a.begin()
    context.expect(try a.insert(tree, 1, 1) == .inserted, "A")
    try a.commit()
    old.begin(.repeatableRead)
    context.expect(try old.get(tree, 1) == 1, "old snapshot")
    a.begin()
    context.expect(try a.insert(tree, 1, 2) == .duplicate, "D")
    _ = try a.insert(tree, 2, 2)
    context.expect(try a.insert(tree, 2, 3) == .duplicate, "C")
    try a.commit()
    // B then abort: inserted; B then commit: duplicate
    for commits in [false, true] {
        let key: UInt64 = commits ? 11 : 10
        a.begin()
        _ = try a.insert(tree, key, 1)
        var result = InsertResult.wouldWait
        b.start { (session) throws(EngineError) in
            session.begin()
            result = try session.insert(tree, key, 2)
        }
        context.expect(b.isWaiting, "B: an insert over a row in doubt waits")
        if commits { try a.commit() } else { try a.rollback() }
        context.expect(b.finish() == nil, "no error")
        context.expect(result == (commits ? .duplicate : .inserted), "B: the end of the other decides")
        context.expect(b.run { (session) throws(EngineError) in try session.commit() } == nil, "commit")
    }
    // B over a delete in doubt: commit frees the key, abort keeps it
    for commits in [false, true] {
        a.begin()
        context.expect(try a.delete(tree, 1) == .done, "delete")
        var result = InsertResult.wouldWait
        b.start { (session) throws(EngineError) in
            session.begin()
            result = try session.insert(tree, 1, 3)
        }
        context.expect(b.isWaiting, "B: an insert over a delete in doubt waits")
        if commits { try a.commit() } else { try a.rollback() }
        context.expect(b.finish() == nil, "no error")
        context.expect(result == (commits ? .inserted : .duplicate), "H: the deleted key is free")
        _ = b.run { (session) throws(EngineError) in try session.commit() }
    }
    context.expect(try old.get(tree, 1) == 1, "the old snapshot still sees the first row behind tombstone and insert")
    // F: over the own tombstone
    a.begin()
    _ = try a.delete(tree, 2)
    context.expect(try a.insert(tree, 2, 9) == .inserted, "F")
    try a.rollback()
    a.begin()
    context.expect(try a.get(tree, 2) == 2, "rolled back")
    try a.commit()
    // G: over a tombstone that everybody sees but that is not purged: an old snapshot keeps it
    a.begin()
    _ = try a.delete(tree, 2)
    try a.commit()
    a.begin()
    context.expect(try a.insert(tree, 2, 5) == .inserted, "G")
    try a.rollback()
    a.begin()
    context.expect(try a.get(tree, 2) == nil, "the tombstone is back")
    try a.commit()
    try old.commit()
    b.end()
    a.close()
    old.close()
}

/// Nothing but the rollback itself asks for the log to be durable, and nobody calls `maintain`.
private func rolledBackAlone(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let session = try rig.session()
    session.begin()
    for key in 0..<100 as Range<UInt64> { _ = try session.insert(tree, key, key) }
    try session.rollback()
    context.expect(rig.trees.log.durableLSN < rig.trees.log.insertLSN, "a rollback waits for the log")
    let end = Fiber.now() + .seconds(5)
    while rig.manager.retainedTransactionCount > 0 && Fiber.now() < end { Fiber.sleep(.milliseconds(1)) }
    context.expectEqual(rig.manager.retainedTransactionCount, 0, "transactions not retired")
    context.expectEqual(rig.manager.undoBudget.usedByteCount - rig.manager.idleUndoByteCount, 0, "undo bytes in use")
    session.close()
}

private func nothingLeaks(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    let reader = try rig.session()
    reader.begin(.repeatableRead)
    _ = try reader.get(tree, 0)
    for round in 0..<300 as Range<UInt64> {
        a.begin()
        for key in 0..<20 as Range<UInt64> {
            _ = try a.insert(tree, round * 20 + key, key, length: 100)
            _ = try a.update(tree, round * 20 + key, key, length: 1 + Int(key) * 60)
        }
        if round == 7 { for key in 0..<2000 as Range<UInt64> { _ = try a.insert(tree, 1 << 40 + key, 1, length: 200) } }
        for key in 0..<20 as Range<UInt64> where round % 2 == 0 { _ = try a.delete(tree, round * 20 + key) }
        if round % 3 == 0 { try a.rollback() } else { try a.commit() }
    }
    context.expect(rig.manager.undoBudget.usedByteCount > 1 << 20, "an old snapshot keeps undo")
    try reader.commit()
    for key in 0..<6000 as Range<UInt64> {
        a.begin()
        _ = try a.delete(tree, key)
        if key % 2 == 0 { try a.rollback() } else { try a.commit() }
    }
    let end = Fiber.now() + .seconds(5)
    while rig.manager.retainedTransactionCount > 0 && Fiber.now() < end {
        try rig.manager.maintain()
        Fiber.sleep(.milliseconds(1))
    }
    context.expectEqual(rig.manager.retainedTransactionCount, 0, "transactions not retired")
    context.expectEqual(rig.manager.undoBudget.usedByteCount - rig.manager.idleUndoByteCount, 0, "undo bytes in use")
    a.begin()
    let rows = try a.sum(tree).count
    try a.commit()
    var cursor = Cursor(tree.tree)
    try cursor.seekFirst()
    var entries = 0
    while try cursor.next() { entries += 1 }
    context.expectEqual(entries, rows, "entries: tombstones are left")
    a.close()
    reader.close()
}

private func outOfUndo(_ context: SuiteContext) throws(EngineError) {
    let rig = try VersionRig(context, undoByteLimit: 1 << 20)
    let tree = try rig.makeTree()
    let a = try rig.session()
    a.begin()
    _ = try a.insert(tree, 1, 1)
    try a.commit()
    a.begin()
    context.expectError(.outOfMemory) { () throws(EngineError) in
        for value in 0..<100_000 as Range<UInt64> { _ = try a.update(tree, 1, value, length: 500) }
    }
    try a.rollback()
    a.begin()
    context.expect(try a.get(tree, 1) == 1, "rolled back")
    context.expect(try a.update(tree, 1, 2) == .done, "there is memory again")
    try a.commit()
    a.close()
    try rig.close()
}

private func longRows(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    let reader = try rig.session()
    func check(_ session: Session, _ key: UInt64, _ value: UInt64?, _ length: Int, line: UInt32 = #line)
        throws(EngineError)
    {
        let found = try session.get(tree, key)
        if found != value { return context.fail("row \(key) has another value", line: line) }
        guard let value else { return }
        context.expectEqual(session.rowByteCount, length, "length", line: line)
        for index in stride(from: 8, to: length, by: 97)
        where session.rowByte(index) != UInt8(truncatingIfNeeded: value &+ UInt64(index)) {
            return context.fail("row \(key) differs at \(index)", line: line)
        }
    }
    let lengths = [900, 1100, 4096, 20_000, 100_000]
    a.begin()
    for (key, length) in lengths.enumerated() { _ = try a.insert(tree, UInt64(key), 3, length: length) }
    for (key, length) in lengths.enumerated() { try check(a, UInt64(key), 3, length) }
    try a.commit()
    reader.begin(.repeatableRead)
    for (key, length) in lengths.enumerated() { try check(reader, UInt64(key), 3, length) }
    let pages = rig.trees.allocator.pageCount(of: tree.id)
    for round in 0..<12 as Range<UInt64> {
        a.begin()
        for key in 0..<lengths.count {
            let length = lengths[(key + Int(round)) % lengths.count]
            let result: Bool
            if round % 4 == 3 {
                result = try a.delete(tree, UInt64(key)) == .done
                _ = try a.insert(tree, UInt64(key), round, length: length)
            } else {
                result = try a.update(tree, UInt64(key), round, length: length) == .done
            }
            context.expect(result, "change")
            try check(a, UInt64(key), round, length)
        }
        if round % 2 == 0 { try a.rollback() } else { try a.commit() }
        for (key, length) in lengths.enumerated() { try check(reader, UInt64(key), 3, length) }
    }
    for key in 0..<lengths.count { try check(try freshly(a), UInt64(key), 11, lengths[(key + 11) % lengths.count]) }
    try a.commit()
    try reader.commit()
    let end = Fiber.now() + .seconds(5)
    while rig.manager.retainedTransactionCount > 0 && Fiber.now() < end {
        try rig.manager.maintain()
        Fiber.sleep(.milliseconds(1))
    }
    let after = rig.trees.allocator.pageCount(of: tree.id)
    context.expect(after <= pages + 4, "\(after) pages instead of \(pages): chains are not freed")
    a.close()
    reader.close()
}

private func freshly(_ session: Session) throws(EngineError) -> Session {
    if !session.transaction.isActive { session.begin() }
    return session
}

/// One session against a dictionary, with savepoints and rollbacks.
private func randomAgainstModel(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let session = try rig.session()
    var model: [UInt64: UInt64] = [:]
    var random = SuiteRandom(seed: 42)
    for _ in 0..<120 {
        session.begin(random.next(below: 2) == 0 ? .readCommitted : .repeatableRead)
        let before = model
        var savepoint: (Savepoint, [UInt64: UInt64])?
        for _ in 0..<random.next(below: 60) {
            let key = UInt64(random.next(below: 300))
            let value = random.next() >> 1
            let length = 8 + random.next(below: random.next(below: 20) == 0 ? 3000 : 120)
            switch random.next(below: 10) {
            case 0...3:
                let result = try session.insert(tree, key, value, length: length)
                context.expect((result == .inserted) == (model[key] == nil), "insert answers \(result.rawValue)")
                if result == .inserted { model[key] = value }
            case 4...6:
                let result = try session.update(tree, key, value, length: length)
                context.expect((result == .done) == (model[key] != nil), "update answers \(result.rawValue)")
                if result == .done { model[key] = value }
            case 7:
                let result = try session.delete(tree, key)
                context.expect((result == .done) == (model[key] != nil), "delete answers \(result.rawValue)")
                model[key] = nil
            case 8:
                if let (mark, state) = savepoint, random.next(below: 2) == 0 {
                    try session.transaction.rollback(to: mark)
                    model = state
                } else {
                    savepoint = (session.transaction.setSavepoint(), model)
                }
            default: context.expect(try session.get(tree, key) == model[key], "a read differs from the model")
            }
        }
        if random.next(below: 4) == 0 {
            try session.rollback()
            model = before
        } else {
            try session.commit()
        }
        session.begin()
        let (sum, count) = try session.sum(tree)
        var expected: UInt64 = 0
        for value in model.values { expected &+= value }
        context.expect(sum == expected && count == model.count, "the table differs from the model")
        try session.commit()
    }
    session.close()
}

/// As after damage that came before the page's checksum was made.
private func strayUndo(
    _ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree
) throws(EngineError) {
    let writer = try rig.session()
    let reader = try rig.session()
    writer.begin()
    _ = try writer.insert(tree, 1, 10)
    try writer.commit()
    reader.begin(.repeatableRead)
    context.expectEqual(try reader.get(tree, 1) ?? 0, 10, "before")
    writer.begin()
    _ = try writer.update(tree, 1, 20)
    let page = tree.tree.root
    let header = TreePage(rig.trees.pool.pointer(page)).payload(0).baseAddress!
    let undo = RowHeader.undo(header)
    func name(_ undo: UInt64) throws(EngineError) {
        try rig.trees.pool.latchExclusive(page)
        RowHeader.store(header, writer: RowHeader.writer(header), undo: undo)
        rig.trees.pool.unlatchExclusive(page)
    }
    // Nowhere, in front of the segments, in one never taken, behind all of them, where nothing has been written yet.
    for stray in [64, undo - (1 << 40), undo + (1 << 24), undo | 1 << 62, undo + 4096] {
        for mark in [0, UndoAddress.movable] {
            try name(stray | mark)
            context.expectError(.dataCorrupted) { () throws(EngineError) in _ = try reader.read(tree, 1) }
        }
    }
    for stray in [64, undo | 1 << 62] {
        try name(stray)
        context.expectError(.dataCorrupted) { () throws(EngineError) in _ = try writer.update(tree, 1, 30) }
    }
    try name(undo)
    context.expectEqual(try reader.read(tree, 1) ?? 0, 10, "with the address as it was")
    try writer.rollback()
    try reader.commit()
    reader.close()
    writer.close()
}
