"""The law of ARCHITECTURE.md: whatever happens, a reader ends up with the truth.

For any history of events, any filter, any permits, any fullness of sinks, any number of drops at
any byte, restarts of the server with the clock set back included: once things are quiet the
reader's fold is the server's snapshots, and every lossless event after its first cursor was
dispatched in order, or is counted in a gap.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from progress.core.cursor import ZERO, Cursor
from progress.core.event import TYPES, LogEvent, OutputEvent, StateEvent
from progress.core.filter import Filter
from progress.core.journal import Journal
from progress.errors import Expired, NotFound
from progress.hub import Hub, Subscriber, Subscription
from tests.support.sinks import MemorySink
from tests.support.view import View
from tests.support.world import BACK, LARGEST, SETTINGS, Claim, Desk, World

pytestmark = pytest.mark.slow("hundreds of random programs: 5 to 15 s, as the machine is")

_ROOM = 1_500
"""Bytes of the largest sink."""


class Client:
    """A reader with its memory: what it asked for, what it saw, and what it may ask for."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.view = View()
        self.gone = False
        """Its operation cannot be read any more."""
        self.desk = Desk()
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
        assert all(map(self.claim.types, self.view.snapshots.values())), "not asked for"
        if self.sink.closed and not self.sink.data and not self.subscriber.closed:
            self.drop()  # a poll has ended

    def drop(self) -> None:
        """Lose the connection, with whatever was not received."""
        self.stack.close()
        self.subscriber = None


class Law(World):
    """Connecting, draining and dropping, and the server's restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[Client] = []

    @rule(
        types=st.sampled_from([TYPES, ("log",), ("progress",), ()]),
        kinds=st.sampled_from(["", "a"]),
        flags=st.tuples(st.booleans(), st.booleans()),
        back=BACK,
        data=st.data(),
    )
    def arrive(
        self,
        types: tuple[str, ...],
        kinds: str,
        flags: tuple[bool, bool],
        back: int | None,
        data: st.DataObject,
    ) -> None:
        """A new client, with no cursor, all of them, an old one, or one from the future."""
        one, guarded = flags
        ids = sorted(self.journals)
        operation = data.draw(st.sampled_from(ids)) if one and ids else None
        filter = Filter(types=frozenset(types), kinds=frozenset(kinds))
        client = Client(Claim(filter, operation, guarded=guarded))
        self.clients.append(client)
        cursor = self.cursor(back)
        client.view.snapshots = self.as_of(cursor, client.claim)
        self._connect(client, cursor, data.draw(st.integers(1, _ROOM)))

    @rule(data=st.data(), room=st.integers(1, _ROOM))
    def come_back(self, data: st.DataObject, room: int) -> None:
        away = [client for client in self.clients if client.subscriber is None]
        if away:
            self._come_back(data.draw(st.sampled_from(away)), room)

    def _come_back(self, client: Client, room: int) -> None:
        last = client.view.last_event_id
        self._connect(client, Cursor.parse(last) if last else None, room)

    def _connect(self, client: Client, after: Cursor | None, room: int) -> None:
        claim, journal = client.claim, None
        if claim.operation is not None:
            try:
                journal = self.bus.journal(claim.operation)
            except (Expired, NotFound):
                client.gone = True
                return
        again = bool(client.view.last_event_id)
        client.view.connect(str(after) if after else None)
        client.newest = ZERO
        client.sink = self.sink(room, journal, after)
        claim.begin(after, self.bus.head, again=again)
        client.desk = Desk()
        subscription = Subscription(claim.filter, journal, client.desk if claim.guarded else None)
        client.subscriber = client.stack.enter_context(
            self.hub.subscribe(client.sink, subscription, after)
        )

    def sink(self, room: int, journal: Journal | None, after: Cursor | None) -> MemorySink:
        """For one connection."""
        return MemorySink(room)

    @rule(data=st.data())
    def permit(self, data: st.DataObject) -> None:
        """Somebody has been asked, and answers."""
        if asking := [client for client in self._connected() if client.desk.asked]:
            client = data.draw(st.sampled_from(asking))
            client.desk.answer(data.draw(st.sampled_from(list(client.desk.asked))))
            client.take(0, self.hub)

    @rule(data=st.data(), count=st.integers(0, 2400), drops=st.booleans())
    def receive(self, data: st.DataObject, count: int, drops: bool) -> None:
        """Some bytes, perhaps the last ones."""
        if connected := self._connected():
            client = data.draw(st.sampled_from(connected))
            client.take(count, self.hub)
            if drops:
                client.drop()

    @rule(epoch=st.sampled_from([500, 1_000, 2_000]))
    def lose_everything(self, epoch: int) -> None:
        """Clients with all that was published in that turn, too."""
        for client in self.clients:
            client.drop()
            client.gone = client.gone or client.claim.operation is not None
        self.restart(epoch)

    @invariant()
    def sinks_are_bounded(self) -> None:
        for client in self.clients:
            assert client.sink.most < _ROOM + 2 * SETTINGS.limits.sink + LARGEST

    @rule(data=st.data())
    def be_quiet(self, data: st.DataObject) -> None:
        """For one of them, for now."""
        if self.clients:
            self._settle(data.draw(st.sampled_from(self.clients)))

    def teardown(self) -> None:
        """Let it become quiet, and see."""
        for client in self.clients:
            self._settle(client)
            client.drop()
        assert self.hub.count == 0

    def _connected(self) -> list[Client]:
        return [client for client in self.clients if client.subscriber]

    def _settle(self, client: Client) -> None:
        self.hub.flush()
        self._follow(client)
        if not client.gone:
            self.check(client.view, [client.claim])

    def _follow(self, client: Client) -> None:
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
            elif client.subscriber.live and not client.sink.data:
                return
            else:
                client.desk.answer_all()
                client.take(100, self.hub)
        raise AssertionError("it never became quiet")


TestLaw = Law.TestCase
TestLaw.settings = settings(max_examples=250, stateful_step_count=50, deadline=None)
