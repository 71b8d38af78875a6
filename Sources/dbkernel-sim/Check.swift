// `dbkernel-sim check`: is everything on this disk as it should be?

import ArgumentParser
import EngineCore
import Glibc
import HostPlatform
import Platform
import Runtime

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Checks a disk that no server is using.",
        discussion: """
            Reads the superblock copies, the log, every page, every tree, and holds every index against its table. A disk \
            that was not stopped cleanly is recovered first. The exit status is 1 if anything is wrong.
            """)

    @Option(help: "Disk file or block device.")
    var disk: String

    @Option(help: "Memory to use.")
    var memory = ByteCount(256 << 20)

    func run() throws {
        do throws(EngineError) {
            let platform = try HostPlatform(options: .init(diskPath: disk))
            var options = ServeOptions()
            options.engine.memoryByteCount = memory.value
            options.engine.formatsEmptyDevice = false
            let problems = try EngineCore(platform: platform, options: options).check {
                print($0)
                fflush(nil)
            }
            if problems > 0 { throw EngineError(.dataCorrupted, "\(problems) problems were found") }
        } catch {
            throw Failure.report(error)
        }
    }
}
