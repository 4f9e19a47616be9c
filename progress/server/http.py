"""uvicorn's httptools protocol, where a stream needs more of it than it has."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httptools
from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from progress.delivery.extensions import ABORT, DETACH, INTERIM, Owner

from .detached import EventSink
from .front import CONNECTION, Front
from .interim import Interim
from .refusals import refusal
from .websocket import SocketProtocol

__all__ = ["Protocol"]

_MALFORMED = refusal(400, "send a request as RFC 9112 has it; is it TLS on a port without it?")
_TOO_SLOW = refusal(408, "send the whole head of a request at once")
_TOO_LARGE = refusal(431, "send fewer or shorter header fields, trailers and chunk extensions")


class _HeadTooLarge(Exception):
    """Tells httptools to stop."""


class Protocol(HttpToolsProtocol):
    """Bounds the head of each request, and lets go of connections that become streams."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.headers = []
        self.url = b""
        self.front = Front.of(server_state)
        self.address = ""
        self.is_too_many = False
        self._answered: RequestResponseCycle | None = None
        self._in_head = False
        self._data = 0
        """Bytes that are being parsed."""
        self._unclaimed = 0
        """Bytes, at most, that have come since the parser last had something to tell."""
        self._begun_with = 0
        """Bytes that came together with a head's first; some may be of the request before."""
        self._refusal: bytes | None = None
        """What is sent once the requests before it are answered (RFC 9112 §9.3.2)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come. It is to say what it wants."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        # Of a proxy that is believed each request says whom it is for.
        is_proxy = isinstance(self.app, ProxyHeadersMiddleware) and peer in self.app.trusted_hosts
        if not self.front.let_in(self, "" if is_proxy else peer):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """More of a request. httptools alone takes heads of any size, and waits for ever."""
        if self._refusal is not None:
            return
        self._data = len(data)
        self._unclaimed += len(data)
        super().data_received(data)
        if self._unclaimed > self.front.limits.head:
            self._refuse(_TOO_LARGE)
        elif self._in_head or self._is_silent():
            self.front.expect(self)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        self._unclaimed = 0
        self._begun_with = self._data
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A request's head is complete."""
        self._in_head = False
        self.front.wait_no_more(self)
        limit = self.front.limits.head
        most = self._begun_with + self._unclaimed + self._data
        if most > limit and _size(self.url, self.headers) > limit:
            self._unclaimed = limit + 1  # it stays too large
            raise _HeadTooLarge
        self._unclaimed = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a request's body."""
        self._unclaimed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._unclaimed = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request has been answered."""
        super().on_response_complete()
        if self._refusal is not None:
            self._refuse(self._refusal)

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed, or was not to be."""
        self.front.wait_no_more(self)
        if self._unclaimed > self.front.limits.head:
            self._refuse(_TOO_LARGE)
        else:
            self._refuse(_MALFORMED)

    def let_go(self) -> None:
        """This is its last request."""
        self.cycle.keep_alive = False

    def time_out(self) -> None:
        """The head of a request takes too long, or none has begun."""
        if not self._in_head:
            self.transport.close()
        elif self.flow.read_paused:  # it is we who do not read
            self.front.wait(self)
        else:
            self._refuse(_TOO_SLOW)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left. uvicorn tells the latest request; an earlier one may be a stream."""
        answered = self._answered
        if answered is not None and not answered.response_complete:
            answered.disconnected = True
            answered.message_event.set()
        self.front.wait_no_more(self)
        self.front.leave(self.address)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Another protocol takes over."""
        if self.ws_protocol_class is not SocketProtocol:
            self.front.leave(self.address)
            super().handle_websocket_upgrade()
            return
        try:
            url = httptools.parse_url(self.url)  # an absolute one becomes a path (RFC 9112 §3.2.2)
        except httptools.HttpParserInvalidURLError:
            self._refuse(_MALFORMED)
            return
        # uvicorn would write the request down again, for the other protocol to parse.
        protocol = SocketProtocol(self.config, self.server_state, self.app_state, self.loop)
        protocol.address, protocol.is_too_many = self.address, self.is_too_many
        self.connections.discard(self)
        path = (url.path or b"/") + (b"?" + url.query if url.query else b"")
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.open(path, self.headers)

    def detach(self, cycle: RequestResponseCycle, owner: Owner) -> EventSink | None:
        """End an exchange whose response has begun, and leave a sink on the transport."""
        if (
            self.pipeline  # other requests wait for their turn
            or self.transport.is_closing()
            or cycle.disconnected
            or cycle.response_complete
            or not cycle.chunked_encoding
            or self.flow.write_paused
        ):
            return None
        cycle.response_complete = True
        self.flow.resume_reading()  # or the client's end would not be noticed
        self.connections.discard(self)
        self.front.wait_no_more(self)
        self.server_state.total_requests += 1
        self.parser = None  # type: ignore[assignment] # it refers to us; so does uvicorn, in the end
        return EventSink(self.transport, owner, self.front, self.address)

    def _is_silent(self) -> bool:
        """No request is unanswered, or has begun: what came was empty lines (RFC 9112 §2.2)."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return (cycle is None or cycle.response_complete) and self in self.connections

    def _refuse(self, response: bytes) -> None:
        if self.transport.is_closing():
            return
        # uvicorn's types know no connection without a request.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and cycle is self._answered and cycle.more_body:
            if not cycle.response_started:  # it is this request's own body that cannot be
                self.transport.write(response)
        elif self.pipeline or (cycle is not None and not cycle.response_complete):
            self._refusal = response
            return
        else:
            self.transport.write(response)
        self.transport.close()

    def _get_upgrade(self) -> bytes | None:
        """uvicorn looks at the last `Connection` and the first `Upgrade`; each is one list, over
        all its fields (RFC 9110 §5.3). Only GET opens a WebSocket (RFC 6455 §4.1).

        Behind a request that is not answered yet an upgrade is ignored, as it may be (§7.8): two
        protocols would write to one connection, and one of them would never hear of its end.
        """
        # uvicorn's types know no connection without a request.
        before = cast("RequestResponseCycle | None", self.cycle)
        if before is not None and not before.response_complete:
            return None
        if self.parser.get_http_version() == "1.0" or self.parser.get_method() != b"GET":
            return None
        if b"upgrade" not in self._tokens(b"connection"):
            return None
        wanted = self._tokens(b"upgrade")
        return b"websocket" if b"websocket" in wanted else next(iter(wanted), None)

    def _tokens(self, field: bytes) -> list[bytes]:
        found = b",".join(value for name, value in self.headers if name == field)
        return [token.strip() for token in found.lower().split(b",")]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, _Exchange(self, cycle, app))


class _Exchange:
    """One request and its response, between uvicorn and the application."""

    __slots__ = ("_app", "_bodies", "_cycle", "_detached", "_protocol", "_send")

    def __init__(
        self, protocol: Protocol, cycle: RequestResponseCycle, app: ASGI3Application
    ) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self._app = app
        self._detached = False
        self._bodies: list[bytes] = []
        """The parts of the body that were sent, up to the second."""

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        extensions: dict[str, Any] = {
            ABORT: self._protocol.transport.abort,
            CONNECTION: self._protocol,
        }
        if not self._protocol.pipeline:
            extensions[DETACH] = self.detach
        scope["extensions"] = extensions  # type: ignore[typeddict-unknown-key] # it is no lifespan
        version = self._cycle.scope["http_version"]  # the parser lets 0.9 and 2.0 pass, too
        if version == "1.0":
            self._cycle.chunked_encoding = False
        elif version == "1.1":
            extensions[INTERIM] = Interim(self._cycle)
        self._send = send
        await self._app(scope, receive, self.send)

    async def send(self, message: ASGISendEvent) -> None:
        """Pass a part of the response on. After a detach that is nobody's: middleware around the
        application does not know that the exchange has ended."""
        if self._detached:
            return
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            if len(self._bodies) < 2:
                self._bodies.append(body)
            if self._cycle.scope["http_version"] == "1.0":
                # HTTP/1.0 knows no chunks: the body ends with the connection (RFC 9112 §6.1).
                # uvicorn is told that a length was declared, and that it is what is left.
                self._cycle.expected_content_length = len(body)
        await self._send(message)

    def detach(self, owner: Owner, first: bytes) -> EventSink | None:
        """See `progress.delivery.extensions`."""
        if self._bodies != [first]:  # some middleware has kept it, or changed it
            return None
        sink = self._protocol.detach(self._cycle, owner)
        self._detached = sink is not None
        return sink


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)
