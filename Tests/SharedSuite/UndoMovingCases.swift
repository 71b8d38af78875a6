// Transactions larger than undo memory: what they have moved out to temporary space is found by everybody who needs it, and
// given back.

import BTree
import Fibers
import MVCC
import Platform
import Synchronization
import WALEngine

func undoMovingCases() -> [SuiteCase] {
    [
        movingCase(
            "undo moving: an update larger than undo memory commits, and older snapshots see what was before",
            commitsAndOlderSnapshots),
        movingCase("undo moving: rollback finds all of it, whole or to a savepoint", rollsBack),
        movingCase("undo moving: each of a transaction's commands sees those before it", commandsSeeThoseBefore),
        movingCase("undo moving: others wait for such rows, or share their keys", conflicts),
        movingCase("undo moving: deleted rows are purged, long rows freed, and nothing leaks", deletes),
        movingCase("undo moving: serializable validation reads what was moved", serializable),
        movingCase(
            "undo moving: what many transactions have left for one old snapshot is moved, too", manyTransactions),
        SuiteCase("undo moving: a record is found while its segment goes", recordWhileItGoes),
        SuiteCase("undo moving: readers on all cores while undo is moved under them", readersMeanwhile),
        SuiteCase("undo moving: a full disk ends the statement with 53100, and it can be undone", diskFull),
        SuiteCase(bare: "undo moving: a failed write ends the statement, a failed read its reader", deviceFails),
        SuiteCase("undo moving: a crash forgets it, and recovery undoes from the log", crash),
    ]
}

private let rowCount: UInt64 = 4000
private let rowByteCount = 200

/// Undo memory for some thousand changes of such rows, besides what each worker sets aside for reading what was moved. Eight segments:
/// one transaction's that was not moved because memory was not short, three with the beginnings of small ones, two to write to.
private func undoByteLimit(_ context: SuiteContext) -> Int { (512 + 192 * context.coreCount) << 10 }

private func movingCase(
    _ name: StaticString,
    _ body: @escaping @Sendable (SuiteContext, VersionRig, VersionedTree) throws(EngineError) -> Void
) -> SuiteCase {
    SuiteCase(name) { context throws(EngineError) in
        let rig = try VersionRig(context, undoByteLimit: undoByteLimit(context), temporaryExtents: 1000)
        let tree = try rig.makeTree()
        try fill(rig, tree)
        try body(context, rig, tree)
        try expectNothingLeft(context, rig)
        try rig.close()
    }
}

private func fill(_ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    a.begin()
    try a.insertRun(tree, 0, count: Int(rowCount), 0, length: rowByteCount)
    try a.commit()
    a.close()
}

/// Adds `delta` to all rows, in one command.
private func addToAll(
    _ session: Session, _ tree: VersionedTree, _ delta: UInt64, _ keys: Range<UInt64> = 0..<rowCount
) throws(EngineError) {
    session.transaction.beginStatement()
    for key in keys {
        guard let value = try session.read(tree, key) else { continue }
        let result = try session.write(tree, key, value + delta, length: rowByteCount)
        if result != .done { throw EngineError(.internalError, "row \(key) was not changed: \(result.rawValue)") }
    }
}

private let baseSum = rowCount * (rowCount - 1) / 2

private func expectNothingLeft(_ context: SuiteContext, _ rig: VersionRig, line: UInt32 = #line) throws(EngineError) {
    // What a rollback appended is not waited for.
    try rig.trees.log.waitDurable(rig.trees.log.insertLSN)
    let end = Fiber.now() + .seconds(10)
    // A transaction that the purging fiber is at is not counted any more.
    while Fiber.now() < end
        && (rig.manager.retainedTransactionCount > 0 || rig.manager.undoArea.movedSegmentCount > 0
            || rig.manager.undoBudget.usedByteCount > rig.manager.idleUndoByteCount)
    {
        try rig.manager.maintain()
        Fiber.sleep(.milliseconds(1))
    }
    context.expectEqual(rig.manager.retainedTransactionCount, 0, "transactions not retired", line: line)
    context.expectEqual(rig.manager.undoArea.movedSegmentCount, 0, "segments moved", line: line)
    let space = rig.manager.undoArea.temporary!
    context.expectEqual(space.blockCount, 0, "temporary blocks", line: line)
    context.expectEqual(space.extentCount, 0, "temporary extents", line: line)
    context.expectEqual(
        rig.manager.undoBudget.usedByteCount - rig.manager.idleUndoByteCount, 0, "undo bytes in use", line: line)
}

