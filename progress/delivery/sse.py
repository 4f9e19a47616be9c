"""Server-Sent Events (WHATWG HTML §9.2): straight to the socket, or through sse-starlette.

Where the server lets go of the connection the hub writes to it, and nothing of the request is left.
Under any other server the same bytes go out of a buffer, through `send`; so do those of a poll, an
answer that ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from random import uniform
from typing import Protocol, cast

from anyio import CancelScope, Event, current_time
from sse_starlette import EventSourceResponse
from starlette.types import Message, Receive, Scope, Send

from progress.core.cursor import Cursor
from progress.core.frames import Bye, Frame, Joined
from progress.hub import Hub, Sink, Subscriber, Subscription
from progress.settings import Settings

from .buffer import Buffer
from .extensions import ABORT, DETACH, Owner, extension
from .polling import Poll, Question

__all__ = ["EventStream", "refuse"]

_HEADERS = {
    # no-transform: a proxy that compresses would hold events back.
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
}

_HEAD = (
    *((name.encode(), value.encode()) for name, value in _HEADERS.items()),
    # Nobody listens to a next request (RFC 9112 §9.6).
    (b"connection", b"close"),
    (b"content-type", b"text/event-stream; charset=utf-8"),
)

_POLL_HEADERS = {**_HEADERS, "preference-applied": "wait", "vary": "Prefer"}

_FAREWELL = 1.0
"""Seconds for the last frames where sse-starlette notices that uvicorn stops: a `progress serve`
drains before that, but an application that is only mounted does not know."""


class _Detach(Protocol):
    def __call__(self, owner: Owner, first: bytes) -> Sink | None: ...


class EventStream:
    """An ASGI application for one subscriber, which is attached once the response has started.

    When the connection was detached it is what owns it, and all that is left of the request.
    """

    __slots__ = (
        "_after",
        "_detached",
        "_gone",
        "_hub",
        "_settings",
        "_subscriber",
        "_subscription",
        "_wait",
    )

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        subscription: Subscription,
        after: Cursor | None,
        wait: float | None = None,
    ) -> None:
        """With `wait` it ends once it is up to date and has had news, or after so many seconds."""
        self._hub = hub
        self._settings = settings
        self._subscription = subscription
        self._after = after
        self._wait = wait
        self._subscriber: Subscriber | None = None
        self._detached = False
        self._gone: Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the hub or the client ends it, or until the connection is detached."""
        # At once, before anything is looked up: some proxies hold the head until the first byte.
        first = _retry(self._settings.timing.retry)
        detach = cast("_Detach | None", extension(scope, DETACH))
        if detach is not None and scope["method"] == "GET" and self._wait is None:
            # A list of its own: middleware adds to it.
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEAD]})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            if (sink := detach(self, first)) is not None:
                self._detached = True
                self._subscriber = self._hub.attach(sink, self._subscription, self._after)
                return
            first, send = b"", _without_head(send)
        with CancelScope() as running:
            # Without the extension the end of a response waits for the client to take the rest.
            abort = cast("Callable[[], None]", extension(scope, ABORT) or running.cancel)
            chunks = self._chunks(self._buffer(abort), first)
            headers = _HEADERS if self._wait is None else _POLL_HEADERS
            await _response(chunks, headers, self.dismiss)(scope, receive, send)

    def drained(self) -> None:
        """There is room, or there are new permits."""
        if self._subscriber is not None:
            self._hub.resume(self._subscriber)

    def dismiss(self) -> None:
        """Say `bye`: the server is about to stop."""
        if self._subscriber is not None:
            self._hub.dismiss(self._subscriber)

    def lost(self) -> None:
        """The detached connection is gone."""
        if self._subscriber is not None:
            self._hub.remove(self._subscriber)
        self._detached = False
        if self._gone is not None:
            self._gone.set()

    async def closed(self) -> None:
        """Wait until the connection is gone, if it was detached."""
        self._gone = Event()
        if self._detached:
            await self._gone.wait()

    def _buffer(self, abort: Callable[[], None]) -> Buffer:
        room = self._settings.limits.sink
        if self._wait is None:
            return Buffer(room, _event, self.drained, abort)
        until = current_time() + self._wait if self._wait else None
        question = Question(self._subscription.journal, self._after, until)
        return Poll(room, _event, self.drained, abort, question)

    async def _chunks(self, buffer: Buffer, first: bytes) -> AsyncIterator[bytes]:
        if first:
            yield first
        if (bye := self._hub.refuse()) is not None:  # others have come since it was let in
            yield Frame(bye).sse
            return
        with self._hub.subscribe(buffer, self._subscription, self._after) as self._subscriber:
            async for message in buffer.messages():
                yield message


def refuse(bye: Bye, settings: Settings) -> EventSourceResponse:
    """Answer 200 and say goodbye: an `EventSource` never comes back after a 4xx or 5xx."""

    async def chunks() -> AsyncIterator[bytes]:
        yield _retry(settings.timing.retry) + Frame(bye).sse

    return _response(chunks(), _HEADERS)


class _Call:
    """An event that nobody waits for: setting it is a call."""

    def __init__(self, set: Callable[[], None]) -> None:
        self.set = set


def _response(
    chunks: AsyncIterator[bytes],
    headers: Mapping[str, str],
    leave: Callable[[], None] | None = None,
) -> EventSourceResponse:
    response = EventSourceResponse(
        chunks,
        headers=headers,
        # Heartbeats are the hub's: named events, because page scripts cannot see comments.
        ping=0,
        shutdown_event=None if leave is None else cast("Event", _Call(leave)),
        shutdown_grace_period=_FAREWELL,
    )
    del response.headers["connection"]  # keep-alive: forbidden in HTTP/2, a default in HTTP/1.1
    return response


def _without_head(send: Send) -> Send:
    """Send what follows a head that has been sent."""

    async def send_on(message: Message) -> None:
        if message["type"] != "http.response.start":
            await send(message)

    return send_on


def _event(frame: Frame | Joined) -> tuple[bytes]:
    return (frame.sse,)


def _retry(average: float) -> bytes:
    """Differs from client to client, so that they do not all come back at once."""
    return f"retry: {uniform(0.5, 1.5) * average * 1000:.0f}\n\n".encode()
