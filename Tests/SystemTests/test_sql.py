"""The SQL slice, statement by statement: every script under sql/ against what PostgreSQL 15 prints for it.

The expected files were made by running the scripts through psql against PostgreSQL 15 (`record` below), never against the
server under test.
"""

import os
import pathlib
import subprocess
import sys

import pytest

SCRIPTS = sorted((pathlib.Path(__file__).parent / "sql").glob("*.sql"))
POSTGRES_BIN = "/usr/lib/postgresql/15/bin"


def run(script: pathlib.Path, host: str, port: int) -> str:
    """What psql prints for the script in a database of its own, errors with their SQLSTATE and without source lines."""
    environment = dict(os.environ, PGHOST=host, PGPORT=str(port), PGUSER="postgres", PGDATABASE="postgres", PGTZ="UTC",
                       LC_ALL="C.UTF-8", PGCLIENTENCODING="UTF8")
    database = "sql_" + script.stem

    def psql(*arguments: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run([f"{POSTGRES_BIN}/psql", "-X", *arguments], env=environment, text=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)

    created = psql("-c", f"DROP DATABASE IF EXISTS {database}", "-c", f"CREATE DATABASE {database}")
    assert created.returncode == 0, created.stdout
    output = psql("-a", "-v", "VERBOSITY=verbose", "-d", database, input=script.read_text()).stdout
    return "".join(line for line in output.splitlines(keepends=True) if not line.startswith("LOCATION: "))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_answers_are_those_of_postgresql(script, shared_server):
    assert run(script, shared_server.host, shared_server.port).splitlines() == \
        script.with_suffix(".out").read_text().splitlines()


def record(host: str, port: str) -> None:
    """Writes the expected files from a PostgreSQL 15: python test_sql.py HOST PORT (initdb --locale=C.UTF-8)."""
    for script in SCRIPTS:
        script.with_suffix(".out").write_text(run(script, host, int(port)))


if __name__ == "__main__":
    record(*sys.argv[1:3])
