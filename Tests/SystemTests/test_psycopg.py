"""psycopg 3 as applications use it: values of every type both ways, pipelines, COPY, transactions, errors."""

import contextlib
import datetime
import decimal
import math
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import errors, sql

D = decimal.Decimal
UTC = datetime.timezone.utc


@pytest.fixture
def connection(shared_server):
    connection = shared_server.connect()
    yield connection
    connection.close()


@pytest.fixture
def automatic(shared_server):
    with shared_server.connect(autocommit=True) as connection:
        yield connection


# Values

VALUES = {
    "bool": [True, False],
    "int2": [0, -32768, 32767],
    "int4": [0, -2**31, 2**31 - 1],
    "int8": [0, -2**63, 2**63 - 1],
    "oid": [0, 2**32 - 1],
    "float4": [0.0, 1.5, -2.25, math.inf, -math.inf],
    "float8": [0.0, 1e308, 5e-324, 0.1, math.inf, -math.inf],
    "numeric": [D(0), D("0.0001"), D("-12345678901234567890.123456789"), D("1e100"), D("NaN"), D("Infinity")],
    "text": ["", "a", "ä€😀", "x" * 10_000, "it's \"quoted\" \\ back\nnew\ttab"],
    "varchar(20)": ["", "short", "ünï"],
    "char(5)": ["abcde"],
    "name": ["a_name"],
    "bytea": [b"", b"\0\1\xff", bytes(range(256)) * 20],
    "date": [datetime.date(1, 1, 1), datetime.date(2024, 2, 29), datetime.date(9999, 12, 31)],
    "time": [datetime.time(0, 0), datetime.time(23, 59, 59, 999999)],
    "timestamp": [datetime.datetime(1, 1, 1), datetime.datetime(2024, 2, 29, 12, 30, 45, 123456), datetime.datetime(9999, 12, 31, 23, 59)],
    "timestamptz": [datetime.datetime(1970, 1, 1, tzinfo=UTC), datetime.datetime(2024, 7, 1, 1, 2, 3, 4, tzinfo=UTC)],
    "interval": [datetime.timedelta(0), datetime.timedelta(days=-3, hours=5, microseconds=7)],
    "uuid": [uuid.UUID(int=0), uuid.UUID("12345678-1234-5678-1234-567812345678")],
    "json": [{"a": [1, 2.5, None, True, "ä"]}, [], "text"],
    "int4[]": [[], [1, 2, 3], [1, None, 3], [[1, 2], [3, 4]]],
    "text[]": [[], ["a", "", "NULL", "x,y", '"', "\\", None, "{}"], [["ä"], ["b"]]],
    "numeric[]": [[D("1.5"), None]],
    "bool[]": [[True, False, None]],
    "timestamptz[]": [[datetime.datetime(2000, 1, 1, tzinfo=UTC)]],
    "bytea[]": [[b"\0", b""]],
    "uuid[]": [[uuid.UUID(int=1)]],
    "float8[]": [[0.5, math.inf]],
}


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("kind", VALUES)
def test_values_come_back_as_they_went(connection, kind, binary):
    connection.execute(f"CREATE TABLE v (n int, x {kind})")
    placeholder = "%b" if binary and kind not in ("json",) else "%t"
    for number, value in enumerate([*VALUES[kind], None]):
        given = psycopg.types.json.Json(value) if kind == "json" and value is not None else value
        connection.execute(f"INSERT INTO v VALUES (%s, {placeholder}::{kind})", (number, given))
        with connection.cursor(binary=binary) as cursor:
            found = cursor.execute("SELECT x FROM v WHERE n = %s", (number,)).fetchone()[0]
        same = found.is_nan() if isinstance(value, D) and value.is_nan() else found == value
        assert same and type(found) is type(value), (found, value)
    # Through the table's own text form, too.
    assert connection.execute(f"SELECT count(*) FROM v WHERE x IS NOT NULL AND x::text::{kind}::text = x::text").fetchone() == (len(VALUES[kind]),)


def test_float_nan(connection):
    for binary in (False, True):
        assert math.isnan(connection.execute("SELECT 'nan'::float8", binary=binary).fetchone()[0])


@pytest.mark.parametrize("text, kind", [("12345-01-01", "date"), ("infinity", "timestamp"), ("4713-01-01 BC", "date")])
def test_dates_beyond_pythons_are_served_to_those_who_take_text(connection, text, kind):
    assert connection.execute(f"SELECT '{text}'::{kind}::text").fetchone()[0] == text


