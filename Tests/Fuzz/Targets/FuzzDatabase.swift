// A database on a machine for a fuzzer: its tables, sessions that ask it, and somebody who loses patience with them.

import Fibers
import Platform
import PostgresWire
import Runtime
import SharedSuite
import Telemetry

enum FuzzDatabase {
    static var options: EngineOptions {
        var options = EngineOptions()
        options.memoryByteCount = EngineOptions.minimumMemory
        options.logByteCount = 2 << 20
        options.sessionLimit = 4
        return options
    }

    /// What texts may refer to.
    static let schema = """
        CREATE TABLE t (k int PRIMARY KEY, s smallint NOT NULL, v bigint, u int UNIQUE, note text);
        CREATE TABLE n (a numeric(12, 3), b double precision, c boolean, d date, e timestamptz, f interval, g uuid);
        CREATE TABLE j (id int, body json, list int[], raw bytea, code char(3));
        CREATE INDEX t_s ON t (s, v);
        CREATE VIEW w AS SELECT t.k, count(*) AS c FROM t GROUP BY t.k;
        CREATE SEQUENCE q;
        INSERT INTO t SELECT i, i % 7, i * 1000, i * 3, repeat('x', i) FROM generate_series(1, 100) i;
        INSERT INTO n VALUES (1.5, 2.5, true, '2024-02-29', '2024-02-29 12:00+00', '1 day', NULL),
            (NULL, 'NaN', NULL, 'infinity', NULL, NULL, NULL);
        INSERT INTO j VALUES (1, '{"a": [1, null, "x"]}', '{1,2,NULL}', '\\x00ff', 'abc')
        """
}

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

    /// As if the power had gone: it never ends.
    func abandon() { _ = Unmanaged.passRetained(session) }
}

/// Interrupts what takes too long, as a client's cancel request does: nobody shall wait for generate_series(1, 1e9).
final class Watchdog {
    private let patience = Nanoseconds.microseconds(500)
    private var watched: (fiber: FiberRef, end: Nanoseconds)?

    init(_ scheduler: Scheduler) throws(EngineError) {
        nonisolated(unsafe) let this = self
        try scheduler.spawn(on: 0, .commit, "watchdog") { this.watch() }
    }

    /// Calls `body`, which may be interrupted from some time on, again and again.
    func guarding<E: Error>(_ body: () throws(E) -> Void) throws(E) {
        watched = (Fiber.current, Fiber.now() + patience)
        defer {
            watched = nil
            Fiber.clearInterrupt()
        }
        try body()
    }

    private func watch() {
        while true {
            Fiber.sleep(.microseconds(50))
            if let watched, watched.end < Fiber.now() { Fiber.interrupt(watched.fiber) }
        }
    }
}

/// A database that stays up from input to input, and starts over when one has changed it.
final class RunningDatabase {
    private let disk = FuzzDisk()
    private var machine: FuzzMachine
    private var parts: Parts?

    struct Parts {
        let engine: Engine
        let server: Server
        let watchdog: Watchdog
        /// The counter after the start.
        let commitCount: UInt64
    }

    /// Inputs since the start. What they leave behind, such as undo memory that nobody needs yet, must not grow without end.
    private var inputCount = 0
    private static let inputLimit = 1000

    init() {
        machine = FuzzMachine(disk)
        let outcome = machine.run { () throws(EngineError) in
            let engine = try Engine.open(FuzzDatabase.options)
            let asker = try Asker(engine)
            try asker.ask(FuzzDatabase.schema)
            asker.end()
            try engine.close()
        }
        precondition(outcome.finding == nil, "there is no database: \(outcome)")
        machine.scrap()
        disk.save()
        let finding = start()
        precondition(finding == nil, "the database does not start: \(finding ?? "")")
    }

    /// Runs `body` in a fiber. Returns what it returns, or what is wrong afterwards.
    func run(_ body: @escaping (Parts, FuzzPlatform) -> String?) -> String? {
        var finding: String?
        let outcome = machine.run { [self] () throws(EngineError) in
            guard let parts else { return }
            finding = body(parts, machine.platform) ?? Self.leaks(parts.engine)
        }
        inputCount += 1
        return finding ?? outcome.finding ?? (hasChanged || inputCount == Self.inputLimit ? restart() : nil)
    }

    private var hasChanged: Bool {
        guard let parts else { return true }
        return parts.engine.scheduler.counters.total(.commits) != parts.commitCount
    }

    private func restart() -> String? {
        let outcome = machine.run { [self] () throws(EngineError) in try parts?.engine.close() }
        if let finding = outcome.finding { return finding }
        parts = nil
        inputCount = 0
        machine.scrap()
        disk.restore()
        return start()
    }

    private func start() -> String? {
        machine = FuzzMachine(disk)
        return machine.run { [self] () throws(EngineError) in
            let engine = try Engine.open(FuzzDatabase.options)
            parts = Parts(
                engine: engine, server: Server(engine: engine, sessionLimit: 4),
                watchdog: try Watchdog(engine.scheduler),
                commitCount: engine.scheduler.counters.total(.commits))
        }.finding
    }

    /// What nobody uses and nobody has given back, some time after the last session.
    private static func leaks(_ engine: Engine) -> String? {
        for _ in 0..<20 {
            if engine.leaks().isEmpty { return nil }
            Fiber.sleep(.milliseconds(50))
        }
        return "leaks: \(engine.leaks().joined(separator: ", "))"
    }
}
