// The extended protocol's statements and portals by name, and their ends.

import Fibers
import MVCC
import MultiEngine
import Platform
import QueryExec
import SQL
import SQLSyntax
import SQLTypes

extension Session {
    // MARK: Statements

    /// Parse: errors leave no statement behind. 42P05 if the name is taken.
    package func parse(
        name: UnsafeRawBufferPointer, text: UnsafeRawBufferPointer, parameterTypes: [TypeOID]
    ) throws(EngineError) {
        let name = [UInt8](name)
        if !name.isEmpty, find(statement: name) != nil {
            throw EngineError("42P05", "prepared statement \"\(String(decoding: name, as: UTF8.self))\" already exists")
        }
        let text = [UInt8](text)
        let parsed = try parseAll(text)
        guard parsed.count <= 1 else {
            throw EngineError(.syntaxError, "cannot insert multiple commands into a prepared statement")
        }
        let statement = PreparedStatement(
            name: name, text: text, parsed: parsed.first, declaredTypes: parameterTypes, isFromSQL: false)
        if let parsed = parsed.first {
            try beginStatement(allowedInFailedBlock: Self.endsFailedBlock(parsed.statement))
            try plan(statement)
        }
        if name.isEmpty { statements.removeAll { $0.name.isEmpty } }
        statements.append(statement)
    }

    private func find(statement name: [UInt8]) -> PreparedStatement? {
        for statement in statements where statement.name == name { return statement }
        return nil
    }

    /// Errors: 26000.
    func statement(_ name: UnsafeRawBufferPointer) throws(EngineError) -> PreparedStatement {
        for statement in statements where equal(statement.name, name) { return statement }
        if name.isEmpty {
            throw EngineError(.invalidSQLStatementName, "unnamed prepared statement does not exist")
        }
        throw EngineError(
            .invalidSQLStatementName, "prepared statement \"\(String(decoding: name, as: UTF8.self))\" does not exist")
    }

    package func describeStatement(_ name: UnsafeRawBufferPointer) throws(EngineError) -> StatementDescription {
        let statement = try statement(name)
        if let parsed = statement.parsed {
            try beginStatement(allowedInFailedBlock: Self.endsFailedBlock(parsed.statement))
            try plan(statement)
        }
        let columns = try resultColumns(statement.planned)
        return StatementDescription(
            parameterTypes: statement.parameterTypes, columns: columns ?? [], returnsRows: columns != nil)
    }

    package func closeStatement(_ name: UnsafeRawBufferPointer) {
        statements.removeAll { equal($0.name, name) }
    }

    /// What the statement's rows look like; nil if it yields none.
    func resultColumns(_ planned: PlannedStatement?) throws(EngineError) -> [OutputColumn]? {
        switch planned {
        case nil, .copy, .definition, .maintenance, .cursor: return nil
        case .query(let query): return query.returnsRows ? query.resultColumns : nil
        case .explain: return [OutputColumn([UInt8]("QUERY PLAN".utf8), SQLType(.text))]
        case .session(let command): return try commandColumns(command)
        }
    }

    // MARK: Portals

    package func portal(_ name: UnsafeRawBufferPointer) throws(EngineError) -> Portal {
        for portal in portals where equal(portal.name, name) { return portal }
        throw EngineError(.invalidCursorName, "portal \"\(String(decoding: name, as: UTF8.self))\" does not exist")
    }

    /// Bind, first half: the portal is there, its values and formats follow. Errors: 26000, 42P03, 25P02.
    package func beginBind(
        portal name: UnsafeRawBufferPointer, statement statementName: UnsafeRawBufferPointer
    ) throws(EngineError) -> Portal {
        let statement = try statement(statementName)
        if name.isEmpty {
            closePortal(name)
        } else if portals.contains(where: { equal($0.name, name) }) {
            throw EngineError("42P03", "portal \"\(String(decoding: name, as: UTF8.self))\" already exists")
        }
        if let parsed = statement.parsed {
            try beginStatement(allowedInFailedBlock: Self.endsFailedBlock(parsed.statement))
            try plan(statement)
        }
        let portal: Portal
        if let spare = sparePortal {
            portal = spare
            sparePortal = nil
        } else {
            portal = Portal()
        }
        portal.reset(name: name.isEmpty ? [] : [UInt8](name), statement: statement)
        try bindColumns(portal, statement.planned)
        return portal
    }

