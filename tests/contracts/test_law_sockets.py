"""The law of ARCHITECTURE.md for WebSockets: one connection, any number of subscriptions.

They may be of one operation or of many, overlap, come at any time with any cursor, and go again.
Until one is answered its client would resume it from its own cursor, afterwards from the highest
that the connection has brought; after a drop it subscribes to all of them again.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from progress.core.cursor import ZERO, Cursor
from progress.core.event import TYPES, Event
from progress.core.filter import Filter
from progress.core.frames import Message
from progress.core.operation import Snapshot
from progress.errors import Expired, NotFound
from progress.hub import Connection, Hub, Subscription
from tests.support.sockets import SocketReader, SocketSink
from tests.support.view import View
from tests.support.world import BACK, LARGEST, SETTINGS, Claim, Desk, World

pytestmark = pytest.mark.slow("hundreds of random programs: 5 to 15 s, as the machine is")

_ROOM = 1_500
"""Bytes of the largest sink."""

_WISHES = 4


class Wish:
    """A subscription that a client wants to have, on whatever connection."""

    def __init__(self, claim: Claim, after: Cursor | None) -> None:
        self.claim = claim
        self.after = after
        """Where it would be resumed until it is answered."""
        self.name = ""
        """On the present connection."""

    @property
    def starts_over(self) -> bool:
        """Whether it is shown everything that there is: the client relies on nothing it holds."""
        return self.after in (None, ZERO)


class Client:
    """A reader with its memory: what it wants, what it saw, and where it would go on."""

    def __init__(self, present: Callable[[str], Snapshot]) -> None:
        """`present` is an operation's snapshot on the server."""
        self.view = View()
        self.wishes: list[Wish] = []
        self.desk = Desk()
        self.sink = SocketSink(1, self._written)
        self.reader = SocketReader(self.view)
        self.connection: Connection | None = None
        self._present = present
        self._names = 0

    def open(self, hub: Hub, room: int) -> None:
        """Connect."""
        for wish in self.wishes:
            if wish.name not in self.reader.waiting:
                wish.after = self.reader.highest
        self.forget(*(wish for wish in self.wishes if wish.starts_over))
        self.view.connect("there is one for each subscription")
        self.desk = Desk()
        self.sink = SocketSink(room, self._written)
        self.reader = SocketReader(self.view)
        self.connection = hub.connect(self.sink)

    def name(self, wish: Wish) -> None:
        """Give a subscription its name on this connection."""
        self._names += 1
        wish.name = str(self._names)
        self.reader.waiting.add(wish.name)

    def forget(self, *wishes: Wish) -> None:
        """Let go of what only those subscriptions could have shown."""
        kept = [wish.claim for wish in self.wishes if wish not in wishes]
        gone = [wish.claim for wish in wishes]
        self.view.snapshots = {
            id: held
            for id, held in self.view.snapshots.items()
            if not any(claim.types(held) for claim in gone)
            or any(claim.types(held) for claim in kept)
        }

    def take(self, count: int, hub: Hub) -> None:
        """Receive so many bytes."""
        assert self.connection is not None
        self.reader.feed(self.sink.take(count, hub, self.connection))

    def drop(self, hub: Hub) -> None:
        """Lose the connection, with whatever was not received."""
        if self.connection is not None:
            hub.remove(self.connection)
            self.connection = None

    def _written(self, message: Message) -> None:
        if (id := getattr(message, "operation", None)) is not None:
            present = self._present(id)
            types = set[str]().union(*(wish.claim.types(present) for wish in self.wishes))
            assert types, "not asked for"
            assert message.__struct_config__.tag in types or not isinstance(message, Event)


