// Tables with indexes: codecs, uniqueness, scans, index builds, sequences.

import BTree
import Fibers
import MVCC
import MultiEngine
import Platform
import SQLTypes
import WALEngine

func multiEngineCases() -> [SuiteCase] {
    [
        SuiteCase("tables: rows keep every value through encoding, also after columns were added and dropped") {
            context throws(EngineError) in try rowCodec(context)
        },
        SuiteCase("tables: unique indexes refuse duplicates with 23505 and name the key") {
            context throws(EngineError) in
            try withTable(context, uniqueness)
        },
        SuiteCase("tables: ON CONFLICT finds the row in the way and undoes the half inserted one") {
            context throws(EngineError) in try withTable(context, onConflict)
        },
        SuiteCase("tables: index scans deliver ranges in both directions, index-only too") {
            context throws(EngineError) in try withTable(context, indexScans)
        },
        SuiteCase("tables: READ COMMITTED updates re-evaluate the newest row") { context throws(EngineError) in
            try withTable(context, reevaluation)
        },
        SuiteCase("tables: random changes keep indexes and table together and agree with a model") {
            context throws(EngineError) in try withTable(context, randomTable)
        },
        SuiteCase("tables: trees of aborted creations and committed drops are given back") {
            context throws(EngineError) in try withTable(context, treesGoAway)
        },
        SuiteCase("tables: a sample estimates the number of rows") { context throws(EngineError) in
            try withTable(context, sampling)
        },
        SuiteCase("sequences: values come once, in order, and end as told") { context throws(EngineError) in
            try withTable(context, sequences)
        },
    ]
}

/// Table t (a int4, b text, c int8): primary key (a), index (b, c desc), unique (c) — and a session.
final class TableRig {
    let rig: VersionRig
    let engine: StorageEngine
    let transaction: Transaction
    let table: TableStore
    let writer: TableWriter
    let context: SuiteContext

    init(_ context: SuiteContext) throws(EngineError) {
        self.context = context
        rig = try VersionRig(context)
        engine = StorageEngine(
            pool: rig.trees.pool, log: rig.trees.log, allocator: rig.trees.allocator, transactions: rig.manager,
            nextTreeID: 100)
        transaction = try rig.manager.makeTransaction()
        transaction.begin()
        let rows = try engine.createTree(transaction, isTable: true)
        var indexes: [StoredIndex] = []
        for position in 0..<3 {
            let tree = try engine.createTree(transaction, isTable: false)
            indexes.append(Self.index(position, tree.versions.id, tree.versions.tree.root))
        }
        try transaction.commit()
        table = TableStore(
            engine,
            TableDefinition(
                id: 1, schemaName: Array("public".utf8), name: Array("t".utf8), columns: Self.columns,
                treeID: rows.versions.id, root: rows.versions.tree.root, indexes: indexes))
        writer = TableWriter(table)
    }

    static let columns = [
        StoredColumn(name: Array("a".utf8), type: SQLType(.int4)),
        StoredColumn(name: Array("b".utf8), type: SQLType(.text)),
        StoredColumn(name: Array("c".utf8), type: SQLType(.int8)),
    ]

    static func index(_ position: Int, _ id: TreeID, _ root: PageID) -> StoredIndex {
        let a = StoredIndexColumn(position: 0, type: SQLType(.int4))
        let b = StoredIndexColumn(position: 1, type: SQLType(.text))
        let c = StoredIndexColumn(
            position: 2, type: SQLType(.int8), isDescending: position == 1, isNullsFirst: position == 1)
        switch position {
        case 0:
            return StoredIndex(
                id: 10, name: Array("t_pkey".utf8), treeID: id, root: root, columns: [a], isUnique: true,
                columnNames: [Array("a".utf8)])
        case 1:
            return StoredIndex(
                id: 11, name: Array("t_b_c".utf8), treeID: id, root: root, columns: [b, c], isUnique: false,
                columnNames: [Array("b".utf8), Array("c".utf8)])
        default:
            return StoredIndex(
                id: 12, name: Array("t_c".utf8), treeID: id, root: root, columns: [c], isUnique: true,
                columnNames: [Array("c".utf8)])
        }
    }

