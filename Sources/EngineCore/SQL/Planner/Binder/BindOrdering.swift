// ORDER BY, GROUP BY and DISTINCT ON items: ordinals, output names, expressions. Row locking clauses.

import Platform
import SQLSyntax
import SQLTypes

extension Binder {
    /// Items without reference to a select list (aggregates, windows).
    func bindSortItems(_ items: [SortItem], _ scope: Scope) throws(EngineError) -> [SortKey] {
        var keys: [SortKey] = []
        for item in items {
            let value = try resolveUnknown(bind(item.expression, scope), at: item.expression.position)
            keys.append(try sortKey(value, item))
        }
        return keys
    }

    func sortKey(_ value: BoundExpression, _ item: SortItem) throws(EngineError) -> SortKey {
        var isDescending = item.direction == .descending
        if item.direction == .using, let op = item.using {
            if op.name == ">" {
                isDescending = true
            } else if op.name != "<" {
                throw error(
                    .wrongObjectType, "operator \(op.name.text) is not a valid ordering operator",
                    hint: "Ordering operators must be \"<\" or \">\" members of btree operator families.",
                    at: op.position)
            }
        }
        try checkSortable(value.type.oid, at: item.expression.position)
        let nullsFirst: Bool? =
            switch item.nulls {
            case .unspecified: nil
            case .first: true
            case .last: false
            }
        return SortKey(value, isDescending: isDescending, isNullsFirst: nullsFirst)
    }

    func checkSortable(_ type: TypeOID, at position: Int32) throws(EngineError) {
        if type == .json || type == .xid || type == .cid || type == .aclitem {
            throw error(
                .undefinedFunction, "could not identify an ordering operator for type \(TypeNames.string(type))",
                hint: "Use an explicit ordering operator or modify the query.", at: position)
        }
    }

    func bindOrderBy(_ items: [SortItem], _ targets: [BoundTarget], _ scope: Scope) throws(EngineError) -> [SortKey] {
        var keys: [SortKey] = []
        for item in items {
            let value = try matchTarget(item.expression, targets, scope, prefersTargets: true)
            let key = try sortKey(value, item)
            if keys.contains(where: { $0.expression.isSame(as: value) }) { continue }
            keys.append(key)
        }
        return keys
    }

    /// An ordinal, an output name, or an expression. ORDER BY looks at output names first, GROUP BY at input columns.
    func matchTarget(_ item: Expression, _ targets: [BoundTarget], _ scope: Scope, prefersTargets: Bool)
        throws(EngineError) -> BoundExpression
    {
        let clauseName = scope.clause == .groupBy ? "GROUP BY" : scope.clause == .orderBy ? "ORDER BY" : "DISTINCT ON"
        if case .literal(let literal) = item.kind {
            guard case .integer(let ordinal) = literal else {
                throw error(.syntaxError, "non-integer constant in \(clauseName)", at: item.position)
            }
            guard ordinal >= 1, ordinal <= Int64(targets.count) else {
                throw error(
                    "42P10", "\(clauseName) position \(ordinal) is not in select list", at: item.position)
            }
            return targets[Int(ordinal) - 1].expression
        }
        if case .column(let parts) = item.kind, parts.count == 1 {
            if !prefersTargets, let column = try? scope.column(parts[0], context, at: item.position) {
                if isLocal(column, scope) { return column }
            }
            var found: BoundExpression?
            for target in targets where target.name == parts[0] {
                if let found, !found.isSame(as: target.expression) {
                    throw error(
                        .ambiguousColumn, "\(clauseName) \"\(parts[0].text)\" is ambiguous", at: item.position)
                }
                found = target.expression
            }
            if let found { return found }
        }
        return try resolveUnknown(bind(item, scope), at: item.position)
    }
    /// A column of this level, not of an enclosing one.
    private func isLocal(_ expression: BoundExpression, _ scope: Scope) -> Bool {
        for item in scope.items {
            for column in item.columns where column.expression.isSame(as: expression) { return true }
        }
        return false
    }