private func commitsAndOlderSnapshots(
    _ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree
) throws(EngineError) {
    let a = try rig.session()
    let reader = try rig.session()
    var before = baseSum
    // Later rounds have the addresses of earlier ones.
    for _ in 0..<3 {
        reader.begin(.repeatableRead)
        context.expectEqual(try reader.sum(tree).sum, before, "before")
        a.begin()
        try addToAll(a, tree, 7)
        context.expect(rig.manager.undoArea.movedSegmentCount > 10, "undo was moved")
        context.expect(rig.manager.undoBudget.usedByteCount <= rig.manager.undoBudget.limit, "memory is bounded")
        context.expectEqual(try reader.sum(tree).sum, before, "an older snapshot, while it is open")
        context.expectEqual(try a.sum(tree).sum, before + 7 * rowCount, "the transaction itself")
        try a.commit()
        context.expectEqual(try reader.sum(tree).sum, before, "an older snapshot, after the commit")
        a.begin()
        context.expectEqual(try a.sum(tree).sum, before + 7 * rowCount, "after the commit")
        // A second one on top: the reader goes through both.
        try addToAll(a, tree, 1)
        try a.commit()
        let first = rowCount - 500
        context.expectEqual(
            try reader.sum(tree, from: first).sum,
            before - baseSum - (before - baseSum) / rowCount * first
                + (first + rowCount - 1) * 500 / 2, "through two of them")
        context.expect(rig.manager.undoArea.movedSegmentCount > 20, "undo of both is kept for the snapshot")
        try reader.commit()
        before += 8 * rowCount
        try expectNothingLeft(context, rig)
    }
    reader.close()
    a.close()
}

private func manyTransactions(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    let old = try rig.session()
    old.begin(.repeatableRead)
    _ = try old.sum(tree)
    for round in 0..<8 as Range<UInt64> {
        a.begin()
        try addToAll(a, tree, 1, round * 300..<round * 300 + 300)
        try a.commit()
    }
    context.expectEqual(try old.sum(tree).sum, baseSum, "the old snapshot")
    try old.commit()
    old.close()
    a.close()
}

private func rollsBack(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    a.begin()
    try addToAll(a, tree, 5)
    context.expect(rig.manager.undoArea.movedSegmentCount > 10, "undo was moved")
    try a.rollback()
    try expectNothingLeft(context, rig)
    a.begin()
    context.expectEqual(try a.sum(tree).sum, baseSum, "rolled back")
    try addToAll(a, tree, 1)
    let savepoint = a.transaction.setSavepoint()
    let moved = rig.manager.undoArea.movedSegmentCount
    try addToAll(a, tree, 10)
    for key in 0..<rowCount where key % 3 == 0 { _ = try a.delete(tree, key) }
    for key in 0..<500 as Range<UInt64> { _ = try a.insert(tree, rowCount + key, 1, length: rowByteCount) }
    context.expect(rig.manager.undoArea.movedSegmentCount > moved + 10, "more was moved after the savepoint")
    try a.transaction.rollback(to: savepoint)
    context.expectEqual(try a.sum(tree).sum, baseSum + rowCount, "rolled back to the savepoint")
    context.expectEqual(try a.sum(tree).count, Int(rowCount), "rows")
    try addToAll(a, tree, 1)
    try a.transaction.rollback(to: savepoint)
    try addToAll(a, tree, 2, 0..<rowCount / 2)
    try a.commit()
    a.begin()
    context.expectEqual(try a.sum(tree).sum, baseSum + 2 * rowCount, "what was left is committed")
    try a.commit()
    a.close()
}

private func commandsSeeThoseBefore(
    _ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree
) throws(EngineError) {
    let a = try rig.session()
    a.begin()
    var views: [(view: ReadView, sum: UInt64)] = []
    // Commands end in the middle of segments.
    for step in 0..<6 as Range<UInt64> {
        let range = step * 600..<step * 600 + 1000
        try addToAll(a, tree, 1, range)
        context.expect(
            try a.write(tree, range.lowerBound, 1, length: rowByteCount) == .changedByCommand,
            "a command leaves what it has written alone")
        a.transaction.beginStatement()
        views.append((a.transaction.view, baseSum + (step + 1) * 1000))
    }
    try addToAll(a, tree, 0)
    context.expect(rig.manager.undoArea.movedSegmentCount > 20, "undo was moved")
    for (view, expected) in views {
        var sum: UInt64 = 0
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        try tree.scan(view, from: empty, to: empty) { _, row throws(EngineError) in
            sum += row.baseAddress!.big(0, as: UInt64.self)
        }
        context.expectEqual(sum, expected, "what an earlier command saw")
    }
    // Rows of a moved segment of mixed commands: the newest command's are left alone, older ones' are changed.
    a.transaction.beginStatement()
    var changed = 0
    for key in 0..<rowCount {
        context.expect(try a.write(tree, key, key, length: rowByteCount) == .done, "row \(key)")
        changed += 1
        if key % 100 != 50 { continue }
        for earlier in [0, key / 2, key] {
            context.expect(
                try a.write(tree, earlier, 1, length: rowByteCount) == .changedByCommand, "row \(earlier) again")
        }
    }
    a.transaction.beginStatement()
    context.expectEqual(try a.sumInStatement(tree).sum, baseSum, "after all commands")
    try a.commit()
    a.close()
}

