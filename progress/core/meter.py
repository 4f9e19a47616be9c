"""The numbers of progress: rate, time to go, weights, and when the next report is due.

It never reads a clock: whoever calls says what time it is, in seconds that never go back.
"""

from __future__ import annotations

import math

from .event import STEP_RUNNING, StepState

__all__ = ["Meter", "Node", "due"]

_SMOOTHING = 10.0
"""Seconds after which a past rate counts for a third: a hiccup of a second hardly shows, a
change of pace does within half a minute."""

_RATE_EVIDENCE = 0.25
_ETA_EVIDENCE = 1.0
"""Seconds of observation before a rate, and a time to go, are more than a guess."""


_LONGEST_ETA = 366 * 86_400.0
"""Seconds: beyond a year it says no more than that nobody knows."""


def due(last: float, now: float, interval: float) -> bool:
    """Whether the next progress event may go out. Half a millisecond early is on time."""
    return now - last >= interval - 0.0005


class Meter:
    """The rate of one growing number: a ratio of two sums that fade at the same pace.

    Unlike an average of rates it is right for uneven intervals, and from the first one on.
    """

    __slots__ = ("_amount", "_completed", "_last", "_start", "_time")

    def __init__(self, completed: float, now: float) -> None:
        self._completed = completed
        self._start = self._last = now
        self._amount = self._time = 0.0

    def observe(self, completed: float, now: float) -> None:
        """Note the number's value at this time. A fall starts afresh."""
        if completed < self._completed:
            self._start, self._amount, self._time = now, 0.0, 0.0
        elif (passed := now - self._last) > 0:
            fade = math.exp(-passed / _SMOOTHING)
            self._amount = self._amount * fade + completed - self._completed
            self._time = self._time * fade + passed
        else:
            return  # no time has passed: leave the growth to the next interval
        self._completed, self._last = completed, now

    @property
    def rate(self) -> float | None:
        """Units a second; None without evidence."""
        if self._last - self._start < _RATE_EVIDENCE:
            return None
        return round(self._amount / self._time, 3)

    def eta(self, total: float | None) -> float | None:
        """Seconds until `total` at this rate; None without evidence or while nothing moves."""
        if total is None or self._last - self._start < _ETA_EVIDENCE or self._amount <= 0:
            return None
        seconds = max(total - self._completed, 0.0) * self._time / self._amount
        return round(seconds, 1) if seconds < _LONGEST_ETA else None


class Node:
    """A step, or the operation itself, as a weight in the whole.

    A leaf's fraction is completed / total; that of the others is the weighted mean of their
    children. Sums are kept up to date from the leaf upwards, so a report costs the depth of the
    tree and not its size. The fraction falls only when a total grew.
    """

    __slots__ = (
        "_done",
        "_fraction",
        "_parent",
        "_shown",
        "_total",
        "_unknown",
        "_weights",
        "state",
    )

    def __init__(self, parent: Node | None = None, weight: float = 1.0) -> None:
        self.state = StepState.PENDING
        self._parent = (parent, weight) if parent is not None else None
        self._fraction: float | None = 0.0
        self._shown = 0.0
        """The fraction as the wire has it: rounded once, as it is read by every report."""
        self._total: float | None = None
        self._weights = 0.0
        self._done = 0.0
        """Of the children: the sum of weight times fraction."""
        self._unknown = 0
        """Children whose fraction nobody knows."""
        if parent is not None:
            parent.adopt(weight)

    @property
    def fraction(self) -> float | None:
        """0 to 1. None for a leaf without a total, and above a leaf that runs without one."""
        if self._fraction is None or (self._total is None and not self._weights):
            return None
        return self._shown

    def observe(self, completed: float, total: float | None) -> None:
        """Take a leaf's numbers. Where there are children, their fractions count instead."""
        grew = self._total is None or (total is not None and total > self._total)
        self._total = total
        if self._weights or self.state is not STEP_RUNNING:
            return
        if total is None:
            self._become(None)
            return
        fraction = completed / total if completed < total else 1.0
        before = self._fraction
        if before is None or fraction > before or grew:
            self._become(fraction)

    def start(self, total: float | None) -> None:
        """It runs now."""
        self.state = StepState.RUNNING
        self.observe(0.0, total)

    def end(self, state: StepState) -> None:
        """It is over, once. What succeeded is done; what did not keeps what it had done."""
        if self.state not in (StepState.PENDING, StepState.RUNNING):
            return
        self.state = state
        if state is StepState.SUCCEEDED:
            self._become(1.0)
        elif self._fraction is None and not self._weights:
            self._become(0.0)

    def adopt(self, weight: float) -> None:
        """Count one more child, of which nothing is done."""
        self._weights += weight
        if self.state is not StepState.SUCCEEDED:
            self._become(self._mean())

    def settle(self, fraction: float | None) -> tuple[Node, float | None] | None:
        """Take a fraction; return the parent and what it comes to by that, unless nothing does."""
        before, self._fraction = self._fraction, fraction
        if fraction == before:
            return None
        if fraction is not None:
            self._shown = round(min(fraction, 1.0), 6)
        if self._parent is None:
            return None
        parent, weight = self._parent
        return parent, parent.count(weight, before, fraction)

    def count(self, weight: float, before: float | None, fraction: float | None) -> float | None:
        """Count what a child of that weight has changed by; return what that comes to."""
        self._done += weight * ((fraction or 0.0) - (before or 0.0))
        self._unknown += (fraction is None) - (before is None)
        return self._fraction if self.state is StepState.SUCCEEDED else self._mean()

    def _mean(self) -> float | None:
        return None if self._unknown else self._done / self._weights

    def _become(self, fraction: float | None) -> None:
        change: tuple[Node, float | None] | None = (self, fraction)
        while change is not None:  # upwards, by no recursion: steps may nest deeply
            node, fraction = change
            change = node.settle(fraction)
