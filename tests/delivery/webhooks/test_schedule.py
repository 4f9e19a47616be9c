"""When a failed delivery is tried again: three days, jitter, and what a receiver may ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progress.delivery.webhooks.schedule import DELAYS, LASTS, next_attempt


def test_it_lasts_about_three_days() -> None:
    now = 0.0
    times = [now]
    while (due := next_attempt(len(times), 0.0, now, 0.5, 0.0)) is not None:
        times.append(now := due)
    assert times[:6] == [0, 5, 65, 365, 2_165, 9_365]
    assert len(times) == 10
    assert 0.95 * LASTS < times[-1] <= LASTS


@given(tries=st.integers(1, len(DELAYS)), chance=st.floats(0, 1))
def test_jitter_is_a_fifth_at_most(tries: int, chance: float) -> None:
    due = next_attempt(tries, 0.0, 100.0, chance, 0.0)
    assert due is not None
    assert due - 100.0 == pytest.approx(DELAYS[tries - 1], rel=0.2000001)
    assert next_attempt(1, 0.0, 0.0, 0.0, 0.0) == pytest.approx(4.0)
    assert next_attempt(1, 0.0, 0.0, 1.0, 0.0) == pytest.approx(6.0)


def test_the_receiver_may_put_it_off_but_not_bring_it_forward() -> None:
    assert next_attempt(1, 0.0, 0.0, 0.5, 90.0) == 90.0
    assert next_attempt(2, 0.0, 10.0, 0.5, 30.0) == 70.0


def test_nobody_puts_it_off_for_more_than_three_days() -> None:
    assert next_attempt(1, 0.0, 1_000.0, 0.5, 1e9) == LASTS
    assert next_attempt(1, 0.0, LASTS + 7, 0.5, 1e9) == LASTS + 12
    assert next_attempt(len(DELAYS) + 1, 0.0, 0.0, 0.5, 60.0) is None
