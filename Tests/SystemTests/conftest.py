"""Whole-program tests: the real dbkernel-sim, spoken to by the real psql, pgbench and psycopg.

DBKERNEL_SIM names the executable. Every test gets a disk file of its own.
"""

import os
import pathlib
import queue
import signal
import subprocess
import threading

import psycopg
import pytest

EXECUTABLE = os.environ.get("DBKERNEL_SIM", ".build/release/dbkernel-sim")
POSTGRES_BIN = "/usr/lib/postgresql/15/bin"
READY_SECONDS = 60


class Server:
    """One disk file and, while started, the process that serves it."""

    def __init__(self, folder: pathlib.Path, size: str = "1G", memory: str = "256M", extra: tuple = ()):
        self.disk = folder / "test.disk"
        self.size, self.memory, self.extra = size, memory, extra
        self.process = None
        #: The process's; None: as the tests have it.
        self.environment: dict[str, str] | None = None
        self.lines: list[str] = []
        self.host = self.port = None

    def command(self) -> list[str]:
        return [
            EXECUTABLE, "serve", "--disk", str(self.disk), "--disk-size", self.size,
            "--listen", "127.0.0.1:0", "--memory", self.memory, *self.extra,
        ]

    def start(self) -> "Server":
        self.process = subprocess.Popen(
            self.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=self.environment)
        ready: queue.Queue = queue.Queue()
        threading.Thread(target=self._read, args=(self.process, ready), daemon=True).start()
        try:
            address = ready.get(timeout=READY_SECONDS)
        except queue.Empty:
            address = None
        if address is None:
            self.process.kill()
            raise AssertionError("the server did not get ready:\n" + "\n".join(self.lines[-40:]))
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        return self

    def _read(self, process, ready):
        for line in process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("ready: "):
                ready.put(line.split(None, 1)[1].strip())
        ready.put(None)

    def kill(self):
        """kill -9: nothing is flushed, nothing said goodbye to."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, by=signal.SIGTERM, seconds: float = 60) -> int:
        self.process.send_signal(by)
        return self.process.wait(timeout=seconds)

    def dsn(self, database: str = "postgres") -> str:
        return f"host={self.host} port={self.port} user=postgres dbname={database}"

    def connect(self, database: str = "postgres", **options) -> psycopg.Connection:
        return psycopg.connect(self.dsn(database), connect_timeout=20, **options)

    def check(self) -> subprocess.CompletedProcess:
        return subprocess.run(
            [EXECUTABLE, "check", "--disk", str(self.disk)], capture_output=True, text=True, timeout=600)

    def client(self, program: str, *arguments: str, input: str | None = None, timeout=300):
        environment = dict(os.environ, PGHOST=self.host, PGPORT=str(self.port), PGUSER="postgres",
                           PGDATABASE="postgres", PGCONNECT_TIMEOUT="20", LC_ALL="C.UTF-8")
        return subprocess.run([f"{POSTGRES_BIN}/{program}", *arguments], input=input, env=environment,
                              capture_output=True, text=True, timeout=timeout)

    def psql(self, *commands: str, **options) -> subprocess.CompletedProcess:
        arguments = ["-X", "-v", "ON_ERROR_STOP=1"]
        for command in commands:
            arguments += ["-c", command]
        return self.client("psql", *arguments, **options)


@pytest.fixture
def make_server(tmp_path):
    servers = []

    def make(**options) -> Server:
        server = Server(tmp_path, **options)
        servers.append(server)
        return server

    yield make
    for server in servers:
        if server.process and server.process.poll() is None:
            server.kill()
        server.disk.unlink(missing_ok=True)


@pytest.fixture
def server(make_server) -> Server:
    """A started server; it must still be alive at the end of the test."""
    server = make_server().start()
    yield server
    assert server.process.poll() is None, "the server died:\n" + "\n".join(server.lines[-40:])


@pytest.fixture(scope="module")
def shared_disk(tmp_path_factory):
    """What `shared_server` starts: one disk and its server for all tests of a file. A file may override it."""
    return Server(tmp_path_factory.mktemp("disk"))


@pytest.fixture(scope="module")
def module_server(shared_disk):
    server = shared_disk.start()
    yield server
    if server.process.poll() is None:
        server.kill()
    server.disk.unlink(missing_ok=True)


@pytest.fixture
def shared_server(module_server):
    """One server for all tests of a file that do not disturb each other; a test that ends it fails, and it alone."""
    if module_server.process.poll() is not None:
        module_server.start()
    begin = len(module_server.lines)
    yield module_server
    assert module_server.process.poll() is None, "the server died:\n" + "\n".join(module_server.lines[begin:][:60])
