// What sessions do outside of transaction blocks: upkeep, databases, and reading for a long time.

import Fibers
import Platform
import SharedSuite
import SimulatedPlatform

struct WorkErrand {
    let run: (SimulatedSession) throws(EngineError) -> Void

    nonisolated(unsafe) private static let all: [WorkErrand] = [
        WorkErrand { (session) throws(EngineError) in try session.run("CHECKPOINT") },
        WorkErrand { (session) throws(EngineError) in try session.run("VACUUM kv") },
        WorkErrand { (session) throws(EngineError) in try session.run("ANALYZE account") },
        WorkErrand(run: vacuumTable),
        WorkErrand(run: tendTenant),
        WorkErrand(run: tendTenant),
        WorkErrand(run: readLong),
        WorkErrand(run: readLong),
    ]

    static func drawn(_ random: inout SimulationRandom) -> WorkErrand { all[random.next(below: all.count)] }

    private static func vacuumTable(_ session: SimulatedSession) throws(EngineError) {
        if session.model.table != nil { try session.run("VACUUM own\(session.number)") }
    }

    /// Makes, fills, reads or drops a database of the session's own.
    private static func tendTenant(_ session: SimulatedSession) throws(EngineError) {
        guard let count = session.model.tenantRowCount else {
            return try session.commit({ $0.tenantRowCount = 0 }) { () throws(EngineError) in
                try session.run("CREATE DATABASE \(session.tenant)")
            }
        }
        if session.random.next(below: 4) == 0 {
            return try session.commit({ $0.tenantRowCount = nil }) { () throws(EngineError) in
                try session.run("DROP DATABASE \(session.tenant)")
            }
        }
        let added = 1 + session.random.next(below: 50)
        try session.inTenant { (ask) throws(EngineError) in
            _ = try ask("CREATE TABLE IF NOT EXISTS t (a int PRIMARY KEY, b text)")
            let found = session.number(of: try ask("SELECT count(*) FROM t WHERE b = 'tenant ' || a"))
            if found != count { session.fail("own database: \(found) rows, not \(count)") }
            try session.commit({ $0.tenantRowCount = count + added }) { () throws(EngineError) in
                _ = try ask(
                    "INSERT INTO t SELECT i, 'tenant ' || i FROM generate_series(\(count + 1), \(count + added)) i")
            }
        }
    }

    /// One snapshot, looked at again and again while the others go on: nothing of it changes, whatever they delete, drop or purge.
    private static func readLong(_ session: SimulatedSession) throws(EngineError) {
        try session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        let queries = [
            "SELECT k, s, v, u, length(note) FROM kv ORDER BY k",
            "SELECT k, v FROM kv WHERE v >= 0 AND s = \(session.random.next(below: session.profile.sessionCount)) ORDER BY k",
            "SELECT k, cur, prev FROM reg ORDER BY k", "SELECT id, balance FROM account ORDER BY id",
        ]
        var first: [[Line]] = []
        for query in queries { first.append(try session.run(query)) }
        for _ in 0...session.random.next(below: 4) {
            Fiber.sleep(.microseconds(UInt64(session.random.next(below: 3000))))
            for (index, query) in queries.enumerated() {
                let again = try session.run(query)
                if !sameLines(again, first[index]) {
                    session.fail("a snapshot changed: \(differenceOfLines(again, first[index])) in: \(query)")
                }
            }
        }
        try session.run("COMMIT")
    }
}
