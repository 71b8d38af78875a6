// COPY: options checked as PostgreSQL does, the target's columns, defaults and constraints, or the query to run.

import Platform
import SQLSyntax
import SQLTypes

struct CopyPlanner {
    let context: StatementContext

    func plan(_ copy: Copy) throws(EngineError) -> CopyPlan {
        switch copy.endpoint {
        case .client: break
        case .file: throw EngineError.notSupported("COPY with a file on the server")
        case .program: throw EngineError.notSupported("COPY with a program")
        }
        switch copy.subject {
        case .table(let name, let columns):
            return copy.isFrom ? try planFrom(copy, name, columns) : try planTo(copy, name, columns)
        case .query(let statement):
            if copy.isFrom { throw EngineError(.syntaxError, "COPY FROM needs a table") }
            let query = try Planner(context.session).planQuery(statement, context)
            if !query.returnsRows {
                throw EngineError(.featureNotSupported, "COPY query must have a RETURNING clause")
            }
            let options = try CopyOptionReader(context: context, names: query.resultColumns.map { $0.name })
                .read(copy.options, isFrom: false)
            return CopyPlan(
                isFrom: false, options: options, columns: query.resultColumns, table: nil, columnNumbers: [],
                values: [],
                generated: [], constraints: RowConstraints(), filter: nil, query: query, locks: query.locks,
                catalogVersion: query.catalogVersion)
        }
    }

    private func planTo(_ copy: Copy, _ name: QualifiedName, _ columns: [Name]) throws(EngineError) -> CopyPlan {
        guard let relation = try context.session.open(name, mode: .accessShare) else {
            throw EngineError(.undefinedTable, "relation \"\(name.text)\" does not exist")
        }
        switch relation {
        case .table: break
        case .view:
            throw EngineError(
                .wrongObjectType, "cannot copy from view \"\(name.name.text)\"",
                hint: "Try the COPY (SELECT ...) TO variant.")
        case .sequence: throw EngineError(.wrongObjectType, "cannot copy from sequence \"\(name.name.text)\"")
        case .system: break
        case .index: throw EngineError(.wrongObjectType, "cannot open relation \"\(name.name.text)\"")
        }
        var list: [UInt8] = []
        func add(_ name: [UInt8]) { list += (list.isEmpty ? [] : [UInt8(ascii: ",")]) + quoteIdentifier(name) }
        if columns.isEmpty {
            // Generated columns are not copied.
            if case .table(let table) = relation {
                for column in table.columns where !column.isDropped && !column.isGenerated { add(column.name) }
            } else {
                list = [UInt8(ascii: "*")]
            }
        } else {
            if case .table(let table) = relation { _ = try Self.columns(named: columns, of: table) }
            for column in columns { add(column.bytes) }
        }
        var source: [UInt8] = []
        for part in name.parts { source += (source.isEmpty ? [] : [UInt8(ascii: ".")]) + quoteIdentifier(part.bytes) }
        let sql = staticBytes("SELECT ") + list + staticBytes(" FROM ") + source
        let written = context.text
        let statements = try Binder(context).parseStatements(sql)
        // What is wrong with the query is not to be shown in a text that nobody wrote.
        context.text = []
        let query = try Planner(context.session).planQuery(statements[0].statement, context)
        context.text = written
        let options = try CopyOptionReader(context: context, names: query.resultColumns.map { $0.name })
            .read(copy.options, isFrom: false)
        return CopyPlan(
            isFrom: false, options: options, columns: query.resultColumns, table: nil, columnNumbers: [], values: [],
            generated: [], constraints: RowConstraints(), filter: nil, query: query, locks: query.locks,
            catalogVersion: query.catalogVersion)
    }

    /// 42703, 42701, 42P10
    private static func columns(
        named names: [Name], of table: TableDescriptor
    ) throws(EngineError) -> [ColumnDescriptor] {
        var columns: [ColumnDescriptor] = []
        for column in names {
            guard let found = table.column(named: column.bytes) else {
                throw EngineError(
                    .undefinedColumn,
                    "column \"\(column.text)\" of relation \"\(text(table.name))\" does not exist")
            }
            if columns.contains(where: { $0.number == found.number }) {
                throw EngineError(.duplicateColumn, "column \"\(column.text)\" specified more than once")
            }
            if found.isGenerated {
                throw EngineError(
                    "42P10", "column \"\(column.text)\" is a generated column",
                    detail: "Generated columns cannot be used in COPY.")
            }
            columns.append(found)
        }
        return columns
    }

