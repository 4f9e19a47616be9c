"""A snapshot to begin with."""

from __future__ import annotations

from msgspec import Raw

from progress.core.cursor import ZERO, Cursor
from progress.core.event import OperationProgress, State
from progress.core.operation import Snapshot

TIME = "2026-01-01T12:00:00.000Z"


def snapshot(
    id: str = "o", kind: str = "k", state: State = State.QUEUED, cursor: Cursor = ZERO
) -> Snapshot:
    """An operation of which nothing is known but this."""
    return Snapshot(
        id=id,
        kind=kind,
        state=state,
        progress=OperationProgress(position=1),
        steps=(),
        params=Raw(b"{}"),
        labels={},
        result=Raw(b"null"),
        error=None,
        created_at=TIME,
        started_at=None,
        updated_at=TIME,
        finished_at=None,
        cursor=cursor,
    )
