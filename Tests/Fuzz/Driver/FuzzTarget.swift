// What can be fuzzed, and what several targets share.

import CFuzzer
import Fibers
import Glibc
import Platform
import Runtime
import SharedSuite

enum FuzzTarget: CaseIterable {
    case sql, wire, packets, log, pages, superblocks

    init?(_ name: String) {
        guard let found = Self.allCases.first(where: { "\($0)" == name }) else { return nil }
        self = found
    }

    static var names: String { allCases.map { "\($0)" }.joined(separator: "|") }
}

/// Runs `main` in a fiber of a new engine's core until it returns.
func onMachine(_ platform: FuzzPlatform, _ main: @escaping () throws(EngineError) -> Void) -> EngineError? {
    // Time goes by at every yield: slices are as short as can be.
    let scheduler = Scheduler(
        platform: platform, stackByteCount: 4 << 20, maxFibersPerWorker: 128, sliceMicroseconds: 0)
    nonisolated(unsafe) var failure: EngineError?
    do throws(EngineError) {
        try scheduler.run {
            do throws(EngineError) { try main() } catch { failure = error }
            scheduler.stop()
        }
    } catch {
        failure = error
    }
    return failure
}

var fuzzOptions: EngineOptions {
    var options = EngineOptions()
    options.memoryByteCount = EngineOptions.minimumMemory
    options.logByteCount = 4 << 20
    options.sessionLimit = 4
    return options
}

/// What the texts may refer to.
let schema = """
    CREATE TABLE IF NOT EXISTS t (k int PRIMARY KEY, s smallint NOT NULL, v bigint, u int UNIQUE, note text);
    CREATE TABLE IF NOT EXISTS n (a numeric(12, 3), b double precision, c boolean, d date, e timestamptz, f interval, g uuid);
    CREATE TABLE IF NOT EXISTS j (id int REFERENCES t, body jsonb, list int[], raw bytea, code char(3));
    CREATE INDEX IF NOT EXISTS t_s ON t (s, v);
    CREATE OR REPLACE VIEW w AS SELECT t.k, count(*) AS c FROM t GROUP BY t.k;
    CREATE SEQUENCE IF NOT EXISTS q
    """

let rows = """
    INSERT INTO t SELECT i, i % 7, i * 1000, i * 3, repeat('x', i) FROM generate_series(1, 100) i ON CONFLICT DO NOTHING;
    INSERT INTO n VALUES (1.5, 2.5, true, '2024-02-29', '2024-02-29 12:00+00', '1 day', NULL), (NULL, 'NaN', NULL, 'infinity', NULL, NULL, NULL)
    """

/// A session that runs one text at a time and forgets what it answers.
struct Asker {
    private let session: Session
    private let port = LinePort()

    init(_ engine: Engine) throws(EngineError) {
        session = try engine.openSession(
            user: Array("postgres".utf8), database: Array("postgres".utf8), processID: 1, port: port, settings: [])
    }

    func ask(_ sql: UnsafeRawBufferPointer) throws(EngineError) {
        port.lines.removeAll()
        do throws(EngineError) {
            try session.simpleQuery(sql)
        } catch {
            session.failTransaction()
            throw error
        }
    }

    func ask(_ sql: String) throws(EngineError) {
        let text = Array(sql.utf8)
        try text.withBytes { (bytes) throws(EngineError) in try ask(bytes) }
    }

    func end() { session.end() }
}

/// Ends what takes too long, as a client's cancel request does: nobody shall wait for generate_series(1, 1e9).
final class Watchdog {
    private let fiber: FiberRef
    private let patience = Nanoseconds.milliseconds(200)
    var start: Nanoseconds?

    /// By the fiber that it watches.
    init(_ scheduler: Scheduler) throws(EngineError) {
        fiber = Fiber.current
        nonisolated(unsafe) let this = self
        try scheduler.spawn(on: 0, .commit, "watchdog") { this.watch() }
    }

    private func watch() {
        while true {
            Fiber.sleep(.milliseconds(20))
            if let start, start + patience < Fiber.now() { Fiber.interrupt(fiber) }
        }
    }
}

/// Nothing a client says may make the engine say that it is broken.
func judge(_ error: EngineError) {
    let states: [SQLState] = [.internalError, .dataCorrupted, .indexCorrupted]
    precondition(!states.contains { $0 == error.state } && error.severity != .panic, "\(error)")
}
