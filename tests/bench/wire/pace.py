"""How the publishers in Python keep time, and the time that an event carries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["at_rate", "stamp"]

_TICK = 0.005
"""Seconds between two looks at the clock: what has become due goes out event by event."""


async def at_rate(rate: float, events: int, publish: Callable[[int], object]) -> None:
    """Publish events 0, 1, 2 … when they are due, and give way after each."""
    began = time.perf_counter()
    for n in range(events):
        early = began + n / rate - time.perf_counter()
        if early > 0:
            await asyncio.sleep(max(early, _TICK))
        publish(n)
        await asyncio.sleep(0)


def stamp() -> str:
    """Now, as the load client looks for it: 19 digits of nanoseconds between two bars."""
    return f"|{time.monotonic_ns():019}|"
