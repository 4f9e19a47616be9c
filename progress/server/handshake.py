"""The opening handshake of a WebSocket, over a head that has been parsed (RFC 6455 §4.2).

`websockets` has one for a head that it parses itself: to write it down again for that takes three
times as long as all of this.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from typing import TypeAlias

from websockets.utils import accept_key

from .refusals import refusal

__all__ = ["Fields", "accepted", "refused", "subprotocols"]

Fields: TypeAlias = Iterable[tuple[bytes, bytes]]
"""Names in lower case, and values."""

_NO_KEY = refusal(400, "send one Sec-WebSocket-Key: 16 random bytes in base64 (RFC 6455 §4.1)")
_OTHER_VERSION = refusal(  # §4.4
    426,
    "send Sec-WebSocket-Version: 13 (RFC 6455 §4.1)",
    b"sec-websocket-version: 13",
    b"upgrade: websocket",
    b"connection: upgrade",
)
_ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-accept: %b\r\n%b\r\n"
)

_KEY_BYTES = 16


def refused(fields: Fields) -> bytes | None:
    """The response to a client that cannot have a WebSocket, whatever the application says.

    That it asks for one, with GET, `Upgrade` and `Connection`, has been seen already.
    """
    if _values(fields, b"sec-websocket-version") != [b"13"]:
        return _OTHER_VERSION
    keys = _values(fields, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        return _NO_KEY
    return None


def accepted(fields: Fields, subprotocol: str | None, more: Fields) -> bytes:
    """The response that opens it, with more fields (§4.2.2)."""
    (key,) = _values(fields, b"sec-websocket-key")
    lines = [b"%b: %b\r\n" % field for field in more]
    if subprotocol:
        lines.append(b"sec-websocket-protocol: %b\r\n" % subprotocol.encode("ascii"))
    return _ACCEPTED % (accept_key(key.decode("ascii")).encode("ascii"), b"".join(lines))


def subprotocols(fields: Fields) -> list[str]:
    """What the client offers, the best first (§11.3.4)."""
    found = b",".join(_values(fields, b"sec-websocket-protocol")).decode("latin-1")
    return [name for part in found.split(",") if (name := part.strip())]


def _values(fields: Fields, name: bytes) -> list[bytes]:
    return [value.strip(b" \t") for key, value in fields if key == name]


def _is_key(value: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(value, strict_mode=True)) == _KEY_BYTES
    except binascii.Error:
        return False
