// Hash join: the right side's rows go into a store and a hash table, the left side's rows probe it, a batch at a time.
//
// A match is a pair of a left row and a right row with equal keys that also satisfies the residual condition. Pairs are
// gathered into an output chunk; which rows have had a match is remembered where the kind of join needs it.
//
// When the right side takes more than work_mem, both sides go to the device and are joined part by part: HashJoinParts.swift.

import ArenaAlloc
import Platform
import SQL
import SQLTypes

struct CompiledJoinKey {
    let left: Evaluator
    let right: Evaluator
    let leftKind: ValueClass
    let rightKind: ValueClass
    let isNullSafe: Bool

    init(_ left: Evaluator, _ right: Evaluator, isNullSafe: Bool) {
        self.left = left
        self.right = right
        leftKind = ValueClass.of(left.type.oid)
        rightKind = ValueClass.of(right.type.oid)
        self.isNullSafe = isNullSafe
    }

    /// Integers and floats of different widths compare by value; other keys have one type.
    @inline(__always) func areEqual(_ a: Cell, _ b: Cell) -> Bool {
        if leftKind == rightKind { return Comparison.areEqual(a, b, leftKind) }
        if let left = Self.integer(a, leftKind), let right = Self.integer(b, rightKind) { return left == right }
        return Self.float(a, leftKind) == Self.float(b, rightKind)
    }

    @inline(__always) private static func integer(_ cell: Cell, _ kind: ValueClass) -> Int64? {
        switch kind {
        case .int16: Int64(cell.int16)
        case .int32: Int64(cell.int32)
        case .unsigned32: Int64(cell.uint32)
        case .int64: cell.int64
        default: nil
        }
    }

    private static func float(_ cell: Cell, _ kind: ValueClass) -> Double {
        kind == .float32 ? Double(cell.float32) : cell.float64
    }
}

final class HashJoinOperator: Operator {
    let kind: JoinKind
    let left: Operator
    let right: Operator
    let keys: [CompiledJoinKey]
    private let residual: Evaluator?
    let leftWidth: Int
    let rightWidth: Int

    /// Right rows: their columns, then their evaluated keys.
    let store: RowStore
    var table = RowHashTable()
    var isRightMatched: [Bool] = []
    var tableBytes = 0

    var leftChunk: Chunk?
    private var leftKeys: [Vector] = []
    private var leftIndex = 0
    /// Next right row to compare with the left row; -1: take the next left row.
    private var candidate = -1
    var isLeftDone = false
    var nextUnmatched = 0
    let hashes: UnsafeMutablePointer<UInt64>
    let isLeftMatched: UnsafeMutablePointer<Bool>

    private let pairLeft: UnsafeMutablePointer<UInt16>
    private let pairRight: UnsafeMutablePointer<Int32>
    private var pairCount = 0
    private let pairs: Chunk
    private let output = Chunk()
    private var kept = SelectionBuffer()
    /// Once the right side does not fit in memory.
    var parts: HashJoinParts?
    let leftTypes: [SQLType]
    let storeTypes: [SQLType]

    init(
        _ kind: JoinKind, left: Operator, right: Operator, keys: [CompiledJoinKey], residual: Evaluator?,
        leftTypes: [SQLType], rightTypes: [SQLType], _ instance: Instance
    ) {
        self.kind = kind
        self.left = left
        self.right = right
        self.keys = keys
        self.residual = residual
        leftWidth = leftTypes.count
        rightWidth = rightTypes.count
        self.leftTypes = leftTypes
        storeTypes = rightTypes + keys.map { $0.right.type }
        store = RowStore(storeTypes)
        hashes = .allocate(capacity: vectorCapacity)
        hashes.initialize(repeating: 0, count: vectorCapacity)
        isLeftMatched = .allocate(capacity: vectorCapacity)
        isLeftMatched.initialize(repeating: false, count: vectorCapacity)
        pairLeft = .allocate(capacity: vectorCapacity)
        pairRight = .allocate(capacity: vectorCapacity)
        pairs = Chunk(columns: (leftTypes + rightTypes).map { Vector($0) })
        super.init(instance)
    }

    deinit {
        hashes.deallocate()
        isLeftMatched.deallocate()
        pairLeft.deallocate()
        pairRight.deallocate()
    }

    var keepsRight: Bool { kind == .right || kind == .full }
    var keepsLeft: Bool { kind == .left || kind == .full }

