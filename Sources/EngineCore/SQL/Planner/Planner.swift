// The entry to the module: a parsed statement in, a plan out.

import Platform
import SQLSyntax
import SQLTypes

package struct Planner {
    package let session: CatalogSession
    package init(_ session: CatalogSession) { self.session = session }

    /// Binds and plans one statement. Takes the locks that it needs on relations before it trusts their descriptors.
    /// `text` is the whole query text (error positions count characters of it); `parameterTypes` are the types that the
    /// client declared for $1…, `.none` where it leaves them to inference; nil if the statement is run without parameters.
    /// Errors: PostgreSQL's, with positions.
    package func plan(
        _ statement: Statement, text: [UInt8], parameterTypes: [TypeOID]? = nil
    ) throws(EngineError) -> PlannedStatement {
        let context = StatementContext(
            session: session, text: text, parameterTypes: parameterTypes ?? [], takesParameters: parameterTypes != nil)
        switch statement {
        case .query(let query) where query.into != nil: return .definition(statement)
        case .query, .insert, .update, .delete: return .query(try planQuery(statement, context))
        case .copy(let copy):
            return .copy(try CopyPlanner(context: StatementContext(session: session, text: text)).plan(copy))
        case .explain(let explain): return try planExplain(explain, context)
        case .declareCursor(let cursor): return .cursor(cursor, try planQuery(.query(cursor.query), context))
        case .vacuum(let vacuum): return .maintenance(vacuum)
        case .merge: throw EngineError.notSupported("MERGE")
        case .createTable, .createTableAs, .alterTable, .createIndex, .createSequence, .alterSequence, .createView,
            .createSchema, .createDatabase, .alterDatabase, .drop, .dropDatabase, .rename, .setSchema, .setOwner,
            .truncate, .comment, .createRole, .alterRole, .dropRole, .grant, .grantRole, .createExtension, .reindex,
            .createType, .alterType, .createDomain, .createFunction, .refreshMaterializedView, .alterRoleSetting,
            .reassignOwned, .cluster:
            return .definition(statement)
        case .unsupported(let name): throw EngineError.notSupported("\(name)")
        default: return .session(statement)
        }
    }

    func planQuery(_ statement: Statement, _ context: StatementContext) throws(EngineError) -> PlannedQuery {
        let binder = Binder(context)
        switch statement {
        case .query(let query):
            let bound = try binder.bindQuery(query, parent: nil, commonTables: [], resolvesUnknown: true)
            return try planSelect(bound, context)
        case .insert(let insert): return try ModificationPlanner(context).plan(binder.bindInsert(insert))
        case .update(let update): return try ModificationPlanner(context).plan(binder.bindUpdate(update))
        case .delete(let delete): return try ModificationPlanner(context).plan(binder.bindDelete(delete))
        default: throw EngineError.notSupported("this statement here")
        }
    }

    func planSelect(_ bound: BoundQuery, _ context: StatementContext) throws(EngineError) -> PlannedQuery {
        let estimator = Estimator(context: context)
        let passes = LogicalPasses(context: context, estimator: estimator)
        let physical = PhysicalPlanner(context, estimator)
        var tree = try passes.run(bound.plan)
        let visible = ColumnSet(bound.columns)
        tree = try passes.pruned(tree, visible)
        physical.usedColumns = visible
        passes.used(tree, &physical.usedColumns)
        try physical.planCommonTables(passes)
        let part = try physical.exact(physical.plan(tree, Wish.none), bound.columns)
        var columns = physical.output(bound.columns)
        for index in columns.indices { columns[index].name = bound.names[index].bytes }
        return PlannedQuery(
            kind: .select, root: part.node, correlationColumns: physical.correlationColumns,
            commonTables: physical.commonTables, parameterTypes: try context.finalParameterTypes(),
            resultColumns: columns, returnsRows: true, isReadOnly: !tree.locksRows,
            catalogVersion: context.catalogVersion, locks: context.locks)
    }

    private func planExplain(_ explain: Explain, _ context: StatementContext) throws(EngineError) -> PlannedStatement {
        let options = try ExplainOptions(explain.options, context)
        switch explain.statement {
        case .query, .insert, .update, .delete:
            return .explain(options, try planQuery(explain.statement, context))
        case .declareCursor(let cursor): return .explain(options, try planQuery(.query(cursor.query), context))
        case .createTableAs(let create): return .explain(options, try planQuery(create.source, context))
        case .execute: return .session(.explain(explain))
        default: throw EngineError.notSupported("EXPLAIN of this statement")
        }
    }
}

extension PhysicalPlanner {
    /// Plans the WITH queries that are kept.
    func planCommonTables(_ passes: LogicalPasses) throws(EngineError) {
        commonTables = Array(repeating: nil, count: context.commonTables.count)
        while commonTableRows.count < context.commonTables.count { commonTableRows.append(100) }
        for index in context.commonTables.indices {
            let table = context.commonTables[index]
            guard let input = table.input else { continue }
            let tree = try passes.pruned(passes.run(input), ColumnSet(table.columns))
            for column in table.columns { usedColumns.insert(column) }
            passes.used(tree, &usedColumns)
            let part = try exact(plan(tree, Wish.none), table.columns)
            commonTables[index] = part.node
            commonTableRows[index] = part.rows
        }
    }
}

extension Query {
    /// SELECT INTO: the clause of the first SELECT.
    var into: IntoClause? {
        if case .select(let core) = body { return core.into }
        return nil
    }
}

extension Logical {
    var locksRows: Bool {
        if case .lockRows = self { return true }
        for input in inputs where input.locksRows { return true }
        return false
    }
}
