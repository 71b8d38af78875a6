// The types of a plan's correlations, read off where they are set.

import SQL
import SQLTypes

enum CorrelationTypes {
    /// By correlation number.
    static func collect(_ plan: PlannedQuery) -> [Int: SQLType] {
        var types: [Int: SQLType] = [:]
        for table in plan.commonTables { if let table { visit(table, &types) } }
        visit(plan.root, &types)
        return types
    }

    private static func visit(_ node: PlanNode, _ types: inout [Int: SQLType]) {
        if let loop = node as? NestedLoopNode { note(loop.bindings, &types) }
        for expression in PlanExpressions.of(node) { visit(expression, &types) }
        for child in node.children { visit(child, &types) }
    }

    private static func note(_ bindings: [CorrelationBinding], _ types: inout [Int: SQLType]) {
        for binding in bindings { types[binding.index] = binding.source.type }
    }

    private static func visit(_ expression: BoundExpression, _ types: inout [Int: SQLType]) {
        if case .subplan(let plan) = expression {
            note(plan.bindings, &types)
            visit(plan.plan, &types)
        }
        for child in expression.operands { visit(child, &types) }
    }
}

/// The expressions that a node evaluates itself.
enum PlanExpressions {
    static func of(_ node: PlanNode) -> [BoundExpression] {
        switch node {
        case let node as TableScan: return [node.filter].compactMap { $0 }
        case let node as IndexScan:
            return keys(node) + [node.lower?.expression, node.upper?.expression, node.filter].compactMap { $0 }
        case let node as RowIDScan: return [node.rowID] + [node.filter].compactMap { $0 }
        case let node as FunctionScan:
            return node.functions.flatMap { $0.call.arguments } + [node.filter].compactMap { $0 }
        case let node as SystemScan: return [node.filter, node.objectKey].compactMap { $0 }
        case let node as CommonTableScan: return [node.filter].compactMap { $0 }
        case let node as ValuesNode: return node.rows.flatMap { $0 }
        case let node as ResultNode: return node.expressions + [node.condition].compactMap { $0 }
        case let node as FilterNode: return [node.condition]
        case let node as ProjectNode: return node.expressions
        case let node as ProjectSetNode: return node.expressions
        case let node as NestedLoopNode: return node.bindings.map { $0.source } + [node.condition].compactMap { $0 }
        case let node as HashJoinNode:
            return node.keys.flatMap { [$0.left, $0.right] } + [node.residual].compactMap { $0 }
        case let node as SortNode: return node.keys.map { $0.expression }
        case let node as LimitNode: return [node.count, node.offset].compactMap { $0 }
        case let node as AggregateNode:
            return node.keys
                + node.aggregates.flatMap {
                    $0.arguments + $0.orderBy.map { $0.expression } + [$0.filter].compactMap { $0 }
                } + [node.having].compactMap { $0 }
        case let node as WindowNode:
            return node.partitionBy + node.orderBy.map { $0.expression } + node.frame.expressions
                + node.calls.flatMap { $0.arguments + [$0.filter].compactMap { $0 } }
        default: return modification(node)
        }
    }

    private static func keys(_ node: IndexScan) -> [BoundExpression] {
        node.prefix.flatMap { condition -> [BoundExpression] in
            switch condition {
            case .equal(let expression), .anyElement(let expression): [expression]
            case .anyOf(let expressions): expressions
            case .isNull: []
            }
        }
    }

    private static func modification(_ node: PlanNode) -> [BoundExpression] {
        switch node {
        case let node as InsertNode:
            return node.values + node.generated.map { $0.expression } + node.constraints.checks.map { $0.expression }
                + (node.returning?.expressions ?? [])
        case let node as UpdateNode:
            return node.assignments.map { $0.expression } + node.generated.map { $0.expression }
                + node.constraints.checks.map { $0.expression } + [node.recheck.predicate].compactMap { $0 }
                + (node.returning?.expressions ?? [])
        case let node as DeleteNode:
            return [node.recheck.predicate].compactMap { $0 } + (node.returning?.expressions ?? [])
        default: return []
        }
    }
}
