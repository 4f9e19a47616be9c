"""The operations that others run: started at once, reported of by lines, lost with their lease."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import anyio
from anyio import CancelScope

from progress.bus import Bus
from progress.core.event import State
from progress.core.journal import Journal
from progress.core.report import Line
from progress.errors import Busy, Conflict, Ended
from progress.settings import Settings

from .drafts import Draft
from .ending import Ending, survive
from .external import External, external

__all__ = ["Elsewhere"]


class Elsewhere:
    """Those that have not ended. No task of this process belongs to them."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus = bus
        self._settings = settings
        self._running: dict[str, External] = {}
        self._seqs: WeakKeyDictionary[Journal, int] = WeakKeyDictionary()
        """The highest number taken of each that is numbered. They may end at any time."""

    def __len__(self) -> int:
        return len(self._running)

    def admit(self) -> None:
        """Let one more come.

        Raises:
            Busy: there are as many as may be.
        """
        if len(self._running) >= self._settings.limits.external:
            raise Busy("as many operations run elsewhere as may; try again later")

    def start(self, draft: Draft) -> None:
        """Publish that it runs: whoever asked for it does that."""
        snapshot = draft.snapshot
        operation = External(snapshot.id, draft.kind, draft.values, self._bus, self._settings)
        self._running[operation.id] = operation
        operation.enqueue(snapshot)
        operation.start()

    def cancel(self, id: str) -> None:
        """Ask one to stop; ask again and nothing more happens."""
        operation = self._running[id]
        if not operation.stopping:
            operation.stop("cancelled")

    def report(self, journal: Journal, line: Line | None) -> None:
        """Take one line; without a line, that its reporter lives.

        Raises:
            Conflict: the operation runs here, or that cannot come now; nothing has changed.
            Ended: it is over.
            TooLarge, InvalidParams: as `External.take`.
        """
        snapshot = journal.snapshot
        operation = self._running.get(snapshot.id)
        if operation is not None:
            operation.renew(anyio.current_time())
            if line is not None:
                self._take(operation, journal, line)
        elif snapshot.kind != external.__name__:
            raise Conflict(f"operation {snapshot.id} runs here: nobody else reports of it")
        elif line is not None and not self._was_taken(journal, line):
            raise Ended(snapshot.id, snapshot.state)

    @contextmanager
    def listening(self, journal: Journal) -> Iterator[CancelScope]:
        """Wait for lines in this block; it is left a moment after the operation's end."""
        operation = self._running.get(journal.snapshot.id)
        with CancelScope() as scope:
            if operation is None:
                yield scope
                return
            operation.listeners.add(scope)
            try:
                yield scope
            finally:
                operation.listeners.discard(scope)

    def drain(self) -> None:
        """Lose them all: nobody here will know how they go on."""
        for operation in list(self._running.values()):
            self._end(operation, Ending(State.LOST))

    def sweep(self, now: float) -> None:
        """Send what had to wait; lose those of which nothing is heard."""
        for operation in list(self._running.values()):
            if operation.due_at <= now:
                with survive(operation):
                    operation.sweep(now)
            if operation.is_lost(now) or operation.ended:
                self._end(operation, Ending(State.LOST))

    def _take(self, operation: External, journal: Journal, line: Line) -> None:
        ending = operation.take(line)
        if operation.seq:
            self._seqs[journal] = operation.seq
        if ending is not None:
            self._end(operation, ending)

    def _end(self, operation: External, ending: Ending) -> None:
        if not operation.ended:
            with survive(operation):
                if ending.state is State.CANCELLED and not operation.stopping:
                    operation.stop("cancelled")  # it cancelled itself
                operation.end(*ending)
        self._running.pop(operation.id, None)

    def _was_taken(self, journal: Journal, line: Line) -> bool:
        return line.seq is not None and line.seq <= self._seqs.get(journal, 0)
