"""A sink in memory: bounded, drained by hand, cut anywhere."""

from __future__ import annotations

from progress.core.frames import Frame, Joined
from progress.delivery.polling import Poll, Question
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


class PollSink(MemorySink):
    """The same with a `Poll` before it, which knows when it ends."""

    def __init__(self, room: int, question: Question) -> None:
        super().__init__(room)
        # What it takes is kept here, so that it has room whenever it still takes something.
        self._poll = Poll(1, self._keep, self.abort, self.abort, question)

    @property
    def has_room(self) -> bool:
        """Whether a frame should be written."""
        return self._poll.has_room if self.closed else super().has_room

    def write(self, frame: Frame | Joined) -> bool:
        """Take a frame, unless it has ended; say whether there is room for another."""
        has_room = self._poll.write(frame)
        self.closed = self._poll.reason is not None
        return has_room if self.closed else self.has_room

    def close(self, reason: CloseReason) -> None:
        """End after what is here."""
        self._poll.close(reason)
        super().close(reason)

    def _keep(self, frame: Frame | Joined) -> tuple[bytes, ...]:
        self.data += frame.sse
        self.most = max(self.most, len(self.data))
        return ()
