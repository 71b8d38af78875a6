// Commands that change the session alone: transactions, settings, SQL's prepared statements and cursors.

import MVCC
import Platform
import QueryExec
import SQL
import SQLSyntax
import SQLTypes

extension Session {
    /// Columns of a command that yields rows, nil for the others.
    func commandColumns(_ command: Statement) throws(EngineError) -> [OutputColumn]? {
        switch command {
        case .show(.all):
            return ["name", "setting", "description"].map { OutputColumn([UInt8]($0.utf8), SQLType(.text)) }
        case .show(.named(let name)):
            let index = Settings.index(of: name.bytes)
            return [OutputColumn(index.map { SettingDefinition.all[$0].nameBytes } ?? name.bytes, SQLType(.text))]
        case .execute(let execute):
            let statement = try sqlStatement(execute.name)
            try plan(statement)
            return try resultColumns(statement.planned)
        case .fetch(let fetch):
            return fetch.isMove ? nil : try cursor(fetch.cursor).columns
        default:
            return nil
        }
    }

    /// Runs the command; nil if its rows are to be sent from the portal's text.
    func executeCommand(_ command: Statement, _ portal: Portal) throws(EngineError) -> CommandTag? {
        switch command {
        case .transaction(let transaction): return try execute(transaction)
        case .set(let set): return try execute(set)
        case .show(let show):
            try execute(show, portal)
            return nil
        case .discard(let target): return try discard(target)
        case .prepare(let prepare): return try execute(prepare, portal)
        case .execute(let execute): return try run(execute, portal)
        case .deallocate(let name): return try deallocate(name)
        case .fetch(let fetch): return try run(fetch, portal)
        case .closeCursor(let name): return try closeCursor(name)
        case .lockTable(let lock): return try run(lock)
        case .checkpoint:
            try engine.checkpoint()
            return CommandTag("CHECKPOINT")
        case .unlisten: return CommandTag("UNLISTEN")
        case .setConstraints: return CommandTag("SET CONSTRAINTS")
        default: throw .notSupported(Self.commandName(command))
        }
    }

    private static func commandName(_ command: Statement) -> String {
        switch command {
        case .listen: "LISTEN"
        case .notify: "NOTIFY"
        case .load: "LOAD"
        case .doBlock: "DO"
        case .call: "CALL"
        case .merge: "MERGE"
        case .alterSystem: "ALTER SYSTEM"
        case .cluster: "CLUSTER"
        case .reindex: "REINDEX"
        case .createFunction: "CREATE FUNCTION"
        case .createType: "CREATE TYPE"
        case .createDomain: "CREATE DOMAIN"
        case .createExtension: "CREATE EXTENSION"
        case .grant, .grantRole: "GRANT"
        case .unsupported(let words): "\(words)"
        default: "this command"
        }
    }

    // MARK: SET and SHOW

    private func execute(_ set: SetVariable) throws(EngineError) -> CommandTag {
        let isLocal = set.scope == .local
        if isLocal, block == .none {
            port.notice(
                EngineError(.noActiveSQLTransaction, "SET LOCAL can only be used in transaction blocks"), "WARNING")
        }
        switch set.action {
        case .values(let values):
            try self.set(set.name.bytes, Self.text(values), isLocal: isLocal)
        case .reset(let isReset):
            try self.set(set.name.bytes, nil, isLocal: isLocal)
            if isReset { return CommandTag("RESET") }
        case .resetAll:
            parameters.resetAll()
            applySearchPath()
            return CommandTag("RESET")
        case .fromCurrent:
            break
        case .transaction(let modes, let isSession):
            try setModes(modes, isSession)
        case .snapshot:
            throw .notSupported("SET TRANSACTION SNAPSHOT")
        }
        return CommandTag("SET")
    }

    /// Sets a parameter and what hangs on it.
    func set(_ name: [UInt8], _ value: [UInt8]?, isLocal: Bool) throws(EngineError) {
        let index = Settings.index(of: name)
        if index == SettingIndex.transactionIsolation || index == SettingIndex.transactionReadOnly, let value {
            return try setMode(index == SettingIndex.transactionReadOnly, value)
        }
        if index == SettingIndex.role, let value, !value.elementsEqual("none".utf8),
            try catalog.role(named: value) == nil
        {
            throw EngineError(
                .invalidParameterValue, "role \"\(String(decoding: value, as: UTF8.self))\" does not exist")
        }
        try parameters.set(name, to: value, isLocal: isLocal)
        if index == SettingIndex.searchPath { applySearchPath() }
    }

