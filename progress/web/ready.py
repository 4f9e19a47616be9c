"""`/healthz` and `/readyz`: whether the process lives, and whether it would take more work."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from progress.bus import Bus
from progress.core.event import State
from progress.hub import Hub
from progress.settings import Settings

from .resource import json_response

__all__ = ["Readiness", "healthy"]


class Readiness:
    """Says what is full, so that a balancer sends others elsewhere, and its operator knows why."""

    def __init__(
        self, bus: Bus, hub: Hub, settings: Settings, is_running: Callable[[], bool]
    ) -> None:
        self._bus = bus
        self._hub = hub
        self._limits = settings.limits
        self._is_running = is_running

    async def show(self, request: Request) -> Response:
        """`GET /readyz`: 200, or 503 with the reason."""
        if self._hub.draining:
            return _unready("draining", "the server is stopping")
        if not self._is_running():
            return _unready(
                "starting",
                "the lifespan has not begun: who mounts this passes lifespan=app.lifespan",
            )
        if full := self._full():
            return _unready("overloaded", "; ".join(full))
        return json_response({"status": "ready"})

    def _full(self) -> list[str]:
        full = []
        if self._bus.full:
            full.append("the operations that run fill the memory set aside for them")
        live = self._hub.counts.live.values()
        queued = sum(state is State.QUEUED for _, state in live)
        if queued >= self._limits.queued:
            full.append(f"the queue is full: {queued} operations wait")
        if self._hub.count >= self._limits.subscribers:
            full.append(f"there are {self._hub.count} subscribers, as many as there may be")
        return full


async def healthy(request: Request) -> Response:
    """`GET /healthz`."""
    return json_response({"status": "ok"})


def _unready(status: str, detail: str) -> Response:
    return json_response({"status": status, "detail": detail}, 503)
