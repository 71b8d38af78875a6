// What INSERT, UPDATE and DELETE share: the target, defaults, constraints, RETURNING.

import Platform
import SQLSyntax
import SQLTypes

extension Binder {
    /// Opens the target for writing. Errors: 42P01, 42809 for what is not a table, 42501 for catalogs.
    func openTarget(_ name: QualifiedName, _ verb: StaticString) throws(EngineError) -> TableDescriptor {
        guard let relation = try context.session.open(name, mode: .rowExclusive) else { throw noRelation(name) }
        switch relation {
        case .table(let table):
            context.addLock(table.oid, .rowExclusive)
            return table
        case .view:
            throw EngineError(
                "55000", "cannot \(verb) view \"\(name.name.text)\"",
                detail: "Views are read-only.", position: context.position(name.position))
        case .system:
            throw EngineError(
                .insufficientPrivilege, "permission denied: \"\(name.name.text)\" is a system catalog",
                position: context.position(name.position))
        case .sequence:
            throw error(.wrongObjectType, "cannot change sequence \"\(name.name.text)\"", at: name.position)
        case .index: throw error(.wrongObjectType, "\"\(name.name.text)\" is an index", at: name.position)
        }
    }

    func makeRowImage(_ table: TableDescriptor, _ alias: Name) -> RowImage {
        var columns: [ColumnID?] = []
        for column in table.columns {
            if column.isDropped {
                columns.append(nil)
                continue
            }
            columns.append(
                context.newColumn(
                    ColumnInfo(
                        name: column.name, type: column.type, table: table, number: column.number,
                        originTable: table.oid, qualifier: alias.bytes)))
        }
        let ctid = context.newColumn(ColumnInfo(name: staticBytes("ctid"), type: SQLType(.tid), qualifier: alias.bytes))
        return RowImage(columns: columns, ctid: ctid)
    }

    /// The image's names, for a scope.
    func imageItem(_ image: RowImage, _ table: TableDescriptor, _ alias: Name, schema: ObjectID = 0) -> ScopeItem {
        var item = ScopeItem(alias: alias, schema: schema, columns: [])
        for column in image.columns {
            guard let column else { continue }
            item.columns.append(
                ScopeColumn(name: Name(context.info(column).name), expression: context.variable(column)))
        }
        // System columns come through a node of their own whose ctid is the image's.
        let node = GetNode(table: table, alias: alias.bytes, columns: image.columns)
        node.ctid = image.ctid
        item.node = node
        return item
    }

    /// What a column gets when nothing is given.
    func defaultValue(_ column: ColumnDescriptor) throws(EngineError) -> BoundExpression {
        if column.isDropped { return .constant(.null, column.type) }
        if column.identity != .none {
            let sequence = BoundExpression.constant(Datum(column.ownedSequence), SQLType(.regclass))
            let next = try callBuiltin("nextval", [sequence], at: -1)
            return try coerceAssignment(next, to: column.type, column: column.name, at: -1)
        }
        guard let source = column.defaultText, !column.isGenerated else { return .constant(.null, column.type) }
        let value = try bindStoredExpression(source, scope: Scope(parent: nil), .defaultValue)
        return try coerceAssignment(value, to: column.type, column: column.name, at: -1)
    }

    /// A stored expression text over `scope`; its positions mean nothing to the statement.
    func bindStoredExpression(_ source: [UInt8], scope: Scope, _ clause: Scope.Clause)
        throws(EngineError) -> BoundExpression
    {
        let expression = try parseExpression(source)
        let outer = context.text
        context.text = []
        defer { context.text = outer }
        scope.clause = clause
        return try bind(expression, scope)
    }

    /// Constraints and generated columns of the modification's row.
    func bindConstraints(_ modification: BoundModification) throws(EngineError) {
        let table = modification.table
        let scope = Scope(parent: nil)
        scope.items = [imageItem(modification.row, table, Name(table.name))]
        for column in table.columns where !column.isDropped {
            if column.isNotNull { modification.constraints.notNull.append(column.number) }
            if column.isGenerated, let source = column.defaultText {
                let value = try bindStoredExpression(source, scope: scope, .generated)
                modification.generated.append(
                    ColumnAssignment(
                        number: column.number,
                        expression: try coerceAssignment(value, to: column.type, column: column.name, at: -1)))
            }
        }
        for constraint in table.constraints where constraint.kind == .check {
            guard let source = constraint.expressionText else { continue }
            let value = try bindStoredExpression(source, scope: scope, .check)
            modification.constraints.checks.append(
                CheckConstraintPlan(
                    name: constraint.name, expression: try coerceBoolean(value, "CHECK", at: -1)))
        }
    }

