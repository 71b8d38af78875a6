// `dbkernel-sim serve`: the database.

import ArgumentParser
import EngineCore
import Glibc
import HostPlatform
import Platform
import Runtime

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serves a disk to PostgreSQL clients.",
        discussion: """
            Creates the disk file if it is missing. Prints 'ready: ADDRESS' when it accepts connections; stops cleanly on \
            SIGINT and SIGTERM.
            """)

    @Option(help: "Disk file or block device.")
    var disk: String

    @Option(help: "Size of the disk file if it is created.")
    var diskSize = ByteCount(16 << 30)

    @Option(
        help: """
            Address to listen on; port 0 picks one. By default 127.0.0.1:5432, with a network of its own 0.0.0.0:5432.
            """)
    var listen: String?

    @Option(
        help: ArgumentHelp(
            "Use the engine's own network stack over a TAP device; without an address it asks DHCP.",
            valueName: "tap:NAME[,ip=ADDRESS/LENGTH[,gateway=ADDRESS]]"))
    var net: String?

    @Option(help: "Who may connect beyond loopback: 'trust' lets everyone in, as any user.")
    var auth: Authentication?

    @Option(help: "Directory for a Unix-domain socket besides, as psql looks for one where -h names a directory.")
    var socketDirectory: String?

    @Option(help: "Memory for everything: cache, log, undo, queries.")
    var memory = ByteCount(1 << 30)

    @Option(help: "Cores to use; all by default.")
    var cores: Int = 0

    @Option(help: "Size of the log zone when a disk is formatted; by default an eighth of it, at most 2G.")
    var logSize: ByteCount?

    @Flag(help: "Use threads and epoll instead of io_uring.")
    var fallback = false

    func validate() throws {
        if net != nil && socketDirectory != nil {
            throw ValidationError("With --net there are no sockets of Linux: leave out --socket-directory.")
        }
    }

    func run() throws {
        do throws(EngineError) {
            var host = HostPlatform.Options(
                diskPath: disk, diskByteCount: UInt64(diskSize.value), createIfMissing: true, cores: cores,
                forceFallback: fallback, takesSignals: true, takesConsole: true)
            if let net {
                guard let tap = TapOptions(net) else {
                    throw EngineError(
                        .invalidParameterValue, "invalid network \"\(net)\"",
                        hint: "Write tap:NAME,ip=A.B.C.D/LENGTH,gateway=A.B.C.D.")
                }
                host.tap = tap
            }
            var options = ServeOptions()
            options.address = listen ?? (net == nil ? "127.0.0.1:5432" : "0.0.0.0:5432")
            options.socketDirectory = socketDirectory
            options.trustsNetwork = auth == .trust
            let platform = try HostPlatform(options: host)
            options.engine.memoryByteCount = memory.value
            options.engine.logByteCount = logSize.map { UInt64($0.value) }
            try EngineCore(platform: platform, options: options).serve {
                print("ready: \($0)")
                fflush(nil)
            }
        } catch {
            throw Failure.report(error)
        }
    }
}

enum Authentication: String, ExpressibleByArgument, CaseIterable {
    case trust
}

/// Errors of the engine on the command line: PostgreSQL's words, and an exit status.
enum Failure {
    static func report(_ error: EngineError) -> ExitCode {
        var text = "error: \(error.message)\n"
        if let detail = error.detail { text += "detail: \(detail)\n" }
        if let hint = error.hint { text += "hint: \(hint)\n" }
        text += "state: \(String(decoding: error.state.bytes, as: UTF8.self))\n"
        text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
        return ExitCode(1)
    }
}

/// A size as people write it: 512M, 16G, 4096.
struct ByteCount: ExpressibleByArgument {
    let value: Int

    init(_ value: Int) { self.value = value }

    init?(argument: String) {
        var digits = argument.lowercased()
        if digits.hasSuffix("b") { digits.removeLast() }
        if digits.hasSuffix("i") { digits.removeLast() }
        var shift = 0
        for (suffix, bits) in [("k", 10), ("m", 20), ("g", 30), ("t", 40)] where digits.hasSuffix(suffix) {
            digits.removeLast()
            shift = bits
        }
        guard let number = Int(digits), number > 0, number <= Int.max >> shift else { return nil }
        value = number << shift
    }

    var defaultValueDescription: String {
        for (suffix, bits) in [("G", 30), ("M", 20), ("K", 10)] where value % (1 << bits) == 0 {
            return "\(value >> bits)\(suffix)"
        }
        return "\(value)"
    }
}
