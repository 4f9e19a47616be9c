"""Operations that somebody else runs: they live as long as they report.

Nothing of them runs here. Lines come in, one at a time, and each leaves the operation as a reporter
in this process would; when none comes for the length of its lease the operation is lost.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, cast

from anyio import CancelScope
from msgspec import UNSET, Meta, Raw

from progress.bus import Bus
from progress.core.event import STEP_RUNNING, Problem, State, StepState
from progress.core.report import (
    CancelledLine,
    FailedLine,
    Line,
    LogLine,
    OutputLine,
    ProgressLine,
    Reason,
    StepLine,
    SucceededLine,
)
from progress.errors import Conflict, Failure, InvalidParams, TooLarge
from progress.settings import Settings

from . import codec
from .ending import Ending, problem
from .kinds import Kind
from .operation import Operation
from .reporter import NAME_BYTES
from .tally import StepOptions, Tally

__all__ = ["External", "external"]

_ID_BYTES = 2 * NAME_BYTES
"""Of a step's id: a name that a pen has cut is longer by what says so."""

_LINGER = 0.2
"""Seconds for the end of a request, after the line that ended the operation."""

_Label = Annotated[str, Meta(min_length=1, max_length=256)]
_Lease = Annotated[float, Meta(ge=1, le=86_400)]


def external(report: object, label: _Label, lease: _Lease = 60.0) -> None:
    """Work that runs elsewhere and reports to `POST /operations/{id}/events`.

    `label` says what it is, to people; `lease` is after how many seconds without a report it counts
    as lost.
    """
    raise NotImplementedError("nothing of it runs here")


class External(Operation):
    """One of them, from its start to its end."""

    def __init__(
        self, id: str, kind: Kind, params: dict[str, object], bus: Bus, settings: Settings
    ) -> None:
        super().__init__(id, kind, params, bus, settings)
        self.seq = 0
        """The highest number of a line that was taken."""
        self.listeners: set[CancelScope] = set()
        """Around those who wait for lines of it."""
        self._lease = cast("float", params["lease"])
        self._lost_at = inf

    def start(self) -> None:
        """Publish that it runs; the lease begins."""
        super().start()
        self.renew(self.started_at)

    def end(self, state: State, result: Raw | None = None, error: Problem | None = None) -> None:
        """Publish its end; who still listens for lines does so for a moment."""
        super().end(state, result, error)
        for scope in self.listeners:
            scope.deadline = self._time() + _LINGER

    def renew(self, now: float) -> None:
        """Its reporter lives."""
        self._lost_at = now + self._lease

    def is_lost(self, now: float) -> bool:
        """Whether nothing has been heard of it for the length of its lease."""
        return now >= self._lost_at

    def take(self, line: Line) -> Ending | None:
        """Take one line; return how it ends, if it does.

        Raises:
            Conflict: it cannot come in this state; nothing has changed.
            TooLarge: over a bound of `settings.limits`; nothing has changed.
            InvalidParams: an output or a result nests too deeply; nothing has changed.
        """
        if line.seq is not None and line.seq <= self.seq:
            return None
        try:
            ending = self._take(line)
        except Failure as error:
            raise TooLarge(error.detail) from error
        self.seq = line.seq or self.seq
        return ending

    def _take(self, line: Line) -> Ending | None:
        match line:
            case ProgressLine():
                self._take_progress(line)
            case StepLine():
                self._take_step(line)
            case LogLine():
                step = None if line.step is None else self._step(line.step).id
                self.log(codec.clip(line.message, self.settings.limits.log), line.level, step)
            case OutputLine():
                self.output(self._within(line.data, "an output"))
            case SucceededLine():
                return Ending(State.SUCCEEDED, self._within(line.result, "a result"))
            case FailedLine():
                given = line.error
                reason = Reason(detail=given) if isinstance(given, str) else given
                error = problem(reason.type, reason.detail, reason.title)
                return Ending(State.FAILED, error=error)
            case CancelledLine():
                return Ending(State.CANCELLED)
        return None

    def _take_progress(self, line: ProgressLine) -> None:
        tally = self.root if line.step is None else self._step(line.step)
        if tally.node.state is not STEP_RUNNING:
            advice = "use another id" if _is_over(tally.node.state) else "start it first"
            raise Conflict(f"step {tally.id!r} is {tally.node.state}: {advice}")
        if line.completed is not UNSET:
            tally.completed = line.completed
        if line.total is not UNSET:
            tally.total = line.total
        if line.unit is not UNSET:
            tally.unit = None if line.unit is None else codec.clip(line.unit, NAME_BYTES)
        if line.message is not UNSET:
            most = self.settings.limits.log
            tally.message = None if line.message is None else codec.clip(line.message, most)
        if tally.is_open:
            self.emit(tally)

    def _take_step(self, line: StepLine) -> None:
        tally = self.steps.get(line.id)
        has_news = tally is None
        if tally is None:
            tally = self._added(line)
        else:
            self._check_step(tally, line)
            if line.label:
                label = codec.clip(line.label, NAME_BYTES)
                tally.label, has_news = label, label != tally.label
        before = tally.node.state
        if before is line.state:
            if has_news:
                self._send(tally, self._time())
                tally.open()
            return
        if before is StepState.PENDING:
            options = StepOptions(None, tally.weight, tally.total, tally.unit)
            self.begin(tally.parent or self.root, tally.id, options)
        if line.state is not STEP_RUNNING:
            self.finish(tally, line.state)

    def _added(self, line: StepLine) -> Tally:
        parent = self._step(line.parent) if line.parent else self.root
        _check_parent(parent, line.state)
        if len(line.id.encode()) > _ID_BYTES:
            raise TooLarge(f"the id of a step has at most {_ID_BYTES} bytes")
        label = codec.clip(line.label, NAME_BYTES) if line.label else None
        weight = 1.0 if line.weight is UNSET else line.weight
        return self.steps.add(line.id, label, parent, weight)

    def _check_step(self, tally: Tally, line: StepLine) -> None:
        parent = tally.parent or self.root
        if line.parent is not UNSET and (line.parent or "") != parent.id:
            where = repr(parent.id) if parent.id else "the operation"
            raise Conflict(f"step {tally.id!r} stands below {where} and cannot be moved")
        before = tally.node.state
        if line.state is before:
            return
        if line.state is StepState.PENDING or _is_over(before):
            raise Conflict(f"step {tally.id!r} cannot go from {before} to {line.state}")
        if before is StepState.PENDING:
            _check_parent(parent, line.state)

    def _step(self, id: str) -> Tally:
        tally = self.steps.get(id)
        if tally is None:
            raise Conflict(f"there is no step {id[:64]!r}: send a line of type step first")
        return tally

    def _within(self, value: Raw, name: str) -> Raw:
        try:
            return codec.to_raw_within(value, self.settings.limits.event, name)
        except RecursionError as error:
            raise InvalidParams("send JSON that nests less deeply") from error


def _check_parent(parent: Tally, state: StepState) -> None:
    """Steps run below what runs; they may be declared below what is still to come."""
    above = parent.node.state
    if _is_over(above):
        raise Conflict(f"step {parent.id!r} is {above}: nothing can come below it")
    if above is StepState.PENDING and state is not StepState.PENDING:
        raise Conflict(f"step {parent.id!r} is {above}: start it first")


def _is_over(state: StepState) -> bool:
    return state not in (StepState.PENDING, STEP_RUNNING)
