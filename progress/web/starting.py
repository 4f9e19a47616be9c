"""Starting an operation for an HTTP request: once, however often that comes."""

from __future__ import annotations

from starlette.requests import Request

from progress.bus import Bus
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.runner import Runner

from .access import Access
from .idempotency import Keys
from .requests import StartRequest

__all__ = ["Starts"]


class Starts:
    """Asks whether it may be, and whether it has been already."""

    def __init__(self, bus: Bus, runner: Runner, access: Access) -> None:
        self._bus = bus
        self._runner = runner
        self._access = access
        self._keys = Keys()

    async def start(
        self, request: Request, body: bytes, asked: StartRequest
    ) -> tuple[Journal, Snapshot]:
        """Start it, or find what the same `Idempotency-Key` has started; and how that was then.

        Raises:
            RequestError: it cannot be, the hook says no, or the key belongs to another body.
        """
        attempt = self._keys.attempt(request, body)
        found = self._keys.find(attempt)
        if found is None:
            draft = await self._access.draft(request, self._runner, asked)
            found = self._keys.find(attempt)  # the same may have come while the hook was asked
            if found is None:
                journal = self._bus.journal(self._runner.start(draft).id)
                self._keys.keep(attempt, journal)
                return journal, journal.snapshot
        journal, first = found
        await self._access.journal(request, "read", first.id)
        return journal, first
