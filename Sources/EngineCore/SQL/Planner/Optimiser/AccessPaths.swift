// How to read one relation: all of it, or through an index. Conditions come with all of the relation's columns and
// possibly outside ones (a nested loop's left side): those are constants here.

import Platform
import SQLTypes

extension PhysicalPlanner {
    func planLeaf(_ leaf: Logical, _ conditions: [BoundExpression], _ wish: Wish) throws(EngineError) -> Part {
        switch leaf {
        case .get(let node): return try planGet(node, conditions, wish)
        case .system(let node): return try planSystem(node, conditions)
        case .function(let node):
            var items = node.items
            for index in items.indices { items[index].call.arguments = try lower(items[index].call.arguments, []) }
            let scan = FunctionScan(
                functions: items, alias: node.alias, hasOrdinality: node.hasOrdinality,
                filter: try predicate(conditions, node.columns), output: output(node.columns))
            let rows = functionRows(node)
            set(
                scan, startup: 0, total: rows * (Cost.tuple + Double(conditions.count) * Cost.operation),
                rows: rows * estimator.selectivity(conditions), columns: node.columns)
            return Part(node: scan, columns: node.columns)
        case .values(let values):
            var rows: [[BoundExpression]] = []
            rows.reserveCapacity(values.rows.count)
            for row in values.rows { rows.append(try lower(row, [])) }
            let node = ValuesNode(rows: rows, output: output(values.columns))
            set(
                node, startup: 0, total: Double(rows.count) * Cost.tuple, rows: Double(rows.count),
                columns: values.columns)
            return try filter(Part(node: node, columns: values.columns), conditions)
        case .commonTable(let reference):
            let scan = CommonTableScan(
                index: reference.index, alias: reference.alias, columns: Array(reference.columns.indices),
                isWorkTable: reference.isWorkTable, filter: try predicate(conditions, reference.columns),
                output: output(reference.columns))
            let rows = reference.index < commonTableRows.count ? commonTableRows[reference.index] : 100
            set(
                scan, startup: 0, total: rows * Cost.tuple, rows: rows * estimator.selectivity(conditions),
                columns: reference.columns)
            return Part(node: scan, columns: reference.columns)
        default: preconditionFailure("not a leaf")
        }
    }

    /// generate_series over constants knows its length.
    private func functionRows(_ node: FunctionNode) -> Double {
        guard let call = node.items.first?.call, bytesEqual(call.function.name.array, "generate_series"),
            call.arguments.count == 2, case .constant(let low, let type) = call.arguments[0],
            case .constant(let high, _) = call.arguments[1], !low.isNull, !high.isNull
        else { return 100 }
        if type.oid == .int4 { return max(Double(high.int32) - Double(low.int32) + 1, 1) }
        if type.oid == .int8 { return max(Double(high.int64) - Double(low.int64) + 1, 1) }
        return 100
    }

    private func planSystem(_ node: SystemNode, _ conditions: [BoundExpression]) throws(EngineError) -> Part {
        var key: BoundExpression?
        if node.relation.keyColumn >= 0 {
            let column = node.columns[node.relation.keyColumn]
            for condition in conditions {
                guard let comparison = context.comparison(condition), comparison.strategy == 3 else { continue }
                for side in [comparison, context.commuted(comparison) ?? comparison]
                where side.left.variableID == column && !side.right.columns.contains(column)
                    && side.right.columns.intersection(node.columns).isEmpty && !side.right.containsSubquery
                    && side.right.type.oid == side.left.type.oid
                {
                    key = try lower(side.right, [])
                }
            }
        }
        let scan = SystemScan(
            relation: node.relation, alias: node.alias, columns: Array(node.columns.indices),
            filter: try predicate(conditions, node.columns), objectKey: key, output: output(node.columns))
        let rows = key == nil ? 500.0 : 10.0
        set(
            scan, startup: 0, total: rows * Cost.tuple * 4, rows: rows * estimator.selectivity(conditions),
            columns: node.columns)
        return Part(node: scan, columns: node.columns)
    }

    // MARK: - Tables

