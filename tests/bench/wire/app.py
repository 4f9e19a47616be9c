"""What our own server runs: operations whose pens another operation reports with."""

from __future__ import annotations

from itertools import cycle

import anyio

from progress import Progress, Reporter
from progress.runner import Step

from .pace import at_rate, stamp

__all__ = ["app"]

_STEPS = 2
"""Of each operation, in turn: the report's gate opens ten times a second for each step, and an
operation that is watched tells twenty events."""

_NOTE_EVERY = 10_000

app = Progress()
_pens: list[Step] = []
_running = anyio.Semaphore(0)


@app.operation
async def prepare(report: Reporter, operations: int) -> list[str]:
    """Start so many operations, and return their ids once they run."""
    ids = [app.start("work").id for _ in range(operations)]
    for _ in ids:
        await _running.acquire()
    return ids


@app.operation
async def work(report: Reporter) -> None:
    """Run for ever; `publish` reports for it."""
    _pens.extend(report.step(f"part {n}", unit="files") for n in range(_STEPS))
    _running.release()
    await anyio.sleep_forever()


@app.operation
async def publish(report: Reporter, rate: float, events: int) -> None:
    """Report so many times on all operations, in turn."""
    # First one step of each, then the other.
    pens = cycle(pen for first in range(_STEPS) for pen in _pens[first::_STEPS])
    await at_rate(rate, events, lambda n: next(pens).update(message=f"photos/1.jpg {stamp()}"))


@app.operation
async def flood(report: Reporter, events: int) -> None:
    """Log in a tight loop, and start a short operation now and then."""
    for n in range(events):
        report.log(f"a line that says that number {n} of {events} was done without any trouble")
        if n % _NOTE_EVERY == 0:
            app.start("note")


@app.operation
async def note(report: Reporter) -> None:
    """End at once: three state events."""
