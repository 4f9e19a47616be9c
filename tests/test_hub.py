"""What the law's random programs do not say: how often a gap is told, permits, late arrivals."""

from __future__ import annotations

import anyio

from progress.bus import MemoryBus
from progress.core.cursor import ZERO
from progress.core.event import LogEvent, State, StateEvent
from progress.core.filter import Filter
from progress.core.frames import Frame, Gap, Joined, Missed
from progress.core.journal import Journal
from progress.hub import Hub, Subscription
from progress.settings import Limits, Retention, Settings
from tests.support.sinks import MemorySink
from tests.support.snapshots import TIME, snapshot
from tests.support.view import View

SETTINGS = Settings(limits=Limits(journal=5), retention=Retention())


class Desk:
    """Permits that are given by hand."""

    def __init__(self) -> None:
        self.answers: dict[str, bool] = {}

    def get(self, journal: Journal) -> bool | None:
        """The answer, where it has been given."""
        return self.answers.get(journal.snapshot.id)


def hub_with(*operations: str) -> tuple[MemoryBus, Hub]:
    bus = MemoryBus(1_000, SETTINGS.limits, SETTINGS.retention)
    hub = Hub(bus, SETTINGS)
    for id in operations:
        event = StateEvent(operation=id, time=TIME, state=State.QUEUED)
        bus.publish(event, snapshot(id))
    return bus, hub


def log(bus: MemoryBus, operation: str, lines: int) -> None:
    for n in range(lines):
        bus.publish(
            LogEvent(operation=operation, time=TIME, level="info", message=str(n), step=None)
        )


def trimmed(operation: str, log: int, state: int = 0) -> Gap:
    return Gap(operation=operation, reason="trimmed", missed=Missed(state=state, log=log))


def test_a_gap_is_told_once_and_again_only_when_more_was_trimmed() -> None:
    bus, hub = hub_with("a")
    log(bus, "a", 10)
    view, sink = View(), MemorySink(1)  # full after each frame
    view.connect("0-0")
    with hub.subscribe(sink, Subscription(Filter(), bus.journal("a")), ZERO) as subscriber:
        while sink.data:
            view.feed(sink.take(len(sink.data), hub, subscriber))
        assert subscriber.live
        assert view.gaps == [trimmed("a", log=5, state=1)]
        log(bus, "a", 1)  # fills the sink
        hub.flush()
        log(bus, "a", 9)
        while sink.data:
            view.feed(sink.take(len(sink.data), hub, subscriber))
        assert view.gaps == [trimmed("a", log=5, state=1), trimmed("a", log=4)]
    assert len(view.lossless) == 5 + 1 + 5


def test_who_has_lost_events_of_one_operation_sees_its_present_at_once() -> None:
    """Who reads more slowly than it logs might never get as far as its newest event."""
    bus, hub = hub_with("a")
    sink = MemorySink(1)
    with hub.subscribe(sink, Subscription(Filter(), bus.journal("a")), bus.head) as subscriber:
        while sink.data:
            sink.take(len(sink.data), hub, subscriber)
        for _ in range(3):
            log(bus, "a", 1)  # fills the sink
            hub.flush()
            log(bus, "a", 20)  # more than is kept
            shown: list[str] = []
            while "ping" not in shown:
                data = sink.take(len(sink.data), hub, subscriber).decode()
                shown += [
                    line.removeprefix("event: ") for line in data.split("\n") if "event:" in line
                ]
            assert shown == ["log", "gap", "snapshot", *["log"] * 5, "ping"]


def test_what_was_trimmed_of_an_operation_that_waited_for_its_permit_is_told() -> None:
    bus, hub = hub_with("early", "asked")
    log(bus, "asked", 10)
    desk, view, sink = Desk(), View(), MemorySink(10_000)
    desk.answers["early"] = True
    view.connect("0-0")
    with hub.subscribe(sink, Subscription(Filter(), permits=desk), ZERO) as subscriber:
        view.feed(sink.take(len(sink.data), hub, subscriber))
        assert set(view.snapshots) == {"early"}
        assert not view.gaps
        desk.answers["asked"] = True
        hub.resume(subscriber)
        view.feed(sink.take(len(sink.data), hub, subscriber))
    assert view.gaps == [trimmed("asked", log=5, state=1)]
    assert set(view.snapshots) == {"early", "asked"}


def test_who_has_left_is_not_let_in() -> None:
    """A call may be carried out after its client has gone."""
    bus, hub = hub_with("a")
    sink = MemorySink(10_000)
    connection = hub.connect(sink)
    hub.remove(connection)
    hub.join(connection, "1", Subscription(Filter(), bus.journal("a")), ZERO, lambda head: True)
    hub.join(connection, "2", Subscription(Filter()), ZERO, lambda head: True)
    hub.part(connection, "1")
    log(bus, "a", 1)
    hub.flush()
    assert not sink.data


class Keeping(MemorySink):
    """Keeps what is written to it as it came."""

    def __init__(self) -> None:
        super().__init__(1_000_000)
        self.written: list[Frame | Joined] = []

    def write(self, frame: Frame | Joined) -> bool:
        """Take a frame."""
        self.written.append(frame)
        return super().write(frame)


def test_who_is_shown_the_same_shares_what_is_joined() -> None:
    """Streams of many, and connections with the same subscriptions in whatever order."""
    bus, hub = hub_with("a")
    kinds = [Filter(kinds=frozenset({kind})) for kind in ("k", "work")]
    stream, *sinks = [Keeping() for _ in range(4)]
    hub.attach(stream, Subscription(Filter()), bus.head)
    for sink, filters in zip(sinks, ([Filter()], kinds, kinds[::-1]), strict=True):
        connection = hub.connect(sink)
        for n, filter in enumerate(filters):
            hub.join(connection, str(n), Subscription(filter), bus.head, lambda head: True)
    for sink in (stream, *sinks):
        sink.written.clear()
    log(bus, "a", 2)
    hub.flush()
    assert sinks[0].written[0] is stream.written[0]
    assert sinks[1].written[0] is sinks[2].written[0]
    assert [len(sink.written[0].parts) for sink in (stream, *sinks)] == [2, 2, 2, 2]


async def test_who_arrives_while_the_others_are_told_is_told_too() -> None:
    bus, hub = hub_with("a")
    first, late = MemorySink(10_000), MemorySink(10_000)
    first_left, late_left = anyio.Event(), anyio.Event()

    async def follow(sink: MemorySink, leave: anyio.Event) -> None:
        with hub.subscribe(sink, Subscription(Filter(), bus.journal("a")), None):
            await leave.wait()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow, first, first_left)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(hub.drain, 60)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(follow, late, late_left)
            await anyio.wait_all_tasks_blocked()
            assert b'"drain"' in late.data
            first_left.set()
            await anyio.wait_all_tasks_blocked()
            late_left.set()
    assert not first.aborted
    assert not late.aborted
