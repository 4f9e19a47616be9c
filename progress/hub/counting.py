"""Counting what goes through the hub, and who is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from progress.core.counts import Counts, Sent
from progress.core.frames import Frame
from progress.core.journal import Journal
from progress.core.wires import INSIDE, Wire

from .subscriber import Sink, Subscriber

__all__ = ["Census", "census", "count_state", "sent_by", "write"]


class Census(NamedTuple):
    """Who is there just now."""

    wires: Counter[str]
    """Subscribers by the name of their wire."""
    lagging: int
    """Those among them that are behind, and have no room."""


def census(subscribers: Iterable[Subscriber]) -> Census:
    """Count subscribers. It looks at each of them."""
    sinks: Counter[type[Sink]] = Counter()
    lagging = 0
    for subscriber in subscribers:
        sink = subscriber.sink
        sinks[type(sink)] += 1
        if subscriber.reader is not None and not subscriber.closed and not sink.has_room:
            lagging += 1
    wires: Counter[str] = Counter()
    for one, count in sinks.items():
        wires[_wire(one).name] += count
    return Census(wires, lagging)


def sent_by(counts: Counts, sink: Sink) -> Sent:
    """Where what a sink writes is counted."""
    return counts.on(_wire(type(sink)))


def write(counts: Counts, subscriber: Subscriber, frame: Frame) -> bool:
    """Write one frame, and count it; say whether there is room for more."""
    has_room = subscriber.sink.write(frame)
    sent_by(counts, subscriber.sink).add(frame, 1)
    return has_room


def count_state(counts: Counts, journal: Journal, frame: Frame) -> None:
    """Count what a state event has made of its operation."""
    snapshot = journal.snapshot
    kind = snapshot.kind
    if frame.n == journal.born:
        counts.started[kind] += 1
    if not snapshot.ended:
        counts.live[snapshot.id] = kind, snapshot.state
        return
    counts.live.pop(snapshot.id, None)
    counts.ended[kind, snapshot.state] += 1
    if snapshot.started_at is not None and snapshot.finished_at is not None:
        counts.durations[kind].observe(_seconds(snapshot.started_at, snapshot.finished_at))


def _seconds(began: str, ended: str) -> float:
    """Between two times of the wall clock, which may have been set back."""
    seconds = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
    return max(seconds.total_seconds(), 0.0)


def _wire(sink: type[Sink]) -> Wire:
    wire: Wire = getattr(sink, "wire", INSIDE)
    return wire
