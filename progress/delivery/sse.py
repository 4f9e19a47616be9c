"""Server-Sent Events (WHATWG HTML §9.2) through sse-starlette, under any ASGI server.

The sink's buffer is all that stands between the hub and the server: when it is full the
subscriber falls behind, and what is missing is read from the journals once the client takes more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from random import uniform
from typing import cast

from anyio import CancelScope, Event
from anyio.lowlevel import checkpoint
from sse_starlette import EventSourceResponse
from starlette.types import Receive, Scope, Send

from progress.core.frames import Bye, Frame
from progress.hub import Hub, Sink, Subscriber
from progress.settings import Settings

__all__ = ["ABORT", "EventStream", "refuse"]

_HEADERS = {
    # no-transform: a proxy that compresses would hold events back.
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
}

ABORT = "progress.abort"
"""An ASGI extension: `scope["extensions"]["progress.abort"]()` closes the connection at once.

What the client has not taken is dropped. Without it a server can only end the response, and waits
for the client to take the rest: one that never reads would hold its connection for ever.
"""

_FAREWELL = 1.0
"""Seconds for the last frames where sse-starlette notices that uvicorn stops: a `progress serve`
drains before that, but an application that is only mounted does not know."""

Subscribe = Callable[[Sink], AbstractContextManager[Subscriber]]


class EventStream:
    """An ASGI application for one subscriber: `subscribe` attaches it once the response starts."""

    def __init__(self, hub: Hub, settings: Settings, subscribe: Subscribe) -> None:
        self._hub = hub
        self._timing = settings.timing
        self._subscribe = subscribe
        self._room = settings.limits.sink
        self._frames: deque[bytes] = deque()
        self._size = 0
        self._wake = Event()
        self._closed = False
        self._scope = CancelScope()
        self._abort: Callable[[], None] | None = None
        self._subscriber: Subscriber | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the hub or the client ends it."""
        self._abort = scope.get("extensions", {}).get(ABORT)
        with self._scope:
            await _response(self._chunks(), self.leave)(scope, receive, send)

    def write(self, frame: Frame) -> bool:
        """Buffer a frame; say whether there is room for another one."""
        data = frame.sse
        self._frames.append(data)
        self._size += len(data)
        self._wake.set()
        return self._size < self._room

    def close(self) -> None:
        """End the stream after what is buffered."""
        self._closed = True
        self._wake.set()

    def abort(self) -> None:
        """End the stream now, although the client takes nothing.

        Where the server offers it, by closing the connection; else its end waits for the client.
        """
        if self._abort is not None:
            self._abort()
        else:
            self._scope.cancel()

    def leave(self) -> None:
        """Say `bye`: the server is about to stop, and nobody but sse-starlette has noticed."""
        if self._subscriber is not None:
            self._hub.dismiss(self._subscriber)

    def resume(self) -> None:
        """Let the hub go on, if there is room."""
        if self._subscriber is not None and self._size < self._room:
            self._hub.resume(self._subscriber)

    async def _chunks(self) -> AsyncIterator[bytes]:
        # At once, before anything is looked up: some proxies hold the head until the first byte.
        yield _retry(self._timing.retry)
        taken = 0
        with self._subscribe(self) as self._subscriber:
            while self._frames or not self._closed:
                if not self._frames:
                    self._wake = Event()
                    await self._wake.wait()
                    continue
                data = self._frames.popleft()
                yield data
                # Only now has the server taken it.
                self._size -= len(data)
                if self._size <= self._room // 2:
                    self.resume()
                taken += len(data)
                if taken >= self._room:  # a socket that takes everything never waits
                    taken = 0
                    await checkpoint()  # and others want their turn


def refuse(bye: Bye, settings: Settings) -> EventSourceResponse:
    """Answer 200 and say goodbye: an `EventSource` never comes back after a 4xx or 5xx."""

    async def chunks() -> AsyncIterator[bytes]:
        yield _retry(settings.timing.retry) + Frame(bye).sse

    return _response(chunks())


class _Call:
    """An event that nobody waits for: setting it is a call."""

    def __init__(self, set: Callable[[], None]) -> None:
        self.set = set


def _response(
    chunks: AsyncIterator[bytes], leave: Callable[[], None] | None = None
) -> EventSourceResponse:
    response = EventSourceResponse(
        chunks,
        headers=_HEADERS,
        # Heartbeats are the hub's: named events, because page scripts cannot see comments.
        ping=0,
        shutdown_event=None if leave is None else cast("Event", _Call(leave)),
        shutdown_grace_period=_FAREWELL,
    )
    del response.headers["connection"]  # keep-alive: forbidden in HTTP/2, a default in HTTP/1.1
    return response


def _retry(average: float) -> bytes:
    """Differs from client to client, so that they do not all come back at once."""
    return f"retry: {uniform(0.5, 1.5) * average * 1000:.0f}\n\n".encode()
