"""The orderly stop: everybody is told, at a pace, and has time to take it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import anyio

from .subscriber import Subscriber

__all__ = ["dismiss_all"]

_CLOSES = 1_000
"""Streams closed in a second at most, so that they do not come back at once."""

_TOGETHER = 20
"""Of them, without a pause: a sleep of less than a few milliseconds takes as long."""


class _Hub(Protocol):
    gone: anyio.Event | None

    @property
    def subscribers(self) -> Sequence[Subscriber]: ...

    @property
    def count(self) -> int: ...

    def dismiss(self, subscriber: Subscriber) -> None: ...


async def dismiss_all(hub: _Hub, within: float) -> None:
    """Say `bye` to everybody, and cut off who has not taken it after so many seconds."""
    with anyio.move_on_after(within):
        subscribers = hub.subscribers
        # At that pace, or in half of the time: who is told last has to have some left.
        pause = min(1 / _CLOSES, within / 2 / (len(subscribers) or 1))
        for place, subscriber in enumerate(subscribers, 1):
            hub.dismiss(subscriber)
            if place % _TOGETHER == 0:
                await anyio.sleep(pause * _TOGETHER)
        while hub.count:
            hub.gone = anyio.Event()
            await hub.gone.wait()
    for subscriber in hub.subscribers:
        hub.dismiss(subscriber)
        subscriber.sink.abort()
