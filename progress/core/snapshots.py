"""Snapshots and the bookmark as frames, kept for a moment. They never know who reads them."""

from __future__ import annotations

from .cursor import Cursor
from .frames import Frame, Ping
from .journal import Journal

__all__ = ["Snapshots"]


class Snapshots:
    """The newest snapshots: each is encoded once for all who read it at about the same time.

    When a thousand browsers come back to one operation, that is one encoding.
    """

    def __init__(self, room: int) -> None:
        """`room` is how many bytes of JSON are kept."""
        self._room = room
        self._size = 0
        self._bookmark: Frame | None = None
        self._kept: dict[str, tuple[int, int, Frame]] = {}  # n, bytes, frame; the oldest first

    def of(self, journal: Journal) -> Frame:
        """The frame of an operation's present snapshot, without an id."""
        id = journal.snapshot.id
        kept = self._kept.get(id)
        if kept is not None:
            n, size, frame = kept
            if n == journal.newest:
                return frame
            self._drop(id, size)
        frame = Frame(journal.notice())
        size = len(frame.json)
        self._kept[id] = journal.newest, size, frame
        self._size += size
        while self._size > self._room:
            oldest, (_, size, _) = next(iter(self._kept.items()))
            self._drop(oldest, size)
        return frame

    def bookmark(self, head: Cursor) -> Frame:
        """The ping of the bus's head: one frame for all who have got so far."""
        if self._bookmark is None or self._bookmark.id != head:
            self._bookmark = Frame(Ping(cursor=head))
        return self._bookmark

    def clear(self) -> None:
        """Forget them all: nobody who came at about that time is still to come."""
        self._kept.clear()
        self._size = 0

    def _drop(self, id: str, size: int) -> None:
        del self._kept[id]
        self._size -= size