# Statements

def test_a_statement_used_often_is_prepared_and_survives_changes_of_the_table(automatic):
    automatic.execute("CREATE TABLE s (a int)")
    automatic.execute("INSERT INTO s VALUES (1)")
    for _ in range(12):
        assert automatic.execute("SELECT * FROM s WHERE a = %s", (1,)).fetchall() == [(1,)]
    automatic.execute("ALTER TABLE s ADD COLUMN b text DEFAULT 'new'")
    for _ in range(3):
        try:
            assert automatic.execute("SELECT * FROM s WHERE a = %s", (1,)).fetchall() == [(1, "new")]
        except errors.FeatureNotSupported as error:
            assert "cached plan must not change result type" in str(error)
    automatic.execute("DROP TABLE s")
    with pytest.raises(errors.UndefinedTable):
        automatic.execute("SELECT * FROM s WHERE a = %s", (1,))


def test_executemany_inserts_and_returns(connection):
    connection.execute("CREATE TABLE m (a int PRIMARY KEY, b text)")
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO m VALUES (%s, %s)", [(i, f"row {i}") for i in range(500)])
        assert cursor.rowcount == 500
        cursor.executemany("INSERT INTO m VALUES (%s, %s) RETURNING a", [(i, None) for i in range(500, 503)], returning=True)
        found = []
        while True:
            found += cursor.fetchall()
            if not cursor.nextset():
                break
    assert found == [(500,), (501,), (502,)]
    with pytest.raises(errors.UniqueViolation):
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO m VALUES (%s, %s)", [(600, None), (1, None), (601, None)])


def test_an_error_in_a_pipeline_spoils_the_rest_of_it_only(automatic):
    automatic.execute("CREATE TABLE p (a int PRIMARY KEY)")
    with pytest.raises(errors.UniqueViolation):
        with automatic.pipeline() as pipeline:
            automatic.execute("INSERT INTO p VALUES (1)")
            pipeline.sync()
            automatic.execute("INSERT INTO p VALUES (2)")
            automatic.execute("INSERT INTO p VALUES (1)")
            automatic.execute("INSERT INTO p VALUES (3)")
            pipeline.sync()
            automatic.execute("INSERT INTO p VALUES (4)")
            pipeline.sync()
    assert automatic.execute("SELECT a FROM p ORDER BY a").fetchall() in ([(1,), (4,)], [(1,)])
    with automatic.pipeline():
        cursors = [automatic.execute("SELECT %s::int", (i,)) for i in range(300)]
    assert [cursor.fetchone()[0] for cursor in cursors] == list(range(300))


def test_server_cursors_fetch_in_pieces_and_see_one_snapshot(shared_server, connection):
    connection.execute("CREATE TABLE c AS SELECT g AS a FROM generate_series(1, 5000) AS g")
    connection.commit()
    with connection.cursor(name="named") as cursor:
        cursor.itersize = 77
        cursor.execute("SELECT a FROM c ORDER BY a")
        assert cursor.fetchmany(10) == [(i,) for i in range(1, 11)]
        with shared_server.connect(autocommit=True) as other:
            other.execute("DELETE FROM c WHERE a > 100")
        assert [row[0] for row in cursor] == list(range(11, 5001))
    connection.rollback()
    with pytest.raises(errors.InvalidCursorName):
        connection.execute("FETCH 1 FROM named")
    connection.rollback()
    connection.execute("DROP TABLE c")
    connection.commit()


def test_a_declared_cursor_takes_parameters(connection):
    with connection.cursor(name="with_parameters") as cursor:
        cursor.execute("SELECT g * %s FROM generate_series(1, %s::int) AS g", (3, 4))
        assert cursor.fetchall() == [(3,), (6,), (9,), (12,)]


def test_two_cursors_at_a_time(connection):
    with connection.cursor(name="a") as a, connection.cursor(name="b") as b:
        a.execute("SELECT g FROM generate_series(1, 3000) AS g")
        b.execute("SELECT -g FROM generate_series(1, 3000) AS g")
        for expected in range(1, 3001):
            assert (a.fetchone()[0], b.fetchone()[0]) == (expected, -expected)
            if expected == 200:
                break


# Cancelling and ending

@contextlib.contextmanager
def cancelled_soon(connection):
    """The body is cancelled after a third of a second, and must fail for that."""
    timer = threading.Timer(0.3, connection.cancel)
    timer.start()
    with pytest.raises(errors.QueryCanceled):
        yield
    timer.join()


