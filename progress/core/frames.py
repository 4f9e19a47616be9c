"""The bytes of one message on each wire. It never knows to whom they go.

JSON is one line (it escapes CR, LF and NUL inside strings, and `encode` refuses them outside), so
no text of a user's can end an SSE line early and forge a field or an event (WHATWG HTML §9.2.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from .cursor import Cursor
from .event import Event, ProgressEvent
from .operation import Snapshot

__all__ = [
    "Bye",
    "ByeReason",
    "Frame",
    "Gap",
    "Joined",
    "Message",
    "Missed",
    "Ping",
    "SnapshotNotice",
    "decode",
    "encode",
    "joined",
    "text_frame",
]

_DATA = b"data: "
_NOTIFY = b'{"jsonrpc":"2.0","method":"event","params":'

ByeReason: TypeAlias = Literal["complete", "drain", "slow", "busy"]
GapReason: TypeAlias = Literal["trimmed", "expired", "epoch", "future"]


class _Notice(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a stream tells its reader about itself or its past; not an event."""


class SnapshotNotice(_Notice, frozen=True, kw_only=True, tag="snapshot"):
    """The whole present state: replaces what the reader holds of that operation."""

    operation: str
    snapshot: Snapshot


class Missed(Struct, frozen=True):
    """How many lossless events were trimmed, at most, by type."""

    state: int = 0
    log: int = 0
    output: int = 0


class Gap(_Notice, frozen=True, kw_only=True, tag="gap"):
    """Lossless events are gone that this reader has not seen."""

    operation: str | None
    """Null where it is more than one, or nobody knows."""
    reason: GapReason
    missed: Missed | None


class Ping(_Notice, frozen=True, kw_only=True, tag="ping"):
    """The bookmark: you have everything up to this cursor."""

    cursor: Cursor


class Bye(_Notice, frozen=True, kw_only=True, tag="bye"):
    """Why the server closes, and whether to come back."""

    reason: ByeReason
    reconnect: bool


Message: TypeAlias = Event | SnapshotNotice | Gap | Ping | Bye


class Frame:
    """One message for the wires: encoded at most once, lazily, and shared by all its readers.

    It keeps one form for each wire that somebody reads it on, and no more: a journal holds
    thousands of them.
    """

    __slots__ = ("_chunk", "_json", "_message", "_sse", "_websocket", "id", "key", "n", "type")

    count: Final = 1
    """Of messages."""

    def __init__(self, message: Message) -> None:
        self.id: Cursor | None = getattr(message, "cursor", None)
        """The SSE id: that of an event or bookmark is its own cursor."""
        self.n: int = self.id.n if self.id else 0
        self.type: str = str(message.__struct_config__.tag)
        self.key: int | str | None = self.n
        """Of the frames of one operation with the same key the latest wins: those of a step."""
        if isinstance(message, ProgressEvent):
            self.key = None if message.step is None else message.step.id
        self._message: Message | None = message
        self._json: bytes | None = None
        self._sse: bytes | None = None
        self._chunk: bytes | None = None
        self._websocket: bytes | None = None

    def numbered(self, id: Cursor) -> Frame:
        """The same message with an SSE id; it is not encoded again."""
        return _Numbered(self, id)

    @property
    def parts(self) -> tuple[Frame]:
        """Itself: what a `Joined` has several of."""
        return (self,)

    @property
    def json(self) -> bytes:
        """The message alone."""
        if self._json is not None:
            return self._json
        if self._message is not None:
            self._json = encode(self._message)
            self._message = None
            return self._json
        if self._websocket is not None:
            return self._websocket[self._websocket.index(_NOTIFY) + len(_NOTIFY) : -1]
        stream, end = (self._sse, -2) if self._sse else (self._chunk or b"", -4)
        return stream[stream.index(_DATA) + len(_DATA) : end]

    @property
    def sse(self) -> bytes:
        """The event as an SSE client reads it; without `id:` where it has none."""
        if self._sse is None:
            id = "" if self.id is None else f"id: {self.id}\n"
            head = f"event: {self.type}\n{id}".encode()
            self._sse = b"".join((head, _DATA, self.json, b"\n\n"))
            self._json = None
        return self._sse

    @property
    def chunk(self) -> bytes:
        """The same as a chunk of an HTTP/1.1 body (RFC 9112 §7.1)."""
        if self._chunk is None:
            kept = self._sse
            sse = self.sse
            self._chunk = b"%x\r\n%b\r\n" % (len(sse), sse)
            self._sse = kept
        return self._chunk

    @property
    def websocket(self) -> bytes:
        """A JSON-RPC 2.0 notification in one text frame of a server (RFC 6455 §5.2)."""
        if self._websocket is None:
            self._websocket = text_frame(b"".join((_NOTIFY, self.json, b"}")))
            self._json = None
        return self._websocket

    @property
    def notification(self) -> bytes:
        """The same without the framing."""
        frame = self.websocket
        return frame[frame.index(_NOTIFY) :]


class _Numbered(Frame):
    __slots__ = ()

    def __init__(self, frame: Frame, id: Cursor) -> None:
        self.id, self.n, self.key, self.type = id, id.n, frame.key, frame.type
        self._message, self._json = None, frame.json
        self._sse = self._chunk = self._websocket = None


class Joined:
    """Several frames that go out together: their bytes are joined at most once on each wire."""

    __slots__ = ("_chunk", "_sse", "_websocket", "count", "parts")

    def __init__(self, parts: Sequence[Frame]) -> None:
        self.parts = parts
        self.count = len(parts)
        self._sse: bytes | None = None
        self._chunk: bytes | None = None
        self._websocket: bytes | None = None

    @property
    def sse(self) -> bytes:
        """The events one after the other."""
        if self._sse is None:
            self._sse = b"".join([part.sse for part in self.parts])
        return self._sse

    @property
    def chunk(self) -> bytes:
        """The chunks one after the other."""
        if self._chunk is None:
            self._chunk = b"".join([part.chunk for part in self.parts])
        return self._chunk

    @property
    def websocket(self) -> bytes:
        """The text frames one after the other."""
        if self._websocket is None:
            self._websocket = b"".join([part.websocket for part in self.parts])
        return self._websocket


def joined(frames: Sequence[Frame]) -> Frame | Joined:
    """Put frames together, at least one."""
    return frames[0] if len(frames) == 1 else Joined(frames)


def text_frame(payload: bytes) -> bytes:
    """One unfragmented, unmasked text frame: what a server sends (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size < 65_536:
        return b"".join((b"\x81\x7e", size.to_bytes(2), payload))
    return b"".join((b"\x81\x7f", size.to_bytes(8), payload))


def encode(value: object) -> bytes:
    """Write one line of compact JSON.

    Raises:
        ValueError: a CR, LF or NUL stands outside a string, as only raw JSON can have it.
    """
    data = _encoder.encode(value)
    if b"\n" in data or b"\r" in data or b"\0" in data:
        raise ValueError("raw JSON has to be compact: it must not contain a line break")
    return data


def decode(data: bytes) -> Message:
    """Read what `encode` wrote of a message, as a client does."""
    return _decoder.decode(data)


def _cursor_to_text(value: object) -> str:
    if isinstance(value, Cursor):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form here")


def _cursor_from_text(type: type, value: object) -> object:
    if type is Cursor and isinstance(value, str):
        return Cursor.parse(value)
    raise NotImplementedError(type)


_encoder = msgspec.json.Encoder(enc_hook=_cursor_to_text)
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message, dec_hook=_cursor_from_text)
