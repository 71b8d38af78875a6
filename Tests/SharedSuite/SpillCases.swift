// Operators that go to the device: the same rows as in memory, whatever the data, and everything given back.

import BTree
import Fibers
import MultiEngine
import Platform
import QueryExec
import Runtime
import SQL

func spillCases() -> [SuiteCase] {
    [
        SuiteCase("spill: a sort on the device orders as one in memory, and is stable", sortsAgree),
        SuiteCase("spill: a sort of many runs merges them in passes", manyRuns),
        SuiteCase("spill: GROUP BY on the device has the groups that it has in memory", groupsAgree),
        SuiteCase("spill: DISTINCT, also in aggregates, on the device", distinctAgrees),
        SuiteCase(
            "spill: INTERSECT and EXCEPT on the device have the rows that they have in memory", setOperationsAgree),
        SuiteCase("spill: every kind of join on the device has the rows that it has in memory", joinsAgree),
        SuiteCase("spill: a join whose rows mostly have one key ends with the right rows", skewedJoins),
        SuiteCase("spill: rows set aside on the device are read as often as they are wanted", rowsSetAside),
        SuiteCase(
            "spill: a full disk is 53100, an end in the middle is an end, and nothing stays behind", endsGiveBack),
        SuiteCase(bare: "spill: a device that fails to read is 58030, and the session goes on", deviceFails),
    ]
}

extension ExecRig {
    /// (id int, a int, b numeric, c text, d text): NULLs, few and many values, short and long strings.
    func fillMixed(_ name: String, _ count: Int) throws(EngineError) {
        try run("CREATE TABLE \(name) (id int, a int, b numeric, c text, d text)")
        try run(
            """
            INSERT INTO \(name) SELECT i, CASE WHEN i % 7 <> 0 THEN i * 7919 % 5003 END,
              CASE WHEN i % 11 <> 0 THEN (i * 31 % 977)::numeric / 8 END,
              CASE WHEN i % 5 <> 0 THEN md5((i % 3000)::text) || repeat('x', i % 40) END,
              CASE WHEN i % 3 = 0 THEN '' ELSE substr('abcdefghijklmnopqrstuvwxyz', i % 20, i % 9) END
            FROM generate_series(1, \(count)) i
            """)
    }

