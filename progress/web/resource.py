"""One path: its methods, HEAD and OPTIONS, and errors as problems."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from progress.core.frames import encode
from progress.core.operation import Snapshot
from progress.delivery.interim import Ratio
from progress.delivery.polling import retry_after
from progress.errors import NotFound, NotRunning, RequestError

from .problems import deny, method_not_allowed, problem_response
from .requests import prefix

__all__ = [
    "Endpoint",
    "Resource",
    "json_response",
    "not_found",
    "operation_headers",
    "operation_json",
]

_logger = logging.getLogger("progress")

Endpoint: TypeAlias = Callable[[Request], Awaitable[ASGIApp]]


class Resource:
    """An ASGI application that calls the endpoint of the request's method."""

    def __init__(self, **endpoints: Endpoint) -> None:
        self._endpoints = endpoints
        head = {"HEAD"} if "GET" in endpoints else set()
        self._allow = ", ".join(sorted({*endpoints, *head, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Whoever has left before the request was complete gets nothing."""
        request = Request(scope, receive)
        method = "GET" if request.method == "HEAD" else request.method
        try:
            if method in self._endpoints:
                response = await self._endpoints[method](request)
            else:
                response = self._no_endpoint(method)
        except RequestError as error:
            response = problem_response(error)
        except NotRunning as error:
            _logger.error("%s", error.detail)
            response = problem_response(error)
        except ClientDisconnect:
            return
        if isinstance(response, Response):
            response.headers["x-content-type-options"] = "nosniff"
        await response(scope, receive, send)

    def _no_endpoint(self, method: str) -> Response:
        if method == "OPTIONS":
            return Response(status_code=204, headers={"allow": self._allow})
        return method_not_allowed(self._allow)


def json_response(value: object, status: int = 200) -> Response:
    """Answer with JSON that nobody is to keep."""
    headers = {"cache-control": "no-store"}
    return Response(encode(value), status, headers=headers, media_type="application/json")


def operation_json(prefix: str, snapshot: Snapshot) -> bytes:
    """The snapshot with `links`, which depend on where the application is mounted."""
    own = f"{prefix}/operations/{snapshot.id}"
    links = {
        "self": own,
        "events": f"{own}/events?after={snapshot.cursor}",
        "cancel": f"{own}/cancel",
    }
    return b'%b,"links":%b}' % (encode(snapshot)[:-1], encode(links))


def operation_headers(prefix: str, snapshot: Snapshot) -> dict[str, str]:
    """The fields that go with an operation's state: how far it is, and where to look next."""
    own = f"{prefix}/operations/{snapshot.id}"
    headers = {
        "etag": f'"{snapshot.cursor}"',
        "cache-control": "private, no-cache",
        "vary": "Prefer",
        "progress": Ratio().of(snapshot).decode("ascii"),
        # RFC 8631 §3; the others are relations of ours (RFC 8288 §2.1.2).
        "link": f'<{own}>; rel="status", <{own}/events>; rel="urn:progress:rel:events",'
        f' <{own}/cancel>; rel="urn:progress:rel:cancel"',
    }
    if not snapshot.ended:
        headers["retry-after"] = str(retry_after(snapshot))
    return headers


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for a path that is no route."""
    error = NotFound(f"no {scope['path']} here; {prefix(scope)}/openapi.json lists what there is")
    await deny(error, scope, receive, send)
