"""The hub: writes what is published to whoever is live, and catches the others up.

A subscriber is live, or it has a position. A live one is written to at the end of each turn of the
event loop, and nothing is kept for it. One whose sink is full falls behind: it has a position, and
when the sink has drained, `reader.catch_up` brings it from there to now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

import anyio
from anyio.lowlevel import current_token

from progress.bus import Bus
from progress.core.counts import Counts
from progress.core.cursor import Cursor
from progress.core.frames import Bye, Frame
from progress.core.journal import Journal
from progress.core.reader import CatchUp, Reader
from progress.core.snapshots import Snapshots
from progress.core.turn import Turn
from progress.settings import Settings

from .beating import BEATS, beat
from .catching_up import catch_up_to, missing
from .counting import count_state, sent_by, write
from .draining import dismiss_all
from .fanout import Fanout
from .interest import Subscription
from .joining import let_in
from .subscriber import Connection, Join, Sink, Subscriber

__all__ = ["Hub"]

_SNAPSHOTS = 4_194_304
"""Bytes of snapshots kept encoded: sixteen of a thousand steps, or thousands of plain ones."""

_Soon: TypeAlias = Callable[[Callable[[], None]], object]


class Hub:
    """All subscribers of one bus. Publishing to them never waits and never fails."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self.draining = False
        """Streams are told `drain`, not `complete`, and no new one is taken."""
        self.insiders = 0  # subscribers that are no clients: there are as many as operations
        self.counts = Counts()
        self._bus = bus
        self._settings = settings
        self._events = self.counts.events
        self._subscribers: dict[Subscriber, None] = {}  # a dict for its order
        self._snapshots = Snapshots(_SNAPSHOTS)
        self._missing = partial(missing, bus, self._snapshots, self.counts)
        self._fanout = Fanout(self._snapshots, settings.limits.sink, self.counts)
        self._turns: dict[Journal, Turn] = {}
        self._soon: _Soon = _never
        self._now = 0.0
        self.gone: anyio.Event | None = None
        """There once everybody is told to go; set when the last subscriber has."""
        bus.listener = self._publish

    @property
    def beat(self) -> float:
        """Seconds between two calls of `tick`."""
        return self._settings.timing.heartbeat / BEATS

    @property
    def subscribers(self) -> Sequence[Subscriber]:
        """All there are, in the order of their arrival."""
        return tuple(self._subscribers)

    @property
    def count(self) -> int:
        """Clients that are subscribed."""
        return len(self._subscribers) - self.insiders

    @property
    def refusal(self) -> Bye | None:
        """What a new subscriber is told if it cannot be taken just now."""
        if self.draining:
            return Bye(reason="drain", reconnect=True)
        if self.count >= self._settings.limits.subscribers:
            return Bye(reason="busy", reconnect=True)
        return None

    def refuse(self) -> Bye | None:
        """The same where one has come: who is not taken is counted."""
        if (bye := self.refusal) is not None:
            self.counts.closed[bye.reason] += 1
        return bye

    def open(self) -> None:
        """Take subscribers, again if it was drained before. Called in the event loop to be used.

        Until then `flush` has to be called at the end of each turn.
        """
        self.draining = False
        self.gone = None
        loop = current_token().native_token  # anyio has no `call_soon`; trio calls it otherwise
        self._soon = getattr(loop, "call_soon", None) or getattr(loop, "run_sync_soon")  # noqa: B009

    @contextmanager
    def subscribe(
        self, sink: Sink, subscription: Subscription, after: Cursor | None
    ) -> Iterator[Subscriber]:
        """Attach a subscriber until the block is left."""
        subscriber = self.attach(sink, subscription, after)
        try:
            yield subscriber
        finally:
            self.remove(subscriber)

    def attach(self, sink: Sink, subscription: Subscription, after: Cursor | None) -> Subscriber:
        """Catch a subscriber up from `after`, then keep it live, until it is removed.

        Registering and reading happen without an await between them, so nothing is lost and
        nothing comes twice.
        """
        opening = subscription.journal is not None
        reader = Reader.opened(after, self._bus.head, opening=opening)
        subscriber = Subscriber(sink, subscription, reader)
        self.counts.catch_ups["connect"] += 1
        self._add(subscriber)
        self.resume(subscriber)
        if self.gone is not None:  # it was on its way when the others were told
            self.dismiss(subscriber)
        return subscriber

    def connect(self, sink: Sink) -> Connection:
        """Attach one that subscribes later, perhaps several times, until it is removed."""
        connection = Connection(sink)
        connection.since = self._now
        self._add(connection)
        if self.gone is not None:
            self.dismiss(connection)
        return connection

    def remove(self, subscriber: Subscriber) -> None:
        """Forget it: its client has left."""
        subscriber.close(self._now)
        self._fanout.remove(subscriber)
        del self._subscribers[subscriber]
        if not self._subscribers and self.gone is not None:
            self.gone.set()

    def join(
        self,
        connection: Connection,
        name: str,
        subscription: Subscription,
        after: Cursor | None,
        done: Callable[[Cursor], bool],
    ) -> None:
        """Add a subscription; call `done` with a cursor once it is caught up.

        Until then the client would resume it from its own `after`; from then on from the highest
        cursor on the connection, because all its subscriptions move along together.
        """
        self.flush()
        if connection.closed:  # while the call was carried out
            return
        head = self._bus.head
        reader = Reader.opened(after, head, opening=subscription.journal is not None)
        reader.first_id = None  # ids are for SSE
        self.counts.catch_ups["connect"] += 1
        connection.joins += (Join(name, subscription, reader, done),)
        if connection.reader is None:
            connection.fall_behind(head.n, self._now, bookmark=head.n)
            if connection.sink.has_room:
                self._settle(connection)

    def part(self, connection: Connection, name: str) -> None:
        """End a subscription, if it has not ended with its operation.

        One that is still to be caught up will be, and is answered, but goes no further.
        """
        self.flush()
        if connection.closed:
            return
        for join in connection.joins:
            join.is_parted = join.is_parted or join.name == name
        self._fanout.remove(connection)
        connection.interests.drop(name)
        self._fanout.add(connection)
        self.touch(connection)

    def touch(self, connection: Connection) -> None:
        """Its client has done something: it is not idle."""
        if connection.live:
            connection.since = self._now

    def resume(self, subscriber: Subscriber) -> None:
        """Go on catching up, as far as the sink takes it.

        Called when the sink has room again, or there are new permits.
        """
        self.flush()
        reader = subscriber.reader
        if reader is None or subscriber.closed or not subscriber.sink.has_room:
            return
        subscriber.since = self._now
        lacks = self._missing(subscriber.interest, reader)
        if lacks.expired and isinstance(subscriber, Connection):
            subscriber.forget()
        if self._catch_up(subscriber, reader, lacks):
            self._settle(subscriber)

    def flush(self) -> None:
        """Write what was published in this turn of the event loop."""
        if not self._turns:
            return
        turns, self._turns = self._turns, {}
        for subscriber in self._fanout.write(turns, self._bus.head.n, self._now):
            self.resume(subscriber)
        for journal in turns:
            if not journal.snapshot.ended:
                continue
            for subscriber in self._fanout.of(journal):
                if subscriber.reader is None:  # for the bookmark, and the bye
                    subscriber.fall_behind(self._bus.head.n, self._now)
                    self.resume(subscriber)

    def tick(self, now: float) -> None:
        """Send the heartbeats that are due, and close whoever has taken nothing for too long.

        `now` is in seconds and never goes back.
        """
        self.flush()
        self._snapshots.clear()
        self._now = now
        bookmark = self._snapshots.bookmark(self._bus.head)
        beat(self, bookmark, self._settings.timing, now)

    def stop(self, subscriber: Subscriber) -> None:
        """Tell it nothing more: its connection is being closed."""
        if not subscriber.closed:
            subscriber.close(self._now)

    def close(self, subscriber: Subscriber, bye: Bye) -> None:
        """Say goodbye to one, and nothing after that."""
        subscriber.close(self._now)
        self.counts.closed[bye.reason] += 1
        if write(self.counts, subscriber, Frame(bye)) or bye.reason != "slow":
            subscriber.sink.close(bye.reason)
        else:
            subscriber.sink.abort()

    def dismiss(self, subscriber: Subscriber) -> None:
        """Say `bye` to one, because its server stops."""
        self.flush()
        if not subscriber.closed:
            self.close(subscriber, Bye(reason="drain", reconnect=True))

    async def drain(self, within: float) -> None:
        """Say `bye` to everybody, and cut off who has not taken it after so many seconds."""
        self.draining = True
        self.gone = anyio.Event()  # from here on who still arrives is told at once
        await dismiss_all(self, within)

    def _publish(self, journal: Journal, frame: Frame) -> None:
        type = frame.type
        if type != "progress":  # how many of those there are tells the head of the bus
            self._events[type] += 1
            if type == "state":
                count_state(self.counts, journal, frame)
        if not self._fanout.concerns(journal):
            return
        turn = self._turns.get(journal)
        if turn is None:
            if not self._turns:
                self._soon(self.flush)
            turn = self._turns[journal] = Turn(frame.n - 1, self._settings.limits.sink)
        turn.add(frame)

    def _add(self, subscriber: Subscriber) -> None:
        self.flush()
        self._subscribers[subscriber] = None
        self._fanout.add(subscriber)

    def _settle(self, subscriber: Subscriber) -> None:
        """It has all that it lacked: let in what it has newly subscribed to. Then it is live."""
        if isinstance(subscriber, Connection) and not let_in(
            subscriber, self._missing, self._catch_up, self._fanout, self._bus.head
        ):
            return
        subscriber.reader = None
        subscriber.silence = 0
        if ended := [one for one in subscriber.interest.journals if one.snapshot.ended]:
            self._complete(subscriber, ended)

    def _catch_up(self, subscriber: Subscriber, reader: Reader, lacks: CatchUp) -> bool:
        """Write what is missing; say whether that was all. If there is more, go on later."""
        room, sink = self._settings.limits.sink, subscriber.sink
        sent = sent_by(self.counts, sink)
        if catch_up_to(self._snapshots.bookmark(self._bus.head), sink, sent, reader, lacks, room):
            return True
        if sink.has_room and lacks.until is None:
            self._soon(partial(self.resume, subscriber))
        return False

    def _complete(self, subscriber: Subscriber, ended: list[Journal]) -> None:
        """Its operation is over, or some of them: with one that has others it is forgotten."""
        if isinstance(subscriber, Connection):
            self._fanout.remove(subscriber)
            subscriber.interests.drop_of(ended)
            self._fanout.add(subscriber)
            self.touch(subscriber)
        elif self.draining:
            self.dismiss(subscriber)
        else:
            self.close(subscriber, Bye(reason="complete", reconnect=False))


def _never(function: Callable[[], None]) -> None:
    """No event loop is known yet."""
