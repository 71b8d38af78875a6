// Keys of indexes: the columns in memory-comparable form (SQLTypes/Keys/NormalizedKey.swift), and the rowid behind them
// where the columns alone do not name the row. Bounds of scans are made of the same bytes.
//
// No column's encoding is a proper prefix of another's, and what follows a column starts with a byte below 0xFF (a marker or
// the high byte of a rowid). So, with P the encoding of the first columns, the keys that begin with those values are exactly
// those in P ..< P + 0xFF.

import Platform
import SQLTypes

package enum KeyCodec {
    /// Bytes of a rowid at the end of a key, or as an entry's row.
    package static let rowIDByteCount = 8

    /// True if the rowid is appended to the key: always in an index that is not unique, and in a unique one if a NULL makes
    /// the key equal to no other.
    static func append(_ index: StoredIndex, _ row: RowBuffer, rowID: UInt64, to key: inout ByteBuffer) -> Bool {
        var hasNull = false
        for column in index.columns {
            let isNull = row.nulls[column.position]
            hasNull = hasNull || isNull
            NormalizedKey.append(
                isNull ? nil : row.cells[column.position], type: column.type.oid, descending: column.isDescending,
                nullsFirst: column.isNullsFirst, to: &key)
        }
        let names = index.isUnique && (!hasNull || index.nullsNotDistinct)
        if !names { key.appendBig(rowID) }
        return !names
    }
}

/// The part of an index that a scan visits, as key bytes. Made once per plan and refilled for each execution.
package struct IndexBounds: ~Copyable {
    package private(set) var lower = ByteBuffer(capacity: 64)
    package private(set) var upper = ByteBuffer(capacity: 64)
    private var prefix = ByteBuffer(capacity: 64)
    /// The prefix fixes all key columns to values: in a unique index at most one row.
    package private(set) var fixedColumnCount = 0
    private var hasNullPrefix = false
    /// No key can satisfy the conditions (a comparison with NULL).
    package private(set) var isEmpty = false

    package init() {}

    /// The whole index.
    package mutating func reset() {
        prefix.removeAll()
        lower.removeAll()
        upper.removeAll()
        fixedColumnCount = 0
        hasNullPrefix = false
        isEmpty = false
    }

    /// The next column equals the value; nil (NULL) selects nothing.
    package mutating func equal(_ cell: Cell?, _ column: StoredIndexColumn) {
        guard let cell else {
            isEmpty = true
            return
        }
        fixedColumnCount += 1
        NormalizedKey.append(
            cell, type: column.type.oid, descending: column.isDescending, nullsFirst: column.isNullsFirst, to: &prefix)
    }

    /// The next column is NULL.
    package mutating func isNull(_ column: StoredIndexColumn) {
        fixedColumnCount += 1
        hasNullPrefix = true
        NormalizedKey.append(
            nil, type: column.type.oid, descending: column.isDescending, nullsFirst: column.isNullsFirst, to: &prefix)
    }

    /// Only the prefix.
    package mutating func finish() {
        lower.append(prefix.bytes)
        if prefix.count > 0 {
            upper.append(prefix.bytes)
            upper.append(0xFF)
        }
    }

    /// The column after the prefix lies between two values, in value order; a missing bound is none, but NULLs are left out.
    package mutating func finish(
        lower low: Cell?, isLowInclusive: Bool, upper high: Cell?, isHighInclusive: Bool, _ column: StoredIndexColumn
    ) {
        let (first, firstInclusive) = column.isDescending ? (high, isHighInclusive) : (low, isLowInclusive)
        let (last, lastInclusive) = column.isDescending ? (low, isLowInclusive) : (high, isHighInclusive)
        lower.append(prefix.bytes)
        if let first {
            NormalizedKey.append(
                first, type: column.type.oid, descending: column.isDescending, nullsFirst: false, to: &lower)
            if !firstInclusive { lower.append(0xFF) }
        } else {
            lower.append(0x01)
        }
        upper.append(prefix.bytes)
        if let last {
            NormalizedKey.append(
                last, type: column.type.oid, descending: column.isDescending, nullsFirst: false, to: &upper)
            if lastInclusive { upper.append(0xFF) }
        } else {
            upper.append(0x02)
        }
    }

    /// True if the bounds name one key of a unique index: `lower` without `upper` is that key.
    package func isPoint(_ index: StoredIndex) -> Bool {
        index.isUnique && fixedColumnCount == index.columns.count && (!hasNullPrefix || index.nullsNotDistinct)
    }
}