    func row(_ a: Int32, _ b: String?, _ c: Int64?) -> RowBuffer {
        let row = table.makeRow()
        row.borrow(0, Cell(a))
        if let b {
            do throws(EngineError) { try row.set(1, Datum(bytes: Array(b.utf8)), .bytes) } catch {}
        }
        if let c { row.borrow(2, Cell(c)) }
        return row
    }

    func insert(_ a: Int32, _ b: String?, _ c: Int64?) throws(EngineError) -> UInt64 {
        transaction.beginStatement()
        return try writer.insert(row(a, b, c), transaction)
    }

    /// The row of a primary key.
    func find(_ a: Int32, _ transaction: Transaction? = nil) throws(EngineError) -> (
        id: UInt64, b: [UInt8]?, c: Int64?
    )? {
        let transaction = transaction ?? self.transaction
        transaction.beginStatement()
        var bounds = IndexBounds()
        bounds.equal(Cell(a), table.definition.indexes[0].columns[0])
        bounds.finish()
        context.expect(bounds.isPoint(table.definition.indexes[0]), "a point")
        var copy = RowCopy()
        guard let id = try table.lookup(0, bounds.lower.bytes, transaction.view, into: &copy) else { return nil }
        guard try table.read(id, transaction.view, into: &copy) else {
            context.fail("the index has a row that the table has not")
            return nil
        }
        return (id, try table.codec.cell(1, of: copy.row)?.bytes.array, try table.codec.cell(2, of: copy.row)?.int64)
    }

    /// Values of column a in the order of an index scan.
    func scan(
        _ index: Int, _ bounds: borrowing IndexBounds, _ direction: CursorDirection = .forward, indexOnly: Bool = false,
        column: Int = 0
    ) throws(EngineError) -> [Int64] {
        transaction.beginStatement()
        let cursor = IndexCursor(table, index: index)
        let type = Self.columns[column].type
        let vector = Vector(type)
        cursor.bind([column], [vector], indexOnly: indexOnly)
        try cursor.open(transaction.view, bounds, direction: direction)
        var result: [Int64] = []
        while true {
            let count = try cursor.next(limit: 100)
            if count == 0 { return result }
            for row in 0..<count {
                result.append(
                    vector.isNull(row)
                        ? -1 : type.physical == .int32 ? Int64(vector.cell(row).int32) : vector.cell(row).int64)
            }
        }
    }

    func checkIndexes(line: UInt32 = #line) throws(EngineError) {
        transaction.beginStatement()
        _ = try table.check(transaction.view) { context.fail($0, line: line) }
    }

    func close() throws(EngineError) {
        rig.manager.close(transaction)
        try rig.close()
    }
}

func withTable(_ context: SuiteContext, _ body: (SuiteContext, TableRig) throws(EngineError) -> Void)
    throws(EngineError)
{
    let rig = try TableRig(context)
    try body(context, rig)
    try rig.transaction.rollback()
    try rig.close()
}

private func sameBytes(_ a: [UInt8]?, _ b: [UInt8]?) -> Bool {
    guard let a, let b else { return a == nil && b == nil }
    if a.count != b.count { return false }
    for index in 0..<a.count where a[index] != b[index] { return false }
    return true
}

