// Expressions of a finished plan as SQL text, the way EXPLAIN shows them: every operator in parentheses, literals with
// their types, slots by the names of the columns they come from.

import Platform
import SQLTypes

struct ExpressionText {
    let session: CatalogSession
    let query: PlannedQuery
    /// Columns are written with their relation's alias.
    var isQualified: Bool
    /// Slots of this node's own row are its calls, not results of a node below.
    var own: PlanNode?

    /// The expression over a row that is the concatenation of the nodes' rows.
    func text(_ expression: BoundExpression, _ row: [PlanNode]) -> [UInt8] {
        switch expression {
        case .constant(let datum, let type): return constant(datum, type)
        case .slot(let slot, _): return column(slot, row)
        case .parameter(let index, _): return [UInt8(ascii: "$")] + decimal(index + 1)
        case .correlation(let index, _):
            guard index < query.correlationColumns.count else { return [UInt8(ascii: "?")] }
            return name(query.correlationColumns[index], qualified: true)
        case .call(let call): return self.call(call, row)
        case .and(let items): return joined(items, " AND ", row)
        case .or(let items): return joined(items, " OR ", row)
        case .not(let item): return parens(staticBytes("NOT ") + text(item, row))
        case .isNull(let item, let negated):
            return parens(text(item, row) + staticBytes(negated ? " IS NOT NULL" : " IS NULL"))
        case .truth(let item, let test, let negated):
            let word: StaticString =
                switch test {
                case .isTrue: "TRUE"
                case .isFalse: "FALSE"
                case .isUnknown: "UNKNOWN"
                }
            return parens(text(item, row) + staticBytes(negated ? " IS NOT " : " IS ") + staticBytes(word))
        case .searchedCase(let branches, let otherwise, _):
            var out = staticBytes("CASE")
            for branch in branches {
                out +=
                    staticBytes(" WHEN ") + text(branch.condition, row) + staticBytes(" THEN ")
                    + text(branch.result, row)
            }
            if let otherwise { out += staticBytes(" ELSE ") + text(otherwise, row) }
            return out + staticBytes(" END")
        case .coalesce(let items, _): return staticBytes("COALESCE") + parens(list(items, row))
        case .nullIf(let call, _): return staticBytes("NULLIF") + parens(list(call.arguments, row))
        case .extremum(let greatest, let items, _):
            return staticBytes(greatest ? "GREATEST" : "LEAST") + parens(list(items, row))
        case .distinctFrom(let call, let negated):
            return parens(
                text(call.arguments[0], row) + staticBytes(negated ? " IS NOT DISTINCT FROM " : " IS DISTINCT FROM ")
                    + text(call.arguments[1], row))
        case .cast(let cast):
            return parens(text(cast.operand, row)) + staticBytes("::") + typeName(cast.target)
        case .quantifiedArray(let node):
            return parens(
                text(node.left, row) + [0x20] + symbol(node.operation) + staticBytes(node.isAll ? " ALL " : " ANY ")
                    + parens(text(node.array, row)))
        case .inList(let node):
            return parens(
                text(node.left, row) + [0x20] + symbol(node.equals) + staticBytes(" ANY ") + parens(items(node, row)))
        case .array(let node): return staticBytes("ARRAY[") + list(node.elements, row) + staticBytes("]")
        case .element(let node): return subscripted(node, row)
        case .row(let items): return staticBytes("ROW") + parens(list(items, row))
        case .rowComparison(let node):
            let symbols: [StaticString] = ["=", "<>", "<", "<=", ">", ">="]
            return parens(
                staticBytes("ROW") + parens(list(node.left, row)) + [0x20]
                    + staticBytes(symbols[Int(node.kind.rawValue)])
                    + staticBytes(" ROW") + parens(list(node.right, row)))
        case .field(let item, let index, _):
            return parens(text(item, row)) + staticBytes(".f") + decimal(index + 1)
        case .subplan(let plan): return subplan(plan, row)
        case .aggregate(let call): return aggregate(call, row)
        case .window(let call):
            return call.function.name.array + parens(call.isStar ? [UInt8(ascii: "*")] : list(call.arguments, row))
                + staticBytes(" OVER (?)")
        case .variable, .subquery: return [UInt8(ascii: "?")]
        }
    }

