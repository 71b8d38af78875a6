// The executor's blocking operators against oracles: aggregation, sorting, sets, subplans, windows. See QueryExecCases.

import Platform

func aggregates(_ rig: ExecRig) throws(EngineError) {
    var random = SuiteRandom(seed: 31)
    let samples = Sample.list(2500, values: 9, &random)
    try rig.fill("t", samples)
    func fold(_ key: Int??, _ rows: [Sample]) -> Line {
        let values = rows.compactMap { $0.b }
        let large = rows.filter { $0.b.map { $0 > 4 } ?? false }
        let sum = values.isEmpty ? nil : values.reduce(0, +)
        let distinct = Set(values)
        var parts: [Int?] = [
            rows.count, values.count, sum, values.min(), values.max(), distinct.count,
            distinct.isEmpty ? nil : distinct.reduce(0, +), large.count,
            large.isEmpty ? nil : large.map { $0.id }.max(),
        ]
        if let key { parts.insert(key, at: 0) }
        var text = Line()
        for (index, part) in parts.enumerated() { text += (index > 0 ? Array("|".utf8) : []) + line(part) }
        return text
    }
    let list =
        "count(*), count(b), sum(b), min(b), max(b), count(DISTINCT b), sum(DISTINCT b), count(*) FILTER (WHERE b > 4), max(id) FILTER (WHERE b > 4)"
    func groups(_ rows: [Sample], _ key: (Sample) -> Int?) -> [(key: Int?, rows: [Sample])] {
        var found: [(key: Int?, rows: [Sample])] = []
        for row in rows {
            if let place = found.firstIndex(where: { $0.key == key(row) }) {
                found[place].rows.append(row)
            } else {
                found.append((key(row), [row]))
            }
        }
        return found
    }
    try rig.expect("SELECT \(list) FROM t", [fold(nil, samples)])
    try rig.expect("SELECT \(list) FROM t WHERE id < 0", [fold(nil, [])])
    try rig.expect("SELECT a, \(list) FROM t WHERE id < 0 GROUP BY a", [])
    try rig.expect("SELECT a, \(list) FROM t GROUP BY a", groups(samples) { $0.a }.map { fold(.some($0.key), $0.rows) })
    try rig.expect(
        "SELECT id % 700, \(list) FROM t GROUP BY id % 700",
        groups(samples) { $0.id % 700 }.map { fold(.some($0.key), $0.rows) })
    try rig.expect(
        "SELECT a FROM t GROUP BY a HAVING count(b) > 250",
        groups(samples) { $0.a }.filter { $0.rows.filter { $0.b != nil }.count > 250 }.map { line($0.key) })
    // The same from sorted input.
    try rig.run("CREATE INDEX t_a ON t (a, b, id); ANALYZE t")
    try rig.expect(
        "SELECT a, \(list) FROM t GROUP BY a ORDER BY a",
        groups(samples) { $0.a }.sorted { order($0.key, $1.key) < 0 }.map { fold(.some($0.key), $0.rows) },
        ordered: true)
    let agg = groups(samples) { $0.a }.map { group in
        let ids = group.rows.sorted {
            order($0.b, $1.b, descending: true, nullsFirst: true) * 100_000 + $0.id - $1.id < 0
        }
        var text = "{"
        for (index, row) in ids.prefix(20).enumerated() { text += (index > 0 ? "," : "") + "\(row.id)" }
        return Array("\(text)}".utf8)
    }
    try rig.expect("SELECT (array_agg(id ORDER BY b DESC, id))[1:20] FROM t GROUP BY a", agg)
}

func sorts(_ rig: ExecRig) throws(EngineError) {
    var random = SuiteRandom(seed: 37)
    let samples = Sample.list(3000, values: 7, &random)
    try rig.fill("t", samples)
    for descending in [false, true] {
        for nullsFirst in [false, true] {
            let clause = "a \(descending ? "DESC" : "ASC") NULLS \(nullsFirst ? "FIRST" : "LAST")"
            let byA = { (x: Sample, y: Sample) in order(x.a, y.a, descending: descending, nullsFirst: nullsFirst) }
            // Rows arrive by id, so that a stable sort leaves ties in that order.
            let stable = samples.sorted { byA($0, $1) != 0 ? byA($0, $1) < 0 : $0.id < $1.id }
            try rig.expect(
                "SELECT id, a FROM (SELECT * FROM t ORDER BY id) s ORDER BY \(clause), id",
                stable.map { line($0.id, $0.a) }, ordered: true)
            try rig.expect(
                "SELECT a FROM t ORDER BY \(clause)", stable.map { line($0.a) }, ordered: true)
            let two = samples.sorted { x, y in
                let first = byA(x, y)
                if first != 0 { return first < 0 }
                let second = order(x.b, y.b, descending: true, nullsFirst: true)
                return second != 0 ? second < 0 : x.id < y.id
            }
            for (limit, offset) in [(10, 0), (1, 2999), (700, 650), (5000, 10), (0, 0), (3, 5000)] {
                try rig.expect(
                    "SELECT id, a, b FROM t ORDER BY \(clause), b DESC, id LIMIT \(limit) OFFSET \(offset)",
                    two.dropFirst(offset).prefix(limit).map { line($0.id, $0.a, $0.b) }, ordered: true)
            }
        }
    }
    let ties = samples.sorted { order($0.a, $1.a) < 0 }
    let fifth = ties[49].a
    let count = ties.lastIndex { $0.a == fifth }.map { $0 + 1 } ?? 50
    try rig.expect(
        "SELECT a FROM t ORDER BY a FETCH FIRST 50 ROWS WITH TIES", ties.prefix(count).map { line($0.a) }, ordered: true
    )
    var firsts: [Int?: Sample] = [:]
    for sample in samples where firsts[sample.a] == nil { firsts[sample.a] = sample }
    try rig.expect(
        "SELECT DISTINCT ON (a) a, id FROM t ORDER BY a, id", firsts.values.map { line($0.a, $0.id) })
}