class Law(World):
    """Connecting, subscribing and leaving, draining and dropping, and the server's restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[Client] = []

    @rule(
        types=st.sampled_from([TYPES, ("log",), ("progress",), ()]),
        kinds=st.sampled_from(["", "a", "b"]),
        flags=st.tuples(st.booleans(), st.booleans()),
        back=BACK,
        data=st.data(),
    )
    def subscribe(
        self,
        types: tuple[str, ...],
        kinds: str,
        flags: tuple[bool, bool],
        back: int | None,
        data: st.DataObject,
    ) -> None:
        """With no cursor, all of them, an old one, or one from the future."""
        client = self._some_client(data)
        one, guarded = flags
        ids = sorted(self.journals)
        operation = data.draw(st.sampled_from(ids)) if one and ids else None
        filter = Filter(types=frozenset(types), kinds=frozenset(kinds))
        wish = Wish(Claim(filter, operation, guarded=guarded), self.cursor(back))
        client.wishes.append(wish)
        if wish.starts_over:
            client.forget(wish)
        for id, held in self.as_of(wish.after, wish.claim).items():
            if id not in client.view.snapshots or held.cursor >= client.view.snapshots[id].cursor:
                client.view.snapshots[id] = held
        self._join(client, wish, again=False)

    def _some_client(self, data: st.DataObject) -> Client:
        """One that may subscribe, perhaps a new one."""
        clients = [client for client in self._connected() if len(client.wishes) < _WISHES]
        if clients and not data.draw(st.booleans()):
            return data.draw(st.sampled_from(clients))
        client = Client(lambda id: self.journals[id].snapshot)
        self.clients.append(client)
        client.open(self.hub, data.draw(st.integers(1, _ROOM)))
        return client

    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        """Once all that has been shown was read: what comes later would not be forgotten."""
        self.hub.flush()
        quiet = [one for one in self._connected() if not one.sink.data and not one.reader.waiting]
        if clients := [client for client in quiet if client.wishes]:
            client = data.draw(st.sampled_from(clients))
            wish = data.draw(st.sampled_from(client.wishes))
            assert client.connection is not None
            self.hub.part(client.connection, wish.name)
            client.forget(wish)
            client.wishes.remove(wish)

    @rule(data=st.data(), room=st.integers(1, _ROOM))
    def come_back(self, data: st.DataObject, room: int) -> None:
        if away := [client for client in self.clients if client.connection is None]:
            self._come_back(data.draw(st.sampled_from(away)), room)

    def _come_back(self, client: Client, room: int) -> None:
        client.open(self.hub, room)
        for wish in tuple(client.wishes):
            self._join(client, wish, again=True)

    def _join(self, client: Client, wish: Wish, *, again: bool) -> None:
        claim, journal = wish.claim, None
        if claim.operation is not None:
            try:
                journal = self.bus.journal(claim.operation)
            except (Expired, NotFound):
                client.view.snapshots.pop(claim.operation, None)
                client.wishes.remove(wish)
                return
        claim.begin(wish.after, self.bus.head, again=again)
        client.name(wish)
        connection, sink, name = client.connection, client.sink, wish.name
        assert connection is not None
        permits = client.desk if claim.guarded else None
        subscription = Subscription(claim.filter, journal, permits)

        def caught_up(head: Cursor) -> bool:
            return sink.answer(name, head)

        self.hub.join(connection, name, subscription, wish.after, caught_up)
        head = self.bus.head
        if wish.after is not None and wish.after.epoch == head.epoch and wish.after > head:
            wish.after = ZERO  # one from the future comes true while it is away

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
                client.drop(self.hub)

    @rule(epoch=st.sampled_from([500, 1_000, 2_000]))
    def lose_everything(self, epoch: int) -> None:
        """Clients with all that was published in that turn, too."""
        for client in self.clients:
            client.drop(self.hub)
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
            client.drop(self.hub)
        assert self.hub.count == 0

    def _connected(self) -> list[Client]:
        return [client for client in self.clients if client.connection is not None]

    def _settle(self, client: Client) -> None:
        """All that was asked for is answered, and is as it should be."""
        self.hub.flush()
        self._follow(client)
        assert not client.reader.waiting
        self.check(client.view, [wish.claim for wish in client.wishes])

    def _follow(self, client: Client) -> None:
        for _ in range(1_000):
            if client.connection is None or client.connection.closed:
                if client.connection is not None:
                    client.take(len(client.sink.data), self.hub)
                    client.drop(self.hub)
                self._come_back(client, 700)
            elif client.connection.live and not client.sink.data:
                return
            else:
                client.desk.answer_all()
                client.take(100, self.hub)
        raise AssertionError("it never became quiet")


TestLaw = Law.TestCase
TestLaw.settings = settings(max_examples=250, stateful_step_count=50, deadline=None)
