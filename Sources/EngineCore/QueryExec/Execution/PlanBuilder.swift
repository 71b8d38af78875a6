// From plan nodes to operators.

import Platform
import SQL
import SQLTypes

struct PlanBuilder {
    let instance: Instance
    let compiler: Compiler

    init(_ instance: Instance) {
        self.instance = instance
        compiler = Compiler(instance)
    }

    /// Rows that expression vectors need: a plan over point lookups and single rows works on one at a time. A subquery
    /// anywhere makes batches of its own, and shares the capacity.
    static func capacity(_ plan: PlannedQuery) -> Int {
        plan.commonTables.isEmpty && isSingleRow(plan.root) && !hasSubplan(plan.root) ? 1 : vectorCapacity
    }

    private static func hasSubplan(_ node: PlanNode) -> Bool {
        PlanExpressions.of(node).contains(where: hasSubplan) || node.children.contains(where: hasSubplan)
    }

    private static func hasSubplan(_ expression: BoundExpression) -> Bool {
        if case .subplan = expression { return true }
        return expression.operands.contains(where: hasSubplan)
    }

    private static func isSingleRow(_ node: PlanNode) -> Bool {
        switch node {
        case let scan as IndexScan: return scan.isPoint
        case let values as ValuesNode: return values.rows.count == 1
        case let result as ResultNode: return result.children.isEmpty
        case is ProjectNode, is FilterNode, is UpdateNode, is DeleteNode, is InsertNode, is LockRowsNode:
            return isSingleRow(node.children[0])
        default: return false
        }
    }

    func build(_ node: PlanNode) throws(EngineError) -> Operator {
        let made = try make(node)
        if instance.isCounting {
            let count = OperatorCounters()
            made.counters = count
            instance.counters.append((node, count))
        }
        return made
    }

    private func types(_ node: PlanNode) -> [SQLType] { node.output.map { $0.type } }

    private func sortKeys(_ keys: [SortKey]) throws(EngineError) -> [CompiledSortKey] {
        var result: [CompiledSortKey] = []
        for key in keys {
            result.append(
                CompiledSortKey(
                    expression: try compiler.compile(key.expression), isDescending: key.isDescending,
                    isNullsFirst: key.isNullsFirst))
        }
        return result
    }

    private func make(_ node: PlanNode) throws(EngineError) -> Operator {
        switch node {
        case let node as FilterNode:
            return FilterOperator(try build(node.children[0]), try compiler.compile(node.condition), instance)
        case let node as ProjectNode:
            return ProjectOperator(try build(node.children[0]), try compiler.compile(node.expressions), instance)
        case let node as ValuesNode:
            var rows: [[Evaluator]] = []
            for row in node.rows { rows.append(try compiler.compile(row)) }
            return ValuesOperator(rows, types(node), instance)
        case let node as ResultNode:
            let child: Operator? = if let below = node.children.first { try build(below) } else { nil }
            return ResultOperator(
                child, try compiler.compile(node.expressions), try compiler.compile(optional: node.condition), instance)
        case let node as LimitNode:
            let child = try build(node.children[0])
            let ties = try sortKeys(node.ties).map { $0.expression }
            return LimitOperator(
                child, count: try compiler.compile(optional: node.count),
                offset: try compiler.compile(optional: node.offset), ties: ties, instance)
        case let node as SortNode:
            return SortOperator(try build(node.children[0]), try sortKeys(node.keys), types(node), instance)
        case let node as AppendNode:
            var children: [Operator] = []
            for child in node.children { children.append(try build(child)) }
            return AppendOperator(children, instance)
        case let node as MaterializeNode:
            return MaterializeOperator(try build(node.children[0]), types(node), instance)
        case let node as DistinctNode:
            let child = try build(node.children[0])
            if node.sortedKeys.isEmpty { return DistinctOperator(child, types(node), instance) }
            return DistinctOnOperator(child, try compiler.compile(node.sortedKeys), instance)
        case let node as SetOperationNode:
            return SetOperationOperator(
                node.kind == .intersect ? .intersect : .except, all: node.isAll, left: try build(node.children[0]),
                right: try build(node.children[1]), types(node), instance)
        case let node as NestedLoopNode: return try nestedLoop(node)
        case let node as HashJoinNode: return try hashJoin(node)
        case let node as AggregateNode: return try aggregate(node)
        case let node as WindowNode: return try window(node)
        default: return try makeScan(node)
        }
    }

