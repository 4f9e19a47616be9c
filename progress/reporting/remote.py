"""`progress.remote`: the reporter of work that runs in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import get_ident
from types import TracebackType

from anyio import CancelScope, CapacityLimiter, to_thread
from anyio.lowlevel import current_token
from msgspec import Raw

from progress.core.event import StepState
from progress.core.report import CancelledLine, FailedLine, Line, Reason, SucceededLine
from progress.errors import ConfigurationError
from progress.runner import codec
from progress.runner.ending import described, is_cancelled
from progress.runner.reporter import Reporter
from progress.settings import Settings

from .away import Away
from .posting import Place
from .sender import Sender, Subject

__all__ = ["Remote", "RemoteReporter", "remote"]

_PATIENCE = 10.0


def remote(
    url: str,
    label: str | None = None,
    *,
    lease: float = 60.0,
    labels: Mapping[str, str] | None = None,
    token: str | None = None,
    patience: float = _PATIENCE,
) -> Remote:
    """Report work of this process to a server elsewhere: `with progress.remote(url) as report: …`.

    `url` is a server's, where an operation called `label` (by default this program's name) is
    started, or that of an external operation there is. The reporter is the one that operation
    functions have. Reports are buffered, sent by a thread, and tried again: the server may be slow,
    away or restarted, the work never is. The end of the block ends the operation; it waits for what
    is still to be sent, `patience` seconds at most, and logs how many reports were not taken.

    If the operation is cancelled, `async with` cancels what runs inside it, and a report in a
    thread or under `with` raises `Cancelled`; either way the block is left, and nothing is raised
    outside. Without a report for `lease` seconds, by a process that was killed, it is `lost`; this
    process reports by itself that it lives. `token` is sent as `Authorization: Bearer`.

    Raises:
        ConfigurationError: the URL or the token is none, or a number is out of its bounds.
    """
    if not 1 <= lease <= 86_400:
        raise ConfigurationError(f"a lease has to be from 1 to 86400 seconds; it was {lease!r}")
    if not 0 <= patience <= 86_400:
        raise ConfigurationError(f"patience has to be from 0 to 86400 seconds: {patience!r}")
    name = codec.clip(label or sys.argv[0].rpartition("/")[2] or "python", 200)
    return Remote(Place(url, token), Subject(name, lease, labels or {}), patience)


class RemoteReporter(Reporter):
    """The same pen, with what an operation function would return."""

    __slots__ = ("_away", "_json", "_place", "_result")

    def __init__(self, away: Away, place: Place) -> None:
        super().__init__(away)
        self._away = away
        self._place = place
        self._result: object = None
        self._json = Raw(b"null")

    @property
    def url(self) -> str:
        """The operation's URL; the server's as long as that has not started it."""
        return self._place.url

    @property
    def dropped(self) -> int:
        """Reports that were not taken, and will not be."""
        return self._away.dropped

    @property
    def result(self) -> object:
        """What has come of it; None unless it is set."""
        return self._result

    @result.setter
    def result(self, value: object) -> None:
        """Set it, to anything that has a JSON form.

        Raises:
            Failure: it is over 64 KiB (`too-large`).
            TypeError: it has no JSON form.
        """
        most = self._away.settings.limits.event
        self._json = codec.to_raw_within(value, most, "a result")
        self._result = value

    @property
    def json(self) -> Raw:
        """The result, as it was when it was set."""
        return self._json


class Remote:
    """A block whose work is an operation elsewhere; with `with` or `async with`, once."""

    def __init__(self, place: Place, subject: Subject, patience: float) -> None:
        self._patience = patience
        self._away = Away(Settings())
        self._pen = RemoteReporter(self._away, place)
        self._scope: CancelScope | None = None  # of `async with`
        self._soon: Callable[[Callable[[], None]], object] | None = None
        self._sender = Sender(self._away, place, subject, self._cancel)

    def __enter__(self) -> RemoteReporter:
        self._sender.start()
        self._pen.__enter__()
        return self._pen

    def __exit__(
        self,
        type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._end(error)
        self._sender.close(self._patience)
        return error is not None and is_cancelled(error)

    async def __aenter__(self) -> RemoteReporter:
        loop = current_token().native_token  # anyio's way in waits for the loop, which may be busy
        self._soon = getattr(loop, "call_soon_threadsafe", None) or getattr(loop, "run_sync_soon")  # noqa: B009
        self._away.loop_thread = get_ident()
        self._scope = CancelScope().__enter__()
        return self.__enter__()

    async def __aexit__(
        self,
        type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._end(error)
        with CancelScope(shield=True):
            await to_thread.run_sync(self._sender.close, self._patience, limiter=CapacityLimiter(1))
        is_handled = self._scope is not None and self._scope.__exit__(type, error, traceback)
        return bool(is_handled) or (error is not None and is_cancelled(error))

    def _end(self, error: BaseException | None) -> None:
        self._pen.leave()
        state, line = _ending(error, self._pen.json)
        self._away.end(state, line)

    def _cancel(self) -> None:
        if self._soon is not None and self._scope is not None:
            with suppress(RuntimeError):  # the event loop is gone, and what ran in it
                self._soon(self._scope.cancel)


def _ending(error: BaseException | None, result: Raw) -> tuple[StepState, Line]:
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return StepState.SUCCEEDED, SucceededLine(result=result)
    if (failure := _failure(error)) is None:
        return StepState.CANCELLED, CancelledLine()
    problem = described(failure)
    reason = Reason(type=problem.type, detail=problem.detail, title=problem.title)
    return StepState.FAILED, FailedLine(error=reason)


def _failure(error: BaseException) -> BaseException | None:
    """What of it is one: a cancellation is not, on asyncio, on trio and in a thread."""
    if isinstance(error, BaseExceptionGroup):
        return error.split((Exception, SystemExit))[0]
    return error if isinstance(error, Exception | SystemExit) else None
