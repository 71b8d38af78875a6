// The shared suite on Linux: every case on one core and on two, each with a disk of its own.

import HostPlatform
import Platform
import SharedSuite
import Testing

struct HostRun: Sendable, CustomTestStringConvertible {
    let suiteCase: SuiteCase
    let cores: Int
    var fallback = false
    var testDescription: String { "\(suiteCase.name), \(cores) cores\(fallback ? ", without io_uring" : "")" }

    /// The fallback runs what depends on the platform most.
    static let all = allCases().flatMap { suiteCase in
        [1, 2].map { HostRun(suiteCase: suiteCase, cores: $0) }
            + (suiteCase.matches(Array("platform".utf8)) || suiteCase.matches(Array("fibers".utf8))
                ? [HostRun(suiteCase: suiteCase, cores: 2, fallback: true)] : [])
    }
}

@Suite(.serialized)
struct SharedSuiteOnHost {
    @Test(arguments: HostRun.all)
    func shared(_ run: HostRun) throws {
        try withScratchDisk { path in
            let platform = try HostPlatform(
                options: .init(
                    diskPath: path, diskByteCount: 256 << 20, createIfMissing: true, cores: run.cores,
                    forceFallback: run.fallback))
            switch run.suiteCase.run(on: platform) {
            case .passed: break
            case .cannotRun(let reason): Issue.record("Linux can run every case, but: \(reason)")
            case .failed(let failures): for failure in failures { Issue.record("\(failure)") }
            }
        }
    }
}
