"""Bytes that break the protocol: each gets its SQLSTATE or the end of its own connection, and nobody else notices."""

import random
import socket
import struct
import threading
import time

import pytest

from wire import (CANCEL, GSSENC, SSL, SYNC, VERSION_3_0, Wire, bind, errors, execute, fields, message, parse, query, rows,
                  startup, states)

INT4, TEXT, BOOL, NUMERIC, TIMESTAMP, INT4_ARRAY = 23, 25, 16, 1700, 1114, 1007


@pytest.fixture
def server(shared_server):
    """The file's server, with a neighbour in the middle of a transaction who must be able to finish it."""
    with Wire(shared_server) as neighbour:
        neighbour.ask(query("BEGIN"))
        yield shared_server
        assert rows(neighbour.ask(query("SELECT 41 + 1"))) == [[b"42"]]
        assert states(neighbour.ask(query("COMMIT"))) == []
    assert shared_server.process.poll() is None, "\n".join(shared_server.lines[-40:])


@pytest.fixture
def wire(server):
    with Wire(server) as wire:
        yield wire


def before_log_in(server, *pieces: bytes, then_close: bool = False):
    with Wire(server, log_in=False) as wire:
        wire.send(*pieces)
        if then_close:
            wire.socket.shutdown(socket.SHUT_WR)
        return wire.until_end()


# Before and at start-up

@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    bytes(64),
    b"\xff" * 64,
    struct.pack("!ii", 7, VERSION_3_0),
    struct.pack("!ii", -1, VERSION_3_0),
    struct.pack("!ii", 10_001, VERSION_3_0) + bytes(9_993),
    struct.pack("!ii", 0x7FFFFFFF, VERSION_3_0),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(501),
], ids=["http", "zeros", "ones", "short", "negative", "too long", "huge", "tls"])
def test_garbage_instead_of_a_start_up_packet_is_refused(server, garbage):
    assert states(before_log_in(server, garbage)) == ["08P01"]


@pytest.mark.parametrize("body", [
    b"user\0postgres\0",
    b"user\0postgres",
    b"user",
    b"user\0postgres\0\0rest",
    b"",
], ids=["no last zero", "open value", "open name", "bytes behind", "nothing"])
def test_a_malformed_start_up_packet_is_refused(server, body):
    packet = struct.pack("!ii", 8 + len(body), VERSION_3_0) + body
    assert states(before_log_in(server, packet)) == ["08P01"]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 8, 20])
def test_a_client_that_leaves_within_its_start_up_packet_leaves_nothing(server, count):
    packet = startup(("user", "postgres"), ("database", "postgres"))
    assert before_log_in(server, packet[:count], then_close=True) == []


@pytest.mark.parametrize("version", [0, 2 << 16, 4 << 16, 0x7FFF << 16])
def test_another_major_protocol_version_is_refused(server, version):
    answer = errors(before_log_in(server, startup(("user", "postgres"), version=version)))
    assert [error["C"] for error in answer] == ["0A000"]
    assert "unsupported frontend protocol" in answer[0]["M"]


@pytest.mark.parametrize("version, options", [(VERSION_3_0 + 2, []), (VERSION_3_0 + 9999, ["_pq_.compress"]),
                                              (VERSION_3_0, ["_pq_.one", "_pq_.two"])])
def test_a_newer_minor_version_and_unknown_options_are_negotiated_down(server, version, options):
    with Wire(server, log_in=False) as wire:
        wire.send(startup(("user", "postgres"), ("database", "postgres"), *((name, "on") for name in options),
                          version=version))
        kind, body = wire.next()
        assert kind == "v"
        newest, count = struct.unpack_from("!ii", body)
        assert newest == VERSION_3_0 and count == len(options)
        assert body[8:].split(b"\0")[:-1] == [name.encode() for name in options]
        assert states(wire.until_ready()) == []
        assert rows(wire.ask(query("SELECT 1"))) == [[b"1"]]


def test_encryption_is_declined_and_the_client_may_go_on(server):
    with Wire(server, log_in=False) as wire:
        for code in (GSSENC, SSL):
            wire.send(struct.pack("!ii", 8, code))
            assert wire.exactly(1) == b"N"
        wire.send(startup(("user", "postgres"), ("database", "postgres")))
        assert wire.until_ready()[0][0] == "R"