    /// The rows with little memory are those with much, in the same order if `ordered`; the node with `words` went to the
    /// device; nothing is left there.
    func expectSpills(
        _ sql: String, _ words: String = "Disk", ordered: Bool = false, line: UInt32 = #line
    ) throws(EngineError) {
        try run("SET work_mem = '1GB'")
        let wanted = try run(sql)
        try run("SET work_mem = '64kB'")
        try expect(sql, wanted, ordered: ordered, line: line)
        context.expectEqual(temporaryExtentCount, 0, "extents in use", line: line)
        let plan = try run("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + sql)
        let isThere = plan.contains { has($0, Array(words.utf8)) }
        if !isThere {
            var all = ""
            for text in plan { all += String(decoding: text, as: UTF8.self) + "; " }
            context.fail("no '\(words)' in \(all)", line: line)
        }
        try run("RESET work_mem")
    }
}

private func has(_ text: [UInt8], _ words: [UInt8]) -> Bool {
    if words.count > text.count { return false }
    for start in 0...(text.count - words.count) where Array(text[start..<start + words.count]) == words { return true }
    return false
}

private func sortsAgree(_ context: SuiteContext) throws(EngineError) {
    try withExec(context) { rig throws(EngineError) in
        try rig.fillMixed("t", 6000)
        for keys in [
            "a", "a DESC NULLS LAST, id", "c, b", "c DESC NULLS FIRST, a NULLS FIRST, d", "b, c DESC", "d, b DESC, a",
            "1",
        ] {
            try rig.expectSpills("SELECT * FROM t ORDER BY \(keys)", "external merge", ordered: true)
        }
        // Few values: whether equal rows stay as they came shows.
        try rig.expectSpills(
            "SELECT id FROM (SELECT * FROM t ORDER BY id) s ORDER BY d", "external merge", ordered: true)
        // With a limit, offset, and one beyond what memory holds.
        try rig.expectSpills("SELECT * FROM t ORDER BY c, id LIMIT 4000", "external merge", ordered: true)
        try rig.expectSpills("SELECT * FROM t ORDER BY c, id LIMIT 10 OFFSET 5000", "external merge", ordered: true)
        // Long rows, beyond a block.
        try rig.expectSpills(
            "SELECT id, repeat(c, 2000) r FROM t WHERE id % 250 = 1 ORDER BY d, r", "external merge", ordered: true)
        try rig.expectSpills(
            "SELECT string_agg(c, ',' ORDER BY d, id), array_agg(a ORDER BY b DESC, id) FROM t", "Aggregate")
        try rig.expectSpills(
            "SELECT a % 3, string_agg(d, ',' ORDER BY c, id DESC), count(*) FROM t GROUP BY 1", "Aggregate")
    }
}

private func manyRuns(_ context: SuiteContext) throws(EngineError) {
    try withExec(context) { rig throws(EngineError) in
        try rig.fillMixed("t", 40_000)
        // Six runs at a time of some thousand rows each.
        try rig.expectSpills("SELECT * FROM t ORDER BY c DESC, b", "external merge", ordered: true)
        try rig.expectSpills("SELECT id FROM t ORDER BY d LIMIT 9000", "external merge", ordered: true)
    }
}

private func groupsAgree(_ context: SuiteContext) throws(EngineError) {
    try withExec(context) { rig throws(EngineError) in
        try rig.fillMixed("t", 12_000)
        for query in [
            "SELECT a, count(*), sum(id), min(c), max(d), avg(b) FROM t GROUP BY a",
            "SELECT a, b, c, d, count(*) FROM t GROUP BY a, b, c, d",
            "SELECT c, array_agg(id ORDER BY id), count(*) FILTER (WHERE a > 2000) FROM t GROUP BY c",
            "SELECT b, c, sum(id) FROM t GROUP BY b, c HAVING count(*) > 1",
            "SELECT id, max(c) FROM t GROUP BY id",
            "SELECT a, count(DISTINCT c), sum(DISTINCT b) FROM t GROUP BY a",
        ] {
            try rig.expectSpills(query, "Disk Usage")
        }
    }
}

private func distinctAgrees(_ context: SuiteContext) throws(EngineError) {
    try withExec(context) { rig throws(EngineError) in
        try rig.fillMixed("t", 12_000)
        try rig.expectSpills("SELECT DISTINCT a, b FROM t", "Disk Usage")
        try rig.expectSpills("SELECT DISTINCT c FROM t", "Disk Usage")
        try rig.expectSpills("SELECT DISTINCT id % 9000, d FROM t", "Disk Usage")
        try rig.expectSpills("SELECT id FROM t UNION SELECT a FROM t", "Disk Usage")
        // How often the values come does not matter, nor does their order.
        try rig.expectSpills(
            "SELECT count(DISTINCT id), count(DISTINCT c), sum(DISTINCT a), count(DISTINCT (a, b)), count(*) FROM t",
            "Aggregate")
        try rig.expectSpills("SELECT array_agg(DISTINCT c ORDER BY c DESC), count(DISTINCT id) FROM t", "Aggregate")
        try rig.expectSpills("SELECT d, string_agg(DISTINCT c, '' ORDER BY c) FROM t GROUP BY d", "Aggregate")
    }
}

private func setOperationsAgree(_ context: SuiteContext) throws(EngineError) {
    try withExec(context) { rig throws(EngineError) in
        try rig.fillMixed("t", 9000)
        try rig.fillMixed("u", 7000)
        for operation in ["INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"] {
            for columns in ["c, d", "a", "id % 5000, b", "a, b, c"] {
                // Both sides have rows that the other lacks, and rows more than once.
                try rig.expectSpills(
                    "SELECT \(columns) FROM t WHERE id % 3 > 0 \(operation) SELECT \(columns) FROM u WHERE id % 4 > 0",
                    "Disk Usage")
            }
            // Only the left side is large.
            try rig.expectSpills("SELECT id, c FROM t \(operation) SELECT id, c FROM u WHERE id < 50", "SetOp")
        }
    }
}

/// Joins of `t` and `u` of every kind, with the words for the condition.
private func joins(_ condition: String) -> [String] {
    var list: [String] = []
    for kind in ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"] {
        list.append("SELECT t.id, t.c, u.id, u.d FROM t \(kind) u ON \(condition)")
    }
    list.append("SELECT t.id, t.c FROM t WHERE EXISTS (SELECT 1 FROM u WHERE \(condition))")
    list.append("SELECT t.id, t.c FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE \(condition))")
    return list
}

