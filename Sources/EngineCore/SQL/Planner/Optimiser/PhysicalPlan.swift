// Physical planning: logical trees to nodes. A finished part knows its columns' slots, its order, and its cost.

import Platform
import SQLTypes

/// A node with what the planner still needs to know of it.
struct Part {
    var node: PlanNode
    /// Column in each slot.
    var columns: [ColumnID]
    /// The order of its rows, as far as known.
    var ordering: [OrderItem] = []
    var rows: Double { node.estimate.rows }
    var cost: Double { node.estimate.totalCost }
    var startup: Double { node.estimate.startupCost }
}

struct OrderItem {
    var column: ColumnID
    var isDescending: Bool
    var isNullsFirst: Bool
}

/// What the consumer would like.
struct Wish {
    /// Rows in this order are worth a sort.
    var ordering: [OrderItem] = []
    /// Only so many rows will be read; 0: all.
    var limit: Double = 0
    static let none = Wish()
}

final class PhysicalPlanner {
    let context: StatementContext
    let estimator: Estimator
    /// Correlation cell of each column that some inner plan reads from outside.
    private var correlations: [Int: Int] = [:]
    private(set) var subplanCount = 0
    var commonTables: [PlanNode?] = []
    /// Estimated rows of each common table.
    var commonTableRows: [Double] = []

    init(_ context: StatementContext, _ estimator: Estimator) {
        self.context = context
        self.estimator = estimator
    }

    /// Columns that something reads: scans fetch no others.
    var usedColumns = ColumnSet()

    var correlationCount: Int { correlations.count }
    /// What each correlation cell stands for.
    var correlationColumns: [OutputColumn] {
        var columns = [ColumnID](repeating: ColumnID(0), count: correlations.count)
        for (column, index) in correlations { columns[index] = ColumnID(column) }
        return output(columns)
    }

    func correlation(_ column: ColumnID) -> Int {
        if let known = correlations[column.rawValue] { return known }
        let index = correlations.count
        correlations[column.rawValue] = index
        return index
    }

    // MARK: - Lowering expressions

    /// `expression` over rows that have `columns`; what is not among them becomes a correlation.
    func lower(_ expression: BoundExpression, _ columns: [ColumnID]) throws(EngineError) -> BoundExpression {
        try expression.replacing { (node) throws(EngineError) -> BoundExpression? in
            switch node {
            case .variable(let id, let type):
                if let slot = columns.firstIndex(of: id) { return .slot(slot, type) }
                return .correlation(correlation(id), type)
            case .parameter(let index, let type):
                // Types settle while binding goes on.
                let final = context.parameterTypes[index]
                return .parameter(index, final == .none ? type : SQLType(final))
            case .subquery(let query): return .subplan(try subplan(query, columns))
            default: return nil
            }
        }
    }
    func lower(_ list: [BoundExpression], _ columns: [ColumnID]) throws(EngineError) -> [BoundExpression] {
        var lowered: [BoundExpression] = []
        lowered.reserveCapacity(list.count)
        for item in list { lowered.append(try lower(item, columns)) }
        return lowered
    }
    func lower(_ keys: [SortKey], _ columns: [ColumnID]) throws(EngineError) -> [SortKey] {
        var lowered = keys
        for index in lowered.indices { lowered[index].expression = try lower(keys[index].expression, columns) }
        return lowered
    }
    /// All of `conditions` as one predicate; nil if there are none.
    func predicate(_ conditions: [BoundExpression], _ columns: [ColumnID]) throws(EngineError) -> BoundExpression? {
        if conditions.isEmpty { return nil }
        let lowered = try lower(conditions, columns)
        return lowered.count == 1 ? lowered[0] : .and(lowered)
    }

    /// Bindings for the outside columns of `inner` that `columns` has.
    func bindings(_ free: ColumnSet, _ columns: [ColumnID]) -> [CorrelationBinding] {
        var result: [CorrelationBinding] = []
        for (slot, column) in columns.enumerated() where free.contains(column) {
            if result.contains(where: { $0.index == correlation(column) }) { continue }
            result.append(
                CorrelationBinding(index: correlation(column), source: .slot(slot, context.info(column).type)))
        }
        return result
    }

    func subplan(_ query: SubqueryExpression, _ columns: [ColumnID]) throws(EngineError) -> SubPlan {
        subplanCount += 1
        let number = subplanCount
        let free = query.input.freeSet()
        let wish = query.kind == .exists ? Wish(limit: 1) : Wish.none
        let part = try exact(plan(query.input, wish), query.columns)
        let left = try lower(query.left, columns)
        let kind: SubPlan.Kind =
            switch query.kind {
            case .scalar: .scalar
            case .exists: .exists
            case .array: .array
            case .any: .any
            case .all: .all
            }
        var bound = bindings(free, columns)
        if bound.isEmpty, !free.isEmpty {
            // What it depends on comes from further out and is set already; an idle binding says that it depends.
            let idle = context.newColumn([], SQLType(.bool))
            bound.append(CorrelationBinding(index: correlation(idle), source: .boolean(true)))
        }
        var isHashed = query.kind == .any && free.isEmpty
        for test in query.test where context.operators.strategy(of: test.function.oid) != 3 { isHashed = false }
        return SubPlan(
            kind: kind, plan: part.node, type: query.type, number: number, bindings: bound, left: left,
            test: query.test, isHashed: isHashed)
    }

