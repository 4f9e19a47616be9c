"""Random programs of events, failures and pauses against one lane: order, at least once, pace."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from progress.bus import MemoryBus
from progress.core.event import State
from progress.core.operation import TRANSITIONS
from progress.delivery.webhooks import Webhook
from progress.delivery.webhooks.addresses import Addresses
from progress.delivery.webhooks.deliveries import Delivery, Ledger, MemoryStore
from progress.delivery.webhooks.lane import Lane, Outcome
from progress.delivery.webhooks.schedule import LASTS
from progress.delivery.webhooks.target import Rules, Target
from progress.settings import Settings
from tests.support.events import progress, state
from tests.support.snapshots import snapshot

FAILURES = [
    Outcome(None, "no answer"),
    Outcome(500, "it answered 500"),
    Outcome(301, "a redirect"),
    Outcome(429, "too many", 0.5),
    Outcome(503, "later", 100.0),
]
TAKEN = Outcome(204, None)
GONE = Outcome(410, "gone")

TARGET = Target.checked(
    Webhook("https://example.org/", events=["state", "progress"]), Rules(Addresses(()), False)
)


class LaneLaw(RuleBasedStateMachine):
    """A receiver that fails as it likes, and an operation that goes on meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        settings = Settings()
        self.now = 0.0
        self.serial = 0
        self.bus = MemoryBus(1_000, settings.limits, settings.retention)
        self.store = MemoryStore(100_000)
        self.ledger = Ledger(self.store, lambda: self.now)
        self.bus.publish(state("o", State.QUEUED), snapshot("o"))
        self.journal = self.bus.journal("o")
        self.lane = Lane(TARGET, self.ledger, self.journal)
        self.lane.look(self.now)
        self.flying: Delivery | None = None
        self.got: list[tuple[float, str, str, int]] = []
        """When, the id, the type and how far the operation had come, of each attempt."""
        self.bodies: dict[str, bytes] = {}
        self.taken: set[str] = set()
        self.not_before = 0.0
        self.is_gone = False

    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        """The operation is in another state."""
        states = sorted(TRANSITIONS[self.journal.snapshot.state])
        if states:
            self.bus.publish(state("o", data.draw(st.sampled_from(states))))
            self.lane.look(self.now)

    @rule()
    def advance(self) -> None:
        """It gets on."""
        if not self.journal.snapshot.ended:
            self.serial += 1
            self.bus.publish(progress("o", self.serial))
            self.lane.look(self.now)

    @rule(seconds=st.sampled_from([0.1, 0.5, 3.0, 70.0, 8_000.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule()
    def wait_until_due(self) -> None:
        """Just as much as it takes."""
        if self.lane.due < inf:
            self.now = max(self.now, self.lane.due)

    @precondition(lambda self: self.flying is None)
    @rule()
    def begin(self) -> None:
        """Begin an attempt, if one is due."""
        was_due = self.lane.due
        self.flying = self.lane.take(self.now)
        if self.flying is None:
            return
        assert was_due <= self.now or self.flying.attempts == ()
        assert self.now >= self.not_before
        body = self.flying.body
        assert self.bodies.setdefault(self.flying.id, body) == body
        decoded = msgspec.json.decode(body)
        cursor = int(decoded["data"]["operation"]["cursor"].partition("-")[2])
        assert decoded["type"] == self.flying.type
        self.got.append((self.now, self.flying.id, self.flying.type, cursor))

    @precondition(lambda self: self.flying is not None)
    @rule(outcome=st.sampled_from([TAKEN, TAKEN, GONE, *FAILURES, *FAILURES]))
    def end(self, outcome: Outcome) -> None:
        """The attempt is over."""
        assert self.flying is not None
        self.lane.settle(outcome, self.now, 0.0)
        if outcome.error is None:
            self.taken.add(self.flying.id)
        elif outcome is GONE:
            self.is_gone = True
        else:
            self.not_before = self.now + min(outcome.wait, LASTS)
        self.flying = None

    @invariant()
    def order_is_kept(self) -> None:
        """What is sent never goes back, and what was taken does not come again."""
        cursors = [cursor for _, _, _, cursor in self.got]
        assert cursors == sorted(cursors)
        states = {(id, type) for _, id, type, _ in self.got if not type.endswith("progress")}
        assert len(states) == len({type for _, type in states})

    @invariant()
    def progress_keeps_its_pace(self) -> None:
        """There is a second between the first attempts of two that were not in need of a retry."""
        firsts = {id: at for at, id, type, _ in reversed(self.got) if "progress" in type}
        times = sorted(firsts.values())
        assert all(later - earlier >= 1.0 for earlier, later in pairwise(times))

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """The newest state was taken, or is pending, or was given up after three days, or gone."""
        newest = f"operation.{self.journal.snapshot.state}"
        found = [one for one in self.store.of("o") if one.type == newest]
        if self.is_gone:
            assert self.lane.is_over
            return
        if self.flying is None:
            assert found
            assert found[-1].state in ("pending", "delivered", "dead")
            assert (found[-1].state == "delivered") == (found[-1].id in self.taken)
            assert found[-1].state != "dead" or len(found[-1].attempts) == 10

    @invariant()
    def counts_agree(self) -> None:
        """Nothing pending is uncounted."""
        pending = [one for one in self.store.of("o") if one.state == "pending"]
        assert self.ledger.counts["pending"] == len(pending) <= 1
        assert (self.lane.current is None) == (not pending)
        assert (self.lane.due == inf) == (not pending)

    def teardown(self) -> None:
        """Once the receiver takes everything, the end arrives."""
        if self.flying is not None:
            self.end(TAKEN)
        if self.journal.snapshot.state is State.QUEUED:
            self.bus.publish(state("o", State.RUNNING))
        if not self.journal.snapshot.ended:
            self.bus.publish(state("o", State.SUCCEEDED))
        self.lane.look(self.now)
        for _ in range(3):
            self.wait_until_due()
            self.begin()
            if self.flying is not None:
                self.end(TAKEN)
        assert self.lane.is_over
        self.nothing_is_forgotten()


TestLaneLaw = LaneLaw.TestCase
