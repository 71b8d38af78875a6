// DECLARE, FETCH, MOVE, CLOSE: portals with a name given in SQL. They live until the transaction ends and read forward.

import Platform
import SQL
import SQLSyntax
import SQLTypes

extension Session {
    func declare(
        _ declaration: DeclareCursor, _ query: PlannedQuery, _ statement: PreparedStatement, _ parameters: [Datum]
    ) throws(EngineError) -> CommandTag {
        let name = declaration.name.bytes
        if declaration.hold { throw .notSupported("DECLARE CURSOR WITH HOLD") }
        if declaration.scroll == .scroll { throw .notSupported("a SCROLL cursor") }
        if block == .none {
            throw EngineError(.noActiveSQLTransaction, "DECLARE CURSOR can only be used in transaction blocks")
        }
        if portals.contains(where: { $0.name == name }) {
            throw EngineError("42P03", "cursor \"\(String(decoding: name, as: UTF8.self))\" already exists")
        }
        // A statement of its own, the query without its DECLARE: the plan's operator tree is the cursor's alone, and when a
        // definition has changed before the locks were ours, the query is what is planned again.
        var parsed = statement.parsed
        parsed?.statement = .query(declaration.query)
        let own = PreparedStatement(
            name: name, text: statement.text, parsed: parsed, declaredTypes: statement.declaredTypes, isFromSQL: false)
        own.parameterTypes = query.parameterTypes
        own.planned = .query(query)
        let portal = Portal()
        portal.reset(name: name, statement: own)
        portal.parameters = parameters
        try bindColumns(portal, own.planned)
        if declaration.binary { for index in portal.formats.indices { portal.formats[index] = true } }
        portal.isCursor = true
        try open(portal, query)
        holdSnapshot(portal)
        portals.append(portal)
        return CommandTag("DECLARE CURSOR")
    }

    /// Errors: 34000.
    func cursor(_ name: Name) throws(EngineError) -> Portal {
        for portal in portals where portal.name == name.bytes { return portal }
        throw EngineError(
            .invalidCursorName, "cursor \"\(String(decoding: name.bytes, as: UTF8.self))\" does not exist")
    }

    func run(_ fetch: Fetch, _ portal: Portal) throws(EngineError) -> CommandTag {
        let cursor = try cursor(fetch.cursor)
        let count: Int64
        switch fetch.direction {
        case .forward(let rows) where rows >= 0: count = rows
        case .relative(let rows) where rows == 1: count = 1
        default:
            throw EngineError(
                "55000", "cursor can only scan forward", hint: "Declare it with SCROLL option to enable backward scan.")
        }
        let before = cursor.rowCount
        if cursor.execution != nil, count > 0 {
            let formats = cursor.formats
            let returnsRows = cursor.returnsRows
            if portal.formats.count == formats.count, portal.formats.contains(true) { cursor.formats = portal.formats }
            if fetch.isMove { cursor.returnsRows = false }
            defer {
                cursor.formats = formats
                cursor.returnsRows = returnsRows
            }
            _ = try self.fetch(cursor, rowLimit: count == Int64.max ? Int.max : Int(count))
        }
        return CommandTag(fetch.isMove ? "MOVE" : "FETCH", cursor.rowCount - before)
    }

    func closeCursor(_ name: Name?) throws(EngineError) -> CommandTag {
        guard let name else {
            closeAllPortals()
            return CommandTag("CLOSE CURSOR ALL")
        }
        let portal = try cursor(name)
        portals.removeAll { $0 === portal }
        finish(portal)
        return CommandTag("CLOSE CURSOR")
    }
}
