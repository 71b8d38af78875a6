// Rows inserted many at a time behave as rows inserted one by one: for their own transaction, for others, for rollback and
// savepoints, and for every crash.

import BTree
import Fibers
import MVCC
import MultiEngine
import Platform
import SQLTypes
import Synchronization
import WALEngine

func rowRunCases() -> [SuiteCase] {
    [
        SuiteCase("row runs: a page takes a run as it takes its rows one by one", pageTakesRun),
        SuiteCase(
            "row runs: malformed and misplaced operations are refused, with the page as it was", malformedIsRefused),
        SuiteCase("row runs: others see all rows from the commit on and none before", othersSeeAllOrNone),
        SuiteCase("row runs: a rollback takes all rows back, also those changed or deleted since", rollbackTakesAll),
        SuiteCase("row runs: a savepoint takes back the runs after it and no row before", savepointTakesLaterRuns),
        SuiteCase("row runs: a serializable reader of one key conflicts with a run that writes it", readerConflicts),
        SuiteCase("row runs: runs of several sessions interleave in one tree", sessionsInterleave),
        SuiteCase("row runs: a table's indexes have every row of a batch, long ones too", tableTakesBatch),
        SuiteCase(
            "row runs: a violation inside a batch is 23505, and a savepoint takes all of it back", violationInBatch),
        SuiteCase("row runs: a crash keeps whole transactions and nothing of others", crashKeepsWhole),
        SuiteCase("row runs: a crash anywhere inside recovery or rollback changes nothing", crashInsideUndo),
    ]
}

// MARK: Pages

private func withNode(_ id: UInt64, _ body: (TreePage) throws(EngineError) -> Void) throws(EngineError) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: pageSize)
    defer { memory.deallocate() }
    let node = TreePage(memory)
    var bounds = (UInt64(0x100).bigEndian, UInt64(0x1ff).bigEndian)
    withUnsafeBytes(of: &bounds) { bytes in
        node.initialize(
            id: PageID(id), tree: TreeID(1), level: 0, layout: .headsAndHints,
            lower: TreeKey(UnsafeRawBufferPointer(rebasing: bytes[..<8])),
            upper: TreeKey(UnsafeRawBufferPointer(rebasing: bytes[8...])), firstChild: .none)
    }
    try body(node)
}

/// Operands of a run whose row `i` has `length(i)` bytes.
private func runOperands(slot: Int, firstKey: UInt64, count: Int, _ length: (Int) -> Int) -> [UInt8] {
    var bytes: [UInt8] = []
    func append<T: FixedWidthInteger>(_ value: T) {
        for shift in stride(from: 0, to: T.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> T(shift)))
        }
    }
    append(UInt16(slot))
    append(UInt16(count))
    append(firstKey)
    append(UInt64(0x1111))
    append(UInt64(0x2222))
    for index in 0..<count {
        append(UInt16(length(index)))
        for byte in 0..<length(index) { bytes.append(UInt8(truncatingIfNeeded: index * 7 + byte)) }
    }
    return bytes
}

private func insertOperands(slot: Int, key: UInt64, index: Int, length: Int) -> [UInt8] {
    var bytes: [UInt8] = [UInt8(slot), 0, 1, 0, UInt8((16 + length) & 0xff), UInt8((16 + length) >> 8)]
    bytes.append(UInt8(truncatingIfNeeded: key))
    bytes += [0x11, 0x11, 0, 0, 0, 0, 0, 0, 0x22, 0x22, 0, 0, 0, 0, 0, 0]
    for byte in 0..<length { bytes.append(UInt8(truncatingIfNeeded: index * 7 + byte)) }
    return bytes
}

private func apply(_ node: TreePage, _ opcode: UInt16, _ operands: [UInt8]) throws(EngineError) {
    try operands.withBytes { (bytes) throws(EngineError) in
        try BTreeRedo.apply(node.base, node.pageID, opcode: opcode, bytes)
    }
}

