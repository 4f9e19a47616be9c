"""Operations with a past, published without running anything."""

from __future__ import annotations

from msgspec import Raw

from progress.bus import MemoryBus
from progress.core.cursor import ZERO
from progress.core.event import (
    LogEvent,
    OperationProgress,
    ProgressEvent,
    State,
    StateEvent,
)
from progress.core.operation import Snapshot
from progress.settings import Settings

__all__ = ["end", "log", "open_bus", "progress", "start"]

_TIME = "2026-01-01T12:00:00.000Z"
_NULL = Raw(b"null")


def open_bus(settings: Settings) -> MemoryBus:
    """A new bus in memory."""
    return MemoryBus(1, settings.limits, settings.retention)


def start(bus: MemoryBus, id: str) -> None:
    """Publish that an operation was queued and runs."""
    snapshot = Snapshot(
        id=id,
        kind="measured",
        state=State.QUEUED,
        progress=OperationProgress(),
        steps=(),
        params=Raw(b"{}"),
        labels={},
        result=_NULL,
        error=None,
        created_at=_TIME,
        started_at=None,
        updated_at=_TIME,
        finished_at=None,
        cursor=ZERO,
    )
    bus.publish(StateEvent(operation=id, time=_TIME, state=State.QUEUED), created=snapshot)
    bus.publish(StateEvent(operation=id, time=_TIME, state=State.RUNNING))


def progress(bus: MemoryBus, id: str, completed: int) -> None:
    """Publish progress."""
    numbers = OperationProgress(completed=completed, total=1_000_000, unit="files")
    bus.publish(ProgressEvent(operation=id, time=_TIME, progress=numbers, step=None))


def log(bus: MemoryBus, id: str, message: str) -> None:
    """Publish a line."""
    bus.publish(LogEvent(operation=id, time=_TIME, level="info", message=message, step=None))


def end(bus: MemoryBus, id: str) -> None:
    """Publish that it has succeeded."""
    bus.publish(StateEvent(operation=id, time=_TIME, state=State.SUCCEEDED, result=_NULL))
