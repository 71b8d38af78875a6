// A catalog in memory and a planner over it: what the SQL cases stand on. No storage, no executor.

import Platform
import SQL
import SQLSyntax
import SQLTypes

/// Descriptors in a sorted list; locks are granted always.
final class MemoryCatalog: CatalogStorage {
    private var entries: [(key: [UInt8], value: [UInt8])] = []
    private var lastObject: ObjectID = WellKnownOID.firstUserObject - 1

    private func place(_ key: [UInt8]) -> (index: Int, isThere: Bool) {
        for (index, entry) in entries.enumerated() {
            if entry.key == key { return (index, true) }
            if key.lexicographicallyPrecedes(entry.key) { return (index, false) }
        }
        return (entries.count, false)
    }
    func read(_ key: [UInt8]) -> [UInt8]? {
        let found = place(key)
        return found.isThere ? entries[found.index].value : nil
    }
    func scan(_ prefix: [UInt8], _ body: (_ key: [UInt8], _ value: [UInt8]) throws(EngineError) -> Void)
        throws(EngineError)
    {
        for entry in entries where entry.key.starts(with: prefix) { try body(entry.key, entry.value) }
    }
    func insert(_ key: [UInt8], _ value: [UInt8]) -> Bool {
        let found = place(key)
        if found.isThere { return false }
        entries.insert((key, value), at: found.index)
        return true
    }
    func update(_ key: [UInt8], _ value: [UInt8]) { entries[place(key).index].value = value }
    func delete(_ key: [UInt8]) { entries.remove(at: place(key).index) }
    func newObjectID() -> ObjectID {
        lastObject += 1
        return lastObject
    }
    func lock(database: ObjectID, relation: ObjectID, mode: TableLockMode, noWait: Bool) {}
}

/// Trees without rows.
final class MemoryDefinitions: DefinitionServices {
    private var lastTree: UInt32 = 100
    private(set) var notices: [String] = []
    private(set) var droppedTrees = 0
    /// What the next queries run in the course of a definition yield.
    var rowsFound = 0

    func createTree(isTable: Bool) -> (treeID: UInt32, rootPage: UInt64) {
        lastTree += 1
        return (lastTree, UInt64(lastTree))
    }
    func dropTree(treeID: UInt32, rootPage: UInt64, isTable: Bool) { droppedTrees += 1 }
    func buildIndex(_ index: IndexDescriptor, of table: TableDescriptor) {}
    func run(_ query: PlannedQuery) -> Int { rowsFound }
    func createSequence(_ sequence: SequenceDescriptor) {}
    func dropSequence(_ sequence: SequenceDescriptor) {}
    func databaseCreated(_ database: DatabaseDescriptor) {}
    func databaseDropped(_ database: DatabaseDescriptor) {}
    func notice(_ message: EngineError, isWarning: Bool) { notices.append(message.message) }
}

final class SQLRig {
    let session: CatalogSession
    let definitions = MemoryDefinitions()
    private let evaluation = EvaluationContext()

    init() throws(EngineError) {
        let storage = MemoryCatalog()
        let name = Array("postgres".utf8)
        try CatalogBootstrap.install(userName: name, storage)
        session = CatalogSession(
            catalog: Catalog(), storage: storage, context: evaluation, database: WellKnownOID.postgresDatabase,
            databaseName: name, user: WellKnownOID.bootstrapRole, userName: name)
        evaluation.catalog = session
    }

    func parse(_ sql: [UInt8]) throws(EngineError) -> [ParsedStatement] {
        let result = sql.withUnsafeBytes { bytes -> Result<[ParsedStatement], EngineError> in
            var parser = Parser(utf8: bytes)
            do throws(EngineError) { return .success(try parser.statements()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Plans each statement; carries out the definitions among them. Yields the last plan.
    @discardableResult
    func run(_ sql: String, parameterTypes: [TypeOID] = []) throws(EngineError) -> PlannedStatement? {
        let text = Array(sql.utf8)
        var last: PlannedStatement?
        for parsed in try parse(text) {
            let plan = try Planner(session).plan(parsed.statement, text: text, parameterTypes: parameterTypes)
            if case .definition(let definition) = plan {
                _ = try DefinitionExecutor(session, definitions, text: text).execute(definition)
            }
            last = plan
        }
        return last
    }

    func query(_ sql: String) throws(EngineError) -> PlannedQuery {
        guard case .query(let query)? = try run(sql) else { throw EngineError(.internalError, "not a query: \(sql)") }
        return query
    }

    /// EXPLAIN (COSTS OFF), lines joined by newlines.
    func explain(_ sql: String) throws(EngineError) -> String {
        guard case .explain(let options, let plan)? = try run("explain (costs off) " + sql) else {
            throw EngineError(.internalError, "not explained: \(sql)")
        }
        var text = ""
        for line in ExplainText.lines(plan, options, session) {
            text += (text.utf8.isEmpty ? "" : "\n") + String(decoding: line, as: UTF8.self)
        }
        return text
    }
}

/// Equality of strings by bytes.
func sameText(_ a: String, _ b: String) -> Bool { Array(a.utf8) == Array(b.utf8) }
