// `dbkernel-sim simulate`: the engine in a simulated machine that loses its power, by seed.

import ArgumentParser
import CLinux
import Glibc
import Platform
import Simulation

struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Runs the engine in a simulated machine with faults, by seed.",
        discussion: """
            One seed is one history, the same on every machine. --seed replays one; --seeds A..B runs many, each in a process \
            of its own, and stops at the first that fails. The exit status is 1 if one has failed.
            """)

    @Option(help: "Replay this seed.")
    var seed: UInt64?

    @Option(help: "Run the seeds from A to B: A..B.")
    var seeds: SeedRange?

    @Option(help: "Only this profile, instead of one that the seed draws.")
    var profile: String?

    @Option(help: "With --seed: show everything that is done to this page.")
    var page: Int?

    @Option(help: "Stop after this many seconds.")
    var seconds: Int?

    @Flag(help: .hidden)
    var replica = false

    #if MUTATIONS
        @Option(help: .hidden)
        var mutation: Mutation?

        @Flag(help: .hidden)
        var listMutations = false
    #endif

    func validate() throws {
        #if MUTATIONS
            if listMutations { return }
        #endif
        if (seed == nil) == (seeds == nil) { throw ValidationError("Give either --seed N or --seeds A..B.") }
    }

    func run() throws {
        #if MUTATIONS
            if listMutations { return Mutation.allCases.forEach { print($0) } }
            Mutation.active = mutation
        #endif
        if let seed {
            if replica { try replay(seed) } else { throw ExitCode(try runProcess(seed, quietly: false)) }
        } else if let seeds {
            try sweep(seeds)
        }
    }

    private func sweep(_ seeds: SeedRange) throws {
        let start = dbk_monotonic()
        var done: UInt64 = 0
        for seed in seeds.first...seeds.last {
            if try runProcess(seed, quietly: true) != 0 {
                print("seed \(seed) fails after \(done) that passed; replay it: simulate --seed \(seed)")
                _ = try runProcess(seed, quietly: false)
                throw ExitCode(1)
            }
            done += 1
            let elapsed = (dbk_monotonic() - start) / 1_000_000_000
            if done % 20 == 0 {
                print("\(done) seeds passed in \(elapsed) s")
                fflush(nil)
            }
            if let seconds, elapsed >= UInt64(seconds) { break }
        }
        print("\(done) seeds passed: \(seeds.first)..\(seeds.first + done - 1)")
    }

    /// Runs a seed in a process of its own, which has the same addresses and hashes each time. Its exit status.
    private func runProcess(_ seed: UInt64, quietly: Bool) throws -> Int32 {
        var arguments = ["dbkernel-sim", "simulate", "--seed", "\(seed)", "--replica"]
        if let page { arguments += ["--page", "\(page)"] }
        if let profile { arguments += ["--profile", profile] }
        #if MUTATIONS
            if let mutation { arguments += ["--mutation", "\(mutation)"] }
        #endif
        let status = dbk_run_alike(
            arguments.map { $0.withCString { UnsafePointer(strdup($0)) } } + [nil], quietly ? 1 : 0)
        if status < 0 {
            throw ValidationError("could not start a process: \(String(cString: dbk_error_text(-status)))")
        }
        return status
    }

    private func replay(_ seed: UInt64) throws {
        do throws(EngineError) {
            let report = try History(seed: seed, profile: profile, watching: page).run()
            print(
                "seed \(seed), profile \(report.profile): \(report.roundCount) rounds, \(report.commitCount) commits, "
                    + "\(report.abortCount) rollbacks, \(report.statementCount) statements, \(report.writeCount) writes, "
                    + "\(report.droppedCount) dropped, \(report.tornCount) torn, \(report.failedCount) failed, \(report.metCount) damaged, "
                    + "\(report.refusedCount) refused, "
                    + (report.frameCount == 0
                        ? "" : "\(report.harmedFrameCount) of \(report.frameCount) frames harmed, ")
                    + "\(report.time / 1_000_000) ms, digest "
                    + hexadecimal(report.digest))
            if page != nil { show("watched", report.watched) }
            guard let failure = report.failure else { return }
            print("FAILED: \(failure)")
            show("last statements", report.statements)
            show("last requests to the disk", report.requests)
            show("last records of the log", report.records)
            show("console", report.console.map { String($0.dropLast()) })
        } catch {
            throw Failure.report(error)
        }
        throw ExitCode(1)
    }

    private func show(_ title: String, _ lines: [String]) {
        print("\(title):")
        for line in lines { print("    \(line)") }
    }

    private func hexadecimal(_ value: UInt64) -> String { String(value, radix: 16) }
}

/// `A..B`, both included.
struct SeedRange: ExpressibleByArgument {
    let first: UInt64
    let last: UInt64

    init?(argument: String) {
        let bytes = Array(argument.utf8)
        guard let dot = bytes.firstIndex(of: UInt8(ascii: ".")), bytes.count > dot + 2,
            let first = UInt64(String(decoding: bytes[..<dot], as: UTF8.self)), bytes[dot + 1] == UInt8(ascii: "."),
            let last = UInt64(String(decoding: bytes[(dot + 2)...], as: UTF8.self)), first <= last
        else { return nil }
        self.first = first
        self.last = last
    }
}

#if MUTATIONS
    extension Mutation: ExpressibleByArgument {
        public init?(argument: String) {
            guard let found = Mutation.allCases.first(where: { "\($0)" == argument }) else { return nil }
            self = found
        }
    }
#endif
