// Comparisons between dates, timestamps and timestamps with time zone: the coarser side is converted.

import Platform

enum DateTimeComparison {
    static func make(_ operation: ComparisonOperator, _ left: TypeOID, _ right: TypeOID) -> Kernel {
        scalarKernel(strict: true) { (call: inout ScalarCall) throws(EngineError) in
            let zone = call.context.timeZone
            let zoned = left == .timestamptz || right == .timestamptz
            let a = moment(call.cell(0), left, zoned, zone)
            let b = moment(call.cell(1), right, zoned, zone)
            call.set(operation.holds(Comparison.three(a, b)))
        }
    }

    /// Wide enough that a date beyond the range of timestamps still compares.
    private static func moment(_ cell: Cell, _ type: TypeOID, _ zoned: Bool, _ zone: TimeZone) -> Int128 {
        switch type {
        case .date:
            if cell.int32 == Calendar.dateInfinity { return Int128(Int64.max) << 20 }
            if cell.int32 == Calendar.dateNegativeInfinity { return Int128(Int64.min) << 20 }
            let local = Int128(cell.int32) * Int128(Calendar.microsecondsPerDay)
            guard zoned, let narrow = Int64(exactly: local) else { return local }
            return local - Int128(zone.offset(local: narrow)) * 1_000_000
        case .timestamp where zoned:
            if !Calendar.isFinite(cell.int64) { return Int128(cell.int64) << 20 }
            return Int128(cell.int64) - Int128(zone.offset(local: cell.int64)) * 1_000_000
        default: return Calendar.isFinite(cell.int64) ? Int128(cell.int64) : Int128(cell.int64) << 20
        }
    }
}