def test_a_client_that_asks_for_encryption_again_is_turned_away(server):
    with Wire(server, log_in=False) as wire:
        wire.send(struct.pack("!ii", 8, SSL))
        assert wire.exactly(1) == b"N"
        wire.send(struct.pack("!ii", 8, SSL))
        assert states(wire.until_end()) == ["0A000"]


@pytest.mark.parametrize("parameters, state, words", [
    ((), "28000", "no PostgreSQL user name specified in startup packet"),
    ((("database", "postgres"),), "28000", "no PostgreSQL user name specified in startup packet"),
    ((("user", "nobody"), ("database", "postgres")), "28000", 'role "nobody" does not exist'),
    ((("user", "postgres"), ("database", "nowhere")), "3D000", 'database "nowhere" does not exist'),
    ((("user", "postgres"), ("database", "postgres"), ("no_such_setting", "1")), "42704", "no_such_setting"),
    ((("user", "postgres"), ("database", "postgres"), ("datestyle", "upside down")), "22023", "datestyle"),
    ((("user", "postgres"), ("database", "postgres"), ("options", "-c")), "42601", ""),
    ((("user", "postgres"), ("database", "postgres"), ("options", "-c work_mem")), "42601", ""),
    ((("user", "postgres"), ("database", "postgres"), ("client_encoding", "KLINGON")), "22023", "client_encoding"),
    ((("user", "postgres"), ("database", "postgres"), ("replication", "true")), "0A000", ""),
    ((("user", "u" * 5000), ("database", "postgres")), "28000", "does not exist"),
    ((("user", "postgres"), ("database", "d" * 5000)), "3D000", "does not exist"),
])
def test_who_may_not_come_in_is_told_why(server, parameters, state, words):
    answer = errors(before_log_in(server, startup(*parameters)))
    assert [error["C"] for error in answer] == [state]
    assert answer[0]["S"] == "FATAL"
    assert words.lower() in answer[0]["M"].lower()


@pytest.mark.parametrize("name, value", [(b"user", b"\xff\xfe"), (b"database", b"\xc0\x80")])
def test_names_that_are_not_utf8_are_refused(server, name, value):
    given = {b"user": b"postgres", b"database": b"postgres", name: value}
    body = b"".join(key + b"\0" + text + b"\0" for key, text in given.items()) + b"\0"
    assert len(states(before_log_in(server, struct.pack("!ii", 8 + len(body), VERSION_3_0) + body))) == 1


@pytest.mark.parametrize("body", [struct.pack("!ii", 1, 1), struct.pack("!ii", -1, 0), struct.pack("!i", 1), b""])
def test_a_cancel_request_with_a_wrong_key_does_nothing_and_says_nothing(server, body):
    answer = before_log_in(server, struct.pack("!ii", 8 + len(body), CANCEL) + body)
    assert states(answer) in ([], ["08P01"])
    assert len(body) < 8 or answer == []


def test_a_cancel_request_with_another_sessions_key_does_nothing(server):
    def key_data(wire):
        wire.send(startup(("user", "postgres"), ("database", "postgres")))
        return dict(wire.until_ready())["K"]

    with Wire(server, log_in=False) as victim, Wire(server, log_in=False) as other:
        victim_key, other_key = key_data(victim), key_data(other)
        victim.send(query("SELECT count(*) FROM generate_series(1, 20000000)"))
        time.sleep(0.1)
        before_log_in(server, struct.pack("!ii", 16, CANCEL) + victim_key[:4] + other_key[4:])
        assert states(victim.until_ready()) == []
        victim.send(query("SELECT count(*) FROM generate_series(1, 90000000000)"))
        time.sleep(0.1)
        before_log_in(server, struct.pack("!ii", 16, CANCEL) + victim_key)
        assert states(victim.until_ready()) == ["57014"]


# Frames

@pytest.mark.parametrize("frame", [
    b"\0\0\0\0\x04", b"\xff\0\0\0\x04", b"?\0\0\0\x08abcd", b"R\0\0\0\x08\0\0\0\0", b"a\0\0\0\x04",
], ids=["zero", "0xff", "question mark", "a server's", "lower case"])
def test_an_unknown_message_type_ends_the_session(wire, frame):
    wire.send(frame)
    answer = errors(wire.until_end())
    assert [error["C"] for error in answer] == ["08P01"]
    assert answer[0]["S"] == "FATAL" and "invalid frontend message type" in answer[0]["M"]


