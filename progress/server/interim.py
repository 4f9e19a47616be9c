"""Interim responses on HTTP/1.1 (RFC 9110 §15.2): what `progress.interim` does under uvicorn."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

__all__ = ["Interim"]

_STATUSES = range(102, 200)
"""100 is the server's own (RFC 9110 §10.1.1), and 101 ends HTTP on the connection (§15.2.2)."""

_PHRASES = {status.value: status.phrase for status in HTTPStatus}

_FRAMING = frozenset(
    b"connection content-length keep-alive proxy-connection te trailer transfer-encoding"
    b" upgrade".split()
)
"""Fields that frame a message or are of the connection: an interim has neither body nor say there.
`Connection: close` in one makes some clients close."""

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.1
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")  # §5.5


class Interim:
    """Sends interim responses to one request, which is the one that is being answered."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    async def __call__(self, status: int, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """See `progress.delivery.extensions`."""
        response = _serialized(status, headers)
        cycle = self._cycle
        if cycle.more_body:
            raise RuntimeError("an interim comes once the request's body is complete")
        if not cycle.disconnected and cycle.flow.write_paused:
            await cycle.flow.drain()
        if cycle.response_started:
            raise RuntimeError("an interim comes before the response")
        if cycle.disconnected or cycle.transport.is_closing():
            raise ConnectionResetError("the client is gone")
        cycle.transport.write(response)


def _serialized(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    if status not in _STATUSES:
        raise ValueError(f"an interim has a status from 102 to 199, not {status}")
    # The space stays where there is no phrase (RFC 9112 §4).
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode()]
    for name, value in headers:
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise ValueError(f"this cannot be a header field: {name!r}: {value!r}")
        if name.lower() in _FRAMING:
            raise ValueError(f"{name.decode()} cannot stand in an interim response")
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join([*lines, b"\r\n"])