private func pageTakesRun(_ context: SuiteContext) throws(EngineError) {
    for count in [1, 2, 40] {
        try withNode(5) { (one) throws(EngineError) in
            try withNode(5) { (many) throws(EngineError) in
                // Something on either side.
                for node in [one, many] {
                    try apply(node, PageOpcode.insert, insertOperands(slot: 0, key: 0x101, index: 0, length: 9))
                    try apply(node, PageOpcode.insert, insertOperands(slot: 1, key: 0x1f0, index: 1, length: 3))
                }
                let length = { (index: Int) in index % 5 * 11 }
                let run = runOperands(slot: 1, firstKey: 0x110, count: count, length)
                try apply(many, PageOpcode.insertRun, run)
                for index in 0..<count {
                    try apply(
                        one, PageOpcode.insert,
                        insertOperands(slot: 1 + index, key: 0x110 + UInt64(index), index: index, length: length(index))
                    )
                }
                context.expectEqual(many.slotCount, count + 2, "slots")
                context.expect(
                    UnsafeRawBufferPointer(start: one.base, count: pageSize)
                        .elementsEqual(UnsafeRawBufferPointer(start: many.base, count: pageSize)), "the same bytes")
                try apply(many, PageOpcode.removeRun, [1, 0, UInt8(count), 0])
                context.expectEqual(many.slotCount, 2, "slots after the run is gone")
                let (slot, found) = search(many, 0x1f0)
                context.expect(found && slot == 1, "the row behind the run is where it was")
            }
        }
    }
}

private func search(_ node: TreePage, _ key: UInt64) -> (slot: Int, found: Bool) {
    var memory = key.bigEndian
    return withUnsafeBytes(of: &memory) { node.search(TreeKey($0)) }
}

private func malformedIsRefused(_ context: SuiteContext) throws(EngineError) {
    try withNode(5) { (node) throws(EngineError) in
        try apply(node, PageOpcode.insertRun, runOperands(slot: 0, firstKey: 0x110, count: 3) { _ in 20 })
        let before = [UInt8](UnsafeRawBufferPointer(start: node.base, count: pageSize))
        let good = runOperands(slot: 3, firstKey: 0x120, count: 2) { _ in 20 }
        var bad: [(UInt16, [UInt8])] = [
            (PageOpcode.insertRun, Array(good.dropLast())), (PageOpcode.insertRun, good + [0]),
            (PageOpcode.insertRun, Array(good.prefix(20))),
            (PageOpcode.insertRun, runOperands(slot: 4, firstKey: 0x120, count: 2) { _ in 20 }),
            (PageOpcode.insertRun, runOperands(slot: 3, firstKey: 0x120, count: 0) { _ in 20 }),
            (PageOpcode.insertRun, runOperands(slot: 3, firstKey: 0x120, count: 40) { _ in 90 }),
            (PageOpcode.removeRun, [0, 0, 4, 0]), (PageOpcode.removeRun, [2, 0, 2, 0]),
            (PageOpcode.removeRun, [0, 0, 0, 0]), (PageOpcode.removeRun, [0, 0, 1]),
        ]
        var long = good
        long[EntryRunLayout.firstLength] = 0xff
        long[EntryRunLayout.firstLength + 1] = 0xff
        bad.append((PageOpcode.insertRun, long))
        for (opcode, operands) in bad {
            context.expectError(.dataCorrupted) { () throws(EngineError) in try apply(node, opcode, operands) }
        }
        context.expect(
            before.elementsEqual(UnsafeRawBufferPointer(start: node.base, count: pageSize)), "the page is as it was")
    }
}

private enum EntryRunLayout { static let firstLength = 28 }

// MARK: Transactions

private func othersSeeAllOrNone(_ context: SuiteContext) throws(EngineError) {
    let rig = try VersionRig(context)
    let tree = try rig.makeTree()
    let (writer, reader) = (try rig.session(), try rig.session())
    reader.begin(.repeatableRead)
    context.expectEqual(try reader.sum(tree).count, 0, "rows before")
    writer.begin()
    try writer.insertRun(tree, 1, count: 1000, 5000, length: 100)
    context.expectEqual(try writer.sum(tree).count, 1000, "own rows")
    context.expectEqual(try writer.get(tree, 1000) ?? 0, 5999, "the last row")
    let other = try rig.session()
    other.begin()
    context.expectEqual(try other.sum(tree).count, 0, "rows of a transaction that is open")
    try writer.commit()
    context.expectEqual(try other.sum(tree).count, 1000, "rows after the commit")
    context.expectEqual(try reader.sum(tree).count, 0, "rows for the older snapshot")
    context.expect(try other.insert(tree, 500, 1) == .duplicate, "a key of the run")
    context.expect(try other.update(tree, 500, 77) == .done, "update of a row of the run")
    try other.commit()
    try reader.commit()
    reader.begin()
    context.expectEqual(try reader.get(tree, 500) ?? 0, 77, "the updated row")
    context.expectEqual(try reader.get(tree, 501) ?? 0, 5500, "its neighbour")
    try reader.commit()
    for session in [writer, reader, other] { session.close() }
    try rig.close()
}

