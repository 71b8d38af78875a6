// What ANALYZE learns from a sample of one column: fractions, common values, a histogram.
//
// Distinct values are estimated from the sample by Haas and Stokes (IBM RJ 10025, 1998), the estimator PostgreSQL uses:
// n·d / (n − f₁ + f₁·n/N), where n rows were sampled of N, d values were seen, f₁ of them once.

import Platform
import SQL
import SQLTypes

/// The sampled values of one column, in order of arrival.
struct ColumnSample {
    let number: Int16
    let type: SQLType
    /// Memory-comparable keys and text forms, side by side; nulls are only counted.
    var keys: [[UInt8]] = []
    var texts: [[UInt8]] = []
    var nullCount = 0
    var byteCount = 0

    static let commonValueLimit = 100
    static let bucketLimit = 100
    /// Longer values say too little for their size: they count as distinct and are left out of the lists.
    static let widthLimit = 1024

    /// Statistics for a table of `rowCount` rows.
    func statistics(rowCount: Double) -> ColumnStatistics {
        let sampled = Double(keys.count + nullCount)
        let runs = sortedRuns()
        var result = ColumnStatistics(
            number: number, nullFraction: sampled == 0 ? 0 : Double(nullCount) / sampled,
            averageWidth: keys.isEmpty ? 0 : byteCount / keys.count)
        if keys.isEmpty { return result }
        result.distinctCount = distinctCount(runs, rowCount * (1 - result.nullFraction))
        let common = commonValues(runs, result.distinctCount)
        for run in common {
            result.mostCommonValues.append(texts[run.first])
            result.mostCommonFrequencies.append(Double(run.count) / sampled)
        }
        result.histogram = histogram(runs, excluding: common)
        result.correlation = correlation(runs)
        return result
    }

    /// Equal values: where in `order` they begin, how many they are, and the index of one of them.
    struct Run {
        var position: Int
        var count: Int
        var first: Int
    }

    private func sortedOrder() -> [Int] {
        keys.indices.sorted { keys[$0].lexicographicallyPrecedes(keys[$1]) }
    }

    private func sortedRuns() -> [Run] {
        var runs: [Run] = []
        for (position, index) in sortedOrder().enumerated() {
            if let last = runs.last, keys[last.first] == keys[index] {
                runs[runs.count - 1].count += 1
            } else {
                runs.append(Run(position: position, count: 1, first: index))
            }
        }
        return runs
    }

    /// As pg_statistic's stadistinct: negative is a fraction of the rows.
    private func distinctCount(_ runs: [Run], _ total: Double) -> Double {
        var once = 0
        for run in runs where run.count == 1 { once += 1 }
        let sampled = Double(keys.count)
        if once == keys.count { return -1 }
        if once == 0 { return Double(runs.count) }
        let seen = Double(runs.count)
        let single = Double(once)
        let estimate = sampled * seen / (sampled - single + single * sampled / max(total, sampled))
        let distinct = min(max(estimate, seen), total)
        return distinct > total / 10 ? -distinct / total : distinct
    }

    /// Values clearly more frequent than the average.
    private func commonValues(_ runs: [Run], _ distinct: Double) -> [Run] {
        let average = Double(keys.count) / Double(runs.count)
        let candidates = runs.filter {
            $0.count > 1 && texts[$0.first].count <= Self.widthLimit
                && (runs.count <= Self.commonValueLimit && distinct > 0 || Double($0.count) > average * 1.25)
        }
        return Array(candidates.sorted { $0.count > $1.count }.prefix(Self.commonValueLimit))
    }

    /// Bounds of equally full buckets of the values that are not common.
    private func histogram(_ runs: [Run], excluding common: [Run]) -> [[UInt8]] {
        var isCommon: [Int: Bool] = [:]
        for run in common { isCommon[run.position] = true }
        let rest = runs.filter { isCommon[$0.position] == nil && texts[$0.first].count <= Self.widthLimit }
        guard rest.count >= 2 else { return [] }
        let buckets = min(Self.bucketLimit, rest.count - 1)
        return (0...buckets).map { texts[rest[$0 * (rest.count - 1) / buckets].first] }
    }

    /// Correlation of a value's rank with its place in the table.
    private func correlation(_ runs: [Run]) -> Double {
        let count = Double(keys.count)
        if keys.count < 2 { return 0 }
        var ranks = [Double](repeating: 0, count: keys.count)
        for (position, index) in sortedOrder().enumerated() { ranks[index] = Double(position) }
        let mean = (count - 1) / 2
        var covariance = 0.0
        var variance = 0.0
        for index in keys.indices {
            covariance += (Double(index) - mean) * (ranks[index] - mean)
            variance += (Double(index) - mean) * (Double(index) - mean)
        }
        return variance == 0 ? 0 : covariance / variance
    }
}