@pytest.mark.parametrize("kind", "QPBEDCSHXdcfpF")
@pytest.mark.parametrize("length", [-2**31, -1, 0, 3, 2**31 - 1])
def test_a_message_length_that_cannot_be_ends_the_session(wire, kind, length):
    wire.send(kind.encode() + struct.pack("!i", length) + b"padding")
    assert states(wire.until_end()) == ["08P01"]


@pytest.mark.parametrize("kind", "EDCSHcfp")
def test_a_short_kind_of_message_may_not_be_long(wire, kind):
    wire.send(kind.encode() + struct.pack("!i", 10_001))
    assert states(wire.until_end()) == ["08P01"]


def test_a_client_that_leaves_within_a_message_loses_its_transaction_only(server):
    with Wire(server) as keeper:
        keeper.ask(query("CREATE TABLE half (a int)"))
        pieces = query("INSERT INTO half VALUES (1)") + parse("INSERT INTO half VALUES (2)") + bind() + execute() + SYNC
        for cut in range(1, len(pieces), 7):
            with Wire(server) as wire:
                wire.ask(query("BEGIN; INSERT INTO half VALUES (3)"))
                wire.send(pieces[:cut])
        deadline = time.monotonic() + 20
        while rows(keeper.ask(query("SELECT count(*) FROM pg_stat_activity"))) != [[b"2"]] and time.monotonic() < deadline:
            time.sleep(0.02)
        assert rows(keeper.ask(query("SELECT count(*) FROM half"))) == [[b"0"]]
        assert states(keeper.ask(query("DROP TABLE half"))) == []


def test_a_message_in_single_bytes_is_a_message(wire):
    for byte in query("SELECT 'slowly'"):
        wire.send(bytes([byte]))
    assert rows(wire.until_ready()) == [[b"slowly"]]


@pytest.mark.parametrize("body", [
    message("Q", b"SELECT 1"),
    message("Q", b""),
    message("Q", b"SELECT 1\0SELECT 2\0"),
])
def test_a_query_message_with_a_bad_body_fails_alone(wire, body):
    assert states(wire.ask(body)) == ["08P01"]
    assert rows(wire.ask(query("SELECT 1"))) == [[b"1"]]


@pytest.mark.parametrize("frame", [
    message("P", b""), message("P", b"name"), message("P", b"\0SELECT 1"), message("P", b"\0SELECT 1\0"),
    message("P", b"\0SELECT 1\0\0\x02\0\0\0\x17"), message("P", b"\0SELECT 1\0\xff\xff"), message("P", b"\0SELECT 1\0\0\0x"),
    message("B", b""), message("B", b"\0"), message("B", b"\0\0\0"), message("B", b"\0\0\0\x01\0"),
    message("B", b"\0\0\0\0\0\0\xff\xff"), message("B", b"\0\0\0\0\0\0\0\0junk"),
    message("E", b""), message("E", b"\0\0\0"), message("E", b"\0\0\0\0\0\0"),
    message("D", b""), message("D", b"S"), message("D", b"X\0"), message("D", b"P\0\0"),
    message("C", b""), message("C", b"S"), message("C", b"X\0"),
    message("F", b""), message("F", b"\0\0\0\x01"),
], ids=lambda frame: frame.hex())
def test_a_malformed_extended_message_fails_up_to_sync(wire, frame):
    wire.ask(parse("SELECT 1"), bind(), SYNC)
    answer = wire.ask(parse("SELECT 1"), frame, *([] if frame[:1] == b"F" else [bind(), execute(), SYNC]))
    assert len(states(answer)) == 1
    assert states(answer)[0] in ("08P01", "0A000"), errors(answer)
    assert rows(answer) == []
    assert rows(wire.ask(parse("SELECT 7"), bind(), execute(), SYNC)) == [[b"7"]]


def test_a_password_nobody_asked_for_ends_the_session(wire):
    wire.send(message("p", b"secret\0"))
    assert states(wire.until_end()) == ["08P01"]


# Bind

