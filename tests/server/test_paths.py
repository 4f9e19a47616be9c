"""Straight to the socket or through `send`, SSE or WebSocket: the same events, byte for byte."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest

from progress.core.operation import ENDED
from tests.support.census import census
from tests.support.process import Process, eventually, progress_serve
from tests.support.websocket import HANDSHAKE, TEXT, WebSocket, call, frame
from tests.support.wire import Connection, request, snapshot, start

PATHS = ("", "/portable")

Query = Mapping[str, str]


class Follower(ABC):
    """Keeps what it is sent, as it comes."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        """As they stand on this wire, without its framing."""

    @abstractmethod
    def receive(self) -> bytes:
        """The next event."""

    @abstractmethod
    def data(self, event: bytes) -> bytes:
        """The JSON of an event."""

    @property
    def all_data(self) -> list[bytes]:
        """The JSON of all, but for the goodbye that a WebSocket of one operation does without."""
        found = [self.data(event) for event in self.events]
        return [data for data in found if not data.startswith(b'{"type":"bye"')]

    def until(self, type: str) -> Any:
        """Read on up to the next event of that type."""
        while True:
            self.events.append(self.receive())
            event = json.loads(self.data(self.events[-1]))
            if event["type"] == type:
                return event

    def until_the_end(self) -> None:
        """Read on up to a terminal state."""
        while self.until("state")["state"] not in ENDED:
            pass


class SseFollower(Follower):
    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._body = connection.body()
        self._rest = b""
        assert self.receive().startswith(b"retry: ")

    def receive(self) -> bytes:
        while b"\n\n" not in self._rest:
            self._rest += next(self._body)
        event, _, self._rest = self._rest.partition(b"\n\n")
        return event

    def data(self, event: bytes) -> bytes:
        return event.rpartition(b"\ndata: ")[2]


class SocketFollower(Follower):
    def __init__(self, websocket: WebSocket, query: Query) -> None:
        super().__init__()
        self._websocket = websocket
        websocket.send(frame(TEXT, call("subscribe", "1", **query)))

    def receive(self) -> bytes:
        while (found := self._websocket.receive()) is not None:
            assert found.opcode == TEXT
            if found.payload.startswith(b'{"jsonrpc":"2.0","method":"event",'):
                return found.payload
            assert json.loads(found.payload)["result"]["subscription"] == "1"
        raise AssertionError("the connection ended")

    def data(self, event: bytes) -> bytes:
        return event.partition(b',"params":')[2][:-1]


@contextmanager
def following(server: Process, prefix: str, query: Query) -> Iterator[list[Follower]]:
    """Follow by SSE and by WebSocket."""
    operation = query.get("operation")
    path = f"/operations/{operation}/events" if operation else "/events"
    target = f"{prefix}{path}?{urlencode(query)}"
    with (
        Connection(server.port, request(target)) as connection,
        WebSocket(server.port, request(f"{prefix}/ws", HANDSHAKE)) as websocket,
    ):
        yield [SseFollower(connection), SocketFollower(websocket, query)]


@contextmanager
def following_all(server: Process, query: Query) -> Iterator[list[Follower]]:
    """Follow by all wires and paths: SSE and WebSocket direct, then portable."""
    with ExitStack() as stack:
        yield [
            follower
            for prefix in PATHS
            for follower in stack.enter_context(following(server, prefix, query))
        ]


def check(followers: list[Follower]) -> None:
    """Insist that all were sent the same."""
    sse, websocket, portable_sse, portable_websocket = followers
    assert sse.events == portable_sse.events
    assert websocket.events == portable_websocket.events
    assert sse.all_data == websocket.all_data


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with progress_serve("tests.support.paths_app:app", "--log-level", "warning") as process:
        yield process
        assert not process.stderr


def test_the_paths_are_two(server: Process) -> None:
    """A detached connection has no task."""
    tasks = []
    for prefix in PATHS:
        with following(server, prefix, {"kind": "none"}) as followers:
            for follower in followers:
                follower.until("ping")
            eventually(lambda: census(server).subscribers == 2)
            tasks.append(census(server).tasks)
        eventually(lambda: census(server).subscribers == 0)
    assert tasks[1] >= tasks[0] + 2


def test_live(server: Process) -> None:
    with following_all(server, {"kind": "count"}) as followers:
        for follower in followers:
            follower.until("ping")
            follower.events.clear()
        start(server.port, "count", to=50, interval=0.002)
        for follower in followers:
            follower.until_the_end()
        check(followers)
        types = [json.loads(data)["type"] for data in followers[0].all_data]
        assert types[:2] == ["snapshot", "state"]
        assert types.count("log") == 50
        assert "progress" in types


def test_history(server: Process) -> None:
    """All that is retained, of an operation that has ended."""
    id = start(server.port, "flood", lines=300, size=300)["id"]
    eventually(lambda: snapshot(server.port, id)["state"] == "succeeded")
    with following_all(server, {"operation": id, "after": "0-0"}) as followers:
        for follower in followers:
            follower.until("ping")
        check(followers)
        assert len(followers[0].events) > 300


def test_from_a_snapshot_to_the_end(server: Process) -> None:
    id = start(server.port, "wait")["id"]
    eventually(lambda: snapshot(server.port, id)["progress"]["message"] == "waiting")
    with following_all(server, {"operation": id}) as followers:
        for follower in followers:
            follower.until("ping")
        with Connection(server.port, request(f"/operations/{id}/cancel", method="POST")) as asked:
            asked.read()
        assert asked.response.status == 202
        for follower in followers:
            follower.until_the_end()
            follower.until("ping")
        check(followers)


def test_a_cursor_of_another_history(server: Process) -> None:
    id = start(server.port, "wait")["id"]
    eventually(lambda: snapshot(server.port, id)["progress"]["message"] == "waiting")
    with following_all(server, {"operation": id, "after": "1000-7"}) as followers:
        for follower in followers:
            follower.until("ping")
        sse, websocket, portable_sse, portable_websocket = followers
        assert sse.events == portable_sse.events
        assert websocket.events == portable_websocket.events
        # A WebSocket's other operations are shown again, too: all snapshots stand in their places.
        assert sorted(sse.all_data) == sorted(websocket.all_data)
        assert json.loads(followers[0].all_data[0])["reason"] == "epoch"
