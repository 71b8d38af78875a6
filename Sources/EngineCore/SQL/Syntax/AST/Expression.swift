// Scalar expressions. Parentheses are not kept: the tree is the grouping and the deparser puts them back where needed.
//
// The height of any tree that the parser returns is bounded (see NestingBound), so plain recursion over it is safe on a
// fiber's stack. What SQL writes as long flat sequences is flat here too: AND, OR and chains of left-associative
// operators of one precedence (`a + b - c + …`) are arrays, however many operands they have.

/// A node and where it was written. Positions are byte offsets into the query text, -1 if made up.
package struct Expression: Sendable {
    package var kind: Kind
    package var position: Int32

    @inlinable package init(_ kind: Kind, at position: Int32 = -1) {
        self.kind = kind
        self.position = position
    }

    package indirect enum Kind: Sendable {
        // Leaves
        case literal(Literal)
        /// `$n`, from 1.
        case parameter(Int)
        /// `a`, `t.a`, `s.t.a`.
        case column([Name])
        /// `*` (no qualifier) or `t.*`.
        case star([Name])
        /// DEFAULT, in VALUES of an INSERT and in SET of an UPDATE.
        case defaultValue
        /// CURRENT_DATE and its kin; the precision is -1 if not given.
        case sqlValue(SQLValueFunction, precision: Int32)
        /// WHERE CURRENT OF cursor.
        case currentOf(Name)

        // Operators
        case prefix(OperatorReference, Expression)
        case infix(OperatorReference, Expression, Expression)
        /// Three or more operands joined by left-associative operators of one precedence: `((first op0 x0) op1 x1) …`.
        case chain(Expression, [ChainLink])
        /// Two or more operands.
        case and([Expression])
        /// Two or more operands.
        case or([Expression])
        case not(Expression)
        case like(Like)
        case between(Between)
        case inList(Expression, [Expression], negated: Bool)
        case inSubquery(Expression, Query, negated: Bool)
        /// `left op ANY|ALL (array)`.
        case quantifiedArray(OperatorReference, Expression, Quantifier, Expression)
        /// `left op ANY|ALL (SELECT …)`.
        case quantifiedSubquery(OperatorReference, Expression, Quantifier, Query)
        case isTest(Expression, IsTest, negated: Bool)
        /// `a IS [NOT] DISTINCT FROM b`; negated means IS NOT DISTINCT FROM.
        case isDistinct(Expression, Expression, negated: Bool)
        case cast(Expression, TypeName)
        case collate(Expression, QualifiedName)
        /// Subscripts, slices, and fields of something that is not a plain column reference.
        case indirection(Expression, [Indirection])

        // Constructors and calls
        case caseWhen(CaseExpression)
        case coalesce([Expression])
        case nullIf(Expression, Expression)
        case greatest([Expression])
        case least([Expression])
        /// ARRAY[…]; inner brackets are nested nodes of the same kind.
        case array([Expression])
        case arraySubquery(Query)
        /// `ROW(…)`, or `(a, b, …)` when not explicit.
        case row([Expression], explicit: Bool)
        case exists(Query)
        case scalarSubquery(Query)
        case function(FunctionCall)
        /// GROUPING(a, b).
        case grouping([Expression])
    }
}

package enum Literal: Sendable, Equatable {
    case null
    case boolean(Bool)
    /// Fits int8; the binder makes it int4 if it fits that.
    case integer(Int64)
    /// A literal with point or exponent, or an integer that overflows int8: its text, as written.
    case numeric([UInt8])
    /// Type unknown until bound. Valid UTF-8 without NUL.
    case string([UInt8])
    /// B'0101': the characters between the quotes, checked to be digits of the base.
    case bits([UInt8])
    /// X'1FF'.
    case hexBits([UInt8])
}

/// One step of a chain of operators.
package struct ChainLink: Sendable {
    package var op: OperatorReference
    package var operand: Expression
}

package struct Like: Sendable {
    package enum Kind: UInt8, Sendable { case like, ilike, similar }
    package var kind: Kind
    package var value: Expression
    package var pattern: Expression
    package var escape: Expression?
    package var negated: Bool
}

package struct Between: Sendable {
    package var value: Expression
    package var low: Expression
    package var high: Expression
    package var symmetric: Bool
    package var negated: Bool
}

package enum Quantifier: UInt8, Sendable { case any, all }

