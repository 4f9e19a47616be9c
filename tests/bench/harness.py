"""Contestants take turns, round by round, so that a busy machine slows them all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = [
    "Figures",
    "Row",
    "compare",
    "count",
    "figure",
    "interleave",
    "net",
    "stopwatch",
    "table",
]

Figures: TypeAlias = dict[str, list[float]]
"""Seconds by contestant, one for each round."""


class Row(Struct, kw_only=True, omit_defaults=True):
    """One line of the report. Without a bar it is there to be read."""

    measurement: str
    ours: float
    unit: str
    ours_spread: tuple[float, float] | None = None
    """The lowest and the highest of the rounds."""
    yardstick: str = ""
    theirs: float | None = None
    ratio: float | None = None
    """The median of the rounds' ratios."""
    ratio_spread: tuple[float, float] | None = None
    bar: str = ""
    holds: bool | None = None
    note: str = ""
    """Why there is no figure."""


_SECONDS = {"ns": 1e9, "µs": 1e6, "s": 1.0}
"""How many of a unit are in a second."""


def interleave(rounds: int, contestants: Mapping[str, Callable[[], float]]) -> Figures:
    """Let each contestant time itself once a round; another one begins each time."""
    names = list(contestants)
    figures: Figures = {name: [] for name in names}
    for start in range(rounds):
        for position in range(len(names)):
            name = names[(start + position) % len(names)]
            gc.collect()
            figures[name].append(contestants[name]())
    return figures


def stopwatch(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def net(figures: Figures, name: str, floor: str) -> list[float]:
    """What a contestant costs beyond another one, round by round."""
    return [cost - base for cost, base in zip(figures[name], figures[floor], strict=True)]


def compare(
    measurement: str,
    ours: list[float],
    theirs: list[float],
    *,
    yardstick: str,
    calls: int,
    at_most: float | None = None,
    below: float | None = None,
    unit: Literal["ns", "µs", "s"] = "ns",
) -> Row:
    """A line that says how much of the yardstick's time ours takes, and how long a call is."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    ratio = median(ratios)
    holds = None
    bar = ""
    if at_most is not None:
        bar, holds = f"<= {at_most:g}", ratio <= at_most
    if below is not None:
        bar, holds = f"< {below:g}", ratio < below
    scale = _SECONDS[unit] / calls
    return Row(
        measurement=measurement,
        ours=median(ours) * scale,
        unit=unit,
        ours_spread=(min(ours) * scale, max(ours) * scale),
        yardstick=yardstick,
        theirs=median(theirs) * scale,
        ratio=ratio,
        ratio_spread=(min(ratios), max(ratios)),
        bar=bar,
        holds=holds,
    )


def figure(measurement: str, seconds: list[float], unit: str, scale: float) -> Row:
    """A line for times without a yardstick: so many units a second."""
    return Row(
        measurement=measurement,
        ours=median(seconds) * scale,
        unit=unit,
        ours_spread=(min(seconds) * scale, max(seconds) * scale),
    )


def count(measurement: str, ours: float, unit: str, at_most: float | None = None) -> Row:
    """A line for something that is counted, with the most it may be."""
    return Row(
        measurement=measurement,
        ours=ours,
        unit=unit,
        bar="" if at_most is None else f"<= {at_most:,g}",
        holds=None if at_most is None else ours <= at_most,
    )


def table(rows: list[Row]) -> str:
    """The report, in columns."""
    head = ("measurement", "ours", "yardstick", "ratio", "bar", "holds?")
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    notes = [f"{row.measurement}: {row.note}" for row in rows if row.note]
    return "\n".join([*lines, *notes])


def _cells(row: Row) -> tuple[str, str, str, str, str, str]:
    theirs = "" if row.theirs is None else f"{_short(row.theirs)} {row.unit}: {row.yardstick}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}{_between(row.ratio_spread)}"
    holds = {None: "", True: "yes", False: "MISSED"}[row.holds]
    ours = row.note and "no figure"
    ours = ours or f"{_short(row.ours)} {row.unit}{_between(row.ours_spread)}"
    return row.measurement, ours, theirs, ratio, row.bar, holds


def _between(spread: tuple[float, float] | None) -> str:
    return "" if spread is None else f" ({_short(spread[0])}–{_short(spread[1])})"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"
