"""WebSocket by hand over plain sockets (RFC 6455): any frame, right or wrong, byte for byte."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from types import TracebackType
from typing import Any, NamedTuple, Self

from .wire import Connection, request

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # §1.3, the RFC's own example
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA  # §5.2
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
MASK = b"\x37\xfa\x21\x3d"  # §5.7

NO_CODE = 1005
"""§7.1.5: the code of a Close frame without one."""

NEVER_SENT = frozenset({1004, NO_CODE, 1006, 1015})
"""§7.4.1: codes that no endpoint may put into a Close frame."""


class Frame(NamedTuple):
    """A frame that a server has sent."""

    opcode: int
    payload: bytes = b""

    @property
    def code(self) -> int:
        """The code of a Close frame."""
        return int.from_bytes(self.payload[:2]) if self.payload else NO_CODE


def frame(
    opcode: int,
    payload: bytes = b"",
    flags: int = FIN,
    *,
    mask: bytes | None = MASK,
    length_bits: int | None = None,
) -> bytes:
    """The bytes of a frame of a client (§5.2); `length_bits` is 7, 16 or 64, else the shortest."""
    size = len(payload)
    head = bytes([flags | opcode])
    bits = length_bits or (7 if size < 126 else 16 if size < 65_536 else 64)
    masked = 0x80 if mask else 0
    head += bytes([masked | {7: size, 16: 126, 64: 127}[bits]])
    if bits > 7:
        head += size.to_bytes(bits // 8)
    return head + (mask + masking(payload, mask) if mask else payload)


def masking(payload: bytes, mask: bytes) -> bytes:
    """The payload, XORed with the mask repeated (§5.3)."""
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(len(payload))


def fragments(payload: bytes, *cuts: int, opcode: int = TEXT) -> list[bytes]:
    """The frames of one message, cut there (§5.4)."""
    pieces = [payload[a:b] for a, b in pairwise([0, *cuts, len(payload)])]
    return [
        frame(CONTINUATION if n else opcode, piece, FIN if n == len(cuts) else 0)
        for n, piece in enumerate(pieces)
    ]


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """The bytes of a Close frame of a client (§5.5.1)."""
    return frame(CLOSE, b"" if code is None else code.to_bytes(2) + reason)


def call(method: str, id: str, **params: object) -> bytes:
    """The payload of a JSON-RPC call."""
    content = {"jsonrpc": "2.0", "method": method, "id": id, "params": params}
    return json.dumps(content, ensure_ascii=False).encode()


def handshake(headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of an opening handshake (§4.1)."""
    return request("/ws", {**HANDSHAKE, **(headers or {})})


class Parser:
    """The frames of a server, from bytes that come in any pieces. It knows no socket.

    It is strict: whatever the RFC forbids a server, and what ours never does, is an AssertionError.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._closed = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the wire; return the frames that are complete by then."""
        self._rest += data
        frames = []
        while (found := self._next()) is not None:
            frames.append(found)
        return frames

    def _next(self) -> Frame | None:
        if len(self._rest) < 2:
            return None
        first, second = self._rest[:2]
        assert not self._closed, "§5.5.1: nothing follows a Close frame"
        assert not first & (RSV1 | RSV2 | RSV3), "§5.2: reserved bits without an extension"
        assert first & FIN, "our server never fragments"
        assert not second & 0x80, "§5.1: a server never masks"
        start = 2 + {126: 2, 127: 8}.get(second, 0)
        if len(self._rest) < start:
            return None
        size = start + self._length(start)
        if len(self._rest) < size:
            return None
        found = Frame(first & 0x0F, self._rest[start:size])
        self._rest = self._rest[size:]
        self._check(found)
        return found

    def _length(self, start: int) -> int:
        if start == 2:
            return self._rest[1]
        length = int.from_bytes(self._rest[2:start])
        assert length >= (126 if start == 4 else 65_536), "§5.2: the shortest form of the length"
        return length

    def _check(self, found: Frame) -> None:
        assert found.opcode in (TEXT, CLOSE, PING, PONG), "our server never sends this opcode"
        if found.opcode == TEXT:
            found.payload.decode()
            return
        assert len(found.payload) <= 125, "§5.5: a control frame is at most 125 bytes"
        if found.opcode == CLOSE:
            self._closed = True
            assert len(found.payload) != 1, "§5.5.1: a code has two bytes"
            assert not found.payload or found.code not in NEVER_SENT, "§7.4.1"
            found.payload[2:].decode()


class WebSocket:
    """A connection whose handshake has been answered with 101."""

    def __init__(
        self,
        port: int,
        opening: bytes | None = None,
        *,
        receive_buffer: int | None = None,
    ) -> None:
        """`receive_buffer` bytes are what the kernel takes for a client that does not read."""
        sent = opening or handshake()
        self._connection = Connection(port, sent, receive_buffer=receive_buffer)
        self.socket = self._connection.socket
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = Parser()
        self._frames: deque[Frame] = deque()
        try:
            self.headers = self._open()
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.socket.close()

    def _open(self) -> Mapping[str, str]:
        response = self._connection.response
        while not response.status:
            data = self.socket.recv(65_536)
            assert data, "the connection ended before the handshake was answered"
            self._frames.extend(self._parser.feed(response.feed(data)))
        assert response.status == 101, response.status
        return response.headers

    def send(self, *pieces: bytes) -> None:
        """Send bytes, each piece in a TCP segment of its own if the kernel lets it."""
        for piece in pieces:
            self.socket.sendall(piece)

    def receive(self) -> Frame | None:
        """The next frame; None once the server has ended the connection.

        Raises:
            TimeoutError: there was none in `wire.TIMEOUT` seconds.
        """
        while not self._frames:
            data = self.socket.recv(65_536)
            if not data:
                return None
            self._frames.extend(self._parser.feed(data))
        return self._frames.popleft()

    def read(self) -> list[Frame]:
        """All frames until the server ends the connection, or resets it."""
        found = []
        try:
            while (next_frame := self.receive()) is not None:
                found.append(next_frame)
        except ConnectionError:  # the reset for what was still on its way to the server
            pass
        return found

    def finish(self) -> list[Frame]:
        """All frames up to the server's Close frame, which is answered; then wait for the end."""
        found = []
        while (next_frame := self.receive()) is not None:
            found.append(next_frame)
            if next_frame.opcode == CLOSE:
                with suppress(ConnectionError):  # who fails a connection need not wait (§7.1.7)
                    self.send(frame(CLOSE, next_frame.payload))
                self.read()
                break
        return found

    def message(self) -> Any:
        """The JSON of the next text frame; pings before it are answered."""
        while (found := self.receive()) is not None:
            if found.opcode == TEXT:
                return json.loads(found.payload)
            assert found.opcode == PING, found
            self.send(frame(PONG, found.payload))
        raise AssertionError("the connection ended")

    def call(self, method: str, **params: object) -> Iterator[Any]:
        """Make a call; yield what comes before its answer, and the answer."""
        self.send(frame(TEXT, call(method, method, **params)))
        while (found := self.message()).get("id") != method:
            yield found
        yield found
