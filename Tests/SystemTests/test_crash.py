"""kill -9 under load: no acknowledged commit is lost, none is there by half, and the disk checks clean."""

import os
import random
import threading
import time

import psycopg

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "20"))
CLIENTS = 8
ACCOUNTS = 200
OPENING_BALANCE = 1_000


def set_up(server):
    with server.connect() as connection:
        connection.execute("CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= -1000000))")
        connection.execute("CREATE TABLE transfer (client int, serial int, source int, target int, amount int,"
                           " PRIMARY KEY (client, serial))")
        connection.execute("CREATE INDEX transfer_source ON transfer (source)")
        with connection.cursor().copy("COPY account FROM STDIN") as copy:
            for account in range(ACCOUNTS):
                copy.write_row((account, OPENING_BALANCE))


class Client(threading.Thread):
    """Moves money between random accounts until the server goes away; remembers what was acknowledged."""

    def __init__(self, server, number: int, first_serial: int):
        super().__init__(daemon=True)
        self.server, self.number, self.serial = server, number, first_serial
        self.acknowledged: list[tuple] = []
        self.in_doubt: tuple | None = None
        self.random = random.Random(number * 1_000_003 + first_serial)

    def run(self):
        try:
            with self.server.connect(autocommit=True) as connection:
                while True:
                    self.transfer(connection)
        except psycopg.OperationalError:
            return

    def transfer(self, connection):
        source, target = self.random.sample(range(ACCOUNTS), 2)
        entry = (self.number, self.serial, source, target, self.random.randint(1, 50))
        self.serial += 1
        try:
            with connection.transaction():
                connection.execute("UPDATE account SET balance = balance - %s WHERE id = %s", (entry[4], source))
                connection.execute("UPDATE account SET balance = balance + %s WHERE id = %s", (entry[4], target))
                connection.execute("INSERT INTO transfer VALUES (%s, %s, %s, %s, %s)", entry)
                self.in_doubt = entry
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            self.in_doubt = None
            return
        self.in_doubt = None
        self.acknowledged.append(entry)


def verify(server, acknowledged: set, in_doubt: set):
    with server.connect() as connection:
        stored = set(connection.execute("SELECT client, serial, source, target, amount FROM transfer").fetchall())
        by_index = connection.execute("SELECT count(*) FROM transfer WHERE source >= 0").fetchone()[0]
        balances = dict(connection.execute("SELECT id, balance FROM account").fetchall())
    lost = acknowledged - stored
    assert not lost, f"{len(lost)} acknowledged commits are gone, for example {sorted(lost)[:3]}"
    invented = stored - acknowledged - in_doubt
    assert not invented, f"rows nobody committed: {sorted(invented)[:3]}"
    assert by_index == len(stored)
    expected = {account: OPENING_BALANCE for account in range(ACCOUNTS)}
    for _, _, source, target, amount in stored:
        expected[source] -= amount
        expected[target] += amount
    assert balances == expected, "balances do not follow from the transfers"
    return stored


def test_kill_under_load_loses_no_acknowledged_commit(make_server):
    server = make_server().start()
    set_up(server)
    known: set = set()
    serials = [0] * CLIENTS
    total = 0
    for round_number in range(ROUNDS):
        clients = [Client(server, number, serials[number]) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(random.uniform(0.3, 1.5))
        server.kill()
        for client in clients:
            client.join(30)
            assert not client.is_alive()
        acknowledged = known | {entry for client in clients for entry in client.acknowledged}
        in_doubt = {client.in_doubt for client in clients if client.in_doubt}
        serials = [client.serial for client in clients]
        total += len(acknowledged) - len(known)
        if round_number % 5 == 4:
            result = server.check()
            assert result.returncode == 0, f"round {round_number}:\n{result.stdout}{result.stderr}"
        server.start()
        known = verify(server, acknowledged, in_doubt)
    assert total > ROUNDS * CLIENTS, "hardly anything was committed: this proves nothing"
    assert server.stop() == 0
    result = server.check()
    assert result.returncode == 0, result.stdout + result.stderr


def test_clean_stop_keeps_everything_and_needs_no_recovery(make_server):
    server = make_server().start()
    with server.connect() as connection:
        connection.execute("CREATE TABLE kept (id int PRIMARY KEY, word text)")
        connection.execute("INSERT INTO kept SELECT i, 'word ' || i FROM generate_series(1, 1000) AS i")
    assert server.stop() == 0
    server.start()
    with server.connect() as connection:
        assert connection.execute("SELECT count(*), min(word), max(id) FROM kept").fetchone() == (1000, "word 1", 1000)
    assert server.stop() == 0
