// INSERT … VALUES, SELECT and DEFAULT VALUES, with ON CONFLICT and RETURNING.

import Platform
import SQLSyntax
import SQLTypes

extension Binder {
    func bindInsert(_ insert: Insert) throws(EngineError) -> BoundModification {
        let outer = Scope(parent: nil)
        if let with = insert.with { try bindWith(with, outer) }
        let table = try openTarget(insert.table, "insert into")
        let alias = insert.alias ?? insert.table.name
        let columns = try insertColumns(insert, table)
        let modification = BoundModification(
            kind: .insert, table: table, source: .single, row: makeRowImage(table, alias))
        var given: [Int16: BoundExpression] = [:]
        switch insert.source {
        case .defaultValues: break
        case .query(let query):
            if case .values(let rows) = query.body, query.orderBy.isEmpty, query.limit == nil, query.offset == nil,
                query.with == nil
            {
                given = try bindInsertValues(rows, insert, columns, outer, modification)
            } else {
                given = try bindInsertQuery(query, insert, columns, outer, modification)
            }
        }
        for column in table.columns {
            if let value = given[column.number] {
                modification.values.append(value)
            } else {
                modification.values.append(try defaultValue(column))
            }
        }
        try bindConstraints(modification)
        if let conflict = insert.onConflict { try bindConflict(conflict, modification, alias, outer) }
        try bindReturning(insert.returning, modification, alias, [], outer.commonTables)
        return modification
    }

    private func insertColumns(_ insert: Insert, _ table: TableDescriptor) throws(EngineError) -> [ColumnDescriptor] {
        if insert.columns.isEmpty { return table.columns.filter { !$0.isDropped } }
        var columns: [ColumnDescriptor] = []
        for target in insert.columns {
            let column = try targetColumn(target, table)
            if columns.contains(where: { $0.number == column.number }) {
                throw error(
                    .duplicateColumn, "column \"\(target.column.text)\" specified more than once", at: target.position)
            }
            columns.append(column)
        }
        return columns
    }

    private func checkCount(
        _ count: Int, _ columns: [ColumnDescriptor], _ insert: Insert, extra: Int32, missing: Int32
    ) throws(EngineError) {
        if count > columns.count {
            throw error(.syntaxError, "INSERT has more expressions than target columns", at: extra)
        }
        if count < columns.count, !insert.columns.isEmpty {
            throw error(.syntaxError, "INSERT has more target columns than expressions", at: missing)
        }
    }

    private func checkOverride(_ column: ColumnDescriptor, _ insert: Insert) throws(EngineError) {
        if column.isGenerated || (column.identity == .always && insert.overriding == .none) {
            throw generatedAlways(column, isInsert: true)
        }
    }

    private func bindInsertValues(
        _ rows: [[Expression]], _ insert: Insert, _ columns: [ColumnDescriptor], _ outer: Scope,
        _ modification: BoundModification
    ) throws(EngineError) -> [Int16: BoundExpression] {
        let width = rows[0].count
        try checkCount(
            width, columns, insert, extra: width > columns.count ? rows[0][columns.count].position : -1,
            missing: width < insert.columns.count ? insert.columns[width].position : -1)
        let scope = Scope(parent: nil)
        scope.commonTables = outer.commonTables
        scope.clause = .insertValues
        var bound: [[BoundExpression]] = []
        bound.reserveCapacity(rows.count)
        for row in rows {
            if row.count != width {
                throw error(.syntaxError, "VALUES lists must all be the same length", at: row.first?.position ?? -1)
            }
            var values: [BoundExpression] = []
            values.reserveCapacity(width)
            for (index, item) in row.enumerated() {
                let column = columns[index]
                if case .defaultValue = item.kind {
                    values.append(try defaultValue(column))
                    continue
                }
                try checkOverride(column, insert)
                if insert.overriding == .user, column.identity != .none {
                    values.append(try defaultValue(column))
                    continue
                }
                values.append(
                    try coerceAssignment(
                        bind(item, scope), to: column.type, column: column.name, at: item.start))
            }
            bound.append(values)
        }
        var given: [Int16: BoundExpression] = [:]
        if bound.count == 1 {
            // One row needs no source columns: its values are computed where they are stored.
            for index in 0..<width { given[columns[index].number] = bound[0][index] }
            return given
        }
        var ids: [ColumnID] = []
        for index in 0..<width {
            let id = context.newColumn(columns[index].name, columns[index].type)
            ids.append(id)
            given[columns[index].number] = context.variable(id)
        }
        modification.source = .values(ValuesRelation(columns: ids, rows: bound))
        return given
    }

