"""`POST /operations/{id}/events`: reports of who runs an operation elsewhere, in lines (NDJSON).

Each is live as soon as it has come, whether the request is complete then or goes on for hours.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import msgspec
from anyio import move_on_after
from anyio.lowlevel import checkpoint
from starlette.requests import Request
from starlette.responses import Response

from progress.core.event import State
from progress.core.journal import Journal
from progress.core.report import Line, Taken
from progress.errors import (
    Ended,
    InvalidParams,
    Malformed,
    RequestError,
    TooLarge,
    UnsupportedMediaType,
)
from progress.runner import Runner
from progress.runner.codec import read
from progress.settings import Settings

from .access import Access
from .problems import problem_response
from .requests import media_type
from .resource import json_response

__all__ = ["NDJSON", "Reports"]

NDJSON = "application/x-ndjson"

_MEDIA_TYPES = (NDJSON, "application/ndjson", "application/jsonl", "application/json")
"""None that a form can send."""

_LINGER = 0.2
"""Seconds."""

_TURN = 100
"""Lines taken before the others have their turn: some milliseconds."""

_DECODER: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)
"""Made once: for a union of types that costs more than a line does."""


class Reports:
    """The endpoint for those who report from outside."""

    def __init__(self, runner: Runner, access: Access, settings: Settings) -> None:
        self._runner = runner
        self._access = access
        self._limit = settings.limits.event * 2  # with all that stands around an output

    async def take(self, request: Request) -> Response:
        """Take lines as they come. A bad one ends it; those before it stand."""
        journal = await self._access.journal(request, "report", request.path_params["id"])
        if media_type(request) not in _MEDIA_TYPES:
            raise UnsupportedMediaType(NDJSON)
        chunks = request.stream()
        lines = _Lines(self._limit)
        is_cut = False
        try:
            with self._runner.listening(journal) as scope:
                await self._take(journal, lines, chunks)
            is_cut = scope.cancelled_caught
            is_late = not lines.taken or (is_cut and not lines.has_ended_it)
            if is_late and journal.snapshot.ended:
                raise Ended(journal.snapshot.id, journal.snapshot.state)
        except RequestError as error:
            is_over = not is_cut and await _read_on(chunks)
            return problem_response(error, line=lines.at, taken=lines.taken, close=not is_over)
        response = json_response(_taken(lines.taken, journal))
        if is_cut:
            response.headers["connection"] = "close"
        return response

    async def _take(
        self, journal: Journal, lines: _Lines, chunks: AsyncGenerator[bytes, None]
    ) -> None:
        self._runner.report(journal)
        # A blank line, too, says that it lives.
        async with aclosing(lines.of(chunks, lambda: self._runner.report(journal))) as found:
            async for line in found:
                self._runner.report(journal, _read(line))
                lines.took()
                lines.has_ended_it = journal.snapshot.ended
                if not lines.taken % _TURN:
                    await checkpoint()


class _Lines:
    """Where a body is: its lines are numbered from 1, and those that are blank are passed over."""

    def __init__(self, limit: int) -> None:
        self.at: int | None = None
        """The line that is looked at."""
        self.taken = 0
        self.has_ended_it = False
        """Whether the line that was taken last ended the operation, or had done so before."""
        self._limit = limit
        self._number = 0

    def took(self) -> None:
        """The line that is looked at stands."""
        self.taken += 1
        self.at = None

    async def of(
        self, chunks: AsyncGenerator[bytes, None], heard: Callable[[], None]
    ) -> AsyncGenerator[bytes, None]:
        """Give them out as they come; the last one needs no end. `heard` is called for each chunk.

        Raises:
            TooLarge: a line is over the bound.
        """
        rest = b""
        async for chunk in chunks:
            heard()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._count(line)
                if line.strip():
                    yield line
                else:
                    self.at = None
            if len(rest) > self._limit:
                self._count(rest)  # without waiting for its end
        if rest.strip():
            self._count(rest)
            yield rest

    def _count(self, line: bytes) -> None:
        self._number += 1
        self.at = self._number
        if len(line) > self._limit:
            raise TooLarge(f"a line has at most {self._limit} bytes")


def _read(line: bytes) -> Line:
    try:
        line.decode()  # an output is only passed over when the line is read
        return read(_DECODER, line)
    except UnicodeDecodeError as error:
        raise InvalidParams("send JSON in UTF-8 (RFC 8259 §8.1)") from error
    except Malformed as error:  # the request is not: it is this line
        raise InvalidParams(error.detail) from error


def _taken(taken: int, journal: Journal) -> Taken:
    snapshot = journal.snapshot
    return Taken(taken, snapshot.cursor, snapshot.state is State.CANCELLING)


async def _read_on(chunks: AsyncGenerator[bytes, None]) -> bool:
    """Read what has been sent already, because who is cut off while sending may miss the answer.

    Return whether that was all.
    """
    with move_on_after(_LINGER):
        async for _ in chunks:
            pass
        return True
    return False
