"""HTTP/1.1 by hand over plain sockets: to cut, stall, reset and half-close at any byte."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

TIMEOUT = 8.0  # seconds a socket may stay silent; less than a test may take


class Response:
    """One response, parsed from bytes that come in any pieces. It knows no socket."""

    def __init__(self, method: str = "GET") -> None:
        self.status = 0
        self.version = ""
        self.headers: dict[str, str] = {}
        self.interims: list[tuple[int, dict[str, str]]] = []
        """Statuses and fields of the responses before this one (RFC 9110 §15.2)."""
        self.complete = False
        """Its end was seen, as its framing says it."""
        self.rest = b""
        """What has not been made sense of yet; once complete, what follows it."""
        self._method = method
        self._left = -1  # of the body or of the present chunk; -1: until the connection ends
        self._chunked = False

    def feed(self, data: bytes) -> bytes:
        """Take bytes off the wire; return those of the body."""
        self.rest += data
        while not self.status:
            if not self._head():
                return b""
        body = b""
        while self.rest and not self.complete:
            if self._chunked and self._left <= 0:
                if not self._next_chunk():
                    break
                continue
            taken = self.rest if self._left < 0 else self.rest[: self._left]
            self.rest = self.rest[len(taken) :]
            body += taken
            if self._left > 0:
                self._left -= len(taken)
                self.complete = not self._left and not self._chunked
        return body

    def _head(self) -> bool:
        """Read one head, of an interim perhaps; False if it is not all there."""
        head, end, rest = self.rest.partition(b"\r\n\r\n")
        if not end:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        self.version, status, *_ = first.split(" ", 2)
        self.status = int(status)
        fields = (line.partition(":") for line in lines)
        self.headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        self.rest = rest
        if 100 <= self.status < 200 and self.status != 101:
            self.interims.append((self.status, self.headers))
            self.status = 0
            return True
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        if self._method == "HEAD" or self.status in (204, 304):
            self.complete = True
        elif self._chunked:
            self._left = 0
        elif "content-length" in self.headers:
            self._left = int(self.headers["content-length"])
            self.complete = not self._left
        return True

    def _next_chunk(self) -> bool:
        """Read a chunk's size, and before it the end of the last one (RFC 9112 §7.1)."""
        start = self.rest.removeprefix(b"\r\n")
        size, end, rest = start.partition(b"\r\n")
        if not end or not size:
            return False
        self._left = int(size, 16)
        if not self._left:
            if not rest.startswith(b"\r\n"):
                self._left = 0
                return False
            self.complete, rest = True, rest[2:]
        self.rest = rest
        return True


def request(
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    version: str = "1.1",
    body: bytes = b"",
) -> bytes:
    """The bytes of a request."""
    fields = {"Host": "localhost", **(headers or {})}
    if body:
        fields |= {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    lines = [f"{method} {path} HTTP/{version}", *(f"{n}: {v}" for n, v in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class Connection:
    """A connection that has sent one request."""

    def __init__(self, port: int, data: bytes, *, receive_buffer: int | None = None) -> None:
        """`receive_buffer` bytes are what the kernel takes for a client that does not read."""
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        try:
            self.socket.connect(("127.0.0.1", port))
            self.socket.sendall(data)
        except OSError:
            self.socket.close()
            raise
        self.response = Response(data.split(b" ", 1)[0].decode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.socket.close()

    def body(self) -> Iterator[bytes]:
        """The body as it comes; ends with the response, or with the connection."""
        while not self.response.complete:
            data = self.socket.recv(65_536)
            if not data:
                return
            if body := self.response.feed(data):
                yield body

    def read(self) -> bytes:
        """All that is left of the body."""
        return b"".join(self.body())

    def opened(self) -> Self:
        """Read until the first bytes of the body are there, and drop them."""
        next(self.body())
        return self

    def reset(self) -> None:
        """Leave without a goodbye: RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Answer:
    """A complete answer."""

    def __init__(self, response: Response, content: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.content = content

    @property
    def json(self) -> Any:
        """The body's JSON."""
        return json.loads(self.content)


def ask(
    port: int, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET"
) -> Answer:
    """Make one request without a body."""
    with Connection(port, request(path, headers, method=method)) as connection:
        content = connection.read()
        assert connection.response.complete
        return Answer(connection.response, content)


def start(port: int, kind: str, labels: Mapping[str, str] | None = None, **params: object) -> Any:
    """Start an operation; return its snapshot."""
    answer = post(port, kind, labels, **params)
    assert answer.status == 202, answer.content
    return answer.json


def post(port: int, kind: str, labels: Mapping[str, str] | None = None, **params: object) -> Answer:
    """Ask for an operation."""
    body = json.dumps({"kind": kind, "params": params, "labels": labels or {}}).encode()
    with Connection(port, request("/operations", method="POST", body=body)) as connection:
        return Answer(connection.response, connection.read())


def snapshot(port: int, id: str) -> Any:
    """The server's snapshot of an operation, without the links of HTTP answers."""
    found = ask(port, f"/operations/{id}").json
    del found["links"]
    return found
