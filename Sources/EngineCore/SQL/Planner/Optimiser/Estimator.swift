// Row counts and selectivities. Source: PostgreSQL's selfuncs and clausesel, simplified; its defaults where there are no
// statistics.

import Platform
import SQLTypes

struct Estimator {
    let context: StatementContext

    static let defaultEquality = 0.005
    static let defaultRange = 1.0 / 3
    static let defaultRows = 1000.0

    // MARK: - Tables and columns

    func rows(of table: TableDescriptor) -> Double {
        if let live = context.session.services?.estimatedRowCount(table) { return max(live, 1) }
        return max(table.statistics?.rowCount ?? Estimator.defaultRows, 1)
    }
    func pages(of table: TableDescriptor) -> Double {
        let width = Double(rowWidth(table)) + 24
        return max((rows(of: table) * width / 3600).rounded(.up), 1)
    }
    func rowWidth(_ table: TableDescriptor) -> Int {
        var width = 0
        for column in table.columns where !column.isDropped {
            width += table.statistics?.column(column.number)?.averageWidth ?? Estimator.width(of: column.type)
        }
        return width
    }
    /// Average bytes of a value, as PostgreSQL's get_typavgwidth.
    static func width(of type: SQLType) -> Int {
        switch type.physical {
        case .bool, .int8: return 1
        case .int16: return 2
        case .int32, .float32: return 4
        case .int64, .float64: return 8
        case .uuid, .interval: return 16
        case .bytes:
            if type.oid == .name { return 64 }
            if type.typmod > 4, type.oid == .bpchar { return Int(type.typmod) - 4 + 1 }
            if type.typmod > 4, type.oid == .varchar { return min(Int(type.typmod) - 4, 32) }
            return 32
        }
    }
    func width(of column: ColumnID) -> Int {
        let info = context.info(column)
        return info.table?.statistics?.column(info.number)?.averageWidth ?? Estimator.width(of: info.type)
    }
    func width(of columns: [ColumnID]) -> Int {
        var total = 0
        for column in columns { total += width(of: column) }
        return total
    }

    private func statistics(_ column: ColumnID) -> ColumnStatistics? {
        let info = context.info(column)
        return info.table?.statistics?.column(info.number)
    }

    /// Distinct values of a column among `rows` rows.
    func distinct(_ expression: BoundExpression, rows: Double) -> Double {
        if case .cast(let cast) = expression { return distinct(cast.operand, rows: rows) }
        guard let column = expression.variableID else {
            if expression.type.oid == .bool { return min(2, rows) }
            return expression.isConstant ? 1 : min(200, max(rows, 1))
        }
        let info = context.info(column)
        if let table = info.table {
            let total = self.rows(of: table)
            if let statistics = table.statistics?.column(info.number) {
                let count = statistics.distinctCount < 0 ? -statistics.distinctCount * total : statistics.distinctCount
                return max(1, min(count, rows))
            }
            for index in table.indexes
            where index.isUnique && index.isPlain && index.keyColumns.count == 1
                && index.keyColumns[0].number == info.number
            {
                return max(1, min(total, rows))
            }
        }
        if info.type.oid == .bool { return min(2, max(rows, 1)) }
        return min(200, max(rows, 1))
    }

    /// Whether at most one row has given values in these columns.
    func isUnique(_ columns: [ColumnID]) -> Bool {
        guard let first = columns.first, let table = context.info(first).table else { return false }
        let numbers = columns.map { context.info($0).number }
        for index in table.indexes where index.isUnique && index.isPlain {
            if index.keyColumns.allSatisfy({ numbers.contains($0.number) }) { return true }
        }
        return false
    }

    // MARK: - Selectivity

    func selectivity(_ conditions: [BoundExpression]) -> Double {
        var result = 1.0
        var ranges: [(column: ColumnID, low: Double?, high: Double?)] = []
        for condition in conditions {
            // Two bounds on one column make a range: their overlap, not their product.
            if let comparison = columnComparison(condition), comparison.strategy != 3 {
                let fraction = selectivity(condition)
                let isLow = comparison.strategy >= 4
                if let place = ranges.firstIndex(where: { $0.column == comparison.left.variableID }) {
                    if isLow { ranges[place].low = fraction } else { ranges[place].high = fraction }
                } else if let column = comparison.left.variableID {
                    ranges.append((column, isLow ? fraction : nil, isLow ? nil : fraction))
                }
                continue
            }
            result *= selectivity(condition)
        }
        for range in ranges {
            if let low = range.low, let high = range.high {
                let isDefault = low == Estimator.defaultRange && high == Estimator.defaultRange
                result *= isDefault ? Estimator.defaultEquality : max(low + high - 1, 0.0001)
            } else {
                result *= range.low ?? range.high ?? 1
            }
        }
        return min(max(result, 0), 1)
    }

