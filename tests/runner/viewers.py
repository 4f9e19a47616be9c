"""Clients that connect to a hub in memory, take what they like, and have to hold the truth."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

from progress.core.cursor import ZERO, Cursor
from progress.core.event import LOSSLESS, TYPES, Event, LogEvent, OutputEvent, StateEvent
from progress.core.filter import Filter
from progress.core.frames import SnapshotNotice, decode, encode
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.errors import Expired, NotFound
from progress.hub import Subscriber, Subscription
from tests.support.sinks import MemorySink
from tests.support.view import View

from .rig import ENDED, Rig


class Viewer:
    """One client over any number of connections. All of it happens on the loop's thread."""

    def __init__(self, made: Rig, filter: Filter, operation: str | None) -> None:
        self.view = View()
        self.gone = False
        """Its operation cannot be read any more."""
        self.subscriber: Subscriber | None = None
        self._made = made
        self._filter = filter
        self._operation = operation
        self._owed_from = 0
        """Lossless events after this n are owed to it."""
        self._newest = ZERO
        self._sink = MemorySink(1)
        self._stack = ExitStack()

    def arrive(self, cursor: Cursor | None, held: dict[str, Snapshot], room: int) -> None:
        """Come for the present, or with a cursor and what it held there."""
        self._owed_from = self._made.bus.head.n if cursor is None else cursor.n
        self.view.snapshots = held
        self.view.last_event_id = "" if cursor is None else str(cursor)
        self._connect(room)

    def come_back(self, room: int) -> None:
        """Go on with the last id it got, or for the present if it never got one."""
        if not self.view.last_event_id:
            self._owed_from = self._made.bus.head.n
        self._connect(room)

    def take(self, count: int) -> None:
        """Receive so many bytes."""
        if self.subscriber is None:
            return
        data = self._sink.take(count, self._made.hub, self.subscriber)
        for message in self.view.feed(data):
            if isinstance(message, StateEvent | LogEvent | OutputEvent):
                assert message.cursor > self._newest, "dispatched twice, or out of order"
                self._newest = message.cursor

    def drop(self) -> None:
        """Lose the connection, with whatever was not received."""
        self._stack.close()
        self.subscriber = None

    def settle(self) -> None:
        """Take what there is, and come back when closed, until there is nothing more."""
        for _ in range(2_000):
            if self.gone:
                return
            if self.subscriber is None or self.subscriber.closed:
                self.take(len(self._sink.data))
                self.drop()
                if self.view.bye is not None and self.view.bye.reason == "complete":
                    return
                self.come_back(900)
            elif self._sink.data:
                self.take(250)
            else:
                assert self.subscriber.live
                return
        raise AssertionError("it never became quiet")

    def check(self) -> None:
        """The law of ARCHITECTURE.md, once it has settled."""
        if self.gone:
            return
        for journal in self._made.bus.journals():
            if self._wants(journal.snapshot.id):
                self._check_snapshot(journal)
        self._check_lossless()
        ends = [
            event.operation
            for event in self.view.lossless.values()
            if isinstance(event, StateEvent) and event.state in ENDED
        ]
        assert len(ends) == len(set(ends)), "one terminal event of each operation"

    def _connect(self, room: int) -> None:
        last = self.view.last_event_id
        journal = None
        if self._operation is not None:
            try:
                journal = self._made.bus.journal(self._operation)
            except (Expired, NotFound):
                self.gone = True
                return
        self.view.connect()
        self._newest = ZERO
        self._sink = MemorySink(room)
        after = Cursor.parse(last) if last else None
        self.subscriber = self._stack.enter_context(
            self._made.hub.subscribe(self._sink, Subscription(self._filter, journal), after)
        )

    def _check_snapshot(self, journal: Journal) -> None:
        held = self.view.snapshots.get(journal.snapshot.id)
        if held is None:
            # Without a cursor, what had ended by then is not shown on a stream of many.
            assert journal.snapshot.ended
            assert journal.newest <= self._owed_from
            return
        assert held.state == journal.snapshot.state
        if self._filter.types == frozenset(TYPES):
            assert held == as_received(journal)

    def _check_lossless(self) -> None:
        missing: Counter[str] = Counter()
        for _, event in self._made.heard[self._owed_from :]:
            if self._owes(event):
                found = self.view.lossless.get(event.cursor)
                assert found is None or found == event
                missing[str(event.__struct_config__.tag)] += found is None
        told: Counter[str] = Counter()
        for gap in self.view.gaps:
            if gap.missed is None:
                return  # it says that something is missing, and not how much
            told.update(state=gap.missed.state, log=gap.missed.log, output=gap.missed.output)
        assert all(count <= told[type] for type, count in missing.items())

    def _owes(self, event: Event) -> bool:
        type = event.__struct_config__.tag
        asked = type == "state" or type in self._filter.types
        return type in LOSSLESS and asked and self._wants(event.operation)

    def _wants(self, id: str) -> bool:
        if self._operation is not None:
            return id == self._operation
        return not self._filter.kinds or self._made.created[id].kind in self._filter.kinds


def as_received(journal: Journal) -> Snapshot:
    """The server's snapshot after a trip over the wire, where 2 and 2.0 are the same."""
    message = decode(encode(journal.notice()))
    assert isinstance(message, SnapshotNotice)
    return message.snapshot
