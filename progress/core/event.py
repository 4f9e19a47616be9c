"""Immutable facts about one operation. They never know who made them or who will read them.

Each is the JSON object on the wire, field for field. Times are RFC 3339 in UTC.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType, field

from .cursor import ZERO, Cursor

__all__ = [
    "LOSSLESS",
    "STEP_RUNNING",
    "TYPES",
    "Event",
    "Level",
    "LogEvent",
    "OperationProgress",
    "OutputEvent",
    "Problem",
    "ProgressEvent",
    "State",
    "StateEvent",
    "StepProgress",
    "StepState",
]

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

TYPES = ("state", "progress", "log", "output")
"""What `types=` may name."""

LOSSLESS = frozenset({"state", "log", "output"})
"""Each of these reaches every reader, or is counted in a gap. Of `progress` the latest wins."""


class State(StrEnum):
    """Where an operation is. `operation.TRANSITIONS` says what may follow what."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


class StepState(StrEnum):
    """Where a step is."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


STEP_RUNNING: Final = StepState.RUNNING
"""By one name, because looking up a member of an Enum costs a report more than comparing it."""


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an operation failed: an RFC 9457 problem object. `traceback` only in debug."""

    type: str
    title: str
    detail: str
    traceback: str | None = None


class OperationProgress(Struct, frozen=True, kw_only=True, gc=False):
    """The whole present progress of an operation; null where it is not known."""

    completed: float | None = None
    total: float | None = None
    unit: str | None = None
    fraction: float | None = None
    """0 to 1; falls only when a total grew."""
    message: str | None = None
    rate: float | None = None
    """Units a second, smoothed."""
    eta: float | None = None
    """Seconds to go."""
    elapsed: float | None = None
    """Seconds since it began to run, as of its last event."""
    position: int | None = None
    """Its place in the queue, from 1; null once it is not queued."""


class StepProgress(Struct, frozen=True, kw_only=True, gc=False):
    """The whole present state of one step; fields as in `OperationProgress`."""

    id: str
    parent: str | None
    label: str
    weight: float
    state: StepState
    completed: float
    total: float | None
    unit: str | None
    fraction: float | None
    message: str | None
    rate: float | None
    eta: float | None


class _Fact(Struct, frozen=True, kw_only=True, tag_field="type"):
    cursor: Cursor = field(default_factory=lambda: ZERO)
    """The bus sets it; `0-0` until then. (A factory, because a schema cannot show a Cursor.)"""
    operation: str
    time: str


class StateEvent(_Fact, frozen=True, kw_only=True, tag="state"):
    """The operation is in another state now."""

    state: State
    result: Raw | UnsetType = UNSET
    """JSON; with `succeeded` only."""
    error: Problem | UnsetType = UNSET
    """With `failed` only."""


class ProgressEvent(_Fact, frozen=True, kw_only=True, tag="progress"):
    """The whole present progress, of the operation and of the step that changed."""

    progress: OperationProgress
    step: StepProgress | None


class LogEvent(_Fact, frozen=True, kw_only=True, tag="log"):
    """One line for people."""

    level: Level
    message: str
    step: str | None


class OutputEvent(_Fact, frozen=True, kw_only=True, tag="output"):
    """A partial result: any JSON."""

    data: Raw


Event: TypeAlias = StateEvent | ProgressEvent | LogEvent | OutputEvent
