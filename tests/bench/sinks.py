"""Sinks in memory: one always has room, one has to be drained."""

from __future__ import annotations

from typing import ClassVar

from progress.core.frames import Frame, Joined
from progress.core.wires import SSE, Wire
from progress.hub import CloseReason

__all__ = ["Accepting", "Buffered"]


class Accepting:
    """Takes all there is, and counts."""

    wire: ClassVar[Wire] = SSE

    def __init__(self) -> None:
        self.has_room = True
        self.frames = 0
        self.bytes = 0

    def write(self, frame: Frame | Joined) -> bool:
        """Take the frame's bytes."""
        self.frames += len(frame.parts)
        self.bytes += len(frame.sse)
        return True

    def close(self, reason: CloseReason) -> None:
        """Nothing is held."""

    def abort(self) -> None:
        """Nothing is held."""


class Buffered(Accepting):
    """Has room for so many bytes, until it is drained."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room
        self._held = 0

    def write(self, frame: Frame | Joined) -> bool:
        """Take the frame's bytes; say whether there is room for more."""
        super().write(frame)
        self._held += len(frame.sse)
        return self._held < self._room

    def drain(self) -> None:
        """Half of it is on the wire: that is when a stream asks for more."""
        self._held = self._room // 2
