"""A bus and a hub with a random history, and what is owed to whoever reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from msgspec import Raw
from msgspec.structs import asdict, replace

from progress.bus import MemoryBus
from progress.core.cursor import ZERO, Cursor
from progress.core.event import (
    LOSSLESS,
    TYPES,
    Event,
    OutputEvent,
    State,
)
from progress.core.filter import Filter
from progress.core.frames import SnapshotNotice, decode, encode
from progress.core.journal import Journal
from progress.core.operation import TRANSITIONS, Snapshot, fold
from progress.hub import Hub
from progress.settings import Limits, Retention, Settings

from .events import log, progress, state
from .snapshots import TIME, snapshot
from .view import View

__all__ = ["BACK", "LARGEST", "SETTINGS", "Claim", "Desk", "World"]

SETTINGS = Settings(
    limits=Limits(journal=5, journal_bytes=1024, event=1024, sink=2048),
    retention=Retention(operations=2, age=50.0),
)

LARGEST = 1_000
"""Bytes of the largest frame there is here."""

BACK = st.one_of(st.none(), st.integers(-1, 9), st.just(1_000))
"""How many events before the present a client begins."""

_REPORTS = st.tuples(
    st.sampled_from([*TYPES, "progress", "progress"]),
    st.sampled_from([None, "one", "two"]),
    st.integers(0, 300),
)
"""An event's type, the step of a progress event, and the length of a log line."""

_NOTHING: frozenset[str] = frozenset()


class Desk:
    """Permits by a fixed rule; each is there once somebody has seen to it."""

    def __init__(self) -> None:
        self.asked: dict[str, None] = {}
        """Operations that wait for an answer, in the order of asking."""
        self._answered: set[str] = set()
        self._open = True

    @staticmethod
    def permits(operation: str) -> bool:
        """The rule."""
        return not operation.endswith("3")

    def get(self, journal: Journal) -> bool | None:
        """The answer, where it has been given."""
        id = journal.snapshot.id
        if self._open and id not in self._answered:
            self.asked[id] = None
            return None
        return self.permits(id)

    def answer(self, operation: str) -> None:
        """See to one."""
        del self.asked[operation]
        self._answered.add(operation)

    def answer_all(self) -> None:
        """See to all, those of later operations, too."""
        self._open = False
        self.asked.clear()


class Claim:
    """What one stream, or one subscription, owes its client."""

    def __init__(self, filter: Filter, operation: str | None, *, guarded: bool) -> None:
        self.filter = filter
        self.operation = operation
        """Where it is of one."""
        self.guarded = guarded and operation is None
        """Whether a desk permits what it is shown."""
        self.owed_from = 0
        """Lossless events of this epoch after this n are owed."""

    def types(self, present: Snapshot) -> Set[str]:
        """Of that operation's events: those it is shown, perhaps none."""
        if self.operation is not None:
            shown = present.id == self.operation
        else:
            shown = not self.filter.kinds or present.kind in self.filter.kinds
            shown = shown and (not self.guarded or Desk.permits(present.id))
        return self.filter.types if shown else _NOTHING

    def begin(self, after: Cursor | None, head: Cursor, *, again: bool) -> None:
        """Note from where on events are owed to who comes with that cursor."""
        if after is None:
            self.owed_from = head.n
        elif after != ZERO and (after.epoch != head.epoch or after.n > head.n):
            self.owed_from = 0
        elif not again:
            self.owed_from = after.n

    def owes(self, journal: Journal) -> bool:
        """Whether the client has to hold that operation in the end."""
        past = journal.snapshot.ended and journal.newest <= self.owed_from
        return bool(self.types(journal.snapshot)) and (self.operation is not None or not past)


