// What operators hand to each other: up to 1,024 rows as one vector per column, and which of the rows count.

import Platform
import SQLTypes

/// Rows of a batch. The vectors belong to whoever produced the chunk: they are valid until its next `next()`.
package final class Chunk {
    package var columns: [Vector]
    /// Rows that count, by position in the vectors.
    package var selection: Selection

    package init(columns: [Vector] = [], selection: Selection = Selection(count: 0)) {
        self.columns = columns
        self.selection = selection
    }

    /// Rows that count.
    @inline(__always) package var count: Int { selection.count }
}

/// Row numbers that a filter or a join kept: a buffer of its own, as long as the operator lives.
package struct SelectionBuffer: ~Copyable {
    package let rows: UnsafeMutablePointer<UInt16>
    package var count = 0

    package init(capacity: Int = vectorCapacity) { rows = .allocate(capacity: capacity) }
    deinit { rows.deallocate() }

    @inline(__always) package mutating func append(_ row: Int) {
        rows[count] = UInt16(truncatingIfNeeded: row)
        count += 1
    }
    package var selection: Selection { Selection(count: count, rows: UnsafePointer(rows)) }
}
