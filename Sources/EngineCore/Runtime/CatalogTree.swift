// The catalog's tree as one session's transaction sees it: the newest committed descriptors and its own changes.
//
// Behind each descriptor stands a checksum of it and of its key. Rows of tables are only data, but what a descriptor says is done: with
// a wrong column number the executor would read what is no column. So damage from before the page got its checksum, by memory or by a
// fault of the engine's, must not go further than here.

import BTree
import CPrimitives
import MVCC
import Platform
import SQL

final class CatalogTree: CatalogStorage {
    private let tree: VersionedTree
    private let transaction: Transaction
    private unowned(unsafe) let engine: Engine
    private var copy = RowCopy()
    private var payload: [UInt8] = []

    init(_ tree: VersionedTree, _ transaction: Transaction, _ engine: Engine) {
        self.tree = tree
        self.transaction = transaction
        self.engine = engine
    }

    /// Reads follow undo memory, which a registered snapshot keeps: any one of this transaction will do, as all others it
    /// takes are newer.
    private func ensureSnapshot() {
        if !transaction.hasSnapshot { transaction.beginStatement() }
    }

    func read(_ key: [UInt8]) throws(EngineError) -> [UInt8]? {
        ensureSnapshot()
        let isThere = try key.withBytes { (raw) throws(EngineError) in
            try tree.readNewest(raw, transaction, into: &copy)
        }
        return isThere ? try Self.descriptor(copy.row, key) : nil
    }

    func scan(
        _ prefix: [UInt8], _ body: (_ key: [UInt8], _ value: [UInt8]) throws(EngineError) -> Void
    ) throws(EngineError) {
        ensureSnapshot()
        var cursor = Cursor(tree.tree)
        let view = transaction.newestView
        try prefix.withBytes { (raw) throws(EngineError) in try cursor.seek(TreeKey(raw)) }
        while try cursor.next() {
            let key = [UInt8](cursor.key)
            guard key.starts(with: prefix) else { return }
            guard let found = try view.version(cursor.payload, isSpilled: cursor.isSpilled, &copy.older) else {
                continue
            }
            try body(key, Self.descriptor(found.isSpilled ? tree.readSpilled(found, into: &copy) : found.row, key))
        }
    }

    private static let checksumByteCount = 4

    /// CRC-32C of descriptor and key.
    private static func checksum(_ value: UnsafeRawBufferPointer, _ key: [UInt8]) -> UInt32 {
        let first = dbk_crc32c(0, value.baseAddress, value.count)
        return key.withBytes { dbk_crc32c(first, $0.baseAddress, $0.count) }
    }

    /// The descriptor in a row of the tree. XX001 if its checksum is wrong.
    private static func descriptor(_ row: UnsafeRawBufferPointer, _ key: [UInt8]) throws(EngineError) -> [UInt8] {
        let count = row.count - checksumByteCount
        if count >= 0, let base = row.baseAddress {
            let value = UnsafeRawBufferPointer(start: base, count: count)
            if base.little(count, as: UInt32.self) == checksum(value, key) { return [UInt8](value) }
        }
        throw EngineError(
            .dataCorrupted, "a descriptor in the catalog is damaged", detail: "Its checksum is wrong.",
            hint: "Restore the database from a backup.")
    }

    private func compose(_ value: [UInt8], for key: [UInt8]) {
        payload.removeAll(keepingCapacity: true)
        payload.append(contentsOf: [UInt8](repeating: 0, count: RowHeader.byteCount))
        payload.append(contentsOf: value)
        let checksum = value.withBytes { Self.checksum($0, key) }
        withUnsafeBytes(of: checksum.littleEndian) { payload.append(contentsOf: $0) }
    }

    /// One statement may change a descriptor several times (DROP INDEX a, b): each change is a command of its own.
    private func beginChange() {
        if transaction.hasSnapshot { transaction.advanceCommand() }
    }

    func insert(_ key: [UInt8], _ value: [UInt8]) throws(EngineError) -> Bool {
        compose(value, for: key)
        let result = try key.withBytes { (raw) throws(EngineError) in
            try payload.withMutableBytes { (bytes) throws(EngineError) in
                try tree.insert(raw, bytes, transaction)
            }
        }
        return result == .inserted
    }

    func update(_ key: [UInt8], _ value: [UInt8]) throws(EngineError) {
        beginChange()
        compose(value, for: key)
        let result = try key.withBytes { (raw) throws(EngineError) in
            try payload.withMutableBytes { (bytes) throws(EngineError) in
                try tree.update(raw, bytes, transaction, changesKey: true, expected: .any)
            }
        }
        guard result == .done else { throw Self.concurrent }
    }

    func delete(_ key: [UInt8]) throws(EngineError) {
        beginChange()
        let result = try key.withBytes { (raw) throws(EngineError) in
            try tree.delete(raw, transaction, expected: .any)
        }
        guard result == .done else { throw Self.concurrent }
    }

    /// As PostgreSQL words it for its own catalogs.
    private static var concurrent: EngineError { EngineError(.internalError, "tuple concurrently updated") }

    func newObjectID() throws(EngineError) -> ObjectID { try engine.newObjectID() }

    func lock(
        database: ObjectID, relation: ObjectID, mode: TableLockMode, noWait: Bool
    ) throws(EngineError) {
        let granted = try engine.transactions.locks.lockTable(
            transaction, relation, TableLock(rawValue: mode.rawValue) ?? .accessExclusive, noWait ? .noWait : .wait)
        if !granted { throw EngineError(.lockNotAvailable, "could not obtain lock on relation \(relation)") }
    }
}