func setOperations(_ rig: ExecRig) throws(EngineError) {
    var random = SuiteRandom(seed: 41)
    let left = Sample.list(1300, values: 30, &random)
    let right = Sample.list(900, values: 30, &random)
    try rig.fill("l", left)
    try rig.fill("r", right)
    let x = left.map { line($0.a, $0.b) }
    let y = right.map { line($0.a, $0.b) }
    func counts(_ lines: [Line]) -> [Line: Int] {
        var result: [Line: Int] = [:]
        for line in lines { result[line, default: 0] += 1 }
        return result
    }
    let a = counts(x)
    let b = counts(y)
    func repeated(_ line: Line, _ count: Int) -> [Line] { [Line](repeating: line, count: max(count, 0)) }
    let operations: [(sql: String, wanted: [Line])] = [
        ("UNION ALL", x + y),
        ("UNION", Array(Set(a.keys).union(b.keys))),
        ("INTERSECT", a.keys.filter { b[$0] != nil }),
        ("INTERSECT ALL", a.flatMap { repeated($0.key, min($0.value, b[$0.key] ?? 0)) }),
        ("EXCEPT", a.keys.filter { b[$0] == nil }),
        ("EXCEPT ALL", a.flatMap { repeated($0.key, $0.value - (b[$0.key] ?? 0)) }),
    ]
    for operation in operations {
        try rig.expect("SELECT a, b FROM l \(operation.sql) SELECT a, b FROM r", operation.wanted)
        try rig.expect("SELECT a, b FROM l WHERE false \(operation.sql) SELECT a, b FROM r WHERE false", [])
    }
    try rig.expect("SELECT DISTINCT a, b FROM l", Array(a.keys))
}

func subplans(_ rig: ExecRig) throws(EngineError) {
    var random = SuiteRandom(seed: 43)
    let left = Sample.list(60, values: 12, &random)
    let right = Sample.list(80, values: 12, &random)
    try rig.fill("l", left)
    try rig.fill("r", right)
    func matches(_ x: Sample, _ add: Int) -> [Sample] { right.filter { equal(x.a.map { $0 + add }, $0.a) == true } }
    func answer(_ x: Sample, _ add: Int) -> Line {
        let found = matches(x, add)
        let least = found.map { $0.id }.min()
        let deep = found.filter { y in right.contains { equal($0.b, y.b) == true && $0.id > x.id } }.count
        return line(x.id, found.count, least, deep)
    }
    let query = """
        SELECT id, (SELECT count(*) FROM r WHERE r.a = l.a + $1),
        (SELECT r.id FROM r WHERE r.a = l.a + $1 ORDER BY r.id LIMIT 1),
        (SELECT count(*) FROM r WHERE r.a = l.a + $1 AND EXISTS (SELECT 1 FROM r q WHERE q.b = r.b AND q.id > l.id))
        FROM l WHERE id >= $2
        """
    try rig.run("PREPARE s (int, int) AS \(query)")
    for round in 0..<2 {
        if round == 1 { try rig.run("CREATE INDEX r_a ON r (a); CREATE INDEX r_b ON r (b, id); ANALYZE r; ANALYZE l") }
        for (add, from) in [(0, 0), (1, 0), (-2, 30), (0, 59), (0, 100), (3, 0)] {
            try rig.expect(
                "EXECUTE s (\(add), \(from))", left.filter { $0.id >= from }.map { answer($0, add) })
        }
    }
    try rig.expect(
        "SELECT l.id, g FROM l, LATERAL generate_series(1, l.a) g",
        left.flatMap { x in (0..<(x.a ?? 0)).map { line(x.id, $0 + 1) } })
    rig.context.expectError("21000") { () throws(EngineError) in
        try rig.run("SELECT (SELECT id FROM r WHERE r.id <> l.id) FROM l")
    }
}

// MARK: - Windows

/// One edge of a frame: rows or groups away from the current one; nil is unbounded.
private struct Edge {
    var distance: Int?
    func sql(isStart: Bool) -> String {
        guard let distance else { return isStart ? "UNBOUNDED PRECEDING" : "UNBOUNDED FOLLOWING" }
        if distance == 0 { return "CURRENT ROW" }
        return distance < 0 ? "\(-distance) PRECEDING" : "\(distance) FOLLOWING"
    }
}

