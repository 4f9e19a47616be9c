"""Slow heads, giant heads and silence: each is refused in time, and nobody else notices."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.support.bystander import bystander
from tests.support.process import Process, eventually, progress_serve
from tests.support.proxy import Fault, proxy_to
from tests.support.sse import Parser
from tests.support.websocket import handshake
from tests.support.wire import Connection, Response, request

PATIENCE = 0.6
"""Seconds for a head."""
TARDINESS = 1.5
"""Seconds until that is noticed, at most; a busy machine needs some of them."""
TICK = 0.05
"""Seconds that the clock of an event loop may be behind."""
HEAD = 4_096
"""Bytes of one."""
FRAMING = 64
"""Bytes of a head that are neither its target nor its fields: they need not be counted."""

FIELD = 20
"""Bytes of a header field where there are many."""
SOCKETS = 15_000_000
"""More than the buffers of two sockets hold."""
MEMORY = 10_000_000
"""Bytes that a process may grow by for some other reason."""

HEALTH = request("/healthz")


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    settings = [f"timing.head={PATIENCE}", f"limits.head={HEAD}", "timing.heartbeat=0.45"]
    options = [option for setting in settings for option in ("--set", setting)]
    with progress_serve("tests.support.app:app", "--log-level", "warning", *options) as process:
        yield process
        assert set(process.stderr.splitlines()) <= {"WARNING:  Invalid HTTP request received."}


@pytest.fixture(autouse=True)
def unnoticed(server: Process) -> Iterator[None]:
    """Whatever happens beside it, a healthy subscriber gets its events, and nothing is left."""
    descriptors = psutil.Process(server.pid).num_fds
    before = descriptors()
    with bystander(server.port):
        yield
    eventually(lambda: descriptors() <= before)


def check_in_time(began: float) -> None:
    """It was not before the deadline, and soon after it."""
    assert PATIENCE - TICK <= time.monotonic() - began < PATIENCE + TARDINESS


def check_refused(connection: Connection, status: int, begun: bytes = b"") -> None:
    """It is told why, and its connection ends; `begun` is of the body, and has been read."""
    problem = json.loads(begun + connection.read())
    assert problem["detail"].startswith("send ")
    assert connection.response.status == problem["status"] == status
    assert connection.response.headers["connection"] == "close"
    assert connection.response.complete
    assert connection.response.rest + connection.socket.recv(1) == b""


def check_served(connection: Connection) -> bytes:
    """The next response on it is a good one; return what has been read of the one behind it."""
    connection.read()
    assert connection.response.complete
    assert connection.response.status == 200
    rest, connection.response = connection.response.rest, Response()
    return connection.response.feed(rest)


def check_silent(connection: Connection, seconds: float) -> None:
    """Nothing comes, and it does not end."""
    timeout = connection.socket.gettimeout()
    connection.socket.settimeout(seconds)
    with pytest.raises(TimeoutError):
        connection.socket.recv(1)
    connection.socket.settimeout(timeout)


@pytest.mark.parametrize(
    "begun",
    [
        HEALTH[:1],
        HEALTH.partition(b"\r\n")[0],
        HEALTH[:-2],
        HEALTH[:-1],
        handshake()[:-2],
        request("/events")[:-2],
    ],
    ids=["a byte", "a request line", "all lines", "all but LF", "a handshake", "a stream"],
)
def test_a_head_without_an_end(server: Process, begun: bytes) -> None:
    began = time.monotonic()
    with Connection(server.port, begun) as connection:
        check_refused(connection, 408)
    check_in_time(began)


def test_the_deadline_is_counted_from_the_first_byte(server: Process) -> None:
    with proxy_to(server.port) as proxy:
        proxy.up = Fault(slice=1, delay=PATIENCE / 10)
        began = time.monotonic()
        with Connection(proxy.port, HEALTH) as connection:
            check_refused(connection, 408)
        check_in_time(began)


def test_the_second_head_has_its_deadline_too(server: Process) -> None:
    with Connection(server.port, HEALTH) as connection:
        check_served(connection)
        began = time.monotonic()
        connection.socket.sendall(HEALTH[:-2])
        check_refused(connection, 408)
        check_in_time(began)


def test_the_second_head_may_come_late(server: Process) -> None:
    """The time between two requests is none of a head's."""
    with Connection(server.port, HEALTH) as connection:
        check_served(connection)
        check_silent(connection, PATIENCE + TARDINESS / 2)
        connection.socket.sendall(HEALTH)
        check_served(connection)


def test_a_head_that_has_begun_behind_a_whole_request(server: Process) -> None:
    with Connection(server.port, HEALTH + HEALTH[:-2]) as connection:
        check_served(connection)
        check_refused(connection, 408)


def test_a_head_that_has_begun_behind_a_request_that_waits(server: Process) -> None:
    """The answers come in the order of the requests."""
    body = b'{"kind":"count","params":{"to":1,"interval":2}}'
    slow = request("/operations", {"Prefer": "wait=5"}, method="POST", body=body)
    with Connection(server.port, slow + HEALTH[:-2]) as connection:
        check_refused(connection, 408, check_served(connection))


def test_a_head_that_begins_where_the_one_before_ends(server: Process) -> None:
    with Connection(server.port, HEALTH[:20]) as connection:
        connection.socket.sendall(HEALTH[20:] + HEALTH[:-2])
        check_served(connection)
        check_refused(connection, 408)


def test_empty_lines_are_silence(server: Process) -> None:
    """RFC 9112 §2.2: they are passed over. What waits for a request goes on waiting."""
    with Connection(server.port, HEALTH) as connection:
        check_served(connection)
        connection.socket.sendall(b"\r\n")
        began = time.monotonic()
        assert connection.socket.recv(1) == b""
        check_in_time(began)


