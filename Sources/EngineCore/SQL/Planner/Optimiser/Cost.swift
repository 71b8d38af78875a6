// Cost formulas, in PostgreSQL's units and with its parameters, except that random reads are cheaper here: the pool and
// the device do not seek.

enum Cost {
    static let sequentialPage = 1.0
    static let randomPage = 1.5
    static let tuple = 0.01
    static let indexTuple = 0.005
    static let operation = 0.0025

    static func scan(pages: Double, rows: Double, conditions: Int) -> Double {
        pages * sequentialPage + rows * (tuple + Double(conditions) * operation)
    }
    /// Descent, then entries, then a table visit for each unless the index alone suffices.
    static func indexScan(entries: Double, tableRows: Double, lookups: Double, isIndexOnly: Bool, conditions: Int)
        -> (startup: Double, total: Double)
    {
        let height = max(log2(max(tableRows, 2)) / 7, 1)
        let descent = lookups * (height * 0.02 + 0.25)
        let perEntry = indexTuple + tuple + Double(conditions) * operation + (isIndexOnly ? 0 : 0.05)
        let leaves = entries / 150 * sequentialPage
        // Repeated visits to a table smaller than the number of entries hit cached pages.
        let visits = isIndexOnly ? 0 : min(entries, tableRows) * randomPage * 0.25
        return (descent, descent + leaves + entries * perEntry + visits)
    }
    static func sort(rows: Double) -> Double {
        let count = max(rows, 2)
        return 2 * operation * count * log2(count)
    }
    static func topN(rows: Double, limit: Double) -> Double {
        2 * operation * max(rows, 2) * log2(max(2 * limit, 2))
    }

    /// Base-2 logarithm to a few digits, without the C library.
    static func log2(_ value: Double) -> Double {
        if value <= 1 { return 0 }
        let exponent = value.exponent
        let significand = value.significand
        // log2(m) for 1 ≤ m < 2, within 0.01.
        return Double(exponent) + (significand - 1) * (1.3465 - 0.3465 * significand)
    }
}
