"""Inside a Starlette application with users, who see and cancel only their own operations.

Run it with `progress serve examples.03_embed_starlette:app`, or with any ASGI server, e.g.
`uvicorn examples.03_embed_starlette:app`. Then, as ada:

    curl -X POST localhost:8000/progress/operations -H 'authorization: Bearer ada-secret' \\
        -H 'content-type: application/json' -d '{"kind": "nap", "labels": {"owner": "ada"}}'

A browser's `EventSource` cannot send that header; its cookie `token=ada-secret` does the same.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from progress import Forbidden, Progress, Reporter, Snapshot, Unauthorized

USERS = {"ada-secret": "ada", "bob-secret": "bob"}
"""By token. A real application looks them up and compares them in constant time."""


class Tokens(AuthenticationBackend):
    """Says who is asking."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        scheme, _, token = conn.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = conn.cookies.get("token", "")
        name = USERS.get(token.strip())
        return None if name is None else (AuthCredentials(), SimpleUser(name))


async def authorize(connection: HTTPConnection, action: str, operation: Snapshot | None) -> None:
    """Let users do everything with operations whose label `owner` is their name, and no others."""
    if not connection.user.is_authenticated:
        raise Unauthorized("send Authorization: Bearer and your token")
    name = connection.user.display_name
    if operation is not None and operation.labels.get("owner") != name:
        raise Forbidden(f"label it with your name: owner={name}")


progress = Progress(authorize=authorize)


@progress.operation
async def nap(report: Reporter, seconds: int = 3) -> str:
    """Sleep for a while."""
    for _ in report.track(range(seconds * 10)):
        await anyio.sleep(0.1)
    return "refreshed"


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Whatever else the application needs opens and closes around Progress."""
    async with progress.lifespan():
        yield


# Only pure ASGI middleware, as Starlette's own is: a BaseHTTPMiddleware would hold up streams.
app = Starlette(
    routes=[Mount("/progress", progress)],
    middleware=[Middleware(AuthenticationMiddleware, backend=Tokens())],
    lifespan=lifespan,
)
