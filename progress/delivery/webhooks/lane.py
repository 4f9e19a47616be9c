"""One target of one operation: what is to be sent to it next, one delivery at a time.

What that is is read from the operation's snapshot when it can be sent, so a newer state takes the
place of one that was not sent yet, and nothing waits in a queue. It knows no wire and no clock.
"""

from __future__ import annotations

from math import inf
from typing import Literal, NamedTuple

from msgspec import Raw

from progress.core.event import OperationProgress, State
from progress.core.frames import encode
from progress.core.journal import Journal
from progress.core.operation import Snapshot

from .deliveries import Delivery, Ledger
from .schedule import held_back, next_attempt
from .target import Target

__all__ = ["Lane", "Outcome"]

_PROGRESS = "operation.progress"
_PACE = 1.0
"""Seconds between two deliveries of progress."""

_GONE = 410


class Outcome(NamedTuple):
    """What came of an attempt."""

    status: int | None
    error: str | None
    """None if it was taken."""
    wait: float = 0.0
    """Seconds that the receiver asks for."""


class Lane:
    """Decides; whoever has it sends. Times are seconds of a clock that never goes back."""

    def __init__(self, target: Target, ledger: Ledger, journal: Journal | None = None) -> None:
        self.target = target
        self.due = inf
        """When it has something to send; never, while nothing is pending."""
        self.current: Delivery | None = None
        """What is pending."""
        self.is_in_flight = False
        self._ledger = ledger
        self._journal = journal
        self._snapshot: Snapshot | None = None
        self._state: State | None = None  # the newest with a delivery
        self._progress: OperationProgress | None = None  # the newest in a body
        self._next_progress = 0.0
        self._held_until = 0.0  # by the receiver
        self._tries = 0
        self._began = 0.0

    @classmethod
    def again(cls, delivery: Delivery, ledger: Ledger, now: float) -> Lane:
        """One that sends a delivery again that was given up, and nothing else."""
        lane = cls(delivery.target, ledger)
        lane.current, lane.due = delivery, now
        return lane

    @property
    def is_over(self) -> bool:
        """Whether nothing can come any more."""
        return self._journal is None and self.current is None

    def look(self, now: float) -> None:
        """See what the operation has come to; what is under way is not touched."""
        if self.is_in_flight or self._journal is None:
            return
        snapshot = self._snapshot = self._journal.snapshot
        if snapshot.ended:
            self._journal = None  # which nobody else may keep any more
        if snapshot.state is not self._state:
            self._state = snapshot.state
            self._replace()
            self._open(f"operation.{snapshot.state}", now, self._held_until)
        elif self._has_progress(snapshot) and self.current is None:
            self._open(_PROGRESS, now, max(self._held_until, self._next_progress))

    def hasten(self, now: float) -> None:
        """Have what is pending tried now, whatever the receiver asked for; its schedule goes on."""
        if self.current is not None:
            self._held_until = 0.0
            self.due = now
            self._ledger.delay(self.current, 0.0)

    def take(self, now: float) -> Delivery | None:
        """Begin an attempt at what is due; None if nothing is."""
        self.look(now)
        delivery, snapshot = self.current, self._snapshot
        if delivery is None or self.due > now or self.is_in_flight:
            return None
        is_stale = delivery.type == _PROGRESS and delivery.body
        if is_stale and snapshot is not None and self._has_progress(snapshot):
            # Its place in the schedule stays: the receiver is not there, whatever is sent.
            self._replace()
            delivery = self.current = self._ledger.open(self.target, _PROGRESS, snapshot)
        if not delivery.body and snapshot is not None:
            if delivery.type == _PROGRESS:
                self._next_progress = now + _PACE
            self._progress = snapshot.progress
            self._ledger.fix(delivery, _body(delivery.type, snapshot), snapshot)
        if not self._tries:
            self._began = now
        self._tries += 1
        self.is_in_flight = True
        return delivery

    def settle(self, outcome: Outcome, now: float, chance: float) -> None:
        """End the attempt; `chance` is from 0 to 1."""
        self.is_in_flight = False
        if self.current is None:
            return  # it was given up meanwhile
        self._ledger.tried(self.current, outcome.status, outcome.error)
        if outcome.error is None:
            self._close("delivered")
        elif outcome.status == _GONE:
            self._journal = None
            self._close("gone")
        else:
            self._held_until = now + held_back(self._began, now, outcome.wait)
            due = next_attempt(self._tries, self._began, now, chance, outcome.wait)
            if due is None:
                self._close("dead")
            else:
                self._set_due(due, now)
        self.look(now)

    def give_up(self) -> None:
        """End what is pending as it is; it can be sent again."""
        self._journal = None
        if self.current is not None and self._snapshot is not None and not self.current.body:
            self._ledger.fix(self.current, _body(self.current.type, self._snapshot), self._snapshot)
        if self.current is not None:
            self._close("dead")

    def _has_progress(self, snapshot: Snapshot) -> bool:
        wants = self.target.webhook.wants_progress and not snapshot.ended
        return wants and snapshot.progress is not self._progress

    def _open(self, type: str, now: float, at: float) -> None:
        if self._snapshot is not None:
            self.current = self._ledger.open(self.target, type, self._snapshot)
            self._tries = 0
            self._set_due(max(now, at), now)

    def _set_due(self, due: float, now: float) -> None:
        self.due = due
        if self.current is not None and due > now:
            self._ledger.delay(self.current, due - now)

    def _replace(self) -> None:
        if self.current is not None:
            self._ledger.close(self.current, "replaced")
            self.current = None

    def _close(self, state: Literal["delivered", "dead", "gone"]) -> None:
        if self.current is not None:
            self._ledger.close(self.current, state)
        self.current = None
        self.due = inf


def _body(type: str, snapshot: Snapshot) -> bytes:
    data = {"operation": Raw(encode(snapshot))}
    return encode({"type": type, "timestamp": snapshot.updated_at, "data": data})
