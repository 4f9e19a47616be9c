"""The numbers of one step, or of the whole operation: counted by a pen, read by the sweep.

`completed`, `total`, `unit`, `message` are written in the thread where the function runs, each by
one assignment; everything else happens on the event loop's thread. It never publishes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from progress.core.event import STEP_RUNNING, OperationProgress, StepProgress
from progress.core.meter import Meter, Node
from progress.errors import ReportError

__all__ = ["StepOptions", "Tally", "amount", "plain"]

_SHUT = 2**30 - 1
"""`limit` while the gate is shut, and 0 while it is open, so that `n < limit and n >= 0` lets an
ordinary advance pass at once, and catches an open gate, NaN, negative and huge numbers alike. An
int of one digit (of 30 bits), because the interpreter compares those fastest."""

_MOST = 2**53
"""Where JavaScript stops counting by one (RFC 8259 §6)."""


class StepOptions(NamedTuple):
    """What a step may be opened with."""

    label: str | None
    weight: float
    total: float | None
    unit: str | None


class Tally:
    """Counters, the gate that lets one report in ten a second through, and what was sent last."""

    __slots__ = (
        "_meter",
        "_sent",
        "completed",
        "id",
        "is_open",
        "label",
        "limit",
        "message",
        "node",
        "parent",
        "sent_at",
        "total",
        "unit",
        "weight",
    )

    def __init__(self, name: str, label: str, parent: Tally | None, weight: float) -> None:
        self.id = name
        self.label = label
        self.parent = parent
        self.weight = weight
        self.completed: float = 0
        self.total: float | None = None
        self.unit: str | None = None
        self.message: str | None = None
        self.is_open = True
        """Whether the next report goes out at once. `limit` says the same, for `advance`."""
        self.limit = 0
        self.sent_at = -math.inf
        self.node: Node = Node(parent.node if parent else None, weight)
        self._meter: Meter | None = None
        self._sent: tuple[object, ...] = (0, None, None, None)

    @property
    def has_news(self) -> bool:
        """Whether something was reported that has not been sent."""
        return self._sent != (self.completed, self.total, self.unit, self.message)

    def start(self, now: float) -> None:
        """It runs now."""
        self.node.start(self.total)
        self._meter = Meter(self.completed, now)

    def open(self) -> None:
        """Let the next report go out at once."""
        self.is_open = True
        self.limit = 0

    def observe(self, now: float) -> None:
        """Take the numbers as they are into the weights and the rate, as sent; shut the gate."""
        self._sent = (self.completed, self.total, self.unit, self.message)
        completed = plain(self.completed)
        self.node.observe(completed, self.total)
        if self._meter is not None and self.node.state is STEP_RUNNING:
            self._meter.observe(completed, now)
        self.sent_at = now
        self.shut()

    def shut(self) -> None:
        """Let no report out until it is opened again: they are only counted."""
        self.is_open = False
        self.limit = _SHUT

    def status(self) -> StepProgress:
        """The step as the wire shows it."""
        running = self.node.state is STEP_RUNNING
        return StepProgress(
            id=self.id,
            parent=self.parent.id if self.parent and self.parent.parent else None,
            label=self.label,
            weight=self.weight,
            state=self.node.state,
            completed=plain(self.completed),
            total=self.total,
            unit=self.unit,
            fraction=self.node.fraction,
            message=self.message,
            rate=self._meter.rate if self._meter else None,
            eta=self._meter.eta(self.total) if self._meter and running else None,
        )

    def progress(self, elapsed: float, eta: float | None) -> OperationProgress:
        """The operation as the wire shows it: what the function itself set, else null."""
        counts = self.total is not None or self.completed != 0
        meter = self._meter if counts else None
        return OperationProgress(
            completed=plain(self.completed) if counts else None,
            total=self.total,
            unit=self.unit,
            fraction=self.node.fraction,
            message=self.message,
            rate=meter.rate if meter else None,
            eta=meter.eta(self.total) if eta is None and meter else eta,
            elapsed=round(elapsed, 3),
            position=None,
        )


def amount(name: str, value: float) -> float:
    """Check a number that is reported, and return it as JSON has it.

    Raises:
        ReportError: NaN, infinite, negative or over 2⁵³.
    """
    if not 0 <= value <= _MOST:
        raise ReportError(f"{name} has to be from 0 to 2**53; it was {value!r}")
    return plain(value)


def plain(value: float) -> float:
    """As JSON has it: NumPy's numbers, decimals and fractions have no form of their own there."""
    number = value if type(value) is int else float(value)
    return number if number < _MOST else _MOST
