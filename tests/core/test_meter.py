"""Weights, rates and the pace of reports: by examples, and as laws over random programs."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from progress.core.event import StepState
from progress.core.meter import Meter, Node, due

ENDS = (StepState.SUCCEEDED, StepState.FAILED, StepState.CANCELLED)

EPSILON = 2e-6  # fractions are rounded to six digits


def running(parent: Node | None = None, weight: float = 1, total: float | None = None) -> Node:
    node = Node(parent, weight)
    node.start(total)
    return node


# The example of design section 6: a scan of weight 1 is done, a copy of weight 9 a quarter.


def test_weighted_mean_over_the_leaves() -> None:
    root = running()
    scan, copy = Node(root, 1), Node(root, 9)
    assert root.fraction == 0
    scan.start(2048)
    scan.observe(2048, 2048)
    scan.end(StepState.SUCCEEDED)
    assert root.fraction == 0.1
    copy.start(1024)
    copy.observe(256, 1024)
    assert (scan.fraction, copy.fraction, root.fraction) == (1, 0.25, 0.325)


@pytest.mark.parametrize(
    ("completed", "total", "fraction"),
    [
        (0, 10, 0),
        (5, 10, 0.5),
        (10, 10, 1),
        (15, 10, 1),
        (0, 0, 1),
        (3, None, None),
        (0, None, None),
    ],
)
def test_fraction_of_a_leaf(completed: float, total: float | None, fraction: float | None) -> None:
    leaf = running(total=total)
    leaf.observe(completed, total)
    assert leaf.fraction == fraction


def test_unknown_total_hides_the_fraction_of_all_above_until_it_ends() -> None:
    root = running()
    outer, known = running(root), running(root, total=4)
    inner = running(outer, total=None)
    known.observe(4, 4)
    assert (inner.fraction, outer.fraction, root.fraction) == (None, None, None)
    inner.end(StepState.SUCCEEDED)
    assert (inner.fraction, outer.fraction, root.fraction) == (None, 1, 1)  # still no total


def test_total_that_becomes_known_shows_the_fraction() -> None:
    root = running()
    leaf = running(root)
    assert root.fraction is None
    leaf.observe(3, 12)
    assert root.fraction == 0.25


@pytest.mark.parametrize("state", [StepState.FAILED, StepState.CANCELLED])
def test_what_did_not_succeed_keeps_what_it_had_done(state: StepState) -> None:
    root = running()
    known, unknown = running(root, total=4), running(root)
    known.observe(1, 4)
    known.end(state)
    unknown.end(state)
    assert (known.fraction, root.fraction) == (0.25, 0.125)


def test_fraction_falls_when_a_total_grew() -> None:
    leaf = running(total=10)
    leaf.observe(5, 10)
    leaf.observe(5, 20)
    assert leaf.fraction == 0.25


def test_fraction_does_not_fall_when_the_count_or_the_total_does() -> None:
    leaf = running(total=10)
    leaf.observe(5, 10)
    leaf.observe(1, 10)
    assert leaf.fraction == 0.5
    leaf.observe(1, 8)
    assert leaf.fraction == 0.5


def test_fraction_falls_when_a_step_is_opened_without_a_plan() -> None:
    root = running()
    first = running(root, total=2)
    first.end(StepState.SUCCEEDED)
    assert root.fraction == 1
    Node(root, 3)
    assert root.fraction == 0.25


def test_children_count_instead_of_their_parents_own_numbers() -> None:
    root = running()
    step = running(root, total=10)
    step.observe(9, 10)
    child = running(step, total=4)
    child.observe(2, 4)
    step.observe(10, 10)
    assert (step.fraction, root.fraction) == (0.5, 0.5)


def test_success_is_the_whole_whatever_is_left_below() -> None:
    root = running()
    step = running(root)
    Node(step), running(step)
    step.end(StepState.SUCCEEDED)
    assert (step.fraction, root.fraction) == (1, 1)
    late = running(step, total=2)
    late.observe(1, 2)
    assert (step.fraction, root.fraction) == (1, 1)


class Leaf(NamedTuple):
    """What the law is checked against: a leaf told in the words of the design."""

    weight: float
    done: float
    total: float | None
    ended: StepState | None


LEAVES = st.builds(
    Leaf,
    st.floats(1e-3, 1e6),
    st.floats(0, 200),
    st.one_of(st.none(), st.floats(0, 100)),
    st.one_of(st.none(), st.sampled_from(ENDS)),
)


@given(st.lists(LEAVES, min_size=1, max_size=12))
def test_fraction_is_the_weighted_mean(leaves: list[Leaf]) -> None:
    root = running()
    fractions: list[float | None] = []
    for leaf in leaves:
        node = running(root, leaf.weight, leaf.total)
        node.observe(leaf.done, leaf.total)
        done = min(leaf.done / leaf.total, 1) if leaf.total else None if leaf.total is None else 1
        if leaf.ended is not None:
            node.end(leaf.ended)
            done = 1 if leaf.ended is StepState.SUCCEEDED else done or 0
        fractions.append(done)
    if None in fractions:
        assert root.fraction is None
        return
    weights = [leaf.weight for leaf in leaves]
    sums = [weight * (done or 0) for weight, done in zip(weights, fractions, strict=True)]
    assert root.fraction == pytest.approx(sum(sums) / sum(weights), abs=EPSILON)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["open", "plan", "count", "total", "unknown", "end"]),
        st.integers(0, 9),
        st.integers(0, 50),
        st.sampled_from(ENDS),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_fraction_falls_only_when_a_total_grew_or_a_step_was_opened(
    actions: list[tuple[str, int, int, StepState]],
) -> None:
    """Any tree, any order: from 0 to 1, and monotone but for these two reasons.

    A total that becomes known may show any fraction: nothing was shown before.
    """
    nodes = [running()]
    totals: list[int | None] = [None]
    done = [0]
    shown: list[float | None] = [None]
    for action, which, number, end in actions:
        at = which % len(nodes)
        node = nodes[at]
        may_fall = action in ("open", "plan")
        match action:
            case "open" | "plan":
                nodes.append(Node(node, 1 + number))
                totals.append(number if which % 3 else None)
                done.append(0)
                shown.append(None)
                if action == "open":
                    nodes[-1].start(totals[-1])
            case "count":
                done[at] += number
                node.observe(done[at], totals[at])
            case "total":
                before = totals[at]
                may_fall = before is None or number > before
                totals[at] = number
                node.observe(done[at], number)
            case "unknown":
                totals[at] = None
                node.observe(done[at], None)
            case _:
                node.end(end)
        for index, node in enumerate(nodes):
            fraction, held = node.fraction, shown[index]
            assert fraction is None or 0 <= fraction <= 1
            if fraction is not None and held is not None and not may_fall:
                assert fraction >= held - EPSILON, action
            shown[index] = fraction


# Rates


def fed(*observed: tuple[float, float]) -> Meter:
    meter = Meter(0, 0)
    for completed, now in observed:
        meter.observe(completed, now)
    return meter


@pytest.mark.parametrize(
    ("meter", "rate", "eta"),
    [
        (fed(), None, None),
        (fed((1, 0.1)), None, None),  # a tenth of a second is a guess
        (fed((5, 0.5)), 10, None),  # enough for a rate, not for a time to go
        (fed((5, 0.5), (20, 2)), 10, 8),
        (fed((0, 5)), 0, None),  # nothing moves: no end is in sight
        (fed((100, 10)), 10, 0),
        (fed((150, 10)), 15, 0),  # beyond its total: never a negative time
        (fed((50, 5), (0, 6)), None, None),  # it fell: nothing is known any more
        (fed((50, 5), (0, 6), (4, 8)), 2, 48),
        (fed((5, 0), (10, 1)), 10, 9),  # no time passed: what grew counts with the next interval
    ],
)
def test_rate_and_eta(meter: Meter, rate: float | None, eta: float | None) -> None:
    assert meter.rate == (None if rate is None else pytest.approx(rate, abs=1e-3))
    assert meter.eta(100) == (None if eta is None else pytest.approx(eta, abs=0.1))
    assert meter.eta(None) is None


INTERVALS = st.lists(st.floats(0.001, 30), min_size=1, max_size=50)


@given(INTERVALS, st.floats(0.01, 1e6))
def test_steady_pace_is_the_rate_at_any_intervals(intervals: list[float], pace: float) -> None:
    meter = Meter(0, 0)
    for now in accumulate(intervals):
        meter.observe(pace * now, now)
    if sum(intervals) < 0.25:
        assert meter.rate is None
    else:
        assert meter.rate == pytest.approx(pace, rel=1e-6, abs=1e-3)


@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(0.05, 2))
def test_rate_converges_on_a_new_pace(old: float, new: float, interval: float) -> None:
    meter = Meter(0, 0)
    completed = now = 0.0
    for pace, seconds in ((old, 60.0), (new, 60.0)):
        for _ in range(int(seconds / interval)):
            completed += pace * interval
            now += interval
            meter.observe(completed, now)
    assert meter.rate == pytest.approx(new, abs=0.01 * max(old, new))


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e5)), max_size=30))
@example([(1e-300, 1.0)])
def test_rate_and_eta_are_finite_and_not_negative(steps: list[tuple[float, float]]) -> None:
    meter = Meter(0, 0)
    now = 0.0
    for completed, seconds in steps:
        now += seconds
        meter.observe(completed, now)
        for number in (meter.rate, meter.eta(1e9)):
            assert number is None or (number >= 0 and math.isfinite(number))


@pytest.mark.parametrize("seconds", [60.0, 3600, 7_400, 7_450, 10_000, 1e9])
def test_no_time_to_go_is_absurd_after_a_long_halt(seconds: float) -> None:
    eta = fed((1, 1), (1, seconds)).eta(1_000_000)
    assert eta is None or eta < 1e15


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (-math.inf, 0, True),
        (0, 0, False),
        (0, 0.05, False),
        (0, 0.0996, True),
        (0, 0.099, False),
        (5, 5.1, True),
        (0, 3600, True),
    ],
)
def test_due(last: float, now: float, expected: bool) -> None:
    assert due(last, now, 0.1) is expected
