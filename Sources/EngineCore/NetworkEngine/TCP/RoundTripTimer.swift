// The retransmission timeout from round-trip samples (RFC 6298). Two departures that all large stacks share: no timeout below
// 200 ms instead of one second, since delayed acknowledgements take at most that; none above 60 s.

import Platform

struct RoundTripTimer: BitwiseCopyable {
    static let initial = Nanoseconds.seconds(1)
    static let least = Nanoseconds.milliseconds(200)
    static let most = Nanoseconds.seconds(60)

    /// Smoothed round-trip time and its variation; 0 before the first sample.
    private(set) var smoothed: UInt64 = 0
    private(set) var variation: UInt64 = 0
    private(set) var minimum = UInt64.max
    private(set) var backoff: UInt8 = 0

    mutating func sample(_ duration: Nanoseconds) {
        let value = max(duration.rawValue, 1000)
        minimum = min(minimum, value)
        if smoothed == 0 {
            smoothed = value
            variation = value / 2
        } else {
            let distance = smoothed > value ? smoothed - value : value - smoothed
            variation = (3 * variation + distance) / 4
            smoothed = (7 * smoothed + value) / 8
        }
    }

    mutating func backOff() { if backoff < 12 { backoff += 1 } }
    mutating func forgetBackoff() { backoff = 0 }

    var timeout: Nanoseconds {
        let base =
            smoothed == 0
            ? Self.initial.rawValue : max(smoothed + max(4 * variation, 1_000_000), Self.least.rawValue)
        return Nanoseconds(min(base << UInt64(backoff), Self.most.rawValue))
    }
}
