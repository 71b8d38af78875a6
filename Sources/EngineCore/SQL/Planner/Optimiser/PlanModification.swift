// Physical plans of INSERT, UPDATE and DELETE. Columns of row images become slots as Plan/Modify.swift describes.

import Platform
import SQLSyntax
import SQLTypes

struct ModificationPlanner {
    let context: StatementContext
    let estimator: Estimator
    let passes: LogicalPasses
    let physical: PhysicalPlanner

    init(_ context: StatementContext) {
        self.context = context
        estimator = Estimator(context: context)
        passes = LogicalPasses(context: context, estimator: estimator)
        physical = PhysicalPlanner(context, estimator)
    }

    func plan(_ modification: BoundModification) throws(EngineError) -> PlannedQuery {
        try optimiseExpressions(modification)
        let needed = readColumns(modification)
        var tree = try passes.run(modification.source)
        tree = try passes.pruned(tree, needed)
        physical.usedColumns = needed
        passes.used(tree, &physical.usedColumns)
        noteUsed(modification)
        try physical.planCommonTables(passes)
        let source = try physical.plan(tree, Wish.none)
        let node = try makeNode(modification, source)
        node.estimate = source.node.estimate
        if !modification.hasReturning { node.estimate.rows = 0 }
        return PlannedQuery(
            kind: modification.kind, root: node, correlationColumns: physical.correlationColumns,
            commonTables: physical.commonTables, parameterTypes: try context.finalParameterTypes(),
            resultColumns: resultColumns(modification), returnsRows: modification.hasReturning, isReadOnly: false,
            catalogVersion: context.catalogVersion, locks: context.locks)
    }

    /// Everything that is evaluated over the source's rows or the row images.
    private func expressions(_ modification: BoundModification) -> [BoundExpression] {
        var all = modification.values
        all += modification.assignments.map { $0.expression }
        all += modification.condition
        all += modification.returning.map { $0.expression }
        if case .update(let assignments, let predicate) = modification.conflict {
            all += assignments.map { $0.expression }
            if let predicate { all.append(predicate) }
        }
        return all
    }

    private func readColumns(_ modification: BoundModification) -> ColumnSet {
        var set = ColumnSet()
        for expression in expressions(modification) { expression.collect(&set) }
        if let ctid = modification.target?.ctid { set.insert(ctid) }
        return set
    }
    private func noteUsed(_ modification: BoundModification) {
        for expression in expressions(modification) {
            passes.used(.filter(.single, [expression]), &physical.usedColumns)
        }
    }

    private func optimiseExpressions(_ modification: BoundModification) throws(EngineError) {
        let simplifier = Simplifier(context: context)
        func better(_ expression: BoundExpression) throws(EngineError) -> BoundExpression {
            let inner = try expression.mapSubqueries(withColumns: { (inner, columns) throws(EngineError) in
                try passes.pruned(passes.run(inner), ColumnSet(columns))
            })
            return simplifier.simplify(inner)
        }
        func better(_ list: [ColumnAssignment]) throws(EngineError) -> [ColumnAssignment] {
            var new = list
            for index in new.indices { new[index].expression = try better(new[index].expression) }
            return new
        }
        for index in modification.values.indices { modification.values[index] = try better(modification.values[index]) }
        modification.assignments = try better(modification.assignments)
        modification.generated = try better(modification.generated)
        for index in modification.returning.indices {
            modification.returning[index].expression = try better(modification.returning[index].expression)
        }
        for index in modification.constraints.checks.indices {
            modification.constraints.checks[index].expression = try better(
                modification.constraints.checks[index].expression)
        }
        if case .update(let assignments, let predicate) = modification.conflict {
            modification.conflict = .update(
                assignments: try better(assignments), predicate: predicate == nil ? nil : try better(predicate!))
        }
    }

    // MARK: - Slots

    /// Stands for a slot that no expression names.
    private var unused: ColumnID { ColumnID(Int.max >> 8) }

    /// The image as slots 0..<n, its ctid at n.
    private func slots(_ image: RowImage) -> [ColumnID] { image.columns.map { $0 ?? unused } + [image.ctid] }

