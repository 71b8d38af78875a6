// What transactions consist of. What the engine learns joins the list: a name, a weight, and what it does with the session's
// model beside the statement.

import Fibers
import Platform
import SharedSuite
import SimulatedPlatform

struct WorkStep {
    let weight: Int
    let run: (SimulatedSession) throws(EngineError) -> Void

    nonisolated(unsafe) private static let all: [WorkStep] = [
        WorkStep(weight: 40, run: change),
        WorkStep(weight: 12, run: transfer),
        WorkStep(weight: 8, run: compare),
        WorkStep(weight: 8, run: addUp),
        WorkStep(weight: 6, run: savepoint),
        WorkStep(weight: 3, run: define),
        WorkStep(weight: 4, run: alter),
        WorkStep(weight: 5, run: loadRows),
        WorkStep(weight: 5, run: changeInBulk),
        WorkStep(weight: 4, run: compareTable),
        WorkStep(weight: 4, run: offend),
        WorkStep(weight: 12, run: readShared),
        WorkStep(weight: 6, run: readSharedRange),
        WorkStep(weight: 10, run: writeShared),
        WorkStep(weight: 3, run: insertShared),
        WorkStep(weight: 3, run: lockAndChange),
        WorkStep(weight: 2, run: scanSlowly),
        WorkStep(weight: 4, run: drawNumber),
        WorkStep(weight: 4, run: execute),
        WorkStep(weight: 3, run: lockRows),
        WorkStep(weight: 1, run: lockTables),
        WorkStep(weight: 6, run: claim),
        WorkStep(weight: 8, run: crowd),
        WorkStep(weight: 2, run: cancelOther),
        WorkStep(weight: 4, run: hurry),
    ]

    /// Where all meet at a few rows.
    nonisolated(unsafe) private static let shared: [WorkStep] = [
        WorkStep(weight: 20, run: readShared),
        WorkStep(weight: 4, run: readSharedRange),
        WorkStep(weight: 20, run: writeShared),
        WorkStep(weight: 3, run: insertShared),
        WorkStep(weight: 4, run: lockRows),
        WorkStep(weight: 4, run: transfer),
        WorkStep(weight: 1, run: addUp),
        WorkStep(weight: 4, run: claim),
        WorkStep(weight: 12, run: crowd),
        WorkStep(weight: 1, run: change),
        WorkStep(weight: 1, run: cancelOther),
        WorkStep(weight: 1, run: hurry),
    ]

    static func drawn(_ session: SimulatedSession) -> WorkStep {
        let steps = session.profile.isShared ? shared : all
        var place = session.random.next(below: steps.reduce(0) { $0 + $1.weight })
        for step in steps {
            if place < step.weight { return step }
            place -= step.weight
        }
        return steps[0]
    }

    // MARK: Single rows of its own

    static func anyKey(_ session: SimulatedSession) -> Int {
        session.number * 1000 + session.random.next(below: SimulatedSession.keysPerSession)
    }

    private static func note(_ session: SimulatedSession) -> [UInt8] {
        let isLong = session.random.chance(permille: session.profile.longNotePermille)
        let count = isLong ? session.random.next(in: 3000...30_000) : session.random.next(below: 200)
        return Array(repeating: UInt8(ascii: "a") + UInt8(session.random.next(below: 26)), count: count)
    }

    /// An insert, update or delete.
    static func change(_ session: SimulatedSession) throws(EngineError) {
        let key = anyKey(session)
        let value = session.random.next(below: 1_000_000)
        guard let old = session.model.rows.row(key) else {
            let note = note(session)
            let row = "(\(key), \(session.number), \(value), \(key) * 7, '\(session.text(note))')"
            if session.random.next(below: 3) == 0 {
                try session.run("INSERT INTO kv VALUES \(row) ON CONFLICT (k) DO UPDATE SET v = -1")
            } else {
                try session.run("INSERT INTO kv VALUES \(row)")
            }
            session.model.rows.set(key, SessionModel.Row(value: value, note: note))
            return
        }
        switch session.random.next(below: 5) {
        case 0:
            try session.expect("DELETE FROM kv WHERE k = \(key) RETURNING v", ["\(old.value)"])
            session.model.rows.set(key, nil)
        case 1:
            let note = note(session)
            try session.run("UPDATE kv SET note = '\(session.text(note))', v = \(value) WHERE k = \(key)")
            session.model.rows.set(key, SessionModel.Row(value: value, note: note))
        case 2:
            try session.expect(
                "INSERT INTO kv VALUES (\(key), \(session.number), 0, \(key) * 7, '') ON CONFLICT (u) DO UPDATE SET v = kv.v + 5 "
                    + "RETURNING v", ["\(old.value + 5)"])
            session.model.rows.set(key, SessionModel.Row(value: old.value + 5, note: old.note))
        default:
            try session.expect("UPDATE kv SET v = v + 1 WHERE k = \(key) RETURNING v", ["\(old.value + 1)"])
            session.model.rows.set(key, SessionModel.Row(value: old.value + 1, note: old.note))
        }
    }

