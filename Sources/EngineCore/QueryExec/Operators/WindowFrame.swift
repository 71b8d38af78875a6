// Which rows of its partition a row's window frame holds: ROWS counts rows, GROUPS peer groups, RANGE compares order keys.
//
// Edges never move backwards from one row of a partition to the next, so RANGE edges are found by moving two pointers.

import Platform
import SQL
import SQLTypes

/// A row's frame: rows `start..<end` without `hole`, and `row` itself if the hole keeps it.
struct FrameBounds {
    var start: Int
    var end: Int
    var hole: Range<Int>?
    /// EXCLUDE TIES: the current row stays although it lies in the hole.
    var kept: Int?

    /// The frame's rows as ascending ranges, at most three.
    func forEachRange(_ body: (Range<Int>) throws(EngineError) -> Void) throws(EngineError) {
        guard start < end else { return }
        guard let hole else { return try body(start..<end) }
        if start < min(hole.lowerBound, end) { try body(start..<min(hole.lowerBound, end)) }
        if let kept, kept >= start, kept < end { try body(kept..<kept + 1) }
        if max(hole.upperBound, start) < end { try body(max(hole.upperBound, start)..<end) }
    }

    var count: Int {
        var total = 0
        try? forEachRange { (range) throws(EngineError) in total += range.count }
        return total
    }

    /// The frame's row number `index`, from its end if `fromEnd`; nil if it has fewer.
    func row(_ index: Int, fromEnd: Bool = false) -> Int? {
        var rest = fromEnd ? count - 1 - index : index
        if rest < 0 { return nil }
        var found: Int?
        try? forEachRange { (range) throws(EngineError) in
            if found == nil, rest < range.count { found = range.lowerBound + rest }
            rest -= range.count
        }
        return found
    }
}

final class CompiledFrame {
    private let frame: BoundFrame
    private let isDescending: Bool
    private let startOffset: Evaluator?
    private let endOffset: Evaluator?
    private let key: Evaluator?
    private let startEdge: Evaluator?
    private let endEdge: Evaluator?
    private let kind: ValueClass
    /// Columns of the partition's rows; only where RANGE has offsets.
    private(set) var orderColumn: Int?
    private var startColumn = 0
    private var endColumn = 0
    /// ROWS and GROUPS.
    private var startCount = 0
    private var endCount = 0
    /// RANGE: how far the edges have moved.
    private var startPointer = 0
    private var endPointer = 0

    init(_ frame: BoundFrame, isDescending: Bool, _ compiler: Compiler) throws(EngineError) {
        self.frame = frame
        self.isDescending = isDescending
        startOffset = try compiler.compile(optional: frame.start.offset)
        endOffset = try compiler.compile(optional: frame.end.offset)
        key = try compiler.compile(optional: frame.range?.key)
        startEdge = try compiler.compile(optional: frame.range?.start)
        endEdge = try compiler.compile(optional: frame.range?.end)
        kind = key.map { ValueClass.of($0.type.oid) } ?? .int64
    }

    /// Adds the expressions that rows are widened by and remembers their columns.
    func place(_ extra: inout [Evaluator], after width: Int) {
        if let key {
            orderColumn = width + extra.count
            extra.append(key)
        }
        if let startEdge {
            startColumn = width + extra.count
            extra.append(startEdge)
        }
        if let endEdge {
            endColumn = width + extra.count
            extra.append(endEdge)
        }
    }

    /// Evaluates the offsets. Errors: 22004 for NULL, 22013 for negative ones.
    func open() throws(EngineError) {
        startCount = try count(startOffset, "starting")
        endCount = try count(endOffset, "ending")
    }

    private func count(_ offset: Evaluator?, _ which: StaticString) throws(EngineError) -> Int {
        guard let offset else { return 0 }
        let value = try offset.value(Chunk(selection: Selection(count: 1)))
        if value.isNull { throw EngineError("22004", "frame \(which) offset must not be null") }
        guard frame.unit == .range else {
            if value.int64 < 0 { throw EngineError("22013", "frame \(which) offset must not be negative") }
            return Int(min(value.int64, 1 << 40))
        }
        let zero = try [UInt8]("0".utf8).withBytes { (text) throws(EngineError) in
            try TypeIO.input(text, SQLType(offset.type.oid), EvaluationContext())
        }
        let isNegative = value.withCell { cell in
            zero.withCell { Comparison.compare(cell, $0, ValueClass.of(offset.type.oid)) < 0 }
        }
        if isNegative { throw EngineError("22013", "invalid preceding or following size in window function") }
        return 0
    }