private func conflicts(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    let b = try rig.session()
    let old = try rig.session()
    old.begin(.repeatableRead)
    _ = try old.sum(tree)
    a.begin()
    a.transaction.beginStatement()
    for key in 0..<rowCount {
        _ = try a.write(tree, key, key + 1, length: rowByteCount, changesKey: key % 2 == 1)
    }
    // Once more, so that the newest change is not the one of the key.
    try addToAll(a, tree, 1)
    context.expect(rig.manager.undoArea.movedSegmentCount > 20, "undo was moved")
    b.begin()
    for key in stride(from: 0 as UInt64, to: 300, by: 7) {
        context.expect(try b.update(tree, key, 1, policy: .noWait) == .wouldWait, "a row in doubt is waited for")
        let shared = try b.lock(tree, key, .keyShare, policy: .noWait)
        context.expect(shared == (key % 2 == 1 ? .wouldWait : .done), "row \(key): \(shared.rawValue)")
        context.expect(try b.lock(tree, key, .share, policy: .noWait) == .wouldWait, "row \(key) FOR SHARE")
        context.expect(try a.lock(tree, key, .update, policy: .noWait) == .wouldWait || key % 2 == 1, "own rows")
    }
    try b.rollback()
    let waiter = try Actor(rig)
    waiter.start { session throws(EngineError) in
        session.begin()
        context.expect(try session.add(tree, 3, 100), "the row is there")
        try session.commit()
    }
    context.expect(waiter.isWaiting, "another writer waits")
    try a.commit()
    context.expect(waiter.finish() == nil, "it goes on after the commit")
    waiter.end()
    b.begin()
    context.expect(try b.get(tree, 3) == 105, "both changes")
    try b.commit()
    // First updater wins.
    context.expectError(.serializationFailure) { () throws(EngineError) in _ = try old.update(tree, 5, 1) }
    try old.rollback()
    old.close()
    b.close()
    a.close()
}

private func deletes(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    let old = try rig.session()
    a.begin()
    for key in 0..<20 as Range<UInt64> { _ = try a.insert(tree, rowCount + key, key, length: 20_000) }
    try a.commit()
    let pages = rig.trees.allocator.pageCount(of: tree.id)
    old.begin(.repeatableRead)
    context.expectEqual(try old.sum(tree).count, Int(rowCount) + 20, "before")
    a.begin()
    for key in 0..<20 as Range<UInt64> { _ = try a.update(tree, rowCount + key, key, length: 20_000) }
    try addToAll(a, tree, 1)
    for key in 0..<rowCount + 20 { context.expect(try a.delete(tree, key) == .done, "row \(key)") }
    context.expect(rig.manager.undoArea.movedSegmentCount > 10, "undo was moved")
    context.expectEqual(try a.sum(tree).count, 0, "all are deleted")
    context.expectEqual(try old.sum(tree).count, Int(rowCount) + 20, "not for an older snapshot")
    try a.commit()
    context.expectEqual(try old.sum(tree).sum, baseSum + 190, "not after the commit")
    try old.commit()
    try expectNothingLeft(context, rig)
    var cursor = Cursor(tree.tree)
    try cursor.seekFirst()
    context.expect(try !cursor.next(), "no tombstone is left")
    context.expect(rig.trees.allocator.pageCount(of: tree.id) < pages / 4, "the pages are free")
    old.close()
    a.close()
}

