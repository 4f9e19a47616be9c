"""One server, two paths: what is below /portable is told of no extension."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from .inspect_app import app as progress

_PREFIX = "/portable"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Pass everything on."""
    if scope["type"] != "lifespan" and scope["path"].startswith(_PREFIX):
        scope = {**scope, "path": scope["path"].removeprefix(_PREFIX), "extensions": {}}
    await progress(scope, receive, send)