private func rowCodec(_ context: SuiteContext) throws(EngineError) {
    let types: [TypeOID] = [.int2, .text, .bool, .float8, .bytea, .int8, .uuid, .int4, .text, .interval, .float4]
    var columns = types.map { StoredColumn(name: [0x78], type: SQLType($0)) }
    let old = RowCodec(columns)
    columns.append(StoredColumn(name: [0x79], type: SQLType(.int4), missing: Datum(Int32(77))))
    columns.append(StoredColumn(name: [0x7A], type: SQLType(.text), missing: Datum(text: "a default that is long")))
    columns.append(StoredColumn(name: [0x7A], type: SQLType(.text)))
    columns[1].isDropped = true
    let new = RowCodec(columns)
    var random = SuiteRandom(seed: 9)
    let row = RowBuffer(count: columns.count)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 8192, alignment: 8)
    defer { memory.deallocate() }
    for round in 0..<300 {
        let codec = round % 2 == 0 ? old : new
        row.reset()
        for index in 0..<codec.count where random.next(below: 4) > 0 {
            let physical = columns[index].type.physical
            if physical == .bytes {
                let bytes = (0..<random.next(below: 40)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                try row.set(index, Datum(bytes: bytes), .bytes)
            } else {
                withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { buffer in
                    for byte in 0..<16 { buffer[byte] = UInt8(truncatingIfNeeded: random.next()) }
                    if physical == .bool { buffer[0] &= 1 }
                    row.borrow(index, Cell(loading: buffer.baseAddress!, physical))
                }
            }
        }
        let length = codec.encodedByteCount(row)
        codec.encode(row, to: memory)
        let bytes = UnsafeRawBufferPointer(start: memory, count: length)
        for index in 0..<columns.count {
            let found = try new.cell(index, of: bytes)
            if index >= codec.count {
                let missing = columns[index].missing
                context.expect((found == nil) == missing.isNull, "a column added later")
                if let found, index == 11 { context.expectEqual(found.int32, 77, "its default") }
                if let found, index == 12 { context.expectEqual(found.bytes.count, 22, "its default") }
            } else if row.isNull(index) || columns[index].isDropped && round % 2 == 1 {
                context.expect(found == nil, "column \(index) is NULL")
            } else if let found {
                let physical = columns[index].type.physical
                let equal =
                    physical == .bytes
                    ? sameBytes(found.bytes.array, row.cells[index].bytes.array)
                    : found.low == row.cells[index].low && (physical.width < 16 || found.high == row.cells[index].high)
                context.expect(equal, "column \(index) has another value")
            } else {
                context.fail("column \(index) is lost")
            }
        }
    }
}

private func uniqueness(_ context: SuiteContext, _ rig: TableRig) throws(EngineError) {
    let t = rig.transaction
    t.begin()
    _ = try rig.insert(1, "one", 100)
    _ = try rig.insert(2, "two", nil)
    _ = try rig.insert(3, "three", nil)
    try t.commit()
    t.begin()
    do throws(EngineError) {
        _ = try rig.insert(1, "uno", 5)
        context.fail("a duplicate was inserted")
    } catch {
        context.expect(error.state == .uniqueViolation, "23505")
        let message = Array("duplicate key value violates unique constraint \"t_pkey\"".utf8)
        context.expect(sameBytes(Array(error.message.utf8), message), error.message)
        context.expect(
            sameBytes(Array((error.detail ?? "").utf8), Array("Key (a)=(1) already exists.".utf8)), error.detail ?? "")
    }
    try t.rollback()
    t.begin()
    context.expectError(.uniqueViolation) { () throws(EngineError) in _ = try rig.insert(9, "x", 100) }
    try t.rollback()
    t.begin()
    context.expect(try rig.find(9) == nil, "nothing of it is left")
    try rig.checkIndexes()
    // An update to a key that exists fails, one that keeps the key does not.
    guard let two = try rig.find(2) else { return context.fail("row 2") }
    t.beginStatement()
    context.expect(try rig.writer.update(two.id, rig.row(2, "zwei", nil), t) == .done, "same key")
    context.expectError(.uniqueViolation) { () throws(EngineError) in
        t.beginStatement()
        _ = try rig.writer.update(two.id, rig.row(1, "zwei", nil), t)
    }
    try t.rollback()
    // A deleted key is free at once for its own transaction, and moving keys around works.
    t.begin()
    guard let one = try rig.find(1) else { return context.fail("row 1") }
    t.beginStatement()
    context.expect(try rig.writer.delete(one.id, t) == .done, "delete")
    _ = try rig.insert(1, "again", 100)
    try t.commit()
    t.begin()
    context.expectError(.programLimitExceeded) { () throws(EngineError) in
        _ = try rig.insert(7, String(repeating: "long ", count: 500), 7)
    }
    try t.rollback()
    t.begin()
    context.expect(sameBytes(try rig.find(1)?.b, Array("again".utf8)), "the new row")
    try rig.checkIndexes()
    try t.commit()
}

