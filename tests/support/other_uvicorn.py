"""`progress` with a uvicorn of another day: `python -m tests.support.other_uvicorn CHANGE serve …`.

Each change is one that uvicorn itself goes on working with.
"""

from __future__ import annotations

import sys

from uvicorn import _types
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from progress.cli import main


def nothing() -> None:
    """Be the uvicorn that is installed."""


def a_parameter() -> None:
    """Pass something on that was not there."""
    before = RequestResponseCycle.send

    async def send(self: RequestResponseCycle, message: object, more: object = None) -> None:
        await before(self, message)  # type: ignore[arg-type] # whatever it is

    RequestResponseCycle.send = send  # type: ignore[method-assign] # on purpose


def a_web_socket() -> None:
    """Take more than was ever passed."""
    before = WebSocketsSansIOProtocol.connection_lost
    WebSocketsSansIOProtocol.connection_lost = (  # type: ignore[method-assign] # on purpose
        lambda self, exc, *rest: before(self, exc)
    )


def a_name() -> None:
    """Have a type under another name."""
    del _types.ASGISendEvent


CHANGES = {change.__name__: change for change in (nothing, a_parameter, a_web_socket, a_name)}

if __name__ == "__main__":
    CHANGES[sys.argv.pop(1)]()
    main(prog_name="progress")
