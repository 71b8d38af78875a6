// In-process benchmarks of the engine's layers against peers, on one machine in one run. Medians of several rounds;
// `make bench` builds and runs it.

import ArgumentParser

struct Benchmarks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dbkernel-bench", abstract: "Benchmarks of the engine's layers.", subcommands: [TreeBenchmark.self]
    )
}

Benchmarks.main()