    // MARK: - Output

    func output(_ columns: [ColumnID]) -> [OutputColumn] {
        columns.map { column in
            let info = context.info(column)
            var column = OutputColumn(
                info.name, info.type, originTable: info.originTable,
                originColumn: info.originTable == 0 ? 0 : info.number)
            column.qualifier = info.qualifier
            return column
        }
    }

    /// `part` with exactly these columns, in this order.
    func exact(_ part: Part, _ columns: [ColumnID]) throws(EngineError) -> Part {
        if part.columns == columns { return part }
        let expressions = try lower(columns.map { context.variable($0) }, part.columns)
        let node = ProjectNode(child: part.node, expressions: expressions, output: output(columns))
        node.estimate = part.node.estimate
        node.estimate.width = estimator.width(of: columns)
        return Part(node: node, columns: columns, ordering: part.ordering)
    }

    func set(_ node: PlanNode, startup: Double, total: Double, rows: Double, columns: [ColumnID]) {
        node.estimate.startupCost = startup
        node.estimate.totalCost = max(total, startup)
        node.estimate.rows = max(rows.rounded(), 1)
        node.estimate.width = estimator.width(of: columns)
    }

    // MARK: - Trees

    func plan(_ logical: Logical, _ wish: Wish) throws(EngineError) -> Part {
        try context.checkStack()
        switch logical {
        case .get, .system, .function, .values, .commonTable: return try planLeaf(logical, [], wish)
        case .single: return planSingle([])
        case .empty(let columns): return try planEmpty(columns)
        case .filter(let input, let conditions): return try planFilter(input, conditions, wish)
        case .project(let input, let items): return try planProject(input, items, wish)
        case .projectSet(let input, let items): return try planProjectSet(input, items, wish)
        case .join: return try planJoin(logical, [], wish)
        case .aggregate(let aggregate): return try planAggregate(aggregate, [], wish)
        case .window(let window): return try planWindow(window, wish)
        case .distinct(let input, let on): return try planDistinct(input, on, wish)
        case .sort(let input, let keys): return try planSort(input, keys, wish)
        case .limit(let input, let count, let offset, let ties):
            return try planLimit(input, count, offset, ties, wish)
        case .setOperation(let set): return try planSet(set, wish)
        case .recursive(let recursive): return try planRecursive(recursive)
        case .lockRows(let input, let targets): return try planLockRows(input, targets, wish)
        }
    }

    private func planSingle(_ conditions: [BoundExpression]) -> Part {
        let node = ResultNode(expressions: [], condition: nil, child: nil, output: [])
        set(node, startup: 0, total: Cost.tuple, rows: 1, columns: [])
        return Part(node: node, columns: [])
    }

    private func planEmpty(_ columns: [ColumnID]) throws(EngineError) -> Part {
        let node = ResultNode(
            expressions: columns.map { .constant(.null, context.info($0).type) }, condition: .boolean(false),
            child: nil,
            output: output(columns))
        set(node, startup: 0, total: 0, rows: 1, columns: columns)
        return Part(node: node, columns: columns)
    }

    private func planFilter(_ input: Logical, _ conditions: [BoundExpression], _ wish: Wish) throws(EngineError) -> Part
    {
        switch input {
        case .get, .system, .function, .values, .commonTable: return try planLeaf(input, conditions, wish)
        case .join(let join) where join.kind == .inner: return try planJoin(input, conditions, wish)
        case .aggregate(let aggregate): return try planAggregate(aggregate, conditions, wish)
        case .single:
            let part = planSingle([])
            // Conditions without columns: one-time filter.
            let node = ResultNode(
                expressions: [], condition: try predicate(conditions, []), child: nil, output: [])
            node.estimate = part.node.estimate
            return Part(node: node, columns: [])
        default: return try filter(plan(input, Wish(ordering: wish.ordering)), conditions)
        }
    }