private func rollbackTakesAll(_ context: SuiteContext) throws(EngineError) {
    let rig = try VersionRig(context)
    let tree = try rig.makeTree()
    let session = try rig.session()
    for round in 0..<3 {
        session.begin()
        try session.insertRun(tree, 10, count: 700, 1, length: 60)
        for key in stride(from: UInt64(10), to: 710, by: 7) {
            context.expect(try session.update(tree, key, 9, length: 200) == .done, "update")
        }
        for key in stride(from: UInt64(13), to: 710, by: 5) {
            context.expect(try session.delete(tree, key) == .done, "delete")
        }
        try session.insertRun(tree, 710, count: 3 + round, 1, length: 900)
        try session.rollback()
        context.expectEqual(try tree.tree.statistics().entryCount, 0, "entries left")
    }
    // The keys are free again.
    session.begin()
    try session.insertRun(tree, 10, count: 700, 1)
    try session.commit()
    session.begin()
    context.expectEqual(try session.sum(tree).count, 700, "rows")
    try session.commit()
    session.close()
    try rig.close()
}

private func savepointTakesLaterRuns(_ context: SuiteContext) throws(EngineError) {
    let rig = try VersionRig(context)
    let tree = try rig.makeTree()
    let session = try rig.session()
    session.begin()
    try session.insertRun(tree, 1, count: 100, 1, length: 100)
    let savepoint = session.transaction.setSavepoint()
    try session.insertRun(tree, 101, count: 300, 1, length: 100)
    _ = try session.update(tree, 50, 12345)
    try session.transaction.rollback(to: savepoint)
    context.expectEqual(try session.sum(tree).count, 100, "rows after the savepoint's rollback")
    context.expectEqual(try session.get(tree, 50) ?? 0, 50, "a row before it")
    try session.insertRun(tree, 101, count: 20, 1, length: 100)
    try session.commit()
    session.begin()
    context.expectEqual(try session.sum(tree).count, 120, "rows at the end")
    try session.commit()
    session.close()
    try rig.close()
}

private func readerConflicts(_ context: SuiteContext) throws(EngineError) {
    let rig = try VersionRig(context)
    let (tree, other) = (try rig.makeTree(1), try rig.makeTree(2))
    for (key, conflicts) in [(UInt64(150), true), (100, true), (199, true), (99, false), (200, false)] {
        let (reader, writer) = (try rig.session(), try rig.session())
        reader.begin(.serializable)
        _ = try reader.get(tree, key)
        writer.begin(.serializable)
        try writer.insertRun(tree, 100, count: 100, 1)
        try writer.commit()
        _ = try reader.insert(other, key, 1)
        if conflicts {
            context.expectError(.serializationFailure) { () throws(EngineError) in try reader.commit() }
            try reader.rollback()
        } else {
            try reader.commit()
        }
        writer.begin()
        for key in UInt64(100)..<200 { _ = try writer.delete(tree, key) }
        try writer.commit()
        try rig.manager.maintain()
        writer.close()
        reader.close()
    }
    try rig.close()
}

private func sessionsInterleave(_ context: SuiteContext) throws(EngineError) {
    let rig = try VersionRig(context)
    let tree = try rig.makeTree()
    let nextKey = SharedWord<UInt64>(1)
    let kept = SharedWord<Int>(0)
    try context.onEveryCore(4) { (core, index) throws(EngineError) in
        let session = try rig.session()
        var random = SuiteRandom(seed: UInt64(core * 4 + index + 1))
        for _ in 0..<30 {
            session.begin()
            let count = 1 + random.next(below: 90)
            let first = nextKey.word.add(UInt64(count), ordering: .relaxed).oldValue
            try session.insertRun(tree, first, count: count, first, length: 8 + random.next(below: 150))
            Fiber.yield()
            if random.next(below: 4) == 0 {
                try session.rollback()
            } else {
                try session.commit()
                kept.word.add(count, ordering: .relaxed)
            }
        }
        session.close()
    }
    let session = try rig.session()
    session.begin()
    context.expectEqual(try session.sum(tree).count, kept.word.load(ordering: .relaxed), "rows of those that committed")
    var wrong = 0
    for key in 1..<nextKey.word.load(ordering: .relaxed) {
        if let value = try session.get(tree, key), value != key { wrong += 1 }
    }
    context.expectEqual(wrong, 0, "rows under another's key")
    try session.commit()
    session.close()
    try rig.close()
}

