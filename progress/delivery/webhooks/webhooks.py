"""Sends what becomes of operations to whoever asked for it, for as long as the process lives."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from heapq import heappop, heappush
from importlib.metadata import version
from itertools import count
from math import inf

import anyio

from progress.core.filter import Filter
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.core.waiting import asked_to_wait
from progress.errors import (
    Busy,
    Conflict,
    Draining,
    InvalidParams,
    NotFound,
    NotRunning,
    SettingsError,
)
from progress.hub import Hub, Subscription
from progress.settings import Settings, WebhookSettings

from .addresses import Addresses
from .deliveries import Delivered, Delivery, Ledger, MemoryStore, Store
from .lane import Lane, Outcome
from .places import Places
from .sending import Answer, Sender, explained
from .signing import signed
from .surroundings import Surroundings
from .target import Rules, Target, Webhook, shown
from .watcher import Watcher

__all__ = ["Webhooks"]

_logger = logging.getLogger("progress")

_AGENT = f"progress/{version('progress-server')}"


class Webhooks:
    """All deliveries of one server. Nothing waits for them, and no operation fails by them."""

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        surroundings: Surroundings | None = None,
        store: Store | None = None,
    ) -> None:
        """Raises:
        SettingsError: the server's own webhook cannot be.
        """
        given = settings.webhooks
        self._hub = hub
        self._around = surroundings or Surroundings()
        self._rules = Rules(Addresses(given.private), given.http)
        self._server = _server_target(given, self._rules)
        self._most = given.pending
        self._sender = Sender(self._rules.addresses, self._around.resolve, self._around.seconds)
        self._ledger = Ledger(store or MemoryStore(given.pending), self._around.utc)
        self._places = Places()
        self._lanes: dict[Lane, float] = {}  # and for when they stand in `_due`
        self._watchers: dict[Lane, Watcher] = {}
        self._news: dict[Lane, None] = {}
        self._due: list[tuple[float, int, Lane]] = []  # a heap; old entries are passed over
        self._serial = count()
        self._wake = self._settled = anyio.Event()
        self._is_running = False

    @property
    def counts(self) -> dict[str, int]:
        """See `Ledger.counts`."""
        return self._ledger.counts

    def check(self, webhook: Webhook | None) -> None:
        """Check a webhook, before there is an operation; None is fine.

        Raises:
            InvalidParams: it cannot be.
            Busy: too many deliveries are pending.
        """
        if webhook is not None:
            Target.checked(webhook, self._rules)
            if self._is_full:
                raise Busy("too many webhook deliveries are pending; try again later")

    def watch(self, journal: Journal, webhook: Webhook | None) -> None:
        """Tell a webhook that was checked, and the server's own, what becomes of an operation."""
        if webhook is not None:
            self._follow(journal, Target.checked(webhook, self._rules))
        if self._server is not None:
            if self._is_full:
                self.counts["skipped"] += 1
                _logger.warning(
                    "operation %s: too many webhook deliveries are pending, and the server's own"
                    " webhook is not told of it",
                    journal.snapshot.id,
                )
            else:
                self._follow(journal, self._server)

    def of(self, operation: str) -> Sequence[Delivered]:
        """The deliveries of one operation that are known, the newest first."""
        return [delivery.shown for delivery in reversed(self._ledger.store.of(operation))]

    def snapshot(self, operation: str) -> Snapshot | None:
        """An operation that has deliveries, also if it is no longer kept."""
        return self._ledger.store.snapshot(operation)

    def retry(self, operation: str, id: str) -> Delivered:
        """Send at once a delivery that was given up, with the same `webhook-id`, or that waits.

        Raises:
            NotFound: there is none, or it is no longer kept.
            Conflict: it was taken, or replaced by a newer one.
            Busy, Draining, NotRunning: as named.
        """
        found = [one for one in self._ledger.store.of(operation) if one.id == id]
        if not found:
            raise NotFound(f"operation {operation} has no delivery {id[:64]!r}")
        [delivery] = found
        if delivery.state in ("delivered", "replaced"):
            raise Conflict(f"delivery {id} is {delivery.state}: it is not sent again")
        if self._hub.draining:
            raise Draining
        if not self._is_running:
            raise NotRunning
        if delivery.state == "pending":
            self._hasten(delivery)
            return delivery.shown
        if self._is_full:
            raise Busy("too many webhook deliveries are pending; try again later")
        self._ledger.reopen(delivery)
        lane = Lane.again(delivery, self._ledger, self._around.now())
        self._lanes[lane] = inf
        self._mark(lane)
        return delivery.shown

    async def run(self) -> None:
        """Send, until cancelled."""
        self._is_running = True
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    self._wake = anyio.Event()
                    for lane, delivery in self._begin():
                        tasks.start_soon(self._send, lane, delivery)
                    self._settled.set()
                    due = self._due[0][0] if self._due else inf
                    await self._around.pause(self._wake, due - self._around.now())
        finally:
            self._is_running = False
            self._give_up()  # where nothing was drained: nobody makes these attempts any more

    async def drain(self, within: float) -> None:
        """Try what is due once more, then give up what is pending; in so many seconds."""
        for lane in list(self._lanes):
            self._mark(lane)
        with anyio.move_on_after(within):
            while self._is_running and self._has_work:
                self._settled = anyio.Event()
                await self._settled.wait()
        given_up = self.counts["pending"]
        self._give_up()
        if given_up:
            _logger.warning("the server stops, and gives up %d webhook deliveries", given_up)

    @property
    def _is_full(self) -> bool:
        return len(self._lanes) >= self._most or self._ledger.store.is_full

    @property
    def _has_work(self) -> bool:
        is_due = bool(self._due) and self._due[0][0] <= self._around.now()
        return bool(self._news) or is_due or not self._places.is_idle

    def _follow(self, journal: Journal, target: Target) -> None:
        lane = Lane(target, self._ledger, journal)
        self._lanes[lane] = inf
        self._mark(lane)
        watcher = self._watchers[lane] = Watcher(self._hub, partial(self._mark, lane))
        watcher.attach(Subscription(Filter(types=frozenset(target.webhook.events)), journal))

    def _give_up(self) -> None:
        for lane in list(self._lanes):
            lane.give_up()
            self._leave(lane)
        self._places = Places()  # what is still under way is nobody's concern
        self._due.clear()
        self._news.clear()

    def _hasten(self, delivery: Delivery) -> None:
        for lane in self._lanes:
            if lane.current is delivery and not lane.is_in_flight:
                lane.hasten(self._around.now())
                self._mark(lane)

    def _mark(self, lane: Lane) -> None:
        """There is news, to be looked at before long."""
        self._news[lane] = None
        self._wake.set()

    def _begin(self) -> list[tuple[Lane, Delivery]]:
        """Begin the attempts that are due, as far as there are places."""
        now = self._around.now()
        news, self._news = self._news, {}
        for lane in news:
            if lane in self._lanes:
                lane.look(now)
                self._schedule(lane)
        while self._due and self._due[0][0] <= now:
            due, _, lane = heappop(self._due)
            if self._lanes.get(lane) == due:
                self._places.wait(lane)
        begun = []
        for lane in self._places.let_in():
            delivery = lane.take(now) if lane in self._lanes else None
            if delivery is not None:
                self._lanes[lane] = inf
                begun.append((lane, delivery))
                continue
            self._places.give_back(lane)
            if lane in self._lanes and not lane.is_in_flight:
                self._lanes[lane] = inf
                self._schedule(lane)
        return begun

    def _schedule(self, lane: Lane) -> None:
        """Come back to it when it is due; forget it if nothing can come any more."""
        if lane.is_over:
            self._leave(lane)
        elif lane.due != self._lanes[lane] and not lane.is_in_flight:
            self._lanes[lane] = lane.due
            if lane.due < inf:
                heappush(self._due, (lane.due, next(self._serial), lane))

    def _leave(self, lane: Lane) -> None:
        del self._lanes[lane]
        if (watcher := self._watchers.pop(lane, None)) is not None:
            watcher.leave()

    async def _send(self, lane: Lane, delivery: Delivery) -> None:
        outcome = await self._attempt(delivery)
        lane.settle(outcome, self._around.now(), self._around.chance())
        self._places.give_back(lane)
        if lane in self._lanes:
            self._schedule(lane)
        if delivery.state in ("dead", "gone"):
            self._tell_of(delivery, outcome)
        self._wake.set()
        self._settled.set()

    async def _attempt(self, delivery: Delivery) -> Outcome:
        utc = self._around.utc()
        target, body = delivery.target, delivery.body
        fields = {"content-type": "application/json", "user-agent": _AGENT}
        try:
            fields |= signed(delivery.id, utc, body, target.webhook.secrets)
            answer = await self._sender.post(target.url, fields, body)
        except Exception as error:  # whatever it is, it is tried again
            return Outcome(None, explained(error))
        return _judged(answer, utc)

    def _tell_of(self, delivery: Delivery, outcome: Outcome) -> None:
        where = shown(delivery.target.webhook.url)
        _logger.warning(
            "operation %s: the webhook %s is %s: %s",
            delivery.operation,
            where,
            delivery.state,
            outcome.error,
        )
        if delivery.state == "gone" and delivery.target is self._server:
            self._server = None
            _logger.error("the server's own webhook is gone: nothing more is sent there")


def _judged(answer: Answer, utc: float) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Outcome(status, None)
    error = "a redirect is not followed" if 300 <= status < 400 else f"it answered {status}"
    return Outcome(status, error, asked_to_wait(answer.retry_after, utc))


def _server_target(given: WebhookSettings, rules: Rules) -> Target | None:
    if given.url is None:
        return None
    webhook = Webhook(given.url, list(given.secret) or None, list(given.events))
    try:
        return Target.checked(webhook, rules)._replace(is_own=True)
    except InvalidParams as error:
        [(pointer, detail)] = error.errors
        raise SettingsError(f"webhooks.{pointer.rpartition('/')[2]}: {detail}") from None
