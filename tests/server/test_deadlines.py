"""The one timer behind all deadlines for heads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from uvicorn.server import ServerState

from progress.server.front import Front
from progress.settings import Settings


class Loop:
    """A clock that is set by hand, and the calls that wait for it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        """Seconds."""
        return self.now

    def call_later(self, delay: float, function: Callable[[], None]) -> object:
        """Remember a call."""
        self.calls.append((self.now + delay, function))
        return function

    def run_until(self, time: float) -> None:
        """Make the calls that are due by then."""
        while self.calls and min(self.calls, key=lambda call: call[0])[0] <= time:
            call = min(self.calls, key=lambda call: call[0])
            self.calls.remove(call)
            self.now, function = call
            function()


class Waiting:
    """A connection; one that is not read waits again whenever its time is over."""

    def __init__(self, front: Front, *, is_read: bool) -> None:
        self.front = front
        self.address = ""
        self.is_too_many = False
        self.times: list[float] = []
        self._is_read = is_read

    def time_out(self) -> None:
        """Its time is over."""
        self.times.append(asyncio.get_running_loop().time())
        if not self._is_read:
            self.front.wait(self)

    def let_go(self) -> None:
        """Nothing is under way."""


def test_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections wait, time out, and wait again; and nobody is forgotten."""
    loop = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    shared = Front(ServerState(), Settings())
    held = [Waiting(shared, is_read=False) for _ in range(5)]
    others = [Waiting(shared, is_read=True) for _ in range(5)]
    for n, (one, other) in enumerate(zip(held, others, strict=True)):
        loop.run_until(float(n))
        shared.wait(one)
        shared.wait(other)
        shared.expect(one)
    for second in range(5, 60):
        loop.run_until(float(second))
        assert len(loop.calls) == 1
    head = Settings().timing.head
    for n, (one, other) in enumerate(zip(held, others, strict=True)):
        [time] = other.times
        assert head <= time - n <= head + 1
        assert len(one.times) == 5 - (n > 4)