private func onConflict(_ context: SuiteContext, _ rig: TableRig) throws(EngineError) {
    let t = rig.transaction
    t.begin()
    let first = try rig.insert(1, "one", 100)
    try t.commit()
    t.begin()
    t.beginStatement()
    switch try rig.writer.insert(rig.row(5, "five", 100), t, arbiters: .all) {
    case .inserted: context.fail("inserted a duplicate")
    case .conflict(let row, let index):
        context.expectEqual(row, first, "the row in the way")
        context.expectEqual(index, 2, "the index")
    }
    context.expectError(.uniqueViolation) { () throws(EngineError) in
        _ = try rig.writer.insert(rig.row(6, "six", 100), t, arbiters: .some([0]))
    }
    try t.rollback()
    t.begin()
    switch try conflict(rig, 7, "seven", 700) {
    case .inserted: break
    case .conflict: context.fail("no conflict here")
    }
    context.expect(try rig.find(5) == nil, "undone")
    try rig.checkIndexes()
    try t.commit()
}

private func conflict(_ rig: TableRig, _ a: Int32, _ b: String, _ c: Int64) throws(EngineError) -> InsertOutcome {
    rig.transaction.beginStatement()
    return try rig.writer.insert(rig.row(a, b, c), rig.transaction, arbiters: .all)
}

private func indexScans(_ context: SuiteContext, _ rig: TableRig) throws(EngineError) {
    let t = rig.transaction
    t.begin()
    for a in 0..<500 as Range<Int32> {
        _ = try rig.insert(a, a % 50 == 49 ? nil : "group \(a % 5)", a % 10 == 3 ? nil : Int64(1000 - a))
    }
    try t.commit()
    t.begin()
    let pkey = rig.table.definition.indexes[0].columns[0]
    var bounds = IndexBounds()
    bounds.finish(lower: Cell(Int32(100)), isLowInclusive: true, upper: Cell(Int32(300)), isHighInclusive: false, pkey)
    let expected = (100..<300).map { Int64($0) }
    context.expect(try rig.scan(0, bounds) == expected, "forward")
    context.expect(try rig.scan(0, bounds, .backward) == expected.reversed(), "backward")
    context.expect(try rig.scan(0, bounds, indexOnly: true) == expected, "index only")
    bounds.reset()
    bounds.finish(lower: Cell(Int32(100)), isLowInclusive: false, upper: Cell(Int32(300)), isHighInclusive: true, pkey)
    context.expect(try rig.scan(0, bounds) == (101...300).map { Int64($0) }, "exclusive and inclusive")
    bounds.reset()
    bounds.finish(lower: nil, isLowInclusive: false, upper: Cell(Int32(3)), isHighInclusive: true, pkey)
    context.expect(try rig.scan(0, bounds, .backward) == [3, 2, 1, 0], "no lower bound")
    bounds.reset()
    bounds.finish()
    context.expectEqual(try rig.scan(0, bounds).count, 500, "everything")
    // b = 'group 2', c descending with NULLs first
    let b = rig.table.definition.indexes[1].columns[0]
    let c = rig.table.definition.indexes[1].columns[1]
    let group = Datum(text: "group 2")
    bounds.reset()
    group.withCell { bounds.equal($0, b) }
    bounds.finish()
    var inGroup: [Int64] = []
    for a in 0..<500 as Range<Int64> where a % 5 == 2 { inGroup.append(a) }
    let lowGroup = inGroup.filter { $0 <= 400 }
    context.expect(try rig.scan(1, bounds) == inGroup, "c descends as a ascends")
    bounds.reset()
    group.withCell { bounds.equal($0, b) }
    bounds.finish(lower: Cell(Int64(600)), isLowInclusive: true, upper: nil, isHighInclusive: false, c)
    context.expect(try rig.scan(1, bounds) == lowGroup, "a range of a descending column")
    context.expect(try rig.scan(1, bounds, indexOnly: true, column: 2) == lowGroup.map { 1000 - $0 }, "from the key")
    bounds.reset()
    let three = Datum(text: "group 3")
    three.withCell { bounds.equal($0, b) }
    bounds.isNull(c)
    bounds.finish()
    let withoutC: [Int64] = (0..<50).map { Int64($0 * 10 + 3) }
    context.expect(try rig.scan(1, bounds) == withoutC, "IS NULL")
    bounds.reset()
    bounds.equal(nil, b)
    bounds.finish()
    context.expect(try rig.scan(1, bounds).isEmpty, "= NULL finds nothing")
    // The table itself, both ways.
    let cursor = TableCursor(rig.table)
    let a = Vector(SQLType(.int4))
    let id = Vector(SQLType(.int8))
    cursor.bind([0, ScanPosition.rowID], [a, id])
    for direction in [CursorDirection.forward, .backward] {
        t.beginStatement()
        try cursor.open(t.view, direction: direction)
        var total = 0
        while true {
            let count = try cursor.next(limit: 64)
            if count == 0 { break }
            for row in 0..<count {
                let value = direction == .forward ? total + row : 499 - total - row
                context.expectEqual(Int(a.cell(row).int32), value, "value in rowid order")
                context.expectEqual(Int(id.cell(row).int64), value + 1, "rowid")
            }
            total += count
        }
        context.expectEqual(total, 500, "rows")
    }
    try t.commit()
}

