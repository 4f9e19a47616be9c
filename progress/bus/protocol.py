"""What a bus promises. It knows neither the work nor the readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

from progress.core.cursor import Cursor
from progress.core.event import Event
from progress.core.frames import Frame
from progress.core.journal import Journal, Losses
from progress.core.operation import Snapshot

__all__ = ["Bus", "Listener"]

Listener: TypeAlias = Callable[[Journal, Frame], None]
"""Called once for each event, in cursor order, before `publish` returns. It must not raise."""


class Bus(Protocol):
    """One order over the events of all operations.

    Order: cursors count 1, 2, 3 … without holes, within one epoch. Loss: only by trimming and
    eviction, and both are counted. Nothing here waits, and nothing fails because of a reader.
    """

    losses: Losses
    listener: Listener

    @property
    def head(self) -> Cursor:
        """The cursor of the newest event of all."""

    @property
    def full(self) -> bool:
        """Whether what has not ended alone is over the bound for all journals."""

    def publish(self, event: Event, created: Snapshot | None = None) -> Frame:
        """Give the event the next cursor, fold it into its journal, tell the listener.

        `created` opens the journal with an operation's first event.
        """

    def journal(self, operation: str) -> Journal:
        """The journal of one operation.

        Raises:
            Expired: it was evicted, not too long ago.
            NotFound: there is none.
        """

    def journals(self) -> Iterator[Journal]:
        """All journals, the newest operation first."""

    def changed(self, after: int) -> Iterator[Journal]:
        """The journals with an event after this n, ascending by their newest."""
