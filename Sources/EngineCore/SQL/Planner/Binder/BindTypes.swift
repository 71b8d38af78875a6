// Type names as written become types with modifiers. Source: PostgreSQL's typmodin functions.

import Platform
import SQLSyntax
import SQLTypes

struct TypeBinder {
    let context: StatementContext

    /// Errors: 42704 unknown type, 22023 bad modifier, 0A000.
    func bind(_ name: TypeName) throws(EngineError) -> SQLType {
        let position = context.position(name.position)
        if name.isReferenceToColumn { return try columnType(name, position) }
        if name.isSetOf { throw EngineError(.syntaxError, "SETOF is not allowed here", position: position) }
        guard let info = try lookup(name.name, position) else {
            throw EngineError(.undefinedObject, "type \"\(name.name.text)\" does not exist", position: position)
        }
        let typmod = try modifier(info, name, position)
        if name.arrayBounds.isEmpty { return SQLType(info.oid, typmod: typmod) }
        if info.isArray { return SQLType(info.oid, typmod: typmod) }
        guard info.array != .none else {
            throw EngineError(
                .undefinedObject, "could not find array type for data type \(TypeNames.string(info.oid))",
                position: position)
        }
        return SQLType(info.array, typmod: typmod)
    }

    private func lookup(_ name: QualifiedName, _ position: Int) throws(EngineError) -> TypeInfo? {
        if let schema = name.schema, !schema.matches("pg_catalog") {
            _ = try context.session.requireSchema(schema, position: position)
            if schema.matches("information_schema") { return informationSchemaDomain(name.name) }
            return nil
        }
        return TypeTable.builtin.named(name.name.bytes)
    }

    /// The standard's domains, as the types under them.
    private func informationSchemaDomain(_ name: Name) -> TypeInfo? {
        if name.matches("sql_identifier") { return TypeTable.builtin.info(.name) }
        if name.matches("character_data") || name.matches("yes_or_no") { return TypeTable.builtin.info(.varchar) }
        if name.matches("cardinal_number") { return TypeTable.builtin.info(.int4) }
        return nil
    }

    private func columnType(_ name: TypeName, _ position: Int) throws(EngineError) -> SQLType {
        let parts = name.name.parts
        if parts.count < 2 {
            throw EngineError(
                .syntaxError, "improper %TYPE reference (too few dotted names): \(name.name.text)", position: position)
        }
        let relation = try context.session.require(QualifiedName(Array(parts.dropLast()), position: name.position))
        if case .table(let table) = relation, let column = table.column(named: name.name.name.bytes) {
            return column.type
        }
        throw EngineError(
            .undefinedColumn,
            "column \"\(name.name.name.text)\" of relation \"\(parts[parts.count - 2].text)\" does not exist",
            position: position)
    }

    // MARK: - Modifiers

    private func modifier(_ info: TypeInfo, _ name: TypeName, _ position: Int) throws(EngineError) -> Int32 {
        if info.oid == .interval { return try intervalModifier(name, position) }
        if name.modifiers.isEmpty { return -1 }
        var values: [Int64] = []
        for expression in name.modifiers {
            switch expression.kind {
            case .literal(.integer(let value)): values.append(value)
            case .prefix(let op, let operand):
                guard op.name == "-", case .literal(.integer(let value)) = operand.kind else { fallthrough }
                values.append(-value)
            default:
                throw EngineError(
                    .syntaxError, "type modifiers must be simple constants or identifiers", position: position)
            }
        }
        switch info.oid {
        case .varchar, .bpchar: return try lengthModifier(info, values, position)
        case .numeric: return try numericModifier(values, position)
        case .time, .timestamp, .timestamptz:
            guard values.count == 1 else { throw invalidModifier(position) }
            return try precision(values[0], "\(TypeNames.string(info.oid))", position)
        default:
            throw EngineError(
                .syntaxError, "type modifier is not allowed for type \"\(text(info.name))\"", position: position)
        }
    }

    private func invalidModifier(_ position: Int) -> EngineError {
        EngineError(.invalidParameterValue, "invalid type modifier", position: position)
    }

    private func lengthModifier(_ info: TypeInfo, _ values: [Int64], _ position: Int) throws(EngineError) -> Int32 {
        guard values.count == 1 else { throw invalidModifier(position) }
        let name = info.oid == .varchar ? "varchar" : "char"
        if values[0] < 1 {
            throw EngineError(
                .invalidParameterValue, "length for type \(name) must be at least 1", position: position)
        }
        if values[0] > 10_485_760 {
            throw EngineError(
                .invalidParameterValue, "length for type \(name) cannot exceed 10485760", position: position)
        }
        return Int32(values[0]) + 4
    }

    private func numericModifier(_ values: [Int64], _ position: Int) throws(EngineError) -> Int32 {
        guard values.count == 1 || values.count == 2 else {
            throw EngineError(.invalidParameterValue, "invalid NUMERIC type modifier", position: position)
        }
        if values[0] < 1 || values[0] > 1000 {
            throw EngineError(
                .invalidParameterValue, "NUMERIC precision \(values[0]) must be between 1 and 1000", position: position)
        }
        let scale = values.count == 2 ? values[1] : 0
        if scale < -1000 || scale > 1000 {
            throw EngineError(
                .invalidParameterValue, "NUMERIC scale \(scale) must be between -1000 and 1000", position: position)
        }
        return Int32(values[0]) << 16 | (Int32(scale) & 0x7FF) &+ 4
    }

    private func precision(_ value: Int64, _ name: String, _ position: Int) throws(EngineError) -> Int32 {
        if value < 0 {
            throw EngineError(
                .invalidParameterValue, "\(name)(\(value)) precision must not be negative", position: position)
        }
        // PostgreSQL warns and takes the maximum.
        return Int32(min(value, 6))
    }

    private func intervalModifier(_ name: TypeName, _ position: Int) throws(EngineError) -> Int32 {
        let year: Int32 = 1 << 2
        let month: Int32 = 1 << 1
        let day: Int32 = 1 << 3
        let hour: Int32 = 1 << 10
        let minute: Int32 = 1 << 11
        let second: Int32 = 1 << 12
        let fields: Int32
        switch name.intervalFields {
        case .all: fields = 0x7FFF
        case .year: fields = year
        case .month: fields = month
        case .day: fields = day
        case .hour: fields = hour
        case .minute: fields = minute
        case .second: fields = second
        case .yearToMonth: fields = year | month
        case .dayToHour: fields = day | hour
        case .dayToMinute: fields = day | hour | minute
        case .dayToSecond: fields = day | hour | minute | second
        case .hourToMinute: fields = hour | minute
        case .hourToSecond: fields = hour | minute | second
        case .minuteToSecond: fields = minute | second
        }
        guard let last = name.modifiers.last else {
            return fields == 0x7FFF ? -1 : fields << 16 | 0xFFFF
        }
        guard case .literal(.integer(let digits)) = last.kind, digits >= 0 else { throw invalidModifier(position) }
        return fields << 16 | Int32(min(digits, 6))
    }
}
