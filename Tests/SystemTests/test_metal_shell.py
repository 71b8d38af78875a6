"""The shell on the Ring-0 image's serial line, and on its screen and keyboard."""

import re
import time

import pytest

from test_metal import Machine
from test_metal_faults import monitor, wait_for_line


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


def test_memory_is_taken_from_the_node_of_the_core_that_asks(machine):
    machine.start(append="auth=trust memory=256M", SMP="2", MEM="1G", NUMA="2")

    def free() -> list[int]:
        ask(machine, "numa", "node 1: cores 1; distances 21 10")
        end = time.monotonic() + 30
        while True:
            found = dict(re.findall(r"node (\d): (\d+) MiB free", "\n".join(machine.lines)))
            if len(found) == 2:
                return [int(found["0"]), int(found["1"])]
            assert time.monotonic() < end, machine.lines
            time.sleep(0.1)

    before = free()
    # Connections go to the cores in turn, and each core brings its pages into the cache.
    for name in ("one", "two"):
        machine.psql("-c", f"CREATE TABLE {name} AS SELECT g, repeat('x', 500) FROM generate_series(1, 60000) g")
    after = free()
    assert all(was - now > 10 for was, now in zip(before, after)), (before, after)


def test_a_virtio_console_is_a_terminal_like_the_serial_line(machine):
    machine.start(append="auth=trust console=virtio", CONSOLE="virtio")
    ask(machine, "help", "stop cleanly and switch off")
    # More than the device has buffers for at once.
    ask(machine, "sql", "postgres=#")
    ask(machine, "SELECT g, repeat('x', 60) FROM generate_series(1, 400) g;", "(400 rows)")
    assert sum("xxxx" in line for line in machine.lines) == 400
    ask(machine, "\\q", "dbkernel>")
    ask(machine, "poweroff", "stopping")
    assert machine.wait() == 0


def test_a_console_that_is_not_there_is_said(machine):
    machine.start(append="auth=trust console=virtio,vt100")
    assert any('there is no console "vt100"' in line for line in machine.lines)
    assert any("none of the consoles named" in line for line in machine.lines)
    ask(machine, "help", "stop cleanly and switch off")


KEYS = {" ": "spc", "\n": "ret", ";": "semicolon", "(": "shift-9", ")": "shift-0", "*": "shift-8", "_": "shift-minus"}


def type_keys(machine: Machine, text: str) -> None:
    for character in text:
        key = KEYS.get(character) or (f"shift-{character.lower()}" if character.isupper() else character)
        monitor(machine, f"sendkey {key} 20")
        time.sleep(0.05)


def screen(machine: Machine) -> list[str]:
    """The rows of the VGA window that hold something: those on display, and above them those that have left it."""
    file = machine.disk.with_name("screen")
    monitor(machine, f'pmemsave 0xb8000 32768 "{file}"')
    cells = file.read_bytes()[::2].decode("cp437")
    rows = [cells[at:at + 80].rstrip(" \0") for at in range(0, len(cells), 80)]
    return [row for row in rows if row]


def wait_for_row(machine: Machine, text: str) -> None:
    end = time.monotonic() + 60
    while not any(text in row for row in screen(machine)):
        assert time.monotonic() < end, f"no row with '{text}':\n" + "\n".join(screen(machine))
        time.sleep(0.2)


def test_the_screen_shows_what_the_serial_line_says_and_the_keyboard_is_heard(machine):
    machine.start(SCREEN="none")
    wait_for_row(machine, "ready: ")
    type_keys(machine, "help\n")
    wait_for_row(machine, "stop cleanly and switch off")
    type_keys(machine, "sql\n")
    wait_for_row(machine, "postgres=#")
    type_keys(machine, "SELECT count(*) FROM pg_database;\n")
    wait_for_row(machine, "(1 row)")
    # More rows than the window has, so that they begin again at its start.
    machine.process.stdin.write("SELECT 'row ' || i AS scrolled FROM generate_series(1, 250) i;\r")
    machine.process.stdin.flush()
    wait_for_row(machine, "(250 rows)")
    assert any("row 250" in row for row in screen(machine))
    type_keys(machine, "SELECT 42")
    # Left twice, and a digit before the others.
    monitor(machine, "sendkey left 20")
    monitor(machine, "sendkey left 20")
    type_keys(machine, "7;\n")
    wait_for_line(machine, "742")
    wait_for_row(machine, "742")
