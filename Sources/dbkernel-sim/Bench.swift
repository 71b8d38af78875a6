// `dbkernel-sim bench`: the engine beside itself and its peers, in one process on one core. Numbers for scripts/bench, which runs
// the peers under the same keys and the same loop (Tests/Benchmarks/peers.cc).

import ArgumentParser
import Fibers
import Glibc
import HostPlatform
import Platform
import Runtime

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures commits, key lookups and the layout of tree pages.",
        subcommands: [BenchCommit.self, BenchKeys.self, BenchLayout.self])
}

/// What the benchmarks with rows take.
struct BenchArguments: ParsableArguments {
    @Argument(help: "Folder for the disk file, which is removed at the end.")
    var folder: String

    @Argument(help: "Rows to load.")
    var rows: UInt64

    @Argument(help: "Lookups to time; a tenth more come before as a warm-up.")
    var operations: Int

    @Argument(help: "uniform, zipf (exponent 0.99), or both one after the other.")
    var distributions: [Distribution]

    enum Distribution: String, ExpressibleByArgument, CaseIterable { case uniform, zipf }

    func validate() throws {
        if rows < 100_000 || rows % 1000 != 0 {
            throw ValidationError("Give 100,000 rows or more, a multiple of 1,000.")
        }
        if operations < 1000 { throw ValidationError("Give at least 1,000 operations.") }
        if distributions.isEmpty { throw ValidationError("Give a distribution.") }
    }

    /// Runs `body` in an engine with memory for all rows.
    func withEngine(bytesPerRow: Int, _ body: @escaping (Engine) throws(EngineError) -> Void) throws {
        let bytes = Int(rows) * bytesPerRow
        try withBenchEngine(
            folder: folder, diskByteCount: (4 << 30) + 2 * bytes, memoryByteCount: (512 << 20) + 2 * bytes, body)
    }
}

/// Runs `body` in an engine with one worker on a new disk in `folder`, everything durable.
func withBenchEngine(
    folder: String, diskByteCount: Int, memoryByteCount: Int,
    _ body: @escaping (Engine) throws(EngineError) -> Void
) throws {
    let path = "\(folder)/dbkernel-bench-\(getpid()).disk"
    defer { unlink(path) }
    do throws(EngineError) {
        let platform = try HostPlatform(
            options: .init(
                diskPath: path, diskByteCount: UInt64(roundUp(diskByteCount, 1 << 20)), createIfMissing: true, cores: 1)
        )
        var options = EngineOptions()
        options.memoryByteCount = memoryByteCount
        let scheduler = Scheduler(platform: platform, stackByteCount: 1 << 20, maxFibersPerWorker: 128)
        var failure: EngineError?
        try scheduler.run {
            do throws(EngineError) {
                let engine = try Engine.open(options)
                try body(engine)
                try engine.close()
            } catch {
                failure = error
            }
            scheduler.stop()
        }
        if let failure { throw failure }
    } catch {
        throw Failure.report(error)
    }
}

/// SplitMix64: a bijection, so row i has a key of its own, in random order.
@inline(__always) func scramble(_ value: UInt64) -> UInt64 {
    var value = value &+ 0x9E37_79B9_7F4A_7C15
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
}

/// Row numbers, uniform or Zipf with exponent 0.99 (Gray et al., SIGMOD 1994), hot rows spread over the key space.
struct Chooser {
    private static let theta = 0.99
    private let rows: UInt64
    private let isZipf: Bool
    private var state: UInt64 = 42
    private var zeta = 0.0
    private var alpha = 0.0
    private var eta = 0.0

    init(_ rows: UInt64, _ distribution: BenchArguments.Distribution) {
        self.rows = rows
        isZipf = distribution == .zipf
        if !isZipf { return }
        for rank in 1...rows { zeta += 1 / pow(Double(rank), Self.theta) }
        alpha = 1 / (1 - Self.theta)
        let zeta2 = 1 + 1 / pow(2.0, Self.theta)
        eta = (1 - pow(2 / Double(rows), 1 - Self.theta)) / (1 - zeta2 / zeta)
    }

    mutating func next() -> UInt64 {
        let random = scramble(state)
        state += 1
        if !isZipf { return random % rows }
        let u = Double(random >> 11) * 0x1.0p-53
        let uz = u * zeta
        let rank: UInt64
        if uz < 1 {
            rank = 0
        } else if uz < 1 + pow(0.5, Self.theta) {
            rank = 1
        } else {
            rank = UInt64(Double(rows) * pow(eta * u - eta + 1, alpha))
        }
        return scramble(rank) % rows
    }
}

/// Nanoseconds. Loads are timed by the clock, as they wait for the device; lookups by the CPU time of their thread, which
/// others on the machine disturb less.
enum BenchClock {
    static var wall: UInt64 { read(CLOCK_MONOTONIC) }
    static var thread: UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    static func report(_ name: String, _ nanoseconds: UInt64, per count: Int) {
        let tenths = nanoseconds * 10 / UInt64(count)
        print("\(name) \(tenths / 10).\(tenths % 10)")
        fflush(nil)
    }
}
