// The database itself, as `dbkernel-sim serve` is on Linux.

import EngineCore
import MetalPlatform
import Platform
import Runtime

enum Serving {
    /// Returns the machine's exit status.
    static func run(_ platform: MetalPlatform) -> Int32 {
        var options = ServeOptions()
        options.engine.memoryByteCount = memory(platform)
        if options.engine.memoryByteCount < EngineOptions.minimumMemory {
            platform.log(
                "error: too little memory: the engine needs \(EngineOptions.minimumMemory >> 20) MiB and would have "
                    + "\(options.engine.memoryByteCount >> 20)")
            return 72
        }
        options.trustsNetwork = platform.commandLine.isSet("auth", to: "trust")
        options.engine.formatsForeignDevice = platform.commandLine.isSet("format", to: "yes")
        options.address = "0.0.0.0:5432"
        do throws(EngineError) {
            let restarts = try EngineCore(platform: platform, options: options).serve { address in
                platform.log("ready: \(address) after \(platform.now().rawValue / 1_000_000) ms")
            }
            return restarts ? rebootStatus : 0
        } catch {
            platform.log("error: \(error)")
            if !options.engine.formatsForeignDevice {
                platform.log("a disk that holds something else becomes a database with format=yes on the command line")
            }
            return 71
        }
    }

    /// `memory=` or three quarters of what is free: stacks, plans and page tables take the rest.
    private static func memory(_ platform: MetalPlatform) -> Int {
        if let asked = platform.commandLine.byteCount("memory") { return asked }
        return platform.memory.free / 4 * 3
    }
}
