// Whether a query mentions a table name, before binding: decides if a WITH RECURSIVE query really recurses.
// FROM clauses are searched at all levels; subqueries inside expressions are, too.

import SQLSyntax

struct TableMentions {
    let name: Name

    func inQuery(_ query: Query) -> Bool {
        if let with = query.with {
            for table in with.tables {
                if case .query(let inner) = table.statement, inQuery(inner) { return true }
                if table.name == name { return false }
            }
        }
        return inBody(query.body)
    }

    private func inBody(_ body: QueryBody) -> Bool {
        switch body {
        case .select(let core):
            for item in core.from where inFrom(item) { return true }
            if let filter = core.filter, inExpression(filter) { return true }
            for target in core.targets where inExpression(target.expression) { return true }
            return false
        case .values: return false
        case .nested(let query): return inQuery(query)
        case .setOperation(let first, let links):
            if inBody(first) { return true }
            for link in links where inBody(link.operand) { return true }
            return false
        }
    }

    private func inFrom(_ item: FromItem) -> Bool {
        switch item {
        case .table(let table): return table.name.parts.count == 1 && table.name.name == name
        case .subquery(let subquery): return inQuery(subquery.query)
        case .function: return false
        case .join(let join): return inFrom(join.left) || inFrom(join.right)
        }
    }

    private func inExpression(_ expression: Expression) -> Bool {
        switch expression.kind {
        case .exists(let query), .scalarSubquery(let query), .arraySubquery(let query): return inQuery(query)
        case .inSubquery(_, let query, _), .quantifiedSubquery(_, _, _, let query): return inQuery(query)
        case .and(let items), .or(let items):
            for item in items where inExpression(item) { return true }
            return false
        case .not(let item), .prefix(_, let item), .cast(let item, _): return inExpression(item)
        case .infix(_, let left, let right): return inExpression(left) || inExpression(right)
        default: return false
        }
    }
}
