"""The bars, and the lines of the report that say whether they hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

from tests.bench.harness import Row, compare, count

from .client import Wire
from .run import Cell, Results
from .workloads import Figures

__all__ = ["TITLES", "WIRES", "rows"]

_KB = 1024

TITLES = {
    "one-many": "1 operation × 1,000 subscribers",
    "many-one": "1,000 operations × 1 subscriber",
    "connections": "connections",
    "flood": "flood of 100,000 events",
}
WIRES: dict[Wire, str] = {"sse": "SSE", "ws": "WebSocket"}

_Figure = Callable[[Figures], float]


class _Ratio(NamedTuple):
    """Ours may cost so much of what a yardstick costs; None: to be read."""

    workload: str
    wire: Wire
    what: str
    yardstick: str
    at_most: float | None
    figure: _Figure = lambda turn: turn.cpu


class _Most(NamedTuple):
    """A figure of ours may be so much, in a unit."""

    workload: str
    wire: Wire
    what: str
    figure: _Figure
    unit: str
    scale: float
    at_most: float | None


def _cpu(figures: Figures) -> float:
    return figures.cpu


def _bars(wire: Wire) -> list[_Ratio | _Most]:
    idle, connect = (4.5, 0.15) if wire == "sse" else (9.0, 0.45)
    delivery = "CPU per delivery"
    one = partial(_Ratio, "one-many", wire, delivery)
    many = partial(_Ratio, "many-one", wire, delivery)
    fan_out = partial(
        _Ratio,
        *("many-one", wire, "the same without what reporting costs"),
        figure=lambda turn: turn.cpu - turn.cpu_alone,
    )
    connecting = partial(_Ratio, "connections", wire, "CPU per connect")
    late = partial(_Most, wire=wire, what="p99 latency", unit="ms", scale=1e3)
    stalled = partial(_Most, "flood", wire, unit="KB", scale=1 / _KB)
    return [
        one("floor", 1.3),
        one("nchan", 0.9),
        one("usual", 0.25),
        one("node", None),
        late("one-many", figure=lambda turn: turn.p99, at_most=None),
        many("floor", 1.7),
        many("nchan", 0.5),
        fan_out("floor", None),
        fan_out("nchan", None),
        many("usual", None),
        many("node", None),
        _Most(
            "many-one",
            wire,
            "of that reporting, which goes on without any subscriber",
            lambda turn: turn.cpu_alone,
            "µs",
            1e6,
            None,
        ),
        late("many-one", figure=lambda turn: turn.p99, at_most=10.0),
        _Most("connections", wire, "idle", lambda turn: turn.memory, "KB", 1 / _KB, idle),
        connecting("usual", connect),
        connecting("node", None),
        connecting("nchan", None),
        stalled(what="each that never reads", figure=lambda turn: turn.memory, at_most=96.0),
        stalled(what="and in the kernel", figure=lambda turn: turn.kernel, at_most=None),
    ]


def rows(results: Results) -> list[Row]:
    """The lines for what was measured of ours; for what failed, why."""
    found: list[Row] = []
    for wire in results.choice.wires:
        for workload in results.choice.workloads:
            ours = results.cell(workload, wire, "ours")
            if ours is not None:
                found += _of_workload(results, ours)
    return found


def _of_workload(results: Results, ours: Cell) -> list[Row]:
    title = f"{TITLES[ours.workload]}, {WIRES[ours.wire]}"
    if ours.trouble:
        return [_failure(title, ours.trouble, holds=False)]
    found = []
    for bar in _bars(ours.wire):
        if bar.workload != ours.workload:
            continue
        if isinstance(bar, _Most):
            found.append(_amount(f"{title}: {bar.what}", ours, bar))
        else:
            found += _ratio(f"{title}: {bar.what}", ours, results, bar)
    if ours.workload == "flood":
        found += _beside_the_stalled(title, ours)
    if ours.workload == "one-many":
        found += _client(results, ours.wire)
    return found


def _amount(title: str, ours: Cell, bar: _Most) -> Row:
    figures = [figure * bar.scale for figure in ours.rounds(bar.figure)]
    row = count(title, median(figures), bar.unit, at_most=bar.at_most)
    row.ours_spread = (min(figures), max(figures))
    return row


def _ratio(title: str, ours: Cell, results: Results, bar: _Ratio) -> list[Row]:
    theirs = results.cell(bar.workload, bar.wire, bar.yardstick)
    if theirs is None:
        return []
    if theirs.trouble:
        return [_failure(f"{title}, as a ratio to {bar.yardstick}", theirs.trouble, holds=None)]
    row = compare(
        title,
        ours.rounds(bar.figure),
        theirs.rounds(bar.figure),
        yardstick=bar.yardstick,
        calls=1,
        at_most=bar.at_most,
        unit="µs",
    )
    return [row]


def _beside_the_stalled(title: str, ours: Cell) -> list[Row]:
    alone = "without the 50 that never read"
    return [
        compare(
            f"{title}: until the other 950 have all",
            ours.rounds(lambda turn: turn.seconds),
            ours.rounds(lambda turn: turn.seconds_alone),
            yardstick=alone,
            calls=1,
            at_most=1.1,
            unit="s",
        ),
        compare(
            f"{title}: CPU",
            ours.rounds(_cpu),
            ours.rounds(lambda turn: turn.cpu_alone),
            yardstick=alone,
            calls=1,
            unit="s",
        ),
    ]


def _client(results: Results, wire: Wire) -> list[Row]:
    """The line that says that the load client is faster than the fastest server."""
    floor = results.cell("one-many", wire, "floor")
    if floor is None or floor.trouble:
        return []
    row = compare(
        f"{TITLES['one-many']}, {WIRES[wire]}: the load client, CPU per delivery",
        floor.rounds(lambda turn: turn.client),
        floor.rounds(_cpu),
        yardstick="floor",
        calls=1,
        below=1.0,
        unit="µs",
    )
    return [row]


def _failure(title: str, why: str, *, holds: bool | None) -> Row:
    return Row(measurement=title, ours=0.0, unit="", holds=holds, note=why)
