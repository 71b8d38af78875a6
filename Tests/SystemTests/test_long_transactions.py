"""A transaction longer than the log zone, on a small disk: it rolls back, commits, and survives kill -9 in between."""

import threading
import time

import psycopg

LOG_ZONE = 16 << 20
ROWS = 80_000
INSERT = "INSERT INTO long SELECT i, repeat('0123456789abcdef', 24) FROM generate_series({first}, {last}) AS i"


def set_up(server):
    # Bytes that the rows take in the log, at least.
    assert ROWS * 24 * 16 > 1.4 * LOG_ZONE
    with server.connect() as connection:
        connection.execute("CREATE TABLE long (id int, filler text)")
        connection.execute("CREATE TABLE other (id int PRIMARY KEY)")
        connection.execute("INSERT INTO long VALUES (0, 'there before')")


def insert_all():
    """The statements of one transaction that outgrows the zone."""
    step = ROWS // 5
    return [INSERT.format(first=first + 1, last=first + step) for first in range(0, ROWS, step)]


def count(server) -> int:
    with server.connect() as connection:
        return connection.execute("SELECT count(*) FROM long").fetchone()[0]


def test_a_transaction_longer_than_the_log_zone(make_server):
    server = make_server(size="512M", extra=("--log-size", "16M")).start()
    set_up(server)

    # Rolled back, with somebody else committing meanwhile.
    result = server.psql("BEGIN", *insert_all(), "INSERT INTO other VALUES (1)", "ROLLBACK")
    assert result.returncode == 0, result.stderr
    assert count(server) == 1
    assert server.psql("INSERT INTO other VALUES (1)").returncode == 0

    # Killed while it is open.
    def doomed():
        try:
            with server.connect() as connection:
                for statement in insert_all():
                    connection.execute(statement)
                time.sleep(60)
        except psycopg.OperationalError:
            pass

    thread = threading.Thread(target=doomed, daemon=True)
    thread.start()
    time.sleep(1)
    deadline = time.time() + 120
    # The kill comes when the transaction has outgrown the zone, or nearly so.
    while time.time() < deadline and thread.is_alive():
        time.sleep(0.5)
        with server.connect(autocommit=True) as connection:
            connection.execute("INSERT INTO other VALUES (%s) ON CONFLICT DO NOTHING", (int(time.time() * 10) % 1_000_000 + 2,))
            active = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'INSERT INTO long%'").fetchone()[0]
        if active == 0:
            break
    server.kill()
    thread.join(30)
    result = server.check()
    assert result.returncode == 0, result.stdout + result.stderr
    server.start()
    assert count(server) == 1

    # And committed.
    result = server.psql("BEGIN", *insert_all(), "COMMIT")
    assert result.returncode == 0, result.stderr
    server.kill()
    server.start()
    assert count(server) == ROWS + 1
    assert server.stop() == 0
    result = server.check()
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_idle_transaction_hinders_nobody(make_server):
    server = make_server(size="512M", extra=("--log-size", "16M")).start()
    set_up(server)
    with server.connect() as idle:
        idle.execute("INSERT INTO other VALUES (77)")
        with server.connect(autocommit=True) as busy:
            for round_number in range(8):
                busy.execute(INSERT.format(first=1, last=25_000))
                busy.execute("DELETE FROM long WHERE id > 0")
        idle.commit()
    assert count(server) == 1
    with server.connect() as connection:
        assert connection.execute("SELECT count(*) FROM other WHERE id = 77").fetchone()[0] == 1
    assert server.stop() == 0
    result = server.check()
    assert result.returncode == 0, result.stdout + result.stderr