def test_a_cancelled_query_ends_with_57014_and_the_session_goes_on(automatic):
    with cancelled_soon(automatic):
        automatic.execute("SELECT count(*) FROM generate_series(1, 90000000000)")
    assert automatic.execute("SELECT 1").fetchone() == (1,)


def test_pg_sleep_waits_and_is_interrupted(automatic):
    def seconds(query):
        start = time.monotonic()
        automatic.execute(query)
        return time.monotonic() - start

    assert seconds("SELECT pg_sleep(0.3)") >= 0.3
    # Nothing to wait for, and no trap.
    for value in ("-1", "'nan'", "'-infinity'", "NULL"):
        assert seconds(f"SELECT pg_sleep({value})") < 10
    automatic.execute("SET statement_timeout = '200ms'")
    with pytest.raises(errors.QueryCanceled):
        automatic.execute("SELECT pg_sleep('infinity')")
    automatic.execute("RESET statement_timeout")
    with cancelled_soon(automatic):
        automatic.execute("SELECT pg_sleep(1000)")


def test_a_statement_waiting_for_a_lock_can_be_cancelled_or_run_out_of_time(shared_server, automatic):
    automatic.execute("CREATE TABLE w (a int)")
    automatic.execute("INSERT INTO w VALUES (1)")
    with shared_server.connect() as holder:
        holder.execute("UPDATE w SET a = 2")
        with cancelled_soon(automatic):
            automatic.execute("UPDATE w SET a = 3")
        automatic.execute("SET lock_timeout = '100ms'")
        with pytest.raises(errors.LockNotAvailable):
            automatic.execute("UPDATE w SET a = 3")
        automatic.execute("SET lock_timeout = 0")
        automatic.execute("SET statement_timeout = '100ms'")
        with pytest.raises(errors.QueryCanceled, match="statement timeout"):
            automatic.execute("UPDATE w SET a = 3")
        automatic.execute("RESET statement_timeout")
        holder.rollback()
    automatic.execute("DROP TABLE w")


@pytest.mark.parametrize("situation", ["idle", "in a transaction", "running", "waiting for a lock"])
def test_a_terminated_session_ends_with_57p01_and_undoes_its_work(shared_server, automatic, situation):
    automatic.execute("CREATE TABLE IF NOT EXISTS t (a int)")
    automatic.execute("TRUNCATE t")
    automatic.execute("INSERT INTO t VALUES (1)")
    victim = shared_server.connect(autocommit=situation == "idle")
    process = victim.execute("SELECT pg_backend_pid()").fetchone()[0]
    holder = shared_server.connect()
    if situation != "idle":
        victim.execute("INSERT INTO t VALUES (2)")
    if situation == "running":
        victim.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 90000000000)")
    if situation == "waiting for a lock":
        holder.execute("UPDATE t SET a = 5 WHERE a = 1")
        victim.pgconn.send_query(b"UPDATE t SET a = 6 WHERE a = 1")
    time.sleep(0.2)
    assert automatic.execute("SELECT pg_terminate_backend(%s)", (process,)).fetchone() == (True,)
    if situation in ("idle", "in a transaction"):
        with pytest.raises(psycopg.OperationalError) as raised:
            victim.execute("SELECT 1")
        assert raised.value.sqlstate in ("57P01", None)
    else:
        results = []
        try:
            while result := psycopg.waiting.wait(psycopg.generators.fetch(victim.pgconn), victim.pgconn.socket, timeout=20):
                results.append(result.error_field(psycopg.pq.DiagnosticField.SQLSTATE))
        except psycopg.OperationalError:
            pass
        assert b"57P01" in results, results
    victim.close()
    holder.rollback()
    holder.close()
    deadline = time.monotonic() + 10
    while automatic.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (process,)).fetchone() != (0,):
        assert time.monotonic() < deadline, "the session is still there"
        time.sleep(0.02)
    assert automatic.execute("SELECT a FROM t").fetchall() == [(1,)]
    assert automatic.execute("SELECT pg_terminate_backend(%s)", (process,)).fetchone() == (False,)


# COPY

ROWS = [(1, "one", D("1.5"), datetime.date(2024, 1, 1)), (2, None, None, None), (3, "tab\tnew\nback\\", D("-0.001"), datetime.date(1999, 12, 31))]


