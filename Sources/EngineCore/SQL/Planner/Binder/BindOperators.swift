// Operators: resolution by operand types, and the predicates that are operators in disguise (LIKE, BETWEEN, IN, IS).

import Platform
import SQLSyntax
import SQLTypes

extension Binder {
    /// `left op right` (or prefix, left nil) on bound operands.
    func operatorCall(
        _ name: [UInt8], _ left: BoundExpression?, _ right: BoundExpression, at position: Int32,
        leftAt: Int32? = nil, rightAt: Int32? = nil
    ) throws(EngineError) -> BoundCall {
        guard let resolved = try resolveOperator(name, left?.type.oid, right.type.oid, at: position) else {
            throw noOperator(name, left?.type.oid, right.type.oid, at: position)
        }
        var arguments: [BoundExpression] = []
        let types = resolved.call.argumentTypes
        if let left { arguments.append(try coerceArgument(left, to: types[0], at: leftAt ?? position)) }
        arguments.append(try coerceArgument(right, to: types[types.count - 1], at: rightAt ?? position))
        return BoundCall(
            resolved.call.entry, arguments, type: SQLType(resolved.call.result), position: context.position(position))
    }

    func resolveOperator(_ name: [UInt8], _ left: TypeOID?, _ right: TypeOID, at position: Int32)
        throws(EngineError) -> ResolvedOperator?
    {
        do throws(EngineError) {
            // `<>` has the second spelling `!=`.
            let actual = bytesEqual(name, "!=") ? staticBytes("<>") : name
            return try registry.resolve(operator: actual, left, right)
        } catch {
            var located = error
            located.position = context.position(position)
            throw located
        }
    }

    func noOperator(_ name: [UInt8], _ left: TypeOID?, _ right: TypeOID, at position: Int32) -> EngineError {
        let symbol = text(name)
        if let left {
            return error(
                .undefinedFunction,
                "operator does not exist: \(TypeNames.string(left)) \(symbol) \(TypeNames.string(right))",
                hint:
                    "No operator matches the given name and argument types. You might need to add explicit type casts.",
                at: position)
        }
        return error(
            .undefinedFunction, "operator does not exist: \(symbol) \(TypeNames.string(right))",
            hint: "No operator matches the given name and argument type. You might need to add an explicit type cast.",
            at: position)
    }

    private func checkSchema(_ op: OperatorReference) throws(EngineError) {
        guard let schema = op.schema.last, !schema.matches("pg_catalog") else { return }
        _ = try context.session.requireSchema(schema, position: context.position(op.position))
        throw error(.undefinedFunction, "operator does not exist: \(schema.text).\(op.name.text)", at: op.position)
    }

    @inline(never) func bindInfix(
        _ op: OperatorReference, _ left: Expression, _ right: Expression, _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        try checkSchema(op)
        if let kind = comparisonKind(op.name), isRow(left) || isRow(right) {
            return try bindRowComparison(kind, left, right, scope, at: position)
        }
        let boundLeft = try bind(left, scope)
        let boundRight = try bind(right, scope)
        return .call(
            try operatorCall(
                op.name.bytes, boundLeft, boundRight, at: op.position >= 0 ? op.position : position,
                leftAt: left.position, rightAt: right.position))
    }

    @inline(never) func bindChain(_ first: Expression, _ links: [ChainLink], _ scope: Scope)
        throws(EngineError) -> BoundExpression
    {
        // Each link is a level of the bound tree, which later passes walk recursively.
        if links.count > 250 { throw context.tooComplex }
        var left = try bind(first, scope)
        for link in links {
            try checkSchema(link.op)
            left = .call(
                try operatorCall(
                    link.op.name.bytes, left, bind(link.operand, scope), at: link.op.position, leftAt: first.position,
                    rightAt: link.operand.position))
        }
        return left
    }

