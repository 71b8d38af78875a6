// Physical operators above the scans. See PlanNode.swift for what an executor may rely on.

import Platform
import SQLTypes

package final class FilterNode: PlanNode, @unchecked Sendable {
    package let condition: BoundExpression
    init(child: PlanNode, condition: BoundExpression) {
        self.condition = condition
        super.init(output: child.output, children: [child])
    }
    package override var name: String { "Filter" }
}

package final class ProjectNode: PlanNode, @unchecked Sendable {
    package let expressions: [BoundExpression]
    init(child: PlanNode, expressions: [BoundExpression], output: [OutputColumn]) {
        self.expressions = expressions
        super.init(output: output, children: [child])
    }
    package override var name: String { "Project" }
}

/// Set-returning functions in a select list: each child row is repeated for every row of the functions, shorter ones
/// padded with NULL; no row if all are empty. `expressions[i]` is a set-returning call iff `isSet[i]`.
package final class ProjectSetNode: PlanNode, @unchecked Sendable {
    package let expressions: [BoundExpression]
    package let isSet: [Bool]
    init(child: PlanNode, expressions: [BoundExpression], isSet: [Bool], output: [OutputColumn]) {
        self.expressions = expressions
        self.isSet = isSet
        super.init(output: output, children: [child])
    }
    package override var name: String { "ProjectSet" }
}

package enum JoinKind: UInt8, Sendable {
    case inner, left, right, full
    /// Left rows with a match; output is left's columns.
    case semi
    /// Left rows without a match (a NULL condition is no match); output is left's columns.
    case anti
}

/// For each left row the right side anew, with `bindings` set from the left row. Kinds: inner, left, semi, anti.
/// Without bindings the right side is the same each time and may be materialised.
package final class NestedLoopNode: PlanNode, @unchecked Sendable {
    package let kind: JoinKind
    package let condition: BoundExpression?
    package let bindings: [CorrelationBinding]
    init(
        kind: JoinKind, left: PlanNode, right: PlanNode, condition: BoundExpression?, bindings: [CorrelationBinding],
        output: [OutputColumn]
    ) {
        self.kind = kind
        self.condition = condition
        self.bindings = bindings
        super.init(output: output, children: [left, right])
    }
    package override var name: String { "Nested Loop" }
}

/// The right child is built into a hash table, the left one probes it.
package final class HashJoinNode: PlanNode, @unchecked Sendable {
    package struct Key {
        /// Over left's columns.
        package var left: BoundExpression
        /// Over right's columns (slots from 0).
        package var right: BoundExpression
        /// `=` on both; types may differ only where the function takes both (int4 = int8); NULLs never match.
        package var equals: FunctionEntry
        /// IS NOT DISTINCT FROM: NULL matches NULL.
        package var isNullSafe: Bool
    }
    package let kind: JoinKind
    package let keys: [Key]
    /// Over left ++ right; decides a match together with the keys.
    package let residual: BoundExpression?
    init(
        kind: JoinKind, left: PlanNode, right: PlanNode, keys: [Key], residual: BoundExpression?,
        output: [OutputColumn]
    ) {
        self.kind = kind
        self.keys = keys
        self.residual = residual
        super.init(output: output, children: [left, right])
    }
    package override var name: String { "Hash Join" }
}

/// Keeps the child's rows to read them again; ends dependence on its children's speed, not on correlations.
package final class MaterializeNode: PlanNode, @unchecked Sendable {
    init(child: PlanNode) { super.init(output: child.output, children: [child]) }
    package override var name: String { "Materialize" }
}

/// `limit` nil sorts all; otherwise the first rows only (top-N): evaluated like LimitNode's count plus offset.
package final class SortNode: PlanNode, @unchecked Sendable {
    package let keys: [SortKey]
    /// Leading keys by which the child's rows come sorted already.
    package let presortedCount: Int
    init(child: PlanNode, keys: [SortKey], presortedCount: Int = 0) {
        self.keys = keys
        self.presortedCount = presortedCount
        super.init(output: child.output, children: [child])
    }
    package override var name: String { "Sort" }
}

/// Expressions have no slots and type bigint; NULL count means no limit, negative ones are errors 2201W and 2201X.
/// A Limit directly over a Sort is a top-N: the sort need keep count + offset rows only.
package final class LimitNode: PlanNode, @unchecked Sendable {
    package let count: BoundExpression?
    package let offset: BoundExpression?
    /// FETCH FIRST … WITH TIES: the sort keys, over the child's row; empty otherwise.
    package let ties: [SortKey]
    init(child: PlanNode, count: BoundExpression?, offset: BoundExpression?, ties: [SortKey] = []) {
        self.count = count
        self.offset = offset
        self.ties = ties
        super.init(output: child.output, children: [child])
    }
    package override var name: String { "Limit" }
}