// MARK: Tables

/// Inserts rows `first..<first + count` of `TableRig` as one batch; row `i` has `b` of `length(i)` bytes.
private func insertBatch(
    _ rig: TableRig, _ first: Int32, count: Int, _ length: (Int) -> Int = { _ in 20 }
) throws(EngineError) -> UInt64 {
    let vectors = TableRig.columns.map { Vector($0.type) }
    for index in 0..<count {
        vectors[0].setCell(index, Cell(first + Int32(index)))
        try vectors[1].setBytes(index, [UInt8](repeating: 0x61, count: length(index)))
        if index % 3 == 2 {
            vectors[2].setNull(index)
        } else {
            vectors[2].setCell(index, Cell(Int64(first) + Int64(index)))
        }
    }
    rig.transaction.beginStatement()
    return try rig.writer.insert(vectors, Selection(count: count), rig.table.makeRow(), rig.transaction)
}

private func tableTakesBatch(_ context: SuiteContext) throws(EngineError) {
    let rig = try TableRig(context)
    let t = rig.transaction
    t.begin()
    let first = try insertBatch(rig, 1, count: 1000) { index in index % 100 == 50 ? 900 : index % 40 }
    let second = try insertBatch(rig, 1001, count: 7)
    context.expectEqual(second, first + 1000, "rowids follow each other")
    _ = try insertBatch(rig, 2000, count: 1)
    try t.commit()
    t.begin()
    for a in [Int32(1), 51, 1000, 1001, 1007, 2000] {
        guard let found = try rig.find(a) else {
            context.fail("row \(a) is missing")
            continue
        }
        if a <= 1007 { context.expectEqual(found.id, first + UInt64(a - 1), "rowid") }
        if a == 51 { context.expectEqual(found.b?.count ?? 0, 900, "a long value") }
    }
    try rig.checkIndexes()
    // Rows of a batch are rows like any other.
    guard let row = try rig.find(500) else { return context.fail("row 500") }
    t.beginStatement()
    context.expect(try rig.writer.update(row.id, rig.row(500, "new", 123_456), t) == .done, "update")
    guard let other = try rig.find(501) else { return context.fail("row 501") }
    t.beginStatement()
    context.expect(try rig.writer.delete(other.id, t) == .done, "delete")
    try rig.checkIndexes()
    try t.commit()
    try rig.close()
}

private func violationInBatch(_ context: SuiteContext) throws(EngineError) {
    let rig = try TableRig(context)
    let t = rig.transaction
    t.begin()
    _ = try rig.insert(550, "in the way", 99_999)
    let savepoint = t.setSavepoint()
    do throws(EngineError) {
        _ = try insertBatch(rig, 100, count: 900)
        context.fail("a duplicate was inserted")
    } catch {
        context.expect(error.state == .uniqueViolation, "23505, got \(error.message)")
        context.expect(
            (error.detail ?? "").utf8.elementsEqual("Key (a)=(550) already exists.".utf8), error.detail ?? "")
    }
    try t.rollback(to: savepoint)
    for a in [Int32(100), 549, 551] { context.expect(try rig.find(a) == nil, "a row of the batch is gone") }
    context.expect(try rig.find(550) != nil, "the row in the way is there")
    try rig.checkIndexes()
    _ = try insertBatch(rig, 551, count: 900)
    try t.commit()
    t.begin()
    context.expect(try rig.find(1450) != nil, "a batch after it")
    try rig.checkIndexes()
    try t.commit()
    try rig.close()
}

// MARK: Crashes

/// First key and count of a run, and whether the commit was acknowledged.
private struct Written {
    var first: UInt64
    var count: Int
    var isAcknowledged = false
}

private final class Notes: @unchecked Sendable { var written: [Written] = [] }

