// What the catalog keeps about each object. A descriptor is immutable once published; DDL makes a changed copy.
//
// A table's descriptor holds its columns, constraints and indexes, so that one lookup yields everything a plan needs and
// one write changes it atomically. Numbers (OIDs, attribute numbers, flags) are PostgreSQL's, since the pg_catalog
// relations are computed from here.

import Platform
import SQLTypes

/// OID of a catalog object; user objects have 16384 and up.
package typealias ObjectID = UInt32

package enum WellKnownOID {
    package static let pgCatalogSchema: ObjectID = 11
    package static let pgToastSchema: ObjectID = 99
    package static let publicSchema: ObjectID = 2200
    package static let informationSchema: ObjectID = 13_000
    package static let bootstrapRole: ObjectID = 10
    package static let databaseOwnerRole: ObjectID = 6171
    package static let firstUserObject: ObjectID = 16_384
    package static let postgresDatabase: ObjectID = 5
    package static let heapAccessMethod: ObjectID = 2
    package static let btreeAccessMethod: ObjectID = 403
    package static let defaultTablespace: ObjectID = 1663
}

/// pg_class.relkind.
package enum RelationKind: UInt8, Sendable {
    case table = 0x72  // r
    case index = 0x69  // i
    case sequence = 0x53  // S
    case view = 0x76  // v
}

package enum RelationPersistence: UInt8, Sendable {
    case permanent = 0x70  // p
    case unlogged = 0x75  // u
    case temporary = 0x74  // t
}

package struct ColumnDescriptor: Sendable {
    package enum Identity: UInt8, Sendable {
        case none = 0
        case always = 0x61  // a
        case byDefault = 0x64  // d
    }
    package var name: [UInt8]
    /// From 1; kept when earlier columns are dropped.
    package var number: Int16
    package var type: SQLType
    package var isNotNull = false
    package var isDropped = false
    /// SQL text; nil: NULL.
    package var defaultText: [UInt8]?
    /// Stored generated column: `defaultText` is its expression.
    package var isGenerated = false
    package var identity = Identity.none
    /// Sequence owned through serial or identity; 0 if none.
    package var ownedSequence: ObjectID = 0
    /// Rows written before the column was added read as this (the default then); NULL if nil. Text form of the type.
    package var missingValue: [UInt8]?
    /// 0: the type's default.
    package var collation: ObjectID = 0
    package var comment: [UInt8]?
    /// Fixed part of PostgreSQL's declared dimensions, for pg_attribute only.
    package var dimensions: Int16 = 0
}

package struct IndexColumn: Sendable {
    /// Attribute number; 0 for an expression.
    package var number: Int16
    /// SQL text of an expression.
    package var expressionText: [UInt8]?
    package var type: SQLType
    package var isDescending: Bool
    package var isNullsFirst: Bool
    /// OID of the operator class as shown by pg_index; 0: default of the type.
    package var operatorClass: ObjectID
}

package final class IndexDescriptor: @unchecked Sendable {
    package let oid: ObjectID
    package let table: ObjectID
    package let name: [UInt8]
    /// Storage tree; see MultiEngine.
    package let treeID: UInt32
    package let rootPage: UInt64
    package let keyColumns: [IndexColumn]
    /// INCLUDE columns.
    package let includedColumns: [Int16]
    package let isUnique: Bool
    package let isPrimary: Bool
    /// UNIQUE NULLS NOT DISTINCT.
    package let nullsNotDistinct: Bool
    /// Partial index.
    package let predicateText: [UInt8]?
    package let comment: [UInt8]?
    /// Accepted and shown, without effect.
    package let options: [[UInt8]]

    package init(
        oid: ObjectID, table: ObjectID, name: [UInt8], treeID: UInt32, rootPage: UInt64, keyColumns: [IndexColumn],
        includedColumns: [Int16] = [], isUnique: Bool, isPrimary: Bool, nullsNotDistinct: Bool = false,
        predicateText: [UInt8]? = nil, comment: [UInt8]? = nil, options: [[UInt8]] = []
    ) {
        self.oid = oid
        self.table = table
        self.name = name
        self.treeID = treeID
        self.rootPage = rootPage
        self.keyColumns = keyColumns
        self.includedColumns = includedColumns
        self.isUnique = isUnique
        self.isPrimary = isPrimary
        self.nullsNotDistinct = nullsNotDistinct
        self.predicateText = predicateText
        self.comment = comment
        self.options = options
    }
    /// Only plain columns and no predicate: usable by uniqueness proofs.
    package var isPlain: Bool {
        if predicateText != nil { return false }
        for column in keyColumns where column.number == 0 { return false }
        return true
    }
}

