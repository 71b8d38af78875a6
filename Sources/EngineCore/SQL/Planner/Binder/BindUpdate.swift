// UPDATE and DELETE: a scan of the target joined with FROM or USING, filtered by WHERE.

import Platform
import SQLSyntax
import SQLTypes

extension Binder {
    func bindUpdate(_ update: Update) throws(EngineError) -> BoundModification {
        let outer = Scope(parent: nil)
        if let with = update.with { try bindWith(with, outer) }
        let bound = try bindTargetAndSources(
            .update, update.table, "update", update.from, update.filter, outer)
        bound.scope.clause = .update
        bound.modification.assignments = try bindAssignments(
            update.assignments, bound.modification.table, bound.scope)
        try bindConstraints(bound.modification)
        try bindReturning(
            update.returning, bound.modification, bound.alias, Array(bound.scope.items.dropFirst()),
            outer.commonTables)
        return bound.modification
    }

    func bindDelete(_ delete: Delete) throws(EngineError) -> BoundModification {
        let outer = Scope(parent: nil)
        if let with = delete.with { try bindWith(with, outer) }
        let bound = try bindTargetAndSources(
            .delete, delete.table, "delete from", delete.using, delete.filter, outer)
        try bindReturning(
            delete.returning, bound.modification, bound.alias, Array(bound.scope.items.dropFirst()),
            outer.commonTables)
        return bound.modification
    }

    private func bindTargetAndSources(
        _ kind: PlannedQuery.Kind, _ reference: TableReference, _ verb: StaticString, _ from: [FromItem],
        _ filter: Expression?, _ outer: Scope
    ) throws(EngineError) -> (modification: BoundModification, scope: Scope, alias: Name) {
        let table = try openTarget(reference.name, verb)
        let alias = reference.alias?.name ?? reference.name.name
        let node = makeGet(table, alias)
        _ = node.ctidColumn(context)
        let scope = Scope(parent: nil)
        scope.commonTables = outer.commonTables
        let target = tableItem(node, alias, reference.alias == nil ? table.schema : 0)
        // The target's columns are visible to FROM's LATERAL items only by SQL's letter; PostgreSQL hides them.
        let others = try bindFrom(from, scope)
        for item in scope.items where item.alias == alias && item.isQualifierVisible {
            throw EngineError("42712", "table name \"\(alias.text)\" specified more than once")
        }
        scope.items.insert(target, at: 0)
        var source = Logical.get(node)
        if !from.isEmpty { source = .join(JoinRelation(kind: .inner, left: source, right: others, conditions: [])) }
        let modification = BoundModification(
            kind: kind, table: table, source: source, row: makeRowImage(table, alias))
        modification.target = node
        if let filter {
            scope.clause = .where
            let condition = try coerceBoolean(bind(filter, scope), "WHERE", at: filter.position)
            modification.condition = [condition]
            modification.source = .filter(source, [condition])
        }
        return (modification, scope, alias)
    }
}
