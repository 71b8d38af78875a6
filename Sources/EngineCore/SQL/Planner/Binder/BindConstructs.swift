// CASE, COALESCE, casts, arrays, rows, subscripts: the constructs with syntax of their own.

import Platform
import SQLSyntax
import SQLTypes

extension Binder {
    @inline(never) func bindCase(_ node: CaseExpression, _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        var operand: BoundExpression?
        if let expression = node.operand {
            operand = try resolveUnknown(bind(expression, scope), at: expression.position)
        }
        var conditions: [BoundExpression] = []
        var results: [BoundExpression] = []
        var positions: [Int32] = []
        // PostgreSQL lists the ELSE result first when it looks for the common type.
        if let otherwise = node.otherwise {
            results.append(try bind(otherwise, scope))
            positions.append(otherwise.position)
        }
        for when in node.whens {
            let condition = try bind(when.condition, scope)
            if let operand {
                conditions.append(
                    .call(try operatorCall(staticBytes("="), operand, condition, at: when.condition.position)))
            } else {
                conditions.append(try coerceBoolean(condition, "CASE/WHEN", at: when.condition.position))
            }
            results.append(try bind(when.result, scope))
            positions.append(when.result.position)
        }
        let unified = try unify(results, "CASE", positions: positions)
        let first = node.otherwise == nil ? 0 : 1
        var branches: [CaseBranch] = []
        for index in conditions.indices {
            branches.append(CaseBranch(condition: conditions[index], result: unified.values[first + index]))
        }
        return .searchedCase(branches, otherwise: first == 1 ? unified.values[0] : nil, unified.type)
    }

    private func bindAll(_ items: [Expression], _ scope: Scope) throws(EngineError) -> [BoundExpression] {
        var bound: [BoundExpression] = []
        for item in items { bound.append(try bind(item, scope)) }
        return bound
    }

    @inline(never) func bindCoalesce(_ items: [Expression], _ scope: Scope) throws(EngineError) -> BoundExpression {
        let unified = try unify(bindAll(items, scope), "COALESCE", positions: places(items))
        return .coalesce(unified.values, unified.type)
    }

    @inline(never) func bindExtremum(_ items: [Expression], greatest: Bool, _ scope: Scope)
        throws(EngineError) -> BoundExpression
    {
        let name = greatest ? "GREATEST" : "LEAST"
        let unified = try unify(bindAll(items, scope), name, positions: places(items))
        return .extremum(greatest: greatest, unified.values, unified.type)
    }

    @inline(never) func bindNullIf(_ left: Expression, _ right: Expression, _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        let call = try operatorCall(staticBytes("="), bind(left, scope), bind(right, scope), at: position)
        return .nullIf(call, call.arguments[0].type)
    }

    // MARK: - Casts

    @inline(never) func bindCast(_ operand: Expression, _ name: TypeName, _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        let target = try types.bind(name)
        if case .array(let items) = operand.kind, target.oid.isArrayLike {
            // ARRAY[…]::type casts its elements, so that empty and untyped ones get a type.
            let array = try bindArray(items, scope, expected: target, at: position)
            return try explicitCast(array, to: target, at: position)
        }
        return try explicitCast(bind(operand, scope), to: target, at: place(of: operand, else: position))
    }

    /// Where a message about the value points: at the literal of a cast of a literal.
    func place(of expression: Expression, else position: Int32) -> Int32 {
        switch expression.kind {
        case .literal: return expression.position
        case .cast(let operand, _): return place(of: operand, else: position)
        default: return position
        }
    }
    func places(_ items: [Expression]) -> [Int32] { items.map { place(of: $0, else: $0.position) } }

    @inline(never) func bindCollate(_ operand: Expression, _ name: QualifiedName, _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        let value = try resolveUnknown(bind(operand, scope), at: operand.position)
        let collation = name.name
        let isKnown =
            collation.matches("default") || collation.matches("C") || collation.matches("POSIX")
            || collation.matches("ucs_basic")
        if !isKnown {
            throw error(
                .undefinedObject, "collation \"\(name.text)\" for encoding \"UTF8\" does not exist", at: position)
        }
        if !value.type.oid.isTextual && value.type.oid.category != UInt8(ascii: "A") {
            throw error(
                .datatypeMismatch, "collations are not supported by type \(TypeNames.string(value.type.oid))",
                at: position)
        }
        return value
    }

    // MARK: - Arrays and rows