    private func setMode(_ isReadOnlyMode: Bool, _ value: [UInt8]) throws(EngineError) {
        var modes = TransactionModes()
        if isReadOnlyMode {
            guard let flag = Settings.boolean(value) else {
                throw EngineError(
                    .invalidParameterValue, "parameter \"transaction_read_only\" requires a Boolean value")
            }
            modes.readOnly = flag
        } else {
            modes.isolation = Settings.isolation(
                try parameters.normalise(value, SettingIndex.transactionIsolation))
        }
        try setModes(modes, false)
    }

    private func setModes(_ modes: TransactionModes, _ isSession: Bool) throws(EngineError) {
        if isSession {
            if let isolation = modes.isolation {
                let words: StaticString =
                    switch isolation {
                    case .readUncommitted: "read uncommitted"
                    case .readCommitted: "read committed"
                    case .repeatableRead: "repeatable read"
                    case .serializable: "serializable"
                    }
                parameters.assign(SettingIndex.defaultIsolation, words)
            }
            if let readOnly = modes.readOnly {
                parameters.assign(SettingIndex.defaultReadOnly, readOnly ? "on" : "off")
            }
            return
        }
        if block == .none {
            port.notice(
                EngineError(.noActiveSQLTransaction, "SET TRANSACTION can only be used in transaction blocks"),
                "WARNING")
        }
        if transaction.hasSnapshot, let isolation = modes.isolation,
            Self.level(isolation) != transaction.isolation
        {
            throw EngineError(
                .activeSQLTransaction, "SET TRANSACTION ISOLATION LEVEL must be called before any query")
        }
        if transaction.hasSnapshot, modes.readOnly == false, transaction.isReadOnly {
            throw EngineError(
                .activeSQLTransaction, "transaction read-write mode must be set before any query")
        }
        setModes(modes)
    }

    /// A list of values as one text, as SHOW prints it.
    private static func text(_ values: [SettingValue]) throws(EngineError) -> [UInt8] {
        var result: [UInt8] = []
        for (index, value) in values.enumerated() {
            if index > 0 { result += [UInt8](", ".utf8) }
            switch value {
            case .string(let bytes): result += values.count > 1 ? quoteIfNeeded(bytes) : bytes
            case .word(let name): result += quoteIfNeeded(name.bytes)
            case .integer(let number): result += [UInt8]("\(number)".utf8)
            case .numeric(let digits): result += digits
            case .interval: throw .notSupported("SET TIME ZONE INTERVAL")
            }
        }
        return result
    }

    private static func quoteIfNeeded(_ name: [UInt8]) -> [UInt8] {
        for byte in name where !(byte == 0x5F || (byte >= 0x61 && byte <= 0x7A) || (byte >= 0x30 && byte <= 0x39)) {
            return name.contains(0x20) || name.contains(0x24) || name != name.map(asciiLower)
                ? [0x22] + name + [0x22] : name
        }
        return name
    }

    /// Tells the catalog the schemas of search_path.
    func applySearchPath() {
        var names: [[UInt8]] = []
        var name: [UInt8] = []
        var isQuoted = false
        for byte in parameters.values[SettingIndex.searchPath] + [0x2C] {
            if byte == 0x22 {
                isQuoted.toggle()
            } else if byte == 0x2C, !isQuoted {
                if !name.isEmpty { names.append(name) }
                name = []
            } else if byte != 0x20 || isQuoted {
                name.append(isQuoted ? byte : asciiLower(byte))
            }
        }
        catalog.setSearchPath(names)
    }

    private func execute(_ show: ShowVariable, _ portal: Portal) throws(EngineError) {
        portal.textTag = CommandTag("SHOW")
        switch show {
        case .named(let name):
            portal.textRows = [[try parameters.show(name.bytes)]]
        case .all:
            portal.textRows = SettingDefinition.all.enumerated().map { index, definition in
                [definition.nameBytes, parameters.display(index), [UInt8]("\(definition.summary)".utf8)]
            }
        }
    }

    // MARK: PREPARE, EXECUTE, DEALLOCATE, DISCARD