func windowFrames(_ rig: ExecRig) throws(EngineError) {
    var random = SuiteRandom(seed: 47)
    let samples = Sample.list(150, values: 9, &random)
    try rig.fill("t", samples)
    let exclusions = ["NO OTHERS", "CURRENT ROW", "GROUP", "TIES"]
    for round in 0..<60 {
        let unit = round % 3
        let descending = round % 2 == 1
        func edge() -> Edge { Edge(distance: random.next(below: 4) == 0 ? nil : random.next(below: 7) - 3) }
        var start = edge()
        var end = edge()
        if let s = start.distance, let e = end.distance, s > e { (start, end) = (end, start) }
        let exclusion = random.next(below: 4)
        // ROWS needs a total order to be defined; the others have peers.
        let keys = "b \(descending ? "DESC" : "ASC") NULLS LAST" + (unit == 0 ? ", id" : "")
        let words = ["ROWS", "RANGE", "GROUPS"][unit]
        let frame =
            "\(words) BETWEEN \(start.sql(isStart: true)) AND \(end.sql(isStart: false)) EXCLUDE \(exclusions[exclusion])"
        let wanted = samples.map { row -> Line in
            let partition = samples.filter { $0.a == row.a }.sorted {
                let first = order($0.b, $1.b, descending: descending)
                return first != 0 ? first < 0 : $0.id < $1.id
            }
            let ids = members(row, partition, unit, start, end, exclusion, descending)
            return line(row.id, ids.count, ids.isEmpty ? nil : ids.reduce(0, +))
        }
        try rig.expect(
            "SELECT id, count(*) OVER w, sum(id) OVER w FROM t WINDOW w AS (PARTITION BY a ORDER BY \(keys) \(frame))",
            wanted)
    }
}

/// The ids in the row's frame, straight from the definition.
private func members(
    _ row: Sample, _ partition: [Sample], _ unit: Int, _ start: Edge, _ end: Edge, _ exclusion: Int, _ descending: Bool
) -> [Int] {
    let isPeer: (Sample) -> Bool = { unit == 0 ? $0.id == row.id : $0.b == row.b }
    var groups: [Int] = []
    for (index, sample) in partition.enumerated() {
        let isSame = index > 0 && (unit == 0 ? false : partition[index - 1].b == sample.b)
        groups.append(index == 0 ? 0 : groups[index - 1] + (isSame ? 0 : 1))
    }
    guard let own = partition.firstIndex(where: { $0.id == row.id }) else { return [] }
    var ids: [Int] = []
    for (index, sample) in partition.enumerated() {
        var distance = groups[index] - groups[own]
        if unit == 1 {
            // Distances of keys; NULL is no distance from NULL, and none that counts from anything else.
            if let key = sample.b, let mine = row.b {
                distance = descending ? mine - key : key - mine
            } else if sample.b == nil, row.b == nil {
                // Within any edge but an unbounded one on either side, NULLs see their peers alone.
                ids += excluded(sample, row, exclusion, isPeer) ? [] : [sample.id]
                continue
            } else {
                let isBefore = index < own
                let isUnbounded = isBefore ? start.distance == nil : end.distance == nil
                if isUnbounded, !excluded(sample, row, exclusion, isPeer) { ids.append(sample.id) }
                continue
            }
        }
        if let low = start.distance, distance < low { continue }
        if let high = end.distance, distance > high { continue }
        if !excluded(sample, row, exclusion, isPeer) { ids.append(sample.id) }
    }
    return ids
}

private func excluded(_ sample: Sample, _ row: Sample, _ exclusion: Int, _ isPeer: (Sample) -> Bool) -> Bool {
    switch exclusion {
    case 0: false
    case 1: sample.id == row.id
    case 2: isPeer(sample)
    default: isPeer(sample) && sample.id != row.id
    }
}

/// Rows that a serializable transaction has found by an index count as read, also where a change of them leaves the index alone.
func serializableIndexReads(_ rig: ExecRig) throws(EngineError) {
    try rig.run("CREATE TABLE duty (id int PRIMARY KEY, here int NOT NULL)")
    try rig.run("INSERT INTO duty SELECT i, 1 FROM generate_series(1, 5000) i")
    try rig.run("ANALYZE duty")
    try rig.expectPlan("SELECT here FROM duty WHERE id = 7", "Index Scan")
    for read in ["id = 4000", "id BETWEEN 3990 AND 4005", "id IN (3, 4000)"] {
        try rig.run("UPDATE duty SET here = 1 WHERE id IN (7, 4000)")
        try rig.run("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(here) FROM duty WHERE \(read)")
        try rig.runSecond("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT here FROM duty WHERE id = 7")
        try rig.run("UPDATE duty SET here = 0 WHERE id = 7")
        try rig.runSecond("UPDATE duty SET here = 0 WHERE id = 4000")
        try rig.runSecond("COMMIT")
        // Each has read what the other has changed.
        rig.context.expectError(.serializationFailure) { () throws(EngineError) in try rig.run("COMMIT") }
        try rig.expect("SELECT sum(here) FROM duty WHERE id IN (7, 4000)", [line(1)])
    }
}