private func joinsAgree(_ context: SuiteContext) throws(EngineError) {
    try withExec(context) { rig throws(EngineError) in
        try rig.fillMixed("t", 5000)
        try rig.fillMixed("u", 6000)
        try rig.run("UPDATE u SET id = id + 2500, a = a + 1; ANALYZE")
        try rig.run("SET enable_nestloop = off; SET enable_indexscan = off")
        for condition in ["t.id = u.id", "t.a = u.a", "t.a = u.a AND t.c = u.c", "t.c = u.c AND t.id < u.id"] {
            for query in joins(condition) { try rig.expectSpills(query, "Disk Usage") }
        }
        try rig.expectSpills(
            "SELECT t.id, u.id FROM t FULL JOIN u ON t.a IS NOT DISTINCT FROM u.a AND t.id = u.id", "Disk Usage")
        try rig.expectSpills(
            "SELECT count(*), sum(t.id), sum(u.id), sum(v.id) FROM t JOIN u ON t.a = u.a LEFT JOIN t v ON v.id = u.id",
            "Disk Usage")
        try rig.expectSpills("SELECT id FROM t WHERE c IN (SELECT c FROM u WHERE id % 3 > 0)", "Disk Usage")
    }
}

private func skewedJoins(_ context: SuiteContext) throws(EngineError) {
    try withExec(context) { rig throws(EngineError) in
        try rig.run("CREATE TABLE t (id int, c text, k int); CREATE TABLE u (id int, d text, k int)")
        // One key has nearly all of the right rows; others and NULLs are among them.
        try rig.run(
            """
            INSERT INTO t SELECT i, md5(i::text), CASE WHEN i % 500 = 0 THEN 7 WHEN i % 10 = 1 THEN NULL ELSE i END
              FROM generate_series(1, 9000) i;
            INSERT INTO u SELECT i, repeat(md5(i::text), 3), CASE WHEN i % 50 = 0 THEN i / 50 WHEN i % 60 = 1 THEN NULL ELSE 7 END
              FROM generate_series(1, 5000) i;
            ANALYZE; SET enable_nestloop = off
            """)
        for condition in ["t.k = u.k", "t.k = u.k AND t.id < u.id", "t.k = u.k AND u.id % 500 <= t.id / 1000"] {
            for kind in ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"] {
                try rig.expectSpills(
                    "SELECT count(*), sum(t.id), sum(u.id), min(c || d), max(c || d) FROM t \(kind) u ON \(condition)",
                    "Disk Usage")
            }
            for not in ["", "NOT "] {
                let inner = "SELECT * FROM (SELECT u.* FROM u, generate_series(1, 1) g OFFSET 0) u WHERE \(condition)"
                try rig.expectSpills("SELECT t.id, c FROM t WHERE \(not)EXISTS (\(inner))", "Disk Usage")
            }
        }
    }
}

private func rowsSetAside(_ context: SuiteContext) throws(EngineError) {
    try withExec(context) { rig throws(EngineError) in
        try rig.fillMixed("t", 6000)
        // Two readers of one WITH query, at different places.
        try rig.expectSpills(
            "WITH m AS MATERIALIZED (SELECT * FROM t) SELECT x.id, y.c FROM m x JOIN m y ON x.id = y.id + 3000",
            "Disk Usage")
        try rig.expectSpills(
            "WITH m AS MATERIALIZED (SELECT * FROM t) SELECT id, c FROM m UNION ALL SELECT a, d FROM m", "CTE")
        try rig.expectSpills(
            """
            WITH m AS MATERIALIZED (SELECT * FROM t)
            SELECT g, (SELECT sum(length(c)) FROM m WHERE m.id % 10 = g), (SELECT count(*) FROM m) FROM generate_series(0, 9) g
            """, "CTE")
        // The inner side of a nested loop; a recursion with large rounds.
        try rig.expectSpills("SELECT s.g, t.id, t.d FROM generate_series(1, 4) s (g) JOIN t ON t.id % 5 < s.g", "Loop")
        try rig.expectSpills(
            """
            WITH RECURSIVE r AS (SELECT id, c, 1 AS n FROM t UNION ALL SELECT id, c, n + 1 FROM r WHERE n < 3)
            SELECT n, count(*), sum(id), max(c) FROM r GROUP BY n
            """, "CTE")
    }
}