    private static func lockAndChange(_ session: SimulatedSession) throws(EngineError) {
        let key = anyKey(session)
        let row = session.model.rows.row(key)
        try session.expect("SELECT v FROM kv WHERE k = \(key) FOR UPDATE", row.map { ["\($0.value)"] } ?? [])
        Fiber.yield()
        guard let row else { return }
        try session.expect("UPDATE kv SET v = v * 2 WHERE k = \(key) RETURNING v", ["\(row.value * 2)"])
        session.model.rows.set(key, SessionModel.Row(value: row.value * 2 % 1_000_000, note: row.note))
        try session.run("UPDATE kv SET v = \(row.value * 2 % 1_000_000) WHERE u = \(key * 7)")
    }

    /// A number from a sequence that all share, kept in a table where it must be new, whatever crashes.
    private static func drawNumber(_ session: SimulatedSession) throws(EngineError) {
        try session.run("INSERT INTO ledger (who) VALUES (\(session.number)) RETURNING id")
    }

    /// Prepared once and run again.
    private static func execute(_ session: SimulatedSession) throws(EngineError) {
        if !session.isPrepared {
            try session.run("PREPARE bump (int, int) AS UPDATE kv SET v = v + $2 WHERE k = $1 RETURNING v")
            session.isPrepared = true
        }
        let key = anyKey(session)
        let amount = session.random.next(below: 100)
        let row = session.model.rows.row(key)
        try session.expect("EXECUTE bump (\(key), \(amount))", row.map { ["\($0.value + amount)"] } ?? [])
        if let row { session.model.rows.set(key, SessionModel.Row(value: row.value + amount, note: row.note)) }
    }

    /// Its own rows, by the table, by the secondary index, and one by the unique one.
    private static func compare(_ session: SimulatedSession) throws(EngineError) {
        let sql = "SELECT k, v, note FROM kv WHERE s = \(session.number) ORDER BY k"
        let got = try session.run(sql)
        let wanted = session.model.lines
        if !sameLines(got, wanted) { session.fail("\(differenceOfLines(got, wanted)) in: \(sql)") }
        let key = anyKey(session)
        let row = session.model.rows.row(key)
        try session.expect("SELECT v FROM kv WHERE u = \(key * 7)", row.map { ["\($0.value)"] } ?? [])
        let low = session.random.next(below: 1_000_000)
        let count = session.model.rows.list.filter { $0.row.value >= low }.count
        try session.expect("SELECT count(*) FROM kv WHERE s = \(session.number) AND v >= \(low)", ["\(count)"])
    }

    private static func savepoint(_ session: SimulatedSession) throws(EngineError) {
        try session.run("SAVEPOINT s")
        let before = session.model
        for _ in 0...session.random.next(below: 3) { try change(session) }
        if session.random.next(below: 2) == 0 {
            try session.run("ROLLBACK TO s")
            session.model = before
        } else {
            try session.run("RELEASE s")
        }
    }

    /// A statement that must fail in the middle and leave nothing behind.
    private static func offend(_ session: SimulatedSession) throws(EngineError) {
        let first = session.number * 1000
        let keys = first..<(first + SimulatedSession.keysPerSession)
        let model = session.model.rows
        guard let taken = model.list.last?.key, let free = keys.first(where: { model.row($0) == nil }) else { return }
        try session.run("SAVEPOINT o")
        do throws(EngineError) {
            try session.run(
                "INSERT INTO kv SELECT i, \(session.number), 0, i * 7, '' FROM (VALUES (\(free)), (\(taken))) f (i)")
            session.fail("a key was taken twice")
        } catch {
            guard error.state == .uniqueViolation else { throw error }
        }
        try session.run("ROLLBACK TO o")
    }

