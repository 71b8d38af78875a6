// What the catalog needs of the floors below and above, as two narrow protocols: a transactional ordered map for
// descriptors with relation locks, and the session's surroundings. Tests supply an in-memory map.

import Platform
import SQLTypes

/// The catalog's tree as the current transaction sees it: newest committed state plus its own changes. Reads do not use
/// the statement's snapshot: as in PostgreSQL, definitions are always current.
package protocol CatalogStorage: AnyObject {
    func read(_ key: [UInt8]) throws(EngineError) -> [UInt8]?
    /// Entries with `prefix`, in key order.
    func scan(_ prefix: [UInt8], _ body: (_ key: [UInt8], _ value: [UInt8]) throws(EngineError) -> Void)
        throws(EngineError)
    /// False if the key exists (after waiting for a transaction that is writing it).
    func insert(_ key: [UInt8], _ value: [UInt8]) throws(EngineError) -> Bool
    /// Replaces the value. Precondition: the key exists.
    func update(_ key: [UInt8], _ value: [UInt8]) throws(EngineError)
    func delete(_ key: [UInt8]) throws(EngineError)
    /// A fresh OID; never given out again, also after a crash.
    func newObjectID() throws(EngineError) -> ObjectID
    /// Takes the lock until the transaction ends; parks while it conflicts. `noWait`: 55P03 instead.
    func lock(database: ObjectID, relation: ObjectID, mode: TableLockMode, noWait: Bool) throws(EngineError)
}

/// One session as the pg_stat_activity relation shows it. Times are microseconds since 2000-01-01 UTC.
package struct SessionActivity {
    package var processID: Int32 = 0
    package var database: ObjectID = 0
    package var databaseName: [UInt8] = []
    package var user: ObjectID = 0
    package var userName: [UInt8] = []
    package var applicationName: [UInt8] = []
    package var backendStart: Int64 = 0
    package var transactionStart: Int64?
    package var queryStart: Int64?
    package var stateChange: Int64?
    /// active, idle, idle in transaction, idle in transaction (aborted).
    package var state: [UInt8] = []
    package var query: [UInt8] = []
    package var waitEventType: [UInt8]?
    package var waitEvent: [UInt8]?
    package init() {}
}

/// A lock as pg_locks shows it.
package struct LockActivity {
    package var relation: ObjectID = 0
    package var processID: Int32 = 0
    package var mode: TableLockMode = .accessShare
    package var isGranted = true
    package init() {}
}

/// A setting as pg_settings shows it.
package struct SettingActivity {
    package var name: [UInt8] = []
    package var value: [UInt8] = []
    package var unit: [UInt8]?
    package var category: [UInt8] = []
    package var description: [UInt8] = []
    package var context: [UInt8] = []
    /// bool, integer, real, string, enum.
    package var type: [UInt8] = []
    package var source: [UInt8] = []
    package var minimum: [UInt8]?
    package var maximum: [UInt8]?
    package var bootValue: [UInt8] = []
    package var resetValue: [UInt8] = []
    package init() {}
}

/// What SQL functions and system relations ask of the session and the instance around it.
package protocol SessionServices: AnyObject {
    /// Value of a setting, nil if there is none of that name.
    func setting(_ name: [UInt8]) -> [UInt8]?
    func setSetting(_ name: [UInt8], to value: [UInt8], isLocal: Bool) throws(EngineError)
    func settings() -> [SettingActivity]
    var processID: Int32 { get }
    func activities() -> [SessionActivity]
    func lockActivities() -> [LockActivity]
    /// pg_cancel_backend and pg_terminate_backend; false if there is no such session.
    func signal(processID: Int32, terminate: Bool) -> Bool
    /// nextval: advances and returns; 2200H at the end.
    func nextValue(of sequence: SequenceDescriptor) throws(EngineError) -> Int64
    /// Last value this session got from the sequence, nil if none yet.
    func currentValue(of sequence: SequenceDescriptor) -> Int64?
    /// The sequence's own state: last_value and is_called.
    func sequenceState(_ sequence: SequenceDescriptor) throws(EngineError) -> (last: Int64, isCalled: Bool)
    func setValue(of sequence: SequenceDescriptor, to value: Int64, isCalled: Bool) throws(EngineError)
    /// Sequence and value of the session's last nextval.
    func lastValue() -> (sequence: ObjectID, value: Int64)?
    /// Pages that a tree of the current database has.
    func pageCount(treeID: UInt32, rootPage: UInt64) throws(EngineError) -> Int64
    /// Rows in a table, estimated; nil if unknown.
    func estimatedRowCount(_ table: TableDescriptor) -> Double?
    /// Name of the user and of the one who connected.
    var userName: [UInt8] { get }
    var sessionUserName: [UInt8] { get }
    var isInTransactionBlock: Bool { get }
    var serverStartTime: Int64 { get }
    /// Lets others run. Error 57014 if the statement has been cancelled or has run out of time.
    func interruptionPoint() throws(EngineError)
    /// Parks. Errors as `interruptionPoint`.
    func sleep(microseconds: Int64) throws(EngineError)
}