    func bindGroupBy(_ core: SelectCore, _ targets: [BoundTarget], _ scope: Scope) throws(EngineError)
        -> [BoundExpression]
    {
        var groups: [BoundExpression] = []
        for element in core.groupBy {
            switch element {
            case .expression(let item):
                if case .row(let items, false) = item.kind {
                    for inner in items { try addGroup(inner, targets, scope, &groups) }
                } else {
                    try addGroup(item, targets, scope, &groups)
                }
            case .empty: break
            case .rollup: throw EngineError.notSupported("ROLLUP")
            case .cube: throw EngineError.notSupported("CUBE")
            case .sets: throw EngineError.notSupported("GROUPING SETS")
            }
        }
        return groups
    }
    private func addGroup(
        _ item: Expression, _ targets: [BoundTarget], _ scope: Scope, _ groups: inout [BoundExpression]
    ) throws(EngineError) {
        let value = try matchTarget(item, targets, scope, prefersTargets: false)
        if value.containsAggregate {
            throw error(.groupingError, "aggregate functions are not allowed in GROUP BY", at: item.position)
        }
        if value.containsWindow {
            throw error("42P20", "window functions are not allowed in GROUP BY", at: item.position)
        }
        try checkSortable(value.type.oid, at: item.position)
        if !groups.contains(where: { $0.isSame(as: value) }) { groups.append(value) }
    }

    // MARK: - FOR UPDATE and kin

    func bindLocking(_ clauses: [LockingClause], _ core: SelectCore, _ scope: Scope, isAggregated: Bool)
        throws(EngineError) -> [LockTarget]
    {
        var targets: [LockTarget] = []
        for clause in clauses {
            let name = lockingName(clause.strength)
            if case .all = core.distinct {
            } else {
                throw EngineError(.featureNotSupported, "\(name) is not allowed with DISTINCT clause")
            }
            if !core.groupBy.isEmpty {
                throw EngineError(.featureNotSupported, "\(name) is not allowed with GROUP BY clause")
            }
            if core.having != nil {
                throw EngineError(.featureNotSupported, "\(name) is not allowed with HAVING clause")
            }
            if isAggregated {
                throw EngineError(.featureNotSupported, "\(name) is not allowed with aggregate functions")
            }
            let strength = RowLockStrength(rawValue: clause.strength.rawValue) ?? .update
            let wait = RowLockWait(rawValue: clause.wait.rawValue) ?? .block
            if clause.tables.isEmpty {
                for item in scope.items { try addLockTarget(item, strength, wait, &targets) }
            }
            for table in clause.tables {
                guard let item = scope.items.first(where: { $0.alias == table.name && $0.isQualifierVisible }) else {
                    throw error(
                        .undefinedTable, "relation \"\(table.text)\" in \(name) clause not found in FROM clause",
                        at: table.position)
                }
                try addLockTarget(item, strength, wait, &targets)
            }
        }
        return targets
    }
    private func lockingName(_ strength: LockingClause.Strength) -> String {
        switch strength {
        case .keyShare: "FOR KEY SHARE"
        case .share: "FOR SHARE"
        case .noKeyUpdate: "FOR NO KEY UPDATE"
        case .update: "FOR UPDATE"
        }
    }
    private func addLockTarget(
        _ item: ScopeItem, _ strength: RowLockStrength, _ wait: RowLockWait, _ targets: inout [LockTarget]
    ) throws(EngineError) {
        guard let node = item.node else { return }
        for index in targets.indices where targets[index].node === node {
            if strength.rawValue > targets[index].strength.rawValue { targets[index].strength = strength }
            if wait.rawValue > targets[index].wait.rawValue { targets[index].wait = wait }
            return
        }
        try context.session.storage.lock(
            database: context.session.database, relation: node.table.oid, mode: .rowShare, noWait: false)
        context.addLock(node.table.oid, .rowShare)
        targets.append(LockTarget(table: node.table, node: node, strength: strength, wait: wait))
    }
}
