"""Starting an operation for an HTTP request: once, however often that comes."""

from __future__ import annotations

from starlette.requests import Request

from progress.bus import Bus
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.errors import KeyReused
from progress.runner import Runner

from .access import Access
from .idempotency import Attempt, Keys, Principal
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
        if self._keys.find(attempt) is None:
            draft = await self._access.draft(request, self._runner, asked)
            if self._keys.find(attempt) is None:  # or it has come while the hook was asked
                journal = self._bus.journal(self._runner.start(draft).id)
                self._keys.keep(attempt, journal)
                return journal, journal.snapshot
        return await self._again(request, attempt)

    async def _again(self, request: Request, attempt: Attempt | None) -> tuple[Journal, Snapshot]:
        kept = self._keys.find(attempt)
        journal = None if kept is None else kept.journal()
        if attempt is None or kept is None or journal is None:
            raise KeyReused  # it was evicted this very moment
        await self._access.check(request, "start", kept.first)
        if kept.fingerprint != attempt.fingerprint:
            raise KeyReused
        await self._access.journal(request, "read", kept.first.id)
        return journal, kept.first
