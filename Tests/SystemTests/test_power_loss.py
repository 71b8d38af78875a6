"""The real process on a disk with a volatile cache that loses its power, and on one that lies about flushing."""

import os
import random
import subprocess
import threading
import time

import psycopg
import pytest
import volatile_cache
from conftest import EXECUTABLE
from test_crash import CLIENTS, Client, set_up, verify

ROUNDS = int(os.environ.get("POWER_LOSS_ROUNDS", "8"))


class Loader(threading.Thread):
    """Inserts batches of rows until the server goes away: more than its memory holds, so that pages are written meanwhile."""

    ROWS = 1000

    def __init__(self, server, first: int):
        super().__init__(daemon=True)
        self.server, self.batch = server, first
        self.acknowledged: set[int] = set()

    def run(self):
        try:
            with self.server.connect(autocommit=True) as connection:
                while True:
                    self.batch += 1
                    connection.execute(f"INSERT INTO filler SELECT {self.batch}, i, repeat('x', 900) FROM generate_series(1, %s) i", (self.ROWS,))
                    self.acknowledged.add(self.batch)
        except psycopg.OperationalError:
            return

    @classmethod
    def verify(cls, server, acknowledged: set[int], last: int) -> set[int]:
        with server.connect() as connection:
            found = dict(connection.execute("SELECT batch, count(*) FROM filler GROUP BY batch").fetchall())
        assert acknowledged <= set(found), f"acknowledged commits are gone: batches {acknowledged - set(found)}"
        assert set(found) <= acknowledged | {last}, f"batches nobody committed: {set(found) - acknowledged}"
        assert set(found.values()) <= {cls.ROWS}, "a batch is there by half"
        return set(found)


class Machine:
    """A server on such a disk, its clients, and what they know."""

    def __init__(self, make_server, folder, lies: bool):
        self.chance = random.Random(20261123)
        self.journal = folder / "journal"
        # Little memory, so that pages are written while the clients work.
        self.server = make_server(size="512M", memory="40M", extra=("--fallback", "--log-size", "16M"))
        # It must be there before it is written to.
        with open(self.server.disk, "wb") as file:
            file.truncate(512 << 20)
        library = volatile_cache.build(folder)
        self.server.environment = volatile_cache.environment(library, self.server.disk, self.journal, lies)
        self.server.start()
        set_up(self.server)
        with self.server.connect() as connection:
            connection.execute("CREATE TABLE filler (batch int, number int, text text, PRIMARY KEY (batch, number))")
        self.known: set = set()
        self.batches: set[int] = set()
        self.last_batch = 0
        self.serials = [0] * CLIENTS
        self.write_count = self.lost_count = self.commit_count = 0

    def work_until_the_power_goes(self):
        clients = [Client(self.server, number, self.serials[number]) for number in range(CLIENTS)]
        loader = Loader(self.server, self.last_batch)
        for thread in (loader, *clients):
            thread.start()
        time.sleep(self.chance.uniform(0.3, 0.7))
        self.server.kill()
        for thread in (loader, *clients):
            thread.join(30)
        writes, lost = volatile_cache.lose_power(self.server.disk, self.journal, self.chance)
        self.write_count += writes
        self.lost_count += lost
        self.serials = [client.serial for client in clients]
        self.acknowledged = self.known | {entry for client in clients for entry in client.acknowledged}
        self.in_doubt = {client.in_doubt for client in clients if client.in_doubt}
        self.commit_count += len(self.acknowledged) - len(self.known)
        self.batches |= loader.acknowledged
        self.last_batch = loader.batch

    def verify(self):
        """Starts the server; AssertionError if anything acknowledged is missing, or anything else is there."""
        self.server.start()
        self.known = verify(self.server, self.acknowledged, self.in_doubt)
        self.batches = Loader.verify(self.server, self.batches, self.last_batch)


def test_a_loss_of_power_with_writes_in_the_disks_cache_loses_no_acknowledged_commit(make_server, tmp_path):
    machine = Machine(make_server, tmp_path, lies=False)
    for number in range(ROUNDS):
        machine.work_until_the_power_goes()
        if number % 3 == 2:
            result = machine.server.check()
            assert result.returncode == 0, f"round {number}:\n{result.stdout}{result.stderr}"
        machine.verify()
    assert machine.server.stop() == 0
    print(f"{machine.commit_count} commits, {machine.write_count} writes not flushed, {machine.lost_count} not kept")
    assert machine.commit_count > ROUNDS * CLIENTS, "hardly anything was committed: this proves nothing"
    assert machine.lost_count >= ROUNDS // 4, f"of {machine.write_count} writes only {machine.lost_count} were lost"


def test_a_disk_that_lies_about_flushing_is_found_out(make_server, tmp_path):
    """No engine keeps its promises on such a disk. It must not pretend: it refuses to start and says why, or what was acknowledged
    is seen to be missing; it never dies of it."""
    machine = Machine(make_server, tmp_path, lies=True)
    for _ in range(8):
        machine.work_until_the_power_goes()
        # Recovers and looks at every page: it ends by itself, whatever it meets.
        result = subprocess.run(
            [EXECUTABLE, "check", "--disk", str(machine.server.disk)], capture_output=True, text=True, timeout=120)
        print(result.stdout + result.stderr)
        assert result.returncode in (0, 1), f"it ended with {result.returncode}"
        if result.returncode == 1:
            assert "PROBLEM" in result.stdout or "error: " in result.stderr
            return
        try:
            machine.verify()
        except AssertionError as error:
            assert "acknowledged commits are gone" in str(error) or "balances" in str(error)
            return
    pytest.fail("a disk that lies about flushing was not found out in eight losses of power")
