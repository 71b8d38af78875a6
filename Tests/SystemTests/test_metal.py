"""The Ring-0 image in QEMU, spoken to by psql through QEMU's user network.

DBKERNEL_KERNEL names the image. A machine that ends before its time, or without the line waited for, fails the test.
"""

import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import threading

import psycopg
import pytest

from conftest import EXECUTABLE, POSTGRES_BIN, Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
KERNEL = os.environ.get("DBKERNEL_KERNEL", str(ROOT / ".build-metal/dbkernel-kernel"))
READY_SECONDS = 120


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Machine:
    """One disk file and, while it runs, the machine that boots from it."""

    def __init__(self, folder: pathlib.Path, **environment: str):
        self.disk = folder / "metal.disk"
        self.monitor = folder / "monitor"
        self.environment = environment
        self.lines: list[str] = []
        self.process = None
        self.port = 0

    def start(self, waits_for: str = "ready: ", append: str = "auth=trust", **environment: str) -> "Machine":
        self.port = free_port()
        variables = dict(
            os.environ, DISK=str(self.disk), DISK_SIZE="1G", SERIAL="stdio", PORT=str(self.port), APPEND=append,
            MONITOR=str(self.monitor),
            **(self.environment | environment))
        self.lines = []
        self.process = subprocess.Popen(
            [str(ROOT / "scripts/boot"), KERNEL], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")
        found: queue.Queue = queue.Queue()
        threading.Thread(target=self._read, args=(self.process, found, waits_for), daemon=True).start()
        try:
            is_found = found.get(timeout=READY_SECONDS)
        except queue.Empty:
            is_found = False
        if not is_found:
            self.kill()
            raise AssertionError(f"no line with '{waits_for}':\n" + "\n".join(self.lines[-60:]))
        return self

    def _read(self, process, found, waits_for):
        for line in process.stdout:
            self.lines.append(line.rstrip("\r\n"))
            if waits_for in line:
                found.put(True)
        found.put(False)

    def kill(self):
        """The power cord."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def press_power_button(self):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.monitor))
            connection.sendall(b"system_powerdown\n")
            # QEMU reads what was sent before it sees the end.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    def wait(self, seconds: float = READY_SECONDS) -> int:
        return self.process.wait(timeout=seconds)

    def psql(self, *arguments: str) -> str:
        environment = dict(
            os.environ, PGHOST="127.0.0.1", PGPORT=str(self.port), PGUSER="postgres", PGDATABASE="postgres",
            PGCONNECT_TIMEOUT="30")
        done = subprocess.run(
            [f"{POSTGRES_BIN}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *arguments], env=environment,
            capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr + "\n".join(self.lines[-40:])
        return done.stdout

    def pgbench(self, *arguments: str) -> str:
        done = subprocess.run(
            [f"{POSTGRES_BIN}/pgbench", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", *arguments,
             "postgres"], capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr + "\n".join(self.lines[-40:])
        return done.stdout

    def connect(self, **options) -> psycopg.Connection:
        return psycopg.connect(
            f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres", connect_timeout=30, **options)


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path, SMP="2", MEM="512M")
    yield machine
    if machine.process and machine.process.poll() is None:
        machine.kill()


@pytest.mark.parametrize("bus", ["nvme", "virtio"])
def test_psql_reaches_the_machine_and_its_data_outlive_the_power(machine, bus):
    machine.start(BUS=bus)
    machine.psql("-c", "CREATE TABLE t (id int PRIMARY KEY, word text)",
                 "-c", "INSERT INTO t SELECT g, 'word ' || g FROM generate_series(1, 2000) g")
    assert machine.psql("-c", "SELECT count(*), sum(id), max(word) FROM t") == "2000|2001000|word 999\n"
    machine.kill()
    machine.start(BUS=bus)
    assert machine.psql("-c", "SELECT count(*), sum(id), max(word) FROM t") == "2000|2001000|word 999\n"
    assert any(line.startswith("recovery: ") for line in machine.lines)


def test_several_clients_commit_and_nothing_acknowledged_is_lost_when_the_power_goes(machine):
    machine.start()
    machine.psql("-c", "CREATE TABLE c (client int, serial int, PRIMARY KEY (client, serial))")
    acknowledged = [0] * 4

    def run(client):
        try:
            with machine.connect(autocommit=True) as connection:
                while True:
                    connection.execute("INSERT INTO c VALUES (%s, %s)", (client, acknowledged[client] + 1))
                    acknowledged[client] += 1
        except psycopg.Error:
            return

    threads = [threading.Thread(target=run, args=(client,), daemon=True) for client in range(4)]
    for thread in threads:
        thread.start()
    while min(acknowledged) < 20:
        assert any(thread.is_alive() for thread in threads), "\n".join(machine.lines[-40:])
    machine.kill()
    machine.start()
    for client in range(4):
        (count,) = [int(machine.psql("-c", f"SELECT count(*) FROM c WHERE client = {client}"))]
        assert acknowledged[client] <= count <= acknowledged[client] + 1


def assert_clean(disk: pathlib.Path):
    done = subprocess.run(
        [EXECUTABLE, "check", "--disk", str(disk)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_linux_and_the_machine_open_one_disk_in_turns(machine, make_server):
    server = make_server()
    server.disk = machine.disk
    server.start()
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY, word text)")
        connection.execute("INSERT INTO t SELECT g, 'linux ' || g FROM generate_series(1, 500) g")
    server.kill()
    assert_clean(machine.disk)
    machine.start()
    assert machine.psql("-c", "SELECT count(*), max(word) FROM t") == "500|linux 99\n"
    machine.psql("-c", "INSERT INTO t SELECT g, 'metal ' || g FROM generate_series(501, 1000) g",
                 "-c", "UPDATE t SET word = word || '!' WHERE id % 2 = 0")
    machine.kill()
    assert_clean(machine.disk)
    server.start()
    with server.connect(autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE word LIKE 'metal%'), count(*) FILTER (WHERE word LIKE '%!') FROM t"
        ).fetchone()
        assert row == (1000, 500, 500)
    server.kill()
    assert_clean(machine.disk)
    machine.start()
    assert machine.psql("-c", "SELECT count(*), sum(id) FROM t") == "1000|500500\n"


@pytest.mark.parametrize("cores", ["1", "2"])
def test_pgbench_runs_in_64_mebibytes(machine, cores):
    machine.start(SMP=cores, MEM="64M")
    machine.pgbench("-i", "-s", "1", "-q")
    done = machine.pgbench("-n", "-c", "8", "-T", "10")
    assert "number of failed transactions: 0 " in done
    assert int(re.search(r"transactions actually processed: (\d+)", done)[1]) > 0
    assert machine.psql(
        "-c", "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history), "
        "(SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(tbalance) FROM pgbench_tellers)") == "t|t\n"
    done = machine.pgbench("-n", "-S", "-c", "8", "-T", "10")
    assert "number of failed transactions: 0 " in done
    machine.kill()
    assert_clean(machine.disk)


def test_the_command_line_gives_the_machine_its_address(machine):
    machine.start(append="auth=trust ip=10.0.2.77/24,10.0.2.2", GUEST="10.0.2.77")
    assert machine.psql("-c", "SELECT 1") == "1\n"
    assert "network: 10.0.2.77/24" in machine.lines


def test_an_address_that_is_none_is_refused(machine):
    machine.start(waits_for="invalid network address", append="auth=trust ip=10.0.2.777/24")
    assert machine.wait() == 2 * 74 + 1


@pytest.mark.parametrize("memory", ["40M", "16M", "8M"])
def test_too_little_memory_is_said_and_traps_nothing(machine, memory):
    machine.start(waits_for="error: too little memory", MEM=memory)
    assert machine.wait() == 2 * 72 + 1
    assert not any("panic" in line for line in machine.lines), "\n".join(machine.lines)


@pytest.mark.parametrize("cores", ["1", "4"])
def test_the_power_button_stops_the_database_and_switches_off(machine, cores):
    machine.start(SMP=cores)
    machine.psql("-c", "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 500) g")
    with machine.connect(autocommit=True) as idle:
        idle.execute("SELECT 1")
        machine.press_power_button()
        assert machine.wait(20) == 0
    assert "stopping" in machine.lines
    machine.start(SMP=cores)
    assert machine.psql("-c", "SELECT count(*) FROM t") == "500\n"
    assert not any(line.startswith("recovery: ") for line in machine.lines), "a clean stop leaves nothing to recover"


def test_a_network_without_passwords_is_refused_unless_it_is_trusted(machine):
    machine.start(waits_for="refusing to listen", append="")
    assert machine.wait() == 2 * 71 + 1


def test_a_disk_that_holds_something_else_is_left_alone_unless_told(machine):
    foreign = b"these bytes are not a database " * 2048
    with open(machine.disk, "wb") as disk:
        disk.write(foreign)
        disk.truncate(1 << 30)
    machine.start(waits_for="error: ")
    assert machine.wait() == 2 * 71 + 1
    with open(machine.disk, "rb") as disk:
        assert disk.read(len(foreign)) == foreign
    machine.start(append="auth=trust format=yes")
    assert machine.psql("-c", "SELECT 1") == "1\n"


@pytest.mark.parametrize("processor, device, line", [
    ("max", "virtio", "random numbers: from RDRAND and a virtio device"),
    ("max", "none", "random numbers: from RDRAND"),
    ("max,-rdrand", "virtio", "random numbers: from a virtio device"),
    ("max,-rdrand", "none", "warning: there is neither RDRAND nor a virtio entropy device: random numbers are guessable"),
])
def test_random_numbers_come_from_what_there_is(machine, processor, device, line):
    machine.start(CPU=processor, ENTROPY=device)
    assert line in machine.lines
    first, second = machine.psql("-c", "SELECT gen_random_uuid(), gen_random_uuid()").strip().split("|")
    assert first != second


def test_a_machine_without_a_disk_says_so(machine, tmp_path):
    process = subprocess.run(
        ["qemu-system-x86_64", "-machine", "q35", "-cpu", "max", "-m", "256M", "-nodefaults", "-display", "none",
         "-no-reboot", "-serial", "stdio", "-kernel", KERNEL, "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=READY_SECONDS)
    assert process.returncode == 2 * 73 + 1
    assert "there is no disk" in process.stdout