private func endsGiveBack(_ context: SuiteContext) throws(EngineError) {
    try withExec(context) { rig throws(EngineError) in
        try rig.fillMixed("t", 12_000)
        let queries = [
            "SELECT * FROM t ORDER BY c, b", "SELECT c, b, count(*) FROM t GROUP BY c, b",
            "SELECT DISTINCT c, b FROM t",
            "SELECT count(DISTINCT id), array_agg(c ORDER BY d) FROM t",
            "SELECT t.id, u.c FROM t LEFT JOIN (SELECT id + 2 AS id, c FROM t) u ON t.id = u.id",
        ]
        try rig.run("SET work_mem = '64kB'")
        // The row that fails comes late.
        for query in queries {
            let failing = "SELECT sum(1 / (n - 1)) FROM (SELECT row_number() OVER () n FROM (\(query)) s) w"
            context.expectError("22012") { () throws(EngineError) in try rig.run(failing) }
            context.expectEqual(rig.temporaryExtentCount, 0, "extents after an error above")
        }
        for expression in ["1 / (id - 11999)", "(id + 1) / (id - 3)"] {
            let input = "(SELECT id, a, b, c || (\(expression))::text AS c, d FROM t) t"
            for query in queries {
                context.expectError("22012") { () throws(EngineError) in
                    try rig.run(replace(query, "FROM t", "FROM \(input)"))
                }
                context.expectEqual(rig.temporaryExtentCount, 0, "extents after an error below")
            }
        }
        // A cursor that is closed in the middle, and one that its transaction ends.
        for end in ["CLOSE k; COMMIT", "ROLLBACK"] {
            for (number, query) in queries.prefix(3).enumerated() {
                try rig.run("BEGIN; DECLARE k CURSOR FOR \(query); FETCH 100 FROM k")
                if number == 1 {
                    context.expect(rig.temporaryExtentCount > 0, "an open cursor holds its rows")
                }
                try rig.run(end)
                context.expectEqual(rig.temporaryExtentCount, 0, "extents after the cursor")
            }
        }
        // A statement that takes too long.
        try rig.run("SET statement_timeout = 3")
        for query in queries {
            context.expectError(.queryCanceled) { () throws(EngineError) in try rig.run(query) }
            context.expectEqual(rig.temporaryExtentCount, 0, "extents after a timeout")
        }
        try rig.run("SET statement_timeout = 0")
        // Somebody else has taken all there is.
        var taken: [TemporaryBlock] = []
        while taken.count < 1 << 20 {
            do throws(EngineError) { taken.append(try rig.temporarySpace.take()) } catch { break }
        }
        for query in queries { context.expectError(.diskFull) { () throws(EngineError) in try rig.run(query) } }
        for block in taken { rig.temporarySpace.giveBack(block) }
        context.expectEqual(rig.temporaryExtentCount, 0, "extents after a full disk")
        for query in queries { try rig.run(query) }
    }
}

private func deviceFails(_ context: SuiteContext) throws(EngineError) {
    var options = FaultOptions()
    options.byteCount = 128 << 20
    let disk = FaultyDisk(over: context.platform, options)
    try context.run(on: disk) { scheduler throws(EngineError) in
        let inner = SuiteContext(platform: disk)
        inner.currentScheduler = scheduler
        let rig = try ExecRig(inner)
        // In the cache as a whole.
        try rig.fillMixed("t", 8000)
        try rig.run("SET work_mem = '64kB'")
        for query in [
            "SELECT * FROM t ORDER BY c, b", "SELECT c, b, count(*) FROM t GROUP BY c, b",
            "SELECT count(DISTINCT id) FROM t", "SELECT t.id, u.c FROM t JOIN t u ON t.id = u.id + 1",
        ] {
            disk.options.readErrorPermille = 1000
            context.expectError(.ioError) { () throws(EngineError) in try rig.run(query) }
            disk.options.readErrorPermille = 0
            context.expectEqual(rig.temporaryExtentCount, 0, "extents after an error")
            try rig.run(query)
        }
        try rig.close()
    }
}

private func replace(_ text: String, _ old: String, _ new: String) -> String {
    let text = Array(text.utf8)
    let old = Array(old.utf8)
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
        if index + old.count <= text.count, Array(text[index..<index + old.count]) == old {
            result += Array(new.utf8)
            index += old.count
        } else {
            result.append(text[index])
            index += 1
        }
    }
    return String(decoding: result, as: UTF8.self)
}
