// The binder: names get meanings and types. One Binder binds a statement; methods lie in one file per construct.
//
// Expression binding recurses as deep as the tree, whose height the parser bounds; each step's frame is kept small by
// sending every kind of node to a function of its own.

import Platform
import SQLSyntax
import SQLTypes

struct Binder {
    let context: StatementContext
    var registry: FunctionRegistry { context.registry }
    var types: TypeBinder { TypeBinder(context: context) }
    init(_ context: StatementContext) { self.context = context }

    func error(_ state: SQLState, _ message: String, hint: String? = nil, at position: Int32) -> EngineError {
        EngineError(state, message, hint: hint, position: context.position(position))
    }

    /// Binds an expression with the names of `scope`. The kinds are split over several functions: one with all of them
    /// would need a frame for all their operands at every level of a tree.
    func bind(_ expression: Expression, _ scope: Scope) throws(EngineError) -> BoundExpression {
        try context.checkStack()
        if let bound = try bindLeaf(expression, scope) { return bound }
        if let bound = try bindOperation(expression, scope) { return bound }
        if let bound = try bindPredicate(expression, scope) { return bound }
        return try bindConstruct(expression, scope)
    }

    @inline(never) private func bindLeaf(_ expression: Expression, _ scope: Scope)
        throws(EngineError) -> BoundExpression?
    {
        let position = expression.position
        switch expression.kind {
        case .literal(let literal): return try bindLiteral(literal)
        case .parameter(let number): return try context.parameter(number, at: position)
        case .column(let parts): return try bindColumn(parts, scope, at: position)
        case .star:
            throw error(.syntaxError, "row expansion via \"*\" is not supported here", at: position)
        case .defaultValue:
            throw error(.syntaxError, "DEFAULT is not allowed in this context", at: position)
        case .sqlValue(let function, let precision): return try bindSQLValue(function, precision, at: position)
        case .currentOf: throw EngineError.notSupported("WHERE CURRENT OF", position: context.position(position))
        case .grouping: throw EngineError.notSupported("GROUPING", position: context.position(position))
        default: return nil
        }
    }

    @inline(never) private func bindOperation(_ expression: Expression, _ scope: Scope)
        throws(EngineError) -> BoundExpression?
    {
        let position = expression.position
        switch expression.kind {
        case .prefix(let op, let operand): return try bindPrefix(op, operand, scope, at: position)
        case .infix(let op, let left, let right): return try bindInfix(op, left, right, scope, at: position)
        case .chain(let first, let links): return try bindChain(first, links, scope)
        case .and(let items): return .and(try bindConditions(items, "AND", scope))
        case .or(let items): return .or(try bindConditions(items, "OR", scope))
        case .not(let item): return .not(try bindConditions([item], "NOT", scope)[0])
        case .function(let call): return try bindFunction(call, scope, at: position)
        case .cast(let operand, let name): return try bindCast(operand, name, scope, at: position)
        default: return nil
        }
    }

    @inline(never) private func bindPredicate(_ expression: Expression, _ scope: Scope)
        throws(EngineError) -> BoundExpression?
    {
        let position = expression.position
        switch expression.kind {
        case .like(let like): return try bindLike(like, scope, at: position)
        case .between(let between): return try bindBetween(between, scope, at: position)
        case .inList(let left, let items, let negated):
            return try bindInList(left, items, negated, scope, at: position)
        case .inSubquery(let left, let query, let negated):
            return try bindInSubquery(left, query, negated, scope, at: position)
        case .quantifiedArray(let op, let left, let quantifier, let array):
            return try bindQuantifiedArray(op, left, quantifier, array, scope, at: position)
        case .quantifiedSubquery(let op, let left, let quantifier, let query):
            return try bindQuantifiedSubquery(op, left, quantifier, query, scope, at: position)
        case .isTest(let operand, let test, let negated):
            return try bindIsTest(operand, test, negated, scope, at: position)
        case .isDistinct(let left, let right, let negated):
            return try bindIsDistinct(left, right, negated, scope, at: position)
        default: return nil
        }
    }

    @inline(never) private func bindConstruct(_ expression: Expression, _ scope: Scope)
        throws(EngineError) -> BoundExpression
    {
        let position = expression.position
        switch expression.kind {
        case .collate(let operand, let name): return try bindCollate(operand, name, scope, at: position)
        case .indirection(let base, let steps): return try bindIndirection(base, steps, scope, at: position)
        case .caseWhen(let node): return try bindCase(node, scope, at: position)
        case .coalesce(let items): return try bindCoalesce(items, scope)
        case .nullIf(let left, let right): return try bindNullIf(left, right, scope, at: position)
        case .greatest(let items): return try bindExtremum(items, greatest: true, scope)
        case .least(let items): return try bindExtremum(items, greatest: false, scope)
        case .array(let items): return try bindArray(items, scope, expected: nil, at: position)
        case .arraySubquery(let query): return try bindArraySubquery(query, scope, at: position)
        case .row(let items, _): return try bindRow(items, scope)
        case .exists(let query): return try bindExists(query, scope)
        case .scalarSubquery(let query): return try bindScalarSubquery(query, scope, at: position)
        default: preconditionFailure("every kind of expression is bound by one of four functions")
        }
    }

