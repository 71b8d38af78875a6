// Physical plans: the planner's output and the executor's input.
//
// What an executor may rely on:
// - A plan is immutable and may be executed by any number of sessions at once; all state of an execution is elsewhere.
// - Every node's row has exactly the columns of `output`, in order. Expressions in a node are over its input row: the
//   child's columns; for joins left's then right's; for scans the node's own columns (`filter` sees `columns`).
// - Correlation array: `PlannedQuery.correlationCount` cells for an execution. A NestedLoop sets `bindings` from each
//   left row before it (re)opens its right side; a SubPlan sets its own before it runs. Key expressions and filters
//   below read them as `.correlation`. A node that (transitively) reads a correlation must be re-executed after a change.
// - Key expressions of scans contain no slots: constants, parameters, correlations and stable functions of them only.
//   A NULL in an equality or range key yields no rows.
// - `PlanNode` subclasses are final; dispatch with `as?` once, when the operator tree is built.
// - Types of joined or compared values match the functions given; hash and sort use the types' default semantics.
// - Estimates are for EXPLAIN and for choices such as parallelism; nothing depends on them for correctness.

import Platform
import SQLTypes

/// A column that a node produces.
package struct OutputColumn {
    package var name: [UInt8]
    package var type: SQLType
    /// OID and number of the table column it comes from, unchanged; 0 otherwise (RowDescription).
    package var originTable: UInt32
    package var originColumn: Int16
    /// Alias of the relation it comes from, for EXPLAIN.
    package var qualifier: [UInt8] = []
    package init(_ name: [UInt8], _ type: SQLType, originTable: UInt32 = 0, originColumn: Int16 = 0) {
        self.name = name
        self.type = type
        self.originTable = originTable
        self.originColumn = originColumn
    }
}

/// PostgreSQL's cost units: 1.0 is a sequential page read.
package struct PlanEstimate: Sendable {
    package var startupCost: Double = 0
    package var totalCost: Double = 0
    package var rows: Double = 1
    /// Average bytes of a row.
    package var width: Int = 0
    package init() {}
}

package class PlanNode: @unchecked Sendable {
    package final let output: [OutputColumn]
    package final let children: [PlanNode]
    package final var estimate = PlanEstimate()
    /// Name in EXPLAIN; subclasses give their own.
    package var name: String { "Plan" }
    init(output: [OutputColumn], children: [PlanNode] = []) {
        self.output = output
        self.children = children
    }
}

// MARK: - Scans

/// What a scan fetches of a row: `number` > 0 is a column of the table (descriptor.columns[number - 1]), < 0 a system
/// column: -1 ctid (type tid; the rowid), -6 tableoid.
package struct ScanColumn {
    package var number: Int16
    package var type: SQLType
    package static let ctid: Int16 = -1
    package static let tableOID: Int16 = -6
}

package enum ScanDirection: UInt8, Sendable { case forward, backward }

/// All rows of a table.
package final class TableScan: PlanNode, @unchecked Sendable {
    package let table: TableDescriptor
    package let alias: [UInt8]
    package let columns: [ScanColumn]
    package let filter: BoundExpression?
    init(
        table: TableDescriptor, alias: [UInt8], columns: [ScanColumn], filter: BoundExpression?, output: [OutputColumn]
    ) {
        self.table = table
        self.alias = alias
        self.columns = columns
        self.filter = filter
        super.init(output: output)
    }
    package override var name: String { "Seq Scan" }
}

/// One key column's condition. Expressions have the index column's type.
package enum IndexKeyCondition {
    case equal(BoundExpression)
    /// Any of the values, each looked up once (drop duplicates and NULLs; sort for order).
    case anyOf([BoundExpression])
    /// Any element of the array value; likewise.
    case anyElement(BoundExpression)
    case isNull
}

package struct IndexBound {
    package var expression: BoundExpression
    package var isInclusive: Bool
}

/// Rows through an index: `prefix` fixes the first key columns, `lower`/`upper` bound the next one (in value order,
/// whatever the column's sort direction), `direction` is along the index.
package final class IndexScan: PlanNode, @unchecked Sendable {
    package let table: TableDescriptor
    package let index: IndexDescriptor
    package let alias: [UInt8]
    package let prefix: [IndexKeyCondition]
    package let lower: IndexBound?
    package let upper: IndexBound?
    /// `IS NOT NULL` on the column after the prefix: skip its NULLs.
    package let excludesNulls: Bool
    package let direction: ScanDirection
    package let columns: [ScanColumn]
    /// All of `columns` are key columns of the index: the table need not be visited.
    package let isIndexOnly: Bool
    /// At most one row: all key columns of a unique index are fixed by `.equal`. The short path.
    package let isPoint: Bool
    package let filter: BoundExpression?
    /// The index conditions as one predicate over `columns`, for EXPLAIN.
    package let condition: BoundExpression?
    init(
        table: TableDescriptor, index: IndexDescriptor, alias: [UInt8], prefix: [IndexKeyCondition], lower: IndexBound?,
        upper: IndexBound?, excludesNulls: Bool, direction: ScanDirection, columns: [ScanColumn], isIndexOnly: Bool,
        isPoint: Bool, filter: BoundExpression?, condition: BoundExpression?, output: [OutputColumn]
    ) {
        self.table = table
        self.index = index
        self.alias = alias
        self.prefix = prefix
        self.lower = lower
        self.upper = upper
        self.excludesNulls = excludesNulls
        self.direction = direction
        self.columns = columns
        self.isIndexOnly = isIndexOnly
        self.isPoint = isPoint
        self.filter = filter
        self.condition = condition
        super.init(output: output)
    }
    package override var name: String { isIndexOnly ? "Index Only Scan" : "Index Scan" }
}

