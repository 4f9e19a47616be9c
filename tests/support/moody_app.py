"""`tests.support.guarded_app` with a bug in its `authorize`: `tests.support.moody_app:app`.

Whoever wants to do to an operation what its label `breaks:<action>` says meets it.
"""

from __future__ import annotations

import anyio
from starlette.requests import HTTPConnection

from progress import Progress, Reporter
from progress.core.operation import Snapshot

from . import guarded_app

BUG = "a bug of the host's"


async def authorize(connection: HTTPConnection, action: str, operation: Snapshot | None) -> None:
    """Do what the other one does, where nothing breaks."""
    if operation is not None and operation.labels.get("breaks") == action:
        raise ZeroDivisionError(BUG)
    await guarded_app.authorize(connection, action, operation)


app = Progress(authorize=authorize)
app.operation(guarded_app.count)
app.operation(guarded_app.release)
app.operation(guarded_app.wait)


@app.operation
async def census(report: Reporter) -> dict[str, int]:
    """Count what must not be left over."""
    return {"tasks": len(anyio.get_running_tasks()), "subscribers": app.hub.count}