    private func bindInsertQuery(
        _ query: Query, _ insert: Insert, _ columns: [ColumnDescriptor], _ outer: Scope,
        _ modification: BoundModification
    ) throws(EngineError) -> [Int16: BoundExpression] {
        let source = try bindQuery(query, parent: nil, commonTables: outer.commonTables, resolvesUnknown: false)
        let width = source.columns.count
        try checkCount(
            width, columns, insert, extra: query.position,
            missing: width < insert.columns.count ? insert.columns[width].position : -1)
        modification.source = source.plan
        var given: [Int16: BoundExpression] = [:]
        for (index, column) in source.columns.enumerated() {
            try checkOverride(columns[index], insert)
            let value = columnSource(column, source.plan)
            given[columns[index].number] = try coerceAssignment(
                value, to: columns[index].type, column: columns[index].name,
                at: targetPosition(query.body, index))
        }
        return given
    }

    // MARK: - ON CONFLICT

    private func bindConflict(
        _ conflict: OnConflict, _ modification: BoundModification, _ alias: Name, _ outer: Scope
    ) throws(EngineError) {
        let table = modification.table
        modification.arbiters = try arbiters(conflict, modification, alias)
        switch conflict.action {
        case .nothing: modification.conflict = .skip
        case .update(let list, let filter):
            if modification.arbiters.isEmpty {
                throw error(
                    .syntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name",
                    hint: "For example, ON CONFLICT (column_name).", at: conflict.position)
            }
            let excluded = makeRowImage(table, "excluded")
            modification.excluded = excluded
            let scope = Scope(parent: nil)
            scope.commonTables = outer.commonTables
            scope.items = [
                imageItem(modification.row, table, alias, schema: table.schema),
                imageItem(excluded, table, "excluded"),
            ]
            scope.clause = .update
            // Unqualified names mean the existing row.
            scope.items[1].areColumnsVisible = false
            let assignments = try bindAssignments(list, table, scope)
            var predicate: BoundExpression?
            if let filter {
                scope.clause = .where
                predicate = try coerceBoolean(bind(filter, scope), "WHERE", at: filter.position)
            }
            modification.conflict = .update(assignments: assignments, predicate: predicate)
        }
    }

    private func arbiters(_ conflict: OnConflict, _ modification: BoundModification, _ alias: Name)
        throws(EngineError) -> [IndexDescriptor]
    {
        let table = modification.table
        switch conflict.arbiter {
        case .none: return []
        case .constraint(let name):
            for constraint in table.constraints where constraint.name == name.bytes {
                if let index = table.index(constraint.index) { return [index] }
                throw error(
                    .wrongObjectType, "constraint in ON CONFLICT clause has no associated index", at: conflict.position)
            }
            throw error(
                .undefinedObject,
                "constraint \"\(name.text)\" for table \"\(text(table.name))\" does not exist", at: -1)
        case .index(let elements, let filter): return try inferred(elements, filter, table, modification, alias)
        }
    }

    /// The unique indexes with these keys, in any order, whose predicate the clause's implies.
    private func inferred(
        _ elements: [IndexElement], _ filter: Expression?, _ table: TableDescriptor,
        _ modification: BoundModification, _ alias: Name
    ) throws(EngineError) -> [IndexDescriptor] {
        let scope = Scope(parent: nil)
        scope.items = [imageItem(modification.row, table, alias, schema: table.schema)]
        scope.clause = .index
        let simplifier = Simplifier(context: context)
        var wanted: [BoundExpression] = []
        for element in elements { wanted.append(simplifier.simplify(try bind(element.expression, scope))) }
        var conditions: [BoundExpression] = []
        if let filter {
            let bound = simplifier.simplify(try coerceBoolean(bind(filter, scope), "WHERE", at: filter.position))
            if case .and(let items) = bound { conditions = items } else { conditions = [bound] }
        }
        var found: [IndexDescriptor] = []
        for index in table.indexes where index.isUnique {
            var keys: [BoundExpression] = []
            for key in index.keyColumns {
                if let source = key.expressionText {
                    keys.append(simplifier.simplify(try bindIndexText(source, scope, isPredicate: false)))
                } else if let column = modification.row.columns[Int(key.number) - 1] {
                    keys.append(context.variable(column))
                }
            }
            let isSame =
                keys.count == wanted.count
                && keys.allSatisfy { key in wanted.contains { $0.isSame(as: key) } }
                && wanted.allSatisfy { item in keys.contains { $0.isSame(as: item) } }
            if !isSame { continue }
            if let source = index.predicateText {
                let predicate = simplifier.simplify(try bindIndexText(source, scope, isPredicate: true))
                if !Implication(context: context).implies(conditions, predicate) { continue }
            }
            found.append(index)
        }
        if found.isEmpty {
            throw error(
                "42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification", at: -1)
        }
        return found
    }
}
