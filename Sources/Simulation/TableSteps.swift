// Steps that make, change in bulk, compare and drop a table of the session's own.

import Platform
import SharedSuite

extension WorkStep {
    static func define(_ session: SimulatedSession) throws(EngineError) {
        let name = "own\(session.number)"
        if session.model.table != nil {
            if session.random.next(below: 3) == 0 {
                try session.run("TRUNCATE \(name)")
                session.model.table?.rows = ModelRows()
                return
            }
            try session.run("DROP TABLE \(name)")
            session.model.table = nil
            return
        }
        try session.run("CREATE TABLE \(name) (a int PRIMARY KEY, b text, c int)")
        session.model.table = SessionModel.Table()
        try fill(session)
    }

    private static func fill(_ session: SimulatedSession) throws(EngineError) {
        let first = (session.model.table?.rows.list.last?.key ?? 0) + 1
        let last = first + session.random.next(below: session.profile.bulkRowCount)
        try session.run(
            "INSERT INTO own\(session.number) (a, b, c) SELECT i, 'row ' || i, i % 10 FROM generate_series(\(first), \(last)) i"
        )
        for key in first...last { session.model.table?.rows.set(key, key % 10) }
    }

    /// COPY, which now and then meets a key that is taken, and then leaves nothing.
    static func loadRows(_ session: SimulatedSession) throws(EngineError) {
        guard let table = session.model.table else { return }
        if session.random.next(below: 3) == 0 { return try fill(session) }
        let name = "own\(session.number)"
        let first = (table.rows.list.last?.key ?? 0) + 1
        let count = 1 + session.random.next(below: session.profile.bulkRowCount)
        var text = ""
        for key in first..<first + count { text += "\(key)\trow \(key)\t\(key % 7)\n" }
        let taken = session.random.next(below: 4) == 0 ? table.rows.list.first?.key : nil
        if let taken { text += "\(taken)\ttaken\t0\n" }
        let bytes = Array(text.utf8)
        // Cut anywhere, as a network would.
        var pieces: [[UInt8]] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + 1 + session.random.next(below: 4000))
            pieces.append(Array(bytes[start..<end]))
            start = end
        }
        guard taken != nil else {
            try session.run("COPY \(name) (a, b, c) FROM STDIN", copying: pieces)
            for key in first..<first + count { session.model.table?.rows.set(key, key % 7) }
            return
        }
        try session.run("SAVEPOINT l")
        do throws(EngineError) {
            try session.run("COPY \(name) (a, b, c) FROM STDIN", copying: pieces)
            session.fail("COPY took a key twice")
        } catch {
            guard error.state == .uniqueViolation else { throw error }
        }
        try session.run("ROLLBACK TO l")
    }

    static func changeInBulk(_ session: SimulatedSession) throws(EngineError) {
        guard let table = session.model.table, let last = table.rows.list.last?.key else { return }
        let name = "own\(session.number)"
        let first = session.random.next(below: last + 1)
        let end = first + session.random.next(below: last - first + 1)
        switch session.random.next(below: 4) {
        case 0:
            try session.run("DELETE FROM \(name) WHERE a BETWEEN \(first) AND \(end)")
            session.model.table?.rows.removeAll { key, _ in key >= first && key <= end }
        case 1:
            let value = session.random.next(below: 10)
            try session.run("DELETE FROM \(name) WHERE c = \(value)")
            session.model.table?.rows.removeAll { _, c in c == value }
        case 2:
            try session.run("UPDATE \(name) SET c = c + 1 WHERE a BETWEEN \(first) AND \(end)")
            session.model.table?.rows.update { key, c in if key >= first && key <= end { c += 1 } }
        default:
            // Every key moves by a stretch that leaves none taken.
            try session.run("UPDATE \(name) SET a = a + \(last), b = 'row ' || (a + \(last)) WHERE a <= \(first)")
            let moved = table.rows.list.filter { $0.key <= first }
            session.model.table?.rows.removeAll { key, _ in key <= first }
            for entry in moved { session.model.table?.rows.set(entry.key + last, entry.row) }
        }
    }

    /// An index or a column comes or goes.
    static func alter(_ session: SimulatedSession) throws(EngineError) {
        guard let table = session.model.table else { return }
        let name = "own\(session.number)"
        if session.random.next(below: 2) == 0 {
            try session.run(table.isIndexed ? "DROP INDEX \(name)_c" : "CREATE INDEX \(name)_c ON \(name) (c, b)")
            session.model.table?.isIndexed.toggle()
        } else {
            try session.run("ALTER TABLE \(name) " + (table.hasColumn ? "DROP COLUMN d" : "ADD COLUMN d int DEFAULT 5"))
            session.model.table?.hasColumn.toggle()
        }
    }

    static func compareTable(_ session: SimulatedSession) throws(EngineError) {
        guard let table = session.model.table else { return }
        let name = "own\(session.number)"
        let value = session.random.next(below: 10)
        var count = 0
        var sum = 0
        for entry in table.rows.list where entry.row == value {
            count += 1
            sum += entry.key
        }
        try session.expect("SELECT count(*), coalesce(sum(a), 0) FROM \(name) WHERE c = \(value)", ["\(count)|\(sum)"])
        if table.hasColumn {
            try session.expect("SELECT count(*) FROM \(name) WHERE d = 5", ["\(table.rows.list.count)"])
        }
        let got =
            session.random.next(below: 2) == 0
            ? try session.run("COPY (SELECT a || '|' || b || '|' || c FROM \(name) ORDER BY a) TO STDOUT")
            : try session.run("SELECT a, b, c FROM \(name) ORDER BY a")
        let wanted = session.model.tableLines ?? []
        if !sameLines(got, wanted) { session.fail("\(name): \(differenceOfLines(got, wanted))") }
    }
}
