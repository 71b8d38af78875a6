// Time of the thread's own CPU, so that others on the machine disturb less, and a generator that costs next to nothing.

import Foundation

struct Measure {
    var nanoseconds: Double
}

struct Stopwatch {
    private let start = Self.now()

    private static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    /// Per operation since the start.
    func measure(_ operations: Int) -> Measure {
        Measure(nanoseconds: Double(Self.now() - start) / Double(operations))
    }
}

/// Prints the median and the spread.
func report(_ name: String, _ results: [Measure]) {
    let sorted = results.sorted { $0.nanoseconds < $1.nanoseconds }
    let median = sorted[sorted.count / 2]
    print(
        name.padding(toLength: 48, withPad: " ", startingAt: 0),
        String(
            format: "%8.1f ns  %7.2f M/s   (%.1f ... %.1f ns)", median.nanoseconds, 1e3 / median.nanoseconds,
            sorted[0].nanoseconds, sorted[sorted.count - 1].nanoseconds))
}

/// xorshift64* (Vigna 2016).
struct Random {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }
    @inline(__always) mutating func next(below bound: UInt64) -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return (state &* 0x2545_f491_4f6c_dd1d).multipliedFullWidth(by: bound).high
    }
}
