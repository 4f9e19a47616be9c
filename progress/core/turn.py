"""What is published in one turn of the event loop goes out together, and no more than is needed.

It never knows what a turn is, or who reads.
"""

from __future__ import annotations

from .frames import Frame

__all__ = ["Turn"]

_PROGRESS = 512
"""Bytes that a progress event counts for: it is encoded only when somebody reads it."""


class Turn:
    """One operation's events of one turn: all lossless ones, and the newest progress of each step.

    `frames` is None once they are more than `room` bytes: then who reads is behind, and is caught
    up from `before`, the n before the first of them.
    """

    __slots__ = ("_frames", "_size", "before")

    def __init__(self, before: int, room: int) -> None:
        self.before = before
        self._size = room
        self._frames: dict[int | str | None, Frame] | None = {}

    @property
    def frames(self) -> list[Frame] | None:
        """Ascending."""
        return None if self._frames is None else list(self._frames.values())

    def add(self, frame: Frame) -> None:
        """Take one more event."""
        frames = self._frames
        if frames is None:
            return
        if frame.type != "progress":
            self._size -= len(frame.json)
        elif frames.pop(frame.key, None) is None:  # else it goes to the end
            self._size -= _PROGRESS
        frames[frame.key] = frame
        if self._size < 0:
            self._frames = None
