// What the database must hold: a model per session, which the session keeps beside its transactions.
//
// Keys belong to one session each, so its model is exact whatever the others do. A commit that was under way when the power
// went is in doubt: afterwards either all of it is there or nothing.

import Platform

/// The rows of one session, and whether its own table exists.
package struct SessionModel: Sendable {
    package struct Row: Sendable {
        package var value: Int
        package var note: [UInt8]
    }

    /// By key, ascending.
    package private(set) var rows: [(key: Int, row: Row)] = []
    /// Rows of the table that the session creates and drops; nil while there is none.
    package var tableRowCount: Int?

    private func place(_ key: Int) -> (index: Int, isThere: Bool) {
        for (index, entry) in rows.enumerated() where entry.key >= key { return (index, entry.key == key) }
        return (rows.count, false)
    }

    package func row(_ key: Int) -> Row? {
        let found = place(key)
        return found.isThere ? rows[found.index].row : nil
    }

    package mutating func set(_ key: Int, _ row: Row?) {
        let found = place(key)
        if found.isThere { rows.remove(at: found.index) }
        if let row { rows.insert((key, row), at: found.index) }
    }

    /// As `SELECT k, v, note … ORDER BY k` answers.
    package var lines: [[UInt8]] { rows.map { Array("\($0.key)|\($0.row.value)|".utf8) + $0.row.note } }
}

/// What a session knows has happened.
package struct Knowledge: Sendable {
    /// Acknowledged.
    package var committed = SessionModel()
    /// Asked for, and not answered yet.
    package var inDoubt: SessionModel?
}

/// The first thing that went wrong ends a history.
package final class Verdict: @unchecked Sendable {
    package private(set) var failure: String?
    package var commitCount = 0
    package var abortCount = 0
    package var statementCount = 0
    /// The last statements, newest last.
    package private(set) var statements: [String] = []

    package init() {}

    package func fail(_ text: String) { if failure == nil { failure = text } }

    package func note(_ session: Int, _ sql: String) {
        statementCount += 1
        statements.append("session \(session): \(sql.utf8.count > 200 ? String(sql.prefix(200)) + "…" : sql)")
        if statements.count > 30 { statements.removeFirst() }
    }
}
