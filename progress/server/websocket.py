"""uvicorn's WebSocket protocol up to the handshake; from then on one of our own on the transport.

Both read frames with `websockets`' sans-I/O protocol.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import cast
from urllib.parse import unquote

from uvicorn._types import ASGISendEvent, WebSocketAcceptEvent, WebSocketScope
from uvicorn.config import Config
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WireFrame
from websockets.protocol import Protocol as WireProtocol
from websockets.protocol import State
from websockets.typing import BytesLike

from progress.core.frames import Frame, Joined, text_frame
from progress.core.wires import WEBSOCKET
from progress.delivery.extensions import DETACH, Receiver
from progress.delivery.rate import Rate
from progress.delivery.websocket import CLOSE_CODES
from progress.hub import CloseReason

from .detached import Detached
from .front import CONNECTION, Front
from .handshake import accepted, refused, subprotocols

__all__ = ["SocketProtocol", "SocketSink"]

_INVALID_TEXT = 1007

_SLICE = 1_024
"""Bytes parsed at a time: a flood of tiny frames is to be noticed before it is parsed."""

_DISCARDED = 262_144
"""Bytes read after our Close before the connection is aborted: somebody does not listen."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """Makes the handshake, and lets go of the connection afterwards."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # No compression: it would spoil the frames that all subscribers share.
        config.ws_per_message_deflate = False
        super().__init__(config, server_state, app_state, _loop)
        self.front = Front.of(server_state)
        self.address = ""
        self.is_too_many = False
        self.scope: WebSocketScope
        self.conn.max_message_size = self.conn.max_fragment_size = self.front.limits.message

    def open(self, target: bytes, fields: list[tuple[bytes, bytes]]) -> None:
        """Begin with a request whose head has been parsed; its task starts in the next turn."""
        self.conn.parser = WireProtocol.parse(self.conn)  # what follows the request: frames
        next(self.conn.parser)
        if (response := refused(fields)) is not None:
            self.handshake_complete = self.close_sent = True
            self.transport.write(response)
            self.transport.close()
            return
        path, _, query = target.partition(b"?")
        extensions = {"websocket.http.response": {}, DETACH: self.detach, CONNECTION: self}
        self.scope = {
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": self.scheme,
            "server": self.server,
            "client": self.client,
            "root_path": self.root_path,
            "path": self.root_path + unquote(path.decode("latin-1")),
            "raw_path": self.root_path.encode() + path,
            "query_string": query,
            "headers": fields,
            "subprotocols": subprotocols(fields),
            "state": self.app_state.copy(),
            "extensions": cast("dict[str, dict[object, object]]", extensions),
        }
        self.handshake_initiated = True
        self.queue.put_nowait({"type": "websocket.connect"})
        task = self.loop.create_task(self.run_asgi())
        task.add_done_callback(self.on_task_complete)
        self.tasks.add(task)

    def data_received(self, data: bytes) -> None:
        """Frames have come; between its handshake and the answer a client sends none (§4.1)."""
        if self.handshake_initiated and not self.handshake_complete:
            self.transport.abort()
        else:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left before the connection was detached."""
        self.front.leave(self.address)
        super().connection_lost(exc)

    def time_out(self) -> None:
        """Its head was complete before it came here."""

    def let_go(self) -> None:
        """A handshake that is denied is the last request in any case."""

    async def send(self, message: ASGISendEvent) -> None:
        """Pass something on to the client. A handshake that was denied is complete, too."""
        if message["type"] == "websocket.accept" and self._is_to_be_accepted():
            self._accept(message)
            return
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = self.handshake_complete or self.close_sent

    def _is_to_be_accepted(self) -> bool:
        """Nothing has been answered, and the head has come by `open`: not from uvicorn's HTTP."""
        is_answered = self.handshake_complete or self.initial_response is not None
        is_over = self.disconnected or self.transport.is_closing()
        return CONNECTION in self.scope["extensions"] and not (is_answered or is_over)

    def _accept(self, message: WebSocketAcceptEvent) -> None:
        if self.logger.isEnabledFor(logging.INFO):
            who, what = get_client_addr(self.scope), get_path_with_query_string(self.scope)
            self.logger.info('%s - "WebSocket %s" [accepted]', who, what)
        more = [*self.default_headers, *message.get("headers", ())]
        fields = self.scope["headers"]
        self.transport.write(accepted(fields, message.get("subprotocol"), more))
        self.conn.state = State.OPEN
        self.handshake_complete = True
        self.start_keepalive()

    def detach(self, owner: Receiver) -> SocketSink | None:
        """See `progress.delivery.extensions`."""
        transport = self.transport
        if (
            not self.handshake_complete
            or self.close_sent
            or transport.is_closing()
            or not self.queue.empty()  # messages have come before anybody asked for them
            or not self.writable.is_set()
        ):
            return None
        self.stop_keepalive()
        # It is counted in `SocketSink`: the library counts pings as part of it.
        self.conn.max_message_size = None
        self.connections.discard(self)
        self.disconnected = self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1005})
        self.transport = cast("asyncio.Transport", _Gone())
        return SocketSink(transport, owner, self.front, self.address, self.conn)