    var heldByteCount: Int { store.byteCount + table.usedByteCount }

    // MARK: Build

    override func open() throws(EngineError) {
        releaseTable()
        parts?.close()
        parts = nil
        store.begin(instance.context.budget)
        leftChunk = nil
        isLeftDone = false
        candidate = -1
        nextUnmatched = 0
        try right.start()
        let keyed = Chunk()
        while let chunk = try right.pull() {
            keyed.columns = chunk.columns
            for key in keys { keyed.columns.append(try key.right.evaluate(chunk, chunk.selection)) }
            keyed.selection = chunk.selection
            if let parts { try parts.addRight(keyed, self) } else { try add(keyed) }
            if parts == nil, instance.context.isFull(heldByteCount) { try beginParts() }
            try instance.context.checkpoint()
        }
        right.close()
        if let parts { return try spreadLeft(parts) }
        counters?.note(.hashJoin, held: heldByteCount, spilled: 0)
        isRightMatched = keepsRight ? [Bool](repeating: false, count: store.count) : []
        // Nothing can come of an empty right side; the left one need not be run.
        if store.count == 0, kind == .inner || kind == .semi || kind == .right {
            isLeftDone = true
        } else {
            try left.start()
        }
    }

    func add(_ keyed: Chunk) throws(EngineError) {
        hashKeys(Array(keyed.columns[rightWidth...]), keyed.selection)
        for index in 0..<keyed.count {
            let row = keyed.selection[index]
            if hasNullKey(keyed.columns, rightWidth, row) { table.skip() } else { table.insert(hashes[row]) }
        }
        try store.append(keyed)
        let bytes = table.byteCount
        if bytes > tableBytes {
            try instance.context.budget.charge(bytes - tableBytes)
            tableBytes = bytes
        }
    }

    func hashKeys(_ vectors: [Vector], _ selection: Selection) {
        for (index, vector) in vectors.enumerated() {
            Hashing.hash(vector, selection, into: hashes, combining: index > 0)
        }
    }

    /// A NULL in a key that does not take NULL for a value: the row matches nothing.
    @inline(__always) func hasNullKey(_ vectors: [Vector], _ offset: Int, _ row: Int) -> Bool {
        for index in 0..<keys.count where !keys[index].isNullSafe && vectors[offset + index].isNull(row) { return true }
        return false
    }

    func releaseTable() {
        table.removeAll()
        if tableBytes > 0 { instance.running?.budget.release(tableBytes) }
        tableBytes = 0
    }

    // MARK: Probe

    override func next() throws(EngineError) -> Chunk? {
        while true {
            if leftChunk == nil {
                if try !nextLeftChunk() {
                    if let chunk = try nextUnmatchedRight() { return chunk }
                    guard let parts, try nextPart(parts) else { return nil }
                    continue
                }
            }
            guard let chunk = leftChunk else { continue }
            findPairs(chunk)
            if pairCount == 0 {
                leftChunk = nil
                if let last = finish(chunk) { return last }
                try instance.context.checkpoint()
                continue
            }
            try gatherPairs(chunk)
            if kind == .semi || kind == .anti || kept.count == 0 { continue }
            output.columns = pairs.columns
            output.selection = kept.selection
            return output
        }
    }

    private func nextLeftChunk() throws(EngineError) -> Bool {
        if isLeftDone { return false }
        guard let chunk = try parts == nil ? left.pull() : parts?.readLeft() else {
            isLeftDone = true
            return false
        }
        leftChunk = chunk
        leftKeys.removeAll(keepingCapacity: true)
        for key in keys { leftKeys.append(try key.left.evaluate(chunk, chunk.selection)) }
        hashKeys(leftKeys, chunk.selection)
        leftIndex = -1
        candidate = -1
        for index in 0..<chunk.count { isLeftMatched[chunk.selection[index]] = false }
        parts?.recallMatches(isLeftMatched, chunk.count)
        return true
    }