    private func execute(_ prepare: Prepare, _ portal: Portal) throws(EngineError) -> CommandTag {
        let name = prepare.name.bytes
        if statements.contains(where: { $0.name == name }) {
            throw EngineError("42P05", "prepared statement \"\(String(decoding: name, as: UTF8.self))\" already exists")
        }
        var types: [TypeOID] = []
        let text = portal.statement?.text ?? []
        for type in prepare.types { types.append(try planner.resolve(type, text: text).oid) }
        let parsed = ParsedStatement(
            statement: prepare.statement, start: prepare.start, end: prepare.end, parameterCount: 0)
        let statement = PreparedStatement(name: name, text: text, parsed: parsed, declaredTypes: types, isFromSQL: true)
        try plan(statement)
        statements.append(statement)
        return CommandTag("PREPARE")
    }

    func sqlStatement(_ name: Name) throws(EngineError) -> PreparedStatement {
        for statement in statements where statement.name == name.bytes && !name.bytes.isEmpty { return statement }
        throw EngineError(
            .invalidSQLStatementName,
            "prepared statement \"\(String(decoding: name.bytes, as: UTF8.self))\" does not exist")
    }

    /// EXECUTE: the portal becomes one of the prepared statement.
    private func run(_ execute: Execute, _ portal: Portal) throws(EngineError) -> CommandTag? {
        let statement = try sqlStatement(execute.name)
        try plan(statement)
        guard execute.arguments.count == statement.parameterTypes.count else {
            throw EngineError(
                .syntaxError,
                "wrong number of parameters for prepared statement \"\(String(decoding: statement.name, as: UTF8.self))\"",
                detail: "Expected \(statement.parameterTypes.count) parameters but got \(execute.arguments.count).")
        }
        let arguments = try evaluate(execute.arguments, statement.parameterTypes, portal)
        let inner = Portal()
        inner.reset(name: [], statement: statement)
        try bindColumns(inner, statement.planned)
        inner.formats = portal.formats.count == inner.columns.count ? portal.formats : inner.formats
        inner.parameters = arguments
        defer { finish(inner) }
        while true {
            if let tag = try advance(inner, rowLimit: Int.max) { return tag }
        }
    }

    /// Values of constant expressions, converted as an assignment to the given types would.
    private func evaluate(
        _ arguments: [Expression], _ types: [SQLType], _ portal: Portal
    ) throws(EngineError) -> [Datum] {
        if arguments.isEmpty { return [] }
        let query = try planner.planArguments(arguments, types: types, text: portal.statement?.text ?? [])
        transaction.beginStatement()
        let execution = try Execution(query, tables, evaluation)
        let context = makeExecutionContext()
        prepareContext(context, [])
        try execution.open(context)
        defer { execution.close() }
        guard let chunk = try execution.next(), chunk.count == 1 else { return [] }
        return chunk.columns.map { $0.datum(chunk.selection[0]) }
    }

    private func deallocate(_ name: Name?) throws(EngineError) -> CommandTag {
        guard let name else {
            statements.removeAll()
            return CommandTag("DEALLOCATE ALL")
        }
        let statement = try sqlStatement(name)
        statements.removeAll { $0 === statement }
        return CommandTag("DEALLOCATE")
    }

    private func discard(_ target: DiscardTarget) throws(EngineError) -> CommandTag {
        switch target {
        case .plans:
            for statement in statements { statement.planned = nil }
            return CommandTag("DISCARD PLANS")
        case .sequences:
            sequences.removeAll()
            return CommandTag("DISCARD SEQUENCES")
        case .temporary:
            return CommandTag("DISCARD TEMP")
        case .all:
            try requireNoBlock("DISCARD ALL")
            closeAllPortals()
            statements.removeAll()
            sequences.removeAll()
            parameters.resetAll()
            applySearchPath()
            return CommandTag("DISCARD ALL")
        }
    }

    /// Errors: 25001 in a transaction block or a query string of several statements.
    func requireNoBlock(_ command: String) throws(EngineError) {
        if block != .none || !isAlone {
            throw EngineError(.activeSQLTransaction, "\(command) cannot run inside a transaction block")
        }
    }

    private func run(_ lock: LockTable) throws(EngineError) -> CommandTag {
        if block == .none {
            throw EngineError(.noActiveSQLTransaction, "LOCK TABLE can only be used in transaction blocks")
        }
        guard let mode = TableLockMode(rawValue: lock.mode.rawValue) else {
            throw EngineError(.internalError, "unknown lock mode")
        }
        for table in lock.tables {
            guard try catalog.open(table.name, mode: mode, noWait: lock.noWait) != nil else {
                _ = try catalog.require(table.name)
                continue
            }
        }
        return CommandTag("LOCK TABLE")
    }
}
