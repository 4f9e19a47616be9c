"""Events with nothing in them but what a test is about."""

from __future__ import annotations

from progress.core.event import (
    LogEvent,
    OperationProgress,
    ProgressEvent,
    State,
    StateEvent,
    StepProgress,
    StepState,
)

from .snapshots import TIME

__all__ = ["log", "progress", "state"]


def state(operation: str, state: State) -> StateEvent:
    """A new state."""
    return StateEvent(operation=operation, time=TIME, state=state)


def log(operation: str, message: str) -> LogEvent:
    """A log line."""
    return LogEvent(operation=operation, time=TIME, level="info", message=message, step=None)


def progress(operation: str, completed: float, step: str | None = None) -> ProgressEvent:
    """The progress of the operation, and of one of its steps."""
    return ProgressEvent(
        operation=operation,
        time=TIME,
        progress=OperationProgress(completed=completed),
        step=None if step is None else _step(step, completed),
    )


def _step(id: str, completed: float) -> StepProgress:
    return StepProgress(
        id=id,
        parent=None,
        label=id,
        weight=1.0,
        state=StepState.RUNNING,
        completed=completed,
        total=None,
        unit=None,
        fraction=None,
        message=None,
        rate=None,
        eta=None,
    )
