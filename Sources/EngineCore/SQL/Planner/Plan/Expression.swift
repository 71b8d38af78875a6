// Typed expressions: what the binder makes of the syntax, and what the executor evaluates.
//
// Two phases share the type. While a statement is bound and optimised, columns are `.variable`s with a ColumnID that is
// unique in the statement. In a finished plan every column is a `.slot` of the node's input row, a `.correlation`
// (a value that an enclosing nested loop or subplan sets before it opens the node), or gone: an executor meets no
// `.variable`, `.aggregate`, `.window` or `.subquery`.
//
// Invariant: the types fit. A call's arguments have exactly the types its function declares (casts are explicit), so
// the executor never converts.

import Platform
import SQLTypes

/// A column of some relation of the statement under planning; unique in the statement.
package struct ColumnID: Hashable, Sendable, BitwiseCopyable {
    package var rawValue: Int
    package init(_ value: Int) { rawValue = value }
    package static func == (a: ColumnID, b: ColumnID) -> Bool { a.rawValue == b.rawValue }
}

/// IS TRUE, IS FALSE, IS UNKNOWN.
package enum TruthTest: UInt8, Sendable { case isTrue, isFalse, isUnknown }

/// A typed expression. NULL follows SQL's three-valued logic throughout.
package indirect enum BoundExpression {
    case constant(Datum, SQLType)
    /// Column of the node's input row, from 0. A join's input row is left's columns, then right's.
    case slot(Int, SQLType)
    /// Planner only.
    case variable(ColumnID, SQLType)
    /// `$1` has index 0.
    case parameter(Int, SQLType)
    /// Entry of the execution's correlation array; numbers are unique in a plan.
    case correlation(Int, SQLType)
    /// A function or operator; operators are calls of their function.
    case call(BoundCall)
    /// At least two operands each.
    case and([BoundExpression])
    case or([BoundExpression])
    case not(BoundExpression)
    case isNull(BoundExpression, negated: Bool)
    case truth(BoundExpression, TruthTest, negated: Bool)
    /// The first branch whose condition is true; `otherwise` (or NULL) if none. Later branches are not evaluated.
    case searchedCase([CaseBranch], otherwise: BoundExpression?, SQLType)
    case coalesce([BoundExpression], SQLType)
    /// NULL if `equals(a, b)`, else a.
    case nullIf(BoundCall, SQLType)
    /// GREATEST or LEAST; NULL operands are ignored. Ordered by the type's default comparison.
    case extremum(greatest: Bool, [BoundExpression], SQLType)
    /// IS [NOT] DISTINCT FROM; the call is `=` on the two operands.
    case distinctFrom(BoundCall, negated: Bool)
    case cast(CastExpression)
    /// `left op ANY (array)` and `left op ALL (array)`.
    case quantifiedArray(QuantifiedArray)
    /// `left IN (a, b, …)`; `NOT IN` is wrapped in `.not`.
    case inList(InList)
    case array(ArrayConstructor)
    case element(Subscript)
    /// ROW(…): a value of type record.
    case row([BoundExpression])
    /// `(a, b) < (c, d)` and kin, all six operators; lexicographic as PostgreSQL's.
    case rowComparison(RowComparison)
    /// A subquery in a finished plan.
    case subplan(SubPlan)
    /// Field of a record value, from 0.
    case field(BoundExpression, Int, SQLType)
    /// Planner only: an aggregate call, replaced by the slot of its Aggregate node.
    case aggregate(AggregateCall)
    /// Planner only.
    case window(WindowCall)
    /// Planner only: a subquery not yet planned.
    case subquery(SubqueryExpression)
}

package struct CaseBranch {
    package var condition: BoundExpression
    package var result: BoundExpression
}

/// A resolved call. `position` is the 1-based character position in the query for the planner's errors, 0 if none.
/// Run-time errors have no position.
package struct BoundCall {
    package var function: FunctionEntry
    package var arguments: [BoundExpression]
    /// The result for this call: polymorphic results are resolved.
    package var type: SQLType
    package var position: Int
    package init(_ function: FunctionEntry, _ arguments: [BoundExpression], type: SQLType, position: Int = 0) {
        self.function = function
        self.arguments = arguments
        self.type = type
        self.position = position
    }
}

/// A change of type.
package struct CastExpression {
    package var operand: BoundExpression
    package var target: SQLType
    /// Takes one argument and gives the target type with its modifier applied (the result vector bears it); nil: same
    /// bytes under another type.
    package var function: FunctionEntry?
    /// Written by the user, for printing.
    package var isExplicit: Bool
    package var position: Int
}

