// Running statements: query strings, portals, and what both do with a plan.

import Fibers
import MVCC
import Platform
import QueryExec
import SQL
import SQLSyntax
import SQLTypes

extension Session {
    // MARK: The simple protocol

    /// Runs every statement of a query string; rows and tags go to the port. Errors end the string.
    package func simpleQuery(_ bytes: UnsafeRawBufferPointer) throws(EngineError) {
        // Copied: a COPY in the string receives into the buffer that the text lies in.
        let text = [UInt8](bytes)
        closeUnnamed()
        let parsed = try parseAll(text)
        if parsed.isEmpty {
            port.emptyQuery()
            return
        }
        for (index, statement) in parsed.enumerated() {
            try beginStatement(allowedInFailedBlock: Self.endsFailedBlock(statement.statement))
            let prepared = PreparedStatement(
                name: [], text: text, parsed: statement, declaredTypes: nil, isFromSQL: false)
            isAlone = parsed.count == 1
            let tag = try runWhole(prepared)
            if index == parsed.count - 1 { try endImplicit() }
            port.commandComplete(tag)
        }
    }

    func parseAll(_ text: [UInt8]) throws(EngineError) -> [ParsedStatement] {
        try text.withBytes { (raw) throws(EngineError) -> [ParsedStatement] in
            try UTF8Validation.check(raw)
            var parser = Parser(utf8: raw)
            return try parser.statements()
        }
    }

    /// Plans and runs a statement without parameters to its end.
    private func runWhole(_ statement: PreparedStatement) throws(EngineError) -> CommandTag {
        try plan(statement)
        guard let planned = statement.planned else { return CommandTag("") }
        let portal = Portal()
        portal.reset(name: [], statement: statement)
        try bindColumns(portal, planned)
        if portal.returnsRows { port.rowDescription(portal.columns, nil) }
        defer { finish(portal) }
        while true {
            if let tag = try advance(portal, rowLimit: Int.max) { return tag }
        }
    }

    // MARK: Plans

    /// Makes sure that the statement has a plan that fits the catalog as it is.
    func plan(_ statement: PreparedStatement) throws(EngineError) {
        guard let parsed = statement.parsed else { return }
        var types = statement.declaredTypes
        if let planned = statement.planned {
            guard let version = Self.catalogVersion(planned), version != catalog.version else { return }
            // Values may have been bound with the types of the first plan.
            if types != nil { types = statement.parameterTypes.map { $0.oid } }
        }
        statement.idleExecution = nil
        let before = statement.name.isEmpty ? nil : Self.rowColumns(statement.planned)
        // Names in the statement are looked up in the current state of the catalog, not in a statement's snapshot.
        statement.planned = try planner.plan(
            parsed.statement, text: statement.text, parameterTypes: types)
        if let planned = statement.planned { statement.parameterTypes = Self.parameterTypes(planned) }
        // Who prepared the statement was told what its rows look like.
        if let before, let after = Self.rowColumns(statement.planned), !Self.areAlike(before, after) {
            statement.planned = nil
            throw EngineError(.featureNotSupported, "cached plan must not change result type")
        }
    }

    private static func rowColumns(_ planned: PlannedStatement?) -> [OutputColumn]? {
        guard case .query(let query) = planned, query.returnsRows else { return nil }
        return query.resultColumns
    }
    private static func areAlike(_ a: [OutputColumn], _ b: [OutputColumn]) -> Bool {
        if a.count != b.count { return false }
        for index in a.indices where a[index].name != b[index].name || a[index].type != b[index].type { return false }
        return true
    }

    /// Takes the plan's locks; replans when a definition has changed before they were ours. True if it had to.
    func lockAndValidate(_ statement: PreparedStatement) throws(EngineError) -> Bool {
        var isNew = false
        while let planned = statement.planned {
            for lock in Self.locks(planned) {
                try catalog.storage.lock(
                    database: catalog.database, relation: lock.relation, mode: lock.mode, noWait: false)
            }
            guard let version = Self.catalogVersion(planned), version != catalog.version else { break }
            try plan(statement)
            isNew = true
        }
        return isNew
    }

    static func locks(_ planned: PlannedStatement) -> [RelationLock] {
        switch planned {
        case .query(let query), .explain(_, let query), .cursor(_, let query): query.locks
        case .copy(let copy): copy.locks
        case .definition, .maintenance, .session: []
        }
    }
    static func catalogVersion(_ planned: PlannedStatement) -> UInt64? {
        switch planned {
        case .query(let query), .explain(_, let query), .cursor(_, let query): query.catalogVersion
        case .copy(let copy): copy.catalogVersion
        case .definition, .maintenance, .session: nil
        }
    }
    static func parameterTypes(_ planned: PlannedStatement) -> [SQLType] {
        switch planned {
        case .query(let query), .explain(_, let query), .cursor(_, let query): query.parameterTypes
        case .copy, .definition, .maintenance, .session: []
        }
    }