    /// A Filter above `part`; conditions without columns or volatile functions become a one-time test.
    func filter(_ part: Part, _ conditions: [BoundExpression]) throws(EngineError) -> Part {
        if conditions.isEmpty { return part }
        var once: [BoundExpression] = []
        var each: [BoundExpression] = []
        for condition in conditions {
            let isOnce = condition.columns.isEmpty && condition.volatility != .volatile && !condition.containsSubquery
            if isOnce { once.append(condition) } else { each.append(condition) }
        }
        var result = part
        if !each.isEmpty {
            guard let test = try predicate(each, part.columns) else { return part }
            let node = FilterNode(child: part.node, condition: test)
            set(
                node, startup: part.startup,
                total: part.cost + part.rows * Cost.operation * Double(each.count),
                rows: part.rows * estimator.selectivity(each), columns: part.columns)
            result = Part(node: node, columns: part.columns, ordering: part.ordering)
        }
        if !once.isEmpty {
            let expressions = try lower(part.columns.map { context.variable($0) }, part.columns)
            let node = ResultNode(
                expressions: expressions, condition: try predicate(once, []), child: result.node,
                output: output(part.columns))
            node.estimate = result.node.estimate
            result = Part(node: node, columns: part.columns, ordering: part.ordering)
        }
        return result
    }

    private func planProject(_ input: Logical, _ items: [ProjectItem], _ wish: Wish) throws(EngineError) -> Part {
        if case .single = input {
            let node = ResultNode(
                expressions: try lower(items.map { $0.expression }, []), condition: nil, child: nil,
                output: output(items.map { $0.column }))
            set(node, startup: 0, total: Cost.tuple, rows: 1, columns: items.map { $0.column })
            return Part(node: node, columns: items.map { $0.column })
        }
        let child = try plan(input, wish)
        let columns = items.map { $0.column }
        if child.columns == columns { return child }
        let node = ProjectNode(
            child: child.node, expressions: try lower(items.map { $0.expression }, child.columns),
            output: output(columns))
        let computed = items.filter { $0.expression.variableID != $0.column }.count
        set(
            node, startup: child.startup, total: child.cost + child.rows * Cost.operation * Double(computed),
            rows: child.rows, columns: columns)
        var ordering: [OrderItem] = []
        for item in child.ordering {
            guard columns.contains(item.column) else { break }
            ordering.append(item)
        }
        return Part(node: node, columns: columns, ordering: ordering)
    }

    private func planProjectSet(_ input: Logical, _ items: [ProjectItem], _ wish: Wish) throws(EngineError) -> Part {
        let child = try plan(input, Wish(ordering: wish.ordering))
        let columns = items.map { $0.column }
        let node = ProjectSetNode(
            child: child.node, expressions: try lower(items.map { $0.expression }, child.columns),
            isSet: items.map { item in
                if case .call(let call) = item.expression { return call.function.returnsSet }
                return false
            }, output: output(columns))
        set(
            node, startup: child.startup, total: child.cost + child.rows * 10 * Cost.tuple, rows: child.rows * 10,
            columns: columns)
        return Part(node: node, columns: columns)
    }

    private func planLockRows(_ input: Logical, _ targets: [LockTarget], _ wish: Wish) throws(EngineError) -> Part {
        let child = try plan(input, wish)
        var lowered: [LockRowsNode.Target] = []
        let conditions = conditionsToRecheck(input)
        for target in targets {
            guard let ctid = target.node.ctid, let slot = child.columns.firstIndex(of: ctid) else { continue }
            lowered.append(
                LockRowsNode.Target(
                    table: target.table, rowIDSlot: slot, strength: target.strength, wait: target.wait,
                    recheck: try recheck(target.node, conditions, child.columns)))
        }
        let node = LockRowsNode(child: child.node, targets: lowered)
        set(
            node, startup: child.startup, total: child.cost + child.rows * Cost.tuple, rows: child.rows,
            columns: child.columns)
        return Part(node: node, columns: child.columns, ordering: child.ordering)
    }

    private func conditionsToRecheck(_ plan: Logical) -> [BoundExpression] {
        switch plan {
        case .filter(let input, let own): return own + conditionsToRecheck(input)
        case .project(let input, _), .sort(let input, _): return conditionsToRecheck(input)
        case .join(let join) where join.kind == .inner:
            return join.conditions + conditionsToRecheck(join.left) + conditionsToRecheck(join.right)
        default: return []
        }
    }

    /// The parts of `conditions` that can be tested again over a row with `columns`.
    func recheck(_ target: GetNode, _ conditions: [BoundExpression], _ columns: [ColumnID])
        throws(EngineError) -> Recheck
    {
        let available = ColumnSet(columns)
        var testable: [BoundExpression] = []
        for condition in conditions
        where condition.columns.isSubset(of: available) && !condition.containsSubquery && !condition.columns.isEmpty {
            testable.append(condition)
        }
        var slots: [(number: Int16, slot: Int)] = []
        for (index, column) in target.columns.enumerated() {
            if let column, let slot = columns.firstIndex(of: column) {
                slots.append((number: Int16(index + 1), slot: slot))
            }
        }
        return Recheck(columns: slots, predicate: try predicate(testable, columns))
    }
}
