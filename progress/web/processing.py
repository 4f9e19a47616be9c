"""`102 Processing` in front of any application that takes its time, without a change to it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar

import anyio
from anyio import CancelScope
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from progress.core.counts import Counts
from progress.core.journal import Journal
from progress.delivery.extensions import INTERIM
from progress.delivery.interim import Interims, Teller, Wishes
from progress.settings import Settings

from .interims import interims
from .requests import prefix

__all__ = ["ProcessingMiddleware", "tell_of"]

_BEAT = 1.0
"""Seconds between two looks at whether an interim is due; the first is not before that."""


class _Request:
    """One request that is held, and the operation whose progress it is told."""

    def __init__(self) -> None:
        self.journal: Journal | None = None
        self.counts: Counts | None = None


_held: ContextVar[_Request | None] = ContextVar("progress_held", default=None)


def tell_of(journal: Journal, counts: Counts) -> None:
    """Let the request that this code runs in tell how far that operation is, and count that."""
    if (request := _held.get()) is not None:
        request.journal = journal
        request.counts = counts


class ProcessingMiddleware:
    """Sends interims from a second after the request until the response begins.

    They go where `/legacy` would send them: to who says `Prefer: processing`, if the setting
    `interim` allows it. `when` admits others, from the ASGI scope: clients that are known to skip
    interims and cannot say so. An operation that the application starts meanwhile, with
    `Progress.start` in the request's own context, is told of with `Location` and `Progress`.

    Wrap WSGI applications with a2wsgi.
    """

    def __init__(
        self,
        app: ASGIApp,
        when: Callable[[Scope], bool] | None = None,
        *,
        mounted: str = "",
        settings: Settings | None = None,
    ) -> None:
        """`mounted` is the path at which a `Progress` is mounted inside of `app`."""
        self._app = app
        self._mounted = mounted.rstrip("/")
        self._when = when
        self._settings = settings or Settings.from_environment()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        ways = None
        if scope["type"] == "http":
            others = Wishes() if self._when is not None and self._when(scope) else None
            ways = interims(scope, self._settings, others)
        if ways is None:
            await self._app(scope, receive, send)
        else:
            await _Held(ways, prefix(scope) + self._mounted).run(self._app, scope, receive, send)


class _Held:
    def __init__(self, ways: Interims, mounted: str) -> None:
        self._teller = Teller(ways)
        self._mounted = mounted
        self._request = _Request()
        self._beating = CancelScope()

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and send interims beside it."""

        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._beating.cancel()
                message = {**message, "headers": self._fields(message)}
            await send(message)

        token = _held.set(self._request)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._beat)
                await app(_without_interims(scope), receive, pass_on)
                self._beating.cancel()
        except BaseExceptionGroup as group:
            [error] = group.exceptions  # the application's: nothing else raises here
            raise error from error.__cause__
        finally:
            _held.reset(token)

    async def _beat(self) -> None:
        with self._beating, suppress(ConnectionResetError):
            while True:
                await anyio.sleep(_BEAT)
                journal = self._request.journal
                with suppress(RuntimeError):  # its body is not complete
                    if journal is None:
                        await self._teller.beat()
                    else:
                        self._teller.counts = self._request.counts
                        place = f"{self._mounted}/operations/{journal.snapshot.id}"
                        await self._teller.tell(journal.snapshot, place)

    def _fields(self, message: Message) -> list[tuple[bytes, bytes]]:
        headers = MutableHeaders(raw=[*message.get("headers", ())])
        headers.add_vary_header("Prefer")
        if self._teller.count:
            headers.append("preference-applied", "processing")
        if self._request.journal is not None:
            field = self._teller.ratio.of(self._request.journal.snapshot)
            headers["progress"] = field.decode("ascii")
        return headers.raw


def _without_interims(scope: Scope) -> Scope:
    """What is inside sends none of its own, but is told of."""
    extensions = {name: value for name, value in scope["extensions"].items() if name != INTERIM}
    return {**scope, "extensions": extensions}
