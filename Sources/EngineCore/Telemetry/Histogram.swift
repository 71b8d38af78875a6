// Latency histogram with log-linear buckets: 16 per power of two, so any value is known within 1/16 (the layout of
// HdrHistogram, Tene). Recording is a shift, an index and an add.

import Platform
import Synchronization

package final class Histogram: @unchecked Sendable {
    /// Values below 16 have a bucket each; then 16 buckets per octave up to 2^64.
    package static let bucketCount = 16 + 60 * 16
    @usableFromInline let counts: UnsafeMutablePointer<Atomic<UInt64>>
    @usableFromInline let sumOfValues = Atomic<UInt64>(0)

    package init() {
        counts = .allocate(capacity: Self.bucketCount)
        for index in 0..<Self.bucketCount { (counts + index).initialize(to: Atomic(0)) }
    }

    deinit { counts.deallocate() }

    /// Adds a value, by one writer at a time (one histogram per core; `merge` sums them up).
    @inlinable @inline(__always) package func record(_ value: UInt64) {
        let cell = counts + Self.bucket(of: value)
        cell.pointee.store(cell.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        sumOfValues.store(sumOfValues.load(ordering: .relaxed) &+ value, ordering: .relaxed)
    }

    /// Adds everything `other` has. By the writer of `self`.
    package func merge(_ other: Histogram) {
        for index in 0..<Self.bucketCount {
            let more = other.counts[index].load(ordering: .relaxed)
            if more > 0 { counts[index].store(counts[index].load(ordering: .relaxed) &+ more, ordering: .relaxed) }
        }
        let sum = sumOfValues.load(ordering: .relaxed) &+ other.sumOfValues.load(ordering: .relaxed)
        sumOfValues.store(sum, ordering: .relaxed)
    }

    package var count: UInt64 {
        var total: UInt64 = 0
        for index in 0..<Self.bucketCount { total &+= counts[index].load(ordering: .relaxed) }
        return total
    }
    package var sum: UInt64 { sumOfValues.load(ordering: .relaxed) }

    package func countInBucket(_ index: Int) -> UInt64 { counts[index].load(ordering: .relaxed) }

    /// Upper bound of the bucket in which the value lies that `permille` thousandths do not exceed; 0 if empty.
    package func quantile(permille: UInt64) -> UInt64 {
        let total = count
        if total == 0 { return 0 }
        let rank = max(1, (total &* permille &+ 999) / 1000)
        var seen: UInt64 = 0
        for index in 0..<Self.bucketCount {
            seen &+= counts[index].load(ordering: .relaxed)
            if seen >= rank { return Self.upperBound(ofBucket: index) }
        }
        return .max
    }

    @inlinable @inline(__always) package static func bucket(of value: UInt64) -> Int {
        if value < 16 { return Int(value) }
        let octave = 63 - value.leadingZeroBitCount
        let fraction = Int(truncatingIfNeeded: value >> UInt64(octave - 4)) & 15
        return (octave - 3) * 16 + fraction
    }

    /// Largest value of the bucket.
    package static func upperBound(ofBucket index: Int) -> UInt64 {
        if index < 16 { return UInt64(index) }
        let octave = UInt64(index / 16 + 3)
        let start = UInt64(1) << octave + UInt64(index % 16) << (octave - 4)
        return start &+ (UInt64(1) << (octave - 4) &- 1)
    }
}