    @inline(never) func bindArray(_ items: [Expression], _ scope: Scope, expected: SQLType?, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if items.isEmpty, expected == nil {
            throw EngineError(
                .indeterminateDatatype, "cannot determine type of empty array",
                hint: "Explicitly cast to the desired type, for example ARRAY[]::integer[].",
                position: context.position(position))
        }
        var isNested = false
        for item in items { if case .array = item.kind { isNested = true } }
        var bound: [BoundExpression] = []
        for item in items {
            if case .array(let inner) = item.kind {
                bound.append(try bindArray(inner, scope, expected: expected, at: item.position))
            } else {
                bound.append(try bind(item, scope))
            }
        }
        if let expected {
            let element = SQLType(expected.oid.element, typmod: expected.typmod)
            var cast: [BoundExpression] = []
            for (index, value) in bound.enumerated() {
                cast.append(isNested ? value : try explicitCast(value, to: element, at: items[index].position))
            }
            return .array(
                ArrayConstructor(
                    elements: cast, elementType: element, type: SQLType(element.oid.arrayType),
                    isMultidimensional: isNested))
        }
        let unified = try unify(bound, "ARRAY", positions: items.map { $0.position })
        var elementType = unified.type
        var values = unified.values
        if elementType.oid == .unknown {
            elementType = SQLType(.text)
            for index in values.indices { values[index] = try resolveUnknown(values[index], at: items[index].position) }
        }
        let isMulti = isNested || TypeTable.builtin.info(elementType.oid)?.isArray ?? false
        let arrayType = isMulti ? elementType.oid : elementType.oid.arrayType
        if arrayType == .none {
            throw error(
                .undefinedObject, "could not find array type for data type \(TypeNames.string(elementType.oid))",
                at: position)
        }
        let scalar = isMulti ? SQLType(elementType.oid.element) : elementType
        return .array(
            ArrayConstructor(
                elements: values, elementType: scalar, type: SQLType(arrayType), isMultidimensional: isMulti))
    }

    @inline(never) func bindRow(_ items: [Expression], _ scope: Scope) throws(EngineError) -> BoundExpression {
        var bound: [BoundExpression] = []
        for item in items {
            if case .star(let qualifier) = item.kind {
                for column in try expandStar(qualifier, scope, at: item.position) { bound.append(column.expression) }
            } else {
                bound.append(try bind(item, scope))
            }
        }
        return .row(bound)
    }

    // MARK: - Subscripts and fields

    @inline(never) func bindIndirection(_ base: Expression, _ steps: [Indirection], _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        var value = try bindFieldBase(base, steps, scope)
        var index = 0
        while index < steps.count {
            switch steps[index] {
            case .field(let name):
                value = try field(name, of: value, base, at: position)
                index += 1
            case .star: throw error(.syntaxError, "row expansion via \"*\" is not supported here", at: position)
            case .element, .slice:
                var bounds: [Indirection] = []
                while index < steps.count {
                    if case .field = steps[index] { break }
                    if case .star = steps[index] { break }
                    bounds.append(steps[index])
                    index += 1
                }
                value = try bindSubscripts(value, bounds, scope, at: position)
            }
        }
        return value
    }
    private func bindFieldBase(_ base: Expression, _ steps: [Indirection], _ scope: Scope)
        throws(EngineError) -> BoundExpression
    {
        try bind(base, scope)
    }

    private func field(_ name: Name, of value: BoundExpression, _ base: Expression, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if case .row(let items) = value {
            // A row of a relation: the relation's column names; of ROW(): f1, f2, …
            for (index, item) in items.enumerated() {
                if let id = item.variableID, context.info(id).name == name.bytes { return item }
                if name.bytes == staticBytes("f") + decimal(index + 1) { return item }
            }
        }
        if case .call(let call) = value, let names = recordColumns(of: call) {
            for (index, column) in names.enumerated() where column.name == name.bytes {
                return .field(value, index, column.type)
            }
        }
        throw error(
            .wrongObjectType,
            "column notation .\(name.text) applied to type \(TypeNames.string(value.type.oid)), which is not a composite type",
            at: position)
    }

    private func bindSubscripts(_ base: BoundExpression, _ steps: [Indirection], _ scope: Scope, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        let element = base.type.oid.isArrayLike ? base.type.oid.element : TypeOID.none
        if element == .none {
            throw error(
                .datatypeMismatch,
                "cannot subscript type \(TypeNames.string(base.type.oid)) because it does not support subscripting",
                at: position)
        }
        func index(_ expression: Expression) throws(EngineError) -> BoundExpression {
            let value = try bind(expression, scope)
            if let coerced = try tryCoerce(value, to: SQLType(.int4), .assignment, at: expression.position) {
                return coerced
            }
            throw error(.datatypeMismatch, "array subscript must have type integer", at: expression.position)
        }
        var bounds: [SubscriptBound] = []
        var isSlice = false
        for step in steps {
            switch step {
            case .element(let expression):
                bounds.append(SubscriptBound(lower: nil, upper: try index(expression), isSlice: false))
            case .slice(let low, let high):
                isSlice = true
                let lower = low == nil ? nil : try index(low!)
                let upper = high == nil ? nil : try index(high!)
                bounds.append(SubscriptBound(lower: lower, upper: upper, isSlice: true))
            default: break
            }
        }
        let type = isSlice ? base.type : SQLType(element, typmod: base.type.typmod)
        return .element(Subscript(base: base, bounds: bounds, type: type))
    }
}

/// Decimal digits.
func decimal(_ value: Int) -> [UInt8] {
    var digits: [UInt8] = []
    var rest = value.magnitude
    repeat {
        digits.append(UInt8(0x30 + rest % 10))
        rest /= 10
    } while rest > 0
    if value < 0 { digits.append(UInt8(ascii: "-")) }
    return Array(digits.reversed())
}
