// Fills a new index from the table's rows.
//
// The builder holds a lock that keeps writers out (SHARE), so every row's newest version is committed or the builder's own,
// and only newest versions are indexed. Each entry takes over its row's writer, so that it is visible to whom the row is.
// Snapshots older than the build may see older versions, which the index does not have: they are refused (`VersionedTree.isUsable`).
//
// Entries are sorted, in temporary space if they are many, and loaded into the empty tree a page at a time, each in a record
// without undo: if the transaction does not commit, the whole tree is dropped.

import BTree
import Fibers
import MVCC
import Platform
import SQLTypes
import WALEngine

extension TableStore {
    package static let indexBuildByteLimit = 32 << 20

    /// Fills the index at `position`, whose tree is empty and which nobody else uses yet. The caller holds a lock on the table
    /// that keeps writers out. 23505 if it is unique and the rows are not; 57014, 53100, 58030.
    /// `memory` is what entries may take, in bytes, before they go to temporary space; references to them take less again.
    package func buildIndex(
        _ position: Int, _ transaction: Transaction, memory: Int = TableStore.indexBuildByteLimit
    ) throws(EngineError) {
        let index = definition.indexes[position]
        let tree = indexes[position]
        var sorter = EntrySorter(engine.temporary, byteLimit: memory)
        var key = ByteBuffer()
        var copy = RowCopy()
        let row = makeRow()
        let view = transaction.newestView
        var cursor = Cursor(rows.versions.tree)
        try cursor.seekFirst()
        var isEmpty = true
        while try cursor.next() {
            if isEmpty {
                isEmpty = false
                try transaction.built(tree.versions)
            }
            if Fiber.isInterrupted {
                throw EngineError(.queryCanceled, "canceling statement due to user request")
            }
            let payload = cursor.payload
            guard let found = try view.version(payload, isSpilled: cursor.isSpilled, &copy.older) else { continue }
            let bytes = found.isSpilled ? try rows.versions.readSpilled(found, into: &copy) : found.row
            try codec.borrow(bytes, into: row)
            try evaluator?.compute(row)
            if !TableWriter.isIndexed(row, index) { continue }
            let rowID = cursor.key.baseAddress.unsafelyUnwrapped.big(0, as: UInt64.self)
            key.removeAll()
            let isInKey = KeyCodec.append(index, row, rowID: rowID, to: &key)
            if key.count > TreePage.maxKeyByteCount {
                let name = String(decoding: index.name, as: UTF8.self)
                throw EngineError(
                    .programLimitExceeded,
                    "index row size \(key.count) exceeds btree version 4 maximum \(TreePage.maxKeyByteCount) for index \"\(name)\""
                )
            }
            let writer = RowHeader.writer(payload.baseAddress.unsafelyUnwrapped)
            try sorter.append(key.bytes, isRowIDInKey: isInKey, writer: writer, rowID: rowID)
            Fiber.yieldIfDue()
        }
        try load(&sorter, tree.versions, index)
    }

    private func load(
        _ sorter: inout EntrySorter, _ tree: VersionedTree, _ index: StoredIndex
    ) throws(EngineError) {
        let loader = BulkLoader(tree.tree)
        let payload = UnsafeMutableRawBufferPointer.allocate(byteCount: RowHeader.byteCount + 8, alignment: 8)
        let last = UnsafeMutableRawPointer.allocate(byteCount: TreePage.maxKeyByteCount, alignment: 8)
        defer {
            payload.deallocate()
            last.deallocate()
        }
        var lastByteCount = -1
        try sorter.forEachInOrder { (entry) throws(EngineError) in
            let key = entry.key
            if lastByteCount == key.count && TreeKey(base: last, count: lastByteCount).compare(key) == 0 {
                throw try duplicate(entry.rowID, index)
            }
            last.copyMemory(from: key.base, byteCount: key.count)
            lastByteCount = key.count
            RowHeader.store(payload.baseAddress.unsafelyUnwrapped, writer: entry.writer, undo: 0)
            var byteCount = RowHeader.byteCount
            if !entry.isRowIDInKey {
                payload.baseAddress.unsafelyUnwrapped.setBig(RowHeader.byteCount, entry.rowID)
                byteCount += 8
            }
            try loader.append(key, UnsafeRawBufferPointer(rebasing: payload[0..<byteCount]))
            if Fiber.isInterrupted { throw EngineError(.queryCanceled, "canceling statement due to user request") }
            Fiber.yieldIfDue()
        }
        try loader.finish()
    }

    /// The error for a row whose key another row has, too.
    private func duplicate(_ rowID: UInt64, _ index: StoredIndex) throws(EngineError) -> EngineError {
        var copy = RowCopy()
        let row = makeRow()
        var view = ReadView(
            snapshot: UInt64.max >> 2, owner: 0, command: UInt32.max, of: engine.transactions)
        view.snapshot = engine.log.insertLSN.rawValue
        if try read(rowID, view, into: &copy) {
            try codec.borrow(copy.row, into: row)
            try evaluator?.compute(row)
        }
        var error = index.violation(definition, row)
        error.message = "could not create unique index \"\(String(decoding: index.name, as: UTF8.self))\""
        if let detail = error.detail {
            let end = " already exists."
            error.detail = String(decoding: detail.utf8.dropLast(end.utf8.count), as: UTF8.self) + " is duplicated."
        }
        return error
    }
}
