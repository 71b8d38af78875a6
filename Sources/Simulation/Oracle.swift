// What the database must hold: a model per session, which the session keeps beside its transactions.
//
// Keys and tables belong to one session each, so its model is exact whatever the others do. A commit that was under way when the
// power went is in doubt: afterwards either all of it is there or nothing.

import Platform
import SharedSuite

/// Rows by key, ascending.
package struct ModelRows<Row: Sendable>: Sendable {
    package private(set) var list: [(key: Int, row: Row)] = []

    private func place(_ key: Int) -> (index: Int, isThere: Bool) {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if list[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return (low, low < list.count && list[low].key == key)
    }

    package func row(_ key: Int) -> Row? {
        let found = place(key)
        return found.isThere ? list[found.index].row : nil
    }

    package mutating func set(_ key: Int, _ row: Row?) {
        let found = place(key)
        if let row {
            if found.isThere { list[found.index].row = row } else { list.insert((key, row), at: found.index) }
        } else if found.isThere {
            list.remove(at: found.index)
        }
    }

    package mutating func removeAll(where isGone: (Int, Row) -> Bool) { list.removeAll { isGone($0.key, $0.row) } }
    package mutating func update(_ change: (Int, inout Row) -> Void) {
        for index in list.indices { change(list[index].key, &list[index].row) }
    }
}

/// What one session has put into the database.
package struct SessionModel: Sendable {
    package struct Row: Sendable {
        package var value: Int
        package var note: [UInt8]
    }

    /// A table that the session creates, changes in bulk and drops: a int, b text ('row ' || a), c int, and d int with a default if
    /// it was added.
    package struct Table: Sendable {
        package var rows = ModelRows<Int>()
        package var isIndexed = false
        package var hasColumn = false
    }

    /// Its rows of `kv`.
    package var rows = ModelRows<Row>()
    /// Keys that it has taken before others.
    package var claims = ModelRows<Bool>()
    /// Its rows of `crowd`.
    package var crowd = ModelRows<Int>()
    package var table: Table?
    /// Rows of the table in the session's database; nil while there is no such database.
    package var tenantRowCount: Int?

    /// As `SELECT k, v, note … ORDER BY k` answers.
    package var lines: [Line] { rows.list.map { Array("\($0.key)|\($0.row.value)|".utf8) + $0.row.note } }

    /// As `SELECT a, b, c … ORDER BY a` answers.
    package var tableLines: [Line]? {
        table.map { $0.rows.list.map { Array("\($0.key)|row \($0.key)|\($0.row)".utf8) } }
    }
}

/// What is found of a session's rows.
struct Findings {
    var lines: [Line] = []
    var claimLines: [Line] = []
    var crowdLines: [Line] = []
    var tableLines: [Line]?
    var isIndexed = false
    var hasColumn = false
    var tenantRowCount: Int?

    /// Where the model says something else; nil if nowhere.
    func difference(_ model: SessionModel, _ session: Int) -> String? {
        if !sameLines(lines, model.lines) { return "kv: \(differenceOfLines(lines, model.lines))" }
        let claims = model.claims.list.map { Array("\($0.key)".utf8) }
        if !sameLines(claimLines, claims) { return "claim: \(differenceOfLines(claimLines, claims))" }
        let crowd = model.crowd.list.map { Array("\($0.key * 16 + session)|\($0.row)".utf8) }
        if !sameLines(crowdLines, crowd) { return "crowd: \(differenceOfLines(crowdLines, crowd))" }
        let wanted = model.tableLines
        if (tableLines == nil) != (wanted == nil) {
            return "own table: \(tableLines == nil ? "absent" : "there"), not \(wanted == nil ? "absent" : "there")"
        }
        if let tableLines, let wanted, !sameLines(tableLines, wanted) {
            return "own table: \(differenceOfLines(tableLines, wanted))"
        }
        if let table = model.table, table.isIndexed != isIndexed || table.hasColumn != hasColumn {
            return "own table: index \(isIndexed), not \(table.isIndexed); column \(hasColumn), not \(table.hasColumn)"
        }
        if tenantRowCount != model.tenantRowCount {
            return "own database: \(shown(tenantRowCount)), not \(shown(model.tenantRowCount))"
        }
        return nil
    }

    private func shown(_ count: Int?) -> String { count.map { "\($0) rows" } ?? "absent" }
}

func sameLines(_ a: [Line], _ b: [Line]) -> Bool {
    if a.count != b.count { return false }
    for index in a.indices where !sameBytes(a[index], b[index]) { return false }
    return true
}

private func sameBytes(_ a: Line, _ b: Line) -> Bool {
    if a.count != b.count { return false }
    return a.withUnsafeBytes { a in b.withUnsafeBytes { b in sameWords(a, b) } }
}

/// Eight bytes at a time: rows are long.
private func sameWords(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    var place = 0
    while place + 8 <= a.count {
        if a.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            != b.loadUnaligned(fromByteOffset: place, as: UInt64.self)
        {
            return false
        }
        place += 8
    }
    while place < a.count {
        if a[place] != b[place] { return false }
        place += 1
    }
    return true
}

func differenceOfLines(_ got: [Line], _ wanted: [Line]) -> String {
    var place = 0
    while place < got.count, place < wanted.count, got[place] == wanted[place] { place += 1 }
    func show(_ list: [Line]) -> String {
        place < list.count ? "'\(String(decoding: list[place].prefix(80), as: UTF8.self))'" : "the end"
    }
    return "\(got.count) rows, not \(wanted.count); row \(place) is \(show(got)), not \(show(wanted))"
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
    /// The last statements, newest last, with the time at which they began.
    package private(set) var statements: [(time: UInt64, text: String)] = []

    package init() {}

    package func fail(_ text: String) { if failure == nil { failure = text } }

    package func note(_ session: Int, _ sql: String, at time: UInt64) {
        statementCount += 1
        if failure != nil { return }
        if statements.count == 60 { statements.removeFirst(30) }
        statements.append((time, "session \(session): \(sql.utf8.count > 200 ? String(sql.prefix(200)) + "…" : sql)"))
    }
}
