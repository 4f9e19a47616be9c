"""What a server may offer beyond ASGI, in `scope["extensions"]`. `progress serve` offers all.

Each value is a function, and not a message type, because some middleware swallows or refuses
messages that it does not know. Without them the same bytes go out through `send`.

`progress.abort` (HTTP): `abort() -> None` closes the connection at once. What the client has not
taken is dropped. Without it a server can only end the response, and waits for the client to take
the rest: one that never reads would hold its connection for ever.

`progress.detach` (HTTP): `detach(owner, first) -> Sink | None` ends the exchange once the head of
a response, and `first` as the beginning of its body, have gone out through `send`, and returns what
writes straight to the connection from then on. The application may return, then; what the client
sends from now on is ignored. It returns None, and has done nothing, where that is not possible:
some middleware has kept or changed `first`, other requests are waiting behind this one, or the
client knows no chunks.

`progress.interim` (HTTP/1.1): `await interim(status, headers)` sends an interim response with a
status of 102 to 199 (RFC 9110 §15.2). It waits while the client takes nothing. It raises
`RuntimeError` before the request's body is complete and after the response has begun, `ValueError`
for a field that cannot be or that frames a message, and `ConnectionResetError` once the client is
gone. A request by HTTP/1.0 has no such extension.

`progress.detach` (WebSocket): `detach(owner) -> TextSink | None`, after `websocket.accept`: the
same, and from then on the owner is given the client's messages.
"""

from __future__ import annotations

from typing import Protocol

from starlette.types import Scope

from progress.hub import Sink

__all__ = ["ABORT", "DETACH", "INTERIM", "Owner", "Receiver", "TextSink", "extension"]

ABORT = "progress.abort"
DETACH = "progress.detach"
INTERIM = "progress.interim"


class Owner(Protocol):
    """Whom a detached connection belongs to. Called on the event loop's thread."""

    def drained(self) -> None:
        """There is room again."""

    def lost(self) -> None:
        """The connection is gone. Called once, and last."""

    def dismiss(self) -> None:
        """The server stops: say goodbye."""


class Receiver(Owner, Protocol):
    """The owner of a WebSocket."""

    def ended(self) -> None:
        """The server closes the connection, because of what the client sent."""

    def received(self, text: str) -> None:
        """A message has come, whole."""


class TextSink(Sink, Protocol):
    """A sink that takes answers, too."""

    def send(self, text: bytes) -> bool:
        """Send one text message; say whether there is room for more."""

    def hold(self) -> None:
        """Read nothing more from the client."""

    def go_on(self) -> None:
        """Read again."""


def extension(scope: Scope, name: str) -> object:
    """The extension of that name, or None."""
    return (scope.get("extensions") or {}).get(name)