/// Output: the group keys, then the aggregates. Without keys exactly one row.
package final class AggregateNode: PlanNode, @unchecked Sendable {
    package enum Strategy: UInt8, Sendable {
        /// No keys.
        case plain
        case hashed
        /// The child's rows come sorted by the keys.
        case sorted
    }
    package let strategy: Strategy
    package let keys: [BoundExpression]
    package let aggregates: [AggregateCall]
    /// Over the output row.
    package let having: BoundExpression?
    init(
        strategy: Strategy, child: PlanNode, keys: [BoundExpression], aggregates: [AggregateCall],
        having: BoundExpression?, output: [OutputColumn]
    ) {
        self.strategy = strategy
        self.keys = keys
        self.aggregates = aggregates
        self.having = having
        super.init(output: output, children: [child])
    }
    package override var name: String {
        switch strategy {
        case .plain: "Aggregate"
        case .hashed: "HashAggregate"
        case .sorted: "GroupAggregate"
        }
    }
}

/// The child's rows come sorted by partition and order keys; output is the child's columns, then one per call.
package final class WindowNode: PlanNode, @unchecked Sendable {
    package let partitionBy: [BoundExpression]
    package let orderBy: [SortKey]
    package let frame: BoundFrame
    package let calls: [WindowCall]
    init(
        child: PlanNode, partitionBy: [BoundExpression], orderBy: [SortKey], frame: BoundFrame, calls: [WindowCall],
        output: [OutputColumn]
    ) {
        self.partitionBy = partitionBy
        self.orderBy = orderBy
        self.frame = frame
        self.calls = calls
        super.init(output: output, children: [child])
    }
    package override var name: String { "WindowAgg" }
}

package struct BoundFrame {
    package enum Unit: UInt8, Sendable { case rows, range, groups }
    package enum Bound {
        case unboundedPreceding, currentRow, unboundedFollowing
        /// Offset without slots: a bigint for ROWS and GROUPS, a value to add to the order key for RANGE.
        case preceding(BoundExpression)
        case following(BoundExpression)
    }
    package enum Exclusion: UInt8, Sendable { case none, currentRow, group, ties }
    /// What RANGE with offsets compares, over the child's row: the order key, and the keys at which the frame starts and
    /// ends (nil where that is not by an offset). All of one type, which may hold more than the key's own.
    package struct RangeKeys {
        package var key: BoundExpression
        package var start: BoundExpression?
        package var end: BoundExpression?
    }
    package var unit: Unit = .range
    package var start: Bound = .unboundedPreceding
    package var end: Bound = .currentRow
    package var exclusion: Exclusion = .none
    package var range: RangeKeys?
}

/// SELECT DISTINCT over all columns, hashed. `sortedKeys` not empty: DISTINCT ON, the child comes sorted by these slots,
/// keep the first row of each run.
package final class DistinctNode: PlanNode, @unchecked Sendable {
    package let sortedKeys: [BoundExpression]
    init(child: PlanNode, sortedKeys: [BoundExpression]) {
        self.sortedKeys = sortedKeys
        super.init(output: child.output, children: [child])
    }
    package override var name: String { sortedKeys.isEmpty ? "HashAggregate" : "Unique" }
}

/// UNION ALL: the children's rows one after another; same types column by column.
package final class AppendNode: PlanNode, @unchecked Sendable {
    init(children: [PlanNode], output: [OutputColumn]) { super.init(output: output, children: children) }
    package override var name: String { "Append" }
}

/// INTERSECT and EXCEPT, with or without ALL; NULLs are equal here. UNION is Distinct over Append.
package final class SetOperationNode: PlanNode, @unchecked Sendable {
    package enum Kind: UInt8, Sendable { case intersect, except }
    package let kind: Kind
    package let isAll: Bool
    init(kind: Kind, isAll: Bool, left: PlanNode, right: PlanNode, output: [OutputColumn]) {
        self.kind = kind
        self.isAll = isAll
        super.init(output: output, children: [left, right])
    }
    package override var name: String { kind == .intersect ? "HashSetOp Intersect" : "HashSetOp Except" }
}

/// WITH RECURSIVE: the first child's rows, then the second child's until a round yields nothing. Each round sees the
/// round before as the work table `index`. Without `isAll` duplicates of any earlier row are dropped.
package final class RecursiveUnionNode: PlanNode, @unchecked Sendable {
    package let index: Int
    package let isAll: Bool
    init(index: Int, isAll: Bool, start: PlanNode, step: PlanNode, output: [OutputColumn]) {
        self.index = index
        self.isAll = isAll
        super.init(output: output, children: [start, step])
    }
    package override var name: String { "Recursive Union" }
}