class _Gone:
    """What uvicorn closes in the end, although the connection is not its own any more."""

    def close(self) -> None:
        """Nothing is here to be closed."""


class SocketSink(Detached):
    """A WebSocket that was opened. Its client is heard, within bounds."""

    __slots__ = ("_closing", "_discarded", "_held", "_message", "_rate", "_receiver", "_wire")
    wire = WEBSOCKET

    def __init__(
        self,
        transport: asyncio.Transport,
        owner: Receiver,
        front: Front,
        address: str,
        wire: WireProtocol,
    ) -> None:
        super().__init__(transport, owner, front, address)
        self._receiver = owner
        self._wire = wire
        self._rate = Rate()
        self._message = bytearray()
        """The fragments of a message so far. They are joined: each alone takes 140 bytes."""
        self._held = False
        self._closing = False
        """Our Close was sent, and nothing else will be."""
        self._discarded = 0
        """Bytes that have come since."""

    def write(self, frame: Frame | Joined) -> bool:
        """Hand a frame to the transport; say whether there is room for a next one."""
        self.transport.write(frame.websocket)
        return self.has_room

    def send(self, text: bytes) -> bool:
        """The same for one text message."""
        self.transport.write(text_frame(text))
        return self.has_room

    def close(self, reason: CloseReason) -> None:
        """Begin the closing handshake (RFC 6455 §7.1.2)."""
        self._fail(CLOSE_CODES[reason], reason)

    def hold(self) -> None:
        """Read nothing more from the client."""
        self._held = True
        self._read_or_not()

    def go_on(self) -> None:
        """Read again."""
        self._held = False
        self._read_or_not()

    def pause_writing(self) -> None:
        """The transport's buffer is full. Who does not read is not read: pings want pongs."""
        super().pause_writing()
        self._read_or_not()

    def resume_writing(self) -> None:
        """It has drained."""
        super().resume_writing()
        self._read_or_not()

    def data_received(self, data: bytes) -> None:
        """Frames have come, or parts of them."""
        for start in range(0, len(data), _SLICE):
            piece = data[start : start + _SLICE]
            if self._closing:
                self._discard(piece)
            else:
                self._parse(piece)

    def _discard(self, data: bytes) -> None:
        """Look for the client's Close, and for nothing else."""
        self._discarded += len(data)
        self._wire.receive_data(data)
        self._wire.events_received()
        self._wire.data_to_send()
        if self._wire.close_rcvd is not None:  # both sides have said it (§7.1.1)
            self.transport.close()
        elif self._discarded > _DISCARDED:
            self.abort()

    def _parse(self, data: bytes) -> None:
        self._wire.receive_data(data)
        # The pongs in order, and a Close last if the library says one.
        replies = iter(self._wire.data_to_send())
        now = time.monotonic()
        for event in self._wire.events_received():
            frame = cast("WireFrame", event)
            if not self._rate.allows(now, self.front.limits.messages):
                self._fail(CLOSE_CODES["rate"], "rate")
            elif frame.opcode is Opcode.PING:
                self.transport.write(next(replies))
            else:
                self._take(frame)
            if self._closing:
                return
        for reply in replies:
            self.transport.write(reply)
        if self._wire.close_rcvd is not None:  # both sides have said it (§7.1.1)
            self._closing = True
            self._receiver.ended()
            self.transport.close()
        elif self._wire.state is not State.OPEN:
            self._end()

    def _take(self, frame: WireFrame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._fail(CLOSE_CODES["binary"], "binary")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            if not frame.fin or self._message:
                self._message += frame.data
            if len(self._message) > self.front.limits.message:
                self._fail(CLOSE_CODES["oversize"], "oversize")
            elif frame.fin:
                data, self._message = self._message or frame.data, bytearray()
                self._receive(data)

    def _receive(self, data: BytesLike) -> None:
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError:
            self._fail(_INVALID_TEXT, "this is not UTF-8")
        else:
            self._receiver.received(text)

    def _fail(self, code: int, reason: str) -> None:
        if not self._closing:
            payload = Close(code, reason).serialize()
            self.transport.write(WireFrame(Opcode.CLOSE, payload).serialize(mask=False))
            self._end()

    def _end(self) -> None:
        """Wait for the client to close. To close at once would reset the connection if it is
        still sending, and our Close could be lost with that."""
        self._closing = True
        self._receiver.ended()
        if self.transport.can_write_eof():
            self._read_or_not()
            self.transport.write_eof()
        else:
            self.transport.close()

    def _read_or_not(self) -> None:
        wanted = self._closing or (self.has_room and not self._held)
        if self.transport.is_closing() or wanted == self.transport.is_reading():
            return
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()
