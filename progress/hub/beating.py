"""The heartbeat: who is silent is sent a bookmark, and who takes nothing for too long is closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from progress.core.counts import Counts
from progress.core.frames import Bye, Frame
from progress.settings import Timing

from .counting import write
from .subscriber import Subscriber

__all__ = ["BEATS", "beat"]

BEATS = 15
"""Ticks in a heartbeat: silence lasts at most a fifteenth longer than asked for."""


class _Hub(Protocol):
    counts: Counts

    @property
    def subscribers(self) -> Sequence[Subscriber]: ...

    def stop(self, subscriber: Subscriber) -> None: ...

    def close(self, subscriber: Subscriber, bye: Bye) -> None: ...


def beat(hub: _Hub, bookmark: Frame, timing: Timing, now: float) -> None:
    """Look after each subscriber, `BEATS` times in a heartbeat."""
    for subscriber in hub.subscribers:
        waited = now - subscriber.since
        if subscriber.closed:
            if waited > timing.lag:
                subscriber.sink.abort()  # its client does not take the end
        elif subscriber.reader is not None:
            if waited > timing.lag:
                hub.close(subscriber, Bye(reason="slow", reconnect=True))
        elif subscriber.is_idle and waited > timing.idle:
            hub.stop(subscriber)
            hub.counts.closed["idle"] += 1
            subscriber.sink.close("idle")
        else:
            _say_something(hub.counts, subscriber, bookmark, now)


def _say_something(counts: Counts, subscriber: Subscriber, bookmark: Frame, now: float) -> None:
    subscriber.silence += 1
    if subscriber.silence < BEATS:
        return
    subscriber.silence = 0
    if not write(counts, subscriber, bookmark):
        subscriber.fall_behind(bookmark.n, now)
        counts.catch_ups["lag"] += 1