private func serializable(_ context: SuiteContext, _ rig: VersionRig, _ tree: VersionedTree) throws(EngineError) {
    let a = try rig.session()
    let b = try rig.session()
    let c = try rig.session()
    for session in [b, c] { session.begin(.serializable) }
    _ = try b.get(tree, 17)
    _ = try c.get(tree, rowCount - 1)
    a.begin(.serializable)
    try addToAll(a, tree, 1, 0..<rowCount - 1)
    context.expect(rig.manager.undoArea.movedSegmentCount > 10, "undo was moved")
    try a.commit()
    _ = try b.insert(tree, rowCount + 1, 1)
    _ = try c.insert(tree, rowCount + 2, 1)
    context.expectError(.serializationFailure) { () throws(EngineError) in try b.commit() }
    try b.rollback()
    try c.commit()
    for session in [a, b, c] { session.close() }
}

private func recordWhileItGoes(_ context: SuiteContext) throws(EngineError) {
    let rig = try VersionRig(context, undoByteLimit: undoByteLimit(context), temporaryExtents: 1000)
    let tree = try rig.makeTree()
    try fill(rig, tree)
    let isReading = SharedWord<Bool>(false)
    let isOver = SharedWord<Bool>(false)
    let a = try rig.session()
    for round in 0..<4 as Range<UInt64> {
        isOver.word.store(false, ordering: .releasing)
        try context.scheduler.spawn(on: context.scheduler.workerCount - 1, .interactive, "reader") {
            do throws(EngineError) {
                let reader = Session(try rig.manager.makeTransaction())
                reader.begin(.repeatableRead)
                reader.transaction.beginStatement()
                isReading.word.store(true, ordering: .releasing)
                while !isOver.word.load(ordering: .acquiring) {
                    // In the middle of the oldest segment in memory, about: some 230 records fit one.
                    let moved = UInt64(rig.manager.undoArea.movedSegmentCount)
                    let key = min(150 + moved * 233, rowCount - 1)
                    for _ in 0..<20 where try reader.read(tree, key) != key + round {
                        context.fail("row \(key) is not the older snapshot's")
                    }
                    Fiber.yield()
                }
                try reader.commit()
                reader.close()
            } catch {
                context.fail("threw: \(error.message)")
            }
            isReading.word.store(false, ordering: .releasing)
        }
        while !isReading.word.load(ordering: .acquiring) { Fiber.sleep(.microseconds(100)) }
        a.begin()
        try addToAll(a, tree, 1)
        try a.commit()
        isOver.word.store(true, ordering: .releasing)
        while isReading.word.load(ordering: .acquiring) { Fiber.sleep(.microseconds(100)) }
        try expectNothingLeft(context, rig)
    }
    a.close()
    try rig.close()
}

private func readersMeanwhile(_ context: SuiteContext) throws(EngineError) {
    // Enough for each reader to keep the segments that it is at.
    let rig = try VersionRig(context, undoByteLimit: 4 << 20, temporaryExtents: 1000)
    let tree = try rig.makeTree()
    try fill(rig, tree)
    let cores = context.scheduler.workerCount
    let done = SharedWord<Bool>(false)
    let running = SharedWord<Int>(2)
    for number in 0..<2 {
        try context.scheduler.spawn(on: (cores - 1 + number) % cores, .interactive, "reader") {
            do throws(EngineError) {
                let reader = Session(try rig.manager.makeTransaction())
                var random = SuiteRandom(seed: UInt64(number))
                while !done.word.load(ordering: .acquiring) {
                    reader.begin(.repeatableRead)
                    var round: UInt64?
                    for _ in 0..<8 {
                        // Of any hundred rows, as much has been added to each.
                        let first = UInt64(random.next(below: Int(rowCount) - 100))
                        let found = try reader.sum(tree, from: first, to: first + 100).sum
                        let added = found - 100 * first - 4950
                        if added % 100 != 0 { context.fail("half a transaction is seen") }
                        if added / 100 != round ?? added / 100 { context.fail("a snapshot has changed") }
                        round = added / 100
                        Fiber.yield()
                    }
                    try reader.commit()
                }
                reader.close()
            } catch {
                context.fail("threw: \(error.message)")
            }
            running.word.wrappingSubtract(1, ordering: .acquiringAndReleasing)
        }
    }
    let a = try rig.session()
    for round in 0..<5 {
        a.begin()
        try addToAll(a, tree, 1)
        try addToAll(a, tree, 1)
        if round % 2 == 0 { try a.rollback() } else { try a.commit() }
        Fiber.sleep(.milliseconds(5))
    }
    done.word.store(true, ordering: .releasing)
    while running.word.load(ordering: .acquiring) > 0 { Fiber.sleep(.milliseconds(1)) }
    a.close()
    try expectNothingLeft(context, rig)
    try rig.close()
}

