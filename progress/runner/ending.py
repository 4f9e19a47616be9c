"""How an operation ends: its terminal state, with the result or the problem."""

from __future__ import annotations

import logging
import traceback
from typing import NamedTuple

from msgspec import Raw

from progress.core.event import Problem, State
from progress.errors import Failure

from . import codec
from .operation import Operation

__all__ = ["Ending", "failed", "problem", "stopped", "succeeded"]

_logger = logging.getLogger("progress")

_TITLES = {
    "exception": "The operation raised an exception",
    "timeout": "The operation took too long",
    "stalled": "The operation stalled",
    "shutdown": "The server stopped",
}


class Ending(NamedTuple):
    """The terminal event to come."""

    state: State
    result: Raw | None = None
    error: Problem | None = None


def succeeded(operation: Operation, result: object) -> Ending:
    """It returned.

    Raises:
        Failure: the result is over the bound (`too-large`).
        TypeError: it has no JSON form.
    """
    raw = codec.to_raw(result)
    limit = operation.settings.limits.event
    if len(bytes(raw)) > limit:
        raise Failure("too-large", f"a result has at most {limit} bytes; save it, return a URL")
    return Ending(State.SUCCEEDED, raw)


def failed(operation: Operation, error: BaseException) -> Ending:
    """It raised. After a timeout, a stall or a shutdown that is why it failed."""
    if operation.stopping and operation.stopping != "cancelled":
        return stopped(operation)
    limit = operation.settings.limits.log
    trace = "".join(traceback.format_exception(error)) if operation.settings.debug else None
    if isinstance(error, Failure):
        detail = codec.clip(error.detail, limit)
        return Ending(State.FAILED, error=problem(error.type, detail, error.title, trace))
    _logger.error("operation %s (%s) failed", operation.id, operation.kind.name, exc_info=error)
    detail = codec.clip(f"{type(error).__name__}: {error}", limit)
    return Ending(State.FAILED, error=problem("exception", detail, None, trace))


def stopped(operation: Operation) -> Ending:
    """It was told to stop, and did, or was left behind."""
    bounds = operation.kind.bounds
    match operation.stopping:
        case "timeout":
            error = problem("timeout", f"it did not end within {bounds.timeout:g} s")
        case "stalled":
            error = problem("stalled", f"it reported nothing for {bounds.stall:g} s")
        case "shutdown":
            error = problem("shutdown", "the server stopped")
        case _:
            return Ending(State.CANCELLED)
    return Ending(State.FAILED, error=error)


def problem(type: str, detail: str, title: str | None = None, trace: str | None = None) -> Problem:
    """A problem object; a slug becomes a URN, a URI stays as it is."""
    return Problem(
        type=type if ":" in type else f"urn:progress:problem:{type}",
        title=title or _TITLES.get(type, type),
        detail=detail,
        traceback=trace,
    )