    /// `column op something without columns`, with the column on the left.
    private func columnComparison(_ condition: BoundExpression) -> BinaryComparison? {
        guard let comparison = context.comparison(condition) else { return nil }
        if comparison.left.variableID != nil, comparison.right.columns.isEmpty { return comparison }
        guard let flipped = context.commuted(comparison), flipped.left.variableID != nil, flipped.right.columns.isEmpty
        else { return nil }
        return flipped
    }

    func selectivity(_ condition: BoundExpression) -> Double {
        switch condition {
        case .constant(let datum, _): return datum.isNull || !datum.bool ? 0 : 1
        case .and(let items): return selectivity(items)
        case .or(let items):
            var none = 1.0
            for item in items { none *= 1 - selectivity(item) }
            return 1 - none
        case .not(let item): return 1 - selectivity(item)
        case .isNull(let item, let negated):
            var fraction = Estimator.defaultEquality
            if let column = item.variableID {
                if context.info(column).isNotNull { fraction = 0 }
                if let statistics = statistics(column) { fraction = statistics.nullFraction }
            }
            return negated ? 1 - fraction : fraction
        case .inList(let node):
            var sum = 0.0
            for item in node.items { sum += equality(node.left, item) }
            return min(sum, 1)
        case .quantifiedArray(let node):
            if node.isAll { return Estimator.defaultRange }
            return min(10 * equality(node.left, .constant(.null, node.left.type)), 1)
        case .truth(_, let test, let negated):
            let fraction = test == .isUnknown ? Estimator.defaultEquality : 0.5
            return negated ? 1 - fraction : fraction
        case .variable: return 0.5
        case .call(let call): return selectivity(call)
        default: return Estimator.defaultRange
        }
    }

    private func selectivity(_ call: BoundCall) -> Double {
        guard let comparison = context.comparison(.call(call)) else {
            let bytes = call.function.name.array
            if bytesEqual(bytes, "textlike") || bytesEqual(bytes, "textregexeq") || bytesEqual(bytes, "nameregexeq")
                || bytesEqual(bytes, "namelike") || bytesEqual(bytes, "bpcharlike")
            {
                return Estimator.defaultEquality
            }
            if let entry = context.operators.entry(function: call.function.oid), bytesEqual(entry.name, "<>"),
                call.arguments.count == 2
            {
                return 1 - equality(call.arguments[0], call.arguments[1])
            }
            return Estimator.defaultRange
        }
        if comparison.strategy == 3 { return equality(comparison.left, comparison.right) }
        if let oriented = columnComparison(.call(call)) { return range(oriented) }
        return Estimator.defaultRange
    }

    private func equality(_ left: BoundExpression, _ right: BoundExpression) -> Double {
        let leftColumn = stripped(left).variableID
        let rightColumn = stripped(right).variableID
        if leftColumn != nil, rightColumn != nil {
            let a = distinct(left, rows: .greatestFiniteMagnitude)
            let b = distinct(right, rows: .greatestFiniteMagnitude)
            return 1 / max(max(a, b), 1)
        }
        guard let column = leftColumn ?? rightColumn else { return Estimator.defaultEquality }
        let other = leftColumn == nil ? left : right
        let info = context.info(column)
        guard let table = info.table else { return Estimator.defaultEquality }
        let rows = self.rows(of: table)
        guard let statistics = table.statistics?.column(info.number) else {
            if isUnique([column]) { return 1 / rows }
            return info.type.oid == .bool ? 0.5 : Estimator.defaultEquality
        }
        let count = max(distinct(context.variable(column), rows: rows), 1)
        if case .constant(let datum, let type) = other, !datum.isNull, !statistics.mostCommonValues.isEmpty,
            let value = output(datum, type)
        {
            var common = 0.0
            for (index, candidate) in statistics.mostCommonValues.enumerated() {
                if candidate == value { return statistics.mostCommonFrequencies[index] }
                common += statistics.mostCommonFrequencies[index]
            }
            let rest = max(count - Double(statistics.mostCommonValues.count), 1)
            return max((1 - common - statistics.nullFraction) / rest, 0.000001)
        }
        return (1 - statistics.nullFraction) / count
    }
    private func stripped(_ expression: BoundExpression) -> BoundExpression {
        if case .cast(let cast) = expression { return stripped(cast.operand) }
        return expression
    }

    private func output(_ datum: Datum, _ type: SQLType) -> [UInt8]? {
        try? TypeIO.text(datum, type.oid, context.session.context)
    }
    private func input(_ bytes: [UInt8], _ type: SQLType) -> Datum? {
        bytes.withUnsafeBytes { raw -> Datum? in
            do throws(EngineError) { return try TypeIO.input(raw, SQLType(type.oid), context.session.context) } catch {
                return nil
            }
        }
    }

