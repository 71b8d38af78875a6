// Definition statements: the SQL module carries them out; the session supplies trees, index builds and notices.

import ArenaAlloc
import BTree
import MVCC
import MultiEngine
import Platform
import QueryExec
import SQL
import SQLSyntax
import SQLTypes

extension Session: DefinitionServices {
    func define(_ statement: Statement, _ text: [UInt8]) throws(EngineError) -> CommandTag {
        if transaction.isReadOnly {
            throw EngineError(
                .readOnlySQLTransaction, "cannot execute \(Self.definitionName(statement)) in a read-only transaction")
        }
        switch statement {
        case .createDatabase: try requireNoBlock("CREATE DATABASE")
        case .dropDatabase: try requireNoBlock("DROP DATABASE")
        default: break
        }
        transaction.beginStatement()
        let tag = try DefinitionExecutor(catalog, self, text: text).execute(statement)
        return CommandTag(composed: tag)
    }

    private static func definitionName(_ statement: Statement) -> String {
        switch statement {
        case .createTable: "CREATE TABLE"
        case .createTableAs: "CREATE TABLE AS"
        case .query: "SELECT INTO"
        case .alterTable: "ALTER TABLE"
        case .createIndex: "CREATE INDEX"
        case .createSequence: "CREATE SEQUENCE"
        case .alterSequence: "ALTER SEQUENCE"
        case .createView: "CREATE VIEW"
        case .createSchema: "CREATE SCHEMA"
        case .createDatabase: "CREATE DATABASE"
        case .dropDatabase: "DROP DATABASE"
        case .truncate: "TRUNCATE TABLE"
        case .comment: "COMMENT"
        case .createRole: "CREATE ROLE"
        case .drop(let drop):
            switch drop.kind {
            case .table: "DROP TABLE"
            case .index: "DROP INDEX"
            case .view: "DROP VIEW"
            case .sequence: "DROP SEQUENCE"
            case .schema: "DROP SCHEMA"
            default: "DROP"
            }
        default: "this statement"
        }
    }

    package func createTree(isTable: Bool) throws(EngineError) -> (treeID: UInt32, rootPage: UInt64) {
        let tree = try engine.storage.createTree(transaction, isTable: isTable).versions
        return (tree.id.rawValue, tree.tree.root.rawValue)
    }

    package func dropTree(treeID: UInt32, rootPage: UInt64, isTable: Bool) throws(EngineError) {
        engine.storage.dropTree(TreeID(treeID), root: PageID(rootPage), isTable: isTable, transaction)
    }

    package func buildIndex(_ index: IndexDescriptor, of table: TableDescriptor) throws(EngineError) {
        let store = try tables.store(table)
        guard let position = store.position(ofIndex: index.oid) else {
            throw EngineError(.internalError, "an index is not among its table's")
        }
        // A share of what queries have, so that a machine with little memory sorts in more and shorter runs.
        let memory = max(1 << 20, min(TableStore.indexBuildByteLimit, engine.queryMemory.limit / 4))
        try store.buildIndex(position, transaction, memory: memory)
    }

    package func run(_ query: PlannedQuery) throws(EngineError) -> Int {
        let execution = try Execution(query, tables, evaluation)
        let context = makeExecutionContext()
        prepareContext(context, [])
        transaction.advanceCommand()
        try execution.open(context)
        defer { execution.close() }
        var rows = 0
        while let chunk = try execution.next() { rows += chunk.count }
        return query.kind == .select ? rows : Int(execution.affectedRows)
    }

    package func createSequence(_ sequence: SequenceDescriptor) throws(EngineError) {
        try engine.sequences.create(sequence.oid, start: sequence.start)
    }
    package func dropSequence(_ sequence: SequenceDescriptor) throws(EngineError) {
        droppedSequences.append(sequence.oid)
    }

    package func databaseCreated(_ database: DatabaseDescriptor) throws(EngineError) {}

    package func databaseDropped(_ database: DatabaseDescriptor) throws(EngineError) {
        if engine.isInUse(database.oid, except: processID) {
            throw EngineError(
                .objectInUse,
                "database \"\(String(decoding: database.name, as: UTF8.self))\" is being accessed by other users")
        }
    }

    package func notice(_ message: EngineError, isWarning: Bool) {
        port.notice(message, isWarning ? "WARNING" : "NOTICE")
    }
}
