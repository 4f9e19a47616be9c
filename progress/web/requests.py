"""Reading requests: bodies, cursors, filters. Whatever is wrong is said with its place."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import quote

import anyio
from anyio import CancelScope
from msgspec import Raw, Struct, field
from starlette.requests import Request
from starlette.types import Scope

from progress.core.cursor import Cursor
from progress.core.event import TYPES
from progress.core.filter import EVERYTHING, Filter
from progress.delivery.webhooks import Webhook
from progress.errors import (
    BadCursor,
    FieldError,
    InvalidParams,
    Malformed,
    TooLarge,
    UnsupportedMediaType,
)
from progress.settings import Limits

__all__ = [
    "StartRequest",
    "accepts_gzip",
    "body",
    "choices",
    "labels",
    "media_type",
    "none_match",
    "number",
    "place",
    "prefix",
    "stream_cursor",
    "stream_filter",
    "unless_gone",
]


_WEIGHT = re.compile(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", re.IGNORECASE)
"""RFC 9110 §12.4.2."""


class StartRequest(Struct, forbid_unknown_fields=True):
    """The body of `POST /operations`."""

    kind: str
    params: Raw = field(default_factory=lambda: Raw(b"{}"))
    labels: dict[str, str] = {}
    webhook: Webhook | None = None


async def body(request: Request, limits: Limits) -> bytes:
    """Read a JSON body, all of it.

    Raises:
        UnsupportedMediaType: a form or an image tag can send other types without being asked.
        TooLarge: as soon as that is known, not after the last byte.
        Malformed: it was lost, as uvicorn does with what follows `Upgrade: h2c`.
        starlette.requests.ClientDisconnect: it never came to its end.
    """
    if media_type(request) != "application/json":
        raise UnsupportedMediaType
    too_large = TooLarge(f"a request body has at most {limits.body} bytes")
    declared = request.headers.get("content-length", "0")
    if len(declared) > 18 or (declared.isdecimal() and int(declared) > limits.body):
        raise too_large
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > limits.body:
            raise too_large
    if not received and _announces_a_body(request):
        raise Malformed("the request's body was lost: send it without the header Upgrade")
    return bytes(received)


def media_type(request: Request) -> str:
    """What the body is said to be, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _announces_a_body(request: Request) -> bool:
    headers = request.headers
    if "transfer-encoding" in headers:  # which may be empty, unless it is lost
        return "upgrade" in headers
    return headers.get("content-length", "").strip("0") != ""


async def unless_gone(request: Request, wait: Callable[[], Awaitable[None]]) -> None:
    """Wait, but no longer than the client stays. The body has to be read by then."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch, request, tasks.cancel_scope)
        await wait()
        tasks.cancel_scope.cancel()


async def _watch(request: Request, scope: CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def prefix(scope: Scope) -> str:
    """The path that the application is mounted under, as it stands in a link."""
    path = scope.get("root_path", "").strip("/")
    return "/" + quote(path, safe="/:@!$&'()*+,;=~") if path else ""


def none_match(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` names that entity tag; the comparison is weak (RFC 9110 §13.1.2)."""
    fields = ",".join(request.headers.getlist("if-none-match"))
    tags = [field.strip().removeprefix("W/") for field in fields.split(",")]
    return "*" in tags or tag in tags


def accepts_gzip(request: Request) -> bool:
    """Whether the client would rather have an answer compressed (RFC 9110 §12.5.3)."""
    weights: dict[str, float] = {}
    for item in ",".join(request.headers.getlist("accept-encoding")).split(","):
        coding, _, weight = item.partition(";")
        found = _WEIGHT.fullmatch(weight or "q=1")
        weights[coding.strip().lower()] = float(found[1]) if found else 0.0
    asked = weights.get("gzip", weights.get("*", 0.0))
    return asked > 0 and asked >= weights.get("identity", 0.0)


def stream_cursor(request: Request) -> tuple[Cursor | None, bool]:
    """Where a stream goes on, and whether `Last-Event-ID` says so.

    The header wins: an `EventSource` opened with `?after=` sends both when it reconnects.

    Raises:
        BadCursor: it is none.
    """
    last = request.headers.get("last-event-id")
    if last:
        return Cursor.parse(last), True
    after = request.query_params.get("after")
    return (None if after is None else Cursor.parse(after)), False


def stream_filter(request: Request) -> Filter:
    """The filter of a stream, from its query.

    Raises:
        InvalidParams: a type or label that cannot be.
    """
    if not request.scope["query_string"]:
        return EVERYTHING
    query = request.query_params
    if not {"operation", "kind", "label", "types"}.intersection(query):
        return EVERYTHING
    types = choices(request, "types", TYPES)
    return Filter(
        operations=frozenset(query.getlist("operation")),
        kinds=frozenset(query.getlist("kind")),
        labels=labels(request),
        types=types or frozenset(TYPES),
    )


def choices(request: Request, name: str, allowed: Iterable[str]) -> frozenset[str]:
    """All values of one name in the query, each one of `allowed`; none is no choice at all.

    Raises:
        InvalidParams: another value; the message lists the allowed ones.
    """
    chosen = frozenset(request.query_params.getlist(name))
    if not chosen <= frozenset(allowed):
        raise _query_error(name, f"it has to be one of {', '.join(allowed)}; repeat it for more")
    return chosen


def labels(request: Request) -> frozenset[tuple[str, str]]:
    """All `label=name:value` of the query; names have no colon there.

    Raises:
        InvalidParams: one without a colon.
    """
    pairs = [label.partition(":") for label in request.query_params.getlist("label")]
    if any(not colon for _, colon, _ in pairs):
        raise _query_error("label", "write label=name:value")
    return frozenset((name, value) for name, _, value in pairs)


def place(request: Request, name: str) -> Cursor | None:
    """A cursor in the query that is not one of a stream.

    Raises:
        InvalidParams: it is none.
    """
    text = request.query_params.get(name)
    try:
        return None if text is None else Cursor.parse(text)
    except BadCursor as error:
        raise _query_error(name, "follow the `next` of a page") from error


def number(request: Request, name: str, default: int, most: int) -> int:
    """A whole number from 1 to `most` of the query.

    Raises:
        InvalidParams: anything else.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise _query_error(name, f"it has to be a whole number from 1 to {most}")
    return int(text)


def _query_error(name: str, detail: str) -> InvalidParams:
    return InvalidParams(
        "the query does not fit; `errors` says where", (FieldError(f"?{name}", detail),)
    )
