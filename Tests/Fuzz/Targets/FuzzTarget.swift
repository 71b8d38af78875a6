// What can be fuzzed. scripts/fuzz feeds these with libFuzzer, the tests with the corpus that is kept beside.

package enum FuzzTarget: String, CaseIterable, Sendable {
    case sql, wire, packets, log, pages, superblocks

    package func makeFuzzer() -> any Fuzzer {
        switch self {
        case .sql: SQLFuzzer()
        case .wire: WireFuzzer()
        case .packets: PacketFuzzer()
        case .log: DiskFuzzer(.log)
        case .pages: DiskFuzzer(.pages)
        case .superblocks: DiskFuzzer(.superblocks)
        }
    }
}

/// Takes inputs one after the other; what it makes of one depends on its bytes alone.
package protocol Fuzzer: AnyObject {
    /// Returns what is wrong with the engine if this input shows it; a trap does so as well.
    func take(_ input: UnsafeRawBufferPointer) -> String?
}