@pytest.mark.parametrize("form", ["text", "csv", "binary"])
def test_copy_goes_in_and_out(connection, form):
    connection.execute("CREATE TABLE k (a int, b text, c numeric, d date)")
    with connection.cursor() as cursor:
        with cursor.copy("COPY k FROM STDIN" + (" (FORMAT binary)" if form == "binary" else "")) as copy:
            copy.set_types(["int4", "text", "numeric", "date"])
            for row in ROWS:
                copy.write_row(row)
        assert connection.execute("SELECT * FROM k ORDER BY a").fetchall() == ROWS
        with cursor.copy(f"COPY (SELECT * FROM k ORDER BY a) TO STDOUT (FORMAT {form})") as copy:
            data = b"".join(copy)
        connection.execute("TRUNCATE k")
        with cursor.copy(f"COPY k FROM STDIN (FORMAT {form})") as copy:
            for offset in range(0, len(data), 3):
                copy.write(data[offset:offset + 3])
    assert connection.execute("SELECT * FROM k ORDER BY a").fetchall() == ROWS


@pytest.mark.parametrize("form, data, expected", [
    ("text", b"1\n", "22P04"), ("text", b"1\tx\t\\N\t\\N\t9\n", "22P04"), ("text", b"x\tx\t1\t\\N\n", "22P02"),
    ("text", b"1\tx\t1\t2024-02-30\n", "22008"), ("text", b"99999999999\tx\t1\t\\N\n", "22003"), ("text", b"1\t\xff\t1\t\\N\n", "22021"),
    ("text", b"\\N\tx\t1\t\\N\n", "23502"), ("text", b"5\tx\t1\t\\N\n5\ty\t1\t\\N\n", "23505"), ("text", b"1\tx\t-1\t\\N\n", "23514"),
    ("csv", b'1,"open\n', "22P04"), ("csv", b"1,2\n", "22P04"), ("csv", b'1,"a"b,1,\n', None),
    ("binary", b"", "22P04"), ("binary", b"PGCOPY\n\xff\r\n", "22P04"), ("binary", b"not a binary copy at all", "22P04"),
    ("binary", b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\2\0\0\0\4\0\0\0\1", "22P04"),
    ("binary", b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\4\0\0\0\2\0\1", "22P04|22P03|08P01"),
    ("binary", b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\4\0\0\0\x7f\xff\xff\xff", "22P04"),
    ("binary", b"PGCOPY\n\xff\r\n\0\0\0\0\x7f\xff\xff\xff", "22P04"),
    ("binary", b"PGCOPY\n\xff\r\n\0\1\0\0\0\0\0\0", "22P04"),
])
def test_bad_copy_data_is_refused_and_nothing_stays(automatic, form, data, expected):
    automatic.execute("CREATE TABLE IF NOT EXISTS kb (a int PRIMARY KEY, b text, c numeric CHECK (c > 0), d date)")
    automatic.execute("TRUNCATE kb")
    try:
        with automatic.cursor().copy(f"COPY kb FROM STDIN (FORMAT {form})") as copy:
            copy.write(data)
        assert expected is None
    except psycopg.Error as error:
        assert expected is not None and error.sqlstate in expected.split("|"), error
        assert automatic.execute("SELECT count(*) FROM kb").fetchone() == (0,)


def test_a_copy_that_the_client_gives_up_leaves_nothing(automatic):
    automatic.execute("CREATE TABLE kg (a int)")

    class Enough(Exception):
        pass

    with pytest.raises(Enough):
        with automatic.cursor().copy("COPY kg FROM STDIN") as copy:
            for number in range(20_000):
                copy.write_row((number,))
            raise Enough
    assert automatic.execute("SELECT count(*) FROM kg").fetchone() == (0,)


def test_a_copy_out_that_is_cancelled_ends(automatic):
    with pytest.raises(errors.QueryCanceled):
        with automatic.cursor().copy("COPY (SELECT g FROM generate_series(1, 90000000000) AS g) TO STDOUT") as copy:
            for _, _ in zip(range(10), copy):
                pass
            automatic.cancel()
            for _ in copy:
                pass
    assert automatic.execute("SELECT 1").fetchone() == (1,)


# Transactions

def test_nested_transactions_are_savepoints(connection):
    connection.execute("CREATE TABLE n (a int PRIMARY KEY)")
    with connection.transaction():
        connection.execute("INSERT INTO n VALUES (1)")
        with pytest.raises(errors.UniqueViolation):
            with connection.transaction():
                connection.execute("INSERT INTO n VALUES (2)")
                connection.execute("INSERT INTO n VALUES (1)")
        with connection.transaction(force_rollback=True):
            connection.execute("INSERT INTO n VALUES (3)")
        with connection.transaction():
            connection.execute("INSERT INTO n VALUES (4)")
    assert connection.execute("SELECT a FROM n ORDER BY a").fetchall() == [(1,), (4,)]


def test_a_failed_transaction_hears_only_its_end(connection):
    with pytest.raises(errors.DivisionByZero):
        connection.execute("SELECT 1 / 0")
    with pytest.raises(errors.InFailedSqlTransaction):
        connection.execute("SELECT 1")
    connection.rollback()
    assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.fixture
def accounts(automatic):
    automatic.execute("DROP TABLE IF EXISTS acc")
    automatic.execute("CREATE TABLE acc (id int PRIMARY KEY, n int)")
    automatic.execute("INSERT INTO acc VALUES (1, 0), (2, 0)")
    return automatic


@pytest.mark.parametrize("level", [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE])
def test_a_lost_update_is_refused_with_40001(shared_server, accounts, level):
    with shared_server.connect() as one, shared_server.connect() as two:
        one.isolation_level = two.isolation_level = level
        for connection in (one, two):
            assert connection.execute("SELECT n FROM acc WHERE id = 1").fetchone() == (0,)
        one.execute("UPDATE acc SET n = n + 1 WHERE id = 1")
        one.commit()
        with pytest.raises(errors.SerializationFailure):
            two.execute("UPDATE acc SET n = n + 1 WHERE id = 1")
        two.rollback()
    assert accounts.execute("SELECT n FROM acc WHERE id = 1").fetchone() == (1,)


def test_write_skew_is_refused_at_serializable_only(shared_server, accounts):
    for level, allowed in ((psycopg.IsolationLevel.REPEATABLE_READ, True), (psycopg.IsolationLevel.SERIALIZABLE, False)):
        accounts.execute("UPDATE acc SET n = 0")
        with shared_server.connect() as one, shared_server.connect() as two:
            one.isolation_level = two.isolation_level = level
            for connection in (one, two):
                connection.execute("SELECT sum(n) FROM acc").fetchone()
            one.execute("UPDATE acc SET n = 1 WHERE id = 1")
            two.execute("UPDATE acc SET n = 1 WHERE id = 2")
            one.commit()
            if allowed:
                two.commit()
            else:
                with pytest.raises(errors.SerializationFailure):
                    two.commit()


def test_a_deadlock_is_broken_with_40p01(shared_server, accounts):
    outcome = []

    def work(first, second, barrier):
        with shared_server.connect() as connection:
            try:
                connection.execute("UPDATE acc SET n = n + 1 WHERE id = %s", (first,))
                barrier.wait(10)
                connection.execute("UPDATE acc SET n = n + 1 WHERE id = %s", (second,))
                connection.commit()
                outcome.append(None)
            except errors.DeadlockDetected as error:
                outcome.append(error.sqlstate)
                connection.rollback()

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=work, args=(*pair, barrier)) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcome, key=str) == ["40P01", None]
    assert accounts.execute("SELECT n FROM acc ORDER BY id").fetchall() == [(1,), (1,)]


@pytest.mark.parametrize("change", ["DROP TABLE second", "TRUNCATE second"])
@pytest.mark.parametrize("statement", ["VACUUM", "ANALYZE", "DROP SCHEMA old CASCADE"])
def test_a_command_for_many_tables_takes_each_as_it_is_when_its_turn_comes(shared_server, automatic, statement, change):
    automatic.execute("CREATE SCHEMA old")
    automatic.execute("SET search_path = old")
    for table in ("first", "second"):
        automatic.execute(f"CREATE TABLE {table} (a int PRIMARY KEY, b text)")
        automatic.execute(f"INSERT INTO {table} SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i")
    with shared_server.connect() as holder, shared_server.connect(autocommit=True) as other, ThreadPoolExecutor() as pool:
        holder.execute("LOCK TABLE old.first IN ACCESS EXCLUSIVE MODE")
        waiting = pool.submit(automatic.execute, statement)
        time.sleep(0.2)
        assert not waiting.done()
        other.execute("SET search_path = old")
        other.execute(change)
        # Takes the pages that have become free.
        time.sleep(0.2)
        for number in range(10):
            other.execute(f"CREATE TABLE public.new{number} AS SELECT i, repeat('y', 100) FROM generate_series(1, 5000) i")
        holder.commit()
        waiting.result(30)
        other.execute("CHECKPOINT")
        for number in range(10):
            query = f"SELECT count(*), sum(i), min(repeat) FROM public.new{number}"
            assert other.execute(query).fetchone() == (5000, 12502500, "y" * 100)
            other.execute(f"DROP TABLE public.new{number}")
        other.execute("DROP SCHEMA IF EXISTS old CASCADE")


def test_concurrent_updates_of_one_row_all_count(shared_server, accounts):
    def work():
        with shared_server.connect(autocommit=True) as connection:
            for _ in range(100):
                connection.execute("UPDATE acc SET n = n + 1 WHERE id = 1")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert accounts.execute("SELECT n FROM acc WHERE id = 1").fetchone() == (600,)


# What is said beside the rows

def test_notices_arrive(automatic):
    heard = []
    automatic.add_notice_handler(lambda diagnostic: heard.append((diagnostic.severity_nonlocalized, diagnostic.sqlstate, diagnostic.message_primary)))
    automatic.execute("DROP TABLE IF EXISTS no_such_table")
    automatic.execute("COMMIT")
    assert heard == [("NOTICE", "00000", 'table "no_such_table" does not exist, skipping'),
                     ("WARNING", "25P01", "there is no transaction in progress")]


@pytest.mark.parametrize("text, state, fields", [
    ("SELECT * FROM missing_one", "42P01", {"statement_position": "15"}),
    ("SELECT 'ä', nothing_here FROM e", "42703", {"statement_position": "13"}),
    ("SELEC 1", "42601", {"statement_position": "1"}),
    ("INSERT INTO e VALUES (1, 'x', 1)", "23505", {"schema_name": "public", "table_name": "e", "constraint_name": "e_pkey",
                                                    "message_detail": "Key (id)=(1) already exists."}),
    ("INSERT INTO e VALUES (NULL, 'x', 1)", "23502", {"schema_name": "public", "table_name": "e", "column_name": "id"}),
    ("INSERT INTO e VALUES (7, 'x', -1)", "23514", {"schema_name": "public", "table_name": "e", "constraint_name": "e_n_check"}),
])
def test_errors_name_what_they_are_about(automatic, text, state, fields):
    automatic.execute("CREATE TABLE IF NOT EXISTS e (id int PRIMARY KEY, b text, n int CHECK (n > 0))")
    automatic.execute("DELETE FROM e")
    automatic.execute("INSERT INTO e VALUES (1, 'first', 1)")
    with pytest.raises(psycopg.Error) as raised:
        automatic.execute(text)
    diagnostic = raised.value.diag
    assert diagnostic.sqlstate == state
    for name, value in fields.items():
        assert getattr(diagnostic, name) == value, (name, getattr(diagnostic, name))


def test_identifiers_and_values_composed_by_the_client_are_safe(connection):
    name = 'bobby"; DROP TABLE x; --'
    connection.execute(sql.SQL("CREATE TABLE {} ({} text)").format(sql.Identifier(name), sql.Identifier("select")))
    connection.execute(sql.SQL("INSERT INTO {} VALUES (%s)").format(sql.Identifier(name)), ("'); DROP TABLE x; --",))
    assert connection.execute(sql.SQL("SELECT {} FROM {}").format(sql.Identifier("select"), sql.Identifier(name))).fetchone() == ("'); DROP TABLE x; --",)


def test_too_many_clients_are_told_so(shared_server):
    connections = []
    try:
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            for _ in range(1100):
                connections.append(shared_server.connect())
    finally:
        for connection in connections:
            connection.close()
    assert len(connections) > 500
    with shared_server.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


# Databases

def test_drop_database_waits_for_those_who_leave_and_sends_away_by_force(shared_server, automatic):
    automatic.execute("CREATE DATABASE crowded")
    guest = shared_server.connect(dbname="crowded")
    leave = threading.Timer(0.5, guest.close)
    leave.start()
    start = time.monotonic()
    automatic.execute("DROP DATABASE crowded")
    assert time.monotonic() - start > 0.4
    leave.join()

    automatic.execute("CREATE DATABASE crowded")
    with shared_server.connect(dbname="crowded") as guest:
        with pytest.raises(errors.ObjectInUse, match="accessed by other users"):
            automatic.execute("DROP DATABASE crowded")
        guest.execute("SELECT 1")
        automatic.execute("DROP DATABASE crowded WITH (FORCE)")
        with pytest.raises(psycopg.OperationalError):
            guest.execute("SELECT 1")
