"""How an operation ends: its terminal state, with the result or the problem."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from msgspec import Raw

from progress.core.event import Problem, State
from progress.errors import Cancelled, Failure

from . import codec
from .operation import Operation

__all__ = [
    "Ending",
    "described",
    "failed",
    "is_cancelled",
    "problem",
    "stopped",
    "succeeded",
    "survive",
]

_logger = logging.getLogger("progress")

_TITLES = {
    "exception": "The operation raised an exception",
    "timeout": "The operation took too long",
    "stalled": "The operation stalled",
    "shutdown": "The server stopped",
}


_TEXT_BYTES = 8_192
"""Of each text of a problem, which every snapshot carries."""


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
    most = operation.settings.limits.event
    return Ending(State.SUCCEEDED, codec.to_raw_within(result, most, "a result"))


def failed(operation: Operation, error: BaseException) -> Ending:
    """It raised. After a timeout, a stall or a shutdown that is why it failed.

    Raises:
        KeyboardInterrupt: that is not the operation's.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error
    gave_up = is_cancelled(error)
    if gave_up or (operation.stopping and operation.stopping != "cancelled"):
        return stopped(operation)
    trace = "".join(traceback.format_exception(error)) if operation.settings.debug else None
    if _failure(error) is None:
        _logger.error("operation %s (%s) failed", operation.id, operation.kind.name, exc_info=error)
    return Ending(State.FAILED, error=described(error, trace))


def described(error: BaseException, trace: str | None = None) -> Problem:
    """An exception as a problem: of the author's own type, or `exception`."""
    if (failure := _failure(error)) is not None:
        return problem(failure.type, failure.detail, failure.title, trace)
    summary = traceback.TracebackException.from_exception(error)  # its str() may fail, too
    summary.__notes__ = []
    return problem("exception", "".join(summary.format_exception_only()).strip(), None, trace)


def _failure(error: BaseException) -> Failure | None:
    if isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]  # a task group has put the group around it
    return error if isinstance(error, Failure) else None


@contextmanager
def survive(operation: Operation) -> Iterator[None]:
    """Whatever goes wrong with one operation must not end the others: a bug of ours, then."""
    try:
        yield
    except Exception as error:
        operation.fail(_broken(operation, error))
        operation.scope.cancel()


def _broken(operation: Operation, error: Exception) -> Problem:
    """Something went wrong with it that is not its function's fault, or with its exception."""
    where = "".join(traceback.format_tb(error.__traceback__))  # its text may be what went wrong
    name = type(error).__name__
    _logger.error("operation %s (%s) broke: %s\n%s", operation.id, operation.kind.name, name, where)
    return problem("exception", f"the server could not go on with it: {name}")


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
        type=codec.clip(type if ":" in type else f"urn:progress:problem:{type}", _TEXT_BYTES),
        title=codec.clip(title or _TITLES.get(type, type), _TEXT_BYTES),
        detail=codec.clip(detail, _TEXT_BYTES),
        traceback=None if trace is None else codec.clip(trace[-_TEXT_BYTES // 4 :], _TEXT_BYTES),
    )


def is_cancelled(error: BaseException) -> bool:
    """Whether it is nothing but `Cancelled`, alone or in groups of any depth."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(Cancelled)[1] is None
    return isinstance(error, Cancelled)
