"""Clients with odd habits against `progress serve`: nothing of them stays, nothing is logged."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import psutil
import pytest

from tests.support.process import Process, eventually, progress_serve
from tests.support.wire import Connection, ask, request, snapshot, start


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with progress_serve("tests.support.inspect_app:app", "--log-level", "warning") as process:
        yield process
        lines = process.stderr.splitlines()
        assert set(lines) <= {"WARNING:  Invalid HTTP request received."}


def subscribers(server: Process) -> int:
    """How many there are, by an operation that counts them."""
    id = start(server.port, "census")["id"]
    eventually(lambda: snapshot(server.port, id)["state"] == "succeeded")
    count: int = snapshot(server.port, id)["result"]["subscribers"]
    return count


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize("pipelined", [0, 1, 5])
def test_who_leaves_a_stream_with_requests_behind_it(
    server: Process, how: str, pipelined: int
) -> None:
    """uvicorn tells only the latest request that its client has left; the stream is the first."""
    descriptors = psutil.Process(server.pid).num_fds
    before = descriptors()
    id = start(server.port, "wait")["id"]
    data = request(f"/operations/{id}/events") + pipelined * request("/healthz")
    with Connection(server.port, data).opened() as connection:
        assert subscribers(server) == 1
        if how == "half-close":
            connection.socket.shutdown(socket.SHUT_WR)
        elif how == "reset":
            connection.reset()
        else:
            connection.socket.close()
        # Well before the next heartbeat (15 s), whose write would tell, too.
        eventually(lambda: subscribers(server) == 0, 3)
    eventually(lambda: descriptors() <= before, 3)


def test_a_stream_ends_with_its_connection(server: Process) -> None:
    """Nobody listens to a next request, and the head has said so."""
    id = start(server.port, "count")["id"]
    with Connection(server.port, request(f"/operations/{id}/events")) as connection:
        connection.read()
        assert connection.response.complete
        assert connection.response.headers["connection"] == "close"
        assert connection.socket.recv(65_536) == b""


def test_whatever_comes_behind_a_stream_is_ignored(server: Process) -> None:
    id = start(server.port, "wait")["id"]
    with Connection(server.port, request(f"/operations/{id}/events")).opened() as connection:
        connection.socket.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n" + request("/healthz"))
        ask(server.port, f"/operations/{id}/cancel", method="POST")
        assert b"event: bye\n" in connection.read()


def test_many_requests_for_streams_in_one_write(server: Process) -> None:
    """They are answered one after the other, each to its end."""
    ids = [start(server.port, "count", to=n)["id"] for n in range(1, 6)]
    data = b"".join(request(f"/operations/{id}/events?after=0-0") for id in ids)
    with Connection(server.port, data) as connection:
        content = connection.read()
        for id in ids:
            assert id.encode() in content
            assert content.count(b"event: bye\n") == 1
            rest, connection.response = connection.response.rest, type(connection.response)()
            content = connection.response.feed(rest)
            if id != ids[-1]:
                content += connection.read()


@pytest.mark.parametrize(
    "endless", [b"GET /healthz HTTP/1.1\r\nX-A: ", b"GET /", b"GET / HTTP/1.1\r\n"]
)
def test_head_without_end_is_refused_early(server: Process, endless: bytes) -> None:
    """One header, a path, or many headers: 64 KiB and what is under way."""
    piece = b"a: b\r\n" * 1_000 if endless.endswith(b"\n") else b"a" * 6_000
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.settimeout(5)
        client.sendall(endless)
        sent = 0
        try:
            while sent < 20_000_000:
                client.sendall(piece)
                sent += len(piece)
            pytest.fail("it took 20 MB of head")
        except OSError:
            pass
    assert sent < 15_000_000  # the buffers of two sockets
