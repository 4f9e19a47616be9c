"""What the law's random programs meet too seldom: several subscriptions on one connection."""

from __future__ import annotations

import pytest

from progress.bus import MemoryBus
from progress.core.cursor import ZERO, Cursor
from progress.core.event import State
from progress.core.filter import Filter
from progress.core.journal import Journal
from progress.hub import Hub, Permits, Subscription
from tests.support.events import log, state
from tests.support.snapshots import snapshot
from tests.support.sockets import SocketReader, SocketSink
from tests.support.view import View
from tests.support.world import SETTINGS, Desk

FUTURE = Cursor(1_000, 1_000)
AMPLE = 100_000


class Client:
    """One connection, of a client that may hold something already."""

    def __init__(self, hub: Hub, room: int) -> None:
        self.view = View()
        self.view.connect("there is one for each subscription")
        self.sink = SocketSink(room, lambda message: None)
        self.reader = SocketReader(self.view)
        self.connection = hub.connect(self.sink)
        self._hub = hub

    def join(
        self,
        name: str,
        after: Cursor | None,
        *,
        kind: str = "",
        journal: Journal | None = None,
        permits: Permits | None = None,
    ) -> None:
        self.reader.waiting.add(name)
        subscription = Subscription(Filter(kinds=frozenset(kind)), journal, permits)
        self._hub.join(
            self.connection, name, subscription, after, lambda head: self.sink.answer(name, head)
        )

    def read_some(self) -> None:
        """Take all there is at the moment."""
        self.reader.feed(self.sink.take(AMPLE, self._hub, self.connection))

    def read(self) -> None:
        """Take all there is, and what comes then."""
        for _ in range(1_000):
            self.read_some()
            if self.connection.live and not self.sink.data:
                return
        raise AssertionError("it never became quiet")

    def check(self, bus: MemoryBus, *operations: str) -> None:
        """Insist that it holds these as they are, and nothing else."""
        assert not self.reader.waiting
        cursors = {id: held.cursor for id, held in self.view.snapshots.items()}
        assert cursors == {id: bus.journal(id).snapshot.cursor for id in operations}


@pytest.fixture
def bus() -> MemoryBus:
    """With an operation of kind a that ended and is evicted (1, 2), and one of kind b (3)."""
    bus = MemoryBus(1_000, SETTINGS.limits, SETTINGS.retention)
    bus.publish(state("evicted", State.QUEUED), snapshot("evicted", "a"))
    bus.publish(state("evicted", State.CANCELLED))
    bus.publish(state("b", State.QUEUED), snapshot("b", "b"))
    bus.expire(60.0)
    return bus


@pytest.mark.parametrize("room", [1, 300, AMPLE])
@pytest.mark.parametrize("after", [Cursor(1_000, 1), FUTURE, Cursor(999, 1)], ids=str)
def test_a_gap_of_one_and_what_a_later_one_relies_on(
    bus: MemoryBus, after: Cursor, room: int
) -> None:
    client = Client(Hub(bus, SETTINGS), room)
    client.view.snapshots["b"] = bus.journal("b").snapshot
    client.join("1", after, kind="a")
    client.join("2", bus.head, kind="b")
    client.read()
    client.check(bus, "b")


@pytest.mark.parametrize("room", [1, 300, AMPLE])
@pytest.mark.parametrize("after", [Cursor(1_000, 1), FUTURE], ids=str)
def test_a_gap_of_one_and_what_an_earlier_one_has_shown(
    bus: MemoryBus, after: Cursor, room: int
) -> None:
    client = Client(Hub(bus, SETTINGS), room)
    client.join("1", None, kind="b")
    client.read()
    client.join("2", after, kind="a")
    client.read()
    client.check(bus, "b")


@pytest.mark.parametrize("room", [1, 300, AMPLE])
def test_one_operation_with_a_cursor_from_the_future_beside_another(
    bus: MemoryBus, room: int
) -> None:
    bus.publish(state("c", State.QUEUED), snapshot("c", "c"))
    client = Client(Hub(bus, SETTINGS), room)
    client.join("1", None, journal=bus.journal("b"))
    client.join("2", FUTURE, journal=bus.journal("c"))
    client.read()
    client.check(bus, "b", "c")


@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("room", [1, 300])
def test_evictions_while_another_is_on_its_way(
    bus: MemoryBus, room: int, steps: int, one: bool
) -> None:
    """What that one has shown so far is forgotten, too, each time."""
    hub = Hub(bus, SETTINGS)
    client = Client(hub, room)
    client.join("1", None, kind="a")
    client.read()
    if one:
        client.join("2", None, journal=bus.journal("b"))
    else:
        client.join("2", ZERO, kind="b")
    for n in range(2, 5):
        bus.publish(state(f"other {n}", State.QUEUED), snapshot(f"other {n}", "a"))
        bus.publish(state(f"other {n}", State.CANCELLED))
        bus.expire(60.0 * n)
        for _ in range(steps):
            client.read_some()
    client.read()
    assert client.view.snapshots["b"].cursor == bus.journal("b").snapshot.cursor
    assert not client.reader.waiting


@pytest.mark.parametrize("lines", [1, 10])
def test_what_happens_while_a_permit_is_asked_for(bus: MemoryBus, lines: int) -> None:
    """Ten lines are too much for one write."""
    hub = Hub(bus, SETTINGS)
    desk = Desk()
    client = Client(hub, AMPLE)
    client.join("1", None, kind="a", permits=desk)
    client.read()
    bus.publish(state("new", State.QUEUED), snapshot("new", "a"))
    for _ in range(lines):
        bus.publish(log("new", "x" * 400))
    hub.flush()
    assert not client.connection.live
    assert list(desk.asked) == ["new"]
    desk.answer("new")
    client.read()
    client.check(bus, "new")
    missed = sum(gap.missed.log + gap.missed.state for gap in client.view.gaps if gap.missed)
    assert len(client.view.lossless) + missed == 1 + lines


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("lines", [1, 2])
def test_the_event_after_the_one_that_filled_the_sink(
    bus: MemoryBus, lines: int, several: bool
) -> None:
    hub = Hub(bus, SETTINGS)
    client = Client(hub, 300)
    client.join("1", None, journal=bus.journal("b"))
    if several:
        client.join("2", None, kind="z")
    client.read()
    for _ in range(lines):
        bus.publish(log("b", "x" * 300))
    hub.flush()
    assert not client.connection.live
    bus.publish(log("b", "and then"))
    client.read()
    client.check(bus, "b")
    assert len(client.view.lossless) == lines + 1


def test_the_end_of_an_operation_that_two_are_of(bus: MemoryBus) -> None:
    hub = Hub(bus, SETTINGS)
    client = Client(hub, AMPLE)
    client.join("1", None, journal=bus.journal("b"))
    client.join("2", None, journal=bus.journal("b"))
    client.read()
    bus.publish(state("b", State.CANCELLED))
    hub.flush()
    client.read()
    client.check(bus, "b")
    assert client.view.terminal == ["b"]
    assert client.connection.is_idle
