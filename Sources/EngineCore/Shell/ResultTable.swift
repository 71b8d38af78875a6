// Rows as psql shows them: a heading, aligned columns, the number of rows. The first rows decide how wide the columns are, so that
// a result of any length needs no more memory than those; what is wider later sticks out.

import Platform

package struct ResultTable {
    package struct Column {
        package var name: [UInt8]
        package var isRight: Bool
        package init(_ name: [UInt8], isRight: Bool = false) {
            self.name = name
            self.isRight = isRight
        }
    }

    private let columns: [Column]
    private var widths: [Int]
    private var held: [[[UInt8]]] = []
    private var isHeading = true
    private var rowCount = 0
    private static let heldLimit = 200

    package init(_ columns: [Column]) {
        self.columns = columns
        widths = columns.map { Self.width($0.name) }
    }

    /// Takes a row; nulls are empty. What can be shown is appended to `output`.
    package mutating func add(_ row: [[UInt8]], _ output: inout [UInt8]) {
        rowCount += 1
        if !isHeading { return show(row, &output) }
        held.append(row)
        if held.count >= Self.heldLimit { release(&output) }
    }

    /// The rest, and the number of rows.
    package mutating func end(_ output: inout [UInt8]) {
        if isHeading { release(&output) }
        output += Array("(\(rowCount) \(rowCount == 1 ? "row" : "rows"))\n".utf8)
    }

    private mutating func release(_ output: inout [UInt8]) {
        isHeading = false
        for row in held {
            for (index, value) in row.enumerated() where index < widths.count {
                widths[index] = max(widths[index], Self.width(value))
            }
        }
        for (index, column) in columns.enumerated() {
            output += Array(index == 0 ? " ".utf8 : "| ".utf8)
            let blank = widths[index] - Self.width(column.name)
            output += Array(repeating: 0x20, count: blank / 2) + column.name
            output += Array(repeating: 0x20, count: blank - blank / 2 + 1)
        }
        output.append(0x0a)
        for (index, width) in widths.enumerated() {
            if index > 0 { output.append(0x2b) }
            output += Array(repeating: 0x2d, count: width + 2)
        }
        output.append(0x0a)
        for row in held { show(row, &output) }
        held = []
    }

    private func show(_ row: [[UInt8]], _ output: inout [UInt8]) {
        for (index, value) in row.enumerated() where index < widths.count {
            output += Array(index == 0 ? " ".utf8 : "| ".utf8)
            let blank = Array(repeating: UInt8(0x20), count: max(0, widths[index] - Self.width(value)))
            if columns[index].isRight {
                output += blank + value
            } else {
                output += value
                // Nothing trails the last column.
                if index < widths.count - 1 { output += blank }
            }
            if index < widths.count - 1 { output.append(0x20) }
        }
        output.append(0x0a)
    }

    private static func width(_ text: [UInt8]) -> Int {
        var count = 0
        for byte in text where byte & 0xc0 != 0x80 { count += 1 }
        return count
    }
}
