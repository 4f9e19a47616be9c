"""What every connection of one server has to keep to: deadlines and caps.

uvicorn has neither. One timer watches all heads that are not complete; nothing is kept for a
connection whose request comes in one piece.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from itertools import takewhile
from typing import ClassVar, Protocol, cast
from weakref import WeakKeyDictionary

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from progress.core.frames import Bye
from progress.delivery.extensions import extension
from progress.delivery.sse import refuse
from progress.errors import Crowded
from progress.settings import Settings
from progress.web.access import is_loopback
from progress.web.mention import expect
from progress.web.origins import cross_origin
from progress.web.problems import deny

__all__ = ["CONNECTION", "Admission", "Connected", "Front"]

CONNECTION = "progress.connection"
"""In `scope["extensions"]`: the `Connected` that a request came on. For `Admission` only."""

_PER_ADDRESS = 1_000
"""Connections of one address, unless it is loopback: whole offices share one."""

_REFUSABLE = 1_000
"""Connections above the cap that are told so; what comes beyond them is closed at once."""

_REMEMBERED = 1_024
"""Addresses whose cap is remembered."""

_LOOK = 0.5
"""Seconds between two looks at the heads that are not complete."""


class Connected(Protocol):
    """A connection that has a request, or waits for one."""

    front: Front
    address: str
    """Whom it is counted for."""
    is_too_many: bool
    """There were as many as there may be when it came, in all or for its address."""

    def time_out(self) -> None:
        """Its time for sending a request's head is over."""

    def let_go(self) -> None:
        """This is its last request."""


class Front:
    """Shared by all connections of one server."""

    _of: ClassVar[WeakKeyDictionary[ServerState, Front]] = WeakKeyDictionary()

    def __init__(self, state: ServerState, settings: Settings) -> None:
        self._of[state] = self
        self.connections = state.connections
        self.limits = settings.limits
        self._patience = settings.timing.head
        self._waiting: dict[Connected, float] = {}  # their deadlines, the first first
        self._timer: asyncio.TimerHandle | None = None
        self._addresses: dict[str, int] = {}
        self._cap = lru_cache(_REMEMBERED)(self._find_cap)

    @classmethod
    def of(cls, state: ServerState) -> Front:
        """That of a server; with the settings of the environment, if nobody has made one."""
        return cls._of.get(state) or cls(state, Settings.from_environment())

    def let_in(self, connection: Connected, peer: str) -> bool:
        """Count a connection that has come; False if there is no room even to refuse it.

        Who has a place keeps it: only those who come when there is none are refused.
        """
        count = len(self.connections)
        self.count(connection, peer)
        connection.is_too_many = connection.is_too_many or count > self.limits.connections
        self.wait(connection)
        return count <= self.limits.connections + _REFUSABLE

    def wait(self, connection: Connected) -> None:
        """Expect a complete head from now on, within `timing.head`."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = asyncio.get_running_loop().time() + self._patience
        self._watch()

    def expect(self, connection: Connected) -> None:
        """The same, unless it is expected already."""
        if connection not in self._waiting:
            self.wait(connection)

    def wait_no_more(self, connection: Connected) -> None:
        """Its head is complete, or it is gone."""
        self._waiting.pop(connection, None)

    def count(self, connection: Connected, address: str) -> None:
        """Count a connection for that address from now on, and for no other."""
        if connection.address != address:
            self.leave(connection.address)
            connection.address = address
            count = self._addresses[address] = self._addresses.get(address, 0) + 1
            connection.is_too_many = connection.is_too_many or count > self._cap(address)

    def leave(self, address: str) -> None:
        """One that was counted for that address is gone."""
        if address:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def _find_cap(self, address: str) -> int:
        if self.limits.connections_per_address is not None:
            return self.limits.connections_per_address
        return self.limits.connections if is_loopback(address) else _PER_ADDRESS

    def _watch(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(_LOOK, self._patience), self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        late = [*takewhile(lambda connection: self._waiting[connection] <= now, self._waiting)]
        for connection in late:
            del self._waiting[connection]
            connection.time_out()
        if self._waiting:
            self._watch()


class Admission:
    """The application behind the caps: it stands where `scope["client"]` is the client's address.

    That is after `--forwarded-allow-ips` has been heeded.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._refusal = cross_origin(self._refuse, settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a connection in, or say that there are too many."""
        connection = cast("Connected | None", extension(scope, CONNECTION))
        if connection is None:  # the lifespan, or another server's protocol
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        connection.front.count(connection, client[0] if client else "")
        expect()
        if not connection.is_too_many:
            await self._app(scope, receive, send)
            return
        connection.let_go()
        await self._refusal(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "text/event-stream" in HTTPConnection(scope).headers.get("accept", ""):
            # An `EventSource` never comes back after a 4xx or 5xx.
            bye = Bye(reason="busy", reconnect=True)
            await refuse(bye, self._settings)(scope, receive, send)
        else:
            await deny(Crowded(), scope, receive, send)
