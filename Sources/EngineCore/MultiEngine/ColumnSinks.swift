// Where decoded columns of a scan go: bound once to the vectors of an operator, so that filling a batch row by row neither
// counts references nor looks anything up.

import Platform
import SQLTypes

/// What a cursor can deliver besides the table's columns (whose positions are 0 and up).
package enum ScanPosition {
    /// The rowid as int64 (type tid).
    package static let rowID = -1
}

struct ColumnSinks: ~Copyable {
    struct Sink: BitwiseCopyable {
        var vector: Unmanaged<Vector>
        var data: UnsafeMutableRawPointer
        var physical: Physical
        var position: Int32
    }
    private(set) var sinks: UnsafeMutablePointer<Sink>
    private(set) var count = 0
    private var vectors: [Vector] = []

    init() { sinks = .allocate(capacity: 1) }
    deinit { sinks.deallocate() }

    /// `positions[i]` goes to `vectors[i]`.
    mutating func bind(_ positions: [Int], _ vectors: [Vector]) {
        precondition(positions.count == vectors.count, "one vector for each column")
        self.vectors = vectors
        sinks.deallocate()
        sinks = .allocate(capacity: max(positions.count, 1))
        count = positions.count
        for index in 0..<count {
            let vector = vectors[index]
            sinks[index] = Sink(
                vector: Unmanaged.passUnretained(vector), data: vector.data, physical: vector.physical,
                position: Int32(positions[index]))
        }
    }

    func reset() {
        for index in 0..<count { sinks[index].vector._withUnsafeGuaranteedRef { $0.reset() } }
    }

    /// Decodes one row into position `target` of every vector. Errors: 53200, XX001.
    @inline(__always)
    func store(_ row: UnsafeRawBufferPointer, rowID: UInt64, _ codec: borrowing RowCodec, at target: Int)
        throws(EngineError)
    {
        try codec.check(row)
        for index in 0..<count {
            let sink = sinks[index]
            if sink.position < 0 {
                (sink.data + target * 8).storeBytes(of: rowID, as: UInt64.self)
                continue
            }
            if let cell = try codec.cell(Int(sink.position), of: row) {
                try store(cell, sink, at: target)
            } else {
                sink.vector._withUnsafeGuaranteedRef { $0.setNull(target) }
            }
        }
    }

    @inline(__always) func store(_ cell: Cell, _ sink: Sink, at target: Int) throws(EngineError) {
        if sink.physical == .bytes && !cell.bytes.isInline {
            let view = cell.bytes
            let bytes = UnsafeRawBufferPointer(start: view.pointer, count: view.count)
            let copy = try sink.vector.takeUnretainedValue().heap.copy(bytes)
            Cell(copy).store(to: sink.data + target * 16, .bytes)
        } else {
            cell.store(to: sink.data + target * sink.physical.width, sink.physical)
        }
    }
}
