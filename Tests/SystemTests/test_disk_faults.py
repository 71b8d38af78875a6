"""Disks that are not ours, too small, full, or rotten: refused or reported, never served wrongly, never lost by our doing."""

import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import time

import psycopg
import pytest

from conftest import EXECUTABLE, Server

PAGE = 4096
ROWS = 3000


def run(*arguments, timeout=120) -> subprocess.CompletedProcess:
    return subprocess.run([EXECUTABLE, *map(str, arguments)], capture_output=True, text=True, timeout=timeout)


def serve(disk, *arguments, listen="127.0.0.1:0") -> subprocess.CompletedProcess:
    """A server that is expected not to start."""
    return run("serve", "--disk", disk, "--disk-size", "64M", "--memory", "64M", "--listen", listen, *arguments)


def assert_refused(result, *words: str):
    said = result.stdout + result.stderr
    assert result.returncode in (1, 64), (result.returncode, said[:3000])
    assert "ready:" not in result.stdout
    assert any(word in said for word in words), said[:3000]


# What is not a disk of ours

@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.disk"


@pytest.mark.parametrize("content", [b"A letter to a friend.\n" * 400_000, b"x", b"\xff" * PAGE * 9000, os.urandom(PAGE * 10)],
                         ids=["text", "one byte", "ones", "noise"])
def test_a_file_that_is_not_ours_is_refused_and_left_alone(path, content):
    path.write_bytes(content)
    assert_refused(serve(path), "not a DBKernel database", "is empty", "too small")
    assert path.read_bytes() == content, "the file was changed"
    assert_refused(run("check", "--disk", path), "not a DBKernel database", "is empty", "too small")
    assert path.read_bytes() == content, "the file was changed"


def test_check_needs_a_database(tmp_path, path):
    assert_refused(run("check", "--disk", path), "No such file")
    assert not path.exists()
    path.write_bytes(b"")
    assert_refused(run("check", "--disk", path), "is empty")
    path.write_bytes(bytes(PAGE * 10_000))
    assert_refused(run("check", "--disk", path), "is empty")


@pytest.mark.parametrize("size, words", [("1", "size"), ("4096", "too small"), ("1M", "too small"), ("31M", "too small")])
def test_a_disk_that_is_too_small_is_refused(path, size, words):
    assert_refused(serve(path, "--disk-size", size), words)


def test_places_where_no_disk_can_be(tmp_path):
    assert_refused(serve(tmp_path), "directory")
    assert_refused(serve(tmp_path / "missing" / "x.disk"), "No such file")
    (tmp_path / "file").write_bytes(b"")
    assert_refused(serve(tmp_path / "file" / "x.disk"), "Not a directory")
    assert_refused(serve("/dev/null"), "could not open", "is empty", "not")
    os.mkfifo(tmp_path / "pipe")
    assert_refused(serve(tmp_path / "pipe"), "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert_refused(serve(tmp_path / "circle"), "symbolic links")


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write everything, and there is no setpriv")
def test_a_file_that_may_not_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o755)
    path = tmp_path / "x.disk"
    path.write_bytes(bytes(PAGE))
    path.chmod(0o444)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    other = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    result = subprocess.run([*other, EXECUTABLE, "serve", "--disk", path, "--disk-size", "64M", "--listen", "127.0.0.1:0"],
                            capture_output=True, text=True, timeout=60)
    assert_refused(result, "Permission denied")


# Arguments

@pytest.mark.parametrize("arguments, words", [
    (["--memory", "1M"], "memory"), (["--memory", "0"], "memory"), (["--memory", "lots"], "memory"), (["--memory", "-5"], "memory"),
    (["--memory", "99999999T"], "memory"), (["--cores", "-1"], "cores"), (["--cores", "x"], "cores"), (["--cores", "257"], "cores"), (["--cores", "100000"], "cores"),
    (["--log-size", "63M"], "too small"), (["--log-size", "0"], "log-size"), (["--disk-size", "0"], "disk-size"), (["--what"], "what"),
], ids=lambda value: "-".join(value) if isinstance(value, list) else value)
def test_a_bad_argument_is_named(path, arguments, words):
    result = serve(path, *arguments)
    assert_refused(result, words)


@pytest.mark.parametrize("address, words", [
    ("127.0.0.1", "127.0.0.1"), ("127.0.0.1:", "127.0.0.1:"), ("127.0.0.1:99999", "99999"), ("127.0.0.1:x", "127.0.0.1:x"),
    (":5432", "5432"), ("", "listen"), ("nonsense", "nonsense"), ("127.0.0.1.5:80", "127.0.0.1.5"),
    ("0.0.0.0:0", "passwords"), ("192.168.1.1:5432", "passwords"), ("127.evil.example:5432", "127.evil.example"), ("[::]:5432", "passwords"),
])
def test_an_address_that_cannot_or_must_not_be_listened_on_is_refused(path, address, words):
    assert_refused(serve(path, listen=address), words)