    @inline(never) func bindPrefix(_ op: OperatorReference, _ operand: Expression, _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        try checkSchema(op)
        if op.name == "-", case .literal(let literal) = operand.kind {
            // Minus belongs to the constant, so that -2147483648 is an int4 and -1.5 a constant.
            if case .integer(let value) = literal, value != Int64.min { return try bindLiteral(.integer(-value)) }
            if case .numeric(let digits) = literal {
                if digits == staticBytes("9223372036854775808") {
                    return .constant(Datum(Int64.min), SQLType(.int8))
                }
                return try bindLiteral(.numeric([UInt8(ascii: "-")] + digits))
            }
        }
        return .call(try operatorCall(op.name.bytes, nil, bind(operand, scope), at: op.position))
    }

    // MARK: - Rows

    func isRow(_ expression: Expression) -> Bool {
        if case .row = expression.kind { return true }
        return false
    }

    func comparisonKind(_ name: OperatorName) -> ComparisonKind? {
        if name == "=" { return .equal }
        if name == "<>" || name == "!=" { return .notEqual }
        if name == "<" { return .less }
        if name == "<=" { return .lessOrEqual }
        if name == ">" { return .greater }
        if name == ">=" { return .greaterOrEqual }
        return nil
    }

    @inline(never) private func bindRowComparison(
        _ kind: ComparisonKind, _ left: Expression, _ right: Expression, _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        if case .scalarSubquery(let query) = right.kind {
            return try bindRowSubquery(kind, left, query, scope, at: position)
        }
        let boundLeft = try rowItems(left, scope)
        let boundRight = try rowItems(right, scope)
        return try rowComparison(kind, boundLeft, boundRight, at: position)
    }

    func rowItems(_ expression: Expression, _ scope: Scope) throws(EngineError) -> [BoundExpression] {
        if case .row(let items) = try bind(expression, scope) { return items }
        throw error(
            .datatypeMismatch, "input of anonymous composite types is not implemented", at: expression.position)
    }

    func rowComparison(
        _ kind: ComparisonKind, _ left: [BoundExpression], _ right: [BoundExpression], at position: Int32
    ) throws(EngineError) -> BoundExpression {
        if left.count != right.count {
            throw error(.syntaxError, "unequal number of entries in row expressions", at: position)
        }
        if left.isEmpty {
            throw error(.featureNotSupported, "cannot compare rows of zero length", at: position)
        }
        let strict: StaticString =
            switch kind {
            case .equal: "="
            case .notEqual: "<>"
            case .less, .lessOrEqual: "<"
            case .greater, .greaterOrEqual: ">"
            }
        if left.count == 1 {
            return .call(try operatorCall(comparisonSymbol(kind), left[0], right[0], at: position))
        }
        if kind == .equal || kind == .notEqual {
            var parts: [BoundExpression] = []
            for index in left.indices {
                parts.append(.call(try operatorCall(staticBytes(strict), left[index], right[index], at: position)))
            }
            return kind == .equal ? .and(parts) : .or(parts)
        }
        var node = RowComparison(kind: kind, left: [], right: [], operations: [], equalities: [])
        for index in left.indices {
            let less = try operatorCall(staticBytes(strict), left[index], right[index], at: position)
            let equal = try operatorCall(staticBytes("="), left[index], right[index], at: position)
            node.left.append(less.arguments[0])
            node.right.append(less.arguments[1])
            node.operations.append(less.function)
            node.equalities.append(equal.function)
        }
        return .rowComparison(node)
    }

    func comparisonSymbol(_ kind: ComparisonKind) -> [UInt8] {
        switch kind {
        case .equal: staticBytes("=")
        case .notEqual: staticBytes("<>")
        case .less: staticBytes("<")
        case .lessOrEqual: staticBytes("<=")
        case .greater: staticBytes(">")
        case .greaterOrEqual: staticBytes(">=")
        }
    }

    // MARK: - Predicates