private func reevaluation(_ context: SuiteContext, _ rig: TableRig) throws(EngineError) {
    let t = rig.transaction
    t.begin()
    let id = try rig.insert(1, "one", 100)
    try t.commit()
    let other = try rig.rig.manager.makeTransaction()
    let otherWriter = TableWriter(rig.table)
    t.begin()
    t.beginStatement()
    other.begin()
    other.beginStatement()
    context.expect(try otherWriter.update(id, rig.row(1, "uno", 101), other) == .done, "the other's update")
    try other.commit()
    // t's statement began before: it must look at the newest row first.
    context.expect(try rig.writer.update(id, rig.row(1, "eins", 102), t) == .changed, "changed meanwhile")
    let row = rig.table.makeRow()
    let version = try rig.writer.readFound(t, into: row)
    context.expectEqual(row.cells[2].int64, 101, "the newest row")
    context.expect(try rig.writer.update(id, rig.row(1, "eins", 202), t, expected: version) == .done, "re-evaluated")
    try t.commit()
    t.begin()
    context.expect(try rig.find(1)?.c == 202, "both updates count")
    try rig.checkIndexes()
    try t.commit()
    // Deleted meanwhile.
    t.begin()
    t.beginStatement()
    other.begin()
    other.beginStatement()
    context.expect(try otherWriter.delete(id, other) == .done, "the other's delete")
    try other.commit()
    context.expect(try rig.writer.update(id, rig.row(1, "x", 1), t) == .gone, "gone meanwhile")
    try t.commit()
    rig.rig.manager.close(other)
}

private func randomTable(_ context: SuiteContext, _ rig: TableRig) throws(EngineError) {
    let t = rig.transaction
    var random = SuiteRandom(seed: 77)
    var model: [Int32: Int64] = [:]
    for round in 0..<40 {
        t.begin(round % 2 == 0 ? .readCommitted : .repeatableRead)
        let before = model
        var failed = false
        for _ in 0..<40 {
            let a = Int32(random.next(below: 120))
            let c = Int64(random.next(below: 100_000))
            do throws(EngineError) {
                switch random.next(below: 4) {
                case 0, 1:
                    _ = try rig.insert(a, "text \(c % 11)", c)
                    context.expect(model[a] == nil, "a duplicate key was inserted")
                    model[a] = c
                case 2:
                    if let row = try rig.find(a) {
                        t.beginStatement()
                        let text =
                            random.next(below: 9) == 0 ? String(repeating: "long ", count: 199) : "text \(c % 11)"
                        context.expect(try rig.writer.update(row.id, rig.row(a, text, c), t) == .done, "update")
                        model[a] = c
                    } else {
                        context.expect(model[a] == nil, "row \(a) is lost")
                    }
                default:
                    if let row = try rig.find(a) {
                        t.beginStatement()
                        context.expect(try rig.writer.delete(row.id, t) == .done, "delete")
                        model[a] = nil
                    }
                }
            } catch {
                context.expect(error.state == .uniqueViolation, error.message)
                failed = true
                break
            }
        }
        if failed || random.next(below: 4) == 0 {
            try t.rollback()
            model = before
        } else {
            try t.commit()
        }
        t.begin()
        try rig.checkIndexes()
        var count = 0
        t.beginStatement()
        try rig.table.forEachRow(t.view) { (_, row) throws(EngineError) in
            count += 1
            context.expect(model[row.cells[0].int32] == row.cells[2].int64, "a row differs from the model")
        }
        context.expectEqual(count, model.count, "rows")
        try t.commit()
    }
}

