// Which columns an expression or subtree uses, and which of them come from outside.

import Platform
import SQLTypes

/// A set of columns. Statements have few; a bit array is small and quick.
struct ColumnSet {
    private var words: [UInt64] = []

    init() {}
    init(_ columns: [ColumnID]) { for column in columns { insert(column) } }

    mutating func insert(_ column: ColumnID) {
        let word = column.rawValue >> 6
        while words.count <= word { words.append(0) }
        words[word] |= 1 << UInt64(column.rawValue & 63)
    }
    mutating func remove(_ column: ColumnID) {
        let word = column.rawValue >> 6
        if word < words.count { words[word] &= ~(1 << UInt64(column.rawValue & 63)) }
    }
    func contains(_ column: ColumnID) -> Bool {
        let word = column.rawValue >> 6
        return word < words.count && words[word] & (1 << UInt64(column.rawValue & 63)) != 0
    }
    mutating func formUnion(_ other: ColumnSet) {
        while words.count < other.words.count { words.append(0) }
        for index in other.words.indices { words[index] |= other.words[index] }
    }
    func union(_ other: ColumnSet) -> ColumnSet {
        var copy = self
        copy.formUnion(other)
        return copy
    }
    func subtracting(_ other: ColumnSet) -> ColumnSet {
        var copy = self
        for index in 0..<min(words.count, other.words.count) { copy.words[index] &= ~other.words[index] }
        return copy
    }
    func isSubset(of other: ColumnSet) -> Bool { subtracting(other).isEmpty }
    func intersects(_ other: ColumnSet) -> Bool {
        for index in 0..<min(words.count, other.words.count) where words[index] & other.words[index] != 0 {
            return true
        }
        return false
    }
    var isEmpty: Bool {
        for word in words where word != 0 { return false }
        return true
    }
    var elements: [ColumnID] {
        var all: [ColumnID] = []
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                all.append(ColumnID(index * 64 + rest.trailingZeroBitCount))
                rest &= rest - 1
            }
        }
        return all
    }
}

extension BoundExpression {
    /// Columns it reads, those that its subqueries read from outside themselves included.
    var columns: ColumnSet {
        var set = ColumnSet()
        collect(&set)
        return set
    }
    func collect(_ set: inout ColumnSet) {
        if case .variable(let id, _) = self {
            set.insert(id)
            return
        }
        if case .subquery(let query) = self { set.formUnion(query.input.freeSet()) }
        for operand in operands { operand.collect(&set) }
    }
}

extension Logical {
    func freeVariables() -> [ColumnID] { freeSet().elements }

    /// Columns used inside that nothing inside produces.
    func freeSet() -> ColumnSet {
        var used = ColumnSet()
        var made = ColumnSet()
        walk(&used, &made)
        return used.subtracting(made)
    }

    private func walk(_ used: inout ColumnSet, _ made: inout ColumnSet) {
        for expression in ownExpressions { expression.collect(&used) }
        for column in ownColumns { made.insert(column) }
        for input in inputs { input.walk(&used, &made) }
    }

    /// Expressions evaluated at this node.
    var ownExpressions: [BoundExpression] {
        switch self {
        case .get, .system, .commonTable, .single, .empty, .setOperation, .recursive, .lockRows: return []
        case .function(let node): return node.items.flatMap { $0.call.arguments }
        case .values(let values): return values.rows.flatMap { $0 }
        case .filter(_, let conditions): return conditions
        case .project(_, let items), .projectSet(_, let items): return items.map { $0.expression }
        case .join(let join): return join.conditions
        case .aggregate(let aggregate):
            return aggregate.keys.map { $0.expression }
                + aggregate.aggregates.map { BoundExpression.aggregate($0.call) }
        case .window(let window):
            return window.partitionBy + window.orderBy.map { $0.expression } + window.frame.expressions
                + window.calls.map { BoundExpression.window($0.call) }
        case .distinct(_, let on): return on
        case .sort(_, let keys): return keys.map { $0.expression }
        case .limit(_, let count, let offset, let ties):
            return (count.map { [$0] } ?? []) + (offset.map { [$0] } ?? []) + ties.map { $0.expression }
        }
    }

    /// Columns that this node itself makes.
    private var ownColumns: [ColumnID] {
        switch self {
        case .get(let node): return node.outputs
        case .system(let node): return node.outputs
        case .function(let node): return node.columns
        case .values(let values): return values.columns
        case .commonTable(let reference): return reference.columns
        case .empty(let columns): return columns
        case .project(_, let items), .projectSet(_, let items):
            var columns: [ColumnID] = []
            for item in items where item.expression.variableID != item.column { columns.append(item.column) }
            return columns
        case .aggregate(let aggregate):
            var columns = aggregate.aggregates.map { $0.column }
            for key in aggregate.keys where key.expression.variableID != key.column { columns.append(key.column) }
            return columns
        case .window(let window): return window.calls.map { $0.column }
        case .setOperation(let set): return set.columns
        case .recursive(let recursive): return recursive.columns
        default: return []
        }
    }

