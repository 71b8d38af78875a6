// Nested loops: for each left row the right side anew, with correlations set from the left row (index lookups, LATERAL);
// without correlations the right side is materialised once.

import Platform
import SQL
import SQLTypes

final class NestedLoopOperator: Operator {
    private let kind: JoinKind
    private let left: Operator
    private let right: Operator
    private let condition: Evaluator?
    private let bindings: [CompiledBinding]
    private let leftWidth: Int
    private let leftTypes: [SQLType]
    private let rightTypes: [SQLType]

    private var leftChunk: Chunk?
    private var leftIndex = 0
    private var isRightOpen = false
    private var hasMatch = false
    /// Left row spread over a chunk of right rows, and right rows beside it: the condition's input.
    private let pair: Chunk
    private let leftConstants: [Vector]
    private let nullRight: [Vector]
    private var kept = SelectionBuffer()
    /// Rows gathered for output when they come one at a time (left, semi, anti, point lookups).
    private let output: Chunk
    private var outputCount = 0
    private let rightOnce: MaterializeOperator?
    private var isMaterialized = false

    init(
        _ kind: JoinKind, left: Operator, right: Operator, condition: Evaluator?, bindings: [CompiledBinding],
        leftTypes: [SQLType], rightTypes: [SQLType], _ instance: Instance
    ) {
        self.kind = kind
        self.left = left
        if bindings.isEmpty {
            let once = MaterializeOperator(right, rightTypes, instance)
            rightOnce = once
            self.right = once
        } else {
            rightOnce = nil
            self.right = right
        }
        self.condition = condition
        self.bindings = bindings
        self.leftTypes = leftTypes
        self.rightTypes = rightTypes
        leftWidth = leftTypes.count
        leftConstants = leftTypes.map { Vector($0, capacity: 1) }
        nullRight = rightTypes.map { type in
            let vector = Vector(type, capacity: 1)
            vector.isConstant = true
            vector.setNull(0)
            return vector
        }
        pair = Chunk(columns: leftConstants)
        let isHalf = kind == .semi || kind == .anti
        output = Chunk(columns: (isHalf ? leftTypes : leftTypes + rightTypes).map { Vector($0) })
        super.init(instance)
    }

    override func open() throws(EngineError) {
        leftChunk = nil
        isRightOpen = false
        isMaterialized = false
        try left.start()
    }

    override func next() throws(EngineError) -> Chunk? {
        for vector in output.columns { vector.reset() }
        outputCount = 0
        while outputCount < vectorCapacity {
            if !isRightOpen {
                guard try nextLeft() else { break }
            }
            try step()
            try instance.context.checkpoint()
        }
        if outputCount == 0 { return nil }
        output.selection = Selection(count: outputCount)
        return output
    }

    /// Moves to the next left row and opens the right side for it.
    private func nextLeft() throws(EngineError) -> Bool {
        if let chunk = leftChunk, leftIndex + 1 < chunk.count {
            leftIndex += 1
        } else {
            leftChunk = try left.pull()
            leftIndex = 0
        }
        guard let chunk = leftChunk else { return false }
        let row = chunk.selection[leftIndex]
        for (column, vector) in leftConstants.enumerated() {
            vector.reset()
            vector.isConstant = true
            let source = chunk.columns[column]
            let place = source.position(row)
            // The left chunk stays valid while its rows are looped over: strings are referred to.
            if source.isNull(place) { vector.setNull(0) } else { vector.setCell(0, source.cell(place)) }
        }
        try instance.bind(bindings, chunk, row: row)
        if let rightOnce, isMaterialized {
            rightOnce.rewind()
        } else {
            try right.start()
            isMaterialized = true
        }
        isRightOpen = true
        hasMatch = false
        pendingRight = nil
        return true
    }

    private var pendingRight: Chunk?
    private var pendingIndex = 0

    /// Handles more of the right side for the current left row, as far as the output has room.
    private func step() throws(EngineError) {
        if pendingRight == nil {
            guard let chunk = try right.pull() else {
                isRightOpen = false
                if !hasMatch, kind == .left { try emit(nullRight, 0) }
                if !hasMatch, kind == .anti { try emit([], 0) }
                return
            }
            try match(chunk)
        }
        guard let chunk = pendingRight else { return }
        while pendingIndex < kept.count {
            if outputCount == vectorCapacity { return }
            hasMatch = true
            if kind == .semi { try emit([], 0) }
            if kind == .semi || kind == .anti {
                isRightOpen = false
                pendingRight = nil
                return
            }
            try emit(chunk.columns, Int(kept.rows[pendingIndex]))
            pendingIndex += 1
        }
        pendingRight = nil
    }

    /// Rows of a right chunk that fit the left row, into `kept`.
    private func match(_ chunk: Chunk) throws(EngineError) {
        pendingRight = chunk
        pendingIndex = 0
        guard let condition else {
            kept.count = 0
            for index in 0..<chunk.count { kept.append(chunk.selection[index]) }
            return
        }
        pair.columns.removeSubrange(leftWidth...)
        pair.columns.append(contentsOf: chunk.columns)
        try select(condition, pair, chunk.selection, into: &kept)
    }

    /// Appends the left row, and `row` of the right columns, to the output.
    private func emit(_ rightColumns: [Vector], _ row: Int) throws(EngineError) {
        for column in 0..<leftWidth { try output.columns[column].copyRow(outputCount, from: leftConstants[column], 0) }
        for (index, source) in rightColumns.enumerated() {
            try output.columns[leftWidth + index].copyRow(outputCount, from: source, source.position(row))
        }
        outputCount += 1
    }

    override func close() {
        left.close()
        right.close()
        leftChunk = nil
        pendingRight = nil
        isRightOpen = false
    }
}
