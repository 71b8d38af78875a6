// Join order and method. Inner joins are flattened into relations and predicates; the order comes from dynamic
// programming over connected subsets (Moerkotte and Neumann, VLDB 2006) up to a budget of pairs, then greedily. Outer,
// semi and anti joins keep their place; their sides are ordered on their own.

import Platform
import SQLTypes

/// A set of relations of one join group, by number.
private struct Subset: Hashable {
    var bits: UInt64
    static func == (a: Subset, b: Subset) -> Bool { a.bits == b.bits }
    func hash(into hasher: inout Hasher) { hasher.combine(bits) }
}

private struct JoinGroup {
    var relations: [Logical] = []
    var outputs: [ColumnSet] = []
    /// Columns a relation reads from outside itself.
    var free: [ColumnSet] = []
    var conditions: [BoundExpression] = []
    var conditionColumns: [ColumnSet] = []
}

extension PhysicalPlanner {
    /// Pairs that dynamic programming may look at before it gives way to the greedy search.
    private var pairBudget: Int { 4000 }

    func planJoin(_ plan: Logical, _ conditions: [BoundExpression], _ wish: Wish) throws(EngineError) -> Part {
        guard case .join(let join) = plan else { return try filter(self.plan(plan, wish), conditions) }
        if join.kind != .inner { return try filter(planOuterJoin(join, wish), conditions) }
        var group = JoinGroup()
        flatten(plan, &group)
        group.conditions += conditions
        group.conditionColumns = group.conditions.map { $0.columns }
        return try order(group, wish)
    }

    private func flatten(_ plan: Logical, _ group: inout JoinGroup) {
        switch plan {
        case .join(let join) where join.kind == .inner:
            flatten(join.left, &group)
            flatten(join.right, &group)
            group.conditions += Pushdown(context: context).split(join.conditions)
        case .filter(.join(let join), let conditions) where join.kind == .inner:
            flatten(.join(join), &group)
            group.conditions += Pushdown(context: context).split(conditions)
        default:
            group.relations.append(plan)
            group.outputs.append(ColumnSet(plan.outputs))
            group.free.append(plan.freeSet())
        }
    }

    // MARK: - Search

    private func order(_ group: JoinGroup, _ wish: Wish) throws(EngineError) -> Part {
        let count = group.relations.count
        var single: [Part] = []
        var all = ColumnSet()
        for outputs in group.outputs { all.formUnion(outputs) }
        for index in 0..<count {
            let own = conditionsWithin(group, all, ColumnSet(), group.outputs[index])
            single.append(try planWith(group.relations[index], own, index == 0 ? wish : Wish.none))
        }
        if count > 62 { return try greedy(group, single, all, count) }
        var table: [Subset: Part] = [:]
        for index in 0..<count where !isLateral(group, index, all) {
            table[Subset(bits: 1 << UInt64(index))] = single[index]
        }
        var bySize: [[UInt64]] = Array(repeating: [], count: count + 1)
        bySize[1] = table.keys.map { $0.bits }.sorted()
        var pairs = 0
        if count > 1 {
            for size in 2...count {
                var seen: [UInt64] = []
                for left in bySize[size - 1] {
                    for right in 0..<count where left & (1 << UInt64(right)) == 0 {
                        pairs += 1
                        if pairs > pairBudget { return try greedy(group, single, all, count) }
                        let union = left | (1 << UInt64(right))
                        // Cross products only when nothing connects.
                        if !connected(group, left, right, all), hasConnection(group, left, all, count) { continue }
                        guard let leftPart = table[Subset(bits: left)],
                            let joined = try join(leftPart, left, right, single[right], group, all)
                        else { continue }
                        if let known = table[Subset(bits: union)] {
                            if joined.cost < known.cost { table[Subset(bits: union)] = joined }
                        } else {
                            table[Subset(bits: union)] = joined
                            seen.append(union)
                        }
                    }
                }
                bySize[size] = seen
            }
        }
        let full: UInt64 = count == 64 ? .max : (1 << UInt64(count)) - 1
        if let best = table[Subset(bits: full)] { return best }
        return try greedy(group, single, all, count)
    }

    /// Cheapest next relation, again and again.
    private func greedy(_ group: JoinGroup, _ single: [Part], _ all: ColumnSet, _ count: Int) throws(EngineError)
        -> Part
    {
        var remaining = Array(0..<count)
        var start = remaining.first { !isLateral(group, $0, all) } ?? 0
        for index in remaining where !isLateral(group, index, all) && single[index].rows < single[start].rows {
            start = index
        }
        remaining.removeAll { $0 == start }
        var current = single[start]
        var members = WideSubset(start)
        while !remaining.isEmpty {
            var best: (index: Int, part: Part)?
            var isBestConnected = false
            for index in remaining {
                let isConnected = connects(group, members, index, all)
                if isBestConnected && !isConnected { continue }
                guard let joined = try joinWide(current, members, index, single[index], group, all) else { continue }
                if best == nil || (isConnected && !isBestConnected) || joined.cost < best!.part.cost {
                    best = (index, joined)
                    isBestConnected = isConnected
                }
            }
            guard let best else {
                throw EngineError(.internalError, "lateral references in FROM cannot be ordered")
            }
            current = best.part
            members.insert(best.index)
            remaining.removeAll { $0 == best.index }
        }
        return current
    }

