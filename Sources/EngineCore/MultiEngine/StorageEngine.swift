// The open trees of one instance and what is shared between the sessions that use them.

import BTree
import BufferPool
import Fibers
import MVCC
import Platform
import Synchronization
import WALEngine

/// A tree and what all its users share.
package final class OpenTree: @unchecked Sendable {
    package let versions: VersionedTree
    /// Tables: the next rowid to give out; 0 until it was looked up.
    let nextRowID = Atomic<UInt64>(0)
    /// Tables: rows inserted less rows deleted since open, uncommitted ones too: what autovacuum-like work goes by.
    package let changeBalance = Atomic<Int>(0)
    init(_ versions: VersionedTree) { self.versions = versions }
}

package final class StorageEngine: @unchecked Sendable {
    package unowned(unsafe) let pool: BufferPool
    package unowned(unsafe) let log: Log
    package unowned(unsafe) let allocator: PageAllocator
    package let transactions: TransactionManager
    /// Where statements put what they cannot keep in memory.
    package let temporary: TemporarySpace
    private let mutex = FiberMutex()
    private var open: [UInt32: OpenTree] = [:]
    private let nextTreeID: Atomic<UInt64>

    /// `nextTreeID` is greater than the id of any tree on the device.
    package init(
        pool: BufferPool, log: Log, allocator: PageAllocator, transactions: TransactionManager, nextTreeID: UInt64
    ) {
        self.pool = pool
        self.log = log
        self.allocator = allocator
        self.transactions = transactions
        temporary = TemporarySpace(allocator)
        self.nextTreeID = Atomic(nextTreeID)
    }

    /// The tree with this id, opened on first use.
    package func tree(_ id: TreeID, root: PageID, isTable: Bool) -> OpenTree {
        mutex.lock()
        defer { mutex.unlock() }
        if let tree = open[id.rawValue] { return tree }
        let tree = OpenTree(
            VersionedTree(
                BTree(pool: pool, log: log, allocator: allocator, treeID: id, root: root), transactions,
                isTable: isTable))
        open[id.rawValue] = tree
        return tree
    }

    /// Makes an empty tree that exists if the transaction commits. 53100; 54000 after four billion.
    package func createTree(_ transaction: Transaction, isTable: Bool) throws(EngineError) -> OpenTree {
        let number = nextTreeID.wrappingAdd(1, ordering: .relaxed).oldValue
        if number >= TreeID.firstReserved.rawValue {
            throw EngineError(
                .programLimitExceeded, "no identifiers are left for tables and indexes",
                hint: "Load a dump of the database into a new one.")
        }
        let id = TreeID(UInt32(number))
        let root = try BTree.create(pool: pool, log: log, allocator: allocator, treeID: id)
        let tree = tree(id, root: root, isTable: isTable)
        transaction.created(tree.versions)
        return tree
    }

    /// The tree goes when the transaction has committed and no older snapshot is left.
    package func dropTree(_ id: TreeID, root: PageID, isTable: Bool, _ transaction: Transaction) {
        transaction.dropping(tree(id, root: root, isTable: isTable).versions)
    }
}
