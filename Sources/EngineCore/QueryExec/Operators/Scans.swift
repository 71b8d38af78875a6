// Scans of stored tables: whole, by rowid, through an index. A scan's vectors are bound to the cursor once; a batch is
// decoded straight into them.

import Fibers
import MultiEngine
import MVCC
import Platform
import SQL
import SQLTypes

/// What the scans share: the columns they fetch and their filter.
class ScanOperator: Operator {
    let table: TableStore
    let descriptor: TableDescriptor
    let columns: [ScanColumn]
    let filter: Evaluator?
    let output: Chunk
    /// Rows in a batch.
    let capacity: Int
    private var kept: SelectionBuffer
    /// Columns that come from storage: positions and their vectors. tableoid is a constant.
    let positions: [Int]
    let fetched: [Vector]

    init(
        _ descriptor: TableDescriptor, _ columns: [ScanColumn], filter: Evaluator?, capacity: Int, _ instance: Instance
    ) throws(EngineError) {
        table = try instance.tables.store(descriptor)
        self.descriptor = descriptor
        self.columns = columns
        self.filter = filter
        self.capacity = capacity
        kept = SelectionBuffer(capacity: capacity)
        var vectors: [Vector] = []
        var positions: [Int] = []
        var fetched: [Vector] = []
        for column in columns {
            if column.number == ScanColumn.tableOID {
                let vector = Vector(column.type, capacity: 1)
                try vector.setConstant(Datum(descriptor.oid))
                vectors.append(vector)
            } else {
                let vector = Vector(column.type, capacity: capacity)
                vectors.append(vector)
                fetched.append(vector)
                positions.append(column.number == ScanColumn.ctid ? ScanPosition.rowID : Int(column.number) - 1)
            }
        }
        self.positions = positions
        self.fetched = fetched
        output = Chunk(columns: vectors)
        super.init(instance)
    }

    /// The next batch that the cursor fills; 0 at the end.
    func fill() throws(EngineError) -> Int { preconditionFailure("a scan implements fill") }

    final override func next() throws(EngineError) -> Chunk? {
        while true {
            let count = try fill()
            if count == 0 { return nil }
            try instance.context.checkpoint()
            output.selection = Selection(count: count)
            guard let filter else { return output }
            try select(filter, output, output.selection, into: &kept)
            if kept.count == 0 { continue }
            if kept.count < count { output.selection = kept.selection }
            return output
        }
    }
}

/// All rows.
final class TableScanOperator: ScanOperator {
    private let cursor: TableCursor

    init(_ node: TableScan, filter: Evaluator?, _ instance: Instance) throws(EngineError) {
        cursor = TableCursor(try instance.tables.store(node.table))
        try super.init(node.table, node.columns, filter: filter, capacity: vectorCapacity, instance)
        cursor.bind(positions, fetched)
    }

    override func open() throws(EngineError) {
        let transaction = instance.context.transaction
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        transaction.noteRead(table.rows.versions, from: nothing, to: nothing)
        try cursor.open(instance.view)
    }

    override func fill() throws(EngineError) -> Int { try cursor.next() }
    override func close() { cursor.close() }
}

/// Rows by rowid.
final class RowIDScanOperator: ScanOperator {
    private let cursor: TableCursor
    private let rowID: Evaluator
    private let isArray: Bool
    private var pending: [UInt64] = []
    private let input = Chunk(selection: Selection(count: 1))

    init(_ node: RowIDScan, rowID: Evaluator, filter: Evaluator?, _ instance: Instance) throws(EngineError) {
        self.rowID = rowID
        isArray = node.isArray
        cursor = TableCursor(try instance.tables.store(node.table))
        try super.init(node.table, node.columns, filter: filter, capacity: vectorCapacity, instance)
        cursor.bind(positions, fetched)
    }

    override func open() throws(EngineError) {
        pending.removeAll(keepingCapacity: true)
        let value = try rowID.value(input)
        if value.isNull { return }
        if isArray {
            value.withBytes { bytes in
                let array = ArrayValue(bytes)
                for index in 0..<array.count where !array.isNull(index) {
                    pending.append(UInt64(bitPattern: array.cell(index).int64))
                }
            }
            pending.sort(by: >)
            var unique: [UInt64] = []
            for rowID in pending where unique.last != rowID { unique.append(rowID) }
            pending = unique
        } else {
            pending.append(UInt64(bitPattern: value.int64))
        }
    }

    override func fill() throws(EngineError) -> Int {
        while let rowID = pending.popLast() {
            if rowID == UInt64.max { continue }
            table.noteRead(instance.context.transaction, rowID: rowID)
            try cursor.open(instance.view, from: rowID, to: rowID + 1)
            let count = try cursor.next()
            if count > 0 { return count }
        }
        return 0
    }

    override func close() {
        cursor.close()
        pending.removeAll(keepingCapacity: true)
    }
}
