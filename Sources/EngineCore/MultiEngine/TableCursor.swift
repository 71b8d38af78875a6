// Scans of a table in rowid order, a vector at a time. Bound once to the vectors of a plan's operator and reused.

import BTree
import Fibers
import MVCC
import Platform
import SQLTypes

package enum CursorDirection: UInt8, Sendable { case forward, backward }

package final class TableCursor: @unchecked Sendable {
    package let table: TableStore
    private var cursor: Cursor
    private var sinks = ColumnSinks()
    private var view: ReadView
    private var direction = CursorDirection.forward
    private var isOpen = false
    private var copy = RowCopy()

    package init(_ table: TableStore) {
        self.table = table
        cursor = Cursor(table.rows.versions.tree)
        view = ReadView(snapshot: 0, owner: 0, command: 0, of: table.engine.transactions)
    }

    /// What each batch fills: `positions` are column positions or `ScanPosition.rowID` (an int64 vector).
    package func bind(_ positions: [Int], _ vectors: [Vector]) { sinks.bind(positions, vectors) }

    /// Starts a scan of rowids `from ..< to`. The view's snapshot stays registered until the scan's end.
    package func open(
        _ view: ReadView, from: UInt64 = 0, to: UInt64 = UInt64.max, direction: CursorDirection = .forward
    ) throws(EngineError) {
        self.view = view
        self.direction = direction
        isOpen = true
        var low = from.bigEndian
        var high = to.bigEndian
        try withUnsafeBytes(of: &low) { (low) throws(EngineError) in
            try withUnsafeBytes(of: &high) { (high) throws(EngineError) in
                switch direction {
                case .forward:
                    cursor.setUpperBound(to == UInt64.max ? nil : TreeKey(high), inclusive: false)
                    try cursor.seek(TreeKey(low))
                case .backward:
                    cursor.setLowerBound(from == 0 ? nil : TreeKey(low), inclusive: true)
                    if to == UInt64.max {
                        try cursor.seekLast()
                    } else {
                        try cursor.seekBackward(TreeKey(high), inclusive: false)
                    }
                }
            }
        }
    }

    /// Fills the bound vectors with up to `limit` rows; how many, 0 at the end. Yields at batch boundaries.
    package func next(limit: Int = vectorCapacity) throws(EngineError) -> Int {
        if !isOpen { return 0 }
        sinks.reset()
        Fiber.yieldIfDue()
        var count = 0
        while count < limit {
            guard try direction == .forward ? cursor.next() : cursor.previous() else {
                isOpen = false
                break
            }
            guard let row = try visibleRow() else { continue }
            try sinks.store(
                row, rowID: cursor.key.baseAddress.unsafelyUnwrapped.big(0, as: UInt64.self), table.codec, at: count)
            count += 1
        }
        return count
    }

    @inline(__always)
    private func visibleRow() throws(EngineError) -> UnsafeRawBufferPointer? {
        guard let found = try view.version(cursor.payload, isSpilled: cursor.isSpilled, &copy.older) else { return nil }
        if !found.isSpilled { return found.row }
        return try table.rows.versions.readSpilled(found, into: &copy)
    }

    /// Ends a scan before its end: nothing is held, so this only forgets it.
    package func close() { isOpen = false }
}
