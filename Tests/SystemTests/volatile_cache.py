"""The loss of power that goes with volatile_cache.c."""

import os
import pathlib
import random
import struct
import subprocess

SECTOR = 512
HEADER = struct.Struct("=QQQ")
CACHED, DURABLE, FLUSHED = 0, 1, 2


def build(folder: pathlib.Path) -> pathlib.Path:
    """The library to preload."""
    library = folder / "volatile_cache.so"
    source = pathlib.Path(__file__).with_name("volatile_cache.c")
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def records(data: bytes):
    """Where each begins, its offset, byte count and kind, and what was there before."""
    at = 0
    while at + HEADER.size <= len(data):
        begin = at
        offset, count, kind = HEADER.unpack_from(data, at)
        at += HEADER.size
        before = data[at:at + count] if kind == CACHED else b""
        at += len(before)
        if kind == CACHED and len(before) < count:
            return  # the process was killed before the write
        yield begin, offset, count, kind, before


def lose_power(disk: pathlib.Path, journal: pathlib.Path, chance: random.Random) -> tuple[int, int]:
    """Keeps, drops or tears each write that no flush has covered; how many there were, and how many were not kept."""
    data = journal.read_bytes() if journal.exists() else b""
    flushed = max((offset for _, offset, _, kind, _ in records(data) if kind == FLUSHED), default=0)
    # Of each sector, since it was last durable: the writes that have hit it, and what each of them replaced.
    history: dict[int, list[tuple[int, bytes]]] = {}
    writes = 0
    for begin, offset, count, kind, before in records(data):
        sectors = range(offset // SECTOR, (offset + count) // SECTOR)
        if kind == DURABLE:
            for sector in sectors:
                history.pop(sector, None)
        elif kind == CACHED and begin >= flushed:
            for index, sector in enumerate(sectors):
                history.setdefault(sector, []).append((writes, before[index * SECTOR:(index + 1) * SECTOR]))
            writes += 1
    fates = [chance.choice(["kept", "kept", "dropped", "torn"]) for _ in range(writes)]
    with open(disk, "r+b") as file:
        for sector, changes in history.items():
            # What the last write left that is kept was replaced by the one after it.
            wanted = changes[0][1]
            for index, (number, _) in enumerate(changes):
                if fates[number] == "kept" or fates[number] == "torn" and chance.random() < 0.5:
                    wanted = changes[index + 1][1] if index + 1 < len(changes) else None
            if wanted is not None:
                file.seek(sector * SECTOR)
                file.write(wanted)
    journal.unlink(missing_ok=True)
    return writes, sum(fate != "kept" for fate in fates)


def environment(library: pathlib.Path, disk: pathlib.Path, journal: pathlib.Path, lies: bool) -> dict[str, str]:
    values = dict(os.environ, LD_PRELOAD=str(library), VOLATILE_DISK=str(disk), VOLATILE_JOURNAL=str(journal))
    if lies:
        values["VOLATILE_LIES"] = "1"
    return values