private func treesGoAway(_ context: SuiteContext, _ rig: TableRig) throws(EngineError) {
    let t = rig.transaction
    let free = rig.rig.trees.allocator.freePageCount
    for round in 0..<6 {
        t.begin()
        let tree = try rig.engine.createTree(t, isTable: true)
        var definition = rig.table.definition
        definition.treeID = tree.versions.id
        definition.root = tree.versions.tree.root
        definition.indexes = []
        let writer = TableWriter(TableStore(rig.engine, definition))
        t.beginStatement()
        for a in 0..<2000 as Range<Int32> { _ = try writer.insert(rig.row(a, "some text", 1), t) }
        if round % 2 == 0 {
            try t.rollback()
        } else {
            try t.commit()
            t.begin()
            rig.engine.dropTree(tree.versions.id, root: tree.versions.tree.root, isTable: true, t)
            try t.commit()
        }
    }
    let end = Fiber.now() + .seconds(5)
    while rig.rig.trees.allocator.freePageCount < free && Fiber.now() < end {
        try rig.rig.manager.maintain()
        Fiber.sleep(.milliseconds(1))
    }
    context.expectEqual(rig.rig.trees.allocator.freePageCount, free, "free pages")
}

private func sampling(_ context: SuiteContext, _ rig: TableRig) throws(EngineError) {
    let t = rig.transaction
    t.begin()
    var definition = rig.table.definition
    definition.indexes = []
    let table = TableStore(rig.engine, definition)
    let writer = TableWriter(table)
    t.beginStatement()
    for a in 0..<20_000 as Range<Int32> {
        let id = try writer.insert(rig.row(a, nil, 1), t)
        if a % 2 == 0 {
            t.advanceCommand()
            _ = try writer.delete(id, t)
        }
    }
    t.beginStatement()
    for limit in [100_000, 1000] {
        var rows = 0
        let estimate = try table.sample(t.view, limit: limit, seed: 3) { (row) throws(EngineError) in
            rows += 1
            context.expect(row.cells[0].int32 % 2 == 1, "a deleted row is in the sample")
        }
        context.expect(estimate > 9000 && estimate < 11_000, "estimate \(Int(estimate))")
        context.expect(limit == 1000 ? rows > 300 && rows < 1200 : rows == 10_000, "\(rows) rows sampled")
    }
    try t.rollback()
}

private func sequences(_ context: SuiteContext, _ rig: TableRig) throws(EngineError) {
    let tree = try rig.rig.trees.makeTree(50)
    let store = SequenceStore(tree, rig.rig.trees.log)
    let plain = SequenceParameters()
    try store.create(1, start: 1)
    for value in 1...100 as ClosedRange<Int64> { context.expectEqual(try store.next(1, plain), value, "value") }
    let state = try store.state(1)
    context.expect(state.last == 100 && state.isCalled, "state")
    // Another process that finds the tree as a crash left it: no value comes twice, and not more than 32 are skipped.
    let after = try SequenceStore(tree, rig.rig.trees.log).next(1, plain)
    context.expect(after > 100 && after <= 133, "goes on with \(after) after a crash")
    let clean = SequenceStore(tree, rig.rig.trees.log)
    try clean.set(1, to: 500, isCalled: false)
    context.expectEqual(try clean.next(1, plain), 500, "setval with is_called false")
    try clean.save()
    context.expectEqual(try SequenceStore(tree, rig.rig.trees.log).next(1, plain), 501, "after a clean stop")
    let down = SequenceParameters(increment: -5, minimum: -11, maximum: -1)
    try store.create(2, start: -1)
    for value in [-1, -6, -11] as [Int64] { context.expectEqual(try store.next(2, down), value, "downward") }
    context.expectError("2200H") { () throws(EngineError) in _ = try store.next(2, down) }
    let cycle = SequenceParameters(increment: 2, minimum: 1, maximum: 4, cycles: true)
    try store.create(3, start: 3)
    for value in [3, 1, 3, 1] as [Int64] { context.expectEqual(try store.next(3, cycle), value, "cycling") }
    let edge = SequenceParameters(minimum: 1, maximum: Int64.max)
    try store.create(4, start: Int64.max - 1)
    for value in [Int64.max - 1, Int64.max] { context.expectEqual(try store.next(4, edge), value, "at the edge") }
    context.expectError("2200H") { () throws(EngineError) in _ = try store.next(4, edge) }
    try store.remove(4)
    context.expectError(.internalError) { () throws(EngineError) in _ = try store.next(4, edge) }
}