def test_a_port_in_use_is_refused(path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert_refused(serve(path, listen=f"127.0.0.1:{taken.getsockname()[1]}"), "Address already in use")
    assert run("check", "--disk", path).returncode == 0


def test_no_cores_means_all_of_them(make_server):
    server = make_server(extra=("--cores", "0"), size="64M").start()
    with server.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert server.stop() == 0


# Two servers, ends, interrupted beginnings

def test_a_second_server_on_the_same_disk_is_refused_and_the_first_lives(make_server):
    server = make_server(size="64M").start()
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE here (a int)")
        assert_refused(serve(server.disk), "in use by another process")
        assert_refused(run("check", "--disk", server.disk), "in use by another process")
        connection.execute("INSERT INTO here VALUES (1)")
        assert connection.execute("SELECT count(*) FROM here").fetchone() == (1,)
    assert server.stop() == 0
    assert server.check().returncode == 0


@pytest.mark.parametrize("delay", [0, 0.01, 0.03, 0.06, 0.15])
def test_a_server_killed_while_it_makes_its_disk_can_be_started_again(make_server, delay):
    server = make_server(size="512M")
    process = subprocess.Popen(server.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    process.kill()
    process.wait()
    server.start()
    with server.connect() as connection:
        connection.execute("CREATE TABLE made (a int)")
    assert server.stop() == 0
    assert server.check().returncode == 0


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_transactions_and_running_statements_cleanly(make_server, by):
    server = make_server(size="128M").start()
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (a int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    idle, inside, busy, waiting = (server.connect() for _ in range(4))
    idle.rollback()
    inside.execute("INSERT INTO kept VALUES (2)")
    inside.execute("UPDATE kept SET a = 3 WHERE a = 1")
    for connection, text in ((busy, b"SELECT count(*) FROM generate_series(1, 90000000000)"), (waiting, b"UPDATE kept SET a = 4")):
        connection.pgconn.send_query(text)
    time.sleep(0.3)
    began = time.monotonic()
    assert server.stop(by) == 0
    assert time.monotonic() - began < 10
    for connection in (idle, inside, busy):
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()
    waiting.close()
    assert server.check().returncode == 0
    server.start()
    with server.connect() as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(1,)]
    assert server.stop() == 0


def test_the_fallback_without_io_uring_serves_psql(make_server):
    server = make_server(extra=("--fallback",), size="128M").start()
    result = server.psql("CREATE TABLE f (a int PRIMARY KEY, b text)", "INSERT INTO f SELECT i, repeat('x', i) FROM generate_series(1, 2000) i",
                         r"\d f", "SELECT sum(length(b)) FROM f", "DELETE FROM f WHERE a > 10", r"\dt")
    assert result.returncode == 0, result.stderr
    assert "2001000" in result.stdout
    assert server.stop() == 0
    assert server.check().returncode == 0


# Full disks

def fill(connection, count=0) -> int:
    """Inserts behind `count` rows until the disk is full; how many rows are in then."""
    with pytest.raises(psycopg.errors.DiskFull):
        for number in range(count // 200, 1_000_000):
            connection.execute("INSERT INTO filler SELECT g, repeat(md5(g::text), 30) FROM generate_series(%s::int, %s::int) AS g",
                               (number * 200 + 1, number * 200 + 200))
    return connection.execute("SELECT count(*) FROM filler").fetchone()[0]


def test_a_full_disk_refuses_more_and_keeps_what_it_has(make_server):
    server = make_server(size="40M", memory="64M", extra=("--log-size", "6M")).start()
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE filler (a int PRIMARY KEY, b text)")
        count = fill(connection)
        assert count > 5_000 and count % 200 == 0
        assert connection.execute("SELECT count(*), min(length(b)), max(a) FROM filler").fetchone() == (count, 960, count)
        with pytest.raises(psycopg.errors.DiskFull):
            connection.execute("INSERT INTO filler SELECT g, repeat('x', 2000) FROM generate_series(1000001, 1001000) AS g")
        with pytest.raises(psycopg.errors.DiskFull):
            with connection.transaction():
                connection.execute("UPDATE filler SET b = b || b || b")
        assert connection.execute("SELECT count(*), min(length(b)), max(length(b)) FROM filler").fetchone() == (count, 960, 960)
        connection.execute("DELETE FROM filler WHERE a % 2 = 0")
        assert connection.execute("SELECT count(*) FROM filler").fetchone() == (count // 2,)
    assert server.stop() == 0
    result = server.check()
    assert result.returncode == 0, result.stdout + result.stderr
    server.start()
    with server.connect(autocommit=True) as connection:
        assert connection.execute("SELECT count(*), sum(a % 2) FROM filler").fetchone() == (count // 2, count // 2)
        connection.execute("DROP TABLE filler")
        connection.execute("CREATE TABLE filler (a int PRIMARY KEY, b text)")
        # A dropped table's room is free when no snapshot can see it and the purgers have been there: soon, not at once.
        deadline = time.monotonic() + 10
        refilled = 0
        while refilled <= count // 2 and time.monotonic() < deadline:
            refilled = fill(connection, refilled)
        assert refilled > count // 2, "the room did not come back"
    server.kill()
    server.start()
    assert server.stop() == 0
    result = server.check()
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_transaction_that_outgrows_the_log_fails_and_is_undone(make_server):
    server = make_server(size="128M", memory="64M", extra=("--log-size", "8M")).start()
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int PRIMARY KEY, b text)")
        with pytest.raises(psycopg.errors.DiskFull):
            connection.execute("INSERT INTO t SELECT g, repeat('y', 1000) FROM generate_series(1, 100000) AS g")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
        connection.execute("INSERT INTO t SELECT g, 'z' FROM generate_series(1, 1000) AS g")
    assert server.stop() == 0
    assert server.check().returncode == 0


def test_a_file_system_without_room_refuses_a_new_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40M", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        result = serve(folder / "x.disk", "--disk-size", "4G")
        assert_refused(result, "No space left")
        assert not (folder / "x.disk").exists(), "half a disk was left behind"
    finally:
        subprocess.run(["umount", folder], check=True)


# Rot

@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A cleanly stopped disk with a few tables."""
    server = Server(tmp_path_factory.mktemp("sample"), size="64M", memory="64M")
    server.start()
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE one (a int PRIMARY KEY, b text, c numeric)")
        connection.execute(f"INSERT INTO one SELECT g, repeat(md5(g::text), 5), g * 1.5 FROM generate_series(1, {ROWS}) AS g")
        connection.execute("CREATE INDEX one_b ON one (b)")
        connection.execute("CREATE TABLE long (a int, b text)")
        connection.execute("INSERT INTO long SELECT g, repeat(md5(g::text), 2000) FROM generate_series(1, 20) AS g")
    assert server.stop() == 0
    result = server.check()
    assert result.returncode == 0, result.stdout + result.stderr
    content = server.disk.read_bytes()
    truth = (ROWS, 20)
    yield content, truth
    server.disk.unlink()


def layout(content: bytes) -> dict[str, int]:
    """The superblock's zones in pages (Superblock.swift)."""
    names = ("bytes", "log", "log_pages", "double", "double_pages", "data", "extents")
    return dict(zip(names, struct.unpack_from("<7Q", content, 64)))


def with_flips(content: bytes, path: pathlib.Path, *offsets: int) -> pathlib.Path:
    damaged = bytearray(content)
    for offset in offsets:
        damaged[offset] ^= 0x41
    path.write_bytes(damaged)
    return path


def ask_everything(server) -> list:
    """Reads all there is, twice: what comes back, or SQLSTATEs."""
    answers = []
    for text in ("SELECT count(*), sum(a), sum(c), md5(string_agg(b, '' ORDER BY a)) FROM one", "SELECT count(*) FROM one WHERE b > ''",
                 "SELECT count(*), sum(length(b)), md5(string_agg(b, '' ORDER BY a)) FROM long"):
        try:
            with server.connect(autocommit=True) as connection:
                answers.append(connection.execute(text).fetchall())
        except psycopg.Error as error:
            answers.append(error.sqlstate or str(error))
    return answers


@pytest.fixture(scope="module")
def truth(sample, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("truth"), size="64M", memory="64M")
    server.disk.write_bytes(sample[0])
    server.start()
    answers = ask_everything(server)
    server.kill()
    server.disk.unlink()
    assert answers[0][0][0] == ROWS and answers[1] == [(ROWS,)]
    return answers


def judge(make_server, content, truth, *offsets) -> str:
    """What becomes of a disk with flipped bytes: 'refused', 'reported' or 'served'; anything wrong fails."""
    server = make_server(size="64M", memory="64M")
    with_flips(content, server.disk, *offsets)
    where = f"bytes {offsets} flipped"
    checked = server.check()
    assert checked.returncode in (0, 1), (where, checked.returncode, checked.stdout[-2000:], checked.stderr[-2000:])
    if checked.returncode == 1:
        assert "PROBLEM" in checked.stdout or "error:" in checked.stderr, where
    with_flips(content, server.disk, *offsets)
    try:
        server.start()
    except AssertionError:
        assert server.process.wait() == 1, (where, "\n".join(server.lines[-40:]))
        assert checked.returncode == 1, f"{where}: check saw nothing, but the server would not start"
        return "refused"
    answers = ask_everything(server)
    assert server.process.poll() is None, (where, "\n".join(server.lines[-40:]))
    for found, right in zip(answers, truth):
        assert found == right or found in ("XX001", "XX002"), (where, found, right)
    server.kill()
    if answers != truth:
        assert checked.returncode == 1, f"{where}: check saw nothing, but statements fail: {answers}"
        return "reported"
    return "served" if checked.returncode == 0 else "reported"


@pytest.mark.parametrize("copy", range(4))
@pytest.mark.parametrize("offset", [0, 5, 9, 17, 30, 4000])
def test_damage_to_one_superblock_copy_is_reported_by_check_and_mended(make_server, sample, copy, offset):
    server = make_server(size="64M", memory="64M")
    with_flips(sample[0], server.disk, copy * PAGE + offset)
    result = server.check()
    assert result.returncode == 1
    assert f"superblock copy {copy}" in result.stdout
    result = server.check()
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("offset", [0, 9, 70, 4000])
def test_damage_to_three_superblock_copies_refuses_the_start(make_server, sample, truth, offset):
    damage = [copy * PAGE + offset for copy in range(3)]
    server = make_server(size="64M", memory="64M")
    with_flips(sample[0], server.disk, *damage)
    before = server.disk.read_bytes()
    assert_refused(serve(server.disk), "superblock")
    assert_refused(run("check", "--disk", server.disk), "superblock")
    assert server.disk.read_bytes() == before, "a disk that was refused was changed"


def test_a_truncated_disk_is_refused(make_server, sample):
    server = make_server(size="64M", memory="64M")
    for length in (len(sample[0]) // 2, PAGE * 3, PAGE + 100, 100):
        server.disk.write_bytes(sample[0][:length])
        result = run("check", "--disk", server.disk)
        assert_refused(result, "truncated", "too small", "superblock", "is empty")


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_byte_in_a_page_in_use_is_never_served(make_server, sample, truth, seed):
    content, _ = sample
    zones = layout(content)
    pages = [page for page in range(zones["data"], zones["data"] + zones["extents"] * 1024)
             if any(content[page * PAGE:(page + 1) * PAGE])]
    source = random.Random(seed)
    page = source.choice(pages)
    offset = page * PAGE + source.randrange(PAGE)
    assert judge(make_server, content, truth, offset) in ("refused", "reported"), f"page {page} is damaged and nobody noticed"


def log_blocks(content: bytes) -> list[int]:
    zones = layout(content)
    return [page for page in range(zones["log"], zones["log"] + zones["log_pages"]) if any(content[page * PAGE:(page + 1) * PAGE])]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """A disk that was not stopped: its log is needed."""
    server = Server(tmp_path_factory.mktemp("crashed"), size="64M", memory="64M")
    server.start()
    with server.connect(autocommit=True) as connection:
        connection.execute("CREATE TABLE one (a int PRIMARY KEY, b text, c numeric)")
        connection.execute("CREATE TABLE long (a int, b text)")
        for batch in range(30):
            connection.execute(f"INSERT INTO one SELECT g, repeat(md5(g::text), 5), g * 1.5 FROM generate_series({batch * 100 + 1}, {batch * 100 + 100}) AS g")
    server.kill()
    content = server.disk.read_bytes()
    server.start()
    truth = ask_everything(server)
    server.kill()
    server.disk.unlink()
    return content, truth


@pytest.mark.parametrize("place", [0.0, 0.3, 0.5, 0.7, 0.9])
def test_a_flipped_byte_in_the_log_that_recovery_needs_is_never_served(make_server, crashed, place):
    content, truth = crashed
    blocks = log_blocks(content)
    assert len(blocks) > 50
    block = blocks[int(place * len(blocks))]
    # What a checkpoint has made superfluous may be damaged without harm; then everything is there.
    judge(make_server, content, truth, block * PAGE + 700)


def test_a_torn_last_block_of_the_log_is_its_end(make_server, crashed):
    content, truth = crashed
    last = max(log_blocks(content), key=lambda page: struct.unpack_from("<Q", content, page * PAGE + 8)[0])
    server = make_server(size="64M", memory="64M")
    with_flips(content, server.disk, last * PAGE + 3000)
    server.start()
    with server.connect(autocommit=True) as connection:
        count = connection.execute("SELECT count(*) FROM one").fetchone()[0]
    assert count in (ROWS, ROWS - 100), "more than the torn flush is missing"
    assert server.stop() == 0
    assert server.check().returncode == 0
