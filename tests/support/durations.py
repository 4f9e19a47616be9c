"""What reports take, to be compared with what others take in the same run."""

from __future__ import annotations

from time import perf_counter

from progress import Reporter

__all__ = ["durations"]


def durations(pen: Reporter, count: int) -> list[float]:
    """Seconds of each of so many rounds of a log line of 1 KB and an update."""
    took = []
    for n in range(count):
        before = perf_counter()
        pen.log("x" * 1_000)
        pen.update(completed=n)
        took.append(perf_counter() - before)
    return took
