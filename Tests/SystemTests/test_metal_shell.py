"""The shell on the Ring-0 image's serial line."""

import time

import pytest

from test_metal import Machine
from test_metal_faults import wait_for_line


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path, SMP="2", MEM="512M")
    yield machine
    if machine.process and machine.process.poll() is None:
        machine.kill()


def ask(machine: Machine, line: str, answer: str) -> None:
    """Types a line; returns once a line with `answer` has come."""
    machine.lines.clear()
    machine.process.stdin.write(line + "\r")
    machine.process.stdin.flush()
    wait_for_line(machine, answer)


def test_sql_and_commands_are_answered_and_the_machine_stops_and_starts_again(machine):
    machine.start()
    ask(machine, "help", "stop cleanly and switch off")
    ask(machine, "sql", "postgres=#")
    ask(machine, "CREATE TABLE t (id int PRIMARY KEY);", "CREATE TABLE")
    ask(machine, "INSERT INTO t SELECT generate_series(1, 5);", "INSERT 0 5")
    assert machine.psql("-c", "SELECT count(*) FROM t") == "5\n"
    ask(machine, "SELECT sum(id) FROM t;", "(1 row)")
    assert any(line.strip() == "15" for line in machine.lines)
    # Its answer is the next prompt; the one after Control-C is the statement's end.
    ask(machine, "SELECT pg_sleep(1000);", "pg_sleep")
    time.sleep(1)
    ask(machine, "\x03", "canceling statement due to user request")
    ask(machine, "\\q", "dbkernel>")
    ask(machine, "nvme", "power cycles")
    ask(machine, "net", "address 10.0.2.15/24")
    ask(machine, "numa", "MiB free")
    # QEMU ends where the machine would start again.
    ask(machine, "reboot", "stopping")
    assert machine.wait() == 0
    machine.start()
    assert not any(line.startswith("recovery: ") for line in machine.lines)
    assert machine.psql("-c", "SELECT count(*) FROM t") == "5\n"
    ask(machine, "poweroff", "stopping")
    assert machine.wait() == 0
