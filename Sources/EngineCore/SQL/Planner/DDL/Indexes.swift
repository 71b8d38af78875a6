// CREATE INDEX.

import Platform
import SQLSyntax
import SQLTypes

extension DefinitionExecutor {
    func createIndex(_ create: CreateIndex) throws(EngineError) -> [UInt8] {
        let tag = staticBytes("CREATE INDEX")
        if let method = create.method, !method.matches("btree") {
            if method.matches("hash") || method.matches("gin") || method.matches("gist") || method.matches("brin")
                || method.matches("spgist")
            {
                throw EngineError.notSupported("access method \"\(method.text)\"")
            }
            throw EngineError(.undefinedObject, "access method \"\(method.text)\" does not exist")
        }
        let table = try openTable(create.table, .shareRowExclusive)
        if let name = create.name, try skipsExisting(table.schema, name, ifNotExists: create.ifNotExists) { return tag }
        if create.elements.count + create.include.count > 32 {
            throw EngineError("54011", "cannot use more than 32 columns in an index")
        }
        let scope = Scope(parent: nil)
        let image = binder.makeRowImage(table, Name(table.name))
        scope.items = [binder.imageItem(image, table, Name(table.name))]
        var keys: [IndexColumn] = []
        var nameParts: [[UInt8]] = []
        for element in create.elements { keys.append(try indexColumn(element, table, image, scope, &nameParts)) }
        var included: [Int16] = []
        for element in create.include {
            guard case .column(let parts) = element.expression.kind, parts.count == 1,
                let column = table.column(named: parts[0].bytes)
            else { throw EngineError.notSupported("expressions in INCLUDE") }
            included.append(column.number)
        }
        var predicate: [UInt8]?
        if let filter = create.filter {
            scope.clause = .index
            let bound = try binder.coerceBoolean(binder.bind(filter, scope), "WHERE", at: filter.position)
            if bound.volatility != .immutable {
                throw EngineError("42P17", "functions in index predicate must be marked IMMUTABLE")
            }
            predicate = try filter.sql()
        }
        let name: [UInt8]
        if let given = create.name {
            name = given.bytes
        } else {
            let columns = nameParts.reduce(into: []) { $0 += ($0.isEmpty ? [] : [UInt8(ascii: "_")]) + $1 }
            name = try freeName([table.name, columns], "idx", schema: table.schema)
        }
        let tree = try services.createTree(isTable: false)
        let index = IndexDescriptor(
            oid: try session.storage.newObjectID(), table: table.oid, name: name, treeID: tree.treeID,
            rootPage: tree.rootPage, keyColumns: keys, includedColumns: included, isUnique: create.unique,
            isPrimary: false, nullsNotDistinct: create.nullsNotDistinct, predicateText: predicate,
            options: storageOptions(create.options))
        var draft = TableDraft(table)
        draft.indexes.append(index)
        let changed = draft.descriptor
        try writer.addIndexEntries(index, schema: table.schema)
        try writer.update(changed)
        try services.buildIndex(index, of: changed)
        return tag
    }

    private func indexColumn(
        _ element: IndexElement, _ table: TableDescriptor, _ image: RowImage, _ scope: Scope,
        _ nameParts: inout [[UInt8]]
    ) throws(EngineError) -> IndexColumn {
        let isDescending = element.direction == .descending
        let isNullsFirst: Bool =
            switch element.nulls {
            case .unspecified: isDescending
            case .first: true
            case .last: false
            }
        func make(_ number: Int16, _ sql: [UInt8]?, _ type: SQLType) throws(EngineError) -> IndexColumn {
            if type.oid == .json || type.oid == .xid || type.oid == .aclitem {
                throw EngineError(
                    .undefinedObject,
                    "data type \(TypeNames.string(type.oid)) has no default operator class for access method \"btree\"",
                    hint:
                        "You must specify an operator class for the index or define a default operator class for the data type."
                )
            }
            return IndexColumn(
                number: number, expressionText: sql, type: type, isDescending: isDescending, isNullsFirst: isNullsFirst,
                operatorClass: 0)
        }
        if case .column(let parts) = element.expression.kind, parts.count == 1 {
            guard let column = table.column(named: parts[0].bytes) else {
                throw EngineError(.undefinedColumn, "column \"\(parts[0].text)\" does not exist")
            }
            nameParts.append(column.name)
            return try make(column.number, nil, column.type)
        }
        scope.clause = .index
        let bound = try binder.bind(element.expression, scope)
        if bound.containsSubquery {
            throw EngineError(.featureNotSupported, "cannot use subquery in index expression")
        }
        if bound.volatility != .immutable {
            throw EngineError("42P17", "functions in index expression must be marked IMMUTABLE")
        }
        nameParts.append(binder.columnName(element.expression)?.bytes ?? staticBytes("expr"))
        return try make(0, try element.expression.sql(), bound.type)
    }
}
