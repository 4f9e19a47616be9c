"""An operation that runs here and is shown elsewhere: what its pens say becomes lines to send."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Event, Lock, get_ident, local
from time import monotonic, time_ns
from typing import TypeVar
from weakref import WeakSet

from msgspec import Raw

from progress.core.event import STEP_RUNNING, Level, StepState
from progress.core.report import (
    FailedLine,
    Line,
    LogLine,
    OutputLine,
    ProgressLine,
    Reason,
    StepLine,
    SucceededLine,
)
from progress.errors import Cancelled, ReportError
from progress.runner.steps import Steps
from progress.runner.tally import StepOptions, Tally, plain
from progress.settings import Settings

from .outbox import Outbox

__all__ = ["Away"]

_T = TypeVar("_T")


class Away:
    """A `Recorder`. Reporting to it takes a lock for some microseconds, and never waits longer."""

    def __init__(self, settings: Settings) -> None:
        self.id = ""
        """Empty until the server has started it."""
        self.settings = settings
        self.steps = Steps(settings.limits.steps)
        self.root = self.steps.root
        self.stopping: str | None = None
        self.ended = False
        self.news = Event()
        """Set when there is something to send."""
        self.loop_thread: int | None = None
        """Where a cancel comes by itself, and not as an exception of a report."""
        self._waiting: set[Tally] = set()
        self._told = local()
        self.root.start(monotonic())
        self.begin_afresh()
        _living.add(self)

    def begin_afresh(self) -> None:
        """Be what a fork is left with: no thread sends, and one that is gone may hold the lock.

        Lines are numbered from the time in microseconds on: an operation may have been reported of
        by a process before this one, which did not send a line in each.
        """
        self._lock = Lock()
        self._outbox = Outbox(time_ns() // 1000)

    # From any thread

    def call(self, function: Callable[..., _T], *args: object) -> _T:
        """Call one of the functions below.

        Raises:
            Cancelled: once in each thread, when the operation is to stop.
            ReportError: the operation has ended.
        """
        if self.stopping and get_ident() != self.loop_thread and not hasattr(self._told, "yes"):
            self._told.yes = True
            raise Cancelled(self.stopping)
        with self._lock:
            if self.ended:
                raise ReportError("the operation has ended and takes no more reports")
            found = function(*args)
        self.news.set()
        return found

    def stop(self, reason: str) -> None:
        """It is to stop: the next report of each thread says so."""
        with self._lock:
            self.stopping = reason
            for tally in self.steps:
                tally.open()

    def end(self, state: StepState, line: Line) -> None:
        """End what is open, and then the operation; nothing can be reported after that."""
        with self._lock:
            if not self.ended:
                self.finish(self.root, state)
                self._outbox.put(line)
                self.ended = True
        self.news.set()

    # What pens say: under the lock

    def plan(self, parent: Tally, weights: dict[str, float]) -> None:
        """Declare steps to come."""
        for name, weight in weights.items():
            self._outbox.put(_step(self.steps.add(name, None, parent, weight)))

    def begin(self, parent: Tally, name: str, given: StepOptions) -> Tally:
        """Start a step: the one planned under that name, or a new one."""
        tally = self.steps.open(name, parent, given)
        tally.start(monotonic())
        self._outbox.put(_step(tally))
        if tally.has_news:
            self._send(tally)
        tally.open()
        return tally

    def emit(self, tally: Tally) -> None:
        """Have the present progress sent, within a tenth of a second."""
        if tally.node.state is not STEP_RUNNING:
            raise ReportError(f"step {tally.id!r} has ended and takes no more reports")
        if tally.has_news:
            self._waiting.add(tally)
            if not self.stopping:  # else it stays open, for threads that have not been told
                tally.shut()

    def finish(self, tally: Tally, state: StepState) -> None:
        """End a step, and what it left open below it."""
        if tally.node.state is not STEP_RUNNING:
            return
        for step in self.steps.running_from(tally):
            if step.has_news:
                self._send(step)
            step.node.end(state)
            self._waiting.discard(step)
            step.open()  # so that a report that comes too late is told so
            if step is not self.root:
                self._outbox.put(StepLine(id=step.id, state=state))

    def log(self, message: str, level: Level, step: str | None) -> None:
        """Have a line sent."""
        self._outbox.put(LogLine(message=message, level=level, step=step))

    def output(self, data: Raw) -> None:
        """Have a partial result sent."""
        self._outbox.put(OutputLine(data=data))

    # From the thread that sends

    @property
    def dropped(self) -> int:
        """Lines that were not taken, and will not be."""
        return self._outbox.dropped

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing that may soon have to be sent."""
        return not self._waiting and not self._outbox

    @property
    def is_done(self) -> bool:
        """Whether it has ended, and everything was sent or given up."""
        return self.ended and not self._outbox

    def batch(self) -> list[bytes]:
        """The next lines, up to the present progress. They stay until they are taken."""
        with self._lock:
            for tally in list(self._waiting):
                tally.open()  # first: what is counted from here on reports itself
                if tally.has_news:
                    self._send(tally)
                else:
                    self._waiting.discard(tally)
            return self._outbox.batch()

    def taken(self, count: int) -> None:
        """So many lines of the last batch stand."""
        with self._lock:
            self._outbox.taken(count)

    def refused(self, detail: str) -> None:
        """The next line was not taken, and never will be: a result is over the server's bound."""
        with self._lock:
            if isinstance(self._outbox.refused(), SucceededLine):
                self._outbox.put(FailedLine(error=Reason(type="too-large", detail=detail)))

    def start_over(self) -> None:
        """Another operation takes its place, which knows nothing yet."""
        with self._lock:
            self._outbox.start_over(self._state())

    def give_up(self) -> None:
        """Nothing will be sent any more."""
        with self._lock:
            self._outbox.give_up()

    def _send(self, tally: Tally) -> None:
        tally.observe(monotonic())
        if self.stopping:
            tally.open()
        self._outbox.put(self._progress(tally))

    def _progress(self, tally: Tally) -> ProgressLine:
        return ProgressLine(
            step=None if tally is self.root else tally.id,
            completed=plain(tally.completed),
            total=tally.total,
            unit=tally.unit,
            message=tally.message,
        )

    def _state(self) -> list[Line]:
        """All that there is to know of it: steps as they began, their progress, their ends."""
        begun: list[Line] = []
        ended: list[Line] = []
        for tally in self.steps:
            state = tally.node.state
            if tally is not self.root:
                begun.append(_step(tally))
            if state is not StepState.PENDING:
                begun.append(self._progress(tally))
            if tally is not self.root and state not in (StepState.PENDING, STEP_RUNNING):
                ended.append(StepLine(id=tally.id, state=state))
        return [*begun, *reversed(ended)]  # one that ends would end those below it


def _step(tally: Tally) -> StepLine:
    is_pending = tally.node.state is StepState.PENDING
    parent = tally.parent
    return StepLine(
        id=tally.id,
        parent=None if parent is None or parent.parent is None else parent.id,
        label=tally.label,
        weight=tally.weight,
        state=StepState.PENDING if is_pending else STEP_RUNNING,
    )


def _forked() -> None:
    for away in _living:
        away.begin_afresh()


_living: WeakSet[Away] = WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
