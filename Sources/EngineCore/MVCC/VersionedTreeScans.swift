// Walks over whole trees or ranges, for those who need no vectors: the catalog, index builds, checks, vacuum.

import BTree
import Fibers
import Platform
import WALEngine

extension VersionedTree {
    /// Calls `body` with the entries from `lower` (inclusive) to `upper` (exclusive; empty: no bound) that `view` sees, in key
    /// order. Key and row are valid during the call.
    package func scan(
        _ view: ReadView, from lower: UnsafeRawBufferPointer, to upper: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(EngineError) -> Void
    ) throws(EngineError) {
        var cursor = Cursor(tree)
        var copy = RowCopy()
        cursor.setUpperBound(upper.count == 0 ? nil : TreeKey(upper), inclusive: false)
        try cursor.seek(TreeKey(lower))
        while try cursor.next() {
            guard let found = try view.version(cursor.payload, isSpilled: cursor.isSpilled, &copy.older) else {
                continue
            }
            try body(cursor.key, found.isSpilled ? try readSpilled(found, into: &copy) : found.row)
        }
    }

    /// Entries that `view` sees.
    package func count(_ view: ReadView) throws(EngineError) -> Int {
        var cursor = Cursor(tree)
        try cursor.seekFirst()
        var older = UndoCopy()
        var count = 0
        while try cursor.next() {
            if try view.version(cursor.payload, isSpilled: cursor.isSpilled, &older) != nil { count += 1 }
        }
        return count
    }

    /// Removes all tombstones that every snapshot sees; how many. Their transactions' own purges may come first.
    package func purgeLeftovers() throws(EngineError) -> Int {
        var cursor = Cursor(tree)
        try cursor.seekFirst()
        var count = 0
        while try cursor.next() {
            if !RowHeader.isTombstone(RowHeader.writer(cursor.payload.baseAddress.unsafelyUnwrapped)) { continue }
            if try purgeLeftover(cursor.key) { count += 1 }
        }
        return count
    }
}
