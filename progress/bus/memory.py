"""The embedded default: journals in this process's memory. It never waits and does no I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import takewhile

from msgspec.structs import replace

from progress.core.cursor import Cursor
from progress.core.event import LOSSLESS, Event
from progress.core.frames import Frame
from progress.core.journal import Journal, Losses
from progress.core.operation import Snapshot
from progress.errors import Expired, NotFound
from progress.settings import Limits, Retention

from .protocol import Listener

__all__ = ["MemoryBus"]


class MemoryBus:
    """Keeps the promises of `Bus` for one process, used from its event loop only."""

    def __init__(self, epoch: int, limits: Limits, retention: Retention) -> None:
        """`epoch` is the present time in µs since 1970."""
        self.epoch = epoch
        self.losses = Losses()
        self.bytes = 0
        """Of all lossless events that are kept, the parameters, and the snapshots of what ended."""
        self.listener: Listener = _nobody
        self._limits = limits
        self._retention = retention
        self._n = 0
        self._journals: dict[str, Journal] = {}  # by time of creation
        self._recent: OrderedDict[str, Journal] = OrderedDict()  # by newest cursor
        self._ended: OrderedDict[str, float] = OrderedDict()  # by time of ending
        self._expired: OrderedDict[str, None] = OrderedDict()
        self._now = 0.0

    @property
    def head(self) -> Cursor:
        """The cursor of the newest event of all."""
        return Cursor(self.epoch, self._n)

    @property
    def full(self) -> bool:
        """Whether what has not ended alone is over the bound for all journals."""
        return self.bytes > self._retention.bytes

    def publish(self, event: Event, created: Snapshot | None = None) -> Frame:
        """Give the event the next cursor, fold it into its journal, tell the listener.

        Raises:
            ReportError: the state table does not allow it; nothing has changed then.
        """
        operation = event.operation
        if created is None:
            journal = self.journal(operation)
            before = journal.bytes + journal.payload
        else:
            journal = Journal(created, self._limits.journal, self._limits.journal_bytes)
            before = 0
        frame = journal.append(replace(event, cursor=Cursor(self.epoch, self._n + 1)))
        self._n += 1
        takes_room = created is not None or frame.type in LOSSLESS
        if takes_room:
            self._journals[operation] = self._recent[operation] = journal
            journal.trim(self.losses)
            self.bytes += journal.bytes + journal.payload - before
            if journal.snapshot.ended:
                self._ended[operation] = self._now
        self._recent.move_to_end(operation)
        self.listener(journal, frame)
        if takes_room:
            self._evict()
        return frame

    def journal(self, operation: str) -> Journal:
        """The journal of one operation.

        Raises:
            Expired: it was evicted, not too long ago.
            NotFound: there is none.
        """
        journal = self._journals.get(operation)
        if journal is not None:
            return journal
        if operation in self._expired:
            raise Expired(f"operation {operation} has ended and is no longer kept")
        raise NotFound(f"there is no operation {operation!r}")

    def journals(self) -> Iterator[Journal]:
        """All journals, the newest operation first."""
        return reversed(self._journals.values())

    def changed(self, after: int) -> Iterator[Journal]:
        """The journals with an event after this n, ascending by their newest."""
        newer = takewhile(lambda journal: journal.newest > after, reversed(self._recent.values()))
        return reversed(list(newer))

    def expire(self, now: float) -> None:
        """Let go of what ended too long ago. `now` is in seconds and never goes back."""
        self._now = now
        self._evict()

    def _evict(self) -> None:
        retention = self._retention
        while self._ended:
            operation, ended_at = next(iter(self._ended.items()))
            if not (
                len(self._ended) > retention.operations
                or self.bytes > retention.bytes
                or self._now - ended_at > retention.age
            ):
                return
            del self._ended[operation]
            del self._recent[operation]
            journal = self._journals.pop(operation)
            self.bytes -= journal.bytes + journal.payload
            self.losses.evicted(journal)
            self._expired[operation] = None
            if len(self._expired) > retention.expired:
                self._expired.popitem(last=False)


def _nobody(journal: Journal, frame: Frame) -> None:
    """Nobody listens yet."""