class World(RuleBasedStateMachine):
    """Random programs of publishing, trimming and evicting. A subclass adds those who read."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.serial = 0
        self.begin(1_000)

    def begin(self, epoch: int) -> None:
        """Begin a history."""
        self.bus = MemoryBus(epoch, SETTINGS.limits, SETTINGS.retention)
        self.hub = Hub(self.bus, SETTINGS)
        self.history: list[tuple[int, str, Event]] = []
        self.created: dict[str, Snapshot] = {}
        self.journals: dict[str, Journal] = {}
        """Those of evicted operations, too."""
        self.start("a")

    def restart(self, epoch: int) -> None:
        """The process dies and another one starts, with its clock where it likes."""
        self.serial += 1
        self.begin(epoch + self.serial)  # no two histories begin in the same microsecond

    def cursor(self, back: int | None) -> Cursor | None:
        """None, or so many events back: the beginning at most, and -1 is the future."""
        if back is None:
            return None
        n = self.bus.head.n - back
        return Cursor(self.bus.epoch, n) if n > 0 else ZERO

    def as_of(self, after: Cursor | None, claim: Claim) -> dict[str, Snapshot]:
        """What a client with that cursor holds."""
        held: dict[str, Snapshot] = {}
        if after is None or after > self.bus.head:
            return held
        for at, _, event in self.history[: after.n]:
            id = event.operation
            placed = replace(event, cursor=Cursor(self.bus.epoch, at))
            if claim.types(self.created[id]):
                held[id] = fold(held.get(id, self.created[id]), placed)
        return held

    @rule(kind=st.sampled_from("ab"))
    def start(self, kind: str) -> None:
        """Begin an operation."""
        self.serial += 1
        id = f"operation-{self.serial}"
        self.created[id] = snapshot(id, kind)
        self._publish(state(id, State.QUEUED), self.created[id])
        self.journals[id] = self.bus.journal(id)

    @rule(data=st.data(), reports=st.lists(_REPORTS, min_size=1, max_size=6))
    def report(self, data: st.DataObject, reports: list[tuple[str, str | None, int]]) -> None:
        """In one turn of the event loop."""
        for type, step, size in reports:
            running = [id for id, journal in self.journals.items() if not journal.snapshot.ended]
            if not running:
                self.start("a")
                continue
            self._report(data, data.draw(st.sampled_from(running)), type, step, size)

    @rule()
    def end_turn(self) -> None:
        """The event loop goes on."""
        self.hub.flush()

    @rule(seconds=st.sampled_from([0.5, 5.0, 60.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.bus.expire(self.now)
        self.hub.tick(self.now)

    def check(self, view: View, claims: Sequence[Claim]) -> None:
        """Insist on the law, once it is quiet."""
        self._check_snapshots(view, claims)
        self._check_forgotten(view, claims)
        self._check_lossless(view, claims)

    def is_kept(self, operation: str) -> bool:
        """Whether an operation of this history has not been evicted."""
        return any(journal.snapshot.id == operation for journal in self.bus.journals())

    def _report(self, data: st.DataObject, id: str, type: str, step: str | None, size: int) -> None:
        self.serial += 1
        match type:
            case "state":
                states = sorted(TRANSITIONS[self.journals[id].snapshot.state])
                self._publish(state(id, data.draw(st.sampled_from(states))))
            case "progress":
                self._publish(progress(id, self.serial, step))
            case "log":
                self._publish(log(id, f"line {self.serial}: {'x' * size}"))
            case _:
                output = Raw(b"%d" % self.serial)
                self._publish(OutputEvent(operation=id, time=TIME, data=output))

    def _publish(self, event: Event, created: Snapshot | None = None) -> None:
        frame = self.bus.publish(event, created)
        self.history.append((frame.n, frame.type, event))

    def _check_snapshots(self, view: View, claims: Iterable[Claim]) -> None:
        for journal in self.bus.journals():
            id = journal.snapshot.id
            if owing := [claim for claim in claims if claim.owes(journal)]:
                assert id in view.snapshots
                types = set[str]().union(*(claim.types(journal.snapshot) for claim in owing))
                if types.issuperset(TYPES):
                    assert view.snapshots[id] == _as_received(journal)

    def _check_forgotten(self, view: View, claims: Iterable[Claim]) -> None:
        """Whatever it still holds is what the server has, or has had in the end."""
        for id, held in view.snapshots.items():
            if any(claim.types(held) for claim in claims):
                assert id in self.journals, "it is of another history"
                assert held.state is self.journals[id].snapshot.state

    def _check_lossless(self, view: View, claims: Sequence[Claim]) -> None:
        missing: Counter[str] = Counter()
        for n, type, event in self.history:
            journal = self.journals[event.operation]
            owed = type in LOSSLESS and any(
                n > claim.owed_from and type in claim.types(journal.snapshot) for claim in claims
            )
            if owed and Cursor(self.bus.epoch, n) not in view.lossless:
                retained = any(frame.n == n for frame in journal.frames)
                assert not retained or not self.is_kept(event.operation)
                missing[type] += 1
        # A gap of another reason than `trimmed` says that something is missing, not how much.
        if all(gap.missed is not None for gap in view.gaps):
            counted: Counter[str] = Counter()
            for gap in view.gaps:
                counted.update({} if gap.missed is None else asdict(gap.missed))
            assert all(count <= counted[type] for type, count in missing.items())


def _as_received(journal: Journal) -> Snapshot:
    """The server's snapshot after a trip over the wire, where 2 and 2.0 are the same."""
    message = decode(encode(journal.notice()))
    assert isinstance(message, SnapshotNotice)
    return message.snapshot