    /// Fraction of the histogram on the given side of the constant.
    private func range(_ comparison: BinaryComparison) -> Double {
        guard let column = comparison.left.variableID, let statistics = statistics(column),
            case .constant(let datum, let type) = comparison.right, !datum.isNull,
            type.oid == context.info(column).type.oid
        else { return Estimator.defaultRange }
        let kind = ValueClass.of(type.oid)
        var below = 0.0
        var total = 0.0
        func isBelow(_ bytes: [UInt8]) -> Bool? {
            guard let value = input(bytes, type) else { return nil }
            return Comparison.compare(value.unownedCell, datum.unownedCell, kind) < 0
        }
        for (index, value) in statistics.mostCommonValues.enumerated() {
            guard let lower = isBelow(value) else { return Estimator.defaultRange }
            total += statistics.mostCommonFrequencies[index]
            if lower { below += statistics.mostCommonFrequencies[index] }
        }
        let others = max(1 - total - statistics.nullFraction, 0)
        if statistics.histogram.count > 1 {
            var passed = 0
            for bound in statistics.histogram {
                guard let lower = isBelow(bound) else { return Estimator.defaultRange }
                if lower { passed += 1 }
            }
            let fraction = (Double(passed) - 0.5) / Double(statistics.histogram.count - 1)
            below += others * min(max(fraction, 0), 1)
        } else {
            below += others * Estimator.defaultRange
        }
        let result = comparison.strategy <= 2 ? below : 1 - statistics.nullFraction - below
        return min(max(result, 0.0001), 1)
    }

    // MARK: - Trees

    /// Rows that a logical tree yields, roughly; used before physical planning.
    func rows(_ plan: Logical) -> Double {
        switch plan {
        case .get(let node): return rows(of: node.table)
        case .system: return 500
        case .function: return 100
        case .values(let values): return Double(values.rows.count)
        case .commonTable: return 100
        case .single: return 1
        case .empty: return 1
        case .filter(let input, let conditions): return max(rows(input) * selectivity(conditions), 1)
        case .project(let input, _), .sort(let input, _), .lockRows(let input, _): return rows(input)
        case .projectSet(let input, _): return rows(input) * 10
        case .window(let window): return rows(window.input)
        case .distinct(let input, _): return max(rows(input) / 5, 1)
        case .aggregate(let aggregate):
            if aggregate.keys.isEmpty { return 1 }
            let input = rows(aggregate.input)
            return groups(aggregate.keys.map { $0.expression }, rows: input)
        case .limit(let input, let count, _, _):
            if case .constant(let datum, _)? = count, !datum.isNull { return min(rows(input), Double(datum.int64)) }
            return rows(input)
        case .join(let join):
            let left = rows(join.left)
            let right = rows(join.right)
            return joinRows(join.kind, left, right, selectivity(join.conditions))
        case .setOperation(let set):
            var sum = 0.0
            for input in set.inputs { sum += rows(input) }
            return set.kind == .unionAll ? sum : max(sum / 4, 1)
        case .recursive(let recursive): return rows(recursive.start) * 10
        }
    }

    func joinRows(_ kind: JoinKind, _ left: Double, _ right: Double, _ selectivity: Double) -> Double {
        let matched = left * right * selectivity
        switch kind {
        case .inner: return max(matched, 1)
        case .left: return max(matched, left)
        case .right: return max(matched, right)
        case .full: return max(matched, max(left, right))
        case .semi: return max(min(matched, left), 1)
        case .anti: return max(left - min(matched, left * 0.99), 1)
        }
    }

    /// Distinct combinations of the keys.
    func groups(_ keys: [BoundExpression], rows: Double) -> Double {
        var product = 1.0
        for key in keys { product *= distinct(key, rows: rows) }
        return max(1, min(product, rows))
    }

    /// Whether computing all groups once beats an index lookup for each outer row.
    func prefersGrouping(outer: Logical, inner: Logical, keys: [ProjectItem]) -> Bool {
        let outerRows = rows(outer)
        let innerRows = rows(inner)
        var table: TableDescriptor?
        for key in keys { if let id = key.expression.variableID { table = context.info(id).table ?? table } }
        guard let table else { return outerRows > 1 }
        var hasIndex = false
        for index in table.indexes {
            if let first = index.keyColumns.first,
                keys.contains(where: { key in
                    key.expression.variableID.map {
                        context.info($0).table === table && context.info($0).number == first.number
                    } ?? false
                })
            {
                hasIndex = true
            }
        }
        let lookups =
            hasIndex
            ? outerRows * (4 + innerRows / max(distinct(keys[0].expression, rows: innerRows), 1))
            : outerRows * innerRows
        return lookups > innerRows * 1.5
    }
}
