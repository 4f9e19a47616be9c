"""The bytes of one message on each wire. It never knows to whom they go.

JSON is one line (it escapes CR, LF and NUL inside strings, and `encode` refuses them outside), so
no text of a user's can end an SSE line early and forge a field or an event (WHATWG HTML §9.2.6).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from .cursor import Cursor
from .event import Event
from .operation import Snapshot

__all__ = ["Bye", "Frame", "Gap", "Message", "Missed", "Ping", "SnapshotNotice", "decode", "encode"]

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
    """One message for the wires: encoded at most once, lazily, and shared by all its readers."""

    __slots__ = ("_message", "_sse", "id", "n", "type")

    def __init__(self, message: Message, id: Cursor | None = None) -> None:
        """`id` is the SSE id: that of an event or bookmark is its own cursor."""
        own = getattr(message, "cursor", None)
        self.id: Cursor | None = own if id is None else id
        self.n: int = self.id.n if self.id else 0
        self.type: str = str(message.__struct_config__.tag)
        self._message: Message | None = message
        self._sse: bytes | None = None

    @property
    def sse(self) -> bytes:
        """The event as an SSE client reads it; without `id:` where it has none."""
        if self._sse is None:
            data = encode(self._message)
            head = f"event: {self.type}\n"
            if self.id is not None:
                head += f"id: {self.id}\n"
            self._sse = b"".join((head.encode(), b"data: ", data, b"\n\n"))
            self._message = None  # a journal keeps thousands: one form is enough
        return self._sse


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