private func diskFull(_ context: SuiteContext) throws(EngineError) {
    let rig = try VersionRig(context, undoByteLimit: undoByteLimit(context), temporaryExtents: 4)
    let tree = try rig.makeTree()
    try fill(rig, tree)
    let a = try rig.session()
    a.begin()
    try addToAll(a, tree, 1)
    let savepoint = a.transaction.setSavepoint()
    context.expectError(.diskFull) { () throws(EngineError) in
        for _ in 0..<20 { try addToAll(a, tree, 1) }
    }
    context.expect(rig.manager.undoArea.movedSegmentCount > 60, "the room was used")
    try a.transaction.rollback(to: savepoint)
    context.expectEqual(try a.sum(tree).sum, baseSum + rowCount, "rolled back to the savepoint")
    // There is neither memory nor room for more, and it can still end.
    try a.rollback()
    try expectNothingLeft(context, rig)
    a.begin()
    context.expectEqual(try a.sum(tree).sum, baseSum, "rolled back")
    try addToAll(a, tree, 1)
    try a.commit()
    a.close()
    try expectNothingLeft(context, rig)
    try rig.close()
}

private func deviceFails(_ context: SuiteContext) throws(EngineError) {
    let disk = FaultyDisk(over: context.platform, FaultOptions(byteCount: 256 << 20))
    try context.run(on: disk) { scheduler throws(EngineError) in
        let inner = SuiteContext(platform: disk)
        inner.currentScheduler = scheduler
        let rig = try VersionRig(inner, undoByteLimit: undoByteLimit(inner), temporaryExtents: 1000)
        let tree = try rig.makeTree()
        try fill(rig, tree)
        let a = try rig.session()
        let old = try rig.session()
        old.begin(.repeatableRead)
        _ = try old.sum(tree)
        a.begin()
        try addToAll(a, tree, 1)
        let moved = rig.manager.undoArea.movedSegmentCount
        let blocks = rig.manager.undoArea.temporary!.blockCount
        context.expect(moved > 10, "undo was moved")
        // Nothing is left in the log's ring that would have to be written while writes fail.
        try rig.trees.log.waitDurable(rig.trees.log.insertLSN)
        disk.options.writeErrorPermille = 1000
        let savepoint = a.transaction.setSavepoint()
        context.expectError(.ioError) { () throws(EngineError) in try addToAll(a, tree, 1) }
        disk.options.writeErrorPermille = 0
        context.expectEqual(rig.manager.undoArea.movedSegmentCount, moved, "segments moved")
        context.expectEqual(rig.manager.undoArea.temporary!.blockCount, blocks, "blocks in use")
        try a.transaction.rollback(to: savepoint)
        context.expectEqual(try a.sum(tree).sum, baseSum + rowCount, "the statement is undone")
        disk.options.readErrorPermille = 1000
        context.expectError(.ioError) { () throws(EngineError) in _ = try old.sum(tree) }
        context.expectError(.ioError) { () throws(EngineError) in try a.rollback() }
        disk.options.readErrorPermille = 0
        context.expectEqual(try old.sum(tree).sum, baseSum, "the reader finds it later")
        try a.rollback()
        // Rows that were not there before need no undo to be left out.
        a.begin()
        for key in 0..<rowCount { _ = try a.insert(tree, rowCount + key, key, length: rowByteCount) }
        context.expect(rig.manager.undoArea.movedSegmentCount > 2, "undo of inserts was moved")
        disk.options.readErrorPermille = 1000
        context.expectEqual(try old.sum(tree, from: rowCount).count, 0, "rows of an open insert")
        disk.options.readErrorPermille = 0
        try a.commit()
        context.expectEqual(try old.sum(tree).sum, baseSum, "the old snapshot")
        try old.commit()
        old.close()
        a.close()
        try expectNothingLeft(context, rig)
        try rig.close()
    }
}

private func crash(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: 16 << 20, undoByteLimit: undoByteLimit(context))
    let session = try rig.session()
    session.begin()
    try session.insertRun(rig.table, 0, count: Int(rowCount), 0, length: rowByteCount)
    try session.commit()
    let free = rig.allocator.freeExtentCount
    session.begin()
    try addToAll(session, rig.table, 9)
    context.expect(rig.manager.undoArea.movedSegmentCount > 10, "undo was moved")
    try rig.log.waitDurable(rig.log.insertLSN)
    abandon(session)
    rig.crash()
    try rig.open()
    context.expectEqual(rig.allocator.freeExtentCount, free, "free extents")
    let again = try rig.session()
    again.begin()
    context.expectEqual(try again.sum(rig.table).sum, baseSum, "undone from the log")
    try again.commit()
    again.close()
    try rig.shutDown()
}
