// The executor against oracles written out by definition: every operator over generated rows with NULLs and duplicates.

import Platform

func queryExecCases() -> [SuiteCase] {
    [
        SuiteCase("queryexec: an index scan gives what testing every row gives, for all bounds and both directions") {
            context throws(EngineError) in try withExec(context, indexScans)
        },
        SuiteCase("queryexec: joins of every type agree with nested loops, also where keys are NULL") {
            context throws(EngineError) in try withExec(context, joins)
        },
        SuiteCase("queryexec: IN, NOT IN and EXISTS follow three-valued logic") { context throws(EngineError) in
            try withExec(context, quantifiedSubqueries)
        },
        SuiteCase("queryexec: aggregates agree with folding each group, with DISTINCT, FILTER, and over nothing") {
            context throws(EngineError) in try withExec(context, aggregates)
        },
        SuiteCase("queryexec: sorts obey all keys and their NULLS, keep ties in order, and limits cut them") {
            context throws(EngineError) in try withExec(context, sorts)
        },
        SuiteCase("queryexec: set operations count rows as multisets") { context throws(EngineError) in
            try withExec(context, setOperations)
        },
        SuiteCase("queryexec: subplans answer anew for every row and every execution") {
            context throws(EngineError) in try withExec(context, subplans)
        },
        SuiteCase("queryexec: window frames hold the rows that their definition names") {
            context throws(EngineError) in try withExec(context, windowFrames)
        },
        SuiteCase("queryexec: a partial index never hides a row that the query wants") {
            context throws(EngineError) in try withExec(context, partialIndexes)
        },
        SuiteCase("queryexec: serializable transactions depend on the rows that they find by an index") {
            context throws(EngineError) in try withExec(context, serializableIndexReads)
        },
    ]
}

// MARK: - Scans

/// A condition in SQL and as a test of a row; unknown counts as false.
private struct Condition {
    var sql: String
    var test: (Sample) -> Bool
}

private func bounds(_ random: inout SuiteRandom, values: Int) -> [Condition] {
    func compare(_ column: String, _ operation: String, _ value: Int, _ get: @escaping (Sample) -> Int?) -> Condition {
        Condition(sql: "\(column) \(operation) \(value)") { sample in
            guard let have = get(sample) else { return false }
            if operation.utf8.count == 2 {
                return operation.utf8.first == UInt8(ascii: "<") ? have <= value : have >= value
            }
            switch operation.utf8.first {
            case UInt8(ascii: "<"): return have < value
            case UInt8(ascii: ">"): return have > value
            default: return have == value
            }
        }
    }
    func both(_ x: Condition, _ y: Condition) -> Condition {
        Condition(sql: "\(x.sql) AND \(y.sql)") { x.test($0) && y.test($0) }
    }
    let getA: (Sample) -> Int? = { $0.a }
    let getB: (Sample) -> Int? = { $0.b }
    // Values beyond both ends too.
    let x = random.next(below: values + 2) - 1
    let y = random.next(below: values + 2) - 1
    let z = random.next(below: values + 2) - 1
    var list: [Condition] = []
    for operation in ["=", "<", "<=", ">", ">="] {
        list.append(compare("a", operation, x, getA))
        list.append(both(compare("a", "=", x, getA), compare("b", operation, y, getB)))
        list.append(both(compare("a", operation, x, getA), compare("b", "=", y, getB)))
    }
    list.append(both(compare("a", ">", x, getA), compare("a", "<=", y, getA)))
    list.append(both(both(compare("a", "=", x, getA), compare("b", ">=", y, getB)), compare("b", "<", z, getB)))
    list.append(Condition(sql: "a IN (\(x), \(y), \(z), \(x))") { $0.a == x || $0.a == y || $0.a == z })
    list.append(
        Condition(sql: "a = ANY ('{\(x),NULL,\(y)}') AND b > \(z)") {
            ($0.a == x || $0.a == y) && ($0.b.map { $0 > z } ?? false)
        })
    list.append(Condition(sql: "a IS NULL") { $0.a == nil })
    list.append(Condition(sql: "a IS NOT NULL") { $0.a != nil })
    list.append(Condition(sql: "a = \(x) AND b IS NULL") { $0.a == x && $0.b == nil })
    list.append(Condition(sql: "a IS NULL AND b <= \(y)") { $0.a == nil && ($0.b.map { $0 <= y } ?? false) })
    list.append(Condition(sql: "a = \(x) AND b IS NOT NULL") { $0.a == x && $0.b != nil })
    list.append(Condition(sql: "a = NULL") { _ in false })
    return list
}

