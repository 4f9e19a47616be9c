"""Who may do what: the `authorize` hook, and the `Host` header against DNS rebinding."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address
from typing import Literal, TypeAlias
from weakref import WeakKeyDictionary

import anyio
from starlette.requests import HTTPConnection

from progress.bus import Bus
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.errors import (
    Expired,
    Forbidden,
    Malformed,
    NotFound,
    RequestError,
    Unauthorized,
)
from progress.runner import Runner
from progress.runner.drafts import Draft
from progress.settings import Settings

from .mention import mention
from .requests import StartRequest

__all__ = [
    "Access",
    "Action",
    "Authorize",
    "Permissions",
    "check_host",
    "check_origin",
    "is_loopback",
]

Action: TypeAlias = Literal["start", "read", "cancel", "report", "list"]

_PACE = 0.02
"""Seconds between two goes of a stream whose answers come one by one: each looks at all that is
missing, and there may be thousands."""

_ONE_HOST = "send one valid Host header (RFC 9112 §3.2)"

# uri-host [ ":" port ], RFC 9110 §7.2
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]*)?")

Authorize: TypeAlias = Callable[[HTTPConnection, Action, Snapshot | None], Awaitable[None]]
"""Raises `Unauthorized` or `Forbidden`. The snapshot is that of the operation; for `start` of the
one that would be started; None for `list`, and where there is no such operation."""


class Access:
    """Asks the hook, if there is one. What is missing and what is forbidden look the same."""

    def __init__(self, bus: Bus, authorize: Authorize | None) -> None:
        self._bus = bus
        self._authorize = authorize

    @property
    def is_guarded(self) -> bool:
        """Whether there is a hook."""
        return self._authorize is not None

    async def check(
        self, connection: HTTPConnection, action: Action, operation: Snapshot | None = None
    ) -> None:
        """Ask for one action.

        Raises:
            Unauthorized, Forbidden: whatever the hook raises.
        """
        if self._authorize is not None:
            await self._authorize(connection, action, operation)

    async def draft(self, connection: HTTPConnection, runner: Runner, asked: StartRequest) -> Draft:
        """Draft an operation that may be started.

        Raises:
            RequestError: it cannot be, or the hook says no.
        """
        try:
            draft = runner.draft(asked.kind, asked.params, asked.labels)
        except RequestError:
            await self.check(connection, "list")  # what went wrong tells what kinds there are
            raise
        await self.check(connection, "start", draft.snapshot)
        return draft

    async def journal(self, connection: HTTPConnection, action: Action, id: str) -> Journal:
        """Find an operation that may be read, cancelled or reported to.

        Raises:
            Unauthorized: as the hook says, for operations there are and for others alike.
            NotFound: there is none, or it is not theirs.
            Expired: it is no longer kept. With a hook that is a NotFound: nobody can say
                any more whose it was.
        """
        try:
            journal = self._bus.journal(id)
        except (NotFound, Expired) as error:
            if self._authorize is None:
                raise
            with suppress(Forbidden):
                await self.check(connection, action, None)
            raise _missing(id) from error
        await self.permit(connection, action, journal.snapshot)
        return journal

    async def permit(self, connection: HTTPConnection, action: Action, operation: Snapshot) -> None:
        """Ask for an operation that is there, if only what is left of it.

        Raises:
            Unauthorized: as the hook says.
            NotFound: it is not theirs.
        """
        mention(operation.id)  # who was refused is in the log, too
        try:
            await self.check(connection, action, operation)
        except Forbidden as error:
            raise _missing(operation.id) from error

    async def may_read(self, connection: HTTPConnection, operation: Snapshot) -> bool:
        """Whether one of many may be shown."""
        with suppress(Unauthorized, Forbidden):
            await self.check(connection, "read", operation)
            return True
        return False

    def permissions(self, connection: HTTPConnection) -> Permissions | None:
        """For a stream of many; None where everything may be read."""
        return None if self._authorize is None else Permissions(self, connection)


class Permissions:
    """What one stream of many may show: the hook is asked once for each operation.

    While an answer is out the stream waits at that operation's first event.
    """

    def __init__(self, access: Access, connection: HTTPConnection) -> None:
        self._access = access
        self._connection = connection
        self._known: WeakKeyDictionary[Journal, bool] = WeakKeyDictionary()
        self._asked: dict[Journal, None] = {}  # also while the answer is out
        self._wake = anyio.Event()
        self._news = anyio.Event()

    def get(self, journal: Journal) -> bool | None:
        """The answer, or None: then it is asked for."""
        answer = self._known.get(journal)
        if answer is None and journal not in self._asked:
            self._asked[journal] = None
            self._wake.set()
        return answer

    async def ask(self, resume: Callable[[], None]) -> None:
        """Get the answers that are asked for, for ever; call `resume` when there are new ones."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._answer)
            while True:
                await self._news.wait()
                self._news = anyio.Event()
                resume()
                await anyio.sleep(_PACE)

    async def _answer(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            # The oldest first: what comes before an operation that takes long can be shown.
            for journal in sorted(self._asked, key=lambda journal: journal.born):
                answer = await self._access.may_read(self._connection, journal.snapshot)
                self._known[journal] = answer
                del self._asked[journal]
                self._news.set()


def check_host(connection: HTTPConnection, hosts: tuple[str, ...]) -> None:
    """Refuse a `Host` that is neither loopback nor one of ours.

    A page of another site that makes its name resolve to 127.0.0.1 would otherwise be same-origin
    with this server (DNS rebinding).

    Raises:
        Malformed: an HTTP/1.1 request without exactly one valid `Host` (RFC 9112 §3.2).
        Forbidden: another host; the message says which setting allows it.
    """
    fields = connection.headers.getlist("host")
    if not fields and connection.scope.get("http_version") == "1.0":
        return
    if len(fields) != 1:
        raise Malformed(_ONE_HOST)
    _check_name(fields[0], hosts)


@lru_cache(256)  # a server has few names; what is refused is not remembered
def _check_name(field: str, hosts: tuple[str, ...]) -> None:
    match = _HOST.fullmatch(field)
    if match is None:
        raise Malformed(_ONE_HOST)
    name = match["name"].strip("[]").rstrip(".").lower()
    if not (is_loopback(name) or any(_matches(name, host.lower()) for host in hosts)):
        raise Forbidden(
            f"the host {name!r} is not served here; the operator can add {name} to PROGRESS_HOSTS"
        )


def check_origin(connection: HTTPConnection, settings: Settings, is_guarded: bool) -> None:
    """Refuse a WebSocket from a page of another site (RFC 6455 §10.2): no browser does.

    What is no browser sends no `Origin`, or whatever it likes.

    Raises:
        Forbidden: the page is neither of this host nor of one in `PROGRESS_HOSTS`, nor is its
            origin in `PROGRESS_ORIGINS`. `*` there is no leave to use the cookies of whoever is
            lured onto a page: browsers send them along, and only a hook heeds them.
    """
    is_someone = any(name in connection.headers for name in ("cookie", "authorization"))
    allows_all = "*" in settings.origins and not (is_guarded and is_someone)
    for origin in connection.headers.getlist("origin"):
        if allows_all or origin in settings.origins:
            continue
        _check_origin(origin, connection.headers.get("host", "").lower(), settings.hosts)


def _check_origin(origin: str, host: str, hosts: tuple[str, ...]) -> None:
    scheme, _, authority = origin.lower().partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme, "")
    match = _HOST.fullmatch(authority)
    name = "" if match is None else match["name"].strip("[]")
    is_same = host in (authority, authority + port) or host + port == authority
    # `*` of the hosts is about names of this server: it says nothing of pages elsewhere.
    if not is_same and not any(_matches(name, one.lower()) for one in hosts if one != "*"):
        advice = "; the operator can add it to PROGRESS_ORIGINS" if name else ""
        raise Forbidden(f"a page of {origin} may not connect here{advice}")


def is_loopback(name: str) -> bool:
    """Whether that host is this machine, for nobody but itself."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _matches(name: str, host: str) -> bool:
    return host == "*" or name == host or (host.startswith("*.") and name.endswith(host[1:]))


def _missing(id: str) -> NotFound:
    return NotFound(f"there is no operation {id!r}")
