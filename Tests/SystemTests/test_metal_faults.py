"""A disk that fails under the Ring-0 image: QEMU's blkdebug makes requests fail, its throttling makes them hang.

A statement fails with 58030, or the log's failure stops the machine; what was acknowledged is there after the next start.
"""

import pathlib
import socket
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import EXECUTABLE
from test_metal import Machine

SECTOR = 512
#: The engine's exit status for a failed log, as QEMU's isa-debug-exit makes it.
PANIC_STATUS = 2 * 3 + 1


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path, SMP="2", MEM="512M")
    yield machine
    if machine.process and machine.process.poll() is None:
        machine.kill()


def write_faults(tmp_path: pathlib.Path, text: str) -> str:
    path = tmp_path / "faults"
    path.write_text(text)
    return str(path)


def after_requests(event: str, count: int, fault: str) -> str:
    """From the `count`th request of the kind `event` on, `fault` happens."""
    steps = [f'[set-state]\nstate = "{n}"\nevent = "{event}"\nnew_state = "{n + 1}"\n' for n in range(1, count)]
    return "\n".join(steps) + f'\n[inject-error]\nstate = "{count}"\nevent = "{event}"\nerrno = "5"\n{fault}\n'


def monitor(machine: Machine, command: str) -> None:
    """Tells QEMU's monitor; returns when it has obeyed."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(machine.monitor))
        connection.settimeout(30)
        seen = b""
        for text in (b"", command.encode() + b"\n"):
            connection.sendall(text)
            while not seen.endswith(b"(qemu) "):
                seen += connection.recv(4096)
            seen = b""


def wait_for_line(machine: Machine, text: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not any(text in line for line in machine.lines):
        assert time.monotonic() < end, f"no line with '{text}':\n" + "\n".join(machine.lines[-40:])
        time.sleep(0.1)


def insert_until_it_fails(machine: Machine, limit: int = 3000) -> int:
    """How many rows were acknowledged."""
    acknowledged = 0
    try:
        with machine.connect(autocommit=True) as connection:
            while acknowledged < limit:
                connection.execute("INSERT INTO t VALUES (%s)", (acknowledged,))
                acknowledged += 1
    except psycopg.Error:
        pass
    return acknowledged


def check(machine: Machine) -> None:
    done = subprocess.run(
        [EXECUTABLE, "check", "--disk", str(machine.disk)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_that_cannot_be_read_fails_its_statement_alone(machine, tmp_path):
    marker = "a row that nobody will read " * 4
    machine.start()
    machine.psql("-c", "CREATE TABLE near (id int PRIMARY KEY, word text)",
                 "-c", "INSERT INTO near SELECT g, 'here' FROM generate_series(1, 100) g",
                 "-c", "CREATE TABLE far (id int PRIMARY KEY, word text)",
                 "-c", f"INSERT INTO far SELECT g, '{marker}' || g FROM generate_series(1, 2000) g", "-c", "CHECKPOINT")
    machine.kill()
    content = machine.disk.read_bytes()
    place = content.rfind(f"{marker}1234".encode())
    assert place > 0
    sectors = range(place // 4096 * 8, place // 4096 * 8 + 8)
    faults = "\n".join(
        f'[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "{sector}"\n' for sector in sectors)
    machine.start(FAULTS=write_faults(tmp_path, faults))
    with machine.connect(autocommit=True) as connection:
        with pytest.raises(psycopg.errors.IoError):
            connection.execute("SELECT count(*) FROM far WHERE word LIKE '%x%'")
        assert connection.execute("SELECT count(*) FROM near WHERE word = 'here'").fetchone() == (100,)
        assert connection.execute("INSERT INTO near VALUES (101, 'here') RETURNING id").fetchone() == (101,)
    machine.kill()
    machine.start()
    assert machine.psql("-c", "SELECT count(*) FROM far") == "2000\n"
    assert machine.psql("-c", "SELECT count(*) FROM near") == "101\n"


@pytest.mark.parametrize("fault", ['iotype = "write"', 'iotype = "flush"'])
def test_a_log_that_cannot_be_written_stops_the_machine_and_loses_nothing(machine, tmp_path, fault):
    machine.start()
    machine.psql("-c", "CREATE TABLE t (id int PRIMARY KEY)")
    machine.kill()
    machine.start(FAULTS=write_faults(tmp_path, after_requests("write_aio", 300, fault)))
    acknowledged = insert_until_it_fails(machine)
    assert machine.wait() == PANIC_STATUS, "\n".join(machine.lines[-40:])
    assert any("PANIC: " in line for line in machine.lines)
    machine.start()
    count = int(machine.psql("-c", "SELECT count(*) FROM t"))
    assert acknowledged <= count <= acknowledged + 1
    machine.kill()
    check(machine)


def hang_writes(machine: Machine) -> None:
    """From now on the disk writes a byte in a second."""
    monitor(machine, "block_set_io_throttle disk 0 0 1 0 0 0")


#: What the drivers say of a reset and of its end.
RESETS = {
    "nvme": ("NVMe: resetting the controller", "NVMe: the controller is back"),
    "virtio": ("resetting the device", "virtio disk: the device is back"),
}


@pytest.mark.parametrize("bus", RESETS)
def test_a_command_that_hangs_has_the_disk_reset(machine, bus):
    """QEMU does not give up what an NVMe disk is told to abort, so the reset follows, in which it lets go of what it held back."""
    machine.start(append="auth=trust disk-timeout=2", BUS=bus)
    machine.psql("-c", "CREATE TABLE t (id int PRIMARY KEY)")
    hang_writes(machine)
    done: list[int] = []
    inserting = threading.Thread(target=lambda: done.append(insert_until_it_fails(machine, limit=5)))
    inserting.start()
    wait_for_line(machine, RESETS[bus][0])
    monitor(machine, "block_set_io_throttle disk 0 0 0 0 0 0")
    inserting.join(timeout=60)
    assert done == [5]
    assert any(RESETS[bus][1] in line for line in machine.lines)
    machine.kill()
    machine.start(BUS=bus)
    assert machine.psql("-c", "SELECT count(*) FROM t") == "5\n"


def test_commands_that_hang_for_good_stop_the_machine_and_lose_nothing(machine):
    """Not on a virtio disk: QEMU lets all that it held back come to its end when that is reset."""
    machine.start(append="auth=trust disk-timeout=2")
    machine.psql("-c", "CREATE TABLE t (id int PRIMARY KEY)")
    hang_writes(machine)
    acknowledged = insert_until_it_fails(machine)
    assert machine.wait() == PANIC_STATUS, "\n".join(machine.lines[-40:])
    machine.start()
    count = int(machine.psql("-c", "SELECT count(*) FROM t"))
    assert acknowledged <= count <= acknowledged + 1
    machine.kill()
    check(machine)
