"""What reporting costs the function that reports: `track` and `advance`."""

from __future__ import annotations

import os
from functools import partial

from tqdm import tqdm

from progress import Reporter

from .harness import Figures, Row, compare, interleave, net, stopwatch
from .running import measured

__all__ = ["measure"]

_ITEMS = 5_000_000
_CALLS = 1_000_000


def measure(rounds: int) -> list[Row]:
    """Take all measurements of this topic."""
    rows = []
    for where, function in (("async", _in_the_loop), ("thread", _in_a_thread)):
        figures = measured(function, rounds, dict[str, Figures])
        rows.append(
            compare(
                f"track(range({_ITEMS:,})), {where}: an item, loop deducted",
                net(figures["track"], "track", "loop"),
                net(figures["track"], "tqdm", "loop"),
                yardstick="tqdm",
                calls=_ITEMS,
                below=0.5,
            )
        )
        rows += [
            compare(
                f"{name}() suppressed, {where}: a call, loop deducted",
                net(figures["calls"], name, "loop"),
                net(figures["calls"], "method", "loop"),
                yardstick="empty method",
                calls=_CALLS,
                at_most=at_most if where == "async" else None,
            )
            for name, at_most in (("advance", 3.0), ("update", None))
        ]
    return rows


async def _in_the_loop(report: Reporter, rounds: int) -> dict[str, Figures]:
    # It never yields, so that the sweep does not open the gate: all but the first is suppressed.
    return _figures(report, rounds)


def _in_a_thread(report: Reporter, rounds: int) -> dict[str, Figures]:
    return _figures(report, rounds)


def _figures(report: Reporter, rounds: int) -> dict[str, Figures]:
    track = interleave(
        rounds,
        {
            "loop": partial(_loop, _ITEMS),
            "track": partial(_track, report),
            "tqdm": _tqdm,
        },
    )
    calls = interleave(
        rounds,
        {
            "loop": partial(_loop, _CALLS),
            "method": partial(_method, _Empty()),
            "advance": partial(_advance, report),
            "update": partial(_update, report),
        },
    )
    return {"track": track, "calls": calls}


class _Empty:
    """What a call costs by itself."""

    __slots__ = ()

    def method(self) -> None:
        """Do nothing."""


def _loop(count: int) -> float:
    def loop() -> None:
        for _ in range(count):
            pass

    return stopwatch(loop)


def _track(report: Reporter) -> float:
    def loop() -> None:
        for _ in step.track(range(_ITEMS)):
            pass

    with report.step("track") as step:
        return stopwatch(loop)


def _tqdm() -> float:
    def loop() -> None:
        for _ in tqdm(range(_ITEMS), file=nowhere):
            pass

    with open(os.devnull, "w") as nowhere:
        return stopwatch(loop)


def _method(empty: _Empty) -> float:
    def loop() -> None:
        for _ in range(_CALLS):
            empty.method()

    return stopwatch(loop)


def _advance(report: Reporter) -> float:
    def loop() -> None:
        for _ in range(_CALLS):
            step.advance()

    with report.step("advance") as step:
        step.advance()  # the first value gets out at once
        return stopwatch(loop)


def _update(report: Reporter) -> float:
    def loop() -> None:
        for n in range(_CALLS):
            step.update(completed=n)

    with report.step("update") as step:
        step.update(completed=0)
        return stopwatch(loop)