    private func items(_ node: InList, _ row: [PlanNode]) -> [UInt8] {
        for item in node.items where !item.isConstant {
            return staticBytes("ARRAY[") + list(node.items, row) + staticBytes("]")
        }
        var out = staticBytes("'{")
        for (index, item) in node.items.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            if case .constant(let datum, let type) = item {
                out += datum.isNull ? staticBytes("NULL") : value(datum, type)
            }
        }
        out += staticBytes("}'::") + typeName(SQLType(node.items.first?.type.oid ?? .text)) + staticBytes("[]")
        return out
    }

    private func subscripted(_ node: Subscript, _ row: [PlanNode]) -> [UInt8] {
        var out = parens(text(node.base, row))
        for bound in node.bounds {
            out.append(UInt8(ascii: "["))
            if let lower = bound.lower { out += text(lower, row) }
            if bound.isSlice { out.append(UInt8(ascii: ":")) }
            if let upper = bound.upper { out += text(upper, row) }
            out.append(UInt8(ascii: "]"))
        }
        return out
    }

    private func subplan(_ plan: SubPlan, _ row: [PlanNode]) -> [UInt8] {
        let name = planName(plan)
        switch plan.kind {
        case .scalar, .array:
            return plan.bindings.isEmpty ? [UInt8(ascii: "$")] + decimal(plan.number - 1) : parens(name)
        case .exists: return plan.bindings.isEmpty ? [UInt8(ascii: "$")] + decimal(plan.number - 1) : parens(name)
        case .any, .all:
            return parens((plan.isHashed ? staticBytes("hashed ") : []) + name)
        }
    }
    func planName(_ plan: SubPlan) -> [UInt8] {
        let isInit = plan.bindings.isEmpty && plan.left.isEmpty
        return staticBytes(isInit ? "InitPlan " : "SubPlan ") + decimal(plan.number)
    }

    func aggregate(_ call: AggregateCall, _ row: [PlanNode]) -> [UInt8] {
        var inside = call.isStar ? [UInt8(ascii: "*")] : list(call.arguments, row)
        if call.isDistinct { inside = staticBytes("DISTINCT ") + inside }
        if !call.orderBy.isEmpty { inside += staticBytes(" ORDER BY ") + sortKeys(call.orderBy, row) }
        var out = call.function.name.array + parens(inside)
        if let filter = call.filter { out += staticBytes(" FILTER (WHERE ") + text(filter, row) + staticBytes(")") }
        return out
    }

    func sortKeys(_ keys: [SortKey], _ row: [PlanNode]) -> [UInt8] {
        var out: [UInt8] = []
        for (index, key) in keys.enumerated() {
            if index > 0 { out += staticBytes(", ") }
            out += text(key.expression, row)
            if key.isDescending { out += staticBytes(" DESC") }
            if key.isNullsFirst != key.isDescending {
                out += staticBytes(key.isNullsFirst ? " NULLS FIRST" : " NULLS LAST")
            }
        }
        return out
    }

    private func call(_ call: BoundCall, _ row: [PlanNode]) -> [UInt8] {
        if let entry = session.catalog.operators.entry(function: call.function.oid) {
            if call.arguments.count == 2, entry.left != .none {
                return parens(
                    text(call.arguments[0], row) + [0x20] + entry.name + [0x20] + text(call.arguments[1], row))
            }
            if call.arguments.count == 1, entry.left == .none {
                return parens(entry.name + [0x20] + text(call.arguments[0], row))
            }
        }
        return call.function.name.array + parens(list(call.arguments, row))
    }
    private func symbol(_ call: BoundCall) -> [UInt8] {
        session.catalog.operators.entry(function: call.function.oid)?.name ?? call.function.name.array
    }

    func list(_ items: [BoundExpression], _ row: [PlanNode]) -> [UInt8] {
        var out: [UInt8] = []
        for (index, item) in items.enumerated() {
            if index > 0 { out += staticBytes(", ") }
            out += text(item, row)
        }
        return out
    }
    private func joined(_ items: [BoundExpression], _ word: StaticString, _ row: [PlanNode]) -> [UInt8] {
        var out: [UInt8] = []
        for (index, item) in items.enumerated() {
            if index > 0 { out += staticBytes(word) }
            out += text(item, row)
        }
        return parens(out)
    }
    func parens(_ inside: [UInt8]) -> [UInt8] { [UInt8(ascii: "(")] + inside + [UInt8(ascii: ")")] }
    func typeName(_ type: SQLType) -> [UInt8] { TypeNames.format(type.oid, typmod: type.typmod) ?? staticBytes("???") }

    private func value(_ datum: Datum, _ type: SQLType) -> [UInt8] {
        (try? TypeIO.text(datum, type.oid, session.context)) ?? [UInt8(ascii: "?")]
    }
    private func constant(_ datum: Datum, _ type: SQLType) -> [UInt8] {
        if datum.isNull { return staticBytes("NULL::") + typeName(type) }
        if type.oid == .bool { return staticBytes(datum.bool ? "true" : "false") }
        let bytes = value(datum, type)
        if type.oid == .int4 {
            return bytes.first == UInt8(ascii: "-") ? staticBytes("'") + bytes + staticBytes("'::integer") : bytes
        }
        if type.oid == .numeric, bytes.contains(UInt8(ascii: ".")), bytes.first != UInt8(ascii: "-") { return bytes }
        return QuotedNames.literal(bytes) + staticBytes("::") + typeName(type)
    }

    // MARK: - Columns

    func name(_ column: OutputColumn, qualified: Bool) -> [UInt8] {
        let own = QuotedNames.identifier(column.name.isEmpty ? staticBytes("?column?") : column.name)
        if qualified, !column.qualifier.isEmpty {
            return QuotedNames.identifier(column.qualifier) + [UInt8(ascii: ".")] + own
        }
        return own
    }

    /// What a slot is, seen through nodes that only pass or compute it.
    func column(_ slot: Int, _ row: [PlanNode]) -> [UInt8] {
        var slot = slot
        for node in row {
            if slot < node.output.count { return column(slot, of: node) }
            slot -= node.output.count
        }
        return [UInt8(ascii: "?")]
    }
    private func column(_ slot: Int, of node: PlanNode) -> [UInt8] {
        switch node {
        case let project as ProjectNode: return text(project.expressions[slot], project.children)
        case let aggregate as AggregateNode:
            if slot < aggregate.keys.count { return text(aggregate.keys[slot], aggregate.children) }
            let call = self.aggregate(aggregate.aggregates[slot - aggregate.keys.count], aggregate.children)
            return own === node ? call : parens(call)
        case is FilterNode, is SortNode, is LimitNode, is MaterializeNode, is DistinctNode, is LockRowsNode:
            return column(slot, of: node.children[0])
        case is NestedLoopNode, is HashJoinNode: return column(slot, node.children)
        default: return name(node.output[slot], qualified: isQualified)
        }
    }
}
