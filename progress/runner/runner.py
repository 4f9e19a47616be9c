"""The Runner: starts, stops and ends operations, and tends those that run."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from threading import get_ident
from typing import TypeVar

import anyio
from anyio import CancelScope, CapacityLimiter, Event, from_thread, to_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import EventLoopToken, current_token
from msgspec import Raw

from progress.bus import Bus
from progress.core.event import State
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.core.report import Line
from progress.errors import Busy, Draining, Ended, NotRunning
from progress.settings import Settings

from .drafts import Draft, Drafts
from .elsewhere import Elsewhere
from .ending import Ending, failed, stopped, succeeded, survive
from .external import external
from .kinds import Bounds, Kind, Kinds
from .operation import Operation
from .reporter import Reporter

__all__ = ["Runner"]

_T = TypeVar("_T")

_TICK = 0.05
"""Seconds between two sweeps: half of the pace of progress events, so none waits for 200 ms."""

_POSITIONS = 1.0
"""Seconds between two rounds of queue positions: each may be an event for a thousand."""


class Runner:
    """Runs operations in a task group, with limits, a queue, timeouts and cancellation."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self.kinds = Kinds()
        self.kinds.register(external, None, Bounds(), is_external=True)
        self.draining = False
        """Nothing is started any more."""
        self._bus = bus
        self._settings = settings
        self._queue: dict[str, Operation] = {}
        self._running: dict[str, Operation] = {}
        self._kinds_running: Counter[str] = Counter()
        self._elsewhere = Elsewhere(bus, settings)
        self._tasks: TaskGroup | None = None
        self._busy = self._idle = Event()
        self._token: EventLoopToken | None = None
        self._thread = 0
        self._positions_at = 0.0
        self._drafts = Drafts(settings.limits.labels)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Be able to run operations inside this block; stop them all at its end."""
        self.draining = False
        self._busy, self._idle = Event(), Event()
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            self._token, self._thread = current_token(), get_ident()
            tasks.start_soon(self._keep_time)
            try:
                yield
            finally:
                with CancelScope(shield=True):
                    await self.drain(self._settings.timing.grace / 2)
                self._tasks = self._token = None
                tasks.cancel_scope.cancel()

    def draft(self, kind: str, params: bytes | Raw, labels: Mapping[str, str]) -> Draft:
        """Check all that can be checked before an operation exists.

        Raises:
            NotRunning, Draining, Busy, UnknownKind, Malformed, InvalidParams: as named.
        """
        self._admit()
        found = self.kinds[kind]
        self._admit_kind(found)
        position = None if found.is_external else len(self._queue) + 1
        return self._drafts.draft(found, params, labels, position)

    def call(self, function: Callable[..., _T], *args: object) -> _T:
        """Run a function on the event loop's thread, wherever this is called."""
        if self._token is None or get_ident() == self._thread:
            return function(*args)
        return from_thread.run_sync(function, *args, token=self._token)

    def start(self, draft: Draft) -> Snapshot:
        """Start a draft, or queue it; return its snapshot.

        Raises:
            NotRunning, Draining, Busy: there may be no room any more.
        """
        self._admit()
        self._admit_kind(draft.kind)
        snapshot = draft.snapshot
        if draft.kind.is_external:
            self._elsewhere.start(draft)
        else:
            operation = Operation(snapshot.id, draft.kind, draft.values, self._bus, self._settings)
            self._queue[operation.id] = operation
            operation.enqueue(snapshot)
            self._pump()
        self._busy.set()
        return self._bus.journal(snapshot.id).snapshot

    def cancel(self, id: str) -> Snapshot:
        """Stop an operation; ask again and nothing more happens. Return its snapshot.

        Raises:
            NotFound, Expired, Ended: as named.
        """
        journal = self._bus.journal(id)
        if journal.snapshot.ended:
            raise Ended(id, journal.snapshot.state)
        if id in self._queue:
            self._queue.pop(id).end(State.CANCELLED)
            self._pump()
        elif id not in self._running:
            self._elsewhere.cancel(id)
        elif not self._running[id].stopping:
            self._running[id].stop("cancelled")
        return journal.snapshot

    def report(self, journal: Journal, line: Line | None = None) -> None:
        """Take one line of who runs an operation elsewhere; without a line, that it still lives.

        Raises:
            Conflict: the operation runs here, or that cannot come now; nothing has changed.
            Ended: it is over.
            TooLarge: over a bound of `settings.limits`; nothing has changed.
            InvalidParams: an output or a result nests too deeply; nothing has changed.
        """
        self._elsewhere.report(journal, line)

    def listening(self, journal: Journal) -> AbstractContextManager[CancelScope]:
        """Wait for lines in such a block: it is left a moment after the operation's end."""
        return self._elsewhere.listening(journal)

    async def drain(self, within: float) -> None:
        """Start nothing more, stop all that runs, and return when it has, or after so long."""
        self.draining = True
        for operation in list(self._queue.values()):
            del self._queue[operation.id]
            operation.stopping = "shutdown"
            operation.end(*stopped(operation))
        self._elsewhere.drain()
        for operation in list(self._running.values()):
            if not operation.stopping:
                operation.stop("shutdown")
        if self._running:
            if self._idle.is_set():
                self._idle = Event()
            with anyio.move_on_after(within):
                await self._idle.wait()
        for operation in list(self._running.values()):
            self._leave_behind(operation)

    def _admit(self) -> None:
        if self.draining:
            raise Draining
        if self._tasks is None:
            raise NotRunning
        if self._bus.full:
            raise Busy("the operations that run fill the memory set aside for them")

    def _admit_kind(self, kind: Kind) -> None:
        if kind.is_external:
            self._elsewhere.admit()
        elif not self._has_room(kind) and len(self._queue) >= self._settings.limits.queued:
            raise Busy(f"{len(self._queue)} operations are waiting already; try again later")

    def _pump(self) -> None:
        """Start what may start, first come first served within what its kind allows."""
        if self._tasks is None:
            return
        for operation in list(self._queue.values()):
            if len(self._running) >= self._settings.limits.running:
                return
            if not self._has_room(operation.kind):
                continue
            del self._queue[operation.id]
            self._running[operation.id] = operation
            self._kinds_running[operation.kind.name] += 1
            operation.start()
            start = partial(self._tasks.start_soon, name=f"operation {operation.id}")
            operation.context.run(start, self._run, operation)

    def _has_room(self, kind: Kind) -> bool:
        """Whether one more of this kind could run at once."""
        limit = kind.bounds.limit
        return len(self._running) < self._settings.limits.running and (
            limit is None or self._kinds_running[kind.name] < limit
        )

    async def _run(self, operation: Operation) -> None:
        ending: Ending | None = None
        try:
            with operation.scope, survive(operation):
                ending = await self._perform(operation)
        except anyio.get_cancelled_exc_class():
            pass  # by itself, or with the whole task group: it is over, and nothing comes after it
        finally:
            self._end(operation, ending or stopped(operation))

    async def _perform(self, operation: Operation) -> Ending:
        pen = Reporter(operation)
        pen.activate()
        call = partial(operation.kind.function, pen, **operation.params)
        try:
            if operation.kind.is_async:
                result = await call()  # type: ignore[misc] # is_async says so
            else:
                result = await to_thread.run_sync(
                    # Not anyio's 40 for everybody: `limits.running` is the bound here.
                    _in_thread,
                    call,
                    abandon_on_cancel=True,
                    limiter=CapacityLimiter(1),
                )
            return succeeded(operation, result)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            return failed(operation, error)

    def _end(self, operation: Operation, ending: Ending) -> None:
        if not operation.ended:  # else it was left behind, and has come to its end after all
            with survive(operation):
                if ending.state is State.CANCELLED and not operation.stopping:
                    operation.stop("cancelled")  # it cancelled itself
                operation.end(*ending)
        self._forget(operation)

    def _forget(self, operation: Operation) -> None:
        if self._running.pop(operation.id, None) is None:
            return
        self._kinds_running[operation.kind.name] -= 1
        if not self._running:
            self._idle.set()
        self._pump()

    def _leave_behind(self, operation: Operation) -> None:
        """End an operation whose function does not end: nothing can stop a thread, or a shield."""
        operation.log("it did not stop in time and was left behind", "warning", None)
        self._end(operation, stopped(operation))
        operation.scope.cancel()

    def _tend(self, operation: Operation, now: float) -> None:
        operation.sweep(now)
        bounds = operation.kind.bounds
        if operation.stopping:
            if now >= operation.stop_by:
                self._leave_behind(operation)
        elif bounds.timeout is not None and now - operation.started_at >= bounds.timeout:
            operation.stop("timeout")
        elif bounds.stall is not None and now - operation.reported_at >= bounds.stall:
            operation.stop("stalled")

    async def _keep_time(self) -> None:
        while True:
            if not (self._running or self._queue or self._elsewhere):
                self._busy = Event()
            await self._busy.wait()
            await anyio.sleep(min(_TICK, self._settings.timing.report / 2))
            self._sweep(anyio.current_time())

    def _sweep(self, now: float) -> None:
        for operation in list(self._running.values()):
            if operation.due_at <= now or operation.stopping or operation.kind.bounds.limits_time:
                with survive(operation):
                    self._tend(operation, now)
                if operation.ended:
                    self._forget(operation)
        self._elsewhere.sweep(now)
        if now - self._positions_at >= _POSITIONS:
            self._positions_at = now
            for position, operation in enumerate(self._queue.values(), 1):
                operation.move_up(position)


def _in_thread(call: partial[object]) -> object:
    try:
        return call()
    except StopIteration as error:  # a future cannot carry it; a coroutine does the same (PEP 479)
        raise RuntimeError("the operation function raised StopIteration") from error