    @inline(never) func bindLike(_ like: Like, _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        let value = try bind(like.value, scope)
        var pattern = try bind(like.pattern, scope)
        let symbol: StaticString
        switch like.kind {
        case .like: symbol = like.negated ? "!~~" : "~~"
        case .ilike: symbol = like.negated ? "!~~*" : "~~*"
        case .similar: symbol = like.negated ? "!~" : "~"
        }
        if like.kind == .similar {
            var arguments = [pattern]
            if let escape = like.escape { arguments.append(try bind(escape, scope)) }
            pattern = try callBuiltin("similar_to_escape", arguments, at: position)
        } else if let escape = like.escape {
            pattern = try callBuiltin("like_escape", [pattern, bind(escape, scope)], at: position)
        }
        return .call(try operatorCall(staticBytes(symbol), value, pattern, at: position))
    }

    @inline(never) func bindBetween(_ between: Between, _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        let value = try bind(between.value, scope)
        let low = try bind(between.low, scope)
        let high = try bind(between.high, scope)
        var result = try range(value, low, high, at: position)
        if between.symmetric { result = .or([result, try range(value, high, low, at: position)]) }
        return between.negated ? .not(result) : result
    }
    private func range(_ value: BoundExpression, _ low: BoundExpression, _ high: BoundExpression, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        .and([
            .call(try operatorCall(staticBytes(">="), value, low, at: position)),
            .call(try operatorCall(staticBytes("<="), value, high, at: position)),
        ])
    }

    @inline(never) func bindInList(
        _ left: Expression, _ items: [Expression], _ negated: Bool, _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        if isRow(left) {
            let row = try rowItems(left, scope)
            var parts: [BoundExpression] = []
            for item in items { parts.append(try rowComparison(.equal, row, rowItems(item, scope), at: position)) }
            let any = parts.count == 1 ? parts[0] : .or(parts)
            return negated ? .not(any) : any
        }
        let value = try bind(left, scope)
        var bound: [BoundExpression] = []
        for item in items { bound.append(try bind(item, scope)) }
        let test = try inList(value, bound, at: position)
        return negated ? .not(test) : test
    }

    private func inList(_ value: BoundExpression, _ items: [BoundExpression], at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if items.count == 1 { return .call(try operatorCall(staticBytes("="), value, items[0], at: position)) }
        let itemTypes = items.map { $0.type.oid }
        if let common = registry.commonType([value.type.oid] + itemTypes) {
            let probe = BoundExpression.constant(.null, SQLType(common))
            if let resolved = try resolveOperator(
                staticBytes("="), value.type.oid == .unknown ? common : value.type.oid,
                probe.type.oid, at: position)
            {
                let types = resolved.call.argumentTypes
                let left = try coerceArgument(value, to: types[0], at: position)
                var coerced: [BoundExpression] = []
                for item in items {
                    guard let common = try tryCoerce(item, to: SQLType(common), .implicit, at: position) else {
                        throw cannotCast(item.type, common, position)
                    }
                    coerced.append(try coerceArgument(common, to: types[1], at: position))
                }
                let equals = BoundCall(
                    resolved.call.entry, [], type: SQLType(.bool), position: context.position(position))
                return .inList(InList(left: left, equals: equals, items: coerced))
            }
        }
        var parts: [BoundExpression] = []
        for item in items { parts.append(.call(try operatorCall(staticBytes("="), value, item, at: position))) }
        return .or(parts)
    }

