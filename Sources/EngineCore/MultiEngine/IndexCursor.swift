// Scans of an index between two keys, either way, a vector at a time, with or without the table's rows. Entries carry
// versions of their own, so what the key covers is answered from the index alone.

import BTree
import Fibers
import MVCC
import Platform
import SQLTypes

package final class IndexCursor: @unchecked Sendable {
    package let table: TableStore
    package let index: Int
    private let tree: VersionedTree
    private var cursor: Cursor
    private var sinks = ColumnSinks()
    /// Per sink, which key column it takes; index-only scans.
    private var keyColumns: [Int] = []
    private var isIndexOnly = false
    private var view: ReadView
    private var direction = CursorDirection.forward
    private var isOpen = false
    private let stored: StoredIndex
    /// The bounds named one key of a unique index: it has been looked up, which spares copying a leaf.
    private var isPoint = false
    private var point = RowCopy()
    private var copy = RowCopy()
    private var decoder: KeyDecoder
    /// SERIALIZABLE: whose result depends on every row that is fetched, besides on the range, which is for the caller to note.
    /// A change of columns that the index does not have leaves its entries as they are. Nil: nobody's.
    package unowned(unsafe) var reader: Transaction?

    package init(_ table: TableStore, index: Int) {
        self.table = table
        self.index = index
        tree = table.indexes[index].versions
        stored = table.definition.indexes[index]
        cursor = Cursor(tree.tree)
        view = ReadView(snapshot: 0, owner: 0, command: 0, of: table.engine.transactions)
        decoder = KeyDecoder(stored)
    }

    /// True if a scan can deliver these positions from keys: they are key columns whose encoding keeps the value.
    package static func covers(_ index: StoredIndex, _ positions: [Int]) -> Bool {
        positions.allSatisfy { position in
            position == ScanPosition.rowID || KeyDecoder(index).canDecode(position: position)
        }
    }

    /// What each batch fills; `indexOnly` needs `covers`.
    package func bind(_ positions: [Int], _ vectors: [Vector], indexOnly: Bool = false) {
        sinks.bind(positions, vectors)
        isIndexOnly = indexOnly
        if indexOnly { decoder.bind(positions) }
    }

    /// Starts a scan of the entries within the bounds. 40001 if the index was built after the view's snapshot was taken.
    package func open(
        _ view: ReadView, _ bounds: borrowing IndexBounds, direction: CursorDirection = .forward
    ) throws(EngineError) {
        try table.checkUsable(index, view)
        self.view = view
        self.direction = direction
        isOpen = !bounds.isEmpty
        if !isOpen { return }
        isPoint = !isIndexOnly && bounds.isPoint(stored)
        if isPoint {
            isOpen = try tree.read(bounds.lower.bytes, view, into: &point)
            return
        }
        let low = TreeKey(bounds.lower.bytes)
        let high: TreeKey? = bounds.upper.count == 0 ? nil : TreeKey(bounds.upper.bytes)
        switch direction {
        case .forward:
            cursor.setUpperBound(high, inclusive: false)
            try cursor.seek(low)
        case .backward:
            cursor.setLowerBound(low.count == 0 ? nil : low, inclusive: true)
            if let high { try cursor.seekBackward(high, inclusive: false) } else { try cursor.seekLast() }
        }
    }

    /// The next entry that the view sees: its rowid; nil at the end.
    @inline(__always)
    private func nextEntry() throws(EngineError) -> UInt64? {
        if isPoint {
            isOpen = false
            return point.row.baseAddress.unsafelyUnwrapped.big(0, as: UInt64.self)
        }
        while true {
            guard try direction == .forward ? cursor.next() : cursor.previous() else {
                isOpen = false
                return nil
            }
            guard let entry = try view.version(cursor.payload, isSpilled: false, &copy.older)?.row else { continue }
            if entry.count == KeyCodec.rowIDByteCount {
                return entry.baseAddress.unsafelyUnwrapped.big(0, as: UInt64.self)
            }
            let key = cursor.key
            return key.baseAddress.unsafelyUnwrapped.big(key.count - KeyCodec.rowIDByteCount, as: UInt64.self)
        }
    }

    /// Fills the bound vectors with up to `limit` rows in the scan's order; how many, 0 at the end.
    package func next(limit: Int = vectorCapacity) throws(EngineError) -> Int {
        if !isOpen { return 0 }
        sinks.reset()
        Fiber.yieldIfDue()
        var count = 0
        while count < limit, isOpen, let rowID = try nextEntry() {
            if isIndexOnly {
                try decoder.store(cursor.key, rowID: rowID, sinks, at: count)
            } else {
                if let reader { table.noteRead(reader, rowID: rowID) }
                if try !table.read(rowID, view, into: &copy) { throw dangling(rowID) }
                try sinks.store(copy.row, rowID: rowID, table.codec, at: count)
            }
            count += 1
        }
        return count
    }

    /// As `next`, for callers that want one row at a time: the rowid and `row`, valid until the next call.
    package func nextRow(_ row: RowBuffer) throws(EngineError) -> UInt64? {
        if !isOpen { return nil }
        guard let rowID = try nextEntry() else { return nil }
        if let reader { table.noteRead(reader, rowID: rowID) }
        if try !table.read(rowID, view, into: &copy) { throw dangling(rowID) }
        try table.codec.borrow(copy.row, into: row)
        return rowID
    }

    private func dangling(_ rowID: UInt64) -> EngineError {
        let name = String(decoding: table.definition.indexes[index].name, as: UTF8.self)
        return EngineError(
            .indexCorrupted, "index \"\(name)\" has an entry for row \(rowID), which the table does not have",
            hint: "Rebuild the index with REINDEX.")
    }

    package func close() { isOpen = false }
}