    // MARK: Portals

    /// Runs the portal until `rowLimit` rows were sent or it is done: then its tag.
    func advance(_ portal: Portal, rowLimit: Int) throws(EngineError) -> CommandTag? {
        guard let statement = portal.statement, let planned = statement.planned else { return CommandTag("") }
        switch planned {
        case .query(let query):
            if portal.state == .bound { try open(portal, query) }
            return try fetch(portal, rowLimit: rowLimit)
        case .copy:
            portal.state = .done
            return try copy(statement)
        case .explain:
            if portal.state == .bound {
                portal.state = .running
                try explain(portal, statement)
            }
            return try sendText(portal, rowLimit: rowLimit)
        case .cursor(let declaration, let query):
            portal.state = .done
            return try declare(declaration, query, statement, portal.parameters)
        case .definition(let definition):
            portal.state = .done
            return try define(definition, statement.text)
        case .maintenance(let vacuum):
            portal.state = .done
            return try maintain(vacuum)
        case .session(let command):
            if portal.state == .bound {
                portal.state = .running
                if let tag = try executeCommand(command, portal) {
                    portal.state = .done
                    return tag
                }
            }
            return try sendText(portal, rowLimit: rowLimit)
        }
    }

    /// Gives the portal an operator tree and starts it.
    func open(_ portal: Portal, _ planned: PlannedQuery) throws(EngineError) {
        guard let statement = portal.statement else { return }
        if transaction.isReadOnly, !planned.isReadOnly {
            let verb: StaticString =
                switch planned.kind {
                case .select: "SELECT FOR UPDATE"
                case .insert: "INSERT"
                case .update: "UPDATE"
                case .delete: "DELETE"
                }
            throw EngineError(.readOnlySQLTransaction, "cannot execute \(verb) in a read-only transaction")
        }
        let isNew = try lockAndValidate(statement)
        guard case .query(let query) = statement.planned else {
            throw EngineError(.internalError, "a query was planned as something else")
        }
        if isNew, query.resultColumns.map({ $0.type.oid }) != portal.columns.map({ $0.type.oid }) {
            throw EngineError(.featureNotSupported, "cached plan must not change result type")
        }
        transaction.beginStatement()
        let execution = if let idle = statement.idleExecution { idle } else { try Execution(query, tables, evaluation) }
        statement.idleExecution = nil
        portal.execution = execution
        portal.state = .running
        prepareContext(portal.context(self), portal.parameters)
        try execution.open(portal.context(self))
    }

    func prepareContext(_ context: ExecutionContext, _ values: [Datum]) {
        context.parameters = values
        context.deadline = statementDeadline
        context.setWorkMemory(parameters.workMemory)
    }

    func fetch(_ portal: Portal, rowLimit: Int) throws(EngineError) -> CommandTag? {
        guard let execution = portal.execution else { return Self.tag(portal) }
        var remaining = rowLimit
        while remaining > 0 {
            if portal.chunk == nil || portal.chunkPosition >= (portal.chunk?.count ?? 0) {
                portal.chunk = try execution.next()
                portal.chunkPosition = 0
                guard portal.chunk != nil else {
                    close(portal, execution)
                    return Self.tag(portal)
                }
            }
            guard let chunk = portal.chunk else { continue }
            let count = min(remaining, chunk.count - portal.chunkPosition)
            if portal.returnsRows, count > 0 {
                try port.rows(
                    chunk, portal.chunkPosition..<portal.chunkPosition + count, portal.columns, portal.formats,
                    evaluation)
            }
            portal.chunkPosition += count
            portal.rowCount += Int64(count)
            remaining -= count
        }
        holdSnapshot(portal)
        return nil
    }

    /// The plan has run to its end.
    private func close(_ portal: Portal, _ execution: Execution) {
        if let kind = portal.queryKind, kind != .select { portal.rowCount = execution.affectedRows }
        execution.close()
        portal.chunk = nil
        portal.execution = nil
        portal.state = .done
        if let statement = portal.statement, statement.idleExecution == nil { statement.idleExecution = execution }
        releaseSnapshot(portal)
    }

    private static func tag(_ portal: Portal) -> CommandTag {
        switch portal.queryKind {
        case .insert: CommandTag("INSERT 0", portal.rowCount)
        case .update: CommandTag("UPDATE", portal.rowCount)
        case .delete: CommandTag("DELETE", portal.rowCount)
        default: CommandTag("SELECT", portal.rowCount)
        }
    }
}
