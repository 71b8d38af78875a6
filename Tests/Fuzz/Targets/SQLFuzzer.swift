// Target `sql`: the bytes are what a client asks, in a transaction that is rolled back unless they end it.

import Platform
import Runtime

final class SQLFuzzer: Fuzzer {
    private let database = RunningDatabase()

    func take(_ input: UnsafeRawBufferPointer) -> String? {
        database.run { parts, _ in
            do throws(EngineError) {
                let asker = try Asker(parts.engine)
                defer { asker.end() }
                try asker.ask("BEGIN")
                try parts.watchdog.guarding { () throws(EngineError) in try asker.ask(input) }
            } catch {
                return Self.judge(error)
            }
            return nil
        }
    }

    /// Nothing that a client says may make the engine say that it is broken.
    private static func judge(_ error: EngineError) -> String? {
        let isBroken = error.severity == .panic || brokenStates.contains { $0 == error.state }
        return isBroken ? "\(error)" : nil
    }

    private static let brokenStates: [SQLState] = [.internalError, .dataCorrupted, .indexCorrupted]
}
