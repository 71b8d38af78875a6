// The shared suite on Linux: every case on one core and on two, each with a disk of its own.

import HostPlatform
import Platform
import SharedSuite
import Testing

struct HostRun: Sendable, CustomTestStringConvertible {
    let suiteCase: SuiteCase
    let cores: Int
    var testDescription: String { "\(suiteCase.name), \(cores) cores" }

    static let all = allCases().flatMap { suiteCase in [1, 2].map { HostRun(suiteCase: suiteCase, cores: $0) } }
}

@Suite(.serialized)
struct SharedSuiteOnHost {
    @Test(arguments: HostRun.all)
    func shared(_ run: HostRun) throws {
        try withScratchDisk { path in
            let platform = try HostPlatform(
                options: .init(diskPath: path, diskByteCount: 256 << 20, createIfMissing: true, cores: run.cores))
            for failure in run.suiteCase.run(on: platform) { Issue.record("\(failure)") }
        }
    }
}
