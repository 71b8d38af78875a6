// SELECT, VALUES, TABLE and their combinations, and what stands in FROM.

/// A query expression: a body with what may surround it.
package final class Query: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package var with: WithClause?
    package var body: QueryBody
    package var orderBy: [SortItem] = []
    /// LIMIT or FETCH FIRST; LIMIT ALL is nil.
    package var limit: Expression?
    /// FETCH FIRST … WITH TIES.
    package var withTies = false
    package var offset: Expression?
    package var locking: [LockingClause] = []
    package var position: Int32

    package init(_ body: QueryBody, position: Int32 = -1) {
        self.body = body
        self.position = position
    }
}

package indirect enum QueryBody: Sendable {
    case select(SelectCore)
    case values([[Expression]])
    /// Two or more operands of one precedence (UNION and EXCEPT, or INTERSECT), left-associative.
    case setOperation(QueryBody, [SetLink])
    /// A parenthesised operand with WITH, ORDER BY, LIMIT or locking of its own.
    case nested(Query)
}

package struct SetLink: Sendable {
    package enum Operation: UInt8, Sendable { case union, intersect, except }
    package var operation: Operation
    package var all: Bool
    package var operand: QueryBody
    package var position: Int32
}

/// SELECT … FROM … WHERE … GROUP BY … HAVING … WINDOW.
package final class SelectCore: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package var distinct: Distinct = .all
    /// May be empty: `SELECT FROM t`.
    package var targets: [Target] = []
    /// SELECT INTO.
    package var into: IntoClause?
    package var from: [FromItem] = []
    package var filter: Expression?
    package var groupBy: [GroupingElement] = []
    package var groupByDistinct = false
    package var having: Expression?
    package var windows: [WindowDefinition] = []
    package var position: Int32

    package init(position: Int32 = -1) { self.position = position }
}

package enum Distinct: Sendable {
    /// No DISTINCT.
    case all
    case distinct
    case on([Expression])
}

/// An item of a select list or RETURNING. Stars are expressions of kind `.star`, or indirections that end in one.
package struct Target: Sendable {
    package var expression: Expression
    package var alias: Name?
}

/// The table that SELECT INTO makes.
package struct IntoClause: Sendable {
    package var name: QualifiedName
    package var persistence: Persistence
}

package enum GroupingElement: Sendable {
    case expression(Expression)
    /// `()`.
    case empty
    case rollup([Expression])
    case cube([Expression])
    case sets([GroupingElement])
}

package struct LockingClause: Sendable {
    package enum Strength: UInt8, Sendable { case keyShare, share, noKeyUpdate, update }
    package enum Wait: UInt8, Sendable { case block, skipLocked, noWait }
    package var strength: Strength
    /// FOR … OF; empty means all.
    package var tables: [QualifiedName]
    package var wait: Wait
}

package struct WithClause: Sendable {
    package var recursive: Bool
    package var tables: [CommonTable]
    package var position: Int32
}

/// One `name [(columns)] AS [[NOT] MATERIALIZED] (statement)`.
package final class CommonTable: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package enum Materialization: UInt8, Sendable { case unspecified, always, never }
    package enum SearchOrder: UInt8, Sendable { case breadthFirst, depthFirst }
    package var name: Name
    package var columns: [Name]
    package var materialization: Materialization
    package var statement: Statement
    package var search: (order: SearchOrder, columns: [Name], sequence: Name)?
    package var cycle: CycleClause?
    package var position: Int32

    package init(
        name: Name, columns: [Name], materialization: Materialization, statement: Statement, position: Int32
    ) {
        self.name = name
        self.columns = columns
        self.materialization = materialization
        self.statement = statement
        self.position = position
    }
}

package struct CycleClause: Sendable {
    package var columns: [Name]
    package var mark: Name
    /// TO value DEFAULT value; nil when left out.
    package var value: Expression?
    package var otherwise: Expression?
    package var path: Name
}

// MARK: - FROM

package indirect enum FromItem: Sendable {
    case table(TableReference)
    case subquery(SubqueryReference)
    case function(FunctionReference)
    case join(Join)
}

package struct Alias: Sendable {
    package var name: Name
    package var columns: [Name] = []
}

package struct TableReference: Sendable {
    package var name: QualifiedName
    /// ONLY: without inheritance children or partitions.
    package var only = false
    package var alias: Alias?
    package var sample: TableSample?
}

/// TABLESAMPLE method (arguments) [REPEATABLE (seed)].
package struct TableSample: Sendable {
    package var method: QualifiedName
    package var arguments: [Expression]
    package var seed: Expression?
}

package struct SubqueryReference: Sendable {
    package var query: Query
    package var lateral = false
    package var alias: Alias?
    package var position: Int32
}

/// A function, or several in ROWS FROM, as a table.
package struct FunctionReference: Sendable {
    package struct Item: Sendable {
        /// Mostly `.function`; SQL value functions and casts are allowed here too.
        package var call: Expression
        /// AS (name type, …) inside ROWS FROM.
        package var columns: [ColumnDefinitionItem] = []
    }
    package var items: [Item]
    package var isRowsFrom = false
    package var withOrdinality = false
    package var lateral = false
    package var alias: Alias?
    /// AS alias (name type, …): for functions that return record.
    package var columns: [ColumnDefinitionItem] = []
    package var position: Int32
}

package struct ColumnDefinitionItem: Sendable {
    package var name: Name
    package var type: TypeName
    package var collation: QualifiedName?
}

package struct Join: Sendable {
    package enum Kind: UInt8, Sendable { case cross, inner, left, right, full }
    package enum Condition: Sendable {
        /// CROSS JOIN.
        case none
        case natural
        case on(Expression)
        /// USING (columns) [AS alias].
        case using([Name], alias: Name?)
    }
    package var kind: Kind
    package var left: FromItem
    package var right: FromItem
    package var condition: Condition
    /// An alias over a parenthesised join.
    package var alias: Alias?
    package var position: Int32
}