    @inline(never) func bindLiteral(_ literal: Literal) throws(EngineError) -> BoundExpression {
        switch literal {
        case .null: return .constant(.null, SQLType(.unknown))
        case .boolean(let value): return .boolean(value)
        case .integer(let value):
            if let small = Int32(exactly: value) { return .constant(Datum(small), SQLType(.int4)) }
            return .constant(Datum(value), SQLType(.int8))
        case .numeric(let digits):
            let value = try digits.withRaw { (bytes) throws(EngineError) in
                try TypeIO.input(bytes, SQLType(.numeric), context.session.context)
            }
            return .constant(value, SQLType(.numeric))
        case .string(let bytes): return .constant(Datum(bytes: bytes), SQLType(.unknown))
        case .bits(let digits), .hexBits(let digits): return .constant(Datum(bytes: digits), SQLType(.unknown))
        }
    }

    @inline(never) func bindConditions(_ items: [Expression], _ what: String, _ scope: Scope)
        throws(EngineError) -> [BoundExpression]
    {
        var bound: [BoundExpression] = []
        bound.reserveCapacity(items.count)
        for item in items { bound.append(try coerceBoolean(bind(item, scope), what, at: item.position)) }
        return bound
    }

    // MARK: - Columns

    @inline(never) func bindColumn(_ parts: [Name], _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if parts.count == 1 {
            if let found = try scope.column(parts[0], context, at: position) { return found }
            if let found = try systemColumn(parts[0], scope, at: position) { return found }
            // A relation's name alone is its row.
            if let item = try scope.item(parts[0], schema: nil, context, at: position) { return wholeRow(item) }
            throw error(.undefinedColumn, "column \"\(parts[0].text)\" does not exist", at: position)
        }
        var schema: ObjectID?
        var qualifier = parts[0]
        if parts.count >= 3 {
            let schemaName = parts[parts.count - 3]
            guard let found = try context.session.schema(named: schemaName.bytes) else {
                throw missingFrom(QualifiedName(Array(parts.dropLast())), position)
            }
            schema = found.oid
            qualifier = parts[parts.count - 2]
        }
        let name = parts[parts.count - 1]
        guard let item = try scope.item(qualifier, schema: schema, context, at: position) else {
            throw missingFrom(QualifiedName(Array(parts.dropLast())), position, scope)
        }
        if let found = try item.column(name, context, at: position) {
            scope.note(found, context, position)
            return found
        }
        throw error(.undefinedColumn, "column \(qualifier.text).\(name.text) does not exist", at: position)
    }

    private func systemColumn(_ name: Name, _ scope: Scope, at position: Int32) throws(EngineError) -> BoundExpression?
    {
        if !name.matches("ctid") && !name.matches("tableoid") { return nil }
        var found: BoundExpression?
        for item in scope.items where item.areColumnsVisible {
            if let column = item.systemColumn(name, context) {
                if found != nil {
                    throw error(.ambiguousColumn, "column reference \"\(name.text)\" is ambiguous", at: position)
                }
                found = column
            }
        }
        return found
    }

    func missingFrom(_ name: QualifiedName, _ position: Int32, _ scope: Scope? = nil) -> EngineError {
        let qualifier = name.text
        if let scope {
            for item in scope.items {
                if let node = item.node, node.table.name == name.name.bytes, item.alias != name.name {
                    return error(
                        .undefinedTable, "invalid reference to FROM-clause entry for table \"\(qualifier)\"",
                        hint: "Perhaps you meant to reference the table alias \"\(item.alias.text)\".", at: position)
                }
            }
        }
        return error(.undefinedTable, "missing FROM-clause entry for table \"\(qualifier)\"", at: position)
    }

    func wholeRow(_ item: ScopeItem) -> BoundExpression {
        if item.isScalarFunction, let first = item.columns.first { return first.expression }
        return .row(item.columns.map { $0.expression })
    }

    // MARK: - Session values

    @inline(never) func bindSQLValue(_ function: SQLValueFunction, _ precision: Int32, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        switch function {
        case .currentDate: return try sessionTime(SQLType(.date), at: position)
        case .currentTime, .localTime: return try sessionTime(SQLType(.time, typmod: precision), at: position)
        case .currentTimestamp: return try sessionTime(SQLType(.timestamptz, typmod: precision), at: position)
        case .localTimestamp: return try sessionTime(SQLType(.timestamp, typmod: precision), at: position)
        case .currentRole, .currentUser, .user: return try callBuiltin("current_user", [], at: position)
        case .sessionUser: return try callBuiltin("session_user", [], at: position)
        case .currentCatalog: return try callBuiltin("current_database", [], at: position)
        case .currentSchema: return try callBuiltin("current_schema", [], at: position)
        }
    }
    private func sessionTime(_ type: SQLType, at position: Int32) throws(EngineError) -> BoundExpression {
        try explicitCast(callBuiltin("now", [], at: position), to: type, at: position)
    }

    /// A call of a function of pg_catalog by name.
    func callBuiltin(_ name: StaticString, _ arguments: [BoundExpression], at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        try resolveCall(QualifiedName(Name(staticBytes(name))), arguments, at: position).expression
    }
}