@pytest.mark.parametrize("pieces, state", [
    ([bind()], "08P01"),
    ([bind((b"1",))], "08P01"),
    ([bind((b"1", b"2", b"3"))], "08P01"),
    ([bind((b"1", b"2"), formats=(0, 0, 0))], "08P01"),
    ([bind((b"1", b"2"), formats=(2, 0))], "22023"),
    ([bind((b"1", b"2"), formats=(-1,))], "22023"),
    ([bind((b"1", b"2"), results=(0, 0, 0))], "08P01"),
    ([bind((b"1", b"2"), results=(7,))], "22023"),
    ([bind((b"1", b"2"), statement="missing")], "26000"),
    ([bind((b"x", b"2"))], "22P02"),
    ([bind((b"", b"2"))], "22P02"),
    ([bind((b"2147483648", b"2"))], "22003"),
    ([bind((b"1", b"\xff"))], "22021"),
    ([bind((b"1", b"a\0b"))], "22021"),
    ([execute("missing")], "34000"),
    ([message("D", b"Smissing\0")], "26000"),
    ([message("D", b"Pmissing\0")], "34000"),
    ([bind((b"1", b"2"), portal="p"), bind((b"1", b"2"), portal="p")], "42P03"),
    ([bind((b"1", b"\xff\xff"), formats=(0, 1))], "22021"),
    ([bind((b"1", b"a\0b"), formats=(0, 1))], "22021"),
])
def test_a_bad_bind_execute_or_describe_has_its_state(wire, pieces, state):
    answer = wire.ask(parse("SELECT $1::int, $2::text"), *pieces, execute(), SYNC)
    assert states(answer) == [state], errors(answer)
    answer = wire.ask(parse("SELECT $1::int, $2::text"), bind((b"5", b"x")), execute(), SYNC)
    assert rows(answer) == [[b"5", b"x"]]


def numeric(digit_count: int, weight: int, sign: int, scale: int, *digits: int) -> bytes:
    return struct.pack(f"!hhHH{len(digits)}h", digit_count, weight, sign, scale, *digits)


def array(dimensions: int, flags: int, element: int, *rest: bytes) -> bytes:
    return struct.pack("!iiI", dimensions, flags, element) + b"".join(rest)


@pytest.mark.parametrize("kind, value, state", [
    ("int2", b"\0", "08P01"), ("int4", b"", "08P01"), ("int4", b"\0\0\0", "08P01"), ("int4", b"\0\0\0\0\0", "22P03"),
    ("int8", b"\0\0\0\0", "08P01"), ("float4", b"\0\0", "08P01"), ("float8", b"\0" * 9, "22P03"),
    ("bool", b"", "08P01"), ("bool", b"\1\1", "22P03"), ("date", b"\0", "08P01"), ("date", b"\x7f\xff\xff\xfe", "22008"),
    ("time", struct.pack("!q", -1), "22008"), ("time", struct.pack("!q", 86_400_000_001), "22008"),
    ("timestamp", struct.pack("!q", 2**63 - 2), "22008"), ("timestamptz", struct.pack("!q", -2**63 + 1), "22008"),
    ("interval", b"\0" * 15, "08P01"), ("uuid", b"\0" * 15, "08P01"), ("uuid", b"\0" * 17, "22P03"),
    ("numeric", b"", "08P01"), ("numeric", numeric(1, 0, 0, 0), "08P01"), ("numeric", numeric(-1, 0, 0, 0), "08P01"),
    ("numeric", numeric(1, 0, 0x1234, 0, 5), "22P03"), ("numeric", numeric(1, 0, 0, 0x7FFF, 5), "22P03"),
    ("numeric", numeric(1, 0, 0, 0, 10_000), "22P03"), ("numeric", numeric(1, 0, 0, 0, -1), "22P03"),
    ("numeric", numeric(1, 0, 0, 0, 5) + b"x", "22P03"),
    ("int4[]", b"", "08P01"), ("int4[]", array(7, 0, INT4), "54000"), ("int4[]", array(-1, 0, INT4), "22P03"),
    ("int4[]", array(1, 2, INT4, struct.pack("!ii", 0, 1)), "22P03"),
    ("int4[]", array(1, 0, TEXT, struct.pack("!ii", 0, 1)), "42804"),
    ("int4[]", array(1, 0, INT4, struct.pack("!ii", -1, 1)), "54000"),
    ("int4[]", array(1, 0, INT4, struct.pack("!ii", 0x7FFFFFFF, 1)), "54000"),
    ("int4[]", array(2, 0, INT4, struct.pack("!iiii", 70_000, 1, 70_000, 1)), "54000"),
    ("int4[]", array(1, 0, INT4, struct.pack("!ii", 5, 1)), "08P01"),
    ("int4[]", array(1, 0, INT4, struct.pack("!iii", 1, 1, 100), b"\0\0\0\0"), "22P03"),
    ("int4[]", array(1, 0, INT4, struct.pack("!iii", 1, 1, -5)), "22P03"),
    ("int4[]", array(1, 0, INT4, struct.pack("!ii", 1, 0x7FFFFFFF), struct.pack("!ii", 4, 1)), "54000"),
    ("int4[]", array(1, 0, INT4, struct.pack("!ii", 1, 1), struct.pack("!ii", 4, 1), b"x"), "22P03"),
    ("json", b"{", "22P02"), ("jsonb", b"\x02{}", "XX000"), ("varchar", b"\xc3", "22021"), ("char(3)", b"\xed\xa0\x80", "22021"),
])
def test_an_invalid_binary_value_is_refused(wire, kind, value, state):
    known = states(wire.ask(query(f"SELECT NULL::{kind}"))) == []
    if not known:
        pytest.skip(f"type {kind} does not exist here")
    answer = wire.ask(parse(f"SELECT $1::{kind}"), bind((value,), formats=(1,)), execute(), SYNC)
    assert states(answer) == [state], errors(answer)
    assert rows(wire.ask(query("SELECT 1"))) == [[b"1"]]


