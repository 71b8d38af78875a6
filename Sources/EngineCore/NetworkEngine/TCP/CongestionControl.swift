// How much may be in the network: NewReno (RFC 5681, 6582) or CUBIC (RFC 9438), slow start ended early by a
// rising delay (HyStart: Ha and Rhee, 2011; the thresholds are RFC 9406's).
// Windows are bytes; CUBIC's curve is computed in segments, as in its RFC.

import Platform

package enum CongestionAlgorithm: UInt8, BitwiseCopyable, Sendable {
    case newReno
    case cubic
}

struct CongestionControl: BitwiseCopyable {
    var algorithm = CongestionAlgorithm.cubic
    private(set) var window = 0
    private(set) var threshold = Int.max
    private var segment = 1460

    // CUBIC (RFC 9438, section 4)
    private var windowMax = 0.0
    private var k = 0.0
    private var epoch = Nanoseconds.never
    private var estimate = 0.0
    private var priorWindow = 0.0
    private static let c = 0.4
    private static let beta = 0.7
    private static let alpha = 3 * (1 - beta) / (1 + beta)
    private var acknowledgedInReno = 0

    // HyStart; times in nanoseconds
    private var roundEnd: StreamPosition = 0
    private var lastRoundMinimum = UInt64.max
    private var thisRoundMinimum = UInt64.max
    private var sampleCount = 0

    /// The initial window of RFC 6928.
    mutating func start(segment: Int, algorithm: CongestionAlgorithm) {
        self.algorithm = algorithm
        self.segment = segment
        window = min(10 * segment, max(2 * segment, 14600))
    }

    mutating func setSegment(_ byteCount: Int) { segment = byteCount }

    var isInSlowStart: Bool { window < threshold }

    /// `byteCount` bytes were acknowledged outside fast recovery, while the window was the limit.
    mutating func acknowledged(_ byteCount: Int, now: Nanoseconds, roundTrip: UInt64) {
        if isInSlowStart {
            window += byteCount
            return
        }
        switch algorithm {
        case .newReno:
            acknowledgedInReno += byteCount
            if acknowledgedInReno >= window {
                acknowledgedInReno -= window
                window += segment
            }
        case .cubic: growCubic(byteCount, now, roundTrip)
        }
    }

    private mutating func growCubic(_ byteCount: Int, _ now: Nanoseconds, _ roundTrip: UInt64) {
        let current = Double(window) / Double(segment)
        let acknowledged = Double(byteCount) / Double(segment)
        if epoch == .never {
            epoch = now
            if windowMax < current {
                windowMax = current
                k = 0
            } else {
                k = cubeRoot((windowMax - current) / Self.c)
            }
            estimate = current
        }
        let elapsed = Double((now - epoch).rawValue) / 1e9
        estimate += (estimate >= priorWindow ? 1 : Self.alpha) * acknowledged / current
        let offset = elapsed - k
        var next = current
        if Self.c * offset * offset * offset + windowMax < estimate {
            next = max(current, estimate)
        } else {
            let ahead = offset + Double(roundTrip) / 1e9
            let target = min(max(Self.c * ahead * ahead * ahead + windowMax, current), 1.5 * current)
            next = current + (target - current) / current * acknowledged
        }
        window = Int(next * Double(segment))
    }

    /// Once per loss event: fast recovery begins.
    mutating func reduce(outstanding: Int) {
        reduceThreshold(outstanding)
        window = threshold
    }

    /// The retransmission timer has expired; `isFirst` for the first time with this data.
    mutating func timedOut(outstanding: Int, isFirst: Bool) {
        if isFirst { reduceThreshold(outstanding) }
        window = segment
    }

    private mutating func reduceThreshold(_ outstanding: Int) {
        switch algorithm {
        case .newReno: threshold = max(outstanding / 2, 2 * segment)
        case .cubic:
            let current = Double(window) / Double(segment)
            // Fast convergence (section 4.7).
            windowMax = current < windowMax ? current * (1 + Self.beta) / 2 : current
            priorWindow = current
            epoch = .never
            threshold = max(Int(Double(min(window, max(outstanding, segment))) * Self.beta), 2 * segment)
        }
        acknowledgedInReno = 0
    }

    /// During fast recovery: what may be in the network after this acknowledgement (RFC 6937).
    mutating func setRecoveryWindow(_ byteCount: Int) { window = max(byteCount, segment) }

    /// Fast recovery ends.
    mutating func recovered(outstanding: Int) {
        window = max(min(threshold, outstanding + 3 * segment), 2 * segment)
    }

    /// After a pause of more than a timeout, the window is no better known than at the start (RFC 5681, section 4.1).
    mutating func restart() {
        window = min(window, min(10 * segment, max(2 * segment, 14600)))
        epoch = .never
    }

    // MARK: HyStart

    /// A round-trip sample during slow start. `sent` and `acknowledged` bound the round. A queue that stands during a whole
    /// round tells that the path is full: slow start is over, before it overflows.
    mutating func roundTripSample(_ sample: UInt64, sent: StreamPosition, acknowledged: StreamPosition) {
        if !isInSlowStart { return }
        if acknowledged >= roundEnd {
            roundEnd = sent
            lastRoundMinimum = thisRoundMinimum
            thisRoundMinimum = UInt64.max
            sampleCount = 0
        }
        thisRoundMinimum = min(thisRoundMinimum, sample)
        sampleCount += 1
        if sampleCount < 8 || lastRoundMinimum == UInt64.max { return }
        let tolerance = min(max(lastRoundMinimum / 8, 4_000_000), 16_000_000)
        if thisRoundMinimum >= lastRoundMinimum + tolerance { threshold = window }
    }

    /// By Newton's method; there is no libm in Ring 0.
    private func cubeRoot(_ value: Double) -> Double {
        if value <= 0 { return 0 }
        var x = value > 1 ? value / 3 + 1 : 1
        for _ in 0..<40 { x = (2 * x + value / (x * x)) / 3 }
        return x
    }
}
