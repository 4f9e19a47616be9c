"""A sink that keeps nothing: it only says that there is news."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from progress.core.frames import Frame, Joined
from progress.core.wires import WEBHOOK, Wire
from progress.hub import CloseReason, Hub, Subscriber, Subscription

__all__ = ["Watcher"]


class Watcher:
    """Attached to the hub until its operation ends, or it leaves."""

    wire: ClassVar[Wire] = WEBHOOK

    __slots__ = ("_has_left", "_hub", "_news", "_subscriber")

    def __init__(self, hub: Hub, news: Callable[[], None]) -> None:
        self._hub = hub
        self._news = news
        self._subscriber: Subscriber | None = None
        self._has_left = False

    def attach(self, subscription: Subscription) -> None:
        """Begin. It does not count among the clients."""
        self._hub.insiders += 1
        self._subscriber = self._hub.attach(self, subscription, None)
        if self._has_left:  # the operation has ended already
            self._remove()

    def leave(self) -> None:
        """Hear nothing more."""
        if not self._has_left:
            self._has_left = True
            self._remove()

    @property
    def has_room(self) -> bool:
        """It always has."""
        return True

    def write(self, frame: Frame | Joined) -> bool:
        """Say that there is news; what it is nobody asks the frame, so it is not encoded."""
        self._news()
        return True

    def close(self, reason: CloseReason) -> None:
        """Leave: nothing more comes."""
        self._news()
        self.leave()

    def abort(self) -> None:
        """The same."""
        self.leave()

    def _remove(self) -> None:
        if self._subscriber is not None:
            self._hub.insiders -= 1
            self._hub.remove(self._subscriber)
            self._subscriber = None