private func crashKeepsWhole(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: 2 << 20, frameCount: 256)
    let nextKey = SharedWord<UInt64>(1)
    for round in 0..<5 {
        let notes = (0..<4 * context.coreCount).map { _ in Notes() }
        let acknowledged = SharedWord<Int>(0)
        let table = rig.table!
        // One is open at every crash, with records that the others' commits make durable.
        let open = try rig.session()
        open.begin()
        let openKey = nextKey.word.add(20, ordering: .relaxed).oldValue
        try open.insertRun(table, openKey, count: 20, openKey, length: 50)
        try context.onEveryCore(4) { (core, index) throws(EngineError) in
            let note = notes[core * 4 + index]
            let session = try rig.session()
            var random = SuiteRandom(seed: UInt64(round * 100 + core * 4 + index + 1))
            do throws(EngineError) {
                for _ in 0..<200 {
                    session.begin()
                    let count = 2 + random.next(below: 60)
                    let first = nextKey.word.add(UInt64(count), ordering: .relaxed).oldValue
                    note.written.append(Written(first: first, count: count))
                    try session.insertRun(table, first, count: count, first, length: 8 + random.next(below: 100))
                    if random.next(below: 5) == 0 {
                        try session.rollback()
                        note.written.removeLast()
                        continue
                    }
                    if random.next(below: 3) == 0 { Fiber.sleep(.microseconds(200)) }
                    try session.commit()
                    note.written[note.written.count - 1].isAcknowledged = true
                    if acknowledged.word.add(1, ordering: .relaxed).newValue == 30 + 11 * round {
                        rig.log.halt(EngineError(.adminShutdown, "power failure"))
                    }
                }
                session.close()
            } catch {
                context.expect(error.state == .adminShutdown, "session: \(error.message)")
                abandon(session)
            }
        }
        abandon(open)
        rig.crash()
        try rig.open()
        context.expect(rig.report.loserCount > 0, "a transaction was open at the crash")
        let unfinished = try rig.contents(openKey..<openKey + 20)
        context.expectEqual(unfinished.count, 0, "rows of a transaction that never ended")
        var total = 0
        for written in notes.flatMap({ $0.written }) {
            let found = try rig.contents(written.first..<written.first + UInt64(written.count))
            total += found.count
            context.expect(
                found.count == written.count || found.isEmpty && !written.isAcknowledged,
                "\(found.count) of \(written.count) rows, \(written.isAcknowledged ? "" : "not ")acknowledged")
            for (key, value) in found where key != value { context.fail("row \(key) is \(value)") }
        }
        context.expect(total > 0, "rows were kept")
    }
    rig.crash()
}

private func crashInsideUndo(_ context: SuiteContext) throws(EngineError) {
    let rig = try CrashRig(context, walByteCount: 4 << 20)
    let session = try rig.session()
    session.begin()
    try session.insertRun(rig.table, 1, count: 50, 1, length: 100)
    try session.commit()
    // One loser with runs over several leaves and changes of their rows, one whose rollback had begun.
    let loser = try rig.session()
    loser.begin()
    try loser.insertRun(rig.table, 1001, count: 120, 7, length: 100)
    for key in stride(from: UInt64(1001), to: 1121, by: 9) { _ = try loser.update(rig.table, key, 8, length: 300) }
    abandon(loser)
    let other = try rig.session()
    other.begin()
    try other.insertRun(rig.table, 2001, count: 90, 7, length: 60)
    let savepoint = other.transaction.setSavepoint()
    try other.insertRun(rig.table, 2091, count: 90, 7, length: 60)
    try other.transaction.rollback(to: savepoint)
    _ = try other.delete(rig.table, 2050)
    abandon(other)
    try rig.log.waitDurable(rig.log.insertLSN)
    rig.crash()
    let image = try DeviceImage(rig)
    try rig.open()
    context.expectEqual(rig.report.loserCount, 2, "losers")
    try checkKept(rig)
    let logEnd = LogBlock.number(of: rig.log.durableLSN)
    rig.crash()
    try image.recoverFromEveryCut(rig, logEnd: logEnd) { () throws(EngineError) in try checkKept(rig) }
}

private func checkKept(_ rig: CrashRig) throws(EngineError) {
    let found = try rig.contents(1..<2300)
    rig.context.expectEqual(found.count, 50, "rows")
    for (key, value) in found where key != value { rig.context.fail("row \(key) is \(value)") }
}
