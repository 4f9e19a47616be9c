"""Numbers that are reported: which are refused, and how the odd types of them come out."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from progress import Reporter
from progress.errors import ReportError

from .rig import rig

ODD = [math.nan, math.inf, -math.inf, -1, -1e-9, 2**53 + 2, 1e308, Decimal("NaN"), Fraction(-1, 3)]

REPORTS: list[tuple[str, Callable[[Reporter, Any], object]]] = [
    ("advance", lambda report, value: report.advance(value)),
    ("completed", lambda report, value: report.update(completed=value)),
    ("total", lambda report, value: report.update(total=value)),
    ("set completed", lambda report, value: setattr(report, "completed", value)),
    ("set total", lambda report, value: setattr(report, "total", value)),
    ("step total", lambda report, value: report.step("x", total=value)),
    ("step weight", lambda report, value: report.step("x", weight=value)),
    ("plan", lambda report, value: report.plan(x=value)),
    ("track", lambda report, value: report.track([], total=value)),
]


@pytest.mark.parametrize("value", ODD, ids=str)
@pytest.mark.parametrize(("name", "call"), REPORTS, ids=[name for name, _ in REPORTS])
async def test_number_that_cannot_be(
    name: str, call: Callable[[Reporter, Any], object], value: float
) -> None:
    """Refused where it is reported, whether an event is due or not, and nothing has changed."""

    async def odd(report: Reporter) -> None:
        report.update(completed=3, total=5)
        for _ in range(3):
            with pytest.raises((ReportError, ArithmeticError)):
                call(report, value)
            assert (report.completed, report.total) == (3, 5)

    async with rig() as made:
        snapshot = await made.run(odd)
        assert snapshot.error is None
        assert (snapshot.progress.completed, snapshot.steps) == (3, ())


@pytest.mark.parametrize("value", ["5", None, 1j, [1]])
async def test_value_that_is_no_number(value: Any) -> None:
    async def odd(report: Reporter) -> None:
        for _ in range(3):
            with pytest.raises((TypeError, ReportError)):
                report.advance(value)
        assert report.completed == 0

    async with rig() as made:
        assert (await made.run(odd)).error is None


async def test_no_sum_passes_the_bound_on_the_wire() -> None:
    async def much(report: Reporter) -> None:
        for _ in range(9):
            report.advance(2**51)

    async with rig() as made:
        snapshot = await made.run(much)
        assert (snapshot.error, snapshot.progress.completed) == (None, 2**53)


@pytest.mark.parametrize("weight", [1e-300, 2.0**52, Fraction(1, 3), Decimal("0.1"), True])
async def test_weights_of_any_size_and_type(weight: Any) -> None:
    async def weigh(report: Reporter) -> None:
        report.plan(one=weight, two=weight)
        with report.step("one"):
            pass
        with report.step("three", weight=weight):
            raise ValueError

    async with rig() as made:
        snapshot = await made.run(weigh)
        assert snapshot.progress.fraction == pytest.approx(1 / 3, abs=1e-5)
        assert [type(step.weight) in (int, float) for step in snapshot.steps] == [True] * 3


@pytest.mark.parametrize(
    ("value", "sum"),
    [
        (Decimal("0.5"), 5),
        (Fraction(1, 4), 2.5),
        (True, 10),
        (2**40, 10 * 2**40),
        (0, 0),
        (0.1, pytest.approx(1)),
    ],
    ids=str,
)
async def test_other_types_of_numbers(value: Any, sum: float) -> None:
    async def count(report: Reporter) -> None:
        for _ in range(10):
            report.advance(value)
        with report.step("set") as step:
            step.update(completed=value, total=value)
            step.update(completed=value)
            step.advance(1)

    async with rig() as made:
        snapshot = await made.run(count)
        assert snapshot.error is None
        assert (snapshot.progress.completed or 0) == sum
        assert snapshot.steps[0].completed == float(value) + 1
