"""`Prefer: wait` on streams, over real connections: they are kept, and pollers miss nothing."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from progress.core.event import LogEvent
from tests.support.census import census
from tests.support.client import retained
from tests.support.process import Process, eventually, progress_serve
from tests.support.sse import Dispatched, Parser
from tests.support.view import View
from tests.support.wire import Connection, ask, request, snapshot, start

APP = "tests.support.inspect_app:app"
FOREVER = 50
"""Seconds that a poll may take; no test here waits for them to pass."""
WAIT = {"Prefer": f"wait={FOREVER}"}
JOURNAL = 60
"""Lossless events that the forgetful server keeps of an operation."""


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    options = ["--set", "limits.journal=20000", "--set", f"limits.journal_bytes={1 << 26}"]
    with progress_serve(APP, "--log-level", "warning", *options) as process:
        yield process
        assert not process.stderr


@pytest.fixture(scope="module")
def forgetful() -> Iterator[Process]:
    options = ["--set", f"limits.journal={JOURNAL}", "--log-level", "warning"]
    with progress_serve(APP, *options) as process:
        yield process
        assert not process.stderr


def test_the_connection_is_kept(server: Process) -> None:
    """One answer after the other on the same, each with its end (RFC 9112 §7.1)."""
    id = start(server.port, "count", to=300, interval=0.005)["id"]
    events: list[Dispatched] = []
    answers = 0
    with Connection(server.port, b"") as connection:
        while not events or events[-1].type != "bye":
            last = events[-1].last_event_id if events else ""
            path = f"/operations/{id}/events?after=0-0"
            connection.response = type(connection.response)()
            connection.socket.sendall(request(path, {**WAIT, "Last-Event-ID": last}))
            content = connection.read()
            assert connection.response.complete
            if connection.response.status == 204:
                break
            assert connection.response.headers.get("connection") != "close"
            assert connection.response.headers["transfer-encoding"] == "chunked"
            assert connection.response.headers["preference-applied"] == "wait"
            found = Parser().feed(content)
            assert found[-1].last_event_id
            events += found
            answers += 1
    assert answers > 5
    assert sum(event.type == "log" for event in events) == 300


def test_head(server: Process) -> None:
    answer = ask(server.port, "/events", WAIT, method="HEAD")
    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["preference-applied"] == "wait"
    assert not census(server).subscribers


def test_http_1_0(server: Process) -> None:
    data = request("/events", {"Prefer": "wait=0"}, version="1.0")
    with Connection(server.port, data) as connection:
        assert Parser().feed(connection.read())[-1].type == "ping"


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_client_that_leaves(server: Process, leave: str) -> None:
    connections = [
        Connection(server.port, request("/events?kind=none&after=0-0", WAIT)) for _ in range(5)
    ]
    eventually(lambda: census(server).subscribers == 5)
    for connection in connections:
        if leave == "reset":
            connection.reset()
        else:
            connection.socket.close()
    eventually(lambda: not census(server).subscribers)


def test_a_long_past_is_not_collected(server: Process) -> None:
    """Clients that do not read hold a sinkful each, and not the 20 MB that they are to get."""
    id = start(server.port, "flood", lines=5_000, size=4_000)["id"]
    eventually(lambda: snapshot(server.port, id)["state"] == "succeeded")
    path = f"/operations/{id}/events?after=0-0"
    used = psutil.Process(server.pid).memory_info
    retained(server.port, id)  # what is encoded once for all
    before = used().rss
    connections = [
        Connection(server.port, request(path, {"Prefer": "wait=0"}), receive_buffer=4_096)
        for _ in range(10)
    ]
    eventually(lambda: census(server).subscribers == 10)
    for connection in connections[1:]:
        connection.opened()
    assert used().rss - before < 20_000_000
    events = Parser().feed(connections[0].read())
    assert sum(event.type == "log" for event in events) == 5_000
    assert [event.type for event in events[-2:]] == ["ping", "bye"]
    for connection in connections:
        connection.socket.close()
    eventually(lambda: not census(server).subscribers)


@pytest.mark.parametrize("where", ["one", "many"])
def test_what_was_trimmed_between_two_polls_is_counted(forgetful: Process, where: str) -> None:
    lines = 2_000
    port = forgetful.port
    operation = start(port, "flood", {"where": where}, lines=lines, every=JOURNAL + 10)
    id = operation["id"]
    path = f"/operations/{id}/events" if where == "one" else f"/events?operation={id}"
    view = View()
    view.last_event_id = operation["cursor"]
    while not (id in view.snapshots and view.snapshots[id].ended):
        headers = {**WAIT, "Last-Event-ID": view.connect() or ""}
        answer = ask(port, path, headers)
        assert answer.status == 200
        view.feed(answer.content)
    seen = sum(isinstance(event, LogEvent) for event in view.lossless.values())
    told = sum(gap.missed.log for gap in view.gaps if gap.missed)
    assert {gap.reason for gap in view.gaps} <= {"trimmed"}
    assert seen <= lines <= seen + told
    assert view.snapshots[id] == retained(port, id).snapshots[id]
