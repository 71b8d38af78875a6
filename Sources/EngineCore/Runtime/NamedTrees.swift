// Which trees the catalog names: what a check walks, and what a start keeps.

import BTree
import MVCC
import MultiEngine
import Platform
import SQL
import SQLTypes

extension Engine {
    /// Calls `body` for each database, in a transaction that changes nothing.
    func forEachDatabase(
        _ body: (CatalogSession, Transaction) throws(EngineError) -> Void
    ) throws(EngineError) {
        let transaction = try transactions.makeTransaction()
        defer { transactions.close(transaction) }
        transaction.begin()
        transaction.beginStatement()
        let storage = CatalogTree(catalogTree.versions, transaction, self)
        func session(_ database: ObjectID) -> CatalogSession {
            CatalogSession(
                catalog: catalog, storage: storage, context: EvaluationContext(), database: database,
                databaseName: [], user: WellKnownOID.bootstrapRole, userName: [])
        }
        var failure: EngineError?
        do throws(EngineError) {
            for database in try session(0).databases() { try body(session(database.oid), transaction) }
        } catch {
            failure = error
        }
        try transaction.rollback()
        if let failure { throw failure }
    }

    /// Trees by id and root page: the engine's own, and those of all tables and indexes.
    func namedTrees() throws(EngineError) -> [(id: UInt32, root: UInt64)] {
        var trees: [(id: UInt32, root: UInt64)] = []
        for tree in [catalogTree, sequenceTree] {
            trees.append((tree.versions.id.rawValue, tree.versions.tree.root.rawValue))
        }
        try forEachDatabase { (session, _) throws(EngineError) in
            for table in try session.allTables() {
                trees.append((table.treeID, table.rootPage))
                for index in table.indexes { trees.append((index.treeID, index.rootPage)) }
            }
        }
        return trees
    }

    /// A crash between a tree's creation and its transaction's end, or between the commit of a DROP and the freeing of
    /// pages, leaves a tree that nothing names. Only at a start, when no transaction can be about to name one.
    func freeUnnamedTrees() throws(EngineError) {
        var named: Set<UInt32> = []
        for tree in try namedTrees() { named.insert(tree.id) }
        for owner in allocator.owners where !named.contains(owner.rawValue) { try allocator.freeTree(owner) }
    }
}
