"""The operations of `tests.support.app`, and one that looks at the server from inside."""

from __future__ import annotations

import threading

import anyio

from progress import Reporter

from .app import app

__all__ = ["app"]


@app.operation
async def census(report: Reporter) -> dict[str, int]:
    """Count what must not be left over: tasks, subscribers, threads."""
    tasks = anyio.get_running_tasks()
    return {
        "tasks": len(tasks),
        "streaming": sum("EventSourceResponse" in (task.name or "") for task in tasks),
        "subscribers": app.hub.count,
        "threads": threading.active_count(),
    }