    private func lowered(_ list: [ColumnAssignment], _ columns: [ColumnID]) throws(EngineError) -> [ColumnAssignment] {
        var result: [ColumnAssignment] = []
        for item in list {
            result.append(
                ColumnAssignment(number: item.number, expression: try physical.lower(item.expression, columns)))
        }
        return result
    }

    private func constraints(_ modification: BoundModification) throws(EngineError) -> RowConstraints {
        var checks: [CheckConstraintPlan] = []
        for check in modification.constraints.checks {
            checks.append(
                CheckConstraintPlan(
                    name: check.name, expression: try physical.lower(check.expression, slots(modification.row))))
        }
        return RowConstraints(notNull: modification.constraints.notNull, checks: checks)
    }

    private func returning(_ modification: BoundModification, _ source: [ColumnID]) throws(EngineError) -> Returning? {
        guard modification.hasReturning else { return nil }
        let columns = slots(modification.row) + source
        let table = modification.table
        var list: [BoundExpression] = []
        for target in modification.returning {
            let withOID = try target.expression.replacing { (node) throws(EngineError) -> BoundExpression? in
                guard let id = node.variableID, id == modification.row.tableOID else { return nil }
                return .constant(Datum(table.oid), SQLType(.oid))
            }
            list.append(try physical.lower(withOID, columns))
        }
        return Returning(expressions: list)
    }

    private func resultColumns(_ modification: BoundModification) -> [OutputColumn] {
        modification.returning.map { target in
            var column = OutputColumn(target.name.bytes, target.expression.type)
            if let id = target.expression.variableID {
                let info = context.info(id)
                column.originTable = info.originTable
                column.originColumn = info.originTable == 0 ? 0 : info.number
            }
            return column
        }
    }

    private func makeNode(_ modification: BoundModification, _ source: Part) throws(EngineError) -> PlanNode {
        let output = resultColumns(modification)
        switch modification.kind {
        case .insert: return try insert(modification, source, output)
        case .update:
            guard let target = modification.target, let ctid = target.ctid,
                let slot = source.columns.firstIndex(of: ctid)
            else { preconditionFailure("an update's source has its target's ctid") }
            return UpdateNode(
                table: modification.table, child: source.node, rowIDSlot: slot,
                assignments: try lowered(modification.assignments, source.columns),
                generated: try lowered(modification.generated, slots(modification.row)),
                constraints: try constraints(modification),
                recheck: try physical.recheck(target, recheckConditions(modification), source.columns),
                returning: try returning(modification, source.columns), changesKey: changesKey(modification),
                output: output)
        case .delete:
            guard let target = modification.target, let ctid = target.ctid,
                let slot = source.columns.firstIndex(of: ctid)
            else { preconditionFailure("a delete's source has its target's ctid") }
            return DeleteNode(
                table: modification.table, child: source.node, rowIDSlot: slot,
                recheck: try physical.recheck(target, recheckConditions(modification), source.columns),
                returning: try returning(modification, source.columns), output: output)
        case .select: preconditionFailure("not a modification")
        }
    }

    private func recheckConditions(_ modification: BoundModification) -> [BoundExpression] {
        let simplifier = Simplifier(context: context)
        return Pushdown(context: context).split(modification.condition.map { simplifier.simplify($0) })
    }

    private func changesKey(_ modification: BoundModification) -> Bool {
        for index in modification.table.indexes where index.isUnique {
            for key in index.keyColumns {
                if modification.assignments.contains(where: { $0.number == key.number }) { return true }
            }
        }
        return false
    }

    private func insert(_ modification: BoundModification, _ source: Part, _ output: [OutputColumn])
        throws(EngineError) -> PlanNode
    {
        var action = InsertNode.ConflictAction.none
        switch modification.conflict {
        case .none: break
        case .skip: action = .skip
        case .update(let assignments, let predicate):
            let excluded = modification.excluded?.columns.map { $0 ?? unused } ?? []
            let columns = slots(modification.row) + excluded
            action = .update(
                assignments: try lowered(assignments, columns),
                predicate: predicate == nil ? nil : try physical.lower(predicate!, columns))
        }
        return InsertNode(
            table: modification.table, child: source.node,
            values: try physical.lower(modification.values, source.columns),
            generated: try lowered(modification.generated, slots(modification.row)),
            constraints: try constraints(modification), conflict: action, arbiters: modification.arbiters,
            returning: try returning(modification, source.columns), output: output)
    }
}
