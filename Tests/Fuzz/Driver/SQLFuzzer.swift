// Target `sql`: the bytes are what a client asks, in a transaction that is rolled back.

import CFuzzer
import Fibers
import Glibc
import Platform
import Runtime

enum SQLFuzzer {
    nonisolated(unsafe) private static var engine: Engine?
    nonisolated(unsafe) private static var watchdog: Watchdog?
    nonisolated(unsafe) private static var count = 0

    static func run(_ count: Int32, _ arguments: UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Never {
        let failure = onMachine(FuzzPlatform()) { () throws(EngineError) in
            try start()
            exit(fuzz_run(count, arguments) { SQLFuzzer.take(UnsafeRawBufferPointer(start: $0, count: $1)) })
        }
        print("the database did not start: \(failure.map { "\($0)" } ?? "")")
        exit(2)
    }

    /// A database with tables, for this target and `wire`.
    @discardableResult
    static func start() throws(EngineError) -> (Engine, Watchdog) {
        let engine = try Engine.open(fuzzOptions)
        let watchdog = try Watchdog(engine.scheduler)
        Self.engine = engine
        Self.watchdog = watchdog
        try restoreTables()
        return (engine, watchdog)
    }

    /// A text may have committed and dropped what the next ones refer to.
    static func restoreTables() throws(EngineError) {
        guard let engine else { return }
        let asker = try Asker(engine)
        try asker.ask(schema)
        try asker.ask(rows)
        asker.end()
    }

    private static func take(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        guard let engine, let watchdog else { return -1 }
        count += 1
        do throws(EngineError) {
            if count % 256 == 0 { do throws(EngineError) { try restoreTables() } catch {} }
            let asker = try Asker(engine)
            defer { asker.end() }
            try asker.ask("BEGIN")
            watchdog.start = Fiber.now()
            defer { watchdog.start = nil }
            try asker.ask(bytes)
        } catch {
            judge(error)
        }
        return 0
    }
}