def test_a_body_may_take_its_time(server: Process) -> None:
    body = b'{"kind":"count","params":{},"labels":{}}'
    data = request("/operations", method="POST", body=body)
    with Connection(server.port, data[: -len(body)]) as connection:
        check_silent(connection, PATIENCE + TARDINESS / 2)
        connection.socket.sendall(body)
        connection.read()
        assert connection.response.status == 202


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_head_that_has_begun_behind_a_stream_is_not_answered_into_it(
    server: Process, version: str
) -> None:
    parser = Parser()
    data = request("/events?kind=wait", version=version) + HEALTH[:-2]
    with Connection(server.port, data) as connection:
        pings = 0
        for data in connection.body():
            pings += sum(event.type == "ping" for event in parser.feed(data))
            if pings == 5:
                break
    assert pings == 5


def test_silence_ends_a_connection(server: Process) -> None:
    began = time.monotonic()
    with Connection(server.port, b"") as connection:
        assert connection.socket.recv(1) == b""
    check_in_time(began)


def head(size: int, shape: str, path: str = "/healthz") -> bytes:
    """A request's head of so many bytes."""
    plain = handshake() if path == "/ws" else request(path)
    room = size - len(plain)
    match shape:
        case "target":
            return plain.replace(path.encode(), f"{path}?{'a' * (room - 1)}".encode(), 1)
        case "field":
            return plain[:-2] + field(room) + b"\r\n"
        case _:
            many = room // FIELD - 1
            return plain[:-2] + field(room - many * FIELD) + many * field(FIELD) + b"\r\n"


def field(size: int) -> bytes:
    """A header field of so many bytes."""
    return b"x: " + b"a" * (size - 5) + b"\r\n"


def send(port: int, data: bytes, piece: int) -> Connection:
    """Connect, and send that in segments of so many bytes; what may be too much is in the last."""
    connection = Connection(port, b"")
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    rest = len(data) - 3 * FRAMING if piece < len(data) else 0
    for start in range(0, rest, piece):
        connection.socket.sendall(data[start : min(start + piece, rest)])
    connection.socket.sendall(data[rest:])
    return connection


anyhow = pytest.mark.parametrize("piece", [10 * HEAD, 100], ids=["at once", "in pieces"])
of_any_shape = pytest.mark.parametrize("shape", ["target", "field", "fields"])


@anyhow
@of_any_shape
def test_a_head_as_large_as_it_may_be(server: Process, shape: str, piece: int) -> None:
    with send(server.port, head(HEAD, shape), piece) as connection:
        check_served(connection)


@anyhow
@of_any_shape
@pytest.mark.parametrize("path", ["/healthz", "/events", "/ws"])
def test_a_giant_head(server: Process, path: str, shape: str, piece: int) -> None:
    with send(server.port, head(HEAD + FRAMING, shape, path), piece) as connection:
        check_refused(connection, 431)


@anyhow
def test_a_giant_second_head(server: Process, piece: int) -> None:
    with Connection(server.port, HEALTH) as connection:
        check_served(connection)
    # In the same segment as the first, too.
    with send(server.port, HEALTH + head(HEAD + FRAMING, "fields"), piece) as connection:
        check_refused(connection, 431, check_served(connection))


def test_a_head_in_pieces_behind_another(server: Process) -> None:
    """In the segment of the first, and in one of its own: each head is counted by itself."""
    large = head(HEAD * 3 // 4, "fields")
    with Connection(server.port, large + large[: HEAD // 2]) as connection:
        check_served(connection)
        connection.socket.sendall(large[HEAD // 2 :])
        check_served(connection)


def test_a_giant_head_that_goes_on(server: Process) -> None:
    """It is not read to its end, and may be ended before it is told."""
    before = psutil.Process(server.pid).memory_info().rss
    sent = pour(server.port, HEALTH[:-2], field(1_000))
    assert sent < SOCKETS
    assert psutil.Process(server.pid).memory_info().rss - before < MEMORY


@pytest.mark.parametrize(
    ("begun", "piece"),
    [(b"2\r\n{}\r\n0\r\n", field(1_000)), (b"2;x=", b"a" * 1_000)],
    ids=["trailers", "a chunk's extension"],
)
def test_what_goes_on_beside_a_body(server: Process, begun: bytes, piece: bytes) -> None:
    """It is no body, and as large as a head at most (RFC 9112 §7.1.1, §7.1.2)."""
    before = psutil.Process(server.pid).memory_info().rss
    fields = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    sent = pour(server.port, request("/operations", fields, method="POST") + begun, piece)
    assert sent < SOCKETS
    assert psutil.Process(server.pid).memory_info().rss - before < MEMORY


def pour(port: int, opening: bytes, piece: bytes) -> int:
    """Send the piece again and again, until the connection ends; return how many bytes it took."""
    sent = 0
    with Connection(port, opening) as connection, suppress(ConnectionError):
        while sent < 2 * SOCKETS:
            connection.socket.sendall(50 * piece)
            sent += 50 * len(piece)
    return sent


def test_a_body_is_no_head(server: Process) -> None:
    body = b'{"kind":"count","params":{},"labels":{}}'.ljust(3 * HEAD)
    with Connection(server.port, request("/operations", method="POST", body=body)) as connection:
        connection.read()
        assert connection.response.status == 202


def test_heads_of_many_requests_in_one_segment(server: Process) -> None:
    """Each is small."""
    count = 2 * HEAD // len(HEALTH)
    with Connection(server.port, count * HEALTH) as connection:
        content = b""
        while content.count(b"HTTP/1.1 200 OK\r\n") < count:
            data = connection.socket.recv(65_536)
            assert data, content[-200:]
            content += data
