"""Statements over a table several times larger than the memory of a query: right answers, with nothing left on the device."""

ROWS = 500_000


def one(connection, query):
    return connection.execute(query).fetchone()


def expect_sorted(connection, query, rows):
    """Reads the query's (key, value) rows by a cursor: keys never descend; returns the values' count and sum."""
    count = total = 0
    last = None
    with connection.cursor(name="k") as cursor:
        cursor.itersize = 20_000
        for key, value in cursor.execute(query):
            assert last is None or last <= key
            last = key
            count += 1
            total += value
    assert count == rows
    return total


def test_statements_larger_than_memory(make_server):
    # Queries have a sixth of the memory: 10 MB. The table has some 65 MB.
    server = make_server(size="3G", memory="64M").start()
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE big (id int, k bigint, pad text)")
        # k goes through all residues of a prime once, so it is near-unique and known without a sort.
        connection.execute(
            f"INSERT INTO big SELECT i, i::bigint * 7919 % 1000003, repeat(lpad(i::text, 8, '0'), 12) "
            f"FROM generate_series(1, {ROWS}) i")
    ids = ROWS * (ROWS + 1) // 2
    keys = sum(i * 7919 % 1000003 for i in range(1, ROWS + 1))
    with server.connect() as connection:
        assert expect_sorted(connection, "SELECT k, id FROM big ORDER BY k", ROWS) == ids
        connection.rollback()
        assert expect_sorted(connection, "SELECT pad, id FROM big ORDER BY pad", ROWS) == ids
    with server.connect(autocommit=True) as connection:
        assert one(connection, "SELECT count(*), sum(k), sum(n), sum(s) FROM "
                               "(SELECT k, count(*) n, sum(id) s FROM big GROUP BY k) g") == (ROWS, keys, ROWS, ids)
        assert one(connection, "SELECT count(*), min(n), max(n) FROM "
                               "(SELECT pad, count(*) n FROM big GROUP BY pad) g") == (ROWS, 1, 1)
        assert one(connection, "SELECT count(*), sum(a.id), sum(b.k), sum(length(a.pad || b.pad)) "
                               "FROM big a JOIN big b ON a.k = b.k") == (ROWS, ids, keys, ROWS * 192)
        assert one(connection, f"SELECT count(*), count(b.id), sum(a.id) FROM big a LEFT JOIN big b "
                               f"ON a.id = b.id + {ROWS // 2}") == (ROWS, ROWS // 2, ids)
        assert one(connection, "SELECT count(*), sum(k) FROM (SELECT DISTINCT k, pad FROM big) d") == (ROWS, keys)
        assert one(connection, "SELECT count(DISTINCT pad), count(DISTINCT k), sum(DISTINCT id % 1000) FROM big") == (
            ROWS, ROWS, 499_500)
        assert one(connection, "SELECT count(*) FROM (SELECT k, pad FROM big EXCEPT "
                               "SELECT k, pad FROM big WHERE id > 10) e") == (10,)
        assert one(connection, "SELECT count(*), sum(id) FROM (SELECT id, k, pad FROM big INTERSECT "
                               "SELECT id, k, pad FROM big WHERE id % 2 = 0) e") == (
            ROWS // 2, ROWS // 2 * (ROWS // 2 + 1))
        assert one(connection, "WITH m AS MATERIALIZED (SELECT * FROM big) "
                               "SELECT (SELECT count(*) FROM m), (SELECT sum(id) FROM m WHERE k > 0)") == (ROWS, ids)
        connection.execute("CREATE INDEX big_pad ON big (pad)")
        assert one(connection, "SELECT id FROM big WHERE pad = repeat('00077777', 12)") == (77777,)
        plan = "\n".join(row[0] for row in connection.execute("EXPLAIN ANALYZE SELECT k FROM big ORDER BY k"))
        assert "Sort Method: external merge  Disk: " in plan
    assert server.stop() == 0
    result = server.check()
    assert result.returncode == 0, result.stdout
