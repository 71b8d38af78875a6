// Subqueries as expressions. Each becomes a SubqueryExpression; the optimiser joins or correlates it.

import Platform
import SQLSyntax
import SQLTypes

extension Binder {
    private func bindInner(_ query: Query, _ scope: Scope, resolvesUnknown: Bool = true)
        throws(EngineError) -> BoundQuery
    {
        try context.nested { () throws(EngineError) in
            try bindQuery(query, parent: scope, commonTables: [], resolvesUnknown: resolvesUnknown)
        }
    }

    @inline(never) func bindScalarSubquery(_ query: Query, _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        let inner = try bindInner(query, scope)
        if inner.columns.count != 1 {
            throw error(.syntaxError, "subquery must return only one column", at: position)
        }
        return .subquery(
            SubqueryExpression(
                kind: .scalar, input: inner.plan, columns: inner.columns, type: context.info(inner.columns[0]).type))
    }

    @inline(never) func bindExists(_ query: Query, _ scope: Scope) throws(EngineError) -> BoundExpression {
        let inner = try bindInner(query, scope)
        return .subquery(
            SubqueryExpression(kind: .exists, input: inner.plan, columns: inner.columns, type: SQLType(.bool)))
    }

    @inline(never) func bindArraySubquery(_ query: Query, _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        let inner = try bindInner(query, scope)
        if inner.columns.count != 1 {
            throw error(.syntaxError, "subquery must return only one column", at: position)
        }
        let element = context.info(inner.columns[0]).type
        let isArray = TypeTable.builtin.info(element.oid)?.isArray ?? false
        let array = isArray ? element.oid : element.oid.arrayType
        if array == .none {
            throw error(
                .undefinedObject, "could not find array type for data type \(TypeNames.string(element.oid))",
                at: position)
        }
        return .subquery(
            SubqueryExpression(kind: .array, input: inner.plan, columns: inner.columns, type: SQLType(array)))
    }

    @inline(never) func bindInSubquery(
        _ left: Expression, _ query: Query, _ negated: Bool, _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        let test = try quantified(staticBytes("="), left, query, isAll: false, scope, at: position)
        return negated ? .not(test) : test
    }

    @inline(never) func bindQuantifiedSubquery(
        _ op: OperatorReference, _ left: Expression, _ quantifier: Quantifier, _ query: Query, _ scope: Scope,
        at position: Int32
    ) throws(EngineError) -> BoundExpression {
        try quantified(op.name.bytes, left, query, isAll: quantifier == .all, scope, at: position)
    }

    private func quantified(
        _ symbol: [UInt8], _ left: Expression, _ query: Query, isAll: Bool, _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        let row = isRow(left) ? try rowItems(left, scope) : [try bind(left, scope)]
        let inner = try bindInner(query, scope)
        if inner.columns.count != row.count {
            let few = inner.columns.count < row.count
            throw error(
                .syntaxError, few ? "subquery has too few columns" : "subquery has too many columns", at: position)
        }
        if row.count > 1, !bytesEqual(symbol, "="), !bytesEqual(symbol, "<>") {
            throw EngineError.notSupported(
                "row comparison \(text(symbol)) ANY/ALL", position: context.position(position))
        }
        var lefts: [BoundExpression] = []
        var tests: [BoundCall] = []
        var items: [ProjectItem] = []
        var needsProject = false
        for (index, value) in row.enumerated() {
            let column = context.variable(inner.columns[index])
            let call = try operatorCall(symbol, value, column, at: position)
            if call.type.oid != .bool {
                throw error(
                    .datatypeMismatch,
                    "operator \(text(symbol)) must return type boolean, not type \(TypeNames.string(call.type.oid))",
                    at: position)
            }
            lefts.append(call.arguments[0])
            let right = call.arguments[1]
            if right.variableID == inner.columns[index] {
                items.append(ProjectItem(column: inner.columns[index], expression: right))
            } else {
                needsProject = true
                let cast = context.newColumn(context.info(inner.columns[index]).name, right.type)
                items.append(ProjectItem(column: cast, expression: right))
            }
            tests.append(BoundCall(call.function, [], type: call.type, position: call.position))
        }
        let plan = needsProject ? Logical.project(inner.plan, items) : inner.plan
        return .subquery(
            SubqueryExpression(
                kind: isAll ? .all : .any, input: plan, columns: items.map { $0.column }, left: lefts, test: tests,
                type: SQLType(.bool)))
    }

    /// `(a, b) = (SELECT x, y …)`: more than one row must be an error, so each column is a scalar subquery of its own.
    @inline(never) func bindRowSubquery(
        _ kind: ComparisonKind, _ left: Expression, _ query: Query, _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        let row = try rowItems(left, scope)
        return try rowComparison(kind, row, rowSubquery(query, row.count, scope, at: position), at: position)
    }

    /// The columns of a one-row subquery as scalar subqueries.
    func rowSubquery(_ query: Query, _ count: Int, _ scope: Scope, at position: Int32)
        throws(EngineError) -> [BoundExpression]
    {
        var values: [BoundExpression] = []
        for index in 0..<count {
            let inner = try bindInner(query, scope)
            if inner.columns.count != count {
                throw error(
                    .syntaxError,
                    inner.columns.count < count ? "subquery has too few columns" : "subquery has too many columns",
                    at: position)
            }
            let column = inner.columns[index]
            values.append(
                .subquery(
                    SubqueryExpression(
                        kind: .scalar,
                        input: .project(
                            inner.plan, [ProjectItem(column: column, expression: context.variable(column))]),
                        columns: [column], type: context.info(column).type)))
        }
        return values
    }
}
