"""Which operation a request was about, for the line that the server logs of it.

The server begins a request with `expect`; what is inside says `mention`, in the same task or in
one that this one has started. Elsewhere nobody asks.
"""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["expect", "mention", "mentioned"]


class _Request:
    """It is shared: what a task sets in its own context the one that started it does not see."""

    __slots__ = ("operation",)

    def __init__(self) -> None:
        self.operation: str | None = None


_request: ContextVar[_Request | None] = ContextVar("progress_request", default=None)


def expect() -> None:
    """A request begins in this context."""
    _request.set(_Request())


def mention(operation: str) -> None:
    """The request that this code runs in is about that operation; the first one stays.

    It is an id that the bus knows, or did: what a client has sent is not to be in a log.
    """
    request = _request.get()
    if request is not None and request.operation is None:
        request.operation = operation


def mentioned() -> str | None:
    """The id of the operation that this request is about."""
    request = _request.get()
    return None if request is None else request.operation