    func bindReturning(
        _ list: [Target], _ modification: BoundModification, _ alias: Name, _ others: [ScopeItem],
        _ commonTables: [CommonTableBinding]
    ) throws(EngineError) {
        if list.isEmpty { return }
        modification.hasReturning = true
        let scope = Scope(parent: nil)
        scope.commonTables = commonTables
        scope.items =
            [imageItem(modification.row, modification.table, alias, schema: modification.table.schema)] + others
        scope.clause = .returning
        var targets = try bindTargets(list, scope)
        for index in targets.indices {
            targets[index].expression = try resolveUnknown(targets[index].expression, at: targets[index].position)
        }
        if let first = scope.items.first { modification.row.tableOID = first.node?.tableOID }
        modification.returning = targets
    }

    func targetColumn(_ target: AssignmentTarget, _ table: TableDescriptor) throws(EngineError) -> ColumnDescriptor {
        guard let column = table.column(named: target.column.bytes) else {
            throw error(
                .undefinedColumn,
                "column \"\(target.column.text)\" of relation \"\(text(table.name))\" does not exist",
                at: target.position)
        }
        if !target.indirection.isEmpty {
            throw EngineError.notSupported(
                "assignment to an element or field of a column", position: context.position(target.position))
        }
        return column
    }

    func generatedAlways(_ column: ColumnDescriptor, isInsert: Bool) -> EngineError {
        var failure = EngineError(
            "428C9",
            isInsert
                ? "cannot insert a non-DEFAULT value into column \"\(text(column.name))\""
                : "column \"\(text(column.name))\" can only be updated to DEFAULT")
        if column.isGenerated {
            failure.detail = "Column \"\(text(column.name))\" is a generated column."
        } else {
            failure.detail = "Column \"\(text(column.name))\" is an identity column defined as GENERATED ALWAYS."
            if isInsert { failure.hint = "Use OVERRIDING SYSTEM VALUE to override." }
        }
        return failure
    }

    // MARK: - SET lists

    /// The assignments of SET, over `scope`; values are cast to their columns.
    func bindAssignments(_ list: [Assignment], _ table: TableDescriptor, _ scope: Scope)
        throws(EngineError) -> [ColumnAssignment]
    {
        var assignments: [ColumnAssignment] = []
        func add(_ target: AssignmentTarget, _ value: BoundExpression?, at position: Int32) throws(EngineError) {
            let column = try targetColumn(target, table)
            if assignments.contains(where: { $0.number == column.number }) {
                throw error(
                    .syntaxError, "multiple assignments to same column \"\(text(column.name))\"", at: -1)
            }
            if value != nil, column.isGenerated || column.identity == .always {
                throw generatedAlways(column, isInsert: false)
            }
            if column.isGenerated { return }
            let bound =
                value == nil
                ? try defaultValue(column)
                : try coerceAssignment(value!, to: column.type, column: column.name, at: position)
            assignments.append(ColumnAssignment(number: column.number, expression: bound))
        }
        for assignment in list {
            switch assignment {
            case .single(let target, let expression):
                if case .defaultValue = expression.kind {
                    try add(target, nil, at: expression.position)
                } else {
                    try add(target, bind(expression, scope), at: expression.position)
                }
            case .multiple(let targets, let expression):
                switch expression.kind {
                case .row(let items, _):
                    if items.count != targets.count { throw countMismatch(expression.position) }
                    for (index, item) in items.enumerated() {
                        if case .defaultValue = item.kind {
                            try add(targets[index], nil, at: item.position)
                        } else {
                            try add(targets[index], bind(item, scope), at: item.position)
                        }
                    }
                case .scalarSubquery(let query):
                    let values = try rowSubquery(query, targets.count, scope, at: expression.position)
                    for (index, value) in values.enumerated() {
                        try add(targets[index], value, at: expression.position)
                    }
                default:
                    if targets.count == 1 {
                        try add(targets[0], bind(expression, scope), at: expression.position)
                    } else {
                        throw error(
                            .featureNotSupported,
                            "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
                            at: expression.position)
                    }
                }
            }
        }
        return assignments
    }
    private func countMismatch(_ position: Int32) -> EngineError {
        error(.syntaxError, "number of columns does not match number of values", at: position)
    }
}