    // MARK: Money

    static func transfer(_ session: SimulatedSession) throws(EngineError) {
        let from = session.random.next(below: SimulatedSession.accountCount)
        let to = session.random.next(below: SimulatedSession.accountCount)
        let amount = session.random.next(below: 50)
        try session.run("UPDATE account SET balance = balance - \(amount) WHERE id = \(from)")
        try session.run("UPDATE account SET balance = balance + \(amount) WHERE id = \(to)")
    }

    /// Money moves, and none is made.
    static func addUp(_ session: SimulatedSession) throws(EngineError) {
        let sum = "\(SimulatedSession.accountCount * SimulatedSession.openingBalance)|\(SimulatedSession.accountCount)"
        try session.expect("SELECT sum(balance), count(*) FROM account", [sum])
        if session.level == .readCommitted { return }
        // A snapshot is the same however often it is looked at.
        let first = try session.run("SELECT id, balance FROM account ORDER BY id")
        Fiber.yield()
        let second = try session.run("SELECT id, balance FROM account ORDER BY id")
        if !sameLines(first, second) { session.fail("a snapshot changed: \(differenceOfLines(second, first))") }
    }

    /// All rows of all sessions, a few at a time, while others change them: the same sum as at once, in one snapshot.
    private static func scanSlowly(_ session: SimulatedSession) throws(EngineError) {
        try session.run("DECLARE slow CURSOR FOR SELECT k, v FROM kv ORDER BY k")
        let atOnce = session.level == .readCommitted ? nil : try session.run("SELECT k, v FROM kv ORDER BY k")
        var fetched: [Line] = []
        while true {
            let piece = try session.run("FETCH 7 FROM slow")
            if piece.isEmpty { break }
            fetched += piece
            Fiber.sleep(.microseconds(UInt64(session.random.next(below: 300))))
        }
        try session.run("CLOSE slow")
        // Its own changes and nobody else's lie between the two, and it has made none.
        if let atOnce, !sameLines(fetched, atOnce) {
            session.fail("a cursor's rows are not the snapshot's: \(differenceOfLines(fetched, atOnce))")
        }
    }

    // MARK: Shared rows, for the record of dependencies

    static let sharedKeyCount = 16

    static func sharedKey(_ session: SimulatedSession) -> Int {
        session.random.next(below: session.profile.isShared ? 4 : sharedKeyCount)
    }

    private static func readShared(_ session: SimulatedSession) throws(EngineError) {
        let key = sharedKey(session)
        let lines = try session.run("SELECT cur FROM reg WHERE k = \(key)")
        session.noteRead(key, lines.isEmpty ? 0 : session.number(of: lines))
    }

    private static func readSharedRange(_ session: SimulatedSession) throws(EngineError) {
        let first = session.random.next(below: 200)
        let last = first + session.random.next(below: 20)
        var found: [Int: Int] = [:]
        for line in try session.run("SELECT k, cur FROM reg WHERE k BETWEEN \(first) AND \(last)") {
            let fields = line.split(separator: UInt8(ascii: "|"))
            if fields.count == 2, let key = Int(session.text(Array(fields[0]))) {
                found[key] = Int(session.text(Array(fields[1])))
            }
        }
        for key in first...last { session.noteRead(key, found[key] ?? 0) }
    }

    private static func writeShared(_ session: SimulatedSession) throws(EngineError) {
        let key = sharedKey(session)
        let version = session.world.dependencies.newVersion()
        let lines = try session.run("UPDATE reg SET prev = cur, cur = \(version) WHERE k = \(key) RETURNING prev")
        if lines.count != 1 { return session.fail("an update of shared row \(key) has found \(lines.count) rows") }
        session.world.dependencies.write(session.work, key, version, before: session.number(of: lines))
    }

    private static func insertShared(_ session: SimulatedSession) throws(EngineError) {
        let key = session.random.next(in: sharedKeyCount...200)
        let version = session.world.dependencies.newVersion()
        let lines = try session.run(
            "INSERT INTO reg VALUES (\(key), \(version), 0) ON CONFLICT DO NOTHING RETURNING k")
        if !lines.isEmpty { session.world.dependencies.write(session.work, key, version, before: 0) }
    }
}
