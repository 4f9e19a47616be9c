"""Webhooks over a bus and a hub, with a clock that runs ahead while nothing else happens."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import inf

import anyio
from anyio.lowlevel import checkpoint

from progress.bus import MemoryBus
from progress.core.event import Event, State
from progress.core.journal import Journal
from progress.delivery.webhooks import Delivered, Surroundings, Webhook, Webhooks
from progress.delivery.webhooks.sending import Resolve, resolve
from progress.hub import Hub
from progress.settings import Settings, WebhookSettings

from .events import state
from .snapshots import snapshot

__all__ = ["LOCAL", "OLD", "SECRET", "Clock", "Rig", "names", "rig"]

SECRET = "whsec_" + b64encode(b"s" * 24).decode()
OLD = "whsec_" + b64encode(b"o" * 32).decode()

LOCAL = WebhookSettings(http=True, private=("127.0.0.0/8",))
"""Lets receivers of tests be called."""


class Clock:
    """Stands still, or goes on at once to when something is due."""

    def __init__(self, until: float = inf) -> None:
        self.time = 0.0
        self._began = time.time()
        self._until = until
        self._wake = anyio.Event()

    def now(self) -> float:
        """Seconds since it began."""
        return self.time

    def utc(self) -> float:
        """Seconds since 1970; it begins with the present."""
        return self._began + self.time

    def go(self, until: float) -> None:
        """Let time pass up to there, and no further."""
        self._until = until
        self._wake.set()

    async def pause(self, wake: anyio.Event, seconds: float) -> None:
        """Return once the event is set, or that time has passed."""
        self._wake = wake
        await checkpoint()
        if wake.is_set():
            return
        due = self.time + max(seconds, 0.0)
        self.time = max(min(due, self._until), self.time) if due < inf else self.time
        if self.time < due:
            await wake.wait()


class Rig:
    """One bus, its hub, and webhooks that are being sent."""

    def __init__(self, settings: Settings, clock: Clock, resolve: Resolve, seconds: float) -> None:
        self.clock = clock
        self.bus = MemoryBus(1_000, settings.limits, settings.retention)
        self.hub = Hub(self.bus, settings)
        around = Surroundings(clock.now, clock.utc, clock.pause, lambda: 0.5, resolve, seconds)
        self.webhooks = Webhooks(self.hub, settings, around)

    def start(self, webhook: Webhook | None, id: str = "o") -> Journal:
        """Begin an operation that is watched."""
        self.bus.publish(state(id, State.QUEUED), snapshot(id))
        journal = self.bus.journal(id)
        self.webhooks.check(webhook)
        self.webhooks.watch(journal, webhook)
        return journal

    def publish(self, *events: Event) -> None:
        """Go on with it."""
        for event in events:
            self.bus.publish(event)

    async def settles(self, id: str = "o", *states: str) -> Sequence[Delivered]:
        """Return its deliveries, the oldest first, once all of them have ended, in those states."""
        with anyio.fail_after(8):
            while True:
                found = list(reversed(self.webhooks.of(id)))
                given = [delivery.state for delivery in found]
                if given and (given == list(states) if states else "pending" not in given):
                    return found
                await anyio.sleep(0.001)


@asynccontextmanager
async def rig(
    webhooks: WebhookSettings = LOCAL,
    *,
    clock: Clock | None = None,
    resolve: Resolve = resolve,
    seconds: float = 5.0,
) -> AsyncIterator[Rig]:
    """Send until the block is left. `seconds` is what one attempt may take."""
    made = Rig(Settings(webhooks=webhooks), clock or Clock(), resolve, seconds)
    made.hub.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.webhooks.run)
        try:
            yield made
        finally:
            tasks.cancel_scope.cancel()


def names(*answers: Sequence[str]) -> Resolve:
    """A resolver that gives these answers, one after the other, and the last one for ever."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        await checkpoint()
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve
