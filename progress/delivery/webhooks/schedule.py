"""When a failed delivery is tried again. It takes the time and chance; it knows no clock."""

from __future__ import annotations

__all__ = ["DELAYS", "LASTS", "held_back", "next_attempt"]

DELAYS = (5.0, 60.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 43_200.0, 86_400.0, 97_200.0)
"""Seconds before each further attempt; the first is made at once. Together they are 71.6 h."""

LASTS = 259_200.0
"""Three days: no receiver can put an attempt off beyond them."""

_JITTER = 0.2
"""Each delay differs by up to so much of it: what failed together does not come back together."""


def next_attempt(tries: int, began: float, now: float, chance: float, wait: float) -> float | None:
    """When to try again after so many attempts; None if that was the last.

    `began` is when the first was made, `chance` is from 0 to 1, and `wait` is how many seconds the
    receiver asks for.
    """
    if tries > len(DELAYS):
        return None
    delay = DELAYS[tries - 1] * (1 + _JITTER * (2 * chance - 1))
    return now + max(delay, held_back(began, now, wait))


def held_back(began: float, now: float, wait: float) -> float:
    """Seconds that a receiver may ask to wait for, of those that it does."""
    return min(wait, max(began + LASTS - now, 0.0))
