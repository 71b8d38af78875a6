// Calls: functions, aggregates, window functions, and casts written as calls.

import Platform
import SQLSyntax
import SQLTypes

/// A resolved call with its arguments as the function wants them.
struct BoundFunction {
    var entry: FunctionEntry
    var arguments: [BoundExpression]
    var type: SQLType
    var position: Int
    var expression: BoundExpression { .call(BoundCall(entry, arguments, type: type, position: position)) }
}

extension Binder {
    @inline(never) func bindFunction(_ call: SQLSyntax.FunctionCall, _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        guard call.arguments.count <= 100 else {
            throw error("54023", "cannot pass more than 100 arguments to a function", at: position)
        }
        var arguments: [BoundExpression] = []
        for argument in call.arguments {
            if argument.name != nil {
                throw EngineError.notSupported("named function arguments", position: context.position(position))
            }
            arguments.append(try bind(argument.value, scope))
        }
        let isPlain = !call.isStar && !call.distinct && call.orderBy.isEmpty && call.filter == nil && call.over == nil
        if isPlain, arguments.count == 1, let cast = try castCall(call.name, arguments[0], at: position) { return cast }
        if call.withinGroup { return try bindOrderedSet(call, arguments, scope, at: position) }
        let bound = try resolveCall(
            call.name, arguments, isStar: call.isStar, variadic: call.variadic,
            positions: call.arguments.map { $0.value.position }, at: position)
        if bound.entry.isAggregate && call.over == nil {
            return try bindAggregate(call, bound, scope, at: position)
        }
        if let over = call.over { return try bindWindowCall(call, bound, over, scope, at: position) }
        if bound.entry.isWindow {
            throw error(
                .wrongObjectType, "window function \(call.name.name.text) requires an OVER clause", at: position)
        }
        if !isPlain { throw misplaced(call, at: position) }
        return bound.expression
    }

    private func misplaced(_ call: SQLSyntax.FunctionCall, at position: Int32) -> EngineError {
        let name = call.name.name.text
        if call.isStar {
            return error(
                .wrongObjectType, "\(name)(*) specified, but \(name) is not an aggregate function", at: position)
        }
        if call.distinct {
            return error(.wrongObjectType, "DISTINCT specified, but \(name) is not an aggregate function", at: position)
        }
        if !call.orderBy.isEmpty {
            return error(.wrongObjectType, "ORDER BY specified, but \(name) is not an aggregate function", at: position)
        }
        return error(.wrongObjectType, "FILTER specified, but \(name) is not an aggregate function", at: position)
    }

    /// Resolves `name(arguments)`. Errors: 42883, 42725, 3F000.
    func resolveCall(
        _ name: QualifiedName, _ arguments: [BoundExpression], isStar: Bool = false, variadic: Bool = false,
        positions: [Int32] = [], at position: Int32
    ) throws(EngineError) -> BoundFunction {
        let types = arguments.map { $0.type.oid }
        var resolved: ResolvedCall?
        if try isBuiltinSchema(name, at: position) {
            do throws(EngineError) {
                resolved = try registry.resolve(function: name.name.bytes, types, isVariadicCall: variadic)
            } catch {
                var located = error
                located.position = context.position(position)
                throw located
            }
        }
        guard let resolved else { throw noFunction(name, types, at: position) }
        var coerced: [BoundExpression] = []
        for index in arguments.indices {
            let target = index < resolved.argumentTypes.count ? resolved.argumentTypes[index] : .any
            coerced.append(
                try coerceArgument(
                    arguments[index], to: target, at: index < positions.count ? positions[index] : position))
        }
        if resolved.variadicCount > 0 {
            let elements = Array(coerced.suffix(resolved.variadicCount))
            coerced.removeLast(resolved.variadicCount)
            coerced.append(
                .array(
                    ArrayConstructor(
                        elements: elements, elementType: SQLType(resolved.variadicArray.element),
                        type: SQLType(resolved.variadicArray), isMultidimensional: false)))
        }
        return BoundFunction(
            entry: resolved.entry, arguments: coerced, type: SQLType(resolved.result),
            position: context.position(position))
    }

    /// Functions exist in pg_catalog (and a few in information_schema) only.
    private func isBuiltinSchema(_ name: QualifiedName, at position: Int32) throws(EngineError) -> Bool {
        guard let schema = name.schema else { return true }
        if schema.matches("pg_catalog") || schema.matches("information_schema") { return true }
        _ = try context.session.requireSchema(schema, position: context.position(position))
        return false
    }

    func noFunction(_ name: QualifiedName, _ types: [TypeOID], at position: Int32) -> EngineError {
        var signature = name.text + "("
        for (index, type) in types.enumerated() {
            if index > 0 { signature += ", " }
            signature += TypeNames.string(type)
        }
        return error(
            .undefinedFunction, "function \(signature)) does not exist",
            hint: "No function matches the given name and argument types. You might need to add explicit type casts.",
            at: position)
    }