    /// A new partition.
    func begin() {
        startPointer = 0
        endPointer = 0
    }

    func bounds(_ row: Int, _ group: Int, _ partition: WindowPartition) throws(EngineError) -> FrameBounds {
        var bounds =
            switch frame.unit {
            case .rows: FrameBounds(start: rowsStart(row, partition.count), end: rowsEnd(row, partition.count))
            case .groups: FrameBounds(start: groupsStart(group, partition), end: groupsEnd(group, partition))
            case .range:
                FrameBounds(start: rangeStart(row, group, partition), end: rangeEnd(row, group, partition))
            }
        switch frame.exclusion {
        case .none: break
        case .currentRow: bounds.hole = row..<row + 1
        case .group: bounds.hole = partition.groupStarts[group]..<partition.groupEnd(group)
        case .ties:
            bounds.hole = partition.groupStarts[group]..<partition.groupEnd(group)
            bounds.kept = row
        }
        return bounds
    }

    // MARK: ROWS

    private func rowsStart(_ row: Int, _ count: Int) -> Int {
        switch frame.start {
        case .unboundedPreceding: 0
        case .preceding: max(row - startCount, 0)
        case .currentRow: row
        case .following: min(row + startCount, count)
        case .unboundedFollowing: count
        }
    }
    private func rowsEnd(_ row: Int, _ count: Int) -> Int {
        switch frame.end {
        case .unboundedPreceding: 0
        case .preceding: max(row - endCount + 1, 0)
        case .currentRow: row + 1
        case .following: min(row + endCount + 1, count)
        case .unboundedFollowing: count
        }
    }

    // MARK: GROUPS

    private func groupsStart(_ group: Int, _ partition: WindowPartition) -> Int {
        switch frame.start {
        case .unboundedPreceding: 0
        case .preceding: group < startCount ? 0 : partition.groupStarts[group - startCount]
        case .currentRow: partition.groupStarts[group]
        case .following:
            group + startCount < partition.groupStarts.count
                ? partition.groupStarts[group + startCount] : partition.count
        case .unboundedFollowing: partition.count
        }
    }
    private func groupsEnd(_ group: Int, _ partition: WindowPartition) -> Int {
        switch frame.end {
        case .unboundedPreceding: 0
        case .preceding: group < endCount ? 0 : partition.groupEnd(group - endCount)
        case .currentRow: partition.groupEnd(group)
        case .following:
            group + endCount < partition.groupStarts.count
                ? partition.groupEnd(group + endCount) : partition.count
        case .unboundedFollowing: partition.count
        }
    }

    // MARK: RANGE

    private func rangeStart(_ row: Int, _ group: Int, _ partition: WindowPartition) -> Int {
        switch frame.start {
        case .unboundedPreceding: return 0
        case .currentRow: return partition.groupStarts[group]
        case .unboundedFollowing: return partition.count
        case .preceding, .following:
            // NULLs are peers of each other and of nothing else.
            guard partition.valued.contains(row) else { return partition.groupStarts[group] }
            startPointer = max(startPointer, partition.valued.lowerBound)
            let edge = partition.cell(row, startColumn)
            while startPointer < partition.valued.upperBound, order(startPointer, edge, partition) < 0 {
                startPointer += 1
            }
            return startPointer
        }
    }
    private func rangeEnd(_ row: Int, _ group: Int, _ partition: WindowPartition) -> Int {
        switch frame.end {
        case .unboundedPreceding: return 0
        case .currentRow: return partition.groupEnd(group)
        case .unboundedFollowing: return partition.count
        case .preceding, .following:
            guard partition.valued.contains(row) else { return partition.groupEnd(group) }
            endPointer = max(endPointer, partition.valued.lowerBound)
            let edge = partition.cell(row, endColumn)
            while endPointer < partition.valued.upperBound, order(endPointer, edge, partition) <= 0 {
                endPointer += 1
            }
            return endPointer
        }
    }

    /// Negative if the row's key comes before the edge in the window's order.
    private func order(_ row: Int, _ edge: Cell, _ partition: WindowPartition) -> Int {
        guard let orderColumn else { return 0 }
        let order = Comparison.compare(partition.cell(row, orderColumn), edge, kind)
        return isDescending ? -order : order
    }
}

extension BoundFrame.Bound {
    var offset: BoundExpression? {
        switch self {
        case .preceding(let offset), .following(let offset): offset
        default: nil
        }
    }
}
