// Fills a new index from the table's rows.
//
// The builder holds a lock that keeps writers out (SHARE), so every row's newest version is committed or the builder's own,
// and only newest versions are indexed. Each entry takes over its row's writer, so that it is visible to whom the row is.
// Snapshots older than the build may see older versions, which the index does not have: they are refused (`VersionedTree.isUsable`).
//
// Entries are collected up to a memory limit, sorted, and inserted in order; a table with more goes in several runs. The
// inserts are system records without undo: if the transaction does not commit, the whole tree is dropped.

import BTree
import Fibers
import MVCC
import Platform
import SQLTypes
import Synchronization
import WALEngine

/// Index entries: header and rowid in front, then the key.
private struct EntryRun: ~Copyable {
    struct Entry: BitwiseCopyable {
        var offset: Int
        var keyByteCount: Int32
        var isRowIDInKey: Bool
        var writer: UInt64
        var rowID: UInt64
    }
    private let keys: UnsafeMutableRawPointer
    private(set) var entries: [Entry] = []
    private var used = 0
    static let byteLimit = 32 << 20

    init() { keys = .allocate(byteCount: Self.byteLimit, alignment: 16) }
    deinit { keys.deallocate() }

    var isFull: Bool { used + TreePage.maxKeyByteCount * 8 > Self.byteLimit || entries.count >= 1 << 20 }

    /// False if the key is so long that no tree takes it.
    mutating func append(_ key: UnsafeRawBufferPointer, isRowIDInKey: Bool, writer: UInt64, rowID: UInt64) -> Bool {
        if used + key.count > Self.byteLimit { return false }
        (keys + used).copyMemory(from: key.baseAddress.unsafelyUnwrapped, byteCount: key.count)
        entries.append(
            Entry(
                offset: used, keyByteCount: Int32(key.count), isRowIDInKey: isRowIDInKey, writer: writer, rowID: rowID))
        used += key.count
        return true
    }

    func key(_ entry: Entry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: keys + entry.offset, count: Int(entry.keyByteCount))
    }

    mutating func sort() {
        let keys = UnsafeRawPointer(keys)
        entries.sort { a, b in
            TreeKey(base: keys + a.offset, count: Int(a.keyByteCount))
                .compare(TreeKey(base: keys + b.offset, count: Int(b.keyByteCount))) < 0
        }
    }

    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        used = 0
    }
}

extension TableStore {
    /// Fills the index at `position`, whose tree is empty and which nobody else uses yet. The caller holds a lock on the table
    /// that keeps writers out. 23505 if it is unique and the rows are not; 57014.
    package func buildIndex(_ position: Int, _ transaction: Transaction) throws(EngineError) {
        let index = definition.indexes[position]
        let tree = indexes[position]
        var run = EntryRun()
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
            codec.borrow(bytes, into: row)
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
            _ = run.append(key.bytes, isRowIDInKey: isInKey, writer: writer, rowID: rowID)
            if run.isFull { try flush(&run, tree.versions, index) }
        }
        try flush(&run, tree.versions, index)
    }

    private func flush(_ run: inout EntryRun, _ tree: VersionedTree, _ index: StoredIndex) throws(EngineError) {
        run.sort()
        for entry in run.entries {
            let key = run.key(entry)
            let isNew = try tree.insertBuilt(
                key, writer: entry.writer, row: entry.isRowIDInKey ? nil : entry.rowID)
            if !isNew { throw try duplicate(entry.rowID, index) }
            Fiber.yieldIfDue()
        }
        run.removeAll()
    }

    /// The error for a row whose key another row has, too.
    private func duplicate(_ rowID: UInt64, _ index: StoredIndex) throws(EngineError) -> EngineError {
        var copy = RowCopy()
        let row = makeRow()
        var view = ReadView(
            snapshot: UInt64.max >> 2, owner: 0, command: UInt32.max, of: engine.transactions)
        view.snapshot = engine.log.insertLSN.rawValue
        if try read(rowID, view, into: &copy) {
            codec.borrow(copy.row, into: row)
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
