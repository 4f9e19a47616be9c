"""The state table, the snapshot and the fold: the one place where state is computed.

Every transport shows what `fold` made. It only assigns; numbers are computed by the reporter.
"""

from __future__ import annotations

from typing import assert_never

from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from progress.errors import ReportError

from .cursor import Cursor
from .event import (
    Event,
    LogEvent,
    OperationProgress,
    OutputEvent,
    Problem,
    ProgressEvent,
    State,
    StateEvent,
    StepProgress,
)

__all__ = ["ENDED", "TRANSITIONS", "Snapshot", "check", "fold"]

TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset({State.CANCELLING, State.SUCCEEDED, State.FAILED, State.LOST}),
    State.CANCELLING: frozenset({State.CANCELLED, State.SUCCEEDED, State.FAILED, State.LOST}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.LOST: frozenset(),
}
"""`lost` means that the process that ran it is gone."""

ENDED = frozenset(state for state, next_states in TRANSITIONS.items() if not next_states)
"""The terminal states: exactly one of them comes, and nothing after it."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The fold of an operation's events: its whole present state, as JSON on the wire."""

    id: str
    """A UUIDv7: ids sort by the time of creation."""
    kind: str
    state: State
    progress: OperationProgress
    steps: tuple[StepProgress, ...]
    """In the order in which they were planned or opened."""
    params: Raw
    labels: dict[str, str]
    result: Raw
    """`null` until it has succeeded, and where it returned nothing."""
    error: Problem | None
    created_at: str
    started_at: str | None
    updated_at: str
    finished_at: str | None
    cursor: Cursor
    """Of the newest event folded in."""

    @property
    def ended(self) -> bool:
        """Whether nothing can come any more."""
        return self.state in ENDED


def check(snapshot: Snapshot, event: Event) -> None:
    """Let an event pass that may come next.

    Raises:
        ReportError: a transition that is not in `TRANSITIONS`, or anything after the end.
    """
    if snapshot.state in ENDED:
        raise ReportError(f"{snapshot.id} is {snapshot.state}: nothing can come after that")
    if isinstance(event, StateEvent) and event.state not in TRANSITIONS[snapshot.state]:
        first = snapshot.cursor.n == 0 and event.state is snapshot.state
        if not first:
            raise ReportError(f"{snapshot.id} cannot go from {snapshot.state} to {event.state}")


def fold(snapshot: Snapshot, event: Event) -> Snapshot:
    """Return the snapshot after one more event.

    It checks nothing: a reader folds what is left to it, and a state in between may be trimmed.
    """
    match event:
        case ProgressEvent():  # first, because there are most of them
            return replace(
                snapshot,
                progress=event.progress,
                steps=_with_step(snapshot.steps, event.step),
                updated_at=event.time,
                cursor=event.cursor,
            )
        case StateEvent():
            return _fold_state(snapshot, event)
        case LogEvent() | OutputEvent():
            return replace(snapshot, updated_at=event.time, cursor=event.cursor)
        case _:
            assert_never(event)


def _fold_state(snapshot: Snapshot, event: StateEvent) -> Snapshot:
    progress = snapshot.progress
    if event.state is not State.QUEUED and progress.position is not None:
        progress = replace(progress, position=None)
    return replace(
        snapshot,
        state=event.state,
        progress=progress,
        result=snapshot.result if event.result is UNSET else event.result,
        error=snapshot.error if event.error is UNSET else event.error,
        started_at=event.time if event.state is State.RUNNING else snapshot.started_at,
        finished_at=event.time if event.state in ENDED else None,
        updated_at=event.time,
        cursor=event.cursor,
    )


def _with_step(
    steps: tuple[StepProgress, ...], step: StepProgress | None
) -> tuple[StepProgress, ...]:
    if step is None:
        return steps
    # From the newest, because that is the one that changes most.
    index = len(steps)
    for known in reversed(steps):
        index -= 1
        if known.id == step.id:
            changed = list(steps)
            changed[index] = step
            return tuple(changed)
    return (*steps, step)
