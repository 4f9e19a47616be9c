"""Errors as `application/problem+json` (RFC 9457): the one table that maps them to HTTP."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from starlette.responses import Response

from progress import errors

__all__ = ["STATUS", "ProblemDocument", "method_not_allowed", "problem_response"]

STATUS: dict[type[errors.RequestError | errors.NotRunning], int] = {
    errors.Malformed: 400,
    errors.BadCursor: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.UnknownKind: 404,
    errors.NotFound: 404,
    errors.Ended: 409,
    errors.Expired: 410,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.InvalidParams: 422,
    errors.Busy: 429,
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


def problem_response(error: errors.RequestError | errors.NotRunning) -> Response:
    """Answer with an error."""
    status = STATUS[type(error)]
    document = ProblemDocument(
        type=f"urn:progress:problem:{error.slug}",
        title=error.title,
        status=status,
        detail=error.detail,
        errors=tuple(_FieldProblem(*field) for field in getattr(error, "errors", ())),
    )
    headers: dict[str, str] = {}
    match error:
        case errors.Unauthorized():
            headers["www-authenticate"] = error.challenge
        case errors.Busy():
            headers["retry-after"] = str(error.retry_after)
        case errors.UnsupportedMediaType():
            headers["accept-post"] = "application/json"
        case errors.TooLarge():
            headers["connection"] = "close"  # rather than read what is still to come
        case _:
            pass
    return _respond(document, headers)


def method_not_allowed(allow: str) -> Response:
    """Answer 405; the status says it all (RFC 9457 §4.2.1)."""
    document = ProblemDocument("about:blank", "Method Not Allowed", 405, f"use one of {allow}")
    return _respond(document, {"allow": allow})


def _respond(document: ProblemDocument, headers: dict[str, str]) -> Response:
    return Response(
        msgspec.json.encode(document),
        status_code=document.status,
        headers={"cache-control": "no-store", **headers},
        media_type="application/problem+json",
    )