    var inputs: [Logical] {
        switch self {
        case .get, .system, .function, .values, .commonTable, .single, .empty: return []
        case .filter(let input, _), .distinct(let input, _), .sort(let input, _), .lockRows(let input, _),
            .project(let input, _), .projectSet(let input, _):
            return [input]
        case .limit(let input, _, _, _): return [input]
        case .join(let join): return [join.left, join.right]
        case .aggregate(let aggregate): return [aggregate.input]
        case .window(let window): return [window.input]
        case .setOperation(let set): return set.inputs
        case .recursive(let recursive): return [recursive.start, recursive.step]
        }
    }

    func replacingInputs(_ new: [Logical]) -> Logical {
        switch self {
        case .get, .system, .function, .values, .commonTable, .single, .empty: return self
        case .filter(_, let conditions): return .filter(new[0], conditions)
        case .distinct(_, let on): return .distinct(new[0], on: on)
        case .sort(_, let keys): return .sort(new[0], keys)
        case .lockRows(_, let targets): return .lockRows(new[0], targets)
        case .project(_, let items): return .project(new[0], items)
        case .projectSet(_, let items): return .projectSet(new[0], items)
        case .limit(_, let count, let offset, let ties): return .limit(new[0], count: count, offset: offset, ties: ties)
        case .join(var join):
            join.left = new[0]
            join.right = new[1]
            return .join(join)
        case .aggregate(var aggregate):
            aggregate.input = new[0]
            return .aggregate(aggregate)
        case .window(var window):
            window.input = new[0]
            return .window(window)
        case .setOperation(var set):
            set.inputs = new
            return .setOperation(set)
        case .recursive(var recursive):
            recursive.start = new[0]
            recursive.step = new[1]
            return .recursive(recursive)
        }
    }

    /// The same node with its expressions rewritten (subqueries' insides are not touched).
    func mapExpressions(
        _ body: (BoundExpression) throws(EngineError) -> BoundExpression
    ) throws(EngineError) -> Logical {
        func map(_ list: [BoundExpression]) throws(EngineError) -> [BoundExpression] {
            var new: [BoundExpression] = []
            for item in list { new.append(try body(item)) }
            return new
        }
        func map(_ items: [ProjectItem]) throws(EngineError) -> [ProjectItem] {
            var new: [ProjectItem] = []
            for item in items { new.append(ProjectItem(column: item.column, expression: try body(item.expression))) }
            return new
        }
        func map(_ keys: [SortKey]) throws(EngineError) -> [SortKey] {
            var new = keys
            for index in new.indices { new[index].expression = try body(new[index].expression) }
            return new
        }
        switch self {
        case .get, .system, .commonTable, .single, .empty, .setOperation, .recursive, .lockRows: return self
        case .function(let node):
            var items = node.items
            for index in items.indices { items[index].call.arguments = try map(items[index].call.arguments) }
            return .function(
                FunctionNode(items: items, alias: node.alias, columns: node.columns, hasOrdinality: node.hasOrdinality))
        case .values(var values):
            for row in values.rows.indices { values.rows[row] = try map(values.rows[row]) }
            return .values(values)
        case .filter(let input, let conditions): return .filter(input, try map(conditions))
        case .project(let input, let items): return .project(input, try map(items))
        case .projectSet(let input, let items): return .projectSet(input, try map(items))
        case .join(var join):
            join.conditions = try map(join.conditions)
            return .join(join)
        case .aggregate(var aggregate):
            aggregate.keys = try map(aggregate.keys)
            for index in aggregate.aggregates.indices {
                if case .aggregate(let call) = try body(.aggregate(aggregate.aggregates[index].call)) {
                    aggregate.aggregates[index].call = call
                }
            }
            return .aggregate(aggregate)
        case .window(var window):
            window.partitionBy = try map(window.partitionBy)
            window.orderBy = try map(window.orderBy)
            try window.frame.replaceExpressions(body)
            for index in window.calls.indices {
                if case .window(let call) = try body(.window(window.calls[index].call)) {
                    window.calls[index].call = call
                }
            }
            return .window(window)
        case .distinct(let input, let on): return .distinct(input, on: try map(on))
        case .sort(let input, let keys): return .sort(input, try map(keys))
        case .limit(let input, let count, let offset, let ties):
            return .limit(
                input, count: count == nil ? nil : try body(count!), offset: offset == nil ? nil : try body(offset!),
                ties: try map(ties))
        }
    }
}

extension BoundFrame {
    /// Offsets and the keys of RANGE.
    package var expressions: [BoundExpression] {
        var list: [BoundExpression] = []
        for bound in [start, end] {
            switch bound {
            case .preceding(let offset), .following(let offset): list.append(offset)
            default: break
            }
        }
        if let range { list += [range.key] + (range.start.map { [$0] } ?? []) + (range.end.map { [$0] } ?? []) }
        return list
    }

    mutating func replaceExpressions(
        _ body: (BoundExpression) throws(EngineError) -> BoundExpression
    ) throws(EngineError) {
        func replaced(_ bound: Bound) throws(EngineError) -> Bound {
            switch bound {
            case .preceding(let offset): return .preceding(try body(offset))
            case .following(let offset): return .following(try body(offset))
            default: return bound
            }
        }
        start = try replaced(start)
        end = try replaced(end)
        if var keys = range {
            keys.key = try body(keys.key)
            if let edge = keys.start { keys.start = try body(edge) }
            if let edge = keys.end { keys.end = try body(edge) }
            range = keys
        }
    }
}
