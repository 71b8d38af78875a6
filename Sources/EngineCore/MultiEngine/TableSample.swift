// A sample of a table's rows and an estimate of their number, for ANALYZE.
//
// A small table is read whole. Of a large one short runs at random rowids are read: rowids were given out in order, so a run
// is a few neighbouring leaves, and the share of rowids in use in the runs tells the share in the table.

import BTree
import Fibers
import MVCC
import Platform
import SQLTypes
import Synchronization

extension TableStore {
    /// Calls `body` with about `limit` rows that `view` sees (all of them if there are no more); the row is valid during the
    /// call. Returns the estimated number of rows.
    package func sample(
        _ view: ReadView, limit: Int = 30_000, seed: UInt64, _ body: (RowBuffer) throws(EngineError) -> Void
    ) throws(EngineError) -> Double {
        if rows.nextRowID.load(ordering: .relaxed) == 0 { try findNextRowID() }
        let end = rows.nextRowID.load(ordering: .relaxed)
        if end <= UInt64(limit) * 4 {
            return Double(try sample(view, from: 0, to: end, body))
        }
        let runCount = 300
        let runLength = UInt64(max(1, limit / runCount))
        var random = seed
        var found = 0
        for run in 0..<runCount {
            // One run in each of equal parts, at a random place in it.
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let part = end / UInt64(runCount)
            let start = part * UInt64(run) + (random >> 33) % max(1, part &- runLength)
            found += try sample(view, from: start, to: start + runLength, body)
        }
        return Double(end) * Double(found) / Double(UInt64(runCount) * runLength)
    }

    private func sample(
        _ view: ReadView, from: UInt64, to: UInt64, _ body: (RowBuffer) throws(EngineError) -> Void
    ) throws(EngineError) -> Int {
        var count = 0
        try forEachRow(view, from: from, to: to) { (_, row) throws(EngineError) in
            try body(row)
            count += 1
        }
        return count
    }

    /// Calls `body` with rowid and row of all rows that `view` sees, in rowid order; `row` is valid during the call.
    package func forEachRow(
        _ view: ReadView, from: UInt64 = 0, to: UInt64 = UInt64.max,
        _ body: (UInt64, RowBuffer) throws(EngineError) -> Void
    ) throws(EngineError) {
        let row = makeRow()
        var copy = RowCopy()
        var cursor = Cursor(rows.versions.tree)
        var low = from.bigEndian
        var high = to.bigEndian
        try withUnsafeBytes(of: &low) { (low) throws(EngineError) in
            try withUnsafeBytes(of: &high) { (high) throws(EngineError) in
                cursor.setUpperBound(TreeKey(high), inclusive: false)
                try cursor.seek(TreeKey(low))
            }
        }
        while try cursor.next() {
            guard let found = try view.version(cursor.payload, isSpilled: cursor.isSpilled, &copy.older) else {
                continue
            }
            try codec.borrow(
                found.isSpilled ? try rows.versions.readSpilled(found, into: &copy) : found.row, into: row)
            try body(cursor.key.baseAddress.unsafelyUnwrapped.big(0, as: UInt64.self), row)
        }
    }

    // MARK: Check

    /// Holds every index against the table, both ways, as `view` sees them. Each difference is reported in a sentence; their
    /// number. Holding the whole table still is not needed: one view is one moment.
    package func check(_ view: ReadView, _ report: (String) -> Void) throws(EngineError) -> Int {
        var problems = 0
        var rowCount = 0
        var indexed = [Int](repeating: 0, count: indexes.count)
        var key = ByteBuffer()
        var copy = RowCopy()
        try forEachRow(view) { (rowID, row) throws(EngineError) in
            rowCount += 1
            try evaluator?.compute(row)
            for (position, index) in definition.indexes.enumerated() where TableWriter.isIndexed(row, index) {
                indexed[position] += 1
                key.removeAll()
                let isInKey = KeyCodec.append(index, row, rowID: rowID, to: &key)
                let isThere = try indexes[position].versions.read(key.bytes, view, into: &copy)
                if !isThere || !isInKey && copy.row.baseAddress.unsafelyUnwrapped.big(0, as: UInt64.self) != rowID {
                    problems += 1
                    report("row \(rowID) is not in index \(String(decoding: index.name, as: UTF8.self))")
                }
            }
        }
        for (position, index) in definition.indexes.enumerated() {
            // Every row has its entry; so a count that agrees leaves no entry without a row.
            let entries = try indexes[position].versions.count(view)
            if entries != indexed[position] {
                problems += 1
                let name = String(decoding: index.name, as: UTF8.self)
                report("index \(name) has \(entries) entries for \(indexed[position]) rows")
            }
        }
        return problems
    }

    // MARK: Vacuum

    /// Removes tombstones that a crash or a rollback has left in the table or its indexes; how many. Others are removed as
    /// their transactions retire.
    package func vacuum() throws(EngineError) -> Int {
        var count = try rows.versions.purgeLeftovers()
        for index in indexes { count += try index.versions.purgeLeftovers() }
        return count
    }
}