    /// Collects pairs with equal keys until there are a thousand or the chunk is through.
    private func findPairs(_ chunk: Chunk) {
        pairCount = 0
        while pairCount < vectorCapacity {
            if candidate < 0 {
                leftIndex += 1
                if leftIndex >= chunk.count { return }
                let row = chunk.selection[leftIndex]
                candidate = hasNullKey(leftKeys, 0, row) ? -1 : table.first(hashes[row])
                if candidate < 0 { continue }
            }
            let row = chunk.selection[leftIndex]
            if residual == nil, kind == .semi || kind == .anti, isLeftMatched[row] {
                candidate = -1
                continue
            }
            if keysMatch(row, candidate) {
                pairLeft[pairCount] = UInt16(truncatingIfNeeded: row)
                pairRight[pairCount] = Int32(truncatingIfNeeded: candidate)
                pairCount += 1
                if residual == nil { isLeftMatched[row] = true }
            }
            candidate = table.next(after: candidate)
        }
    }

    @inline(__always) private func keysMatch(_ row: Int, _ right: Int) -> Bool {
        let batch = store.batch(right)
        let place = right & (vectorCapacity - 1)
        for index in 0..<keys.count {
            let a = leftKeys[index]
            let b = batch[rightWidth + index]
            if a.isNull(row) || b.isNull(place) {
                // Only null-safe keys get here with a NULL.
                if a.isNull(row) != b.isNull(place) { return false }
            } else if !keys[index].areEqual(a.cell(row), b.cell(place)) {
                return false
            }
        }
        return true
    }

    /// Puts the pairs' columns side by side, drops those that fail the residual, and notes who has matched.
    private func gatherPairs(_ chunk: Chunk) throws(EngineError) {
        let needsColumns = residual != nil || !(kind == .semi || kind == .anti)
        if needsColumns {
            for column in 0..<leftWidth {
                let target = pairs.columns[column]
                let source = chunk.columns[column]
                target.reset()
                for index in 0..<pairCount {
                    let row = source.position(Int(pairLeft[index]))
                    if source.isNull(row) { target.setNull(index) } else { target.setCell(index, source.cell(row)) }
                }
            }
            for column in 0..<rightWidth {
                let target = pairs.columns[leftWidth + column]
                target.reset()
                for index in 0..<pairCount { store.load(Int(pairRight[index]), column, into: target, at: index) }
            }
        }
        if let residual {
            try select(residual, pairs, Selection(count: pairCount), into: &kept)
        } else {
            kept.count = 0
            for index in 0..<pairCount { kept.append(index) }
        }
        for index in 0..<kept.count {
            let pair = Int(kept.rows[index])
            isLeftMatched[Int(pairLeft[pair])] = true
            if keepsRight { isRightMatched[Int(pairRight[pair])] = true }
        }
    }

    /// The left chunk is through: its rows with (semi) or without (anti, left, full) a match.
    private func finish(_ chunk: Chunk) -> Chunk? {
        guard kind == .semi || kind == .anti || keepsLeft else { return nil }
        // More right rows are to come: then the row is decided.
        if let parts, parts.keepsMatches(isLeftMatched, chunk.count) { return nil }
        kept.count = 0
        for index in 0..<chunk.count {
            let row = chunk.selection[index]
            if isLeftMatched[row] == (kind == .semi) { kept.append(row) }
        }
        if kept.count == 0 { return nil }
        output.columns = chunk.columns
        if keepsLeft {
            for column in 0..<rightWidth { output.columns.append(nullVector(leftWidth + column)) }
        }
        output.selection = kept.selection
        return output
    }

    /// A pair column as a constant NULL.
    private func nullVector(_ column: Int) -> Vector {
        let vector = pairs.columns[column]
        vector.reset()
        vector.isConstant = true
        vector.setNull(0)
        return vector
    }

    /// After the last left row: right rows without a match.
    private func nextUnmatchedRight() throws(EngineError) -> Chunk? {
        guard keepsRight else { return nil }
        var count = 0
        while count < vectorCapacity, nextUnmatched < store.count {
            if !isRightMatched[nextUnmatched] {
                pairRight[count] = Int32(truncatingIfNeeded: nextUnmatched)
                count += 1
            }
            nextUnmatched += 1
        }
        if count == 0 { return nil }
        for column in 0..<leftWidth { _ = nullVector(column) }
        for column in 0..<rightWidth {
            let target = pairs.columns[leftWidth + column]
            target.reset()
            for index in 0..<count { store.load(Int(pairRight[index]), column, into: target, at: index) }
        }
        output.columns = pairs.columns
        output.selection = Selection(count: count)
        return output
    }

    override func close() {
        left.close()
        right.close()
        releaseTable()
        store.clear()
        parts?.close()
        parts = nil
        leftChunk = nil
        isLeftDone = true
    }
}