    private func isLateral(_ group: JoinGroup, _ index: Int, _ all: ColumnSet) -> Bool {
        group.free[index].intersects(all)
    }

    private func columns(_ group: JoinGroup, _ bits: UInt64) -> ColumnSet {
        var set = ColumnSet()
        for index in group.outputs.indices where bits & (1 << UInt64(index)) != 0 {
            set.formUnion(group.outputs[index])
        }
        return set
    }
    private func columns(_ group: JoinGroup, _ members: WideSubset) -> ColumnSet {
        var set = ColumnSet()
        for index in members.list { set.formUnion(group.outputs[index]) }
        return set
    }

    private func connected(_ group: JoinGroup, _ left: UInt64, _ right: Int, _ all: ColumnSet) -> Bool {
        links(group, columns(group, left), right)
    }
    private func connects(_ group: JoinGroup, _ members: WideSubset, _ right: Int, _ all: ColumnSet) -> Bool {
        links(group, columns(group, members), right)
    }
    private func links(_ group: JoinGroup, _ left: ColumnSet, _ right: Int) -> Bool {
        if group.free[right].intersects(left) { return true }
        for used in group.conditionColumns where used.intersects(left) && used.intersects(group.outputs[right]) {
            return true
        }
        return false
    }
    private func hasConnection(_ group: JoinGroup, _ left: UInt64, _ all: ColumnSet, _ count: Int) -> Bool {
        let set = columns(group, left)
        for right in 0..<count where left & (1 << UInt64(right)) == 0 {
            if links(group, set, right) { return true }
        }
        return false
    }

    /// Conditions that can be decided once `added` joins `before`, and could not be earlier.
    private func conditionsWithin(_ group: JoinGroup, _ all: ColumnSet, _ before: ColumnSet, _ added: ColumnSet)
        -> [BoundExpression]
    {
        let both = before.union(added)
        var result: [BoundExpression] = []
        for (index, condition) in group.conditions.enumerated() {
            let used = group.conditionColumns[index].subtracting(group.conditionColumns[index].subtracting(all))
            if !used.isSubset(of: both) { continue }
            if before.isEmpty {
                if used.isSubset(of: added) { result.append(condition) }
            } else if !used.isSubset(of: before), !used.isSubset(of: added) {
                result.append(condition)
            }
        }
        return result
    }

    private func join(
        _ left: Part, _ bits: UInt64, _ right: Int, _ rightPart: Part, _ group: JoinGroup, _ all: ColumnSet
    ) throws(EngineError) -> Part? {
        try joinRelation(left, columns(group, bits), right, rightPart, group, all)
    }
    private func joinWide(
        _ left: Part, _ members: WideSubset, _ right: Int, _ rightPart: Part, _ group: JoinGroup, _ all: ColumnSet
    ) throws(EngineError) -> Part? {
        try joinRelation(left, columns(group, members), right, rightPart, group, all)
    }

    private func joinRelation(
        _ left: Part, _ leftColumns: ColumnSet, _ right: Int, _ rightPart: Part, _ group: JoinGroup, _ all: ColumnSet
    ) throws(EngineError) -> Part? {
        let lateral = group.free[right].subtracting(group.free[right].subtracting(all))
        if !lateral.isSubset(of: leftColumns) { return nil }
        let on = conditionsWithin(group, all, leftColumns, group.outputs[right])
        let own = conditionsWithin(group, all, ColumnSet(), group.outputs[right])
        return try bestJoin(
            JoinInput(
                kind: .inner, left: left, right: group.relations[right], rightOwn: own, rightPart: rightPart,
                on: on, isLateral: !lateral.isEmpty))
    }

    func planWith(_ relation: Logical, _ conditions: [BoundExpression], _ wish: Wish) throws(EngineError) -> Part {
        if conditions.isEmpty { return try plan(relation, wish) }
        return try plan(Pushdown(context: context).push(conditions, into: relation), wish)
    }

    // MARK: - Outer, semi and anti joins

    private func planOuterJoin(_ join: JoinRelation, _ wish: Wish) throws(EngineError) -> Part {
        let left = try plan(join.left, join.kind == .full ? Wish.none : Wish(ordering: wish.ordering))
        let isLateral = join.right.freeSet().intersects(ColumnSet(join.left.outputs))
        let right = try plan(join.right, Wish.none)
        guard
            let part = try bestJoin(
                JoinInput(
                    kind: join.kind, left: left, right: join.right, rightOwn: [], rightPart: right,
                    on: Pushdown(context: context).split(join.conditions), isLateral: isLateral))
        else { throw EngineError.notSupported("this FULL JOIN condition") }
        return part
    }
}

/// Relation numbers without a bound on their count.
private struct WideSubset {
    var list: [Int]
    init(_ first: Int) { list = [first] }
    mutating func insert(_ index: Int) { list.append(index) }
}
