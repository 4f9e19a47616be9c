"""One operation's present and its recent past. It never knows who reads them."""

from __future__ import annotations

from collections.abc import Set

from .event import LOSSLESS, Event
from .frames import Frame, SnapshotNotice, encode
from .operation import Snapshot, check, fold

__all__ = ["Journal", "Losses"]


class _Trimmed:
    """How many events of one type are gone, and the cursors of the first and last of them."""

    __slots__ = ("count", "first", "last")

    def __init__(self) -> None:
        self.count = self.first = self.last = 0

    def add(self, n: int) -> None:
        self.count += 1
        self.first = self.first or n
        self.last = n

    def after(self, n: int) -> int:
        """At most so many of them stood after `n`."""
        if n < self.first:
            return self.count
        return min(self.count - 1, max(self.last - n, 0))


class Losses:
    """How often a bus trimmed or evicted, so that no reader is told of a loss twice, or never."""

    __slots__ = ("_evicted_at", "_evicted_through", "count")

    def __init__(self) -> None:
        self.count = 0
        self._evicted_at = 0
        self._evicted_through = 0

    def trimmed(self) -> int:
        """Note that events are gone; return the count."""
        self.count += 1
        return self.count

    def evicted(self, journal: Journal) -> None:
        """Note that an operation is gone."""
        self.count += 1
        self._evicted_at = self.count
        self._evicted_through = max(self._evicted_through, journal.newest)

    def evicted_since(self, floor: int, told: int) -> bool:
        """Whether one with events after `floor` has gone since there were `told` losses."""
        return self._evicted_at > told and self._evicted_through > floor


class Journal:
    """One operation's snapshot and its last lossless events, up to a bound.

    Progress is not logged: the snapshot has it. The newest event is never trimmed, so the
    terminal one stays as long as the journal does.
    """

    __slots__ = (
        "__weakref__",
        "_max_bytes",
        "_max_events",
        "_trimmed",
        "born",
        "bytes",
        "frames",
        "loss",
        "payload",
        "snapshot",
    )

    def __init__(self, snapshot: Snapshot, max_events: int, max_bytes: int) -> None:
        self.snapshot = snapshot
        self.frames: list[Frame] = []
        self.bytes = 0
        """Of the retained events."""
        self.payload = len(bytes(snapshot.params))
        """Bytes of the parameters; once it has ended, of the whole snapshot as JSON."""
        self.born = 0
        """The n of its first event."""
        self.loss = 0
        """The bus's count of losses when this journal last trimmed; 0: never."""
        self._trimmed: dict[str, _Trimmed] | None = None
        self._max_events = max_events
        self._max_bytes = max_bytes

    @property
    def newest(self) -> int:
        """The n of its newest event."""
        return self.snapshot.cursor.n

    def notice(self) -> SnapshotNotice:
        """The snapshot as a message."""
        return SnapshotNotice(operation=self.snapshot.id, snapshot=self.snapshot)

    def append(self, event: Event) -> Frame:
        """Fold one more event in and keep it if it is lossless.

        Raises:
            ReportError: the state table does not allow it; nothing has changed then.
        """
        check(self.snapshot, event)
        snapshot = fold(self.snapshot, event)
        frame = Frame(event)
        if frame.type in LOSSLESS:
            kept = len(frame.json)
            if snapshot.ended:
                self.payload = len(encode(snapshot))
            self.bytes += kept
            self.frames.append(frame)
        elif len(snapshot.steps) != len(self.snapshot.steps):
            frame.key = frame.n  # the order of steps is that of the events that brought them
        self.snapshot = snapshot
        self.born = self.born or frame.n
        return frame

    def trim(self, losses: Losses) -> None:
        """Drop the oldest events over the bound, and note that it happened."""
        trimmed = False
        frames = self.frames
        while len(frames) > 1 and (len(frames) > self._max_events or self.bytes > self._max_bytes):
            frame = frames.pop(0)
            self.bytes -= len(frame.json)
            if self._trimmed is None:
                self._trimmed = {}
            self._trimmed.setdefault(frame.type, _Trimmed()).add(frame.n)
            trimmed = True
        if trimmed:
            self.loss = losses.trimmed()

    def missed(self, floor: int, types: Set[str]) -> dict[str, int]:
        """Upper bounds, by type, of what was trimmed after `floor`."""
        trimmed = self._trimmed or {}
        counts = {type: gone.after(floor) for type, gone in trimmed.items() if type in types}
        return {type: count for type, count in counts.items() if count}

    def since(self, floor: int, types: Set[str]) -> list[Frame]:
        """The retained lossless events of these types after `floor`, ascending."""
        found = []
        for frame in reversed(self.frames):
            if frame.n <= floor:
                break
            if frame.type in types:
                found.append(frame)
        found.reverse()
        return found
