"""A hub in a running loop, and sinks that keep what they are given, write by write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from progress.bus import MemoryBus
from progress.core.cursor import Cursor
from progress.core.event import State
from progress.core.filter import EVERYTHING
from progress.core.frames import Frame, Joined
from progress.hub import CloseReason, Connection, Hub, Subscriber, Subscription
from progress.settings import Limits, Settings

from .events import state
from .snapshots import snapshot

__all__ = ["SETTINGS", "RunningHub", "WriteSink"]

SETTINGS = Settings(limits=Limits(sink=4_096))


class WriteSink:
    """Keeps what it is given, write by write, as it is."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.writes: list[Frame | Joined] = []
        self.room = room
        """Bytes it takes before it is full."""

    @property
    def has_room(self) -> bool:
        """Whether a frame should be written."""
        return self.room > 0

    def write(self, frame: Frame | Joined) -> bool:
        """Keep what it is given; say whether there is room for more."""
        self.writes.append(frame)
        self.room -= sum(len(part.json) for part in frame.parts)
        return self.has_room

    def close(self, reason: CloseReason) -> None:
        """Nobody should."""
        raise AssertionError(reason)

    def abort(self) -> None:
        """Nobody should."""
        raise AssertionError

    def take(self) -> list[Frame | Joined]:
        """Give away what came."""
        taken, self.writes = self.writes, []
        return taken


class RunningHub:
    """A hub in a running loop, and operations that are queued on its bus."""

    def __init__(self, *operations: str) -> None:
        self.bus = MemoryBus(1_000, SETTINGS.limits, SETTINGS.retention)
        self.hub = Hub(self.bus, SETTINGS)
        self.hub.open()
        for id in operations:
            self.start(id)

    def start(self, id: str) -> None:
        """Begin an operation."""
        self.bus.publish(state(id, State.QUEUED), snapshot(id))

    @contextmanager
    def reading(
        self, *operations: str, after: Cursor | None = None, room: int = 1_000_000
    ) -> Iterator[tuple[Subscriber, WriteSink]]:
        """Subscribe to one operation, or to all; over a WebSocket if there are several."""
        sink = WriteSink(room)
        if len(operations) > 1:
            subscriber: Subscriber = self._connected(sink, operations)
        else:
            journal = self.bus.journal(operations[0]) if operations else None
            subscriber = self.hub.attach(sink, Subscription(EVERYTHING, journal), after)
        try:
            yield subscriber, sink
        finally:
            self.hub.remove(subscriber)

    def _connected(self, sink: WriteSink, operations: tuple[str, ...]) -> Connection:
        connection = self.hub.connect(sink)
        for id in operations:
            subscription = Subscription(EVERYTHING, self.bus.journal(id))
            self.hub.join(connection, id, subscription, None, lambda head: sink.has_room)
        return connection
