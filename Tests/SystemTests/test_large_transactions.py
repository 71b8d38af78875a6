"""Transactions whose undo is larger than the memory for it: they commit, roll back, and survive kill -9 in between."""

import threading
import time

import psycopg

ROWS = 400_000
SUM = ROWS * (ROWS - 1) // 2
# 256 MiB of memory leave 32 for undo; a change of such a row takes 192 bytes of it at least.
UPDATE = "UPDATE accounts SET balance = balance + {}"


def total(connection):
    """Number of rows, sum of balances."""
    return connection.execute("SELECT count(*), sum(balance) FROM accounts").fetchone()


def set_up(server):
    assert ROWS * 192 > 2 * (32 << 20)
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE accounts (id int PRIMARY KEY, balance int, filler char(84))")
        connection.execute(f"INSERT INTO accounts SELECT i, i, 'x' FROM generate_series(0, {ROWS - 1}) AS i")


def test_an_update_of_a_whole_table_needs_no_memory_for_all_of_it(make_server):
    server = make_server(size="2G", memory="256M").start()
    set_up(server)
    with server.connect() as old, server.connect() as writer, server.connect(autocommit=True) as other:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert total(old)[1] == SUM

        # Rolled back, with an older and newer snapshots looking on.
        writer.execute(UPDATE.format(1))
        writer.execute("SAVEPOINT s")
        writer.execute("UPDATE accounts SET id = id + 10000000 WHERE id % 4 = 0")
        writer.execute("ROLLBACK TO s")
        assert total(writer)[1] == SUM + ROWS
        assert total(old)[1] == SUM
        assert total(other)[1] == SUM
        writer.rollback()
        assert total(writer)[1] == SUM
        writer.rollback()

        # Committed, and the index agrees.
        writer.execute(UPDATE.format(2))
        writer.execute("UPDATE accounts SET id = id + 10000000 WHERE id % 4 = 0")
        writer.commit()
        assert total(other)[1] == SUM + 2 * ROWS
        assert total(old)[1] == SUM
        assert old.execute("SELECT balance FROM accounts WHERE id = 777 * 4").fetchone()[0] == 777 * 4
        assert other.execute("SELECT count(*) FROM accounts WHERE id = 777 * 4").fetchone()[0] == 0
        assert other.execute("SELECT balance FROM accounts WHERE id = 10000000 + 777 * 4").fetchone()[0] == 777 * 4 + 2
        old.rollback()
        writer.execute("DELETE FROM accounts WHERE id >= 10000000")
        writer.commit()
        assert total(other)[0] == ROWS - ROWS // 4
    assert server.stop() == 0
    result = server.check()
    assert result.returncode == 0, result.stdout + result.stderr


def test_killed_in_the_middle_of_such_an_update(make_server):
    server = make_server(size="2G", memory="256M").start()
    set_up(server)
    connection = server.connect()
    connection.execute(UPDATE.format(1))

    def doomed():
        try:
            connection.execute(UPDATE.format(1))
            time.sleep(60)
        except psycopg.OperationalError:
            pass

    thread = threading.Thread(target=doomed, daemon=True)
    thread.start()
    time.sleep(0.5)
    server.kill()
    thread.join(30)
    result = server.check()
    assert result.returncode == 0, result.stdout + result.stderr
    server.start()
    with server.connect() as again:
        assert total(again)[1] == SUM
        again.execute(UPDATE.format(3))
        again.commit()
        assert total(again)[1] == SUM + 3 * ROWS
    assert server.stop() == 0
    result = server.check()
    assert result.returncode == 0, result.stdout + result.stderr
