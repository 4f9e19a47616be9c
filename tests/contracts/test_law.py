"""The law of ARCHITECTURE.md: whatever happens, a reader ends up with the truth.

For any history of events, any filter, any fullness of sinks, any number of drops at any byte,
restarts of the server with the clock set back included: once things are quiet the reader's fold is
the server's snapshots, and every lossless event after its first cursor was dispatched in order, or
is counted in a gap.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import Raw
from msgspec.structs import replace

from progress.bus import MemoryBus
from progress.core.cursor import ZERO, Cursor
from progress.core.event import (
    LOSSLESS,
    TYPES,
    Event,
    LogEvent,
    OperationProgress,
    OutputEvent,
    ProgressEvent,
    State,
    StateEvent,
)
from progress.core.filter import Filter
from progress.core.frames import Gap, SnapshotNotice, decode, encode
from progress.core.journal import Journal
from progress.core.operation import TRANSITIONS, Snapshot, fold
from progress.errors import Expired, NotFound
from progress.hub import Hub, Subscriber
from progress.settings import Limits, Retention, Settings
from tests.support.sinks import MemorySink
from tests.support.snapshots import TIME, snapshot
from tests.support.view import View

SETTINGS = Settings(
    limits=Limits(journal=5, journal_bytes=1024, event=1024),
    retention=Retention(operations=2, age=50.0),
)


class Client:
    """A reader with its memory: what it asked for, what it saw, and what it may ask for."""

    def __init__(self, filter: Filter, operation: str | None) -> None:
        self.filter = filter
        self.operation = operation
        self.view = View()
        self.owed_from = 0
        """Lossless events of this epoch after this n are owed to it."""
        self.gone = False
        """Its operation cannot be read any more."""
        self.sink = MemorySink(1)
        self.subscriber: Subscriber | None = None
        self.stack = ExitStack()
        self.newest = ZERO
        """The cursor of the last lossless event on this connection."""

    def take(self, count: int, hub: Hub) -> None:
        """Receive so many bytes."""
        assert self.subscriber is not None
        for message in self.view.feed(self.sink.take(count, hub, self.subscriber)):
            if isinstance(message, StateEvent | LogEvent | OutputEvent):
                assert message.cursor > self.newest, "dispatched twice, or out of order"
                self.newest = message.cursor

    def drop(self) -> None:
        """Lose the connection, with whatever was not received."""
        self.stack.close()
        self.subscriber = None


class Law(RuleBasedStateMachine):
    """Random programs of publishing, connecting, draining, dropping, evicting, restarting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.serial = 0
        self.clients: list[Client] = []
        self._start(1_000)

    def _start(self, epoch: int) -> None:
        self.bus = MemoryBus(epoch, SETTINGS.limits, SETTINGS.retention)
        self.hub = Hub(self.bus, SETTINGS)
        self.history: list[tuple[int, str, Event]] = []
        self.created: dict[str, Snapshot] = {}
        self.journals: dict[str, Journal] = {}

    def _publish(self, event: Event, created: Snapshot | None = None) -> None:
        frame = self.bus.publish(event, created)
        self.history.append((frame.n, frame.type, event))
        if created is not None:
            self.created[event.operation] = created

    def _as_of(self, n: int) -> dict[str, Snapshot]:
        """What a client with that cursor holds."""
        held: dict[str, Snapshot] = {}
        for at, _, event in self.history[:n]:
            id = event.operation
            placed = replace(event, cursor=Cursor(self.bus.epoch, at))
            held[id] = fold(held.get(id, self.created[id]), placed)
        return held

    def _running(self) -> list[str]:
        return [id for id, journal in self.journals.items() if not journal.snapshot.ended]

    @rule(kind=st.sampled_from("ab"))
    def start(self, kind: str) -> None:
        self.serial += 1
        id = f"operation-{self.serial}"
        event = StateEvent(operation=id, time=TIME, state=State.QUEUED)
        self._publish(event, snapshot(id, kind))
        self.journals[id] = self.bus.journal(id)

    @rule(data=st.data(), type=st.sampled_from(TYPES), size=st.integers(0, 300))
    def report(self, data: st.DataObject, type: str, size: int) -> None:
        if not (running := self._running()):
            return
        id = data.draw(st.sampled_from(running))
        self.serial += 1
        match type:
            case "state":
                states = sorted(TRANSITIONS[self.journals[id].snapshot.state])
                state = data.draw(st.sampled_from(states))
                event: Event = StateEvent(operation=id, time=TIME, state=state)
            case "progress":
                progress = OperationProgress(completed=self.serial)
                event = ProgressEvent(operation=id, time=TIME, progress=progress, step=None)
            case "log":
                line = f"line {self.serial}: {'x' * size}"
                event = LogEvent(operation=id, time=TIME, level="info", message=line, step=None)
            case _:
                event = OutputEvent(operation=id, time=TIME, data=Raw(b"%d" % self.serial))
        self._publish(event)

    @rule(
        types=st.sampled_from([TYPES, ("log",), ("progress",), ()]),
        kinds=st.sampled_from(["", "a"]),
        one=st.booleans(),
        after=st.one_of(st.none(), st.just(0), st.integers(1, 60)),
        data=st.data(),
    )
    def arrive(
        self,
        types: tuple[str, ...],
        kinds: str,
        one: bool,
        after: int | None,
        data: st.DataObject,
    ) -> None:
        """A new client, with no cursor, all of them, an old one, or one from the future."""
        ids = sorted(self.journals)
        operation = data.draw(st.sampled_from(ids)) if one and ids else None
        client = Client(Filter(types=frozenset(types), kinds=frozenset(kinds)), operation)
        self.clients.append(client)
        cursor = None if after is None else Cursor(self.bus.epoch, after) if after else ZERO
        if after and after <= self.bus.head.n:
            client.view.snapshots = self._as_of(after)
        self._connect(client, cursor, data.draw(st.integers(1, 1500)))

    @rule(data=st.data(), room=st.integers(1, 1500))
    def come_back(self, data: st.DataObject, room: int) -> None:
        away = [client for client in self.clients if client.subscriber is None]
        if away:
            self._come_back(data.draw(st.sampled_from(away)), room)

    def _come_back(self, client: Client, room: int) -> None:
        last = client.view.last_event_id
        self._connect(client, Cursor.parse(last) if last else None, room)

    def _connect(self, client: Client, after: Cursor | None, room: int) -> None:
        journal = None
        if client.operation is not None:
            try:
                journal = self.bus.journal(client.operation)
            except (Expired, NotFound):
                client.gone = True
                return
        head = self.bus.head
        client.view.connect(str(after) if after else None)
        client.newest = ZERO
        client.sink = MemorySink(room)
        if after is None:
            client.owed_from = head.n
        elif after.epoch != head.epoch or after.n > head.n:
            client.owed_from = 0
        elif not client.view.last_event_id:
            client.owed_from = after.n
        client.subscriber = client.stack.enter_context(
            self.hub.subscribe(client.sink, client.filter, after, journal)
        )

    @rule(data=st.data(), count=st.integers(1, 1200))
    def drain(self, data: st.DataObject, count: int) -> None:
        if connected := [client for client in self.clients if client.subscriber]:
            data.draw(st.sampled_from(connected)).take(count, self.hub)

    @rule(data=st.data(), count=st.integers(0, 1200))
    def drop(self, data: st.DataObject, count: int) -> None:
        if connected := [client for client in self.clients if client.subscriber]:
            client = data.draw(st.sampled_from(connected))
            client.take(count, self.hub)
            client.drop()

    @rule(seconds=st.sampled_from([0.5, 5.0, 60.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.bus.expire(self.now)
        self.hub.tick(self.now)

    @rule(epoch=st.sampled_from([500, 1_000, 2_000]))
    def restart(self, epoch: int) -> None:
        """The process dies and another one starts, with its clock where it likes."""
        self.serial += 1
        epoch += self.serial  # no two histories begin in the same microsecond
        for client in self.clients:
            client.drop()
            client.gone = client.gone or client.operation is not None
        self._start(epoch)

    @invariant()
    def sinks_are_bounded(self) -> None:
        for client in self.clients:
            largest = 3_000  # of one frame here: a snapshot
            assert client.sink.most < 1_500 + largest + 500

    def teardown(self) -> None:
        """Let it become quiet, and see."""
        for client in self.clients:
            self._settle(client)
            if not client.gone:
                self._check_snapshots(client)
                self._check_lossless(client)
            client.drop()
        assert self.hub.count == 0

    def _settle(self, client: Client) -> None:
        for _ in range(1_000):
            if client.gone:
                return
            if client.subscriber is None or client.subscriber.closed:
                if client.subscriber is not None:
                    client.take(len(client.sink.data), self.hub)
                    finished = client.view.bye is not None and client.view.bye.reason == "complete"
                    client.drop()
                    if finished:
                        return
                self._come_back(client, 700)
            elif client.sink.data:
                client.take(100, self.hub)
            else:
                assert client.subscriber.live
                return
        raise AssertionError("it never became quiet")

    def _check_snapshots(self, client: Client) -> None:
        view = client.view.snapshots
        for journal in self.bus.journals():
            id = journal.snapshot.id
            wanted = id == client.operation if client.operation else client.filter.matches(journal)
            # Without a cursor, what had ended by then is not shown on a stream of many.
            past = journal.snapshot.ended and journal.newest <= client.owed_from
            if not wanted or (past and id not in view):
                continue
            assert id in view
            if "progress" in client.filter.types and client.filter.types >= LOSSLESS:
                assert view[id] == as_received(journal)
            assert view[id].state == journal.snapshot.state

    def _check_lossless(self, client: Client) -> None:
        epoch = self.bus.epoch
        missing: Counter[str] = Counter()
        counted: Counter[str] = Counter()
        uncounted = {gap.reason for gap in client.view.gaps if gap.missed is None}
        for gap in client.view.gaps:
            counted += Counter(missed(gap))
        for n, type, event in self.history:
            if n <= client.owed_from or not self._is_owed(client, type, event):
                continue
            if Cursor(epoch, n) in client.view.lossless:
                continue
            journal = self.journals[event.operation]
            assert all(frame.n != n for frame in journal.frames) or self._is_evicted(event)
            missing[type] += 1
        # A gap of another reason than `trimmed` says that something is missing, not how much.
        if not uncounted:
            assert all(count <= counted[type] for type, count in missing.items())

    def _is_owed(self, client: Client, type: str, event: Event) -> bool:
        if type not in LOSSLESS or (type != "state" and type not in client.filter.types):
            return False
        if client.operation is not None:
            return event.operation == client.operation
        return client.filter.matches(self.journals[event.operation])

    def _is_evicted(self, event: Event) -> bool:
        try:
            self.bus.journal(event.operation)
        except Expired:
            return True
        return False


def as_received(journal: Journal) -> Snapshot:
    """The server's snapshot after a trip over the wire, where 2 and 2.0 are the same."""
    message = decode(encode(journal.notice()))
    assert isinstance(message, SnapshotNotice)
    return message.snapshot


def missed(gap: Gap) -> dict[str, int]:
    if gap.missed is None:
        return {}
    return {"state": gap.missed.state, "log": gap.missed.log, "output": gap.missed.output}


TestLaw = Law.TestCase
TestLaw.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