    private func makeScan(_ node: PlanNode) throws(EngineError) -> Operator {
        switch node {
        case let node as TableScan:
            return try TableScanOperator(node, filter: try compiler.compile(optional: node.filter), instance)
        case let node as IndexScan: return try indexScan(node)
        case let node as RowIDScan:
            return try RowIDScanOperator(
                node, rowID: try compiler.compile(node.rowID), filter: try compiler.compile(optional: node.filter),
                instance)
        case let node as InsertNode: return try InsertOperator(node, try build(node.children[0]), compiler)
        case let node as UpdateNode:
            return try UpdateOperator(
                node, try build(node.children[0]), compiler, isSingleRow: Self.isSingleRow(node.children[0]))
        case let node as DeleteNode:
            return try DeleteOperator(
                node, try build(node.children[0]), compiler, isSingleRow: Self.isSingleRow(node.children[0]))
        case let node as LockRowsNode: return try LockRowsOperator(node, try build(node.children[0]), compiler)
        case let node as FunctionScan:
            return try FunctionScanOperator(node, filter: try compiler.compile(optional: node.filter), compiler)
        case let node as ProjectSetNode: return try ProjectSetOperator(node, try build(node.children[0]), compiler)
        case let node as SystemScan:
            return SystemScanOperator(
                node, filter: try compiler.compile(optional: node.filter),
                key: try compiler.compile(optional: node.objectKey), instance)
        case let node as CommonTableScan:
            return CommonTableScanOperator(
                try commonTable(node.index), node.columns, filter: try compiler.compile(optional: node.filter), instance
            )
        case let node as RecursiveUnionNode:
            let table = CommonTable(nil, types(node), instance)
            instance.commonTables[node.index] = table
            return RecursiveUnionOperator(
                try build(node.children[0]), try build(node.children[1]), table, all: node.isAll, instance)
        default: throw .notSupported("plan node \(node.name)")
        }
    }

    /// The WITH query with this index, built when it is first met.
    private func commonTable(_ index: Int) throws(EngineError) -> CommonTable {
        if let known = instance.commonTables[index] { return known }
        guard let plan = instance.commonTablePlans[index] else {
            throw EngineError(.internalError, "a plan reads a WITH query that it does not have")
        }
        let table = CommonTable(try build(plan), types(plan), instance)
        instance.commonTables[index] = table
        return table
    }

    private func indexScan(_ node: IndexScan) throws(EngineError) -> Operator {
        var prefix: [CompiledKeyCondition] = []
        for condition in node.prefix {
            switch condition {
            case .equal(let expression): prefix.append(.equal(try compiler.compile(expression)))
            case .anyOf(let expressions): prefix.append(.anyOf(try compiler.compile(expressions)))
            case .anyElement(let expression): prefix.append(.anyElement(try compiler.compile(expression)))
            case .isNull: prefix.append(.isNull)
            }
        }
        var lower: (expression: Evaluator, isInclusive: Bool)?
        var upper: (expression: Evaluator, isInclusive: Bool)?
        if let bound = node.lower { lower = (try compiler.compile(bound.expression), bound.isInclusive) }
        if let bound = node.upper { upper = (try compiler.compile(bound.expression), bound.isInclusive) }
        return try IndexScanOperator(
            node, prefix: prefix, lower: lower, upper: upper, filter: try compiler.compile(optional: node.filter),
            capacity: node.isPoint ? 1 : vectorCapacity, instance)
    }

    private func nestedLoop(_ node: NestedLoopNode) throws(EngineError) -> Operator {
        NestedLoopOperator(
            node.kind, left: try build(node.children[0]), right: try build(node.children[1]),
            condition: try compiler.compile(optional: node.condition), bindings: try compiler.bindings(node.bindings),
            leftTypes: types(node.children[0]), rightTypes: types(node.children[1]), instance)
    }

    private func hashJoin(_ node: HashJoinNode) throws(EngineError) -> Operator {
        var keys: [CompiledJoinKey] = []
        for key in node.keys {
            keys.append(
                CompiledJoinKey(
                    try compiler.compile(key.left), try compiler.compile(key.right), isNullSafe: key.isNullSafe))
        }
        return HashJoinOperator(
            node.kind, left: try build(node.children[0]), right: try build(node.children[1]), keys: keys,
            residual: try compiler.compile(optional: node.residual), leftTypes: types(node.children[0]),
            rightTypes: types(node.children[1]), instance)
    }

    private func aggregate(_ node: AggregateNode) throws(EngineError) -> Operator {
        var aggregates: [CompiledAggregate] = []
        for call in node.aggregates {
            aggregates.append(
                try CompiledAggregate(
                    call, try compiler.compile(call.arguments), try compiler.compile(optional: call.filter),
                    try sortKeys(call.orderBy), instance))
        }
        return AggregateOperator(
            try build(node.children[0]), keys: try compiler.compile(node.keys), aggregates: aggregates,
            having: try compiler.compile(optional: node.having), isPlain: node.strategy == .plain, types(node), instance
        )
    }

    private func window(_ node: WindowNode) throws(EngineError) -> Operator {
        var calls: [CompiledWindowCall] = []
        for call in node.calls { calls.append(try CompiledWindowCall(call, compiler)) }
        let frame = try CompiledFrame(node.frame, isDescending: node.orderBy.first?.isDescending ?? false, compiler)
        return WindowOperator(
            try build(node.children[0]), types(node.children[0]), partitionBy: try compiler.compile(node.partitionBy),
            orderBy: try sortKeys(node.orderBy), frame: frame, calls: calls, instance)
    }
}