private func indexScans(_ rig: ExecRig) throws(EngineError) {
    var random = SuiteRandom(seed: 11)
    let values = 12
    let samples = Sample.list(1500, values: values, &random)
    try rig.fill("t", samples)
    try rig.run("CREATE INDEX t_ab ON t (a, b DESC); CREATE INDEX t_b ON t (b); ANALYZE t")
    try rig.expectPlan("SELECT id FROM t WHERE a = 3 AND b = 4", "Index Scan using t_ab")
    try rig.expectPlan("SELECT a, b FROM t WHERE a = 3", "Index Only Scan using t_ab")
    try rig.expectPlan("SELECT id FROM t WHERE a = 3 ORDER BY a DESC, b LIMIT 3", "Index Scan Backward using t_ab")
    for _ in 0..<2 {
        for condition in bounds(&random, values: values) {
            let matching = samples.filter(condition.test)
            try rig.expect("SELECT id, a, b FROM t WHERE \(condition.sql)", matching.map { line($0.id, $0.a, $0.b) })
            try rig.expect("SELECT a, b FROM t WHERE \(condition.sql)", matching.map { line($0.a, $0.b) })
            // Along the index and against it; the keys alone, as ties may come in any order.
            let forward = matching.sorted {
                let first = order($0.a, $1.a)
                return first != 0 ? first < 0 : order($0.b, $1.b, descending: true, nullsFirst: true) < 0
            }
            for limit in [7, 10_000] {
                let up = Array(forward.prefix(limit)).map { line($0.a, $0.b) }
                let down = Array(forward.reversed().prefix(limit)).map { line($0.a, $0.b) }
                let tail = "FROM t WHERE \(condition.sql) ORDER BY"
                try rig.expect("SELECT a, b \(tail) a, b DESC LIMIT \(limit)", up, ordered: true)
                try rig.expect("SELECT a, b \(tail) a DESC, b LIMIT \(limit)", down, ordered: true)
            }
        }
    }
}

private func partialIndexes(_ rig: ExecRig) throws(EngineError) {
    var random = SuiteRandom(seed: 17)
    let values = 10
    var samples = Sample.list(1200, values: values, &random)
    try rig.fill("t", samples)
    try rig.run(
        """
        CREATE INDEX t_low ON t (b) WHERE a < 5; CREATE INDEX t_some ON t (b, id) WHERE a IS NOT NULL;
        CREATE INDEX t_sum ON t ((a + b)); CREATE INDEX t_both ON t (id) WHERE a = 3 OR b > 7; ANALYZE t
        """)
    try rig.expectPlan("SELECT id FROM t WHERE a + b = 3", "Index Scan using t_sum")
    try rig.expectPlan("SELECT id FROM t WHERE a < 4 AND b = 1", "Index Scan using t_low")
    for round in 0..<3 {
        for condition in bounds(&random, values: values) {
            let matching = samples.filter(condition.test)
            try rig.expect("SELECT id FROM t WHERE \(condition.sql)", matching.map { line($0.id) })
            let low = matching.filter { $0.a.map { $0 < 5 } ?? false }
            try rig.expect("SELECT id FROM t WHERE \(condition.sql) AND a < 5", low.map { line($0.id) })
            let either = matching.filter { $0.a == 3 || $0.b.map { $0 > 7 } ?? false }
            try rig.expect("SELECT id FROM t WHERE \(condition.sql) AND (a = 3 OR b > 7)", either.map { line($0.id) })
        }
        for sum in 0..<2 * values {
            let matching = samples.filter { $0.a != nil && $0.b != nil && ($0.a ?? 0) + ($0.b ?? 0) == sum }
            try rig.expect("SELECT id FROM t WHERE a + b = \(sum)", matching.map { line($0.id) })
        }
        // Rows move in and out of the indexes.
        let limit = 200 * (round + 1)
        try rig.run("UPDATE t SET a = b, b = a WHERE id < \(limit); DELETE FROM t WHERE id = \(limit)")
        samples.removeAll { $0.id == limit }
        for index in samples.indices where samples[index].id < limit {
            (samples[index].a, samples[index].b) = (samples[index].b, samples[index].a)
        }
    }
}