/// Rows by rowid: `WHERE ctid = …` or `= ANY (…)`.
package final class RowIDScan: PlanNode, @unchecked Sendable {
    package let table: TableDescriptor
    package let alias: [UInt8]
    /// tid, or tid[] if `isArray`.
    package let rowID: BoundExpression
    package let isArray: Bool
    package let columns: [ScanColumn]
    package let filter: BoundExpression?
    init(
        table: TableDescriptor, alias: [UInt8], rowID: BoundExpression, isArray: Bool, columns: [ScanColumn],
        filter: BoundExpression?, output: [OutputColumn]
    ) {
        self.table = table
        self.alias = alias
        self.rowID = rowID
        self.isArray = isArray
        self.columns = columns
        self.filter = filter
        super.init(output: output)
    }
    package override var name: String { "Tid Scan" }
}

/// A set-returning function in FROM, or several side by side (ROWS FROM, shorter ones padded with NULL).
package final class FunctionScan: PlanNode, @unchecked Sendable {
    package struct Item {
        package var call: BoundCall
        /// Columns it yields: 1, or a record's.
        package var columnCount: Int
    }
    package let functions: [Item]
    package let alias: [UInt8]
    /// Last output column: a bigint from 1.
    package let hasOrdinality: Bool
    package let filter: BoundExpression?
    init(functions: [Item], alias: [UInt8], hasOrdinality: Bool, filter: BoundExpression?, output: [OutputColumn]) {
        self.functions = functions
        self.alias = alias
        self.hasOrdinality = hasOrdinality
        self.filter = filter
        super.init(output: output)
    }
    package override var name: String { "Function Scan" }
}

/// A relation of pg_catalog or information_schema: `SystemRelation.produce` yields its rows from descriptors and static
/// tables; `columns` are indices into the relation's columns.
package final class SystemScan: PlanNode, @unchecked Sendable {
    package let relation: SystemRelation
    package let alias: [UInt8]
    package let columns: [Int]
    package let filter: BoundExpression?
    /// `oid = …`: a hint to produce that object only, if the relation can.
    package let objectKey: BoundExpression?
    init(
        relation: SystemRelation, alias: [UInt8], columns: [Int], filter: BoundExpression?,
        objectKey: BoundExpression?, output: [OutputColumn]
    ) {
        self.relation = relation
        self.alias = alias
        self.columns = columns
        self.filter = filter
        self.objectKey = objectKey
        super.init(output: output)
    }
    package override var name: String { "Seq Scan" }
}

/// Literal rows. Expressions have no slots.
package final class ValuesNode: PlanNode, @unchecked Sendable {
    package let rows: [[BoundExpression]]
    init(rows: [[BoundExpression]], output: [OutputColumn]) {
        self.rows = rows
        super.init(output: output)
    }
    package override var name: String { "Values Scan" }
}

/// One row computed from nothing, or none if `condition` is not true. With a child: passes its rows if `condition`
/// (which has no slots) is true, and does not open it otherwise.
package final class ResultNode: PlanNode, @unchecked Sendable {
    package let expressions: [BoundExpression]
    package let condition: BoundExpression?
    init(expressions: [BoundExpression], condition: BoundExpression?, child: PlanNode?, output: [OutputColumn]) {
        self.expressions = expressions
        self.condition = condition
        super.init(output: output, children: child.map { [$0] } ?? [])
    }
    package override var name: String { "Result" }
}

/// Reads a materialised WITH query, or a recursion's working table: `PlannedQuery.commonTables[index]`.
package final class CommonTableScan: PlanNode, @unchecked Sendable {
    package let index: Int
    package let alias: [UInt8]
    /// Columns of the common table, by position.
    package let columns: [Int]
    /// Reads the rows of the last round of the recursion that encloses it.
    package let isWorkTable: Bool
    package let filter: BoundExpression?
    init(
        index: Int, alias: [UInt8], columns: [Int], isWorkTable: Bool, filter: BoundExpression?, output: [OutputColumn]
    ) {
        self.index = index
        self.alias = alias
        self.columns = columns
        self.isWorkTable = isWorkTable
        self.filter = filter
        super.init(output: output)
    }
    package override var name: String { isWorkTable ? "WorkTable Scan" : "CTE Scan" }
}
