"""`tests.support.inspect_app` behind middleware of all sorts, each under a path of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .inspect_app import app as progress

COMMENT = b": changed\n\n"


class Changing:
    """Puts a comment before each part of a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass all else on."""

        async def change(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = COMMENT + message.get("body", b"")
            await send(message)

        await self._app(scope, receive, change)


class Delaying:
    """Sends each message of a response when the next one comes, and the last at its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass all else on."""
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        kept: list[Message] = []

        async def delay(message: Message) -> None:
            kept.append(message)
            while len(kept) > message.get("more_body", True):
                await send(kept.pop(0))

        await self._app(scope, receive, delay)


class Wrapping:
    """Gives the application other callables, which do the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it all on."""

        async def receive_on() -> Message:
            return await receive()

        async def send_on(message: Message) -> None:
            await send({**message})

        await self._app({**scope}, receive_on, send_on)


async def _dispatch(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    return await call_next(request)


LAYERS: dict[str, ASGIApp] = {
    "mounted": progress,
    "cors": CORSMiddleware(progress, allow_origins=["*"]),
    "wrapping": Wrapping(progress),
    "gzip": GZipMiddleware(progress, minimum_size=1),
    "base": BaseHTTPMiddleware(progress, _dispatch),
    "changing": Changing(progress),
    "delaying": Delaying(progress),
}

app = Starlette(
    routes=[
        *(Mount(f"/{name}", layer) for name, layer in LAYERS.items()),
        Mount("/", progress),
    ],
    lifespan=progress.lifespan,
)
