// The Linux executable.

import ArgumentParser

struct Simulator: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dbkernel-sim", abstract: "DBKernel as a Linux process.",
        subcommands: [Serve.self, Check.self, SelfTest.self, Simulate.self, Measure.self, Bench.self, Bulk.self])
}

Simulator.main()
