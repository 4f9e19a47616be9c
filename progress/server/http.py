"""uvicorn's httptools protocol, where a stream needs more of it than it has."""

from __future__ import annotations

from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from progress.delivery.sse import ABORT

__all__ = ["Protocol"]


_HEAD_BYTES = 65_536
"""Of a request's head; as much as h11 takes."""

_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class Protocol(HttpToolsProtocol):
    """Offers `ABORT`, and tells the request that is being answered when its client has left."""

    _answered: RequestResponseCycle | None = None
    _head: int | None = 0
    """Bytes that have come while a request's head is not complete; None once it is."""

    def data_received(self, data: bytes) -> None:
        """More of a request. httptools alone takes heads of any size."""
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > _HEAD_BYTES:
                self.transport.write(_HEAD_TOO_LARGE)
                self.transport.close()

    def on_headers_complete(self) -> None:
        """A request's head is complete."""
        super().on_headers_complete()
        self._head = None

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head = 0
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[dict-item] # a function

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left. uvicorn tells the latest request; an earlier one may be a stream."""
        answered = self._answered
        if answered is not None and not answered.response_complete:
            answered.disconnected = True
            answered.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        http_1_0 = cycle.scope["http_version"] == "1.0"
        super()._start_asgi_task(cycle, _Unchunked(app, cycle) if http_1_0 else app)


class _Unchunked:
    """Answers an HTTP/1.0 client until the connection's end: it knows no chunks (RFC 9112 §6.1).

    uvicorn sends chunks whenever no length is declared. Here it is told that one was, and before
    each part of the body that what is left is just that.
    """

    def __init__(self, app: ASGI3Application, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle
        cycle.chunked_encoding = False

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        async def send_part(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.body":
                self._cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, send_part)
