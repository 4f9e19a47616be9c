"""The pens that an operation function reports with. They count; `Operation` publishes."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from operator import length_hint
from types import TracebackType
from typing import Self, TypeVar, get_args, overload

from progress.core.event import Level, StepState
from progress.errors import ReportError

from . import codec
from .recorder import Recorder
from .tally import StepOptions, Tally, amount

__all__ = ["NAME_BYTES", "Reporter", "Step", "track"]

_T = TypeVar("_T")

NAME_BYTES = 256
"""Of a step's name, a label or a unit."""


class Step:
    """A pen for one step: counts, nested steps, log lines and outputs.

    Reporting never waits for a viewer and never fails because of one. At most one progress event
    per step goes out every 100 ms; the first value and all before a state change always do, and a
    value that had to wait is out 200 ms after it was reported at the latest. From a worker thread
    a report that is due waits for one turn of the event loop. Any thread may call.

    All methods raise `ReportError` after the operation's end and, in a worker thread,
    `Cancelled` once when the operation is to stop.
    """

    __slots__ = ("_operation", "_outer", "_parent", "_tally")

    def __init__(self, operation: Recorder, tally: Tally, parent: Step | None) -> None:
        self._operation = operation
        self._tally = tally
        self._parent = parent
        self._outer: Step | None = None

    @property
    def completed(self) -> float:
        """How much is done, in `unit`s."""
        return self._tally.completed

    @completed.setter
    def completed(self, value: float) -> None:
        self.update(completed=value)

    @property
    def total(self) -> float | None:
        """How much there is to do; None while unknown. It may move."""
        return self._tally.total

    @total.setter
    def total(self, value: float | None) -> None:
        self._tally.total = None if value is None else amount("total", value)
        self._counted()

    @property
    def unit(self) -> str | None:
        """What is counted, e.g. `files`, `bytes`, `rows`."""
        return self._tally.unit

    @unit.setter
    def unit(self, value: str) -> None:
        self.update(unit=value)

    @property
    def message(self) -> str | None:
        """What it is at just now, e.g. a file name."""
        return self._tally.message

    @message.setter
    def message(self, value: str) -> None:
        self.update(message=value)

    def advance(self, n: float = 1) -> None:
        """Count n more units as done. Costs next to nothing while no event is due."""
        tally = self._tally
        if n < tally.limit and n >= 0:
            tally.completed += n
        else:
            amount("n", n)
            tally.completed += n
            self._counted()

    def update(
        self,
        completed: float | None = None,
        total: float | None = None,
        message: str | None = None,
        unit: str | None = None,
    ) -> None:
        """Set what is given; None leaves it as it is."""
        tally = self._tally
        if completed is not None:
            tally.completed = amount("completed", completed)
        if total is not None:
            tally.total = amount("total", total)
        if message is not None:
            tally.message = codec.clip(message, self._operation.settings.limits.log)
        if unit is not None:
            tally.unit = codec.clip(unit, NAME_BYTES)
        self._counted()

    @overload
    def track(self, iterable: Iterable[_T], total: float | None = None) -> Iterator[_T]: ...
    @overload
    def track(
        self, iterable: AsyncIterable[_T], total: float | None = None
    ) -> AsyncIterator[_T]: ...
    def track(
        self, iterable: Iterable[_T] | AsyncIterable[_T], total: float | None = None
    ) -> Iterator[_T] | AsyncIterator[_T]:
        """Yield the items and count each when the next one is asked for.

        `total` is by default what the iterable says of its length, unless the step has one.
        """
        if total is None and self.total is None:
            hint = length_hint(iterable, -1)
            total = None if hint < 0 else hint
        self.update(total=total)
        if isinstance(iterable, AsyncIterable):
            return self._track_async(iterable)
        return self._track(iterable)

    def plan(self, weights: Mapping[str, float] | None = None, /, **more: float) -> None:
        """Declare steps to come and their weights: `report.plan(scan=1, copy=9)`.

        A step that is opened without a plan counts as a total that grew.
        """
        planned = {
            codec.clip(name, NAME_BYTES): _weight(weight)
            for name, weight in {**(weights or {}), **more}.items()
        }
        self._operation.call(self._operation.plan, self._tally, planned)

    def step(
        self,
        name: str,
        *,
        total: float | None = None,
        unit: str | None = None,
        label: str | None = None,
        weight: float = 1.0,
    ) -> Step:
        """Start a step below this one; `with` ends it: `with report.step("scan") as scan: …`.

        Its id is its name; a repeated name gets `-2`, `-3`. `weight` counts only where the step
        was not planned. Without `with` it ends together with the operation.

        Raises:
            Failure: the operation has too many steps (`too-large`).
        """
        options = StepOptions(
            label=None if label is None else codec.clip(label, NAME_BYTES),
            weight=_weight(weight),
            total=None if total is None else amount("total", total),
            unit=None if unit is None else codec.clip(unit, NAME_BYTES),
        )
        begin = self._operation.begin
        tally = self._operation.call(begin, self._tally, codec.clip(name, NAME_BYTES), options)
        return Step(self._operation, tally, self)

    def log(self, message: str, level: Level = "info") -> None:
        """Send one line for people: `debug`, `info`, `warning` or `error`.

        A line over 8 KiB is cut, and says so.
        """
        if level not in get_args(Level):
            raise ReportError(f"level has to be one of {', '.join(get_args(Level))}: {level!r}")
        text = codec.clip(message, self._operation.settings.limits.log)
        step = self._tally.id if self._parent else None
        self._operation.call(self._operation.log, text, level, step)

    def output(self, data: object) -> None:
        """Send a partial result: anything that has a JSON form. None is ever dropped.

        Raises:
            Failure: it is over 64 KiB (`too-large`).
            TypeError: it has no JSON form.
        """
        raw = codec.to_raw_within(data, self._operation.settings.limits.event, "an output")
        self._operation.call(self._operation.output, raw)

    def __enter__(self) -> Self:
        self._outer = _current.get()
        _current.set(self)
        return self

    def __exit__(
        self,
        type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()
        finish = self._operation.finish
        if error is None:
            self._operation.call(finish, self._tally, StepState.SUCCEEDED)
            return
        # A cancellation is a BaseException, on asyncio, on trio and in a worker thread.
        state = StepState.FAILED if isinstance(error, Exception) else StepState.CANCELLED
        with suppress(ReportError):  # the error that is under way says more
            self._operation.call(finish, self._tally, state)

    def leave(self) -> None:
        """Be no longer the pen that `track` finds; without `with`, where nothing is to end."""
        _current.set(self._outer)

    def _counted(self) -> None:
        if self._tally.is_open:
            self._operation.call(self._operation.emit, self._tally)

    def _track(self, iterable: Iterable[_T]) -> Iterator[_T]:
        tally = self._tally
        for item in iterable:
            yield item
            tally.completed += 1
            if tally.is_open:
                self._operation.call(self._operation.emit, tally)

    async def _track_async(self, iterable: AsyncIterable[_T]) -> AsyncIterator[_T]:
        async for item in iterable:
            yield item
            self.advance()


class Reporter(Step):
    """The pen that the operation function gets: the whole operation as one step."""

    __slots__ = ()

    def __init__(self, operation: Recorder) -> None:
        super().__init__(operation, operation.root, None)

    @property
    def id(self) -> str:
        """The operation's id."""
        return self._operation.id

    @property
    def stopping(self) -> bool:
        """Whether the operation was told to stop: for a thread that reports seldom."""
        return self._operation.stopping is not None

    def activate(self) -> None:
        """Make it the pen that `track` finds, in this task and the threads it starts."""
        _current.set(self)


@overload
def track(iterable: Iterable[_T], total: float | None = None) -> Iterator[_T]: ...
@overload
def track(iterable: AsyncIterable[_T], total: float | None = None) -> AsyncIterator[_T]: ...
def track(
    iterable: Iterable[_T] | AsyncIterable[_T], total: float | None = None
) -> Iterator[_T] | AsyncIterator[_T]:
    """Count items on the innermost open step of the operation that this code runs in.

    Outside an operation it yields the items and does nothing else, so library code can use it.
    """
    pen = _current.get()
    if pen is not None:
        return pen.track(iterable, total)
    return aiter(iterable) if isinstance(iterable, AsyncIterable) else iter(iterable)


_current: ContextVar[Step | None] = ContextVar("progress_step", default=None)


def _weight(weight: float) -> float:
    if not weight > 0:
        raise ReportError(f"a weight has to be above 0; it was {weight!r}")
    return amount("a weight", weight)
