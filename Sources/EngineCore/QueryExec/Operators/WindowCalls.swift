// The values of window functions and of aggregates over frames, row by row in the partition's order.
//
// An aggregate's state is carried from row to row while the frame only grows; otherwise it starts over.

import Platform
import SQL
import SQLTypes

final class CompiledWindowCall {
    let type: SQLType
    private let function: WindowFunction
    private let arguments: [Evaluator]
    private let filter: Evaluator?
    /// Columns of the partition's rows.
    private var columns: [Int] = []
    private var filterColumn: Int?

    // State of the partition under way.
    private let state: UnsafeMutableRawPointer?
    private var heap = ByteHeap()
    /// Rows folded into the state.
    private var folded = 0..<0
    private var picked = SelectionBuffer()
    private var buckets: Int64 = 0

    init(_ call: WindowCall, _ compiler: Compiler) throws(EngineError) {
        type = call.type
        arguments = try compiler.compile(call.arguments)
        filter = try compiler.compile(optional: call.filter)
        function = try WindowFunction(call)
        if case .aggregate(let aggregate) = function {
            state = .allocate(byteCount: max(aggregate.stateByteCount, 8), alignment: 16)
        } else {
            state = nil
        }
    }
    deinit { state?.deallocate() }

    func place(_ extra: inout [Evaluator], after width: Int) {
        columns.removeAll()
        for argument in arguments {
            columns.append(width + extra.count)
            extra.append(argument)
        }
        if let filter {
            filterColumn = width + extra.count
            extra.append(filter)
        }
    }

    /// A new partition.
    func begin() {
        buckets = 0
        restart(at: 0)
    }

    private func restart(at row: Int) {
        folded = row..<row
        guard let state, case .aggregate(let aggregate) = function else { return }
        state.initializeMemory(as: UInt8.self, repeating: 0, count: max(aggregate.stateByteCount, 8))
        heap.reset()
    }

    /// Writes the value for `row` of the partition to place `target` of the result.
    func evaluate(
        _ row: Int, _ group: Int, _ frame: FrameBounds, _ partition: WindowPartition, _ context: EvaluationContext,
        _ result: Vector, _ target: Int
    ) throws(EngineError) {
        switch function {
        case .rowNumber: result.setCell(target, Cell(Int64(row + 1)))
        case .rank: result.setCell(target, Cell(Int64(partition.groupStarts[group] + 1)))
        case .denseRank: result.setCell(target, Cell(Int64(group + 1)))
        case .percentRank:
            let others = max(partition.count - 1, 1)
            result.setCell(target, Cell(Double(partition.groupStarts[group]) / Double(others)))
        case .cumeDist:
            result.setCell(target, Cell(Double(partition.groupEnd(group)) / Double(partition.count)))
        case .ntile: try ntile(row, partition, result, target)
        case .lag: shifted(row, forward: false, partition, result, target)
        case .lead: shifted(row, forward: true, partition, result, target)
        case .firstValue: pick(frame.row(0), partition, result, target)
        case .lastValue: pick(frame.row(0, fromEnd: true), partition, result, target)
        case .nthValue:
            if partition.isNull(row, columns[1]) { return result.setNull(target) }
            let number = Int(partition.cell(row, columns[1]).int32)
            guard number > 0 else { throw EngineError("22016", "argument of nth_value must be greater than zero") }
            pick(frame.row(number - 1), partition, result, target)
        case .aggregate(let aggregate):
            try fold(aggregate, frame, partition, context)
            guard let state else { return }
            try aggregate.finalize(state, arguments.first?.type ?? SQLType(.any), result, target)
        }
    }

