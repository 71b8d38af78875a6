"""Connecting by Unix-domain socket, as psql does where -h names a directory."""

import os
import pathlib
import socket

import psycopg


def listening(make_server, folder: pathlib.Path, **options):
    server = make_server(extra=("--socket-directory", str(folder)), **options).start()
    return server, folder / f".s.PGSQL.{server.port}"


def answer(server, folder: pathlib.Path) -> int:
    dsn = f"host={folder} port={server.port} user=postgres dbname=postgres"
    with psycopg.connect(dsn, connect_timeout=20) as connection:
        return connection.execute("SELECT 42").fetchone()[0]


def test_clients_connect_by_socket_and_by_tcp_and_a_clean_stop_removes_the_socket(make_server, tmp_path):
    server, path = listening(make_server, tmp_path)
    assert answer(server, tmp_path) == 42
    assert server.psql("SELECT 1").returncode == 0
    large = "x" * 3_000_000
    with psycopg.connect(f"host={tmp_path} port={server.port} user=postgres dbname=postgres") as connection:
        assert connection.execute("SELECT %s || 'y'", (large,)).fetchone()[0] == large + "y"
    assert server.stop() == 0
    assert not path.exists()


def test_what_a_killed_server_leaves_behind_is_taken_over(make_server, tmp_path):
    server, path = listening(make_server, tmp_path)
    server.kill()
    assert path.exists()
    port = server.port
    server.command = lambda plain=server.command: [
        f"127.0.0.1:{port}" if part == "127.0.0.1:0" else part for part in plain()]
    server.start()
    assert answer(server, tmp_path) == 42


def test_neither_another_servers_socket_nor_a_file_is_taken(make_server, tmp_path):
    for occupy in (bind, write):
        server = make_server(extra=("--socket-directory", str(tmp_path)))
        port = free_port()
        server.command = lambda plain=server.command: [
            f"127.0.0.1:{port}" if part == "127.0.0.1:0" else part for part in plain()]
        path = tmp_path / f".s.PGSQL.{port}"
        occupant = occupy(path)
        try:
            server.start()
        except AssertionError as error:
            assert "is in use" in str(error) and "55006" in str(error), error
        else:
            raise AssertionError("the server started")
        assert path.exists()
        del occupant


def bind(path: pathlib.Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def write(path: pathlib.Path) -> None:
    path.write_text("somebody's file")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_directory_that_is_not_there_is_named(make_server, tmp_path):
    server = make_server(extra=("--socket-directory", os.path.join(tmp_path, "nowhere")))
    try:
        server.start()
    except AssertionError as error:
        assert "could not listen on" in str(error) and "No such file or directory" in str(error), error
    else:
        raise AssertionError("the server started")
