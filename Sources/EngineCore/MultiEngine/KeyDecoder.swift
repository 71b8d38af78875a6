// Takes column values out of index keys, for index-only scans.

import Platform
import SQLTypes

struct KeyDecoder {
    private struct Column {
        var kind: ValueClass
        var isDescending: Bool
        var position: Int
    }
    private let columns: [Column]
    /// Which sink takes key column i; -1: none.
    private var sinkOfColumn: [Int] = []
    private var rowIDSinks: [Int] = []
    private var lastColumn = -1

    init(_ index: StoredIndex) {
        columns = index.columns.map {
            Column(kind: ValueClass.of($0.type.oid), isDescending: $0.isDescending, position: $0.position)
        }
    }

    /// The column is in the key, its encoding keeps the value, and the lengths of those before it can be told.
    func canDecode(position: Int) -> Bool {
        for column in columns {
            if !NormalizedKey.isLossless(column.kind) { return false }
            if column.position == position { return true }
        }
        return false
    }

    mutating func bind(_ positions: [Int]) {
        sinkOfColumn = columns.map { _ in -1 }
        rowIDSinks = []
        lastColumn = -1
        for (sink, position) in positions.enumerated() {
            if position == ScanPosition.rowID {
                rowIDSinks.append(sink)
                continue
            }
            guard let column = columns.firstIndex(where: { $0.position == position }) else { continue }
            sinkOfColumn[column] = sink
            lastColumn = max(lastColumn, column)
        }
    }

    func store(_ key: UnsafeRawBufferPointer, rowID: UInt64, _ sinks: borrowing ColumnSinks, at target: Int)
        throws(EngineError)
    {
        for sink in rowIDSinks { (sinks.sinks[sink].data + target * 8).storeBytes(of: rowID, as: UInt64.self) }
        var rest = key
        var index = 0
        while index <= lastColumn {
            let column = columns[index]
            let length: Int?
            if sinkOfColumn[index] >= 0 {
                let vector = sinks.sinks[sinkOfColumn[index]].vector.takeUnretainedValue()
                length = try NormalizedKey.decode(
                    rest, column.kind, descending: column.isDescending, into: vector, row: target)
            } else {
                length = NormalizedKey.columnLength(rest, column.kind, descending: column.isDescending)
            }
            guard let length, length <= rest.count else {
                throw EngineError(.indexCorrupted, "an index key is damaged")
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[length...])
            index += 1
        }
    }
}