    /// The first larger buckets get one row more each.
    private func ntile(_ row: Int, _ partition: WindowPartition, _ result: Vector, _ target: Int) throws(EngineError) {
        if buckets == 0 {
            // The argument counts where it is first not NULL.
            if partition.isNull(row, columns[0]) { return result.setNull(target) }
            buckets = Int64(partition.cell(row, columns[0]).int32)
            guard buckets > 0 else { throw EngineError("22014", "argument of ntile must be greater than zero") }
        }
        let count = Int64(partition.count)
        let size = count / buckets
        let larger = count % buckets
        let number = Int64(row)
        let bucket =
            number < larger * (size + 1)
            ? number / (size + 1) : larger + (number - larger * (size + 1)) / max(size, 1)
        result.setCell(target, Cell(Int32(truncatingIfNeeded: bucket + 1)))
    }

    /// lag and lead: the value some rows away, or the default.
    private func shifted(_ row: Int, forward: Bool, _ partition: WindowPartition, _ result: Vector, _ target: Int) {
        var distance = 1
        if columns.count > 1 {
            if partition.isNull(row, columns[1]) { return result.setNull(target) }
            distance = Int(partition.cell(row, columns[1]).int32)
        }
        let source = forward ? row + distance : row - distance
        if source >= 0, source < partition.count { return pick(source, partition, result, target) }
        guard columns.count > 2 else { return result.setNull(target) }
        partition.rows.load(row, columns[2], into: result, at: target)
    }

    private func pick(_ row: Int?, _ partition: WindowPartition, _ result: Vector, _ target: Int) {
        guard let row else { return result.setNull(target) }
        partition.rows.load(row, columns[0], into: result, at: target)
    }

    // MARK: Aggregates

    private func fold(
        _ aggregate: Aggregate, _ frame: FrameBounds, _ partition: WindowPartition, _ context: EvaluationContext
    ) throws(EngineError) {
        let end = max(frame.end, frame.start)
        if frame.hole == nil, frame.start == folded.lowerBound, end >= folded.upperBound {
            try add(aggregate, folded.upperBound..<end, partition, context)
            folded = frame.start..<end
            return
        }
        restart(at: frame.start)
        try frame.forEachRange { (range) throws(EngineError) in
            try add(aggregate, range, partition, context)
        }
        // What a frame with a hole has folded says nothing about the next one.
        folded = frame.hole == nil ? frame.start..<end : -1 ..< -1
    }

    private func add(
        _ aggregate: Aggregate, _ range: Range<Int>, _ partition: WindowPartition, _ context: EvaluationContext
    ) throws(EngineError) {
        guard let state else { return }
        var row = range.lowerBound
        while row < range.upperBound {
            let batch = row / vectorCapacity
            let end = min(range.upperBound, (batch + 1) * vectorCapacity)
            let vectors = partition.rows.vectors(ofBatch: batch)
            picked.count = 0
            while row < end {
                let place = row & (vectorCapacity - 1)
                row += 1
                if let filterColumn {
                    let verdict = vectors[filterColumn]
                    if verdict.isNull(place) || !verdict.cell(place).bool { continue }
                }
                picked.append(place)
            }
            if picked.count == 0 { continue }
            try aggregate.update(
                AggregateInput(
                    arguments: columns.map { vectors[$0] }, selection: picked.selection, state: state, heap: heap,
                    context: context))
        }
    }
}

/// What a call computes; window functions are known by PostgreSQL's OIDs.
enum WindowFunction {
    case rowNumber, rank, denseRank, percentRank, cumeDist, ntile, lag, lead, firstValue, lastValue, nthValue
    case aggregate(Aggregate)

    init(_ call: WindowCall) throws(EngineError) {
        if case .aggregate(let aggregate) = call.function.body {
            self = .aggregate(aggregate)
            return
        }
        switch call.function.oid {
        case 3100: self = .rowNumber
        case 3101: self = .rank
        case 3102: self = .denseRank
        case 3103: self = .percentRank
        case 3104: self = .cumeDist
        case 3105: self = .ntile
        case 3106, 3107, 3108: self = .lag
        case 3109, 3110, 3111: self = .lead
        case 3112: self = .firstValue
        case 3113: self = .lastValue
        case 3114: self = .nthValue
        default: throw EngineError.notSupported("window function \(call.function.name.string)")
        }
    }
}
