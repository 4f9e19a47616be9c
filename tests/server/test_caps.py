"""Too many connections, in all or of one address: who comes late is told so, who is there stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from progress.core.frames import Bye, decode
from tests.support.bystander import bystander
from tests.support.process import Process, eventually, progress_serve
from tests.support.sse import Parser
from tests.support.websocket import handshake
from tests.support.wire import Connection, request

APP = "tests.support.app:app"
CAP = 6
"""Connections, of which the bystander has one."""

HEALTH = request("/healthz")
STREAM = request("/events?kind=wait", {"Accept": "text/event-stream"})
START = request("/operations", method="POST", body=b'{"kind":"count","params":{},"labels":{}}')

HOLDS = {"silent": b"", "kept alive": HEALTH, "sse": STREAM, "websocket": handshake()}
"""What somebody sends who then stays."""

REFUSED = {"a request": HEALTH, "a start": START, "a handshake": handshake()}

A, B, C = "203.0.113.1", "203.0.113.2", "2001:db8::1"


def serving(*options: str) -> Iterator[Process]:
    """Run a server that says nothing but its line, and whose healthy subscriber is not bothered."""
    with progress_serve(APP, "--log-level", "warning", *options) as process:
        with bystander(process.port):
            yield process
        assert process.stderr == ""


@pytest.fixture
def server() -> Iterator[Process]:
    yield from serving("--set", f"limits.connections={CAP}")


def arrive(stack: ExitStack, port: int, data: bytes) -> Connection:
    """Make a connection that stays, and is seen to be there."""
    connection = stack.enter_context(Connection(port, data))
    while data and not connection.response.status:
        connection.response.feed(connection.socket.recv(65_536))
    assert connection.response.status in (0, 101, 200)
    return connection


def is_served(port: int, data: bytes = HEALTH) -> bool:
    """Whether a request gets what it wants."""
    with Connection(port, data) as connection:
        connection.read()
        return connection.response.status == 200


def from_address(address: str, path: str = "/healthz", **headers: str) -> bytes:
    """A request that a proxy passes on for somebody."""
    return request(path, {"X-Forwarded-For": address, **headers})


def check_dismissed(port: int, data: bytes = STREAM) -> None:
    """A stream is told goodbye, because an `EventSource` never comes back after a 503."""
    parser = Parser()
    with Connection(port, data) as connection:
        events = parser.feed(connection.read())
        assert connection.response.status == 200
        assert connection.response.headers["content-type"].startswith("text/event-stream")
        assert connection.response.complete
        assert connection.socket.recv(1) == b""
    assert parser.retry
    assert [decode(event.data.encode()) for event in events] == [Bye(reason="busy", reconnect=True)]


def check_refused(port: int, data: bytes) -> None:
    """Anything else gets a problem that says when to try again; its connection is over."""
    with Connection(port, data) as connection:
        problem = json.loads(connection.read())
        headers = connection.response.headers
        assert connection.response.status == problem["status"] == 503
        assert connection.socket.recv(1) == b""
    assert headers["content-type"] == "application/problem+json"
    assert problem["type"] == "urn:progress:problem:busy"
    assert int(headers["retry-after"]) > 0
    assert headers["connection"] == "close"


@pytest.mark.parametrize("hold", HOLDS)
def test_who_comes_late(server: Process, hold: str) -> None:
    with ExitStack() as stack:
        connections = [arrive(stack, server.port, HOLDS[hold]) for _ in range(CAP - 1)]
        for data in REFUSED.values():
            check_refused(server.port, data)
        check_dismissed(server.port)
        check_dismissed(server.port, request("/events", {"Accept": "*/*, text/event-stream"}))
        connections[0].socket.close()
        eventually(lambda: is_served(server.port))


def test_nobody_is_started_for_who_is_refused(server: Process) -> None:
    with ExitStack() as stack:
        for _ in range(CAP - 1):
            arrive(stack, server.port, STREAM)
        check_refused(server.port, START)
    eventually(lambda: is_served(server.port))
    with Connection(server.port, request("/operations?kind=count")) as connection:
        [bystanders] = json.loads(connection.read())["operations"]
    assert bystanders["state"] == "running"


def test_who_was_there_before_is_served_still(server: Process) -> None:
    with ExitStack() as stack:
        early = arrive(stack, server.port, HEALTH)
        for _ in range(2 * CAP):
            arrive(stack, server.port, b"")
        check_refused(server.port, HEALTH)
        early.response = type(early.response)()
        early.socket.sendall(HEALTH)
        early.read()
        assert early.response.status == 200


@pytest.fixture
def behind_a_proxy() -> Iterator[Process]:
    """A server that believes what this machine says of where requests come from."""
    cap = ["--set", "limits.connections_per_address=3"]
    yield from serving(*cap, "--forwarded-allow-ips", "127.0.0.1")


def test_an_address_has_its_share(behind_a_proxy: Process) -> None:
    port = behind_a_proxy.port
    accept = {"Accept": "text/event-stream"}
    with ExitStack() as stack:
        connections = [arrive(stack, port, from_address(A, "/events?kind=wait")) for _ in range(3)]
        check_refused(port, from_address(A))
        check_refused(port, from_address(f"{B}, {A}"))  # what A says of itself
        check_dismissed(port, from_address(A, "/events", **accept))
        for other in (B, C, f"{A}, {B}"):
            assert is_served(port, from_address(other))
        assert is_served(port)
        connections[0].socket.close()
        eventually(lambda: is_served(port, from_address(A)))


def test_a_connection_counts_for_whom_it_served_last(behind_a_proxy: Process) -> None:
    """A proxy uses one for many clients."""
    port = behind_a_proxy.port
    with ExitStack() as stack:
        connections = [arrive(stack, port, from_address(A)) for _ in range(3)]
        check_refused(port, from_address(A))
        for connection in connections:
            connection.response = type(connection.response)()
            connection.socket.sendall(from_address(B))
            connection.read()
            assert connection.response.status == 200
        assert is_served(port, from_address(A))
        check_refused(port, from_address(B))


@pytest.fixture
def in_the_open() -> Iterator[Process]:
    """A server whose proxy is another machine."""
    cap = ["--set", "limits.connections_per_address=3"]
    yield from serving(*cap, "--forwarded-allow-ips", "192.0.2.1")


def test_nobody_else_is_believed(in_the_open: Process) -> None:
    port = in_the_open.port
    with ExitStack() as stack:
        for address in (A, B):
            arrive(stack, port, from_address(address, "/events?kind=wait"))
        check_refused(port, from_address(C))
