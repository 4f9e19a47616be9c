"""Polling and long polling: waiting until an operation has moved on, or has ended."""

from __future__ import annotations

from collections.abc import Collection

import anyio

from progress.core.event import TYPES
from progress.core.filter import Filter
from progress.core.frames import Frame, Joined
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.hub import CloseReason, Hub, Subscription

__all__ = ["retry_after", "wait_for_change", "wait_for_end"]


class _Bell:
    """A sink that keeps nothing: it tells that an event of these types came, or the end."""

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


def retry_after(snapshot: Snapshot) -> int:
    """Whole seconds until it is worth asking again: the time to go, from 1 to 30."""
    eta = snapshot.progress.eta
    return 2 if eta is None else round(min(max(eta, 1), 30))
