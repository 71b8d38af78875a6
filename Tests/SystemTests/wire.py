"""The PostgreSQL protocol by hand, for what no proper client would ever send."""

import socket
import struct

VERSION_3_0 = 3 << 16
CANCEL, SSL, GSSENC = 80877102, 80877103, 80877104


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!i", 4 + len(body)) + body


def startup(*parameters: tuple, version: int = VERSION_3_0) -> bytes:
    body = struct.pack("!i", version)
    for name, value in parameters:
        body += name.encode() + b"\0" + value.encode() + b"\0"
    body += b"\0"
    return struct.pack("!i", 4 + len(body)) + body


def query(text) -> bytes:
    return message("Q", (text if isinstance(text, bytes) else text.encode()) + b"\0")


def parse(text, name: str = "", types: tuple = ()) -> bytes:
    text = text if isinstance(text, bytes) else text.encode()
    return message("P", name.encode() + b"\0" + text + b"\0" + struct.pack(f"!H{len(types)}I", len(types), *types))


def bind(values: tuple = (), formats: tuple = (), results: tuple = (), portal: str = "", statement: str = "") -> bytes:
    body = portal.encode() + b"\0" + statement.encode() + b"\0"
    body += struct.pack(f"!H{len(formats)}h", len(formats), *formats) + struct.pack("!H", len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return message("B", body + struct.pack(f"!H{len(results)}h", len(results), *results))


def execute(portal: str = "", limit: int = 0) -> bytes:
    return message("E", portal.encode() + b"\0" + struct.pack("!i", limit))


SYNC = message("S")


class Ended(Exception):
    """The server has closed the connection."""


class Wire:
    """One TCP connection. `received` are the messages so far, as (type, body)."""

    def __init__(self, server, log_in: bool = True, database: str = "postgres"):
        self.socket = socket.create_connection((server.host, server.port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if log_in:
            self.send(startup(("user", "postgres"), ("database", database)))
            self.until_ready()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *pieces: bytes):
        self.socket.sendall(b"".join(pieces))

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Ended
            self.buffer += piece
        result, self.buffer = self.buffer[:count], self.buffer[count:]
        return result

    def next(self) -> tuple[str, bytes]:
        kind, length = struct.unpack("!ci", self.exactly(5))
        return kind.decode(), self.exactly(length - 4)

    def until_ready(self) -> list[tuple[str, bytes]]:
        messages = []
        while not messages or messages[-1][0] != "Z":
            messages.append(self.next())
        return messages

    def until_end(self) -> list[tuple[str, bytes]]:
        """Everything up to the end of the connection, which the server must bring about."""
        messages = []
        try:
            while True:
                messages.append(self.next())
        except Ended:
            assert self.buffer == b"", f"the connection ended inside a message: {self.buffer[:50]!r}"
            return messages

    def ask(self, *pieces: bytes) -> list[tuple[str, bytes]]:
        self.send(*pieces)
        return self.until_ready()


def fields(body: bytes) -> dict[str, str]:
    """Fields of an ErrorResponse or NoticeResponse by their letter."""
    return {field[:1].decode(): field[1:].decode() for field in body.split(b"\0") if field}


def errors(messages) -> list[dict[str, str]]:
    return [fields(body) for kind, body in messages if kind == "E"]


def states(messages) -> list[str]:
    return [error["C"] for error in errors(messages)]


def rows(messages) -> list[list[bytes | None]]:
    result = []
    for kind, body in messages:
        if kind != "D":
            continue
        row, offset = [], 2
        for _ in range(struct.unpack_from("!H", body)[0]):
            length = struct.unpack_from("!i", body, offset)[0]
            offset += 4
            row.append(None if length < 0 else body[offset:offset + length])
            offset += max(length, 0)
        result.append(row)
    return result
