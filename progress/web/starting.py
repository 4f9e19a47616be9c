"""Starting operations, with webhooks; for an HTTP request once, however often that comes."""

from __future__ import annotations

from starlette.requests import Request

from progress.bus import Bus
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.delivery.webhooks import Webhook, Webhooks
from progress.errors import KeyReused
from progress.runner import Runner
from progress.runner.drafts import Draft

from .access import Access
from .idempotency import Keys, Principal
from .mention import mention
from .requests import StartRequest

__all__ = ["Starter", "Starts"]


class Starter:
    """Starts drafts, and tells webhooks of them."""

    def __init__(self, bus: Bus, runner: Runner, webhooks: Webhooks) -> None:
        self.runner = runner
        self._bus = bus
        self._webhooks = webhooks

    def start(self, draft: Draft, webhook: Webhook | None) -> Journal:
        """Start a draft, or queue it. No await stands between that and watching it.

        Raises:
            InvalidParams: the webhook cannot be; nothing was started.
            NotRunning, Draining, Busy: there may be no room any more.
        """
        self._webhooks.check(webhook)
        journal = self._bus.journal(self.runner.start(draft).id)
        self._webhooks.watch(journal, webhook)
        return journal


class Starts:
    """Asks whether it may be, and whether it has been already."""

    def __init__(self, starter: Starter, access: Access, principal: Principal | None) -> None:
        self._starter = starter
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
            draft = await self._access.draft(request, self._starter.runner, asked)
            started = self._keys.find(attempt)  # it may have come while the hook was asked
            if started is None:
                journal = self._starter.start(draft, asked.webhook)
                self._keys.keep(attempt, journal)
                mention(journal.snapshot.id)
                return journal, journal.snapshot
        await self._access.check(request, "start", started.first)
        if not started.is_same:
            raise KeyReused
        await self._access.journal(request, "read", started.first.id)
        return started.journal, started.first
