"""One path: its methods, HEAD and OPTIONS, and errors as problems."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from progress.errors import NotFound, NotRunning, RequestError

from .problems import problem_response
from .requests import prefix

__all__ = ["Endpoint", "Resource", "not_found"]

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
        await response(scope, receive, send)

    def _no_endpoint(self, method: str) -> Response:
        headers = {"allow": self._allow}
        if method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        document = {
            "type": "about:blank",  # RFC 9457 §4.2.1: the status says it all
            "title": "Method Not Allowed",
            "status": 405,
            "detail": f"use one of {self._allow}",
        }
        return Response(
            msgspec.json.encode(document),
            status_code=405,
            headers=headers,
            media_type="application/problem+json",
        )


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for a path that is no route."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    error = NotFound(f"no {scope['path']} here; {prefix(scope)}/openapi.json lists what there is")
    await problem_response(error)(scope, receive, send)
