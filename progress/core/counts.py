"""What one server has done so far, in plain numbers. They never know who reads them, or how."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from typing import get_args

from .event import LOSSLESS, State
from .frames import ByeReason, Frame, GapReason, Joined
from .wires import Wire

__all__ = ["DURATIONS", "LAGS", "Counts", "Histogram", "Sent"]

DURATIONS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
"""Seconds that operations take: moments to a day."""

LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds that an event loop is late: none, to what everybody notices."""


class Histogram:
    """How many values were at most as large as each of some bounds, and their sum."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """`bounds` ascend."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Take one more value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def buckets(self) -> list[tuple[float, int]]:
        """Each bound, and how many values are not above it; the last bound is infinite."""
        found = []
        count = 0
        bounds = (*self._bounds, float("inf"))
        for bound, more in zip(bounds, self._counts, strict=True):
            count += more
            found.append((bound, count))
        return found


class Sent:
    """What was written on one wire."""

    __slots__ = ("bytes", "events", "form", "wire")

    def __init__(self, wire: Wire) -> None:
        self.wire = wire.name
        self.form = wire.form
        self.events = 0
        """Snapshots, bookmarks and the like among them."""
        self.bytes = 0

    def add(self, frame: Frame | Joined, readers: int) -> None:
        """Count a frame that has been written to so many."""
        self.events += frame.count * readers
        self.bytes += len(self.form(frame)) * readers


class Counts:
    """One for each server; its parts count what they do."""

    __slots__ = (
        "_sent",
        "catch_ups",
        "closed",
        "durations",
        "ended",
        "events",
        "gaps",
        "interims",
        "lag",
        "live",
        "started",
    )

    def __init__(self) -> None:
        self.live: dict[str, tuple[str, State]] = {}
        """The kind and state of each operation that has not ended."""
        self.started: Counter[str] = Counter()
        """Operations by kind."""
        self.ended: Counter[tuple[str, State]] = Counter()
        """The same by kind and terminal state."""
        self.durations: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(DURATIONS))
        """Seconds from the beginning to the end, by kind, of those that had begun to run."""
        self.events = dict.fromkeys(LOSSLESS, 0)
        """Lossless events by type. All others are `progress`."""
        self._sent: dict[Wire, Sent] = {}
        self.catch_ups = dict.fromkeys(("connect", "lag", "burst"), 0)
        """Readers that were given a position, by why: one has come, its sink was full, or one turn
        of the event loop brought too much."""
        self.gaps: dict[GapReason, int] = dict.fromkeys(get_args(GapReason), 0)
        """Readers that were told of a loss."""
        self.closed = dict.fromkeys((*get_args(ByeReason), "idle"), 0)
        """Subscribers that the server has told to go, or has not taken, by why."""
        self.interims = 0
        self.lag = Histogram(LAGS)
        """Seconds that a tick of the server itself was late."""

    def on(self, wire: Wire) -> Sent:
        """What was written on that wire so far."""
        sent = self._sent.get(wire)
        if sent is None:
            sent = self._sent[wire] = Sent(wire)
        return sent

    @property
    def sent(self) -> list[Sent]:
        """What was written, in one or two parts for each wire."""
        return list(self._sent.values())
