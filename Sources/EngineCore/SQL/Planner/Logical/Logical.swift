// Logical trees: what the binder builds and the optimiser rewrites. Every column that any node makes has a ColumnID of
// its own, so an expression means the same wherever it stands, and moving a predicate is moving a value.
//
// Correlation: an expression or subtree may mention columns that its inputs do not produce; these are free, and come from
// an enclosing row (a subquery's outer query, a lateral join's left side).

import Platform
import SQLTypes

/// What is known of a column.
struct ColumnInfo {
    var name: [UInt8]
    var type: SQLType
    /// The table column it is, for statistics and RowDescription.
    var table: TableDescriptor?
    var number: Int16 = 0
    /// Relation and attribute shown to clients, also for views and system relations.
    var originTable: ObjectID = 0
    /// Alias of the relation, for EXPLAIN.
    var qualifier: [UInt8] = []
    /// Cannot be NULL where its relation produces it.
    var isNotNull = false
}

indirect enum Logical {
    case get(GetNode)
    case system(SystemNode)
    case function(FunctionNode)
    case values(ValuesRelation)
    case commonTable(CommonTableReference)
    /// One row without columns.
    case single
    /// No rows, with these columns.
    case empty([ColumnID])
    /// All conditions hold.
    case filter(Logical, [BoundExpression])
    /// Exactly these columns.
    case project(Logical, [ProjectItem])
    case projectSet(Logical, [ProjectItem])
    case join(JoinRelation)
    case aggregate(AggregateRelation)
    case window(WindowRelation)
    /// `on` empty: over all columns. Otherwise the first row of each group in the input's order.
    case distinct(Logical, on: [BoundExpression])
    case sort(Logical, [SortKey])
    case limit(Logical, count: BoundExpression?, offset: BoundExpression?, ties: [SortKey])
    case setOperation(SetRelation)
    case recursive(RecursiveRelation)
    case lockRows(Logical, [LockTarget])
}

struct ProjectItem {
    var column: ColumnID
    var expression: BoundExpression
}

/// A scan of a table; `columns[i]` is nil where the statement does not mention attribute i + 1.
final class GetNode {
    let table: TableDescriptor
    let alias: [UInt8]
    /// By attribute number - 1.
    var columns: [ColumnID?]
    var ctid: ColumnID?
    var tableOID: ColumnID?
    init(table: TableDescriptor, alias: [UInt8], columns: [ColumnID?]) {
        self.table = table
        self.alias = alias
        self.columns = columns
    }
    var outputs: [ColumnID] {
        var all: [ColumnID] = []
        for column in columns { if let column { all.append(column) } }
        if let ctid { all.append(ctid) }
        if let tableOID { all.append(tableOID) }
        return all
    }
}

final class SystemNode {
    let relation: SystemRelation
    let alias: [UInt8]
    let columns: [ColumnID]
    var tableOID: ColumnID?
    init(relation: SystemRelation, alias: [UInt8], columns: [ColumnID]) {
        self.relation = relation
        self.alias = alias
        self.columns = columns
    }
    var outputs: [ColumnID] { tableOID.map { columns + [$0] } ?? columns }
}

final class FunctionNode {
    let items: [FunctionScan.Item]
    let alias: [UInt8]
    let columns: [ColumnID]
    let hasOrdinality: Bool
    init(items: [FunctionScan.Item], alias: [UInt8], columns: [ColumnID], hasOrdinality: Bool) {
        self.items = items
        self.alias = alias
        self.columns = columns
        self.hasOrdinality = hasOrdinality
    }
}

struct ValuesRelation {
    var columns: [ColumnID]
    var rows: [[BoundExpression]]
}

/// A WITH query that is materialised, or a work table.
struct CommonTableReference {
    var index: Int
    var alias: [UInt8]
    /// One per column of the common table.
    var columns: [ColumnID]
    var isWorkTable: Bool
}

struct JoinRelation {
    var kind: JoinKind
    var left: Logical
    var right: Logical
    var conditions: [BoundExpression]
}

struct AggregateRelation {
    var input: Logical
    var keys: [ProjectItem]
    var aggregates: [AggregateItem]
}

struct AggregateItem {
    var column: ColumnID
    var call: AggregateCall
}

struct WindowRelation {
    var input: Logical
    var partitionBy: [BoundExpression]
    var orderBy: [SortKey]
    var frame: BoundFrame
    var calls: [(column: ColumnID, call: WindowCall)]
}

struct SetRelation {
    enum Kind: UInt8 { case unionAll, intersect, except }
    var kind: Kind
    var isAll: Bool
    var columns: [ColumnID]
    var inputs: [Logical]
    /// Which columns of each input make `columns`.
    var inputColumns: [[ColumnID]]
}

struct RecursiveRelation {
    var index: Int
    var isAll: Bool
    var columns: [ColumnID]
    var start: Logical
    var startColumns: [ColumnID]
    var step: Logical
    var stepColumns: [ColumnID]
}

struct LockTarget {
    var table: TableDescriptor
    var node: GetNode
    var strength: RowLockStrength
    var wait: RowLockWait
}

/// A subquery in an expression, before planning.
package final class SubqueryExpression {
    enum Kind: UInt8 { case scalar, exists, array, any, all }
    let kind: Kind
    var input: Logical
    /// The subquery's visible columns.
    let columns: [ColumnID]
    let left: [BoundExpression]
    let test: [BoundCall]
    let type: SQLType
    init(
        kind: Kind, input: Logical, columns: [ColumnID], left: [BoundExpression] = [], test: [BoundCall] = [],
        type: SQLType
    ) {
        self.kind = kind
        self.input = input
        self.columns = columns
        self.left = left
        self.test = test
        self.type = type
    }
}

extension Logical {
    /// The columns that rows of this node have.
    var outputs: [ColumnID] {
        switch self {
        case .get(let node): return node.outputs
        case .system(let node): return node.outputs
        case .function(let node): return node.columns
        case .values(let values): return values.columns
        case .commonTable(let reference): return reference.columns
        case .single: return []
        case .empty(let columns): return columns
        case .filter(let input, _), .distinct(let input, _), .sort(let input, _), .lockRows(let input, _):
            return input.outputs
        case .limit(let input, _, _, _): return input.outputs
        case .project(_, let items), .projectSet(_, let items): return items.map { $0.column }
        case .join(let join):
            if join.kind == .semi || join.kind == .anti { return join.left.outputs }
            return join.left.outputs + join.right.outputs
        case .aggregate(let aggregate):
            return aggregate.keys.map { $0.column } + aggregate.aggregates.map { $0.column }
        case .window(let window): return window.input.outputs + window.calls.map { $0.column }
        case .setOperation(let set): return set.columns
        case .recursive(let recursive): return recursive.columns
        }
    }
}
