// Tables, indexes, sequences and views: their definitions and changes.

package enum Persistence: UInt8, Sendable { case permanent, temporary, unlogged }

package enum OnCommit: UInt8, Sendable { case unspecified, preserveRows, deleteRows, drop }

package final class CreateTable: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package var name: QualifiedName
    package var persistence: Persistence = .permanent
    package var ifNotExists = false
    /// Columns, constraints and LIKE clauses in the order written.
    package var elements: [TableElement] = []
    package var inherits: [QualifiedName] = []
    package var partitionBy: PartitionBy?
    package var partitionOf: QualifiedName?
    package var partitionBound: PartitionBound?
    /// CREATE TABLE OF type.
    package var ofType: QualifiedName?
    package var accessMethod: Name?
    /// WITH (…).
    package var options: [Option] = []
    package var onCommit: OnCommit = .unspecified
    package var tablespace: Name?
    /// CREATE FOREIGN TABLE … SERVER.
    package var foreignServer: Name?
    package init(name: QualifiedName) { self.name = name }
}

package enum TableElement: Sendable {
    case column(ColumnDefinition)
    case constraint(TableConstraint)
    case like(QualifiedName, LikeOptions)
}

/// INCLUDING and EXCLUDING of LIKE, as the set that remains.
package struct LikeOptions: OptionSet, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }
    package static let comments = LikeOptions(rawValue: 1)
    package static let compression = LikeOptions(rawValue: 2)
    package static let constraints = LikeOptions(rawValue: 4)
    package static let defaults = LikeOptions(rawValue: 8)
    package static let generated = LikeOptions(rawValue: 16)
    package static let identity = LikeOptions(rawValue: 32)
    package static let indexes = LikeOptions(rawValue: 64)
    package static let statistics = LikeOptions(rawValue: 128)
    package static let storage = LikeOptions(rawValue: 256)
    package static let all = LikeOptions(rawValue: 511)
}

package final class ColumnDefinition: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package var name: Name
    /// nil in tables OF a type and partitions, where the type comes from elsewhere.
    package var type: TypeName?
    package var collation: QualifiedName?
    package var compression: Name?
    package var constraints: [ColumnConstraint] = []
    package var position: Int32
    package init(name: Name, type: TypeName?, position: Int32) {
        self.name = name
        self.type = type
        self.position = position
    }
}

/// A constraint written with its column.
package struct ColumnConstraint: Sendable {
    package enum Kind: Sendable {
        case null
        case notNull
        case defaultValue(Expression)
        case check(Expression, noInherit: Bool)
        case unique(nullsNotDistinct: Bool, IndexParameters)
        case primaryKey(IndexParameters)
        case references(ForeignKey)
        case identity(always: Bool, [SequenceOption])
        /// GENERATED ALWAYS AS (…) STORED.
        case generated(Expression)
    }
    package var name: Name?
    package var kind: Kind
    package var timing: ConstraintTiming
    package var position: Int32
}

/// A constraint written as an element of its own.
package final class TableConstraint: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package enum Kind: Sendable {
        case check(Expression, noInherit: Bool)
        case unique([Name], nullsNotDistinct: Bool, IndexParameters)
        case primaryKey([Name], IndexParameters)
        /// ADD CONSTRAINT … UNIQUE | PRIMARY KEY USING INDEX name.
        case usingIndex(Name, primary: Bool)
        case foreignKey([Name], ForeignKey)
        case exclude(
            method: Name?, [(element: IndexElement, op: OperatorReference)], IndexParameters, filter: Expression?)
    }
    package var name: Name?
    package var kind: Kind
    package var timing: ConstraintTiming
    /// NOT VALID.
    package var isNotValid = false
    package var position: Int32
    package init(name: Name?, kind: Kind, timing: ConstraintTiming, position: Int32) {
        self.name = name
        self.kind = kind
        self.timing = timing
        self.position = position
    }
}

package struct ConstraintTiming: Sendable {
    package var deferrable: Bool?
    package var initiallyDeferred: Bool?
    package init() {}
}

/// INCLUDE (…) WITH (…) USING INDEX TABLESPACE of a constraint that makes an index.
package struct IndexParameters: Sendable {
    package var include: [Name] = []
    package var options: [Option] = []
    package var tablespace: Name?
    package init() {}
}

package struct ForeignKey: Sendable {
    package enum Match: UInt8, Sendable { case simple, full, partial }
    package enum Action: UInt8, Sendable { case noAction, restrict, cascade, setNull, setDefault }
    package var table: QualifiedName
    /// Empty: the primary key.
    package var columns: [Name]
    package var match: Match = .simple
    package var onDelete: Action = .noAction
    /// ON DELETE SET NULL (columns) | SET DEFAULT (columns).
    package var onDeleteColumns: [Name] = []
    package var onUpdate: Action = .noAction
}

package struct PartitionBy: Sendable {
    package var strategy: Name
    package var elements: [IndexElement]
}

package enum PartitionBound: Sendable {
    case `default`
    case list([Expression])
    /// MINVALUE and MAXVALUE come as column references of those names, as in PostgreSQL.
    case range(from: [Expression], to: [Expression])
    case hash(modulus: Int64, remainder: Int64)
}

