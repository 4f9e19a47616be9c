"""Stopping `progress serve` by a signal: everybody is told, and the process ends in time."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from progress.core.event import State
from progress.core.frames import Bye, Gap, Message, Ping
from tests.support.client import connect_once
from tests.support.process import Process, eventually, free_port, progress_serve, running
from tests.support.view import View
from tests.support.wire import Connection, ask, post, request, snapshot, start

APP = "tests.support.inspect_app:app"
GRACE = 4.0
DRAIN = Bye(reason="drain", reconnect=True)


@contextmanager
def server(*options: str, app: str = APP, port: int = 0) -> Iterator[Process]:
    """A server that is told to stop in the block; what it writes then is no traceback."""
    given = ["--set", f"timing.grace={GRACE}", "--log-level", "warning", *options]
    with progress_serve(app, *given, port=port) as process:
        yield process
        assert process.popen.poll() is not None, "it has to be stopped in the block"
        assert process.stderr == ""


def get_stuck(port: int) -> str:
    """Start an operation whose thread hangs, and return its id once it does."""
    id: str = start(port, "stuck")["id"]
    eventually(lambda: snapshot(port, id)["progress"]["message"] == "stuck")
    return id


class Follower:
    """A stream that is read from time to time."""

    def __init__(self, port: int, path: str) -> None:
        self.view = View()
        self.view.connect()
        self.connection = Connection(port, request(path))
        self._body = self.connection.body()
        self.read_until(lambda: bool(self.view.last_event_id))

    def read_until(self, holds: Callable[[], object]) -> None:
        """Read until that holds."""
        while not holds():
            self.view.feed(next(self._body))

    def read(self) -> None:
        """Read all that is left."""
        for data in self._body:
            self.view.feed(data)


def follow(stack: ExitStack, port: int, ids: list[str], count: int) -> dict[Follower, str | None]:
    """Open so many streams, each second one of a single operation."""
    followers: dict[Follower, str | None] = {}
    for n in range(count):
        id = ids[n // 2 % len(ids)] if n % 2 else None
        follower = Follower(port, "/events" if id is None else f"/operations/{id}/events")
        stack.enter_context(follower.connection)
        followers[follower] = id
    return followers


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_200_streams_and_a_stuck_thread(signum: signal.Signals) -> None:
    with server() as process, ExitStack() as stack:
        ids = [start(process.port, "wait")["id"] for _ in range(9)]
        ids.append(get_stuck(process.port))
        followers = follow(stack, process.port, ids, 200)
        process.send(signum)
        for follower in followers:
            follower.read()
        code, _ = process.wait(GRACE)
        assert code == 0
    for follower, id in followers.items():
        assert follower.connection.response.complete
        assert follower.view.bye == DRAIN
        for each in ids if id is None else [id]:
            held = follower.view.snapshots[each]
            assert held.state is State.FAILED
            assert held.error is not None
            assert held.error.type == "urn:progress:problem:shutdown"
            assert follower.view.terminal.count(each) == 1


def test_mounted_in_another_application() -> None:
    with server(app="tests.support.mounted_app:app") as process:
        follower = Follower(process.port, "/below/events")
        process.send(signal.SIGTERM)
        with follower.connection:
            follower.read()
        assert process.wait(GRACE)[0] == 0
    assert follower.view.bye == DRAIN


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_at_once(signum: signal.Signals) -> None:
    with server() as process, socket.create_connection(("127.0.0.1", process.port)):
        assert ask(process.port, "/healthz").status == 200
        process.send(signum)
        code, seconds = process.wait(GRACE)
        assert code == 0
        assert seconds < 1.5


def test_streams_alone_do_not_hold_it_up() -> None:
    with server() as process, ExitStack() as stack:
        ids = [start(process.port, "count", to=1)["id"]]
        eventually(lambda: snapshot(process.port, ids[0])["state"] == "succeeded")
        idle = Follower(process.port, "/events")
        stack.enter_context(idle.connection)
        process.send(signal.SIGTERM)
        idle.read()
        code, seconds = process.wait(GRACE)
        assert code == 0
        assert seconds < 1.5
        assert idle.view.bye == DRAIN


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_stops_it_at_once(first: signal.Signals, second: signal.Signals) -> None:
    with server("--set", "timing.grace=60") as process:
        id = get_stuck(process.port)
        process.send(first)
        eventually(lambda: snapshot(process.port, id)["state"] == "cancelling")
        process.send(second)
        code, seconds = process.wait(GRACE)
        assert code == 128 + second
        assert seconds < 1.0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_start_up(signum: signal.Signals) -> None:
    arguments = ["progress", "serve", "tests.support.slow_start:app", "--port", "0"]
    with running(arguments) as process:
        eventually(lambda: "starting" in process.stderr)
        process.send(signum)
        _, seconds = process.wait(3)
        assert seconds < 1.5
        assert process.stdout == ""
        assert "Traceback" not in process.stderr


def test_while_it_drains() -> None:
    """New streams are told to come back, starts get 503, and everything else is answered."""
    with server() as process, ExitStack() as stack:
        port = process.port
        id = get_stuck(port)
        [open_before] = follow(stack, port, [id], 1)
        process.send(signal.SIGTERM)
        eventually(lambda: snapshot(port, id)["state"] == "cancelling")
        for path in ("/events", f"/operations/{id}/events", f"/operations/{id}/events?after=0-0"):
            with Connection(port, request(path)) as connection:
                content = connection.read().decode()
            assert connection.response.status == 200
            assert connection.response.headers["content-type"].startswith("text/event-stream")
            retry, bye, rest = content.split("\n\n")
            assert retry.startswith("retry: ")
            assert bye == 'event: bye\ndata: {"type":"bye","reason":"drain","reconnect":true}'
            assert rest == ""
        refused = post(port, "count")
        assert refused.status == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json["type"] == "urn:progress:problem:busy"
        assert ask(port, "/readyz").status == 503
        assert ask(port, "/healthz").status == 200
        open_before.read()
        assert open_before.view.snapshots[id].state is State.FAILED
        assert process.wait(GRACE)[0] == 0


def test_a_client_that_does_not_read_does_not_hold_it_up() -> None:
    with server("--set", "timing.heartbeat=0.3") as process, ExitStack() as stack:
        id = start(process.port, "flood", lines=30_000)["id"]
        stalled = [
            Connection(process.port, request(f"/operations/{id}/events"), receive_buffer=4096)
            for _ in range(3)
        ]
        for connection in stalled:
            stack.enter_context(connection)
        eventually(lambda: snapshot(process.port, id)["state"] == "succeeded")
        process.send(signal.SIGTERM)
        code, seconds = process.wait(GRACE + 1)
        assert code == 0
        assert seconds < GRACE


def test_an_event_source_comes_back_after_a_restart() -> None:
    """It knows nothing of `bye`: it comes back when the connection ends, with its last id."""
    port = free_port()
    with server(port=port) as process:
        before = start(port, "wait")["id"]
        follower = Follower(port, "/events")
        process.send(signal.SIGTERM)
        with follower.connection:
            follower.read()
        assert process.wait(GRACE)[0] == 0
    view = follower.view
    assert view.bye == DRAIN
    assert set(view.snapshots) == {before}
    with server(port=port) as process:
        after = start(port, "wait")["id"]
        messages: list[Message] = []

        def is_bookmark(message: Message) -> bool:
            messages.append(message)
            return isinstance(message, Ping)

        assert connect_once(view, port, "/events", done=is_bookmark) == 200
        assert isinstance(messages[0], Gap)
        assert [gap.reason for gap in view.gaps] == ["epoch"]
        assert set(view.snapshots) == {after}
        process.send(signal.SIGTERM)
        assert process.wait(GRACE)[0] == 0
