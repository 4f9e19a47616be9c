"""The SSE endpoints: what a stream is of, where it goes on, and whether it ends with the news."""

from __future__ import annotations

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from progress.bus import Bus
from progress.core.cursor import Cursor
from progress.core.journal import Journal
from progress.delivery.sse import EventStream, refuse
from progress.hub import Hub, Subscription
from progress.settings import Settings

from .access import Access, Permissions
from .prefer import wait
from .requests import stream_cursor, stream_filter

__all__ = ["Streams"]


class Streams:
    """`GET /operations/{id}/events` and `GET /events`; with `Prefer: wait=N` answers that end."""

    def __init__(self, bus: Bus, hub: Hub, access: Access, settings: Settings) -> None:
        self._bus = bus
        self._hub = hub
        self._access = access
        self._settings = settings

    async def one(self, request: Request) -> ASGIApp:
        """Stream one operation; 204 to an `EventSource` that has seen its end."""
        journal = await self._access.journal(request, "read", request.path_params["id"])
        filter = stream_filter(request)
        after, from_header = stream_cursor(request)
        if after is not None and from_header and self._has_seen_the_end(journal, after):
            return Response(status_code=204)
        if (bye := self._hub.refuse()) is not None:
            return refuse(bye, self._settings)
        return self._stream(request, Subscription(filter, journal), after)

    async def many(self, request: Request) -> ASGIApp:
        """Stream all operations that match and may be read, those that start later too."""
        await self._access.check(request, "list")
        filter = stream_filter(request)
        after, _ = stream_cursor(request)
        if (bye := self._hub.refuse()) is not None:
            return refuse(bye, self._settings)
        permissions = self._access.permissions(request)
        subscription = Subscription(filter, permits=permissions)
        stream = self._stream(request, subscription, after)
        return stream if permissions is None else _Guarded(stream, permissions)

    def _stream(
        self, request: Request, subscription: Subscription, after: Cursor | None
    ) -> EventStream:
        asked = wait(request.headers.getlist("prefer"))
        seconds = None if asked is None else min(asked, self._settings.timing.wait)
        return EventStream(self._hub, self._settings, subscription, after, seconds)

    def _has_seen_the_end(self, journal: Journal, after: Cursor) -> bool:
        head = self._bus.head
        return (
            journal.snapshot.ended
            and after.epoch == head.epoch
            and journal.newest <= after.n <= head.n
        )


class _Guarded:
    """A stream beside the task that asks what it may show."""

    def __init__(self, stream: EventStream, permissions: Permissions) -> None:
        self._stream = stream
        self._permissions = permissions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._permissions.ask, self._stream.drained)
            await self._stream(scope, receive, send)
            await self._stream.closed()  # the hook is asked inside of the request it is asked for
            tasks.cancel_scope.cancel()