    private func planGet(_ node: GetNode, _ conditions: [BoundExpression], _ wish: Wish) throws(EngineError) -> Part {
        let table = node.table
        let columns = used(node)
        let rows = estimator.rows(of: table)
        let result = max(rows * estimator.selectivity(conditions), 1)
        if let byRowID = try rowIDScan(node, conditions, columns) { return byRowID }

        let filterTest = try predicate(conditions, columns)
        let sequential = TableScan(
            table: table, alias: node.alias, columns: scanColumns(node, columns), filter: filterTest,
            output: output(columns))
        set(
            sequential, startup: 0,
            total: Cost.scan(pages: estimator.pages(of: table), rows: rows, conditions: conditions.count),
            rows: result, columns: columns)
        var best = Part(node: sequential, columns: columns)
        var bestTotal = effectiveCost(best, wish)
        for index in table.indexes {
            let meaning = try meaning(of: index, node)
            if !meaning.predicate.isEmpty, !Implication(context: context).implies(conditions, meaning.predicate) {
                continue
            }
            for direction in [ScanDirection.forward, .backward] {
                let ordering = order(of: index, node, direction)
                let servesOrder = !wish.ordering.isEmpty && satisfies(ordering, wish.ordering)
                if direction == .backward && !servesOrder { continue }
                let match = matchIndex(index, meaning, node, conditions)
                if match.decided.isEmpty && !servesOrder && !covers(index, node, columns) && meaning.predicate.isEmpty {
                    continue
                }
                let part = try indexScan(index, match, direction, node, conditions, columns, result, ordering)
                let total = effectiveCost(part, wish)
                if total < bestTotal || (match.allEqual && isPoint(index, match)) {
                    best = part
                    bestTotal = total
                    if isPoint(index, match) { return best }
                }
            }
        }
        return best
    }

    /// Cost to the consumer: a sort if the order is not as wished, less if it stops early.
    func effectiveCost(_ part: Part, _ wish: Wish) -> Double {
        var startup = part.startup
        var total = part.cost
        if !wish.ordering.isEmpty, !satisfies(part.ordering, wish.ordering) {
            total += wish.limit > 0 ? Cost.topN(rows: part.rows, limit: wish.limit) : Cost.sort(rows: part.rows)
            startup = total
        }
        if wish.limit > 0, wish.limit < part.rows {
            return startup + (total - startup) * wish.limit / part.rows
        }
        return total
    }

    func satisfies(_ ordering: [OrderItem], _ wanted: [OrderItem]) -> Bool {
        if ordering.count < wanted.count { return false }
        for (index, item) in wanted.enumerated() {
            let have = ordering[index]
            if have.column != item.column || have.isDescending != item.isDescending { return false }
            if have.isNullsFirst != item.isNullsFirst, !context.info(item.column).isNotNull { return false }
        }
        return true
    }

    /// Columns the statement uses of the table; `usedColumns` is filled before planning.
    private func used(_ node: GetNode) -> [ColumnID] {
        node.outputs.filter { usedColumns.contains($0) || $0 == node.ctid || $0 == node.tableOID }
    }

    private func scanColumns(_ node: GetNode, _ columns: [ColumnID]) -> [ScanColumn] {
        columns.map { column in
            if column == node.ctid { return ScanColumn(number: ScanColumn.ctid, type: SQLType(.tid)) }
            if column == node.tableOID { return ScanColumn(number: ScanColumn.tableOID, type: SQLType(.oid)) }
            let info = context.info(column)
            return ScanColumn(number: info.number, type: info.type)
        }
    }

    private func rowIDScan(_ node: GetNode, _ conditions: [BoundExpression], _ columns: [ColumnID])
        throws(EngineError) -> Part?
    {
        guard let ctid = node.ctid else { return nil }
        for (place, condition) in conditions.enumerated() {
            var value: BoundExpression?
            var isArray = false
            if let comparison = context.comparison(condition), comparison.strategy == 3 {
                for side in [comparison, context.commuted(comparison) ?? comparison]
                where side.left.variableID == ctid && !side.right.columns.intersects(ColumnSet(node.outputs)) {
                    value = side.right
                }
            }
            if case .quantifiedArray(let any) = condition, any.isEquality, any.left.variableID == ctid,
                !any.array.columns.intersects(ColumnSet(node.outputs))
            {
                value = any.array
                isArray = true
            }
            guard let value, !value.containsSubquery else { continue }
            var rest = conditions
            rest.remove(at: place)
            let scan = RowIDScan(
                table: node.table, alias: node.alias, rowID: try lower(value, []), isArray: isArray,
                columns: scanColumns(node, columns), filter: try predicate(rest, columns), output: output(columns))
            set(scan, startup: 0, total: isArray ? 10 : 1, rows: isArray ? 10 : 1, columns: columns)
            return Part(node: scan, columns: columns)
        }
        return nil
    }

