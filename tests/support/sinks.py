"""A sink in memory: bounded, drained by hand, cut anywhere."""

from __future__ import annotations

from progress.core.frames import Frame, Joined
from progress.hub import CloseReason, Hub, Subscriber


class MemorySink:
    """Keeps the bytes of an SSE stream until somebody takes them."""

    def __init__(self, room: int) -> None:
        self.data = bytearray()
        self.closed = False
        self.aborted = False
        self.most = 0
        """Bytes it held at most."""
        self._room = room

    @property
    def has_room(self) -> bool:
        """Whether a frame should be written."""
        return len(self.data) < self._room

    def write(self, frame: Frame | Joined) -> bool:
        """Take a frame; say whether there is room for another."""
        assert not self.closed
        self.data += frame.sse
        self.most = max(self.most, len(self.data))
        return self.has_room

    def close(self, reason: CloseReason) -> None:
        """End after what is here."""
        self.closed = True

    def abort(self) -> None:
        """End now."""
        self.closed = self.aborted = True
        self.data.clear()

    def take(self, count: int, hub: Hub, subscriber: Subscriber) -> bytes:
        """Take so many bytes away; tell the hub once there is room again."""
        taken = bytes(self.data[:count])
        del self.data[:count]
        hub.resume(subscriber)
        return taken