/// CREATE TABLE … AS, CREATE MATERIALIZED VIEW.
package final class CreateTableAs: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package var name: QualifiedName
    package var columns: [Name] = []
    package var persistence: Persistence = .permanent
    package var isMaterializedView = false
    package var ifNotExists = false
    package var accessMethod: Name?
    package var options: [Option] = []
    package var onCommit: OnCommit = .unspecified
    package var tablespace: Name?
    /// A query, or EXECUTE.
    package var source: Statement
    package var withData = true
    package init(name: QualifiedName, source: Statement) {
        self.name = name
        self.source = source
    }
}

// MARK: - ALTER TABLE

package struct AlterTable: Sendable {
    /// ALTER INDEX, VIEW, SEQUENCE and MATERIALIZED VIEW take the same actions.
    package enum ObjectKind: UInt8, Sendable { case table, index, view, materializedView, sequence, foreignTable, type }
    package var kind: ObjectKind
    package var table: QualifiedName
    package var only: Bool
    package var ifExists: Bool
    package var actions: [AlterTableAction]
}

package indirect enum AlterTableAction: Sendable {
    case addColumn(ColumnDefinition, ifNotExists: Bool)
    case dropColumn(Name, ifExists: Bool, cascade: Bool)
    case alterType(Name, TypeName, collation: QualifiedName?, using: Expression?)
    case setDefault(Name, Expression)
    case dropDefault(Name)
    case setNotNull(Name)
    case dropNotNull(Name)
    case dropExpression(Name, ifExists: Bool)
    case setStatistics(Name, Int64)
    case setColumnOptions(Name, [Option])
    case resetColumnOptions(Name, [Option])
    case setStorage(Name, Name)
    case setCompression(Name, Name)
    case addIdentity(Name, always: Bool, [SequenceOption])
    case alterIdentity(Name, always: Bool?, [SequenceOption])
    case dropIdentity(Name, ifExists: Bool)
    case addConstraint(TableConstraint)
    case alterConstraint(Name, ConstraintTiming)
    case validateConstraint(Name)
    case dropConstraint(Name, ifExists: Bool, cascade: Bool)
    case setOptions([Option])
    case resetOptions([Option])
    case owner(RoleSpecification)
    case setTablespace(Name)
    case setAccessMethod(Name)
    case setPersistence(Persistence)
    case clusterOn(Name)
    case setWithoutCluster
    case inherit(QualifiedName)
    case noInherit(QualifiedName)
    case attachPartition(QualifiedName, PartitionBound)
    case detachPartition(QualifiedName, concurrently: Bool, finalize: Bool)
    /// ALTER INDEX … ATTACH PARTITION.
    case attachIndex(QualifiedName)
    case rowSecurity(RowSecurity)
    case replicaIdentity(ReplicaIdentity)
    /// ENABLE and DISABLE of triggers and rules; the words after ALTER TABLE name.
    case enableDisable(StaticString, Name?)
    case ofType(QualifiedName)
    case notOf

    package enum RowSecurity: UInt8, Sendable { case enable, disable, force, noForce }
    package enum ReplicaIdentity: Sendable { case `default`, full, nothing, index(Name) }
}

// MARK: - Indexes, sequences, views

package final class CreateIndex: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package var name: Name?
    package var table: QualifiedName
    package var only = false
    package var unique = false
    package var concurrently = false
    package var ifNotExists = false
    /// nil: btree.
    package var method: Name?
    package var elements: [IndexElement] = []
    package var include: [IndexElement] = []
    package var nullsNotDistinct = false
    package var options: [Option] = []
    package var tablespace: Name?
    package var filter: Expression?
    package init(table: QualifiedName) { self.table = table }
}

package struct IndexElement: Sendable {
    /// A plain column is `.column([name])`.
    package var expression: Expression
    package var collation: QualifiedName?
    package var operatorClass: QualifiedName?
    package var operatorClassOptions: [Option] = []
    /// Unspecified, ascending or descending.
    package var direction: SortItem.Direction = .unspecified
    package var nulls: SortItem.Nulls = .unspecified
}

package enum SequenceOption: Sendable {
    case type(TypeName)
    case start(Int64)
    case increment(Int64)
    case minimum(Int64?)
    case maximum(Int64?)
    case cache(Int64)
    case cycle(Bool)
    /// nil: OWNED BY NONE.
    case ownedBy(QualifiedName?)
    /// nil: RESTART without value.
    case restart(Int64?)
    case sequenceName(QualifiedName)
}

package struct CreateSequence: Sendable {
    package var name: QualifiedName
    package var persistence: Persistence
    package var ifNotExists: Bool
    package var options: [SequenceOption]
}

package struct AlterSequence: Sendable {
    package var name: QualifiedName
    package var ifExists: Bool
    package var options: [SequenceOption]
}

package final class CreateView: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package enum CheckOption: UInt8, Sendable { case none, local, cascaded }
    package var name: QualifiedName
    package var columns: [Name] = []
    package var orReplace = false
    package var recursive = false
    package var persistence: Persistence = .permanent
    package var options: [Option] = []
    package var query: Query
    package var checkOption: CheckOption = .none
    /// Bytes of the query text that the defining query spans.
    package var queryStart = 0
    package var queryEnd = 0
    package init(name: QualifiedName, query: Query) {
        self.name = name
        self.query = query
    }
}

package struct RefreshMaterializedView: Sendable {
    package var name: QualifiedName
    package var concurrently: Bool
    package var withData: Bool
}

package struct Truncate: Sendable {
    package var tables: [TableReference]
    package var restartIdentity: Bool
    package var cascade: Bool
}
