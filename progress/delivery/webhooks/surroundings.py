"""Time, chance and names, as webhooks use them."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import anyio

from .sending import SECONDS, Resolve, resolve

__all__ = ["Surroundings"]


async def _pause(wake: anyio.Event, seconds: float) -> None:
    with anyio.move_on_after(seconds):
        await wake.wait()


class Surroundings(NamedTuple):
    """What tests put in its place, to see three days pass in a moment."""

    now: Callable[[], float] = anyio.current_time
    """Seconds; it never goes back."""
    utc: Callable[[], float] = time.time
    """Seconds since 1970."""
    pause: Callable[[anyio.Event, float], Awaitable[None]] = _pause
    """Returns once the event is set, or after so many seconds."""
    chance: Callable[[], float] = random.random
    resolve: Resolve = resolve
    seconds: float = SECONDS
    """What one attempt may take."""
