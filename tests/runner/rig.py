"""A real Runner, MemoryBus and Hub, with everything that it ever published in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar

import anyio
import pytest
import trio.testing

from progress import Reporter, Settings
from progress.bus import MemoryBus
from progress.core.event import Event, LogEvent, OutputEvent, ProgressEvent, StateEvent
from progress.core.frames import Frame, decode
from progress.core.journal import Journal
from progress.core.operation import Snapshot
from progress.hub import Hub
from progress.runner import Runner
from progress.runner.codec import to_raw
from progress.runner.kinds import Bounds, Function

E = TypeVar("E", bound=Event)

NO_BOUNDS = Bounds()

PATIENCE = 8.0
"""Seconds a test waits for what has to come; on a mock clock more of them cost nothing."""


class Heard(NamedTuple):
    """An event, and when it was published."""

    at: float
    event: Event


class Rig:
    """The Runner under test, put together as `Progress` does it.

    `heard` is the whole history, of every operation.
    """

    def __init__(self, settings: Settings, patience: float) -> None:
        self.bus = MemoryBus(1_000_000, settings.limits, settings.retention)
        self.runner = Runner(self.bus, settings)
        self.heard: list[Heard] = []
        self.created: dict[str, Snapshot] = {}
        """What each operation was before its first event."""
        self._patience = patience
        self._news = anyio.Event()
        self.hub = Hub(self.bus, settings)
        self._fan_out = self.bus.listener
        self.bus.listener = self._hear

    def kind(self, function: Function, name: str | None = None, bounds: Bounds = NO_BOUNDS) -> str:
        """Register a function; return the name of the kind."""
        self.runner.kinds.register(function, name, bounds)
        return name or str(function.__name__)

    def start(self, kind: str, **params: object) -> str:
        """Start an operation; return its id."""
        draft = self.runner.draft(kind, to_raw(params), {})
        self.created[draft.snapshot.id] = draft.snapshot
        return self.runner.start(draft).id

    def snapshot(self, id: str) -> Snapshot:
        return self.bus.journal(id).snapshot

    async def run(self, function: Function, **params: object) -> Snapshot:
        """Run a function as an operation, to its end."""
        name = f"kind-{len(list(self.runner.kinds))}"
        return await self.end(self.start(self.kind(function, name), **params))

    async def begin(self, function: Function, bounds: Bounds = NO_BOUNDS) -> str:
        """Start an operation and wait for its first report; return its id."""
        id = self.start(self.kind(function, bounds=bounds))
        await self.until(lambda: bool(self.progress(id) or self.logs(id)))
        return id

    def at(self, id: str, state: str) -> float:
        """When an operation came into that state."""
        (when,) = (
            when
            for when, event in self.heard
            if event.operation == id and isinstance(event, StateEvent) and event.state == state
        )
        return when

    async def works(self) -> None:
        """Check that it still runs operations, in the loop and in threads."""

        async def in_loop(report: Reporter) -> str:
            return "well"

        def in_thread(report: Reporter) -> str:
            return "well"

        for function in (in_loop, in_thread):
            snapshot = await self.run(function)
            assert bytes(snapshot.result) == b'"well"'

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; it is looked at after each event."""
        with anyio.fail_after(self._patience):
            while not condition():
                self._news = anyio.Event()
                await self._news.wait()

    async def end(self, id: str) -> Snapshot:
        """Wait for the end of an operation."""
        await self.until(lambda: self.snapshot(id).ended)
        return self.snapshot(id)

    def of(self, id: str, type: type[E]) -> list[E]:
        """All events of that type of an operation, in order."""
        return [
            event for _, event in self.heard if event.operation == id and isinstance(event, type)
        ]

    def states(self, id: str) -> list[str]:
        return [str(event.state) for event in self.of(id, StateEvent)]

    def logs(self, id: str) -> list[str]:
        return [event.message for event in self.of(id, LogEvent)]

    def outputs(self, id: str) -> list[bytes]:
        return [bytes(event.data) for event in self.of(id, OutputEvent)]

    def progress(self, id: str) -> list[ProgressEvent]:
        return self.of(id, ProgressEvent)

    def _hear(self, journal: Journal, frame: Frame) -> None:
        event = decode(frame.json)
        assert isinstance(event, Event)
        self.heard.append(Heard(anyio.current_time(), event))
        self._fan_out(journal, frame)
        self._news.set()


@asynccontextmanager
async def rig(settings: Settings | None = None, patience: float = PATIENCE) -> AsyncIterator[Rig]:
    """Run a Runner, and check what has to be true of every history once it has stopped."""
    made = Rig(settings or Settings(), patience)
    made.hub.open()
    async with made.runner.run():
        yield made
    check_history([event for _, event in made.heard])


def check_history(events: list[Event]) -> None:
    """Cursors without holes; legal states; one terminal event of each operation, its last."""
    assert [event.cursor.n for event in events] == list(range(1, len(events) + 1))
    states: dict[str, str] = {}
    for event in events:
        before = states.get(event.operation, "")
        assert before not in ENDED, f"{event} after the end"
        if isinstance(event, StateEvent):
            assert event.state in NEXT[before], f"{before} -> {event.state}"
            states[event.operation] = event.state
        else:
            assert before, f"{event} before the first state"
    assert set(states.values()) <= ENDED


ENDED = {"succeeded", "failed", "cancelled", "lost"}

NEXT = {
    "": {"queued"},
    "queued": {"running", "cancelled", "failed"},
    "running": {"cancelling", "succeeded", "failed", "lost"},
    "cancelling": {"cancelled", "succeeded", "failed", "lost"},
}
"""The transitions of design section 6, written once more."""


def mock_clock() -> tuple[str, dict[str, object]]:
    """Return a backend on which time passes when all wait for it, and not before."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


mocked = pytest.mark.parametrize(
    "anyio_backend", [pytest.param(mock_clock, id="clock")], indirect=True
)
"""Runs a test in mocked time, in which waiting for minutes takes no time."""

DAY = 86_400.0
"""Patience enough for mocked time."""