    // MARK: - Indexes

    private func order(of index: IndexDescriptor, _ node: GetNode, _ direction: ScanDirection) -> [OrderItem] {
        var items: [OrderItem] = []
        for column in index.keyColumns {
            guard column.number > 0, let id = node.columns[Int(column.number) - 1] else { break }
            let isForward = direction == .forward
            items.append(
                OrderItem(
                    column: id, isDescending: column.isDescending == isForward,
                    isNullsFirst: column.isNullsFirst == isForward))
        }
        return items
    }

    private func covers(_ index: IndexDescriptor, _ node: GetNode, _ columns: [ColumnID]) -> Bool {
        // Whoever wants the ctid is going to visit the row anyway.
        if node.ctid != nil { return false }
        for column in columns {
            if column == node.tableOID { continue }
            let number = context.info(column).number
            if !index.keyColumns.contains(where: { $0.number == number }) { return false }
        }
        return true
    }

    private func isPoint(_ index: IndexDescriptor, _ match: IndexMatch) -> Bool {
        guard index.isUnique, match.prefix.count == index.keyColumns.count else { return false }
        for condition in match.prefix { if case .equal = condition {} else { return false } }
        return true
    }

    private func indexScan(
        _ index: IndexDescriptor, _ match: IndexMatch, _ direction: ScanDirection, _ node: GetNode,
        _ conditions: [BoundExpression], _ columns: [ColumnID], _ result: Double, _ ordering: [OrderItem]
    ) throws(EngineError) -> Part {
        let table = node.table
        var rest: [BoundExpression] = []
        for (place, condition) in conditions.enumerated() where !match.decided.contains(place) {
            rest.append(condition)
        }
        var prefix: [IndexKeyCondition] = []
        var isSorted = true
        for condition in match.prefix {
            switch condition {
            case .equal(let value): prefix.append(.equal(try lower(value, [])))
            case .anyOf(let values):
                prefix.append(.anyOf(try lower(values, [])))
                isSorted = false
            case .anyElement(let array):
                prefix.append(.anyElement(try lower(array, [])))
                isSorted = false
            case .isNull: prefix.append(.isNull)
            }
        }
        func lowered(_ bound: IndexBound?) throws(EngineError) -> IndexBound? {
            guard let bound else { return nil }
            return IndexBound(expression: try lower(bound.expression, []), isInclusive: bound.isInclusive)
        }
        let isIndexOnly = covers(index, node, columns)
        let scan = IndexScan(
            table: table, index: index, alias: node.alias, prefix: prefix, lower: try lowered(match.lower),
            upper: try lowered(match.upper), excludesNulls: match.excludesNulls, direction: direction,
            columns: scanColumns(node, columns), isIndexOnly: isIndexOnly, isPoint: isPoint(index, match),
            filter: try predicate(rest, columns), condition: try predicate(match.shown, columns),
            output: output(columns))
        let tableRows = estimator.rows(of: table)
        let entries = isPoint(index, match) ? 1 : max(tableRows * match.selectivity, 1)
        let cost = Cost.indexScan(
            entries: entries, tableRows: tableRows, lookups: match.lookups, isIndexOnly: isIndexOnly,
            conditions: rest.count)
        set(
            scan, startup: cost.startup, total: cost.total, rows: isPoint(index, match) ? 1 : result, columns: columns)
        // Columns fixed by equality do not count in the order of what follows, nor harm it.
        var useful = ordering
        if !isSorted { useful = [] }
        return Part(node: scan, columns: columns, ordering: useful)
    }
}

extension ColumnSet {
    func intersection(_ list: [ColumnID]) -> ColumnSet {
        var set = ColumnSet()
        for column in list where contains(column) { set.insert(column) }
        return set
    }
}