    /// `typename(x)` is a cast when no function has that name and argument.
    private func castCall(_ name: QualifiedName, _ argument: BoundExpression, at position: Int32)
        throws(EngineError) -> BoundExpression?
    {
        if let schema = name.schema, !schema.matches("pg_catalog") { return nil }
        guard let info = TypeTable.builtin.named(name.name.bytes), !info.oid.isPseudo else { return nil }
        let source = argument.type.oid
        for entry in registry.functions(named: name.name.bytes) where entry.arguments.count == 1 {
            if entry.arguments[0] == source { return nil }
        }
        if source == info.oid || source == .unknown || registry.canCast(from: source, to: info.oid, .explicit) {
            if source != .unknown || registry.functions(named: name.name.bytes).isEmpty {
                return try explicitCast(argument, to: SQLType(info.oid), at: position)
            }
        }
        return nil
    }

    // MARK: - Aggregates

    @inline(never) private func bindAggregate(
        _ call: SQLSyntax.FunctionCall, _ bound: BoundFunction, _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        if scope.clause.forbidsAggregates {
            throw error(.groupingError, "aggregate functions are not allowed in \(scope.clause.name)", at: position)
        }
        for argument in bound.arguments {
            var inner = 0
            argument.forEach { if case .aggregate(let call) = $0 { inner = max(call.position, 1) } }
            if inner > 0 {
                throw EngineError(.groupingError, "aggregate function calls cannot be nested", position: inner)
            }
            if argument.containsWindow {
                throw error(
                    .groupingError, "aggregate function calls cannot contain window function calls", at: position)
            }
        }
        try requireLocalArguments(bound, scope, at: position)
        let orderBy = try bindSortItems(call.orderBy, scope)
        if call.distinct {
            for key in orderBy {
                var isArgument = false
                for argument in bound.arguments where argument.isSame(as: key.expression) { isArgument = true }
                if !isArgument {
                    throw error(
                        "42P10",
                        "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list", at: position
                    )
                }
            }
        }
        return .aggregate(
            AggregateCall(
                function: bound.entry, arguments: bound.arguments, isDistinct: call.distinct,
                filter: try bindFilter(call.filter, scope), orderBy: orderBy, type: bound.type, isStar: call.isStar,
                position: bound.position, isOrderedSet: false))
    }

    /// An aggregate whose arguments are columns of enclosing levels only is an aggregate of the innermost of these.
    private func requireLocalArguments(_ bound: BoundFunction, _ scope: Scope, at position: Int32) throws(EngineError) {
        if scope.parent == nil { return }
        let local = Set(localColumns(scope))
        var hasLocal = false
        var hasOuter = false
        for argument in bound.arguments {
            argument.forEach { node in
                guard let id = node.variableID else { return }
                if local.contains(id.rawValue) { hasLocal = true } else { hasOuter = true }
            }
        }
        if hasOuter, !hasLocal {
            throw EngineError.notSupported(
                "an aggregate of an enclosing query in a subquery", position: context.position(position))
        }
    }

    private func bindFilter(_ filter: Expression?, _ scope: Scope) throws(EngineError) -> BoundExpression? {
        guard let filter else { return nil }
        let clause = scope.clause
        scope.clause = .filter
        defer { scope.clause = clause }
        return try coerceBoolean(bind(filter, scope), "FILTER", at: filter.position)
    }

    /// percentile_cont(fraction) WITHIN GROUP (ORDER BY x): direct arguments first, then the sorted ones.
    private func bindOrderedSet(
        _ call: SQLSyntax.FunctionCall, _ direct: [BoundExpression], _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        let orderBy = try bindSortItems(call.orderBy, scope)
        let bound = try resolveCall(call.name, direct + orderBy.map { $0.expression }, at: position)
        guard bound.entry.isAggregate else {
            throw error(
                .wrongObjectType,
                "WITHIN GROUP specified, but \(call.name.name.text) is not an ordered-set aggregate function",
                at: position)
        }
        var keys = orderBy
        for index in keys.indices { keys[index].expression = bound.arguments[direct.count + index] }
        return .aggregate(
            AggregateCall(
                function: bound.entry, arguments: bound.arguments, isDistinct: false,
                filter: try bindFilter(call.filter, scope), orderBy: keys, type: bound.type, isStar: false,
                position: bound.position, isOrderedSet: true))
    }

    // MARK: - Windows

    @inline(never) private func bindWindowCall(
        _ call: SQLSyntax.FunctionCall, _ bound: BoundFunction, _ over: WindowReference, _ scope: Scope,
        at position: Int32
    ) throws(EngineError) -> BoundExpression {
        if scope.clause.forbidsAggregates || scope.clause == .having || scope.clause == .windowArgument {
            throw error(
                "42P20", "window functions are not allowed in \(scope.clause.name)", at: position)
        }
        if !bound.entry.isAggregate && !bound.entry.isWindow {
            throw error(
                .wrongObjectType,
                "OVER specified, but \(call.name.name.text) is not a window function nor an aggregate function",
                at: position)
        }
        if call.distinct {
            throw error(
                .featureNotSupported, "DISTINCT is not implemented for window functions", at: position)
        }
        if !call.orderBy.isEmpty {
            throw error(
                .featureNotSupported, "aggregate ORDER BY is not implemented for window functions", at: position)
        }
        for argument in bound.arguments where argument.containsWindow {
            throw error("42P20", "window function calls cannot be nested", at: position)
        }
        return .window(
            WindowCall(
                function: bound.entry, arguments: bound.arguments, filter: try bindFilter(call.filter, scope),
                type: bound.type, isStar: call.isStar, window: try bindWindow(over, scope, at: position),
                position: bound.position))
    }
}
