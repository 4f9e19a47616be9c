"""Real operations, run to their end in this process."""

from __future__ import annotations

from typing import TypeVar

import anyio
import msgspec

from progress import Progress, Settings, Snapshot
from progress.core.event import State
from progress.delivery.polling import wait_for_end
from progress.runner.kinds import Function

__all__ = ["ended", "measured"]

_T = TypeVar("_T")

_LONGEST = 600.0
"""Seconds that an operation may take here."""


async def ended(app: Progress, id: str) -> Snapshot:
    """Wait for an operation's end; return its snapshot."""
    journal = app.bus.journal(id)
    await wait_for_end(app.hub, journal, _LONGEST)
    return journal.snapshot


def measured(function: Function, rounds: int, type: type[_T]) -> _T:
    """Run a function that measures as an operation, in the loop or in a thread."""

    async def run() -> Snapshot:
        app = Progress(settings=Settings())
        app.operation(name="measured")(function)
        async with app.lifespan():
            return await ended(app, app.start("measured", rounds=rounds).id)

    snapshot = anyio.run(run)
    if snapshot.state is not State.SUCCEEDED:
        raise RuntimeError(f"the measuring operation is {snapshot.state}: {snapshot.error}")
    return msgspec.json.decode(snapshot.result, type=type)
