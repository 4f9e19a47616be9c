"""Starting an operation for an HTTP request: once, however often that comes."""

from __future__ import annotations

from starlette.requests import Request

from progress.bus import Bus
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.errors import KeyReused
from progress.runner import Runner

from .access import Access
from .idempotency import Keys, Principal
from .requests import StartRequest

__all__ = ["Starts"]


class Starts:
    """Asks whether it may be, and whether it has been already."""

    def __init__(
        self, bus: Bus, runner: Runner, access: Access, principal: Principal | None
    ) -> None:
        self._bus = bus
        self._runner = runner
        self._access = access
        self._keys = Keys(principal)

    async def start(
        self, request: Request, body: bytes, asked: StartRequest
    ) -> tuple[Journal, Snapshot]:
        """Start it, or find what the same `Idempotency-Key` has started; and how that was then.

        Raises:
            RequestError: it cannot be, the hook says no, or the key belongs to another body.
        """
        attempt = self._keys.attempt(request, body)
        started = self._keys.find(attempt)
        if started is None:
            draft = await self._access.draft(request, self._runner, asked)
            started = self._keys.find(attempt)  # it may have come while the hook was asked
            if started is None:
                journal = self._bus.journal(self._runner.start(draft).id)
                self._keys.keep(attempt, journal)
                return journal, journal.snapshot
        await self._access.check(request, "start", started.first)
        if not started.is_same:
            raise KeyReused
        await self._access.journal(request, "read", started.first.id)
        return started.journal, started.first
