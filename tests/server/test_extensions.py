"""`progress.detach` and `progress.abort`: what stands between, and what is left of a connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from progress.core.event import State
from progress.core.frames import Bye
from tests.support.census import Census, census, deserted
from tests.support.client import retained
from tests.support.layered_app import COMMENT
from tests.support.process import Process, eventually, free_port, listening
from tests.support.rpc import caller
from tests.support.view import View
from tests.support.websocket import CONTINUATION, HANDSHAKE, TEXT, WebSocket, call, frame, handshake
from tests.support.wire import Connection, ask, request, snapshot, start

APP = "tests.support.layered_app:app"
HTTP = ["--http", "progress.server.http:Protocol"]
WS = ["--ws", "progress.server.websocket:SocketProtocol"]

DIRECT = ["mounted", "cors", "wrapping"]
EITHER = ["gzip", "base"]
PORTABLE = ["changing", "delaying"]

CROWD = 400
MOST_SSE, MOST_WEBSOCKET = 8_000, 12_000
"""Bytes of an idle one: three times what it takes, and a quarter of what it does with tasks."""


@contextmanager
def serving(*options: str) -> Iterator[Process]:
    """Run uvicorn with these protocols of ours."""
    port = free_port()
    command = ["uvicorn", APP, "--port", str(port), "--log-level", "warning", *options]
    with listening(command, port) as process:
        deserted(process)
        yield process
        assert "Traceback" not in process.stderr


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with serving(*HTTP, *WS) as process:
        yield process


@pytest.fixture
def waiting(server: Process) -> str:
    """An operation that runs while everything is counted."""
    id: str = start(server.port, "wait")["id"]
    return id


@pytest.fixture
def before(server: Process, waiting: str) -> Census:
    """Nobody is there yet."""
    eventually(lambda: not census(server).subscribers)
    return census(server)


def events(id: str, layer: str = "", **headers: str) -> bytes:
    """A request for the stream of an operation."""
    return request(f"{layer and '/' + layer}/operations/{id}/events?after=0-0", headers)


def cancel(server: Process, id: str) -> None:
    """Stop an operation, so that its stream ends."""
    assert ask(server.port, f"/operations/{id}/cancel", method="POST").status == 202


def read(view: View, connection: Connection) -> None:
    """Read the stream to its end."""
    for data in connection.body():
        view.feed(data)


def check_followed(port: int, id: str, view: View) -> None:
    """All of it has come, and the goodbye."""
    assert view.snapshots[id].state is State.SUCCEEDED
    assert view.bye == Bye(reason="complete", reconnect=False)
    assert list(view.lossless) == list(retained(port, id).lossless)
    assert not view.gaps


@pytest.mark.parametrize("layer", [*DIRECT, *EITHER, *PORTABLE])
def test_a_stream_behind_middleware(server: Process, before: Census, layer: str) -> None:
    """It tells the same, live and from the journal, and leaves nothing."""
    id = start(server.port, "count", to=20)["id"]
    sent = {"Origin": "http://a.example", "Accept-Encoding": "gzip"}
    view = View()
    with Connection(server.port, events(id, layer, **sent)) as connection:
        read(view, connection)
        assert connection.response.complete
        headers = connection.response.headers
    assert "content-encoding" not in headers
    assert ("access-control-allow-origin" in headers) == (layer == "cors")
    check_followed(server.port, id, view)
    eventually(lambda: census(server).subscribers == 0)
    eventually(lambda: census(server).descriptors <= before.descriptors)


@pytest.mark.parametrize("layer", DIRECT)
def test_middleware_that_changes_nothing_is_no_hindrance(
    server: Process, waiting: str, before: Census, layer: str
) -> None:
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(Connection(server.port, events(waiting, layer))).opened()
        assert census(server).subscribers == 10
        eventually(lambda: census(server).tasks <= before.tasks)


@pytest.mark.parametrize("layer", PORTABLE)
def test_middleware_that_changes_bytes_is_heeded(
    server: Process, waiting: str, before: Census, layer: str
) -> None:
    with Connection(server.port, events(waiting, layer)) as connection:
        first = next(connection.body())
        assert first.startswith(COMMENT) == (layer == "changing")
        eventually(lambda: census(server).subscribers)
        assert census(server).tasks > before.tasks
        cancel(server, waiting)
        rest = connection.read()
        assert (COMMENT in rest) == (layer == "changing")
        assert connection.response.complete


@pytest.mark.parametrize("path", ["/events", "/mounted/events", "/base/events", "/delaying/events"])
def test_head(server: Process, before: Census, path: str) -> None:
    answer = ask(server.port, path, method="HEAD")
    assert answer.status == 200
    assert answer.content == b""
    assert census(server).subscribers == 0


def test_http_1_0(server: Process, before: Census) -> None:
    """Such a client knows no chunks: it is not detached, and the connection's end is the body's."""
    id = start(server.port, "count", to=10)["id"]
    view = View()
    with Connection(server.port, request(f"/operations/{id}/events", version="1.0")) as connection:
        read(view, connection)
    assert "transfer-encoding" not in connection.response.headers
    assert view.bye == Bye(reason="complete", reconnect=False)


def test_requests_before_and_behind_a_stream(server: Process, before: Census) -> None:
    """Answers come in the order of the requests; a stream with others behind it stays portable."""
    id = start(server.port, "count", to=10)["id"]
    health = request("/healthz")
    last = request("/healthz", {"Connection": "close"})
    with Connection(server.port, health + events(id) + last) as connection:
        assert connection.read() == b'{"status":"ok"}'
        rest = connection.response.rest
        while data := connection.socket.recv(65_536):
            rest += data
    stream, end, behind = rest.partition(b"\r\n0\r\n\r\n")
    assert stream.count(b'"message":"line 9"') == 1
    assert b'"reason":"complete"' in stream
    assert end
    assert behind.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "sent",
    [
        request("/healthz"),
        request("/operations", method="POST", body=b'{"kind":"count"}'),
        b"\x00" * 100_000,
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
    ],
)
def test_what_comes_after_a_detach_is_ignored(
    server: Process, waiting: str, before: Census, sent: bytes
) -> None:
    view = View()
    with Connection(server.port, events(waiting)) as connection:
        connection.opened()
        eventually(lambda: census(server).tasks <= before.tasks)
        connection.socket.sendall(sent)
        cancel(server, waiting)
        read(view, connection)
        assert connection.response.complete
    assert view.terminal == [waiting]
    assert view.bye == Bye(reason="complete", reconnect=False)


@pytest.mark.parametrize(
    "framing",
    [{"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}, {"Content-Length": "1000000"}],
)
def test_a_body_that_is_still_coming(
    server: Process, waiting: str, framing: dict[str, str]
) -> None:
    """Nobody asked for it, and the stream does not wait."""
    view = View()
    with Connection(server.port, events(waiting, **framing)) as connection:
        connection.opened()
        for _ in range(10):
            connection.socket.sendall(b"hello")
        cancel(server, waiting)
        read(view, connection)
    assert view.terminal == [waiting]


@pytest.mark.parametrize("layer", ["", *DIRECT, *EITHER, *PORTABLE])
def test_a_websocket_behind_middleware(
    server: Process, waiting: str, before: Census, layer: str
) -> None:
    """It is detached all the same; links say where it is mounted."""
    prefix = layer and "/" + layer
    with caller(server.port, request(f"{prefix}/ws", HANDSHAKE)) as client:
        client.subscribe(operation=waiting)
        assert census(server).subscribers == 1
        eventually(lambda: census(server).tasks <= before.tasks)
        cancelled = client.ask("cancel", operation=waiting).answer.value
        assert cancelled["links"]["self"] == f"{prefix}/operations/{waiting}"
        started = client.ask("start", kind="count").answer.value
        assert started["links"]["self"] == f"{prefix}/operations/{started['id']}"
    eventually(lambda: census(server).subscribers == 0)


def crowd(stack: ExitStack, server: Process, requests: Sequence[bytes]) -> int:
    """Open all of these; return the memory of the server then."""
    there = census(server).subscribers
    for data in requests:
        connection = stack.enter_context(Connection(server.port, data))
        while not connection.response.status:
            connection.response.feed(connection.socket.recv(65_536))
        assert connection.response.status in (101, 200)
    eventually(lambda: census(server).subscribers == there + len(requests))
    return int(psutil.Process(server.pid).memory_info().rss)


@pytest.mark.parametrize(("wire", "most"), [("sse", MOST_SSE), ("websocket", MOST_WEBSOCKET)])
def test_a_subscriber_is_no_task(
    server: Process, waiting: str, before: Census, wire: str, most: int
) -> None:
    """And little memory: what its request needed is gone."""
    cookie = {"Cookie": "x" * 4_000}
    data = events(waiting, **cookie) if wire == "sse" else handshake(cookie)
    with ExitStack() as stack:
        at_first = crowd(stack, server, [data] * (CROWD // 4))
        at_last = crowd(stack, server, [data] * CROWD)
        found = census(server)
    assert found.tasks <= before.tasks
    assert found.threads == before.threads
    assert (at_last - at_first) / CROWD < most
    eventually(lambda: census(server).subscribers == 0)
    eventually(lambda: census(server).descriptors <= before.descriptors)


@pytest.mark.parametrize("options", [HTTP, WS], ids=["http", "ws"])
def test_each_protocol_works_without_the_other(options: list[str]) -> None:
    with serving(*options) as server:
        id = start(server.port, "count", to=10)["id"]
        view = View()
        with caller(server.port) as client, Connection(server.port, events(id)) as connection:
            client.send(call("subscribe", "one", operation=id, after="0-0"))
            read(view, connection)
            messages = client.answer().events
            if not any(event.get("state") == "succeeded" for event in messages):
                messages += client.events_until("state", state="succeeded")
        check_followed(server.port, id, view)
        assert [e["cursor"] for e in messages if e["type"] in ("log", "state")] == [
            str(cursor) for cursor in view.lossless
        ]


def test_messages_are_bounded_where_nothing_is_detached() -> None:
    half = b"x" * 40_000
    with serving(*WS) as server, WebSocket(server.port) as client:
        client.send(frame(TEXT, half, 0), frame(CONTINUATION, half))
        assert client.finish()[-1].payload[:2] == (1009).to_bytes(2)


@pytest.mark.parametrize("options", [[*HTTP, *WS], HTTP])
def test_uvicorn_stops(options: list[str]) -> None:
    """By itself, without `progress serve`: streams are told, and its end does not wait for them."""
    with serving(*options) as server:
        id = start(server.port, "wait")["id"]
        view = View()
        with Connection(server.port, events(id)) as connection, caller(server.port) as client:
            client.subscribe(operation=id)
            eventually(lambda: snapshot(server.port, id)["state"] == "running")
            server.popen.terminate()
            read(view, connection)
            assert connection.response.complete
            assert client.closed()[1] in (1001, 1012)
        assert view.bye == Bye(reason="drain", reconnect=True)
        server.wait(8)