def test_random_binary_values_never_hurt(wire):
    source = random.Random(20)
    kinds = ["bool", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "bytea", "date", "time", "timestamp",
             "timestamptz", "interval", "uuid", "int4[]", "text[]", "numeric[]", "oid", "name", "varchar(5)", "json"]
    kinds = [kind for kind in kinds if states(wire.ask(query(f"SELECT NULL::{kind}"))) == []]
    assert len(kinds) > 15
    for kind in kinds:
        for _ in range(60):
            value = source.choice([source.randbytes(source.randrange(40)), bytes(source.randrange(40)),
                                   array(source.randrange(3), 0, source.choice([INT4, TEXT, NUMERIC]),
                                         source.randbytes(source.randrange(30))),
                                   numeric(*(source.randrange(-3, 5) for _ in range(2)), 0, source.randrange(5),
                                           *(source.randrange(10_000) for _ in range(source.randrange(4))))])
            answer = wire.ask(parse(f"SELECT $1::{kind}, $1::{kind}::text"), bind((value,), formats=(1,), results=(1, 0)),
                              execute(), SYNC)
            assert len(states(answer)) + len(rows(answer)) == 1
            assert all(not state.startswith("XX") for state in states(answer)), (kind, value, errors(answer))


# COPY

@pytest.mark.parametrize("frame, state", [
    (message("f", b"had enough\0"), "57014"),
    (message("f", b"no zero"), "08P01"),
    (SYNC + message("H") + message("f", b"later\0"), "57014"),
    (message("d", b"x\n") + message("c"), "22P02"),
    (message("d", b"1\t2\n") + message("c"), "22P04"),
    (message("d", b"\xff\xfe\n") + message("c"), "22021"),
    (message("d", b"1\0\n") + message("c"), "22021"),
])
def test_a_copy_that_goes_wrong_leaves_nothing_and_the_session_lives(wire, frame, state):
    wire.ask(query("CREATE TABLE IF NOT EXISTS copied (a int)"))
    wire.send(query("COPY copied FROM STDIN"))
    while wire.next()[0] != "G":
        pass
    answer = wire.ask(message("d", b"17\n"), frame)
    assert states(answer) == [state], errors(answer)
    assert rows(wire.ask(query("SELECT count(*) FROM copied"))) == [[b"0"]]


def test_a_query_within_a_copy_ends_the_session(wire):
    wire.ask(query("CREATE TABLE IF NOT EXISTS copied (a int)"))
    wire.send(query("COPY copied FROM STDIN"))
    while wire.next()[0] != "G":
        pass
    wire.send(query("SELECT 1"))
    assert states(wire.until_end())[-1] == "08P01"


