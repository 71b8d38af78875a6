"""The shell on the terminal that `serve` was started from, through a pseudo-terminal."""

import os
import pty
import re
import select
import subprocess
import time

import pytest

from conftest import EXECUTABLE


class Terminal:
    def __init__(self, disk):
        self.seen = ""
        self.master, slave = pty.openpty()
        # A session of its own, whose terminal this is: as a login shell would have it.
        self.process = subprocess.Popen(
            [EXECUTABLE, "serve", "--disk", str(disk), "--disk-size", "1G", "--listen", "127.0.0.1:0", "--memory", "128M"],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0))
        os.close(slave)
        self.expect("dbkernel> ")

    def expect(self, text: str, seconds: float = 60) -> str:
        """Waits for `text` beyond what was seen before; returns all until there."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            if not select.select([self.master], [], [], 0.2)[0]:
                assert time.monotonic() < end, f"no '{text}' in: {self.seen!r}"
                continue
            # Redrawing is the line editor's business, and tested there.
            self.seen += re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", os.read(self.master, 65536).decode())
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def run(self, line: str, prompt: str) -> str:
        self.type(line + "\r")
        return self.expect("\r" + prompt)


@pytest.fixture
def terminal(tmp_path):
    terminal = Terminal(tmp_path / "shell.disk")
    yield terminal
    if terminal.process.poll() is None:
        terminal.process.kill()
    terminal.process.wait()
    os.close(terminal.master)


def test_sql_is_typed_and_answered_like_in_psql(terminal):
    terminal.run("sql", "postgres=# ")
    terminal.run("CREATE TABLE t (id int PRIMARY KEY, w text);", "postgres=# ")
    terminal.run("INSERT INTO t VALUES (1, 'a;b'),", "postgres-# ")
    assert "INSERT 0 2" in terminal.run("(2, NULL);", "postgres=# ")
    answer = terminal.run("SELECT * FROM t ORDER BY id;", "postgres=# ")
    assert [line.rstrip() for line in answer.splitlines()[-5:]] == [
        " id |  w", "----+-----", "  1 | a;b", "  2 |", "(2 rows)"]
    assert "ERROR:  division by zero" in terminal.run("SELECT 1/0;", "postgres=# ")
    terminal.run("BEGIN;", "postgres=*# ")
    assert 'relation "nothing" does not exist' in terminal.run("SELECT * FROM nothing;", "postgres=!# ")
    terminal.run("ROLLBACK;", "postgres=# ")
    terminal.type("COPY t FROM STDIN;\r")
    terminal.expect("by itself.")
    terminal.type("3\tc\r\\.\r")
    assert "COPY 1" in terminal.expect("\rpostgres=# ")
    terminal.run("\\q", "dbkernel> ")
    assert 'database "none" does not exist' in terminal.run("sql none", "dbkernel> ")


def test_commands_answer_and_unknown_ones_say_so(terminal):
    for command, text in [
            ("help", "poweroff"), ("io", "write-back"), ("log", "durable"), ("numa", "node 0: cores"),
            ("nope", "no such command"), ("reboot", "this is a process")]:
        assert text in terminal.run(command, "dbkernel> ")
    terminal.type("top\r")
    terminal.expect("statements 0/s")
    terminal.type("q")
    terminal.expect("\rdbkernel> ")


@pytest.mark.parametrize("how", ["poweroff", "signal", "hangup"])
def test_the_shell_ends_with_the_server_even_in_the_middle_of_a_transaction(terminal, how):
    terminal.run("sql", "postgres=# ")
    terminal.run("BEGIN;", "postgres=*# ")
    terminal.run("CREATE TABLE gone (id int);", "postgres=*# ")
    if how == "poweroff":
        terminal.run("\\q", "dbkernel> ")
        terminal.type("poweroff\r")
    elif how == "signal":
        terminal.type("SELECT pg_sleep(100);\r\x03")
    else:
        os.close(terminal.master)
        terminal.master = os.open("/dev/null", os.O_RDONLY)
    assert terminal.process.wait(timeout=60) == 0
