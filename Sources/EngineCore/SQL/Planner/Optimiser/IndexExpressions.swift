// Expression and partial indexes: what their stored texts mean, over a row for storage and over a scan for the planner.

import Platform
import SQLSyntax
import SQLTypes

extension Planner {
    /// What storage computes of every row for the table's indexes: for each index in turn its key expressions, then its
    /// predicate. Slots are the table's columns by position.
    package func indexValues(of table: TableDescriptor) throws(EngineError) -> [BoundExpression] {
        let context = StatementContext(session: session, text: [], parameterTypes: [])
        let binder = Binder(context)
        let image = binder.makeRowImage(table, Name(table.name))
        let scope = Scope(parent: nil)
        scope.items = [binder.imageItem(image, table, Name(table.name))]
        let simplifier = Simplifier(context: context)
        func lowered(_ source: [UInt8], isPredicate: Bool) throws(EngineError) -> BoundExpression {
            let bound = simplifier.simplify(try binder.bindIndexText(source, scope, isPredicate: isPredicate))
            return try bound.replacing { (node) throws(EngineError) -> BoundExpression? in
                guard case .variable(let id, let type) = node else { return nil }
                guard let slot = image.columns.firstIndex(where: { $0 == id }) else {
                    throw EngineError(.internalError, "an index expression reads what is no column of its table")
                }
                return .slot(slot, type)
            }
        }
        var values: [BoundExpression] = []
        for index in table.indexes {
            for key in index.keyColumns {
                if let source = key.expressionText { values.append(try lowered(source, isPredicate: false)) }
            }
            if let source = index.predicateText { values.append(try lowered(source, isPredicate: true)) }
        }
        return values
    }
}

extension Binder {
    /// A stored index expression or predicate over `scope`.
    func bindIndexText(_ source: [UInt8], _ scope: Scope, isPredicate: Bool) throws(EngineError) -> BoundExpression {
        let bound = try bindStoredExpression(source, scope: scope, .index)
        return isPredicate ? try coerceBoolean(bound, "WHERE", at: -1) : try resolveUnknown(bound, at: -1)
    }
}

/// An index's keys and predicate over the columns of one scan.
struct IndexMeaning {
    /// Per key column; nil for a dropped column.
    var keys: [BoundExpression?]
    /// Conjuncts; empty for an index of all rows.
    var predicate: [BoundExpression]
}

extension PhysicalPlanner {
    func meaning(of index: IndexDescriptor, _ node: GetNode) throws(EngineError) -> IndexMeaning {
        var meaning = IndexMeaning(keys: [], predicate: [])
        let binder = Binder(context)
        let scope = Scope(parent: nil)
        if !index.isPlain { scope.items = [binder.tableItem(node, Name(node.alias), 0)] }
        let simplifier = Simplifier(context: context)
        for key in index.keyColumns {
            if let source = key.expressionText {
                meaning.keys.append(simplifier.simplify(try binder.bindIndexText(source, scope, isPredicate: false)))
            } else {
                meaning.keys.append(node.columns[Int(key.number) - 1].map { context.variable($0) })
            }
        }
        if let source = index.predicateText {
            let bound = simplifier.simplify(try binder.bindIndexText(source, scope, isPredicate: true))
            if case .and(let items) = bound { meaning.predicate = items } else { meaning.predicate = [bound] }
        }
        return meaning
    }
}
