"""A snapshot is encoded once for all who read it at about the same time, within a bound."""

from __future__ import annotations

import pytest

from progress.bus import MemoryBus
from progress.core.cursor import Cursor
from progress.core.event import State
from progress.core.frames import Frame, SnapshotNotice, decode
from progress.core.snapshots import Snapshots
from progress.settings import Limits, Retention
from tests.support.events import progress, state
from tests.support.snapshots import snapshot

ROOM = 1_000_000


@pytest.fixture
def bus() -> MemoryBus:
    bus = MemoryBus(1_000, Limits(), Retention())
    for id in ("a", "b", "c"):
        bus.publish(state(id, State.QUEUED), snapshot(id))
    return bus


def size(frame: Frame) -> int:
    return len(frame.json)


def test_whoever_reads_it_gets_the_same_bytes(bus: MemoryBus) -> None:
    snapshots = Snapshots(ROOM)
    first, second = (snapshots.of(bus.journal("a")) for _ in range(2))
    assert first is second
    assert first.sse is second.sse
    assert first.chunk is second.chunk
    assert first.websocket is second.websocket


def test_it_is_the_present_one_without_an_id(bus: MemoryBus) -> None:
    frame = Snapshots(ROOM).of(bus.journal("b"))
    expected = bus.journal("b").snapshot
    message = decode(frame.json)
    assert isinstance(message, SnapshotNotice)
    assert (message.operation, message.snapshot.cursor) == ("b", expected.cursor)
    assert frame.id is None


def test_after_another_event_it_is_another_one(bus: MemoryBus) -> None:
    snapshots = Snapshots(ROOM)
    a, b = snapshots.of(bus.journal("a")), snapshots.of(bus.journal("b"))
    bus.publish(progress("a", 1))
    newer = snapshots.of(bus.journal("a"))
    message = decode(newer.json)
    assert newer is not a
    assert isinstance(message, SnapshotNotice)
    assert message.snapshot.progress.completed == 1
    assert snapshots.of(bus.journal("a")) is newer
    assert snapshots.of(bus.journal("b")) is b


def test_an_id_of_a_readers_own_leaves_the_shared_one_as_it_is(bus: MemoryBus) -> None:
    shared = Snapshots(ROOM).of(bus.journal("a"))
    before = shared.sse
    numbered = shared.numbered(Cursor(1_000, 3))
    assert numbered.sse == b"event: snapshot\nid: 1000-3\ndata: " + shared.json + b"\n\n"
    assert shared.sse is before


def test_the_oldest_is_forgotten_over_the_bound(bus: MemoryBus) -> None:
    journals = [bus.journal(id) for id in "abc"]
    sizes = [size(Snapshots(ROOM).of(journal)) for journal in journals]
    snapshots = Snapshots(sum(sizes) - 1)
    a, b, c = map(snapshots.of, journals)
    assert snapshots.of(journals[1]) is b
    assert snapshots.of(journals[2]) is c
    assert snapshots.of(journals[0]) is not a


def test_one_that_was_replaced_takes_no_room(bus: MemoryBus) -> None:
    journal = bus.journal("a")
    snapshots = Snapshots(3 * size(Snapshots(ROOM).of(journal)))
    b = snapshots.of(bus.journal("b"))
    for n in range(100):
        bus.publish(progress("a", n))
        snapshots.of(journal)
    assert snapshots.of(bus.journal("b")) is b


def test_one_that_is_too_large_is_given_but_not_kept(bus: MemoryBus) -> None:
    journal = bus.journal("a")
    snapshots = Snapshots(10)
    first = snapshots.of(journal)
    assert decode(first.json).__struct_config__.tag == "snapshot"
    assert snapshots.of(journal) is not first


def test_cleared_they_are_encoded_again(bus: MemoryBus) -> None:
    snapshots = Snapshots(ROOM)
    first = snapshots.of(bus.journal("a"))
    snapshots.clear()
    assert snapshots.of(bus.journal("a")) is not first
