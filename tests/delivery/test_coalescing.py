"""What is published in one turn of the loop goes out in one write, encoded once for everybody."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio
import pytest

from progress.core.cursor import ZERO, Cursor
from progress.core.event import State
from progress.core.filter import EVERYTHING, Filter
from progress.core.frames import Frame, Joined
from progress.hub import Subscriber, Subscription
from tests.support.events import log, progress, state
from tests.support.view import View
from tests.support.writes import SETTINGS, RunningHub, WriteSink


async def caught_up(subscriber: Subscriber) -> None:
    """Let the loop go on until it is live again."""
    with anyio.fail_after(5):
        await anyio.wait_all_tasks_blocked()
        while not subscriber.live:
            await anyio.lowlevel.checkpoint()


def cursors(write: Frame | Joined) -> list[tuple[str, int]]:
    return [(part.type, part.n) for part in write.parts]


READERS: list[tuple[str, ...]] = [("a",), (), ("a", "b")]
readers = pytest.mark.parametrize("operations", READERS, ids=["one", "many", "several"])


@readers
async def test_one_write_for_a_turn_at_its_end(operations: tuple[str, ...]) -> None:
    world = RunningHub("a", "b")
    with world.reading(*operations) as (_, sink):
        sink.take()
        world.bus.publish(state("a", State.RUNNING))
        world.bus.publish(log("a", "one"))
        world.bus.publish(progress("a", 1))
        assert not sink.writes
        await anyio.wait_all_tasks_blocked()
        [write] = sink.take()
        assert cursors(write) == [("state", 3), ("log", 4), ("progress", 5)]
        world.bus.publish(log("a", "two"))
        await anyio.wait_all_tasks_blocked()
        [write] = sink.take()
        assert cursors(write) == [("log", 6)]
        await anyio.wait_all_tasks_blocked()
        assert not sink.writes


@readers
async def test_the_newest_progress_of_each_step(operations: tuple[str, ...]) -> None:
    world = RunningHub("a", "b")
    world.bus.publish(progress("a", 0, "one"))
    world.bus.publish(progress("a", 0, "two"))
    with world.reading(*operations) as (_, sink):
        sink.take()
        for n in range(1, 4):
            world.bus.publish(progress("a", n, "one"))
            world.bus.publish(progress("a", n, "two"))
            world.bus.publish(progress("a", n))
        world.bus.publish(log("a", "done"))
        await anyio.wait_all_tasks_blocked()
        [write] = sink.take()
        assert cursors(write) == [
            ("progress", 11), ("progress", 12), ("progress", 13), ("log", 14)
        ]  # fmt: skip


@readers
async def test_the_order_of_new_steps_is_kept(operations: tuple[str, ...]) -> None:
    world = RunningHub("a", "b")
    view = View()
    view.connect()
    with world.reading(*operations) as (_, sink):
        for step in ("outer", "inner", "outer", "inner", "last", "outer"):
            world.bus.publish(progress("a", world.bus.head.n, step))
        await anyio.wait_all_tasks_blocked()
        for write in sink.take():
            view.feed(write.sse)
    assert view.snapshots["a"].steps == world.bus.journal("a").snapshot.steps
    assert [step.id for step in view.snapshots["a"].steps] == ["outer", "inner", "last"]


@readers
async def test_a_publisher_that_never_yields_gets_its_last_value_out(
    operations: tuple[str, ...],
) -> None:
    world = RunningHub("a", "b")
    with world.reading(*operations) as (subscriber, sink):
        sink.take()
        for n in range(10_000):
            world.bus.publish(progress("a", n))
        await anyio.wait_all_tasks_blocked()
        [write] = sink.take()
        assert cursors(write) == [("progress", world.bus.head.n)]
        assert subscriber.live


async def test_several_operations_in_the_order_of_their_events() -> None:
    world = RunningHub("a", "b", "c")
    with world.reading() as (_, all), world.reading("a", "c") as (_, two):
        all.take()
        two.take()
        for n in range(2):
            for id in "cab":
                world.bus.publish(log(id, str(n)))
                world.bus.publish(progress(id, n))
        await anyio.wait_all_tasks_blocked()
        [write], [other] = all.take(), two.take()
    logs = [("log", n) for n in (4, 6, 8, 10, 12, 14)]
    assert cursors(write) == sorted(
        [*logs, ("progress", 11), ("progress", 13), ("progress", 15)], key=lambda place: place[1]
    )
    of_b = {8, 14, 15}
    assert cursors(other) == [place for place in cursors(write) if place[1] not in of_b]


async def test_an_operation_that_is_new_is_introduced_before_its_first_event() -> None:
    world = RunningHub("a")
    view = View()
    view.connect()
    with world.reading() as (_, sink), world.reading() as (_, beside):
        for write in sink.take():
            view.feed(write.sse)
        beside.take()
        world.bus.publish(log("a", "before"))
        world.start("new")
        world.bus.publish(state("new", State.RUNNING))
        world.bus.publish(log("a", "after"))
        await anyio.wait_all_tasks_blocked()
        [write] = sink.take()
        assert [type for type, _ in cursors(write)] == ["log", "snapshot", "state", "state", "log"]
        assert write.parts[1] is beside.writes[0].parts[1]
        view.feed(write.sse)
    assert view.snapshots["new"].state is State.RUNNING
    assert len(view.lossless) == 4


@readers
async def test_more_than_a_sinks_buffer_is_caught_up_with(operations: tuple[str, ...]) -> None:
    """It is never written in one piece, whoever has published it."""
    world = RunningHub("a", "b")
    view = View()
    view.connect()
    with world.reading(*operations) as (subscriber, sink):
        for n in range(30):
            for id in ("a", "b"):
                world.bus.publish(log(id, f"{n} {'x' * 200}"))
        world.start("new")
        await caught_up(subscriber)
        writes = sink.take()
        assert max(len(write.sse) for write in writes) < 2 * SETTINGS.limits.sink
        for write in writes:
            view.feed(write.sse)
    shown = {"a"} if operations == ("a",) else {"a", "b"}
    assert len([cursor for cursor in view.lossless if cursor.n > 2]) >= 30 * len(shown)
    for id in shown:
        assert view.snapshots[id].cursor == world.bus.journal(id).snapshot.cursor
    assert not view.gaps


async def test_a_turn_of_many_operations_has_the_same_bound() -> None:
    world = RunningHub(*(f"operation {n}" for n in range(100)))
    with world.reading() as (subscriber, sink):
        await caught_up(subscriber)
        sink.take()
        for n in range(100):
            world.bus.publish(log(f"operation {n}", "x" * 200))
        await caught_up(subscriber)
        writes = sink.take()
        assert max(len(write.sse) for write in writes) < 2 * SETTINGS.limits.sink
    found = [n for write in writes for type, n in cursors(write) if type == "log"]
    assert found == list(range(101, 201))


@readers
async def test_who_is_behind_is_not_written_to(operations: tuple[str, ...]) -> None:
    world = RunningHub("a", "b")
    with world.reading(*operations, room=1) as (subscriber, sink):
        assert len(sink.take()) == 1
        world.bus.publish(log("a", "one"))
        await anyio.wait_all_tasks_blocked()
        assert not sink.writes
        sink.room = 1_000_000
        world.hub.resume(subscriber)
        assert subscriber.live
        types = [type for write in sink.take() for type, _ in cursors(write)]
        assert types[-1] == "ping"
        assert "log" in types or operations != ("a",)


WIRES: dict[str, Callable[[Frame | Joined], bytes]] = {
    "SSE": lambda write: write.sse,
    "chunked": lambda write: write.chunk,
    "WebSocket": lambda write: write.websocket,
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("lines", [1, 3])
@readers
async def test_the_bytes_of_a_turn_are_the_same_object_for_all(
    operations: tuple[str, ...], lines: int, wire: str
) -> None:
    world = RunningHub("a", "b")
    with world.reading(*operations) as (_, one), world.reading(*operations) as (_, other):
        one.take()
        other.take()
        for n in range(lines):
            world.bus.publish(log("a", str(n)))
        await anyio.wait_all_tasks_blocked()
        [first], [second] = one.take(), other.take()
    assert all(a is b for a, b in zip(first.parts, second.parts, strict=True))
    if operations != ("a", "b") or lines == 1:  # each connection has its own subscriptions
        assert first is second
        assert WIRES[wire](first) is WIRES[wire](second)


async def test_other_types_in_between_do_not_matter_for_that() -> None:
    world = RunningHub("a")
    logs = Filter(types=frozenset(("log",)))
    sinks = [WriteSink() for _ in range(4)]
    for sink, filter in zip(sinks, [EVERYTHING, logs, EVERYTHING, logs], strict=True):
        world.hub.attach(sink, Subscription(filter, world.bus.journal("a")), None)
        sink.take()
    for n in range(2):
        world.bus.publish(log("a", str(n)))
        world.bus.publish(progress("a", n))
    await anyio.wait_all_tasks_blocked()
    [[all], [lines], [again], [lines_again]] = [sink.take() for sink in sinks]
    assert cursors(all) == [("log", 2), ("log", 4), ("progress", 5)]
    assert cursors(lines) == [("log", 2), ("log", 4)]
    assert again is all
    assert lines_again is lines


@pytest.mark.parametrize("after", [None, ZERO, Cursor(1_000, 1), Cursor(999, 7)], ids=str)
async def test_who_comes_back_at_once_gets_the_same_encoding(after: Cursor | None) -> None:
    world = RunningHub("a")
    world.bus.publish(progress("a", 1))
    read = partial(world.reading, "a", after=after)
    with read() as (_, one), read() as (_, two), read() as (_, three):
        shown = [
            next(part for write in sink.writes for part in write.parts if part.type == "snapshot")
            for sink in (one, two, three)
        ]
        assert shown[0].json is shown[1].json is shown[2].json
        if after is None:
            assert shown[0] is shown[1] is shown[2]
