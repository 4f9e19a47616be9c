"""One operation while it is queued or runs: all that changes it, on the event loop's thread.

The pens (`reporter.py`) count where the function runs and call in here when something is due.
Nothing else publishes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import lru_cache
from math import inf
from threading import get_ident
from time import gmtime, strftime, time_ns
from typing import Literal, TypeAlias, TypeVar

import anyio
from anyio import CancelScope, from_thread
from anyio.lowlevel import current_token
from msgspec import UNSET, Raw

from progress.bus import Bus
from progress.core.event import (
    STEP_RUNNING,
    Level,
    LogEvent,
    OperationProgress,
    OutputEvent,
    Problem,
    ProgressEvent,
    State,
    StateEvent,
    StepProgress,
    StepState,
)
from progress.core.meter import Meter, due
from progress.core.operation import Snapshot
from progress.errors import Cancelled, ReportError
from progress.settings import Settings

from .kinds import Kind
from .steps import Steps
from .tally import StepOptions, Tally

__all__ = ["Operation", "Stop", "rfc3339", "timestamp"]

Stop: TypeAlias = Literal["cancelled", "timeout", "stalled", "shutdown"]
"""Why an operation was told to stop."""

_T = TypeVar("_T")

_FRONT = 20
"""Places in the queue that are always told exactly."""


def timestamp() -> str:
    """Now, as RFC 3339 in UTC with milliseconds."""
    return rfc3339(time_ns() // 1_000_000)


@lru_cache(maxsize=1)  # for all that is published within one millisecond: to write it costs 1 µs
def rfc3339(ms: int) -> str:
    """A time, in milliseconds since 1970, in the same form."""
    return strftime(f"%Y-%m-%dT%H:%M:%S.{ms % 1000:03}Z", gmtime(ms // 1000))


class Operation:
    """What the Runner keeps of an operation until it has ended."""

    def __init__(
        self, id: str, kind: Kind, params: dict[str, object], bus: Bus, settings: Settings
    ) -> None:
        self.id = id
        self.kind = kind
        self.params = params
        self.settings = settings
        self.steps = Steps(settings.limits.steps)
        self.root = self.steps.root
        """The operation's own numbers; the steps hang below it."""
        self.scope = CancelScope()
        """Around the function: cancelled to stop an async one, or to leave a thread behind."""
        self.context = copy_context()
        """Of whoever started it: the function runs in it, however long it was queued."""
        self.stopping: Stop | None = None
        """Why it was told to stop, if it was."""
        self.stop_by = 0.0
        """When its time for cleaning up is over."""
        self.started_at = 0.0
        self.reported_at = 0.0
        self.due_at = inf
        """When something that waits may be sent, at the earliest."""
        self.ended = False
        self._bus = bus
        self._waiting: set[Tally] = set()  # sent lately: what they count now waits until it is due
        self._whole: Meter | None = None  # of the fraction, for the time to go
        self._position: int | None = None
        self._told: set[int] = set()  # the worker threads that have had their Cancelled
        self._thread = get_ident()
        self._token = current_token()
        # anyio looks up each time which loop runs; that of asyncio knows the time by itself.
        loop = self._token.native_token
        self._time: Callable[[], float] = getattr(loop, "time", anyio.current_time)

    # From any thread

    def call(self, function: Callable[..., _T], *args: object) -> _T:
        """Run a function on the event loop's thread; a worker thread waits for one turn of it.

        Raises:
            Cancelled: once, in a worker thread, when the operation is to stop.
            ReportError: the operation has ended.
        """
        if get_ident() == self._thread:
            self._check()
            return function(*args)
        # What a call on the loop's thread raises is logged there, if it is no Exception.
        found = from_thread.run_sync(self._call, get_ident(), function, args, token=self._token)
        if found is None:
            raise Cancelled(self.stopping)
        return found[0]

    def _call(
        self, thread: int, function: Callable[..., _T], args: tuple[object, ...]
    ) -> tuple[_T] | None:
        if self.stopping and (self.ended or thread not in self._told):
            self._told.add(thread)
            return None
        self._check()
        return (function(*args),)

    def _check(self) -> None:
        if self.ended:
            raise ReportError(f"operation {self.id} has ended and takes no more reports")

    # Reports

    def plan(self, parent: Tally, weights: dict[str, float]) -> None:
        """Declare steps to come."""
        for name, weight in weights.items():
            tally = self.steps.add(name, None, parent, weight)
            self._publish_progress(self._time(), tally.status())

    def begin(self, parent: Tally, name: str, given: StepOptions) -> Tally:
        """Start a step: the one planned under that name, or a new one."""
        tally = self.steps.open(name, parent, given)
        now = self._time()
        tally.start(now)
        self._send(tally, now)
        tally.open()  # the first value gets out at once, too
        return tally

    def emit(self, tally: Tally) -> None:
        """Publish the present progress of the operation and of this step, if there is news."""
        if tally.node.state is not STEP_RUNNING:
            raise ReportError(f"step {tally.id!r} has ended and takes no more reports")
        now = self._time()
        if tally.has_news:
            self._send(tally, now)
            self._waiting.add(tally)
            if (due_at := now + self.settings.timing.report) < self.due_at:
                self.due_at = due_at
        self.reported_at = now

    def finish(self, tally: Tally, state: StepState) -> None:
        """End a step, and what it left open below it."""
        if tally.node.state is STEP_RUNNING:
            for step in self.steps.running_from(tally):
                self._finish(step, state)

    def log(self, message: str, level: Level, step: str | None) -> None:
        """Publish a line."""
        self.reported_at = self._time()
        self._bus.publish(
            LogEvent(operation=self.id, time=timestamp(), level=level, message=message, step=step)
        )

    def output(self, data: Raw) -> None:
        """Publish a partial result."""
        self.reported_at = self._time()
        self._bus.publish(OutputEvent(operation=self.id, time=timestamp(), data=data))

    # The Runner's

    def enqueue(self, snapshot: Snapshot) -> None:
        """Publish the operation's first event."""
        self._position = snapshot.progress.position
        event = StateEvent(operation=self.id, time=snapshot.created_at, state=State.QUEUED)
        self._bus.publish(event, created=snapshot)

    def move_up(self, position: int) -> None:
        """Publish its place in the queue, if that is another one now."""
        before = self._position or position
        # Far from the front only every tenth part of the way: each is an event for all viewers.
        if position < before and (position <= _FRONT or position <= before * 0.9):
            self._position = position
            progress = OperationProgress(position=position)
            self._bus.publish(
                ProgressEvent(operation=self.id, time=timestamp(), progress=progress, step=None)
            )

    def start(self) -> None:
        """Publish that it runs."""
        now = self._time()
        self.started_at = self.reported_at = now
        self._bus.publish(StateEvent(operation=self.id, time=timestamp(), state=State.RUNNING))
        self._whole = Meter(0.0, now)
        self.root.start(now)

    def stop(self, reason: Stop) -> None:
        """Tell it to stop: an async function at once, a thread at its next report."""
        self.stop_by = self._time() + self.settings.timing.cleanup
        self.stopping = reason
        for tally in list(self._waiting):
            if tally.has_news:
                self.emit(tally)
        self._bus.publish(StateEvent(operation=self.id, time=timestamp(), state=State.CANCELLING))
        self._open_gates()
        if self.kind.is_async:
            self.scope.cancel()

    def end(self, state: State, result: Raw | None = None, error: Problem | None = None) -> None:
        """Publish the terminal event, and before it whatever was not sent yet."""
        if self._whole is not None:
            lost = state is State.LOST
            self.finish(self.root, StepState.FAILED if lost else StepState(state))
        self._publish_end(state, result, error)

    def fail(self, error: Problem) -> None:
        """Publish that it failed, and nothing else: whatever was to come before cannot be."""
        if not self._bus.journal(self.id).snapshot.ended:
            self._publish_end(State.FAILED, None, error)

    def sweep(self, now: float) -> None:
        """Send what had to wait and is due now; open the gate of what has nothing new."""
        report = self.settings.timing.report
        for tally in list(self._waiting):
            if due(tally.sent_at, now, report):
                tally.open()  # first: what a thread counts from here on reports itself
                if tally.has_news:
                    self._send(tally, now)
                else:
                    self._waiting.discard(tally)
        self.due_at = min((tally.sent_at for tally in self._waiting), default=inf) + report

    # Inside

    def _finish(self, tally: Tally, state: StepState) -> None:
        fraction = tally.node.fraction
        tally.node.observe(tally.completed, tally.total)
        tally.node.end(state)
        self._waiting.discard(tally)
        # A step shows its end; the operation's end is a state event, after the last news of it.
        if tally is not self.root or tally.has_news or tally.node.fraction != fraction:
            self._send(tally, self._time())
        tally.open()  # so that a report that comes too late is told so

    def _publish_end(self, state: State, result: Raw | None, error: Problem | None) -> None:
        self.ended = True
        self._waiting.clear()
        self._open_gates()
        event = StateEvent(
            operation=self.id,
            time=timestamp(),
            state=state,
            result=UNSET if result is None else result,
            error=UNSET if error is None else error,
        )
        self._bus.publish(event)

    def _open_gates(self) -> None:
        for tally in self.steps:
            tally.open()

    def _send(self, tally: Tally, now: float) -> None:
        self.reported_at = now
        tally.observe(now)
        self._publish_progress(now, None if tally is self.root else tally.status())

    def _publish_progress(self, now: float, step: StepProgress | None) -> None:
        fraction = self.root.node.fraction
        eta = None
        if len(self.steps) and self._whole is not None and fraction is not None:
            self._whole.observe(fraction, now)
            eta = self._whole.eta(1.0)
        progress = self.root.progress(now - self.started_at, eta)
        self._bus.publish(
            ProgressEvent(operation=self.id, time=timestamp(), progress=progress, step=step)
        )
