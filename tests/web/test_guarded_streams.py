"""Streams of many under a hook that takes its time: nothing lost, reordered or shown to others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx2
import pytest

from progress.core.cursor import Cursor
from progress.core.event import StateEvent
from progress.core.frames import Message, Ping
from progress.core.operation import ENDED
from tests.support.server import Server
from tests.support.view import View
from tests.support.web import finish, start
from tests.support.wire import Connection, request

Users = tuple[Server, httpx2.Client, httpx2.Client]


@pytest.fixture
def users(guarded_server: Server, ada: httpx2.Client, bob: httpx2.Client) -> Users:
    """A server, and two who do not see what the other does."""
    return guarded_server, ada, bob


@pytest.fixture
def gate(bob: httpx2.Client) -> Iterator[str]:
    """A gate that is open at the end: who lists operations waits for it, too."""
    gate = uuid4().hex
    yield gate
    finish(bob, "release", {"owner": "bob"}, gate=gate)


class Stream:
    """A user's connection to `/events`."""

    def __init__(self, connection: Connection, view: View) -> None:
        self.connection = connection
        self.view = view

    def read_until_end_of(self, *operations: str) -> None:
        """Read on until the terminal event of each of these has come."""
        for data in self.connection.body():
            self.view.feed(data)
            if set(operations) <= self.ended():
                return
        raise AssertionError("the stream has ended")

    def ended(self) -> set[str]:
        """The operations whose terminal event has come."""
        return {
            event.operation
            for event in self.view.lossless.values()
            if isinstance(event, StateEvent) and event.state in ENDED
        }

    def read_until(self, type: type[Message]) -> None:
        """Read on until such a message has come."""
        for data in self.connection.body():
            if any(isinstance(message, type) for message in self.view.feed(data)):
                return
        raise AssertionError("the stream has ended")


@contextmanager
def stream(
    server: Server, user: str, view: View | None = None, query: str = ""
) -> Iterator[Stream]:
    view = view or View()
    headers = {"Authorization": f"Bearer {user}"}
    if (last := view.connect()) is not None:
        headers["Last-Event-ID"] = last
    with Connection(server.port, request(f"/events?{query}", headers)) as connection:
        yield Stream(connection, view)


def lossless(server: Server, user: str, *operations: str) -> list[Cursor]:
    """The cursors of all lossless events of these operations, from their own streams."""
    found = View()
    for id in operations:
        own = View()
        headers = {"Authorization": f"Bearer {user}"}
        path = f"/operations/{id}/events?after=0-0"
        with Connection(server.port, request(path, headers)) as connection:
            for data in connection.body():
                own.feed(data)
        found.lossless |= own.lossless
    return sorted(found.lossless)


def test_own_operations_only(users: Users) -> None:
    server, ada, bob = users
    earlier = start(ada, "wait", {"owner": "ada"})["id"]
    foreign = start(bob, "wait", {"owner": "bob"})["id"]
    with stream(server, "ada") as own, stream(server, "bob") as other:
        own.read_until(Ping)
        other.read_until(Ping)
        assert earlier in own.view.snapshots
        assert foreign not in own.view.snapshots
        made: dict[str, list[str]] = {"ada": [], "bob": []}
        for _ in range(5):
            made["ada"].append(start(ada, "count", {"owner": "ada"}, to=5)["id"])
            made["bob"].append(start(bob, "count", {"owner": "bob"}, to=5)["id"])
        own.read_until_end_of(*made["ada"])
        other.read_until_end_of(*made["bob"])
    for view, mine, theirs in ((own.view, "ada", "bob"), (other.view, "bob", "ada")):
        assert not set(view.snapshots) & {*made[theirs]}
        assert lossless(server, mine, *made[mine]) == sorted(view.lossless)
    ada.post(f"/operations/{earlier}/cancel")
    bob.post(f"/operations/{foreign}/cancel")


@pytest.mark.parametrize("when", ["live", "caught up"])
def test_slow_hook_loses_and_reorders_nothing(users: Users, when: str, gate: str) -> None:
    """`View` insists that ids never go backwards."""
    server, ada, bob = users
    cursor = ada.get("/operations?limit=1").json()["cursor"]

    def work() -> list[str]:
        """Some that can be read at once, before and after one whose answer is held back."""
        first = finish(ada, "count", {"owner": "ada"})["id"]
        return [first, *held_back(), *[finish(ada, "count", {"owner": "ada"})["id"] for _ in "ab"]]

    def held_back() -> list[str]:
        finish(bob, "count", {"owner": "bob"})
        labels = {"owner": "ada", "gate": gate}
        return [start(ada, "count", labels)["id"] for _ in "ab"]

    made = [] if when == "live" else work()
    with stream(server, "ada", query=f"after={cursor}") as own:
        if when == "live":
            own.read_until(Ping)
            made = work()
        own.read_until_end_of(made[0])
        assert not set(made[1:]) & set(own.view.snapshots)
        finish(bob, "release", {"owner": "bob"}, gate=gate)
        own.read_until_end_of(*made)
    seen = list(own.view.lossless)
    assert seen == sorted(seen)
    assert seen == lossless(server, "ada", *made)
    assert not own.view.gaps


def test_hook_that_takes_forever(users: Users, gate: str) -> None:
    """The stream says `slow` when nothing has got out for too long; nobody else notices."""
    server, ada, bob = users
    with stream(server, "ada") as own, stream(server, "bob") as other:
        own.read_until(Ping)
        other.read_until(Ping)
        first = finish(ada, "count", {"owner": "ada"})["id"]
        held = start(ada, "count", {"owner": "ada", "gate": gate})["id"]
        last = finish(ada, "count", {"owner": "ada"})["id"]
        other.read_until_end_of(finish(bob, "count", {"owner": "bob"})["id"])
        for data in own.connection.body():
            own.view.feed(data)
        assert own.view.bye is not None
        assert (own.view.bye.reason, own.view.bye.reconnect) == ("slow", True)
        assert set(own.view.snapshots) & {first, held, last} == {first}
    finish(bob, "release", {"owner": "bob"}, gate=gate)
    with stream(server, "ada", own.view) as own:
        own.read_until_end_of(held, last)
    seen = list(own.view.lossless)
    assert seen == sorted(seen)
    assert seen == lossless(server, "ada", first, held, last)
    assert not own.view.gaps