def test_a_client_that_leaves_within_a_copy_leaves_nothing(server):
    with Wire(server) as keeper:
        keeper.ask(query("CREATE TABLE left_alone (a int)"))
        for _ in range(5):
            with Wire(server) as wire:
                wire.send(query("COPY left_alone FROM STDIN"))
                while wire.next()[0] != "G":
                    pass
                wire.send(message("d", b"1\n" * 5000) + b"d\0\0\xff\xff12")
        assert states(keeper.ask(query("SET lock_timeout = '10s'"))) == []
        assert rows(keeper.ask(query("SELECT count(*) FROM left_alone"))) == [[b"0"]]
        assert states(keeper.ask(query("DROP TABLE left_alone"))) == []


def test_copy_messages_outside_a_copy_are_ignored(wire):
    answer = wire.ask(message("d", b"1\n"), message("c"), message("f", b"\0"), query("SELECT 3"))
    assert rows(answer) == [[b"3"]] and states(answer) == []


# Volume and chance

def test_a_client_that_never_reads_does_not_hold_up_the_others(server):
    with Wire(server) as deaf, Wire(server) as other:
        deaf.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"))
        for _ in range(20):
            assert rows(other.ask(query("SELECT 1"))) == [[b"1"]]


def test_random_messages_never_hurt(server):
    source = random.Random(15)
    for _ in range(60):
        with Wire(server) as wire:
            for _ in range(12):
                kind = source.choice("QPBEDCSHdcfF")
                body = source.choice([source.randbytes(source.randrange(60)), bytes(source.randrange(12)),
                                      b"\0" + source.randbytes(20), b"SELECT $1\0", b"\0SELECT $1, 2\0\0\0"])
                wire.send(message(kind, body))
            wire.send(SYNC, message("X"))
            assert all(not state.startswith("XX") for state in states(wire.until_end()))


def test_random_bytes_never_hurt(server):
    source = random.Random(16)
    for _ in range(100):
        try:
            before_log_in(server, source.randbytes(source.randrange(4, 200)), then_close=True)
        except ConnectionError:
            pass
        with Wire(server) as wire:
            try:
                wire.send(source.randbytes(source.randrange(200)))
                wire.socket.shutdown(socket.SHUT_WR)
                wire.until_end()
            except OSError:
                pass


def test_clients_that_vanish_at_any_time_free_their_place(server):
    def vanish(number):
        for turn in range(8):
            with Wire(server) as wire:
                wire.send(query("BEGIN; SELECT count(*) FROM generate_series(1, 1000000); SELECT 1"))
                if turn % 2:
                    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    threads = [threading.Thread(target=vanish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 20
    with Wire(server) as wire:
        while time.monotonic() < deadline:
            count = int(rows(wire.ask(query("SELECT count(*) FROM pg_stat_activity")))[0][0])
            if count == 2:
                break
            time.sleep(0.05)
    assert count == 2


# Definitions that change between the messages

@pytest.mark.parametrize("text, tag", [
    ("DECLARE c CURSOR FOR SELECT a FROM halfway ORDER BY a", b"DECLARE CURSOR"),
    ("SELECT a FROM halfway ORDER BY a", b"SELECT 2"),
    ("COPY halfway TO STDOUT", b"COPY 2"),
    ("EXPLAIN ANALYZE SELECT a FROM halfway", b"EXPLAIN"),
])
def test_a_definition_that_changes_between_bind_and_execute_does_no_harm(server, wire, text, tag):
    with server.connect(autocommit=True) as other:
        other.execute("CREATE TABLE halfway (a int PRIMARY KEY)")
        other.execute("INSERT INTO halfway VALUES (1), (2)")
        wire.ask(query("BEGIN"))
        wire.send(parse(text), bind(), message("H"))
        while wire.next()[0] != "2":
            pass
        other.execute("CREATE TABLE elsewhere (a int)")
        answer = wire.ask(execute(), SYNC)
        fetched = rows(wire.ask(query("FETCH 5 FROM c"))) if text.startswith("DECLARE") else None
        wire.ask(query("COMMIT"))
        other.execute("DROP TABLE halfway, elsewhere")
    assert ("C", tag + b"\0") in answer, answer
    assert fetched in (None, [[b"1"], [b"2"]])
