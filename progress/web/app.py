"""`Progress`, the ASGI application: the only place where the parts are put together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from inspect import iscoroutinefunction
from typing import TypeVar, overload

import anyio
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send

from progress.bus import MemoryBus
from progress.core.operation import Snapshot
from progress.delivery.calls import Calls
from progress.delivery.webhooks import Webhook, Webhooks
from progress.errors import ConfigurationError, RequestError
from progress.hub import Hub
from progress.runner import Runner
from progress.runner.codec import to_raw
from progress.runner.kinds import Bounds
from progress.settings import Settings

from .access import Access, Authorize, check_host
from .deliveries import Deliveries
from .idempotency import Principal
from .legacy import Legacy
from .mention import mention
from .metrics import Metrics
from .openapi import document
from .operations import Operations
from .origins import cross_origin
from .problems import deny
from .processing import tell_of
from .ready import Readiness, healthy
from .reports import Reports
from .requests import prefix
from .resource import Resource, json_response, not_found
from .sockets import Sockets
from .starting import Starter, Starts
from .static import Static
from .streams import Streams

__all__ = ["RUNNING", "Progress"]

_F = TypeVar("_F", bound=Callable[..., object])

RUNNING: ContextVar[list[Progress] | None] = ContextVar("progress_running", default=None)
"""Where a `Progress` whose lifespan runs enters itself, for the server to drain it."""


class Progress:
    """An ASGI application that runs operations and shows how far they have got.

    It runs alone (`progress serve module:app`) or mounted under any path of another application,
    which then passes `lifespan=app.lifespan` on.

    `authorize` is asked for every action; it raises `Unauthorized` or `Forbidden`. Without it
    everybody who reaches the server may do everything. `principal` names who makes a request, for
    `Idempotency-Key`; without it that is `Authorization` or the cookie `progress_token`.
    `settings` are read from the environment where they are not given.

    Raises:
        SettingsError: an environment variable has a value that cannot be.
        ConfigurationError: `authorize` is not async.
    """

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        authorize: Authorize | None = None,
        principal: Principal | None = None,
    ) -> None:
        call = getattr(authorize, "__call__", None)  # noqa: B004 - of an object
        if authorize and not (iscoroutinefunction(authorize) or iscoroutinefunction(call)):
            raise ConfigurationError("authorize has to be an async function")
        self.settings = settings or Settings.from_environment()
        self.is_guarded = authorize is not None
        """Whether `authorize` is there."""
        epoch = time.time_ns() // 1_000
        self.bus = MemoryBus(epoch, self.settings.limits, self.settings.retention)
        self.hub = Hub(self.bus, self.settings)
        self.runner = Runner(self.bus, self.settings)
        self._access = Access(self.bus, authorize)
        self.webhooks = Webhooks(self.hub, self.settings)
        self._starter = Starter(self.bus, self.runner, self.webhooks)
        self._sockets = Sockets(self._starter, self.hub, self._access, self.settings)
        self.routes = self._routes(Starts(self._starter, self._access, principal))
        self._router = Router(
            self.routes, redirect_slashes=False, default=not_found, lifespan=self.lifespan
        )
        self._app = cross_origin(self._serve, self.settings.origins)
        self._is_running = False

    @overload
    def operation(self, function: _F, /) -> _F: ...
    @overload
    def operation(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
        stall: float | None = None,
    ) -> Callable[[_F], _F]: ...
    def operation(
        self,
        function: _F | None = None,
        /,
        *,
        name: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
        stall: float | None = None,
    ) -> _F | Callable[[_F], _F]:
        """Make a function a kind of operation: `@app.operation`, or with options in brackets.

        `limit` is how many run at once; `timeout` how many seconds one may run; `stall` how many
        it may report nothing. The function stays callable as it was.

        Raises:
            KindError: it cannot be one; the message says what to change.
        """
        bounds = Bounds(limit=limit, timeout=timeout, stall=stall)

        def register(function: _F) -> _F:
            self.runner.kinds.register(function, name, bounds)
            return function

        return register if function is None else register(function)

    def start(
        self,
        kind: str,
        /,
        labels: Mapping[str, str] | None = None,
        webhook: Webhook | None = None,
        **params: object,
    ) -> Snapshot:
        """Start an operation, without asking `authorize`; from any thread.

        `params` are the function's parameters; one that is called `labels` or `webhook` cannot be
        given here.

        Raises:
            UnknownKind, InvalidParams, Busy, Draining, NotRunning: as named.
            TypeError: a parameter has no JSON form.
        """
        draft = self.runner.draft(kind, to_raw(params), labels or {})
        journal = self.runner.call(self._starter.start, draft, webhook)
        tell_of(journal, self.hub.counts)
        mention(journal.snapshot.id)
        return journal.snapshot

    def cancel(self, id: str) -> Snapshot:
        """Stop an operation, without asking `authorize`; from any thread.

        Raises:
            NotFound, Expired, Ended: as named.
        """
        return self.runner.call(self.runner.cancel, id)

    def snapshot(self, id: str) -> Snapshot:
        """The present state of an operation.

        Raises:
            NotFound, Expired: as named.
        """
        return self.bus.journal(id).snapshot

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Be able to run operations inside this block: `Starlette(lifespan=progress.lifespan)`.

        Raises:
            ConfigurationError: it is run already, by another one that passes it on.
        """
        if self._is_running:
            raise ConfigurationError(
                "the lifespan of this Progress is run already: pass it on once"
            )
        async with anyio.create_task_group() as tasks, self.runner.run():
            self.hub.open()
            self._tick()
            tasks.start_soon(self._keep_time)
            calls = Calls()
            tasks.start_soon(calls.run)
            tasks.start_soon(self.webhooks.run)
            if (running := RUNNING.get()) is not None:
                running.append(self)
            self._is_running = True
            self._sockets.calls = calls
            try:
                yield
            finally:
                self._is_running = False
                await self.drain(self.settings.timing.grace)
                self._sockets.calls = None
                tasks.cancel_scope.cancel()

    async def drain(self, within: float) -> None:
        """Stop in an orderly way, in so many seconds: operations first, then the streams."""
        began = anyio.current_time()
        self.hub.draining = True
        await self.runner.drain(min(within, self.settings.timing.grace / 2))
        left = max(began + within - anyio.current_time(), 0.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.webhooks.drain, left)
            tasks.start_soon(self.hub.drain, left)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, as an ASGI 3 application."""
        await self._app(scope, receive, send)

    def _routes(self, starts: Starts) -> list[BaseRoute]:
        access, sockets = self._access, self._sockets
        operations = Operations(self.bus, self.runner, self.hub, access, starts, self.settings)
        reports = Reports(self.runner, access, self.settings)
        deliveries = Deliveries(self.webhooks, access)
        legacy = Legacy(self.hub, starts, self.settings)
        kinds = self.runner.kinds
        metrics = Metrics(self.bus, self.hub, kinds, self.webhooks.counts, access)
        ready = Readiness(self.bus, self.hub, self.settings, lambda: self._is_running)
        streams = Streams(self.bus, self.hub, access, self.settings)
        return [
            # They are tried in this order, and thousands come back to these together.
            Route("/operations/{id}/events", Resource(GET=streams.one, POST=reports.take)),
            Route("/events", Resource(GET=streams.many)),
            WebSocketRoute("/ws", sockets),
            Route("/ws", Resource(GET=sockets.ask_for_one)),
            Route("/operations", Resource(GET=operations.list, POST=operations.start)),
            Route("/operations/{id}", Resource(GET=operations.show)),
            Route("/operations/{id}/cancel", Resource(POST=operations.cancel)),
            Route("/operations/{id}/deliveries", Resource(GET=deliveries.list)),
            Route("/operations/{id}/deliveries/{delivery}/retry", Resource(POST=deliveries.retry)),
            Route("/legacy/{kind}", Resource(POST=legacy.run, COPY=legacy.run, MOVE=legacy.run)),
            Route("/kinds", Resource(GET=operations.kinds)),
            Route("/healthz", Resource(GET=healthy)),
            Route("/readyz", Resource(GET=ready.show)),
            Route("/metrics", Resource(GET=metrics.show)),
            Route("/openapi.json", Resource(GET=self._describe)),
            *Static().routes,
        ]

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                check_host(HTTPConnection(scope), self.settings.hosts)
            except RequestError as error:
                await deny(error, scope, receive, send)
                return
        await self._router(scope, receive, send)

    async def _keep_time(self) -> None:
        while True:
            due = anyio.current_time() + self.hub.beat
            await anyio.sleep_until(due)
            self.hub.counts.lag.observe(anyio.current_time() - due)
            self._tick()

    def _tick(self) -> None:
        now = anyio.current_time()
        self.bus.expire(now)
        self.hub.tick(now)

    async def _describe(self, request: Request) -> Response:
        await self._access.check(request, "list")
        return json_response(document(self.runner.kinds, prefix(request.scope)))
