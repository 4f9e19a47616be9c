"""What an ended operation costs while it is kept."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from itertools import islice

import anyio

from progress import Progress, Reporter, Settings
from progress.core.journal import Journal

from .harness import Row, count
from .running import ended

__all__ = ["BAR", "bytes_per_operation", "measure"]

BAR = 4_096
"""Bytes beyond the parameters, the result and the retained events."""

_HELD = 10_000
_WARM_UP = 100
_BATCH = 500


def measure(rounds: int) -> list[Row]:
    """Take all measurements of this topic; counting needs no rounds."""
    few, many = (anyio.run(bytes_per_operation, _HELD // 10, steps) for steps in (2, 22))
    rows = [
        count(
            f"{_HELD:,} ended operations kept, {steps} steps: each",
            anyio.run(bytes_per_operation, _HELD, steps),
            "bytes",
            at_most=BAR,
        )
        for steps in (0, 2)
    ]
    return [*rows, count("and each step more", (many - few) / 20, "bytes")]


async def bytes_per_operation(held: int, steps: int) -> float:
    """What each of so many ended operations takes beyond what it was given to keep."""
    app = Progress(settings=Settings())
    app.operation(_work)
    async with app.lifespan():
        await _run(app, _WARM_UP, steps)
        tracemalloc.start()
        await _settle()
        before, _ = tracemalloc.get_traced_memory()
        await _run(app, held, steps)
        await _settle()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        kept = list(islice(app.bus.journals(), held))
    if len(kept) < held:
        raise RuntimeError(f"only {len(kept)} of {held} operations are kept")
    return (after - before - sum(map(_given, kept))) / held


async def _settle() -> None:
    """Let the tasks of what has ended go."""
    await anyio.wait_all_tasks_blocked()
    gc.collect()


def _given(journal: Journal) -> int:
    """Bytes of the parameters, the result and the retained events of an operation."""
    snapshot = journal.snapshot
    values = [bytes(value) for value in (snapshot.params, snapshot.result)]
    frames = [sys.getsizeof(frame) + sys.getsizeof(frame.sse) for frame in journal.frames]
    return sum(map(sys.getsizeof, values)) + sum(frames)


async def _work(report: Reporter, steps: int, name: str) -> dict[str, str]:
    report.update(message=f"working on {name}")
    for n in range(steps):
        with report.step(f"step {n}", total=10.5, unit="files") as step:
            step.update(completed=n + 0.5, message=f"{name} at {n}")
    report.log(f"{name} is done")
    report.output({"name": name})
    return {"name": name}


async def _run(app: Progress, operations: int, steps: int) -> None:
    for start in range(0, operations, _BATCH):
        numbers = range(start, min(start + _BATCH, operations))
        ids = [app.start("_work", steps=steps, name=f"number {n}").id for n in numbers]
        for id in ids:
            await ended(app, id)