    private func planFrom(_ copy: Copy, _ name: QualifiedName, _ names: [Name]) throws(EngineError) -> CopyPlan {
        let binder = Binder(context)
        guard let relation = try context.session.open(name, mode: .rowExclusive) else {
            throw EngineError(.undefinedTable, "relation \"\(name.text)\" does not exist")
        }
        guard case .table(let table) = relation else {
            throw EngineError(
                .wrongObjectType, "cannot copy to \"\(name.name.text)\"",
                detail: "Only tables can be copied to.")
        }
        context.addLock(table.oid, .rowExclusive)
        let columns =
            names.isEmpty
            ? table.columns.filter { !$0.isDropped && !$0.isGenerated } : try Self.columns(named: names, of: table)
        let image = binder.makeRowImage(table, name.name)
        let modification = BoundModification(kind: .insert, table: table, source: .single, row: image)
        try binder.bindConstraints(modification)
        var streamColumns: [ColumnID] = []
        for column in columns { streamColumns.append(context.newColumn(column.name, column.type)) }
        let physical = PhysicalPlanner(context, Estimator(context: context))
        var values: [BoundExpression] = []
        for column in table.columns {
            if let place = columns.firstIndex(where: { $0.number == column.number }) {
                values.append(.slot(place, column.type))
            } else {
                values.append(try physical.lower(binder.defaultValue(column), []))
            }
        }
        let slots = image.columns.map { $0 ?? ColumnID(Int.max >> 8) }
        var filter: BoundExpression?
        if let condition = copy.filter {
            let scope = Scope(parent: nil)
            scope.items = [binder.imageItem(image, table, name.name)]
            scope.clause = .where
            filter = try physical.lower(
                binder.coerceBoolean(binder.bind(condition, scope), "WHERE", at: condition.position), slots)
        }
        var constraints = RowConstraints(notNull: modification.constraints.notNull)
        for check in modification.constraints.checks {
            constraints.checks.append(
                CheckConstraintPlan(name: check.name, expression: try physical.lower(check.expression, slots)))
        }
        var generated: [ColumnAssignment] = []
        for item in modification.generated {
            generated.append(
                ColumnAssignment(number: item.number, expression: try physical.lower(item.expression, slots)))
        }
        return CopyPlan(
            isFrom: true,
            options: try CopyOptionReader(context: context, names: columns.map { $0.name }).read(
                copy.options, isFrom: true),
            columns: columns.map { OutputColumn($0.name, $0.type, originTable: table.oid, originColumn: $0.number) },
            table: table, columnNumbers: columns.map { $0.number }, values: values, generated: generated,
            constraints: constraints, filter: filter, query: nil, locks: context.locks,
            catalogVersion: context.catalogVersion)
    }
}

/// COPY's option list. Errors: 42601, 22023, 0A000 with PostgreSQL's words.
struct CopyOptionReader {
    let context: StatementContext
    let names: [[UInt8]]

    func read(_ list: [Option], isFrom: Bool) throws(EngineError) -> CopyPlan.Options {
        var options = CopyPlan.Options()
        var delimiter: [UInt8]?
        var null: [UInt8]?
        var quote: [UInt8]?
        var escape: [UInt8]?
        for option in list {
            if option.name.matches("format") { options.format = try format(option) }
        }
        for option in list {
            let name = option.name
            if name.matches("format") || name.matches("freeze") || name.matches("oids") || name.matches("encoding") {
                continue
            } else if name.matches("delimiter") {
                delimiter = bytes(option)
            } else if name.matches("null") {
                null = bytes(option)
            } else if name.matches("header") {
                if case .word(let word) = option.value, word.matches("match") {
                    options.hasHeader = true
                    options.matchesHeader = true
                } else {
                    options.hasHeader = flag(option)
                }
            } else if name.matches("quote") {
                quote = bytes(option)
            } else if name.matches("escape") {
                escape = bytes(option)
            } else if name.matches("force_quote") {
                if case .star = option.value {
                    options.forcesAllQuotes = true
                } else {
                    options.forceQuote = try positions(option, "FORCE_QUOTE")
                }
            } else if name.matches("force_not_null") {
                options.forceNotNull = try positions(option, "FORCE_NOT_NULL")
            } else if name.matches("force_null") {
                options.forceNull = try positions(option, "FORCE_NULL")
            } else {
                throw EngineError(
                    .syntaxError, "option \"\(name.text)\" not recognized", position: context.position(option.position))
            }
        }
        try apply(&options, delimiter, null, quote, escape)
        return options
    }

