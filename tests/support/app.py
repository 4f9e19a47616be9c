"""Operations for tests over real HTTP: `progress serve tests.support.app:app`."""

from __future__ import annotations

import threading

import anyio

from progress import Created, Failure, Progress, Reporter

app = Progress()


@app.operation
async def count(report: Reporter, to: int = 3, interval: float = 0.01) -> dict[str, int]:
    """Count, and log each number."""
    for n in report.track(range(to)):
        report.log(f"line {n}")
        await anyio.sleep(interval)
    return {"counted": to}


@app.operation
async def flood(report: Reporter, lines: int, size: int = 200, every: int = 100) -> int:
    """Write many log lines and make as many reports, as fast as the loop allows."""
    for n in report.track(range(lines)):
        report.log(f"{n} ".ljust(size, "x"))
        if n % every == 0:
            await anyio.lowlevel.checkpoint()
    return lines


@app.operation
async def wait(report: Reporter) -> None:
    """Wait until it is cancelled."""
    report.update(message="waiting")
    await anyio.sleep_forever()


@app.operation
async def fail(report: Reporter, kind: str = "exception") -> None:
    """Fail: with an exception, or with a type of its own."""
    if kind == "exception":
        raise ValueError("no good")
    raise Failure(kind, "as asked for")


@app.operation
def thread(report: Reporter, to: int = 3) -> int:
    """Count in a worker thread."""
    for n in report.track(range(to)):
        report.log(f"line {n}")
    return to


@app.operation
def stuck(report: Reporter) -> None:
    """Hang in a worker thread, deaf to everything."""
    report.update(message="stuck")
    threading.Event().wait()


@app.operation
async def large(report: Reporter, bytes: int) -> str:
    """Return a result of that size."""
    return "x" * bytes


@app.operation
async def tidy(report: Reporter) -> None:
    """Wait until it is cancelled, and take a second to clean up."""
    report.update(message="waiting")
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1)


@app.operation
async def make(report: Reporter, location: str, result: int | None = None) -> Created:
    """Make something."""
    return Created(location, result)


@app.operation
async def until(report: Reporter, total: int | None = 4, step: float = 0.05) -> None:
    """Count to a total that is known, or not, and return nothing."""
    report.update(total=total, message="at it")
    for _ in range(total or 3):
        await anyio.sleep(step)
        report.advance()
