// Target `wire`: the bytes are what a client sends, all of it or, if the first is odd, what follows a start-up that succeeds.

import CFuzzer
import Fibers
import Glibc
import Platform
import PostgresWire
import Runtime

enum WireFuzzer {
    nonisolated(unsafe) private static var platform = FuzzPlatform()
    nonisolated(unsafe) private static var server: Server?
    nonisolated(unsafe) private static var watchdog: Watchdog?
    nonisolated(unsafe) private static var count = 0

    /// Protocol 3.0, user postgres.
    private static let startUp: [UInt8] =
        [0, 0, 0, 23, 0, 3, 0, 0] + Array("user".utf8) + [0] + Array("postgres".utf8) + [0, 0]

    static func run(_ count: Int32, _ arguments: UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Never {
        let failure = onMachine(platform) { () throws(EngineError) in
            let (engine, dog) = try SQLFuzzer.start()
            server = Server(engine: engine, sessionLimit: 4)
            watchdog = dog
            exit(fuzz_run(count, arguments) { WireFuzzer.take(UnsafeRawBufferPointer(start: $0, count: $1)) })
        }
        print("the database did not start: \(failure.map { "\($0)" } ?? "")")
        exit(2)
    }

    private static func take(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        guard let server, let watchdog, let first = bytes.first else { return -1 }
        count += 1
        if count % 256 == 0 { do throws(EngineError) { try SQLFuzzer.restoreTables() } catch {} }
        let stream = platform.connect((first % 2 == 1 ? startUp : []) + bytes.dropFirst())
        watchdog.start = Fiber.now()
        PostgresWire.Connection(stream, server: server).run()
        watchdog.start = nil
        for state in ["XX000", "XX001", "XX002"] {
            precondition(!contains(Array("C\(state)".utf8) + [0]), "the server says \(state)")
        }
        return 0
    }

    private static func contains(_ word: [UInt8]) -> Bool {
        let output = platform.output
        if output.count < word.count { return false }
        for start in 0...output.count - word.count
        where output[start] == word[0] && output[start..<start + word.count].elementsEqual(word) { return true }
        return false
    }
}
