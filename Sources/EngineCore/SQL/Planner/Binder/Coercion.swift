// Implicit and explicit changes of type. Source: PostgreSQL manual, 10.2-10.5; parse_coerce.

import Platform
import SQLSyntax
import SQLTypes

extension Binder {
    /// Text of an untyped literal given a type.
    func literal(_ datum: Datum, as target: SQLType, isExplicit: Bool, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if datum.isNull { return .constant(.null, target) }
        // Modifiers are applied by the cast below, which knows about explicit truncation; interval's belong to input.
        let inputType = target.oid == .interval ? target : SQLType(target.oid)
        let value: Datum
        do throws(EngineError) {
            value = try datum.withBytes { (bytes) throws(EngineError) in
                try TypeIO.input(bytes, inputType, context.session.context)
            }
        } catch {
            var located = error
            if located.position == 0 { located.position = context.position(position) }
            throw located
        }
        let constant = BoundExpression.constant(value, inputType)
        if target.typmod < 0 || target.oid == .interval { return constant }
        return try applyModifier(constant, target, isExplicit: isExplicit, at: position)
    }

    /// Gives a value of the right type its modifier.
    func applyModifier(_ value: BoundExpression, _ target: SQLType, isExplicit: Bool, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if target.typmod < 0 || value.type.typmod == target.typmod { return value }
        guard let path = registry.castPath(from: value.type, to: target, isExplicit ? .explicit : .assignment) else {
            return value
        }
        return cast(value, target, path, isExplicit: isExplicit, at: position)
    }

    func cast(
        _ value: BoundExpression, _ target: SQLType, _ path: CastPath, isExplicit: Bool, at position: Int32
    ) -> BoundExpression {
        var function: FunctionEntry?
        if case .function(let entry) = path { function = entry }
        return .cast(
            CastExpression(
                operand: value, target: target, function: function, isExplicit: isExplicit,
                position: context.position(position)))
    }

    /// `value` as `target`, nil if no cast of that context exists.
    func tryCoerce(_ value: BoundExpression, to target: SQLType, _ mode: CastContext, at position: Int32)
        throws(EngineError) -> BoundExpression?
    {
        let source = value.type
        if target.oid == .any || target.oid == .unknown { return value }
        if source.oid == .unknown {
            if case .constant(let datum, _) = value {
                return try literal(datum, as: target, isExplicit: mode == .explicit, at: position)
            }
            if case .parameter(let index, _) = value {
                let parameter = try context.resolveParameter(index, to: target.oid, at: position)
                return try applyModifier(parameter, target, isExplicit: mode == .explicit, at: position)
            }
        }
        if source.oid == target.oid {
            return try applyModifier(value, target, isExplicit: mode == .explicit, at: position)
        }
        if source.oid == .record, case .row(let items) = value, target.oid == .record { return .row(items) }
        guard let path = registry.castPath(from: source, to: target, mode) else { return nil }
        return cast(value, target, path, isExplicit: mode == .explicit, at: position)
    }

    /// For function and operator arguments: resolution has said that it goes.
    func coerceArgument(_ value: BoundExpression, to target: TypeOID, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if value.type.oid == target { return value }
        if target == .any { return try resolveUnknown(value, at: position) }
        if let coerced = try tryCoerce(value, to: SQLType(target), .implicit, at: position) { return coerced }
        throw cannotCast(value.type, target, position)
    }

    func cannotCast(_ source: SQLType, _ target: TypeOID, _ position: Int32) -> EngineError {
        EngineError(
            "42846", "cannot cast type \(TypeNames.string(source.oid)) to \(TypeNames.string(target))",
            position: context.position(position))
    }

    func explicitCast(_ value: BoundExpression, to target: SQLType, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if let coerced = try tryCoerce(value, to: target, .explicit, at: position) { return coerced }
        throw cannotCast(value.type, target.oid, position)
    }

    /// Conditions: WHERE, ON, HAVING, AND, CASE WHEN … `what` names the construct.
    func coerceBoolean(_ value: BoundExpression, _ what: String, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if value.type.oid == .bool { return value }
        if let coerced = try tryCoerce(value, to: SQLType(.bool), .assignment, at: position) { return coerced }
        throw EngineError(
            .datatypeMismatch,
            "argument of \(what) must be type boolean, not type \(TypeNames.string(value.type.oid))",
            position: context.position(position))
    }

    /// LIMIT and OFFSET.
    func coerceBigint(_ value: BoundExpression, _ what: String, at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if let coerced = try tryCoerce(value, to: SQLType(.int8), .assignment, at: position) { return coerced }
        throw EngineError(
            .datatypeMismatch, "argument of \(what) must be type bigint, not type \(TypeNames.string(value.type.oid))",
            position: context.position(position))
    }

    /// A value stored into a column. Error 42804 as PostgreSQL's.
    func coerceAssignment(_ value: BoundExpression, to target: SQLType, column: [UInt8], at position: Int32)
        throws(EngineError) -> BoundExpression
    {
        if let coerced = try tryCoerce(value, to: target, .assignment, at: position) { return coerced }
        throw EngineError(
            .datatypeMismatch,
            "column \"\(text(column))\" is of type \(TypeNames.string(target.oid)) but expression is of type \(TypeNames.string(value.type.oid))",
            hint: "You will need to rewrite or cast the expression.", position: context.position(position))
    }

    /// Brings all to one type: CASE, COALESCE, VALUES, UNION, ARRAY. `construct` for the message.
    func unify(_ values: [BoundExpression], _ construct: String, positions: [Int32])
        throws(EngineError) -> (values: [BoundExpression], type: SQLType)
    {
        let type = try commonType(values.map { $0.type }, construct, positions: positions)
        var unified: [BoundExpression] = []
        for index in values.indices {
            guard let value = try tryCoerce(values[index], to: type, .implicit, at: positions[index]) else {
                throw EngineError(
                    "42846",
                    "\(construct) could not convert type \(TypeNames.string(values[index].type.oid)) to \(TypeNames.string(type.oid))",
                    position: context.position(positions[index]))
            }
            unified.append(value)
        }
        return (unified, type)
    }

    /// The common type with the modifier all agree on.
    func commonType(_ types: [SQLType], _ construct: String, positions: [Int32]) throws(EngineError) -> SQLType {
        guard let oid = registry.commonType(types.map { $0.oid }) else {
            var first = TypeOID.unknown
            for (index, type) in types.enumerated() where type.oid != .unknown {
                if first == .unknown {
                    first = type.oid
                } else if registry.commonType([first, type.oid]) == nil {
                    throw EngineError(
                        .datatypeMismatch,
                        "\(construct) types \(TypeNames.string(first)) and \(TypeNames.string(type.oid)) cannot be matched",
                        position: context.position(positions[index]))
                }
            }
            throw EngineError(.datatypeMismatch, "\(construct) types cannot be matched")
        }
        var typmod: Int32?
        for type in types {
            if type.oid != oid || (typmod != nil && typmod != type.typmod) {
                typmod = -1
                break
            }
            typmod = type.typmod
        }
        return SQLType(oid, typmod: typmod ?? -1)
    }

    /// Untyped literals and parameters in a select list become text.
    func resolveUnknown(_ value: BoundExpression, at position: Int32) throws(EngineError) -> BoundExpression {
        if value.type.oid != .unknown { return value }
        return try tryCoerce(value, to: SQLType(.text), .implicit, at: position) ?? value
    }
}
