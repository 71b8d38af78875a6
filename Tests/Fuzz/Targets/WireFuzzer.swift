// Target `wire`: the bytes are what a client sends, all of it or, if the first is odd, what follows a start-up that succeeds.

import Platform
import PostgresWire

final class WireFuzzer: Fuzzer {
    private let database = RunningDatabase()

    /// Protocol 3.0, user postgres.
    private static let startUp: [UInt8] =
        [0, 0, 0, 23, 0, 3, 0, 0] + Array("user".utf8) + [0] + Array("postgres".utf8) + [0, 0]

    func take(_ input: UnsafeRawBufferPointer) -> String? {
        guard let first = input.first else { return nil }
        return database.run { parts, platform in
            let stream = platform.connect((first % 2 == 1 ? Self.startUp : []) + input.dropFirst())
            parts.watchdog.guarding { Connection(stream, server: parts.server).run() }
            return Self.brokenStates.first { Self.contains(platform.output, $0) }.map {
                "the server says \(String(decoding: $0.dropLast(), as: UTF8.self))"
            }
        }
    }

    /// As fields of an ErrorResponse. Nothing that a client says may make the engine say that it is broken.
    private static let brokenStates = ["CXX000", "CXX001", "CXX002"].map { Array($0.utf8) + [0] }

    private static func contains(_ text: [UInt8], _ word: [UInt8]) -> Bool {
        text.indices.contains { text[$0] == word[0] && text[$0...].starts(with: word) }
    }
}