/// `left op ANY/ALL (array)`. `operation.arguments` is empty: the executor supplies (left, element).
package struct QuantifiedArray {
    package var left: BoundExpression
    package var operation: BoundCall
    package var array: BoundExpression
    package var isAll: Bool
    /// The operator is its type's `=` (ANY) or `<>` (ALL) and the array is constant: a hash table pays.
    package var isEquality: Bool
}

/// `left IN (items)`, all of one type. `equals.arguments` is empty.
package struct InList {
    package var left: BoundExpression
    package var equals: BoundCall
    package var items: [BoundExpression]
}

package struct ArrayConstructor {
    package var elements: [BoundExpression]
    package var elementType: SQLType
    package var type: SQLType
    /// ARRAY[[1,2],[3,4]]: the elements are arrays of the same type and one more dimension is added.
    package var isMultidimensional: Bool
}

package struct Subscript {
    package var base: BoundExpression
    /// One per dimension; a slice if any has `isSlice` (then plain ones mean 1:upper).
    package var bounds: [SubscriptBound]
    package var type: SQLType
    package var isSlice: Bool { for bound in bounds where bound.isSlice { return true }; return false }
}

package struct SubscriptBound {
    package var lower: BoundExpression?
    package var upper: BoundExpression?
    package var isSlice: Bool
}

package enum ComparisonKind: UInt8, Sendable { case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual }

package struct RowComparison {
    package var kind: ComparisonKind
    package var left: [BoundExpression]
    package var right: [BoundExpression]
    /// Per column: the equality operator's function for `=`/`<>`, the strict less (or greater) one otherwise.
    package var operations: [FunctionEntry]
    /// Per column `=`, to find the first difference.
    package var equalities: [FunctionEntry]
}

/// One ORDER BY item. The order is the type's default (btree) order.
package struct SortKey {
    package var expression: BoundExpression
    package var isDescending: Bool
    package var isNullsFirst: Bool
    package init(_ expression: BoundExpression, isDescending: Bool = false, isNullsFirst: Bool? = nil) {
        self.expression = expression
        self.isDescending = isDescending
        self.isNullsFirst = isNullsFirst ?? isDescending
    }
}

/// One aggregate of an Aggregate node.
package struct AggregateCall {
    package var function: FunctionEntry
    package var arguments: [BoundExpression]
    package var isDistinct: Bool
    package var filter: BoundExpression?
    package var orderBy: [SortKey]
    package var type: SQLType
    /// count(*).
    package var isStar: Bool
    package var position: Int
    /// Ordered-set aggregates (percentile_cont …): what stands in WITHIN GROUP is `orderBy`.
    package var isOrderedSet: Bool
}

/// A subquery as an expression, in a finished plan.
package final class SubPlan {
    package enum Kind {
        /// One column; NULL without rows, 21000 if there is more than one.
        case scalar
        /// Several columns compared as a row happens in `.any`; this yields a record.
        case exists
        /// ARRAY(SELECT …): `type` is the array's.
        case array
        /// `left op ANY (subquery)`: `test` has one call per column, with empty arguments (left, column).
        case any
        case all
    }
    package let kind: Kind
    package let plan: PlanNode
    package let type: SQLType
    /// Number in EXPLAIN, from 1, in order of planning.
    package let number: Int
    /// What to store into the correlation array before each execution, computed from the row at hand. Empty: the
    /// subplan does not depend on the row; run it once per execution of the statement and keep the answer.
    package let bindings: [CorrelationBinding]
    package let left: [BoundExpression]
    package let test: [BoundCall]
    /// ANY with `=` on every column and no bindings: build a hash table of the rows once.
    package let isHashed: Bool

    package init(
        kind: Kind, plan: PlanNode, type: SQLType, number: Int, bindings: [CorrelationBinding],
        left: [BoundExpression] = [], test: [BoundCall] = [], isHashed: Bool = false
    ) {
        self.kind = kind
        self.plan = plan
        self.type = type
        self.number = number
        self.bindings = bindings
        self.left = left
        self.test = test
        self.isHashed = isHashed
    }
}

/// Entry `index` of the correlation array takes the value of `source` (over the binder's row: the outer row of a
/// nested loop, the row in which a subplan stands).
package struct CorrelationBinding {
    package var index: Int
    package var source: BoundExpression
}

package struct WindowCall {
    package var function: FunctionEntry
    package var arguments: [BoundExpression]
    package var filter: BoundExpression?
    package var type: SQLType
    package var isStar: Bool
    /// Index into the query's windows.
    package var window: Int
    package var position: Int
}
