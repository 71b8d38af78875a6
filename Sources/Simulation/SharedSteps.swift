// Steps that meet other sessions: locks in whatever order, keys that several want, pages that split and merge under everybody, and
// statements that are cancelled or run out of time.

import Fibers
import Platform
import SharedSuite

extension WorkStep {
    // MARK: Locks

    /// Locks some shared rows, in whatever order. Of those who then wait for each other one must hear of it.
    static func lockRows(_ session: SimulatedSession) throws(EngineError) {
        let strengths = ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"]
        for _ in 0...session.random.next(below: 3) {
            let key = sharedKey(session)
            let strength = strengths[session.random.next(below: strengths.count)]
            let lines = try session.run("SELECT cur FROM reg WHERE k = \(key) FOR \(strength)")
            session.noteRead(key, lines.isEmpty ? 0 : session.number(of: lines))
            Fiber.yield()
        }
    }

    /// Locks whole tables, in whatever order.
    static func lockTables(_ session: SimulatedSession) throws(EngineError) {
        for _ in 0...session.random.next(below: 2) {
            let table = ["account", "claim", "crowd"][session.random.next(below: 3)]
            let mode = ["ROW SHARE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE"][session.random.next(below: 4)]
            try session.run("LOCK TABLE \(table) IN \(mode) MODE")
        }
    }

    // MARK: Keys that several want

    static let claimCount = 6

    /// Takes keys that others want too, and who comes second waits for the first; or gives one back.
    static func claim(_ session: SimulatedSession) throws(EngineError) {
        for _ in 0...session.random.next(below: 3) {
            let key = session.random.next(below: claimCount)
            if session.model.claims.row(key) != nil {
                try session.expect(
                    "DELETE FROM claim WHERE k = \(key) AND who = \(session.number) RETURNING k", ["\(key)"])
                session.model.claims.set(key, nil)
            } else if session.random.next(below: 3) == 0 {
                let taken = try session.run(
                    "INSERT INTO claim VALUES (\(key), \(session.number)) ON CONFLICT DO NOTHING RETURNING k")
                if !taken.isEmpty { session.model.claims.set(key, true) }
            } else {
                try session.run("SAVEPOINT c")
                do throws(EngineError) {
                    try session.run("INSERT INTO claim VALUES (\(key), \(session.number))")
                    session.model.claims.set(key, true)
                } catch {
                    guard error.state == .uniqueViolation else { throw error }
                    try session.run("ROLLBACK TO c")
                }
            }
        }
    }

    // MARK: Pages that split and merge

    /// Long keys, few to a page, those of all sessions side by side.
    static func crowdKey(_ number: Int, _ session: SimulatedSession) -> String {
        let digits = String(number * 16 + session.number)
        let zeros = String(repeating: "0", count: 6 - digits.utf8.count)
        return zeros + digits + String(repeating: "x", count: 200 + number * 37 % 400)
    }

    static func crowd(_ session: SimulatedSession) throws(EngineError) {
        let first = session.random.next(below: 200)
        let last = first + session.random.next(below: 12)
        let list = session.model.crowd.list.filter { $0.key >= first && $0.key <= last }
        switch session.random.next(below: 5) {
        case 0, 1:
            let free = (first...last).filter { number in !list.contains { $0.key == number } }
            if free.isEmpty { return }
            let value = session.random.next(below: 1000)
            var rows = ""
            for number in free {
                rows +=
                    (rows.utf8.isEmpty ? "" : ", ") + "('\(crowdKey(number, session))', \(session.number), \(value))"
            }
            try session.run("INSERT INTO crowd VALUES \(rows)")
            for number in free { session.model.crowd.set(number, value) }
        case 2:
            let sql =
                "DELETE FROM crowd WHERE s = \(session.number) AND k BETWEEN '\(crowdKey(first, session))' "
                + "AND '\(crowdKey(last, session))'"
            try session.run(sql)
            session.model.crowd.removeAll { number, _ in number >= first && number <= last }
        case 3:
            try session.expect(
                "UPDATE crowd SET n = n + 1 WHERE k = '\(crowdKey(first, session))' RETURNING n",
                session.model.crowd.row(first).map { ["\($0 + 1)"] } ?? [])
            if let value = session.model.crowd.row(first) { session.model.crowd.set(first, value + 1) }
        default:
            try session.expect(
                "SELECT left(k, 6)::int, n FROM crowd WHERE s = \(session.number) AND k BETWEEN "
                    + "'\(crowdKey(first, session))' AND '\(crowdKey(last, session))' ORDER BY k",
                list.map { "\($0.key * 16 + session.number)|\($0.row)" })
        }
    }

    // MARK: Statements that do not come to their end

    /// Cancels what another session is at.
    static func cancelOther(_ session: SimulatedSession) throws(EngineError) {
        let others = session.world.sessions
        if !others.isEmpty { others[session.random.next(below: others.count)].cancel() }
    }

    /// Changes with little time to wait or to run. What has run out of time leaves nothing, and the transaction goes on.
    static func hurry(_ session: SimulatedSession) throws(EngineError) {
        let setting = ["statement_timeout", "lock_timeout"][session.random.next(below: 2)]
        let before = session.model
        try session.run("SAVEPOINT h")
        session.isHurried = true
        defer { session.isHurried = false }
        do throws(EngineError) {
            try session.run("SET LOCAL \(setting) = \(1 + session.random.next(below: 3))")
            switch session.random.next(below: 4) {
            case 0: try transfer(session)
            case 1: try claim(session)
            case 2: try crowd(session)
            default: try changeInBulk(session)
            }
            try session.run("SET LOCAL \(setting) = 0")
        } catch {
            guard error.state == .queryCanceled || error.state == .lockNotAvailable, session.isExpected(error) else {
                throw error
            }
            try session.run("ROLLBACK TO h")
            session.model = before
        }
    }
}