// MARK: - Joins

private func joins(_ rig: ExecRig) throws(EngineError) {
    var random = SuiteRandom(seed: 23)
    let left = Sample.list(130, values: 25, &random)
    let right = Sample.list(110, values: 25, &random)
    try rig.fill("l", left)
    try rig.fill("r", right)
    try rig.run("ANALYZE l; ANALYZE r")
    let conditions: [(sql: String, test: (Sample, Sample) -> Bool?)] = [
        ("l.a = r.a", { equal($0.a, $1.a) }),
        ("l.a = r.a AND l.b = r.b", { both(equal($0.a, $1.a), equal($0.b, $1.b)) }),
        ("l.a = r.a AND l.b < r.b", { both(equal($0.a, $1.a), less($0.b, $1.b)) }),
        ("l.a = r.b AND l.b > 10", { both(equal($0.a, $1.b), less(10, $0.b)) }),
        ("l.a IS NOT DISTINCT FROM r.a AND l.b = r.b", { both($0.a == $1.a, equal($0.b, $1.b)) }),
        ("l.a = r.a AND false", { (_, _) in false }),
    ]
    try rig.expectPlan("SELECT l.id FROM l JOIN r ON l.a = r.a", "Hash Join")
    for condition in conditions {
        try join(rig, left, right, ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"], condition.sql, condition.test)
    }
    // Without an equality there is nothing to hash.
    try rig.expectPlan("SELECT l.id FROM l LEFT JOIN r ON l.a < r.a", "Nested Loop")
    try join(rig, left, right, ["JOIN", "LEFT JOIN", "RIGHT JOIN"], "l.a < r.a") { less($0.a, $1.a) }
    try join(rig, left, right, ["JOIN", "LEFT JOIN"], "l.a + r.a = l.b") { x, y in
        guard let a = x.a, let b = y.a else { return nil }
        return equal(a + b, x.b)
    }
    // A subquery in the condition of an outer join.
    let known = right.compactMap { $0.b }
    try join(rig, left, right, ["JOIN", "LEFT JOIN"], "l.a + r.id IN (SELECT b FROM r WHERE b IS NOT NULL)") { x, y in
        guard let a = x.a else { return nil }
        return known.contains(a + y.id)
    }
    try join(rig, left, right, ["LEFT JOIN"], "l.a <= ANY (SELECT q.a FROM r q WHERE q.id = r.id + 1)") { x, y in
        right.contains { $0.id == y.id + 1 && less($0.a, x.a) == false }
    }
    // Through an index on the inner side.
    try rig.run("CREATE INDEX r_a ON r (a); ANALYZE r")
    try join(rig, left, right, ["JOIN", "LEFT JOIN"], "l.a = r.a AND r.b > 5 AND l.id < 20") {
        both(both(equal($0.a, $1.a), less(5, $1.b)), $0.id < 20)
    }
    try rig.expect(
        "SELECT l.id, s.id FROM l LEFT JOIN LATERAL (SELECT id FROM r WHERE r.a = l.a ORDER BY id LIMIT 2) s ON true",
        left.flatMap { x -> [Line] in
            let found = right.filter { equal(x.a, $0.a) == true }.prefix(2)
            return found.isEmpty ? [line(x.id, nil)] : found.map { line(x.id, $0.id) }
        })
    // What a lateral subquery reads of its left neighbour need not be asked for above.
    let firsts = left.prefix(15)
    try rig.expect(
        "SELECT y.id FROM (SELECT id, a FROM l ORDER BY id LIMIT 15) x, LATERAL (SELECT id FROM r WHERE r.a = x.a) y",
        firsts.flatMap { x in right.filter { equal(x.a, $0.a) == true }.map { line($0.id) } })
}

private func both(_ a: Bool?, _ b: Bool?) -> Bool? {
    if a == false || b == false { return false }
    return a == nil || b == nil ? nil : true
}

private func join(
    _ rig: ExecRig, _ left: [Sample], _ right: [Sample], _ kinds: [String], _ condition: String,
    _ test: (Sample, Sample) -> Bool?
) throws(EngineError) {
    var pairs: [Line] = []
    var leftMatched: Set<Int> = []
    var rightMatched: Set<Int> = []
    for x in left {
        for y in right where test(x, y) == true {
            pairs.append(line(x.id, y.id))
            leftMatched.insert(x.id)
            rightMatched.insert(y.id)
        }
    }
    let leftAlone = left.filter { !leftMatched.contains($0.id) }
    let rightAlone = right.filter { !rightMatched.contains($0.id) }
    for kind in kinds {
        var wanted = pairs
        let first = kind.utf8.first
        if first == UInt8(ascii: "L") || first == UInt8(ascii: "F") { wanted += leftAlone.map { line($0.id, nil) } }
        if first == UInt8(ascii: "R") || first == UInt8(ascii: "F") { wanted += rightAlone.map { line(nil, $0.id) } }
        try rig.expect("SELECT l.id, r.id FROM l \(kind) r ON \(condition)", wanted)
    }
    let matched = left.filter { leftMatched.contains($0.id) }
    try rig.expect(
        "SELECT l.id FROM l WHERE EXISTS (SELECT 1 FROM r WHERE \(condition))", matched.map { line($0.id) })
    try rig.expect(
        "SELECT l.id FROM l WHERE NOT EXISTS (SELECT 1 FROM r WHERE \(condition))", leftAlone.map { line($0.id) })
}

private func quantifiedSubqueries(_ rig: ExecRig) throws(EngineError) {
    var random = SuiteRandom(seed: 29)
    let left = Sample.list(90, values: 14, &random)
    let right = Sample.list(40, values: 14, &random)
    try rig.fill("l", left)
    try rig.fill("r", right)
    /// `x op ANY (values)`: true, false or unknown.
    func any(_ values: [Int?], _ test: (Int?) -> Bool?) -> Bool? {
        var isUnknown = false
        for value in values {
            guard let verdict = test(value) else {
                isUnknown = true
                continue
            }
            if verdict { return true }
        }
        return isUnknown ? nil : false
    }
    func not(_ verdict: Bool?) -> Bool? { verdict.map { !$0 } }
    let sources: [(sql: String, keep: (Sample, Sample) -> Bool)] = [
        ("SELECT a FROM r", { (_, _) in true }), ("SELECT a FROM r WHERE a IS NOT NULL", { (_, y) in y.a != nil }),
        ("SELECT a FROM r WHERE false", { (_, _) in false }),
        ("SELECT a FROM r WHERE r.b = l.b", { x, y in equal(x.b, y.b) == true }),
    ]
    for source in sources {
        func values(_ x: Sample) -> [Int?] { right.filter { source.keep(x, $0) }.map { $0.a } }
        let tests: [(sql: String, test: (Sample) -> Bool?)] = [
            ("l.a IN (\(source.sql))", { x in any(values(x)) { equal(x.a, $0) } }),
            ("l.a NOT IN (\(source.sql))", { x in not(any(values(x)) { equal(x.a, $0) }) }),
            ("l.a < ANY (\(source.sql))", { x in any(values(x)) { less(x.a, $0) } }),
            ("l.a > ALL (\(source.sql))", { x in not(any(values(x)) { not(less($0, x.a)) }) }),
        ]
        for test in tests {
            let wanted = left.filter { test.test($0) == true }
            try rig.expect("SELECT id FROM l WHERE \(test.sql)", wanted.map { line($0.id) })
            let verdicts = left.map { x in
                Array("\(x.id)|\(test.test(x).map { $0 ? "t" : "f" } ?? "~")".utf8)
            }
            try rig.expect("SELECT id, \(test.sql) FROM l", verdicts)
        }
    }
    // Rows of two columns: unknown only where no column differs for certain.
    for (filter, keep) in [("true", { (_: Sample) in true }), ("b IS NOT NULL", { $0.b != nil })] {
        let rows = right.filter(keep)
        func verdict(_ x: Sample) -> Bool? {
            any(rows.map { $0.id }) { id in
                guard let y = rows.first(where: { $0.id == id }) else { return false }
                return both(equal(x.a, y.a), equal(x.b, y.b))
            }
        }
        let source = "(l.a, l.b) IN (SELECT a, b FROM r WHERE \(filter))"
        try rig.expect(
            "SELECT id FROM l WHERE NOT \(source)", left.filter { verdict($0) == false }.map { line($0.id) })
        try rig.expect(
            "SELECT id, \(source) FROM l",
            left.map { x in Array("\(x.id)|\(verdict(x).map { $0 ? "t" : "f" } ?? "~")".utf8) })
    }
}
