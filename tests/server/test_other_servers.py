"""The same smoke test under every ASGI server: what a stranger may run the application with."""

from __future__ import annotations

import signal
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
    "uvicorn-httptools": "uvicorn --http httptools --host 127.0.0.1 --port {} " + APP,
    "uvicorn-h11": "uvicorn --http h11 --host 127.0.0.1 --port {} " + APP,
    "hypercorn-asyncio": "hypercorn --worker-class asyncio --bind 127.0.0.1:{} " + APP,
    "hypercorn-trio": "hypercorn --worker-class trio --bind 127.0.0.1:{} " + APP,
    "granian": "granian --interface asgi --host 127.0.0.1 --port {} " + APP,
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Process]:
    port = free_port()
    command = SERVERS[request.param].format(port).split()
    with listening(command, port, {"PROGRESS_TIMING_HEARTBEAT": "1"}) as process:
        yield process
        assert "Traceback" not in process.stderr + process.stdout


def census(port: int) -> dict[str, int]:
    """What `census` counts in the server."""
    id = start(port, "census")["id"]
    eventually(lambda: snapshot(port, id)["state"] == "succeeded")
    found: dict[str, int] = snapshot(port, id)["result"]
    return found


def test_an_operation_is_followed_to_its_end(server: Process) -> None:
    operation = start(server.port, "count", to=30)
    id = operation["id"]
    view = View()
    assert connect_once(view, server.port, f"/operations/{id}/events?after={operation['cursor']}") == 200
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
    connect_once(View(), server.port, "/events", cut=10)
    eventually(lambda: not census(server.port)["subscribers"])
    before = census(server.port)
    streams = [
        Connection(server.port, request(path)).opened()
        for path in ["/events", f"/operations/{id}/events"] * 5
    ]
    eventually(lambda: census(server.port)["subscribers"] == len(streams))
    for stream in streams:
        if how == "close":
            stream.socket.close()
        elif how == "reset":
            stream.reset()
        else:
            stream.socket.shutdown(1)
    if how == "half-close":
        # Some take a half-close for the end, some go on sending: both are fine.
        eventually(lambda: census(server.port)["subscribers"] in (0, len(streams)))
        for stream in streams:
            stream.socket.close()
    eventually(lambda: census(server.port) == before)


def test_http_1_0(server: Process) -> None:
    """Such a client cannot read chunks (RFC 9112 §6.1)."""
    id = start(server.port, "count")["id"]
    path = f"/operations/{id}/events"
    with Connection(server.port, request(path, version="1.0")) as connection:
        content = connection.read()
    assert connection.response.status == 200
    assert "transfer-encoding" not in connection.response.headers
    assert content.endswith(b'"reason":"complete","reconnect":false}\n\n')


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


def test_it_stops(server: Process) -> None:
    """Last in the file: the server is gone after it."""
    port = server.port
    one = start(port, "wait")["id"]
    views = [View(), View()]
    connections = [
        Connection(port, request(path)) for path in (f"/operations/{one}/events", "/events")
    ]
    for view, connection in zip(views, connections, strict=True):
        view.connect()
        while not view.last_event_id:
            view.feed(next(connection.body()))
    server.send(signal.SIGTERM)
    for view, connection in zip(views, connections, strict=True):
        with connection:
            for data in connection.body():
                view.feed(data)
    server.wait(8)
