// `dbkernel-sim selftest [NAME]`: the shared suite, on this machine, with this build.

import ArgumentParser
import Glibc
import HostPlatform
import Platform
import SharedSuite

struct SelfTest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selftest", abstract: "Runs the engine's own tests on a scratch disk.",
        discussion: """
            The closing line is 'N passed, N failed', with the failed ones once more before it; the exit status is 1 if any failed.
            """)

    @Argument(help: "Run only the cases whose name contains this.")
    var name: String = ""

    @Option(help: "Number of cores to use (default: each case on one core and on two).")
    var cores: Int?

    @Option(help: "Directory for the scratch disk.")
    var directory: String = "/tmp"

    @Option(help: "Use this file or block device and destroy what it holds.")
    var disk: String?

    @Flag(help: "Use threads and epoll instead of io_uring.")
    var fallback = false

    func run() throws {
        var passed = 0
        var failed: [String] = []
        let path = disk ?? "\(directory)/dbkernel-selftest-\(getpid()).disk"
        defer { if disk == nil { unlink(path) } }
        for suiteCase in allCases() where suiteCase.matches(Array(name.utf8)) {
            for cores in cores.map({ [$0] }) ?? [1, 2] {
                let platform = try HostPlatform(
                    options: .init(
                        diskPath: path, diskByteCount: 256 << 20, createIfMissing: true, cores: cores,
                        forceFallback: fallback))
                // A case that hangs is killed, with its name on the last line.
                let title = "\(suiteCase.name) [\(cores) cores]"
                print("\(title) ... ", terminator: "")
                fflush(nil)
                alarm(120)
                let verdict = suiteCase.run(on: platform)
                alarm(0)
                switch verdict {
                case .passed:
                    print("ok")
                    passed += 1
                case .cannotRun(let reason):
                    print("cannot run here: \(reason)")
                case .failed(let failures):
                    print("FAILED")
                    let lines = failures.map { "    \($0)" }.joined(separator: "\n")
                    print(lines)
                    failed.append("\(title)\n\(lines)")
                }
                fflush(nil)
                if disk == nil { unlink(path) }
            }
        }
        for failure in failed { print("FAILED: \(failure)") }
        print("\(passed) passed, \(failed.count) failed")
        if !failed.isEmpty { throw ExitCode(1) }
    }
}
