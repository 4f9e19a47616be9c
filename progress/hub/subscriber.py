"""A subscriber and where its bytes go. It has no queue, task or timer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from progress.core.cursor import Cursor
from progress.core.frames import ByeReason, Frame, Joined
from progress.core.reader import Reader

from .interest import Interest, Interests, Subscription

__all__ = ["CloseReason", "Connection", "Join", "Sink", "Subscriber"]

CloseReason: TypeAlias = ByeReason | Literal["idle", "binary", "rate", "oversize"]
"""`bye` says some of them; the others are for WebSockets."""


class Sink(Protocol):
    """Where a subscriber's bytes go. Called on the event loop's thread; none of these waits.

    `write` calls nothing of the hub's: that is in the middle of all its subscribers.

    Its class may say as `wire` how it is reached (`core.wires`), for the count of what was sent.
    """

    @property
    def has_room(self) -> bool:
        """Whether a frame should be written. It calls `Hub.resume` when it has room again."""

    def write(self, frame: Frame | Joined) -> bool:
        """Take this frame, in any case; say whether there is room for a next one."""

    def close(self, reason: CloseReason) -> None:
        """End the stream after what was written."""

    def abort(self) -> None:
        """End the stream now; what was not sent is lost."""


class Subscriber:
    """A sink, what it is to be shown, and how far it has got."""

    __slots__ = ("closed", "interest", "reader", "silence", "since", "sink")

    def __init__(self, sink: Sink, interest: Interest, reader: Reader | None) -> None:
        self.sink = sink
        self.interest = interest
        self.reader = reader
        """Its position; None while it is live."""
        self.since = 0.0
        """When its sink last took something, while it is not live; of a `Connection` that is
        idle, when its client last did something."""
        self.silence = 0
        """Ticks since something was written to it, while it is live."""
        self.closed = False
        """It is told nothing more."""

    @property
    def live(self) -> bool:
        """Whether it is up to date and to be written to."""
        return self.reader is None

    @property
    def is_idle(self) -> bool:
        """Whether it waits for nothing."""
        return False

    def fall_behind(self, position: int, now: float, bookmark: int = -1) -> None:
        """Have a position from now on: everything up to it has been written."""
        self.reader = Reader(position)
        self.reader.bookmark = bookmark
        self.since = now

    def close(self, now: float) -> None:
        """Be told nothing more."""
        self.closed = True
        self.fall_behind(0, now)


class Connection(Subscriber):
    """One with any number of subscriptions, which all move along together."""

    __slots__ = ("has_forgotten", "interests", "joins")

    def __init__(self, sink: Sink) -> None:
        self.interests = Interests()
        self.joins: tuple[Join, ...] = ()
        """Subscriptions that are still to be caught up, the first of them now."""
        self.has_forgotten = False
        """A gap has made its client forget what no snapshot on this connection confirms: whatever
        it subscribes to from then on is shown from the beginning."""
        super().__init__(sink, self.interests, None)

    def forget(self) -> None:
        """Its client is told to forget: what the first join has shown so far, too."""
        self.has_forgotten = True
        for join in self.joins:
            join.is_started_over = False

    @property
    def count(self) -> int:
        """Subscriptions it has, and is about to have."""
        return len(self.interests) + len(self.joins)

    @property
    def is_idle(self) -> bool:
        """Whether it has none."""
        return not self.count


class Join:
    """A subscription on its way into a connection: it is caught up by itself first."""

    __slots__ = (
        "done",
        "is_parted",
        "is_started_over",
        "is_whole",
        "name",
        "reader",
        "subscription",
    )

    def __init__(
        self,
        name: str,
        subscription: Subscription,
        reader: Reader,
        done: Callable[[Cursor], bool],
    ) -> None:
        self.name = name
        self.subscription = subscription
        self.reader = reader
        self.done = done
        """Called with the head of the bus once it is caught up; says whether there is room."""
        self.is_parted = False
        """It was ended before it had begun."""
        self.is_started_over = False
        self.is_whole = reader.foreign is not None
        """Its gap makes the client forget what no snapshot confirms: all the connection's
        operations are shown again."""

    def start_over(self) -> None:
        """Show all snapshots again; once."""
        if not self.is_started_over:
            self.is_started_over = True
            self.reader.start_over()

    def interest(self, interests: Interests) -> Interest:
        """What it is caught up with, on a connection that has those already."""
        if not self.is_whole:
            return self.subscription
        self.reader.opening = False  # snapshots come anyway
        return interests.joined(self.name, self.subscription)
