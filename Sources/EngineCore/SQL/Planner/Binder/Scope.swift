// Which names a query level can see, and what they mean. Source: SQL:2016 7.6-7.10; PostgreSQL's parse_relation.
//
// A level's namespace is a list of items, one per FROM entry or join alias. A name finds columns in the items of its own
// level first, then of the enclosing ones; two matches in one level are ambiguous.

import Platform
import SQLSyntax
import SQLTypes

struct ScopeColumn {
    var name: Name
    var expression: BoundExpression
    /// Merged away by JOIN USING: only found with its qualifier.
    var isHidden = false
}

struct ScopeItem {
    /// Empty for a join without alias: its columns are found unqualified only.
    var alias: Name
    /// Schema of the relation, for `schema.table.column`; 0 if aliased.
    var schema: ObjectID = 0
    var columns: [ScopeColumn]
    /// Found by `alias.column`.
    var isQualifierVisible = true
    /// Found by unqualified names.
    var areColumnsVisible = true
    /// Left side that only LATERAL may see at this point, and whether it may (not below a RIGHT or FULL join).
    var isLateralOnly = false
    var isLateralAllowed = true
    /// The scanned table, for system columns, row locks and functional dependency.
    var node: GetNode?
    var system: SystemNode?
    /// Function in FROM that yields one scalar column: the alias names the column too.
    var isScalarFunction = false
}

final class Scope {
    var items: [ScopeItem] = []
    let parent: Scope?
    /// WITH queries visible here.
    var commonTables: [CommonTableBinding] = []
    /// Window definitions of the level.
    var windows: [WindowBinding] = []
    /// What the level is binding now, for messages about misplaced aggregates.
    var clause = Clause.other
    /// An expression that sees nothing around it, as if it were a query of its own (defaults).
    init(parent: Scope?) { self.parent = parent }

    enum Clause: UInt8 {
        case other, select, `where`, having, groupBy, orderBy, joinOn, fromFunction, limit, values, insertValues, update
        case returning, check, defaultValue, generated, index, filter, aggregateArgument, windowArgument

        var name: String {
            switch self {
            case .where: "WHERE"
            case .having: "HAVING"
            case .groupBy: "GROUP BY"
            case .orderBy: "ORDER BY"
            case .joinOn: "JOIN conditions"
            case .fromFunction: "functions in FROM"
            case .limit: "LIMIT"
            case .values, .insertValues: "VALUES"
            case .update: "UPDATE"
            case .returning: "RETURNING"
            case .check: "check constraints"
            case .defaultValue: "DEFAULT expressions"
            case .generated: "column generation expressions"
            case .index: "index expressions"
            case .filter: "FILTER"
            case .windowArgument: "window definitions"
            default: "this context"
            }
        }
        /// Neither aggregates nor window functions.
        var forbidsAggregates: Bool {
            switch self {
            case .where, .groupBy, .joinOn, .fromFunction, .limit, .values, .insertValues, .update, .returning, .check,
                .defaultValue, .generated, .index, .filter:
                true
            default: false
            }
        }
    }
}

/// A WITH query by name: bound once, referred to by `index` into StatementContext.commonTables.
struct CommonTableBinding {
    var name: Name
    var columns: [(name: Name, type: SQLType)]
    var index: Int
    /// Inside the recursive term of the query itself.
    var isWorkTable: Bool
}

struct WindowBinding {
    var name: Name?
    var partitionBy: [BoundExpression]
    var orderBy: [SortKey]
    var frame: BoundFrame
    var hasFrame: Bool
}

extension Scope {
    /// Column `name`, unqualified; nil if no level has it. Error 42702 if a level has it twice.
    func column(_ name: Name, _ context: StatementContext, at position: Int32) throws(EngineError) -> BoundExpression? {
        var level: Scope? = self
        while let scope = level {
            var found: BoundExpression?
            for item in scope.items where item.areColumnsVisible {
                for column in item.columns where !column.isHidden && column.name == name {
                    if found != nil {
                        throw EngineError(
                            .ambiguousColumn, "column reference \"\(name.text)\" is ambiguous",
                            position: context.position(position))
                    }
                    try item.checkLateral(name, nil, context, position)
                    found = column.expression
                }
            }
            if let found {
                note(found, context, position)
                return found
            }
            level = scope.parent
        }
        return nil
    }

    /// The item that `qualifier` (and `schema`) names, in this level or an enclosing one.
    func item(_ qualifier: Name, schema: ObjectID?, _ context: StatementContext, at position: Int32)
        throws(EngineError) -> ScopeItem?
    {
        var level: Scope? = self
        while let scope = level {
            var found: ScopeItem?
            for item in scope.items where item.isQualifierVisible && item.alias == qualifier && !item.alias.isEmpty {
                if let schema, item.schema != schema { continue }
                if found != nil {
                    throw EngineError(
                        "42P09", "table reference \"\(qualifier.text)\" is ambiguous",
                        position: context.position(position))
                }
                found = item
            }
            if let found {
                try found.checkLateral(nil, qualifier, context, position)
                return found
            }
            level = scope.parent
        }
        return nil
    }

    func note(_ expression: BoundExpression, _ context: StatementContext, _ position: Int32) {
        if let id = expression.variableID { context.mentions[id.rawValue] = position }
    }
}

extension ScopeItem {
    func checkLateral(_ column: Name?, _ table: Name?, _ context: StatementContext, _ position: Int32)
        throws(EngineError)
    {
        guard isLateralOnly, !isLateralAllowed else { return }
        let name = table ?? alias
        throw EngineError(
            "42P10", "invalid reference to FROM-clause entry for table \"\(name.text)\"",
            detail: "The combining JOIN type must be INNER or LEFT for a LATERAL reference.",
            position: context.position(position))
    }

    /// The column, or a system column of the scanned table.
    func column(_ name: Name, _ context: StatementContext, at position: Int32) throws(EngineError) -> BoundExpression? {
        var found: BoundExpression?
        for column in columns where column.name == name {
            if found != nil {
                throw EngineError(
                    .ambiguousColumn, "column reference \"\(name.text)\" is ambiguous",
                    position: context.position(position))
            }
            found = column.expression
        }
        return found ?? systemColumn(name, context)
    }

    func systemColumn(_ name: Name, _ context: StatementContext) -> BoundExpression? {
        if name.matches("ctid"), let node {
            return context.variable(node.ctidColumn(context))
        }
        if name.matches("tableoid") {
            if let node {
                if node.tableOID == nil {
                    node.tableOID = context.newColumn(
                        ColumnInfo(name: name.bytes, type: SQLType(.oid), qualifier: alias.bytes, isNotNull: true))
                }
                return node.tableOID.map { context.variable($0) }
            }
            if let system { return .constant(Datum(system.relation.oid), SQLType(.oid)) }
        }
        return nil
    }
}

extension GetNode {
    /// The column of the row's ctid, made when first asked for.
    func ctidColumn(_ context: StatementContext) -> ColumnID {
        if let ctid { return ctid }
        let column = context.newColumn(
            ColumnInfo(name: staticBytes("ctid"), type: SQLType(.tid), qualifier: alias, isNotNull: true))
        ctid = column
        return column
    }
}
