// Building indexes: by sorting, in memory or in temporary space, and loading a tree in order.

import BTree
import MVCC
import MultiEngine
import Platform
import SQLTypes
import WALEngine

func indexBuildCases() -> [SuiteCase] {
    [
        SuiteCase("index build: an index built later answers as one that was there before") {
            context throws(EngineError) in
            try withTable(context) { (context, rig) throws(EngineError) in
                try indexBuild(context, rig, memory: TableStore.indexBuildByteLimit)
            }
        },
        SuiteCase("index build: one whose entries do not fit into memory is the same") { context throws(EngineError) in
            try withTable(context) { (context, rig) throws(EngineError) in
                // Some ten runs. Extents are lent that no redo concerns any more.
                rig.rig.trees.allocator.didCheckpoint(redoLSN: rig.rig.trees.log.insertLSN)
                try indexBuild(context, rig, memory: 10_000)
            }
        },
        SuiteCase("index build: a load of any number of entries ends in a sound tree", anyNumberLoads),
    ]
}

private func indexBuild(_ context: SuiteContext, _ rig: TableRig, memory: Int) throws(EngineError) {
    let t = rig.transaction
    t.begin()
    for a in 0..<3000 as Range<Int32> { _ = try rig.insert(a, "b\(a % 7)", Int64(a)) }
    try t.commit()
    let old = try rig.rig.manager.makeTransaction()
    old.begin(.repeatableRead)
    old.beginStatement()
    t.begin()
    for a in 0..<3000 as Range<Int32> where a % 3 == 0 {
        guard let row = try rig.find(a) else { return context.fail("row \(a)") }
        t.beginStatement()
        if a % 2 == 0 {
            _ = try rig.writer.delete(row.id, t)
        } else {
            _ = try rig.writer.update(row.id, rig.row(a, "new", Int64(a) + 10_000), t)
        }
    }
    var definition = rig.table.definition
    let tree = try rig.engine.createTree(t, isTable: false)
    let unique = try rig.engine.createTree(t, isTable: false)
    definition.indexes[1] = TableRig.index(1, tree.versions.id, tree.versions.tree.root)
    definition.indexes[2] = TableRig.index(2, unique.versions.id, unique.versions.tree.root)
    let table = TableStore(rig.engine, definition)
    t.beginStatement()
    try table.buildIndex(1, t, memory: memory)
    try table.buildIndex(2, t, memory: memory)
    t.beginStatement()
    context.expectEqual(try table.check(t.view) { context.fail($0) }, 0, "differences in the builder's view")
    try t.commit()
    t.begin()
    t.beginStatement()
    context.expectEqual(try table.check(t.view) { context.fail($0) }, 0, "differences after the commit")
    let cursor = IndexCursor(table, index: 1)
    let bounds = IndexBounds()
    context.expectError(.serializationFailure) { () throws(EngineError) in try cursor.open(old.view, bounds) }
    // A unique index cannot be built over duplicates.
    _ = try rig.insert(50_000, "dup", nil)
    let third = try rig.engine.createTree(t, isTable: false)
    definition.indexes[2] = TableRig.index(0, third.versions.id, third.versions.tree.root)
    definition.indexes[2].columns = [StoredIndexColumn(position: 1, type: SQLType(.text))]
    let wrong = TableStore(rig.engine, definition)
    do throws(EngineError) {
        t.beginStatement()
        try wrong.buildIndex(2, t, memory: memory)
        context.fail("built over duplicates")
    } catch {
        context.expect(error.state == .uniqueViolation, error.message)
    }
    context.expectEqual(rig.engine.temporary.blockCount, 0, "temporary blocks in use")
    try t.rollback()
    try old.rollback()
    rig.rig.manager.close(old)
}

/// The last leaf has no upper fence: what it holds beside others does not fit alone if the keys have much in common.
private func anyNumberLoads(_ context: SuiteContext) throws(EngineError) {
    let rig = try TreeRig(context)
    for (number, count) in stride(from: 40, to: 400, by: 9).enumerated() {
        let tree = try rig.makeTree(UInt32(number + 1))
        let loader = BulkLoader(tree)
        let common = [UInt8](repeating: 7, count: 40)
        for entry in 0..<count {
            try (common + bigEndian(UInt64(entry))).withKey { (key) throws(EngineError) in
                try loader.append(key, UnsafeRawBufferPointer(rebasing: key.bytes[0..<16]))
            }
        }
        try loader.finish()
        let report = try rig.expectSound([tree])
        context.expect(report.problemCount == 0, "\(report.problemCount) problems with \(count) entries")
        context.expectEqual(report.entryCount, count, "entries")
        try rig.allocator.freeTree(tree.treeID)
    }
    try rig.close()
}