package struct ConstraintDescriptor: Sendable {
    package enum Kind: UInt8, Sendable {
        case check = 0x63  // c
        case primaryKey = 0x70  // p
        case unique = 0x75  // u
    }
    package var oid: ObjectID
    package var name: [UInt8]
    package var kind: Kind
    /// Column numbers; of a check, those it mentions.
    package var columns: [Int16]
    /// Backing index; 0 for checks.
    package var index: ObjectID = 0
    /// SQL text of a check.
    package var expressionText: [UInt8]?
    package var isDeferrable = false
    package var isInitiallyDeferred = false
    package var comment: [UInt8]?
}

/// A table. Views and sequences have descriptors of their own.
package final class TableDescriptor: @unchecked Sendable {
    package let oid: ObjectID
    package let schema: ObjectID
    package let name: [UInt8]
    package let owner: ObjectID
    package let persistence: RelationPersistence
    /// Index is attribute number - 1; dropped columns stay.
    package let columns: [ColumnDescriptor]
    package let constraints: [ConstraintDescriptor]
    package let indexes: [IndexDescriptor]
    package let treeID: UInt32
    package let rootPage: UInt64
    package let options: [[UInt8]]
    package let comment: [UInt8]?
    /// From the last ANALYZE; nil if there was none.
    package let statistics: TableStatistics?

    package init(
        oid: ObjectID, schema: ObjectID, name: [UInt8], owner: ObjectID, persistence: RelationPersistence = .permanent,
        columns: [ColumnDescriptor], constraints: [ConstraintDescriptor] = [], indexes: [IndexDescriptor] = [],
        treeID: UInt32, rootPage: UInt64, options: [[UInt8]] = [], comment: [UInt8]? = nil,
        statistics: TableStatistics? = nil
    ) {
        self.oid = oid
        self.schema = schema
        self.name = name
        self.owner = owner
        self.persistence = persistence
        self.columns = columns
        self.constraints = constraints
        self.indexes = indexes
        self.treeID = treeID
        self.rootPage = rootPage
        self.options = options
        self.comment = comment
        self.statistics = statistics
    }

    package var primaryKey: IndexDescriptor? {
        for index in indexes where index.isPrimary { return index }
        return nil
    }
    package func index(_ oid: ObjectID) -> IndexDescriptor? {
        for index in indexes where index.oid == oid { return index }
        return nil
    }
    /// Live columns only.
    package func column(named name: [UInt8]) -> ColumnDescriptor? {
        for column in columns where !column.isDropped && column.name == name { return column }
        return nil
    }
}

package final class ViewDescriptor: @unchecked Sendable {
    package let oid: ObjectID
    package let schema: ObjectID
    package let name: [UInt8]
    package let owner: ObjectID
    package let columns: [ColumnDescriptor]
    /// The defining query as written.
    package let queryText: [UInt8]
    /// Schemas that names in it are looked up in.
    package let searchPath: [ObjectID]
    /// Relations it reads, for dependency refusals.
    package let dependencies: [ObjectID]
    package let comment: [UInt8]?
    package init(
        oid: ObjectID, schema: ObjectID, name: [UInt8], owner: ObjectID, columns: [ColumnDescriptor],
        queryText: [UInt8], searchPath: [ObjectID], dependencies: [ObjectID], comment: [UInt8]? = nil
    ) {
        self.oid = oid
        self.schema = schema
        self.name = name
        self.owner = owner
        self.columns = columns
        self.queryText = queryText
        self.searchPath = searchPath
        self.dependencies = dependencies
        self.comment = comment
    }
}

