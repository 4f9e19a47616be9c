"""A sink in memory: bounded, drained by hand, cut anywhere."""

from __future__ import annotations

from progress.core.frames import Frame
from progress.hub import Hub, Subscriber


class MemorySink:
    """Keeps the bytes of an SSE stream until somebody takes them."""

    def __init__(self, room: int) -> None:
        self.data = bytearray()
        self.closed = False
        self.aborted = False
        self.most = 0
        """Bytes it held at most."""
        self._room = room

    def write(self, frame: Frame) -> bool:
        """Take a frame; say whether there is room for another."""
        assert not self.closed
        self.data += frame.sse
        self.most = max(self.most, len(self.data))
        return len(self.data) < self._room

    def close(self) -> None:
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
        if len(self.data) < self._room:
            hub.resume(subscriber)
        return taken
