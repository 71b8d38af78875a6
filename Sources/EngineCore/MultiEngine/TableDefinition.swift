// A table as storage sees it: columns by position, where its trees are, and how its indexes make their keys. The catalog
// makes one from its descriptors; storage reads no catalog.
//
// A table is a tree of rows by rowid, a hidden number that a row keeps for life (it is the ctid). Every index, the primary
// key too, is a second tree. A unique index maps the encoded columns to the rowid; any other index, and a unique one for
// keys with a NULL, appends the rowid to the key.

import BTree
import Platform
import SQLTypes

package struct StoredColumn: Sendable {
    package var name: [UInt8]
    package var type: SQLType
    /// Dropped columns keep their place; they are written as NULL.
    package var isDropped: Bool
    /// What rows that were written before the column was added have.
    package var missing: Datum

    package init(name: [UInt8], type: SQLType, isDropped: Bool = false, missing: Datum = .null) {
        self.name = name
        self.type = type
        self.isDropped = isDropped
        self.missing = missing
    }
}

package struct StoredIndexColumn: Sendable {
    /// Position in the row: 0..<columns.count is a column of the table; from there on the values that the table's
    /// `IndexEvaluator` computes.
    package var position: Int
    package var type: SQLType
    package var isDescending: Bool
    package var isNullsFirst: Bool

    package init(position: Int, type: SQLType, isDescending: Bool = false, isNullsFirst: Bool = false) {
        self.position = position
        self.type = type
        self.isDescending = isDescending
        self.isNullsFirst = isNullsFirst
    }
}

package struct StoredIndex: Sendable {
    /// The index's OID.
    package var id: UInt32
    package var name: [UInt8]
    package var treeID: TreeID
    package var root: PageID
    package var columns: [StoredIndexColumn]
    package var isUnique: Bool
    package var nullsNotDistinct: Bool
    /// Position (as in StoredIndexColumn) of a computed bool: rows for which it is not true have no entry.
    package var predicatePosition: Int?
    /// How column i is written in messages; an expression's text for an expression.
    package var columnNames: [[UInt8]]

    package init(
        id: UInt32, name: [UInt8], treeID: TreeID, root: PageID, columns: [StoredIndexColumn], isUnique: Bool,
        nullsNotDistinct: Bool = false, predicatePosition: Int? = nil, columnNames: [[UInt8]] = []
    ) {
        self.id = id
        self.name = name
        self.treeID = treeID
        self.root = root
        self.columns = columns
        self.isUnique = isUnique
        self.nullsNotDistinct = nullsNotDistinct
        self.predicatePosition = predicatePosition
        self.columnNames = columnNames
    }
}

package struct TableDefinition: Sendable {
    /// The table's OID: what it is locked by.
    package var id: UInt32
    package var schemaName: [UInt8]
    package var name: [UInt8]
    package var columns: [StoredColumn]
    package var treeID: TreeID
    package var root: PageID
    package var indexes: [StoredIndex]

    package init(
        id: UInt32, schemaName: [UInt8] = [], name: [UInt8], columns: [StoredColumn], treeID: TreeID, root: PageID,
        indexes: [StoredIndex] = []
    ) {
        self.id = id
        self.schemaName = schemaName
        self.name = name
        self.columns = columns
        self.treeID = treeID
        self.root = root
        self.indexes = indexes
    }
}

/// Computes what expression and partial indexes need beyond the stored columns. Called whenever a row is indexed or
/// unindexed; must be immutable, as SQL requires of index expressions.
package protocol IndexEvaluator: AnyObject {
    /// How many values it computes.
    var count: Int { get }
    /// Fills positions `columnCount ..< columnCount + count` of `row` from the positions before.
    func compute(_ row: RowBuffer) throws(EngineError)
}
