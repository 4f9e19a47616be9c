"""Polling and long polling: waiting until an operation has moved on or has ended, and streams that
end once they have had news.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import ClassVar, NamedTuple

import anyio

from progress.core.cursor import Cursor
from progress.core.event import TYPES
from progress.core.filter import Filter
from progress.core.frames import Frame, Joined
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.core.wires import POLL, WAIT, Wire
from progress.hub import CloseReason, Hub, Subscription

from .buffer import Buffer, Encode

__all__ = ["Poll", "Question", "retry_after", "wait_for_change", "wait_for_end"]


class _Bell:
    """A sink that keeps nothing: it tells that an event of these types came, or the end."""

    wire: ClassVar[Wire] = WAIT

    def __init__(self, types: Collection[str]) -> None:
        self.rung = anyio.Event()
        self.has_room = True
        self._types = types

    def write(self, frame: Frame | Joined) -> bool:
        """Take a frame. There is always room."""
        if any(part.type in self._types for part in frame.parts):
            self.rung.set()
        return True

    def close(self, reason: CloseReason) -> None:
        """The hub is done with this operation, or drains."""
        self.rung.set()

    def abort(self) -> None:
        """The hub is done with it, as above."""
        self.rung.set()


async def wait_for_change(hub: Hub, journal: Journal, seconds: float) -> None:
    """Return at the operation's next event, at a drain, or after so many seconds."""
    await _wait(hub, journal, seconds, TYPES)


async def wait_for_end(hub: Hub, journal: Journal, seconds: float) -> None:
    """Return when the operation has ended, at a drain, or after so many seconds."""
    await _wait(hub, journal, seconds, ())


async def _wait(hub: Hub, journal: Journal, seconds: float, types: Collection[str]) -> None:
    bell = _Bell(types)
    # Without a cursor there is no history to catch up with, so only what is new rings.
    with hub.subscribe(bell, Subscription(Filter(), journal), None), anyio.move_on_after(seconds):
        await bell.rung.wait()


class Question(NamedTuple):
    """What a poll waits for."""

    journal: Journal | None
    """The operation, where it is of one: the answer opens with its snapshot, old or new."""
    after: Cursor | None
    """What the client has. Without it everything is news."""
    until: float | None
    """When it ends without news, by anyio's clock. None: once it is up to date."""


class Poll(Buffer):
    """A stream that ends once it is up to date and has had news, or after a while.

    News are an event, a gap, or a snapshot that the cursor given did not cover. It closes after the
    frame that makes it so: what the hub writes in the same breath, a bookmark and a goodbye, still
    belongs to it. Whatever comes later is not taken, and its client has no cursor for it, so that
    it comes with the next poll.
    """

    wire: ClassVar[Wire] = POLL

    def __init__(
        self,
        room: int,
        encode: Encode,
        drained: Callable[[], None],
        abort: Callable[[], None],
        question: Question,
    ) -> None:
        super().__init__(room, encode, drained, abort)
        self._journal, self._after, self._until = question
        self._has_news = self._after is None or self._until is None
        self._is_up_to_date = False
        self._may_have: tuple[str, ...] = ()
        """Types that may still follow, once it is closed."""

    @property
    def has_room(self) -> bool:
        """Whether a next frame should be written."""
        return bool(self._may_have) if self.reason is not None else super().has_room

    def write(self, frame: Frame | Joined) -> bool:
        """Take a frame, unless it is closed; say whether there is room for another one."""
        if self.reason is not None:
            return self._write_last(frame)
        for part in frame.parts:
            self._is_up_to_date = self._is_up_to_date or part.type == "ping"
            self._has_news = self._has_news or self._is_news(part)
        has_room = super().write(frame)
        last = frame.parts[-1]
        # After a snapshot, which has no id, the client would be where it was before.
        if self._is_up_to_date and self._has_news and last.id is not None:
            self._may_have = ("bye",) if last.type == "ping" else ("ping", "bye")
            self.close("complete")
            return True  # so that the hub goes on to say goodbye, if there is one
        return has_room

    async def wait(self) -> None:
        """Return once something is written, it is closed, or its time is over."""
        if self._until is None or not self._is_up_to_date:
            await super().wait()
            return
        with anyio.move_on_at(self._until):
            await super().wait()
            return
        self.close("complete")

    def _write_last(self, frame: Frame | Joined) -> bool:
        type = frame.parts[0].type
        if type not in self._may_have:
            self._may_have = ()  # a bookmark after what was not taken would be a lie
            return False
        self._may_have = ("bye",) if type == "ping" else ()
        return super().write(frame)

    def _is_news(self, part: Frame) -> bool:
        if part.type == "snapshot":
            journal, self._journal = self._journal, None  # only what it opens with may be old
            return journal is None or self._after is None or journal.newest > self._after.n
        return part.type not in ("ping", "bye")


def retry_after(snapshot: Snapshot) -> int:
    """Whole seconds until it is worth asking again: the time to go, from 1 to 30."""
    eta = snapshot.progress.eta
    return 2 if eta is None else round(min(max(eta, 1), 30))
