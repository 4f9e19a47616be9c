"""How many progress events a million reports make."""

from __future__ import annotations

import time
from typing import NamedTuple

import anyio

from progress import Reporter, Settings
from progress.bus import MemoryBus
from progress.core.event import ProgressEvent, StepState
from progress.core.frames import Frame, decode
from progress.core.journal import Journal
from progress.runner import Runner
from progress.runner.kinds import Bounds, Function

from .harness import Row

__all__ = [
    "REPORTS",
    "Sent",
    "allowed",
    "measure",
    "progress_of",
    "report_in_a_thread",
    "report_in_the_loop",
]

REPORTS = 1_000_000
_REPORTS_A_PAUSE = 1_000
_PAUSE = 0.003


class Sent(NamedTuple):
    """A progress event as it went out."""

    at: float
    step: str | None
    state: StepState | None
    completed: float | None


def measure(rounds: int) -> list[Row]:
    """Take all measurements of this topic; each is made once, and lasts some seconds."""
    rows = []
    for where, function in (("async", report_in_the_loop), ("thread", report_in_a_thread)):
        events = anyio.run(progress_of, function)
        most = allowed(events)
        rows.append(
            Row(
                measurement=f"{REPORTS:,} reports, {where}, {_seconds(events):.1f} s",
                ours=len(events),
                unit="events",
                yardstick="10 a second, the start, first and last value",
                theirs=most,
                ratio=len(events) / most,
                bar="<= 1",
                holds=len(events) <= most,
            )
        )
    return rows


def allowed(events: list[Sent]) -> int:
    """Ten a second, its start, its first value, and its end with the last value."""
    return int(_seconds(events) * 10) + 3


def _seconds(events: list[Sent]) -> float:
    return events[-1].at - events[0].at


async def progress_of(function: Function) -> list[Sent]:
    """Run a function as an operation; return the progress events of its steps."""
    settings = Settings()
    bus = MemoryBus(1, settings.limits, settings.retention)
    runner = Runner(bus, settings)
    sent: list[Sent] = []
    ended = anyio.Event()

    def listen(journal: Journal, frame: Frame) -> None:
        event = decode(frame.sse.partition(b"data: ")[2])
        if isinstance(event, ProgressEvent) and (step := event.step) is not None:
            sent.append(Sent(anyio.current_time(), step.id, step.state, step.completed))
        if journal.snapshot.ended:
            ended.set()

    bus.listener = listen
    runner.kinds.register(function, "measured", Bounds())
    async with runner.run():
        runner.start(runner.draft("measured", b"{}", {}))
        await ended.wait()
    return sent


async def report_in_the_loop(report: Reporter) -> None:
    """Make a million reports on one step, and let the loop turn a thousand times."""
    with report.step("work", total=REPORTS) as step:
        for n in range(REPORTS):
            step.advance()
            if n % _REPORTS_A_PAUSE == 0:
                await anyio.sleep(_PAUSE)


def report_in_a_thread(report: Reporter) -> None:
    """The same in a worker thread."""
    with report.step("work", total=REPORTS) as step:
        for n in range(REPORTS):
            step.advance()
            if n % _REPORTS_A_PAUSE == 0:
                time.sleep(_PAUSE)
