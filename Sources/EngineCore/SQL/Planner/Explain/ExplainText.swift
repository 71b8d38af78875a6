// Plans as text, in PostgreSQL's format: a line per node with its cost, its conditions below, its children indented.
// Nodes that PostgreSQL has no name for (projections) are left out; their expressions show where they are used.

import Platform
import SQLTypes

/// What ANALYZE measured of a node.
package struct NodeMeasure {
    package var startupMilliseconds: Double
    package var totalMilliseconds: Double
    /// Over all loops.
    package var rows: Double
    package var loops: Double
    /// Rows that a filter dropped, over all loops.
    package var filtered: Double
    /// A line on what it kept in memory and wrote to the device.
    package var memory: [UInt8]?
    package init(
        startupMilliseconds: Double, totalMilliseconds: Double, rows: Double, loops: Double, filtered: Double = 0,
        memory: [UInt8]? = nil
    ) {
        self.startupMilliseconds = startupMilliseconds
        self.totalMilliseconds = totalMilliseconds
        self.rows = rows
        self.loops = loops
        self.filtered = filtered
        self.memory = memory
    }
}

package struct ExplainText {
    private let query: PlannedQuery
    private let options: ExplainOptions
    private let measure: ((PlanNode) -> NodeMeasure?)?
    private let expressions: ExpressionText
    private var lines: [[UInt8]] = []

    /// The lines of EXPLAIN. `measure` is ANALYZE's, nil without it; a node it knows nothing of was never executed.
    package static func lines(
        _ query: PlannedQuery, _ options: ExplainOptions, _ session: CatalogSession,
        measure: ((PlanNode) -> NodeMeasure?)? = nil
    ) -> [[UInt8]] {
        var relations = 0
        countRelations(query.root, &relations)
        var text = ExplainText(
            query: query, options: options, measure: measure,
            expressions: ExpressionText(session: session, query: query, isQualified: relations > 1 || options.isVerbose)
        )
        text.add(query.root, depth: 0, label: [])
        return text.lines
    }

    private init(
        query: PlannedQuery, options: ExplainOptions, measure: ((PlanNode) -> NodeMeasure?)?,
        expressions: ExpressionText
    ) {
        self.query = query
        self.options = options
        self.measure = measure
        self.expressions = expressions
    }

    private static func countRelations(_ node: PlanNode, _ count: inout Int) {
        if node.children.isEmpty, !(node is ResultNode) { count += 1 }
        for child in node.children { countRelations(child, &count) }
    }

    // MARK: - Lines

    /// Nesting as PostgreSQL's: two blanks, an arrow, and six more for each level below.
    private func prefix(_ depth: Int) -> [UInt8] {
        if depth == 0 { return [] }
        return [UInt8](repeating: 0x20, count: 6 * depth - 4) + staticBytes("->  ")
    }
    private mutating func detail(_ depth: Int, _ label: StaticString, _ value: [UInt8]) {
        lines.append(
            [UInt8](repeating: 0x20, count: 6 * depth + 2) + staticBytes(label) + staticBytes(": ") + value)
    }

    private mutating func addMemory(of node: PlanNode, _ depth: Int) {
        guard let memory = measure?(node)?.memory else { return }
        lines.append([UInt8](repeating: 0x20, count: 6 * depth + 2) + memory)
    }

    private mutating func add(_ node: PlanNode, depth: Int, label: [UInt8]) {
        if !label.isEmpty {
            lines.append([UInt8](repeating: 0x20, count: 6 * depth - 4) + label)
        }
        if node is ProjectNode {
            add(node.children[0], depth: depth, label: [])
            return
        }
        if let filter = node as? FilterNode, canMerge(filter) {
            add(filter.children[0], depth: depth, label: [])
            detail(depth, "Filter", expressions.text(filter.condition, filter.children))
            return
        }
        lines.append(prefix(depth) + title(node) + costs(node) + actual(node))
        details(node, depth)
        if !(node is HashJoinNode) { addMemory(of: node, depth) }
        let subplans = self.subplans(node)
        for plan in subplans where plan.bindings.isEmpty && plan.left.isEmpty { addPlan(plan, depth) }
        for (index, child) in node.children.enumerated() {
            if node is HashJoinNode, index == 1 {
                lines.append(prefix(depth + 1) + staticBytes("Hash") + costs(child) + actual(child))
                addMemory(of: node, depth + 1)
                add(child, depth: depth + 2, label: [])
            } else if node is InsertNode, let result = child as? ResultNode, result.expressions.isEmpty {
                lines.append(prefix(depth + 1) + staticBytes("Result") + costs(result) + actual(result))
            } else {
                add(child, depth: depth + 1, label: [])
            }
        }
        for plan in subplans where !(plan.bindings.isEmpty && plan.left.isEmpty) { addPlan(plan, depth) }
        if depth == 0 {
            for (index, table) in query.commonTables.enumerated() {
                guard let table else { continue }
                add(table, depth: 1, label: staticBytes("CTE ") + decimal(index + 1))
            }
        }
    }
    /// A Filter over a node that has no condition of its own reads as that node's.
    private func canMerge(_ filter: FilterNode) -> Bool {
        let child = filter.children[0]
        return child is CommonTableScan || child is ValuesNode || child is AggregateNode
    }

    private mutating func addPlan(_ plan: SubPlan, _ depth: Int) {
        let returns =
            plan.bindings.isEmpty && plan.left.isEmpty
            ? staticBytes(" (returns $") + decimal(plan.number - 1) + staticBytes(")") : []
        add(plan.plan, depth: depth + 1, label: expressions.planName(plan) + returns)
    }

    // MARK: - Title

    private func title(_ node: PlanNode) -> [UInt8] {
        func relation(_ name: [UInt8], _ alias: [UInt8]) -> [UInt8] {
            let own = QuotedNames.identifier(name)
            return name == alias ? own : own + [0x20] + QuotedNames.identifier(alias)
        }
        let name = [UInt8](node.name.utf8)
        switch node {
        case let scan as TableScan: return name + staticBytes(" on ") + relation(scan.table.name, scan.alias)
        case let scan as IndexScan:
            let direction: StaticString = scan.direction == .backward ? " Backward" : ""
            return name + staticBytes(direction) + staticBytes(" using ") + QuotedNames.identifier(scan.index.name)
                + staticBytes(" on ") + relation(scan.table.name, scan.alias)
        case let scan as RowIDScan: return name + staticBytes(" on ") + relation(scan.table.name, scan.alias)
        case let scan as SystemScan: return name + staticBytes(" on ") + relation(scan.relation.name.array, scan.alias)
        case let scan as FunctionScan:
            return name + staticBytes(" on ") + relation(scan.functions[0].call.function.name.array, scan.alias)
        case let scan as CommonTableScan: return name + staticBytes(" on ") + QuotedNames.identifier(scan.alias)
        case is ValuesNode: return name + staticBytes(" on \"*VALUES*\"")
        case let join as HashJoinNode: return staticBytes("Hash ") + joinName(join.kind)
        case let join as NestedLoopNode:
            return join.kind == .inner ? name : name + [0x20] + joinName(join.kind)
        case let insert as InsertNode: return name + staticBytes(" on ") + QuotedNames.identifier(insert.table.name)
        case let update as UpdateNode: return name + staticBytes(" on ") + QuotedNames.identifier(update.table.name)
        case let delete as DeleteNode: return name + staticBytes(" on ") + QuotedNames.identifier(delete.table.name)
        default: return name
        }
    }
    private func joinName(_ kind: JoinKind) -> [UInt8] {
        switch kind {
        case .inner: staticBytes("Join")
        case .left: staticBytes("Left Join")
        case .right: staticBytes("Right Join")
        case .full: staticBytes("Full Join")
        case .semi: staticBytes("Semi Join")
        case .anti: staticBytes("Anti Join")
        }
    }

    private func costs(_ node: PlanNode) -> [UInt8] {
        if !options.showsCosts { return [] }
        let estimate = node.estimate
        return staticBytes("  (cost=") + fixed(estimate.startupCost, 2) + staticBytes("..")
            + fixed(estimate.totalCost, 2) + staticBytes(" rows=") + fixed(estimate.rows, 0) + staticBytes(" width=")
            + decimal(estimate.width) + staticBytes(")")
    }
    private func actual(_ node: PlanNode) -> [UInt8] {
        guard let measure else { return [] }
        guard let found = measure(node), found.loops > 0 else { return staticBytes(" (never executed)") }
        var out = staticBytes(" (actual ")
        if options.showsTiming {
            out +=
                staticBytes("time=") + fixed(found.startupMilliseconds, 3) + staticBytes("..")
                + fixed(found.totalMilliseconds, 3) + [0x20]
        }
        return out + staticBytes("rows=") + fixed(found.rows / found.loops, 0) + staticBytes(" loops=")
            + fixed(found.loops, 0) + staticBytes(")")
    }

    // MARK: - Details

    private mutating func details(_ node: PlanNode, _ depth: Int) {
        let own = [node]
        if options.isVerbose, !node.output.isEmpty {
            var list: [UInt8] = []
            for slot in node.output.indices {
                list += (slot > 0 ? staticBytes(", ") : []) + expressions.column(slot, own)
            }
            detail(depth, "Output", list)
        }
        switch node {
        case let scan as TableScan: addFilter(scan.filter, node, own, depth)
        case let scan as IndexScan:
            if let condition = scan.condition { detail(depth, "Index Cond", scanText(condition, node, own)) }
            addFilter(scan.filter, node, own, depth)
        case let scan as RowIDScan:
            detail(depth, "TID Cond", staticBytes("(ctid = ") + expressions.text(scan.rowID, own) + staticBytes(")"))
            addFilter(scan.filter, node, own, depth)
        case let scan as SystemScan: addFilter(scan.filter, node, own, depth)
        case let scan as FunctionScan: addFilter(scan.filter, node, own, depth)
        case let scan as CommonTableScan: addFilter(scan.filter, node, own, depth)
        case let filter as FilterNode: addFilter(filter.condition, node, node.children, depth)
        case let result as ResultNode:
            if let condition = result.condition { detail(depth, "One-Time Filter", expressions.text(condition, [])) }
        case let join as NestedLoopNode:
            if let condition = join.condition {
                detail(depth, "Join Filter", expressions.text(condition, node.children))
            }
        case let join as HashJoinNode: hashDetails(join, depth)
        case let sort as SortNode: detail(depth, "Sort Key", expressions.sortKeys(sort.keys, node.children))
        case let aggregate as AggregateNode:
            if !aggregate.keys.isEmpty { detail(depth, "Group Key", expressions.list(aggregate.keys, node.children)) }
            if let having = aggregate.having { addFilter(having, node, own, depth) }
        case let distinct as DistinctNode:
            if distinct.sortedKeys.isEmpty {
                var list: [UInt8] = []
                for slot in node.output.indices {
                    list += (slot > 0 ? staticBytes(", ") : []) + expressions.column(slot, node.children)
                }
                detail(depth, "Group Key", list)
            }
        case let insert as InsertNode: conflictDetails(insert, depth)
        default: break
        }
    }

    private mutating func addFilter(_ filter: BoundExpression?, _ node: PlanNode, _ row: [PlanNode], _ depth: Int) {
        guard let filter else { return }
        detail(depth, "Filter", scanText(filter, node, row))
        if let found = measure?(node), found.filtered > 0, found.loops > 0 {
            detail(depth, "Rows Removed by Filter", fixed(found.filtered / found.loops, 0))
        }
    }

    /// Conditions of a scan name its columns without the relation, as PostgreSQL's do.
    private func scanText(_ condition: BoundExpression, _ node: PlanNode, _ row: [PlanNode]) -> [UInt8] {
        var writer = expressions
        if node.children.isEmpty, !options.isVerbose { writer.isQualified = false }
        writer.own = node
        return writer.text(condition, row)
    }

    private mutating func hashDetails(_ join: HashJoinNode, _ depth: Int) {
        var list: [UInt8] = []
        for (index, key) in join.keys.enumerated() {
            if index > 0 { list += staticBytes(" AND ") }
            let symbol = expressions.session.catalog.operators.entry(function: key.equals.oid)?.name ?? staticBytes("=")
            list += expressions.parens(
                expressions.text(key.left, [join.children[0]]) + [0x20]
                    + (key.isNullSafe ? staticBytes("IS NOT DISTINCT FROM") : symbol) + [0x20]
                    + expressions.text(key.right, [join.children[1]]))
        }
        if !join.keys.isEmpty { detail(depth, "Hash Cond", join.keys.count > 1 ? expressions.parens(list) : list) }
        if let residual = join.residual { detail(depth, "Join Filter", expressions.text(residual, join.children)) }
    }

    private mutating func conflictDetails(_ insert: InsertNode, _ depth: Int) {
        switch insert.conflict {
        case .none: return
        case .skip: detail(depth, "Conflict Resolution", staticBytes("NOTHING"))
        case .update: detail(depth, "Conflict Resolution", staticBytes("UPDATE"))
        }
        var list: [UInt8] = []
        for index in insert.arbiters {
            list += (list.isEmpty ? [] : staticBytes(", ")) + QuotedNames.identifier(index.name)
        }
        if !list.isEmpty { detail(depth, "Conflict Arbiter Indexes", list) }
    }

    // MARK: - Subplans

    /// Subplans in a node's own expressions, in order of number. Projections below count to the node that shows them.
    private func subplans(_ node: PlanNode) -> [SubPlan] {
        var found: [SubPlan] = []
        for expression in node.allExpressions {
            expression.forEach { if case .subplan(let plan) = $0 { found.append(plan) } }
        }
        for child in node.children where child is ProjectNode {
            for expression in child.allExpressions {
                expression.forEach { if case .subplan(let plan) = $0 { found.append(plan) } }
            }
        }
        return found.sorted { $0.number < $1.number }
    }
}