package final class SequenceDescriptor: @unchecked Sendable {
    package let oid: ObjectID
    package let schema: ObjectID
    package let name: [UInt8]
    package let owner: ObjectID
    package let type: TypeOID
    package let start: Int64
    package let increment: Int64
    package let minimum: Int64
    package let maximum: Int64
    package let cache: Int64
    package let isCycling: Bool
    /// Table and column that own it; 0 if none.
    package let ownerTable: ObjectID
    package let ownerColumn: Int16
    package let isIdentity: Bool
    package let comment: [UInt8]?
    package init(
        oid: ObjectID, schema: ObjectID, name: [UInt8], owner: ObjectID, type: TypeOID, start: Int64, increment: Int64,
        minimum: Int64, maximum: Int64, cache: Int64, isCycling: Bool, ownerTable: ObjectID = 0,
        ownerColumn: Int16 = 0, isIdentity: Bool = false, comment: [UInt8]? = nil
    ) {
        self.oid = oid
        self.schema = schema
        self.name = name
        self.owner = owner
        self.type = type
        self.start = start
        self.increment = increment
        self.minimum = minimum
        self.maximum = maximum
        self.cache = cache
        self.isCycling = isCycling
        self.ownerTable = ownerTable
        self.ownerColumn = ownerColumn
        self.isIdentity = isIdentity
        self.comment = comment
    }
}

package struct SchemaDescriptor: Sendable {
    package var oid: ObjectID
    package var name: [UInt8]
    package var owner: ObjectID
    package var comment: [UInt8]?
}

package struct DatabaseDescriptor: Sendable {
    package var oid: ObjectID
    package var name: [UInt8]
    package var owner: ObjectID
    package var allowsConnections = true
    package var isTemplate = false
    package var connectionLimit: Int32 = -1
    package var comment: [UInt8]?
}

package struct RoleDescriptor: Sendable {
    package var oid: ObjectID
    package var name: [UInt8]
    package var isSuperuser = false
    package var canLogin = false
    package var canCreateRole = false
    package var canCreateDatabase = false
    package var inherits = true
    package var canReplicate = false
    package var bypassesRowSecurity = false
    package var connectionLimit: Int32 = -1
    /// SCRAM verifier in PostgreSQL's text form; nil: none.
    package var password: [UInt8]?
    package var validUntil: Int64?
    package var memberOf: [ObjectID] = []
}

/// What ANALYZE learnt of a column. Values are in the type's text form.
package struct ColumnStatistics: Sendable {
    package var number: Int16
    package var nullFraction: Double
    package var averageWidth: Int
    /// Positive: a count; negative: minus the fraction of rows (PostgreSQL's stadistinct).
    package var distinctCount: Double
    package var mostCommonValues: [[UInt8]] = []
    package var mostCommonFrequencies: [Double] = []
    /// Bounds of equally full buckets of the other values.
    package var histogram: [[UInt8]] = []
    /// Between physical and value order, -1…1.
    package var correlation: Double = 0
}

package final class TableStatistics: @unchecked Sendable {
    package let rowCount: Double
    package let pageCount: Double
    package let columns: [ColumnStatistics]
    package init(rowCount: Double, pageCount: Double, columns: [ColumnStatistics]) {
        self.rowCount = rowCount
        self.pageCount = pageCount
        self.columns = columns
    }
    package func column(_ number: Int16) -> ColumnStatistics? {
        for column in columns where column.number == number { return column }
        return nil
    }
}
