// What carrying out definitions asks of storage and the executor, beyond the catalog's own tree. All of it belongs to
// the current transaction and goes with it.

import Platform
import SQLTypes

package protocol DefinitionServices: AnyObject {
    /// An empty tree that exists if the transaction commits.
    func createTree(isTable: Bool) throws(EngineError) -> (treeID: UInt32, rootPage: UInt64)
    /// The tree goes when the transaction commits.
    func dropTree(treeID: UInt32, rootPage: UInt64, isTable: Bool) throws(EngineError)
    /// Fills `index`, a part of `table` with an empty tree, from the table's rows. 23505 for duplicates.
    func buildIndex(_ index: IndexDescriptor, of table: TableDescriptor) throws(EngineError)
    /// Runs a plan in the current transaction to its end; yields the number of rows it returned or changed.
    func run(_ query: PlannedQuery) throws(EngineError) -> Int
    /// Makes the counter behind a sequence; its first value is `start`.
    func createSequence(_ sequence: SequenceDescriptor) throws(EngineError)
    func dropSequence(_ sequence: SequenceDescriptor) throws(EngineError)
    /// After a CREATE or DROP DATABASE: the instance's own bookkeeping.
    func databaseCreated(_ database: DatabaseDescriptor) throws(EngineError)
    func databaseDropped(_ database: DatabaseDescriptor) throws(EngineError)
    /// A NOTICE or WARNING to the client.
    func notice(_ message: EngineError, isWarning: Bool)
}
