"""Errors as `application/problem+json` (RFC 9457): the one table that maps them to HTTP."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from progress import errors

__all__ = [
    "STATUS",
    "ProblemDocument",
    "deny",
    "method_not_allowed",
    "problem",
    "problem_response",
    "upgrade_required",
]

STATUS: dict[type[errors.RequestError | errors.NotRunning], int] = {
    errors.Malformed: 400,
    errors.BadCursor: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.UnknownKind: 404,
    errors.NotFound: 404,
    errors.Ended: 409,
    errors.Conflict: 409,
    errors.Expired: 410,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.InvalidParams: 422,
    errors.KeyReused: 422,
    errors.Busy: 429,
    errors.Crowded: 503,
    errors.Draining: 503,
    errors.NotRunning: 500,
}


class _FieldProblem(Struct, frozen=True):
    pointer: str
    detail: str


class ProblemDocument(Struct, frozen=True, omit_defaults=True):
    """The body of an answer that is an error."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[_FieldProblem, ...] = ()
    line: int | None = None
    """Of a report: the line, from 1, that was not taken; those after it were not looked at."""
    taken: int | None = None
    """Of a report: the lines that stand."""


def problem(error: errors.RequestError | errors.NotRunning) -> ProblemDocument:
    """An error as it is sent."""
    return ProblemDocument(
        type=f"urn:progress:problem:{error.slug}",
        title=error.title,
        status=STATUS[type(error)],
        detail=error.detail,
        errors=tuple(_FieldProblem(*field) for field in getattr(error, "errors", ())),
    )


def problem_response(
    error: errors.RequestError | errors.NotRunning,
    *,
    line: int | None = None,
    taken: int | None = None,
    close: bool = False,
) -> Response:
    """Answer with an error; `close` the connection rather than read what is still to come."""
    document = replace(problem(error), line=line, taken=taken)
    headers = {"connection": "close"} if close else {}
    match error:
        case errors.Unauthorized():
            headers["www-authenticate"] = error.challenge
        case errors.Busy():
            headers["retry-after"] = str(error.retry_after)
        case errors.UnsupportedMediaType():
            headers["accept-post"] = error.accepted
        case errors.TooLarge():
            headers["connection"] = "close"  # rather than read what is still to come
        case _:
            pass
    return _respond(document, headers)


def method_not_allowed(allow: str) -> Response:
    """Answer 405; the status says it all (RFC 9457 §4.2.1)."""
    document = ProblemDocument("about:blank", "Method Not Allowed", 405, f"use one of {allow}")
    return _respond(document, {"allow": allow})


async def deny(
    error: errors.RequestError | errors.NotRunning, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer a request, or the opening handshake of a WebSocket, with an error."""
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008})  # which is a 403
            return
    await problem_response(error)(scope, receive, send)


def upgrade_required() -> Response:
    """Answer 426: this path speaks another protocol (RFC 9110 §15.5.22)."""
    detail = "open a WebSocket here (RFC 6455)"
    document = ProblemDocument("about:blank", "Upgrade Required", 426, detail)
    return _respond(document, {"upgrade": "websocket", "connection": "upgrade"})


def _respond(document: ProblemDocument, headers: dict[str, str]) -> Response:
    return Response(
        msgspec.json.encode(document),
        status_code=document.status,
        headers={"cache-control": "no-store", **headers},
        media_type="application/problem+json",
    )
