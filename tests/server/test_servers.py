"""The same smoke test under every server that a stranger may run the application with."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator

import pytest

from progress.core.event import State
from progress.core.frames import Bye
from tests.support.client import connect_once, retained
from tests.support.process import Process, eventually, free_port, listening
from tests.support.view import View
from tests.support.wire import Answer, Connection, ask, request, snapshot, start

APP = "tests.support.inspect_app:app"
SERVERS = {
    "progress": "progress serve APP --port PORT",
    "uvicorn-httptools": "uvicorn APP --port PORT --http httptools",
    "uvicorn-h11": "uvicorn APP --port PORT --http h11",
    "hypercorn-asyncio": "hypercorn APP --bind 127.0.0.1:PORT --graceful-timeout 1 -k asyncio",
    "hypercorn-trio": "hypercorn APP --bind 127.0.0.1:PORT --graceful-timeout 1 -k trio",
    # Left alone it waits for open streams for ever.
    "granian": "granian APP --port PORT --interface asgi --workers-kill-timeout 2",
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Process]:
    port = free_port()
    command = SERVERS[request.param].replace("APP", APP).replace("PORT", str(port)).split()
    with listening(command, port, {"PROGRESS_TIMING_HEARTBEAT": "1"}) as process:
        process.name = request.param
        yield process
        # hypercorn's own, when it cuts a connection on asyncio.
        if process.name != "hypercorn-asyncio":
            assert "Traceback" not in process.stderr + process.stdout


def streaming(port: int) -> tuple[int, int]:
    """How many subscribers and tasks of streams there are."""
    id = start(port, "census")["id"]
    eventually(lambda: snapshot(port, id)["state"] == "succeeded")
    found: dict[str, int] = snapshot(port, id)["result"]
    return found["subscribers"], found["streaming"]


def test_an_operation_is_followed_to_its_end(server: Process) -> None:
    operation = start(server.port, "count", to=30)
    id = operation["id"]
    view = View()
    assert (
        connect_once(view, server.port, f"/operations/{id}/events?after={operation['cursor']}")
        == 200
    )
    assert view.snapshots[id].state is State.SUCCEEDED
    assert view.terminal == [id]
    assert view.bye == Bye(reason="complete", reconnect=False)
    assert set(view.lossless) <= set(retained(server.port, id).lossless)
    assert connect_once(view, server.port, f"/operations/{id}/events") == 204


def test_events_come_at_once(server: Process) -> None:
    """Nothing between the operation and the client waits for more."""
    id = start(server.port, "wait")["id"]
    with Connection(server.port, request("/events?operation=" + id)) as connection:
        body = connection.body()
        view = View()
        view.connect()
        while not view.last_event_id:
            view.feed(next(body))
        assert ask(server.port, f"/operations/{id}/cancel", method="POST").status == 202
        while not view.snapshots[id].ended:
            view.feed(next(body))
    assert view.snapshots[id].state is State.CANCELLED


def test_polling(server: Process) -> None:
    operation = start(server.port, "wait")
    path = f"/operations/{operation['id']}"
    eventually(lambda: ask(server.port, path).json["progress"]["message"] == "waiting")
    first = ask(server.port, path)
    same = {"If-None-Match": first.headers["etag"]}
    assert ask(server.port, path, same).status == 304
    with Connection(server.port, request(path, {**same, "Prefer": "wait=5"})) as connection:
        assert ask(server.port, f"{path}/cancel", method="POST").status == 202
        answer = Answer(connection.response, connection.read())
    assert connection.response.status == 200
    assert answer.json["state"] in ("cancelling", "cancelled")


def test_404(server: Process) -> None:
    for path in ("/nowhere", "/operations/none", "/operations/none/events"):
        answer = ask(server.port, path)
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/events", "/operations/{}/events"])
def test_head_ends_at_once(server: Process, path: str) -> None:
    id = start(server.port, "wait")["id"]
    answer = ask(server.port, path.format(id), method="HEAD")
    assert answer.status == 200
    assert answer.content == b""
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
def test_who_leaves_leaves_nothing_behind(server: Process, how: str) -> None:
    id = start(server.port, "wait")["id"]
    eventually(lambda: streaming(server.port) == (0, 0))
    streams = [
        Connection(server.port, request(path)).opened()
        for path in ["/events", f"/operations/{id}/events"] * 5
    ]
    eventually(lambda: streaming(server.port)[0] == len(streams))
    for stream in streams:
        if how == "close":
            stream.socket.close()
        elif how == "reset":
            stream.reset()
        else:
            stream.socket.shutdown(socket.SHUT_WR)
    eventually(lambda: streaming(server.port) == (0, 0))
    for stream in streams:
        stream.socket.close()


def test_http_1_0(server: Process) -> None:
    """Such a client cannot read chunks (RFC 9112 §6.1)."""
    id = start(server.port, "count")["id"]
    with Connection(server.port, request(f"/operations/{id}/events", version="1.0")) as connection:
        content = b""
        while not content.endswith(b'"reason":"complete","reconnect":false}\n\n'):
            content += next(connection.body())
    assert connection.response.status == 200
    if server.name != "uvicorn-httptools":  # it looks at no version
        assert "transfer-encoding" not in connection.response.headers


def test_a_request_pipelined_behind_a_stream(server: Process) -> None:
    id = start(server.port, "count", to=10)["id"]
    both = request(f"/operations/{id}/events") + request("/healthz", {"Connection": "close"})
    with Connection(server.port, both) as connection:
        content = connection.read()
        assert content.endswith(b'"reason":"complete","reconnect":false}\n\n')
        rest = connection.response.rest
        while data := connection.socket.recv(65_536):
            rest += data
    assert rest.startswith(b"HTTP/1.1 200 ")
    assert rest.endswith(b'{"status":"ok"}')


def test_it_stops_with_open_streams(server: Process) -> None:
    """Last in the file: the server is gone after it."""
    port = server.port
    one = start(port, "wait")["id"]
    streams = {path: View() for path in ("/events", f"/operations/{one}/events")}
    connections = [Connection(port, request(path)) for path in streams]
    for view, connection in zip(streams.values(), connections, strict=True):
        view.connect()
        while not view.last_event_id:
            view.feed(next(connection.body()))
    server.send(signal.SIGTERM)
    for view, connection in zip(streams.values(), connections, strict=True):
        with connection:
            for data in connection.body():
                view.feed(data)
        if server.name.startswith(
            ("progress", "uvicorn")
        ):  # the others say nothing before they cut streams
            assert view.bye == Bye(reason="drain", reconnect=True)
            assert connection.response.complete
    server.wait(8)