    func bindColumns(_ portal: Portal, _ planned: PlannedStatement?) throws(EngineError) {
        if case .query(let query) = planned {
            portal.queryKind = query.kind
            portal.returnsRows = query.returnsRows
            portal.columns = query.resultColumns
        } else {
            let columns = try resultColumns(planned)
            portal.queryKind = nil
            portal.returnsRows = columns != nil
            portal.columns = columns ?? []
        }
        if portal.formats.count != portal.columns.count {
            portal.formats = [Bool](repeating: false, count: portal.columns.count)
        } else {
            for index in portal.formats.indices { portal.formats[index] = false }
        }
    }

    /// The next value, in order; nil is NULL.
    package func bindParameter(
        _ portal: Portal, _ index: Int, _ value: UnsafeRawBufferPointer?, isBinary: Bool
    ) throws(EngineError) {
        guard let value, let statement = portal.statement else {
            portal.parameters.append(.null)
            return
        }
        let type = statement.parameterTypes[index]
        if isBinary {
            portal.parameters.append(try TypeIO.receive(value, type, evaluation))
        } else {
            try UTF8Validation.check(value)
            portal.parameters.append(try TypeIO.input(value, type, evaluation))
        }
    }

    package func endBind(_ portal: Portal) throws(EngineError) { portals.append(portal) }

    /// Execute. The tag, suspension or emptiness goes to the port.
    package func execute(portal name: UnsafeRawBufferPointer, rowLimit: Int) throws(EngineError) {
        let portal = try portal(name)
        guard let statement = portal.statement, let parsed = statement.parsed else {
            port.emptyQuery()
            return
        }
        isAlone = true
        try beginStatement(allowedInFailedBlock: Self.endsFailedBlock(parsed.statement))
        if portal.state == .done {
            if portal.returnsRows {
                port.commandComplete(CommandTag("SELECT", 0))
                return
            }
            throw EngineError(
                "55000", "portal \"\(String(decoding: name, as: UTF8.self))\" cannot be run")
        }
        if let tag = try advance(portal, rowLimit: rowLimit) {
            port.commandComplete(tag)
        } else {
            port.portalSuspended()
        }
    }

    package func closePortal(_ name: UnsafeRawBufferPointer) {
        guard let index = portals.firstIndex(where: { equal($0.name, name) }) else { return }
        finish(portals.remove(at: index))
    }

    /// Releases what the portal holds.
    func finish(_ portal: Portal) {
        if let execution = portal.execution {
            execution.close()
            portal.execution = nil
            if let statement = portal.statement, statement.idleExecution == nil { statement.idleExecution = execution }
        }
        portal.chunk = nil
        portal.state = .done
        releaseSnapshot(portal)
        portal.statement = nil
        if sparePortal == nil { sparePortal = portal }
    }

    /// A simple query ends the unnamed statement and portal.
    func closeUnnamed() {
        closePortal(UnsafeRawBufferPointer(start: nil, count: 0))
        statements.removeAll { $0.name.isEmpty }
    }

    func closeAllPortals() {
        while let portal = portals.popLast() { finish(portal) }
    }

    /// Portals live no longer than their transaction.
    func closePortalsAtEnd() { closeAllPortals() }

    /// A suspended portal goes on seeing what it saw when it was opened.
    func holdSnapshot(_ portal: Portal) {
        if portal.hold == nil { portal.hold = SnapshotHold(of: transaction) }
    }

    func releaseSnapshot(_ portal: Portal) {
        if portal.hold != nil { portal.hold = nil }
    }

    func makeExecutionContext() -> ExecutionContext {
        ExecutionContext(
            transaction: transaction, catalog: catalog, evaluation: evaluation, budget: engine.queryMemory,
            temporary: engine.storage.temporary, workMemory: parameters.workMemory)
    }

    /// Sends what is left of a portal's text rows.
    func sendText(_ portal: Portal, rowLimit: Int) throws(EngineError) -> CommandTag? {
        var remaining = rowLimit
        while Int(portal.rowCount) < portal.textRows.count {
            if remaining == 0 { return nil }
            try port.textRow(portal.textRows[Int(portal.rowCount)])
            portal.rowCount += 1
            remaining -= 1
        }
        portal.state = .done
        return portal.textTag
    }
}

func equal(_ a: [UInt8], _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count else { return false }
    for index in 0..<b.count where a[index] != b[index] { return false }
    return true
}
