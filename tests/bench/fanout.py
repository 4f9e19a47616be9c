"""What it costs to publish one event to many subscribers in memory."""

from __future__ import annotations

from contextlib import ExitStack

from progress.core.event import OperationProgress, ProgressEvent
from progress.core.filter import Filter
from progress.core.frames import Frame
from progress.hub import Hub, Subscription
from progress.settings import Settings

from .harness import Figures, Row, compare, figure, interleave, stopwatch
from .histories import open_bus, progress, start
from .sinks import Accepting

__all__ = ["measure"]

_SUBSCRIBERS = 1_000
_EVENTS = 200


def measure(rounds: int) -> list[Row]:
    """Take all measurements of this topic."""
    figures = interleave(
        rounds,
        {
            "nobody": lambda: _publish(0, _EVENTS * 10, one=True) / 10,
            "single": lambda: _publish(1, _EVENTS * 10, one=True) / 10,
            "one": lambda: _publish(_SUBSCRIBERS, _EVENTS, one=True),
            "many": lambda: _publish(_SUBSCRIBERS, _EVENTS, one=False),
            "loop": _loop,
            "each": _encode_for_each,
        },
    )
    scale = 1e9 / _EVENTS
    return [
        figure("publish to nobody: an event", figures["nobody"], "ns", scale),
        figure("publish to 1 subscriber: an event", figures["single"], "ns", scale),
        *_deliveries(figures),
    ]


def _deliveries(figures: Figures) -> list[Row]:
    names = {
        "one": f"publish to {_SUBSCRIBERS:,} of one operation: a delivery",
        "many": f"publish to {_SUBSCRIBERS:,} streams of many: a delivery",
        "each": "and if each encoded for itself: a delivery",
    }
    return [
        compare(
            measurement,
            figures[name],
            figures["loop"],
            yardstick="for sink in sinks: sink.write(frame)",
            calls=_EVENTS * _SUBSCRIBERS,
        )
        for name, measurement in names.items()
    ]


def _publish(subscribers: int, events: int, *, one: bool) -> float:
    settings = Settings()
    bus = open_bus(settings)
    hub = Hub(bus, settings)
    start(bus, "a")
    journal = bus.journal("a") if one else None
    sinks = [Accepting() for _ in range(subscribers)]

    def publish() -> None:
        for n in range(events):
            progress(bus, "a", n)
            hub.flush()  # each in a turn of its own

    with ExitStack() as streams:
        for sink in sinks:
            streams.enter_context(hub.subscribe(sink, Subscription(Filter(), journal), bus.head))
        before = sum(sink.frames for sink in sinks)
        seconds = stopwatch(publish)
        if sum(sink.frames for sink in sinks) - before != subscribers * events:
            raise RuntimeError("not every event was delivered")
    return seconds


def _loop() -> float:
    """The least that Python can do, with the event made anew each time."""
    sinks = [Accepting() for _ in range(_SUBSCRIBERS)]

    def loop() -> None:
        for n in range(_EVENTS):
            frame = Frame(_event(n))
            for sink in sinks:
                sink.write(frame)

    return stopwatch(loop)


def _encode_for_each() -> float:
    """The same, but no two sinks share a frame."""
    sinks = [Accepting() for _ in range(_SUBSCRIBERS)]

    def loop() -> None:
        for n in range(_EVENTS):
            event = _event(n)
            for sink in sinks:
                sink.write(Frame(event))

    return stopwatch(loop)


def _event(n: int) -> ProgressEvent:
    numbers = OperationProgress(completed=n, total=1_000_000, unit="files")
    time = "2026-01-01T12:00:00.000Z"
    return ProgressEvent(operation="a", time=time, progress=numbers, step=None)