extension PlanNode {
    /// Expressions that the node evaluates, for those who look for subplans.
    package var allExpressions: [BoundExpression] {
        func list(_ optional: BoundExpression?) -> [BoundExpression] { optional.map { [$0] } ?? [] }
        switch self {
        case let node as TableScan: return list(node.filter)
        case let node as IndexScan: return list(node.filter)
        case let node as RowIDScan: return list(node.filter)
        case let node as SystemScan: return list(node.filter)
        case let node as FunctionScan: return list(node.filter) + node.functions.flatMap { $0.call.arguments }
        case let node as CommonTableScan: return list(node.filter)
        case let node as ValuesNode: return node.rows.flatMap { $0 }
        case let node as ResultNode: return node.expressions + list(node.condition)
        case let node as FilterNode: return [node.condition]
        case let node as ProjectNode: return node.expressions
        case let node as ProjectSetNode: return node.expressions
        case let node as NestedLoopNode: return list(node.condition)
        case let node as HashJoinNode: return list(node.residual)
        case let node as SortNode: return node.keys.map { $0.expression }
        case let node as LimitNode: return list(node.count) + list(node.offset)
        case let node as AggregateNode:
            return node.keys + node.aggregates.map { BoundExpression.aggregate($0) } + list(node.having)
        case let node as InsertNode: return node.values
        case let node as UpdateNode: return node.assignments.map { $0.expression }
        default: return []
        }
    }
}

/// Decimal with a fixed number of fractional digits, rounded half up.
package func fixed(_ value: Double, _ digits: Int) -> [UInt8] {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let magnitude = value < 0 ? -value : value
    if magnitude * scale > 9e17 { return staticBytes("999999999999999999") }
    let whole = Int((magnitude * scale).rounded())
    var text = decimal(whole)
    if digits > 0 {
        while text.count <= digits { text.insert(UInt8(ascii: "0"), at: 0) }
        text.insert(UInt8(ascii: "."), at: text.count - digits)
    }
    return value < 0 && whole > 0 ? [UInt8(ascii: "-")] + text : text
}