    @inline(never) func bindQuantifiedArray(
        _ op: OperatorReference, _ left: Expression, _ quantifier: Quantifier, _ array: Expression, _ scope: Scope,
        at position: Int32
    ) throws(EngineError) -> BoundExpression {
        let value = try bind(left, scope)
        var list = try bind(array, scope)
        if list.type.oid == .unknown {
            // `x = ANY ('{…}')` and `= ANY ($1)`: an array of the left side's type.
            let element = value.type.oid == .unknown ? TypeOID.text : value.type.oid
            list = try coerceArgument(list, to: element.arrayType, at: array.position)
        }
        let element = list.type.oid.isArrayLike ? list.type.oid.element : TypeOID.none
        if element == .none {
            throw error(.wrongObjectType, "op ANY/ALL (array) requires array on right side", at: position)
        }
        guard let resolved = try resolveOperator(op.name.bytes, value.type.oid, element, at: op.position) else {
            throw noOperator(op.name.bytes, value.type.oid, list.type.oid, at: op.position)
        }
        if resolved.call.result != .bool {
            throw error(.wrongObjectType, "op ANY/ALL (array) requires operator to yield boolean", at: position)
        }
        let types = resolved.call.argumentTypes
        if types[1] != element, types[1].arrayType != .none {
            list = try coerceArgument(list, to: types[1].arrayType, at: array.position)
        }
        let isAll = quantifier == .all
        return .quantifiedArray(
            QuantifiedArray(
                left: try coerceArgument(value, to: types[0], at: left.position),
                operation: BoundCall(
                    resolved.call.entry, [], type: SQLType(.bool), position: context.position(position)),
                array: list, isAll: isAll,
                isEquality: !isAll && resolved.entry.strategy == 3 && types[0] == types[1]))
    }

    @inline(never) func bindIsTest(
        _ operand: Expression, _ test: IsTest, _ negated: Bool, _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        var value = try bind(operand, scope)
        func truth(_ kind: TruthTest, _ name: String) throws(EngineError) -> BoundExpression {
            value = try coerceBoolean(value, name, at: operand.position)
            return .truth(value, kind, negated: negated)
        }
        switch test {
        case .null:
            if case .row(let items) = value { return rowNullTest(items, negated) }
            return .isNull(try resolveUnknown(value, at: operand.position), negated: negated)
        case .true: return try truth(.isTrue, negated ? "IS NOT TRUE" : "IS TRUE")
        case .false: return try truth(.isFalse, negated ? "IS NOT FALSE" : "IS FALSE")
        case .unknown: return try truth(.isUnknown, negated ? "IS NOT UNKNOWN" : "IS UNKNOWN")
        case .document: throw EngineError.notSupported("IS DOCUMENT", position: context.position(position))
        case .normalized, .nfc, .nfd, .nfkc, .nfkd:
            throw EngineError.notSupported("IS NORMALIZED", position: context.position(position))
        }
    }
    /// A row is null if all its fields are, and not null if none is.
    private func rowNullTest(_ items: [BoundExpression], _ negated: Bool) -> BoundExpression {
        if items.isEmpty { return .boolean(true) }
        let tests = items.map { BoundExpression.isNull($0, negated: negated) }
        return tests.count == 1 ? tests[0] : .and(tests)
    }

    @inline(never) func bindIsDistinct(
        _ left: Expression, _ right: Expression, _ negated: Bool, _ scope: Scope, at position: Int32
    ) throws(EngineError) -> BoundExpression {
        if isRow(left), isRow(right) {
            let a = try rowItems(left, scope)
            let b = try rowItems(right, scope)
            if a.count != b.count {
                throw error(.syntaxError, "unequal number of entries in row expressions", at: position)
            }
            var parts: [BoundExpression] = []
            for index in a.indices {
                parts.append(
                    .distinctFrom(
                        try operatorCall(staticBytes("="), a[index], b[index], at: position), negated: negated))
            }
            if parts.count == 1 { return parts[0] }
            return negated ? .and(parts) : .or(parts)
        }
        let a = try bind(left, scope)
        let b = try bind(right, scope)
        if a.isNullConstant { return .isNull(try resolveUnknown(b, at: position), negated: !negated) }
        if b.isNullConstant { return .isNull(try resolveUnknown(a, at: position), negated: !negated) }
        return .distinctFrom(try operatorCall(staticBytes("="), a, b, at: position), negated: negated)
    }
}
