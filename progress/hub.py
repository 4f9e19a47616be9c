"""Fan-out: hands each frame to every subscriber that wants it, and catches the others up.

A subscriber is live, or it has a position. A live one is written to at once and nothing is kept
for it. One whose sink is full falls behind: it has a position, and when the sink has drained,
`reader.catch_up` brings it from there to now. No task, queue or timer belongs to a subscriber.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import anyio

from .bus import Bus
from .core.cursor import Cursor
from .core.filter import Filter
from .core.frames import Bye, Frame, Ping
from .core.journal import Journal
from .core.reader import CatchUp, Reader, catch_up
from .settings import Settings

__all__ = ["Hub", "Permits", "Sink", "Subscriber"]

_BEATS = 15
"""Ticks in a heartbeat: silence lasts at most a fifteenth longer than asked for."""

_CLOSES = 1_000
"""Streams closed in a second at most while draining, so that they do not come back at once."""


_TOGETHER = 20
"""Of them, without a pause: a sleep of less than a few milliseconds takes as long."""


class Sink(Protocol):
    """Where a subscriber's bytes go. Called on the event loop's thread; none of these waits."""

    def write(self, frame: Frame) -> bool:
        """Take this frame, in any case; say False when there is no room for a next one.

        After a False the sink calls `Hub.resume` once it has drained.
        """

    def close(self) -> None:
        """End the stream after what was written."""

    def abort(self) -> None:
        """End the stream now; what was not sent is lost."""


class Permits(Protocol):
    """Which operations a subscriber may see, where somebody has to be asked for each."""

    def get(self, journal: Journal) -> bool | None:
        """The answer, or None: then it is asked for, and `Hub.resume` follows."""


class Subscriber:
    """A filter, a reader and a sink.

    `journal` makes it a stream of one operation: it opens with the snapshot, ends with the
    operation, and holds the journal, so that eviction cannot pull it away.
    """

    __slots__ = (
        "closed",
        "filter",
        "journal",
        "permits",
        "reader",
        "silence",
        "since",
        "sink",
        "types",
    )

    def __init__(
        self, sink: Sink, filter: Filter, journal: Journal | None, permits: Permits | None
    ) -> None:
        self.sink = sink
        self.filter = filter
        self.journal = journal
        self.permits = permits
        self.types = filter.types | {"state"}
        self.reader: Reader | None = None
        """Its position; None while it is live."""
        self.since = 0.0
        """When its sink last took something, while it is not live."""
        self.silence = 0
        """Ticks since something was written to it, while it is live."""
        self.closed = False

    def sees(self, journal: Journal) -> bool | None:
        """Whether it is shown that operation; None until the permit for it is there."""
        if not self.filter.matches(journal):
            return False
        return self.permits is None or self.permits.get(journal)

    @property
    def live(self) -> bool:
        """Whether it is up to date and to be written to at once."""
        return self.reader is None and not self.closed


class Hub:
    """All subscribers of one bus. Publishing to them never waits and never fails."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self.draining = False
        """Streams are told `drain`, not `complete`, and no new one is taken."""
        self._bus = bus
        self._settings = settings
        self._of_one: dict[str, dict[Subscriber, None]] = {}  # dicts for their order
        self._of_many: dict[Subscriber, None] = {}
        self._count = 0
        self._now = 0.0
        self._empty: anyio.Event | None = None
        """Set when the last subscriber has gone, while draining."""
        bus.listener = self._publish

    @property
    def beat(self) -> float:
        """Seconds between two calls of `tick`."""
        return self._settings.timing.heartbeat / _BEATS

    @property
    def count(self) -> int:
        """Subscribers there are."""
        return self._count

    @property
    def refusal(self) -> Bye | None:
        """What a new subscriber is told if it cannot be taken just now."""
        if self.draining:
            return Bye(reason="drain", reconnect=True)
        if self._count >= self._settings.limits.subscribers:
            return Bye(reason="busy", reconnect=True)
        return None

    @contextmanager
    def subscribe(
        self,
        sink: Sink,
        filter: Filter,
        after: Cursor | None,
        journal: Journal | None = None,
        permits: Permits | None = None,
    ) -> Iterator[Subscriber]:
        """Catch a subscriber up from `after`, then keep it live, until the block is left.

        Registering and reading happen without an await between them, so nothing is lost and
        nothing comes twice.
        """
        subscriber = Subscriber(sink, filter, journal, permits)
        subscriber.reader = Reader.opened(after, self._bus.head, opening=journal is not None)
        registry = self._registry(subscriber)
        registry[subscriber] = None
        self._count += 1
        self.resume(subscriber)
        if self._empty is not None:  # it was on its way when the others were told
            self.dismiss(subscriber)
        try:
            yield subscriber
        finally:
            subscriber.closed = True
            del registry[subscriber]
            self._count -= 1
            if not self._count and self._empty is not None:
                self._empty.set()
            if journal is not None and not registry:
                del self._of_one[journal.snapshot.id]

    def resume(self, subscriber: Subscriber) -> None:
        """Go on catching up, as far as the sink takes it. Its sink calls this when it drained."""
        reader = subscriber.reader
        if reader is None or subscriber.closed:
            return
        subscriber.since = self._now
        if not self._catch_up(subscriber, reader):
            return
        if reader.bookmark != (head := self._bus.head).n:
            reader.position = reader.bookmark = head.n
            reader.first_id = None
            if not subscriber.sink.write(Frame(Ping(cursor=head))):
                return
        subscriber.reader = None
        subscriber.silence = 0
        if subscriber.journal is not None and subscriber.journal.snapshot.ended:
            self._complete(subscriber)

    def tick(self, now: float) -> None:
        """Send the heartbeats that are due, and close whoever has taken nothing for too long.

        `now` is in seconds and never goes back.
        """
        self._now = now
        ping: Frame | None = None
        for subscriber in self._all():
            if subscriber.closed:
                continue
            if subscriber.reader is not None:
                if now - subscriber.since > self._settings.timing.lag:
                    self._close(subscriber, Bye(reason="slow", reconnect=True))
                continue
            subscriber.silence += 1
            if subscriber.silence >= _BEATS:
                ping = ping or Frame(Ping(cursor=self._bus.head))
                self._write(subscriber, ping, ping.n)

    def open(self) -> None:
        """Take subscribers, again if it was drained before."""
        self.draining = False
        self._empty = None

    def dismiss(self, subscriber: Subscriber) -> None:
        """Say `bye` to one, because its server stops."""
        if not subscriber.closed:
            self._close(subscriber, Bye(reason="drain", reconnect=True))

    async def drain(self, within: float) -> None:
        """Say `bye` to everybody, and cut off who has not taken it after so many seconds."""
        self.draining = True
        self._empty = anyio.Event()  # from here on who still arrives is told at once
        with anyio.move_on_after(within):
            subscribers = self._all()
            # At that pace, or in half of the time: who is told last has to have some left.
            pause = min(1 / _CLOSES, within / 2 / (len(subscribers) or 1))
            for place, subscriber in enumerate(subscribers, 1):
                self.dismiss(subscriber)
                if place % _TOGETHER == 0:
                    await anyio.sleep(pause * _TOGETHER)
            while self._count:
                self._empty = anyio.Event()
                await self._empty.wait()
        for subscriber in self._all():
            self.dismiss(subscriber)
            subscriber.sink.abort()

    def _publish(self, journal: Journal, frame: Frame) -> None:
        for subscriber in tuple(self._of_one.get(journal.snapshot.id, ())):
            if subscriber.live and frame.type in subscriber.types:
                if self._write(subscriber, frame, frame.n) and journal.snapshot.ended:
                    self._fall_behind(subscriber, frame.n)  # for the bookmark and the bye
                    self.resume(subscriber)
        # An operation that is new to a stream of many is introduced by its snapshot.
        introduction = Frame(journal.notice()) if frame.n == journal.born else None
        for subscriber in tuple(self._of_many):
            if not subscriber.live:
                continue
            allowed = subscriber.sees(journal)
            if allowed is None:  # it waits before this event for the answer
                self._fall_behind(subscriber, frame.n - 1)
            elif allowed and frame.type in subscriber.types:
                n = frame.n
                if introduction is None or self._write(subscriber, introduction, n - 1, n):
                    self._write(subscriber, frame, n)

    def _write(self, subscriber: Subscriber, frame: Frame, position: int, shown: int = 0) -> bool:
        """Write to a live one; say whether it is live still. Else that is its position now."""
        subscriber.silence = 0
        if not subscriber.sink.write(frame):
            self._fall_behind(subscriber, position, shown)
            return False
        return True

    def _fall_behind(self, subscriber: Subscriber, position: int, shown: int = 0) -> None:
        subscriber.reader = Reader(position, shown)
        subscriber.since = self._now

    def _catch_up(self, subscriber: Subscriber, reader: Reader) -> bool:
        """Write what is missing; say whether all of it was."""
        lacks = self._lacks(subscriber, reader)
        room = all(map(subscriber.sink.write, catch_up(reader, lacks)))  # stops at the first False
        return room and lacks.until is None

    def _lacks(self, subscriber: Subscriber, reader: Reader) -> CatchUp:
        losses = self._bus.losses
        if (one := subscriber.journal) is not None:
            journals = [one] if reader.opening or one.newest > reader.position else []
            return CatchUp(journals, subscriber.types, False, losses.count, None)
        if expired := losses.evicted_since(reader.floor, reader.forgot):
            reader.start_over()
        journals = []
        until: int | None = None
        for journal in self._bus.changed(reader.position):
            past = journal.snapshot.ended and journal.newest <= reader.past
            allowed = False if past else subscriber.sees(journal)
            if allowed is None:
                born = max(journal.born, reader.position + 1)
                until = born if until is None else min(until, born)
            elif allowed:
                journals.append(journal)
        return CatchUp(journals, subscriber.types, expired, losses.count, until)

    def _complete(self, subscriber: Subscriber) -> None:
        if self.draining:
            self.dismiss(subscriber)
        else:
            self._close(subscriber, Bye(reason="complete", reconnect=False))

    def _close(self, subscriber: Subscriber, bye: Bye) -> None:
        subscriber.closed = True
        if subscriber.sink.write(Frame(bye)) or bye.reason != "slow":
            subscriber.sink.close()
        else:
            subscriber.sink.abort()

    def _all(self) -> list[Subscriber]:
        return [*self._of_many, *(one for group in self._of_one.values() for one in group)]

    def _registry(self, subscriber: Subscriber) -> dict[Subscriber, None]:
        if subscriber.journal is None:
            return self._of_many
        return self._of_one.setdefault(subscriber.journal.snapshot.id, {})
