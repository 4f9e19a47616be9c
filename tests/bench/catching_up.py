"""What readers cost that are behind: many on one operation, one on many operations."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from progress.bus import MemoryBus
from progress.core.cursor import ZERO
from progress.core.filter import Filter
from progress.hub import Hub, Subscription
from progress.settings import Settings

from .harness import Row, compare, figure, interleave, stopwatch
from .histories import end, log, open_bus, start
from .sinks import Accepting, Buffered

__all__ = ["measure"]

_READERS = 1_000
_OPERATIONS = (2_500, 10_000)
_ROUNDS = 3
"""At most: these take seconds, and no bar hangs on them."""


def measure(rounds: int) -> list[Row]:
    """Take all measurements of this topic."""
    rounds = min(rounds, _ROUNDS)
    settings = Settings()
    few, many = (_of_ended(settings, operations) for operations in _OPERATIONS)
    one = _of_lines(settings)
    figures = interleave(
        rounds,
        {
            "one": lambda: _resume_one(settings, one),
            "loop": lambda: _write_one(one),
            "few": lambda: _drain(settings, few),
            "many": lambda: _drain(settings, many),
            "stop": lambda: _longest_stop(settings, many),
        },
    )
    history = f"/events?after=0-0 of {_OPERATIONS[1]:,} ended, 64 KiB at a time"
    lines = _READERS * len(one.journal("a").frames)
    growth = [4 * seconds for seconds in figures["few"]]
    return [
        compare(
            f"{_READERS:,} readers resume one full journal: a delivery",
            figures["one"],
            figures["loop"],
            yardstick="for frame in frames: sink.write(frame)",
            calls=lines,
        ),
        Row(
            measurement=f"{history}: all",
            ours=median(figures["many"]),
            unit="s",
            ours_spread=(min(figures["many"]), max(figures["many"])),
            yardstick=f"four times that of {_OPERATIONS[0]:,}",
            theirs=median(growth),
            ratio=median(figures["many"]) / median(growth),
        ),
        figure(f"{history}: longest stop of the loop", figures["stop"], "ms", 1e3),
    ]


def _of_lines(settings: Settings) -> MemoryBus:
    bus = open_bus(settings)
    start(bus, "a")
    for n in range(settings.limits.journal):
        log(bus, "a", f"line {n}")
    return bus


def _of_ended(settings: Settings, operations: int) -> MemoryBus:
    bus = open_bus(settings)
    for n in range(operations):
        start(bus, f"operation {n}")
        end(bus, f"operation {n}")
    return bus


def _resume_one(settings: Settings, bus: MemoryBus) -> float:
    hub = Hub(bus, settings)
    journal = bus.journal("a")
    sinks = [Accepting() for _ in range(_READERS)]

    def resume() -> None:
        for sink in sinks:
            with hub.subscribe(sink, Subscription(Filter(), journal), ZERO) as subscriber:
                while not subscriber.live:  # a sinkful in each turn of the loop
                    hub.resume(subscriber)

    seconds = stopwatch(resume)
    if min(sink.frames for sink in sinks) < len(journal.frames):
        raise RuntimeError("a reader has not got everything")
    return seconds


def _write_one(bus: MemoryBus) -> float:
    sinks = [Accepting() for _ in range(_READERS)]
    frames = bus.journal("a").frames

    def write() -> None:
        for sink in sinks:
            for frame in frames:
                sink.write(frame)

    return stopwatch(write)


def _drain(settings: Settings, bus: MemoryBus) -> float:
    return sum(_resumes(settings, bus))


def _longest_stop(settings: Settings, bus: MemoryBus) -> float:
    return max(_resumes(settings, bus))


def _resumes(settings: Settings, bus: MemoryBus) -> Iterator[float]:
    """Catch one reader up with all operations; yield the seconds of each go."""
    hub = Hub(bus, settings)
    sink = Buffered(settings.limits.sink)
    with hub.subscribe(sink, Subscription(Filter()), ZERO) as subscriber:
        while not subscriber.live:
            sink.drain()
            yield stopwatch(lambda: hub.resume(subscriber))