    private func apply(
        _ options: inout CopyPlan.Options, _ delimiter: [UInt8]?, _ null: [UInt8]?, _ quote: [UInt8]?,
        _ escape: [UInt8]?
    ) throws(EngineError) {
        if options.format == .binary, delimiter != nil || null != nil || options.hasHeader {
            let what = delimiter != nil ? "DELIMITER" : null != nil ? "NULL" : "HEADER"
            throw EngineError(.syntaxError, "cannot specify \(what) in BINARY mode")
        }
        if options.format != .csv, quote != nil {
            throw EngineError(.featureNotSupported, "COPY quote available only in CSV mode")
        }
        if options.format != .csv, escape != nil {
            throw EngineError(.featureNotSupported, "COPY escape available only in CSV mode")
        }
        if options.format == .csv {
            options.delimiter = UInt8(ascii: ",")
            options.null = []
        }
        func one(_ value: [UInt8], _ what: String) throws(EngineError) -> UInt8 {
            guard value.count == 1 else {
                throw EngineError(.featureNotSupported, "COPY \(what) must be a single one-byte character")
            }
            return value[0]
        }
        if let delimiter {
            options.delimiter = try one(delimiter, "delimiter")
            if options.delimiter == 0x0A || options.delimiter == 0x0D {
                throw EngineError(
                    .invalidParameterValue, "COPY delimiter cannot be newline or carriage return")
            }
        }
        if let null { options.null = null }
        if let quote {
            options.quote = try one(quote, "quote")
            options.escape = options.quote
        }
        if let escape { options.escape = try one(escape, "escape") }
        if options.format == .csv, options.quote == options.delimiter {
            throw EngineError(.invalidParameterValue, "COPY delimiter and quote must be different")
        }
    }

    private func format(_ option: Option) throws(EngineError) -> CopyPlan.Format {
        let value = bytes(option)
        if bytesEqual(value, "text") { return .text }
        if bytesEqual(value, "csv") { return .csv }
        if bytesEqual(value, "binary") { return .binary }
        throw EngineError(
            .invalidParameterValue, "COPY format \"\(text(value))\" not recognized",
            position: context.position(option.position))
    }
    private func bytes(_ option: Option) -> [UInt8] {
        switch option.value {
        case .string(let bytes), .numeric(let bytes): return bytes
        case .word(let name): return name.bytes
        case .integer(let value): return decimal(Int(value))
        default: return []
        }
    }
    private func flag(_ option: Option) -> Bool {
        switch option.value {
        case .boolean(let value): return value
        case .none: return true
        case .integer(let value): return value != 0
        case .word(let name): return name.matches("on") || name.matches("true")
        case .string(let bytes): return bytesEqual(bytes, "on") || bytesEqual(bytes, "true")
        default: return true
        }
    }
    private func positions(_ option: Option, _ what: String) throws(EngineError) -> [Int] {
        guard case .list(let list) = option.value else { return [] }
        var result: [Int] = []
        for name in list {
            guard let place = names.firstIndex(where: { $0 == name.bytes }) else {
                throw EngineError(
                    .undefinedColumn, "\(what) column \"\(name.text)\" not referenced by COPY")
            }
            result.append(place)
        }
        return result
    }
}

/// `name` as SQL, in double quotes always.
func quoteIdentifier(_ name: [UInt8]) -> [UInt8] {
    var quoted: [UInt8] = [UInt8(ascii: "\"")]
    for byte in name {
        if byte == UInt8(ascii: "\"") { quoted.append(byte) }
        quoted.append(byte)
    }
    quoted.append(UInt8(ascii: "\""))
    return quoted
}
