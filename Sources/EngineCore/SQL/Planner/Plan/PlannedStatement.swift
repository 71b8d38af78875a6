// What planning a statement yields.

import Platform
import SQLSyntax
import SQLTypes

/// A planned SELECT, VALUES, INSERT, UPDATE or DELETE. Immutable and shareable: see PlanNode.
package final class PlannedQuery: @unchecked Sendable {
    package enum Kind: UInt8, Sendable { case select, insert, update, delete }
    package let kind: Kind
    package let root: PlanNode
    /// Cells in an execution's correlation array.
    package let correlationCount: Int
    /// What the cells stand for, for EXPLAIN.
    package let correlationColumns: [OutputColumn]
    /// Materialised WITH queries, by CommonTableScan.index, each computed when first read, once per execution.
    /// nil: the index is a recursion's working table.
    package let commonTables: [PlanNode?]
    /// Types of $1…; unresolved ones have become text.
    package let parameterTypes: [SQLType]
    /// Columns of the result; empty for a modification without RETURNING.
    package let resultColumns: [OutputColumn]
    /// Whether rows come back (SELECT or RETURNING).
    package let returnsRows: Bool
    /// No LockRows, no modification, no volatile function: allowed in read-only transactions and for parallelism.
    package let isReadOnly: Bool
    /// The plan is valid while `Catalog.version` has this value.
    package let catalogVersion: UInt64
    /// Relations and their lock modes: an execution of a cached plan takes them again before it checks the version.
    package let locks: [RelationLock]

    init(
        kind: Kind, root: PlanNode, correlationColumns: [OutputColumn], commonTables: [PlanNode?],
        parameterTypes: [SQLType],
        resultColumns: [OutputColumn], returnsRows: Bool, isReadOnly: Bool, catalogVersion: UInt64,
        locks: [RelationLock]
    ) {
        self.kind = kind
        self.root = root
        self.correlationColumns = correlationColumns
        correlationCount = correlationColumns.count
        self.commonTables = commonTables
        self.parameterTypes = parameterTypes
        self.resultColumns = resultColumns
        self.returnsRows = returnsRows
        self.isReadOnly = isReadOnly
        self.catalogVersion = catalogVersion
        self.locks = locks
    }
}

package struct RelationLock: Sendable {
    package var relation: ObjectID
    package var mode: TableLockMode
}

/// PostgreSQL's table lock modes, by their numbers.
package enum TableLockMode: UInt8, Sendable, Comparable {
    case accessShare = 1
    case rowShare, rowExclusive, shareUpdateExclusive, share, shareRowExclusive, exclusive, accessExclusive
    package static func < (a: TableLockMode, b: TableLockMode) -> Bool { a.rawValue < b.rawValue }
}

/// EXPLAIN's options.
package struct ExplainOptions: Sendable {
    package enum Format: UInt8, Sendable { case text, json }
    package var isAnalyze = false
    package var isVerbose = false
    package var showsCosts = true
    package var showsTiming = true
    package var showsBuffers = false
    package var showsSummary = false
    package var format = Format.text
}

/// COPY as the executor and the wire need it.
package final class CopyPlan: @unchecked Sendable {
    package enum Format: UInt8, Sendable { case text, csv, binary }
    package struct Options: Sendable {
        package var format = Format.text
        package var delimiter: UInt8 = 0x09
        package var null: [UInt8] = Array("\\N".utf8)
        package var hasHeader = false
        /// HEADER MATCH.
        package var matchesHeader = false
        package var quote: UInt8 = 0x22
        package var escape: UInt8 = 0x22
        /// Positions in the column list; `forcesAllQuotes` for `*`.
        package var forceQuote: [Int] = []
        package var forcesAllQuotes = false
        package var forceNotNull: [Int] = []
        package var forceNull: [Int] = []
    }
    package let isFrom: Bool
    package let options: Options
    /// Columns in stream order.
    package let columns: [OutputColumn]
    /// COPY FROM: the target, with `columnNumbers` in stream order.
    package let table: TableDescriptor?
    package let columnNumbers: [Int16]
    /// COPY FROM: one expression per table column, over slots 0..<columnNumbers.count = the stream's row, as
    /// `InsertNode.values`; then constraints as there. `filter` (COPY … WHERE) is over the new tuple.
    package let values: [BoundExpression]
    package let generated: [ColumnAssignment]
    package let constraints: RowConstraints
    package let filter: BoundExpression?
    /// COPY TO: what to run.
    package let query: PlannedQuery?
    package let locks: [RelationLock]
    package let catalogVersion: UInt64

    init(
        isFrom: Bool, options: Options, columns: [OutputColumn], table: TableDescriptor?, columnNumbers: [Int16],
        values: [BoundExpression], generated: [ColumnAssignment], constraints: RowConstraints,
        filter: BoundExpression?, query: PlannedQuery?, locks: [RelationLock], catalogVersion: UInt64
    ) {
        self.isFrom = isFrom
        self.options = options
        self.columns = columns
        self.table = table
        self.columnNumbers = columnNumbers
        self.values = values
        self.generated = generated
        self.constraints = constraints
        self.filter = filter
        self.query = query
        self.locks = locks
        self.catalogVersion = catalogVersion
    }
}

/// The outcome of `Planner.plan(statement)`.
package enum PlannedStatement {
    case query(PlannedQuery)
    case copy(CopyPlan)
    /// The plan to show (and to run first, with ANALYZE).
    case explain(ExplainOptions, PlannedQuery)
    /// `DefinitionExecutor.execute` carries it out; yields the command tag.
    case definition(Statement)
    /// VACUUM and ANALYZE.
    case maintenance(Vacuum)
    /// DECLARE CURSOR.
    case cursor(DeclareCursor, PlannedQuery)
    /// Transactions, settings, PREPARE and kin: the session's, as parsed.
    case session(Statement)
}
