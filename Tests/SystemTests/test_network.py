"""The engine's own TCP/IP over a TAP device, with Linux's stack as the peer: psql, psycopg and pgbench as over any network."""

import os
import shutil
import socket
import struct
import subprocess
import time

import pytest

from conftest import EXECUTABLE, Server

HERE, THERE = "10.99.77.1", "10.99.77.2"


def why_not() -> str | None:
    if os.geteuid() != 0:
        return "TAP devices take root"
    if not shutil.which("ip"):
        return "there is no 'ip'"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"/dev/net/tun cannot be used: {error}"
    return None


pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"NOT TESTED: {why_not()}")


class TapServer(Server):
    device = f"dbkt{os.getpid() % 100000}"

    def command(self) -> list[str]:
        return [EXECUTABLE, "serve", "--disk", str(self.disk), "--disk-size", self.size, "--memory", self.memory,
                "--net", f"tap:{self.device},ip={THERE}/24", "--auth", "trust", *self.extra]

    def start(self) -> "TapServer":
        subprocess.run(["ip", "tuntap", "add", "dev", self.device, "mode", "tap"], check=True)
        subprocess.run(["ip", "addr", "add", f"{HERE}/24", "dev", self.device], check=True)
        subprocess.run(["ip", "link", "set", self.device, "up"], check=True)
        super().start()
        self.host = THERE
        return self

    def remove(self):
        if self.process and self.process.poll() is None:
            self.kill()
        subprocess.run(["ip", "link", "del", self.device], check=True)


@pytest.fixture(scope="module", params=[(), ("--fallback",)], ids=["io_uring", "fallback"])
def tap(request, tmp_path_factory):
    server = TapServer(tmp_path_factory.mktemp("tap"), extra=request.param)
    try:
        yield server.start()
        assert server.process.poll() is None, "the server died:\n" + "\n".join(server.lines[-40:])
    finally:
        server.remove()
        server.disk.unlink(missing_ok=True)


def test_psql(tap):
    result = tap.psql("CREATE TABLE t (a int, b text)", "INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i",
                      "SELECT count(*), sum(length(b)) FROM t")
    assert result.returncode == 0, result.stderr
    assert "20000 | 10000000" in result.stdout


def test_megabytes_both_ways(tap):
    rows = "".join(f"{i}\t{'y' * (i % 997)}\n" for i in range(20000))
    result = tap.client("psql", "-X", "-c", "CREATE TABLE big (a int, b text)", "-c", "COPY big FROM STDIN", input=rows + "\\.\n")
    assert result.returncode == 0, result.stderr
    result = tap.client("psql", "-X", "-c", "COPY (SELECT * FROM big ORDER BY a) TO STDOUT")
    assert result.stdout == rows
    tap.psql("DROP TABLE big")


def test_many_connections_at_once(tap):
    connections = [tap.connect() for _ in range(60)]
    for index, connection in enumerate(connections):
        assert connection.execute(f"SELECT {index}").fetchone() == (index,)
    for connection in connections:
        connection.close()


def test_pgbench(tap):
    assert tap.client("pgbench", "-i", "-q", "-s", "1", "postgres").returncode == 0
    result = tap.client("pgbench", "-c", "8", "-j", "2", "-T", "3", "postgres")
    assert result.returncode == 0, result.stderr
    assert "number of failed transactions: 0" in result.stdout


def test_a_cancel_request_reaches_its_session(tap):
    import threading

    with tap.connect() as connection:
        threading.Timer(0.5, connection.cancel).start()
        with pytest.raises(Exception, match="canceling statement"):
            connection.execute("SELECT pg_sleep(30)")


def test_a_closed_port_refuses_and_an_open_one_does_not_listen_elsewhere(tap):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((THERE, 81), timeout=5)


def test_ping(tap):
    """Through a raw socket: not every machine has a ping."""
    def checksum(data):
        total = sum(struct.unpack(f"!{len(data) // 2}H", data))
        total = (total & 0xFFFF) + (total >> 16)
        return ~(total + (total >> 16)) & 0xFFFF

    payload = bytes(range(256)) * 5
    header = struct.pack("!BBHHH", 8, 0, 0, 77, 1)
    header = struct.pack("!BBHHH", 8, 0, checksum(header + payload), 77, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(5)
        raw.sendto(header + payload, (THERE, 0))
        reply, _ = raw.recvfrom(4096)
    assert reply[20] == 0 and reply[28:] == payload


def test_garbage_on_the_wire_disturbs_nobody(tap):
    with tap.connect() as connection, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((tap.device, 0))
        mac = bytes(6 * [0xFF])
        for index in range(3000):
            noise = os.urandom(index % 120)
            frame = mac + bytes([2, 0, 0, 0, 0, 9]) + (b"\x08\x00" if index % 2 else b"\x08\x06") + noise
            raw.send(frame.ljust(14, b"\0"))
            if index % 500 == 0:
                assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_idle_server_sleeps(tap):
    def ticks():
        fields = open(f"/proc/{tap.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    time.sleep(1)
    before = ticks()
    time.sleep(3)
    assert (ticks() - before) / os.sysconf("SC_CLK_TCK") < 0.3


def test_an_open_network_must_be_trusted_in_so_many_words(tmp_path):
    result = subprocess.run([EXECUTABLE, "serve", "--disk", str(tmp_path / "x.disk"), "--disk-size", "64M", "--net",
                             "tap:dbkuntrusted,ip=10.99.78.2/24"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert "refusing to listen on 0.0.0.0:5432" in result.stderr


@pytest.mark.parametrize("network", ["tap:", "eth0", "tap:x,ip=1.2.3", "tap:x,ip=10.0.0.1", "tap:x,ip=10.0.0.1/33",
                                     "tap:x,gateway=10.0.0.1", "tap:x,colour=red", "tap:a-name-that-is-too-long,ip=10.0.0.2/24"])
def test_a_network_that_cannot_be_is_refused(tmp_path, network):
    result = subprocess.run([EXECUTABLE, "serve", "--disk", str(tmp_path / "x.disk"), "--disk-size", "64M", "--net", network,
                             "--auth", "trust"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1, result.stdout
    assert "error: " in result.stderr and "hint: " in result.stderr