package enum IsTest: UInt8, Sendable {
    case null, `true`, `false`, unknown, document
    /// IS NORMALIZED, without and with a form.
    case normalized, nfc, nfd, nfkc, nfkd
}

package enum SQLValueFunction: UInt8, Sendable {
    case currentDate, currentTime, currentTimestamp, localTime, localTimestamp
    case currentRole, currentUser, user, sessionUser, currentCatalog, currentSchema
}

package enum Indirection: Sendable {
    case field(Name)
    case star
    case element(Expression)
    /// `[lower:upper]`, either may be missing.
    case slice(Expression?, Expression?)
}

package struct CaseExpression: Sendable {
    package struct When: Sendable {
        package var condition: Expression
        package var result: Expression
    }
    /// CASE operand WHEN …; nil for the searched form.
    package var operand: Expression?
    package var whens: [When]
    package var otherwise: Expression?
}

/// A call of a function or aggregate, with everything that may follow its name.
package final class FunctionCall: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package var name: QualifiedName
    package var arguments: [FunctionArgument]
    /// `count(*)`.
    package var isStar = false
    package var distinct = false
    /// The last argument was marked VARIADIC.
    package var variadic = false
    package var orderBy: [SortItem] = []
    /// The ORDER BY came from WITHIN GROUP.
    package var withinGroup = false
    package var filter: Expression?
    package var over: WindowReference?
    /// How it was written; name and arguments are those of the plain call whatever the syntax, as in PostgreSQL.
    package var syntax: FunctionSyntax = .call

    package init(_ name: QualifiedName, _ arguments: [FunctionArgument]) {
        self.name = name
        self.arguments = arguments
    }
}

package struct FunctionArgument: Sendable {
    /// `name => value` or `name := value`.
    package var name: Name?
    package var value: Expression
}

/// The SQL spellings that stand for a call in pg_catalog.
package enum FunctionSyntax: UInt8, Sendable {
    case call
    /// EXTRACT(field FROM x): extract('field', x).
    case extract
    /// x AT TIME ZONE z: timezone(z, x).
    case atTimeZone
    /// OVERLAY(a PLACING b FROM c [FOR d]): overlay(a, b, c[, d]).
    case overlay
    /// POSITION(a IN b): position(b, a).
    case position
    /// SUBSTRING(a FROM b [FOR c] | FOR c): substring(a, b[, c]).
    case substring
    /// SUBSTRING(a SIMILAR b ESCAPE c): substring(a, b, c).
    case substringSimilar
    /// TRIM([BOTH] [x FROM] a): btrim(a[, x]); the others ltrim and rtrim.
    case trimBoth, trimLeading, trimTrailing
    /// NORMALIZE(a [, form]): normalize(a[, 'form']).
    case normalize
    /// (a, b) OVERLAPS (c, d): overlaps(a, b, c, d).
    case overlaps
    /// COLLATION FOR (a): pg_collation_for(a).
    case collationFor
}

package enum WindowReference: Sendable {
    /// OVER name.
    case named(Name)
    /// OVER (…).
    case definition(WindowDefinition)
}

package final class WindowDefinition: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    /// The name it is defined under in a WINDOW clause.
    package var name: Name?
    /// The window it builds on: OVER (base …).
    package var base: Name?
    package var partitionBy: [Expression] = []
    package var orderBy: [SortItem] = []
    package var frame: WindowFrame?
    package var position: Int32 = -1
    package init() {}
}

package struct WindowFrame: Sendable {
    package enum Mode: UInt8, Sendable { case range, rows, groups }
    package enum Bound: Sendable {
        case unboundedPreceding, preceding(Expression), currentRow, following(Expression), unboundedFollowing
    }
    package enum Exclusion: UInt8, Sendable { case noOthers, currentRow, group, ties }
    package var mode: Mode
    package var start: Bound
    /// nil: not written, and so CURRENT ROW.
    package var end: Bound?
    package var exclusion: Exclusion
}

/// One item of ORDER BY.
package struct SortItem: Sendable {
    package enum Direction: UInt8, Sendable { case unspecified, ascending, descending, using }
    package enum Nulls: UInt8, Sendable { case unspecified, first, last }
    package var expression: Expression
    package var direction: Direction = .unspecified
    /// ORDER BY x USING op.
    package var using: OperatorReference?
    package var nulls: Nulls = .unspecified
}
